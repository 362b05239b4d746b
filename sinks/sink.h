/* The sink interface: where clean blocks go.
 *
 * A sink type is a const table of functions and a table of settings; an instance is a struct whose first member is
 * `struct sink`. Adding one is a file sink_<name>.c and a line in sink_table.c.
 *
 * Life: the configuration fills the settings; check(); pair(); open(); then take() and poll() in any order; close().
 * Every block that take() accepted ends in one call of sink_done(). Trying again is the sink's own business (net/retry.h):
 * without limit for what may pass, never for what the receiver refuses for good: such records are named in sink_done().
 * What is in hand when close() is called is not done and will be offered again after a restart.
 * Thread: every call comes from the sink's own thread, but wake(), which may come from any. */
#ifndef LETHE_SINKS_SINK_H
#define LETHE_SINKS_SINK_H

#include "base/error.h"
#include "base/log.h"
#include "base/setting.h"
#include "sinks/block.h"

#include <stdatomic.h>

struct ledger;
struct kafka_feed;

struct sink_counters {
    atomic_uint_fast64_t delivered, rejected;      /* records */
    atomic_uint_fast64_t delivered_bytes;
    atomic_uint_fast64_t retried;                  /* attempts after the first: requests or messages */
    atomic_uint_fast64_t failing_since_ms;         /* clock_realtime_ms() of the first failure since the last success; 0: well */
    atomic_uint_fast64_t missed;                   /* optional sinks: records passed over since they lagged too far */
};

#define SINK_TROUBLE 256   /* bytes of the text of a failure */

/* The records of a sink, by the fields of block_record. Empty lists let everything pass. */
struct sink_filter {
    struct text_list kinds, categories, levels, results;   /* without case; `*` at the end stands for any rest */
};

struct sink {
    const struct sink_type *type;
    const char             *name;
    unsigned                number;         /* bit of this sink in block_record.sinks */
    int                     format;         /* enum format */
    unsigned                encoding;       /* index into block.encodings of that format */
    bool                    required;       /* nothing is settled before this sink has it */
    bool                    every_block;    /* also those with nothing for it; none is stored before it has it. Set by pair() */
    uint64_t                max_lag;        /* bytes an optional sink may stay behind */
    bool                    metadata;       /* add event id, kind and policy where the format has a place for them */
    struct sink_filter      filter;
    struct sink_counters    counters;
    /* last failure, and last one in the log: see sink_trouble() */
    char                    trouble[SINK_TROUBLE], told[SINK_TROUBLE];
    struct log_limit        trouble_limit, refit_limit;
    void                   *owner;          /* of sink_done() */
};

enum sink_take {
    SINK_TOOK,   /* sink_done() will follow */
    SINK_FULL,   /* not now: poll() first */
};

/* What a sink may want to know of the rest of the configuration. */
struct sink_company {
    struct kafka_feed *feed;             /* of the only source, if it has one; NULL */
    bool               others_required;  /* another sink is required, too */
};

struct sink_type {
    const char           *name;       /* "kafka": `type` in the configuration */
    const char           *summary;
    size_t                bytes;      /* of the instance */
    const struct setting *settings;
    const char           *formats;    /* space separated names of formats it can send; the first is the default */
    bool                  network;    /* bytes leave the machine: the second gate looks at them */
    bool (*check)(struct sink *, struct error *);         /* may be NULL; ERROR_USAGE */
    /* after all were checked; may be NULL; ERROR_USAGE */
    bool (*pair)(struct sink *, const struct sink_company *, struct error *);
    const char           *paired_by;  /* the setting that pair() is about */
    void (*make_folders)(const struct sink *);            /* before open(), while the process may still write anywhere; may be
                                                             NULL. What fails is told by who writes there */
    bool (*open)(struct sink *, struct error *);          /* checks all it can without the receiver being there */
    enum sink_take (*take)(struct sink *, struct block *);
    bool (*poll)(struct sink *, int wait_ms, struct error *);   /* lets input and output progress, waits at most so long for it;
                                                              NULL: everything is done in take(). False: this sink can never go
                                                              on; the run ends with the error */
    void (*wake)(struct sink *);                          /* ends a wait in poll(); NULL with poll */
    void (*close)(struct sink *);
};

extern const struct sink_type *const sink_types[];   /* ended by NULL */

/* A record that the receiver refused for good: never offered again, counted as rejected. */
struct rejected {
    uint32_t    record;   /* index in the block */
    const char *reason;   /* of a closed set: "too large", "schema"; a string literal */
};

/* The block has ended for this sink; it must not be touched afterwards. Records whose bit is not set do not count. */
void sink_done(struct sink *, struct block *, const struct rejected *, size_t count);

/* The block has ended for this sink and nothing of it was delivered: its source has it read again. Only for blocks whose
 * source was told so. */
void sink_withdraw(struct sink *, struct block *);

/* Tells of trouble, rate limited, in the log and for the status page; sink_well() ends it. The text holds no payload. */
void sink_trouble(struct sink *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sink_well(struct sink *);
void sink_trouble_text(const struct sink *, char out[SINK_TROUBLE]);   /* "": none; any thread */

/* A block comes from the store: tells, once in a while, if it was kept in another format than the sink's. */
void sink_note_stored(struct sink *, const struct block *);

/* Whether record i of the block is for this sink. */
static inline bool sink_wants(const struct sink *s, const struct block *b, size_t i)
{
    return (b->records[i].sinks >> s->number & 1) != 0;
}

/* The bytes of record i in this sink's format, without a line feed. */
static inline struct slice sink_bytes(const struct sink *s, const struct block *b, size_t i)
{
    return block_bytes(b, s->encoding, i);
}

#endif
