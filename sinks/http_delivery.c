#include "sinks/http_delivery.h"

#include "base/clock.h"
#include "net/gzip_body.h"
#include "net/retry.h"

#include <stdlib.h>

#define BLOCKS_IN_HAND (2 * DELIVERY_IN_FLIGHT)
#define PAUSE_MS       5000   /* of the breaker */

/* A block in hand. */
struct job {
    struct block    *block;
    uint32_t        *order;      /* its records for this sink; parcels are ranges of it */
    struct rejected *rejected;   /* room for all of them */
    size_t           rejected_count;
    size_t           left;       /* records without an outcome */
};

enum parcel_state { PARCEL_WAITING, PARCEL_SENT, PARCEL_ANSWERED };

struct parcel {
    struct parcel     *next;
    struct delivery   *delivery;
    struct job        *job;
    size_t             first, count;   /* of job->order */
    bool               tried;
    enum parcel_state  state;
    struct retry       retry;
    char              *body;           /* while it is under way */
    struct http_result result;         /* PARCEL_ANSWERED */
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
    struct encoded        bytes;       /* of the body that is being made */
    struct item_outcome  *items;
    size_t                item_room;
};

struct delivery *delivery_new(struct sink *sink, const struct delivery_rules *rules, struct http_client *client)
{
    struct delivery *d = calloc(1, sizeof *d);
    if (d == NULL) return NULL;
    *d = (struct delivery){.sink = sink, .rules = *rules, .client = client, .packer = gzip_body_new()};
    breaker_init(&d->breaker, 0, PAUSE_MS);
    if (d->packer != NULL) return d;
    free(d);
    return NULL;
}

/* --- Parcels ------------------------------------------------------------------------------------------------------------------ */

static struct parcel *parcel_new(struct delivery *d, struct job *job, size_t first, size_t count)
{
    struct parcel *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    *p = (struct parcel){.delivery = d, .job = job, .first = first, .count = count};
    retry_init(&p->retry, &(struct retry_options){0}, retry_seed());
    return p;
}

/* What is behind the first `count` records becomes a parcel of its own. */
static void cut(struct parcel *p, size_t count)
{
    struct parcel *rest = parcel_new(p->delivery, p->job, p->first + count, p->count - count);
    rest->tried = p->tried;
    rest->next = p->next;
    p->next = rest;
    p->count = count;
}

static void remove_parcel(struct delivery *d, struct parcel *p)
{
    struct parcel **at = &d->parcels;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    free(p->body);
    http_result_release(&p->result);
    free(p);
}

static void free_job(struct job *job)
{
    free(job->order);
    free(job->rejected);
    free(job);
}

static void reject(struct job *job, uint32_t record, const char *reason)
{
    job->rejected[job->rejected_count++] = (struct rejected){record, reason};
    job->left--;
}

/* Ends the parcel if nothing is left in it, and its block with the last one. True: it is gone. */
static bool finish_if_empty(struct delivery *d, struct parcel *p)
{
    struct job *job = p->job;
    if (p->count > 0) return false;
    remove_parcel(d, p);
    if (job->left > 0) return true;
    sink_done(d->sink, job->block, job->rejected, job->rejected_count);
    free_job(job);
    d->jobs--;
    return true;
}

static struct delivery *delivery_of(struct sink *sink) { return ((struct delivery_sink *)sink)->delivery; }

enum sink_take delivery_take(struct sink *sink, struct block *b)
{
    struct delivery *d = delivery_of(sink);
    struct parcel  **end = &d->parcels;
    if (d->jobs == BLOCKS_IN_HAND) return SINK_FULL;
    struct job *job = calloc(1, sizeof *job);
    CHECK(job != NULL);
    *job = (struct job){.block = b, .order = calloc(b->count + 1, sizeof *job->order), .rejected = calloc(b->count + 1, sizeof *job->rejected)};
    CHECK(job->order != NULL && job->rejected != NULL);
    for (size_t i = 0; i < b->count; i++)
        if (sink_wants(d->sink, b, i)) job->order[job->left++] = (uint32_t)i;
    while (*end != NULL) end = &(*end)->next;
    *end = parcel_new(d, job, 0, job->left);
    d->jobs++;
    finish_if_empty(d, *end);
    return SINK_TOOK;
}

/* --- Sending ------------------------------------------------------------------------------------------------------------------ */

static void append(struct encoded *out, struct slice bytes)
{
    CHECK(encoded_append(out, bytes));
}

static void drop_record(struct parcel *p, size_t at, const char *reason)
{
    uint32_t *order = p->job->order + p->first;
    reject(p->job, order[at], reason);
    memmove(order + at, order + at + 1, (p->count - at - 1) * sizeof *order);
    p->count--;
}

