#include "net/blob_sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const char *header(const struct blob_signed *s, const char *name)
{
    for (size_t i = 0; i < s->header_count; i++)
        if (slice_equal_nocase(slice_from(s->headers[i].name), slice_from(name))) return s->headers[i].value;
    return "";
}

static void add_line(struct text_buffer *t, const char *value)
{
    text_buffer_add_text(t, value);
    text_buffer_add_char(t, '\n');
}

/* The date is empty: x-ms-date is always sent instead. */
static void add_standard_headers(const struct blob_signed *s, struct text_buffer *t)
{
    static const char *const after_length[] = {"content-md5", "content-type", "date", "if-modified-since", "if-match",
                                               "if-none-match", "if-unmodified-since", "range"};
    char length[24] = "";
    if (s->content_length > 0) snprintf(length, sizeof length, "%zu", s->content_length);
    add_line(t, s->verb);
    add_line(t, header(s, "content-encoding"));
    add_line(t, header(s, "content-language"));
    add_line(t, length);
    for (size_t i = 0; i < sizeof after_length / sizeof *after_length; i++) add_line(t, header(s, after_length[i]));
}

static int by_name(const void *a, const void *b)
{
    const struct http_header *const *left = a, *const *right = b;
    return strcasecmp((*left)->name, (*right)->name);
}

static struct slice trimmed(const char *text)
{
    struct slice s = slice_from(text);
    while (s.len > 0 && strchr(" \t", s.data[0]) != NULL) s = slice_sub(s, 1, s.len);
    while (s.len > 0 && strchr(" \t", s.data[s.len - 1]) != NULL) s.len--;
    return s;
}

static void add_service_headers(const struct blob_signed *s, struct text_buffer *t)
{
    const struct http_header *sorted[BLOB_SIGNED_HEADERS];
    size_t                    count = 0;
    for (size_t i = 0; i < s->header_count; i++) {
        if (strncasecmp(s->headers[i].name, "x-ms-", 5) != 0) continue;
        CHECK(count < BLOB_SIGNED_HEADERS);
        sorted[count++] = &s->headers[i];
    }
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        for (const char *c = sorted[i]->name; *c != '\0'; c++) text_buffer_add_char(t, ascii_lower(*c));
        text_buffer_add_char(t, ':');
        text_buffer_add(t, trimmed(sorted[i]->value));
        text_buffer_add_char(t, '\n');
    }
}

void blob_string_to_sign(const struct blob_signed *s, struct text_buffer *t)
{
    add_standard_headers(s, t);
    add_service_headers(s, t);
    text_buffer_add_char(t, '/');
    text_buffer_add_text(t, s->account);
    text_buffer_add_text(t, s->path);
    for (size_t i = 0; i < s->parameter_count; i++) {
        CHECK(i == 0 || strcmp(s->parameters[i - 1].name, s->parameters[i].name) < 0);
        text_buffer_add_char(t, '\n');
        text_buffer_add_text(t, s->parameters[i].name);
        text_buffer_add_char(t, ':');
        text_buffer_add(t, s->parameters[i].value);
    }
}

void blob_signature(const unsigned char *key, size_t key_len, struct slice text, char signature[BLOB_SIGNATURE_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      len = 0;
    CHECK(HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text.data, text.len, digest, &len) != NULL && len == 32);
    base64_write(digest, len, signature);
}
