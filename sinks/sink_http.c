/* The `http` sink: records to receivers that take them as bodies of HTTP requests.
 *
 *   webhook         JSON Lines, or one JSON array, to any URL
 *   splunk_hec      {url}/services/collector/event: event objects, one behind the other; with `ack`, delivered only when
 *                   {url}/services/collector/ack says that the indexers have them
 *   elasticsearch   {url}/{index}/_bulk: create actions with the event id as _id, so that a record that is there already is
 *                   answered with 409 and counts as delivered
 *   logs_ingestion  {url}/dataCollectionRules/{rule}/streams/{stream}: a JSON array of at most 1 MB, with a token of Entra ID
 *
 * What an answer says about items is read as numbers; its texts may repeat the record and are not looked at. */
#include "net/base64.h"
#include "net/entra.h"
#include "net/retry.h"
#include "net/tls_files.h"
#include "sinks/http_delivery.h"
#include "sinks/metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define URL_BYTES    2048
#define SECRET_BYTES (ENTRA_TOKEN_BYTES + 16)
#define BULK_BYTES   (4u << 20)
#define BULK_ITEMS   5000            /* their answers fit into DELIVERY_ANSWER */
#define BODY_BYTES   1000000         /* the limit of Logs Ingestion, before packing; good for the others */
#define BODY_ITEMS   100000
#define HEC_INVALID_FORMAT 6
#define HEADERS_MOST 8               /* of the configuration's own */
#define USER_BYTES   512             /* of a name and a password, each */
#define CHANNEL_TEXT 37              /* as in 00000000-0000-4000-8000-000000000000 */

enum kind_of_receiver { WEBHOOK, SPLUNK_HEC, ELASTICSEARCH, LOGS_INGESTION };
static const char *const kinds[] = {"webhook", "splunk_hec", "elasticsearch", "logs_ingestion", NULL};

enum { BODY_LINES, BODY_ARRAY };
static const char *const bodies[] = {"lines", "array", NULL};

struct sink_http {
    struct delivery_sink start;
    int                 kind, body;
    const char         *url, *token, *username, *password, *index, *source, *source_type, *channel, *rule, *stream, *scope,
                        *ca_file, *proxy;
    struct text_list    headers;
    bool                gzip, ack;
    uint64_t            timeout_ms, ack_interval_ms, ack_timeout_ms;
    char                target[URL_BYTES], acks[URL_BYTES], authorization[SECRET_BYTES], own_channel[CHANNEL_TEXT];
    char               *header_names[HEADERS_MOST];   /* cut off at the colon; their values stand in `headers` */
    struct encoded      members;         /* of a Splunk event that are the same in all */
    struct http_client *client;          /* of the delivery */
    struct entra       *identity;
};

