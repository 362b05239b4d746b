/* The HTTP server and one request: answered, refused, given up. Many are in test_http_crowds.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_message.h"
#include "http_refused.h"
#include "serving.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- Requests and responses ------------------------------------------------------------------------------------------- */

static void a_request_is_answered(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct received    in;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, GET);
    assert_int_equal(receive_response(fd, &in, false), 200);
    /* the form of the date is that of RFC 9110, section 5.6.7; here only its length is looked at */
    const char *date = "HTTP/1.1 200 OK\r\nDate: ", *rest = "\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    assert_memory_equal(in.text, date, strlen(date));
    assert_string_equal(in.text + strlen(date) + strlen("Sun, 06 Nov 1994 08:49:37 GMT"), rest);
    close(fd);
    serving_stop(&s);
}

static void a_connection_carries_many_requests(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    for (int i = 0; i < 20; i++) {
        send_text(fd, GET);
        expect_response(fd, 200, "hello");
        send_text(fd, POST("/echo", "5\r\n\r\nworld"));
        expect_response(fd, 200, "world");
    }
    close(fd);
    assert_int_equal(COUNTER(&s, connections_accepted), 1);
    assert_int_equal(COUNTER(&s, responses[2]), 40);
    serving_stop(&s);
}

static void requests_sent_at_once_are_answered_in_order(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, POST("/echo", "1\r\n\r\na") LATER POST("/echo", "1\r\n\r\nc") "\r\n" GET
                      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n0\r\n\r\n"
                      "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET);
    expect_response(fd, 200, "a");
    answer_held(&s, "b");
    expect_response(fd, 200, "b");
    expect_response(fd, 200, "c");
    expect_response(fd, 200, "hello");
    expect_response(fd, 200, "d");
    expect_response(fd, 200, "hello");
    expect_end(fd);
    close(fd);
    assert_int_equal(completed(&s), 6);
    serving_stop(&s);
}

static void a_thousand_requests_sent_at_once_are_all_answered(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    for (int i = 0; i < 1000; i++) send_text(fd, GET);
    for (int i = 0; i < 1000; i++) expect_response(fd, 200, "hello");
    close(fd);
    serving_stop(&s);
}

static void bytes_may_come_one_at_a_time(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_bytewise(fd, POST("/echo", "5\r\nExpect: x\r\n\r\n"));
    expect_response(fd, 417, NULL);
    close(fd);
    fd = connect_client(&s);
    send_bytewise(fd, POST("/echo", "5\r\n\r\nhello"));
    expect_response(fd, 200, "hello");
    send_bytewise(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n");
    expect_response(fd, 200, "hello");
    close(fd);
    serving_stop(&s);
}

static void a_client_that_has_said_all_gets_its_answer(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, LATER);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    answer_held(&s, "done");
    expect_response(fd, 200, "done");
    expect_end(fd);
    close(fd);
    fd = connect_client(&s);
    send_text(fd, GET GET);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_response(fd, 200, "hello");
    expect_response(fd, 200, "hello");
    expect_end(fd);
    close(fd);
    serving_stop(&s);
}

static void a_response_to_HEAD_has_no_body(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct received    in;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /no HTTP/1.1\r\nHost: a\r\n\r\n" GET);
    assert_int_equal(receive_response(fd, &in, true), 200);
    assert_non_null(strstr(in.text, "\r\nContent-Length: 5\r\n"));
    assert_int_equal(receive_response(fd, &in, true), 404);
    expect_response(fd, 200, "hello");
    close(fd);
    serving_stop(&s);
}

static void a_message_has_the_fields_that_belong_to_it(void **state)
{
    struct http_answer  answer = {.status = 204, .fields = {{"Retry-After", "5"}, {"X-A", ""}}};
    struct http_message m = http_message_make(&answer);
    (void)state;
    assert_non_null(m.data);
    http_message_set_close(&m);
    m.data[m.total - 1] = '\0';
    const char *begin = "HTTP/1.1 204 No Content\r\nConnection: close\r\nDate: ";
    assert_int_equal(m.start, 0);
    assert_memory_equal(m.data, begin, strlen(begin));
    assert_string_equal(m.data + strlen(begin) + strlen("Sun, 06 Nov 1994 08:49:37 GMT"), "\r\nRetry-After: 5\r\nX-A: \r\n\r");
    free(m.data);
    answer = (struct http_answer){.status = 599};
    m = http_message_make(&answer);
    assert_non_null(m.data);
    assert_memory_equal(m.data + m.start, "HTTP/1.1 599 \r\n", 15);
    free(m.data);
}

