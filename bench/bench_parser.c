/* How fast is the parser, step by step? Reads a file of JSON Lines into memory and measures, for every kernel that this
 * CPU supports: splitting into lines alone, the index, index and tape, the balance of brackets. Each figure is the
 * median of five rounds over the whole file, on one thread, in GB/s of wall time and in CPU seconds per GB.
 *
 * Usage: bench_parser FILE.jsonl */
#include "parser/index.h"

#include <errno.h>
#include <time.h>

#define ROUNDS 5
#define MAX_LINE ((size_t)16 << 20)

struct corpus {
    char         *data;
    size_t        len, count;
    struct slice *lines;
};

struct setup {
    const struct corpus *corpus;
    struct parser        parser;
    struct arena         arena;
    size_t               refused;
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool corpus_open(struct corpus *c, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return false;
    bool ok = fseek(f, 0, SEEK_END) == 0;
    long len = ftell(f);
    rewind(f);
    c->len = len > 0 ? (size_t)len : 0;
    c->data = calloc(1, c->len + PARSER_PADDING);
    ok = ok && len > 0 && c->data != NULL && fread(c->data, 1, c->len, f) == c->len;
    fclose(f);
    return ok;
}

/* Fills c->lines if it is there; counts in any case. */
static size_t split(struct corpus *c)
{
    const char *p = c->data, *end = c->data + c->len;
    size_t n = 0;
    while (p < end) {
        const char *feed = memchr(p, '\n', (size_t)(end - p));
        if (feed == NULL) feed = end;
        if (c->lines != NULL) c->lines[n] = slice_of(p, (size_t)(feed - p));
        n += feed > p;
        p = feed + 1;
    }
    return n;
}

static void run_split(struct setup *s) { CHECK(split(&(struct corpus){s->corpus->data, s->corpus->len, 0, NULL}) > 0); }

static void run_index(struct setup *s)
{
    for (size_t i = 0; i < s->corpus->count; i++) {
        s->parser.kernel->index(s->parser.index, s->corpus->lines[i]);
        s->refused += s->parser.index->fault != PARSE_OK;
    }
}

static void run_parse(struct setup *s)
{
    for (size_t i = 0; i < s->corpus->count; i++) {
        struct tape tape;
        size_t at;
        if (i % 256 == 0) arena_clear(&s->arena);
        s->refused += parser_parse(&s->parser, s->corpus->lines[i], &s->arena, &tape, &at) != PARSE_OK;
    }
}

static void run_balance(struct setup *s)
{
    struct balance b = {0};
    size_t records = 0, len = s->corpus->len;
    for (size_t at = 0; at < len; records++)
        at += s->parser.kernel->balance(&b, slice_of(s->corpus->data + at, len - at), 0);
    CHECK(records >= s->corpus->count);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct setup *s, const char *what, void (*run)(struct setup *))
{
    double wall[ROUNDS], cpu[ROUNDS], gb = (double)s->corpus->len * 1e-9;
    s->refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        wall[i] = -seconds(CLOCK_MONOTONIC);
        cpu[i] = -seconds(CLOCK_PROCESS_CPUTIME_ID);
        run(s);
        wall[i] += seconds(CLOCK_MONOTONIC);
        cpu[i] += seconds(CLOCK_PROCESS_CPUTIME_ID);
    }
    qsort(wall, ROUNDS, sizeof *wall, by_value);
    qsort(cpu, ROUNDS, sizeof *cpu, by_value);
    printf("%-8s %-14s %6.2f GB/s %7.3f CPU-s/GB", s->parser.kernel->name, what, gb / wall[ROUNDS / 2],
           cpu[ROUNDS / 2] / gb);
    if (s->refused > 0) printf("  %zu lines refused", s->refused / ROUNDS);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct corpus corpus = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_parser FILE.jsonl\n");
        return 2;
    }
    if (!corpus_open(&corpus, argv[1])) {
        fprintf(stderr, "bench_parser: cannot read '%s': %s\n", argv[1], strerror(errno));
        return 2;
    }
    corpus.count = split(&corpus);
    corpus.lines = calloc(corpus.count + 1, sizeof *corpus.lines);
    CHECK(corpus.lines != NULL);
    split(&corpus);
    printf("%zu lines, %zu bytes each on average\n", corpus.count, corpus.len / corpus.count);
    struct setup s = {.corpus = &corpus};
    CHECK(parser_init(&s.parser, MAX_LINE, PARSER_DEFAULT_DEPTH));
    arena_init(&s.arena, (size_t)1 << 20, (size_t)1 << 30);
    measure(&s, "split", run_split);
    for (const struct index_kernel *const *k = index_kernels; *k != NULL; k++) {
        s.parser.kernel = *k;
        if (!(*k)->supported()) continue;
        measure(&s, "index", run_index);
        measure(&s, "index and tape", run_parse);
        measure(&s, "balance", run_balance);
    }
    arena_release(&s.arena);
    parser_release(&s.parser);
    free(corpus.lines);
    free(corpus.data);
    return 0;
}
