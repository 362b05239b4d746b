/* The `http` sink: records to receivers that take them as bodies of HTTP requests.
 *
 *   webhook         JSON Lines, or one JSON array, to any URL
 *   splunk_hec      {url}/services/collector/event: event objects, one behind the other
 *   elasticsearch   {url}/{index}/_bulk: create actions with the event id as _id, so that a record that is there already is
 *                   answered with 409 and counts as delivered
 *   logs_ingestion  {url}/dataCollectionRules/{rule}/streams/{stream}: a JSON array of at most 1 MB, with a token of Entra ID
 *
 * What an answer says about items is read as numbers; its texts may repeat the record and are not looked at. */
#include "net/entra.h"
#include "net/retry.h"
#include "sinks/http_delivery.h"
#include "sinks/metadata.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#define URL_BYTES    2048
#define SECRET_BYTES (ENTRA_TOKEN_BYTES + 16)
#define BULK_BYTES   (4u << 20)
#define BULK_ITEMS   5000            /* their answers fit into DELIVERY_ANSWER */
#define BODY_BYTES   1000000         /* the limit of Logs Ingestion, before packing; good for the others */
#define BODY_ITEMS   100000
#define HEC_INVALID_FORMAT 6

enum kind_of_receiver { WEBHOOK, SPLUNK_HEC, ELASTICSEARCH, LOGS_INGESTION };
static const char *const kinds[] = {"webhook", "splunk_hec", "elasticsearch", "logs_ingestion", NULL};

enum { BODY_LINES, BODY_ARRAY };
static const char *const bodies[] = {"lines", "array", NULL};

struct sink_http {
    struct delivery_sink start;
    int                 kind, body;
    const char         *url, *token, *index, *source, *source_type, *rule, *stream, *scope, *ca_file, *proxy;
    bool                gzip;
    uint64_t            timeout_ms;
    char                target[URL_BYTES], authorization[SECRET_BYTES];
    struct encoded      members;         /* of a Splunk event that are the same in all */
    struct http_client *client;          /* of the delivery */
    struct entra       *identity;
};

static const struct setting settings[] = {
    {"kind", SETTING_CHOICE, offsetof(struct sink_http, kind), "webhook", .choices = kinds, .help = "what listens there"},
    {"url", SETTING_TEXT, offsetof(struct sink_http, url), NULL, .required = true, .help = "https://HOST[:PORT]; of a webhook: the whole address"},
    {"token", SETTING_SECRET, offsetof(struct sink_http, token), NULL, .help = "bearer token, token of HEC, or API key of Elasticsearch"},
    {"body", SETTING_CHOICE, offsetof(struct sink_http, body), "lines", .choices = bodies, .help = "webhook: JSON Lines or one array"},
    {"index", SETTING_TEXT, offsetof(struct sink_http, index), NULL, .help = "elasticsearch: index or data stream; splunk_hec: index"},
    {"source", SETTING_TEXT, offsetof(struct sink_http, source), NULL, .help = "splunk_hec: source of the events"},
    {"source_type", SETTING_TEXT, offsetof(struct sink_http, source_type), NULL, .help = "splunk_hec: their sourcetype"},
    {"rule", SETTING_TEXT, offsetof(struct sink_http, rule), NULL, .help = "logs_ingestion: immutable id of the data collection rule"},
    {"stream", SETTING_TEXT, offsetof(struct sink_http, stream), NULL, .help = "logs_ingestion: name of the stream, as in Custom-Name_CL"},
    {"scope", SETTING_TEXT, offsetof(struct sink_http, scope), "https://monitor.azure.com/.default", .help = "logs_ingestion: scope of the token"},
    {"gzip", SETTING_BOOL, offsetof(struct sink_http, gzip), "true", .help = "pack the bodies"},
    {"ca_file", SETTING_TEXT, offsetof(struct sink_http, ca_file), NULL, .help = "PEM file of the authorities to trust instead of the system's"},
    {"proxy", SETTING_TEXT, offsetof(struct sink_http, proxy), NULL, .help = "http://HOST:PORT"},
    {"timeout", SETTING_DURATION, offsetof(struct sink_http, timeout_ms), "60s", .least = 100, .most = 600000, .help = "for one request"},
    {.name = NULL},
};

/* --- Items ---------------------------------------------------------------------------------------------------------------------- */

static bool put_record(struct sink *sink, const struct block *b, size_t i, struct encoded *out)
{
    if (!metadata_append(sink, b, i, out)) return false;
    out->len--;   /* the line feed */
    return true;
}

/* {"time":1795321200.123,"source":"...","fields":{...},"event":{...}} */
static bool put_event(struct sink *sink, const struct block *b, size_t i, struct encoded *out)
{
    const struct sink_http    *s = (const struct sink_http *)sink;
    const struct block_record *r = &b->records[i];
    char                       id[EVENT_ID_TEXT], head[200], time[48] = "";
    event_id_text(r, id);
    if (r->time_ms >= 0) snprintf(time, sizeof time, "\"time\":%lld.%03lld,", (long long)(r->time_ms / 1000), (long long)(r->time_ms % 1000));
    int len = snprintf(head, sizeof head, "{%s\"fields\":{\"lethe_event_id\":\"%s\",\"lethe_kind\":\"%s\"},", time, id, kind_text((enum kind)r->kind));
    return encoded_append(out, slice_of(head, (size_t)len)) && encoded_append(out, slice_of(s->members.data, s->members.len)) && encoded_append(out, SLICE("\"event\":")) &&
           put_record(sink, b, i, out) && encoded_append(out, SLICE("}"));
}

