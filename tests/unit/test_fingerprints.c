#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fingerprints.h"

#include <string.h>

/* The fingerprint number n, in the alphabet of fingerprints. */
static void name(uint32_t n, char out[FINGERPRINT_LENGTH])
{
    memset(out, 'a', FINGERPRINT_LENGTH);
    for (size_t i = 0; n > 0; i++, n /= 32) out[i] = "abcdefghijklmnopqrstuvwxyz234567"[n % 32];
}

static void add(struct fingerprint_set *s, uint32_t n)
{
    char fingerprint[FINGERPRINT_LENGTH];
    name(n, fingerprint);
    fingerprints_add(s, fingerprint);
}

static void equal_ones_count_once(void **state)
{
    (void)state;
    struct fingerprint_set s = {0};
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t n = 0; n < 5000; n++) add(&s, n);
    assert_int_equal(s.count, 5000);
    assert_false(s.incomplete);
    fingerprints_release(&s);
}

static void ones_that_differ_in_the_last_letter_are_two(void **state)
{
    (void)state;
    struct fingerprint_set s = {0};
    fingerprints_add(&s, "aaaaaaaaaaaaaaa2");
    fingerprints_add(&s, "aaaaaaaaaaaaaaa3");
    assert_int_equal(s.count, 2);
    fingerprints_release(&s);
}

static void two_sets_together_count_what_is_in_either(void **state)
{
    (void)state;
    struct fingerprint_set a = {0}, b = {0};
    for (uint32_t n = 0; n < 1000; n++) add(&a, n);
    for (uint32_t n = 600; n < 1500; n++) add(&b, n);
    fingerprints_add_all(&a, &b);
    assert_int_equal(a.count, 1500);
    assert_int_equal(b.count, 900);
    fingerprints_release(&a);
    fingerprints_release(&b);
}

static void an_empty_set_adds_nothing(void **state)
{
    (void)state;
    struct fingerprint_set a = {0}, b = {0};
    fingerprints_add_all(&a, &b);
    assert_int_equal(a.count, 0);
    fingerprints_release(&a);
}

static void a_full_set_says_that_it_is_incomplete(void **state)
{
    (void)state;
    struct fingerprint_set s = {0}, other = {0};
    for (uint32_t n = 0; n < FINGERPRINTS_MAX; n++) add(&s, n);
    add(&s, 7);
    assert_false(s.incomplete);
    add(&s, FINGERPRINTS_MAX);
    assert_int_equal(s.count, FINGERPRINTS_MAX);
    assert_true(s.incomplete);
    fingerprints_add_all(&other, &s);
    assert_true(other.incomplete);
    fingerprints_release(&s);
    fingerprints_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_ones_count_once),
        cmocka_unit_test(ones_that_differ_in_the_last_letter_are_two),
        cmocka_unit_test(two_sets_together_count_what_is_in_either),
        cmocka_unit_test(an_empty_set_adds_nothing),
        cmocka_unit_test(a_full_set_says_that_it_is_incomplete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
