/* Which files there are: the patterns are looked up, and the files looked at. */
#include "source_file_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LIST_MS        2000        /* the patterns are looked up so often, and when inotify says so */
#define IDLE_AFTER_MS  10000       /* files that did not grow for so long are looked at ... */
#define IDLE_EVERY_MS  1000        /* ... so often, and when inotify says so */
#define IDLE_FILE_MS   1           /* both less often where there are many files: a file costs a look in so many ms at most */
#define LEAST_SWEEP_MS 5           /* whatever inotify says */

/* --- What is followed ------------------------------------------------------------------------------------------------- */

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

static bool is_excluded(const struct source_file *s, const char *path)
{
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    for (size_t i = 0; i < s->exclude.count; i++)
        if (fnmatch(s->exclude.items[i], name, 0) == 0 || fnmatch(s->exclude.items[i], path, 0) == 0) return true;
    return false;
}

struct followed *files_find(const struct source_file *s, const struct file_id *id)
{
    struct followed *f = s->buckets[id->inode % BUCKETS];
    while (f != NULL && !file_id_equal(&f->mark.id, id)) f = f->next;
    return f;
}

void files_leave_table(struct source_file *s, struct followed *f)
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

struct followed *files_follow(struct source_file *s, const char *path, const struct file_mark *mark, uint64_t size)
{
    struct followed *f = calloc(1, sizeof *f);
    if (s->count == s->capacity) {
        s->capacity = 2 * s->capacity + 64;
        s->files = reallocarray(s->files, s->capacity, sizeof(struct followed *));
    }
    CHECK(f != NULL && s->files != NULL);
    *f = (struct followed){.path = strdup(path), .fd = -1, .mark = *mark, .size = size, .most_size = mark->place.offset,
                           .grown_ms = clock_monotonic_ms(),
                           .tried_size = mark->packed_size > 0 ? mark->packed_size : UINT64_MAX, .read_to = mark->place.offset,
                           .packed = followed_is_gzip(path), .fresh = mark->place.offset == 0, .formed = size >= 2,
                           .touch = touch_of(path)};
    CHECK(f->path != NULL);
    f->next = s->buckets[mark->id.inode % BUCKETS];
    s->buckets[mark->id.inode % BUCKETS] = f;
    snprintf(f->mark.path, sizeof f->mark.path, "%s", path);
    s->files[s->count++] = f;
    /* so that it can be read to its end, whatever its name by then */
    if (s->open_count < s->most_open) (void)followed_open(s, f);
    followed_sample_head(s, f);
    return f;
}

/* Follows a file that bears a name by now that does not fit. */
struct followed *files_follow_renamed(struct source_file *s, const char *path, const struct file_mark *mark, uint64_t size)
{
    struct followed *f = files_follow(s, path, mark, size);
    if (mark->path[0] != '\0') memcpy(f->mark.path, mark->path, sizeof f->mark.path);
    f->gone = f->unsaved = true;
    f->gone_ms = clock_monotonic_ms();
    return f;
}

/* One that was not met before: from its beginning. */
void files_meet_renamed(struct source_file *s, const char *path)
{
    struct file_id id;
    struct stat    status;
    if (!file_id_at(path, &id, &status) || !S_ISREG(status.st_mode)) return;
    struct followed *known = files_find(s, &id);
    struct file_mark mark = file_mark_new(&s->base, &id);
    if (known != NULL) followed_rename(known, path);
    else if (s->count < MOST_FILES && !followed_is_gzip(path)) files_follow_renamed(s, path, &mark, (uint64_t)status.st_size);
}

