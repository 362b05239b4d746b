/* Temporary files that must not outlive the process when it is told to stop.
 *
 * SIGINT, SIGTERM and SIGHUP remove every unfinished file and then end the process by that same signal, so that a shell sees
 * an interrupted program. The handler does all of it itself: a worker may be blocked in a read or a write that no flag
 * would reach.
 *
 * (1) A name is listed before its file is made and struck off after it was renamed or removed.
 * (2) The handler never runs between listing a name and the return of open(): it waits for that to end. A thread that
 *     makes a file holds the signals off meanwhile, so the handler never waits for the thread it interrupted.
 * (3) Once the handler has begun, no more files are made. */
#ifndef LETHE_SINKS_UNFINISHED_H
#define LETHE_SINKS_UNFINISHED_H

#include "base/error.h"

#define UNFINISHED_MAX 8   /* files at a time */

/* Installs the handlers. A signal that is ignored (nohup) stays ignored. */
void unfinished_watch_signals(void);

/* As open() with O_CREAT | O_EXCL and mode 0600, and lists the file. -1 and errno on failure. */
MUST_USE int unfinished_create(const char *path);

/* The file was renamed or removed. */
void unfinished_forget(const char *path);

#endif
