#include "parser/runs.h"
#include "redaction/engine.h"

#include <stdlib.h>

#define ARENA_BLOCK (256 * 1024)
#define ARENA_MAX (48 * 1024 * 1024)
#define RESERVED_RECORDS 1024   /* of a batch, for which there is room from the start: without memory they are withheld */

/* --- Life ------------------------------------------------------------------------------------------------------------------ */

/* All but the parser and the counters, which lanes have in common. */
static bool init(struct redactor *r, struct redactor *front, const struct plan *plan, const struct redactor_options *options)
{
    r->front = front;
    r->plan = plan;
    r->options = *options;
    arena_init(&r->arena, ARENA_BLOCK, ARENA_MAX);
    r->keys = key_cache_new(plan->names, plan_traits, plan);
    r->scratch = rules_scratch_new(plan->rules);
    r->pseudonymiser = pseudonymiser_new(plan->keyring);
    r->memo = memo_new();
    r->recent = calloc(KEY_CACHE_SLOTS + 1, sizeof *r->recent);
    r->rule_done = calloc(plan->rule_count, sizeof *r->rule_done);
    r->jobs = calloc(r->job_capacity = RESERVED_RECORDS, sizeof *r->jobs);
    return r->keys && r->scratch && r->pseudonymiser && r->memo && r->recent && r->rule_done && r->jobs;
}

/* The lists of what comes of records, which lanes have in common. */
static bool init_lists(struct redactor *r)
{
    r->records = calloc(r->record_capacity = RESERVED_RECORDS, sizeof *r->records);
    r->withheld = calloc(r->withheld_capacity = RESERVED_RECORDS, sizeof *r->withheld);
    r->raw = calloc(r->raw_capacity = RESERVED_RECORDS, sizeof *r->raw);
    return r->records && r->withheld && r->raw;
}

struct redactor *redactor_new(const struct plan *plan, const struct redactor_options *options, struct error *err)
{
    struct redactor *r = calloc(1, sizeof *r);
    if (r != NULL && parser_init(&r->parser, 2 * options->max_record + 64, options->max_depth) && init(r, r, plan, options) &&
        init_lists(r) && tally_init(&r->tally, plan))
        return r;
    error_set(err, ERROR_MEMORY, "no memory for a worker");
    redactor_free(r);
    return NULL;
}

/* Lanes borrow the parser of the front: it holds nothing from one call to the next. */
static bool add_lanes(struct redactor *front, const struct plan_set *set)
{
    front->set = set;
    front->lanes = calloc(set->count, sizeof(struct redactor *));
    front->choice = calloc(1, sizeof *front->choice);
    front->order = calloc(front->order_capacity = RESERVED_RECORDS, sizeof *front->order);
    if (front->lanes == NULL || front->choice == NULL || front->order == NULL) return false;
    plan_choice_source(front->choice, set, SLICE(""));
    front->lanes[front->lane_count++] = front;
    while (front->lane_count < set->count) {
        struct redactor *lane = calloc(1, sizeof *lane);
        if (lane == NULL) return false;
        front->lanes[front->lane_count] = lane;
        lane->lane = (uint32_t)front->lane_count;
        lane->parser = front->parser;
        if (!init(lane, front, set->plans[front->lane_count++], &front->options)) return false;
    }
    return true;
}

struct redactor *redactor_new_for_set(const struct plan_set *set, const struct redactor_options *options, struct error *err)
{
    CHECK(set->covers[0] != 0);   /* closed */
    CHECK(set->count == 1 || !options->keep_container);
    struct redactor *r = redactor_new(set->plans[0], options, err);
    if (r == NULL || set->count == 1 || add_lanes(r, set)) return r;
    error_set(err, ERROR_MEMORY, "no memory for a worker");
    redactor_free(r);
    return NULL;
}

void redactor_set_source(struct redactor *r, struct slice name)
{
    if (r->set != NULL) plan_choice_source(r->choice, r->set, name);
}

void redactor_free(struct redactor *r)
{
    if (r == NULL) return;
    for (size_t i = 1; i < r->lane_count; i++) redactor_free(r->lanes[i]);
    if (r->front == r || r->front == NULL) parser_release(&r->parser);
    key_cache_free(r->keys);
    rules_scratch_free(r->scratch);
    pseudonymiser_free(r->pseudonymiser);
    memo_free(r->memo);
    free(r->recent);
    tally_release(&r->tally);
    arena_release(&r->arena);
    free(r->rule_done);
    free(r->jobs);
    free(r->views);
    free(r->leaves);
    free(r->scan);
    free(r->records);
    free(r->withheld);
    free(r->raw);
    free(r->lanes);
    free(r->choice);
    free(r->order);
    free(r);
}

