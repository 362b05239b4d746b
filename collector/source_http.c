/* The `http` source: telemetry that is sent to us.
 *
 *   POST /v2/track, /v2.1/track   the ingestion protocol of Application Insights: a JSON array or a stream of JSON objects,
 *                                 perhaps gzip; an SDK's connection string is simply pointed here
 *   POST /ingest                  JSON, JSON Lines, {"records":[...]} or lines of text
 *
 * With a token, all need it: as a bearer token, or, since SDKs cannot be told to send one, as the first part of the path,
 * https://host:port/TOKEN/v2.1/track, which is what the connection string's IngestionEndpoint=https://host:port/TOKEN/ gives.
 *
 * A request is answered when all of it is settled: every required sink has it, or the store. Until then the client keeps
 * it, so that nothing needs to be kept here. The answer counts the items and names those that were withheld.
 *
 * Who is to come again gets 503, Retry-After and a line of text, never the protocol's JSON: by that the SDKs for JavaScript keep
 * only the items that it names, and one that names an item too few loses it, while of a text they keep everything. Some fail at
 * an empty body. So no items need to be counted, and those of a body that was not read cannot be.
 *
 * So does one for whose items there was no memory just now: only what is beyond the limit for one record is withheld.
 *
 * (1) A body is checked as a whole before anything of it goes on its way: a bomb or a damaged one is refused entirely.
 * (2) What stands in a request is framed alone; small requests share a batch, large ones go over several.
 * (3) A request sent again, byte by byte the same, has the same event ids: they come from a keyed hash of the body.
 * Thread: the server's reads requests into the queue, the source's frames them, the ledger's callers answer; `lock` guards
 * the queue, into which nothing goes once the run is stopping. An upload belongs to whoever holds it: queue, source or
 * receipts, in that order.
 *
 * Source: the published swagger of the ingestion endpoint, version 2.1; RFC 6750 (bearer tokens). */
#include "gunzip.h"
#include "http_server.h"
#include "source.h"

#include "base/log.h"
#include "base/wakeup.h"
#include "net/tls_files.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>

#define RETRY_AFTER     "5"                     /* seconds, for clients that are sent away */
#define RATIO_FROM      ((uint64_t)1 << 20)     /* unpacked bytes from which on the ratio counts */
#define MOST_RATIO      100
#define STOP_MS         2000
#define MOST_ERRORS     1000                    /* items named in one answer */

/* One request on its way. */
struct upload {
    struct upload       *next;
    struct http_request *request;
    bool                 track;         /* the ingestion protocol: items are JSON objects */
    char                *body;
    size_t               body_len, body_at;
    bool                 packed;
    struct gunzip       *gunzip;        /* while a packed body is framed */
    uint8_t              stream[16];
    bool                 abandoned;     /* part of it was not kept */
    uint32_t             received;      /* items settled so far */
    uint32_t             refused;
    struct refused_item {
        uint32_t     index;
        enum refusal refusal;
    } *items;
    size_t               item_count;
};

struct source_http {
    struct source      base;
    struct text_list   listen;
    const char        *certificate, *key, *client_ca, *token;
    uint64_t           max_body, max_unpacked, held_bytes, connections;
    struct http_server *server;
    pthread_t          thread;
    bool               runs;
    struct wakeup      wakeup;
    struct framer     *framer;
    struct upload     *current;         /* being framed */
    pthread_mutex_t    lock;
    struct upload     *first, **last;   /* the queue */
    bool               opened;          /* or at least begun to be: close_http() has something to do */
};

struct http_receipt {
    struct receipt  base;
    size_t          count;
    struct part {
        struct upload *upload;
        bool           whole;           /* nothing more of it comes */
    } parts[];
};

