/* The sink `kafka`: one record a message, to topics of a cluster or of Azure Event Hubs.
 *
 * (1) Payload is not copied: a message points into its block, which stays until sink_done().
 * (2) A record is done when all in-sync replicas have it. Messages never expire: brokers that are away are waited for.
 * (3) The producer is idempotent: within its life no message is doubled or overtaken by a later one of its partition. When
 *     librdkafka gives it up, another is made, and all that was not acknowledged is sent again in its order; what the brokers
 *     had all the same comes twice then, with equal event ids.
 * (4) A broker refuses batches, not messages. What was refused in company is sent once more alone, and only what is refused
 *     then is rejected: neighbours are not harmed.
 * (5) While anything waits to be sent (again), no further block is taken.
 *
 *      take() --> flight: a mark for each record --send--> librdkafka --on_delivery, in poll()--> done, rejected, waiting again
 *
 * Thread: the sink's own, which also runs librdkafka's callbacks; wake() from any. */
#include "sinks/sink_kafka_priv.h"

#include "base/clock.h"

#define ALONE_POLL_MS 20              /* while messages are out that are sent alone */

static const char *const key_choices[] = {"resource", "correlation", "none", NULL};
const char *const kafka_compression_choices[] = {"auto", "lz4", "zstd", "gzip", "none", NULL};

static struct sink_kafka *of(struct sink *s) { return (struct sink_kafka *)s; }

/* --- A producer given up ---------------------------------------------------------------------------------------------- */

