/* What the formats of encode.h have in common: writing text with spans into an output buffer. */
#ifndef LETHE_SINKS_ENCODE_PRIV_H
#define LETHE_SINKS_ENCODE_PRIV_H

#include "sinks/clean_node.h"
#include "sinks/encode.h"

/* Copies into reserved room. What is copied from adjacent places is gathered into one run, so that a row of untouched
 * records costs one memcpy. */
struct writer {
    char       *at;
    const char *from, *to;   /* the run not yet copied; it ends before `to` */
};

static inline void writer_flush(struct writer *w)
{
    if (w->from == w->to) return;
    size_t len = (size_t)(w->to - w->from);
    memcpy(w->at, w->from, len);
    w->at += len;
    w->from = w->to;
}

static inline void writer_copy(struct writer *w, struct slice bytes)
{
    if (bytes.len == 0) return;
    if (w->to != bytes.data) {
        writer_flush(w);
        w->from = bytes.data;
    }
    w->to = bytes.data + bytes.len;
}

/* Copies text[from, to) of a record with its spans replaced. With `one_line`, line breaks and the white space after them
 * are left out: in valid JSON they stand between tokens. */
void writer_text(struct writer *, const struct clean_record *, size_t from, size_t to, bool one_line);

/* --- encode_flat.c --------------------------------------------------------------------------------------------------------- */

struct flattener;

MUST_USE struct flattener *flattener_new(void);
void flattener_free(struct flattener *);

/* Appends one record as one flat object. False: no memory. */
MUST_USE bool flatten(struct flattener *, const struct clean_record *, struct key_cache *, struct encoded *);

#endif