static const struct setting settings[] = {
    {"kind", SETTING_CHOICE, offsetof(struct sink_http, kind), "webhook", .choices = kinds, .help = "what listens there"},
    {"url", SETTING_TEXT, offsetof(struct sink_http, url), NULL, .required = true, .help = "https://HOST[:PORT]; of a webhook: the whole address"},
    {"token", SETTING_SECRET, offsetof(struct sink_http, token), NULL, .help = "bearer token, token of HEC, or API key of Elasticsearch"},
    {"username", SETTING_TEXT, offsetof(struct sink_http, username), NULL, .help = "elasticsearch, webhook: name of a user, instead of a token"},
    {"password", SETTING_SECRET, offsetof(struct sink_http, password), NULL, .help = "of that user"},
    {"headers", SETTING_SECRETS, offsetof(struct sink_http, headers), NULL, .help = "further headers, each as \"Name: value\""},
    {"body", SETTING_CHOICE, offsetof(struct sink_http, body), "lines", .choices = bodies, .help = "webhook: JSON Lines or one array"},
    {"index", SETTING_TEXT, offsetof(struct sink_http, index), NULL, .help = "elasticsearch: index or data stream; splunk_hec: index"},
    {"source", SETTING_TEXT, offsetof(struct sink_http, source), NULL, .help = "splunk_hec: source of the events"},
    {"source_type", SETTING_TEXT, offsetof(struct sink_http, source_type), NULL, .help = "splunk_hec: their sourcetype"},
    {"ack", SETTING_BOOL, offsetof(struct sink_http, ack), "false", .help = "splunk_hec: delivered is what the indexers have acknowledged"},
    {"ack_interval", SETTING_DURATION, offsetof(struct sink_http, ack_interval_ms), "2s", .least = 100, .most = 60000, .help = "how often they are asked"},
    {"ack_timeout", SETTING_DURATION, offsetof(struct sink_http, ack_timeout_ms), "5m", .least = 1000, .most = 3600000,
     .help = "what they do not acknowledge for so long is sent again"},
    {"channel", SETTING_TEXT, offsetof(struct sink_http, channel), NULL, .help = "splunk_hec: a GUID; without it, with ack, a random one for each run"},
    {"rule", SETTING_TEXT, offsetof(struct sink_http, rule), NULL, .help = "logs_ingestion: immutable id of the data collection rule"},
    {"stream", SETTING_TEXT, offsetof(struct sink_http, stream), NULL, .help = "logs_ingestion: name of the stream, as in Custom-Name_CL"},
    {"scope", SETTING_TEXT, offsetof(struct sink_http, scope), "https://monitor.azure.com/.default", .help = "logs_ingestion: scope of the token"},
    {"gzip", SETTING_BOOL, offsetof(struct sink_http, gzip), "true", .help = "pack the bodies"},
    {"ca_file", SETTING_FILE, offsetof(struct sink_http, ca_file), NULL, .help = "PEM file of the authorities to trust instead of the system's"},
    {"proxy", SETTING_TEXT, offsetof(struct sink_http, proxy), NULL, .help = "http://HOST:PORT"},
    {"timeout", SETTING_DURATION, offsetof(struct sink_http, timeout_ms), "60s", .least = 100, .most = 600000, .help = "for one request"},
    {.name = NULL},
};

/* --- Items ------------------------------------------------------------------------------------------------------------ */

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
    if (r->time_ms >= 0)
        snprintf(time, sizeof time, "\"time\":%lld.%03lld,", (long long)(r->time_ms / 1000), (long long)(r->time_ms % 1000));
    int len = snprintf(head, sizeof head, "{%s\"fields\":{\"lethe_event_id\":\"%s\",\"lethe_kind\":\"%s\"},", time, id,
                       kind_text((enum kind)r->kind));
    return encoded_append(out, slice_of(head, (size_t)len)) && encoded_append(out, slice_of(s->members.data, s->members.len)) &&
           encoded_append(out, SLICE("\"event\":")) && put_record(sink, b, i, out) && encoded_append(out, SLICE("}"));
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

static void put_header(struct delivery_head *head, const char *name, const char *value)
{
    head->headers[head->header_count++] = (struct http_header){name, value};
}

static bool put_authorization(struct sink_http *s, struct delivery_head *head, struct error *err)
{
    static const char *const schemes[] = {"Bearer", "Splunk", "ApiKey", "Bearer"};
    const char              *token = s->token;
    if (s->identity != NULL && (token = entra_token(s->identity, s->scope, NULL, err)) == NULL) return false;
    if (token != NULL) snprintf(s->authorization, sizeof s->authorization, "%s %s", schemes[s->kind], token);
    if (token != NULL || s->username != NULL) put_header(head, "Authorization", s->authorization);
    return true;
}

/* What stands behind the colon, without the blanks before it. */
static const char *header_value(const char *header)
{
    const char *colon = strchr(header, ':');
    return colon + 1 + strspn(colon + 1, " \t");
}

static bool address(struct sink *sink, struct delivery_head *head, struct error *err)
{
    struct sink_http *s = (struct sink_http *)sink;
    head->url = s->target;
    put_header(head, "Content-Type", content_type(s));
    for (size_t i = 0; i < s->headers.count; i++) put_header(head, s->header_names[i], header_value(s->headers.items[i]));
    if (s->channel != NULL || s->ack)
        put_header(head, "X-Splunk-Request-Channel", s->channel != NULL ? s->channel : s->own_channel);
    return put_authorization(s, head, err);
}

/* --- Acknowledgements of Splunk's indexers ---------------------------------------------------------------------------- */

