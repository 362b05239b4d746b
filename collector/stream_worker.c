/* What a worker does with a cargo: redact, seal what is withheld, encode, look again, publish the block. */
#include "stream_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TELL_LIMIT_MS   1000    /* between two lines about the same */
#define MEMORY_WAIT_MS  100     /* until memory is asked for again */
#define MEMORY_TELL_MS  60000

/* --- What the policies are made into ---------------------------------------------------------------------------------------- */

static void drop_redactor(struct worker *w)
{
    redactor_free(w->redactor);
    w->redactor = NULL;
    sealer_free(w->sealer);
    w->sealer = NULL;
    block_filler_free(w->filler);
    w->filler = NULL;
    gate_free(w->gate);
    w->gate = NULL;
    tally_release(&w->seen);
    policies_release(w->policies);
    w->policies = NULL;
}

static bool wants_gate(const struct stream *s)
{
    bool gated = false;
    for (size_t e = 0; e < s->scheme.format_count; e++) gated |= s->scheme.gated[e];
    return gated && s->config->run.second_gate;
}

static bool make_redactor(struct worker *w, struct error *err)
{
    const struct stream          *s = w->stream;
    const struct policies        *p = w->policies;
    const struct redactor_options options = {.max_record = (size_t)s->config->run.max_record,
                                             .max_depth = (unsigned)s->config->run.max_depth};
    if ((w->redactor = redactor_new_for_set(p->set, &options, err)) == NULL) return false;
    if (wants_gate(s) && (w->gate = gate_new_for_set(p->set, err)) == NULL) return false;
    if (s->sealed.path != NULL && (w->sealer = sealer_new(&p->seal_key, err)) == NULL) return false;
    if ((w->filler = block_filler_new(&s->scheme, p->keys, w->gate)) != NULL && tally_init(&w->seen, p->plans[0])) return true;
    return error_set(err, ERROR_MEMORY, "no memory for a worker");
}

/* Takes the newest policies up, if there are newer ones. What cannot be made whole is not there at all: the next batch fails,
 * too. */
static bool renew_redactor(struct worker *w, struct error *err)
{
    struct stream *s = w->stream;
    if (w->policies != NULL && w->policies->generation == atomic_load(&s->generation)) return true;
    drop_redactor(w);
    pthread_mutex_lock(&s->policies_lock);
    w->policies = policies_hold(s->policies);
    pthread_mutex_unlock(&s->policies_lock);
    if (make_redactor(w, err)) return true;
    drop_redactor(w);
    return false;
}

/* --- What is taken out behind the redactor's back, by the second gate ------------------------------------------------- */

struct taking {
    struct worker            *w;
    const struct cargo       *cargo;
    const struct clean_batch *clean;
    uint64_t                  taken_clean, taken_redacted;
    bool                      sealed_all;
    struct verdict           *verdicts;
    size_t                    count;
    uint32_t                 *record_counts;   /* of each origin; as the verdicts, NULL where nobody wants them */
};

static struct seal_facts facts_of(const struct cargo *c)
{
    struct seal_facts facts = {.source = slice_from(c->place)};
    clock_gettime(CLOCK_REALTIME, &facts.time);
    return facts;
}

static void add_verdict(struct taking *t, uint32_t origin, uint32_t index, enum refusal refusal)
{
    if (t->verdicts != NULL) t->verdicts[t->count++] = (struct verdict){origin, index, refusal};
}

static void take_out(void *context, size_t record)
{
    struct taking             *t = context;
    const struct clean_record *r = &t->clean->records[record];
    if (t->w->sealer != NULL) {
        const struct seal_facts facts = facts_of(t->cargo);
        t->sealed_all = clean_record_seal(t->w->sealer, r, REFUSAL_GATE, &facts, &t->w->sealed) && t->sealed_all;
    }
    if (r->span_count > 0) t->taken_redacted++;
    else t->taken_clean++;
    add_verdict(t, r->origin, r->index, REFUSAL_GATE);
    log_line(LOG_ERROR, t->cargo->source->name, "%s:%" PRIu64 ": record withheld: %s", t->cargo->place, r->line,
             refusal_explanation(REFUSAL_GATE));
}

/* False: no memory; the block is as it was. */
static bool make_block(struct taking *t, struct block *block)
{
    const struct cargo     *c = t->cargo;
    const struct seal_facts facts = facts_of(c);
    struct worker          *w = t->w;
    w->sealed.len = 0;
    if (w->sealer != NULL && t->clean->withheld_count > 0) t->sealed_all = withheld_seal(w->sealer, t->clean, &facts, &w->sealed);
    return block_fill(w->filler, block, t->clean, c->origins, take_out, t);
}

