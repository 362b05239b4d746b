/* The Kafka source against librdkafka's mock cluster: what comes is what was written, and what is committed is what was
 * settled. */
#include "consuming.h"
#include "sharded.h"

/* --- Tests ------------------------------------------------------------------------------------------------------------ */

static void a_hundred_thousand_messages_come_once_and_are_committed(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct numbers       n;
    enum { COUNT = 100000, PARTITIONS = 4 };
    cluster_open(&c, 2);
    cluster_topic(&c, "many", PARTITIONS);
    write_numbers(&c, "many", PARTITIONS, 0, COUNT);
    numbers_open(&n, COUNT);
    reading_start(&r, &c, "many", "g");
    read_documents(&r, COUNT, true, see_number, &n);
    assert_int_equal(n.different, COUNT);
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(n.seen[i], 1);
    for (int p = 0; p < PARTITIONS; p++) await_commit(&r, &c, "g", "many", p, COUNT / PARTITIONS);
    assert_int_equal(atomic_load(&r.source->counters.streams), PARTITIONS);
    assert_int_equal(atomic_load(&r.source->counters.lag_bytes), 0);
    reading_close(&r);
    free(n.seen);
    cluster_close(&c);
}

struct expected {
    enum document_form form;
    const char        *text;
    uint64_t           number;
};

struct listing {
    const struct expected *items;
    size_t                 at, count;
};

static void see_listed(void *context, const struct reading *r, size_t i)
{
    struct listing        *l = context;
    const struct document *d = &r->cargo.batch.documents[i];
    const struct expected *e = &l->items[l->at];
    assert_true(l->at++ < l->count);
    assert_int_equal(d->form, e->form);
    assert_true(d->origin < r->cargo.origin_count);
    assert_int_equal(r->cargo.origins[d->origin].number, e->number);
    assert_string_equal(r->cargo.place, "topic kinds/0");
    if (e->text != NULL) assert_true(slice_equal(document_text(r, i), slice_from(e->text)));
    else assert_int_equal(d->len, 0);
    if (e->text == NULL) assert_int_equal(d->refusal, REFUSAL_LENGTH);
}

static char *padded(const char *begin, size_t len, const char *end)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, begin, strlen(begin));
    memcpy(text + len - strlen(end), end, strlen(end));
    text[len] = '\0';
    return text;
}

/* Elements of 1000 bytes: one does not fit into what is left of a record's length after three others. */
static char *long_container(char element[1001], size_t count)
{
    char *one = padded("{\"e\":\"", 1000, "\"}"), *all = calloc(1, 20 + count * 1001);
    assert_non_null(all);
    memcpy(element, one, 1001);
    strcpy(all, "{\"records\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) strcat(all, ",");
        strcat(all, one);
    }
    strcat(all, "]}");
    free(one);
    return all;
}

static void each_message_is_framed_on_its_own_and_none_harms_another(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    char                 element[1001];
    char                *too_long = padded("{\"a\":\"", MAX_RECORD + 10, "\"}"), *text_too_long = padded("text ", MAX_RECORD + 10, ""),
                        *container = long_container(element, 6);
    const char *const messages[] = {
        "{\"a\":1}", "{\"records\":[{\"b\":1},{\"b\":2}]}", "{\"c\":1}\n{\"c\":2}\n", "plain text", "", "{\"cut\":", too_long, text_too_long,
        container, "[{\"d\":1},{\"d\":2}]", "{\"last\":1}"};
    const struct expected expected[] = {
        {DOCUMENT_JSON, "{\"a\":1}", 0}, {DOCUMENT_JSON, "{\"records\":[{\"b\":1},{\"b\":2}]}", 1}, {DOCUMENT_JSON, "{\"c\":1}", 2},
        {DOCUMENT_JSON, "{\"c\":2}", 2}, {DOCUMENT_TEXT, "plain text", 3}, {DOCUMENT_REFUSED, "{\"cut\":", 5}, {DOCUMENT_REFUSED, NULL, 6},
        {DOCUMENT_REFUSED, NULL, 7}, {DOCUMENT_JSON, element, 8}, {DOCUMENT_JSON, element, 8}, {DOCUMENT_JSON, element, 8},
        {DOCUMENT_JSON, element, 8}, {DOCUMENT_JSON, element, 8}, {DOCUMENT_JSON, element, 8}, {DOCUMENT_JSON, "[{\"d\":1},{\"d\":2}]", 9},
        {DOCUMENT_JSON, "{\"last\":1}", 11}};
    struct listing l = {expected, 0, sizeof expected / sizeof *expected};
    cluster_open(&c, 1);
    cluster_topic(&c, "kinds", 1);
    for (size_t i = 0; i < 10; i++) cluster_write(&c, "kinds", 0, slice_from(messages[i]));
    cluster_write(&c, "kinds", 0, (struct slice){0});
    cluster_write(&c, "kinds", 0, slice_from(messages[10]));
    cluster_flush(&c);
    reading_start(&r, &c, "kinds", "g");
    read_documents(&r, l.count, true, see_listed, &l);
    assert_int_equal(l.at, l.count);
    assert_int_equal(atomic_load(&r.source->counters.empty), 2);
    await_commit(&r, &c, "g", "kinds", 0, 12);
    reading_close(&r);
    free(too_long);
    free(text_too_long);
    free(container);
    cluster_close(&c);
}

