#include "parser/extent.h"

#define FOLLOWER_BYTES 256   /* white space passed to find what follows a line that could be an element */
#define TYPED_LEVELS 1024

uint64_t line_end(struct line_search *l, const struct view *v, uint64_t at)
{
    if (at < l->from || at > l->to) *l = (struct line_search){.from = at, .to = at};
    if (l->found) return l->to;
    const char *lf = memchr(view_at(v, l->to), '\n', (size_t)(v->to - l->to));
    l->found = lf != NULL;
    l->to = lf != NULL ? v->from + (uint64_t)(lf - v->data) : v->to;
    return l->to;
}

/* The offset of the next bracket in a first column behind `at`, or v->to. The view may be shorter than an earlier one. */
static uint64_t column_one(struct line_search *l, const struct view *v, uint64_t at)
{
    if (at < l->from || at > l->to || (l->found && at == l->to)) *l = (struct line_search){.from = at, .to = at};
    while (!l->found && l->to < v->to) {
        const char *lf = memchr(view_at(v, l->to), '\n', (size_t)(v->to - l->to));
        l->to = lf != NULL ? v->from + (uint64_t)(lf - v->data) : v->to;
        if (lf == NULL || l->to + 1 == v->to) return v->to;
        l->to++;
        l->found = lf[1] == '{' || lf[1] == '[';
    }
    return l->to < v->to ? l->to : v->to;
}

/* --- What a line begins with ------------------------------------------------------------------------------------------ */

static size_t pass_space(struct slice s, size_t i)
{
    while (i < s.len && json_space(s.data[i])) i++;
    return i;
}

static size_t pass_digits(struct slice s, size_t i)
{
    while (i < s.len && ascii_is_digit(s.data[i])) i++;
    return i;
}

static size_t pass_number(struct slice s, size_t i)
{
    size_t first = i + (i < s.len && s.data[i] == '-');
    size_t digits = pass_digits(s, first);
    if (digits == first) return i;
    i = digits;
    if (i < s.len && s.data[i] == '.') i = pass_digits(s, i + 1);
    if (i < s.len && (s.data[i] | 0x20) == 'e') {
        i++;
        if (i < s.len && (s.data[i] == '+' || s.data[i] == '-')) i++;
        i = pass_digits(s, i);
    }
    return i;
}

static size_t pass_literal(struct slice s, size_t i)
{
    static const char *const literals[] = {"true", "false", "null"};
    for (size_t n = 0; n < sizeof literals / sizeof literals[0]; n++) {
        size_t len = strlen(literals[n]), seen = s.len - i < len ? s.len - i : len;
        if (memcmp(s.data + i, literals[n], seen) == 0) return i + seen;
    }
    return i;
}

/* What follows a '[': the beginning of a value, or a closing bracket. s.len means that the text ended too early. */
static bool begins_element(struct slice s, size_t i)
{
    if (i == s.len || strchr("{[\"]'", s.data[i]) != NULL) return i == s.len || s.data[i] != '\0';
    size_t end = ascii_is_alpha(s.data[i]) ? pass_literal(s, i) : pass_number(s, i);
    if (end == i) return false;
    return end == s.len || json_space(s.data[end]) || s.data[end] == ',' || s.data[end] == ']';
}

/* Waits for all bytes it may look at, so that the answer cannot depend on how many there are. */
enum begin json_begin(const struct view *v, uint64_t at)
{
    if (at == v->to) return v->final ? BEGIN_TEXT : BEGIN_MORE;
    char c = *view_at(v, at);
    if (c == '{') return BEGIN_JSON;
    if (c != '[') return BEGIN_TEXT;
    uint64_t to = limit_after(at, JSON_BEGIN_BYTES);
    if (to > v->to) {
        if (!v->final && memchr(view_at(v, at), '\n', (size_t)(v->to - at)) == NULL) return BEGIN_MORE;
        to = v->to;
    }
    struct slice seen = view_slice(v, at, to);
    const char *lf = memchr(seen.data, '\n', seen.len);
    if (lf != NULL) seen.len = (size_t)(lf - seen.data);
    return begins_element(seen, pass_space(seen, 1)) ? BEGIN_JSON : BEGIN_TEXT;
}

/* --- Lines that tear a value ------------------------------------------------------------------------------------------ */

/* Brackets and then a quote: what a record begins with. In a string only an unescaped double quote counts. */
static bool begins_record(struct slice line, bool in_string)
{
    size_t i = 0;
    while (i < line.len && (json_space(line.data[i]) || line.data[i] == '{' || line.data[i] == '[')) i++;
    return i < line.len && (line.data[i] == '"' || (line.data[i] == '\'' && !in_string));
}

static bool holds_whole_values(struct slice line)
{
    size_t i = 0;
    while (i < line.len && (line.data[i] == '{' || line.data[i] == '[')) {
        struct balance b = {0};
        i += balance_scan(&b, slice_sub(line, i, line.len), 0);
        if (b.depth > 0 || b.in_string) return false;
        i = pass_space(line, i);
    }
    return i == line.len;
}

static bool value_may_stand_after(char c) { return c == ',' || c == ':' || c == '['; }

static enum extent_status ordinary(struct extent *x)
{
    x->column = LINE_INSIDE;
    return EXTENT_FOUND;
}

