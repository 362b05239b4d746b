/* What travels through a streaming run on the raw side: a batch of documents with where each of them came from, and the
 * receipt by which its source learns what became of it.
 *
 *      source --fill--> [cargo] --> worker: redact, encode --> [block] --> ledger --> sinks
 *         ^                |                      |                           |
 *         +---- home ------+                      +------- [receipt] ---------+--> source: settled()
 *
 * (1) A source owns its cargoes: their number bounds the raw bytes in memory and is its back-pressure. A cargo goes home as
 *     soon as its worker has made a clean block of it.
 * (2) The receipt goes on with the block and comes back through settled(), once, in the order in which the source filled.
 * Thread: who holds a cargo is its only user. */
#ifndef LETHE_COLLECTOR_CARGO_H
#define LETHE_COLLECTOR_CARGO_H

#include "base/batch.h"

struct source;
struct queue;

/* Where a source has to go on after a restart, kept in the store under the source's name. */
#define POSITION_KEY_MAX   128
#define POSITION_VALUE_MAX 512

struct position {
    uint16_t key_len, value_len;
    char     key[POSITION_KEY_MAX];
    char     value[POSITION_VALUE_MAX];   /* value_len 0: forget this key */
};

/* A record that did not get through redaction, as the sender of the origin counts: the index-th record of it. */
struct verdict {
    uint32_t     origin, index;
    enum refusal refusal;
};

/* Sources embed this as the first member of what they need to know again when the batch is settled. On the heap, by
 * fill(); settled() takes it over. */
struct receipt {
    struct position *positions;        /* to be kept when all up to this batch is settled; may be NULL */
    size_t           position_count;
    bool             soon;             /* they are to be kept at once then, not with others: they make a stream known */

    /* Filled by the worker, for sources with `wants_verdicts`; freed with the receipt's release by the ledger. */
    uint32_t       *record_counts;     /* records in each origin of the batch */
    size_t          origin_count;
    struct verdict *verdicts;          /* by origin, then index */
    size_t          verdict_count;

    bool            put_off;           /* set by the worker, for sources with `puts_off`: there was no memory to examine the
                                          batch. Nothing of it went on or was counted; who sent it is to send it again */

    struct source  *source;            /* these two are set and used by the ledger */
    struct receipt *next;
};

struct cargo {
    struct batch    batch;
    struct origin  *origins;           /* document.origin is an index into these */
    size_t          origin_count, origin_capacity;
    char            place[256];        /* for messages: "/var/log/x.log", "topic activity/3"; set by fill() */
    struct receipt *receipt;           /* set by fill() */
    struct source  *source;
    struct queue   *home;              /* of its source: where it goes when its block is made */
    uint64_t        number;            /* of the batch, among those of its source, from 0 */
    uint64_t        filled_ms;         /* clock_monotonic_ms() when fill() came back */
};

#define CARGO_ORIGINS 256   /* for which a cargo has room from the start; more come from Kafka only */

/* Makes room for so many origins in all. False: no memory; what is there stays. */
MUST_USE bool cargo_reserve_origins(struct cargo *, size_t count);

/* Adds an origin to a cleared or filling cargo; its index. CHECKs that memory can be had: beyond CARGO_ORIGINS it is to be
 * reserved. */
uint32_t cargo_add_origin(struct cargo *, const struct origin *);

#endif
