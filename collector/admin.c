#include "admin.h"

#include "http_server.h"
#include "metrics.h"
#include "net/base64.h"
#include "status_page.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#define STOP_MS          1000   /* for requests that have begun */
#define MOST_CONNECTIONS 32
#define MOST_CREDENTIALS 1024   /* bytes of user:password */

struct admin {
    const struct admin_settings *settings;
    struct stream               *stream;
    struct http_server          *server;
    pthread_t                    thread;
    bool                         runs;
};

/* What a request is for. */
struct visit {
    const struct admin        *admin;
    const struct http_request *request;
    struct http_answer         answer;
    struct encoded             body;
    bool                       trusted;   /* has the token, or there is none */
};

/* --- Who may ask ------------------------------------------------------------------------------------------------------------ */

static bool is_token(const char *token, struct slice given)
{
    size_t len = strlen(token);
    return given.len == len && CRYPTO_memcmp(given.data, token, len) == 0;
}

static bool is_basic(const char *token, struct slice given)
{
    unsigned char plain[MOST_CREDENTIALS];
    size_t        len;
    bool          sound = base64_read(given, plain, sizeof plain, &len);
    const char   *colon = sound ? memchr(plain, ':', len) : NULL;
    bool          equal = colon != NULL && is_token(token, slice_of(colon + 1, len - (size_t)(colon + 1 - (const char *)plain)));
    OPENSSL_cleanse(plain, sizeof plain);
    return equal;
}

static bool has_token(const char *token, const struct http_request *request)
{
    struct slice value;
    if (!http_request_field(request, SLICE("authorization"), &value)) return false;
    if (value.len > 7 && slice_equal_nocase(slice_sub(value, 0, 7), SLICE("Bearer ")))
        return is_token(token, slice_sub(value, 7, value.len));
    return value.len > 6 && slice_equal_nocase(slice_sub(value, 0, 6), SLICE("Basic ")) &&
           is_basic(token, slice_sub(value, 6, value.len));
}

/* "127.0.0.1:9464", "[::1]:9464", "localhost" or nothing at all. */
static bool host_is_no_name(struct slice host)
{
    bool   numbers = true;
    size_t len = host.len;
    if (host.len > 0 && host.data[0] == '[') return true;
    for (size_t i = 0; i < host.len; i++)
        if (host.data[i] == ':') len = i;
    for (size_t i = 0; i < len; i++) numbers = numbers && (ascii_is_digit(host.data[i]) || host.data[i] == '.');
    return numbers || slice_equal_nocase(slice_sub(host, 0, len), SLICE("localhost"));
}

/* --- Answers ---------------------------------------------------------------------------------------------------------------- */

static void add_field(struct http_answer *answer, const char *name, const char *value)
{
    size_t i = 0;
    while (answer->fields[i].name != NULL) i++;
    CHECK(i < HTTP_ANSWER_FIELDS);
    answer->fields[i] = (struct http_field){name, value};
}

