/* What the redaction of a hostile record may cost, on one core, CPU time, from framing to encoding.
 *
 *     bench_worst [RULE]
 *
 * The inputs: for every rule of the catalogue that has an example, its first one, over and over, as the one string of a record of
 * RECORD_BYTES, in four shapes: whole with blanks between, whole without, broken off after three quarters, and with its last byte
 * spoilt. So every input is hostile, and "median" is the median of these inputs: nothing is slowed down to be compared with, and
 * ordinary telemetry is not among them. Each input is taken once in each of SWEEPS passes over all of them, those that decide (the
 * worst, and those about the median) some more times, and the least time of the thread counts: other work on the machine can only add
 * to it. No record is like one before, so nothing is remembered of it.
 *
 * Printed are the median and the worst in nanoseconds for each byte, with rule and shape, and their ratio.
 *
 * Linear time: of every rule the worst input again as one record of 32, 64, 128 and 256 KiB, and the STEEPEST worst of all as one of
 * 1 KiB, 2 KiB, ... 16 MiB. t(2n)/t(n) is 2 where time is linear, and less where a record has its price whatever its length. Where the
 * least times of ROUNDS say more than LINEAR, the step is taken up to PATIENCE times more: what other work added goes, what is so stays.
 * Printed are the largest ratio of all rules, and of the steepest nanoseconds for each byte at some lengths. A record so full that it
 * is withheld for want of memory or budget takes less time; it is marked. */
#include "redacting.h"
#include "redaction/plan.h"
#include "redaction/rules_priv.h"

#include <stdlib.h>
#include <time.h>

#define RECORD_BYTES (64 * 1024)
#define SWEEPS       9
#define DECIDING     40   /* the worst, and about the median */
#define MORE         30   /* times these are taken */
#define MOST         4096
#define SHOWN        10
#define STEEPEST     5
#define LEAST_LINEAR 1024
#define STEPS        14   /* doublings from there: to 16 MiB */
#define RULE_LINEAR  (32 * 1024)
#define RULE_STEPS   3
#define ROUNDS       4
#define PATIENCE     40
#define LINEAR       2.2   /* t(2n)/t(n), at most */
#define ENOUGH_BYTES (64 * 1024)   /* a shorter record is taken several times */
#define UNIT_BYTES   4096

enum input_shape { WHOLE, JOINED, BROKEN_OFF, SPOILT, INPUT_COUNT };
static const char *const shapes[INPUT_COUNT] = {"whole, with blanks between", "whole, one behind the other", "broken off", "spoilt at the end"};

struct measured {
    struct rule_view rule;
    enum input_shape shape;
    double           ns;   /* for each byte; 0: not yet */
};

static struct redacting target;
static struct measured  results[MOST];
static size_t           result_count;
static char             record[((size_t)LEAST_LINEAR << STEPS) + 2 * UNIT_BYTES];

/* A record of so many bytes, and up to one unit more, full of it; returns its length. */
static size_t fill(const struct measured *m, size_t bytes)
{
    char   unit[UNIT_BYTES];
    size_t len = 0, at = 0;
    for (size_t i = 0; i < m->rule.example.len && len + 8 < sizeof unit; i++) {
        unsigned char c = (unsigned char)m->rule.example.data[i];
        if (c == '"' || c == '\\') unit[len++] = '\\';
        unit[len++] = c < ' ' ? ' ' : (char)c;
    }
    if (m->shape == BROKEN_OFF) len -= len / 4;
    if (m->shape == SPOILT && len > 0) unit[len - 1] = '~';
    if (len > 0 && unit[len - 1] == '\\' && (len < 2 || unit[len - 2] != '\\')) unit[len - 1] = '~';
    if (m->shape != JOINED) unit[len++] = ' ';
    at += (size_t)sprintf(record, "{\"message\":\"0000 ");
    while (at < bytes) {
        memcpy(record + at, unit, len);
        at += len;
    }
    return at + (size_t)sprintf(record + at, "\"}\n");
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define NUMBER_AT 12   /* what differs from one record to the next */

static double taken_ns(size_t len)
{
    static unsigned number;
    char            digits[16];
    snprintf(digits, sizeof digits, "%04u", number++ % 10000);
    memcpy(record + NUMBER_AT, digits, 4);
    double before = cpu_ns();
    (void)redacting_text(&target, slice_of(record, len));
    return cpu_ns() - before;
}

static int by_ns(const void *a, const void *b)
{
    const struct measured *x = a, *y = b;
    return (x->ns > y->ns) - (x->ns < y->ns);
}

static void list_inputs(const char *only)
{
    const struct rules *rules = target.plan->rules;
    for (size_t n = 0; n < rules->count; n++) {
        struct rule_view v = rules_get(rules, n);
        if (!rules->all[n].enabled || v.example.len == 0 || (only != NULL && strcmp(only, v.id) != 0)) continue;
        for (enum input_shape s = WHOLE; s < INPUT_COUNT; s++) {
            CHECK(result_count < MOST);
            results[result_count++] = (struct measured){.rule = v, .shape = s};
        }
    }
}

static void sweep(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct measured *m = &results[i];
        size_t len = fill(m, RECORD_BYTES);
        double ns = taken_ns(len) / (double)len;
        if (m->ns == 0 || ns < m->ns) m->ns = ns;
    }
}

