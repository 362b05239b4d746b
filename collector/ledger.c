#include "ledger.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#define IN_HAND_MAX      64      /* blocks that one sink may hold */
#define KEEP_AFTER_MS    5       /* grace for a sink to have a block whose source cannot replay, before it is stored */
#define POSITIONS_MS     500     /* positions and cursors are committed so often, if nothing else is */
#define KEEP_BATCH       16      /* blocks in one transaction */
#define RETRY_STORE_MS   1000
#define MAINTAIN_MS      5000
#define SOURCE_PARKED    64      /* batches of one source that may be finished before their turn: its cargoes */

const unsigned latency_bounds_ms[LATENCY_BUCKETS] = {1, 2, 5, 10, 20, 50, 100, 250, 1000, 5000, 60000, UINT_MAX};

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

/* Of each sink. */
struct desk {
    struct sink  *sink;
    uint64_t      next;        /* blocks from this number on were not offered yet */
    uint64_t      held[IN_HAND_MAX];
    size_t        held_count;
    uint64_t      committed;   /* cursor as it is in the store */
    uint64_t      latency[LATENCY_BUCKETS], latency_sum_ms;
};

struct kept_position {
    size_t          source;
    struct position position;
};

struct ledger {
    struct ledger_options options;
    uint32_t              required;       /* bits of the sinks that are */

    pthread_mutex_t lock;                 /* guards all below */
    pthread_cond_t  block_free, published, keeper_wanted, settled;
    struct block  **free_blocks;
    size_t          free_count;
    struct entry   *entries;              /* by seq */
    size_t          entry_count, entry_capacity;
    struct line    *lines;
    struct desk    *desks;
    uint64_t        next_seq, first_own_seq;   /* those before first_own_seq are an earlier run's, in the store only */
    uint64_t        stored_high;          /* the highest number that is in the store */
    bool            aborted, closing, draining, spool_full;

    struct kept_position *positions;      /* settled, not committed */
    size_t                position_count, position_capacity;
    uint64_t              positions_since_ms, positions_committed;
    pthread_t             keeper;
    bool                  keeper_runs;
    struct log_limit      store_trouble;
};

/* --- Waiting ---------------------------------------------------------------------------------------------------------------- */

static void wait_for(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t wait_ms)
{
    const struct timespec until = cond_deadline(wait_ms);
    pthread_cond_timedwait(cond, lock, &until);
}

/* --- Entries ---------------------------------------------------------------------------------------------------------------- */

static size_t source_index(const struct ledger *l, const struct source *source)
{
    size_t i = 0;
    while (l->options.sources[i] != source) i++;
    return i;
}

/* The number of the first entry with seq at least this. */
static size_t first_entry(const struct ledger *l, uint64_t seq)
{
    size_t low = 0, high = l->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->entries[middle].seq < seq) low = middle + 1;
        else high = middle;
    }
    return low;
}

static struct entry *find_entry(const struct ledger *l, uint64_t seq)
{
    size_t i = first_entry(l, seq);
    return i < l->entry_count && l->entries[i].seq == seq ? &l->entries[i] : NULL;
}

static void free_block(struct ledger *l, struct block *block)
{
    block_clear(block);
    l->free_blocks[l->free_count++] = block;
    pthread_cond_signal(&l->block_free);
}

static void remove_entry(struct ledger *l, struct entry *e)
{
    size_t i = (size_t)(e - l->entries);
    free_block(l, e->block);
    memmove(e, e + 1, (l->entry_count - i - 1) * sizeof *e);
    l->entry_count--;
}

static bool may_settle(const struct ledger *l, const struct entry *e) { return e->stored || (e->needed & l->required & ~e->done) == 0; }

static bool is_over(const struct entry *e) { return e->receipt == NULL && !e->storing && e->in_hand == 0 && (e->needed & ~e->done) == 0; }

/* --- Settling --------------------------------------------------------------------------------------------------------------- */

static struct kept_position *find_kept(struct ledger *l, size_t source, const struct position *position)
{
    for (size_t i = 0; i < l->position_count; i++) {
        struct kept_position *k = &l->positions[i];
        if (k->source == source && k->position.key_len == position->key_len && memcmp(k->position.key, position->key, position->key_len) == 0) return k;
    }
    return NULL;
}

