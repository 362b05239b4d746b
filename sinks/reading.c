#include "sinks/reading.h"

#include "base/timestamp.h"

#include <arpa/inet.h>

#define BLOCK_BYTES 16384
#define ROOM_MAX ((size_t)1 << 40)   /* records are bounded elsewhere */

_Static_assert(FIELD_ALL <= GIVEN_MAX, "every field may be given");

void reading_init(struct reading *r)
{
    *r = (struct reading){0};
    arena_init(&r->arena, BLOCK_BYTES, ROOM_MAX);
}

void reading_release(struct reading *r) { arena_release(&r->arena); }

char *reading_room(struct reading *r, size_t bytes)
{
    char *room = arena_take(&r->arena, bytes);
    r->failed |= room == NULL;
    return room;
}

struct slice reading_text(struct reading *r, enum field field)
{
    struct slice *text = &r->texts[field];
    if (text->data != NULL) return *text;
    *text = SLICE("");
    if (r->cells[field].type != CELL_NODE) return *text;
    uint32_t      node = r->cells[field].node;
    struct extent e = node_extent(r->record, node);
    size_t        room = clean_bytes(r->record, e.from, e.to);
    char         *to = reading_room(r, room + DECODE_PADDING);
    if (to != NULL) *text = slice_of(to, node_text(r->record, node, to, room));
    return *text;
}

void reading_set_text(struct reading *r, int value, struct slice text, bool whole)
{
    if (text.len > 0) r->cells[value] = (struct cell){.type = CELL_TEXT, .whole = whole, .text = text};
}

void reading_set_number(struct reading *r, int value, int64_t number, bool whole)
{
    r->cells[value] = (struct cell){.type = CELL_NUMBER, .whole = whole, .number = number};
}

void reading_set_json(struct reading *r, int value, const char *literal)
{
    r->cells[value] = (struct cell){.type = CELL_JSON, .text = slice_from(literal)};
}

void reading_give(struct reading *r, int value)
{
    enum field field = value_field(value);
    if (field >= FIELD_ALL || !r->cells[value].whole) return;
    if (r->nodes[field] != 0) given_add(&r->given, r->nodes[field]);
    else r->lone_given |= !r->is_object && field == FIELD_MESSAGE;
}

bool reading_category_is(struct reading *r, const char *name)
{
    return slice_equal_nocase(reading_text(r, FIELD_CATEGORY), slice_from(name));
}

/* --- Small helpers on text -------------------------------------------------------------------------------------------------- */

static bool starts_nocase(struct slice text, const char *beginning)
{
    size_t len = strlen(beginning);
    return text.len >= len && slice_equal_nocase(slice_of(text.data, len), slice_from(beginning));
}

static struct slice from(struct slice text, size_t at) { return slice_sub(text, at, text.len); }

/* Offset of the first of those bytes, or the length. */
static size_t find_any(struct slice text, const char *bytes)
{
    size_t i = 0, count = strlen(bytes);
    while (i < text.len && memchr(bytes, text.data[i], count) == NULL) i++;
    return i;
}

static bool parse_number(struct slice text, int64_t most, int64_t *number)
{
    *number = 0;
    if (text.len == 0 || text.len > 18) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.data[i])) return false;
        *number = *number * 10 + (text.data[i] - '0');
    }
    return *number <= most;
}

/* --- Time and duration ------------------------------------------------------------------------------------------------ */

/* As receivers want it: "2026-11-22T04:00:00.1234567Z" with nothing or at most nine digits behind the point. */
static bool is_plain_iso(struct slice t)
{
    return t.len >= 20 && t.len <= 30 && t.data[10] == 'T' && t.data[16] == ':' && t.data[t.len - 1] == 'Z' &&
           (t.len == 20 || (t.data[19] == '.' && t.len > 21));
}

/* Nothing behind the milliseconds but zeros. */
static bool is_in_ms(struct slice plain_iso)
{
    for (size_t i = 23; i + 1 < plain_iso.len; i++)
        if (plain_iso.data[i] != '0') return false;
    return true;
}

