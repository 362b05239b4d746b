/* Texts for the tests of the parser: copies at a chosen alignment with garbage behind them, and random documents from a
 * seed. Every copy is a heap block of its own that ends where PARSER_PADDING ends, so that a sanitizer sees every byte
 * read beyond it. */
#ifndef LETHE_TESTS_JSON_TEXTS_H
#define LETHE_TESTS_JSON_TEXTS_H

#include "parser/parser.h"

struct text_copy {
    char        *block;
    struct slice text;
};

static inline struct text_copy text_copy(struct slice from, size_t shift, char garbage)
{
    char *block = malloc(shift + from.len + PARSER_PADDING);
    assert_non_null(block);
    memset(block, garbage, shift + from.len + PARSER_PADDING);
    block[shift + from.len + 3] = ' ';
    if (from.len > 0) memcpy(block + shift, from.data, from.len);
    return (struct text_copy){block, slice_of(block + shift, from.len)};
}

/* Sebastiano Vigna's splitmix64. */
static inline uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline size_t random_below(uint64_t *seed, size_t limit) { return (size_t)(random_next(seed) % limit); }

/* A text that is being written; what no longer fits is left out. */
struct random_text {
    uint64_t seed;
    size_t   len;
    char     data[2048];
};

static inline void random_put(struct random_text *t, const char *piece)
{
    size_t n = strlen(piece);
    if (n > sizeof t->data - t->len) return;
    memcpy(t->data + t->len, piece, n);
    t->len += n;
}

#define RANDOM_PIECE(t, pieces) random_put(t, (pieces)[random_below(&(t)->seed, sizeof(pieces) / sizeof *(pieces))])

static inline void random_space(struct random_text *t)
{
    static const char *const spaces[] = {"", "", "", "", "", "", "", "", " ", "\n", "\t ", "  \r\n"};
    RANDOM_PIECE(t, spaces);
}

static inline void random_string(struct random_text *t)
{
    static const char *const pieces[] = {
        "a", "name", "operationName", "/subscriptions/0b1f6471", "QUJDREVGR0hJSktMTU5PUFFS", "ABCDEFGHIJKLMNOPQRS",
        "==", "%20", "&amp;", " ", "-", "{", "}", "[", "]", ":", ",", "\\\"", "\\\\", "\\/", "\\n", "\\u00e9",
        "\\uD834\\uDD1E",
        "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9D\x84\x9E", "\x7F", "0123456789",
    };
    random_put(t, "\"");
    for (size_t n = random_below(&t->seed, 8); n > 0; n--) RANDOM_PIECE(t, pieces);
    random_put(t, "\"");
}

static inline void random_value(struct random_text *t, unsigned depth)
{
    static const char *const scalars[] = {"0", "-1", "200", "12345678", "123456789.25", "1e5", "-0.5E-10", "true",
                                          "false", "null", "{}", "[]"};
    size_t kind = random_below(&t->seed, depth > 0 ? 10 : 6);
    if (kind < 3) {
        random_string(t);
    } else if (kind < 6) {
        RANDOM_PIECE(t, scalars);
    } else {
        bool object = kind < 9;
        random_put(t, object ? "{" : "[");
        for (size_t n = 1 + random_below(&t->seed, 5), i = 0; i < n; i++) {
            if (i > 0) random_put(t, ",");
            random_space(t);
            if (object) random_string(t), random_space(t), random_put(t, ":");
            random_space(t);
            random_value(t, depth - 1);
            random_space(t);
        }
        random_put(t, object ? "}" : "]");
    }
}

/* Puts in, takes away or replaces a few bytes. */
static inline void random_damage(struct random_text *t, size_t times)
{
    static const char bytes[] = "\"\"\"\\\\{}[]:,,0-.e %&tfn\n\t\x01\x0C\x1A\x80\xC3\xE2\xF0\xFF";
    for (; times > 0 && t->len > 0 && t->len < sizeof t->data; times--) {
        size_t at = random_below(&t->seed, t->len);
        char byte = bytes[random_below(&t->seed, sizeof bytes)];
        switch (random_below(&t->seed, 4)) {
        case 0: t->data[at] = byte; break;
        case 1: memmove(t->data + at, t->data + at + 1, --t->len - at); break;
        case 2: t->len = at; break;
        default:
            memmove(t->data + at + 1, t->data + at, t->len++ - at);
            t->data[at] = byte;
        }
    }
}

/* Text number `seed`, of up to some 800 bytes: those of even seeds are valid JSON, of the others most are damaged. */
static inline void random_document(struct random_text *t, uint64_t seed)
{
    *t = (struct random_text){.seed = seed};
    size_t enough = random_below(&t->seed, 600);
    random_space(t);
    random_put(t, "[");
    random_value(t, 6);
    while (t->len < enough) {
        random_put(t, ",");
        random_value(t, 6);
    }
    random_put(t, "]");
    random_space(t);
    if (seed % 2 == 1) random_damage(t, 1 + random_below(&t->seed, 3));
}

#endif
