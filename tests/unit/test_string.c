/* JSON strings, between raw bytes and characters. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "json_texts.h"
#include "parser/parser.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DECODE_ROOM 32

/* Both blocks have exactly the size that is promised, so that a sanitizer sees a byte too many. */
static void assert_decoded(struct slice raw, struct slice expected)
{
    char *in = malloc(raw.len + 1), *out = malloc(raw.len + DECODE_ROOM);
    assert_non_null(in);
    assert_non_null(out);
    memcpy(in + 1, raw.data, raw.len);
    size_t n = string_decode(slice_of(in + 1, raw.len), out);
    assert_int_equal(n, expected.len);
    assert_memory_equal(out, expected.data, n);
    free(out);
    free(in);
}

static void escapes_are_decoded(void **state)
{
    static const struct {
        struct slice raw, decoded;
    } cases[] = {
        {SLICE(""), SLICE("")},
        {SLICE("plain"), SLICE("plain")},
        {SLICE("sixteen bytes ok"), SLICE("sixteen bytes ok")},
        {SLICE("\\\"\\\\\\/\\b\\f\\n\\r\\t"), SLICE("\"\\/\b\f\n\r\t")},
        {SLICE("\\u0041"), SLICE("A")},
        {SLICE("\\u0000"), SLICE("\0")},
        {SLICE("\\u007f\\u0080"), SLICE("\x7F\xC2\x80")},
        {SLICE("\\u07FF\\u0800"), SLICE("\xDF\xBF\xE0\xA0\x80")},
        {SLICE("\\u20aC"), SLICE("\xE2\x82\xAC")},
        {SLICE("\\uFFFF"), SLICE("\xEF\xBF\xBF")},
        {SLICE("a long text without any\\nand more behind it"), SLICE("a long text without any\nand more behind it")},
        {SLICE("\\\\u0041"), SLICE("\\u0041")},
        {SLICE("\xC3\xA9\\n\xE2\x82\xAC"), SLICE("\xC3\xA9\n\xE2\x82\xAC")},
        {SLICE("0123456\\t89012345\\t"), SLICE("0123456\t89012345\t")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) assert_decoded(cases[i].raw, cases[i].decoded);
}

static void a_surrogate_pair_is_one_character(void **state)
{
    (void)state;
    assert_decoded(SLICE("\\uD834\\uDD1E"), SLICE("\xF0\x9D\x84\x9E"));
    assert_decoded(SLICE("\\ud800\\udc00"), SLICE("\xF0\x90\x80\x80"));
    assert_decoded(SLICE("x\\uDBFF\\uDFFFy"), SLICE("x\xF4\x8F\xBF\xBFy"));
}

static void a_lone_surrogate_becomes_three_bytes(void **state)
{
    (void)state;
    assert_decoded(SLICE("\\uD800"), SLICE("\xED\xA0\x80"));
    assert_decoded(SLICE("\\uDFFF"), SLICE("\xED\xBF\xBF"));
    assert_decoded(SLICE("\\uD834x\\uDD1E"), SLICE("\xED\xA0\xB4x\xED\xB4\x9E"));
    assert_decoded(SLICE("\\uDD1E\\uD834"), SLICE("\xED\xB4\x9E\xED\xA0\xB4"));
    assert_decoded(SLICE("\\uD800\\uD834\\uDD1E"), SLICE("\xED\xA0\x80\xF0\x9D\x84\x9E"));
    assert_decoded(SLICE("\\uD800\\u0041"), SLICE("\xED\xA0\x80" "A"));
    assert_decoded(SLICE("\\uD800\\n"), SLICE("\xED\xA0\x80\n"));
}

static void what_stands_behind_the_string_does_not_matter(void **state)
{
    (void)state;
    char out[6 + DECODE_ROOM];
    assert_int_equal(string_decode(slice_of("\\uD834\\uDD1E", 6), out), 3);
    assert_memory_equal(out, "\xED\xA0\xB4", 3);
    assert_int_equal(string_raw_offset(slice_of("\\uD834\\uDD1E", 6), 3), 6);
    assert_int_equal(string_decode(slice_of("abc\\n", 3), out), 3);
}

static void each_decoded_byte_is_found_in_the_raw_text(void **state)
{
    static const struct {
        struct slice raw;
        size_t       decoded, offset;
    } cases[] = {
        {SLICE("abc"), 0, 0},
        {SLICE("abc"), 2, 2},
        {SLICE("abc"), 3, 3},
        {SLICE("abc"), 99, 3},
        {SLICE(""), 0, 0},
        {SLICE("a\\nb"), 1, 1},
        {SLICE("a\\nb"), 2, 3},
        {SLICE("a\\nb"), 3, 4},
        {SLICE("\\u20acx"), 0, 0},
        {SLICE("\\u20acx"), 2, 0},
        {SLICE("\\u20acx"), 3, 6},
        {SLICE("\\uD834\\uDD1Ex"), 3, 0},
        {SLICE("\\uD834\\uDD1Ex"), 4, 12},
        {SLICE("\\uD834\\u0041x"), 2, 0},
        {SLICE("\\uD834\\u0041x"), 3, 6},
        {SLICE("\xE2\x82\xAC\\n"), 2, 2},
        {SLICE("\xE2\x82\xAC\\n"), 3, 3},
        {SLICE("\\n\\n\\n"), 2, 4},
        {SLICE("\\n\\n\\n"), 3, 6},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (string_raw_offset(cases[i].raw, cases[i].decoded) != cases[i].offset) fail_msg("case %zu", i);
}

/* Random raw strings: the inside of those that the generator of documents makes. */
static struct slice random_raw(struct random_text *t, uint64_t seed)
{
    *t = (struct random_text){.seed = seed};
    random_string(t);
    return slice_of(t->data + 1, t->len - 2);
}

static void what_stands_before_a_raw_offset_decodes_to_what_stands_before_the_byte(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        static struct random_text t;
        static char whole[sizeof t.data + DECODE_ROOM], part[sizeof t.data + DECODE_ROOM];
        struct slice raw = random_raw(&t, seed);
        size_t n = string_decode(raw, whole), before = 0;
        for (size_t i = 0; i <= n; i++) {
            size_t offset = string_raw_offset(raw, i), len = string_decode(slice_of(raw.data, offset), part);
            assert_true(offset >= before && offset <= raw.len);
            assert_true(len <= i && i - len < 4);
            assert_memory_equal(part, whole, len);
            before = offset;
        }
        assert_int_equal(before, raw.len);
    }
}

static void only_what_must_be_escaped_is_escaped(void **state)
{
    static const struct {
        struct slice text, encoded;
    } cases[] = {
        {SLICE(""), SLICE("")},
        {SLICE("a/b'c"), SLICE("a/b'c")},
        {SLICE("\"\\"), SLICE("\\\"\\\\")},
        {SLICE("\b\f\n\r\t"), SLICE("\\b\\f\\n\\r\\t")},
        {SLICE("\0\x01\x1F\x20\x7F"), SLICE("\\u0000\\u0001\\u001f \x7F")},
        {SLICE("\xC3\xA9\xF0\x9D\x84\x9E"), SLICE("\xC3\xA9\xF0\x9D\x84\x9E")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[64];
        size_t n = string_encode(cases[i].text, out);
        assert_int_equal(n, cases[i].encoded.len);
        assert_memory_equal(out, cases[i].encoded.data, n);
    }
}

static void encoding_fits_into_six_times_the_length_and_decodes_to_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 2000; seed++) {
        uint64_t s = seed;
        char text[100], decoded[6 * sizeof text + DECODE_ROOM];
        size_t len = random_below(&s, sizeof text);
        for (size_t i = 0; i < len; i++) text[i] = (char)random_below(&s, seed % 3 == 0 ? 0x20 : 0x80);
        char *encoded = malloc(6 * len + 1);
        assert_non_null(encoded);
        size_t n = string_encode(slice_of(text, len), encoded);
        assert_true(n <= 6 * len);
        assert_int_equal(string_decode(slice_of(encoded, n), decoded), len);
        assert_memory_equal(decoded, text, len);
        free(encoded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(a_surrogate_pair_is_one_character),
        cmocka_unit_test(a_lone_surrogate_becomes_three_bytes),
        cmocka_unit_test(what_stands_behind_the_string_does_not_matter),
        cmocka_unit_test(each_decoded_byte_is_found_in_the_raw_text),
        cmocka_unit_test(what_stands_before_a_raw_offset_decodes_to_what_stands_before_the_byte),
        cmocka_unit_test(only_what_must_be_escaped_is_escaped),
        cmocka_unit_test(encoding_fits_into_six_times_the_length_and_decodes_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
