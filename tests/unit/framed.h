/* For tests: a text framed, with every document written as one line.
 *
 * "json 2@17 {...}": form, line, offset, bytes. Forms: json, element, text, member, glue, opens, joined (glue that
 * stands for an element), refused (followed by the reason instead of the bytes). */
#ifndef LETHE_TESTS_FRAMED_H
#define LETHE_TESTS_FRAMED_H

#include "parser/framing.h"

/* Hands out a text in pieces of at most `piece` bytes; after it the end, or a failure. */
struct piecewise {
    struct slice text;
    size_t       at, piece;
    bool         fails;
    uint64_t     calls;
};

static inline ptrdiff_t piecewise_read(void *context, char *buffer, size_t capacity, struct error *error)
{
    struct piecewise *p = context;
    size_t n = p->text.len - p->at;
    if (n > p->piece) n = p->piece;
    if (n > capacity) n = capacity;
    p->calls++;
    if (n == 0 && p->fails) {
        error_set(error, ERROR_INPUT, "cannot read");
        return -1;
    }
    memcpy(buffer, p->text.data + p->at, n);
    p->at += n;
    return (ptrdiff_t)n;
}

struct framed {
    char     text[1 << 16];
    size_t   len;
    size_t   documents;
    size_t   starts[1 << 13];   /* of each document in text */
    uint64_t bytes;   /* as the framer counts them at the end */
    bool     failed;
};

static inline const char *framed_form(const struct document *d)
{
    switch (d->form) {
    case DOCUMENT_JSON: return d->element ? "element" : "json";
    case DOCUMENT_TEXT: return "text";
    case DOCUMENT_MEMBER: return "member";
    case DOCUMENT_GLUE: return d->opens ? "opens" : d->element ? "joined" : "glue";
    case DOCUMENT_REFUSED: break;
    }
    return "refused";
}

static inline void framed_add(struct framed *out, const struct batch *b, const struct document *d)
{
    size_t room = sizeof out->text - out->len;
    out->starts[out->documents] = out->len;
    bool refused = d->form == DOCUMENT_REFUSED;
    int n = snprintf(out->text + out->len, room, "%s %llu@%llu ", framed_form(d), (unsigned long long)d->line,
                     (unsigned long long)d->offset);
    out->len += (size_t)n;
    struct slice bytes = refused ? slice_from(refusal_text(d->refusal)) : slice_of(b->data + d->start, d->len);
    assert_true(bytes.len + 1 < sizeof out->text - out->len);
    memcpy(out->text + out->len, bytes.data, bytes.len);
    out->len += bytes.len;
    out->text[out->len++] = '\n';
    out->text[out->len] = '\0';
    out->documents++;
}

struct framing_run {
    struct slice text;
    size_t       max_document, capacity, piece;
    bool         keep_container, fails;
    enum multiline multiline;
};

static inline void frame(struct framing_run run, struct framed *out)
{
    struct batch b;
    struct error error = {0};
    struct piecewise p = {.text = run.text, .piece = run.piece, .fails = run.fails};
    struct framer *f = framer_new(&(struct framer_options){run.max_document, run.keep_container, run.multiline});
    assert_non_null(f);
    assert_true(batch_init(&b, run.capacity));
    framer_reset(f, (struct byte_source){piecewise_read, &p});
    out->len = out->documents = 0;
    out->text[0] = '\0';
    enum fill fill;
    do {
        batch_clear(&b);
        fill = framer_fill(f, &b, &error);
        assert_true(b.used <= b.capacity);
        for (size_t i = 0; i < b.count; i++) {
            const struct document *d = &b.documents[i];
            assert_true(d->len == 0 || (size_t)d->start + d->len <= b.used);
            framed_add(out, &b, d);
        }
    } while (fill == FILL_SOME);
    out->failed = fill == FILL_FAILED;
    out->bytes = framer_offset(f);
    batch_release(&b);
    framer_free(f);
}

#endif
