/* The framer: a state machine over a window of the input, which lies in the batch being filled.
 *
 * Each state is a step function that either gets on or asks for more bytes. A step decides only on bytes that it would
 * also wait for, so the size of reads cannot matter. What is held (the bytes of an unfinished document) is copied to the
 * beginning of the next batch; nothing else is copied, and nothing is scanned again except once when a document turns
 * out to be longer than max_document.
 *
 * (1) hold() <= extent.at: bytes from hold() on are carried over, those before are done with.
 * (2) hold() + max_document + PARSER_PADDING reaches past every byte that a step can ask for; a window of an empty batch
 *     is therefore always large enough.
 * (3) Lines are counted once, in order: line_of() is asked for growing offsets only.
 * Thread: as in the header. */
#include "parser/framing.h"

#include "parser/container.h"

#define FILL_BYTES ((size_t)256 * 1024)   /* new bytes per call, so that a batch stays in the cache */
#define MAX_DOCUMENT ((size_t)1 << 30)    /* greatest max_document: offsets in a batch have 32 bits */
#define CLOSER_ROOM (CONTAINER_LEVELS + 1)   /* kept free in a batch for what closes a broken container */
#define TRAIL_BYTES 16                    /* white space after the longest document in which the end of line is awaited */

_Static_assert(TRAIL_BYTES + JSON_BEGIN_BYTES + CLOSER_ROOM < PARSER_PADDING, "law (2)");

enum step { STEP_ON, STEP_MORE, STEP_CLOSE, STEP_END };

struct framer {
    struct framer_options options;
    struct byte_source    source;
    struct batch         *batch;
    struct view           view;
    char                 *carry;
    size_t                carry_len, carry_capacity;

    enum step (*step)(struct framer *);
    struct extent    extent;       /* extent.at is the position of all states but in_container() */
    struct container container;
    uint64_t         start;        /* of the document, or of the line while no document is open */
    uint64_t         start_line;
    uint64_t         end;          /* of the document, once known */
    uint64_t         skipped, skipped_line;   /* start of the element that is passed over */
    struct framer_place   rest;    /* within a line that something was handed out of: where that began */
    struct framer_place   key;     /* where the private key began whose lines are awaited */
    size_t                base;    /* bytes of the batch that were there before this call */
    bool             line_begun;   /* no document has begun on this line */
    bool             blank_cut;    /* the line began with more white space than is held */
    bool             first_line;   /* the document is still on the line on which it began */
    uint64_t         counted, line;
    uint32_t         key_lines;    /* lines of text that may still belong to the private key begun before */
    bool                  ended, failed, later;
    struct error     error;
    struct document  lost;         /* stands for one that the batch has no memory for; the input then fails */
};

static enum step between(struct framer *);
static enum step text_line(struct framer *);
static enum step rest_of_line(struct framer *);
static enum step in_document(struct framer *);
static enum step after_document(struct framer *);
static enum step garbage(struct framer *);
static enum step in_long_document(struct framer *);
static enum step in_container(struct framer *);
static enum step after_container(struct framer *);

/* --- Lines ------------------------------------------------------------------------------------------------------------ */

typedef char vector __attribute__((vector_size(16)));

/* Sixteen counters at a time; each has room for 127 blocks. */
static uint64_t count_line_feeds(struct slice s)
{
    uint64_t count = 0;
    size_t i = 0;
    while (s.len - i >= sizeof(vector)) {
        vector counters = {0}, block;
        for (int n = 0; n < 127 && s.len - i >= sizeof block; n++, i += sizeof block) {
            memcpy(&block, s.data + i, sizeof block);
            counters -= (vector)(block == '\n');
        }
        for (size_t lane = 0; lane < sizeof counters; lane++) count += (uint64_t)counters[lane];
    }
    for (; i < s.len; i++) count += s.data[i] == '\n';
    return count;
}

static uint64_t line_of(struct framer *f, uint64_t at)
{
    CHECK_SLOW(at >= f->counted);
    f->line += count_line_feeds(view_slice(&f->view, f->counted, at));
    f->counted = at;
    return f->line;
}

/* --- Documents -------------------------------------------------------------------------------------------------------- */

