#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "ledger_priv.h"
#include "store_priv.h"
#include "storing.h"

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- A run in miniature ------------------------------------------------------------------------------------------------------- */

#define MOST 64

struct test_receipt {
    struct receipt base;
    struct position position;
    int            number;
};

static int    settled[2][MOST], abandoned_count;
static size_t settled_count[2];
static struct ledger *asked;   /* by sources that are told; NULL: none */

static void note_settled(struct source *s, struct receipt *r)
{
    size_t n = s->name[0] == 'a' ? 0 : 1;
    settled[n][settled_count[n]++] = ((struct test_receipt *)r)->number;
    if (asked != NULL) (void)ledger_figures(asked);
    free(r);
}

static void note_abandoned(struct source *s, struct receipt *r)
{
    (void)s;
    abandoned_count++;
    free(r);
}

static const struct source_type replays = {.name = "replays", .replayable = true, .settled = note_settled, .abandoned = note_abandoned};
static const struct source_type forgets = {.name = "forgets", .settled = note_settled, .abandoned = note_abandoned};
static const struct sink_type   takes = {.name = "takes", .formats = "original"};

struct miniature {
    struct source       source[2];
    struct sink         sink[2];
    struct source      *sources[2];
    struct sink        *sinks[2];
    struct block_scheme scheme;
    struct store       *store;
    struct ledger      *ledger;
};

static void open_ledger(struct miniature *m, size_t blocks)
{
    struct error err = {0};
    m->ledger = ledger_new(&(struct ledger_options){.store = m->store, .scheme = &m->scheme, .sources = m->sources, .source_count = 2, .sinks = m->sinks,
                                                    .sink_count = 2, .blocks = blocks}, &err);
    assert_non_null(m->ledger);
}

/* Source a can be read again, source b not. Two sinks, the second required or not. */
static void miniature_init(struct miniature *m, bool second_required)
{
    *m = (struct miniature){.source = {{.type = &replays, .name = "a"}, {.type = &forgets, .name = "b"}},
                            .sink = {{.type = &takes, .name = "one", .number = 0, .required = true, .max_lag = 1 << 20},
                                     {.type = &takes, .name = "two", .number = 1, .required = second_required, .max_lag = 1 << 20}}};
    for (int i = 0; i < 2; i++) {
        m->sources[i] = &m->source[i];
        m->sinks[i] = &m->sink[i];
        settled_count[i] = 0;
    }
    abandoned_count = 0;
    block_scheme_init(&m->scheme, m->sinks, 2);
}

static void miniature_open(struct miniature *m, bool second_required, size_t blocks)
{
    miniature_init(m, second_required);
    open_ledger(m, blocks);
}

static void miniature_close(struct miniature *m) { ledger_free(m->ledger); }

/* A record `text` for the sinks. */
static void add_record(struct block *b, const char *text, uint32_t sinks)
{
    struct block_encoding *e = &b->encodings[0];
    size_t                 len = strlen(text) + 1;
    b->records = realloc(b->records, (b->count + 1) * sizeof *b->records);
    e->starts = realloc(e->starts, (b->count + 2) * sizeof *e->starts);
    b->capacity = b->count + 1;
    e->capacity = b->count + 2;
    assert_true(encoded_reserve(&e->bytes, len) && encoded_reserve(&b->labels, 1));
    memcpy(e->bytes.data + e->bytes.len, text, len);
    e->bytes.data[e->bytes.len + len - 1] = '\n';
    e->starts[b->count] = (uint32_t)e->bytes.len;
    e->bytes.len += len;
    e->starts[b->count + 1] = (uint32_t)e->bytes.len;
    b->records[b->count++] = (struct block_record){.sinks = sinks};
}

static struct receipt *make_receipt(int number)
{
    struct test_receipt *r = calloc(1, sizeof *r);
    r->number = number;
    r->position.key_len = 1;
    r->position.key[0] = 'p';
    r->position.value_len = (uint16_t)sprintf(r->position.value, "%d", number);
    r->base.positions = &r->position;
    r->base.position_count = 1;
    return &r->base;
}

