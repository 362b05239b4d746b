/* The Kafka source's membership of its group: what it is given and gives back, what it commits. See source_kafka.c. */
#include "source_kafka_priv.h"

#include "base/clock.h"

#define SETTLE_WAIT_MS 2000           /* for what is under way, when a partition is taken away */
#define COMMIT_WAIT_MS 5000           /* for the answer to a commit before a partition is given up */
#define COMMIT_AGAIN_MS 50            /* after a commit that was put off */
#define LOOKUP_WAIT_MS 5000           /* for the committed offsets of new partitions */
#define UNSUBSCRIBE_WAIT_MS 5000      /* for a rebalance that is under way to be over, and for the partitions to be given back */
#define CLOSE_WAIT_MS 15000           /* for all of that, and the group to let us go */
#define HEARTBEAT_MS 3000
#define QUEUE_KBYTES 4096             /* fetched and not yet taken */
#define QUEUE_MESSAGES 10000
#define FETCH_BYTES (2 * 1024 * 1024) /* of one answer, half of it of one partition, unless a single message is larger */

/* --- Commits ---------------------------------------------------------------------------------------------------------- */

/* The group has moved on; it sorts that out by itself. */
static bool is_rebalance(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        || error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct source_kafka *k = opaque;
    (void)rk;
    k->committing = false;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        size_t                            index = partitions_find(&k->partitions, p->topic, p->partition, SIZE_MAX);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR && p->err != RD_KAFKA_RESP_ERR_NO_ERROR) error = p->err;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR && index != SIZE_MAX) k->partitions.items[index].committed = p->offset;
    }
    k->put_off = error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET && !is_rebalance(error))
        kafka_client_failed(&k->client, error, "what is done cannot be committed");
}

/* The answer comes through the queue `commits`. */
static void commit(struct source_kafka *k, const rd_kafka_topic_partition_list_t *among)
{
    if (k->feed.taken) return;   /* a sink does, in its transactions */
    rd_kafka_topic_partition_list_t *list = k->committing ? NULL : partitions_to_commit(&k->partitions, among);
    if (list == NULL) return;
    k->committing = rd_kafka_commit_queue(k->rk, list, k->commits, on_commit, k) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
}

static void await_commit(struct source_kafka *k, uint64_t deadline_ms)
{
    for (uint64_t now = clock_monotonic_ms(); k->committing && now < deadline_ms; now = clock_monotonic_ms())
        rd_kafka_queue_poll_callback(k->commits, (int)(deadline_ms - now));
}

/* A group that is being put together takes no commits for a moment. */
static void commit_now(struct source_kafka *k, const rd_kafka_topic_partition_list_t *among)
{
    uint64_t deadline = clock_monotonic_ms() + COMMIT_WAIT_MS;
    await_commit(k, deadline);
    do {
        k->put_off = false;
        commit(k, among);
        await_commit(k, deadline);
        if (k->put_off) rd_kafka_queue_poll_callback(k->commits, COMMIT_AGAIN_MS);
    } while (k->put_off && clock_monotonic_ms() < deadline);
}

/* --- Messages held ---------------------------------------------------------------------------------------------------- */

static void drop_held(struct source_kafka *k, const rd_kafka_topic_partition_list_t *taken)
{
    size_t kept = 0;
    for (size_t i = k->held_at; i < k->held_count; i++) {
        rd_kafka_message_t *m = k->held[i];
        bool                drop = m->rkt == NULL || partitions_listed(taken, rd_kafka_topic_name(m->rkt), m->partition);
        if (drop && i == k->held_at) k->begun = false;
        if (drop) rd_kafka_message_destroy(m);
        else k->held[kept++] = m;
    }
    k->held_at = 0;
    k->held_count = kept;
}

void group_pass_held(struct source_kafka *k)
{
    rd_kafka_message_destroy(k->held[k->held_at++]);
    k->begun = false;
}

/* --- The group -------------------------------------------------------------------------------------------------------- */

static void fail_and_free(struct source_kafka *k, rd_kafka_error_t *error)
{
    if (error == NULL) return;
    kafka_client_failed(&k->client, rd_kafka_error_code(error), "the group");
    rd_kafka_error_destroy(error);
}

