/* Every rule against its own examples: in a `match` text it must find exactly what stands between the brackets, in a `nomatch`
 * text nothing. Takes some ten milliseconds, so that it is part of `lethe check` and of the tests, not of every start. */
#include "redaction/rules_priv.h"

#define LONGEST_EXAMPLE 16384

struct trial {
    const struct rules   *set;
    struct rules_scratch *scratch;
    const struct rule    *rule;
    uint32_t              number;       /* of the rule */
    uint32_t              from, to;     /* where its secret stands; nowhere: 0, 0 */
    bool                  found, astray;
};

static void note(struct trial *t, uint32_t from, uint32_t to)
{
    if (from == t->from && to == t->to) t->found = true;
    else t->astray = true;
}

/* Whichever way the rule is triggered. False: no memory. */
static bool try_text(struct trial *t, struct slice text)
{
    const struct rule_hit *hits;
    size_t count;
    uint32_t number, from, to;
    struct rules_cursor cursor = {0};
    t->found = t->astray = false;
    if (!rules_scan(t->set, t->scratch, text, &hits, &count)) return false;
    for (size_t i = 0; i < count; i++)
        if (hits[i].number == t->number && rule_span(t->set, t->number, text, hits[i].end, &from, &to)) note(t, from, to);
    while (t->rule->finder != NULL && rules_next(t->set, text, &cursor, &number, &from, &to))
        if (number == t->number) note(t, from, to);
    for (uint32_t i = 0; t->rule->finder != NULL && i < text.len; i++) {
        bool starts = ascii_is_digit(text.data[i]) && (i == 0 || !ascii_is_digit(text.data[i - 1]));
        if (!starts || !rules_digits(t->set, text, i, &number, &from, &to)) continue;
        if (number == t->number) note(t, from, to);
        i = to - 1;
    }
    return true;
}

static bool fail(const struct trial *t, const char *kind, size_t example, const char *what, struct error *err)
{
    return error_set(err, ERROR_USAGE, "%s:%d: rule '%s': %s example %zu: %s", t->rule->view.file, t->rule->view.line,
                     t->rule->view.id, kind, example + 1, what);
}

static bool check_matches(struct trial *t, struct error *err)
{
    char plain[LONGEST_EXAMPLE];
    size_t len;
    for (size_t i = 0; i < t->rule->match_count; i++) {
        if (t->rule->match[i].len > sizeof plain || !example_parse(t->rule->match[i], plain, &len, &t->from, &t->to))
            return fail(t, "match", i, "it is too long", err);
        if (!try_text(t, slice_of(plain, len))) return error_set(err, ERROR_MEMORY, "no memory to check the rules");
        if (!t->found) return fail(t, "match", i, t->astray ? "the rule finds something else" : "the rule finds nothing", err);
        if (t->astray) return fail(t, "match", i, "the rule finds something else as well", err);
    }
    return true;
}

static bool check_nomatches(struct trial *t, struct error *err)
{
    t->from = t->to = 0;
    for (size_t i = 0; i < t->rule->nomatch_count; i++) {
        if (!try_text(t, t->rule->nomatch[i])) return error_set(err, ERROR_MEMORY, "no memory to check the rules");
        if (t->found || t->astray) return fail(t, "nomatch", i, "the rule finds something", err);
    }
    return true;
}

bool rules_check_examples(const struct rules *set, struct error *err)
{
    struct trial t = {.set = set, .scratch = rules_scratch_new(set)};
    bool ok = t.scratch != NULL || error_set(err, ERROR_MEMORY, "no memory to check the rules");
    for (t.number = 0; ok && t.number < set->count; t.number++) {
        t.rule = &set->all[t.number];
        if (t.rule->enabled) ok = check_matches(&t, err) && check_nomatches(&t, err);
    }
    rules_scratch_free(t.scratch);
    return ok;
}
