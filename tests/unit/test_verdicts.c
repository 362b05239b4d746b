/* What becomes of a record in the corners: where places, names, encodings, echoes and limits meet. Pseudonyms are not shown; they are
 * compared with one another. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policies_open.h"
#include "redaction/engine.h"

#include <stdlib.h>
#include <unistd.h>

struct example {
    const char *in, *out;   /* "": withheld */
};

static struct redacting stern, lax;
static uint64_t         withheld[REFUSAL_COUNT];   /* of the last call */

/* Clean text for one line; counts what was withheld. */
static const char *clean(struct redacting *t, const char *line)
{
    static char  *in;
    struct tally  before = *redactor_tally(t->redactor);
    free(in);
    assert_true(asprintf(&in, "%s\n", line) > 0);
    const char *out = redacting_text(t, slice_from(in));
    for (size_t i = 0; i < REFUSAL_COUNT; i++) withheld[i] = redactor_tally(t->redactor)->withheld[i] - before.withheld[i];
    return out;
}

static void check_all(struct redacting *t, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *out = clean(t, examples[i].in);
        size_t      len = strlen(out), lines = examples[i].out[0] != '\0';
        if (len != strlen(examples[i].out) + lines || strncmp(out, examples[i].out, strlen(examples[i].out)) != 0)
            fail_msg("\n  in       %s\n  out      %s  expected %s", examples[i].in, out, examples[i].out);
    }
}

#define CHECK_ALL(profile, ...)                                                                                                \
    static const struct example examples[] = {__VA_ARGS__};                                                                    \
    (void)state;                                                                                                               \
    check_all(profile, examples, sizeof examples / sizeof *examples)

static void assert_withheld(struct redacting *t, const char *line, enum refusal refusal)
{
    assert_string_equal(clean(t, line), "");
    for (size_t i = 0; i < REFUSAL_COUNT; i++)
        if (withheld[i] != (i == refusal)) fail_msg("%s: %d records withheld: %s", line, (int)withheld[i], refusal_text((enum refusal)i));
}

/* --- Actions ---------------------------------------------------------------------------------------------------------------- */

static void a_value_that_is_dropped_leaves_nothing_behind(void **state)
{
    CHECK_ALL(&stern, {"{\"note\":\"x\",\"a\":1}", "{\"note\":\"\",\"a\":1}"}, {"{\"note\":17}", "{\"note\":null}"},
              {"{\"note\":{\"b\":[1,2]}}", "{\"note\":null}"}, {"{\"note\":true}", "{\"note\":true}"});
}

static void a_place_of_the_policy_masks_whatever_stands_there(void **state)
{
    CHECK_ALL(&stern, {"{\"ticket\":\"blue\"}", "{\"ticket\":\"[redacted:policy-path]\"}"}, {"{\"ticket\":7}", "{\"ticket\":\"[redacted:policy-path]\"}"},
              {"{\"ticket\":{\"a\":\"blue\"}}", "{\"ticket\":\"[redacted:policy-path]\"}"},
              {"{\"ticket\":[\"blue\"]}", "{\"ticket\":\"[redacted:policy-path]\"}"});
}

/* Of a container that is no model data only the values go, so that what it is about can still be told. */
static void a_class_masks_the_values_below_its_place_one_by_one(void **state)
{
    CHECK_ALL(&stern, {"{\"grants\":{\"a\":\"blue\",\"b\":[\"red\",{\"c\":8}]}}",
                       "{\"grants\":{\"a\":\"[redacted:sensitive-name]\",\"b\":[\"[redacted:sensitive-name]\",{\"c\":\"[redacted:sensitive-name]\"}]}}"},
              {"{\"grant\":{\"a\":\"blue\"}}", "{\"grant\":{\"a\":\"blue\"}}"}, {"{\"grant\":\"blue\"}", "{\"grant\":\"[redacted:sensitive-name]\"}"});
}

static void what_the_policy_allows_stays_as_a_whole_value_only(void **state)
{
    CHECK_ALL(&stern, {"{\"password\":\"Open-Sesame-1\"}", "{\"password\":\"Open-Sesame-1\"}"},
              {"{\"password\":\"Open-Sesame-12\"}", "{\"password\":\"[redacted:sensitive-name]\"}"});
}

static void a_class_that_is_kept_is_left_alone_by_every_way_of_finding(void **state)
{
    CHECK_ALL(&lax, {"{\"password\":12345,\"token\":\"q8Zr2LmK0vXwPb7NcYtD4fGh\",\"m\":\"password=hunter2\"}",
                     "{\"password\":12345,\"token\":\"q8Zr2LmK0vXwPb7NcYtD4fGh\",\"m\":\"password=hunter2\"}"},
              {"{\"environmentVariables\":{\"A_B\":\"v1\",\"N\":5}}", "{\"environmentVariables\":{\"A_B\":\"v1\",\"N\":5}}"},
              {"{\"env\":[\"A_B=v1\"]}", "{\"env\":[\"A_B=v1\"]}"});
}

/* --- Addresses -------------------------------------------------------------------------------------------------------------- */

