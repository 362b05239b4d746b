/* The flat format: one object of one level per record.
 *
 * First "kind" and the fields that the kinds table finds, under their printed names; then every other value under its
 * path, joined with dots: {"properties":{"inputs":[{"uri":"x"}]}} has "properties.inputs.0.uri":"x". Values keep their
 * raw bytes, save spans. {} and [] are kept. A record that is no object has its values under their numbers, or "value".
 *
 * (1) No name is written twice: a second "a" becomes "a#2". Names are compared decoded, so that "\u0061" is "a".
 * (2) A value given as a field is not repeated under its path.
 * (3) A value with a span over all of it is the span's replacement; one inside a larger span is gone with it.
 * (4) Work and output are linear in the record: paths may take NAME_FACTOR times its length; an object or array whose
 *     paths would take more stays nested. Only records made for it come near that.
 * Thread: the encoder's owner. */
#include "parser/hash.h"
#include "sinks/encode_priv.h"

#define NAME_FACTOR 8
#define NAME_BASE 16384   /* bytes of paths that any record may have */

/* Text that grows; after `len` there is always room for PARSER_PADDING. */
struct text {
    char  *data;
    size_t len, capacity;
};

/* A name that was written. */
struct written_name {
    uint32_t round;        /* of the record it was written for; older ones are empty cells */
    uint32_t hash;
    size_t   at, len;      /* decoded, in flattener.names */
    uint32_t next;         /* the suffix to try next */
};

/* An object or array being walked. */
struct level {
    uint32_t node;
    uint32_t index;        /* of the next element */
    size_t   path_len;     /* of its own path */
    bool     empty;        /* nothing of it was met that is not gone */
};

struct flattener {
    struct text          path;        /* of the current value: raw bytes of a JSON string */
    struct text          scratch;
    struct text          names;       /* all decoded names of the record */
    struct written_name *written;     /* hash table, at most half full */
    uint32_t             mask, count, round;
    struct level        *levels;
    size_t               depth, level_capacity;
    struct hash_seed     seed;

    const struct clean_record *record;
    struct encoded            *out;
    uint64_t                   allowance;   /* bytes of paths that are left */
    uint32_t                   given[FIELD_COUNT];   /* nodes written as fields, ascending */
    size_t                     given_count, given_passed;
    bool                       failed;      /* no memory */
};

#define FIRST_NAMES 256

struct flattener *flattener_new(void)
{
    struct flattener *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    f->written = calloc(FIRST_NAMES, sizeof *f->written);
    f->mask = FIRST_NAMES - 1;
    if (f->written != NULL && hash_seed_draw(&f->seed)) return f;
    flattener_free(f);
    return NULL;
}

void flattener_free(struct flattener *f)
{
    if (f == NULL) return;
    free(f->path.data);
    free(f->scratch.data);
    free(f->names.data);
    free(f->written);
    free(f->levels);
    free(f);
}

/* --- Growing texts ------------------------------------------------------------------------------------------------------- */

