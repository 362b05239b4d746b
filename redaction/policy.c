/* Policy files: YAML that extends a built-in profile.
 *
 *   extends: standard                 # standard, hbi; required in a file, the built-in standard has none
 *   classes: {email: pseudonym}       # what becomes of a class of data: keep, truncate, pseudonym, mask, drop;
 *                                     # environment: mask-values as well
 *   harmless-variables: [TERM]        # environment variables whose values are kept
 *   secret-names: [x-internal-grant]  # field names that always announce a secret
 *   plain-names: [page_token]         # field names that never do
 *   places:                           # what is found by place
 *     - {class: identity, paths: [properties.owner]}
 *     - {action: mask, paths: [properties.notes.**]}
 *   rules: {disable: [jwt]}           # rules of the catalogue that take no part
 *   allow: [AKIAEXAMPLE]              # values that are never removed, exactly
 *
 * Lists add to those of the profile. */
#include "redaction/plan.h"

#include "base/nearest.h"
#include "redaction/policies_builtin.h"
#include "redaction/yaml.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const class_texts[] = {
#define RULE_CLASS(id, text) text,
#include "redaction/rule_classes.def"
    NULL,
};

static const char *const action_texts[] = {"keep", "truncate", "pseudonym", "mask", "drop", NULL};
static const char *const environment_texts[] = {"keep", "truncate", "pseudonym", "mask", "drop", "mask-values", NULL};

#define MASK_VALUES 5   /* index in environment_texts */

const char *action_text(enum rule_action action) { return action_texts[action]; }

const char *class_text(enum rule_class class_) { return class_texts[class_]; }

/* --- Lists of names ------------------------------------------------------------------------------------------------------ */

bool name_list_has(const struct name_list *list, struct slice name)
{
    for (size_t i = 0; i < list->count; i++)
        if (slice_equal_nocase(slice_from(list->names[i]), name)) return true;
    return false;
}

bool name_list_holds(const struct name_list *list, struct slice text)
{
    for (size_t i = 0; i < list->count; i++)
        if (slice_equal(slice_from(list->names[i]), text)) return true;
    return false;
}

static void name_list_release(struct name_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->names[i]);
    free(list->names);
}

static bool read_list(const struct yaml_node *node, struct name_list *list, struct error *err)
{
    if (node == NULL) return true;
    if (!yaml_expect(node, YAML_SEQUENCE, err)) return false;
    char **grown = reallocarray(list->names, list->count + node->count + 1, sizeof *grown);
    if (grown == NULL) return error_set(err, ERROR_MEMORY, "no memory for the policy");
    list->names = grown;
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        struct slice text;
        if (!yaml_text(n, &text, err)) return false;
        if ((grown[list->count] = strndup(text.data, text.len)) == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for the policy");
        list->count++;
    }
    return true;
}

/* --- Sections --------------------------------------------------------------------------------------------------------------- */

static bool read_classes(struct policy *p, const struct yaml_node *node, struct error *err)
{
    if (node == NULL) return true;
    if (!yaml_expect(node, YAML_MAPPING, err) || !yaml_keys(node, class_texts, err)) return false;
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        size_t class_ = 0, action;
        while (!slice_equal(n->key->text, slice_from(class_texts[class_]))) class_++;
        bool environment = class_ == RULE_CLASS_ENVIRONMENT;
        if (!yaml_choice(n, "action", environment ? environment_texts : action_texts, &action, err)) return false;
        if (environment) p->whole_environment = action != MASK_VALUES;
        p->actions[class_] = action == MASK_VALUES ? ACTION_MASK : (enum rule_action)action;
        if (action == ACTION_TRUNCATE && class_ != RULE_CLASS_IP_ADDRESS)
            return yaml_fail(n, err, "only addresses can be truncated (class ip-address)");
    }
    return true;
}

