/* Making what happened to names in a folder last through a loss of power: made, renamed, removed. Syncing a file alone does
 * not. Thread: any; it may wait for the disk. */
#ifndef LETHE_BASE_FOLDER_H
#define LETHE_BASE_FOLDER_H

#include "base/check.h"

#include <stdbool.h>

/* False: errno. A file system that cannot sync a folder counts as one that has: there is nothing more to be done then. */
MUST_USE bool folder_sync(const char *folder);

/* The folder in which `path` stands. */
MUST_USE bool folder_sync_above(const char *path);

#endif
