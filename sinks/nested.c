#include "sinks/nested.h"

#include "sinks/json_out.h"

bool nested_init(struct nested *n)
{
    *n = (struct nested){.names = names_once_new()};
    return n->names != NULL;
}

void nested_release(struct nested *n)
{
    names_once_free(n->names);
    free(n->key.data);
    free(n->scratch.data);
}

/* --- Which values are written ----------------------------------------------------------------------------------------- */

/* The branch whose value is written at the place of this one, or NO_BRANCH. */
static uint16_t chosen(const struct nested *n, uint16_t number)
{
    const struct branch *branches = n->mapping->branches;
    while (!reading_has(n->reading, branches[number].value))
        if ((number = branches[number].otherwise) == NO_BRANCH) return NO_BRANCH;
    return number;
}

/* Before anything is written, so that the rest knows what it is. */
static void give_values(struct nested *n)
{
    for (uint16_t i = 1; i < n->mapping->count; i++) n->done[i] = false;
    for (uint16_t i = 1; i < n->mapping->count; i++) {
        const struct branch *b = &n->mapping->branches[i];
        if (b->value == VALUE_COUNT || n->done[i]) continue;
        uint16_t taken = chosen(n, i);
        for (uint16_t other = i; other != NO_BRANCH; other = n->mapping->branches[other].otherwise) n->done[other] = true;
        if (taken != NO_BRANCH && !n->mapping->branches[taken].copy) reading_give(n->reading, n->mapping->branches[taken].value);
    }
    for (uint16_t i = 1; i < n->mapping->count; i++) n->done[i] = false;
}

/* --- Writing ---------------------------------------------------------------------------------------------------------- */

static void put(struct nested *n, struct slice bytes) { n->failed |= !encoded_append(n->out, bytes); }

/* What stands before the next member or element. */
static void put_comma(struct nested *n)
{
    char last = n->out->len > 0 ? n->out->data[n->out->len - 1] : '{';
    if (last != '{' && last != '[') put(n, SLICE(","));
}

static void put_name(struct nested *n, struct slice decoded, uint32_t number)
{
    char suffix[16];
    put_comma(n);
    put(n, SLICE("\""));
    n->failed |= !json_put_text(n->out, decoded);
    if (number > 1) put(n, slice_of(suffix, (size_t)snprintf(suffix, sizeof suffix, "#%u", number)));
    put(n, SLICE("\":"));
}

static void put_cell(struct nested *n, const struct branch *b)
{
    put_name(n, b->name, 1);
    if (b->array) put(n, SLICE("["));
    n->failed |= !json_put_cell(n->out, n->reading->record, &n->reading->cells[b->value]);
    if (b->array) put(n, SLICE("]"));
}

static void put_deep(struct nested *n, uint32_t node)
{
    n->failed |= !json_put_as_text(n->out, n->reading->record, node, &n->scratch);
}

static void put_rest_object(struct nested *n, uint32_t node, uint16_t branch, uint32_t scope, bool rename);
static void put_branch(struct nested *n, uint16_t number, uint32_t node);
static void put_rest_value(struct nested *n, uint32_t node, bool rename);

static bool is_given(struct nested *n, uint32_t node)
{
    bool given = given_has(&n->reading->given, node);
    n->passed_over += given;
    return given;
}

static void put_rest_array(struct nested *n, uint32_t node, bool rename)
{
    const struct node *nodes = n->reading->record->tape->nodes;
    put(n, SLICE("["));
    for (uint32_t element = node + 1; element < nodes[node].next && !n->failed; element = nodes[element].next) {
        if (node_fate(n->reading->record, element) == FATE_GONE || is_given(n, element)) continue;
        put_comma(n);
        put_rest_value(n, element, rename);
    }
    put(n, SLICE("]"));
}

static void put_rest_value(struct nested *n, uint32_t node, bool rename)
{
    const struct node *at = &n->reading->record->tape->nodes[node];
    bool               object = at->type == NODE_OBJECT, array = at->type == NODE_ARRAY;
    if ((!object && !array) || node_fate(n->reading->record, node) == FATE_REPLACED) {
        n->failed |= !json_put_node(n->out, n->reading->record, node, false);
        return;
    }
    if (n->depth == NEST_DEPTH) {
        put_deep(n, node);
        return;
    }
    n->depth++;
    if (array) {
        put_rest_array(n, node, rename);
    } else {
        put(n, SLICE("{"));
        put_rest_object(n, node, NO_BRANCH, ++n->scopes, rename);
        put(n, SLICE("}"));
    }
    n->depth--;
}

/* The name of a member as characters, in n->key. */
static void read_key(struct nested *n, uint32_t key)
{
    const struct clean_record *r = n->reading->record;
    struct extent              e = node_extent(r, key);
    size_t                     room = clean_bytes(r, e.from, e.to);
    n->key.len = 0;
    n->failed |= !grown_reserve(&n->key, room);
    if (!n->failed) n->key.len = node_text(r, key, n->key.data, room);
}

/* An object of the tree that an object of the record, whose name is in n->key, can share. */
static uint16_t shared_branch(const struct nested *n, uint16_t branch, uint32_t node)
{
    if (branch == NO_BRANCH || n->reading->record->tape->nodes[node].type != NODE_OBJECT) return NO_BRANCH;
    if (node_fate(n->reading->record, node) != FATE_KEPT) return NO_BRANCH;
    for (uint16_t i = n->mapping->branches[branch].child; i != NO_BRANCH; i = n->mapping->branches[i].next) {
        const struct branch *b = &n->mapping->branches[i];
        if (b->value == VALUE_COUNT && !n->done[i] && slice_equal(b->name, slice_of(n->key.data, n->key.len))) return i;
    }
    return NO_BRANCH;
}

