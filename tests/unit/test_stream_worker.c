/* What a worker of a streaming run decides and tells: who gets which record, what is counted, kept sealed and said to the source. */
#include "working.h"

#include "set_clock.h"

#include <errno.h>
#include <fcntl.h>

#define GITHUB "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"

static char told[8192];   /* log lines of the last run */

/* As working_run(), with the log read. */
static void run_told(struct working *w)
{
    int kept = dup(STDERR_FILENO), file = open("log", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
    working_run(w);
    ssize_t len = pread(file, told, sizeof told - 1, 0);
    assert_true(dup2(kept, STDERR_FILENO) >= 0 && len >= 0);
    told[len] = '\0';
    close(kept);
    close(file);
}

static void send_text(struct working *w, const char *text) { working_send(w, &text, 1); }

static uint64_t count_of_rule(const struct working *w, const char *id)
{
    for (size_t i = 0; i < w->stream.rule_count; i++)
        if (strcmp(w->stream.rules[i].id, id) == 0) return atomic_load(&w->stream.rules[i].count);
    return UINT64_MAX;
}

static void assert_counted(const struct working *w, uint64_t clean, uint64_t redacted, uint64_t withheld)
{
    const struct source_counters *c = &w->source.counters;
    assert_int_equal(atomic_load(&c->clean), clean);
    assert_int_equal(atomic_load(&c->redacted), redacted);
    assert_int_equal(atomic_load(&c->withheld), withheld);
    assert_int_equal(atomic_load(&c->records), clean + redacted + withheld);
}

/* A policy that lets GitHub tokens pass. It has the same name as that of the run, so the gate judges by the stricter of the two: as
 * if redaction had missed one. */
static const char *blind_policy(void)
{
    static const char policy[] = "extends: standard\nrules: {disable: [github-token]}\nplain-names: [note]\n";
    if (mkdir("blind", 0700) != 0) assert_int_equal(errno, EEXIST);
    write_file("blind/standard", policy, strlen(policy), 0600);
    return "blind/standard";
}

/* --- Three ways for a record to end --------------------------------------------------------------------------------------- */

static void clean_and_redacted_records_go_on_and_withheld_ones_do_not(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){0});
    send_text(&w, "{\"a\":1}\n{\"password\":\"hunter2\"}\n{\"b\":\n");
    run_told(&w);
    assert_string_equal(working_out(&w), "{\"a\":1}\n{\"password\":\"[redacted:sensitive-name]\"}\n");
    assert_counted(&w, 1, 1, 1);
    assert_int_equal(atomic_load(&w.stream.withheld[REFUSAL_TRUNCATED]), 1);
    assert_int_equal(atomic_load(&w.stream.kinds[KIND_UNKNOWN]), 2);
    assert_int_equal(count_of_rule(&w, "sensitive-name"), 1);
    assert_non_null(strstr(told, "warning console: a.log:3: record withheld: ends inside a string, an object or an array (byte 36)\n"));
    assert_int_equal(heard.settled, 1);
    assert_int_equal(heard.abandoned, 0);
    assert_int_equal(heard.origin_count, 0);   /* it did not ask */
    working_close(&w);
}

static void each_batch_counts_only_what_is_new(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){0});
    send_text(&w, "{\"password\":\"hunter2\"}\n{\"b\":\n");
    send_text(&w, "");
    send_text(&w, "{\"password\":\"hunter2\"}\n{\"a\":1}\n");
    run_told(&w);
    assert_counted(&w, 1, 2, 1);
    assert_int_equal(count_of_rule(&w, "sensitive-name"), 2);
    working_out(&w);
    assert_int_equal(heard.settled, 3);
    working_close(&w);
}

/* --- The second gate -------------------------------------------------------------------------------------------------------- */

static const char missed[] = "{\"a\":1}\n{\"note\":\"" GITHUB "\"}\n{\"note\":\"" GITHUB "\",\"password\":\"hunter2\"}\n{\n\"b\":\n2\n}\n";

