/* A clock that stands still until the test moves it. For programs that include it; set_clock_start() in each test. */
#ifndef LETHE_TESTS_SET_CLOCK_H
#define LETHE_TESTS_SET_CLOCK_H

#include "base/clock.h"

#define SET_CLOCK_START_MS UINT64_C(1795320000000)   /* Sun, 22 Nov 2026 04:00:00 GMT */

static uint64_t set_clock_passed_ms;

static uint64_t set_clock_monotonic(void) { return 1000 + set_clock_passed_ms; }

static uint64_t set_clock_realtime(void) { return SET_CLOCK_START_MS + set_clock_passed_ms; }

static void set_clock_start(void)
{
    set_clock_passed_ms = 0;
    clock_set(set_clock_monotonic, set_clock_realtime);
}

static void set_clock_pass(uint64_t ms) { set_clock_passed_ms += ms; }

#endif
