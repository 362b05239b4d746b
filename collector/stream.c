/* See stream.h.
 *
 * (1) Every queue has room for everything that can be in it, so no push waits.
 * (2) What a worker changes belongs to it; counters are atomic and only grow. Plans are const and counted: a worker that
 *     still uses an old one keeps it.
 * (3) A cargo is at home, with its source, in the work queue or with a worker: so sources are bound by what workers can do,
 *     and workers by the blocks of the ledger. */
#include "stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_EXTRA      (256 * 1024)   /* room beyond the longest record, so that short ones come in large batches */
#define IDLE_WAIT_MS     200            /* how long a thread waits before it looks whether it should stop */
#define LEAST_PAUSE_MS   100            /* after a source failed */
#define MOST_PAUSE_MS    30000
#define MOST_RULES       2048           /* different rules, of all policies that a run ever had */
#define TELL_WITHHELD_MS 1000

/* --- Policies --------------------------------------------------------------------------------------------------------------- */

/* One generation of keys and plans. */
struct policies {
    atomic_uint     holders;
    uint64_t        generation;
    struct keyring *keys;
    struct named_plan {
        char        *name;
        struct plan *plan;
        struct plan_set *set;  /* this plan, and those of the rules for sources and resources */
        uint32_t    *totals;   /* by rule number: index in stream.rules */
    } *plans;
    size_t count;
};

struct runner {
    struct stream *stream;
    struct source *source;
    pthread_t      thread;
    bool           started;
    struct queue   home;
    struct cargo  *cargoes;
    atomic_bool    ended;
    struct log_limit failure_limit;
};

struct worker {
    struct stream      *stream;
    pthread_t           thread;
    bool                started;
    struct policies    *policies;
    struct redactor   **redactors;   /* by number of plan; made when first needed */
    struct gate        *gate;
    struct block_filler *filler;
    struct tally        seen;        /* what of a redactor's tally is counted already */
    struct log_limit    withheld_limit;
};

struct shipper {
    struct stream *stream;
    struct sink   *sink;
    pthread_t      thread;
    bool           opened, started;
};

struct stream {
    struct config      *config;
    struct store       *store;
    struct ledger      *ledger;
    struct block_scheme scheme;
    struct queue        work;
    struct runner      *runners;
    struct worker      *workers;
    struct shipper     *shippers;
    size_t              worker_count;

    pthread_mutex_t  policies_lock;      /* guards the pointer and the table of rules */
    struct policies *policies, *first;   /* the first ones stay: sources know streams and files again by their keys */
    struct rule_total rules[MOST_RULES];
    size_t            rule_count;
    atomic_uint_fast64_t withheld[REFUSAL_COUNT], kinds[KIND_COUNT];
    atomic_uint_fast64_t generation;

    atomic_bool     sinks_stop, ready, hurry;
    atomic_size_t   under_way;           /* batches in the work queue or with a worker */
    pthread_mutex_t failure_lock;
    struct error    failure;
    uint64_t        started_ms;
};

/* --- Policies --------------------------------------------------------------------------------------------------------------- */

static void policies_release(struct policies *p)
{
    if (p == NULL || atomic_fetch_sub(&p->holders, 1) > 1) return;
    for (size_t i = 0; i < p->count; i++) plan_set_free(p->plans[i].set);
    for (size_t i = 0; i < p->count; i++) {
        if (p->plans[i].plan != NULL) plan_free(p->plans[i].plan);
        free(p->plans[i].totals);
        free(p->plans[i].name);
    }
    free(p->plans);
    keyring_free(p->keys);
    free(p);
}

/* The key file of the configuration; else one in the store, made when it is not there and `make`; else a key for this run. */
static struct keyring *load_keys(const struct config *c, bool make, struct error *err)
{
    char path[4096];
    if (c->run.key_file != NULL) return keyring_load(c->run.key_file, err);
    if (c->store.path == NULL) {
        if (make) log_line(LOG_WARNING, "run", "no key_file and no store: pseudonyms and event ids hold for this run only");
        return keyring_ephemeral(err);
    }
    snprintf(path, sizeof path, "%s/pseudonym.key", c->store.path);
    bool there = access(path, F_OK) == 0;
    if (!there && !make) return keyring_ephemeral(err);
    return there || keyring_generate(path, err) ? keyring_load(path, err) : NULL;
}

