/* The index kernel for AVX-512 with VBMI2 (Ice Lake, Zen 4 and later): a word is one vector, and compression writes the
 * tokens of a word without a loop. See index_word.h. */
#include "parser/index_utf8.h"
#include "parser/index_word.h"

#include <immintrin.h>

enum { OP = 1, SPACE = 2, ENCODED = 4, RUN = 8, LETTER = 16, HEX = 32, QUOTE = 64, BACKSLASH = 128 };

#define DIGIT (RUN | HEX)

/* The classes of the ASCII bytes. */
static const _Alignas(64) unsigned char classes[128] = {
    [' '] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\r'] = SPACE,
    ['{'] = OP, ['}'] = OP, ['['] = OP, [']'] = OP, [':'] = OP, [','] = OP,
    ['%'] = ENCODED, ['&'] = ENCODED, ['"'] = QUOTE | LETTER, ['\\'] = BACKSLASH | LETTER, ['/'] = RUN | LETTER,
    ['+'] = RUN, ['0'] = DIGIT, ['1'] = DIGIT, ['2'] = DIGIT, ['3'] = DIGIT, ['4'] = DIGIT, ['5'] = DIGIT,
    ['6'] = DIGIT, ['7'] = DIGIT, ['8'] = DIGIT, ['9'] = DIGIT,
    ['A'] = DIGIT, ['B'] = DIGIT, ['C'] = DIGIT, ['D'] = DIGIT, ['E'] = DIGIT, ['F'] = DIGIT,
    ['G'] = RUN, ['H'] = RUN, ['I'] = RUN, ['J'] = RUN, ['K'] = RUN, ['L'] = RUN, ['M'] = RUN, ['N'] = RUN,
    ['O'] = RUN, ['P'] = RUN, ['Q'] = RUN, ['R'] = RUN, ['S'] = RUN, ['T'] = RUN, ['U'] = RUN, ['V'] = RUN,
    ['W'] = RUN, ['X'] = RUN, ['Y'] = RUN, ['Z'] = RUN,
    ['a'] = DIGIT, ['b'] = DIGIT | LETTER, ['c'] = DIGIT, ['d'] = DIGIT, ['e'] = DIGIT, ['f'] = DIGIT | LETTER,
    ['g'] = RUN, ['h'] = RUN, ['i'] = RUN, ['j'] = RUN, ['k'] = RUN, ['l'] = RUN, ['m'] = RUN,
    ['n'] = RUN | LETTER, ['o'] = RUN, ['p'] = RUN, ['q'] = RUN, ['r'] = RUN | LETTER, ['s'] = RUN,
    ['t'] = RUN | LETTER, ['u'] = RUN | LETTER, ['v'] = RUN, ['w'] = RUN, ['x'] = RUN, ['y'] = RUN, ['z'] = RUN,
};

/* Bytes 0 .. 63: the offsets within a word. */
static const _Alignas(64) unsigned char places[64] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
    48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

static bool supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt");
}

/* The word at `base`; what it has beyond the end of the text is spaces. */
ALWAYS_INLINE __m512i load(struct slice text, size_t base)
{
    if (text.len - base >= WORD) return _mm512_loadu_si512(text.data + base);
    return _mm512_mask_loadu_epi8(_mm512_set1_epi8(' '), _bzhi_u64(~(uint64_t)0, (unsigned)(text.len - base)),
                                  text.data + base);
}

/* --- UTF-8 -------------------------------------------------------------------------------------------------------- */

/* The last three bytes may lead characters that go on in the next word. */
static const _Alignas(64) unsigned char largest_at_end[64] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, UTF8_LAST_LEADS,
};

ALWAYS_INLINE __m512i table16(const unsigned char *table)
{
    return _mm512_broadcast_i32x4(_mm_load_si128((const void *)table));
}

/* The faults of a word; `before` is the word in front of it. Not 0 when it is ill-formed. */
ALWAYS_INLINE uint64_t utf8_word_faults(__m512i v, __m512i before)
{
    const __m512i low_half = _mm512_set1_epi8(0x0F);
    __m512i lanes = _mm512_alignr_epi64(v, before, 6);   /* each 16 bytes of v, moved up by 16 */
    __m512i back1 = _mm512_alignr_epi8(v, lanes, 15), back2 = _mm512_alignr_epi8(v, lanes, 14);
    __m512i back3 = _mm512_alignr_epi8(v, lanes, 13);
    __m512i first_high = _mm512_shuffle_epi8(table16(utf8_first_high),
                                             _mm512_and_si512(_mm512_srli_epi16(back1, 4), low_half));
    __m512i first_low = _mm512_shuffle_epi8(table16(utf8_first_low), _mm512_and_si512(back1, low_half));
    __m512i second_high = _mm512_shuffle_epi8(table16(utf8_second_high),
                                              _mm512_and_si512(_mm512_srli_epi16(v, 4), low_half));
    __m512i faults = _mm512_and_si512(_mm512_and_si512(first_high, first_low), second_high);
    __m512i due = _mm512_or_si512(_mm512_subs_epu8(back2, _mm512_set1_epi8((char)(0xE0 - 0x80))),
                                  _mm512_subs_epu8(back3, _mm512_set1_epi8((char)(0xF0 - 0x80))));
    due = _mm512_and_si512(due, _mm512_set1_epi8((char)0x80));
    return _mm512_cmpneq_epi8_mask(faults, due);
}

