/* What a Kafka source lends to the Kafka sink of a run that is exactly once: how far a block goes in its partition, to be
 * committed in the same transaction as what was made of it.
 *
 * (1) A receipt speaks of one partition, while it is owned by this member of the group. It is *current* until the partition is
 *     taken away, lost or read anew: then whoever reads on begins at the last commit, and the block must not be sent.
 * (2) Offsets go with the membership under which they are current: the brokers refuse those of a member that the group has
 *     left behind (KIP-447). Without a membership there are none: brokers would not check anything.
 * (3) Who takes a feed commits for the source; the source itself commits nothing then.
 * Thread: the functions are called by the sink's; they take the source's lock and do not wait for brokers. */
#ifndef LETHE_SINKS_KAFKA_FEED_H
#define LETHE_SINKS_KAFKA_FEED_H

#include "sinks/kafka_client.h"

#include <stddef.h>

struct receipt;

#define KAFKA_INSTANCE_TEXT 33

struct kafka_offsets {
    rd_kafka_topic_partition_list_t    *list;         /* where to read on; empty: nothing of any partition */
    rd_kafka_consumer_group_metadata_t *membership;
};

enum feed_answer {
    FEED_GIVEN,
    FEED_STALE,   /* at least one receipt is not current */
    FEED_AWAY,    /* no member of the group just now; ask again */
};

struct kafka_feed {
    const struct kafka_settings *connection;
    const char                  *group;
    char                         instance[KAFKA_INSTANCE_TEXT];   /* equal after a restart with the same store; set by open() */
    bool                         taken;

    bool (*is_current)(struct kafka_feed *, const struct receipt *);

    /* The caller releases the offsets when FEED_GIVEN. */
    enum feed_answer (*offsets)(struct kafka_feed *, const struct receipt *const *, size_t count, struct kafka_offsets *);

    /* Nothing that was read is current any more; the source begins again at the last commit. */
    void (*read_anew)(struct kafka_feed *);
};

static inline void kafka_offsets_release(struct kafka_offsets *o)
{
    rd_kafka_topic_partition_list_destroy(o->list);
    rd_kafka_consumer_group_metadata_destroy(o->membership);
}

#endif
