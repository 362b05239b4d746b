#include "parser/repair.h"

#define GROWTH 3   /* no escape of Python's becomes more than three times as long: \a is \u0007 */

static bool is_break(char c) { return c == '\n' || c == '\r' || c == '\t'; }

static char break_letter(char c) { return c == '\n' ? 'n' : c == '\r' ? 'r' : 't'; }

/* Room for `bytes` and the padding; the copy is cut to its length by finish(). */
static char *begin(struct arena *a, size_t bytes) { return arena_take(a, bytes + PARSER_PADDING); }

static struct slice finish(struct arena *a, char *copy, size_t len)
{
    memset(copy + len, 0, PARSER_PADDING);
    arena_trim(a, copy, len + PARSER_PADDING);
    return slice_of(copy, len);
}

/* --- Raw line feeds --------------------------------------------------------------------------------------------------- */

/* Returns the length of the result; writes it unless `out` is NULL. A break behind a backslash is no repairable fault and
 * stays, to be refused. */
static size_t escape_breaks(struct slice text, char *out)
{
    bool in_string = false, escaped = false;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool escape = in_string && !escaped && is_break(c);
        if (c == '"' && !escaped) in_string = !in_string;
        escaped = in_string && !escaped && c == '\\';
        if (out != NULL) {
            out[n] = escape ? '\\' : c;
            if (escape) out[n + 1] = break_letter(c);
        }
        n += escape ? 2 : 1;
    }
    return n;
}

enum repair_status repair_line_feeds(struct slice text, struct arena *a, struct slice *repaired)
{
    size_t len = escape_breaks(text, NULL);
    if (len == text.len) return REPAIR_NOTHING;
    char *copy = begin(a, len);
    if (copy == NULL) return REPAIR_NO_MEMORY;
    escape_breaks(text, copy);
    *repaired = finish(a, copy, len);
    return REPAIR_DONE;
}

/* --- Single quotes ---------------------------------------------------------------------------------------------------- */

static bool begins_single_quoted(struct slice text)
{
    size_t i = 0, brackets = 0;
    for (; i < text.len; i++) {
        char c = text.data[i];
        if (c == '{' || c == '[') brackets++;
        else if (c != ' ' && !is_break(c)) break;
    }
    return brackets > 0 && i < text.len && text.data[i] == '\'';
}

struct copying {
    struct slice in;
    size_t       i;
    char        *out;
    size_t       n;
};

static void put(struct copying *c, const char *bytes, size_t len)
{
    memcpy(c->out + c->n, bytes, len);
    c->n += len;
}

static unsigned hex_value(struct slice digits)
{
    unsigned value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        int digit = ascii_hex_digit(digits.data[i]);
        if (digit < 0) return UINT32_MAX;
        value = value << 4 | (unsigned)digit;
    }
    return value;
}

static void put_unit(struct copying *c, unsigned unit)
{
    char text[8];
    put(c, text, (size_t)snprintf(text, sizeof text, "\\u%04x", unit & 0xffff));
}

/* \xNN and \UNNNNNNNN. False: not such an escape; nothing passed. */
static bool put_numbered(struct copying *c, char letter)
{
    size_t digits = letter == 'x' ? 2 : 8;
    if ((letter != 'x' && letter != 'U') || c->in.len - c->i < 2 + digits) return false;
    unsigned value = hex_value(slice_of(c->in.data + c->i + 2, digits));
    if (value > 0x10ffff) return false;
    if (value > 0xffff) {
        put_unit(c, 0xd800 + ((value - 0x10000) >> 10));
        put_unit(c, 0xdc00 + ((value - 0x10000) & 0x3ff));
    } else {
        put_unit(c, value);
    }
    c->i += 2 + digits;
    return true;
}

/* An escape that JSON lacks or spells otherwise; any other is copied, and the strict parser judges it. */
static void put_escape(struct copying *c)
{
    char letter = c->i + 1 < c->in.len ? c->in.data[c->i + 1] : '\0';
    if (put_numbered(c, letter)) return;
    if (letter == '\'') put(c, "'", 1);
    else if (letter == 'a' || letter == 'v') put_unit(c, letter == 'a' ? 7 : 11);
    else put(c, c->in.data + c->i, c->i + 1 < c->in.len ? 2 : 1);
    c->i += c->i + 1 < c->in.len ? 2 : 1;
}

static void put_string(struct copying *c, char quote)
{
    put(c, "\"", 1);
    c->i++;
    while (c->i < c->in.len && c->in.data[c->i] != quote) {
        char b = c->in.data[c->i];
        if (b == '\\') {
            put_escape(c);
            continue;
        }
        if (b == '"') put(c, "\\", 1);
        put(c, &b, 1);
        c->i++;
    }
    if (c->i == c->in.len) return;
    put(c, "\"", 1);
    c->i++;
}

static void put_word(struct copying *c)
{
    static const struct { struct slice python, json; } words[] = {
        {{"None", 4}, {"null", 4}}, {{"True", 4}, {"true", 4}}, {{"False", 5}, {"false", 5}}};
    size_t end = c->i;
    while (end < c->in.len && ascii_is_alpha(c->in.data[end])) end++;
    struct slice word = slice_sub(c->in, c->i, end);
    for (size_t n = 0; n < sizeof words / sizeof words[0]; n++)
        if (slice_equal(word, words[n].python)) word = words[n].json;
    put(c, word.data, word.len);
    c->i = end;
}

enum repair_status repair_quotes(struct slice text, struct arena *a, struct slice *repaired)
{
    if (!begins_single_quoted(text)) return REPAIR_NOTHING;
    struct copying c = {.in = text, .out = begin(a, GROWTH * text.len)};
    if (c.out == NULL) return REPAIR_NO_MEMORY;
    while (c.i < text.len) {
        char b = text.data[c.i];
        if (b == '\'' || b == '"') put_string(&c, b);
        else if (ascii_is_alpha(b)) put_word(&c);
        else put(&c, text.data + c.i++, 1);
    }
    *repaired = finish(a, c.out, c.n);
    return REPAIR_DONE;
}
