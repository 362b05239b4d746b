#include "console.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool colour_wanted(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

void console_init(struct console *c, bool quiet, bool verbose)
{
    *c = (struct console){.quiet = quiet, .verbose = verbose, .terminal = isatty(STDERR_FILENO),
                          .colour = colour_wanted(STDERR_FILENO)};
}

void console_clear(struct console *c)
{
    if (!c->bar_shown) return;
    fputs("\r\033[K", stderr);
    c->bar_shown = false;
}

size_t printable_length(struct slice text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char  *at = (const unsigned char *)text.data;
    if (text.len == 0) return 0;
    if (*at < 0x80) return *at >= 0x20 && *at != 0x7f;
    size_t   len = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
    uint32_t code = *at & (0x7fu >> len);
    if (*at < 0xc2 || *at > 0xf4 || text.len < len) return 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool sound = code >= least[len] && code >= 0xa0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
    return sound ? len : 0;
}

char *shown_text(const char *text, char *out, size_t capacity)
{
    struct slice left = slice_from(text);
    size_t       len = 0;
    while (left.len > 0) {
        size_t bytes = printable_length(left), taken = bytes ? bytes : 1;
        if (len + (bytes ? bytes : 4) >= capacity) break;
        if (bytes == 0) {
            len += (size_t)snprintf(out + len, capacity - len, "\\x%02x", (unsigned char)*left.data);
        } else {
            memcpy(out + len, left.data, bytes);
            len += bytes;
        }
        left = slice_sub(left, taken, left.len);
    }
    out[len] = '\0';
    return out;
}

/* How an excerpt of a file goes on below the message: the only line breaks that are let through. */
#define CONTINUATION "\n    "

void console_message(struct console *c, const char *format, ...)
{
    char    text[2048], shown[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    console_clear(c);
    fputs("lethe: ", stderr);
    for (char *line = text, *next; line != NULL; line = next) {
        next = strstr(line, CONTINUATION);
        if (next != NULL) *next++ = '\0';
        fprintf(stderr, "%s\n", shown_text(line, shown, sizeof shown));
    }
}