static void a_truncated_address_keeps_its_network_and_nothing_else(void **state)
{
    CHECK_ALL(&stern, {"{\"callerIpAddress\":\"198.51.100.7\"}", "{\"callerIpAddress\":\"198.51.100.0\"}"},
              {"{\"callerIpAddress\":\"198.51.100.7:443\"}", "{\"callerIpAddress\":\"198.51.100.0\"}"},
              {"{\"callerIpAddress\":\"2001:db8:1:2::5\"}", "{\"callerIpAddress\":\"2001:db8:1::\"}"},
              {"{\"callerIpAddress\":\"[2001:db8:1:2::5]:443\"}", "{\"callerIpAddress\":\"2001:db8:1::\"}"},
              {"{\"callerIpAddress\":\"::1\"}", "{\"callerIpAddress\":\"::\"}"});
}

static void what_is_no_address_keeps_nothing_where_addresses_are_truncated(void **state)
{
    CHECK_ALL(&stern, {"{\"callerIpAddress\":\"maja.berg.lund.contoso.example\"}", "{\"callerIpAddress\":\"0.0.0.0\"}"},
              {"{\"callerIpAddress\":\"[2001:db8:1\"}", "{\"callerIpAddress\":\"0.0.0.0\"}"},
              {"{\"callerIpAddress\":\"a:b:c:secret\"}", "{\"callerIpAddress\":\"0.0.0.0\"}"},
              {"{\"callerIpAddress\":\"198.51.100.7, 198.51.100.8, 198.51.100.9, 198.51.100.10\"}", "{\"callerIpAddress\":\"0.0.0.0\"}"},
              {"{\"callerIpAddress\":17}", "{\"callerIpAddress\":\"0.0.0.0\"}"});
}

static void an_address_that_means_none_stays(void **state)
{
    CHECK_ALL(&hbi, {"{\"client_IP\":\"0.0.0.0\"}", "{\"client_IP\":\"0.0.0.0\"}"}, {"{\"client_IP\":\"::\"}", "{\"client_IP\":\"::\"}"});
}

/* --- Pseudonyms ------------------------------------------------------------------------------------------------------------- */

/* Whether both values of run ids get the same pseudonym, and none of them stays. */
static bool same_run(const char *one, const char *two)
{
    char line[1024], a[64] = "", b[64] = "";
    snprintf(line, sizeof line, "{\"runId\":\"%s\",\"rootRunId\":\"%s\"}", one, two);
    const char *out = clean(&standard, line);
    if (sscanf(out, "{\"runId\":\"%63[^\"]\",\"rootRunId\":\"%63[^\"]\"}", a, b) != 2 || strncmp(a, "run-", 4) != 0 || strncmp(b, "run-", 4) != 0)
        fail_msg("%s gives %s", line, out);
    return strcmp(a, b) == 0;
}

static void spellings_that_mean_the_same_get_one_pseudonym(void **state)
{
    (void)state;
    assert_true(same_run("Exp-17", "exp-17"));
    assert_true(same_run("  exp-17 ", "exp-17"));
    assert_true(same_run("   ", "  "));
    assert_true(same_run("448325ee-0763-4067-aecd-ee4149f3cddc", "448325ee07634067aecdee4149f3cddc"));
    assert_false(same_run("exp-17", "exp17"));
}

/* Thirty-six characters with a dash at some of the four places are no GUID. */
static void only_the_dashes_of_a_guid_mean_nothing(void **state)
{
    (void)state;
    assert_false(same_run("448325ee-076394067baecdcee4149f3cddc", "448325ee076394067baecdcee4149f3cddc"));
    assert_false(same_run("448325ee-0763-4067baecdcee4149f3cddc", "448325ee07634067baecdcee4149f3cddc"));
    assert_false(same_run("448325ee-0763-4067-aecdcee4149f3cddc", "448325ee07634067aecdcee4149f3cddc"));
}

static void a_long_value_has_a_pseudonym_too(void **state)
{
    char one[301], two[301];
    (void)state;
    memset(one, 'a', 300);
    memset(two, 'a', 300);
    one[300] = two[300] = '\0';
    assert_true(same_run(one, two));
    two[299] = 'b';
    assert_false(same_run(one, two));
}

/* --- Whole nodes inside encodings ---------------------------------------------------------------------------------------- */

static void quotes_around_a_replacement_are_encoded_as_deep_as_it_stands(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"{&quot;password&quot;:123}\"}", "{\"m\":\"{&quot;password&quot;:&quot;[redacted:sensitive-name]&quot;}\"}"},
        {"{\"m\":\"%7B%22b%22%3A%22%7B%5C%22password%5C%22%3A1%7D%22%7D\"}",
         "{\"m\":\"%7B%22b%22%3A%22%7B%5C%22password%5C%22%3A%5C%22[redacted:sensitive-name]%5C%22%7D%22%7D\"}"},
        {"{\"m\":\"{&quot;b&quot;:&quot;{\\\\&quot;password\\\\&quot;:1}&quot;}\"}",
         "{\"m\":\"{&quot;b&quot;:&quot;{\\\\&quot;password\\\\&quot;:\\\\&quot;[redacted:sensitive-name]\\\\&quot;}&quot;}\"}"},
        {"{\"m\":\"{\\u0000\\\"\\u0000p\\u0000a\\u0000s\\u0000s\\u0000w\\u0000o\\u0000r\\u0000d\\u0000\\\"\\u0000:\\u00001\\u00007\\u0000}\\u0000\"}",
         "{\"m\":\"{\\u0000\\\"\\u0000p\\u0000a\\u0000s\\u0000s\\u0000w\\u0000o\\u0000r\\u0000d\\u0000\\\"\\u0000:\\u0000\\\"[redacted:sensitive-name]\\\"\\u0000}\\u0000\"}"});
}

