#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "loopback.h"
#include "net/stream_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static struct stream_client *open_connection(const struct loopback *server)
{
    struct stream_client *c = stream_client_new(&(struct stream_options){.host = "127.0.0.1", .port = loopback_port(server), .timeout_ms = 60000});
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
    struct stream_client *c = open_connection(server);
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
    struct stream_client *c = open_connection(server);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_is_asked_after_before_balancers_forget_it),
        cmocka_unit_test(what_was_written_counts_when_it_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
