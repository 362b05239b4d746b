#include "redaction/engine.h"

#include <stdlib.h>

void job_refuse(struct redactor *r, uint32_t job, enum refusal why)
{
    if (r->jobs[job].refusal == REFUSAL_NONE) r->jobs[job].refusal = why;
}

/* Makes room for more items in a growing array. */
static bool grow(struct redactor *r, void **items, size_t *capacity, size_t item_bytes)
{
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = reallocarray(*items, wanted, item_bytes);
    if (grown == NULL) {
        r->starved = true;
        return false;
    }
    *items = grown;
    *capacity = wanted;
    return true;
}

uint32_t view_add(struct redactor *r, struct view view)
{
    if (r->view_count == r->view_capacity && !grow(r, (void **)&r->views, &r->view_capacity, sizeof *r->views)) {
        job_refuse(r, view.job, REFUSAL_MEMORY);
        return NO_VIEW;
    }
    r->views[r->view_count] = view;
    return (uint32_t)r->view_count++;
}

static bool grow_scan(struct redactor *r, size_t bytes)
{
    size_t wanted = 2 * (r->scan_len + bytes);
    if (wanted >= UINT32_MAX) return false;
    char *grown = realloc(r->scan, wanted);
    if (grown == NULL) {
        r->starved = true;
        return false;
    }
    r->scan = grown;
    r->scan_capacity = wanted;
    return true;
}

/* Most texts are short: up to 32 bytes are copied as two vectors, whatever their length. Both sides are padded. */
static inline void copy_text(char *to, const char *from, size_t len)
{
    if (len > 32) {
        memcpy(to, from, len);
    } else {
        memcpy(to, from, 16);
        memcpy(to + 16, from + 16, 16);
    }
}

void gather(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, uint16_t key_slot)
{
    const struct view *v = &r->views[view];
    size_t len = to - from;
    bool room = (r->leaf_count < r->leaf_capacity || grow(r, (void **)&r->leaves, &r->leaf_capacity, sizeof *r->leaves)) &&
                (r->scan_len + len + PARSER_PADDING <= r->scan_capacity || grow_scan(r, len + PARSER_PADDING));
    if (!room) {
        job_refuse(r, v->job, REFUSAL_MEMORY);
        return;
    }
    r->leaves[r->leaf_count++] = (struct leaf){.at = (uint32_t)r->scan_len, .view = view, .from = from, .key_slot = key_slot};
    copy_text(r->scan + r->scan_len, v->text.data + from, len);
    r->scan_len += len;
    r->scan[r->scan_len++] = '\0';
}

/* A buffer for decoding `len` bytes, counted against the record's budget. */
static char *decode_buffer(struct redactor *r, uint32_t job, size_t len)
{
    struct job *j = &r->jobs[job];
    if (len > j->budget) {
        job_refuse(r, job, REFUSAL_BUDGET);
        return NULL;
    }
    j->budget -= len;
    char *out = arena_take(&r->arena, len + PARSER_PADDING);
    if (out == NULL) job_refuse(r, job, REFUSAL_MEMORY);
    return out;
}

/* The piece of a view decoded, as a view of its own. */
static uint32_t decoded_view(struct redactor *r, uint32_t parent, uint32_t from, uint32_t to, enum encoding encoding)
{
    const struct view p = r->views[parent];
    if (p.depth == MAX_NESTING) {
        job_refuse(r, p.job, REFUSAL_DEPTH);
        return NO_VIEW;
    }
    char *out = decode_buffer(r, p.job, to - from);
    if (out == NULL) return NO_VIEW;
    size_t len = encoding_decode(encoding, view_piece(&p, from, to), out);
    memset(out + len, 0, PARSER_PADDING);
    arena_trim(&r->arena, out, len + PARSER_PADDING);
    return view_add(r, (struct view){.text = slice_of(out, len), .parent = parent, .from = from, .to = to, .job = p.job,
                                     .encoding = (uint8_t)encoding, .depth = (uint8_t)(p.depth + 1)});
}

uint32_t string_view(struct redactor *r, uint32_t view, const struct node *n, uint32_t *from, uint32_t *to)
{
    *from = n->start;
    *to = n->end;
    if (!(n->facts & FACT_ESCAPE)) return view;
    uint32_t decoded = decoded_view(r, view, n->start, n->end, ENCODING_STRING);
    if (decoded == NO_VIEW) return NO_VIEW;
    *from = 0;
    *to = (uint32_t)r->views[decoded].text.len;
    return decoded;
}

static bool begins_as_json(struct slice text)
{
    size_t i = 0;
    while (i < text.len && (text.data[i] == ' ' || text.data[i] == '\n' || text.data[i] == '\t' || text.data[i] == '\r')) i++;
    return i < text.len && (text.data[i] == '{' || text.data[i] == '[');
}

/* Walks text[from, to) if it is JSON. A piece of a tape's string becomes a view of its own, so that what is written there
 * is escaped for the string around it. */
