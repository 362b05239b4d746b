/* The index: tokens, facts of strings and faults, for every kernel. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "json_texts.h"
#include "parser/index.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MAX_BYTES 4096

/* Runs one kernel over the text and says what it found. */
static const struct index *index_of(const struct index_kernel *k, struct slice text, char garbage)
{
    static uint32_t offsets[MAX_BYTES + INDEX_SLACK];
    static unsigned char kinds[MAX_BYTES + INDEX_SLACK];
    static struct index ix;
    ix = (struct index){.offsets = offsets, .kinds = kinds};
    memset(kinds, 'x', sizeof kinds);
    struct text_copy copy = text_copy(text, text.len % 3, garbage);
    k->index(&ix, copy.text);
    free(copy.block);
    return &ix;
}

static unsigned facts_of(const struct index *ix, uint32_t token)
{
    return (ix->kinds[token] & KIND_FACTS) >> KIND_FACT_SHIFT;
}

#define FOR_EACH_KERNEL(k) \
    for (const struct index_kernel *const *k = index_kernels; *k != NULL; k++) \
        if ((*k)->supported())

static void tokens_are_operators_quotes_and_the_first_bytes_of_scalars(void **state)
{
    static const struct {
        struct slice text;
        uint32_t     offsets[12], count;
    } cases[] = {
        {SLICE(""), {0}, 0},
        {SLICE(" \t\r\n"), {0}, 0},
        {SLICE("{\"a\":1}"), {0, 1, 3, 4, 5, 6}, 6},
        {SLICE("[ -12.5e3 , true]"), {0, 2, 10, 12, 16}, 5},
        {SLICE("\"{[]}:,1 2\""), {0, 10}, 2},
        {SLICE("\"a\"x"), {0, 2, 3}, 3},
        {SLICE("1\"a\""), {0, 1, 3}, 3},
        {SLICE("truefalse"), {0}, 1},
        {SLICE("1 2"), {0, 2}, 2},
        {SLICE("\"\"\"\""), {0, 1, 2, 3}, 4},
        {SLICE("\"\\\"\""), {0, 3}, 2},
        {SLICE("\"\\\\\"1"), {0, 3, 4}, 3},
        {SLICE("\"\\\\\\\"\""), {0, 5}, 2},
        {SLICE("\xC3\xA9,\xC3\xA9"), {0, 2, 3}, 3},
        {SLICE("[\x1A,\x0C]"), {0, 1, 2, 3, 4}, 5},
    };
    (void)state;
    FOR_EACH_KERNEL(k)
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct index *ix = index_of(*k, cases[i].text, '"');
        assert_int_equal(ix->fault, PARSE_OK);
        assert_int_equal(ix->count, cases[i].count);
        assert_memory_equal(ix->offsets, cases[i].offsets, ix->count * sizeof *ix->offsets);
        for (uint32_t t = 0; t < ix->count; t++)
            assert_int_equal(ix->kinds[t] & ~KIND_FACTS,
                             (unsigned char)cases[i].text.data[ix->offsets[t]] & ~KIND_FACTS);
        for (uint32_t t = ix->count; t < ix->count + INDEX_AHEAD; t++) {
            assert_int_equal(ix->kinds[t], 0);
            assert_int_equal(ix->offsets[t], cases[i].text.len);
        }
    }
}

