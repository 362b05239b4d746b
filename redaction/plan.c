#include "redaction/plan.h"

#include <stdlib.h>

static const struct {
    const char     *id, *title;
    enum rule_class class_;
} engine_rules[] = {
#define ENGINE_RULE(id, name, title, class_) {name, title, RULE_CLASS_##class_},
#include "redaction/engine_rules.def"
};

static const struct {
    enum rule_class      class_;
    struct extra_pattern pattern;
} text_patterns[] = {
#define TEXT_PATTERN(id, class_, caseless, example, tail, pattern) {RULE_CLASS_##class_, {pattern, caseless, example, tail}},
#include "redaction/text_patterns.def"
};

/* A rule whose class is kept need not be looked for. */
static bool rule_enabled(const void *context, const char *id, enum rule_class class_)
{
    const struct policy *p = context;
    return p->actions[class_] != ACTION_KEEP && !name_list_has(&p->disabled_rules, slice_from(id));
}

static bool load_rules(struct plan *p, struct error *err)
{
    struct extra_pattern extra[TEXT_PATTERN_COUNT];
    size_t count = 0;
    for (int i = 0; i < TEXT_PATTERN_COUNT; i++) {
        if (p->policy.actions[text_patterns[i].class_] == ACTION_KEEP) continue;
        p->text_patterns[count] = (enum text_pattern)i;
        extra[count++] = text_patterns[i].pattern;
    }
    p->rules = rules_load(rule_enabled, &p->policy, extra, count, err);
    return p->rules != NULL;
}

static bool find_key_rule(struct plan *p, struct error *err)
{
    for (p->key_rule = 0; p->key_rule < rules_count(p->rules); p->key_rule++)
        if (strcmp(rules_get(p->rules, p->key_rule).id, "private-key") == 0) return true;
    return error_set(err, ERROR_USAGE, "the catalogue has no rule 'private-key'");
}

/* --- Masks ------------------------------------------------------------------------------------------------------------------ */

static bool make_masks(struct plan *p, struct error *err)
{
    p->rule_count = rules_count(p->rules) + ENGINE_RULE_COUNT;
    p->masks = calloc(p->rule_count, sizeof *p->masks);
    p->mask_lens = calloc(p->rule_count, sizeof *p->mask_lens);
    if (p->masks == NULL || p->mask_lens == NULL) return error_set(err, ERROR_MEMORY, "no memory for the policy");
    for (size_t i = 0; i < p->rule_count; i++)
        p->mask_lens[i] = (uint8_t)snprintf(p->masks[i], sizeof *p->masks, "[redacted:%s]", plan_rule(p, i).id);
    return true;
}

size_t plan_marker_at_start(const struct plan *p, struct slice text)
{
    if (text.len < 12 || memcmp(text.data, "[redacted:", 10) != 0) return 0;
    for (size_t i = 0; i < p->rule_count; i++) {
        struct slice mask = plan_mask(p, (uint32_t)i);
        if (text.len >= mask.len && memcmp(text.data, mask.data, mask.len) == 0) return mask.len;
    }
    return 0;
}

/* --- Traits of keys --------------------------------------------------------------------------------------------------- */

/* The letters and digits of a key, in lower case. */
struct joined {
    char   text[40];
    size_t len;      /* 0: none, or more than any name has */
};

static struct joined join(struct slice key)
{
    struct joined j = {.len = 0};
    for (size_t i = 0; i < key.len; i++) {
        if (!ascii_is_alnum(key.data[i])) continue;
        if (j.len == sizeof j.text) return (struct joined){.len = 0};
        j.text[j.len++] = ascii_lower(key.data[i]);
    }
    return j;
}

static bool joined_equals_any(const struct joined *j, const char *const *names)
{
    for (; j->len > 0 && *names != NULL; names++)
        if (**names == j->text[0] && slice_equal(slice_of(j->text, j->len), slice_from(*names))) return true;
    return false;
}

