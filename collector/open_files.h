/* How many files the process may have open: connections are the most of them.
 *
 * The system gives every process few to begin with (1024), so that programs that use select() do not break, and lets it ask for
 * more, up to a hard limit. lethe uses poll() and epoll only. Thread: the main thread. */
#ifndef LETHE_COLLECTOR_OPEN_FILES_H
#define LETHE_COLLECTOR_OPEN_FILES_H

#include "config.h"

/* Asks for as many as the hard limit allows. Before system calls are filtered: no limit can be changed afterwards. */
void open_files_raise(void);

/* How many a run may need at a time: what its sources take at most, and a margin for everything else. */
uint64_t open_files_needed(const struct config *);

/* Warns if the process may not have as many. */
void open_files_check(const struct config *);

#endif
