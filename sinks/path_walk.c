#include "sinks/path_walk.h"

#include "sinks/encode_priv.h"

/* --- Texts and nodes ------------------------------------------------------------------------------------------------------ */

bool grown_reserve(struct grown *t, size_t bytes)
{
    size_t need = t->len + bytes + PARSER_PADDING;
    if (need <= t->capacity) return true;
    char *data = realloc(t->data, 2 * need);
    if (data == NULL) return false;
    t->data = data;
    t->capacity = 2 * need;
    return true;
}

bool grown_add(struct grown *t, struct slice bytes)
{
    if (!grown_reserve(t, bytes.len)) return false;
    if (bytes.len > 0) memcpy(t->data + t->len, bytes.data, bytes.len);
    t->len += bytes.len;
    return true;
}

void given_add(struct given *g, uint32_t node)
{
    size_t i = g->count;
    while (i > 0 && g->nodes[i - 1] > node) i--;
    if ((i > 0 && g->nodes[i - 1] == node) || g->count == GIVEN_MAX) return;
    memmove(g->nodes + i + 1, g->nodes + i, (g->count++ - i) * sizeof g->nodes[0]);
    g->nodes[i] = node;
}

bool given_has(struct given *g, uint32_t node)
{
    while (g->passed < g->count && g->nodes[g->passed] < node) g->passed++;
    return g->passed < g->count && g->nodes[g->passed] == node;
}

/* --- Walking -------------------------------------------------------------------------------------------------------------- */

struct path_level {
    uint32_t node;
    uint32_t index;        /* of the next element */
    size_t   path_len;     /* of its own path */
    bool     empty;        /* nothing of it was met that is not gone */
};

void path_walk_release(struct path_walk *w)
{
    free(w->path.data);
    free(w->levels);
}

void path_walk_open(struct path_walk *w, const struct clean_record *r)
{
    w->record = r;
    w->allowance = (uint64_t)PATH_FACTOR * r->text.len + PATH_BASE;
    w->failed = false;
}

static void add(struct path_walk *w, struct slice bytes) { w->failed |= !grown_add(&w->path, bytes); }

static void add_index(struct path_walk *w, uint32_t index)
{
    char digits[16];
    add(w, slice_of(digits, (size_t)snprintf(digits, sizeof digits, "%u", index)));
}

static void add_key(struct path_walk *w, uint32_t key)
{
    const struct clean_record *r = w->record;
    struct extent              e = node_extent(r, key);
    if (node_fate(r, key) == FATE_REPLACED) {
        struct slice quoted = node_replacement(r, key);
        add(w, slice_sub(quoted, 1, quoted.len - 1));
        return;
    }
    w->failed |= !grown_reserve(&w->path, clean_bytes(r, e.from, e.to));
    if (w->failed) return;
    struct writer to = {.at = w->path.data + w->path.len};
    writer_text(&to, r, e.from + 1, e.to - 1, false);
    writer_flush(&to);
    w->path.len = (size_t)(to.at - w->path.data);
}

static bool levels_reserve(struct path_walk *w)
{
    if (w->depth < w->level_capacity) return true;
    size_t             capacity = 2 * w->level_capacity + 16;
    struct path_level *levels = realloc(w->levels, capacity * sizeof *levels);
    if (levels == NULL) return false;
    w->levels = levels;
    w->level_capacity = capacity;
    return true;
}

/* Goes down into an object or array whose path is w->path, if the allowance suffices for what is in it. */
static bool enter(struct path_walk *w, uint32_t node)
{
    uint64_t cost = (uint64_t)(w->record->tape->nodes[node].next - node) * w->path.len;
    if (cost > w->allowance) return false;
    w->failed |= !levels_reserve(w);
    if (w->failed) return false;
    w->allowance -= cost;
    w->levels[w->depth++] = (struct path_level){node, 0, w->path.len, true};
    return true;
}

static bool is_container(const struct node *n) { return n->type == NODE_OBJECT || n->type == NODE_ARRAY; }

/* Deals with the member or element of the innermost level that begins at w->node. The value if it is to be met, or 0. */
static uint32_t step(struct path_walk *w)
{
    const struct node *nodes = w->record->tape->nodes;
    struct path_level *level = &w->levels[w->depth - 1];
    uint32_t           node = w->node;
    bool               member = nodes[node].type == NODE_KEY;
    uint32_t           value = member ? node + 1 : node;
    w->node = nodes[value].next;
    if ((member && node_fate(w->record, node) == FATE_GONE) || node_fate(w->record, value) == FATE_GONE) return 0;
    uint32_t index = level->index++;
    level->empty = false;
    if (w->given != NULL && given_has(w->given, value)) return 0;
    if (level->path_len > 0) add(w, SLICE("."));
    if (member) add_key(w, node);
    else add_index(w, index);
    if (!is_container(&nodes[value]) || node_fate(w->record, value) != FATE_KEPT || !enter(w, value)) return value;
    w->node = value + 1;
    return 0;
}

void path_walk_begin(struct path_walk *w, uint32_t top, struct slice path, struct given *given)
{
    w->path.len = 0;
    w->depth = 0;
    w->given = given;
    w->alone = 0;
    w->node = top + 1;
    if (given != NULL) given_rewind(given);
    add(w, path);
    if (!w->failed && !enter(w, top)) w->alone = top + 1;
}

uint32_t path_walk_next(struct path_walk *w)
{
    if (w->alone != 0) {
        uint32_t node = w->alone - 1;
        w->alone = 0;
        return node;
    }
    while (w->depth > 0 && !w->failed) {
        struct path_level level = w->levels[w->depth - 1];
        w->path.len = level.path_len;
        if (w->node < w->record->tape->nodes[level.node].next) {
            uint32_t met = step(w);
            if (met != 0 && !w->failed) return met;
            continue;
        }
        w->depth--;
        if (level.empty && level.node != w->record->node) return level.node;
    }
    return 0;
}