/* A message of several cargoes: the offset after it is only told with the last of them. */
static void a_message_of_several_batches_is_committed_with_the_last(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    char                 element[1001], *container = long_container(element, 300);
    size_t               documents = 0;
    cluster_open(&c, 1);
    cluster_topic(&c, "long", 1);
    cluster_write(&c, "long", 0, slice_from("{\"first\":1}"));
    cluster_write(&c, "long", 0, slice_from(container));
    cluster_flush(&c);
    reading_start(&r, &c, "long", "g");
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (documents < 301 && clock_monotonic_ms() < deadline) {
        if (!reading_fill(&r, 100)) continue;
        documents += r.cargo.batch.count;
        if (documents < 301) reading_settle(&r, 1);
        for (size_t i = 0; i < r.cargo.batch.count; i++)
            assert_int_equal(r.cargo.origins[r.cargo.batch.documents[i].origin].number, documents - r.cargo.batch.count + i > 0);
    }
    assert_int_equal(documents, 301);
    assert_int_equal(r.count, 1);
    await_commit(&r, &c, "g", "long", 0, 1);
    reading_settle(&r, 1);
    await_commit(&r, &c, "g", "long", 0, 2);
    reading_close(&r);
    free(container);
    cluster_close(&c);
}

/* The stream of the message at offset 10, in whichever cargo it comes. */
static void see_tenth(void *context, const struct reading *r, size_t i)
{
    const struct origin *o = &r->cargo.origins[r->cargo.batch.documents[i].origin];
    if (o->number == 10) memcpy(context, o->stream, sizeof o->stream);
}

struct again {
    struct numbers numbers;
    uint8_t        stream[16];
};

static void see_again(void *context, const struct reading *r, size_t i)
{
    struct again *again = context;
    see_number(&again->numbers, r, i);
    see_tenth(again->stream, r, i);
}

static void what_is_not_settled_is_read_again_by_the_next_run(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct again         again = {0};
    uint8_t              stream[16] = {0};
    cluster_open(&c, 1);
    cluster_topic(&c, "again", 1);
    write_numbers(&c, "again", 1, 0, 10);
    reading_start(&r, &c, "again", "g");
    read_documents(&r, 10, true, see_nothing, NULL);
    await_commit(&r, &c, "g", "again", 0, 10);
    write_numbers(&c, "again", 1, 10, 20);
    read_documents(&r, 10, false, see_tenth, stream);
    reading_close(&r);
    assert_int_equal(cluster_committed(&c, "g", "again", 0), 10);
    numbers_open(&again.numbers, 20);
    reading_start(&r, &c, "again", "g");
    read_documents(&r, 10, true, see_again, &again);
    assert_int_equal(again.numbers.different, 10);
    assert_int_equal(again.numbers.seen[9], 0);
    assert_int_equal(again.numbers.seen[10], 1);
    assert_memory_equal(stream, again.stream, sizeof stream);
    reading_close(&r);   /* closing commits what no other commit did before */
    assert_int_equal(cluster_committed(&c, "g", "again", 0), 20);
    free(again.numbers.seen);
    cluster_close(&c);
}

