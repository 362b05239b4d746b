/* A new database from a damaged one.
 *
 *   1. store.db.new is made, and filled with every row of store.db that can be read and whose check passes.
 *   2. It is synced and becomes store.db.rescued: from here on it counts.
 *   3. store.db and its log are renamed to store.db.damaged-TIME.
 *   4. store.db.rescued becomes store.db.
 *
 * Killed before 2, the next start begins again; killed later, it goes on with 3. A disk without space for both stops this
 * with an error and nothing is changed: the damaged database still holds what no one else has.
 * At most ASIDE_KEPT databases are left set aside; the oldest goes.
 *
 * SQLite reads the damaged file. When its first page is beyond reading, one from a new database is laid over it: all
 * databases of one format have the same first page, but for numbers that reading does not need. */
#include "store_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ASIDE_KEPT   2
#define ASIDE_PREFIX "store.db.damaged-"
#define SAVE_BATCH   64        /* blocks in one transaction */

static const char *const with_database[] = {"", "-wal", "-shm"};

/* --- Saving rows ---------------------------------------------------------------------------------------------------------- */

struct saving {
    struct store     *store;
    struct connection from, to;
    struct rescued   *rescued;
    int               result;      /* of writing: SQLITE_OK until it failed */
};

static void save_positions(struct saving *v, enum statement which)
{
    struct row_position row;
    sqlite3_stmt       *each = statement(&v->from, which);
    while (v->result == SQLITE_OK && sqlite3_step(each) == SQLITE_ROW)
        if (get_position(each, &row)) v->result = put_position(&v->to, &row);
    sqlite3_reset(each);
}

static void save_cursors(struct saving *v, enum statement which)
{
    struct row_cursor row;
    sqlite3_stmt     *each = statement(&v->from, which);
    while (v->result == SQLITE_OK && sqlite3_step(each) == SQLITE_ROW)
        if (get_cursor(each, &row)) v->result = put_cursor(&v->to, &row);
    sqlite3_reset(each);
}

/* A block that is sealed with a key that we do not have is taken as it is. */
static void save_block(struct saving *v, uint64_t seq)
{
    sqlite3_stmt    *body = statement(&v->from, SQL_GET_BODY);
    enum block_state state = BLOCK_BAD;
    bind_number(body, 1, seq);
    if (sqlite3_step(body) == SQLITE_ROW) {
        struct slice packed = column_bytes(body, 0);
        char        *data = NULL;
        size_t       len;
        state = block_unpack(v->store->keys, seq, packed, &data, &len);
        if (state == BLOCK_GOOD) free(data);
        if (state == BLOCK_GOOD || state == BLOCK_LOCKED) v->result = put_packed(&v->to, seq, packed);
    }
    sqlite3_reset(body);
    if (state == BLOCK_NO_MEMORY) v->result = SQLITE_NOMEM;
    else if (state == BLOCK_BAD) v->rescued->lost_blocks++;
    else v->rescued->blocks++;
}

static uint64_t highest_of(const struct connection *c, enum statement which)
{
    sqlite3_stmt *s = statement(c, which);
    int64_t       last = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return last > 0 ? (uint64_t)last : 0;
}

/* One past the highest number that may have a block. */
static uint64_t end_of_blocks(const struct saving *v)
{
    uint64_t next;
    if (get_meta(&v->from, &next) == SQLITE_OK) return next;
    uint64_t body = highest_of(&v->from, SQL_LAST_BODY), head = highest_of(&v->from, SQL_LAST_HEAD);
    return (body > head ? body : head) + 1;
}