static void measure_all(void)
{
    for (int i = 0; i < SWEEPS; i++) sweep(0, result_count);
    for (int i = 0; i < MORE; i++) {
        qsort(results, result_count, sizeof *results, by_ns);
        if (result_count <= 3 * DECIDING) {
            sweep(0, result_count);
            continue;
        }
        sweep(result_count - DECIDING, result_count);
        sweep(result_count / 2 - DECIDING / 2, result_count / 2 + DECIDING / 2);
    }
    qsort(results, result_count, sizeof *results, by_ns);
}

static void tell_worst(void)
{
    const double median = results[result_count / 2].ns, worst = results[result_count - 1].ns;
    printf("%zu inputs of %d bytes, the least of %d or more\nmedian  %6.1f ns/byte\n", result_count, RECORD_BYTES, SWEEPS, median);
    for (size_t i = 1; i <= SHOWN && i <= result_count; i++) {
        const struct measured *m = &results[result_count - i];
        printf("%s %6.1f ns/byte  %s, %s\n", i == 1 ? "worst  " : "       ", m->ns, m->rule.id, shapes[m->shape]);
    }
    printf("ratio   %6.2f\n", worst / median);
}

/* --- Linear time ----------------------------------------------------------------------------------------------------------- */

/* The same with room for a record of 16 MiB. */
static void widen(void)
{
    struct error err = {0};
    redactor_free(target.redactor);
    framer_free(target.framer);
    batch_release(&target.batch);
    target.redactor = redactor_new(target.plan, &(struct redactor_options){.max_record = sizeof record, .max_depth = PARSER_DEFAULT_DEPTH}, &err);
    target.framer = framer_new(&(struct framer_options){.max_document = sizeof record});
    CHECK(target.redactor != NULL && target.framer != NULL && batch_init(&target.batch, 2 * FRAMER_ROOM(sizeof record)));
}

/* Of a few records in a row where one is short. */
static double mean_ns(const struct measured *m, size_t bytes, size_t *len)
{
    size_t times = 1 + ENOUGH_BYTES / bytes;
    double sum = 0;
    *len = fill(m, bytes);
    for (size_t k = 0; k < times; k++) sum += taken_ns(*len);
    return sum / (double)times;
}

struct steps {
    size_t base;
    int    count;
    double least[STEPS + 1], largest;   /* ns for each byte; t(2n)/t(n) of the steepest step, */
    int    steepest, withheld;          /* up to base << steepest; from base << withheld on: count + 1, if none was */
};

static void take_steps(const struct measured *m, struct steps *s, int first, int last)
{
    for (int step = first; step <= last; step++) {
        size_t len;
        double ns = mean_ns(m, s->base << step, &len) / (double)len;
        if (s->least[step] == 0 || ns < s->least[step]) s->least[step] = ns;
        if (target.out.len == 0 && s->withheld > step) s->withheld = step;
    }
    s->largest = 0;
    for (int step = 1; step <= s->count; step++) {
        double ratio = 2 * s->least[step] / s->least[step - 1];
        if (ratio < s->largest) continue;
        s->largest = ratio;
        s->steepest = step;
    }
}

static struct steps measure_steps(const struct measured *m, size_t base, int count)
{
    struct steps s = {.base = base, .count = count, .withheld = count + 1};
    for (int round = 0; round < ROUNDS; round++) take_steps(m, &s, 0, count);
    for (int round = 0; round < PATIENCE && s.largest > LINEAR; round++) take_steps(m, &s, s.steepest - 1, s.steepest);
    return s;
}

/* Of every rule its worst input. */
static void tell_rules_linear(void)
{
    struct steps worst = {0};
    const struct measured *worst_of = NULL;
    size_t rules = 0, above = 0;
    for (size_t i = result_count; i-- > 0;) {
        bool seen = false;
        for (size_t k = i + 1; k < result_count && !seen; k++) seen = strcmp(results[k].rule.id, results[i].rule.id) == 0;
        if (seen) continue;
        struct steps s = measure_steps(&results[i], RULE_LINEAR, RULE_STEPS);
        rules++;
        above += s.largest > LINEAR;
        if (s.largest > worst.largest) worst = s, worst_of = &results[i];
    }
    printf("\nlinear  %6.2f is the largest t(2n)/t(n) of %zu rules, at %zu KiB: %s, %s; %zu above %.1f\n", worst.largest, rules,
           worst.base << worst.steepest >> 10, worst_of->rule.id, shapes[worst_of->shape], above, LINEAR);
}

static void tell_linear(const struct measured *m)
{
    struct steps s = measure_steps(m, LEAST_LINEAR, STEPS);
    printf("%21.1f %7.1f %7.1f %7.1f   %5.2f at %5d KiB  ", s.least[0], s.least[6], s.least[10], s.least[STEPS], s.largest, 1 << s.steepest);
    printf("%s, %s", m->rule.id, shapes[m->shape]);
    if (s.withheld <= STEPS) printf("; withheld from %d KiB on", 1 << s.withheld);
    printf("\n");
}

int main(int argc, char **argv)
{
    redacting_open(&target, "standard", false);
    list_inputs(argc > 1 ? argv[1] : NULL);
    if (result_count == 0) {
        fputs("bench_worst: no such rule, or it has no example\n", stderr);
        return 2;
    }
    measure_all();
    tell_worst();
    fflush(stdout);
    tell_rules_linear();
    printf("\none record of        1 KiB  64 KiB   1 MiB  16 MiB, ns/byte; largest t(2n)/t(n)\n");
    widen();
    for (size_t i = 1; i <= STEEPEST && i <= result_count; i++) tell_linear(&results[result_count - i]);
    redacting_close(&target);
    return 0;
}