static uint32_t rule_total_index(struct stream *s, const char *id)
{
    size_t i = 0;
    while (i < s->rule_count && strcmp(s->rules[i].id, id) != 0) i++;
    if (i == s->rule_count) {
        CHECK(i < MOST_RULES);
        s->rules[i].id = strdup(id);   /* outlives the plan */
        CHECK(s->rules[i].id != NULL);
        s->rule_count++;
    }
    return (uint32_t)i;
}

static bool add_plan(struct stream *s, struct policies *p, const char *name, struct error *err)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->plans[i].name, name) == 0) return true;
    struct named_plan *n = &p->plans[p->count];
    n->name = strdup(name);   /* configurations come and go */
    CHECK(n->name != NULL);
    p->count++;
    if ((n->plan = plan_new(name, p->keys, err)) == NULL) return false;
    n->totals = calloc(plan_rule_count(n->plan), sizeof *n->totals);
    CHECK(n->totals != NULL);
    for (size_t i = 0; i < plan_rule_count(n->plan); i++) n->totals[i] = rule_total_index(s, plan_rule(n->plan, i).id);
    return true;
}

static const struct plan *find_plan(const struct policies *p, const char *name)
{
    size_t i = 0;
    while (strcmp(p->plans[i].name, name) != 0) i++;
    return p->plans[i].plan;
}

/* A set for each plan that a source may have as its own, with the rules of the configuration. */
static bool make_sets(struct policies *p, const struct config *c, struct error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        if ((p->plans[i].set = plan_set_new(p->plans[i].plan, err)) == NULL) return false;
        for (size_t n = 0; n < c->policy_rule_count; n++) {
            const struct policy_rule *rule = &c->policy_rules[n];
            if (!plan_set_add(p->plans[i].set, (struct plan_scope){rule->source, rule->resource}, find_plan(p, rule->policy), err)) return false;
        }
        if (!plan_set_close(p->plans[i].set, err)) return false;
    }
    return true;
}

static struct policies *policies_load(struct stream *s, const struct config *c, bool make, struct error *err)
{
    struct policies *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    atomic_init(&p->holders, 1);
    p->plans = calloc(1 + c->source_count + c->policy_rule_count, sizeof *p->plans);
    CHECK(p->plans != NULL);
    bool sound = (p->keys = load_keys(c, make, err)) != NULL && add_plan(s, p, c->run.policy, err);
    for (size_t i = 0; sound && i < c->source_count; i++)
        if (c->sources[i]->policy != NULL) sound = add_plan(s, p, c->sources[i]->policy, err);
    for (size_t i = 0; sound && i < c->policy_rule_count; i++) sound = add_plan(s, p, c->policy_rules[i].policy, err);
    if (sound && make_sets(p, c, err)) return p;
    policies_release(p);
    return NULL;
}

static size_t plan_of(const struct policies *p, const struct source *source, const char *standard)
{
    const char *name = source->policy != NULL ? source->policy : standard;
    size_t      i = 0;
    while (strcmp(p->plans[i].name, name) != 0) i++;
    return i;
}

/* --- Failure ---------------------------------------------------------------------------------------------------------------- */

static void fail(struct stream *s, const struct error *err)
{
    pthread_mutex_lock(&s->failure_lock);
    if (s->failure.code == ERROR_NONE) s->failure = *err;
    pthread_mutex_unlock(&s->failure_lock);
}

bool stream_has_failed(struct stream *s, struct error *err)
{
    pthread_mutex_lock(&s->failure_lock);
    bool failed = s->failure.code != ERROR_NONE;
    if (failed) *err = s->failure;
    pthread_mutex_unlock(&s->failure_lock);
    return failed;
}

