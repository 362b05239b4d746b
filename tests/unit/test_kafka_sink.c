/* The Kafka sink against librdkafka's mock cluster: whatever the brokers answer, every record ends once, delivered or
 * rejected, and what is delivered is in the topic. */
#include "sending.h"
#include "sharded.h"
#include "sinks/kafka_topics.h"

/* --- What arrived ----------------------------------------------------------------------------------------------------- */

struct arrived {
    unsigned char *seen;
    size_t         count, different, messages;
    int            last[16];    /* number seen last in each partition */
    size_t         backwards;   /* numbers lower than the one before in their partition */
};

static void arrived_open(struct arrived *a, size_t count)
{
    *a = (struct arrived){.seen = calloc(count, 1), .count = count};
    assert_non_null(a->seen);
}

static void assert_header(rd_kafka_headers_t *headers, const char *name, const char *expected)
{
    const void *value;
    size_t      len;
    assert_int_equal(rd_kafka_header_get_last(headers, name, &value, &len), 0);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(value, expected, len);
}

static void see_arrived(void *context, const rd_kafka_message_t *m)
{
    struct arrived     *a = context;
    unsigned            number;
    char                text[64] = "", key[16], id[33];
    rd_kafka_headers_t *headers;
    memcpy(text, m->payload, m->len < sizeof text ? m->len : sizeof text - 1);
    assert_int_equal(sscanf(text, "{\"n\":%u}", &number), 1);
    assert_true(number < a->count);
    snprintf(key, sizeof key, "vm-%u", number % 50);
    assert_int_equal(m->key_len, strlen(key));
    assert_memory_equal(m->key, key, m->key_len);
    snprintf(id, sizeof id, "%02x%02x%02x%02x%024d", number & 255, number >> 8 & 255, number >> 16 & 255, number >> 24, 0);
    assert_int_equal(rd_kafka_message_headers(m, &headers), 0);
    assert_header(headers, "lethe-event-id", id);
    assert_header(headers, "lethe-kind", "unknown");
    assert_header(headers, "lethe-policy", "standard");
    a->messages++;
    a->different += a->seen[number] == 0;
    a->seen[number]++;
    a->backwards += a->messages > 1 && a->last[m->partition] > (int)number;
    a->last[m->partition] = (int)number;
}

/* All numbers below `count` but those in `missing`, and how many came more than once. */
static void assert_arrived(struct kafka_cluster *c, const char *topic, int partitions, size_t count, size_t missing, struct arrived *a)
{
    arrived_open(a, count);
    cluster_read(c, topic, partitions, count - missing, see_arrived, a);
    assert_int_equal(a->different, count - missing);
}

/* --- Tests ------------------------------------------------------------------------------------------------------------ */

