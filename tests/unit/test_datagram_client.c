/* Where datagrams go when what a name means changes. The resolver is the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/datagram_client.h"
#include "set_clock.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 120000

/* --- The resolver ----------------------------------------------------------------------------------------------------------- */

static atomic_uint answer_port;   /* of 127.0.0.1; 0: there is no such name */
static atomic_uint questions;

static int resolve(int flags, struct addrinfo **result)
{
    struct addrinfo    *a = calloc(1, sizeof *a);
    struct sockaddr_in *to = calloc(1, sizeof *to);
    unsigned            port = atomic_load(&answer_port);
    assert_true(a != NULL && to != NULL);
    if ((flags & AI_NUMERICHOST) == 0) atomic_fetch_add(&questions, 1);
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *a = (struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM, .ai_addrlen = sizeof *to, .ai_addr = (struct sockaddr *)to};
    *result = a;
    if ((flags & AI_NUMERICHOST) == 0 && port != 0) return 0;
    freeaddrinfo(a);
    *result = NULL;
    return EAI_NONAME;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)service;
    CHECK(strcmp(host, "collector.example") == 0);
    return resolve(hints->ai_flags, result);
}

void freeaddrinfo(struct addrinfo *a)
{
    free(a->ai_addr);
    free(a);
}

/* --- Receivers -------------------------------------------------------------------------------------------------------------- */

static int receiver(unsigned *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof at;
    int                fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void assert_receives(int fd, const char *text)
{
    char          got[64] = "";
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    ssize_t len = recv(fd, got, sizeof got - 1, 0);
    assert_true(len > 0);
    got[len] = '\0';
    assert_string_equal(got, text);
}

static enum datagram_sent try_to_send(struct datagram_client *c, const char *text)
{
    struct error       err = {0};
    enum datagram_sent sent;
    while ((sent = datagram_client_send(c, slice_from(text), &err)) == DATAGRAM_LATER) {
        struct pollfd p = datagram_client_poll(c);
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    }
    return sent;
}

struct scene {
    int                     old, new;   /* sockets of receivers */
    unsigned                old_port, new_port;
    struct datagram_client *client;
};

static void begin(struct scene *s)
{
    set_clock_start();
    *s = (struct scene){.client = NULL};
    s->old = receiver(&s->old_port);
    s->new = receiver(&s->new_port);
    atomic_store(&answer_port, s->old_port);
    atomic_store(&questions, 0);
    s->client = datagram_client_new("collector.example", 514);
    assert_non_null(s->client);
    assert_int_equal(try_to_send(s->client, "one"), DATAGRAM_SENT);
    assert_receives(s->old, "one");
}

static void end(struct scene *s)
{
    datagram_client_free(s->client);
    if (s->old >= 0) close(s->old);
    close(s->new);
    clock_set(NULL, NULL);
}

/* --- Claims ----------------------------------------------------------------------------------------------------------------- */

static void datagrams_follow_a_name_to_its_new_address(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    atomic_store(&answer_port, s.new_port);
    set_clock_pass(DATAGRAM_NAME_MS - 1);
    assert_int_equal(try_to_send(s.client, "two"), DATAGRAM_SENT);
    assert_receives(s.old, "two");
    assert_int_equal(atomic_load(&questions), 1);
    set_clock_pass(1);
    assert_int_equal(try_to_send(s.client, "three"), DATAGRAM_SENT);
    assert_receives(s.new, "three");
    assert_int_equal(atomic_load(&questions), 2);
    end(&s);
}

static void a_name_that_is_not_known_any_more_keeps_its_address(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    atomic_store(&answer_port, 0);
    set_clock_pass(DATAGRAM_NAME_MS);
    assert_int_equal(try_to_send(s.client, "two"), DATAGRAM_SENT);
    assert_receives(s.old, "two");
    assert_int_equal(try_to_send(s.client, "three"), DATAGRAM_SENT);
    assert_receives(s.old, "three");
    assert_int_equal(atomic_load(&questions), 2);   /* the next one is due in a while */
    atomic_store(&answer_port, s.new_port);
    set_clock_pass(DATAGRAM_NAME_MS);
    assert_int_equal(try_to_send(s.client, "four"), DATAGRAM_SENT);
    assert_receives(s.new, "four");
    end(&s);
}

/* The kernel's word that nobody listens there comes with the next call, also when the name was asked for in between. */
static void a_complaint_is_not_lost_when_the_name_is_asked_for_again(void **state)
{
    struct scene s;
    (void)state;
    begin(&s);
    close(s.old);
    s.old = -1;
    assert_int_equal(try_to_send(s.client, "two"), DATAGRAM_SENT);
    set_clock_pass(DATAGRAM_NAME_MS);
    assert_int_equal(try_to_send(s.client, "three"), DATAGRAM_FAILED);
    assert_int_equal(atomic_load(&questions), 2);
    end(&s);
}

static void a_name_that_was_never_known_fails(void **state)
{
    (void)state;
    set_clock_start();
    atomic_store(&answer_port, 0);
    struct datagram_client *c = datagram_client_new("collector.example", 514);
    assert_int_equal(try_to_send(c, "one"), DATAGRAM_FAILED);
    datagram_client_free(c);
    clock_set(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_follow_a_name_to_its_new_address),
        cmocka_unit_test(a_name_that_is_not_known_any_more_keeps_its_address),
        cmocka_unit_test(a_complaint_is_not_lost_when_the_name_is_asked_for_again),
        cmocka_unit_test(a_name_that_was_never_known_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
