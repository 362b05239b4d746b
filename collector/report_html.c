/* The report for people: one page that needs nothing but itself. No scripts, and a policy that forbids the browser to run
 * any or to load anything. */
#include "progress.h"
#include "report_page.h"
#include "report_priv.h"

#include <stdlib.h>

#define RULES_SHOWN 20      /* more are folded away */
#define FIELDS_SHOWN 20
#define FIELDS_TOLD 50
#define LEAKS_SHOWN 25
#define LEAKS_TOLD 1000     /* the JSON form has all */
#define INPUTS_TOLD 500

struct report {
    struct page              *page;
    const struct run_result  *result;
    const struct run_facts   *facts;
    const struct inventory   *inventory;
    enum series              *class_series;   /* of each class of the policy */
    enum series              *rule_series;
    size_t                   *rule_class;
};

static void put_string(struct page *p, const char *text) { put_text(p, slice_from(text)); }

static void put_section(struct page *p, const char *id, const char *title)
{
    put_format(p, "<section id=\"%s\" aria-labelledby=\"%s-title\"><h2 id=\"%s-title\">%s</h2>", id, id, id, title);
}

/* --- Top -------------------------------------------------------------------------------------------------------------- */

static void put_head(struct page *p)
{
    put(p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
           "form-action 'none'\">"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">"
           "<meta name=\"referrer\" content=\"no-referrer\"><title>Redaction report</title><style>\n");
    put(p, report_css);
    put(p, "</style></head><body>");
}

static void put_verdict(struct page *p, const struct run_result *r)
{
    const uint64_t withheld = tally_withheld(&r->tally);
    const size_t   failed = run_result_inputs(r, INPUT_FAILED), unread = run_result_inputs(r, INPUT_NOT_READ);
    if (failed > 0 || unread > 0 || r->outputs_failed || r->unwanted) {
        put(p, "<p class=\"verdict bad\"><strong>Not complete.</strong> ");
        if (failed > 0) put_format(p, "Inputs that could not be read to their end: %zu. ", failed);
        if (unread > 0) put_format(p, "Inputs not begun or not completed: %zu. ", unread);
        if (r->outputs_failed || r->unwanted) put(p, "Some output could not be written. ");
        if (withheld > 0) put(p, "Some records were withheld. ");
    } else if (withheld > 0) {
        put(p, "<p class=\"verdict warn\"><strong>Done, with records withheld.</strong> Records that could not be examined in full, and so "
               "are not in the output: ");
        put_number(p, withheld);
        put(p, ".");
    } else {
        put(p, "<p class=\"verdict good\"><strong>Done.</strong> Every record was examined; none was withheld.");
    }
    put(p, "</p>");
}

static int64_t milliseconds(struct timespec t) { return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000; }

static void put_facts(const struct report *report)
{
    struct page             *p = report->page;
    const struct run_result *r = report->result;
    char                     in[BYTES_TEXT], out[BYTES_TEXT], rate[BYTES_TEXT];
    put(p, "<dl class=\"facts\"><div><dt>Policy</dt><dd>");
    put_string(p, report->facts->policy);
    put(p, "</dd></div><div><dt>Pseudonym key</dt><dd><code>");
    put_string(p, report->facts->key_id);
    put(p, report->facts->lasting_key ? "</code>, from a key file" : "</code>, of this run only");
    put(p, "</dd></div><div><dt>Run (UTC)</dt><dd>");
    put_time(p, milliseconds(r->started) / 1000 * 1000);
    put_format(p, ", %.2f s</dd></div><div><dt>Read</dt><dd>%s, %s/s</dd></div><div><dt>Written</dt><dd>%s</dd></div></dl>",
               r->seconds, bytes_text((double)r->bytes_in, in),
               bytes_text(r->seconds > 0 ? (double)r->bytes_in / r->seconds : 0, rate), bytes_text((double)r->bytes_out, out));
}

static void put_tile(struct page *p, const char *class_, const char *label, uint64_t number, const char *more)
{
    put_format(p, "<div class=\"tile %s\"><dt>%s</dt><dd>", class_, label);
    put_number(p, number);
    put_format(p, "%s</dd></div>", more);
}

