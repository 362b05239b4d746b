#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_parse.h"
#include "http_refused.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define BODY_LIMIT REFUSED_BODY_LIMIT
#define INCOMPLETE 0
#define ACCEPTED 200

static struct http_limits limits(void)
{
    struct http_limits l = http_limits_standard;
    l.body_bytes = BODY_LIMIT;
    return l;
}

/* --- What becomes of a text ------------------------------------------------------------------------------------------- */

struct verdict {
    int    status;   /* ACCEPTED, INCOMPLETE, or that of the answer */
    size_t used;     /* bytes of the request; 0 unless accepted */
    size_t body_len;
    char   body[BODY_LIMIT];
};

struct reader {
    struct http_head   head;
    struct http_chunks chunks;
    bool               in_body;
    size_t             at;
    struct verdict     verdict;
};

static void read_body(struct reader *r, const struct http_limits *l, const char *text, size_t end)
{
    struct verdict *v = &r->verdict;
    if (!r->head.chunked) {
        if (end - r->head.bytes < r->head.content_length) return;
        v->status = ACCEPTED;
        v->body_len = r->head.content_length;
        v->used = r->head.bytes + v->body_len;
        memcpy(v->body, text + r->head.bytes, v->body_len);
        return;
    }
    while (r->at < end) {
        struct slice piece;
        switch (http_chunks_read(&r->chunks, l, slice_of(text, end), &r->at, &piece)) {
        case HTTP_BAD: v->status = r->chunks.fault.status; return;
        case HTTP_DONE: v->status = ACCEPTED; v->used = r->at; return;
        case HTTP_MORE: break;
        }
        if (piece.len == 0) continue;
        assert_true(v->body_len + piece.len <= BODY_LIMIT);
        memcpy(v->body + v->body_len, piece.data, piece.len);
        v->body_len += piece.len;
    }
}

/* A copy of just the bytes that came, so that a sanitizer sees who looks beyond them. */
static void feed(struct reader *r, const struct http_limits *l, const char *text, size_t end)
{
    if (r->verdict.status != INCOMPLETE) return;
    char *copy = malloc(end + 1);
    assert_non_null(copy);
    memcpy(copy, text, end);
    if (!r->in_body) {
        switch (http_head_read(&r->head, l, copy, end)) {
        case HTTP_BAD: r->verdict.status = r->head.fault.status; break;
        case HTTP_DONE:
            r->in_body = true;
            r->at = r->head.bytes;
            break;
        case HTTP_MORE: break;
        }
    }
    if (r->in_body) read_body(r, l, copy, end);
    free(copy);
}

static void start(struct reader *r)
{
    *r = (struct reader){0};
    http_head_start(&r->head);
    http_chunks_start(&r->chunks);
}

static struct verdict judge(const struct http_limits *l, const char *text, size_t len, size_t cut)
{
    struct reader r;
    start(&r);
    if (cut > 0) feed(&r, l, text, cut);
    feed(&r, l, text, len);
    return r.verdict;
}

static struct verdict judge_bytewise(const struct http_limits *l, const char *text, size_t len)
{
    struct reader r;
    start(&r);
    for (size_t end = 1; end <= len; end++) feed(&r, l, text, end);
    return r.verdict;
}

static void same(const struct verdict *a, const struct verdict *b, size_t row, size_t cut)
{
    if (a->status != b->status || a->used != b->used || a->body_len != b->body_len || memcmp(a->body, b->body, a->body_len) != 0)
        fail_msg("row %zu cut at %zu: %d instead of %d", row, cut, b->status, a->status);
}

static void same_however_cut(const struct http_limits *l, const char *text, size_t len, size_t row)
{
    struct verdict whole = judge(l, text, len, 0), cut;
    for (size_t at = 1; at < len; at++) {
        cut = judge(l, text, len, at);
        same(&whole, &cut, row, at);
    }
    cut = judge_bytewise(l, text, len);
    same(&whole, &cut, row, 1);
}

/* --- What must not be taken ------------------------------------------------------------------------------------------- */

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    const struct http_limits l = limits();
    (void)state;
    assert_true(COUNT(refused) >= 120);
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct verdict v = judge(&l, refused[i].text, refused[i].len, 0);
        if (v.status != refused[i].status)
            fail_msg("row %zu: %d instead of %d: %s", i, v.status, refused[i].status, refused[i].text);
    }
}

static void a_refusal_is_the_same_however_the_bytes_are_cut(void **state)
{
    const struct http_limits l = limits();
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) same_however_cut(&l, refused[i].text, refused[i].len, i);
}

