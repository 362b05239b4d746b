/* What kinds.c needs to see of a key cache: the name behind a key, without a call. */
#ifndef LETHE_PARSER_NAMES_PRIV_H
#define LETHE_PARSER_NAMES_PRIV_H

#include "base/arena.h"
#include "parser/hash.h"
#include "parser/names.h"

struct key_cache {
    struct key_entry      *entries;      /* KEY_CACHE_SLOTS + 1 of them, touched only as they come into use */
    uint32_t               count;        /* slots in use, slot 0 included */
    uint32_t              *table;        /* hash table of cells: upper half of the hash, slot; 0 is an empty cell */
    uint32_t               mask;         /* its size, a power of two, less one */
    struct arena           bytes;        /* the keys' bytes */
    size_t                 byte_count;
    bool                   starved;
    struct hash_seed       seed;
    const struct name_set *names;
    uint32_t             (*classify)(const void *context, struct slice key);
    const void            *context;
};

/* Slot 0 has no name, so that an unresolved key is an unknown one. */
static inline name_id key_name(const struct key_cache *cache, const struct node *key)
{
    return cache->entries[key->name].name;
}

#endif
