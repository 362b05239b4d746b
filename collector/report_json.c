/* The report for machines: one JSON object. */
#include "report_priv.h"
#include "base/timestamp.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdlib.h>

#define FIELDS_TOLD 50

static void add_number(cJSON *object, const char *name, uint64_t number)
{
    cJSON_AddNumberToObject(object, name, (double)number);
}

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
    cJSON_AddStringToObject(object, "state", input_state_text(result->state));
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

/* --- Inventory -------------------------------------------------------------------------------------------------------- */

/* A path as JSON takes it: what is no UTF-8 is shown as \x.. */
static void add_shown(cJSON *object, const char *name, struct slice text)
{
    char shown[4 * 1024];
    cJSON_AddStringToObject(object, name, shown_slice(text, shown, sizeof shown));
}

static void add_milliseconds(cJSON *object, const char *name, int64_t ms)
{
    char text[TIMESTAMP_TEXT];
    if (ms == NO_TIME)
        cJSON_AddNullToObject(object, name);
    else
        cJSON_AddStringToObject(object, name, timestamp_text(ms, text));
}

static void add_sighting(cJSON *object, const char *name, const struct sighting *s, const struct run_facts *facts)
{
    char   file[4 * PATH_MAX];
    cJSON *place = cJSON_AddObjectToObject(object, name);
    cJSON_AddStringToObject(place, "file", shown_text(input_name(&facts->inputs->items[s->input]), file, sizeof file));
    add_number(place, "line", s->line);
}

static void add_leak_paths(cJSON *object, const struct leak *l)
{
    char   shown[4 * 1024];
    cJSON *paths = cJSON_AddArrayToObject(object, "paths");
    for (size_t i = 0; i < l->path_count; i++)
        cJSON_AddItemToArray(paths, cJSON_CreateString(shown_slice(slice_from(l->paths[i].text), shown, sizeof shown)));
    add_number(object, "more_paths", l->paths_counted - l->path_count);
}

static void add_leak(cJSON *leaks, const struct leak *l, const struct run_facts *facts)
{
    char             fingerprint[LEAK_FINGERPRINT + 1];
    struct rule_info rule = plan_rule(facts->plan, l->rule);
    cJSON           *object = cJSON_CreateObject();
    cJSON_AddItemToArray(leaks, object);
    cJSON_AddStringToObject(object, "fingerprint",
                            shown_slice(slice_of(l->key, LEAK_FINGERPRINT), fingerprint, sizeof fingerprint));
    cJSON_AddStringToObject(object, "rule", rule.id);
    cJSON_AddStringToObject(object, "title", rule.title);
    cJSON_AddStringToObject(object, "class", rule.class_);
    add_number(object, "count", l->found + l->echoes);
    add_number(object, "records", l->records);
    add_milliseconds(object, "first_seen", l->first.ms);
    add_milliseconds(object, "last_seen", l->last.ms);
    add_sighting(object, "first", &l->first, facts);
    add_shown(cJSON_GetObjectItem(object, "first"), "path", slice_from(l->first_path != NULL ? l->first_path : ""));
    add_sighting(object, "last", &l->last, facts);
    add_leak_paths(object, l);
    cJSON *kinds = cJSON_AddArrayToObject(object, "kinds");
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (l->kinds >> i & 1) cJSON_AddItemToArray(kinds, cJSON_CreateString(kind_text((enum kind)i)));
}

static void add_kinds(cJSON *report, const struct inventory *inv)
{
    const size_t rules = plan_rule_count(inv->plan);
    cJSON       *kinds = cJSON_AddObjectToObject(report, "redactions_by_kind");
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        struct counters c = counters_new(rules);
        for (size_t i = 0; i < rules; i++) count_add(&c, plan_rule(inv->plan, i).id, inv->by_kind[kind * rules + i]);
        if (c.count > 0)
            add_counters(kinds, kind_text((enum kind)kind), counters_sorted(c));
        else
            free(c.items);
    }
}

