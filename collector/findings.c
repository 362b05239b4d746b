#include "findings_priv.h"

#include "clean_order.h"

#include <arpa/inet.h>
#include <unistd.h>

static const struct findings_format *const formats[] = {&findings_text, &findings_json, &findings_sarif};

const struct findings_format *findings_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i]->name, name) == 0) return formats[i];
    return NULL;
}

/* --- All workers' ------------------------------------------------------------------------------------------------------- */

static char *current_folder(void)
{
    char *folder = getcwd(NULL, 0), *ended = NULL;
    if (folder != NULL && asprintf(&ended, "%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/") < 0) ended = NULL;
    free(folder);
    return ended;
}

bool findings_init(struct findings *f, const struct findings_format *format, const struct plan *plan,
                   const struct input_list *inputs, struct error *err)
{
    size_t count = plan_rule_count(plan);
    *f = (struct findings){.format = format, .plan = plan, .inputs = inputs, .rule_count = count, .folder = current_folder(),
                           .rules = calloc(count, sizeof *f->rules), .by_rule = calloc(count, sizeof *f->by_rule)};
    if (f->rules == NULL || f->by_rule == NULL) return error_set(err, ERROR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        f->rules[i] = plan_rule(plan, i);
        f->readdresses |= strcmp(f->rules[i].class_, "ip-address") == 0 && strcmp(f->rules[i].action, "pseudonym") == 0;
    }
    return true;
}

void findings_release(struct findings *f)
{
    free(f->folder);
    free(f->rules);
    free(f->by_rule);
    fingerprints_release(&f->values);
    *f = (struct findings){0};
}

int findings_exit_code(const struct findings *f, const struct run_result *r)
{
    int code = run_result_exit_code(r);
    return code == 0 && f->total > 0 ? 3 : code;
}

/* --- One worker's --------------------------------------------------------------------------------------------------------- */

struct writer {
    struct findings       *findings;
    uint64_t              *by_rule, addresses;
    struct fingerprint_set values;
};

static void *writer_open(void *context)
{
    struct findings *f = context;
    struct writer   *w = calloc(1, sizeof *w);
    if (w == NULL) return NULL;
    *w = (struct writer){.findings = f, .by_rule = calloc(f->rule_count, sizeof *w->by_rule)};
    if (w->by_rule != NULL) return w;
    free(w);
    return NULL;
}

static void writer_close(void *writer)
{
    struct writer   *w = writer;
    struct findings *f = w->findings;
    for (size_t i = 0; i < f->rule_count; i++) {
        f->by_rule[i] += w->by_rule[i];
        f->total += w->by_rule[i];
    }
    f->addresses += w->addresses;
    fingerprints_add_all(&f->values, &w->values);
    fingerprints_release(&w->values);
    free(w->by_rule);
    free(w);
}

static bool is_address(struct slice text)
{
    char          name[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    if (text.len == 0 || text.len >= sizeof name) return false;
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static void separate(struct text *t, bool joined)
{
    if (!joined) return;
    if (t->out->after == CONTAINER_SAME) t->out->joint = t->out->len;
    else text_add(t, SLICE(","));
    t->out->after = CONTAINER_FILLED;
}

/* A record may go over many lines: the line of a finding is counted from the record's. */
static void write_record(struct writer *w, struct text *t, const struct input *input, const struct clean_record *r)
{
    const struct findings *f = w->findings;
    struct finding         finding = {.input = input, .line = r->line, .kind = r->kind.kind};
    size_t                 at = 0;
    for (size_t i = 0; i < r->span_count; i++) {
        for (; at < r->spans[i].start; at++) finding.line += r->text.data[at] == '\n';
        finding.detail = &r->details[i];
        finding.rule = &f->rules[finding.detail->rule];
        if (f->readdresses && is_address(finding.detail->becomes)) {
            w->addresses++;
            continue;
        }
        w->by_rule[finding.detail->rule]++;
        fingerprints_add(&w->values, finding.detail->fingerprint);
        separate(t, f->format->joined);
        f->format->finding(t, f, &finding);
    }
}

static bool writer_write(void *writer, const struct input *input, const struct clean_batch *batch, struct encoded *out)
{
    struct writer      *w = writer;
    struct text         t = {.out = out};
    struct clean_cursor cursor = {0};
    while (clean_next(&cursor, batch)) {
        if (cursor.record != NULL) {
            write_record(w, &t, input, cursor.record);
            continue;
        }
        separate(&t, w->findings->format->joined);
        w->findings->format->withheld(&t, w->findings, input, cursor.withheld);
    }
    return !t.failed;
}

static bool finish(void *context, const struct run_result *result, struct encoded *out)
{
    const struct findings *f = context;
    struct text            t = {.out = out};
    if (f->format->ending != NULL) f->format->ending(&t, f, result);
    return !t.failed;
}

struct batch_writer findings_writer(struct findings *f)
{
    return (struct batch_writer){.context = f, .heading = f->format->heading, .open = writer_open, .write = writer_write,
                                 .close = writer_close, .finish = finish};
}

/* --- Summary -------------------------------------------------------------------------------------------------------------- */

struct row {
    const char *name;
    uint64_t    count;
};

/* Most first; equal ones by name. */
static int by_count(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->count != right->count) return left->count < right->count ? 1 : -1;
    return strcmp(left->name, right->name);
}

static void print_row(FILE *out, const char *colour, const char *indent, const char *name, uint64_t count)
{
    fprintf(out, "%s%s%-*s %14llu%s\n", colour, indent, 34 - (int)strlen(indent), name, (unsigned long long)count,
            *colour ? "\033[0m" : "");
}

static void print_rules(FILE *out, const struct findings *f)
{
    struct row *rows = calloc(f->rule_count, sizeof *rows);
    size_t      count = 0;
    for (size_t i = 0; rows != NULL && i < f->rule_count; i++)
        if (f->by_rule[i] > 0) rows[count++] = (struct row){f->rules[i].id, f->by_rule[i]};
    if (count > 0) qsort(rows, count, sizeof *rows, by_count);
    for (size_t i = 0; i < count; i++) print_row(out, "", "  ", rows[i].name, rows[i].count);
    free(rows);
}

void findings_print(FILE *out, const struct findings *f, const struct run_result *r, bool colour)
{
    const char *alarm = colour ? "\033[1;31m" : "", *calm = colour ? "\033[1;32m" : "";
    uint64_t    withheld = tally_withheld(&r->tally), failed = run_result_inputs(r, INPUT_FAILED);
    print_row(out, "", "", "inputs", r->count);
    if (failed > 0) print_row(out, alarm, "  ", "not read to the end", failed);
    print_row(out, "", "", "records", r->tally.records);
    if (withheld > 0) print_row(out, alarm, "  ", "could not be examined", withheld);
    print_row(out, f->total > 0 ? alarm : calm, "", "findings", f->total);
    print_rules(out, f);
    if (f->total > 0)
        print_row(out, "", "", f->values.incomplete ? "different values, at least" : "different values", f->values.count);
    if (f->addresses > 0) {
        print_row(out, "", "", "addresses", f->addresses);
        fputs("  (no findings: they become other addresses and cannot be told from those)\n", out);
    }
}
