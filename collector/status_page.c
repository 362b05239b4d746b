#include "status_page.h"

#include "base/clock.h"
#include "metrics.h"
#include "text.h"

#include <inttypes.h>

/* --- Readiness -------------------------------------------------------------------------------------------------------------- */

#define MOST_REASONS (BLOCK_SINKS + 2)
#define REASON_TEXT  160

struct reasons {
    char   texts[MOST_REASONS][REASON_TEXT];
    size_t count;
};

static void find_reasons(const struct stream_figures *f, struct reasons *r)
{
    r->count = 0;
    if (!f->ready) snprintf(r->texts[r->count++], REASON_TEXT, "stopping");
    if (f->spool_full) snprintf(r->texts[r->count++], REASON_TEXT, "the %sspool is full", f->disk_full ? "disk of the " : "");
    if (f->store_failing) snprintf(r->texts[r->count++], REASON_TEXT, "the store cannot be written");
    for (size_t i = 0; i < f->config->sink_count; i++) {
        const struct sink *s = f->config->sinks[i];
        uint64_t           ms = sink_failing_ms(s);
        if (s->required && ms >= READY_FAILING_MS)
            snprintf(r->texts[r->count++], REASON_TEXT, "sink %s has been failing for %" PRIu64 " s", s->name, ms / 1000);
    }
}

bool readiness_write(const struct stream_figures *f, struct encoded *out, bool *ready)
{
    struct text    text = {.out = out};
    struct reasons reasons;
    find_reasons(f, &reasons);
    for (size_t i = 0; i < reasons.count; i++) text_format(&text, "not ready: %s\n", reasons.texts[i]);
    if (reasons.count == 0) text_add(&text, SLICE("ready\n"));
    *ready = reasons.count == 0;
    return !text.failed;
}

/* --- The object ------------------------------------------------------------------------------------------------------- */

/* Members are written as ,"name":value; begin() writes the bracket and leaves out the first comma. */
struct json {
    struct text *text;
    bool         first;
};

static void separate(struct json *j)
{
    if (!j->first) text_add(j->text, SLICE(","));
    j->first = false;
}

static void begin(struct json *j, const char *name, const char *bracket)
{
    separate(j);
    if (name != NULL) text_format(j->text, "\"%s\":", name);
    text_add(j->text, slice_from(bracket));
    j->first = true;
}

static void end(struct json *j, const char *bracket)
{
    text_add(j->text, slice_from(bracket));
    j->first = false;
}

static void number(struct json *j, const char *name, uint64_t value)
{
    separate(j);
    text_format(j->text, "\"%s\":%" PRIu64, name, value);
}

static void literal(struct json *j, const char *name, const char *value)
{
    separate(j);
    text_format(j->text, "\"%s\":%s", name, value);
}

static void boolean(struct json *j, const char *name, bool value) { literal(j, name, value ? "true" : "false"); }

static void string(struct json *j, const char *name, const char *value)
{
    separate(j);
    if (name != NULL) text_format(j->text, "\"%s\":", name);
    text_add_json(j->text, slice_from(value));
}

static void write_source(struct json *j, const struct source *s)
{
    const struct source_counters *c = &s->counters;
    uint64_t                      lag = atomic_load(&c->lag_bytes);
    begin(j, NULL, "{");
    string(j, "name", s->name);
    string(j, "type", s->type->name);
    number(j, "received", atomic_load(&c->records));
    number(j, "clean", atomic_load(&c->clean));
    number(j, "redacted", atomic_load(&c->redacted));
    number(j, "withheld", atomic_load(&c->withheld));
    number(j, "bytes", atomic_load(&c->bytes));
    number(j, "errors", atomic_load(&c->errors));
    number(j, "lost_bytes", atomic_load(&c->lost_bytes));
    number(j, "streams", atomic_load(&c->streams));
    if (lag == UINT_FAST64_MAX) literal(j, "lag_bytes", "null");
    else number(j, "lag_bytes", lag);
    end(j, "}");
}

static uint64_t deliveries(const struct sink_figures *f)
{
    uint64_t count = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) count += f->latency[i];
    return count;
}

