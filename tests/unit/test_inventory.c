/* The leak inventory and what it is made of: bounded lists, the timeline, times. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "inventory.h"
#include "base/timestamp.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR_MS INT64_C(3600000)
#define MARCH_MS INT64_C(1772323200000)   /* 2026-03-01T00:00:00Z */

/* --- Times ------------------------------------------------------------------------------------------------------------ */

static void times_of_all_forms_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t     ms;
    } table[] = {
        {"2026-03-01T00:00:00Z", MARCH_MS},
        {"2026-03-01T00:00:00.1234567Z", MARCH_MS + 123},
        {"2026-03-01 00:00:00", MARCH_MS},
        {"2026-03-01T00:00Z", MARCH_MS},
        {"2026-03-01T01:30:00+01:30", MARCH_MS},
        {"2026-02-28T19:00:00-0500", MARCH_MS},
        {"2024-02-29T12:00:00Z", INT64_C(1709208000000)},
        {"1772323200", MARCH_MS},
        {"1772323200123", MARCH_MS + 123},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t ms = 0;
        assert_true(timestamp_parse(slice_from(table[i].text), &ms));
        assert_int_equal(ms, table[i].ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const table[] = {
        "", "2026", "2026-03-01", "2026-13-01T00:00:00Z", "2026-03-00T00:00:00Z", "2026-03-01T00:61:00Z", "2026-03-01T00:00:00Zx",
        "2026-03-01T00:00:00+9900", "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "17723232001", "177232320x",
        "hunter2-hunter2", "2026-03-01T00:00:00.1 secret",
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t ms;
        assert_false(timestamp_parse(slice_from(table[i]), &ms));
    }
}

static void times_are_written_in_utc(void **state)
{
    char text[TIMESTAMP_TEXT];
    (void)state;
    assert_string_equal(timestamp_text(MARCH_MS + 45296789, text), "2026-03-01T12:34:56.789Z");
}

/* --- Timeline --------------------------------------------------------------------------------------------------------- */

static void assert_same_timeline(const struct timeline *a, const struct timeline *b)
{
    assert_int_equal(a->width_s, b->width_s);
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->counts, b->counts, a->count * a->classes * sizeof *a->counts);
}

static void a_short_run_is_told_by_the_minute(void **state)
{
    struct timeline t;
    (void)state;
    assert_true(timeline_init(&t, 2));
    timeline_add(&t, MARCH_MS + 59999, 0, 1);
    timeline_add(&t, MARCH_MS + 60000, 1, 5);
    assert_int_equal(t.width_s, 60);
    assert_int_equal(t.count, 2);
    assert_int_equal(timeline_count(&t, 0, 0), 1);
    assert_int_equal(timeline_count(&t, 1, 1), 5);
    assert_int_equal(timeline_begin_ms(&t, 1), MARCH_MS + 60000);
    timeline_release(&t);
}

static void buckets_widen_when_there_are_more_than_fit(void **state)
{
    struct timeline t;
    uint64_t        sum = 0;
    (void)state;
    assert_true(timeline_init(&t, 1));
    for (int i = 0; i < 200; i++) timeline_add(&t, MARCH_MS + i * HOUR_MS, 0, 1);
    assert_int_equal(t.width_s, 3600);
    assert_int_equal(t.count, 200);
    timeline_add(&t, MARCH_MS + 200 * HOUR_MS, 0, 1);
    assert_int_equal(t.width_s, 7200);
    for (size_t i = 0; i < t.count; i++) sum += timeline_count(&t, i, 0);
    assert_int_equal(sum, 201);
    timeline_release(&t);
}

static void a_century_finds_room(void **state)
{
    struct timeline t;
    (void)state;
    assert_true(timeline_init(&t, 1));
    timeline_add(&t, INT64_C(4102444799000), 0, 1);
    timeline_add(&t, INT64_C(946684800000), 0, 1);
    assert_true(t.count <= TIMELINE_BUCKETS);
    assert_int_equal(timeline_count(&t, 0, 0) + timeline_count(&t, t.count - 1, 0), 2);
    timeline_release(&t);
}

