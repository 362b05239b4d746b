#include "fingerprints.h"

#include <stdint.h>
#include <string.h>

#define FIRST_CAPACITY 256

/* Fingerprints are the output of a keyed hash, so their first bytes are as good as random. */
static size_t home_of(const struct fingerprint_set *s, const char *fingerprint)
{
    uint64_t head;
    memcpy(&head, fingerprint, sizeof head);
    return (size_t)((head * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (s->capacity - 1);
}

static char *find_slot(const struct fingerprint_set *s, const char *fingerprint)
{
    size_t at = home_of(s, fingerprint);
    while (s->slots[at][0] != '\0' && memcmp(s->slots[at], fingerprint, FINGERPRINT_LENGTH) != 0)
        at = (at + 1) & (s->capacity - 1);
    return s->slots[at];
}

static bool grow(struct fingerprint_set *s)
{
    struct fingerprint_set grown = {.capacity = s->capacity ? 2 * s->capacity : FIRST_CAPACITY, .count = s->count};
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL) return false;
    for (size_t i = 0; i < s->capacity; i++)
        if (s->slots[i][0] != '\0') memcpy(find_slot(&grown, s->slots[i]), s->slots[i], FINGERPRINT_LENGTH);
    free(s->slots);
    grown.incomplete = s->incomplete;
    *s = grown;
    return true;
}

void fingerprints_add(struct fingerprint_set *s, const char fingerprint[FINGERPRINT_LENGTH])
{
    if (s->capacity > 0 && find_slot(s, fingerprint)[0] != '\0') return;
    if (s->count == FINGERPRINTS_MAX || (2 * (s->count + 1) > s->capacity && !grow(s))) {
        s->incomplete = true;
        return;
    }
    memcpy(find_slot(s, fingerprint), fingerprint, FINGERPRINT_LENGTH);
    s->count++;
}

void fingerprints_add_all(struct fingerprint_set *s, const struct fingerprint_set *other)
{
    for (size_t i = 0; i < other->capacity; i++)
        if (other->slots[i][0] != '\0') fingerprints_add(s, other->slots[i]);
    s->incomplete |= other->incomplete;
}

void fingerprints_release(struct fingerprint_set *s)
{
    free(s->slots);
    *s = (struct fingerprint_set){0};
}
