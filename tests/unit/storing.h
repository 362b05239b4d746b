/* A store in a folder of its own, and blocks whose content follows from their number, so that a wrong one is known. */
#ifndef LETHE_TESTS_STORING_H
#define LETHE_TESTS_STORING_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "store.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLENTY ((uint64_t)1 << 40)

/* JSON-like, of a length that depends on the number; malloc'ed. */
static inline char *content_of(uint64_t seq, size_t *len)
{
    size_t size = 200 + seq * 977 % 12000, at = 0;
    char  *text = malloc(size + 128);
    assert_non_null(text);
    for (uint64_t i = 0; at < size; i++)
        at += (size_t)sprintf(text + at, "{\"block\":%llu,\"line\":%llu,\"value\":\"%llx\"}\n", (unsigned long long)seq,
                              (unsigned long long)i, (unsigned long long)((seq * 1000003 + i) * 0x9e3779b97f4a7c15u));
    *len = at;
    return text;
}

static inline struct store *try_open(const char *path, uint64_t max_bytes, const char *key_file, struct store_report *report,
                                     struct error *err)
{
    return store_open(&(struct store_options){path, max_bytes, key_file}, report, err);
}

static inline struct store *opened(const char *path)
{
    struct store_report report = {0};
    struct error        err = {0};
    struct store       *s = try_open(path, PLENTY, NULL, &report, &err);
    if (s == NULL) print_error("%s\n", err.text);
    assert_non_null(s);
    return s;
}

/* One block, a position that names it, and a cursor. */
static inline enum store_result commit_block(struct store *s, uint64_t seq, uint64_t cursor, uint64_t keep_from,
                                             struct error *err)
{
    size_t                len;
    char                 *text = content_of(seq, &len);
    struct position       p = {.key_len = 4, .key = "file"};
    struct store_block    block = {seq, 3, {{text, len / 3}, {text + len / 3, len - len / 3}}};
    struct store_position position = {"console", &p};
    struct store_cursor   at = {"siem", cursor};
    p.value_len = (uint16_t)snprintf(p.value, sizeof p.value, "%llu", (unsigned long long)seq);
    struct store_change change = {.blocks = &block, .block_count = 1, .positions = &position, .position_count = 1, .cursors = &at,
                                  .cursor_count = 1, .keep_from = keep_from, .next_seq = seq + 1};
    enum store_result result = store_commit(s, &change, err);
    free(text);
    return result;
}

static inline void commit_blocks(struct store *s, uint64_t from, uint64_t to)
{
    struct error err = {0};
    for (uint64_t seq = from; seq < to; seq++) assert_int_equal(commit_block(s, seq, 1, 1, &err), STORE_OK);
}

/* FOUND only with the right content: anything else fails the test. */
static inline enum store_load load_block(struct store *s, uint64_t seq)
{
    struct error    err = {0};
    char           *data = NULL;
    size_t          len = 0, expected_len;
    enum store_load load = store_load(s, seq, &data, &len, &err);
    if (load != STORE_FOUND) return load;
    char *expected = content_of(seq, &expected_len);
    assert_int_equal(len, expected_len);
    assert_memory_equal(data, expected, len);
    free(expected);
    free(data);
    return load;
}

static inline void take_position(void *context, const struct position *p)
{
    char text[POSITION_VALUE_MAX + 1];
    memcpy(text, p->value, p->value_len);
    text[p->value_len] = '\0';
    *(uint64_t *)context = strtoull(text, NULL, 10);
}

/* The block that the position names; 0: there is no position. */
static inline uint64_t position_in(struct store *s)
{
    uint64_t seq = 0;
    store_each_position(s, "console", take_position, &seq);
    return seq;
}

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void remove_folder(const char *path) { nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); }

static inline int in_new_folder_of(const char *parent, void **state)
{
    char *folder = NULL;
    if (asprintf(&folder, "%s/lethe-store-XXXXXX", parent) < 0) return -1;
    *state = folder;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static inline int in_new_folder(void **state) { return in_new_folder_of("/tmp", state); }

/* Where syncing takes no time, for tests that open very many stores. */
static inline int in_memory(void **state) { return in_new_folder_of(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", state); }

static inline int leave_folder(void **state)
{
    int failed = chdir("/");
    remove_folder(*state);
    free(*state);
    return failed;
}

static inline void write_file(const char *path, const void *data, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

#endif
