/* The `file` source: log files that grow, rotate and go.
 *
 * What there is to read is found by looking: a sweep over the patterns and files, every `poll` ms. inotify only says that a
 * sweep is worth its while at once.
 *
 * (1) A file is read from where its mark says, if the mark's samples still fit its content; else from the beginning, as a new
 *     epoch. Doubt means reading again, never skipping.
 * (2) A file that is renamed or removed is read on through its handle to its end, and for `rotate_wait` longer; then
 *     what is unfinished is handed out and the file forgotten.
 * (3) A batch holds documents of one file. Its receipt has the mark behind it, so the mark is kept when the batch is settled.
 * (4) Files take turns, one batch each.
 * (5) A file that is renamed before anybody looked at it is followed all the same, if its old name fits: the kernel tells of
 *     renames; and after a restart every file whose name begins like one that fits (x.log.1, x.log-2026), that is younger
 *     than the store and of which nothing is known, is read. So marks are kept as long as their files.
 * (6) A packed file (gzip) is read when it has not changed for PACKED_REST_MS. If it begins as a file that is gone did, it is that
 *     file, packed meanwhile, and is read from where that was left.
 * Thread: the source's own. */
#include "file_identity.h"
#include "gunzip.h"
#include "store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST_FILES      10000
#define MOST_OPEN       512         /* and a quarter of what the process may open */
#define PACKED_REST_MS  1000
#define FORGET_MS       60000       /* a file that ended may turn up again, renamed or packed */
#define LIST_MS         2000        /* the patterns are looked up so often, and when inotify says so */
#define IDLE_AFTER_MS   10000       /* files that did not grow for so long are looked at ... */
#define IDLE_EVERY_MS   1000        /* ... so often, and when inotify says so */
#define IDLE_FILE_MS    1           /* both less often where there are many files: a file costs a look in so many ms at most */
#define LEAST_SWEEP_MS  5           /* whatever inotify says */
#define BUCKETS         16384       /* of the table of files by inode */
#define TOUCHED_BITS    4096        /* of the names that inotify told */
#define MOST_HELD       ((uint64_t)16 << 20)   /* bytes of unfinished documents, of all files together */

enum { START_BEGINNING, START_END };
static const char *const start_choices[] = {"beginning", "end", NULL};

struct followed {
    char            *path;
    struct followed *next;           /* in the table by inode */
    int              fd;             /* -1: closed */
    struct file_mark mark;           /* of what was handed out */
    struct framer   *framer;         /* NULL: nothing is unfinished */
    struct gunzip   *gunzip;
    struct file_id   replaces;       /* its position is to be forgotten with the next one of this; inode 0: none */
    uint64_t         size;           /* as last seen, packed or not */
    uint64_t         read_to;        /* bytes of the content that the framer has */
    uint64_t         packed_to;      /* bytes of the file that gunzip has */
    uint64_t         tried_size;     /* no more came of it than was known */
    uint64_t         grown_ms, looked_ms, used_ms, gone_ms, ended_ms;
    uint64_t         handed_to;      /* end of the last document handed out */
    uint32_t         touch;          /* bit of its name in `touched` */
    bool             packed, gone, listed, finishing, ended, forgotten, told;
    bool             unsaved;        /* the mark is to be kept, though nothing was read */
    bool             formed;         /* it is known whether it is packed */
    bool             lost;           /* gone, not open, and not looked for yet */
};

struct source_file {
    struct source    base;
    struct text_list paths, exclude;
    int              start;
    uint64_t         poll_ms, rotate_wait_ms;

    struct followed **files;
    struct followed  *buckets[BUCKETS];
    size_t            count, capacity, turn, open_count;
    uint64_t          touched[TOUCHED_BITS / 64];
    struct file_mark *saved;         /* of earlier runs, of files not met yet; and of files that ended and may be met packed */
    size_t            saved_count;
    size_t            most_open;
    bool              first_list, too_many_told, more;
    uint64_t          opened_ms, listed_ms, swept_ms, held;
    struct followed  *unpacking;     /* packed files are read one after another: unpacking takes room */
    int               notify;
    struct folder {
        int  watch;
        char path[SAVED_PATH];
    } *folders;
    size_t            folder_count;
    uint32_t          moved;         /* cookie of a rename away from a name that fits; 0: none */
    struct wakeup     wakeup;
};

struct file_receipt {
    struct receipt  base;
    struct position positions[2];
};

static const struct setting settings[] = {
    {"paths", SETTING_TEXTS, offsetof(struct source_file, paths), NULL, .required = true, .help = "patterns such as /var/log/azureml/*.log"},
    {"exclude", SETTING_TEXTS, offsetof(struct source_file, exclude), NULL, .help = "patterns of names that are left out"},
    {"start", SETTING_CHOICE, offsetof(struct source_file, start), "beginning", .choices = start_choices,
     .help = "where to begin with files that are there at the first start"},
    {"poll", SETTING_DURATION, offsetof(struct source_file, poll_ms), "250ms", .least = 10, .most = 60000, .help = "how often files are looked at"},
    {"rotate_wait", SETTING_DURATION, offsetof(struct source_file, rotate_wait_ms), "5s", .most = 3600000,
     .help = "how long a renamed or removed file is watched for more"},
    {.name = NULL},
};

/* --- Marks ------------------------------------------------------------------------------------------------------------------ */

static void save_mark(struct source_file *s, const struct file_mark *mark)
{
    if ((s->saved_count & (s->saved_count - 1)) == 0) {
        s->saved = reallocarray(s->saved, s->saved_count == 0 ? 1 : 2 * s->saved_count, sizeof *s->saved);
        CHECK(s->saved != NULL);
    }
    s->saved[s->saved_count++] = *mark;
}

