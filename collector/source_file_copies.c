/* Logs that are copied and cut. */
#include "source_file_priv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST_WAIT_MS 60000   /* for an earlier content of the same log with which nothing happens */

struct followed *files_original(const struct source_file *s, const char *path)
{
    char             live[SAVED_PATH];
    size_t           step = 0;
    struct followed *f = NULL;
    struct file_id   id;
    struct stat      status;
    while (f == NULL && name_before_rotation(path, &step, live))
        if (file_id_at(live, &id, &status)) f = files_find(s, &id);
    return f;
}

/* Its first and last bytes are those that the other has at the same places. If that was cut, the suspect may be what was cut
 * away. */
static bool original_has_it(struct source_file *s, struct followed *f)
{
    struct followed *original = files_original(s, f->path);
    struct stat      status;
    struct sample    head = {0}, tail = {0};
    f->checked_ms = clock_monotonic_ms();
    if (original == NULL || original == f || original->gone || original->packed || f->log.inode != 0) return false;
    if (files_must_wait(s, original)) return true;   /* it may have been cut again meanwhile, which is seen to in its turn */
    if (!followed_open(s, original) || fstat(original->fd, &status) != 0) return false;
    followed_verify(s, original);
    if (!f->suspect || f->packed) return false;
    if (f->size > (uint64_t)status.st_size || !followed_open(s, f) || !file_samples(&s->base, f->fd, f->size, &head, &tail))
        return false;
    return sample_fits(&s->base, original->fd, &head) && sample_fits(&s->base, original->fd, &tail);
}

/* Whether another of the family, which was renamed, has it all, and it was read there: then it is nothing new, whatever
 * becomes of the other. */
static void take_as_read(struct source_file *s, struct followed *f)
{
    struct sample head = {0}, tail = {0};
    if (f->packed || f->size == 0 || !followed_open(s, f) || !file_samples(&s->base, f->fd, f->size, &head, &tail)) return;
    for (size_t i = 0; i < s->count; i++) {
        struct followed *other = s->files[i];
        if (other == f || other->packed || other->mark.place.offset < f->size) continue;
        if (!name_same_family(f->path, other->mark.path) || !followed_open(s, other)) continue;
        if (!sample_fits(&s->base, other->fd, &head) || !sample_fits(&s->base, other->fd, &tail)) continue;
        log_line(LOG_INFO, s->base.name, "'%s' is a copy of '%s', which was read", f->path, other->path);
        f->mark.place = (struct framer_place){f->size, other->mark.place.line};
        f->mark.head = head;
        f->mark.tail = tail;
        f->mark.named = other->mark.named;
        memcpy(f->mark.stream, other->mark.stream, sizeof f->mark.stream);
        f->read_to = f->size;
        f->unsaved = true;
        return;
    }
}

bool files_is_copy(struct source_file *s, struct followed *f)
{
    if (original_has_it(s, f)) return true;
    if (f->suspect) take_as_read(s, f);
    return false;
}

/* --- The copy of what was being read ---------------------------------------------------------------------------------- */

/* Where to go on in a copy of f's content, of which it has `size` bytes. It may have less than was read: then at an earlier
 * place, at worst at the beginning. What is read again so has the same event ids. */
static bool common_place(struct source_file *s, const struct followed *f, int fd, uint64_t size, struct file_mark *mark)
{
    *mark = f->mark;
    if (f->mark.head.len == 0 || f->mark.head.len > size || !sample_fits(&s->base, fd, &f->mark.head)) return false;
    if (f->mark.place.offset == 0) return true;
    if (f->mark.place.offset <= size) return f->mark.tail.len > 0 && sample_fits(&s->base, fd, &f->mark.tail);
    for (size_t i = 0; i < EARLIER && i < f->earlier_count; i++) {
        const struct earlier *e = &f->earlier[(f->earlier_count - 1 - i) % EARLIER];
        if (e->place.offset > size || !sample_fits(&s->base, fd, &e->tail)) continue;
        mark->place = e->place;
        mark->tail = e->tail;
        return true;
    }
    mark->place = (struct framer_place){.line = 1};
    mark->tail = (struct sample){0};
    return true;
}

