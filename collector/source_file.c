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
#include <unistd.h>

#define MOST_FILES      10000
#define MOST_OPEN       512
#define PACKED_REST_MS  1000
#define LIST_MS         2000        /* the patterns are looked up so often, and when inotify says so */
#define IDLE_AFTER_MS   10000       /* files that did not grow for so long are looked at ... */
#define IDLE_EVERY_MS   1000        /* ... so often */
#define MOST_HELD       ((uint64_t)16 << 20)   /* bytes of unfinished documents, of all files together */

enum { START_BEGINNING, START_END };
static const char *const start_choices[] = {"beginning", "end", NULL};

struct followed {
    char            *path;
    int              fd;             /* -1: closed */
    struct file_mark mark;           /* of what was handed out */
    struct framer   *framer;         /* NULL: nothing is unfinished */
    struct gunzip   *gunzip;
    uint64_t         size;           /* as last seen, packed or not */
    uint64_t         read_to;        /* bytes of the content that the framer has */
    uint64_t         packed_to;      /* bytes of the file that gunzip has */
    uint64_t         tried_size;     /* no more came of it than was known */
    uint64_t         grown_ms, looked_ms, used_ms, gone_ms;
    bool             packed, gone, listed, finishing, ended, forgotten, told;
    bool             announced;      /* its first mark is on its way */
};

struct source_file {
    struct source    base;
    struct text_list paths, exclude;
    int              start;
    uint64_t         poll_ms, rotate_wait_ms;

