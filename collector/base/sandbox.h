/* What the process may still do, given up before it reads a byte of a log: so a fault in the reading of logs opens no door.
 *
 * System calls (seccomp): those that the program needs and no others; any other ends the process with SIGSYS. There is no
 * program that runs another, traces one, loads code into the kernel or changes users; without SANDBOX_NETWORK there is no
 * socket either, nor memory that becomes executable. Files (Landlock, since Linux 5.13): only below the paths named; another
 * is EACCES. What is open already stays usable. Neither can be taken back.
 *
 * A build with a sanitizer, whose runtime needs calls of its own, is bound by the list of what is forbidden instead, and may
 * read what the kernel tells of processes.
 * Thread: the main thread, before any other is started; threads inherit all of it. */
#ifndef LETHE_BASE_SANDBOX_H
#define LETHE_BASE_SANDBOX_H

#include "base/error.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(LETHE_ASAN)
#define SANDBOX_RELAXED true
#else
#define SANDBOX_RELAXED false
#endif

enum sandbox_kind {
    SANDBOX_FILES,     /* files alone */
    SANDBOX_NETWORK,   /* sockets, too */
};

/* Gives up root for good: this user, the user's groups, no capability. Nothing is changed if the process is that user already. */
MUST_USE bool sandbox_become(const char *user, struct error *);

/* Core files off, no debugger of another process of the same user, no new privileges by programs it might run. */
void sandbox_protect_memory(void);

/* Filters system calls from here on. False: this kernel has no filter, or does not let us; the run may go on without. */
MUST_USE bool sandbox_filter_calls(enum sandbox_kind, struct error *);

/* --- Files ------------------------------------------------------------------------------------------------------------ */

/* Collects what may be used, then confines the process to it. Paths that are not there, or cannot be looked at, add nothing:
 * whoever opens them will be told why. */
struct sandbox_files;

/* `reads`: reading is confined as well; otherwise only writing, making and removing are. NULL: this kernel has no Landlock. */
MUST_USE struct sandbox_files *sandbox_files_new(bool reads);

void sandbox_may_read(struct sandbox_files *, const char *path);         /* a file, or all below a folder */
void sandbox_may_write_below(struct sandbox_files *, const char *folder);   /* read, write, make and remove */

/* Where this file will appear: the folder that it is in (behind a link, where that leads), or itself if it is a device or
 * pipe. */
void sandbox_may_write(struct sandbox_files *, const char *file);

/* Frees it. False: the kernel refused; the error says so. NULL is allowed, and true. */
MUST_USE bool sandbox_confine(struct sandbox_files *, struct error *);

/* Version of Landlock that confines this process; 0: none does. */
unsigned sandbox_landlock(void);

#endif
