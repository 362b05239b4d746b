/* The `appinsights` sink: items of the ingestion protocol of Application Insights, POST {IngestionEndpoint}/v2.1/track.
 *
 * (1) Every item gets the key of the connection string, at the place where encode.h says that it stands.
 * (2) An item that is older than the service takes is sent with the time of now; its own is kept as the property
 *     `lethe_original_time`.
 * (3) A redirect is followed to https at the same host or at a host of Azure Monitor, and remembered until there is no answer,
 *     or one that says that there is nothing; a token goes nowhere else.
 * (4) What the service says of an item is read as its index and its number. A complaint about the key is nobody's item:
 *     everything waits until the key is right.
 * Formats: body is a JSON array or JSON objects one a line (x-json-stream), which is what is sent. */
#include "base/clock.h"
#include "base/timestamp.h"
#include "net/connection_string.h"
#include "net/entra.h"
#include "net/retry.h"
#include "net/tls_files.h"
#include "sinks/http_delivery.h"

#include <stdio.h>
#include <stdlib.h>

#define URL_BYTES      2048
#define BEARER_BYTES   (ENTRA_TOKEN_BYTES + 16)
#define BODY_BYTES     (1u << 20)
#define BODY_ITEMS     10000
#define ITEM_BYTES     65536
#define TIME_LEN       24
#define OLDEST_MS      ((48 * 60 - 5) * 60 * 1000LL)   /* five minutes less than the service: for the way */
#define NEWEST_MS      ((2 * 60 - 5) * 60 * 1000LL)
#define QUOTA_HOLD_MS  (5 * 60 * 1000)                 /* when the service does not say how long */
#define REDIRECTS_MOST 10                              /* in a row */
#define SCOPE          "https://monitor.azure.com/.default"

struct sink_appinsights {
    struct delivery_sink start;
    const char                *connection_string, *ca_file, *proxy;
    bool                       entra;
    uint64_t                   timeout_ms;
    struct app_insights_string target;
    char                       url[URL_BYTES], scope[URL_BYTES], bearer[BEARER_BYTES];
    unsigned                   redirects;
    struct http_client        *client;     /* of the delivery */
    struct entra              *identity;
};

static const struct setting settings[] = {
    {"connection_string", SETTING_SECRET, offsetof(struct sink_appinsights, connection_string), NULL, .required = true,
     .help = "of the component: InstrumentationKey=...;IngestionEndpoint=..."},
    {"entra", SETTING_BOOL, offsetof(struct sink_appinsights, entra), "false",
     .help = "send a token of Microsoft Entra ID; who we are comes from the AZURE_ variables or the managed identity"},
    {"ca_file", SETTING_FILE, offsetof(struct sink_appinsights, ca_file), NULL, .help = "PEM file of the authorities to trust instead of the system's"},
    {"proxy", SETTING_TEXT, offsetof(struct sink_appinsights, proxy), NULL, .help = "http://HOST:PORT"},
    {"timeout", SETTING_DURATION, offsetof(struct sink_appinsights, timeout_ms), "60s", .least = 100, .most = 600000, .help = "for one request"},
    {.name = NULL},
};

/* --- Items ------------------------------------------------------------------------------------------------------------ */

static bool is_out_of_time(struct slice time)
{
    int64_t ms = 0, now = (int64_t)clock_realtime_ms();
    return !timestamp_parse(time, &ms) || ms < now - OLDEST_MS || ms > now + NEWEST_MS;
}

/* Behind the brace of `properties`. The name with its quotes stands in no text, where quotes are escaped. */
static size_t properties_at(struct slice item)
{
    static const char name[] = "\"properties\":{";
    const char       *at = memmem(item.data, item.len, name, sizeof name - 1);
    return at == NULL ? 0 : (size_t)(at - item.data) + sizeof name - 1;
}

