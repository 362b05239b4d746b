/* JSON strings: between the raw bytes as they stand in the text and the characters they mean.
 *
 * Decoding trusts its input: the parser has checked that every escape is whole. Words of eight bytes without a
 * backslash are copied as they are. */
#include "parser/parser.h"

#define EACH_BYTE(b) (0x0101010101010101u * (uint64_t)(b))

static uint64_t load8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

/* Has 0x80 in the first byte that is zero; the bits of bytes behind that may be wrong. */
static uint64_t zero_bytes(uint64_t x) { return (x - EACH_BYTE(0x01)) & ~x & EACH_BYTE(0x80); }

static unsigned hex4(const char *p)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        value = value << 4 | ((c & 0xF) + (c > '9' ? 9 : 0));
    }
    return value;
}

/* Reads the escape at p, whose backslash p[0] is: its length, and the code point it stands for. */
static size_t read_escape(const char *p, const char *end, unsigned *code)
{
    switch (p[1]) {
    case 'b': *code = '\b'; return 2;
    case 'f': *code = '\f'; return 2;
    case 'n': *code = '\n'; return 2;
    case 'r': *code = '\r'; return 2;
    case 't': *code = '\t'; return 2;
    case 'u': break;
    default:  *code = (unsigned char)p[1]; return 2;
    }
    *code = hex4(p + 2);
    if (*code >> 10 != 0xD800 >> 10 || end - p < 12 || p[6] != '\\' || p[7] != 'u') return 6;
    unsigned low = hex4(p + 8);
    if (low >> 10 != 0xDC00 >> 10) return 6;
    *code = 0x10000 + ((*code & 0x3FF) << 10 | (low & 0x3FF));
    return 12;
}

static size_t utf8_length(unsigned code) { return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; }

static size_t put_utf8(unsigned code, char *out)
{
    size_t n = utf8_length(code);
    if (n == 1) {
        out[0] = (char)code;
        return 1;
    }
    for (size_t i = n; --i > 0; code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00 >> n & 0xFF) | code);
    return n;
}

/* The first backslash from p on, or `end`. */
static const char *find_escape(const char *p, const char *end)
{
    const char *found = memchr(p, '\\', (size_t)(end - p));
    return found != NULL ? found : end;
}

size_t string_decode(struct slice raw, char *out)
{
    const char *p = raw.data, *end = raw.data + raw.len;
    char *to = out;
    while (p < end) {
        if (end - p >= 8) {
            uint64_t word = load8(p), hit = zero_bytes(word ^ EACH_BYTE('\\'));
            size_t n = hit == 0 ? 8 : (size_t)__builtin_ctzll(hit) >> 3;
            memcpy(to, p, 8);
            p += n;
            to += n;
            if (hit == 0) continue;
        }
        if (*p == '\\') {
            unsigned code;
            p += read_escape(p, end, &code);
            to += put_utf8(code, to);
        } else {
            *to++ = *p++;
        }
    }
    return (size_t)(to - out);
}

size_t string_raw_offset(struct slice raw, size_t decoded)
{
    const char *p = raw.data, *end = raw.data + raw.len;
    while (p < end) {
        const char *escape = find_escape(p, end);
        size_t plain = (size_t)(escape - p);
        if (decoded < plain) return (size_t)(p - raw.data) + decoded;
        decoded -= plain;
        if (escape == end) break;
        unsigned code;
        p = escape + read_escape(escape, end, &code);
        if (decoded < utf8_length(code)) return (size_t)(escape - raw.data);
        decoded -= utf8_length(code);
    }
    return raw.len;
}

static size_t put_escape(unsigned char c, char *out)
{
    static const char letters[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    static const char hex[] = "0123456789abcdef";
    out[0] = '\\';
    if (c >= 0x20 || letters[c] != 0) {
        out[1] = c >= 0x20 ? (char)c : letters[c];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 0xF];
    return 6;
}

size_t string_encode(struct slice text, char *out)
{
    char *to = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == '"' || c == '\\') to += put_escape(c, to);
        else *to++ = (char)c;
    }
    return (size_t)(to - out);
}
