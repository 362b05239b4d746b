/* The HTTP server with many clients, answers that other threads give, and its end. What it does with a request is in
 * test_http_server.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "serving.h"

#include <sys/resource.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- Many ------------------------------------------------------------------------------------------------------------- */

static void connections_beyond_the_limit_are_turned_away(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    l.connections = 2;
    l.connections_per_peer = 1;   /* does not count here */
    serving_start(&s, &l);
    int first = connect_client(&s), second = connect_client(&s);
    EVENTUALLY(COUNTER(&s, connections_active) == 2);
    int third = connect_client(&s);
    expect_response(third, 503, "too many connections");
    expect_end(third);
    close(third);
    send_text(second, GET);
    expect_response(second, 200, "hello");
    close(first);
    EVENTUALLY(COUNTER(&s, connections_active) == 1);
    third = connect_client(&s);
    send_text(third, GET);
    expect_response(third, 200, "hello");
    close(second);
    close(third);
    assert_int_equal(COUNTER(&s, connections_refused), 1);
    assert_int_equal(COUNTER(&s, connections_accepted), 3);
    serving_stop(&s);
}

static void bodies_are_bounded_together(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct received    in;
    char               body[40000] = {0};
    (void)state;
    l.body_bytes = l.held_bytes = 50000;
    serving_start(&s, &l);
    int first = connect_client(&s), second = connect_client(&s);
    send_text(first, POST("/later", "40000\r\n\r\n"));
    send_bytes(first, body, sizeof body);
    EVENTUALLY(held(&s) == 1);
    assert_in_range(COUNTER(&s, held_bytes), 40000, 50000);
    send_text(second, POST("/echo", "40000\r\nExpect: 100-continue\r\n\r\n"));
    assert_int_equal(receive_response(second, &in, false), 503);
    assert_non_null(strstr(in.text, "\r\nRetry-After: 5\r\n"));
    expect_end(second);
    close(second);
    second = connect_client(&s);   /* one whose length is not known beforehand, when there is no room any more */
    send_text(second, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9c40\r\n");
    send_bytes(second, body, sizeof body);
    expect_response(second, 503, NULL);
    expect_end(second);
    close(second);
    answer_held(&s, "done");
    expect_response(first, 200, "done");
    send_text(first, POST("/later", "5\r\n\r\nhello"));
    answer_held(&s, "again");
    expect_response(first, 200, "again");
    assert_int_equal(COUNTER(&s, overloads), 2);
    assert_int_equal(COUNTER(&s, held_bytes), 0);
    close(first);
    serving_stop(&s);
}

static void a_claimed_length_costs_nothing(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    int                fds[20];
    (void)state;
    serving_start(&s, &l);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = connect_client(&s);
        send_text(fds[i], POST("/echo", "16000000\r\nExpect: 100-continue\r\n\r\n"));
        expect_response(fds[i], 100, "");
    }
    for (size_t i = 0; i < COUNT(fds); i++) send_text(fds[i], "x");
    EVENTUALLY(COUNTER(&s, held_bytes) >= COUNT(fds));
    int fd = connect_client(&s);
    send_text(fd, POST("/echo", "5\r\n\r\nhello"));
    expect_response(fd, 200, "hello");
    assert_true(COUNTER(&s, held_bytes) < 1000000);
    for (size_t i = 0; i < COUNT(fds); i++) close(fds[i]);
    close(fd);
    serving_stop(&s);
}

