/* The block: clean records, encoded in every format that a sink of the run wants, with the facts that sinks route by. It is
 * what sinks take and what the spool keeps; it holds no raw byte.
 *
 * (1) block_fill() makes one from a clean batch; block_restore() from the bytes of the spool. Nothing else does.
 * (2) Afterwards it is const for everyone until its last holder has let go.
 * (3) Every record's bytes end in a line feed, so that a block of JSON Lines is ready to be written as it is.
 * Thread: whoever fills it, then read by several at once. */
#ifndef LETHE_SINKS_BLOCK_H
#define LETHE_SINKS_BLOCK_H

#include "redaction/gate.h"
#include "sinks/encode.h"

#define BLOCK_ENCODINGS 8    /* different formats in one run */
#define BLOCK_SINKS     32   /* sinks in one run */
#define EVENT_ID_BYTES  16
#define EVENT_ID_TEXT   (2 * EVENT_ID_BYTES + 1)

/* A short text in block.labels. */
struct label {
    uint32_t start, len;
};

/* Goes to the store as it lies in memory: padding would take along what was there before. */
struct block_record {
    uint32_t     sinks;          /* bit n: sink number n gets it */
    uint8_t      kind;           /* enum kind */
    uint8_t      zero[3];
    uint32_t     redactions;     /* spans replaced */
    uint32_t     also_zero;
    int64_t      time_ms;        /* the record's own time since 1970, or INT64_MIN */
    uint8_t      event_id[EVENT_ID_BYTES];   /* equal when the same record is read again */
    struct label category, level, result, resource, correlation, policy;   /* clean text; may be empty */
};
_Static_assert(sizeof(struct block_record) == 24 + EVENT_ID_BYTES + 6 * sizeof(struct label), "no padding");

struct block_encoding {
    struct encoded bytes;
    uint32_t      *starts;       /* count + 1 of them: record i is bytes[starts[i], starts[i + 1] - 1) */
    size_t         capacity;
};

struct sink;
struct receipt;

/* What the blocks of a run are made for: its sinks, and the formats they want, each once. Const while the run lasts. */
struct block_scheme {
    struct sink *const *sinks;
    size_t              sink_count;
    enum format         formats[BLOCK_ENCODINGS];
    size_t              format_count;
    bool                gated[BLOCK_ENCODINGS];   /* a sink of that format sends over the network */
};

void block_scheme_init(struct block_scheme *, struct sink *const *sinks, size_t count);

struct block {
    uint64_t              seq;           /* the ledger's number; larger is later */
    uint64_t              born_ms;       /* clock_monotonic_ms() when its batch was read */
    const struct receipt *receipt;       /* of its batch, as long as its source was not told; NULL: of an earlier run */
    size_t                count, capacity;
    struct block_record  *records;
    struct encoded        labels;
    uint32_t              refitted;      /* bit n: encoding n was made of another: sinks/refit.h */
    struct block_encoding encodings[BLOCK_ENCODINGS];   /* as many as the scheme has formats */
};

static inline struct slice block_bytes(const struct block *b, unsigned encoding, size_t i)
{
    const struct block_encoding *e = &b->encodings[encoding];
    return slice_of(e->bytes.data + e->starts[i], e->starts[i + 1] - e->starts[i] - 1);
}

/* The event id in hexadecimal, NUL-terminated. */
void event_id_text(const struct block_record *, char out[EVENT_ID_TEXT]);

static inline struct slice block_label(const struct block *b, struct label label)
{
    return slice_of(b->labels.data + label.start, label.len);
}

/* Fills blocks from clean batches. Thread: belongs to one. */
struct block_filler;

/* `keys` give the event ids. The gate is borrowed; NULL: no second look. */
MUST_USE struct block_filler *block_filler_new(const struct block_scheme *, const struct keyring *, struct gate *);
void block_filler_free(struct block_filler *);

/* Fills a cleared block. `gated` is called with the index in the clean batch of each record that the second gate held back: it
 * is in the block, but for no sink. False: no memory; the block is as it was. */
MUST_USE bool block_fill(struct block_filler *, struct block *, const struct clean_batch *, const struct origin *origins,
                         void (*gated)(void *context, size_t record), void *context);

/* Appends the block as bytes, for the sinks in `sinks` only. Formats and sinks are named, so that a run with another
 * configuration can read it. False: no memory. */
MUST_USE bool block_serialize(const struct block *, const struct block_scheme *, uint32_t sinks, struct encoded *out);

/* Fills a cleared block from such bytes, for the sinks in `sinks` only: without the formats of others. A format that they do
 * not have, since the sink had another when they were kept, is made of one that they have (sinks/refit.h): no sink sees another
 * format than its own. Unless restored, the block is cleared. */
enum block_restored { RESTORE_DONE, RESTORE_DAMAGED, RESTORE_NO_MEMORY };
MUST_USE enum block_restored block_restore(struct block *, const struct block_scheme *, uint32_t sinks, struct slice bytes);

MUST_USE struct block *block_new(void);   /* NULL: no memory */
void block_free(struct block *);
void block_clear(struct block *);
size_t block_size(const struct block *);   /* bytes it holds in memory */

#endif
