/* Recognises kinds of record and finds their fields, by the table in kinds.def.
 *
 * Recognition walks once over the keys at the root and notes which of the first 63 names are there, as bits of one word,
 * and where; a row of the table then costs one mask and, if that fits, one comparison of a label.
 *
 * Thread: any; all state is the caller's. */
#include "parser/kinds_priv.h"
#include "parser/names_priv.h"

/* Elements of an array that are looked at for a field: real records have a few dozen custom properties. */
#define EACH_LIMIT 256

const char *field_text(enum field field)
{
    static const char *const texts[] = {
#define FIELD(id, text) [FIELD_##id] = text,
#include "parser/kinds.def"
    };
    return texts[field];
}

const char *kind_text(enum kind kind)
{
    static const char *const texts[] = {
#define KIND(id, text, ...) [KIND_##id] = text,
#include "parser/kinds.def"
    };
    return texts[kind];
}

bool name_is_resource(name_id name)
{
    return name == NAME_RESOURCE_ID || name == NAME_UNDERSCORE_RESOURCE_ID || name == NAME_RESOURCE_URI ||
           name == NAME_REGISTRY_RESOURCE_ID;
}

/* --- Members ----------------------------------------------------------------------------------------------------------- */

uint32_t tape_member(const struct tape *tape, uint32_t object, struct key_cache *cache, name_id name)
{
    const struct node *nodes = tape->nodes;
    if (nodes[object].type != NODE_OBJECT || name == 0) return 0;
    for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key].next)
        if (key_name(cache, &nodes[key]) == name) return key + 1;
    return 0;
}

/* As tape_member(), but where the first of duplicates is a number, a string goes before it: some records give their level
 * as "Level":4,"level":"Information". */
static uint32_t preferred_member(const struct tape *tape, uint32_t object, struct key_cache *cache, name_id name)
{
    const struct node *nodes = tape->nodes;
    uint32_t           first = tape_member(tape, object, cache, name);
    if (first == 0 || nodes[first].type != NODE_NUMBER) return first;
    for (uint32_t key = nodes[first].next; key < nodes[object].next; key = nodes[key].next)
        if (key_name(cache, &nodes[key]) == name && nodes[key + 1].type == NODE_STRING) return key + 1;
    return first;
}

/* --- Recognition ------------------------------------------------------------------------------------------------------- */

#define ROOT_NAMES 64
#define BIT(name) (UINT64_C(1) << NAME_##name)   /* of a name beyond the first 63 it does not compile */
#define BITS(...) BITS_OF(__VA_ARGS__, NONE, NONE, NONE, NONE)
#define BITS_OF(a, b, c, d, ...) (BIT(a) | BIT(b) | BIT(c) | BIT(d))

enum label { LABEL_NONE, LABEL_TABLE, LABEL_BASE_TYPE, LABEL_SCORING };

struct recogniser {
    enum kind    kind;
    enum label   label;
    struct slice text;
    uint64_t     needs;   /* BITs of names at the root */
};

static const struct recogniser recognisers[] = {
#define RECOGNISE(kind_id, label_id, value, ...) {KIND_##kind_id, LABEL_##label_id, {value, sizeof value - 1}, BITS(__VA_ARGS__)},
#include "parser/kinds.def"
};

/* The members at the root that take part in recognition. */
struct root {
    uint64_t present;             /* BITs; that of NAME_NONE is always set */
    uint32_t at[ROOT_NAMES];      /* nodes of their values, where present */
};

static void root_survey(const struct tape *tape, uint32_t record, const struct key_cache *cache, struct root *root)
{
    const struct node *nodes = tape->nodes;
    root->present = BIT(NONE);
    for (uint32_t key = record + 1; key < nodes[record].next; key = nodes[key].next) {
        name_id name = key_name(cache, &nodes[key]);
        if (name >= ROOT_NAMES || (root->present >> name & 1) != 0) continue;
        root->present |= UINT64_C(1) << name;
        root->at[name] = key + 1;
    }
}

static uint32_t string_or_none(const struct tape *tape, uint32_t node)
{
    return node != 0 && tape->nodes[node].type == NODE_STRING && tape->nodes[node].start < tape->nodes[node].end ? node : 0;
}

/* What the labels of a record are, as nodes; 0: it has none of that sort. */
struct labels {
    uint32_t type, category, base_type;
    bool     scoring;
};

static bool has_scoring_name(const struct tape *tape, uint32_t properties, struct key_cache *cache)
{
    static const bool scoring[NAME_COUNT] = {
#define SCORING_NAME(id) [NAME_##id] = true,
#include "parser/kinds.def"
    };
    const struct node *nodes = tape->nodes;
    if (properties == 0 || nodes[properties].type != NODE_OBJECT) return false;
    for (uint32_t key = properties + 1; key < nodes[properties].next; key = nodes[key].next) {
        name_id name = key_name(cache, &nodes[key]);
        if (name < NAME_COUNT && scoring[name]) return true;
    }
    return false;
}

