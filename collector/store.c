#include "store_priv.h"

#include "base/folder.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- The folder ----------------------------------------------------------------------------------------------------------- */

char *store_name(const struct store *s, const char *suffix)
{
    char *name;
    CHECK(asprintf(&name, "%s%s", s->file, suffix) >= 0);
    return name;
}

static char *name_in_folder(const struct store *s, const char *file)
{
    char *name;
    CHECK(asprintf(&name, "%s/%s", s->folder, file) >= 0);
    return name;
}

bool store_make_file(const char *name)
{
    struct stat status;
    int         fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) return close(fd) == 0;
    /* Not opened: closing a file that SQLite has open would drop its locks. */
    if (errno != EEXIST || lstat(name, &status) != 0) return false;
    errno = EEXIST;
    return S_ISREG(status.st_mode) && ((status.st_mode & 077) == 0 || chmod(name, 0600) == 0);
}

bool store_sync_folder(const struct store *s) { return folder_sync(s->folder); }

static bool check_folder(const struct stat *status, const char *path, struct error *err)
{
    if (S_ISLNK(status->st_mode))
        return error_set(err, ERROR_USAGE, "store '%s' is a symbolic link; name the folder itself", path);
    if (!S_ISDIR(status->st_mode)) return error_set(err, ERROR_USAGE, "store '%s' is not a folder", path);
    if (status->st_uid != geteuid())
        return error_set(err, ERROR_USAGE, "store '%s' belongs to user %u, not to the user of this process, %u", path,
                         (unsigned)status->st_uid, (unsigned)geteuid());
    if ((status->st_mode & 022) != 0)
        return error_set(err, ERROR_USAGE, "store '%s' has mode %04o; only its owner may write to it: chmod 700", path,
                         (unsigned)(status->st_mode & 07777));
    return true;
}

static bool open_folder(struct store *s, struct error *err)
{
    char        resolved[PATH_MAX];
    struct stat status;
    /* would follow a link */
    for (size_t len = strlen(s->path); len > 1 && s->path[len - 1] == '/'; len--) s->path[len - 1] = '\0';
    if (mkdir(s->path, 0700) == 0) (void)!folder_sync_above(s->path);   /* one that may be entered and not read cannot be */
    else if (errno != EEXIST) return error_set_errno(err, ERROR_OUTPUT, "cannot create store '%s'", s->path);
    if (lstat(s->path, &status) != 0) return error_set_errno(err, ERROR_OUTPUT, "cannot examine store '%s'", s->path);
    if (!check_folder(&status, s->path, err)) return false;
    if (realpath(s->path, resolved) == NULL) return error_set_errno(err, ERROR_OUTPUT, "cannot examine store '%s'", s->path);
    s->folder = strdup(resolved);
    CHECK(s->folder != NULL);
    s->file = name_in_folder(s, "store.db");
    return true;
}

/* --- The lock ------------------------------------------------------------------------------------------------------------- */

static bool refuse_second(int fd, const char *path, struct error *err)
{
    char    text[32] = "";
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    long    pid = len > 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0)
        return error_set(err, ERROR_OUTPUT, "store '%s' is in use by another process, %ld; each needs a store of its own", path,
                         pid);
    return error_set(err, ERROR_OUTPUT, "store '%s' is in use by another process; each needs a store of its own", path);
}

/* A lock of the open file, which goes with the process however it ends. */
static bool take_lock(struct store *s, struct error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char        *name = name_in_folder(s, "lock"), text[32];
    s->lock_fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    free(name);
    if (s->lock_fd < 0) return error_set_errno(err, ERROR_OUTPUT, "cannot open 'lock' in store '%s'", s->path);
    if (fcntl(s->lock_fd, F_OFD_SETLK, &whole) != 0) {
        if (errno == EAGAIN || errno == EACCES) return refuse_second(s->lock_fd, s->path, err);
        return error_set_errno(err, ERROR_OUTPUT, "cannot lock store '%s'", s->path);
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* The number is only for the message above: a full disk must not keep us from starting. */
    if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, text, (size_t)len, 0) != len) return true;
    return true;
}

/* --- What is kept in memory ----------------------------------------------------------------------------------------------- */

