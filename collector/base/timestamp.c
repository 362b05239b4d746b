#include "base/timestamp.h"

#include <stdio.h>
#include <time.h>

#define FIRST_MS INT64_C(946684800000)    /* 2000-01-01 */
#define LAST_MS INT64_C(4102444800000)    /* 2100-01-01 */

struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *c, char byte)
{
    if (c->at == c->end || *c->at != byte) return false;
    c->at++;
    return true;
}

/* Exactly so many digits. */
static bool take_digits(struct cursor *c, int digits, int *number)
{
    *number = 0;
    for (; digits > 0; digits--, c->at++) {
        if (c->at == c->end || !ascii_is_digit(*c->at)) return false;
        *number = *number * 10 + (*c->at - '0');
    }
    return true;
}

static int take_milliseconds(struct cursor *c)
{
    int ms = 0, weight = 100;
    for (; c->at < c->end && ascii_is_digit(*c->at); c->at++, weight /= 10) ms += weight * (*c->at - '0');
    return ms;
}

/* Z, +01:00, -0530 or nothing. */
static bool take_zone(struct cursor *c, int *minutes)
{
    int hour, minute;
    *minutes = 0;
    if (c->at == c->end || take(c, 'Z') || take(c, 'z')) return true;
    bool west = *c->at == '-';
    if (!take(c, '-') && !take(c, '+')) return false;
    if (!take_digits(c, 2, &hour)) return false;
    take(c, ':');
    if (!take_digits(c, 2, &minute) || hour > 14 || minute > 59) return false;
    *minutes = (west ? -1 : 1) * (60 * hour + minute);
    return true;
}

static bool parse_iso(struct slice text, int64_t *ms)
{
    struct cursor c = {text.data, text.data + text.len};
    struct tm     t = {0};
    int           milliseconds = 0, zone;
    if (!take_digits(&c, 4, &t.tm_year) || !take(&c, '-') || !take_digits(&c, 2, &t.tm_mon) || !take(&c, '-') ||
        !take_digits(&c, 2, &t.tm_mday) || !(take(&c, 'T') || take(&c, 't') || take(&c, ' ')) ||
        !take_digits(&c, 2, &t.tm_hour) || !take(&c, ':') || !take_digits(&c, 2, &t.tm_min))
        return false;
    if (take(&c, ':') && !take_digits(&c, 2, &t.tm_sec)) return false;
    if (take(&c, '.') || take(&c, ',')) milliseconds = take_milliseconds(&c);
    if (!take_zone(&c, &zone) || c.at != c.end) return false;
    if (t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 24 || t.tm_min > 59 || t.tm_sec > 60)
        return false;
    t.tm_year -= 1900;
    t.tm_mon--;
    *ms = ((int64_t)timegm(&t) - 60 * zone) * 1000 + milliseconds;
    return true;
}

static bool parse_unix(struct slice text, int64_t *ms)
{
    if (text.len != 10 && text.len != 13) return false;
    *ms = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.data[i])) return false;
        *ms = *ms * 10 + (text.data[i] - '0');
    }
    if (text.len == 10) *ms *= 1000;
    return true;
}

bool timestamp_parse(struct slice text, int64_t *ms)
{
    return (parse_iso(text, ms) || parse_unix(text, ms)) && *ms >= FIRST_MS && *ms < LAST_MS;
}

char *timestamp_text(int64_t ms, char out[TIMESTAMP_TEXT])
{
    time_t    seconds = (time_t)(ms / 1000);
    struct tm utc;
    size_t    len = strftime(out, TIMESTAMP_TEXT, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
    snprintf(out + len, TIMESTAMP_TEXT - len, ".%03dZ", (int)(ms % 1000));
    return out;
}
