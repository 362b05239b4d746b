/* A text that grows, up to a limit: URLs, forms, strings to sign. Once something did not fit or memory ran out, all later
 * additions do nothing and text_buffer_ok() is false, so that a row of additions needs one check. Thread: one owner. */
#ifndef LETHE_NET_TEXT_BUFFER_H
#define LETHE_NET_TEXT_BUFFER_H

#include "base/check.h"
#include "base/slice.h"

struct text_buffer {
    char  *data;       /* ends in NUL once anything was added */
    size_t len, room, max_len;
    bool   failed;
};

void text_buffer_init(struct text_buffer *, size_t max_len);
void text_buffer_release(struct text_buffer *);   /* overwrites: it may have held a secret */
void text_buffer_clear(struct text_buffer *);

void text_buffer_add(struct text_buffer *, struct slice);
void text_buffer_add_text(struct text_buffer *, const char *);
void text_buffer_add_char(struct text_buffer *, char);

/* Percent-encodes all but letters, digits, "-._~" and the characters of `also`: RFC 3986. */
void text_buffer_add_encoded(struct text_buffer *, struct slice, const char *also);

static inline bool text_buffer_ok(const struct text_buffer *t) { return !t->failed && t->data != NULL; }

#endif