static const struct setting settings[] = {
    {"listen", SETTING_TEXTS, offsetof(struct source_http, listen), NULL, .required = true,
     .help = "addresses such as 127.0.0.1:8088, [::1]:8088 or unix:/run/lethe/in.sock"},
    {"certificate", SETTING_FILE, offsetof(struct source_http, certificate), NULL, .help = "PEM file; needed unless all addresses are of this machine"},
    {"key", SETTING_FILE, offsetof(struct source_http, key), NULL, .help = "PEM file of the certificate's key"},
    {"client_ca", SETTING_FILE, offsetof(struct source_http, client_ca), NULL, .help = "PEM file: clients need a certificate of it"},
    {"token", SETTING_SECRET, offsetof(struct source_http, token), NULL,
     .help = "bearer token, or first part of the path; needed unless all addresses are of this machine"},
    {"max_body", SETTING_BYTES, offsetof(struct source_http, max_body), "16M", .least = 1024, .most = 1 << 30, .help = "longest body, as sent"},
    {"max_unpacked", SETTING_BYTES, offsetof(struct source_http, max_unpacked), "64M", .least = 1024, .most = 1ull << 32, .help = "longest body, unpacked"},
    {"held_bytes", SETTING_BYTES, offsetof(struct source_http, held_bytes), "16M", .least = 1024, .most = 1ull << 34,
     .help = "bodies of all requests in memory together; more are answered with 503"},
    {"connections", SETTING_NUMBER, offsetof(struct source_http, connections), "256", .least = 1, .most = 65536, .help = "connections at a time"},
    {.name = NULL},
};

/* --- Answers ---------------------------------------------------------------------------------------------------------------- */

static void answer_short(struct http_request *request, int status, const char *json)
{
    http_respond(request, &(struct http_answer){.status = status, .content_type = "application/json", .body = slice_from(json)});
}

static void answer_later(struct http_request *request)
{
    http_respond(request, &(struct http_answer){.status = 503, .content_type = "text/plain",
                                                .body = SLICE("nothing was taken, come again\n"),
                                                .fields = {{"Retry-After", RETRY_AFTER}}});
}

static void upload_free(struct upload *u)
{
    if (u->gunzip != NULL) gunzip_free(u->gunzip);
    if (u->body != NULL) OPENSSL_cleanse(u->body, u->body_len);
    free(u->body);
    free(u->items);
    free(u);
}

/* Sends the client away, to come again. */
static void put_off(struct upload *u)
{
    answer_later(u->request);
    upload_free(u);
}

/* What became of each item, in the words of the protocol. */
static void answer(struct upload *u)
{
    char  *text = NULL;
    size_t len = 0;
    FILE  *out = u->abandoned ? NULL : open_memstream(&text, &len);
    int    status = u->received == 0 || u->refused == u->received ? 400 : u->refused > 0 ? 206 : 200;
    if (out == NULL) {
        put_off(u);
        return;
    }
    fprintf(out, "{\"itemsReceived\":%u,\"itemsAccepted\":%u,\"errors\":[", u->received, u->received - u->refused);
    for (size_t i = 0; i < u->item_count; i++)
        fprintf(out, "%s{\"index\":%u,\"statusCode\":400,\"message\":\"lethe: withheld, the item %s\"}", i > 0 ? "," : "",
                u->items[i].index, refusal_explanation(u->items[i].refusal));
    fputs("]}", out);
    fclose(out);
    const struct http_answer all = {.status = status, .content_type = "application/json", .body = slice_of(text, len)};
    http_respond(u->request, &all);
    free(text);
    upload_free(u);
}

static void note_refused(struct upload *u, uint32_t index, enum refusal refusal)
{
    u->refused++;
    if (u->item_count == MOST_ERRORS) return;
    if (u->items == NULL && (u->items = calloc(MOST_ERRORS, sizeof *u->items)) == NULL) {
        u->abandoned = true;   /* an answer that names too few would lose items */
        return;
    }
    u->items[u->item_count++] = (struct refused_item){index, refusal};
}

