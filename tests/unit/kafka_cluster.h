/* A Kafka cluster inside the test: librdkafka's mock, with a plain producer and a way to read it back. It keeps at most 5 MiB
 * or 100,000 messages a partition. Requests have the numbers of the protocol: 0 produce, 1 fetch, 8 commit, 12 heartbeat. */
#ifndef LETHE_TESTS_KAFKA_CLUSTER_H
#define LETHE_TESTS_KAFKA_CLUSTER_H

#include "base/setting.h"
#include "base/slice.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

struct kafka_cluster {
    rd_kafka_t              *rk;        /* a producer, and what the mock lives in */
    rd_kafka_mock_cluster_t *mock;
    char                     brokers[256];
};

void cluster_open(struct kafka_cluster *, int brokers);
void cluster_close(struct kafka_cluster *);

void cluster_topic(struct kafka_cluster *, const char *topic, int partitions);

/* Writes one message and does not wait; cluster_flush() does. `value.data` NULL: a tombstone. */
void cluster_write(struct kafka_cluster *, const char *topic, int partition, struct slice value);
void cluster_flush(struct kafka_cluster *);

/* The offset that a group has committed, RD_KAFKA_OFFSET_INVALID (-1001) if none. */
int64_t cluster_committed(struct kafka_cluster *, const char *group, const char *topic, int partition);

/* Calls `see` for the messages of all partitions from their beginning until there were `count` in all; fails the test when
 * nothing comes for two minutes. More of the topic's messages that are there are seen as well. */
void cluster_read(struct kafka_cluster *, const char *topic, int partitions, size_t count,
                  void (*see)(void *context, const rd_kafka_message_t *), void *context);

/* Writes the value of a setting of the table into an instance, as the configuration would: texts, numbers, choices, bools. */
void setting_put(void *instance, const struct setting *table, const char *name, const char *value);
void setting_defaults(void *instance, const struct setting *table);

#endif
