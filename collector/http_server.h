/* A small HTTP/1.1 server for few routes: the receiver of telemetry and the page of the administrator.
 *
 * One thread, the one that calls http_server_run(), owns all connections and calls the handler. Requests of a connection
 * are answered one after another. A handler may answer at once or later from any thread; until then the connection waits.
 *
 * (1) A request given to `complete` is answered exactly once, with http_respond(), and before http_server_close(). It is
 *     the handler's until then, whatever becomes of the client; the answer to a client that has gone is discarded.
 * (2) Bodies are bounded together: a request whose body would pass `held_bytes` gets 503 and Retry-After instead of being
 *     read. A body counts until its request is answered, also when the handler has taken or freed it.
 * (3) A connection on which something was refused is closed, after the client had time to read why.
 * (4) Without TLS only addresses of this machine are bound.
 * (5) An idle connection holds no buffers. Every limit is in http_limits.def.
 * (6) No byte of a request is in an error text, a counter or a response that is made here. */
#ifndef LETHE_COLLECTOR_HTTP_SERVER_H
#define LETHE_COLLECTOR_HTTP_SERVER_H

#include "base/error.h"
#include "base/slice.h"
#include "http_limits.h"
#include "http_listen.h"
#include "http_parse.h"

#include <stdatomic.h>

struct http_server;
struct http_request;

#define HTTP_ANSWER_FIELDS 6

struct http_field {
    const char *name, *value;
};

/* What is to be sent. All of it is borrowed for the call only. Content-Length, Date and Connection are added. */
struct http_answer {
    int               status;                       /* 200 to 599 */
    const char       *content_type;                 /* NULL: none */
    struct slice      body;
    struct http_field fields[HTTP_ANSWER_FIELDS];   /* further ones, up to the first without a name */
};

struct http_handler {
    void *context;

    /* Thread: the server's. Called when the head is there and before the body is read: for what a wrong path, method, type
     * or token is answered. False: `answer`, which is empty before, is to be sent; what it points to has to stay valid
     * until the next call. True, or no such function: go on. Nothing may be kept: the client may go away before
     * `complete`. */
    bool (*head)(void *context, const struct http_request *, struct http_answer *answer);

    /* Thread: the server's, which must not be kept waiting. The body is there. */
    void (*complete)(void *context, struct http_request *);
};

struct http_server_options {
    const char *const  *listen;               /* as http_listen.h */
    size_t              listen_count;
    mode_t              socket_mode;          /* of sockets in the file system; 0: 0600 */
    const char         *certificate, *key;    /* PEM files; NULL: no TLS */
    const char         *client_ca;            /* PEM file: clients need a certificate from one of these; NULL: they do not */
    struct http_limits  limits;
    struct http_handler handler;
};

/* Thread: any may read them, while the server runs. */
struct http_counters {
    atomic_uint_fast64_t connections_accepted, connections_active, connections_refused;   /* refused: over a limit */
    atomic_uint_fast64_t responses[6];   /* by first digit of the status; those that the client has got or was sent in part */
    atomic_uint_fast64_t malformed;      /* requests that are not HTTP as we read it: answered with 400 */
    atomic_uint_fast64_t timeouts;       /* of a handshake, a head, a body or a client that does not read */
    atomic_uint_fast64_t overloads;      /* 503 since too many bytes of bodies are held */
    atomic_uint_fast64_t handshakes_failed;
    atomic_uint_fast64_t discarded;      /* answers whose client had gone */
    atomic_uint_fast64_t bytes_in, bytes_out;   /* inside TLS */
    atomic_uint_fast64_t held_bytes;     /* memory of bodies */
};

/* Each in its range, and fitting together. */
MUST_USE bool http_limits_check(const struct http_limits *, struct error *);

/* Binds the addresses and reads the files of TLS. NULL and an error when something is wrong. The options are copied, what
 * they point to is not needed afterwards; the handler's context is. */
MUST_USE struct http_server *http_server_open(const struct http_server_options *, struct error *);

/* Serves until stopped. Thread: any one, once. It blocks SIGPIPE for its thread. */
void http_server_run(struct http_server *);

/* No more connections are accepted, idle ones are closed, requests that have begun are finished, but not for longer than
 * `grace_ms`; then http_server_run() returns. A second call may only shorten the time. Thread: any, signal handlers too. */
void http_server_stop(struct http_server *, uint32_t grace_ms);

/* After http_server_run() has returned, or if it was never called. */
void http_server_close(struct http_server *);

const struct http_counters *http_server_counters(const struct http_server *);
/* Where the listener of that number in the options is bound; 0 for a socket in the file system. */
uint16_t http_server_port(const struct http_server *, size_t listener);

/* --- A request -------------------------------------------------------------------------------------------------------- */

/* Slices are valid until the request is answered. Thread: one at a time. */
enum http_method http_request_method(const struct http_request *);
struct slice     http_request_path(const struct http_request *);    /* as sent, nothing is decoded */
struct slice     http_request_host(const struct http_request *);    /* may be empty in HTTP/1.0 */
bool             http_request_field(const struct http_request *, struct slice name, struct slice *value);

/* The body's memory, for free(); NULL when there is no body or it was taken before. `*len` is its length. */
MUST_USE char *http_request_take_body(struct http_request *, size_t *len);

/* Thread: any. The request is gone afterwards. */
void http_respond(struct http_request *, const struct http_answer *);

#endif
