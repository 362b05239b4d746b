/* What the files of the catalogue share: the compiled rule and the set of them. */
#ifndef LETHE_REDACTION_RULES_PRIV_H
#define LETHE_REDACTION_RULES_PRIV_H

#include "base/arena.h"
#include "redaction/databases.h"
#include "redaction/finders.h"
#include "redaction/rules.h"
#include "redaction/verify.h"

#define RULES_MAX          1000
#define RULE_MAX_VERIFIERS 6
#define RULE_MAX_EXAMPLES  16
#define RULE_KEEP_ALL      UINT32_MAX

/* A set of bytes. */
struct charset {
    uint8_t bits[32];
};

static inline bool charset_has(const struct charset *set, char c)
{
    return set->bits[(unsigned char)c >> 3] >> ((unsigned char)c & 7) & 1;
}

static inline void charset_add(struct charset *set, unsigned char c) { set->bits[c >> 3] |= (uint8_t)(1u << (c & 7)); }

struct check {
    const struct verifier *verifier;
    double                 argument;
};

struct rule {
    struct rule_view     view;
    const char          *pattern;         /* NULL: found by the finder */
    const struct finder *finder;
    bool                 enabled, caseless, boundary_left, boundary_right, extends, has_until;
    uint32_t             width, keep;     /* of the match; keep may be RULE_KEEP_ALL */
    uint32_t             gap_min, gap_max, before_count, extend_max, length_min, length_max;
    struct charset       gap, before, extend, until;
    struct check         checks[RULE_MAX_VERIFIERS];
    size_t               check_count;
    struct slice         match[RULE_MAX_EXAMPLES], nomatch[RULE_MAX_EXAMPLES];   /* with their brackets */
    size_t               match_count, nomatch_count;
};

struct rules {
    struct arena   arena;
    struct rule   *all;
    size_t         count;
    struct pattern_set compiled; /* the patterns that take part, by number */
    hs_database_t *database;     /* of them; NULL: none takes part */
    pattern_tail  *tails[EXTRA_PATTERNS_MAX];   /* of the extra patterns */
    uint32_t       by_finder[FINDER_MAX];   /* number + 1 of the enabled rule that uses the finder; 0: none */
};

/* One YAML text of the catalogue. */
struct rule_source {
    const char          *name;
    const unsigned char *data;
    size_t               len;
};

/* Ended by a NULL name. Made by the build from the files of redaction/rules. */
extern const struct rule_source rule_sources[];

typedef bool rule_enabled_function(const void *context, const char *id, enum rule_class);

/* As rules_load(), from other sources. */
MUST_USE struct rules *rules_load_sources(const struct rule_source *, rule_enabled_function *enabled, const void *context,
                                          const struct extra_pattern *, size_t extra_count, struct error *);

/* Whether a pattern holds three literal characters in a row, whichever of its alternatives matches. */
bool pattern_has_literal(const char *pattern);

/* Whether the matcher finds an example of every rule and extra pattern wherever it stands. */
MUST_USE bool rules_check_matcher(const struct rules *, const struct extra_pattern *, size_t extra_count, struct error *);

/* Removes the brackets of a match example: the plain text and where the secret stands. False: not exactly one pair. */
bool example_parse(struct slice example, char *text, size_t *len, uint32_t *from, uint32_t *to);

#endif