/* {"acks":[17,18]} */
static bool ask(struct sink *sink, const uint64_t *tickets, size_t count, struct delivery_head *head, struct encoded *body,
                struct error *err)
{
    struct sink_http *s = (struct sink_http *)sink;
    bool              made = encoded_append(body, SLICE("{\"acks\":["));
    for (size_t i = 0; made && i < count; i++) {
        char number[24];
        int  len = snprintf(number, sizeof number, "%s%llu", i > 0 ? "," : "", (unsigned long long)tickets[i]);
        made = encoded_append(body, slice_of(number, (size_t)len));
    }
    if (!made || !encoded_append(body, SLICE("]}"))) return error_set(err, ERROR_MEMORY, "no memory to ask for acknowledgements");
    if (!address(sink, head, err)) return false;
    head->url = s->acks;
    return true;
}

/* {"acks":{"17":true,"18":false}}: true is told once. */
static bool read_confirmed(struct sink *sink, const struct http_result *r, const uint64_t *tickets, size_t count, bool *confirmed)
{
    cJSON       *root = delivery_json(r);
    const cJSON *acks = cJSON_GetObjectItemCaseSensitive(root, "acks");
    bool         told = cJSON_IsObject(acks);
    (void)sink;
    for (size_t i = 0; told && i < count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)tickets[i]);
        confirmed[i] = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(acks, number));
    }
    cJSON_Delete(root);
    return told;
}

/* --- Answers ---------------------------------------------------------------------------------------------------------- */

static void read_bulk_item(const cJSON *item, struct item_outcome *outcome)
{
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(item, "create"), "status");
    int          code = cJSON_IsNumber(status) ? status->valueint : 0;
    if (code / 100 == 2 || code == 409) return;
    bool refused = code / 100 == 4 && code != 429 && code != 401 && code != 403 && code != 404 && code != 408;
    *outcome = refused ? (struct item_outcome){ITEM_REJECTED, "refused by the receiver"}
                       : (struct item_outcome){.fate = ITEM_LATER};
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

static void read_ticket(const cJSON *root, struct delivery_answer *a)
{
    const cJSON *ticket = cJSON_GetObjectItemCaseSensitive(root, "ackId");
    if (cJSON_IsNumber(ticket) && ticket->valuedouble >= 0 && ticket->valuedouble < (double)(UINT64_C(1) << 53)) {
        a->verdict = ANSWER_PROMISED;
        a->ticket = (uint64_t)ticket->valuedouble;
    } else {
        a->verdict = ANSWER_LATER;
        a->trouble = "the answer has no ackId: switch indexer acknowledgement on for the token, or take `ack` out";
    }
}

static const char *hec_trouble(int code)
{
    switch (code) {
    case 7: return "Splunk refuses the index: look at `index` and at what the token may write to";
    case 10:
    case 11: return "Splunk wants a channel: the token has indexer acknowledgement on, set `ack: true`";
    case 14: return "indexer acknowledgement is off for the token: switch it on, or take `ack` out";
    default: return NULL;
    }
}

/* Of 400, only complaints about the data are refusals; the others are about the configuration. */
static void read_hec(const struct sink_http *s, const cJSON *root, int status, struct delivery_answer *a)
{
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(root, "code");
    int          value = cJSON_IsNumber(code) ? code->valueint : -1;
    bool         data = value == HEC_INVALID_FORMAT || value == 12 || value == 13 || value == 15;
    if (status / 100 == 2 ? value != 0 : !data && value >= 0) {
        a->verdict = ANSWER_LATER;
        a->trouble = hec_trouble(value);
    } else if (status / 100 == 2 && s->ack) {
        read_ticket(root, a);
    }
}

static void read_answer(struct sink *sink, const struct http_result *r, struct delivery_answer *a)
{
    struct sink_http *s = (struct sink_http *)sink;
    if (r->status == 401 && s->identity != NULL) entra_forget(s->identity, s->scope);
    delivery_read_status(r, a);
    bool spoken = s->kind == ELASTICSEARCH ? http_result_ok(r) : s->kind == SPLUNK_HEC && (http_result_ok(r) || r->status == 400);
    if (!spoken) return;
    cJSON *root = delivery_json(r);
    if (s->kind == ELASTICSEARCH) read_bulk(root, a);
    else read_hec(s, root, r->status, a);
    cJSON_Delete(root);
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    return text != NULL && text[0] != '\0' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")] == '\0';
}

