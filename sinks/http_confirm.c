/* Promises: what a receiver took and will confirm later (indexer acknowledgement of Splunk). One question at a time asks about
 * the oldest of them; a parcel is delivered when it is confirmed, and sent again when it is not in time.
 *
 * A receiver that was started again counts its tickets from the beginning. So a ticket that is given twice belongs to the
 * later parcel, and an answer counts only for parcels that were asked about. */
#include "sinks/http_delivery_priv.h"

#include "base/clock.h"

static struct parcel *find_promise(const struct delivery *d, uint64_t ticket)
{
    struct parcel *p = d->parcels;
    while (p != NULL && (p->state != PARCEL_PROMISED || p->ticket != ticket)) p = p->next;
    return p;
}

void confirm_promised(struct parcel *p, uint64_t ticket)
{
    struct delivery *d = p->delivery;
    struct question *q = &d->question;
    struct parcel   *forgotten = find_promise(d, ticket);
    if (forgotten != NULL) delivery_send_again(forgotten);
    for (size_t i = 0; q->asked && i < q->count; i++)
        if (q->tickets[i] == ticket) q->tickets[i] = UINT64_MAX;   /* the question was about the other parcel */
    p->ticket = ticket;
    p->promised_ms = clock_monotonic_ms();
    p->state = PARCEL_PROMISED;
}

static void send_overdue_again(struct delivery *d)
{
    uint64_t now = clock_monotonic_ms();
    for (struct parcel *p = d->parcels; p != NULL; p = p->next) {
        if (p->state != PARCEL_PROMISED || now - p->promised_ms < d->rules.confirm_within_ms) continue;
        delivery_send_again(p);
        sink_trouble(d->sink, "the receiver took records and did not acknowledge them within %llu s; they are sent again",
                     (unsigned long long)(d->rules.confirm_within_ms / 1000));
    }
}

static void answered(void *context, struct http_result *result)
{
    struct question *q = context;
    q->result = *result;
    *result = (struct http_result){0};
    q->answered = true;
}

static bool start_question(struct delivery *d, struct question *q, struct error *err)
{
    struct delivery_head head = {0};
    q->body.len = 0;
    if (!d->rules.ask(d->sink, q->tickets, q->count, &head, &q->body, err)) return false;
    CHECK(head.header_count <= DELIVERY_HEADERS);
    const struct http_request request = {.method = HTTP_POST, .url = head.url, .headers = head.headers,
                                         .header_count = head.header_count, .body = slice_of(q->body.data, q->body.len),
                                         .total_ms = (unsigned)d->rules.timeout_ms};
    return http_client_start(d->client, &request, answered, q, err);
}

static void ask(struct delivery *d)
{
    struct question *q = &d->question;
    struct error     err = {0};
    q->count = 0;
    for (const struct parcel *p = d->parcels; p != NULL && q->count < CONFIRM_MOST; p = p->next)
        if (p->state == PARCEL_PROMISED) q->tickets[q->count++] = p->ticket;
    if (q->count == 0) return;
    q->next_ms = clock_monotonic_ms() + d->rules.confirm_every_ms;
    q->asked = start_question(d, q, &err);
    if (!q->asked) sink_trouble(d->sink, "%s", err.text);
}

static void read_answer(struct delivery *d)
{
    struct question *q = &d->question;
    uint32_t         wait_ms = delivery_asked_wait(&q->result);
    bool             read = false;
    memset(q->confirmed, 0, sizeof q->confirmed);
    if (http_result_ok(&q->result)) read = d->rules.read_confirmed(d->sink, &q->result, q->tickets, q->count, q->confirmed);
    for (size_t i = 0; read && i < q->count; i++) {
        struct parcel *p = q->confirmed[i] ? find_promise(d, q->tickets[i]) : NULL;
        if (p == NULL) continue;
        sink_well(d->sink);
        delivery_finish(p);
    }
    if (!read)
        sink_trouble(d->sink, "%s", http_result_ok(&q->result) ? "the answer about acknowledgements is not one of the protocol"
                                                               : q->result.text);
    if (clock_monotonic_ms() + wait_ms > q->next_ms) q->next_ms = clock_monotonic_ms() + wait_ms;
    http_result_release(&q->result);
    q->asked = q->answered = false;
}

void confirm_progress(struct delivery *d)
{
    if (d->rules.ask == NULL) return;
    if (d->question.answered) read_answer(d);
    send_overdue_again(d);
    if (!d->question.asked && clock_monotonic_ms() >= d->question.next_ms) ask(d);
}

uint64_t confirm_due_ms(const struct delivery *d)
{
    uint64_t due = UINT64_MAX;
    if (d->rules.ask == NULL) return due;
    for (const struct parcel *p = d->parcels; p != NULL; p = p->next) {
        if (p->state != PARCEL_PROMISED) continue;
        uint64_t overdue = p->promised_ms + d->rules.confirm_within_ms,
                 next = d->question.asked ? UINT64_MAX : d->question.next_ms;
        due = overdue < due ? overdue : due;
        due = next < due ? next : due;
    }
    return due;
}
