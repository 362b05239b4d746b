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
#include "base/clock.h"
#include "sinks/kafka_client.h"
#include "sinks/kafka_topics.h"
#include "sinks/sink.h"

#include <stdlib.h>

#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS 30000
#define ALONE_POLL_MS 20              /* while messages are out that are sent alone */
#define PURGE_WAIT_MS 5000            /* for the reports of a producer that is given up */
#define METADATA_WAIT_MS 500          /* for asking again after a topic that was not there */
#define BYTES_PER_MESSAGE 512         /* of the buffer: bounds the number of messages, which cost memory of their own */
#define HELD_BACK_LIMIT_MS 60000      /* between two lines about refused batches */

enum kafka_key { KEY_RESOURCE, KEY_CORRELATION, KEY_NONE };
enum compression { COMPRESS_AUTO, COMPRESS_LZ4, COMPRESS_ZSTD, COMPRESS_GZIP, COMPRESS_NONE };
static const char *const key_choices[] = {"resource", "correlation", "none", NULL};
static const char *const compression_choices[] = {"auto", "lz4", "zstd", "gzip", "none", NULL};

enum mark_state { MARK_OURS_NOT, MARK_WAITING, MARK_SENT, MARK_DONE, MARK_REJECTED };

/* What became of a record; the opaque of its message. */
struct mark {
    struct flight  *flight;
    enum mark_state state;
    bool            alone;    /* refused in company: to be sent in a batch of its own */
};

/* A block under way. */
struct flight {
    struct flight   *next;
    struct block    *block;
    size_t           left;        /* records that are neither done nor rejected */
    size_t           at;          /* none before waits */
    struct rejected *rejected;    /* room for all, once there is one */
    size_t           rejected_count;
    struct mark      marks[];     /* of its records */
};

enum { IN_COMPANY, ALONE, LINES };

/* A producer with its handles of topics, by number. */
struct line {
    rd_kafka_t        *rk;
    rd_kafka_topic_t **topics;
};

struct sink_kafka {
    struct sink           sink;
    struct kafka_settings connection;
    const char           *topic;
    int                   key, compression;
    uint64_t              linger_ms, buffer_bytes, batch_bytes, max_topics;

    struct kafka_client client;
    struct kafka_topics topics;
    struct line         lines[LINES];       /* ALONE is made when it is needed first */
    struct flight      *first, **last;
    size_t              waiting;            /* marks of that state, in all flights */
    uint64_t            retry_at_ms, retry_ms;
    bool                failing;            /* trouble was told and nothing has been delivered since */
    pthread_mutex_t     wake_lock;
    rd_kafka_queue_t   *main_queue;         /* of IN_COMPANY, under wake_lock */
    struct log_limit    refused_limit;
    bool                opened;
};

static struct sink_kafka *of(struct sink *s) { return (struct sink_kafka *)s; }

static void on_delivery(rd_kafka_t *, const rd_kafka_message_t *, void *opaque);

/* --- Producers -------------------------------------------------------------------------------------------------------- */

static const char *codec(const struct sink_kafka *k)
{
    if (k->compression == COMPRESS_AUTO) return k->connection.event_hubs ? "none" : "lz4";
    return compression_choices[k->compression];
}

static rd_kafka_conf_t *producer_conf(struct sink_kafka *k, bool alone, struct error *err)
{
    static const struct kafka_property fixed[] = {
        {"enable.idempotence", "true"}, {"acks", "all"}, {"max.in.flight", "5"}, {"message.timeout.ms", "0"}, {"retry.backoff.ms", "200"},
        {"topic.metadata.propagation.max.ms", "10000"}, {0}};
    rd_kafka_conf_t *conf = kafka_client_conf(&k->client, err);
    if (conf == NULL) return NULL;
    kafka_conf_apply(conf, fixed);
    kafka_conf_apply(conf, (struct kafka_property[]){{"compression.codec", codec(k)}, {0}});
    kafka_conf_number(conf, "linger.ms", alone ? 0 : k->linger_ms);
    kafka_conf_number(conf, "batch.size", k->batch_bytes);
    kafka_conf_number(conf, "batch.num.messages", alone ? 1 : 10000);
    kafka_conf_number(conf, "queue.buffering.max.kbytes", k->buffer_bytes / 1024);
    kafka_conf_number(conf, "queue.buffering.max.messages", k->buffer_bytes / BYTES_PER_MESSAGE);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return conf;
}

static void set_main_queue(struct sink_kafka *k, rd_kafka_queue_t *queue)
{
    pthread_mutex_lock(&k->wake_lock);
    if (k->main_queue != NULL) rd_kafka_queue_destroy(k->main_queue);
    k->main_queue = queue;
    pthread_mutex_unlock(&k->wake_lock);
}

