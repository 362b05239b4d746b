/* For tests: a worker of a streaming run, with a source, a ledger and a sink around it that are nothing but tables. Texts become
 * cargoes; the worker does all of them in the test's own thread and comes back; what the sink gets and what the source hears is
 * noted here. Nothing waits for anything. */
#ifndef LETHE_TESTS_WORKING_H
#define LETHE_TESTS_WORKING_H

#include "storing.h"

#include "stream_priv.h"

#define WORKING_CARGOES  4
#define WORKING_VERDICTS 2048
#define WORKING_RECORD   4096   /* bytes: longest record */

/* What the source has heard of its batches. */
struct heard {
    size_t         settled, abandoned, put_off;
    uint32_t       record_counts[WORKING_VERDICTS];
    size_t         origin_count;
    struct verdict verdicts[WORKING_VERDICTS];
    size_t         verdict_count;
};

static struct heard heard;

static inline void hear_settled(struct source *s, struct receipt *r)
{
    (void)s;
    heard.put_off += r->put_off;
    heard.settled++;
    heard.origin_count = r->origin_count;
    heard.verdict_count = r->verdict_count;
    assert_true(r->origin_count <= WORKING_VERDICTS && r->verdict_count <= WORKING_VERDICTS);
    if (r->origin_count > 0) memcpy(heard.record_counts, r->record_counts, r->origin_count * sizeof *r->record_counts);
    if (r->verdict_count > 0) memcpy(heard.verdicts, r->verdicts, r->verdict_count * sizeof *r->verdicts);
    free(r);
}

static inline void hear_abandoned(struct source *s, struct receipt *r)
{
    (void)s;
    heard.abandoned++;
    free(r);
}

struct working {
    struct config      config;
    struct source_type type;
    struct source      source, *sources[1];
    struct sink_type   sink_type;
    struct sink        sink, *sinks[1];
    struct policy_rule rule;
    struct queue       home;
    struct framer     *framer;
    struct cargo       cargoes[WORKING_CARGOES];
    size_t             sent;
    struct stream      stream;
    struct worker      worker;
};

/* What a test may want otherwise; {0} is: standard, to a file, nothing kept. Texts that stay where they are. */
struct working_options {
    const char *policy, *source_policy;   /* names or files; the second is for the source only */
    bool        network, gate_off, wants_verdicts, puts_off;
    const char *sealed, *seal_key;
};

static inline void working_cargo(struct working *w, struct cargo *c)
{
    *c = (struct cargo){.source = &w->source, .home = &w->home};
    assert_true(batch_init(&c->batch, FRAMER_ROOM(WORKING_RECORD) + 64 * 1024));
    snprintf(c->place, sizeof c->place, "a.log");
}

/* Policies take half a second to make: each pair is made once. */
static struct {
    const char      *policy, *source_policy;
    struct policies *policies;
} working_made[8];

static inline struct policies *working_policies(struct working *w)
{
    struct error err = {0};
    const char  *policy = w->config.run.policy, *of_source = w->source.policy;
    size_t       i = 0;
    for (; working_made[i].policies != NULL; i++)
        if (strcmp(working_made[i].policy, policy) == 0 && working_made[i].source_policy == of_source) return policies_hold(working_made[i].policies);
    assert_true(i + 1 < sizeof working_made / sizeof *working_made);
    working_made[i].policy = policy;
    working_made[i].source_policy = of_source;
    if ((working_made[i].policies = policies_load(&w->config, false, &err)) == NULL) fail_msg("%s", err.text);
    return policies_hold(working_made[i].policies);
}

static inline void working_forget(void)
{
    for (size_t i = 0; working_made[i].policies != NULL; i++) {
        policies_release(working_made[i].policies);
        working_made[i].policies = NULL;
    }
}

static inline void working_seal(struct working *w, const char *path, const char *key_file)
{
    struct error err = {0};
    w->config.sealed = (struct sealed_settings){path, key_file, 1 << 20};
    sealed_log_init(&w->stream.sealed, path, w->config.sealed.max_bytes);
    if (path != NULL && !seal_key_load(key_file, &w->stream.policies->seal_key, &err)) fail_msg("%s", err.text);
}

static inline void working_stream(struct working *w)
{
    struct stream *s = &w->stream;
    struct error   err = {0};
    s->config = &w->config;
    block_scheme_init(&s->scheme, w->sinks, 1);
    pthread_mutex_init(&s->policies_lock, NULL);
    pthread_mutex_init(&s->failure_lock, NULL);
    s->policies = working_policies(w);
    s->rule_count = plan_rule_count(s->policies->plans[0]);
    s->rules = calloc(s->rule_count, sizeof *s->rules);
    for (size_t i = 0; i < s->rule_count; i++) s->rules[i].id = plan_rule(s->policies->plans[0], i).id;
    s->ledger = ledger_new(&(struct ledger_options){.scheme = &s->scheme, .sources = w->sources, .source_count = 1, .sinks = w->sinks,
                                                    .sink_count = 1, .blocks = 2 * WORKING_CARGOES}, &err);
    assert_true(s->ledger != NULL && s->rules != NULL && queue_init(&s->work, WORKING_CARGOES));
}

