/* The source `kafka`: topics of a cluster or of Azure Event Hubs, shared with others through a consumer group.
 *
 * Each message is framed on its own: a record, {"records":[...]}, JSON Lines or text. A batch holds many messages.
 *
 * (1) What is committed is what is settled, partition by partition, and nothing else: an offset is committed only by
 *     commit(), from what partitions_settle() was told. What was read and not settled is read again after a crash or by the
 *     next owner of the partition, with equal event ids (the partition's name, offset and time of the message, place in it).
 * (2) Messages come through a queue of their own, so that the group's queue can be served without taking messages: a source
 *     without a free cargo stays in its group for as long as idle() is called.
 * (3) A partition that is taken away is given time to settle what is under way, then what is settled is committed, then it
 *     is given up; whatever of it is still queued here is dropped.
 *
 * Thread: the source's own, which also runs librdkafka's callbacks; settled(), abandoned() and wake() see the header. */
#include "source_kafka_priv.h"

#include "base/clock.h"


#define MESSAGES_PER_CARGO 4096
#define TELL_AGAIN_MS 60000           /* the same trouble */

static const char *const start_choices[] = {"earliest", "latest", NULL};

static struct source_kafka *of(struct source *s) { return (struct source_kafka *)s; }

/* --- Filling ---------------------------------------------------------------------------------------------------------- */

static ptrdiff_t read_message(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct source_kafka      *k = context;
    const rd_kafka_message_t *m = k->held[k->held_at];
    size_t                    left = m->len - k->read;
    (void)err;
    if (left > capacity) left = capacity;
    memcpy(buffer, (const char *)m->payload + k->read, left);
    k->read += left;
    return (ptrdiff_t)left;
}

/* Offsets may have gaps (compaction, transactions). Only what lies before the beginning of the log is lost. */
static void note_gap(struct source_kafka *k, const struct kafka_partition *p, int64_t offset)
{
    int64_t low = OFFSET_UNKNOWN, high;
    if (p->next == OFFSET_UNKNOWN || offset == p->next) return;
    rd_kafka_get_watermark_offsets(k->rk, p->topic, p->number, &low, &high);
    if (offset < p->next) {
        atomic_fetch_add(&k->source.counters.errors, 1);
        log_line(LOG_WARNING, k->source.name, "topic %s/%d begins anew at offset %lld: it was made again since it was read last",
                 p->topic, p->number, (long long)offset);
    } else if (low > p->next) {
        atomic_fetch_add(&k->source.counters.errors, 1);
        atomic_fetch_add(&k->source.counters.lost_bytes, (uint64_t)(low - p->next));
        log_line(LOG_WARNING, k->source.name, "topic %s/%d: offsets %lld to %lld are gone: retention is shorter than the lag",
                 p->topic, p->number, (long long)p->next, (long long)low - 1);
    }
}

static size_t partition_of(struct source_kafka *k, const rd_kafka_message_t *m)
{
    size_t index = partitions_find(&k->partitions, rd_kafka_topic_name(m->rkt), m->partition, k->near);
    if (index != SIZE_MAX) k->near = index;
    return index;
}

static bool has_room(const struct source_kafka *k, const struct cargo *c)
{
    return c->batch.capacity - c->batch.used >= FRAMER_ROOM(k->source.max_record);
}

static void begin_message(struct source_kafka *k, struct kafka_partition *p, const rd_kafka_message_t *m)
{
    bool anew = p->next != OFFSET_UNKNOWN && m->offset < p->next;
    note_gap(k, p, m->offset);
    if (anew && !k->feed.taken) partitions_begin_anew(&k->partitions, (size_t)(p - k->partitions.items));
    framer_reset(k->framer, (struct byte_source){read_message, k});
    k->begun = true;
    k->read = 0;
    p->next = m->offset;
}

/* Offsets begin anew when a topic is deleted and made again, under the same name. What tells its messages from the earlier ones
 * is when they were written, which stays with a message. */
