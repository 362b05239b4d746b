/* Items of Application Insights: what a record that came as an envelope keeps. See encode_appinsights.c. */
#include "sinks/appinsights_priv.h"

static bool is_container(const struct node *n) { return n->type == NODE_OBJECT || n->type == NODE_ARRAY; }

static bool is_gone(const struct appinsights *a, uint32_t key)
{
    const struct clean_record *r = a->reading->record;
    return node_fate(r, key) == FATE_GONE || node_fate(r, key + 1) == FATE_GONE;
}

uint32_t item_member(const struct appinsights *a, uint32_t object, const char *name)
{
    const struct tape *tape = a->reading->record->tape;
    for (uint32_t key = object + 1; key < tape->nodes[object].next; key = tape->nodes[key].next) {
        struct slice text = slice_sub(tape->text, tape->nodes[key].start, tape->nodes[key].end);
        if (slice_equal_nocase(text, slice_from(name)) && !is_gone(a, key)) return key + 1;
    }
    return 0;
}

uint32_t item_object_member(const struct appinsights *a, uint32_t object, const char *name)
{
    uint32_t node = item_member(a, object, name);
    bool     kept = node != 0 && node_fate(a->reading->record, node) == FATE_KEPT;
    return kept && a->reading->record->tape->nodes[node].type == NODE_OBJECT ? node : 0;
}

static void put_own_value(struct appinsights *a, struct slice name, uint32_t node, unsigned depth);

static void put_own_element(struct appinsights *a, uint32_t element, unsigned depth)
{
    item_put_comma(a);
    put_own_value(a, SLICE(""), element, depth);
}

static void put_own_member(struct appinsights *a, uint32_t key, uint32_t scope, unsigned depth)
{
    struct slice name = item_text(a, &a->key, key);
    name.len = utf8_cut(name, KEY_MAX);
    if (item_put_name(a, scope, name)) put_own_value(a, name, key + 1, depth);
    else item_lose(a, a->reading->record->tape->nodes[key + 1].end - a->reading->record->tape->nodes[key + 1].start);
}

/* Exceptions and metrics: as they are, within the limits. */
static void put_own_container(struct appinsights *a, uint32_t node, unsigned depth)
{
    const struct node *nodes = a->reading->record->tape->nodes;
    bool               object = nodes[node].type == NODE_OBJECT;
    uint32_t           scope = ++a->scopes;
    item_put(a, object ? SLICE("{") : SLICE("["));
    for (uint32_t at = node + 1; at < nodes[node].next && !a->failed; at = nodes[at].next) {
        if (object ? is_gone(a, at) : node_fate(a->reading->record, at) == FATE_GONE) continue;
        if (item_room(a) < KEY_MAX * 6) item_lose(a, nodes[at].end - nodes[at].start);
        else if (object) put_own_member(a, at, scope, depth + 1);
        else put_own_element(a, at, depth + 1);
    }
    item_put(a, object ? SLICE("}") : SLICE("]"));
}

static void put_own_value(struct appinsights *a, struct slice name, uint32_t node, unsigned depth)
{
    const struct clean_record *r = a->reading->record;
    const struct node         *at = &r->tape->nodes[node];
    bool                       kept = node_fate(r, node) == FATE_KEPT;
    if (kept && is_container(at) && depth < OWN_DEPTH) {
        put_own_container(a, node, depth);
    } else if (kept && at->type == NODE_NUMBER) {
        if (!item_put_number(a, node)) item_lose(a, at->end - at->start);
    } else if (kept && at->type != NODE_STRING && !is_container(at)) {
        a->failed |= !json_put_node(a->out, r, node, false);
    } else {
        size_t       max = item_field_limit(a, name);
        struct slice text = item_text(a, &a->text, node);
        size_t       len = item_put_limited(a, text, max);
        if (len < text.len) item_lose(a, text.len - len);
    }
}

enum own_type { OWN_TEXT, OWN_FLAG, OWN_LEVEL, OWN_LIST };

/* The fields of the types, as the protocol has them. */
static const struct own_field {
    unsigned      items;
    const char   *name;
    enum own_type type;
} own_fields[] = {
    {APP_REQUEST | APP_DEPENDENCY | APP_AVAILABILITY | APP_PAGE, "id", OWN_TEXT},
    {APP_REQUEST | APP_EVENT | APP_DEPENDENCY | APP_AVAILABILITY | APP_PAGE, "name", OWN_TEXT},
    {APP_REQUEST | APP_DEPENDENCY | APP_AVAILABILITY | APP_PAGE, "duration", OWN_TEXT},
    {APP_REQUEST | APP_DEPENDENCY | APP_AVAILABILITY, "success", OWN_FLAG},
    {APP_REQUEST, "responseCode", OWN_TEXT},
    {APP_REQUEST, "source", OWN_TEXT},
    {APP_REQUEST | APP_PAGE, "url", OWN_TEXT},
    {APP_MESSAGE | APP_AVAILABILITY, "message", OWN_TEXT},
    {APP_MESSAGE | APP_EXCEPTION, "severityLevel", OWN_LEVEL},
    {APP_EXCEPTION, "exceptions", OWN_LIST},
    {APP_EXCEPTION, "problemId", OWN_TEXT},
    {APP_METRIC, "metrics", OWN_LIST},
    {APP_DEPENDENCY, "resultCode", OWN_TEXT},
    {APP_DEPENDENCY, "data", OWN_TEXT},
    {APP_DEPENDENCY, "type", OWN_TEXT},
    {APP_DEPENDENCY, "target", OWN_TEXT},
    {APP_AVAILABILITY, "runLocation", OWN_TEXT},
    {APP_PAGE, "referredUri", OWN_TEXT},
    {APP_PAGE, "perfTotal", OWN_TEXT},
    {APP_PAGE, "networkConnect", OWN_TEXT},
    {APP_PAGE, "sentRequest", OWN_TEXT},
    {APP_PAGE, "receivedResponse", OWN_TEXT},
    {APP_PAGE, "domProcessing", OWN_TEXT},
};

