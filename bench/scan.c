/* What the search alone costs: the whole rule catalogue over a file in memory, once line by line and once in blocks of
 * 64 KiB. Reading the file and compiling the rules are not counted. The difference to `lethe redact` is what parsing,
 * verifying and writing cost.
 *
 *     bench_scan FILE
 *
 * Prints a line for each way: name, CPU seconds, seconds, bytes, raw hits. */
#include "base/slice.h"
#include "redaction/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { BLOCK = 64 * 1024 };

static double clock_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t scan_piece(const struct rules *rules, struct rules_scratch *scratch, struct slice piece)
{
    const struct rule_hit *hits;
    size_t count;
    CHECK(rules_scan(rules, scratch, piece, &hits, &count));
    return count;
}

static size_t scan_lines(const struct rules *rules, struct rules_scratch *scratch, struct slice text)
{
    size_t hits = 0;
    for (const char *at = text.data, *end = at + text.len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        hits += scan_piece(rules, scratch, slice_of(at, (size_t)(stop - at)));
        at = stop + 1;
    }
    return hits;
}

static size_t scan_blocks(const struct rules *rules, struct rules_scratch *scratch, struct slice text)
{
    size_t hits = 0;
    for (size_t at = 0; at < text.len; at += BLOCK)
        hits += scan_piece(rules, scratch, slice_of(text.data + at, text.len - at < BLOCK ? text.len - at : BLOCK));
    return hits;
}

static void measure(const char *name, size_t (*scan)(const struct rules *, struct rules_scratch *, struct slice),
                    const struct rules *rules, struct rules_scratch *scratch, struct slice text)
{
    double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = clock_seconds(CLOCK_MONOTONIC);
    size_t hits = scan(rules, scratch, text);
    cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = clock_seconds(CLOCK_MONOTONIC) - wall;
    printf("%s %.6f %.6f %zu %zu\n", name, cpu, wall, text.len, hits);
}

static bool map_file(const char *path, struct slice *text)
{
    int fd = open(path, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0) return false;
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    *text = slice_of(data, (size_t)status.st_size);
    return data != MAP_FAILED;
}

int main(int argc, char **argv)
{
    struct slice text;
    struct error err = {0};
    if (argc != 2) {
        fputs("usage: bench_scan FILE\n", stderr);
        return 2;
    }
    if (!map_file(argv[1], &text)) {
        fprintf(stderr, "bench_scan: cannot map '%s': %s\n", argv[1], strerror(errno));
        return 1;
    }
    struct rules *rules = rules_load(NULL, NULL, NULL, 0, &err);
    struct rules_scratch *scratch = rules != NULL ? rules_scratch_new(rules) : NULL;
    if (scratch == NULL) {
        fprintf(stderr, "bench_scan: %s\n", err.code != ERROR_NONE ? err.text : "out of memory");
        return 1;
    }
    measure("lines", scan_lines, rules, scratch, text);
    measure("blocks", scan_blocks, rules, scratch, text);
    rules_scratch_free(scratch);
    rules_free(rules);
    return 0;
}
