#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "parser/parser.h"
#include "redaction/decode.h"

#include <stdlib.h>

static const struct {
    enum encoding encoding;
    const char   *text, *decoded;
} cases[] = {
    {ENCODING_PERCENT, "a%2Bb%2fc", "a+b/c"},
    {ENCODING_PERCENT, "100%, %zz %4", "100%, %zz %4"},
    {ENCODING_PERCENT, "%e2%82%ac", "\xe2\x82\xac"},
    {ENCODING_HTML, "&quot;a&quot; &amp;lt; &#39;&#x27;", "\"a\" &lt; ''"},
    {ENCODING_HTML, "a&b=1&copy &#; &#x; &#9999999;", "a&b=1&copy &#; &#x; &#9999999;"},
    {ENCODING_HTML, "&#8364;", "\xe2\x82\xac"},
    {ENCODING_HTML, "&#0; &#x110000; &#4f; &#12", "&#0; &#x110000; &#4f; &#12"},
    {ENCODING_BACKSLASH, "\\\"k\\\": \\u0041\\x42\\n", "\"k\": AB\n"},
    {ENCODING_BACKSLASH, "\\ud83e\\uddea \\u12 \\q \\", "\xf0\x9f\xa7\xaa \\u12 \\q \\"},
    {ENCODING_BACKSLASH, "\\xZZ \\f\\r\\t \\'", "\\xZZ \f\r\t '"},
    {ENCODING_BACKSLASH, "\\ud83ex \\ud83e\\n \\ud83e\\u0041 \\uddea", "\xed\xa0\xbex \xed\xa0\xbe\n \xed\xa0\xbe" "A \xed\xb7\xaa"},   /* halves of pairs */
    {ENCODING_BACKSLASH, "\\ud83e\\ue000", "\xed\xa0\xbe\xee\x80\x80"},
    {ENCODING_BACKSLASH, "\\ud83e", "\xed\xa0\xbe"},
    {ENCODING_STRING, "p\\u0041ss\\/\\\"\\b", "pAss/\"\b"},
};

static void utf16_is_ascii_with_a_nul_beside_every_byte(void **state)
{
    (void)state;
    static const char little[] = "k\0e\0y\0=\0v", big[] = "\0k\0e\0y\0=\0v";
    char out[64];
    assert_true(encoding_occurs(ENCODING_UTF16, slice_of(little, 9)));
    assert_false(encoding_occurs(ENCODING_UTF16, SLICE("key=v")));
    assert_int_equal(encoding_decode(ENCODING_UTF16, slice_of(little, 9), out), 5);
    assert_memory_equal(out, "key=v", 5);
    assert_int_equal(encoding_decode(ENCODING_UTF16, slice_of(big, 10), out), 5);
    assert_memory_equal(out, "key=v", 5);
    size_t from = 1, to = 3;   /* "ey" */
    encoding_map_back(ENCODING_UTF16, slice_of(little, 9), NULL, &from, &to);
    assert_int_equal(from, 2);
    assert_int_equal(to, 5);
}

static void each_encoding_decodes_its_units_and_leaves_the_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char padded[256] = {0}, out[256] = {0};
        memcpy(padded, cases[i].text, strlen(cases[i].text));
        size_t len = encoding_decode(cases[i].encoding, slice_of(padded, strlen(cases[i].text)), out);
        out[len] = '\0';
        assert_string_equal(out, cases[i].decoded);
    }
}

/* Whatever range of the decoded text is asked for: decoding the bytes it maps to gives that range, and at most the rest
 * of the characters at its edges. */
static void a_range_maps_back_to_the_bytes_that_give_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i].decoded);
        struct slice text = slice_from(cases[i].text);
        char padded[256] = {0};
        memcpy(padded, text.data, text.len);
        text.data = padded;
        for (size_t from = 0; from < len; from++) {
            for (size_t to = from + 1; to <= len; to++) {
                size_t first = from, end = to;
                char again[256] = {0}, copy[256] = {0};
                encoding_map_back(cases[i].encoding, text, NULL, &first, &end);
                assert_true(first < end && end <= text.len);
                memcpy(copy, text.data + first, end - first);
                size_t again_len = encoding_decode(cases[i].encoding, slice_of(copy, end - first), again);
                assert_non_null(memmem(again, again_len, cases[i].decoded + from, to - from));
                assert_true(again_len <= to - from + 6);
            }
        }
    }
}

