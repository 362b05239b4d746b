#include "stream_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_EXTRA      (256 * 1024)   /* room beyond the longest record, so that short ones come in large batches */
#define IDLE_WAIT_MS     200            /* how long a thread waits before it looks whether it should stop */
#define LEAST_PAUSE_MS   100            /* after a source failed */
#define MOST_PAUSE_MS    30000

/* --- Failure ---------------------------------------------------------------------------------------------------------------- */

void stream_fail(struct stream *s, const struct error *err)
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

static void be_idle(const struct runner *r)
{
    if (r->source->type->idle != NULL) r->source->type->idle(r->source);
}

/* Waits, but not longer than the run goes on. */
static void pause_source(struct runner *r, uint64_t pause_ms)
{
    uint64_t until = clock_monotonic_ms() + pause_ms;
    for (uint64_t now; !atomic_load(&r->source->stopping) && (now = clock_monotonic_ms()) < until; be_idle(r))
        usleep((useconds_t)(1000 * (until - now < IDLE_WAIT_MS ? until - now : IDLE_WAIT_MS)));
}

static void tell_failure(struct runner *r, const struct error *err)
{
    uint64_t left_out;
    atomic_fetch_add(&r->source->counters.errors, 1);
    if (log_passes(&r->failure_limit, MOST_PAUSE_MS, &left_out))
        log_line(LOG_WARNING, r->source->name, "%s; will be tried again", err->text);
}

/* Whether the source is to be asked for more. */
static bool goes_on(const struct runner *r)
{
    const struct stream *s = r->stream;
    const struct source *source = r->source;
    if (!atomic_load(&source->stopping)) return true;
    return source->type->finishes && atomic_load(&source->ending) && !atomic_load(&s->hurry) &&
           clock_monotonic_ms() < atomic_load(&s->finish_until_ms);
}

static void *run_source(void *runner)
{
    struct runner *r = runner;
    struct cargo  *c = NULL;
    uint64_t       number = 0, pause_ms = LEAST_PAUSE_MS;
    bool           more = true;
    while (more && goes_on(r)) {
        struct error err = {0};
        if (c == NULL && (c = queue_take(&r->home, IDLE_WAIT_MS)) == NULL) {
            be_idle(r);
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

/* The source is opened before it has cargoes: it may need them larger. */
static bool runner_init(struct runner *r, struct stream *s, struct source *source, struct error *err)
{
    unsigned count = source->type->cargoes;
    *r = (struct runner){.stream = s, .source = source};
    r->cargoes = calloc(count, sizeof *r->cargoes);
    if (r->cargoes == NULL || !queue_init(&r->home, count))
        return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name);
    source->store = s->store;
    source->store_born_ns = s->store != NULL ? born_ns(s->config->store.path) : UINT64_MAX;
    source->keys = s->first->keys;
    if (!source->type->open(source, err)) return false;
    for (unsigned i = 0; i < count; i++) {
        r->cargoes[i].source = source;
        r->cargoes[i].home = &r->home;
        if (!batch_init(&r->cargoes[i].batch, source->max_record + BATCH_EXTRA) ||
            !cargo_reserve_origins(&r->cargoes[i], CARGO_ORIGINS))
            return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name);
        queue_push(&r->home, &r->cargoes[i]);
    }
    return true;
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
        /* it has no way to tell when it can go on */
        if (type->poll == NULL && waiting != NULL) usleep(1000 * IDLE_WAIT_MS / 4);
        if (type->poll == NULL || type->poll(h->sink, took ? 0 : IDLE_WAIT_MS, &err)) continue;
        stream_fail(h->stream, &err);
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
    if (report.damaged_blocks > 0)
        log_line(LOG_ERROR, "store", "%" PRIu64 " damaged blocks were stepped over", report.damaged_blocks);
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
    s->ledger = ledger_new(&(struct ledger_options){.store = s->store, .scheme = &s->scheme, .sources = c->sources,
                                                    .source_count = c->source_count, .sinks = c->sinks,
                                                    .sink_count = c->sink_count, .blocks = (size_t)c->run.blocks,
                                                    .examine = stream_examine, .examiner = s}, err);
    return s->ledger != NULL;
}

bool stream_check(const struct config *config, struct error *err)
{
    struct policies *p = policies_load(config, false, err);
    policies_release(p);
    return p != NULL;
}

static void number_rules(struct stream *s)
{
    const struct plan *plan = s->first->plans[0];
    s->rule_count = plan_rule_count(plan);
    s->rules = calloc(s->rule_count, sizeof *s->rules);
    CHECK(s->rules != NULL);
    for (size_t i = 0; i < s->rule_count; i++) s->rules[i].id = plan_rule(plan, i).id;
}

struct stream *stream_open(struct config *config, struct error *err)
{
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->config = config;
    pthread_mutex_init(&s->policies_lock, NULL);
    pthread_mutex_init(&s->failure_lock, NULL);
    pthread_mutex_init(&s->spool_gate.lock, NULL);
    block_scheme_init(&s->scheme, config->sinks, config->sink_count);
    sealed_log_init(&s->sealed, config->sealed.path, config->sealed.max_bytes);
    if (open_store(s, err) && (s->policies = policies_load(config, true, err)) != NULL) {
        s->first = policies_hold(s->policies);
        number_rules(s);
        if (open_sinks(s, err) && open_ledger(s, err) && open_sources(s, err)) return s;
    }
    stream_free(s);
    return NULL;
}

static bool start_thread(pthread_t *thread, void *(*run)(void *), void *argument, const char *kind, const char *name,
                         bool *started, struct error *err)
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
        sound = start_thread(&s->workers[i].thread, stream_work, &s->workers[i], "work", number, &s->workers[i].started, err);
    }
    for (size_t i = 0; sound && i < s->config->sink_count; i++)
        sound = start_thread(&s->shippers[i].thread, run_sink, &s->shippers[i], "sink", s->shippers[i].sink->name,
                             &s->shippers[i].started, err);
    for (size_t i = 0; sound && i < s->config->source_count; i++)
        sound = start_thread(&s->runners[i].thread, run_source, &s->runners[i], "src", s->runners[i].source->name,
                             &s->runners[i].started, err);
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