/* The line at `at` is whole and stands where a value may stand: it belongs to the open value if that goes on after it. */
static enum extent_status examine_follower(struct extent *x, const struct view *v, uint64_t limit)
{
    uint64_t p = line_end(&x->line, v, x->at), last = limit_after(p, FOLLOWER_BYTES);
    if (last > limit_after(x->at, x->max)) last = limit_after(x->at, x->max);
    while (p < v->to && p < last && p <= limit && json_space(*view_at(v, p))) p++;
    if (p > limit) return EXTENT_LIMIT;
    if (p >= last) return ordinary(x);
    if (p == v->to) return v->final ? EXTENT_TORN : EXTENT_MORE;
    char c = *view_at(v, p);
    return c == ',' || c == ']' || c == '}' ? ordinary(x) : EXTENT_TORN;
}

enum extent_status extent_examine(struct extent *x, const struct view *v, uint64_t limit)
{
    if (x->column == LINE_INSIDE || !x->tears) return ordinary(x);
    if (x->column == LINE_WHOLE) return examine_follower(x, v, limit);
    if (x->at == v->to) return v->final ? ordinary(x) : EXTENT_MORE;
    char c = *view_at(v, x->at);
    if (c != '{' && c != '[') return ordinary(x);

    uint64_t longest = limit_after(x->at, x->max), end = line_end(&x->line, v, x->at);
    if (longest > limit) longest = limit;
    if (end > longest) return longest == limit ? EXTENT_LIMIT : ordinary(x);
    if (end == v->to && !v->final) return EXTENT_MORE;

    struct slice line = view_slice(v, x->at, end);
    if (!begins_record(line, x->balance.in_string) || !holds_whole_values(line)) return ordinary(x);
    if (x->balance.in_string || !value_may_stand_after(x->previous)) return EXTENT_TORN;
    x->column = LINE_WHOLE;
    return examine_follower(x, v, limit);
}

/* --- Values and items ------------------------------------------------------------------------------------------------- */

void extent_init(struct extent *x, uint64_t at, uint64_t max, bool tears)
{
    *x = (struct extent){.at = at, .end = at, .max = max, .tears = tears};
}

void extent_restart(struct extent *x, uint64_t at)
{
    struct line_search line = x->line, column = x->column_one;
    extent_init(x, at, x->max, x->tears);
    x->line = line;
    x->column_one = column;
}

static void note_previous(struct extent *x, const struct view *v, uint64_t from)
{
    for (uint64_t p = x->at; p > from; p--) {
        char c = *view_at(v, p - 1);
        if (json_space(c)) continue;
        x->previous = c;
        return;
    }
}

enum extent_status extent_value(struct extent *x, const struct view *v, uint64_t limit)
{
    for (;;) {
        if (x->column != LINE_INSIDE) {
            enum extent_status examined = extent_examine(x, v, limit);
            if (examined != EXTENT_FOUND) return examined;
        }
        if (x->at >= limit) return EXTENT_LIMIT;
        uint64_t from = x->at, end = column_one(&x->column_one, v, from);
        if (end > limit) end = limit;
        if (end == from) return EXTENT_MORE;
        x->at += balance_scan(&x->balance, view_slice(v, from, end), 0);
        note_previous(x, v, from);
        if (x->balance.depth == 0 && !x->balance.in_string) return EXTENT_FOUND;
        if (*view_at(v, end - 1) == '\n') x->column = LINE_BEGUN;
    }
}

/* Inside a string that is an item of its own. */
static void pass_string_byte(struct balance *b, char c)
{
    if (b->escaped) b->escaped = false;
    else if (c == '\\') b->escaped = true;
    else if (c == '"') b->in_string = false;
}

enum extent_status extent_item(struct extent *x, const struct view *v, uint64_t limit, char closer)
{
    for (;;) {
        if (x->column != LINE_INSIDE) {
            enum extent_status examined = extent_examine(x, v, limit);
            if (examined != EXTENT_FOUND) return examined;
        }
        if (x->at >= limit) return EXTENT_LIMIT;
        if (x->at == v->to) return EXTENT_MORE;
        char c = *view_at(v, x->at);
        bool in_string = x->balance.in_string;
        if (x->balance.depth > 0 || (!in_string && (c == '{' || c == '['))) {
            enum extent_status status = extent_value(x, v, limit);
            if (status != EXTENT_FOUND) return status;
            x->end = x->at;
            continue;
        }
        if (in_string) pass_string_byte(&x->balance, c);
        else if (c == ',' || c == closer) return EXTENT_FOUND;
        else if (c == '"') x->balance.in_string = true;
        extent_pass(x, c);
        if (!json_space(c)) x->end = x->at;
    }
}

/* --- Brackets --------------------------------------------------------------------------------------------------------- */

bool brackets_agree(struct slice text)
{
    char open[TYPED_LEVELS];
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '"') in_string = !in_string;
        else if (in_string && c == '\\') i++;
        else if (in_string) continue;
        else if (c == '{' || c == '[') {
            if (depth < TYPED_LEVELS) open[depth] = c;
            depth++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
            if (depth < TYPED_LEVELS && open[depth] != (c == '}' ? '{' : '[')) return false;
        }
    }
    return true;
}
