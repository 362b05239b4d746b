/* Delivery over HTTP: what all sinks share that send blocks as bodies of requests.
 *
 * A block becomes parcels: runs of its records that fit into one body. Several are under way at once, each with its own pace
 * (net/retry.h), all behind one breaker. What the receiver did not accept of a parcel stays in it and is sent again, without
 * limit; what it refuses for good is named in sink_done(). A sink adds what differs: how an item looks, where it goes, and
 * what an answer means.
 *
 * The receiver's words stay unread but for numbers and names of a closed set: they may repeat what was sent.
 * Thread: the sink's, delivery_wake() excepted. */
#ifndef LETHE_SINKS_HTTP_DELIVERY_H
#define LETHE_SINKS_HTTP_DELIVERY_H

#include "net/http_client.h"
#include "sinks/sink.h"

#define DELIVERY_HEADERS   8
#define DELIVERY_IN_FLIGHT 4            /* requests at once, and twice as many blocks in hand */
#define DELIVERY_ANSWER    (4u << 20)   /* bytes of an answer that are read */

enum item_fate { ITEM_DELIVERED, ITEM_LATER, ITEM_REJECTED };

struct item_outcome {
    enum item_fate fate;
    const char    *reason;   /* of ITEM_REJECTED: a string literal */
};

enum answer_verdict {
    ANSWER_ITEMS,      /* see `items` */
    ANSWER_LATER,      /* nothing was taken: the same again later */
    ANSWER_DIVIDE,     /* the same in halves; a single item is rejected with `reason` */
    ANSWER_ELSEWHERE,  /* the sink has another address now: the same again at once */
};

struct delivery_answer {
    enum answer_verdict  verdict;
    struct item_outcome *items;     /* one for each of the body, ITEM_DELIVERED before the call */
    size_t               count;
    const char          *reason;
    uint32_t             hold_ms;   /* ANSWER_LATER: nothing at all is sent for so long; 0: as the breaker says */
};

/* Where a request goes. Texts are the sink's and copied after the call. */
struct delivery_head {
    const char        *url;
    struct http_header headers[DELIVERY_HEADERS];
    size_t             header_count;
};

struct delivery_rules {
    struct slice open, between, close;   /* of a body */
    size_t       body_bytes, body_items; /* most, before packing */
    size_t       item_bytes;             /* a longer item is rejected */
    bool         gzip;
    uint64_t     timeout_ms;

    /* Appends an item; nothing: the record cannot be one, and is rejected. False: no memory. */
    bool (*put_item)(struct sink *, const struct block *, size_t record, struct encoded *out);
    /* False: not now, as the error says; it is asked again later. It may wait for an answer of the client (tokens). */
    bool (*address)(struct sink *, struct delivery_head *, struct error *);
    /* Never called without a status. */
    void (*read)(struct sink *, const struct http_result *, struct delivery_answer *);
};

struct delivery;

/* Client and rules are copied or borrowed until delivery_free(), which also frees the client. NULL: no memory. */
MUST_USE struct delivery *delivery_new(struct sink *, const struct delivery_rules *, struct http_client *);
void delivery_free(struct delivery *);   /* NULL is allowed */

/* What sinks that deliver over HTTP begin with; the functions are those of their struct sink_type. */
struct delivery_sink {
    struct sink      base;
    struct delivery *delivery;
};

enum sink_take delivery_take(struct sink *, struct block *);
bool delivery_poll(struct sink *, int wait_ms, struct error *);
void delivery_wake(struct sink *);

/* What a status means for senders that know no items: 2xx all, 413 divide, 400 and 422 divide down to the one at fault, all
 * else later. */
void delivery_read_status(const struct http_result *, struct delivery_answer *);

#endif
