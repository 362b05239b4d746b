/* The ledger towards its sinks: which block each gets next, what comes back, how far each is behind. */
#include "ledger_priv.h"

#include "base/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

const unsigned latency_bounds_ms[LATENCY_BUCKETS] = {1, 2, 5, 10, 20, 50, 100, 250, 1000, 5000, 60000, UINT_MAX};

static void hold(struct desk *d, uint64_t seq, struct block *loaded)
{
    d->held[d->held_count++] = (struct held){seq, loaded};
    d->next = seq + 1;
}

uint64_t frontier(const struct desk *d)
{
    uint64_t least = d->next;
    for (size_t i = 0; i < d->held_count; i++)
        if (d->held[i].seq < least) least = d->held[i].seq;
    return least;
}

static struct entry *next_in_memory(const struct ledger *l, const struct desk *d)
{
    for (size_t i = first_entry(l, d->next); i < l->entry_count; i++)
        /* what it missed is done */
        if (((l->entries[i].needed & ~l->entries[i].done) >> d->sink->number & 1) != 0) return &l->entries[i];
    return NULL;
}

static bool examine(const struct ledger *l, const struct sink *sink, struct block *block)
{
    return l->options.examine == NULL || l->options.examine(l->options.examiner, sink, block);
}

/* Loads the next block that is only in the store, before `limit`. Called without the lock. NULL: there is none, or, with
 * *unreadable, it cannot be read at present and must not be passed over. */
static struct block *next_in_store(struct ledger *l, const struct desk *d, uint64_t limit, bool *unreadable)
{
    const uint32_t bit = (uint32_t)1 << d->sink->number;
    struct error   err = {0};
    *unreadable = false;
    for (uint64_t seq = d->next; (seq = store_next(l->options.store, seq)) < limit; seq++) {
        char           *data = NULL;
        size_t          len = 0;
        struct block   *block = NULL;
        enum store_load loaded = store_load(l->options.store, seq, &data, &len, &err);
        enum block_restored restored = RESTORE_DAMAGED;
        if (loaded == STORE_FOUND)
            restored = (block = block_new()) != NULL ? block_restore(block, l->options.scheme, bit, slice_of(data, len))
                                                     : RESTORE_NO_MEMORY;
        free(data);
        if (loaded == STORE_UNREADABLE || restored == RESTORE_NO_MEMORY) {
            sink_trouble(d->sink, "cannot read the spool: %s", loaded == STORE_FOUND ? "no memory" : err.text);
            block_free(block);
            *unreadable = true;
            return NULL;
        }
        if (restored == RESTORE_DONE && !examine(l, d->sink, block)) {
            sink_trouble(d->sink, "cannot look at what is in the spool: no memory for the second gate");
            block_free(block);
            *unreadable = true;
            return NULL;
        }
        if (restored == RESTORE_DONE) block->seq = seq;
        else if (block != NULL) log_line(LOG_ERROR, "store", "block %" PRIu64 " of the spool is damaged: stepped over", seq);
        if (restored == RESTORE_DONE && (sinks_needed(block) & bit) != 0) return block;
        block_free(block);
    }
    return NULL;
}

/* What sinks have in hand cannot leave memory. So that those that stand still never hold all of it, a sink that has some gets no
 * more while half of memory is in hand; one that has none does longer. A block that another has in hand costs nothing. */
static bool may_have(const struct ledger *l, const struct desk *d, const struct entry *e)
{
    size_t in_hand = 0, most = d->held_count > 0 ? l->options.blocks / 2 : l->options.blocks * 7 / 8;
    for (size_t i = 0; i < l->entry_count; i++) in_hand += l->entries[i].in_hand != 0;
    return l->all_for_one || e->in_hand != 0 || in_hand < most;
}

/* NULL: not now. */
static struct block *hand_out(const struct ledger *l, struct desk *d, struct entry *e)
{
    if (!may_have(l, d, e)) return NULL;
    e->in_hand |= (uint32_t)1 << d->sink->number;
    hold(d, e->seq, NULL);
    return e->block;
}

/* What the sink can have now. The lock is let go while the store is read. */
static struct block *offer(struct ledger *l, struct desk *d)
{
    struct entry *e = next_in_memory(l, d);
    uint64_t      limit = e != NULL ? e->seq : l->next_seq;
    if (l->options.store == NULL || l->stored_high < d->next || (e != NULL && e->seq == d->next))
        return e != NULL ? hand_out(l, d, e) : NULL;
    uint64_t next = d->next;
    pthread_mutex_unlock(&l->lock);
    bool          unreadable;
    struct block *block = next_in_store(l, d, limit, &unreadable);
    pthread_mutex_lock(&l->lock);
    CHECK(d->next == next);   /* only the sink's own thread moves it */
    if (unreadable) return NULL;
    if (block != NULL) {
        sink_note_stored(d->sink, block);
        hold(d, block->seq, block);
        return block;
    }
    e = next_in_memory(l, d);
    if (e == NULL || e->seq != limit) {   /* what is before the limit is nothing for the sink, or cannot be had any more */
        d->next = limit;
        return NULL;
    }
    return hand_out(l, d, e);
}

/* Those that come from the store are memory beyond the fixed number of blocks. */
static bool may_hold_more(const struct ledger *l, const struct desk *d)
{
    size_t most = l->all_for_one ? IN_HAND_MAX : l->options.blocks / 2;
    return !l->aborted && d->held_count < IN_HAND_MAX && (d->held_count == 0 || d->held_count < most);
}

struct block *ledger_next(struct ledger *l, struct sink *sink, int wait_ms)
{
    struct desk *d = &l->desks[sink->number];
    pthread_mutex_lock(&l->lock);
    struct block *block = may_hold_more(l, d) ? offer(l, d) : NULL;
    if (block == NULL && wait_ms > 0 && !l->aborted) {
        ledger_wait(&l->published, &l->lock, (uint64_t)wait_ms);
        block = may_hold_more(l, d) ? offer(l, d) : NULL;
    }
    pthread_mutex_unlock(&l->lock);
    return block;
}

static void let_go(struct ledger *l, struct desk *d, struct block *block, bool done)
{
    size_t i = 0;
    while (i < d->held_count && d->held[i].seq != block->seq) i++;
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
    tell_settled(l);
    pthread_mutex_unlock(&l->lock);
}

void sink_withdraw(struct sink *sink, struct block *block)
{
    struct ledger *l = sink->owner;
    pthread_mutex_lock(&l->lock);
    let_go(l, &l->desks[sink->number], block, true);
    tell_settled(l);
    pthread_mutex_unlock(&l->lock);
}

void ledger_return(struct ledger *l, struct sink *sink, struct block *block)
{
    pthread_mutex_lock(&l->lock);
    let_go(l, &l->desks[sink->number], block, false);
    tell_settled(l);
    pthread_mutex_unlock(&l->lock);
}

static bool has_had_all(const struct ledger *l, const struct desk *d)
{
    bool in_store = l->options.store != NULL && l->stored_high >= d->next;   /* as far as is known: offer() looks */
    return d->held_count == 0 && !in_store && next_in_memory(l, d) == NULL;
}

bool ledger_is_delivered(struct ledger *l)
{
    bool all = true;
    pthread_mutex_lock(&l->lock);
    for (size_t n = 0; n < l->options.sink_count; n++) all = all && ((l->required >> n & 1) == 0 || has_had_all(l, &l->desks[n]));
    pthread_mutex_unlock(&l->lock);
    return all;
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
