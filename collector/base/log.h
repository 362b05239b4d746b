/* Log lines on standard error: text on a terminal, one JSON object a line otherwise.
 *
 * A line says when, how serious, which part of the program (`src:console`, `sink:siem`, `store`) and what, in lower case.
 * It never holds a byte of payload, a secret or a token: callers pass numbers, names from the configuration and texts of
 * their own. Control characters, quotes and what is not UTF-8 in names are escaped or replaced.
 * Thread: any; a line is written whole. */
#ifndef LETHE_BASE_LOG_H
#define LETHE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below `least` are left out. Before the call: text, from LOG_INFO on. */
void log_setup(bool json, enum log_level least);

void log_line(enum log_level, const char *part, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Lets one line pass in `interval_ms` and counts the others; zero-initialised, one for each place. True: say it, and
 * *left_out tells how many were not said since. */
struct log_limit {
    uint64_t last_ms, left_out;
};
bool log_passes(struct log_limit *, uint64_t interval_ms, uint64_t *left_out);

#endif
