/* The second gate for what comes out of the spool to a sink that sends over the network. A block may have been kept when its sink
 * was one that writes to this machine, or by a version with fewer rules, so nobody may have looked at it yet.
 * One gate for all sinks, made when it is first needed: the spool is read only after a sink was away. */
#include "stream_priv.h"

#include <inttypes.h>
#include <time.h>

struct holding_back {
    struct spool_gate *gate;
    const struct sink *sink;
    struct block      *block;
    uint64_t           count;
    bool               sealed_all;
    struct seal_facts  facts;
};

/* Its text as the sink would have got it is all that is left of the record. */
static void seal(struct holding_back *h, size_t line)
{
    struct spool_gate *g = h->gate;
    if (g->sealer == NULL) return;
    h->sealed_all = clean_text_seal(g->sealer, sink_bytes(h->sink, h->block, line), line + 1, REFUSAL_GATE, &h->facts,
                                    &g->sealed) && h->sealed_all;
}

static void hold_back(void *context, size_t line, uint32_t rule)
{
    struct holding_back *h = context;
    const uint32_t       bit = (uint32_t)1 << h->sink->number;
    (void)rule;
    if ((h->block->records[line].sinks & bit) == 0) return;
    h->block->records[line].sinks &= ~bit;
    h->count++;
    seal(h, line);
}

static struct slice policy_of(void *context, size_t line)
{
    const struct block *b = ((const struct holding_back *)context)->block;
    return block_label(b, b->records[line].policy);
}

/* By the newest policies: they say which values are allowed. A record whose policy is not among them is judged by the
 * strictest. */
static bool renew_gate(struct stream *s)
{
    struct spool_gate *g = &s->spool_gate;
    struct error       err = {0};
    if (g->gate != NULL && g->policies->generation == atomic_load(&s->generation)) return true;
    stream_gate_release(g);
    pthread_mutex_lock(&s->policies_lock);
    g->policies = policies_hold(s->policies);
    pthread_mutex_unlock(&s->policies_lock);
    bool ready = (g->gate = gate_new_for_set(g->policies->set, &err)) != NULL &&
                 (s->sealed.path == NULL || (g->sealer = sealer_new(&g->policies->seal_key, &err)) != NULL);
    if (!ready) stream_gate_release(g);
    return ready;
}

static void keep_sealed(struct stream *s, const struct holding_back *h)
{
    struct error err = {0};
    if (h->gate->sealer == NULL) return;
    if (!h->sealed_all) error_set(&err, ERROR_MEMORY, "no memory to keep withheld records");
    bool kept = h->sealed_all && sealed_log_append(&s->sealed, &h->gate->sealed, &err);
    atomic_fetch_add(kept ? &s->sealed.kept : &s->sealed.not_kept, h->count);
    if (!kept) log_line(LOG_ERROR, h->sink->name, "%s", err.text);
}

static void tell(struct stream *s, const struct holding_back *h)
{
    if (h->count == 0) return;
    keep_sealed(s, h);
    atomic_fetch_add(&s->withheld[REFUSAL_GATE], h->count);
    log_line(LOG_ERROR, h->sink->name, "%" PRIu64 " record%s of the spool withheld: %s", h->count, h->count == 1 ? "" : "s",
             refusal_explanation(REFUSAL_GATE));
}

bool stream_examine(void *stream, const struct sink *sink, struct block *block)
{
    struct stream      *s = stream;
    struct spool_gate  *g = &s->spool_gate;
    struct holding_back h = {.gate = g, .sink = sink, .block = block, .sealed_all = true, .facts = {.source = SLICE("spool")}};
    if (!sink->type->network || !s->config->run.second_gate) return true;
    const struct encoded *bytes = &block->encodings[sink->encoding].bytes;
    clock_gettime(CLOCK_REALTIME, &h.facts.time);
    pthread_mutex_lock(&g->lock);
    g->sealed.len = 0;
    bool examined = renew_gate(s) && gate_find(g->gate, slice_of(bytes->data, bytes->len), policy_of, hold_back, &h);
    if (examined) tell(s, &h);
    pthread_mutex_unlock(&g->lock);
    return examined;
}

void stream_gate_release(struct spool_gate *g)
{
    gate_free(g->gate);
    sealer_free(g->sealer);
    policies_release(g->policies);
    sealed_lines_release(&g->sealed);
    g->gate = NULL;
    g->sealer = NULL;
    g->policies = NULL;
}
