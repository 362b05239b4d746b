/* Where a finding stands, in words: the path through objects, arrays, JSON inside strings and encodings. Only for reports;
 * nothing of a value gets into it, and of keys only those that were examined and found clean. */
#include "redaction/engine.h"

#define MAX_PATH 1024

struct path {
    char   text[MAX_PATH];
    size_t len;
};

static void append(struct path *p, struct slice s)
{
    size_t room = sizeof p->text - p->len;
    if (s.len > room) s.len = room;
    memcpy(p->text + p->len, s.data, s.len);
    p->len += s.len;
}

static void append_index(struct path *p, size_t index)
{
    char text[32];
    append(p, slice_of(text, (size_t)snprintf(text, sizeof text, "[%zu]", index)));
}

/* A name as it can stand in a path: those with other than letters, digits and underscores in single quotes. "?" is no name. */
static void append_name(struct path *p, struct slice name)
{
    bool plain = name.len > 0;
    for (size_t i = 0; i < name.len && plain; i++)
        plain = ascii_is_alnum(name.data[i]) || name.data[i] == '_' || name.data[i] == '-';
    if (p->len > 0) append(p, SLICE("."));
    if (slice_equal(name, SLICE("?"))) plain = true;
    if (!plain) append(p, SLICE("'"));
    append(p, name);
    if (!plain) append(p, SLICE("'"));
}

/* Where the walk of one path went down, by level: the next path, whose place is behind it in the document, goes on from
 * there. So all paths of a record take time linear in its length, however many elements stand before a finding. */
struct step {
    const struct tape *tape;        /* NULL: not taken yet */
    uint32_t           container, child;
    size_t             index;
    bool               told;        /* the key may be told */
};

#define MAX_STEPS 64                /* deeper levels are walked from their beginning */

/* One record's details being made. */
struct telling {
    struct redactor   *redactor;
    const struct span *spans;       /* of the record, in its document */
    size_t             span_count;
    struct step        steps[MAX_STEPS];
    size_t             level;
    struct path        path;
};

/* Whether something of view.text[from, to) is replaced, however it was found: as a text of its own, inside a larger one, or in
 * what it encodes. */
static bool is_replaced(const struct telling *t, uint32_t view, size_t from, size_t to)
{
    const struct redactor *r = t->redactor;
    if (from == to) return false;
    for (const struct view *v = &r->views[view]; v->parent != NO_VIEW; v = &r->views[v->parent]) {
        encoding_map_back((enum encoding)v->encoding, view_piece(&r->views[v->parent], v->from, v->to), v->marks, &from, &to);
        from += v->from;
        to += v->from;
    }
    size_t low = 0, high = t->span_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->spans[middle].end > from) high = middle;
        else low = middle + 1;
    }
    return low < t->span_count && t->spans[low].start < to;
}

/* The child of a container in which `offset` lies or, if it lies between two, the one behind; its number as *index; whether
 * the path before went there, too, as *again. The end of the container: there is none. */
static uint32_t find_child(struct telling *t, const struct tape *tape, uint32_t container, uint32_t offset, size_t *index,
                           bool *again)
{
    const struct step *s = t->level < MAX_STEPS ? &t->steps[t->level] : NULL;
    bool               object = tape->nodes[container].type == NODE_OBJECT;
    uint32_t           child = container + 1, end = tape->nodes[container].next;
    bool               known = s != NULL && s->tape == tape && s->container == container;
    *index = 0;
    if (known && tape->nodes[s->child].start <= offset + 1) {
        child = s->child;
        *index = s->index;
    }
    for (; child < end; child = tape->nodes[child].next, ++*index)
        if (offset <= tape->nodes[object ? child + 1 : child].end) break;
    *again = known && child == s->child;
    return child;
}

