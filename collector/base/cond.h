/* Conditions that are waited for by the monotonic clock, so that setting the system's time neither ends a wait nor prolongs
 * it. Thread: as pthread_cond_t. */
#ifndef LETHE_BASE_COND_H
#define LETHE_BASE_COND_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

void cond_init(pthread_cond_t *);

/* So many milliseconds from now, for pthread_cond_timedwait(). */
struct timespec cond_deadline(uint64_t wait_ms);

#endif
