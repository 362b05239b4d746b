#include "sinks/sink.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#define TELL_AGAIN_MS 60000   /* the same trouble is told so often */
#define TELL_OTHER_MS 6000    /* another than was told last */

static pthread_mutex_t trouble_lock = PTHREAD_MUTEX_INITIALIZER;

void sink_trouble(struct sink *s, const char *format, ...)
{
    char     text[sizeof s->trouble];
    va_list  args;
    uint64_t left_out = 0, well = 0;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&trouble_lock);
    memcpy(s->trouble, text, sizeof text);
    bool first = atomic_compare_exchange_strong(&s->counters.failing_since_ms, &well, clock_realtime_ms());
    bool tell = log_passes(&s->trouble_limit, strcmp(s->told, text) != 0 ? TELL_OTHER_MS : TELL_AGAIN_MS, &left_out) || first;
    if (tell) memcpy(s->told, text, sizeof text);
    pthread_mutex_unlock(&trouble_lock);
    if (tell) log_line(LOG_WARNING, s->name, "%s", text);
}

void sink_well(struct sink *s)
{
    uint64_t since = atomic_exchange(&s->counters.failing_since_ms, 0);
    if (since == 0) return;
    pthread_mutex_lock(&trouble_lock);
    s->trouble[0] = '\0';
    pthread_mutex_unlock(&trouble_lock);
    log_line(LOG_INFO, s->name, "works again after %llu s", (unsigned long long)((clock_realtime_ms() - since) / 1000));
}

void sink_trouble_text(const struct sink *s, char out[SINK_TROUBLE])
{
    pthread_mutex_lock(&trouble_lock);
    memcpy(out, s->trouble, sizeof s->trouble);
    pthread_mutex_unlock(&trouble_lock);
}

void sink_note_stored(struct sink *s, const struct block *b)
{
    uint64_t left_out = 0;
    if ((b->refitted >> s->encoding & 1) == 0 || !log_passes(&s->refit_limit, TELL_AGAIN_MS, &left_out)) return;
    log_line(LOG_WARNING, s->name,
             "records in the spool were kept in another format than %s: they are sent as text of a message, "
             "or as they are where it is JSON",
             format_text((enum format)s->format));
}
