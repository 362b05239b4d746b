/* Containers taken apart: walks through an array of records, or through a page such as {"records":[...]}, and names its
 * pieces one after another, without parsing them and without holding more than one.
 *
 * A container is an array; or an object with a member `records` that is an array of objects; or one with a member
 * `value` that is, and before it only the members of a page of results (nextLink, count, @odata.*). Names compare
 * without case. An element that is itself such an object and too long to be held is walked through in turn.
 *
 * (1) Pieces come in order and do not overlap. What lies between them is white space and commas.
 * (2) All is decided from the bytes, whatever the views; see extent.h.
 * Used by framing, on what does not fit into a batch, and by document opening, on what is broken.
 * Thread: its owner's. */
#ifndef LETHE_PARSER_CONTAINER_H
#define LETHE_PARSER_CONTAINER_H

#include "parser/extent.h"

#define CONTAINER_LEVELS 8   /* brackets entered: an array of pages needs three */

enum container_event {
    CONTAINER_MORE,       /* needs more bytes; those from container_hold() on must stay */
    CONTAINER_GLUE,       /* brackets, or a key and the bracket after it */
    CONTAINER_ELEMENT,
    CONTAINER_MEMBER,     /* "key":value of no interest */
    CONTAINER_STRAY,      /* bytes that cannot stand there, perhaps none: a comma too many */
    CONTAINER_LONG,       /* an element or member longer than max begins; it will be passed over */
    CONTAINER_PASSED,     /* ... and has ended */
    CONTAINER_CUT,        /* ends inside the container: at the end of the stream, or torn; goes on at container_at() */
    CONTAINER_END,        /* closed, and container_at() is the byte after it */
};

struct container {
    struct extent extent;
    uint64_t      max;                        /* longest element or member that is named */
    uint64_t      start, end;                 /* of the piece named last; of the open item after MORE and CUT */
    bool          opens;                      /* GLUE that opens an array of elements */
    bool          in_array;                   /* the piece is one of an array's: an element, or the glue that stands for one */
    char          open[CONTAINER_LEVELS];     /* brackets, outermost first */
    bool          written[CONTAINER_LEVELS];  /* for the owner: the object has a member already; false when entered */
    bool          foreign[CONTAINER_LEVELS];  /* the object has members that no page of results has */
    unsigned      levels;
    enum { AT_ROOT, AT_FIRST, AT_ITEM, AT_COMMA, IN_KEY, IN_ITEM, IN_STRAY, AT_END } state;
    bool          after_comma;                /* the open item is not the first of its object or array */
    bool          passing;                    /* the open item is too long */
};

/* Whether the value at `start` is a container, as far as its first `max` bytes tell. */
bool container_detect(const struct view *, uint64_t start, uint64_t max);

/* `start` is the offset of its first bracket. `tears`: look for lines that show it was cut off. */
void container_init(struct container *, uint64_t start, uint64_t max, bool tears);

enum container_event container_next(struct container *, const struct view *);

static inline uint64_t container_at(const struct container *c) { return c->extent.at; }

/* The first byte that must stay in view. After a comma that is the one before the item, open or still to come: the comma
 * or white space, and free to be written over. */
uint64_t container_hold(const struct container *);

/* Names of members: what they mean for an object that could be a container. Raw bytes between the quotes. */
enum page_key { PAGE_FOREIGN, PAGE_RECORDS, PAGE_VALUE, PAGE_COMMON };
enum page_key page_key(struct slice raw);

#endif
