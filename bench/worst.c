/* The worst input for each rule: what looks like its secret, over and over, whole, broken off and spoilt at its end, as the one string
 * of a record. From framing to encoding, on one core, CPU time; the least of REPEATS, so that other work on the machine does not count.
 *
 *     bench_worst
 *
 * Prints the median and the worst in nanoseconds for each byte, with the rule and the shape that were worst, and their ratio. */
#include "redacting.h"
#include "redaction/plan.h"
#include "redaction/rules_priv.h"

#include <time.h>

#define RECORD_BYTES (64 * 1024)
#define REPEATS      3
#define MOST         4096

enum input_shape { WHOLE, JOINED, BROKEN_OFF, SPOILT, INPUT_COUNT };
static const char *const shapes[INPUT_COUNT] = {"whole, with blanks between", "whole, one behind the other", "broken off", "spoilt at the end"};

struct measured {
    const char *rule;
    enum input_shape  shape;
    double      ns;   /* for each byte */
};

static struct redacting target;
static struct measured  results[MOST];
static size_t           result_count;
static char             record[RECORD_BYTES + 4096];

/* A record full of it; returns its length. */
static size_t fill(enum input_shape shape, struct slice example)
{
    char   unit[4096];
    size_t len = 0, at = 0;
    for (size_t i = 0; i < example.len && len + 8 < sizeof unit; i++) {
        unsigned char c = (unsigned char)example.data[i];
        if (c == '"' || c == '\\') unit[len++] = '\\';
        unit[len++] = c < ' ' ? ' ' : (char)c;
    }
    if (shape == BROKEN_OFF) len -= len / 4;
    if (shape == SPOILT && len > 0) unit[len - 1] = '~';
    if (len > 0 && unit[len - 1] == '\\' && (len < 2 || unit[len - 2] != '\\')) unit[len - 1] = '~';
    if (shape != JOINED) unit[len++] = ' ';
    at += (size_t)sprintf(record, "{\"message\":\"0 ");
    while (at < RECORD_BYTES) {
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

#define REPEAT_AT 12   /* what differs from one repeat to the next, so that nothing is remembered of it */

static void measure(const char *rule, enum input_shape shape, size_t len)
{
    double least = 0;
    CHECK(result_count < MOST);
    for (int i = 0; i < REPEATS; i++) {
        record[REPEAT_AT] = (char)('0' + i);
        double before = cpu_ns();
        (void)redacting_text(&target, slice_of(record, len));
        double taken = cpu_ns() - before;
        if (i == 0 || taken < least) least = taken;
    }
    results[result_count++] = (struct measured){rule, shape, least / (double)len};
}

static int by_ns(const void *a, const void *b)
{
    const struct measured *x = a, *y = b;
    return (x->ns > y->ns) - (x->ns < y->ns);
}

int main(void)
{
    redacting_open(&target, "standard", false);
    const struct rules *rules = target.plan->rules;
    for (size_t n = 0; n < rules->count; n++) {
        struct rule_view v = rules_get(rules, n);
        if (!rules->all[n].enabled || v.example.len == 0) continue;
        for (enum input_shape s = WHOLE; s < INPUT_COUNT; s++) measure(v.id, s, fill(s, v.example));
    }
    qsort(results, result_count, sizeof *results, by_ns);
    const double median = results[result_count / 2].ns, worst = results[result_count - 1].ns;
    printf("%zu inputs of %d bytes\nmedian  %.1f ns/byte\n", result_count, RECORD_BYTES, median);
    for (size_t i = 1; i <= 5 && i <= result_count; i++) {
        const struct measured *m = &results[result_count - i];
        printf("%s %6.1f ns/byte  %s, %s\n", i == 1 ? "worst  " : "       ", m->ns, m->rule, shapes[m->shape]);
    }
    printf("ratio   %.2f\n", worst / median);
    redacting_close(&target);
    return 0;
}