/* Whether the key may be told: it was examined, and nothing of it is replaced. */
static bool may_be_told(const struct telling *t, const struct tape *tape, uint32_t view, uint32_t key)
{
    const struct key_entry *e = key_cache_get(t->redactor->keys, tape->nodes[key].name);
    return e->examined && !is_replaced(t, view, tape->nodes[key].start, tape->nodes[key].end);
}

/* From `node` down to the key or value in which `offset` lies. */
static void append_nodes(struct telling *t, uint32_t view, uint32_t node, uint32_t offset)
{
    const struct tape *tape = t->redactor->views[view].tape;
    while (tape->nodes[node].type == NODE_OBJECT || tape->nodes[node].type == NODE_ARRAY) {
        bool     object = tape->nodes[node].type == NODE_OBJECT, again;
        size_t   index;
        uint32_t child = find_child(t, tape, node, offset, &index, &again);
        if (child >= tape->nodes[node].next) return;
        if (offset < tape->nodes[child].start - (tape->nodes[child].type > NODE_ARRAY)) return;   /* the container itself */
        bool told = object && (again ? t->steps[t->level].told : may_be_told(t, tape, view, child));
        if (t->level < MAX_STEPS) t->steps[t->level] = (struct step){tape, node, child, index, told};
        t->level++;
        if (!object) {
            append_index(&t->path, index);
            node = child;
            continue;
        }
        append_name(&t->path, told ? key_cache_get(t->redactor->keys, tape->nodes[child].name)->raw : SLICE("?"));
        if (offset <= tape->nodes[child].end) {
            append(&t->path, SLICE(" (key)"));
            return;
        }
        node = child + 1;
    }
}

/* The views between the document and `view`, outermost first. */
static size_t chain_of(const struct redactor *r, uint32_t view, uint32_t chain[2 * MAX_NESTING + 2])
{
    size_t count = 0, limit = 2 * MAX_NESTING + 2;
    for (uint32_t v = view; v != NO_VIEW && count < limit; v = r->views[v].parent) chain[count++] = v;
    for (size_t i = 0; i < count / 2; i++) {
        uint32_t other = chain[i];
        chain[i] = chain[count - 1 - i];
        chain[count - 1 - i] = other;
    }
    return count;
}

static void append_path(struct telling *t, uint32_t view, uint32_t from)
{
    const struct redactor *r = t->redactor;
    uint32_t chain[2 * MAX_NESTING + 2];
    size_t count = chain_of(r, view, chain);
    t->path.len = 0;
    t->level = 0;
    for (size_t i = 0; i < count; i++) {
        const struct view *v = &r->views[chain[i]];
        uint32_t offset = i + 1 < count ? r->views[chain[i + 1]].from : from;
        if (v->encoding != ENCODING_NONE && v->encoding != ENCODING_STRING) {
            append(&t->path, SLICE("~"));
            append(&t->path, slice_from(encoding_text((enum encoding)v->encoding)));
        }
        if (v->tape == NULL) continue;
        if (i > 0) append(&t->path, SLICE("!"));
        append_nodes(t, chain[i], i == 0 ? r->jobs[v->job].source.node : 0, offset);
    }
}

void details_fill(struct redactor *r, uint32_t job, struct span_item *const *items, const struct span *spans, size_t count,
                  struct detail *out)
{
    struct telling t = {.redactor = r, .spans = spans, .span_count = count};
    for (size_t i = 0; i < count; i++) {
        const struct span_item *item = items[i];
        append_path(&t, item->view, item->from);
        char *kept = arena_take(&r->arena, t.path.len + 1);
        if (kept == NULL) {
            job_refuse(r, job, REFUSAL_MEMORY);
            t.path.len = 0;
        } else {
            memcpy(kept, t.path.text, t.path.len);
        }
        out[i] = (struct detail){.rule = item->rule, .path = slice_of(kept, t.path.len), .becomes = item->replacement};
        pseudonym_fingerprint(r->pseudonymiser, view_piece(&r->views[item->view], item->from, item->to), out[i].fingerprint);
    }
}
