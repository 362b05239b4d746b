/* What the files of the ledger share. ledger.c has the blocks and their settling, ledger_sinks.c what sinks get and give back,
 * ledger_positions.c and ledger_keeper.c what goes to the store. The laws are in ledger.h. Functions that are not told
 * otherwise want the lock. */
#ifndef LETHE_COLLECTOR_LEDGER_PRIV_H
#define LETHE_COLLECTOR_LEDGER_PRIV_H

#include "ledger.h"

#include "base/log.h"

#include <pthread.h>

#define IN_HAND_MAX   64   /* blocks that one sink may hold */
#define SOURCE_PARKED 64   /* batches of one source that may be finished before their turn: its cargoes */

/* A block that was published, until all is done with it. */
struct entry {
    uint64_t        seq, number, published_ms;
    struct block   *block;
    struct source  *source;
    struct receipt *receipt;   /* NULL: settled */
    uint64_t        bytes, records;
    uint32_t        needed;    /* sinks that get something of it */
    uint32_t        done;
    uint32_t        in_hand;
    bool            storing, stored;
    bool            writing;   /* its positions are in the commit that is under way */
    bool            written;   /* they are in the store */
};

struct parked {
    struct block   *block;
    struct receipt *receipt;
};

/* Of each source: what was finished before its turn. */
struct line {
    uint64_t      next;        /* number that is to be published next */
    struct parked parked[SOURCE_PARKED];
};

/* A block in a sink's hands. */
struct held {
    uint64_t      seq;
    struct block *loaded;      /* from the store, for this sink alone; NULL: an entry has it */
};

/* Of each sink. */
struct desk {
    struct sink  *sink;
    uint64_t      next;        /* blocks from this number on were not offered yet */
    struct held   held[IN_HAND_MAX];
    size_t        held_count;
    uint64_t      committed;   /* cursor as it is in the store */
    uint64_t      latency[LATENCY_BUCKETS], latency_sum_ms;
};

struct kept_position {
    size_t          source;
    uint32_t        next;      /* one more than the number of the next one with the same head; 0: none */
    struct position position;
};

struct ledger {
    struct ledger_options options;
    uint32_t              required, every_block;   /* bits of the sinks that are, or want, so */
    bool                  all_for_one;             /* memory may all be in hand: nobody else could go on without the only sink */

    pthread_mutex_t lock;                 /* guards all below */
    pthread_cond_t  block_free, published, keeper_wanted, settled;
    struct block  **free_blocks;
    size_t          free_count;
    struct entry   *entries;              /* by seq; no more than there are blocks */
    size_t          entry_count;
    struct line    *lines;
    struct desk    *desks;
    uint64_t        next_seq, first_own_seq;   /* those before first_own_seq are an earlier run's, in the store only */
    uint64_t        stored_high;          /* the highest number that is in the store */
    bool            aborted, closing, draining, spool_full, store_failing;

    struct receipt  *news, **news_end;    /* settled, not told yet, oldest first; where the next one is linked */
    bool             telling;             /* a thread does, without the lock */

    struct kept_position *positions;      /* settled, not committed */
    uint32_t             *position_heads; /* as many as there is room for positions: one more than a number; 0: none */
    size_t                position_count, position_capacity;
    size_t                positions_out;  /* in a commit that is under way: there is room for them if it fails */
    uint64_t              positions_since_ms, positions_committed;
    bool                  positions_wanted;   /* some are to be committed soon */
    pthread_t             keeper;
    bool                  keeper_runs;
    struct log_limit      store_trouble, spool_trouble;   /* for what fails, and for what finds no room */
};

/* --- ledger.c --- */

size_t        source_index(const struct ledger *, const struct source *);
size_t        first_entry(const struct ledger *, uint64_t seq);   /* index of the first entry with at least this number */
struct entry *find_entry(const struct ledger *, uint64_t seq);    /* NULL: it is not in memory */
uint32_t      sinks_needed(const struct block *);
bool          may_settle(const struct ledger *, const struct entry *);
bool          room_is_short(const struct ledger *);
void          count_missed(struct ledger *, const struct entry *);

/* Settles what can be, in the order of each source, and lets go of what is over; tell_settled() is to follow. */
void settle_all(struct ledger *);

/* Tells sources what is settled. The lock is let go meanwhile, so nothing that was looked up before holds afterwards. */
void tell_settled(struct ledger *);

void ledger_wait(pthread_cond_t *, pthread_mutex_t *, uint64_t wait_ms);

/* --- ledger_positions.c --- */

/* Makes room for so many more. False: no memory. */
MUST_USE bool positions_room(struct ledger *, size_t more);

/* Takes a settled position up to be committed; there is room. `written`: it is in the store already, unless an older one still
 * waits. */
void keep_position(struct ledger *, size_t source, const struct position *, bool written);
struct kept_position *find_kept(struct ledger *, size_t source, const struct position *);
void forget_positions(struct ledger *);

/* --- ledger_sinks.c --- */

/* Blocks from here on may still be needed by the sink. */
uint64_t frontier(const struct desk *);

/* --- ledger_keeper.c --- */

/* Takes up numbers and cursors from the store, if there is one, and starts the keeper. Without the lock. */
MUST_USE bool keeper_open(struct ledger *, struct error *);
void keeper_close(struct ledger *);   /* after a last commit; without the lock */

#endif