/* Two sources of one group, driven in turn. `b` comes later, takes a share while `a` is under way, and ends first. */
static void two_of_a_group_share_partitions_and_nothing_is_missing(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       a, b;
    struct numbers       n;
    enum { PARTITIONS = 8, COUNT = 24000 };
    cluster_open(&c, 1);
    cluster_topic(&c, "shared", PARTITIONS);
    write_numbers(&c, "shared", PARTITIONS, 0, COUNT / 3);
    numbers_open(&n, COUNT);
    reading_start_for(&a, &c, "shared", "g", SHORT_SESSION);
    read_documents(&a, 1000, true, see_number, &n);
    reading_start_for(&b, &c, "shared", "g", SHORT_SESSION);
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (atomic_load(&b.source->counters.streams) != PARTITIONS / 2 && clock_monotonic_ms() < deadline) {
        if (reading_fill(&a, 20))
            for (size_t i = 0; i < a.cargo.batch.count; i++) see_number(&n, &a, i);
        reading_settle(&a, CARGOES);
        reading_fill(&b, 20);
        for (size_t i = 0; b.last == SOURCE_FILLED && i < b.cargo.batch.count; i++) see_number(&n, &b, i);
        reading_settle(&b, CARGOES);
    }
    assert_int_equal(atomic_load(&b.source->counters.streams), PARTITIONS / 2);
    write_numbers(&c, "shared", PARTITIONS, COUNT / 3, 2 * COUNT / 3);
    read_documents(&b, 1, false, see_nothing, NULL);   /* read, not settled, and given back */
    reading_close(&b);
    write_numbers(&c, "shared", PARTITIONS, 2 * COUNT / 3, COUNT);
    deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (n.different < COUNT && clock_monotonic_ms() < deadline) {
        if (reading_fill(&a, 100))
            for (size_t i = 0; i < a.cargo.batch.count; i++) see_number(&n, &a, i);
        reading_settle(&a, CARGOES);
    }
    assert_int_equal(n.different, COUNT);
    for (int p = 0; p < PARTITIONS; p++) await_commit_reading(&a, &c, "g", "shared", p, COUNT / PARTITIONS);
    reading_close(&a);
    free(n.seen);
    cluster_close(&c);
}

/* `a` has no free cargo for long: it stays in the group by idle() alone, and hands over what `b` is to have. What is
 * settled of that afterwards is `b`'s to commit. */
static void without_a_cargo_the_group_goes_on_and_a_late_settlement_commits_nothing(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       a, b;
    enum { PARTITIONS = 2 };
    cluster_open(&c, 1);
    cluster_topic(&c, "late", PARTITIONS);
    write_numbers(&c, "late", PARTITIONS, 0, 20);
    reading_start_for(&a, &c, "late", "g", SHORT_SESSION);
    read_documents(&a, 20, false, see_nothing, NULL);
    reading_start_for(&b, &c, "late", "g", SHORT_SESSION);
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (atomic_load(&b.source->counters.streams) != 1 && clock_monotonic_ms() < deadline) {
        source_kafka.idle(a.source);
        source_kafka.idle(b.source);
    }
    assert_int_equal(atomic_load(&b.source->counters.streams), 1);
    reading_settle(&a, CARGOES);
    deadline = clock_monotonic_ms() + PATIENCE_MS;
    bool one = false;
    while (!one && clock_monotonic_ms() < deadline) {
        source_kafka.idle(a.source);
        source_kafka.idle(b.source);
        one = cluster_committed(&c, "g", "late", 0) == 10 || cluster_committed(&c, "g", "late", 1) == 10;
    }
    assert_true(one);
    assert_int_equal(atomic_load(&a.source->counters.streams), 1);
    int64_t both = cluster_committed(&c, "g", "late", 0) + cluster_committed(&c, "g", "late", 1);
    assert_int_equal(both, 10 + RD_KAFKA_OFFSET_INVALID);
    reading_close(&a);
    read_documents(&b, 10, true, see_nothing, NULL);
    reading_close(&b);
    cluster_close(&c);
}

/* Fills until that is told; what else is told before does not count. */
static void await_trouble(struct reading *r, const char *text)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    do {
        if (clock_monotonic_ms() > deadline) fail_msg("last error: %s", r->error.text);
        reading_fill(r, 100);
    } while (r->last != SOURCE_FAILED || strstr(r->error.text, text) == NULL);
}

