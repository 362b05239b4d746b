/* The Kafka sink with exactly_once against librdkafka's mock cluster, which answers what the test wants. Whether readers see
 * each record once only a real broker shows (scenarios); here it is that every block ends once, done or withdrawn, that the
 * sink goes on after whatever happened, and that all is read anew exactly when the end of a commit is not known. */
#include "sending.h"
#include "sinks/kafka_feed.h"

#define ADD_PARTITIONS 24
#define ADD_OFFSETS 25
#define END_TRANSACTION 26
#define COMMIT_OFFSETS 28
#define MOST 32

/* --- A source that lends a feed ---------------------------------------------------------------------------------------- */

struct lender {
    struct kafka_settings connection;
    struct kafka_feed     feed;
    bool                  stale[MOST];        /* by number of the receipt */
    unsigned              given, anew;        /* receipts; times that all is to be read anew */
    unsigned              away;               /* times that there is no membership */
    int64_t               committed;          /* highest offset that was asked for */
    char                  receipts[MOST];     /* only their addresses count */
};

static struct lender lender;

static size_t number_of(const struct receipt *r) { return (size_t)((const char *)r - lender.receipts); }

static bool is_current(struct kafka_feed *f, const struct receipt *r)
{
    (void)f;
    return !lender.stale[number_of(r)];
}

static enum feed_answer offsets(struct kafka_feed *f, const struct receipt *const *receipts, size_t count, struct kafka_offsets *out)
{
    for (size_t i = 0; i < count; i++)
        if (!is_current(f, receipts[i])) return FEED_STALE;
    if (lender.away > 0) {
        lender.away--;
        return FEED_AWAY;
    }
    out->list = rd_kafka_topic_partition_list_new(1);
    lender.committed = (int64_t)number_of(receipts[count - 1]) + 1;
    rd_kafka_topic_partition_list_add(out->list, "source", 0)->offset = lender.committed;
    out->membership = rd_kafka_consumer_group_metadata_new("group");
    return FEED_GIVEN;
}

static void read_anew(struct kafka_feed *f)
{
    (void)f;
    lender.anew++;
    for (size_t i = 0; i < lender.given; i++) lender.stale[i] = true;
}

/* --- Transactions ------------------------------------------------------------------------------------------------------ */

struct flow {
    struct kafka_cluster cluster;
    struct sending       sending;
};

static void flow_open(struct flow *f)
{
    static const char  *list[1];
    struct sink_company company = {.feed = &lender.feed};
    cluster_open(&f->cluster, 1);
    cluster_topic(&f->cluster, "source", 1);
    cluster_topic(&f->cluster, "t", 2);
    list[0] = f->cluster.brokers;
    lender = (struct lender){.connection = {.brokers = {list, 1}},
                             .feed = {.connection = &lender.connection, .group = "group", .instance = "one", .is_current = is_current,
                                      .offsets = offsets, .read_anew = read_anew}};
    sending_make(&f->sending, &f->cluster, "t");
    setting_put(f->sending.sink, sink_kafka.settings, "exactly_once", "true");
    setting_put(f->sending.sink, sink_kafka.settings, "transaction", "20");
    f->sending.sink->required = true;
    if (!sink_kafka.pair(f->sending.sink, &company, &f->sending.error)) fail_msg("%s", f->sending.error.text);
    if (!sink_kafka.open(f->sending.sink, &f->sending.error)) fail_msg("%s", f->sending.error.text);
}

static void flow_close(struct flow *f)
{
    sending_close(&f->sending);
    cluster_close(&f->cluster);
}

/* Ten records, with the next receipt. */
static struct block *put_block(struct flow *f)
{
    struct block *b = block_of(10 * lender.given, 10, 0, "");
    b->receipt = (const struct receipt *)&lender.receipts[lender.given++];
    sending_put(&f->sending, b);
    return b;
}

static void count_message(void *context, const rd_kafka_message_t *m)
{
    (void)m;
    ++*(size_t *)context;
}

static size_t messages(struct flow *f, size_t at_least)
{
    size_t count = 0;
    cluster_read(&f->cluster, "t", 2, at_least, count_message, &count);
    return count;
}

/* --- Tests ------------------------------------------------------------------------------------------------------------- */

static void a_block_is_done_when_its_transaction_is_committed(void **state)
{
    (void)state;
    struct flow f;
    flow_open(&f);
    for (int i = 0; i < 20; i++) put_block(&f);
    sending_drain(&f.sending);
    assert_int_equal(f.sending.done, 20);
    assert_int_equal(lender.committed, 20);
    assert_int_equal(messages(&f, 200), 200);
    flow_close(&f);
}

static void a_block_without_records_takes_its_offset_along(void **state)
{
    (void)state;
    struct flow   f;
    struct block *b = block_of(0, 3, 0, "");
    flow_open(&f);
    for (size_t i = 0; i < b->count; i++) b->records[i].sinks = 2;
    b->receipt = (const struct receipt *)&lender.receipts[lender.given++];
    sending_put(&f.sending, b);
    assert_int_equal(f.sending.done, 0);
    sending_drain(&f.sending);
    assert_int_equal(lender.committed, 1);
    flow_close(&f);
}