static void put_tiles(struct page *p, const struct run_result *r, const struct inventory *inv)
{
    const uint64_t withheld = tally_withheld(&r->tally);
    put(p, "<dl class=\"tiles\">");
    put_tile(p, "", "Inputs", r->count, "");
    put_tile(p, "", "Records", r->tally.records, "");
    put_tile(p, "", "Clean as they were", r->tally.clean, "");
    put_tile(p, "", "Redacted", r->tally.redacted, "");
    put_tile(p, withheld > 0 ? "warn" : "", "Withheld", withheld, "");
    put_tile(p, "", "Redactions", tally_redactions(&r->tally), "");
    put_tile(p, inv->secrets > 0 ? "bad" : "", "Secrets to rotate", inv->secrets, inv->further_leaks > 0 ? "+" : "");
    put(p, "</dl>");
}

static void put_header(const struct report *report)
{
    struct page *p = report->page;
    put(p, "<header><p class=\"brand\">lethe " LETHE_VERSION "</p><h1>Redaction report</h1>");
    put_verdict(p, report->result);
    put_facts(report);
    put_tiles(p, report->result, report->inventory);
    put(p, "<nav aria-label=\"Sections\"><a href=\"#inventory\">What to rotate</a><a href=\"#rules\">By rule</a><a href=\"#kinds\">By kind</a>"
           "<a href=\"#time\">Over time</a><a href=\"#fields\">By field</a><a href=\"#withheld\">Withheld</a>"
           "<a href=\"#inputs\">Inputs</a><a href=\"#policy\">Policy</a></nav></header><main>");
}

/* --- Bars ------------------------------------------------------------------------------------------------------------- */

static uint64_t sum_of(const uint64_t counts[SERIES_COUNT])
{
    uint64_t sum = 0;
    for (int i = 0; i < SERIES_COUNT; i++) sum += counts[i];
    return sum;
}

static void begin_bars(struct page *p, const char *what)
{
    put_format(p,
               "<table class=\"bars\"><thead><tr><th scope=\"col\">%s</th><td></td><th scope=\"col\" class=\"n\">Redactions</th>"
                  "<th scope=\"col\" class=\"n share\">Share</th></tr></thead><tbody>", what);
}

static void end_bars(struct page *p) { put(p, "</tbody></table>"); }

static void put_count_cells(struct page *p, uint64_t count, uint64_t all)
{
    put(p, "<td class=\"n\">");
    put_number(p, count);
    double share = all > 0 ? 100.0 * (double)count / (double)all : 0;
    put_format(p, "</td><td class=\"n share\">%s%.1f&thinsp;%%</td></tr>", share < 0.1 ? "&lt;" : "", share < 0.1 ? 0.1 : share);
}

/* The rest of a row that began with its header. */
static void put_bar_cells(struct page *p, const uint64_t counts[SERIES_COUNT], uint64_t most, uint64_t all)
{
    put(p, "<td class=\"drawn\">");
    put_bar(p, counts, most);
    put(p, "</td>");
    put_count_cells(p, sum_of(counts), all);
}

/* Between the rows that are shown and those that are folded away. */
static void fold(struct page *p, const char *what, size_t more)
{
    end_bars(p);
    put_format(p, "<details><summary>%zu more</summary>", more);
    begin_bars(p, what);
}

struct rule_count {
    size_t   rule;
    uint64_t count;
};

static int most_first(const void *a, const void *b)
{
    const struct rule_count *left = a, *right = b;
    if (left->count != right->count) return left->count < right->count ? 1 : -1;
    return (left->rule > right->rule) - (left->rule < right->rule);
}

static void put_rule_row(const struct report *report, struct rule_count rule, uint64_t most, uint64_t all)
{
    struct rule_info info = plan_rule(report->facts->plan, rule.rule);
    uint64_t         counts[SERIES_COUNT] = {0};
    counts[report->rule_series[rule.rule]] = rule.count;
    put(report->page, "<tr><th scope=\"row\"><code>");
    put_string(report->page, info.id);
    put(report->page, "</code><small>");
    put_string(report->page, info.title);
    put(report->page, "</small></th>");
    put_bar_cells(report->page, counts, most, all);
}

