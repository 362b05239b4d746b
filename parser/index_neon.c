/* The index kernel for NEON (any 64-bit Arm): a word is four vectors. See index_word.h. */
#include "parser/index_utf8.h"
#include "parser/index_word.h"

#include <arm_neon.h>

struct word {
    uint8x16_t part[4];
};

static bool supported(void) { return true; }

/* The word at `base`; what it has beyond the end of the text is spaces. */
ALWAYS_INLINE struct word load(struct slice text, size_t base)
{
    const char *p = text.data + base;
    char tail[WORD];
    if (text.len - base < WORD) {
        memset(tail, ' ', sizeof tail);
        memcpy(tail, p, text.len - base);
        p = tail;
    }
    struct word w;
    for (int i = 0; i < 4; i++) w.part[i] = vld1q_u8((const uint8_t *)p + 16 * i);
    return w;
}

/* One bit for each byte, each of which must be 0 or 255. */
ALWAYS_INLINE uint64_t bits(struct word w)
{
    const uint8x16_t bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t low = vpaddq_u8(vandq_u8(w.part[0], bit), vandq_u8(w.part[1], bit));
    uint8x16_t high = vpaddq_u8(vandq_u8(w.part[2], bit), vandq_u8(w.part[3], bit));
    low = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(low, low)), 0);
}

ALWAYS_INLINE uint64_t equal_to(struct word w, char c)
{
    for (int i = 0; i < 4; i++) w.part[i] = vceqq_u8(w.part[i], vdupq_n_u8((uint8_t)c));
    return bits(w);
}

ALWAYS_INLINE uint64_t below_0x20(struct word w)
{
    for (int i = 0; i < 4; i++) w.part[i] = vcltq_u8(w.part[i], vdupq_n_u8(0x20));
    return bits(w);
}

/* The word with 0x20 or-ed in: [ and ] become { and }. */
ALWAYS_INLINE struct word folded(struct word w)
{
    for (int i = 0; i < 4; i++) w.part[i] = vorrq_u8(w.part[i], vdupq_n_u8(0x20));
    return w;
}

/* --- Classes ------------------------------------------------------------------------------------------------------ */

/* Classes by the halves of a byte: it is in one when the look-ups by its high and low half have a bit in common.
 * Bits 1, 2, 4, 8: [A-Za-z0-9+/]. Bit 16: braces and brackets. Bit 32: the comma; 64: the colon. */
enum { RUN = 15, OPERATOR = 112 };
static const uint8_t by_high[16] = {[2] = 1 | 32, [3] = 2 | 64, [4] = 4, [5] = 8 | 16, [6] = 4, [7] = 8 | 16};
static const uint8_t by_low[16] = {
    2 | 8,     2 | 4 | 8, 2 | 4 | 8,  2 | 4 | 8,  2 | 4 | 8, 2 | 4 | 8, 2 | 4 | 8, 2 | 4 | 8,
    2 | 4 | 8, 2 | 4 | 8, 4 | 8 | 64, 1 | 4 | 16, 4 | 32,    4 | 16,    4,         1 | 4,
};

/* Bit 1: the space; 2: tab, line feed, carriage return. Bits 4, 8: hexadecimal digits. What may follow a backslash:
 * bits 16: quote and solidus, 32: backslash, 64: b f n, 128: r t u. */
enum { SPACE = 3, HEX = 12, LETTER = 240 };
static const uint8_t more_by_high[16] = {
    [0] = 2, [2] = 1 | 16, [3] = 4, [4] = 8, [5] = 32, [6] = 8 | 64, [7] = 128,
};
static const uint8_t more_by_low[16] = {
    [0x0] = 1 | 4, [0x1] = 4 | 8, [0x2] = 4 | 8 | 16 | 64 | 128, [0x3] = 4 | 8, [0x4] = 4 | 8 | 128,
    [0x5] = 4 | 8 | 128, [0x6] = 4 | 8 | 64, [0x7] = 4, [0x8] = 4, [0x9] = 2 | 4, [0xA] = 2, [0xC] = 32, [0xD] = 2,
    [0xE] = 64, [0xF] = 16,
};

ALWAYS_INLINE struct word both_halves(struct word w, const uint8_t *high, const uint8_t *low)
{
    const uint8x16_t h = vld1q_u8(high), l = vld1q_u8(low);
    for (int i = 0; i < 4; i++) {
        uint8x16_t v = w.part[i];
        w.part[i] = vandq_u8(vqtbl1q_u8(h, vshrq_n_u8(v, 4)), vqtbl1q_u8(l, vandq_u8(v, vdupq_n_u8(0x0F))));
    }
    return w;
}

ALWAYS_INLINE uint64_t in_class(struct word classed, uint8_t any)
{
    for (int i = 0; i < 4; i++) classed.part[i] = vtstq_u8(classed.part[i], vdupq_n_u8(any));
    return bits(classed);
}

/* --- UTF-8 -------------------------------------------------------------------------------------------------------- */

static const uint8_t largest_at_end[16] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, UTF8_LAST_LEADS,
};