static bool renew(struct sink_kafka *k, int number, struct error *err)
{
    struct line *line = &k->lines[number];
    if (line->rk == NULL || rd_kafka_fatal_error(line->rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    rd_kafka_resp_err_t error = rd_kafka_fatal_error(line->rk, NULL, 0);
    k->failing = true;
    sink_trouble(&k->sink, "kafka gave the producer up, it is made anew: %s", kafka_error_text(error));
    line_give_up(k, number);
    retry_later(k);
    return line_open(k, number, err);
}

/* --- The life of a sink ----------------------------------------------------------------------------------------------- */

static bool check(struct sink *s, struct error *err)
{
    struct sink_kafka *k = of(s);
    bool               needs_gzip = k->compression == COMPRESS_LZ4 || k->compression == COMPRESS_ZSTD;
    if (!kafka_settings_check(&k->connection, s->name, err) || !kafka_topics_check(k->topic, s->name, err)) return false;
    if (k->connection.event_hubs && needs_gzip)
        return error_set(err, ERROR_USAGE, "'%s': event hubs takes compression none, or gzip in its higher tiers", s->name);
    return true;
}

static bool pair(struct sink *s, const struct sink_company *company, struct error *err)
{
    return transactions_pair(of(s), company, err);
}

static bool open_parts(struct sink_kafka *k, struct error *err)
{
    const char *name = k->sink.name;
    if (!kafka_topics_init(&k->topics, k->topic, k->max_topics)) return error_set(err, ERROR_MEMORY, "'%s': out of memory", name);
    if (!kafka_client_init(&k->client, &k->connection, name, k, err)) return false;
    /* transactions have a name, which the source gives when it is open */
    return k->exactly_once || line_open(k, IN_COMPANY, err);
}

static void close_kafka(struct sink *s)
{
    struct sink_kafka *k = of(s);
    if (!k->opened) return;
    k->opened = false;
    kafka_client_hurry(&k->client);
    transactions_close(k);
    for (int number = 0; number < LINES; number++) line_close(k, number);
    while (k->first != NULL) {
        struct flight *f = k->first;
        k->first = f->next;
        flight_free(f);
    }
    kafka_client_release(&k->client);
    kafka_topics_release(&k->topics);
    pthread_mutex_destroy(&k->wake_lock);
}

static bool open_kafka(struct sink *s, struct error *err)
{
    struct sink_kafka *k = of(s);
    k->opened = true;
    k->last = &k->first;
    pthread_mutex_init(&k->wake_lock, NULL);
    if (open_parts(k, err)) return true;
    close_kafka(s);
    return false;
}

static enum sink_take take(struct sink *s, struct block *b)
{
    struct sink_kafka *k = of(s);
    struct error       later = {0};   /* poll() would meet it again */
    if (k->exactly_once) return transactions_take(k, b) ? SINK_TOOK : SINK_FULL;
    struct flight *f = k->waiting == 0 ? flight_add(k, b) : NULL;
    if (f == NULL) return SINK_FULL;
    if (f->left == 0) flight_end(k, f);
    else (void)send_waiting(k, &later);
    return SINK_TOOK;
}

static int shorter_wait(const struct sink_kafka *k, int wait_ms)
{
    uint64_t    now = clock_monotonic_ms();
    rd_kafka_t *alone = k->lines[ALONE].rk;
    if (alone != NULL && rd_kafka_outq_len(alone) > 0 && wait_ms > ALONE_POLL_MS) wait_ms = ALONE_POLL_MS;
    if (k->waiting == 0 || k->retry_at_ms <= now) return wait_ms;
    return k->retry_at_ms - now < (uint64_t)wait_ms ? (int)(k->retry_at_ms - now) : wait_ms;
}

static bool poll_lines(struct sink_kafka *k, int wait_ms, struct error *err)
{
    if (k->lines[ALONE].rk != NULL) rd_kafka_poll(k->lines[ALONE].rk, 0);
    rd_kafka_poll(k->lines[IN_COMPANY].rk, shorter_wait(k, wait_ms));
    return renew(k, IN_COMPANY, err) && renew(k, ALONE, err) && send_waiting(k, err);
}

static bool poll_kafka(struct sink *s, int wait_ms, struct error *err)
{
    struct sink_kafka *k = of(s);
    char               text[sizeof s->trouble];
    if (!(k->exactly_once ? transactions_poll(k, wait_ms, err) : poll_lines(k, wait_ms, err))) return false;
    if (!kafka_client_trouble(&k->client, text, sizeof text)) return true;
    k->failing = true;
    sink_trouble(s, "%s", text);
    return true;
}

static void wake(struct sink *s)
{
    struct sink_kafka *k = of(s);
    pthread_mutex_lock(&k->wake_lock);
    if (k->main_queue != NULL) rd_kafka_queue_yield(k->main_queue);
    pthread_mutex_unlock(&k->wake_lock);
}

#define AT(member) offsetof(struct sink_kafka, member)

static const struct setting settings[] = {
    KAFKA_SETTINGS(struct sink_kafka, connection),
    {.name = "topic", .type = SETTING_TEXT, .offset = AT(topic), .standard = "clean-{kind}",
     .help = "name, with {kind} and {category}"},
    {.name = "max_topics", .type = SETTING_NUMBER, .offset = AT(max_topics), .standard = "64", .least = 1,
     .most = KAFKA_TOPICS_MOST, .help = "different topics; further categories share one, 'other'"},
    {.name = "key", .type = SETTING_CHOICE, .offset = AT(key), .standard = "resource", .choices = key_choices,
     .help = "of messages: those with the same key keep their order"},
    {.name = "compression", .type = SETTING_CHOICE, .offset = AT(compression), .standard = "auto",
     .choices = kafka_compression_choices,
     .help = "auto is lz4, and none for event hubs"},
    {.name = "linger", .type = SETTING_DURATION, .offset = AT(linger_ms), .standard = "5ms", .most = 10000,
     .help = "how long a batch waits for more"},
    {.name = "batch", .type = SETTING_BYTES, .offset = AT(batch_bytes), .standard = "1000000", .least = 16384,
     .most = KAFKA_MAX_MESSAGE, .help = "bytes of a batch at most: not more than the brokers' limit for a message"},
    {.name = "buffer", .type = SETTING_BYTES, .offset = AT(buffer_bytes), .standard = "16M", .least = 1048576, .most = 1 << 30,
     .help = "bytes handed to kafka and not yet acknowledged"},
    {.name = "exactly_once", .type = SETTING_BOOL, .offset = AT(exactly_once), .standard = "false",
     .help = "from a kafka source on the same cluster: in transactions, with its offsets"},
    {.name = "transaction", .type = SETTING_DURATION, .offset = AT(transaction_ms), .standard = "100ms", .least = 1,
     .most = 10000,
     .help = "with exactly_once: how long a transaction is open at most, and so how late records can be read"},
    {.name = "transaction_bytes", .type = SETTING_BYTES, .offset = AT(transaction_bytes), .standard = "8M", .least = 1,
     .most = 1 << 30,
     .help = "with exactly_once: a transaction with so much is committed at once"},
    {0}};

const struct sink_type sink_kafka = {
    .name = "kafka",
    .summary = "topics of kafka or azure event hubs, one record a message",
    .bytes = sizeof(struct sink_kafka),
    .settings = settings,
    .formats = "original flat ecs ocsf cef appinsights",
    .network = true,
    .check = check,
    .pair = pair,
    .paired_by = "exactly_once",
    .open = open_kafka,
    .take = take,
    .poll = poll_kafka,
    .wake = wake,
    .close = close_kafka,
};
