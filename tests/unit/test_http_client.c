#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "loopback.h"
#include "net/gzip_body.h"
#include "net/http_client.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define POLL_MS 10000   /* far more than anything here needs */

static struct http_client *new_client(void)
{
    struct error        err = {0};
    struct http_client *c = http_client_new(&(struct http_client_options){0}, &err);
    assert_non_null(c);
    return c;
}

/* One request to a server of its own. The result is the caller's. */
static void get(const struct slice *answers, size_t count, struct http_request request, struct http_result *result)
{
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(answers, count);
    request.url = loopback_url(l, "/path?sig=do-not-tell");
    http_client_perform(c, &request, result);
    http_client_free(c);
    loopback_stop(l);
}

/* --- Requests and answers --------------------------------------------------------------------------------------------- */

static void an_answer_has_status_body_and_the_headers_that_matter(void **state)
{
    static const struct slice answers[] = {
        ANSWER("200 OK", "ETag: \"0x8D\"\r\nx-ms-Error-Code:  Spaced \r\nSet-Cookie: a=b\r\nContent-Type: text/plain\r\nX-MS-empty:\r\n", "5", "hello")};
    struct http_result r;
    (void)state;
    get(answers, 1, (struct http_request){0}, &r);
    assert_int_equal(r.failure, HTTP_ANSWERED);
    assert_int_equal(r.status, 200);
    assert_true(http_result_ok(&r));
    assert_string_equal(r.text, "");
    assert_true(slice_equal(slice_of(r.body, r.body_len), SLICE("hello")));
    assert_string_equal(http_result_header(&r, "etag"), "\"0x8D\"");
    assert_string_equal(http_result_header(&r, "x-ms-error-code"), "Spaced");
    assert_string_equal(http_result_header(&r, "x-ms-empty"), "");
    assert_string_equal(http_result_header(&r, "Content-Length"), "5");
    assert_null(http_result_header(&r, "Set-Cookie"));
    assert_null(http_result_header(&r, "Retry-After"));
    http_result_release(&r);
}

static void a_request_is_sent_as_it_was_given_and_nothing_is_added(void **state)
{
    static const struct slice      answers[] = {ANSWER("200 OK", "", "0", ""), ANSWER("201 Created", "", "0", "")};
    static const struct http_header headers[] = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(answers, COUNT(answers));
    struct http_result  r;
    char                expected[512];
    (void)state;
    struct http_request request = {.method = HTTP_POST, .url = loopback_url(l, "/a%2Fb?c=d"), .headers = headers, .header_count = 2, .body = SLICE("{\0}")};
    http_client_perform(c, &request, &r);
    assert_int_equal(r.status, 200);
    http_result_release(&r);
    request = (struct http_request){.method = HTTP_PUT, .url = loopback_url(l, "/")};
    http_client_perform(c, &request, &r);
    assert_int_equal(r.status, 201);
    http_result_release(&r);
    snprintf(expected, sizeof expected,
             "POST /a%%2Fb?c=d HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: lethe\r\nContent-Type: application/json\r\nX-Empty:\r\nContent-Length: 3\r\n\r\n{",
             loopback_port(l));
    assert_string_equal(loopback_request(l, 0), expected);
    snprintf(expected, sizeof expected, "PUT / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: lethe\r\nContent-Length: 0\r\n\r\n", loopback_port(l));
    assert_string_equal(loopback_request(l, 1), expected);
    http_client_free(c);
    loopback_stop(l);
}

static void connections_are_kept_and_used_again(void **state)
{
    static const struct slice answers[] = {ANSWER("200 OK", "", "1", "a"), ANSWER("503 Busy", "", "1", "b"), ANSWER("200 OK", "", "1", "c")};
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(answers, COUNT(answers));
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct http_result        r;
        const struct http_request request = {.url = loopback_url(l, "/")};
        http_client_perform(c, &request, &r);
        assert_int_equal(*r.body, "abc"[i]);
        http_result_release(&r);
    }
    assert_int_equal(loopback_connections(l), 1);
    http_client_free(c);
    loopback_stop(l);
}

