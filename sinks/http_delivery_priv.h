/* What the two halves of the delivery over HTTP share: http_delivery.c sends parcels and reads answers, http_confirm.c asks
 * what has become of those that are confirmed later. */
#ifndef LETHE_SINKS_HTTP_DELIVERY_PRIV_H
#define LETHE_SINKS_HTTP_DELIVERY_PRIV_H

#include "net/gzip_body.h"
#include "net/retry.h"
#include "sinks/http_delivery.h"

#define CONFIRM_MOST  256           /* tickets in one question */
#define NEVER_REFUSED UINT64_MAX

/* A block in hand. */
struct job {
    struct block    *block;
    uint32_t        *order;      /* its records for this sink; parcels are ranges of it */
    struct rejected *rejected;   /* room for all of them */
    size_t           rejected_count;
    size_t           left;       /* records without an outcome */
};

enum parcel_state { PARCEL_WAITING, PARCEL_SENT, PARCEL_ANSWERED, PARCEL_PROMISED };

struct parcel {
    struct parcel     *next;
    struct delivery   *delivery;
    struct job        *job;
    size_t             first, count;   /* of job->order */
    bool               tried;
    unsigned           unclear;        /* answers so far */
    uint64_t           sent_at, refused_at;   /* d->accepted when it was sent last and refused first; NEVER_REFUSED */
    enum parcel_state  state;
    struct retry       retry;
    char              *body;           /* while it is under way */
    struct http_result result;         /* PARCEL_ANSWERED */
    uint64_t           ticket, promised_ms;   /* PARCEL_PROMISED */
};

/* The question about tickets, one at a time. */
struct question {
    bool               asked, answered;
    uint64_t           tickets[CONFIRM_MOST];
    bool               confirmed[CONFIRM_MOST];
    size_t             count;
    struct encoded     body;
    struct http_result result;
    uint64_t           next_ms;        /* not asked before */
};

struct delivery {
    struct sink          *sink;
    struct delivery_rules rules;
    struct http_client   *client;
    struct gzip_body     *packer;
    struct breaker        breaker;
    struct parcel        *parcels;     /* older blocks first */
    size_t                jobs, under_way;
    uint64_t              held_until_ms;
    uint64_t              accepted;    /* answers by which something was taken */
    size_t                refusals;    /* of requests, since then */
    size_t                rejections;  /* of records, since then */
    struct encoded        bytes;       /* of the body that is being made */
    struct item_outcome  *items;
    size_t                item_room;
    struct question       question;
};

/* All of the parcel is delivered: it is gone afterwards, and its block with the last. */
void delivery_finish(struct parcel *);

/* What a receiver promised goes back to be sent again. */
void delivery_send_again(struct parcel *);

/* Asks, reads answers, sends again what was not confirmed in time. Nothing, for receivers that do not confirm. */
void confirm_progress(struct delivery *);
/* A promise was made: whoever waits under the same ticket was forgotten by the receiver, and is sent again. */
void confirm_promised(struct parcel *, uint64_t ticket);
uint64_t confirm_due_ms(const struct delivery *);   /* when there is something to do; UINT64_MAX: never, or by the network */

#endif