/* Whether an object or array that was written from `before` on has become empty since all in it was given. */
static bool is_used_up(const struct nested *n, size_t before, uint32_t passed_before)
{
    const char *text = n->out->data + before;
    bool        empty = n->out->len - before == 2 && (text[0] == '{' || text[0] == '[');
    return empty && n->passed_over != passed_before;
}

static void put_rest_member(struct nested *n, uint32_t key, uint16_t branch, uint32_t scope, bool rename)
{
    uint32_t               value = key + 1;
    const struct node     *at = &n->reading->record->tape->nodes[value];
    size_t                 mark = n->out->len;
    bool                   inside = rename;
    read_key(n, key);
    if (n->failed) return;
    if (n->rename != NULL) inside = n->rename(n, branch, at->type == NODE_OBJECT || at->type == NODE_ARRAY, rename);
    uint16_t shared = shared_branch(n, branch, value);
    if (shared != NO_BRANCH) {
        put_branch(n, shared, value);
        return;
    }
    uint32_t number = names_once_take(n->names, scope, slice_of(n->key.data, n->key.len), '#');
    n->failed |= number == 0;
    /* a column of old, beside its heir */
    if (number > 1 && branch != NO_BRANCH && at->type == NODE_STRING && at->start == at->end) return;
    put_name(n, slice_of(n->key.data, n->key.len), number);
    size_t   before = n->out->len;
    uint32_t passed_before = n->passed_over;
    put_rest_value(n, value, inside);
    if (!n->failed && is_used_up(n, before, passed_before)) n->out->len = mark;
}

static void put_rest_object(struct nested *n, uint32_t node, uint16_t branch, uint32_t scope, bool rename)
{
    const struct clean_record *r = n->reading->record;
    const struct node         *nodes = r->tape->nodes;
    for (uint32_t key = node + 1; key < nodes[node].next && !n->failed; key = nodes[key].next) {
        if (node_fate(r, key) == FATE_GONE || node_fate(r, key + 1) == FATE_GONE || is_given(n, key + 1)) continue;
        put_rest_member(n, key, branch, scope, rename);
    }
}

/* The members that the tree has for an object. Objects that the record may share come last. */
static void put_members(struct nested *n, uint16_t object, uint32_t scope, bool objects)
{
    const struct branch *branches = n->mapping->branches;
    for (uint16_t i = branches[object].child; i != NO_BRANCH && !n->failed; i = branches[i].next) {
        bool     is_object = branches[i].value == VALUE_COUNT;
        uint16_t taken = is_object ? i : chosen(n, i);
        if (n->done[i] || is_object != objects || taken == NO_BRANCH) continue;
        if (is_object) {
            put_branch(n, i, 0);
            continue;
        }
        n->failed |= names_once_take(n->names, scope, branches[i].name, '#') == 0;
        put_cell(n, &branches[taken]);
    }
}

/* In the order of the table. */
static void put_members_in_order(struct nested *n, uint16_t object)
{
    const struct branch *branches = n->mapping->branches;
    for (uint16_t i = branches[object].child; i != NO_BRANCH && !n->failed; i = branches[i].next) {
        if (branches[i].value == VALUE_COUNT) put_branch(n, i, 0);
        else if (chosen(n, i) != NO_BRANCH) put_cell(n, &branches[chosen(n, i)]);
    }
}

/* The record, or the object of it that shares the branch, into the open object. */
static void put_members_and_rest(struct nested *n, uint16_t object, uint32_t node)
{
    const struct branch *branches = n->mapping->branches;
    uint32_t             scope = ++n->scopes;
    put_members(n, object, scope, false);
    for (uint16_t i = branches[object].child; i != NO_BRANCH; i = branches[i].next)
        if (branches[i].value == VALUE_COUNT) n->failed |= names_once_take(n->names, scope, branches[i].name, '#') == 0;
    if (node != n->reading->record->node || n->reading->is_object) {
        put_rest_object(n, node, object, scope, true);
    } else if (!n->reading->lone_given) {
        put_name(n, SLICE("value"), 1);
        put_rest_value(n, node, true);
    }
    put_members(n, object, scope, true);
}

/* An object of the tree; `node`: an object of the record that shares it, or 0. */
static void put_branch(struct nested *n, uint16_t number, uint32_t node)
{
    const struct branch *b = &n->mapping->branches[number];
    size_t               mark = n->out->len;
    n->done[number] = true;
    put_name(n, b->name, 1);
    size_t before = n->out->len;
    put(n, b->array ? SLICE("[{") : SLICE("{"));
    if (b->rest || node != 0) put_members_and_rest(n, number, node != 0 ? node : n->reading->record->node);
    else put_members_in_order(n, number);
    bool empty = n->out->len - before == (b->array ? 2 : 1);
    put(n, b->array ? SLICE("}]") : SLICE("}"));
    if (empty && !n->failed) n->out->len = mark;
}

bool nested_write(struct nested *n, struct reading *r, const struct mapping *m, struct encoded *out)
{
    n->reading = r;
    n->mapping = m;
    n->out = out;
    n->scopes = n->passed_over = 0;
    n->depth = 0;
    n->failed = false;
    names_once_clear(n->names);
    give_values(n);
    given_rewind(&r->given);
    put(n, SLICE("{"));
    put_members_in_order(n, 0);
    put(n, SLICE("}"));
    return !n->failed && !r->failed;
}