static struct labels labels_read(const struct tape *tape, const struct root *root, struct key_cache *cache)
{
    struct labels labels = {0};
    if (root->present & BIT(TYPE)) labels.type = string_or_none(tape, root->at[NAME_TYPE]);
    if (root->present & BIT(CATEGORY)) {
        uint32_t category = root->at[NAME_CATEGORY], value = tape_member(tape, category, cache, NAME_VALUE);
        labels.category = string_or_none(tape, value != 0 ? value : category);
    }
    if (root->present & BIT(DATA)) {
        uint32_t data = root->at[NAME_DATA], base = tape_member(tape, data, cache, NAME_BASE_DATA);
        labels.base_type = string_or_none(tape, tape_member(tape, data, cache, NAME_BASE_TYPE));
        labels.scoring = base != 0 && has_scoring_name(tape, tape_member(tape, base, cache, NAME_PROPERTIES), cache);
    }
    return labels;
}

static bool label_fits(const struct tape *tape, uint32_t node, struct slice text)
{
    if (node == 0) return false;
    struct slice label = slice_sub(tape->text, tape->nodes[node].start, tape->nodes[node].end);
    if (text.data[text.len - 1] != '*') return slice_equal_nocase(label, text);
    text.len--;
    return label.len >= text.len && slice_equal_nocase(slice_of(label.data, text.len), text);
}

static bool row_fits(const struct recogniser *row, const struct tape *tape, const struct labels *labels)
{
    switch (row->label) {
    case LABEL_NONE: return true;
    case LABEL_TABLE: return label_fits(tape, labels->category, row->text) || label_fits(tape, labels->type, row->text);
    case LABEL_BASE_TYPE: return label_fits(tape, labels->base_type, row->text);
    case LABEL_SCORING: return labels->scoring && label_fits(tape, labels->base_type, row->text);
    }
    return false;
}

struct kind_facts kind_recognise(const struct tape *tape, uint32_t record, struct key_cache *cache)
{
    struct root root;
    if (tape->nodes[record].type != NODE_OBJECT) return (struct kind_facts){KIND_UNKNOWN, 0};
    root_survey(tape, record, cache, &root);
    struct labels     labels = labels_read(tape, &root, cache);
    struct kind_facts facts = {KIND_UNKNOWN, labels.category != 0 ? labels.category : labels.type};
    for (size_t i = 0; i < sizeof recognisers / sizeof recognisers[0]; i++) {
        const struct recogniser *row = &recognisers[i];
        if ((root.present & row->needs) != row->needs || !row_fits(row, tape, &labels)) continue;
        facts.kind = row->kind;
        if (row->label == LABEL_BASE_TYPE || row->label == LABEL_SCORING) facts.category = labels.base_type;
        return facts;
    }
    return facts;
}

/* --- Fields ------------------------------------------------------------------------------------------------------------ */

#define PATH_STEPS 5
#define PATHS_MAX 20

struct path {
    name_id step[PATH_STEPS];   /* ended by NAME_NONE, or full */
};

static const uint8_t kind_shapes[] = {
#define KIND(id, text, shape) [KIND_##id] = SHAPE_##shape,
#include "parser/kinds.def"
};

enum shape kind_shape(enum kind kind) { return (enum shape)kind_shapes[kind]; }

#define AT(...) AT_STEPS(__VA_ARGS__, NONE, NONE, NONE, NONE)
#define AT_STEPS(a, b, c, d, e, ...) {{NAME_##a, NAME_##b, NAME_##c, NAME_##d, NAME_##e}}

static const struct path places[SHAPE_COUNT][FIELD_ALL][PATHS_MAX] = {
#define PLACES(shape, field, ...) [SHAPE_##shape][FIELD_##field] = {__VA_ARGS__},
#include "parser/kinds.def"
};

/* The node that the rest of a path leads to, or 0. */
static uint32_t path_follow(const struct tape *tape, uint32_t node, struct key_cache *cache, const name_id *step,
                            const name_id *end)
{
    const struct node *nodes = tape->nodes;
    if (step == end || *step == NAME_NONE) return node;
    if (*step != NAME_EACH) {
        uint32_t member = preferred_member(tape, node, cache, *step);
        return member == 0 ? 0 : path_follow(tape, member, cache, step + 1, end);
    }
    if (nodes[node].type != NODE_ARRAY) return 0;
    uint32_t element = node + 1;
    for (int i = 0; i < EACH_LIMIT && element < nodes[node].next; i++, element = nodes[element].next) {
        uint32_t found = path_follow(tape, element, cache, step + 1, end);
        if (found != 0) return found;
    }
    return 0;
}

static bool is_value(const struct node *node, enum field field)
{
    switch ((enum node_type)node->type) {
    case NODE_STRING: return node->start < node->end;
    case NODE_NUMBER:
    case NODE_TRUE:
    case NODE_FALSE: return true;
    case NODE_OBJECT:
    case NODE_ARRAY: return field == FIELD_ENVIRONMENT;
    case NODE_KEY:
    case NODE_NULL: break;
    }
    return false;
}

uint32_t kind_field(enum kind kind, const struct tape *tape, uint32_t record, struct key_cache *cache, enum field field)
{
    const struct path *path = places[kind_shapes[kind]][field], *end = path + PATHS_MAX;
    for (; path < end && path->step[0] != NAME_NONE; path++) {
        uint32_t node = path_follow(tape, record, cache, path->step, path->step + PATH_STEPS);
        if (node != 0 && is_value(&tape->nodes[node], field)) return node;
    }
    return 0;
}