static void of_base64_the_whole_goes_when_a_number_in_it_does(void **state)
{
    CHECK_ALL(&standard, {"{\"m\":\"cfg eyJwYXNzd29yZCI6MTIzNDV9 x\"}", "{\"m\":\"cfg [redacted:sensitive-name] x\"}"});
}

static void json_in_a_string_without_escapes_is_json_all_the_same(void **state)
{
    CHECK_ALL(&standard, {"{\"m\":\"[1,4111111111111111]\"}", "{\"m\":\"[1,\\\"[redacted:payment-card]\\\"]\"}"}, {"{\"m\":\"[1,2,3,4,5]\"}", "{\"m\":\"[1,2,3,4,5]\"}"});
}

/* --- Text ------------------------------------------------------------------------------------------------------------------ */

static void blanks_hide_nothing_and_are_nothing(void **state)
{
    CHECK_ALL(&standard, {"{\"m\":\"            \"}", "{\"m\":\"            \"}"}, {"{\"m\":\" password=hunter2\"}", "{\"m\":\" password=[redacted:sensitive-name]\"}"},
              {"{\"m\":\"  {\\\"password\\\":\\\"hunter2\\\"}\"}", "{\"m\":\"  {\\\"password\\\":\\\"[redacted:sensitive-name]\\\"}\"}"},
              {"{\"m\":\" \\n\\t\\r[1,4111111111111111]\"}", "{\"m\":\" \\n\\t\\r[1,\\\"[redacted:payment-card]\\\"]\"}"});
}

static void in_any_list_what_is_spelt_like_a_variable_with_its_value_is_one(void **state)
{
    CHECK_ALL(&standard, {"{\"argv\":[\"run\",\"MODE_X=north9\",\"PATH=north9\",\"_X=north9\",\"B2=north9\"]}",
                          "{\"argv\":[\"run\",\"MODE_X=[redacted:environment]\",\"PATH=north9\",\"_X=[redacted:environment]\",\"B2=[redacted:environment]\"]}"},
              {"{\"argv\":[\"MODE_Y north9\",\"MODE_Y\",\"Mode=north9\",\"A=north9\",\"9AB=north9\",\"=north9\"]}",
               "{\"argv\":[\"MODE_Y north9\",\"MODE_Y\",\"Mode=north9\",\"A=north9\",\"9AB=north9\",\"=north9\"]}"});
}

static void a_list_of_names_of_headers_is_no_list_of_headers(void **state)
{
    CHECK_ALL(&standard, {"{\"h\":[\"Cookie\",\"zebra\"]}", "{\"h\":[\"Cookie\",\"[redacted:sensitive-name]\"]}"},
              {"{\"h\":[\"Host\",\"Cookie\",\"zebra\"]}", "{\"h\":[\"Host\",\"Cookie\",\"zebra\"]}"});
}

static void an_environment_may_have_empty_elements_and_odd_names(void **state)
{
    CHECK_ALL(&standard, {"{\"env\":[\"A_B=1x\",\"\",\"{\",\"[\",\"=\",\"plain\"]}", "{\"env\":[\"A_B=[redacted:environment]\",\"\",\"{\",\"[\",\"=\",\"plain\"]}"},
              {"{\"env\":{\"DB~X\":{\"a\":\"v1\"}}}", "{\"env\":{\"DB~X\":{\"a\":\"[redacted:environment]\"}}}"},
              {"{\"environmentVariables\":{\"A_B\":\"\"}}", "{\"environmentVariables\":{\"A_B\":\"\"}}"},
              {"{\"x\":[{\"name\":\"1AB\",\"value\":\"plain\"},{\"name\":\"AB\",\"value\":\"plain\"}]}",
               "{\"x\":[{\"name\":\"1AB\",\"value\":\"plain\"},{\"name\":\"AB\",\"value\":\"[redacted:environment]\"}]}"});
}

static void long_numbers_are_read_with_or_without_a_fraction(void **state)
{
    CHECK_ALL(&standard, {"{\"a\":10000000000}", "{\"a\":10000000000}"}, {"{\"a\":-0.0000000000}", "{\"a\":-0.0000000000}"},
              {"{\"a\":4111111111111111.000}", "{\"a\":\"[redacted:payment-card]\"}"}, {"{\"a\":4111111111111111.5}", "{\"a\":4111111111111111.5}"});
}