static void compare_orders(int64_t step_s)
{
    struct timeline whole, backward, parts[3], merged;
    assert_true(timeline_init(&whole, 1) && timeline_init(&backward, 1) && timeline_init(&merged, 1));
    for (int i = 0; i < 3; i++) assert_true(timeline_init(&parts[i], 1));
    for (int i = 0; i < 1000; i++) {
        const int64_t begin = INT64_C(946684800000);
        timeline_add(&whole, begin + i * step_s * 1000, 0, 1);
        timeline_add(&parts[i * 7 % 3], begin + i * step_s * 1000, 0, 1);
        timeline_add(&backward, begin + (999 - i) * step_s * 1000, 0, 1);
    }
    for (int i = 2; i >= 0; i--) timeline_merge(&merged, &parts[i]);
    assert_same_timeline(&whole, &backward);
    assert_same_timeline(&whole, &merged);
    for (int i = 0; i < 3; i++) timeline_release(&parts[i]);
    timeline_release(&whole);
    timeline_release(&backward);
    timeline_release(&merged);
}

static void timelines_are_the_same_in_any_order_and_parts(void **state)
{
    (void)state;
    for (int64_t step_s = 7; step_s < INT64_C(3000000); step_s = 2 * step_s + 1) compare_orders(step_s);
}

/* --- Bounded lists ---------------------------------------------------------------------------------------------------- */

struct word {
    struct shortlisted item;
    char               text[16];
};

static void drop_word(void *dropped, struct shortlisted *item)
{
    ++*(size_t *)dropped;
    free(item);
}

static void add_word(struct shortlist *s, int number)
{
    struct word *w = calloc(1, sizeof *w);
    assert_non_null(w);
    snprintf(w->text, sizeof w->text, "word%d", number);
    w->item.key = slice_from(w->text);
    w->item.rank = shortlist_rank(w->item.key);
    if (!shortlist_welcomes(s, w->item.rank) || shortlist_find(s, w->item.rank, w->item.key) != NULL)
        free(w);
    else
        assert_true(shortlist_add(s, &w->item));
}

static void a_list_finds_what_was_added(void **state)
{
    struct shortlist s;
    size_t           dropped = 0;
    (void)state;
    assert_true(shortlist_init(&s, 1000, drop_word, &dropped));
    for (int i = 0; i < 500; i++) add_word(&s, i);
    for (int i = 0; i < 500; i++) add_word(&s, i);
    assert_int_equal(s.count, 500);
    assert_non_null(shortlist_find(&s, shortlist_rank(SLICE("word499")), SLICE("word499")));
    assert_null(shortlist_find(&s, shortlist_rank(SLICE("word500")), SLICE("word500")));
    shortlist_release(&s);
    assert_int_equal(dropped, 500);
}

static void a_list_never_holds_twice_its_bound(void **state)
{
    struct shortlist s;
    size_t           dropped = 0;
    (void)state;
    assert_true(shortlist_init(&s, 100, drop_word, &dropped));
    for (int i = 0; i < 5000; i++) {
        add_word(&s, i);
        assert_true(s.count <= 200);
    }
    shortlist_prune(&s);
    assert_int_equal(s.count, 100);
    shortlist_release(&s);
}

static void a_full_list_keeps_the_same_in_any_order(void **state)
{
    struct shortlist forward, backward;
    size_t           dropped = 0;
    (void)state;
    assert_true(shortlist_init(&forward, 50, drop_word, &dropped) && shortlist_init(&backward, 50, drop_word, &dropped));
    for (int i = 0; i < 3000; i++) {
        add_word(&forward, i);
        add_word(&backward, 2999 - i);
    }
    shortlist_prune(&forward);
    shortlist_prune(&backward);
    for (size_t i = 0; i < 50; i++)
        assert_non_null(shortlist_find(&backward, forward.items[i]->rank, forward.items[i]->key));
    shortlist_release(&forward);
    shortlist_release(&backward);
}

/* --- Inventory -------------------------------------------------------------------------------------------------------- */

struct world {
    struct keyring *keys;
    struct plan    *plan;
    uint32_t        secret, other_secret, run, echo;   /* numbers of rules */
};

static uint32_t rule_number(const struct plan *plan, const char *id)
{
    for (size_t i = 0; i < plan_rule_count(plan); i++)
        if (strcmp(plan_rule(plan, i).id, id) == 0) return (uint32_t)i;
    fail_msg("no rule %s", id);
    return 0;
}

static int open_world(void **state)
{
    static struct world w;
    struct error        err = {0};
    w.keys = keyring_ephemeral(&err);
    w.plan = plan_new("standard", w.keys, &err);
    if (w.plan == NULL) return -1;
    w.secret = rule_number(w.plan, "sensitive-name");
    w.other_secret = rule_number(w.plan, "jwt");
    w.run = rule_number(w.plan, "run-name");
    w.echo = rule_number(w.plan, "echo");
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    plan_free(w->plan);
    keyring_free(w->keys);
    return 0;
}

