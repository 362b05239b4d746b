/* For programs whose tests mostly wait: several processes share the tests of one program. LETHE_SHARD=K/N runs every N-th of them,
 * from the K-th on (0 ...); without it all are run. */
#ifndef LETHE_TESTS_SHARDED_H
#define LETHE_TESTS_SHARDED_H

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MOST_TESTS 64

static inline int run_sharded(const struct CMUnitTest *tests, size_t count)
{
    struct CMUnitTest chosen[MOST_TESTS];
    size_t            first = 0, of = 1, used = 0;
    const char       *shard = getenv("LETHE_SHARD");
    CHECK(count <= MOST_TESTS && (shard == NULL || (sscanf(shard, "%zu/%zu", &first, &of) == 2 && first < of)));
    for (size_t i = first; i < count; i += of) chosen[used++] = tests[i];
    return _cmocka_run_group_tests("tests", chosen, used, NULL, NULL);
}

#define RUN_SHARDED(tests) run_sharded(tests, sizeof(tests) / sizeof *(tests))

#endif
