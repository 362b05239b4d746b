/* The compiled policy: everything that redaction needs to know and that does not change while it works. Built by
 * plan_new(), const from then on, shared by all threads. */
#ifndef LETHE_REDACTION_PLAN_H
#define LETHE_REDACTION_PLAN_H

#include "redaction/places.h"
#include "redaction/redaction.h"
#include "redaction/rules.h"
#include "redaction/sensitive.h"

/* Engine rules follow the catalogue's in the numbering of plan_rule(). */
enum engine_rule {
#define ENGINE_RULE(id, name, title, class_) ENGINE_##id,
#include "redaction/engine_rules.def"
    ENGINE_RULE_COUNT
};

/* Patterns of the engine's own text scanner, found in the same pass as the catalogue. */
enum text_pattern {
#define TEXT_PATTERN(id, class_, caseless, example, tail, pattern) TEXT_##id,
#include "redaction/text_patterns.def"
    TEXT_PATTERN_COUNT
};

/* What is known of a key from its spelling alone; bits of key_entry.traits. The low 16 bits are the column of the place
 * automaton. */
enum trait {
    TRAIT_COLUMN = 0xffff,
    TRAIT_WEAK = 1 << 16,
    TRAIT_STRONG = 1 << 17,
    TRAIT_ENVIRONMENT = 1 << 18,    /* names a set of environment variables: `environmentVariables`, `env` */
    TRAIT_HARMLESS = 1 << 19,       /* as a variable: its value is kept */
    TRAIT_PAIR_NAME = 1 << 20,      /* `name` or `key` of a {name, value} pair */
    TRAIT_PAIR_VALUE = 1 << 21,     /* `value` of one */
    TRAIT_RUN_VARIABLE = 1 << 22,   /* as a variable: holds a run id */
    TRAIT_IDENTITY = 1 << 24,       /* names a person or caller */
    TRAIT_VARIABLES = 1 << 25,      /* with TRAIT_ENVIRONMENT: the name leaves no doubt (`environmentVariables`) */
    TRAIT_TOKEN = 1 << 26,          /* with TRAIT_WEAK: name_is_token() */
    TRAIT_LISTING = 1 << 23,        /* holds secrets under names of their own: `secrets`, `passwords`, `credentials` */
};

/* What became of the classes under the policy, and where they are found. */
struct policy {
    char             name[64];
    enum rule_action actions[RULE_CLASS_COUNT];
    bool             whole_environment;      /* one marker in place of the whole map or array */
    struct places   *places;
    struct name_list { char **names; size_t count; } harmless, secret_names, plain_names, disabled_rules, allowed;
    struct listed_place { char *path; struct place place; } *listed;   /* what `places` was made of */
    size_t           listed_count;
};

struct plan {
    struct policy         policy;
    struct name_set      *names;
    struct rules         *rules;
    enum text_pattern     text_patterns[TEXT_PATTERN_COUNT];   /* those that take part, as numbered behind the catalogue */
    const struct keyring *keyring;
    size_t                rule_count;        /* catalogue and engine */
    uint32_t              key_rule;          /* the catalogue's `private-key`, for the lines of one */
    char                (*masks)[80];        /* "[redacted:ID]" by rule number */
    uint8_t              *mask_lens;
};

/* --- Policy files (policy.c) ------------------------------------------------------------------------------------------- */

MUST_USE bool policy_load(struct policy *, struct name_set *, const char *name_or_path, struct error *);
void policy_release(struct policy *);

/* Adds a path to the places of a policy, before they are compiled. What is kept need not be found: nothing is added then. */
MUST_USE bool policy_add_place(struct policy *, struct name_set *, struct slice path, struct place, struct error *);

bool name_list_has(const struct name_list *, struct slice name);   /* without case */
bool name_list_holds(const struct name_list *, struct slice text);  /* exactly */

/* --- Policies compared (policy_compare.c) --------------------------------------------------------------------------------- */

/* Whether `a` removes everything that `b` removes. How it is removed, by pseudonym, mask or without a trace, does not matter.
 * False also when that cannot be told from the two alone, as for two paths of which one takes in the other. */
bool policy_covers(const struct policy *a, const struct policy *b);

/* A policy that covers all of them: of every class the strictest action, what any of them names as secret, what all of them let
 * pass. */
MUST_USE bool policy_unite(struct policy *, struct name_set *, const struct policy *const *, size_t count, struct error *);

/* The plan of such a policy. All have the same keyring. */
MUST_USE struct plan *plan_unite(const struct plan *const *, size_t count, struct error *);

/* --- Rules by number ---------------------------------------------------------------------------------------------------- */

static inline uint32_t plan_engine_rule(const struct plan *p, enum engine_rule rule)
{
    return (uint32_t)(rules_count(p->rules) + rule);
}

static inline struct slice plan_mask(const struct plan *p, uint32_t rule)
{
    return slice_of(p->masks[rule], p->mask_lens[rule]);
}

/* If text begins with a marker that lethe writes, its length; else 0. */
size_t plan_marker_at_start(const struct plan *, struct slice text);

/* Traits of a decoded key; `context` is the plan (the shape that key_cache_new() wants). */
uint32_t plan_traits(const void *context, struct slice key);

const char *action_text(enum rule_action);
const char *class_text(enum rule_class);

#endif
