/* What the Kafka source lends to a sink that writes exactly once: see sinks/kafka_feed.h. */
#include "source_kafka_priv.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define HOST_NAME_ROOM 256

static struct source_kafka *of(struct kafka_feed *f)
{
    return (struct source_kafka *)((char *)f - offsetof(struct source_kafka, feed));
}

/* --- What is current -------------------------------------------------------------------------------------------------- */

static bool all_current(const struct kafka_partitions *p, const struct receipt *receipt)
{
    const struct kafka_receipt *r = (const struct kafka_receipt *)receipt;
    for (size_t i = 0; i < r->count; i++)
        if (!partitions_current(p, r->steps[i].partition, r->steps[i].generation)) return false;
    return true;
}

static bool is_current(struct kafka_feed *f, const struct receipt *receipt)
{
    struct source_kafka *k = of(f);
    pthread_mutex_lock(&k->partitions.lock);
    bool current = all_current(&k->partitions, receipt);
    pthread_mutex_unlock(&k->partitions.lock);
    return current;
}

static void read_anew(struct kafka_feed *f)
{
    struct source_kafka *k = of(f);
    pthread_mutex_lock(&k->partitions.lock);
    for (size_t i = 0; i < k->partitions.count; i++) k->partitions.items[i].stopped = true;
    pthread_mutex_unlock(&k->partitions.lock);
    atomic_store(&k->rereads, true);
    wakeup_signal(&k->wakeup);
}

/* --- Offsets ---------------------------------------------------------------------------------------------------------- */

static bool same_bytes(const rd_kafka_consumer_group_metadata_t *a, const rd_kafka_consumer_group_metadata_t *b)
{
    void  *of_a = NULL, *of_b = NULL;
    size_t len_a = 0, len_b = 0;
    CHECK(rd_kafka_consumer_group_metadata_write(a, &of_a, &len_a) == NULL &&
          rd_kafka_consumer_group_metadata_write(b, &of_b, &len_b) == NULL);
    bool same = len_a == len_b && memcmp(of_a, of_b, len_a) == 0;
    rd_kafka_mem_free(NULL, of_a);
    rd_kafka_mem_free(NULL, of_b);
    return same;
}

/* Not the one of a consumer that the group has sent away, with the generation -1 or no name: brokers take that for a client that
 * is in no group and check nothing. */
static bool is_membership(struct source_kafka *k, const rd_kafka_consumer_group_metadata_t *m)
{
    char *name = rd_kafka_memberid(k->rk);
    bool  named = name != NULL && name[0] != '\0' && !rd_kafka_assignment_lost(k->rk);
    if (named) {
        rd_kafka_consumer_group_metadata_t *none = rd_kafka_consumer_group_metadata_new_with_genid(k->group, -1, name, NULL);
        CHECK(none != NULL);
        named = !same_bytes(m, none);
        rd_kafka_consumer_group_metadata_destroy(none);
    }
    if (name != NULL) rd_kafka_mem_free(k->rk, name);
    return named;
}

static void add_steps(const struct source_kafka *k, const struct receipt *receipt, rd_kafka_topic_partition_list_t *list)
{
    const struct kafka_receipt *r = (const struct kafka_receipt *)receipt;
    for (const struct step *step = r->steps; step < r->steps + r->count; step++) {
        const struct kafka_partition *p = &k->partitions.items[step->partition];
        rd_kafka_topic_partition_t   *there = rd_kafka_topic_partition_list_find(list, p->topic, p->number);
        if (there == NULL) there = rd_kafka_topic_partition_list_add(list, p->topic, p->number);
        there->offset = step->next;   /* receipts come in the order in which they were filled */
    }
}

/* With the lock held throughout: a partition that is taken away stops being current before the group gives it to another, and
 * so before the membership changes. */
static enum feed_answer offsets_locked(struct source_kafka *k, const struct receipt *const *receipts, size_t count,
                                       struct kafka_offsets *out)
{
    for (size_t i = 0; i < count; i++)
        if (!all_current(&k->partitions, receipts[i])) return FEED_STALE;
    out->membership = k->rk != NULL ? rd_kafka_consumer_group_metadata(k->rk) : NULL;
    if (out->membership == NULL) return FEED_AWAY;
    if (!is_membership(k, out->membership)) {
        rd_kafka_consumer_group_metadata_destroy(out->membership);
        return FEED_AWAY;
    }
    out->list = rd_kafka_topic_partition_list_new(1);
    for (size_t i = 0; i < count; i++) add_steps(k, receipts[i], out->list);
    return FEED_GIVEN;
}

static enum feed_answer offsets(struct kafka_feed *f, const struct receipt *const *receipts, size_t count,
                                struct kafka_offsets *out)
{
    struct source_kafka *k = of(f);
    pthread_mutex_lock(&k->partitions.lock);
    enum feed_answer answer = offsets_locked(k, receipts, count, out);
    pthread_mutex_unlock(&k->partitions.lock);
    return answer;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

void feed_init(struct source_kafka *k)
{
    k->feed = (struct kafka_feed){.connection = &k->connection, .group = k->group, .is_current = is_current, .offsets = offsets,
                                  .read_anew = read_anew};
    k->source.feed = &k->feed;
}

/* Of the store's birth and this machine, so that no two have the same, not even with the same keys; without a store, of this
 * run only. */
void feed_name(struct source_kafka *k)
{
    uint8_t bytes[16];
    char    host[HOST_NAME_ROOM] = "", text[HOST_NAME_ROOM + 32];
    if (k->source.store_born_ns != UINT64_MAX && gethostname(host, sizeof host - 1) == 0) {
        int len = snprintf(text, sizeof text, "%llu %s", (unsigned long long)k->source.store_born_ns, host);
        source_fingerprint(&k->source, "kafka transactions", slice_of(text, (size_t)len), bytes);
    } else {
        CHECK(getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    }
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(k->feed.instance + 2 * i, 3, "%02x", bytes[i]);
}
