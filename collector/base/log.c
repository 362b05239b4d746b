#include "base/log.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static const char *const level_texts[] = {"debug", "info", "warning", "error"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool            as_json;
static enum log_level  least_level = LOG_INFO;

void log_setup(bool json, enum log_level least)
{
    pthread_mutex_lock(&lock);
    as_json = json;
    least_level = least;
    pthread_mutex_unlock(&lock);
}

static void put_json(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f) fprintf(out, "\\u%04x", c);
        else if (c >= 0x80) fputc('?', out);   /* names may be in any encoding; a log line must be JSON */
        else fputc(c, out);
    }
}

static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void format_line(FILE *out, enum log_level level, const char *part, const char *text)
{
    uint64_t  now = clock_realtime_ms();
    time_t    seconds = (time_t)(now / 1000);
    struct tm utc;
    char      when[32];
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    if (as_json) {
        fprintf(out, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"part\":\"", when, (unsigned)(now % 1000), level_texts[level]);
        put_json(out, part);
        fputs("\",\"message\":\"", out);
        put_json(out, text);
        fputs("\"}\n", out);
        return;
    }
    fprintf(out, "%sZ %-7s %s: ", when, level_texts[level], part);
    put_text(out, text);
    fputc('\n', out);
}

void log_line(enum log_level level, const char *part, const char *format, ...)
{
    char    text[LINE_MAX_BYTES], line[7 * LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    FILE *out = level >= least_level ? fmemopen(line, sizeof line, "w") : NULL;
    if (out != NULL) {
        format_line(out, level, part, text);
        long len = ftell(out);
        fclose(out);
        for (long done = 0; done < len;) {
            ssize_t n = write(STDERR_FILENO, line + done, (size_t)(len - done));
            if (n <= 0) break;   /* nobody to tell */
            done += n;
        }
    }
    pthread_mutex_unlock(&lock);
}

bool log_passes(struct log_limit *limit, uint64_t interval_ms, uint64_t *left_out)
{
    uint64_t now = clock_monotonic_ms();
    if (limit->last_ms != 0 && now - limit->last_ms < interval_ms) {
        limit->left_out++;
        return false;
    }
    *left_out = limit->left_out;
    *limit = (struct log_limit){.last_ms = now == 0 ? 1 : now};
    return true;
}