static void put_rules(const struct report *report)
{
    struct page        *p = report->page;
    const struct tally *t = &report->result->tally;
    struct rule_count  *rules = calloc(t->rule_count + 1, sizeof *rules);
    size_t              count = 0;
    for (size_t i = 0; rules != NULL && i < t->rule_count; i++)
        if (t->redactions[i] > 0) rules[count++] = (struct rule_count){i, t->redactions[i]};
    put_section(p, "rules", "Redactions by rule");
    if (count > 0) {
        qsort(rules, count, sizeof *rules, most_first);
        put_legend(p);
        begin_bars(p, "Rule");
        for (size_t i = 0; i < count; i++) {
            if (i == RULES_SHOWN) fold(p, "Rule", count - i);
            put_rule_row(report, rules[i], rules[0].count, tally_redactions(t));
        }
        end_bars(p);
        if (count > RULES_SHOWN) put(p, "</details>");
    } else {
        put(p, "<p>Nothing was redacted.</p>");
    }
    put(p, "</section>");
    free(rules);
}

static uint64_t kind_counts(const struct report *report, unsigned kind, uint64_t counts[SERIES_COUNT])
{
    const size_t rules = report->result->tally.rule_count;
    memset(counts, 0, SERIES_COUNT * sizeof *counts);
    for (size_t i = 0; i < rules; i++) counts[report->rule_series[i]] += report->inventory->by_kind[kind * rules + i];
    return sum_of(counts);
}

static void put_kinds(const struct report *report)
{
    struct page      *p = report->page;
    struct rule_count kinds[KIND_COUNT];
    size_t            count = 0;
    uint64_t          counts[SERIES_COUNT], all = 0;
    for (unsigned i = 0; i < KIND_COUNT; i++) {
        uint64_t sum = kind_counts(report, i, counts);
        if (sum > 0) kinds[count++] = (struct rule_count){i, sum};
        all += sum;
    }
    put_section(p, "kinds", "Redactions by kind of record");
    if (count > 0) {
        qsort(kinds, count, sizeof *kinds, most_first);
        begin_bars(p, "Kind");
        for (size_t i = 0; i < count; i++) {
            kind_counts(report, (unsigned)kinds[i].rule, counts);
            put_format(p, "<tr><th scope=\"row\"><code>%s</code><small>", kind_text((enum kind)kinds[i].rule));
            put_number(p, report->result->tally.kinds[kinds[i].rule]);
            put(p, " records read</small></th>");
            put_bar_cells(p, counts, kinds[0].count, all);
        }
        end_bars(p);
    } else {
        put(p, "<p>Nothing was redacted.</p>");
    }
    put(p, "</section>");
}

static void put_fields(const struct report *report)
{
    struct page            *p = report->page;
    const struct inventory *inv = report->inventory;
    const size_t            count = inv->fields.count < FIELDS_TOLD ? inv->fields.count : FIELDS_TOLD;
    put_section(p, "fields", "Redactions by field");
    if (count > 0) {
        put(p, "<p><code>!</code> enters JSON inside a string, <code>~</code> names an encoding, <code>?</code> stands for a name that is "
               "redacted itself.</p>");
        begin_bars(p, "Field");
        for (size_t i = 0; i < count; i++) {
            const struct field_count *f = inventory_field(inv, i);
            if (i == FIELDS_SHOWN) fold(p, "Field", count - i);
            put(p, "<tr><th scope=\"row\"><code>");
            put_path(p, f->item.key);
            put(p, "</code></th><td class=\"drawn\">");
            put_plain_bar(p, f->count, inventory_field(inv, 0)->count);
            put(p, "</td>");
            put_count_cells(p, f->count, tally_redactions(&report->result->tally));
        }
        end_bars(p);
        if (count > FIELDS_SHOWN) put(p, "</details>");
        if (inv->fields.count > count) put_format(p, "<p>Fields that are not shown: %zu.</p>", inv->fields.count - count);
    } else {
        put(p, "<p>Nothing was redacted.</p>");
    }
    put(p, "</section>");
}

static void put_over_time(const struct report *report)
{
    struct page           *p = report->page;
    const struct timeline *t = &report->inventory->timeline;
    uint64_t               undated = 0;
    for (size_t i = 0; i < t->classes; i++) undated += t->undated[i];
    put_section(p, "time", "Redactions over time");
    if (t->count > 0) put_columns(p, t, report->class_series);
    if (t->count == 0) put(p, "<p>No record with a redaction has a time of its own.</p>");
    if (undated > 0 && t->count > 0) {
        put(p, "<p>Redactions in records without a time of their own, not drawn: ");
        put_number(p, undated);
        put(p, ".</p>");
    }
    put(p, "</section>");
}

