/* A destination file for clean bytes: plain or gzip, appearing under its name only when it is complete.
 *
 * (1) The bytes go to `.NAME.lethe-tmp` beside the final name; output_finish() syncs that file, renames it and syncs the
 *     folder. Until then the final name is untouched, so a file that is there is a complete one.
 * (2) A failed write is final: the temporary file is removed by output_abandon() and nothing is tried again.
 * (3) Standard output and what exists and is no regular file (/dev/null, a pipe) are written directly.
 * (4) New files have mode 0600, since what is clean enough to pass on is the owner's decision; a file that is replaced
 *     keeps its mode. New folders have mode 0700.
 * (5) A temporary file left by a killed run is replaced; one that a living process is writing is left alone.
 *
 * Errors say `cannot write 'x': no space left on device`. Thread: one at a time. */
#ifndef LETHE_SINKS_OUTPUT_H
#define LETHE_SINKS_OUTPUT_H

#include "base/error.h"
#include "base/slice.h"

#include <sys/types.h>
#include <time.h>

#define OUTPUT_STDOUT "-"

struct output;

/* NULL and an error when it cannot be created. */
MUST_USE struct output *output_open(const char *path, bool gzip, struct error *);

MUST_USE bool output_write(struct output *, struct slice, struct error *);

/* Writes what has been collected, so that an error shows before output_finish() takes the output away. */
MUST_USE bool output_flush(struct output *, struct error *);

/* Completes the file and frees the output, also on failure, when nothing stays behind. If `modified` is not NULL it
 * becomes the file's time of modification. */
MUST_USE bool output_finish(struct output *, const struct timespec *modified, struct error *);

/* Removes what was written, as far as it is a temporary file, and frees the output. */
void output_abandon(struct output *);

uint64_t output_bytes(const struct output *);      /* taken by output_write() */
bool     output_unwanted(const struct output *);   /* a write failed since nobody reads any more (EPIPE) */

/* Makes the folders above `path` that are missing; _as: with that mode, whatever the umask. */
MUST_USE bool output_make_folders(const char *path, struct error *);
MUST_USE bool output_make_folders_as(const char *path, mode_t mode, struct error *);

#define OUTPUT_TEMPORARY_SUFFIX ".lethe-tmp"

#endif