static bool line_open(struct sink_kafka *k, int number, struct error *err)
{
    struct line     *line = &k->lines[number];
    rd_kafka_conf_t *conf = producer_conf(k, number == ALONE, err);
    if (conf == NULL || (line->rk = kafka_client_start(&k->client, RD_KAFKA_PRODUCER, conf, err)) == NULL) return false;
    line->topics = calloc(k->topics.most, sizeof *line->topics);
    if (line->topics == NULL) return error_set(err, ERROR_MEMORY, "'%s': out of memory", k->sink.name);
    if (number == IN_COMPANY) set_main_queue(k, rd_kafka_queue_get_main(line->rk));
    return true;
}

/* Afterwards nothing of librdkafka points into blocks any more. */
static void line_close(struct sink_kafka *k, int number)
{
    struct line *line = &k->lines[number];
    if (line->rk == NULL) return;
    rd_kafka_purge(line->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (number == IN_COMPANY) set_main_queue(k, NULL);
    for (size_t i = 0; line->topics != NULL && i < k->topics.count; i++)
        if (line->topics[i] != NULL) rd_kafka_topic_destroy(line->topics[i]);
    free(line->topics);
    rd_kafka_destroy(line->rk);
    *line = (struct line){0};
}

static rd_kafka_topic_t *line_topic(struct line *line, const struct kafka_topics *topics, size_t number)
{
    if (line->topics[number] == NULL) line->topics[number] = rd_kafka_topic_new(line->rk, topics->items[number].name, NULL);
    CHECK(line->topics[number] != NULL);
    return line->topics[number];
}

/* --- Flights ---------------------------------------------------------------------------------------------------------- */

static struct flight *flight_new(struct sink_kafka *k, struct block *b)
{
    struct flight *f = calloc(1, sizeof *f + b->count * sizeof *f->marks);
    if (f == NULL) return NULL;
    f->block = b;
    for (size_t i = 0; i < b->count; i++) {
        bool ours = sink_wants(&k->sink, b, i);
        f->marks[i] = (struct mark){f, ours ? MARK_WAITING : MARK_OURS_NOT, false};
        f->left += ours;
    }
    return f;
}

static void flight_free(struct flight *f)
{
    free(f->rejected);
    free(f);
}

static void flight_end(struct sink_kafka *k, struct flight *f)
{
    struct flight **at = &k->first;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    if (k->last == &f->next) k->last = at;
    sink_done(&k->sink, f->block, f->rejected, f->rejected_count);
    flight_free(f);
}

static void wait_again(struct sink_kafka *k, struct mark *m)
{
    size_t record = (size_t)(m - m->flight->marks);
    CHECK(m->state == MARK_SENT || m->state == MARK_WAITING);
    k->waiting += m->state == MARK_SENT;
    m->state = MARK_WAITING;
    if (record < m->flight->at) m->flight->at = record;
}

static void reject(struct mark *m, const char *reason)
{
    struct flight *f = m->flight;
    if (f->rejected == NULL) f->rejected = calloc(f->block->count, sizeof *f->rejected);
    CHECK(f->rejected != NULL);
    f->rejected[f->rejected_count++] = (struct rejected){(uint32_t)(m - f->marks), reason};
    m->state = MARK_REJECTED;
    f->left--;
}

/* --- Failures --------------------------------------------------------------------------------------------------------- */

/* What is wrong with a record itself; NULL: nothing, it may pass later. */
static const char *fault_of_record(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: return "too large";
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return "invalid";
    default: return NULL;
    }
}

static void retry_later(struct sink_kafka *k)
{
    uint64_t now = clock_monotonic_ms();
    if (k->retry_at_ms > now) return;
    k->retry_ms = k->retry_ms == 0 ? RETRY_FIRST_MS : k->retry_ms < RETRY_MOST_MS / 2 ? 2 * k->retry_ms : RETRY_MOST_MS;
    k->retry_at_ms = now + k->retry_ms;
}

static void tell(struct sink_kafka *k, const char *topic, rd_kafka_resp_err_t error)
{
    k->failing = true;
    sink_trouble(&k->sink, "topic '%.100s': %s", topic, kafka_error_text(error));
}

static void tell_refused_batch(struct sink_kafka *k, const char *topic, rd_kafka_resp_err_t error)
{
    uint64_t left_out = 0;
    if (!log_passes(&k->refused_limit, HELD_BACK_LIMIT_MS, &left_out)) return;
    log_line(LOG_WARNING, k->sink.name, "topic '%.100s' refused a batch, its records are sent one by one (%s)%s", topic,
             rd_kafka_err2str(error), error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? ": the setting batch may be too large" : "");
}

