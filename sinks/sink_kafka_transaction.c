/* Exactly once from a Kafka source: what was made of messages and how far they were read are committed in one transaction.
 *
 *      take() --> flights --begin--> open: send --when due--> offsets, commit --> blocks are done
 *                    ^                |                            |
 *                    +--- abort <-----+------- an error -----------+
 *
 * (1) Blocks are done when the brokers say that their transaction is committed, all of them at once. After an abort they are
 *     sent again, from memory, in their order.
 * (2) A block whose receipt is not current (kafka_feed.h) is withdrawn, and a transaction that has one is aborted: another
 *     member of the group makes the same of it, or we do once it is read anew.
 * (3) A producer that is lost while it commits leaves in doubt how that ended. So all is read anew: brokers do not tell where
 *     to go on before the transaction has ended, and a new producer of the same name has it ended at once.
 * (4) A transaction with a refused record cannot be committed. After a refused batch a producer takes over that sends batches of
 *     one, until what was under way is done; a record that is refused there is rejected, and the rest is sent once more.
 * (5) The producer's name stays the same with the store, so that what a killed run left open is ended by the next one at its
 *     start; otherwise by the brokers, after TRANSACTION_TIMEOUT_MS.
 *
 * The calls for ends and beginnings wait for brokers, STEP_MS at a time; meanwhile no block is taken. */
#include "sinks/sink_kafka_priv.h"

#include "base/clock.h"

#include <stdlib.h>

#define STEP_MS 2000
#define OFFSETS_MS 10000    /* this call begins again when it is called again, so it gets longer */
#define CLOSE_MS 2000

/* --- Together with its source ----------------------------------------------------------------------------------------- */

static bool shares_broker(const struct kafka_settings *a, const struct kafka_settings *b)
{
    for (size_t i = 0; i < a->brokers.count; i++)
        for (size_t j = 0; j < b->brokers.count; j++)
            if (strcmp(a->brokers.items[i], b->brokers.items[j]) == 0) return true;
    return false;
}

bool transactions_pair(struct sink_kafka *k, const struct sink_company *company, struct error *err)
{
    const char *name = k->sink.name;
    if (!k->exactly_once) return true;
    if (k->connection.event_hubs)
        return error_set(err, ERROR_USAGE, "'%s': exactly_once needs a cluster with transactions, not event hubs", name);
    if (company->feed == NULL)
        return error_set(err, ERROR_USAGE, "'%s': exactly_once needs a run with one source, of type kafka", name);
    if (!k->sink.required || company->others_required)
        return error_set(err, ERROR_USAGE, "'%s': exactly_once needs this sink to be the only one that is required", name);
    if (!shares_broker(&k->connection, company->feed->connection))
        return error_set(err, ERROR_USAGE, "'%s': exactly_once needs source and sink on one cluster: they share no broker", name);
    k->feed = company->feed;
    k->feed->taken = true;
    k->sink.every_block = true;
    return true;
}

/* --- Blocks ----------------------------------------------------------------------------------------------------------- */

static int line_number(const struct sink_kafka *k) { return k->careful ? ALONE : IN_COMPANY; }

static bool is_stale(const struct sink_kafka *k, const struct block *b)
{
    return b->receipt != NULL && !k->feed->is_current(k->feed, b->receipt);
}

static void withdraw(struct sink_kafka *k, struct flight *f)
{
    for (size_t i = 0; i < f->block->count; i++) k->waiting -= f->marks[i].state == MARK_WAITING;
    k->bytes -= block_size(f->block);
    flight_unlink(k, f);
    sink_withdraw(&k->sink, f->block);
    flight_free(f);
}

/* After a transaction that came to nothing: what is still ours waits for the next one. */
static void begin_again(struct sink_kafka *k)
{
    for (struct flight *f = k->first, *next; f != NULL; f = next) {
        next = f->next;
        flight_reset(k, f);
        if (is_stale(k, f->block)) withdraw(k, f);
    }
    k->must_abort = false;
}

bool transactions_take(struct sink_kafka *k, struct block *b)
{
    if (is_stale(k, b)) {
        sink_withdraw(&k->sink, b);
        return true;
    }
    if (k->transaction > TRANSACTION_OPEN || k->must_abort || k->careful || k->waiting > 0 || k->bytes >= k->transaction_bytes)
        return false;
    if (!flight_add(k, b)) return false;
    k->bytes += block_size(b);
    return true;
}

