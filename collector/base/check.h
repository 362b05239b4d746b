/* CHECK states a law of the program. A law that is broken is our bug: the process stops at once, in every build, since
 * going on could write an unredacted byte. The message names the law and the place, never data. */
#ifndef LETHE_BASE_CHECK_H
#define LETHE_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(law) ((law) ? (void)0 : check_failed(#law, __FILE__, __LINE__))

#ifdef NDEBUG
#define CHECK_SLOW(law) ((void)0)
#else
#define CHECK_SLOW(law) CHECK(law)
#endif

#define MUST_USE __attribute__((warn_unused_result))

static inline _Noreturn void check_failed(const char *law, const char *file, int line)
{
    fprintf(stderr, "lethe: bug: '%s' does not hold at %s:%d\n", law, file, line);
    abort();
}

#endif
