/* The time, in one place, so that tests can set it. All waiting is by the monotonic clock; the other one only tells people
 * and receivers when something happened. Thread: any; clock_set() before others read. */
#ifndef LETHE_BASE_CLOCK_H
#define LETHE_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ms(void);
uint64_t clock_realtime_ms(void);   /* since 1970 */

/* From now on both clocks are what these say; NULL: the system's again. */
void clock_set(uint64_t (*monotonic_ms)(void), uint64_t (*realtime_ms)(void));

#endif
