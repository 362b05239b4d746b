#include "net/datagram_client.h"

#include "base/clock.h"
#include "net/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct datagram_client {
    const char    *host;
    unsigned       port;
    struct lookup *lookup;       /* the last one, or the one that is under way */
    bool           asking;       /* its answer was not looked at yet */
    uint64_t       asked_ms;     /* when it began */
    int            fd;           /* -1: the address is not known yet */
};

struct datagram_client *datagram_client_new(const char *host, unsigned port)
{
    struct datagram_client *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    *c = (struct datagram_client){.host = host, .port = port, .fd = -1, .asking = true, .asked_ms = clock_monotonic_ms(),
                                  .lookup = lookup_start(host, port, SOCK_DGRAM)};
    if (c->lookup != NULL) return c;
    free(c);
    return NULL;
}

/* Without memory it is asked another time. */
static void ask_again(struct datagram_client *c)
{
    struct lookup *fresh = lookup_start(c->host, c->port, SOCK_DGRAM);
    c->asked_ms = clock_monotonic_ms();
    if (fresh == NULL) return;
    lookup_free(c->lookup);
    c->lookup = fresh;
    c->asking = true;
}

void datagram_client_free(struct datagram_client *c)
{
    if (c == NULL) return;
    if (c->fd >= 0) close(c->fd);
    lookup_free(c->lookup);
    free(c);
}

static bool leads_to(int fd, const struct addrinfo *a)
{
    struct sockaddr_storage peer = {0};
    socklen_t               len = sizeof peer;
    return fd >= 0 && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && len == a->ai_addrlen &&
           memcmp(&peer, a->ai_addr, len) == 0;
}

/* With a fixed other end the kernel hands its complaints to the socket. The one that there is stays if there is no better one. */
static bool open_socket(struct datagram_client *c, struct error *err)
{
    const struct addrinfo *a = lookup_addresses(c->lookup, err);
    if (a == NULL) return c->fd >= 0;
    for (; a != NULL; a = a->ai_next) {
        if (leads_to(c->fd, a)) return true;   /* with the complaints that it may hold */
        int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
            if (c->fd >= 0) close(c->fd);
            c->fd = fd;
            return true;
        }
        if (fd >= 0) close(fd);
    }
    return c->fd >= 0 || error_set_errno(err, ERROR_NETWORK, "cannot send to '%s:%u'", c->host, c->port);
}

enum datagram_sent datagram_client_send(struct datagram_client *c, struct slice bytes, struct error *err)
{
    if (!c->asking && clock_monotonic_ms() - c->asked_ms >= DATAGRAM_NAME_MS) ask_again(c);
    if (c->asking && !lookup_is_done(c->lookup)) return DATAGRAM_LATER;
    if (c->asking && !open_socket(c, err)) return DATAGRAM_FAILED;
    c->asking = false;
    if (send(c->fd, bytes.data, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return DATAGRAM_SENT;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return DATAGRAM_LATER;
    if (errno == EMSGSIZE) return DATAGRAM_TOO_LARGE;
    error_set_errno(err, ERROR_NETWORK, "cannot send to '%s:%u'", c->host, c->port);
    return DATAGRAM_FAILED;
}

struct pollfd datagram_client_poll(const struct datagram_client *c)
{
    return c->asking ? (struct pollfd){.fd = lookup_fd(c->lookup), .events = POLLIN}
                     : (struct pollfd){.fd = c->fd, .events = POLLOUT};
}
