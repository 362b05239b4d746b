/* A server in a thread of its own, a handler for a few paths, and clients made of plain sockets.
 *
 *   GET  /hello   "hello"
 *   POST /echo    the body, which the handler has taken; needs no type, but must not be "text/plain"
 *   POST /later   nothing, until the test answers: answer_held()
 *   GET  /long    LONG_BYTES bytes
 * Any path but /hello wants no "Authorization: Bearer wrong". */
#ifndef LETHE_TESTS_SERVING_H
#define LETHE_TESTS_SERVING_H

#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GET "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, body) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " body
#define LATER POST("/later", "2\r\n\r\nhi")

#define LONG_BYTES (32u << 20)
#define HELD_MAX 64
#define PATIENCE_MS 120000  /* only a test that fails waits for so long */

struct serving {
    struct http_server        *server;
    pthread_t                  thread;
    pthread_mutex_t            lock;       /* guards what follows */
    struct http_request       *held[HELD_MAX];
    size_t                     held_count;
    uint64_t                   heads, completes;
    char                      *long_text;
};

/* Waits for a condition, not for a time. */
#define EVENTUALLY(condition)                                                                  \
    do {                                                                                       \
        int waited_ms = 0;                                                                     \
        for (; !(condition) && waited_ms < PATIENCE_MS; waited_ms++) (void)poll(NULL, 0, 1);   \
        if (waited_ms == PATIENCE_MS) fail_msg("never: %s", #condition);                       \
    } while (0)

#define COUNTER(s, name) atomic_load(&http_server_counters((s)->server)->name)

/* --- Handler ---------------------------------------------------------------------------------------------------------- */

static inline bool path_is(const struct http_request *r, const char *path)
{
    return slice_equal(http_request_path(r), slice_from(path));
}

static inline bool refuse_with(struct http_answer *a, int status, const char *name, const char *value)
{
    a->status = status;
    a->content_type = "text/plain";
    a->body = SLICE("no");
    if (name != NULL) a->fields[0] = (struct http_field){name, value};
    return false;
}

static inline bool judge_head(void *context, const struct http_request *r, struct http_answer *a)
{
    struct serving  *s = context;
    struct slice     value;
    enum http_method method = http_request_method(r);
    pthread_mutex_lock(&s->lock);
    s->heads++;
    pthread_mutex_unlock(&s->lock);
    if (path_is(r, "/hello") || path_is(r, "/long"))
        return method == HTTP_GET || method == HTTP_HEAD || refuse_with(a, 405, "Allow", "GET, HEAD");
    if (path_is(r, "/")) return true;   /* by whatever method */
    if (!path_is(r, "/echo") && !path_is(r, "/later")) return refuse_with(a, 404, NULL, NULL);
    if (method != HTTP_POST) return refuse_with(a, 405, "Allow", "POST");
    if (http_request_field(r, SLICE("Authorization"), &value) && slice_equal(value, SLICE("Bearer wrong")))
        return refuse_with(a, 401, "WWW-Authenticate", "Bearer");
    if (http_request_field(r, SLICE("Content-Type"), &value) && slice_equal(value, SLICE("text/plain")))
        return refuse_with(a, 415, NULL, NULL);
    return true;
}

static inline void respond_text(struct http_request *r, int status, struct slice body)
{
    http_respond(r, &(struct http_answer){.status = status, .content_type = "text/plain", .body = body});
}

static inline void complete(void *context, struct http_request *r)
{
    struct serving *s = context;
    pthread_mutex_lock(&s->lock);
    s->completes++;
    bool later = path_is(r, "/later");
    if (later) {
        assert_true(s->held_count < HELD_MAX);
        s->held[s->held_count++] = r;
    }
    pthread_mutex_unlock(&s->lock);
    if (later) return;
    if (path_is(r, "/hello")) respond_text(r, 200, SLICE("hello"));
    else if (path_is(r, "/long")) respond_text(r, 200, slice_of(s->long_text, LONG_BYTES));
    else {
        size_t len, again;
        char  *body = http_request_take_body(r, &len);
        assert_null(http_request_take_body(r, &again));
        respond_text(r, 200, slice_of(body, len));
        free(body);
    }
}

static inline size_t held(struct serving *s)
{
    pthread_mutex_lock(&s->lock);
    size_t count = s->held_count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

/* Answers the oldest one. */
static inline void answer_held(struct serving *s, const char *text)
{
    EVENTUALLY(held(s) > 0);
    pthread_mutex_lock(&s->lock);
    struct http_request *r = s->held[0];
    memmove(s->held, s->held + 1, --s->held_count * sizeof *s->held);
    pthread_mutex_unlock(&s->lock);
    respond_text(r, 200, slice_from(text));
}

static inline uint64_t completed(struct serving *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t count = s->completes;
    pthread_mutex_unlock(&s->lock);
    return count;
}

/* --- Server ----------------------------------------------------------------------------------------------------------- */

static inline void *serve(void *context)
{
    struct serving *s = context;
    http_server_run(s->server);
    return NULL;
}

static inline void serving_start_with(struct serving *s, struct http_server_options *o)
{
    struct error err = {0};
    *s = (struct serving){.long_text = malloc(LONG_BYTES)};
    assert_non_null(s->long_text);
    memset(s->long_text, 'x', LONG_BYTES);
    pthread_mutex_init(&s->lock, NULL);
    o->handler = (struct http_handler){s, judge_head, complete};
    s->server = http_server_open(o, &err);
    if (s->server == NULL) fail_msg("%s", err.text);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline void serving_start(struct serving *s, const struct http_limits *limits)
{
    static const char *const   listen[] = {"127.0.0.1:0"};
    struct http_server_options o = {.listen = listen, .listen_count = 1, .limits = *limits};
    serving_start_with(s, &o);
}

/* After http_server_stop(). */
static inline void serving_end(struct serving *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    while (held(s) > 0) answer_held(s, "too late");
    http_server_close(s->server);
    pthread_mutex_destroy(&s->lock);
    free(s->long_text);
}

static inline void serving_stop(struct serving *s)
{
    http_server_stop(s->server, 0);
    serving_end(s);
}

/* --- Clients ---------------------------------------------------------------------------------------------------------- */

static inline int connect_client(const struct serving *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(s->server, 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval     patience = {.tv_sec = PATIENCE_MS / 1000};
    int                fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void send_bytes(int fd, const char *data, size_t len)
{
    for (ssize_t n; len > 0; data += n, len -= (size_t)n) {
        n = send(fd, data, len, MSG_NOSIGNAL);
        assert_true(n > 0);
    }
}

static inline void send_text(int fd, const char *text) { send_bytes(fd, text, strlen(text)); }

static inline void send_bytewise(int fd, const char *text)
{
    for (; *text != '\0'; text++) send_bytes(fd, text, 1);
}

struct received {
    char   text[8192];   /* ends in NUL */
    size_t len;
};

static inline void receive_byte(int fd, struct received *in)
{
    assert_true(in->len + 1 < sizeof in->text);
    assert_int_equal(recv(fd, in->text + in->len, 1, 0), 1);
    in->text[++in->len] = '\0';
}

/* One response, its body too unless it answers HEAD; returns the status. */
static inline int receive_response(int fd, struct received *in, bool head_only)
{
    *in = (struct received){0};
    while (strstr(in->text, "\r\n\r\n") == NULL) receive_byte(fd, in);
    assert_memory_equal(in->text, "HTTP/1.1 ", 9);
    const char *length = strstr(in->text, "Content-Length: ");
    size_t      left = length != NULL && !head_only ? strtoul(length + 16, NULL, 10) : 0;
    while (left-- > 0) receive_byte(fd, in);
    return atoi(in->text + 9);
}

static inline const char *body_of(const struct received *in) { return strstr(in->text, "\r\n\r\n") + 4; }

static inline void expect_response(int fd, int status, const char *body)
{
    struct received in;
    assert_int_equal(receive_response(fd, &in, false), status);
    if (body != NULL) assert_string_equal(body_of(&in), body);
}

/* A close without reset: all that was sent can be read. */
static inline void expect_end(int fd)
{
    char    more[64];
    ssize_t n = recv(fd, more, sizeof more, 0);
    if (n != 0) fail_msg("not the end: %zd, %s", n, n < 0 ? strerror(errno) : "bytes");
}

static inline void expect_refusal(const struct serving *s, const char *text, int status)
{
    int fd = connect_client(s);
    send_text(fd, text);
    struct received in;
    assert_int_equal(receive_response(fd, &in, false), status);
    assert_non_null(strstr(in.text, "\r\nConnection: close\r\n"));
    expect_end(fd);
    close(fd);
}

#endif
