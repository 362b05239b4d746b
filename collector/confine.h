/* Which files a command may still use once it knows what it is to do; see base/sandbox.h. */
#ifndef LETHE_COLLECTOR_CONFINE_H
#define LETHE_COLLECTOR_CONFINE_H

#include "config.h"
#include "destination.h"

/* Batch commands, after policy and keys are read: they read their inputs and write their outputs, nothing else.
 *
 * Files beside the output are written to `others`, NULL for each that is not wanted. With blobs among the inputs any file may be
 * read, since who resolves names and verifies certificates reads files of the system. Makes the folder of a mirror. False: the
 * kernel has Landlock and refused. */
MUST_USE bool confine_to(const struct input_list *, const struct destination *, const char *const *others, size_t count,
                         struct error *);

/* `lethe run` writes below the folders of its store, sinks and sockets as they are at start, which are made if they are not
 * there. Reading is free: files come and go, links lead elsewhere, and resolver, certificates and tokens are read at any time. */
struct confinement;

/* NULL: the kernel has Landlock and refused. */
MUST_USE struct confinement *confine_run(const struct config *, struct error *);
void confinement_free(struct confinement *);

/* Whether a run that is confined so can take this configuration. The error names what would write elsewhere. */
MUST_USE bool confinement_covers(const struct confinement *, const struct config *, struct error *);

#endif