    struct followed **files;
    size_t            count, capacity, turn, open_count;
    struct file_mark *saved;         /* of earlier runs, of files not met yet */
    size_t            saved_count;
    bool              first_list, too_many_told;
    uint64_t          listed_ms, swept_ms, held;
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
    struct position position;
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

static void load_mark(void *context, const struct position *p)
{
    struct source_file *s = context;
    struct file_mark    mark;
    if (p->value_len != sizeof mark) return;
    memcpy(&mark, p->value, sizeof mark);
    if (mark.version != MARK_VERSION || mark.head.len > SAMPLE_BYTES || mark.tail.len > SAMPLE_BYTES) return;
    mark.path[SAVED_PATH - 1] = '\0';
    s->saved = reallocarray(s->saved, s->saved_count + 1, sizeof *s->saved);
    CHECK(s->saved != NULL);
    s->saved[s->saved_count++] = mark;
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

static struct receipt *make_receipt(const struct source_file *s, const struct file_mark *mark, bool forget)
{
    struct file_receipt *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    file_key(&s->base, &mark->id, r->position.key, &r->position.key_len);
    _Static_assert(sizeof *mark <= POSITION_VALUE_MAX, "a mark is the value of a position");
    r->position.value_len = forget ? 0 : sizeof *mark;
    if (!forget) memcpy(r->position.value, mark, sizeof *mark);
    r->base.positions = &r->position;
    r->base.position_count = 1;
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
    if (f->framer == NULL) return;
    s->held -= f->read_to - f->mark.place.offset;
    framer_free(f->framer);
    f->framer = NULL;
    if (f->gunzip != NULL) gunzip_free(f->gunzip);
    f->gunzip = NULL;
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

/* Closes the file that was not used for the longest time and can be opened again by its name. */
static void close_one(struct source_file *s)
{
    struct followed *oldest = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        if (f->fd >= 0 && !f->gone && f->gunzip == NULL && (oldest == NULL || f->used_ms < oldest->used_ms)) oldest = f;
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

/* Where a file is by now that does not bear its name any more. False: nowhere near. */
static bool relocate(struct followed *f)
{
    char   pattern[SAVED_PATH + 8];
    glob_t found;
    bool   here = false;
    snprintf(pattern, sizeof pattern, "%s[.-]*", f->mark.path);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t n = 0; n < found.gl_pathc && !here; n++) {
            struct file_id id;
            struct stat    status;
            here = file_id_at(found.gl_pathv[n], &id, &status) && file_id_equal(&id, &f->mark.id);
            if (here) rename_followed(f, found.gl_pathv[n]);
        }
    globfree(&found);
    return here;
}

static bool open_path(struct source_file *s, struct followed *f)
{
    struct file_id id;
    f->used_ms = clock_monotonic_ms();
    if (f->fd >= 0) return true;
    if (s->open_count >= MOST_OPEN) close_one(s);
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

static bool open_fd(struct source_file *s, struct followed *f)
{
    return open_path(s, f) || (f->gone && relocate(f) && open_path(s, f));
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
    f->read_to = f->tried_size = 0;
    file_stream(&s->base, &f->mark.id, f->mark.epoch, f->mark.stream);
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
    for (size_t i = 0; i < s->count; i++)
        if (file_id_equal(&s->files[i]->mark.id, id)) return s->files[i];
    return NULL;
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
                           .tried_size = UINT64_MAX, .read_to = mark->place.offset, .packed = is_gzip(path)};
    CHECK(f->path != NULL);
    snprintf(f->mark.path, sizeof f->mark.path, "%s", path);
    s->files[s->count++] = f;
    if (s->open_count < MOST_OPEN) (void)open_fd(s, f);   /* so that it may be removed at once */
    return f;
}

/* A packed file that begins as one did that is gone, and has a name made of its: that one, packed meanwhile. */
static bool adopt(struct source_file *s, const char *path, const struct file_id *id, struct file_mark *mark)
{
    struct followed trial = {.path = (char *)path, .fd = open(path, O_RDONLY | O_CLOEXEC), .packed = true};
    bool            found = false;
    for (size_t i = 0; trial.fd >= 0 && i < s->saved_count && !found; i++) {
        const struct file_mark *m = &s->saved[i];
        if (m->head.len == 0 || strncmp(path, m->path, strlen(m->path)) != 0 || !start_gunzip(&trial)) continue;
        found = unpack_to(s, &trial, m);
        if (!found) continue;
        *mark = *m;
        mark->id = *id;
        s->saved[i] = s->saved[--s->saved_count];
        log_line(LOG_INFO, s->base.name, "'%s' is a file read before, packed: going on at byte %" PRIu64, path, mark->place.offset);
    }
    if (trial.gunzip != NULL) gunzip_free(trial.gunzip);
    if (trial.fd >= 0) close(trial.fd);
    return found;
}

static void new_file(struct source_file *s, const char *path, const struct file_id *id, uint64_t size)
{
    struct file_mark mark;
    if (s->count == MOST_FILES) {
        if (!s->too_many_told) log_line(LOG_ERROR, s->base.name, "there are more than %d files: the others are not read", MOST_FILES);
        s->too_many_told = true;
        return;
    }
    bool known = take_saved(s, id, &mark) || (is_gzip(path) && adopt(s, path, id, &mark));
    if (!known) {
        mark = (struct file_mark){.version = MARK_VERSION, .id = *id, .place = {.line = 1}};
        file_stream(&s->base, id, 0, mark.stream);
        if (s->start == START_END && s->first_list) mark.place.offset = size;
    }
    follow(s, path, &mark, size)->listed = true;
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
    if (f->gone && !f->ended) f->gone = false;
}

/* Follows a file that bears a name by now that does not fit. */
static void follow_renamed(struct source_file *s, const char *path, const struct file_mark *mark, uint64_t size)
{
    struct followed *f = follow(s, path, mark, size);
    snprintf(f->mark.path, sizeof f->mark.path, "%s", mark->path[0] != '\0' ? mark->path : path);
    f->gone = true;
    f->gone_ms = clock_monotonic_ms();
}

/* One that was not met before: from its beginning. */
static void meet_renamed(struct source_file *s, const char *path)
{
    struct file_mark mark = {.version = MARK_VERSION, .place = {.line = 1}};
    struct stat      status;
    if (!file_id_at(path, &mark.id, &status) || !S_ISREG(status.st_mode)) return;
    struct followed *known = find_followed(s, &mark.id);
    if (known != NULL) rename_followed(known, path);
    if (known != NULL || s->count == MOST_FILES || is_gzip(path)) return;
    file_stream(&s->base, &mark.id, 0, mark.stream);
    follow_renamed(s, path, &mark, (uint64_t)status.st_size);
}

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
    s->folders = reallocarray(s->folders, s->folder_count + 1, sizeof *s->folders);
    CHECK(s->folders != NULL);
    s->folders[s->folder_count].watch = watch;
    strcpy(s->folders[s->folder_count++].path, path);
}

static bool fits_pattern(const struct source_file *s, const char *path)
{
    for (size_t i = 0; i < s->paths.count; i++)
        if (fnmatch(s->paths.items[i], path, FNM_PATHNAME | FNM_PERIOD) == 0) return !is_excluded(s, path);
    return false;
}

static void list(struct source_file *s)
{
    for (size_t i = 0; i < s->count; i++) s->files[i]->listed = false;
    for (size_t i = 0; i < s->paths.count; i++) {
        glob_t found;
        watch_folder(s, s->paths.items[i]);
        if (glob(s->paths.items[i], GLOB_NOSORT, NULL, &found) == 0)
            for (size_t n = 0; n < found.gl_pathc; n++) meet(s, found.gl_pathv[n]);
        globfree(&found);
    }
    uint64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        if (f->listed || f->gone) continue;
        f->gone = true;
        f->gone_ms = now;
    }
    s->listed_ms = now;
}

/* The file of a mark that no pattern shows any more: renamed while nobody looked. It is in the same folder, if it is anywhere. */
static bool find_renamed(struct source_file *s, const struct file_mark *mark)
{
    struct followed trial = {.path = strdup(mark->path), .mark = *mark};
    struct file_id  id;
    struct stat     status;
    bool            here = relocate(&trial) && file_id_at(trial.path, &id, &status) && S_ISREG(status.st_mode);
    if (here) follow_renamed(s, trial.path, mark, (uint64_t)status.st_size);
    free(trial.path);
    return here;
}

/* The name without its last parts, as far as what is left fits: x.log of x.log.1, x.log-20260314 and x.log.1.gz. */
static bool fits_without_ending(const struct source_file *s, const char *path, char base[SAVED_PATH])
{
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
        char           path[SAVED_PATH + NAME_MAX + 2], base[SAVED_PATH];
        struct file_id id;
        struct stat    status;
        snprintf(path, sizeof path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, entry->d_name);
        if (fits_pattern(s, path) || !fits_without_ending(s, path, base) || !file_id_at(path, &id, &status)) continue;
        if (id.born_ns >= s->base.store_born_ns && S_ISREG(status.st_mode)) meet_renamed(s, path);
    }
    if (d != NULL) closedir(d);
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
            struct file_mark adopted;
            if (!file_id_at(found.gl_pathv[n], &id, &status) || find_followed(s, &id) != NULL || !is_gzip(found.gl_pathv[n])) continue;
            if (!adopt(s, found.gl_pathv[n], &id, &adopted)) continue;
            follow_renamed(s, found.gl_pathv[n], &adopted, (uint64_t)status.st_size);
            break;
        }
    globfree(&found);
}