static void load_mark(void *context, const struct position *p)
{
    struct source_file *s = context;
    struct file_mark    mark;
    if (p->value_len != sizeof mark) return;
    memcpy(&mark, p->value, sizeof mark);
    if (mark.version != MARK_VERSION || mark.head.len > SAMPLE_BYTES || mark.tail.len > SAMPLE_BYTES) return;
    mark.path[SAVED_PATH - 1] = '\0';
    save_mark(s, &mark);
}

/* The mark of an earlier run with that identity, taken out of the list. */
static bool take_saved(struct source_file *s, const struct file_id *id, struct file_mark *mark)
{
    for (size_t i = 0; i < s->saved_count; i++) {
        if (!file_id_equal(&s->saved[i].id, id)) continue;
        *mark = s->saved[i];
        s->saved[i] = s->saved[--s->saved_count];
        return true;
    }
    return false;
}

static void put_position(struct source_file *s, struct file_receipt *r, const struct file_id *id, const struct file_mark *mark)
{
    struct position *p = &r->positions[r->base.position_count++];
    _Static_assert(sizeof *mark <= POSITION_VALUE_MAX, "a mark is the value of a position");
    file_key(&s->base, id, p->key, &p->key_len);
    if (mark == NULL) return;
    p->value_len = sizeof *mark;
    memcpy(p->value, mark, sizeof *mark);
}

/* `replaced`: another position that is to be forgotten with it; NULL or inode 0: none. */
static struct receipt *make_receipt(struct source_file *s, const struct file_mark *mark, bool forget, struct file_id *replaced)
{
    struct file_receipt *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    r->base.positions = r->positions;
    put_position(s, r, &mark->id, forget ? NULL : mark);
    if (replaced == NULL || replaced->inode == 0) return &r->base;
    put_position(s, r, replaced, NULL);
    *replaced = (struct file_id){0};
    return &r->base;
}

static void settled(struct source *s, struct receipt *r)
{
    (void)s;
    free(r);
}

/* --- One file --------------------------------------------------------------------------------------------------------------- */

static void tell(struct source_file *s, struct followed *f, const char *what)
{
    if (f->told) return;
    f->told = true;
    log_line(LOG_WARNING, s->base.name, "'%s': %s", f->path, what);
}

static void drop_framer(struct source_file *s, struct followed *f)
{
    if (f->framer != NULL) s->held -= f->read_to - f->mark.place.offset;
    framer_free(f->framer);
    f->framer = NULL;
    if (f->gunzip != NULL) gunzip_free(f->gunzip);
    f->gunzip = NULL;
    if (s->unpacking == f) s->unpacking = NULL;
    f->read_to = f->mark.place.offset;
}

static void close_fd(struct source_file *s, struct followed *f)
{
    if (f->fd < 0) return;
    close(f->fd);
    f->fd = -1;
    s->open_count--;
}

static void free_file(struct source_file *s, struct followed *f)
{
    drop_framer(s, f);
    close_fd(s, f);
    free(f->path);
    free(f);
}

static bool bears_its_name(const struct followed *f)
{
    struct file_id id;
    struct stat    status;
    return file_id_at(f->path, &id, &status) && file_id_equal(&id, &f->mark.id);
}

/* Closes the file that was not used for the longest time, of those that can be opened again. */
static void close_one(struct source_file *s)
{
    struct followed *oldest = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        if (f->fd < 0 || f->gunzip != NULL || (oldest != NULL && f->used_ms >= oldest->used_ms)) continue;
        if (!f->gone || f->ended || bears_its_name(f)) oldest = f;
    }
    if (oldest != NULL) close_fd(s, oldest);
}

static void rename_followed(struct followed *f, const char *path)
{
    char *copy = strdup(path);
    CHECK(copy != NULL);
    free(f->path);
    f->path = copy;
}

static bool open_fd(struct source_file *s, struct followed *f)
{
    struct file_id id;
    f->used_ms = clock_monotonic_ms();
    if (f->fd >= 0) return true;
    if (s->open_count >= s->most_open) close_one(s);
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        close_one(s);
        f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (f->fd < 0) {
        if (errno != ENOENT) tell(s, f, strerror(errno));
        return false;
    }
    s->open_count++;
    if (file_id_of(f->fd, &id) && file_id_equal(&id, &f->mark.id)) return true;
    close_fd(s, f);   /* another file has that name by now */
    return false;
}

/* The content is not the one that was read before. */
static void begin_epoch(struct source_file *s, struct followed *f, const char *why)
{
    log_line(LOG_WARNING, s->base.name, "'%s': %s; reading it from the beginning", f->path, why);
    if (f->size > f->read_to && !f->packed) atomic_fetch_add(&s->base.counters.lost_bytes, f->size - f->read_to);
    drop_framer(s, f);
    f->mark.epoch++;
    f->mark.place = (struct framer_place){.line = 1};
    f->mark.head = f->mark.tail = (struct sample){0};
    f->mark.named = 0;
    f->read_to = f->tried_size = f->handed_to = 0;
}

/* A writer that did not open for appending leaves zeros where it had written before the file was cut. */
static void skip_hole(struct followed *f)
{
    char    bytes[65536];
    off_t   data = lseek(f->fd, 0, SEEK_DATA);
    ssize_t got;
    if (data > 0) f->mark.place.offset = (uint64_t)data;
    while ((got = pread(f->fd, bytes, sizeof bytes, (off_t)f->mark.place.offset)) > 0) {
        ssize_t i = 0;
        while (i < got && bytes[i] == '\0') i++;
        f->mark.place.offset += (uint64_t)i;
        if (i < got) break;
    }
    f->read_to = f->mark.place.offset;
}