/* --- Sources ---------------------------------------------------------------------------------------------------------------- */

static void send_cargo(struct runner *r, struct cargo *c, uint64_t number)
{
    c->number = number;
    c->filled_ms = clock_monotonic_ms();
    atomic_fetch_add(&r->source->counters.batches, 1);
    atomic_fetch_add(&r->source->counters.bytes, c->batch.used);
    atomic_fetch_add(&r->stream->under_way, 1);
    queue_push(&r->stream->work, c);
}

/* Waits, but not longer than the run goes on. */
static void pause_source(struct runner *r, uint64_t pause_ms)
{
    uint64_t until = clock_monotonic_ms() + pause_ms;
    for (uint64_t now; !atomic_load(&r->source->stopping) && (now = clock_monotonic_ms()) < until;)
        usleep((useconds_t)(1000 * (until - now < IDLE_WAIT_MS ? until - now : IDLE_WAIT_MS)));
}

static void tell_failure(struct runner *r, const struct error *err)
{
    uint64_t left_out;
    atomic_fetch_add(&r->source->counters.errors, 1);
    if (log_passes(&r->failure_limit, MOST_PAUSE_MS, &left_out)) log_line(LOG_WARNING, r->source->name, "%s; will be tried again", err->text);
}

static void *run_source(void *runner)
{
    struct runner *r = runner;
    struct cargo  *c = NULL;
    uint64_t       number = 0, pause_ms = LEAST_PAUSE_MS;
    bool           more = true;
    while (more && !atomic_load(&r->source->stopping)) {
        struct error err = {0};
        if (c == NULL && (c = queue_take(&r->home, IDLE_WAIT_MS)) == NULL) {
            if (r->source->type->idle != NULL) r->source->type->idle(r->source);
            continue;
        }
        switch (r->source->type->fill(r->source, c, IDLE_WAIT_MS, &err)) {
        case SOURCE_FILLED:
            send_cargo(r, c, number++);
            c = NULL;
            pause_ms = LEAST_PAUSE_MS;
            break;
        case SOURCE_IDLE: break;
        case SOURCE_END: more = false; break;
        case SOURCE_FAILED:
            tell_failure(r, &err);
            pause_source(r, pause_ms);
            pause_ms = pause_ms > MOST_PAUSE_MS / 2 ? MOST_PAUSE_MS : 2 * pause_ms;
            break;
        }
    }
    atomic_store(&r->ended, true);
    return NULL;
}

static uint64_t born_ns(const char *path)
{
    struct statx status;
    if (statx(AT_FDCWD, path, 0, STATX_BTIME, &status) != 0 || (status.stx_mask & STATX_BTIME) == 0) return UINT64_MAX;
    return (uint64_t)status.stx_btime.tv_sec * 1000000000u + status.stx_btime.tv_nsec;
}

static bool runner_init(struct runner *r, struct stream *s, struct source *source, struct error *err)
{
    unsigned count = source->type->cargoes;
    *r = (struct runner){.stream = s, .source = source};
    r->cargoes = calloc(count, sizeof *r->cargoes);
    if (r->cargoes == NULL || !queue_init(&r->home, count)) return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name);
    for (unsigned i = 0; i < count; i++) {
        r->cargoes[i].source = source;
        r->cargoes[i].home = &r->home;
        if (!batch_init(&r->cargoes[i].batch, source->max_record + BATCH_EXTRA))
            return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name);
        queue_push(&r->home, &r->cargoes[i]);
    }
    source->store = s->store;
    source->store_born_ns = s->store != NULL ? born_ns(s->config->store.path) : UINT64_MAX;
    source->keys = s->first->keys;
    return source->type->open(source, err);
}

static void runner_release(struct runner *r)
{
    if (r->source == NULL) return;
    r->source->type->close(r->source);
    for (unsigned i = 0; r->cargoes != NULL && i < r->source->type->cargoes; i++) {
        batch_release(&r->cargoes[i].batch);
        free(r->cargoes[i].origins);
    }
    free(r->cargoes);
    queue_release(&r->home);
}

