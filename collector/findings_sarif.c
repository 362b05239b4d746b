/* Findings as one SARIF 2.1.0 log (OASIS standard, sections 3.14 run, 3.27 result, 3.29 physicalLocation, 3.49
 * reportingDescriptor). Results come first, as they are found; the tool and its rules, which are the same for all, after. */
#include "findings_priv.h"

#define HEADING "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"results\":["
#define WITHHELD_RULE "record-not-examined"

/* Braces stand for arguments in SARIF's messages and are doubled where they do not (3.11.5). */
static void add_message(struct text *t, struct slice text)
{
    for (size_t from = 0, at = 0; at <= text.len; at++) {
        bool brace = at < text.len && (text.data[at] == '{' || text.data[at] == '}');
        if (at < text.len && !brace) continue;
        text_add_escaped(t, slice_sub(text, from, at));
        if (brace) text_format(t, "%c%c", text.data[at], text.data[at]);
        from = at + 1;
    }
}

static void add_percent_encoded(struct text *t, struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        if (ascii_is_alnum(c) || memchr("-._~/", c, 5) != NULL) text_add(t, slice_of(&c, 1));
        else text_format(t, "%%%02X", (unsigned char)c);
    }
}

/* A file below the current folder by its path from there, so that the log means the same on another machine. */
static void add_uri(struct text *t, const struct findings *f, const struct input *input)
{
    const char *name = input_name(input);
    size_t      folder = f->folder != NULL ? strlen(f->folder) : 0;
    while (strncmp(name, "./", 2) == 0) name += 2;
    if (folder > 0 && strncmp(name, f->folder, folder) == 0) name += folder;
    if (name[0] == '/') text_add(t, SLICE("file://"));
    add_percent_encoded(t, slice_from(name));
}

static void add_location(struct text *t, const struct findings *f, const struct input *input, uint64_t line, struct slice path)
{
    text_add(t, SLICE("\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":\""));
    add_uri(t, f, input);
    text_add(t, SLICE("\"}"));
    if (line > 0) text_format(t, ",\"region\":{\"startLine\":%llu}", (unsigned long long)line);
    text_add(t, SLICE("}"));
    if (path.len > 0) {
        text_add(t, SLICE(",\"logicalLocations\":[{\"fullyQualifiedName\":"));
        text_add_json(t, path);
        text_add(t, SLICE("}]"));
    }
    text_add(t, SLICE("}]"));
}

static const char *level_of(const struct rule_info *rule)
{
    return rule->high_confidence && strcmp(rule->class_, "secret") == 0 ? "error" : "warning";
}

static void sarif_finding(struct text *t, const struct findings *f, const struct finding *finding)
{
    const struct rule_info *rule = finding->rule;
    const struct detail    *d = finding->detail;
    text_format(t, "\n{\"ruleId\":\"%s\",\"ruleIndex\":%u,\"level\":\"%s\",\"message\":{\"text\":\"", rule->id, (unsigned)d->rule,
                level_of(rule));
    add_message(t, slice_from(rule->title));
    if (d->path.len > 0) text_add(t, SLICE(" at "));
    add_message(t, d->path);
    text_add(t, d->becomes.len > 0 ? SLICE("; lethe redact would write ") : SLICE("; lethe redact would drop it"));
    add_message(t, d->becomes);
    text_add(t, SLICE("\"},"));
    add_location(t, f, finding->input, finding->line, d->path);
    if (f->lasting)
        text_format(t, ",\"partialFingerprints\":{\"valueFingerprint/v1\":\"%.*s\"}", FINGERPRINT_LENGTH, d->fingerprint);
    text_format(t, ",\"properties\":{\"class\":\"%s\",\"confidence\":\"%s\",\"action\":\"%s\"}}", rule->class_,
                rule->high_confidence ? "high" : "medium", rule->action);
}

static void sarif_withheld(struct text *t, const struct findings *f, const struct input *input, const struct withheld_record *r)
{
    text_format(t, "\n{\"ruleId\":\"" WITHHELD_RULE "\",\"ruleIndex\":%zu,\"level\":\"warning\",\"message\":{\"text\":\"record not examined: %s\"},",
                f->rule_count, refusal_explanation(r->refusal));
    add_location(t, f, input, r->line, (struct slice){0});
    text_format(t, ",\"properties\":{\"withheld\":\"%s\"}}", refusal_text(r->refusal));
}

static void add_rule(struct text *t, const struct rule_info *rule)
{
    text_format(t, "\n{\"id\":\"%s\",\"shortDescription\":{\"text\":\"", rule->id);
    add_message(t, slice_from(rule->title));
    text_add(t, SLICE("\"}"));
    if (rule->reference != NULL) {
        text_add(t, SLICE(",\"helpUri\":"));
        text_add_json(t, slice_from(rule->reference));
    }
    text_format(t, ",\"defaultConfiguration\":{\"enabled\":%s,\"level\":\"%s\"},\"properties\":{\"class\":\"%s\",\"tags\":[\"%s\"]}},",
                rule->enabled ? "true" : "false", level_of(rule), rule->class_, rule->class_);
}

static void add_unread(struct text *t, const struct findings *f, const struct run_result *r)
{
    bool first = true;
    for (size_t i = 0; i < r->count; i++) {
        if (r->inputs[i].state != INPUT_FAILED) continue;
        text_format(t, "%s\n{\"level\":\"error\",\"message\":{\"text\":\"could not be read to its end\"},", first ? "" : ",");
        add_location(t, f, &f->inputs->items[i], 0, (struct slice){0});
        text_add(t, SLICE("}"));
        first = false;
    }
}

static void sarif_ending(struct text *t, const struct findings *f, const struct run_result *r)
{
    text_add(t, SLICE("],\n\"tool\":{\"driver\":{\"name\":\"lethe\",\"version\":\"" LETHE_VERSION "\",\"semanticVersion\":\"" LETHE_VERSION "\",\"rules\":["));
    for (size_t i = 0; i < f->rule_count; i++) add_rule(t, &f->rules[i]);
    text_add(t, SLICE("\n{\"id\":\"" WITHHELD_RULE "\",\"shortDescription\":{\"text\":\"record that could not be examined\"},"
                      "\"defaultConfiguration\":{\"level\":\"warning\"}}]}},\n"));
    text_format(t, "\"invocations\":[{\"executionSuccessful\":%s,\"exitCode\":%d,\"toolExecutionNotifications\":[",
                run_result_inputs(r, INPUT_FAILED) == 0 ? "true" : "false", findings_exit_code(f, r));
    add_unread(t, f, r);
    text_format(t, "]}],\n\"properties\":{\"records\":%llu,\"addresses\":%llu,\"keyId\":\"%s\",\"policy\":",
                (unsigned long long)r->tally.records, (unsigned long long)f->addresses, f->key_id);
    text_add_json(t, slice_from(f->policy));
    text_add(t, SLICE("}}]}\n"));
}

const struct findings_format findings_sarif = {
    .name = "sarif",
    .heading = {HEADING, sizeof HEADING - 1},
    .joined = true,
    .finding = sarif_finding,
    .withheld = sarif_withheld,
    .ending = sarif_ending,
};