static void brokers_that_go_away_are_told_and_cost_nothing(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct numbers       n;
    cluster_open(&c, 1);
    cluster_topic(&c, "down", 1);
    write_numbers(&c, "down", 1, 0, 100);
    numbers_open(&n, 200);
    reading_start(&r, &c, "down", "g");
    read_documents(&r, 100, true, see_number, &n);
    rd_kafka_mock_broker_set_down(c.mock, -1);
    await_trouble(&r, "no broker can be reached: check brokers, security and the network");
    rd_kafka_mock_broker_set_up(c.mock, -1);
    write_numbers(&c, "down", 1, 100, 200);
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (n.different < 200 && clock_monotonic_ms() < deadline) {
        if (reading_fill(&r, 100))
            for (size_t i = 0; i < r.cargo.batch.count; i++) see_number(&n, &r, i);
        reading_settle(&r, CARGOES);
    }
    assert_int_equal(n.different, 200);
    await_commit(&r, &c, "g", "down", 0, 200);
    reading_close(&r);
    free(n.seen);
    cluster_close(&c);
}

/* The coordinator's broker goes first, and no other is found until the last one goes, too. */
static void brokers_that_go_away_one_after_the_other_are_told(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    enum { COORDINATOR = 2, LEADER = 1, FIND_COORDINATOR = 10, ANSWERS = 30, ENOUGH = 3 };
    size_t               unused = ANSWERS;
    cluster_open(&c, 2);
    cluster_topic(&c, "down", 1);
    rd_kafka_mock_partition_set_leader(c.mock, "down", 0, LEADER);
    rd_kafka_mock_coordinator_set(c.mock, "group", "g", COORDINATOR);
    write_numbers(&c, "down", 1, 0, 100);
    reading_start(&r, &c, "down", "g");
    read_documents(&r, 100, true, see_nothing, NULL);
    for (int i = 0; i < ANSWERS; i++)
        rd_kafka_mock_broker_push_request_error_rtts(c.mock, LEADER, FIND_COORDINATOR, 1, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                                     0);
    rd_kafka_mock_broker_set_down(c.mock, COORDINATOR);
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (unused > ANSWERS - ENOUGH && clock_monotonic_ms() < deadline) {
        reading_fill(&r, 20);
        rd_kafka_mock_broker_error_stack_cnt(c.mock, LEADER, FIND_COORDINATOR, &unused);
    }
    assert_true(unused <= ANSWERS - ENOUGH);
    rd_kafka_mock_broker_set_down(c.mock, LEADER);
    await_trouble(&r, "no broker can be reached: check brokers, security and the network");
    rd_kafka_mock_broker_set_up(c.mock, -1);
    reading_close(&r);
    cluster_close(&c);
}

static bool is_long(void)
{
    const char *wish = getenv("LETHE_LONG");
    return wish != NULL && strcmp(wish, "1") == 0;
}

/* Reads what there is until so many different numbers came. */
static void read_until(struct reading *r, struct numbers *n, size_t different)
{
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (n->different < different) {
        if (clock_monotonic_ms() > deadline) fail_msg("only %zu of %zu came; last error: %s", n->different, different, r->error.text);
        if (reading_fill(r, 20))
            for (size_t i = 0; i < r->cargo.batch.count; i++) see_number(n, r, i);
        reading_settle(r, CARGOES);
    }
}

/* In every round each partition has another leader, one after messages were written that nobody has read yet; one partition has none
 * for a while. */
static void nothing_is_missing_while_leaders_move(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct numbers       n;
    enum { BROKERS = 3, PARTITIONS = 3, EACH_ROUND = 300, FEW_ROUNDS = 3, MANY_ROUNDS = 60 };
    const unsigned       rounds = is_long() ? MANY_ROUNDS : FEW_ROUNDS;
    cluster_open(&c, BROKERS);
    cluster_topic(&c, "moves", PARTITIONS);
    numbers_open(&n, (size_t)rounds * EACH_ROUND);
    reading_start(&r, &c, "moves", "g");
    for (unsigned round = 0; round < rounds; round++) {
        write_numbers(&c, "moves", PARTITIONS, round * EACH_ROUND, (round + 1) * EACH_ROUND);
        for (int p = 0; p < PARTITIONS; p++)
            rd_kafka_mock_partition_set_leader(c.mock, "moves", p, ((int)round + p) % BROKERS + 1);
        if (round % 3 == 1) rd_kafka_mock_partition_set_leader(c.mock, "moves", 0, -1);
        read_until(&r, &n, (size_t)round * EACH_ROUND + EACH_ROUND / PARTITIONS);
        if (round % 3 == 1) rd_kafka_mock_partition_set_leader(c.mock, "moves", 0, (int)round % BROKERS + 1);
        read_until(&r, &n, (size_t)(round + 1) * EACH_ROUND);
    }
    for (int p = 0; p < PARTITIONS; p++) await_commit_reading(&r, &c, "g", "moves", p, rounds * EACH_ROUND / PARTITIONS);
    reading_close(&r);
    free(n.seen);
    cluster_close(&c);
}

