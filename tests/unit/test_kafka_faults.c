/* The Kafka sink while brokers go on failing: errors again and again, leaders that move, topics that vanish for a moment. Every record
 * arrives once, in its order. LETHE_LONG=1 has more of it. */
#include "sending.h"

enum { PER = 20 };   /* records of a block */

/* What a topic holds in one partition: numbers that rise by one from 0. */
struct numbers {
    unsigned next;
    bool     other;   /* something else came */
};

static void see_number(void *context, const rd_kafka_message_t *m)
{
    struct numbers *n = context;
    unsigned        number = 0;
    char            text[32] = "";
    memcpy(text, m->payload, m->len < sizeof text ? m->len : sizeof text - 1);
    n->other = n->other || sscanf(text, "{\"n\":%u}", &number) != 1 || number != n->next;
    n->next++;
}

/* --- Errors again and again ------------------------------------------------------------------------------------------------ */

/* Of these none is the fault of a record, so none may cost one. */
static const rd_kafka_resp_err_t errors[] = {
    ERRORS_OF_A_BROKER,
    RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED};
enum { ERRORS = sizeof errors / sizeof *errors };

/* A cluster that gives one of the errors, and its sink: all of them at a time, since most of it is waiting. */
struct trial {
    struct kafka_cluster cluster;
    struct sending       sending;
};

static struct trial trials[ERRORS];

static void poll_trials(void)
{
    uint64_t deadline = clock_monotonic_ms() + 2 * PATIENCE_MS;
    for (size_t e = 0, done = 0; done < ERRORS; e = (e + 1) % ERRORS) {
        struct sending *s = &trials[e].sending;
        if (e == 0) done = 0;
        if (s->done == s->taken) done++;
        else sending_poll(s, 1);
        if (clock_monotonic_ms() > deadline) fail_msg("%s: %zu of %zu blocks done: %s", rd_kafka_err2name(errors[e]), s->done, s->taken, s->sink->trouble);
    }
}

/* A block each, of which the producers have their numbers. */
static void open_trials(void)
{
    for (size_t e = 0; e < ERRORS; e++) {
        cluster_open(&trials[e].cluster, 1);
        cluster_topic(&trials[e].cluster, "t", 1);
        sending_open(&trials[e].sending, &trials[e].cluster, "t");
        sending_put(&trials[e].sending, block_of(0, PER, 0, ""));
    }
    poll_trials();
}

static bool is_long(void)
{
    const char *wish = getenv("LETHE_LONG");
    return wish != NULL && strcmp(wish, "1") == 0;
}