static bool put_bulk(struct sink *sink, const struct block *b, size_t i, struct encoded *out)
{
    char id[EVENT_ID_TEXT], action[100];
    event_id_text(&b->records[i], id);
    int len = snprintf(action, sizeof action, "{\"create\":{\"_id\":\"%s\"}}\n", id);
    return encoded_append(out, slice_of(action, (size_t)len)) && put_record(sink, b, i, out) && encoded_append(out, SLICE("\n"));
}

static const char *content_type(const struct sink_http *s)
{
    if (s->kind == ELASTICSEARCH || (s->kind == WEBHOOK && s->body == BODY_LINES)) return "application/x-ndjson";
    return "application/json";
}

static bool address(struct sink *sink, struct delivery_head *head, struct error *err)
{
    static const char *const schemes[] = {"Bearer", "Splunk", "ApiKey", "Bearer"};
    struct sink_http        *s = (struct sink_http *)sink;
    const char              *token = s->token;
    head->url = s->target;
    head->headers[head->header_count++] = (struct http_header){"Content-Type", content_type(s)};
    if (s->identity != NULL && (token = entra_token(s->identity, s->scope, NULL, err)) == NULL) return false;
    if (token == NULL) return true;
    snprintf(s->authorization, sizeof s->authorization, "%s %s", schemes[s->kind], token);
    head->headers[head->header_count++] = (struct http_header){"Authorization", s->authorization};
    return true;
}

/* --- Answers -------------------------------------------------------------------------------------------------------------------- */

static void read_bulk_item(const cJSON *item, struct item_outcome *outcome)
{
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(item, "create"), "status");
    int          code = cJSON_IsNumber(status) ? status->valueint : 0;
    if (code / 100 == 2 || code == 409) return;
    bool refused = code / 100 == 4 && code != 429 && code != 401 && code != 403 && code != 404 && code != 408;
    *outcome = refused ? (struct item_outcome){ITEM_REJECTED, "refused by the receiver"} : (struct item_outcome){.fate = ITEM_LATER};
}

/* Without as many items as were sent it is no answer. */
static void read_bulk(cJSON *root, struct delivery_answer *a)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(root, "items"), *item;
    size_t       n = 0;
    a->verdict = ANSWER_LATER;
    if (!cJSON_IsArray(items) || (size_t)cJSON_GetArraySize(items) != a->count) return;
    cJSON_ArrayForEach(item, items) read_bulk_item(item, &a->items[n++]);
    a->verdict = ANSWER_ITEMS;
}

/* Of 400, only complaints about the data are answered by dividing; the others are about the configuration. */
static void read_hec(const cJSON *root, int status, struct delivery_answer *a)
{
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(root, "code");
    int          value = cJSON_IsNumber(code) ? code->valueint : -1;
    if (status / 100 == 2 ? value != 0 : value != HEC_INVALID_FORMAT && value != 12 && value != 13 && value != 15) a->verdict = ANSWER_LATER;
}

static void read_answer(struct sink *sink, const struct http_result *r, struct delivery_answer *a)
{
    struct sink_http *s = (struct sink_http *)sink;
    if (r->status == 401 && s->identity != NULL) entra_forget(s->identity, s->scope);
    delivery_read_status(r, a);
    bool spoken = s->kind == ELASTICSEARCH ? http_result_ok(r) : s->kind == SPLUNK_HEC && (http_result_ok(r) || r->status == 400);
    if (!spoken) return;
    cJSON *root = r->body != NULL ? cJSON_ParseWithLength(r->body, r->body_len) : NULL;
    if (s->kind == ELASTICSEARCH) read_bulk(root, a);
    else read_hec(root, r->status, a);
    cJSON_Delete(root);
}

