#include "parser/continuation.h"

const char *const multiline_names[] = {"off", "traces", "stamped", NULL};

/* --- Times and levels ------------------------------------------------------------------------------------------------- */

/* 9: a digit, a: a letter, _: a digit or a blank; everything else is itself. */
static const char *const stamp_shapes[] = {
    "9999-99-99", "9999/99/99", "9999.99.99", "99-99-9999", "99/99/9999", "99.99.9999", "99/aaa/9999", "99-aaa-9999",
    "9/9/9999", "9/99/9999", "99/9/9999", "99-99 99:99", "99999999 99:99", "99:99:99",
    "aaa _9 99:99:99", "aaa aaa _9 99:99:99", "aaa, 99 aaa 9999", "a9999 99:99:99", "9999999999",
};

static bool fits(char c, char shape)
{
    switch (shape) {
    case '9': return ascii_is_digit(c);
    case 'a': return ascii_is_alpha(c);
    case '_': return ascii_is_digit(c) || c == ' ';
    default: return c == shape;
    }
}

static bool has_shape(struct slice text, const char *shape)
{
    for (size_t i = 0; shape[i] != '\0'; i++)
        if (i == text.len || !fits(text.data[i], shape[i])) return false;
    return true;
}

static const char *const levels[] = {
    "TRACE", "DEBUG", "INFO", "INFORMATION", "NOTICE", "WARN", "WARNING", "ERR", "ERROR", "CRIT", "CRITICAL", "FATAL", "SEVERE",
    "ALERT", "EMERG", "EMERGENCY", "PANIC", "VERBOSE", "FAIL", "TRCE", "DBUG",
};

/* The length of a word that is a level; 0: it is none. */
static size_t level_length(struct slice text)
{
    size_t len = 0;
    while (len < text.len && ascii_is_alpha(text.data[len])) len++;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (slice_equal_nocase(slice_of(text.data, len), slice_from(levels[i]))) return len;
    return 0;
}

/* Prose begins with "error" or "Info", too: without a sign after it a level is in capitals or in brackets. */
static bool begins_with_level(struct slice text, bool bracket)
{
    size_t len = level_length(text);
    if (len == 0) return false;
    char next = len < text.len ? text.data[len] : ' ';
    if (strchr(":]|)>\x1b", next) != NULL && next != '\0') return true;
    if (strchr(" \t-", next) == NULL || next == '\0') return false;
    bool capitals = true;
    for (size_t i = 0; i < len; i++) capitals = capitals && text.data[i] < 'a';
    return bracket || capitals;
}

/* Over escape sequences that colour what follows. */
static struct slice without_colour(struct slice text)
{
    while (text.len > 2 && text.data[0] == '\x1b' && text.data[1] == '[') {
        size_t i = 2;
        while (i < text.len && (ascii_is_digit(text.data[i]) || text.data[i] == ';')) i++;
        if (i == text.len || text.data[i] != 'm') break;
        text = slice_sub(text, i + 1, text.len);
    }
    return text;
}

/* <34>1 2026-..., as syslog writes. */
static bool begins_with_priority(struct slice text)
{
    size_t i = 1;
    if (text.len < 3 || text.data[0] != '<') return false;
    while (i < text.len && i < 4 && ascii_is_digit(text.data[i])) i++;
    return i > 1 && i < text.len && text.data[i] == '>';
}

bool begins_stamped(struct slice line)
{
    struct slice text = without_colour(line);
    if (begins_with_priority(text)) return true;
    bool bracket = text.len > 0 && strchr("[(<", text.data[0]) != NULL && text.data[0] != '\0';
    if (bracket) text = slice_sub(text, 1, text.len);
    for (size_t i = 0; i < sizeof stamp_shapes / sizeof stamp_shapes[0]; i++)
        if (has_shape(text, stamp_shapes[i])) return true;
    return begins_with_level(text, bracket);
}

/* --- Traces ----------------------------------------------------------------------------------------------------------- */

static bool begins_with(struct slice line, struct slice what)
{
    return line.len >= what.len && memcmp(line.data, what.data, what.len) == 0;
}

static bool ends_with(struct slice word, struct slice what)
{
    return word.len > what.len && memcmp(word.data + word.len - what.len, what.data, what.len) == 0;
}

/* "java.lang.IllegalStateException: boom", "ValueError: bad", "KeyError"; not "Error: bad". */
static bool names_exception(struct slice line)
{
    size_t len = 0;
    while (len < line.len && (ascii_is_alnum(line.data[len]) || strchr("._$", line.data[len]) != NULL) && line.data[len] != '\0')
        len++;
    struct slice word = slice_of(line.data, len);
    if (len < line.len && line.data[len] != ':') return false;
    return ends_with(word, SLICE("Exception")) || ends_with(word, SLICE("Error"));
}

static bool is_part_of_trace(struct slice line)
{
    static const struct slice beginnings[] = {
        {"Traceback (", 11}, {"Caused by", 9}, {"Suppressed: ", 12}, {"at ", 3}, {"... ", 4}, {"--- End of ", 11},
        {"stack backtrace:", 16},
        {"During handling of the above exception", 38}, {"The above exception was the direct cause", 40},
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (begins_with(line, beginnings[i])) return true;
    return names_exception(line);
}

static bool is_indented(struct slice line) { return line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t'); }

static void note(struct continuation *c, struct slice line)
{
    static const char traceback[] = "Traceback (most recent call last)";
    if (memmem(line.data, line.len, traceback, sizeof traceback - 1) != NULL) c->in_traceback = true;
    else if (!is_indented(line)) c->in_traceback = false;
}

void continuation_begin(struct continuation *c, struct slice line)
{
    *c = (struct continuation){0};
    note(c, line);
}

bool continuation_take(struct continuation *c, enum multiline kind, struct slice line)
{
    bool belongs = false;
    switch (kind) {
    case MULTILINE_OFF: break;
    case MULTILINE_TRACES:
        belongs = !begins_stamped(line) && (is_indented(line) || c->in_traceback || is_part_of_trace(line));
        break;
    case MULTILINE_STAMPED: belongs = !begins_stamped(line); break;
    }
    if (belongs) note(c, line);
    return belongs;
}
