#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "text.h"

struct example {
    const char *input, *expected;
};

static void check(void (*add)(struct text *, struct slice), const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct encoded out = {0};
        struct text    t = {.out = &out};
        add(&t, slice_from(examples[i].input));
        text_add(&t, slice_of("", 1));
        assert_false(t.failed);
        assert_string_equal(out.data, examples[i].expected);
        encoded_release(&out);
    }
}

static void a_json_string_escapes_what_it_must(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/d", "\"a\\\"b\\\\c/d\""},
        {"line\nfeed\ttab", "\"line\\u000afeed\\u0009tab\""},
        {"\x1b[2J", "\"\\u001b[2J\""},
        {"sm\xc3\xb6rg\xc3\xa5s \xf0\x9f\x98\x80", "\"sm\xc3\xb6rg\xc3\xa5s \xf0\x9f\x98\x80\""},
    };
    check(text_add_json, examples, sizeof examples / sizeof *examples);
}

static void a_json_string_is_valid_utf8_whatever_came_in(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"cut \xc3", "\"cut \xef\xbf\xbd\""},
        {"cut \xf0\x9f\x98", "\"cut \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"long \xc0\x80", "\"long \xef\xbf\xbd\xef\xbf\xbd\""},
        {"half \xed\xa0\x80", "\"half \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    check(text_add_json, examples, sizeof examples / sizeof *examples);
}

static void shown_text_cannot_steer_a_terminal(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a \"quoted\" \\ text", "a \"quoted\" \\ text"},
        {"\x1b[2J\r\n\x7f", "\\x1b[2J\\x0d\\x0a\\x7f"},
        {"\xc2\x9b" "2J", "\\xc2\\x9b2J"},
        {"cut \xc3", "cut \\xc3"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    };
    check(text_add_shown, examples, sizeof examples / sizeof *examples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_string_escapes_what_it_must),
        cmocka_unit_test(a_json_string_is_valid_utf8_whatever_came_in),
        cmocka_unit_test(shown_text_cannot_steer_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
