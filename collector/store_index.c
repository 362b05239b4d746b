/* Sums over the spool, kept in memory: 24 bytes for up to STRETCH_BLOCKS blocks, in the order of their numbers. Blocks come
 * at the end as a rule and go at the beginning, but may come in any order. */
#include "store_priv.h"

#define STRETCH_BLOCKS 1024

void index_clear(struct spool_index *x)
{
    x->count = 0;
    x->blocks = x->bytes = 0;
}

void index_release(struct spool_index *x)
{
    free(x->stretches);
    free(x->told);
    *x = (struct spool_index){0};
}

/* How many stretches begin at or before `seq`. */
static size_t begun(const struct spool_index *x, uint64_t seq)
{
    size_t low = 0, high = x->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x->stretches[middle].first <= seq) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void add_stretch(struct spool_index *x, uint64_t first)
{
    if (x->count == x->capacity) {
        size_t          capacity = x->capacity == 0 ? 64 : 2 * x->capacity;
        struct stretch *grown = realloc(x->stretches, capacity * sizeof *grown);
        CHECK(grown != NULL);   /* 24 bytes for a thousand blocks */
        x->stretches = grown;
        x->capacity = capacity;
    }
    x->stretches[x->count++] = (struct stretch){.first = first};
}

void index_add(struct spool_index *x, uint64_t seq, uint64_t bytes)
{
    size_t at = begun(x, seq);
    if (at == x->count && (at == 0 || x->stretches[at - 1].blocks >= STRETCH_BLOCKS)) {
        add_stretch(x, seq);
        at++;
    }
    if (at == 0) x->stretches[at++].first = seq;
    x->stretches[at - 1].blocks++;
    x->stretches[at - 1].bytes += bytes;
    x->blocks++;
    x->bytes += bytes;
}

static void sum_up(struct spool_index *x)
{
    x->blocks = x->bytes = 0;
    for (size_t i = 0; i < x->count; i++) {
        x->blocks += x->stretches[i].blocks;
        x->bytes += x->stretches[i].bytes;
    }
}

bool index_drop(struct spool_index *x, uint64_t keep_from, uint64_t *to)
{
    size_t told = 0, gone = begun(x, keep_from);
    while (told < x->told_count && x->told[told] < keep_from) told++;
    x->told_count -= told;
    if (told > 0) memmove(x->told, x->told + told, x->told_count * sizeof *x->told);
    if (gone == 0) return false;
    gone--;   /* this one may hold blocks to be kept */
    memmove(x->stretches, x->stretches + gone, (x->count - gone) * sizeof *x->stretches);
    x->count -= gone;
    sum_up(x);
    *to = x->count > 1 ? x->stretches[1].first : UINT64_MAX;
    return x->stretches[0].first < keep_from;
}

void index_recounted(struct spool_index *x, uint64_t keep_from, uint64_t blocks, uint64_t bytes)
{
    x->stretches[0] = (struct stretch){keep_from, blocks, bytes};
    if (blocks == 0) {
        memmove(x->stretches, x->stretches + 1, (x->count - 1) * sizeof *x->stretches);
        x->count--;
    }
    sum_up(x);
}

uint64_t index_bytes_from(const struct spool_index *x, uint64_t seq, uint64_t *to)
{
    size_t   at = begun(x, seq);
    uint64_t bytes = 0;
    if (at > 0 && x->stretches[at - 1].first == seq) at--;
    *to = at < x->count ? x->stretches[at].first : UINT64_MAX;
    if (at == 0) *to = seq;   /* nothing lies before the first stretch */
    while (at < x->count) bytes += x->stretches[at++].bytes;
    return bytes;
}

bool index_tell(struct spool_index *x, uint64_t seq)
{
    size_t at = x->told_count;
    while (at > 0 && x->told[at - 1] > seq) at--;
    if (at > 0 && x->told[at - 1] == seq) return false;
    if (x->told_count == x->told_capacity) {
        size_t    capacity = x->told_capacity == 0 ? 64 : 2 * x->told_capacity;
        uint64_t *grown = realloc(x->told, capacity * sizeof *grown);
        CHECK(grown != NULL);
        x->told = grown;
        x->told_capacity = capacity;
    }
    memmove(x->told + at + 1, x->told + at, (x->told_count - at) * sizeof *x->told);
    x->told[at] = seq;
    x->told_count++;
    return true;
}
