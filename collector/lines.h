/* Lines of an input, one after another, whole and without their ends (LF or CRLF).
 *
 * (1) PARSER_PADDING readable bytes follow a line.
 * (2) Memory is that of the longest line, at most LINES_MAX. */
#ifndef LETHE_COLLECTOR_LINES_H
#define LETHE_COLLECTOR_LINES_H

#include "parser/framing.h"

#define LINES_MAX ((size_t)1 << 30)   /* bytes of a line and what follows it */

struct lines {
    struct byte_source source;
    char              *data;
    size_t             from, to, capacity;   /* data[from, to) is not handed out yet */
    size_t             searched;             /* no line feed in data[from, searched) */
    bool               ended;
    uint64_t           number;               /* of the line handed out last, from 1 */
};

enum line_status { LINE_READ, LINE_NONE, LINE_FAILED };

/* Starts over with another source; memory is kept. Begin with {0}. */
void lines_begin(struct lines *, struct byte_source);
void lines_release(struct lines *);

/* The line is valid until the next call. LINE_FAILED: it cannot be read, or is longer than LINES_MAX; the error says which. */
enum line_status lines_next(struct lines *, struct slice *line, struct error *);

#endif
