#include "shortlist.h"

#include <stdlib.h>

#define FIRST_ROOM 64

bool shortlist_init(struct shortlist *s, size_t most, void (*drop)(void *, struct shortlisted *), void *context)
{
    *s = (struct shortlist){.most = most, .room = FIRST_ROOM, .slot_count = 2 * FIRST_ROOM, .highest = UINT64_MAX, .drop = drop,
                            .context = context};
    s->items = calloc(s->room, sizeof *s->items);
    s->slots = calloc(s->slot_count, sizeof *s->slots);
    return s->items != NULL && s->slots != NULL;
}

void shortlist_release(struct shortlist *s)
{
    for (size_t i = 0; i < s->count; i++) s->drop(s->context, s->items[i]);
    free(s->items);
    free(s->slots);
    *s = (struct shortlist){0};
}

/* FNV-1a, then mixed once more so that all bits depend on all bytes. */
uint64_t shortlist_rank(struct slice key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++) h = (h ^ (unsigned char)key.data[i]) * 0x100000001b3u;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static size_t next_slot(const struct shortlist *s, size_t slot) { return (slot + 1) & (s->slot_count - 1); }

static size_t first_slot(const struct shortlist *s, uint64_t rank) { return (size_t)rank & (s->slot_count - 1); }

struct shortlisted *shortlist_find(const struct shortlist *s, uint64_t rank, struct slice key)
{
    for (size_t slot = first_slot(s, rank); s->slots[slot] != 0; slot = next_slot(s, slot)) {
        struct shortlisted *item = s->items[s->slots[slot] - 1];
        if (item->rank == rank && slice_equal(item->key, key)) return item;
    }
    return NULL;
}

static void enter(struct shortlist *s, size_t number)
{
    size_t slot = first_slot(s, s->items[number]->rank);
    while (s->slots[slot] != 0) slot = next_slot(s, slot);
    s->slots[slot] = (uint32_t)number + 1;
}

static void enter_all(struct shortlist *s)
{
    memset(s->slots, 0, s->slot_count * sizeof *s->slots);
    for (size_t i = 0; i < s->count; i++) enter(s, i);
}

static bool grow(struct shortlist *s)
{
    struct shortlisted **items = realloc(s->items, 2 * s->room * sizeof *items);
    if (items == NULL) return false;
    s->items = items;
    uint32_t *slots = calloc(2 * s->slot_count, sizeof *slots);
    if (slots == NULL) return false;
    free(s->slots);
    s->slots = slots;
    s->room *= 2;
    s->slot_count *= 2;
    enter_all(s);
    return true;
}

/* By rank; equal ones by key, so that the order is total. */
static int by_rank(const void *a, const void *b)
{
    const struct shortlisted *left = *(struct shortlisted *const *)a, *right = *(struct shortlisted *const *)b;
    if (left->rank != right->rank) return left->rank < right->rank ? -1 : 1;
    size_t len = left->key.len < right->key.len ? left->key.len : right->key.len;
    int    order = len > 0 ? memcmp(left->key.data, right->key.data, len) : 0;
    return order != 0 ? order : (left->key.len > right->key.len) - (left->key.len < right->key.len);
}

void shortlist_prune(struct shortlist *s)
{
    if (s->count <= s->most) return;
    qsort(s->items, s->count, sizeof *s->items, by_rank);
    while (s->count > s->most) s->drop(s->context, s->items[--s->count]);
    s->highest = s->items[s->most - 1]->rank;
    enter_all(s);
}

bool shortlist_welcomes(const struct shortlist *s, uint64_t rank) { return rank <= s->highest; }

bool shortlist_add(struct shortlist *s, struct shortlisted *item)
{
    if (s->count >= 2 * s->most) shortlist_prune(s);
    if (s->count == s->room && !grow(s)) return false;
    s->items[s->count] = item;
    enter(s, s->count++);
    return true;
}
