/* The format appinsights: envelopes of the ingestion protocol of Application Insights, one for each record.
 *
 *   RequestData       scoring requests, from the container or from the endpoint's traffic log, and requests of applications
 *   MessageData       console lines, traces, lines of text
 *   ExceptionData, RemoteDependencyData, MetricData, AvailabilityData, PageViewData, PageViewPerfData   as they came
 *   EventData         the activity log, other resource logs, events, and all else
 *
 * (1) What came as an envelope keeps its type, and its fields and tags stay as they are, save for their limits. Of a scoring
 *     request the inference server fills the fields wrongly; status, URL, duration and success are taken from its properties.
 * (2) What the type has no field for is a property: custom properties under their names, everything else under its path.
 * (3) Texts have the lengths of the protocol; longer ones are cut between characters. A longer property goes on in "name_2",
 *     "name_3" and so on; what was cut of a field stands whole in the properties.
 * (4) An item has at most ITEM_MAX bytes. What does not fit is lost, and the property "_truncated" says how much.
 *
 * Source: the swagger of the exporter's interface, 2.1, and the schemas of its types.
 * Thread: the encoder's owner. */
#include "sinks/appinsights_priv.h"
#include "sinks/formats.h"

#define NO_KEY "00000000-0000-0000-0000-000000000000"

static void appinsights_free(void *format)
{
    struct appinsights *a = format;
    if (a == NULL) return;
    path_walk_release(&a->walk);
    names_once_free(a->names);
    free(a->text.data);
    free(a->key.data);
    free(a);
}

/* --- Fields and tags from the table ----------------------------------------------------------------------------------- */

static struct slice cell_text(struct appinsights *a, int value)
{
    const struct cell *cell = &a->reading->cells[value];
    return cell->type == CELL_NODE ? reading_text(a->reading, (enum field)value) : cell->text;
}

/* Fields that are the same node by two names of the table would change what they mean. */
static bool is_misplaced(const struct reading *r, int value)
{
    if (kind_shape(r->kind) != SHAPE_APP) return false;
    if (value == FIELD_CALLER) return r->nodes[FIELD_CALLER] == r->nodes[FIELD_USER_ID];
    return value == FIELD_OPERATION && r->nodes[FIELD_OPERATION] == r->nodes[FIELD_ITEM_NAME];
}

static void put_place(struct appinsights *a, uint32_t scope, struct slice name, int value)
{
    struct slice text = cell_text(a, value);
    if (text.len == 0 || is_misplaced(a->reading, value) || !item_put_name(a, scope, name)) return;
    size_t max = scope == SCOPE_TAGS ? item_limit(name) : item_field_limit(a, name);
    if (item_put_limited(a, text, max) == text.len) reading_give(a->reading, value);
}

static void put_places(struct appinsights *a, uint32_t scope)
{
    const struct branch *branches = a->lists[a->item].branches;
    for (uint16_t i = branches[0].child; i != NO_BRANCH && !a->failed; i = branches[i].next) {
        bool         tag = branches[i].name.data[0] == '@';
        struct slice name = slice_sub(branches[i].name, tag, branches[i].name.len);
        if (tag != (scope == SCOPE_TAGS)) continue;
        for (uint16_t at = i; at != NO_BRANCH; at = branches[at].otherwise) put_place(a, scope, name, branches[at].value);
    }
}

/* --- What a type must have -------------------------------------------------------------------------------------------- */

static void put_required_text(struct appinsights *a, const char *name, struct slice text)
{
    if (item_put_name(a, SCOPE_FIELDS, slice_from(name))) item_put_limited(a, text, item_field_limit(a, slice_from(name)));
}

static void put_success(struct appinsights *a)
{
    if (!item_put_name(a, SCOPE_FIELDS, SLICE("success"))) return;
    item_put(a, a->reading->outcome == OUTCOME_FAILURE ? SLICE("false") : SLICE("true"));
    reading_give(a->reading, DERIVED_OUTCOME);
}

