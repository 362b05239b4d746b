/* A Kafka source that is closed while the group asks something of it, against librdkafka's mock cluster: it ends, whatever that is,
 * and what was settled is committed unless the group has sent the source away. */
#include "consuming.h"
#include "sharded.h"
#include "source_kafka_priv.h"

#define COMMIT 8       /* requests, as the protocol counts them */
#define HEARTBEAT 12
#define SYNC 14
#define EACH 10   /* messages of a partition */

/* --- What the group wants ------------------------------------------------------------------------------------------------ */

/* Until the group asks something of `r`, which nobody serves, so it does not know. `served`: is meanwhile. */
static void await_request(const struct reading *r, const struct reading *served)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (rd_kafka_queue_length(((const struct source_kafka *)r->source)->events) == 0) {
        assert_true(clock_monotonic_ms() < deadline);
        if (served != NULL) source_kafka.idle(served->source);
    }
}

static void await_partitions(const struct reading *r, size_t count, const struct reading *served)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (atomic_load(&r->source->counters.streams) != count) {
        assert_true(clock_monotonic_ms() < deadline);
        source_kafka.idle(r->source);
        if (served != NULL) source_kafka.idle(served->source);
    }
}

/* --- A cluster with a topic and a member of the group ------------------------------------------------------------------ */

static void begin(struct kafka_cluster *c, struct reading *r, int partitions, const char *session)
{
    cluster_open(c, 1);
    cluster_topic(c, "t", partitions);
    reading_start_for(r, c, "t", "g", session);
}

#define PARTITIONS 2

/* And all is read, and nothing settled. */
static void begin_and_read(struct kafka_cluster *c, struct reading *r, const char *session)
{
    begin(c, r, PARTITIONS, session);
    write_numbers(c, "t", PARTITIONS, 0, PARTITIONS * EACH);
    read_documents(r, PARTITIONS * EACH, false, see_nothing, NULL);
}

static void settle_and_close(struct reading *r)
{
    reading_settle(r, CARGOES);
    reading_close(r);
}

static int64_t committed(struct kafka_cluster *c)
{
    int64_t sum = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t offset = cluster_committed(c, "g", "t", p);
        if (offset != RD_KAFKA_OFFSET_INVALID) sum += offset;
    }
    return sum;
}

/* --- Tests ------------------------------------------------------------------------------------------------------------ */

static void closed_while_it_is_given_its_first_partitions(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    begin(&c, &r, PARTITIONS, SESSION);
    await_request(&r, NULL);
    reading_close(&r);
    cluster_close(&c);
}

static void closed_when_it_has_joined_and_was_never_given_anything(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    begin(&c, &r, PARTITIONS, SESSION);
    for (int i = 0; i < 100; i++) rd_kafka_mock_push_request_errors(c.mock, SYNC, 1, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    rd_kafka_t *rk = ((const struct source_kafka *)r.source)->rk;
    uint64_t    deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") != 0) {
        assert_true(clock_monotonic_ms() < deadline);
        source_kafka.idle(r.source);
    }
    reading_close(&r);
    cluster_close(&c);
}

static void closed_while_it_is_given_no_partition_since_there_are_more_members(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r, without;
    begin(&c, &r, 1, SHORT_SESSION);
    await_partitions(&r, 1, NULL);
    reading_start_for(&without, &c, "t", "g", SHORT_SESSION);
    await_request(&without, &r);
    reading_close(&without);
    reading_close(&r);
    cluster_close(&c);
}

/* Whether the group still takes its commit depends on how far the other is. */
static void closed_while_another_is_to_get_some_of_its_partitions(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r, other;
    begin_and_read(&c, &r, SHORT_SESSION);
    reading_start_for(&other, &c, "t", "g", SHORT_SESSION);
    await_request(&r, &other);
    settle_and_close(&r);
    reading_close(&other);
    cluster_close(&c);
}

static void closed_while_the_group_goes_on_as_before_all_that_is_settled_is_committed(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    begin_and_read(&c, &r, SHORT_SESSION);
    rd_kafka_mock_push_request_errors(c.mock, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    await_request(&r, NULL);
    settle_and_close(&r);
    assert_int_equal(committed(&c), PARTITIONS * EACH);
    cluster_close(&c);
}

static void closed_when_its_commit_is_put_off_for_a_rebalance_it_commits_later(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    begin_and_read(&c, &r, SESSION);
    rd_kafka_mock_push_request_errors(c.mock, COMMIT, 4, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    settle_and_close(&r);
    assert_int_equal(committed(&c), PARTITIONS * EACH);
    cluster_close(&c);
}

static void closed_when_the_group_has_sent_it_away_nothing_is_committed(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    begin_and_read(&c, &r, SHORT_SESSION);
    rd_kafka_mock_push_request_errors(c.mock, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    await_request(&r, NULL);
    settle_and_close(&r);
    assert_int_equal(committed(&c), 0);
    cluster_close(&c);
}

static void closed_while_no_broker_is_there(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    begin_and_read(&c, &r, SHORT_SESSION);
    rd_kafka_mock_broker_set_down(c.mock, -1);
    settle_and_close(&r);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_while_it_is_given_its_first_partitions),
        cmocka_unit_test(closed_when_it_has_joined_and_was_never_given_anything),
        cmocka_unit_test(closed_while_it_is_given_no_partition_since_there_are_more_members),
        cmocka_unit_test(closed_while_another_is_to_get_some_of_its_partitions),
        cmocka_unit_test(closed_while_the_group_goes_on_as_before_all_that_is_settled_is_committed),
        cmocka_unit_test(closed_when_its_commit_is_put_off_for_a_rebalance_it_commits_later),
        cmocka_unit_test(closed_when_the_group_has_sent_it_away_nothing_is_committed),
        cmocka_unit_test(closed_while_no_broker_is_there),
    };
    struct error err = {0};
    log_setup(false, LOG_ERROR);
    keys = keyring_ephemeral(&err);
    CHECK(keys != NULL);
    int failed = RUN_SHARDED(tests);
    keyring_free(keys);
    return failed;
}
