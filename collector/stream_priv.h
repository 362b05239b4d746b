/* Inside a stream: what its threads share. See stream.h.
 *
 * (1) Every queue has room for everything that can be in it, so no push waits.
 * (2) What a worker changes belongs to it; counters are atomic and only grow.
 * (3) A cargo is at home, with its source, in the work queue or with a worker: so sources are bound by what workers can do,
 *     and workers by the blocks of the ledger. */
#ifndef LETHE_COLLECTOR_STREAM_PRIV_H
#define LETHE_COLLECTOR_STREAM_PRIV_H

#include "base/log.h"
#include "base/queue.h"
#include "policies.h"
#include "sealed_log.h"
#include "stream.h"

#include <pthread.h>

/* The thread of a source. */
struct runner {
    struct stream *stream;
    struct source *source;
    pthread_t      thread;
    bool           started;
    struct queue   home;
    struct cargo  *cargoes;
    atomic_bool    ended;
    struct log_limit failure_limit;
};

/* A thread that redacts. */
struct worker {
    struct stream       *stream;
    pthread_t            thread;
    bool                 started;
    struct policies     *policies;   /* NULL until the first batch, as is what is made of them: */
    struct redactor     *redactor;
    struct gate         *gate;       /* NULL: no sink sends over the network */
    struct sealer       *sealer;     /* NULL: withheld records are not kept */
    struct block_filler *filler;
    struct tally         seen;       /* what of the redactor's tally is counted already */
    struct sealed_lines  sealed;
    struct log_limit     withheld_limit, sealed_limit, memory_limit;
};

/* The thread of a sink. */
struct shipper {
    struct stream *stream;
    struct sink   *sink;
    pthread_t      thread;
    bool           opened, started;
};

/* For blocks of the spool: stream_gate.c. */
struct spool_gate {
    pthread_mutex_t  lock;         /* guards the rest */
    struct gate     *gate;         /* NULL: not needed yet */
    struct policies *policies;     /* that it was made of */
    struct sealer   *sealer;       /* NULL: withheld records are not kept */
    struct sealed_lines sealed;
};

struct stream {
    struct config      *config;
    struct store       *store;
    struct ledger      *ledger;
    struct block_scheme scheme;
    struct sealed_log   sealed;
    struct spool_gate   spool_gate;
    struct queue        work;
    struct runner      *runners;
    struct worker      *workers;
    struct shipper     *shippers;
    size_t              worker_count;

    pthread_mutex_t  policies_lock;      /* guards the pointer */
    struct policies *policies, *first;   /* the first ones stay: sources know streams and files again by their keys */
    struct rule_total *rules;            /* by number of rule */
    size_t            rule_count;
    atomic_uint_fast64_t withheld[REFUSAL_COUNT], kinds[KIND_COUNT];
    atomic_uint_fast64_t generation;     /* of `policies` */

    atomic_bool     sinks_stop, ready, hurry;
    atomic_uint_fast64_t finish_until_ms;   /* set before sources are stopped */
    atomic_size_t   under_way;           /* batches in the work queue or with a worker */
    atomic_uint_fast64_t abandoned;      /* documents that were read, came no further and cannot be read again */
    pthread_mutex_t failure_lock;
    struct error    failure;
    uint64_t        started_ms;
};

/* The run cannot go on; the first reason counts. */
void stream_fail(struct stream *, const struct error *);

/* Looks at a block of the spool before the sink gets it, and takes out for it what must not leave; of the type ledger_examine. */
bool stream_examine(void *stream, const struct sink *, struct block *);
void stream_gate_release(struct spool_gate *);

/* A worker's life, until the work queue is closed and empty. The argument is a struct worker. */
void *stream_work(void *worker);

#endif