static void find_missing(struct source_file *s)
{
    for (size_t i = s->saved_count; i-- > 0;) {
        struct file_mark mark = s->saved[i];
        if (mark.path[0] == '\0' || !find_renamed(s, &mark)) continue;
        s->saved[i] = s->saved[--s->saved_count];
    }
    for (size_t i = s->saved_count; i-- > 0;)
        if (i < s->saved_count && s->saved[i].path[0] != '\0') find_packed(s, s->saved[i]);
    for (size_t i = 0; i < s->folder_count && s->base.store != NULL; i++) find_unmet(s, s->folders[i].path);
}

/* How large each file is now. */
static void look(struct source_file *s, uint64_t now)
{
    uint64_t lag = 0, streams = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        struct stat      status;
        if (f->ended) continue;
        streams++;
        bool idle = now - f->grown_ms > IDLE_AFTER_MS;
        if (!idle || now - f->looked_ms >= IDLE_EVERY_MS) {
            f->looked_ms = now;
            struct file_id id;
            bool           seen = f->fd >= 0 ? fstat(f->fd, &status) == 0
                                             : file_id_at(f->path, &id, &status) && file_id_equal(&id, &f->mark.id);
            if (seen && (uint64_t)status.st_size != f->size) {
                f->grown_ms = now;
                f->told = false;
                f->size = (uint64_t)status.st_size;
                if (f->gone) f->gone_ms = now;
            }
        }
        if (f->size > f->read_to && !f->packed) lag += f->size - f->read_to;
    }
    atomic_store(&s->base.counters.lag_bytes, lag);
    atomic_store(&s->base.counters.streams, streams);
    s->swept_ms = now;
}

