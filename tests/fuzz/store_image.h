/* A store as a killed process left it, and changes of its files: what the fuzzers of its recovery start from. The input is a list of
 * changes of six bytes: which file and what is done, where (three bytes), how much, and a value. Files lie in memory. One includes this
 * per program. Thread: one. */
#ifndef TESTS_FUZZ_STORE_IMAGE_H
#define TESTS_FUZZ_STORE_IMAGE_H

#include "quick_sqlite.h"
#include "store.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS     5
#define FILE_MOST  (1 << 20)
#define CHANGE_LEN 6
#define CHANGES_MOST 16

struct kept {
    const char *name;
    size_t      len;
    uint8_t     data[FILE_MOST], changed[FILE_MOST];
};

static struct kept files[2] = {{.name = "store.db"}, {.name = "store.db-wal"}};
static char        folder[] = "/dev/shm/lethe-fuzz-store-XXXXXX", store_path[64];

static size_t content(uint64_t seq, char out[4096])
{
    size_t len = 0;
    while (len < 300 + 500 * seq) len += (size_t)snprintf(out + len, 4096 - len, "{\"block\":%llu,\"at\":%zu}\n", (unsigned long long)seq, len);
    return len;
}

static struct store *open_store(struct store_report *report, struct error *err)
{
    return store_open(&(struct store_options){store_path, 1 << 30, NULL}, report, err);
}

static void write_blocks(void)
{
    struct store_report report = {0};
    struct error        err = {0};
    struct store       *s = open_store(&report, &err);
    CHECK(s != NULL);
    for (uint64_t seq = 1; seq <= BLOCKS; seq++) {
        char                      text[4096];
        struct store_block        block = {seq, 1, {slice_of(text, content(seq, text))}};
        const struct store_change change = {.blocks = &block, .block_count = 1, .keep_from = 1, .next_seq = seq + 1};
        CHECK(store_commit(s, &change, &err) == STORE_OK);
    }
    _exit(0);   /* as a kill leaves it: with its log */
}

/* The reserve holds nothing: in the program of a fuzzer this is what the store calls. */
int posix_fallocate(int fd, off_t at, off_t len)
{
    (void)fd;
    (void)at;
    (void)len;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    return at->level > 0 ? remove(path) : 0;
}

static void empty_folder(const char *path) { nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

static void in_store(const char *name, char out[128]) { snprintf(out, 128, "%s/%s", store_path, name); }

static void remove_folder(void)
{
    empty_folder(folder);
    rmdir(folder);
}

static void make_image(void)
{
    int status;
    quick_sqlite_start();
    CHECK(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
    snprintf(store_path, sizeof store_path, "%s/store", folder);
    CHECK(freopen("/dev/null", "w", stdout) != NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) write_blocks();
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    for (int i = 0; i < 2; i++) {
        char path[128];
        in_store(files[i].name, path);
        int     fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd >= 0 ? read(fd, files[i].data, FILE_MOST) : -1;
        CHECK(len > 0 && len < FILE_MOST);
        files[i].len = (size_t)len;
        close(fd);
    }
}

/* Returns the length of the file afterwards. */
static size_t change(struct kept *f, size_t len, const uint8_t *c)
{
    size_t at = len > 0 ? ((size_t)c[1] << 16 | (size_t)c[2] << 8 | c[3]) % len : 0, count = (size_t)c[4] + 1;
    if (len == 0) return 0;
    if (count > len - at) count = len - at;
    switch (c[0] >> 1 & 3) {
    case 0: f->changed[at] ^= (uint8_t)(1u << (c[5] & 7)); return len;
    case 1: memset(f->changed + at, c[5], count); return len;
    case 2: memmove(f->changed + at, f->changed + c[5] * 16 % (len - count + 1), count); return len;
    default: return at;   /* cut off */
    }
}

/* The files with the changes, in `changed`; which of them takes a change is its first bit. */
static void change_all(const uint8_t *data, size_t len, size_t lens[2])
{
    for (int i = 0; i < 2; i++) {
        memcpy(files[i].changed, files[i].data, files[i].len);
        lens[i] = files[i].len;
    }
    if (len > CHANGES_MOST * CHANGE_LEN) len = CHANGES_MOST * CHANGE_LEN;
    for (size_t at = 0; at + CHANGE_LEN <= len; at += CHANGE_LEN) {
        int i = data[at] & 1;
        lens[i] = change(&files[i], lens[i], data + at);
    }
}

static void put(int i, size_t len)
{
    char path[128];
    in_store(files[i].name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, files[i].changed, len) == (ssize_t)len);
    close(fd);
}

#endif
