#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/gate.h"
#include "redaction/plan_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GITHUB       "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
#define OTHER_GITHUB "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"
#define JWT          "eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.c2ln"

static struct keyring *keyring;
static struct plan    *plan;
static struct gate    *gate;

static size_t cut_lines[8], cut_count;

static void note_cut(void *context, size_t line, uint32_t rule)
{
    (void)context;
    (void)rule;
    cut_lines[cut_count++] = line;
}

/* What is left of the text, in a buffer of its own. */
static const char *filtered(struct gate *g, const char *text)
{
    static char data[1024];
    size_t      len = strlen(text);
    memcpy(data, text, len + 1);
    cut_count = 0;
    assert_true(gate_filter(g, data, &len, note_cut, NULL));
    data[len] = '\0';
    return data;
}

static void lines_with_a_proven_secret_are_cut_out_and_told(void **state)
{
    (void)state;
    assert_string_equal(filtered(gate, "{\"a\":1}\n{\"b\":\"" GITHUB "\"}\n{\"c\":3}\n"
                                       "{\"d\":\"https://x.example/?sv=1&sig=[redacted:azure-sas-signature]\"}\n"),
                        "{\"a\":1}\n{\"c\":3}\n{\"d\":\"https://x.example/?sv=1&sig=[redacted:azure-sas-signature]\"}\n");
    assert_int_equal(cut_count, 1);
    assert_int_equal(cut_lines[0], 1);
}

static void clean_bytes_pass_as_they_are(void **state)
{
    static const char *const texts[] = {"{\"token_type\":\"Bearer\",\"id\":\"448325ee-0763-4067-aecd-ee4149f3cddc\"}\nlast line without an end", "\n", ""};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_string_equal(filtered(gate, texts[i]), texts[i]);
        assert_int_equal(cut_count, 0);
    }
}

static void a_line_with_several_secrets_is_told_once(void **state)
{
    (void)state;
    assert_string_equal(filtered(gate, GITHUB " " JWT " " GITHUB "\nb\n" JWT "\n"), "b\n");
    assert_int_equal(cut_count, 2);
    assert_int_equal(cut_lines[0], 0);
    assert_int_equal(cut_lines[1], 2);
}

static void a_last_line_without_an_end_is_looked_at(void **state)
{
    (void)state;
    assert_string_equal(filtered(gate, "a\n{\"b\":\"" GITHUB "\"}"), "a\n");
    assert_int_equal(cut_lines[0], 1);
}

/* Its first part decodes to no header, so it is no token; the line behind has one all the same. */
static void a_hit_that_proves_nothing_takes_no_line_with_it(void **state)
{
    (void)state;
    assert_string_equal(filtered(gate, "eyJub3Rqc29uYXRhbGw.eyJhIjoiYmNkZWYifQ\n" JWT "\nc\n"), "eyJub3Rqc29uYXRhbGw.eyJhIjoiYmNkZWYifQ\nc\n");
    assert_int_equal(cut_count, 1);
    assert_int_equal(cut_lines[0], 1);
}

/* The second line holds both a hit that proves nothing and a secret. */
static void a_hit_that_proves_nothing_hides_no_secret_beside_it(void **state)
{
    (void)state;
    assert_string_equal(filtered(gate, "eyJub3Rqc29uYXRhbGw.eyJhIjoiYmNkZWYifQ " JWT "\nb\n"), "b\n");
    assert_string_equal(filtered(gate, JWT " eyJub3Rqc29uYXRhbGw.eyJhIjoiYmNkZWYifQ\nb\n"), "b\n");
}

/* A shape that only its context makes a secret is redaction's business: the gate would cut out too much. */
static void what_only_context_makes_a_secret_passes(void **state)
{
    (void)state;
    assert_string_equal(filtered(gate, "password=hunter2 4111111111111111 maja@contoso.example\n"), "password=hunter2 4111111111111111 maja@contoso.example\n");
}

static struct slice standard(void *context, size_t line)
{
    (void)context, (void)line;
    return SLICE("standard");
}

static void what_is_found_is_told_and_stays_when_only_asked(void **state)
{
    (void)state;
    cut_count = 0;
    assert_true(gate_find(gate, SLICE("a\n" GITHUB "\n"), standard, note_cut, NULL));
    assert_int_equal(cut_count, 1);
    assert_int_equal(cut_lines[0], 1);
}