static struct detail detail_of(uint32_t rule, const char *path, const char *fingerprint)
{
    struct detail d = {.rule = rule, .path = slice_from(path), .becomes = SLICE("[redacted:x]")};
    memset(d.fingerprint, 'a', sizeof d.fingerprint);
    memcpy(d.fingerprint, fingerprint, strlen(fingerprint));
    return d;
}

/* One record with these findings, as the batch of that number. */
static void add_record(struct inventory *inv, uint64_t sequence, const struct detail *details, size_t count)
{
    struct span         spans[16] = {0};
    struct clean_record record = {.piece = PIECE_GLUE, .spans = spans, .span_count = count, .details = details, .line = sequence};
    struct clean_batch  batch = {.records = &record, .count = 1, .sequence = sequence};
    inventory_add(inv, &batch, 0);
}

static void add_one(struct inventory *inv, uint64_t sequence, uint32_t rule, const char *path, const char *fingerprint)
{
    struct detail d = detail_of(rule, path, fingerprint);
    add_record(inv, sequence, &d, 1);
}

static struct inventory *new_inventory(const struct world *w)
{
    struct inventory *inv = inventory_new(w->plan);
    assert_non_null(inv);
    return inv;
}

static void a_secret_met_again_is_one_entry(void **state)
{
    struct inventory *inv = new_inventory(*state);
    const uint32_t    rule = ((struct world *)*state)->secret;
    add_one(inv, 7, rule, "b.key", "one");
    add_one(inv, 3, rule, "a[12].key", "one");
    add_one(inv, 9, rule, "a[4].key", "one");
    inventory_finish(inv);
    const struct leak *l = inventory_leak(inv, 0);
    assert_int_equal(inv->leaks.count, 1);
    assert_int_equal(l->found, 3);
    assert_int_equal(l->records, 3);
    assert_int_equal(l->first.line, 3);
    assert_int_equal(l->last.line, 9);
    assert_string_equal(l->first_path, "a[12].key");
    assert_int_equal(l->path_count, 2);
    assert_string_equal(l->paths[0].text, "a[].key");
    assert_string_equal(l->paths[1].text, "b.key");
    inventory_free(inv);
}

static void two_rules_for_one_secret_are_two_entries_and_one_secret(void **state)
{
    const struct world *w = *state;
    struct inventory   *inv = new_inventory(w);
    add_one(inv, 1, w->secret, "a", "one");
    add_one(inv, 2, w->other_secret, "a", "one");
    inventory_finish(inv);
    assert_int_equal(inv->leaks.count, 2);
    assert_int_equal(inv->secrets, 1);
    inventory_free(inv);
}

static void run_names_are_counted_but_no_leaks(void **state)
{
    const struct world *w = *state;
    struct inventory   *inv = new_inventory(w);
    add_one(inv, 1, w->run, "runId", "one");
    inventory_finish(inv);
    assert_int_equal(inv->leaks.count, 0);
    assert_int_equal(inv->by_kind[KIND_UNKNOWN * plan_rule_count(w->plan) + w->run], 1);
    assert_int_equal(inventory_field(inv, 0)->count, 1);
    inventory_free(inv);
}

static void an_echo_counts_for_the_secret_of_its_record(void **state)
{
    const struct world *w = *state;
    struct inventory   *inv = new_inventory(w);
    const struct detail details[] = {detail_of(w->echo, "message", "one"), detail_of(w->secret, "password", "one"),
                                     detail_of(w->echo, "runMessage", "two"), detail_of(w->run, "runId", "two")};
    add_record(inv, 1, details, 4);
    add_one(inv, 2, w->echo, "message", "one");   /* of another record: not known what it echoes */
    inventory_finish(inv);
    assert_int_equal(inv->leaks.count, 1);
    assert_int_equal(inventory_leak(inv, 0)->found, 1);
    assert_int_equal(inventory_leak(inv, 0)->echoes, 1);
    assert_int_equal(inventory_leak(inv, 0)->records, 1);
    inventory_free(inv);
}