/* --- Workers ---------------------------------------------------------------------------------------------------------------- */

static void drop_redactors(struct worker *w)
{
    for (size_t i = 0; w->policies != NULL && i < w->policies->count; i++)
        if (w->redactors[i] != NULL) redactor_free(w->redactors[i]);
    free(w->redactors);
    w->redactors = NULL;
    block_filler_free(w->filler);
    w->filler = NULL;
    gate_free(w->gate);
    w->gate = NULL;
    policies_release(w->policies);
    w->policies = NULL;
}

/* Takes the newest policies up, if there are newer ones. */
static bool renew_redactors(struct worker *w, struct error *err)
{
    struct stream *s = w->stream;
    if (w->policies != NULL && w->policies->generation == atomic_load(&s->generation)) return true;
    drop_redactors(w);
    pthread_mutex_lock(&s->policies_lock);
    w->policies = s->policies;
    atomic_fetch_add(&w->policies->holders, 1);
    pthread_mutex_unlock(&s->policies_lock);
    w->redactors = calloc(w->policies->count, sizeof(struct redactor *));
    CHECK(w->redactors != NULL);
    bool gated = false;
    for (size_t e = 0; e < s->scheme.format_count; e++) gated = gated || s->scheme.gated[e];
    if (gated && s->config->run.second_gate && (w->gate = gate_new(w->policies->plans[0].plan, err)) == NULL) return false;
    w->filler = block_filler_new(&s->scheme, w->policies->keys, w->gate);
    return w->filler != NULL || error_set(err, ERROR_MEMORY, "no memory for a worker");
}

static struct redactor *redactor_for(struct worker *w, size_t plan, struct error *err)
{
    const struct redactor_options options = {.max_record = (size_t)w->stream->config->run.max_record,
                                             .max_depth = (unsigned)w->stream->config->run.max_depth};
    if (w->redactors[plan] == NULL) w->redactors[plan] = redactor_new_for_set(w->policies->plans[plan].set, &options, err);
    return w->redactors[plan];
}

/* What the redactor did since `before`, into the counters of the run and of the source. */
static void count(struct worker *w, const struct cargo *c, size_t plan, const struct tally *before, const struct tally *after)
{
    struct source_counters  *source = &c->source->counters;
    const struct named_plan *n = &w->policies->plans[plan];
    uint64_t                 withheld = 0;
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        uint64_t more = after->withheld[i] - before->withheld[i];
        if (more > 0) atomic_fetch_add(&w->stream->withheld[i], more);
        withheld += more;
    }
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (after->kinds[i] != before->kinds[i]) atomic_fetch_add(&w->stream->kinds[i], after->kinds[i] - before->kinds[i]);
    for (size_t i = 0; i < after->rule_count; i++)
        if (after->redactions[i] != before->redactions[i])
            atomic_fetch_add(&w->stream->rules[n->totals[i]].count, after->redactions[i] - before->redactions[i]);
    atomic_fetch_add(&source->records, after->records - before->records);
    atomic_fetch_add(&source->clean, after->clean - before->clean);
    atomic_fetch_add(&source->redacted, after->redacted - before->redacted);
    atomic_fetch_add(&source->withheld, withheld);
}

static void tell_withheld(struct worker *w, const struct cargo *c, const struct clean_batch *clean)
{
    uint64_t left_out;
    for (size_t i = 0; i < clean->withheld_count; i++) {
        const struct withheld_record *r = &clean->withheld[i];
        if (!log_passes(&w->withheld_limit, TELL_WITHHELD_MS, &left_out)) continue;
        char more[64] = "";
        if (left_out > 0) snprintf(more, sizeof more, " (%" PRIu64 " more since the last line)", left_out);
        log_line(LOG_WARNING, c->source->name, "%s:%" PRIu64 ": record withheld: %s (byte %" PRIu64 ")%s", c->place, r->line,
                 refusal_explanation(r->refusal), r->fault_at > r->offset ? r->fault_at : r->offset, more);
    }
}

