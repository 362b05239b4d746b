/* The `file` sink: records appended to files named by a template (file_names.h).
 *
 * (1) A block is written to all its files and synced, or to none: when something fails, every file is cut back to where it
 *     was, and all of it is tried again later. So a full disk leaves no half block.
 * (2) A file has whole lines only, or whole gzip members (gzip_members.h): what a crash has torn is cut off when the file is
 *     opened again.
 * (3) At most OPEN_MAX_FILES files are open; the one not written for the longest time is closed for the next. A block whose
 *     records have more names, or one that no file system takes, holds nobody up: those records go to one file more, named
 *     "other".
 * (4) A file that reaches rotate_size or rotate_age is finished: it gets the time behind its name and a new one is begun. With
 *     `atomic`, files are written under another name and get their own when they are finished, when they are closed, or when
 *     a later run finds them; a name that is taken gets the time.
 * (5) Finished files beyond keep_files and keep_age are removed, the oldest first. A file that is written, or whose name the
 *     template cannot have made, is never removed. */
#include "base/clock.h"
#include "base/folder.h"
#include "base/wakeup.h"
#include "sinks/file_names.h"
#include "sinks/gzip_members.h"
#include "sinks/metadata.h"
#include "sinks/output.h"
#include "sinks/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_MAX_FILES 64
#define RETRY_MS       1000
#define PRUNE_MS       60000
#define TAIL_BYTES     65536
#define TIMES_TRIED    1000   /* for a name that is free */
#define OTHER_LIMIT_MS 60000  /* between two lines about records without a file of their own */

enum { SYNC_ALWAYS, SYNC_NEVER };
static const char *const sync_choices[] = {"always", "never", NULL};

struct open_file {
    char          *name;            /* NULL: the place is free */
    char          *path;            /* what is open: the name, or that with FILE_NAME_PARTIAL */
    int            fd;
    uint64_t       size, used, opened_ms;
    uint64_t       before;          /* size before the block that is being written */
    bool           touched;         /* by it */
    struct encoded pending;         /* of it, not written */
};

struct sink_file {
    struct sink          base;
    const char          *path;
    uint64_t             rotate_size, rotate_age_ms, keep_files, keep_age_ms, mode;
    int                  sync;
    bool                 gzip, atomic;
    struct wakeup        wakeup;
    struct gzip_members *packer;
    struct encoded       packed;
    struct open_file     files[OPEN_MAX_FILES];
    uint64_t             uses, retry_at_ms, prune_at_ms;
    struct log_limit     other_limit;
};

static const struct setting settings[] = {
    {"path", SETTING_TEXT, offsetof(struct sink_file, path), NULL, .required = true, .written = true,
     .help = "name of the file, with {kind}, {category}, {level}, {result}, {date} and {hour}"},
    {"rotate_size", SETTING_BYTES, offsetof(struct sink_file, rotate_size), "0", .help = "a file of this size gets the time behind its name; 0: never"},
    {"rotate_age", SETTING_DURATION, offsetof(struct sink_file, rotate_age_ms), "0s", .help = "the same for its age"},
    {"gzip", SETTING_BOOL, offsetof(struct sink_file, gzip), "false", .help = "pack the files; path ends in .gz"},
    {"atomic", SETTING_BOOL, offsetof(struct sink_file, atomic), "false", .help = "a file gets its name when it is finished; until then .partial stands behind it"},
    {"keep_files", SETTING_NUMBER, offsetof(struct sink_file, keep_files), "0", .help = "so many finished files stay, the oldest go; 0: all"},
    {"keep_age", SETTING_DURATION, offsetof(struct sink_file, keep_age_ms), "0s", .help = "finished files go when they are so old; 0: never"},
    {"mode", SETTING_NUMBER, offsetof(struct sink_file, mode), "600", .least = 400, .most = 666, .help = "permissions of new files: 600, 640, 644, 660, 664"},
    {"sync", SETTING_CHOICE, offsetof(struct sink_file, sync), "always", .choices = sync_choices,
     .help = "always: a block counts as delivered when it survives a loss of power"},
    {.name = NULL},
};

/* --- Files ------------------------------------------------------------------------------------------------------------ */

static void close_file(struct open_file *f)
{
    if (f->name == NULL) return;
    if (f->fd >= 0) close(f->fd);
    if (f->path != f->name) free(f->path);
    free(f->name);
    encoded_release(&f->pending);
    *f = (struct open_file){.fd = -1};
}