static void only_the_first_paths_are_kept_and_the_others_counted(void **state)
{
    const struct world *w = *state;
    struct inventory   *inv = new_inventory(w);
    for (int i = 99; i >= 0; i--) {
        char path[16];
        snprintf(path, sizeof path, "p%d", i % 20);
        add_one(inv, (uint64_t)i, w->secret, path, "one");
    }
    inventory_finish(inv);
    const struct leak *l = inventory_leak(inv, 0);
    assert_int_equal(l->path_count, LEAK_PATHS);
    assert_string_equal(l->paths[0].text, "p0");
    assert_string_equal(l->paths[4].text, "p4");
    assert_int_equal(l->paths_counted, 20);
    inventory_free(inv);
}

static void add_numbered(struct inventory *inv, uint32_t rule, int i)
{
    char fingerprint[17], path[16];
    snprintf(fingerprint, sizeof fingerprint, "%d", i % 15013);
    snprintf(path, sizeof path, "p%d", i * 31 % 97);
    add_one(inv, (uint64_t)i, rule, path, fingerprint);
}

static void assert_same_leak(const struct leak *a, const struct leak *b)
{
    assert_memory_equal(a->key, b->key, sizeof a->key);
    assert_int_equal(a->found, b->found);
    assert_int_equal(a->records, b->records);
    assert_int_equal(a->first.sequence, b->first.sequence);
    assert_int_equal(a->last.sequence, b->last.sequence);
    assert_string_equal(a->first_path, b->first_path);
    assert_int_equal(a->paths_counted, b->paths_counted);
    assert_int_equal(a->path_count, b->path_count);
    for (size_t i = 0; i < a->path_count; i++) assert_string_equal(a->paths[i].text, b->paths[i].text);
}

static void an_inventory_is_bounded_and_the_same_in_any_order_and_parts(void **state)
{
    const struct world *w = *state;
    const int           findings = 60000;
    struct inventory   *whole = new_inventory(w), *merged = new_inventory(w), *parts[3];
    uint64_t            sum = 0;
    for (int i = 0; i < 3; i++) parts[i] = new_inventory(w);
    for (int i = 0; i < findings; i++) {
        add_numbered(whole, w->secret, i);
        add_numbered(parts[(findings - 1 - i) * 7 % 3], w->secret, findings - 1 - i);
    }
    for (int i = 2; i >= 0; i--) inventory_merge(merged, parts[i]);
    inventory_finish(whole);
    inventory_finish(merged);
    assert_int_equal(whole->leaks.count, INVENTORY_LEAKS);
    assert_int_equal(merged->leaks.count, INVENTORY_LEAKS);
    for (size_t i = 0; i < INVENTORY_LEAKS; i++) {
        assert_same_leak(inventory_leak(whole, i), inventory_leak(merged, i));
        sum += inventory_leak(whole, i)->found;
    }
    assert_int_equal(sum + whole->further_leaks, findings);
    assert_int_equal(merged->further_leaks, whole->further_leaks);
    for (int i = 0; i < 3; i++) inventory_free(parts[i]);
    inventory_free(whole);
    inventory_free(merged);
}

static void a_name_of_any_length_is_a_field_of_bounded_length(void **state)
{
    const struct world *w = *state;
    struct inventory   *inv = new_inventory(w);
    char                path[1000];
    memset(path, 'k', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    add_one(inv, 1, w->secret, path, "one");
    inventory_finish(inv);
    assert_true(inventory_field(inv, 0)->item.key.len <= 256);
    inventory_free(inv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_all_forms_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_are_written_in_utc),
        cmocka_unit_test(a_short_run_is_told_by_the_minute),
        cmocka_unit_test(buckets_widen_when_there_are_more_than_fit),
        cmocka_unit_test(a_century_finds_room),
        cmocka_unit_test(timelines_are_the_same_in_any_order_and_parts),
        cmocka_unit_test(a_list_finds_what_was_added),
        cmocka_unit_test(a_list_never_holds_twice_its_bound),
        cmocka_unit_test(a_full_list_keeps_the_same_in_any_order),
        cmocka_unit_test(a_secret_met_again_is_one_entry),
        cmocka_unit_test(two_rules_for_one_secret_are_two_entries_and_one_secret),
        cmocka_unit_test(run_names_are_counted_but_no_leaks),
        cmocka_unit_test(an_echo_counts_for_the_secret_of_its_record),
        cmocka_unit_test(only_the_first_paths_are_kept_and_the_others_counted),
        cmocka_unit_test(an_inventory_is_bounded_and_the_same_in_any_order_and_parts),
        cmocka_unit_test(a_name_of_any_length_is_a_field_of_bounded_length),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