/* What the second gate, or a lack of memory, took out behind the redactor's back. */
struct taking {
    struct worker            *w;
    const struct cargo       *cargo;
    const struct clean_batch *clean;
    enum refusal              refusal;
    struct verdict           *verdicts;
    size_t                    count, capacity;
};

static void add_verdict(struct taking *t, uint32_t origin, uint32_t index, enum refusal refusal)
{
    if (t->count == t->capacity) {
        t->capacity = 2 * t->capacity + 16;
        t->verdicts = reallocarray(t->verdicts, t->capacity, sizeof *t->verdicts);
        CHECK(t->verdicts != NULL);
    }
    t->verdicts[t->count++] = (struct verdict){origin, index, refusal};
}

static void take_out(void *context, size_t record)
{
    struct taking             *t = context;
    const struct clean_record *r = &t->clean->records[record];
    struct source_counters    *source = &t->cargo->source->counters;
    atomic_fetch_add(&t->w->stream->withheld[t->refusal], 1);
    atomic_fetch_add(&source->withheld, 1);
    atomic_fetch_sub(r->span_count > 0 ? &source->redacted : &source->clean, 1);
    add_verdict(t, r->origin, r->index, t->refusal);
    if (t->refusal == REFUSAL_GATE)
        log_line(LOG_ERROR, t->cargo->source->name, "%s:%" PRIu64 ": record withheld: %s", t->cargo->place, r->line, refusal_explanation(t->refusal));
}