static void a_hundred_thousand_records_arrive_once_with_key_and_headers(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    enum { COUNT = 100000, BLOCK = 500, PARTITIONS = 8 };
    cluster_open(&c, 2);
    cluster_topic(&c, "clean-unknown", PARTITIONS);
    sending_open(&s, &c, "clean-{kind}");
    for (unsigned i = 0; i < COUNT; i += BLOCK) {
        sending_put(&s, block_of(i, BLOCK, 0, "Administrative"));
        sending_poll(&s, 0);
    }
    sending_drain(&s);
    assert_int_equal(s.records_done, COUNT);
    assert_int_equal(s.rejected, 0);
    assert_arrived(&c, "clean-unknown", PARTITIONS, COUNT, 0, &a);
    assert_int_equal(a.messages, COUNT);
    assert_int_equal(a.backwards, 0);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

/* Answers that may pass: each once, then twice, before a good one. What was refused for good in company goes through alone. */
static void no_error_of_a_broker_loses_or_rejects_a_good_record(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t errors[] = {
        ERRORS_OF_A_BROKER,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD};
    enum { PER = 20, ERRORS = sizeof errors / sizeof *errors };
    for (unsigned e = 0; e < ERRORS; e++) {
        struct kafka_cluster c;
        struct sending       s;
        struct arrived       a;
        cluster_open(&c, 1);
        cluster_topic(&c, "t", 1);
        sending_open(&s, &c, "t");
        sending_put(&s, block_of(0, PER, 0, ""));
        sending_drain(&s);   /* the producer has its number by now */
        rd_kafka_mock_push_request_errors(c.mock, PRODUCE, 1, errors[e]);
        sending_put(&s, block_of(PER, PER, 0, ""));
        sending_put(&s, block_of(2 * PER, PER, 0, ""));
        sending_drain(&s);
        if (s.rejected > 0) fail_msg("%s: %zu rejected", rd_kafka_err2name(errors[e]), s.rejected);
        assert_arrived(&c, "t", 1, 3 * PER, 0, &a);
        assert_int_equal(atomic_load(&s.sink->counters.failing_since_ms), 0);
        sending_close(&s);
        free(a.seen);
        cluster_close(&c);
    }
}

static void a_record_that_is_refused_alone_is_rejected_and_no_other(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    cluster_open(&c, 1);
    cluster_topic(&c, "t", 1);
    sending_open(&s, &c, "t");
    sending_put(&s, block_of(0, 5, 0, ""));
    sending_drain(&s);
    /* The batch, then of its records, one by one, the first and the second; the first has a good answer. */
    rd_kafka_mock_push_request_errors(c.mock, PRODUCE, 3, RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_INVALID_RECORD);
    sending_put(&s, block_of(5, 5, 0, ""));
    sending_drain(&s);
    assert_int_equal(s.rejected, 1);
    assert_int_equal(s.last_rejected.record, 1);
    assert_string_equal(s.last_rejected.reason, "invalid");
    assert_arrived(&c, "t", 1, 10, 1, &a);
    assert_int_equal(a.seen[6], 0);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

#define ERR(name) RD_KAFKA_RESP_ERR_##name

/* What brokers answer to the batch and then to its records, one by one: the last of it refuses one of them for good. Answers that
 * may pass come before it, and are outlived: not between the records, where a real cluster, unlike this one, would refuse what follows. */
static void of_any_sequence_of_answers_only_the_record_refused_alone_is_rejected(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t errors[12];   /* ended by UNKNOWN */
        const char         *reason;       /* NULL: all are delivered */
    } rows[] = {
        {{ERR(NOT_LEADER_FOR_PARTITION), ERR(INVALID_RECORD), ERR(NO_ERROR), ERR(INVALID_RECORD), ERR(UNKNOWN)}, "invalid"},
        {{ERR(MSG_SIZE_TOO_LARGE), ERR(NO_ERROR), ERR(MSG_SIZE_TOO_LARGE), ERR(UNKNOWN)}, "too large"},
        {{ERR(NOT_ENOUGH_REPLICAS), ERR(_TRANSPORT), ERR(RECORD_LIST_TOO_LARGE), ERR(NO_ERROR), ERR(RECORD_LIST_TOO_LARGE), ERR(UNKNOWN)}, "too large"},
        {{ERR(POLICY_VIOLATION), ERR(INVALID_RECORD), ERR(NO_ERROR), ERR(INVALID_RECORD), ERR(UNKNOWN)}, "invalid"},
        {{ERR(INVALID_RECORD), ERR(UNKNOWN)}, NULL},
        {{ERR(NOT_LEADER_FOR_PARTITION), ERR(NOT_LEADER_FOR_PARTITION), ERR(NOT_LEADER_FOR_PARTITION), ERR(UNKNOWN)}, NULL},
        {{ERR(LEADER_NOT_AVAILABLE), ERR(REQUEST_TIMED_OUT), ERR(_TRANSPORT), ERR(NOT_ENOUGH_REPLICAS_AFTER_APPEND), ERR(KAFKA_STORAGE_ERROR),
          ERR(UNKNOWN_TOPIC_OR_PART), ERR(REPLICA_NOT_AVAILABLE), ERR(FENCED_LEADER_EPOCH), ERR(UNKNOWN)}, NULL},
        {{ERR(TOPIC_AUTHORIZATION_FAILED), ERR(NOT_LEADER_FOR_PARTITION), ERR(TOPIC_AUTHORIZATION_FAILED), ERR(UNKNOWN)}, NULL},
        {{ERR(OUT_OF_ORDER_SEQUENCE_NUMBER), ERR(INVALID_RECORD), ERR(UNKNOWN)}, NULL},
    };
    enum { PER = 5, ROWS = sizeof rows / sizeof *rows };
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    unsigned             next = PER, rejected = 0, missing[ROWS];
    cluster_open(&c, 1);
    cluster_topic(&c, "t", 1);
    sending_open(&s, &c, "t");
    sending_put(&s, block_of(0, PER, 0, ""));
    sending_drain(&s);   /* the producer has its number by now */
    for (unsigned i = 0; i < ROWS; i++, next += PER) {
        for (size_t n = 0; rows[i].errors[n] != ERR(UNKNOWN); n++) rd_kafka_mock_push_request_errors(c.mock, PRODUCE, 1, rows[i].errors[n]);
        sending_put(&s, block_of(next, PER, 0, ""));
        sending_drain(&s);
        rejected += rows[i].reason != NULL;
        if (s.rejected != rejected) fail_msg("row %u: %zu rejected instead of %u", i, s.rejected, rejected);
        if (rows[i].reason == NULL) continue;
        assert_string_equal(s.last_rejected.reason, rows[i].reason);
        missing[rejected - 1] = next + s.last_rejected.record;
    }
    assert_arrived(&c, "t", 1, next, rejected, &a);
    for (unsigned i = 0; i < rejected; i++) assert_int_equal(a.seen[missing[i]], 0);
    assert_int_equal(s.records_done, next);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

static void a_record_beyond_the_limit_is_rejected_and_its_neighbours_are_delivered(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    struct block        *b = block_of(0, 3, 0, ""), *large = block_of(1, 1, 1000001, "");
    cluster_open(&c, 1);
    cluster_topic(&c, "t", 1);
    sending_open(&s, &c, "t");
    sending_put(&s, b);
    sending_put(&s, large);
    sending_put(&s, block_of(3, 3, 0, ""));
    sending_drain(&s);
    assert_int_equal(s.rejected, 1);
    assert_string_equal(s.last_rejected.reason, "too large");
    assert_arrived(&c, "t", 1, 6, 0, &a);
    assert_int_equal(a.messages, 6);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

static void brokers_that_go_away_cost_nothing_and_double_nothing(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    enum { COUNT = 20000, BLOCK = 200 };
    cluster_open(&c, 2);
    cluster_topic(&c, "t", 2);
    sending_open(&s, &c, "t");
    for (unsigned i = 0; i < COUNT; i += BLOCK) {
        if (i == COUNT / 4) rd_kafka_mock_broker_set_down(c.mock, 1);
        if (i == COUNT / 2) rd_kafka_mock_broker_set_down(c.mock, -1);
        sending_put(&s, block_of(i, BLOCK, 0, ""));
        sending_poll(&s, 0);
    }
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (strstr(s.sink->trouble, "no broker can be reached") == NULL && clock_monotonic_ms() < deadline) sending_poll(&s, 100);
    assert_non_null(strstr(s.sink->trouble, "no broker can be reached"));
    rd_kafka_mock_broker_set_up(c.mock, -1);
    sending_drain(&s);
    assert_string_equal(s.sink->trouble, "");
    assert_int_equal(s.rejected, 0);
    assert_arrived(&c, "t", 2, COUNT, 0, &a);
    assert_int_equal(a.messages, COUNT);
    assert_int_equal(a.backwards, 0);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

/* The brokers deny the right to write idempotently: librdkafka gives the producer up. */
static void a_producer_that_is_given_up_is_made_anew_and_order_is_kept(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    enum { COUNT = 2000, BLOCK = 100 };
    cluster_open(&c, 1);
    cluster_topic(&c, "t", 4);
    rd_kafka_mock_push_request_errors(c.mock, INIT_PRODUCER_ID, 1, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    sending_open(&s, &c, "t");
    for (unsigned i = 0; i < COUNT; i += BLOCK) sending_put(&s, block_of(i, BLOCK, 0, ""));
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (strstr(s.sink->trouble, "made anew") == NULL && s.done < s.taken && clock_monotonic_ms() < deadline) sending_poll(&s, 10);
    assert_non_null(strstr(s.sink->trouble, "kafka gave the producer up, it is made anew: not allowed"));
    sending_drain(&s);
    assert_string_equal(s.sink->trouble, "");
    assert_arrived(&c, "t", 4, COUNT, 0, &a);
    assert_int_equal(a.messages, COUNT);
    assert_int_equal(a.backwards, 0);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

static void a_topic_that_is_missing_is_told_and_filled_when_it_is_there(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    cluster_open(&c, 1);
    rd_kafka_mock_topic_set_error(c.mock, "t", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    sending_open(&s, &c, "t");
    sending_put(&s, block_of(0, 10, 0, ""));
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (s.sink->trouble[0] == '\0' && clock_monotonic_ms() < deadline) sending_poll(&s, 100);
    assert_string_equal(s.sink->trouble, "topic 't': not there: create it");
    rd_kafka_mock_topic_set_error(c.mock, "t", RD_KAFKA_RESP_ERR_NO_ERROR);
    sending_drain(&s);
    assert_arrived(&c, "t", 4, 10, 0, &a);   /* what the mock gives a topic that nobody made */
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

static void what_is_not_allowed_is_told_and_tried_again(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    cluster_open(&c, 1);
    cluster_topic(&c, "t", 1);
    rd_kafka_mock_push_request_errors(c.mock, PRODUCE, 2, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    sending_open(&s, &c, "t");
    sending_put(&s, block_of(0, 10, 0, ""));
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (s.sink->trouble[0] == '\0' && clock_monotonic_ms() < deadline) sending_poll(&s, 10);
    assert_string_equal(s.sink->trouble, "topic 't': not allowed: the access rules of the brokers keep this user out");
    struct block *later = block_of(10, 1, 0, "");
    assert_int_equal(sink_kafka.take(s.sink, later), SINK_FULL);
    block_drop(later);
    sending_drain(&s);
    assert_true(atomic_load(&s.sink->counters.retried) >= 20);
    assert_arrived(&c, "t", 1, 10, 0, &a);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

static void a_full_buffer_holds_blocks_back_until_brokers_take_them(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct arrived       a;
    enum { BLOCKS = 6, PER = 250, LEN = 2000 };   /* half a MiB each */
    cluster_open(&c, 1);
    cluster_topic(&c, "t", 4);
    rd_kafka_mock_broker_set_down(c.mock, -1);
    sending_make(&s, &c, "t");
    setting_put(s.sink, sink_kafka.settings, "buffer", "1M");
    assert_true(sink_kafka.open(s.sink, &s.error));
    for (unsigned i = 0; i < 3; i++) sending_put(&s, block_of(i * PER, PER, LEN, ""));
    struct block *fourth = block_of(3 * PER, PER, LEN, "");
    assert_int_equal(sink_kafka.take(s.sink, fourth), SINK_FULL);
    rd_kafka_mock_broker_set_up(c.mock, -1);
    sending_put(&s, fourth);
    for (unsigned i = 4; i < BLOCKS; i++) sending_put(&s, block_of(i * PER, PER, LEN, ""));
    sending_drain(&s);
    assert_arrived(&c, "t", 4, BLOCKS * PER, 0, &a);
    assert_int_equal(a.messages, BLOCKS * PER);
    sending_close(&s);
    free(a.seen);
    cluster_close(&c);
}

static void closing_with_messages_under_way_ends_none_of_their_blocks(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct block        *blocks[3];
    cluster_open(&c, 1);
    cluster_topic(&c, "t", 1);
    rd_kafka_mock_broker_set_rtt(c.mock, 1, 2000);
    sending_open(&s, &c, "t");
    for (unsigned i = 0; i < 3; i++) sending_put(&s, blocks[i] = block_of(i * 10, 10, 0, ""));
    for (unsigned i = 0; i < 10; i++) sending_poll(&s, 10);
    sending_close(&s);
    assert_int_equal(s.done, 0);
    for (unsigned i = 0; i < 3; i++) block_drop(blocks[i]);
    cluster_close(&c);
}

static void a_block_without_records_for_the_sink_is_done_at_once(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    struct block        *b = block_of(0, 3, 0, "");
    for (size_t i = 0; i < 3; i++) b->records[i].sinks = 2;
    cluster_open(&c, 1);
    sending_open(&s, &c, "t");
    sending_put(&s, b);
    assert_int_equal(s.done, 1);
    assert_int_equal(s.records_done, 0);
    sending_close(&s);
    cluster_close(&c);
}

static void wake_ends_a_wait(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct sending       s;
    cluster_open(&c, 1);
    sending_open(&s, &c, "t");
    sink_kafka.wake(s.sink);
    uint64_t begin = clock_monotonic_ms();
    sending_poll(&s, 20000);
    assert_true(clock_monotonic_ms() - begin < 10000);
    sending_close(&s);
    cluster_close(&c);
}

static void names_of_topics_are_legal_and_their_number_is_bounded(void **state)
{
    (void)state;
    struct kafka_topics t;
    char                text[300];
    assert_true(kafka_topics_init(&t, "x.{category}-{kind}", 3));
    assert_string_equal(t.items[kafka_topics_find(&t, KIND_UNKNOWN, SLICE("Administrative"))].name, "x.administrative-unknown");
    assert_string_equal(t.items[kafka_topics_find(&t, KIND_UNKNOWN, SLICE("ADMINISTRATIVE"))].name, "x.administrative-unknown");
    assert_string_equal(t.items[kafka_topics_find(&t, KIND_UNKNOWN, SLICE(""))].name, "x.none-unknown");
    assert_string_equal(t.items[kafka_topics_find(&t, KIND_UNKNOWN, SLICE("a/b c\xc3\xa9\n"))].name, "x.a-b-c----unknown");
    assert_int_equal(t.count, 3);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_string_equal(t.items[kafka_topics_find(&t, KIND_UNKNOWN, slice_from(text))].name, "x.other-unknown");
    }
    assert_int_equal(t.count, 4);
    assert_string_equal(t.items[kafka_topics_find(&t, KIND_UNKNOWN, SLICE("Administrative"))].name, "x.administrative-unknown");
    memset(text, 'y', sizeof text);
    kafka_topics_release(&t);
    assert_true(kafka_topics_init(&t, "{category}", 3));
    assert_int_equal(strlen(t.items[kafka_topics_find(&t, KIND_UNKNOWN, slice_of(text, sizeof text))].name), 100);
    kafka_topics_release(&t);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *names[4], *values[4], *error;
    } cases[] = {
        {{"topic"}, {"a b"}, "'test': topic has letters, digits, '.', '_', '-', {kind} and {category}"},
        {{"topic"}, {"{name}"}, "'test': topic has letters, digits, '.', '_', '-', {kind} and {category}"},
        {{"topic"}, {""}, "'test': topic is empty or too long"},
        {{"topic"}, {".."}, "'test': topic cannot be a dot"},
        {{"topic"}, {"{category}{category}{category}"}, "'test': topic is empty or too long"},
        {{"event_hubs", "entra", "security", "compression"}, {"true", "true", "tls", "lz4"},
         "'test': event hubs takes compression none, or gzip in its higher tiers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kafka_cluster nowhere = {.brokers = "127.0.0.1:1"};
        struct sending       s;
        sending_make(&s, &nowhere, "t");
        assert_true(sink_kafka.check(s.sink, &s.error));
        for (size_t n = 0; n < 4 && cases[i].names[n] != NULL; n++)
            setting_put(s.sink, sink_kafka.settings, cases[i].names[n], cases[i].values[n]);
        assert_false(sink_kafka.check(s.sink, &s.error));
        assert_string_equal(s.error.text, cases[i].error);
        sending_close(&s);
    }
}

int main(void)
{
    log_setup(false, LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_records_arrive_once_with_key_and_headers),
        cmocka_unit_test(no_error_of_a_broker_loses_or_rejects_a_good_record),
        cmocka_unit_test(a_record_that_is_refused_alone_is_rejected_and_no_other),
        cmocka_unit_test(of_any_sequence_of_answers_only_the_record_refused_alone_is_rejected),
        cmocka_unit_test(a_record_beyond_the_limit_is_rejected_and_its_neighbours_are_delivered),
        cmocka_unit_test(brokers_that_go_away_cost_nothing_and_double_nothing),
        cmocka_unit_test(a_producer_that_is_given_up_is_made_anew_and_order_is_kept),
        cmocka_unit_test(a_topic_that_is_missing_is_told_and_filled_when_it_is_there),
        cmocka_unit_test(what_is_not_allowed_is_told_and_tried_again),
        cmocka_unit_test(a_full_buffer_holds_blocks_back_until_brokers_take_them),
        cmocka_unit_test(closing_with_messages_under_way_ends_none_of_their_blocks),
        cmocka_unit_test(a_block_without_records_for_the_sink_is_done_at_once),
        cmocka_unit_test(wake_ends_a_wait),
        cmocka_unit_test(names_of_topics_are_legal_and_their_number_is_bounded),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
    };
    return RUN_SHARDED(tests);
}
