/* Items of Application Insights: texts within the limits, and properties. See encode_appinsights.c. */
#include "sinks/appinsights_priv.h"

/* --- Texts within limits ---------------------------------------------------------------------------------------------- */

void item_put(struct appinsights *a, struct slice bytes) { a->failed |= !encoded_append(a->out, bytes); }

void item_put_comma(struct appinsights *a)
{
    char last = a->out->data[a->out->len - 1];
    if (last != '{' && last != '[') item_put(a, SLICE(","));
}

/* Bytes that the item may still grow by. */
size_t item_room(const struct appinsights *a)
{
    size_t used = a->out->len - a->start + ITEM_END;
    return used < ITEM_MAX ? ITEM_MAX - used : 0;
}

/* How many bytes at the beginning of a text take at most `room` as the inside of a JSON string, cut between characters. */
static size_t fitting(struct slice text, size_t room)
{
    size_t i = 0;
    if (text.len <= room / 6) return text.len;
    for (size_t used = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        used += c == '"' || c == '\\' ? 2 : c < 0x20 ? 6 : 1;
        if (used > room) break;
    }
    return utf8_cut(text, i);
}

/* A string with quotes, of at most `max` bytes of text. Returns how many of them there was place for. */
size_t item_put_limited(struct appinsights *a, struct slice text, size_t max)
{
    size_t len = utf8_cut(text, max), room = item_room(a);
    len = fitting(slice_sub(text, 0, len), room > 2 ? room - 2 : 0);
    a->failed |= !json_put_string(a->out, slice_sub(text, 0, len));
    return len;
}

bool item_put_number(struct appinsights *a, uint32_t node)
{
    const struct clean_record *r = a->reading->record;
    const struct node         *at = &r->tape->nodes[node];
    bool number = at->type == NODE_NUMBER && at->end - at->start <= NUMBER_MAX && node_fate(r, node) == FATE_KEPT;
    if (number) a->failed |= !json_put_node(a->out, r, node, false);
    else item_put(a, SLICE("0"));
    return number;
}

struct slice item_text(struct appinsights *a, struct grown *to, uint32_t node)
{
    const struct clean_record *r = a->reading->record;
    struct extent              e = node_extent(r, node);
    size_t                     room = clean_bytes(r, e.from, e.to);
    to->len = 0;
    a->failed |= !grown_reserve(to, room);
    if (a->failed) return SLICE("");
    to->len = node_text(r, node, to->data, room);
    return slice_of(to->data, to->len);
}

void item_lose(struct appinsights *a, size_t bytes)
{
    a->lost_bytes += bytes;
    a->lost_values++;
}