static struct document *add(struct framer *f, enum document_form form, uint64_t start, uint64_t end, uint64_t line)
{
    struct document *d = batch_add(f->batch);
    if (d == NULL) {
        if (!f->failed) error_set(&f->error, ERROR_MEMORY, "no memory for a batch of documents");
        f->failed = f->ended = true;
        f->view.final = true;
        return &f->lost;
    }
    d->form = form;
    d->start = start == end ? 0 : (uint32_t)(f->base + (start - f->view.from));
    d->len = (uint32_t)(end - start);
    d->offset = start;
    d->line = line;
    return d;
}

/* Of what is not in the window any more, only the place is known. */
static void refuse_unseen(struct framer *f, enum refusal refusal, uint64_t offset, uint64_t line)
{
    add(f, DOCUMENT_REFUSED, offset, offset, line)->refusal = refusal;
}

static void refuse(struct framer *f, enum refusal refusal, uint64_t start, uint64_t end)
{
    add(f, DOCUMENT_REFUSED, start, end, line_of(f, start))->refusal = refusal;
}

static enum step enter(struct framer *f, enum step (*step)(struct framer *))
{
    f->step = step;
    return STEP_ON;
}

/* What began at `start` is handed out; its line is not at its end. */
static enum step enter_rest_of_line(struct framer *f, uint64_t start, uint64_t line)
{
    f->rest = (struct framer_place){start, line};
    return enter(f, rest_of_line);
}

static enum step enter_line(struct framer *f, uint64_t at)
{
    f->extent.at = f->start = at;
    f->line_begun = true;
    f->blank_cut = false;
    return enter(f, between);
}

/* The next document may follow on the same line. */
static enum step enter_same_line(struct framer *f, uint64_t at)
{
    f->rest = (struct framer_place){f->start, f->start_line};
    f->extent.at = f->start = at;
    f->line_begun = false;
    return enter(f, between);
}

static enum step enter_document(struct framer *f, uint64_t at)
{
    extent_restart(&f->extent, at);
    f->start = at;
    f->start_line = line_of(f, at);
    f->first_line = true;
    return enter(f, in_document);
}

static uint64_t trimmed(const struct framer *f, uint64_t start, uint64_t end)
{
    while (end > start && json_space(*view_at(&f->view, end - 1))) end--;
    return end;
}

static bool holds_nul(const struct framer *f, uint64_t start, uint64_t end)
{
    return memchr(view_at(&f->view, start), '\0', (size_t)(end - start)) != NULL;
}

/* --- Between documents ------------------------------------------------------------------------------------------------ */

static const char byte_order_mark[] = "\xEF\xBB\xBF";

/* True when a byte order mark was passed; *more when there could be one behind the window. */
static bool pass_byte_order_mark(struct framer *f, bool *more)
{
    uint64_t at = f->extent.at, seen = f->view.to - at;
    if (seen > 3) seen = 3;
    if (at != f->start || memcmp(view_at(&f->view, at), byte_order_mark, seen) != 0) return false;
    *more = seen < 3 && !f->view.final;
    if (seen < 3) return false;
    enter_line(f, at + 3);
    return true;
}

static enum step enter_text_line(struct framer *f)
{
    if (f->line_begun && !f->blank_cut) return enter(f, text_line);
    refuse(f, f->line_begun ? REFUSAL_LENGTH : REFUSAL_SYNTAX, f->extent.at, f->extent.at);
    return enter_rest_of_line(f, f->extent.at, f->line);
}

static void pass_blanks(struct framer *f)
{
    while (f->extent.at < f->view.to) {
        uint64_t at = f->extent.at;
        char c = *view_at(&f->view, at);
        if (!json_space(c)) break;
        if (c == '\n') {
            enter_line(f, at + 1);
            continue;
        }
        f->extent.at++;
        if (f->extent.at - f->start <= f->options.max_document) continue;
        if (!f->blank_cut && f->line_begun) f->rest = (struct framer_place){f->start, line_of(f, f->start)};
        f->blank_cut = true;
        f->start = f->extent.at;
    }
}

static enum step between(struct framer *f)
{
    struct view *v = &f->view;
    pass_blanks(f);
    bool more = false;
    if (f->extent.at < v->to && f->line_begun && pass_byte_order_mark(f, &more)) return STEP_ON;
    if (more) return STEP_MORE;
    switch (json_begin(v, f->extent.at)) {
    case BEGIN_JSON: return enter_document(f, f->extent.at);
    case BEGIN_MORE: return STEP_MORE;
    case BEGIN_TEXT: break;
    }
    return f->extent.at == v->to ? STEP_END : enter_text_line(f);
}

