/* The file in which a run keeps withheld records, sealed. Like every output it appears when it is complete.
 *
 * Once something could not be written the file is given up: nothing more is written to it, and none appears. */
#ifndef LETHE_COLLECTOR_SEALED_FILE_H
#define LETHE_COLLECTOR_SEALED_FILE_H

#include "redaction/seal.h"
#include "sinks/output.h"

struct sealed_file {
    const char    *path;
    struct output *output;   /* NULL: not wanted, or given up */
};

/* `path` NULL: none is wanted. */
MUST_USE bool sealed_file_open(struct sealed_file *, const char *path, struct error *);

/* `all` is false when some record could not be sealed for lack of memory: as bad as a failed write. */
MUST_USE bool sealed_file_write(struct sealed_file *, const struct sealed_lines *, bool all, struct error *);
MUST_USE bool sealed_file_close(struct sealed_file *, struct error *);

#endif
