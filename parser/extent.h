/* How far a value reaches: follows one JSON value through a stream by its brackets and strings, and notices when a new
 * line shows that the value was cut off.
 *
 * A value may go over many lines, so the next line cannot be taken for a new document just because it looks like one. It
 * is when all of this holds (the value is then *torn*):
 *   - the line begins in its first column with a bracket, is no longer than `max`, and holds nothing but whole values
 *   - valid JSON could not go on like that: the line begins inside a string, or where no value may stand, or it is not
 *     followed by a comma or a closing bracket
 * Valid JSON is therefore never torn, nor is a string with raw line feeds, in which quotes are escaped.
 *
 * Everything is decided from the bytes; how they are cut into views changes nothing. Work is linear in the bytes passed:
 * what was looked at is remembered from view to view.
 * Thread: its owner's. */
#ifndef LETHE_PARSER_EXTENT_H
#define LETHE_PARSER_EXTENT_H

#include "parser/parser.h"

/* What can be seen of a stream now: its bytes [from, to). PARSER_PADDING applies. */
struct view {
    const char *data;       /* of byte number `from` */
    uint64_t    from, to;
    bool        final;      /* the stream ends at `to` */
};

static inline const char *view_at(const struct view *v, uint64_t at) { return v->data + (at - v->from); }

static inline struct slice view_slice(const struct view *v, uint64_t start, uint64_t end)
{
    return slice_of(view_at(v, start), (size_t)(end - start));
}

#define NO_LIMIT UINT64_MAX

static inline uint64_t limit_after(uint64_t start, uint64_t max)
{
    return max > NO_LIMIT - start ? NO_LIMIT : start + max;
}

static inline bool json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* What was searched for, remembered: [from, to) does not hold it. */
struct line_search {
    uint64_t from, to;
    bool     found;    /* it is at `to` */
};

/* The offset of the first line feed at or after `at`, or v->to. */
uint64_t line_end(struct line_search *, const struct view *, uint64_t at);

struct extent {
    uint64_t           at;         /* next byte to look at */
    uint64_t           end;        /* extent_item(): one past the last byte of the item met so far */
    uint64_t           max;        /* longest line that can tear a value */
    struct balance     balance;
    struct line_search line;       /* for the end of the line */
    struct line_search column_one; /* for a bracket in the first column */
    char               previous;   /* the last byte before `at` that is not white space */
    enum { LINE_INSIDE, LINE_BEGUN, LINE_WHOLE } column;   /* LINE_BEGUN: `at` is in the first column, not yet examined */
    bool               tears;      /* look for torn values at all */
};

enum extent_status {
    EXTENT_FOUND,   /* ends at `at` */
    EXTENT_MORE,    /* needs bytes after the view; those before `at` are not needed by this module */
    EXTENT_LIMIT,   /* does not end before `limit` */
    EXTENT_TORN,    /* cut off: `at` is the first byte of a line that starts afresh */
};

void extent_init(struct extent *, uint64_t at, uint64_t max, bool tears);

/* As extent_init(), at a later place in the same stream: searches go on. */
void extent_restart(struct extent *, uint64_t at);

/* Follows a value that begins with a bracket, up to and including its last one. */
enum extent_status extent_value(struct extent *, const struct view *, uint64_t limit);

/* Follows an element or member, whatever it is made of, up to the comma or `closer` after it, which is not passed. */
enum extent_status extent_item(struct extent *, const struct view *, uint64_t limit, char closer);

/* Called before the byte at `at` is passed by other means: EXTENT_FOUND when nothing is torn there. */
enum extent_status extent_examine(struct extent *, const struct view *, uint64_t limit);

/* Passes one byte that is outside of values. */
static inline void extent_pass(struct extent *x, char c)
{
    x->at++;
    if (c == '\n') x->column = LINE_BEGUN;
    else x->column = LINE_INSIDE;
    if (!json_space(c)) x->previous = c;
}

/* Whether what stands at `at` begins like JSON: a brace, or a bracket and what may follow it. A log line such as
 * "[2026-11-22 04:00:00] started" does not. Looks at no more than JSON_BEGIN_BYTES. */
#define JSON_BEGIN_BYTES 24
enum begin { BEGIN_TEXT, BEGIN_JSON, BEGIN_MORE };
enum begin json_begin(const struct view *, uint64_t at);

/* False when a closing bracket does not fit the one it closes. Levels beyond 1024 are taken to fit. */
bool brackets_agree(struct slice text);

#endif