/* Goes on in a copy, if it is one. */
static bool try_copy(struct source_file *s, const struct followed *f, struct followed *copy)
{
    struct file_mark mark = f->mark;
    if (!followed_open(s, copy)) return false;
    bool fits = copy->packed ? files_packed_fits(s, copy->path, copy->fd, &f->mark)
                             : common_place(s, f, copy->fd, copy->size, &mark);
    if (!fits) return false;
    log_line(LOG_INFO, s->base.name, "'%s' is a copy of '%s': going on at byte %" PRIu64, copy->path, f->path, mark.place.offset);
    followed_drop_framer(s, copy);
    mark.id = copy->mark.id;
    memcpy(mark.path, copy->mark.path, sizeof mark.path);
    copy->mark = mark;
    copy->read_to = mark.place.offset;
    copy->tried_size = UINT64_MAX;
    copy->if_written_ms = 0;
    copy->suspect = copy->fresh = false;
    copy->placed = copy->unsaved = true;
    return true;
}

/* When the file was written to last, since 1970. Packing keeps that. */
static uint64_t written_ns(const struct followed *f)
{
    struct stat status;
    if ((f->fd >= 0 ? fstat(f->fd, &status) : stat(f->path, &status)) != 0) return 0;
    return (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec;
}

struct candidate {
    struct followed *f;
    uint64_t         written_ns;
};

static int by_time(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->written_ns < y->written_ns ? -1 : x->written_ns > y->written_ns;
}

/* Unread files with rotated names of f, in the order in which they were written. The caller frees them. */
static struct candidate *find_candidates(const struct source_file *s, const struct followed *f, uint64_t since_ns, size_t *count)
{
    struct candidate *found = malloc((s->count + 1) * sizeof *found);
    CHECK(found != NULL);
    *count = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct followed *other = s->files[i];
        if (other == f || other->ended || other->mark.place.offset > 0 || other->log.inode != 0) continue;
        if (!files_same_folder(other->path, f->path)) continue;
        struct candidate c = {other, written_ns(other)};
        if (c.written_ns >= since_ns && name_is_rotated(f->path, other->path)) found[(*count)++] = c;
    }
    qsort(found, *count, sizeof *found, by_time);
    return found;
}

/* An earlier run found it, and ended before the next epoch of the log was kept. */
static bool is_found(const struct source_file *s, const struct followed *f, struct candidate *copy)
{
    for (size_t i = 0; i < s->count; i++) {
        struct followed *other = s->files[i];
        if (other == f || memcmp(other->mark.stream, f->mark.stream, sizeof f->mark.stream) != 0) continue;
        *copy = (struct candidate){other, written_ns(other)};
        other->suspect = false;
        return true;
    }
    return false;
}

/* A plain one first: it may be open still, though it was packed. */
static bool find_unread_copy(struct source_file *s, struct followed *f, struct candidate *copy)
{
    size_t            count;
    struct candidate *found = find_candidates(s, f, 0, &count);
    bool              fits = false;
    for (size_t i = 0; i < 2 * count && !fits; i++) {
        const struct candidate *c = &found[i % count];
        fits = c->f->packed == (i >= count) && try_copy(s, f, c->f);
        if (fits) *copy = *c;
    }
    free(found);
    return fits;
}

/* A packed one with the time of the last writing to the log may have looked like one that was read long ago. */
static void try_old_packed(struct source_file *s, void *context, const char *path, ino_t inode)
{
    struct followed *f = context;
    struct file_id   id;
    struct stat      status;
    (void)inode;
    if (f->log.inode != 0 || !name_is_packed(path) || !name_is_rotated(f->path, path) || !file_id_at(path, &id, &status)) return;
    if (!S_ISREG(status.st_mode) || files_find(s, &id) != NULL || !followed_is_gzip(path)) return;
    int  fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool fits = fd >= 0 && files_packed_fits(s, path, fd, &f->mark);
    if (fd >= 0) close(fd);
    if (!fits) return;
    struct file_mark mark = file_mark_new(&s->base, &id);
    struct followed *copy = files_follow_renamed(s, path, &mark, (uint64_t)status.st_size);
    if (try_copy(s, f, copy)) copy->log = f->log = f->mark.id;
}

