#include "http_parse.h"

#define METHOD_MAX 24         /* longer than any registered method; beyond it cannot be one that we know */
#define VERSION_LEN 8         /* "HTTP/1.1" */
#define SIZE_DIGITS_MAX 16    /* of a chunk: all that fit 64 bits */

/* --- Classes of bytes ------------------------------------------------------------------------------------------------- */

enum { TOKEN = 1, TARGET = 2, TEXT = 4, NAME = 8 };   /* tchar; what a target may hold; field-content; a host's name */

static uint8_t class_of(unsigned char c)
{
    static const uint8_t classes[256] = {
#define T TOKEN
#define U TARGET
#define X TEXT
#define N NAME
        ['\t'] = X, [' '] = X, ['!'] = T | U | X, ['"'] = X, ['#'] = T | X, ['$' ... '\''] = T | U | X, ['(' ... ')'] = U | X,
        ['*' ... '+'] = T | U | X, [','] = U | X, ['-' ... '.'] = T | U | X | N, ['/'] = U | X, ['0' ... '9'] = T | U | X | N,
        [':' ... ';'] = U | X, ['<'] = X, ['='] = U | X, ['>'] = X, ['?' ... '@'] = U | X, ['A' ... 'Z'] = T | U | X | N,
        ['['] = U | X, ['\\'] = X, [']'] = U | X, ['^'] = T | X, ['_'] = T | U | X | N, ['`'] = T | X,
        ['a' ... 'z'] = T | U | X | N, ['{'] = X, ['|'] = T | X, ['}'] = X, ['~'] = T | U | X | N, [0x80 ... 0xff] = X,
#undef T
#undef U
#undef X
#undef N
    };
    return classes[c];
}

static bool is(char c, uint8_t class) { return (class_of((unsigned char)c) & class) != 0; }

static bool all(struct slice s, uint8_t class)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.data[i], class)) return false;
    return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0])) s = slice_sub(s, 1, s.len);
    while (s.len > 0 && is_blank(s.data[s.len - 1])) s.len--;
    return s;
}

/* Takes the next element of a list off `rest`. False: there is none. */
static bool next_element(struct slice *rest, struct slice *element)
{
    if (rest->data == NULL) return false;
    const char *comma = rest->len > 0 ? memchr(rest->data, ',', rest->len) : NULL;
    size_t      len = comma != NULL ? (size_t)(comma - rest->data) : rest->len;
    *element = trimmed(slice_of(rest->data, len));
    *rest = comma != NULL ? slice_sub(*rest, len + 1, rest->len) : (struct slice){0};
    return true;
}

static enum http_progress bad(struct http_fault *fault, int status, const char *text)
{
    *fault = (struct http_fault){status, text};
    return HTTP_BAD;
}

/* --- A line with a field: the grammar of heads and of trailers -------------------------------------------------------- */

enum line_state { LINE_START, LINE_NAME, LINE_VALUE, LINE_LF, LINE_LAST_LF, LINE_STATES };

enum line_event { LINE_GOES_ON, LINE_COLON, LINE_FIELD, LINE_EMPTY, LINE_FAULT };

/* What the next byte does to the line. LINE_COLON: it ends the name; LINE_FIELD: it ends the line; LINE_EMPTY: it ends the
 * empty line that ends them all. */
static enum line_event line_step(uint8_t *state, char c, const char **fault)
{
    switch ((enum line_state)*state) {
    case LINE_START:
        *fault = is_blank(c) ? "a header field is continued on a new line" : c == ':' ? "a header field has no name"
                 : c == '\n' ? "a line ends in LF without CR" : "a header field's name holds a character that it must not";
        *state = c == '\r' ? LINE_LAST_LF : LINE_NAME;
        return c == '\r' || is(c, TOKEN) ? LINE_GOES_ON : LINE_FAULT;
    case LINE_NAME:
        if (c == ':') {
            *state = LINE_VALUE;
            return LINE_COLON;
        }
        *fault = is_blank(c) ? "white space before the colon of a header field"
                             : "a header field's name holds a character that it must not";
        return is(c, TOKEN) ? LINE_GOES_ON : LINE_FAULT;
    case LINE_VALUE:
        *fault = c == '\n' ? "a line ends in LF without CR" : "a header field's value holds a control character";
        if (c == '\r') *state = LINE_LF;
        return c == '\r' || is(c, TEXT) ? LINE_GOES_ON : LINE_FAULT;
    case LINE_LF:
    case LINE_LAST_LF:
        *fault = "CR without LF";
        if (c != '\n') return LINE_FAULT;
        if (*state == LINE_LAST_LF) return LINE_EMPTY;
        *state = LINE_START;
        return LINE_FIELD;
    case LINE_STATES: break;
    }
    CHECK(!"a state of a line");
    return LINE_FAULT;
}