static const char *const environment_names[] = {
    "environmentvariables", "env", "envs", "environ", "environment", "envvars", "environmentvars", "appsettings",
    "osenviron", "processenv", "containerenv", "enviromentvariables", NULL,
};
static const char *const plain_environment_names[] = {"env", "envs", "environ", "environment", NULL};
static const char *const listing_names[] = {
    "secrets", "passwords", "credentials", "secretvalues", "keys", "listkeys", "accesskeys", "notebookaccesskeys", NULL,
};
static const char *const run_variables[] = {
    "azuremlrunid", "azuremlrootrunid", "azuremlparentrunid", "azuremlexperimentid", "azuremlexperimentname", "mlflowrunid",
    "mlflowexperimentname", "mlflowexperimentid", NULL,
};
static const char *const pair_names[] = {"name", "key", "variable", NULL};
static const char *const pair_values[] = {"value", "stringvalue", NULL};   /* the second: OpenTelemetry's AnyValue */

#define MAX_MARKED_KEY 512

/* The key without lethe's own markers, which say nothing of the value: "[redacted:github-token]". */
static struct slice without_markers(const struct plan *p, struct slice key, char *out)
{
    size_t len = 0;
    if (key.len > MAX_MARKED_KEY || memmem(key.data, key.len, "[redacted:", 10) == NULL) return key;
    for (size_t i = 0; i < key.len;) {
        size_t marker = plan_marker_at_start(p, slice_sub(key, i, key.len));
        if (marker == 0) out[len++] = key.data[i++];
        i += marker;
    }
    return slice_of(out, len);
}

