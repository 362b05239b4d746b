/* What the files of the Kafka sink share: sink_kafka.c is its life, sink_kafka_send.c sends records and hears what became of
 * them, sink_kafka_transaction.c is for `exactly_once`. The laws are at the heads of sink_kafka.c and of the last. */
#ifndef LETHE_SINKS_SINK_KAFKA_PRIV_H
#define LETHE_SINKS_SINK_KAFKA_PRIV_H

#include "sinks/kafka_client.h"
#include "sinks/kafka_feed.h"
#include "sinks/kafka_topics.h"
#include "sinks/sink.h"

enum kafka_key { KEY_RESOURCE, KEY_CORRELATION, KEY_NONE };
enum compression { COMPRESS_AUTO, COMPRESS_LZ4, COMPRESS_ZSTD, COMPRESS_GZIP, COMPRESS_NONE };

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

enum transaction {
    TRANSACTION_UNKNOWN,      /* what an earlier producer of this name left is not ended yet */
    TRANSACTION_NONE,
    TRANSACTION_OPEN,
    TRANSACTION_COMMITTING,   /* whether it is committed is not known until the brokers say so */
    TRANSACTION_ABORTING,
};

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
    bool                  exactly_once;
    uint64_t              transaction_ms, transaction_bytes;

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

    struct kafka_feed *feed;                /* with exactly_once, as what follows */
    enum transaction   transaction;
    uint64_t           begun_ms, bytes;     /* of the transaction, or of what waits for one */
    bool               must_abort;          /* a record of it failed */
    bool               careful;             /* the producer is that of ALONE, since a batch was refused */
    bool               wants_careful;
};

extern const char *const kafka_compression_choices[];

/* --- sink_kafka_send.c --- */

MUST_USE bool line_open(struct sink_kafka *, int number, struct error *);
void line_close(struct sink_kafka *, int number);   /* afterwards nothing of librdkafka points into blocks any more */

struct flight *flight_add(struct sink_kafka *, struct block *);   /* NULL: no memory */
void flight_free(struct flight *);
void flight_end(struct sink_kafka *, struct flight *);
struct flight *flight_unlink(struct sink_kafka *, struct flight *);   /* the one behind it */

/* All of it waits again, but for what was rejected. */
void flight_reset(struct sink_kafka *, struct flight *);

/* Sends what waits, oldest first. False: this sink cannot go on. */
bool send_waiting(struct sink_kafka *, struct error *);

void retry_later(struct sink_kafka *);

/* Gives up what a producer has not sent, hears its last reports and closes it. */
void line_give_up(struct sink_kafka *, int number);

/* --- sink_kafka_transaction.c --- */

MUST_USE bool transactions_pair(struct sink_kafka *, const struct sink_company *, struct error *);
bool transactions_take(struct sink_kafka *, struct block *);   /* false: not now */
MUST_USE bool transactions_poll(struct sink_kafka *, int wait_ms, struct error *);
void transactions_close(struct sink_kafka *);

#endif