static void keep_position(struct ledger *l, size_t source, const struct position *position)
{
    struct kept_position *older = find_kept(l, source, position);
    if (older != NULL) {
        older->position = *position;
        return;
    }
    if (l->position_count == l->position_capacity) {
        l->position_capacity = 2 * l->position_capacity + 16;
        l->positions = reallocarray(l->positions, l->position_capacity, sizeof *l->positions);
        CHECK(l->positions != NULL);
    }
    if (l->position_count == 0) l->positions_since_ms = clock_monotonic_ms();
    l->positions[l->position_count++] = (struct kept_position){source, *position};
}

static void free_results(struct receipt *receipt)
{
    free(receipt->record_counts);
    free(receipt->verdicts);
    receipt->record_counts = NULL;
    receipt->verdicts = NULL;
}

static void settle(struct ledger *l, struct entry *e)
{
    struct receipt *receipt = e->receipt;
    uint32_t       *counts = receipt->record_counts;
    struct verdict *verdicts = receipt->verdicts;
    e->receipt = NULL;
    if (l->options.store != NULL)
        for (size_t i = 0; i < receipt->position_count; i++) keep_position(l, source_index(l, e->source), &receipt->positions[i]);
    e->source->type->settled(e->source, receipt);
    free(counts);
    free(verdicts);
}

/* Settles what can be, in the order of each source, and lets go of what is over. */
static void settle_all(struct ledger *l)
{
    uint64_t blocked = 0;   /* sources of which an older entry is not settled */
    for (size_t i = 0; i < l->entry_count; i++) {
        struct entry *e = &l->entries[i];
        uint64_t      bit = (uint64_t)1 << source_index(l, e->source);
        if (e->receipt == NULL) continue;
        if ((blocked & bit) != 0 || !may_settle(l, e)) blocked |= bit;
        else settle(l, e);
    }
    for (size_t i = l->entry_count; i-- > 0;)
        if (is_over(&l->entries[i])) remove_entry(l, &l->entries[i]);
    pthread_cond_broadcast(&l->settled);
}

/* --- Room ------------------------------------------------------------------------------------------------------------------- */

static bool room_is_short(const struct ledger *l) { return l->free_count <= l->options.blocks / 4; }

static void count_missed(struct ledger *l, const struct entry *e)
{
    for (size_t n = 0; n < l->options.sink_count; n++) {
        if (((e->needed & ~e->done) >> n & 1) == 0) continue;
        uint64_t records = 0;
        for (size_t i = 0; i < e->block->count; i++) records += sink_wants(l->options.sinks[n], e->block, i);
        atomic_fetch_add(&l->options.sinks[n]->counters.missed, records);
    }
}

/* Takes one block out of memory that is stored, or that only sinks still need which are not required. False: there is none. */
static bool evict(struct ledger *l)
{
    for (size_t i = 0; i < l->entry_count; i++) {
        struct entry *e = &l->entries[i];
        if (e->receipt != NULL || e->storing || e->in_hand != 0) continue;
        if (!e->stored) {
            if (l->options.store != NULL && !l->spool_full) continue;   /* the keeper's turn */
            count_missed(l, e);
        }
        remove_entry(l, e);
        return true;
    }
    return false;
}

struct block *ledger_take_block(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->free_count == 0 && !l->aborted && !evict(l)) {
        pthread_cond_signal(&l->keeper_wanted);
        pthread_cond_wait(&l->block_free, &l->lock);
    }
    struct block *block = l->aborted ? NULL : l->free_blocks[--l->free_count];
    if (room_is_short(l)) pthread_cond_signal(&l->keeper_wanted);
    pthread_mutex_unlock(&l->lock);
    return block;
}

/* --- Publishing ------------------------------------------------------------------------------------------------------------- */

static uint32_t sinks_needed(const struct block *block)
{
    uint32_t needed = 0;
    for (size_t i = 0; i < block->count; i++) needed |= block->records[i].sinks;
    return needed;
}