static bool text_reserve(struct flattener *f, struct text *t, size_t bytes)
{
    size_t need = t->len + bytes + PARSER_PADDING;
    if (need <= t->capacity) return true;
    char *data = realloc(t->data, 2 * need);
    if (data == NULL) {
        f->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = 2 * need;
    return true;
}

static void text_add(struct flattener *f, struct text *t, struct slice bytes)
{
    if (!text_reserve(f, t, bytes.len)) return;
    if (bytes.len > 0) memcpy(t->data + t->len, bytes.data, bytes.len);
    t->len += bytes.len;
}

static void text_add_number(struct flattener *f, struct text *t, char before, uint32_t number)
{
    char digits[16];
    int  len = before == 0 ? snprintf(digits, sizeof digits, "%u", number) : snprintf(digits, sizeof digits, "%c%u", before, number);
    text_add(f, t, slice_of(digits, (size_t)len));
}

/* --- Names, each once ------------------------------------------------------------------------------------------------------ */

static struct written_name *name_cell(const struct flattener *f, uint32_t hash, struct slice decoded)
{
    for (uint32_t i = hash & f->mask;; i = (i + 1) & f->mask) {
        struct written_name *n = &f->written[i];
        if (n->round != f->round) return n;
        if (n->hash == hash && slice_equal(slice_of(f->names.data + n->at, n->len), decoded)) return n;
    }
}

static bool names_grow(struct flattener *f)
{
    struct written_name *old = f->written, *grown = calloc(2 * ((size_t)f->mask + 1), sizeof *grown);
    uint32_t             old_cells = f->mask + 1;
    f->failed = grown == NULL;
    if (f->failed) return false;
    f->written = grown;
    f->mask = 2 * old_cells - 1;
    for (uint32_t i = 0; i < old_cells; i++)
        if (old[i].round == f->round) *name_cell(f, old[i].hash, slice_of(f->names.data + old[i].at, old[i].len)) = old[i];
    free(old);
    return true;
}

/* Notes a name, given in f->scratch as it is to be written. NULL: it is new; else the earlier one of that name. */
static struct written_name *name_note(struct flattener *f)
{
    struct slice raw = slice_of(f->scratch.data, f->scratch.len);
    if (2 * f->count > f->mask && !names_grow(f)) return NULL;
    if (!text_reserve(f, &f->names, raw.len)) return NULL;
    char  *decoded = f->names.data + f->names.len;
    size_t len = raw.len;
    if (memchr(raw.data, '\\', raw.len) != NULL) len = string_decode(raw, decoded);
    else memcpy(decoded, raw.data, raw.len);
    uint32_t             hash = hash_bytes(f->seed, slice_of(decoded, len));
    struct written_name *n = name_cell(f, hash, slice_of(decoded, len));
    if (n->round == f->round) return n;
    *n = (struct written_name){f->round, hash, f->names.len, len, 2};
    f->names.len += len;
    f->count++;
    return NULL;
}

/* Finds a suffix that makes the name in f->scratch a new one; the name as it is was `taken` before. */
static void name_number(struct flattener *f, struct written_name taken)
{
    size_t   len = f->scratch.len;
    uint32_t number = taken.next;
    do {
        f->scratch.len = len;
        text_add_number(f, &f->scratch, '#', number++);
    } while (!f->failed && name_note(f) != NULL);
    if (!f->failed) name_cell(f, taken.hash, slice_of(f->names.data + taken.at, taken.len))->next = number;
}

/* --- Values ---------------------------------------------------------------------------------------------------------------- */

static bool is_container(const struct flattener *f, uint32_t node)
{
    return f->record->tape->nodes[node].type == NODE_OBJECT || f->record->tape->nodes[node].type == NODE_ARRAY;
}

static void put(struct flattener *f, struct slice bytes)
{
    if (f->failed || !encoded_reserve(f->out, bytes.len)) {
        f->failed = true;
        return;
    }
    memcpy(f->out->data + f->out->len, bytes.data, bytes.len);
    f->out->len += bytes.len;
}

static void put_name(struct flattener *f, struct slice raw)
{
    f->scratch.len = 0;
    text_add(f, &f->scratch, raw);
    if (f->failed) return;
    const struct written_name *taken = name_note(f);
    if (taken != NULL) name_number(f, *taken);
    put(f, f->count == 1 ? SLICE("{\"") : SLICE(",\""));
    put(f, slice_of(f->scratch.data, f->scratch.len));
    put(f, SLICE("\":"));
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

/* --- Walking ----------------------------------------------------------------------------------------------------------------- */

static void path_add_key(struct flattener *f, uint32_t key)
{
    const struct clean_record *r = f->record;
    struct extent              e = node_extent(f->record, key);
    if (node_fate(f->record, key) == FATE_REPLACED) {
        struct slice quoted = node_replacement(r, key);
        text_add(f, &f->path, slice_sub(quoted, 1, quoted.len - 1));
        return;
    }
    if (!text_reserve(f, &f->path, clean_bytes(r, e.from, e.to))) return;
    struct writer w = {.at = f->path.data + f->path.len};
    writer_text(&w, r, e.from + 1, e.to - 1, false);
    writer_flush(&w);
    f->path.len = (size_t)(w.at - f->path.data);
}

static bool is_given(struct flattener *f, uint32_t node)
{
    while (f->given_passed < f->given_count && f->given[f->given_passed] < node) f->given_passed++;
    return f->given_passed < f->given_count && f->given[f->given_passed] == node;
}

/* Goes down into an object or array whose path is f->path, if the allowance suffices for what is in it. */
static bool enter(struct flattener *f, uint32_t node)
{
    uint64_t cost = (uint64_t)(f->record->tape->nodes[node].next - node) * f->path.len;
    if (cost > f->allowance) return false;
    if (f->depth == f->level_capacity) {
        size_t        capacity = 2 * f->level_capacity + 16;
        struct level *levels = realloc(f->levels, capacity * sizeof *levels);
        if (levels == NULL) {
            f->failed = true;
            return false;
        }
        f->levels = levels;
        f->level_capacity = capacity;
    }
    f->allowance -= cost;
    f->levels[f->depth++] = (struct level){node, 0, f->path.len, true};
    return true;
}

/* Deals with the member or element of the innermost level that begins at `node`; returns the node to go on with. */
static uint32_t step(struct flattener *f, uint32_t node)
{
    const struct node *nodes = f->record->tape->nodes;
    struct level      *level = &f->levels[f->depth - 1];
    bool               member = nodes[node].type == NODE_KEY;
    uint32_t           value = member ? node + 1 : node;
    if ((member && node_fate(f->record, node) == FATE_GONE) || node_fate(f->record, value) == FATE_GONE) return nodes[value].next;
    uint32_t index = level->index++;
    level->empty = false;
    if (is_given(f, value)) return nodes[value].next;
    if (level->path_len > 0) text_add(f, &f->path, SLICE("."));
    if (member) path_add_key(f, node);
    else text_add_number(f, &f->path, 0, index);
    if (is_container(f, value) && node_fate(f->record, value) == FATE_KEPT && enter(f, value)) return value + 1;
    if (!f->failed) put_value(f, slice_of(f->path.data, f->path.len), value);
    return nodes[value].next;
}

/* Writes all that is in an object or array whose path is f->path. */
static void walk(struct flattener *f, uint32_t top)
{
    uint32_t node = top + 1;
    f->depth = 0;
    if (!enter(f, top)) {
        put_value(f, slice_of(f->path.data, f->path.len), top);
        return;
    }
    while (f->depth > 0 && !f->failed) {
        struct level level = f->levels[f->depth - 1];
        f->path.len = level.path_len;
        if (node < f->record->tape->nodes[level.node].next) {
            node = step(f, node);
            continue;
        }
        if (level.empty && level.node != f->record->node) put_value(f, slice_of(f->path.data, f->path.len), level.node);
        f->depth--;
    }
}

/* --- Records ------------------------------------------------------------------------------------------------------------------ */

static void remember_given(struct flattener *f, uint32_t node)
{
    size_t i = f->given_count++;
    for (; i > 0 && f->given[i - 1] > node; i--) f->given[i] = f->given[i - 1];
    f->given[i] = node;
}

static void put_fields(struct flattener *f, struct key_cache *keys)
{
    const struct clean_record *r = f->record;
    uint32_t                   found[FIELD_COUNT];
    for (int field = 0; field < FIELD_COUNT; field++) {
        found[field] = kind_field(r->kind.kind, r->tape, r->node, keys, (enum field)field);
        if (found[field] != 0 && node_fate(f->record, found[field]) == FATE_GONE) found[field] = 0;
        if (found[field] != 0) remember_given(f, found[field]);
    }
    f->given_passed = f->given_count;
    for (int field = 0; field < FIELD_COUNT && !f->failed; field++) {
        struct slice name = slice_from(field_text((enum field)field));
        if (found[field] == 0) continue;
        if (!is_container(f, found[field]) || node_fate(f->record, found[field]) == FATE_REPLACED) {
            put_value(f, name, found[field]);
            continue;
        }
        f->path.len = 0;
        text_add(f, &f->path, name);
        if (!f->failed) walk(f, found[field]);
    }
    f->given_passed = 0;
}

bool flatten(struct flattener *f, const struct clean_record *r, struct key_cache *keys, struct encoded *out)
{
    f->record = r;
    f->out = out;
    f->allowance = (uint64_t)NAME_FACTOR * r->text.len + NAME_BASE;
    f->given_count = f->names.len = f->path.len = 0;
    f->count = 0;
    f->failed = false;
    if (++f->round == 0) {
        memset(f->written, 0, ((size_t)f->mask + 1) * sizeof *f->written);
        f->round = 1;
    }
    put_name(f, SLICE("kind"));
    put(f, SLICE("\""));
    put(f, slice_from(kind_text(r->kind.kind)));
    put(f, SLICE("\""));
    if (!f->failed && node_fate(f->record, r->node) == FATE_KEPT && is_container(f, r->node)) {
        put_fields(f, keys);
        f->path.len = 0;
        if (!f->failed) walk(f, r->node);
    } else {
        put_value(f, SLICE("value"), r->node);
    }
    put(f, SLICE("}"));
    return !f->failed;
}