/* --- What goes wrong -------------------------------------------------------------------------------------------------- */

/* The group moves on, which is nobody's fault. */
static bool is_rebalance(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        || error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

static void tell(struct sink_kafka *k, const char *what, rd_kafka_resp_err_t error)
{
    k->failing = true;
    sink_trouble(&k->sink, "%s: %s", what, kafka_error_text(error));
}

/* The producer is given up. See (3). */
static void lose_producer(struct sink_kafka *k, rd_kafka_resp_err_t error)
{
    bool doubt = k->transaction == TRANSACTION_COMMITTING;
    tell(k, doubt ? "kafka gave the producer up in the middle of a commit, so all is read anew from the last one"
                  : "kafka gave the producer up, it is made anew", error);
    line_give_up(k, line_number(k));
    k->transaction = TRANSACTION_UNKNOWN;
    if (doubt) k->feed->read_anew(k->feed);
    begin_again(k);
    retry_later(k);
}

/* False: try the same call again. `error` is freed. */
static bool take_error(struct sink_kafka *k, const char *what, rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool                abort = rd_kafka_error_txn_requires_abort(error) != 0,
                        again = !abort && rd_kafka_error_is_retriable(error) != 0;
    rd_kafka_error_destroy(error);
    if (again) {
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) tell(k, what, code);
        return false;
    }
    if (!abort) {
        lose_producer(k, code);
        return true;
    }
    if (!is_rebalance(code) && !k->must_abort) tell(k, what, code);   /* what failed a record was told when it did */
    retry_later(k);
    k->transaction = TRANSACTION_ABORTING;
    return true;
}

/* --- Ends and beginnings ---------------------------------------------------------------------------------------------- */

/* Has an earlier producer's transaction ended. */
static void end_earlier(struct sink_kafka *k)
{
    rd_kafka_error_t *error = rd_kafka_init_transactions(k->lines[line_number(k)].rk, STEP_MS);
    if (error == NULL) k->transaction = TRANSACTION_NONE;
    else (void)take_error(k, "transactions cannot be begun", error);
}

static void begin(struct sink_kafka *k)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(k->lines[line_number(k)].rk);
    if (error != NULL) {
        (void)take_error(k, "a transaction cannot be begun", error);
        return;
    }
    k->transaction = TRANSACTION_OPEN;
    k->begun_ms = clock_monotonic_ms();
}

/* Batches of one from now on. */
static void be_careful(struct sink_kafka *k)
{
    line_give_up(k, line_number(k));
    k->wants_careful = false;
    k->careful = true;
    k->transaction = TRANSACTION_UNKNOWN;
    for (struct flight *f = k->first; f != NULL; f = f->next)
        for (size_t i = 0; i < f->block->count; i++) f->marks[i].alone = true;
}

static void abort_transaction(struct sink_kafka *k)
{
    rd_kafka_error_t *error = rd_kafka_abort_transaction(k->lines[line_number(k)].rk, STEP_MS);
    if (error != NULL) {
        (void)take_error(k, "a transaction cannot be aborted", error);
        return;
    }
    k->transaction = TRANSACTION_NONE;
    begin_again(k);
    if (k->wants_careful) be_careful(k);
}

static void committed(struct sink_kafka *k)
{
    k->transaction = TRANSACTION_NONE;
    k->bytes = 0;
    k->retry_ms = 0;
    while (k->first != NULL) {
        CHECK(k->first->left == 0);
        flight_end(k, k->first);
    }
    if (k->careful) {
        line_give_up(k, ALONE);
        k->careful = false;
        k->transaction = TRANSACTION_UNKNOWN;
    }
    if (k->failing) sink_well(&k->sink);
    k->failing = false;
}

static void commit(struct sink_kafka *k)
{
    rd_kafka_error_t *error = rd_kafka_commit_transaction(k->lines[line_number(k)].rk, STEP_MS);
    if (error == NULL) committed(k);
    else (void)take_error(k, "a transaction cannot be committed", error);
}

