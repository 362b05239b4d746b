/* The profiles of redaction/policies/, embedded by the build. */
#ifndef LETHE_REDACTION_POLICIES_BUILTIN_H
#define LETHE_REDACTION_POLICIES_BUILTIN_H

#include <stddef.h>

struct builtin_policy {
    const char *name;   /* "standard" */
    const char *text;
    size_t      len;
};

extern const struct builtin_policy builtin_policies[];   /* ended by a NULL name */

#endif