static int by_origin(const void *a, const void *b)
{
    const struct verdict *x = a, *y = b;
    if (x->origin != y->origin) return x->origin < y->origin ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Tells the source what became of each of its records. */
static void give_verdicts(struct taking *t, struct receipt *receipt, size_t origins)
{
    for (size_t i = 0; i < t->clean->withheld_count; i++) add_verdict(t, t->clean->withheld[i].origin, t->clean->withheld[i].index, t->clean->withheld[i].refusal);
    if (t->count > 0) qsort(t->verdicts, t->count, sizeof *t->verdicts, by_origin);
    receipt->record_counts = calloc(origins + 1, sizeof *receipt->record_counts);
    CHECK(receipt->record_counts != NULL);
    receipt->origin_count = origins;
    for (size_t i = 0; i < t->clean->count; i++) {
        uint32_t *most = &receipt->record_counts[t->clean->records[i].origin];
        if (t->clean->records[i].index >= *most) *most = t->clean->records[i].index + 1;
    }
    for (size_t i = 0; i < t->clean->withheld_count; i++) {
        uint32_t *most = &receipt->record_counts[t->clean->withheld[i].origin];
        if (t->clean->withheld[i].index >= *most) *most = t->clean->withheld[i].index + 1;
    }
    receipt->verdicts = t->verdicts;
    receipt->verdict_count = t->count;
    t->verdicts = NULL;
}

static void make_block(struct worker *w, struct cargo *c, size_t plan, const struct clean_batch *clean, struct block *block)
{
    struct taking taking = {.w = w, .cargo = c, .clean = clean, .refusal = REFUSAL_GATE};
    block->born_ms = c->filled_ms;
    if (!block_fill(w->filler, block, clean, c->origins, w->policies->plans[plan].name, take_out, &taking)) {
        taking.refusal = REFUSAL_MEMORY;
        taking.count = 0;
        for (size_t i = 0; i < clean->count; i++) take_out(&taking, i);
        block->born_ms = c->filled_ms;
    }
    if (c->source->type->wants_verdicts) give_verdicts(&taking, c->receipt, c->origin_count);
    free(taking.verdicts);
}

static void abandon(struct cargo *c)
{
    if (c->source->type->abandoned != NULL) c->source->type->abandoned(c->source, c->receipt);
}

static bool process(struct worker *w, struct cargo *c, struct error *err)
{
    if (!renew_redactors(w, err)) return false;
    size_t           plan = plan_of(w->policies, c->source, w->policies->plans[0].name);
    struct redactor *redactor = redactor_for(w, plan, err);
    if (redactor == NULL) return false;
    const struct tally *tally = redactor_tally(redactor);
    if (w->seen.redactions == NULL || w->seen.rule_count < tally->rule_count) {
        tally_release(&w->seen);
        if (!tally_init(&w->seen, w->policies->plans[plan].plan)) return error_set(err, ERROR_MEMORY, "no memory for a worker");
    }
    uint64_t *kept = w->seen.redactions;
    memcpy(kept, tally->redactions, tally->rule_count * sizeof *kept);
    w->seen = *tally;
    w->seen.redactions = kept;
    redactor_set_source(redactor, slice_from(c->source->name));
    const struct clean_batch *clean = redact_batch(redactor, &c->batch);
    count(w, c, plan, &w->seen, tally);
    tell_withheld(w, c, clean);
    struct block *block = ledger_take_block(w->stream->ledger);
    if (block == NULL) {
        abandon(c);
        return true;
    }
    make_block(w, c, plan, clean, block);
    ledger_publish(w->stream->ledger, block, c->source, c->number, c->receipt);
    return true;
}

static void *run_worker(void *worker)
{
    struct worker *w = worker;
    struct cargo  *c;
    while ((c = queue_take(&w->stream->work, -1)) != NULL) {
        struct error err = {0};
        if (!process(w, c, &err)) {
            fail(w->stream, &err);
            abandon(c);
        }
        batch_clear(&c->batch);
        c->origin_count = 0;
        c->receipt = NULL;
        queue_push(c->home, c);
        atomic_fetch_sub(&w->stream->under_way, 1);
    }
    drop_redactors(w);
    return NULL;
}

/* --- Sinks ------------------------------------------------------------------------------------------------------------------ */

static void *run_sink(void *shipper)
{
    struct shipper         *h = shipper;
    const struct sink_type *type = h->sink->type;
    struct ledger          *ledger = h->stream->ledger;
    struct block           *waiting = NULL;
    struct error            err = {0};
    while (!atomic_load(&h->stream->sinks_stop)) {
        if (waiting == NULL) waiting = ledger_next(ledger, h->sink, type->poll == NULL ? IDLE_WAIT_MS : 0);
        bool took = waiting != NULL && type->take(h->sink, waiting) == SINK_TOOK;
        if (took) waiting = NULL;
        if (type->poll == NULL && waiting != NULL) usleep(1000 * IDLE_WAIT_MS / 4);   /* it has no way to tell when it can go on */
        if (type->poll == NULL || type->poll(h->sink, took ? 0 : IDLE_WAIT_MS, &err)) continue;
        fail(h->stream, &err);
        break;
    }
    if (waiting != NULL) ledger_return(ledger, h->sink, waiting);
    return NULL;
}

/* --- Life ------------------------------------------------------------------------------------------------------------------- */

static bool open_store(struct stream *s, struct error *err)
{
    const struct store_settings *settings = &s->config->store;
    struct store_report          report = {0};
    if (settings->path == NULL) return true;
    s->store = store_open(&(struct store_options){settings->path, settings->max_bytes, settings->key_file}, &report, err);
    if (s->store == NULL) return false;
    if (report.set_aside) log_line(LOG_ERROR, "store", "the database could not be read and was set aside as '%s'", report.aside);
    if (report.damaged_blocks > 0) log_line(LOG_ERROR, "store", "%" PRIu64 " damaged blocks were stepped over", report.damaged_blocks);
    if (report.blocks > 0) log_line(LOG_INFO, "store", "%" PRIu64 " blocks of an earlier run wait in the spool", report.blocks);
    return true;
}

static bool open_sinks(struct stream *s, struct error *err)
{
    s->shippers = calloc(s->config->sink_count, sizeof *s->shippers);
    CHECK(s->shippers != NULL);
    for (size_t i = 0; i < s->config->sink_count; i++) {
        s->shippers[i] = (struct shipper){.stream = s, .sink = s->config->sinks[i]};
        if (!s->config->sinks[i]->type->open(s->config->sinks[i], err)) return false;
        s->shippers[i].opened = true;
    }
    return true;
}

static bool open_sources(struct stream *s, struct error *err)
{
    size_t cargoes = 0;
    s->runners = calloc(s->config->source_count, sizeof *s->runners);
    CHECK(s->runners != NULL);
    for (size_t i = 0; i < s->config->source_count; i++) cargoes += s->config->sources[i]->type->cargoes;
    if (!queue_init(&s->work, cargoes)) return error_set(err, ERROR_MEMORY, "no memory for the sources");
    for (size_t i = 0; i < s->config->source_count; i++)
        if (!runner_init(&s->runners[i], s, s->config->sources[i], err)) return false;
    return true;
}

static bool open_ledger(struct stream *s, struct error *err)
{
    const struct config *c = s->config;
    s->ledger = ledger_new(&(struct ledger_options){s->store, &s->scheme, c->sources, c->source_count, c->sinks, c->sink_count, (size_t)c->run.blocks}, err);
    return s->ledger != NULL;
}

bool stream_check(const struct config *config, struct error *err)
{
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    struct policies *p = policies_load(s, config, false, err);
    policies_release(p);
    for (size_t i = 0; i < s->rule_count; i++) free((char *)s->rules[i].id);
    free(s);
    return p != NULL;
}

struct stream *stream_open(struct config *config, struct error *err)
{
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->config = config;
    pthread_mutex_init(&s->policies_lock, NULL);
    pthread_mutex_init(&s->failure_lock, NULL);
    block_scheme_init(&s->scheme, config->sinks, config->sink_count);
    if (open_store(s, err) && (s->policies = policies_load(s, config, true, err)) != NULL) {
        s->first = s->policies;
        atomic_fetch_add(&s->first->holders, 1);
        if (open_sinks(s, err) && open_ledger(s, err) && open_sources(s, err)) return s;
    }
    stream_free(s);
    return NULL;
}

static bool start_thread(pthread_t *thread, void *(*run)(void *), void *argument, const char *kind, const char *name, bool *started, struct error *err)
{
    char full[16];   /* what the kernel keeps */
    int  fault = pthread_create(thread, NULL, run, argument);
    if (fault != 0) {
        errno = fault;
        return error_set_errno(err, ERROR_MEMORY, "cannot start a thread");
    }
    *started = true;
    snprintf(full, sizeof full, "%.4s:%.10s", kind, name);
    pthread_setname_np(*thread, full);
    return true;
}

bool stream_start(struct stream *s, struct error *err)
{
    bool sound = true;
    s->started_ms = clock_realtime_ms();
    s->worker_count = (size_t)s->config->run.workers;
    s->workers = calloc(s->worker_count, sizeof *s->workers);
    CHECK(s->workers != NULL);
    for (size_t i = 0; sound && i < s->worker_count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i + 1);
        s->workers[i].stream = s;
        sound = start_thread(&s->workers[i].thread, run_worker, &s->workers[i], "work", number, &s->workers[i].started, err);
    }
    for (size_t i = 0; sound && i < s->config->sink_count; i++)
        sound = start_thread(&s->shippers[i].thread, run_sink, &s->shippers[i], "sink", s->shippers[i].sink->name, &s->shippers[i].started, err);
    for (size_t i = 0; sound && i < s->config->source_count; i++)
        sound = start_thread(&s->runners[i].thread, run_source, &s->runners[i], "src", s->runners[i].source->name, &s->runners[i].started, err);
    atomic_store(&s->ready, sound);
    return sound;
}