/* A number that a field holds; what holds none is not given. */
static void put_metric_part(struct appinsights *a, const char *name, enum field field, bool required)
{
    uint32_t node = a->reading->nodes[field];
    if (node == 0 && !required) return;
    item_put_comma(a);
    item_put(a, SLICE("\""));
    item_put(a, slice_from(name));
    item_put(a, SLICE("\":"));
    if (node == 0) item_put(a, SLICE("0"));
    else if (item_put_number(a, node)) reading_give(a->reading, field);
}

static void put_metric(struct appinsights *a, struct slice name)
{
    if (!item_put_name(a, SCOPE_FIELDS, SLICE("metrics"))) return;
    item_put(a, SLICE("[{\"name\":"));
    if (item_put_limited(a, name, TEXT_MAX) == name.len) reading_give(a->reading, FIELD_ITEM_NAME);
    put_metric_part(a, "value", FIELD_METRIC_VALUE, true);
    put_metric_part(a, "count", FIELD_METRIC_COUNT, false);
    put_metric_part(a, "min", FIELD_METRIC_MIN, false);
    put_metric_part(a, "max", FIELD_METRIC_MAX, false);
    item_put(a, SLICE("}]"));
}

static void put_exception_part(struct appinsights *a, const char *name, enum field field, size_t max, struct slice otherwise)
{
    struct slice text = reading_text(a->reading, field);
    item_put_comma(a);
    item_put(a, SLICE("\""));
    item_put(a, slice_from(name));
    item_put(a, SLICE("\":"));
    size_t len = item_put_limited(a, text.len > 0 ? text : otherwise, max);
    if (text.len > 0 && len == text.len) reading_give(a->reading, field);
}

static void put_exception(struct appinsights *a)
{
    if (!item_put_name(a, SCOPE_FIELDS, SLICE("exceptions"))) return;
    bool stack = reading_has(a->reading, FIELD_STACK);
    item_put(a, SLICE("[{"));
    put_exception_part(a, "typeName", FIELD_EXCEPTION_TYPE, TEXT_MAX, SLICE("Exception"));
    put_exception_part(a, "message", FIELD_MESSAGE, MESSAGE_MAX, SLICE("unknown"));
    item_put(a, stack ? SLICE(",\"hasFullStack\":true") : SLICE(",\"hasFullStack\":false"));
    if (stack) put_exception_part(a, "stack", FIELD_STACK, MESSAGE_MAX, SLICE(""));
    item_put(a, SLICE("}]"));
}