/* --- Withheld --------------------------------------------------------------------------------------------------------- */

static void put_withheld(const struct report *report)
{
    struct page        *p = report->page;
    const struct tally *t = &report->result->tally;
    put_section(p, "withheld", "Withheld by reason");
    if (tally_withheld(t) == 0) {
        put(p, "<p>Nothing was withheld.</p></section>");
        return;
    }
    put(p, "<p>What cannot be examined in full is left out of the output.</p><table class=\"plain\"><thead><tr><th scope=\"col\">Reason</th>"
           "<th scope=\"col\">What it means</th><th scope=\"col\" class=\"n\">Records</th></tr></thead><tbody>");
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        if (t->withheld[i] == 0) continue;
        put_format(p, "<tr><th scope=\"row\"><code>%s</code></th><td>", refusal_text((enum refusal)i));
        put_string(p, refusal_explanation((enum refusal)i));
        put(p, "</td><td class=\"n\">");
        put_number(p, t->withheld[i]);
        put(p, "</td></tr>");
    }
    put(p, "</tbody></table></section>");
}

/* --- Inventory -------------------------------------------------------------------------------------------------------- */

static void put_place(const struct report *report, const struct sighting *s)
{
    put(report->page, "<span class=\"file\">");
    put_path(report->page, slice_from(input_name(&report->facts->inputs->items[s->input])));
    put_format(report->page, "</span>:%llu", (unsigned long long)s->line);
}

static void put_seen(const struct report *report, const char *label, const struct sighting *s)
{
    put_format(report->page, "<td role=\"cell\" data-label=\"%s\"><div>", label);
    if (s->ms != NO_TIME)
        put_time(report->page, s->ms);
    else
        put(report->page, "<span class=\"none\">without a time</span>");
    put(report->page, "</div></td>");
}

static bool same_place(const struct sighting *a, const struct sighting *b) { return a->input == b->input && a->line == b->line; }

static void put_where(const struct report *report, const struct leak *l)
{
    struct page *p = report->page;
    size_t       more = l->paths_counted - l->path_count;
    put(p, "<td role=\"cell\" data-label=\"Where\"><div>");
    put_place(report, &l->first);
    if (!same_place(&l->first, &l->last)) {
        put(p, "<br>last ");
        put_place(report, &l->last);
    }
    put(p, "<ul>");
    for (size_t i = 0; i < l->path_count; i++) {
        put(p, "<li><code>");
        put_path(p, slice_from(l->paths[i].text));
        put(p, "</code></li>");
    }
    if (more > 0) put_format(p, "<li>and %zu%s more</li>", more, l->paths_counted == LEAK_PATHS_COUNTED ? " or" : "");
    put(p, "</ul><small>in ");
    for (unsigned i = 0, told = 0; i < KIND_COUNT; i++)
        if (l->kinds >> i & 1) put_format(p, "%s%s", told++ > 0 ? ", " : "", kind_text((enum kind)i));
    put(p, "</small></div></td>");
}

static void put_leak(const struct report *report, const struct leak *l)
{
    struct page     *p = report->page;
    struct rule_info rule = plan_rule(report->facts->plan, l->rule);
    put(p, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><code class=\"fingerprint\">");
    put_text(p, slice_of(l->key, LEAK_FINGERPRINT));
    put(p, "</code></th><td role=\"cell\" data-label=\"Rule\"><div>");
    put_string(p, rule.title);
    put(p, "<small><code>");
    put_string(p, rule.id);
    put(p, "</code></small></div></td><td role=\"cell\" data-label=\"Found\" class=\"n\"><div>");
    put_number(p, l->found + l->echoes);
    put(p, "<small>in ");
    put_number(p, l->records);
    put_format(p, " record%s</small></div></td>", l->records == 1 ? "" : "s");
    put_seen(report, "First seen", &l->first);
    put_seen(report, "Last seen", &l->last);
    put_where(report, l);
    put(p, "</tr>");
}