static void add_entry(struct ledger *l, struct source *source, uint64_t number, struct parked *p)
{
    if (l->entry_count == l->entry_capacity) {
        l->entry_capacity = 2 * l->entry_capacity + 16;
        l->entries = reallocarray(l->entries, l->entry_capacity, sizeof *l->entries);
        CHECK(l->entries != NULL);
    }
    p->block->seq = l->next_seq++;
    l->entries[l->entry_count++] = (struct entry){
        .seq = p->block->seq, .number = number, .published_ms = clock_monotonic_ms(), .block = p->block, .source = source, .receipt = p->receipt,
        .bytes = block_size(p->block), .records = p->block->count, .needed = sinks_needed(p->block)};
    *p = (struct parked){0};
}

static void wake_sinks(struct ledger *l)
{
    pthread_cond_broadcast(&l->published);
    for (size_t i = 0; i < l->options.sink_count; i++)
        if (l->options.sinks[i]->type->wake != NULL) l->options.sinks[i]->type->wake(l->options.sinks[i]);
}

void ledger_publish(struct ledger *l, struct block *block, struct source *source, uint64_t number, struct receipt *receipt)
{
    pthread_mutex_lock(&l->lock);
    struct line *line = &l->lines[source_index(l, source)];
    CHECK(number - line->next < SOURCE_PARKED);
    line->parked[number % SOURCE_PARKED] = (struct parked){block, receipt};
    bool any = false;
    for (; line->parked[line->next % SOURCE_PARKED].block != NULL; line->next++, any = true)
        add_entry(l, source, line->next, &line->parked[line->next % SOURCE_PARKED]);
    if (any) {
        settle_all(l);   /* a block without records is settled at once */
        if (l->options.store != NULL && !source->type->replayable) pthread_cond_signal(&l->keeper_wanted);
        wake_sinks(l);
    }
    pthread_mutex_unlock(&l->lock);
}

/* --- Sinks ------------------------------------------------------------------------------------------------------------------ */

static void hold(struct desk *d, uint64_t seq)
{
    d->held[d->held_count++] = seq;
    d->next = seq + 1;
}

/* Blocks from here on may still be needed by the sink. */
static uint64_t frontier(const struct desk *d)
{
    uint64_t least = d->next;
    for (size_t i = 0; i < d->held_count; i++)
        if (d->held[i] < least) least = d->held[i];
    return least;
}

static struct entry *next_in_memory(struct ledger *l, const struct desk *d)
{
    for (size_t i = first_entry(l, d->next); i < l->entry_count; i++)
        if ((l->entries[i].needed >> d->sink->number & 1) != 0) return &l->entries[i];
    return NULL;
}

/* Loads the next block that is only in the store, before `limit`. Called without the lock. NULL: there is none. */
static struct block *next_in_store(struct ledger *l, const struct desk *d, uint64_t limit)
{
    struct error err = {0};
    for (uint64_t seq = d->next; (seq = store_next(l->options.store, seq)) < limit; seq++) {
        char           *data = NULL;
        size_t          len = 0;
        struct block   *block = NULL;
        enum store_load loaded = store_load(l->options.store, seq, &data, &len, &err);
        if (loaded == STORE_UNREADABLE) {
            sink_trouble(d->sink, "cannot read the spool: %s", err.text);
            return NULL;
        }
        if (loaded == STORE_FOUND && (block = block_new()) != NULL && block_restore(block, l->options.scheme, slice_of(data, len))) block->seq = seq;
        else if (block != NULL) log_line(LOG_ERROR, "store", "block %" PRIu64 " of the spool is damaged: stepped over", seq);
        free(data);
        if (block != NULL && block->seq == seq && (sinks_needed(block) >> d->sink->number & 1) != 0) return block;
        block_free(block);
    }
    return NULL;
}

static struct block *hand_out(struct desk *d, struct entry *e)
{
    e->in_hand |= (uint32_t)1 << d->sink->number;
    hold(d, e->seq);
    return e->block;
}

/* What the sink can have now. The lock is let go while the store is read. */
static struct block *offer(struct ledger *l, struct desk *d)
{
    struct entry *e = next_in_memory(l, d);
    uint64_t      limit = e != NULL ? e->seq : l->next_seq;
    if (l->options.store == NULL || l->stored_high < d->next || (e != NULL && e->seq == d->next)) return e != NULL ? hand_out(d, e) : NULL;
    uint64_t next = d->next;
    pthread_mutex_unlock(&l->lock);
    struct block *block = next_in_store(l, d, limit);
    pthread_mutex_lock(&l->lock);
    CHECK(d->next == next);   /* only the sink's own thread moves it */
    if (block != NULL) {
        hold(d, block->seq);
        return block;
    }
    e = next_in_memory(l, d);
    if (e == NULL || e->seq != limit) {   /* it has left memory meanwhile, or others have come: look again */
        d->next = limit < l->next_seq ? limit : d->next;
        return NULL;
    }
    return hand_out(d, e);
}

