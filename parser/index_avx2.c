/* The index kernel for AVX2: a word is two vectors. See index_word.h. */
#include "parser/index_utf8.h"
#include "parser/index_word.h"

#include <immintrin.h>

struct word {
    __m256i low, high;
};

static bool supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt");
}

ALWAYS_INLINE struct word load_word(const void *p)
{
    const __m256i *parts = p;
    return (struct word){_mm256_loadu_si256(parts), _mm256_loadu_si256(parts + 1)};
}

/* The word at `base`; what it has beyond the end of the text is spaces. */
ALWAYS_INLINE struct word load(struct slice text, size_t base)
{
    static const unsigned char keep[2 * WORD] = {
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    };
    const __m256i space = _mm256_set1_epi8(' ');
    struct word w = load_word(text.data + base);
    if (text.len - base >= WORD) return w;
    struct word mask = load_word(keep + WORD - (text.len - base));
    return (struct word){_mm256_blendv_epi8(space, w.low, mask.low), _mm256_blendv_epi8(space, w.high, mask.high)};
}

ALWAYS_INLINE uint64_t bits(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

ALWAYS_INLINE __m256i table16(const unsigned char *table)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const void *)table));
}

ALWAYS_INLINE __m256i high_halves(__m256i v)
{
    return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0F));
}

ALWAYS_INLINE uint64_t equal_to(struct word w, char c)
{
    const __m256i byte = _mm256_set1_epi8(c);
    return bits(_mm256_cmpeq_epi8(w.low, byte), _mm256_cmpeq_epi8(w.high, byte));
}

/* The word with 0x20 or-ed in: [ and ] become { and }, capitals small letters. */
ALWAYS_INLINE struct word folded(struct word w)
{
    const __m256i bit = _mm256_set1_epi8(0x20);
    return (struct word){_mm256_or_si256(w.low, bit), _mm256_or_si256(w.high, bit)};
}

/* --- Classes ------------------------------------------------------------------------------------------------------ */

/* By the low half of a byte: the byte itself if it is white space, or an operator with 0x20 or-ed in. The fill of
 * other places never equals a byte with that low half. */
static const _Alignas(16) unsigned char spaces[16] = {' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, 0, '\r', 0, 0};
static const _Alignas(16) unsigned char operators[16] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0};

/* Classes whose members share no halves: a byte is in one when the look-ups by its high and low half have a bit in
 * common. Bits 1, 2, 4, 8: [A-Za-z0-9+/]. Bits 16, 32: hexadecimal digits. */
enum { RUN = 15, HEX = 48 };
static const _Alignas(16) unsigned char by_high[16] = {
    [2] = 1, [3] = 2 | 16, [4] = 4 | 32, [5] = 8, [6] = 4 | 32, [7] = 8,
};
static const _Alignas(16) unsigned char by_low[16] = {
    2 | 8 | 16, 2 | 4 | 8 | 16 | 32, 2 | 4 | 8 | 16 | 32, 2 | 4 | 8 | 16 | 32, 2 | 4 | 8 | 16 | 32, 2 | 4 | 8 | 16 | 32,
    2 | 4 | 8 | 16 | 32, 2 | 4 | 8 | 16, 2 | 4 | 8 | 16, 2 | 4 | 8 | 16, 4 | 8, 1 | 4, 4, 4, 4, 1 | 4,
};

/* What may follow a backslash: bits 1: 0x22, 2: 0x5C, 4: 0x2F, 8: b f n, 16: r t u. */
static const _Alignas(16) unsigned char letter_by_high[16] = {[2] = 1 | 4, [5] = 2, [6] = 8, [7] = 16};
static const _Alignas(16) unsigned char letter_by_low[16] = {
    [0x2] = 1 | 8 | 16, [0x4] = 16, [0x5] = 16, [0x6] = 8, [0xC] = 2, [0xE] = 8, [0xF] = 4,
};

/* A look-up by low half; bytes above 0x7F give 0, as vpshufb has it. */
ALWAYS_INLINE uint64_t equal_to_own(struct word w, struct word key, const unsigned char *table)
{
    const __m256i t = table16(table);
    return bits(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(t, w.low), key.low),
                _mm256_cmpeq_epi8(_mm256_shuffle_epi8(t, w.high), key.high));
}

ALWAYS_INLINE struct word both_halves(struct word w, const unsigned char *high, const unsigned char *low)
{
    const __m256i h = table16(high), l = table16(low);
    return (struct word){
        _mm256_and_si256(_mm256_shuffle_epi8(h, high_halves(w.low)), _mm256_shuffle_epi8(l, w.low)),
        _mm256_and_si256(_mm256_shuffle_epi8(h, high_halves(w.high)), _mm256_shuffle_epi8(l, w.high)),
    };
}

ALWAYS_INLINE uint64_t in_class(struct word classed, char any)
{
    const __m256i mask = _mm256_set1_epi8(any), zero = _mm256_setzero_si256();
    return ~bits(_mm256_cmpeq_epi8(_mm256_and_si256(classed.low, mask), zero),
                 _mm256_cmpeq_epi8(_mm256_and_si256(classed.high, mask), zero));
}

ALWAYS_INLINE uint64_t below_0x20(struct word w)
{
    const __m256i last = _mm256_set1_epi8(0x1F);
    return bits(_mm256_cmpeq_epi8(_mm256_min_epu8(w.low, last), w.low),
                _mm256_cmpeq_epi8(_mm256_min_epu8(w.high, last), w.high));
}

