/* Documents to records: parses one document of a batch strictly, repairs Azure's two known faults if that fails, and
 * says which of its nodes are the records.
 *
 * Repairs, tried only after the strict reading failed, and counted:
 *   - raw line feeds, carriage returns and tabs inside strings become \n, \r, \t
 *   - single-quoted JSON ({'records': [...]}, with None/True/False as Python writes them) becomes double-quoted
 * A container of which one element is broken is split by its brackets, so that its neighbours survive.
 * A line of text becomes {"message":"<the line>"}.
 * Thread: that of the parser and the arena. */
#ifndef LETHE_PARSER_DOCUMENT_H
#define LETHE_PARSER_DOCUMENT_H

#include "base/batch.h"
#include "parser/names.h"

enum repair { REPAIR_NONE, REPAIR_LINE_FEED, REPAIR_QUOTES, REPAIR_COUNT };

const char *repair_text(enum repair);   /* "raw-line-feed", "single-quotes": labels of counters */

/* One record: a node of a parsed document, or a refused piece of one. */
struct record {
    const struct tape *tape;      /* NULL when refused */
    uint32_t           node;      /* its value; 0 is the whole document */
    enum refusal       refusal;   /* REFUSAL_NONE, or why this piece was refused */
    uint64_t           offset, line;   /* of its first byte in the input; for repaired documents those of the document */
    uint64_t           fault_at;  /* refused: offset of the fault in the input, as near as is known */
    uint32_t           len;       /* refused: bytes of it that are in the batch, from `offset` on; 0: they are missing */
};

/* What became of one document. */
struct opened_document {
    struct tape   *tape;        /* NULL when all of it is refused; its text is the original bytes or a repaired copy */
    enum repair    repair;
    bool           container;   /* its records are elements; the nodes around them belong to no record */
    struct record *records;     /* in order; in the arena */
    size_t         count;
    struct record  spare;       /* what `records` points to when the arena is full */
};

/* `document` must not be DOCUMENT_GLUE. A DOCUMENT_MEMBER is parsed as the object {"key":value} of one record.
 * Everything is taken from the arena, and points into it and into the batch; when it is full, one record with REFUSAL_MEMORY
 * comes back. */
void document_open(struct parser *, const struct batch *, const struct document *, struct arena *, struct opened_document *);

#endif
