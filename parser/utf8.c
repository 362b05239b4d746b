/* UTF-8, one byte after another: the definition that the vector kernels must agree with.
 *
 * Well-formed is what table 3-7 of the Unicode Standard (chapter 3.9) lists: no overlong forms, no surrogates, nothing
 * above U+10FFFF. */
#include "parser/index.h"

#define HIGH_BITS 0x8080808080808080u

static bool is_ascii8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return (x & HIGH_BITS) == 0;
}

/* The length of the well-formed sequence at p, which begins with a byte above 0x7F; 0 if it is ill-formed. */
static size_t sequence_length(const unsigned char *p, size_t left)
{
    unsigned lead = p[0];
    size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || n > left) return 0;
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return n;
}

size_t utf8_fault(struct slice text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    size_t i = 0;
    while (i < text.len) {
        if (text.len - i >= 8 && is_ascii8(text.data + i)) {
            i += 8;
        } else if (p[i] < 0x80) {
            i++;
        } else {
            size_t n = sequence_length(p + i, text.len - i);
            if (n == 0) return i;
            i += n;
        }
    }
    return text.len;
}
