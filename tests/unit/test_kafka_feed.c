/* What the Kafka source lends to a sink that writes exactly once, against librdkafka's mock cluster. */
#include "consuming.h"
#include "sinks/kafka_feed.h"

static struct kafka_feed *reading_start_taken(struct reading *r, const struct kafka_cluster *c, const char *topic, const char *group)
{
    reading_open(r, c, topic, group);
    if (!source_kafka.check(r->source, &r->error)) fail_msg("%s", r->error.text);
    r->source->feed->taken = true;
    if (!source_kafka.open(r->source, &r->error)) fail_msg("%s", r->error.text);
    return r->source->feed;
}

static void see_one_partition(void *context, const struct reading *r, size_t i)
{
    see_number(context, r, i);
    assert_null(strstr(r->cargo.place, "more"));   /* "topic t/1 and 2 more" */
}

static void a_taken_source_fills_from_one_partition_at_a_time_and_commits_nothing(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct numbers       n;
    struct kafka_offsets offsets;
    enum { COUNT = 4000, PARTITIONS = 4 };
    cluster_open(&c, 1);
    cluster_topic(&c, "taken", PARTITIONS);
    write_numbers(&c, "taken", PARTITIONS, 0, COUNT);
    numbers_open(&n, COUNT);
    struct kafka_feed *feed = reading_start_taken(&r, &c, "taken", "g");
    read_documents(&r, COUNT, false, see_one_partition, &n);
    assert_int_equal(n.different, COUNT);
    const struct receipt *receipts[CARGOES];
    for (size_t i = 0; i < r.count; i++) receipts[i] = r.under_way[r.first + i];
    assert_int_equal(feed->offsets(feed, receipts, r.count, &offsets), FEED_GIVEN);
    assert_int_equal(offsets.list->cnt, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) assert_int_equal(offsets.list->elems[i].offset, COUNT / PARTITIONS);
    kafka_offsets_release(&offsets);
    reading_settle(&r, CARGOES);
    reading_close(&r);   /* would commit what is settled */
    for (int p = 0; p < PARTITIONS; p++) assert_int_equal(cluster_committed(&c, "g", "taken", p), RD_KAFKA_OFFSET_INVALID);
    free(n.seen);
    cluster_close(&c);
}

static void what_is_to_be_read_anew_is_not_current_and_comes_again(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct numbers       n;
    struct kafka_offsets offsets;
    enum { COUNT = 100 };
    cluster_open(&c, 1);
    cluster_topic(&c, "anew", 1);
    write_numbers(&c, "anew", 1, 0, COUNT);
    numbers_open(&n, COUNT);
    struct kafka_feed *feed = reading_start_taken(&r, &c, "anew", "g");
    read_documents(&r, COUNT, false, see_number, &n);
    const struct receipt *old = r.under_way[0];
    assert_true(feed->is_current(feed, old));
    feed->read_anew(feed);
    assert_false(feed->is_current(feed, old));
    assert_int_equal(feed->offsets(feed, &old, 1, &offsets), FEED_STALE);
    size_t before = r.count;
    read_documents(&r, COUNT, false, see_number, &n);
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(n.seen[i], 2);
    assert_false(feed->is_current(feed, old));
    assert_true(feed->is_current(feed, r.under_way[before]));
    reading_close(&r);
    free(n.seen);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_taken_source_fills_from_one_partition_at_a_time_and_commits_nothing),
        cmocka_unit_test(what_is_to_be_read_anew_is_not_current_and_comes_again),
    };
    struct error err = {0};
    log_setup(false, LOG_ERROR);
    keys = keyring_ephemeral(&err);
    CHECK(keys != NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    keyring_free(keys);
    return failed;
}
