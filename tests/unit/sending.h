/* For tests of the Kafka sink: what the pipeline would do, without one, and blocks that are made for one sink, number 0. */
#ifndef LETHE_TESTS_SENDING_H
#define LETHE_TESTS_SENDING_H

#include "kafka_cluster.h"
#include "sinks/sink.h"

#include "base/clock.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PRODUCE 0            /* requests, as the protocol counts them */
#define INIT_PRODUCER_ID 22

/* What a broker may answer to a Produce request without a fault of any record. */
#define ERRORS_OF_A_BROKER \
    RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, \
    RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, \
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, \
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, \
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, \
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, \
    RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, \
    RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, RD_KAFKA_RESP_ERR_POLICY_VIOLATION, \
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, \
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, \
    RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, RD_KAFKA_RESP_ERR__TRANSPORT

extern const struct sink_type sink_kafka;

#define PATIENCE_MS 120000

/* --- What the pipeline would do with blocks that are done ------------------------------------------------------------- */

struct sending {
    struct sink    *sink;
    size_t          taken, done, records_done, rejected, withdrawn;
    struct rejected last_rejected;
    struct error    error;
};

/* Blocks are made for one sink, number 0, and die when it has them. */
static inline void block_drop(struct block *b)
{
    free(b->records);
    free(b->labels.data);
    free(b->encodings[0].bytes.data);
    free(b->encodings[0].starts);
    free(b);
}

/* Of the ledger, in a run. */
void sink_done(struct sink *s, struct block *b, const struct rejected *rejected, size_t count)
{
    struct sending *sending = s->owner;
    sending->done++;
    for (size_t i = 0; i < b->count; i++) sending->records_done += sink_wants(s, b, i);
    sending->rejected += count;
    for (size_t i = 0; i < count; i++) sending->last_rejected = rejected[i];
    block_drop(b);
}

void sink_withdraw(struct sink *s, struct block *b)
{
    struct sending *sending = s->owner;
    sending->withdrawn++;
    block_drop(b);
}

static inline void sending_make(struct sending *s, const struct kafka_cluster *c, const char *topic)
{
    *s = (struct sending){.sink = calloc(1, sink_kafka.bytes)};
    assert_non_null(s->sink);
    s->sink->type = &sink_kafka;
    s->sink->name = "test";
    s->sink->owner = s;
    setting_defaults(s->sink, sink_kafka.settings);
    setting_put(s->sink, sink_kafka.settings, "brokers", c->brokers);
    setting_put(s->sink, sink_kafka.settings, "security", "plaintext");
    setting_put(s->sink, sink_kafka.settings, "topic", topic);
}

static inline void sending_open(struct sending *s, const struct kafka_cluster *c, const char *topic)
{
    sending_make(s, c, topic);
    if (!sink_kafka.open(s->sink, &s->error)) fail_msg("%s", s->error.text);
}

static inline void sending_close(struct sending *s)
{
    sink_kafka.close(s->sink);
    free(s->sink);
}

static inline void sending_poll(struct sending *s, int wait_ms)
{
    if (!sink_kafka.poll(s->sink, wait_ms, &s->error)) fail_msg("the sink gave up: %s", s->error.text);
}

static inline void sending_put(struct sending *s, struct block *b)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (sink_kafka.take(s->sink, b) == SINK_FULL) {
        if (clock_monotonic_ms() > deadline) fail_msg("the sink stays full: %s", s->sink->trouble);
        sending_poll(s, 100);
    }
    s->taken++;
}

static inline void sending_drain(struct sending *s)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (s->done + s->withdrawn < s->taken) {
        if (clock_monotonic_ms() > deadline) fail_msg("%zu of %zu blocks done; trouble: %s", s->done, s->taken, s->sink->trouble);
        sending_poll(s, 100);
    }
}

/* --- Blocks ----------------------------------------------------------------------------------------------------------- */

static inline void append(struct encoded *e, const char *data, size_t len)
{
    e->data = realloc(e->data, e->len + len + 1);
    assert_non_null(e->data);
    memcpy(e->data + e->len, data, len);
    e->len += len;
}

static inline struct label add_label(struct block *b, const char *text)
{
    struct label label = {(uint32_t)b->labels.len, (uint32_t)strlen(text)};
    append(&b->labels, text, strlen(text));
    return label;
}

/* The records {"n":FROM}, ... so long that each has `len` bytes at least. */
static inline struct block *block_of(unsigned from, unsigned count, size_t len, const char *category)
{
    struct block *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->records = calloc(count, sizeof *b->records);
    b->encodings[0].starts = calloc(count + 1, sizeof *b->encodings[0].starts);
    assert_true(b->records != NULL && b->encodings[0].starts != NULL);
    b->count = count;
    for (unsigned i = 0; i < count; i++) {
        struct block_record *r = &b->records[i];
        char                 text[64];
        int                  n = snprintf(text, sizeof text, "{\"n\":%u}", from + i);
        r->sinks = 1;
        r->kind = KIND_UNKNOWN;
        r->redactions = i % 3;
        memcpy(r->event_id, &(unsigned){from + i}, sizeof(unsigned));
        snprintf(text + 32, 16, "vm-%u", (from + i) % 50);
        r->resource = add_label(b, text + 32);
        r->category = add_label(b, category);
        r->policy = add_label(b, "standard");
        append(&b->encodings[0].bytes, text, (size_t)n);
        size_t more = len > (size_t)n ? len - (size_t)n : 0;
        char  *padding = malloc(more + 1);
        assert_non_null(padding);
        memset(padding, ' ', more);
        padding[more] = '\n';
        append(&b->encodings[0].bytes, padding, more + 1);
        free(padding);
        b->encodings[0].starts[i + 1] = (uint32_t)b->encodings[0].bytes.len;
    }
    return b;
}

#endif