/* Those that the sink itself sends would contradict them. */
static bool check_headers(const struct sink_http *s, struct error *err)
{
    static const char *const taken[] = {"host", "content-type", "content-length", "content-encoding", "transfer-encoding",
                                        "connection"};
    if (s->headers.count > HEADERS_MOST) return error_set(err, ERROR_USAGE, "headers: there are more than %d", HEADERS_MOST);
    for (size_t i = 0; i < s->headers.count; i++) {
        const char  *text = s->headers.items[i];
        struct slice name = slice_of(text, strcspn(text, ":"));
        bool         sound = name.len > 0 && text[name.len] == ':' && strcspn(text, "\r\n") == strlen(text);
        for (size_t c = 0; c < name.len; c++)
            sound = sound && (ascii_is_alnum(name.data[c]) || name.data[c] == '-' || name.data[c] == '_');
        if (!sound) return error_set(err, ERROR_USAGE, "headers: number %zu is not of the form \"Name: value\"", i + 1);
        bool ours = slice_equal_nocase(name, SLICE("authorization")) &&
                    (s->token != NULL || s->username != NULL || s->kind == LOGS_INGESTION);
        for (size_t t = 0; t < sizeof taken / sizeof taken[0]; t++) ours = ours || slice_equal_nocase(name, slice_from(taken[t]));
        if (ours) return error_set(err, ERROR_USAGE, "headers: '%.*s' is set by the sink itself", (int)name.len, name.data);
    }
    return true;
}

static bool check_credentials(const struct sink_http *s, struct error *err)
{
    if (s->token != NULL && strlen(s->token) > ENTRA_TOKEN_BYTES) return error_set(err, ERROR_USAGE, "token: it is too long");
    if ((s->username == NULL) != (s->password == NULL)) return error_set(err, ERROR_USAGE, "username and password go together");
    if (s->username == NULL) return true;
    if (s->token != NULL) return error_set(err, ERROR_USAGE, "a token, or username and password, not both");
    if (s->kind == SPLUNK_HEC || s->kind == LOGS_INGESTION)
        return error_set(err, ERROR_USAGE, "%s knows no username", kinds[s->kind]);
    if (strchr(s->username, ':') != NULL) return error_set(err, ERROR_USAGE, "username: it has a colon");
    return (strlen(s->username) <= USER_BYTES && strlen(s->password) <= USER_BYTES) ||
           error_set(err, ERROR_USAGE, "username or password is too long");
}

static bool is_guid(const char *text)
{
    return strlen(text) == CHANNEL_TEXT - 1 && text[strspn(text, "0123456789abcdefABCDEF-")] == '\0';
}

static bool check(struct sink *sink, struct error *err)
{
    const struct sink_http *s = (const struct sink_http *)sink;
    if (!check_headers(s, err) || !check_credentials(s, err)) return false;
    if ((s->ack || s->channel != NULL) && s->kind != SPLUNK_HEC)
        return error_set(err, ERROR_USAGE, "ack and channel are for splunk_hec");
    if (s->channel != NULL && !is_guid(s->channel)) return error_set(err, ERROR_USAGE, "channel is not a GUID");
    if (strlen(s->url) > URL_BYTES / 2) return error_set(err, ERROR_USAGE, "url: it is too long");
    if (!http_client_may_ask(s->url, err)) return false;
    if (s->kind == SPLUNK_HEC && s->token == NULL) return error_set(err, ERROR_USAGE, "splunk_hec needs a token");
    if (s->kind == ELASTICSEARCH && (!is_name(s->index) || strlen(s->index) > 255))
        return error_set(err, ERROR_USAGE, "elasticsearch needs an index, of letters, digits, '-', '_' and '.'");
    if (s->kind == LOGS_INGESTION && (!is_name(s->rule) || !is_name(s->stream) || strlen(s->rule) + strlen(s->stream) > 500))
        return error_set(err, ERROR_USAGE, "logs_ingestion needs a rule and a stream");
    const char *texts[] = {s->index, s->source, s->source_type};
    for (size_t i = 0; i < 3; i++)
        if (texts[i] != NULL && !is_name(texts[i]))
            return error_set(err, ERROR_USAGE, "index, source and source_type have letters, digits and -_.: only");
    if (s->kind != WEBHOOK && s->start.base.format == FORMAT_CEF)
        return error_set(err, ERROR_USAGE, "the format cef goes to a webhook only");
    if (s->body == BODY_ARRAY && s->start.base.format == FORMAT_CEF) return error_set(err, ERROR_USAGE, "cef makes no array");
    return tls_files_check(NULL, NULL, s->ca_file, err);
}

