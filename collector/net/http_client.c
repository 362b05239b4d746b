/* Requests on libcurl's multi interface.
 *
 * (1) A transfer is in exactly one list: `running`, or `idle` with an easy handle that is kept for the next request.
 * (2) Every transfer that began ends in finish(), once.
 * (3) A callback may start requests; so finished transfers are taken out one by one, and no list is held across the call. */
#include "net/http_client.h"

#include "net/http_priv.h"
#include "net/tls_floor.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define KEEP_IDLE_SECONDS 90L   /* a kept connection; balancers of Azure drop them after 4 minutes */

struct transfer {
    struct http_client *client;
    struct transfer    *next, *previous;
    CURL               *easy;
    struct curl_slist  *lines;       /* headers to be sent */
    struct http_answer  answer;
    bool              (*take_body)(void *context, struct slice piece);
    void               *take_context;
    http_finished      *finished;
    void               *context;
    unsigned            total_ms;
    char                host[HTTP_HOST_BYTES];
};

struct http_client {
    CURLM           *multi;
    struct transfer *running, *idle;
    size_t           running_count;
    char            *ca_file, *proxy, *user_agent;
    atomic_bool      stopped;
};

/* --- The library ------------------------------------------------------------------------------------------------------ */

static void initialise(void)
{
    tls_floor_forget_environment();   /* of which libcurl reads SSLKEYLOGFILE once, now */
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static void initialise_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialise);
}

/* Behind all that libcurl has set; whoever else initialised it in this process may have let it read SSLKEYLOGFILE. */
static CURLcode set_floor(CURL *easy, void *context, void *unused)
{
    (void)easy, (void)unused;
    return tls_floor_set(context, TLS_FLOOR_COMMON) ? CURLE_OK : CURLE_SSL_CIPHER;
}

/* --- Client ----------------------------------------------------------------------------------------------------------- */

static bool copy_text(char **copy, const char *text)
{
    *copy = text ? strdup(text) : NULL;
    return text == NULL || *copy != NULL;
}

static bool set_up(struct http_client *c, const struct http_client_options *o, struct error *err)
{
    long connections = o->connections > 0 ? (long)o->connections : HTTP_CONNECTIONS;
    c->multi = curl_multi_init();
    if (c->multi == NULL || !copy_text(&c->ca_file, o->ca_file) || !copy_text(&c->proxy, o->proxy) ||
        !copy_text(&c->user_agent, o->user_agent ? o->user_agent : "lethe"))
        return error_set(err, ERROR_MEMORY, "out of memory");
    curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, connections);
    return o->ca_file == NULL || access(o->ca_file, R_OK) == 0 ||
           error_set_errno(err, ERROR_USAGE, "cannot read the CA file '%s'", o->ca_file);
}

bool http_client_may_ask(const char *url, struct error *err)
{
    char host[HTTP_HOST_BYTES];
    bool plain;
    return http_url_check(url, false, host, &plain, err);
}

struct http_client *http_client_new(const struct http_client_options *options, struct error *err)
{
    initialise_once();
    struct http_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    if (set_up(c, options, err)) return c;
    http_client_free(c);
    return NULL;
}

void http_client_wake(struct http_client *c) { curl_multi_wakeup(c->multi); }

void http_client_stop(struct http_client *c)
{
    atomic_store(&c->stopped, true);
    http_client_wake(c);
}

bool http_client_stopped(const struct http_client *c) { return atomic_load(&c->stopped); }

/* --- What comes in ---------------------------------------------------------------------------------------------------- */

static size_t take_header(char *data, size_t one, size_t len, void *transfer)
{
    (void)one;
    struct transfer *t = transfer;
    return http_answer_add_header(&t->answer, slice_of(data, len)) ? len : 0;
}

static size_t take_body(char *data, size_t one, size_t len, void *transfer)
{
    (void)one;
    struct transfer *t = transfer;
    bool             kept = t->take_body == NULL || t->answer.status / 100 != 2;
    bool             taken = http_answer_count_body(&t->answer, len);
    if (taken)
        taken = kept ? http_answer_add_body(&t->answer, slice_of(data, len)) : t->take_body(t->take_context, slice_of(data, len));
    if (!taken && t->answer.fault == HTTP_ANSWERED) t->answer.fault = HTTP_UNWANTED;
    return taken ? len : 0;
}

/* --- A request becomes a transfer ------------------------------------------------------------------------------------- */

