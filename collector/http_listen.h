/* The addresses that a server listens at, and their sockets.
 *
 * An address is "127.0.0.1:8088", "[::1]:8088" or "unix:/run/lethe/in.sock": numbers only, so that what is bound does not
 * depend on who answers for a name. Port 0 lets the system choose.
 *
 * A socket in the file system belongs to whoever made it: a file of another kind is never replaced, a socket only when
 * nobody answers there, and only the one that was made here is removed. */
#ifndef LETHE_COLLECTOR_HTTP_LISTEN_H
#define LETHE_COLLECTOR_HTTP_LISTEN_H

#include "base/error.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct http_address {
    union {
        struct sockaddr     any;
        struct sockaddr_in  v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un  path;
    };
    socklen_t len;
};

struct http_listener {
    struct http_address address;
    int                 fd;       /* -1: none */
    dev_t               device;   /* of the socket in the file system */
    ino_t               inode;
};

MUST_USE bool http_address_parse(struct http_address *, const char *text, struct error *);

/* Reached from this machine only: loopback, or a socket in the file system. What cannot be parsed is not local. */
bool http_listen_is_local(const char *text);

/* `mode`: access to a socket in the file system, as for chmod. */
MUST_USE bool http_listener_open(struct http_listener *, const char *text, mode_t mode, struct error *);
void http_listener_close(struct http_listener *);

/* The port bound, 0 for a socket in the file system. */
uint16_t http_listener_port(const struct http_listener *);

/* --- Who is at the other end ------------------------------------------------------------------------------------------ */

/* 16 bytes, IPv4 mapped into IPv6; all zero for a socket in the file system. */
struct http_peer {
    struct in6_addr address;
};

struct http_peer http_peer_of(const struct sockaddr_storage *);
bool http_peer_is_local(const struct http_peer *);
/* The same for limits: one address, of IPv6 one /64, which a single customer has. */
bool http_peer_same(const struct http_peer *, const struct http_peer *);

#endif
