#include "progress.h"

#include <stdio.h>
#include <time.h>

#define REDRAW_SECONDS 0.1
#define BAR_CELLS 24
#define BAR_FULL "########################"    /* BAR_CELLS of each */
#define BAR_EMPTY "........................"

double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

char *bytes_text(double bytes, char out[BYTES_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    size_t unit = 0;
    for (; bytes >= 999.95 && unit + 1 < sizeof units / sizeof *units; unit++) bytes /= 1000;
    snprintf(out, BYTES_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return out;
}

/* "1:02:03" or "02:03" */
static char *duration_text(double seconds, char out[BYTES_TEXT])
{
    unsigned long s = seconds < 0 ? 0 : seconds > 3599999 ? 3599999 : (unsigned long)seconds;
    if (s >= 3600)
        snprintf(out, BYTES_TEXT, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, BYTES_TEXT, "%02lu:%02lu", s / 60, s % 60);
    return out;
}

void progress_start(struct progress *p, struct console *console, uint64_t total_bytes)
{
    *p = (struct progress){.console = console, .total_bytes = total_bytes, .started = monotonic_seconds()};
}

static void draw(struct progress *p, double seconds, uint64_t bytes, uint64_t records)
{
    char   size[BYTES_TEXT], rate[BYTES_TEXT], left[BYTES_TEXT];
    double per_second = seconds > 0 ? (double)bytes / seconds : 0;
    bytes_text((double)bytes, size);
    bytes_text(per_second, rate);
    if (p->total_bytes > 0) {
        double done = (double)bytes / (double)p->total_bytes;
        if (done > 1) done = 1;   /* a file may have grown since */
        int full = (int)(done * BAR_CELLS);
        duration_text(per_second > 0 ? (double)p->total_bytes * (1 - done) / per_second : 0, left);
        fprintf(stderr, "\r[%.*s%.*s] %3.0f%%  %s  %s/s  %llu records  %s left\033[K", full, BAR_FULL, BAR_CELLS - full,
                BAR_EMPTY, 100 * done, size, rate, (unsigned long long)records, left);
    } else {
        fprintf(stderr, "\r%s  %s/s  %llu records  %s\033[K", size, rate, (unsigned long long)records,
                duration_text(seconds, left));
    }
    fflush(stderr);
    p->console->bar_shown = true;
}

void progress_update(struct progress *p, uint64_t bytes, uint64_t records)
{
    if (!p->console->terminal || p->console->quiet) return;
    double now = monotonic_seconds();
    if (now - p->drawn < REDRAW_SECONDS) return;
    p->drawn = now;
    draw(p, now - p->started, bytes, records);
}
