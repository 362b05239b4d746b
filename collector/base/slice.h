/* Borrowed bytes: a pointer and a length, passed by value. Nobody owns a slice; it is valid as long as what it points
 * into (a batch's arena, a rule set, a string literal). The bytes need not end in NUL and may hold NULs. */
#ifndef LETHE_BASE_SLICE_H
#define LETHE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t      len;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *data, size_t len) { return (struct slice){data, len}; }

static inline struct slice slice_from(const char *text) { return (struct slice){text, strlen(text)}; }

static inline struct slice slice_sub(struct slice s, size_t from, size_t to)
{
    return (struct slice){s.data + from, to - from};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ASCII only, whatever the locale: field names and literals of the formats are ASCII. */
static inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

static inline bool ascii_is_digit(char c) { return c >= '0' && c <= '9'; }

static inline bool ascii_is_alpha(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

static inline bool ascii_is_alnum(char c) { return ascii_is_digit(c) || ascii_is_alpha(c); }

static inline bool ascii_is_quote(char c) { return c == '"' || c == '\''; }

/* -1: none. */
static inline int ascii_hex_digit(char c)
{
    if (ascii_is_digit(c)) return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i])) return false;
    return true;
}

static inline bool slice_begins_nocase(struct slice s, struct slice start)
{
    return s.len >= start.len && slice_equal_nocase(slice_sub(s, 0, start.len), start);
}

static inline bool slice_ends_nocase(struct slice s, struct slice end)
{
    return s.len >= end.len && slice_equal_nocase(slice_sub(s, s.len - end.len, s.len), end);
}

#endif
