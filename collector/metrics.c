#include "metrics.h"

#include "base/clock.h"
#include "text.h"

#include <inttypes.h>
#include <limits.h>

/* One rendering: where it goes, and what is told. */
struct metrics {
    struct text                 *text;
    const struct stream_figures *figures;
};

/* --- Lines ------------------------------------------------------------------------------------------------------------------ */

static void family(struct metrics *m, const char *name, const char *type, const char *help)
{
    text_format(m->text, "# HELP lethe_%s %s\n# TYPE lethe_%s %s\n", name, help, name, type);
}

static void label_value(struct metrics *m, const char *value)
{
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\n') text_add(m->text, SLICE("\\n"));
        else if (*p == '"' || *p == '\\') text_format(m->text, "\\%c", *p);
        else text_add(m->text, slice_of(p, 1));
    }
}

static void labelled(struct metrics *m, const char *name, const char *label, const char *value)
{
    text_format(m->text, "lethe_%s{%s=\"", name, label);
    label_value(m, value);
    text_add(m->text, SLICE("\"} "));
}

static void labelled_count(struct metrics *m, const char *name, const char *label, const char *value, uint64_t count)
{
    labelled(m, name, label, value);
    text_format(m->text, "%" PRIu64 "\n", count);
}

static void labelled_ms(struct metrics *m, const char *name, const char *label, const char *value, uint64_t ms)
{
    labelled(m, name, label, value);
    text_format(m->text, "%" PRIu64 ".%03u\n", ms / 1000, (unsigned)(ms % 1000));
}

static void single(struct metrics *m, const char *name, const char *type, const char *help, uint64_t value)
{
    family(m, name, type, help);
    text_format(m->text, "lethe_%s %" PRIu64 "\n", name, value);
}

static void single_ms(struct metrics *m, const char *name, const char *type, const char *help, uint64_t ms)
{
    family(m, name, type, help);
    text_format(m->text, "lethe_%s %" PRIu64 ".%03u\n", name, ms / 1000, (unsigned)(ms % 1000));
}

/* --- Sources and sinks ------------------------------------------------------------------------------------------------------ */

/* A counter of each source or sink: a family with one line for each. */
struct counter_row {
    const char *name, *type, *help;
    size_t      offset;
    bool        may_be_unknown;   /* the highest number: no line */
};

static const struct counter_row source_rows[] = {
    {"source_records_received_total", "counter", "Records read from the source.", offsetof(struct source_counters, records), false},
    {"source_records_clean_total", "counter", "Records in which nothing was redacted.", offsetof(struct source_counters, clean), false},
    {"source_records_redacted_total", "counter", "Records in which something was redacted.", offsetof(struct source_counters, redacted), false},
    {"source_records_withheld_total", "counter", "Records that could not be examined in full and went nowhere.",
     offsetof(struct source_counters, withheld), false},
    {"source_bytes_total", "counter", "Bytes of records as read.", offsetof(struct source_counters, bytes), false},
    {"source_batches_total", "counter", "Batches filled.", offsetof(struct source_counters, batches), false},
    {"source_errors_total", "counter", "Failures to read that are tried again.", offsetof(struct source_counters, errors), false},
    {"source_lost_bytes_total", "counter", "Bytes gone before they could be read.", offsetof(struct source_counters, lost_bytes), false},
    {"source_lag_bytes", "gauge", "Bytes, or messages, known to wait; absent when not known.", offsetof(struct source_counters, lag_bytes), true},
    {"source_streams", "gauge", "Files, partitions, connections or blobs at present.", offsetof(struct source_counters, streams), false},
};

static const struct counter_row sink_rows[] = {
    {"sink_records_delivered_total", "counter", "Records that the receiver has.", offsetof(struct sink_counters, delivered), false},
    {"sink_records_rejected_total", "counter", "Records that the receiver refused for good.", offsetof(struct sink_counters, rejected), false},
    {"sink_records_missed_total", "counter", "Records passed over since a sink that is not required lagged too far.",
     offsetof(struct sink_counters, missed), false},
    {"sink_bytes_delivered_total", "counter", "Bytes of delivered records.", offsetof(struct sink_counters, delivered_bytes), false},
    {"sink_retries_total", "counter", "Attempts after the first.", offsetof(struct sink_counters, retried), false},
};