static enum feed_answer ask_for_offsets(struct sink_kafka *k, struct kafka_offsets *offsets)
{
    size_t count = 0;
    for (const struct flight *f = k->first; f != NULL; f = f->next) count += f->block->receipt != NULL;
    const struct receipt **receipts = calloc(count + 1, sizeof *receipts);
    CHECK(receipts != NULL);
    count = 0;
    for (const struct flight *f = k->first; f != NULL; f = f->next)
        if (f->block->receipt != NULL) receipts[count++] = f->block->receipt;
    enum feed_answer answer = k->feed->offsets(k->feed, receipts, count, offsets);
    free(receipts);
    return answer;
}

static void finish(struct sink_kafka *k)
{
    struct kafka_offsets offsets;
    rd_kafka_error_t    *error;
    enum feed_answer     answer = ask_for_offsets(k, &offsets);
    if (answer != FEED_GIVEN) {
        k->transaction = TRANSACTION_ABORTING;
        if (answer == FEED_AWAY) retry_later(k);
        return;
    }
    error = rd_kafka_send_offsets_to_transaction(k->lines[line_number(k)].rk, offsets.list, offsets.membership, OFFSETS_MS);
    kafka_offsets_release(&offsets);
    if (error != NULL) {
        (void)take_error(k, "how far was read cannot be committed", error);
        return;
    }
    k->transaction = TRANSACTION_COMMITTING;
    commit(k);
}

/* --- Polling ---------------------------------------------------------------------------------------------------------- */

static bool is_due(const struct sink_kafka *k, uint64_t now)
{
    return k->waiting == 0 && (now - k->begun_ms >= k->transaction_ms || k->bytes >= k->transaction_bytes);
}

/* Until the transaction is due, or may be tried again. */
static int shorter_wait(const struct sink_kafka *k, int wait_ms)
{
    uint64_t now = clock_monotonic_ms(),
             until = k->transaction == TRANSACTION_OPEN ? k->begun_ms + k->transaction_ms : k->retry_at_ms;
    if (k->careful && wait_ms > 20) wait_ms = 20;   /* nobody wakes this producer */
    bool     idle = k->first == NULL && k->transaction == TRANSACTION_NONE,
             full = k->waiting > 0 && k->transaction == TRANSACTION_OPEN;
    if (idle || full) return wait_ms;   /* reports end the wait */
    if (k->transaction > TRANSACTION_OPEN) return 0;
    if (until <= now) return 0;
    return until - now < (uint64_t)wait_ms ? (int)(until - now) : wait_ms;
}

static bool work_on(struct sink_kafka *k, struct error *err)
{
    bool may_begin = k->retry_at_ms <= clock_monotonic_ms();
    if (k->transaction == TRANSACTION_UNKNOWN && may_begin) end_earlier(k);
    if (k->transaction == TRANSACTION_NONE && k->first != NULL && may_begin) begin(k);
    if (k->transaction == TRANSACTION_COMMITTING) commit(k);
    if (k->transaction == TRANSACTION_OPEN) {
        if (!send_waiting(k, err)) return false;
        if (k->must_abort) k->transaction = TRANSACTION_ABORTING;
        else if (is_due(k, clock_monotonic_ms())) finish(k);
    }
    if (k->transaction == TRANSACTION_ABORTING) abort_transaction(k);
    return true;
}

bool transactions_poll(struct sink_kafka *k, int wait_ms, struct error *err)
{
    struct line *line = &k->lines[line_number(k)];
    if (line->rk == NULL && !line_open(k, line_number(k), err)) return false;
    rd_kafka_poll(line->rk, shorter_wait(k, wait_ms));
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(line->rk, NULL, 0);
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        lose_producer(k, fatal);
        return true;
    }
    return work_on(k, err);
}

void transactions_close(struct sink_kafka *k)
{
    rd_kafka_t       *rk = k->lines[line_number(k)].rk;
    rd_kafka_error_t *error = NULL;
    if (rk == NULL || !k->exactly_once) return;
    if (k->transaction == TRANSACTION_COMMITTING) error = rd_kafka_commit_transaction(rk, CLOSE_MS);
    else if (k->transaction > TRANSACTION_NONE) error = rd_kafka_abort_transaction(rk, CLOSE_MS);
    if (error != NULL) rd_kafka_error_destroy(error);   /* the brokers end it in time */
}
