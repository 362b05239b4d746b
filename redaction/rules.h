/* The rule catalogue: credential formats that are recognised by their shape.
 *
 * Rules are data, redaction/rules/<group>.yaml, compiled into the binary and read at start. The automaton (Vectorscan) only says
 * "a match of rule R ends here"; where the secret begins and ends is computed and verified in C from the rule's
 * description, so that patterns stay `literal + fixed tail` and cost nothing on clean text.
 *
 * One rule, as written:
 *
 *   - id: azure-storage-key                  # lower case, dashes; appears in the mask
 *     title: Azure Storage account key
 *     class: secret                          # a name of rule_classes.def
 *     pattern: '\+ASt[A-Za-z0-9+/]{5}[AQgw]=='   # Vectorscan syntax; every alternative of one fixed width
 *     caseless: false
 *     keep: 0                                # so many bytes at the start of the match are context and stay; `all`: all
 *     gap: {class: '[ ":=]', min: 0, max: 4} # with keep: all: so many such characters may (must) follow and stay, too
 *     before: {class: base64, count: 76}     # the secret begins this many such characters before the match (with keep: 0)
 *     extend: {class: base64url, max: 200}   # the secret goes on after the match while such characters follow
 *     until: "\"'"                           # or: up to one of these characters (exclusive) or the end of the text
 *     length: [88, 88]                       # bytes of the whole secret accepted
 *     boundary: both                         # none | left | right | both: no letter or digit may touch the secret
 *     verify: [entropy 3.0, not-placeholder] # verifiers of verify.h by name, with their argument
 *     action: mask                           # keep | truncate | pseudonym | mask | drop; else what suits the class
 *     confidence: high                       # high: the shape alone proves it; medium: the context does
 *     references: ["https://..."]            # public description of the format
 *     match:   ['...⟦secret⟧...']            # texts in which the rule must find exactly the part between the brackets
 *     nomatch: ['...']                       # texts in which it must find nothing
 *
 * Only id, title, class, references, match, nomatch and one of pattern and find are required. A class of characters is
 * written as a bracket expression or by one of the names in rules_load.c. With `keep: all` the alternatives of the
 * pattern may differ in width. Unknown keys, a pattern without a usable literal and one that matches the empty string are
 * errors with file and line; the examples are run by the tests.
 *
 * `find: card-number` instead of a pattern names a finder of finders.c, for formats without a literal: those that are
 * found at a run of digits (rules_digits) and those that are found at a separator (rules_next).
 *
 * Thread: a struct rules is const after rules_load() and shared; scratch is one per thread. */
#ifndef LETHE_REDACTION_RULES_H
#define LETHE_REDACTION_RULES_H

#include "base/error.h"
#include "base/slice.h"
#include "redaction/tails.h"

enum rule_class {
#define RULE_CLASS(id, text) RULE_CLASS_##id,
#include "redaction/rule_classes.def"
    RULE_CLASS_COUNT
};

enum rule_action { ACTION_KEEP, ACTION_TRUNCATE, ACTION_PSEUDONYM, ACTION_MASK, ACTION_DROP };   /* in order of strictness */

struct rule;   /* one rule, compiled; see rules_priv.h */

struct rule_view {
    const char      *id, *title, *file;
    int              line;
    enum rule_class  class_;
    enum rule_action action;
    bool             high_confidence;
    struct slice     example;           /* the first `match` text without its brackets */
    const char      *reference;         /* the first of them */
};

struct rules;

/* A pattern that somebody else (the engine's own text scanner) wants to be found in the same pass. */
struct extra_pattern {
    const char *pattern;
    bool        caseless;
    const char *example;    /* a text that ends with a match, for the check of the matcher; NULL: not checked */
    pattern_tail *tail;     /* reads what follows; the pattern ends with its first byte. NULL: nothing does */
};

#define EXTRA_PATTERNS_MAX 32

/* Reads the catalogue that is built in. `enabled` says which rules take part (NULL: all). Extra patterns are reported
 * with numbers from rules_count() on. Fails if the matcher of this machine loses matches: see rules_matcher.c. */
MUST_USE struct rules *rules_load(bool (*enabled)(const void *context, const char *id, enum rule_class), const void *context,
                                  const struct extra_pattern *extra, size_t extra_count, struct error *);
void rules_free(struct rules *);

size_t           rules_count(const struct rules *);              /* all of the catalogue, enabled or not */
struct rule_view rules_get(const struct rules *, size_t number);

/* Runs the examples of all rules that take part. The error names file, line, rule and example. */
MUST_USE bool rules_check_examples(const struct rules *, struct error *);

/* --- Scanning --------------------------------------------------------------------------------------------------------- */

struct rules_scratch;   /* one per thread */

MUST_USE struct rules_scratch *rules_scratch_new(const struct rules *);
void rules_scratch_free(struct rules_scratch *);

struct rule_hit {
    uint32_t number;   /* rule, or rules_count() + extra pattern */
    uint32_t end;      /* offset one past the last byte of the match */
};

/* Scans text once and gives all hits, ordered by end. The array belongs to the scratch and is valid until the next
 * scan. False: memory ran out, nothing may be concluded. text.len below 4 GiB. */
MUST_USE bool rules_scan(const struct rules *, struct rules_scratch *, struct slice text,
                         const struct rule_hit **hits, size_t *count);

/* Finds what a hit of a catalogue rule means: computes the span of the secret in `text` (the one value in which the
 * match ends at `end`; nothing outside it is looked at), checks length, boundary and verifiers. False: it is none.
 * A caller skips hits that end inside a span already found: what a rule with a long reach would find again there is the
 * tail of the same secret, and asking for each would cost quadratic time on hostile input. */
bool rule_span(const struct rules *, uint32_t number, struct slice text, uint32_t end, uint32_t *from, uint32_t *to);

/* --- Formats without a literal --------------------------------------------------------------------------------------- */

/* Finds the first card number or national id in the run of digits, blanks, dashes and plus signs that goes on at `at`.
 * After a hit, ask again from its end. */
bool rules_digits(const struct rules *, struct slice text, uint32_t at, uint32_t *number, uint32_t *from, uint32_t *to);

/* Where rules_next() stands in a text. Begin with {0}. */
struct rules_cursor {
    uint32_t underscore, sign, run;
};

/* Finds what is known by a separator or by its alphabet: friendly run names and run names with a time at '_', mail
 * addresses and passwords in URLs at '@', Azure DevOps tokens of 52 characters. False: there is no other. Hits come in no
 * particular order and may overlap. One walk over a text costs time linear in its length. */
bool rules_next(const struct rules *, struct slice text, struct rules_cursor *, uint32_t *number, uint32_t *from,
                uint32_t *to);

#endif