static void what_is_not_current_is_never_sent(void **state)
{
    (void)state;
    struct flow f;
    flow_open(&f);
    lender.stale[0] = true;
    put_block(&f);
    assert_int_equal(f.sending.withdrawn, 1);
    put_block(&f);
    sending_drain(&f.sending);
    assert_int_equal(f.sending.done, 1);
    assert_int_equal(messages(&f, 10), 10);
    flow_close(&f);
}

static void what_stops_being_current_takes_its_transaction_along_but_no_other_block(void **state)
{
    (void)state;
    struct flow f;
    flow_open(&f);
    put_block(&f);
    sending_drain(&f.sending);
    put_block(&f);
    put_block(&f);
    lender.stale[1] = true;
    sending_drain(&f.sending);
    assert_int_equal(f.sending.done, 2);
    assert_int_equal(f.sending.withdrawn, 1);
    assert_int_equal(lender.anew, 0);
    flow_close(&f);
}

static void without_a_membership_nothing_is_committed(void **state)
{
    (void)state;
    struct flow f;
    flow_open(&f);
    lender.away = 2;
    put_block(&f);
    sending_drain(&f.sending);
    assert_int_equal(lender.away, 0);
    assert_int_equal(f.sending.done, 1);
    flow_close(&f);
}

/* What a broker may say to each request, once. `doubt`: nobody knows whether it was committed. */
static const struct answer {
    int16_t             request;
    rd_kafka_resp_err_t error;
    bool                doubt;
} answers[] = {
    {PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, false},
    {PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false},
    {PRODUCE, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, false},
    {PRODUCE, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, false},
    {ADD_PARTITIONS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, false},
    {ADD_PARTITIONS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, false},
    {ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false},
    {ADD_PARTITIONS, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, false},
    {ADD_OFFSETS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, false},
    {ADD_OFFSETS, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, false},
    {ADD_OFFSETS, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, false},
    {COMMIT_OFFSETS, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, false},
    {COMMIT_OFFSETS, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, false},
    {COMMIT_OFFSETS, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, false},
    {END_TRANSACTION, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, false},
    {END_TRANSACTION, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, true},
    {END_TRANSACTION, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, true},
    {END_TRANSACTION, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, true},
};

static void after_any_answer_the_sink_goes_on_and_reads_anew_only_in_doubt(void **state)
{
    (void)state;
    for (const struct answer *a = answers; a < answers + sizeof answers / sizeof *answers; a++) {
        struct flow f;
        char        what[64];
        flow_open(&f);
        snprintf(what, sizeof what, "request %d, %s", a->request, rd_kafka_err2name(a->error));
        put_block(&f);
        sending_drain(&f.sending);
        rd_kafka_mock_push_request_errors(f.cluster.mock, a->request, 1, a->error);
        put_block(&f);
        put_block(&f);
        sending_drain(&f.sending);
        put_block(&f);
        sending_drain(&f.sending);
        if (lender.anew != a->doubt) fail_msg("%s: %u times read anew", what, lender.anew);
        if (f.sending.done + f.sending.withdrawn != 4 || (!a->doubt && f.sending.withdrawn > 0) || (a->doubt && f.sending.withdrawn == 0))
            fail_msg("%s: %zu done, %zu withdrawn", what, f.sending.done, f.sending.withdrawn);
        assert_int_equal(f.sending.rejected, 0);
        if (atomic_load(&f.sending.sink->counters.failing_since_ms) != 0) fail_msg("%s: still failing: %s", what, f.sending.sink->trouble);
        flow_close(&f);
    }
}

static void a_refused_record_is_rejected_and_all_others_are_committed(void **state)
{
    (void)state;
    struct flow f;
    flow_open(&f);
    setting_put(f.sending.sink, sink_kafka.settings, "key", "none");   /* in their order, in one batch */
    put_block(&f);
    sending_drain(&f.sending);
    /* The batch; of its records, one by one, the second. */
    rd_kafka_mock_push_request_errors(f.cluster.mock, PRODUCE, 3, RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_INVALID_RECORD);
    put_block(&f);
    put_block(&f);
    sending_drain(&f.sending);
    assert_int_equal(f.sending.done, 3);
    assert_int_equal(f.sending.rejected, 1);
    assert_string_equal(f.sending.last_rejected.reason, "invalid");
    put_block(&f);   /* in company again */
    sending_drain(&f.sending);
    assert_int_equal(f.sending.done, 4);
    flow_close(&f);
}

static void closing_in_a_transaction_ends_none_of_its_blocks(void **state)
{
    (void)state;
    struct flow f;
    flow_open(&f);
    setting_put(f.sending.sink, sink_kafka.settings, "transaction", "10000");
    struct block *b = put_block(&f);
    for (int i = 0; i < 20; i++) sending_poll(&f.sending, 10);
    flow_close(&f);
    assert_int_equal(f.sending.done + f.sending.withdrawn, 0);
    block_drop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_done_when_its_transaction_is_committed),
        cmocka_unit_test(a_block_without_records_takes_its_offset_along),
        cmocka_unit_test(what_is_not_current_is_never_sent),
        cmocka_unit_test(what_stops_being_current_takes_its_transaction_along_but_no_other_block),
        cmocka_unit_test(without_a_membership_nothing_is_committed),
        cmocka_unit_test(after_any_answer_the_sink_goes_on_and_reads_anew_only_in_doubt),
        cmocka_unit_test(a_refused_record_is_rejected_and_all_others_are_committed),
        cmocka_unit_test(closing_in_a_transaction_ends_none_of_its_blocks),
    };
    log_setup(false, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
