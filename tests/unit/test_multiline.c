/* Records of several lines of text: which lines are one, wherever the input is cut, and when it stops for a while. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "framed.h"

static void what_begins_with_a_time_or_a_level_is_stamped(void **state)
{
    (void)state;
    static const char *const stamped[] = {
        "2026-11-26 09:31:33,123 INFO root", "2026-11-26T09:31:33Z", "2026/11/26 09:31", "26/Nov/2026:09:31:33 +0000", "11/26/2026 9:31:33 AM",
        "1/6/2026 9:31:33 AM", "26.11.2026 09:31", "[2026-11-26 09:31:33] x", "(2026-11-26) x", "09:31:33.123 main", "[09:31:33] x", "Nov 26 09:31:33 host",
        "Nov  6 09:31:33 host", "Thu Nov 26 09:31:33 2026", "Thu, 26 Nov 2026 09:31:33 GMT", "I1126 09:31:33.123 7 a.go:1] x", "20261126 09:31:33 x",
        "11-26 09:31:33.123 1 2 I x", "1764149493.123 x", "<34>1 2026-11-26T09:31:33Z host", "INFO x", "ERROR:root:x", "WARNING - x", "[INFO] x", "[info ] x",
        "info: Microsoft.Hosting[0]", "error: x", "warn|x", "<fatal> x", "\x1b[32mINFO\x1b[0m x", "\x1b[1;31m[2026-11-26 09:31:33] x", "DEBUG", "INFO\tx",
    };
    static const char *const plain[] = {
        "", " ", " 2026-11-26", "hello", "error while reading", "Info on this", "information", "INFORMATIVE x", "10.0.0.1 - -", "1.2.3 is out", "12 of 20",
        "1/2/3 tests", "2026 was good", "Traceback (most recent call last):", "at a.b(C.java:1)", "[x]", "(", "<", "<>1", "\x1b[3", "\x1b[32m", "20:15", "Novel 26",
        "<1234567>x", "Warnings follow", "FAILED x",
    };
    for (size_t i = 0; i < sizeof stamped / sizeof stamped[0]; i++)
        if (!begins_stamped(slice_from(stamped[i]))) fail_msg("is stamped: %s", stamped[i]);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (begins_stamped(slice_from(plain[i]))) fail_msg("is not stamped: %s", plain[i]);
}

static void a_truncated_line_is_never_read_beyond_its_end(void **state)
{
    (void)state;
    static const char line[] = "\x1b[1m[<123>Thu, 26 Nov 2026 09:31:33 ERROR: Traceback (most recent call last): a.b.XException: x";
    for (size_t from = 0; from < sizeof line; from++)
        for (size_t to = from; to < sizeof line; to++) {   /* in memory of its own, for the address sanitizer */
            char               *copy = malloc(to - from + 1);
            struct continuation c = {0};
            memcpy(copy, line + from, to - from);
            char *exact = realloc(copy, to - from > 0 ? to - from : 1);
            begins_stamped(slice_of(exact, to - from));
            continuation_begin(&c, slice_of(exact, to - from));
            continuation_take(&c, MULTILINE_TRACES, slice_of(exact, to - from));
            free(exact);
        }
}

struct example {
    const char    *name;
    enum multiline kind;
    struct slice   input;
    const char    *expected;
};

static void check(const struct example *e, size_t max_document)
{
    static struct framed got;
    for (size_t piece = 1; piece <= e->input.len + 1; piece++) {
        frame((struct framing_run){.text = e->input, .max_document = max_document, .piece = piece, .multiline = e->kind,
                                   .capacity = max_document + PARSER_PADDING + piece % 3 * 100}, &got);
        if (strcmp(got.text, e->expected) != 0) fail_msg("%s, pieces of %zu\n--- expected\n%s--- got\n%s", e->name, piece, e->expected, got.text);
    }
}

#define CHECK_ALL(examples, max_document)                                                                                       \
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) check(&examples[i], max_document)