static void abandoned(struct source *source, struct receipt *base)
{
    struct http_receipt *r = (struct http_receipt *)base;
    (void)source;
    for (size_t i = 0; i < r->count; i++) {
        r->parts[i].upload->abandoned = true;
        if (r->parts[i].whole) put_off(r->parts[i].upload);
    }
    free(r);
}

static void settled(struct source *source, struct receipt *base)
{
    struct http_receipt *r = (struct http_receipt *)base;
    size_t               next = 0;
    if (base->put_off) {
        abandoned(source, base);
        return;
    }
    for (uint32_t origin = 0; origin < r->count; origin++) {
        struct upload *u = r->parts[origin].upload;
        for (; next < base->verdict_count && base->verdicts[next].origin == origin; next++)
            note_refused(u, u->received + base->verdicts[next].index, base->verdicts[next].refusal);
        u->received += base->record_counts[origin];
        if (r->parts[origin].whole) answer(u);
    }
    free(r);
}

/* --- Requests --------------------------------------------------------------------------------------------------------------- */

static bool refuse(struct http_answer *answer, int status, const char *why)
{
    *answer = (struct http_answer){.status = status, .content_type = "text/plain", .body = slice_from(why)};
    return false;
}

static bool is_track(struct slice path)
{
    return slice_equal(path, SLICE("/v2/track")) || slice_equal(path, SLICE("/v2.1/track"));
}

/* The media type of a Content-Type, without its parameters, is one of these. */
static bool type_is_known(struct slice type)
{
    static const char *const known[] = {"application/json", "application/x-json-stream", "application/x-ndjson",
                                        "application/jsonl", "text/plain"};
    size_t                   len = 0;
    while (len < type.len && type.data[len] != ';' && type.data[len] != ' ') len++;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_equal_nocase(slice_sub(type, 0, len), slice_from(known[i]))) return true;
    return false;
}

static bool token_equal(const struct source_http *s, struct slice given)
{
    size_t len = strlen(s->token);
    return given.len == len && CRYPTO_memcmp(given.data, s->token, len) == 0;
}

static bool has_bearer(const struct source_http *s, const struct http_request *request)
{
    struct slice value;
    if (!http_request_field(request, SLICE("authorization"), &value) || value.len < 7) return false;
    return slice_equal_nocase(slice_sub(value, 0, 7), SLICE("Bearer ")) && token_equal(s, slice_sub(value, 7, value.len));
}

/* Of slashes in a row at its beginning one stays: some SDKs put theirs behind that of the connection string. */
static struct slice without_slashes(struct slice path)
{
    while (path.len > 1 && path.data[0] == '/' && path.data[1] == '/') path = slice_sub(path, 1, path.len);
    return path;
}

/* The path behind the token, if it begins with it; else the path itself. */
static struct slice path_of(const struct source_http *s, const struct http_request *request, bool *authorised)
{
    struct slice path = without_slashes(http_request_path(request));
    size_t       len = s->token != NULL ? strlen(s->token) : 0;
    *authorised = s->token == NULL || has_bearer(s, request);
    if (s->token == NULL || path.len < len + 2 || path.data[len + 1] != '/' || !token_equal(s, slice_sub(path, 1, len + 1)))
        return path;
    *authorised = true;
    return without_slashes(slice_sub(path, len + 1, path.len));
}

static bool head(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct source_http *s = context;
    bool                authorised;
    struct slice        path = path_of(s, request, &authorised), value = {0};
    bool                track = is_track(path);
    if (!authorised) {
        refuse(answer, 401, "a token is needed\n");
        answer->fields[0] = (struct http_field){"WWW-Authenticate", "Bearer"};
        return false;
    }
    if (!track && !slice_equal(path, SLICE("/ingest")))
        return refuse(answer, 404, "there are /v2/track, /v2.1/track and /ingest\n");
    if (http_request_method(request) != HTTP_POST) {
        refuse(answer, 405, "POST only\n");
        answer->fields[0] = (struct http_field){"Allow", "POST"};
        return false;
    }
    if (http_request_field(request, SLICE("content-type"), &value) ? !type_is_known(value) : !track)
        return refuse(answer, 415, "application/json, application/x-ndjson, application/x-json-stream or text/plain\n");
    if (http_request_field(request, SLICE("content-encoding"), &value) && !slice_equal_nocase(value, SLICE("gzip")) &&
        !slice_equal_nocase(value, SLICE("identity")))
        return refuse(answer, 415, "the content encoding is gzip or none\n");
    return true;
}

