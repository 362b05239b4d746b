#include "net/retry.h"

#include "base/clock.h"
#include "net/http_date.h"

#include <sys/random.h>

#define MOST_DOUBLINGS 20   /* of the base; beyond any cap that makes sense */

/* --- One piece of work ------------------------------------------------------------------------------------------------ */

void retry_init(struct retry *r, const struct retry_options *options, uint64_t seed)
{
    *r = (struct retry){.options = *options, .random = seed};
    if (r->options.base_ms == 0) r->options.base_ms = RETRY_BASE_MS;
    if (r->options.cap_ms == 0) r->options.cap_ms = RETRY_CAP_MS;
}

uint64_t retry_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = clock_monotonic_ms();
    return seed;
}

/* SplitMix64 (Steele, Lea, Flood 2014): any seed will do. */
static uint64_t next_random(struct retry *r)
{
    uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* From 0 to `most`, both included. */
static uint64_t random_up_to(struct retry *r, uint64_t most) { return next_random(r) % (most + 1); }

static uint64_t longest_wait(const struct retry *r)
{
    unsigned doublings = r->failures < MOST_DOUBLINGS ? r->failures : MOST_DOUBLINGS;
    uint64_t longest = (uint64_t)r->options.base_ms << doublings;
    return longest < r->options.cap_ms ? longest : r->options.cap_ms;
}

uint32_t retry_wait_ms(const struct retry *r)
{
    uint64_t now = clock_monotonic_ms();
    return r->due_ms > now ? (uint32_t)(r->due_ms - now) : 0;
}

void retry_succeeded(struct retry *r)
{
    r->failures = 0;
    r->due_ms = 0;
}

/* Those who were told the same time come back spread over `base`. */
void retry_failed(struct retry *r, struct slice retry_after)
{
    uint32_t asked = 0;
    uint64_t wait = random_up_to(r, longest_wait(r));
    if (retry_after_read(retry_after, clock_realtime_ms(), &asked) && asked > 0 && wait < asked)
        wait = asked + random_up_to(r, r->options.base_ms);
    r->due_ms = clock_monotonic_ms() + wait;
    r->failures++;
}

/* --- Retry-After ------------------------------------------------------------------------------------------------------ */

static uint32_t capped(uint64_t ms) { return ms < RETRY_AFTER_MAX_MS ? (uint32_t)ms : RETRY_AFTER_MAX_MS; }

/* Digits at *at, as a number that stops growing where it would not fit. False: there are none. */
static bool take_number(struct slice text, size_t *at, uint64_t *number)
{
    size_t begin = *at;
    for (*number = 0; *at < text.len && ascii_is_digit(text.data[*at]); ++*at)
        if (*number < UINT32_MAX) *number = 10 * *number + (uint64_t)(text.data[*at] - '0');
    return *at > begin;
}

static bool take_char(struct slice text, size_t *at, char c)
{
    if (*at >= text.len || text.data[*at] != c) return false;
    ++*at;
    return true;
}

/* "[d.]hh:mm:ss[.fraction]", the fraction rounded up to a second. */
static bool read_span(struct slice text, uint64_t *seconds)
{
    uint64_t days = 0, hours, minutes, rest, fraction = 0;
    size_t   at = 0;
    if (!take_number(text, &at, &hours)) return false;
    if (take_char(text, &at, '.')) {
        days = hours;
        if (!take_number(text, &at, &hours)) return false;
    }
    if (!take_char(text, &at, ':') || !take_number(text, &at, &minutes) || !take_char(text, &at, ':') ||
        !take_number(text, &at, &rest))
        return false;
    if (take_char(text, &at, '.') && !take_number(text, &at, &fraction)) return false;
    *seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest + (fraction > 0);
    return at == text.len && hours < 24 && minutes < 60 && rest < 60;
}

bool retry_after_read(struct slice text, uint64_t realtime_ms, uint32_t *wait_ms)
{
    uint64_t seconds;
    size_t   at = 0;
    time_t   date;
    if ((take_number(text, &at, &seconds) && at == text.len) || read_span(text, &seconds)) {
        *wait_ms = capped(seconds * 1000);
        return true;
    }
    if (!http_date_read(text, &date)) return false;
    uint64_t date_ms = date > 0 ? (uint64_t)date * 1000 : 0;
    *wait_ms = date_ms > realtime_ms ? capped(date_ms - realtime_ms) : 0;
    return true;
}

/* --- One destination -------------------------------------------------------------------------------------------------- */

void breaker_init(struct breaker *b, unsigned most_failures, uint32_t open_ms)
{
    *b = (struct breaker){.most_failures = most_failures > 0 ? most_failures : BREAKER_FAILURES,
                          .open_ms = open_ms > 0 ? open_ms : BREAKER_OPEN_MS};
}

uint32_t breaker_wait_ms(const struct breaker *b)
{
    uint64_t passed = clock_monotonic_ms() - b->opened_ms;
    return b->state == BREAKER_OPEN && passed < b->open_ms ? (uint32_t)(b->open_ms - passed) : 0;
}

bool breaker_allows(struct breaker *b)
{
    if (b->state == BREAKER_CLOSED) return true;
    if (b->state == BREAKER_TRYING || breaker_wait_ms(b) > 0) return false;
    b->state = BREAKER_TRYING;
    return true;
}

void breaker_succeeded(struct breaker *b)
{
    b->state = BREAKER_CLOSED;
    b->failures = 0;
}

/* Attempts that were under way when it opened end later; they say nothing new and do not keep it open longer. */
void breaker_failed(struct breaker *b)
{
    if (b->state == BREAKER_OPEN) return;
    if (b->state == BREAKER_CLOSED && ++b->failures < b->most_failures) return;
    b->state = BREAKER_OPEN;
    b->opened_ms = clock_monotonic_ms();
    b->times_opened++;
}
