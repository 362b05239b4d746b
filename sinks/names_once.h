/* Names that were written for the record in hand, so that none is written twice: a second "a" becomes "a#2".
 *
 * (1) Names are compared decoded: "\u0061" is "a".
 * (2) Names belong to a scope, a number of the caller's: the same name in another object is another name.
 * (3) Work is linear in the names, however many of them are equal.
 * Thread: the owner's. */
#ifndef LETHE_SINKS_NAMES_ONCE_H
#define LETHE_SINKS_NAMES_ONCE_H

#include "base/check.h"
#include "base/slice.h"

struct names_once;

MUST_USE struct names_once *names_once_new(void);   /* NULL: no memory */
void names_once_free(struct names_once *);

/* Forgets all names. */
void names_once_clear(struct names_once *);

/* Notes a decoded name. 1: it is new; n > 1: it was there, and the name with `mark` and n behind it is new and has been noted
 * (mark 0: n alone); 0: no memory. */
uint32_t names_once_take(struct names_once *, uint32_t scope, struct slice name, char mark);

#endif
