#include "ledger_priv.h"

#include "base/clock.h"
#include "base/cond.h"

#include <stdlib.h>

/* --- Waiting ---------------------------------------------------------------------------------------------------------------- */

void ledger_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t wait_ms)
{
    const struct timespec until = cond_deadline(wait_ms);
    pthread_cond_timedwait(cond, lock, &until);
}

/* --- Entries ---------------------------------------------------------------------------------------------------------------- */

size_t source_index(const struct ledger *l, const struct source *source)
{
    size_t i = 0;
    while (l->options.sources[i] != source) i++;
    return i;
}

/* The number of the first entry with seq at least this. */
size_t first_entry(const struct ledger *l, uint64_t seq)
{
    size_t low = 0, high = l->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->entries[middle].seq < seq) low = middle + 1;
        else high = middle;
    }
    return low;
}

struct entry *find_entry(const struct ledger *l, uint64_t seq)
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

bool may_settle(const struct ledger *l, const struct entry *e) { return e->stored || (e->needed & l->required & ~e->done) == 0; }

static bool is_over(const struct entry *e)
{
    return e->receipt == NULL && !e->storing && e->in_hand == 0 && (e->needed & ~e->done) == 0;
}

/* --- Settling --------------------------------------------------------------------------------------------------------------- */

static void free_results(struct receipt *receipt)
{
    free(receipt->record_counts);
    free(receipt->verdicts);
    receipt->record_counts = NULL;
    receipt->verdicts = NULL;
}

/* False: no memory to keep its positions. It stays as it is, and is tried again with whatever happens next. */
static bool settle(struct ledger *l, struct entry *e)
{
    if (l->options.store != NULL && !positions_room(l, e->receipt->position_count)) return false;
    e->receipt->source = e->source;
    e->receipt->next = NULL;
    *l->news_end = e->receipt;
    l->news_end = &e->receipt->next;
    if (l->options.store != NULL)
        for (size_t i = 0; i < e->receipt->position_count; i++)
            keep_position(l, source_index(l, e->source), &e->receipt->positions[i], e->written);
    if (e->receipt->soon && l->options.store != NULL) {
        l->positions_wanted = true;
        pthread_cond_signal(&l->keeper_wanted);
    }
    e->receipt = NULL;
    return true;
}

/* Returns the next one. */
static struct receipt *tell(struct receipt *receipt)
{
    struct receipt *next = receipt->next;
    uint32_t       *counts = receipt->record_counts;
    struct verdict *verdicts = receipt->verdicts;
    receipt->source->type->settled(receipt->source, receipt);
    free(counts);
    free(verdicts);
    return next;
}

static struct receipt *take_news(struct ledger *l)
{
    struct receipt *taken = l->news;
    l->news = NULL;
    l->news_end = &l->news;
    return taken;
}

void tell_settled(struct ledger *l)
{
    if (l->telling || l->news == NULL) return;   /* who tells takes what has come meanwhile as well: their order holds */
    l->telling = true;
    while (l->news != NULL) {
        struct receipt *news = take_news(l);
        pthread_mutex_unlock(&l->lock);
        while (news != NULL) news = tell(news);
        pthread_mutex_lock(&l->lock);
    }
    l->telling = false;
    pthread_cond_broadcast(&l->settled);
}

/* Settles what can be, in the order of each source, and lets go of what is over. */
void settle_all(struct ledger *l)
{
    uint64_t blocked = 0;   /* sources of which an older entry is not settled */
    for (size_t i = 0; i < l->entry_count; i++) {
        struct entry *e = &l->entries[i];
        uint64_t      bit = (uint64_t)1 << source_index(l, e->source);
        if (e->receipt == NULL) continue;
        if ((blocked & bit) != 0 || !may_settle(l, e) || !settle(l, e)) blocked |= bit;
    }
    for (size_t i = l->entry_count; i-- > 0;)
        if (is_over(&l->entries[i])) remove_entry(l, &l->entries[i]);
    pthread_cond_broadcast(&l->settled);
}

/* --- Room ------------------------------------------------------------------------------------------------------------------- */

bool room_is_short(const struct ledger *l) { return l->free_count <= l->options.blocks / 4; }

void count_missed(struct ledger *l, const struct entry *e)
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

void ledger_give_back(struct ledger *l, struct block *block)
{
    pthread_mutex_lock(&l->lock);
    free_block(l, block);
    pthread_mutex_unlock(&l->lock);
}

/* --- Publishing ------------------------------------------------------------------------------------------------------------- */

uint32_t sinks_needed(const struct block *block)
{
    uint32_t needed = 0;
    for (size_t i = 0; i < block->count; i++) needed |= block->records[i].sinks;
    return needed;
}

static void add_entry(struct ledger *l, struct source *source, uint64_t number, struct parked *p)
{
    CHECK(l->entry_count < l->options.blocks);
    p->block->seq = l->next_seq++;
    p->block->receipt = p->receipt;
    l->entries[l->entry_count++] = (struct entry){
        .seq = p->block->seq, .number = number, .published_ms = clock_monotonic_ms(), .block = p->block, .source = source,
        .receipt = p->receipt, .bytes = block_size(p->block), .records = p->block->count,
        .needed = sinks_needed(p->block) | l->every_block};
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
    tell_settled(l);
    pthread_mutex_unlock(&l->lock);
}

