/* Verifiers: checks in C that a pattern cannot express, named in rules.
 *
 * A verifier is given the text of the value and the span proposed for the secret; it returns whether the span stands and
 * may shorten or lengthen it. Checksums raise confidence and never let a key through unless the format says so.
 *
 * Sources: see each verifier in verify.c. */
#ifndef LETHE_REDACTION_VERIFY_H
#define LETHE_REDACTION_VERIFY_H

#include "base/slice.h"

struct verifier {
    const char *name;       /* "entropy" */
    const char *argument;   /* "" or what the argument is: "bits per character" */
    bool      (*check)(struct slice text, uint32_t *from, uint32_t *to, double argument);
    const char *purpose;    /* one line for `lethe rules` and docs */
};

extern const struct verifier verifiers[];   /* ended by a NULL name */

const struct verifier *verifier_find(struct slice name);

/* Shannon entropy in bits per byte. */
double entropy(struct slice text);

/* Whether it is so many or more, and whether it is more. Cheaper, and agree with entropy(). */
bool entropy_reaches(struct slice text, double bits);
bool entropy_exceeds(struct slice text, double bits);

bool looks_like_guid(struct slice text);          /* 8-4-4-4-12 hex */
bool looks_like_placeholder(struct slice text);   /* "<password>", "${X}", "********", "xxxxxxxx", "changeme", "null", ... */
bool luhn_valid(struct slice digits);             /* digits only */

#endif