/* What an item is called that has no name. */
static struct slice name_of(struct appinsights *a)
{
    struct reading *r = a->reading;
    static const enum field fields[] = {FIELD_ITEM_NAME, FIELD_OPERATION, FIELD_CATEGORY};
    struct slice path = r->cells[DERIVED_URL_PATH].text, method = r->cells[DERIVED_METHOD].text;
    if (a->item == ITEM_REQUEST && !reading_has(r, FIELD_ITEM_NAME) && path.len > 0 && method.len > 0) {
        char *room = reading_room(r, method.len + 1 + path.len);
        if (room == NULL) return SLICE("");
        memcpy(room, method.data, method.len);
        room[method.len] = ' ';
        memcpy(room + method.len + 1, path.data, path.len);
        return slice_of(room, method.len + 1 + path.len);
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (reading_text(r, fields[i]).len > 0) return reading_text(r, fields[i]);
    return slice_from(kind_text(r->kind));
}

static void put_required(struct appinsights *a)
{
    unsigned item = 1u << a->item;
    if (item & (APP_REQUEST | APP_DEPENDENCY | APP_AVAILABILITY | APP_PAGE)) put_required_text(a, "id", SLICE("unknown"));
    if (item & (APP_REQUEST | APP_EVENT | APP_DEPENDENCY | APP_AVAILABILITY | APP_PAGE)) put_required_text(a, "name", name_of(a));
    if (item & (APP_REQUEST | APP_DEPENDENCY | APP_AVAILABILITY)) {
        put_required_text(a, "duration", SLICE("00:00:00"));
        put_success(a);
    }
    if (item & APP_REQUEST) put_required_text(a, "responseCode", SLICE("0"));
    if (item & APP_MESSAGE) put_required_text(a, "message", SLICE("unknown"));
    if (item & APP_METRIC) put_metric(a, name_of(a));
    if (item & APP_EXCEPTION) put_exception(a);
}

/* --- Items ------------------------------------------------------------------------------------------------------------ */

static enum item item_of(const struct reading *r)
{
    switch (r->kind) {
    case KIND_SCORING_TRAFFIC:
    case KIND_SCORING_REQUEST:
    case KIND_APP_REQUEST: return ITEM_REQUEST;
    case KIND_AML_CONSOLE_LOG:
    case KIND_APP_TRACE: return ITEM_MESSAGE;
    case KIND_APP_EXCEPTION: return ITEM_EXCEPTION;
    case KIND_APP_METRIC:
    case KIND_APP_PERFORMANCE_COUNTER: return r->is_envelope || reading_has(r, FIELD_METRIC_VALUE) ? ITEM_METRIC : ITEM_EVENT;
    case KIND_APP_DEPENDENCY: return ITEM_DEPENDENCY;
    case KIND_APP_AVAILABILITY: return ITEM_AVAILABILITY;
    case KIND_APP_PAGE_VIEW:
    case KIND_APP_BROWSER_TIMING: return ITEM_PAGE;
    case KIND_UNKNOWN: return reading_has(r, FIELD_MESSAGE) ? ITEM_MESSAGE : ITEM_EVENT;
    default: return ITEM_EVENT;
    }
}

static struct slice type_of(const struct appinsights *a)
{
    static const char *const types[ITEM_COUNT] = {"Request", "Message", "Exception", "Event", "Metric", "RemoteDependency",
                                                  "Availability", "PageView"};
    return a->reading->kind == KIND_APP_BROWSER_TIMING ? SLICE("PageViewPerf") : slice_from(types[a->item]);
}

/* Finds the parts of an envelope, or of a row, that are treated on their own. */
static void find_parts(struct appinsights *a)
{
    struct reading *r = a->reading;
    uint32_t        root = r->record->node, data = r->is_envelope ? item_object_member(a, root, "data") : 0;
    a->base = data == 0 ? 0 : item_object_member(a, data, "baseData");
    a->tags = r->is_envelope ? item_object_member(a, root, "tags") : 0;
    uint32_t holder = a->base != 0 ? a->base : root;
    bool     known = r->is_object && r->kind != KIND_UNKNOWN;
    a->properties = known ? item_object_member(a, holder, "properties") : 0;
    a->measurements = known && kind_shape(r->kind) == SHAPE_APP ? item_object_member(a, holder, "measurements") : 0;
    if (data == 0 || a->base == 0) return;
    given_add(&r->given, r->record->kind.category);
    if (a->tags != 0 && r->record->tape->nodes[a->tags].next == a->tags + 1) given_add(&r->given, a->tags);
    if (item_member(a, root, "ver") != 0) given_add(&r->given, item_member(a, root, "ver"));
    if (item_member(a, a->base, "ver") != 0) given_add(&r->given, item_member(a, a->base, "ver"));
}

static bool is_key(struct slice text)
{
    if (text.len != APPINSIGHTS_IKEY_LEN) return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = ascii_lower(text.data[i]);
        if (dash ? c != '-' : !ascii_is_digit(c) && (c < 'a' || c > 'f')) return false;
    }
    return true;
}

static void put_ikey(struct appinsights *a)
{
    uint32_t     own = a->reading->is_envelope ? item_member(a, a->reading->record->node, "iKey") : 0;
    struct slice text = own == 0 ? SLICE("") : item_text(a, &a->text, own), key = SLICE(NO_KEY);
    if (a->ikey != NULL) key = slice_from(a->ikey);
    else if (is_key(text)) key = text;
    item_put(a, SLICE("{\"ver\":1,\"iKey\":\""));
    item_put(a, key);
    item_put(a, SLICE("\""));
    if (own != 0 && slice_equal(key, text)) given_add(&a->reading->given, own);
}

