#include "http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 128
#define UNIX_PREFIX "unix:"

/* --- Addresses -------------------------------------------------------------------------------------------------------- */

static bool parse_path(struct http_address *a, const char *path, struct error *err)
{
    size_t len = strlen(path);
    if (path[0] != '/') return error_set(err, ERROR_USAGE, "'unix:%s': give an absolute path after 'unix:'", path);
    if (len >= sizeof a->path.sun_path)
        return error_set(err, ERROR_USAGE, "'unix:%s': a socket's path has at most %zu bytes", path, sizeof a->path.sun_path - 1);
    a->path.sun_family = AF_UNIX;
    memcpy(a->path.sun_path, path, len + 1);
    a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return true;
}

static bool parse_port(const char *text, in_port_t *port)
{
    unsigned long number = 0;
    size_t        len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len) return false;
    for (size_t i = 0; i < len; i++) number = number * 10 + (unsigned long)(text[i] - '0');
    *port = htons((uint16_t)number);
    return number <= 65535;
}

static bool parse_number(struct http_address *a, const char *host, size_t len, const char *port)
{
    char   text[INET6_ADDRSTRLEN];
    bool   v6 = len > 2 && host[0] == '[' && host[len - 1] == ']';
    size_t skip = v6 ? 1 : 0;
    if (len < 2 * skip || len - 2 * skip >= sizeof text) return false;
    memcpy(text, host + skip, len - 2 * skip);
    text[len - 2 * skip] = '\0';
    if (v6) {
        a->v6.sin6_family = AF_INET6;
        a->len = sizeof a->v6;
        return inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1 && parse_port(port, &a->v6.sin6_port);
    }
    a->v4.sin_family = AF_INET;
    a->len = sizeof a->v4;
    return inet_pton(AF_INET, text, &a->v4.sin_addr) == 1 && parse_port(port, &a->v4.sin_port);
}

bool http_address_parse(struct http_address *a, const char *text, struct error *err)
{
    *a = (struct http_address){0};
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) return parse_path(a, text + strlen(UNIX_PREFIX), err);
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !parse_number(a, text, (size_t)(colon - text), colon + 1))
        return error_set(err, ERROR_USAGE,
                         "'%s' is not an address to listen at: write 127.0.0.1:8088, [::1]:8088 or unix:/path/of/socket", text);
    return true;
}

static bool is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

bool http_listen_is_local(const char *text)
{
    struct http_address a;
    struct error        ignored = {0};
    if (!http_address_parse(&a, text, &ignored)) return false;
    if (a.any.sa_family == AF_UNIX) return true;
    if (a.any.sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr);
    return ntohl(a.v4.sin_addr.s_addr) >> 24 == 127;
}

/* --- Sockets ---------------------------------------------------------------------------------------------------------- */

/* Makes room for a socket in the file system. */
static bool clear_path(const struct http_address *a, const char *text, struct error *err)
{
    struct stat there;
    if (lstat(a->path.sun_path, &there) != 0)
        return errno == ENOENT ? true : error_set_errno(err, ERROR_INPUT, "cannot listen at '%s'", text);
    if (!S_ISSOCK(there.st_mode))
        return error_set(err, ERROR_INPUT, "cannot listen at '%s': there is a file that is not a socket", text);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_set_errno(err, ERROR_INPUT, "cannot listen at '%s'", text);
    bool answers = connect(fd, &a->any, a->len) == 0 || errno != ECONNREFUSED;
    close(fd);
    if (answers) return error_set(err, ERROR_INPUT, "cannot listen at '%s': another program does", text);
    if (unlink(a->path.sun_path) == 0 || errno == ENOENT) return true;
    return error_set_errno(err, ERROR_INPUT, "cannot replace '%s'", text);
}

/* The mode is set before the name appears, narrowed by the umask, and widened to what was asked for afterwards. */
static bool bind_path(struct http_listener *l, const char *text, mode_t mode, struct error *err)
{
    struct stat made;
    if (!clear_path(&l->address, text, err)) return false;
    if (fchmod(l->fd, mode) != 0 || bind(l->fd, &l->address.any, l->address.len) != 0)
        return error_set_errno(err, ERROR_INPUT, "cannot listen at '%s'", text);
    if (lstat(l->address.path.sun_path, &made) != 0 || chmod(l->address.path.sun_path, mode) != 0)
        return error_set_errno(err, ERROR_INPUT, "cannot listen at '%s'", text);
    l->device = made.st_dev;
    l->inode = made.st_ino;
    return true;
}

static bool bind_number(struct http_listener *l, const char *text, struct error *err)
{
    int on = 1;
    if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (l->address.any.sa_family == AF_INET6 && setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(l->fd, &l->address.any, l->address.len) != 0 || getsockname(l->fd, &l->address.any, &l->address.len) != 0)
        return error_set_errno(err, ERROR_INPUT, "cannot listen at '%s'", text);
    return true;
}

bool http_listener_open(struct http_listener *l, const char *text, mode_t mode, struct error *err)
{
    *l = (struct http_listener){.fd = -1};
    if (!http_address_parse(&l->address, text, err)) return false;
    l->fd = socket(l->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0) return error_set_errno(err, ERROR_INPUT, "cannot listen at '%s'", text);
    bool bound = l->address.any.sa_family == AF_UNIX ? bind_path(l, text, mode, err) : bind_number(l, text, err);
    if (bound && listen(l->fd, BACKLOG) != 0) bound = error_set_errno(err, ERROR_INPUT, "cannot listen at '%s'", text);
    if (!bound) http_listener_close(l);
    return bound;
}

void http_listener_close(struct http_listener *l)
{
    struct stat there;
    if (l->fd < 0) return;
    close(l->fd);
    l->fd = -1;
    if (l->inode != 0 && lstat(l->address.path.sun_path, &there) == 0 && there.st_dev == l->device && there.st_ino == l->inode)
        unlink(l->address.path.sun_path);
}

uint16_t http_listener_port(const struct http_listener *l)
{
    if (l->address.any.sa_family == AF_INET) return ntohs(l->address.v4.sin_port);
    return l->address.any.sa_family == AF_INET6 ? ntohs(l->address.v6.sin6_port) : 0;
}

/* --- Who is at the other end ------------------------------------------------------------------------------------------ */

struct http_peer http_peer_of(const struct sockaddr_storage *from)
{
    struct http_peer peer = {0};
    if (from->ss_family == AF_INET6) peer.address = ((const struct sockaddr_in6 *)from)->sin6_addr;
    if (from->ss_family == AF_INET) {
        peer.address.s6_addr[10] = peer.address.s6_addr[11] = 0xff;
        memcpy(&peer.address.s6_addr[12], &((const struct sockaddr_in *)from)->sin_addr, 4);
    }
    return peer;
}

bool http_peer_is_local(const struct http_peer *peer)
{
    return is_loopback(&peer->address) || IN6_IS_ADDR_UNSPECIFIED(&peer->address);
}

bool http_peer_same(const struct http_peer *a, const struct http_peer *b)
{
    return memcmp(&a->address, &b->address, IN6_IS_ADDR_V4MAPPED(&a->address) ? sizeof a->address : 8) == 0;
}