static void traces_are_one_record_with_the_line_before_them(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"python", MULTILINE_TRACES,
         SLICE("2026-11-26 09:00:00 ERROR x\nTraceback (most recent call last):\n  File \"a\", line 1\n    f()\nmy.Odd: no\nnext\n"),
         "text 1@0 2026-11-26 09:00:00 ERROR x\nTraceback (most recent call last):\n  File \"a\", line 1\n    f()\nmy.Odd: no\ntext 6@101 next\n"},
        {"python, one after another", MULTILINE_TRACES,
         SLICE("Traceback (most recent call last):\n  a\nE: 1\n\nDuring handling of the above exception, another exception occurred:\n\n"
               "Traceback (most recent call last):\n  b\nF: 2\n\nnext\n"),
         "text 1@0 Traceback (most recent call last):\n  a\nE: 1\n\nDuring handling of the above exception, another exception occurred:\n\n"
         "Traceback (most recent call last):\n  b\nF: 2\ntext 11@159 next\n"},
        {"java", MULTILINE_TRACES,
         SLICE("ERROR x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)\n\t... 3 more\nCaused by: z\n\tat d.e(F.java:2)\nINFO next\n"),
         "text 1@0 ERROR x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)\n\t... 3 more\nCaused by: z\n\tat d.e(F.java:2)\ntext 7@104 INFO next\n"},
        {"a time ends a traceback", MULTILINE_TRACES, SLICE("Traceback (most recent call last):\n  a\n09:00:00 x\n"),
         "text 1@0 Traceback (most recent call last):\n  a\ntext 3@39 09:00:00 x\n"},
        {"plain lines", MULTILINE_TRACES, SLICE("a\nb\n\nc"), "text 1@0 a\ntext 2@2 b\ntext 4@5 c\n"},
        {"indented first", MULTILINE_TRACES, SLICE("  a\n\tb\nc\n"), "text 1@0   a\n\tb\ntext 3@7 c\n"},
        {"CRLF", MULTILINE_TRACES, SLICE("a\r\n  b\r\n\r\n  c\r\n\r\nd\r\n"), "text 1@0 a\r\n  b\r\n\r\n  c\ntext 6@17 d\n"},
        {"the last line is not ended", MULTILINE_TRACES, SLICE("a\n  b"), "text 1@0 a\n  b\n"},
        {"blank lines at the end", MULTILINE_TRACES, SLICE("a\n  b\n \n\n"), "text 1@0 a\n  b\n"},
        {"each by itself", MULTILINE_OFF, SLICE("a\n  b\n"), "text 1@0 a\ntext 2@2   b\n"},
    };
    CHECK_ALL(examples, 300);
}

static void all_lines_up_to_the_next_stamp_are_one_record(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"wrapped", MULTILINE_STAMPED, SLICE("rest\nof one\n[INFO] a\nb\n\nc\n[INFO] d\n"), "text 1@0 rest\nof one\ntext 3@12 [INFO] a\nb\n\nc\ntext 7@26 [INFO] d\n"},
        {"json ends a record", MULTILINE_STAMPED, SLICE("INFO a\nb\n{\"c\":1}\nd\n  {\"e\":2}\nf\n[\n1]\n"),
         "text 1@0 INFO a\nb\njson 3@9 {\"c\":1}\ntext 4@17 d\njson 5@21 {\"e\":2}\ntext 6@29 f\njson 7@31 [\n1]\n"},
        {"so does a byte order mark", MULTILINE_STAMPED, SLICE("a\n\xEF\xBB\xBF""b\n"), "text 1@0 a\ntext 2@5 b\n"},
        {"and what is no text", MULTILINE_STAMPED, SLICE("a\nb\0c\nd\n"), "text 1@0 a\nrefused 2@2 binary\ntext 3@6 d\n"},
    };
    CHECK_ALL(examples, 300);
}

static void a_record_of_several_lines_is_no_longer_than_a_record_may_be(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a line too many", MULTILINE_STAMPED, SLICE("12345\n789\nbcdef\n"), "text 1@0 12345\n789\ntext 3@10 bcdef\n"},
        {"just fits", MULTILINE_STAMPED, SLICE("12345\n7890\nb\n"), "text 1@0 12345\n7890\ntext 3@11 b\n"},
        {"just fits, CRLF", MULTILINE_STAMPED, SLICE("12345\n7890\r\nb\n"), "text 1@0 12345\n7890\ntext 3@12 b\n"},
        {"a line that is too long", MULTILINE_STAMPED, SLICE("123\n12345678901\nb\n"), "text 1@0 123\nrefused 2@4 length\ntext 3@16 b\n"},
        {"blanks without end", MULTILINE_STAMPED, SLICE("123\n             \nb\n"), "text 1@0 123\ntext 3@18 b\n"},
    };
    CHECK_ALL(examples, 10);
}

