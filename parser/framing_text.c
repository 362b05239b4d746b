/* The framer: lines of text. */
#include "parser/framing_priv.h"

enum step framing_rest_of_line(struct framer *f)
{
    uint64_t end = line_end(&f->extent.line, &f->view, f->extent.at);
    bool found = end < f->view.to;
    f->extent.at = f->start = end;
    if (found) return framing_enter_line(f, end + 1);
    return f->view.final ? framing_enter_line(f, end) : STEP_MORE;
}

#define KEY_LINES 200   /* longest private key in PEM, in lines */

/* A private key that is logged line by line: its lines say nothing on their own, so they are marked here, where lines are
 * met in order. `number`: of the line on which the record begins that this line is part of. */
static bool in_key_block(struct framer *f, struct slice line, uint64_t number)
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
    f->key = (struct framer_place){f->start, number};
    return false;
}

/* Where a line ends without its carriage return. */
static uint64_t without_return(const struct framer *f, uint64_t start, uint64_t end)
{
    return end > start && *view_at(&f->view, end - 1) == '\r' ? end - 1 : end;
}

/* The record ends where it is; the line at extent.at is another's. */
static enum step end_lines(struct framer *f)
{
    framing_add(f, DOCUMENT_TEXT, f->start, f->end, f->start_line);
    return framing_enter_line(f, f->extent.at);
}

/* A byte order mark: files were put together, and a new one begins. */
static bool begins_with_mark(const struct view *line, uint64_t at)
{
    return line->to - at >= 3 && memcmp(view_at(line, at), "\xEF\xBB\xBF", 3) == 0;
}

/* Whether the line [at, end), which is not blank, belongs to the record. */
static bool belongs(struct framer *f, uint64_t at, uint64_t end)
{
    uint64_t first = at;
    while (json_space(*view_at(&f->view, first))) first++;
    struct view line = {view_at(&f->view, at), at, end, true};
    if (json_begin(&line, first) != BEGIN_TEXT || begins_with_mark(&line, at) || framing_holds_nul(f, at, end)) return false;
    return f->text_lines < MULTILINE_LINES && continuation_take(&f->text, f->options.multiline, view_slice(&f->view, at, end));
}

/* Blank lines are the record's only if one follows that is. */
enum step framing_more_lines(struct framer *f)
{
    uint64_t at = f->extent.at, max = f->options.max_document, end = line_end(&f->extent.line, &f->view, at);
    bool     found = end < f->view.to, last = f->view.final && !f->failed;
    if (end - f->start > max + 1) return end_lines(f);
    if (!found && !last) return f->failed || (f->later && f->end_text) ? end_lines(f) : STEP_MORE;
    uint64_t to = without_return(f, at, end), blank = at;
    while (blank < to && json_space(*view_at(&f->view, blank))) blank++;
    if (blank < to) {
        if (to - f->start > max || !belongs(f, at, to)) return end_lines(f);
        f->end = to;
        f->text_lines++;
    }
    f->extent.at = found ? end + 1 : end;
    if (blank < to) in_key_block(f, view_slice(&f->view, at, to), f->start_line);
    return f->key_lines > 0 || !found ? end_lines(f) : STEP_ON;
}

static enum step add_text(struct framer *f, uint64_t end, bool found)
{
    uint64_t     start = f->start, line = framing_line_of(f, start);
    struct slice text = view_slice(&f->view, start, end);
    bool         key_block = in_key_block(f, text, line);
    if (f->options.multiline == MULTILINE_OFF || key_block || f->key_lines > 0 || !found) {
        framing_add(f, DOCUMENT_TEXT, start, end, line)->key_block = key_block;
        return framing_enter_rest_of_line(f, start, line);
    }
    continuation_begin(&f->text, text);
    f->start_line = line;
    f->text_lines = 1;
    f->end = end;
    f->extent.at = line_end(&f->extent.line, &f->view, end) + 1;
    return framing_enter(f, framing_more_lines);
}

enum step framing_text_line(struct framer *f)
{
    uint64_t start = f->start, max = f->options.max_document, end = line_end(&f->extent.line, &f->view, start);
    bool found = end < f->view.to;
    if (!found && !f->view.final && end - start <= max + 1) return STEP_MORE;
    if (found || f->view.final) end = without_return(f, start, end);
    if (end - start > max) {
        bool binary = framing_holds_nul(f, start, start + max);
        framing_refuse(f, binary ? REFUSAL_BINARY : REFUSAL_LENGTH, start, start);
        return framing_enter_rest_of_line(f, start, f->line);
    }
    if (found || !f->failed) {
        if (!framing_holds_nul(f, start, end)) return add_text(f, end, found);
        framing_refuse(f, REFUSAL_BINARY, start, end);
    } else {
        framing_refuse(f, REFUSAL_TRUNCATED, start, end);
    }
    return framing_enter_rest_of_line(f, start, f->line);
}