/* --- What must be taken ----------------------------------------------------------------------------------------------- */

struct accepted {
    const char *text;
    const char *path, *query, *host, *body;
    enum http_method method;
    bool        persistent, expects_continue;
    const char *rest;    /* what follows and is not part of it */
};

static const struct accepted accepted[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "", "a", "", HTTP_GET, true, false, ""},
    {"GET / HTTP/1.1\r\nHost:a\r\n\r\n", "/", "", "a", "", HTTP_GET, true, false, ""},
    {"GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", "/", "", "a", "", HTTP_GET, true, false, ""},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "", "a", "", HTTP_GET, true, false, ""},
    {"HEAD /metrics?a=b&c HTTP/1.1\r\nhOST: localhost:8088\r\n\r\n", "/metrics", "a=b&c", "localhost:8088", "",
     HTTP_HEAD, true, false, ""},
    {"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "*", "", "[::1]:80", "", HTTP_OPTIONS, true, false, ""},
    {"OPTIONS /a HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n\r\n", "/a", "", "[::ffff:127.0.0.1]", "",
     HTTP_OPTIONS, true, false, ""},
    {"DELETE /a HTTP/1.1\r\nHost: a:\r\n\r\n", "/a", "", "a:", "", HTTP_OTHER, true, false, ""},
    {"get / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "", "a", "", HTTP_OTHER, true, false, ""},
    {"GET //a//..%2f%7E?x=?/@:!$&'()*+,;= HTTP/1.1\r\nHost: a-b.c_d.e~f\r\n\r\n", "//a//..%2f%7E", "x=?/@:!$&'()*+,;=",
     "a-b.c_d.e~f", "",
     HTTP_GET, true, false, ""},
    {"GET http://a/b?c HTTP/1.1\r\nHost: A\r\n\r\n", "/b", "c", "A", "", HTTP_GET, true, false, ""},
    {"GET HTTPS://a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "", "", "a:1", "", HTTP_GET, true, false, ""},
    {"GET http://a?b HTTP/1.0\r\n\r\n", "", "b", "a", "", HTTP_GET, false, false, ""},
    {"GET / HTTP/1.0\r\n\r\n", "/", "", "", "", HTTP_GET, false, false, ""},
    {"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n", "/", "", "a", "",
     HTTP_GET, false, false, ""},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "/", "", "a", "", HTTP_GET, false, false, ""},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive,CLOSE \r\n\r\n", "/", "", "a", "", HTTP_GET, false, false, ""},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", "/", "", "a", "", HTTP_GET, false, false, ""},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed, Content-Length\r\n\r\n", "/", "", "a", "", HTTP_GET, true, false, ""},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n", "/", "",
     "a", "",
     HTTP_GET, true, false, ""},
    {"GET / HTTP/1.1\r\nX!#$%&'*+-.^_`|~9: \x80\xff\"(),/:;<=>?@[\\]{}\t~\r\nHost: a\r\nX:\r\n\r\n", "/", "", "a", "",
     HTTP_GET, true, false, ""},
    {"POST /v2/track HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "/v2/track", "", "a", "hello",
     HTTP_POST, true, false, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\ncOnTeNt-LeNgTh:5\r\n\r\nhelloGET / HTTP/1.1", "/", "", "a", "hello",
     HTTP_POST, true, false, "GET / HTTP/1.1"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nhello", "/", "", "a", "", HTTP_POST, true, false, "hello"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello", "/", "", "a", "hello", HTTP_POST, true, false, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\n\r\nhello", "/", "", "a", "", HTTP_POST, true, false, "hello"},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\r\n\r", "/", "", "a", "\r\n\r", HTTP_GET, true, false, ""},
    {"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "/", "", "", "hello", HTTP_POST, false, false, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello", "/", "", "a", "hello",
     HTTP_POST, true, true, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 9\r\nTransfer_Encoding: x\r\nContent-Length: 1\r\n\r\nhello", "/", "", "a",
     "h", HTTP_POST,
     true, false, "ello"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET", "/", "", "a", "hello",
     HTTP_POST, true, false, "GET"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING:chunked\r\n\r\n1\r\nh\r\n0004\r\nello\r\n000\r\n\r\n", "/", "", "a",
     "hello", HTTP_POST, true,
     false, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "/", "", "a", "", HTTP_POST, true, false, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA;a=b;c=\"d e\"\r\n0\r\n\r\n0\r\n\r\n\r\n0;x\r\n\r\n",
     "/", "", "a",
     "0\r\n\r\n0\r\n\r\n", HTTP_POST, true, false, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nHost: b\r\nContent-Length: 9\r\n\r\n",
     "/", "", "a",
     "hello", HTTP_POST, true, false, ""},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000a\r\n0123456789\r\n0000000000000000\r\n\r\n",
     "/", "", "a",
     "0123456789", HTTP_POST, true, false, ""},
};

