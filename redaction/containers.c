/* Documents that keep their container: the records of a document and what stands around them become one piece of output,
 * in which the records that were refused are missing, commas and all. */
#include "redaction/engine.h"

/* Whether b is the next element of the array in which a is: only a comma and white space stand between them. */
static bool is_neighbour(const struct tape *t, uint32_t a, uint32_t b)
{
    size_t commas = 0;
    for (uint32_t i = t->nodes[a].end; i < t->nodes[b].start; i++) {
        char c = t->text.data[i];
        if (c == ',') commas++;
        else if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return false;
    }
    return commas == 1;
}

static void cut(struct redactor *r, uint32_t job, uint32_t start, uint32_t end)
{
    struct span_item *item = arena_take(&r->arena, sizeof *item);
    if (item == NULL) {
        job_refuse(r, job, REFUSAL_MEMORY);
        return;
    }
    *item = (struct span_item){.next = r->jobs[job].spans, .start = start, .end = end, .rule = NO_RULE, .action = ACTION_DROP,
                               .whole_node = true, .replacement = SLICE("")};
    r->jobs[job].spans = item;
}

/* Cuts out refused job `i` of the records jobs[first..end), with the comma that would be left over. */
static void cut_record(struct redactor *r, uint32_t around, uint32_t first, uint32_t end, uint32_t i)
{
    const struct tape *t = r->jobs[around].source.tape;
    uint32_t node = r->jobs[i].source.node, survivor = i;
    if (i + 1 < end && is_neighbour(t, node, r->jobs[i + 1].source.node)) {
        cut(r, around, t->nodes[node].start, t->nodes[r->jobs[i + 1].source.node].start);
        return;
    }
    while (survivor > first && is_neighbour(t, r->jobs[survivor - 1].source.node, r->jobs[survivor].source.node)) {
        survivor--;
        if (r->jobs[survivor].refusal == REFUSAL_NONE) {
            cut(r, around, t->nodes[r->jobs[survivor].source.node].end, t->nodes[node].end);
            return;
        }
    }
    cut(r, around, t->nodes[node].start, t->nodes[node].end);
}

/* In their order: of two equal ones it says which names the rule. */
static void append_spans(struct job *to, struct job *from)
{
    struct span_item *last = from->spans;
    from->redacted = last != NULL;
    if (last == NULL) return;
    while (last->next != NULL) last = last->next;
    last->next = to->spans;
    to->spans = from->spans;
}

/* A container that was split, since not all of it parses: its records, in a container of the same sort. It may be an element
 * itself. */
static void finish_split(struct redactor *r, uint32_t first, uint32_t end)
{
    bool wrapper = r->jobs[first].wrapper, element = r->jobs[first].element;
    *add_record(r) = (struct clean_record){.piece = PIECE_GLUE, .text = wrapper ? SLICE("{\"records\":[") : SLICE("["),
                                           .opens = true, .element = element};
    for (uint32_t i = first; i < end; i++) {
        r->jobs[i].element = true;
        finish_record(r, i);
    }
    struct slice close = wrapper ? SLICE("]}\n") : SLICE("]\n");
    if (element) close.len--;
    *add_record(r) = (struct clean_record){.piece = PIECE_GLUE, .text = close};
}

uint32_t finish_container(struct redactor *r, uint32_t first)
{
    const struct opened_document *o = r->jobs[first].document;
    uint32_t end = first;
    while (end < r->job_count && r->jobs[end].document == o && !r->jobs[end].around) end++;
    bool whole = end < r->job_count && r->jobs[end].document == o;
    if (!whole) {
        finish_split(r, first, end);
        return end;
    }
    struct job *around = &r->jobs[end];
    for (uint32_t i = first; i < end; i++) {
        if (r->jobs[i].refusal != REFUSAL_NONE) cut_record(r, end, first, end, i);
        else append_spans(around, &r->jobs[i]);
    }
    const struct span *spans = NULL;
    const struct detail *details = NULL;
    size_t count = around->refusal == REFUSAL_NONE ? spans_finish(r, end, &spans, &details) : 0;
    if (around->refusal == REFUSAL_NONE) {
        *add_record(r) = (struct clean_record){.piece = PIECE_RECORD, .tape = o->tape, .text = o->tape->text, .spans = spans,
                                               .span_count = count, .details = details, .policy = r->plan->policy.name,
                                               .offset = around->source.offset, .line = around->source.line,
                                               .element = around->element};
    } else if (first == end) {   /* no record to be withheld: the container itself */
        count_record(r, around, 0);
        withhold(r, around);
    }
    for (uint32_t i = first; i < end; i++) {
        if (around->refusal != REFUSAL_NONE) job_refuse(r, i, around->refusal);
        count_record(r, &r->jobs[i], r->jobs[i].redacted);
        if (r->jobs[i].refusal != REFUSAL_NONE) withhold(r, &r->jobs[i]);
    }
    return end + 1;
}
