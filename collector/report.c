#include "report.h"

#include "progress.h"
#include "sinks/output.h"

#include <cjson/cJSON.h>
#include <limits.h>

bool run_result_init(struct run_result *r, size_t inputs, const struct plan *plan, struct error *err)
{
    *r = (struct run_result){.inputs = calloc(inputs + 1, sizeof *r->inputs), .count = inputs};
    if (r->inputs != NULL && tally_init(&r->tally, plan)) return true;
    return error_set(err, ERROR_MEMORY, "out of memory");
}

void run_result_release(struct run_result *r)
{
    tally_release(&r->tally);
    free(r->inputs);
    *r = (struct run_result){0};
}

size_t run_result_inputs(const struct run_result *r, enum input_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) count += r->inputs[i].state == state;
    return count;
}

int run_result_exit_code(const struct run_result *r)
{
    if (r->outputs_failed || r->unwanted || run_result_inputs(r, INPUT_FAILED) > 0) return 1;
    return tally_withheld(&r->tally) > 0 ? 3 : 0;
}

/* --- Counters by name ------------------------------------------------------------------------------------------------- */

struct counter {
    const char *name;
    uint64_t    count;
};

struct counters {
    struct counter *items;
    size_t          count;
};

/* Most first; equal ones by name. */
static int by_count(const void *a, const void *b)
{
    const struct counter *left = a, *right = b;
    if (left->count != right->count) return left->count < right->count ? 1 : -1;
    return strcmp(left->name, right->name);
}

/* Room for `most` counters. An empty list when memory is out. */
static struct counters counters_new(size_t most) { return (struct counters){calloc(most + 1, sizeof(struct counter)), 0}; }

static void count_add(struct counters *c, const char *name, uint64_t count)
{
    if (count > 0 && c->items != NULL) c->items[c->count++] = (struct counter){name, count};
}

static struct counters sorted(struct counters c)
{
    if (c.count > 0) qsort(c.items, c.count, sizeof *c.items, by_count);
    return c;
}

static struct counters count_redactions(const struct tally *t, const struct plan *plan)
{
    struct counters c = counters_new(t->rule_count);
    for (size_t i = 0; i < t->rule_count; i++) count_add(&c, plan_rule(plan, i).id, t->redactions[i]);
    return sorted(c);
}

static struct counters count_withheld(const struct tally *t)
{
    struct counters c = counters_new(REFUSAL_COUNT);
    for (size_t i = 0; i < REFUSAL_COUNT; i++) count_add(&c, refusal_text((enum refusal)i), t->withheld[i]);
    return sorted(c);
}

static struct counters count_kinds(const struct tally *t)
{
    struct counters c = counters_new(KIND_COUNT);
    for (size_t i = 0; i < KIND_COUNT; i++) count_add(&c, kind_text((enum kind)i), t->kinds[i]);
    return sorted(c);
}

static struct counters count_repairs(const struct tally *t)
{
    struct counters c = counters_new(REPAIR_COUNT);
    for (size_t i = REPAIR_NONE + 1; i < REPAIR_COUNT; i++) count_add(&c, repair_text((enum repair)i), t->repaired[i]);
    return sorted(c);
}

/* --- For people ------------------------------------------------------------------------------------------------------- */

#define LABEL_CELLS 34
#define NUMBER_CELLS 15

struct printer {
    FILE *out;
    bool  colour;
};

/* 1234567 -> "1,234,567" */
static char *number_text(uint64_t number, char out[32])
{
    char digits[24];
    int  len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), used = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"

static void print_row(const struct printer *p, int indent, const char *colour, const char *label, uint64_t number)
{
    char text[32];
    fprintf(p->out, "%*s%s%-*s%*s%s\n", indent, "", p->colour ? colour : "", LABEL_CELLS - indent, label, NUMBER_CELLS,
            number_text(number, text), p->colour && *colour ? "\033[0m" : "");
}

/* Takes the counters. */
static void print_counters(const struct printer *p, const char *colour, const char *title, struct counters c)
{
    uint64_t total = 0;
    for (size_t i = 0; i < c.count; i++) total += c.items[i].count;
    if (c.count > 0) print_row(p, 0, colour, title, total);
    for (size_t i = 0; i < c.count; i++) print_row(p, 2, "", c.items[i].name, c.items[i].count);
    free(c.items);
}

static void print_state(const struct printer *p, const struct run_result *r, enum input_state state, const char *colour, const char *label)
{
    size_t count = run_result_inputs(r, state);
    if (count > 0) print_row(p, 2, colour, label, count);
}

static void print_bytes(const struct printer *p, const struct run_result *r)
{
    char in[BYTES_TEXT], out[BYTES_TEXT], rate[BYTES_TEXT];
    fprintf(p->out, "%s read, %s written in %.2f s (%s/s)\n", bytes_text((double)r->bytes_in, in), bytes_text((double)r->bytes_out, out),
            r->seconds, bytes_text(r->seconds > 0 ? (double)r->bytes_in / r->seconds : 0, rate));
}