/* One block with one record. */
static void publish_text(struct miniature *m, int source, int number, const char *text, uint32_t sinks)
{
    struct block *b = ledger_take_block(m->ledger);
    assert_non_null(b);
    b->born_ms = clock_monotonic_ms();
    if (sinks != 0) add_record(b, text, sinks);
    ledger_publish(m->ledger, b, m->sources[source], (uint64_t)number, make_receipt(number));
}

/* The record is "0" to "63". */
static void publish(struct miniature *m, int source, int number, uint32_t sinks)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    publish_text(m, source, number, text, sinks);
}

/* What the sink is offered next, held. */
static struct block *take(struct miniature *m, int sink) { return ledger_next(m->ledger, m->sinks[sink], 0); }

/* What the sink is offered next, as a number; done with at once. -1: nothing. */
static int deliver(struct miniature *m, int sink)
{
    struct block *b = take(m, sink);
    if (b == NULL) return -1;
    int number = atoi(block_bytes(b, 0, 0).data);
    sink_done(m->sinks[sink], b, NULL, 0);
    return number;
}

/* --- Settling ------------------------------------------------------------------------------------------------------------------ */

static void a_batch_is_settled_only_after_every_required_sink_has_it(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, true, 8);
    publish(&m, 0, 0, 3);
    assert_int_equal(deliver(&m, 0), 0);
    assert_int_equal(settled_count[0], 0);
    assert_int_equal(deliver(&m, 1), 0);
    assert_int_equal(settled_count[0], 1);
    miniature_close(&m);
}

static void a_sink_that_is_not_required_is_not_waited_for(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 8);
    publish(&m, 0, 0, 3);
    deliver(&m, 0);
    assert_int_equal(settled_count[0], 1);
    assert_int_equal(deliver(&m, 1), 0);
    miniature_close(&m);
}

static void a_source_hears_of_its_batches_in_order(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 8);
    for (int i = 0; i < 3; i++) publish(&m, 0, i, 1);
    publish(&m, 1, 0, 1);
    struct block *b[4];
    for (int i = 0; i < 4; i++) b[i] = take(&m, 0);
    sink_done(m.sinks[0], b[2], NULL, 0);
    sink_done(m.sinks[0], b[1], NULL, 0);
    assert_int_equal(settled_count[0], 0);
    sink_done(m.sinks[0], b[3], NULL, 0);
    assert_int_equal(settled_count[1], 1);   /* another source does not wait for it */
    sink_done(m.sinks[0], b[0], NULL, 0);
    assert_int_equal(settled_count[0], 3);
    for (int i = 0; i < 3; i++) assert_int_equal(settled[0][i], i);
    miniature_close(&m);
}

static void batches_that_workers_finish_out_of_order_are_offered_in_order(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 8);
    publish(&m, 0, 2, 1);
    publish(&m, 0, 1, 1);
    assert_int_equal(deliver(&m, 0), -1);
    publish(&m, 0, 0, 1);
    for (int i = 0; i < 3; i++) assert_int_equal(deliver(&m, 0), i);
    miniature_close(&m);
}

static void a_batch_without_records_is_settled_in_its_turn(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 8);
    publish(&m, 0, 0, 1);
    publish(&m, 0, 1, 0);
    assert_int_equal(settled_count[0], 0);
    deliver(&m, 0);
    assert_int_equal(settled_count[0], 2);
    miniature_close(&m);
}

static void a_sink_is_offered_only_what_is_for_it(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, true, 8);
    publish(&m, 0, 0, 1);
    publish(&m, 0, 1, 2);
    publish(&m, 0, 2, 3);
    assert_int_equal(deliver(&m, 1), 1);
    assert_int_equal(deliver(&m, 1), 2);
    assert_int_equal(deliver(&m, 1), -1);
    assert_int_equal(deliver(&m, 0), 0);
    assert_int_equal(deliver(&m, 0), 2);
    assert_int_equal(settled_count[0], 3);
    miniature_close(&m);
}

