/* Findings as lines for people and as JSON Lines. */
#include "findings_priv.h"

static struct slice name_of(const struct input *input) { return slice_from(input_name(input)); }

static const char *confidence_text(const struct rule_info *rule) { return rule->high_confidence ? "high" : "medium"; }

/* --- Lines ---------------------------------------------------------------------------------------------------------------- */

static void add_place(struct text *t, const struct input *input, uint64_t line)
{
    text_add_shown(t, name_of(input));
    text_format(t, ":%llu: ", (unsigned long long)line);
}

static void line_finding(struct text *t, const struct findings *f, const struct finding *finding)
{
    const struct rule_info *rule = finding->rule;
    (void)f;
    add_place(t, finding->input, finding->line);
    text_add_shown(t, finding->detail->path.len > 0 ? finding->detail->path : SLICE("(record)"));
    text_format(t, ": %s (%s, %s confidence), becomes ", rule->id, rule->class_, confidence_text(rule));
    text_add_shown(t, finding->detail->becomes.len > 0 ? finding->detail->becomes : SLICE("nothing"));
    text_format(t, ", fingerprint %.*s\n", FINGERPRINT_LENGTH, finding->detail->fingerprint);
}

static void line_withheld(struct text *t, const struct findings *f, const struct input *input, const struct withheld_record *r)
{
    (void)f;
    add_place(t, input, r->line);
    text_format(t, "record not examined: %s (byte %llu)\n", refusal_explanation(r->refusal),
                (unsigned long long)(r->fault_at > r->offset ? r->fault_at : r->offset));
}

const struct findings_format findings_text = {.name = "text", .finding = line_finding, .withheld = line_withheld};

/* --- JSON Lines ------------------------------------------------------------------------------------------------------------- */

static void add_file(struct text *t, const struct input *input, uint64_t line)
{
    text_add(t, SLICE("{\"file\":"));
    text_add_json(t, name_of(input));
    text_format(t, ",\"line\":%llu", (unsigned long long)line);
}

static void json_finding(struct text *t, const struct findings *f, const struct finding *finding)
{
    const struct rule_info *rule = finding->rule;
    (void)f;
    add_file(t, finding->input, finding->line);
    text_format(t, ",\"kind\":\"%s\",\"path\":", kind_text(finding->kind));
    text_add_json(t, finding->detail->path);
    text_format(t, ",\"rule\":\"%s\",\"class\":\"%s\",\"confidence\":\"%s\",\"action\":\"%s\",\"becomes\":", rule->id,
                rule->class_, confidence_text(rule), rule->action);
    text_add_json(t, finding->detail->becomes);
    text_format(t, ",\"fingerprint\":\"%.*s\"}\n", FINGERPRINT_LENGTH, finding->detail->fingerprint);
}

static void json_withheld(struct text *t, const struct findings *f, const struct input *input, const struct withheld_record *r)
{
    (void)f;
    add_file(t, input, r->line);
    text_format(t, ",\"withheld\":\"%s\",\"byte\":%llu}\n", refusal_text(r->refusal),
                (unsigned long long)(r->fault_at > r->offset ? r->fault_at : r->offset));
}

static void add_count(struct text *t, const char *name, uint64_t count)
{
    text_format(t, ",\"%s\":%llu", name, (unsigned long long)count);
}

static void json_ending(struct text *t, const struct findings *f, const struct run_result *r)
{
    bool first = true;
    text_add(t, SLICE("{\"summary\":{\"policy\":"));
    text_add_json(t, slice_from(f->policy));
    text_format(t, ",\"key_id\":\"%s\",\"lasting_fingerprints\":%s", f->key_id, f->lasting ? "true" : "false");
    add_count(t, "inputs", r->count);
    add_count(t, "inputs_failed", run_result_inputs(r, INPUT_FAILED));
    add_count(t, "records", r->tally.records);
    add_count(t, "withheld", tally_withheld(&r->tally));
    add_count(t, "findings", f->total);
    add_count(t, "different_values", f->values.count);
    add_count(t, "addresses", f->addresses);
    text_add(t, SLICE(",\"findings_by_rule\":{"));
    for (size_t i = 0; i < f->rule_count; i++) {
        if (f->by_rule[i] == 0) continue;
        text_format(t, "%s\"%s\":%llu", first ? "" : ",", f->rules[i].id, (unsigned long long)f->by_rule[i]);
        first = false;
    }
    text_format(t, "},\"exit_code\":%d}}\n", findings_exit_code(f, r));
}

const struct findings_format findings_json = {.name = "json", .finding = json_finding, .withheld = json_withheld,
                                              .ending = json_ending};