static bool add_line(struct transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->lines, line);
    if (longer != NULL) t->lines = longer;
    return longer != NULL;
}

/* "Name:" takes out a header that libcurl would add by itself: it knows no better type, and waiting for "100 Continue"
 * costs a second where it is not answered. */
static bool add_headers(struct transfer *t, const struct http_request *r, struct error *err)
{
    char line[HTTP_HEADER_LEN + 8];
    bool typed = false, added = add_line(t, "Expect:") && add_line(t, "Accept:");
    for (size_t i = 0; i < r->header_count && added; i++) {
        const struct http_header *h = &r->headers[i];
        if (!http_header_allowed(h))
            return error_set(err, ERROR_USAGE, "a header for '%s' is too long or has bytes that a header cannot hold", t->host);
        int len = snprintf(line, sizeof line, *h->value != '\0' ? "%s: %s" : "%s;", h->name, h->value);
        CHECK(len > 0 && (size_t)len < sizeof line);
        added = add_line(t, line);
        typed = typed || slice_equal_nocase(slice_from(h->name), SLICE("content-type"));
    }
    if (!typed) added = added && add_line(t, "Content-Type:");
    return added || error_set(err, ERROR_MEMORY, "out of memory");
}

static void set_method(CURL *easy, const struct http_request *r)
{
    static const char *const names[] = {[HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};
    if (r->method == HTTP_HEAD) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (r->method == HTTP_POST || r->method == HTTP_PUT) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.len > 0 ? r->body.data : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    }
    if (r->method == HTTP_PUT || r->method == HTTP_DELETE) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, names[r->method]);
}

static void set_security(struct transfer *t, bool plain)
{
    const struct http_client *c = t->client;
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(t->easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, set_floor);
    if (c->ca_file != NULL) {
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, c->ca_file);
        curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(t->easy, CURLOPT_PROXY, plain || c->proxy == NULL ? "" : c->proxy);   /* "": not that of the environment */
    curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
}

static void set_transfer(struct transfer *t, const struct http_request *r)
{
    CURL *easy = t->easy;
    t->total_ms = r->total_ms > 0 ? r->total_ms : HTTP_TOTAL_MS;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->lines);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, t->client->user_agent);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);   /* a blob may be named "a/../b" */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, KEEP_IDLE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->connect_ms > 0 ? r->connect_ms : HTTP_CONNECT_MS));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)t->total_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    set_method(easy, r);
}

static struct transfer *take_idle(struct http_client *c)
{
    struct transfer *t = c->idle;
    if (t != NULL) {
        c->idle = t->next;
        t->next = NULL;
        return t;
    }
    t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    *t = (struct transfer){.client = c, .easy = curl_easy_init()};
    if (t->easy != NULL) return t;
    free(t);
    return NULL;
}

/* What a request leaves behind goes; the handle stays for another one. */
static void make_idle(struct transfer *t)
{
    struct http_client *c = t->client;
    curl_easy_reset(t->easy);
    curl_slist_free_all(t->lines);
    http_answer_release(&t->answer);
    *t = (struct transfer){.client = c, .easy = t->easy, .next = c->idle};
    c->idle = t;
}

static bool prepare(struct transfer *t, const struct http_request *r, struct error *err)
{
    bool plain = false;
    t->take_body = r->take_body;
    t->take_context = r->take_context;
    t->answer.max_body = r->max_body > 0 ? r->max_body : HTTP_MAX_BODY;
    if (!http_url_check(r->url, r->link_local, t->host, &plain, err) || !add_headers(t, r, err)) return false;
    if (curl_easy_setopt(t->easy, CURLOPT_URL, r->url) != CURLE_OK) return error_set(err, ERROR_MEMORY, "out of memory");
    set_security(t, plain);
    set_transfer(t, r);
    return true;
}

bool http_client_start(struct http_client *c, const struct http_request *request, http_finished *finished, void *context,
                       struct error *err)
{
    if (http_client_stopped(c)) return error_set(err, ERROR_NETWORK, "stopped");
    struct transfer *t = take_idle(c);
    if (t == NULL) return error_set(err, ERROR_MEMORY, "out of memory");
    if (!prepare(t, request, err) ||
        (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK && !error_set(err, ERROR_MEMORY, "out of memory"))) {
        make_idle(t);
        return false;
    }
    t->finished = finished;
    t->context = context;
    t->next = c->running;
    if (c->running != NULL) c->running->previous = t;
    c->running = t;
    c->running_count++;
    return true;
}

