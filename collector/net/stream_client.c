#include "net/stream_client.h"

#include "base/clock.h"
#include "net/lookup.h"
#include "net/stream_tls.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLACE_BYTES 300
#define LOOK_MS     10      /* acknowledgements wake nobody: how often they are looked for */
#define READ_BYTES  4096
#define READS_MOST  8       /* in one step: who sends without end must not keep us from all else */

/* An idle connection: after so long it is asked whether the other side is there, and given up after so many questions without an
 * answer. Balancers forget connections on which nothing moves, Azure's after 4 minutes, and then throw away what comes. */
#define IDLE_S          60
#define IDLE_AGAIN_S    15
#define IDLE_QUESTIONS  4

enum phase { RESOLVING, CONNECTING, SHAKING, OPEN, CLOSING, WAITING_FOR_END, ENDED, LEFT, FAILED };

struct stream_client {
    struct stream_options  options;
    enum phase             phase;
    struct lookup         *lookup;
    const struct addrinfo *address;          /* that is being tried */
    int                    fd;               /* -1: none */
    SSL                   *ssl;              /* NULL: plain TCP */
    bool                   wants_write;      /* TLS waits for room to write */
    bool                   peer_ended;       /* TCP's end was read */
    bool                   tls_ended;        /* the other side's end of TLS was read; what follows is for TCP alone */
    uint64_t               sent;             /* plain TCP: bytes taken by the kernel */
    uint64_t               progress_ms, acknowledged;
    struct error           failure;
    char                   place[PLACE_BYTES];
};

struct stream_client *stream_client_new(const struct stream_options *options)
{
    struct stream_client *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    *c = (struct stream_client){.options = *options, .fd = -1, .progress_ms = clock_monotonic_ms()};
    snprintf(c->place, sizeof c->place, "'%.256s:%u'", options->host, options->port);
    c->lookup = lookup_start(options->host, options->port, SOCK_STREAM);
    if (c->lookup != NULL) return c;
    free(c);
    return NULL;
}

