/* The framer: what lies between documents, JSON documents, containers that are streamed. */
#include "parser/framing_priv.h"

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

uint64_t framing_line_of(struct framer *f, uint64_t at)
{
    CHECK_SLOW(at >= f->counted);
    f->line += count_line_feeds(view_slice(&f->view, f->counted, at));
    f->counted = at;
    return f->line;
}

/* --- Documents -------------------------------------------------------------------------------------------------------- */

struct document *framing_add(struct framer *f, enum document_form form, uint64_t start, uint64_t end, uint64_t line)
{
    struct document *d = batch_add(f->batch);
    if (d == NULL) {
        if (!f->failed) error_set(&f->error, ERROR_MEMORY, "no memory for a batch of documents");
        f->failed = f->ended = true;
        f->view.final = true;
        return &f->lost;
    }
    if (form != DOCUMENT_TEXT && f->key_lines > 0) f->key_lines--;   /* text counts its own lines */
    d->form = form;
    d->start = start == end ? 0 : (uint32_t)(f->base + (start - f->view.from));
    d->len = (uint32_t)(end - start);
    d->offset = start;
    d->line = line;
    return d;
}

void framing_refuse_unseen(struct framer *f, enum refusal refusal, uint64_t offset, uint64_t line)
{
    framing_add(f, DOCUMENT_REFUSED, offset, offset, line)->refusal = refusal;
}

void framing_refuse(struct framer *f, enum refusal refusal, uint64_t start, uint64_t end)
{
    framing_add(f, DOCUMENT_REFUSED, start, end, framing_line_of(f, start))->refusal = refusal;
}

enum step framing_enter_rest_of_line(struct framer *f, uint64_t start, uint64_t line)
{
    f->rest = (struct framer_place){start, line};
    return framing_enter(f, framing_rest_of_line);
}

enum step framing_enter_line(struct framer *f, uint64_t at)
{
    f->extent.at = f->start = at;
    f->line_begun = true;
    f->blank_cut = false;
    return framing_enter(f, framing_between);
}

/* The next document may follow on the same line. */
static enum step enter_same_line(struct framer *f, uint64_t at)
{
    f->rest = (struct framer_place){f->start, f->start_line};
    f->extent.at = f->start = at;
    f->line_begun = false;
    return framing_enter(f, framing_between);
}

static enum step enter_document(struct framer *f, uint64_t at)
{
    extent_restart(&f->extent, at);
    f->start = at;
    f->start_line = framing_line_of(f, at);
    f->first_line = true;
    return framing_enter(f, framing_in_document);
}

static uint64_t trimmed(const struct framer *f, uint64_t start, uint64_t end)
{
    while (end > start && json_space(*view_at(&f->view, end - 1))) end--;
    return end;
}

bool framing_holds_nul(const struct framer *f, uint64_t start, uint64_t end)
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
    framing_enter_line(f, at + 3);
    return true;
}

static enum step enter_text_line(struct framer *f)
{
    if (f->line_begun && !f->blank_cut) return framing_enter(f, framing_text_line);
    framing_refuse(f, f->line_begun ? REFUSAL_LENGTH : REFUSAL_SYNTAX, f->extent.at, f->extent.at);
    return framing_enter(f, framing_rest_of_line);   /* `rest` is set; seen from here, this would be a line of text */
}

static void pass_blanks(struct framer *f)
{
    while (f->extent.at < f->view.to) {
        uint64_t at = f->extent.at;
        char c = *view_at(&f->view, at);
        if (!json_space(c)) break;
        if (c == '\n') {
            framing_enter_line(f, at + 1);
            continue;
        }
        f->extent.at++;
        if (f->extent.at - f->start <= f->options.max_document) continue;
        if (!f->blank_cut && f->line_begun) f->rest = (struct framer_place){f->start, framing_line_of(f, f->start)};
        f->blank_cut = true;
        f->start = f->extent.at;
    }
}

enum step framing_between(struct framer *f)
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

/* --- Documents that are held ------------------------------------------------------------------------------------------ */

static void add_json(struct framer *f, uint64_t end) { framing_add(f, DOCUMENT_JSON, f->start, end, f->start_line); }

/* Cut off before `end`. The whole elements of a container can still be had; of anything else nothing can. */
static void add_truncated(struct framer *f, uint64_t end)
{
    end = trimmed(f, f->start, end);
    struct view seen = {view_at(&f->view, f->start), f->start, end, true};
    if (container_detect(&seen, f->start, NO_LIMIT)) add_json(f, end);
    else framing_add(f, DOCUMENT_REFUSED, f->start, end, f->start_line)->refusal = REFUSAL_TRUNCATED;
}