static void on_failure(struct sink_kafka *k, struct mark *m, const char *topic, rd_kafka_resp_err_t error)
{
    const char *fault = fault_of_record(error);
    if (fault != NULL && m->alone) {
        reject(m, fault);
        return;
    }
    atomic_fetch_add(&k->sink.counters.retried, 1);
    wait_again(k, m);
    bool purged = error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (fault != NULL) {
        m->alone = true;
        tell_refused_batch(k, topic, error);
    } else if (!purged && error != RD_KAFKA_RESP_ERR__FATAL) {
        retry_later(k);
        tell(k, topic, error);
    }
}

static void on_success(struct sink_kafka *k, struct mark *m)
{
    m->state = MARK_DONE;
    m->flight->left--;
    if (!k->failing || k->waiting > 0) return;
    k->failing = false;
    k->retry_ms = 0;
    sink_well(&k->sink);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct sink_kafka *k = kafka_owner(rk);
    struct mark       *m = message->_private;
    struct flight     *f = m->flight;
    (void)opaque;
    CHECK(m->state == MARK_SENT);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) on_success(k, m);
    else on_failure(k, m, rd_kafka_topic_name(message->rkt), message->err);
    if (f->left == 0) flight_end(k, f);
}

/* --- Sending ---------------------------------------------------------------------------------------------------------- */

static struct slice key_of(const struct sink_kafka *k, const struct block *b, const struct block_record *r)
{
    if (k->key == KEY_RESOURCE) return block_label(b, r->resource);
    return k->key == KEY_CORRELATION ? block_label(b, r->correlation) : (struct slice){0};
}

static void add_header(rd_kafka_headers_t *headers, struct slice name, struct slice value)
{
    CHECK(rd_kafka_header_add(headers, name.data, (ssize_t)name.len, value.data, (ssize_t)value.len) == 0);
}

static rd_kafka_headers_t *headers_of(const struct block *b, const struct block_record *r)
{
    char                id[EVENT_ID_TEXT], redactions[12];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    CHECK(headers != NULL);
    event_id_text(r, id);
    int len = snprintf(redactions, sizeof redactions, "%u", r->redactions);
    add_header(headers, SLICE("lethe-event-id"), slice_of(id, sizeof id - 1));
    add_header(headers, SLICE("lethe-kind"), slice_from(kind_text(r->kind)));
    add_header(headers, SLICE("lethe-policy"), block_label(b, r->policy));
    add_header(headers, SLICE("lethe-redactions"), slice_of(redactions, (size_t)len));
    return headers;
}

static rd_kafka_resp_err_t produce(struct sink_kafka *k, struct line *line, rd_kafka_topic_t *topic, struct mark *m)
{
    const struct block        *b = m->flight->block;
    size_t                     i = (size_t)(m - m->flight->marks);
    struct slice               value = sink_bytes(&k->sink, b, i), key = key_of(k, b, &b->records[i]);
    const char                *key_data = key.len > 0 ? key.data : NULL;
    rd_kafka_headers_t        *headers = headers_of(b, &b->records[i]);
    rd_kafka_resp_err_t        error = rd_kafka_producev(
        line->rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_VALUE((char *)value.data, value.len), RD_KAFKA_V_KEY(key_data, key.len),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(m), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_headers_destroy(headers);
    return error;
}

/* A topic that was not there is looked for again only when somebody asks. */
static void ask_for(struct line *line, rd_kafka_topic_t *topic)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(line->rk, 0, topic, &metadata, METADATA_WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

/* False: not now, nor any other. */
static bool send_mark(struct sink_kafka *k, struct mark *m)
{
    const struct block        *b = m->flight->block;
    const struct block_record *r = &b->records[m - m->flight->marks];
    struct line               *line = &k->lines[m->alone ? ALONE : IN_COMPANY];
    size_t                     number = kafka_topics_find(&k->topics, r->kind, block_label(b, r->category));
    rd_kafka_topic_t          *topic = line_topic(line, &k->topics, number);
    rd_kafka_resp_err_t        error = produce(k, line, topic, m);
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL || error == RD_KAFKA_RESP_ERR__FATAL) return false;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        m->state = MARK_SENT;
    } else if (fault_of_record(error) != NULL) {
        reject(m, fault_of_record(error));   /* said by librdkafka, of this one */
    } else {
        ask_for(line, topic);
        tell(k, k->topics.items[number].name, error);
        retry_later(k);
        return false;
    }
    k->waiting--;
    return true;
}