static ptrdiff_t read_file(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct followed *f = context;
    ssize_t          got;
    if (capacity == 0) return BYTES_LATER;
    do got = pread(f->fd, buffer, capacity, (off_t)(f->packed ? f->packed_to : f->read_to));
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        error_set_errno(err, ERROR_INPUT, "cannot read '%s'", f->path);
        return BYTES_FAILED;
    }
    if (f->packed) f->packed_to += (uint64_t)got;
    else f->read_to += (uint64_t)got;
    return got > 0 || f->packed || f->finishing ? got : BYTES_LATER;
}

static ptrdiff_t read_packed(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct followed *f = context;
    ptrdiff_t        got = gunzip_read(f->gunzip, buffer, capacity, err);
    if (got > 0) f->read_to += (uint64_t)got;
    return got;
}

/* Unpacks up to the place and compares on the way. False: it is another content, or damaged. */
static bool unpack_to(struct source_file *s, struct followed *f, const struct file_mark *mark)
{
    char          bytes[SAMPLE_BYTES];
    char         *buffer = malloc(65536);
    bool          fits = true;
    struct error  err = {0};
    struct sample now;
    CHECK(buffer != NULL);
    size_t kept = 0;   /* the last bytes before read_to, at most as many as a sample has */
    while (fits && f->read_to < mark->place.offset) {
        uint64_t  next = f->read_to < mark->head.len ? mark->head.len : mark->place.offset;
        size_t    want = next - f->read_to < 65536 ? (size_t)(next - f->read_to) : 65536;
        ptrdiff_t got = read_packed(f, buffer, want, &err);
        if (got <= 0) fits = false;
        if (got <= 0) break;
        size_t more = (size_t)got < sizeof bytes ? (size_t)got : sizeof bytes;
        size_t stay = kept + more > sizeof bytes ? sizeof bytes - more : kept;
        memmove(bytes, bytes + kept - stay, stay);
        memcpy(bytes + stay, buffer + got - more, more);
        kept = stay + more;
        if (f->read_to != mark->head.len) continue;
        now = sample_of(&s->base, 0, slice_of(bytes, kept));
        fits = kept == mark->head.len && memcmp(now.hash, mark->head.hash, sizeof now.hash) == 0;
    }
    free(buffer);
    if (!fits || mark->tail.len == 0) return fits;
    if (mark->tail.len > kept) return false;
    now = sample_of(&s->base, 0, slice_of(bytes + kept - mark->tail.len, mark->tail.len));
    return memcmp(now.hash, mark->tail.hash, sizeof now.hash) == 0;
}

static bool start_gunzip(struct followed *f)
{
    if (f->gunzip != NULL) gunzip_free(f->gunzip);
    f->packed_to = f->read_to = 0;
    f->gunzip = gunzip_new((struct byte_source){read_file, f}, f->path);
    return f->gunzip != NULL;
}

static bool start_packed(struct source_file *s, struct followed *f)
{
    if (!start_gunzip(f)) return false;
    if (unpack_to(s, f, &f->mark)) return true;
    begin_epoch(s, f, "its content has changed");
    return start_gunzip(f);
}

static bool start_framer(struct source_file *s, struct followed *f)
{
    if (f->packed && !start_packed(s, f)) return false;
    f->read_to = f->mark.place.offset;
    f->framer = framer_new(&(struct framer_options){s->base.max_record, false});
    if (f->framer == NULL) return false;
    framer_resume(f->framer, (struct byte_source){f->packed ? read_packed : read_file, f}, f->mark.place);
    return true;
}

/* Before more is read of a file that was read before. */
static void verify(struct source_file *s, struct followed *f)
{
    struct stat status;
    if (f->packed || f->finishing || fstat(f->fd, &status) != 0) return;
    bool cut = (uint64_t)status.st_size < f->read_to;
    bool changed = !cut && f->mark.tail.len > 0 && (!sample_fits(&s->base, f->fd, &f->mark.tail) || !sample_fits(&s->base, f->fd, &f->mark.head));
    if (cut || changed) begin_epoch(s, f, cut ? "it was cut" : "its content has changed");
    f->size = (uint64_t)status.st_size;
    if ((cut || changed) || (f->mark.place.offset == 0 && f->framer == NULL)) skip_hole(f);
}

/* --- The list of files -------------------------------------------------------------------------------------------------------- */

static bool is_excluded(const struct source_file *s, const char *path)
{
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    for (size_t i = 0; i < s->exclude.count; i++)
        if (fnmatch(s->exclude.items[i], name, 0) == 0 || fnmatch(s->exclude.items[i], path, 0) == 0) return true;
    return false;
}

static struct followed *find_followed(const struct source_file *s, const struct file_id *id)
{
    struct followed *f = s->buckets[id->inode % BUCKETS];
    while (f != NULL && !file_id_equal(&f->mark.id, id)) f = f->next;
    return f;
}

static void leave_table(struct source_file *s, struct followed *f)
{
    struct followed **link = &s->buckets[f->mark.id.inode % BUCKETS];
    while (*link != f) link = &(*link)->next;
    *link = f->next;
}

/* Which of the bits of `touched` stands for a name. */
static uint32_t touch_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    uint32_t    hash = 2166136261u;
    for (const char *c = slash != NULL ? slash + 1 : path; *c != '\0'; c++) hash = (hash ^ (uint8_t)*c) * 16777619u;
    return (hash ^ hash >> 15) % TOUCHED_BITS;
}

static bool is_gzip(const char *path)
{
    unsigned char magic[2] = {0};
    int           fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool          gzip = fd >= 0 && pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    if (fd >= 0) close(fd);
    return gzip;
}

