#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/words.h"

static const char *const words[] = {"key", "keys", "keyboard", "to", "token", "monkey", NULL};

static bool inside(const char *text)
{
    struct word_index w = {.words = words, .order = WORDS_BY_START};
    return word_index_inside(&w, text, strlen(text));
}

static bool ends(const char *text)
{
    struct word_index w = {.words = words, .order = WORDS_BY_END};
    return word_index_ends(&w, text, strlen(text));
}

static void a_word_is_found_wherever_it_stands(void **state)
{
    (void)state;
    assert_true(inside("key"));
    assert_true(inside("xxkey"));
    assert_true(inside("kekeyxx"));
    assert_true(inside("o to"));
    assert_false(inside(""));
    assert_false(inside("k"));
    assert_false(inside("ke"));
    assert_false(inside("tke"));
    assert_false(inside("KEY"));
    assert_false(inside("k\xe5y"));   /* the same lowest five bits */
}

static void a_word_at_the_end_is_told_from_one_before_it(void **state)
{
    (void)state;
    assert_true(ends("to"));
    assert_true(ends("my keys"));
    assert_true(ends("monkey"));
    assert_false(ends("keyx"));
    assert_false(ends("o"));
    assert_false(ends(""));
    assert_false(ends("t\xaf"));
}

static void every_word_that_a_text_begins_with_is_given_once(void **state)
{
    struct word_index w = {.words = words, .order = WORDS_BY_START};
    size_t            lengths[16] = {0}, count = 0;
    (void)state;
    for (unsigned n = 0; (n = word_index_next(&w, "keyboards", 9, n)) != 0; count++) lengths[w.lengths[n - 1]]++;
    assert_int_equal(count, 2);
    assert_true(lengths[3] == 1 && lengths[8] == 1);   /* key, keyboard */
    assert_int_equal(word_index_next(&w, "keyboards", 2, 0), 0);
    assert_int_equal(word_index_next(&w, "x", 1, 0), 0);
}

static void a_list_is_gone_through_in_any_case(void **state)
{
    (void)state;
    assert_true(word_is_listed(SLICE("KEYboard"), words));
    assert_false(word_is_listed(SLICE("keyb"), words));
    assert_false(word_is_listed(SLICE(""), words));
    assert_int_equal(word_at_start(SLICE("Monkeys"), words), 6);
    assert_int_equal(word_at_start(SLICE("KEYS"), words), 3);   /* the first of the list, not the longest */
    assert_int_equal(word_at_start(SLICE("ke"), words), 0);
    assert_int_equal(word_at_start(SLICE(""), words), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_found_wherever_it_stands),
        cmocka_unit_test(a_word_at_the_end_is_told_from_one_before_it),
        cmocka_unit_test(a_list_is_gone_through_in_any_case),
        cmocka_unit_test(every_word_that_a_text_begins_with_is_given_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
