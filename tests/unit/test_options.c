#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "options.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Parses up to seven arguments as those of redact. */
static bool parse(struct options *o, struct error *err, const char *const arguments[8])
{
    char *argv[8];
    int   argc = 0;
    *err = (struct error){0};
    while (arguments[argc] != NULL) {
        argv[argc] = (char *)(uintptr_t)arguments[argc];
        argc++;
    }
    return options_parse(o, FOR_REDACT, argc, argv, err);
}

static void a_value_may_follow_its_option_in_every_way(void **state)
{
    static const char *const lines[][8] = {
        {"-o", "out"}, {"-oout"}, {"--output", "out"}, {"--output=out"}, {"-o", "other", "--output=out"}, {"in", "-o", "out"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct options o;
        struct error   err;
        assert_true(parse(&o, &err, lines[i]));
        assert_string_equal(option_text(&o, OPTION_OUTPUT), "out");
        options_release(&o);
    }
}

static void what_is_no_option_is_a_path(void **state)
{
    static const char *const line[8] = {"a", "--strict", "-", "--", "--quiet", "-o"};
    struct options           o;
    struct error             err;
    (void)state;
    assert_true(parse(&o, &err, line));
    assert_int_equal(o.path_count, 4);
    assert_string_equal(o.paths[0], "a");
    assert_string_equal(o.paths[1], "-");
    assert_string_equal(o.paths[2], "--quiet");
    assert_string_equal(o.paths[3], "-o");
    assert_true(option_given(&o, OPTION_STRICT));
    assert_false(option_given(&o, OPTION_QUIET));
    options_release(&o);
}

static void an_option_not_given_has_its_default(void **state)
{
    static const char *const line[8] = {"in"};
    struct options           o;
    struct error             err;
    size_t                   bytes = 0, depth = 0;
    (void)state;
    assert_true(parse(&o, &err, line));
    assert_string_equal(option_text(&o, OPTION_POLICY), "standard");
    assert_null(option_text(&o, OPTION_OUTPUT));
    assert_true(option_bytes(&o, OPTION_MAX_RECORD, 1, SIZE_MAX, &bytes, &err));
    assert_int_equal(bytes, 1024 * 1024);
    assert_true(option_number(&o, OPTION_MAX_DEPTH, 1, 1000, &depth, &err));
    assert_int_equal(depth, 128);
    options_release(&o);
}

static void wrong_lines_are_usage_errors_that_say_why(void **state)
{
    static const struct {
        const char *line[8], *text;
    } cases[] = {
        {{"--polcy", "hbi"}, "unknown option '--polcy'; did you mean '--policy'?"},
        {{"--keep-containers"}, "unknown option '--keep-containers'; did you mean '--keep-container'?"},
        {{"--outptu=x"}, "unknown option '--outptu'; did you mean '--output'?"},
        {{"--zzzzzzzzzz"}, "unknown option '--zzzzzzzzzz'; try --help"},
        {{"-x"}, "unknown option '-x'; try --help"},
        {{"--jobs"}, "option '--jobs' needs a value: N"},
        {{"-o"}, "option '-o' needs a value: PATH"},
        {{"--output="}, "option '--output' needs a value: PATH"},
        {{"--strict=yes"}, "option '--strict' takes no value"},
        {{"-hx"}, "option '-h' takes no value"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options o;
        struct error   err;
        assert_false(parse(&o, &err, cases[i].line));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_string_equal(err.text, cases[i].text);
        options_release(&o);
    }
}

static void an_option_of_another_command_is_unknown(void **state)
{
    char           policy[] = "--policy=hbi";
    char          *argv[] = {policy};
    struct options o;
    struct error   err = {0};
    (void)state;
    assert_false(options_parse(&o, FOR_KEYGEN, 1, argv, &err));
    options_release(&o);
}

static void sizes_take_suffixes_and_have_limits(void **state)
{
    static const struct {
        const char *text;
        bool        valid;
        size_t      bytes;
    } cases[] = {
        {"1024", true, 1024}, {"2K", true, 2048}, {"2k", true, 2048}, {"3M", true, 3145728}, {"1G", true, 1073741824},
        {"0", false, 0}, {"2G", false, 0}, {"", false, 0}, {"K", false, 0}, {"-1", false, 0}, {"+1", false, 0}, {" 1", false, 0},
        {"1KB", false, 0}, {"1T", false, 0}, {"1.5M", false, 0}, {"0x10", false, 0},
        {"99999999999999999999", false, 0}, {"18446744073709551615", false, 0}, {"17179869184G", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options o = {0};
        struct error   err = {0};
        size_t         bytes = 0;
        o.values[OPTION_MAX_RECORD] = cases[i].text;
        assert_int_equal(option_bytes(&o, OPTION_MAX_RECORD, 1, 1u << 30, &bytes, &err), cases[i].valid);
        if (cases[i].valid) assert_int_equal(bytes, cases[i].bytes);
    }
}

static void a_number_takes_no_suffix(void **state)
{
    struct options o = {0};
    struct error   err = {0};
    size_t         number;
    (void)state;
    o.values[OPTION_JOBS] = "2K";
    assert_false(option_number(&o, OPTION_JOBS, 1, 10000, &number, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_may_follow_its_option_in_every_way),
        cmocka_unit_test(what_is_no_option_is_a_path),
        cmocka_unit_test(an_option_not_given_has_its_default),
        cmocka_unit_test(wrong_lines_are_usage_errors_that_say_why),
        cmocka_unit_test(an_option_of_another_command_is_unknown),
        cmocka_unit_test(sizes_take_suffixes_and_have_limits),
        cmocka_unit_test(a_number_takes_no_suffix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
