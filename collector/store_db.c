/* The database of the store: one file, opened by a writer and a reader.
 *
 *     body      seq -> block as in store_block.c
 *     head      seq -> size and key id of the block: sums and checks at the start need not touch the bodies
 *     position  source, key -> value, sum
 *     cursor    sink -> next, sum
 *     meta      1 -> format, next_seq, sum
 *
 * Every row but a head has a check of its own, since SQLite has none on its pages. A wrong head can only make figures
 * wrong: which blocks there are is asked of both tables. */
#include "store_priv.h"

#include <endian.h>
#include <errno.h>

#define BUSY_MS 2000   /* wait for another program that looks into the database */

#define PLAUSIBLE "bytes BETWEEN 0 AND 1000000000"   /* no row is longer; a damaged head must not fill the quota */

static const char schema[] =
    "CREATE TABLE body(seq INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE head(seq INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, key INTEGER NOT NULL);"
    "CREATE TABLE position(source BLOB, key BLOB, value BLOB NOT NULL, sum BLOB NOT NULL, PRIMARY KEY(source, key))"
    " WITHOUT ROWID;"
    "CREATE TABLE cursor(sink BLOB PRIMARY KEY, next INTEGER NOT NULL, sum BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE meta(id INTEGER PRIMARY KEY, format INTEGER NOT NULL, next INTEGER NOT NULL, sum BLOB NOT NULL);";

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_PUT_BODY] = "INSERT OR REPLACE INTO body VALUES(?, ?)",
    [SQL_PUT_HEAD] = "INSERT OR REPLACE INTO head VALUES(?, ?, ?)",
    [SQL_DROP_BODIES] = "DELETE FROM body WHERE seq >= ? AND seq < ?",
    [SQL_DROP_HEADS] = "DELETE FROM head WHERE seq >= ? AND seq < ?",
    [SQL_PUT_POSITION] = "INSERT OR REPLACE INTO position VALUES(?, ?, ?, ?)",
    [SQL_DROP_POSITION] = "DELETE FROM position WHERE source = ? AND key = ?",
    [SQL_PUT_CURSOR] = "INSERT OR REPLACE INTO cursor VALUES(?, ?, ?)",
    [SQL_DROP_CURSOR] = "DELETE FROM cursor WHERE sink = ?",
    [SQL_PUT_META] = "INSERT OR REPLACE INTO meta VALUES(1, ?, ?, ?)",
    [SQL_GET_META] = "SELECT format, next, sum FROM meta WHERE id = 1",
    [SQL_GET_BODY] = "SELECT data FROM body WHERE seq = ?",
    [SQL_HAS_HEAD] = "SELECT 1 FROM head WHERE seq = ?",
    [SQL_NEXT_BODY] = "SELECT seq FROM body WHERE seq >= ? ORDER BY seq LIMIT 1",
    [SQL_NEXT_HEAD] = "SELECT seq FROM head WHERE seq >= ? ORDER BY seq LIMIT 1",
    [SQL_LAST_BODY] = "SELECT seq FROM body ORDER BY seq DESC LIMIT 1",
    [SQL_LAST_HEAD] = "SELECT seq FROM head ORDER BY seq DESC LIMIT 1",
    [SQL_SUM_HEADS] = "SELECT count(*), total(bytes) FROM head WHERE seq >= ? AND seq < ? AND " PLAUSIBLE,
    [SQL_EACH_HEAD] = "SELECT seq, bytes, key FROM head WHERE seq >= 0 AND " PLAUSIBLE " ORDER BY seq",
    [SQL_POSITIONS_OF] = "SELECT source, key, value, sum FROM position WHERE source = ? ORDER BY key",
    [SQL_EACH_POSITION] = "SELECT source, key, value, sum FROM position ORDER BY source, key",
    [SQL_EACH_POSITION_BACK] = "SELECT source, key, value, sum FROM position ORDER BY source DESC, key DESC",
    [SQL_GET_CURSOR] = "SELECT sink, next, sum FROM cursor WHERE sink = ?",
    [SQL_EACH_CURSOR] = "SELECT sink, next, sum FROM cursor ORDER BY sink",
    [SQL_EACH_CURSOR_BACK] = "SELECT sink, next, sum FROM cursor ORDER BY sink DESC",
};