static void read_time(struct reading *r, int64_t now_ms)
{
    struct slice text = reading_text(r, FIELD_TIME);
    bool         known = timestamp_parse(text, &r->time_ms);
    if (!known) r->time_ms = now_ms;
    reading_set_number(r, DERIVED_TIME_MS, r->time_ms, known && is_plain_iso(text) && is_in_ms(text));
    if (known && is_plain_iso(text)) {
        reading_set_text(r, DERIVED_TIME_TEXT, text, true);
        return;
    }
    char *out = reading_room(r, TIMESTAMP_TEXT);
    if (out != NULL) reading_set_text(r, DERIVED_TIME_TEXT, slice_from(timestamp_text(r->time_ms, out)), false);
}

#define NS_PER_MS INT64_C(1000000)
#define MOST_MS (INT64_C(1000) * 24 * 3600 * 1000)   /* 1000 days: what a timespan may say */

/* A decimal fraction of `unit`, which is a power of ten. */
static bool parse_decimal(struct slice text, int64_t unit, int64_t most, int64_t *sum)
{
    size_t  point = find_any(text, ".");
    int64_t whole;
    if (!parse_number(slice_sub(text, 0, point), most, &whole)) return false;
    *sum = whole * unit;
    if (point + 1 == text.len) return false;
    for (size_t i = point + 1; i < text.len; i++) {
        if (!ascii_is_digit(text.data[i])) return false;
        unit /= 10;
        *sum += unit * (text.data[i] - '0');
    }
    return true;
}

/* [D.]HH:MM:SS[.fraction] */
static bool parse_timespan(struct slice text, int64_t *ns)
{
    int64_t days = 0, hours, minutes, seconds;
    size_t  colon = find_any(text, ":"), point = find_any(slice_sub(text, 0, colon), ".");
    if (point < colon && !parse_number(slice_sub(text, 0, point), 999, &days)) return false;
    struct slice t = from(text, point < colon ? point + 1 : 0);
    if (t.len < 8 || t.data[2] != ':' || t.data[5] != ':') return false;
    if (!parse_number(slice_sub(t, 0, 2), 23, &hours) || !parse_number(slice_sub(t, 3, 5), 59, &minutes)) return false;
    if (!parse_decimal(from(t, 6), 1000 * NS_PER_MS, 59, &seconds)) return false;
    *ns = ((days * 24 + hours) * 60 + minutes) * 60 * 1000 * NS_PER_MS + seconds;
    return true;
}

/* durationMetric.value of the continuous export counts 100 ns; everything else is milliseconds or a timespan. */
static bool is_in_ticks(const struct reading *r)
{
    uint32_t node = r->nodes[FIELD_DURATION];
    if (kind_shape(r->kind) != SHAPE_APP || r->record->tape->nodes[node].type != NODE_NUMBER) return false;
    const struct node *key = &r->record->tape->nodes[node - 1];
    return key->type == NODE_KEY && slice_equal(slice_sub(r->record->tape->text, key->start, key->end), SLICE("value"));
}

static void read_duration(struct reading *r)
{
    struct slice text = reading_text(r, FIELD_DURATION);
    int64_t      ns;
    if (text.len == 0) return;
    bool ticks = is_in_ticks(r);
    bool known = parse_decimal(text, ticks ? 100 : NS_PER_MS, ticks ? MOST_MS * 10000 : MOST_MS, &ns) ||
                 parse_timespan(text, &ns);
    if (!known || ns / NS_PER_MS >= MOST_MS) return;
    reading_set_number(r, DERIVED_DURATION_NS, ns, true);
    reading_set_number(r, DERIVED_DURATION_MS, ns / NS_PER_MS, ns % NS_PER_MS == 0);
    char *out = reading_room(r, 48);
    if (out == NULL) return;
    int64_t seconds = ns / (1000 * NS_PER_MS), days = seconds / 86400;
    int     len = days > 0 ? snprintf(out, 16, "%d.", (int)days) : 0;
    len += snprintf(out + len, 32, "%02d:%02d:%02d.%07d", (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60),
                    (int)(seconds % 60), (int)(ns / 100 % 10000000));
    reading_set_text(r, DERIVED_TIMESPAN, slice_of(out, (size_t)len), ns % 100 == 0);
}

