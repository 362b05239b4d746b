/* One file that is followed: opened and closed, read plain or packed, recognised as cut or changed. */
#include "source_file_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

bool followed_is_gzip(const char *path)
{
    unsigned char magic[2] = {0};
    int           fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool          gzip = fd >= 0 && pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    if (fd >= 0) close(fd);
    return gzip;
}

/* Warns of the file, once until it grows. */
static void tell(struct source_file *s, struct followed *f, const char *what)
{
    if (f->told) return;
    f->told = true;
    log_line(LOG_WARNING, s->base.name, "'%s': %s", f->path, what);
}

void followed_drop_framer(struct source_file *s, struct followed *f)
{
    s->held -= f->held;
    f->held = 0;
    framer_free(f->framer);
    f->framer = NULL;
    if (f->gunzip != NULL) gunzip_free(f->gunzip);
    f->gunzip = NULL;
    if (s->unpacking == f) s->unpacking = NULL;
    f->read_to = f->mark.place.offset;
}

void followed_close(struct source_file *s, struct followed *f)
{
    if (f->fd < 0) return;
    close(f->fd);
    f->fd = -1;
    s->open_count--;
}

void followed_free(struct source_file *s, struct followed *f)
{
    followed_drop_framer(s, f);
    followed_close(s, f);
    free(f->path);
    free(f);
}

bool followed_bears_its_name(const struct followed *f)
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
        if (!f->gone || f->ended || followed_bears_its_name(f)) oldest = f;
    }
    if (oldest != NULL) followed_close(s, oldest);
}

void followed_rename(struct followed *f, const char *path)
{
    char *copy = strdup(path);
    CHECK(copy != NULL);
    free(f->path);
    f->path = copy;
}

bool followed_open(struct source_file *s, struct followed *f)
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
    followed_close(s, f);   /* another file has that name by now */
    return false;
}

void followed_next_epoch(struct source_file *s, struct followed *f)
{
    followed_drop_framer(s, f);
    f->mark.place = (struct framer_place){.line = 1};
    f->mark.head = f->mark.tail = (struct sample){0};
    file_begin_stream(&s->base, &f->mark.id, f->mark.epoch + 1, &f->mark);
    f->read_to = f->tried_size = f->handed_to = f->ended_to = f->earlier_count = f->most_size = 0;
}

/* The content is not the one that was read before, or cannot be known again: that is no sign that anything is gone. */
static void begin_epoch(struct source_file *s, struct followed *f, bool cut)
{
    bool foreign = !cut && (sample_is_foreign(&s->base, &f->mark.head) || sample_is_foreign(&s->base, &f->mark.tail));
    log_line(LOG_WARNING, s->base.name, "'%s': %s; reading it from the beginning", f->path,
             cut ? "it was cut" : foreign ? "it was read with another key of pseudonyms before" : "its content has changed");
    if (f->packed) followed_next_epoch(s, f);
    else files_cut(s, f, foreign);
}

void followed_sample_head(struct source_file *s, struct followed *f)
{
    if (f->packed || f->fd < 0 || f->mark.place.offset > 0) return;
    /* it was cut: that is seen to when it is read */
    if (f->mark.head.len > 0 && !sample_fits(&s->base, f->fd, &f->mark.head)) return;
    if (f->size > f->most_size) f->most_size = f->size;
    if (f->mark.head.len < SAMPLE_BYTES && f->mark.head.len < f->size && !file_head(&s->base, f->fd, f->size, &f->mark.head))
        f->mark.head = (struct sample){0};
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
    if (!f->packed && f->read_to > f->size) framer_end_text(f->framer, false);   /* it grew just now */
    return got > 0 || f->packed || f->finishing ? got : BYTES_LATER;
}

static ptrdiff_t read_packed(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct followed *f = context;
    ptrdiff_t        got = gunzip_read(f->gunzip, buffer, capacity, err);
    if (got > 0) f->read_to += (uint64_t)got;
    return got;
}

bool followed_start_gunzip(struct followed *f)
{
    if (f->gunzip != NULL) gunzip_free(f->gunzip);
    f->packed_to = f->read_to = 0;
    f->gunzip = gunzip_new((struct byte_source){read_file, f}, f->path);
    return f->gunzip != NULL;
}

/* What is unpacked first. The reader is at the beginning again after it. */
static bool begins_with(struct source_file *s, struct followed *f, const struct sample *head)
{
    char         bytes[SAMPLE_BYTES];
    ptrdiff_t    got = 1;
    struct error err = {0};
    while (got > 0 && f->read_to < head->len) got = read_packed(f, bytes + f->read_to, head->len - (size_t)f->read_to, &err);
    if (got <= 0) return false;
    struct sample now = sample_of(&s->base, 0, slice_of(bytes, head->len));
    return memcmp(now.hash, head->hash, sizeof now.hash) == 0 && followed_start_gunzip(f);
}

/* Unpacks up to the place and compares on the way. False: it is another content, or damaged. */
bool followed_unpack_to(struct source_file *s, struct followed *f, const struct file_mark *mark)
{
    char          bytes[SAMPLE_BYTES];
    char         *buffer = malloc(65536);
    bool          fits = true;
    struct error  err = {0};
    struct sample now;
    CHECK(buffer != NULL);
    if (mark->place.offset == 0 && mark->head.len > 0) fits = begins_with(s, f, &mark->head);
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

static bool start_packed(struct source_file *s, struct followed *f)
{
    if (!followed_start_gunzip(f)) return false;
    if (followed_unpack_to(s, f, &f->mark)) return true;
    begin_epoch(s, f, false);
    return followed_start_gunzip(f);
}

bool followed_start_framer(struct source_file *s, struct followed *f)
{
    if (f->packed && !start_packed(s, f)) return false;
    f->read_to = f->mark.place.offset;
    f->framer = framer_new(&(struct framer_options){.max_document = s->base.max_record,
                                                    .multiline = (enum multiline)s->multiline});
    if (f->framer == NULL) return false;
    framer_resume(f->framer, (struct byte_source){f->packed ? read_packed : read_file, f}, f->mark.place);
    return true;
}

bool followed_has(struct source_file *s, const struct followed *f, const struct file_mark *mark)
{
    return (mark->tail.len == 0 || sample_fits(&s->base, f->fd, &mark->tail)) &&
           (mark->head.len == 0 || sample_fits(&s->base, f->fd, &mark->head));
}

/* Before more is read of a file that was read before. */
void followed_verify(struct source_file *s, struct followed *f)
{
    struct stat status;
    if (f->packed || f->finishing || fstat(f->fd, &status) != 0) return;
    bool cut = (uint64_t)status.st_size < f->read_to;
    bool fits = followed_has(s, f, &f->mark);
    if (cut || !fits) begin_epoch(s, f, cut);
    if (f->size != (uint64_t)status.st_size) f->grown_ms = clock_monotonic_ms();   /* looking will not see it any more */
    f->size = (uint64_t)status.st_size;
    if (f->size > f->most_size) f->most_size = f->size;
    if (cut || !fits || (f->mark.place.offset == 0 && f->framer == NULL)) skip_hole(f);
    followed_sample_head(s, f);
}
