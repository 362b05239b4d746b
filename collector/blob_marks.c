/* Open addressing, at most half full. Keys are keyed hashes already, so their first bytes are where to look. */
#include "blob_marks.h"

#include <stdlib.h>

#define FIRST_ENTRIES 256

enum { KEY_OF_BLOB = 'b', KEY_OF_HORIZON = 'h' };

static size_t slot_of(const struct blob_marks *t, const uint8_t *key)
{
    uint64_t hash;
    memcpy(&hash, key, sizeof hash);
    size_t slot = (size_t)hash & (t->slot_count - 1);
    while (t->slots[slot] != 0 && memcmp(t->items[t->slots[slot] - 1].key, key, BLOB_HASH_BYTES) != 0)
        slot = (slot + 1) & (t->slot_count - 1);
    return slot;
}

static void fill_slots(struct blob_marks *t)
{
    memset(t->slots, 0, t->slot_count * sizeof *t->slots);
    for (size_t i = 0; i < t->count; i++) t->slots[slot_of(t, t->items[i].key)] = (uint32_t)i + 1;
}

static void grow(struct blob_marks *t)
{
    CHECK(t->capacity < UINT32_MAX / 4);
    t->capacity = t->capacity > 0 ? t->capacity + t->capacity / 2 : FIRST_ENTRIES;
    t->items = reallocarray(t->items, t->capacity, sizeof *t->items);
    CHECK(t->items != NULL);
    if (t->slot_count >= 2 * t->capacity) return;
    while (t->slot_count < 2 * t->capacity) t->slot_count = t->slot_count > 0 ? 2 * t->slot_count : FIRST_ENTRIES;
    free(t->slots);
    t->slots = calloc(t->slot_count, sizeof *t->slots);
    CHECK(t->slots != NULL);
    fill_slots(t);
}

void blob_marks_release(struct blob_marks *t)
{
    free(t->items);
    free(t->slots);
    *t = (struct blob_marks){0};
}

size_t blob_marks_find(const struct blob_marks *t, const uint8_t key[BLOB_HASH_BYTES])
{
    uint32_t found = t->slot_count > 0 ? t->slots[slot_of(t, key)] : 0;
    return found > 0 ? found - 1 : BLOB_UNKNOWN;
}

size_t blob_marks_add(struct blob_marks *t, const uint8_t key[BLOB_HASH_BYTES])
{
    if (t->count == t->capacity) grow(t);
    struct blob_entry *e = &t->items[t->count];
    *e = (struct blob_entry){.mark = {.version = BLOB_MARK_VERSION, .place = {.line = 1}}, .place = BLOB_PLACE_UNKNOWN};
    memcpy(e->key, key, sizeof e->key);
    size_t slot = slot_of(t, key);
    CHECK(t->slots[slot] == 0);
    t->slots[slot] = (uint32_t)++t->count;
    return t->count - 1;
}

/* Whoever had to step aside for the slot that is freed is put in again. */
void blob_marks_drop_last(struct blob_marks *t)
{
    CHECK(t->count > 0);
    size_t slot = slot_of(t, t->items[t->count - 1].key);
    t->slots[slot] = 0;
    t->count--;
    for (slot = (slot + 1) & (t->slot_count - 1); t->slots[slot] != 0; slot = (slot + 1) & (t->slot_count - 1)) {
        uint32_t moved = t->slots[slot];
        t->slots[slot] = 0;
        t->slots[slot_of(t, t->items[moved - 1].key)] = moved;
    }
}

void blob_marks_sweep(struct blob_marks *t, bool (*forget)(void *context, const struct blob_entry *), void *context)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++)
        if (!forget(context, &t->items[i])) t->items[kept++] = t->items[i];
    if (kept == t->count) return;
    t->count = kept;
    fill_slots(t);
}

/* FNV-1a (Fowler, Noll, Vo): two versions of one blob are all that is told apart. */
uint64_t blob_etag_hash(const char *etag)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = etag; *c != '\0'; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return hash != 0 ? hash : 1;
}

/* --- Positions ---------------------------------------------------------------------------------------------------------- */

static void write_key(char kind, const uint8_t *key, struct position *p)
{
    p->key[0] = kind;
    memcpy(p->key + 1, key, BLOB_HASH_BYTES);
    p->key_len = 1 + BLOB_HASH_BYTES;
    p->value_len = 0;
}

static bool read_key(const struct position *p, char kind, uint8_t *key)
{
    if (p->key_len != 1 + BLOB_HASH_BYTES || p->key[0] != kind) return false;
    memcpy(key, p->key + 1, BLOB_HASH_BYTES);
    return true;
}

void blob_mark_write(const struct blob_entry *e, bool forget, struct position *p)
{
    _Static_assert(sizeof e->mark <= POSITION_VALUE_MAX, "a mark is the value of a position");
    write_key(KEY_OF_BLOB, e->key, p);
    if (forget) return;
    p->value_len = sizeof e->mark;
    memcpy(p->value, &e->mark, sizeof e->mark);
}

bool blob_mark_read(const struct position *p, uint8_t key[BLOB_HASH_BYTES], struct blob_mark *mark)
{
    if (!read_key(p, KEY_OF_BLOB, key) || p->value_len != sizeof *mark) return false;
    memcpy(mark, p->value, sizeof *mark);
    return mark->version == BLOB_MARK_VERSION && mark->sample_len <= BLOB_SAMPLE_BYTES;
}

void blob_horizon_write(const uint8_t key[BLOB_HASH_BYTES], uint32_t second, struct position *p)
{
    write_key(KEY_OF_HORIZON, key, p);
    p->value_len = sizeof second;
    memcpy(p->value, &second, sizeof second);
}

bool blob_horizon_read(const struct position *p, uint8_t key[BLOB_HASH_BYTES], uint32_t *second)
{
    if (!read_key(p, KEY_OF_HORIZON, key) || p->value_len != sizeof *second) return false;
    memcpy(second, p->value, sizeof *second);
    return true;
}
