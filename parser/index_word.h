/* What all vector kernels share: arithmetic on 64-bit masks, one bit for each byte of a 64-byte word of text, the first
 * byte lowest. A kernel makes the masks, calls these, and writes the tokens. The functions are inline, as each kernel is
 * compiled for its own CPU.
 *
 * Sources: the escape and prefix-xor tricks are those of the papers named in parser.h. */
#ifndef LETHE_PARSER_INDEX_WORD_H
#define LETHE_PARSER_INDEX_WORD_H

#include "parser/index.h"

#if defined(__PCLMUL__)
#include <wmmintrin.h>
#endif

#define WORD 64
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Where the bytes of each class are. */
struct word_classes {
    uint64_t quote, backslash, op, space, control, encoded, run;
};

/* What is carried from one word to the next. */
struct word_state {
    uint64_t in_string;      /* all ones inside a string */
    uint64_t escaped;        /* 1 when the first byte is escaped */
    uint64_t in_scalar;      /* 1 when the byte before the first belongs to a scalar */
    uint64_t run;            /* INDEX_RUN - 1 less the length of the run that ends before the first byte, or 0 */
    uint64_t without[3];     /* 1 when the string that goes on here has not had the fact (1 << n) */
    uint64_t hex;            /* the first bytes that must be hexadecimal digits */
    uint64_t high;           /* not 0 when there was a byte above 0x7F */
    uint64_t suspect;        /* not 0 when the scalar kernel must have a closer look */
};

#define WORD_STATE_INIT {.run = INDEX_RUN - 1}

/* What a kernel writes out. */
struct word_tokens {
    uint64_t token;
    uint64_t escaped;        /* the bytes behind escaping backslashes */
    uint64_t fact[3];        /* closing quotes of strings that have the fact (1 << n) */
};

/* Bit i of the result is the exclusive or of the bits 0 .. i. */
ALWAYS_INLINE uint64_t prefix_xor(uint64_t x)
{
#if defined(__PCLMUL__)
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)x), _mm_set1_epi8(-1), 0));
#else
    for (unsigned n = 1; n < WORD; n *= 2) x ^= x << n;
    return x;
#endif
}

/* The backslashes that escape the next byte: in a row of them every other one, beginning with the first. `escaped` is 1
 * when byte 0 is itself escaped. */
ALWAYS_INLINE uint64_t escaping(uint64_t backslash, uint64_t escaped)
{
    const uint64_t odd = 0xAAAAAAAAAAAAAAAAu;
    uint64_t candidate = backslash & ~escaped;
    return (((candidate << 1 | odd) - candidate) ^ odd) & candidate;
}

/* The bytes that end a run of INDEX_RUN or more bytes of `run`, counting those in front of the word: `first` is the
 * lowest place at which a run that began there can reach INDEX_RUN, less than INDEX_RUN. */
ALWAYS_INLINE uint64_t long_run(uint64_t run, uint64_t *first)
{
    uint64_t two = run & run << 1, four = two & two << 2, eight = four & four << 4, sixteen = eight & eight << 8;
    uint64_t inside = sixteen & four << 16;
    uint64_t crossing = run & ~(run + 1) & ~(uint64_t)0 << *first;   /* of the ones at the bottom */
    uint64_t last = (uint64_t)__builtin_clzll(~run | (uint64_t)1 << (WORD - INDEX_RUN));
    *first = INDEX_RUN - 1 - last;
    return inside | crossing;
}

/* The closing quotes of strings in which `has` has a bit. Where it has none, an addition carries from the opening quote
 * up to the closing one. `in_string` goes from an opening quote to the byte before the closing one; `without` is 1 only
 * inside a string, so that it never meets an opening quote in byte 0. */
ALWAYS_INLINE uint64_t strings_with(uint64_t has, uint64_t in_string, uint64_t opening, uint64_t closing,
                                    uint64_t *without)
{
    uint64_t sum;
    *without = __builtin_add_overflow(in_string & ~has, opening | *without, &sum);
    return closing & ~sum;
}

/* Follows quotes and escapes: which bytes are in strings, opening quotes included. `quote` keeps those that count;
 * *escape is the escaping backslashes, *escaped becomes what they escape and *carry its part in the next word. */
ALWAYS_INLINE uint64_t follow_strings(uint64_t *quote, uint64_t backslash, uint64_t *in_string, uint64_t *carry,
                                      uint64_t *escape, uint64_t *escaped)
{
    *escape = *escaped = 0;
    if ((backslash | *carry) != 0) {
        *escape = escaping(backslash, *carry);
        *escaped = *escape << 1 | *carry;
        *quote &= ~*escaped;
        *carry = *escape >> 63;
    }
    uint64_t inside = prefix_xor(*quote) ^ *in_string;
    *in_string = (uint64_t)((int64_t)inside >> 63);
    return inside;
}