size_t item_limit(struct slice name)
{
    static const struct {
        const char *name;
        size_t      limit;
    } limits[] = {
        {"message", MESSAGE_MAX}, {"stack", MESSAGE_MAX}, {"id", 512}, {"url", 2048}, {"referredUri", 2048}, {"data", 8192},
        {"ai.device.locale", 64}, {"ai.device.model", 256}, {"ai.device.oemName", 256}, {"ai.device.osVersion", 256},
        {"ai.device.type", 64}, {"ai.location.ip", 46}, {"ai.location.country", 256}, {"ai.location.province", 256},
        {"ai.location.city", 256}, {"ai.operation.id", 128}, {"ai.operation.parentId", 128},
        {"ai.operation.correlationVector", 64},
        {"ai.session.id", 64}, {"ai.session.isFirst", 5}, {"ai.user.id", 128}, {"ai.cloud.role", 256}, {"ai.cloud.roleVer", 256},
        {"ai.cloud.roleInstance", 256}, {"ai.cloud.location", 256}, {"ai.internal.sdkVersion", 64},
        {"ai.internal.agentVersion", 64}, {"ai.internal.nodeName", 256},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (slice_equal(name, slice_from(limits[i].name))) return limits[i].limit;
    return TEXT_MAX;
}

size_t item_field_limit(const struct appinsights *a, struct slice name)
{
    if (a->item == ITEM_EVENT && slice_equal(name, SLICE("name"))) return 512;
    if (a->item == ITEM_AVAILABILITY && slice_equal(name, SLICE("message"))) return VALUE_MAX;
    return item_limit(name);
}

/* Begins a member unless there is one of that name. */
bool item_put_name(struct appinsights *a, uint32_t scope, struct slice name)
{
    uint32_t number = names_once_take(a->names, scope, name, '#');
    a->failed |= number == 0;
    if (number != 1) return false;
    item_put_comma(a);
    a->failed |= !json_put_string(a->out, name);
    item_put(a, SLICE(":"));
    return true;
}

/* --- Properties ------------------------------------------------------------------------------------------------------- */

static bool put_property_part(struct appinsights *a, struct slice name, uint32_t number, struct slice *value)
{
    char suffix[16];
    item_put_comma(a);
    size_t mark = a->out->len;
    item_put(a, SLICE("\""));
    a->failed |= !json_put_text(a->out, name);
    if (number > 1) item_put(a, slice_of(suffix, (size_t)snprintf(suffix, sizeof suffix, "#%u", number)));
    item_put(a, SLICE("\":"));
    size_t taken = item_put_limited(a, *value, VALUE_MAX);
    if (taken == 0 && value->len > 0) {
        a->out->len = a->out->data[mark - 1] == ',' ? mark - 1 : mark;
        return false;
    }
    *value = slice_sub(*value, taken, value->len);
    return true;
}

/* One property, in as many parts as it needs. The name is cut already. */
static void put_property_parts(struct appinsights *a, struct slice name, struct slice value)
{
    char numbered[KEY_MAX + 16];
    for (unsigned part = 1; !a->failed && (part == 1 || value.len > 0); part++) {
        struct slice named = name;
        if (part > 1)
            named = slice_of(numbered, (size_t)snprintf(numbered, sizeof numbered, "%.*s_%u", (int)name.len, name.data, part));
        bool     room = item_room(a) >= 2 * KEY_MAX;
        uint32_t number = room ? names_once_take(a->names, SCOPE_PROPERTIES, named, '#') : 0;
        a->failed |= room && number == 0;
        if (number > 0 && put_property_part(a, named, number, &value)) continue;
        item_lose(a, value.len);
        return;
    }
}

/* A name that is too long is cut, and stands whole in a property of its own. */
static void put_property(struct appinsights *a, struct slice name, struct slice value)
{
    char   named[KEY_MAX];
    size_t len = name.len <= KEY_CUT ? name.len : utf8_cut(name, KEY_CUT);
    if (name.len == 0) name = SLICE("_");
    if (len == 0) len = 1;
    put_property_parts(a, slice_sub(name, 0, len), value);
    if (len == name.len) return;
    size_t cut = utf8_cut(name, KEY_CUT - 5);
    put_property_parts(a, slice_of(named, (size_t)snprintf(named, sizeof named, "%.*s_name", (int)cut, name.data)), name);
}

/* All that is in an object, as properties. */
static void put_properties_of(struct appinsights *a, uint32_t top)
{
    path_walk_begin(&a->walk, top, SLICE(""), &a->reading->given);
    for (uint32_t node; !a->failed && (node = path_walk_next(&a->walk)) != 0;) {
        if (node == top) continue;   /* there was nothing in it */
        struct slice path = slice_of(a->walk.path.data, a->walk.path.len);
        a->key.len = 0;
        a->failed |= !grown_reserve(&a->key, path.len);
        if (a->failed) return;
        a->key.len = clean_decode(path, a->key.data, path.len);
        struct slice value = item_text(a, &a->text, node);
        put_property(a, slice_of(a->key.data, a->key.len), value);
    }
    a->failed |= a->walk.failed;
}

void item_put_properties(struct appinsights *a)
{
    struct reading *r = a->reading;
    char            note[96];
    item_put_comma(a);
    item_put(a, SLICE("\"properties\":{"));
    path_walk_open(&a->walk, r->record);
    if (a->properties != 0) {
        put_properties_of(a, a->properties);
        given_add(&r->given, a->properties);
    }
    if (r->is_object) put_properties_of(a, r->record->node);
    else if (!r->lone_given) put_property(a, SLICE("value"), item_text(a, &a->text, r->record->node));
    if (a->lost_values > 0) {
        int len = snprintf(note, sizeof note, "%zu bytes of %zu values", a->lost_bytes, a->lost_values);
        item_put_comma(a);
        item_put(a, SLICE("\"_truncated\":\""));
        item_put(a, slice_of(note, (size_t)len));
        item_put(a, SLICE("\""));
    }
    item_put(a, SLICE("}"));
}
