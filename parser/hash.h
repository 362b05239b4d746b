/* A fast hash for short keys that come from outside.
 *
 * It starts from random bits, so that nobody can prepare keys that collide. 64 bits are multiplied by 64 and the product is
 * folded, as in wyhash (Wang Yi, public domain).
 *
 * Whole words are read: up to 7 bytes after the last one must be readable; what they hold does not matter. */
#ifndef LETHE_PARSER_HASH_H
#define LETHE_PARSER_HASH_H

#include "base/check.h"
#include "base/slice.h"

#include <sys/random.h>

#define HASH_PADDING 8

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "partial words are masked as little-endian ones");

struct hash_seed {
    uint64_t a, b;
};

MUST_USE static inline bool hash_seed_draw(struct hash_seed *seed) { return getrandom(seed, sizeof *seed, 0) == sizeof *seed; }

static inline uint64_t hash_load(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* The first `len` bytes at p, 1 to 8 of them. */
static inline uint64_t hash_load_part(const char *p, size_t len) { return hash_load(p) << (64 - 8 * len); }

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t hash_bytes(struct hash_seed seed, struct slice key)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);   /* 2^64 divided by the golden ratio */
    const char    *p = key.data;
    size_t         len = key.len;
    uint64_t       h = seed.a ^ hash_fold(len ^ odd, seed.b);
    for (; len > 16; p += 16, len -= 16) h = hash_fold(hash_load(p) ^ seed.b, hash_load(p + 8) ^ h);
    uint64_t first = len == 0 ? 0 : hash_load_part(p, len < 8 ? len : 8);
    uint64_t second = len <= 8 ? 0 : hash_load_part(p + 8, len - 8);
    return (uint32_t)hash_fold(hash_fold(first ^ seed.b, second ^ h) ^ seed.a, odd);
}

/* Whether the first `len` bytes at both places are the same. */
static inline bool hash_same_bytes(const char *a, const char *b, size_t len)
{
    for (; len > 8; a += 8, b += 8, len -= 8)
        if (hash_load(a) != hash_load(b)) return false;
    return len == 0 || ((hash_load(a) ^ hash_load(b)) << (64 - 8 * len)) == 0;
}

#endif