static void identify(struct origin *o, const struct kafka_partition *p, const rd_kafka_message_t *m)
{
    uint64_t written_ms = (uint64_t)rd_kafka_message_timestamp(m, NULL);
    memcpy(o->stream, p->stream, sizeof o->stream);
    for (size_t i = 0; i < sizeof written_ms; i++) o->stream[i] ^= (uint8_t)(written_ms >> 8 * i);
}

/* Documents of the message that is begun, until it ends or the cargo is full. False: no memory; the cargo is as before. */
static bool frame_message(struct source_kafka *k, struct kafka_partition *p, struct cargo *c, struct error *err)
{
    size_t        count = c->batch.count, used = c->batch.used;
    struct origin origin = {.number = (uint64_t)p->next};
    enum fill     status = FILL_SOME;
    identify(&origin, p, k->held[k->held_at]);
    if (!cargo_reserve_origins(c, c->origin_count + 1)) return error_set(err, ERROR_MEMORY, "no memory for a message");
    uint32_t index = cargo_add_origin(c, &origin);
    while (status == FILL_SOME && has_room(k, c)) status = framer_fill(k->framer, &c->batch, err);
    if (status == FILL_FAILED) {
        c->batch.count = count;
        c->batch.used = used;
        c->origin_count--;
        k->begun = false;
        return false;
    }
    for (size_t i = count; i < c->batch.count; i++) c->batch.documents[i].origin = index;
    if (status == FILL_SOME) return true;
    p->next++;
    group_pass_held(k);
    return true;
}

static void pass_empty(struct source_kafka *k, struct kafka_partition *p)
{
    atomic_fetch_add(&k->source.counters.empty, 1);
    p->next++;
    group_pass_held(k);
}

/* With the feed taken a cargo is of one partition, so that it is current or not as a whole. */
static bool may_fill(struct source_kafka *k, size_t index)
{
    if (!k->feed.taken) return true;
    if (k->filling == SIZE_MAX) k->filling = index;
    return k->filling == index;
}

static void note_place(struct cargo *c, const struct kafka_partition *p)
{
    if (c->place[0] == '\0') snprintf(c->place, sizeof c->place, "topic %.200s/%d", p->topic, p->number);
}

/* Takes what is held, message by message. False as frame_message(). */
static bool take_held(struct source_kafka *k, struct cargo *c, struct error *err)
{
    while (k->held_at < k->held_count && has_room(k, c) && c->origin_count < MESSAGES_PER_CARGO) {
        rd_kafka_message_t *m = k->held[k->held_at];
        size_t              index = m->rkt != NULL ? partition_of(k, m) : SIZE_MAX;
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR || index == SIZE_MAX || !k->partitions.items[index].owned) {
            group_take_event(k, m);
            group_pass_held(k);
            continue;
        }
        if (!may_fill(k, index)) return true;
        struct kafka_partition *p = &k->partitions.items[index];
        if (!k->begun) begin_message(k, p, m);
        if (m->len == 0) pass_empty(k, p);
        else if (!frame_message(k, p, c, err)) return false;
        p->touched = true;
        note_place(c, p);
    }
    return true;
}

static bool hold_more(struct source_kafka *k)
{
    if (k->held_at < k->held_count) return true;
    ssize_t got = rd_kafka_consume_batch_queue(k->messages, 0, k->held, HELD);
    k->held_at = 0;
    k->held_count = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static void wait_for_events(struct source_kafka *k, int wait_ms)
{
    wakeup_wait(&k->wakeup, wait_ms < TICK_MS ? wait_ms : TICK_MS);
}

static size_t count_touched(const struct kafka_partitions *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) count += p->items[i].touched;
    return count;
}