/* --- What becomes of it ----------------------------------------------------------------------------------------------- */

/* What the redactor did since the last batch, less what was taken out, into the counters of the run and of the source. */
static void count(struct worker *w, const struct taking *t)
{
    struct stream          *s = w->stream;
    struct source_counters *source = &t->cargo->source->counters;
    const struct tally     *before = &w->seen, *after = redactor_tally(w->redactor);
    uint64_t                withheld = t->taken_clean + t->taken_redacted;
    if (withheld > 0) atomic_fetch_add(&s->withheld[REFUSAL_GATE], withheld);
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        uint64_t more = after->withheld[i] - before->withheld[i];
        if (more > 0) atomic_fetch_add(&s->withheld[i], more);
        withheld += more;
    }
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (after->kinds[i] != before->kinds[i]) atomic_fetch_add(&s->kinds[i], after->kinds[i] - before->kinds[i]);
    for (size_t i = 0; i < after->rule_count; i++)
        if (after->redactions[i] != before->redactions[i])
            atomic_fetch_add(&s->rules[i].count, after->redactions[i] - before->redactions[i]);
    atomic_fetch_add(&source->records, after->records - before->records);
    atomic_fetch_add(&source->clean, after->clean - before->clean - t->taken_clean);
    atomic_fetch_add(&source->redacted, after->redacted - before->redacted - t->taken_redacted);
    atomic_fetch_add(&source->withheld, withheld);
}

static void remember_tally(struct worker *w)
{
    const struct tally *tally = redactor_tally(w->redactor);
    uint64_t           *kept = w->seen.redactions;
    memcpy(kept, tally->redactions, tally->rule_count * sizeof *kept);
    w->seen = *tally;
    w->seen.redactions = kept;
}

static void tell_withheld(struct worker *w, const struct cargo *c, const struct clean_batch *clean)
{
    uint64_t left_out;
    for (size_t i = 0; i < clean->withheld_count; i++) {
        const struct withheld_record *r = &clean->withheld[i];
        if (!log_passes(&w->withheld_limit, TELL_LIMIT_MS, &left_out)) continue;
        char more[64] = "";
        if (left_out > 0) snprintf(more, sizeof more, " (%" PRIu64 " more since the last line)", left_out);
        log_line(LOG_WARNING, c->source->name, "%s:%" PRIu64 ": record withheld: %s (byte %" PRIu64 ")%s", c->place, r->line,
                 refusal_explanation(r->refusal), r->fault_at > r->offset ? r->fault_at : r->offset, more);
    }
}

/* Before the source learns that its batch is done. */
static void keep_sealed(struct worker *w, const struct taking *t)
{
    struct sealed_log *log = &w->stream->sealed;
    struct error       err = {0};
    uint64_t           left_out, records = t->clean->withheld_count + t->taken_clean + t->taken_redacted;
    if (w->sealer == NULL || records == 0) return;
    if (!t->sealed_all) error_set(&err, ERROR_MEMORY, "no memory to keep withheld records");
    bool kept = t->sealed_all && sealed_log_append(log, &w->sealed, &err);
    atomic_fetch_add(kept ? &log->kept : &log->not_kept, records);
    if (!kept && log_passes(&w->sealed_limit, TELL_LIMIT_MS, &left_out))
        log_line(LOG_ERROR, t->cargo->source->name, "%s", err.text);
}

