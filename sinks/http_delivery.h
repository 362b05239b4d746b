/* Delivery over HTTP: what all sinks share that send blocks as bodies of requests.
 *
 * A block becomes parcels: runs of its records that fit into one body. Several are under way at once, each with its own pace
 * (net/retry.h), all behind one breaker. What the receiver did not accept of a parcel stays in it and is sent again, without
 * limit; what it refuses for good is named in sink_done(). A sink adds what differs: how an item looks, where it goes, and
 * what an answer means.
 *
 * Whose fault a refusal is, the record's or that of the address, index or stream that it was sent to, no receiver says. So:
 * (1) A request that is refused as a whole is halved, down to the single record.
 * (2) A record that is refused is rejected only if the receiver has accepted another: in the same request, or between the
 *     first refusal of the record and the sending of the last; or, for REJECTIONS_IN_A_ROW of them, at any time since the
 *     sink was opened. Otherwise it is kept and sent again, behind pauses, and the sink counts as failing.
 * (3) After REFUSALS_IN_A_ROW refusals without an acceptance they count as failures, so that the breaker slows the search down.
 *
 * The receiver's words stay unread but for numbers and names of a closed set: they may repeat what was sent.
 * Thread: the sink's, delivery_wake() excepted. */
#ifndef LETHE_SINKS_HTTP_DELIVERY_H
#define LETHE_SINKS_HTTP_DELIVERY_H

#include "net/http_client.h"
#include "sinks/sink.h"

#include <cjson/cJSON.h>

#define DELIVERY_HEADERS    16
#define DELIVERY_IN_FLIGHT  4            /* requests at once */
#define DELIVERY_BLOCKS     8            /* in hand; twice as many where receivers confirm later */
#define DELIVERY_ANSWER     (4u << 20)   /* bytes of an answer that are read */
#define DELIVERY_ANSWER_VALUES 200000    /* in its JSON: each costs forty times its two bytes; most items: 10,000 */
#define REJECTIONS_IN_A_ROW 16
#define REFUSALS_IN_A_ROW   64           /* more than halving the largest body takes, four requests at once */
#define UNCLEAR_ANSWERS     3            /* to one parcel, before it is halved */

enum item_fate {
    ITEM_DELIVERED,
    ITEM_LATER,
    ITEM_REJECTED,   /* it is refused */
    ITEM_UNWANTED,   /* it was taken and thrown away, as the receiver is set to do: rejected, yet all is well */
};

struct item_outcome {
    enum item_fate fate;
    const char    *reason;   /* of what is rejected: a string literal */
};

enum answer_verdict {
    ANSWER_ITEMS,      /* see `items` */
    ANSWER_LATER,      /* nothing was taken: the same again later */
    ANSWER_REFUSED,    /* the request as a whole, with `reason`: see (1) */
    ANSWER_UNCLEAR,    /* some may have been taken, nobody can tell which: later, and after a few times as if refused */
    ANSWER_ELSEWHERE,  /* the sink has another address now: the same again at once */
    ANSWER_PROMISED,   /* all was taken, and will be confirmed under `ticket` */
};

struct delivery_answer {
    enum answer_verdict  verdict;
    struct item_outcome *items;     /* one for each of the body, ITEM_DELIVERED before the call */
    size_t               count;
    const char          *reason;
    const char          *trouble;   /* a string literal that says more than the status does; NULL: it says enough */
    uint32_t             hold_ms;   /* what is sent later, and anything else, waits at least so long; 0: as the breaker says */
    uint64_t             ticket;    /* ANSWER_PROMISED */
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
    const char  *look;                   /* where to look when everything is refused: "url, index and token" */

    /* Appends an item; nothing: the record cannot be one, and is rejected. False: no memory. */
    bool (*put_item)(struct sink *, const struct block *, size_t record, struct encoded *out);
    /* False: not now, as the error says; it is asked again later. It may wait for an answer of the client (tokens). */
    bool (*address)(struct sink *, struct delivery_head *, struct error *);
    /* Never called without a status. */
    void (*read)(struct sink *, const struct http_result *, struct delivery_answer *);
    /* There was none; NULL: that is of no interest. */
    void (*unanswered)(struct sink *);

    /* For receivers that confirm later; NULL with the functions. What is not confirmed in time is sent again. */
    uint64_t confirm_every_ms, confirm_within_ms;
    /* The request that asks about the tickets; its body is appended to `body`. False: not now. */
    bool (*ask)(struct sink *, const uint64_t *tickets, size_t count, struct delivery_head *, struct encoded *body,
                struct error *);
    /* Sets `confirmed` where the answer says so. False: it is no answer to the question. */
    bool (*read_confirmed)(struct sink *, const struct http_result *, const uint64_t *tickets, size_t count, bool *confirmed);
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

/* What a status means for senders that know no items: 2xx all; 400, 413 and 422 refused; all else later. */
void delivery_read_status(const struct http_result *, struct delivery_answer *);

/* The body as JSON, to be deleted. NULL: it is none, or has more values than any answer needs. */
cJSON *delivery_json(const struct http_result *);

/* The pause that the answer asks for; 0: none. */
uint32_t delivery_asked_wait(const struct http_result *);

#endif