static struct followed *follow(struct source_file *s, const char *path, const struct file_mark *mark, uint64_t size)
{
    struct followed *f = calloc(1, sizeof *f);
    if (s->count == s->capacity) {
        s->capacity = 2 * s->capacity + 64;
        s->files = reallocarray(s->files, s->capacity, sizeof(struct followed *));
    }
    CHECK(f != NULL && s->files != NULL);
    *f = (struct followed){.path = strdup(path), .fd = -1, .mark = *mark, .size = size, .grown_ms = clock_monotonic_ms(),
                           .tried_size = mark->packed_size > 0 ? mark->packed_size : UINT64_MAX, .read_to = mark->place.offset,
                           .packed = is_gzip(path), .formed = size >= 2, .touch = touch_of(path)};
    CHECK(f->path != NULL);
    f->next = s->buckets[mark->id.inode % BUCKETS];
    s->buckets[mark->id.inode % BUCKETS] = f;
    snprintf(f->mark.path, sizeof f->mark.path, "%s", path);
    s->files[s->count++] = f;
    if (s->open_count < s->most_open) (void)open_fd(s, f);   /* so that it can be read to its end, whatever its name by then */
    return f;
}

/* The length of what a name has in common with the names that rotation makes of it: app.log in app.log.1, app.log-20260131.gz. */
static size_t family(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t      least = slash != NULL ? (size_t)(slash - path) + 2 : 1, len = strlen(path);
    if (len > least + 3 && strcmp(path + len - 3, ".gz") == 0) len -= 3;
    while (len > least && (ascii_is_digit(path[len - 1]) || strchr(".-_:", path[len - 1]) != NULL)) len--;
    return len;
}

static bool same_family(const char *a, const char *b) { return slice_equal(slice_of(a, family(a)), slice_of(b, family(b))); }

/* Of a file of which nothing was read yet only the time tells: packing keeps that of the last writing. */
static bool is_younger(int fd, const struct file_id *id)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec >= id->born_ns;
}

static bool may_be(struct source_file *s, const char *path, int fd, const struct file_mark *mark, bool read_before)
{
    struct followed trial = {.path = (char *)path, .fd = fd, .packed = true};
    if (mark->packed_size > 0 || (mark->head.len > 0) != read_before || !same_family(path, mark->path)) return false;
    if (!read_before) return mark->place.offset == 0 && is_younger(fd, &mark->id);
    bool fits = start_gunzip(&trial) && unpack_to(s, &trial, mark);
    if (trial.gunzip != NULL) gunzip_free(trial.gunzip);
    return fits;
}

/* Goes on in a packed file where the plain one was left. */
static void take_over(struct source_file *s, const char *path, const struct file_mark *from, struct file_mark *to)
{
    struct file_mark mark = *from;
    mark.id = to->id;
    snprintf(mark.path, sizeof mark.path, "%s", path);
    *to = mark;
    log_line(LOG_INFO, s->base.name, "'%s' is a file read before, packed: going on at byte %" PRIu64, path, to->place.offset);
}

static bool adopt_one(struct source_file *s, const char *path, int fd, bool read_before, struct file_mark *mark, struct file_id *replaces)
{
    for (size_t i = 0; i < s->saved_count; i++) {
        if (!may_be(s, path, fd, &s->saved[i], read_before)) continue;
        *replaces = s->saved[i].id;
        take_over(s, path, &s->saved[i], mark);
        s->saved[i] = s->saved[--s->saved_count];
        return true;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        if (!f->ended || f->packed || f->forgotten || !may_be(s, path, fd, &f->mark, read_before)) continue;
        take_over(s, path, &f->mark, mark);
        f->ended_ms = 0;   /* it is this one now */
        return true;
    }
    return false;
}

/* Whether a packed file is one that is gone. If so, its mark is that one's from now on, and the position of `replaces` is not
 * needed any more. */
static bool adopt(struct source_file *s, const char *path, int fd, struct file_mark *mark, struct file_id *replaces)
{
    return adopt_one(s, path, fd, true, mark, replaces) || adopt_one(s, path, fd, false, mark, replaces);
}

/* A packed file waits until no plain one can be it that is still read. */
static bool may_be_another(const struct source_file *s, const struct followed *packed)
{
    if (packed->mark.place.offset > 0) return false;
    for (size_t i = 0; i < s->count; i++) {
        const struct followed *f = s->files[i];
        if (f->gone && !f->ended && !f->packed && same_family(f->mark.path, packed->path)) return true;
    }
    return false;
}

/* Follows a file that bears a name by now that does not fit. */
static struct followed *follow_renamed(struct source_file *s, const char *path, const struct file_mark *mark, uint64_t size)
{
    struct followed *f = follow(s, path, mark, size);
    if (mark->path[0] != '\0') memcpy(f->mark.path, mark->path, sizeof f->mark.path);
    f->gone = f->unsaved = true;
    f->gone_ms = clock_monotonic_ms();
    return f;
}

/* One that was not met before: from its beginning. */
static void meet_renamed(struct source_file *s, const char *path)
{
    struct file_mark mark = {.version = MARK_VERSION, .place = {.line = 1}};
    struct stat      status;
    if (!file_id_at(path, &mark.id, &status) || !S_ISREG(status.st_mode)) return;
    struct followed *known = find_followed(s, &mark.id);
    if (known != NULL) rename_followed(known, path);
    else if (s->count < MOST_FILES && !is_gzip(path)) follow_renamed(s, path, &mark, (uint64_t)status.st_size);
}

