/* How much of a bare producer's throughput the Kafka sink has: the same messages with the same properties, to the same mock
 * cluster, which runs in a process of its own, in turn.
 *
 *     bench_kafka_sink [ROUNDS [MESSAGES [BYTES]]]
 *
 * A line for each round, then the medians. The mock keeps 5 MiB a partition and forgets the rest, which is of no interest here. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "sinks/kafka_client.h"
#include "sinks/sink.h"

#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PER_BLOCK 200
#define PARTITIONS 4
#define MOST_ROUNDS 100

extern const struct sink_type sink_kafka;

struct result {
    double seconds, cpu;
};

/* --- The cluster ------------------------------------------------------------------------------------------------------ */

/* Writes its address to `to` and lives until the reader of `from` is gone. */
static _Noreturn void run_cluster(int to, int from)
{
    char             byte;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", NULL, 0) == RD_KAFKA_CONF_OK);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    CHECK(rk != NULL);
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
    rd_kafka_mock_topic_create(mock, "bench", PARTITIONS, 1);
    const char *brokers = rd_kafka_mock_cluster_bootstraps(mock);
    CHECK(write(to, brokers, strlen(brokers) + 1) > 0);
    while (read(from, &byte, 1) > 0) {}
    rd_kafka_destroy(rk);
    _exit(0);
}

static pid_t start_cluster(char brokers[64], int *alive)
{
    int there[2], back[2];
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(back[1]);
        run_cluster(there[1], back[0]);
    }
    close(back[0]);
    CHECK(read(there[0], brokers, 64) > 0);
    *alive = back[1];
    return pid;
}

/* --- The messages ----------------------------------------------------------------------------------------------------- */

static void append(struct encoded *e, const char *data, size_t len)
{
    CHECK(encoded_reserve(e, len));
    memcpy(e->data + e->len, data, len);
    e->len += len;
}

static struct label add_label(struct block *b, const char *text)
{
    struct label label = {(uint32_t)b->labels.len, (uint32_t)strlen(text)};
    append(&b->labels, text, strlen(text));
    return label;
}

static struct block *make_block(size_t from, size_t bytes)
{
    struct block *b = block_new();
    CHECK(b != NULL);
    char *text = malloc(bytes + 1), resource[32];
    b->records = calloc(PER_BLOCK, sizeof *b->records);
    b->encodings[0].starts = calloc(PER_BLOCK + 1, sizeof *b->encodings[0].starts);
    CHECK(text != NULL && b->records != NULL && b->encodings[0].starts != NULL);
    const struct label policy = add_label(b, "standard");
    b->count = b->capacity = PER_BLOCK;
    for (size_t i = 0; i < PER_BLOCK; i++) {
        /* Neither repetitive nor random, so that compression has something to do. */
        for (size_t c = 0; c < bytes; c++) text[c] = (char)('a' + (c * (from + i + 7) / 3 + c / 5) % 26);
        text[bytes] = '\n';
        snprintf(resource, sizeof resource, "/subscriptions/vm-%zu", (from + i) % 100);
        b->records[i] = (struct block_record){.sinks = 1, .redactions = i % 4, .resource = add_label(b, resource), .policy = policy};
        memcpy(b->records[i].event_id, &(size_t){from + i}, sizeof(size_t));
        append(&b->encodings[0].bytes, text, bytes + 1);
        b->encodings[0].starts[i + 1] = (uint32_t)b->encodings[0].bytes.len;
    }
    free(text);
    return b;
}

/* --- The two producers ------------------------------------------------------------------------------------------------ */

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static size_t delivered;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk, (void)opaque;
    CHECK(m->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    delivered++;
}

static void produce_bare(rd_kafka_t *rk, rd_kafka_topic_t *topic, const struct block *b, char (*ids)[EVENT_ID_TEXT], size_t i)
{
    static const char *const counts[] = {"0", "1", "2", "3"};
    const struct block_record *r = &b->records[i];
    struct slice               value = block_bytes(b, 0, i), key = block_label(b, r->resource);
    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_producev(
            rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_VALUE((char *)value.data, value.len), RD_KAFKA_V_KEY(key.data, key.len),
            RD_KAFKA_V_HEADER("lethe-event-id", ids[i], EVENT_ID_TEXT - 1), RD_KAFKA_V_HEADER("lethe-kind", "unknown", 7),
            RD_KAFKA_V_HEADER("lethe-policy", "standard", 8), RD_KAFKA_V_HEADER("lethe-redactions", counts[r->redactions], 1), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
        CHECK(error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        rd_kafka_poll(rk, 100);
    }
}

static struct result run_bare(const char *brokers, const char *codec, struct block *const *blocks, char (*const *ids)[EVENT_ID_TEXT], size_t count)
{
    const struct kafka_property properties[] = {
        {"bootstrap.servers", brokers}, {"compression.codec", codec}, {"enable.idempotence", "true"}, {"acks", "all"}, {"max.in.flight", "5"},
        {"message.timeout.ms", "0"}, {"linger.ms", "5"}, {"batch.size", "1000000"}, {"batch.num.messages", "10000"},
        {"message.max.bytes", "1000000"}, {"queue.buffering.max.kbytes", "16384"}, {"queue.buffering.max.messages", "32768"}, {0}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kafka_conf_apply(conf, properties);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    CHECK(rk != NULL);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, "bench", NULL);
    double            begin = (double)clock_monotonic_ms() / 1000, cpu = cpu_seconds();
    delivered = 0;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < PER_BLOCK; i++) produce_bare(rk, topic, blocks[b], ids[b], i);
        rd_kafka_poll(rk, 0);
    }
    while (delivered < count * PER_BLOCK) rd_kafka_poll(rk, 100);
    struct result result = {(double)clock_monotonic_ms() / 1000 - begin, cpu_seconds() - cpu};
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    return result;
}

