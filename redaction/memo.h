/* Remembers texts that were examined in full and hold nothing to remove. Telemetry repeats itself: resource ids, user
 * agents, operation names need not be scanned again.
 *
 * A text is known by a 128-bit hash under keys drawn at random when the memo is made, never by less; so nobody who writes
 * telemetry can make a secret pass for a known text, and chance will not. The memo has a fixed size; a newer text takes
 * the place of an older one.
 * Thread: one owner. */
#ifndef LETHE_REDACTION_MEMO_H
#define LETHE_REDACTION_MEMO_H

#include "base/check.h"
#include "base/slice.h"

#define MEMO_SLOTS 2048

struct memo_key {
    uint64_t a, b;
};

struct memo {
    uint64_t        seeds[4];
    struct memo_key slots[MEMO_SLOTS];
};

/* NULL: no memory or no randomness. */
MUST_USE struct memo *memo_new(void);
void memo_free(struct memo *);

struct memo_key memo_key(const struct memo *, struct slice text);
bool memo_has(const struct memo *, struct memo_key);
void memo_add(struct memo *, struct memo_key);

#endif
