/* The loop: new connections, events, answers, deadlines, and the end.
 *
 * (1) While events of one call of epoll are handled, a connection is closed only by its own event; answers and deadlines
 *     come afterwards. So no event meets a connection that is gone.
 * (2) The loop does not sleep while answers wait. */
#include "http_priv.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64
#define ACCEPTS_IN_A_ROW 16
#define ACCEPT_PAUSE_MS 100   /* after the system had no file or memory for a connection */
#define SOCKET_MODE 0600
#define KEEPALIVE_S 60       /* silence after which the system asks whether a peer is still there */

struct http_watched_listener {
    enum http_watched    watched;
    struct http_listener socket;
};

static uint64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- Deadlines -------------------------------------------------------------------------------------------------------- */

static uint64_t duration(const struct http_limits *limits, enum http_timer timer)
{
    switch (timer) {
    case HTTP_TIMER_HEAD: return limits->head_ms;
    case HTTP_TIMER_IDLE: return limits->idle_ms;
    case HTTP_TIMER_BODY: return limits->body_window_ms;
    case HTTP_TIMER_WRITE: return limits->write_ms;
    case HTTP_TIMER_LINGER: return limits->linger_ms;
    case HTTP_TIMER_NONE:
    case HTTP_TIMER_COUNT: break;
    }
    return UINT64_MAX;
}

void http_timer_clear(struct http_connection *c)
{
    struct http_list *list = &c->server->lists[c->timer];
    if (c->previous != NULL) c->previous->next = c->next;
    else if (list->first == c) list->first = c->next;
    if (c->next != NULL) c->next->previous = c->previous;
    else if (list->last == c) list->last = c->previous;
    c->previous = c->next = NULL;
}

void http_timer_set(struct http_connection *c, enum http_timer timer)
{
    struct http_list *list = &c->server->lists[timer];
    uint64_t          ms = duration(&c->server->limits, timer);
    http_timer_clear(c);
    c->timer = timer;
    c->deadline_ms = ms == UINT64_MAX ? UINT64_MAX : c->server->now_ms + ms;
    c->previous = list->last;
    if (list->last != NULL) list->last->next = c;
    else list->first = c;
    list->last = c;
}

static void expire(struct http_server *s)
{
    for (int timer = 0; timer < HTTP_TIMER_COUNT; timer++)
        while (s->lists[timer].first != NULL && s->lists[timer].first->deadline_ms <= s->now_ms)
            http_connection_timeout(s->lists[timer].first);
}

/* For epoll: how long nothing will be due. */
static int sleep_ms(const struct http_server *s)
{
    uint64_t due = s->stopping ? atomic_load(&s->stop_at_ms) : UINT64_MAX;
    if (s->accept_again_ms != 0 && s->accept_again_ms < due) due = s->accept_again_ms;
    for (int timer = 0; timer < HTTP_TIMER_COUNT; timer++) {
        const struct http_connection *first = s->lists[timer].first;
        if (first != NULL && first->deadline_ms < due) due = first->deadline_ms;
    }
    if (due == UINT64_MAX) return -1;
    return due <= s->now_ms ? 0 : due - s->now_ms > 3600000 ? 3600000 : (int)(due - s->now_ms);
}

/* --- New connections -------------------------------------------------------------------------------------------------- */

static size_t count_peer(const struct http_server *s, const struct http_peer *peer)
{
    size_t count = 0;
    for (int timer = 0; timer < HTTP_TIMER_COUNT; timer++)
        for (const struct http_connection *c = s->lists[timer].first; c != NULL; c = c->next)
            count += http_peer_same(&c->peer, peer);
    return count;
}

/* A courtesy that is not waited for; inside TLS it would need a handshake. */
static void turn_away(const struct http_server *s, int fd)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
                               "Content-Type: text/plain\r\nContent-Length: 20\r\n\r\ntoo many connections";
    if (s->tls == NULL && send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL) > 0) shutdown(fd, SHUT_WR);
    close(fd);
}

static void watch_listeners(struct http_server *s, bool accepting)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        struct epoll_event event = {.events = accepting ? EPOLLIN : 0, .data.ptr = &s->listeners[i]};
        CHECK(epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->listeners[i].socket.fd, &event) == 0);
    }
    s->accept_again_ms = accepting ? 0 : s->now_ms + ACCEPT_PAUSE_MS;
}