ALWAYS_INLINE struct word_tokens find_tokens(struct word_state *s, struct word_classes c)
{
    struct word_tokens t;
    uint64_t escape;
    uint64_t inside = follow_strings(&c.quote, c.backslash, &s->in_string, &s->escaped, &escape, &t.escaped);
    uint64_t opening = c.quote & inside, closing = c.quote & ~inside;
    uint64_t scalar = ~(c.op | c.space | c.quote | inside);
    t.token = (c.op & ~inside) | c.quote | (scalar & ~(scalar << 1 | s->in_scalar));
    s->in_scalar = scalar >> 63;
    s->suspect |= (c.control & inside) | (c.backslash & ~inside);
    t.fact[0] = strings_with(c.backslash, inside, opening, closing, &s->without[0]);
    t.fact[1] = strings_with(c.encoded, inside, opening, closing, &s->without[1]);
    t.fact[2] = strings_with(long_run(c.run, &s->run), inside, opening, closing, &s->without[2]);
    return t;
}

/* Checks what stands behind backslashes: `letter` are the bytes that may stand there, `u` those that want four
 * hexadecimal digits (`hex`) after them. To be called for every word with escaped bytes, or where s->hex is not 0. */
ALWAYS_INLINE void check_escapes(struct word_state *s, uint64_t escaped, uint64_t letter, uint64_t u, uint64_t hex)
{
    u &= escaped;
    uint64_t wanted = u << 1 | u << 2 | u << 3 | u << 4 | s->hex;
    s->hex = u >> 63 | u >> 62 | u >> 61 | u >> 60;
    s->suspect |= (escaped & ~letter) | (wanted & ~hex);
}

/* After the last word: is the index sound, UTF-8 aside? */
ALWAYS_INLINE bool is_sound(const struct word_state *s) { return (s->suspect | s->in_string) == 0; }

/* --- Brackets ----------------------------------------------------------------------------------------------------- */

struct bracket_masks {
    uint64_t quote, backslash, open, close;
};

/* A backslash outside strings escapes nothing, which the masks do not know: the scalar kernel does such a word. */
static __attribute__((noinline)) bool balance_odd_word(struct balance *b, struct slice word, uint32_t floor,
                                                       size_t *passed)
{
    *passed = balance_scalar(b, word, floor);
    char last = word.data[*passed - 1];
    return !b->in_string && b->depth <= floor && (last == '}' || last == ']');
}

/* Walks the brackets of a word outside strings. True at the closing one that balance_scan() stops at. */
ALWAYS_INLINE bool walk_brackets(struct balance *b, uint64_t open, uint64_t close, uint32_t floor, size_t *passed)
{
    for (uint64_t both = open | close; both != 0; both &= both - 1) {
        bool opens = (open & both & -both) != 0;
        if (opens) b->depth++;
        else b->depth -= b->depth > 0;
        if (opens || b->depth > floor) continue;
        b->in_string = b->escaped = false;
        *passed = (size_t)__builtin_ctzll(both) + 1;
        return true;
    }
    return false;
}

/* Follows the word at `base` in the text. True when the closing bracket was met that balance_scan() stops at; *passed
 * is the number of bytes up to there, or the length of the word. */
ALWAYS_INLINE bool balance_word(struct balance *b, struct bracket_masks m, struct slice text, size_t base,
                                uint32_t floor, size_t *passed)
{
    size_t n = text.len - base < WORD ? text.len - base : WORD;
    uint64_t in_string = -(uint64_t)b->in_string, carry = b->escaped, escape, escaped;
    uint64_t inside = follow_strings(&m.quote, m.backslash, &in_string, &carry, &escape, &escaped);
    if ((escape & ~inside) != 0) return balance_odd_word(b, slice_of(text.data + base, n), floor, passed);
    uint64_t open = m.open & ~inside, close = m.close & ~inside;
    uint32_t closes = (uint32_t)__builtin_popcountll(close);
    if (b->depth > floor && closes < b->depth - floor)
        b->depth += (uint32_t)__builtin_popcountll(open) - closes;
    else if (walk_brackets(b, open, close, floor, passed))
        return true;
    b->in_string = inside >> (n - 1) & 1;
    b->escaped = escape >> (n - 1) & 1;
    *passed = n;
    return false;
}

#endif
