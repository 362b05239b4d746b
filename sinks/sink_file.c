/* The `file` sink: records appended to files named by a template.
 *
 *   path: /var/log/lethe/{kind}-{date}.jsonl     {kind} {category} {level} {result} {date} {hour}
 *
 * {date} and {hour} are those of the record, in UTC, or of now where it has no time. What a record says becomes part of a name
 * only as letters, digits, '-', '_' and '.', so it cannot lead out of the folder.
 *
 * (1) A block is written to all its files and synced, or to none: when something fails, every file is cut back to where it
 *     was, and all of it is tried again later. So a full disk leaves no half block.
 * (2) Under the final name stand whole lines only: a torn last line of a crash is cut when the file is opened again.
 * (3) At most OPEN_MAX files are open; the one not written for the longest time is closed for the next.
 * (4) A file that reaches rotate_size or rotate_age is renamed with the time behind its name, and a new one begun. */
#include "base/clock.h"
#include "base/wakeup.h"
#include "sinks/metadata.h"
#include "sinks/output.h"
#include "sinks/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPEN_MAX_FILES 64
#define PATH_BYTES     1024
#define PART_BYTES     100          /* of a name, from one field */
#define RETRY_MS       1000
#define TAIL_BYTES     65536

enum { SYNC_ALWAYS, SYNC_NEVER };
static const char *const sync_choices[] = {"always", "never", NULL};

struct open_file {
    char          *path;            /* NULL: the place is free */
    int            fd;
    uint64_t       size, used, opened_ms;
    uint64_t       before;          /* size before the block that is being written */
    bool           touched;         /* by it */
    struct encoded pending;         /* of it, not written */
};

struct sink_file {
    struct sink      base;
    const char      *path;
    uint64_t         rotate_size, rotate_age_ms, mode;
    int              sync;
    struct wakeup    wakeup;
    struct open_file files[OPEN_MAX_FILES];
    uint64_t         uses, retry_at_ms;
};

static const struct setting settings[] = {
    {"path", SETTING_TEXT, offsetof(struct sink_file, path), NULL, .required = true, .written = true,
     .help = "name of the file, with {kind}, {category}, {level}, {result}, {date} and {hour}"},
    {"rotate_size", SETTING_BYTES, offsetof(struct sink_file, rotate_size), "0", .help = "a file of this size gets the time behind its name; 0: never"},
    {"rotate_age", SETTING_DURATION, offsetof(struct sink_file, rotate_age_ms), "0s", .help = "the same for its age"},
    {"mode", SETTING_NUMBER, offsetof(struct sink_file, mode), "600", .least = 400, .most = 666, .help = "permissions of new files: 600, 640, 644, 660, 664"},
    {"sync", SETTING_CHOICE, offsetof(struct sink_file, sync), "always", .choices = sync_choices,
     .help = "always: a block counts as delivered when it survives a loss of power"},
    {.name = NULL},
};

/* --- Names -------------------------------------------------------------------------------------------------------------------- */

struct name {
    char   text[PATH_BYTES];
    size_t len;
    bool   whole;
};

static void put(struct name *n, const char *text, size_t len)
{
    n->whole = n->whole && n->len + len < sizeof n->text;
    if (!n->whole) return;
    memcpy(n->text + n->len, text, len);
    n->len += len;
}

static void put_part(struct name *n, struct slice text)
{
    char   part[PART_BYTES];
    size_t len = text.len < PART_BYTES ? text.len : PART_BYTES;
    for (size_t i = 0; i < len; i++) {
        char c = text.data[i];
        part[i] = ascii_is_alnum(c) || c == '-' || c == '_' || (c == '.' && i > 0) ? c : '_';
    }
    if (len == 0) put(n, "none", 4);
    else put(n, part, len);
}

static void put_time(struct name *n, const struct block_record *r, bool hour)
{
    int64_t   ms = r->time_ms != INT64_MIN ? r->time_ms : (int64_t)clock_realtime_ms();
    time_t    seconds = (time_t)(ms / 1000);
    struct tm utc;
    char      text[32];
    gmtime_r(&seconds, &utc);
    put(n, text, hour ? strftime(text, sizeof text, "%H", &utc) : strftime(text, sizeof text, "%Y-%m-%d", &utc));
}

