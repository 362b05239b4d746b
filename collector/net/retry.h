/* When to try again. One engine for everything that talks to another machine.
 *
 * `struct retry` paces one piece of work (a request, a batch): after the n-th failure in a row it waits a random time
 * between nothing and min(cap, base * 2^n) ("full jitter", so that many clients do not come back at once), or as long as
 * the other side asked for (Retry-After), whichever is longer. `struct breaker` guards one destination for all pieces of
 * work: after some failures in a row it opens, so that nothing is sent for a while; then one attempt goes first and decides.
 *
 * Both are state without threads or sleep: they say when, by base/clock.h; the owner waits. Thread: the owner's. */
#ifndef LETHE_NET_RETRY_H
#define LETHE_NET_RETRY_H

#include "base/slice.h"

#define RETRY_BASE_MS 500
#define RETRY_CAP_MS (60 * 1000)
#define RETRY_AFTER_MAX_MS (60 * 60 * 1000)   /* a longer Retry-After is taken as this long */
#define BREAKER_FAILURES 5
#define BREAKER_OPEN_MS (30 * 1000)

/* --- One piece of work ------------------------------------------------------------------------------------------------ */

struct retry_options {
    uint32_t base_ms, cap_ms;   /* 0: RETRY_BASE_MS, RETRY_CAP_MS */
};

struct retry {
    struct retry_options options;
    uint64_t             random;     /* state of the generator */
    unsigned             failures;   /* in a row */
    uint64_t             due_ms;     /* monotonic; 0: at once */
};

/* `seed`: of the waiting times; retry_seed() but in tests. */
void     retry_init(struct retry *, const struct retry_options *, uint64_t seed);
uint64_t retry_seed(void);

/* Milliseconds until the next attempt; 0: now. */
uint32_t retry_wait_ms(const struct retry *);

void retry_succeeded(struct retry *);
/* `retry_after`: the value of that header, or nothing. What is not understood counts as nothing. */
void retry_failed(struct retry *, struct slice retry_after);

/* Reads a Retry-After: whole seconds, an HTTP date, or a time span "[d.]hh:mm:ss[.fraction]" as some services of Azure
 * write it. At most RETRY_AFTER_MAX_MS; a date in the past is 0. False: none of these. */
bool retry_after_read(struct slice text, uint64_t realtime_ms, uint32_t *wait_ms);

/* --- One destination -------------------------------------------------------------------------------------------------- */

enum breaker_state {
    BREAKER_CLOSED,   /* all may pass */
    BREAKER_OPEN,     /* nothing may, for a while */
    BREAKER_TRYING,   /* one attempt is under way and will decide */
};

struct breaker {
    unsigned           most_failures;   /* in a row, after which it opens */
    uint32_t           open_ms;
    enum breaker_state state;
    unsigned           failures;
    uint64_t           opened_ms;
    uint64_t           times_opened;    /* for counters */
};

/* 0: BREAKER_FAILURES, BREAKER_OPEN_MS. */
void breaker_init(struct breaker *, unsigned most_failures, uint32_t open_ms);

/* Whether an attempt may be made now. Every attempt that was allowed must be followed by succeeded() or failed(). */
bool     breaker_allows(struct breaker *);
uint32_t breaker_wait_ms(const struct breaker *);   /* until it may allow one; 0: now, or when the attempt under way ends */
void     breaker_succeeded(struct breaker *);
void     breaker_failed(struct breaker *);

#endif
