#include "explanation.h"

#include "clean_order.h"
#include "text.h"

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define ALARM "\033[1;31m"
#define REPLACED "\033[1;30;42m"   /* black on green: seen on light and on dark terminals */
#define PLAIN "\033[0m"

static void colour(struct text *t, const struct explanation *e, const char *code)
{
    if (e->colour) text_add(t, slice_from(code));
}

static void add_heading(struct text *t, const struct explanation *e, const char *code, const struct input *input, uint64_t line)
{
    colour(t, e, code);
    text_add_shown(t, slice_from(input_name(input)));
    text_format(t, ":%llu", (unsigned long long)line);
    colour(t, e, PLAIN);
}

/* --- Findings --------------------------------------------------------------------------------------------------------------- */

/* The encodings that a path passes, outermost first: "a!.b~percent" -> "json, percent". Names in quotes are no part of it. */
static void add_chain(struct text *t, const struct explanation *e, struct slice path)
{
    bool quoted = false, any = false;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        if (c == '\'') quoted = !quoted;
        if (quoted || (c != '!' && c != '~')) continue;
        if (!any) colour(t, e, DIM);
        text_add(t, any ? SLICE(", ") : SLICE(" (inside "));
        any = true;
        if (c == '!') {
            text_add(t, SLICE("json"));
            continue;
        }
        size_t end = i + 1;
        while (end < path.len && (ascii_is_alnum(path.data[end]) || path.data[end] == '-')) end++;
        text_add_shown(t, slice_sub(path, i + 1, end));
    }
    if (!any) return;
    text_add(t, SLICE(")"));
    colour(t, e, PLAIN);
}

static void add_finding(struct text *t, const struct explanation *e, const struct detail *d)
{
    struct rule_info rule = plan_rule(e->plan, d->rule);
    text_add(t, SLICE("  "));
    text_add_shown(t, d->path.len > 0 ? d->path : SLICE("(record)"));
    add_chain(t, e, d->path);
    text_format(t, ": %s, %s; %s -> ", rule.id, rule.title, rule.action);
    colour(t, e, REPLACED);
    text_add_shown(t, d->becomes.len > 0 ? d->becomes : SLICE("(nothing)"));
    colour(t, e, PLAIN);
    text_add(t, SLICE("\n"));
}

/* --- The record as it would come out ---------------------------------------------------------------------------------------- */

/* Line breaks stand between tokens: the record becomes one line, as the encoder writes it. */
static void add_one_line(struct text *t, struct slice text)
{
    static const char breaks[] = "\r\n", spaces[] = " \t\r\n";
    for (size_t at = 0; at < text.len;) {
        size_t from = at;
        while (at < text.len && memchr(breaks, text.data[at], 2) == NULL) at++;
        text_add_shown(t, slice_sub(text, from, at));
        if (at == text.len) return;
        while (at < text.len && memchr(spaces, text.data[at], 4) != NULL) at++;
    }
}

static void add_record(struct text *t, const struct explanation *e, const struct clean_record *r)
{
    size_t at = 0;
    text_add(t, SLICE("  "));
    for (size_t i = 0; i < r->span_count; i++) {
        add_one_line(t, slice_sub(r->text, at, r->spans[i].start));
        colour(t, e, REPLACED);
        text_add_shown(t, r->spans[i].replacement);
        colour(t, e, PLAIN);
        at = r->spans[i].end;
    }
    add_one_line(t, slice_sub(r->text, at, r->text.len));
    text_add(t, SLICE("\n\n"));
}

static void explain_record(struct text *t, const struct explanation *e, const struct input *input, const struct clean_record *r)
{
    if (r->span_count == 0 && e->only_changed) return;
    add_heading(t, e, BOLD, input, r->line);
    text_format(t, "  %s, ", kind_text(r->kind.kind));
    if (r->span_count == 0) text_add(t, SLICE("nothing found\n"));
    else text_format(t, "%zu finding%s\n", r->span_count, r->span_count == 1 ? "" : "s");
    for (size_t i = 0; i < r->span_count; i++) add_finding(t, e, &r->details[i]);
    add_record(t, e, r);
}

static void explain_withheld(struct text *t, const struct explanation *e, const struct input *input,
                             const struct withheld_record *r)
{
    add_heading(t, e, ALARM, input, r->line);
    text_format(t, "  withheld: %s: the record %s (byte %llu)\n\n", refusal_text(r->refusal), refusal_explanation(r->refusal),
                (unsigned long long)(r->fault_at > r->offset ? r->fault_at : r->offset));
}

/* --- Writer ----------------------------------------------------------------------------------------------------------- */

static void *writer_open(void *context) { return context; }

static void writer_close(void *writer) { (void)writer; }

static bool writer_write(void *writer, const struct input *input, const struct clean_batch *batch, struct encoded *out)
{
    const struct explanation *e = writer;
    struct text               t = {.out = out};
    struct clean_cursor       cursor = {0};
    while (clean_next(&cursor, batch)) {
        if (cursor.record != NULL) explain_record(&t, e, input, cursor.record);
        else explain_withheld(&t, e, input, cursor.withheld);
    }
    return !t.failed;
}

struct batch_writer explanation_writer(struct explanation *e)
{
    return (struct batch_writer){.context = e, .open = writer_open, .write = writer_write, .close = writer_close};
}