/* A consumer that is closed has no protocol. */
static bool is_cooperative(rd_kafka_t *rk)
{
    const char *protocol = rd_kafka_rebalance_protocol(rk);
    return protocol != NULL && strcmp(protocol, "COOPERATIVE") == 0;
}

/* Where the group was, or where to begin; if that cannot be learnt, librdkafka goes on trying. */
static void look_up(struct source_kafka *k, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t error = rd_kafka_committed(k->rk, list, LOOKUP_WAIT_MS);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR || p->err != RD_KAFKA_RESP_ERR_NO_ERROR) p->offset = RD_KAFKA_OFFSET_INVALID;
        else if (p->offset < 0) p->offset = k->start == START_LATEST ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
    }
}

/* Messages go past the group's queue from the first one on. */
static void redirect(struct source_kafka *k, struct kafka_partition *p)
{
    p->queue = rd_kafka_queue_get_partition(k->rk, p->topic, p->number);
    CHECK(p->queue != NULL);
    rd_kafka_queue_forward(p->queue, k->messages);
}

static void identify(const struct source_kafka *k, struct kafka_partition *p)
{
    char text[KAFKA_TOPIC_LEN + 16];
    snprintf(text, sizeof text, "%s/%d", p->topic, p->number);
    source_stream_id(&k->source, slice_from(text), p->stream);
}

/* A source that is leaving takes nothing up: it says that it will read what is written from now on, and gives it back. */
static void decline_partitions(struct source_kafka *k, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) list->elems[i].offset = RD_KAFKA_OFFSET_END;
    if (is_cooperative(k->rk)) fail_and_free(k, rd_kafka_incremental_assign(k->rk, list));
    else rd_kafka_assign(k->rk, list);
}

static void assign_partitions(struct source_kafka *k, rd_kafka_topic_partition_list_t *list)
{
    look_up(k, list);
    for (int i = 0; i < list->cnt; i++) {
        int64_t committed = list->elems[i].offset >= 0 ? list->elems[i].offset : OFFSET_UNKNOWN;
        size_t  index = partitions_own(&k->partitions, list->elems[i].topic, list->elems[i].partition, committed);
        identify(k, &k->partitions.items[index]);
        redirect(k, &k->partitions.items[index]);
    }
    if (is_cooperative(k->rk)) fail_and_free(k, rd_kafka_incremental_assign(k->rk, list));
    else rd_kafka_assign(k->rk, list);
    log_line(LOG_INFO, k->source.name, "has %zu partitions, %d of them new", k->partitions.owned, list->cnt);
}

static void give_up(struct source_kafka *k, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        size_t index = partitions_find(&k->partitions, list->elems[i].topic, list->elems[i].partition, SIZE_MAX);
        if (index != SIZE_MAX && k->partitions.items[index].owned) partitions_disown(&k->partitions, index);
    }
    drop_held(k, list);
}

static void revoke_partitions(struct source_kafka *k, rd_kafka_topic_partition_list_t *list)
{
    bool lost = rd_kafka_assignment_lost(k->rk) != 0;
    if (!lost) partitions_wait(&k->partitions, list, SETTLE_WAIT_MS);
    if (!lost) commit_now(k, list);
    give_up(k, list);
    if (is_cooperative(k->rk)) fail_and_free(k, rd_kafka_incremental_unassign(k->rk, list));
    else rd_kafka_assign(k->rk, NULL);
    log_line(LOG_INFO, k->source.name, "gave %d partitions back%s, has %zu", list->cnt,
             lost ? ", since it was out of the group" : "", k->partitions.owned);
}

/* Whatever the answer, librdkafka takes everything away; a second one it does not always bear. */
static void answer_closing(struct source_kafka *k)
{
    if (k->leaving == CLOSING) rd_kafka_assign(k->rk, NULL);
    k->leaving = CLOSED;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct source_kafka *k = kafka_owner(rk);
    (void)opaque;
    k->assigned = true;
    if (k->leaving >= CLOSING) answer_closing(k);
    else if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) revoke_partitions(k, list);
    else if (k->leaving == UNSUBSCRIBED) decline_partitions(k, list);
    else assign_partitions(k, list);
}

