/* The format cef: Common Event Format, one line without syslog header.
 *
 *   CEF:0|Microsoft|Azure Machine Learning|1.0|operation|name|severity|rt=... cat=... azurePropertiesSku=...
 *
 * (1) In the header `\` and `|` are escaped and control characters are spaces; in values `\`, `=`, line feed and carriage return
 *     are escaped, other control characters and blanks at the ends of a value are \u00XX.
 * (2) Keys have the lengths that the guide allows. A value that is longer is cut between characters, and stands whole in the
 *     rest.
 * (3) The rest: keys of "azure" and the path in letters and digits, each once. Empty values have no place in CEF and are left
 *     out.
 *
 * Source: the guide to implementing CEF, as the connector of Microsoft Sentinel maps it.
 * Thread: the encoder's owner. */
#include "sinks/formats.h"
#include "sinks/json_out.h"
#include "sinks/names_once.h"

#define CLASS_MAX 1023
#define NAME_MAX_BYTES 512
#define KEY_MAX 200
#define LABEL_MARK ':'

struct cef {
    struct mapping     list;
    struct path_walk   walk;
    struct names_once *names;
    struct grown       text;     /* a value, decoded */
    struct reading    *reading;
    struct encoded    *out;
    bool               begun;    /* there is a pair */
    bool               failed;
};

static void cef_free(void *format)
{
    struct cef *c = format;
    if (c == NULL) return;
    path_walk_release(&c->walk);
    names_once_free(c->names);
    free(c->text.data);
    free(c);
}

static void put(struct cef *c, struct slice bytes) { c->failed |= !encoded_append(c->out, bytes); }

/* --- Header ----------------------------------------------------------------------------------------------------------- */

static void put_header(struct cef *c, struct slice text)
{
    if (!encoded_reserve(c->out, 2 * text.len)) {
        c->failed = true;
        return;
    }
    char *to = c->out->data + c->out->len;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '\\' || byte == '|') *to++ = '\\';
        *to++ = (unsigned char)byte < 0x20 || byte == 0x7F ? ' ' : byte;
    }
    c->out->len = (size_t)(to - c->out->data);
    put(c, SLICE("|"));
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F) return true;
    return false;
}

/* A field that is a part of the header. It is given if it is there as it was. */
static struct slice header_part(struct cef *c, enum field field, size_t max)
{
    struct slice text = reading_text(c->reading, field);
    size_t       len = utf8_cut(text, max);
    if (text.len > 0 && len == text.len && !has_control(text)) reading_give(c->reading, field);
    return slice_sub(text, 0, len);
}

static struct slice product(const struct reading *r)
{
    switch (r->kind) {
    case KIND_ACTIVITY_LOG:
    case KIND_ACTIVITY_LOG_REST:
    case KIND_ACTIVITY_LOG_ROW: return SLICE("Azure Activity Log");
    case KIND_SCORING_TRAFFIC:
    case KIND_SCORING_REQUEST:
    case KIND_AML_CONSOLE_LOG:
    case KIND_AML_RESOURCE_LOG: return SLICE("Azure Machine Learning");
    default: break;
    }
    return kind_shape(r->kind) == SHAPE_APP ? SLICE("Application Insights") : SLICE("Azure Monitor");
}

/* From 0 to 10. What does not say how bad it is weighs by how it went. */
static struct slice severity_number(const struct reading *r)
{
    switch (r->severity) {
    case SEVERITY_CRITICAL: return SLICE("10");
    case SEVERITY_ERROR: return SLICE("7");
    case SEVERITY_WARNING: return SLICE("5");
    case SEVERITY_INFORMATION: return SLICE("3");
    case SEVERITY_VERBOSE: return SLICE("1");
    case SEVERITY_UNKNOWN: break;
    }
    return r->outcome == OUTCOME_FAILURE ? SLICE("5") : SLICE("3");
}

