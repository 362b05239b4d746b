#include "net/datagram_client.h"

#include "net/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct datagram_client {
    const char    *host;
    unsigned       port;
    struct lookup *lookup;
    int            fd;   /* -1: the address is not known yet */
};

struct datagram_client *datagram_client_new(const char *host, unsigned port)
{
    struct datagram_client *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    *c = (struct datagram_client){.host = host, .port = port, .fd = -1, .lookup = lookup_start(host, port, SOCK_DGRAM)};
    if (c->lookup != NULL) return c;
    free(c);
    return NULL;
}

void datagram_client_free(struct datagram_client *c)
{
    if (c == NULL) return;
    if (c->fd >= 0) close(c->fd);
    lookup_free(c->lookup);
    free(c);
}

/* With a fixed other end the kernel hands its complaints to the socket. */
static bool open_socket(struct datagram_client *c, struct error *err)
{
    const struct addrinfo *a = lookup_addresses(c->lookup, err);
    if (a == NULL) return false;
    for (; a != NULL; a = a->ai_next) {
        c->fd = socket(a->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd >= 0 && connect(c->fd, a->ai_addr, a->ai_addrlen) == 0) return true;
        if (c->fd >= 0) close(c->fd);
        c->fd = -1;
    }
    return error_set_errno(err, ERROR_NETWORK, "cannot send to '%s:%u'", c->host, c->port);
}

enum datagram_sent datagram_client_send(struct datagram_client *c, struct slice bytes, struct error *err)
{
    if (c->fd < 0 && !lookup_is_done(c->lookup)) return DATAGRAM_LATER;
    if (c->fd < 0 && !open_socket(c, err)) return DATAGRAM_FAILED;
    if (send(c->fd, bytes.data, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return DATAGRAM_SENT;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return DATAGRAM_LATER;
    if (errno == EMSGSIZE) return DATAGRAM_TOO_LARGE;
    error_set_errno(err, ERROR_NETWORK, "cannot send to '%s:%u'", c->host, c->port);
    return DATAGRAM_FAILED;
}

struct pollfd datagram_client_poll(const struct datagram_client *c)
{
    return c->fd < 0 ? (struct pollfd){.fd = lookup_fd(c->lookup), .events = POLLIN} : (struct pollfd){.fd = c->fd, .events = POLLOUT};
}
