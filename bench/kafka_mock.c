/* A mock cluster in a process of its own, so that its memory is nobody else's. Writes its address as a line, then every line of
 * standard input as a message to the topic "bench", until there are no more; keeps 5 MiB a partition.
 *
 *     bench_kafka_mock < LINES */
#include "base/check.h"

#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#define PARTITIONS 2

int main(void)
{
    char            *line = NULL;
    size_t           capacity = 0;
    ssize_t          len;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", NULL, 0) == RD_KAFKA_CONF_OK);
    CHECK(rd_kafka_conf_set(conf, "linger.ms", "5", NULL, 0) == RD_KAFKA_CONF_OK);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    CHECK(rk != NULL);
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
    rd_kafka_mock_topic_create(mock, "bench", PARTITIONS, 1);
    puts(rd_kafka_mock_cluster_bootstraps(mock));
    fflush(stdout);
    for (int partition = 0; (len = getline(&line, &capacity, stdin)) > 0; partition = (partition + 1) % PARTITIONS) {
        while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("bench"), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_VALUE(line, (size_t)len), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 10);
        rd_kafka_poll(rk, 0);
    }
    CHECK(rd_kafka_flush(rk, 10000) == RD_KAFKA_RESP_ERR_NO_ERROR);
    free(line);
    rd_kafka_destroy(rk);
    return 0;
}