static inline void working_open(struct working *w, struct working_options o)
{
    memset(w, 0, sizeof *w);
    heard = (struct heard){0};
    w->type = (struct source_type){.name = "told", .wants_verdicts = o.wants_verdicts, .puts_off = o.puts_off,
                                    .settled = hear_settled, .abandoned = hear_abandoned};
    w->sink_type = (struct sink_type){.name = "taken", .formats = "original", .network = o.network};
    w->source = (struct source){.type = &w->type, .name = "console", .policy = o.source_policy, .max_record = WORKING_RECORD};
    w->sink = (struct sink){.type = &w->sink_type, .name = "archive", .format = FORMAT_ORIGINAL, .required = true, .max_lag = 1 << 20};
    w->sources[0] = &w->source;
    w->sinks[0] = &w->sink;
    w->config = (struct config){.run = {.policy = o.policy != NULL ? o.policy : "standard", .max_record = WORKING_RECORD, .max_depth = 16,
                                        .second_gate = !o.gate_off},
                                .sources = w->sources, .source_count = 1, .sinks = w->sinks, .sink_count = 1};
    working_stream(w);
    working_seal(w, o.sealed, o.seal_key);
    w->worker.stream = &w->stream;
    w->framer = framer_new(&(struct framer_options){.max_document = WORKING_RECORD});
    assert_true(w->framer != NULL && queue_init(&w->home, WORKING_CARGOES));
    for (size_t i = 0; i < WORKING_CARGOES; i++) working_cargo(w, &w->cargoes[i]);
}

static inline ptrdiff_t working_read(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct slice *left = context;
    size_t        len = left->len < capacity ? left->len : capacity;
    (void)err;
    memcpy(buffer, left->data, len);
    *left = slice_sub(*left, len, left->len);
    return (ptrdiff_t)len;
}

/* Adds the text to a cargo as what came from one more origin. */
static inline void working_add(struct working *w, struct cargo *c, const char *text)
{
    struct error  err = {0};
    struct slice  left = slice_from(text);
    size_t        first = c->batch.count;
    struct origin origin = {.number = c->origin_count};
    uint32_t      number = cargo_add_origin(c, &origin);
    framer_reset(w->framer, (struct byte_source){working_read, &left});
    assert_int_equal(framer_fill(w->framer, &c->batch, &err), FILL_END);
    for (size_t i = first; i < c->batch.count; i++) c->batch.documents[i].origin = number;
}

/* Sends the worker one more batch, filled from so many texts, each an origin. */
static inline void working_send(struct working *w, const char *const *texts, size_t count)
{
    struct cargo *c = &w->cargoes[w->sent];
    assert_true(w->sent < WORKING_CARGOES);
    for (size_t i = 0; i < count; i++) working_add(w, c, texts[i]);
    c->number = w->sent++;
    c->receipt = calloc(1, sizeof *c->receipt);
    assert_non_null(c->receipt);
    atomic_fetch_add(&w->stream.under_way, 1);
    queue_push(&w->stream.work, c);
}

/* The worker's whole life: it does what it was sent and ends. All cargoes are home then. */
static inline void working_run(struct working *w)
{
    queue_close(&w->stream.work);
    stream_work(&w->worker);
    CHECK(atomic_load(&w->stream.under_way) == 0 && queue_count(&w->home) == w->sent);
}

/* The next record for the sink, from the block in hand or the next one; NULL: there is none. Blocks done with go back. */
static inline const char *working_next(struct working *w, struct block **block, size_t *at)
{
    static char text[2 * WORKING_RECORD];
    for (;; ++*at) {
        if (*block == NULL) {
            if ((*block = ledger_next(w->stream.ledger, &w->sink, 0)) == NULL) return NULL;
            *at = 0;
        }
        if (*at == (*block)->count) {
            sink_done(&w->sink, *block, NULL, 0);
            *block = NULL;
            continue;
        }
        if (sink_wants(&w->sink, *block, *at)) break;
    }
    struct slice bytes = sink_bytes(&w->sink, *block, (*at)++);
    assert_true(bytes.len < sizeof text);
    memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = '\0';
    return text;
}

/* All that the sink gets, each record a line. */
static inline const char *working_out(struct working *w)
{
    static char   out[8 * WORKING_RECORD];
    struct block *block = NULL;
    size_t        at = 0, len = 0;
    out[0] = '\0';
    for (const char *record; (record = working_next(w, &block, &at)) != NULL;)
        len += (size_t)snprintf(out + len, sizeof out - len, "%s\n", record);
    return out;
}

static inline void working_close(struct working *w)
{
    queue_close(&w->stream.work);
    for (struct cargo *c; (c = queue_take(&w->stream.work, 0)) != NULL;) free(c->receipt);   /* never run */
    ledger_free(w->stream.ledger);
    policies_release(w->stream.policies);
    for (size_t i = 0; i < WORKING_CARGOES; i++) {
        batch_release(&w->cargoes[i].batch);
        free(w->cargoes[i].origins);
    }
    framer_free(w->framer);
    queue_release(&w->home);
    queue_release(&w->stream.work);
    sealed_log_release(&w->stream.sealed);
    free(w->stream.rules);
}

#endif
