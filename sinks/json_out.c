#include "sinks/json_out.h"

#include "sinks/encode_priv.h"

bool json_put_text(struct encoded *out, struct slice text)
{
    if (!encoded_reserve(out, 6 * text.len)) return false;
    out->len += string_encode(text, out->data + out->len);
    return true;
}

bool json_put_string(struct encoded *out, struct slice text)
{
    return encoded_append(out, SLICE("\"")) && json_put_text(out, text) && encoded_append(out, SLICE("\""));
}

static bool put_number(struct encoded *out, int64_t number)
{
    char digits[24];
    return encoded_append(out, slice_of(digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)number)));
}

/* \ud800 to \udbff: -1; \udc00 to \udfff: 1; else 0. */
static int surrogate_at(const char *p, const char *end)
{
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || (p[2] | 0x20) != 'd') return 0;
    char c = ascii_lower(p[3]);
    return c >= '8' && c <= '9' ? -1 : c == 'a' || c == 'b' ? -1 : c >= 'c' && c <= 'f' ? 1 : 0;
}

/* Mends the escapes of lone surrogates, which are as long as that of U+FFFD. */
static void mend_surrogates(char *p, char *end)
{
    while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
        int surrogate = surrogate_at(p, end);
        if (surrogate == 0) {
            p += 2;
        } else if (surrogate < 0 && surrogate_at(p + 6, end) > 0) {
            p += 12;
        } else {
            memcpy(p, "\\ufffd", 6);
            p += 6;
        }
    }
}

static bool put_replacement(struct encoded *out, struct slice json, bool as_string)
{
    bool quotes = as_string && json.data[0] != '"';
    size_t mark = out->len;
    if (quotes && !encoded_append(out, SLICE("\""))) return false;
    if (!encoded_append(out, json)) return false;
    mend_surrogates(out->data + mark, out->data + out->len);
    return !quotes || encoded_append(out, SLICE("\""));
}

bool json_put_node(struct encoded *out, const struct clean_record *r, uint32_t node, bool as_string)
{
    const struct node *at = &r->tape->nodes[node];
    struct extent      e = node_extent(r, node);
    bool               string = at->type == NODE_STRING, quotes = as_string && !string;
    if (node_fate(r, node) == FATE_REPLACED) return put_replacement(out, node_replacement(r, node), as_string);
    if (!encoded_reserve(out, clean_bytes(r, e.from, e.to) + 2)) return false;
    struct writer w = {.at = out->data + out->len};
    if (quotes) *w.at++ = '"';
    writer_text(&w, r, e.from, e.to, false);
    writer_flush(&w);
    if (quotes) *w.at++ = '"';
    if (string && ((at->facts & FACT_ESCAPE) != 0 || r->span_count > 0)) mend_surrogates(out->data + out->len, w.at);
    out->len = (size_t)(w.at - out->data);
    return true;
}

bool json_put_as_text(struct encoded *out, const struct clean_record *r, uint32_t node, struct grown *scratch)
{
    struct extent e = node_extent(r, node);
    scratch->len = 0;
    if (!grown_reserve(scratch, clean_bytes(r, e.from, e.to))) return false;
    struct writer w = {.at = scratch->data};
    writer_text(&w, r, e.from, e.to, true);
    writer_flush(&w);
    scratch->len = (size_t)(w.at - scratch->data);
    mend_surrogates(scratch->data, w.at);
    return json_put_string(out, slice_of(scratch->data, scratch->len));
}

bool json_put_cell(struct encoded *out, const struct clean_record *r, const struct cell *cell)
{
    switch (cell->type) {
    case CELL_NODE: return json_put_node(out, r, cell->node, true);
    case CELL_TEXT: return json_put_string(out, cell->text);
    case CELL_NUMBER: return put_number(out, cell->number);
    case CELL_JSON: return encoded_append(out, cell->text);
    case CELL_NONE: break;
    }
    return true;
}