void report_print(FILE *out, const struct run_result *r, const struct run_facts *facts, bool colour)
{
    const struct printer p = {out, colour};
    const struct tally  *t = &r->tally;
    print_row(&p, 0, BOLD, "inputs", r->count);
    print_state(&p, r, INPUT_SKIPPED, DIM, "skipped, done before");
    print_state(&p, r, INPUT_FAILED, RED, "not read to the end");
    print_state(&p, r, INPUT_UNWRITTEN, RED, "output not written");
    print_state(&p, r, INPUT_NOT_READ, RED, "not begun or not completed");
    print_row(&p, 0, BOLD, "records", t->records);
    print_row(&p, 2, "", "clean as they were", t->clean);
    print_row(&p, 2, GREEN, "redacted", t->redacted);
    print_row(&p, 2, tally_withheld(t) > 0 ? RED : "", "withheld", tally_withheld(t));
    print_counters(&p, BOLD GREEN, "redactions by rule", count_redactions(t, facts->plan));
    print_counters(&p, BOLD RED, "withheld by reason", count_withheld(t));
    print_counters(&p, BOLD, "records by kind", count_kinds(t));
    print_counters(&p, BOLD, "repaired", count_repairs(t));
    print_bytes(&p, r);
}

/* --- For machines ----------------------------------------------------------------------------------------------------- */

static const char *const state_texts[] = {
    [INPUT_NOT_READ] = "not-read", [INPUT_DONE] = "done",           [INPUT_SKIPPED] = "skipped",
    [INPUT_FAILED] = "failed",     [INPUT_UNWRITTEN] = "unwritten",
};

static void add_number(cJSON *object, const char *name, uint64_t number) { cJSON_AddNumberToObject(object, name, (double)number); }

static void add_time(cJSON *object, const char *name, struct timespec time)
{
    char      text[32];
    struct tm utc;
    size_t    len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&time.tv_sec, &utc));
    snprintf(text + len, sizeof text - len, ".%03ldZ", time.tv_nsec / 1000000);
    cJSON_AddStringToObject(object, name, text);
}

/* Takes the counters. */
static void add_counters(cJSON *object, const char *name, struct counters c)
{
    cJSON *counters = cJSON_AddObjectToObject(object, name);
    for (size_t i = 0; i < c.count; i++) add_number(counters, c.items[i].name, c.items[i].count);
    free(c.items);
}

static cJSON *input_object(const struct input *input, const struct input_result *result)
{
    char   name[4 * PATH_MAX];
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "path", shown_text(input_name(input), name, sizeof name));
    cJSON_AddStringToObject(object, "state", state_texts[result->state]);
    add_number(object, "bytes", result->bytes);
    add_number(object, "records", result->records);
    add_number(object, "clean", result->clean);
    add_number(object, "redacted", result->redacted);
    add_number(object, "withheld", result->withheld);
    return object;
}

static void add_totals(cJSON *object, const struct run_result *r)
{
    cJSON *totals = cJSON_AddObjectToObject(object, "totals");
    add_number(totals, "inputs", r->count);
    add_number(totals, "inputs_failed", run_result_inputs(r, INPUT_FAILED));
    add_number(totals, "inputs_skipped", run_result_inputs(r, INPUT_SKIPPED));
    add_number(totals, "bytes_in", r->bytes_in);
    add_number(totals, "bytes_out", r->bytes_out);
    add_number(totals, "records", r->tally.records);
    add_number(totals, "clean", r->tally.clean);
    add_number(totals, "redacted", r->tally.redacted);
    add_number(totals, "withheld", tally_withheld(&r->tally));
    add_number(totals, "redactions", tally_redactions(&r->tally));
}

static cJSON *report_object(const struct run_result *r, const struct run_facts *facts)
{
    char   policy[4 * PATH_MAX];
    cJSON *report = cJSON_CreateObject();
    cJSON_AddStringToObject(report, "lethe", LETHE_VERSION);
    cJSON_AddStringToObject(report, "policy", shown_text(facts->policy, policy, sizeof policy));
    cJSON_AddStringToObject(report, "key_id", facts->key_id);
    add_time(report, "started", r->started);
    add_time(report, "finished", r->finished);
    cJSON_AddNumberToObject(report, "seconds", r->seconds);
    cJSON_AddNumberToObject(report, "exit_code", run_result_exit_code(r));
    add_totals(report, r);
    add_counters(report, "redactions_by_rule", count_redactions(&r->tally, facts->plan));
    add_counters(report, "withheld_by_reason", count_withheld(&r->tally));
    add_counters(report, "records_by_kind", count_kinds(&r->tally));
    add_counters(report, "repairs", count_repairs(&r->tally));
    return report;
}

/* Takes the object. `cut` bytes at the end of its text are left out. */
static bool write_object(struct output *o, cJSON *object, bool formatted, size_t cut, struct error *err)
{
    char *text = formatted ? cJSON_Print(object) : cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    if (text == NULL) return error_set(err, ERROR_OUTPUT, "cannot write the report: out of memory");
    bool written = output_write(o, slice_of(text, strlen(text) - cut), err);
    cJSON_free(text);
    return written;
}

/* The inputs are written one by one, since a run may have had a million of them. */
static bool write_report(struct output *o, const struct run_result *r, const struct run_facts *facts, struct error *err)
{
    if (!write_object(o, report_object(r, facts), true, strlen("\n}"), err)) return false;
    if (!output_write(o, SLICE(",\n\t\"inputs\":\t["), err)) return false;
    for (size_t i = 0; i < r->count; i++) {
        if (!output_write(o, i == 0 ? SLICE("\n\t\t") : SLICE(",\n\t\t"), err)) return false;
        if (!write_object(o, input_object(&facts->inputs->items[i], &r->inputs[i]), false, 0, err)) return false;
    }
    return output_write(o, SLICE("\n\t]\n}\n"), err);
}

bool report_write(const char *path, const struct run_result *r, const struct run_facts *facts, struct error *err)
{
    struct output *o = output_open(path, false, err);
    if (o == NULL) return false;
    if (write_report(o, r, facts, err)) return output_finish(o, NULL, err);
    output_abandon(o);
    return false;
}
