#include "base/arena.h"

#include <stdint.h>

#ifdef LETHE_ASAN
#include <sanitizer/asan_interface.h>
#define GAP 16
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define GAP 0
#endif

struct arena_block {
    struct arena_block *next;
    size_t              used, capacity;
    char                data[];
};

static size_t aligned(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

void arena_init(struct arena *a, size_t block_bytes, size_t max_bytes)
{
    *a = (struct arena){.block_bytes = block_bytes, .max_bytes = max_bytes};
}

void arena_release(struct arena *a)
{
    for (struct arena_block *b = a->first, *next; b != NULL; b = next) {
        next = b->next;
        ASAN_UNPOISON_MEMORY_REGION(b->data, b->capacity);
        free(b);
    }
    a->first = a->current = NULL;
    a->held_bytes = 0;
}

void arena_clear(struct arena *a)
{
    for (struct arena_block *b = a->first; b != NULL; b = b->next) {
        b->used = 0;
        ASAN_POISON_MEMORY_REGION(b->data, b->capacity);
    }
    a->current = a->first;
    a->starved = false;
}

/* Makes `current` a block with room for `bytes`: the next one kept from earlier rounds that is large enough, or a new
 * one. A kept block that is too small is passed over until the next arena_clear(). */
static bool block_with_room(struct arena *a, size_t bytes)
{
    while (a->current != NULL && a->current->next != NULL) {
        a->current = a->current->next;
        if (bytes <= a->current->capacity) return true;
    }
    size_t capacity = bytes > a->block_bytes ? bytes : a->block_bytes;
    if (capacity > a->max_bytes - a->held_bytes) return false;
    struct arena_block *b = malloc(sizeof *b + capacity);
    if (b == NULL) {
        a->starved = true;
        return false;
    }
    *b = (struct arena_block){.capacity = capacity};
    ASAN_POISON_MEMORY_REGION(b->data, capacity);
    a->held_bytes += capacity;
    if (a->current != NULL) a->current->next = b;
    else a->first = b;
    a->current = b;
    return true;
}

void *arena_take(struct arena *a, size_t bytes)
{
    if (bytes > a->max_bytes) return NULL;
    size_t need = aligned(bytes) + GAP;
    struct arena_block *b = a->current;
    if ((b == NULL || need > b->capacity - b->used) && !block_with_room(a, need)) return NULL;
    b = a->current;
    void *piece = b->data + b->used;
    b->used += need;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return piece;
}

void arena_trim(struct arena *a, void *last, size_t bytes)
{
    struct arena_block *b = a->current;
    size_t start = (size_t)((char *)last - b->data);
    CHECK(start + bytes <= b->used);
    ASAN_POISON_MEMORY_REGION(b->data + start + bytes, b->used - start - bytes);
    b->used = start + aligned(bytes) + GAP;
}
