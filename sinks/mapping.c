#include "sinks/mapping.h"

#include "base/check.h"

struct place {
    unsigned    when;
    const char *at;   /* NULL: nowhere */
};

struct row {
    int          value;
    struct place places[SCHEMA_COUNT];
};

/* A row names a field or a derived value by the same word. */
enum {
#define FIELD(id, text) VALUE_OF_##id = FIELD_##id,
#define EXTRA(id) VALUE_OF_##id = FIELD_##id,
#include "parser/kinds.def"
#define DERIVED(id, field) VALUE_OF_##id = DERIVED_##id,
#include "sinks/mapping.def"
};

#define ON(bits, text) {bits, text}
#define _ {0, NULL}

static const struct row rows[] = {
#define MAP(value, ...) {VALUE_OF_##value, {__VA_ARGS__}},
#include "sinks/mapping.def"
};

#undef ON
#undef _

enum field value_field(int value)
{
    enum { FIELD_NONE = FIELD_ALL };
    static const uint8_t fields[VALUE_COUNT - FIELD_ALL] = {
#define DERIVED(id, field) [DERIVED_##id - FIELD_ALL] = FIELD_##field,
#include "sinks/mapping.def"
    };
    return value < FIELD_ALL ? (enum field)value : (enum field)fields[value - FIELD_ALL];
}

static uint16_t add(struct mapping *m, struct branch b)
{
    CHECK(m->count < BRANCHES_MAX);
    m->branches[m->count] = b;
    return m->count++;
}

static void append(struct mapping *m, uint16_t *to, uint16_t number)
{
    while (*to != NO_BRANCH) to = &m->branches[*to].next;
    *to = number;
}

static uint16_t find(const struct mapping *m, uint16_t object, struct slice name)
{
    for (uint16_t i = m->branches[object].child; i != NO_BRANCH; i = m->branches[i].next)
        if (slice_equal(m->branches[i].name, name)) return i;
    return NO_BRANCH;
}

/* The branch of that name in an object; made if it is not there. */
static uint16_t branch_of(struct mapping *m, uint16_t object, struct slice name)
{
    bool array = name.len > 2 && name.data[name.len - 2] == '[';
    if (array) name.len -= 2;
    uint16_t number = find(m, object, name);
    if (number != NO_BRANCH) return number;
    number = add(m, (struct branch){.name = name, .value = VALUE_COUNT, .array = array});
    append(m, &m->branches[object].child, number);
    return number;
}

static void place_value(struct mapping *m, uint16_t number, int value, bool copy)
{
    struct branch *b = &m->branches[number];
    if (value == DERIVED_REST) {
        b->rest = true;
        return;
    }
    CHECK(b->child == NO_BRANCH);
    if (b->value == VALUE_COUNT) {
        b->value = value;
        b->copy = copy;
        return;
    }
    while (b->otherwise != NO_BRANCH) b = &m->branches[b->otherwise];
    uint16_t last = (uint16_t)(b - m->branches);
    uint16_t other = add(m, (struct branch){.name = b->name, .value = value, .array = b->array, .copy = copy});
    m->branches[last].otherwise = other;
}

static void add_path(struct mapping *m, int value, const char *at)
{
    bool     copy = *at == '+';
    uint16_t object = 0;
    for (const char *name = at + copy;;) {
        const char *end = strchrnul(name, '.');
        object = branch_of(m, object, slice_of(name, (size_t)(end - name)));
        if (*end == '\0') break;
        name = end + 1;
    }
    place_value(m, object, value, copy);
}

static void build(struct mapping *m, enum schema schema, unsigned when, bool tree)
{
    m->count = 0;
    add(m, (struct branch){.name = SLICE(""), .value = VALUE_COUNT});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct place *place = &rows[i].places[schema];
        if ((place->when & when) == 0) continue;
        if (tree) {
            add_path(m, rows[i].value, place->at);
            continue;
        }
        bool copy = *place->at == '+';
        place_value(m, branch_of(m, 0, slice_from(place->at + copy)), rows[i].value, copy);
    }
}

void mapping_tree(struct mapping *m, enum schema schema, unsigned when) { build(m, schema, when, true); }

void mapping_list(struct mapping *m, enum schema schema, unsigned when) { build(m, schema, when, false); }