/* With room for a step of every partition, before a new one is touched. False: no memory; the one that there was stays. */
static bool make_receipt(struct source_kafka *k, struct error *err)
{
    if (k->spare != NULL && k->spare_steps >= k->partitions.count) return true;
    struct kafka_receipt *r = receipt_new(sizeof *r + k->partitions.count * sizeof *r->steps, err);
    if (r == NULL) return false;
    free(k->spare);
    k->spare = r;
    k->spare_steps = k->partitions.count;
    return true;
}

static void write_receipt(struct source_kafka *k, struct cargo *c)
{
    size_t                count = count_touched(&k->partitions);
    struct kafka_receipt *r = k->spare;
    CHECK(r != NULL && count <= k->spare_steps);
    k->spare = NULL;
    for (size_t i = 0; i < k->partitions.count; i++) {
        struct kafka_partition *p = &k->partitions.items[i];
        if (!p->touched) continue;
        p->touched = false;
        p->filled = p->next;
        r->steps[r->count++] = (struct step){i, p->generation, p->next};
    }
    size_t len = strlen(c->place);
    if (count > 1) snprintf(c->place + len, sizeof c->place - len, " and %zu more", count - 1);
    c->receipt = &r->receipt;
}

/* One line of trouble, not the same one all the time. */
static bool tells_trouble(struct source_kafka *k, struct error *err)
{
    char     text[sizeof k->told];
    uint64_t now = clock_monotonic_ms();
    if (!kafka_client_trouble(&k->client, text, sizeof text)) return false;
    if (strcmp(text, k->told) == 0 && now - k->told_ms < TELL_AGAIN_MS) return false;
    memcpy(k->told, text, sizeof text);
    k->told_ms = now;
    return !error_set(err, ERROR_INPUT, "%s", text);
}

/* A consumer that librdkafka has given up, or that is to read anew, is made anew; what is under way is of an earlier
 * generation then. */
static bool renew(struct source_kafka *k, struct error *err)
{
    bool rereads = atomic_exchange(&k->rereads, false);
    if (!k->broken && !rereads) return true;
    group_leave(k);
    if (!group_join(k, err)) return false;
    return rereads || error_set(err, ERROR_INPUT, "kafka gave the consumer up; it is made anew");
}

static enum source_fill fill(struct source *s, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_kafka *k = of(s);
    if (k->rk == NULL && !group_join(k, err)) return SOURCE_FAILED;
    group_serve(k);
    if (!renew(k, err) || tells_trouble(k, err)) return SOURCE_FAILED;
    if (!hold_more(k)) {
        wait_for_events(k, wait_ms);
        group_serve(k);
        if (!hold_more(k)) return tells_trouble(k, err) ? SOURCE_FAILED : SOURCE_IDLE;
    }
    c->place[0] = '\0';
    k->filling = SIZE_MAX;
    bool taken;
    while ((taken = make_receipt(k, err) && take_held(k, c, err)) && k->held_at == k->held_count && hold_more(k)) {}
    if (count_touched(&k->partitions) == 0) return taken ? SOURCE_IDLE : SOURCE_FAILED;
    err->code = ERROR_NONE;   /* what fits is sent; memory is asked for again next time */
    write_receipt(k, c);
    return SOURCE_FILLED;
}

/* --- The rest of the life --------------------------------------------------------------------------------------------- */

static bool check(struct source *s, struct error *err)
{
    struct source_kafka *k = of(s);
    feed_init(k);
    if (!kafka_settings_check(&k->connection, s->name, err)) return false;
    size_t group_len = strlen(k->group);
    if (group_len == 0 || group_len > 256) return error_set(err, ERROR_USAGE, "'%s': group has 1 to 256 bytes", s->name);
    for (size_t i = 0; i < k->topics.count; i++)
        if (k->topics.items[i][0] == '\0' || strlen(k->topics.items[i]) > KAFKA_TOPIC_LEN)
            return error_set(err, ERROR_USAGE, "'%s': names in topics have 1 to %d bytes", s->name, KAFKA_TOPIC_LEN);
    bool named = k->connection.connection_string != NULL && strstr(k->connection.connection_string, "EntityPath") != NULL;
    if (k->topics.count == 0 && !named) return error_set(err, ERROR_USAGE, "'%s': topics are missing", s->name);
    return true;
}