/* The way back from a long text to its bytes goes by marks, one for 512 of them. */
static void a_secret_far_inside_an_encoded_text_is_cut_out_where_it_stands(void **state)
{
    char in[8192] = "{\"m\":\"", out[8192] = "{\"m\":\"";
    (void)state;
    for (int i = 0; i < 600; i++) strcat(in, "ab%20c"), strcat(out, "ab%20c");
    strcat(in, "%20password%3Dhunter2%20z\"}");
    strcat(out, "%20password%3D[redacted:sensitive-name]%20z\"}\n");
    assert_string_equal(clean(&standard, in), out);
}

/* Base64 of 2400 times 'a ' and a password. */
static void of_long_base64_the_whole_goes(void **state)
{
    char in[8192] = "{\"m\":\"cfg ";
    (void)state;
    for (int i = 0; i < 800; i++) strcat(in, "YSBhIGEg");   /* "a a a " */
    strcat(in, "cGFzc3dvcmQ9aHVudGVyMjIyMg== end\"}");
    assert_string_equal(clean(&standard, in), "{\"m\":\"cfg [redacted:sensitive-name] end\"}\n");
}

/* --- Echoes ----------------------------------------------------------------------------------------------------------------- */

static void an_echo_is_found_up_to_the_very_end_of_a_text(void **state)
{
    CHECK_ALL(&standard, {"{\"password\":\"Tr0ub4dor3x\",\"m\":\"a\\nTr0ub4dor3x\"}", "{\"password\":\"[redacted:sensitive-name]\",\"m\":\"a\\n[redacted:sensitive-name]\"}"});
    char        a[64] = "", b[64] = "";
    const char *out = clean(&standard, "{\"runId\":\"exp-1234b\",\"m\":\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\"}");
    assert_non_null(strstr(out, "\"m\":\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\"}"));   /* nothing is in it */
    out = clean(&standard, "{\"runId\":\"exp-1234a\",\"m\":\"x\\nexp-1234a\",\"n\":\"exp-1234ab\"}");
    assert_int_equal(sscanf(out, "{\"runId\":\"%63[^\"]\",\"m\":\"x\\n%63[^\"]\",\"n\":\"exp-1234ab\"}", a, b), 2);
    assert_string_equal(a, b);
}

static void an_echo_stays_inside_one_string(void **state)
{
    CHECK_ALL(&standard, {"{\"password\":\"ab\\\":\\\"cdef12\",\"ab\":\"cdef12\"}", "{\"password\":\"[redacted:sensitive-name]\",\"ab\":\"cdef12\"}"},
              {"{\"password\":\"12345678e1\",\"n\":12345678e1,\"m\":\"12345678e1\"}",
               "{\"password\":\"[redacted:sensitive-name]\",\"n\":12345678e1,\"m\":\"[redacted:sensitive-name]\"}"});
}

/* More needles than are searched for one by one, all beginning alike; up to 64 may. */
static const char *alike(int count)
{
    static char line[16384];
    size_t      len = (size_t)sprintf(line, "{\"environmentVariables\":{\"A\":\"x\"");
    for (int i = 0; i < count; i++) len += (size_t)sprintf(line + len, ",\"N%d\":\"samestart-%dQz7\"", i, i);
    sprintf(line + len, "},\"m\":\"see samestart-3Qz7!\"}");
    return line;
}

static void needles_that_begin_alike_are_all_found_or_the_record_is_withheld(void **state)
{
    (void)state;
    const char *out = clean(&standard, alike(60));
    assert_non_null(strstr(out, "\"m\":\"see [redacted:environment]!\""));
    assert_null(strstr(out, "samestart"));
    assert_withheld(&standard, alike(80), REFUSAL_BUDGET);
}

/* --- Limits ----------------------------------------------------------------------------------------------------------------- */

/* JSON in a string in JSON, so many levels; the innermost is `inner`. */
static char *nested(int levels, const char *inner)
{
    char *text = strdup(inner);
    for (int i = 0; i < levels; i++) {
        char *next = malloc(2 * strlen(text) + 16), *to = stpcpy(next, "{\"n\":\"");
        for (const char *p = text; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\') *to++ = '\\';
            *to++ = *p;
        }
        strcpy(to, "\"}");
        free(text);
        text = next;
    }
    return text;
}

static void a_record_is_examined_eight_encodings_deep_and_withheld_beyond(void **state)
{
    (void)state;
    char *eight = nested(8, "{\"password\":\"hunter2\"}"), *nine = nested(9, "{\"a\":1}"), *plain = nested(9, "{}");
    assert_null(strstr(clean(&standard, eight), "hunter2"));
    assert_int_equal(withheld[REFUSAL_DEPTH], 0);
    assert_withheld(&standard, nine, REFUSAL_DEPTH);
    assert_string_not_equal(clean(&standard, plain), "");   /* its text has no escape, so it is eight levels only */
    free(eight);
    free(nine);
    free(plain);
}

/* "%2525...41 and more": as many encodings as there are pairs of digits. */
static const char *percents(int levels, const char *rest)
{
    static char text[512];
    strcpy(text, "%");
    for (int i = 0; i < levels; i++) strcat(text, "25");
    return strcat(strcat(text, "41 and more"), rest);
}