static void the_closing_quote_tells_the_facts_of_its_string(void **state)
{
    static const struct {
        struct slice text;
        unsigned     facts;
    } cases[] = {
        {SLICE(""), 0},
        {SLICE("plain text"), 0},
        {SLICE("\\n"), FACT_ESCAPE},
        {SLICE("100%"), FACT_ENCODED},
        {SLICE("&lt;"), FACT_ENCODED},
        {SLICE("ABCDEFGHIJKLMNOPQRS"), 0},
        {SLICE("ABCDEFGHIJKLMNOPQRST"), FACT_LONG_RUN},
        {SLICE("abcdefghij0123456+/z"), FACT_LONG_RUN},
        {SLICE("ABCDEFGHIJ-KLMNOPQRSTUVWXYZ"), 0},
        {SLICE("ABCDEFGHIJKLMNOPQRS="), 0},
        {SLICE("ABCDEFGHIJ_KLMNOPQRSTUVW"), 0},
        {SLICE("-ABCDEFGHIJKLMNOPQRST-"), FACT_LONG_RUN},
        {SLICE("\\nABCDEFGHIJKLMNOPQR"), FACT_ESCAPE},
        {SLICE("\\nABCDEFGHIJKLMNOPQRS"), FACT_ESCAPE | FACT_LONG_RUN},
        {SLICE("\\\"ABCDEFGHIJKLMNOPQRS"), FACT_ESCAPE},
        {SLICE("\\u0041ABCDEFGHIJKLMNO"), FACT_ESCAPE | FACT_LONG_RUN},
        {SLICE("\xC3\xA9\xE2\x82\xAC"), 0},
        {SLICE("%\\/ABCDEFGHIJKLMNOPQRS"), FACT_ESCAPE | FACT_ENCODED | FACT_LONG_RUN},
    };
    (void)state;
    FOR_EACH_KERNEL(k)
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t before = 0; before < 140; before++) {
            struct random_text t = {.len = 0};
            random_put(&t, "[\"%\\n\",\"");
            for (size_t n = 0; n < before; n++) random_put(&t, "-");
            random_put(&t, cases[i].text.data);
            random_put(&t, "\",\"\",12345678901234567890,\"ABC\"]");
            const struct index *ix = index_of(*k, slice_of(t.data, t.len), 'A');
            assert_int_equal(ix->fault, PARSE_OK);
            assert_int_equal(ix->count, 15);
            assert_int_equal(facts_of(ix, 2), FACT_ENCODED | FACT_ESCAPE);
            if (facts_of(ix, 5) != cases[i].facts)
                fail_msg("%s, case %zu after %zu: %u", (*k)->name, i, before, facts_of(ix, 5));
            assert_int_equal(facts_of(ix, 8), 0);
            assert_int_equal(facts_of(ix, 13), 0);
        }
}

/* Each at every place of a word; `at` counts from the piece. */
static void a_fault_in_a_string_is_found_wherever_it_stands(void **state)
{
    static const struct {
        struct slice      piece;
        enum parse_status fault;
        size_t            at;
    } cases[] = {
        {SLICE("\x01"), PARSE_CONTROL, 0},
        {SLICE("\x1F"), PARSE_CONTROL, 0},
        {SLICE("\n"), PARSE_CONTROL, 0},
        {SLICE(" \x7F "), PARSE_OK, 0},
        {SLICE("\\x"), PARSE_GRAMMAR, 1},
        {SLICE("\\\x01"), PARSE_CONTROL, 1},
        {SLICE("\\u12G4"), PARSE_GRAMMAR, 4},
        {SLICE("\\u123"), PARSE_GRAMMAR, 5},
        {SLICE("\\u1234"), PARSE_OK, 0},
        {SLICE("\\u/aaa"), PARSE_GRAMMAR, 2},
        {SLICE("\\u@aaa"), PARSE_GRAMMAR, 2},
        {SLICE("\\u`aaa"), PARSE_GRAMMAR, 2},
        {SLICE("\\u:aaa"), PARSE_GRAMMAR, 2},
        {SLICE("\\u\xC3\xA9"), PARSE_GRAMMAR, 2},
        {SLICE("\x80"), PARSE_UTF8, 0},
        {SLICE("\xC3"), PARSE_UTF8, 0},
        {SLICE("\xC3\xA9"), PARSE_OK, 0},
        {SLICE("\xE2\x82"), PARSE_UTF8, 0},
        {SLICE("\xE2\x82\xAC"), PARSE_OK, 0},
        {SLICE("\xE2\x82\xAC\xAC"), PARSE_UTF8, 3},
        {SLICE("\xF0\x9D\x84"), PARSE_UTF8, 0},
        {SLICE("\xF0\x9D\x84\x9E"), PARSE_OK, 0},
        {SLICE("\xC0\x80"), PARSE_UTF8, 0},
        {SLICE("\xE0\x9F\xBF"), PARSE_UTF8, 0},
        {SLICE("\xE0\xA0\x80"), PARSE_OK, 0},
        {SLICE("\xED\x9F\xBF"), PARSE_OK, 0},
        {SLICE("\xED\xA0\x80"), PARSE_UTF8, 0},
        {SLICE("\xF0\x8F\xBF\xBF"), PARSE_UTF8, 0},
        {SLICE("\xF4\x8F\xBF\xBF"), PARSE_OK, 0},
        {SLICE("\xF4\x90\x80\x80"), PARSE_UTF8, 0},
        {SLICE("\xF5\x80\x80\x80"), PARSE_UTF8, 0},
        {SLICE("\xC3\xA9\xC3"), PARSE_UTF8, 2},
    };
    (void)state;
    FOR_EACH_KERNEL(k)
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t before = 0; before < 200; before++) {
            struct random_text t = {.len = 0};
            random_put(&t, "\"");
            for (size_t n = 0; n < before; n++) random_put(&t, "-");
            random_put(&t, cases[i].piece.data);
            random_put(&t, "\"");
            const struct index *ix = index_of(*k, slice_of(t.data, t.len), '\x80');
            if (ix->fault != cases[i].fault || (ix->fault != PARSE_OK && ix->fault_at != before + 1 + cases[i].at))
                fail_msg("%s, case %zu after %zu: %d at %u", (*k)->name, i, before, ix->fault, ix->fault_at);
        }
}