/* The body of as many records as fit; the others are cut off. */
static void make_body(struct delivery *d, struct parcel *p)
{
    const struct delivery_rules *rules = &d->rules;
    size_t                       n = 0;
    d->bytes.len = 0;
    append(&d->bytes, rules->open);
    while (n < p->count) {
        size_t before = d->bytes.len;
        if (n > 0) append(&d->bytes, rules->between);
        size_t start = d->bytes.len;
        CHECK(rules->put_item(d->sink, p->job->block, p->job->order[p->first + n], &d->bytes));
        size_t len = d->bytes.len - start;
        bool   never = len == 0 || len > rules->item_bytes || len + rules->open.len + rules->close.len > rules->body_bytes;
        bool   full = n == rules->body_items || d->bytes.len + rules->close.len > rules->body_bytes;
        if (never || full) d->bytes.len = before;
        if (never) {
            drop_record(p, n, len == 0 ? "not in the sink's format" : "too large");
        } else if (full) {
            cut(p, n);
        } else {
            n++;
        }
    }
    append(&d->bytes, rules->close);
}

static void finished(void *context, struct http_result *result)
{
    struct parcel *p = context;
    p->result = *result;
    *result = (struct http_result){0};
    p->state = PARCEL_ANSWERED;
}

static struct slice pack_body(struct delivery *d, struct parcel *p)
{
    struct slice body = slice_of(d->bytes.data, d->bytes.len);
    if (d->rules.gzip) CHECK(gzip_body_pack(d->packer, &body, 1, &body));
    p->body = malloc(body.len + 1);
    CHECK(p->body != NULL);
    memcpy(p->body, body.data, body.len);
    return slice_of(p->body, body.len);
}

static bool start(struct delivery *d, struct parcel *p, struct error *err)
{
    struct delivery_head head = {0};
    if (!d->rules.address(d->sink, &head, err)) return false;
    if (d->rules.gzip) head.headers[head.header_count++] = (struct http_header){"Content-Encoding", "gzip"};
    CHECK(head.header_count <= DELIVERY_HEADERS);
    const struct http_request request = {
        .method = HTTP_POST, .url = head.url, .headers = head.headers, .header_count = head.header_count, .body = pack_body(d, p),
        .total_ms = (unsigned)d->rules.timeout_ms, .max_body = DELIVERY_ANSWER};
    return http_client_start(d->client, &request, finished, p, err);
}

static void fail(struct delivery *d, struct parcel *p, struct slice retry_after)
{
    breaker_failed(&d->breaker);
    retry_failed(&p->retry, retry_after);
}

static void send_parcel(struct delivery *d, struct parcel *p)
{
    struct error err = {0};
    if (p->tried) atomic_fetch_add(&d->sink->counters.retried, 1);
    p->tried = true;
    if (start(d, p, &err)) {
        p->state = PARCEL_SENT;
        d->under_way++;
        return;
    }
    free(p->body);
    p->body = NULL;
    fail(d, p, (struct slice){0});
    sink_trouble(d->sink, "%s", err.text);
}

static void send_what_may(struct delivery *d)
{
    for (struct parcel *p = d->parcels, *next; p != NULL && d->under_way < DELIVERY_IN_FLIGHT; p = next) {
        next = p->next;
        if (p->state != PARCEL_WAITING || retry_wait_ms(&p->retry) > 0) continue;
        if (clock_monotonic_ms() < d->held_until_ms || breaker_wait_ms(&d->breaker) > 0 || d->breaker.state == BREAKER_TRYING) return;
        make_body(d, p);
        next = p->next;   /* what was cut off comes next */
        if (finish_if_empty(d, p)) continue;
        if (!breaker_allows(&d->breaker)) return;
        send_parcel(d, p);
    }
}

/* --- Answers ------------------------------------------------------------------------------------------------------------------ */

/* Keeps in the parcel what is to be sent again. */
static void take_outcomes(struct parcel *p, const struct item_outcome *items)
{
    uint32_t *order = p->job->order + p->first;
    size_t    kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (items[i].fate == ITEM_LATER) order[kept++] = order[i];
        else if (items[i].fate == ITEM_REJECTED) reject(p->job, order[i], items[i].reason);
        else p->job->left--;
    }
    p->count = kept;
}

static void take_items(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    size_t sent = p->count;
    breaker_succeeded(&d->breaker);
    take_outcomes(p, a->items);
    if (p->count == 0) {
        sink_well(d->sink);
        return;
    }
    retry_failed(&p->retry, http_result_header_slice(&p->result, "Retry-After"));
    sink_trouble(d->sink, "the receiver took %s of a request; the rest is sent again", p->count < sent ? "only a part" : "nothing");
}

