/* Which of two policies is stricter, and a policy that is as strict as several. */
#include "redaction/plan.h"

#include <stdlib.h>

/* How much of a value an action takes away. */
static int reach(enum rule_action action)
{
    switch (action) {
    case ACTION_KEEP: return 0;
    case ACTION_TRUNCATE: return 1;
    case ACTION_PSEUDONYM: case ACTION_MASK: case ACTION_DROP: break;
    }
    return 2;
}

/* Sets of environment variables: their values, or all of them, names included. */
static int environment_reach(const struct policy *p)
{
    enum rule_action action = p->actions[RULE_CLASS_ENVIRONMENT];
    return reach(action) + (action != ACTION_KEEP && p->whole_environment);
}

/* --- Compared --------------------------------------------------------------------------------------------------------- */

static bool contains(const struct name_list *all, const struct name_list *some)
{
    for (size_t i = 0; i < some->count; i++)
        if (!name_list_holds(all, slice_from(some->names[i]))) return false;
    return true;
}

/* Whether the policy takes as much away at the place. */
static bool covers_place(const struct policy *p, const struct listed_place *wanted)
{
    for (size_t i = 0; i < p->listed_count; i++)
        if (strcmp(p->listed[i].path, wanted->path) == 0 && reach(p->listed[i].place.action) >= reach(wanted->place.action))
            return true;
    return false;
}

/* A place where a value is only shortened may lie below one, of the other policy, that takes everything below it. So each such
 * place must be one of the other, too. */
static bool shortens_elsewhere(const struct policy *p, const struct policy *other)
{
    for (size_t i = 0; i < p->listed_count; i++)
        if (reach(p->listed[i].place.action) == 1 && !covers_place(other, &p->listed[i])) return true;
    return false;
}

bool policy_covers(const struct policy *a, const struct policy *b)
{
    for (int i = 0; i < RULE_CLASS_COUNT; i++)
        if (reach(a->actions[i]) < reach(b->actions[i])) return false;
    for (size_t i = 0; i < b->listed_count; i++)
        if (!covers_place(a, &b->listed[i])) return false;
    return !shortens_elsewhere(a, b) && environment_reach(a) >= environment_reach(b) &&
           contains(&a->secret_names, &b->secret_names) && contains(&b->plain_names, &a->plain_names) &&
           contains(&b->harmless, &a->harmless) && contains(&b->allowed, &a->allowed) &&
           contains(&b->disabled_rules, &a->disabled_rules);
}

/* --- United ----------------------------------------------------------------------------------------------------------- */

typedef const struct name_list *list_of(const struct policy *);

static const struct name_list *harmless_of(const struct policy *p) { return &p->harmless; }
static const struct name_list *plain_of(const struct policy *p) { return &p->plain_names; }
static const struct name_list *secret_of(const struct policy *p) { return &p->secret_names; }
static const struct name_list *disabled_of(const struct policy *p) { return &p->disabled_rules; }
static const struct name_list *allowed_of(const struct policy *p) { return &p->allowed; }

static bool add_name(struct name_list *list, const char *name, struct error *err)
{
    if (name_list_holds(list, slice_from(name))) return true;
    char **grown = reallocarray(list->names, list->count + 1, sizeof *grown);
    if (grown != NULL) list->names = grown;
    if (grown == NULL || (grown[list->count] = strdup(name)) == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the policy");
    list->count++;
    return true;
}

/* How many of the policies have the name in that list. */
static size_t holders(const struct policy *const *policies, size_t count, list_of *list, const char *name)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) found += name_list_holds(list(policies[i]), slice_from(name));
    return found;
}

/* The names that at least `least` of the policies have. */
static bool unite_names(struct name_list *to, const struct policy *const *policies, size_t count, list_of *list, size_t least,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < list(policies[i])->count; n++) {
            const char *name = list(policies[i])->names[n];
            if (holders(policies, count, list, name) >= least && !add_name(to, name, err)) return false;
        }
    return true;
}

static bool is_listed(const struct policy *p, const char *path, struct place place)
{
    for (size_t i = 0; i < p->listed_count; i++) {
        const struct place *listed = &p->listed[i].place;
        if (strcmp(p->listed[i].path, path) == 0 && listed->action == place.action && listed->class_ == place.class_ &&
            listed->by_policy == place.by_policy)
            return true;
    }
    return false;
}

/* Nothing is only shortened: see shortens_elsewhere(). */
static enum rule_action whole(enum rule_action action) { return action == ACTION_TRUNCATE ? ACTION_PSEUDONYM : action; }

/* The places of all; where several have a path, the automaton takes the strictest action. */
static bool unite_places(struct policy *to, struct name_set *names, const struct policy *from, struct error *err)
{
    for (size_t i = 0; i < from->listed_count; i++) {
        struct place place = from->listed[i].place;
        place.action = place.by_policy ? whole(place.action) : to->actions[place.class_];
        if (is_listed(to, from->listed[i].path, place)) continue;
        if (!policy_add_place(to, names, slice_from(from->listed[i].path), place, err)) return false;
    }
    return true;
}

static void unite_actions(struct policy *to, const struct policy *from)
{
    for (int i = 0; i < RULE_CLASS_COUNT; i++)
        if (whole(from->actions[i]) > to->actions[i]) to->actions[i] = whole(from->actions[i]);
    if (from->actions[RULE_CLASS_ENVIRONMENT] != ACTION_KEEP) to->whole_environment |= from->whole_environment;
}

bool policy_unite(struct policy *p, struct name_set *names, const struct policy *const *policies, size_t count, struct error *err)
{
    *p = (struct policy){.places = places_new()};
    if (p->places == NULL) return error_set(err, ERROR_MEMORY, "no memory for the policy");
    size_t len = (size_t)snprintf(p->name, sizeof p->name, "%s", policies[0]->name);
    for (size_t i = 1; i < count && len < sizeof p->name; i++)
        len += (size_t)snprintf(p->name + len, sizeof p->name - len, "+%s", policies[i]->name);
    for (size_t i = 0; i < count; i++) unite_actions(p, policies[i]);
    for (size_t i = 0; i < count; i++)
        if (!unite_places(p, names, policies[i], err)) return false;
    return unite_names(&p->secret_names, policies, count, secret_of, 1, err) &&
           unite_names(&p->plain_names, policies, count, plain_of, count, err) &&
           unite_names(&p->harmless, policies, count, harmless_of, count, err) &&
           unite_names(&p->allowed, policies, count, allowed_of, count, err) &&
           unite_names(&p->disabled_rules, policies, count, disabled_of, count, err) && places_compile(p->places, err);
}
