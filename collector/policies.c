#include "policies.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct policies *policies_hold(struct policies *p)
{
    atomic_fetch_add(&p->holders, 1);
    return p;
}

void policies_release(struct policies *p)
{
    if (p == NULL || atomic_fetch_sub(&p->holders, 1) > 1) return;
    plan_set_free(p->set);
    for (size_t i = 0; i < p->count; i++) plan_free(p->plans[i]);
    free(p->plans);
    free(p->names);
    keyring_free(p->keys);
    free(p);
}

/* The key file of the configuration; else one in the store, made when it is not there and `make`; else a key for this run. */
static struct keyring *load_keys(const struct config *c, bool make, struct error *err)
{
    char path[4096];
    if (c->run.key_file != NULL) return keyring_load(c->run.key_file, err);
    if (c->store.path == NULL) {
        if (make) log_line(LOG_WARNING, "run", "no key_file and no store: pseudonyms and event ids hold for this run only");
        return keyring_ephemeral(err);
    }
    snprintf(path, sizeof path, "%s/pseudonym.key", c->store.path);
    bool there = access(path, F_OK) == 0;
    if (!there && !make) return keyring_ephemeral(err);
    return there || keyring_generate(path, err) ? keyring_load(path, err) : NULL;
}

/* The plan of a policy, made when it is first asked for. */
static struct plan *plan_for(struct policies *p, const char *name, struct error *err)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->names[i], name) == 0) return p->plans[i];
    struct plan *plan = plan_new(name, p->keys, err);
    if (plan == NULL) return NULL;
    p->names[p->count] = name;
    p->plans[p->count++] = plan;
    return plan;
}

static bool add_scope(struct policies *p, const char *source, const char *resource, const char *policy, struct error *err)
{
    const struct plan *plan = plan_for(p, policy, err);
    return plan != NULL && plan_set_add(p->set, (struct plan_scope){source, resource}, plan, err);
}

static bool load_plans(struct policies *p, const struct config *c, struct error *err)
{
    const size_t most = 1 + c->source_count + c->policy_rule_count;
    p->plans = calloc(most, sizeof(struct plan *));
    p->names = calloc(most, sizeof *p->names);
    CHECK(p->plans != NULL && p->names != NULL);
    struct plan *own = plan_for(p, c->run.policy, err);
    if (own == NULL || (p->set = plan_set_new(own, err)) == NULL) return false;
    for (size_t i = 0; i < c->source_count; i++)
        if (c->sources[i]->policy != NULL && !add_scope(p, c->sources[i]->name, NULL, c->sources[i]->policy, err)) return false;
    for (size_t i = 0; i < c->policy_rule_count; i++) {
        const struct policy_rule *rule = &c->policy_rules[i];
        if (!add_scope(p, rule->source, rule->resource, rule->policy, err)) return false;
    }
    return plan_set_close(p->set, err);
}

struct policies *policies_load(const struct config *c, bool make, struct error *err)
{
    struct policies *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    atomic_init(&p->holders, 1);
    bool loaded = (p->keys = load_keys(c, make, err)) != NULL && load_plans(p, c, err) &&
                  (c->sealed.path == NULL || seal_key_load(c->sealed.key_file, &p->seal_key, err));
    if (loaded) return p;
    policies_release(p);
    return NULL;
}

/* --- What is wrong -------------------------------------------------------------------------------------------------------- */

/* The policy that is named in the nth place: for the run, for a source, for a rule. NULL: the source names none. */
static const char *named(const struct config *c, size_t place)
{
    if (place == 0) return c->run.policy;
    if (place <= c->source_count) return c->sources[place - 1]->policy;
    return c->policy_rules[place - 1 - c->source_count].policy;
}

/* Whether a policy stands in an earlier place, too. */
static bool is_met(const struct config *c, size_t place)
{
    for (size_t i = 0; i < place; i++)
        if (named(c, i) != NULL && strcmp(named(c, i), named(c, place)) == 0) return true;
    return false;
}

void policies_find_mistakes(const struct config *c, const struct error *found, struct mistakes *m)
{
    const size_t    places = 1 + c->source_count + c->policy_rule_count;
    struct keyring *keys = load_keys(c, false, mistake(m));
    struct seal_key seal;
    if (keys == NULL) keys = keyring_ephemeral(mistake(m));
    for (size_t i = 0; keys != NULL && i < places; i++)
        if (named(c, i) != NULL && !is_met(c, i)) plan_free(plan_new(named(c, i), keys, mistake(m)));
    if (c->sealed.path != NULL) (void)!seal_key_load(c->sealed.key_file, &seal, mistake(m));
    if (mistakes_count(m) == 0) *mistake(m) = *found;
    keyring_free(keys);
}
