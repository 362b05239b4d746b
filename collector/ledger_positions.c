/* The positions of the ledger that are settled and not committed: one for each stream, found by its key, since there may be
 * tens of thousands of files. */
#include "ledger_priv.h"

#include "base/clock.h"

#include <stdlib.h>

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t hash_of(size_t source, const struct position *position)
{
    uint32_t hash = 2166136261u ^ (uint32_t)source;
    for (size_t i = 0; i < position->key_len; i++) hash = (hash ^ (uint8_t)position->key[i]) * 16777619u;
    return hash;
}

static bool is_of(const struct kept_position *k, size_t source, const struct position *position)
{
    return k->source == source && k->position.key_len == position->key_len &&
           memcmp(k->position.key, position->key, position->key_len) == 0;
}

struct kept_position *find_kept(struct ledger *l, size_t source, const struct position *position)
{
    if (l->position_count == 0) return NULL;
    uint32_t hash = hash_of(source, position);
    for (uint32_t at = l->position_heads[hash % l->position_capacity]; at > 0; at = l->positions[at - 1].next)
        if (is_of(&l->positions[at - 1], source, position)) return &l->positions[at - 1];
    return NULL;
}

static void put_in_chain(struct ledger *l, size_t number)
{
    struct kept_position *k = &l->positions[number];
    uint32_t             *head = &l->position_heads[hash_of(k->source, &k->position) % l->position_capacity];
    k->next = *head;
    *head = (uint32_t)number + 1;
}

static bool grow(struct ledger *l, size_t capacity)
{
    struct kept_position *positions = reallocarray(l->positions, capacity, sizeof *l->positions);
    if (positions == NULL) return false;
    l->positions = positions;
    uint32_t *heads = calloc(capacity, sizeof *heads);
    if (heads == NULL) return false;
    free(l->position_heads);
    l->position_heads = heads;
    l->position_capacity = capacity;
    for (size_t i = 0; i < l->position_count; i++) put_in_chain(l, i);
    return true;
}

bool positions_room(struct ledger *l, size_t more)
{
    size_t wanted = l->position_count + l->positions_out + more;
    return wanted <= l->position_capacity || grow(l, wanted + wanted / 2 + 16);
}

void keep_position(struct ledger *l, size_t source, const struct position *position, bool written)
{
    struct kept_position *older = find_kept(l, source, position);
    if (older != NULL) older->position = *position;
    if (older != NULL || written) return;
    CHECK(l->position_count < l->position_capacity);
    if (l->position_count == 0) l->positions_since_ms = clock_monotonic_ms();
    l->positions[l->position_count] = (struct kept_position){.source = source, .position = *position};
    put_in_chain(l, l->position_count++);
}

void forget_positions(struct ledger *l)
{
    if (l->position_count > 0) memset(l->position_heads, 0, l->position_capacity * sizeof *l->position_heads);
    l->position_count = 0;
}