/* Where neither table says what comes next, number after number is tried. */
static void save_blocks(struct saving *v, uint64_t seq, uint64_t end)
{
    for (uint64_t saved = 0; v->result == SQLITE_OK && seq < end; seq++) {
        int      result;
        uint64_t next = next_block(&v->from, seq, &result);
        if (next >= end && (next != UINT64_MAX || result == SQLITE_OK)) break;
        if (next < end) seq = next;
        uint64_t lost = v->rescued->lost_blocks;
        save_block(v, seq);
        if (next >= end) v->rescued->lost_blocks = lost;   /* there may never have been one */
        if (++saved % SAVE_BATCH != 0 || v->result != SQLITE_OK) continue;
        v->result = run(statement(&v->to, SQL_COMMIT));
        if (v->result == SQLITE_OK) (void)sqlite3_wal_checkpoint_v2(v->to.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (v->result == SQLITE_OK) v->result = run(statement(&v->to, SQL_BEGIN));
    }
}

static uint64_t count_rows(const struct connection *c, enum statement which)
{
    uint64_t      count = 0;
    sqlite3_stmt *each = statement(c, which);
    while (sqlite3_step(each) == SQLITE_ROW) count++;
    sqlite3_reset(each);
    return count;
}

static void save_all(struct saving *v, uint64_t keep_from)
{
    v->result = run(statement(&v->to, SQL_BEGIN));
    save_positions(v, SQL_EACH_POSITION);
    save_positions(v, SQL_EACH_POSITION_BACK);
    save_cursors(v, SQL_EACH_CURSOR);
    save_cursors(v, SQL_EACH_CURSOR_BACK);
    uint64_t end = end_of_blocks(v);
    save_blocks(v, keep_from, end);
    if (v->result == SQLITE_OK) v->result = put_meta(&v->to, end > v->store->next_seq ? end : v->store->next_seq);
    if (v->result == SQLITE_OK) v->result = run(statement(&v->to, SQL_COMMIT));
    v->rescued->positions = count_rows(&v->to, SQL_EACH_POSITION);
    v->rescued->cursors = count_rows(&v->to, SQL_EACH_CURSOR);
}

/* --- Opening the damaged one ---------------------------------------------------------------------------------------------- */

static void put_number(uint8_t *at, uint32_t number)
{
    number = htobe32(number);
    memcpy(at, &number, sizeof number);
}

/* Offsets: https://www.sqlite.org/fileformat2.html, section 1.3. */
static bool lay_first_page(const struct store *s, const char *template)
{
    uint8_t     page[STORE_PAGE_BYTES];
    struct stat status;
    int         from = open(template, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), to = open(s->file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool        good = from >= 0 && to >= 0 && fstat(to, &status) == 0 &&
                pread(from, page, sizeof page, 0) == (ssize_t)sizeof page;
    if (good) {
        uint64_t pages = ((uint64_t)status.st_size + STORE_PAGE_BYTES - 1) / STORE_PAGE_BYTES;
        put_number(page + 28, pages > 0 && pages < UINT32_MAX ? (uint32_t)pages : 1);
        put_number(page + 32, 0);   /* no free pages */
        put_number(page + 36, 0);
        good = pwrite(to, page, sizeof page, 0) == (ssize_t)sizeof page;
    }
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    return good;
}

static bool can_read(struct connection *c, const char *file)
{
    if (connection_open(c, file, OPEN_DAMAGED_FILE) == SQLITE_OK) return true;
    connection_close(c, false);
    return false;
}

static bool open_damaged(const struct store *s, struct connection *c, const char *template)
{
    struct stat status;
    bool        has_page = lstat(s->file, &status) == 0 && status.st_size >= STORE_PAGE_BYTES;
    if (has_page && can_read(c, s->file)) return true;
    /* While readers have the file open it must not be opened by us; at the start nobody has. */
    return s->reader_barred && lay_first_page(s, template) && can_read(c, s->file);
}

/* --- Names ---------------------------------------------------------------------------------------------------------------- */

static void remove_database(const struct store *s, const char *which)
{
    for (size_t i = 0; i < sizeof with_database / sizeof *with_database; i++) {
        char suffix[64];
        snprintf(suffix, sizeof suffix, "%s%s", which, with_database[i]);
        char *name = store_name(s, suffix);
        unlink(name);
        free(name);
    }
}

static bool rename_file(const struct store *s, const char *from, const char *to)
{
    char *old = store_name(s, from), *new = store_name(s, to);
    bool  good = rename(old, new) == 0 || errno == ENOENT;
    free(old);
    free(new);
    return good;
}

static bool exists(const struct store *s, const char *suffix)
{
    struct stat status;
    char       *name = store_name(s, suffix);
    bool        there = lstat(name, &status) == 0;
    free(name);
    return there;
}

static int is_aside(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return strncmp(entry->d_name, ASIDE_PREFIX, sizeof ASIDE_PREFIX - 1) == 0 && entry->d_name[len - 1] != 'l' &&
        entry->d_name[len - 1] != 'm';
}

static void remove_old_asides(const struct store *s)
{
    struct dirent **entries;
    int             count = scandir(s->folder, &entries, is_aside, alphasort);
    for (int i = 0; i < count; i++) {
        if (i < count - ASIDE_KEPT) {
            remove_database(s, entries[i]->d_name + sizeof "store.db" - 1);
            log_line(LOG_WARNING, "store", "removed '%s' from '%s': %d that are newer are kept", entries[i]->d_name, s->path,
                     ASIDE_KEPT);
        }
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

static void choose_aside(const struct store *s, char *suffix, size_t size)
{
    time_t    now = (time_t)(clock_realtime_ms() / 1000);
    struct tm utc;
    char      when[32];
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(suffix, size, ".damaged-%s", when);
    for (unsigned n = 2; exists(s, suffix); n++) snprintf(suffix, size, ".damaged-%s-%u", when, n);
}

/* Steps 3 and 4. */
static bool put_in_place(struct store *s, char *aside, size_t size, struct error *err)
{
    char suffix[64], to[80];
    choose_aside(s, suffix, sizeof suffix);
    bool good = true;
    for (size_t i = sizeof with_database / sizeof *with_database; good && i-- > 0;) {
        snprintf(to, sizeof to, "%s%s", suffix, with_database[i]);
        good = rename_file(s, with_database[i], to);
    }
    good = good && store_sync_folder(s) && rename_file(s, ".rescued", "") && store_sync_folder(s);
    snprintf(aside, size, "store.db%s", suffix);
    if (!good) return error_set_errno(err, ERROR_OUTPUT, "cannot set the damaged database in store '%s' aside", s->path);
    remove_old_asides(s);
    return true;
}

bool store_finish_rescue(struct store *s, struct error *err)
{
    char aside[64];
    remove_database(s, ".new");
    return !exists(s, ".rescued") || put_in_place(s, aside, sizeof aside, err);
}

/* --- The whole ------------------------------------------------------------------------------------------------------------ */

static bool sync_file(const char *name)
{
    int  fd = open(name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good;
}

/* Makes the new database, empty, and leaves it closed and whole: its first page is a template. */
static int make_new(struct connection *c, const char *name)
{
    if (!store_make_file(name)) return SQLITE_CANTOPEN;
    int result = connection_open(c, name, OPEN_OWNED);
    connection_close(c, result == SQLITE_OK);
    return result;
}

/* Step 1: what is written is synced at the end. */
static enum trouble fill_new(struct saving *v, const char *name, uint64_t keep_from, struct error *err)
{
    const struct store *s = v->store;
    v->result = make_new(&v->to, name);
    if (v->result == SQLITE_OK) {
        bool readable = open_damaged(s, &v->from, name);
        v->result = connection_open(&v->to, name, OPEN_OWNED);
        if (v->result == SQLITE_OK) (void)sqlite3_exec(v->to.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
        if (v->result == SQLITE_OK && readable) save_all(v, keep_from);
        else if (v->result == SQLITE_OK) v->result = put_meta(&v->to, s->next_seq > 0 ? s->next_seq : 1);
    }
    enum trouble trouble = trouble_of(&v->to, v->result);
    if (trouble != TROUBLE_NONE) set_trouble(err, "save what is in the damaged", s->path, &v->to, v->result);
    connection_close(&v->from, false);
    connection_close(&v->to, trouble == TROUBLE_NONE);
    return trouble;
}

enum trouble store_rescue(struct store *s, uint64_t keep_from, struct rescued *rescued, struct error *err)
{
    char         *name = store_name(s, ".new");
    struct saving v = {.store = s, .rescued = rescued};
    log_line(LOG_WARNING, "store", "the database in '%s' is damaged: saving what can be read", s->path);
    remove_database(s, ".new");
    enum trouble trouble = fill_new(&v, name, keep_from, err);
    bool whole = trouble == TROUBLE_NONE && !exists(s, ".new-wal") && sync_file(name);
    if (trouble == TROUBLE_NONE && (!whole || !rename_file(s, ".new", ".rescued") || !store_sync_folder(s))) {
        error_set_errno(err, ERROR_OUTPUT, "cannot save what is in the damaged store '%s'", s->path);
        trouble = TROUBLE_FAILED;
    }
    free(name);
    if (trouble != TROUBLE_NONE) {
        remove_database(s, ".new");
        return trouble == TROUBLE_DAMAGED ? TROUBLE_FAILED : trouble;
    }
    store_detach_reader(s);
    if (!put_in_place(s, rescued->aside, sizeof rescued->aside, err)) return TROUBLE_FAILED;
    s->wal_frames = 0;
    s->cursors_lost = true;
    log_line(LOG_ERROR, "store",
             "saved from the damaged database in '%s': %llu blocks, %llu positions, %llu sinks; lost: %llu blocks. "
             "It is set aside as '%s'", s->path, (unsigned long long)rescued->blocks, (unsigned long long)rescued->positions,
             (unsigned long long)rescued->cursors, (unsigned long long)rescued->lost_blocks, rescued->aside);
    return TROUBLE_NONE;
}