/* At the last line that is not ended. Where that is must be kept: a later start has to go on from there. */
static void start_at_end(struct source_file *s, struct followed *f)
{
    char     bytes[65536];
    uint64_t from = f->size > sizeof bytes ? f->size - sizeof bytes : 0;
    ssize_t  got = f->packed || !followed_open(s, f) ? -1 : pread(f->fd, bytes, (size_t)(f->size - from), (off_t)from);
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
        if (!s->too_many_told)
            log_line(LOG_ERROR, s->base.name, "there are more than %d files: the others are not read", MOST_FILES);
        s->too_many_told = true;
        return;
    }
    bool known = take_saved(s, id, &mark);
    if (!known) mark = file_mark_new(&s->base, id);
    struct followed *f = files_follow(s, path, &mark, size);
    f->listed = true;
    f->kept = known;
    f->unsaved = !known && s->base.store != NULL;   /* so that a later run knows it again, whatever its name by then */
    if (mark.place.offset == 0 && s->start == START_END && s->first_list) start_at_end(s, f);
}

static void meet(struct source_file *s, const char *path)
{
    struct file_id id;
    struct stat    status;
    if (is_excluded(s, path) || !file_id_at(path, &id, &status) || !S_ISREG(status.st_mode)) return;
    struct followed *f = files_find(s, &id);
    if (f == NULL) {
        new_file(s, path, &id, (uint64_t)status.st_size);
        return;
    }
    if (!f->listed && strcmp(f->path, path) != 0) followed_rename(f, path);
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

bool files_fit(const struct source_file *s, const char *path)
{
    for (size_t i = 0; i < s->paths.count; i++)
        if (fnmatch(s->paths.items[i], path, FNM_PATHNAME | FNM_PERIOD) == 0) return !is_excluded(s, path);
    return false;
}

size_t files_folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

bool files_same_folder(const char *a, const char *b)
{
    return slice_equal(slice_of(a, files_folder_len(a)), slice_of(b, files_folder_len(b)));
}

void files_in_folder(struct source_file *s, const char *folder,
                     void (*each)(struct source_file *, void *context, const char *path, ino_t inode), void *context)
{
    DIR           *open = opendir(folder[0] == '\0' ? "." : folder);
    struct dirent *entry;
    while (open != NULL && (entry = readdir(open)) != NULL) {
        char path[PATH_MAX + NAME_MAX + 1];
        int  len = snprintf(path, sizeof path, "%s%s", folder, entry->d_name);
        if (len > 0 && (size_t)len < sizeof path) each(s, context, path, entry->d_ino);
    }
    if (open != NULL) closedir(open);
}

static void list_pattern(struct source_file *s, const char *pattern)
{
    glob_t found;
    watch_folder(s, pattern);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            if (i == 0 || !files_same_folder(found.gl_pathv[i], found.gl_pathv[i - 1])) watch_folder(s, found.gl_pathv[i]);
            meet(s, found.gl_pathv[i]);
        }
    globfree(&found);
}

void files_suspect_fresh(struct source_file *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        if (f->fresh) f->suspect = files_original(s, f->path) != NULL;
        f->fresh = false;
    }
}

void files_list(struct source_file *s)
{
    s->listed_at_ms = file_clock_ms();
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
    files_find_lost(s);
    if (!s->first_list) files_meet_rotated(s);
    files_suspect_fresh(s);
    s->listed_ms = now;
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
                followed_sample_head(s, f);
                if (f->gone) f->gone_ms = now;
                f->ended = false;
                if (!f->formed) f->packed = followed_is_gzip(f->path);
                if (!f->formed && f->packed) followed_drop_framer(s, f);   /* its first byte was taken for text */
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
        if (s->folders[i].watch == e->wd)
            snprintf(path, sizeof path, "%s/%s", strcmp(s->folders[i].path, "/") == 0 ? "" : s->folders[i].path, e->name);
    if ((e->mask & IN_MOVED_FROM) != 0) s->moved = files_fit(s, path) ? e->cookie : 0;
    if ((e->mask & IN_MOVED_TO) != 0 && s->moved != 0 && e->cookie == s->moved && !files_fit(s, path))
        files_meet_renamed(s, path);
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

void files_sweep(struct source_file *s)
{
    uint64_t now = clock_monotonic_ms();
    if (now - s->swept_ms < LEAST_SWEEP_MS) return;
    bool news = drain_events(s);
    if (!news && now - s->swept_ms < s->poll_ms) return;
    if (s->listed_ms == 0 || now - s->listed_ms >= seldom(s, LIST_MS)) files_list(s);
    look(s, now);
}
