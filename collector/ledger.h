/* The ledger of a streaming run: which clean blocks there are, which sink has which, and what may be told to the sources.
 *
 *      worker --publish--> [entry: block, receipt] --next--> sink thread --sink_done-->
 *                                  |
 *                                  +--> keeper thread: the store (spool, positions, cursors)
 *
 * A block is *settled* when every required sink has it or the store has it. Then its source may forget it. Sinks finish in
 * any order, but a file offset or a Kafka commit is a single number, so receipts are settled in the order of their source.
 *
 * (1) Blocks get numbers (seq) in the order of publication; batches of one source are published in the order in which it
 *     filled them, whatever the order in which workers finish.
 * (2) A block that some sink still needs is in memory or in the store. It leaves memory only when all have it, or when it
 *     is stored and nobody holds it; for a sink that is not required also when room is short, which is counted.
 * (3) The number of blocks in memory is fixed: workers wait for one, and so sources wait for workers.
 * (4) A block is stored when its source cannot read it again; or when some sink has it already and another keeps it in
 *     memory while room is short, so that a sink that stands still stops no other while the spool has room. What
 *     can be read again and no sink wants yet is not stored: its source is its spool.
 *     A sink that wants every block gets those without records, too, and nothing is stored before it has it: its source hears
 *     of it only then.
 * (5) Positions are committed together with the blocks that they speak of, or after them.
 * (6) Sinks that stand still never have all blocks of memory in hand: beyond half of them, a sink that has one gets only what
 *     another has in hand, too. A single sink may have all, unless what it has not got yet could go to the store.
 * Thread: every function may be called from any thread; a sink is served by one. */
#ifndef LETHE_COLLECTOR_LEDGER_H
#define LETHE_COLLECTOR_LEDGER_H

#include "sinks/sink.h"
#include "source.h"
#include "store.h"

struct ledger;

/* Looks at a block of the store before the sink gets it, and may clear the sink's bit of records. False: it cannot be done now,
 * and the block stays where it is. Called by the sink's thread, without the ledger's lock. */
typedef bool ledger_examine(void *context, const struct sink *, struct block *);

struct ledger_options {
    struct store        *store;        /* NULL: none */
    const struct block_scheme *scheme;
    struct source *const *sources;
    size_t               source_count;
    struct sink *const  *sinks;
    size_t               sink_count;
    size_t               blocks;       /* in memory */
    ledger_examine      *examine;      /* NULL: nobody looks */
    void                *examiner;     /* its context */
};

/* Takes sink->owner; starts the keeper thread if there is a store. NULL: no memory or no thread. */
MUST_USE struct ledger *ledger_new(const struct ledger_options *, struct error *);

/* After all threads that use it have ended. What is not settled is abandoned; the last positions and cursors are committed. */
void ledger_free(struct ledger *);

/* --- Workers ---------------------------------------------------------------------------------------------------------- */

/* A cleared block to fill; waits until there is one. NULL: the run is being stopped for good (ledger_abort()). */
struct block *ledger_take_block(struct ledger *);

/* One that was taken and is not to be published. */
void ledger_give_back(struct ledger *, struct block *);

/* Gives the filled block and what its source wants to know of it to the ledger. `number` is cargo.number. */
void ledger_publish(struct ledger *, struct block *, struct source *, uint64_t number, struct receipt *);

/* --- Sinks ------------------------------------------------------------------------------------------------------------ */

/* The next block for this sink, waiting up to wait_ms for one; NULL: none. Every block given must come back through
 * sink_done(), or through ledger_return() when the sink ends without it. */
struct block *ledger_next(struct ledger *, struct sink *, int wait_ms);
void ledger_return(struct ledger *, struct sink *, struct block *);

/* --- The end ---------------------------------------------------------------------------------------------------------- */

/* Waits until all that was published is settled, and until sinks that are not required had it or the store has it, at most
 * until the deadline of clock_monotonic_ms(). From the first call on nothing waits for company on its way to the store. */
bool ledger_drain(struct ledger *, uint64_t deadline_ms);

/* Whether required sinks had all that was published and all that the store has for them. */
bool ledger_is_delivered(struct ledger *);

/* Records that some required sink has not had, that are not stored, and that their source cannot read again. After all threads
 * that use it have ended, for the keeper ends here: what it can still store is not lost. */
uint64_t ledger_lost(struct ledger *);

/* Nobody waits for a block any more. */
void ledger_abort(struct ledger *);

/* --- Figures ---------------------------------------------------------------------------------------------------------- */

#define LATENCY_BUCKETS 12
extern const unsigned latency_bounds_ms[LATENCY_BUCKETS];   /* upper bounds; the last is unbounded: UINT_MAX */

struct sink_figures {
    uint64_t behind_blocks, behind_bytes;   /* that it has not had yet, in memory and in the spool */
    uint64_t oldest_ms;                     /* age of the oldest block that it has not had, as far as it is in memory */
    uint64_t latency[LATENCY_BUCKETS];      /* blocks by time from reading to delivery */
    uint64_t latency_sum_ms;
};

struct ledger_figures {
    uint64_t blocks_in_memory, blocks, unsettled_blocks, oldest_unsettled_ms, published;
    uint64_t positions_committed;
    bool     spool_full;
};

struct ledger_figures ledger_figures(struct ledger *);
struct sink_figures   ledger_sink_figures(struct ledger *, const struct sink *);

#endif