/* A gate of a policy file with these lines, which extends standard. */
static struct gate *gate_of(const char *lines, struct plan **of)
{
    char         path[] = "/tmp/lethe-gate-XXXXXX";
    struct error err = {0};
    int          fd = mkstemp(path);
    FILE        *f = fdopen(fd, "w");
    assert_true(f != NULL && fprintf(f, "extends: standard\n%s\n", lines) > 0 && fclose(f) == 0);
    *of = plan_new(path, keyring, &err);
    unlink(path);
    assert_non_null(*of);
    struct gate *g = gate_new(*of, &err);
    assert_non_null(g);
    return g;
}

/* A value is allowed as a whole: not for a part of it. */
static void what_the_policy_allows_or_does_not_look_for_passes(void **state)
{
    struct plan *of;
    struct gate *g = gate_of("rules: {disable: [jwt]}\nallow: [" GITHUB ", ghp_]", &of);
    (void)state;
    assert_string_equal(filtered(g, GITHUB "\n" JWT "\n" OTHER_GITHUB "\n"), GITHUB "\n" JWT "\n");
    gate_free(g);
    plan_free(of);
    gate_free(NULL);
}

static struct slice name_of_policy(void *context, size_t line)
{
    (void)line;
    return slice_from(context);
}

static void note_cut_of_policy(void *context, size_t line, uint32_t rule) { (void)context, note_cut(NULL, line, rule); }

/* The lax one lets tokens pass, the strictest does not. */
static void a_line_of_a_policy_that_is_not_there_is_judged_by_the_strictest(void **state)
{
    static const struct {
        const char *policy;
        size_t      found;
    } lines[] = {{"lax", 0}, {"standard", 1}, {"of an earlier run", 1}};
    char            folder[] = "/tmp/lethe-gate-XXXXXX", path[64];
    struct error    err = {0};
    struct plan_set *set = plan_set_new(plan, &err);
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lax", folder);
    FILE *f = fopen(path, "w");
    assert_true(f != NULL && fputs("extends: standard\nrules: {disable: [github-token]}\n", f) > 0 && fclose(f) == 0);
    struct plan *lax = plan_new(path, keyring, &err);
    assert_true(unlink(path) == 0 && rmdir(folder) == 0 && set != NULL && lax != NULL);
    assert_true(plan_set_add(set, (struct plan_scope){.source = "con*"}, lax, &err) && plan_set_close(set, &err));
    struct gate *both = gate_new_for_set(set, &err);
    assert_non_null(both);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        cut_count = 0;
        assert_true(gate_find(both, SLICE(GITHUB "\n"), name_of_policy, note_cut_of_policy, (void *)lines[i].policy));
        assert_int_equal(cut_count, lines[i].found);
        cut_count = 0;
        assert_true(gate_find(gate, SLICE(GITHUB "\n"), name_of_policy, note_cut_of_policy, (void *)lines[i].policy));   /* a gate of one policy */
        assert_int_equal(cut_count, 1);
    }
    gate_free(both);
    plan_set_free(set);
    plan_free(lax);
}

static int open_gate(void **state)
{
    (void)state;
    struct error err = {0};
    keyring = keyring_ephemeral(&err);
    plan = plan_new("standard", keyring, &err);
    gate = plan != NULL ? gate_new(plan, &err) : NULL;
    return gate == NULL;
}

static int close_gate(void **state)
{
    (void)state;
    gate_free(gate);
    plan_free(plan);
    keyring_free(keyring);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_with_a_proven_secret_are_cut_out_and_told),
        cmocka_unit_test(clean_bytes_pass_as_they_are),
        cmocka_unit_test(a_line_with_several_secrets_is_told_once),
        cmocka_unit_test(a_last_line_without_an_end_is_looked_at),
        cmocka_unit_test(a_hit_that_proves_nothing_takes_no_line_with_it),
        cmocka_unit_test(a_hit_that_proves_nothing_hides_no_secret_beside_it),
        cmocka_unit_test(what_only_context_makes_a_secret_passes),
        cmocka_unit_test(what_is_found_is_told_and_stays_when_only_asked),
        cmocka_unit_test(what_the_policy_allows_or_does_not_look_for_passes),
        cmocka_unit_test(a_line_of_a_policy_that_is_not_there_is_judged_by_the_strictest),
    };
    return cmocka_run_group_tests(tests, open_gate, close_gate);
}
