#include "net/text_buffer.h"

#include <openssl/crypto.h>

#define FIRST_ROOM 256

void text_buffer_init(struct text_buffer *t, size_t max_len) { *t = (struct text_buffer){.max_len = max_len}; }

void text_buffer_release(struct text_buffer *t)
{
    if (t->data != NULL) OPENSSL_cleanse(t->data, t->room);
    free(t->data);
    *t = (struct text_buffer){.max_len = t->max_len};
}

void text_buffer_clear(struct text_buffer *t)
{
    t->len = 0;
    t->failed = false;
}

static bool make_room(struct text_buffer *t, size_t more)
{
    if (more > t->max_len - t->len) return false;
    size_t needed = t->len + more + 1, room = t->room > 0 ? t->room : FIRST_ROOM;
    if (needed <= t->room) return true;
    while (room < needed) room *= 2;
    char *grown = malloc(room);   /* not realloc(), which leaves a copy behind */
    if (grown == NULL) return false;
    if (t->len > 0) memcpy(grown, t->data, t->len);
    if (t->data != NULL) OPENSSL_cleanse(t->data, t->room);
    free(t->data);
    t->data = grown;
    t->room = room;
    return true;
}

void text_buffer_add(struct text_buffer *t, struct slice s)
{
    if (t->failed || !make_room(t, s.len)) {
        t->failed = true;
        return;
    }
    if (s.len > 0) memcpy(t->data + t->len, s.data, s.len);
    t->len += s.len;
    t->data[t->len] = '\0';
}

void text_buffer_add_text(struct text_buffer *t, const char *text) { text_buffer_add(t, slice_from(text)); }

void text_buffer_add_char(struct text_buffer *t, char c) { text_buffer_add(t, slice_of(&c, 1)); }

void text_buffer_add_encoded(struct text_buffer *t, struct slice s, const char *also)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        char          code[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool          plain = ascii_is_alnum((char)c) || (c != '\0' && (strchr("-._~", c) != NULL || strchr(also, c) != NULL));
        text_buffer_add(t, plain ? slice_of(&s.data[i], 1) : slice_of(code, sizeof code));
    }
}