struct block *ledger_next(struct ledger *l, struct sink *sink, int wait_ms)
{
    struct desk *d = &l->desks[sink->number];
    pthread_mutex_lock(&l->lock);
    struct block *block = d->held_count < IN_HAND_MAX && !l->aborted ? offer(l, d) : NULL;
    if (block == NULL && wait_ms > 0 && !l->aborted) {
        wait_for(&l->published, &l->lock, (uint64_t)wait_ms);
        block = d->held_count < IN_HAND_MAX && !l->aborted ? offer(l, d) : NULL;
    }
    pthread_mutex_unlock(&l->lock);
    return block;
}

static void let_go(struct ledger *l, struct desk *d, struct block *block, bool done)
{
    size_t i = 0;
    while (i < d->held_count && d->held[i] != block->seq) i++;
    CHECK(i < d->held_count);
    struct entry *e = find_entry(l, block->seq);
    uint32_t      bit = (uint32_t)1 << d->sink->number;
    uint64_t      seq = block->seq;
    bool          loaded = e == NULL || e->block != block;
    if (e != NULL) {
        if (!loaded) e->in_hand &= ~bit;
        if (done) e->done |= bit;
    }
    if (loaded) block_free(block);
    if (!done && seq < d->next) d->next = seq;
    d->held[i] = d->held[--d->held_count];
    settle_all(l);
}

static void count_latency(struct desk *d, const struct block *block)
{
    uint64_t ms = block->born_ms != 0 ? clock_monotonic_ms() - block->born_ms : UINT64_MAX;
    size_t   bucket = 0;
    if (ms == UINT64_MAX) return;   /* read by an earlier run */
    while (ms > latency_bounds_ms[bucket]) bucket++;
    d->latency[bucket]++;
    d->latency_sum_ms += ms;
}

void sink_done(struct sink *sink, struct block *block, const struct rejected *rejected, size_t count)
{
    struct ledger *l = sink->owner;
    uint64_t       records = 0, bytes = 0;
    for (size_t i = 0; i < block->count; i++) {
        if (!sink_wants(sink, block, i)) continue;
        records++;
        bytes += sink_bytes(sink, block, i).len;
    }
    for (size_t i = 0; i < count; i++)
        log_line(LOG_WARNING, sink->name, "the receiver refused a record for good: %s (event of kind %s)", rejected[i].reason,
                 kind_text((enum kind)block->records[rejected[i].record].kind));
    atomic_fetch_add(&sink->counters.delivered, records - count);
    atomic_fetch_add(&sink->counters.rejected, count);
    atomic_fetch_add(&sink->counters.delivered_bytes, bytes);
    pthread_mutex_lock(&l->lock);
    count_latency(&l->desks[sink->number], block);
    let_go(l, &l->desks[sink->number], block, true);
    pthread_mutex_unlock(&l->lock);
}

void ledger_return(struct ledger *l, struct sink *sink, struct block *block)
{
    pthread_mutex_lock(&l->lock);
    let_go(l, &l->desks[sink->number], block, false);
    pthread_mutex_unlock(&l->lock);
}

/* --- The keeper ------------------------------------------------------------------------------------------------------------- */

static bool wants_storing(const struct ledger *l, const struct entry *e, uint64_t now)
{
    uint32_t missing = e->needed & ~e->done;
    if (e->stored || e->storing || missing == 0) return false;
    if (e->receipt != NULL && !e->source->type->replayable) return l->draining || now - e->published_ms >= KEEP_AFTER_MS;
    return room_is_short(l) && (e->done != 0 || (missing & l->required) == 0);
}

/* A sink that is not required and lags more than it may: its blocks are not stored for it any more. */
static bool lags_too_far(struct ledger *l, const struct entry *e)
{
    uint32_t missing = e->needed & ~e->done;
    if ((missing & l->required) != 0) return false;
    for (size_t n = 0; n < l->options.sink_count; n++)
        if ((missing >> n & 1) != 0 && store_bytes_from(l->options.store, frontier(&l->desks[n])) < l->options.sinks[n]->max_lag) return false;
    return true;
}

