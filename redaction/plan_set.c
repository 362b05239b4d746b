#include "redaction/plan_set.h"

#include "parser/kinds.h"

#include <stdlib.h>

/* --- Patterns --------------------------------------------------------------------------------------------------------- */

bool glob_fits(const char *pattern, struct slice text)
{
    const char *star = NULL;   /* the last `*`, which took text up to `taken` */
    size_t at = 0, taken = 0;
    while (at < text.len) {
        if (*pattern == '*') {
            star = pattern++;
            taken = at;
        } else if (*pattern != '\0' && (*pattern == '?' || ascii_lower(*pattern) == ascii_lower(text.data[at]))) {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star + 1;
            at = ++taken;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return *pattern == '\0';
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

/* The number of a plan in the set; added if it is new. False: there are too many. */
static bool plan_number(struct plan_set *set, const struct plan *plan, size_t *number)
{
    for (*number = 0; *number < set->count; ++*number)
        if (set->plans[*number] == plan) return true;
    if (set->count == PLAN_SET_MAX_PLANS) return false;
    CHECK(set->count == 0 || (plan->keyring == set->plans[0]->keyring && plan->rule_count == set->plans[0]->rule_count));
    set->plans[set->count++] = plan;
    return true;
}

struct plan_set *plan_set_new(const struct plan *otherwise, struct error *err)
{
    size_t number;
    struct plan_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for the policies");
        return NULL;
    }
    CHECK(plan_number(set, otherwise, &number));
    return set;
}

/* A pattern that fits everything is none, so that it fits what has no name as well. */
static bool copy_pattern(const char *pattern, char **copy)
{
    if (pattern == NULL || (*pattern != '\0' && pattern[strspn(pattern, "*")] == '\0')) return true;
    return (*copy = strdup(pattern)) != NULL;
}

bool plan_set_add(struct plan_set *set, struct plan_scope scope, const struct plan *plan, struct error *err)
{
    struct scope *s = &set->scopes[set->scope_count];
    CHECK(set->covers[0] == 0);   /* not closed */
    if (set->scope_count == PLAN_SET_MAX_SCOPES)
        return error_set(err, ERROR_USAGE, "more than %d policies by source or resource", PLAN_SET_MAX_SCOPES);
    if (!plan_number(set, plan, &s->plan))
        return error_set(err, ERROR_USAGE, "more than %d different policies", PLAN_SET_MAX_PLANS);
    set->scope_count++;
    if (copy_pattern(scope.source, &s->source) && copy_pattern(scope.resource, &s->resource)) return true;
    return error_set(err, ERROR_MEMORY, "no memory for the policies");
}

static uint32_t covered_by(const struct plan_set *set, size_t plan)
{
    uint32_t covered = 0;
    for (size_t i = 0; i < set->count; i++)
        if (i == plan || policy_covers(&set->plans[plan]->policy, &set->plans[i]->policy)) covered |= UINT32_C(1) << i;
    return covered;
}

bool plan_set_close(struct plan_set *set, struct error *err)
{
    const uint32_t all = (UINT32_C(1) << set->count) - 1;
    for (size_t i = 0; i < set->count; i++) set->covers[i] = covered_by(set, i);
    for (set->strictest = 0; set->strictest < set->count; set->strictest++)
        if (set->covers[set->strictest] == all) return true;
    set->united = plan_unite(set->plans, set->count, err);
    if (set->united == NULL) return false;
    set->plans[set->count++] = set->united;
    set->covers[set->strictest] = all | UINT32_C(1) << set->strictest;
    return true;
}

void plan_set_free(struct plan_set *set)
{
    if (set == NULL) return;
    for (size_t i = 0; i < set->scope_count; i++) {
        free(set->scopes[i].source);
        free(set->scopes[i].resource);
    }
    plan_free(set->united);
    free(set);
}

const struct plan *plan_set_strictest(const struct plan_set *set) { return set->plans[set->strictest]; }

/* --- Scopes of a record ----------------------------------------------------------------------------------------------- */

void plan_choice_source(struct plan_choice *c, const struct plan_set *set, struct slice source)
{
    *c = (struct plan_choice){.last_len = SIZE_MAX};
    for (size_t i = 0; i < set->scope_count; i++) {
        const struct scope *s = &set->scopes[i];
        if (s->source != NULL && !glob_fits(s->source, source)) continue;
        c->fitting |= UINT64_C(1) << i;
        c->by_resource |= s->resource != NULL;
    }
}

/* Of the fitting scopes, those that ask for no resource. */
static uint64_t without_resource(const struct plan_choice *c, const struct plan_set *set)
{
    uint64_t fits = 0;
    for (size_t i = 0; i < set->scope_count; i++)
        if (set->scopes[i].resource == NULL) fits |= c->fitting & UINT64_C(1) << i;
    return fits;
}

/* Of the fitting scopes, those that ask for this resource. Records that follow one another often have the same. */
static uint64_t with_resource(struct plan_choice *c, const struct plan_set *set, struct slice resource)
{
    if (resource.len == c->last_len && memcmp(resource.data, c->last, resource.len) == 0) return c->last_fits;
    c->last_fits = 0;
    for (size_t i = 0; i < set->scope_count; i++) {
        uint64_t bit = c->fitting & UINT64_C(1) << i;
        if (bit != 0 && set->scopes[i].resource != NULL && glob_fits(set->scopes[i].resource, resource)) c->last_fits |= bit;
    }
    c->last_len = resource.len;
    memcpy(c->last, resource.data, resource.len);
    return c->last_fits;
}

/* Adds the scopes of the resource at a node. False: it cannot be read. */
static bool add_resource(struct plan_choice *c, const struct plan_set *set, const struct tape *t, uint32_t node, uint64_t *fits)
{
    char decoded[RESOURCE_MAX + PARSER_PADDING];
    const struct node *n = &t->nodes[node];
    if (n->type == NODE_NULL) return true;
    if (n->type != NODE_STRING || n->end - n->start > RESOURCE_MAX) return false;
    struct slice text = slice_sub(t->text, n->start, n->end);
    if (n->facts & FACT_ESCAPE) text = slice_of(decoded, string_decode(text, decoded));
    if (text.len > 0) *fits |= with_resource(c, set, text);
    return true;
}

static bool add_resources(struct plan_choice *c, const struct plan_set *set, const struct tape *t, uint32_t record,
                          struct key_cache *keys, uint64_t *fits)
{
    const struct node *nodes = t->nodes;
    if (nodes[record].type != NODE_OBJECT) return true;
    for (uint32_t key = record + 1; key < nodes[record].next; key = nodes[key].next)
        if (name_is_resource(key_cache_get(keys, nodes[key].name)->name) && !add_resource(c, set, t, key + 1, fits)) return false;
    uint32_t of_kind = kind_field(kind_recognise(t, record, keys).kind, t, record, keys, FIELD_RESOURCE);
    return of_kind == 0 || add_resource(c, set, t, of_kind, fits);
}

/* --- The plan --------------------------------------------------------------------------------------------------------- */

static size_t strictest_of(const struct plan_set *set, uint64_t scopes)
{
    uint32_t plans = 0;
    for (size_t i = 0; i < set->scope_count; i++)
        if (scopes >> i & 1) plans |= UINT32_C(1) << set->scopes[i].plan;
    if (plans == 0) return 0;
    for (size_t i = 0; i < set->count; i++)
        if ((plans >> i & 1) && (set->covers[i] & plans) == plans) return i;
    return set->strictest;
}

size_t plan_choose(struct plan_choice *c, const struct plan_set *set, const struct tape *t, uint32_t record,
                   struct key_cache *keys)
{
    uint64_t fits = without_resource(c, set);
    if (c->by_resource && !add_resources(c, set, t, record, keys, &fits)) return set->strictest;
    return strictest_of(set, fits);
}