static void complete(void *context, struct http_request *request)
{
    struct source_http *s = context;
    struct slice        value;
    bool                authorised;
    struct upload      *u = calloc(1, sizeof *u);
    if (u == NULL) {
        answer_later(request);
        return;
    }
    u->request = request;
    u->track = is_track(path_of(s, request, &authorised));
    u->packed = http_request_field(request, SLICE("content-encoding"), &value) && slice_equal_nocase(value, SLICE("gzip"));
    u->body = http_request_take_body(request, &u->body_len);
    pthread_mutex_lock(&s->lock);
    bool stopping = atomic_load(&s->base.stopping);
    if (!stopping) {
        *s->last = u;
        s->last = &u->next;
    }
    pthread_mutex_unlock(&s->lock);
    if (stopping) put_off(u);
    else wakeup_signal(&s->wakeup);
}

static struct upload *take_first(struct source_http *s)
{
    pthread_mutex_lock(&s->lock);
    struct upload *u = s->first;
    if (u != NULL && (s->first = u->next) == NULL) s->last = &s->first;
    pthread_mutex_unlock(&s->lock);
    return u;
}

/* --- Bodies ----------------------------------------------------------------------------------------------------------------- */

static ptrdiff_t read_body(void *upload, char *buffer, size_t capacity, struct error *err)
{
    struct upload *u = upload;
    size_t         left = u->body_len - u->body_at, len = left < capacity ? left : capacity;
    (void)err;
    if (len > 0) memcpy(buffer, u->body + u->body_at, len);
    u->body_at += len;
    return (ptrdiff_t)len;
}

/* Unpacks it once to nowhere. The status of the refusal, or 0. */
static int check_packed(const struct source_http *s, struct upload *u)
{
    static _Thread_local char nowhere[64 * 1024];
    uint64_t                  unpacked = 0;
    ptrdiff_t                 got;
    int                       status = 0;
    struct error              err = {0};
    struct gunzip            *g = gunzip_new((struct byte_source){read_body, u}, "body");
    if (g == NULL) return 503;
    while (status == 0 && (got = gunzip_read(g, nowhere, sizeof nowhere, &err)) != 0) {
        unpacked += got > 0 ? (uint64_t)got : 0;
        bool bomb = unpacked > s->max_unpacked || (unpacked > RATIO_FROM && unpacked / MOST_RATIO > u->body_len);
        if (bomb) status = 413;
        else if (got < 0) status = 400;
    }
    gunzip_free(g);
    u->body_at = 0;
    OPENSSL_cleanse(nowhere, sizeof nowhere);
    return status;
}

/* Makes the body ready to be framed; false: it was refused, and is gone. */
static bool begin(struct source_http *s, struct upload *u)
{
    uint8_t            hash[SHA256_DIGEST_LENGTH];
    struct byte_source bytes = {read_body, u};
    int                status = u->packed ? check_packed(s, u) : 0;
    if (status == 0 && u->packed) {
        u->gunzip = gunzip_new(bytes, "body");
        bytes = (struct byte_source){gunzip_read, u->gunzip};
        if (u->gunzip == NULL) status = 503;
    }
    if (status == 503) {
        put_off(u);
        return false;
    }
    if (status != 0) {
        answer_short(u->request, status,
                     status == 413 ? "{\"itemsReceived\":0,\"itemsAccepted\":0,\"errors\":[{\"index\":0,\"statusCode\":413,"
                                     "\"message\":\"lethe: the body is too large when unpacked\"}]}"
                                   : "{\"itemsReceived\":0,\"itemsAccepted\":0,\"errors\":[{\"index\":0,\"statusCode\":400,"
                                     "\"message\":\"lethe: the body is not sound gzip\"}]}");
        upload_free(u);
        return false;
    }
    SHA256((const unsigned char *)(u->body != NULL ? u->body : ""), u->body_len, hash);
    source_stream_id(&s->base, slice_of((const char *)hash, sizeof hash), u->stream);
    framer_reset(s->framer, bytes);
    return true;
}