static uint64_t counter_at(const void *counters, size_t offset)
{
    return atomic_load((const atomic_uint_fast64_t *)((const char *)counters + offset));
}

static void write_sources(struct metrics *m)
{
    const struct config *c = m->figures->config;
    for (size_t r = 0; r < sizeof source_rows / sizeof source_rows[0]; r++) {
        const struct counter_row *row = &source_rows[r];
        family(m, row->name, row->type, row->help);
        for (size_t i = 0; i < c->source_count; i++) {
            uint64_t value = counter_at(&c->sources[i]->counters, row->offset);
            if (!row->may_be_unknown || value != UINT_FAST64_MAX)
                labelled_count(m, row->name, "source", c->sources[i]->name, value);
        }
    }
}

uint64_t sink_failing_ms(const struct sink *s)
{
    uint64_t since = atomic_load(&s->counters.failing_since_ms), now = clock_realtime_ms();
    return since != 0 && now > since ? now - since : 0;
}

static void write_sink_gauges(struct metrics *m, const struct sink_figures *figures)
{
    const struct config *c = m->figures->config;
    family(m, "sink_required", "gauge", "1: nothing is settled before this sink has it.");
    for (size_t i = 0; i < c->sink_count; i++)
        labelled_count(m, "sink_required", "sink", c->sinks[i]->name, c->sinks[i]->required);
    family(m, "sink_failing_seconds", "gauge", "Time since the first failure after the last success; 0: well.");
    for (size_t i = 0; i < c->sink_count; i++)
        labelled_ms(m, "sink_failing_seconds", "sink", c->sinks[i]->name, sink_failing_ms(c->sinks[i]));
    family(m, "sink_lag_blocks", "gauge", "Blocks in memory that the sink has not had.");
    for (size_t i = 0; i < c->sink_count; i++)
        labelled_count(m, "sink_lag_blocks", "sink", c->sinks[i]->name, figures[i].behind_blocks);
    family(m, "sink_lag_bytes", "gauge", "Bytes that the sink has not had, in memory and in the spool.");
    for (size_t i = 0; i < c->sink_count; i++)
        labelled_count(m, "sink_lag_bytes", "sink", c->sinks[i]->name, figures[i].behind_bytes);
    family(m, "sink_lag_seconds", "gauge", "Age of the oldest block in memory that the sink has not had.");
    for (size_t i = 0; i < c->sink_count; i++)
        labelled_ms(m, "sink_lag_seconds", "sink", c->sinks[i]->name, figures[i].oldest_ms);
}

static void write_latency(struct metrics *m, const char *sink, const struct sink_figures *f)
{
    uint64_t count = 0;
    for (size_t b = 0; b < LATENCY_BUCKETS; b++) {
        unsigned bound = latency_bounds_ms[b];
        count += f->latency[b];
        text_format(m->text, "lethe_sink_latency_seconds_bucket{sink=\"");
        label_value(m, sink);
        if (bound == UINT_MAX) text_format(m->text, "\",le=\"+Inf\"} %" PRIu64 "\n", count);
        else text_format(m->text, "\",le=\"%g\"} %" PRIu64 "\n", bound / 1000.0, count);
    }
    labelled_ms(m, "sink_latency_seconds_sum", "sink", sink, f->latency_sum_ms);
    labelled_count(m, "sink_latency_seconds_count", "sink", sink, count);
}

static void write_sinks(struct metrics *m)
{
    const struct config *c = m->figures->config;
    struct sink_figures  figures[BLOCK_SINKS];
    for (size_t i = 0; i < c->sink_count; i++) figures[i] = ledger_sink_figures(m->figures->ledger, c->sinks[i]);
    for (size_t r = 0; r < sizeof sink_rows / sizeof sink_rows[0]; r++) {
        const struct counter_row *row = &sink_rows[r];
        family(m, row->name, row->type, row->help);
        for (size_t i = 0; i < c->sink_count; i++)
            labelled_count(m, row->name, "sink", c->sinks[i]->name, counter_at(&c->sinks[i]->counters, row->offset));
    }
    write_sink_gauges(m, figures);
    family(m, "sink_latency_seconds", "histogram", "Blocks by the time from their cleaning to their delivery.");
    for (size_t i = 0; i < c->sink_count; i++) write_latency(m, c->sinks[i]->name, &figures[i]);
}

