#include "sinks/http_delivery_priv.h"

#include "base/clock.h"

#include <stdlib.h>

#define PAUSE_MS 5000   /* of the breaker */

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

/* --- Parcels ---------------------------------------------------------------------------------------------------------- */

/* NULL: no memory. */
static struct parcel *parcel_new(struct delivery *d, struct job *job, size_t first, size_t count)
{
    struct parcel *p = calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    *p = (struct parcel){.delivery = d, .job = job, .first = first, .count = count, .refused_at = NEVER_REFUSED};
    retry_init(&p->retry, &(struct retry_options){0}, retry_seed());
    return p;
}

/* What is behind the first `count` records becomes a parcel of its own. False: no memory. */
static bool cut(struct parcel *p, size_t count)
{
    struct parcel *rest = parcel_new(p->delivery, p->job, p->first + count, p->count - count);
    if (rest == NULL) return false;
    rest->tried = p->tried;
    rest->unclear = p->unclear;
    rest->refused_at = p->refused_at;
    rest->next = p->next;
    p->next = rest;
    p->count = count;
    return true;
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

void delivery_finish(struct parcel *p)
{
    p->job->left -= p->count;
    p->count = 0;
    finish_if_empty(p->delivery, p);
}

void delivery_send_again(struct parcel *p)
{
    p->state = PARCEL_WAITING;
    retry_failed(&p->retry, (struct slice){0});
}

static struct delivery *delivery_of(struct sink *sink) { return ((struct delivery_sink *)sink)->delivery; }

/* NULL: no memory. */
static struct job *job_new(const struct delivery *d, struct block *b)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) return NULL;
    *job = (struct job){.block = b, .order = calloc(b->count + 1, sizeof *job->order),
                        .rejected = calloc(b->count + 1, sizeof *job->rejected)};
    if (job->order == NULL || job->rejected == NULL) {
        free_job(job);
        return NULL;
    }
    for (size_t i = 0; i < b->count; i++)
        if (sink_wants(d->sink, b, i)) job->order[job->left++] = (uint32_t)i;
    return job;
}

enum sink_take delivery_take(struct sink *sink, struct block *b)
{
    struct delivery *d = delivery_of(sink);
    struct parcel  **end = &d->parcels;
    if (d->jobs == (d->rules.ask != NULL ? 2 : 1) * DELIVERY_BLOCKS) return SINK_FULL;
    struct job    *job = job_new(d, b);
    struct parcel *p = job != NULL ? parcel_new(d, job, 0, job->left) : NULL;
    if (p == NULL) {
        if (job != NULL) free_job(job);
        sink_trouble(sink, "no memory for a block; it is tried again");
        return SINK_FULL;
    }
    while (*end != NULL) end = &(*end)->next;
    *end = p;
    d->jobs++;
    finish_if_empty(d, p);
    return SINK_TOOK;
}

/* --- Sending ---------------------------------------------------------------------------------------------------------- */

static void drop_record(struct parcel *p, size_t at, const char *reason)
{
    uint32_t *order = p->job->order + p->first;
    reject(p->job, order[at], reason);
    memmove(order + at, order + at + 1, (p->count - at - 1) * sizeof *order);
    p->count--;
}

static bool reserve_items(struct delivery *d, size_t count)
{
    if (count <= d->item_room) return true;
    struct item_outcome *items = realloc(d->items, count * sizeof *items);
    if (items == NULL) return false;
    d->items = items;
    d->item_room = count;
    return true;
}

/* The body of as many records as fit; the others are cut off. False: no memory, and the parcel is as good as before. */
static bool make_body(struct delivery *d, struct parcel *p)
{
    const struct delivery_rules *rules = &d->rules;
    size_t                       n = 0;
    d->bytes.len = 0;
    if (!encoded_append(&d->bytes, rules->open)) return false;
    while (n < p->count) {
        size_t before = d->bytes.len;
        if (n > 0 && !encoded_append(&d->bytes, rules->between)) return false;
        size_t start = d->bytes.len;
        if (!rules->put_item(d->sink, p->job->block, p->job->order[p->first + n], &d->bytes)) return false;
        size_t len = d->bytes.len - start;
        bool   never = len == 0 || len > rules->item_bytes || len + rules->open.len + rules->close.len > rules->body_bytes;
        bool   full = n == rules->body_items || d->bytes.len + rules->close.len > rules->body_bytes;
        if (never || full) d->bytes.len = before;
        if (never) drop_record(p, n, len == 0 ? "not in the sink's format" : "too large");
        else if (!full) n++;
        else if (!cut(p, n)) return false;
    }
    return encoded_append(&d->bytes, rules->close) && reserve_items(d, p->count);
}

static void finished(void *context, struct http_result *result)
{
    struct parcel *p = context;
    p->result = *result;
    *result = (struct http_result){0};
    p->state = PARCEL_ANSWERED;
}