/* Waits for a while at most. */
static bool all_is_settled(struct stream *s, uint64_t deadline_ms)
{
    uint64_t soon = clock_monotonic_ms() + IDLE_WAIT_MS;
    bool     drained = ledger_drain(s->ledger, soon < deadline_ms ? soon : deadline_ms);
    return drained && atomic_load(&s->under_way) == 0;
}

bool stream_is_over(struct stream *s)
{
    for (size_t i = 0; i < s->config->source_count; i++)
        if (!atomic_load(&s->runners[i].ended)) return false;
    return atomic_load(&s->under_way) == 0 && all_is_settled(s, UINT64_MAX);
}

bool stream_renew_policy(struct stream *s, const struct config *config, struct error *err)
{
    pthread_mutex_lock(&s->policies_lock);
    struct policies *fresh = policies_load(s, config, true, err), *old = s->policies;
    if (fresh != NULL) {
        fresh->generation = old->generation + 1;
        s->policies = fresh;
        atomic_store(&s->generation, fresh->generation);
    }
    pthread_mutex_unlock(&s->policies_lock);
    if (fresh == NULL) return false;
    policies_release(old);
    return true;
}

void stream_hurry(struct stream *s) { atomic_store(&s->hurry, true); }

static void stop_sources(struct stream *s)
{
    for (size_t i = 0; i < s->config->source_count; i++) {
        struct source *source = s->config->sources[i];
        atomic_store(&source->stopping, true);
        if (source->type->wake != NULL) source->type->wake(source);
    }
    for (size_t i = 0; s->runners != NULL && i < s->config->source_count; i++)
        if (s->runners[i].started) pthread_join(s->runners[i].thread, NULL);
}