static int by_origin(const void *a, const void *b)
{
    const struct verdict *x = a, *y = b;
    if (x->origin != y->origin) return x->origin < y->origin ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void count_record(struct receipt *receipt, uint32_t origin, uint32_t index)
{
    uint32_t *records = &receipt->record_counts[origin];
    if (index >= *records) *records = index + 1;
}

/* Tells the source what became of each of its records. */
static void give_verdicts(struct taking *t, struct receipt *receipt, size_t origins)
{
    const struct clean_batch *clean = t->clean;
    for (size_t i = 0; i < clean->withheld_count; i++)
        add_verdict(t, clean->withheld[i].origin, clean->withheld[i].index, clean->withheld[i].refusal);
    if (t->count > 0) qsort(t->verdicts, t->count, sizeof *t->verdicts, by_origin);
    receipt->record_counts = t->record_counts;
    receipt->origin_count = origins;
    for (size_t i = 0; i < clean->count; i++) count_record(receipt, clean->records[i].origin, clean->records[i].index);
    for (size_t i = 0; i < clean->withheld_count; i++) count_record(receipt, clean->withheld[i].origin, clean->withheld[i].index);
    receipt->verdicts = t->verdicts;
    receipt->verdict_count = t->count;
}

/* --- Without memory --------------------------------------------------------------------------------------------------- *
 *
 * That the system has no memory passes, so no record is withheld for it: its batch waits, or is put off where its senders keep
 * it. What needs more than the limit for one record never passes, and is withheld by the redactor. */

static void tell_no_memory(struct worker *w, const struct cargo *c)
{
    uint64_t left_out;
    if (!log_passes(&w->memory_limit, MEMORY_TELL_MS, &left_out)) return;
    log_line(LOG_ERROR, c->source->name, c->source->type->puts_off ?
             "no memory to redact a batch; its senders are told to come again and nothing is lost" :
             "no memory to redact a batch; its records wait and nothing is lost");
}

/* The worker keeps its batch and asks again after a while, so sources wait for it. False: the run does not. */
static bool wait_for_memory(struct worker *w)
{
    if (atomic_load(&w->stream->hurry)) return false;
    usleep(1000 * MEMORY_WAIT_MS);
    return true;
}

/* One for each record that there is, before any is taken out. */
static bool make_room_for_verdicts(struct taking *t)
{
    if (!t->cargo->source->type->wants_verdicts) return true;
    t->verdicts = calloc(t->clean->count + t->clean->withheld_count + 1, sizeof *t->verdicts);
    t->record_counts = calloc(t->cargo->origin_count + 1, sizeof *t->record_counts);
    if (t->verdicts != NULL && t->record_counts != NULL) return true;
    return false;
}

/* Redacts the batch and puts it into the block. False: no memory; nothing is counted, and the block is as it was. */
static bool redact(struct worker *w, const struct cargo *c, struct taking *t, struct block *block)
{
    redactor_set_source(w->redactor, slice_from(c->source->name));
    remember_tally(w);
    *t = (struct taking){.w = w, .cargo = c, .clean = redact_batch(w->redactor, &c->batch), .sealed_all = true};
    if (t->clean != NULL && !t->clean->starved && make_room_for_verdicts(t) && make_block(t, block)) return true;
    free(t->verdicts);
    free(t->record_counts);
    return false;
}

/* NULL: the run ends before there is a block, or memory, or, with an error, it cannot go on. The block of a batch that is put
 * off is empty. */
static struct block *redact_into_block(struct worker *w, struct cargo *c, struct taking *t, struct error *err)
{
    struct block *block;
    do {
        struct error renewal = {0};
        bool         renewed = renew_redactor(w, &renewal);
        if (!renewed && renewal.code != ERROR_MEMORY) {
            *err = renewal;
            return NULL;
        }
        if ((block = ledger_take_block(w->stream->ledger)) == NULL || (renewed && redact(w, c, t, block))) return block;
        tell_no_memory(w, c);
        if ((c->receipt->put_off = c->source->type->puts_off)) return block;
        ledger_give_back(w->stream->ledger, block);
    } while (wait_for_memory(w));
    return NULL;
}

/* --- A batch ---------------------------------------------------------------------------------------------------------- */

/* Documents are counted, since nobody knows yet how many records are in them. */
static void abandon(struct stream *s, struct cargo *c)
{
    if (!c->source->type->replayable) atomic_fetch_add(&s->abandoned, c->batch.count);
    c->source->type->abandoned(c->source, c->receipt);
}

/* What became of its records, once and for all. */
static void conclude(struct worker *w, const struct cargo *c, struct taking *t)
{
    count(w, t);
    tell_withheld(w, c, t->clean);
    keep_sealed(w, t);
    if (t->verdicts != NULL) give_verdicts(t, c->receipt, c->origin_count);
}

/* False: the batch was not published. With an error, the run cannot go on. */
static bool process(struct worker *w, struct cargo *c, struct error *err)
{
    struct taking t;
    struct block *block = redact_into_block(w, c, &t, err);
    if (block == NULL) return false;
    if (c->receipt->put_off) atomic_fetch_add(&c->source->counters.errors, 1);
    else conclude(w, c, &t);
    block->born_ms = c->filled_ms;
    ledger_publish(w->stream->ledger, block, c->source, c->number, c->receipt);
    return true;
}

void *stream_work(void *worker)
{
    struct worker *w = worker;
    struct cargo  *c;
    while ((c = queue_take(&w->stream->work, -1)) != NULL) {
        struct error err = {0};
        if (!process(w, c, &err)) abandon(w->stream, c);
        if (err.code != ERROR_NONE) stream_fail(w->stream, &err);
        batch_clear(&c->batch);
        c->origin_count = 0;
        c->receipt = NULL;
        queue_push(c->home, c);
        atomic_fetch_sub(&w->stream->under_way, 1);
    }
    drop_redactor(w);
    sealed_lines_release(&w->sealed);
    return NULL;
}