const struct tally *redactor_tally(const struct redactor *r) { return &r->tally; }

/* Makes room for `count` items in the list that a pointer points to. False: no memory; nothing is changed. */
static bool room_for(void *pointer_to_list, size_t count, size_t *capacity, size_t item_bytes)
{
    void *list, *grown;
    if (count <= *capacity) return true;
    size_t wanted = count + count / 2 + 64;
    memcpy(&list, pointer_to_list, sizeof list);   /* of any type */
    if ((grown = reallocarray(list, wanted, item_bytes)) == NULL) return false;
    memcpy(pointer_to_list, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

/* --- Open and walk --------------------------------------------------------------------------------------------------------- */

/* NULL: no memory. A record that cannot even be listed cannot be withheld, so the batch is not for now: redact_batch(). It
 * takes a batch of more records than RESERVED_RECORDS and than any before it. */
static struct job *add_job(struct redactor *r, const struct document *d, const struct record *source)
{
    struct redactor *front = r->front;
    front->unlisted = !room_for(&r->jobs, r->job_count + 1, &r->job_capacity, sizeof *r->jobs) ||
                      (front->lanes != NULL && !room_for(&front->order, front->order_count + 1, &front->order_capacity,
                                                         sizeof *front->order));
    if (front->unlisted) return NULL;
    struct job *j = &r->jobs[r->job_count++];
    *j = (struct job){.source = *source, .framed = d, .refusal = source->refusal, .view = (uint32_t)r->view_count,
                      .element = d->element, .piece = d->form == DOCUMENT_MEMBER ? PIECE_MEMBER : PIECE_RECORD,
                      .origin = d->origin};
    if (front->origin != d->origin) front->next_index = 0;
    front->origin = d->origin;
    j->index = front->next_index++;
    if (front->lanes != NULL) front->order[front->order_count++] = (struct place_in_lane){r->lane, (uint32_t)r->job_count - 1};
    return j;
}

#define CONTAINER_PIECES 2   /* what is added to the records of a container: how it begins and ends */

/* Makes room for whatever may come of the jobs, so that nothing is wanting once they are examined. */
static bool room_for_results(struct redactor *r)
{
    size_t jobs = r->job_count;
    for (size_t i = 1; i < r->lane_count; i++) jobs += r->lanes[i]->job_count;
    size_t records = r->options.keep_container ? (1 + CONTAINER_PIECES) * jobs : jobs;
    return room_for(&r->records, records, &r->record_capacity, sizeof *r->records) &&
           room_for(&r->withheld, jobs, &r->withheld_capacity, sizeof *r->withheld) &&
           room_for(&r->raw, jobs, &r->raw_capacity, sizeof *r->raw);
}

static void walk_record(struct redactor *r, uint32_t job)
{
    struct job *j = &r->jobs[job];
    const struct tape *t = j->source.tape;
    const struct node *n = &t->nodes[j->source.node];
    j->budget = BUDGET_FACTOR * (size_t)(n->end - n->start) + BUDGET_BASE;
    if (n->end - n->start > r->options.max_record + 16) {   /* 16: the text around a line that became {"message": ...} */
        j->refusal = REFUSAL_LENGTH;
        return;
    }
    j->kind = kind_recognise(t, j->source.node, r->keys);
    uint32_t view = view_add(r, (struct view){.text = t->text, .tape = t, .parent = NO_VIEW, .job = job});
    if (view != NO_VIEW) walk(r, view, j->source.node, &root_context);
}

static struct finding rule_finding(const struct redactor *r, uint32_t rule)
{
    struct rule_view v = rules_get(r->plan->rules, rule);
    return (struct finding){.rule = rule, .class_ = v.class_, .action = r->plan->policy.actions[v.class_]};
}

#define LEAST_KEY_WORD 4   /* what three bytes of a key give */

/* A line of a private key that was logged line by line: the base64 at its end, whatever the logger put before it. */
static void mask_key_line(struct redactor *r, uint32_t job)
{
    const struct job *j = &r->jobs[job];
    if (j->refusal != REFUSAL_NONE) return;
    uint32_t from, to, view = string_view(r, j->view, &j->source.tape->nodes[2], &from, &to);   /* {"message":"..."} */
    if (view == NO_VIEW) return;
    static const struct byte_class base64 = BYTE_CLASS_BASE64;
    struct slice text = r->views[view].text;
    CHECK(to > from);
    if (text.data[to - 1] == '-') return;   /* the frame */
    uint32_t word = to;
    while (word > from && (byte_class_has(&base64, text.data[word - 1]) || text.data[word - 1] == '=')) word--;
    if (to - word >= LEAST_KEY_WORD) replace_text(r, view, word, to, rule_finding(r, r->plan->key_rule));
}

/* The members of a container that are not its records, for keep_container. */
static void walk_around(struct redactor *r, const struct document *d, const struct opened_document *o)
{
    struct record whole = {.tape = o->tape, .offset = d->offset, .line = d->line};
    struct job *j = add_job(r, d, &whole);
    if (j == NULL) return;
    uint32_t job = (uint32_t)(j - r->jobs);
    j->around = true;
    j->budget = BUDGET_FACTOR * o->tape->text.len + BUDGET_BASE;
    j->document = o;
    if (!names_resolve(r->keys, o->tape)) {
        j->refusal = REFUSAL_KEYS;
        return;
    }
    uint32_t view = view_add(r, (struct view){.text = o->tape->text, .tape = o->tape, .parent = NO_VIEW, .job = job});
    if (view != NO_VIEW) walk_between(r, view, o->records, o->count);
}

/* Resolves the keys of one record: those of its container may be resolved for another lane. */
static bool resolve_record(struct redactor *lane, const struct record *record)
{
    const struct tape *t = record->tape;
    struct node *node = &t->nodes[record->node];
    return names_resolve(lane->keys, &(struct tape){.text = t->text, .nodes = node, .count = node->next - record->node});
}

/* The lane of a record, with its keys resolved for it if *resolved. */
static struct redactor *choose_lane(struct redactor *front, const struct record *record, bool *resolved)
{
    *resolved = record->refusal == REFUSAL_NONE && resolve_record(front, record);
    if (!*resolved) return front;
    struct redactor *lane = front->lanes[plan_choose(front->choice, front->set, record->tape, record->node, front->keys)];
    if (lane != front) *resolved = resolve_record(lane, record);
    return lane;
}

static void open_document(struct redactor *r, const struct batch *b, const struct document *d)
{
    struct opened_document *o = arena_take(&r->arena, sizeof *o);
    if (o == NULL) {
        (void)add_job(r, d, &(struct record){.refusal = REFUSAL_MEMORY, .offset = d->offset, .line = d->line,
                                             .fault_at = d->offset, .len = d->len});
        return;
    }
    document_open(&r->parser, b, d, &r->arena, o);
    r->tally.repaired[o->repair] += o->repair != REPAIR_NONE;
    const struct tape *resolved = NULL;
    bool names_known = false;
    for (size_t i = 0; i < o->count; i++) {
        struct redactor *lane = r->lanes == NULL ? r : choose_lane(r, &o->records[i], &names_known);
        struct job *j = add_job(lane, d, &o->records[i]);
        if (j == NULL) return;
        j->document = o;
        j->wrapper = d->len > 0 && b->data[d->start] == '{';
        if (j->refusal != REFUSAL_NONE) continue;
        if (r->lanes == NULL && j->source.tape != resolved) names_known = names_resolve(r->keys, resolved = j->source.tape);
        if (!names_known) j->refusal = REFUSAL_KEYS;
        else walk_record(lane, (uint32_t)(lane->job_count - 1));
        if (d->key_block && names_known) mask_key_line(lane, (uint32_t)(lane->job_count - 1));
    }
    if (r->options.keep_container && o->container && o->tape != NULL) walk_around(r, d, o);
}

static void add_glue(struct redactor *r, const struct batch *b, const struct document *d)
{
    struct job *j = add_job(r, d, &(struct record){.offset = d->offset, .line = d->line});
    if (j == NULL) return;
    j->piece = PIECE_GLUE;
    j->opens = d->opens;
    j->glue = slice_of(b->data + d->start, d->len);
}

/* --- Scan and read ---------------------------------------------------------------------------------------------------- */

static uint32_t leaf_end(const struct redactor *r, size_t leaf)
{
    return (leaf + 1 < r->leaf_count ? r->leaves[leaf + 1].at : (uint32_t)r->scan_len) - 1;
}

/* A finding of the catalogue at scan[from, to). */
static void found(struct redactor *r, size_t leaf, uint32_t rule, uint32_t from, uint32_t to)
{
    struct leaf *l = &r->leaves[leaf];
    l->dirty = true;
    replace_text(r, l->view, l->from + from - l->at, l->from + to - l->at, rule_finding(r, rule));
}

static void read_hit(struct redactor *r, size_t leaf, struct reading *t, struct rule_hit hit)
{
    struct leaf *l = &r->leaves[leaf];
    uint32_t from, to, end = hit.end - l->at, catalogue = (uint32_t)rules_count(r->plan->rules);
    if (hit.number >= catalogue) {
        uint32_t done = t->done, listed = t->variables_done;
        text_read_hit(r, t, r->plan->text_patterns[hit.number - catalogue], end);
        l->dirty |= t->done != done || t->variables_done != listed;
        return;
    }
    if (r->rule_done[hit.number].leaf == leaf + 1 && end <= r->rule_done[hit.number].to) return;
    if (!rule_span(r->plan->rules, hit.number, t->text, end, &from, &to)) return;
    r->rule_done[hit.number].leaf = (uint32_t)leaf + 1;
    r->rule_done[hit.number].to = to;
    found(r, leaf, hit.number, l->at + from, l->at + to);
}

static bool scan_texts(struct redactor *r)
{
    const struct rule_hit *hits;
    size_t count, leaf = 0;
    if (r->leaf_count == 0) return true;
    if (!rules_scan(r->plan->rules, r->scratch, slice_of(r->scan, r->scan_len), &hits, &count)) return false;
    struct reading t = {.view = NO_VIEW};
    for (size_t i = 0; i < count; i++) {
        while (hits[i].end > leaf_end(r, leaf)) {
            leaf++;
            CHECK(leaf < r->leaf_count);
            t.view = NO_VIEW;
        }
        struct leaf *l = &r->leaves[leaf];
        CHECK(hits[i].end > l->at);   /* no pattern takes a separator */
        if (t.view == NO_VIEW)
            t = (struct reading){.text = slice_of(r->scan + l->at, leaf_end(r, leaf) - l->at), .view = l->view, .from = l->from};
        read_hit(r, leaf, &t, hits[i]);
    }
    return true;
}

/* The leaf that holds scan[from, to). */
static size_t leaf_of(const struct redactor *r, uint32_t from, uint32_t to)
{
    size_t low = 0, high = r->leaf_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (r->leaves[middle].at <= from) low = middle;
        else high = middle;
    }
    CHECK(to <= leaf_end(r, low));
    return low;
}

/* Where the secret at `from` begins that a colon announces: behind a marker whose own colon that is, as of a user that was
 * removed (`nats://[redacted:a]:[redacted:b]@`). */
static uint32_t behind_marker(const struct redactor *r, struct slice text, uint32_t from)
{
    const uint32_t before = (uint32_t)strlen("[redacted:");
    if (from < before || text.data[from - before] != '[') return from;
    size_t marker = plan_marker_at_start(r->plan, slice_sub(text, from - before, text.len));
    if (marker == 0) return from;
    uint32_t end = from - before + (uint32_t)marker;
    return end + slice_begins_nocase(slice_sub(text, end, text.len), SLICE(":"));
}

/* Formats that no literal announces, found in the whole buffer at once: the separators are in none of their alphabets. */
static void find_without_literal(struct redactor *r)
{
    struct slice text = slice_of(r->scan, r->scan_len);
    struct rules_cursor cursor = {0};
    uint32_t rule, from, to;
    while (rules_next(r->plan->rules, text, &cursor, &rule, &from, &to)) {
        from = behind_marker(r, text, from);
        if (from < to) found(r, leaf_of(r, from, to), rule, from, to);
    }
}

#define DIGIT_RUN 11   /* shortest run of digits, blanks, dashes and plus signs that may be a card or personal number */

/* The next digit of text[at, end), or end. */
static uint32_t next_digit(struct slice text, size_t at, size_t end)
{
    while (at < end && !ascii_is_digit(text.data[at])) at++;
    return (uint32_t)at;
}

static void find_digits(struct redactor *r)
{
    static const struct byte_class digits = BYTE_CLASS_DIGITS;
    struct slice text = slice_of(r->scan, r->scan_len);
    for (size_t from = 0, to; run_next(&digits, text, DIGIT_RUN, &from, &to); from = to) {
        uint32_t rule, first, end;
        uint32_t at = next_digit(text, from, to);
        while (to - at >= DIGIT_RUN - 1 && rules_digits(r->plan->rules, text, at, &rule, &first, &end)) {
            found(r, leaf_of(r, first, end), rule, first, end);
            at = next_digit(text, end, to);
        }
    }
}

/* Texts and keys without a finding need not be looked at again. A key with an escape is, since its decoded text is where an
 * echo is found. */
static void remember_clean(struct redactor *r)
{
    for (size_t i = 0; i < r->leaf_count; i++) {
        const struct leaf *l = &r->leaves[i];
        if (l->dirty) continue;
        if (l->remember) memo_add(r->memo, memo_key(r->memo, slice_sub(slice_of(r->scan, r->scan_len), l->at, leaf_end(r, i))));
        if (l->recent_slot != 0) {
            struct recent_value *recent = &r->recent[l->recent_slot];
            recent->len = (uint8_t)(leaf_end(r, i) - l->at);
            memcpy(recent->text, r->scan + l->at, recent->len);
        }
        if (l->key_slot == 0) continue;
        struct key_entry *e = key_cache_get(r->keys, l->key_slot);
        e->examined = memchr(e->raw.data, '\\', e->raw.len) == NULL;
    }
}

static void work(struct redactor *r)
{
    if (scan_texts(r)) {
        if (r->leaf_count > 0) {
            find_without_literal(r);
            find_digits(r);
            remember_clean(r);
        }
    } else {
        r->starved = true;
        for (size_t i = 0; i < r->job_count; i++) job_refuse(r, (uint32_t)i, REFUSAL_MEMORY);
    }
    uint32_t all_views = (uint32_t)r->view_count;
    for (uint32_t i = 0; i < r->job_count; i++) {
        struct job *j = &r->jobs[i];
        if (j->needles == NULL || j->refusal != REFUSAL_NONE || j->around) continue;
        echo(r, i, j->view, i + 1 < r->job_count ? r->jobs[i + 1].view : all_views);
    }
}

/* --- Finish ----------------------------------------------------------------------------------------------------------- */

/* The bytes of a record in its document: of a string with its quotes. */
static void extent_of_node(const struct node *n, uint32_t *start, uint32_t *end)
{
    uint32_t quote = n->type == NODE_STRING;
    *start = n->start - quote;
    *end = n->end + quote;
}

/* The bytes of a record: a document as it was read; an element of a container as it was read or, where that had to be repaired,
 * as it was parsed. */
static struct slice raw_bytes(const struct redactor *r, const struct job *j)
{
    const struct document *d = j->framed;
    const struct record *source = &j->source;
    struct slice whole = slice_of(r->batch->data + d->start, d->len);
    if (source->refusal != REFUSAL_NONE) {
        size_t at = (size_t)(source->offset - d->offset);
        return slice_sub(whole, at, at + source->len);
    }
    if (!j->document->container) return whole;
    uint32_t start, end;
    extent_of_node(&source->tape->nodes[source->node], &start, &end);
    return slice_sub(source->tape->text, start, end);
}

void withhold(struct redactor *r, const struct job *j)
{
    r = r->front;
    size_t count = r->out.withheld_count + 1;
    CHECK(count <= r->withheld_capacity && count <= r->raw_capacity);
    r->withheld[count - 1] = (struct withheld_record){.refusal = j->refusal, .offset = j->source.offset, .line = j->source.line,
                                                      .fault_at = j->source.refusal ? j->source.fault_at : j->source.offset,
                                                      .origin = j->origin, .index = j->index};
    r->raw[count - 1] = (struct raw_piece){raw_bytes(r, j)};
    r->out.withheld_count = count;
    r->tally.withheld[j->refusal]++;
}

struct clean_record *add_record(struct redactor *r)
{
    r = r->front;
    CHECK(r->out.count < r->record_capacity);
    return &r->records[r->out.count++];
}

void count_record(struct redactor *r, const struct job *j, size_t span_count)
{
    struct tally *t = &r->front->tally;
    t->records++;
    if (j->refusal != REFUSAL_NONE) return;
    t->kinds[j->kind.kind]++;
    if (span_count > 0) t->redacted++;
    else t->clean++;
}

/* One record as a line of its own. */
void finish_record(struct redactor *r, uint32_t job)
{
    const struct span *spans;
    const struct detail *details = NULL;
    size_t count = r->jobs[job].refusal == REFUSAL_NONE ? spans_finish(r, job, &spans, &details) : 0;
    struct job *j = &r->jobs[job];
    bool member = j->piece == PIECE_MEMBER;
    if (!member || j->refusal != REFUSAL_NONE) count_record(r, j, count);
    if (j->refusal != REFUSAL_NONE) {
        withhold(r, j);
        if (member)   /* the commas around it are written already */
            *add_record(r) = (struct clean_record){.piece = PIECE_GLUE, .text = SLICE("\"lethe.withheld\":null")};
        return;
    }
    uint32_t start, end;
    extent_of_node(&j->source.tape->nodes[j->source.node], &start, &end);
    if (member) {   /* without the braces that made an object of it */
        start++;
        end--;
    }
    for (size_t i = 0; i < count; i++) {
        ((struct span *)spans)[i].start -= start;
        ((struct span *)spans)[i].end -= start;
    }
    *add_record(r) = (struct clean_record){.piece = j->piece, .tape = j->source.tape, .node = j->source.node,
                                           .text = slice_sub(j->source.tape->text, start, end), .spans = count ? spans : NULL,
                                           .span_count = count, .details = details, .kind = j->kind, .element = j->element,
                                           .offset = j->source.offset, .line = j->source.line, .origin = j->origin,
                                           .index = j->index, .policy = r->plan->policy.name};
    /* The clean batch has one cache for all keys. They are in it since the lane was chosen. */
    if (r == r->front) return;
    CHECK(resolve_record(r->front, &j->source));
}

static void finish_glue(struct redactor *r, const struct job *j)
{
    *add_record(r) = (struct clean_record){.piece = PIECE_GLUE, .text = j->glue, .element = j->element, .opens = j->opens,
                                           .offset = j->source.offset, .line = j->source.line};
}

/* Forgets what came of the batch before. */
static void begin(struct redactor *r, const struct batch *b)
{
    r->batch = b;
    arena_clear(&r->arena);
    key_cache_trim(r->keys);
    r->job_count = r->view_count = r->leaf_count = r->scan_len = 0;
    r->order_count = 0;
    r->origin = r->next_index = 0;
    r->unlisted = r->starved = false;
    memset(r->rule_done, 0, r->plan->rule_count * sizeof *r->rule_done);
    r->out = (struct clean_batch){.keys = r->keys, .sequence = b->sequence};
}

static void finish_jobs(struct redactor *r)
{
    for (uint32_t i = 0; i < r->job_count;) {
        struct job *j = &r->jobs[i];
        if (j->piece == PIECE_GLUE) finish_glue(r, j), i++;
        else if (r->options.keep_container && j->document != NULL && j->document->container) i = finish_container(r, i);
        else finish_record(r, i++);
    }
}

/* Lists and walks all records. False: no memory to list them; nothing is counted. */
static bool open_documents(struct redactor *r, const struct batch *b)
{
    uint64_t repaired[REPAIR_COUNT];
    memcpy(repaired, r->tally.repaired, sizeof repaired);
    for (size_t i = 0; i < b->count && !r->unlisted; i++) {
        if (b->documents[i].form == DOCUMENT_GLUE) add_glue(r, b, &b->documents[i]);
        else open_document(r, b, &b->documents[i]);
    }
    if (!r->unlisted && room_for_results(r)) return true;
    memcpy(r->tally.repaired, repaired, sizeof repaired);
    return false;
}

static bool lane_starved(const struct redactor *r) { return r->starved || r->arena.starved || key_cache_starved(r->keys); }

const struct clean_batch *redact_batch(struct redactor *r, const struct batch *b)
{
    begin(r, b);
    for (size_t i = 1; i < r->lane_count; i++) begin(r->lanes[i], b);
    if (!open_documents(r, b)) return NULL;
    work(r);
    for (size_t i = 1; i < r->lane_count; i++) work(r->lanes[i]);
    if (r->lanes == NULL) finish_jobs(r);
    for (size_t i = 0; i < r->order_count; i++) finish_record(r->lanes[r->order[i].lane], r->order[i].job);
    bool starved = lane_starved(r);
    for (size_t i = 1; i < r->lane_count; i++) starved |= lane_starved(r->lanes[i]);
    r->out.starved = starved;
    for (size_t i = 0; i < r->out.withheld_count; i++) r->withheld[i].raw = r->raw[i].bytes.len > 0 ? &r->raw[i] : NULL;
    r->out.records = r->records;
    r->out.withheld = r->withheld;
    return &r->out;
}