/* --- Request line ----------------------------------------------------------------------------------------------------- */

enum head_state {
    /* first those of enum line_state */
    HEAD_START = LINE_STATES, HEAD_EMPTY_LF, HEAD_AFTER_EMPTY, HEAD_METHOD, HEAD_TARGET, HEAD_VERSION, HEAD_LF, HEAD_END
};

static struct http_span span_of(const char *text, struct slice s)
{
    return (struct http_span){(uint32_t)(s.data - text), (uint32_t)s.len};
}

static enum http_method method_of(struct slice name)
{
    static const struct { struct slice name; enum http_method method; } methods[] = {
        {{"GET", 3}, HTTP_GET}, {{"HEAD", 4}, HTTP_HEAD}, {{"POST", 4}, HTTP_POST}, {{"OPTIONS", 7}, HTTP_OPTIONS},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (slice_equal(name, methods[i].name)) return methods[i].method;
    return HTTP_OTHER;
}

/* HTTP/1.0 or 1.1. Any other that is written like a version, the preface of HTTP/2 too, is one that we do not speak. */
static enum http_progress take_version(struct http_head *h, struct slice version)
{
    bool written = version.len == VERSION_LEN && memcmp(version.data, "HTTP/", 5) == 0 && ascii_is_digit(version.data[5]) &&
                   version.data[6] == '.' && ascii_is_digit(version.data[7]);
    if (!written) return bad(&h->fault, 400, "the request line does not end in a version of HTTP");
    if (version.data[5] != '1' || version.data[7] > '1') return bad(&h->fault, 505, "this version of HTTP is not spoken here");
    h->old = version.data[7] == '0';
    return HTTP_MORE;
}

/* A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port. Narrower than RFC 3986: real hosts need no
 * percent signs and no punctuation, and a list or user information must not pass for a host. */
static bool is_host(struct slice s)
{
    size_t end = 0;
    if (s.len > 0 && s.data[0] == '[') {
        for (end = 1; end < s.len && (ascii_hex_digit(s.data[end]) >= 0 || s.data[end] == ':' || s.data[end] == '.'); end++) {}
        if (end < 3 || end >= s.len || s.data[end++] != ']') return false;
    } else {
        while (end < s.len && is(s.data[end], NAME)) end++;
    }
    if (end == 0) return false;
    if (end == s.len) return true;
    unsigned long port = 0;
    if (s.data[end] != ':' || s.len - end > 6) return false;
    for (size_t i = end + 1; i < s.len; i++) {
        if (!ascii_is_digit(s.data[i])) return false;
        port = port * 10 + (unsigned long)(s.data[i] - '0');
    }
    return port <= 65535;
}

/* Path and query: every "%" is followed by two digits and is not NUL; brackets belong to hosts only. */
static bool is_path(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '[' || s.data[i] == ']') return false;
        if (s.data[i] != '%') continue;
        if (s.len - i < 3 || ascii_hex_digit(s.data[i + 1]) < 0 || ascii_hex_digit(s.data[i + 2]) < 0) return false;
        if (s.data[i + 1] == '0' && s.data[i + 2] == '0') return false;
    }
    return true;
}

static void take_path(struct http_head *h, const char *text, struct slice target)
{
    const char *mark = target.len > 0 ? memchr(target.data, '?', target.len) : NULL;
    size_t      path = mark != NULL ? (size_t)(mark - target.data) : target.len;
    h->path = span_of(text, slice_sub(target, 0, path));
    h->query = span_of(text, slice_sub(target, mark != NULL ? path + 1 : path, target.len));
}

