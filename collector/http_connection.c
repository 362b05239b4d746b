/* One connection: a chain of states, each with one function that takes a step. A step ends when it has changed something,
 * when it has to wait, or when the connection is at its end; http_connection_run() goes from step to step. */
#include "http_priv.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IN_FIRST 4096       /* bytes of the buffer for heads to begin with */
#define STEPS_IN_A_ROW 64   /* then the others have their turn */
#define RETRY_AFTER "5"     /* seconds */
#define CONTINUE_LINE "HTTP/1.1 100 Continue\r\n\r\n"

enum step {
    STEP_ON,        /* go on in the state that is now set */
    STEP_READ, STEP_WRITE,
    STEP_HANDLER,   /* wait for the handler */
    STEP_CLOSE,
};

/* --- Bytes in and out ------------------------------------------------------------------------------------------------- */

static ssize_t io_of(ssize_t n, enum http_io wait)
{
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EWOULDBLOCK ? (ssize_t)wait : (ssize_t)HTTP_IO_FAILED;
}

/* A plain socket that gave less than asked for is empty; that saves the call that would only say so. */
static ssize_t take_bytes(struct http_connection *c, char *data, size_t capacity)
{
    if (!c->readable) return HTTP_IO_WAIT_READ;
    ssize_t n = c->tls != NULL ? http_tls_read(c->tls, data, capacity) : io_of(recv(c->fd, data, capacity, 0), HTTP_IO_WAIT_READ);
    if (n == HTTP_IO_WAIT_READ || (n > 0 && c->tls == NULL && (size_t)n < capacity)) c->readable = false;
    if (n > 0) http_count(&c->server->counters.bytes_in, (uint64_t)n);
    return n;
}

static ssize_t give_bytes(struct http_connection *c, const char *data, size_t len)
{
    ssize_t n = c->tls != NULL ? http_tls_write(c->tls, data, len)
                               : io_of(send(c->fd, data, len, MSG_NOSIGNAL), HTTP_IO_WAIT_WRITE);
    if (n > 0) http_count(&c->server->counters.bytes_out, (uint64_t)n);
    return n;
}

static enum step wait_for(ssize_t io)
{
    return io == HTTP_IO_WAIT_READ ? STEP_READ : io == HTTP_IO_WAIT_WRITE ? STEP_WRITE : STEP_CLOSE;
}

static void release_in(struct http_connection *c)
{
    free(c->in);
    c->in = NULL;
    c->in_start = c->in_end = c->in_capacity = 0;
}

/* Makes room behind in_end. A head that fills the buffer was refused before, and chunks are used up. */
static bool make_room(struct http_connection *c)
{
    size_t most = c->server->limits.head_bytes, capacity = c->in_capacity;
    if (c->in_end < capacity) return true;
    if (c->in_start > 0) {
        memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
        c->in_end -= c->in_start;
        c->in_start = 0;
        return true;
    }
    CHECK(capacity < most);
    capacity = capacity == 0 ? IN_FIRST : 2 * capacity;
    if (capacity > most) capacity = most;
    char *grown = realloc(c->in, capacity);
    if (grown == NULL) return false;
    c->in = grown;
    c->in_capacity = capacity;
    return true;
}

static ssize_t fill_in(struct http_connection *c)
{
    if (!c->readable) return HTTP_IO_WAIT_READ;
    if (!make_room(c)) return HTTP_IO_FAILED;
    ssize_t n = take_bytes(c, c->in + c->in_end, c->in_capacity - c->in_end);
    if (n > 0) c->in_end += (size_t)n;
    return n;
}

/* --- Answers ---------------------------------------------------------------------------------------------------------- */

static void free_request(struct http_connection *c)
{
    if (c->request != NULL) http_request_free(c->request);
    c->request = NULL;
}

/* The last step of a request: what is to be said is known. Takes the message. */
static enum step send_message(struct http_connection *c, struct http_message message, bool close_after)
{
    bool without_body = c->request != NULL && c->request->head.method == HTTP_HEAD;
    bool persistent = c->request != NULL && c->request->head.persistent;
    free_request(c);
    if (message.data == NULL) return STEP_CLOSE;
    c->out = message;
    if (without_body) c->out.total = c->out.end;
    c->close_after = close_after || !persistent || c->server->stopping;
    if (c->close_after) http_message_set_close(&c->out);
    c->state = HTTP_STATE_ANSWER;
    http_timer_set(c, HTTP_TIMER_WRITE);
    http_count(&c->server->counters.responses[message.status / 100], 1);
    return STEP_ON;
}