/* --- Results -------------------------------------------------------------------------------------------------------------- */

static int system_error(const struct connection *c, int result)
{
    int primary = result & 0xff;
    bool of_system = primary == SQLITE_IOERR || primary == SQLITE_FULL || primary == SQLITE_CANTOPEN;
    return of_system && c->db != NULL ? sqlite3_system_errno(c->db) : 0;
}

enum trouble trouble_of(const struct connection *c, int result)
{
    int number = system_error(c, result);
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return TROUBLE_NONE;
    case SQLITE_FULL:
        return TROUBLE_FULL;
    case SQLITE_IOERR:
        return number == ENOSPC || number == EDQUOT ? TROUBLE_FULL : TROUBLE_FAILED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:        /* no such table, and the like */
    case SQLITE_CONSTRAINT:   /* nothing we write breaks one */
    case SQLITE_MISMATCH:
        return TROUBLE_DAMAGED;
    default:
        return TROUBLE_FAILED;
    }
}

/* What the disk refused may be half done, so the handles are not to be trusted; a full disk has refused before anything. */
bool is_fatal(int result)
{
    int primary = result & 0xff;
    return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY || primary == SQLITE_CORRUPT ||
           primary == SQLITE_NOTADB || primary == SQLITE_PROTOCOL;
}

bool set_trouble(struct error *err, const char *what, const char *path, const struct connection *c, int result)
{
    errno = system_error(c, result);
    if (errno != 0) return error_set_errno(err, ERROR_OUTPUT, "cannot %s store '%s'", what, path);
    if ((result & 0xff) == SQLITE_BUSY)
        return error_set(err, ERROR_OUTPUT, "cannot %s store '%s': another program holds a lock on its database", what, path);
    return error_set(err, ERROR_OUTPUT, "cannot %s store '%s': %s", what, path, sqlite3_errstr(result));
}

/* --- Opening -------------------------------------------------------------------------------------------------------------- */

static int execute(sqlite3 *db, const char *sql) { return sqlite3_exec(db, sql, NULL, NULL, NULL); }

/* What a pragma answers; -1: it cannot be asked. */
static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t       answer = -1;
    bool          good = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW;
    if (good) answer = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return answer;
}

static int set_limits(sqlite3 *db, enum opening how)
{
    char limits[512];
    snprintf(limits, sizeof limits,
             "PRAGMA cache_size = -%d; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
             "PRAGMA cell_size_check = ON; PRAGMA secure_delete = OFF; PRAGMA wal_autocheckpoint = 0;"
             "PRAGMA journal_size_limit = %d; PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL; PRAGMA writable_schema = %s",
             STORE_CACHE_KIB, STORE_WAL_BYTES, how == OPEN_DAMAGED_FILE ? "ON" : "OFF");
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return execute(db, limits);
}

/* The schema goes from the log into the database at once: an empty database without a log is then a new one. */
static int make_schema(sqlite3 *db)
{
    char layout[128];
    snprintf(layout, sizeof layout, "PRAGMA page_size = %d; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL",
             STORE_PAGE_BYTES);
    int result = execute(db, layout);
    if (result == SQLITE_OK) result = execute(db, "BEGIN IMMEDIATE");
    if (result == SQLITE_OK) result = execute(db, schema);
    if (result == SQLITE_OK) result = execute(db, "COMMIT");
    if (result == SQLITE_OK) result = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return result;
}

/* What could not be asked, for a lack of memory, say, is no damage. */
static int why_unanswered(sqlite3 *db)
{
    int result = sqlite3_extended_errcode(db);
    return result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_ERROR : result;
}

static int check_schema(sqlite3 *db)
{
    if (ask(db, "PRAGMA page_count") == 0) return make_schema(db);
    int result = execute(db, "SELECT count(*) FROM sqlite_schema");   /* reads it, and the log */
    if (result != SQLITE_OK) return result;
    int64_t tables = ask(db, "SELECT count(*) FROM sqlite_schema"), pages = tables >= 0 ? ask(db, "PRAGMA page_count") : -1;
    int64_t page_bytes = pages >= 0 ? ask(db, "PRAGMA page_size") : -1;
    if (page_bytes < 0) return why_unanswered(db);
    if (tables == 0) return pages <= 2 ? make_schema(db) : SQLITE_CORRUPT;
    if (page_bytes != STORE_PAGE_BYTES) return SQLITE_CORRUPT;
    return execute(db, "PRAGMA journal_mode = WAL");
}