static void marks_lead_to_the_same_bytes(void **state)
{
    (void)state;
    static const char *const units[] = {"a", "%41", "%", "&amp;", "&#233;", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\\\", "plain words in a row "};
    static const enum encoding encodings[] = {ENCODING_PERCENT, ENCODING_HTML, ENCODING_BACKSLASH, ENCODING_STRING};
    static char text[40000 + PARSER_PADDING], out[sizeof text];
    size_t len = 0;
    for (uint32_t i = 1; len < 40000 - 32; i = i * 1103515245u + 12345u) len = (size_t)(stpcpy(text + len, units[(i >> 16) % 10]) - text);
    for (size_t e = 0; e < sizeof encodings / sizeof *encodings; e++) {
        struct encoding_mark marks[40000 / ENCODING_MARK_BYTES + 1];
        size_t decoded = encoding_decode(encodings[e], slice_of(text, len), out);
        encoding_mark(encodings[e], slice_of(text, len), marks, encoding_mark_count(decoded));
        for (size_t from = 0; from < decoded; from += 7) {
            size_t to = from + 1 + from % 300 < decoded ? from + 1 + from % 300 : decoded;   /* over none, one or two marks */
            size_t first[2] = {from, from}, end[2] = {to, to};
            encoding_map_back(encodings[e], slice_of(text, len), NULL, &first[0], &end[0]);
            encoding_map_back(encodings[e], slice_of(text, len), marks, &first[1], &end[1]);
            assert_int_equal(first[0], first[1]);
            assert_int_equal(end[0], end[1]);
            size_t last = to - 1;   /* alone */
            encoding_map_back(encodings[e], slice_of(text, len), NULL, &last, &to);
            assert_int_equal(end[0], to);
        }
    }
}

static void a_unit_is_taken_whole(void **state)
{
    (void)state;
    size_t from = 1, to = 2;
    encoding_map_back(ENCODING_PERCENT, SLICE("a%2Bb"), NULL, &from, &to);
    assert_int_equal(from, 1);
    assert_int_equal(to, 4);
}

static void plain_text_maps_back_to_itself(void **state)
{
    (void)state;
    size_t from = 1, to = 3;
    encoding_map_back(ENCODING_NONE, SLICE("abcd"), NULL, &from, &to);
    assert_int_equal(from, 1);
    assert_int_equal(to, 3);
}

/* As far as it holds text, each byte beside a NUL or none; too little is none. */
static void base64_of_bytes_is_no_text(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(encoding_decode(ENCODING_BASE64, SLICE("QQ=="), out), 0);                           /* A */
    assert_int_equal(encoding_decode(ENCODING_BASE64, SLICE("cABhAHMAcwB3AWUB"), out), 9);               /* p.a.s.s.w and then a 1 */
    assert_int_equal(encoding_decode(ENCODING_BASE64, SLICE("cABhAHMAcwB3AAAAAAAA"), out), 10);          /* p.a.s.s.w. and then NULs */
    assert_int_equal(encoding_decode(ENCODING_BASE64, SLICE("AQIDBAUGBwgJCgsMDQ4P"), out), 0);           /* 1, 2, 3 */
}

static void base64_is_found_when_it_holds_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *decoded;
    } runs[] = {
        {"x cGFzc3dvcmQ9aHVudGVyMjIyMg== y", "password=hunter2222"},
        {"cGFzc3dvcmQ9aHVudGVyMjIyMg", "password=hunter2222"},
        {"8f14e45fceea167a5a36dedd4bea2543", NULL},                     /* a hash */
        {"MACHINELEARNINGSERVICESWORKSPACES", NULL},
        {"c2hvcnQ=", NULL},
        {"GET /v1/items/cGFzc3dvcmQ9aHVudGVyMjIyMjMzMzM0NDQ0NTU1NQ HTTP", "password=hunter2222333344445555"},   /* glued to a path */
        {"id-cGFzc3dvcmQ9aHVudGVyMjIyMjMzMzM0NDQ0NTU1NQ", "password=hunter2222333344445555"},
        {"XYcGFzc3dvcmQ9aHVudGVyMjIyMg", "password=hunter2222"},         /* the beginning was cut off */
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        char out[128];
        size_t at = 0, end, len;
        struct slice text = slice_from(runs[i].text);
        bool found = base64_next(text, &at, &end) &&
                     (len = encoding_decode(ENCODING_BASE64, slice_sub(text, at, end), out)) > 0;
        assert_int_equal(found, runs[i].decoded != NULL);
        if (!found) continue;
        assert_int_equal(len, strlen(runs[i].decoded));
        assert_memory_equal(out, runs[i].decoded, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_encoding_decodes_its_units_and_leaves_the_rest),
        cmocka_unit_test(a_range_maps_back_to_the_bytes_that_give_it),
        cmocka_unit_test(marks_lead_to_the_same_bytes),
        cmocka_unit_test(a_unit_is_taken_whole),
        cmocka_unit_test(utf16_is_ascii_with_a_nul_beside_every_byte),
        cmocka_unit_test(plain_text_maps_back_to_itself),
        cmocka_unit_test(base64_of_bytes_is_no_text),
        cmocka_unit_test(base64_is_found_when_it_holds_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
