/* The index kernel without vectors: it defines what the others must find, and runs where they cannot.
 *
 * (1) The fault it reports is the one with the lowest offset. An ill-formed UTF-8 sequence is at its first byte, a
 *     control byte and a byte that cannot stand in an escape at themselves, an unclosed string at the end of the text.
 * (2) A byte below 0x20 inside a string is PARSE_CONTROL, also within an escape. */
#include "parser/index.h"

enum byte_class {
    CLASS_SPACE = 1,
    CLASS_OP = 2,
    CLASS_ENCODED = 4,
    CLASS_RUN = 8,
    CLASS_HEX = 16,
    CLASS_ESCAPE = 32,   /* may follow a backslash, 'u' included */
};

#define RUN CLASS_RUN
#define HEX (CLASS_RUN | CLASS_HEX)

static const unsigned char classes[256] = {
    [' '] = CLASS_SPACE, ['\t'] = CLASS_SPACE, ['\n'] = CLASS_SPACE, ['\r'] = CLASS_SPACE,
    ['{'] = CLASS_OP, ['}'] = CLASS_OP, ['['] = CLASS_OP, [']'] = CLASS_OP, [':'] = CLASS_OP, [','] = CLASS_OP,
    ['%'] = CLASS_ENCODED, ['&'] = CLASS_ENCODED,
    ['"'] = CLASS_ESCAPE, ['\\'] = CLASS_ESCAPE, ['/'] = RUN | CLASS_ESCAPE, ['+'] = RUN,
    ['0'] = HEX, ['1'] = HEX, ['2'] = HEX, ['3'] = HEX, ['4'] = HEX,
    ['5'] = HEX, ['6'] = HEX, ['7'] = HEX, ['8'] = HEX, ['9'] = HEX,
    ['A'] = HEX, ['B'] = HEX, ['C'] = HEX, ['D'] = HEX, ['E'] = HEX, ['F'] = HEX,
    ['G'] = RUN, ['H'] = RUN, ['I'] = RUN, ['J'] = RUN, ['K'] = RUN, ['L'] = RUN, ['M'] = RUN, ['N'] = RUN,
    ['O'] = RUN, ['P'] = RUN, ['Q'] = RUN, ['R'] = RUN, ['S'] = RUN, ['T'] = RUN, ['U'] = RUN, ['V'] = RUN,
    ['W'] = RUN, ['X'] = RUN, ['Y'] = RUN, ['Z'] = RUN,
    ['a'] = HEX, ['b'] = HEX | CLASS_ESCAPE, ['c'] = HEX, ['d'] = HEX, ['e'] = HEX, ['f'] = HEX | CLASS_ESCAPE,
    ['g'] = RUN, ['h'] = RUN, ['i'] = RUN, ['j'] = RUN, ['k'] = RUN, ['l'] = RUN, ['m'] = RUN,
    ['n'] = RUN | CLASS_ESCAPE, ['o'] = RUN, ['p'] = RUN, ['q'] = RUN, ['r'] = RUN | CLASS_ESCAPE, ['s'] = RUN,
    ['t'] = RUN | CLASS_ESCAPE, ['u'] = RUN | CLASS_ESCAPE, ['v'] = RUN, ['w'] = RUN, ['x'] = RUN, ['y'] = RUN,
    ['z'] = RUN,
};

/* Where the reading of a text stands. `end` is the end of its well-formed UTF-8. */
struct reading {
    struct index        *ix;
    const unsigned char *text;
    size_t               i, end, count;
};

static void token(struct reading *r, unsigned char kind)
{
    r->ix->offsets[r->count] = (uint32_t)r->i;
    r->ix->kinds[r->count++] = kind;
}

static bool fault(struct reading *r, enum parse_status status)
{
    r->ix->fault = status;
    r->ix->fault_at = (uint32_t)r->i;
    return false;
}

/* Passes the bytes of an escape after its backslash. At the end of the text it stops, too. */
static bool pass_escape(struct reading *r)
{
    if (r->i == r->end) return true;
    unsigned c = r->text[r->i];
    if (c < 0x20) return fault(r, PARSE_CONTROL);
    if (!(classes[c] & CLASS_ESCAPE)) return fault(r, PARSE_GRAMMAR);
    r->i++;
    for (int digits = 0; c == 'u' && digits < 4 && r->i < r->end; digits++, r->i++) {
        if (r->text[r->i] < 0x20) return fault(r, PARSE_CONTROL);
        if (!(classes[r->text[r->i]] & CLASS_HEX)) return fault(r, PARSE_GRAMMAR);
    }
    return true;
}

/* Passes a string from its opening quote; without a closing one it stops at the end of the text. */
static bool pass_string(struct reading *r, bool *closed)
{
    unsigned facts = 0, run = 0;
    token(r, '"');
    r->i++;
    while (r->i < r->end) {
        unsigned c = r->text[r->i];
        if (c == '"') {
            token(r, (unsigned char)('"' | facts << KIND_FACT_SHIFT));
            r->i++;
            *closed = true;
            return true;
        }
        if (c < 0x20) return fault(r, PARSE_CONTROL);
        if (c == '\\') {
            size_t first = ++r->i;
            facts |= FACT_ESCAPE;
            if (!pass_escape(r)) return false;
            run = (unsigned)(r->i - first);
            if (r->i > first && !(classes[r->text[first]] & CLASS_RUN)) run = 0;
            continue;
        }
        if (classes[c] & CLASS_ENCODED) facts |= FACT_ENCODED;
        run = classes[c] & CLASS_RUN ? run + 1 : 0;
        if (run >= INDEX_RUN) facts |= FACT_LONG_RUN;
        r->i++;
    }
    *closed = false;
    return true;
}

static bool read_tokens(struct reading *r)
{
    bool closed = true, in_scalar = false;
    while (r->i < r->end) {
        unsigned char c = r->text[r->i];
        if (c == '"') {
            in_scalar = false;
            if (!pass_string(r, &closed)) return false;
            continue;
        }
        if (c == '\\') return fault(r, PARSE_GRAMMAR);
        if (classes[c] & (CLASS_SPACE | CLASS_OP)) {
            in_scalar = false;
            if (classes[c] & CLASS_OP) token(r, c);
        } else if (!in_scalar) {
            in_scalar = true;
            token(r, c);
        }
        r->i++;
    }
    return closed || fault(r, PARSE_UNCLOSED);
}

void index_scalar(struct index *ix, struct slice text)
{
    struct reading r = {.ix = ix, .text = (const unsigned char *)text.data, .end = utf8_fault(text)};
    ix->fault = PARSE_OK;
    bool sound = read_tokens(&r);
    if (r.end < text.len && (sound || ix->fault == PARSE_UNCLOSED)) {
        r.i = r.end;
        fault(&r, PARSE_UTF8);
    }
    index_finish(ix, r.count, ix->fault == PARSE_OK ? text.len : ix->fault_at);
}

size_t balance_scalar(struct balance *b, struct slice text, uint32_t floor)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (b->escaped) {
            b->escaped = false;
        } else if (b->in_string) {
            b->escaped = c == '\\';
            b->in_string = c != '"';
        } else if (c == '"') {
            b->in_string = true;
        } else if (c == '{' || c == '[') {
            b->depth++;
        } else if (c == '}' || c == ']') {
            b->depth -= b->depth > 0;
            if (b->depth <= floor) return i + 1;
        }
    }
    return text.len;
}

static bool supported(void) { return true; }

const struct index_kernel index_kernel_scalar = {"scalar", supported, index_scalar, balance_scalar};