uint64_t stream_stop(struct stream *s, uint64_t drain_ms)
{
    uint64_t deadline = clock_monotonic_ms() + drain_ms;
    atomic_store(&s->ready, false);
    stop_sources(s);
    queue_close(&s->work);
    while (!all_is_settled(s, deadline) && clock_monotonic_ms() < deadline && !atomic_load(&s->hurry)) continue;
    ledger_abort(s->ledger);
    for (size_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].started) pthread_join(s->workers[i].thread, NULL);
    atomic_store(&s->sinks_stop, true);
    for (size_t i = 0; i < s->config->sink_count; i++) {
        struct sink *sink = s->shippers[i].sink;
        if (sink->type->wake != NULL) sink->type->wake(sink);
        if (s->shippers[i].started) pthread_join(s->shippers[i].thread, NULL);
    }
    return ledger_lost(s->ledger);
}

void stream_free(struct stream *s)
{
    if (s == NULL) return;
    for (size_t i = 0; s->shippers != NULL && i < s->config->sink_count; i++)
        if (s->shippers[i].opened) s->shippers[i].sink->type->close(s->shippers[i].sink);
    ledger_free(s->ledger);
    for (size_t i = 0; s->runners != NULL && i < s->config->source_count; i++) runner_release(&s->runners[i]);
    for (size_t i = 0; s->workers != NULL && i < s->worker_count; i++) tally_release(&s->workers[i].seen);
    queue_release(&s->work);
    policies_release(s->policies);
    policies_release(s->first);
    if (s->store != NULL) store_close(s->store);
    for (size_t i = 0; i < s->rule_count; i++) free((char *)s->rules[i].id);
    pthread_mutex_destroy(&s->policies_lock);
    pthread_mutex_destroy(&s->failure_lock);
    free(s->runners);
    free(s->workers);
    free(s->shippers);
    free(s);
}

void stream_figures(struct stream *s, struct stream_figures *f)
{
    *f = (struct stream_figures){.config = s->config, .ledger = s->ledger, .store = s->store, .started_ms = s->started_ms, .rules = s->rules,
                                 .work_queue = queue_count(&s->work), .reloads = atomic_load(&s->generation), .ready = atomic_load(&s->ready)};
    for (size_t i = 0; i < REFUSAL_COUNT; i++) f->withheld[i] = atomic_load(&s->withheld[i]);
    for (size_t i = 0; i < KIND_COUNT; i++) f->kinds[i] = atomic_load(&s->kinds[i]);
    pthread_mutex_lock(&s->policies_lock);
    f->rule_count = s->rule_count;
    pthread_mutex_unlock(&s->policies_lock);
}