static void what_the_gate_finds_is_withheld_and_no_longer_counts_as_clean_or_redacted(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){.network = true, .source_policy = blind_policy()});
    send_text(&w, missed);
    run_told(&w);
    assert_string_equal(working_out(&w), "{\"a\":1}\n{\"b\":2}\n");
    assert_counted(&w, 2, 0, 2);
    assert_int_equal(atomic_load(&w.stream.withheld[REFUSAL_GATE]), 2);
    assert_non_null(strstr(told, "error   console: a.log:2: record withheld: still holds what is a secret by its shape (second gate)\n"));
    assert_non_null(strstr(told, "a.log:3: record withheld: still holds"));
    assert_null(strstr(told, "ghp_"));
    working_close(&w);
}

/* Whether the gate lets a token pass that redaction kept, for a source with a policy of its own in a run with another. */
static bool gate_passes(const char *run_policy, const char *source_policy)
{
    struct working w;
    working_open(&w, (struct working_options){.network = true, .policy = run_policy, .source_policy = source_policy});
    send_text(&w, "{\"note\":\"" GITHUB "\"}\n");
    run_told(&w);
    bool passed = strstr(working_out(&w), GITHUB) != NULL;
    assert_counted(&w, passed, 0, !passed);
    working_close(&w);
    return passed;
}

/* `kept.yaml` keeps secrets and looks for them all: as if redaction missed them. */
static void each_record_passes_the_gate_by_its_own_policy(void **state)
{
    static const char kept[] = "extends: standard\nclasses: {secret: keep}\n", lax[] = "extends: standard\nrules: {disable: [github-token]}\n";
    static const char allowed[] = "extends: standard\nallow: [" GITHUB "]\n";
    (void)state;
    write_file("kept.yaml", kept, sizeof kept - 1, 0600);
    write_file("lax.yaml", lax, sizeof lax - 1, 0600);
    write_file("allowed.yaml", allowed, sizeof allowed - 1, 0600);
    assert_false(gate_passes("lax.yaml", "kept.yaml"));
    assert_true(gate_passes("kept.yaml", "lax.yaml"));
    assert_true(gate_passes("kept.yaml", "allowed.yaml"));
}

static void bytes_that_stay_on_the_machine_are_not_gated(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){.source_policy = blind_policy()});
    send_text(&w, missed);
    working_run(&w);
    assert_counted(&w, 3, 1, 0);
    working_close(&w);
}

static void the_gate_can_be_left_open(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){.network = true, .gate_off = true, .source_policy = blind_policy()});
    send_text(&w, missed);
    working_run(&w);
    assert_counted(&w, 3, 1, 0);
    working_close(&w);
}

/* --- What a sender is told ----------------------------------------------------------------------------------------------- */

static void assert_verdict(size_t number, uint32_t origin, uint32_t index, enum refusal refusal)
{
    assert_int_equal(heard.verdicts[number].origin, origin);
    assert_int_equal(heard.verdicts[number].index, index);
    assert_int_equal(heard.verdicts[number].refusal, refusal);
}

static void a_sender_hears_of_each_record_by_origin_and_index(void **state)
{
    static const char *const texts[] = {"{\"a\":1}\n{\"b\":\n{\"note\":\"" GITHUB "\"}\n{\"c\":\n", "", "{\"d\":1}\n", "[{\"note\":\"" GITHUB "\"},{\"e\":1}]\n{\"f\":\n"};
    struct working           w;
    (void)state;
    working_open(&w, (struct working_options){.network = true, .wants_verdicts = true, .source_policy = blind_policy()});
    working_send(&w, texts, 4);
    run_told(&w);
    assert_string_equal(working_out(&w), "{\"a\":1}\n{\"d\":1}\n{\"e\":1}\n");
    assert_int_equal(heard.origin_count, 4);
    static const uint32_t counts[] = {4, 0, 1, 3};
    assert_memory_equal(heard.record_counts, counts, sizeof counts);
    assert_int_equal(heard.verdict_count, 5);
    assert_verdict(0, 0, 1, REFUSAL_TRUNCATED);
    assert_verdict(1, 0, 2, REFUSAL_GATE);
    assert_verdict(2, 0, 3, REFUSAL_TRUNCATED);
    assert_verdict(3, 3, 0, REFUSAL_GATE);
    assert_verdict(4, 3, 2, REFUSAL_TRUNCATED);
    assert_counted(&w, 3, 0, 5);
    working_close(&w);
}

