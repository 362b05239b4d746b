/* The source interface: where a streaming run takes its records from.
 *
 * A source type is a const table of functions and a table of settings; an instance is a struct whose first member is
 * `struct source`. Adding one is a file source_<name>.c and a line in source_table.c.
 *
 * Life: the configuration fills the settings; check() looks at what the table cannot say; open(); fill() again and again;
 * close(). Every receipt ends in settled() or abandoned(), one after another in the order of fill(), before close().
 * Thread: open, fill and close are called by the source's own thread. settled() and abandoned() are called by any, one at a
 * time: a worker or a sink waits as long as they take, and what they share with fill() needs a lock. wake(): any thread. */
#ifndef LETHE_COLLECTOR_SOURCE_H
#define LETHE_COLLECTOR_SOURCE_H

#include "base/error.h"
#include "base/setting.h"
#include "cargo.h"
#include "parser/framing.h"

#include <stdatomic.h>

struct kafka_feed;
struct keyring;
struct store;

/* What a source did, for metrics and the status page. Only ever grow, but for the gauges. */
struct source_counters {
    atomic_uint_fast64_t bytes, batches;        /* counted by the pipeline */
    atomic_uint_fast64_t records, clean, redacted, withheld;   /* counted by the pipeline */
    atomic_uint_fast64_t errors;                /* failures of the world that were told and are tried again */
    atomic_uint_fast64_t lag_bytes;             /* gauge: bytes (or messages) known to wait; UINT_FAST64_MAX: not known */
    atomic_uint_fast64_t streams;               /* gauge: files, partitions, connections or blobs at present */
    atomic_uint_fast64_t lost_bytes;            /* bytes (or messages) gone before they could be read: copytruncate, retention */
    atomic_uint_fast64_t empty;                 /* messages without a body, passed over: tombstones */
};

struct source {
    const struct source_type *type;
    const char               *name;
    const char               *policy;        /* as configured, or NULL */
    size_t                    max_record;    /* bytes: longest document; a cargo has room for it. open() may raise it */
    const struct keyring     *keys;          /* for keyed hashes, see source_stream_id() */
    struct store             *store;         /* positions of earlier runs; NULL: none are kept */
    uint64_t                  store_born_ns; /* when its folder was made, since 1970: before the first run with it */
    /* for a sink that is exactly once with it, set by check(); NULL: there is no such thing */
    struct kafka_feed        *feed;
    atomic_bool               stopping;      /* fill() should come back soon, with FILL_IDLE if it has nothing */
    atomic_bool               ending;        /* set before `stopping`: the process is to end, nobody takes over what was read */
    struct source_counters    counters;
};

enum source_fill {
    SOURCE_FILLED,   /* the cargo has a receipt and perhaps documents: it goes on its way */
    SOURCE_IDLE,     /* nothing to read just now: the cargo is as it was */
    SOURCE_END,      /* there will never be more; as IDLE */
    SOURCE_FAILED,   /* the error says why; will be called again after a while */
};

struct source_type {
    const char           *name;              /* "file": `type` in the configuration */
    const char           *summary;           /* one line for `lethe check` and the documentation */
    size_t                bytes;             /* of the instance */
    const struct setting *settings;
    bool                  replayable;        /* what was not settled can be read again after a crash */
    /* when the process is to end, fill() is called until SOURCE_END, as long as a stop may take */
    bool                  finishes;
    bool                  wants_verdicts;
    bool                  puts_off;          /* its senders keep what is not settled: see receipt.put_off */
    unsigned              cargoes;           /* how many batches may be under way */
    bool (*check)(struct source *, struct error *);                    /* may be NULL; ERROR_USAGE */
    bool (*open)(struct source *, struct error *);
    enum source_fill (*fill)(struct source *, struct cargo *, int wait_ms, struct error *);
    void (*settled)(struct source *, struct receipt *);                /* frees the receipt; see cargo.h */
    /* in place of settled(), when the run ends before; frees it */
    void (*abandoned)(struct source *, struct receipt *);
    void (*wake)(struct source *);                                     /* ends a wait in fill(); may be NULL */
    /* called now and then while no cargo is free; may be NULL */
    void (*idle)(struct source *);
    void (*close)(struct source *);
    uint64_t (*files)(const struct source *);   /* open at a time at most; NULL: few, or as many as it may have */
    bool (*holds)(void);   /* whether something is half read that outlives a flow and is lost with the process; may be NULL */
};

extern const struct source_type *const source_types[];   /* ended by NULL */

/* The receipt for a batch: so many bytes of zeros, a struct receipt first. Had before anything is read for it, so that what was
 * read never lacks one. NULL and an error: no memory. */
MUST_USE void *receipt_new(size_t bytes, struct error *);

/* The name of a stream, keyed, so that it tells nothing: of the source's name and any bytes. */
void source_stream_id(const struct source *, struct slice bytes, uint8_t id[16]);

/* A keyed hash, equal in every run with the same key file: for recognising a file by its content. */
void source_fingerprint(const struct source *, const char *domain, struct slice bytes, uint8_t out[16]);

#endif