static void a_head_has_no_body_and_a_first_head_of_100_is_forgotten(void **state)
{
    static const struct slice head[] = {SLICE("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\nx-ms-blob-type: AppendBlob\r\n\r\n")};
    static const struct slice twice[] = {SLICE("HTTP/1.1 103 Early\r\nETag: old\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")};
    struct http_result r;
    (void)state;
    get(head, 1, (struct http_request){.method = HTTP_HEAD}, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(http_result_header(&r, "content-length"), "1000000000000");
    http_result_release(&r);
    get(twice, 1, (struct http_request){0}, &r);
    assert_int_equal(r.status, 200);
    assert_null(http_result_header(&r, "etag"));
    http_result_release(&r);
}

/* --- What goes wrong -------------------------------------------------------------------------------------------------- */

static void redirects_are_reported_and_not_followed(void **state)
{
    static const struct slice answers[] = {ANSWER("302 Found", "Location: /elsewhere\r\n", "0", ""), ANSWER("200 OK", "", "0", "")};
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(answers, COUNT(answers));
    const struct http_request request = {.url = loopback_url(l, "/")};
    struct http_result  r;
    (void)state;
    http_client_perform(c, &request, &r);
    assert_int_equal(r.status, 302);
    assert_int_equal(http_result_verdict(&r), HTTP_FATAL);
    assert_non_null(strstr(r.text, "redirects are not followed"));
    assert_int_equal(loopback_requests(l), 1);
    http_result_release(&r);
    http_client_free(c);
    loopback_stop(l);
}

static void an_answer_longer_than_its_limit_is_given_up(void **state)
{
    static const struct slice five[] = {ANSWER("200 OK", "", "5", "hello")};
    static const struct slice endless[] = {SLICE("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")};
    static char               head[HTTP_MAX_HEADERS + 100] = "HTTP/1.1 200 OK\r\nETag: ";
    struct http_result        r;
    (void)state;
    get(five, 1, (struct http_request){.max_body = 5}, &r);
    assert_int_equal(r.failure, HTTP_ANSWERED);
    http_result_release(&r);
    get(five, 1, (struct http_request){.max_body = 4}, &r);
    assert_int_equal(r.failure, HTTP_TOO_LONG);
    http_result_release(&r);
    get(endless, 1, (struct http_request){.max_body = 4}, &r);
    assert_int_equal(r.failure, HTTP_TOO_LONG);
    assert_int_equal(http_result_verdict(&r), HTTP_FATAL);
    http_result_release(&r);
    memset(head + strlen(head), 'x', HTTP_MAX_HEADERS);
    strcpy(head + strlen(head), "\r\n\r\n");
    get(&(struct slice){head, strlen(head)}, 1, (struct http_request){0}, &r);
    assert_int_equal(r.failure, HTTP_TOO_LONG);
    http_result_release(&r);
}

static void what_breaks_off_or_is_no_http_is_cut_and_may_be_tried_again(void **state)
{
    static const struct slice answers[] = {
        SLICE("HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhello"),
        SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello"),
        SLICE("garbage that is no HTTP at all, Connection: close\r\n\r\n"),
        SLICE("HTTP/9.9 200 Connection: close\r\n\r\n"),
        LOOPBACK_END,
    };
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct http_result r;
        get(&answers[i], 1, (struct http_request){.method = HTTP_POST, .body = SLICE("do-not-tell")}, &r);
        assert_int_equal(r.failure, HTTP_CUT);
        assert_false(http_result_ok(&r));
        assert_int_equal(http_result_verdict(&r), HTTP_TRANSIENT);
        assert_non_null(strstr(r.text, "'127.0.0.1:"));
        assert_null(strstr(r.text, "tell"));
        assert_null(strstr(r.text, "garbage"));
        http_result_release(&r);
    }
}