/* --- Who -------------------------------------------------------------------------------------------------------------- */

static void read_caller(struct reading *r)
{
    struct slice text = reading_text(r, FIELD_CALLER);
    size_t       at = find_any(text, "@"), blank = find_any(text, " ");
    if (r->nodes[FIELD_CALLER] == r->nodes[FIELD_CALLER_ID]) return;   /* an id is no name */
    if (at == 0 || at + 1 >= text.len || blank < text.len || find_any(from(text, at + 1), "@") + at + 1 < text.len) {
        reading_set_text(r, DERIVED_USER_NAME, text, true);
        return;
    }
    reading_set_text(r, DERIVED_USER_NAME, slice_sub(text, 0, at), false);
    reading_set_text(r, DERIVED_USER_DOMAIN, from(text, at + 1), false);
    reading_set_text(r, DERIVED_USER_EMAIL, text, true);
}

static bool is_address(int family, struct slice text)
{
    char            copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.len == 0 || text.len >= sizeof copy) return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return strlen(copy) == text.len && inet_pton(family, copy, &address) == 1;
}

static bool is_v4(struct slice text) { return is_address(AF_INET, text); }

static bool is_v6(struct slice text) { return is_address(AF_INET6, text); }

static void read_ip(struct reading *r)
{
    struct slice text = reading_text(r, FIELD_CALLER_IP), ip = text;
    int64_t      port = -1;
    size_t       end = find_any(text, "]");
    if (text.len > 0 && text.data[0] == '[' && end < text.len) {
        ip = slice_sub(text, 1, end);
        if (end + 1 < text.len && (text.data[end + 1] != ':' || !parse_number(from(text, end + 2), 65535, &port))) ip = SLICE("");
    } else if ((end = find_any(text, ":")) < text.len && is_v4(slice_sub(text, 0, end)) &&
               parse_number(from(text, end + 1), 65535, &port)) {
        ip = slice_sub(text, 0, end);
    }
    bool v4 = is_v4(ip), v6 = !v4 && is_v6(ip), whole = ip.len == text.len;
    if (v4 || v6) {
        reading_set_text(r, DERIVED_IP, ip, whole);
        reading_set_text(r, v4 ? DERIVED_IP_V4 : DERIVED_IP_V6, ip, whole);
        if (port >= 0) reading_set_number(r, DERIVED_IP_PORT, port, false);
    } else {
        reading_set_text(r, DERIVED_IP_OTHER, text, true);
    }
}

/* --- Resources and operations ----------------------------------------------------------------------------------------- */

/* The segment behind that one, of a path of pairs: empty if there is none. */
static struct slice segment_after(struct slice path, const char *name)
{
    while (path.len > 0) {
        struct slice rest = from(path, 1);
        size_t       end = find_any(rest, "/");
        if (slice_equal_nocase(slice_sub(rest, 0, end), slice_from(name)) && end < rest.len) {
            struct slice value = from(rest, end + 1);
            return slice_sub(value, 0, find_any(value, "/"));
        }
        path = from(rest, end);
    }
    return SLICE("");
}

/* Namespace/type/name/type/name...: takes it apart. */
static void read_provider(struct reading *r, struct slice path)
{
    char        *type = reading_room(r, path.len + 1);
    size_t       end = find_any(path, "/"), len = end, number = 0;
    struct slice last = SLICE("");
    if (type == NULL) return;
    reading_set_text(r, DERIVED_NAMESPACE, slice_sub(path, 0, end), false);
    memcpy(type, path.data, end);
    for (struct slice rest = from(path, end); rest.len > 0; number++) {
        rest = from(rest, 1);
        end = find_any(rest, "/");
        struct slice segment = slice_sub(rest, 0, end);
        if (number % 2 == 0) {
            type[len] = '/';
            memcpy(type + len + 1, segment.data, end);
            len += end + 1;
        } else {
            last = segment;
        }
        rest = from(rest, end);
        if (number == 0) {
            reading_set_text(r, DERIVED_PROVIDER, slice_of(path.data, (size_t)(rest.data - path.data)), false);
            if (rest.len > 1) reading_set_text(r, DERIVED_NAME_IN_PROVIDER, from(rest, 1), false);
        }
    }
    reading_set_text(r, DERIVED_RESOURCE_TYPE, slice_of(type, len), false);
    reading_set_text(r, DERIVED_RESOURCE_NAME, last, false);
    if (number == 0) reading_set_text(r, DERIVED_PROVIDER, path, false);
}

