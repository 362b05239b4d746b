/* Name sets and key caches.
 *
 * Records of one stream repeat the same few hundred spellings in nearly the same order, so each spelling remembers the
 * one that followed it last time; most keys then cost one comparison. Only when that guess fails is the key hashed.
 *
 * (1) Names and spellings come from outside: each hash table has a random seed of its own.
 * (2) A cache entry and its bytes never move until the cache is trimmed.
 * (3) Every cell of a hash table is reached from its home cell without crossing an empty one; tables are at most half
 *     full.
 * (4) The length of slot 0 is one that no key has; as a guess it never fits.
 *
 * Thread: a name set is const once built; a key cache belongs to one thread. */
#include "parser/kinds_priv.h"
#include "parser/names_priv.h"

#define KEY_CACHE_BYTES ((size_t)16 * 1024 * 1024)   /* of keys between two trims */
#define FIRST_CELLS 1024

/* --- Name set ---------------------------------------------------------------------------------------------------------- */

struct name_set {
    struct slice *texts;      /* by number; [0] is empty */
    uint32_t      count;      /* numbers in use, 0 included */
    uint32_t      capacity;
    name_id      *table;      /* hash table of numbers; 0 is an empty cell */
    uint32_t      mask;
    struct arena  bytes;
    struct hash_seed seed;
};

#define NAME_SET_BYTES ((size_t)64 * 1024 * 1024)
#define NAME_HASHED 128   /* bytes of a name that take part in its hash */

static uint32_t name_hash(const struct name_set *set, struct slice name)
{
    char   lower[NAME_HASHED + HASH_PADDING];
    size_t len = name.len < NAME_HASHED ? name.len : NAME_HASHED;
    for (size_t i = 0; i < len; i++) lower[i] = ascii_lower(name.data[i]);
    memset(lower + len, 0, HASH_PADDING);
    return hash_bytes(set->seed, slice_of(lower, len));
}

static uint32_t name_cell(const struct name_set *set, struct slice name)
{
    uint32_t cell = name_hash(set, name) & set->mask;
    while (set->table[cell] != 0 && !slice_equal_nocase(set->texts[set->table[cell]], name)) cell = (cell + 1) & set->mask;
    return cell;
}

/* Makes room for twice as many names. */
static bool name_set_grow(struct name_set *set)
{
    uint32_t      capacity = set->capacity == 0 ? FIRST_CELLS / 2 : 2 * set->capacity;
    struct slice *texts = realloc(set->texts, capacity * sizeof *texts);
    if (texts == NULL) return false;
    set->texts = texts;
    name_id *table = calloc(2 * (size_t)capacity, sizeof *table);
    if (table == NULL) return false;
    free(set->table);
    set->table = table;
    set->mask = 2 * capacity - 1;
    set->capacity = capacity;
    for (uint32_t id = 1; id < set->count; id++) table[name_cell(set, texts[id])] = (name_id)id;
    return true;
}

struct name_set *name_set_new(void)
{
    static const char *const known[] = {
#define NAME(id, text) [NAME_##id] = text,
#include "parser/kinds.def"
    };
    struct name_set *set = calloc(1, sizeof *set);
    if (set == NULL) return NULL;
    arena_init(&set->bytes, 16 * 1024, NAME_SET_BYTES);
    set->count = 1;
    bool done = hash_seed_draw(&set->seed) && name_set_grow(set);
    for (name_id id = 1; done && id < NAME_COUNT; id++) {
        name_id given = name_set_add(set, slice_from(known[id]));
        CHECK(given == id || given == 0);
        done = given == id;
    }
    if (done) return set;
    name_set_free(set);
    return NULL;
}

void name_set_free(struct name_set *set)
{
    if (set == NULL) return;
    free(set->texts);
    free(set->table);
    arena_release(&set->bytes);
    free(set);
}

name_id name_set_add(struct name_set *set, struct slice name)
{
    name_id known = name_set_find(set, name);
    if (known != 0 || set->count > UINT16_MAX) return known;
    if (set->count == set->capacity && !name_set_grow(set)) return 0;
    char *text = arena_take(&set->bytes, name.len + 1);
    if (text == NULL) return 0;
    for (size_t i = 0; i < name.len; i++) text[i] = ascii_lower(name.data[i]);
    name_id id = (name_id)set->count++;
    set->texts[id] = slice_of(text, name.len);
    set->table[name_cell(set, name)] = id;
    return id;
}

name_id name_set_find(const struct name_set *set, struct slice name) { return set->table[name_cell(set, name)]; }

/* --- Key cache --------------------------------------------------------------------------------------------------------- */

static bool table_resize(struct key_cache *cache, uint32_t cells)
{
    uint32_t *table = calloc(cells, sizeof *table);
    if (table == NULL) {
        cache->starved = true;
        return false;
    }
    free(cache->table);
    cache->table = table;
    cache->mask = cells - 1;
    for (uint32_t slot = 1; slot < cache->count; slot++) {
        uint32_t hash = cache->entries[slot].hash, cell = hash & cache->mask;
        while (table[cell] != 0) cell = (cell + 1) & cache->mask;
        table[cell] = (hash & 0xffff0000u) | slot;
    }
    return true;
}