static struct upload *next_upload(struct source_http *s)
{
    struct upload *u;
    while ((u = take_first(s)) != NULL)
        if (begin(s, u)) return u;
    return NULL;
}

/* In the ingestion protocol a line that is not JSON is no item of its own kind, but a broken one. */
static void refuse_text(struct batch *b, size_t from)
{
    for (size_t i = from; i < b->count; i++) {
        if (b->documents[i].form != DOCUMENT_TEXT) continue;
        b->documents[i].form = DOCUMENT_REFUSED;
        b->documents[i].refusal = REFUSAL_SYNTAX;
    }
}

/* Adds what there is room for of the current upload. */
static void frame(struct source_http *s, struct cargo *c, struct http_receipt *r)
{
    struct upload *u = s->current;
    struct origin  origin = {.number = 0};
    struct error   err = {0};
    size_t         from = c->batch.count;
    memcpy(origin.stream, u->stream, sizeof origin.stream);
    uint32_t  number = cargo_add_origin(c, &origin);
    enum fill filled = framer_fill(s->framer, &c->batch, &err);
    for (size_t i = from; i < c->batch.count; i++) c->batch.documents[i].origin = number;
    if (u->track) refuse_text(&c->batch, from);
    r->parts[r->count++] = (struct part){u, filled != FILL_SOME};
    if (filled == FILL_SOME) return;
    if (filled == FILL_FAILED) {   /* no memory: all of it comes again */
        u->abandoned = true;
        c->batch.count = from;
    }
    if (u->body != NULL) OPENSSL_cleanse(u->body, u->body_len);   /* a raw body is not kept longer than it is needed */
    free(u->body);
    u->body = NULL;
    s->current = NULL;
}

#define MOST_PARTS   CARGO_ORIGINS  /* requests that share a batch */
#define ENOUGH_BYTES (128 * 1024)   /* with so much a batch waits for no other request, so that blocks stay small */

static bool has_room(const struct source_http *s, const struct cargo *c, const struct http_receipt *r)
{
    return r->count < MOST_PARTS && c->batch.used < ENOUGH_BYTES &&
           c->batch.capacity - c->batch.used >= FRAMER_ROOM(s->base.max_record);
}

static enum source_fill fill(struct source *source, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_http *s = (struct source_http *)source;
    if (s->current == NULL && (s->current = next_upload(s)) == NULL) {
        wakeup_wait(&s->wakeup, wait_ms);
        s->current = next_upload(s);
    }
    if (s->current == NULL) return SOURCE_IDLE;
    struct http_receipt *r = receipt_new(sizeof *r + MOST_PARTS * sizeof r->parts[0], err);
    if (r == NULL) return SOURCE_FAILED;
    while (s->current != NULL && has_room(s, c, r)) {
        frame(s, c, r);
        if (s->current == NULL) s->current = next_upload(s);
    }
    snprintf(c->place, sizeof c->place, "request");
    c->receipt = &r->base;
    atomic_store(&source->counters.streams, atomic_load(&http_server_counters(s->server)->connections_active));
    return SOURCE_FILLED;
}

/* --- Life ------------------------------------------------------------------------------------------------------------------- */