static void begin_leaks(struct page *p)
{
    put(p, "<table class=\"inventory\" role=\"table\" aria-labelledby=\"inventory-title\"><thead role=\"rowgroup\"><tr role=\"row\">");
    put(p, "<th role=\"columnheader\" scope=\"col\">Fingerprint</th><th role=\"columnheader\" scope=\"col\">What it is</th>"
           "<th role=\"columnheader\" scope=\"col\" class=\"n\">Found</th><th role=\"columnheader\" scope=\"col\">First seen</th>"
           "<th role=\"columnheader\" scope=\"col\">Last seen</th><th role=\"columnheader\" scope=\"col\">Where, and in which fields</th></tr></thead>"
           "<tbody role=\"rowgroup\">");
}

static void put_leaks(const struct report *report, size_t count)
{
    struct page *p = report->page;
    begin_leaks(p);
    for (size_t i = 0; i < count; i++) {
        if (i == LEAKS_SHOWN) {
            put_format(p, "</tbody></table><details><summary>%zu more</summary>", count - i);
            begin_leaks(p);
        }
        put_leak(report, inventory_leak(report->inventory, i));
    }
    put(p, count > LEAKS_SHOWN ? "</tbody></table></details>" : "</tbody></table>");
}

static void put_inventory(const struct report *report)
{
    struct page            *p = report->page;
    const struct inventory *inv = report->inventory;
    const size_t            count = inv->leaks.count < LEAKS_TOLD ? inv->leaks.count : LEAKS_TOLD;
    put_section(p, "inventory", "What to rotate");
    if (inv->leaks.count == 0) {
        put(p, "<p>No credential was found.</p></section>");
        return;
    }
    put(p, "<p>Each line is a secret that stood in these logs, known by a keyed fingerprint; the value itself is kept nowhere. One that two "
           "rules found has two lines. ");
    put(p, report->facts->lasting_key ? "The same secret has the same fingerprint in every report made with key <code>"
                                      : "No key file was given, so fingerprints hold for this report only (key <code>");
    put_string(p, report->facts->key_id);
    put(p, report->facts->lasting_key ? "</code>." : "</code>).");
    put(p, " Whoever could read the logs could read the secret: replace it at its source.</p>");
    put_leaks(report, count);
    if (inv->leaks.count > count)
        put_format(p, "<p>Secrets that are not shown: %zu. The JSON form of this report has them.</p>", inv->leaks.count - count);
    if (inv->further_leaks > 0) {
        put(p, "<p>Findings of further secrets, beyond what the inventory holds: ");
        put_number(p, inv->further_leaks);
        put(p, ".</p>");
    }
    put(p, "</section>");
}

/* --- Inputs and policy ------------------------------------------------------------------------------------------------ */

static void put_input(const struct report *report, size_t number)
{
    struct page               *p = report->page;
    const struct input_result *in = &report->result->inputs[number];
    const uint64_t             numbers[] = {in->records, in->clean, in->redacted, in->withheld};
    bool                       sound = in->state == INPUT_DONE || in->state == INPUT_SKIPPED;
    put(p, "<tr><th scope=\"row\"><span class=\"file\">");
    put_path(p, slice_from(input_name(&report->facts->inputs->items[number])));
    put_format(p, "</span></th><td%s>%s</td>", sound ? "" : " class=\"bad\"", input_state_text(in->state));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        put(p, "<td class=\"n\">");
        put_number(p, numbers[i]);
        put(p, "</td>");
    }
    put(p, "</tr>");
}

/* Those that failed come first, then those with records withheld, so that none of them is cut off. */
static int input_rank(const struct input_result *in)
{
    if (in->state != INPUT_DONE && in->state != INPUT_SKIPPED) return 0;
    return in->withheld > 0 ? 1 : 2;
}

static void put_inputs(const struct report *report)
{
    struct page             *p = report->page;
    const struct run_result *r = report->result;
    size_t                   told = 0;
    put_section(p, "inputs", "Inputs");
    put(p, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Inputs\"><table class=\"plain\"><thead><tr>"
           "<th scope=\"col\">Input</th><th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Records</th>"
           "<th scope=\"col\" class=\"n\">Clean</th><th scope=\"col\" class=\"n\">Redacted</th><th scope=\"col\" class=\"n\">Withheld</th>"
           "</tr></thead><tbody>");
    for (int rank = 0; rank <= 2; rank++)
        for (size_t i = 0; i < r->count && told < INPUTS_TOLD; i++)
            if (input_rank(&r->inputs[i]) == rank) {
                put_input(report, i);
                told++;
            }
    put(p, "</tbody></table></div>");
    if (r->count > told)
        put_format(p, "<p>Inputs that are not shown: %zu. The JSON form of this report has them.</p>", r->count - told);
    put(p, "</section>");
}