static void keys_are_examined_as_deep_as_values(void **state)
{
    char line[512];
    (void)state;
    snprintf(line, sizeof line, "{\"%s\":\"a longer\\nvalue\"}", percents(12, ""));
    assert_withheld(&standard, line, REFUSAL_DEPTH);
    static const char *const inner[] = {"{\"b%25c\":1}", "{\"b\\u0063\":1}"};
    for (size_t i = 0; i < 2; i++) {
        char *eight = nested(8, inner[i]), *seven = nested(7, inner[i]);
        assert_withheld(&standard, eight, REFUSAL_DEPTH);
        assert_string_not_equal(clean(&standard, seven), "");
        free(eight);
        free(seven);
    }
}

/* A key is looked at once for all records that have it, unless something was found in what it encodes. */
static void a_secret_that_a_key_encodes_goes_from_every_record(void **state)
{
    static const char key[] = "{\"x %67hp_zshcOhpBZrkzUqobDvTI9N4DTE2ET634L8st\":1}", expected[] = "{\"x [redacted:github-token]\":1}\n";
    (void)state;
    for (int i = 0; i < 3; i++) assert_string_equal(clean(&standard, key), expected);
}

/* A base64 run that is one encoding too deep. */
static void base64_counts_as_an_encoding_too(void **state)
{
    (void)state;
    char *eight = nested(8, "{\"a\":\"cGFzc3dvcmQ9aHVudGVyMjIyMg== cGFzc3dvcmQ9aHVudGVyMjIyMg==\"}"), *seven = nested(7, "{\"a\":\"cGFzc3dvcmQ9aHVudGVyMjIyMg==\"}");
    assert_withheld(&standard, eight, REFUSAL_DEPTH);
    assert_null(strstr(clean(&standard, seven), "cGFzc3dvcmQ9"));
    assert_int_equal(withheld[REFUSAL_DEPTH], 0);
    free(eight);
    free(seven);
}

static void what_follows_a_refused_element_is_not_passed_either(void **state)
{
    char line[512];
    (void)state;
    snprintf(line, sizeof line, "{\"a\":[\"%s\",\"x\"],\"b\":1}", percents(12, ""));
    assert_withheld(&standard, line, REFUSAL_DEPTH);
    snprintf(line, sizeof line, "{\"a\":\"password=hunter2 %s\",\"hunter2xyz\":\"hunter2\"}", percents(12, ""));
    assert_withheld(&standard, line, REFUSAL_DEPTH);
}

/* Each encoding is undone over the whole text: six times its length and 64 KiB are allowed. */
static void decoding_has_a_budget(void **state)
{
    char *line = malloc(128 * 1024);
    (void)state;
    for (int levels = 5; levels <= 7; levels += 2) {
        size_t len = (size_t)sprintf(line, "{\"a\":\"%s", percents(levels, ""));
        memset(line + len, '.', 100 * 1024);
        strcpy(line + len + 100 * 1024, "\"}");
        if (levels == 5) assert_string_not_equal(clean(&standard, line), "");
        else assert_withheld(&standard, line, REFUSAL_BUDGET);
    }
    free(line);
}

static void json_in_a_string_may_not_nest_deeper_than_a_record(void **state)
{
    char line[512] = "{\"a\":\"";
    (void)state;
    memset(line + 6, '[', 150);
    memset(line + 156, ']', 150);
    strcpy(line + 306, "\"}");
    assert_withheld(&standard, line, REFUSAL_DEPTH);
}

/* A record with so many different keys, behind `before`, each in quotes written as `quote`. */
static char *many_keys(const char *before, const char *quote, int count, const char *after)
{
    char  *line = malloc((size_t)count * 16 + 256);
    size_t len = (size_t)sprintf(line, "%s{", before);
    for (int i = 0; i < count; i++) len += (size_t)sprintf(line + len, "%s%sk%x%s:1", i > 0 ? "," : "", quote, i, quote);
    sprintf(line + len, "}%s", after);
    return line;
}

static void a_record_with_too_many_different_keys_is_withheld(void **state)
{
    (void)state;
    char *most = many_keys("", "\"", 65000, ""), *more = many_keys("", "\"", 66000, ""), *inside = many_keys("{\"n\":\"", "\\\"", 66000, "\"}");
    assert_string_not_equal(clean(&standard, most), "");
    assert_withheld(&standard, more, REFUSAL_KEYS);
    assert_withheld(&standard, inside, REFUSAL_KEYS);
    free(most);
    free(more);
    free(inside);
}

static void a_record_longer_than_the_redactor_takes_is_withheld(void **state)
{
    struct error err = {0};
    (void)state;
    redactor_free(standard.redactor);
    standard.redactor = redactor_new(standard.plan, &(struct redactor_options){.max_record = 64, .max_depth = 16}, &err);
    assert_non_null(standard.redactor);
    assert_string_not_equal(clean(&standard, "{\"a\":\"123456789012345678901234567890123456789012345678901234567890123456789012\"}"), "");   /* 16 more */
    assert_withheld(&standard, "{\"a\":\"1234567890123456789012345678901234567890123456789012345678901234567890123\"}", REFUSAL_LENGTH);
    redacting_renew(&standard);
}

