#include "redaction/tails.h"

#include "redaction/words.h"

/* Sets of bytes: bits of sets[byte]. */
enum {
    QUOTE = 1, CLOSE = 2, SPACE = 4, TAB = 8, MARK = 16, EQUALS = 32, COLON = 64, GREATER = 128, NAME = 256, OPEN = 512, STAR = 1024, COMMA = 2048,
    LINE = 4096, BACKSLASH = 8192,
};

static const uint16_t sets[256] = {
    ['"'] = QUOTE, ['\''] = QUOTE, ['\\'] = BACKSLASH, [']'] = CLOSE, [' '] = SPACE, ['\t'] = TAB, ['?'] = MARK, ['.'] = MARK | NAME, ['+'] = MARK, ['!'] = MARK,
    ['|'] = MARK, ['='] = EQUALS, [':'] = COLON, ['>'] = GREATER, ['_'] = NAME, ['-'] = NAME, ['&'] = OPEN, ['['] = OPEN, ['*'] = STAR, [','] = COMMA,
    ['{'] = LINE, ['\r'] = LINE, ['\n'] = LINE,
    ['0'] = NAME, ['1'] = NAME, ['2'] = NAME, ['3'] = NAME, ['4'] = NAME, ['5'] = NAME, ['6'] = NAME, ['7'] = NAME, ['8'] = NAME, ['9'] = NAME,
    ['a'] = NAME, ['b'] = NAME, ['c'] = NAME, ['d'] = NAME, ['e'] = NAME, ['f'] = NAME, ['g'] = NAME, ['h'] = NAME, ['i'] = NAME, ['j'] = NAME,
    ['k'] = NAME, ['l'] = NAME, ['m'] = NAME, ['n'] = NAME, ['o'] = NAME, ['p'] = NAME, ['q'] = NAME, ['r'] = NAME, ['s'] = NAME, ['t'] = NAME,
    ['u'] = NAME, ['v'] = NAME, ['w'] = NAME, ['x'] = NAME, ['y'] = NAME, ['z'] = NAME,
    ['A'] = NAME, ['B'] = NAME, ['C'] = NAME, ['D'] = NAME, ['E'] = NAME, ['F'] = NAME, ['G'] = NAME, ['H'] = NAME, ['I'] = NAME, ['J'] = NAME,
    ['K'] = NAME, ['L'] = NAME, ['M'] = NAME, ['N'] = NAME, ['O'] = NAME, ['P'] = NAME, ['Q'] = NAME, ['R'] = NAME, ['S'] = NAME, ['T'] = NAME,
    ['U'] = NAME, ['V'] = NAME, ['W'] = NAME, ['X'] = NAME, ['Y'] = NAME, ['Z'] = NAME,
};

#define QUOTES (QUOTE | BACKSLASH)

static bool is_in(char c, unsigned set) { return (sets[(unsigned char)c] & set) != 0; }

/* Goes over bytes of the set. False: there are fewer than `least` or more than `most`. */
static bool over(struct slice text, uint32_t *at, unsigned set, uint32_t least, uint32_t most)
{
    uint32_t from = *at;
    while (*at < text.len && *at - from <= most && is_in(text.data[*at], set)) ++*at;
    return *at - from >= least && *at - from <= most;
}

static bool over_word(struct slice text, uint32_t *at, const char *const *words)
{
    size_t len = word_at_start(slice_sub(text, *at, text.len), words);
    *at += (uint32_t)len;
    return len > 0;
}

/* One byte of the set, the last. */
static bool last(struct slice text, uint32_t at, unsigned set, uint32_t *end)
{
    if (at == text.len || !is_in(text.data[at], set)) return false;
    *end = at + 1;
    return true;
}

#define WIDEST 40   /* blanks before a sign; configuration is aligned by the longest name of a block */

bool tail_assignment(struct slice text, uint32_t *end)
{
    uint32_t at = *end - 1;
    return over(text, &at, QUOTES | CLOSE, 0, 3) && over(text, &at, SPACE | TAB, 0, WIDEST) && over(text, &at, MARK, 0, 2) &&
           last(text, at, EQUALS | COLON | GREATER, end);
}

bool tail_numbered(struct slice text, uint32_t *end)
{
    uint32_t at = *end - 1;
    return over(text, &at, NAME, 1, 24) && over(text, &at, QUOTES | CLOSE, 0, 3) && over(text, &at, SPACE | TAB, 0, WIDEST) &&
           last(text, at, EQUALS | COLON | GREATER, end);
}

bool tail_typed(struct slice text, uint32_t *end)
{
    static const char *const types[] = {"string", "str", "any", "char", NULL};
    uint32_t at = *end - 1;
    return over(text, &at, SPACE | COLON, 1, 2) && over(text, &at, OPEN, 0, 2) && over_word(text, &at, types) && over(text, &at, STAR | CLOSE, 0, 3) &&
           over(text, &at, SPACE, 0, 2) && last(text, at, EQUALS, end);
}

bool tail_pair(struct slice text, uint32_t *end)
{
    static const char *const names[] = {"value", "default", "content", NULL};
    uint32_t at = *end - 1;
    return over(text, &at, QUOTES, 1, 4) && over(text, &at, SPACE | TAB | COMMA | LINE, 1, 8) && over(text, &at, QUOTES, 0, 3) && over_word(text, &at, names) &&
           over(text, &at, QUOTES, 0, 3) && over(text, &at, SPACE, 0, 2) && last(text, at, EQUALS | COLON, end);
}

bool tail_argument(struct slice text, uint32_t *end)
{
    uint32_t at = *end - 1;
    return over(text, &at, QUOTES | CLOSE, 0, 3) && over(text, &at, SPACE, 0, 1) && over(text, &at, COMMA, 1, 1) && over(text, &at, SPACE, 0, 2) &&
           last(text, at, QUOTE, end);
}
