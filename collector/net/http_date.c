#include "net/http_date.h"

#include "base/clock.h"

#include <stdio.h>

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

static int month_number(const char *name)
{
    for (int i = 0; i < 12; i++)
        if (memcmp(months + 3 * i, name, 3) == 0) return i;
    return -1;
}

/* `count` digits, or -1. */
static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!ascii_is_digit(text[i])) return -1;
        value = 10 * value + (text[i] - '0');
    }
    return value;
}

/* Where the parts stand in a form; in a shape 'a' is a letter, '0' a digit, '_' a digit or a space. */
struct form {
    const char *shape;
    size_t      day, month, year, time;
    int         year_digits;
};

static const struct form forms[] = {
    {"aaa, 00 aaa 0000 00:00:00 GMT", 5, 8, 12, 17, 4},
    {", 00-aaa-00 00:00:00 GMT", 2, 5, 9, 12, 2},   /* behind the name of the day, which has any length */
    {"aaa aaa _0 00:00:00 0000", 8, 4, 20, 11, 4},
};
enum { FORMS = sizeof forms / sizeof *forms };

static bool fits(struct slice text, const char *shape)
{
    if (text.len != strlen(shape)) return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool right = shape[i] == 'a'   ? ascii_is_alpha(c)
                     : shape[i] == '0' ? ascii_is_digit(c)
                     : shape[i] == '_' ? ascii_is_digit(c) || c == ' '
                                       : shape[i] == c;
        if (!right) return false;
    }
    return true;
}

/* Two digits mean the year that is nearest, but at most 50 years ahead: RFC 9110 section 5.6.7. */
static int full_year(int two_digits)
{
    time_t    now = (time_t)(clock_realtime_ms() / 1000);
    struct tm parts;
    gmtime_r(&now, &parts);
    int this_year = parts.tm_year + 1900, year = this_year - this_year % 100 + two_digits;
    if (year > this_year + 50) year -= 100;
    else if (year <= this_year - 50) year += 100;
    return year;
}

static bool read_form(const char *text, const struct form *f, time_t *seconds)
{
    int       year = digits(text + f->year, f->year_digits);
    int       day = text[f->day] == ' ' ? digits(text + f->day + 1, 1) : digits(text + f->day, 2);
    struct tm parts = {.tm_mday = day, .tm_mon = month_number(text + f->month),
                       .tm_year = (f->year_digits == 2 ? full_year(year) : year) - 1900, .tm_hour = digits(text + f->time, 2),
                       .tm_min = digits(text + f->time + 3, 2), .tm_sec = digits(text + f->time + 6, 2)};
    if (parts.tm_mon < 0 || parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 ||
        parts.tm_sec > 60)
        return false;
    *seconds = timegm(&parts);
    return true;
}

static bool is_name_of_day(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_alpha(text.data[i])) return false;
    return text.len >= sizeof "Monday" - 1 && text.len <= sizeof "Wednesday" - 1;
}

bool http_date_read(struct slice text, time_t *seconds)
{
    const char  *comma = text.len > 0 ? memchr(text.data, ',', text.len) : NULL;
    size_t       name = comma != NULL ? (size_t)(comma - text.data) : 0;
    struct slice behind_name = slice_sub(text, name, text.len);
    for (const struct form *f = forms; f < forms + FORMS; f++) {
        struct slice s = f->shape[0] == ',' ? behind_name : text;
        if (fits(s, f->shape) && (f->shape[0] != ',' || is_name_of_day(slice_sub(text, 0, name))))
            return read_form(s.data, f, seconds);
    }
    return false;
}

void http_date_write(time_t seconds, char text[HTTP_DATE_BYTES])
{
    struct tm parts;
    gmtime_r(&seconds, &parts);
    snprintf(text, HTTP_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * parts.tm_wday,
             (unsigned)parts.tm_mday % 100, months + 3 * parts.tm_mon, (unsigned)(parts.tm_year + 1900) % 10000,
             (unsigned)parts.tm_hour % 100, (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100);
}
