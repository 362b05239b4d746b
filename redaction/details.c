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

/* A name as it can stand in a path: those with other than letters, digits and underscores in single quotes. */
static void append_name(struct path *p, struct slice name)
{
    bool plain = name.len > 0;
    for (size_t i = 0; i < name.len && plain; i++) plain = ascii_is_alnum(name.data[i]) || name.data[i] == '_' || name.data[i] == '-';
    if (p->len > 0) append(p, SLICE("."));
    if (!plain) append(p, SLICE("'"));
    append(p, name);
    if (!plain) append(p, SLICE("'"));
}

/* From `node` down to the key or value in which `offset` lies. */
static void append_nodes(const struct redactor *r, struct path *p, const struct tape *t, uint32_t node, uint32_t offset)
{
    while (t->nodes[node].type == NODE_OBJECT || t->nodes[node].type == NODE_ARRAY) {
        bool object = t->nodes[node].type == NODE_OBJECT;
        uint32_t child = node + 1, end = t->nodes[node].next;
        size_t index = 0;
        for (; child < end; child = t->nodes[child].next, index++) {
            uint32_t value = object ? child + 1 : child;
            if (offset <= t->nodes[value].end) break;
        }
        if (child >= end || offset < t->nodes[child].start - (t->nodes[child].type > NODE_ARRAY)) return;   /* the container itself */
        if (!object) {
            append_index(p, index);
            node = child;
            continue;
        }
        const struct key_entry *e = key_cache_get(r->keys, t->nodes[child].name);
        append_name(p, e->examined ? e->raw : SLICE("?"));
        if (offset <= t->nodes[child].end) {
            append(p, SLICE(" (key)"));
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

void detail_fill(struct redactor *r, uint32_t job, const struct span_item *item, struct detail *d)
{
    struct path path = {.len = 0};
    uint32_t chain[2 * MAX_NESTING + 2];
    size_t count = chain_of(r, item->view, chain);
    for (size_t i = 0; i < count; i++) {
        const struct view *v = &r->views[chain[i]];
        uint32_t offset = i + 1 < count ? r->views[chain[i + 1]].from : item->from;
        if (v->encoding != ENCODING_NONE && v->encoding != ENCODING_STRING) {
            append(&path, SLICE("~"));
            append(&path, slice_from(encoding_text((enum encoding)v->encoding)));
        }
        if (v->tape == NULL) continue;
        if (i > 0) append(&path, SLICE("!"));
        append_nodes(r, &path, v->tape, i == 0 ? r->jobs[v->job].source.node : 0, offset);
    }
    char *kept = arena_take(&r->arena, path.len + 1);
    if (kept == NULL) {
        job_refuse(r, job, REFUSAL_MEMORY);
        path.len = 0;
    } else {
        memcpy(kept, path.text, path.len);
    }
    *d = (struct detail){.rule = item->rule, .path = slice_of(kept, path.len), .becomes = item->replacement};
    struct slice value = slice_sub(r->views[item->view].text, item->from, item->to);
    pseudonym_fingerprint(r->pseudonymiser, value, d->fingerprint);
}