/* At the last line that is not ended. Where that is must be kept: a later start has to go on from there. */
static void start_at_end(struct source_file *s, struct followed *f)
{
    char     bytes[65536];
    uint64_t from = f->size > sizeof bytes ? f->size - sizeof bytes : 0;
    ssize_t  got = f->packed || !open_fd(s, f) ? -1 : pread(f->fd, bytes, (size_t)(f->size - from), (off_t)from);
    f->unsaved = true;
    if (f->packed) f->mark.packed_size = f->tried_size = f->size;
    if (got <= 0) return;
    const char *last = memrchr(bytes, '\n', (size_t)got);
    f->read_to = f->mark.place.offset = last != NULL ? from + (uint64_t)(last + 1 - bytes) : from == 0 ? 0 : f->size;
    (void)file_samples(&s->base, f->fd, f->read_to, &f->mark.head, &f->mark.tail);
}

static void new_file(struct source_file *s, const char *path, const struct file_id *id, uint64_t size)
{
    struct file_mark mark;
    if (s->count == MOST_FILES) {
        if (!s->too_many_told) log_line(LOG_ERROR, s->base.name, "there are more than %d files: the others are not read", MOST_FILES);
        s->too_many_told = true;
        return;
    }
    bool known = take_saved(s, id, &mark);
    if (!known) mark = (struct file_mark){.version = MARK_VERSION, .id = *id, .place = {.line = 1}};
    struct followed *f = follow(s, path, &mark, size);
    f->listed = true;
    f->unsaved = !known && s->base.store != NULL;   /* so that a later run knows it again, whatever its name by then */
    if (mark.place.offset == 0 && s->start == START_END && s->first_list) start_at_end(s, f);
}

static void meet(struct source_file *s, const char *path)
{
    struct file_id id;
    struct stat    status;
    if (is_excluded(s, path) || !file_id_at(path, &id, &status) || !S_ISREG(status.st_mode)) return;
    struct followed *f = find_followed(s, &id);
    if (f == NULL) {
        new_file(s, path, &id, (uint64_t)status.st_size);
        return;
    }
    if (!f->listed && strcmp(f->path, path) != 0) rename_followed(f, path);
    f->listed = true;
    if (!f->gone || f->forgotten) return;
    f->gone = f->ended = false;
    f->lost = false;
}

/* The folder of a file, or what of a pattern's folder is no pattern. */
static void watch_folder(struct source_file *s, const char *pattern)
{
    char path[SAVED_PATH];
    if (s->notify < 0 || strlen(pattern) >= sizeof path) return;
    strcpy(path, pattern);
    char *wild = strpbrk(path, "*?[");
    if (wild != NULL) *wild = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL) slash[slash == path ? 1 : 0] = '\0';
    else strcpy(path, ".");
    int watch = inotify_add_watch(s->notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE);
    for (size_t i = 0; i < s->folder_count; i++)
        if (s->folders[i].watch == watch) return;
    if (watch < 0) return;
    if ((s->folder_count & (s->folder_count - 1)) == 0) {
        s->folders = reallocarray(s->folders, s->folder_count == 0 ? 1 : 2 * s->folder_count, sizeof *s->folders);
        CHECK(s->folders != NULL);
    }
    s->folders[s->folder_count].watch = watch;
    strcpy(s->folders[s->folder_count++].path, path);
}

static bool fits_pattern(const struct source_file *s, const char *path)
{
    for (size_t i = 0; i < s->paths.count; i++)
        if (fnmatch(s->paths.items[i], path, FNM_PATHNAME | FNM_PERIOD) == 0) return !is_excluded(s, path);
    return false;
}

static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static bool same_folder(const char *a, const char *b)
{
    return slice_equal(slice_of(a, folder_len(a)), slice_of(b, folder_len(b)));
}

/* Files that were renamed while they were not open are in the same folder, if they are anywhere. One reading of a folder for all. */
static void find_lost_in(struct source_file *s, const char *folder)
{
    DIR           *open = opendir(folder[0] == '\0' ? "." : folder);
    struct dirent *entry;
    while (open != NULL && (entry = readdir(open)) != NULL)
        for (struct followed *f = s->buckets[entry->d_ino % BUCKETS]; f != NULL; f = f->next) {
            char           path[4096 + sizeof entry->d_name];
            struct file_id id;
            struct stat    status;
            if (!f->lost || f->mark.id.inode != entry->d_ino) continue;
            snprintf(path, sizeof path, "%s%s", folder, entry->d_name);
            if (file_id_at(path, &id, &status) && file_id_equal(&id, &f->mark.id)) rename_followed(f, path);
        }
    if (open != NULL) closedir(open);
}

static void find_lost(struct source_file *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->files[i]->lost) continue;
        char folder[4096];
        snprintf(folder, sizeof folder, "%.*s", (int)folder_len(s->files[i]->path), s->files[i]->path);
        find_lost_in(s, folder);
        for (size_t n = i; n < s->count; n++)
            if (s->files[n]->lost && same_folder(s->files[n]->path, folder)) s->files[n]->lost = false;
    }
}

static void list_pattern(struct source_file *s, const char *pattern)
{
    glob_t found;
    watch_folder(s, pattern);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            if (i == 0 || !same_folder(found.gl_pathv[i], found.gl_pathv[i - 1])) watch_folder(s, found.gl_pathv[i]);
            meet(s, found.gl_pathv[i]);
        }
    globfree(&found);
}

static void list(struct source_file *s)
{
    for (size_t i = 0; i < s->count; i++) s->files[i]->listed = false;
    for (size_t i = 0; i < s->paths.count; i++) list_pattern(s, s->paths.items[i]);
    uint64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        if (f->listed || f->gone) continue;
        f->gone = true;
        f->gone_ms = now;
        f->lost = true;
    }
    find_lost(s);
    s->listed_ms = now;
}