/* --- The consumer ----------------------------------------------------------------------------------------------------- */

static rd_kafka_conf_t *consumer_conf(struct source_kafka *k, struct error *err)
{
    static const struct kafka_property fixed[] = {
        {"enable.auto.commit", "false"}, {"enable.auto.offset.store", "false"}, {"auto.offset.reset", "earliest"},
        {"partition.assignment.strategy", "cooperative-sticky"}, {"isolation.level", "read_committed"},
        {"max.poll.interval.ms", "300000"},
        /* A commit that is tried again sooner than a coordinator is looked for (500 ms) finds none, and librdkafka takes that
         * for the failure of the one it is just finding: it then loses the group although all is well. */
        {"retry.backoff.ms", "1000"}, {0}};
    rd_kafka_conf_t *conf = kafka_client_conf(&k->client, err);
    if (conf == NULL) return NULL;
    kafka_conf_apply(conf, fixed);
    kafka_conf_number(conf, "session.timeout.ms", k->session_ms);
    kafka_conf_number(conf, "heartbeat.interval.ms", k->session_ms / 3 < HEARTBEAT_MS ? k->session_ms / 3 : HEARTBEAT_MS);
    kafka_conf_number(conf, "queued.max.messages.kbytes", QUEUE_KBYTES);
    kafka_conf_number(conf, "queued.min.messages", QUEUE_MESSAGES);
    kafka_conf_number(conf, "fetch.message.max.bytes", FETCH_BYTES / 2);
    kafka_conf_number(conf, "fetch.max.bytes", FETCH_BYTES);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    if (rd_kafka_conf_set(conf, "group.id", k->group, NULL, 0) == RD_KAFKA_CONF_OK) return conf;
    rd_kafka_conf_destroy(conf);
    error_set(err, ERROR_USAGE, "'%s': kafka does not take the value for group", k->source.name);
    return NULL;
}

static bool subscribe(struct source_kafka *k, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)k->topics.count + 1);
    for (size_t i = 0; i < k->topics.count; i++)
        rd_kafka_topic_partition_list_add(list, k->topics.items[i], RD_KAFKA_PARTITION_UA);
    if (k->topics.count == 0) rd_kafka_topic_partition_list_add(list, k->client.topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    return error_set(err, ERROR_USAGE, "'%s': kafka does not take the topics: %s", k->source.name, rd_kafka_err2str(error));
}

static void listen_to(rd_kafka_queue_t *queue, int fd)
{
    uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof one);
}

/* The feed asks it for its membership. */
static void set_consumer(struct source_kafka *k, rd_kafka_t *rk)
{
    pthread_mutex_lock(&k->partitions.lock);
    k->rk = rk;
    pthread_mutex_unlock(&k->partitions.lock);
}

bool group_join(struct source_kafka *k, struct error *err)
{
    rd_kafka_conf_t *conf = consumer_conf(k, err);
    rd_kafka_t      *rk = conf != NULL ? kafka_client_start(&k->client, RD_KAFKA_CONSUMER, conf, err) : NULL;
    if (rk == NULL) return false;
    set_consumer(k, rk);
    rd_kafka_poll_set_consumer(k->rk);
    k->events = rd_kafka_queue_get_consumer(k->rk);
    k->messages = rd_kafka_queue_new(k->rk);
    k->commits = rd_kafka_queue_new(k->rk);
    listen_to(k->events, k->wakeup.fd);
    listen_to(k->messages, k->wakeup.fd);
    k->broken = k->committing = false;
    k->leaving = STAYING;
    k->assigned = false;
    return subscribe(k, err);
}

static bool is_member(struct source_kafka *k)
{
    char *name = rd_kafka_memberid(k->rk);
    bool  member = name != NULL && name[0] != '\0';
    if (name != NULL) rd_kafka_mem_free(k->rk, name);
    return member;
}

/* Gives everything back as long as this is a member like any other: what a rebalance still asks for is answered, and commits
 * are taken. Where the group waits for other members, not for us, it may take too long. */