struct key_cache *key_cache_new(const struct name_set *names, uint32_t (*classify)(const void *context, struct slice key),
                                const void *context)
{
    struct key_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) return NULL;
    *cache = (struct key_cache){.count = 1, .names = names, .classify = classify, .context = context};
    arena_init(&cache->bytes, 64 * 1024, KEY_CACHE_BYTES);
    cache->entries = malloc((KEY_CACHE_SLOTS + 1) * sizeof *cache->entries);
    if (cache->entries == NULL || !hash_seed_draw(&cache->seed) || !table_resize(cache, FIRST_CELLS)) {
        key_cache_free(cache);
        return NULL;
    }
    cache->entries[0] = (struct key_entry){.raw = {NULL, SIZE_MAX}};
    return cache;
}

void key_cache_free(struct key_cache *cache)
{
    if (cache == NULL) return;
    free(cache->entries);
    free(cache->table);
    arena_release(&cache->bytes);
    free(cache);
}

bool key_cache_starved(const struct key_cache *cache) { return cache->starved || cache->bytes.starved; }

void key_cache_trim(struct key_cache *cache)
{
    cache->starved = cache->bytes.starved = false;
    if (cache->count <= KEY_CACHE_SLOTS / 4 && cache->byte_count <= KEY_CACHE_BYTES / 4) return;
    memset(cache->table, 0, ((size_t)cache->mask + 1) * sizeof *cache->table);
    arena_clear(&cache->bytes);
    cache->byte_count = 0;
    cache->count = 1;
    cache->entries[0].likely = 0;
}

/* Fills in what is known of a spelling by its decoded text. */
static bool entry_decode(struct key_cache *cache, struct key_entry *e, bool escaped)
{
    char        *decoded = NULL;
    struct slice text = e->raw;
    if (escaped) {
        decoded = malloc(e->raw.len + PARSER_PADDING);
        if (decoded == NULL) {
            cache->starved = true;
            return false;
        }
        text = slice_of(decoded, string_decode(e->raw, decoded));
    }
    e->name = name_set_find(cache->names, text);
    e->traits = cache->classify == NULL ? 0 : cache->classify(cache->context, text);
    free(decoded);
    return true;
}

/* Enters a new spelling. 0: the cache is full. */
static uint16_t entry_add(struct key_cache *cache, struct slice raw, uint32_t hash, bool escaped)
{
    if (cache->count > KEY_CACHE_SLOTS) return 0;
    if (2 * cache->count > cache->mask && !table_resize(cache, 2 * (cache->mask + 1))) return 0;
    char *bytes = arena_take(&cache->bytes, raw.len + PARSER_PADDING);
    if (bytes == NULL) return 0;
    memcpy(bytes, raw.data, raw.len);
    memset(bytes + raw.len, 0, PARSER_PADDING);
    struct key_entry *e = &cache->entries[cache->count];
    *e = (struct key_entry){.raw = slice_of(bytes, raw.len), .hash = hash};
    if (!entry_decode(cache, e, escaped)) return 0;
    cache->byte_count += raw.len + PARSER_PADDING;
    uint32_t cell = hash & cache->mask;
    while (cache->table[cell] != 0) cell = (cell + 1) & cache->mask;
    cache->table[cell] = (hash & 0xffff0000u) | cache->count;
    return (uint16_t)cache->count++;
}

static uint16_t entry_find(struct key_cache *cache, struct slice raw, bool escaped)
{
    uint32_t hash = hash_bytes(cache->seed, raw);
    for (uint32_t cell = hash & cache->mask; cache->table[cell] != 0; cell = (cell + 1) & cache->mask) {
        uint32_t found = cache->table[cell];
        if ((found ^ hash) >> 16 != 0) continue;
        const struct key_entry *e = &cache->entries[found & 0xffff];
        if (e->raw.len == raw.len && hash_same_bytes(e->raw.data, raw.data, raw.len)) return (uint16_t)found;
    }
    return entry_add(cache, raw, hash, escaped);
}

bool names_resolve(struct key_cache *cache, const struct tape *tape)
{
    struct key_entry *entries = cache->entries, *previous = &entries[0];
    const char       *text = tape->text.data;
    for (struct node *node = tape->nodes, *end = node + tape->count; node < end; node++) {
        if (node->type != NODE_KEY) continue;
        size_t   len = node->end - node->start;
        uint16_t slot = previous->likely;
        if (entries[slot].raw.len != len || !hash_same_bytes(entries[slot].raw.data, text + node->start, len)) {
            slot = entry_find(cache, slice_of(text + node->start, len), (node->facts & FACT_ESCAPE) != 0);
            if (slot == 0) return false;
            previous->likely = slot;
        }
        node->name = slot;
        previous = &entries[slot];
    }
    return true;
}

struct key_entry *key_cache_get(struct key_cache *cache, uint16_t slot)
{
    CHECK_SLOW(slot != 0 && slot < cache->count);
    return &cache->entries[slot];
}