/* Every sequence of three bytes above 0x7F or not, by the rules of RFC 3629, section 4, written out as ranges. */
static bool is_utf8(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char length, low[4], high[4];
    } rules[] = {
        {1, {0x00}, {0x7F}},
        {2, {0xC2, 0x80}, {0xDF, 0xBF}},
        {3, {0xE0, 0xA0, 0x80}, {0xE0, 0xBF, 0xBF}},
        {3, {0xE1, 0x80, 0x80}, {0xEC, 0xBF, 0xBF}},
        {3, {0xED, 0x80, 0x80}, {0xED, 0x9F, 0xBF}},
        {3, {0xEE, 0x80, 0x80}, {0xEF, 0xBF, 0xBF}},
        {4, {0xF0, 0x90, 0x80, 0x80}, {0xF0, 0xBF, 0xBF, 0xBF}},
        {4, {0xF1, 0x80, 0x80, 0x80}, {0xF3, 0xBF, 0xBF, 0xBF}},
        {4, {0xF4, 0x80, 0x80, 0x80}, {0xF4, 0x8F, 0xBF, 0xBF}},
    };
    while (n > 0) {
        size_t rule = 0;
        for (; rule < COUNT(rules); rule++) {
            size_t i = 0, length = rules[rule].length;
            while (i < length && i < n && p[i] >= rules[rule].low[i] && p[i] <= rules[rule].high[i]) i++;
            if (i == length) break;
        }
        if (rule == COUNT(rules)) return false;
        p += rules[rule].length;
        n -= rules[rule].length;
    }
    return true;
}

