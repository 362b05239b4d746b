/* Inputs made to break the engine: each was once lost, left in, made invalid or took quadratic time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "inventing.h"
#include "policies_open.h"

#include <time.h>

static struct invented text;

struct example {
    const char *in, *out;
};

static void check_all(struct redacting *t, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text.len = 0;
        put(&text, examples[i].in);
        put(&text, "\n");
        const char *out = redacting_text(t, invented_slice(&text));
        size_t len = strlen(out);
        if (len == 0 || out[len - 1] != '\n' || !slice_equal(slice_of(out, len - 1), slice_from(examples[i].out)))
            fail_msg("\n  in       %s  out      %s  expected %s", text.data, out, examples[i].out);
    }
}

#define CHECK_ALL(...)                                          \
    static const struct example examples[] = {__VA_ARGS__};     \
    (void)state;                                                \
    check_all(&standard, examples, sizeof examples / sizeof *examples)

static void a_variable_that_stays_is_still_scanned(void **state)
{
    CHECK_ALL({"{\"m\":\"env PATH=/x?password=hunter2 B_C=1\"}",
               "{\"m\":\"env PATH=/x?password=[redacted:sensitive-name] B_C=[redacted:environment]\"}"},
              {"{\"m\":\"environ {'PATH': '/x?password=hunter2', 'B_C': 'x'}\"}",
               "{\"m\":\"environ {'PATH': '/x?password=[redacted:sensitive-name]', 'B_C': '[redacted:environment]'}\"}"});
}

static void what_stands_before_an_equals_sign_is_examined(void **state)
{
    CHECK_ALL({"{\"env\":[\"cfg cGFzc3dvcmQ9aHVudGVyMjIyMg end=1\"]}", "{\"env\":[\"cfg [redacted:sensitive-name] end=[redacted:environment]\"]}"});
}

static void encoded_keys_are_decoded(void **state)
{
    CHECK_ALL({"{\"x%20password%3Dhunter2%20y\":true}", "{\"x%20password%3D[redacted:sensitive-name]%20y\":true}"},
              {"{\"cGFzc3dvcmQ9aHVudGVyMjIyMg==\":1}", "{\"[redacted:sensitive-name]\":1}"},
              {"{\"a%25b\":1}", "{\"a%25b\":1}"}, {"{\"a%25b\":1}", "{\"a%25b\":1}"});
}

#define TEN(x)  x x x x x x x x x x
#define LONG    TEN(TEN("abc_"))   /* longer than names are */

static void every_name_of_a_pair_counts_escaped_or_not(void **state)
{
    CHECK_ALL({"{\"name\":\"p\\u0061ssword\",\"value\":\"hunter2\"}", "{\"name\":\"p\\u0061ssword\",\"value\":\"[redacted:sensitive-name]\"}"},
              {"{\"key\":\"x\",\"name\":\"password\",\"value\":\"hunter2\"}",
               "{\"key\":\"x\",\"name\":\"password\",\"value\":\"[redacted:sensitive-name]\"}"},
              {"{\"name\":\"" LONG "p\\u0061ssword\",\"value\":\"hunter2\"}",
               "{\"name\":\"" LONG "p\\u0061ssword\",\"value\":\"[redacted:sensitive-name]\"}"});
}

static void characters_are_never_cut_in_two(void **state)
{
    CHECK_ALL({"{\"m\":\"\xc2\xa9" "Abc123456 und\",\"n\":\"password=%A9Abc123456\"}",
               "{\"m\":\"[redacted:sensitive-name] und\",\"n\":\"password=[redacted:sensitive-name]\"}"},
              {"{\"m\":\"p@ssw" "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
               "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
               "\xe2\x82\xac\xe2\x82\xac\"}",
               "{\"m\":\"[redacted:sensitive-name]\xe2\x82\xac\"}"});
}

static void brackets_alone_make_no_placeholder(void **state)
{
    CHECK_ALL({"{\"password\":\"<x7$Qe9>\"}", "{\"password\":\"[redacted:sensitive-name]\"}"},
              {"{\"password\":\"{\\\"pw\\\":\\\"geheim99\\\"}\"}", "{\"password\":\"[redacted:sensitive-name]\"}"},
              {"{\"password\":\"<password>\",\"secret\":\"${DB_PASSWORD_1}\"}", "{\"password\":\"<password>\",\"secret\":\"${DB_PASSWORD_1}\"}"});
}

