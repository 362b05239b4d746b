#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/gate.h"

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

static void lines_with_a_proven_secret_are_cut_out_and_told(void **state)
{
    (void)state;
    char data[] = "{\"a\":1}\n{\"b\":\"ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8\"}\n{\"c\":3}\n"
                  "{\"d\":\"https://x.example/?sv=1&sig=[redacted:azure-sas-signature]\"}\n";
    size_t len = sizeof data - 1;
    cut_count = 0;
    assert_true(gate_filter(gate, data, &len, note_cut, NULL));
    assert_int_equal(cut_count, 1);
    assert_int_equal(cut_lines[0], 1);
    data[len] = '\0';
    assert_string_equal(data, "{\"a\":1}\n{\"c\":3}\n{\"d\":\"https://x.example/?sv=1&sig=[redacted:azure-sas-signature]\"}\n");
}

static void clean_bytes_pass_as_they_are(void **state)
{
    (void)state;
    char data[] = "{\"token_type\":\"Bearer\",\"id\":\"448325ee-0763-4067-aecd-ee4149f3cddc\"}\nlast line without an end";
    size_t len = sizeof data - 1;
    cut_count = 0;
    assert_true(gate_filter(gate, data, &len, note_cut, NULL));
    assert_int_equal(cut_count, 0);
    assert_int_equal(len, sizeof data - 1);
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
    };
    return cmocka_run_group_tests(tests, open_gate, close_gate);
}