static void take_connection(struct http_server *s, int fd, const struct sockaddr_storage *from)
{
    struct http_peer peer = http_peer_of(from);
    int              on = 1, idle_s = KEEPALIVE_S;
    if (s->active >= s->limits.connections ||
        (!http_peer_is_local(&peer) && count_peer(s, &peer) >= s->limits.connections_per_peer)) {
        http_count(&s->counters.connections_refused, 1);
        turn_away(s, fd);
        return;
    }
    if (from->ss_family != AF_UNIX) {   /* none is a condition: they save time, and find peers that vanished */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    }
    http_count(http_connection_open(s, fd, peer) ? &s->counters.connections_accepted : &s->counters.connections_refused, 1);
}

/* Errors of a connection that broke before it was accepted concern that one only; with any other, EMFILE say, the next
 * try would fail at once again. */
static bool concerns_one(int number)
{
    switch (number) {
    case EINTR: case ECONNABORTED: case EPROTO: case ENOPROTOOPT: case ENETDOWN: case ENETUNREACH: case EHOSTDOWN:
    case EHOSTUNREACH: case ENONET: case EOPNOTSUPP: return true;
    default: return false;
    }
}

static void accept_some(struct http_server *s, const struct http_watched_listener *l)
{
    for (int i = 0; i < ACCEPTS_IN_A_ROW; i++) {
        struct sockaddr_storage from = {0};
        socklen_t               len = sizeof from;
        int fd = accept4(l->socket.fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(s, fd, &from);
        } else if (!concerns_one(errno)) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) watch_listeners(s, false);
            return;
        }
    }
}

/* --- Loop ------------------------------------------------------------------------------------------------------------- */

static bool answers_wait(struct http_server *s)
{
    pthread_mutex_lock(&s->answered_lock);
    bool wait = s->answered != NULL;
    pthread_mutex_unlock(&s->answered_lock);
    return wait;
}

static void wait_and_handle(struct http_server *s)
{
    struct epoll_event events[EVENTS];
    int                count = epoll_wait(s->epoll, events, EVENTS, answers_wait(s) ? 0 : sleep_ms(s));
    CHECK(count >= 0 || errno == EINTR);
    s->now_ms = clock_ms();
    for (int i = 0; i < count; i++) {
        uint64_t drained;
        switch (*(enum http_watched *)events[i].data.ptr) {
        case HTTP_WATCHED_CONNECTION: http_connection_event(events[i].data.ptr, events[i].events); break;
        case HTTP_WATCHED_LISTENER: accept_some(s, events[i].data.ptr); break;
        case HTTP_WATCHED_WAKE: CHECK(read(s->wake, &drained, sizeof drained) == sizeof drained || errno == EAGAIN); break;
        }
    }
}

/* One round: a client that sends request after request may have the next one answered meanwhile, and is not to keep the
 * loop from the others. */
static void send_answers(struct http_server *s)
{
    pthread_mutex_lock(&s->answered_lock);
    struct http_request *r = s->answered, *next;
    s->answered = NULL;
    s->answered_end = &s->answered;
    pthread_mutex_unlock(&s->answered_lock);
    for (; r != NULL; r = next) {
        next = r->next;
        s->with_handler--;
        if (r->connection != NULL) {
            http_connection_answer(r->connection, r);
        } else {
            http_count(&s->counters.discarded, 1);
            http_request_free(r);
        }
    }
}

static void begin_stop(struct http_server *s)
{
    s->stopping = true;
    s->accept_again_ms = 0;
    for (size_t i = 0; i < s->listener_count; i++) http_listener_close(&s->listeners[i].socket);
    for (int timer = 0; timer < HTTP_TIMER_COUNT; timer++)
        for (struct http_connection *c = s->lists[timer].first, *next; c != NULL; c = next) {
            next = c->next;
            http_connection_stop(c);
        }
}

static void close_all(struct http_server *s)
{
    for (int timer = 0; timer < HTTP_TIMER_COUNT; timer++)
        while (s->lists[timer].first != NULL) http_connection_close(s->lists[timer].first);
}

void http_server_run(struct http_server *s)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    CHECK(pthread_sigmask(SIG_BLOCK, &pipe, NULL) == 0);   /* OpenSSL writes without MSG_NOSIGNAL */
    s->thread = pthread_self();
    s->now_ms = clock_ms();
    while (!s->stopping || (s->active > 0 && s->now_ms < atomic_load(&s->stop_at_ms))) {
        wait_and_handle(s);
        send_answers(s);
        expire(s);
        if (s->accept_again_ms != 0 && s->accept_again_ms <= s->now_ms) watch_listeners(s, true);
        if (!s->stopping && atomic_load(&s->stop_at_ms) != UINT64_MAX) begin_stop(s);
    }
    close_all(s);
}