static void read_resource(struct reading *r)
{
    static const char mark[] = "/providers/";
    struct slice      id = reading_text(r, FIELD_RESOURCE);
    if (id.len == 0 || id.data[0] != '/') return;
    reading_set_text(r, DERIVED_SUBSCRIPTION, segment_after(id, "subscriptions"), false);
    reading_set_text(r, DERIVED_GROUP, segment_after(id, "resourceGroups"), false);
    for (size_t i = 0; i + sizeof mark - 1 < id.len; i++) {
        if (id.data[i] != '/' || !starts_nocase(from(id, i), mark)) continue;
        read_provider(r, from(id, i + sizeof mark - 1));
        return;
    }
}

static struct slice cut_last_segment(struct slice *path)
{
    size_t at = path->len;
    while (at > 0 && path->data[at - 1] != '/') at--;
    struct slice last = from(*path, at);
    path->len = at > 0 ? at - 1 : 0;
    return last;
}

static void read_operation(struct reading *r)
{
    static const struct {
        const char *word;
        enum verb   verb;
    } verbs[] = {{"write", VERB_WRITE}, {"delete", VERB_DELETE}, {"read", VERB_READ}, {"action", VERB_ACTION}};
    struct slice text = reading_text(r, FIELD_OPERATION), path = text, last = cut_last_segment(&path);
    r->verb = VERB_NONE;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0] && path.len > 0; i++)
        if (slice_equal_nocase(last, slice_from(verbs[i].word))) r->verb = verbs[i].verb;
    if (r->verb == VERB_ACTION) last = cut_last_segment(&path);
    bool name = path.len > 0 && find_any(text, " ") == text.len;
    reading_set_text(r, DERIVED_OPERATION_VERB, name ? last : text, false);
}

/* --- Requests --------------------------------------------------------------------------------------------------------- */

static bool is_scheme(struct slice text)
{
    if (text.len == 0 || !ascii_is_alpha(text.data[0])) return false;
    for (size_t i = 1; i < text.len; i++)
        if (!ascii_is_alnum(text.data[i]) && memchr("+-.", text.data[i], 3) == NULL) return false;
    return true;
}

/* user:password@host:port; the user is not told apart, what it held is in the URL. */
static void read_authority(struct reading *r, struct slice authority)
{
    size_t at = authority.len;
    while (at > 0 && authority.data[at - 1] != '@') at--;
    struct slice host = from(authority, at);
    size_t       end = host.len > 0 && host.data[0] == '[' ? find_any(host, "]") : find_any(host, ":");
    int64_t      port;
    if (host.len > 0 && host.data[0] == '[' && end < host.len) end++;
    if (end + 1 < host.len && host.data[end] == ':' && parse_number(from(host, end + 1), 65535, &port))
        reading_set_number(r, DERIVED_URL_PORT, port, false);
    reading_set_text(r, DERIVED_URL_DOMAIN, slice_sub(host, 0, end), false);
}

