/* The ledger's keeper: the thread that brings blocks, positions and cursors to the store, and what is taken up from there. */
#include "ledger_priv.h"

#include "base/clock.h"

#include <stdlib.h>

#define KEEP_AFTER_MS  5      /* grace for a sink to have a block whose source cannot replay, before it is stored */
#define POSITIONS_MS   500    /* positions and cursors are committed so often, if nothing else is and none is wanted sooner */
#define KEEP_BATCH     16     /* blocks in one transaction */
#define KEEP_BYTES     (512 * 1024)   /* no more blocks when they have so many bytes */
#define RETRY_STORE_MS 1000
#define MAINTAIN_MS    5000
#define TELL_STORE_MS  60000  /* between two lines about the same */

static bool wants_storing(const struct ledger *l, const struct entry *e, uint64_t now)
{
    uint32_t missing = e->needed & ~e->done;
    if (e->stored || e->storing || missing == 0 || (missing & l->every_block) != 0) return false;
    if (e->receipt != NULL && !e->source->type->replayable) return l->draining || now - e->published_ms >= KEEP_AFTER_MS;
    return room_is_short(l) && (e->done != 0 || (missing & l->required) == 0);
}

/* Of a source that is read again nothing is stored while what stands before it is not: after a kill, sinks would get that
 * behind it. */
static bool goes_before_stored(const struct ledger *l, size_t i, uint64_t now)
{
    const struct entry *e = &l->entries[i];
    uint32_t            missing = e->needed & ~e->done;
    if (e->receipt == NULL || e->stored || e->storing || !e->source->type->replayable) return false;
    if (missing == 0 || (missing & l->every_block) != 0) return false;
    for (size_t later = i + 1; later < l->entry_count; later++)
        if (l->entries[later].source == e->source && wants_storing(l, &l->entries[later], now)) return true;
    return false;
}

/* A sink that is not required and lags more than it may: its blocks are not stored for it any more. */
static bool lags_too_far(struct ledger *l, const struct entry *e)
{
    uint32_t missing = e->needed & ~e->done;
    if ((missing & l->required) != 0) return false;
    for (size_t n = 0; n < l->options.sink_count; n++)
        if ((missing >> n & 1) != 0 && store_bytes_from(l->options.store, frontier(&l->desks[n])) < l->options.sinks[n]->max_lag)
            return false;
    return true;
}

struct keeping {
    size_t                most;             /* blocks at a time: fewer while the spool has little room */
    uint64_t              seqs[KEEP_BATCH];
    struct encoded        bytes;            /* of all of them, one after another */
    size_t                ends[KEEP_BATCH];
    struct store_block    blocks[KEEP_BATCH];
    size_t                count;
    struct store_position *positions;       /* these three for one commit */
    struct position      *copies;           /* what they point to */
    size_t               *old_sources;      /* of the first positions: those that were settled before */
    size_t                position_count, old_positions;
    struct store_cursor   cursors[BLOCK_SINKS];
    size_t                cursor_count;
};

/* Only now the bytes stay where they are. */
static void point_to_bytes(struct keeping *k)
{
    for (size_t i = 0, at = 0; i < k->count; at = k->ends[i++])
        k->blocks[i].pieces[0] = slice_of(k->bytes.data + at, k->ends[i] - at);
}

/* False: no memory, not even for one. */
static bool choose_blocks(struct ledger *l, struct keeping *k, uint64_t now)
{
    bool fits = true;
    k->bytes.len = 0;
    for (size_t i = 0; i < l->entry_count && k->count < k->most && k->bytes.len < KEEP_BYTES; i++) {
        struct entry *e = &l->entries[i];
        if (!wants_storing(l, e, now) && !goes_before_stored(l, i, now)) continue;
        if (e->receipt == NULL && lags_too_far(l, e)) {
            if (e->in_hand != 0) continue;   /* it may have it yet */
            count_missed(l, e);
            e->done = e->needed;
            continue;
        }
        size_t before = k->bytes.len;
        if (!(fits = block_serialize(e->block, l->options.scheme, e->needed & ~e->done, &k->bytes))) {
            k->bytes.len = before;
            break;
        }
        k->blocks[k->count] = (struct store_block){.seq = e->seq, .records = e->records};
        k->ends[k->count] = k->bytes.len;
        k->seqs[k->count++] = e->seq;
        e->storing = true;
    }
    point_to_bytes(k);
    return fits || k->count > 0;
}