static void a_long_body_goes_there_and_back(void **state)
{
    enum { BYTES = 3000000 };
    struct http_limits l = http_limits_standard;
    struct serving     s;
    char              *text = malloc(BYTES), *back = malloc(BYTES + 1024);
    (void)state;
    assert_true(text != NULL && back != NULL);
    for (size_t i = 0; i < BYTES; i++) text[i] = (char)('a' + i * i % 23);
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, POST("/echo", "3000000\r\nConnection: close\r\n\r\n"));
    send_bytes(fd, text, BYTES);
    size_t len = 0;
    for (ssize_t n = 1; n > 0; len += (size_t)n) {
        n = recv(fd, back + len, BYTES + 1024 - len, 0);
        assert_true(n >= 0);
    }
    assert_true(len > BYTES);
    assert_memory_equal(back + len - BYTES, text, BYTES);
    close(fd);
    free(text);
    free(back);
    serving_stop(&s);
}

/* --- Refusals --------------------------------------------------------------------------------------------------------- */

static void the_handler_refuses_before_the_body_is_read(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct received    in;
    (void)state;
    serving_start(&s, &l);
    expect_refusal(&s, POST("/no", "5\r\n\r\n"), 404);
    expect_refusal(&s, POST("/hello", "5\r\n\r\n"), 405);
    expect_refusal(&s, POST("/echo", "5\r\nContent-Type: text/plain\r\n\r\n"), 415);
    expect_refusal(&s, POST("/echo", "5\r\nAuthorization: Bearer wrong\r\n\r\n"), 401);
    expect_refusal(&s, POST("/echo", "5\r\nExpect: 100-continue\r\nAuthorization: Bearer wrong\r\n\r\n"), 401);
    expect_refusal(&s, POST("/echo", "16777217\r\n\r\n"), 413);
    int fd = connect_client(&s);
    send_text(fd, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n" GET);   /* without a body the connection can go on */
    assert_int_equal(receive_response(fd, &in, false), 405);
    assert_non_null(strstr(in.text, "\r\nAllow: POST\r\n"));
    expect_response(fd, 200, "hello");
    close(fd);
    assert_int_equal(completed(&s), 1);
    serving_stop(&s);
}

/* Whether a request of the table, with a good one behind it, has its refusal and nothing else. */
static void expect_refused_alone(const struct serving *s, const struct refused *row, size_t step)
{
    static const char more[] = GET GET;
    int               fd = connect_client(s);
    for (size_t i = 0; i < row->len; i += step) send_bytes(fd, row->text + i, i + step < row->len ? step : row->len - i);
    send_bytes(fd, more, sizeof more - 1);
    struct received in;
    int             status = receive_response(fd, &in, false);
    if (status != row->status || strstr(in.text, "\r\nConnection: close\r\n") == NULL) fail_msg("%d instead of %d: %s", status, row->status, row->text);
    expect_end(fd);
    close(fd);
}

static void nothing_behind_a_malformed_request_is_a_request(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    l.body_bytes = REFUSED_BODY_LIMIT;
    serving_start(&s, &l);
    for (size_t i = 0; i < COUNT(refused); i++) {
        expect_refused_alone(&s, &refused[i], SIZE_MAX / 2);
        if (i % 16 == 0) expect_refused_alone(&s, &refused[i], 1);   /* the parser's own test cuts all of them */
    }
    assert_int_equal(completed(&s), 0);
    serving_stop(&s);
}

static void a_request_that_breaks_off_is_refused(void **state)
{
    static const char *const texts[] = {"GET /hel", POST("/echo", "5\r\n\r\nhel"),
                                        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"};
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    for (size_t i = 0; i < COUNT(texts); i++) {
        int fd = connect_client(&s);
        send_text(fd, texts[i]);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        expect_response(fd, 400, NULL);
        expect_end(fd);
        close(fd);
    }
    int fd = connect_client(&s);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_end(fd);
    close(fd);
    assert_int_equal(completed(&s), 0);
    serving_stop(&s);
}

static void a_refusal_can_be_read_while_the_body_still_comes(void **state)
{
    enum { BYTES = 4 << 20 };
    struct http_limits l = http_limits_standard;
    struct serving     s;
    char              *body = calloc(1, BYTES);
    (void)state;
    assert_non_null(body);
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, POST("/echo", "99999999\r\n\r\n"));
    send_bytes(fd, body, BYTES);   /* more than the buffers of the system hold: somebody takes it */
    expect_response(fd, 413, NULL);
    expect_end(fd);
    close(fd);
    free(body);
    serving_stop(&s);
}

static void continue_is_said_only_to_whom_may_go_on(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct received    in;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, POST("/echo", "5\r\nExpect: 100-continue\r\n\r\n"));
    assert_int_equal(receive_response(fd, &in, false), 100);
    assert_string_equal(in.text, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "hello");
    expect_response(fd, 200, "hello");
    send_text(fd, POST("/echo", "5\r\nExpect: 100-continue\r\n\r\nworld"));   /* did not wait: needs no word */
    expect_response(fd, 200, "world");
    send_text(fd, POST("/no", "5\r\nExpect: 100-continue\r\n\r\n"));
    expect_response(fd, 404, NULL);
    expect_end(fd);
    close(fd);
    serving_stop(&s);
}

