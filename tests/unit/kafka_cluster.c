#include "kafka_cluster.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdlib.h>

#define SILENCE_MS 120000

static rd_kafka_t *handle(rd_kafka_type_t type, const char *const (*properties)[2])
{
    char             reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (; (*properties)[0] != NULL; properties++)
        CHECK(rd_kafka_conf_set(conf, (*properties)[0], (*properties)[1], reason, sizeof reason) == RD_KAFKA_CONF_OK);
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    CHECK(rk != NULL);
    return rk;
}

void cluster_open(struct kafka_cluster *c, int brokers)
{
    char count[8];
    snprintf(count, sizeof count, "%d", brokers);
    const char *const properties[][2] = {{"test.mock.num.brokers", count}, {"linger.ms", "5"}, {"log_level", "0"}, {"queue.buffering.max.messages", "500000"}, {NULL, NULL}};
    *c = (struct kafka_cluster){0};
    c->rk = handle(RD_KAFKA_PRODUCER, properties);
    c->mock = rd_kafka_handle_mock_cluster(c->rk);
    snprintf(c->brokers, sizeof c->brokers, "%s", rd_kafka_mock_cluster_bootstraps(c->mock));
}

void cluster_close(struct kafka_cluster *c)
{
    rd_kafka_destroy(c->rk);
    *c = (struct kafka_cluster){0};
}

void cluster_topic(struct kafka_cluster *c, const char *topic, int partitions)
{
    CHECK(rd_kafka_mock_topic_create(c->mock, topic, partitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void cluster_write(struct kafka_cluster *c, const char *topic, int partition, struct slice value)
{
    rd_kafka_resp_err_t error = rd_kafka_producev(c->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY("k", 1),
                                                  RD_KAFKA_V_VALUE((char *)value.data, value.len), RD_KAFKA_V_END);
    CHECK(error == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void cluster_flush(struct kafka_cluster *c) { CHECK(rd_kafka_flush(c->rk, SILENCE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR); }

int64_t cluster_committed(struct kafka_cluster *c, const char *group, const char *topic, int partition)
{
    const char *const properties[][2] = {{"bootstrap.servers", c->brokers}, {"group.id", group}, {"log_level", "0"}, {NULL, NULL}};
    rd_kafka_t       *rk = handle(RD_KAFKA_CONSUMER, properties);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    CHECK(rd_kafka_committed(rk, list, SILENCE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return offset;
}

void cluster_read(struct kafka_cluster *c, const char *topic, int partitions, size_t count,
                  void (*see)(void *context, const rd_kafka_message_t *), void *context)
{
    const char *const properties[][2] = {{"bootstrap.servers", c->brokers}, {"group.id", "reader"}, {"log_level", "0"},
                                         {"auto.offset.reset", "earliest"}, {"enable.auto.commit", "false"}, {NULL, NULL}};
    rd_kafka_t       *rk = handle(RD_KAFKA_CONSUMER, properties);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++) rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    uint64_t heard = clock_monotonic_ms();
    size_t   seen = 0;
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, seen < count ? 100 : 300);
        if (m == NULL && seen >= count) break;
        CHECK(m != NULL || clock_monotonic_ms() - heard < SILENCE_MS);
        if (m == NULL) continue;
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            heard = clock_monotonic_ms();
            seen++;
            see(context, m);
        }
        rd_kafka_message_destroy(m);
    }
    rd_kafka_destroy(rk);
}

/* --- Settings --------------------------------------------------------------------------------------------------------- */

static int choice(const struct setting *s, const char *value)
{
    for (int i = 0; s->choices[i] != NULL; i++)
        if (strcmp(s->choices[i], value) == 0) return i;
    CHECK(!"one of the choices");
    return 0;
}

/* "30s", "5ms", "5m", "16M", "64" */
static uint64_t number(const char *value)
{
    char    *unit;
    uint64_t n = strtoull(value, &unit, 10);
    if (strcmp(unit, "s") == 0) return n * 1000;
    if (strcmp(unit, "m") == 0) return n * 60000;
    if (strcmp(unit, "M") == 0) return n << 20;
    CHECK(*unit == '\0' || strcmp(unit, "ms") == 0);
    return n;
}

static void put(void *instance, const struct setting *s, const char *value)
{
    char *at = (char *)instance + s->offset;
    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_FILE:
    case SETTING_SECRET: *(const char **)at = value; break;
    case SETTING_TEXTS:
    case SETTING_SECRETS: {
        static const char *items[1000];   /* live as long as the program, like a configuration */
        static size_t      used;
        CHECK(used < sizeof items / sizeof *items);
        items[used] = value;
        *(struct text_list *)at = (struct text_list){&items[used++], 1};
        break;
    }
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_DURATION: *(uint64_t *)at = number(value); break;
    case SETTING_BOOL: *(bool *)at = strcmp(value, "true") == 0; break;
    case SETTING_CHOICE: *(int *)at = choice(s, value); break;
    }
}

void setting_put(void *instance, const struct setting *table, const char *name, const char *value)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) != 0) continue;
        put(instance, table, value);
        return;
    }
    CHECK(!"a setting of that name");
}

void setting_defaults(void *instance, const struct setting *table)
{
    for (; table->name != NULL; table++)
        if (table->standard != NULL) put(instance, table, table->standard);
}
