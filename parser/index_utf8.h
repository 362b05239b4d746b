/* Tables of the vector UTF-8 check, for every kernel that has a 16-byte look-up.
 *
 * Each pair of neighbouring bytes is looked up three times: by the high and the low half of the first and by the high
 * half of the second. Each look-up says, one bit per kind of fault, which faults are still possible; what is left of
 * all three is a fault, but for PAIR_BOTH_CONTINUE, which is right where a third or fourth byte is due.
 *
 * Source: Keiser and Lemire, see parser.h; Unicode Standard, table 3-7. */
#ifndef LETHE_PARSER_INDEX_UTF8_H
#define LETHE_PARSER_INDEX_UTF8_H

enum {
    PAIR_TOO_SHORT = 1,          /* a lead byte without continuation */
    PAIR_TOO_LONG = 2,           /* a continuation byte after ASCII */
    PAIR_OVERLONG_3 = 4,         /* E0 80..9F */
    PAIR_TOO_LARGE = 8,          /* F4 90..BF, F5..FF 90..BF */
    PAIR_SURROGATE = 16,         /* ED A0..BF */
    PAIR_OVERLONG_2 = 32,        /* C0, C1 */
    PAIR_OUTSIDE_4 = 64,         /* F0 80..8F (overlong), F5..FF 80..8F (too large) */
    PAIR_BOTH_CONTINUE = 128,
};

/* Faults that do not depend on the low half of the first byte. */
#define PAIR_ANY_LOW (PAIR_TOO_SHORT | PAIR_TOO_LONG | PAIR_BOTH_CONTINUE)
#define PAIR_LARGE_LOW (PAIR_ANY_LOW | PAIR_TOO_LARGE | PAIR_OUTSIDE_4)
#define PAIR_CONTINUED (PAIR_TOO_LONG | PAIR_OVERLONG_2 | PAIR_BOTH_CONTINUE)

/* By the high half of the first byte. */
static const _Alignas(16) unsigned char utf8_first_high[16] = {
    PAIR_TOO_LONG, PAIR_TOO_LONG, PAIR_TOO_LONG, PAIR_TOO_LONG, PAIR_TOO_LONG, PAIR_TOO_LONG, PAIR_TOO_LONG,
    PAIR_TOO_LONG, PAIR_BOTH_CONTINUE, PAIR_BOTH_CONTINUE, PAIR_BOTH_CONTINUE, PAIR_BOTH_CONTINUE,
    PAIR_TOO_SHORT | PAIR_OVERLONG_2, PAIR_TOO_SHORT, PAIR_TOO_SHORT | PAIR_OVERLONG_3 | PAIR_SURROGATE,
    PAIR_TOO_SHORT | PAIR_TOO_LARGE | PAIR_OUTSIDE_4,
};

/* By the low half of the first byte. */
static const _Alignas(16) unsigned char utf8_first_low[16] = {
    PAIR_ANY_LOW | PAIR_OVERLONG_3 | PAIR_OVERLONG_2 | PAIR_OUTSIDE_4, PAIR_ANY_LOW | PAIR_OVERLONG_2, PAIR_ANY_LOW,
    PAIR_ANY_LOW, PAIR_ANY_LOW | PAIR_TOO_LARGE, PAIR_LARGE_LOW, PAIR_LARGE_LOW, PAIR_LARGE_LOW, PAIR_LARGE_LOW,
    PAIR_LARGE_LOW, PAIR_LARGE_LOW, PAIR_LARGE_LOW, PAIR_LARGE_LOW, PAIR_LARGE_LOW | PAIR_SURROGATE,
    PAIR_LARGE_LOW, PAIR_LARGE_LOW,
};

/* By the high half of the second byte. */
static const _Alignas(16) unsigned char utf8_second_high[16] = {
    PAIR_TOO_SHORT, PAIR_TOO_SHORT, PAIR_TOO_SHORT, PAIR_TOO_SHORT, PAIR_TOO_SHORT, PAIR_TOO_SHORT, PAIR_TOO_SHORT,
    PAIR_TOO_SHORT, PAIR_CONTINUED | PAIR_OVERLONG_3 | PAIR_OUTSIDE_4,
    PAIR_CONTINUED | PAIR_OVERLONG_3 | PAIR_TOO_LARGE, PAIR_CONTINUED | PAIR_SURROGATE | PAIR_TOO_LARGE,
    PAIR_CONTINUED | PAIR_SURROGATE | PAIR_TOO_LARGE, PAIR_TOO_SHORT, PAIR_TOO_SHORT, PAIR_TOO_SHORT, PAIR_TOO_SHORT,
};

/* A byte of the last three of a word that is larger than this begins a character that the word does not end. */
#define UTF8_LAST_LEADS 0xEF, 0xDF, 0xBF

#endif