uint32_t plan_traits(const void *context, struct slice key)
{
    const struct plan *p = context;
    char unmarked[MAX_MARKED_KEY];
    key = without_markers(p, key, unmarked);
    uint32_t traits = places_column(p->policy.places, name_set_find(p->names, key));
    enum sensitivity s = name_sensitivity(key);
    if (name_list_has(&p->policy.secret_names, key)) s = NAME_STRONG;
    if (name_list_has(&p->policy.plain_names, key)) s = NAME_PLAIN;
    if (s == NAME_STRONG) traits |= TRAIT_STRONG;
    if (s == NAME_WEAK) traits |= TRAIT_WEAK | (name_is_token(key) ? TRAIT_TOKEN : 0);
    const struct joined joined = join(key);
    if (joined_equals_any(&joined, environment_names))
        traits |= TRAIT_ENVIRONMENT | (joined_equals_any(&joined, plain_environment_names) ? 0 : TRAIT_VARIABLES);
    bool authorization = joined_equals_any(&joined, (const char *const[]){"authorization", "authorizationd", NULL});
    if (joined_equals_any(&joined, listing_names) || (s == NAME_STRONG && !authorization)) traits |= TRAIT_LISTING;
    if (joined_equals_any(&joined, run_variables)) traits |= TRAIT_RUN_VARIABLE;
    if (joined_equals_any(&joined, pair_names)) traits |= TRAIT_PAIR_NAME;
    if (joined_equals_any(&joined, pair_values)) traits |= TRAIT_PAIR_VALUE;
    if (p->policy.actions[RULE_CLASS_IDENTITY] != ACTION_KEEP && name_is_identity(key)) traits |= TRAIT_IDENTITY;
    if (name_list_has(&p->policy.harmless, key)) traits |= TRAIT_HARMLESS;
    return traits;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

static bool check_disabled(const struct plan *p, struct error *err)
{
    for (size_t i = 0; i < p->policy.disabled_rules.count; i++) {
        const char *id = p->policy.disabled_rules.names[i];
        bool found = false;
        for (size_t r = 0; r < rules_count(p->rules) && !found; r++) found = strcmp(plan_rule(p, r).id, id) == 0;
        if (!found) return error_set(err, ERROR_USAGE, "policy %s: there is no rule '%s' to disable", p->policy.name, id);
    }
    return true;
}

static struct plan *plan_empty(const struct keyring *keyring, struct error *err)
{
    struct plan *p = calloc(1, sizeof *p);
    if (p != NULL && (p->names = name_set_new()) != NULL) {
        p->keyring = keyring;
        return p;
    }
    error_set(err, ERROR_MEMORY, "no memory for the policy");
    plan_free(p);
    return NULL;
}

static bool compile(struct plan *p, struct error *err)
{
    return load_rules(p, err) && find_key_rule(p, err) && make_masks(p, err) && check_disabled(p, err);
}

struct plan *plan_new(const char *policy, const struct keyring *keyring, struct error *err)
{
    struct plan *p = plan_empty(keyring, err);
    if (p != NULL && policy_load(&p->policy, p->names, policy, err) && compile(p, err)) return p;
    plan_free(p);
    return NULL;
}

struct plan *plan_unite(const struct plan *const *plans, size_t count, struct error *err)
{
    const struct policy *policies[PLAN_SET_MAX_PLANS];
    CHECK(count > 0 && count <= PLAN_SET_MAX_PLANS);
    for (size_t i = 0; i < count; i++) policies[i] = &plans[i]->policy;
    struct plan *p = plan_empty(plans[0]->keyring, err);
    if (p != NULL && policy_unite(&p->policy, p->names, policies, count, err) && compile(p, err)) return p;
    plan_free(p);
    return NULL;
}

bool plan_check_examples(const struct plan *p, struct error *err) { return rules_check_examples(p->rules, err); }

void plan_free(struct plan *p)
{
    if (p == NULL) return;
    policy_release(&p->policy);
    rules_free(p->rules);
    name_set_free(p->names);
    free(p->masks);
    free(p->mask_lens);
    free(p);
}

/* --- Description ------------------------------------------------------------------------------------------------------ */

size_t plan_rule_count(const struct plan *p) { return p->rule_count; }

struct rule_info plan_rule(const struct plan *p, size_t number)
{
    size_t catalogue = rules_count(p->rules);
    if (number < catalogue) {
        struct rule_view v = rules_get(p->rules, number);
        return (struct rule_info){.id = v.id, .title = v.title, .action = action_text(p->policy.actions[v.class_]),
                                  .enabled = rule_enabled(&p->policy, v.id, v.class_), .example = v.example,
                                  .class_ = class_text(v.class_), .high_confidence = v.high_confidence, .reference = v.reference};
    }
    size_t e = number - catalogue;
    enum rule_action action = p->policy.actions[engine_rules[e].class_];
    return (struct rule_info){.id = engine_rules[e].id, .title = engine_rules[e].title, .action = action_text(action),
                              .enabled = action != ACTION_KEEP, .class_ = class_text(engine_rules[e].class_)};
}

size_t plan_class_count(void) { return RULE_CLASS_COUNT; }

struct class_info plan_class(const struct plan *p, size_t number)
{
    enum rule_action action = p->policy.actions[number];
    bool values = number == RULE_CLASS_ENVIRONMENT && action == ACTION_MASK && !p->policy.whole_environment;
    return (struct class_info){class_text((enum rule_class)number), values ? "mask-values" : action_text(action)};
}

void plan_describe(const struct plan *p, FILE *out)
{
    size_t enabled = 0;
    for (size_t i = 0; i < p->rule_count; i++) enabled += plan_rule(p, i).enabled;
    fprintf(out, "policy %s: %zu rules, %zu of them at work\n", p->policy.name, p->rule_count, enabled);
    for (size_t i = 0; i < plan_class_count(); i++) fprintf(out, "  %-20s %s\n", plan_class(p, i).name, plan_class(p, i).action);
    fprintf(out, "  harmless variables  ");
    for (size_t i = 0; i < p->policy.harmless.count; i++) fprintf(out, " %s", p->policy.harmless.names[i]);
    fprintf(out, "\npseudonym key %s\n", keyring_id(p->keyring));
}