static void silence_ends_after_the_time_given(void **state)
{
    static const struct slice silence[] = {LOOPBACK_SILENCE};
    struct http_result r;
    (void)state;
    get(silence, 1, (struct http_request){.total_ms = 50}, &r);
    assert_int_equal(r.failure, HTTP_TIMED_OUT);
    assert_int_equal(http_result_verdict(&r), HTTP_TRANSIENT);
    assert_non_null(strstr(r.text, "no answer from '127.0.0.1:"));
    http_result_release(&r);
}

static void a_port_where_nobody_listens_is_no_connection(void **state)
{
    struct loopback    *l = loopback_start(NULL, 0);
    char               *url = strdup(loopback_url(l, "/"));
    struct http_client *c = new_client();
    struct http_result  r;
    (void)state;
    loopback_stop(l);
    http_client_perform(c, &(struct http_request){.url = url}, &r);
    assert_int_equal(r.failure, HTTP_NO_CONNECTION);
    assert_non_null(strstr(r.text, "onnection refused"));
    assert_int_equal(http_result_verdict(&r), HTTP_TRANSIENT);
    http_result_release(&r);
    http_client_free(c);
    free(url);
}

static void statuses_say_whether_to_try_again(void **state)
{
    static const int transient[] = {408, 425, 429, 439, 500, 502, 503, 504, 599}, fatal[] = {301, 304, 400, 401, 403, 404, 409, 412, 413, 416, 501, 505};
    (void)state;
    for (size_t i = 0; i < COUNT(transient); i++) assert_int_equal(http_result_verdict(&(struct http_result){.status = transient[i]}), HTTP_TRANSIENT);
    for (size_t i = 0; i < COUNT(fatal); i++) assert_int_equal(http_result_verdict(&(struct http_result){.status = fatal[i]}), HTTP_FATAL);
    assert_int_equal(http_result_verdict(&(struct http_result){.status = 204}), HTTP_DONE);
    assert_int_equal(http_result_verdict(&(struct http_result){.failure = HTTP_CUT, .status = 200}), HTTP_TRANSIENT);
    assert_int_equal(http_result_verdict(&(struct http_result){.failure = HTTP_NOT_TRUSTED}), HTTP_FATAL);
}

static void a_refusal_names_the_fault_but_nothing_that_was_answered(void **state)
{
    static const struct slice answers[] = {ANSWER("403 s3cret", "x-ms-error-code: AuthenticationFailed\r\n", "6", "s3cret"),
                                           ANSWER("403 No", "x-ms-error-code: s3cret code\r\n", "0", "")};
    struct http_result r;
    (void)state;
    get(answers, 1, (struct http_request){0}, &r);
    assert_non_null(strstr(r.text, "answered 403 AuthenticationFailed: "));
    assert_null(strstr(r.text, "s3cret"));
    http_result_release(&r);
    get(answers + 1, 1, (struct http_request){0}, &r);
    assert_null(strstr(r.text, "s3cret"));
    http_result_release(&r);
}

/* --- Where requests may go -------------------------------------------------------------------------------------------- */

static void plain_http_goes_to_loopback_only(void **state)
{
    static const struct {
        const char *url, *text;
        bool        link_local;
    } cases[] = {
        {"http://192.0.2.1/", "'192.0.2.1' would be spoken to without TLS", false},
        {"http://logs.example/", "'logs.example' would be spoken to without TLS", false},
        {"http://128.0.0.1/", "without TLS", false},
        {"http://localhost.example/", "without TLS", false},
        {"http://[2001:db8::1]/", "without TLS", false},
        {"http://169.254.169.254/", "without TLS", false},
        {"http://169.253.0.1/", "without TLS", true},
        {"http://logs.example/", "without TLS", true},
        {"ftp://127.0.0.1/", "is not to be reached by https", false},
        {"file:///etc/passwd", "an address", false},
        {"https://user:s3cret@127.0.0.1/", "holds a user or password", false},
        {"https://", "an address that is none", false},
        {"s3cret", "an address that is none", false},
        {"", "an address that is none", false},
    };
    struct http_client *c = new_client();
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_result r;
        http_client_perform(c, &(struct http_request){.url = cases[i].url, .link_local = cases[i].link_local}, &r);
        assert_int_equal(r.failure, HTTP_NOT_SENT);
        assert_int_equal(http_result_verdict(&r), HTTP_FATAL);
        if (strstr(r.text, cases[i].text) == NULL) fail_msg("%s: %s", cases[i].url, r.text);
        assert_null(strstr(r.text, "s3cret"));
        http_result_release(&r);
    }
    http_client_free(c);
}