static void put_headers(struct cef *c)
{
    struct reading *r = c->reading;
    struct slice    class = header_part(c, FIELD_OPERATION, CLASS_MAX), name = header_part(c, FIELD_ITEM_NAME, NAME_MAX_BYTES);
    if (class.len == 0)
        class = slice_of(reading_text(r, FIELD_CATEGORY).data, utf8_cut(reading_text(r, FIELD_CATEGORY), CLASS_MAX));
    if (class.len == 0) class = slice_from(kind_text(r->kind));
    if (name.len == 0) name = slice_of(class.data, utf8_cut(class, NAME_MAX_BYTES));
    put(c, SLICE("CEF:0|Microsoft|"));
    put_header(c, product(r));
    put(c, SLICE("1.0|"));
    put_header(c, class);
    put_header(c, name);
    put_header(c, severity_number(r));
}

/* --- Extension -------------------------------------------------------------------------------------------------------- */

static char *put_code(char *to, char byte)
{
    static const char hex[] = "0123456789abcdef";
    memcpy(to, "\\u00", 4);
    to[4] = hex[(unsigned char)byte >> 4];
    to[5] = hex[(unsigned char)byte & 0xF];
    return to + 6;
}

static void put_value(struct cef *c, struct slice text)
{
    if (!encoded_reserve(c->out, 6 * text.len)) {
        c->failed = true;
        return;
    }
    char *to = c->out->data + c->out->len;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        bool blank_at_end = byte == ' ' && (i == 0 || i + 1 == text.len);
        if (byte == '\n' || byte == '\r') {
            *to++ = '\\';
            *to++ = byte == '\n' ? 'n' : 'r';
        } else if ((unsigned char)byte < 0x20 || byte == 0x7F || blank_at_end) {
            to = put_code(to, byte);
        } else {
            if (byte == '\\' || byte == '=') *to++ = '\\';
            *to++ = byte;
        }
    }
    c->out->len = (size_t)(to - c->out->data);
}

/* Blanks stand between pairs, not before the first. */
static void put_pair(struct cef *c, struct slice key, struct slice value)
{
    if (c->begun) put(c, SLICE(" "));
    c->begun = true;
    put(c, key);
    put(c, SLICE("="));
    put_value(c, value);
}

static size_t key_limit(struct slice key)
{
    static const struct {
        const char *key;
        size_t      limit;
    } limits[] = {{"act", 63},      {"outcome", 63}, {"externalId", 40}, {"deviceExternalId", 255}, {"cs1", 4000}, {"cs2", 4000},
                  {"cs3", 4000},    {"cs4", 4000},   {"cs5", 4000},      {"cs6", 4000}};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (slice_equal(key, slice_from(limits[i].key))) return limits[i].limit;
    return 1023;
}

static struct slice cell_text(struct cef *c, int value, char digits[24])
{
    const struct cell *cell = &c->reading->cells[value];
    switch (cell->type) {
    case CELL_NODE: return reading_text(c->reading, (enum field)value);
    case CELL_NUMBER: return slice_of(digits, (size_t)snprintf(digits, 24, "%lld", (long long)cell->number));
    case CELL_TEXT:
    case CELL_JSON: return cell->text;
    case CELL_NONE: break;
    }
    return SLICE("");
}

/* Whether it was put: a value that is empty has no place. */
static bool put_place(struct cef *c, const struct branch *b)
{
    char         digits[24];
    struct slice text = cell_text(c, b->value, digits), key = b->name;
    const char  *mark = memchr(key.data, LABEL_MARK, key.len);
    if (text.len == 0) return false;
    if (mark != NULL) key.len = (size_t)(mark - key.data);
    size_t len = utf8_cut(text, key_limit(key));
    put_pair(c, key, slice_sub(text, 0, len));
    if (len == text.len && !b->copy) reading_give(c->reading, b->value);
    if (mark == NULL) return true;
    put(c, SLICE(" "));
    put(c, key);
    put(c, SLICE("Label="));
    put_value(c, slice_sub(b->name, key.len + 1, b->name.len));
    return true;
}

static bool is_of_header(const struct branch *b)
{
    return slice_equal(b->name, SLICE("class")) || slice_equal(b->name, SLICE("name"));
}

