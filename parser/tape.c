/* The tape pass: from the tokens of the index to nodes, checking the grammar of RFC 8259 on the way.
 *
 * (1) Nothing is recursive: ix->open holds the nodes of the objects and arrays that are open, outermost first.
 * (2) Strings were checked by the index; here only the order of tokens, numbers and literals are. An opening quote
 *     without a closing one comes with a fault of the index, so that whatever is made of it is given up in the end.
 * (3) A text of n tokens with d containers still open has at most (n + d) / 2 + 1 nodes, so nodes need no bounds check:
 *     a string has two tokens, a container two and a comma for all but one of its elements, a scalar one.
 * (4) A fault of the index counts only if the grammar holds up to there: the earlier fault is reported. */
#include "parser/index.h"

/* The kinds of the next eight tokens as one number, first token lowest. */
#define KINDS(a, b, c, d, e, f) \
    ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 | (uint64_t)(e) << 32 | \
     (uint64_t)(f) << 40)
#define END_QUOTE (0xFF ^ KIND_FACTS)

/* `"key":` and `"key":"value",` with whatever facts the strings have. */
#define KEY_MASK KINDS(0xFF, END_QUOTE, 0xFF, 0, 0, 0)
#define KEY KINDS('"', '"', ':', 0, 0, 0)
#define MEMBER_MASK KINDS(0xFF, END_QUOTE, 0xFF, 0xFF, END_QUOTE, 0xFF)
#define MEMBER KINDS('"', '"', ':', '"', '"', ',')

struct walk {
    const char          *text;
    const uint32_t      *offset;   /* of the next token; kind, its kind */
    const unsigned char *kind;
    struct node         *nodes;
    uint32_t             count;
    size_t               fault_at;
};

static uint64_t load8(const void *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline uint64_t next_kinds(const struct walk *w)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(load8(w->kind));
#else
    return load8(w->kind);
#endif
}

static inline void pass(struct walk *w, unsigned tokens)
{
    w->offset += tokens;
    w->kind += tokens;
}

static inline void put(struct walk *w, enum node_type type, size_t start, size_t end, uint32_t next, unsigned facts)
{
    w->nodes[w->count++] = (struct node){
        .start = (uint32_t)start, .end = (uint32_t)end, .next = next, .type = (uint8_t)type, .facts = (uint8_t)facts};
}

/* A key or string from its quotes, which are the tokens `at` and `at` + 1. */
static inline void put_string(struct walk *w, enum node_type type, unsigned at, uint64_t kinds, uint32_t next)
{
    unsigned facts = (unsigned)(kinds >> (8 * (at + 1) + KIND_FACT_SHIFT)) & 7;
    put(w, type, w->offset[at] + 1, w->offset[at + 1], next, facts);
}

static bool fault(struct walk *w, size_t at)
{
    w->fault_at = at;
    return false;
}