static void add_fields(cJSON *report, const struct inventory *inv)
{
    cJSON *fields = cJSON_AddArrayToObject(report, "redactions_by_field");
    for (size_t i = 0; i < inv->fields.count && i < FIELDS_TOLD; i++) {
        cJSON *field = cJSON_CreateObject();
        cJSON_AddItemToArray(fields, field);
        add_shown(field, "field", inventory_field(inv, i)->item.key);
        add_number(field, "count", inventory_field(inv, i)->count);
    }
}

/* By class, in the order of the policy. */
static void add_classes(cJSON *object, const char *name, const uint64_t *counts, const struct inventory *inv)
{
    cJSON *classes = cJSON_AddObjectToObject(object, name);
    for (size_t i = 0; i < inv->timeline.classes; i++)
        if (counts[i] > 0) add_number(classes, inventory_class(inv, i), counts[i]);
}

static void add_timeline(cJSON *report, const struct inventory *inv)
{
    const struct timeline *t = &inv->timeline;
    cJSON *object = cJSON_AddObjectToObject(report, "over_time"), *buckets;
    add_number(object, "bucket_seconds", (uint64_t)t->width_s);
    add_classes(object, "undated", t->undated, inv);
    buckets = cJSON_AddArrayToObject(object, "buckets");
    for (size_t i = 0; i < t->count; i++) {
        cJSON *bucket = cJSON_CreateObject();
        cJSON_AddItemToArray(buckets, bucket);
        add_milliseconds(bucket, "start", timeline_begin_ms(t, i));
        add_classes(bucket, "redactions", &t->counts[i * t->classes], inv);
    }
}

static void add_policy(cJSON *report, const struct plan *plan)
{
    cJSON *classes = cJSON_AddObjectToObject(report, "classes");
    for (size_t i = 0; i < plan_class_count(); i++)
        cJSON_AddStringToObject(classes, plan_class(plan, i).name, plan_class(plan, i).action);
}

static void add_inventory(cJSON *report, const struct inventory *inv, const struct run_facts *facts)
{
    add_kinds(report, inv);
    add_fields(report, inv);
    add_timeline(report, inv);
    cJSON *leaks = cJSON_AddArrayToObject(report, "inventory");
    for (size_t i = 0; i < inv->leaks.count; i++) add_leak(leaks, inventory_leak(inv, i), facts);
    add_number(report, "inventory_further", inv->further_leaks);
}

static cJSON *report_object(const struct run_result *r, const struct run_facts *facts)
{
    char   policy[4 * PATH_MAX];
    cJSON *report = cJSON_CreateObject();
    cJSON_AddStringToObject(report, "lethe", LETHE_VERSION);
    cJSON_AddStringToObject(report, "policy", shown_text(facts->policy, policy, sizeof policy));
    cJSON_AddStringToObject(report, "key_id", facts->key_id);
    cJSON_AddBoolToObject(report, "key_lasts", facts->lasting_key);
    add_time(report, "started", r->started);
    add_time(report, "finished", r->finished);
    cJSON_AddNumberToObject(report, "seconds", r->seconds);
    cJSON_AddNumberToObject(report, "exit_code", run_result_exit_code(r));
    add_totals(report, r);
    add_counters(report, "redactions_by_rule", count_redactions(&r->tally, facts->plan));
    add_counters(report, "withheld_by_reason", count_withheld(&r->tally));
    add_counters(report, "records_by_kind", count_kinds(&r->tally));
    add_counters(report, "repairs", count_repairs(&r->tally));
    if (r->inventory != NULL) {
        add_policy(report, facts->plan);
        add_inventory(report, r->inventory, facts);
    }
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
bool report_write_json(struct output *o, const struct run_result *r, const struct run_facts *facts, struct error *err)
{
    if (!write_object(o, report_object(r, facts), true, strlen("\n}"), err)) return false;
    if (!output_write(o, SLICE(",\n\t\"inputs\":\t["), err)) return false;
    for (size_t i = 0; i < r->count; i++) {
        if (!output_write(o, i == 0 ? SLICE("\n\t\t") : SLICE(",\n\t\t"), err)) return false;
        if (!write_object(o, input_object(&facts->inputs->items[i], &r->inputs[i]), false, 0, err)) return false;
    }
    return output_write(o, SLICE("\n\t]\n}\n"), err);
}
