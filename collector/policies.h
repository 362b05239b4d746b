/* One generation of a run's keys and policies. It is const once loaded, and lives until its last holder lets go: a worker that
 * still uses an older one keeps it.
 *
 * There is one set of plans for all sources: a source's own policy is a rule for that source, so that of it and any rule that
 * fits as well the strictest counts. Rules have the same numbers in every plan of every generation. */
#ifndef LETHE_COLLECTOR_POLICIES_H
#define LETHE_COLLECTOR_POLICIES_H

#include "config.h"
#include "redaction/seal.h"

#include <stdatomic.h>

struct policies {
    atomic_uint      holders;
    uint64_t         generation;    /* 0, then one more with every reload */
    struct keyring  *keys;
    struct plan    **plans;         /* the first is the run's own; each is there once */
    const char     **names;         /* of the plans; while loading only */
    size_t           count;
    struct plan_set *set;
    struct seal_key  seal_key;      /* where withheld records are sealed */
};

/* With `make`, a key file that is missing is made in the store; without, nothing is changed. One holder. NULL: something
 * cannot be read. */
MUST_USE struct policies *policies_load(const struct config *, bool make, struct error *);

/* Once they could not be loaded: what is wrong with keys and with each policy on its own, all of it; `found` if it is none of that. */
void policies_find_mistakes(const struct config *, const struct error *found, struct mistakes *);

struct policies *policies_hold(struct policies *);
void policies_release(struct policies *);   /* may be NULL */

#endif
