#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/http_date.h"
#include "net/retry.h"
#include "set_clock.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct slice nothing = {0};

/* --- Retry-After ------------------------------------------------------------------------------------------------------ */

static void retry_after_is_seconds_a_date_or_a_time_span(void **state)
{
    static const struct {
        const char *text;
        bool        read;
        uint32_t    wait_ms;
    } cases[] = {
        {"0", true, 0},
        {"1", true, 1000},
        {"120", true, 120000},
        {"3600", true, 3600000},
        {"3601", true, 3600000},
        {"99999999999999999999999999", true, 3600000},
        {"Sun, 22 Nov 2026 04:00:00 GMT", true, 0},
        {"Sun, 22 Nov 2026 04:00:30 GMT", true, 30000},
        {"Sun, 22 Nov 2026 03:59:59 GMT", true, 0},
        {"Mon, 23 Nov 2026 04:00:00 GMT", true, 3600000},
        {"00:00:05", true, 5000},
        {"00:02:03", true, 123000},
        {"00:00:00.5", true, 1000},
        {"00:00:09.9999999", true, 10000},
        {"1.00:00:00", true, 3600000},
        {"0.00:01:00", true, 60000},
        {"", false, 0},
        {"-1", false, 0},
        {" 1", false, 0},
        {"1.5", false, 0},
        {"1s", false, 0},
        {"00:60:00", false, 0},
        {"00:00:60", false, 0},
        {"24:00:00", false, 0},
        {"00:00", false, 0},
        {"1.00:00:00.", false, 0},
        {"Sunday, 22-Nov-26 04:00:30 GMT", true, 30000},
        {"Wednesday, 22-Nov-26 04:00:30 GMT", true, 30000},   /* the name of the day is not compared */
        {"Sunday, 22-Nov-76 04:00:30 GMT", true, 3600000},    /* 50 years ahead */
        {"Monday, 22-Nov-77 04:00:30 GMT", true, 0},          /* 1977 */
        {"Sunday, 06-Nov-94 08:49:37 GMT", true, 0},
        {"Sun Nov 22 04:00:30 2026", true, 30000},
        {"Sun Nov  6 08:49:37 1994", true, 0},
        {"Fri Jan  1 00:00:00 2027", true, 3600000},
        {"Sun, 22-Nov-26 04:00:30 GMT", false, 0},
        {"Sunday 22-Nov-26 04:00:30 GMT", false, 0},
        {"Sunday, 22-Nov-2026 04:00:30 GMT", false, 0},
        {"Sun day, 22-Nov-26 04:00:30 GMT", false, 0},
        {"Sunday, 00-Nov-26 04:00:30 GMT", false, 0},
        {", 22-Nov-26 04:00:30 GMT", false, 0},
        {"Sun Nov 22 04:00:30 2026 GMT", false, 0},
        {"Sun Nov 2  04:00:30 2026", false, 0},
        {"Sun Nov  0 04:00:30 2026", false, 0},
        {"Sun Nov 22 24:00:30 2026", false, 0},
        {"Sun Nov 22 04:00:30 26", false, 0},
        {"Sun, 22 Nov 2026 04:00:30 CET", false, 0},
        {"Sun, 22 Nuv 2026 04:00:30 GMT", false, 0},
        {"Sun, 32 Nov 2026 04:00:30 GMT", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t wait = 77;
        set_clock_start();
        assert_int_equal(retry_after_read(slice_from(cases[i].text), SET_CLOCK_START_MS, &wait), cases[i].read);
        if (cases[i].read) assert_int_equal(wait, cases[i].wait_ms);
    }
}

static void dates_are_written_as_they_are_read(void **state)
{
    /* `date -u -d @SECONDS '+%a, %d %b %Y %H:%M:%S GMT'` */
    static const struct {
        time_t      seconds;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1795320000, "Sun, 22 Nov 2026 04:00:00 GMT"},
        {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char   text[HTTP_DATE_BYTES];
        time_t seconds = -1;
        http_date_write(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
        assert_true(http_date_read(slice_from(text), &seconds));
        assert_int_equal(seconds, cases[i].seconds);
    }
}

/* --- Pacing ----------------------------------------------------------------------------------------------------------- */

static void the_first_attempt_waits_for_nothing(void **state)
{
    struct retry r;
    (void)state;
    set_clock_start();
    retry_init(&r, &(struct retry_options){0}, 1);
    assert_int_equal(retry_wait_ms(&r), 0);
}

/* Over many seeds: never longer than min(cap, base * 2^n), and the times fill that range. */
static void waits_are_spread_between_nothing_and_twice_as_long_each_time_up_to_the_cap(void **state)
{
    static const uint32_t longest[] = {100, 200, 400, 800, 1000, 1000};
    static const struct retry_options options = {.base_ms = 100, .cap_ms = 1000};
    uint32_t most[COUNT(longest)] = {0}, least[COUNT(longest)];
    (void)state;
    memset(least, 0xff, sizeof least);
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct retry r;
        set_clock_start();
        retry_init(&r, &options, seed);
        for (size_t n = 0; n < COUNT(longest); n++) {
            retry_failed(&r, nothing);
            uint32_t wait = retry_wait_ms(&r);
            if (wait > most[n]) most[n] = wait;
            if (wait < least[n]) least[n] = wait;
            set_clock_pass(wait);
            assert_int_equal(retry_wait_ms(&r), 0);
        }
    }
    for (size_t n = 0; n < COUNT(longest); n++) {
        assert_in_range(most[n], longest[n] * 98 / 100, longest[n]);
        assert_in_range(least[n], 0, longest[n] * 2 / 100);
    }
}

static void many_failures_in_a_row_stay_at_the_cap(void **state)
{
    struct retry r;
    (void)state;
    set_clock_start();
    retry_init(&r, &(struct retry_options){.base_ms = 4000000, .cap_ms = 60000}, 7);
    for (unsigned i = 0; i < 100000; i++) {
        retry_failed(&r, nothing);
        assert_in_range(retry_wait_ms(&r), 0, 60000);
    }
}

static void what_the_other_side_asks_for_is_the_least(void **state)
{
    static const struct retry_options options = {.base_ms = 100, .cap_ms = 1000};
    struct retry r;
    (void)state;
    set_clock_start();
    for (uint64_t seed = 0; seed < 100; seed++) {
        retry_init(&r, &options, seed);
        retry_failed(&r, SLICE("30"));
        assert_in_range(retry_wait_ms(&r), 30000, 30100);
        retry_failed(&r, SLICE("Sun, 22 Nov 2026 04:00:07 GMT"));
        assert_in_range(retry_wait_ms(&r), 7000, 7100);
        retry_failed(&r, SLICE("0"));
        assert_in_range(retry_wait_ms(&r), 0, 400);
    }
}

static void success_begins_anew(void **state)
{
    struct retry r;
    (void)state;
    set_clock_start();
    retry_init(&r, &(struct retry_options){.base_ms = 10, .cap_ms = 100000}, 3);
    for (unsigned i = 0; i < 10; i++) retry_failed(&r, SLICE("60"));
    retry_succeeded(&r);
    assert_int_equal(retry_wait_ms(&r), 0);
    retry_failed(&r, nothing);
    assert_in_range(retry_wait_ms(&r), 0, 10);
}

/* --- Breaker ---------------------------------------------------------------------------------------------------------- */

static void fail_times(struct breaker *b, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        assert_true(breaker_allows(b));
        breaker_failed(b);
    }
}

