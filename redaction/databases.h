/* Sets of patterns, compiled for Vectorscan.
 *
 * Compiling the catalogue takes a quarter of a second, ten times as long as everything else at a start. So the sets that the
 * built-in policies ask for are compiled by the build (databases_build.c) and stand in the program. One of those is used if it
 * was made of the very same patterns, by the very same version of Vectorscan, for a CPU that can do no more than this one;
 * whatever else is asked for is compiled on the spot. */
#ifndef LETHE_REDACTION_DATABASES_H
#define LETHE_REDACTION_DATABASES_H

#include "base/error.h"
#include "base/slice.h"

#include <hs.h>

struct pattern_set {
    const char **patterns;
    unsigned    *flags, *numbers;   /* HS_FLAG_..., what a match is reported as */
    unsigned     count;
};

#define PATTERN_SET_DIGEST 32

/* The SHA-256 of patterns, flags and numbers; false if OpenSSL has no memory. */
MUST_USE bool pattern_set_digest(const struct pattern_set *, uint8_t digest[PATTERN_SET_DIGEST]);

/* One set, compiled for one kind of CPU, as it stands in the program: this header, then `len` bytes of hs_serialize_database(),
 * then zeros up to the next multiple of 8. A header of zeros ends them. */
struct built_database {
    uint8_t  digest[PATTERN_SET_DIGEST];
    uint64_t len;
};

extern const uint8_t built_databases[];

static inline const uint8_t *built_database_behind(const uint8_t *at, const struct built_database *header)
{
    return at + sizeof *header + (header->len + 7) / 8 * 8;
}

/* A database of the set, to be freed with hs_free_database(). NULL: *fault says why, or memory ran out and it is NULL. */
hs_database_t *database_of(const struct pattern_set *, hs_compile_error_t **fault);

#endif