/* A packed one of a name that no pattern has: the same. */
static void find_packed(struct source_file *s, const struct file_mark mark)
{
    char   pattern[SAVED_PATH + 8];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s*.gz", mark.path);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t n = 0; n < found.gl_pathc; n++) {
            struct file_id   id;
            struct stat      status;
            if (!file_id_at(found.gl_pathv[n], &id, &status) || find_followed(s, &id) != NULL || !is_gzip(found.gl_pathv[n])) continue;
            struct file_id   replaces = {0};
            struct file_mark adopted = {.id = id};
            int              fd = open(found.gl_pathv[n], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
            bool             fits = fd >= 0 && adopt(s, found.gl_pathv[n], fd, &adopted, &replaces);
            if (fd >= 0) close(fd);
            if (!fits) continue;
            follow_renamed(s, found.gl_pathv[n], &adopted, (uint64_t)status.st_size)->replaces = replaces;
            break;
        }
    globfree(&found);
}

/* The name without its last parts, as far as what is left fits: x.log of x.log.1, x.log-20260314 and x.log.1.gz. */
static bool fits_without_ending(const struct source_file *s, const char *path)
{
    char base[SAVED_PATH];
    if (strlen(path) >= SAVED_PATH) return false;
    strcpy(base, path);
    for (char *p = base + strlen(base); p > base && *p != '/'; p--) {
        if (*p != '.' && *p != '-') continue;
        *p = '\0';
        if (fits_pattern(s, base)) return true;
    }
    return false;
}

/* Files that were renamed between two runs and never met. */
static void find_unmet(struct source_file *s, const char *folder)
{
    DIR           *d = opendir(folder);
    struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        char           path[SAVED_PATH + NAME_MAX + 2];
        struct file_id id;
        struct stat    status;
        snprintf(path, sizeof path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, entry->d_name);
        if (fits_pattern(s, path) || !fits_without_ending(s, path) || !file_id_at(path, &id, &status)) continue;
        if (id.born_ns >= s->base.store_born_ns && S_ISREG(status.st_mode) && find_followed(s, &id) == NULL) meet_renamed(s, path);
    }
    if (d != NULL) closedir(d);
}

/* Files of earlier runs that no pattern shows any more: renamed, or packed, while nobody looked. What is not found stays saved. */
static void find_missing(struct source_file *s)
{
    size_t before = s->count, saved = s->saved_count;
    s->saved_count = 0;
    for (size_t i = 0; i < saved; i++) {
        struct file_mark mark = s->saved[i];
        struct followed *f = follow(s, mark.path, &mark, 0);
        f->gone = f->lost = true;
    }
    find_lost(s);
    for (size_t i = s->count; i-- > before;) {
        struct followed *f = s->files[i];
        struct file_id   id;
        struct stat      status;
        if (file_id_at(f->path, &id, &status) && file_id_equal(&id, &f->mark.id)) {
            f->size = (uint64_t)status.st_size;
            f->packed = is_gzip(f->path);
            f->formed = true;
            f->gone_ms = clock_monotonic_ms();
            if (s->open_count < s->most_open) (void)open_fd(s, f);
            continue;
        }
        s->saved[s->saved_count++] = f->mark;   /* in the room of those that were taken out above */
        leave_table(s, f);
        free_file(s, f);
        s->files[i] = s->files[--s->count];
    }
    for (size_t i = s->saved_count; i-- > 0;)
        if (i < s->saved_count && s->saved[i].path[0] != '\0') find_packed(s, s->saved[i]);
    for (size_t i = 0; i < s->folder_count && s->base.store != NULL; i++) find_unmet(s, s->folders[i].path);
}

/* An interval, longer where there are many files. */
static uint64_t seldom(const struct source_file *s, uint64_t every_ms)
{
    uint64_t files_ms = s->count * IDLE_FILE_MS;
    return files_ms > every_ms ? files_ms : every_ms;
}

/* How large each file is now. */
static void look(struct source_file *s, uint64_t now)
{
    uint64_t lag = 0, streams = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        struct stat      status;
        if (f->ended && f->fd < 0) continue;
        streams += !f->ended;
        bool idle = now - f->grown_ms > IDLE_AFTER_MS;
        bool touched = (s->touched[f->touch / 64] >> f->touch % 64 & 1) != 0;
        if (!idle || touched || now - f->looked_ms >= seldom(s, IDLE_EVERY_MS)) {
            f->looked_ms = now;
            struct file_id id;
            bool           seen = f->fd >= 0 ? fstat(f->fd, &status) == 0
                                             : file_id_at(f->path, &id, &status) && file_id_equal(&id, &f->mark.id);
            if (seen && (uint64_t)status.st_size != f->size) {
                f->grown_ms = now;
                f->told = false;
                f->size = (uint64_t)status.st_size;
                if (f->gone) f->gone_ms = now;
                f->ended = false;
                if (!f->formed) f->packed = is_gzip(f->path);
                f->formed = f->size >= 2;
            }
        }
        if (f->size > f->read_to && !f->packed) lag += f->size - f->read_to;
    }
    atomic_store(&s->base.counters.lag_bytes, lag);
    atomic_store(&s->base.counters.streams, streams);
    memset(s->touched, 0, sizeof s->touched);
    s->swept_ms = now;
}

