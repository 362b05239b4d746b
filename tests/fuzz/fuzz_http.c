/* Fuzzes the reading of HTTP requests: however the bytes are cut into reads, the same is found, nothing outside of the text
 * is pointed at, and a body is not longer than its limit. The first byte of the input is the length of a read. */
#include "http_parse.h"

#include <stdlib.h>

#define HEAD_LIMIT 1024
#define BODY_LIMIT 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct found {
    struct http_head  head;
    enum http_progress head_end, body_end;
    int                body_status;
    size_t             used, body_len;
    char               body[BODY_LIMIT];
};

static void read_body(struct found *f, const struct http_limits *limits, const char *text, size_t len, size_t read)
{
    struct http_chunks chunks;
    http_chunks_start(&chunks);
    f->used = f->head.bytes;
    for (size_t end = f->used; end < len && f->body_end == HTTP_MORE;) {
        end = len - end < read ? len : end + read;
        while (f->used < end && f->body_end == HTTP_MORE) {
            struct slice piece;
            f->body_end = http_chunks_read(&chunks, limits, slice_of(text, end), &f->used, &piece);
            CHECK(f->used <= end && piece.len <= BODY_LIMIT - f->body_len);
            if (piece.len > 0) memcpy(f->body + f->body_len, piece.data, piece.len);
            f->body_len += piece.len;
        }
    }
    f->body_status = chunks.fault.status;
}

static void check_spans(const struct http_head *h, const char *text)
{
    const struct http_span spans[] = {h->path, h->query, h->host, h->fields};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) CHECK(spans[i].start + spans[i].len <= h->bytes);
    struct slice value;
    CHECK(http_head_find(h, text, SLICE("host"), &value) || h->old);
    CHECK(!(h->chunked && h->has_length) && h->content_length <= BODY_LIMIT);
}

static void read_all(struct found *f, const struct http_limits *limits, const char *text, size_t len, size_t read)
{
    memset(f, 0, sizeof *f);
    http_head_start(&f->head);
    f->head_end = f->body_end = HTTP_MORE;
    for (size_t end = 0; end < len && f->head_end == HTTP_MORE;) {
        end = len - end < read ? len : end + read;
        f->head_end = http_head_read(&f->head, limits, text, end);
    }
    CHECK(f->head_end != HTTP_BAD || (f->head.fault.status >= 400 && f->head.fault.text != NULL));
    if (f->head_end != HTTP_DONE) return;
    CHECK(f->head.bytes <= len && f->head.bytes <= HEAD_LIMIT);
    check_spans(&f->head, text);
    if (f->head.chunked) read_body(f, limits, text, len, read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct http_limits limits = http_limits_standard;
    struct found       whole, cut;
    if (len < 1) return 0;
    limits.head_bytes = HEAD_LIMIT;
    limits.target_bytes = 128;
    limits.field_count = 16;
    limits.body_bytes = BODY_LIMIT;
    limits.extension_bytes = limits.trailer_bytes = 64;
    char *text = malloc(len > 1 ? len - 1 : 1);   /* not a byte more, so that a look beyond the end is seen */
    CHECK(text != NULL);
    memcpy(text, data + 1, len - 1);
    read_all(&whole, &limits, text, len - 1, len);
    read_all(&cut, &limits, text, len - 1, data[0] % 64 + 1);
    CHECK(whole.head_end == cut.head_end && whole.head.fault.status == cut.head.fault.status && whole.head.at == cut.head.at);
    CHECK(whole.body_end == cut.body_end && whole.body_status == cut.body_status && whole.used == cut.used);
    CHECK(whole.body_len == cut.body_len && memcmp(whole.body, cut.body, whole.body_len) == 0);
    free(text);
    return 0;
}