static void take_answer(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    switch (a->verdict) {
    case ANSWER_ITEMS: take_items(d, p, a); break;
    case ANSWER_DIVIDE:
        breaker_succeeded(&d->breaker);
        if (p->count == 1) drop_record(p, 0, a->reason);
        else cut(p, p->count / 2);
        break;
    case ANSWER_ELSEWHERE: breaker_succeeded(&d->breaker); break;
    case ANSWER_LATER:
        fail(d, p, http_result_header_slice(&p->result, "Retry-After"));
        if (a->hold_ms > 0) d->held_until_ms = clock_monotonic_ms() + a->hold_ms;
        sink_trouble(d->sink, "%s", http_result_ok(&p->result) ? "the receiver's answer is not one of its protocol" : p->result.text);
        break;
    }
}

static void read_answer(struct delivery *d, struct parcel *p)
{
    struct delivery_answer a = {.verdict = ANSWER_LATER, .count = p->count};
    if (p->count > d->item_room) {
        free(d->items);
        d->item_room = p->count;
        CHECK((d->items = calloc(d->item_room, sizeof *d->items)) != NULL);
    }
    memset(d->items, 0, p->count * sizeof *d->items);
    a.items = d->items;
    if (p->result.failure == HTTP_ANSWERED) d->rules.read(d->sink, &p->result, &a);
    take_answer(d, p, &a);
    http_result_release(&p->result);
    free(p->body);
    p->body = NULL;
    p->state = PARCEL_WAITING;
    d->under_way--;
    finish_if_empty(d, p);
}

static void read_answers(struct delivery *d)
{
    for (struct parcel *p = d->parcels, *next; p != NULL; p = next) {
        next = p->next;
        if (p->state == PARCEL_ANSWERED) read_answer(d, p);
    }
}

static uint32_t asked_wait(const struct http_result *r)
{
    uint32_t wait_ms = 0;
    return retry_after_read(http_result_header_slice(r, "Retry-After"), clock_realtime_ms(), &wait_ms) ? wait_ms : 0;
}

void delivery_read_status(const struct http_result *r, struct delivery_answer *a)
{
    if (http_result_ok(r)) {
        a->verdict = ANSWER_ITEMS;
    } else if (r->status == 413 || r->status == 400 || r->status == 422) {
        a->verdict = ANSWER_DIVIDE;
        a->reason = r->status == 413 ? "too large" : "refused by the receiver";
    } else {
        a->verdict = ANSWER_LATER;
        a->hold_ms = asked_wait(r);
    }
}

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

/* How long there is nothing to do but for the network. */
static int idle_ms(const struct delivery *d, int wait_ms)
{
    uint64_t now = clock_monotonic_ms(), least = d->held_until_ms > now ? d->held_until_ms - now : 0;
    uint32_t soonest = UINT32_MAX;
    if (breaker_wait_ms(&d->breaker) > least) least = breaker_wait_ms(&d->breaker);
    for (const struct parcel *p = d->parcels; p != NULL && d->under_way < DELIVERY_IN_FLIGHT; p = p->next)
        if (p->state == PARCEL_WAITING && retry_wait_ms(&p->retry) < soonest) soonest = retry_wait_ms(&p->retry);
    if (soonest < least) soonest = (uint32_t)least;
    if (d->breaker.state == BREAKER_TRYING || soonest > (uint32_t)wait_ms) return wait_ms;
    return (int)soonest;
}

bool delivery_poll(struct sink *sink, int wait_ms, struct error *err)
{
    struct delivery *d = delivery_of(sink);
    (void)err;
    send_what_may(d);
    read_answers(d);
    http_client_poll(d->client, idle_ms(d, wait_ms));
    read_answers(d);
    send_what_may(d);
    return true;
}

void delivery_wake(struct sink *sink)
{
    if (delivery_of(sink) != NULL) http_client_wake(delivery_of(sink)->client);
}

void delivery_free(struct delivery *d)
{
    if (d == NULL) return;
    http_client_free(d->client);
    while (d->parcels != NULL) {
        struct job *job = d->parcels->job;
        bool        last = true;
        remove_parcel(d, d->parcels);
        for (const struct parcel *p = d->parcels; p != NULL; p = p->next) last = last && p->job != job;
        if (last) free_job(job);
    }
    gzip_body_free(d->packer);
    encoded_release(&d->bytes);
    free(d->items);
    free(d);
}