static double cpu_seconds(pthread_t thread)
{
    clockid_t       id;
    struct timespec t;
    assert_int_equal(pthread_getcpuclockid(thread, &id), 0);
    assert_int_equal(clock_gettime(id, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The system allows no more files: the connection waits, the server does not spin, and goes on afterwards. */
static void running_out_of_files_is_waited_for(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct rlimit      before, none;
    (void)state;
    serving_start(&s, &l);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(s.server, 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    double used = cpu_seconds(s.thread);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 300), 0);   /* long enough to tell a loop by the time it uses */
    assert_true(cpu_seconds(s.thread) - used < 0.1);
    assert_int_equal(COUNTER(&s, connections_accepted), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    send_text(fd, GET);
    expect_response(fd, 200, "hello");
    close(fd);
    serving_stop(&s);
}

/* --- Answers from other threads --------------------------------------------------------------------------------------- */

/* A client whose request the handler holds, the first one. */
static int connect_held(struct serving *s)
{
    int fd = connect_client(s);
    send_text(fd, LATER);
    EVENTUALLY(held(s) == 1);
    return fd;
}

static void an_answer_may_come_late_and_others_do_not_wait_for_it(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int late = connect_client(&s), other = connect_client(&s);
    send_text(late, LATER);
    EVENTUALLY(held(&s) == 1);
    for (int i = 0; i < 10; i++) {
        send_text(other, GET);
        expect_response(other, 200, "hello");
    }
    send_text(late, GET);   /* waits its turn */
    answer_held(&s, "late");
    expect_response(late, 200, "late");
    expect_response(late, 200, "hello");
    close(late);
    close(other);
    serving_stop(&s);
}

/* What has come in is seen again and again until it is read, unless nobody asks for it. */
static void what_comes_while_the_handler_works_costs_no_time(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_held(&s);
    double used = cpu_seconds(s.thread);
    send_text(fd, GET);
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 300), 0);
    assert_true(cpu_seconds(s.thread) - used < 0.1);
    answer_held(&s, "late");
    expect_response(fd, 200, "late");
    expect_response(fd, 200, "hello");
    close(fd);
    serving_stop(&s);
}

static void an_answer_to_a_client_that_has_gone_is_discarded(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct linger      reset = {.l_onoff = 1};
    (void)state;
    serving_start(&s, &l);
    int fd = connect_held(&s);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    EVENTUALLY(COUNTER(&s, connections_active) == 0);
    assert_true(COUNTER(&s, held_bytes) > 0);
    answer_held(&s, "nobody");
    EVENTUALLY(COUNTER(&s, discarded) == 1);
    assert_int_equal(COUNTER(&s, held_bytes), 0);
    serving_stop(&s);
}

struct client {
    struct serving *serving;
    pthread_t       thread;
};

#define CLIENTS 4
#define ROUNDS 100

static void *ask(void *context)
{
    struct client *c = context;
    for (int i = 0; i < ROUNDS; i++) {
        int fd = connect_client(c->serving);
        send_text(fd, LATER LATER);
        expect_response(fd, 200, "late");
        if (i % 10 != 0) expect_response(fd, 200, "late");   /* some go too early */
        close(fd);
    }
    return NULL;
}

static void many_threads_may_ask_and_answer(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct client      clients[CLIENTS];
    (void)state;
    serving_start(&s, &l);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].serving = &s;
        assert_int_equal(pthread_create(&clients[i].thread, NULL, ask, &clients[i]), 0);
    }
    for (int i = 0; i < 2 * CLIENTS * ROUNDS; i++) answer_held(&s, "late");
    for (size_t i = 0; i < CLIENTS; i++) assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
    serving_stop(&s);
}

/* --- The end ---------------------------------------------------------------------------------------------------------- */

static void stopping_finishes_what_has_begun(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    struct received    in;
    (void)state;
    serving_start(&s, &l);
    int idle = connect_client(&s), fresh = connect_client(&s), waiting = connect_client(&s), sending = connect_client(&s);
    send_text(idle, GET);
    expect_response(idle, 200, "hello");
    send_text(waiting, LATER);
    send_text(sending, POST("/echo", "5\r\n\r\nhe"));
    EVENTUALLY(held(&s) == 1 && COUNTER(&s, held_bytes) >= 4 && COUNTER(&s, connections_active) == 4);
    http_server_stop(s.server, PATIENCE_MS);
    expect_end(idle);
    expect_end(fresh);
    send_text(sending, "llo");
    assert_int_equal(receive_response(sending, &in, false), 200);
    assert_non_null(strstr(in.text, "\r\nConnection: close\r\n"));
    expect_end(sending);
    answer_held(&s, "done");
    assert_int_equal(receive_response(waiting, &in, false), 200);
    assert_non_null(strstr(in.text, "\r\nConnection: close\r\n"));
    expect_end(waiting);
    close(idle);
    close(fresh);
    close(waiting);
    close(sending);
    serving_end(&s);
}

static void stopping_does_not_wait_for_ever(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    (void)state;
    serving_start(&s, &l);
    int fd = connect_held(&s);
    http_server_stop(s.server, 50);
    expect_end(fd);
    close(fd);
    serving_end(&s);   /* answers after the end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_beyond_the_limit_are_turned_away),
        cmocka_unit_test(bodies_are_bounded_together),
        cmocka_unit_test(a_claimed_length_costs_nothing),
        cmocka_unit_test(running_out_of_files_is_waited_for),
        cmocka_unit_test(an_answer_may_come_late_and_others_do_not_wait_for_it),
        cmocka_unit_test(what_comes_while_the_handler_works_costs_no_time),
        cmocka_unit_test(an_answer_to_a_client_that_has_gone_is_discarded),
        cmocka_unit_test(many_threads_may_ask_and_answer),
        cmocka_unit_test(stopping_finishes_what_has_begun),
        cmocka_unit_test(stopping_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