/* A rename comes as two events with one cookie, one after the other. */
static void note_event(struct source_file *s, const struct inotify_event *e)
{
    char path[SAVED_PATH + NAME_MAX + 2] = "";
    if ((e->mask & ~(uint32_t)IN_MODIFY) != 0) s->listed_ms = 0;
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
    bool     news = drain_events(s);
    if (!news && now - s->swept_ms < s->poll_ms) return;
    if (s->listed_ms == 0 || now - s->listed_ms >= LIST_MS) {
        list(s);
        if (s->first_list) find_missing(s);
        s->first_list = false;
    }
    look(s, now);
}

/* --- Filling ------------------------------------------------------------------------------------------------------------------- */

static bool has_work(const struct source_file *s, const struct followed *f, uint64_t now)
{
    if (f->ended) return !f->forgotten;
    if (!f->announced) return true;
    if (f->packed) return f->framer != NULL || (f->tried_size != f->size && now - f->grown_ms >= PACKED_REST_MS);
    if (f->size != f->read_to && f->size != f->tried_size) return true;
    return f->gone && now - f->gone_ms >= s->rotate_wait_ms;
}

static bool update_mark(struct source_file *s, struct followed *f)
{
    struct framer_place place = framer_place(f->framer);
    bool                moved = place.offset != f->mark.place.offset;
    f->mark.place = place;
    if (moved && !f->packed && !file_samples(&s->base, f->fd, place.offset, &f->mark.head, &f->mark.tail))
        f->mark.tail = (struct sample){0};
    return moved;
}

/* A packed file: its samples are those of the content, which only passes by once; so the whole file is its own proof. */
static void end_file(struct source_file *s, struct followed *f)
{
    drop_framer(s, f);
    f->tried_size = f->size;
    f->finishing = false;
    if (f->gone) f->ended = true;
    if (f->gone || f->packed) close_fd(s, f);
}