static void headers_cannot_smuggle_others(void **state)
{
    static const struct http_header bad[] = {{"A", "b\r\nC: d"}, {"A\nB", "c"}, {"A:", "b"}, {"", "b"}, {"A", "\x7f"}, {"A B", "c"}};
    struct http_client *c = new_client();
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct http_result r;
        http_client_perform(c, &(struct http_request){.url = "https://127.0.0.1:1/", .headers = &bad[i], .header_count = 1}, &r);
        assert_int_equal(r.failure, HTTP_NOT_SENT);
        http_result_release(&r);
    }
    http_client_free(c);
}

/* A proxy that the environment names would be asked for the address behind it; here nobody listens. */
static void the_environment_names_no_proxy(void **state)
{
    static const struct slice answers[] = {ANSWER("200 OK", "", "0", "")};
    struct http_result r;
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    get(answers, 1, (struct http_request){0}, &r);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(r.status, 200);
    http_result_release(&r);
}

/* A configured one is asked for https; what it refuses is told as its fault. */
static void a_configured_proxy_is_asked_for_https_only(void **state)
{
    static const struct slice answers[] = {ANSWER("403 No", "Connection: close\r\n", "0", ""), ANSWER("200 OK", "", "0", "")};
    struct loopback    *l = loopback_start(answers, COUNT(answers));
    struct error        err = {0};
    struct http_client *c = http_client_new(&(struct http_client_options){.proxy = loopback_url(l, "")}, &err);
    struct http_result  r;
    (void)state;
    assert_non_null(c);
    http_client_perform(c, &(struct http_request){.url = "https://logs.example/secret-path"}, &r);
    assert_int_equal(r.failure, HTTP_NO_CONNECTION);
    assert_string_equal(r.text, "the proxy does not connect to 'logs.example'");
    assert_non_null(strstr(loopback_request(l, 0), "CONNECT logs.example:443 HTTP/1.1"));
    assert_null(strstr(loopback_request(l, 0), "secret-path"));
    http_result_release(&r);
    http_client_perform(c, &(struct http_request){.url = loopback_url(l, "/direct")}, &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(loopback_request(l, 1), "GET /direct HTTP/1.1"));
    http_result_release(&r);
    http_client_free(c);
    loopback_stop(l);
}

static void a_ca_file_that_cannot_be_read_is_told_at_the_start(void **state)
{
    struct error err = {0};
    (void)state;
    assert_null(http_client_new(&(struct http_client_options){.ca_file = "/nowhere/ca.pem"}, &err));
    assert_string_equal(err.text, "cannot read the CA file '/nowhere/ca.pem': no such file or directory");
}

/* --- Several at once -------------------------------------------------------------------------------------------------- */

struct seen {
    struct http_client *client;
    size_t              finished, stopped;
    int                 last_status;
    const char         *again;   /* URL to start another request for, once */
};

static void note(void *context, struct http_result *r)
{
    struct seen *seen = context;
    struct error err = {0};
    seen->finished++;
    seen->stopped += r->failure == HTTP_STOPPED;
    seen->last_status = r->status;
    if (seen->again == NULL) return;
    const struct http_request another = {.url = seen->again};
    seen->again = NULL;
    assert_true(http_client_start(seen->client, &another, note, seen, &err));
}

static void start(struct http_client *c, const char *url, struct seen *seen)
{
    struct error err = {0};
    assert_true(http_client_start(c, &(struct http_request){.url = url}, note, seen, &err));
}

