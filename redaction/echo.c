/* Echo: a value removed at one place of a record is removed from the rest of it too, in every view: as it is, escaped,
 * percent-encoded, inside JSON text. Names and ids are found in any case. */
#include "redaction/engine.h"

#define MAX_SHARED 64   /* needles in neighbouring slots; more is an attack on the table */

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

/* The key or string of the tape in which text[from, to) lies whole and unescaped, or NULL. */
static const struct node *string_around(const struct tape *t, uint32_t from, uint32_t to)
{
    uint32_t low = 0, high = t->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (t->nodes[middle].start <= from) low = middle;
        else high = middle;
    }
    const struct node *n = &t->nodes[low];
    return (n->type == NODE_KEY || n->type == NODE_STRING) && to <= n->end && !(n->facts & FACT_ESCAPE) ? n : NULL;
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

/* A text to be searched: a view's, or the part of it that belongs to the record. */
struct area {
    uint32_t     view, offset;     /* where text begins in the view's */
    struct slice text, folded;     /* folded to lower case if a needle needs it */
};

static void found(struct redactor *r, const struct area *f, uint32_t from, const struct needle *n)
{
    const struct tape *tape = r->views[f->view].tape;
    uint32_t to = from + (uint32_t)n->text.len;
    if (n->whole_words && touches_word(f->text, from, to)) return;
    from += f->offset;
    to += f->offset;
    if (tape == NULL || string_around(tape, from, to) != NULL) add_echo(r, f->view, from, to, n);
}

#define TWIN_DISTANCE 64   /* bytes before a secret in which its twin is looked for */

void echo_twin(struct redactor *r, uint32_t view, uint32_t secret, const struct needle *n)
{
    const struct slice text = r->views[view].text;
    const struct tape *tape = r->views[view].tape;
    const uint32_t len = (uint32_t)n->text.len, lowest = secret > TWIN_DISTANCE ? secret - TWIN_DISTANCE : 0;
    for (uint32_t at = secret; at-- > lowest && text.data[at] != '\n';) {
        if (text.data[at] != n->text.data[0] || at + len >= secret || memcmp(text.data + at, n->text.data, len) != 0) continue;
        if (touches_word(text, at, at + len)) continue;
        if (slice_begins_nocase(slice_sub(text, at + len, text.len), SLICE("://"))) continue;   /* redis://redis:redis@ */
        const struct node *around = tape == NULL ? NULL : string_around(tape, at, at + len);
        if (tape == NULL || (around != NULL && around->type == NODE_STRING)) add_echo(r, view, at, at + len, n);
        return;
    }
}

static void search_one(struct redactor *r, const struct area *f, const struct needle *n)
{
    const char *text = n->caseless ? f->folded.data : f->text.data;
    for (size_t at = 0; at < f->text.len;) {
        const char *place = find_bytes(text + at, f->text.len - at, n->text);
        if (place == NULL) return;
        found(r, f, (uint32_t)(place - text), n);
        at = (size_t)(place - text) + n->text.len;
    }
}

/* --- Many needles: a table by their first eight bytes, asked at every byte of the text ------------------------------------- */

struct table {
    const struct needle **slots;
    size_t                mask;
};

static uint64_t first_eight(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static size_t slot_of(const struct table *t, uint64_t word) { return (size_t)(word * 0x9e3779b97f4a7c15u >> 32) & t->mask; }

/* Equal needles are put in once. Those that share their first eight bytes stand in neighbouring slots. */
static bool table_make(struct redactor *r, const struct job *j, struct table *t)
{
    size_t size = 64;
    while (size < 4 * j->needle_count) size *= 2;
    t->mask = size - 1;
    t->slots = arena_take(&r->arena, size * sizeof(struct needle *));
    if (t->slots == NULL) return false;
    memset(t->slots, 0, size * sizeof(struct needle *));
    for (const struct needle *n = j->needles; n != NULL; n = n->next) {
        size_t s = slot_of(t, first_eight(n->text.data)), tries = 0;
        while (t->slots[s] != NULL && !slice_equal(t->slots[s]->text, n->text) && tries++ < MAX_SHARED) s = (s + 1) & t->mask;
        if (tries > MAX_SHARED) return false;
        if (t->slots[s] == NULL || t->slots[s]->whole_words) t->slots[s] = n;   /* of equal ones that which is found more often */
    }
    return true;
}

static void search_many(struct redactor *r, const struct area *f, const struct table *t)
{
    const char *text = f->folded.data != NULL ? f->folded.data : f->text.data;
    for (size_t at = 0; at + MIN_ECHO <= f->text.len; at++) {
        for (size_t s = slot_of(t, first_eight(text + at)); t->slots[s] != NULL; s = (s + 1) & t->mask) {
            const struct needle *n = t->slots[s];
            if (n->text.len <= f->text.len - at && memcmp(text + at, n->text.data, n->text.len) == 0)
                found(r, f, (uint32_t)at, n);
        }
    }
}

static struct slice fold(struct redactor *r, struct slice text)
{
    char *out = arena_take(&r->arena, text.len);
    if (out == NULL) return (struct slice){0};
    for (size_t i = 0; i < text.len; i++) out[i] = ascii_lower(text.data[i]);
    return slice_of(out, text.len);
}

/* Folds the needles that are found in any case; true if there are any. Where there are many needles, all are then: one
 * walk over the text looks for all of them. */
static bool fold_needles(struct redactor *r, uint32_t job, bool many)
{
    bool caseless = false;
    for (const struct needle *n = r->jobs[job].needles; n != NULL; n = n->next) caseless |= n->caseless;
    for (struct needle *n = r->jobs[job].needles; n != NULL && caseless; n = n->next) {
        if (!n->caseless && !many) continue;
        n->text = fold(r, n->text);
        if (n->text.data == NULL) job_refuse(r, job, REFUSAL_MEMORY);
    }
    return caseless;
}

static struct area area_of(const struct redactor *r, const struct job *j, uint32_t view)
{
    struct area f = {.view = view, .text = r->views[view].text};
    if (r->views[view].parent == NO_VIEW) {   /* the record's part of the document */
        const struct node *n = &j->source.tape->nodes[j->source.node];
        f.offset = n->start;
        f.text = slice_sub(f.text, n->start, n->end);
    }
    return f;
}

void echo(struct redactor *r, uint32_t job, uint32_t first, uint32_t end)
{
    struct job *j = &r->jobs[job];
    struct table table = {0};
    bool many = j->needle_count > FEW_NEEDLES, caseless = fold_needles(r, job, many);
    if (j->refusal == REFUSAL_NONE && many && !table_make(r, j, &table)) job_refuse(r, job, REFUSAL_BUDGET);
    for (uint32_t view = first; view < end && j->refusal == REFUSAL_NONE; view++) {
        struct area f = area_of(r, j, view);
        if (caseless) f.folded = fold(r, f.text);
        if (f.text.len > 0 && caseless && f.folded.data == NULL) {
            job_refuse(r, job, REFUSAL_MEMORY);
        } else if (many) {
            search_many(r, &f, &table);
        } else {
            for (const struct needle *n = j->needles; n != NULL; n = n->next) search_one(r, &f, n);
        }
    }
}
