/* Reading the store: any thread, one at a time on the reader's connection. What cannot be read is never taken for what is
 * not there: a sink would pass it over. */
#include "store_priv.h"

#include "base/clock.h"
#include "base/log.h"

/* A block that the disk has refused so often and for so long, while it hands out the next one, is damaged. */
#define READ_TRIES 5
#define READ_MS    60000

/* --- The reader ----------------------------------------------------------------------------------------------------------- */

/* With `reading` held. */
static bool reader_is_open(struct store *s, struct error *err)
{
    if (s->reader.db != NULL) return true;
    if (s->reader_barred)
        return error_set(err, ERROR_INPUT, "cannot read store '%s': it is being opened anew after a failure", s->path);
    int result = connection_open(&s->reader, s->file, OPEN_OWNED);
    if (result == SQLITE_OK) return true;
    set_trouble(err, "read", s->path, &s->reader, result);
    connection_close(&s->reader, false);
    return false;
}

/* With `reading` held. Handles that failed are not used again. */
static void note_result(struct store *s, int result)
{
    int primary = result & 0xff;
    if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_PROTOCOL) connection_close(&s->reader, false);
}

static void tell_damage(struct store *s, uint64_t seq)
{
    pthread_mutex_lock(&s->lock);
    bool first = index_tell(&s->index, seq);
    if (first) s->figures.damaged_blocks++;
    pthread_mutex_unlock(&s->lock);
    if (first) log_line(LOG_ERROR, "store", "block %llu in '%s' is damaged and lost", (unsigned long long)seq, s->path);
}

/* --- Blocks --------------------------------------------------------------------------------------------------------------- */

/* With `reading` held: the block as it is kept, malloc'ed. SQLITE_DONE: not there. */
static int get_body(struct store *s, uint64_t seq, char **packed, size_t *len)
{
    sqlite3_stmt *body = statement(&s->reader, SQL_GET_BODY);
    bind_number(body, 1, seq);
    int result = sqlite3_step(body);
    if (result == SQLITE_ROW) {
        struct slice found = column_bytes(body, 0);
        *len = found.len;
        *packed = malloc(found.len + 1);
        if (*packed == NULL) result = SQLITE_NOMEM;
        else memcpy(*packed, found.data, found.len);
    }
    sqlite3_reset(body);
    return result;
}

/* With `reading` held. A head without a body: the body is lost. */
static bool has_head(struct store *s, uint64_t seq)
{
    sqlite3_stmt *head = statement(&s->reader, SQL_HAS_HEAD);
    bind_number(head, 1, seq);
    bool has = sqlite3_step(head) == SQLITE_ROW;
    sqlite3_reset(head);
    return has;
}

/* With `reading` held. */
static bool can_read_behind(struct store *s, uint64_t seq)
{
    struct error err = {0};
    char        *packed = NULL;
    size_t       len;
    int          result;
    if (!reader_is_open(s, &err)) return false;
    uint64_t next = next_block(&s->reader, seq + 1, &result);
    if (next != UINT64_MAX) result = get_body(s, next, &packed, &len);
    free(packed);
    note_result(s, result);
    return result == SQLITE_ROW;
}

/* With `reading` held, after the disk has refused a block. One bad sector must not hold up everything behind it, and a disk
 * that is away for a while must not cost a block. */
static bool is_hopeless(struct store *s, uint64_t seq)
{
    uint64_t now = clock_monotonic_ms();
    if (s->unreadable_seq != seq || s->unreadable_times == 0) {
        s->unreadable_seq = seq;
        s->unreadable_times = 0;
        s->unreadable_since_ms = now;
    }
    s->unreadable_times++;
    return s->unreadable_times >= READ_TRIES && now - s->unreadable_since_ms >= READ_MS && can_read_behind(s, seq);
}

/* With `reading` held. */
static enum store_load fetch(struct store *s, uint64_t seq, char **packed, size_t *len, struct error *err)
{
    if (!reader_is_open(s, err)) return STORE_UNREADABLE;
    int result = get_body(s, seq, packed, len);
    if (s->unreadable_seq == seq && result == SQLITE_ROW) s->unreadable_times = 0;
    if (result == SQLITE_ROW) return STORE_FOUND;
    if (result == SQLITE_DONE) return has_head(s, seq) ? STORE_DAMAGED : STORE_GONE;
    if (trouble_of(&s->reader, result) == TROUBLE_DAMAGED) return STORE_DAMAGED;
    set_trouble(err, "read", s->path, &s->reader, result);
    note_result(s, result);
    return (result & 0xff) == SQLITE_IOERR && is_hopeless(s, seq) ? STORE_DAMAGED : STORE_UNREADABLE;
}

static bool is_deleted(struct store *s, uint64_t seq)
{
    pthread_mutex_lock(&s->lock);
    bool deleted = seq < s->lowest;
    pthread_mutex_unlock(&s->lock);
    return deleted;
}

enum store_load store_load(struct store *s, uint64_t seq, char **data, size_t *len, struct error *err)
{
    char  *packed = NULL;
    size_t packed_len = 0;
    if (is_deleted(s, seq)) return STORE_GONE;
    pthread_mutex_lock(&s->reading);
    enum store_load load = fetch(s, seq, &packed, &packed_len, err);
    pthread_mutex_unlock(&s->reading);
    if (load == STORE_FOUND) {
        enum block_state state = block_unpack(s->keys, seq, slice_of(packed, packed_len), data, len);
        if (state == BLOCK_NO_MEMORY) {
            error_set(err, ERROR_MEMORY, "cannot read store '%s': no memory", s->path);
            load = STORE_UNREADABLE;
        } else if (state != BLOCK_GOOD) {
            load = STORE_DAMAGED;
        }
    }
    free(packed);
    if (load == STORE_DAMAGED) tell_damage(s, seq);
    return load;
}