static size_t scheme_len(struct slice target)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < 2; i++)
        if (target.len > schemes[i].len && slice_equal_nocase(slice_sub(target, 0, schemes[i].len), schemes[i]))
            return schemes[i].len;
    return 0;
}

/* The four forms of RFC 9112, section 3.2, each only where it belongs. */
static enum http_progress take_target(struct http_head *h, const char *text)
{
    struct slice target = http_head_slice(text, h->target);
    if (target.data[0] == '/' && is_path(target)) {
        take_path(h, text, target);
        return HTTP_MORE;
    }
    if (target.len == 1 && target.data[0] == '*' && h->method == HTTP_OPTIONS) {
        h->path = h->target;
        return HTTP_MORE;
    }
    size_t start = scheme_len(target), end = start;
    if (start > 0) {
        while (end < target.len && target.data[end] != '/' && target.data[end] != '?') end++;
        struct slice host = slice_sub(target, start, end), path = slice_sub(target, end, target.len);
        if (is_host(host) && is_path(path)) {
            h->authority = span_of(text, host);
            take_path(h, text, path);
            return HTTP_MORE;
        }
    }
    return bad(&h->fault, 400, "the request's target is malformed");
}

/* The line that has just ended, as the next one below; `at` is behind its LF. */
static enum http_progress take_request_line(struct http_head *h, const char *text)
{
    struct slice version = slice_of(text + h->mark, h->at - 2 - h->mark);
    if (take_version(h, version) == HTTP_BAD) return HTTP_BAD;
    struct slice method = slice_of(text + h->line, h->target.start - 1 - h->line);
    h->method = method_of(method);
    if (slice_equal(method, SLICE("CONNECT"))) return bad(&h->fault, 501, "this is not a proxy");
    return take_target(h, text);
}

/* --- Fields that decide on the framing -------------------------------------------------------------------------------- */

enum seen {
    SEEN_HOST = 1, SEEN_LENGTH = 2, SEEN_CODING = 4, SEEN_EXPECT = 8, SEEN_TYPE = 16, SEEN_ENCODING = 32, SEEN_AUTHORIZATION = 64,
    SEEN_CONNECTION = 128,   /* the one that may come again */
};

static uint8_t known(struct slice name)
{
    static const struct { struct slice name; uint8_t seen; } names[] = {
        {{"host", 4}, SEEN_HOST}, {{"expect", 6}, SEEN_EXPECT}, {{"connection", 10}, SEEN_CONNECTION},
        {{"content-type", 12}, SEEN_TYPE}, {{"authorization", 13}, SEEN_AUTHORIZATION}, {{"content-length", 14}, SEEN_LENGTH},
        {{"content-encoding", 16}, SEEN_ENCODING}, {{"transfer-encoding", 17}, SEEN_CODING},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_nocase(name, names[i].name)) return names[i].seen;
    return 0;
}

/* Saturates: whatever does not fit is beyond every limit. */
static enum http_progress take_length(struct http_head *h, struct slice value)
{
    uint64_t length = 0;
    if (value.len == 0) return bad(&h->fault, 400, "Content-Length is not a number");
    for (size_t i = 0; i < value.len; i++) {
        if (!ascii_is_digit(value.data[i])) return bad(&h->fault, 400, "Content-Length is not a number");
        uint64_t digit = (uint64_t)(value.data[i] - '0');
        length = length > (UINT64_MAX - digit) / 10 ? UINT64_MAX : length * 10 + digit;
    }
    h->content_length = length;
    h->has_length = true;
    return HTTP_MORE;
}

/* RFC 9112, section 6.3: without "chunked" at the end nobody knows the length: 400. With other codings before it, which
 * are not spoken here: 501. "Chunked" in capitals is the same coding, but not to everybody. */
static enum http_progress take_coding(struct http_head *h, struct slice value)
{
    h->chunked = slice_equal(value, SLICE("chunked"));
    if (h->chunked) return HTTP_MORE;
    struct slice rest = value, element;
    size_t       count = 0, chunked = 0;
    bool         last_chunked = false;
    while (next_element(&rest, &element)) {
        if (element.len == 0 || !all(element, TOKEN)) return bad(&h->fault, 400, "Transfer-Encoding is malformed");
        last_chunked = slice_equal_nocase(element, SLICE("chunked"));
        chunked += last_chunked;
        count++;
    }
    if (count > 1 && chunked == 1 && last_chunked) return bad(&h->fault, 501, "no transfer coding but 'chunked' is spoken here");
    return bad(&h->fault, 400, "Transfer-Encoding is not 'chunked'");
}

