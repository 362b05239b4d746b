/* What went wrong when the world failed: a file that cannot be opened, a policy that does not compile.
 *
 * A function that can fail returns bool and takes a `struct error *` last; true is success and leaves the error
 * untouched. The first error wins: error_set() on an error that is already set does nothing. The text is one line,
 * lower case, says what, where and what to do, and never holds a byte of payload; one that is too long is cut at its end.
 * Whoever handles the error prints it. NULL may be given by who wants no text. Thread: that of the error's owner. */
#ifndef LETHE_BASE_ERROR_H
#define LETHE_BASE_ERROR_H

#include "base/check.h"

#include <stdbool.h>

enum error_code {
    ERROR_NONE = 0,
    ERROR_USAGE,   /* the command line or a configuration file is wrong: exit code 2 */
    ERROR_INPUT,   /* some input cannot be read: exit code 1 */
    ERROR_OUTPUT,  /* some output cannot be written: exit code 1 */
    ERROR_MEMORY,  /* no memory at start-up: exit code 1 */
    ERROR_NETWORK, /* another machine cannot be reached or refuses: exit code 1 */
};

struct error {
    enum error_code code;
    char            text[1024];
};

/* Always returns false, so that a failing function can end in `return error_set(...)`. */
bool error_set(struct error *, enum error_code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As error_set(), and adds ": " and the text of errno. */
bool error_set_errno(struct error *, enum error_code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