void sink_done(struct sink *s, struct block *b, const struct rejected *rejected, size_t count)
{
    (void)s, (void)rejected;
    CHECK(count == 0);
    delivered += b->count;
}

void sink_withdraw(struct sink *s, struct block *b)
{
    (void)s, (void)b;
    CHECK(false);
}

static void put(struct sink *s, const char *name, const void *value, size_t bytes)
{
    for (const struct setting *setting = sink_kafka.settings; setting->name != NULL; setting++)
        if (strcmp(setting->name, name) == 0) memcpy((char *)s + setting->offset, value, bytes);
}

#define PUT(name, type, value) put(s, name, &(type){value}, sizeof(type))

static struct sink *make_sink(const char *brokers, int codec)
{
    static const char *list[1];
    struct sink       *s = calloc(1, sink_kafka.bytes);
    struct error       err = {0};
    CHECK(s != NULL);
    list[0] = brokers;
    s->type = &sink_kafka;
    s->name = "bench";
    put(s, "brokers", &(struct text_list){list, 1}, sizeof(struct text_list));
    PUT("security", int, KAFKA_PLAINTEXT);
    PUT("topic", const char *, "bench");
    PUT("compression", int, codec);
    PUT("max_topics", uint64_t, 64);
    PUT("linger", uint64_t, 5);
    PUT("batch", uint64_t, 1000000);
    PUT("buffer", uint64_t, 16 << 20);
    if (!sink_kafka.open(s, &err)) {
        fprintf(stderr, "bench_kafka_sink: %s\n", err.text);
        exit(1);
    }
    return s;
}

static struct result run_sink(const char *brokers, int codec, struct block *const *blocks, size_t count)
{
    struct sink *s = make_sink(brokers, codec);
    struct error err = {0};
    double       begin = (double)clock_monotonic_ms() / 1000, cpu = cpu_seconds();
    delivered = 0;
    for (size_t b = 0; b < count; b++) {
        while (sink_kafka.take(s, blocks[b]) == SINK_FULL) CHECK(sink_kafka.poll(s, 100, &err));
        CHECK(sink_kafka.poll(s, 0, &err));
    }
    while (delivered < count * PER_BLOCK) CHECK(sink_kafka.poll(s, 100, &err));
    struct result result = {(double)clock_monotonic_ms() / 1000 - begin, cpu_seconds() - cpu};
    sink_kafka.close(s);
    free(s);
    return result;
}

/* --- Rounds ----------------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

static void compare(const char *brokers, const char *codec, int choice, struct block *const *blocks, char (*const *ids)[EVENT_ID_TEXT],
                    size_t count, size_t rounds)
{
    double ratio[MOST_ROUNDS], cost[MOST_ROUNDS], messages = (double)(count * PER_BLOCK);
    for (size_t i = 0; i < rounds; i++) {
        struct result bare, sink;
        if (i % 2 == 0) bare = run_bare(brokers, codec, blocks, ids, count);
        sink = run_sink(brokers, choice, blocks, count);
        if (i % 2 == 1) bare = run_bare(brokers, codec, blocks, ids, count);
        ratio[i] = bare.seconds / sink.seconds;
        cost[i] = sink.cpu / bare.cpu;
        printf("%-5s bare %7.0f messages/s %5.2f us CPU each   sink %7.0f messages/s %5.2f us   ratio %.3f\n", codec, messages / bare.seconds,
               1e6 * bare.cpu / messages, messages / sink.seconds, 1e6 * sink.cpu / messages, ratio[i]);
    }
    printf("%-5s median: throughput of the sink / bare %.3f, CPU %.3f\n", codec, median(ratio, rounds), median(cost, rounds));
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 7, count = (argc > 2 ? strtoul(argv[2], NULL, 10) : 200000) / PER_BLOCK;
    size_t bytes = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
    char   brokers[64];
    int    alive;
    if (rounds < 1 || rounds > MOST_ROUNDS || count < 1 || bytes < 1 || bytes > 100000) {
        fputs("usage: bench_kafka_sink [ROUNDS [MESSAGES [BYTES]]]\n", stderr);
        return 2;
    }
    log_setup(false, LOG_ERROR);
    pid_t          cluster = start_cluster(brokers, &alive);
    struct block **blocks = calloc(count, sizeof *blocks);
    char         (**ids)[EVENT_ID_TEXT] = calloc(count, sizeof *ids);
    CHECK(blocks != NULL && ids != NULL);
    for (size_t b = 0; b < count; b++) {
        blocks[b] = make_block(b * PER_BLOCK, bytes);
        ids[b] = calloc(PER_BLOCK, sizeof *ids[b]);
        CHECK(ids[b] != NULL);
        for (size_t i = 0; i < PER_BLOCK; i++) event_id_text(&blocks[b]->records[i], ids[b][i]);
    }
    compare(brokers, "none", 4, blocks, ids, count, rounds);
    compare(brokers, "lz4", 1, blocks, ids, count, rounds);
    close(alive);
    waitpid(cluster, NULL, 0);
    return 0;
}