/* True: the cargo has something of this file. */
static bool fill_from(struct source_file *s, struct followed *f, struct cargo *c, struct error *err)
{
    uint64_t now = clock_monotonic_ms();
    if (f->ended || !f->announced) {   /* what was read of it is settled before this is */
        struct file_id id;
        struct stat    status;
        bool           there = file_id_at(f->path, &id, &status) && file_id_equal(&id, &f->mark.id);
        f->forgotten = f->ended;
        f->announced = true;
        c->receipt = make_receipt(s, &f->mark, f->ended && !there && !relocate(f));
        return true;
    }
    if (!open_fd(s, f)) {
        f->tried_size = f->size;
        if (f->gone && now - f->gone_ms >= s->rotate_wait_ms) f->ended = true;
        return false;
    }
    verify(s, f);
    f->finishing = f->gone && !f->packed && now - f->gone_ms >= s->rotate_wait_ms && f->size <= f->read_to;
    if (f->framer == NULL && f->finishing) {
        end_file(s, f);
        return false;
    }
    if (f->framer == NULL && !start_framer(s, f)) return false;
    s->held -= f->read_to - f->mark.place.offset;
    struct origin origin = {.number = 0};
    memcpy(origin.stream, f->mark.stream, sizeof origin.stream);
    cargo_add_origin(c, &origin);
    enum fill filled = framer_fill(f->framer, &c->batch, err);
    bool      moved = update_mark(s, f);
    s->held += f->read_to - f->mark.place.offset;
    if (filled == FILL_FAILED) {
        log_line(LOG_WARNING, s->base.name, "%s", err->text);
        *err = (struct error){0};
    }
    if (filled == FILL_LATER) f->tried_size = f->read_to;
    bool idle = filled == FILL_LATER && f->read_to == f->mark.place.offset;
    if (moved || c->batch.count > 0) c->receipt = make_receipt(s, &f->mark, false);
    if (filled == FILL_END || filled == FILL_FAILED) end_file(s, f);
    else if (idle || s->held > MOST_HELD) drop_framer(s, f);
    return c->receipt != NULL;
}

/* A mark whose file was not there at the start, while its folder was. */
static bool forget_one(struct source_file *s, struct cargo *c)
{
    while (s->saved_count > 0 && !s->first_list) {
        struct file_mark mark = s->saved[--s->saved_count];
        char            *slash = strrchr(mark.path, '/');
        if (slash != NULL) *slash = '\0';
        if (slash == NULL || access(mark.path, F_OK) != 0) continue;
        c->receipt = make_receipt(s, &mark, true);
        snprintf(c->place, sizeof c->place, "%.200s", mark.path);
        return true;
    }
    return false;
}

static bool fill_any(struct source_file *s, struct cargo *c, struct error *err)
{
    uint64_t now = clock_monotonic_ms();
    if (forget_one(s, c)) return true;
    for (size_t n = 0; n < s->count; n++) {
        struct followed *f = s->files[s->turn % s->count];
        s->turn = (s->turn + 1) % s->count;
        if (!has_work(s, f, now)) continue;
        c->origin_count = 0;
        batch_clear(&c->batch);   /* what was passed over may still lie there */
        if (!fill_from(s, f, c, err)) continue;
        snprintf(c->place, sizeof c->place, "%s", f->path);
        return true;
    }
    return false;
}

static void forget_files(struct source_file *s)
{
    for (size_t i = s->count; i-- > 0;) {
        if (!s->files[i]->forgotten) continue;
        free_file(s, s->files[i]);
        s->files[i] = s->files[--s->count];
    }
}

static enum source_fill fill(struct source *source, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_file *s = (struct source_file *)source;
    sweep(s);
    forget_files(s);
    if (fill_any(s, c, err)) return SOURCE_FILLED;
    struct pollfd waits[2] = {{.fd = s->wakeup.fd, .events = POLLIN}, {.fd = s->notify, .events = POLLIN}};
    int           wait = (uint64_t)wait_ms < s->poll_ms ? wait_ms : (int)s->poll_ms;
    poll(waits, 2, wait);
    wakeup_clear(&s->wakeup);
    return SOURCE_IDLE;
}

/* --- Life ---------------------------------------------------------------------------------------------------------------------- */

static bool open_source(struct source *source, struct error *err)
{
    struct source_file *s = (struct source_file *)source;
    s->first_list = true;
    s->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);   /* without it polling alone does */
    if (source->store != NULL) store_each_position(source->store, source->name, load_mark, s);
    if (s->saved_count > 0) s->start = START_BEGINNING;    /* this is not the first start */
    return wakeup_init(&s->wakeup, err);
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