static bool cut_file(struct open_file *f, uint64_t end, struct error *err)
{
    if (end == f->size) return true;
    if (ftruncate(f->fd, (off_t)end) != 0) return error_set_errno(err, ERROR_OUTPUT, "cannot cut '%s'", f->path);
    f->size = end;
    return true;
}

/* Cuts what stands behind the last line feed. */
static bool cut_torn_line(struct open_file *f, struct error *err)
{
    char     tail[TAIL_BYTES];
    uint64_t end = f->size;
    while (end > 0) {
        uint64_t from = end > sizeof tail ? end - sizeof tail : 0;
        ssize_t  got = pread(f->fd, tail, (size_t)(end - from), (off_t)from);
        if (got != (ssize_t)(end - from)) return error_set_errno(err, ERROR_OUTPUT, "cannot read '%s'", f->path);
        const char *feed = memrchr(tail, '\n', (size_t)got);
        end = feed != NULL ? from + (uint64_t)(feed - tail) + 1 : from;
        if (feed != NULL) break;
    }
    return cut_file(f, end, err);
}

static mode_t octal(uint64_t digits) { return (mode_t)(digits / 100 * 64 + digits / 10 % 10 * 8 + digits % 10); }

/* Who may read the files may look into the folders that are made for them. */
static mode_t folder_mode(mode_t mode) { return 0700 | (mode & 0044) | (mode & 0044) >> 2; }

/* Those before the first part of the path that a record decides. */
static void make_folders(const struct sink *sink)
{
    const struct sink_file *s = (const struct sink_file *)sink;
    struct error            err = {0};
    char                   *fixed = strndup(s->path, strcspn(s->path, "{"));
    if (fixed != NULL) (void)!output_make_folders_as(fixed, folder_mode(octal(s->mode)), &err);
    free(fixed);
}

static bool create(const struct sink_file *s, struct open_file *f)
{
    mode_t mode = octal(s->mode);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, mode);
    if (f->fd >= 0) return fchmod(f->fd, mode) == 0 && (s->sync == SYNC_NEVER || folder_sync_above(f->path));
    if (errno == EEXIST) f->fd = open(f->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    return f->fd >= 0;
}

/* True and *foreign: it is of another make, and stays as it is. */
static bool cut_torn_member(struct open_file *f, bool *foreign, struct error *err)
{
    uint64_t end = 0;
    switch (gzip_members_measure(f->fd, f->size, &end)) {
    case GZIP_OURS: return cut_file(f, end, err);
    case GZIP_FOREIGN: *foreign = true; return true;
    case GZIP_UNREADABLE: break;
    }
    return error_set_errno(err, ERROR_OUTPUT, "cannot read '%s'", f->path);
}

static bool name_file(const struct sink_file *s, struct open_file *f, const char *name)
{
    *f = (struct open_file){.name = strdup(name), .fd = -1, .opened_ms = clock_monotonic_ms()};
    f->path = f->name;
    if (f->name != NULL && s->atomic && asprintf(&f->path, "%s" FILE_NAME_PARTIAL, name) < 0) f->path = NULL;
    return f->path != NULL;
}

/* Opens the file and cuts off what is torn. On failure the place is free again. */
static bool open_file(const struct sink_file *s, struct open_file *f, const char *name, bool *foreign, struct error *err)
{
    struct stat status;
    bool        good = false;
    if (!name_file(s, f, name)) {
        error_set(err, ERROR_MEMORY, "no memory to open '%s'", name);
    } else if (output_make_folders_as(f->path, folder_mode(octal(s->mode)), err)) {
        good = (create(s, f) && fstat(f->fd, &status) == 0) || error_set_errno(err, ERROR_OUTPUT, "cannot open '%s'", f->path);
        good = good && (S_ISREG(status.st_mode) || error_set(err, ERROR_OUTPUT, "'%s' is not a file", f->path));
    }
    if (good) f->size = (uint64_t)status.st_size;
    good = good && (s->gzip ? cut_torn_member(f, foreign, err) : cut_torn_line(f, err));
    if (!good) close_file(f);
    return good;
}

