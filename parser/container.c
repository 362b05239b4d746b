#include "parser/container.h"

#define KEY_BYTES 256   /* from the first quote of `records` to what follows the bracket; with more it is not a page's key */

enum page_key page_key(struct slice raw)
{
    if (slice_equal_nocase(raw, SLICE("records"))) return PAGE_RECORDS;
    if (slice_equal_nocase(raw, SLICE("value"))) return PAGE_VALUE;
    if (slice_equal_nocase(raw, SLICE("nextLink")) || slice_equal_nocase(raw, SLICE("count"))) return PAGE_COMMON;
    struct slice odata = SLICE("@odata.");
    bool prefixed = raw.len >= odata.len && slice_equal_nocase(slice_sub(raw, 0, odata.len), odata);
    return prefixed ? PAGE_COMMON : PAGE_FOREIGN;
}

void container_init(struct container *c, uint64_t start, uint64_t max, bool tears)
{
    *c = (struct container){.max = max, .start = start, .end = start};
    extent_init(&c->extent, start, max, tears);
}

bool container_detect(const struct view *v, uint64_t start, uint64_t max)
{
    if (*view_at(v, start) == '[') return true;
    struct view seen = *v;
    if (seen.to > limit_after(start, max)) seen.to = limit_after(start, max);
    seen.final = false;
    struct container c;
    container_init(&c, start, NO_LIMIT, false);
    for (;;) {
        enum container_event event = container_next(&c, &seen);
        if (event == CONTAINER_GLUE && c.opens) return true;
        if (event == CONTAINER_MORE || event == CONTAINER_END) return false;
    }
}

uint64_t container_hold(const struct container *c)
{
    bool open = (c->state == IN_ITEM || c->state == IN_STRAY || c->state == IN_KEY) && !c->passing;
    if (open) return c->start - c->after_comma;
    return c->extent.at - (c->state == AT_ITEM);
}

static char closer(const struct container *c) { return c->open[c->levels - 1] == '[' ? ']' : '}'; }

static enum container_event event_glue(struct container *c, uint64_t start, bool opens, bool in_array)
{
    c->start = start;
    c->end = c->extent.at;
    c->opens = opens;
    c->in_array = in_array;
    return CONTAINER_GLUE;
}

/* Passes the bracket at `at`. */
static void enter(struct container *c, char bracket)
{
    extent_pass(&c->extent, bracket);
    c->open[c->levels] = bracket;
    c->written[c->levels] = c->foreign[c->levels] = false;
    c->levels++;
    c->state = AT_FIRST;
}

static enum container_event leave(struct container *c)
{
    extent_pass(&c->extent, closer(c));
    c->levels--;
    c->state = c->levels > 0 ? AT_COMMA : AT_END;
    return event_glue(c, c->extent.at - 1, false, false);
}

static void begin_item(struct container *c, int state)
{
    c->start = c->end = c->extent.end = c->extent.at;
    c->extent.balance = (struct balance){0};
    c->after_comma = c->state == AT_ITEM;
    c->state = state;
    c->passing = false;
}

/* --- Keys ------------------------------------------------------------------------------------------------------------- */

enum key_verdict { KEY_PLAIN, KEY_OPENS, KEY_UNKNOWN };

static uint64_t key_space(const struct view *v, uint64_t p, uint64_t last)
{
    while (p < last && json_space(*view_at(v, p))) p++;
    return p;
}

/* Reads `"records" : [ {` as far as `last`; *after is the byte behind the bracket. KEY_UNKNOWN: ends too early. */
static enum key_verdict read_key(struct container *c, const struct view *v, uint64_t last, uint64_t *after)
{
    uint64_t p = c->start + 1;
    char quote = *view_at(v, c->start);
    if (quote != '"' && quote != '\'') return KEY_PLAIN;
    while (p < last && *view_at(v, p) != quote && *view_at(v, p) != '\\') p++;
    if (p == last) return KEY_UNKNOWN;
    enum page_key key = page_key(view_slice(v, c->start + 1, p));
    if (key == PAGE_FOREIGN) c->foreign[c->levels - 1] = true;
    if (key == PAGE_FOREIGN || key == PAGE_COMMON) return KEY_PLAIN;
    if (key == PAGE_VALUE && c->foreign[c->levels - 1]) return KEY_PLAIN;

    p = key_space(v, p + 1, last);
    if (p == last) return KEY_UNKNOWN;
    if (*view_at(v, p) != ':') return KEY_PLAIN;
    p = key_space(v, p + 1, last);
    if (p == last) return KEY_UNKNOWN;
    if (*view_at(v, p) != '[') return KEY_PLAIN;
    *after = p + 1;
    p = key_space(v, p + 1, last);
    if (p == last) return KEY_UNKNOWN;
    return *view_at(v, p) == '{' || *view_at(v, p) == ']' ? KEY_OPENS : KEY_PLAIN;
}

