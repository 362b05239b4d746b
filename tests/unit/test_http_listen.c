#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "serving.h"

#include <fcntl.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void what_is_local(void **state)
{
    static const char *const local[] = {"127.0.0.1:8088", "127.255.0.1:0", "[::1]:8088", "unix:/run/in.sock"};
    static const char *const others[] = {
        "0.0.0.0:80", "192.0.2.1:80", "126.0.0.1:80", "128.0.0.1:80", "[::]:80", "[2001:db8::1]:80", "[::ffff:127.0.0.1]:80",
        "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8x", "127.0.0.1:-1", "127.1:80", "::1:80",
        "[::1]", ":80", "", "unix:", "unix:relative", "/run/in.sock", "http://127.0.0.1:80", "127.0.0.1:80 ", " 127.0.0.1:80",
        "127.0.0.1@192.0.2.1:80",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(local); i++)
        if (!http_listen_is_local(local[i])) fail_msg("%s is local", local[i]);
    for (size_t i = 0; i < COUNT(others); i++)
        if (http_listen_is_local(others[i])) fail_msg("%s is not local", others[i]);
}

static void refused_at_open(const char *listen, const char *certificate, const char *key, const char *client_ca, const char *says)
{
    struct http_server_options o = {.listen = &listen, .listen_count = 1, .certificate = certificate, .key = key,
                                    .client_ca = client_ca, .limits = http_limits_standard};
    struct error               err = {0};
    assert_null(http_server_open(&o, &err));
    if (strstr(err.text, says) == NULL) fail_msg("'%s' does not say '%s'", err.text, says);
}

static void without_TLS_only_local_addresses_are_bound(void **state)
{
    (void)state;
    refused_at_open("0.0.0.0:0", NULL, NULL, NULL, "give a certificate and a key");
    refused_at_open("[::]:0", NULL, NULL, NULL, "give a certificate and a key");
    refused_at_open("192.0.2.1:0", NULL, NULL, NULL, "give a certificate and a key");
    refused_at_open("localhost:0", NULL, NULL, NULL, "write 127.0.0.1:8088");
    refused_at_open("127.0.0.1:0", "a.pem", NULL, NULL, "a certificate and its key");
    refused_at_open("127.0.0.1:0", NULL, NULL, "ca.pem", "inside TLS");
    refused_at_open("127.0.0.1:0", "/nowhere/a.pem", "/nowhere/a.key", NULL, "/nowhere/a.pem");
}

static void limits_have_ranges(void **state)
{
    struct http_limits l = http_limits_standard;
    struct error       err = {0};
    (void)state;
    assert_true(http_limits_check(&l, &err));
    l.head_bytes = 1023;
    assert_false(http_limits_check(&l, &err));
    assert_string_equal(err.text, "the limit 'head_bytes' of an HTTP listener is 1023: give a number from 1024 to 1048576");
    l = http_limits_standard;
    l.held_bytes = l.body_bytes - 1;
    err = (struct error){0};
    assert_false(http_limits_check(&l, &err));
    assert_non_null(strstr(err.text, "'held_bytes'"));
}

static void an_address_in_use_is_an_error(void **state)
{
    struct http_listener first, second;
    struct error         err = {0};
    char                 text[32];
    (void)state;
    assert_true(http_listener_open(&first, "127.0.0.1:0", 0600, &err));
    snprintf(text, sizeof text, "127.0.0.1:%u", http_listener_port(&first));
    assert_false(http_listener_open(&second, text, 0600, &err));
    assert_non_null(strstr(err.text, "address already in use"));
    http_listener_close(&first);
}

