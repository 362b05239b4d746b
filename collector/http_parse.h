/* Reads the head and the chunked body of an HTTP/1.1 request (RFC 9112, RFC 9110), and nothing that can be read in two ways.
 *
 * Two programs that disagree on where a request ends let a third one smuggle. So what the standard merely tolerates, and
 * what it lets a recipient repair, is refused here: bare LF and CR, continued fields, white space around names, lengths and
 * chunk sizes, repeated or competing lengths, any transfer coding but "chunked" spelt just so. After a refusal the
 * position in the stream means nothing: the connection has to be closed.
 *
 * (1) Each byte is looked at once, in order, and the first one that makes the request unacceptable decides: how the bytes
 *     are cut into reads changes neither the answer nor the place.
 * (2) Nothing is allocated and nothing copied. Results are offsets into the text, which may move between calls.
 * (3) Texts of faults are constants and hold no byte of the request. */
#ifndef LETHE_COLLECTOR_HTTP_PARSE_H
#define LETHE_COLLECTOR_HTTP_PARSE_H

#include "base/check.h"
#include "base/slice.h"
#include "http_limits.h"

enum http_progress {
    HTTP_MORE,   /* goes on behind the bytes given */
    HTTP_DONE,
    HTTP_BAD,    /* to be answered with `fault`, then closed */
};

struct http_fault {
    int         status;   /* 400, 413, 414, 417, 431, 501, 505 */
    const char *text;
};

enum http_method { HTTP_OTHER, HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OPTIONS };

struct http_span {
    uint32_t start, len;
};

/* A request's head. What the first group says holds after HTTP_DONE. */
struct http_head {
    uint32_t         bytes;            /* of the whole head, with an empty line before it */
    enum http_method method;
    struct http_span path;             /* without the query; of length 0 where an absolute target has none: "/" */
    struct http_span query;            /* behind the "?" */
    struct http_span host;             /* of length 0: none, in HTTP/1.0 only */
    struct http_span fields;           /* the lines with the fields */
    bool             old;              /* HTTP/1.0: no chunks, no persistence */
    bool             persistent;       /* the client is willing to send another request */
    bool             expects_continue; /* waits for 100 before it sends the body */
    bool             chunked;
    uint64_t         content_length;   /* 0 without the field, or chunked */

    struct http_fault fault;           /* after HTTP_BAD */

    uint8_t          state, seen;
    uint32_t         at;               /* next byte to look at */
    uint32_t         line, mark;       /* where the line began; where the value, or the version, did */
    uint32_t         field_count;
    struct http_span target, authority;
    bool             has_length;
};

void http_head_start(struct http_head *);

/* Reads on. `text` is all that came of this request so far, `len` never shrinks. Once it has `head_bytes` bytes the result
 * is not HTTP_MORE. */
enum http_progress http_head_read(struct http_head *, const struct http_limits *, const char *text, size_t len);

/* A byte of the request proper was seen, so that the client owes the rest of a head. */
bool http_head_begun(const struct http_head *);

/* The first field of that name, whatever its case. Of Host, Content-Length, Transfer-Encoding, Content-Type,
 * Content-Encoding, Authorization and Expect there is never a second one. `text` is that of the head. */
bool http_head_find(const struct http_head *, const char *text, struct slice name, struct slice *value);

static inline struct slice http_head_slice(const char *text, struct http_span s) { return slice_of(text + s.start, s.len); }

/* A chunked body. */
struct http_chunks {
    uint64_t          total;           /* bytes of content so far */
    struct http_fault fault;           /* after HTTP_BAD */

    uint64_t          left;            /* of this chunk */
    uint64_t          extension_bytes, trailer_bytes, trailer_count;
    uint8_t           state, digits;
};

void http_chunks_start(struct http_chunks *);

/* Reads on in `text`, of which `*used` bytes are used already, and raises it. HTTP_MORE with a piece: content, inside
 * `text`; with an empty one: all of `text` is used. HTTP_DONE: the body and its trailers, which are discarded, ended. */
enum http_progress http_chunks_read(struct http_chunks *, const struct http_limits *, struct slice text, size_t *used,
                                    struct slice *piece);

#endif