bool policy_add_place(struct policy *p, struct name_set *names, struct slice path, struct place place, struct error *err)
{
    if (place.action == ACTION_KEEP) return true;
    struct listed_place *grown = reallocarray(p->listed, p->listed_count + 1, sizeof *grown);
    char *copy = strndup(path.data, path.len);
    if (grown != NULL) p->listed = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return error_set(err, ERROR_MEMORY, "no memory for the policy");
    }
    grown[p->listed_count++] = (struct listed_place){copy, place};
    return places_add(p->places, names, path, place, err);
}

static bool read_paths(struct policy *p, const struct yaml_node *paths, struct place place, struct name_set *names,
                       struct error *err)
{
    for (const struct yaml_node *n = paths->first; n != NULL; n = n->next) {
        struct slice text;
        struct error why = {0};
        if (!yaml_text(n, &text, err)) return false;
        if (!policy_add_place(p, names, text, place, &why)) return yaml_fail(n, err, "%s", why.text);
    }
    return true;
}

/* Places are read when all classes are known, since a place carries the action of its class. */
static bool read_places(struct policy *p, const struct yaml_node *node, struct name_set *names, struct error *err)
{
    static const char *const keys[] = {"class", "action", "paths", NULL};
    if (node == NULL) return true;
    if (!yaml_expect(node, YAML_SEQUENCE, err)) return false;
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        if (!yaml_expect(n, YAML_MAPPING, err) || !yaml_keys(n, keys, err)) return false;
        const struct yaml_node *class_ = yaml_find(n, "class"), *action = yaml_find(n, "action"), *paths = yaml_find(n, "paths");
        if (paths == NULL) return yaml_fail(n, err, "a place needs paths");
        if ((class_ == NULL) == (action == NULL)) return yaml_fail(n, err, "a place needs either a class or an action");
        if (!yaml_expect(paths, YAML_SEQUENCE, err)) return false;
        size_t index;
        struct place place = {.by_policy = class_ == NULL};
        if (class_ != NULL) {
            if (!yaml_choice(class_, "class", class_texts, &index, err)) return false;
            place.class_ = (enum rule_class)index;
            place.action = p->actions[index];
        } else {
            if (!yaml_choice(action, "action", action_texts, &index, err)) return false;
            place.class_ = RULE_CLASS_SECRET;
            place.action = (enum rule_action)index;
        }
        if (!read_paths(p, paths, place, names, err)) return false;
    }
    return true;
}

static bool read_rules(struct policy *p, const struct yaml_node *node, struct error *err)
{
    static const char *const keys[] = {"disable", NULL};
    if (node == NULL) return true;
    return yaml_expect(node, YAML_MAPPING, err) && yaml_keys(node, keys, err) &&
           read_list(yaml_find(node, "disable"), &p->disabled_rules, err);
}

/* --- A policy and what it extends ------------------------------------------------------------------------------------------- */

static const struct builtin_policy *builtin_find(struct slice name)
{
    for (const struct builtin_policy *b = builtin_policies; b->name != NULL; b++)
        if (slice_equal(slice_from(b->name), name)) return b;
    return NULL;
}

bool policy_exists(const char *name, struct error *err)
{
    const char *names[8] = {NULL};
    if (builtin_find(slice_from(name)) != NULL || access(name, F_OK) == 0) return true;
    if (strpbrk(name, "./") != NULL) return error_set_errno(err, ERROR_USAGE, "cannot open policy file '%s'", name);
    for (size_t i = 0; builtin_policies[i].name != NULL && i + 1 < sizeof names / sizeof *names; i++)
        names[i] = builtin_policies[i].name;
    const char *nearest = nearest_name(slice_from(name), names);
    if (nearest != NULL) return error_set(err, ERROR_USAGE, "there is no policy '%s'; did you mean '%s'?", name, nearest);
    return error_set(err, ERROR_USAGE, "there is no policy '%s': it is 'standard', 'hbi' or a file", name);
}