/* --- UTF-8 -------------------------------------------------------------------------------------------------------- */

static const _Alignas(32) unsigned char largest_at_end[32] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, UTF8_LAST_LEADS,
};

/* Not 0 in bytes of v that are ill-formed; `before` is the vector in front of it. */
ALWAYS_INLINE __m256i utf8_vector_faults(__m256i v, __m256i before)
{
    __m256i lanes = _mm256_permute2x128_si256(before, v, 0x21);   /* each 16 bytes of v, moved up by 16 */
    __m256i back1 = _mm256_alignr_epi8(v, lanes, 15), back2 = _mm256_alignr_epi8(v, lanes, 14);
    __m256i back3 = _mm256_alignr_epi8(v, lanes, 13);
    __m256i first_high = _mm256_shuffle_epi8(table16(utf8_first_high), high_halves(back1));
    __m256i first_low = _mm256_shuffle_epi8(table16(utf8_first_low), _mm256_and_si256(back1, _mm256_set1_epi8(0x0F)));
    __m256i second_high = _mm256_shuffle_epi8(table16(utf8_second_high), high_halves(v));
    __m256i faults = _mm256_and_si256(_mm256_and_si256(first_high, first_low), second_high);
    __m256i due = _mm256_or_si256(_mm256_subs_epu8(back2, _mm256_set1_epi8((char)(0xE0 - 0x80))),
                                  _mm256_subs_epu8(back3, _mm256_set1_epi8((char)(0xF0 - 0x80))));
    return _mm256_xor_si256(faults, _mm256_and_si256(due, _mm256_set1_epi8((char)0x80)));
}

/* A pass of its own, only for texts that have bytes above 0x7F. */
static bool is_utf8(struct slice text)
{
    const __m256i largest = _mm256_load_si256((const void *)largest_at_end);
    __m256i faults = _mm256_setzero_si256(), goes_on = faults, before = faults;
    for (size_t base = 0; base < text.len; base += WORD) {
        struct word w = load(text, base);
        if (_mm256_movemask_epi8(_mm256_or_si256(w.low, w.high)) == 0) {
            faults = _mm256_or_si256(faults, goes_on);
            goes_on = _mm256_setzero_si256();
        } else {
            faults = _mm256_or_si256(faults, utf8_vector_faults(w.low, before));
            faults = _mm256_or_si256(faults, utf8_vector_faults(w.high, w.low));
            goes_on = _mm256_subs_epu8(w.high, largest);
        }
        before = w.high;
    }
    faults = _mm256_or_si256(faults, goes_on);
    return _mm256_testz_si256(faults, faults);
}

/* --- Tokens ------------------------------------------------------------------------------------------------------- */

/* Writes eight tokens of the word at `base`, some of them perhaps in vain: the byte behind the word may then be read,
 * which is what PARSER_PADDING is for. Returns the tokens that are left. */
ALWAYS_INLINE uint64_t write_eight(uint32_t *offsets, unsigned char *kinds, const char *text, size_t base,
                                   uint64_t token)
{
    for (int i = 0; i < 8; i++) {
        size_t offset = base + _tzcnt_u64(token);
        offsets[i] = (uint32_t)offset;
        kinds[i] = (unsigned char)text[offset];
        token = _blsr_u64(token);
    }
    return token;
}

/* Writes the tokens of the word at `base`; returns how many they are. */
ALWAYS_INLINE size_t write_tokens(uint32_t *offsets, unsigned char *kinds, const char *text, size_t base,
                                  struct word_tokens t)
{
    size_t n = (size_t)__builtin_popcountll(t.token);
    uint64_t left = write_eight(offsets, kinds, text, base, t.token);
    if (n > 8) left = write_eight(offsets + 8, kinds + 8, text, base, left);
    for (size_t i = 16; i < n; i += 8) left = write_eight(offsets + i, kinds + i, text, base, left);
    for (unsigned fact = 0; fact < 3; fact++)
        for (uint64_t f = t.fact[fact]; f != 0; f = _blsr_u64(f))
            kinds[__builtin_popcountll(t.token & (_blsi_u64(f) - 1))] |= (unsigned char)(1 << (fact + KIND_FACT_SHIFT));
    return n;
}

ALWAYS_INLINE size_t index_word(struct word_state *s, struct slice text, size_t base, uint32_t *offsets, unsigned char *kinds)
{
    struct word w = load(text, base);
    struct word classed = both_halves(w, by_high, by_low);
    struct word_classes c = {
        .quote = equal_to(w, '"'), .backslash = equal_to(w, '\\'), .control = below_0x20(w),
        .op = equal_to_own(w, folded(w), operators), .space = equal_to_own(w, w, spaces),
        .encoded = equal_to(w, '%') | equal_to(w, '&'), .run = in_class(classed, RUN),
    };
    c.op &= ~c.control;   /* 0x0C and 0x1A fold to operators */
    struct word_tokens t = find_tokens(s, c);
    if ((t.escaped | s->hex) != 0)
        check_escapes(s, t.escaped, in_class(both_halves(w, letter_by_high, letter_by_low), -1), equal_to(w, 'u'),
                      in_class(classed, HEX));
    s->high |= (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(w.low, w.high));
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

const struct index_kernel index_kernel_avx2 = {"avx2", supported, index_words, balance_words};