static bool opens_alone(struct sink_kafka *k, const struct mark *m, struct error *err)
{
    return !m->alone || k->lines[ALONE].rk != NULL || line_open(k, ALONE, err);
}

/* Sends what waits, oldest first. False: this sink cannot go on. */
static bool send_waiting(struct sink_kafka *k, struct error *err)
{
    struct flight *f = k->first;
    if (k->retry_at_ms > clock_monotonic_ms()) return true;
    while (k->waiting > 0 && f != NULL) {
        struct flight *next = f->next;
        for (; f->at < f->block->count; f->at++) {
            struct mark *m = &f->marks[f->at];
            if (m->state != MARK_WAITING) continue;
            if (!opens_alone(k, m, err)) return false;
            if (!send_mark(k, m)) return true;
        }
        if (f->left == 0) flight_end(k, f);
        f = next;
    }
    return true;
}

/* --- A producer given up ---------------------------------------------------------------------------------------------- */

/* What its reports do not say anything about is sent again, too. */
static void take_back(struct sink_kafka *k, bool alone)
{
    for (struct flight *f = k->first; f != NULL; f = f->next)
        for (size_t i = 0; i < f->block->count; i++)
            if (f->marks[i].state == MARK_SENT && f->marks[i].alone == alone) wait_again(k, &f->marks[i]);
}

static bool renew(struct sink_kafka *k, int number, struct error *err)
{
    struct line *line = &k->lines[number];
    if (line->rk == NULL || rd_kafka_fatal_error(line->rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    rd_kafka_resp_err_t error = rd_kafka_fatal_error(line->rk, NULL, 0);
    uint64_t            deadline = clock_monotonic_ms() + PURGE_WAIT_MS;
    k->failing = true;
    sink_trouble(&k->sink, "kafka gave the producer up, it is made anew: %s", kafka_error_text(error));
    rd_kafka_purge(line->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(line->rk) > 0 && clock_monotonic_ms() < deadline) rd_kafka_poll(line->rk, 10);
    line_close(k, number);
    take_back(k, number == ALONE);
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

static bool open_parts(struct sink_kafka *k, struct error *err)
{
    const char *name = k->sink.name;
    if (!kafka_topics_init(&k->topics, k->topic, k->max_topics)) return error_set(err, ERROR_MEMORY, "'%s': out of memory", name);
    return kafka_client_init(&k->client, &k->connection, name, k, err) && line_open(k, IN_COMPANY, err);
}

static void close_kafka(struct sink *s)
{
    struct sink_kafka *k = of(s);
    if (!k->opened) return;
    k->opened = false;
    kafka_client_hurry(&k->client);
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
    if (k->waiting > 0) return SINK_FULL;
    struct flight *f = flight_new(k, b);
    if (f == NULL) return SINK_FULL;
    *k->last = f;
    k->last = &f->next;
    k->waiting += f->left;
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

static bool poll_kafka(struct sink *s, int wait_ms, struct error *err)
{
    struct sink_kafka *k = of(s);
    char               text[sizeof s->trouble];
    if (k->lines[ALONE].rk != NULL) rd_kafka_poll(k->lines[ALONE].rk, 0);
    rd_kafka_poll(k->lines[IN_COMPANY].rk, shorter_wait(k, wait_ms));
    if (!renew(k, IN_COMPANY, err) || !renew(k, ALONE, err) || !send_waiting(k, err)) return false;
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
    {.name = "compression", .type = SETTING_CHOICE, .offset = AT(compression), .standard = "auto", .choices = compression_choices,
     .help = "auto is lz4, and none for event hubs"},
    {.name = "linger", .type = SETTING_DURATION, .offset = AT(linger_ms), .standard = "5ms", .most = 10000,
     .help = "how long a batch waits for more"},
    {.name = "batch", .type = SETTING_BYTES, .offset = AT(batch_bytes), .standard = "1000000", .least = 16384,
     .most = KAFKA_MAX_MESSAGE, .help = "bytes of a batch at most: not more than the brokers' limit for a message"},
    {.name = "buffer", .type = SETTING_BYTES, .offset = AT(buffer_bytes), .standard = "16M", .least = 1048576, .most = 1 << 30,
     .help = "bytes handed to kafka and not yet acknowledged"},
    {0}};

const struct sink_type sink_kafka = {
    .name = "kafka",
    .summary = "topics of kafka or azure event hubs, one record a message",
    .bytes = sizeof(struct sink_kafka),
    .settings = settings,
    .formats = "original flat ecs ocsf cef appinsights",
    .network = true,
    .check = check,
    .open = open_kafka,
    .take = take,
    .poll = poll_kafka,
    .wake = wake,
    .close = close_kafka,
};
