#include "lines.h"

#include <stdlib.h>

#define FIRST_CAPACITY ((size_t)256 * 1024)

void lines_begin(struct lines *l, struct byte_source source)
{
    *l = (struct lines){.source = source, .data = l->data, .capacity = l->capacity};
}

void lines_release(struct lines *l)
{
    free(l->data);
    *l = (struct lines){0};
}

/* Room for more bytes: what was handed out goes first. */
static bool make_room(struct lines *l, struct error *err)
{
    if (l->from > 0) {
        memmove(l->data, l->data + l->from, l->to - l->from);
        l->to -= l->from;
        l->searched -= l->from;
        l->from = 0;
    }
    if (l->to + PARSER_PADDING < l->capacity) return true;
    if (l->capacity >= LINES_MAX)
        return error_set(err, ERROR_INPUT, "line %llu is longer than %zu bytes", (unsigned long long)l->number + 1,
                         LINES_MAX - PARSER_PADDING);
    size_t wanted = l->capacity > 0 ? 2 * l->capacity : FIRST_CAPACITY;
    char *grown = realloc(l->data, wanted);
    if (grown == NULL) return error_set(err, ERROR_INPUT, "no memory for line %llu", (unsigned long long)l->number + 1);
    l->data = grown;
    l->capacity = wanted;
    return true;
}

static bool read_more(struct lines *l, struct error *err)
{
    if (!make_room(l, err)) return false;
    ptrdiff_t n = l->source.read(l->source.context, l->data + l->to, l->capacity - l->to - PARSER_PADDING, err);
    if (n < 0) return false;
    l->ended = n == 0;
    l->to += (size_t)n;
    return true;
}

enum line_status lines_next(struct lines *l, struct slice *line, struct error *err)
{
    const char *lf = NULL;
    while ((l->searched == l->to || (lf = memchr(l->data + l->searched, '\n', l->to - l->searched)) == NULL) && !l->ended) {
        l->searched = l->to;
        if (!read_more(l, err)) return LINE_FAILED;
    }
    if (lf == NULL && l->from == l->to) return LINE_NONE;
    size_t end = lf != NULL ? (size_t)(lf - l->data) : l->to;
    *line = slice_sub(slice_of(l->data, l->to), l->from, end);
    l->from = l->searched = lf != NULL ? end + 1 : end;
    l->number++;
    if (line->len > 0 && line->data[line->len - 1] == '\r') line->len--;
    return LINE_READ;
}