/* What is wrong is said in one line, and nothing that comes after it is looked at. */
static enum step refuse(struct http_connection *c, int status, const char *text)
{
    struct http_answer answer = {.status = status, .content_type = "text/plain", .body = slice_from(text)};
    if (status == 503) answer.fields[0] = (struct http_field){"Retry-After", RETRY_AFTER};
    if (status == 400) http_count(&c->server->counters.malformed, 1);
    return send_message(c, http_message_make(&answer), true);
}

static enum step refuse_overload(struct http_connection *c)
{
    http_count(&c->server->counters.overloads, 1);
    return refuse(c, 503, "too much is being received already");
}

/* Closing a socket on which something unread has come makes the other side forget what it has not yet read itself. So the
 * connection is closed in one direction, and what still comes is thrown away until the client closes it, or for a time. */
static enum step begin_linger(struct http_connection *c)
{
    if (c->tls != NULL) http_tls_shutdown(c->tls);
    if (shutdown(c->fd, SHUT_WR) != 0) return STEP_CLOSE;
    release_in(c);
    c->state = HTTP_STATE_LINGER;
    http_timer_set(c, HTTP_TIMER_LINGER);
    return STEP_ON;
}

static enum step linger(struct http_connection *c)
{
    char    discarded[4096];
    ssize_t n = io_of(recv(c->fd, discarded, sizeof discarded, 0), HTTP_IO_WAIT_READ);
    return n > 0 ? STEP_ON : n == HTTP_IO_WAIT_READ ? STEP_READ : STEP_CLOSE;
}

static void next_request(struct http_connection *c)
{
    http_head_start(&c->head);
    c->state = HTTP_STATE_HEAD;
    http_timer_set(c, HTTP_TIMER_IDLE);
}

static enum step write_answer(struct http_connection *c)
{
    ssize_t n = give_bytes(c, c->out.data + c->out.start, c->out.total - c->out.start);
    if (n <= 0) return wait_for(n);
    c->out.start += (size_t)n;
    if (c->out.start < c->out.total) return STEP_ON;
    free(c->out.data);
    c->out = (struct http_message){0};
    if (c->close_after) return begin_linger(c);
    next_request(c);
    return STEP_ON;
}

/* --- Requests --------------------------------------------------------------------------------------------------------- */

static enum step shake_hands(struct http_connection *c)
{
    int result = http_tls_handshake(c->tls);
    if (result == HTTP_IO_WAIT_READ || result == HTTP_IO_WAIT_WRITE) return wait_for(result);
    if (result > 0) {
        c->state = HTTP_STATE_HEAD;
        return STEP_ON;
    }
    http_count(&c->server->counters.handshakes_failed, 1);
    return begin_linger(c);   /* so that the alert arrives */
}

static enum step hand_over(struct http_connection *c)
{
    struct http_server *s = c->server;
    c->state = HTTP_STATE_HANDLER;
    http_timer_set(c, HTTP_TIMER_NONE);
    if (c->in_start == c->in_end) release_in(c);
    s->with_handler++;
    s->handler.complete(s->handler.context, c->request);
    return STEP_HANDLER;
}

static enum step begin_body(struct http_connection *c)
{
    if (!http_request_may_have(c->request, c->head.chunked ? 1 : c->head.content_length)) return refuse_overload(c);
    http_chunks_start(&c->chunks);
    c->window_bytes = 0;
    http_timer_set(c, HTTP_TIMER_BODY);
    c->state = HTTP_STATE_BODY;
    if (c->head.expects_continue && c->in_start == c->in_end) {
        c->state = HTTP_STATE_CONTINUE;
        c->out = (struct http_message){.total = sizeof CONTINUE_LINE - 1};
    }
    return STEP_ON;
}

static enum step begin_request(struct http_connection *c)
{
    struct http_handler *handler = &c->server->handler;
    struct http_answer   answer = {0};
    c->request = http_request_new(c, c->in + c->in_start);
    if (c->request == NULL) return STEP_CLOSE;
    c->in_start += c->head.bytes;
    bool has_body = http_request_has_body(c->request);
    if (handler->head != NULL && !handler->head(handler->context, c->request, &answer))
        return send_message(c, http_message_make(&answer), has_body);
    return has_body ? begin_body(c) : hand_over(c);
}