struct keeping {
    uint64_t              seqs[KEEP_BATCH];
    struct encoded        bytes[KEEP_BATCH];
    struct store_block    blocks[KEEP_BATCH];
    size_t                count;
    struct store_position *positions;
    size_t                position_count;
    size_t               *old_sources;      /* of the first positions: those that were settled before */
    size_t                old_positions;
    struct store_cursor   cursors[BLOCK_SINKS];
    size_t                cursor_count;
};

static void choose_blocks(struct ledger *l, struct keeping *k, uint64_t now)
{
    for (size_t i = 0; i < l->entry_count && k->count < KEEP_BATCH; i++) {
        struct entry *e = &l->entries[i];
        if (!wants_storing(l, e, now)) continue;
        if (e->receipt == NULL && lags_too_far(l, e)) {
            count_missed(l, e);
            e->done = e->needed;
            continue;
        }
        k->bytes[k->count].len = 0;
        CHECK(block_serialize(e->block, l->options.scheme, e->needed & ~e->done, &k->bytes[k->count]));
        k->blocks[k->count] = (struct store_block){.seq = e->seq, .records = e->records,
                                                   .pieces = {{k->bytes[k->count].data, k->bytes[k->count].len}}};
        k->seqs[k->count++] = e->seq;
        e->storing = true;
    }
}

static bool is_chosen(const struct keeping *k, uint64_t seq)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->seqs[i] == seq) return true;
    return false;
}

static void add_position(struct ledger *l, struct keeping *k, size_t source, const struct position *position)
{
    k->positions = reallocarray(k->positions, k->position_count + 1, sizeof *k->positions);
    struct position *copy = malloc(sizeof *copy);
    CHECK(k->positions != NULL && copy != NULL);
    *copy = *position;
    k->positions[k->position_count++] = (struct store_position){l->options.sources[source]->name, copy};
}

/* Positions that are settled already, and those that will be when the chosen blocks are stored. */
static void choose_positions(struct ledger *l, struct keeping *k)
{
    uint64_t blocked = 0;
    k->old_positions = l->position_count;
    k->old_sources = reallocarray(k->old_sources, k->old_positions + 1, sizeof *k->old_sources);
    CHECK(k->old_sources != NULL);
    for (size_t i = 0; i < l->position_count; i++) {
        k->old_sources[i] = l->positions[i].source;
        add_position(l, k, l->positions[i].source, &l->positions[i].position);
    }
    l->position_count = 0;
    for (size_t i = 0; i < l->entry_count; i++) {
        const struct entry *e = &l->entries[i];
        size_t              source = source_index(l, e->source);
        if (e->receipt == NULL || (blocked >> source & 1) != 0) continue;
        if (!may_settle(l, e) && !is_chosen(k, e->seq)) blocked |= (uint64_t)1 << source;
        else
            for (size_t n = 0; n < e->receipt->position_count; n++) add_position(l, k, source, &e->receipt->positions[n]);
    }
}

static void choose_cursors(struct ledger *l, struct keeping *k)
{
    for (size_t n = 0; n < l->options.sink_count; n++) {
        uint64_t next = frontier(&l->desks[n]);
        if (next != l->desks[n].committed) k->cursors[k->cursor_count++] = (struct store_cursor){l->options.sinks[n]->name, next};
    }
}

static uint64_t keep_from(const struct ledger *l)
{
    uint64_t least = l->next_seq;
    for (size_t n = 0; n < l->options.sink_count; n++) {
        uint64_t next = frontier(&l->desks[n]);
        if (next < least) least = next;
    }
    return least;
}

static void take_stored(struct ledger *l, struct keeping *k, bool stored)
{
    for (size_t i = 0; i < k->count; i++) {
        struct entry *e = find_entry(l, k->seqs[i]);
        CHECK(e != NULL);
        e->storing = false;
        e->stored = stored;
        if (stored && e->seq > l->stored_high) l->stored_high = e->seq;
    }
    for (size_t i = 0; i < k->cursor_count && stored; i++)
        for (size_t n = 0; n < l->options.sink_count; n++)
            if (strcmp(l->options.sinks[n]->name, k->cursors[i].sink) == 0) l->desks[n].committed = k->cursors[i].next;
    for (size_t i = 0; i < k->old_positions && !stored; i++)   /* what came meanwhile is newer */
        if (find_kept(l, k->old_sources[i], k->positions[i].position) == NULL) keep_position(l, k->old_sources[i], k->positions[i].position);
    l->positions_committed += stored ? k->position_count : 0;
}

