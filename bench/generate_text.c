/* Random values in the shapes of the formats: numbers, GUIDs, base64, percent encoding. */
#include "bench/generate_priv.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char alnum_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789yZ";

static char *reserve(struct text *t, size_t len)
{
    CHECK(len <= t->capacity - t->len);
    char *at = t->data + t->len;
    t->len += len;
    return at;
}

void put_number(struct text *t, uint64_t n, unsigned min_digits)
{
    char digits[24];
    unsigned i = sizeof digits;
    for (; n > 0 || sizeof digits - i < min_digits || i == sizeof digits; n /= 10) digits[--i] = (char)('0' + n % 10);
    put(t, digits + i, sizeof digits - i);
}

/* Each draw of 64 bits gives so many digits of `bits` bits. */
static void put_digits(struct text *t, struct random *r, unsigned count, const char *alphabet, unsigned bits)
{
    char *at = reserve(t, count);
    unsigned left = 0;
    uint64_t x = 0;
    for (unsigned i = 0; i < count; i++, x >>= bits, left--) {
        if (left == 0) {
            x = random_next(r);
            left = 64 / bits;
        }
        at[i] = alphabet[x & ((1u << bits) - 1)];
    }
}

void put_hex(struct text *t, struct random *r, unsigned digits) { put_digits(t, r, digits, hex_digits, 4); }

void put_base64(struct text *t, struct random *r, unsigned n) { put_digits(t, r, n, base64_digits, 6); }

void put_base64url(struct text *t, struct random *r, unsigned n) { put_digits(t, r, n, base64url_digits, 6); }

void put_alnum(struct text *t, struct random *r, unsigned n) { put_digits(t, r, n, alnum_digits, 6); }

/* Version 4: RFC 9562, section 5.4. */
void put_guid(struct text *t, struct random *r)
{
    static const unsigned char parts[] = {8, 4, 4, 4, 12};
    size_t from = t->len;
    for (size_t i = 0; i < sizeof parts; i++) {
        if (i > 0) put(t, "-", 1);
        put_hex(t, r, parts[i]);
    }
    t->data[from + 14] = '4';
    t->data[from + 19] = "89ab"[random_below(r, 4)];
}

void put_encoded(struct text *t, struct slice s)
{
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t word = 0;
        size_t left = s.len - i < 3 ? s.len - i : 3;
        for (size_t k = 0; k < 3; k++) word = word << 8 | (k < left ? (unsigned char)s.data[i + k] : 0u);
        for (size_t k = 0; k <= left; k++) put(t, &base64url_digits[word >> (18 - 6 * k) & 63], 1);
    }
}

void put_percent(struct text *t, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.data[i]) {
        case '+': put_string(t, "%2B"); break;
        case '/': put_string(t, "%2F"); break;
        case '=': put_string(t, "%3D"); break;
        case '%': put_string(t, "%25"); break;
        default: put(t, s.data + i, 1);
        }
    }
}