/* A scan buffer that is full: the text is not examined, so the record does not pass. */
static void a_text_for_which_there_is_no_room_refuses_its_record(void **state)
{
    struct view     view = {.text = SLICE("abcdefgh")};
    struct job      job = {0};
    struct redactor r = {.views = &view, .view_count = 1, .jobs = &job, .job_count = 1, .scan_len = UINT32_MAX / 2, .scan_capacity = UINT32_MAX / 2};
    (void)state;
    gather(&r, 0, 0, 8, 0);
    assert_int_equal(job.refusal, REFUSAL_MEMORY);
    assert_int_equal(r.leaf_count, 0);
    free(r.leaves);
}

/* --- Private keys that come line by line ------------------------------------------------------------------------------- */

static const char key_line[] = "Gt2Sef9PQxmDMRuqrud1XG2L3tCshqKNFjNOfl7mayGkGsb6LVw9";

static void a_line_of_a_private_key_goes_whatever_stands_before_it(void **state)
{
    static const char *const before[] = {"", " ", "\t", "2026-11-22 I ", "a\t", "INFO:root:", "[worker] ", "k|", "\"", "log>"};
    (void)state;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        char in[512];
        snprintf(in, sizeof in, "%s-----BEGIN PRIVATE KEY-----\n%s%s\n%sGGG=\n%s-----END PRIVATE KEY-----", before[i], before[i], key_line, before[i], before[i]);
        const char *out = clean(&standard, in);
        if (strstr(out, "Gt2S") != NULL || strstr(out, "GGG") != NULL) fail_msg("behind '%s': %s", before[i], out);
    }
}

static void what_is_no_key_between_its_lines_stays(void **state)
{
    (void)state;
    assert_string_equal(clean(&standard, "-----BEGIN PRIVATE KEY-----\nGGGGGGGG\nwait: a.b\nok (abc)\n-----END PRIVATE KEY-----"),
                        "{\"message\":\"[redacted:private-key]\"}\n{\"message\":\"[redacted:private-key]\"}\n{\"message\":\"wait: a.b\"}\n"
                        "{\"message\":\"ok (abc)\"}\n{\"message\":\"-----END PRIVATE KEY-----\"}\n");
}

