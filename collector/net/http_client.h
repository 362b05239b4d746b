/* The HTTP client for everything that lethe sends or fetches. On libcurl's multi interface: several requests at once over
 * kept connections, HTTP/2 where the other side offers it.
 *
 * Rules that no option changes:
 * (1) https only. Plain http goes to loopback addresses and, where a request says `link_local`, to 169.254.0.0/16, where
 *     virtual machines have their metadata service; neither goes through a proxy.
 * (2) Certificate and host name are always verified, TLS 1.2 or newer. Nothing of a request is sent before.
 * (3) Redirects are not followed: the answer is reported with its status.
 * (4) The environment decides nothing: no proxy variables, no .netrc, no SSLKEYLOGFILE, no cookies.
 * (5) An answer longer than its limit is given up.
 * (6) What went wrong is told with the host and a hint, never with a byte of what was sent or received: URLs hold
 *     signatures, headers hold tokens, bodies hold records.
 *
 * Thread: one owner, http_client_wake() and http_client_stop() excepted. Nothing touches the network, or initialises
 * libcurl, before the first client is made. */
#ifndef LETHE_NET_HTTP_CLIENT_H
#define LETHE_NET_HTTP_CLIENT_H

#include "base/error.h"
#include "base/slice.h"

#define HTTP_CONNECT_MS (10 * 1000)
#define HTTP_TOTAL_MS (60 * 1000)
#define HTTP_MAX_BODY (1u << 20)
#define HTTP_MAX_HEADERS (64 * 1024)   /* bytes of all headers of an answer */
#define HTTP_CONNECTIONS 8
#define HTTP_HEADER_LEN (17 * 1024)     /* of a header that is sent, name and value; tokens have some KiB */
#define HTTP_TEXT_BYTES 512

struct http_client;

struct http_client_options {
    const char *ca_file;       /* PEM, trusted instead of what the system trusts; NULL: the system's */
    const char *proxy;         /* "http://host:port"; NULL: none */
    const char *user_agent;    /* NULL: "lethe" */
    unsigned    connections;   /* at once; 0: HTTP_CONNECTIONS */
};

/* Strings are copied. NULL and an error: no memory, or a ca_file that cannot be read. */
MUST_USE struct http_client *http_client_new(const struct http_client_options *, struct error *);

/* Ends what is under way: their callbacks are called with HTTP_STOPPED. NULL is allowed. */
void http_client_free(struct http_client *);

/* Whether rule (1) lets a request go to this URL, so that a configuration can be refused before anything is sent. */
MUST_USE bool http_client_may_ask(const char *url, struct error *);

/* --- Requests --------------------------------------------------------------------------------------------------------- */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE };

struct http_header {
    const char *name, *value;
};

struct http_request {
    enum http_method          method;
    const char               *url;
    const struct http_header *headers;
    size_t                    header_count;
    struct slice              body;         /* POST and PUT; borrowed until the request is finished, all else is copied */
    unsigned                  connect_ms;   /* 0: HTTP_CONNECT_MS */
    unsigned                  total_ms;     /* 0: HTTP_TOTAL_MS */
    size_t                    max_body;     /* of the answer, bytes; 0: HTTP_MAX_BODY */
    bool                      link_local;   /* see (1) */
    /* NULL, or takes the body of an answer 2xx piece by piece, which is not kept then. False ends the request (HTTP_UNWANTED). */
    bool (*take_body)(void *context, struct slice piece);
    void  *take_context;
};

enum http_failure {
    HTTP_ANSWERED = 0,   /* none: there is a status */
    HTTP_NOT_SENT,       /* against the rules, see text; or no memory */
    HTTP_NO_CONNECTION,  /* name, route, port, proxy */
    HTTP_NOT_TRUSTED,    /* the certificate or the handshake: nothing was sent */
    HTTP_TIMED_OUT,
    HTTP_CUT,            /* the connection ended, or what came is not HTTP; the request may have been carried out */
    HTTP_TOO_LONG,       /* an answer beyond its limit */
    HTTP_UNWANTED,       /* take_body() said no */
    HTTP_STOPPED,        /* http_client_stop(), http_client_free() */
};

struct http_result {
    enum http_failure failure;
    int               status;        /* 0: no answer */
    char             *headers;       /* those kept, as name NUL value NUL; see http_result_header() */
    size_t            headers_len;
    char             *body;          /* followed by a NUL, which body_len does not count; NULL: none */
    size_t            body_len;
    char              text[HTTP_TEXT_BYTES];   /* for people, unless the status is 2xx: who, what, what to do */
};

/* Carries a request out and waits for its end. Requests that were started go on meanwhile: their callbacks may be called.
 * The result is the caller's to release, whatever it says. Not to be called from a callback. */
void http_client_perform(struct http_client *, const struct http_request *, struct http_result *);
void http_result_release(struct http_result *);

/* Called once for each request that was started, in http_client_poll(), _perform() or _free(). The result is released
 * after the call; who keeps it copies the struct and sets the original to zeros. It may start other requests. */
typedef void http_finished(void *context, struct http_result *);

/* Begins a request. False: it never will (see HTTP_NOT_SENT), and `finished` is not called. */
MUST_USE bool http_client_start(struct http_client *, const struct http_request *, http_finished *finished, void *context,
                                struct error *);

/* Lets requests progress, waits up to wait_ms for something to happen (also when nothing is under way: for a wake), and
 * calls back for those that are finished. Returns how many are still under way. */
size_t http_client_poll(struct http_client *, int wait_ms);

/* Ends a poll that is waiting, or the next one. Thread: any. */
void http_client_wake(struct http_client *);

/* All requests, also later ones, end with HTTP_STOPPED. Thread: any. */
void http_client_stop(struct http_client *);
bool http_client_stopped(const struct http_client *);

/* --- Results ---------------------------------------------------------------------------------------------------------- */

/* The value of a header of the answer, or NULL. Kept are: Retry-After, Location, ETag, Last-Modified, Date,
 * Content-Type, Content-Length, Content-Range and x-ms-*. */
const char *http_result_header(const struct http_result *, const char *name);
struct slice http_result_header_slice(const struct http_result *, const char *name);   /* empty: not there */

static inline bool http_result_ok(const struct http_result *r) { return r->failure == HTTP_ANSWERED && r->status / 100 == 2; }

enum http_verdict {
    HTTP_DONE,        /* 2xx */
    HTTP_TRANSIENT,   /* may succeed later as it is */
    HTTP_FATAL,       /* will not, until somebody changes something: credentials, rights, addresses, the request */
};

enum http_verdict http_result_verdict(const struct http_result *);

#endif
