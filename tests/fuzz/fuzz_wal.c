/* Fuzzes the mending of a store's write-ahead log, without the database: a hundred times as many inputs as fuzz_store has in the same time. Which
 * file a change names does not matter here. A fault is a crash, a log of which SQLite would read more or less than what is said to be
 * committed, one that is found damaged again, or a page in it that was not there before.
 *
 * What SQLite reads: https://www.sqlite.org/fileformat2.html, section 4. */
#include "store_image.h"
#include "store_priv.h"

#define HEADER_BYTES 32
#define FRAME_HEADER 24
#define FRAME_BYTES  (FRAME_HEADER + STORE_PAGE_BYTES)

static uint8_t      after[FILE_MOST];
static char         database[128], database_wal[160];
static struct store store = {.path = database, .file = database};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    make_image();
    snprintf(database, sizeof database, "%s/store.db", store_path);
    snprintf(database_wal, sizeof database_wal, "%s-wal", database);
    return 0;
}

static uint32_t big(const uint8_t *at) { return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]; }

static uint32_t little(const uint8_t *at) { return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0]; }

static void add(uint32_t sum[2], const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        sum[0] += little(at + i) + sum[1];
        sum[1] += little(at + i + 4) + sum[0];
    }
}

/* Frames up to the last commit that SQLite would read. */
static uint64_t readable(const uint8_t *log, size_t len)
{
    uint32_t sum[2] = {0, 0};
    uint64_t committed = 0;
    if (len < HEADER_BYTES || big(log) != 0x377f0682 || big(log + 4) != 3007000 || big(log + 8) != STORE_PAGE_BYTES) return 0;
    add(sum, log, 24);
    if (sum[0] != big(log + 24) || sum[1] != big(log + 28)) return 0;
    for (uint64_t i = 0; HEADER_BYTES + (i + 1) * FRAME_BYTES <= len; i++) {
        const uint8_t *f = log + HEADER_BYTES + i * FRAME_BYTES;
        if (memcmp(f + 8, log + 16, 8) != 0 || big(f) == 0) break;
        add(sum, f, 8);
        add(sum, f + FRAME_HEADER, STORE_PAGE_BYTES);
        if (sum[0] != big(f + 16) || sum[1] != big(f + 20)) break;
        if (big(f + 4) != 0) committed = i + 1;
    }
    return committed;
}

static size_t read_log(void)
{
    int     fd = open(database_wal, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, after, sizeof after) : 0;
    CHECK(len >= 0);
    if (fd >= 0) close(fd);
    return (size_t)len;
}

static void check_pages(uint64_t frames, const uint8_t *before, size_t len)
{
    for (uint64_t i = 0; i < frames; i++) {
        const uint8_t *page = after + HEADER_BYTES + i * FRAME_BYTES + FRAME_HEADER;
        bool           known = false;
        for (size_t at = HEADER_BYTES + i * FRAME_BYTES; !known && at + FRAME_BYTES <= len; at += FRAME_BYTES)
            known = memcmp(before + at + FRAME_HEADER, page, STORE_PAGE_BYTES) == 0;
        CHECK(known);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t   lens[2];
    bool     damaged;
    uint8_t *changes = malloc(len + 1);
    CHECK(changes != NULL);
    for (size_t i = 0; i < len; i++) changes[i] = data[i] | (i % CHANGE_LEN == 0);
    change_all(changes, len, lens);
    free(changes);
    put(1, lens[1]);
    uint64_t committed = wal_mend(&store, &damaged);
    CHECK(readable(after, read_log()) >= committed && wal_cut(&store, committed));
    size_t mended = read_log();
    CHECK(readable(after, mended) == committed);
    check_pages(committed, files[1].changed, lens[1]);
    CHECK(wal_mend(&store, &damaged) == committed && !damaged);
    return 0;
}