/* The file under its name is still the one that is open: somebody else may have moved or removed it. */
static bool is_in_place(const struct open_file *f)
{
    struct stat here, open;
    return stat(f->path, &here) == 0 && fstat(f->fd, &open) == 0 && here.st_dev == open.st_dev && here.st_ino == open.st_ino;
}

static bool is_due(const struct sink_file *s, const struct open_file *f)
{
    return f->size > 0 && ((s->rotate_size > 0 && f->size >= s->rotate_size) ||
                           (s->rotate_age_ms > 0 && clock_monotonic_ms() - f->opened_ms >= s->rotate_age_ms));
}

static bool move(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0; }

/* From its path to its own name, if that is another and free, or to one with the time. */
static bool move_finished(const char *path, const char *name)
{
    char     timed[FILE_NAME_BYTES + 40];
    uint64_t now = clock_realtime_ms();
    if (strcmp(path, name) != 0 && move(path, name)) return true;
    for (unsigned n = 0; n < TIMES_TRIED; n++) {
        file_name_add_time(name, now + n, timed);
        if (move(path, timed)) return true;
        if (errno != EEXIST) return false;
    }
    return false;
}

/* Afterwards the place is free. */
static void finish(struct sink_file *s, struct open_file *f)
{
    bool moved = f->size == 0 && s->atomic ? unlink(f->path) == 0 : move_finished(f->path, f->name);
    if (moved && s->sync == SYNC_ALWAYS) moved = folder_sync_above(f->path);
    if (!moved) sink_trouble(&s->base, "cannot finish '%s': %s", f->path, strerror(errno));
    close_file(f);
    s->prune_at_ms = 0;
}

/* No more is written to it for now. */
static void put_away(struct sink_file *s, struct open_file *f)
{
    if (f->name != NULL && s->atomic) finish(s, f);
    else close_file(f);
}

/* Whether a block may have this file, too: one place is kept for the file of all that may not. */
static bool has_room(const struct sink_file *s, const char *name)
{
    size_t touched = 0;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) {
        if (!s->files[i].touched) continue;
        if (strcmp(s->files[i].name, name) == 0) return true;
        touched++;
    }
    return touched < OPEN_MAX_FILES - 1;
}

/* The open file of that name, or the place for it: what must not be closed for it is touched. */
static struct open_file *find_place(struct sink_file *s, const char *name)
{
    struct open_file *oldest = NULL;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) {
        struct open_file *f = &s->files[i];
        if (f->name != NULL && strcmp(f->name, name) == 0) return f;
        if (!f->touched && (oldest == NULL || (oldest->name != NULL && (f->name == NULL || f->used < oldest->used)))) oldest = f;
    }
    return oldest;
}

/* NULL: it cannot be opened. */
static struct open_file *find_file(struct sink_file *s, const char *name, struct error *err)
{
    struct open_file *f = find_place(s, name);
    bool              foreign = false;
    CHECK(f != NULL);   /* see has_room() */
    if (f->touched) return f;
    if (f->name != NULL && strcmp(f->name, name) != 0) put_away(s, f);
    else if (f->name != NULL && is_due(s, f)) finish(s, f);
    else if (f->name != NULL && !is_in_place(f)) close_file(f);
    if (f->name != NULL) return f;
    if (!open_file(s, f, name, &foreign, err)) return NULL;
    if (!foreign) return f;
    finish(s, f);   /* somebody else packed it: it keeps what it has */
    return open_file(s, f, name, &foreign, err) ? f : NULL;
}

/* --- Writing ---------------------------------------------------------------------------------------------------------- */

static void name_file_of(struct sink_file *s, const struct block *b, const struct block_record *r, const struct file_name *before,
                         struct file_name *n)
{
    uint64_t left_out = 0;
    if (file_name_make(s->path, b, r, n) && (strcmp(n->text, before->text) == 0 || has_room(s, n->text))) return;
    CHECK(file_name_make_other(s->path, n));   /* check() has seen that it fits */
    if (log_passes(&s->other_limit, OTHER_LIMIT_MS, &left_out))
        log_line(LOG_WARNING, s->base.name,
                 "records of one batch are for more than %d files, or for one whose name is too long: they are in '%s'",
                 OPEN_MAX_FILES - 1, n->text);
}