static void close_socket(struct stream_client *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

void stream_client_free(struct stream_client *c)
{
    if (c == NULL) return;
    if (c->phase == OPEN && c->ssl != NULL) (void)SSL_shutdown(c->ssl);
    ERR_clear_error();
    close_socket(c);
    lookup_free(c->lookup);
    free(c);
}

/* False, always; the first failure counts. */
static bool fail(struct stream_client *c, const char *what, int number)
{
    if (c->phase == FAILED) return false;
    c->phase = FAILED;
    return error_set(&c->failure, ERROR_NETWORK, "%s %s: %s", what, c->place, strerror(number));
}

static void enter(struct stream_client *c, enum phase phase)
{
    c->phase = phase;
    c->progress_ms = clock_monotonic_ms();
}

/* --- Connecting ------------------------------------------------------------------------------------------------------- */

static void start_connecting(struct stream_client *c, const struct addrinfo *address);

/* The next address, or the end with the fault of this one. */
static void try_next(struct stream_client *c, int number)
{
    close_socket(c);
    if (c->address->ai_next != NULL) start_connecting(c, c->address->ai_next);
    else fail(c, "cannot connect to", number);
}

static void set_option(const struct stream_client *c, int level, int name, int value)
{
    (void)setsockopt(c->fd, level, name, &value, sizeof value);   /* none is a condition */
}

static void set_options(const struct stream_client *c)
{
    set_option(c, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(c, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(c, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S);
    set_option(c, IPPROTO_TCP, TCP_KEEPINTVL, IDLE_AGAIN_S);
    set_option(c, IPPROTO_TCP, TCP_KEEPCNT, IDLE_QUESTIONS);
}

static void start_connecting(struct stream_client *c, const struct addrinfo *address)
{
    c->address = address;
    enter(c, CONNECTING);
    c->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        try_next(c, errno);
        return;
    }
    set_options(c);
    if (connect(c->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS && errno != EINTR) try_next(c, errno);
}

static void step_resolving(struct stream_client *c)
{
    if (!lookup_is_done(c->lookup)) return;
    const struct addrinfo *addresses = lookup_addresses(c->lookup, &c->failure);
    if (addresses == NULL) c->phase = FAILED;
    else start_connecting(c, addresses);
}

static int socket_fault(const struct stream_client *c)
{
    int       number = 0;
    socklen_t len = sizeof number;
    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &number, &len) == 0 ? number : errno;
}

static void step_connecting(struct stream_client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    if (poll(&p, 1, 0) <= 0) return;
    int number = socket_fault(c);
    if (number != 0) {
        try_next(c, number);
    } else if (c->options.tls == NULL) {
        enter(c, OPEN);
    } else {
        c->ssl = stream_tls_open(c->options.tls, c->fd,
                                 c->options.server_name != NULL ? c->options.server_name : c->options.host);
        if (c->ssl == NULL) fail(c, "cannot speak TLS with", ENOMEM);
        else enter(c, SHAKING);
    }
}

/* --- TLS -------------------------------------------------------------------------------------------------------------- */

/* Whether a call that returned `n` only has to wait. If not, the connection has failed, or its TLS has ended. The queue of
 * errors belongs to the thread: it is cleared before every call. */
static bool must_wait(struct stream_client *c, int n)
{
    int number = errno, why = SSL_get_error(c->ssl, n);
    c->wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return true;
    if (why == SSL_ERROR_ZERO_RETURN) {
        c->tls_ended = true;
    } else if (why == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        c->peer_ended = true;   /* without a word of TLS */
    } else if (why == SSL_ERROR_SYSCALL && number != 0 && ERR_peek_error() == 0) {
        fail(c, "lost the connection to", number);
    } else if (c->phase != FAILED) {
        c->phase = FAILED;
        stream_tls_failed(c->ssl, c->place, &c->failure);
    }
    ERR_clear_error();
    return false;
}

static void step_shaking(struct stream_client *c)
{
    ERR_clear_error();
    errno = 0;
    int n = SSL_do_handshake(c->ssl);
    if (n == 1) {
        c->wants_write = false;
        enter(c, OPEN);
    } else if (!must_wait(c, n) && c->phase != FAILED) {
        fail(c, "cannot speak TLS with", ECONNRESET);
    }
}

/* --- Reading, to see the end ------------------------------------------------------------------------------------------ */

/* False: nothing more to read now. */
static bool read_tls(struct stream_client *c)
{
    char bytes[READ_BYTES];
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(c->ssl, bytes, sizeof bytes);
    if (n > 0) return true;
    return !must_wait(c, n) && c->phase != FAILED;
}

static bool read_plain(struct stream_client *c)
{
    char    bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n == 0) c->peer_ended = true;
    else if (n < 0 && errno == EINTR) return true;
    else if (n < 0 && errno != EAGAIN) return fail(c, "lost the connection to", errno);
    return n > 0;
}

static void read_what_came(struct stream_client *c)
{
    bool more = true;
    for (int i = 0; i < READS_MOST && more && !c->peer_ended && c->phase != FAILED; i++)
        more = c->ssl != NULL && !c->tls_ended ? read_tls(c) : read_plain(c);
}

static void step_open(struct stream_client *c)
{
    read_what_came(c);
    if (c->phase == OPEN && (c->peer_ended || c->tls_ended)) enter(c, LEFT);
}

/* --- The end ---------------------------------------------------------------------------------------------------------- */

void stream_client_end(struct stream_client *c)
{
    if (c->phase == OPEN) enter(c, CLOSING);
}

static void step_closing(struct stream_client *c)
{
    if (c->ssl != NULL) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_shutdown(c->ssl);   /* 0: said, not yet answered */
        if (n < 0 && (must_wait(c, n) || c->phase == FAILED)) return;
        c->wants_write = false;
        c->tls_ended = c->tls_ended || n == 1;
    }
    if (shutdown(c->fd, SHUT_WR) != 0) fail(c, "lost the connection to", errno);
    else enter(c, WAITING_FOR_END);
}

/* Bytes that the kernel holds since the other machine has not acknowledged them, our end included. */
static uint64_t outstanding(const struct stream_client *c)
{
    int bytes = 0;
    if (c->fd < 0 || ioctl(c->fd, SIOCOUTQ, &bytes) != 0 || bytes < 0) return UINT64_MAX;
    return (uint64_t)bytes;
}

/* Anybody on the way can acknowledge bytes and end a connection; only the other side can end TLS. */
static void fail_unsaid(struct stream_client *c)
{
    c->phase = FAILED;
    error_set(&c->failure, ERROR_NETWORK, "%s ended the connection without a word of TLS: what it read is unknown", c->place);
}

static void step_waiting(struct stream_client *c)
{
    read_what_came(c);
    uint64_t unknown = outstanding(c);
    if (unknown == UINT64_MAX) fail(c, "cannot ask what was acknowledged by", errno);
    if (c->phase == FAILED || !c->peer_ended || unknown > 0) return;
    int number = socket_fault(c);
    if (number != 0) fail(c, "lost the connection to", number);
    else if (c->ssl != NULL && !c->tls_ended) fail_unsaid(c);
    else enter(c, ENDED);
}

