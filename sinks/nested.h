/* Writes a reading as JSON objects inside one another, by a tree of the mapping table; for ECS and OCSF.
 *
 * (1) An object with nothing in it is not written, but {} of the record is.
 * (2) No name is written twice in one object: a second "a" becomes "a#2".
 * (3) The rest of the record goes into the object that the tree marks: with its structure, without what was given. An object
 *     of the record that bears the name of one in the tree shares it.
 * (4) What lies deeper than NEST_DEPTH is written as JSON text in a string: receivers have limits far below.
 * (5) Strings are valid Unicode: a lone surrogate becomes U+FFFD.
 * Thread: one owner. */
#ifndef LETHE_SINKS_NESTED_H
#define LETHE_SINKS_NESTED_H

#include "sinks/encode.h"
#include "sinks/names_once.h"
#include "sinks/reading.h"

#define NEST_DEPTH 64

struct nested {
    struct reading        *reading;
    const struct mapping  *mapping;
    struct encoded        *out;
    struct names_once     *names;
    struct grown           key;          /* of the member being written, decoded */
    struct grown           scratch;
    uint8_t                done[BRANCHES_MAX];
    uint32_t               scopes;
    uint32_t               passed_over;  /* values that were given elsewhere */
    unsigned               depth;
    bool                   failed;       /* no memory */

    /* Changes the decoded name of a member of the rest, in n->key; `parent` is the object's branch of the tree, or NO_BRANCH;
     * `is_object`: its value is an object or array. May be NULL. Returns whether names inside are changed in the same way. */
    bool (*rename)(struct nested *, uint16_t parent, bool is_object, bool inside);
};

MUST_USE bool nested_init(struct nested *);
void nested_release(struct nested *);

/* Appends the object. False: no memory. */
MUST_USE bool nested_write(struct nested *, struct reading *, const struct mapping *, struct encoded *);

#endif
