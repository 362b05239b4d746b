/* Runs of bytes of one class, at vector speed: twenty letters of base64 in a row, eleven digits and dashes.
 *
 * A class is any set of ASCII bytes, looked up by two shuffles of nibbles (Mula, Lemire: "Faster Base64 Encoding and
 * Decoding using AVX2 Instructions", 2018). Where a run is long enough is found by shifting the mask of 64 bytes over
 * itself. The kernel is chosen once, as for the index. */
#ifndef LETHE_PARSER_RUNS_H
#define LETHE_PARSER_RUNS_H

#include "base/slice.h"

#define RUN_MAX_MIN 64   /* greatest `min` */

/* bit h of low[l] is set if byte h << 4 | l is a member; high[h] is 1 << h for ASCII, 0 above. */
struct byte_class {
    _Alignas(16) uint8_t low[16];
    _Alignas(16) uint8_t high[16];
};

#define BYTE_CLASS_HIGH {1, 2, 4, 8, 16, 32, 64, 128}

/* "A-Za-z0-9+/_-" and "0-9 +-", worked out; a test does that again. */
#define BYTE_CLASS_BASE64 \
    {{168, 248, 248, 248, 248, 248, 248, 248, 248, 248, 240, 84, 80, 84, 80, 116}, BYTE_CLASS_HIGH}
#define BYTE_CLASS_DIGITS {{12, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0, 4, 0, 4, 0, 0}, BYTE_CLASS_HIGH}

static inline bool byte_class_has(const struct byte_class *c, char byte)
{
    return (c->low[byte & 15] & c->high[(uint8_t)byte >> 4]) != 0;
}

/* Finds the first run of at least `min` members (1..RUN_MAX_MIN) that ends after `*from`: sets *from to its first byte at
 * or after the old *from and *to to one past its last. False: there is none. */
bool run_next(const struct byte_class *, struct slice text, size_t min, size_t *from, size_t *to);

#endif