static void unsubscribe(struct source_kafka *k)
{
    uint64_t deadline = clock_monotonic_ms() + UNSUBSCRIBE_WAIT_MS;
    k->leaving = UNSUBSCRIBED;
    rd_kafka_unsubscribe(k->rk);
    while ((is_member(k) || rd_kafka_queue_length(k->events) > 0) && clock_monotonic_ms() < deadline) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(k->rk, 10);
        if (m != NULL) rd_kafka_message_destroy(m);
    }
}

static void close_consumer(struct source_kafka *k, uint64_t deadline)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(k->rk);
    k->leaving = CLOSING;
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(k->rk, queue);
    while (error == NULL && !rd_kafka_consumer_closed(k->rk) && clock_monotonic_ms() < deadline) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(queue, 100);
        if (m != NULL) rd_kafka_message_destroy(m);
    }
    if (error != NULL) rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
}

/* The group knows it, yet it was never told which partitions it has. */
static bool is_joining(struct source_kafka *k) { return !k->assigned && is_cooperative(k->rk); }

/* A consumer that is `joining` is left where it is, without a word and for as long as the process lives: librdkafka 2.0.2
 * aborts the process that destroys it. */
static void destroy_consumer(rd_kafka_t *rk, bool joining)
{
    if (joining) rd_kafka_set_log_level(rk, 0);
    else rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

/* Others are to go on at once. A librdkafka that is closed while it waits for the answer to a rebalance may abort the process
 * or wait for ever (2.0.2), so it is closed when there is none any more. */
void group_leave(struct source_kafka *k)
{
    if (k->rk == NULL) return;
    uint64_t deadline = clock_monotonic_ms() + CLOSE_WAIT_MS;
    drop_held(k, NULL);
    if (!k->broken) unsubscribe(k);
    if (!k->broken && k->partitions.owned > 0 && !rd_kafka_assignment_lost(k->rk)) commit_now(k, NULL);
    bool joining = is_joining(k);
    if (!k->broken) close_consumer(k, deadline);
    for (size_t i = 0; i < k->partitions.count; i++)
        if (k->partitions.items[i].owned) partitions_disown(&k->partitions, i);
    rd_kafka_queue_t *queues[] = {k->events, k->messages, k->commits};
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) rd_kafka_queue_destroy(queues[i]);
    rd_kafka_t *rk = k->rk;
    set_consumer(k, NULL);
    destroy_consumer(rk, joining);
    k->events = k->messages = k->commits = NULL;
}

/* --- Serving ---------------------------------------------------------------------------------------------------------- */

/* The group's queue has errors besides what goes to callbacks. */
void group_take_event(struct source_kafka *k, const rd_kafka_message_t *m)
{
    char        what[KAFKA_TOPIC_LEN + 32] = "the group";
    const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : NULL;
    if (topic != NULL) snprintf(what, sizeof what, "topic '%s'", topic);
    if (m->err == RD_KAFKA_RESP_ERR__FATAL) k->broken = true;
    else if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) kafka_client_failed(&k->client, m->err, what);
}

static void update_gauges(struct source_kafka *k)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < k->partitions.count; i++) {
        const struct kafka_partition *p = &k->partitions.items[i];
        int64_t                       low, high;
        if (!p->owned || p->next < 0) continue;
        if (rd_kafka_get_watermark_offsets(k->rk, p->topic, p->number, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
        if (high > p->next) lag += (uint64_t)(high - p->next);
    }
    atomic_store(&k->source.counters.lag_bytes, lag);
    atomic_store(&k->source.counters.streams, k->partitions.owned);
}

/* Keeps the membership of the group alive, whether or not there is room for messages. */
void group_serve(struct source_kafka *k)
{
    rd_kafka_message_t *m;
    while ((m = rd_kafka_consumer_poll(k->rk, 0)) != NULL) {
        group_take_event(k, m);
        rd_kafka_message_destroy(m);
    }
    rd_kafka_queue_poll_callback(k->commits, 0);
    if (rd_kafka_fatal_error(k->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) k->broken = true;
    uint64_t now = clock_monotonic_ms();
    if (now - k->tick_ms < TICK_MS) return;
    k->tick_ms = now;
    kafka_client_probe(&k->client, k->rk);
    commit(k, NULL);
    update_gauges(k);
}