static void requests_run_side_by_side_and_each_is_told_once(void **state)
{
    static const struct slice answers[] = {ANSWER("200 OK", "", "0", ""), ANSWER("200 OK", "", "0", ""), ANSWER("200 OK", "", "0", ""),
                                           ANSWER("200 OK", "", "0", ""), ANSWER("200 OK", "", "0", ""), ANSWER("200 OK", "", "0", "")};
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(answers, COUNT(answers));
    char               *url = strdup(loopback_url(l, "/"));
    struct seen         seen = {.client = c, .again = url};
    (void)state;
    for (unsigned i = 0; i < 5; i++) start(c, url, &seen);
    assert_int_equal(seen.finished, 0);
    while (http_client_poll(c, POLL_MS) > 0) continue;
    assert_int_equal(seen.finished, 6);
    assert_int_equal(seen.last_status, 200);
    assert_int_equal(http_client_poll(c, 0), 0);
    assert_int_equal(seen.finished, 6);
    http_client_free(c);
    loopback_stop(l);
    free(url);
}

static void a_blocking_request_lets_the_others_go_on(void **state)
{
    static const struct slice answers[] = {ANSWER("200 OK", "", "0", ""), ANSWER("200 OK", "", "0", "")};
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(answers, COUNT(answers));
    struct seen         seen = {.client = c};
    struct http_result  r;
    (void)state;
    start(c, loopback_url(l, "/"), &seen);
    http_client_perform(c, &(struct http_request){.url = loopback_url(l, "/")}, &r);
    assert_int_equal(r.status, 200);
    http_result_release(&r);
    while (seen.finished == 0) http_client_poll(c, POLL_MS);
    assert_int_equal(seen.finished, 1);
    http_client_free(c);
    loopback_stop(l);
}

static void *wake(void *client)
{
    http_client_wake(client);
    return NULL;
}

static void *stop(void *client)
{
    http_client_stop(client);
    return NULL;
}

static void another_thread_ends_a_wait(void **state)
{
    static const struct slice silence[] = {LOOPBACK_SILENCE};
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(silence, 1);
    struct seen         seen = {.client = c};
    pthread_t           thread;
    (void)state;
    start(c, loopback_url(l, "/"), &seen);
    while (loopback_requests(l) == 0) http_client_poll(c, 1);
    pthread_create(&thread, NULL, wake, c);
    assert_int_equal(http_client_poll(c, 1000000), 1);   /* would last longer than any test may */
    pthread_join(thread, NULL);
    assert_int_equal(seen.finished, 0);
    http_client_free(c);
    assert_int_equal(seen.stopped, 1);
    loopback_stop(l);
}

static void a_stopped_client_ends_all_requests_and_begins_none(void **state)
{
    static const struct slice silence[] = {LOOPBACK_SILENCE};
    struct http_client *c = new_client();
    struct loopback    *l = loopback_start(silence, 1);
    struct seen         seen = {.client = c};
    struct http_result  r;
    struct error        err = {0};
    pthread_t           thread;
    (void)state;
    start(c, loopback_url(l, "/"), &seen);
    pthread_create(&thread, NULL, stop, c);
    http_client_perform(c, &(struct http_request){.url = loopback_url(l, "/")}, &r);
    pthread_join(thread, NULL);
    assert_int_equal(r.failure, HTTP_STOPPED);
    assert_int_equal(http_client_poll(c, 0), 0);
    assert_int_equal(seen.stopped, 1);
    assert_false(http_client_start(c, &(struct http_request){.url = loopback_url(l, "/")}, note, &seen, &err));
    http_result_release(&r);
    http_client_free(c);
    loopback_stop(l);
}

/* --- Bodies ----------------------------------------------------------------------------------------------------------- */

static bool append(void *context, struct slice piece)
{
    strncat(context, piece.data, piece.len);
    return strstr(context, "enough") == NULL;
}