static void tell_trouble(struct ledger *l, enum store_result result, const struct error *err)
{
    uint64_t left_out;
    bool     was_full = l->spool_full;
    l->spool_full = result == STORE_FULL;
    if (result == STORE_OK) {
        if (was_full) log_line(LOG_INFO, "store", "there is room again");
        return;
    }
    if (log_passes(&l->store_trouble, 60000, &left_out)) log_line(LOG_ERROR, "store", "%s; records wait and nothing is lost", err->text);
}

/* One transaction, if there is something to write. True: it was, or there was nothing. */
static bool keep(struct ledger *l, struct keeping *k, bool all)
{
    struct error err = {0};
    uint64_t     now = clock_monotonic_ms();
    k->count = k->position_count = k->old_positions = k->cursor_count = 0;
    choose_blocks(l, k, now);
    bool due = all || (l->position_count > 0 && now - l->positions_since_ms >= POSITIONS_MS);
    choose_cursors(l, k);
    if (k->count == 0 && !due && k->cursor_count == 0) {
        settle_all(l);
        return true;
    }
    choose_positions(l, k);
    struct store_change change = {.blocks = k->blocks, .block_count = k->count, .positions = k->positions, .position_count = k->position_count,
                                  .cursors = k->cursors, .cursor_count = k->cursor_count, .keep_from = keep_from(l), .next_seq = l->next_seq};
    pthread_mutex_unlock(&l->lock);
    enum store_result result = store_commit(l->options.store, &change, &err);
    if (result == STORE_FULL && k->count > 0) {   /* room may come from what is not needed any more */
        struct error again = {0};
        change.block_count = 0;
        change.position_count = 0;
        (void)store_commit(l->options.store, &change, &again);
    }
    pthread_mutex_lock(&l->lock);
    take_stored(l, k, result == STORE_OK);
    for (size_t i = 0; i < k->position_count; i++) free((void *)k->positions[i].position);
    tell_trouble(l, result, &err);
    settle_all(l);
    pthread_cond_broadcast(&l->block_free);
    return result == STORE_OK;
}

static bool anything_to_store(const struct ledger *l, uint64_t now, uint64_t *wait_ms)
{
    bool any = false;
    for (size_t i = 0; i < l->entry_count; i++) {
        const struct entry *e = &l->entries[i];
        if (wants_storing(l, e, now)) any = true;
        else if (e->receipt != NULL && !e->stored && !e->storing && !e->source->type->replayable && (e->needed & ~e->done) != 0 && *wait_ms > KEEP_AFTER_MS)
            *wait_ms = KEEP_AFTER_MS;
    }
    return any;
}

static void *run_keeper(void *ledger)
{
    struct ledger *l = ledger;
    struct keeping k = {0};
    uint64_t       maintained_ms = clock_monotonic_ms();
    pthread_mutex_lock(&l->lock);
    while (!l->closing) {
        uint64_t now = clock_monotonic_ms(), wait_ms = POSITIONS_MS;
        if (!anything_to_store(l, now, &wait_ms)) wait_for(&l->keeper_wanted, &l->lock, wait_ms);
        if (!keep(l, &k, false)) wait_for(&l->keeper_wanted, &l->lock, RETRY_STORE_MS);
        if (clock_monotonic_ms() - maintained_ms < MAINTAIN_MS) continue;
        pthread_mutex_unlock(&l->lock);
        store_maintain(l->options.store);
        pthread_mutex_lock(&l->lock);
        maintained_ms = clock_monotonic_ms();
    }
    (void)keep(l, &k, true);
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < KEEP_BATCH; i++) encoded_release(&k.bytes[i]);
    free(k.positions);
    free(k.old_sources);
    return NULL;
}

/* --- The end ---------------------------------------------------------------------------------------------------------------- */

static bool anything_left(const struct ledger *l)
{
    for (size_t i = 0; i < l->entry_count; i++)
        if (l->entries[i].receipt != NULL || !l->entries[i].stored) return true;
    return false;
}

