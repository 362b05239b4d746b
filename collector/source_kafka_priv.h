/* source_kafka.c fills cargoes, source_kafka_group.c keeps the membership of the group; this is what both see. The laws are at
 * the head of source_kafka.c. */
#ifndef LETHE_COLLECTOR_SOURCE_KAFKA_PRIV_H
#define LETHE_COLLECTOR_SOURCE_KAFKA_PRIV_H

#include "base/wakeup.h"
#include "kafka_partitions.h"
#include "sinks/kafka_feed.h"
#include "source.h"

#define HELD 64                       /* messages taken from the queue at a time */
#define TICK_MS 1000                  /* between commits; Event Hubs allows four a second */

enum start { START_EARLIEST, START_LATEST };

/* How far a consumer is on its way out of the group. */
enum leaving {
    STAYING,
    UNSUBSCRIBED,   /* still a member, gives everything back */
    CLOSING,        /* the consumer ends; one answer to the group is due at most */
    CLOSED,         /* it was given */
};

struct source_kafka {
    struct source         source;
    struct kafka_settings connection;
    struct text_list      topics;
    const char           *group;
    int                   start;
    uint64_t              session_ms;

    struct kafka_client     client;
    rd_kafka_t             *rk;
    rd_kafka_queue_t       *events, *messages, *commits;
    struct wakeup           wakeup;               /* set off when a queue has something, and by wake() */
    struct framer          *framer;
    rd_kafka_message_t     *held[HELD];
    size_t                  held_at, held_count;
    bool                    begun;                /* held[held_at] is handed out in part */
    size_t                  read;                 /* bytes of it that framing has */
    size_t                  near;                 /* index of the partition met last */
    struct kafka_partitions partitions;
    struct kafka_receipt   *spare;                /* for what is filled next, with room for so many: */
    size_t                  spare_steps;
    struct kafka_feed       feed;
    atomic_bool             rereads;              /* the feed wants all to be read anew */
    size_t                  filling;              /* with the feed taken: index of the partition that the cargo is of; SIZE_MAX */
    uint64_t                tick_ms, told_ms;
    bool                    committing;           /* an answer is awaited */
    bool                    put_off;              /* the last one was that it is too early */
    bool                    broken;               /* librdkafka gave this consumer up */
    bool                    assigned;             /* the group has told this consumer once what it has */
    bool                    opened;
    enum leaving            leaving;
    char                    told[512];            /* trouble told last */
};

struct kafka_receipt {
    struct receipt receipt;
    size_t         count;
    struct step {
        size_t   partition;
        uint64_t generation;
        int64_t  next;
    } steps[];
};

/* Makes the consumer and joins the group, when brokers are there. False and an error: settings that cannot be, no memory. */
MUST_USE bool group_join(struct source_kafka *, struct error *);

/* Commits what is settled and leaves the group, if that can be done in some seconds; nothing is owned afterwards. */
void group_leave(struct source_kafka *);

/* Callbacks, commits, gauges: to be called often, whether or not there is room for messages. */
void group_serve(struct source_kafka *);

/* What librdkafka puts into a queue in place of a message. */
void group_take_event(struct source_kafka *, const rd_kafka_message_t *);

/* source_kafka_feed.c. When settings are read; when store and keys are there. */
void feed_init(struct source_kafka *);
void feed_name(struct source_kafka *);

/* The message held first is done with. */
void group_pass_held(struct source_kafka *);

#endif
