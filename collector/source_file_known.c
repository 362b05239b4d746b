/* Files that are known under another name: renamed or packed, while the source looked or between two runs. */
#include "source_file_priv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

/* Of a file of which nothing was read yet only the time tells: packing keeps that of the last writing. */
static bool is_younger(int fd, const struct file_id *id)
{
    struct stat status;
    return fstat(fd, &status) == 0 &&
           (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec >= id->born_ns;
}

bool files_written_since(int fd, uint64_t ms)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size == 0) return false;
    uint64_t written_ms = (uint64_t)status.st_mtim.tv_sec * 1000 + (uint64_t)status.st_mtim.tv_nsec / 1000000;
    return written_ms + (status.st_mtim.tv_nsec == 0 ? 1000 : 0) >= ms;   /* some packers keep whole seconds */
}

/* A packed file that was written to after the last look of an earlier run: nobody can have read its end. One that was read before
 * is known by its mark, or was forgotten after that look. */
static bool is_unread_packed(const struct source_file *s, int fd) { return files_written_since(fd, s->earlier_at_ms); }

bool files_packed_fits(struct source_file *s, const char *path, int fd, const struct file_mark *mark)
{
    struct followed trial = {.path = (char *)path, .fd = fd, .packed = true};
    if (mark->packed_size > 0 || mark->head.len == 0 || !name_same_family(path, mark->path)) return false;
    bool fits = followed_start_gunzip(&trial) && followed_unpack_to(s, &trial, mark);
    if (trial.gunzip != NULL) gunzip_free(trial.gunzip);
    return fits;
}

/* A file of which nothing was seen is the packed one, as far as the times tell. That is not asked of what is read anyway. */
static bool may_be_unseen(struct source_file *s, const char *path, int fd, const struct file_mark *mark)
{
    if (mark->packed_size > 0 || mark->head.len > 0 || mark->place.offset > 0 || !name_same_family(path, mark->path))
        return false;
    return is_younger(fd, &mark->id) && !is_unread_packed(s, fd);
}

static bool may_be(struct source_file *s, const char *path, int fd, const struct file_mark *mark, bool seen)
{
    return seen ? files_packed_fits(s, path, fd, mark) : may_be_unseen(s, path, fd, mark);
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

static bool adopt_one(struct source_file *s, const char *path, int fd, bool seen, struct file_mark *mark,
                      struct file_id *replaces)
{
    for (size_t i = 0; i < s->saved_count; i++) {
        if (!may_be(s, path, fd, &s->saved[i], seen)) continue;
        *replaces = s->saved[i].id;
        take_over(s, path, &s->saved[i], mark);
        s->saved[i] = s->saved[--s->saved_count];
        return true;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct followed *f = s->files[i];
        if (!f->ended || f->packed || f->forgotten || !may_be(s, path, fd, &f->mark, seen)) continue;
        take_over(s, path, &f->mark, mark);
        f->ended_ms = 0;   /* it is this one now */
        return true;
    }
    return false;
}

bool files_adopt(struct source_file *s, const char *path, int fd, bool by_time, struct file_mark *mark, struct file_id *replaces)
{
    return adopt_one(s, path, fd, true, mark, replaces) || (by_time && adopt_one(s, path, fd, false, mark, replaces));
}

bool files_may_be_another(const struct source_file *s, const struct followed *packed)
{
    if (packed->mark.place.offset > 0) return false;
    for (size_t i = 0; i < s->count; i++) {
        const struct followed *f = s->files[i];
        if (!f->gone || f->ended || f->packed || f->mark.id.born_ns > packed->mark.id.born_ns) continue;
        if (name_same_family(f->mark.path, packed->path)) return true;
    }
    return false;
}

/* Files that were renamed while they were not open are in the same folder, if they are anywhere. One reading of a folder for
 * all. */
static void try_lost(struct source_file *s, void *context, const char *path, ino_t inode)
{
    (void)context;
    for (struct followed *f = s->buckets[inode % BUCKETS]; f != NULL; f = f->next) {
        struct file_id id;
        struct stat    status;
        if (!f->lost || f->mark.id.inode != inode) continue;
        if (file_id_at(path, &id, &status) && file_id_equal(&id, &f->mark.id)) followed_rename(f, path);
    }
}

void files_find_lost(struct source_file *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->files[i]->lost) continue;
        char folder[PATH_MAX];
        snprintf(folder, sizeof folder, "%.*s", (int)files_folder_len(s->files[i]->path), s->files[i]->path);
        files_in_folder(s, folder, try_lost, NULL);
        for (size_t n = i; n < s->count; n++)
            if (s->files[n]->lost && files_same_folder(s->files[n]->path, folder)) s->files[n]->lost = false;
    }
}

/* Goes on in the packed file, if it is one that is gone. */
static void try_packed(struct source_file *s, void *context, const char *path, ino_t inode)
{
    const struct file_mark *mark = context;
    struct file_id          id;
    struct stat             status;
    (void)inode;
    if (!name_is_packed(path) || !name_same_family(path, mark->path)) return;
    if (!file_id_at(path, &id, &status) || files_find(s, &id) != NULL || !followed_is_gzip(path)) return;
    struct file_id   replaces = {0};
    struct file_mark adopted = file_mark_new(&s->base, &id);
    int              fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool             fits = fd >= 0 && files_adopt(s, path, fd, true, &adopted, &replaces);
    if (fd >= 0) close(fd);
    if (!fits) return;
    struct followed *f = files_follow_renamed(s, path, &adopted, (uint64_t)status.st_size);
    f->replaces = replaces;
    f->placed = true;
}

