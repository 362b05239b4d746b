/* The flat format: one object of one level per record.
 *
 * First "kind" and the fields that the kinds table finds, under their printed names; then every other value under its
 * path, joined with dots: {"properties":{"inputs":[{"uri":"x"}]}} has "properties.inputs.0.uri":"x". Values keep their
 * raw bytes, save spans. {} and [] are kept. A record that is no object has its values under their numbers, or "value".
 *
 * (1) No name is written twice: a second "a" becomes "a#2". Names are compared decoded, so that "\u0061" is "a".
 * (2) A value given as a field is not repeated under its path.
 * (3) A value with a span over all of it is the span's replacement; one inside a larger span is gone with it.
 * (4) Work and output are linear in the record: see path_walk.h. What its walk meets as a whole stays nested.
 * Thread: the encoder's owner. */
#include "sinks/encode_priv.h"
#include "sinks/names_once.h"
#include "sinks/path_walk.h"

struct flattener {
    struct path_walk   walk;
    struct names_once *names;
    struct grown        scratch;
    struct given       given;      /* nodes written as fields */
    bool               begun;      /* a name was written */

    const struct clean_record *record;
    struct encoded            *out;
    bool                       failed;   /* no memory */
};

struct flattener *flattener_new(void)
{
    struct flattener *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    f->names = names_once_new();
    if (f->names != NULL) return f;
    flattener_free(f);
    return NULL;
}

void flattener_free(struct flattener *f)
{
    if (f == NULL) return;
    path_walk_release(&f->walk);
    names_once_free(f->names);
    free(f->scratch.data);
    free(f);
}

/* --- Names and values ------------------------------------------------------------------------------------------------------ */

static void put(struct flattener *f, struct slice bytes)
{
    if (f->failed || !encoded_reserve(f->out, bytes.len)) {
        f->failed = true;
        return;
    }
    memcpy(f->out->data + f->out->len, bytes.data, bytes.len);
    f->out->len += bytes.len;
}

/* The name as characters, for telling it from others. */
static struct slice decoded(struct flattener *f, struct slice raw)
{
    if (memchr(raw.data, '\\', raw.len) == NULL) return raw;
    f->scratch.len = 0;
    f->failed |= !grown_reserve(&f->scratch, raw.len);
    return f->failed ? SLICE("") : slice_of(f->scratch.data, string_decode(raw, f->scratch.data));
}

static void put_name(struct flattener *f, struct slice raw)
{
    char     suffix[16];
    uint32_t number = names_once_take(f->names, 0, decoded(f, raw), '#');
    f->failed |= number == 0;
    put(f, f->begun ? SLICE(",\"") : SLICE("{\""));
    f->begun = true;
    put(f, raw);
    if (number > 1) put(f, slice_of(suffix, (size_t)snprintf(suffix, sizeof suffix, "#%u", number)));
    put(f, SLICE("\":"));
}

static bool is_container(const struct flattener *f, uint32_t node)
{
    return f->record->tape->nodes[node].type == NODE_OBJECT || f->record->tape->nodes[node].type == NODE_ARRAY;
}

static void put_value(struct flattener *f, struct slice name, uint32_t node)
{
    struct extent e = node_extent(f->record, node);
    put_name(f, name);
    if (f->failed || !encoded_reserve(f->out, clean_bytes(f->record, e.from, e.to))) {
        f->failed = true;
        return;
    }
    struct writer w = {.at = f->out->data + f->out->len};
    writer_text(&w, f->record, e.from, e.to, is_container(f, node));
    writer_flush(&w);
    f->out->len = (size_t)(w.at - f->out->data);
}

/* Writes all that is in an object or array with that path. */
static void put_all(struct flattener *f, uint32_t top, struct slice path, struct given *given)
{
    path_walk_begin(&f->walk, top, path, given);
    for (uint32_t node; !f->failed && ((node = path_walk_next(&f->walk)) != 0 || f->walk.failed);) {
        f->failed |= f->walk.failed;
        if (!f->failed) put_value(f, slice_of(f->walk.path.data, f->walk.path.len), node);
    }
}

/* --- Records ---------------------------------------------------------------------------------------------------------- */

static void put_fields(struct flattener *f, struct key_cache *keys)
{
    const struct clean_record *r = f->record;
    uint32_t                   found[FIELD_COUNT];
    for (int field = 0; field < FIELD_COUNT; field++) {
        found[field] = kind_field(r->kind.kind, r->tape, r->node, keys, (enum field)field);
        if (found[field] != 0 && node_fate(r, found[field]) == FATE_GONE) found[field] = 0;
        if (found[field] != 0) given_add(&f->given, found[field]);
    }
    for (int field = 0; field < FIELD_COUNT && !f->failed; field++) {
        struct slice name = slice_from(field_text((enum field)field));
        if (found[field] == 0) continue;
        if (!is_container(f, found[field]) || node_fate(r, found[field]) == FATE_REPLACED) put_value(f, name, found[field]);
        else put_all(f, found[field], name, NULL);
    }
}

bool flatten(struct flattener *f, const struct clean_record *r, struct key_cache *keys, struct encoded *out)
{
    f->record = r;
    f->out = out;
    f->given.count = 0;
    f->begun = f->failed = false;
    names_once_clear(f->names);
    path_walk_open(&f->walk, r);
    put_name(f, SLICE("kind"));
    put(f, SLICE("\""));
    put(f, slice_from(kind_text(r->kind.kind)));
    put(f, SLICE("\""));
    if (!f->failed && node_fate(r, r->node) == FATE_KEPT && is_container(f, r->node)) {
        put_fields(f, keys);
        put_all(f, r->node, SLICE(""), &f->given);
    } else {
        put_value(f, SLICE("value"), r->node);
    }
    put(f, SLICE("}"));
    return !f->failed;
}