static void begin_answer(struct http_answer *answer, int status, const char *type, struct slice body)
{
    *answer = (struct http_answer){.status = status, .content_type = type, .body = body};
    add_field(answer, "Content-Security-Policy",
              "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    add_field(answer, "X-Content-Type-Options", "nosniff");
    add_field(answer, "Referrer-Policy", "no-referrer");
    add_field(answer, "Cross-Origin-Resource-Policy", "same-origin");
    add_field(answer, "Cache-Control", "no-store");
}

static bool refuse(struct http_answer *answer, int status, const char *why)
{
    begin_answer(answer, status, "text/plain; charset=utf-8", slice_from(why));
    return false;
}

static void give_made(struct visit *v, int status, const char *type, bool made)
{
    if (made) begin_answer(&v->answer, status, type, slice_of(v->body.data, v->body.len));
    else refuse(&v->answer, 503, "no memory for an answer\n");
}

static void give_metrics(struct visit *v)
{
    struct stream_figures figures;
    stream_figures(v->admin->stream, &figures);
    give_made(v, 200, "text/plain; version=0.0.4; charset=utf-8", metrics_write(&figures, &v->body));
}

static void give_status(struct visit *v)
{
    struct stream_figures figures;
    stream_figures(v->admin->stream, &figures);
    give_made(v, 200, "application/json", status_write(&figures, &v->body));
}

static void give_health(struct visit *v) { begin_answer(&v->answer, 200, "text/plain; charset=utf-8", SLICE("ok\n")); }

static void give_readiness(struct visit *v)
{
    struct stream_figures figures;
    stream_figures(v->admin->stream, &figures);
    bool ready = false, made = readiness_write(&figures, &v->body, &ready);
    if (v->trusted) give_made(v, ready ? 200 : 503, "text/plain; charset=utf-8", made);
    else
        begin_answer(&v->answer, ready ? 200 : 503, "text/plain; charset=utf-8", ready ? SLICE("ready\n") : SLICE("not ready\n"));
}

static void give(struct visit *v, const char *type, const char *text) { begin_answer(&v->answer, 200, type, slice_from(text)); }

static void give_page(struct visit *v) { give(v, "text/html; charset=utf-8", status_html); }
static void give_style(struct visit *v) { give(v, "text/css; charset=utf-8", status_css); }
static void give_script(struct visit *v) { give(v, "text/javascript; charset=utf-8", status_js); }
static void give_icon(struct visit *v) { give(v, "image/svg+xml", status_svg); }

/* --- Requests --------------------------------------------------------------------------------------------------------------- */

static const struct route {
    const char *path;
    void      (*give)(struct visit *);
    bool        for_all;   /* no token is needed */
} routes[] = {
    {"/", give_page, false},          {"/metrics", give_metrics, false}, {"/healthz", give_health, true},    {"/readyz", give_readiness, true},
    {"/status.json", give_status, false}, {"/status.css", give_style, false}, {"/status.js", give_script, false}, {"/status.svg", give_icon, false},
};

static const struct route *find_route(struct slice path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (slice_equal(path, slice_from(routes[i].path))) return &routes[i];
    return NULL;
}

static bool head(void *context, const struct http_request *request, struct http_answer *answer)
{
    const char         *token = ((const struct admin *)context)->settings->token;
    const struct route *route = find_route(http_request_path(request));
    enum http_method    method = http_request_method(request);
    if (token == NULL && !host_is_no_name(http_request_host(request)))
        return refuse(answer, 421, "without a token this listener is asked by address or as localhost\n");
    if (token != NULL && (route == NULL || !route->for_all) && !has_token(token, request)) {
        refuse(answer, 401, "a token is needed\n");
        add_field(answer, "WWW-Authenticate", "Basic realm=\"lethe\", Bearer");
        return false;
    }
    if (route == NULL) return refuse(answer, 404, "there are /, /status.json, /metrics, /healthz and /readyz\n");
    if (method == HTTP_GET || method == HTTP_HEAD) return true;
    refuse(answer, 405, "GET or HEAD only\n");
    add_field(answer, "Allow", "GET, HEAD");
    return false;
}

static void complete(void *context, struct http_request *request)
{
    const struct admin *a = context;
    struct visit        v = {.admin = a, .request = request};
    v.trusted = a->settings->token == NULL || has_token(a->settings->token, request);
    find_route(http_request_path(request))->give(&v);
    http_respond(request, &v.answer);
    encoded_release(&v.body);
}

/* --- Life ------------------------------------------------------------------------------------------------------------------- */

struct admin *admin_open(const struct admin_settings *settings, struct error *err)
{
    struct admin *a = calloc(1, sizeof *a);
    CHECK(a != NULL);
    struct http_server_options options = {.listen = &settings->listen, .listen_count = 1, .certificate = settings->certificate,
                                          .key = settings->key, .limits = http_limits_standard, .handler = {a, head, complete}};
    options.limits.body_bytes = 0;
    options.limits.connections = MOST_CONNECTIONS;
    options.limits.connections_per_peer = MOST_CONNECTIONS / 2;
    a->settings = settings;
    if ((a->server = http_server_open(&options, err)) != NULL) return a;
    free(a);
    return NULL;
}

static void *serve(void *admin)
{
    http_server_run(((struct admin *)admin)->server);
    return NULL;
}

bool admin_start(struct admin *a, struct stream *stream, struct error *err)
{
    a->stream = stream;
    a->runs = pthread_create(&a->thread, NULL, serve, a) == 0;
    if (!a->runs) return error_set(err, ERROR_MEMORY, "cannot start a thread");
    pthread_setname_np(a->thread, "admin");
    return true;
}

void admin_close(struct admin *a)
{
    if (a == NULL) return;
    http_server_stop(a->server, STOP_MS);
    if (a->runs) pthread_join(a->thread, NULL);
    http_server_close(a->server);
    free(a);
}