static void a_topic_that_is_missing_is_told_once_and_read_when_it_is_there(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    cluster_open(&c, 1);
    cluster_topic(&c, "present", 1);
    rd_kafka_mock_topic_set_error(c.mock, "absent", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    reading_start(&r, &c, "absent", "g");
    await_trouble(&r, "topic 'absent': not there: create it");
    reading_close(&r);
    cluster_close(&c);
}

/* The group's generation is over, the coordinator moves or is gone: commits are tried again until they are there. */
static void commits_that_fail_are_tried_again(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    cluster_open(&c, 1);
    cluster_topic(&c, "commit", 1);
    write_numbers(&c, "commit", 1, 0, 10);
    reading_start(&r, &c, "commit", "g");
    read_documents(&r, 10, false, see_nothing, NULL);
    rd_kafka_mock_push_request_errors(c.mock, 8, 4, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                      RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    reading_settle(&r, CARGOES);
    await_commit(&r, &c, "g", "commit", 0, 10);
    reading_close(&r);
    cluster_close(&c);
}

static void a_consumer_that_is_given_up_is_made_anew(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct numbers       n;
    cluster_open(&c, 1);
    cluster_topic(&c, "fatal", 1);
    write_numbers(&c, "fatal", 1, 0, 10);
    numbers_open(&n, 20);
    reading_start_for(&r, &c, "fatal", "g", SHORT_SESSION);
    read_documents(&r, 10, true, see_number, &n);
    await_commit(&r, &c, "g", "fatal", 0, 10);
    rd_kafka_mock_push_request_errors(c.mock, 12, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    await_trouble(&r, "kafka gave the consumer up; it is made anew");
    write_numbers(&c, "fatal", 1, 10, 20);
    read_documents(&r, 10, true, see_number, &n);
    assert_int_equal(n.different, 20);
    reading_close(&r);
    free(n.seen);
    cluster_close(&c);
}

/* Of two batches the first is given up and the second settled all the same. */
static void nothing_after_what_was_given_up_is_committed(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    cluster_open(&c, 1);
    cluster_topic(&c, "abandon", 1);
    write_numbers(&c, "abandon", 1, 0, 10);
    reading_start(&r, &c, "abandon", "g");
    read_documents(&r, 10, true, see_nothing, NULL);
    await_commit(&r, &c, "g", "abandon", 0, 10);
    write_numbers(&c, "abandon", 1, 10, 20);
    read_documents(&r, 10, false, see_nothing, NULL);
    write_numbers(&c, "abandon", 1, 20, 30);
    read_documents(&r, 10, false, see_nothing, NULL);
    source_kafka.abandoned(r.source, r.under_way[r.first++ % CARGOES]);
    r.count--;
    reading_settle(&r, CARGOES);
    reading_close(&r);
    assert_int_equal(cluster_committed(&c, "g", "abandon", 0), 10);
    cluster_close(&c);
}

static void a_new_group_may_begin_at_the_end(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    struct numbers       n;
    cluster_open(&c, 1);
    cluster_topic(&c, "end", 1);
    write_numbers(&c, "end", 1, 0, 10);
    numbers_open(&n, 20);
    reading_open(&r, &c, "end", "g");
    setting_put(r.source, source_kafka.settings, "start", "latest");
    assert_true(source_kafka.open(r.source, &r.error));
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    for (unsigned i = 10; n.different == 0 && clock_monotonic_ms() < deadline; i = i < 19 ? i + 1 : i) {
        write_numbers(&c, "end", 1, i, i + 1);
        if (reading_fill(&r, 500))
            for (size_t d = 0; d < r.cargo.batch.count; d++) see_number(&n, &r, d);
    }
    assert_true(n.different > 0);
    for (size_t i = 0; i < 10; i++) assert_int_equal(n.seen[i], 0);
    reading_close(&r);
    free(n.seen);
    cluster_close(&c);
}

static void wake_ends_a_wait(void **state)
{
    (void)state;
    struct kafka_cluster c;
    struct reading       r;
    cluster_open(&c, 1);
    cluster_topic(&c, "none", 1);
    reading_start(&r, &c, "none", "g");
    uint64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (atomic_load(&r.source->counters.streams) == 0 && clock_monotonic_ms() < deadline) reading_fill(&r, 100);
    while (reading_fill(&r, 1)) {}
    uint64_t begin = clock_monotonic_ms();
    for (int i = 0; i < 40; i++) {   /* without wake() each lasts until the next tick, a second */
        source_kafka.wake(r.source);
        reading_fill(&r, 100000);
        assert_int_equal(r.last, SOURCE_IDLE);
    }
    assert_true(clock_monotonic_ms() - begin < 30000);
    reading_close(&r);
    cluster_close(&c);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *names[3], *values[3], *error;
    } cases[] = {
        {{"brokers"}, {"kafka"}, "'test': 'kafka' in brokers is not host:port"},
        {{"brokers"}, {"ssl://k:9093"}, "'test': 'ssl://k:9093' in brokers is not host:port"},
        {{"user"}, {"u"}, "'test': user and password go together"},
        {{"user", "password"}, {"u", "p"}, "'test': credentials never travel unencrypted: take security: plaintext away"},
        {{"event_hubs"}, {"true"}, "'test': credentials never travel unencrypted: take security: plaintext away"},
        {{"event_hubs", "security"}, {"true", "tls"}, "'test': event_hubs needs connection_string, or entra and brokers"},
        {{"connection_string", "security"}, {"x", "tls"}, "'test': connection_string needs event_hubs: true"},
        {{"certificate"}, {"/c"}, "'test': certificate and certificate_key go together"},
        {{"group"}, {""}, "'test': group has 1 to 256 bytes"},
        {{"topics"}, {""}, "'test': names in topics have 1 to 249 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kafka_cluster nowhere = {.brokers = "127.0.0.1:1"};
        struct reading       r;
        reading_open(&r, &nowhere, "t", "g");
        assert_true(source_kafka.check(r.source, &r.error));
        for (size_t s = 0; s < 3 && cases[i].names[s] != NULL; s++)
            setting_put(r.source, source_kafka.settings, cases[i].names[s], cases[i].values[s]);
        assert_false(source_kafka.check(r.source, &r.error));
        assert_int_equal(r.error.code, ERROR_USAGE);
        assert_string_equal(r.error.text, cases[i].error);
        reading_close(&r);
    }
}

int main(void)
{
    struct error err = {0};
    log_setup(false, LOG_ERROR);
    keys = keyring_ephemeral(&err);
    CHECK(keys != NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_messages_come_once_and_are_committed),
        cmocka_unit_test(each_message_is_framed_on_its_own_and_none_harms_another),
        cmocka_unit_test(a_message_of_several_batches_is_committed_with_the_last),
        cmocka_unit_test(what_is_not_settled_is_read_again_by_the_next_run),
        cmocka_unit_test(two_of_a_group_share_partitions_and_nothing_is_missing),
        cmocka_unit_test(without_a_cargo_the_group_goes_on_and_a_late_settlement_commits_nothing),
        cmocka_unit_test(brokers_that_go_away_are_told_and_cost_nothing),
        cmocka_unit_test(brokers_that_go_away_one_after_the_other_are_told),
        cmocka_unit_test(nothing_is_missing_while_leaders_move),
        cmocka_unit_test(a_topic_that_is_missing_is_told_once_and_read_when_it_is_there),
        cmocka_unit_test(commits_that_fail_are_tried_again),
        cmocka_unit_test(a_consumer_that_is_given_up_is_made_anew),
        cmocka_unit_test(nothing_after_what_was_given_up_is_committed),
        cmocka_unit_test(a_new_group_may_begin_at_the_end),
        cmocka_unit_test(wake_ends_a_wait),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
    };
    int failed = RUN_SHARDED(tests);
    keyring_free(keys);
    return failed;
}