/* More of them than there is room for at first. */
static void every_one_of_many_verdicts_is_told_in_order(void **state)
{
    struct working w;
    char           text[WORKING_RECORD] = "";
    (void)state;
    for (int i = 0; i < 16; i++) strcat(text, i % 2 ? "{\"note\":\"" GITHUB "\"}\n" : "{\"b\":\n");
    working_open(&w, (struct working_options){.network = true, .wants_verdicts = true, .source_policy = blind_policy()});
    send_text(&w, text);
    run_told(&w);
    assert_string_equal(working_out(&w), "");
    assert_int_equal(heard.verdict_count, 16);
    for (uint32_t i = 0; i < 16; i++) assert_verdict(i, 0, i, i % 2 ? REFUSAL_GATE : REFUSAL_TRUNCATED);
    working_close(&w);
}

static void a_sender_of_clean_records_hears_of_no_verdict(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){.wants_verdicts = true});
    send_text(&w, "{\"a\":1}\n{\"b\":2}\n");
    working_run(&w);
    working_out(&w);
    assert_int_equal(heard.verdict_count, 0);
    assert_int_equal(heard.origin_count, 1);
    assert_int_equal(heard.record_counts[0], 2);
    working_close(&w);
}

/* --- Kept sealed ------------------------------------------------------------------------------------------------------------ */

static void make_seal_key(void)
{
    struct error err = {0};
    assert_true(access("seal.pem", F_OK) == 0 || seal_key_generate("seal.pem", &err));
}

/* The raw bytes of each line of the file of sealed records, each as a line. */
static const char *unsealed(const char *path)
{
    static char      out[8192];
    char             line[8192];
    size_t           len = 0;
    struct error     err = {0};
    struct unsealer *u = unsealer_new("seal.pem", &err);
    FILE            *f = fopen(path, "r");
    assert_true(u != NULL && f != NULL);
    while (fgets(line, sizeof line - 64, f) != NULL) {
        struct unsealed  record;
        enum unsealing   how = unseal_line(u, slice_of(line, strlen(line) - 1), &record);
        struct slice     raw = how == UNSEALED ? record.raw : slice_from(unsealing_text(how));
        len += (size_t)snprintf(out + len, sizeof out - len, "%.*s\n", (int)raw.len, raw.data);
    }
    out[len] = '\0';
    fclose(f);
    unsealer_free(u);
    return out;
}

static void withheld_records_are_kept_sealed_whoever_withheld_them(void **state)
{
    struct working w;
    (void)state;
    make_seal_key();
    unlink("sealed");
    working_open(&w, (struct working_options){.network = true, .source_policy = blind_policy(), .sealed = "sealed", .seal_key = "seal.pem.pub"});
    send_text(&w, "{\"a\":1}\n{\"b\":\n{\"note\":\"" GITHUB "\"}\n");
    send_text(&w, "{\"note\":\"x " GITHUB "\"}\n");
    run_told(&w);
    assert_int_equal(atomic_load(&w.stream.sealed.kept), 3);
    assert_int_equal(atomic_load(&w.stream.sealed.not_kept), 0);
    assert_string_equal(unsealed("sealed"), "{\"b\":\n{\"note\":\"" GITHUB "\"}\n{\"note\":\"x " GITHUB "\"}\n");
    working_close(&w);
}

/* As the lines of the file write it. */
static void write_second(char text[32])
{
    time_t    now = time(NULL);
    struct tm utc;
    assert_true(gmtime_r(&now, &utc) != NULL && strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc) > 0);
}

static void a_sealed_record_says_when_it_was_withheld(void **state)
{
    struct working w;
    char           line[4096], before[32], after[32];
    (void)state;
    make_seal_key();
    unlink("sealed");
    working_open(&w, (struct working_options){.sealed = "sealed", .seal_key = "seal.pem.pub"});
    send_text(&w, "{\"b\":\n");
    write_second(before);
    run_told(&w);
    write_second(after);
    working_close(&w);
    FILE *f = fopen("sealed", "r");
    assert_true(f != NULL && fgets(line, sizeof line, f) != NULL);
    fclose(f);
    const char *said = strstr(line, "\"time\":\"");
    assert_non_null(said);
    said += strlen("\"time\":\"");
    assert_true(strncmp(before, said, strlen(before)) <= 0 && strncmp(said, after, strlen(after)) <= 0);
}