bool ledger_drain(struct ledger *l, uint64_t deadline_ms)
{
    pthread_mutex_lock(&l->lock);
    l->draining = true;
    pthread_cond_signal(&l->keeper_wanted);
    for (uint64_t now; anything_left(l) && (now = clock_monotonic_ms()) < deadline_ms;) wait_for(&l->settled, &l->lock, deadline_ms - now);
    bool drained = !anything_left(l);
    pthread_mutex_unlock(&l->lock);
    return drained;
}

uint64_t ledger_lost(struct ledger *l)
{
    uint64_t records = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->entry_count; i++)
        if (l->entries[i].receipt != NULL && !l->entries[i].source->type->replayable) records += l->entries[i].records;
    pthread_mutex_unlock(&l->lock);
    return records;
}

void ledger_abort(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    l->aborted = true;
    pthread_cond_broadcast(&l->block_free);
    wake_sinks(l);
    pthread_mutex_unlock(&l->lock);
}

/* --- Figures ---------------------------------------------------------------------------------------------------------------- */

struct ledger_figures ledger_figures(struct ledger *l)
{
    uint64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&l->lock);
    struct ledger_figures f = {.blocks_in_memory = l->options.blocks - l->free_count, .blocks = l->options.blocks,
                               .published = l->next_seq - l->first_own_seq, .positions_committed = l->positions_committed,
                               .spool_full = l->spool_full};
    for (size_t i = 0; i < l->entry_count; i++) {
        const struct entry *e = &l->entries[i];
        if (e->receipt == NULL) continue;
        f.unsettled_blocks++;
        if (now - e->published_ms > f.oldest_unsettled_ms) f.oldest_unsettled_ms = now - e->published_ms;
    }
    pthread_mutex_unlock(&l->lock);
    return f;
}

struct sink_figures ledger_sink_figures(struct ledger *l, const struct sink *sink)
{
    struct sink_figures f = {0};
    const struct desk  *d = &l->desks[sink->number];
    uint64_t            now = clock_monotonic_ms(), from;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->entry_count; i++) {
        const struct entry *e = &l->entries[i];
        if (((e->needed & ~e->done) >> sink->number & 1) == 0 || e->stored) continue;
        f.behind_blocks++;
        f.behind_bytes += e->bytes;
        if (now - e->published_ms > f.oldest_ms) f.oldest_ms = now - e->published_ms;
    }
    memcpy(f.latency, d->latency, sizeof f.latency);
    f.latency_sum_ms = d->latency_sum_ms;
    from = l->stored_high >= frontier(d) ? frontier(d) : UINT64_MAX;
    pthread_mutex_unlock(&l->lock);
    if (l->options.store != NULL && from != UINT64_MAX) f.behind_bytes += store_bytes_from(l->options.store, from);
    return f;
}

/* --- Life ------------------------------------------------------------------------------------------------------------------- */

struct known_sinks {
    struct ledger *ledger;
    const char   **gone;
    size_t         count;
};

static void note_gone(void *context, const char *sink, uint64_t next)
{
    struct known_sinks *known = context;
    (void)next;
    for (size_t n = 0; n < known->ledger->options.sink_count; n++)
        if (strcmp(known->ledger->options.sinks[n]->name, sink) == 0) return;
    known->gone = reallocarray(known->gone, known->count + 1, sizeof *known->gone);
    char *copy = strdup(sink);
    CHECK(known->gone != NULL && copy != NULL);
    known->gone[known->count++] = copy;
}

/* Sinks go on where they were; one that is new begins now; what a sink still wanted that is gone from the configuration is
 * not kept for it. */
static bool take_up_cursors(struct ledger *l, struct error *err)
{
    struct known_sinks known = {.ledger = l};
    store_each_cursor(l->options.store, note_gone, &known);
    for (size_t i = 0; i < known.count; i++) log_line(LOG_WARNING, "store", "there is no sink '%s' any more: what it still had to get is let go", known.gone[i]);
    for (size_t n = 0; n < l->options.sink_count; n++) {
        struct desk *d = &l->desks[n];
        if (!store_cursor(l->options.store, d->sink->name, &d->next)) d->next = l->next_seq;
        d->committed = UINT64_MAX;
    }
    struct keeping            k = {0};
    struct store_change       change = {.dropped_sinks = known.gone, .dropped_count = known.count, .next_seq = l->next_seq};
    choose_cursors(l, &k);
    change.cursors = k.cursors;
    change.cursor_count = k.cursor_count;
    change.keep_from = keep_from(l);
    bool written = store_commit(l->options.store, &change, err) == STORE_OK;
    for (size_t n = 0; n < l->options.sink_count && written; n++) l->desks[n].committed = frontier(&l->desks[n]);
    for (size_t i = 0; i < known.count; i++) free((char *)known.gone[i]);
    free(known.gone);
    return written;
}

