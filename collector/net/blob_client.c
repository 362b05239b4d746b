#include "net/blob_client.h"

#include "base/clock.h"
#include "net/blob_sign.h"
#include "net/http_date.h"
#include "net/secret_file.h"

#include <openssl/crypto.h>

#define URL_BYTES (64 * 1024)
#define MOST_PARAMETERS 6
#define MOST_HEADERS 6
#define ERROR_BODY_BYTES (64 * 1024)

struct blob_client {
    struct http_client  *http;
    char                *endpoint;
    size_t               path_at;      /* in endpoint: behind scheme and host */
    char                *account, *signature;
    unsigned char        key[BLOB_KEY_BYTES];
    size_t               key_len;
    struct entra        *entra;
    unsigned             attempts;
    struct retry_options pace;
    struct blob_answer   last;
};

/* One thing to ask for. */
struct question {
    enum http_method      method;
    const char           *container;
    struct slice          blob;                          /* empty: the container itself */
    struct blob_parameter parameters[MOST_PARAMETERS];   /* sorted by name */
    size_t                parameter_count;
    const char           *if_match, *range;              /* NULL: none */
    size_t                max_body;
    bool                (*take_body)(void *context, struct slice piece);
    bool                (*begin)(void *context);         /* before each attempt: what an earlier one took is void */
    void                 *context;
};

/* --- Client ----------------------------------------------------------------------------------------------------------- */

static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

static size_t path_of(const char *endpoint)
{
    const char *host = strstr(endpoint, "://");
    size_t      begin = host ? (size_t)(host + 3 - endpoint) : 0;
    return begin + strcspn(endpoint + begin, "/");
}

static bool fill(struct blob_client *b, const struct blob_client_options *o, struct error *err)
{
    if (!copy(&b->endpoint, o->endpoint) || !copy(&b->account, o->account) || !copy(&b->signature, o->signature))
        return error_set(err, ERROR_MEMORY, "out of memory");
    b->path_at = path_of(b->endpoint);
    b->entra = o->entra;
    b->attempts = o->attempts > 0 ? o->attempts : BLOB_ATTEMPTS;
    b->pace = o->pace;
    CHECK((o->key != NULL) + (o->signature != NULL) + (o->entra != NULL) == 1);
    if (o->key != NULL && (o->account == NULL || !base64_read(slice_from(o->key), b->key, sizeof b->key, &b->key_len)))
        return error_set(err, ERROR_USAGE, "the account key is not base64, as the portal shows it");
    for (const char *c = o->signature; c != NULL && *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || *c == '#')
            return error_set(err, ERROR_USAGE, "the shared access signature has characters that it cannot have");
    return true;
}

