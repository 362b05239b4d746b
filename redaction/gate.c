#include "redaction/gate.h"

#include "redaction/plan.h"

#include <stdlib.h>

struct gate {
    const struct plan    *plan;
    struct rules         *rules;      /* the whole catalogue by number, but only proven shapes take part */
    struct rules_scratch *scratch;
};

static bool takes_part(const void *context, const char *id, enum rule_class class_)
{
    const struct plan *plan = context;
    for (size_t i = 0; i < rules_count(plan->rules); i++) {
        struct rule_view rule = rules_get(plan->rules, i);
        if (strcmp(rule.id, id) == 0)
            return rule.high_confidence && class_ == RULE_CLASS_SECRET && !name_list_has(&plan->policy.disabled_rules, slice_from(id));
    }
    return false;
}

struct gate *gate_new(const struct plan *plan, struct error *err)
{
    struct gate *g = calloc(1, sizeof *g);
    if (g == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for the second gate");
        return NULL;
    }
    g->plan = plan;
    g->rules = rules_load(takes_part, plan, NULL, 0, err);
    if (g->rules != NULL) g->scratch = rules_scratch_new(g->rules);
    if (g->scratch != NULL) return g;
    error_set(err, ERROR_MEMORY, "no memory for the second gate");
    gate_free(g);
    return NULL;
}

void gate_free(struct gate *g)
{
    if (g == NULL) return;
    rules_scratch_free(g->scratch);
    rules_free(g->rules);
    free(g);
}

/* Whether the secret of a hit is one, and not a value that the policy allows. */
static bool is_secret(const struct gate *g, struct slice line, uint32_t rule, uint32_t end)
{
    uint32_t from, to;
    if (!rule_span(g->rules, rule, line, end, &from, &to)) return false;
    return !name_list_holds(&g->plan->policy.allowed, slice_sub(line, from, to));
}

bool gate_filter(struct gate *g, char *data, size_t *len, void (*cut)(void *context, size_t line, uint32_t rule), void *context)
{
    const struct rule_hit *hits;
    size_t count, kept = 0, number = 0, next = 0;
    if (*len == 0) return true;
    if (!rules_scan(g->rules, g->scratch, slice_of(data, *len), &hits, &count)) return false;
    if (count == 0) return true;
    for (size_t start = 0, end; start < *len; start = end, number++) {
        const char *feed = memchr(data + start, '\n', *len - start);
        end = feed == NULL ? *len : (size_t)(feed - data) + 1;
        bool secret = false;
        for (; next < count && hits[next].end <= end; next++) {
            if (secret || hits[next].end <= start) continue;
            struct slice line = slice_of(data + start, end - start);
            secret = is_secret(g, line, hits[next].number, (uint32_t)(hits[next].end - start));
            if (secret) cut(context, number, hits[next].number);
        }
        if (secret) continue;
        memmove(data + kept, data + start, end - start);   /* hits behind it still count from the old place: lines only move up */
        kept += end - start;
    }
    *len = kept;
    return true;
}
