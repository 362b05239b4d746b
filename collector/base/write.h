/* Writing to a descriptor until all is written, over interruptions. Thread: any; it waits as long as the descriptor does. */
#ifndef LETHE_BASE_WRITE_H
#define LETHE_BASE_WRITE_H

#include "base/check.h"
#include "base/slice.h"

/* False: errno says why; some of it may have been written. */
MUST_USE bool write_all(int fd, struct slice bytes);

#endif
