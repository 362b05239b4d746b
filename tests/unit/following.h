/* For tests of the file source: a folder of logs, the source that reads them, and what came of each line.
 *
 * The source is driven as the pipeline does it, without one: its batches are looked into, their receipts wait until they are
 * settled, and what is settled is kept for the next start. Time is the test's own.
 *
 * A line is known by its text: "<number> ...", a number that no other line has. */
#ifndef LETHE_TESTS_FOLLOWING_H
#define LETHE_TESTS_FOLLOWING_H

#include "base/clock.h"
#include "base/log.h"
#include "redaction/redaction.h"
#include "settings.h"
#include "source.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MOST_LINES     60000
#define MOST_POSITIONS 8192
#define MOST_WAITING   4096
#define MAX_RECORD     ((size_t)32 * 1024)

extern const struct source_type source_file;

/* What the source sees of the store: the positions that were settled. */
struct store {
    struct position positions[MOST_POSITIONS];
    size_t          count;
};

struct seen {
    unsigned times;
    uint8_t  stream[16];
    uint64_t offset, turn;   /* the turn-th document, when it was seen last */
    bool     moved;          /* seen twice as different events */
};

struct world {
    char            folder[128], yaml[1024];
    uint64_t        born_ns;                 /* of the store: before all files, or never */
    struct store    store;
    struct keyring *keys;
    struct source  *source;
    struct cargo    cargo;
    struct receipt *waiting[MOST_WAITING];   /* filled, not settled */
    size_t          waiting_count;
    struct text_pool pool;
    struct yaml_document *document;
    struct seen     seen[MOST_LINES];
    uint64_t        documents, refused, batches, empty_batches, strangers;
    char            last[MAX_RECORD + 1];    /* text of the last document */
};

static struct world world;
static uint64_t     now_ms = 1000000;

static uint64_t test_clock(void) { return now_ms; }

void store_each_position(struct store *s, const char *source, void (*each)(void *context, const struct position *), void *context)
{
    assert_string_equal(source, "logs");
    for (size_t i = 0; i < s->count; i++) each(context, &s->positions[i]);
}

static inline void keep_position(struct store *s, const struct position *p)
{
    size_t i = 0;
    while (i < s->count && !(s->positions[i].key_len == p->key_len && memcmp(s->positions[i].key, p->key, p->key_len) == 0)) i++;
    if (i == s->count && p->value_len == 0) return;
    if (i == s->count) assert_true(s->count++ < MOST_POSITIONS);
    s->positions[i] = *p;
    if (p->value_len == 0) s->positions[i] = s->positions[--s->count];
}

static inline void settle(struct world *w, size_t count)
{
    if (count > w->waiting_count) count = w->waiting_count;
    for (size_t i = 0; i < count; i++) {
        struct receipt *r = w->waiting[i];
        for (size_t n = 0; n < r->position_count; n++) keep_position(&w->store, &r->positions[n]);
        w->source->type->settled(w->source, r);
    }
    w->waiting_count -= count;
    memmove(w->waiting, w->waiting + count, w->waiting_count * sizeof w->waiting[0]);
}

static inline void see(struct world *w, const struct cargo *c, const struct document *d)
{
    w->documents++;
    if (d->form == DOCUMENT_REFUSED) {
        w->refused++;
        return;
    }
    assert_true(d->len <= MAX_RECORD && d->origin < c->origin_count);
    memcpy(w->last, c->batch.data + d->start, d->len);
    w->last[d->len] = '\0';
    char               *end;
    unsigned long       number = strtoul(w->last, &end, 10);
    const struct origin *origin = &c->origins[d->origin];
    if (end == w->last || number >= MOST_LINES || d->len < 3 || w->last[d->len - 1] != '.') {
        w->strangers++;   /* not a whole line of ours */
        return;
    }
    struct seen *seen = &w->seen[number];
    if (seen->times > 0 && (seen->offset != d->offset || memcmp(seen->stream, origin->stream, 16) != 0)) seen->moved = true;
    seen->times++;
    seen->offset = d->offset;
    seen->turn = w->documents;
    memcpy(seen->stream, origin->stream, 16);
}

/* One call of fill(). */
static inline enum source_fill fill_once(struct world *w)
{
    struct error err = {0};
    struct cargo *c = &w->cargo;
    batch_clear(&c->batch);
    c->origin_count = 0;
    c->receipt = NULL;
    enum source_fill filled = w->source->type->fill(w->source, c, 0, &err);
    if (filled != SOURCE_FILLED) return filled;
    assert_non_null(c->receipt);
    for (size_t i = 0; i < c->batch.count; i++) see(w, c, &c->batch.documents[i]);
    w->batches++;
    w->empty_batches += c->batch.count == 0;
    assert_true(w->waiting_count < MOST_WAITING);
    w->waiting[w->waiting_count++] = c->receipt;
    return filled;
}

/* Until there is nothing to read just now. */
static inline void fill_all(struct world *w)
{
    for (int i = 0; fill_once(w) == SOURCE_FILLED; i++) {
        assert_true(i < 100000);
        if (w->waiting_count == MOST_WAITING) settle(w, MOST_WAITING / 2);
    }
}

