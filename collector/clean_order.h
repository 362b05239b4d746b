/* Clean and withheld records of a batch in the order of the input. */
#ifndef LETHE_COLLECTOR_CLEAN_ORDER_H
#define LETHE_COLLECTOR_CLEAN_ORDER_H

#include "redaction/redaction.h"

/* Begin with {0}; one of the two pointers is set by clean_next(), the other is NULL. */
struct clean_cursor {
    size_t                        next_record, next_withheld;
    const struct clean_record    *record;
    const struct withheld_record *withheld;
};

/* False: there is no other. */
static inline bool clean_next(struct clean_cursor *c, const struct clean_batch *b)
{
    bool more_records = c->next_record < b->count, more_withheld = c->next_withheld < b->withheld_count;
    if (!more_records && !more_withheld) return false;
    bool record = more_records && (!more_withheld || b->records[c->next_record].offset <= b->withheld[c->next_withheld].offset);
    c->record = record ? &b->records[c->next_record++] : NULL;
    c->withheld = record ? NULL : &b->withheld[c->next_withheld++];
    return true;
}

#endif
