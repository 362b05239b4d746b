/* Keys and policies of a run: which are taken, which are made, and what cannot be read. */
#include "storing.h"

#include "policies.h"
#include "redaction/plan_set.h"

#include <stdio.h>

struct run {
    struct config      config;
    struct source_type type;
    struct source      source, *sources[1];
    struct policy_rule rule;
};

/* A configuration with one source and one rule; both may be without a policy. */
static void run_init(struct run *r, const char *policy, const char *source_policy, const char *rule_policy)
{
    *r = (struct run){.config = {.run = {.policy = policy}}, .source = {.name = "console", .policy = source_policy}, .rule = {NULL, "*/ws", rule_policy}};
    r->source.type = &r->type;
    r->sources[0] = &r->source;
    r->config.sources = r->sources;
    r->config.source_count = 1;
    r->config.policy_rules = &r->rule;
    r->config.policy_rule_count = rule_policy != NULL;
}

static void assert_refused(const struct config *c, bool make, const char *why)
{
    struct error     err = {0};
    struct policies *p = policies_load(c, make, &err);
    assert_null(p);
    if (strstr(err.text, why) == NULL) fail_msg("'%s' is not about %s", err.text, why);
}

/* A policy that looks for nothing is made at once: for tests of anything else. */
static const char *light(void)
{
    static const char text[] = "extends: standard\nclasses: {secret: keep, environment: keep, run-id: keep, card: keep, instrumentation-key: keep}\n";
    write_file("light.yaml", text, sizeof text - 1, 0600);
    return "light.yaml";
}

/* --- Plans ------------------------------------------------------------------------------------------------------------------- */

static void each_policy_is_made_once_and_the_first_is_the_runs_own(void **state)
{
    struct error err = {0};
    struct run   r;
    (void)state;
    run_init(&r, "hbi", "standard", "hbi");
    struct policies *p = policies_load(&r.config, false, &err);
    assert_non_null(p);
    assert_int_equal(p->count, 2);
    assert_string_equal(p->plans[0]->policy.name, "hbi");
    assert_string_equal(p->plans[1]->policy.name, "standard");
    assert_string_equal(plan_set_strictest(p->set)->policy.name, "hbi");
    assert_int_equal(p->generation, 0);

    assert_ptr_equal(policies_hold(p), p);   /* two holders: the first to go takes nothing away */
    policies_release(p);
    assert_string_equal(p->plans[0]->policy.name, "hbi");
    policies_release(p);
    policies_release(NULL);
}

static void a_policy_that_cannot_be_read_is_named_wherever_it_is_asked_for(void **state)
{
    struct run r;
    (void)state;
    run_init(&r, "missing.yaml", NULL, NULL);
    assert_refused(&r.config, false, "missing.yaml");
    run_init(&r, light(), "missing.yaml", NULL);
    assert_refused(&r.config, false, "missing.yaml");
    run_init(&r, light(), NULL, "missing.yaml");
    assert_refused(&r.config, false, "missing.yaml");
}

/* A set takes 64 scopes. */
static void more_rules_than_a_set_takes_are_refused(void **state)
{
    struct policy_rule rules[PLAN_SET_MAX_SCOPES + 1];
    struct run         r;
    (void)state;
    run_init(&r, light(), NULL, NULL);
    for (size_t i = 0; i < PLAN_SET_MAX_SCOPES + 1; i++) rules[i] = (struct policy_rule){NULL, "*/ws", r.config.run.policy};
    r.config.policy_rules = rules;
    r.config.policy_rule_count = PLAN_SET_MAX_SCOPES + 1;
    assert_refused(&r.config, false, "more than 64 policies by source or resource");
}

/* --- Keys ------------------------------------------------------------------------------------------------------------------ */

/* The id of the key that writes, or why there is none. */
static void key_id(const struct config *c, bool make, char id[16])
{
    struct error     err = {0};
    struct policies *p = policies_load(c, make, &err);
    if (p == NULL) fail_msg("%s", err.text);
    snprintf(id, 16, "%s", keyring_id(p->keys));
    policies_release(p);
}

static void keys_come_from_the_file_that_is_named(void **state)
{
    struct error err = {0};
    struct run   r;
    char         one[16], two[16];
    (void)state;
    run_init(&r, light(), NULL, NULL);
    r.config.run.key_file = "my.key";
    assert_refused(&r.config, true, "my.key");   /* never made behind the operator's back */
    assert_int_not_equal(access("my.key", F_OK), 0);
    assert_true(keyring_generate("my.key", &err));
    key_id(&r.config, false, one);
    key_id(&r.config, true, two);
    assert_string_equal(one, two);
}

