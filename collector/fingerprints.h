/* A set of fingerprints, for counting how many different values were found.
 *
 * (1) It holds at most FINGERPRINTS_MAX; what comes then, or when memory is out, is not counted and `incomplete` says so.
 * Thread: its owner's. */
#ifndef LETHE_COLLECTOR_FINGERPRINTS_H
#define LETHE_COLLECTOR_FINGERPRINTS_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>

#define FINGERPRINT_LENGTH 16
#define FINGERPRINTS_MAX (1u << 20)

struct fingerprint_set {
    char (*slots)[FINGERPRINT_LENGTH];   /* an empty one begins with NUL */
    size_t count, capacity;              /* a power of 2, at most half full */
    bool   incomplete;
};

void fingerprints_add(struct fingerprint_set *, const char fingerprint[FINGERPRINT_LENGTH]);
void fingerprints_add_all(struct fingerprint_set *, const struct fingerprint_set *other);
void fingerprints_release(struct fingerprint_set *);

#endif