static int prepare(struct connection *c)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        int result = sqlite3_prepare_v3(c->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[i], NULL);
        if (result != SQLITE_OK) return result;
    }
    return SQLITE_OK;
}

int connection_open(struct connection *c, const char *file, enum opening how)
{
    *c = (struct connection){0};
    int result = sqlite3_open_v2(file, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (result == SQLITE_OK) result = set_limits(c->db, how);
    if (result == SQLITE_OK && sqlite3_db_readonly(c->db, "main") == 1) return SQLITE_READONLY;
    if (result == SQLITE_OK && how == OPEN_OWNED) result = check_schema(c->db);
    if (result == SQLITE_OK) result = prepare(c);
    return result;
}

void connection_close(struct connection *c, bool tidy)
{
    for (size_t i = 0; i < SQL_COUNT; i++) sqlite3_finalize(c->statements[i]);
    if (c->db != NULL) {
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !tidy, NULL);
        sqlite3_close(c->db);
    }
    *c = (struct connection){0};
}

/* --- Rows ----------------------------------------------------------------------------------------------------------------- */

sqlite3_stmt *statement(const struct connection *c, enum statement which)
{
    CHECK(c->statements[which] != NULL);
    return c->statements[which];
}

int run(sqlite3_stmt *s)
{
    int result = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return result == SQLITE_DONE || result == SQLITE_ROW ? SQLITE_OK : result;
}

void bind_number(sqlite3_stmt *s, int index, uint64_t number)
{
    CHECK(sqlite3_bind_int64(s, index, number > INT64_MAX ? INT64_MAX : (int64_t)number) == SQLITE_OK);
}

void bind_bytes(sqlite3_stmt *s, int index, struct slice bytes)
{
    const char *data = bytes.len > 0 ? bytes.data : "";   /* NULL would be another value */
    CHECK(sqlite3_bind_blob64(s, index, data, bytes.len, SQLITE_STATIC) == SQLITE_OK);
}

struct slice column_bytes(sqlite3_stmt *s, int column)
{
    const char *data = sqlite3_column_blob(s, column);
    return data != NULL ? slice_of(data, (size_t)sqlite3_column_bytes(s, column)) : SLICE("");
}

static struct slice number_bytes(uint64_t *number)
{
    *number = htole64(*number);
    return slice_of((const char *)number, sizeof *number);
}

static void position_sum(const struct row_position *p, uint8_t sum[SUM_BYTES])
{
    row_sum('p', (const struct slice[]){p->source, p->key, p->value}, 3, sum);
}

static void cursor_sum(const struct row_cursor *c, uint8_t sum[SUM_BYTES])
{
    uint64_t next = c->next;
    row_sum('c', (const struct slice[]){c->sink, number_bytes(&next)}, 2, sum);
}

static void meta_sum(uint64_t format, uint64_t next_seq, uint8_t sum[SUM_BYTES])
{
    row_sum('m', (const struct slice[]){number_bytes(&format), number_bytes(&next_seq)}, 2, sum);
}

static bool has_sum(sqlite3_stmt *s, int column, const uint8_t sum[SUM_BYTES])
{
    return slice_equal(column_bytes(s, column), slice_of((const char *)sum, SUM_BYTES));
}

int put_position(const struct connection *c, const struct row_position *p)
{
    sqlite3_stmt *s = statement(c, p->value.len > 0 ? SQL_PUT_POSITION : SQL_DROP_POSITION);
    uint8_t       sum[SUM_BYTES];
    bind_bytes(s, 1, p->source);
    bind_bytes(s, 2, p->key);
    if (p->value.len > 0) {
        position_sum(p, sum);
        bind_bytes(s, 3, p->value);
        bind_bytes(s, 4, slice_of((const char *)sum, SUM_BYTES));
    }
    return run(s);
}

int put_cursor(const struct connection *c, const struct row_cursor *cursor)
{
    sqlite3_stmt *s = statement(c, SQL_PUT_CURSOR);
    uint8_t       sum[SUM_BYTES];
    cursor_sum(cursor, sum);
    bind_bytes(s, 1, cursor->sink);
    bind_number(s, 2, cursor->next);
    bind_bytes(s, 3, slice_of((const char *)sum, SUM_BYTES));
    return run(s);
}

