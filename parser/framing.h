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
 * (5) Lines of text are one document each, or with `multiline` those that belong together. No line after one that begins a
 *     private key is put together with others: they are handed out one by one, marked as key_block.
 * Thread: one at a time, in input order. */
#ifndef LETHE_PARSER_FRAMING_H
#define LETHE_PARSER_FRAMING_H

#include "base/batch.h"
#include "base/error.h"
#include "parser/continuation.h"
#include "parser/parser.h"

/* Where bytes come from. Returns how many were put into buffer (0 at the end of the input), BYTES_LATER when there are none
 * just now but may be some later, or BYTES_FAILED and an error. */
enum { BYTES_FAILED = -1, BYTES_LATER = -2 };

struct byte_source {
    ptrdiff_t (*read)(void *context, char *buffer, size_t capacity, struct error *);
    void       *context;
};

struct framer;

#define FRAMER_ROOM(max_document) ((max_document) + PARSER_PADDING)

struct framer_options {
    size_t max_document;     /* bytes; default 1 MiB */
    bool   keep_container;   /* hand out DOCUMENT_MEMBER and DOCUMENT_GLUE as well */
    enum multiline multiline;   /* which lines of text are one DOCUMENT_TEXT: at most max_document bytes, MULTILINE_LINES lines */
};

#define MULTILINE_LINES 1000   /* of one record; the next line begins another */

MUST_USE struct framer *framer_new(const struct framer_options *);   /* NULL: no memory */
void framer_free(struct framer *);

/* Starts over for another input. */
void framer_reset(struct framer *, struct byte_source);

/* Goes on as it is, with what it holds; only the bytes come from elsewhere. */
void framer_read_from(struct framer *, struct byte_source);

/* A place at which a fresh framer finds the same documents as one that has read up to there. */
struct framer_place {
    uint64_t offset, line;
};

/* As framer_reset(), for an input that is read from that place on: offsets and lines count on from there. */
void framer_resume(struct framer *, struct byte_source, struct framer_place);

/* Where to resume when everything handed out so far is done with. Never inside a document, a container or a private key
 * that goes over several lines: of these all is handed out again. */
struct framer_place framer_place(const struct framer *);

enum fill {
    FILL_SOME,     /* the batch holds documents (perhaps none, if only white space was met); there may be more */
    FILL_LATER,    /* as FILL_SOME, and the source has no more just now: what is unfinished is held */
    FILL_END,      /* as FILL_SOME, and the input is at its end */
    FILL_FAILED,   /* as FILL_END, since reading failed: the error says why; a last partial document is REFUSAL_TRUNCATED */
};

/* Adds documents to a batch. Its room, capacity - used, must be at least FRAMER_ROOM(max_document).
 *
 * Of a streamed container, with keep_container, what stands around the elements is handed out in order. Written as it is,
 * with commas put between elements (and before glue marked `element`, which begins a wrapper that is an element itself),
 * it gives the container again. One that is cut off gets its closing brackets as glue that is not in the input. */
enum fill framer_fill(struct framer *, struct batch *, struct error *);

/* True: when the source has no more just now, a record of several lines of text ends where it is, and what comes later begins
 * another. Set by who has waited long enough. False, as at first: it is held, since a line may come that belongs to it. */
void framer_end_text(struct framer *, bool);

/* Bytes of an unfinished document in memory. Less than what lies behind the place when that is passed over without being held. */
size_t framer_held(const struct framer *);

/* Bytes taken from the source so far. */
uint64_t framer_offset(const struct framer *);

#endif