static void take_connection(struct http_head *h, struct slice value)
{
    struct slice element;
    while (next_element(&value, &element))
        if (slice_equal_nocase(element, SLICE("close"))) h->persistent = false;
}

static enum http_progress take_expect(struct http_head *h, struct slice value)
{
    if (!slice_equal_nocase(value, SLICE("100-continue"))) return bad(&h->fault, 417, "only '100-continue' can be expected");
    h->expects_continue = true;
    return HTTP_MORE;
}

/* The lengths come in one spelling: "Name: value" or "Name:value" and no other white space, which some would not skip. */
static bool plainly_spelt(struct slice raw, struct slice value)
{
    return raw.len == value.len || (raw.len == value.len + 1 && raw.data[0] == ' ' && raw.data + 1 == value.data);
}

static enum http_progress take_field(struct http_head *h, const struct http_limits *limits, const char *text)
{
    if (++h->field_count > limits->field_count) return bad(&h->fault, 431, "too many header fields");
    struct slice raw = slice_of(text + h->mark, h->at - 2 - h->mark);
    struct slice name = slice_of(text + h->line, h->mark - 1 - h->line), value = trimmed(raw);
    uint8_t      field = known(name);
    if (field != SEEN_CONNECTION && (h->seen & field) != 0) return bad(&h->fault, 400, "a header field is given twice");
    h->seen |= field;
    if ((field & (SEEN_LENGTH | SEEN_CODING)) != 0 && !plainly_spelt(raw, value))
        return bad(&h->fault, 400, "white space around the length of the body");
    switch (field) {
    case SEEN_HOST:
        h->host = span_of(text, value);
        return is_host(value) ? HTTP_MORE : bad(&h->fault, 400, "Host is malformed");
    case SEEN_LENGTH: return take_length(h, value);
    case SEEN_CODING: return take_coding(h, value);
    case SEEN_EXPECT: return take_expect(h, value);
    case SEEN_CONNECTION: take_connection(h, value); return HTTP_MORE;
    default: return HTTP_MORE;
    }
}

/* What only all fields together can tell. */
static enum http_progress take_end(struct http_head *h, const struct http_limits *limits, const char *text)
{
    bool coding = (h->seen & SEEN_CODING) != 0, host = (h->seen & SEEN_HOST) != 0;
    if (coding && h->has_length) return bad(&h->fault, 400, "Content-Length together with Transfer-Encoding");
    if (coding && h->old) return bad(&h->fault, 400, "Transfer-Encoding in HTTP/1.0");
    if (!host && !h->old) return bad(&h->fault, 400, "Host is missing");
    if (host && h->authority.len > 0 &&
        !slice_equal_nocase(http_head_slice(text, h->authority), http_head_slice(text, h->host)))
        return bad(&h->fault, 400, "Host differs from the request's target");
    if (h->content_length > limits->body_bytes) return bad(&h->fault, 413, "the body is too long");
    if (h->old) h->persistent = h->expects_continue = false;
    if (h->host.len == 0) h->host = h->authority;
    h->bytes = h->at;
    return HTTP_DONE;
}

/* --- Head ------------------------------------------------------------------------------------------------------------- */

void http_head_start(struct http_head *h) { *h = (struct http_head){.state = HEAD_START, .persistent = true}; }

bool http_head_begun(const struct http_head *h)
{
    return h->state != HEAD_START && h->state != HEAD_EMPTY_LF && h->state != HEAD_AFTER_EMPTY;
}

static void begin_line(struct http_head *h)
{
    h->line = h->at;
    h->state = LINE_START;
}

static enum http_progress field_step(struct http_head *h, const struct http_limits *limits, const char *text, char c)
{
    const char *fault = NULL;
    switch (line_step(&h->state, c, &fault)) {
    case LINE_GOES_ON: return HTTP_MORE;
    case LINE_COLON: h->mark = h->at; return HTTP_MORE;
    case LINE_FAULT: return bad(&h->fault, 400, fault);
    case LINE_EMPTY:
        h->fields.len = h->line - h->fields.start;
        h->state = HEAD_END;
        return take_end(h, limits, text);
    case LINE_FIELD: break;
    }
    enum http_progress p = take_field(h, limits, text);
    begin_line(h);
    return p;
}