/* The bytes at the edges of all ranges, four in a row, across the end of a word. */
static void utf8_is_what_the_ranges_of_the_rfc_say(void **state)
{
    static const unsigned char edges[] = {0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0,
                                          0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    (void)state;
    char text[100 + PARSER_PADDING];
    const size_t len = sizeof text - PARSER_PADDING;
    for (size_t n = 0; n < COUNT(edges) * COUNT(edges) * COUNT(edges) * COUNT(edges); n++) {
        unsigned char tried[4];
        for (size_t i = 0, rest = n; i < 4; i++, rest /= COUNT(edges)) tried[i] = edges[rest % COUNT(edges)];
        memset(text, '-', len);
        text[0] = text[len - 1] = '"';
        memcpy(text + 58 + n % 8, tried, sizeof tried);
        bool expected = is_utf8(tried, sizeof tried);
        FOR_EACH_KERNEL(k)
        {
            static uint32_t offsets[sizeof text + INDEX_SLACK];
            static unsigned char kinds[sizeof text + INDEX_SLACK];
            struct index ix = {.offsets = offsets, .kinds = kinds};
            (*k)->index(&ix, slice_of(text, len));
            if ((ix.fault == PARSE_OK) != expected)
                fail_msg("%s: %02X %02X %02X %02X", (*k)->name, tried[0], tried[1], tried[2], tried[3]);
        }
    }
}

static void a_character_cut_off_by_the_end_of_the_text_is_a_fault(void **state)
{
    static const char *const cut[] = {"\xC3", "\xE2", "\xE2\x82", "\xF0", "\xF0\x9D", "\xF0\x9D\x84"};
    (void)state;
    FOR_EACH_KERNEL(k)
    for (size_t i = 0; i < COUNT(cut); i++)
        for (size_t before = 0; before < 140; before++) {
            struct random_text t = {.len = 0};
            for (size_t n = 0; n < before; n++) random_put(&t, " ");
            random_put(&t, cut[i]);
            const struct index *ix = index_of(*k, slice_of(t.data, t.len), '\x84');
            assert_int_equal(ix->fault, PARSE_UTF8);
            assert_int_equal(ix->fault_at, before);
        }
}

/* The byte that could lead the stray one, byte 64, stands at the end of the same word or vector. */
static void a_stray_byte_at_the_start_of_a_word_is_not_taken_for_the_end_of_a_later_character(void **state)
{
    (void)state;
    for (size_t vector = 16; vector <= 64; vector *= 2) {
        struct random_text t = {.len = 0};
        random_put(&t, "\"");
        while (t.len < 64) random_put(&t, "-");
        random_put(&t, "\xA9");
        while (t.len < 64 + vector - 1) random_put(&t, "-");
        random_put(&t, "\xC3-\xC3\xA9\"");
        FOR_EACH_KERNEL(k)
        {
            const struct index *ix = index_of(*k, slice_of(t.data, t.len), ' ');
            assert_int_equal(ix->fault, PARSE_UTF8);
            assert_int_equal(ix->fault_at, 64);
        }
    }
}

static void all_kernels_find_the_same_in_random_texts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6000; seed++) {
        static struct random_text t;
        static uint32_t offsets[MAX_BYTES];
        static unsigned char kinds[MAX_BYTES];
        random_document(&t, seed);
        random_damage(&t, seed % 4);
        struct slice text = slice_of(t.data, t.len);
        struct index expected = *index_of(&index_kernel_scalar, text, '"');
        size_t count = expected.count + INDEX_AHEAD;
        memcpy(offsets, expected.offsets, count * sizeof *offsets);
        memcpy(kinds, expected.kinds, count);
        FOR_EACH_KERNEL(k)
        {
            const struct index *found = index_of(*k, text, '\\');
            assert_int_equal(found->fault, expected.fault);
            if (found->fault != PARSE_OK) assert_int_equal(found->fault_at, expected.fault_at);
            assert_int_equal(found->count, expected.count);
            assert_memory_equal(found->offsets, offsets, count * sizeof *offsets);
            assert_memory_equal(found->kinds, kinds, count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_operators_quotes_and_the_first_bytes_of_scalars),
        cmocka_unit_test(the_closing_quote_tells_the_facts_of_its_string),
        cmocka_unit_test(a_fault_in_a_string_is_found_wherever_it_stands),
        cmocka_unit_test(utf8_is_what_the_ranges_of_the_rfc_say),
        cmocka_unit_test(a_character_cut_off_by_the_end_of_the_text_is_a_fault),
        cmocka_unit_test(a_stray_byte_at_the_start_of_a_word_is_not_taken_for_the_end_of_a_later_character),
        cmocka_unit_test(all_kernels_find_the_same_in_random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