/* --- Life ----------------------------------------------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    return text != NULL && text[0] != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")] == '\0';
}

static bool check(struct sink *sink, struct error *err)
{
    const struct sink_http *s = (const struct sink_http *)sink;
    if (strlen(s->url) > URL_BYTES / 2) return error_set(err, ERROR_USAGE, "url: it is too long");
    if (s->token != NULL && strlen(s->token) > ENTRA_TOKEN_BYTES) return error_set(err, ERROR_USAGE, "token: it is too long");
    if (s->kind == SPLUNK_HEC && s->token == NULL) return error_set(err, ERROR_USAGE, "splunk_hec needs a token");
    if (s->kind == ELASTICSEARCH && (!is_name(s->index) || strlen(s->index) > 255))
        return error_set(err, ERROR_USAGE, "elasticsearch needs an index, of letters, digits, '-', '_' and '.'");
    if (s->kind == LOGS_INGESTION && (!is_name(s->rule) || !is_name(s->stream) || strlen(s->rule) + strlen(s->stream) > 500))
        return error_set(err, ERROR_USAGE, "logs_ingestion needs a rule and a stream");
    const char *texts[] = {s->index, s->source, s->source_type};
    for (size_t i = 0; i < 3; i++)
        if (texts[i] != NULL && !is_name(texts[i])) return error_set(err, ERROR_USAGE, "index, source and source_type have letters, digits and -_.: only");
    if (s->kind != WEBHOOK && s->start.base.format == FORMAT_CEF) return error_set(err, ERROR_USAGE, "the format cef goes to a webhook only");
    if (s->body == BODY_ARRAY && s->start.base.format == FORMAT_CEF) return error_set(err, ERROR_USAGE, "cef makes no array");
    return true;
}

static bool put_member(struct encoded *out, const char *name, const char *value)
{
    return value == NULL || (encoded_append(out, SLICE("\"")) && encoded_append(out, slice_from(name)) && encoded_append(out, SLICE("\":\"")) &&
                             encoded_append(out, slice_from(value)) && encoded_append(out, SLICE("\",")));
}

static struct delivery_rules make_rules(const struct sink_http *s)
{
    struct delivery_rules rules = {.body_bytes = BODY_BYTES, .body_items = BODY_ITEMS, .item_bytes = BODY_BYTES, .gzip = s->gzip,
                                   .timeout_ms = s->timeout_ms, .put_item = put_record, .address = address, .read = read_answer};
    if (s->kind == LOGS_INGESTION || (s->kind == WEBHOOK && s->body == BODY_ARRAY)) {
        rules.open = SLICE("[");
        rules.between = SLICE(",");
        rules.close = SLICE("]");
    } else if (s->kind == ELASTICSEARCH) {
        rules.body_bytes = rules.item_bytes = BULK_BYTES;
        rules.body_items = BULK_ITEMS;
        rules.put_item = put_bulk;
    } else {
        rules.between = rules.close = SLICE("\n");
        if (s->kind == SPLUNK_HEC) rules.put_item = put_event;
    }
    return rules;
}

static void make_target(struct sink_http *s)
{
    int base = (int)strlen(s->url);
    while (s->kind != WEBHOOK && base > 0 && s->url[base - 1] == '/') base--;
    switch ((enum kind_of_receiver)s->kind) {
    case WEBHOOK: snprintf(s->target, URL_BYTES, "%s", s->url); break;
    case SPLUNK_HEC: snprintf(s->target, URL_BYTES, "%.*s/services/collector/event", base, s->url); break;
    case ELASTICSEARCH: snprintf(s->target, URL_BYTES, "%.*s/%s/_bulk?filter_path=errors,items.*.status", base, s->url, s->index); break;
    case LOGS_INGESTION:
        snprintf(s->target, URL_BYTES, "%.*s/dataCollectionRules/%s/streams/%s?api-version=2023-01-01", base, s->url, s->rule, s->stream);
        break;
    }
}

static void close_sink(struct sink *sink)
{
    struct sink_http *s = (struct sink_http *)sink;
    if (s->start.delivery != NULL) delivery_free(s->start.delivery);
    else http_client_free(s->client);
    entra_free(s->identity);
    encoded_release(&s->members);
    s->members = (struct encoded){0};
    s->start.delivery = NULL;
    s->client = NULL;
    s->identity = NULL;
    explicit_bzero(s->authorization, sizeof s->authorization);
}

static bool open_parts(struct sink_http *s, struct error *err)
{
    const struct delivery_rules rules = make_rules(s);
    struct entra_options        options = {0};
    s->client = http_client_new(&(struct http_client_options){.ca_file = s->ca_file, .proxy = s->proxy}, err);
    if (s->client == NULL) return false;
    entra_options_from_environment(&options);
    if (s->kind == LOGS_INGESTION && s->token == NULL && (s->identity = entra_new(&options, s->client, err)) == NULL) return false;
    if (put_member(&s->members, "index", s->index) && put_member(&s->members, "source", s->source) &&
        put_member(&s->members, "sourcetype", s->source_type))
        s->start.delivery = delivery_new(&s->start.base, &rules, s->client);
    return s->start.delivery != NULL || error_set(err, ERROR_MEMORY, "no memory for the sink %s", s->start.base.name);
}

static bool open_sink(struct sink *sink, struct error *err)
{
    make_target((struct sink_http *)sink);
    if (open_parts((struct sink_http *)sink, err)) return true;
    close_sink(sink);
    return false;
}

const struct sink_type sink_http = {
    .name = "http",
    .summary = "a webhook, Splunk, Elasticsearch, or Azure Monitor",
    .bytes = sizeof(struct sink_http),
    .settings = settings,
    .formats = "flat original ecs ocsf cef appinsights",
    .network = true,
    .check = check,
    .open = open_sink,
    .take = delivery_take,
    .poll = delivery_poll,
    .wake = delivery_wake,
    .close = close_sink,
};
