/* Files that are known under another name: renamed or packed, while the source looked or between two runs. */
#include "source_file_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

/* Without the ending of a packed file. */
static size_t plain_len(const char *path)
{
    size_t len = strlen(path);
    return len > 3 && strcmp(path + len - 3, ".gz") == 0 ? len - 3 : len;
}

/* The length of what a name has in common with the names that rotation makes of it: app.log in app.log.1, app.log-20260131.gz. */
static size_t family(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t      least = slash != NULL ? (size_t)(slash - path) + 2 : 1, len = strlen(path);
    if (plain_len(path) > least) len = plain_len(path);
    while (len > least && (ascii_is_digit(path[len - 1]) || strchr(".-_:", path[len - 1]) != NULL)) len--;
    return len;
}

static bool is_between(char c) { return c == '.' || c == '-' || c == '_'; }

/* Whether rotation makes such a name of `live`: app.log.1 and app.log-20260131.gz of app.log, and app-20260131.log. */
static bool is_rotated_name(const char *live, const char *name)
{
    size_t      len = strlen(live), n = plain_len(name);
    const char *dot = strrchr(live + files_folder_len(live), '.');
    if (strncmp(name, live, len) == 0) return is_between(name[len]);
    if (dot == NULL) return false;
    size_t stem = (size_t)(dot - live), ending = len - stem;
    if (n <= len || memcmp(name, live, stem) != 0 || !is_between(name[stem]) || memcmp(name + n - ending, dot, ending) != 0) return false;
    for (size_t i = stem; i < n - ending; i++)
        if (!ascii_is_digit(name[i]) && !is_between(name[i])) return false;
    return true;
}

/* Whether a file of this name may be the one that was met as `met`. */
static bool same_family(const char *name, const char *met)
{
    return slice_equal(slice_of(name, family(name)), slice_of(met, family(met))) || is_rotated_name(met, name);
}

/* app.log of app-20260131.log and of app-20260131.log.gz. False: it is no such name. */
static bool name_without_date(const char *path, char base[SAVED_PATH])
{
    size_t len = plain_len(path), folder = files_folder_len(path);
    size_t dot = len;
    while (dot > folder && path[dot - 1] != '.') dot--;
    size_t stem = dot > folder ? dot - 1 : folder;
    while (stem > folder && (ascii_is_digit(path[stem - 1]) || is_between(path[stem - 1]))) stem--;
    if (len >= SAVED_PATH || dot <= folder || stem + 1 >= dot || stem == folder || !is_between(path[stem])) return false;
    snprintf(base, SAVED_PATH, "%.*s%.*s", (int)stem, path, (int)(len - dot + 1), path + dot - 1);
    return true;
}

/* Of a file of which nothing was read yet only the time tells: packing keeps that of the last writing. */
static bool is_younger(int fd, const struct file_id *id)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec >= id->born_ns;
}

/* A packed file that was written to after the last look of an earlier run: nobody can have read its end. One that was read before
 * is known by its mark, or was forgotten after that look. */
static bool is_unread_packed(const struct source_file *s, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size == 0) return false;
    uint64_t written_ms = (uint64_t)status.st_mtim.tv_sec * 1000 + (uint64_t)status.st_mtim.tv_nsec / 1000000;
    return written_ms + (status.st_mtim.tv_nsec == 0 ? 1000 : 0) >= s->earlier_at_ms;
}

static bool may_be(struct source_file *s, const char *path, int fd, const struct file_mark *mark, bool read_before)
{
    struct followed trial = {.path = (char *)path, .fd = fd, .packed = true};
    if (mark->packed_size > 0 || (mark->head.len > 0) != read_before || !same_family(path, mark->path)) return false;
    if (!read_before) return mark->place.offset == 0 && is_younger(fd, &mark->id) && !is_unread_packed(s, fd);   /* that is read anyway */
    bool fits = followed_start_gunzip(&trial) && followed_unpack_to(s, &trial, mark);
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
bool files_adopt(struct source_file *s, const char *path, int fd, struct file_mark *mark, struct file_id *replaces)
{
    return adopt_one(s, path, fd, true, mark, replaces) || adopt_one(s, path, fd, false, mark, replaces);
}

/* A packed file waits until no plain one can be it that is still read. */
bool files_may_be_another(const struct source_file *s, const struct followed *packed)
{
    if (packed->mark.place.offset > 0) return false;
    for (size_t i = 0; i < s->count; i++) {
        const struct followed *f = s->files[i];
        if (f->gone && !f->ended && !f->packed && same_family(f->mark.path, packed->path)) return true;
    }
    return false;
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
            if (file_id_at(path, &id, &status) && file_id_equal(&id, &f->mark.id)) followed_rename(f, path);
        }
    if (open != NULL) closedir(open);
}

