#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "loopback.h"
#include "net/stream_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_MOST (32 * 1024)   /* bytes that a step may read */

static struct stream_client *connected(unsigned port)
{
    struct stream_client *c = stream_client_new(&(struct stream_options){.host = "127.0.0.1", .port = port, .timeout_ms = 60000});
    enum stream_state     state = STREAM_OPENING;
    struct error          err = {0};
    assert_non_null(c);
    while ((state = stream_client_step(c, &err)) == STREAM_OPENING) {
        struct pollfd p = stream_client_poll(c, false);
        assert_true(poll(&p, 1, 60000) > 0);
    }
    assert_int_equal(state, STREAM_OPEN);
    return c;
}

static int option(int fd, int level, int name)
{
    int       value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

/* Balancers of Azure forget a connection after 4 minutes. */
static void an_idle_connection_is_asked_after_before_balancers_forget_it(void **state)
{
    (void)state;
    struct loopback      *server = loopback_start(NULL, 0);
    struct stream_client *c = connected(loopback_port(server));
    int                   fd = stream_client_poll(c, false).fd;
    assert_int_not_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    int idle = option(fd, IPPROTO_TCP, TCP_KEEPIDLE), again = option(fd, IPPROTO_TCP, TCP_KEEPINTVL), questions = option(fd, IPPROTO_TCP, TCP_KEEPCNT);
    assert_in_range(idle, 1, 120);
    assert_in_range(idle + again * questions, 1, 120);   /* as the header says */
    stream_client_free(c);
    loopback_stop(server);
}

static void what_was_written_counts_when_it_is_acknowledged(void **state)
{
    (void)state;
    struct loopback      *server = loopback_start(NULL, 0);
    struct stream_client *c = connected(loopback_port(server));
    struct error          err = {0};
    assert_int_equal(stream_client_acknowledged(c), 0);
    assert_int_equal(stream_client_write(c, "12345", 5), 5);
    assert_int_equal(stream_client_written(c), 5);
    while (stream_client_acknowledged(c) < 5) {
        assert_int_equal(stream_client_step(c, &err), STREAM_OPEN);
        assert_true(stream_client_wait_ms(c) != 0);
        poll(NULL, 0, 1);
    }
    assert_int_equal(stream_client_wait_ms(c), -1);
    stream_client_free(c);
    loopback_stop(server);
}

/* More than a step reads stands in the buffer of the socket: a step ends all the same, and the bytes are not read to their end. */
static void a_step_ends_however_much_the_other_side_sends(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof address;
    struct error       err = {0};
    char               bytes[4096] = "";
    int                listener = socket(AF_INET, SOCK_STREAM, 0), waiting = 0, left = 0;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    struct stream_client *c = connected(ntohs(address.sin_port));
    int                   peer = accept(listener, NULL, NULL), fd = stream_client_poll(c, false).fd;
    while (waiting < STEP_MOST + 4096) {
        assert_true(send(peer, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
        assert_int_equal(ioctl(fd, FIONREAD, &waiting), 0);
    }
    assert_int_equal(stream_client_step(c, &err), STREAM_OPEN);
    assert_int_equal(ioctl(fd, FIONREAD, &left), 0);
    assert_true(left > 0);
    stream_client_free(c);
    close(peer);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_is_asked_after_before_balancers_forget_it),
        cmocka_unit_test(a_step_ends_however_much_the_other_side_sends),
        cmocka_unit_test(what_was_written_counts_when_it_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
