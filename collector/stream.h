/* A streaming run: all its threads and queues.
 *
 *      one thread each            N workers                       one thread each
 *      source --fill--> cargo --> [work queue] --> redact, --> ledger --next--> sink
 *         ^                                        encode         |
 *         +------------------- home queue <----------+            +--> store (keeper thread of the ledger)
 *
 * What comes out of the store to a sink of the network passes the second gate: stream_gate.c.
 *
 * stream_open() makes everything ready and starts nothing; a mistake in the configuration, a policy or key that cannot be
 * read, a store that is taken by another process: all of that shows there. stream_start() starts the threads.
 * The end comes in order: sources stop, workers empty the work queue, the ledger drains, sinks close, positions are committed.
 * Thread: the main thread calls everything here but stream_figures(), which any may. */
#ifndef LETHE_COLLECTOR_STREAM_H
#define LETHE_COLLECTOR_STREAM_H

#include "config.h"
#include "ledger.h"

struct stream;

/* Whether keys and policies can be read; opens nothing else. */
MUST_USE bool stream_check(const struct config *, struct error *);

/* The configuration is borrowed and must outlive the stream. */
MUST_USE struct stream *stream_open(struct config *, struct error *);
MUST_USE bool stream_start(struct stream *, struct error *);

/* Sources take nothing new from now on; stream_stop() is to follow, which means the same by its arguments. Before stream_start()
 * they only read to its end what another stream left half read. */
void stream_tell_to_stop(struct stream *, uint64_t drain_ms, bool ends);

/* All sources have ended and all is settled: nothing will happen any more. */
bool stream_is_over(struct stream *);

/* Required sinks have had everything, what the store holds for them included. */
bool stream_is_delivered(struct stream *);

/* A sink or a worker said that it can never go on: the run must end. The error says why. */
bool stream_has_failed(struct stream *, struct error *);

/* Policy and keys anew, for all batches from now on. The configuration may be another one with the same sources and sinks.
 * False: they could not be read; the old ones stay. */
MUST_USE bool stream_renew_policy(struct stream *, const struct config *, struct error *);

/* Stops in order, waiting for sinks at most so long; may be called once. `ends`: the process does, too, and what sources have
 * read in part is read to its end; else it is for the next stream. Returns how many records were read, could not be delivered
 * or stored, and cannot be read again: 0 unless the time was too short and there was no room. */
uint64_t stream_stop(struct stream *, uint64_t drain_ms, bool ends);

/* From another thread or a signal's: stream_stop() waits no more. */
void stream_hurry(struct stream *);

void stream_free(struct stream *);

/* --- Figures ------------------------------------------------------------------------------------------------------------ */

struct rule_total {
    const char          *id;
    atomic_uint_fast64_t count;
};

struct stream_figures {
    const struct config *config;
    struct ledger       *ledger;
    struct store        *store;          /* NULL: none */
    bool                 spool_full;     /* what is to be kept finds no room; what is delivered frees some at every commit */
    bool                 disk_full;      /* and it is the disk that has none */
    bool                 store_failing;  /* the store cannot be written */
    uint64_t             started_ms;     /* clock_realtime_ms() */
    uint64_t             withheld[REFUSAL_COUNT];
    uint64_t             kinds[KIND_COUNT];
    uint64_t             sealed, not_sealed;   /* withheld records that were kept sealed, and that should have been */
    const struct rule_total *rules;
    size_t               rule_count;
    uint64_t             work_queue;     /* batches waiting for a worker */
    uint64_t             reloads;
    bool                 ready;          /* started, and not stopping */
};

void stream_figures(struct stream *, struct stream_figures *);

#endif
