/* Field names as small numbers.
 *
 * A name set is built once at start (from the kinds table and from the paths of a policy) and is const afterwards. It
 * gives each known field name a number, comparing ASCII letters without case: `requestBody` and `requestbody` are one
 * name.
 *
 * A key cache remembers, per thread, what is known of every spelling of a key met in the data, so that a key costs one
 * lookup however many questions are asked about it. names_resolve() writes the cache slot of each key into its node.
 *
 * (1) Slot 0 is never used: it stands for "not resolved".
 * (2) Slots and entries are stable until key_cache_trim(), which is called between batches only.
 * (3) The cache holds at most KEY_CACHE_SLOTS spellings between two trims; a document that needs more is not resolved. */
#ifndef LETHE_PARSER_NAMES_H
#define LETHE_PARSER_NAMES_H

#include "parser/parser.h"

typedef uint16_t name_id;   /* 0: not a known name */

struct name_set;

MUST_USE struct name_set *name_set_new(void);   /* NULL: no memory. Holds the names of kinds.def, numbered as NAME_... */
void name_set_free(struct name_set *);

/* Adds a name (any case, decoded text) or finds it; returns its number, or 0 when memory or numbers run out. */
name_id name_set_add(struct name_set *, struct slice name);
name_id name_set_find(const struct name_set *, struct slice name);

/* What is known of one spelling of a key. */
struct key_entry {
    struct slice raw;       /* bytes between the quotes, as in the data; owned by the cache */
    uint32_t     hash;
    name_id      name;      /* of the decoded spelling */
    uint16_t     likely;    /* slot of the key that followed last time: tried first */
    uint32_t     traits;    /* what `classify` returned */
    bool         examined;  /* the key's own text was scanned and holds nothing to remove */
};

#define KEY_CACHE_SLOTS 65535

struct key_cache;

/* `classify` is called once per new spelling with the decoded text of the key. */
MUST_USE struct key_cache *key_cache_new(const struct name_set *, uint32_t (*classify)(const void *context, struct slice key),
                                         const void *context);
void key_cache_free(struct key_cache *);

/* Forgets everything when more than a quarter of the slots is in use. */
void key_cache_trim(struct key_cache *);

/* Since the last key_cache_trim() a key was not taken because the system had no memory, not because of a limit. */
bool key_cache_starved(const struct key_cache *);

/* Writes node.name of every key of the tape. False: the cache is full; nothing may be concluded from node.name then. */
MUST_USE bool names_resolve(struct key_cache *, const struct tape *);

/* The entry of a resolved key node. */
struct key_entry *key_cache_get(struct key_cache *, uint16_t slot);

#endif
