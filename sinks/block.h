/* The block: clean records, encoded in every format that a sink of the run wants, with the facts that sinks route by. It is
 * what sinks take and what the spool keeps; it holds no raw byte.
 *
 * (1) block_fill() makes one from a clean batch; block_restore() from the bytes of the spool. Nothing else does.
 * (2) Afterwards it is const for everyone until its last holder has let go.
 * (3) Every record's bytes end in a line feed, so that a block of JSON Lines is ready to be written as it is.
 * Thread: whoever fills it, then read by several at once. */
#ifndef LETHE_SINKS_BLOCK_H
#define LETHE_SINKS_BLOCK_H

#include "sinks/encode.h"

#define BLOCK_ENCODINGS 8    /* different formats in one run */
#define BLOCK_SINKS     32   /* sinks in one run */
#define EVENT_ID_BYTES  16

/* A short text in block.labels. */
struct label {
    uint32_t start, len;
};

struct block_record {
    uint32_t     sinks;          /* bit n: sink number n gets it */
    uint8_t      kind;           /* enum kind */
    uint32_t     redactions;     /* spans replaced */
    int64_t      time_ms;        /* the record's own time since 1970, or INT64_MIN */
    uint8_t      event_id[EVENT_ID_BYTES];   /* equal when the same record is read again */
    struct label category, level, result, resource, correlation;   /* clean text; may be empty */
};

struct block_encoding {
    struct encoded bytes;
    uint32_t      *starts;       /* count + 1 of them: record i is bytes[starts[i], starts[i + 1] - 1) */
    size_t         capacity;
};

struct block {
    uint64_t              seq;           /* the ledger's number; larger is later */
    uint64_t              born_ms;       /* clock_monotonic_ms() when its batch was read */
    size_t                count, capacity;
    struct block_record  *records;
    struct encoded        labels;
    struct block_encoding encodings[BLOCK_ENCODINGS];   /* those without starts are not there */
    const char           *policy;        /* name of the policy, for metadata */
};

static inline struct slice block_bytes(const struct block *b, unsigned encoding, size_t i)
{
    const struct block_encoding *e = &b->encodings[encoding];
    return slice_of(e->bytes.data + e->starts[i], e->starts[i + 1] - e->starts[i] - 1);
}

static inline struct slice block_label(const struct block *b, struct label label)
{
    return slice_of(b->labels.data + label.start, label.len);
}

MUST_USE struct block *block_new(void);   /* NULL: no memory */
void block_free(struct block *);
void block_clear(struct block *);
size_t block_size(const struct block *);   /* bytes it holds in memory */

#endif