static void a_record_has_so_many_lines_at_most(void **state)
{
    (void)state;
    static char          text[3 * 2 * MULTILINE_LINES];
    static struct framed got;
    for (size_t i = 0; i < sizeof text; i += 2) memcpy(text + i, "x\n", 2);
    frame((struct framing_run){.text = slice_of(text, sizeof text), .max_document = 1 << 14, .piece = SIZE_MAX, .multiline = MULTILINE_STAMPED, .capacity = 1 << 15}, &got);
    assert_int_equal(got.documents, 3);
    assert_int_equal(strncmp(got.text + got.starts[1], "text 1001@2000 x\n", 17), 0);
}

/* Its lines are masked one by one, as where every line is a record. */
static void lines_of_a_private_key_stay_by_themselves(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a key", MULTILINE_STAMPED, SLICE("INFO a\nb -----BEGIN PRIVATE KEY-----\nAAAA\n  BBBB\n-----END PRIVATE KEY-----\nc\nd\n"),
         "text 1@0 INFO a\nb -----BEGIN PRIVATE KEY-----\ntext 3@37 AAAA\ntext 4@42   BBBB\ntext 5@49 -----END PRIVATE KEY-----\ntext 6@75 c\nd\n"},
        {"begun by the first line", MULTILINE_TRACES, SLICE("-----BEGIN RSA PRIVATE KEY-----\n  AAAA\n  -----END RSA PRIVATE KEY-----\n  c\n"),
         "text 1@0 -----BEGIN RSA PRIVATE KEY-----\ntext 2@32   AAAA\ntext 3@39   -----END RSA PRIVATE KEY-----\ntext 4@71   c\n"},
    };
    CHECK_ALL(examples, 300);
}

/* --- When no more comes ------------------------------------------------------------------------------------------------- */

/* A text that shows only so much of itself. */
struct shown {
    struct slice text;
    size_t       at, to;
};

static ptrdiff_t shown_read(void *context, char *buffer, size_t capacity, struct error *error)
{
    struct shown *s = context;
    size_t        n = s->to - s->at < capacity ? s->to - s->at : capacity;
    (void)error;
    memcpy(buffer, s->text.data + s->at, n);
    s->at += n;
    return n > 0 ? (ptrdiff_t)n : BYTES_LATER;
}

static void what_is_held_ends_when_it_is_told_to(void **state)
{
    (void)state;
    struct shown   s = {.text = SLICE("a\n  b\n  c\n  d\n")};
    struct framer *f = framer_new(&(struct framer_options){.max_document = 100, .multiline = MULTILINE_TRACES});
    struct batch   b;
    struct error   error = {0};
    assert_true(batch_init(&b, 1000));
    framer_reset(f, (struct byte_source){shown_read, &s});
    s.to = 8;   /* "  c" is half written */
    assert_int_equal(framer_fill(f, &b, &error), FILL_LATER);
    assert_int_equal(b.count, 0);
    assert_int_equal(framer_place(f).offset, 0);
    framer_end_text(f, true);
    assert_int_equal(framer_fill(f, &b, &error), FILL_LATER);
    assert_int_equal(b.count, 1);
    assert_int_equal(b.documents[0].len, 5);   /* "a\n  b": a line that is torn stays */
    assert_int_equal(framer_place(f).offset, 6);
    assert_int_equal(framer_place(f).line, 3);
    framer_end_text(f, false);
    s.to = s.text.len;
    assert_int_equal(framer_fill(f, &b, &error), FILL_LATER);
    assert_int_equal(b.count, 1);
    assert_int_equal(framer_place(f).offset, 6);
    framer_end_text(f, true);
    assert_int_equal(framer_fill(f, &b, &error), FILL_LATER);
    assert_int_equal(b.count, 2);
    assert_int_equal(b.documents[1].offset, 6);
    assert_int_equal(b.documents[1].line, 3);
    assert_int_equal(b.documents[1].len, 7);   /* "  c\n  d" */
    assert_int_equal(framer_place(f).offset, s.text.len);
    batch_release(&b);
    framer_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_begins_with_a_time_or_a_level_is_stamped),
        cmocka_unit_test(a_truncated_line_is_never_read_beyond_its_end),
        cmocka_unit_test(traces_are_one_record_with_the_line_before_them),
        cmocka_unit_test(all_lines_up_to_the_next_stamp_are_one_record),
        cmocka_unit_test(a_record_of_several_lines_is_no_longer_than_a_record_may_be),
        cmocka_unit_test(a_record_has_so_many_lines_at_most),
        cmocka_unit_test(lines_of_a_private_key_stay_by_themselves),
        cmocka_unit_test(what_is_held_ends_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
