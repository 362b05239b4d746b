/* A bump allocator: pieces are taken one after another and given back all at once.
 *
 * (1) Pieces stay where they are until arena_clear(); memory grows by blocks, never by moving.
 * (2) After arena_clear() the blocks are kept and used again, so a warm arena does not call malloc.
 * (3) arena_take() returns NULL when `max_bytes` would be passed or malloc fails: an ordinary outcome, to be handled.
 *     Which of the two it was says `starved`: malloc failed since the last arena_clear(), so that later there may be room.
 * (4) Every piece is aligned to 8 bytes. Under AddressSanitizer each piece is followed by a poisoned gap.
 * Thread: one owner. */
#ifndef LETHE_BASE_ARENA_H
#define LETHE_BASE_ARENA_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *first, *current;
    size_t              block_bytes, max_bytes, held_bytes;
    bool                starved;
};

void arena_init(struct arena *, size_t block_bytes, size_t max_bytes);
void arena_release(struct arena *);
void arena_clear(struct arena *);

MUST_USE void *arena_take(struct arena *, size_t bytes);

/* Gives back the tail of the piece taken last: it keeps its first `bytes`. */
void arena_trim(struct arena *, void *last, size_t bytes);

#endif