static bool find_old_packed(struct source_file *s, struct followed *f, struct candidate *copy)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)files_folder_len(f->path), f->path);
    files_in_folder(s, folder, try_old_packed, f);
    for (size_t i = 0; i < s->count && f->log.inode != 0; i++)
        if (s->files[i] != f && file_id_equal(&s->files[i]->log, &f->mark.id))
            *copy = (struct candidate){s->files[i], written_ns(s->files[i])};
    return copy->f != NULL;
}

/* --- The line of contents --------------------------------------------------------------------------------------------- */

static void count_lost(struct source_file *s, const struct followed *f, const struct followed *copy)
{
    uint64_t have = f->read_to, in_copy = copy == NULL ? 0 : copy->packed ? UINT64_MAX : copy->size;
    if (in_copy > have) have = in_copy;
    uint64_t lost = f->most_size > have ? f->most_size - have : 0;
    atomic_fetch_add(&s->base.counters.lost_bytes, lost);
    if (copy == NULL)
        log_line(LOG_WARNING, s->base.name,
                 "'%s': no file beside it has what was cut: what came after byte %" PRIu64 " is lost, %" PRIu64
                 " bytes as far as it was seen", f->path, f->read_to, lost);
    else if (lost > 0)
        log_line(LOG_WARNING, s->base.name, "'%s': %" PRIu64 " bytes were cut that its copy does not have", f->path, lost);
}

/* f has begun its next epoch. What was written after the copy is of later contents, unless it is a copy of what f has now. */
static void line_up(struct source_file *s, struct followed *f, const struct candidate *copy)
{
    size_t            count;
    struct candidate *later = find_candidates(s, f, copy->written_ns, &count);
    for (size_t i = 0; i < count; i++) {
        struct followed *next = later[i].f;
        if (next == copy->f || (next->suspect && original_has_it(s, next)) || (next->packed && files_may_be_another(s, next)))
            continue;
        log_line(LOG_INFO, s->base.name, "'%s' is a copy of what '%s' had later", next->path, f->path);
        file_begin_stream(&s->base, &f->mark.id, f->mark.epoch, &next->mark);
        file_begin_stream(&s->base, &f->mark.id, f->mark.epoch + 1, &f->mark);
        next->log = f->log = f->mark.id;
        next->suspect = false;
        next->unsaved = next->waits = true;
        next->lined_up_ms = clock_monotonic_ms();
    }
    free(later);
    if (copy->f != NULL) copy->f->log = f->log = f->mark.id;
    f->waits = f->log.inode != 0;
    f->lined_up_ms = clock_monotonic_ms();
}

void files_cut(struct source_file *s, struct followed *f, bool foreign)
{
    struct candidate copy = {0};
    files_list(s);   /* what was made since the last look */
    f->log = (struct file_id){0};
    (void)(is_found(s, f, &copy) || find_unread_copy(s, f, &copy) || find_old_packed(s, f, &copy));
    if (!foreign) count_lost(s, f, copy.f);
    followed_next_epoch(s, f);
    line_up(s, f, &copy);
}

static bool is_read(const struct followed *f)
{
    if (f->ended || f->forgotten) return true;
    if (f->unsaved || f->suspect) return false;
    return f->tried_size == f->size || (!f->packed && f->read_to == f->size);
}

/* Order is not worth standing still for: not for one that nothing can be done with. */
static bool is_stuck(const struct followed *f, const struct followed *waiting, uint64_t now)
{
    return now - f->used_ms >= MOST_WAIT_MS && now - waiting->lined_up_ms >= MOST_WAIT_MS;
}

bool files_must_wait(const struct source_file *s, struct followed *f)
{
    if (!f->waits) return false;
    uint64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < s->count; i++) {
        const struct followed *other = s->files[i];
        if (other == f || !file_id_equal(&other->log, &f->log) || other->mark.epoch >= f->mark.epoch || is_read(other)) continue;
        if (!is_stuck(other, f, now)) return true;
    }
    f->waits = false;
    return false;
}