int put_meta(const struct connection *c, uint64_t next_seq)
{
    sqlite3_stmt *s = statement(c, SQL_PUT_META);
    uint8_t       sum[SUM_BYTES];
    meta_sum(STORE_FORMAT, next_seq, sum);
    bind_number(s, 1, STORE_FORMAT);
    bind_number(s, 2, next_seq);
    bind_bytes(s, 3, slice_of((const char *)sum, SUM_BYTES));
    return run(s);
}

int put_packed(const struct connection *c, uint64_t seq, struct slice packed)
{
    sqlite3_stmt *s = statement(c, SQL_PUT_BODY);
    bind_number(s, 1, seq);
    bind_bytes(s, 2, packed);
    int result = run(s);
    if (result != SQLITE_OK) return result;
    s = statement(c, SQL_PUT_HEAD);
    bind_number(s, 1, seq);
    bind_number(s, 2, packed.len);
    bind_number(s, 3, block_key_id(packed));
    return run(s);
}

bool get_position(sqlite3_stmt *s, struct row_position *p)
{
    uint8_t sum[SUM_BYTES];
    *p = (struct row_position){column_bytes(s, 0), column_bytes(s, 1), column_bytes(s, 2)};
    position_sum(p, sum);
    return has_sum(s, 3, sum) && p->key.len <= POSITION_KEY_MAX && p->value.len <= POSITION_VALUE_MAX;
}

bool get_cursor(sqlite3_stmt *s, struct row_cursor *c)
{
    uint8_t sum[SUM_BYTES];
    *c = (struct row_cursor){column_bytes(s, 0), (uint64_t)sqlite3_column_int64(s, 1)};
    cursor_sum(c, sum);
    return has_sum(s, 2, sum);
}

int get_meta(const struct connection *c, uint64_t *next_seq)
{
    sqlite3_stmt *s = statement(c, SQL_GET_META);
    int           result = sqlite3_step(s);
    if (result == SQLITE_ROW) {
        uint8_t  sum[SUM_BYTES];
        uint64_t format = (uint64_t)sqlite3_column_int64(s, 0);
        *next_seq = (uint64_t)sqlite3_column_int64(s, 1);
        meta_sum(format, *next_seq, sum);
        result = !has_sum(s, 2, sum) ? SQLITE_NOTFOUND : format == STORE_FORMAT ? SQLITE_OK : SQLITE_FORMAT;
    } else if (result == SQLITE_DONE) {
        result = SQLITE_NOTFOUND;
    }
    sqlite3_reset(s);
    return result;
}

static uint64_t next_in(const struct connection *c, enum statement which, uint64_t seq, int *result)
{
    sqlite3_stmt *s = statement(c, which);
    bind_number(s, 1, seq);
    int      got = sqlite3_step(s);
    uint64_t next = got == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : UINT64_MAX;
    if (got != SQLITE_ROW && got != SQLITE_DONE) *result = got;
    sqlite3_reset(s);
    return next;
}

uint64_t next_block(const struct connection *c, uint64_t seq, int *result)
{
    *result = SQLITE_OK;
    uint64_t body = next_in(c, SQL_NEXT_BODY, seq, result), head = next_in(c, SQL_NEXT_HEAD, seq, result);
    return body < head ? body : head;
}

int sum_heads(const struct connection *c, uint64_t from, uint64_t to, uint64_t *blocks, uint64_t *bytes)
{
    sqlite3_stmt *s = statement(c, SQL_SUM_HEADS);
    bind_number(s, 1, from);
    bind_number(s, 2, to);
    int result = sqlite3_step(s);
    if (result == SQLITE_ROW) {
        *blocks = (uint64_t)sqlite3_column_int64(s, 0);
        *bytes = (uint64_t)sqlite3_column_double(s, 1);
        result = SQLITE_OK;
    }
    sqlite3_reset(s);
    return result;
}

uint64_t free_page_count(const struct connection *c)
{
    int64_t count = ask(c->db, "PRAGMA freelist_count");
    return count > 0 ? (uint64_t)count : 0;
}

int release_pages(const struct connection *c, uint64_t pages)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%llu)", (unsigned long long)pages);
    return execute(c->db, sql);
}
