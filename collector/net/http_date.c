#include "net/http_date.h"

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

bool http_date_read(struct slice text, time_t *seconds)
{
    static const char shape[] = "aaa, 00 aaa 0000 00:00:00 GMT";
    if (text.len != sizeof shape - 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        bool fits = shape[i] == 'a'   ? ascii_is_alpha(text.data[i])
                    : shape[i] == '0' ? ascii_is_digit(text.data[i])
                                      : shape[i] == text.data[i];
        if (!fits) return false;
    }
    struct tm parts = {.tm_mday = digits(text.data + 5, 2), .tm_mon = month_number(text.data + 8), .tm_year = digits(text.data + 12, 4) - 1900,
                       .tm_hour = digits(text.data + 17, 2), .tm_min = digits(text.data + 20, 2), .tm_sec = digits(text.data + 23, 2)};
    if (parts.tm_mon < 0 || parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60) return false;
    *seconds = timegm(&parts);
    return true;
}

void http_date_write(time_t seconds, char text[HTTP_DATE_BYTES])
{
    struct tm parts;
    gmtime_r(&seconds, &parts);
    snprintf(text, HTTP_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * parts.tm_wday, (unsigned)parts.tm_mday % 100,
             months + 3 * parts.tm_mon, (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)parts.tm_hour % 100, (unsigned)parts.tm_min % 100,
             (unsigned)parts.tm_sec % 100);
}