static bool open_store(struct ledger *l, struct error *err)
{
    l->next_seq = l->first_own_seq = 1;
    if (l->options.store == NULL) {
        for (size_t n = 0; n < l->options.sink_count; n++) l->desks[n].next = 1;
        return true;
    }
    l->next_seq = l->first_own_seq = store_next_seq(l->options.store);
    l->stored_high = l->next_seq - 1;   /* at most */
    if (!take_up_cursors(l, err)) return false;
    l->keeper_runs = pthread_create(&l->keeper, NULL, run_keeper, l) == 0;
    if (!l->keeper_runs) return error_set(err, ERROR_MEMORY, "cannot start a thread");
    pthread_setname_np(l->keeper, "store");
    return true;
}

static bool make_blocks(struct ledger *l)
{
    l->free_blocks = calloc(l->options.blocks, sizeof(struct block *));
    l->lines = calloc(l->options.source_count, sizeof *l->lines);
    l->desks = calloc(l->options.sink_count, sizeof *l->desks);
    if (l->free_blocks == NULL || l->lines == NULL || l->desks == NULL) return false;
    for (size_t n = 0; n < l->options.sink_count; n++) l->desks[n].sink = l->options.sinks[n];
    while (l->free_count < l->options.blocks && (l->free_blocks[l->free_count] = block_new()) != NULL) l->free_count++;
    return l->free_count == l->options.blocks;
}

struct ledger *ledger_new(const struct ledger_options *options, struct error *err)
{
    struct ledger *l = calloc(1, sizeof *l);
    CHECK(l != NULL && options->source_count <= 64 && options->sink_count <= BLOCK_SINKS);
    l->options = *options;
    pthread_mutex_init(&l->lock, NULL);
    cond_init(&l->block_free);
    cond_init(&l->published);
    cond_init(&l->keeper_wanted);
    cond_init(&l->settled);
    for (size_t n = 0; n < options->sink_count; n++) {
        options->sinks[n]->owner = l;
        if (options->sinks[n]->required) l->required |= (uint32_t)1 << n;
    }
    if ((make_blocks(l) || error_set(err, ERROR_MEMORY, "no memory for blocks")) && open_store(l, err)) return l;
    ledger_free(l);
    return NULL;
}

static void abandon(struct source *source, struct receipt *receipt)
{
    free_results(receipt);
    if (source->type->abandoned != NULL) source->type->abandoned(source, receipt);
}

void ledger_free(struct ledger *l)
{
    if (l == NULL) return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_signal(&l->keeper_wanted);
    pthread_mutex_unlock(&l->lock);
    if (l->keeper_runs) pthread_join(l->keeper, NULL);
    for (size_t i = 0; i < l->entry_count; i++) {
        if (l->entries[i].receipt != NULL) abandon(l->entries[i].source, l->entries[i].receipt);
        block_free(l->entries[i].block);
    }
    for (size_t s = 0; l->lines != NULL && s < l->options.source_count; s++)
        for (size_t i = 0; i < SOURCE_PARKED; i++) {
            if (l->lines[s].parked[i].block == NULL) continue;
            abandon(l->options.sources[s], l->lines[s].parked[i].receipt);
            block_free(l->lines[s].parked[i].block);
        }
    while (l->free_count > 0) block_free(l->free_blocks[--l->free_count]);
    pthread_cond_destroy(&l->block_free);
    pthread_cond_destroy(&l->published);
    pthread_cond_destroy(&l->keeper_wanted);
    pthread_cond_destroy(&l->settled);
    pthread_mutex_destroy(&l->lock);
    free(l->free_blocks);
    free(l->entries);
    free(l->positions);
    free(l->lines);
    free(l->desks);
    free(l);
}
