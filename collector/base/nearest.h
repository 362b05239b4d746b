/* "did you mean 'policy'?": the name that was probably meant. */
#ifndef LETHE_BASE_NEAREST_H
#define LETHE_BASE_NEAREST_H

#include "base/slice.h"

/* Which of names[] (ended by NULL) is so near to `given` that it was probably meant, or NULL. Case does not count, and two
 * neighbours that are swapped count as one mistake; names longer than 31 bytes are near to nothing. */
const char *nearest_name(struct slice given, const char *const names[]);

#endif
