/* Memory that runs out when a test wants it to: malloc and its kin, as called by the program's own code, arena_take(), and what
 * Vectorscan's scratch, cJSON and SQLite ask for. Only for programs that are linked with failing_memory.c and the --wrap options
 * of tests/CMakeLists.txt. */
#ifndef LETHE_TESTS_FAILING_MEMORY_H
#define LETHE_TESTS_FAILING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before any library is used. */
void failing_memory_start(void);

/* From now on the `first`-th request is refused, and those after it, too, if `all_later`. 0: none is, they are only counted. */
void failing_memory_arm(uint64_t first, bool all_later);

/* Ends it; returns how many requests there were since. */
uint64_t failing_memory_disarm(void);

/* The numbers of requests, counted while none was refused, of which each was the first on its way through the program's functions:
 * those that are new since the last call, also when a child of the process counted. */
#define FAILING_MEMORY_WAYS 4096
size_t failing_memory_new_ways(uint64_t numbers[FAILING_MEMORY_WAYS]);

void failing_memory_forget_ways(void);   /* as if none had been met */

/* Between these, requests are neither counted nor refused. */
void failing_memory_hold(void);
void failing_memory_go_on(void);

#endif