struct blob_client *blob_client_new(const struct blob_client_options *options, struct http_client *http, struct error *err)
{
    struct blob_client *b = calloc(1, sizeof *b);
    if (b == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    b->http = http;
    if (fill(b, options, err)) return b;
    blob_client_free(b);
    return NULL;
}

void blob_client_free(struct blob_client *b)
{
    if (b == NULL) return;
    free(b->endpoint);
    free(b->account);
    secret_free(b->signature);
    OPENSSL_cleanse(b->key, sizeof b->key);
    free(b);
}

/* --- A request -------------------------------------------------------------------------------------------------------- */

static const char *verb(enum http_method method) { return method == HTTP_HEAD ? "HEAD" : "GET"; }

static void build_path(const struct blob_client *b, const struct question *q, struct text_buffer *url)
{
    text_buffer_add_text(url, b->endpoint);
    text_buffer_add_char(url, '/');
    text_buffer_add_text(url, q->container);
    if (q->blob.len == 0) return;
    text_buffer_add_char(url, '/');
    text_buffer_add_encoded(url, q->blob, "/=");
}

static void build_query(const struct blob_client *b, const struct question *q, struct text_buffer *url)
{
    char before = '?';
    for (size_t i = 0; i < q->parameter_count; i++, before = '&') {
        text_buffer_add_char(url, before);
        text_buffer_add_text(url, q->parameters[i].name);
        text_buffer_add_char(url, '=');
        text_buffer_add_encoded(url, q->parameters[i].value, "");
    }
    if (b->signature == NULL) return;
    text_buffer_add_char(url, before);
    text_buffer_add_text(url, b->signature);
}

/* Writes the value of Authorization, for a key. */
static void sign(const struct blob_client *b, const struct question *q, const char *path, const struct http_header *headers,
                 size_t count, struct text_buffer *authorization)
{
    const struct blob_signed what = {.verb = verb(q->method), .account = b->account, .path = path, .parameters = q->parameters,
                                     .parameter_count = q->parameter_count, .headers = headers, .header_count = count};
    struct text_buffer       text;
    char                     signature[BLOB_SIGNATURE_BYTES];
    text_buffer_init(&text, URL_BYTES);
    blob_string_to_sign(&what, &text);
    if (text_buffer_ok(&text)) {
        blob_signature(b->key, b->key_len, slice_of(text.data, text.len), signature);
        text_buffer_add_text(authorization, "SharedKey ");
        text_buffer_add_text(authorization, b->account);
        text_buffer_add_char(authorization, ':');
        text_buffer_add_text(authorization, signature);
    }
    text_buffer_release(&text);
}

/* Fills in Authorization where one is needed. `url` holds the path only. */
static bool authorize(struct blob_client *b, const struct question *q, const struct text_buffer *url,
                      const struct http_header *headers, size_t count, struct text_buffer *authorization, bool *transient,
                      struct error *err)
{
    if (b->entra != NULL) {
        const char *token = entra_token(b->entra, BLOB_SCOPE, transient, err);
        if (token == NULL) return false;
        text_buffer_add_text(authorization, "Bearer ");
        text_buffer_add_text(authorization, token);
    }
    if (b->key_len > 0) sign(b, q, url->data + b->path_at, headers, count, authorization);
    return (b->signature != NULL || text_buffer_ok(authorization)) ||
           error_set(err, ERROR_NETWORK, "the name of the blob is too long");
}

/* Asks once. False: nothing was asked; the error says why, and *transient whether that may pass. */
static bool ask_once(struct blob_client *b, const struct question *q, struct http_result *result, bool *transient,
                     struct error *err)
{
    char               date[HTTP_DATE_BYTES];
    struct http_header headers[MOST_HEADERS] = {{"x-ms-date", date}, {"x-ms-version", BLOB_VERSION}};
    size_t             count = 2;
    struct text_buffer url, authorization;
    text_buffer_init(&url, URL_BYTES);
    text_buffer_init(&authorization, HTTP_HEADER_LEN);
    http_date_write((time_t)(clock_realtime_ms() / 1000), date);
    if (q->range != NULL) headers[count++] = (struct http_header){"x-ms-range", q->range};
    if (q->if_match != NULL) headers[count++] = (struct http_header){"If-Match", q->if_match};
    build_path(b, q, &url);
    bool asked = text_buffer_ok(&url) && authorize(b, q, &url, headers, count, &authorization, transient, err);
    build_query(b, q, &url);
    if (authorization.len > 0) headers[count++] = (struct http_header){"Authorization", authorization.data};
    if (asked && !text_buffer_ok(&url)) asked = error_set(err, ERROR_NETWORK, "the name of the blob is too long");
    if (asked) {
        const struct http_request request = {.method = q->method, .url = url.data, .headers = headers, .header_count = count,
                                             .max_body = q->max_body > ERROR_BODY_BYTES ? q->max_body : ERROR_BODY_BYTES,
                                             .take_body = q->take_body, .take_context = q->context};
        http_client_perform(b->http, &request, result);
    }
    text_buffer_release(&authorization);
    text_buffer_release(&url);
    return asked;
}

/* --- Trying again ----------------------------------------------------------------------------------------------------- */

/* Waits until the next attempt is due. False: it is too far away, or the client was stopped. */
static bool await(struct blob_client *b, const struct retry *retry)
{
    uint32_t wait = retry_wait_ms(retry);
    if (wait > BLOB_PATIENCE_MS) return false;
    for (; wait > 0 && !http_client_stopped(b->http); wait = retry_wait_ms(retry)) http_client_poll(b->http, (int)wait);
    return !http_client_stopped(b->http);
}

static enum blob_outcome outcome_of(const struct http_result *r)
{
    if (http_result_ok(r)) return BLOB_DONE;
    if (r->failure == HTTP_ANSWERED) {
        if (r->status == 304 || r->status == 416) return BLOB_NOTHING_NEW;
        if (r->status == 412) return BLOB_CHANGED;
        if (r->status == 404) return BLOB_MISSING;
    }
    return http_result_verdict(r) == HTTP_TRANSIENT ? BLOB_LATER : BLOB_FAILED;
}

/* A token may have been withdrawn: one refusal is no verdict. */
static bool token_refused(struct blob_client *b, const struct http_result *r, unsigned attempt)
{
    if (b->entra == NULL || r->status != 401 || attempt > 0) return false;
    entra_forget(b->entra, BLOB_SCOPE);
    return true;
}

static void note_answer(struct blob_client *b, const struct http_result *r)
{
    struct slice after = http_result_header_slice(r, "retry-after");
    b->last = (struct blob_answer){.status = r->status};
    snprintf(b->last.retry_after, sizeof b->last.retry_after, "%.*s", (int)after.len, after.len > 0 ? after.data : "");
}

const struct blob_answer *blob_client_last(const struct blob_client *b) { return &b->last; }

/* Asks until there is an answer that trying again would not change. The result is the caller's, and so is the error when
 * take_body() did not want it (HTTP_UNWANTED). */
static enum blob_outcome ask(struct blob_client *b, const struct question *q, struct http_result *result, struct error *err)
{
    struct retry      retry;
    enum blob_outcome outcome = BLOB_FAILED;
    struct error      last = {0};
    retry_init(&retry, &b->pace, retry_seed());
    for (unsigned attempt = 0;; attempt++) {
        bool transient = false;
        *result = (struct http_result){0};
        last = (struct error){0};
        if (q->begin != NULL && !q->begin(q->context)) {
            error_set(err, ERROR_MEMORY, "out of memory");
            return BLOB_FAILED;
        }
        bool asked = ask_once(b, q, result, &transient, &last);
        note_answer(b, result);
        outcome = asked ? outcome_of(result) : transient ? BLOB_LATER : BLOB_FAILED;
        if (asked && token_refused(b, result, attempt)) outcome = BLOB_LATER;
        if (outcome != BLOB_LATER || attempt + 1 >= b->attempts) break;
        retry_failed(&retry, http_result_header_slice(result, "retry-after"));
        if (!await(b, &retry)) break;
        http_result_release(result);
    }
    bool told = result->failure != HTTP_UNWANTED && (outcome == BLOB_LATER || outcome == BLOB_FAILED || outcome == BLOB_MISSING);
    if (told)
        error_set(err, ERROR_NETWORK, "%s", last.code != ERROR_NONE ? last.text : result->text);
    return outcome;
}

/* --- Listing ---------------------------------------------------------------------------------------------------------- */

struct listing {
    struct blob_page        *page;
    struct blob_list_reader *reader;
};

static bool begin_page(void *context)
{
    struct listing *l = context;
    blob_list_reader_free(l->reader);
    blob_page_clear(l->page);
    l->reader = blob_list_reader_new(l->page);
    return l->reader != NULL;
}

static bool take_page(void *context, struct slice piece)
{
    struct listing *l = context;
    return blob_list_reader_add(l->reader, piece);
}

enum blob_outcome blob_list(struct blob_client *b, const char *container, struct slice prefix, struct blob_page *page,
                            struct error *err)
{
    struct listing     listing = {.page = page};
    struct text_buffer marker = page->next_marker;   /* reading the page replaces it */
    struct question    q = {.method = HTTP_GET, .container = container, .max_body = BLOB_PAGE_BYTES, .take_body = take_page,
                            .begin = begin_page, .context = &listing};
    struct http_result result;
    text_buffer_init(&page->next_marker, BLOB_MARKER_BYTES);
    q.parameters[q.parameter_count++] = (struct blob_parameter){"comp", SLICE("list")};
    if (marker.len > 0) q.parameters[q.parameter_count++] = (struct blob_parameter){"marker", slice_of(marker.data, marker.len)};
    if (prefix.len > 0) q.parameters[q.parameter_count++] = (struct blob_parameter){"prefix", prefix};
    if (container[0] != '\0') q.parameters[q.parameter_count++] = (struct blob_parameter){"restype", SLICE("container")};
    enum blob_outcome outcome = ask(b, &q, &result, err);
    bool              whole = outcome == BLOB_DONE && blob_list_reader_finish(listing.reader);
    if ((outcome == BLOB_DONE && !whole) || result.failure == HTTP_UNWANTED) {
        error_set(err, ERROR_NETWORK, "what was answered is no listing of blobs");
        outcome = BLOB_FAILED;
    }
    if (outcome != BLOB_DONE) {   /* to be asked for again */
        struct text_buffer none = page->next_marker;
        blob_page_clear(page);
        page->next_marker = marker;
        marker = none;
    }
    if (outcome == BLOB_DONE) (void)http_date_read(http_result_header_slice(&result, "date"), &page->date);
    blob_list_reader_free(listing.reader);
    text_buffer_release(&marker);
    http_result_release(&result);
    return outcome;
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

static bool size_of(const struct http_result *r, uint64_t *size)
{
    char       *end;
    const char *text = http_result_header(r, "content-length");
    if (text == NULL || !ascii_is_digit(*text)) return false;
    *size = strtoull(text, &end, 10);
    return *end == '\0' && *size <= INT64_MAX;
}

enum blob_outcome blob_properties(struct blob_client *b, const char *container, struct slice name, struct blob_item *item,
                                  struct error *err)
{
    const struct question q = {.method = HTTP_HEAD, .container = container, .blob = name};
    struct http_result    result;
    enum blob_outcome     outcome = ask(b, &q, &result, err);
    *item = (struct blob_item){0};
    if (outcome == BLOB_DONE) {
        struct slice type = http_result_header_slice(&result, "x-ms-blob-type");
        (void)http_date_read(http_result_header_slice(&result, "last-modified"), &item->modified);
        (void)http_date_read(http_result_header_slice(&result, "x-ms-creation-time"), &item->created);
        blob_etag_take(item->etag, http_result_header_slice(&result, "etag"));
        item->type = blob_type_of(type);
        if (!size_of(&result, &item->size)) {
            error_set(err, ERROR_NETWORK, "what was answered is no blob");
            outcome = BLOB_FAILED;
        }
    }
    http_result_release(&result);
    return outcome;
}

struct piece {
    char  *buffer;
    size_t capacity, len;
};

static bool begin_piece(void *context)
{
    ((struct piece *)context)->len = 0;
    return true;
}

static bool take_piece(void *context, struct slice s)
{
    struct piece *p = context;
    if (s.len > p->capacity - p->len) return false;
    memcpy(p->buffer + p->len, s.data, s.len);
    p->len += s.len;
    return true;
}

/* A service that does not know ranges sends all of it: right for a blob that fits, wrong for anything behind its begin. */
enum blob_outcome blob_read(struct blob_client *b, const char *container, struct slice name, const char *etag, uint64_t offset,
                            char *buffer, size_t capacity, size_t *got, struct error *err)
{
    char            range[64];
    struct piece    piece = {.buffer = buffer, .capacity = capacity};
    struct question q = {.method = HTTP_GET, .container = container, .blob = name, .if_match = etag, .range = range,
                         .max_body = capacity, .take_body = take_piece, .begin = begin_piece, .context = &piece};
    struct http_result result;
    snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)offset, (unsigned long long)(offset + capacity - 1));
    *got = 0;
    enum blob_outcome outcome = ask(b, &q, &result, err);
    if (result.failure == HTTP_UNWANTED || (outcome == BLOB_DONE && result.status != 206 && offset > 0)) {
        error_set(err, ERROR_NETWORK, "what was answered is not the part that was asked for");
        outcome = BLOB_FAILED;
    }
    if (outcome == BLOB_DONE) *got = piece.len;
    if (outcome == BLOB_DONE && piece.len == 0) outcome = BLOB_NOTHING_NEW;   /* 206 without a byte, of the emulator */
    http_result_release(&result);
    return outcome;
}
