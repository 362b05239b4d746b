/* Echo: a value removed at one place of a record is removed from the rest of it too, in every view: as it is, escaped,
 * percent-encoded, inside JSON text. Names and ids are found in any case. */
#include "redaction/engine.h"

typedef uint8_t lanes __attribute__((vector_size(16)));
typedef uint64_t words __attribute__((vector_size(16)));

static lanes load(const char *at)
{
    lanes v;
    memcpy(&v, at, sizeof v);
    return v;
}

static bool any(lanes v)
{
    words w = (words)v;
    return (w[0] | w[1]) != 0;
}

/* As memmem(), but looks at the first and the last byte of the needle in 16 places at once. */
static const char *find_bytes(const char *text, size_t len, struct slice needle)
{
    if (needle.len > len) return NULL;
    size_t places = len - needle.len + 1, i = 0;
    lanes first = (lanes){0} + (uint8_t)needle.data[0], last = (lanes){0} + (uint8_t)needle.data[needle.len - 1];
    for (; i + sizeof(lanes) <= places; i += sizeof(lanes)) {
        lanes both = (lanes)(load(text + i) == first) & (lanes)(load(text + i + needle.len - 1) == last);
        if (!any(both)) continue;
        for (size_t k = 0; k < sizeof both; k++)
            if (both[k] && memcmp(text + i + k, needle.data, needle.len) == 0) return text + i + k;
    }
    for (; i < places; i++)
        if (text[i] == needle.data[0] && memcmp(text + i, needle.data, needle.len) == 0) return text + i;
    return NULL;
}

/* The key or string of the tape in which text[from, to) lies whole and unescaped. */
static bool inside_string(const struct tape *t, uint32_t from, uint32_t to)
{
    uint32_t low = 0, high = t->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (t->nodes[middle].start <= from) low = middle;
        else high = middle;
    }
    const struct node *n = &t->nodes[low];
    return (n->type == NODE_KEY || n->type == NODE_STRING) && from >= n->start && to <= n->end && !(n->facts & FACT_ESCAPE);
}

static bool touches_word(struct slice text, size_t from, size_t to)
{
    return (from > 0 && ascii_is_alnum(text.data[from - 1])) || (to < text.len && ascii_is_alnum(text.data[to]));
}

static void add_echo(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, const struct needle *n)
{
    struct finding f = engine_finding(r, ENGINE_ECHO);
    f.action = n->action;
    replace_with(r, view, from, to, f, n->replacement);
}

static void search(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, struct slice folded, const struct needle *n)
{
    const struct view v = r->views[view];
    const char *text = n->caseless ? folded.data : v.text.data;
    for (uint32_t at = from; at < to;) {
        const char *found = find_bytes(text + at, to - at, n->text);
        if (found == NULL) return;
        uint32_t first = (uint32_t)(found - text), end = first + (uint32_t)n->text.len;
        at = end;
        if (n->whole_words && touches_word(v.text, first, end)) continue;
        if (v.tape == NULL || inside_string(v.tape, first, end)) add_echo(r, view, first, end, n);
    }
}

static struct slice fold(struct redactor *r, struct slice text)
{
    char *out = arena_take(&r->arena, text.len);
    if (out == NULL) return (struct slice){0};
    for (size_t i = 0; i < text.len; i++) out[i] = ascii_lower(text.data[i]);
    return slice_of(out, text.len);
}

void echo(struct redactor *r, uint32_t job, uint32_t first, uint32_t end)
{
    struct job *j = &r->jobs[job];
    bool caseless = false;
    for (struct needle *n = j->needles; n != NULL; n = n->next) {
        if (!n->caseless) continue;
        caseless = true;
        n->text = fold(r, n->text);
        if (n->text.data == NULL) job_refuse(r, job, REFUSAL_MEMORY);
    }
    for (uint32_t view = first; view < end && j->refusal == REFUSAL_NONE; view++) {
        uint32_t from = 0, to = (uint32_t)r->views[view].text.len;
        if (view == first && j->source.tape != NULL) {   /* the record's part of the document */
            from = j->source.tape->nodes[j->source.node].start;
            to = j->source.tape->nodes[j->source.node].end;
        }
        struct slice folded = {0};
        if (caseless) folded = fold(r, r->views[view].text);
        if (caseless && folded.data == NULL && to > 0) {
            job_refuse(r, job, REFUSAL_MEMORY);
            return;
        }
        for (const struct needle *n = j->needles; n != NULL; n = n->next) search(r, view, from, to, folded, n);
    }
}