static void put_envelope_number(struct appinsights *a, const char *name)
{
    const struct clean_record *r = a->reading->record;
    uint32_t                   node = a->reading->is_envelope ? item_member(a, r->node, name) : 0;
    if (node == 0 || r->tape->nodes[node].type != NODE_NUMBER) return;
    item_put(a, SLICE(",\""));
    item_put(a, slice_from(name));
    item_put(a, SLICE("\":"));
    if (item_put_number(a, node)) given_add(&a->reading->given, node);
}

static void put_head(struct appinsights *a)
{
    uint32_t own = a->reading->is_envelope ? item_member(a, a->reading->record->node, "name") : 0;
    put_ikey(a);
    item_put(a, SLICE(",\"time\":"));
    a->failed |= !json_put_string(a->out, a->reading->cells[DERIVED_TIME_TEXT].text);
    reading_give(a->reading, DERIVED_TIME_TEXT);
    item_put(a, SLICE(",\"name\":"));
    struct slice text = own == 0 ? SLICE("") : item_text(a, &a->text, own);
    if (text.len > 0 && text.len <= TEXT_MAX) {
        item_put_limited(a, text, TEXT_MAX);
        given_add(&a->reading->given, own);
    } else {
        item_put(a, SLICE("\"Microsoft.ApplicationInsights."));
        item_put(a, type_of(a));
        item_put(a, SLICE("\""));
    }
    put_envelope_number(a, "sampleRate");
    put_envelope_number(a, "flags");
}

/* Without an address of the client the service would take the sender's. */
static void put_tags(struct appinsights *a)
{
    item_put(a, SLICE(",\"tags\":{"));
    item_put_own_tags(a);
    put_places(a, SCOPE_TAGS);
    if (item_put_name(a, SCOPE_TAGS, SLICE("ai.location.ip"))) item_put(a, SLICE("\"0.0.0.0\""));
    item_put(a, SLICE("}"));
}

static void put_data(struct appinsights *a)
{
    bool wrong = a->reading->kind == KIND_SCORING_REQUEST;   /* what the envelope says by itself */
    item_put(a, SLICE(",\"data\":{\"baseType\":\""));
    item_put(a, type_of(a));
    item_put(a, SLICE("Data\",\"baseData\":{\"ver\":2"));
    if (!wrong) item_put_own_fields(a);
    put_places(a, SCOPE_FIELDS);
    if (wrong && reading_has(a->reading, FIELD_RESULT)) put_success(a);
    if (wrong) item_put_own_fields(a);
    put_required(a);
    item_put_measurements(a);
    item_put_properties(a);
    item_put(a, SLICE("}}}"));
}

/* The levels of the protocol, by name. */
static void set_level(struct reading *r)
{
    struct slice level = r->cells[DERIVED_SEVERITY_NAME].text;
    r->cells[DERIVED_SEVERITY_NAME].type = CELL_NONE;
    r->cells[DERIVED_SEVERITY_NAME].text = SLICE("");
    if (r->severity == SEVERITY_UNKNOWN) return;
    struct slice name = slice_from(severity_text(r->severity));
    reading_set_text(r, DERIVED_SEVERITY_NAME, name, slice_equal(level, name));
}

static bool appinsights_write(void *format, struct reading *r, struct encoded *out)
{
    struct appinsights *a = format;
    a->reading = r;
    a->out = out;
    a->start = out->len;
    a->lost_bytes = a->lost_values = 0;
    a->scopes = SCOPE_COUNT;
    a->failed = false;
    a->item = item_of(r);
    names_once_clear(a->names);
    set_level(r);
    find_parts(a);
    put_head(a);
    put_tags(a);
    put_data(a);
    return !a->failed;
}

static void *appinsights_new(const struct encoder_options *options)
{
    struct appinsights *a = calloc(1, sizeof *a);
    CHECK(options->ikey == NULL || strlen(options->ikey) == APPINSIGHTS_IKEY_LEN);
    if (a == NULL || (a->names = names_once_new()) == NULL) {
        appinsights_free(a);
        return NULL;
    }
    a->ikey = options->ikey;
    for (unsigned i = 0; i < ITEM_COUNT; i++) mapping_list(&a->lists[i], SCHEMA_APPINSIGHTS, 1u << i);
    return a;
}

const struct receiver_format format_appinsights = {appinsights_new, appinsights_free, appinsights_write};
