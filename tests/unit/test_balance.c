/* The running balance of brackets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "json_texts.h"
#include "parser/parser.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void it_stops_right_after_the_bracket_that_reaches_the_floor(void **state)
{
    static const struct {
        struct slice   text;
        uint32_t       floor;
        struct balance before, after;
        size_t         passed;
    } cases[] = {
        {SLICE(""), 0, {0}, {0}, 0},
        {SLICE("{}"), 0, {0}, {0}, 2},
        {SLICE("{} {}"), 0, {0}, {0}, 2},
        {SLICE("{\"a\":[1,{}]}x"), 0, {0}, {0}, 12},
        {SLICE("{\"a\":[1,{}]}x"), 1, {0}, {.depth = 1}, 11},
        {SLICE("{\"a\":[1,{}]}x"), 2, {0}, {.depth = 2}, 10},
        {SLICE("[[1],2"), 0, {0}, {.depth = 1}, 6},
        {SLICE("}x"), 0, {0}, {0}, 1},
        {SLICE("x]x"), 5, {0}, {0}, 2},
        {SLICE("]]"), 0, {.depth = 2}, {0}, 2},
        {SLICE("{\"}\"}"), 0, {0}, {0}, 5},
        {SLICE("{\"\\\"}\"}"), 0, {0}, {0}, 7},
        {SLICE("{\"\\\\\"}\"}"), 0, {0}, {0}, 6},
        {SLICE("\"}"), 0, {0}, {.in_string = true}, 2},
        {SLICE("a\"}]\"}"), 0, {0}, {0}, 6},
        {SLICE("}\"}"), 0, {.depth = 1, .in_string = true}, {0}, 3},
        {SLICE("\"}\"}"), 0, {.depth = 1, .in_string = true, .escaped = true}, {0}, 4},
        {SLICE("\\\"}"), 0, {.depth = 1, .in_string = true}, {.depth = 1, .in_string = true}, 3},
        {SLICE("{\"\\"), 0, {0}, {.depth = 1, .in_string = true, .escaped = true}, 3},
        {SLICE("{\\\"}\"}"), 0, {0}, {0}, 6},
        {SLICE("{\"\xDB\xFB\"}"), 0, {0}, {0}, 6},
    };
    (void)state;
    for (const struct index_kernel *const *k = index_kernels; *k != NULL; k++) {
        if (!(*k)->supported()) continue;
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct text_copy copy = text_copy(cases[i].text, i % 7, '}');
            struct balance b = cases[i].before;
            size_t passed = (*k)->balance(&b, copy.text, cases[i].floor);
            if (passed != cases[i].passed || b.depth != cases[i].after.depth ||
                b.in_string != cases[i].after.in_string || b.escaped != cases[i].after.escaped)
                fail_msg("%s, case %zu: %zu bytes, depth %u", (*k)->name, i, passed, b.depth);
            free(copy.block);
        }
    }
}

/* Wherever the bracket stands in a word of 64 bytes, also as its last byte. */
static void a_stop_is_exact_at_every_place_of_a_word(void **state)
{
    (void)state;
    for (const struct index_kernel *const *k = index_kernels; *k != NULL; k++) {
        if (!(*k)->supported()) continue;
        for (size_t n = 0; n < 200; n++) {
            char text[256 + PARSER_PADDING];
            memset(text, 'x', sizeof text);
            text[0] = '[';
            text[n + 1] = ']';
            text[n + 2] = '[';
            struct balance b = {0};
            assert_int_equal((*k)->balance(&b, slice_of(text, 256), 0), n + 2);
            assert_int_equal(b.depth, 0);
        }
    }
}

#define MAX_STOPS 4096

/* Where the scan stops in the text, and at the end of `stops` the final state; the text is handed over in pieces of
 * random length, or whole when `seed` is NULL. */
static size_t stops_of(const struct index_kernel *k, struct slice text, uint32_t floor, uint64_t *seed, size_t *stops)
{
    struct balance b = {0};
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        size_t left = text.len - at, piece = seed == NULL ? left : random_below(seed, left < 200 ? left : 200) + 1;
        size_t passed = k->balance(&b, slice_of(text.data + at, piece), floor);
        assert_in_range(passed, 1, piece);
        at += passed;
        char last = text.data[at - 1];
        bool stopped = passed < piece || (!b.in_string && b.depth <= floor && (last == '}' || last == ']'));
        if (stopped) stops[count++] = at;
    }
    stops[count++] = b.depth << 2 | (unsigned)b.in_string << 1 | b.escaped;
    return count;
}

/* The same text in two ways must stop at the same places. */
static void assert_same_stops(const struct index_kernel *k, struct slice text, uint32_t floor, uint64_t *seed)
{
    static size_t expected[MAX_STOPS], found[MAX_STOPS];
    const struct index_kernel *const *scalar = index_kernels;
    while (scalar[1] != NULL) scalar++;
    size_t n = stops_of(*scalar, text, floor, NULL, expected);
    assert_int_equal(stops_of(k, text, floor, seed, found), n);
    assert_memory_equal(expected, found, n * sizeof *found);
}

static void cuts_and_kernels_change_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6000; seed++) {
        static struct random_text t;
        random_document(&t, seed);
        random_damage(&t, seed % 5);
        struct text_copy copy = text_copy(slice_of(t.data, t.len), seed % 64, '}');
        for (const struct index_kernel *const *k = index_kernels; *k != NULL; k++) {
            uint64_t cuts = seed;
            if (!(*k)->supported()) continue;
            assert_same_stops(*k, copy.text, seed % 4, NULL);
            assert_same_stops(*k, copy.text, seed % 4, &cuts);
        }
        free(copy.block);
    }
}

static void the_program_scans_with_the_first_kernel_that_is_supported(void **state)
{
    (void)state;
    struct balance b = {0};
    char text[8 + PARSER_PADDING] = "{\"a\":1}x";
    assert_int_equal(balance_scan(&b, slice_of(text, 8), 0), 7);
    for (const struct index_kernel *const *k = index_kernels; *k != index_select(); k++)
        assert_false((*k)->supported());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stops_right_after_the_bracket_that_reaches_the_floor),
        cmocka_unit_test(a_stop_is_exact_at_every_place_of_a_word),
        cmocka_unit_test(cuts_and_kernels_change_nothing),
        cmocka_unit_test(the_program_scans_with_the_first_kernel_that_is_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
