/* A bounded set of counted things, found by key, that comes out the same in whatever order and parts they were added.
 *
 * Every key has a rank, a hash of it. When there are too many keys those of the highest ranks go. One that belongs to the
 * `most` lowest of a whole belongs to them in every part of it as well, hence is never dropped on the way, and its counts
 * are complete. Keys are not chosen by how often they occur: what is rare at first may become frequent.
 *
 * Ranks can be computed by everybody, so keys that collide can be prepared. It costs time, but not more than a walk over
 * 2 * most items for each addition. */
#ifndef LETHE_COLLECTOR_SHORTLIST_H
#define LETHE_COLLECTOR_SHORTLIST_H

#include "base/error.h"
#include "base/slice.h"

/* First member of what is kept. */
struct shortlisted {
    uint64_t     rank;
    struct slice key;    /* memory of the item */
};

struct shortlist {
    struct shortlisted **items;
    size_t               count, most, room;
    uint32_t            *slots;        /* item number + 1 at its rank or behind it; 0: free */
    size_t               slot_count;   /* a power of two */
    uint64_t             highest;      /* rank; what lies above is not taken any more */
    void               (*drop)(void *context, struct shortlisted *);   /* frees an item that goes */
    void                *context;
};

MUST_USE bool shortlist_init(struct shortlist *, size_t most, void (*drop)(void *context, struct shortlisted *), void *context);
void shortlist_release(struct shortlist *);   /* drops all */

uint64_t shortlist_rank(struct slice key);

/* NULL: there is none. */
struct shortlisted *shortlist_find(const struct shortlist *, uint64_t rank, struct slice key);

/* Whether a new item of that rank would be taken. */
bool shortlist_welcomes(const struct shortlist *, uint64_t rank);

/* Takes the item, whose key is new. False and nothing is taken: memory is out. May drop others. */
MUST_USE bool shortlist_add(struct shortlist *, struct shortlisted *);

/* Drops what is too much. */
void shortlist_prune(struct shortlist *);

#endif
