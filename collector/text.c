#include "text.h"

#include "console.h"

void text_add(struct text *t, struct slice bytes)
{
    if (t->failed || bytes.len == 0) return;
    if (!encoded_reserve(t->out, bytes.len)) {
        t->failed = true;
        return;
    }
    memcpy(t->out->data + t->out->len, bytes.data, bytes.len);
    t->out->len += bytes.len;
}

struct slice text_formatted(char buffer[FORMATTED_BYTES], const char *format, va_list args)
{
    int len = vsnprintf(buffer, FORMATTED_BYTES, format, args);
    CHECK(len >= 0 && len < FORMATTED_BYTES);
    return slice_of(buffer, (size_t)len);
}

void text_format(struct text *t, const char *format, ...)
{
    char    buffer[FORMATTED_BYTES];
    va_list args;
    va_start(args, format);
    text_add(t, text_formatted(buffer, format, args));
    va_end(args);
}

/* The length of what the text begins with that can stay as it is. */
static size_t printable_run(struct slice text, bool json)
{
    size_t at = 0;
    while (at < text.len) {
        if (json && (text.data[at] == '"' || text.data[at] == '\\')) break;
        size_t bytes = printable_length(slice_sub(text, at, text.len));
        if (bytes == 0) break;
        at += bytes;
    }
    return at;
}

static void add_escape(struct text *t, unsigned char c)
{
    if (c == '"' || c == '\\') text_format(t, "\\%c", c);
    else if (c < 0x20 || c == 0x7f) text_format(t, "\\u%04x", c);
    else text_add(t, SLICE("\xef\xbf\xbd"));
}

void text_add_escaped(struct text *t, struct slice text)
{
    while (text.len > 0) {
        size_t run = printable_run(text, true);
        text_add(t, slice_of(text.data, run));
        if (run < text.len) add_escape(t, (unsigned char)text.data[run++]);
        text = slice_sub(text, run, text.len);
    }
}

void text_add_json(struct text *t, struct slice text)
{
    text_add(t, SLICE("\""));
    text_add_escaped(t, text);
    text_add(t, SLICE("\""));
}

void text_add_shown(struct text *t, struct slice text)
{
    while (text.len > 0) {
        size_t run = printable_run(text, false);
        text_add(t, slice_of(text.data, run));
        if (run < text.len) text_format(t, "\\x%02x", (unsigned char)text.data[run++]);
        text = slice_sub(text, run, text.len);
    }
}