static bool examine_json(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, const struct context *context)
{
    const struct view v = r->views[view];
    struct slice text = view_piece(&v, from, to);
    size_t at;
    struct tape *tape = arena_take(&r->arena, sizeof *tape);
    if (tape == NULL) {
        job_refuse(r, v.job, REFUSAL_MEMORY);
        return true;
    }
    enum parse_status status = parser_parse(&r->parser, text, &r->arena, tape, &at);
    CHECK(status != PARSE_TOO_LONG);   /* no longer than the record, which was parsed */
    if (status == PARSE_DEPTH || status == PARSE_MEMORY) {
        job_refuse(r, v.job, status == PARSE_DEPTH ? REFUSAL_DEPTH : REFUSAL_MEMORY);
        return true;
    }
    if (status != PARSE_OK) return false;
    if (!names_resolve(r->keys, tape)) {
        job_refuse(r, v.job, REFUSAL_KEYS);
        return true;
    }
    uint32_t json = view;
    if (v.tape != NULL)
        json = view_add(r, (struct view){.text = text, .parent = view, .from = from, .to = to, .job = v.job,
                                         .encoding = ENCODING_STRING, .depth = v.depth});
    if (json == NO_VIEW) return true;
    r->views[json].tape = tape;
    walk(r, json, 0, context);
    return true;
}

/* A run that may be base64: examined as what it decodes to, if that is readable text. */
static void examine_run(struct redactor *r, uint32_t view, uint32_t from, uint32_t to)
{
    const struct view v = r->views[view];
    if (v.depth == MAX_NESTING) {
        job_refuse(r, v.job, REFUSAL_DEPTH);
        return;
    }
    char *out = decode_buffer(r, v.job, to - from);
    if (out == NULL) return;
    size_t len = encoding_decode(ENCODING_BASE64, view_piece(&v, from, to), out);
    memset(out + len, 0, PARSER_PADDING);
    arena_trim(&r->arena, out, len + PARSER_PADDING);
    CHECK(len > 0);   /* its first letters are text */
    uint32_t decoded = view_add(r, (struct view){.text = slice_of(out, len), .parent = view, .from = from, .to = to, .job = v.job,
                                                 .encoding = ENCODING_BASE64, .depth = (uint8_t)(v.depth + 1)});
    if (decoded == NO_VIEW) return;
    examine(r, decoded, 0, (uint32_t)len, ALL_FACTS, &root_context);
    /* What stands before it, of a text whose beginning was cut off, may touch a secret and hide it. */
    for (uint32_t skip = 1; skip < 3 && len > skip + MIN_TEXT && ascii_is_alnum(r->views[decoded].text.data[skip - 1]); skip++)
        gather(r, decoded, skip, (uint32_t)len, 0);
}

static void examine_base64(struct redactor *r, uint32_t view, uint32_t from, uint32_t to)
{
    struct slice text = view_piece(&r->views[view], from, to);
    uint32_t job = r->views[view].job;
    for (size_t at = 0, end; base64_next(text, &at, &end) && r->jobs[job].refusal == REFUSAL_NONE; at = end)
        examine_run(r, view, from + (uint32_t)at, from + (uint32_t)end);
}

/* The encoding to undo next. One is enough: what it leaves encoded is found in the decoded text. */
static enum encoding encoding_of(struct slice text, uint8_t facts)
{
    if (facts & FACT_ENCODED) {
        if (encoding_occurs(ENCODING_PERCENT, text)) return ENCODING_PERCENT;
        if (encoding_occurs(ENCODING_HTML, text)) return ENCODING_HTML;
    }
    if (facts & FACT_ESCAPE) {
        if (encoding_occurs(ENCODING_UTF16, text)) return ENCODING_UTF16;
        if (encoding_occurs(ENCODING_BACKSLASH, text)) return ENCODING_BACKSLASH;
    }
    return ENCODING_NONE;
}

void examine_encoded(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, uint8_t facts, const struct context *context)
{
    enum encoding encoding = encoding_of(view_piece(&r->views[view], from, to), facts);
    if (encoding != ENCODING_NONE) {
        uint32_t decoded = decoded_view(r, view, from, to, encoding);
        if (decoded != NO_VIEW) examine(r, decoded, 0, (uint32_t)r->views[decoded].text.len, ALL_FACTS, context);
    }
    if (facts & FACT_LONG_RUN) examine_base64(r, view, from, to);
}

void examine_plain(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, uint16_t key_slot,
                   const struct context *context)
{
    struct slice text = view_piece(&r->views[view], from, to);
    if (text.len < MIN_TEXT) return;
    if (text.data[0] == '{' || text.data[0] == '[' || text.data[0] == ' ' || text.len > sizeof r->recent->text) {
        examine(r, view, from, to, 0, context);
        return;
    }
    const struct recent_value *recent = &r->recent[key_slot];
    if (recent->len == text.len && memcmp(recent->text, text.data, text.len) == 0) return;
    size_t leaf = r->leaf_count;
    gather(r, view, from, to, 0);
    if (leaf < r->leaf_count) r->leaves[leaf].recent_slot = key_slot;
}

void examine(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, uint8_t facts, const struct context *context)
{
    if (to - from < MIN_TEXT || r->jobs[r->views[view].job].refusal != REFUSAL_NONE) return;
    struct slice text = view_piece(&r->views[view], from, to);
    if (begins_as_json(text) && examine_json(r, view, from, to, context)) return;
    if (!(facts & ~(uint32_t)FACT_LONG_RUN) && text.len >= MIN_MEMO) {
        if (memo_has(r->memo, memo_key(r->memo, text))) return;
        size_t leaf = r->leaf_count, views = r->view_count;
        gather(r, view, from, to, 0);
        if (facts & FACT_LONG_RUN) examine_base64(r, view, from, to);
        /* all that it holds is itself */
        bool whole = r->view_count == views && r->jobs[r->views[view].job].refusal == REFUSAL_NONE;
        if (leaf < r->leaf_count) r->leaves[leaf].remember = whole;
        return;
    }
    gather(r, view, from, to, 0);
    if (facts != 0) examine_encoded(r, view, from, to, facts, context);
}