static void a_run_without_store_or_file_has_a_key_of_its_own(void **state)
{
    struct run r;
    char       one[16], two[16];
    (void)state;
    run_init(&r, light(), NULL, NULL);
    key_id(&r.config, true, one);
    key_id(&r.config, false, two);
    assert_string_not_equal(one, two);
}

static void a_store_has_one_key_that_is_made_for_the_first_run_and_stays(void **state)
{
    struct run r;
    char       asked[16], made[16], later[16];
    (void)state;
    assert_int_equal(mkdir("store", 0700), 0);
    run_init(&r, light(), NULL, NULL);
    r.config.store.path = "store";
    key_id(&r.config, false, asked);   /* who only asks changes nothing */
    assert_int_not_equal(access("store/pseudonym.key", F_OK), 0);
    key_id(&r.config, true, made);
    assert_int_equal(access("store/pseudonym.key", F_OK), 0);
    key_id(&r.config, false, later);
    assert_string_equal(made, later);
    key_id(&r.config, true, later);
    assert_string_equal(made, later);
    assert_string_not_equal(made, asked);
}

static void a_key_that_cannot_be_made_is_an_error(void **state)
{
    struct run r;
    (void)state;
    run_init(&r, light(), NULL, NULL);
    r.config.store.path = "no/such/store";
    assert_refused(&r.config, true, "no/such/store/pseudonym.key");
}

static void a_sealing_key_is_read_where_withheld_records_are_kept(void **state)
{
    struct error err = {0};
    struct run   r;
    (void)state;
    run_init(&r, light(), NULL, NULL);
    r.config.sealed = (struct sealed_settings){"sealed", "seal.pem.pub", 1 << 20};
    assert_refused(&r.config, false, "seal.pem.pub");
    assert_true(seal_key_generate("seal.pem", &err));
    struct policies *p = policies_load(&r.config, false, &err);
    struct seal_key  key;
    assert_true(p != NULL && seal_key_load("seal.pem.pub", &key, &err));
    assert_string_equal(p->seal_key.id, key.id);
    policies_release(p);
}

/* --- All that is wrong ------------------------------------------------------------------------------------------------------- */

static void each_faulty_file_of_a_run_is_told_once(void **state)
{
    static const char *const expected[] = {"no-key", "no-own.yaml", "no-other.yaml", "no-seal"};
    const struct error       found = {.text = "one of them"};
    struct mistakes          m = {0};
    struct run               r;
    (void)state;
    run_init(&r, "no-own.yaml", "no-other.yaml", "no-other.yaml");
    r.config.run.key_file = "no-key";
    r.config.sealed = (struct sealed_settings){.path = "sealed", .key_file = "no-seal"};
    policies_find_mistakes(&r.config, &found, &m);
    assert_int_equal(mistakes_count(&m), 4);
    for (size_t i = 0; i < 4; i++)
        if (strstr(m.each[i].text, expected[i]) == NULL) fail_msg("'%s' is not about %s", m.each[i].text, expected[i]);
    m = (struct mistakes){0};
    run_init(&r, "no-own.yaml", "no-own.yaml", "no-own.yaml");
    policies_find_mistakes(&r.config, &found, &m);
    assert_int_equal(mistakes_count(&m), 1);
}

static void what_is_wrong_with_no_file_is_told_as_it_was_found(void **state)
{
    const struct error found = {.code = ERROR_USAGE, .text = "too much of it"};
    struct mistakes    m = {0};
    struct run         r;
    (void)state;
    run_init(&r, light(), NULL, "standard");
    policies_find_mistakes(&r.config, &found, &m);
    assert_int_equal(mistakes_count(&m), 1);
    assert_string_equal(m.each[0].text, "too much of it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_is_made_once_and_the_first_is_the_runs_own),
        cmocka_unit_test(a_policy_that_cannot_be_read_is_named_wherever_it_is_asked_for),
        cmocka_unit_test(more_rules_than_a_set_takes_are_refused),
        cmocka_unit_test(keys_come_from_the_file_that_is_named),
        cmocka_unit_test(a_run_without_store_or_file_has_a_key_of_its_own),
        cmocka_unit_test(a_store_has_one_key_that_is_made_for_the_first_run_and_stays),
        cmocka_unit_test(a_key_that_cannot_be_made_is_an_error),
        cmocka_unit_test(a_sealing_key_is_read_where_withheld_records_are_kept),
        cmocka_unit_test(each_faulty_file_of_a_run_is_told_once),
        cmocka_unit_test(what_is_wrong_with_no_file_is_told_as_it_was_found),
    };
    return cmocka_run_group_tests(tests, in_new_folder, leave_folder);
}