/* Not 0 in bytes of v that are ill-formed; `before` is the vector in front of it. */
ALWAYS_INLINE uint8x16_t utf8_vector_faults(uint8x16_t v, uint8x16_t before)
{
    const uint8x16_t low_half = vdupq_n_u8(0x0F);
    uint8x16_t back1 = vextq_u8(before, v, 15), back2 = vextq_u8(before, v, 14), back3 = vextq_u8(before, v, 13);
    uint8x16_t first_high = vqtbl1q_u8(vld1q_u8(utf8_first_high), vshrq_n_u8(back1, 4));
    uint8x16_t first_low = vqtbl1q_u8(vld1q_u8(utf8_first_low), vandq_u8(back1, low_half));
    uint8x16_t second_high = vqtbl1q_u8(vld1q_u8(utf8_second_high), vshrq_n_u8(v, 4));
    uint8x16_t faults = vandq_u8(vandq_u8(first_high, first_low), second_high);
    uint8x16_t due = vorrq_u8(vqsubq_u8(back2, vdupq_n_u8(0xE0 - 0x80)), vqsubq_u8(back3, vdupq_n_u8(0xF0 - 0x80)));
    return veorq_u8(faults, vandq_u8(due, vdupq_n_u8(0x80)));
}

/* A pass of its own, only for texts that have bytes above 0x7F. */
static bool is_utf8(struct slice text)
{
    const uint8x16_t largest = vld1q_u8(largest_at_end);
    uint8x16_t faults = vdupq_n_u8(0), goes_on = faults, before = faults;
    for (size_t base = 0; base < text.len; base += WORD) {
        struct word w = load(text, base);
        for (int i = 0; i < 4; i++) {
            faults = vorrq_u8(faults, utf8_vector_faults(w.part[i], before));
            before = w.part[i];
        }
        goes_on = vqsubq_u8(before, largest);
    }
    return vmaxvq_u8(vorrq_u8(faults, goes_on)) == 0;
}

/* --- Tokens ------------------------------------------------------------------------------------------------------- */

/* Writes four tokens of the word at `base`, some of them perhaps in vain: the byte behind the word may then be read,
 * which is what PARSER_PADDING is for. Returns the tokens that are left. */
ALWAYS_INLINE uint64_t write_four(uint32_t *offsets, unsigned char *kinds, const char *text, size_t base,
                                  uint64_t token)
{
    for (int i = 0; i < 4; i++) {
        size_t offset = base + (token == 0 ? WORD : (size_t)__builtin_ctzll(token));
        offsets[i] = (uint32_t)offset;
        kinds[i] = (unsigned char)text[offset];
        token &= token - 1;
    }
    return token;
}

/* Writes the tokens of the word at `base`; returns how many they are. */
ALWAYS_INLINE size_t write_tokens(uint32_t *offsets, unsigned char *kinds, const char *text, size_t base,
                                  struct word_tokens t)
{
    size_t n = (size_t)__builtin_popcountll(t.token);
    uint64_t left = t.token;
    for (size_t i = 0; i < n; i += 4) left = write_four(offsets + i, kinds + i, text, base, left);
    for (unsigned fact = 0; fact < 3; fact++)
        for (uint64_t f = t.fact[fact]; f != 0; f &= f - 1)
            kinds[__builtin_popcountll(t.token & ((f & -f) - 1))] |= (unsigned char)(1 << (fact + KIND_FACT_SHIFT));
    return n;
}

ALWAYS_INLINE size_t index_word(struct word_state *s, struct slice text, size_t base, uint32_t *offsets, unsigned char *kinds)
{
    struct word w = load(text, base);
    struct word classed = both_halves(w, by_high, by_low), more = both_halves(w, more_by_high, more_by_low);
    struct word_classes c = {
        .quote = equal_to(w, '"'), .backslash = equal_to(w, '\\'), .control = below_0x20(w),
        .op = in_class(classed, OPERATOR), .space = in_class(more, SPACE),
        .encoded = equal_to(w, '%') | equal_to(w, '&'), .run = in_class(classed, RUN),
    };
    struct word_tokens t = find_tokens(s, c);
    if ((t.escaped | s->hex) != 0)
        check_escapes(s, t.escaped, in_class(more, LETTER), equal_to(w, 'u'), in_class(more, HEX));
    uint8x16_t any = vorrq_u8(vorrq_u8(w.part[0], w.part[1]), vorrq_u8(w.part[2], w.part[3]));
    s->high |= vmaxvq_u8(any) & 0x80;
    return write_tokens(offsets, kinds, text.data, base, t);
}

/* --- The kernel --------------------------------------------------------------------------------------------------- */

ALWAYS_INLINE struct bracket_masks find_brackets(struct slice text, size_t base)
{
    struct word w = load(text, base), f = folded(w);
    return (struct bracket_masks){
        .quote = equal_to(w, '"'), .backslash = equal_to(w, '\\'), .open = equal_to(f, '{'), .close = equal_to(f, '}')};
}

#include "parser/index_loop.h"

const struct index_kernel index_kernel_neon = {"neon", supported, index_words, balance_words};