static void check_head(const struct accepted *a, const struct http_limits *l, size_t row)
{
    struct http_head h;
    http_head_start(&h);
    assert_int_equal(http_head_read(&h, l, a->text, strlen(a->text)), HTTP_DONE);
    if (!slice_equal(http_head_slice(a->text, h.path), slice_from(a->path)) ||
        !slice_equal(http_head_slice(a->text, h.query), slice_from(a->query)) ||
        !slice_equal(http_head_slice(a->text, h.host), slice_from(a->host)) || h.method != a->method ||
        h.persistent != a->persistent || h.expects_continue != a->expects_continue)
        fail_msg("row %zu is read wrongly", row);
}

static void what_is_well_written_is_accepted(void **state)
{
    const struct http_limits l = limits();
    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        size_t         len = strlen(accepted[i].text);
        struct verdict v = judge(&l, accepted[i].text, len, 0);
        if (v.status != ACCEPTED) fail_msg("row %zu: %d", i, v.status);
        if (!slice_equal(slice_of(v.body, v.body_len), slice_from(accepted[i].body))) fail_msg("row %zu: another body", i);
        if (v.used != len - strlen(accepted[i].rest)) fail_msg("row %zu ends elsewhere", i);
        check_head(&accepted[i], &l, i);
        same_however_cut(&l, accepted[i].text, len, i);
    }
}

static void what_is_not_complete_waits(void **state)
{
    const struct http_limits l = limits();
    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        size_t used = strlen(accepted[i].text) - strlen(accepted[i].rest);
        for (size_t len = 0; len < used; len++) {
            struct verdict v = judge(&l, accepted[i].text, len, 0);
            if (v.status != INCOMPLETE) fail_msg("row %zu, %zu bytes: %d", i, len, v.status);
        }
    }
}

/* --- Limits ----------------------------------------------------------------------------------------------------------- */

struct text {
    char   data[8192];
    size_t len;
};

static void add(struct text *t, const char *piece, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        size_t len = strlen(piece);
        assert_true(t->len + len < sizeof t->data);
        memcpy(t->data + t->len, piece, len + 1);
        t->len += len;
    }
}

static int status_of(const struct text *t, const struct http_limits *l)
{
    same_however_cut(l, t->data, t->len, 0);
    return judge(l, t->data, t->len, 0).status;
}

static void a_target_has_a_limit(void **state)
{
    struct http_limits l = limits();
    (void)state;
    l.target_bytes = 100;
    for (size_t len = 99; len <= 101; len++) {
        struct text t = {0};
        add(&t, "GET /", 1);
        add(&t, "a", len - 1);
        add(&t, " HTTP/1.1\r\nHost: a\r\n\r\n", 1);
        assert_int_equal(status_of(&t, &l), len <= 100 ? ACCEPTED : 414);
    }
}

static void a_head_has_a_limit(void **state)
{
    struct http_limits l = limits();
    (void)state;
    l.head_bytes = 1024;
    for (size_t len = 1023; len <= 1025; len++) {
        struct text t = {0};
        add(&t, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 1);
        add(&t, "a", len - t.len - 4);
        add(&t, "\r\n\r\n", 1);
        assert_int_equal(t.len, len);
        assert_int_equal(status_of(&t, &l), len <= 1024 ? ACCEPTED : 431);
    }
    struct text endless = {0};
    add(&endless, "GET /", 1);
    add(&endless, "a", 1024);
    assert_int_equal(status_of(&endless, &l), 414);
}

static void a_full_buffer_is_not_waited_for(void **state)
{
    struct http_limits l = limits();
    struct text        t = {0};
    (void)state;
    l.head_bytes = 1024;
    add(&t, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 1);
    add(&t, "a", 1024 - t.len);
    assert_int_equal(judge(&l, t.data, t.len, 0).status, 431);
}

