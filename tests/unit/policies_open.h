/* The policies under which most of redaction is tested, opened and closed for a whole program of tests. */
#ifndef LETHE_TESTS_POLICIES_OPEN_H
#define LETHE_TESTS_POLICIES_OPEN_H

#include "redacting.h"

static struct redacting standard, hbi, keeping;   /* keeping: standard, and containers are kept */

static inline int open_policies(void **state)
{
    (void)state;
    redacting_open(&standard, "standard", false);
    redacting_open(&hbi, "hbi", false);
    redacting_open(&keeping, "standard", true);
    return 0;
}

static inline int close_policies(void **state)
{
    (void)state;
    redacting_close(&standard);
    redacting_close(&hbi);
    redacting_close(&keeping);
    return 0;
}

#endif
