/* The choice of a plan for each record: see redaction.h. */
#ifndef LETHE_REDACTION_PLAN_SET_H
#define LETHE_REDACTION_PLAN_SET_H

#include "redaction/plan.h"

#define RESOURCE_MAX 2048   /* bytes of a resource's id; one that is longer counts as one that cannot be read */

struct scope {
    char  *source, *resource;   /* NULL: any */
    size_t plan;
};

struct plan_set {
    const struct plan *plans[PLAN_SET_MAX_PLANS + 1];   /* the first is for records of no scope */
    size_t             count;
    struct scope       scopes[PLAN_SET_MAX_SCOPES];
    size_t             scope_count;
    uint32_t           covers[PLAN_SET_MAX_PLANS + 1];  /* by plan: bits of the plans that it covers, itself among them */
    size_t             strictest;
    struct plan       *united;                          /* the strictest, when it was made for the set; else NULL */
};

/* What a redactor knows while it chooses. */
struct plan_choice {
    uint64_t fitting;                /* scopes whose source fits, as bits */
    bool     by_resource;            /* one of them has a resource */
    size_t   last_len;               /* the resource seen last, */
    uint64_t last_fits;              /* and the scopes that it fits */
    char     last[RESOURCE_MAX];
};

void plan_choice_source(struct plan_choice *, const struct plan_set *, struct slice source);

/* The plan, by its number in the set, for a record whose keys are resolved. */
size_t plan_choose(struct plan_choice *, const struct plan_set *, const struct tape *, uint32_t record, struct key_cache *);

/* `pattern`: see struct plan_scope. Takes time in proportion to both lengths at most. */
bool glob_fits(const char *pattern, struct slice text);

#endif