static void write_sink(struct json *j, const struct stream_figures *figures, const struct sink *s)
{
    const struct sink_counters *c = &s->counters;
    const struct sink_figures   f = ledger_sink_figures(figures->ledger, s);
    char                        trouble[SINK_TROUBLE];
    sink_trouble_text(s, trouble);
    begin(j, NULL, "{");
    string(j, "name", s->name);
    string(j, "type", s->type->name);
    string(j, "format", format_text((enum format)s->format));
    boolean(j, "required", s->required);
    number(j, "failing_ms", sink_failing_ms(s));
    string(j, "trouble", trouble);
    number(j, "delivered", atomic_load(&c->delivered));
    number(j, "rejected", atomic_load(&c->rejected));
    number(j, "missed", atomic_load(&c->missed));
    number(j, "retried", atomic_load(&c->retried));
    number(j, "bytes", atomic_load(&c->delivered_bytes));
    number(j, "lag_blocks", f.behind_blocks);
    number(j, "lag_bytes", f.behind_bytes);
    number(j, "oldest_ms", f.oldest_ms);
    number(j, "latency_sum_ms", f.latency_sum_ms);
    number(j, "latency_count", deliveries(&f));
    end(j, "}");
}

static void write_memory(struct json *j, const struct stream_figures *figures)
{
    const struct ledger_figures f = ledger_figures(figures->ledger);
    begin(j, "memory", "{");
    number(j, "blocks", f.blocks_in_memory);
    number(j, "limit", f.blocks);
    number(j, "unsettled", f.unsettled_blocks);
    number(j, "oldest_ms", f.oldest_unsettled_ms);
    number(j, "work_queue", figures->work_queue);
    end(j, "}");
}

static void write_spool(struct json *j, const struct stream_figures *figures)
{
    if (figures->store == NULL) {
        literal(j, "spool", "null");
        return;
    }
    const struct store_figures f = store_figures(figures->store);
    begin(j, "spool", "{");
    number(j, "blocks", f.blocks);
    number(j, "bytes", f.bytes);
    number(j, "max_bytes", f.max_bytes);
    number(j, "commits", f.commits);
    number(j, "full_commits", f.full_commits);
    number(j, "failed_commits", f.failed_commits);
    number(j, "damaged_blocks", f.damaged_blocks);
    boolean(j, "full", figures->spool_full);
    boolean(j, "disk_full", figures->disk_full);
    boolean(j, "failing", figures->store_failing);
    end(j, "}");
}

static void write_count(struct json *j, const char *name, const char *help, uint64_t count)
{
    if (count == 0) return;
    begin(j, NULL, "{");
    string(j, "name", name);
    if (help != NULL) string(j, "help", help);
    number(j, "count", count);
    end(j, "}");
}

static void write_counts(struct json *j, const struct stream_figures *f)
{
    begin(j, "redactions", "[");
    for (size_t i = 0; i < f->rule_count; i++) write_count(j, f->rules[i].id, NULL, atomic_load(&f->rules[i].count));
    end(j, "]");
    begin(j, "withheld", "[");
    for (size_t i = 0; i < REFUSAL_COUNT; i++)
        write_count(j, refusal_text((enum refusal)i), refusal_explanation((enum refusal)i), f->withheld[i]);
    end(j, "]");
    begin(j, "kinds", "[");
    for (size_t i = 0; i < KIND_COUNT; i++) write_count(j, kind_text((enum kind)i), NULL, f->kinds[i]);
    end(j, "]");
}

static void write_head(struct json *j, const struct stream_figures *f)
{
    struct reasons reasons;
    find_reasons(f, &reasons);
    string(j, "version", LETHE_VERSION);
    number(j, "started_ms", f->started_ms);
    number(j, "now_ms", clock_realtime_ms());
    number(j, "reloads", f->reloads);
    boolean(j, "ready", reasons.count == 0);
    begin(j, "reasons", "[");
    for (size_t i = 0; i < reasons.count; i++) string(j, NULL, reasons.texts[i]);
    end(j, "]");
}

bool status_write(const struct stream_figures *f, struct encoded *out)
{
    struct text text = {.out = out};
    struct json j = {&text, true};
    begin(&j, NULL, "{");
    write_head(&j, f);
    begin(&j, "sources", "[");
    for (size_t i = 0; i < f->config->source_count; i++) write_source(&j, f->config->sources[i]);
    end(&j, "]");
    begin(&j, "sinks", "[");
    for (size_t i = 0; i < f->config->sink_count; i++) write_sink(&j, f, f->config->sinks[i]);
    end(&j, "]");
    write_memory(&j, f);
    write_spool(&j, f);
    write_counts(&j, f);
    end(&j, "}\n");
    return !text.failed;
}
