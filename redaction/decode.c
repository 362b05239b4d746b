#include "redaction/decode.h"

#include "base/check.h"
#include "parser/parser.h"
#include "parser/runs.h"

/* One unit of an encoding: how many source bytes it takes and which bytes it stands for. */
struct unit {
    size_t taken, given;
    char   bytes[4];
};

static const char *const texts[] = {
    [ENCODING_NONE] = "plain", [ENCODING_STRING] = "json-string", [ENCODING_PERCENT] = "percent",
    [ENCODING_HTML] = "html", [ENCODING_BACKSLASH] = "backslash", [ENCODING_BASE64] = "base64",
    [ENCODING_UTF16] = "utf-16",
};

const char *encoding_text(enum encoding e) { return texts[e]; }

static const char lead_bytes[] = {[ENCODING_PERCENT] = '%', [ENCODING_HTML] = '&', [ENCODING_BACKSLASH] = '\\',
                                  [ENCODING_UTF16] = '\0'};

/* The value of exactly `digits` hex digits at text[at], or -1. */
static long hex_value(struct slice text, size_t at, size_t digits)
{
    if (at + digits > text.len) return -1;
    long value = 0;
    for (size_t i = at; i < at + digits; i++) {
        int d = ascii_hex_digit(text.data[i]);
        if (d < 0) return -1;
        value = value * 16 + d;
    }
    return value;
}

static struct unit plain_byte(struct slice text, size_t at)
{
    return (struct unit){.taken = 1, .given = 1, .bytes = {text.data[at]}};
}

static struct unit one_byte(size_t taken, long byte)
{
    return (struct unit){.taken = taken, .given = 1, .bytes = {(char)byte}};
}