/* The number of digits at p, at most until `limit`. Reads 8 bytes at a time, beyond `limit`, too: PARSER_PADDING. */
static inline size_t digits(const char *p, const char *limit)
{
    size_t most = (size_t)(limit - p);
    for (size_t n = 0; n < most; n += 8) {
        uint64_t x = load8(p + n) ^ 0x3030303030303030u;
        uint64_t other = (((x & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | x) & 0x8080808080808080u;
        if (other == 0) continue;
        n += (size_t)__builtin_ctzll(other) >> 3;
        return n < most ? n : most;
    }
    return most;
}

static inline bool is_end(const char *p, const char *limit)
{
    return p == limit || *p == ' ' || *p == '\n' || *p == '\r' || *p == '\t';
}

/* The fraction and exponent, from the first byte behind the integer. Returns the end, or NULL and a fault. */
static const char *fraction(struct walk *w, const char *p, const char *limit)
{
    if (p < limit && *p == '.') {
        size_t n = digits(++p, limit);
        p += n;
        if (n == 0) return fault(w, (size_t)(p - w->text)), NULL;
    }
    if (p < limit && (*p | 0x20) == 'e') {
        p++;
        if (p < limit && (*p == '+' || *p == '-')) p++;
        size_t n = digits(p, limit);
        p += n;
        if (n == 0) return fault(w, (size_t)(p - w->text)), NULL;
    }
    if (!is_end(p, limit)) return fault(w, (size_t)(p - w->text)), NULL;
    return p;
}

static inline bool number(struct walk *w)
{
    const char *start = w->text + w->offset[0], *limit = w->text + w->offset[1], *p = start + (*start == '-');
    size_t n = digits(p, limit);
    if (n == 0) return fault(w, (size_t)(p - w->text));
    if (n > 1 && *p == '0') return fault(w, (size_t)(p + 1 - w->text));
    p += n;
    if (!is_end(p, limit) && (p = fraction(w, p, limit)) == NULL) return false;
    put(w, NODE_NUMBER, w->offset[0], (size_t)(p - w->text), w->count + 1, 0);
    pass(w, 1);
    return true;
}

static inline bool literal(struct walk *w, enum node_type type, struct slice name)
{
    const char *p = w->text + w->offset[0], *limit = w->text + w->offset[1];
    for (size_t i = 0; i < name.len; i++)
        if (p + i == limit || p[i] != name.data[i]) return fault(w, w->offset[0] + i);
    if (!is_end(p + name.len, limit)) return fault(w, w->offset[0] + name.len);
    put(w, type, w->offset[0], w->offset[0] + name.len, w->count + 1, 0);
    pass(w, 1);
    return true;
}

/* A string, number or literal. */
static inline bool scalar(struct walk *w)
{
    switch (w->kind[0]) {
    case '"':
        put_string(w, NODE_STRING, 0, next_kinds(w), w->count + 1);
        pass(w, 2);
        return true;
    case '-':
    case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return number(w);
    case 't': return literal(w, NODE_TRUE, SLICE("true"));
    case 'f': return literal(w, NODE_FALSE, SLICE("false"));
    case 'n': return literal(w, NODE_NULL, SLICE("null"));
    default:  return fault(w, w->offset[0]);
    }
}

/* `"key":`, or the offset of what stands in its place. */
static inline bool key(struct walk *w, uint64_t kinds)
{
    if ((kinds & KEY_MASK) == KEY) {
        put_string(w, NODE_KEY, 0, kinds, w->count + 2);
        pass(w, 3);
        return true;
    }
    if (w->kind[0] != '"') return fault(w, w->offset[0]);
    return fault(w, w->offset[w->kind[1] == 0 ? 1 : 2]);
}

/* Ends the innermost container at the bracket that is the next token. */
static inline void close_container(struct walk *w, uint32_t node, bool is_member)
{
    w->nodes[node].end = w->offset[0] + 1;
    w->nodes[node].next = w->count;
    if (is_member) w->nodes[node - 1].next = w->count;
    pass(w, 1);
}

/* Walks one value with all that is in it. PARSE_GRAMMAR stands for any fault but that of depth. */
static enum parse_status walk_value(struct walk *w, uint32_t *open, unsigned max_depth, uint32_t *depth_at_end)
{
    uint32_t depth = 0;
    unsigned char closing = 0;   /* of the innermost container; 0 outside all */
    for (;;) {
        if (w->kind[0] == '{' || w->kind[0] == '[') {
            *depth_at_end = depth;
            if (depth == max_depth) return fault(w, w->offset[0]), PARSE_DEPTH;
            closing = w->kind[0] + 2;
            open[depth++] = w->count;
            put(w, closing == '}' ? NODE_OBJECT : NODE_ARRAY, w->offset[0], 0, 0, 0);
            pass(w, 1);
            if (w->kind[0] != closing) goto element;
        } else if (!scalar(w)) {
            break;
        }
        while (depth > 0 && w->kind[0] == closing) {
            uint32_t node = open[--depth];
            closing = depth == 0 ? 0 : w->nodes[open[depth - 1]].type == NODE_OBJECT ? '}' : ']';
            close_container(w, node, closing == '}');
        }
        if (depth == 0) return PARSE_OK;
        if (w->kind[0] != ',') {
            fault(w, w->offset[0]);
            break;
        }
        pass(w, 1);
    element:
        if (closing != '}') continue;
        uint64_t kinds = next_kinds(w);
        while ((kinds & MEMBER_MASK) == MEMBER) {
            put_string(w, NODE_KEY, 0, kinds, w->count + 2);
            put_string(w, NODE_STRING, 3, kinds, w->count + 1);
            pass(w, 6);
            kinds = next_kinds(w);
        }
        if (!key(w, kinds)) break;
    }
    *depth_at_end = depth;
    return PARSE_GRAMMAR;
}

static enum parse_status walk(struct walk *w, struct index *ix, struct slice text, unsigned max_depth)
{
    uint32_t depth = 0;
    if (ix->count == 0 && ix->fault == PARSE_OK) return fault(w, text.len), PARSE_EMPTY;
    enum parse_status status = walk_value(w, ix->open, max_depth, &depth);
    if (status == PARSE_OK && w->kind < ix->kinds + ix->count) {
        fault(w, w->offset[0]);
        status = PARSE_GRAMMAR;
    }
    if (ix->fault != PARSE_OK && (status == PARSE_OK || w->fault_at >= ix->fault_at))
        return fault(w, ix->fault_at), ix->fault;
    return status == PARSE_GRAMMAR && w->fault_at == text.len && depth > 0 ? PARSE_UNCLOSED : status;
}

static enum parse_status build(struct index *ix, struct slice text, unsigned max_depth, struct arena *arena, struct tape *tape,
                               size_t *at)
{
    size_t room = ((size_t)ix->count + (max_depth < ix->count ? max_depth : ix->count)) / 2 + 2;
    struct node *nodes = arena_take(arena, room * sizeof *nodes);
    if (nodes == NULL) {
        *at = 0;
        return PARSE_MEMORY;
    }
    struct walk w = {.text = text.data, .offset = ix->offsets, .kind = ix->kinds, .nodes = nodes};
    enum parse_status status = walk(&w, ix, text, max_depth);
    if (status != PARSE_OK) {
        arena_trim(arena, nodes, 0);
        *at = w.fault_at;
        return status;
    }
    arena_trim(arena, nodes, w.count * sizeof *nodes);
    *tape = (struct tape){.text = text, .nodes = nodes, .count = w.count};
    return PARSE_OK;
}

bool parser_init(struct parser *p, size_t max_bytes, unsigned max_depth)
{
    CHECK(max_bytes <= (size_t)1 << 30);
    *p = (struct parser){.kernel = index_select(), .max_bytes = max_bytes, .max_depth = max_depth};
    p->index = calloc(1, sizeof *p->index);
    if (p->index == NULL) return false;
    p->index->offsets = malloc((max_bytes + INDEX_SLACK) * sizeof *p->index->offsets);
    p->index->kinds = malloc(max_bytes + INDEX_SLACK);
    p->index->open = malloc(((size_t)max_depth + 1) * sizeof *p->index->open);
    if (p->index->offsets != NULL && p->index->kinds != NULL && p->index->open != NULL) return true;
    parser_release(p);
    return false;
}

void parser_release(struct parser *p)
{
    if (p->index == NULL) return;
    free(p->index->offsets);
    free(p->index->kinds);
    free(p->index->open);
    free(p->index);
    p->index = NULL;
}

enum parse_status parser_parse(struct parser *p, struct slice text, struct arena *arena, struct tape *tape, size_t *at)
{
    if (text.len > p->max_bytes) {
        *at = p->max_bytes;
        return PARSE_TOO_LONG;
    }
    p->kernel->index(p->index, text);
    return build(p->index, text, p->max_depth, arena, tape, at);
}
