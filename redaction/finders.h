/* Finders: formats without a literal that an automaton could anchor on, found in C at something rarer.
 *
 * Each looks at one place of a text (the first of some digits, a separator, the start of a run) and says whether its format
 * stands there. Cost per place is bounded. Of a run *from and *to come in as its ends, and are what is found.
 *
 * Sources: ISO/IEC 7812 (card numbers), Skatteverket SKV 704 (Swedish personal numbers), the job name generator of
 * azure-ai-ml (friendly names), RFC 3986 (user information in URLs). */
#ifndef LETHE_REDACTION_FINDERS_H
#define LETHE_REDACTION_FINDERS_H

#include "base/slice.h"

#define FINDER_MAX 8

enum trigger { TRIGGER_DIGITS, TRIGGER_UNDERSCORE, TRIGGER_SIGN, TRIGGER_RUN };

struct finder {
    const char  *name;
    enum trigger trigger;
    bool       (*find)(struct slice text, uint32_t at, uint32_t *from, uint32_t *to);
};

extern const struct finder finders[];   /* ended by a NULL name; fewer than FINDER_MAX */

/* The next run of at least 52 characters a-z2-7 at or after `at`; false: none. Skips 51 bytes where it can. */
bool find_base32_run(struct slice text, uint32_t at, uint32_t *from, uint32_t *to);

#endif
