/* An answer as it comes in: the headers that somebody may ask for, and a body within its limit. */
#include "net/http_priv.h"

#define FIRST_BODY_BYTES 4096

static bool starts_with_nocase(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_equal_nocase(slice_sub(s, 0, prefix.len), prefix);
}

static bool wanted(struct slice name)
{
    static const struct slice names[] = {SLICE("retry-after"), SLICE("etag"), SLICE("last-modified"), SLICE("date"),
                                         SLICE("location"), SLICE("content-type"), SLICE("content-length"),
                                         SLICE("content-range")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_nocase(name, names[i])) return true;
    return starts_with_nocase(name, SLICE("x-ms-"));
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.data[0])) s = slice_sub(s, 1, s.len);
    while (s.len > 0 && strchr(" \t\r\n", s.data[s.len - 1])) s.len--;
    return s;
}

static bool fail(struct http_answer *a, enum http_failure fault)
{
    a->fault = fault;
    return false;
}

/* Of an interim answer, whose connection may end before the one that counts. */
static void forget_head(struct http_answer *a)
{
    a->headers_len = 0;
    a->status = 0;
}

/* "HTTP/1.1 200 OK": three digits behind the first space. */
static void begin_head(struct http_answer *a, struct slice line)
{
    const char *space = memchr(line.data, ' ', line.len);
    size_t      at = space ? (size_t)(space + 1 - line.data) : line.len;
    forget_head(a);
    for (size_t i = at; i < line.len && i < at + 3 && ascii_is_digit(line.data[i]); i++)
        a->status = 10 * a->status + (line.data[i] - '0');
}

static bool keep_header(struct http_answer *a, struct slice name, struct slice value)
{
    char *grown = realloc(a->headers, a->headers_len + name.len + value.len + 2);
    if (grown == NULL) return fail(a, HTTP_NOT_SENT);
    a->headers = grown;
    char *at = grown + a->headers_len;
    memcpy(at, name.data, name.len);
    at[name.len] = '\0';
    if (value.len > 0) memcpy(at + name.len + 1, value.data, value.len);
    at[name.len + 1 + value.len] = '\0';
    a->headers_len += name.len + value.len + 2;
    return true;
}

bool http_answer_add_header(struct http_answer *a, struct slice line)
{
    a->header_bytes += line.len;
    if (a->header_bytes > HTTP_MAX_HEADERS) return fail(a, HTTP_TOO_LONG);
    if (starts_with_nocase(line, SLICE("HTTP/"))) {
        begin_head(a, line);
        return true;
    }
    if (trimmed(line).len == 0 && a->status / 100 == 1 && a->status != 101) forget_head(a);
    const char *colon = memchr(line.data, ':', line.len);
    if (colon == NULL || memchr(line.data, '\0', line.len) != NULL) return true;
    size_t at = (size_t)(colon - line.data);
    if (!wanted(slice_sub(line, 0, at))) return true;
    return keep_header(a, slice_sub(line, 0, at), trimmed(slice_sub(line, at + 1, line.len)));
}

bool http_answer_count_body(struct http_answer *a, size_t len)
{
    if (len > a->max_body - a->body_bytes) return fail(a, HTTP_TOO_LONG);
    a->body_bytes += len;
    return true;
}

bool http_answer_add_body(struct http_answer *a, struct slice piece)
{
    size_t needed = a->body_len + piece.len + 1;
    if (needed > a->body_room) {
        size_t room = a->body_room > 0 ? a->body_room : FIRST_BODY_BYTES;
        while (room < needed) room *= 2;
        char *grown = realloc(a->body, room);
        if (grown == NULL) return fail(a, HTTP_NOT_SENT);
        a->body = grown;
        a->body_room = room;
    }
    memcpy(a->body + a->body_len, piece.data, piece.len);
    a->body_len += piece.len;
    a->body[a->body_len] = '\0';
    return true;
}

void http_answer_move(struct http_answer *a, struct http_result *r)
{
    r->status = a->status;
    r->headers = a->headers;
    r->headers_len = a->headers_len;
    r->body = a->body;
    r->body_len = a->body_len;
    *a = (struct http_answer){0};
}

void http_answer_release(struct http_answer *a)
{
    free(a->headers);
    free(a->body);
    *a = (struct http_answer){0};
}

void http_result_release(struct http_result *r)
{
    free(r->headers);
    free(r->body);
    *r = (struct http_result){0};
}

const char *http_result_header(const struct http_result *r, const char *name)
{
    const char *end = r->headers + r->headers_len;
    for (const char *at = r->headers; at < end;) {
        const char *value = at + strlen(at) + 1;
        if (slice_equal_nocase(slice_from(at), slice_from(name))) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

struct slice http_result_header_slice(const struct http_result *r, const char *name)
{
    const char *value = http_result_header(r, name);
    return value ? slice_from(value) : (struct slice){0};
}
