/* lethe rules: the rules as a table, or one of them in detail. */
#include "commands.h"

#include "base/nearest.h"

#include <string.h>

static int longest_id(const struct plan *plan)
{
    int longest = 0;
    for (size_t i = 0; i < plan_rule_count(plan); i++) {
        int len = (int)strlen(plan_rule(plan, i).id);
        if (len > longest) longest = len;
    }
    return longest;
}

static void print_table(const struct plan *plan)
{
    int width = longest_id(plan);
    printf("%-*s  %-9s  %s\n", width, "RULE", "ACTION", "WHAT");
    for (size_t i = 0; i < plan_rule_count(plan); i++) {
        struct rule_info rule = plan_rule(plan, i);
        printf("%-*s  %-9s  %s\n", width, rule.id, rule.enabled ? rule.action : "off", rule.title);
    }
}

static void print_rule(const struct rule_info *rule)
{
    printf("rule     %s\nwhat     %s\naction   %s\nenabled  %s\n", rule->id, rule->title, rule->action,
           rule->enabled ? "yes" : "no");
    if (rule->example.len > 0) printf("example  %.*s\n", (int)rule->example.len, rule->example.data);
}

static bool print_rule_by_id(const struct plan *plan, const char *id, struct error *err)
{
    for (size_t i = 0; i < plan_rule_count(plan); i++) {
        struct rule_info rule = plan_rule(plan, i);
        if (strcmp(rule.id, id) != 0) continue;
        print_rule(&rule);
        return true;
    }
    const char **names = calloc(plan_rule_count(plan) + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < plan_rule_count(plan); i++) names[i] = plan_rule(plan, i).id;
    const char *nearest = names ? nearest_name(slice_from(id), names) : NULL;
    free(names);
    if (nearest != NULL) return error_set(err, ERROR_USAGE, "no rule '%s'; did you mean '%s'?", id, nearest);
    return error_set(err, ERROR_USAGE, "no rule '%s'; lethe rules lists them", id);
}

int command_rules(const struct options *options)
{
    struct error err = {0};
    struct setup setup = {0};
    bool         printed = setup_load(&setup, options, &err);
    if (printed && options->path_count == 0) print_table(setup.plan);
    for (size_t i = 0; printed && i < options->path_count; i++) {
        if (i > 0) putchar('\n');
        printed = print_rule_by_id(setup.plan, options->paths[i], &err);
    }
    setup_release(&setup);
    return printed ? EXIT_DONE : command_failed(&err);
}