/* A rename comes as two events with one cookie, one after the other. */
static void note_event(struct source_file *s, const struct inotify_event *e)
{
    char path[SAVED_PATH + NAME_MAX + 2] = "";
    if ((e->mask & IN_Q_OVERFLOW) != 0) memset(s->touched, 0xff, sizeof s->touched);
    else if (e->len > 0) s->touched[touch_of(e->name) / 64] |= (uint64_t)1 << touch_of(e->name) % 64;
    if ((e->mask & ~(uint32_t)IN_MODIFY) == 0) return;
    s->listed_ms = 0;
    for (size_t i = 0; i < s->folder_count && e->len > 0; i++)
        if (s->folders[i].watch == e->wd) snprintf(path, sizeof path, "%s/%s", strcmp(s->folders[i].path, "/") == 0 ? "" : s->folders[i].path, e->name);
    if ((e->mask & IN_MOVED_FROM) != 0) s->moved = fits_pattern(s, path) ? e->cookie : 0;
    if ((e->mask & IN_MOVED_TO) != 0 && s->moved != 0 && e->cookie == s->moved && !fits_pattern(s, path)) meet_renamed(s, path);
}

static bool drain_events(struct source_file *s)
{
    _Alignas(struct inotify_event) char events[8192];
    bool    any = false;
    ssize_t got;
    while (s->notify >= 0 && (got = read(s->notify, events, sizeof events)) > 0) {
        any = true;
        for (char *p = events; p < events + got; p += sizeof(struct inotify_event) + ((struct inotify_event *)(void *)p)->len)
            note_event(s, (struct inotify_event *)(void *)p);
    }
    return any;
}

static void sweep(struct source_file *s)
{
    uint64_t now = clock_monotonic_ms();
    if (now - s->swept_ms < LEAST_SWEEP_MS) return;
    bool news = drain_events(s);
    if (!news && now - s->swept_ms < s->poll_ms) return;
    if (s->listed_ms == 0 || now - s->listed_ms >= seldom(s, LIST_MS)) list(s);
    look(s, now);
}

/* --- Filling ------------------------------------------------------------------------------------------------------------------- */

static bool has_work(const struct source_file *s, const struct followed *f, uint64_t now)
{
    if (f->ended) return !f->forgotten && f->gone && now - f->ended_ms >= FORGET_MS;
    if (f->unsaved) return true;
    if (f->packed && f->gone && f->tried_size == f->size) return now - f->gone_ms >= s->rotate_wait_ms;
    if (f->packed)
        return f->framer != NULL || (f->tried_size != f->size && now - f->grown_ms >= PACKED_REST_MS && s->unpacking == NULL && !may_be_another(s, f));
    if (f->size != f->read_to && f->size != f->tried_size) return true;
    return f->gone && now - f->gone_ms >= s->rotate_wait_ms;
}

static bool update_mark(struct source_file *s, struct followed *f)
{
    struct framer_place place = framer_place(f->framer);
    bool                moved = place.offset != f->mark.place.offset;
    f->mark.place = place;
    if (moved && f->packed) f->mark.head = f->mark.tail = (struct sample){0};   /* the content only passes by; a packed file does not change */
    if (moved && !f->packed && !file_samples(&s->base, f->fd, place.offset, &f->mark.head, &f->mark.tail))
        f->mark.tail = (struct sample){0};
    return moved;
}

static bool is_deleted(const struct followed *f)
{
    struct stat status;
    return f->fd < 0 || fstat(f->fd, &status) != 0 || status.st_nlink == 0;
}

/* A file that was renamed stays open while it is not forgotten, for a writer that is slow to let go of it. */
static void end_file(struct source_file *s, struct followed *f)
{
    drop_framer(s, f);
    f->tried_size = f->size;
    f->finishing = false;
    f->ended = f->gone;
    f->ended_ms = f->gone_ms = clock_monotonic_ms();
    if (f->packed || (f->gone && is_deleted(f))) close_fd(s, f);
}

/* It has another name by now, perhaps. */
static bool open_lost(struct source_file *s, struct followed *f)
{
    if (!f->gone) return false;
    f->lost = true;
    find_lost(s);
    return open_fd(s, f);
}

static bool give_up(struct source_file *s, struct followed *f, uint64_t now)
{
    f->tried_size = f->size;
    if (f->gone && now - f->gone_ms >= s->rotate_wait_ms) end_file(s, f);
    return false;
}

/* The stream's name is made of the first document, too: an epoch's number alone may be given twice, to different contents, when
 * a file is cut and the run ends before that is settled. */
static void add_origin(struct source_file *s, struct followed *f, struct cargo *c)
{
    if (c->batch.count == 0) return;
    const struct document *first = &c->batch.documents[0], *last = &c->batch.documents[c->batch.count - 1];
    if (f->mark.named == 0) {
        struct slice bytes = slice_of(c->batch.data + first->start, first->len < SAMPLE_BYTES ? first->len : SAMPLE_BYTES);
        file_stream(&s->base, &f->mark.id, f->mark.epoch, bytes, f->mark.stream);
        f->mark.named = 1;
    }
    f->handed_to = last->offset + last->len;
    struct origin origin = {.number = 0};
    memcpy(origin.stream, f->mark.stream, sizeof origin.stream);
    cargo_add_origin(c, &origin);
}

static void read_documents(struct source_file *s, struct followed *f, struct cargo *c, struct error *err)
{
    s->held -= f->read_to - f->mark.place.offset;
    enum fill filled = framer_fill(f->framer, &c->batch, err);
    bool      moved = update_mark(s, f);
    s->held += f->read_to - f->mark.place.offset;
    add_origin(s, f, c);
    if (filled == FILL_FAILED) {
        log_line(LOG_WARNING, s->base.name, "%s", err->text);
        *err = (struct error){0};
    }
    bool ended = filled == FILL_END || filled == FILL_FAILED;
    if (ended && f->packed) f->mark.packed_size = f->size;
    if (filled == FILL_LATER) f->tried_size = f->read_to;
    bool idle = filled == FILL_LATER && f->read_to == f->mark.place.offset;
    bool crowded = s->held > MOST_HELD && f->handed_to <= f->mark.place.offset;   /* else documents would be handed out again */
    s->unpacking = f->packed && !ended ? f : NULL;
    if (moved || c->batch.count > 0 || (ended && f->packed)) c->receipt = make_receipt(s, &f->mark, false, &f->replaces);
    if (ended) end_file(s, f);
    else if (idle || (crowded && !f->packed)) drop_framer(s, f);
}