/* --- Times ------------------------------------------------------------------------------------------------------------ */

static void a_head_that_does_not_end_is_given_up(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    l.head_ms = 50;
    serving_start(&s, &l);
    int silent = connect_client(&s), slow = connect_client(&s);
    send_text(slow, "GET /hello HTTP/1.1\r\nHost: a\r\n");
    expect_response(slow, 408, NULL);
    expect_end(slow);
    expect_end(silent);
    close(slow);
    close(silent);
    EVENTUALLY(COUNTER(&s, timeouts) == 2);
    serving_stop(&s);
}

static void an_idle_connection_is_closed(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    l.idle_ms = 50;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, GET);
    expect_response(fd, 200, "hello");
    expect_end(fd);
    close(fd);
    assert_int_equal(COUNTER(&s, timeouts), 0);
    serving_stop(&s);
}

static void a_body_that_stalls_is_given_up_however_fast_it_began(void **state)
{
    enum { BYTES = 1 << 20 };
    struct http_limits l = http_limits_standard;
    struct serving     s;
    char              *body = calloc(1, BYTES);
    (void)state;
    assert_non_null(body);
    l.body_window_ms = 50;
    serving_start(&s, &l);
    int slow = connect_client(&s), fast = connect_client(&s);
    send_text(slow, POST("/echo", "16000000\r\n\r\nhello"));
    send_text(fast, POST("/echo", "16000000\r\n\r\n"));
    send_bytes(fast, body, BYTES);
    expect_response(slow, 408, NULL);
    expect_response(fast, 408, NULL);
    expect_end(slow);
    expect_end(fast);
    close(slow);
    close(fast);
    assert_int_equal(COUNTER(&s, timeouts), 2);
    EVENTUALLY(COUNTER(&s, held_bytes) == 0);
    free(body);
    serving_stop(&s);
}

static void a_client_that_does_not_read_is_cut_off(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    l.write_ms = 50;
    serving_start(&s, &l);
    int fd = connect_client(&s);
    send_text(fd, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    EVENTUALLY(COUNTER(&s, timeouts) == 1);
    EVENTUALLY(COUNTER(&s, connections_active) == 0);
    assert_true(COUNTER(&s, bytes_out) < LONG_BYTES);
    close(fd);
    serving_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(a_connection_carries_many_requests),
        cmocka_unit_test(requests_sent_at_once_are_answered_in_order),
        cmocka_unit_test(a_thousand_requests_sent_at_once_are_all_answered),
        cmocka_unit_test(bytes_may_come_one_at_a_time),
        cmocka_unit_test(a_client_that_has_said_all_gets_its_answer),
        cmocka_unit_test(a_response_to_HEAD_has_no_body),
        cmocka_unit_test(a_message_has_the_fields_that_belong_to_it),
        cmocka_unit_test(a_long_body_goes_there_and_back),
        cmocka_unit_test(the_handler_refuses_before_the_body_is_read),
        cmocka_unit_test(nothing_behind_a_malformed_request_is_a_request),
        cmocka_unit_test(a_request_that_breaks_off_is_refused),
        cmocka_unit_test(a_refusal_can_be_read_while_the_body_still_comes),
        cmocka_unit_test(continue_is_said_only_to_whom_may_go_on),
        cmocka_unit_test(a_head_that_does_not_end_is_given_up),
        cmocka_unit_test(an_idle_connection_is_closed),
        cmocka_unit_test(a_body_that_stalls_is_given_up_however_fast_it_began),
        cmocka_unit_test(a_client_that_does_not_read_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
