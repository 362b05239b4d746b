/* Goes over the values of a record, each with its path: {"properties":{"inputs":[{"uri":"x"}]}} has "properties.inputs.0.uri".
 *
 * (1) Met are strings, numbers and literals, what was replaced as a whole, and {} and [] with nothing in them. What is gone
 *     is passed over; elements that are gone do not count.
 * (2) Nodes that were given already are passed over with all that is in them. An object that held nothing else is not met.
 * (3) Work is linear in the record: paths may take PATH_FACTOR times its length; an object or array whose paths would take
 *     more is met as a whole. Only records made for it come near that.
 * Thread: the owner's. */
#ifndef LETHE_SINKS_PATH_WALK_H
#define LETHE_SINKS_PATH_WALK_H

#include "sinks/clean_node.h"

#define PATH_FACTOR 8
#define PATH_BASE 16384   /* bytes of paths that any record may have */

/* Text that grows; after `len` there is always room for PARSER_PADDING. */
struct grown {
    char  *data;
    size_t len, capacity;
};

/* False: no memory. */
MUST_USE bool grown_reserve(struct grown *, size_t bytes);
MUST_USE bool grown_add(struct grown *, struct slice);

/* Nodes that were written elsewhere, ascending. */
#define GIVEN_MAX 256

struct given {
    uint32_t nodes[GIVEN_MAX];
    size_t   count, passed;   /* those before nodes[passed] are behind */
};

/* A node that is there already is not added, nor one too many: it is then written twice. */
void given_add(struct given *, uint32_t node);

/* Whether the node is one of them. Asked in the order of the document, from given_rewind() on. */
bool given_has(struct given *, uint32_t node);
static inline void given_rewind(struct given *g) { g->passed = 0; }

struct path_walk {
    const struct clean_record *record;
    struct given              *given;       /* NULL: none */
    struct grown                path;        /* of the value met: raw bytes of a JSON string */
    bool                       failed;      /* no memory: the walk ends */

    struct path_level         *levels;      /* objects and arrays being walked */
    size_t                     depth, level_capacity;
    uint32_t                   node, alone;
    uint64_t                   allowance;   /* bytes of paths that are left */
};

void path_walk_release(struct path_walk *);

/* The record to walk in, once or several times. */
void path_walk_open(struct path_walk *, const struct clean_record *);

/* Walks in an object or array whose own path is `path`. */
void path_walk_begin(struct path_walk *, uint32_t top, struct slice path, struct given *);

/* The next value, or 0. */
uint32_t path_walk_next(struct path_walk *);

#endif