/* --- Lines of text ---------------------------------------------------------------------------------------------------- */

static enum step rest_of_line(struct framer *f)
{
    uint64_t end = line_end(&f->extent.line, &f->view, f->extent.at);
    bool found = end < f->view.to;
    f->extent.at = f->start = end;
    if (found) return enter_line(f, end + 1);
    return f->view.final ? enter_line(f, end) : STEP_MORE;
}

#define KEY_LINES 200   /* longest private key in PEM, in lines */

/* A private key that is logged line by line: its lines say nothing on their own, so they are marked here, where lines are
 * met in order. */
static bool in_key_block(struct framer *f, struct slice line)
{
    static const char begin[] = "-----BEGIN ", key[] = "PRIVATE KEY", end[] = "-----END ";
    bool ends = memmem(line.data, line.len, end, sizeof end - 1) != NULL;
    if (f->key_lines > 0) {
        f->key_lines = ends ? 0 : f->key_lines - 1;
        return true;
    }
    const char *frame = memmem(line.data, line.len, begin, sizeof begin - 1);
    if (frame == NULL || ends || !memmem(frame, line.len - (size_t)(frame - line.data), key, sizeof key - 1)) return false;
    f->key_lines = KEY_LINES;
    f->key = (struct framer_place){f->start, f->line};
    return false;
}

static enum step text_line(struct framer *f)
{
    uint64_t start = f->start, max = f->options.max_document, end = line_end(&f->extent.line, &f->view, start);
    bool found = end < f->view.to;
    if (!found && !f->view.final && end - start <= max + 1) return STEP_MORE;
    if ((found || f->view.final) && *view_at(&f->view, end - 1) == '\r') end--;
    if (end - start > max) {
        bool binary = holds_nul(f, start, start + max);
        refuse(f, binary ? REFUSAL_BINARY : REFUSAL_LENGTH, start, start);
        return enter_rest_of_line(f, start, f->line);
    }
    if (!found && f->failed) refuse(f, REFUSAL_TRUNCATED, start, end);
    else if (holds_nul(f, start, end)) refuse(f, REFUSAL_BINARY, start, end);
    else add(f, DOCUMENT_TEXT, start, end, line_of(f, start))->key_block = in_key_block(f, view_slice(&f->view, start, end));
    return enter_rest_of_line(f, start, f->line);
}

/* --- Documents that are held ------------------------------------------------------------------------------------------ */

static void add_json(struct framer *f, uint64_t end) { add(f, DOCUMENT_JSON, f->start, end, f->start_line); }

/* Cut off before `end`. The whole elements of a container can still be had; of anything else nothing can. */
static void add_truncated(struct framer *f, uint64_t end)
{
    end = trimmed(f, f->start, end);
    struct view seen = {view_at(&f->view, f->start), f->start, end, true};
    if (container_detect(&seen, f->start, NO_LIMIT)) add_json(f, end);
    else add(f, DOCUMENT_REFUSED, f->start, end, f->start_line)->refusal = REFUSAL_TRUNCATED;
}

static enum step enter_long(struct framer *f)
{
    if (!container_detect(&f->view, f->start, f->options.max_document)) return enter(f, in_long_document);
    container_init(&f->container, f->start, f->options.max_document, true);
    return enter(f, in_container);
}

static bool begins_single_quoted(struct slice text)
{
    size_t i = 0;
    while (i < text.len && (json_space(text.data[i]) || text.data[i] == '{' || text.data[i] == '[')) i++;
    return i < text.len && text.data[i] == '\'';
}

/* The first line ends at `end` with brackets open. True when the document ends there all the same: brackets do not fit,
 * or double quotes inside single-quoted strings have misled the count. */
static bool ends_with_line(const struct framer *f, uint64_t end)
{
    struct slice line = view_slice(&f->view, f->start, trimmed(f, f->start, end));
    char last = line.data[line.len - 1];
    if (begins_single_quoted(line)) return last == '}' || last == ']';
    return !brackets_agree(line);
}

/* Follows the document to the end of its first line. EXTENT_MORE: it goes on. */
static enum extent_status follow_first_line(struct framer *f, uint64_t limit, bool *line_passed)
{
    uint64_t end = line_end(&f->extent.line, &f->view, f->extent.at);
    struct view line = f->view;
    line.to = end;
    *line_passed = end < f->view.to || f->view.final;
    return extent_value(&f->extent, &line, limit);
}