static void where_nothing_is_withheld_no_file_is_made(void **state)
{
    struct working w;
    (void)state;
    make_seal_key();
    unlink("sealed");
    working_open(&w, (struct working_options){.sealed = "sealed", .seal_key = "seal.pem.pub"});
    send_text(&w, "{\"a\":1}\n");
    working_run(&w);
    assert_int_not_equal(access("sealed", F_OK), 0);
    assert_int_equal(atomic_load(&w.stream.sealed.kept), 0);
    working_close(&w);
}

static void what_cannot_be_kept_is_told_once_counted_and_goes_nowhere(void **state)
{
    struct working w;
    (void)state;
    make_seal_key();
    working_open(&w, (struct working_options){.sealed = "missing/sealed", .seal_key = "seal.pem.pub"});
    send_text(&w, "{\"b\":}\n{\"c\":}\n");
    send_text(&w, "{\"d\":}\n");
    run_told(&w);
    assert_string_equal(working_out(&w), "");
    assert_counted(&w, 0, 0, 3);
    assert_int_equal(atomic_load(&w.stream.sealed.not_kept), 3);
    const char *first = strstr(told, "cannot keep withheld records in 'missing/sealed'");
    assert_non_null(first);
    assert_null(strstr(first + 1, "cannot keep withheld records"));
    assert_int_equal(heard.settled, 2);
    working_close(&w);
}

/* --- Told in the log --------------------------------------------------------------------------------------------------------- */

static void many_withheld_records_are_told_in_few_lines(void **state)
{
    struct working w;
    (void)state;
    set_clock_start();
    working_open(&w, (struct working_options){0});
    send_text(&w, "{\"b\":}\n{\"c\":}\n{\"d\":}\n");
    run_told(&w);
    assert_non_null(strstr(told, "a.log:1: record withheld: begins as json but is not valid json (byte 5)\n"));
    assert_null(strstr(told, "a.log:2:"));

    set_clock_pass(1000);   /* the worker's life goes on */
    struct cargo *c = &w.cargoes[1];
    working_add(&w, c, "{\"e\":1}\n{\"f\":}\n");
    c->number = 1;
    c->receipt = calloc(1, sizeof *c->receipt);
    w.stream.work.closed = false;
    w.sent++;
    atomic_fetch_add(&w.stream.under_way, 1);
    queue_push(&w.stream.work, c);
    run_told(&w);
    assert_non_null(strstr(told, "a.log:2: record withheld: begins as json but is not valid json (byte 13) (2 more since the last line)\n"));
    clock_set(NULL, NULL);
    working_close(&w);
}

/* A record that is too long has its fault where it begins. */
static void a_fault_without_a_place_is_told_at_the_record(void **state)
{
    struct working w;
    char           text[WORKING_RECORD + 64];
    (void)state;
    working_open(&w, (struct working_options){0});
    memset(text, 'x', sizeof text);
    memcpy(text, "{}\n{\"a\":\"", 9);
    memcpy(text + sizeof text - 4, "\"}\n", 4);
    send_text(&w, text);
    run_told(&w);
    assert_non_null(strstr(told, "a.log:2: record withheld: is longer than the limit (byte 3)\n"));
    assert_counted(&w, 1, 0, 1);
    working_close(&w);
}

/* --- New policies, and the end ------------------------------------------------------------------------------------------------ */

static void new_policies_count_from_the_next_batch_on(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){0});
    send_text(&w, "{\"identity\":{\"claims\":{\"name\":\"Ada Berg\"}}}\n");
    working_run(&w);
    assert_string_equal(working_out(&w), "{\"identity\":{\"claims\":{\"name\":\"Ada Berg\"}}}\n");

    w.config.run.policy = "hbi";
    policies_release(w.stream.policies);
    w.stream.policies = working_policies(&w);
    w.stream.policies->generation = 1;
    atomic_store(&w.stream.generation, 1);
    w.stream.work.closed = false;
    send_text(&w, "{\"identity\":{\"claims\":{\"name\":\"Ada Berg\"}}}\n");
    working_run(&w);
    const char *out = working_out(&w);
    assert_null(strstr(out, "Ada"));
    assert_non_null(strstr(out, "{\"identity\":{\"claims\":{\"name\":\"user-"));
    working_close(&w);
}