/* --- The run ---------------------------------------------------------------------------------------------------------------- */

static void write_redaction(struct metrics *m)
{
    const struct stream_figures *f = m->figures;
    family(m, "records_total", "counter", "Records by kind.");
    for (size_t i = 0; i < KIND_COUNT; i++) labelled_count(m, "records_total", "kind", kind_text((enum kind)i), f->kinds[i]);
    family(m, "withheld_total", "counter", "Withheld records by reason.");
    for (size_t i = 0; i < REFUSAL_COUNT; i++)
        labelled_count(m, "withheld_total", "reason", refusal_text((enum refusal)i), f->withheld[i]);
    single(m, "sealed_records_total", "counter", "Withheld records that were kept, sealed.", f->sealed);
    single(m, "sealed_failures_total", "counter", "Withheld records that should have been kept, and were not.", f->not_sealed);
    family(m, "redactions_total", "counter", "Values redacted, by rule.");
    for (size_t i = 0; i < f->rule_count; i++)
        labelled_count(m, "redactions_total", "rule", f->rules[i].id, atomic_load(&f->rules[i].count));
}

static void write_ledger(struct metrics *m)
{
    const struct ledger_figures l = ledger_figures(m->figures->ledger);
    single(m, "blocks_in_memory", "gauge", "Clean blocks in memory.", l.blocks_in_memory);
    single(m, "blocks_limit", "gauge", "Clean blocks that memory has room for.", l.blocks);
    single(m, "blocks_unsettled", "gauge", "Blocks that neither all required sinks nor the spool have.", l.unsettled_blocks);
    single(m, "blocks_published_total", "counter", "Blocks cleaned and given to the sinks.", l.published);
    single_ms(m, "oldest_unsettled_seconds", "gauge", "Age of the oldest block that is not settled.", l.oldest_unsettled_ms);
    single(m, "positions_committed_total", "counter", "Positions of sources made durable.", l.positions_committed);
    single(m, "work_queue_batches", "gauge", "Batches that wait for a worker.", m->figures->work_queue);
}

static void write_spool(struct metrics *m)
{
    if (m->figures->store == NULL) return;
    const struct store_figures s = store_figures(m->figures->store);
    single(m, "spool_blocks", "gauge", "Blocks in the spool.", s.blocks);
    single(m, "spool_bytes", "gauge", "Bytes of the spool, as packed.", s.bytes);
    single(m, "spool_max_bytes", "gauge", "Room of the spool.", s.max_bytes);
    single(m, "spool_commits_total", "counter", "Commits of the store.", s.commits);
    single(m, "spool_full_commits_total", "counter", "Commits of the store that found no room.", s.full_commits);
    single(m, "spool_failed_commits_total", "counter", "Commits of the store that failed.", s.failed_commits);
    single(m, "spool_failing", "gauge", "1: the store cannot be written.", m->figures->store_failing);
    single(m, "spool_damaged_blocks_total", "counter", "Damaged blocks that were stepped over.", s.damaged_blocks);
    single(m, "spool_full", "gauge", "1: the spool takes no more blocks.", m->figures->spool_full);
    single(m, "spool_disk_full", "gauge", "1: it takes none since its disk is full.", m->figures->disk_full);
}

static void write_run(struct metrics *m)
{
    const struct stream_figures *f = m->figures;
    family(m, "build_info", "gauge", "The program: always 1.");
    text_format(m->text, "lethe_build_info{version=\"%s\",build=\"%s\"} 1\n", LETHE_VERSION, LETHE_BUILD_TYPE);
    single_ms(m, "start_time_seconds", "gauge", "When the run started, since 1970.", f->started_ms);
    single(m, "started", "gauge", "1: started, and not stopping.", f->ready);
    single(m, "policy_reloads_total", "counter", "How often policy and keys were taken anew.", f->reloads);
}

bool metrics_write(const struct stream_figures *figures, struct encoded *out)
{
    struct text    text = {.out = out};
    struct metrics m = {&text, figures};
    write_run(&m);
    write_sources(&m);
    write_redaction(&m);
    write_ledger(&m);
    write_sinks(&m);
    write_spool(&m);
    return !text.failed;
}