static struct unit code_point(size_t taken, unsigned long c)
{
    struct unit u = {.taken = taken};
    if (c < 0x80) {
        u.bytes[u.given++] = (char)c;
    } else if (c < 0x800) {
        u.bytes[u.given++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        u.bytes[u.given++] = (char)(0xe0 | c >> 12);
        u.bytes[u.given++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        u.bytes[u.given++] = (char)(0xf0 | c >> 18);
        u.bytes[u.given++] = (char)(0x80 | (c >> 12 & 0x3f));
        u.bytes[u.given++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80) u.bytes[u.given++] = (char)(0x80 | (c & 0x3f));
    return u;
}

/* Of all steps: the lead byte of the encoding stands at `at`. */
static struct unit step_percent(struct slice text, size_t at)
{
    long byte = hex_value(text, at + 1, 2);
    return byte < 0 ? plain_byte(text, at) : one_byte(3, byte);
}

static const struct {
    struct slice text;
    unsigned     code;
} entities[] = {
    {{"quot;", 5}, '"'}, {{"amp;", 4}, '&'}, {{"lt;", 3}, '<'}, {{"gt;", 3}, '>'}, {{"apos;", 5}, '\''}, {{"nbsp;", 5}, ' '},
};

static struct unit step_html(struct slice text, size_t at)
{
    if (at + 3 >= text.len) return plain_byte(text, at);
    struct slice rest = slice_sub(text, at + 1, text.len);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (rest.len >= entities[i].text.len && memcmp(rest.data, entities[i].text.data, entities[i].text.len) == 0)
            return one_byte(1 + entities[i].text.len, (long)entities[i].code);
    if (rest.data[0] != '#') return plain_byte(text, at);
    bool hex = (rest.data[1] | 0x20) == 'x';
    size_t i = hex ? 2 : 1, first = i;
    unsigned long value = 0;
    for (; i < rest.len && i < first + 7; i++) {
        int d = ascii_hex_digit(rest.data[i]);
        if (d < 0 || (!hex && d > 9)) break;
        value = value * (hex ? 16 : 10) + (unsigned long)d;
    }
    if (i == first || i >= rest.len || rest.data[i] != ';' || value == 0 || value > 0x10ffff) return plain_byte(text, at);
    return code_point(i + 2, value);
}

static struct unit step_unicode_escape(struct slice text, size_t at)
{
    long high = hex_value(text, at + 2, 4);
    if (high < 0) return plain_byte(text, at);
    if (high >= 0xd800 && high < 0xdc00 && at + 7 < text.len && text.data[at + 6] == '\\' && text.data[at + 7] == 'u') {
        long low = hex_value(text, at + 8, 4);
        if (low >= 0xdc00 && low < 0xe000)
            return code_point(12, 0x10000 + ((unsigned long)(high - 0xd800) << 10) + (unsigned long)(low - 0xdc00));
    }
    return code_point(6, (unsigned long)high);
}

static struct unit step_backslash(struct slice text, size_t at)
{
    if (at + 1 >= text.len) return plain_byte(text, at);
    switch (text.data[at + 1]) {
    case '"': case '\'': case '\\': case '/': return one_byte(2, text.data[at + 1]);
    case 'n': return one_byte(2, '\n');
    case 'r': return one_byte(2, '\r');
    case 't': return one_byte(2, '\t');
    case 'b': return one_byte(2, '\b');
    case 'f': return one_byte(2, '\f');
    case 'u': return step_unicode_escape(text, at);
    case 'x': {
        long byte = hex_value(text, at + 2, 2);
        return byte < 0 ? plain_byte(text, at) : one_byte(4, byte);
    }
    default: return plain_byte(text, at);
    }
}

static struct unit step(enum encoding e, struct slice text, size_t at)
{
    switch (e) {
    case ENCODING_PERCENT: return step_percent(text, at);
    case ENCODING_HTML: return step_html(text, at);
    case ENCODING_BACKSLASH: return step_backslash(text, at);
    case ENCODING_UTF16: return (struct unit){.taken = 1};   /* the NUL */
    default: return plain_byte(text, at);
    }
}

/* The next byte from `at` on that may begin a unit, or the end. */
static size_t next_lead(enum encoding e, struct slice text, size_t at)
{
    const char *found = at < text.len ? memchr(text.data + at, lead_bytes[e], text.len - at) : NULL;
    return found == NULL ? text.len : (size_t)(found - text.data);
}

bool encoding_occurs(enum encoding e, struct slice text)
{
    for (size_t at = next_lead(e, text, 0); at < text.len; at = next_lead(e, text, at + 1)) {
        struct unit u = step(e, text, at);
        if (u.taken > 1 || u.given == 0) return true;
    }
    return false;
}

static size_t decode_units(enum encoding e, struct slice text, char *out)
{
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        size_t lead = next_lead(e, text, at);
        memcpy(out + len, text.data + at, lead - at);
        len += lead - at;
        if (lead == text.len) break;
        struct unit u = step(e, text, lead);
        memcpy(out + len, u.bytes, u.given);
        len += u.given;
        at = lead + u.taken;
    }
    return len;
}

void encoding_mark(enum encoding e, struct slice text, struct encoding_mark *marks, size_t count)
{
    size_t given = 0, next = 0;   /* next: of the marks */
    if (e == ENCODING_STRING) e = ENCODING_BACKSLASH;   /* its units are a superset */
    for (size_t at = 0; next < count;) {
        size_t lead = next_lead(e, text, at);
        for (; next < count && next * ENCODING_MARK_BYTES < given + (lead - at); next++)
            marks[next] = (struct encoding_mark){(uint32_t)(at + next * ENCODING_MARK_BYTES - given),
                                                 (uint32_t)(next * ENCODING_MARK_BYTES)};
        given += lead - at;
        /* the end: all that is left */
        struct unit u = lead < text.len ? step(e, text, lead) : (struct unit){.given = SIZE_MAX - given};
        for (; next < count && next * ENCODING_MARK_BYTES < given + u.given; next++)
            marks[next] = (struct encoding_mark){(uint32_t)lead, (uint32_t)given};
        given += u.given;
        at = lead + u.taken;
    }
}

/* The source bytes [*first, *end) of the unit that gives decoded byte number `wanted`, looked for from a mark on. Returns a
 * mark at or before that unit. */
static struct encoding_mark locate(enum encoding e, struct slice text, struct encoding_mark from, size_t wanted, size_t *first,
                                   size_t *end)
{
    size_t at = from.at, given = from.given;
    while (at < text.len) {
        size_t lead = next_lead(e, text, at);
        if (wanted < given + (lead - at)) {
            *first = at + (wanted - given);
            *end = *first + 1;
            return (struct encoding_mark){(uint32_t)at, (uint32_t)given};
        }
        given += lead - at;
        at = lead;
        if (at == text.len) break;
        struct unit u = step(e, text, at);
        if (wanted < given + u.given) break;
        given += u.given;
        at += u.taken;
    }
    *first = at;
    *end = at < text.len ? at + step(e, text, at).taken : text.len;
    return (struct encoding_mark){(uint32_t)at, (uint32_t)given};
}

static struct encoding_mark nearest(const struct encoding_mark *marks, size_t wanted)
{
    return marks != NULL ? marks[wanted / ENCODING_MARK_BYTES] : (struct encoding_mark){0, 0};
}

void encoding_map_back(enum encoding e, struct slice text, const struct encoding_mark *marks, size_t *from, size_t *to)
{
    CHECK(*from < *to);
    size_t first, ignored;
    if (e == ENCODING_NONE) return;
    if (e == ENCODING_BASE64) {
        *from = 0;
        *to = text.len;
        return;
    }
    if (e == ENCODING_STRING) e = ENCODING_BACKSLASH;   /* its units are a superset */
    struct encoding_mark mark = locate(e, text, nearest(marks, *from), *from, &first, &ignored), last = nearest(marks, *to - 1);
    locate(e, text, last.given > mark.given ? last : mark, *to - 1, &ignored, to);
    *from = first;
}

/* --- Base64 ---------------------------------------------------------------------------------------------------------------- */

static const struct byte_class base64_class = BYTE_CLASS_BASE64;

static const uint8_t base64_values[256] = {
    ['A'] = 0, ['B'] = 1, ['C'] = 2, ['D'] = 3, ['E'] = 4, ['F'] = 5, ['G'] = 6, ['H'] = 7, ['I'] = 8, ['J'] = 9, ['K'] = 10,
    ['L'] = 11, ['M'] = 12, ['N'] = 13, ['O'] = 14, ['P'] = 15, ['Q'] = 16, ['R'] = 17, ['S'] = 18, ['T'] = 19, ['U'] = 20,
    ['V'] = 21, ['W'] = 22, ['X'] = 23, ['Y'] = 24, ['Z'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30,
    ['f'] = 31, ['g'] = 32, ['h'] = 33, ['i'] = 34, ['j'] = 35, ['k'] = 36, ['l'] = 37, ['m'] = 38, ['n'] = 39, ['o'] = 40,
    ['p'] = 41, ['q'] = 42, ['r'] = 43, ['s'] = 44, ['t'] = 45, ['u'] = 46, ['v'] = 47, ['w'] = 48, ['x'] = 49, ['y'] = 50,
    ['z'] = 51, ['0'] = 52, ['1'] = 53, ['2'] = 54, ['3'] = 55, ['4'] = 56, ['5'] = 57, ['6'] = 58, ['7'] = 59, ['8'] = 60,
    ['9'] = 61, ['+'] = 62, ['-'] = 62, ['/'] = 63, ['_'] = 63,
};

static inline uint32_t base64_value(char c) { return base64_values[(unsigned char)c]; }

static size_t base64_decode(struct slice run, char *out)
{
    size_t len = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < run.len; i++) {
        bits = bits << 6 | base64_value(run.data[i]);
        if (i % 4 == 0) continue;
        out[len++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return len;
}

static bool is_readable_byte(unsigned char c) { return (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') && c != 0x7f; }

static bool readable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_readable_byte((unsigned char)text.data[i])) return false;
    return true;
}

/* UTF-16, little endian, of ASCII. */
static bool readable_wide(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (i % 2 == 0 ? !is_readable_byte((unsigned char)text.data[i]) : text.data[i] != '\0') return false;
    return true;
}

#define START_BYTES 9   /* what the first twelve letters give */

/* Nearly all runs in telemetry are paths, names and ids. The first four letters tell most of them: of random ones seven in
 * eight give a byte that is not ASCII. */
static inline bool may_be_text(const char *run)
{
    uint32_t three = base64_value(run[0]) << 18 | base64_value(run[1]) << 12 | base64_value(run[2]) << 6 | base64_value(run[3]);
    if (three & 0x808080) return false;
    if (!is_readable_byte((unsigned char)(three >> 16)) || !is_readable_byte((unsigned char)three)) return false;
    char start[START_BYTES];
    size_t ascii = 0;
    base64_decode(slice_of(run, 12), start);
    for (size_t k = 0; k < sizeof start; k++) ascii += (unsigned char)start[k] < 0x80;
    return ascii >= 8 && (readable(slice_of(start, sizeof start)) || readable_wide(slice_of(start, sizeof start)));
}

typedef unsigned char block16 __attribute__((vector_size(16)));

/* The first place in text[at, at + 16) behind which base64 of text may begin, after a '/', '-' or '_'; or NULL. */
static const char *after_joint(const char *at)
{
    block16 block;
    uint64_t halves[2];
    memcpy(&block, at, sizeof block);
    block16 joints = (block16)(block == '/') | (block16)(block == '-') | (block16)(block == '_');
    memcpy(halves, &joints, sizeof halves);
    for (int h = 0; h < 2; h++)
        for (uint64_t left = halves[h] & 0x0101010101010101; left != 0; left &= left - 1) {
            const char *place = at + 8 * h + __builtin_ctzll(left) / 8 + 1;
            if (may_be_text(place)) return place;
        }
    return NULL;
}

/* Where in the run text[at, end) base64 of text may begin, or the end. */
static size_t text_start(struct slice text, size_t at, size_t end, bool whole)
{
    for (size_t shift = 0; whole && shift < 4 && at + shift + INDEX_RUN <= end; shift++)
        if (may_be_text(text.data + at + shift)) return at + shift;
    for (size_t i = at; i + 16 + INDEX_RUN <= end; i += 16) {
        const char *place = after_joint(text.data + i);
        if (place != NULL) return (size_t)(place - text.data);
    }
    return end;
}

bool base64_next(struct slice text, size_t *at, size_t *end)
{
    bool whole = *at == 0 || !byte_class_has(&base64_class, text.data[*at - 1]);
    for (; run_next(&base64_class, text, INDEX_RUN, at, end); *at = *end, whole = true) {
        *at = text_start(text, *at, *end, whole);
        if (*at == *end) continue;
        while (*end < text.len && text.data[*end] == '=') (*end)++;
        return true;
    }
    return false;
}

static size_t decode_base64_text(struct slice run, char *out)
{
    while (run.len > 0 && run.data[run.len - 1] == '=') run.len--;
    size_t len = base64_decode(run, out), good = 0;
    bool wide = len > 1 && out[1] == '\0';
    while (good < len && (is_readable_byte((unsigned char)out[good]) || (wide && good % 2 == 1 && out[good] == '\0'))) good++;
    return good >= START_BYTES ? good : 0;
}

size_t encoding_decode(enum encoding e, struct slice text, char *out)
{
    if (e == ENCODING_STRING) return string_decode(text, out);
    if (e == ENCODING_BASE64) return decode_base64_text(text, out);
    return decode_units(e, text, out);
}
