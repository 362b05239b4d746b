/* What does the store cost? Commits blocks of 256 KiB, cut from a file, each in a transaction with a position and a cursor;
 * then opens the store again and reads all. Nothing is deleted, so the spool holds all of it at the end.
 *
 * Usage: bench_store FOLDER FILE.jsonl GIGABYTES [KEY_FILE]; FOLDER must not be there, and is left behind. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES (256 * 1024)

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double resident_mib(void)
{
    unsigned long pages = 0, all = 0;
    FILE         *f = fopen("/proc/self/statm", "r");
    if (f != NULL && fscanf(f, "%lu %lu", &all, &pages) != 2) pages = 0;
    if (f != NULL) fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) return NULL;
    *len = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*len);
    bool  good = data != NULL && *len >= BLOCK_BYTES && fread(data, 1, *len, f) == *len;
    fclose(f);
    return good ? data : NULL;
}

static bool commit(struct store *s, uint64_t seq, const char *data, struct error *err)
{
    struct position       p = {.key_len = 4, .value_len = 8, .key = "file"};
    struct store_block    block = {seq, 500, {{data, BLOCK_BYTES}}};
    struct store_position position = {"console", &p};
    struct store_cursor   cursor = {"siem", seq};
    memcpy(p.value, &seq, sizeof seq);
    return store_commit(s, &(struct store_change){.blocks = &block, .block_count = 1, .positions = &position, .position_count = 1,
                                                  .cursors = &cursor, .cursor_count = 1, .next_seq = seq + 1}, err) == STORE_OK;
}

static bool write_all(struct store *s, const char *data, size_t len, size_t blocks, struct error *err)
{
    double *took = malloc(blocks * sizeof *took), began = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    double  before = resident_mib(), gigabytes = (double)blocks * BLOCK_BYTES / 1e9;
    bool    good = took != NULL;
    for (size_t i = 0; good && i < blocks; i++) {
        double start = seconds(CLOCK_MONOTONIC);
        good = commit(s, i + 1, data + i * BLOCK_BYTES % (len - BLOCK_BYTES + 1), err);
        took[i] = seconds(CLOCK_MONOTONIC) - start;
    }
    double all = seconds(CLOCK_MONOTONIC) - began;
    if (good) {
        qsort(took, blocks, sizeof *took, rising);
        printf("commit: p50 %.2f ms, p99 %.2f ms, longest %.1f ms\n", took[blocks / 2] * 1e3, took[blocks * 99 / 100] * 1e3,
               took[blocks - 1] * 1e3);
        printf("written: %.2f GB of JSON at %.0f MB/s, %.2f CPU seconds per GB; packed %.0f MB\n", gigabytes,
               gigabytes * 1e3 / all,
               (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / gigabytes, (double)store_figures(s).bytes / 1e6);
        printf("memory: %.1f MiB more than before\n", resident_mib() - before);
    }
    free(took);
    return good;
}

static bool read_all(struct store *s, struct error *err)
{
    double began = seconds(CLOCK_MONOTONIC), bytes = 0;
    for (uint64_t seq = 0; (seq = store_next(s, seq)) != UINT64_MAX; seq++) {
        char  *block;
        size_t len;
        if (store_load(s, seq, &block, &len, err) != STORE_FOUND) return false;
        bytes += (double)len;
        free(block);
    }
    printf("read: %.0f MB/s\n", bytes / 1e6 / (seconds(CLOCK_MONOTONIC) - began));
    return true;
}

static int fail(const struct error *err)
{
    fprintf(stderr, "bench_store: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct store_report report;
    struct error        err = {0};
    size_t              len = 0;
    char               *data = argc == 4 || argc == 5 ? read_file(argv[2], &len) : NULL;
    if (data == NULL) {
        fprintf(stderr, "usage: bench_store FOLDER FILE GIGABYTES [KEY_FILE]; the file has %d bytes at least\n", BLOCK_BYTES);
        return 2;
    }
    struct store_options options = {argv[1], UINT64_MAX, argc == 5 ? argv[4] : NULL};
    struct store        *s = store_open(&options, &report, &err);
    if (s == NULL || !write_all(s, data, len, (size_t)(strtod(argv[3], NULL) * 1e9 / BLOCK_BYTES) + 1, &err)) return fail(&err);
    store_close(s);
    double began = seconds(CLOCK_MONOTONIC);
    s = store_open(&options, &report, &err);
    if (s == NULL) return fail(&err);
    printf("start with %llu blocks: %.0f ms\n", (unsigned long long)report.blocks, (seconds(CLOCK_MONOTONIC) - began) * 1e3);
    bool good = read_all(s, &err);
    store_close(s);
    free(data);
    return good ? 0 : fail(&err);
}