/* A packed one of a name that no pattern has: the same. */
static void find_packed(struct source_file *s, struct file_mark mark)
{
    char folder[SAVED_PATH];
    snprintf(folder, sizeof folder, "%.*s", (int)files_folder_len(mark.path), mark.path);
    files_in_folder(s, folder, try_packed, &mark);
}

/* --- Rotated names ---------------------------------------------------------------------------------------------------- */

static bool has_fitting_name(const struct source_file *s, const char *path)
{
    char   live[SAVED_PATH];
    size_t step = 0;
    while (name_before_rotation(path, &step, live))
        if (files_fit(s, live)) return true;
    return false;
}

/* At the start: younger than the store. Later: than the looking before the last; so one that is renamed while a folder is
 * looked through is found by the next. */
static uint64_t met_from_ms(const struct source_file *s)
{
    return s->first_list ? s->base.store_born_ns / 1000000 : s->rotated_at_ms[1];
}

/* A plain one may be a copy, and is held; a packed one is read if it was written to since then, which packing shows when it is
 * done. */
static void meet_rotated(struct source_file *s, const char *path, const struct file_id *id, uint64_t size)
{
    struct file_mark mark = file_mark_new(&s->base, id);
    if (!followed_is_gzip(path)) {
        files_meet_renamed(s, path);
        return;
    }
    int  fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool unread = fd >= 0 && files_written_since(fd, s->first_list ? s->earlier_at_ms : met_from_ms(s));
    if (fd >= 0) close(fd);
    if (!unread || s->count == MOST_FILES) return;
    files_follow_renamed(s, path, &mark, size)->if_written_ms = s->first_list ? 0 : met_from_ms(s);
}

static void try_rotated(struct source_file *s, void *context, const char *path, ino_t inode)
{
    struct file_id id;
    struct stat    status;
    (void)context;
    (void)inode;
    if (strlen(path) >= SAVED_PATH || files_fit(s, path) || !has_fitting_name(s, path) || !file_id_at(path, &id, &status)) return;
    if (S_ISREG(status.st_mode) && id.born_ns / 1000000 >= met_from_ms(s) && files_find(s, &id) == NULL)
        meet_rotated(s, path, &id, (uint64_t)status.st_size);
}

/* Whether something was made in the folder, or renamed, since then. */
static bool is_newer(const char *folder, uint64_t ms)
{
    struct stat status;
    return stat(folder, &status) == 0 &&
           (uint64_t)status.st_mtim.tv_sec * 1000 + (uint64_t)status.st_mtim.tv_nsec / 1000000 + 1000 >= ms;
}

void files_meet_rotated(struct source_file *s)
{
    uint64_t now = file_clock_ms();
    for (size_t i = 0; i < s->folder_count; i++) {
        char        folder[SAVED_PATH + 2];
        const char *path = s->folders[i].path;
        if (!s->first_list && !is_newer(path, s->rotated_at_ms[1])) continue;
        bool here = strcmp(path, ".") == 0;
        snprintf(folder, sizeof folder, "%s%s", here ? "" : path, here || path[strlen(path) - 1] == '/' ? "" : "/");
        files_in_folder(s, folder, try_rotated, NULL);
    }
    s->rotated_at_ms[1] = s->rotated_at_ms[0];
    s->rotated_at_ms[0] = now;
}

/* --- At the start ----------------------------------------------------------------------------------------------------- */

/* Files of earlier runs that no pattern shows any more: renamed, or packed, while nobody looked. What is not found stays
 * saved. */
void files_find_missing(struct source_file *s)
{
    size_t before = s->count, saved = s->saved_count;
    s->saved_count = 0;
    for (size_t i = 0; i < saved; i++) {
        struct file_mark mark = s->saved[i];
        struct followed *f = files_follow(s, mark.path, &mark, 0);
        f->gone = f->lost = f->kept = true;
    }
    files_find_lost(s);
    for (size_t i = s->count; i-- > before;) {
        struct followed *f = s->files[i];
        struct file_id   id;
        struct stat      status;
        if (file_id_at(f->path, &id, &status) && file_id_equal(&id, &f->mark.id)) {
            f->size = (uint64_t)status.st_size;
            f->packed = followed_is_gzip(f->path);
            f->formed = true;
            f->gone_ms = clock_monotonic_ms();
            if (s->open_count < s->most_open) (void)followed_open(s, f);
            continue;
        }
        s->saved[s->saved_count++] = f->mark;   /* in the room of those that were taken out above */
        files_leave_table(s, f);
        followed_free(s, f);
        s->files[i] = s->files[--s->count];
    }
    for (size_t i = s->saved_count; i-- > 0;)
        if (i < s->saved_count && s->saved[i].path[0] != '\0') find_packed(s, s->saved[i]);
    if (s->base.store != NULL) files_meet_rotated(s);
    files_suspect_fresh(s);
}