static size_t own_properties(const struct sink *sink, const struct block_record *r, struct slice original_time, char *out,
                             size_t room)
{
    char   id[EVENT_ID_TEXT];
    size_t len = 0;
    event_id_text(r, id);
    if (sink->metadata)
        len += (size_t)snprintf(out, room, "\"lethe_event_id\":\"%s\",\"lethe_kind\":\"%s\",", id, kind_text((enum kind)r->kind));
    if (original_time.len > 0)
        len += (size_t)snprintf(out + len, room - len, "\"lethe_original_time\":\"%.*s\",", (int)original_time.len,
                                original_time.data);
    return len;
}

static bool put_item(struct sink *sink, const struct block *b, size_t i, struct encoded *out)
{
    struct sink_appinsights *s = (struct sink_appinsights *)sink;
    struct slice             item = sink_bytes(sink, b, i), time = {0};
    char                     own[256], now[TIMESTAMP_TEXT];
    size_t                   properties = properties_at(item), start = out->len;
    if (item.len <= APPINSIGHTS_TIME_AT + TIME_LEN || properties <= APPINSIGHTS_TIME_AT) return true;   /* it is no item */
    bool restamp = is_out_of_time(slice_of(item.data + APPINSIGHTS_TIME_AT, TIME_LEN));
    if (restamp) time = slice_of(item.data + APPINSIGHTS_TIME_AT, TIME_LEN);
    size_t len = own_properties(sink, &b->records[i], time, own, sizeof own);
    if (len > 0 && item.data[properties] == '}') len--;   /* no comma before the end */
    if (!encoded_append(out, slice_sub(item, 0, properties)) || !encoded_append(out, slice_of(own, len)) ||
        !encoded_append(out, slice_sub(item, properties, item.len)))
        return false;
    memcpy(out->data + start + APPINSIGHTS_IKEY_AT, s->target.instrumentation_key, APPINSIGHTS_IKEY_LEN);
    if (restamp) memcpy(out->data + start + APPINSIGHTS_TIME_AT, timestamp_text((int64_t)clock_realtime_ms(), now), TIME_LEN);
    return true;
}

static bool address(struct sink *sink, struct delivery_head *head, struct error *err)
{
    struct sink_appinsights *s = (struct sink_appinsights *)sink;
    head->url = s->url;
    head->headers[head->header_count++] = (struct http_header){"Content-Type", "application/x-json-stream"};
    if (!s->entra) return true;
    const char *token = entra_token(s->identity, s->scope, NULL, err);
    if (token == NULL) return false;
    snprintf(s->bearer, sizeof s->bearer, "Bearer %s", token);
    head->headers[head->header_count++] = (struct http_header){"Authorization", s->bearer};
    return true;
}

/* --- Answers ---------------------------------------------------------------------------------------------------------- */

static bool is_transient(int status)
{
    return status == 401 || status == 402 || status == 403 || status == 408 || status == 429 || status == 439 || status >= 500;
}

/* "Invalid instrumentation key". Only the service's own words count: what it repeats of an item stands behind them. */
static bool names_the_key(const cJSON *error)
{
    static const char words[] = "invalid instrumentation key";
    const char       *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "message"));
    return message != NULL && strncasecmp(message, words, sizeof words - 1) == 0;
}

static void read_item(const cJSON *error, int status, struct delivery_answer *a, struct item_outcome *item)
{
    bool quota = status == 402 || status == 439;
    if (status == 206) *item = (struct item_outcome){ITEM_UNWANTED, "sampled out by the service"};
    else if (is_transient(status) || names_the_key(error)) item->fate = ITEM_LATER;
    else if (status / 100 != 2)
        *item = (struct item_outcome){ITEM_REJECTED, status == 413 ? "too large" : "refused by the receiver"};
    if (quota && a->hold_ms == 0) a->hold_ms = QUOTA_HOLD_MS;
}

static bool is_index(const cJSON *index, size_t count)
{
    return cJSON_IsNumber(index) && index->valuedouble >= 0 && index->valuedouble < (double)count &&
           index->valuedouble == (double)(size_t)index->valuedouble;
}

