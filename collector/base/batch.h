/* The batch: the one thing that moves through the program. It holds raw bytes as they were read and the documents that
 * framing found in them.
 *
 * (1) Who holds a batch is its only writer.
 * (2) Documents lie inside data[], in input order, and do not overlap.
 * (3) PARSER_PADDING readable bytes follow data[used].
 * (4) A batch holds raw bytes: only redaction/ may read them and only to make a clean batch. */
#ifndef LETHE_BASE_BATCH_H
#define LETHE_BASE_BATCH_H

#include "base/check.h"
#include "base/slice.h"

/* What framing says of a piece of input. */
enum document_form {
    DOCUMENT_JSON,       /* begins as JSON and its brackets balance: to be parsed, and unwrapped if it is a container */
    DOCUMENT_TEXT,       /* a line that does not begin like JSON: becomes {"message": ...} */
    DOCUMENT_REFUSED,    /* cannot be examined; `refusal` says why; the bytes may be missing (len 0) */
    DOCUMENT_MEMBER,     /* "key":value beside the records of a streamed container; only with keep_container */
    DOCUMENT_GLUE,       /* brackets, commas, white space and the key of the records around them; only with keep_container */
};

/* Why a record was not passed on. `withheld` in reports and metrics, by these names. */
enum refusal {
    REFUSAL_NONE,
#define REFUSAL(id, text, explanation) REFUSAL_##id,
#include "base/refusals.def"
    REFUSAL_COUNT
};

const char *refusal_text(enum refusal);          /* "truncated": label of counters */
const char *refusal_explanation(enum refusal);   /* "ends inside a string, object or array": for messages */

struct document {
    uint32_t           start, len;   /* in data[] */
    enum document_form form;
    enum refusal       refusal;
    bool               element;      /* an element of a streamed array: takes part in its commas */
    bool               key_block;    /* DOCUMENT_TEXT: a line after the one that begins a private key in PEM */
    bool               opens;        /* DOCUMENT_GLUE that opens a container's array: no element yet */
    uint64_t           offset;       /* of its first byte in the (decompressed) input */
    uint64_t           line;         /* of its first byte, from 1 */
    uint32_t           origin;       /* which of several inputs in one batch it came from; 0 where there is one */
};

/* A stretch of input whose records are numbered by their offset in it: a file, a message, a request. The id of an event
 * is made of this and the record's place, so it must be the same when the same bytes are read again. */
struct origin {
    uint8_t  stream[16];   /* names the stream, keyed */
    uint64_t number;       /* of the stretch in the stream: a message's offset; 0 for a file */
};

struct batch {
    char            *data;
    size_t           used, capacity;   /* bytes of data */
    struct document *documents;
    size_t           count, max_count;
    uint64_t         sequence;       /* order in the input: the writer's turn */
};

/* `capacity`: bytes; the padding comes on top. False: no memory; there is nothing to release then. */
MUST_USE bool batch_init(struct batch *, size_t capacity);
void batch_release(struct batch *);

/* Empty, and its memory is kept. */
void batch_clear(struct batch *);

/* One more document, of zeros; valid until the next is added. NULL: no memory; the batch is as it was. */
struct document *batch_add(struct batch *);

#endif