void files_find_lost(struct source_file *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->files[i]->lost) continue;
        char folder[4096];
        snprintf(folder, sizeof folder, "%.*s", (int)files_folder_len(s->files[i]->path), s->files[i]->path);
        find_lost_in(s, folder);
        for (size_t n = i; n < s->count; n++)
            if (s->files[n]->lost && files_same_folder(s->files[n]->path, folder)) s->files[n]->lost = false;
    }
}

/* Goes on in the packed file, if it is one that is gone. */
static void try_packed(struct source_file *s, const char *path)
{
    struct file_id id;
    struct stat    status;
    if (!file_id_at(path, &id, &status) || files_find(s, &id) != NULL || !followed_is_gzip(path)) return;
    struct file_id   replaces = {0};
    struct file_mark adopted = {.id = id};
    int              fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool             fits = fd >= 0 && files_adopt(s, path, fd, &adopted, &replaces);
    if (fd >= 0) close(fd);
    if (fits) files_follow_renamed(s, path, &adopted, (uint64_t)status.st_size)->replaces = replaces;
}

/* A packed one of a name that no pattern has: the same. */
static void find_packed(struct source_file *s, const struct file_mark mark)
{
    char           folder[SAVED_PATH];
    struct dirent *entry;
    snprintf(folder, sizeof folder, "%.*s", (int)files_folder_len(mark.path), mark.path);
    DIR *open = opendir(folder[0] == '\0' ? "." : folder);
    while (open != NULL && (entry = readdir(open)) != NULL) {
        char path[SAVED_PATH + NAME_MAX + 2];
        snprintf(path, sizeof path, "%s%s", folder, entry->d_name);
        if (plain_len(entry->d_name) < strlen(entry->d_name) && same_family(path, mark.path)) try_packed(s, path);
    }
    if (open != NULL) closedir(open);
}

/* --- Copies --------------------------------------------------------------------------------------------------------------------- */

static struct followed *followed_at(const struct source_file *s, const char *path)
{
    struct file_id id;
    struct stat    status;
    return file_id_at(path, &id, &status) ? files_find(s, &id) : NULL;
}

struct followed *files_original(const struct source_file *s, const char *path)
{
    char             base[SAVED_PATH];
    size_t           len = strlen(path), folder = files_folder_len(path);
    struct followed *f = NULL;
    if (len >= sizeof base) return NULL;
    for (size_t at = len; f == NULL && at-- > folder + 1;) {   /* app.log of app.log.1 */
        if (!is_between(path[at])) continue;
        snprintf(base, sizeof base, "%.*s", (int)at, path);
        f = followed_at(s, base);
    }
    if (f != NULL || !name_without_date(path, base)) return f;
    return followed_at(s, base);
}

/* Where to go on in a copy of f's content, of which it has `size` bytes. It may have less than was read: then at an earlier place,
 * at worst at the beginning. What is read again so has the same event ids. */
static bool common_place(struct source_file *s, const struct followed *f, int fd, uint64_t size, struct file_mark *mark)
{
    *mark = f->mark;
    if (f->mark.head.len == 0 || f->mark.head.len > size || !sample_fits(&s->base, fd, &f->mark.head)) return false;
    if (f->mark.place.offset <= size) return f->mark.tail.len > 0 && sample_fits(&s->base, fd, &f->mark.tail);
    for (size_t i = 0; i < EARLIER && i < f->earlier_count; i++) {
        const struct earlier *e = &f->earlier[(f->earlier_count - 1 - i) % EARLIER];
        if (e->place.offset > size || !sample_fits(&s->base, fd, &e->tail)) continue;
        mark->place = e->place;
        mark->tail = e->tail;
        return true;
    }
    mark->place = (struct framer_place){.line = 1};
    mark->head = mark->tail = (struct sample){0};
    return true;
}

/* Of a content of which nothing was read, only times and sizes tell. */
static bool may_be_unread_copy(const struct followed *f, const struct file_id *id, const struct stat *status)
{
    return f->mark.place.offset == 0 && f->most_size > 0 && id->born_ns > f->mark.id.born_ns && (uint64_t)status->st_size >= f->most_size;
}

static bool is_copy_of(struct source_file *s, const struct followed *f, const char *path, const struct file_id *id, const struct stat *status,
                       struct file_mark *mark)
{
    int  fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool packed = fd >= 0 && followed_is_gzip(path);
    *mark = f->mark;
    bool fits = fd >= 0 && (packed ? may_be(s, path, fd, &f->mark, true)
                                   : common_place(s, f, fd, (uint64_t)status->st_size, mark) || may_be_unread_copy(f, id, status));
    if (fd >= 0) close(fd);
    mark->id = *id;
    return fits;
}

static void follow_copy(struct source_file *s, struct followed *known, const char *path, const struct file_mark *mark, uint64_t size)
{
    if (known == NULL && !files_fit(s, path)) {
        files_follow_renamed(s, path, mark, size);
        return;
    }
    if (known == NULL) known = files_follow(s, path, mark, size);
    followed_drop_framer(s, known);
    memcpy(known->mark.path, path, strnlen(path, SAVED_PATH - 1) + 1);
    known->mark = *mark;
    known->read_to = mark->place.offset;
    known->tried_size = UINT64_MAX;
    known->suspect = false;
    known->listed = known->unsaved = true;
}