static void what_a_sink_gives_back_is_offered_again(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 8);
    publish(&m, 0, 0, 1);
    struct block *b = take(&m, 0);
    assert_int_equal(deliver(&m, 0), -1);
    ledger_return(m.ledger, m.sinks[0], b);
    assert_int_equal(deliver(&m, 0), 0);
    miniature_close(&m);
}

static void what_is_not_settled_at_the_end_is_abandoned(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 8);
    publish(&m, 0, 0, 1);
    publish(&m, 1, 0, 1);
    publish(&m, 0, 2, 1);   /* its turn never came */
    assert_int_equal(ledger_lost(m.ledger), 1);
    miniature_close(&m);
    assert_int_equal(settled_count[0] + settled_count[1], 0);
    assert_int_equal(abandoned_count, 3);
}

/* The second sink has not had the first batch, of which it wants one record of two. */
static void what_is_delivered_is_not_lost_though_it_is_not_settled(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, true, 8);
    struct block *b = ledger_take_block(m.ledger);
    assert_non_null(b);
    add_record(b, "0", 1);
    add_record(b, "0", 3);
    ledger_publish(m.ledger, b, m.sources[1], 0, make_receipt(0));
    publish(&m, 1, 1, 1);
    assert_int_equal(deliver(&m, 0), 0);
    assert_int_equal(deliver(&m, 0), 1);
    assert_int_equal(settled_count[1], 0);
    assert_int_equal(ledger_lost(m.ledger), 1);
    miniature_close(&m);
}

static void a_source_that_is_told_holds_nobody_up_at_the_ledger(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 8);
    asked = m.ledger;   /* its lock is free, or this waits for ever */
    publish(&m, 0, 0, 1);
    assert_int_equal(deliver(&m, 0), 0);
    asked = NULL;
    assert_int_equal(settled_count[0], 1);
    miniature_close(&m);
}

/* --- The store ------------------------------------------------------------------------------------------------------------------- */

static void positions_that_went_with_a_block_are_not_written_again(void **state)
{
    struct miniature m;
    char             folder[] = "/tmp/lethe-ledger-XXXXXX";
    (void)state;
    miniature_init(&m, false);
    assert_non_null(mkdtemp(folder));
    m.store = opened(folder);
    open_ledger(&m, 8);
    for (int i = 0; i < 3; i++) {
        publish(&m, 1, i, 1);
        assert_true(ledger_drain(m.ledger, clock_monotonic_ms() + 120000));
        assert_int_equal(ledger_figures(m.ledger).positions_committed, i + 1);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(deliver(&m, 0), i);
    miniature_close(&m);
    store_close(m.store);
    remove_folder(folder);
}

static void what_can_still_be_stored_at_the_end_is_not_lost(void **state)
{
    struct miniature m;
    (void)state;
    miniature_init(&m, true);
    m.store = opened("last");
    open_ledger(&m, 40);
    for (int i = 0; i < 40; i++) publish(&m, 1, i, 3);   /* more than one transaction takes */
    assert_int_equal(ledger_lost(m.ledger), 0);
    miniature_close(&m);
    store_close(m.store);
    m.store = opened("last");
    open_ledger(&m, 8);
    for (int i = 0; i < 40; i++) assert_int_equal(deliver(&m, 1), i);
    miniature_close(&m);
    store_close(m.store);
}

/* Each round begins just after a commit, so that the next would come half a second later. */
static void positions_that_make_a_stream_known_do_not_wait_for_company(void **state)
{
    struct miniature m;
    char             folder[32];
    uint64_t         fastest = UINT64_MAX;
    (void)state;
    miniature_init(&m, true);
    snprintf(folder, sizeof folder, "%s/lethe-ledger-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");   /* no disk to wait for */
    assert_non_null(mkdtemp(folder));
    m.store = opened(folder);
    open_ledger(&m, 8);
    for (int i = 0; i < 10; i++) {
        struct receipt *r = make_receipt(i);
        struct block   *b = ledger_take_block(m.ledger);
        uint64_t        from = clock_monotonic_ms();
        assert_non_null(b);
        r->soon = true;
        ledger_publish(m.ledger, b, m.sources[0], (uint64_t)i, r);
        while (ledger_figures(m.ledger).positions_committed <= (uint64_t)i) sched_yield();
        if (clock_monotonic_ms() - from < fastest) fastest = clock_monotonic_ms() - from;
    }
    assert_in_range(fastest, 0, 250);
    miniature_close(&m);
    store_close(m.store);
    remove_folder(folder);
}

#define STREAMS 3000

static struct position position_of(unsigned stream, unsigned value)
{
    struct position p = {0};
    p.key_len = (uint16_t)sprintf(p.key, "stream %u", stream);
    p.value_len = (uint16_t)sprintf(p.value, "%u", value);
    return p;
}

static void of_each_of_very_many_streams_the_last_position_waits_to_be_committed(void **state)
{
    static struct ledger l;
    (void)state;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < STREAMS; i++) {
            const struct position p = position_of(i, 7 * i + round);
            assert_true(positions_room(&l, 1));
            keep_position(&l, i % 2, &p, false);
        }
    assert_int_equal(l.position_count, STREAMS);
    for (unsigned i = 0; i < STREAMS; i++) {
        const struct position p = position_of(i, 7 * i + 2);
        assert_memory_equal(find_kept(&l, i % 2, &p)->position.value, p.value, p.value_len);
        assert_null(find_kept(&l, 1 - i % 2, &p));
    }
    forget_positions(&l);
    const struct position p = position_of(5, 0);
    assert_null(find_kept(&l, 1, &p));
    keep_position(&l, 1, &p, true);   /* it is in the store, and no older one waits */
    assert_int_equal(l.position_count, 0);
    free(l.positions);
    free(l.position_heads);
}