/* --- The end ---------------------------------------------------------------------------------------------------------------- */

static bool anything_left(const struct ledger *l)
{
    if (l->telling || l->news != NULL) return true;
    for (size_t i = 0; i < l->entry_count; i++)
        if (l->entries[i].receipt != NULL || !l->entries[i].stored) return true;
    return false;
}

bool ledger_drain(struct ledger *l, uint64_t deadline_ms)
{
    pthread_mutex_lock(&l->lock);
    l->draining = true;
    pthread_cond_signal(&l->keeper_wanted);
    for (uint64_t now; anything_left(l) && (now = clock_monotonic_ms()) < deadline_ms;)
        ledger_wait(&l->settled, &l->lock, deadline_ms - now);
    bool drained = !anything_left(l);
    pthread_mutex_unlock(&l->lock);
    return drained;
}

/* Records of the block that one of these sinks wants. */
static uint64_t wanted_records(const struct block *block, uint32_t sinks)
{
    uint64_t records = 0;
    for (size_t i = 0; i < block->count; i++) records += (block->records[i].sinks & sinks) != 0;
    return records;
}

uint64_t ledger_lost(struct ledger *l)
{
    uint64_t records = 0;
    keeper_close(l);
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->entry_count; i++) {
        const struct entry *e = &l->entries[i];
        if (e->receipt == NULL || e->stored || e->source->type->replayable) continue;
        records += wanted_records(e->block, l->required & ~e->done);
    }
    for (size_t s = 0; s < l->options.source_count; s++)   /* behind a batch that never came */
        for (size_t i = 0; i < SOURCE_PARKED && !l->options.sources[s]->type->replayable; i++)
            if (l->lines[s].parked[i].block != NULL) records += wanted_records(l->lines[s].parked[i].block, l->required);
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

/* --- Life ------------------------------------------------------------------------------------------------------------------- */

static bool make_blocks(struct ledger *l)
{
    l->free_blocks = calloc(l->options.blocks, sizeof(struct block *));
    l->entries = calloc(l->options.blocks, sizeof *l->entries);
    l->lines = calloc(l->options.source_count, sizeof *l->lines);
    l->desks = calloc(l->options.sink_count, sizeof *l->desks);
    if (l->free_blocks == NULL || l->entries == NULL || l->lines == NULL || l->desks == NULL) return false;
    for (size_t n = 0; n < l->options.sink_count; n++) l->desks[n].sink = l->options.sinks[n];
    while (l->free_count < l->options.blocks && (l->free_blocks[l->free_count] = block_new()) != NULL) l->free_count++;
    return l->free_count == l->options.blocks;
}

static bool all_are_replayable(const struct ledger_options *options)
{
    bool all = true;
    for (size_t s = 0; s < options->source_count; s++) all = all && options->sources[s]->type->replayable;
    return all;
}

struct ledger *ledger_new(const struct ledger_options *options, struct error *err)
{
    struct ledger *l = calloc(1, sizeof *l);
    CHECK(l != NULL && options->source_count <= 64 && options->sink_count <= BLOCK_SINKS);
    l->options = *options;
    l->news_end = &l->news;
    pthread_mutex_init(&l->lock, NULL);
    cond_init(&l->block_free);
    cond_init(&l->published);
    cond_init(&l->keeper_wanted);
    cond_init(&l->settled);
    l->all_for_one = options->sink_count == 1 && (options->store == NULL || all_are_replayable(options));
    for (size_t n = 0; n < options->sink_count; n++) {
        options->sinks[n]->owner = l;
        if (options->sinks[n]->required) l->required |= (uint32_t)1 << n;
        if (options->sinks[n]->every_block) l->every_block |= (uint32_t)1 << n;
    }
    if ((make_blocks(l) || error_set(err, ERROR_MEMORY, "no memory for blocks")) && keeper_open(l, err)) return l;
    ledger_free(l);
    return NULL;
}

static void abandon(struct source *source, struct receipt *receipt)
{
    free_results(receipt);
    source->type->abandoned(source, receipt);
}

void ledger_free(struct ledger *l)
{
    if (l == NULL) return;
    keeper_close(l);
    pthread_mutex_lock(&l->lock);
    tell_settled(l);
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->entry_count; i++) {
        if (l->entries[i].receipt != NULL) abandon(l->entries[i].source, l->entries[i].receipt);
        block_free(l->entries[i].block);
    }
    for (size_t s = 0; l->desks != NULL && s < l->options.sink_count; s++)   /* what a sink had in hand when it was closed */
        for (size_t i = 0; i < l->desks[s].held_count; i++) block_free(l->desks[s].held[i].loaded);
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
    free(l->position_heads);
    free(l->lines);
    free(l->desks);
    free(l);
}