static bool collect(struct sink_file *s, struct block *b, struct error *err)
{
    struct file_name  n, before = {.len = 0};
    struct open_file *f = NULL;
    for (size_t i = 0; i < b->count; i++) {
        if (!sink_wants(&s->base, b, i)) continue;
        name_file_of(s, b, &b->records[i], &before, &n);
        if (f == NULL || strcmp(n.text, before.text) != 0) {
            if ((f = find_file(s, n.text, err)) == NULL) return false;
            before = n;
        }
        if (!f->touched) {
            f->touched = true;
            f->before = f->size;
            f->pending.len = 0;
        }
        f->used = ++s->uses;
        if (!metadata_append(&s->base, b, i, &f->pending))
            return error_set(err, ERROR_MEMORY, "no memory to write '%s'", f->path);
    }
    return true;
}

static bool write_all(struct open_file *f, struct slice bytes, struct error *err)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = write(f->fd, bytes.data + done, bytes.len - done);
        if (n > 0) {
            done += (size_t)n;
            f->size += (uint64_t)n;
        } else if (errno != EINTR) {
            return error_set_errno(err, ERROR_OUTPUT, "cannot write '%s'", f->path);
        }
    }
    return true;
}

static bool write_pending(struct sink_file *s, struct open_file *f, struct error *err)
{
    struct slice bytes = slice_of(f->pending.data, f->pending.len);
    if (s->gzip) {
        s->packed.len = 0;
        if (!gzip_members_pack(s->packer, bytes, &s->packed))
            return error_set(err, ERROR_MEMORY, "no memory to write '%s'", f->path);
        bytes = slice_of(s->packed.data, s->packed.len);
    }
    if (!write_all(f, bytes, err)) return false;
    return s->sync == SYNC_NEVER || fdatasync(f->fd) == 0 || error_set_errno(err, ERROR_OUTPUT, "cannot sync '%s'", f->path);
}

/* After a failure: as if the block had not been tried. A handle whose sync failed is never used again. */
static void take_back(struct sink_file *s)
{
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) {
        struct open_file *f = &s->files[i];
        if (f->name == NULL || !f->touched) continue;
        if (f->size != f->before && ftruncate(f->fd, (off_t)f->before) != 0)
            sink_trouble(&s->base, "cannot cut '%s' back: records may be in it twice", f->path);
        close_file(f);
    }
}

static bool write_block(struct sink_file *s, struct block *b, struct error *err)
{
    bool written = collect(s, b, err);
    for (size_t i = 0; written && i < OPEN_MAX_FILES; i++)
        if (s->files[i].name != NULL && s->files[i].touched) written = write_pending(s, &s->files[i], err);
    if (!written) take_back(s);
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) s->files[i].touched = false;
    return written;
}

static enum sink_take take(struct sink *sink, struct block *b)
{
    struct sink_file *s = (struct sink_file *)sink;
    struct error      err = {0};
    if (clock_monotonic_ms() < s->retry_at_ms) return SINK_FULL;
    if (!write_block(s, b, &err)) {
        s->retry_at_ms = clock_monotonic_ms() + RETRY_MS;
        atomic_fetch_add(&sink->counters.retried, 1);
        sink_trouble(sink, "%s", err.text);
        return SINK_FULL;
    }
    sink_well(sink);
    sink_done(sink, b, NULL, 0);
    return SINK_TOOK;
}

/* --- Finishing and removing ------------------------------------------------------------------------------------------- */

static bool is_open(const struct sink_file *s, const char *path)
{
    for (size_t i = 0; i < OPEN_MAX_FILES; i++)
        if (s->files[i].name != NULL && strcmp(s->files[i].path, path) == 0) return true;
    return false;
}

/* A name without a date that is not kept for finished files is that of the file that is written next. */
static bool is_finished(const struct sink_file *s, const struct found_file *file)
{
    if (file->state != FILE_OWN_NAME) return file->state == FILE_TIMED;
    return (s->atomic || file_name_is_dated(s->path)) && !is_open(s, file->path);
}