void http_server_stop(struct http_server *s, uint32_t grace_ms)
{
    uint_fast64_t at = clock_ms() + grace_ms, before = atomic_load(&s->stop_at_ms);
    uint64_t      one = 1;
    while (at < before && !atomic_compare_exchange_weak(&s->stop_at_ms, &before, at)) {}
    int number = errno;
    CHECK(write(s->wake, &one, sizeof one) == sizeof one);
    errno = number;
}

/* --- Opening and closing ---------------------------------------------------------------------------------------------- */

static bool limit_fits(const char *name, unsigned long long value, unsigned long long least, unsigned long long most,
                       struct error *err)
{
    if (value >= least && value <= most) return true;
    return error_set(err, ERROR_USAGE, "the limit '%s' of an HTTP listener is %llu: give a number from %llu to %llu", name, value,
                     least, most);
}

bool http_limits_check(const struct http_limits *l, struct error *err)
{
#define HTTP_LIMIT(name, standard, least, most, help) if (!limit_fits(#name, l->name, least, most, err)) return false;
#include "http_limits.def"
#undef HTTP_LIMIT
    if (l->held_bytes >= l->body_bytes) return true;
    return error_set(err, ERROR_USAGE, "the limit 'held_bytes' of an HTTP listener is less than 'body_bytes': raise it");
}

static bool open_listeners(struct http_server *s, const struct http_server_options *o, struct error *err)
{
    s->listeners = calloc(o->listen_count, sizeof *s->listeners);
    if (s->listeners == NULL) return error_set(err, ERROR_MEMORY, "no memory for %zu listeners", o->listen_count);
    for (size_t i = 0; i < o->listen_count; i++) {
        struct http_watched_listener *l = &s->listeners[i];
        struct epoll_event       event = {.events = EPOLLIN, .data.ptr = l};
        l->watched = HTTP_WATCHED_LISTENER;
        if (s->tls == NULL && !http_listen_is_local(o->listen[i]) && http_address_parse(&l->socket.address, o->listen[i], err))
            return error_set(err, ERROR_USAGE, "'%s' can be reached from other machines: give a certificate and a key, "
                             "or listen at 127.0.0.1, [::1] or a unix socket", o->listen[i]);
        if (!http_listener_open(&l->socket, o->listen[i], o->socket_mode != 0 ? o->socket_mode : SOCKET_MODE, err)) return false;
        s->listener_count++;
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, l->socket.fd, &event) != 0)
            return error_set_errno(err, ERROR_INPUT, "cannot watch '%s'", o->listen[i]);
    }
    return true;
}

static bool open_all(struct http_server *s, const struct http_server_options *o, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &s->wake_watched};
    if (!http_limits_check(&s->limits, err)) return false;
    if (o->listen_count == 0) return error_set(err, ERROR_USAGE, "an HTTP listener needs an address to listen at");
    if ((o->certificate == NULL) != (o->key == NULL)) return error_set(err, ERROR_USAGE, "TLS needs a certificate and its key");
    if (o->client_ca != NULL && o->certificate == NULL)
        return error_set(err, ERROR_USAGE, "clients can show certificates only inside TLS: give a certificate and its key");
    if (o->certificate != NULL && (s->tls = http_tls_new(o->certificate, o->key, o->client_ca, err)) == NULL) return false;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll < 0 || s->wake < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->wake, &event) != 0)
        return error_set_errno(err, ERROR_INPUT, "cannot wait for connections");
    return open_listeners(s, o, err);
}

struct http_server *http_server_open(const struct http_server_options *o, struct error *err)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for an HTTP listener");
        return NULL;
    }
    s->limits = o->limits;
    s->handler = o->handler;
    s->wake_watched = HTTP_WATCHED_WAKE;
    s->epoll = s->wake = -1;
    s->answered_end = &s->answered;
    atomic_init(&s->stop_at_ms, UINT64_MAX);
    pthread_mutex_init(&s->answered_lock, NULL);
    if (open_all(s, o, err)) return s;
    http_server_close(s);
    return NULL;
}

void http_server_close(struct http_server *s)
{
    send_answers(s);
    CHECK(s->active == 0 && s->with_handler == 0);
    for (size_t i = 0; i < s->listener_count; i++) http_listener_close(&s->listeners[i].socket);
    free(s->listeners);
    http_tls_free(s->tls);
    if (s->epoll >= 0) close(s->epoll);
    if (s->wake >= 0) close(s->wake);
    pthread_mutex_destroy(&s->answered_lock);
    free(s);
}

const struct http_counters *http_server_counters(const struct http_server *s) { return &s->counters; }

uint16_t http_server_port(const struct http_server *s, size_t listener)
{
    CHECK(listener < s->listener_count);
    return http_listener_port(&s->listeners[listener].socket);
}