static bool open_parts(struct source_kafka *k, struct error *err)
{
    const char *name = k->source.name;
    if (!wakeup_init(&k->wakeup, err)) return false;
    k->framer = framer_new(&(struct framer_options){.max_document = k->source.max_record});
    if (k->framer == NULL) return error_set(err, ERROR_MEMORY, "'%s': out of memory", name);
    if (!kafka_client_init(&k->client, &k->connection, name, k, err)) return false;
    if (k->topics.count == 0 && k->client.topic == NULL)
        return error_set(err, ERROR_USAGE, "'%s': topics are missing: the connection string names none", name);
    return group_join(k, err);
}

static void close_kafka(struct source *s)
{
    struct source_kafka *k = of(s);
    if (!k->opened) return;
    k->opened = false;
    kafka_client_hurry(&k->client);
    group_leave(k);
    kafka_client_release(&k->client);
    framer_free(k->framer);
    wakeup_release(&k->wakeup);
    partitions_release(&k->partitions);
    free(k->spare);
    k->spare = NULL;
}

static bool open_kafka(struct source *s, struct error *err)
{
    struct source_kafka *k = of(s);
    k->opened = true;
    partitions_init(&k->partitions);
    feed_name(k);
    if (open_parts(k, err)) return true;
    close_kafka(s);
    return false;
}

static void settled(struct source *s, struct receipt *receipt)
{
    struct source_kafka  *k = of(s);
    struct kafka_receipt *r = (struct kafka_receipt *)receipt;
    for (const struct step *step = r->steps; step < r->steps + r->count; step++)
        partitions_settle(&k->partitions, step->partition, step->generation, step->next);
    free(r);
}

static void abandoned(struct source *s, struct receipt *receipt)
{
    struct source_kafka  *k = of(s);
    struct kafka_receipt *r = (struct kafka_receipt *)receipt;
    for (const struct step *step = r->steps; step < r->steps + r->count; step++)
        partitions_stop(&k->partitions, step->partition, step->generation);
    free(r);
}

static void idle(struct source *s)
{
    struct source_kafka *k = of(s);
    if (k->rk != NULL) group_serve(k);
}

static void wake(struct source *s) { wakeup_signal(&of(s)->wakeup); }

static const struct setting settings[] = {
    KAFKA_SETTINGS(struct source_kafka, connection),
    {.name = "topics", .type = SETTING_TEXTS, .offset = offsetof(struct source_kafka, topics),
     .help = "names, or patterns that begin with ^; the event hub of the connection string if absent"},
    {.name = "group", .type = SETTING_TEXT, .offset = offsetof(struct source_kafka, group), .standard = "lethe",
     .help = "consumer group: instances of lethe with the same one share the partitions"},
    {.name = "start", .type = SETTING_CHOICE, .offset = offsetof(struct source_kafka, start), .standard = "earliest",
     .choices = start_choices, .help = "where to begin in a partition that the group has not read yet"},
    {.name = "session_timeout", .type = SETTING_DURATION, .offset = offsetof(struct source_kafka, session_ms), .standard = "30s",
     .least = 1000, .most = 300000,
     .help = "after so long without a sign of life others get the partitions; brokers have a least, mostly 6s"},
    {0}};

const struct source_type source_kafka = {
    .name = "kafka",
    .summary = "topics of kafka or azure event hubs, shared through a consumer group",
    .bytes = sizeof(struct source_kafka),
    .settings = settings,
    .replayable = true,
    .cargoes = 4,
    .check = check,
    .open = open_kafka,
    .fill = fill,
    .settled = settled,
    .abandoned = abandoned,
    .idle = idle,
    .wake = wake,
    .close = close_kafka,
};