/* The outcome of each item. False: there is an item in it that was not sent, or none where one was refused. */
static bool read_errors(const cJSON *errors, struct delivery_answer *a)
{
    const cJSON *error;
    cJSON_ArrayForEach(error, errors) {
        const cJSON *index = cJSON_GetObjectItemCaseSensitive(error, "index"),
                     *status = cJSON_GetObjectItemCaseSensitive(error, "statusCode");
        if (!is_index(index, a->count) || !cJSON_IsNumber(status)) return false;
        read_item(error, status->valueint, a, &a->items[(size_t)index->valuedouble]);
    }
    return cJSON_GetArraySize(errors) > 0;
}

/* Whether the number of accepted items leaves room for all that no error names; without a number it does. */
static bool accounts_for(const cJSON *accepted, const struct delivery_answer *a)
{
    size_t unnamed = 0;
    for (size_t i = 0; i < a->count; i++) unnamed += a->items[i].fate == ITEM_DELIVERED;
    return !cJSON_IsNumber(accepted) || accepted->valuedouble >= (double)unnamed;
}

/* Of 400, nothing was taken; of 206, what no error names was, if there were as many. */
static void read_items(const struct http_result *r, struct delivery_answer *a)
{
    cJSON       *root = delivery_json(r);
    const cJSON *errors = cJSON_GetObjectItemCaseSensitive(root, "errors"),
                 *accepted = cJSON_GetObjectItemCaseSensitive(root, "itemsAccepted");
    bool         all = r->status == 206 && cJSON_IsNumber(accepted) && accepted->valuedouble == (double)a->count;
    for (size_t i = 0; r->status == 400 && i < a->count; i++) a->items[i].fate = ITEM_LATER;
    if (all || (cJSON_IsArray(errors) && read_errors(errors, a) && accounts_for(accepted, a))) a->verdict = ANSWER_ITEMS;
    else if (r->status == 206) a->verdict = ANSWER_UNCLEAR;
    cJSON_Delete(root);
}

static bool ends_with(struct slice text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && slice_equal_nocase(slice_sub(text, text.len - len, text.len), slice_from(end));
}

/* Host and port of an https URL; nothing: it is none, or has a user or characters that no host has. */
static struct slice host_of(const char *url)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:";
    if (strncmp(url, "https://", 8) != 0) return (struct slice){0};
    size_t len = strspn(url + 8, allowed);
    return url[8 + len] == '/' ? slice_of(url + 8, len) : (struct slice){0};
}

static bool may_go_to(const char *url, const char *from)
{
    static const char *const trusted[] = {".monitor.azure.com", ".services.visualstudio.com", ".applicationinsights.azure.com",
                                          ".monitor.azure.us", ".applicationinsights.azure.us", ".monitor.azure.cn",
                                          ".applicationinsights.azure.cn"};
    struct slice host = host_of(url), old = host_of(from);
    if (host.len == 0) return false;
    if (old.len > 0 && slice_equal_nocase(host, old)) return true;
    for (size_t i = 0; i < sizeof trusted / sizeof trusted[0]; i++)
        if (ends_with(host, trusted[i])) return true;
    return false;
}

/* To the address of the connection string: where a redirect led to may be no more. */
static void go_home(struct sink_appinsights *s)
{
    s->redirects = 0;
    snprintf(s->url, sizeof s->url, "%s/v2.1/track", s->target.ingestion_endpoint);
}

static void read_redirect(struct sink_appinsights *s, const struct http_result *r, struct delivery_answer *a)
{
    const char *to = http_result_header(r, "Location");
    if (to == NULL || strlen(to) >= sizeof s->url || !may_go_to(to, s->url) || s->redirects == REDIRECTS_MOST) {
        go_home(s);
        return;
    }
    s->redirects++;
    memcpy(s->url, to, strlen(to) + 1);
    a->verdict = ANSWER_ELSEWHERE;
}