/* A row that is not what was written goes: the source starts that stream over, the sink where the spool begins. */
static int drop_bad_row(const struct connection *c, enum statement drop, sqlite3_stmt *found, int keys)
{
    struct slice  key[2];
    sqlite3_stmt *s = statement(c, drop);
    for (int i = 0; i < keys; i++) {
        key[i] = column_bytes(found, i);
        CHECK(sqlite3_bind_blob64(s, i + 1, key[i].len > 0 ? key[i].data : "", key[i].len, SQLITE_TRANSIENT) == SQLITE_OK);
    }
    sqlite3_reset(found);
    int result = run(s);
    if (result == SQLITE_OK && sqlite3_changes(c->db) == 0) result = SQLITE_CORRUPT;   /* found by walking, not by its key */
    return result;
}

static int check_positions(struct store *s)
{
    struct row_position row;
    sqlite3_stmt       *each = statement(&s->writer, SQL_EACH_POSITION);
    uint64_t            dropped = 0;
    int                 result;
    while ((result = sqlite3_step(each)) == SQLITE_ROW) {
        if (get_position(each, &row)) continue;
        if ((result = drop_bad_row(&s->writer, SQL_DROP_POSITION, each, 2)) != SQLITE_OK) break;
        dropped++;
    }
    sqlite3_reset(each);
    if (dropped > 0)
        log_line(LOG_ERROR, "store",
                 "%llu positions in '%s' are damaged and dropped: those streams are read from their beginning",
                 (unsigned long long)dropped, s->path);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int check_cursors(struct store *s, uint64_t *highest)
{
    struct row_cursor row;
    sqlite3_stmt     *each = statement(&s->writer, SQL_EACH_CURSOR);
    uint64_t          dropped = 0;
    int               result;
    while ((result = sqlite3_step(each)) == SQLITE_ROW) {
        if (get_cursor(each, &row)) {
            if (row.next > *highest) *highest = row.next;
            continue;
        }
        if ((result = drop_bad_row(&s->writer, SQL_DROP_CURSOR, each, 1)) != SQLITE_OK) break;
        dropped++;
    }
    sqlite3_reset(each);
    s->cursors_lost = s->cursors_lost || dropped > 0;
    if (dropped > 0)
        log_line(LOG_ERROR, "store", "how far %llu sinks are is damaged in '%s' and dropped: they get the whole spool again",
                 (unsigned long long)dropped, s->path);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static uint64_t last_in(const struct connection *c, enum statement which, int *result)
{
    sqlite3_stmt *s = statement(c, which);
    int           got = sqlite3_step(s);
    int64_t       last = got == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    if (got != SQLITE_ROW && got != SQLITE_DONE) *result = got;
    sqlite3_reset(s);
    return last > 0 ? (uint64_t)last : 0;
}

/* A number that is lost is made up for by one that was surely not given yet. */
static int load_next_seq(struct store *s, uint64_t highest_cursor, uint64_t *next)
{
    int result = get_meta(&s->writer, next);
    if (result != SQLITE_NOTFOUND) return result;
    result = SQLITE_OK;
    uint64_t body = last_in(&s->writer, SQL_LAST_BODY, &result), head = last_in(&s->writer, SQL_LAST_HEAD, &result);
    uint64_t last = body > head ? body : head;
    if (result != SQLITE_OK) return result;
    *next = last + 1 > highest_cursor ? last + 1 : highest_cursor;
    if (*next > 1)
        log_line(LOG_ERROR, "store", "the next number of a block is damaged in '%s'; going on at %llu", s->path,
                 (unsigned long long)*next);
    return put_meta(&s->writer, *next);
}

/* A block whose number was never given would be taken for one that is still to come. */
static int drop_phantoms(struct store *s, uint64_t next)
{
    int      result;
    uint64_t found = next_block(&s->writer, next, &result);
    if (result != SQLITE_OK || found == UINT64_MAX) return result;
    log_line(LOG_ERROR, "store", "the number of a block is damaged in '%s'; the block is lost", s->path);
    static const enum statement drops[] = {SQL_DROP_BODIES, SQL_DROP_HEADS};
    for (size_t i = 0; i < 2 && result == SQLITE_OK; i++) {
        bind_number(statement(&s->writer, drops[i]), 1, next);
        bind_number(statement(&s->writer, drops[i]), 2, UINT64_MAX);
        result = run(statement(&s->writer, drops[i]));
    }
    return result;
}

static int load_index(struct store *s)
{
    sqlite3_stmt *each = statement(&s->writer, SQL_EACH_HEAD);
    int           result;
    index_clear(&s->index);
    while ((result = sqlite3_step(each)) == SQLITE_ROW)
        index_add(&s->index, (uint64_t)sqlite3_column_int64(each, 0), (uint64_t)sqlite3_column_int64(each, 1));
    sqlite3_reset(each);
    if (result != SQLITE_DONE) return result;
    uint64_t to;
    if (index_drop(&s->index, s->keep_from, &to)) {
        uint64_t blocks, bytes;
        result = sum_heads(&s->writer, s->keep_from, to, &blocks, &bytes);
        if (result != SQLITE_OK) return result;
        index_recounted(&s->index, s->keep_from, blocks, bytes);
    }
    return SQLITE_OK;
}

static int load_state(struct store *s)
{
    uint64_t highest = 1, next = 1;
    int      result = check_positions(s);
    if (result == SQLITE_OK) result = check_cursors(s, &highest);
    if (result == SQLITE_OK) result = load_next_seq(s, highest, &next);
    if (result == SQLITE_OK) result = drop_phantoms(s, next);
    if (result != SQLITE_OK) return result;
    pthread_mutex_lock(&s->lock);
    result = load_index(s);
    s->next_seq = next;
    pthread_mutex_unlock(&s->lock);
    return result;
}

/* --- Connections ---------------------------------------------------------------------------------------------------------- */

static int note_frames(void *context, sqlite3 *db, const char *name, int frames)
{
    struct store *s = context;
    (void)db;
    (void)name;
    s->wal_frames = (uint64_t)frames;
    return SQLITE_OK;
}

/* SQLite would take a database without a page for a new one, and throw its log away. */
static bool has_lost_its_beginning(const struct store *s)
{
    struct stat database, log;
    char       *name = store_name(s, "-wal");
    bool        short_of_a_page = lstat(s->file, &database) == 0 && database.st_size < STORE_PAGE_BYTES;
    bool        has_log = lstat(name, &log) == 0 && log.st_size > 0;
    free(name);
    return short_of_a_page && (has_log || database.st_size > 0);
}

enum trouble store_attach(struct store *s, struct error *err)
{
    int result = SQLITE_CORRUPT;
    if (!store_make_file(s->file)) {
        error_set_errno(err, ERROR_OUTPUT, "cannot create 'store.db' in store '%s'", s->path);
        return TROUBLE_FAILED;
    }
    bool damaged;
    s->wal_frames = wal_mend(s, &damaged);
    if (damaged) s->cursors_lost = true;
    if (!has_lost_its_beginning(s)) result = connection_open(&s->writer, s->file, OPEN_OWNED);
    if (result == SQLITE_OK) {
        sqlite3_wal_hook(s->writer.db, note_frames, s);
        result = load_state(s);
    }
    s->broken = false;
    if (result == SQLITE_OK) {
        int moved = store_checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
        if (is_fatal(moved) && trouble_of(&s->writer, moved) != TROUBLE_FULL) result = moved;
    }
    enum trouble trouble = trouble_of(&s->writer, result);
    if (trouble == TROUBLE_NONE) return TROUBLE_NONE;
    if ((result & 0xff) == SQLITE_FORMAT)
        error_set(err, ERROR_OUTPUT,
                  "store '%s' was written by a newer version of this program; use that one, or an empty folder", s->path);
    set_trouble(err, "open", s->path, &s->writer, result);
    connection_close(&s->writer, false);
    s->broken = true;
    return trouble;
}

void store_detach_reader(struct store *s)
{
    pthread_mutex_lock(&s->reading);
    connection_close(&s->reader, false);
    s->reader_barred = true;
    pthread_mutex_unlock(&s->reading);
}

void store_admit_reader(struct store *s)
{
    pthread_mutex_lock(&s->reading);
    s->reader_barred = false;
    pthread_mutex_unlock(&s->reading);
}

/* Opens what is there; from a damaged database a new one is made once. */
static bool attach_or_rescue(struct store *s, struct rescued *rescued, struct error *err)
{
    struct error damage = {0};
    enum trouble trouble = store_attach(s, &damage);
    if (trouble == TROUBLE_DAMAGED) {
        log_line(LOG_ERROR, "store", "%s", damage.text);
        if (store_rescue(s, 0, rescued, err) != TROUBLE_NONE) return false;
        return store_attach(s, err) == TROUBLE_NONE;
    }
    return trouble == TROUBLE_NONE || error_set(err, damage.code, "%s", damage.text);
}

bool store_reopen(struct store *s, struct error *err)
{
    struct rescued rescued = {0};
    store_detach_reader(s);
    connection_close(&s->writer, false);
    s->broken = true;
    if (!wal_cut(s, s->wal_frames)) return error_set_errno(err, ERROR_OUTPUT, "cannot write store '%s'", s->path);
    if (!attach_or_rescue(s, &rescued, err)) return false;
    store_admit_reader(s);
    pthread_mutex_lock(&s->lock);
    s->figures.damaged_blocks += rescued.lost_blocks;
    pthread_mutex_unlock(&s->lock);
    if (s->broken) return error_set(err, ERROR_OUTPUT, "cannot write store '%s': no space left on device", s->path);
    log_line(LOG_INFO, "store", "'%s' was opened anew", s->path);
    return true;
}

/* --- Opening and closing -------------------------------------------------------------------------------------------------- */

/* Heads tell which key a block needs; a damaged head must not keep the store shut, so the block itself is asked, too. */
static bool check_keys(struct store *s, const char *key_file, struct error *err)
{
    const struct connection *c = &s->writer;
    sqlite3_stmt            *each = statement(c, SQL_EACH_HEAD), *body = statement(c, SQL_GET_BODY);
    uint64_t                 foreign = 0;
    while (foreign == 0 && sqlite3_step(each) == SQLITE_ROW) {
        uint64_t key = (uint64_t)sqlite3_column_int64(each, 2), seq = (uint64_t)sqlite3_column_int64(each, 0);
        if (key == 0 || key == s->keys->id) continue;
        bind_number(body, 1, seq);
        if (sqlite3_step(body) == SQLITE_ROW) {
            key = block_key_id(column_bytes(body, 0));
            if (key != 0 && key != s->keys->id) foreign = seq;
        }
        sqlite3_reset(body);
    }
    sqlite3_reset(each);
    if (foreign == 0) return true;
    if (key_file == NULL)
        return error_set(err, ERROR_USAGE,
                         "store '%s' holds encrypted blocks, such as %llu; give the key file that they were written with",
                         s->path, (unsigned long long)foreign);
    return error_set(err, ERROR_USAGE,
                     "store '%s' holds blocks, such as %llu, that were encrypted with another key than that in '%s'; "
                     "give the old one until the spool is empty", s->path, (unsigned long long)foreign, key_file);
}

static struct store *store_new(const struct store_options *options)
{
    struct store *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->path = strdup(options->path);
    CHECK(s->path != NULL);
    s->lock_fd = -1;
    s->max_bytes = options->max_bytes;
    s->reader_barred = true;
    pthread_mutex_init(&s->reading, NULL);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static bool open_all(struct store *s, const struct store_options *options, struct store_report *report, struct error *err)
{
    struct rescued rescued = {0};
    if (!open_folder(s, err) || !take_lock(s, err)) return false;
    s->keys = store_keys_new(options->key_file, err);
    s->packer = packer_new();
    if (s->keys == NULL || s->packer == NULL) return error_set(err, ERROR_MEMORY, "no memory for the store");
    if (!store_finish_rescue(s, err) || !attach_or_rescue(s, &rescued, err) || !check_keys(s, options->key_file, err))
        return false;
    if (!store_sync_folder(s)) return error_set_errno(err, ERROR_OUTPUT, "cannot sync store '%s'", s->path);
    store_keep_reserve(s);
    store_admit_reader(s);
    *report = (struct store_report){.blocks = s->index.blocks, .bytes = s->index.bytes, .damaged_blocks = rescued.lost_blocks,
                                    .set_aside = rescued.aside[0] != '\0'};
    memcpy(report->aside, rescued.aside, sizeof report->aside);
    s->figures.damaged_blocks = rescued.lost_blocks;
    return true;
}

struct store *store_open(const struct store_options *options, struct store_report *report, struct error *err)
{
    struct store *s = store_new(options);
    if (open_all(s, options, report, err)) return s;
    store_close(s);
    return NULL;
}

void store_close(struct store *s)
{
    connection_close(&s->reader, false);
    connection_close(&s->writer, !s->broken);
    if (s->lock_fd >= 0) close(s->lock_fd);
    store_keys_free(s->keys);
    packer_free(s->packer);
    index_release(&s->index);
    pthread_mutex_destroy(&s->reading);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s->folder);
    free(s->file);
    free(s);
}
