#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static void __attribute__((format(printf, 4, 0))) set(struct error *err, enum error_code code, int number, const char *format,
                                                      va_list args)
{
    if (err == NULL || err->code != ERROR_NONE) return;
    err->code = code;
    int len = vsnprintf(err->text, sizeof err->text, format, args);
    if (number == 0 || len < 0 || (size_t)len >= sizeof err->text) return;
    char reason[128];
    const char *text = strerror_r(number, reason, sizeof reason);
    snprintf(err->text + len, sizeof err->text - (size_t)len, ": %s", text);
    err->text[len + 2] = (char)(err->text[len + 2] | 0x20);   /* "No such file" -> "no such file" */
}

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, 0, format, args);
    va_end(args);
    return false;
}

bool error_set_errno(struct error *err, enum error_code code, const char *format, ...)
{
    int number = errno;
    va_list args;
    va_start(args, format);
    set(err, code, number, format, args);
    va_end(args);
    return false;
}