static enum step in_document(struct framer *f)
{
    uint64_t limit = limit_after(f->start, f->options.max_document);
    enum extent_status status;
    if (f->first_line) {
        bool line_passed;
        status = follow_first_line(f, limit, &line_passed);
        if (status == EXTENT_MORE && line_passed) {
            f->first_line = false;
            if (ends_with_line(f, f->extent.at)) return enter(f, garbage);
            return STEP_ON;
        }
    } else {
        status = extent_value(&f->extent, &f->view, limit);
    }
    switch (status) {
    case EXTENT_FOUND: f->end = f->extent.at; return enter(f, after_document);
    case EXTENT_LIMIT: return enter_long(f);
    case EXTENT_TORN: break;
    case EXTENT_MORE: if (!f->view.final) return STEP_MORE;
    }
    add_truncated(f, f->extent.at);
    return enter_line(f, f->extent.at);
}

/* The document ends at `end`; extent.at goes over the white space after it. */
static enum step after_document(struct framer *f)
{
    struct view *v = &f->view;
    uint64_t end = f->end, last = limit_after(f->start, f->options.max_document + TRAIL_BYTES);
    uint64_t at = f->extent.at;
    while (at < v->to && at < last && *view_at(v, at) != '\n' && json_space(*view_at(v, at))) at++;
    f->extent.at = at;
    if (at == last || (at == v->to && v->final)) {
        add_json(f, end);
        return enter_same_line(f, at);
    }
    if (at == v->to) return STEP_MORE;
    if (*view_at(v, at) == '\n') {
        add_json(f, end);
        if (f->first_line && f->counted == f->start) {
            f->counted = at + 1;
            f->line++;
        }
        return enter_line(f, at + 1);
    }
    switch (json_begin(v, at)) {
    case BEGIN_MORE: return STEP_MORE;
    case BEGIN_TEXT: return enter(f, garbage);
    case BEGIN_JSON: break;
    }
    add_json(f, end);
    return enter_document(f, at);
}

/* The document is spoilt by what else is on its last line: that belongs to it, so that the strict parse refuses all. */
static enum step garbage(struct framer *f)
{
    uint64_t max = f->options.max_document, last = limit_after(f->start, max + TRAIL_BYTES);
    uint64_t end = line_end(&f->extent.line, &f->view, f->extent.at);
    if (end == f->view.to && !f->view.final && end <= last) return STEP_MORE;
    uint64_t to = end <= last ? trimmed(f, f->start, end) : end;
    if (to - f->start > max) refuse_unseen(f, REFUSAL_LENGTH, f->start, f->start_line);
    else add_json(f, to);
    return enter_rest_of_line(f, f->start, f->start_line);
}

/* --- Documents that are not held -------------------------------------------------------------------------------------- */

static enum step in_long_document(struct framer *f)
{
    switch (extent_value(&f->extent, &f->view, NO_LIMIT)) {
    case EXTENT_FOUND:
        refuse_unseen(f, REFUSAL_LENGTH, f->start, f->start_line);
        return enter_same_line(f, f->extent.at);
    case EXTENT_MORE:
        if (!f->view.final) return STEP_MORE;
        f->extent.at = f->view.to;
        break;
    default: break;
    }
    refuse_unseen(f, REFUSAL_TRUNCATED, f->start, f->start_line);
    return enter_line(f, f->extent.at);
}

static void add_glue(struct framer *f, uint64_t start, uint64_t end)
{
    struct document *d = add(f, DOCUMENT_GLUE, start, end, line_of(f, start));
    d->opens = f->container.opens;
    d->element = f->container.in_array;
}

/* Between members stands a comma only when there is one on either side. It is written over the byte before the
 * member, which is the comma in the input or white space after it. */
static void add_member_comma(struct framer *f)
{
    struct container *c = &f->container;
    bool *written = &c->written[c->levels - 1 - c->opens];
    if (*written) {
        uint64_t line = line_of(f, c->start - 1);
        line_of(f, c->start);   /* before a line feed is written over */
        f->batch->data[f->base + (c->start - 1 - f->view.from)] = ',';
        add(f, DOCUMENT_GLUE, c->start - 1, c->start, line);
    }
    *written = true;
}

