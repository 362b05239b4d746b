/* The partitions that a Kafka source has been given: how far each is read, settled and committed.
 *
 *      committed <= settled <= filled <= next      (offsets; each is the first one that is not yet so)
 *
 * (1) A partition is of a generation. Being taken away ends it: what is settled later is of no interest, since the next owner
 *     reads it again from the last commit. So does a log that begins anew, whose offsets are others.
 * (2) Receipts are settled in the order in which they were filled, so the last one settled is the frontier.
 * (3) Items stay where their index says for as long as the table lives.
 * Thread: partitions_settle(), partitions_stop() and partitions_current() from any; everything else from the source's own. */
#ifndef LETHE_COLLECTOR_KAFKA_PARTITIONS_H
#define LETHE_COLLECTOR_KAFKA_PARTITIONS_H

#include "base/check.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OFFSET_UNKNOWN (-1)

struct kafka_partition {
    char             *topic;
    int32_t           number;
    bool              owned;
    bool              touched;      /* the cargo being filled holds some of it */
    uint64_t          generation;   /* shared: changed by the source's thread with the lock */
    int64_t           next;         /* to be read */
    int64_t           filled;       /* ... after the last cargo that is on its way */
    int64_t           settled;      /* shared */
    bool              stopped;      /* shared: something was given up, so nothing after it may be committed */
    int64_t           committed;    /* as far as we know */
    rd_kafka_queue_t *queue;        /* of its messages, while owned */
    uint8_t           stream[16];   /* see struct origin */
};

struct kafka_partitions {
    pthread_mutex_t         lock;
    pthread_cond_t          progress;   /* something was settled */
    struct kafka_partition *items;
    size_t                  count, capacity, owned;
};

void partitions_init(struct kafka_partitions *);
void partitions_release(struct kafka_partitions *);

/* The index of a partition, SIZE_MAX if it was never owned. `near` is tried first. */
size_t partitions_find(const struct kafka_partitions *, const char *topic, int32_t number, size_t near);

/* Whether the list, or NULL for all, holds the partition. */
bool partitions_listed(const rd_kafka_topic_partition_list_t *, const char *topic, int32_t number);

/* A new generation of a partition that begins at `committed`, or where it is told later (OFFSET_UNKNOWN); its index. */
size_t partitions_own(struct kafka_partitions *, const char *topic, int32_t number, int64_t committed);
void   partitions_disown(struct kafka_partitions *, size_t index);

/* The log of an owned partition begins anew, with lower offsets: what was read of the earlier one is of an earlier generation. */
void partitions_begin_anew(struct kafka_partitions *, size_t index);

/* Whether what was read of this generation is still ours to settle. With the lock. */
bool partitions_current(const struct kafka_partitions *, size_t index, uint64_t generation);

/* All of this generation before `next` is settled. */
void partitions_settle(struct kafka_partitions *, size_t index, uint64_t generation, int64_t next);

/* The receipt was given up: the frontier stays where it is. */
void partitions_stop(struct kafka_partitions *, size_t index, uint64_t generation);

/* What can be committed of those in `among` (NULL: of all). The caller destroys the list; NULL: nothing. */
rd_kafka_topic_partition_list_t *partitions_to_commit(struct kafka_partitions *, const rd_kafka_topic_partition_list_t *among);

/* Waits until what was filled of those in the list is settled, at most so long. */
void partitions_wait(struct kafka_partitions *, const rd_kafka_topic_partition_list_t *, int wait_ms);

#endif