static void put_places(struct cef *c)
{
    const struct branch *branches = c->list.branches;
    for (uint16_t i = branches[0].child; i != NO_BRANCH && !c->failed; i = branches[i].next) {
        uint16_t at = i;
        while (!is_of_header(&branches[i]) && !put_place(c, &branches[at]) && (at = branches[at].otherwise) != NO_BRANCH)
            continue;
    }
}

/* "identity.claims.http://x.org/upn" is azureIdentityClaimsHttpXOrgUpn. */
static struct slice key_of(struct slice path, char key[KEY_MAX])
{
    size_t len = (size_t)snprintf(key, KEY_MAX, "azure");
    bool   begins = true;
    for (size_t i = 0; i < path.len && len < KEY_MAX; i++) {
        char byte = path.data[i];
        bool letter = ascii_is_alnum(byte);
        if (letter) key[len++] = begins && ascii_is_alpha(byte) ? (char)(byte & ~0x20) : byte;
        begins = !letter;
    }
    if (len == 5) len = (size_t)snprintf(key, KEY_MAX, "azureValue");
    return slice_of(key, len);
}

static void put_rest_value(struct cef *c, struct slice path, uint32_t node)
{
    char                       key[KEY_MAX], numbered[KEY_MAX + 16];
    const struct clean_record *r = c->reading->record;
    struct extent              e = node_extent(r, node);
    size_t                     room = clean_bytes(r, e.from, e.to);
    c->text.len = 0;
    c->failed |= !grown_reserve(&c->text, room);
    if (c->failed) return;
    struct slice value = slice_of(c->text.data, node_text(r, node, c->text.data, room)), name = key_of(path, key);
    enum node_type type = (enum node_type)r->tape->nodes[node].type;
    bool           empty = (type == NODE_OBJECT || type == NODE_ARRAY) && r->tape->nodes[node].next == node + 1;
    if (value.len == 0 || (node_fate(r, node) == FATE_KEPT && (type == NODE_NULL || empty))) return;
    uint32_t number = names_once_take(c->names, 0, name, 0);
    c->failed |= number == 0;
    if (number > 1)
        name = slice_of(numbered, (size_t)snprintf(numbered, sizeof numbered, "%.*s%u", (int)name.len, name.data, number));
    put_pair(c, name, value);
}

static void put_rest(struct cef *c)
{
    struct reading *r = c->reading;
    if (!r->is_object) {
        if (!r->lone_given) put_rest_value(c, SLICE("value"), r->record->node);
        return;
    }
    path_walk_open(&c->walk, r->record);
    path_walk_begin(&c->walk, r->record->node, SLICE(""), &r->given);
    for (uint32_t node; !c->failed && (node = path_walk_next(&c->walk)) != 0;)
        put_rest_value(c, slice_of(c->walk.path.data, c->walk.path.len), node);
    c->failed |= c->walk.failed;
}

static bool cef_write(void *format, struct reading *r, struct encoded *out)
{
    struct cef *c = format;
    c->reading = r;
    c->out = out;
    c->begun = c->failed = false;
    names_once_clear(c->names);
    /* "success" says more than "true" does, or than nothing, or than that a change of state was noted */
    if (r->cells[DERIVED_OUTCOME].whole || (r->is_run && reading_has(r, DERIVED_OUTCOME)) || !reading_has(r, FIELD_RESULT))
        r->cells[FIELD_RESULT] = r->cells[DERIVED_OUTCOME];
    put_headers(c);
    put_places(c);
    put_rest(c);
    return !c->failed;
}

static void *cef_new(const struct encoder_options *options)
{
    struct cef *c = calloc(1, sizeof *c);
    (void)options;
    if (c == NULL || (c->names = names_once_new()) == NULL) {
        cef_free(c);
        return NULL;
    }
    mapping_list(&c->list, SCHEMA_CEF, CEF_ALL);
    return c;
}

const struct receiver_format format_cef = {cef_new, cef_free, cef_write};