static bool is_chosen(const struct keeping *k, uint64_t seq)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->seqs[i] == seq) return true;
    return false;
}

static void add_position(struct ledger *l, struct keeping *k, size_t source, const struct position *position)
{
    struct position *copy = &k->copies[k->position_count];
    *copy = *position;
    k->positions[k->position_count++] = (struct store_position){l->options.sources[source]->name, copy};
}

static void release_positions(struct keeping *k)
{
    free(k->positions);
    free(k->copies);
    free(k->old_sources);
    k->positions = NULL;
    k->copies = NULL;
    k->old_sources = NULL;
}

/* For as many positions as there can be. */
static bool make_room_for_positions(const struct ledger *l, struct keeping *k)
{
    size_t most = l->position_count + 1;
    for (size_t i = 0; i < l->entry_count; i++)
        if (l->entries[i].receipt != NULL) most += l->entries[i].receipt->position_count;
    k->positions = calloc(most, sizeof *k->positions);
    k->copies = calloc(most, sizeof *k->copies);
    k->old_sources = calloc(most, sizeof *k->old_sources);
    if (k->positions != NULL && k->copies != NULL && k->old_sources != NULL) return true;
    release_positions(k);
    return false;
}

/* Positions that are settled already, and those that will be when the chosen blocks are stored. */
static void choose_positions(struct ledger *l, struct keeping *k)
{
    uint64_t blocked = 0;
    k->old_positions = l->positions_out = l->position_count;
    for (size_t i = 0; i < l->position_count; i++) {
        k->old_sources[i] = l->positions[i].source;
        add_position(l, k, l->positions[i].source, &l->positions[i].position);
    }
    forget_positions(l);
    for (size_t i = 0; i < l->entry_count; i++) {
        struct entry *e = &l->entries[i];
        size_t        source = source_index(l, e->source);
        if (e->receipt == NULL || (blocked >> source & 1) != 0) continue;
        if (!may_settle(l, e) && !is_chosen(k, e->seq)) {
            blocked |= (uint64_t)1 << source;
            continue;
        }
        e->writing = true;
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
    for (size_t i = 0; i < l->entry_count; i++) {
        l->entries[i].written |= l->entries[i].writing && stored;
        l->entries[i].writing = false;
    }
    for (size_t i = 0; i < k->cursor_count && stored; i++)
        for (size_t n = 0; n < l->options.sink_count; n++)
            if (strcmp(l->options.sinks[n]->name, k->cursors[i].sink) == 0) l->desks[n].committed = k->cursors[i].next;
    for (size_t i = 0; i < k->old_positions && !stored; i++)   /* what came meanwhile is newer */
        if (find_kept(l, k->old_sources[i], k->positions[i].position) == NULL)
            keep_position(l, k->old_sources[i], k->positions[i].position, false);
    l->positions_out = 0;
    l->positions_committed += stored ? k->position_count : 0;
}

static void tell_trouble(struct ledger *l, enum store_result result, const struct error *err)
{
    uint64_t left_out;
    bool     was_full = l->spool_full, was_failing = l->store_failing, full = result == STORE_FULL;
    l->spool_full = full;
    l->store_failing = result == STORE_FAILED;
    if (was_full && !full) log_line(LOG_INFO, "store", "there is room again");
    if (was_failing && !l->store_failing) log_line(LOG_INFO, "store", "it can be written again");
    if (result != STORE_OK && log_passes(full ? &l->spool_trouble : &l->store_trouble, TELL_STORE_MS, &left_out))
        log_line(full ? LOG_WARNING : LOG_ERROR, "store", "%s; records wait and nothing is lost", err->text);
}

/* Writes what was chosen, without the lock. */
static enum store_result write_chosen(struct ledger *l, const struct keeping *k, struct error *err)
{
    struct store_change change = {.blocks = k->blocks, .block_count = k->count, .positions = k->positions,
                                  .position_count = k->position_count, .cursors = k->cursors, .cursor_count = k->cursor_count,
                                  .keep_from = keep_from(l), .next_seq = l->next_seq};
    pthread_mutex_unlock(&l->lock);
    enum store_result result = store_commit(l->options.store, &change, err);
    if (result == STORE_FULL && k->count > 0) {   /* room may come from what is not needed any more */
        struct error again = {0};
        change.block_count = 0;
        change.position_count = 0;
        (void)store_commit(l->options.store, &change, &again);
    }
    pthread_mutex_lock(&l->lock);
    return result;
}

/* One transaction, if there is something to write. */
static enum store_result keep_some(struct ledger *l, struct keeping *k, bool all)
{
    struct error err = {0};
    uint64_t     now = clock_monotonic_ms();
    k->count = k->position_count = k->old_positions = k->cursor_count = 0;
    bool fits = choose_blocks(l, k, now);
    bool due = all || (l->position_count > 0 && (l->positions_wanted || now - l->positions_since_ms >= POSITIONS_MS));
    l->positions_wanted = false;
    choose_cursors(l, k);
    if (fits && k->count == 0 && !due && k->cursor_count == 0) {
        settle_all(l);
        return STORE_OK;
    }
    enum store_result result = STORE_FAILED;
    if (fits && make_room_for_positions(l, k)) {
        choose_positions(l, k);
        result = write_chosen(l, k, &err);
    } else error_set(&err, ERROR_MEMORY, "no memory to write to the store");
    take_stored(l, k, result == STORE_OK);
    release_positions(k);
    if (result != STORE_FULL || k->count <= 1) tell_trouble(l, result, &err);
    settle_all(l);
    pthread_cond_broadcast(&l->block_free);
    return result;
}

/* As many blocks as there is room for. True: all was written that was to be, or there was nothing. */
static bool keep(struct ledger *l, struct keeping *k, bool all)
{
    enum store_result result;
    while ((result = keep_some(l, k, all)) == STORE_FULL && k->count > 1) k->most = k->count / 2;
    if (result == STORE_OK && k->most < KEEP_BATCH) k->most *= 2;
    return result == STORE_OK;
}

static bool anything_to_store(const struct ledger *l, uint64_t now, uint64_t *wait_ms)
{
    bool any = false;
    for (size_t i = 0; i < l->entry_count; i++) {
        const struct entry *e = &l->entries[i];
        if (wants_storing(l, e, now)) any = true;
        else if (e->receipt != NULL && !e->stored && !e->storing && !e->source->type->replayable && (e->needed & ~e->done) != 0 &&
                 *wait_ms > KEEP_AFTER_MS)
            *wait_ms = KEEP_AFTER_MS;
    }
    return any;
}

static void *run_keeper(void *ledger)
{
    struct ledger *l = ledger;
    struct keeping k = {.most = KEEP_BATCH};
    uint64_t       maintained_ms = clock_monotonic_ms();
    pthread_mutex_lock(&l->lock);
    while (!l->closing) {
        uint64_t now = clock_monotonic_ms(), wait_ms = POSITIONS_MS;
        if (!anything_to_store(l, now, &wait_ms) && !l->positions_wanted) ledger_wait(&l->keeper_wanted, &l->lock, wait_ms);
        bool kept = keep(l, &k, false);
        tell_settled(l);
        if (!kept) ledger_wait(&l->keeper_wanted, &l->lock, RETRY_STORE_MS);
        if (clock_monotonic_ms() - maintained_ms < MAINTAIN_MS) continue;
        pthread_mutex_unlock(&l->lock);
        store_maintain(l->options.store);
        pthread_mutex_lock(&l->lock);
        maintained_ms = clock_monotonic_ms();
    }
    l->draining = true;
    while (keep(l, &k, true) && k.count > 0) continue;
    tell_settled(l);
    pthread_mutex_unlock(&l->lock);
    encoded_release(&k.bytes);
    return NULL;
}

/* --- Life ---------------------------------------------------------------------------------------------------------------- */

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
    for (size_t i = 0; i < known.count; i++)
        log_line(LOG_WARNING, "store", "there is no sink '%s' any more: what it still had to get is let go", known.gone[i]);
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

bool keeper_open(struct ledger *l, struct error *err)
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

void keeper_close(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_signal(&l->keeper_wanted);
    pthread_mutex_unlock(&l->lock);
    if (l->keeper_runs) pthread_join(l->keeper, NULL);
    l->keeper_runs = false;
}