static void markers_are_no_names(void **state)
{
    CHECK_ALL({"{\"[redacted:github-token]\":\"blue\",\"m\":\"[redacted:github-token]: blue\"}",
               "{\"[redacted:github-token]\":\"blue\",\"m\":\"[redacted:github-token]: blue\"}"},
              {"{\"[redacted:my-token]\":\"hunter2\"}", "{\"[redacted:my-token]\":\"[redacted:sensitive-name]\"}"});
}

static void a_card_number_may_be_written_as_a_fraction(void **state)
{
    CHECK_ALL({"{\"a\":4111111111111111.0}", "{\"a\":\"[redacted:payment-card]\"}"}, {"{\"a\":4111111111111112.0}", "{\"a\":4111111111111112.0}"});
}

static void a_split_container_may_stand_before_an_empty_one(void **state)
{
    (void)state;
    assert_string_equal(redacting_text(&keeping, SLICE("[{\"a\":1},{\"b\":}]\n{\"records\":[],\"c\":1}\n")), "[{\"a\":1}]\n{\"records\":[],\"c\":1}\n");
}

/* --- Time ---------------------------------------------------------------------------------------------------------------------- */

/* Processor seconds for a record of one string in which `unit` is repeated `times` times. */
static double seconds_for(const char *before, const char *unit, size_t times, const char *after)
{
    text.len = 0;
    put(&text, before);
    for (size_t i = 0; i < times; i++) put(&text, unit);
    put(&text, after);
    clock_t start = clock();
    redacting_text(&standard, invented_slice(&text));
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* Eight times the input takes 64 times as long where time is quadratic; here at most 24 times is allowed. Units are chosen so
 * that quadratic time is far above the noise. */
static void time_is_linear_in_the_input(void **state)
{
    static const struct {
        const char *before, *unit, *after;
    } inputs[] = {
        {"{\"m\":\"", "key=\\\\'", "\"}\n"},
        {"{\"m\":\"", "AZUREML_", "\"}\n"},
        {"{\"a\":0", ",\"value\":1", "}\n"},
        {"{\"m\":\"", "password=", "\"}\n"},
        {"{\"m\":\"", "env 'A_B", "\"}\n"},
        {"{\"m\":\"", "A_B=1\\n", "\"}\n"},
        {"{\"m\":\"", "password=\\\\'", "\"}\n"},
        {"{\"m\":\"", "PATH=/x\\nHOME=/y\\n", "\"}\n"},
        {"{\"m\":\"", "?a=", "\"}\n"},
        {"{\"m\":\"", "eyJ", "\"}\n"},
        {"{\"m\":\"", "%2541", "\"}\n"},
        {"{\"m\":\"", "cGFzc3dvcmQ9 ", "\"}\n"},
        {"{\"records\":[{}", ",{\"runId\":\"exp_1795319000_9f3c21ab\"}", "]}\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        size_t times = 60000 / strlen(inputs[i].unit);
        double little = seconds_for(inputs[i].before, inputs[i].unit, times, inputs[i].after);
        double much = seconds_for(inputs[i].before, inputs[i].unit, 8 * times, inputs[i].after);
        if (much > 24 * little + 0.5) fail_msg("%s: %.3f s, then %.3f s for eight times as much", inputs[i].unit, little, much);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_that_stays_is_still_scanned),
        cmocka_unit_test(what_stands_before_an_equals_sign_is_examined),
        cmocka_unit_test(encoded_keys_are_decoded),
        cmocka_unit_test(every_name_of_a_pair_counts_escaped_or_not),
        cmocka_unit_test(characters_are_never_cut_in_two),
        cmocka_unit_test(brackets_alone_make_no_placeholder),
        cmocka_unit_test(markers_are_no_names),
        cmocka_unit_test(a_card_number_may_be_written_as_a_fraction),
        cmocka_unit_test(a_split_container_may_stand_before_an_empty_one),
        cmocka_unit_test(time_is_linear_in_the_input),
    };
    return cmocka_run_group_tests(tests, open_policies, close_policies);
}
