/* Writing the store: one transaction for each change, by the committing thread. */
#include "store_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define RESERVE_BYTES   (4 * 1024 * 1024)   /* the log of deleting STORE_DELETE_BATCH blocks takes less */
#define LONG_LOG_PAGES  (4 * STORE_WAL_PAGES)   /* so long only if readers never let go of it: they are held off then */
#define FREE_PAGES_KEPT 4096                /* for the next blocks */
#define FREE_PAGES_STEP 2048                /* given back in one call of store_maintain() */

/* What became of a change before SQLite had a say, or SQLite's word. */
struct attempt {
    int       result;        /* of SQLite */
    bool      over_quota;
    uint64_t  too_large;     /* bytes of a block that has no room in an empty spool; 0: there was none */
    bool      full;          /* the disk is */
    uint64_t *sizes;         /* of its blocks, packed */
    uint64_t  next_seq;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- The disk ------------------------------------------------------------------------------------------------------------- */

int store_checkpoint(struct store *s, int mode)
{
    int frames = -1, moved = -1;
    int result = sqlite3_wal_checkpoint_v2(s->writer.db, NULL, mode, &frames, &moved);
    if (result == SQLITE_OK && frames == moved) s->wal_frames = 0;
    if (is_fatal(result)) s->broken = true;
    return result;
}

static void tidy_up(struct store *s, int mode)
{
    int result = store_checkpoint(s, mode);
    if (!is_fatal(result)) return;
    struct error err = {0};
    set_trouble(&err, "tidy up", s->path, &s->writer, result);
    log_line(LOG_WARNING, "store", "%s; nothing is lost", err.text);
}

/* Keeps the log short. Readers hold it up for the time of one block at most. */
static void shorten_log(struct store *s)
{
    if (s->wal_frames < STORE_WAL_PAGES) return;
    tidy_up(s, SQLITE_CHECKPOINT_PASSIVE);
    if (s->broken || s->wal_frames < LONG_LOG_PAGES) return;
    pthread_mutex_lock(&s->reading);
    tidy_up(s, SQLITE_CHECKPOINT_TRUNCATE);
    pthread_mutex_unlock(&s->reading);
}

static char *reserve_name(const struct store *s)
{
    char *name;
    CHECK(asprintf(&name, "%s/reserve", s->folder) >= 0);
    return name;
}

void store_keep_reserve(struct store *s)
{
    if (s->has_reserve) return;
    char *name = reserve_name(s);
    int   fd = open(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    s->has_reserve = fd >= 0 && posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
    if (fd >= 0) close(fd);
    if (fd >= 0 && !s->has_reserve) unlink(name);   /* part of it is of no use */
    free(name);
}

static bool give_up_reserve(struct store *s)
{
    if (!s->has_reserve) return false;
    char *name = reserve_name(s);
    bool  gone = unlink(name) == 0;
    s->has_reserve = false;
    free(name);
    return gone;
}

/* --- One transaction ------------------------------------------------------------------------------------------------------ */

static int step(struct store *s, enum statement which) { return run(statement(&s->writer, which)); }

/* Bytes in the spool once blocks before keep_from are gone. */
static int used_bytes(struct store *s, uint64_t keep_from, uint64_t *bytes)
{
    uint64_t to, blocks, rest = 0;
    pthread_mutex_lock(&s->lock);
    *bytes = index_bytes_from(&s->index, keep_from, &to);
    pthread_mutex_unlock(&s->lock);
    int result = keep_from < to ? sum_heads(&s->writer, keep_from, to, &blocks, &rest) : SQLITE_OK;
    *bytes += rest;
    return result;
}

static int put_blocks(struct store *s, const struct store_change *change, struct attempt *a)
{
    uint64_t used;
    int      result = change->block_count == 0 ? SQLITE_OK : used_bytes(s, s->keep_from, &used);
    for (size_t i = 0; i < change->block_count && result == SQLITE_OK; i++) {
        const struct store_block *block = &change->blocks[i];
        struct slice              packed;
        CHECK(block->seq > 0 && block->seq < INT64_MAX);
        if (!block_pack(s->packer, s->keys, block, &packed)) return SQLITE_NOMEM;
        used += a->sizes[i] = packed.len;
        a->over_quota = used > s->max_bytes;
        if (packed.len > s->max_bytes) a->too_large = packed.len;
        if (a->over_quota) return SQLITE_FULL;
        if (block->seq >= a->next_seq) a->next_seq = block->seq + 1;
        result = put_packed(&s->writer, block->seq, packed);
    }
    return result;
}

static int put_positions(struct store *s, const struct store_change *change)
{
    int result = SQLITE_OK;
    for (size_t i = 0; i < change->position_count && result == SQLITE_OK; i++) {
        const struct position *p = change->positions[i].position;
        result = put_position(&s->writer, &(struct row_position){slice_from(change->positions[i].source),
                                                                 slice_of(p->key, p->key_len), slice_of(p->value, p->value_len)});
    }
    return result;
}

static int put_cursors(struct store *s, const struct store_change *change)
{
    int result = SQLITE_OK;
    for (size_t i = 0; i < change->dropped_count && result == SQLITE_OK; i++) {
        bind_bytes(statement(&s->writer, SQL_DROP_CURSOR), 1, slice_from(change->dropped_sinks[i]));
        result = step(s, SQL_DROP_CURSOR);
    }
    for (size_t i = 0; i < change->cursor_count && result == SQLITE_OK; i++)
        result = put_cursor(&s->writer, &(struct row_cursor){slice_from(change->cursors[i].sink), change->cursors[i].next});
    return result;
}

/* Deletes some of the blocks before keep_from; what is left over goes later, so that no transaction takes very long. */
static int drop_blocks(struct store *s)
{
    int      result;
    uint64_t first = next_block(&s->writer, 0, &result);
    if (result != SQLITE_OK || first >= s->keep_from) return result;
    uint64_t to = s->keep_from - first > STORE_DELETE_BATCH ? first + STORE_DELETE_BATCH : s->keep_from;
    static const enum statement drops[] = {SQL_DROP_BODIES, SQL_DROP_HEADS};
    for (size_t i = 0; i < 2 && result == SQLITE_OK; i++) {
        bind_number(statement(&s->writer, drops[i]), 1, first);
        bind_number(statement(&s->writer, drops[i]), 2, to);
        result = step(s, drops[i]);
    }
    return result;
}

static void roll_back(struct store *s)
{
    if (sqlite3_get_autocommit(s->writer.db) == 0) (void)step(s, SQL_ROLLBACK);   /* SQLite may have done it already */
}

static void write_change(struct store *s, const struct store_change *change, struct attempt *a)
{
    a->over_quota = a->full = false;
    a->too_large = 0;
    a->next_seq = s->next_seq > change->next_seq ? s->next_seq : change->next_seq;
    a->result = step(s, SQL_BEGIN);
    if (a->result == SQLITE_OK) a->result = put_blocks(s, change, a);
    if (a->result == SQLITE_OK) a->result = put_positions(s, change);
    if (a->result == SQLITE_OK) a->result = put_cursors(s, change);
    if (a->result == SQLITE_OK) a->result = drop_blocks(s);
    if (a->result == SQLITE_OK && a->next_seq != s->next_seq) a->result = put_meta(&s->writer, a->next_seq);
    if (a->result == SQLITE_OK) a->result = step(s, SQL_COMMIT);
    if (a->result != SQLITE_OK) roll_back(s);
    if (is_fatal(a->result)) s->broken = true;
    packer_shrink(s->packer);
}

/* --- Commit --------------------------------------------------------------------------------------------------------------- */

/* From here on the database differs from the index: the index follows. */
static void note_change(struct store *s, const struct store_change *change, const struct attempt *a)
{
    uint64_t to, blocks = 0, bytes = 0;
    pthread_mutex_lock(&s->lock);
    s->next_seq = a->next_seq;
    for (size_t i = 0; i < change->block_count; i++)
        if (change->blocks[i].seq >= s->keep_from) index_add(&s->index, change->blocks[i].seq, a->sizes[i]);
    if (s->lowest < s->keep_from) {
        s->lowest = s->keep_from;
        if (index_drop(&s->index, s->keep_from, &to)) {
            if (sum_heads(&s->writer, s->keep_from, to, &blocks, &bytes) == SQLITE_OK)
                index_recounted(&s->index, s->keep_from, blocks, bytes);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

/* A new database from the damaged one, then the change once more. */
static bool rescue_and_repeat(struct store *s, const struct store_change *change, struct attempt *a, struct error *err)
{
    struct rescued rescued = {0};
    set_trouble(err, "write", s->path, &s->writer, a->result);
    log_line(LOG_ERROR, "store", "%s", err->text);
    *err = (struct error){0};
    connection_close(&s->writer, false);
    s->broken = true;   /* until store_attach() */
    enum trouble trouble = store_rescue(s, s->keep_from, &rescued, err);
    a->full = trouble == TROUBLE_FULL;
    if (trouble != TROUBLE_NONE || store_attach(s, err) != TROUBLE_NONE) return false;
    store_admit_reader(s);
    pthread_mutex_lock(&s->lock);
    s->figures.damaged_blocks += rescued.lost_blocks;
    pthread_mutex_unlock(&s->lock);
    write_change(s, change, a);
    return true;
}

static bool attempt_change(struct store *s, const struct store_change *change, struct attempt *a, struct error *err)
{
    if (s->broken && !store_reopen(s, err)) return false;
    if (change->keep_from > s->keep_from) s->keep_from = change->keep_from;
    write_change(s, change, a);
    if (trouble_of(&s->writer, a->result) == TROUBLE_FULL && change->block_count == 0 && give_up_reserve(s)) {
        if (s->broken && !store_reopen(s, err)) return false;
        write_change(s, change, a);
    }
    if (trouble_of(&s->writer, a->result) == TROUBLE_DAMAGED && !rescue_and_repeat(s, change, a, err)) return false;
    if (a->result == SQLITE_OK) return true;
    if (a->too_large > 0)
        return error_set(err, ERROR_OUTPUT,
                         "the spool in store '%s' cannot take a block of %llu bytes, since max_bytes is %llu: raise it", s->path,
                         (unsigned long long)a->too_large, (unsigned long long)s->max_bytes);
    if (a->over_quota)
        return error_set(err, ERROR_OUTPUT, "the spool in store '%s' is full: %llu of %llu bytes are in use", s->path,
                         (unsigned long long)s->index.bytes, (unsigned long long)s->max_bytes);
    a->full = trouble_of(&s->writer, a->result) == TROUBLE_FULL;
    return set_trouble(err, "write", s->path, &s->writer, a->result);
}

static void note_figures(struct store *s, enum store_result result, bool disk_full, uint64_t took_us)
{
    pthread_mutex_lock(&s->lock);
    struct store_figures *f = &s->figures;
    f->full = result == STORE_FULL;
    f->failing = result == STORE_FAILED;
    if (f->full) f->disk_full = disk_full;
    if (result == STORE_OK) {
        f->commits++;
        f->commit_us_last = took_us;
        if (took_us > f->commit_us_max) f->commit_us_max = took_us;
    } else if (result == STORE_FULL) {
        f->full_commits++;
    } else {
        f->failed_commits++;
    }
    pthread_mutex_unlock(&s->lock);
}

enum store_result store_commit(struct store *s, const struct store_change *change, struct error *err)
{
    uint64_t       began = now_us();
    struct attempt a = {.sizes = calloc(change->block_count + 1, sizeof *a.sizes)};
    CHECK(a.sizes != NULL);
    bool              done = attempt_change(s, change, &a, err);
    enum store_result result = STORE_OK;
    if (done) {
        note_change(s, change, &a);
        shorten_log(s);
    } else {
        result = a.over_quota || a.full ? STORE_FULL : STORE_FAILED;
    }
    free(a.sizes);
    note_figures(s, result, a.full, now_us() - began);
    return result;
}

/* --- Maintenance ---------------------------------------------------------------------------------------------------------- */

static void give_back_pages(struct store *s)
{
    uint64_t free_pages = free_page_count(&s->writer);
    if (free_pages <= FREE_PAGES_KEPT) return;
    uint64_t step_pages = free_pages - FREE_PAGES_KEPT < FREE_PAGES_STEP ? free_pages - FREE_PAGES_KEPT : FREE_PAGES_STEP;
    int      result = release_pages(&s->writer, step_pages);
    if (is_fatal(result)) s->broken = true;   /* damage is dealt with by the commit that meets it */
}

void store_maintain(struct store *s)
{
    struct error err = {0};
    if (s->broken && !store_reopen(s, &err)) return;   /* the next commit tells why */
    int result = step(s, SQL_BEGIN);
    if (result == SQLITE_OK) result = drop_blocks(s);
    if (result == SQLITE_OK) result = step(s, SQL_COMMIT);
    if (result != SQLITE_OK) roll_back(s);
    if (is_fatal(result)) s->broken = true;
    if (!s->broken) give_back_pages(s);
    if (!s->broken) tidy_up(s, SQLITE_CHECKPOINT_PASSIVE);
    store_keep_reserve(s);
}
