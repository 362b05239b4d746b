#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lines.h"

#include <stdlib.h>

struct memory {
    struct slice text;
    size_t       read_bytes;   /* handed out at a time */
    bool         fails;        /* at its end */
};

static ptrdiff_t read_memory(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct memory *m = context;
    size_t len = m->text.len < m->read_bytes ? m->text.len : m->read_bytes;
    if (len > capacity) len = capacity;
    if (len == 0 && m->fails) return error_set(err, ERROR_INPUT, "cannot read"), -1;
    memcpy(buffer, m->text.data, len);
    m->text = slice_sub(m->text, len, m->text.len);
    return (ptrdiff_t)len;
}

static void lines_come_out_whole_however_they_are_read(void **state)
{
    (void)state;
    static const struct { const char *text; const char *lines[4]; } cases[] = {
        {"", {NULL}},
        {"\n", {""}},
        {"one", {"one"}},
        {"one\ntwo\r\n\nthree", {"one", "two", "", "three"}},
        {"a\rb\r\r\n", {"a\rb\r"}},
    };
    struct lines l = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t read_bytes = 1; read_bytes < 8; read_bytes++) {
            struct error err = {0};
            struct memory m = {slice_from(cases[i].text), read_bytes, false};
            struct slice line;
            lines_begin(&l, (struct byte_source){read_memory, &m});
            for (size_t n = 0; n < 4 && cases[i].lines[n] != NULL; n++) {
                assert_int_equal(lines_next(&l, &line, &err), LINE_READ);
                assert_true(slice_equal(line, slice_from(cases[i].lines[n])));
                assert_int_equal(l.number, n + 1);
            }
            assert_int_equal(lines_next(&l, &line, &err), LINE_NONE);
            assert_int_equal(lines_next(&l, &line, &err), LINE_NONE);
        }
    }
    lines_release(&l);
}

static void a_long_line_between_short_ones_is_whole(void **state)
{
    (void)state;
    size_t len = 3000000;
    char *text = malloc(len + 10);
    struct error err = {0};
    struct lines l = {0};
    struct slice line;
    assert_non_null(text);
    memcpy(text, "one\n", 4);
    memset(text + 4, 'x', len);
    memcpy(text + 4 + len, "\ntwo\n", 6);
    struct memory m = {slice_from(text), 100000, false};
    lines_begin(&l, (struct byte_source){read_memory, &m});
    assert_int_equal(lines_next(&l, &line, &err), LINE_READ);
    assert_int_equal(lines_next(&l, &line, &err), LINE_READ);
    assert_int_equal(line.len, len);
    assert_memory_equal(line.data, text + 4, len);
    assert_int_equal(lines_next(&l, &line, &err), LINE_READ);
    assert_true(slice_equal(line, SLICE("two")));
    lines_release(&l);
    free(text);
}

static void lines_before_a_failure_are_read_and_half_a_line_is_not(void **state)
{
    (void)state;
    struct error err = {0};
    struct lines l = {0};
    struct slice line;
    struct memory m = {SLICE("one\ntw"), 100, true};
    lines_begin(&l, (struct byte_source){read_memory, &m});
    assert_int_equal(lines_next(&l, &line, &err), LINE_READ);
    assert_int_equal(lines_next(&l, &line, &err), LINE_FAILED);
    assert_string_equal(err.text, "cannot read");
    lines_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_they_are_read),
        cmocka_unit_test(a_long_line_between_short_ones_is_whole),
        cmocka_unit_test(lines_before_a_failure_are_read_and_half_a_line_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