static void a_body_can_be_taken_piece_by_piece(void **state)
{
    static const struct slice answers[] = {ANSWER("200 OK", "", "5", "hello"), ANSWER("404 No", "", "5", "hello"), ANSWER("200 OK", "", "6", "enough")};
    char               taken[64] = "";
    struct http_result r;
    (void)state;
    get(answers, 1, (struct http_request){.take_body = append, .take_context = taken}, &r);
    assert_string_equal(taken, "hello");
    assert_null(r.body);
    http_result_release(&r);
    get(answers + 1, 1, (struct http_request){.take_body = append, .take_context = taken}, &r);
    assert_string_equal(taken, "hello");
    assert_true(slice_equal(slice_of(r.body, r.body_len), SLICE("hello")));
    http_result_release(&r);
    get(answers + 2, 1, (struct http_request){.take_body = append, .take_context = taken}, &r);
    assert_int_equal(r.failure, HTTP_UNWANTED);
    http_result_release(&r);
}

static void unpack(struct slice packed, char *out, size_t room, size_t *len)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)packed.data, .avail_in = (uInt)packed.len, .next_out = (Bytef *)out, .avail_out = (uInt)room};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    *len = room - z.avail_out;
    inflateEnd(&z);
}

static void packed_bodies_unpack_to_what_they_were(void **state)
{
    enum { ROOM = 1 << 20 };
    struct gzip_body *g = gzip_body_new();
    char             *text = malloc(ROOM), *out = malloc(ROOM);
    struct slice      packed, pieces[1000];
    size_t            len;
    uint32_t          random = 1;
    (void)state;
    assert_true(gzip_body_pack(g, NULL, 0, &packed));
    unpack(packed, out, ROOM, &len);
    assert_int_equal(len, 0);
    for (unsigned round = 0; round < 3; round++) {   /* what packs well, what does not, in pieces of all sizes */
        for (size_t i = 0; i < ROOM; i++) text[i] = round == 1 ? (char)((random = random * 1664525 + 1013904223) >> 24) : (char)('a' + i % 7);
        size_t count = 0, at = 0;
        for (; count < COUNT(pieces) && at < ROOM; count++) {
            size_t size = count * 2 < ROOM - at ? count * 2 : ROOM - at;
            pieces[count] = slice_of(text + at, size);
            at += size;
        }
        assert_true(gzip_body_pack(g, pieces, count, &packed));
        unpack(packed, out, ROOM, &len);
        assert_int_equal(len, at);
        assert_memory_equal(out, text, len);
    }
    gzip_body_free(g);
    free(text);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_status_body_and_the_headers_that_matter),
        cmocka_unit_test(a_request_is_sent_as_it_was_given_and_nothing_is_added),
        cmocka_unit_test(connections_are_kept_and_used_again),
        cmocka_unit_test(a_head_has_no_body_and_a_first_head_of_100_is_forgotten),
        cmocka_unit_test(redirects_are_reported_and_not_followed),
        cmocka_unit_test(an_answer_longer_than_its_limit_is_given_up),
        cmocka_unit_test(what_breaks_off_or_is_no_http_is_cut_and_may_be_tried_again),
        cmocka_unit_test(silence_ends_after_the_time_given),
        cmocka_unit_test(a_port_where_nobody_listens_is_no_connection),
        cmocka_unit_test(statuses_say_whether_to_try_again),
        cmocka_unit_test(a_refusal_names_the_fault_but_nothing_that_was_answered),
        cmocka_unit_test(plain_http_goes_to_loopback_only),
        cmocka_unit_test(headers_cannot_smuggle_others),
        cmocka_unit_test(the_environment_names_no_proxy),
        cmocka_unit_test(a_configured_proxy_is_asked_for_https_only),
        cmocka_unit_test(a_ca_file_that_cannot_be_read_is_told_at_the_start),
        cmocka_unit_test(requests_run_side_by_side_and_each_is_told_once),
        cmocka_unit_test(a_blocking_request_lets_the_others_go_on),
        cmocka_unit_test(another_thread_ends_a_wait),
        cmocka_unit_test(a_stopped_client_ends_all_requests_and_begins_none),
        cmocka_unit_test(a_body_can_be_taken_piece_by_piece),
        cmocka_unit_test(packed_bodies_unpack_to_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