/* `c` was taken: at is behind it. */
static enum http_progress head_step(struct http_head *h, const struct http_limits *limits, const char *text, char c)
{
    switch (h->state) {
    case HEAD_START:
        if (c == '\r') {   /* RFC 9112, section 2.2: some clients send an empty line behind a body; one is passed over */
            h->state = HEAD_EMPTY_LF;
            return HTTP_MORE;
        }
        /* fall through */
    case HEAD_AFTER_EMPTY:
        h->line = h->at - 1;
        h->state = HEAD_METHOD;
        return is(c, TOKEN) ? HTTP_MORE : bad(&h->fault, 400, "this is not a request of HTTP");
    case HEAD_EMPTY_LF:
        h->state = HEAD_AFTER_EMPTY;
        return c == '\n' ? HTTP_MORE : bad(&h->fault, 400, "CR without LF");
    case HEAD_METHOD:
        if (c == ' ') {
            h->target.start = h->at;
            h->state = HEAD_TARGET;
            return HTTP_MORE;
        }
        if (!is(c, TOKEN)) return bad(&h->fault, 400, "this is not a request of HTTP");
        return h->at - h->line <= METHOD_MAX ? HTTP_MORE : bad(&h->fault, 501, "this method is not known here");
    case HEAD_TARGET:
        h->target.len = h->at - 1 - h->target.start;
        if (c == ' ' && h->target.len > 0) {
            h->mark = h->at;
            h->state = HEAD_VERSION;
            return HTTP_MORE;
        }
        if (!is(c, TARGET)) return bad(&h->fault, 400, "the request line is malformed");
        return h->target.len < limits->target_bytes ? HTTP_MORE : bad(&h->fault, 414, "the request's target is too long");
    case HEAD_VERSION:
        if (c == '\r') h->state = HEAD_LF;
        else if (h->at - h->mark > VERSION_LEN || !is(c, TARGET)) return bad(&h->fault, 400, "the request line is malformed");
        return HTTP_MORE;
    case HEAD_LF:
        if (c != '\n') return bad(&h->fault, 400, "CR without LF");
        enum http_progress p = take_request_line(h, text);
        begin_line(h);
        h->fields.start = h->at;
        return p;
    default: return field_step(h, limits, text, c);
    }
}

enum http_progress http_head_read(struct http_head *h, const struct http_limits *limits, const char *text, size_t len)
{
    CHECK(h->state != HEAD_END && h->fault.status == 0);
    while (h->at < len && h->at < limits->head_bytes) {
        char               c = text[h->at++];
        enum http_progress p = h->state == LINE_VALUE && is(c, TEXT) ? HTTP_MORE : head_step(h, limits, text, c);
        if (p != HTTP_MORE) return p;
    }
    if (h->at < limits->head_bytes) return HTTP_MORE;
    if (h->state == HEAD_TARGET) return bad(&h->fault, 414, "the request's target is too long");
    return bad(&h->fault, 431, "the request's head is too long");
}

bool http_head_find(const struct http_head *h, const char *text, struct slice name, struct slice *value)
{
    struct slice rest = http_head_slice(text, h->fields);
    while (rest.len > name.len) {
        size_t len = (size_t)((const char *)memchr(rest.data, '\n', rest.len) - rest.data) + 1;
        if (rest.data[name.len] == ':' && slice_equal_nocase(slice_sub(rest, 0, name.len), name)) {
            *value = trimmed(slice_sub(rest, name.len + 1, len - 2));
            return true;
        }
        rest = slice_sub(rest, len, rest.len);
    }
    return false;
}

/* --- Chunks ----------------------------------------------------------------------------------------------------------- */

enum chunk_state {
    /* first those of enum line_state: the trailers */
    CHUNK_SIZE = LINE_STATES, CHUNK_EXTENSION_START, CHUNK_EXTENSION, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF,
    CHUNK_END
};