/* --- Going on --------------------------------------------------------------------------------------------------------- */

/* Something is under way that the other side has to answer. */
static bool is_waiting(const struct stream_client *c)
{
    return c->phase < OPEN || c->phase == CLOSING || c->phase == WAITING_FOR_END || (c->phase == OPEN && outstanding(c) > 0);
}

static void look_at_time(struct stream_client *c)
{
    uint64_t now = clock_monotonic_ms(), acknowledged = c->phase >= OPEN && c->phase < ENDED ? stream_client_acknowledged(c) : 0;
    if (acknowledged != c->acknowledged || !is_waiting(c)) c->progress_ms = now;
    c->acknowledged = acknowledged;
    if (now - c->progress_ms < c->options.timeout_ms) return;
    if (c->phase == CONNECTING) {
        try_next(c, ETIMEDOUT);
        return;
    }
    bool all_taken = c->phase == WAITING_FOR_END && outstanding(c) == 0;
    error_set(&c->failure, ERROR_NETWORK,
              c->phase < OPEN ? "no answer from %s for %u ms"
              : all_taken     ? "%s did not end the connection within %u ms after its end"
                              : "%s took nothing for %u ms",
              c->place, c->options.timeout_ms);
    c->phase = FAILED;
}

static enum stream_state state_of(const struct stream_client *c)
{
    switch (c->phase) {
    case RESOLVING:
    case CONNECTING:
    case SHAKING: return STREAM_OPENING;
    case OPEN: return STREAM_OPEN;
    case CLOSING:
    case WAITING_FOR_END: return STREAM_ENDING;
    case ENDED: return STREAM_ENDED;
    case LEFT: return STREAM_LEFT;
    case FAILED: break;
    }
    return STREAM_FAILED;
}

enum stream_state stream_client_step(struct stream_client *c, struct error *err)
{
    if (c->phase == RESOLVING) step_resolving(c);
    if (c->phase == CONNECTING) step_connecting(c);
    if (c->phase == SHAKING) step_shaking(c);
    if (c->phase == OPEN) step_open(c);
    if (c->phase == CLOSING) step_closing(c);
    if (c->phase == WAITING_FOR_END) step_waiting(c);
    if (c->phase < ENDED) look_at_time(c);
    if (c->phase == FAILED) error_set(err, c->failure.code, "%s", c->failure.text);
    return state_of(c);
}

/* --- Writing ---------------------------------------------------------------------------------------------------------- */

static size_t write_tls(struct stream_client *c, const char *data, size_t len)
{
    ERR_clear_error();
    errno = 0;
    int n = SSL_write(c->ssl, data, len > INT_MAX ? INT_MAX : (int)len);
    if (n > 0) return (size_t)n;
    if (!must_wait(c, n) && c->phase != FAILED) fail(c, "lost the connection to", EPIPE);
    return 0;
}

size_t stream_client_write(struct stream_client *c, const char *data, size_t len)
{
    if (c->phase != OPEN || len == 0) return 0;
    if (c->ssl != NULL) return write_tls(c, data, len);
    ssize_t n = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) fail(c, "lost the connection to", errno);
    if (n < 0) return 0;
    c->sent += (uint64_t)n;
    return (size_t)n;
}

uint64_t stream_client_written(const struct stream_client *c)
{
    return c->ssl != NULL ? BIO_number_written(SSL_get_wbio(c->ssl)) : c->sent;
}

uint64_t stream_client_acknowledged(const struct stream_client *c)
{
    uint64_t written = stream_client_written(c), missing = outstanding(c);
    return missing > written ? 0 : written - missing;
}

struct pollfd stream_client_poll(const struct stream_client *c, bool to_write)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (c->phase == RESOLVING) p.fd = lookup_fd(c->lookup);
    else if (c->phase == CONNECTING) p.events = POLLOUT;
    else if (c->wants_write || (c->phase == OPEN && to_write)) p.events |= POLLOUT;
    if (c->phase == WAITING_FOR_END && c->peer_ended) p.fd = -1;   /* it would be readable for ever */
    return p;
}

int stream_client_wait_ms(const struct stream_client *c)
{
    if (c->phase >= ENDED) return 0;
    if (!is_waiting(c)) return -1;
    if (c->phase >= OPEN && outstanding(c) > 0) return LOOK_MS;
    uint64_t passed = clock_monotonic_ms() - c->progress_ms;
    return passed >= c->options.timeout_ms ? 0 : (int)(c->options.timeout_ms - passed);
}