static void fields_have_a_limit(void **state)
{
    struct http_limits l = limits();
    (void)state;
    for (size_t count = 99; count <= 101; count++) {
        struct text t = {0};
        add(&t, "GET / HTTP/1.1\r\nHost: a\r\n", 1);
        add(&t, "A:\r\n", count - 1);
        add(&t, "\r\n", 1);
        assert_int_equal(status_of(&t, &l), count <= 100 ? ACCEPTED : 431);
    }
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void extensions_have_a_limit_over_all_chunks(void **state)
{
    struct http_limits l = limits();
    (void)state;
    l.extension_bytes = 20;
    for (size_t chunks = 3; chunks <= 5; chunks++) {
        struct text t = {0};
        add(&t, CHUNKED, 1);
        add(&t, "1;abcde\r\nx\r\n", chunks);
        add(&t, "0\r\n\r\n", 1);
        assert_int_equal(status_of(&t, &l), chunks <= 4 ? ACCEPTED : 400);
    }
}

static void trailers_have_limits(void **state)
{
    struct http_limits l = limits();
    (void)state;
    l.trailer_bytes = 40;
    for (size_t count = 9; count <= 11; count++) {
        struct text t = {0};
        add(&t, CHUNKED "0\r\n", 1);
        add(&t, "A:\r\n", count);
        add(&t, "\r\n", 1);
        assert_int_equal(status_of(&t, &l), count <= 10 ? ACCEPTED : 431);
    }
    l = limits();
    l.field_count = 8;
    for (size_t count = 7; count <= 9; count++) {
        struct text t = {0};
        add(&t, CHUNKED "0\r\n", 1);
        add(&t, "A:\r\n", count);
        add(&t, "\r\n", 1);
        assert_int_equal(status_of(&t, &l), count <= 8 ? ACCEPTED : 431);
    }
}

static void a_body_has_a_limit(void **state)
{
    const struct http_limits l = limits();
    (void)state;
    for (size_t count = BODY_LIMIT / 8 - 1; count <= BODY_LIMIT / 8 + 1; count++) {
        struct text t = {0};
        add(&t, CHUNKED, 1);
        add(&t, "8\r\n01234567\r\n", count);
        add(&t, "0\r\n\r\n", 1);
        assert_int_equal(judge(&l, t.data, t.len, 0).status, count <= BODY_LIMIT / 8 ? ACCEPTED : 413);
    }
}

/* --- Fields ----------------------------------------------------------------------------------------------------------- */

static void a_field_is_found_by_its_name_in_any_case(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nContent-Type-X: no\r\nX-Content-Type: no\r\n"
                               "CONTENT-type:\t application/json \r\n"
                               "Empty:\r\nLast: Content-Type: no\r\n\r\nContent-Length: no";
    const struct http_limits l = limits();
    struct http_head         h;
    struct slice             value;
    (void)state;
    http_head_start(&h);
    assert_int_equal(http_head_read(&h, &l, text, sizeof text - 1), HTTP_DONE);
    assert_true(http_head_find(&h, text, SLICE("Content-Type"), &value));
    assert_true(slice_equal(value, SLICE("application/json")));
    assert_true(http_head_find(&h, text, SLICE("empty"), &value));
    assert_int_equal(value.len, 0);
    assert_true(http_head_find(&h, text, SLICE("LAST"), &value));
    assert_true(slice_equal(value, SLICE("Content-Type: no")));
    assert_false(http_head_find(&h, text, SLICE("Content-Length"), &value));
    assert_false(http_head_find(&h, text, SLICE("GET / HTTP/1.1\r\nHost"), &value));
    assert_false(http_head_find(&h, text, SLICE("Content"), &value));
}

static void a_request_begins_with_its_first_own_byte(void **state)
{
    const struct http_limits l = limits();
    struct http_head         h;
    (void)state;
    http_head_start(&h);
    assert_int_equal(http_head_read(&h, &l, "\r\nG", 2), HTTP_MORE);
    assert_false(http_head_begun(&h));
    assert_int_equal(http_head_read(&h, &l, "\r\nG", 3), HTTP_MORE);
    assert_true(http_head_begun(&h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(a_refusal_is_the_same_however_the_bytes_are_cut),
        cmocka_unit_test(what_is_well_written_is_accepted),
        cmocka_unit_test(what_is_not_complete_waits),
        cmocka_unit_test(a_target_has_a_limit),
        cmocka_unit_test(a_head_has_a_limit),
        cmocka_unit_test(a_full_buffer_is_not_waited_for),
        cmocka_unit_test(fields_have_a_limit),
        cmocka_unit_test(extensions_have_a_limit_over_all_chunks),
        cmocka_unit_test(trailers_have_limits),
        cmocka_unit_test(a_body_has_a_limit),
        cmocka_unit_test(a_field_is_found_by_its_name_in_any_case),
        cmocka_unit_test(a_request_begins_with_its_first_own_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