/* --- A transfer becomes a result -------------------------------------------------------------------------------------- */

/* The answer to CONNECT. */
static bool refused_by_proxy(const struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status / 100 > 2;
}

static enum http_failure failure_of(const struct transfer *t, CURLcode code)
{
    if (t->answer.fault != HTTP_ANSWERED) return t->answer.fault;
    if (refused_by_proxy(t)) return HTTP_NO_CONNECTION;
    switch (code) {
    case CURLE_OK: return HTTP_ANSWERED;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_INTERFACE_FAILED: return HTTP_NO_CONNECTION;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE: return HTTP_NOT_TRUSTED;
    case CURLE_OPERATION_TIMEDOUT: return HTTP_TIMED_OUT;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_URL_MALFORMAT: return HTTP_NOT_SENT;
    default: return HTTP_CUT;
    }
}

static void describe(const struct transfer *t, CURLcode code, struct http_result *result)
{
    struct http_trouble trouble = {.host = t->host, .code = (int)code, .total_ms = t->total_ms,
                                   .refused_by_proxy = refused_by_proxy(t)};
    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &trouble.verify_result);
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &trouble.os_errno);
    http_result_describe(result, &trouble);
}

static void take_result(struct transfer *t, CURLcode code, struct http_result *result)
{
    *result = (struct http_result){.failure = failure_of(t, code)};
    http_answer_move(&t->answer, result);
    describe(t, code, result);
}

static void finish(struct transfer *t, CURLcode code, bool stopped)
{
    struct http_client *c = t->client;
    struct http_result  result;
    http_finished      *finished = t->finished;
    void               *context = t->context;
    if (stopped) t->answer.fault = HTTP_STOPPED;
    take_result(t, code, &result);
    curl_multi_remove_handle(c->multi, t->easy);
    if (t->previous != NULL) t->previous->next = t->next;
    else c->running = t->next;
    if (t->next != NULL) t->next->previous = t->previous;
    c->running_count--;
    make_idle(t);
    finished(context, &result);
    http_result_release(&result);
}

static void finish_all(struct http_client *c)
{
    while (c->running != NULL) finish(c->running, CURLE_OK, true);
}

/* Calls back for all that libcurl is done with. */
static size_t settle(struct http_client *c)
{
    size_t         settled = 0;
    int            more;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(c->multi, &more)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode         code = message->data.result;
        struct transfer *t = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(t, code, false);
        settled++;
    }
    return settled;
}

static size_t progress(struct http_client *c)
{
    int running;
    if (http_client_stopped(c)) finish_all(c);
    CHECK(curl_multi_perform(c->multi, &running) == CURLM_OK);
    return settle(c);
}

size_t http_client_poll(struct http_client *c, int wait_ms)
{
    if (progress(c) == 0) {
        curl_multi_poll(c->multi, NULL, 0, wait_ms, NULL);
        progress(c);
    }
    return c->running_count;
}

/* --- Waiting for one -------------------------------------------------------------------------------------------------- */

struct awaited {
    struct http_result *result;
    bool                there;
};

static void keep_result(void *context, struct http_result *result)
{
    struct awaited *a = context;
    *a->result = *result;
    *result = (struct http_result){0};
    a->there = true;
}

void http_client_perform(struct http_client *c, const struct http_request *request, struct http_result *result)
{
    struct awaited awaited = {.result = result};
    struct error   err = {0};
    *result = (struct http_result){0};
    if (!http_client_start(c, request, keep_result, &awaited, &err)) {
        result->failure = http_client_stopped(c) ? HTTP_STOPPED : HTTP_NOT_SENT;
        snprintf(result->text, sizeof result->text, "%.*s", HTTP_TEXT_BYTES - 1, err.text);
        return;
    }
    while (!awaited.there) http_client_poll(c, HTTP_TOTAL_MS);
}

void http_client_free(struct http_client *c)
{
    if (c == NULL) return;
    atomic_store(&c->stopped, true);   /* callbacks cannot start others */
    finish_all(c);
    while (c->idle != NULL) {
        struct transfer *t = c->idle;
        c->idle = t->next;
        curl_easy_cleanup(t->easy);
        free(t);
    }
    if (c->multi != NULL) curl_multi_cleanup(c->multi);
    free(c->ca_file);
    free(c->proxy);
    free(c->user_agent);
    free(c);
}
