/* For tests of the Kafka source: one that is driven as the pipeline does it, without one, and notes of what it brought. */
#ifndef LETHE_TESTS_CONSUMING_H
#define LETHE_TESTS_CONSUMING_H

#include "kafka_cluster.h"
#include "source.h"

#include "base/clock.h"
#include "base/log.h"
#include "redaction/redaction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

extern const struct source_type source_kafka;

static struct keyring *keys;   /* of all sources: streams have equal names */

#define MAX_RECORD 4096
#define SESSION "30s"        /* a process that stalls for less stays in the group */
#define SHORT_SESSION "6s"   /* the mock waits 3 s for the first members, and for one less than this at each further rebalance */
#define PATIENCE_MS 120000
#define CARGOES 4096   /* under way in a test: as many as documents, a slow broker may bring them one at a time */

/* --- A source, driven ------------------------------------------------------------------------------------------------- */

struct reading {
    struct source  *source;
    struct cargo    cargo;
    struct receipt *under_way[CARGOES];
    size_t          first, count;
    enum source_fill last;
    struct error    error;
};

static inline void reading_open(struct reading *r, const struct kafka_cluster *c, const char *topic, const char *group)
{
    *r = (struct reading){0};
    r->source = calloc(1, source_kafka.bytes);
    assert_non_null(r->source);
    r->source->type = &source_kafka;
    r->source->name = "test";
    r->source->max_record = MAX_RECORD;
    r->source->keys = keys;
    setting_defaults(r->source, source_kafka.settings);
    setting_put(r->source, source_kafka.settings, "brokers", c->brokers);
    setting_put(r->source, source_kafka.settings, "security", "plaintext");
    setting_put(r->source, source_kafka.settings, "topics", topic);
    setting_put(r->source, source_kafka.settings, "group", group);
    setting_put(r->source, source_kafka.settings, "session_timeout", SESSION);
    assert_true(batch_init(&r->cargo.batch, FRAMER_ROOM(MAX_RECORD) + 64 * 1024));
    r->cargo.source = r->source;
}

static inline void reading_start_for(struct reading *r, const struct kafka_cluster *c, const char *topic, const char *group, const char *session)
{
    reading_open(r, c, topic, group);
    setting_put(r->source, source_kafka.settings, "session_timeout", session);
    if (!source_kafka.open(r->source, &r->error)) fail_msg("%s", r->error.text);
}

static inline void reading_start(struct reading *r, const struct kafka_cluster *c, const char *topic, const char *group)
{
    reading_start_for(r, c, topic, group, SESSION);
}

/* One call of fill(); true: the cargo holds something new. */
static inline bool reading_fill(struct reading *r, int wait_ms)
{
    batch_clear(&r->cargo.batch);
    r->cargo.origin_count = 0;
    r->error = (struct error){0};
    r->last = source_kafka.fill(r->source, &r->cargo, wait_ms, &r->error);
    if (r->last != SOURCE_FILLED) return false;
    assert_true(r->count < CARGOES);
    r->under_way[(r->first + r->count++) % CARGOES] = r->cargo.receipt;
    return true;
}

static inline void reading_settle(struct reading *r, size_t count)
{
    for (; count > 0 && r->count > 0; count--, r->count--) source_kafka.settled(r->source, r->under_way[r->first++ % CARGOES]);
}

/* What is under way is given up, as when a run ends. */
static inline void reading_close(struct reading *r)
{
    for (; r->count > 0; r->count--) source_kafka.abandoned(r->source, r->under_way[r->first++ % CARGOES]);
    source_kafka.close(r->source);
    batch_release(&r->cargo.batch);
    free(r->cargo.origins);
    free(r->source);
}

static inline struct slice document_text(const struct reading *r, size_t i)
{
    const struct document *d = &r->cargo.batch.documents[i];
    return slice_of(r->cargo.batch.data + d->start, d->len);
}

/* Fills until there are so many documents in one cargo after the other, which go through `see`. */
static inline void read_documents(struct reading *r, size_t count, bool settle, void (*see)(void *context, const struct reading *, size_t i), void *context)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    for (size_t seen = 0; seen < count;) {
        if (clock_monotonic_ms() > deadline) fail_msg("only %zu of %zu documents came; last error: %s", seen, count, r->error.text);
        if (!reading_fill(r, 200)) continue;
        for (size_t i = 0; i < r->cargo.batch.count; i++) see(context, r, i);
        seen += r->cargo.batch.count;
        if (settle) reading_settle(r, CARGOES);
    }
}

static inline void see_nothing(void *context, const struct reading *r, size_t i)
{
    (void)context, (void)r, (void)i;
}

/* Serves the source until the group has this offset for the partition. */
static inline void await_commit(struct reading *r, struct kafka_cluster *c, const char *group, const char *topic, int partition, int64_t offset)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (cluster_committed(c, group, topic, partition) != offset) {
        if (clock_monotonic_ms() > deadline)
            fail_msg("committed is %lld, not %lld", (long long)cluster_committed(c, group, topic, partition), (long long)offset);
        source_kafka.idle(r->source);
    }
}

/* The same for a source that goes on reading, as in a run: a rebalance may make it read once more what was not committed. */
static inline void await_commit_reading(struct reading *r, struct kafka_cluster *c, const char *group, const char *topic, int partition, int64_t offset)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (cluster_committed(c, group, topic, partition) != offset) {
        if (clock_monotonic_ms() > deadline)
            fail_msg("committed is %lld, not %lld", (long long)cluster_committed(c, group, topic, partition), (long long)offset);
        reading_fill(r, 20);
        reading_settle(r, CARGOES);
    }
}

/* --- Notes of what was seen ------------------------------------------------------------------------------------------- */

/* How often each number of {"n":NUMBER} came. */
struct numbers {
    unsigned char *seen;
    size_t         count, different;
};

static inline void numbers_open(struct numbers *n, size_t count)
{
    *n = (struct numbers){calloc(count, 1), count, 0};
    assert_non_null(n->seen);
}

static inline void see_number(void *context, const struct reading *r, size_t i)
{
    struct numbers *n = context;
    struct slice    text = document_text(r, i);
    char            copy[64];
    unsigned        number;
    assert_int_equal(r->cargo.batch.documents[i].form, DOCUMENT_JSON);
    assert_true(text.len < sizeof copy);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    assert_int_equal(sscanf(copy, "{\"n\":%u}", &number), 1);
    assert_true(number < n->count);
    n->different += n->seen[number] == 0;
    if (n->seen[number] < 255) n->seen[number]++;
}

static inline void write_numbers(struct kafka_cluster *c, const char *topic, int partitions, unsigned from, unsigned to)
{
    char text[32];
    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof text, "{\"n\":%u}", i);
        cluster_write(c, topic, (int)(i % (unsigned)partitions), slice_from(text));
    }
    cluster_flush(c);
}

#endif