static void read_url(struct reading *r)
{
    struct slice url = reading_text(r, FIELD_REQUEST_URL), rest = url;
    size_t       colon = find_any(url, ":/?#");
    bool         full = colon + 2 < url.len && memcmp(url.data + colon, "://", 3) == 0 && is_scheme(slice_sub(url, 0, colon));
    if (full) {
        rest = from(url, colon + 3);
        size_t end = find_any(rest, "/?#");
        reading_set_text(r, DERIVED_URL_FULL, url, false);
        reading_set_text(r, DERIVED_URL_SCHEME, slice_sub(url, 0, colon), false);
        read_authority(r, slice_sub(rest, 0, end));
        rest = from(rest, end);
    }
    if (!full && (url.len == 0 || url.data[0] != '/')) return;
    size_t path = find_any(rest, "?#"), hash = find_any(rest, "#");
    reading_set_text(r, DERIVED_URL_PATH, slice_sub(rest, 0, path), false);
    if (path < hash) reading_set_text(r, DERIVED_URL_QUERY, slice_sub(rest, path + 1, hash), false);
    if (hash < rest.len) reading_set_text(r, DERIVED_URL_FRAGMENT, from(rest, hash + 1), false);
}

static const char *const methods[] = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH"};

/* The method, or the first word of an operation such as "POST /score". */
static void read_method(struct reading *r)
{
    struct slice text = reading_text(r, FIELD_HTTP_METHOD);
    bool         whole = text.len > 0;
    if (text.len == 0) {
        text = reading_text(r, FIELD_OPERATION);
        size_t end = find_any(text, " ");
        if (end + 1 >= text.len || text.data[end + 1] != '/') return;
        text.len = end;
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (!slice_equal_nocase(text, slice_from(methods[i]))) continue;
        whole = whole && slice_equal(text, slice_from(methods[i]));
        reading_set_text(r, DERIVED_METHOD, slice_from(methods[i]), whole);
        reading_set_text(r, DERIVED_OCSF_METHOD, slice_from(methods[i]), whole);
        return;
    }
    if (whole) reading_set_text(r, DERIVED_METHOD, text, true);
}

static void read_size(struct reading *r, enum field field, int value)
{
    int64_t number;
    if (parse_number(reading_text(r, field), INT64_MAX, &number)) reading_set_number(r, value, number, true);
}

static void read_status(struct reading *r)
{
    int64_t number;
    if (parse_number(reading_text(r, FIELD_STATUS_CODE), 599, &number) && number >= 100)
        reading_set_number(r, DERIVED_STATUS, number, true);
}

/* --- How it went ------------------------------------------------------------------------------------------------------ */

static bool is_one_of(struct slice text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (slice_equal_nocase(text, slice_from(*words))) return true;
    return false;
}

static enum outcome outcome_said_by(struct slice text)
{
    static const char *const good[] = {"success", "succeeded", "true", "ok", "completed", "finished", "resolved", NULL};
    static const char *const bad[] = {"failure", "failed", "false", "error", NULL};
    return is_one_of(text, good) ? OUTCOME_SUCCESS : is_one_of(text, bad) ? OUTCOME_FAILURE : OUTCOME_UNKNOWN;
}

/* The result of a change of state says that the change was noted; how the run went is its state. */
static void read_outcome(struct reading *r)
{
    struct slice       result = reading_text(r, FIELD_RESULT);
    const struct cell *status = &r->cells[DERIVED_STATUS];
    bool               flag = slice_equal_nocase(result, SLICE("true")) || slice_equal_nocase(result, SLICE("false"));
    r->is_run = reading_category_is(r, "AmlRunStatusChangedEvent") || reading_category_is(r, "AmlComputeJobEvent");
    r->outcome = r->is_run ? outcome_said_by(reading_text(r, FIELD_STATE)) : OUTCOME_UNKNOWN;
    if (r->outcome == OUTCOME_UNKNOWN) r->outcome = outcome_said_by(result);
    if (r->outcome == OUTCOME_UNKNOWN && status->type != CELL_NONE)
        r->outcome = status->number < 400 ? OUTCOME_SUCCESS : OUTCOME_FAILURE;
    if (r->outcome == OUTCOME_UNKNOWN) return;
    reading_set_text(r, DERIVED_OUTCOME, r->outcome == OUTCOME_SUCCESS ? SLICE("success") : SLICE("failure"), flag);
}

static void read_level(struct reading *r)
{
    struct slice text = reading_text(r, FIELD_LEVEL);
    r->severity = severity_of(r->kind, text);
    bool digit = text.len == 1 && r->severity != SEVERITY_UNKNOWN;
    reading_set_text(r, DERIVED_SEVERITY_NAME, digit ? slice_from(severity_text(r->severity)) : text, true);
}