static void it_opens_after_failures_in_a_row_only(void **state)
{
    struct breaker b;
    (void)state;
    set_clock_start();
    breaker_init(&b, 3, 1000);
    fail_times(&b, 2);
    breaker_succeeded(&b);
    fail_times(&b, 2);
    assert_true(breaker_allows(&b));
    breaker_failed(&b);
    assert_false(breaker_allows(&b));
    assert_int_equal(b.times_opened, 1);
    assert_int_equal(breaker_wait_ms(&b), 1000);
}

static void after_a_while_one_attempt_goes_first_and_decides(void **state)
{
    struct breaker b;
    (void)state;
    set_clock_start();
    breaker_init(&b, 1, 1000);
    fail_times(&b, 1);
    set_clock_pass(999);
    assert_int_equal(breaker_wait_ms(&b), 1);
    assert_false(breaker_allows(&b));
    set_clock_pass(1);
    assert_true(breaker_allows(&b));
    assert_false(breaker_allows(&b));
    breaker_failed(&b);
    assert_int_equal(breaker_wait_ms(&b), 1000);
    set_clock_pass(1000);
    assert_true(breaker_allows(&b));
    breaker_succeeded(&b);
    assert_true(breaker_allows(&b));
    assert_true(breaker_allows(&b));
}

static void attempts_that_end_late_do_not_keep_it_open_longer(void **state)
{
    struct breaker b;
    (void)state;
    set_clock_start();
    breaker_init(&b, 1, 1000);
    assert_true(breaker_allows(&b));
    assert_true(breaker_allows(&b));
    breaker_failed(&b);
    set_clock_pass(900);
    breaker_failed(&b);
    assert_int_equal(breaker_wait_ms(&b), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_seconds_a_date_or_a_time_span),
        cmocka_unit_test(dates_are_written_as_they_are_read),
        cmocka_unit_test(the_first_attempt_waits_for_nothing),
        cmocka_unit_test(waits_are_spread_between_nothing_and_twice_as_long_each_time_up_to_the_cap),
        cmocka_unit_test(many_failures_in_a_row_stay_at_the_cap),
        cmocka_unit_test(what_the_other_side_asks_for_is_the_least),
        cmocka_unit_test(success_begins_anew),
        cmocka_unit_test(it_opens_after_failures_in_a_row_only),
        cmocka_unit_test(after_a_while_one_attempt_goes_first_and_decides),
        cmocka_unit_test(attempts_that_end_late_do_not_keep_it_open_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
