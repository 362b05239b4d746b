/* The Kafka sink's producers, and what becomes of each record. See sink_kafka.c. */
#include "sinks/sink_kafka_priv.h"

#include "base/clock.h"

#include <stdlib.h>

#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS 30000
#define PURGE_WAIT_MS 5000            /* for the reports of a producer that is given up */
#define METADATA_WAIT_MS 500          /* for asking again after a topic that was not there */
#define BYTES_PER_MESSAGE 512         /* of the buffer: bounds the number of messages, which cost memory of their own */
#define TRANSACTION_TIMEOUT_MS 30000  /* after which the brokers abort it: what a dead run left open */
#define HELD_BACK_LIMIT_MS 60000      /* between two lines about refused batches */

static void on_delivery(rd_kafka_t *, const rd_kafka_message_t *, void *opaque);

/* --- Producers -------------------------------------------------------------------------------------------------------- */

static const char *codec(const struct sink_kafka *k)
{
    if (k->compression == COMPRESS_AUTO) return k->connection.event_hubs ? "none" : "lz4";
    return kafka_compression_choices[k->compression];
}

/* Within a transaction messages expire with it, and it is begun again. */
static void name_transactions(const struct sink_kafka *k, rd_kafka_conf_t *conf)
{
    char id[512];
    snprintf(id, sizeof id, "lethe-%s-%s", k->feed->group, k->feed->instance);
    kafka_conf_apply(conf, (struct kafka_property[]){{"transactional.id", id}, {0}});
    kafka_conf_number(conf, "transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
}

static rd_kafka_conf_t *producer_conf(struct sink_kafka *k, bool alone, struct error *err)
{
    static const struct kafka_property fixed[] = {
        {"enable.idempotence", "true"}, {"acks", "all"}, {"max.in.flight", "5"}, {"retry.backoff.ms", "200"},
        {"topic.metadata.propagation.max.ms", "3000"}, {0}};
    rd_kafka_conf_t *conf = kafka_client_conf(&k->client, err);
    if (conf == NULL) return NULL;
    kafka_conf_apply(conf, fixed);
    if (k->exactly_once) name_transactions(k, conf);
    else kafka_conf_apply(conf, (struct kafka_property[]){{"message.timeout.ms", "0"}, {0}});
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

bool line_open(struct sink_kafka *k, int number, struct error *err)
{
    struct line     *line = &k->lines[number];
    rd_kafka_conf_t *conf = producer_conf(k, number == ALONE, err);
    if (conf == NULL || (line->rk = kafka_client_start(&k->client, RD_KAFKA_PRODUCER, conf, err)) == NULL) return false;
    line->topics = calloc(k->topics.most, sizeof *line->topics);
    if (line->topics == NULL) return error_set(err, ERROR_MEMORY, "'%s': out of memory", k->sink.name);
    if (number == IN_COMPANY) set_main_queue(k, rd_kafka_queue_get_main(line->rk));
    return true;
}

void line_close(struct sink_kafka *k, int number)
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

struct flight *flight_add(struct sink_kafka *k, struct block *b)
{
    struct flight *f = flight_new(k, b);
    if (f == NULL) return NULL;
    *k->last = f;
    k->last = &f->next;
    k->waiting += f->left;
    return f;
}

void flight_free(struct flight *f)
{
    free(f->rejected);
    free(f);
}

struct flight *flight_unlink(struct sink_kafka *k, struct flight *f)
{
    struct flight **at = &k->first;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    if (k->last == &f->next) k->last = at;
    return *at;
}

void flight_end(struct sink_kafka *k, struct flight *f)
{
    flight_unlink(k, f);
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

void flight_reset(struct sink_kafka *k, struct flight *f)
{
    f->at = 0;
    for (size_t i = 0; i < f->block->count; i++) {
        struct mark *m = &f->marks[i];
        if (m->state != MARK_SENT && m->state != MARK_DONE) continue;
        f->left += m->state == MARK_DONE;
        m->state = MARK_WAITING;
        k->waiting++;
    }
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

void retry_later(struct sink_kafka *k)
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
             rd_kafka_err2str(error),
             error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? ": the setting batch may be too large" : "");
}

static void on_failure(struct sink_kafka *k, struct mark *m, const char *topic, rd_kafka_resp_err_t error)
{
    const char *fault = fault_of_record(error);
    k->must_abort = true;
    if (fault != NULL && m->alone) {
        reject(m, fault);
        return;
    }
    atomic_fetch_add(&k->sink.counters.retried, 1);
    wait_again(k, m);
    bool purged = error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (fault != NULL) {
        if (k->exactly_once) k->wants_careful = true;
        else m->alone = true;
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
    if (!k->failing || k->waiting > 0 || k->exactly_once) return;
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
    if (f->left == 0 && !k->exactly_once) flight_end(k, f);
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
        k->must_abort = true;
        if (error == RD_KAFKA_RESP_ERR__STATE) return false;   /* of the transaction, which is told elsewhere */
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

bool send_waiting(struct sink_kafka *k, struct error *err)
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
        if (f->left == 0 && !k->exactly_once) flight_end(k, f);
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

void line_give_up(struct sink_kafka *k, int number)
{
    struct line *line = &k->lines[number];
    uint64_t     deadline = clock_monotonic_ms() + PURGE_WAIT_MS;
    rd_kafka_purge(line->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(line->rk) > 0 && clock_monotonic_ms() < deadline) rd_kafka_poll(line->rk, 10);
    line_close(k, number);
    take_back(k, number == ALONE);
}