static bool check(struct source *source, struct error *err)
{
    struct source_http *s = (struct source_http *)source;
    for (size_t i = 0; i < s->listen.count; i++) {
        struct http_address address;
        if (!http_address_parse(&address, s->listen.items[i], err)) return false;
        if (http_listen_is_local(s->listen.items[i])) continue;
        if (s->certificate == NULL)
            return error_set(err, ERROR_USAGE, "'%s' can be reached from elsewhere: it needs a certificate and key",
                             s->listen.items[i]);
        if (s->token == NULL && s->client_ca == NULL)
            return error_set(err, ERROR_USAGE, "'%s' can be reached from elsewhere: it needs a token or client_ca",
                             s->listen.items[i]);
    }
    if ((s->certificate == NULL) != (s->key == NULL)) return error_set(err, ERROR_USAGE, "certificate and key go together");
    if (s->client_ca != NULL && s->certificate == NULL) return error_set(err, ERROR_USAGE, "client_ca needs certificate and key");
    return tls_files_check(s->certificate, s->key, s->client_ca, err);
}

static uint64_t files(const struct source *source)
{
    const struct source_http *s = (const struct source_http *)source;
    return s->listen.count + s->connections;
}

static void *serve(void *source)
{
    http_server_run(((struct source_http *)source)->server);
    return NULL;
}

static bool start_server(struct source_http *s, struct error *err)
{
    struct http_server_options options = {.listen = s->listen.items, .listen_count = s->listen.count,
                                          .certificate = s->certificate, .key = s->key, .client_ca = s->client_ca,
                                          .limits = http_limits_standard, .handler = {s, head, complete}};
    options.limits.body_bytes = s->max_body;
    options.limits.held_bytes = s->held_bytes > s->max_body ? s->held_bytes : s->max_body;
    options.limits.connections = s->connections;
    if (options.limits.connections_per_peer > s->connections) options.limits.connections_per_peer = s->connections;
    if ((s->server = http_server_open(&options, err)) == NULL) return false;
    s->runs = pthread_create(&s->thread, NULL, serve, s) == 0;
    return s->runs || error_set(err, ERROR_MEMORY, "cannot start a thread");
}

static bool open_http(struct source *source, struct error *err)
{
    struct source_http *s = (struct source_http *)source;
    s->opened = true;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    s->framer = framer_new(&(struct framer_options){.max_document = source->max_record});
    if (s->framer == NULL) return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name);
    return wakeup_init(&s->wakeup, err) && start_server(s, err);
}

/* When the run stops, nobody is kept waiting for the end of it; complete() puts off those who come later. */
static void wake(struct source *source)
{
    struct source_http *s = (struct source_http *)source;
    struct upload      *u;
    if (!s->opened) return;
    while (atomic_load(&source->stopping) && (u = take_first(s)) != NULL) put_off(u);
    wakeup_signal(&s->wakeup);
}

static void close_http(struct source *source)
{
    struct source_http *s = (struct source_http *)source;
    struct upload      *u;
    if (!s->opened) return;
    if (s->current != NULL) put_off(s->current);
    if (s->server != NULL) http_server_stop(s->server, STOP_MS);
    while ((u = take_first(s)) != NULL) put_off(u);
    if (s->runs) pthread_join(s->thread, NULL);
    while ((u = take_first(s)) != NULL) put_off(u);
    if (s->server != NULL) http_server_close(s->server);
    if (s->framer != NULL) framer_free(s->framer);
    wakeup_release(&s->wakeup);
    pthread_mutex_destroy(&s->lock);
}

const struct source_type source_http = {
    .name = "http",
    .summary = "telemetry sent to us: the ingestion protocol of Application Insights, and JSON",
    .bytes = sizeof(struct source_http),
    .settings = settings,
    .wants_verdicts = true,
    .puts_off = true,
    .cargoes = 3,
    .check = check,
    .open = open_http,
    .fill = fill,
    .settled = settled,
    .abandoned = abandoned,
    .wake = wake,
    .close = close_http,
    .files = files,
};
