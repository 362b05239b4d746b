/* The progress bar: one line on a terminal, drawn at most ten times a second, gone before anything else is printed.
 * Thread: whoever holds the output turn. */
#ifndef LETHE_COLLECTOR_PROGRESS_H
#define LETHE_COLLECTOR_PROGRESS_H

#include "console.h"

#include <stdint.h>

struct progress {
    struct console *console;
    uint64_t        total_bytes;   /* 0: not known, no percentage and no remaining time */
    double          started, drawn;   /* seconds of the monotonic clock */
};

void progress_start(struct progress *, struct console *, uint64_t total_bytes);
void progress_update(struct progress *, uint64_t bytes, uint64_t records);

double monotonic_seconds(void);

/* "12.3 MB", in powers of 1000. */
#define BYTES_TEXT 32
char *bytes_text(double bytes, char out[BYTES_TEXT]);

#endif