/* As many messages as records; whether they are in their order takes longer to see. */
static void close_trial(struct trial *t, rd_kafka_resp_err_t error, unsigned blocks)
{
    struct numbers n = {.next = blocks * PER};
    size_t         unused = 1;
    int64_t        first = -1, next = -1;
    assert_int_equal(rd_kafka_mock_broker_error_stack_cnt(t->cluster.mock, 1, PRODUCE, &unused), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_query_watermark_offsets(t->cluster.rk, "t", 0, &first, &next, PATIENCE_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    if (is_long()) {
        n.next = 0;
        cluster_read(&t->cluster, "t", 1, (size_t)blocks * PER, see_number, &n);
    }
    if (next - first != blocks * PER || t->sending.rejected > 0 || n.other || n.next != blocks * PER || unused > 0)
        fail_msg("%s: %zu rejected, %d came, in another order: %d; %zu answers unused", rd_kafka_err2name(error), t->sending.rejected, (int)(next - first), n.other, unused);
    sending_close(&t->sending);
    cluster_close(&t->cluster);
}

/* Each error as the answer where `fails` says so; a block for each answer. */
static void try_all(const bool *fails, unsigned count)
{
    open_trials();
    for (size_t e = 0; e < ERRORS; e++)
        for (unsigned i = 0; i < count; i++)
            rd_kafka_mock_broker_push_request_error_rtts(trials[e].cluster.mock, 1, PRODUCE, 1, fails[i] ? errors[e] : RD_KAFKA_RESP_ERR_NO_ERROR, 0);
    for (unsigned n = 1; n <= count; n++) {
        for (size_t e = 0; e < ERRORS; e++) sending_put(&trials[e].sending, block_of(n * PER, PER, 0, ""));
        poll_trials();
    }
    for (size_t e = 0; e < ERRORS; e++) close_trial(&trials[e], errors[e], count + 1);
}

/* Pauses double, so that most of it would be spent in the fourth and the fifth. */
static void no_error_costs_a_record_if_it_comes_again_and_again(void **state)
{
    (void)state;
    try_all((const bool[]){true, true, true, true, true}, is_long() ? 5 : 2);
}

static void no_error_costs_a_record_if_it_comes_every_other_time(void **state)
{
    (void)state;
    if (!is_long()) skip();
    try_all((const bool[]){true, false, true}, 3);
}

/* --- Leaders and topics ---------------------------------------------------------------------------------------------------- */

/* Sends so many records to a topic of one partition, with something that happens before each block. */
static void send_while(struct kafka_cluster *c, unsigned blocks, void (*happens)(struct kafka_cluster *, unsigned block))
{
    struct sending s;
    struct numbers n = {0};
    cluster_topic(c, "t", 1);
    sending_open(&s, c, "t");
    for (unsigned block = 0; block < blocks; block++) {
        happens(c, block);
        sending_put(&s, block_of(block * PER, PER, 0, ""));
        sending_poll(&s, 5);
    }
    sending_drain(&s);
    assert_int_equal(s.rejected, 0);
    cluster_read(c, "t", 1, blocks * PER, see_number, &n);
    assert_false(n.other);
    assert_int_equal(n.next, blocks * PER);
    sending_close(&s);
}

enum { BROKERS = 3, BLOCKS = 120 };

static void move_leader(struct kafka_cluster *c, unsigned block)
{
    if (block % 10 == 5) rd_kafka_mock_partition_set_leader(c->mock, "t", 0, (int)(block / 10 % BROKERS) + 1);
    if (block == 70) rd_kafka_mock_partition_set_leader(c->mock, "t", 0, -1);   /* until the next one */
}

static void leaders_that_move_cost_nothing_double_nothing_and_keep_the_order(void **state)
{
    (void)state;
    struct kafka_cluster c;
    cluster_open(&c, BROKERS);
    send_while(&c, BLOCKS, move_leader);
    cluster_close(&c);
}

/* The old leader goes away with answers that it owes. */
static void kill_leader(struct kafka_cluster *c, unsigned block)
{
    if (block % 30 != 15) return;
    int leader = (int)(block / 30 % BROKERS) + 1;
    rd_kafka_mock_partition_set_leader(c->mock, "t", 0, leader % BROKERS + 1);
    rd_kafka_mock_broker_set_down(c->mock, leader);
    rd_kafka_mock_broker_set_up(c->mock, leader == 1 ? BROKERS : leader - 1);
}

static void leaders_that_die_cost_nothing_double_nothing_and_keep_the_order(void **state)
{
    (void)state;
    struct kafka_cluster c;
    cluster_open(&c, BROKERS);
    send_while(&c, BLOCKS, kill_leader);
    cluster_close(&c);
}

/* A broker that comes up knows of no topics for a moment. */
static void hide_topic(struct kafka_cluster *c, unsigned block)
{
    if (block % 20 == 10) rd_kafka_mock_topic_set_error(c->mock, "t", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    if (block % 20 == 10) rd_kafka_mock_push_request_errors(c->mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    if (block % 20 == 15) rd_kafka_mock_topic_set_error(c->mock, "t", RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void a_topic_that_is_unknown_for_moments_loses_nothing(void **state)
{
    (void)state;
    struct kafka_cluster c;
    if (!is_long()) skip();
    cluster_open(&c, 1);
    send_while(&c, 60, hide_topic);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_error_costs_a_record_if_it_comes_again_and_again),
        cmocka_unit_test(no_error_costs_a_record_if_it_comes_every_other_time),
        cmocka_unit_test(leaders_that_move_cost_nothing_double_nothing_and_keep_the_order),
        cmocka_unit_test(leaders_that_die_cost_nothing_double_nothing_and_keep_the_order),
        cmocka_unit_test(a_topic_that_is_unknown_for_moments_loses_nothing),
    };
    log_setup(false, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
