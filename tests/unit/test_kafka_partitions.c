/* What a Kafka source may commit, in whatever order partitions are given, read, settled, taken away and begin anew. */
#include "kafka_partitions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* As the source does when a cargo is filled up to `next`; the generation that its receipt is of. */
static uint64_t fill(struct kafka_partitions *p, size_t index, int64_t next)
{
    p->items[index].filled = p->items[index].next = next;
    return p->items[index].generation;
}

/* The offset that would be committed of topic t, partition 0; OFFSET_UNKNOWN: none. */
static int64_t committable(struct kafka_partitions *p)
{
    rd_kafka_topic_partition_list_t *list = partitions_to_commit(p, NULL);
    int64_t                          offset = OFFSET_UNKNOWN;
    if (list == NULL) return offset;
    assert_int_equal(list->cnt, 1);
    assert_string_equal(list->elems[0].topic, "t");
    offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static void what_is_settled_is_committed_and_nothing_beyond(void **state)
{
    (void)state;
    struct kafka_partitions p;
    partitions_init(&p);
    size_t   t = partitions_own(&p, "t", 0, 5);
    uint64_t first = fill(&p, t, 10), second = fill(&p, t, 20);
    assert_int_equal(committable(&p), OFFSET_UNKNOWN);
    partitions_settle(&p, t, first, 10);
    assert_int_equal(committable(&p), 10);
    p.items[t].committed = 10;
    assert_int_equal(committable(&p), OFFSET_UNKNOWN);
    partitions_stop(&p, t, second);
    partitions_settle(&p, t, second, 20);
    assert_int_equal(committable(&p), OFFSET_UNKNOWN);
    partitions_disown(&p, t);
    partitions_release(&p);
}

static void what_is_settled_after_a_partition_was_taken_away_is_not_committed(void **state)
{
    (void)state;
    struct kafka_partitions p;
    partitions_init(&p);
    size_t   t = partitions_own(&p, "t", 0, 5);
    uint64_t old = fill(&p, t, 10);
    partitions_disown(&p, t);
    partitions_settle(&p, t, old, 10);
    assert_int_equal(committable(&p), OFFSET_UNKNOWN);
    assert_int_equal(partitions_own(&p, "t", 0, 5), t);
    partitions_settle(&p, t, old, 10);
    assert_int_equal(committable(&p), OFFSET_UNKNOWN);
    partitions_settle(&p, t, fill(&p, t, 7), 7);
    assert_int_equal(committable(&p), 7);
    partitions_disown(&p, t);
    partitions_release(&p);
}

/* A topic that was deleted and made again under a run: offset 0 comes after 10. */
static void offsets_of_the_earlier_log_are_not_committed_in_one_that_begins_anew(void **state)
{
    (void)state;
    struct kafka_partitions p;
    partitions_init(&p);
    size_t   t = partitions_own(&p, "t", 0, 0);
    uint64_t settled = fill(&p, t, 8), under_way = fill(&p, t, 10);
    partitions_settle(&p, t, settled, 8);   /* and not committed yet */
    partitions_begin_anew(&p, t);
    uint64_t fresh = fill(&p, t, 1);
    assert_int_equal(committable(&p), OFFSET_UNKNOWN);
    partitions_settle(&p, t, under_way, 10);
    assert_int_equal(committable(&p), OFFSET_UNKNOWN);
    partitions_settle(&p, t, fresh, 1);
    assert_int_equal(committable(&p), 1);
    partitions_disown(&p, t);
    partitions_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_settled_is_committed_and_nothing_beyond),
        cmocka_unit_test(what_is_settled_after_a_partition_was_taken_away_is_not_committed),
        cmocka_unit_test(offsets_of_the_earlier_log_are_not_committed_in_one_that_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