/* True when the member's key opens an array of elements, which is then entered. */
static bool pass_key(struct container *c, const struct view *v, bool *more)
{
    uint64_t after = 0, last = limit_after(c->start, c->max < KEY_BYTES ? c->max : KEY_BYTES);
    bool all = last <= v->to || v->final;
    enum key_verdict verdict = read_key(c, v, last < v->to ? last : v->to, &after);
    *more = verdict == KEY_UNKNOWN && !all;
    if (*more) return false;
    if (verdict == KEY_UNKNOWN) c->foreign[c->levels - 1] = true;
    c->state = IN_ITEM;
    if (verdict != KEY_OPENS || c->levels == CONTAINER_LEVELS) return false;
    c->extent.at = after - 1;
    c->extent.column = LINE_INSIDE;
    enter(c, '[');
    return true;
}

/* --- Items ------------------------------------------------------------------------------------------------------------ */

static bool enter_long_element(struct container *c, const struct view *v)
{
    if (c->state != IN_ITEM || c->open[c->levels - 1] != '[' || c->levels == CONTAINER_LEVELS) return false;
    if (*view_at(v, c->start) != '{' || !container_detect(v, c->start, c->max)) return false;
    extent_init(&c->extent, c->start, c->max, c->extent.tears);
    enter(c, '{');
    return true;
}

static enum container_event item_found(struct container *c)
{
    bool stray = c->state == IN_STRAY;
    c->state = AT_COMMA;
    c->end = c->extent.end;
    if (c->passing) {
        c->passing = false;
        return CONTAINER_PASSED;
    }
    if (stray) return CONTAINER_STRAY;
    return c->in_array ? CONTAINER_ELEMENT : CONTAINER_MEMBER;
}

static enum container_event cut(struct container *c)
{
    c->end = c->extent.at;
    c->state = AT_END;
    return CONTAINER_CUT;
}

static enum container_event pass_item(struct container *c, const struct view *v)
{
    uint64_t limit = c->passing ? NO_LIMIT : limit_after(c->start, c->max);
    c->in_array = c->open[c->levels - 1] == '[';
    switch (extent_item(&c->extent, v, limit, closer(c))) {
    case EXTENT_FOUND: return item_found(c);
    case EXTENT_MORE: return v->final ? cut(c) : CONTAINER_MORE;
    case EXTENT_TORN: return cut(c);
    case EXTENT_LIMIT: break;
    }
    if (enter_long_element(c, v)) return event_glue(c, c->start, false, true);
    c->passing = true;
    return CONTAINER_LONG;
}

/* --- Between items ---------------------------------------------------------------------------------------------------- */

static enum container_event stray_nothing(struct container *c)
{
    c->start = c->end = c->extent.at;
    c->state = AT_COMMA;
    return CONTAINER_STRAY;
}

/* At a byte that is not white space. CONTAINER_MORE: nothing to tell, go on. */
static enum container_event pass_token(struct container *c, char b)
{
    if (c->state == AT_ROOT) {
        enter(c, b);
        return event_glue(c, c->start, b == '[', false);
    }
    if (b == ',') {
        if (c->state != AT_COMMA) return stray_nothing(c);
        extent_pass(&c->extent, b);
        c->state = AT_ITEM;
        return CONTAINER_MORE;
    }
    if (b == closer(c)) return c->state == AT_ITEM ? stray_nothing(c) : leave(c);
    bool stray = c->state == AT_COMMA || (closer(c) == '}' && b != '"' && b != '\'');
    begin_item(c, stray ? IN_STRAY : closer(c) == '}' ? IN_KEY : IN_ITEM);
    return CONTAINER_MORE;
}

static enum container_event pass_between(struct container *c, const struct view *v)
{
    struct extent *x = &c->extent;
    for (;;) {
        enum extent_status examined = extent_examine(x, v, NO_LIMIT);
        if (examined == EXTENT_MORE) return CONTAINER_MORE;
        if (examined == EXTENT_TORN || (x->at == v->to && v->final)) {
            c->start = x->at;
            return cut(c);
        }
        if (x->at == v->to) return CONTAINER_MORE;
        char b = *view_at(v, x->at);
        if (!json_space(b)) break;
        extent_pass(x, b);
    }
    return pass_token(c, *view_at(v, x->at));
}

enum container_event container_next(struct container *c, const struct view *v)
{
    enum container_event event = CONTAINER_MORE;
    bool more = false;
    while (event == CONTAINER_MORE && !more && c->state != AT_END) {
        if (c->state == IN_KEY) {
            if (pass_key(c, v, &more)) return event_glue(c, c->start, true, false);
        } else if (c->state == IN_ITEM || c->state == IN_STRAY) {
            event = pass_item(c, v);
            more = event == CONTAINER_MORE;
        } else {
            unsigned before = c->state;
            event = pass_between(c, v);
            more = event == CONTAINER_MORE && c->state == before;
        }
    }
    return c->state == AT_END && event == CONTAINER_MORE ? CONTAINER_END : event;
}