/* The worker has a redactor already when the policies change under it: it has one life, and batches before and after. */
static void a_worker_at_work_takes_new_policies_up(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){0});
    send_text(&w, "{\"a\":1}\n");
    send_text(&w, "{\"a\":2}\n");
    w.stream.policies->generation = 7;   /* never that of the run: as if there were newer ones at every look */
    working_run(&w);
    assert_string_equal(working_out(&w), "{\"a\":1}\n{\"a\":2}\n");
    assert_counted(&w, 2, 0, 0);
    w.stream.policies->generation = 0;
    working_close(&w);
}

static void a_run_that_is_stopped_for_good_abandons_its_batches(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){0});
    send_text(&w, "{\"a\":1}\n");
    ledger_abort(w.stream.ledger);
    working_run(&w);
    assert_string_equal(working_out(&w), "");
    assert_counted(&w, 0, 0, 0);
    assert_int_equal(heard.abandoned, 1);
    assert_int_equal(heard.settled, 0);
    assert_int_equal(atomic_load(&w.stream.abandoned), 1);
    working_close(&w);
}

/* It is read again: nothing of it is lost. */
static void what_a_source_can_read_again_does_not_count_as_abandoned(void **state)
{
    struct working w;
    (void)state;
    working_open(&w, (struct working_options){0});
    w.type.replayable = true;
    send_text(&w, "{\"a\":1}\n");
    ledger_abort(w.stream.ledger);
    working_run(&w);
    assert_int_equal(heard.abandoned, 1);
    assert_int_equal(atomic_load(&w.stream.abandoned), 0);
    working_close(&w);
}

/* A key to which nothing can be sealed: the worker cannot be made ready, for the second batch neither. */
static void a_worker_that_cannot_be_made_ready_passes_nothing_on(void **state)
{
    struct working w;
    (void)state;
    make_seal_key();
    working_open(&w, (struct working_options){.sealed = "sealed", .seal_key = "seal.pem.pub"});
    memset(w.stream.policies->seal_key.bytes, 0, sizeof w.stream.policies->seal_key.bytes);
    send_text(&w, "{\"a\":1}\n");
    send_text(&w, "{\"b\":1}\n");
    working_run(&w);
    assert_string_equal(working_out(&w), "");
    assert_int_equal(heard.abandoned, 2);
    assert_int_equal(w.stream.failure.code, ERROR_USAGE);
    assert_counted(&w, 0, 0, 0);
    working_close(&w);
}

static int forget(void **state)
{
    working_forget();
    return leave_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_and_redacted_records_go_on_and_withheld_ones_do_not),
        cmocka_unit_test(each_batch_counts_only_what_is_new),
        cmocka_unit_test(what_the_gate_finds_is_withheld_and_no_longer_counts_as_clean_or_redacted),
        cmocka_unit_test(each_record_passes_the_gate_by_its_own_policy),
        cmocka_unit_test(bytes_that_stay_on_the_machine_are_not_gated),
        cmocka_unit_test(the_gate_can_be_left_open),
        cmocka_unit_test(a_sender_hears_of_each_record_by_origin_and_index),
        cmocka_unit_test(every_one_of_many_verdicts_is_told_in_order),
        cmocka_unit_test(a_sender_of_clean_records_hears_of_no_verdict),
        cmocka_unit_test(withheld_records_are_kept_sealed_whoever_withheld_them),
        cmocka_unit_test(a_sealed_record_says_when_it_was_withheld),
        cmocka_unit_test(where_nothing_is_withheld_no_file_is_made),
        cmocka_unit_test(what_cannot_be_kept_is_told_once_counted_and_goes_nowhere),
        cmocka_unit_test(many_withheld_records_are_told_in_few_lines),
        cmocka_unit_test(a_fault_without_a_place_is_told_at_the_record),
        cmocka_unit_test(new_policies_count_from_the_next_batch_on),
        cmocka_unit_test(a_worker_at_work_takes_new_policies_up),
        cmocka_unit_test(a_run_that_is_stopped_for_good_abandons_its_batches),
        cmocka_unit_test(what_a_source_can_read_again_does_not_count_as_abandoned),
        cmocka_unit_test(a_worker_that_cannot_be_made_ready_passes_nothing_on),
    };
    return cmocka_run_group_tests(tests, in_new_folder, forget);
}
