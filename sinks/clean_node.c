#include "sinks/clean_node.h"

static bool is_quoted(const struct node *n) { return n->type == NODE_STRING || n->type == NODE_KEY; }

struct extent node_extent(const struct clean_record *r, uint32_t node)
{
    const struct node *n = &r->tape->nodes[node];
    size_t             quotes = is_quoted(n) ? 1 : 0, shift = (size_t)(r->text.data - r->tape->text.data);
    return (struct extent){n->start - quotes - shift, n->end + quotes - shift};
}

size_t span_after(const struct clean_record *r, size_t offset)
{
    size_t low = 0, high = r->span_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->spans[middle].end > offset) high = middle;
        else low = middle + 1;
    }
    return low;
}

enum fate node_fate(const struct clean_record *r, uint32_t node)
{
    if (r->span_count == 0) return FATE_KEPT;
    struct extent e = node_extent(r, node);
    size_t        i = span_after(r, e.from);
    if (i == r->span_count || r->spans[i].start > e.from || r->spans[i].end < e.to) return FATE_KEPT;
    bool exact = r->spans[i].start == e.from && r->spans[i].end == e.to;
    return exact && r->spans[i].replacement.len > 0 ? FATE_REPLACED : FATE_GONE;
}

struct slice node_replacement(const struct clean_record *r, uint32_t node)
{
    return r->spans[span_after(r, node_extent(r, node).from)].replacement;
}

size_t clean_bytes(const struct clean_record *r, size_t from, size_t to)
{
    size_t bytes = to - from;
    if (r->span_count == 0) return bytes;
    for (size_t i = span_after(r, from); i < r->span_count && r->spans[i].start < to; i++) bytes += r->spans[i].replacement.len;
    return bytes;
}

size_t utf8_cut(struct slice text, size_t room)
{
    if (text.len <= room) return text.len;
    while (room > 0 && ((unsigned char)text.data[room] & 0xC0) == 0x80) room--;
    return room;
}

/* A lone surrogate in generalised UTF-8 is as long as U+FFFD. */
static void replace_surrogates(char *text, size_t len)
{
    char *end = text + len;
    for (char *p = text; (p = memchr(p, '\xED', (size_t)(end - p))) != NULL; p++)
        if ((unsigned char)p[1] >= 0xA0) memcpy(p, "\xEF\xBF\xBD", 3);
}

/* A text that is put together from pieces until it is full. */
struct tail {
    char  *out;
    size_t len, room;
    bool   full;
    bool   as_is;   /* not the inside of a string: nothing is to be decoded */
};

/* Appends the inside of a JSON string, or what of it fits. */
static void append_decoded(struct tail *t, struct slice raw)
{
    size_t room = t->room - t->len,
           at = raw.len <= room ? raw.len : t->as_is ? utf8_cut(raw, room) : string_raw_offset(raw, room);
    char  *out = t->out + t->len;
    if (raw.len == 0 || t->full) return;
    t->full = at < raw.len;
    if (t->as_is) {
        memcpy(out, raw.data, at);
        t->len += at;
        return;
    }
    size_t len = string_decode(slice_of(raw.data, at), out);
    if (memchr(raw.data, '\\', at) != NULL) replace_surrogates(out, len);
    if (t->full) {
        out[len] = raw.data[at];
        len = utf8_cut(slice_of(out, len + 1), len);
    }
    t->len += len;
}

size_t clean_decode(struct slice raw, char *out, size_t room)
{
    struct tail t = {out, 0, room, false, false};
    append_decoded(&t, raw);
    return t.len;
}

/* The text of a node is made of pieces between spans and of replacements: no span begins or ends inside an escape. */
size_t node_text(const struct clean_record *r, uint32_t node, char *out, size_t room)
{
    enum fate     fate = node_fate(r, node);
    struct extent e = node_extent(r, node);
    size_t        quotes = is_quoted(&r->tape->nodes[node]) ? 1 : 0, from = e.from + quotes, to = e.to - quotes;
    struct tail   t = {out, 0, room, fate == FATE_GONE, quotes == 0};
    if (fate == FATE_REPLACED) {
        struct slice json = node_replacement(r, node);
        t.as_is = json.data[0] != '"';
        append_decoded(&t, t.as_is ? json : slice_sub(json, 1, json.len - 1));
        return t.len;
    }
    for (size_t i = r->span_count == 0 ? 0 : span_after(r, from); from < to && !t.full; i++) {
        const struct span *span = i < r->span_count && r->spans[i].start < to ? &r->spans[i] : NULL;
        CHECK(span == NULL || (span->start >= from && span->end <= to));
        append_decoded(&t, slice_sub(r->text, from, span == NULL ? to : span->start));
        if (span == NULL) break;
        append_decoded(&t, span->replacement);
        from = span->end;
    }
    return t.len;
}