static void IPv6_is_served(void **state)
{
    static const char *const   listen[] = {"[::1]:0"};
    struct http_server_options o = {.listen = listen, .listen_count = 1, .limits = http_limits_standard};
    struct sockaddr_in6        to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct serving             s;
    (void)state;
    int fd = socket(AF_INET6, SOCK_STREAM, 0), probe = fd >= 0 ? bind(fd, (struct sockaddr *)&to, sizeof to) : -1;
    if (probe != 0) {
        print_message("no IPv6 on this machine\n");
        skip();
    }
    close(fd);
    serving_start_with(&s, &o);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    to.sin6_port = htons(http_server_port(s.server, 0));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    send_text(fd, "GET /hello HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    expect_response(fd, 200, "hello");
    close(fd);
    serving_stop(&s);
}

/* --- Sockets in the file system --------------------------------------------------------------------------------------- */

struct place {
    char folder[32], path[64], address[80];
};

static void make_place(struct place *p)
{
    strcpy(p->folder, "/tmp/lethe-http-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/in.sock", p->folder);
    snprintf(p->address, sizeof p->address, "unix:%s", p->path);
}

static void remove_place(const struct place *p)
{
    (void)unlink(p->path);
    assert_int_equal(rmdir(p->folder), 0);
}

static int connect_path(const struct place *p)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int                fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(to.sun_path, p->path, strlen(p->path));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void a_socket_in_the_file_system_is_served_and_removed(void **state)
{
    struct place               p;
    struct stat                there;
    struct serving             s;
    const char                *listen[] = {p.address, "127.0.0.1:0"};
    struct http_server_options o = {.listen = listen, .listen_count = 2, .limits = http_limits_standard};
    (void)state;
    make_place(&p);
    o.limits.connections_per_peer = 1;
    serving_start_with(&s, &o);
    assert_int_equal(stat(p.path, &there), 0);
    assert_int_equal(there.st_mode & 07777, 0600);
    assert_int_equal(http_server_port(s.server, 0), 0);
    assert_true(http_server_port(s.server, 1) > 0);
    int first = connect_path(&p), second = connect_path(&p);
    send_text(first, GET);
    expect_response(first, 200, "hello");
    send_text(second, LATER);
    EVENTUALLY(held(&s) == 1);
    close(second);
    EVENTUALLY(COUNTER(&s, connections_active) == 1);   /* unlike over TCP, it is known that nobody reads any more */
    answer_held(&s, "nobody");
    EVENTUALLY(COUNTER(&s, discarded) == 1);
    close(first);
    serving_stop(&s);
    assert_int_not_equal(stat(p.path, &there), 0);
    remove_place(&p);
}

static void only_a_socket_that_nobody_answers_is_replaced(void **state)
{
    struct place         p;
    struct http_listener first, second;
    struct stat          there;
    struct error         err = {0};
    (void)state;
    make_place(&p);
    assert_true(http_listener_open(&first, p.address, 0660, &err));
    assert_int_equal(stat(p.path, &there), 0);
    assert_int_equal(there.st_mode & 07777, 0660);
    assert_false(http_listener_open(&second, p.address, 0600, &err));
    assert_non_null(strstr(err.text, "another program does"));
    close(first.fd);   /* as a crash leaves it */
    err = (struct error){0};
    assert_true(http_listener_open(&second, p.address, 0600, &err));
    http_listener_close(&second);
    int fd = open(p.path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_false(http_listener_open(&second, p.address, 0600, &err));
    assert_non_null(strstr(err.text, "not a socket"));
    assert_int_equal(stat(p.path, &there), 0);
    remove_place(&p);
}

static void a_path_that_somebody_else_took_over_is_left(void **state)
{
    struct place         p;
    struct http_listener first, second;
    struct stat          there;
    struct error         err = {0};
    (void)state;
    make_place(&p);
    assert_true(http_listener_open(&first, p.address, 0600, &err));
    assert_int_equal(unlink(p.path), 0);
    assert_true(http_listener_open(&second, p.address, 0600, &err));
    http_listener_close(&first);
    assert_int_equal(stat(p.path, &there), 0);
    http_listener_close(&second);
    remove_place(&p);
}

/* --- Peers ------------------------------------------------------------------------------------------------------------ */

static struct http_peer peer(int family, const char *text)
{
    struct sockaddr_storage from = {.ss_family = (sa_family_t)family};
    void *address = family == AF_INET ? (void *)&((struct sockaddr_in *)&from)->sin_addr
                                      : (void *)&((struct sockaddr_in6 *)&from)->sin6_addr;
    if (text != NULL) assert_int_equal(inet_pton(family, text, address), 1);
    return http_peer_of(&from);
}

static void a_peer_is_an_address_or_a_network_of_IPv6(void **state)
{
    const struct http_peer a = peer(AF_INET, "192.0.2.7"), b = peer(AF_INET, "192.0.2.8"), c = peer(AF_INET6, "2001:db8:1:2::7"),
                           d = peer(AF_INET6, "2001:db8:1:2:ffff::1"), e = peer(AF_INET6, "2001:db8:1:3::7");
    (void)state;
    assert_true(http_peer_same(&a, &a));
    assert_false(http_peer_same(&a, &b));
    assert_true(http_peer_same(&c, &d));
    assert_false(http_peer_same(&c, &e));
    assert_false(http_peer_same(&a, &c));
}

static void a_peer_is_local_by_loopback_or_file_system(void **state)
{
    const struct http_peer v4 = peer(AF_INET, "127.9.9.9"), v6 = peer(AF_INET6, "::1"), path = peer(AF_UNIX, NULL),
                           far = peer(AF_INET, "10.0.0.1"), far6 = peer(AF_INET6, "fe80::1");
    (void)state;
    assert_true(http_peer_is_local(&v4) && http_peer_is_local(&v6) && http_peer_is_local(&path));
    assert_false(http_peer_is_local(&far) || http_peer_is_local(&far6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_local),
        cmocka_unit_test(without_TLS_only_local_addresses_are_bound),
        cmocka_unit_test(limits_have_ranges),
        cmocka_unit_test(an_address_in_use_is_an_error),
        cmocka_unit_test(IPv6_is_served),
        cmocka_unit_test(a_socket_in_the_file_system_is_served_and_removed),
        cmocka_unit_test(only_a_socket_that_nobody_answers_is_replaced),
        cmocka_unit_test(a_path_that_somebody_else_took_over_is_left),
        cmocka_unit_test(a_peer_is_an_address_or_a_network_of_IPv6),
        cmocka_unit_test(a_peer_is_local_by_loopback_or_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