static uint64_t bytes_behind(struct miniature *m, int sink) { return ledger_sink_figures(m->ledger, m->sinks[sink]).behind_bytes; }

/* Blocks of the source that cannot read again, into the store; then a run that has them in the store only. */
static void keep_and_start_again(struct miniature *m, const char *text, int count)
{
    m->store = opened("spool");
    open_ledger(m, 8);
    for (int n = 0; n < count; n++) publish_text(m, 1, n, text, 1);
    assert_true(ledger_drain(m->ledger, clock_monotonic_ms() + 120000));
    ledger_free(m->ledger);
    store_close(m->store);
}

static void open_again(struct miniature *m)
{
    m->store = opened("spool");
    open_ledger(m, 8);
}

static void damage_blocks_from(int seq)
{
    sqlite3 *db;
    char     sql[100];
    snprintf(sql, sizeof sql, "UPDATE body SET data = zeroblob(200) WHERE seq >= %d", seq);
    assert_int_equal(sqlite3_open("spool/store.db", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void nobody_is_behind_by_blocks_that_cannot_be_read_any_more(void **state)
{
    struct miniature m;
    (void)state;
    miniature_init(&m, false);
    keep_and_start_again(&m, "text", 4);
    damage_blocks_from(3);
    open_again(&m);
    assert_true(bytes_behind(&m, 0) > 0);
    for (int n = 0; n < 2; n++) assert_int_equal(deliver(&m, 0), 0);
    assert_int_equal(deliver(&m, 0), -1);
    assert_int_equal(bytes_behind(&m, 0), 0);
    publish(&m, 1, 0, 1);
    assert_int_equal(deliver(&m, 0), 0);
    miniature_close(&m);
    store_close(m.store);
}

/* Nothing packs it. */
static char *random_text(size_t len)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++) text[i] = (char)(0x80 | rand() >> 16);
    text[len] = '\0';
    return text;
}

static void a_spool_that_has_no_room_for_all_blocks_takes_as_many_as_it_has_room_for(void **state)
{
    struct miniature    m;
    struct store_report report;
    struct error        err = {0};
    char               *text = random_text(20000);
    uint64_t            deadline = clock_monotonic_ms() + 120000;
    (void)state;
    miniature_init(&m, false);
    m.store = try_open("spool", 70000, NULL, &report, &err);
    open_ledger(&m, 8);
    for (int n = 8; n-- > 0;) publish_text(&m, 1, n, text, 1);   /* all wait for number 0, and are there at once */
    while (store_figures(m.store).blocks < 3 && clock_monotonic_ms() < deadline) usleep(1000);
    assert_int_equal(store_figures(m.store).blocks, 3);
    for (int n = 0; n < 8; n++) assert_int_equal(deliver(&m, 0), 0);
    assert_true(ledger_drain(m.ledger, clock_monotonic_ms() + 120000));
    miniature_close(&m);
    store_close(m.store);
    free(text);
}

/* The first sink has the second of four blocks, and the first still in hand, when memory becomes short and the run is killed. */
static void what_is_stored_of_a_source_that_is_read_again_has_no_gap(void **state)
{
    struct miniature m;
    uint64_t         deadline = clock_monotonic_ms() + 120000;
    (void)state;
    miniature_init(&m, true);
    m.store = opened("spool");
    open_ledger(&m, 4);
    for (int n = 0; n < 2; n++) publish(&m, 0, n, 3);
    struct block *first = take(&m, 0);
    assert_int_equal(deliver(&m, 0), 1);
    for (int n = 2; n < 4; n++) publish(&m, 0, n, 3);
    while (store_figures(m.store).blocks == 0 && clock_monotonic_ms() < deadline) usleep(1000);
    ledger_return(m.ledger, m.sinks[0], first);
    miniature_close(&m);
    store_close(m.store);
    open_again(&m);
    assert_int_equal(deliver(&m, 1), 0);
    assert_int_equal(deliver(&m, 1), 1);
    miniature_close(&m);
    store_close(m.store);
}

/* --- Room ------------------------------------------------------------------------------------------------------------------------ */

static void *publish_one_more(void *miniature)
{
    publish(miniature, 0, 4, 1);
    return NULL;
}

static void a_worker_waits_for_a_block_until_a_sink_has_one(void **state)
{
    struct miniature m;
    pthread_t        thread;
    (void)state;
    miniature_open(&m, false, 4);
    for (int i = 0; i < 4; i++) publish(&m, 0, i, 1);
    assert_int_equal(ledger_figures(m.ledger).blocks_in_memory, 4);
    assert_int_equal(pthread_create(&thread, NULL, publish_one_more, &m), 0);
    assert_int_equal(deliver(&m, 0), 0);
    pthread_join(thread, NULL);
    for (int i = 1; i < 5; i++) assert_int_equal(deliver(&m, 0), i);
    miniature_close(&m);
}

static void a_sink_that_is_not_required_misses_what_there_is_no_room_for(void **state)
{
    struct miniature m;
    (void)state;
    miniature_open(&m, false, 4);
    for (int i = 0; i < 10; i++) {
        publish(&m, 0, i, 3);
        assert_int_equal(deliver(&m, 0), i);
    }
    assert_int_equal(atomic_load(&m.sink[1].counters.missed), 6);
    assert_int_equal(deliver(&m, 1), 6);
    miniature_close(&m);
}

/* It lags further than it may, whatever it has; what it has in hand it may still have. */
static void what_a_sink_has_in_hand_is_delivered_and_not_missed_as_well(void **state)
{
    struct miniature    m;
    struct store_report report;
    struct error        err = {0};
    uint64_t            deadline = clock_monotonic_ms() + 30000;
    struct block       *held[2];
    (void)state;
    miniature_init(&m, false);
    m.sink[1].max_lag = 0;
    m.store = try_open("spool", PLENTY, NULL, &report, &err);
    open_ledger(&m, 4);
    for (int n = 0; n < 2; n++) {
        publish(&m, 0, n, 3);
        assert_non_null(held[n] = take(&m, 1));
    }
    publish(&m, 0, 2, 3);   /* with it room is short */
    for (int n = 0; n < 3; n++) assert_int_equal(deliver(&m, 0), n);
    while (atomic_load(&m.sink[1].counters.missed) == 0 && clock_monotonic_ms() < deadline) usleep(1000);
    for (int n = 0; n < 2; n++) sink_done(m.sinks[1], held[n], NULL, 0);
    assert_int_equal(atomic_load(&m.sink[1].counters.missed), 1);
    assert_int_equal(atomic_load(&m.sink[1].counters.delivered), 2);
    miniature_close(&m);
    store_close(m.store);
}

static void *take_block(void *miniature) { return ledger_take_block(((struct miniature *)miniature)->ledger); }

static void nobody_waits_for_a_block_after_an_abort(void **state)
{
    struct miniature m;
    pthread_t        thread;
    void            *block = &m;
    (void)state;
    miniature_open(&m, false, 4);
    for (int i = 0; i < 4; i++) publish(&m, 0, i, 1);
    assert_int_equal(pthread_create(&thread, NULL, take_block, &m), 0);
    ledger_abort(m.ledger);
    pthread_join(thread, &block);
    assert_null(block);
    miniature_close(&m);
}

static void a_spool_that_cannot_be_read_for_a_while_is_not_passed_over(void **state)
{
    struct miniature m;
    (void)state;
    miniature_init(&m, true);
    m.store = opened("spool");
    open_ledger(&m, 4);
    for (int n = 0; n < 8; n++) publish(&m, 1, n, 1);   /* waits until the oldest are in the store only */
    store_detach_reader(m.store);
    int barred = deliver(&m, 0);
    publish(&m, 1, 8, 1);   /* another block in memory is no reason either */
    int still_barred = deliver(&m, 0);
    store_admit_reader(m.store);
    for (int n = 0; n < 9; n++) assert_int_equal(deliver(&m, 0), n);
    miniature_close(&m);
    store_close(m.store);
    assert_int_equal(barred, -1);
    assert_int_equal(still_barred, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_settled_only_after_every_required_sink_has_it),
        cmocka_unit_test(a_sink_that_is_not_required_is_not_waited_for),
        cmocka_unit_test(a_source_hears_of_its_batches_in_order),
        cmocka_unit_test(batches_that_workers_finish_out_of_order_are_offered_in_order),
        cmocka_unit_test(a_batch_without_records_is_settled_in_its_turn),
        cmocka_unit_test(a_sink_is_offered_only_what_is_for_it),
        cmocka_unit_test(what_a_sink_gives_back_is_offered_again),
        cmocka_unit_test(what_is_not_settled_at_the_end_is_abandoned),
        cmocka_unit_test(what_is_delivered_is_not_lost_though_it_is_not_settled),
        cmocka_unit_test(a_source_that_is_told_holds_nobody_up_at_the_ledger),
        cmocka_unit_test(positions_that_went_with_a_block_are_not_written_again),
        cmocka_unit_test_setup_teardown(what_can_still_be_stored_at_the_end_is_not_lost, in_memory, leave_folder),
        cmocka_unit_test(positions_that_make_a_stream_known_do_not_wait_for_company),
        cmocka_unit_test(of_each_of_very_many_streams_the_last_position_waits_to_be_committed),
        cmocka_unit_test_setup_teardown(nobody_is_behind_by_blocks_that_cannot_be_read_any_more, in_memory, leave_folder),
        cmocka_unit_test_setup_teardown(a_spool_that_has_no_room_for_all_blocks_takes_as_many_as_it_has_room_for, in_memory, leave_folder),
        cmocka_unit_test_setup_teardown(what_a_sink_has_in_hand_is_delivered_and_not_missed_as_well, in_memory, leave_folder),
        cmocka_unit_test_setup_teardown(what_is_stored_of_a_source_that_is_read_again_has_no_gap, in_memory, leave_folder),
        cmocka_unit_test(a_worker_waits_for_a_block_until_a_sink_has_one),
        cmocka_unit_test(a_sink_that_is_not_required_misses_what_there_is_no_room_for),
        cmocka_unit_test(nobody_waits_for_a_block_after_an_abort),
        cmocka_unit_test_setup_teardown(a_spool_that_cannot_be_read_for_a_while_is_not_passed_over, in_memory, leave_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