static bool read_settings(struct policy *p, const struct yaml_node *root, struct error *err)
{
    static const char *const keys[] = {"extends", "classes", "harmless-variables", "secret-names", "plain-names", "places",
                                       "rules", "allow", NULL};
    return yaml_expect(root, YAML_MAPPING, err) && yaml_keys(root, keys, err) &&
           read_classes(p, yaml_find(root, "classes"), err) &&
           read_list(yaml_find(root, "harmless-variables"), &p->harmless, err) &&
           read_list(yaml_find(root, "secret-names"), &p->secret_names, err) &&
           read_list(yaml_find(root, "plain-names"), &p->plain_names, err) &&
           read_list(yaml_find(root, "allow"), &p->allowed, err) && read_rules(p, yaml_find(root, "rules"), err);
}

/* The documents of a policy, the one that is extended first. */
struct chain {
    struct yaml_document *documents[3];
    size_t                count;
};

/* What the `count`-th document extends; *base: which built-in policy it is itself, NULL if it is none. *base is NULL then where a
 * built-in policy extends nothing. */
static bool find_base(const struct yaml_document *d, size_t count, const struct builtin_policy **base, struct error *err)
{
    const struct yaml_node *root = yaml_root(d), *extends = NULL;
    if (root == NULL) return error_set(err, ERROR_USAGE, "%s: the policy is empty", yaml_name(d));
    if (!yaml_expect(root, YAML_MAPPING, err)) return false;
    if ((extends = yaml_find(root, "extends")) == NULL && *base == NULL)
        return yaml_fail(root, err, "a policy file begins with 'extends: standard' or 'extends: hbi'");
    *base = extends != NULL ? builtin_find(extends->text) : NULL;
    return extends == NULL || (*base != NULL && count < 3) || yaml_fail(extends, err, "a policy extends 'standard' or 'hbi'");
}

static bool open_chain(struct chain *chain, const char *name_or_path, struct error *err)
{
    struct yaml_document *opened[3];
    size_t count = 0;
    const struct builtin_policy *builtin = builtin_find(slice_from(name_or_path));
    if (!policy_exists(name_or_path, err)) return false;
    struct yaml_document *d = builtin != NULL ? yaml_read(builtin->name, slice_of(builtin->text, builtin->len), err)
                                              : yaml_open(name_or_path, err);
    bool ok = d != NULL;
    while (ok) {
        opened[count++] = d;
        ok = find_base(d, count, &builtin, err);
        if (!ok || builtin == NULL) break;
        d = yaml_read(builtin->name, slice_of(builtin->text, builtin->len), err);
        ok = d != NULL;
    }
    while (count > 0) chain->documents[chain->count++] = opened[--count];
    return ok;
}

bool policy_load(struct policy *p, struct name_set *names, const char *name_or_path, struct error *err)
{
    *p = (struct policy){.places = places_new()};
    const char *base = strrchr(name_or_path, '/');
    snprintf(p->name, sizeof p->name, "%s", base != NULL ? base + 1 : name_or_path);
    struct chain chain = {0};
    bool ok = open_chain(&chain, name_or_path, err);
    if (p->places == NULL) ok = error_set(err, ERROR_MEMORY, "no memory for the policy");
    for (size_t i = 0; ok && i < chain.count; i++) ok = read_settings(p, yaml_root(chain.documents[i]), err);
    for (size_t i = 0; ok && i < chain.count; i++)
        ok = read_places(p, yaml_find(yaml_root(chain.documents[i]), "places"), names, err);
    ok = ok && places_compile(p->places, err);
    for (size_t i = 0; i < chain.count; i++) yaml_free(chain.documents[i]);
    return ok;
}

void policy_release(struct policy *p)
{
    places_free(p->places);
    for (size_t i = 0; i < p->listed_count; i++) free(p->listed[i].path);
    free(p->listed);
    name_list_release(&p->harmless);
    name_list_release(&p->secret_names);
    name_list_release(&p->plain_names);
    name_list_release(&p->disabled_rules);
    name_list_release(&p->allowed);
}