static void put_own_text(struct appinsights *a, struct slice name, uint32_t node)
{
    enum node_type type = (enum node_type)a->reading->record->tape->nodes[node].type;
    if (type == NODE_NULL || is_container(&a->reading->record->tape->nodes[node]) || !item_put_name(a, SCOPE_FIELDS, name))
        return;
    struct slice text = item_text(a, &a->text, node);
    if (item_put_limited(a, text, item_field_limit(a, name)) == text.len) given_add(&a->reading->given, node);
}

static void put_own_flag(struct appinsights *a, struct slice name, uint32_t node)
{
    struct slice text = item_text(a, &a->text, node);
    bool         yes = slice_equal_nocase(text, SLICE("true"));
    if ((!yes && !slice_equal_nocase(text, SLICE("false"))) || !item_put_name(a, SCOPE_FIELDS, name)) return;
    item_put(a, yes ? SLICE("true") : SLICE("false"));
    given_add(&a->reading->given, node);
}

static void put_own_field(struct appinsights *a, const struct own_field *field, uint32_t node)
{
    const struct clean_record *r = a->reading->record;
    enum node_type             type = (enum node_type)r->tape->nodes[node].type;
    struct slice               name = slice_from(field->name);
    bool                       kept = node_fate(r, node) == FATE_KEPT;
    switch (field->type) {
    case OWN_TEXT: put_own_text(a, name, node); return;
    case OWN_FLAG: put_own_flag(a, name, node); return;
    case OWN_LEVEL:
        if (!kept || (type != NODE_STRING && type != NODE_NUMBER)) return;
        break;
    case OWN_LIST:
        if (!kept || type != NODE_ARRAY || r->tape->nodes[node].next == node + 1) return;
        break;
    }
    if (!item_put_name(a, SCOPE_FIELDS, name)) return;
    put_own_value(a, name, node, 0);
    given_add(&a->reading->given, node);
}

/* The fields of an envelope's data that are not there yet. */
void item_put_own_fields(struct appinsights *a)
{
    for (size_t i = 0; a->base != 0 && i < sizeof own_fields / sizeof own_fields[0] && !a->failed; i++) {
        if ((own_fields[i].items >> a->item & 1) == 0) continue;
        uint32_t node = item_member(a, a->base, own_fields[i].name);
        if (node != 0) put_own_field(a, &own_fields[i], node);
    }
}

void item_put_own_tags(struct appinsights *a)
{
    const struct node *nodes = a->reading->record->tape->nodes;
    for (uint32_t key = a->tags + 1; a->tags != 0 && key < nodes[a->tags].next && !a->failed; key = nodes[key].next) {
        if (is_gone(a, key) || is_container(&nodes[key + 1]) || nodes[key + 1].type == NODE_NULL || item_room(a) < KEY_MAX * 6)
            continue;
        struct slice name = item_text(a, &a->key, key);
        if (name.len == 0 || name.len > KEY_MAX || !item_put_name(a, SCOPE_TAGS, name)) continue;
        struct slice text = item_text(a, &a->text, key + 1);
        if (item_put_limited(a, text, item_limit(name)) == text.len) given_add(&a->reading->given, key + 1);
    }
}

void item_put_measurements(struct appinsights *a)
{
    const struct node *nodes = a->reading->record->tape->nodes;
    if (a->measurements == 0 || a->item == ITEM_METRIC) return;
    item_put(a, SLICE(",\"measurements\":{"));
    for (uint32_t key = a->measurements + 1; key < nodes[a->measurements].next && !a->failed; key = nodes[key].next) {
        bool number = nodes[key + 1].type == NODE_NUMBER && node_fate(a->reading->record, key + 1) == FATE_KEPT;
        if (is_gone(a, key) || !number || item_room(a) < KEY_MAX * 6) continue;
        struct slice name = item_text(a, &a->key, key);
        if (name.len == 0 || name.len > KEY_MAX || !item_put_name(a, SCOPE_MEASUREMENTS, name)) continue;
        if (item_put_number(a, key + 1)) given_add(&a->reading->given, key + 1);
    }
    item_put(a, SLICE("}"));
    if (nodes[a->measurements].next == a->measurements + 1) given_add(&a->reading->given, a->measurements);
}
