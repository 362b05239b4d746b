#include "redaction/gate.h"

#include "redaction/plan_set.h"

#include <stdlib.h>

struct gate {
    const struct plan    *plan;       /* the strictest: it leaves out and allows only what all do */
    const struct plan_set *set;       /* NULL: there is only that one */
    struct rules         *rules;      /* the whole catalogue by number, but only proven shapes take part */
    struct rules_scratch *scratch;
};

static bool takes_part(const void *context, const char *id, enum rule_class class_)
{
    const struct plan *plan = context;
    size_t             i = 0;
    while (strcmp(rules_get(plan->rules, i).id, id) != 0) i++;   /* both have the whole catalogue */
    return rules_get(plan->rules, i).high_confidence && class_ == RULE_CLASS_SECRET &&
           !name_list_has(&plan->policy.disabled_rules, slice_from(id));
}

struct rules *gate_rules(const struct plan *plan, struct error *err) { return rules_load(takes_part, plan, NULL, 0, err); }

struct gate *gate_new(const struct plan *plan, struct error *err)
{
    struct gate *g = calloc(1, sizeof *g);
    if (g == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for the second gate");
        return NULL;
    }
    g->plan = plan;
    g->rules = gate_rules(plan, err);
    if (g->rules != NULL) g->scratch = rules_scratch_new(g->rules);
    if (g->scratch != NULL) return g;
    error_set(err, ERROR_MEMORY, "no memory for the second gate");
    gate_free(g);
    return NULL;
}

struct gate *gate_new_for_set(const struct plan_set *set, struct error *err)
{
    CHECK(set->covers[0] != 0);   /* closed */
    struct gate *g = gate_new(plan_set_strictest(set), err);
    if (g != NULL) g->set = set;
    return g;
}

void gate_free(struct gate *g)
{
    if (g == NULL) return;
    rules_scratch_free(g->scratch);
    rules_free(g->rules);
    free(g);
}

/* Names are those of files, without the folder, so two may be equal. */
static const struct plan *plan_of(const struct gate *g, struct slice policy)
{
    const struct plan *found = NULL;
    for (size_t i = 0; i < g->set->count; i++) {
        if (!slice_equal(slice_from(g->set->plans[i]->policy.name), policy)) continue;
        if (found != NULL) return g->plan;
        found = g->set->plans[i];
    }
    return found != NULL ? found : g->plan;
}

/* Says which policy a line is of. */
struct judge {
    gate_policy_of *policy_of;   /* NULL: all are of the strictest */
    void           *context;
};

/* Whether the secret of a hit is one, and not a value that the policy of its line allows. */
static bool is_secret(const struct gate *g, const struct judge *judge, size_t number, struct slice line, uint32_t rule,
                      uint32_t end)
{
    uint32_t from, to;
    if (!rule_span(g->rules, rule, line, end, &from, &to)) return false;
    bool                 own = judge->policy_of != NULL && g->set != NULL;
    const struct policy *policy = &(own ? plan_of(g, judge->policy_of(judge->context, number)) : g->plan)->policy;
    return !name_list_has(&policy->disabled_rules, slice_from(rules_get(g->rules, rule).id)) &&
           !name_list_holds(&policy->allowed, slice_sub(line, from, to));
}

/* Visits every line, told whether a rule found a secret in it. */
typedef void visit_line(void *context, size_t number, size_t start, size_t end, bool secret, uint32_t rule);

static bool visit_lines(struct gate *g, struct slice data, const struct judge *judge, visit_line *visit, void *context)
{
    const struct rule_hit *hits;
    size_t                 count, number = 0, next = 0;
    if (data.len == 0) return true;
    if (!rules_scan(g->rules, g->scratch, data, &hits, &count)) return false;
    if (count == 0) return true;
    for (size_t start = 0, end; start < data.len; start = end, number++) {
        const char *feed = memchr(data.data + start, '\n', data.len - start);
        end = feed == NULL ? data.len : (size_t)(feed - data.data) + 1;
        bool     secret = false;
        uint32_t rule = 0;
        for (; next < count && hits[next].end <= end; next++) {   /* those of the lines before are behind us */
            if (secret) continue;
            rule = hits[next].number;
            secret = is_secret(g, judge, number, slice_sub(data, start, end), rule, (uint32_t)(hits[next].end - start));
        }
        visit(context, number, start, end, secret, rule);
    }
    return true;
}

struct finding_lines {
    gate_found *found;
    void       *context;
};

static void tell_line(void *context, size_t number, size_t start, size_t end, bool secret, uint32_t rule)
{
    struct finding_lines *f = context;
    (void)start, (void)end;
    if (secret) f->found(f->context, number, rule);
}

bool gate_find(struct gate *g, struct slice data, gate_policy_of *policy_of, gate_found *found, void *context)
{
    struct finding_lines f = {found, context};
    return visit_lines(g, data, &(struct judge){policy_of, context}, tell_line, &f);
}

struct cutting_lines {
    struct finding_lines telling;
    char                *data;
    bool                 visited;
    size_t               kept;   /* lines only move up, and those behind are visited later: they are still where they were */
};

static void cut_line(void *context, size_t number, size_t start, size_t end, bool secret, uint32_t rule)
{
    struct cutting_lines *c = context;
    tell_line(&c->telling, number, start, end, secret, rule);
    c->visited = true;
    if (secret) return;
    memmove(c->data + c->kept, c->data + start, end - start);
    c->kept += end - start;
}

bool gate_filter(struct gate *g, char *data, size_t *len, gate_found *cut, void *context)
{
    struct cutting_lines c = {.telling = {cut, context}, .data = data};
    if (!visit_lines(g, slice_of(data, *len), &(struct judge){0}, cut_line, &c)) return false;
    if (c.visited) *len = c.kept;
    return true;
}