static const char *action_meaning(const char *action)
{
    static const struct {
        const char *action, *meaning;
    } meanings[] = {
        {"keep", "left as it is"},
        {"truncate", "cut to its harmless beginning"},
        {"pseudonym", "replaced by a name that is equal for equal values"},
        {"mask", "replaced by a marker that names the rule"},
        {"mask-values", "names of variables stay, values are replaced by a marker"},
        {"drop", "removed"},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strcmp(meanings[i].action, action) == 0) return meanings[i].meaning;
    return "";
}

static void put_policy(const struct report *report)
{
    struct page       *p = report->page;
    const struct plan *plan = report->facts->plan;
    size_t             enabled = 0;
    for (size_t i = 0; i < plan_rule_count(plan); i++) enabled += plan_rule(plan, i).enabled;
    put_section(p, "policy", "Policy");
    put(p, "<p>What <code>");
    put_string(p, report->facts->policy);
    put_format(p, "</code> does with each class of data; %zu of %zu rules were at work.</p>", enabled, plan_rule_count(plan));
    put(p, "<table class=\"plain\"><thead><tr><th scope=\"col\">Class</th><th scope=\"col\">Action</th><th scope=\"col\" class=\"wide\">"
           "What that means</th><th scope=\"col\" class=\"n\">Redactions</th></tr></thead><tbody>");
    for (size_t i = 0; i < plan_class_count(); i++) {
        struct class_info class_ = plan_class(plan, i);
        uint64_t          count = 0;
        for (size_t rule = 0; rule < report->result->tally.rule_count; rule++)
            if (report->rule_class[rule] == i) count += report->result->tally.redactions[rule];
        put_format(p, "<tr><th scope=\"row\"><code>%s</code></th><td><span class=\"action %s\">%s</span></td><td class=\"wide\">%s</td>"
                      "<td class=\"n\">", class_.name, strcmp(class_.action, "keep") == 0 ? "kept" : "", class_.action,
                      action_meaning(class_.action));
        put_number(p, count);
        put(p, "</td></tr>");
    }
    put(p, "</tbody></table></section>");
}

/* --- The page --------------------------------------------------------------------------------------------------------- */

static bool learn_series(struct report *report)
{
    const struct plan *plan = report->facts->plan;
    const size_t       classes = report->inventory->timeline.classes;
    report->class_series = calloc(classes, sizeof *report->class_series);
    report->rule_series = calloc(plan_rule_count(plan), sizeof *report->rule_series);
    report->rule_class = calloc(plan_rule_count(plan), sizeof *report->rule_class);
    if (report->class_series == NULL || report->rule_series == NULL || report->rule_class == NULL) return false;
    for (size_t i = 0; i < classes; i++) report->class_series[i] = series_of(inventory_class(report->inventory, i));
    for (size_t i = 0; i < plan_rule_count(plan); i++) {
        report->rule_class[i] = report->inventory->rules[i].class_;
        report->rule_series[i] = report->class_series[report->rule_class[i]];
    }
    return true;
}

static void put_page(const struct report *report)
{
    put_head(report->page);
    put_header(report);
    put_inventory(report);
    put_rules(report);
    put(report->page, "<div class=\"pair\">");
    put_kinds(report);
    put_over_time(report);
    put(report->page, "</div>");
    put_fields(report);
    put_withheld(report);
    put_inputs(report);
    put_policy(report);
    put(report->page,
        "</main><footer><p>Nothing on this page is a byte of a value that was removed. It loads nothing and runs no scripts.</p>"
                      "</footer></body></html>\n");
}

bool report_write_html(struct output *o, const struct run_result *r, const struct run_facts *facts, struct error *err)
{
    struct page   page = {.output = o, .err = err};
    struct report report = {.page = &page, .result = r, .facts = facts, .inventory = r->inventory};
    bool          ready = learn_series(&report) || error_set(err, ERROR_OUTPUT, "cannot write the report: out of memory");
    if (ready) put_page(&report);
    free(report.class_series);
    free(report.rule_series);
    free(report.rule_class);
    return ready && !page.failed;
}