static enum step leave_container(struct framer *f)
{
    struct container *c = &f->container;
    if (c->passing) refuse_unseen(f, REFUSAL_TRUNCATED, f->skipped, f->skipped_line);
    else refuse(f, REFUSAL_TRUNCATED, c->start, c->end);
    enter_line(f, container_at(c));
    return f->options.keep_container && c->levels > 0 ? STEP_CLOSE : STEP_ON;
}

static void take_glue(struct framer *f)
{
    struct container *c = &f->container;
    if (!f->options.keep_container) return;
    bool key = c->opens && *view_at(&f->view, c->start) != '[';
    if (key) add_member_comma(f);
    add_glue(f, c->start, c->end);
}

static void take_member(struct framer *f)
{
    struct container *c = &f->container;
    if (!f->options.keep_container) return;
    add_member_comma(f);
    add(f, DOCUMENT_MEMBER, c->start, c->end, line_of(f, c->start));
}

/* The end of the line belongs to the frame of a container. */
static enum step after_container(struct framer *f)
{
    uint64_t at = f->start, last = limit_after(at, TRAIL_BYTES);
    while (at < f->view.to && at < last && *view_at(&f->view, at) != '\n' && json_space(*view_at(&f->view, at))) at++;
    if (at == f->view.to && at < last && !f->view.final) return STEP_MORE;
    if (at == f->view.to || at == last || *view_at(&f->view, at) != '\n') return enter(f, between);
    add(f, DOCUMENT_GLUE, f->start, at + 1, line_of(f, f->start));
    return enter_line(f, at + 1);
}

static enum step in_container(struct framer *f)
{
    struct container *c = &f->container;
    enum container_event event = container_next(c, &f->view);
    switch (event) {
    case CONTAINER_MORE: return STEP_MORE;
    case CONTAINER_END:
        enter_same_line(f, container_at(c));
        return enter(f, f->options.keep_container ? after_container : between);
    case CONTAINER_CUT: return leave_container(f);
    case CONTAINER_GLUE: take_glue(f); break;
    case CONTAINER_MEMBER: take_member(f); break;
    case CONTAINER_STRAY: refuse(f, REFUSAL_SYNTAX, c->start, c->end); break;
    case CONTAINER_ELEMENT: add(f, DOCUMENT_JSON, c->start, c->end, line_of(f, c->start))->element = true; break;
    case CONTAINER_LONG:
        f->skipped = c->start;
        f->skipped_line = line_of(f, c->start);
        break;
    case CONTAINER_PASSED:
        if (c->in_array || f->options.keep_container)
            refuse_unseen(f, REFUSAL_LENGTH, f->skipped, f->skipped_line);
        break;
    }
    return STEP_ON;
}

/* --- Filling ---------------------------------------------------------------------------------------------------------- */

static uint64_t hold(const struct framer *f)
{
    if (f->step == in_container) return container_hold(&f->container);
    bool holds = f->step == in_document || f->step == after_document || f->step == garbage || f->step == text_line
        || f->step == after_container || (f->step == between && f->line_begun);
    return holds ? f->start : f->extent.at;
}

static enum step run(struct framer *f)
{
    enum step step;
    do step = f->step(f);
    while (step == STEP_ON);
    return step;
}

static bool wants_more(const struct framer *f, uint64_t taken, size_t room)
{
    if (f->ended || f->later || room == 0) return false;
    return taken < FILL_BYTES || (f->batch->count == 0 && hold(f) < f->view.to);
}

static void read_more(struct framer *f, uint64_t taken, size_t room)
{
    char *to = f->batch->data + f->base + (f->view.to - f->view.from);
    size_t wanted = taken < FILL_BYTES ? FILL_BYTES - (size_t)taken : FILL_BYTES;
    ptrdiff_t n = f->source.read(f->source.context, to, wanted < room ? wanted : room, &f->error);
    CHECK(n <= (ptrdiff_t)room);
    f->later = n == BYTES_LATER;
    f->failed = f->failed || n == BYTES_FAILED;
    f->view.final = f->ended = n <= 0 && !f->later;
    if (n > 0) f->view.to += (uint64_t)n;
}

#define CARRY_STEP ((size_t)4096)
#define CARRY_IDLE ((size_t)65536)   /* room beyond need that is not worth giving back */

/* Room for so many bytes and little more, since one framer may stand for each of thousands of files. */
static bool carry_reserve(struct framer *f, size_t len)
{
    if (len <= f->carry_capacity && f->carry_capacity <= 4 * len + CARRY_IDLE) return true;
    size_t capacity = (len / CARRY_STEP + 1) * CARRY_STEP;
    char *moved = realloc(f->carry, capacity);
    if (moved == NULL) return len <= f->carry_capacity;
    f->carry = moved;
    f->carry_capacity = capacity;
    return true;
}