bool stream_is_delivered(struct stream *s) { return ledger_is_delivered(s->ledger); }

bool stream_renew_policy(struct stream *s, const struct config *config, struct error *err)
{
    struct policies *old = s->policies, *fresh = policies_load(config, true, err);
    if (fresh == NULL) return false;
    fresh->generation = old->generation + 1;
    pthread_mutex_lock(&s->policies_lock);
    s->policies = fresh;
    pthread_mutex_unlock(&s->policies_lock);
    atomic_store(&s->generation, fresh->generation);
    policies_release(old);
    return true;
}

void stream_hurry(struct stream *s) { atomic_store(&s->hurry, true); }

void stream_tell_to_stop(struct stream *s, uint64_t drain_ms, bool ends)
{
    atomic_store(&s->finish_until_ms, clock_monotonic_ms() + drain_ms);
    for (size_t i = 0; i < s->config->source_count; i++) {
        atomic_store(&s->config->sources[i]->ending, ends);
        atomic_store(&s->config->sources[i]->stopping, true);
    }
}

static void stop_sources(struct stream *s)
{
    for (size_t i = 0; i < s->config->source_count; i++) {
        struct source *source = s->config->sources[i];
        if (s->runners[i].started && source->type->wake != NULL) source->type->wake(source);
    }
    for (size_t i = 0; i < s->config->source_count; i++)
        if (s->runners[i].started) pthread_join(s->runners[i].thread, NULL);
}

uint64_t stream_stop(struct stream *s, uint64_t drain_ms, bool ends)
{
    uint64_t deadline = clock_monotonic_ms() + drain_ms;
    atomic_store(&s->ready, false);
    stream_tell_to_stop(s, drain_ms, ends);
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
    return ledger_lost(s->ledger) + atomic_load(&s->abandoned);
}

void stream_free(struct stream *s)
{
    if (s == NULL) return;
    for (size_t i = 0; s->shippers != NULL && i < s->config->sink_count; i++)
        if (s->shippers[i].opened) s->shippers[i].sink->type->close(s->shippers[i].sink);
    ledger_free(s->ledger);
    for (size_t i = 0; s->runners != NULL && i < s->config->source_count; i++) runner_release(&s->runners[i]);
    queue_release(&s->work);
    stream_gate_release(&s->spool_gate);
    policies_release(s->policies);
    policies_release(s->first);
    if (s->store != NULL) store_close(s->store);
    sealed_log_release(&s->sealed);
    pthread_mutex_destroy(&s->policies_lock);
    pthread_mutex_destroy(&s->failure_lock);
    pthread_mutex_destroy(&s->spool_gate.lock);
    free(s->rules);
    free(s->runners);
    free(s->workers);
    free(s->shippers);
    free(s);
}

void stream_figures(struct stream *s, struct stream_figures *f)
{
    *f = (struct stream_figures){.config = s->config, .ledger = s->ledger, .store = s->store, .started_ms = s->started_ms,
                                 .rules = s->rules, .rule_count = s->rule_count, .sealed = atomic_load(&s->sealed.kept),
                                 .not_sealed = atomic_load(&s->sealed.not_kept), .work_queue = queue_count(&s->work),
                                 .reloads = atomic_load(&s->generation), .ready = atomic_load(&s->ready)};
    if (s->store != NULL) {
        const struct store_figures store = store_figures(s->store);
        f->spool_full = ledger_figures(s->ledger).spool_full || store.full;
        f->disk_full = f->spool_full && store.disk_full;
        f->store_failing = store.failing;
    }
    for (size_t i = 0; i < REFUSAL_COUNT; i++) f->withheld[i] = atomic_load(&s->withheld[i]);
    for (size_t i = 0; i < KIND_COUNT; i++) f->kinds[i] = atomic_load(&s->kinds[i]);
}