/* True: the cargo has something of this file. */
static bool fill_from(struct source_file *s, struct followed *f, struct cargo *c, struct error *err)
{
    uint64_t now = clock_monotonic_ms();
    if (f->ended || f->unsaved) {   /* what was read of it is settled before this is */
        f->lost = f->ended;
        find_lost(s);
        f->forgotten = f->ended;
        f->unsaved = false;
        c->receipt = make_receipt(s, &f->mark, f->ended && !bears_its_name(f), &f->replaces);
        return true;
    }
    if (f->packed && f->gone && f->tried_size == f->size) return give_up(s, f, now);
    if (!open_fd(s, f) && !open_lost(s, f)) return give_up(s, f, now);
    if (f->packed && f->mark.place.offset == 0 && f->framer == NULL && adopt(s, f->path, f->fd, &f->mark, &f->replaces)) f->unsaved = true;
    verify(s, f);
    f->finishing = f->gone && !f->packed && now - f->gone_ms >= s->rotate_wait_ms && f->size <= f->read_to;
    if (f->framer == NULL && f->finishing) {
        end_file(s, f);
        return false;
    }
    if (f->framer == NULL && !start_framer(s, f)) return false;
    read_documents(s, f, c, err);
    return c->receipt != NULL;
}

/* A mark whose file was not there at the start, while its folder was, and did not turn up since. */
static bool forget_one(struct source_file *s, struct cargo *c, uint64_t now)
{
    while (s->saved_count > 0 && now - s->opened_ms >= FORGET_MS) {
        struct file_mark mark = s->saved[--s->saved_count];
        char            *slash = strrchr(mark.path, '/');
        if (slash != NULL) *slash = '\0';
        if (slash == NULL || access(mark.path, F_OK) != 0) continue;
        c->receipt = make_receipt(s, &mark, true, NULL);
        snprintf(c->place, sizeof c->place, "%.200s", mark.path);
        return true;
    }
    return false;
}

static bool fill_any(struct source_file *s, struct cargo *c, struct error *err)
{
    uint64_t now = clock_monotonic_ms();
    if (forget_one(s, c, now)) return true;
    for (size_t n = 0; n < s->count; n++) {
        struct followed *f = s->files[s->turn % s->count];
        s->turn = (s->turn + 1) % s->count;
        if (!has_work(s, f, now)) continue;
        c->origin_count = 0;
        batch_clear(&c->batch);   /* what was passed over may still lie there */
        if (!fill_from(s, f, c, err)) {
            s->more = s->more || has_work(s, f, now);   /* in the midst of what is longer than a record, say */
            continue;
        }
        snprintf(c->place, sizeof c->place, "%s", f->path);
        return true;
    }
    return false;
}

static void forget_files(struct source_file *s)
{
    for (size_t i = s->count; i-- > 0;) {
        if (!s->files[i]->forgotten) continue;
        leave_table(s, s->files[i]);
        free_file(s, s->files[i]);
        s->files[i] = s->files[--s->count];
    }
}

static enum source_fill fill(struct source *source, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_file *s = (struct source_file *)source;
    sweep(s);
    forget_files(s);
    s->more = false;
    if (fill_any(s, c, err)) return SOURCE_FILLED;
    struct pollfd waits[2] = {{.fd = s->wakeup.fd, .events = POLLIN}, {.fd = s->notify, .events = POLLIN}};
    int           wait = s->more ? 0 : (uint64_t)wait_ms < s->poll_ms ? wait_ms : (int)s->poll_ms;
    poll(waits, 2, wait);
    wakeup_clear(&s->wakeup);
    return SOURCE_IDLE;
}

/* --- Life ---------------------------------------------------------------------------------------------------------------------- */

static bool open_source(struct source *source, struct error *err)
{
    struct source_file *s = (struct source_file *)source;
    struct rlimit limit;
    s->first_list = true;
    s->opened_ms = clock_monotonic_ms();
    s->most_open = MOST_OPEN;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < MOST_OPEN) s->most_open = limit.rlim_cur / 4;
    s->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);   /* without it polling alone does */
    if (source->store != NULL) store_each_position(source->store, source->name, load_mark, s);
    if (s->saved_count > 0) s->start = START_BEGINNING;    /* this is not the first start */
    if (!wakeup_init(&s->wakeup, err)) return false;
    list(s);
    find_missing(s);
    s->first_list = false;
    return true;
}

static void wake(struct source *source) { wakeup_signal(&((struct source_file *)source)->wakeup); }

static void close_source(struct source *source)
{
    struct source_file *s = (struct source_file *)source;
    for (size_t i = 0; i < s->count; i++) free_file(s, s->files[i]);
    free(s->files);
    free(s->saved);
    free(s->folders);
    if (s->notify > 0) close(s->notify);
    if (s->wakeup.fd > 0) wakeup_release(&s->wakeup);
}

const struct source_type source_file = {
    .name = "file",
    .summary = "log files, as they grow and rotate",
    .bytes = sizeof(struct source_file),
    .settings = settings,
    .replayable = true,
    .cargoes = 2,
    .open = open_source,
    .fill = fill,
    .settled = settled,
    .abandoned = settled,
    .wake = wake,
    .close = close_source,
};