static enum step read_head(struct http_connection *c)
{
    enum http_progress progress =
        c->in == NULL ? HTTP_MORE : http_head_read(&c->head, &c->server->limits, c->in + c->in_start, c->in_end - c->in_start);
    if (progress == HTTP_BAD) return refuse(c, c->head.fault.status, c->head.fault.text);
    if (progress == HTTP_DONE) return begin_request(c);
    bool begun = http_head_begun(&c->head);
    if (begun && c->timer != HTTP_TIMER_HEAD) http_timer_set(c, HTTP_TIMER_HEAD);
    ssize_t n = fill_in(c);
    if (n > 0) return STEP_ON;
    if (n == HTTP_IO_END && begun) return refuse(c, 400, "the request's head ends too early");
    if (!begun && c->server->stopping) return STEP_CLOSE;
    if (c->in_start == c->in_end) release_in(c);
    return n == HTTP_IO_END ? STEP_CLOSE : wait_for(n);
}

static enum step write_continue(struct http_connection *c)
{
    ssize_t n = give_bytes(c, &CONTINUE_LINE[c->out.start], c->out.total - c->out.start);
    if (n <= 0) return wait_for(n);
    c->out.start += (size_t)n;
    if (c->out.start == c->out.total) c->state = HTTP_STATE_BODY;
    return STEP_ON;
}

static enum step body_ends(struct http_connection *c, ssize_t io)
{
    return io == HTTP_IO_END ? refuse(c, 400, "the request's body ends too early") : wait_for(io);
}

/* Straight into the body's memory, and never beyond its end. */
static enum step read_counted(struct http_connection *c)
{
    struct http_request *r = c->request;
    if (r->body_len == r->head.content_length) return hand_over(c);
    size_t  room = http_request_room(r), waiting = c->in_end - c->in_start;
    ssize_t n;
    if (room == 0) return refuse_overload(c);
    if (waiting > 0) {
        n = (ssize_t)(room < waiting ? room : waiting);
        memcpy(r->body + r->body_len, c->in + c->in_start, (size_t)n);
        c->in_start += (size_t)n;
    } else {
        n = take_bytes(c, r->body + r->body_len, room);
        if (n <= 0) return body_ends(c, n);
    }
    r->body_len += (size_t)n;
    c->window_bytes += (uint64_t)n;
    return STEP_ON;
}

static bool append(struct http_request *r, struct slice piece)
{
    while (piece.len > 0) {
        size_t room = http_request_room(r);
        if (room == 0) return false;
        if (room > piece.len) room = piece.len;
        memcpy(r->body + r->body_len, piece.data, room);
        r->body_len += room;
        piece = slice_sub(piece, room, piece.len);
    }
    return true;
}

static enum step read_chunks(struct http_connection *c)
{
    struct slice piece;
    while (c->in_start < c->in_end) {
        switch (http_chunks_read(&c->chunks, &c->server->limits, slice_of(c->in, c->in_end), &c->in_start, &piece)) {
        case HTTP_BAD: return refuse(c, c->chunks.fault.status, c->chunks.fault.text);
        case HTTP_DONE: return hand_over(c);
        case HTTP_MORE: break;
        }
        if (!append(c->request, piece)) return refuse_overload(c);
    }
    ssize_t n = fill_in(c);
    if (n <= 0) return body_ends(c, n);
    c->window_bytes += (uint64_t)n;
    return STEP_ON;
}

static enum step read_body(struct http_connection *c) { return c->head.chunked ? read_chunks(c) : read_counted(c); }

static enum step wait_for_handler(struct http_connection *c)
{
    (void)c;
    return STEP_HANDLER;
}

/* --- Running ---------------------------------------------------------------------------------------------------------- */

static void arm(struct http_connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (c->armed == events) return;
    CHECK(epoll_ctl(c->server->epoll, EPOLL_CTL_MOD, c->fd, &event) == 0);
    c->armed = events;
}