static bool put_field(struct name *n, struct slice field, const struct block *b, const struct block_record *r)
{
    if (slice_equal(field, SLICE("kind"))) put_part(n, slice_from(kind_text((enum kind)r->kind)));
    else if (slice_equal(field, SLICE("category"))) put_part(n, block_label(b, r->category));
    else if (slice_equal(field, SLICE("level"))) put_part(n, block_label(b, r->level));
    else if (slice_equal(field, SLICE("result"))) put_part(n, block_label(b, r->result));
    else if (slice_equal(field, SLICE("date"))) put_time(n, r, false);
    else if (slice_equal(field, SLICE("hour"))) put_time(n, r, true);
    else return false;
    return true;
}

/* False: the template is not one. */
static bool make_name(const char *template, const struct block *b, const struct block_record *r, struct name *n)
{
    *n = (struct name){.whole = true};
    for (const char *p = template; *p != '\0';) {
        size_t plain = strcspn(p, "{}");
        put(n, p, plain);
        p += plain;
        if (*p == '\0') break;
        const char *close = *p == '{' ? strchr(p, '}') : NULL;
        if (close == NULL || !put_field(n, slice_of(p + 1, (size_t)(close - p - 1)), b, r)) return false;
        p = close + 1;
    }
    n->text[n->len] = '\0';
    return n->whole;
}

/* --- Files -------------------------------------------------------------------------------------------------------------------- */

static void close_file(struct open_file *f)
{
    if (f->path == NULL) return;
    close(f->fd);
    free(f->path);
    encoded_release(&f->pending);
    *f = (struct open_file){.fd = -1};
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
    if (end == f->size) return true;
    if (ftruncate(f->fd, (off_t)end) != 0) return error_set_errno(err, ERROR_OUTPUT, "cannot cut '%s'", f->path);
    f->size = end;
    return true;
}

static mode_t octal(uint64_t digits) { return (mode_t)(digits / 100 * 64 + digits / 10 % 10 * 8 + digits % 10); }

static bool open_path(struct sink_file *s, struct open_file *f, const char *path, struct error *err)
{
    struct stat status;
    *f = (struct open_file){.path = strdup(path), .fd = -1, .opened_ms = clock_monotonic_ms()};
    CHECK(f->path != NULL);
    if (!output_make_folders(path, err)) goto failed;
    f->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, octal(s->mode));
    if (f->fd < 0 || fstat(f->fd, &status) != 0) {
        error_set_errno(err, ERROR_OUTPUT, "cannot open '%s'", path);
        goto failed;
    }
    f->size = (uint64_t)status.st_size;
    if (!S_ISREG(status.st_mode)) error_set(err, ERROR_OUTPUT, "'%s' is not a file", path);
    else if (cut_torn_line(f, err)) return true;
failed:
    if (f->fd >= 0) close(f->fd);
    free(f->path);
    *f = (struct open_file){.fd = -1};
    return false;
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

static void rotate(struct open_file *f)
{
    char      old[PATH_BYTES + 40], when[24];
    uint64_t  now = clock_realtime_ms();
    time_t    seconds = (time_t)(now / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", &utc);
    for (unsigned n = 0; n < 1000; n++) {
        snprintf(old, sizeof old, "%s.%s.%03uZ", f->path, when, (unsigned)((now + n) % 1000));
        if (renameat2(AT_FDCWD, f->path, AT_FDCWD, old, RENAME_NOREPLACE) == 0 || errno != EEXIST) break;
    }
    close_file(f);
}

/* The open file of that path; what must not be closed for it is touched. NULL: it cannot be opened. */
static struct open_file *find_file(struct sink_file *s, const char *path, struct error *err)
{
    struct open_file *oldest = NULL;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) {
        struct open_file *f = &s->files[i];
        if (f->path != NULL && strcmp(f->path, path) == 0) {
            if (f->touched) return f;
            if (is_due(s, f)) rotate(f);
            else if (!is_in_place(f)) close_file(f);
            else return f;
            oldest = f;
            break;
        }
        if (!f->touched && (oldest == NULL || (oldest->path != NULL && (f->path == NULL || f->used < oldest->used)))) oldest = f;
    }
    if (oldest == NULL) {
        error_set(err, ERROR_OUTPUT, "the records of one batch go to more than %d files", OPEN_MAX_FILES);
        return NULL;
    }
    close_file(oldest);
    return open_path(s, oldest, path, err) ? oldest : NULL;
}

