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

enum step framing_text_line(struct framer *f)
{
    uint64_t start = f->start, max = f->options.max_document, end = line_end(&f->extent.line, &f->view, start);
    bool found = end < f->view.to;
    if (!found && !f->view.final && end - start <= max + 1) return STEP_MORE;
    if ((found || f->view.final) && *view_at(&f->view, end - 1) == '\r') end--;
    if (end - start > max) {
        bool binary = framing_holds_nul(f, start, start + max);
        framing_refuse(f, binary ? REFUSAL_BINARY : REFUSAL_LENGTH, start, start);
        return framing_enter_rest_of_line(f, start, f->line);
    }
    if (!found && f->failed) framing_refuse(f, REFUSAL_TRUNCATED, start, end);
    else if (framing_holds_nul(f, start, end)) framing_refuse(f, REFUSAL_BINARY, start, end);
    else framing_add(f, DOCUMENT_TEXT, start, end, framing_line_of(f, start))->key_block = in_key_block(f, view_slice(&f->view, start, end));
    return framing_enter_rest_of_line(f, start, f->line);
}
