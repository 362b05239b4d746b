/* Bytes to documents: finds where one record or document ends and the next begins, in a stream.
 *
 * The container is detected, not configured. Accepted, mixed as they come: JSON Lines (LF, CRLF, blank lines, a leading
 * byte order mark), pretty-printed and concatenated documents, arrays, {"records":[...]} and {"value":[...]} pages,
 * arrays of such wrappers, lines of plain text.
 *
 * Framing decides from the bytes alone and carries its state from call to call: how the input is cut into reads, and
 * how documents fall into batches, never changes which documents are found.
 *
 * (1) A document of at most max_document bytes is handed out whole, once, in order.
 * (2) An array (or the array of a wrapper) that does not fit into max_document is streamed: its elements are the
 *     documents. Memory does not grow with the input.
 * (3) A document that is no such container and longer than max_document is skipped without being held and handed out as
 *     DOCUMENT_REFUSED, REFUSAL_LENGTH, without bytes.
 * (4) After a broken line the next line starts afresh.
 * Thread: one at a time, in input order. */
#ifndef LETHE_PARSER_FRAMING_H
#define LETHE_PARSER_FRAMING_H

#include "base/batch.h"
#include "base/error.h"
#include "parser/parser.h"

/* Where bytes come from. Returns how many were put into buffer (0 at the end of the input), or -1 and an error. */
struct byte_source {
    ptrdiff_t (*read)(void *context, char *buffer, size_t capacity, struct error *);
    void       *context;
};

struct framer;

struct framer_options {
    size_t max_document;     /* bytes; default 1 MiB */
    bool   keep_container;   /* hand out DOCUMENT_MEMBER and DOCUMENT_GLUE as well */
};

MUST_USE struct framer *framer_new(const struct framer_options *);   /* NULL: no memory */
void framer_free(struct framer *);

/* Starts over for another input. */
void framer_reset(struct framer *, struct byte_source);

enum fill {
    FILL_SOME,     /* the batch holds documents (perhaps none, if only white space was met); there may be more */
    FILL_END,      /* as FILL_SOME, and the input is at its end */
    FILL_FAILED,   /* as FILL_END, since reading failed: the error says why; a last partial document is REFUSAL_TRUNCATED */
};

/* Fills a cleared batch. The batch's capacity must be at least max_document + PARSER_PADDING, and the same at each call.
 *
 * Of a streamed container, with keep_container, what stands around the elements is handed out in order. Written as it is,
 * with commas put between elements (and before glue marked `element`, which begins a wrapper that is an element itself),
 * it gives the container again. One that is cut off gets its closing brackets as glue that is not in the input. */
enum fill framer_fill(struct framer *, struct batch *, struct error *);

/* Bytes and lines taken from the source so far. */
uint64_t framer_offset(const struct framer *);
uint64_t framer_line(const struct framer *);

#endif