static void unanswered(struct sink *sink) { go_home((struct sink_appinsights *)sink); }

static void read_answer(struct sink *sink, const struct http_result *r, struct delivery_answer *a)
{
    struct sink_appinsights *s = (struct sink_appinsights *)sink;
    if (r->status == 307 || r->status == 308) {
        read_redirect(s, r, a);
        return;
    }
    s->redirects = 0;
    if (r->status == 404 || r->status == 410 || r->status / 100 == 5) go_home(s);
    if (r->status == 401 && s->identity != NULL) entra_forget(s->identity, s->scope);
    delivery_read_status(r, a);
    if ((r->status == 402 || r->status == 439) && a->hold_ms == 0) a->hold_ms = QUOTA_HOLD_MS;
    if (r->status == 206 || r->status == 400) read_items(r, a);
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

static bool check(struct sink *sink, struct error *err)
{
    struct sink_appinsights   *s = (struct sink_appinsights *)sink;
    struct app_insights_string target = {0};
    if (!app_insights_string_parse(slice_from(s->connection_string), &target, err)) return false;
    bool fits = strlen(target.instrumentation_key) == APPINSIGHTS_IKEY_LEN && strlen(target.ingestion_endpoint) < URL_BYTES / 2;
    app_insights_string_release(&target);
    if (!fits) return error_set(err, ERROR_USAGE, "connection_string: the key or the endpoint has a length that it cannot have");
    return tls_files_check(NULL, NULL, s->ca_file, err);
}

static bool open_client(struct sink_appinsights *s, struct error *err)
{
    const struct delivery_rules rules = {
        .between = SLICE("\n"), .body_bytes = BODY_BYTES, .body_items = BODY_ITEMS, .item_bytes = ITEM_BYTES, .gzip = true,
        .timeout_ms = s->timeout_ms, .look = "connection_string and entra", .put_item = put_item, .address = address,
        .read = read_answer, .unanswered = unanswered};
    struct entra_options options = {0};
    s->client = http_client_new(&(struct http_client_options){.ca_file = s->ca_file, .proxy = s->proxy}, err);
    if (s->client == NULL) return false;
    entra_options_from_environment(&options);
    if (s->entra && (s->identity = entra_new(&options, s->client, err)) == NULL) return false;
    s->start.delivery = delivery_new(&s->start.base, &rules, s->client);
    return s->start.delivery != NULL || error_set(err, ERROR_MEMORY, "no memory for the sink %s", s->start.base.name);
}

static void close_sink(struct sink *sink)
{
    struct sink_appinsights *s = (struct sink_appinsights *)sink;
    if (s->start.delivery != NULL) delivery_free(s->start.delivery);
    else http_client_free(s->client);
    entra_free(s->identity);
    app_insights_string_release(&s->target);
    s->start.delivery = NULL;
    s->client = NULL;
    s->identity = NULL;
    explicit_bzero(s->bearer, sizeof s->bearer);
}

static bool open_sink(struct sink *sink, struct error *err)
{
    struct sink_appinsights *s = (struct sink_appinsights *)sink;
    if (!app_insights_string_parse(slice_from(s->connection_string), &s->target, err)) return false;
    go_home(s);
    if (s->target.audience == NULL) snprintf(s->scope, sizeof s->scope, "%s", SCOPE);
    else snprintf(s->scope, sizeof s->scope, "%s/.default", s->target.audience);
    if (open_client(s, err)) return true;
    close_sink(sink);
    return false;
}

const struct sink_type sink_appinsights = {
    .name = "appinsights",
    .summary = "Application Insights",
    .bytes = sizeof(struct sink_appinsights),
    .settings = settings,
    .formats = "appinsights",
    .network = true,
    .check = check,
    .open = open_sink,
    .take = delivery_take,
    .poll = delivery_poll,
    .wake = delivery_wake,
    .close = close_sink,
};
