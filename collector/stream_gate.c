/* The second gate for what comes out of the spool to a sink that sends over the network. A block may have been kept when its sink
 * was one that writes to this machine, or by a version with fewer rules, so nobody may have looked at it yet.
 * One gate for all sinks, made when it is first needed: the spool is read only after a sink was away. */
#include "stream_priv.h"

#include <inttypes.h>

struct holding_back {
    struct block *block;
    uint32_t      bit;     /* of the sink that gets this block */
    uint64_t      count;
};

static void hold_back(void *context, size_t line, uint32_t rule)
{
    struct holding_back *h = context;
    (void)rule;
    if ((h->block->records[line].sinks & h->bit) == 0) return;
    h->block->records[line].sinks &= ~h->bit;
    h->count++;
}

/* By the newest policies: they say which values are allowed. */
static bool renew_gate(struct stream *s)
{
    struct spool_gate *g = &s->spool_gate;
    struct error       err = {0};
    if (g->gate != NULL && g->policies->generation == atomic_load(&s->generation)) return true;
    stream_gate_release(g);
    pthread_mutex_lock(&s->policies_lock);
    g->policies = policies_hold(s->policies);
    pthread_mutex_unlock(&s->policies_lock);
    g->gate = gate_new(g->policies->plans[0], &err);
    return g->gate != NULL;
}

static void count(struct stream *s, const struct sink *sink, uint64_t held)
{
    if (held == 0) return;
    atomic_fetch_add(&s->withheld[REFUSAL_GATE], held);
    if (s->sealed.path != NULL) atomic_fetch_add(&s->sealed.not_kept, held);   /* only their text is left */
    log_line(LOG_ERROR, sink->name, "%" PRIu64 " record%s of the spool withheld: %s", held, held == 1 ? "" : "s", refusal_explanation(REFUSAL_GATE));
}

bool stream_examine(void *stream, const struct sink *sink, struct block *block)
{
    struct stream      *s = stream;
    struct holding_back h = {.block = block, .bit = (uint32_t)1 << sink->number};
    if (!sink->type->network || !s->config->run.second_gate) return true;
    const struct encoded *bytes = &block->encodings[sink->encoding].bytes;
    pthread_mutex_lock(&s->spool_gate.lock);
    bool examined = renew_gate(s) && gate_find(s->spool_gate.gate, slice_of(bytes->data, bytes->len), hold_back, &h);
    pthread_mutex_unlock(&s->spool_gate.lock);
    if (examined) count(s, sink, h.count);
    return examined;
}

void stream_gate_release(struct spool_gate *g)
{
    gate_free(g->gate);
    policies_release(g->policies);
    g->gate = NULL;
    g->policies = NULL;
}