/* --- Records ---------------------------------------------------------------------------------------------------------- */

/* Whether the node is a member of the record itself. */
static bool is_root_member(const struct reading *r, uint32_t node)
{
    const struct node *nodes = r->record->tape->nodes;
    for (uint32_t key = r->record->node + 1; key < nodes[r->record->node].next && key < node; key = nodes[key].next)
        if (key + 1 == node) return true;
    return false;
}

static bool has_base_data(const struct reading *r)
{
    const struct node *nodes = r->record->tape->nodes;
    uint32_t           category = r->record->kind.category;
    return kind_shape(r->kind) == SHAPE_APP && category != 0 && !is_root_member(r, category) &&
           nodes[category].type == NODE_STRING;
}

static void find_fields(struct reading *r)
{
    const struct clean_record *record = r->record;
    for (int field = 0; field < FIELD_ALL; field++) {
        uint32_t node = r->is_object ? kind_field(r->kind, record->tape, record->node, r->keys, (enum field)field) : 0;
        if (node != 0 && node_fate(record, node) == FATE_GONE) node = 0;
        if (node != 0 && field == FIELD_ENVIRONMENT) node = 0;   /* belongs into the rest, as it is */
        r->nodes[field] = node;
    }
    if (r->kind == KIND_UNKNOWN) {
        r->nodes[FIELD_TIME] = r->nodes[FIELD_PLAIN_TIME];
        r->nodes[FIELD_MESSAGE] = r->nodes[FIELD_PLAIN_MESSAGE];
    }
    if (r->nodes[FIELD_REQUEST_ID] == r->nodes[FIELD_ITEM_ID]) r->nodes[FIELD_REQUEST_ID] = 0;
    if (kind_shape(r->kind) == SHAPE_APP && r->nodes[FIELD_CALLER] == r->nodes[FIELD_USER_ID])
        r->nodes[FIELD_CALLER_ID] = r->nodes[FIELD_USER_ID];
    static const enum field not_of_envelopes[] = {FIELD_OPERATION, FIELD_ITEM_NAME, FIELD_ITEM_ID};
    for (size_t i = 0; r->is_envelope && i < sizeof not_of_envelopes / sizeof not_of_envelopes[0]; i++)
        if (is_root_member(r, r->nodes[not_of_envelopes[i]])) r->nodes[not_of_envelopes[i]] = 0;
}

void reading_take(struct reading *r, const struct clean_record *record, struct key_cache *keys, int64_t now_ms)
{
    arena_clear(&r->arena);
    memset(r->texts, 0, sizeof r->texts);
    memset(r->cells, 0, sizeof r->cells);
    r->record = record;
    r->keys = keys;
    r->kind = record->kind.kind;
    r->given.count = 0;
    r->failed = false;
    r->is_object = record->tape->nodes[record->node].type == NODE_OBJECT && node_fate(record, record->node) == FATE_KEPT;
    r->is_envelope = r->is_object && has_base_data(r);
    find_fields(r);
    r->lone_given = false;
    if (!r->is_object && record->tape->nodes[record->node].type == NODE_STRING)
        r->cells[FIELD_MESSAGE] = (struct cell){.type = CELL_NODE, .whole = true, .node = record->node};
    for (int field = 0; field < FIELD_ALL; field++)
        if (r->nodes[field] != 0) r->cells[field] = (struct cell){.type = CELL_NODE, .whole = true, .node = r->nodes[field]};
    read_time(r, now_ms);
    read_duration(r);
    read_caller(r);
    read_ip(r);
    read_resource(r);
    read_operation(r);
    read_url(r);
    read_method(r);
    read_status(r);
    read_size(r, FIELD_REQUEST_BYTES, DERIVED_REQUEST_SIZE);
    read_size(r, FIELD_RESPONSE_BYTES, DERIVED_RESPONSE_SIZE);
    read_outcome(r);
    read_level(r);
}