/* --- Writing -------------------------------------------------------------------------------------------------------------------- */

static bool collect(struct sink_file *s, struct block *b, struct error *err)
{
    struct name       n, before = {.len = 0};
    struct open_file *f = NULL;
    for (size_t i = 0; i < b->count; i++) {
        if (!sink_wants(&s->base, b, i)) continue;
        if (!make_name(s->path, b, &b->records[i], &n)) return error_set(err, ERROR_OUTPUT, "a name made of '%s' is too long", s->path);
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
        if (!metadata_append(&s->base, b, i, &f->pending)) return error_set(err, ERROR_OUTPUT, "no memory to write '%s'", f->path);
    }
    return true;
}

static bool write_pending(struct sink_file *s, struct open_file *f, struct error *err)
{
    for (size_t done = 0; done < f->pending.len;) {
        ssize_t n = write(f->fd, f->pending.data + done, f->pending.len - done);
        if (n > 0) {
            done += (size_t)n;
            f->size += (uint64_t)n;
        } else if (errno != EINTR) {
            return error_set_errno(err, ERROR_OUTPUT, "cannot write '%s'", f->path);
        }
    }
    if (s->sync == SYNC_ALWAYS && fdatasync(f->fd) != 0) return error_set_errno(err, ERROR_OUTPUT, "cannot sync '%s'", f->path);
    return true;
}

/* After a failure: as if the block had not been tried. A handle whose sync failed is never used again. */
static void take_back(struct sink_file *s)
{
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) {
        struct open_file *f = &s->files[i];
        if (f->path == NULL || !f->touched) continue;
        if (f->size != f->before && ftruncate(f->fd, (off_t)f->before) != 0)
            sink_trouble(&s->base, "cannot cut '%s' back: records may be in it twice", f->path);
        close_file(f);
    }
}

static bool write_block(struct sink_file *s, struct block *b, struct error *err)
{
    bool written = collect(s, b, err);
    for (size_t i = 0; written && i < OPEN_MAX_FILES; i++)
        if (s->files[i].path != NULL && s->files[i].touched) written = write_pending(s, &s->files[i], err);
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

static bool poll_file(struct sink *sink, int wait_ms, struct error *err)
{
    (void)err;
    wakeup_wait(&((struct sink_file *)sink)->wakeup, wait_ms);
    return true;
}

/* --- Life ------------------------------------------------------------------------------------------------------------------------- */

static bool check(struct sink *sink, struct error *err)
{
    static const struct block        nothing;
    static const struct block_record none;
    struct sink_file                *s = (struct sink_file *)sink;
    struct name                      n;
    uint64_t                         digits = s->mode;
    for (int i = 0; i < 3; i++, digits /= 10)
        if (digits % 10 > 7) return error_set(err, ERROR_USAGE, "mode is written in octal digits, as in 640");
    if (!make_name(s->path, &nothing, &none, &n))
        return error_set(err, ERROR_USAGE, "'%s': a path may have {kind}, {category}, {level}, {result}, {date} and {hour}", s->path);
    return true;
}

static bool open_sink(struct sink *sink, struct error *err)
{
    struct sink_file *s = (struct sink_file *)sink;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) s->files[i].fd = -1;
    s->retry_at_ms = 0;
    return wakeup_init(&s->wakeup, err);
}

static void wake(struct sink *sink) { wakeup_signal(&((struct sink_file *)sink)->wakeup); }

static void close_sink(struct sink *sink)
{
    struct sink_file *s = (struct sink_file *)sink;
    for (size_t i = 0; i < OPEN_MAX_FILES; i++) close_file(&s->files[i]);
    wakeup_release(&s->wakeup);
}

const struct sink_type sink_file = {
    .name = "file",
    .summary = "files named by kind, category and time",
    .bytes = sizeof(struct sink_file),
    .settings = settings,
    .formats = "original flat ecs ocsf cef appinsights",
    .check = check,
    .open = open_sink,
    .take = take,
    .poll = poll_file,
    .wake = wake,
    .close = close_sink,
};