static enum step enter_long(struct framer *f)
{
    if (!container_detect(&f->view, f->start, f->options.max_document)) return framing_enter(f, framing_in_long_document);
    container_init(&f->container, f->start, f->options.max_document, true);
    return framing_enter(f, framing_in_container);
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

enum step framing_in_document(struct framer *f)
{
    uint64_t limit = limit_after(f->start, f->options.max_document);
    enum extent_status status;
    if (f->first_line) {
        bool line_passed;
        status = follow_first_line(f, limit, &line_passed);
        if (status == EXTENT_MORE && line_passed) {
            f->first_line = false;
            if (ends_with_line(f, f->extent.at)) return framing_enter(f, framing_garbage);
            return STEP_ON;
        }
    } else {
        status = extent_value(&f->extent, &f->view, limit);
    }
    switch (status) {
    case EXTENT_FOUND: f->end = f->extent.at; return framing_enter(f, framing_after_document);
    case EXTENT_LIMIT: return enter_long(f);
    case EXTENT_TORN: break;
    case EXTENT_MORE: if (!f->view.final) return STEP_MORE;
    }
    add_truncated(f, f->extent.at);
    return framing_enter_line(f, f->extent.at);
}

/* The document ends at `end`; extent.at goes over the white space after it. */
enum step framing_after_document(struct framer *f)
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
        return framing_enter_line(f, at + 1);
    }
    switch (json_begin(v, at)) {
    case BEGIN_MORE: return STEP_MORE;
    case BEGIN_TEXT: return framing_enter(f, framing_garbage);
    case BEGIN_JSON: break;
    }
    add_json(f, end);
    return enter_document(f, at);
}

/* What else is on the line belongs to it, so that the strict parse refuses all. */
enum step framing_garbage(struct framer *f)
{
    uint64_t max = f->options.max_document, last = limit_after(f->start, max + TRAIL_BYTES);
    uint64_t end = line_end(&f->extent.line, &f->view, f->extent.at);
    if (end == f->view.to && !f->view.final && end <= last) return STEP_MORE;
    uint64_t to = end <= last ? trimmed(f, f->start, end) : end;
    if (to - f->start > max) framing_refuse_unseen(f, REFUSAL_LENGTH, f->start, f->start_line);
    else add_json(f, to);
    return framing_enter_rest_of_line(f, f->start, f->start_line);
}

/* --- Documents that are not held -------------------------------------------------------------------------------------- */

enum step framing_in_long_document(struct framer *f)
{
    switch (extent_value(&f->extent, &f->view, NO_LIMIT)) {
    case EXTENT_FOUND:
        framing_refuse_unseen(f, REFUSAL_LENGTH, f->start, f->start_line);
        return enter_same_line(f, f->extent.at);
    case EXTENT_MORE:
        if (!f->view.final) return STEP_MORE;
        f->extent.at = f->view.to;
        break;
    default: break;
    }
    framing_refuse_unseen(f, REFUSAL_TRUNCATED, f->start, f->start_line);
    return framing_enter_line(f, f->extent.at);
}

static void add_glue(struct framer *f, uint64_t start, uint64_t end)
{
    struct document *d = framing_add(f, DOCUMENT_GLUE, start, end, framing_line_of(f, start));
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
        uint64_t line = framing_line_of(f, c->start - 1);
        framing_line_of(f, c->start);   /* before a line feed is written over */
        f->batch->data[f->base + (c->start - 1 - f->view.from)] = ',';
        framing_add(f, DOCUMENT_GLUE, c->start - 1, c->start, line);
    }
    *written = true;
}

static enum step leave_container(struct framer *f)
{
    struct container *c = &f->container;
    if (c->passing) framing_refuse_unseen(f, REFUSAL_TRUNCATED, f->skipped, f->skipped_line);
    else framing_refuse(f, REFUSAL_TRUNCATED, c->start, c->end);
    framing_enter_line(f, container_at(c));
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
    framing_add(f, DOCUMENT_MEMBER, c->start, c->end, framing_line_of(f, c->start));
}

/* The end of the line belongs to the frame of a container. */
enum step framing_after_container(struct framer *f)
{
    uint64_t at = f->start, last = limit_after(at, TRAIL_BYTES);
    while (at < f->view.to && at < last && *view_at(&f->view, at) != '\n' && json_space(*view_at(&f->view, at))) at++;
    if (at == f->view.to && at < last && !f->view.final) return STEP_MORE;
    if (at == f->view.to || at == last || *view_at(&f->view, at) != '\n') return framing_enter(f, framing_between);
    framing_add(f, DOCUMENT_GLUE, f->start, at + 1, framing_line_of(f, f->start));
    return framing_enter_line(f, at + 1);
}

enum step framing_in_container(struct framer *f)
{
    struct container *c = &f->container;
    enum container_event event = container_next(c, &f->view);
    switch (event) {
    case CONTAINER_MORE: return STEP_MORE;
    case CONTAINER_END:
        enter_same_line(f, container_at(c));
        return framing_enter(f, f->options.keep_container ? framing_after_container : framing_between);
    case CONTAINER_CUT: return leave_container(f);
    case CONTAINER_GLUE: take_glue(f); break;
    case CONTAINER_MEMBER: take_member(f); break;
    case CONTAINER_STRAY: framing_refuse(f, REFUSAL_SYNTAX, c->start, c->end); break;
    case CONTAINER_ELEMENT: framing_add(f, DOCUMENT_JSON, c->start, c->end, framing_line_of(f, c->start))->element = true; break;
    case CONTAINER_LONG:
        f->skipped = c->start;
        f->skipped_line = framing_line_of(f, c->start);
        break;
    case CONTAINER_PASSED:
        if (c->in_array || f->options.keep_container)
            framing_refuse_unseen(f, REFUSAL_LENGTH, f->skipped, f->skipped_line);
        break;
    }
    return STEP_ON;
}
