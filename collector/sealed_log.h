/* The file to which a run appends what it withheld, sealed: docs/sealing.md.
 *
 * It is opened for every write, so that it may be moved away at any time; it has mode 0600, and is on disk when a write returns,
 * before the source is told that its batch is done. What cannot be kept is told and counted, and holds nothing up: what is
 * withheld goes nowhere, kept or not.
 * Thread: any. */
#ifndef LETHE_COLLECTOR_SEALED_LOG_H
#define LETHE_COLLECTOR_SEALED_LOG_H

#include "redaction/seal.h"

#include <pthread.h>
#include <stdatomic.h>

struct sealed_log {
    const char     *path;       /* NULL: nothing is kept */
    uint64_t        max_bytes;
    pthread_mutex_t lock;
    atomic_uint_fast64_t kept, not_kept;   /* records */
};

void sealed_log_init(struct sealed_log *, const char *path, uint64_t max_bytes);
void sealed_log_release(struct sealed_log *);

/* False: the file would be longer than it may be, or cannot be written. A line that was cut off by an earlier end is ended. */
MUST_USE bool sealed_log_append(struct sealed_log *, const struct sealed_lines *, struct error *);

#endif