/* Copies what is held to the carry and leaves the rest to the batch. */
static bool carry_over(struct framer *f, uint64_t from)
{
    line_of(f, from);
    f->batch->used = f->base + (size_t)(from - f->view.from);
    f->carry_len = (size_t)(f->view.to - from);
    if (f->carry_len == 0) return true;
    if (carry_reserve(f, f->carry_len)) {
        memcpy(f->carry, view_at(&f->view, from), f->carry_len);
        return true;
    }
    f->carry_len = 0;
    refuse_unseen(f, REFUSAL_MEMORY, from, f->line);
    f->failed = f->ended = true;
    return error_set(&f->error, ERROR_MEMORY, "no memory to carry documents over");
}

/* Closes a container that was cut off, so that what is written stays JSON. The brackets are not in the input. */
static void add_closers(struct framer *f)
{
    struct container *c = &f->container;
    size_t start = f->batch->used;
    for (unsigned level = c->levels; level-- > 0;)
        f->batch->data[f->batch->used++] = c->open[level] == '[' ? ']' : '}';
    f->batch->data[f->batch->used++] = '\n';
    uint64_t at = f->view.from + (start - f->base);
    add(f, DOCUMENT_GLUE, at, f->view.from + (f->batch->used - f->base), f->line);
}

enum fill framer_fill(struct framer *f, struct batch *b, struct error *error)
{
    CHECK(b->capacity - b->used >= FRAMER_ROOM(f->options.max_document));
    size_t capacity = b->capacity - b->used - CLOSER_ROOM;
    CHECK(f->carry_len <= capacity);
    f->batch = b;
    f->base = b->used;
    f->later = false;
    char *data = b->data + f->base;
    if (f->carry_len > 0) memcpy(data, f->carry, f->carry_len);
    f->view = (struct view){data, f->view.to - f->carry_len, f->view.to, f->ended};

    uint64_t taken = f->view.to;
    size_t   count = b->count;
    enum step step;
    while ((step = run(f)) == STEP_MORE) {
        size_t room = capacity - (size_t)(f->view.to - f->view.from);
        if (!wants_more(f, f->view.to - taken, room)) break;
        read_more(f, f->view.to - taken, room);
    }
    uint64_t held = step == STEP_CLOSE ? f->extent.at : hold(f);
    CHECK(step != STEP_MORE || b->count > count || held > f->view.from || f->view.to - held < capacity);
    if (!carry_over(f, held)) step = STEP_END;
    if (step == STEP_CLOSE) add_closers(f);
    if (step != STEP_END) return f->later ? FILL_LATER : FILL_SOME;
    if (!f->failed) return FILL_END;
    *error = f->error;
    return FILL_FAILED;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

struct framer *framer_new(const struct framer_options *options)
{
    CHECK(options->max_document > 0 && options->max_document <= MAX_DOCUMENT);
    struct framer *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    f->options = *options;
    framer_reset(f, (struct byte_source){0});
    return f;
}

void framer_free(struct framer *f)
{
    if (f == NULL) return;
    free(f->carry);
    free(f);
}

void framer_reset(struct framer *f, struct byte_source source)
{
    framer_resume(f, source, (struct framer_place){.line = 1});
}

void framer_resume(struct framer *f, struct byte_source source, struct framer_place place)
{
    *f = (struct framer){.options = f->options, .source = source, .carry = f->carry, .carry_capacity = f->carry_capacity,
                         .view = {.from = place.offset, .to = place.offset}, .counted = place.offset, .line = place.line};
    extent_init(&f->extent, place.offset, f->options.max_document, true);
    enter_line(f, place.offset);
}

struct framer_place framer_place(const struct framer *f)
{
    if (f->key_lines > 0) return f->key;
    if (f->step == rest_of_line || (f->step == between && (f->blank_cut || !f->line_begun))) return f->rest;
    if (f->step == in_container || f->step == in_long_document) return (struct framer_place){f->start, f->start_line};
    return (struct framer_place){hold(f), f->line};
}

uint64_t framer_offset(const struct framer *f) { return f->view.to; }

uint64_t framer_line(const struct framer *f) { return f->line; }