static bool put_member(struct encoded *out, const char *name, const char *value)
{
    return value == NULL || (encoded_append(out, SLICE("\"")) && encoded_append(out, slice_from(name)) &&
                             encoded_append(out, SLICE("\":\"")) && encoded_append(out, slice_from(value)) &&
                             encoded_append(out, SLICE("\",")));
}

static struct delivery_rules make_rules(const struct sink_http *s)
{
    static const char *const look[] = {"url, format and body", "url, token and index", "url, index and its mapping",
                                       "rule, stream and the columns of its table"};
    struct delivery_rules rules = {.body_bytes = BODY_BYTES, .body_items = BODY_ITEMS, .item_bytes = BODY_BYTES, .gzip = s->gzip,
                                   .timeout_ms = s->timeout_ms, .look = look[s->kind], .put_item = put_record, .address = address,
                                   .read = read_answer};
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
    if (s->ack) {
        rules.confirm_every_ms = s->ack_interval_ms;
        rules.confirm_within_ms = s->ack_timeout_ms;
        rules.ask = ask;
        rules.read_confirmed = read_confirmed;
    }
    return rules;
}

static void make_target(struct sink_http *s)
{
    int base = (int)strlen(s->url);
    while (s->kind != WEBHOOK && base > 0 && s->url[base - 1] == '/') base--;
    switch ((enum kind_of_receiver)s->kind) {
    case WEBHOOK: snprintf(s->target, URL_BYTES, "%s", s->url); break;
    case SPLUNK_HEC:
        snprintf(s->target, URL_BYTES, "%.*s/services/collector/event", base, s->url);
        snprintf(s->acks, URL_BYTES, "%.*s/services/collector/ack", base, s->url);
        break;
    case ELASTICSEARCH:
        snprintf(s->target, URL_BYTES, "%.*s/%s/_bulk?filter_path=errors,items.*.status", base, s->url, s->index);
        break;
    case LOGS_INGESTION:
        snprintf(s->target, URL_BYTES, "%.*s/dataCollectionRules/%s/streams/%s?api-version=2023-01-01", base, s->url, s->rule,
                 s->stream);
        break;
    }
}

/* A channel of one's own for each run: acknowledgements of an earlier one are nobody's. RFC 9562, version 4. */
static bool make_channel(struct sink_http *s, struct error *err)
{
    uint8_t r[16];
    if (!s->ack || s->channel != NULL) return true;
    if (getrandom(r, sizeof r, 0) != sizeof r) return error_set_errno(err, ERROR_MEMORY, "cannot make a channel");
    r[6] = (uint8_t)(0x40 | (r[6] & 0x0f));
    r[8] = (uint8_t)(0x80 | (r[8] & 0x3f));
    snprintf(s->own_channel, sizeof s->own_channel, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
             r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
    return true;
}

static bool make_headers(struct sink_http *s, struct error *err)
{
    for (size_t i = 0; i < s->headers.count; i++)
        if ((s->header_names[i] = strndup(s->headers.items[i], strcspn(s->headers.items[i], ":"))) == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for the sink %s", s->start.base.name);
    if (s->username == NULL) return true;
    char pair[2 * USER_BYTES + 2];
    int  len = snprintf(pair, sizeof pair, "%s:%s", s->username, s->password);
    memcpy(s->authorization, "Basic ", 6);
    base64_write((const unsigned char *)pair, (size_t)len, s->authorization + 6);
    explicit_bzero(pair, sizeof pair);
    return true;
}

static void close_sink(struct sink *sink)
{
    struct sink_http *s = (struct sink_http *)sink;
    for (size_t i = 0; i < HEADERS_MOST; i++) {
        free(s->header_names[i]);
        s->header_names[i] = NULL;
    }
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
    if (!make_channel(s, err) || !make_headers(s, err)) return false;
    s->client = http_client_new(&(struct http_client_options){.ca_file = s->ca_file, .proxy = s->proxy}, err);
    if (s->client == NULL) return false;
    entra_options_from_environment(&options);
    if (s->kind == LOGS_INGESTION && s->token == NULL && (s->identity = entra_new(&options, s->client, err)) == NULL)
        return false;
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
