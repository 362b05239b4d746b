#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/gate.h"
#include "redaction/plan.h"
#include "redaction/policies_builtin.h"
#include "redaction/rules_priv.h"

#include <string.h>

static unsigned times_built(const struct pattern_set *set)
{
    uint8_t               digest[PATTERN_SET_DIGEST];
    struct built_database built;
    unsigned              times = 0;
    assert_true(pattern_set_digest(set, digest));
    for (const uint8_t *at = built_databases; memcpy(&built, at, sizeof built), built.len > 0; at = built_database_behind(at, &built))
        times += memcmp(built.digest, digest, sizeof digest) == 0;
    return times;
}

static void what_builtin_policies_and_their_gates_look_for_is_compiled_by_the_build(void **state)
{
    (void)state;
    for (const struct builtin_policy *p = builtin_policies; p->name != NULL; p++) {
        struct error  err = {0};
        struct plan  *plan = plan_new(p->name, NULL, &err);
        struct rules *gate = gate_rules(plan, &err);
        assert_non_null(gate);
        assert_true(times_built(&plan->rules->compiled) > 0);
        assert_true(times_built(&gate->compiled) > 0);
        rules_free(gate);
        plan_free(plan);
    }
}

struct matches {
    unsigned count;
    uint64_t sum;
};

static int count_match(unsigned number, unsigned long long from, unsigned long long end, unsigned flags, void *context)
{
    struct matches *m = context;
    (void)from;
    (void)flags;
    m->count++;
    m->sum += (uint64_t)(number + 1) * 1000003u * end;
    return 0;
}

static struct matches scan(const hs_database_t *database, struct slice text)
{
    hs_scratch_t  *scratch = NULL;
    struct matches m = {0, 0};
    assert_int_equal(hs_alloc_scratch(database, &scratch), HS_SUCCESS);
    assert_int_equal(hs_scan(database, text.data, (unsigned)text.len, 0, scratch, count_match, &m), HS_SUCCESS);
    hs_free_scratch(scratch);
    return m;
}

static void what_the_build_compiled_matches_as_what_is_compiled_here(void **state)
{
    struct error              err = {0};
    struct plan              *plan = plan_new("hbi", NULL, &err);
    const struct pattern_set *set = &plan->rules->compiled;
    hs_compile_error_t       *fault = NULL;
    hs_database_t            *here = NULL, *built = database_of(set, &fault);
    (void)state;
    assert_int_equal(hs_compile_multi(set->patterns, set->flags, set->numbers, set->count, HS_MODE_BLOCK, NULL, &here, &fault),
                     HS_SUCCESS);
    unsigned found = 0;
    for (size_t i = 0; i < plan->rules->count; i++) {
        struct slice   example = plan->rules->all[i].view.example;
        struct matches a = scan(here, example), b = scan(built, example);
        assert_int_equal(a.count, b.count);
        assert_int_equal(a.sum, b.sum);
        found += b.count > 0;
    }
    assert_true(found > 300);
    hs_free_database(here);
    hs_free_database(built);
    plan_free(plan);
}

static void another_set_is_compiled_when_it_is_asked_for(void **state)
{
    const char         *patterns[] = {"lighthouse", "harbour-[0-9]{3}"};
    unsigned            flags[] = {HS_FLAG_CASELESS, 0}, numbers[] = {7, 9};
    struct pattern_set  set = {patterns, flags, numbers, 2};
    hs_compile_error_t *fault = NULL;
    (void)state;
    assert_int_equal(times_built(&set), 0);
    hs_database_t *database = database_of(&set, &fault);
    assert_non_null(database);
    assert_int_equal(scan(database, SLICE("LightHouse harbour-107 Harbour-108")).count, 2);
    hs_free_database(database);
}

static void patterns_flags_and_numbers_make_the_digest(void **state)
{
    const char        *patterns[] = {"ab", "c"}, *shifted[] = {"a", "bc"};
    unsigned           flags[] = {0, 0}, caseless[] = {0, HS_FLAG_CASELESS}, numbers[] = {1, 2}, others[] = {1, 3};
    struct pattern_set sets[] = {{patterns, flags, numbers, 2}, {shifted, flags, numbers, 2}, {patterns, caseless, numbers, 2},
                                 {patterns, flags, others, 2}, {patterns, flags, numbers, 1}};
    uint8_t            digests[5][PATTERN_SET_DIGEST];
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_true(pattern_set_digest(&sets[i], digests[i]));
        for (size_t j = 0; j < i; j++) assert_memory_not_equal(digests[i], digests[j], PATTERN_SET_DIGEST);
    }
}

static void a_pattern_that_does_not_compile_is_told(void **state)
{
    const char         *patterns[] = {"good", "(open"};
    unsigned            flags[] = {0, 0}, numbers[] = {0, 1};
    struct pattern_set  set = {patterns, flags, numbers, 2};
    hs_compile_error_t *fault = NULL;
    (void)state;
    assert_null(database_of(&set, &fault));
    assert_int_equal(fault->expression, 1);
    hs_free_compile_error(fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_builtin_policies_and_their_gates_look_for_is_compiled_by_the_build),
        cmocka_unit_test(what_the_build_compiled_matches_as_what_is_compiled_here),
        cmocka_unit_test(another_set_is_compiled_when_it_is_asked_for),
        cmocka_unit_test(patterns_flags_and_numbers_make_the_digest),
        cmocka_unit_test(a_pattern_that_does_not_compile_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
