#include "report.h"

#include "progress.h"
#include "report_priv.h"

#include <stdlib.h>

bool run_result_init(struct run_result *r, size_t inputs, const struct plan *plan, struct error *err)
{
    *r = (struct run_result){.inputs = calloc(inputs + 1, sizeof *r->inputs), .count = inputs};
    if (r->inputs != NULL && tally_init(&r->tally, plan)) return true;
    return error_set(err, ERROR_MEMORY, "out of memory");
}

bool run_result_want_inventory(struct run_result *r, const struct plan *plan, struct error *err)
{
    r->inventory = inventory_new(plan);
    return r->inventory != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

void run_result_release(struct run_result *r)
{
    tally_release(&r->tally);
    inventory_free(r->inventory);
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

/* --- For people ------------------------------------------------------------------------------------------------------- */

#define LABEL_CELLS 34
#define NUMBER_CELLS 15

struct printer {
    FILE *out;
    bool  colour;
};

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"

static void print_row(const struct printer *p, int indent, const char *colour, const char *label, uint64_t number)
{
    char text[NUMBER_TEXT];
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

static void print_state(const struct printer *p, const struct run_result *r, enum input_state state, const char *colour,
                        const char *label)
{
    size_t count = run_result_inputs(r, state);
    if (count > 0) print_row(p, 2, colour, label, count);
}

static void print_bytes(const struct printer *p, const struct run_result *r)
{
    char in[BYTES_TEXT], out[BYTES_TEXT], rate[BYTES_TEXT];
    fprintf(p->out, "%s read, %s written in %.2f s (%s/s)\n", bytes_text((double)r->bytes_in, in),
            bytes_text((double)r->bytes_out, out), r->seconds,
            bytes_text(r->seconds > 0 ? (double)r->bytes_in / r->seconds : 0, rate));
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

/* --- For whom --------------------------------------------------------------------------------------------------------- */

static const struct report_form {
    const char *suffix;
    bool      (*write)(struct output *, const struct run_result *, const struct run_facts *, struct error *);
} forms[] = {{".json", report_write_json}, {".html", report_write_html}};

static const struct report_form *find_form(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t suffix = strlen(forms[i].suffix);
        if (len > suffix && strcmp(path + len - suffix, forms[i].suffix) == 0) return &forms[i];
    }
    return NULL;
}

bool report_knows(const char *path) { return find_form(path) != NULL; }

bool report_write(const char *path, const struct run_result *r, const struct run_facts *facts, struct error *err)
{
    struct output *o = output_open(path, false, err);
    if (o == NULL) return false;
    if (r->inventory != NULL) inventory_finish(r->inventory);
    if (find_form(path)->write(o, r, facts, err)) return output_finish(o, NULL, err);
    output_abandon(o);
    return false;
}