/* While the handler has the request, epoll is left as it was: most answers are given before anything comes. */
static void run(struct http_connection *c)
{
    static enum step (*const steps[HTTP_STATE_COUNT])(struct http_connection *) = {
        [HTTP_STATE_HANDSHAKE] = shake_hands, [HTTP_STATE_HEAD] = read_head,           [HTTP_STATE_CONTINUE] = write_continue,
        [HTTP_STATE_BODY] = read_body,        [HTTP_STATE_HANDLER] = wait_for_handler, [HTTP_STATE_ANSWER] = write_answer,
        [HTTP_STATE_LINGER] = linger,
    };
    for (int i = 0; i < STEPS_IN_A_ROW; i++) {
        switch (steps[c->state](c)) {
        case STEP_ON: break;
        case STEP_READ: arm(c, EPOLLIN); return;
        case STEP_WRITE: arm(c, EPOLLOUT); return;
        case STEP_HANDLER: return;
        case STEP_CLOSE: http_connection_close(c); return;
        }
    }
    arm(c, EPOLLIN | EPOLLOUT);   /* comes back at once, behind the others */
}

bool http_connection_open(struct http_server *s, int fd, struct http_peer peer)
{
    struct http_connection *c = calloc(1, sizeof *c);
    struct epoll_event      event = {.events = EPOLLIN, .data.ptr = c};
    if (c != NULL && s->tls != NULL && (c->tls = http_tls_open(s->tls, fd)) == NULL) {
        free(c);
        c = NULL;
    }
    if (c == NULL || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        if (c != NULL && c->tls != NULL) http_tls_close(c->tls);
        free(c);
        close(fd);
        return false;
    }
    c->watched = HTTP_WATCHED_CONNECTION;
    c->state = s->tls != NULL ? HTTP_STATE_HANDSHAKE : HTTP_STATE_HEAD;
    c->server = s;
    c->peer = peer;
    c->fd = fd;
    c->armed = EPOLLIN;
    http_head_start(&c->head);
    s->active++;
    http_set(&s->counters.connections_active, s->active);
    http_timer_set(c, HTTP_TIMER_HEAD);
    return true;
}

void http_connection_close(struct http_connection *c)
{
    struct http_server *s = c->server;
    /* NULL: no memory for its answer */
    if (c->state == HTTP_STATE_HANDLER && c->request != NULL) c->request->connection = NULL;
    else free_request(c);
    if (c->tls != NULL) http_tls_close(c->tls);
    close(c->fd);
    http_timer_clear(c);
    release_in(c);
    free(c->out.data);
    free(c);
    s->active--;
    http_set(&s->counters.connections_active, s->active);
}

void http_connection_event(struct http_connection *c, uint32_t events)
{
    if (c->tls != NULL || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) c->readable = true;
    if (c->state != HTTP_STATE_HANDLER) run(c);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0) http_connection_close(c);   /* nobody is there any more */
    else arm(c, 0);
}

/* Of a body each window is looked at alone, so that a fast beginning buys no time. */
static bool body_is_fast_enough(const struct http_connection *c)
{
    const struct http_limits *limits = &c->server->limits;
    return c->window_bytes > 0 && c->window_bytes >= limits->body_bytes_per_s * limits->body_window_ms / 1000;
}

void http_connection_timeout(struct http_connection *c)
{
    bool owes = c->timer == HTTP_TIMER_BODY ? c->state == HTTP_STATE_BODY : http_head_begun(&c->head);
    if (c->timer == HTTP_TIMER_IDLE || c->timer == HTTP_TIMER_LINGER) {
        http_connection_close(c);
    } else if (c->timer == HTTP_TIMER_BODY && body_is_fast_enough(c)) {
        c->window_bytes = 0;
        http_timer_set(c, HTTP_TIMER_BODY);
    } else {
        http_count(&c->server->counters.timeouts, 1);
        if (c->timer != HTTP_TIMER_WRITE && owes && refuse(c, 408, "the request came too slowly") == STEP_ON) run(c);
        else http_connection_close(c);
    }
}

void http_connection_answer(struct http_connection *c, struct http_request *r)
{
    struct http_message message = r->message;
    r->message = (struct http_message){0};
    CHECK(c->state == HTTP_STATE_HANDLER && c->request == r);
    if (send_message(c, message, false) == STEP_ON) run(c);
    else http_connection_close(c);
}

void http_connection_stop(struct http_connection *c)
{
    c->readable = true;   /* what has come already was sent before the stop */
    if (c->state == HTTP_STATE_HEAD && !http_head_begun(&c->head)) run(c);
}
