/* What the files of the HTTP server share. Thread: the server's, unless it is said otherwise. */
#ifndef LETHE_COLLECTOR_HTTP_PRIV_H
#define LETHE_COLLECTOR_HTTP_PRIV_H

#include "http_message.h"
#include "http_server.h"
#include "http_tls.h"

#include <pthread.h>

/* What epoll gives back: the first member of everything that is watched. */
enum http_watched { HTTP_WATCHED_LISTENER, HTTP_WATCHED_WAKE, HTTP_WATCHED_CONNECTION };

/* Every connection is in one of these lists. All members of a list have the same time to go, so each is in the order of
 * its deadlines and only the first ones have to be looked at. */
enum http_timer {
    HTTP_TIMER_NONE,     /* the handler has the request */
    HTTP_TIMER_HEAD, HTTP_TIMER_IDLE, HTTP_TIMER_BODY, HTTP_TIMER_WRITE, HTTP_TIMER_LINGER, HTTP_TIMER_COUNT
};

enum http_state {
    HTTP_STATE_HANDSHAKE,
    HTTP_STATE_HEAD,       /* reads a head, or waits for one */
    HTTP_STATE_CONTINUE,   /* writes "100 Continue" */
    HTTP_STATE_BODY,
    HTTP_STATE_HANDLER,    /* `complete` was called */
    HTTP_STATE_ANSWER,     /* writes a response */
    HTTP_STATE_LINGER,     /* has said that nothing follows, and discards what still comes */
    HTTP_STATE_COUNT
};

struct http_connection {
    enum http_watched        watched;
    enum http_state          state;
    struct http_server      *server;
    struct http_tls_session *tls;        /* NULL: plain */
    struct http_peer         peer;
    int                      fd;
    uint32_t                 armed;      /* events that epoll waits for */
    bool                     readable;   /* reading is worth a try */

    enum http_timer         timer;
    uint64_t                deadline_ms;
    struct http_connection *previous, *next;   /* in the timer's list */

    char  *in;                           /* NULL: none needed */
    size_t in_start, in_end, in_capacity;   /* in[in_start..in_end) is still to be used */

    struct http_head     head;
    struct http_chunks   chunks;
    uint64_t             window_bytes;   /* of the body, in this window */
    struct http_request *request;        /* from the end of its head to its answer */

    struct http_message out;             /* data NULL: nothing */
    bool                close_after;
};

struct http_request {
    struct http_server     *server;
    struct http_connection *connection;   /* NULL: gone */
    struct http_request    *next;         /* among those answered */
    struct http_message     message;
    struct http_head        head;
    char                   *body;         /* NULL: none, or taken */
    size_t                  body_len, held_bytes;   /* held: counted in the server, until it is answered */
    char                    text[];       /* the head */
};

struct http_list {
    struct http_connection *first, *last;
};

struct http_server {
    struct http_limits   limits;
    struct http_handler  handler;
    struct http_counters counters;
    struct http_tls     *tls;
    struct http_watched_listener *listeners;
    size_t                   listener_count;
    enum http_watched        wake_watched;
    int                      epoll, wake;
    pthread_t                thread;
    struct http_list         lists[HTTP_TIMER_COUNT];
    size_t                   active, with_handler;
    uint64_t                 held_bytes;
    uint64_t                 now_ms, accept_again_ms;   /* 0: accepting */
    bool                     stopping;
    atomic_uint_fast64_t     stop_at_ms;    /* UINT64_MAX: not asked to. Any thread */

    pthread_mutex_t      answered_lock;     /* guards the two below. Any thread */
    struct http_request *answered, **answered_end;
};

/* Counters have one writer, so that adding needs no locked instruction. */
static inline void http_count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void http_set(atomic_uint_fast64_t *gauge, uint64_t n) { atomic_store_explicit(gauge, n, memory_order_relaxed); }

/* --- http_connection.c ------------------------------------------------------------------------------------------------ */

/* Takes the socket. False: it was closed, there is no memory for it. */
bool http_connection_open(struct http_server *, int fd, struct http_peer);
void http_connection_close(struct http_connection *);
void http_connection_event(struct http_connection *, uint32_t events);
void http_connection_timeout(struct http_connection *);
/* The request, which the handler had, is answered; takes its message and frees it. */
void http_connection_answer(struct http_connection *, struct http_request *);
/* The server is stopping. A connection on which no request has begun is closed. */
void http_connection_stop(struct http_connection *);

/* --- http_request.c --------------------------------------------------------------------------------------------------- */

/* NULL: no memory. */
struct http_request *http_request_new(struct http_connection *, const char *text);
void http_request_free(struct http_request *);

static inline bool http_request_has_body(const struct http_request *r) { return r->head.chunked || r->head.content_length > 0; }

/* False: memory or the bytes that may be held are out. */
MUST_USE bool http_request_may_have(const struct http_request *, uint64_t bytes);
/* Makes room for at least one byte more and returns for how many; 0: as above. The body must not be complete. */
size_t http_request_room(struct http_request *);

/* --- http_server.c ---------------------------------------------------------------------------------------------------- */

void http_timer_set(struct http_connection *, enum http_timer);
void http_timer_clear(struct http_connection *);

#endif