bool files_find_copy(struct source_file *s, const struct followed *f, uint64_t *size)
{
    char           folder[SAVED_PATH];
    bool           found = false;
    struct dirent *entry;
    snprintf(folder, sizeof folder, "%.*s", (int)files_folder_len(f->path), f->path);
    DIR *open = opendir(folder[0] == '\0' ? "." : folder);
    while (open != NULL && !found && (entry = readdir(open)) != NULL) {
        char             path[SAVED_PATH + NAME_MAX + 2];
        struct file_id   id;
        struct stat      status;
        struct file_mark mark;
        snprintf(path, sizeof path, "%s%s", folder, entry->d_name);
        if (!is_rotated_name(f->path, path) || !file_id_at(path, &id, &status) || !S_ISREG(status.st_mode)) continue;
        struct followed *known = files_find(s, &id);
        if (known == f || (known != NULL && (known->mark.place.offset > 0 || known->ended))) continue;
        if (!is_copy_of(s, f, path, &id, &status, &mark)) continue;
        found = true;
        *size = followed_is_gzip(path) ? UINT64_MAX : (uint64_t)status.st_size;
        log_line(LOG_INFO, s->base.name, "'%s' is a copy of '%s': going on at byte %" PRIu64, path, f->path, mark.place.offset);
        follow_copy(s, known, path, &mark, (uint64_t)status.st_size);
    }
    if (open != NULL) closedir(open);
    return found;
}

/* Its first and last bytes are those that the other has at the same places. */
bool files_is_copy(struct source_file *s, struct followed *f)
{
    struct followed *original = files_original(s, f->path);
    struct stat      status;
    struct sample    head = {0}, tail = {0};
    f->checked_ms = clock_monotonic_ms();
    if (original == NULL || original == f || original->gone || original->packed || f->packed) return false;
    if (!followed_open(s, original) || fstat(original->fd, &status) != 0) return false;
    if ((uint64_t)status.st_size < original->read_to) return true;   /* it is cut: that is seen to first */
    if (f->size > (uint64_t)status.st_size || !followed_open(s, f) || !file_samples(&s->base, f->fd, f->size, &head, &tail)) return false;
    return sample_fits(&s->base, original->fd, &head) && sample_fits(&s->base, original->fd, &tail);
}

/* --- At the start --------------------------------------------------------------------------------------------------------------- */

/* The name without its last parts, as far as what is left fits: x.log of x.log.1, x.log-20260314, x.log.1.gz and x-20260314.log. */
static bool fits_without_ending(const struct source_file *s, const char *path)
{
    char base[SAVED_PATH];
    if (strlen(path) >= SAVED_PATH) return false;
    if (name_without_date(path, base) && files_fit(s, base)) return true;
    strcpy(base, path);
    for (char *p = base + strlen(base); p > base && *p != '/'; p--) {
        if (*p != '.' && *p != '-') continue;
        *p = '\0';
        if (files_fit(s, base)) return true;
    }
    return false;
}

static void meet_unmet(struct source_file *s, const char *path, const struct file_id *id, const struct stat *status)
{
    struct file_mark mark = {.version = MARK_VERSION, .id = *id, .place = {.line = 1}};
    int              fd = followed_is_gzip(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool             unread = fd >= 0 && is_unread_packed(s, fd);
    if (fd >= 0) close(fd);
    if (unread) files_follow_renamed(s, path, &mark, (uint64_t)status->st_size);
    else files_meet_renamed(s, path);
}

/* Files that were renamed or packed between two runs and never met. */
static void find_unmet(struct source_file *s, const char *folder)
{
    DIR           *d = opendir(folder);
    struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        char           path[SAVED_PATH + NAME_MAX + 2];
        struct file_id id;
        struct stat    status;
        snprintf(path, sizeof path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, entry->d_name);
        if (files_fit(s, path) || !fits_without_ending(s, path) || !file_id_at(path, &id, &status)) continue;
        if (id.born_ns >= s->base.store_born_ns && S_ISREG(status.st_mode) && files_find(s, &id) == NULL) meet_unmet(s, path, &id, &status);
    }
    if (d != NULL) closedir(d);
}

/* Files of earlier runs that no pattern shows any more: renamed, or packed, while nobody looked. What is not found stays saved. */
void files_find_missing(struct source_file *s)
{
    size_t before = s->count, saved = s->saved_count;
    s->saved_count = 0;
    for (size_t i = 0; i < saved; i++) {
        struct file_mark mark = s->saved[i];
        struct followed *f = files_follow(s, mark.path, &mark, 0);
        f->gone = f->lost = true;
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
    for (size_t i = 0; i < s->folder_count && s->base.store != NULL; i++) find_unmet(s, s->folders[i].path);
}