/* A pass of its own, only for texts that have bytes above 0x7F. */
static bool is_utf8(struct slice text)
{
    uint64_t faults = 0, goes_on = 0;
    __m512i v, before = _mm512_setzero_si512();
    for (size_t base = 0; base < text.len; base += WORD, before = v) {
        v = load(text, base);
        if (_mm512_movepi8_mask(v) == 0) {
            faults |= goes_on;
            goes_on = 0;
        } else {
            faults |= utf8_word_faults(v, before);
            goes_on = _mm512_cmpgt_epu8_mask(v, _mm512_load_si512(largest_at_end));
        }
    }
    return (faults | goes_on) == 0;
}

/* --- Tokens ------------------------------------------------------------------------------------------------------- */

ALWAYS_INLINE uint64_t in_class(__m512i classed, unsigned char bits)
{
    return _mm512_test_epi8_mask(classed, _mm512_set1_epi8((char)bits));
}

/* Sixteen places within a word, as offsets in the text. */
ALWAYS_INLINE void write_offsets(uint32_t *offsets, __m128i found, uint32_t base)
{
    _mm512_storeu_si512(offsets, _mm512_add_epi32(_mm512_cvtepu8_epi32(found), _mm512_set1_epi32((int)base)));
}

/* Writes the tokens of a word; returns how many they are. */
ALWAYS_INLINE size_t write_tokens(uint32_t *offsets, unsigned char *kinds, __m512i v, uint32_t base,
                                  struct word_tokens t)
{
    for (int fact = 0; fact < 3; fact++) {
        const __m512i bit = _mm512_set1_epi8((char)(1 << (fact + KIND_FACT_SHIFT)));
        v = _mm512_mask_add_epi8(v, t.fact[fact], v, bit);
    }
    unsigned n = (unsigned)__builtin_popcountll(t.token);
    __m512i found = _mm512_maskz_compress_epi8(t.token, _mm512_load_si512(places));
    _mm512_storeu_si512(kinds, _mm512_maskz_compress_epi8(t.token, v));
    write_offsets(offsets, _mm512_castsi512_si128(found), base);
    if (n <= 16) return n;
    write_offsets(offsets + 16, _mm512_extracti32x4_epi32(found, 1), base);
    if (n <= 32) return n;
    write_offsets(offsets + 32, _mm512_extracti32x4_epi32(found, 2), base);
    write_offsets(offsets + 48, _mm512_extracti32x4_epi32(found, 3), base);
    return n;
}

ALWAYS_INLINE size_t index_word(struct word_state *s, struct slice text, size_t base, uint32_t *offsets, unsigned char *kinds)
{
    const __m512i v = load(text, base);
    uint64_t high = _mm512_movepi8_mask(v);
    __m512i classed = _mm512_maskz_permutex2var_epi8(~high, _mm512_load_si512(classes), v,
                                                     _mm512_load_si512(classes + 64));
    struct word_classes c = {
        .quote = in_class(classed, QUOTE), .backslash = in_class(classed, BACKSLASH), .op = in_class(classed, OP),
        .space = in_class(classed, SPACE), .encoded = in_class(classed, ENCODED), .run = in_class(classed, RUN),
        .control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20)),
    };
    struct word_tokens t = find_tokens(s, c);
    if ((t.escaped | s->hex) != 0)
        check_escapes(s, t.escaped, in_class(classed, LETTER), _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('u')),
                      in_class(classed, HEX));
    s->high |= high;
    return write_tokens(offsets, kinds, v, (uint32_t)base, t);
}

/* --- The kernel --------------------------------------------------------------------------------------------------- */

ALWAYS_INLINE struct bracket_masks find_brackets(struct slice text, size_t base)
{
    const __m512i v = load(text, base), square_as_curly = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    return (struct bracket_masks){
        .quote = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')),
        .backslash = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')),
        .open = _mm512_cmpeq_epi8_mask(square_as_curly, _mm512_set1_epi8('{')),
        .close = _mm512_cmpeq_epi8_mask(square_as_curly, _mm512_set1_epi8('}')),
    };
}

#include "parser/index_loop.h"

const struct index_kernel index_kernel_avx512 = {"avx512", supported, index_words, balance_words};
