/* Whether something of a secret is left in a text: eight bytes of it one after another, as they are or behind encodings, which are undone
 * here by plain means and not by those of the program. For programs that include it once. */
#ifndef LETHE_TESTS_LEAKING_H
#define LETHE_TESTS_LEAKING_H

#include "inventing.h"

#include <stdio.h>

#define WINDOW 8   /* bytes of a secret that are too many to be left */

/* The output with encodings undone by plain means, again and again. */
static struct invented levels[2];

static inline int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, ascii_lower(c));
    return c == '\0' || at == NULL ? -1 : (int)(at - digits);
}

/* One encoded byte at text, of which at least 8 bytes are readable: its length, or 0. */
static inline size_t undo_unit(const char *text, char *byte)
{
    static const struct { const char *name; char byte; } entities[] = {{"&quot;", '"'}, {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}};
    if (text[0] == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) return *byte = (char)(hex(text[1]) * 16 + hex(text[2])), 3;
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (strncmp(text, entities[i].name, strlen(entities[i].name)) == 0) return *byte = entities[i].byte, strlen(entities[i].name);
    unsigned value;
    int len = 0;
    if (sscanf(text, "&#%3u;%n", &value, &len) == 1 && len > 0) return *byte = (char)value, (size_t)len;
    if (text[0] != '\\') return 0;
    if (text[1] == 'u' && sscanf(text + 2, "%4x%n", &value, &len) == 1 && len == 4) return *byte = (char)value, 6;
    if (text[1] == 'x' && sscanf(text + 2, "%2x%n", &value, &len) == 1 && len == 2) return *byte = (char)value, 4;
    *byte = text[1] == 'n' ? '\n' : text[1];
    return text[1] != '\0' ? 2 : 0;
}

static inline bool undo(const struct invented *from, struct invented *to)
{
    bool changed = false;
    to->len = 0;
    to->data[0] = '\0';
    for (size_t at = 0; at < from->len;) {
        char byte = from->data[at];
        size_t taken = undo_unit(from->data + at, &byte);
        changed |= taken > 0;
        put_slice(to, slice_of(&byte, 1));
        at += taken > 0 ? taken : 1;
    }
    return changed;
}

static inline int sextet(char c)
{
    const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", *at = strchr(letters, c);
    if (c == '-' || c == '_') return c == '-' ? 62 : 63;
    return c == '\0' || at == NULL ? -1 : (int)(at - letters);
}

/* Every run of base64, decoded, one after another. */
static inline void undo_base64(const struct invented *from, struct invented *to)
{
    uint32_t bits = 0;
    size_t run = 0;
    to->len = 0;
    to->data[0] = '\0';
    for (size_t at = 0; at < from->len; at++) {
        int value = sextet(from->data[at]);
        run = value < 0 ? 0 : run + 1;
        bits = value < 0 ? 0 : bits << 6 | (uint32_t)value;
        char byte = (char)(run > 0 ? bits >> ((4 - run % 4) % 4 * 2) : ' ');
        if (run % 4 != 1) put_slice(to, slice_of(&byte, 1));
    }
}

static inline bool shows(const struct invented *text, struct slice secret)
{
    for (size_t i = 0; i + WINDOW <= secret.len; i++)
        if (memmem(text->data, text->len, secret.data + i, WINDOW) != NULL) return true;
    return false;
}

static inline bool leaks(const char *out, struct slice secret)
{
    static struct invented decoded;
    levels[0].len = 0;
    put(&levels[0], out);
    for (int i = 0; i < 8; i++) {
        if (shows(&levels[i % 2], secret)) return true;
        undo_base64(&levels[i % 2], &decoded);
        if (shows(&decoded, secret)) return true;
        if (!undo(&levels[i % 2], &levels[(i + 1) % 2])) break;
    }
    return false;
}

#endif