uint64_t store_next(struct store *s, uint64_t seq)
{
    struct error err = {0};
    uint64_t     next = UINT64_MAX, highest;
    pthread_mutex_lock(&s->lock);
    if (seq < s->lowest) seq = s->lowest;
    highest = s->next_seq;
    pthread_mutex_unlock(&s->lock);
    if (seq >= highest) return UINT64_MAX;
    pthread_mutex_lock(&s->reading);
    if (reader_is_open(s, &err)) {
        int result;
        next = next_block(&s->reader, seq, &result);
        /* With no answer from either table, the next number is offered: the block may be there. */
        if (result != SQLITE_OK && next == UINT64_MAX) next = seq;
        note_result(s, result);
    } else {
        next = seq;   /* store_load() will say why */
    }
    pthread_mutex_unlock(&s->reading);
    return next < highest ? next : UINT64_MAX;
}

uint64_t store_bytes_from(struct store *s, uint64_t seq)
{
    struct error err = {0};
    uint64_t     blocks, rest = 0, to;
    pthread_mutex_lock(&s->lock);
    if (seq < s->lowest) seq = s->lowest;
    uint64_t bytes = index_bytes_from(&s->index, seq, &to);
    pthread_mutex_unlock(&s->lock);
    if (seq >= to) return bytes;
    pthread_mutex_lock(&s->reading);
    if (reader_is_open(s, &err)) {
        int result = sum_heads(&s->reader, seq, to, &blocks, &rest);
        if (result != SQLITE_OK) rest = 0;
        note_result(s, result);
    }
    pthread_mutex_unlock(&s->reading);
    return bytes + rest;
}

uint64_t store_next_seq(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t next = s->next_seq;
    pthread_mutex_unlock(&s->lock);
    return next;
}

/* --- Cursors and positions ------------------------------------------------------------------------------------------------ */

bool store_cursor(struct store *s, const char *sink, uint64_t *next)
{
    struct error err = {0};
    bool         found = false;
    pthread_mutex_lock(&s->reading);
    if (reader_is_open(s, &err)) {
        sqlite3_stmt     *get = statement(&s->reader, SQL_GET_CURSOR);
        struct row_cursor row;
        bind_bytes(get, 1, slice_from(sink));
        found = sqlite3_step(get) == SQLITE_ROW && get_cursor(get, &row);
        if (found) *next = row.next;
        sqlite3_reset(get);
    }
    pthread_mutex_unlock(&s->reading);
    if (found || !s->cursors_lost) return found;
    uint64_t first = store_next(s, 0);
    *next = first != UINT64_MAX ? first : store_next_seq(s);
    return true;
}

void store_each_cursor(struct store *s, void (*each)(void *context, const char *sink, uint64_t next), void *context)
{
    struct error err = {0};
    pthread_mutex_lock(&s->reading);
    if (reader_is_open(s, &err)) {
        sqlite3_stmt     *get = statement(&s->reader, SQL_EACH_CURSOR);
        struct row_cursor row;
        int               result;
        while ((result = sqlite3_step(get)) == SQLITE_ROW) {
            if (!get_cursor(get, &row)) continue;
            char *sink = strndup(row.sink.data, row.sink.len);
            CHECK(sink != NULL);
            each(context, sink, row.next);
            free(sink);
        }
        sqlite3_reset(get);
        note_result(s, result);
    }
    pthread_mutex_unlock(&s->reading);
}

static void hand_position(const struct row_position *row, void (*each)(void *context, const struct position *), void *context)
{
    struct position position = {.key_len = (uint16_t)row->key.len, .value_len = (uint16_t)row->value.len};
    memcpy(position.key, row->key.data, row->key.len);
    memcpy(position.value, row->value.data, row->value.len);
    each(context, &position);
}

void store_each_position(struct store *s, const char *source, void (*each)(void *context, const struct position *), void *context)
{
    struct error err = {0};
    uint64_t     damaged = 0;
    int          result = SQLITE_DONE;
    pthread_mutex_lock(&s->reading);
    if (reader_is_open(s, &err)) {
        sqlite3_stmt       *get = statement(&s->reader, SQL_POSITIONS_OF);
        struct row_position row;
        bind_bytes(get, 1, slice_from(source));
        while ((result = sqlite3_step(get)) == SQLITE_ROW) {
            if (get_position(get, &row)) hand_position(&row, each, context);
            else damaged++;
        }
        sqlite3_reset(get);
        if (result != SQLITE_DONE) set_trouble(&err, "read", s->path, &s->reader, result);
        note_result(s, result);
    }
    pthread_mutex_unlock(&s->reading);
    if (damaged > 0)
        log_line(LOG_ERROR, "store", "%llu positions of '%s' are damaged: those streams are read from their beginning",
                 (unsigned long long)damaged, source);
    if (err.code != ERROR_NONE)
        log_line(LOG_ERROR, "store", "positions of '%s' are missing, those streams are read from their beginning: %s", source,
                 err.text);
}

struct store_figures store_figures(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    struct store_figures figures = s->figures;
    figures.blocks = s->index.blocks;
    figures.bytes = s->index.bytes;
    figures.max_bytes = s->max_bytes;
    pthread_mutex_unlock(&s->lock);
    return figures;
}