static void a_line_of_a_private_key_that_is_refused_is_withheld(void **state)
{
    char in[512];
    (void)state;
    snprintf(in, sizeof in, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----", percents(12, ""));
    assert_string_equal(clean(&standard, in), "{\"message\":\"[redacted:private-key]\"}\n{\"message\":\"-----END PRIVATE KEY-----\"}\n");
    assert_int_equal(withheld[REFUSAL_DEPTH], 1);
}

/* The key `message` has no place any more. */
static void a_line_of_a_private_key_among_too_many_keys_is_withheld(void **state)
{
    (void)state;
    redacting_renew(&standard);   /* which has never seen it */
    char *in = many_keys("", "\"", 65600, "\n-----BEGIN PRIVATE KEY-----\nGGGGGGGGGGGG");
    assert_string_equal(clean(&standard, in), "");
    assert_int_equal(withheld[REFUSAL_KEYS], 3);
    free(in);
}

/* --- Containers that are kept ---------------------------------------------------------------------------------------------- */

/* A record that is refused. */
#define DEEP "{\"d\":\"%252525252525252525252541 and more\"}"

static void of_a_kept_container_the_refused_records_go_with_their_commas(void **state)
{
    CHECK_ALL(&keeping, {"[{\"a\":1},\t" DEEP " , {\"c\":3}]", "[{\"a\":1},\t{\"c\":3}]"}, {"[" DEEP ",{\"c\":3}]", "[{\"c\":3}]"},
              {"[{\"a\":1}," DEEP "]", "[{\"a\":1}]"}, {"[{\"a\":1}," DEEP "," DEEP "]", "[{\"a\":1}]"}, {"[" DEEP "," DEEP "]", "[]"},
              {"[{\"a\":1}," DEEP "," DEEP ",{\"b\":2}]", "[{\"a\":1},{\"b\":2}]"}, {"[ " DEEP " ]", "[  ]"},
              {"{\"records\":[" DEEP "],\"n\":1}", "{\"records\":[],\"n\":1}"},
              {"[{\"records\":[{\"a\":1}]},{\"records\":[" DEEP "]}]", "[{\"records\":[{\"a\":1}]},{\"records\":[]}]"},
              {"[{\"records\":[{\"a\":1}," DEEP "]},{\"records\":[" DEEP ",{\"b\":2}]}]", "[{\"records\":[{\"a\":1}]},{\"records\":[{\"b\":2}]}]"});
}

static void around_a_refused_record_line_breaks_are_no_hindrance(void **state)
{
    (void)state;
    assert_string_equal(redacting_text(&keeping, SLICE("[{\"a\":1},\r\n\t" DEEP "\r\n,\t\n {\"c\":3}]\n")), "[{\"a\":1},\r\n\t{\"c\":3}]\n");
}

static void what_stands_before_and_behind_the_records_is_cleaned(void **state)
{
    CHECK_ALL(&keeping, {"{\"a\":{\"password\":\"x1\"},\"records\":[{\"b\":2}],\"c\":[\"password=x1\"]}",
                         "{\"a\":{\"password\":\"[redacted:sensitive-name]\"},\"records\":[{\"b\":2}],\"c\":[\"password=[redacted:sensitive-name]\"]}"});
}

static void a_container_whose_own_members_cannot_be_examined_is_withheld_with_its_records(void **state)
{
    (void)state;
    assert_string_equal(clean(&keeping, "{\"records\":[{\"a\":1},{\"b\":2}],\"x\":\"%252525252525252525252541 and more\"}"), "");
    assert_int_equal(withheld[REFUSAL_DEPTH], 2);
    assert_string_equal(clean(&keeping, "{\"records\":[],\"x\":\"%252525252525252525252541 and more\"}"), "");
    assert_int_equal(withheld[REFUSAL_DEPTH], 1);
    char *keys = many_keys("{\"records\":[{\"a\":1}],\"x\":", "\"", 66000, "}");
    assert_string_equal(clean(&keeping, keys), "");
    assert_int_equal(withheld[REFUSAL_KEYS], 1);
    free(keys);
}

static void a_container_that_was_split_keeps_its_shape(void **state)
{
    CHECK_ALL(&keeping, {"{\"records\":[{\"a\":1},{\"b\":},{\"password\":\"x1\"}]}", "{\"records\":[{\"a\":1},{\"password\":\"[redacted:sensitive-name]\"}]}"},
              {"[{\"b\":},{\"a\":1}]", "[{\"a\":1}]"});
}

/* --- Containers that are streamed ------------------------------------------------------------------------------------------ */

/* An array of more than a record's bytes, its last element `last`; members behind it. */
static char *streamed(const char *before, const char *last, const char *after)
{
    size_t count = REDACTION_MAX_RECORD / 8 + 64, len;
    char  *text = malloc(8 * count + strlen(before) + strlen(last) + strlen(after) + 1);
    len = (size_t)sprintf(text, "%s", before);
    for (size_t i = 0; i < count; i++, len += 8) memcpy(text + len, "{\"a\":1},", 8);
    sprintf(text + len, "%s%s", last, after);
    return text;
}

static const char *end_of(const char *text, size_t len) { return strlen(text) < len ? text : text + strlen(text) - len; }

static void the_last_number_of_a_streamed_array_may_be_a_card(void **state)
{
    (void)state;
    char       *in = streamed("[", "4111111111111111", "]");
    const char *out = clean(&standard, in);
    assert_string_equal(end_of(out, 34), "{\"a\":1}\n\"[redacted:payment-card]\"\n");
    free(in);
}

static void a_streamed_container_that_is_kept_is_whole_but_for_what_goes(void **state)
{
    (void)state;
    char       *in = streamed("{\"records\":[", "{\"password\":\"x1\"}", "],\"token\":\"q8Zr2LmK0vXwPb7NcYtD4fGh\",\"d\":\"%252525252525252525252541 and more\",\"e\":1}");
    const char *out = clean(&keeping, in);
    assert_int_equal(strncmp(out, "{\"records\":[{\"a\":1},{\"a\":1},", 28), 0);
    static const char end[] = "{\"a\":1},{\"password\":\"[redacted:sensitive-name]\"}],\"token\":\"[redacted:sensitive-name]\",\"lethe.withheld\":null,\"e\":1}\n";
    assert_string_equal(end_of(out, sizeof end - 1), end);
    assert_int_equal(withheld[REFUSAL_DEPTH], 1);
    free(in);
}

static void a_streamed_container_may_hold_containers(void **state)
{
    static const struct example ends[] = {
        {"{\"records\":[{\"password\":\"x1\"},{\"b\":2}]},{\"c\":3}", "{\"records\":[{\"password\":\"[redacted:sensitive-name]\"},{\"b\":2}]},{\"c\":3}"},
        {"{\"value\":[{\"password\":\"x1\"}],\"token\":\"q8Zr2LmK0vXwPb7NcYtD4fGh\"}",
         "{\"value\":[{\"password\":\"[redacted:sensitive-name]\"}],\"token\":\"[redacted:sensitive-name]\"}"},
        {"{\"records\":[{\"b\":},{\"password\":\"x1\"},{\"d\":4}]},{\"c\":3}", "{\"records\":[{\"password\":\"[redacted:sensitive-name]\"},{\"d\":4}]},{\"c\":3}"},
        {"{\"records\":[" DEEP ",{\"d\":4}]}", "{\"records\":[{\"d\":4}]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char  end[256], *in = streamed("[", ends[i].in, "]");
        const char *out = clean(&keeping, in);
        snprintf(end, sizeof end, "{\"a\":1},%s]\n", ends[i].out);
        assert_string_equal(end_of(out, strlen(end)), end);
        free(in);
    }
}

/* --- Policies ---------------------------------------------------------------------------------------------------------------- */

static void open_policy(struct redacting *t, const char *text)
{
    char  path[] = "/tmp/lethe-verdicts-XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");
    assert_true(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
    redacting_open(t, path, false);
    unlink(path);
}

static void the_records_of_a_kept_container_are_counted_one_by_one(void **state)
{
    const struct tally *tally = redactor_tally(keeping.redactor), before = *tally;
    (void)state;
    clean(&keeping, "{\"records\":[{\"password\":\"hunter2\"},{\"a\":1},{\"b\":1},{\"m\":\"password=x1y2z3\"},{\"c\":1}],\"x\":1}");
    assert_int_equal(tally->records, before.records + 5);
    assert_int_equal(tally->redacted, before.redacted + 2);
    assert_int_equal(tally->clean, before.clean + 3);
}

static int open_all(void **state)
{
    open_policies(state);
    open_policy(&stern, "extends: standard\nclasses: {ip-address: truncate}\nallow: [Open-Sesame-1]\n"
                        "places: [{action: drop, paths: [note]}, {action: mask, paths: [ticket]}, {class: secret, paths: ['grants.**', grant]}]\n");
    open_policy(&lax, "extends: standard\nclasses: {secret: keep, environment: keep}\n");
    return 0;
}

static int close_all(void **state)
{
    redacting_close(&stern);
    redacting_close(&lax);
    return close_policies(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_is_dropped_leaves_nothing_behind),
        cmocka_unit_test(a_place_of_the_policy_masks_whatever_stands_there),
        cmocka_unit_test(a_class_masks_the_values_below_its_place_one_by_one),
        cmocka_unit_test(what_the_policy_allows_stays_as_a_whole_value_only),
        cmocka_unit_test(a_class_that_is_kept_is_left_alone_by_every_way_of_finding),
        cmocka_unit_test(a_truncated_address_keeps_its_network_and_nothing_else),
        cmocka_unit_test(what_is_no_address_keeps_nothing_where_addresses_are_truncated),
        cmocka_unit_test(an_address_that_means_none_stays),
        cmocka_unit_test(spellings_that_mean_the_same_get_one_pseudonym),
        cmocka_unit_test(only_the_dashes_of_a_guid_mean_nothing),
        cmocka_unit_test(a_long_value_has_a_pseudonym_too),
        cmocka_unit_test(quotes_around_a_replacement_are_encoded_as_deep_as_it_stands),
        cmocka_unit_test(of_base64_the_whole_goes_when_a_number_in_it_does),
        cmocka_unit_test(json_in_a_string_without_escapes_is_json_all_the_same),
        cmocka_unit_test(blanks_hide_nothing_and_are_nothing),
        cmocka_unit_test(in_any_list_what_is_spelt_like_a_variable_with_its_value_is_one),
        cmocka_unit_test(a_list_of_names_of_headers_is_no_list_of_headers),
        cmocka_unit_test(an_environment_may_have_empty_elements_and_odd_names),
        cmocka_unit_test(long_numbers_are_read_with_or_without_a_fraction),
        cmocka_unit_test(a_secret_far_inside_an_encoded_text_is_cut_out_where_it_stands),
        cmocka_unit_test(of_long_base64_the_whole_goes),
        cmocka_unit_test(an_echo_is_found_up_to_the_very_end_of_a_text),
        cmocka_unit_test(an_echo_stays_inside_one_string),
        cmocka_unit_test(needles_that_begin_alike_are_all_found_or_the_record_is_withheld),
        cmocka_unit_test(a_record_is_examined_eight_encodings_deep_and_withheld_beyond),
        cmocka_unit_test(keys_are_examined_as_deep_as_values),
        cmocka_unit_test(the_records_of_a_kept_container_are_counted_one_by_one),
        cmocka_unit_test(a_secret_that_a_key_encodes_goes_from_every_record),
        cmocka_unit_test(base64_counts_as_an_encoding_too),
        cmocka_unit_test(what_follows_a_refused_element_is_not_passed_either),
        cmocka_unit_test(decoding_has_a_budget),
        cmocka_unit_test(json_in_a_string_may_not_nest_deeper_than_a_record),
        cmocka_unit_test(a_record_with_too_many_different_keys_is_withheld),
        cmocka_unit_test(a_record_longer_than_the_redactor_takes_is_withheld),
        cmocka_unit_test(a_text_for_which_there_is_no_room_refuses_its_record),
        cmocka_unit_test(a_line_of_a_private_key_goes_whatever_stands_before_it),
        cmocka_unit_test(what_is_no_key_between_its_lines_stays),
        cmocka_unit_test(a_line_of_a_private_key_that_is_refused_is_withheld),
        cmocka_unit_test(a_line_of_a_private_key_among_too_many_keys_is_withheld),
        cmocka_unit_test(of_a_kept_container_the_refused_records_go_with_their_commas),
        cmocka_unit_test(around_a_refused_record_line_breaks_are_no_hindrance),
        cmocka_unit_test(what_stands_before_and_behind_the_records_is_cleaned),
        cmocka_unit_test(a_container_whose_own_members_cannot_be_examined_is_withheld_with_its_records),
        cmocka_unit_test(a_container_that_was_split_keeps_its_shape),
        cmocka_unit_test(the_last_number_of_a_streamed_array_may_be_a_card),
        cmocka_unit_test(a_streamed_container_may_hold_containers),
        cmocka_unit_test(a_streamed_container_that_is_kept_is_whole_but_for_what_goes),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