static bool pack_body(struct delivery *d, struct parcel *p, struct slice *packed, struct error *err)
{
    struct slice body = slice_of(d->bytes.data, d->bytes.len);
    if ((d->rules.gzip && !gzip_body_pack(d->packer, &body, 1, &body)) || (p->body = malloc(body.len + 1)) == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a request; it is tried again");
    memcpy(p->body, body.data, body.len);
    *packed = slice_of(p->body, body.len);
    return true;
}

static bool start(struct delivery *d, struct parcel *p, struct error *err)
{
    struct delivery_head head = {0};
    struct slice         body;
    if (!d->rules.address(d->sink, &head, err) || !pack_body(d, p, &body, err)) return false;
    if (d->rules.gzip) head.headers[head.header_count++] = (struct http_header){"Content-Encoding", "gzip"};
    CHECK(head.header_count <= DELIVERY_HEADERS);
    const struct http_request request = {.method = HTTP_POST, .url = head.url, .headers = head.headers,
                                         .header_count = head.header_count, .body = body,
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
    p->sent_at = d->accepted;
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

/* What is missing may be there soon. */
static void wait_for_memory(struct delivery *d, struct parcel *p)
{
    retry_failed(&p->retry, (struct slice){0});
    sink_trouble(d->sink, "no memory for a request; it is tried again");
}

static void send_what_may(struct delivery *d)
{
    for (struct parcel *p = d->parcels, *next; p != NULL && d->under_way < DELIVERY_IN_FLIGHT; p = next) {
        next = p->next;
        if (p->state != PARCEL_WAITING || retry_wait_ms(&p->retry) > 0) continue;
        if (clock_monotonic_ms() < d->held_until_ms || breaker_wait_ms(&d->breaker) > 0 || d->breaker.state == BREAKER_TRYING)
            return;
        if (!make_body(d, p)) {
            wait_for_memory(d, p);
            return;
        }
        next = p->next;   /* what was cut off comes next */
        if (finish_if_empty(d, p)) continue;
        if (!breaker_allows(&d->breaker)) return;
        send_parcel(d, p);
    }
}

/* --- Answers ---------------------------------------------------------------------------------------------------------- */

/* The receiver takes what it is sent: what it refuses is the record's own fault. */
static void note_accepted(struct delivery *d)
{
    d->accepted++;
    d->refusals = d->rejections = 0;
}

/* Whether so many records that were refused may be rejected: see (2) in the header. What was accepted while this request was
 * under way does not count: the receiver may have been put right just then. */
static bool may_reject(const struct delivery *d, const struct parcel *p, size_t count)
{
    bool accepts = p->refused_at != NEVER_REFUSED && p->sent_at > p->refused_at;
    return accepts || (p->sent_at > 0 && d->rejections + count <= REJECTIONS_IN_A_ROW);
}

static void send_later(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    retry_failed(&p->retry, http_result_header_slice(&p->result, "Retry-After"));
    if (a->hold_ms > 0) d->held_until_ms = clock_monotonic_ms() + a->hold_ms;
}

/* Nothing was taken, and nothing may be rejected yet. */
static void keep_refused(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    if (d->refusals > REFUSALS_IN_A_ROW) breaker_failed(&d->breaker);
    else breaker_succeeded(&d->breaker);
    send_later(d, p, a);
    sink_trouble(d->sink, "the receiver refuses everything (status %d); records are kept until it takes one: look at %s",
                 p->result.status, d->rules.look);
}

static void note_refused(struct delivery *d, struct parcel *p)
{
    if (p->refused_at == NEVER_REFUSED) p->refused_at = d->accepted;
    d->refusals++;
}

/* Keeps in the parcel what is to be sent again. */
static void take_outcomes(struct parcel *p, const struct item_outcome *items)
{
    uint32_t *order = p->job->order + p->first;
    size_t    kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (items[i].fate == ITEM_LATER) order[kept++] = order[i];
        else if (items[i].fate != ITEM_DELIVERED) reject(p->job, order[i], items[i].reason);
        else p->job->left--;
    }
    p->count = kept;
}

static void take_items(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    size_t sent = p->count, refused = 0, taken = 0;
    for (size_t i = 0; i < sent; i++) {
        if (a->items[i].fate == ITEM_REJECTED) refused++;
        else if (a->items[i].fate != ITEM_LATER) taken++;
    }
    if (taken > 0) {
        note_accepted(d);
    } else if (refused > 0 && !may_reject(d, p, refused)) {
        note_refused(d, p);
        keep_refused(d, p, a);
        return;
    } else {
        d->rejections += refused;
    }
    breaker_succeeded(&d->breaker);
    take_outcomes(p, a->items);
    if (p->count == 0) {
        if (taken > 0) sink_well(d->sink);
        return;
    }
    send_later(d, p, a);
    sink_trouble(d->sink, "the receiver took %s of a request; the rest is sent again",
                 p->count < sent ? "only a part" : "nothing");
}

static void take_refusal(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    bool reject_it = p->count == 1 && may_reject(d, p, 1);
    note_refused(d, p);
    if (reject_it) {
        d->rejections++;
        drop_record(p, 0, a->reason);
    } else if (p->count == 1 || !cut(p, p->count / 2) || d->refusals > REFUSALS_IN_A_ROW) {
        keep_refused(d, p, a);
        return;
    }
    breaker_succeeded(&d->breaker);
}

static void take_nothing(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    breaker_failed(&d->breaker);
    send_later(d, p, a);
    if (a->trouble != NULL) sink_trouble(d->sink, "%s", a->trouble);
    else
        sink_trouble(d->sink, "%s", http_result_ok(&p->result) ? "the receiver's answer is not one of its protocol"
                                                               : p->result.text);
}

static void take_answer(struct delivery *d, struct parcel *p, const struct delivery_answer *a)
{
    switch (a->verdict) {
    case ANSWER_ITEMS: take_items(d, p, a); break;
    case ANSWER_REFUSED: take_refusal(d, p, a); break;
    case ANSWER_LATER: take_nothing(d, p, a); break;
    case ANSWER_UNCLEAR:
        if (++p->unclear <= UNCLEAR_ANSWERS) take_nothing(d, p, a);
        else take_refusal(d, p, a);
        break;
    case ANSWER_ELSEWHERE: breaker_succeeded(&d->breaker); break;
    case ANSWER_PROMISED:
        breaker_succeeded(&d->breaker);
        note_accepted(d);
        confirm_promised(p, a->ticket);
        break;
    }
}

/* Of an answer that is too long the status counts all the same: what was taken must not be sent for ever. */
static void forget_long_body(struct http_result *r)
{
    if (r->failure != HTTP_TOO_LONG || r->status == 0) return;
    r->failure = HTTP_ANSWERED;
    free(r->body);
    r->body = NULL;
    r->body_len = 0;
}

static void read_answer(struct delivery *d, struct parcel *p)
{
    struct delivery_answer a = {.verdict = ANSWER_LATER, .items = d->items, .count = p->count,
                                .reason = "refused by the receiver"};
    memset(d->items, 0, p->count * sizeof *d->items);
    forget_long_body(&p->result);
    if (p->result.failure == HTTP_ANSWERED) d->rules.read(d->sink, &p->result, &a);
    else if (d->rules.unanswered != NULL) d->rules.unanswered(d->sink);
    p->state = PARCEL_WAITING;
    take_answer(d, p, &a);
    http_result_release(&p->result);
    free(p->body);
    p->body = NULL;
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

uint32_t delivery_asked_wait(const struct http_result *r)
{
    uint32_t wait_ms = 0;
    return retry_after_read(http_result_header_slice(r, "Retry-After"), clock_realtime_ms(), &wait_ms) ? wait_ms : 0;
}

cJSON *delivery_json(const struct http_result *r)
{
    size_t values = 0;
    for (size_t i = 0; i < r->body_len; i++) values += r->body[i] == ',' || r->body[i] == '[' || r->body[i] == '{';
    return r->body_len > 0 && values <= DELIVERY_ANSWER_VALUES ? cJSON_ParseWithLength(r->body, r->body_len) : NULL;
}

void delivery_read_status(const struct http_result *r, struct delivery_answer *a)
{
    a->hold_ms = delivery_asked_wait(r);
    if (http_result_ok(r)) {
        a->verdict = ANSWER_ITEMS;
    } else if (r->status == 413 || r->status == 400 || r->status == 422) {
        a->verdict = ANSWER_REFUSED;
        a->hold_ms = 0;
        if (r->status == 413) a->reason = "too large";
    } else {
        a->verdict = ANSWER_LATER;
    }
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

/* How long there is nothing to do but for the network. */
static int idle_ms(const struct delivery *d, int wait_ms)
{
    uint64_t now = clock_monotonic_ms(), least = d->held_until_ms > now ? d->held_until_ms - now : 0, due = confirm_due_ms(d);
    uint64_t soonest = UINT64_MAX;
    if (breaker_wait_ms(&d->breaker) > least) least = breaker_wait_ms(&d->breaker);
    bool may_begin = d->under_way < DELIVERY_IN_FLIGHT && d->breaker.state != BREAKER_TRYING;
    for (const struct parcel *p = d->parcels; may_begin && p != NULL; p = p->next)
        if (p->state == PARCEL_WAITING && retry_wait_ms(&p->retry) < soonest) soonest = retry_wait_ms(&p->retry);
    if (soonest < least) soonest = least;
    if (due != UINT64_MAX && (due > now ? due - now : 0) < soonest) soonest = due > now ? due - now : 0;
    return soonest > (uint64_t)wait_ms ? wait_ms : (int)soonest;
}

bool delivery_poll(struct sink *sink, int wait_ms, struct error *err)
{
    struct delivery *d = delivery_of(sink);
    (void)err;
    send_what_may(d);
    read_answers(d);
    confirm_progress(d);
    http_client_poll(d->client, idle_ms(d, wait_ms));
    read_answers(d);
    confirm_progress(d);
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
    http_result_release(&d->question.result);
    encoded_release(&d->question.body);
    encoded_release(&d->bytes);
    free(d->items);
    free(d);
}