void http_chunks_start(struct http_chunks *k) { *k = (struct http_chunks){.state = CHUNK_SIZE}; }

static enum http_progress size_step(struct http_chunks *k, char c)
{
    int digit = ascii_hex_digit(c);
    if (digit >= 0) {
        if (++k->digits > SIZE_DIGITS_MAX) return bad(&k->fault, 400, "a chunk's size has too many digits");
        k->left = k->left << 4 | (uint64_t)digit;
        return HTTP_MORE;
    }
    k->state = c == ';' ? CHUNK_EXTENSION_START : CHUNK_SIZE_LF;
    return k->digits > 0 && (c == ';' || c == '\r') ? HTTP_MORE : bad(&k->fault, 400, "a chunk's size is malformed");
}

static enum http_progress extension_step(struct http_chunks *k, const struct http_limits *limits, char c)
{
    bool name = k->state == CHUNK_EXTENSION_START;
    if (!name && c == '\r') {
        k->state = CHUNK_SIZE_LF;
        return HTTP_MORE;
    }
    k->state = CHUNK_EXTENSION;
    if (++k->extension_bytes > limits->extension_bytes) return bad(&k->fault, 400, "the extensions of the chunks are too long");
    return is(c, name ? TOKEN : TEXT) ? HTTP_MORE : bad(&k->fault, 400, "a chunk's extension is malformed");
}

static enum http_progress size_end(struct http_chunks *k, const struct http_limits *limits, char c)
{
    if (c != '\n') return bad(&k->fault, 400, "CR without LF");
    if (k->left > limits->body_bytes - k->total) return bad(&k->fault, 413, "the body is too long");
    k->state = k->left > 0 ? CHUNK_DATA : LINE_START;
    k->digits = 0;
    return HTTP_MORE;
}

static enum http_progress trailer_step(struct http_chunks *k, const struct http_limits *limits, char c)
{
    const char *fault = NULL;
    if (++k->trailer_bytes > limits->trailer_bytes + 2) return bad(&k->fault, 431, "the trailers are too long");
    switch (line_step(&k->state, c, &fault)) {
    case LINE_FAULT: return bad(&k->fault, 400, fault);
    case LINE_EMPTY: k->state = CHUNK_END; return HTTP_DONE;
    case LINE_FIELD:
        return ++k->trailer_count <= limits->field_count ? HTTP_MORE : bad(&k->fault, 431, "too many trailers");
    default: return HTTP_MORE;
    }
}

static enum http_progress chunk_step(struct http_chunks *k, const struct http_limits *limits, char c)
{
    switch (k->state) {
    case CHUNK_SIZE: return size_step(k, c);
    case CHUNK_EXTENSION_START:
    case CHUNK_EXTENSION: return extension_step(k, limits, c);
    case CHUNK_SIZE_LF: return size_end(k, limits, c);
    case CHUNK_DATA_CR:
        k->state = CHUNK_DATA_LF;
        return c == '\r' ? HTTP_MORE : bad(&k->fault, 400, "a chunk is longer than its size says");
    case CHUNK_DATA_LF:
        k->state = CHUNK_SIZE;
        return c == '\n' ? HTTP_MORE : bad(&k->fault, 400, "CR without LF");
    default: return trailer_step(k, limits, c);
    }
}

static struct slice data_step(struct http_chunks *k, struct slice text, size_t *used)
{
    size_t len = text.len - *used;
    if (len > k->left) len = (size_t)k->left;
    struct slice piece = slice_sub(text, *used, *used + len);
    *used += len;
    k->total += len;
    k->left -= len;
    if (k->left == 0) k->state = CHUNK_DATA_CR;
    return piece;
}

enum http_progress http_chunks_read(struct http_chunks *k, const struct http_limits *limits, struct slice text, size_t *used,
                                    struct slice *piece)
{
    CHECK(k->state != CHUNK_END && k->fault.status == 0);
    *piece = (struct slice){0};
    while (*used < text.len) {
        if (k->state == CHUNK_DATA) {
            *piece = data_step(k, text, used);
            return HTTP_MORE;
        }
        enum http_progress p = chunk_step(k, limits, text.data[(*used)++]);
        if (p != HTTP_MORE) return p;
    }
    return HTTP_MORE;
}
