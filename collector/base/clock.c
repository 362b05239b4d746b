#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t (*monotonic)(void);
static uint64_t (*realtime)(void);

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_ms(void) { return monotonic != NULL ? monotonic() : read_clock(CLOCK_MONOTONIC); }

uint64_t clock_realtime_ms(void) { return realtime != NULL ? realtime() : read_clock(CLOCK_REALTIME); }

void clock_set(uint64_t (*monotonic_ms)(void), uint64_t (*realtime_ms)(void))
{
    monotonic = monotonic_ms;
    realtime = realtime_ms;
}