static void prune(struct sink_file *s)
{
    struct found_files found;
    uint64_t           kept = 0;
    int64_t            now = (int64_t)clock_realtime_ms();
    s->prune_at_ms = clock_monotonic_ms() + PRUNE_MS;
    if ((s->keep_files == 0 && s->keep_age_ms == 0) || !file_names_find(s->path, &found)) return;
    for (size_t i = 0; i < found.count; i++) {
        const struct found_file *file = &found.files[i];
        if (!is_finished(s, file)) continue;
        bool old = s->keep_age_ms > 0 && now - file->modified_ms >= (int64_t)s->keep_age_ms;
        if (!old && (s->keep_files == 0 || ++kept <= s->keep_files)) continue;
        if (unlink(file->path) != 0 && errno != ENOENT)
            sink_trouble(&s->base, "cannot remove '%s': %s", file->path, strerror(errno));
        else log_line(LOG_INFO, s->base.name, "removed '%s': it was %s", file->path, old ? "old enough" : "one too many");
    }
    file_names_release(&found);
}

/* What a killed run left unfinished, cut to what is whole. */
static void finish_leftovers(struct sink_file *s)
{
    struct found_files found;
    if (!file_names_find(s->path, &found)) return;
    for (size_t i = 0; i < found.count; i++) {
        struct open_file f;
        struct error     err = {0};
        bool             foreign = false;
        if (!s->atomic || found.files[i].state != FILE_PARTIAL) continue;
        found.files[i].path[strlen(found.files[i].path) - (sizeof FILE_NAME_PARTIAL - 1)] = '\0';
        if (open_file(s, &f, found.files[i].path, &foreign, &err)) finish(s, &f);
        else sink_trouble(&s->base, "%s", err.text);
    }
    file_names_release(&found);
}

static bool poll_file(struct sink *sink, int wait_ms, struct error *err)
{
    struct sink_file *s = (struct sink_file *)sink;
    (void)err;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++)
        if (s->files[i].name != NULL && is_due(s, &s->files[i])) finish(s, &s->files[i]);
    if (clock_monotonic_ms() >= s->prune_at_ms) prune(s);
    wakeup_wait(&s->wakeup, wait_ms);
    return true;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

static bool check(struct sink *sink, struct error *err)
{
    static const struct block        nothing;
    static const struct block_record none;
    struct sink_file                *s = (struct sink_file *)sink;
    struct file_name                 n;
    uint64_t                         digits = s->mode;
    size_t                           len = strlen(s->path);
    for (int i = 0; i < 3; i++, digits /= 10)
        if (digits % 10 > 7) return error_set(err, ERROR_USAGE, "mode is written in octal digits, as in 640");
    if (len >= FILE_NAME_BYTES / 2 || !file_name_make(s->path, &nothing, &none, &n) || !file_name_make_other(s->path, &n))
        return error_set(err, ERROR_USAGE, "'%s': a path may have {kind}, {category}, {level}, {result}, {date} and {hour}",
                         s->path);
    if (s->gzip != (len > 3 && strcmp(s->path + len - 3, ".gz") == 0))
        return error_set(err, ERROR_USAGE, "'%s': `gzip: true` and a path that ends in .gz go together", s->path);
    if (s->atomic && s->rotate_size == 0 && s->rotate_age_ms == 0)
        return error_set(err, ERROR_USAGE, "atomic needs rotate_age or rotate_size: without them no file would be finished");
    return true;
}

static void close_sink(struct sink *sink)
{
    struct sink_file *s = (struct sink_file *)sink;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) put_away(s, &s->files[i]);
    gzip_members_free(s->packer);
    encoded_release(&s->packed);
    s->packer = NULL;
    s->packed = (struct encoded){0};
    wakeup_release(&s->wakeup);
}

static bool open_sink(struct sink *sink, struct error *err)
{
    struct sink_file *s = (struct sink_file *)sink;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) s->files[i].fd = -1;
    s->retry_at_ms = s->prune_at_ms = 0;
    if (!wakeup_init(&s->wakeup, err)) return false;
    if (s->gzip && (s->packer = gzip_members_new()) == NULL) {
        wakeup_release(&s->wakeup);
        return error_set(err, ERROR_MEMORY, "no memory for the sink %s", sink->name);
    }
    finish_leftovers(s);
    return true;
}

static void wake(struct sink *sink) { wakeup_signal(&((struct sink_file *)sink)->wakeup); }

const struct sink_type sink_file = {
    .name = "file",
    .summary = "files named by kind, category and time",
    .bytes = sizeof(struct sink_file),
    .settings = settings,
    .formats = "original flat ecs ocsf cef appinsights",
    .check = check,
    .make_folders = make_folders,
    .open = open_sink,
    .take = take,
    .poll = poll_file,
    .wake = wake,
    .close = close_sink,
};