/* So much time passes, in steps, with the source at work. */
static inline void pass(struct world *w, uint64_t ms)
{
    for (uint64_t until = now_ms + ms; now_ms < until;) {
        now_ms += until - now_ms < 250 ? until - now_ms : 250;
        fill_all(w);
    }
}

static inline void start(struct world *w)
{
    struct error err = {0};
    static const char *const none[] = {NULL};
    w->document = yaml_read("test", slice_from(w->yaml), &err);
    assert_non_null(w->document);
    w->source = calloc(1, source_file.bytes);
    assert_non_null(w->source);
    w->source->type = &source_file;
    w->source->name = "logs";
    w->source->max_record = MAX_RECORD;
    w->source->keys = w->keys;
    w->source->store = &w->store;
    w->source->store_born_ns = w->born_ns;
    struct mistakes mistakes = {0};
    if (!settings_read(yaml_root(w->document), source_file.settings, none, w->source, &w->pool, &mistakes))
        fail_msg("%s", mistakes.each[0].text);
    if (!source_file.open(w->source, &err)) fail_msg("%s", err.text);
}

/* As kill -9: what is not settled is forgotten. */
static inline void crash(struct world *w)
{
    for (size_t i = 0; i < w->waiting_count; i++) w->source->type->abandoned(w->source, w->waiting[i]);
    w->waiting_count = 0;
    w->source->type->close(w->source);
    free(w->source);
    w->source = NULL;
    text_pool_release(&w->pool);
    w->pool = (struct text_pool){0};
    yaml_free(w->document);
}

static inline void stop(struct world *w)
{
    settle(w, w->waiting_count);
    crash(w);
}

static inline void remove_folder(const char *folder)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* An empty folder; nothing seen, nothing kept. `settings` follow "paths: [FOLDER/PATTERN]". */
static inline void begin(struct world *w, const char *pattern, const char *settings)
{
    struct error    err = {0};
    struct keyring *keys = w->keys != NULL ? w->keys : keyring_ephemeral(&err);
    memset(w, 0, sizeof *w);
    w->keys = keys;
    assert_non_null(w->keys);
    clock_set(test_clock, NULL);
    log_setup(false, getenv("LETHE_TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR);
    snprintf(w->folder, sizeof w->folder, "%s/lethe-following-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->yaml, sizeof w->yaml, "{paths: [\"%s/%s\"]%s}", w->folder, pattern, settings);
    assert_true(batch_init(&w->cargo.batch, FRAMER_ROOM(MAX_RECORD) + 65536));
}

static inline void finish(struct world *w)
{
    if (w->source != NULL) stop(w);
    batch_release(&w->cargo.batch);
    free(w->cargo.origins);
    remove_folder(w->folder);
}

/* --- Files -------------------------------------------------------------------------------------------------------------- */

static inline const char *path_of(const struct world *w, const char *name)
{
    static char paths[4][256];
    static int  turn;
    char       *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", w->folder, name);
    return path;
}

static inline void put(const struct world *w, const char *name, const char *text, size_t len)
{
    int fd = open(path_of(w, name), O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static inline void puts_to(const struct world *w, const char *name, const char *text) { put(w, name, text, strlen(text)); }

static inline void move(const struct world *w, const char *from, const char *to) { assert_int_equal(rename(path_of(w, from), path_of(w, to)), 0); }

static inline bool there(const struct world *w, const char *name) { return access(path_of(w, name), F_OK) == 0; }

static inline size_t slurp(const struct world *w, const char *name, char *text, size_t room)
{
    int fd = open(path_of(w, name), O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, text, room);
    assert_true(got >= 0 && (size_t)got < room);
    close(fd);
    return (size_t)got;
}

static inline void copy(const struct world *w, const char *from, const char *to)
{
    static char text[16 << 20];
    size_t      len = slurp(w, from, text, sizeof text);
    unlink(path_of(w, to));
    put(w, to, text, len);
}

/* As gzip(1): a new file NAME.gz with the time of the old one, in microseconds, then NAME goes. */
static inline void pack(const struct world *w, const char *name)
{
    static char text[16 << 20];
    char        packed[256];
    size_t      len = slurp(w, name, text, sizeof text);
    struct stat status;
    assert_int_equal(stat(path_of(w, name), &status), 0);
    snprintf(packed, sizeof packed, "%s.gz", path_of(w, name));
    gzFile gz = gzopen(packed, "wb");
    assert_non_null(gz);
    assert_int_equal(gzwrite(gz, text, (unsigned)len), (int)len);
    assert_int_equal(gzclose(gz), Z_OK);
    status.st_mtim.tv_nsec -= status.st_mtim.tv_nsec % 1000;
    assert_int_equal(utimensat(AT_FDCWD, packed, (struct timespec[]){status.st_mtim, status.st_mtim}, 0), 0);
    unlink(path_of(w, name));
}

/* "<number> of these lines." for each number. */
static inline void put_lines(const char *name, unsigned from, unsigned to)
{
    char line[64];
    for (unsigned i = from; i <= to; i++) {
        snprintf(line, sizeof line, "%u of these lines.\n", i);
        puts_to(&world, name, line);
    }
}

static inline void expect_once(unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++)
        if (world.seen[i].times != 1) fail_msg("line %u was seen %u times", i, world.seen[i].times);
}

static inline uint64_t lost_bytes(void) { return atomic_load(&world.source->counters.lost_bytes); }

#endif
