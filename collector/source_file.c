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
 *     renames; and every file that has a rotated name of one that fits (x.log.1, x.log-2026), that is younger than the last
 *     look, or at the start than the store, and of which nothing is known, is read. So marks are kept as long as their files.
 * (6) A packed file (gzip) is read when it has not changed for REST_MS. If it begins as a file that is gone did, it is that
 *     file, packed meanwhile, and is read from where that was left.
 * (7) When a file was cut, the copies beside it have what was not read: see source_file_copies.c. A new file that bears a
 *     followed one's name with an ending is held while it has what the other has, too. Thread: the source's own. */
#include "source_file_priv.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST_OPEN      512                     /* and a quarter of what the process may open */
#define REST_MS        1000                    /* packed files and possible copies are read when they did not grow for so long */
#define FORGET_MS      60000                   /* a file that ended may turn up again, renamed or packed */
#define MOST_HELD      ((uint64_t)16 << 20)    /* bytes of unfinished documents, of all files together */

static const char *const start_choices[] = {"beginning", "end", NULL};

struct file_receipt {
    struct receipt  base;
    struct position positions[3];
};

static const struct setting settings[] = {
    {"paths", SETTING_TEXTS, offsetof(struct source_file, paths), NULL, .required = true, .help = "patterns such as /var/log/azureml/*.log"},
    {"exclude", SETTING_TEXTS, offsetof(struct source_file, exclude), NULL, .help = "patterns of names that are left out"},
    {"start", SETTING_CHOICE, offsetof(struct source_file, start), "beginning", .choices = start_choices,
     .help = "where to begin with files that are there at the first start"},
    {"poll", SETTING_DURATION, offsetof(struct source_file, poll_ms), "250ms", .least = 10, .most = 60000, .help = "how often files are looked at"},
    {"rotate_wait", SETTING_DURATION, offsetof(struct source_file, rotate_wait_ms), "5s", .most = 3600000,
     .help = "how long a renamed or removed file is watched for more"},
    {"multiline", SETTING_CHOICE, offsetof(struct source_file, multiline), "off", .choices = multiline_names,
     .help = "which lines of text are one record: those of a stack trace, or all up to the next time or level"},
    {"multiline_wait", SETTING_DURATION, offsetof(struct source_file, multiline_wait_ms), "1s", .least = 10, .most = 3600000,
     .help = "how long a record of several lines is held for more"},
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

#define LISTED_KEY "listed"   /* of the position that holds when the patterns were looked up last */

static void load_mark(void *context, const struct position *p)
{
    struct source_file *s = context;
    struct file_mark    mark;
    if (slice_equal(slice_of(p->key, p->key_len), SLICE(LISTED_KEY)) && p->value_len == sizeof s->earlier_at_ms)
        memcpy(&s->earlier_at_ms, p->value, sizeof s->earlier_at_ms);
    if (p->value_len != sizeof mark) return;
    memcpy(&mark, p->value, sizeof mark);
    if (mark.version != MARK_VERSION || mark.head.len > SAMPLE_BYTES || mark.tail.len > SAMPLE_BYTES) return;
    mark.path[SAVED_PATH - 1] = '\0';
    save_mark(s, &mark);
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

static bool any_unsaved(const struct source_file *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->files[i]->unsaved || s->files[i]->if_written_ms > 0) return true;
    return false;
}

/* Not before the marks of all that was met then: a later start takes a packed file without a mark that is older for one that
 * was read. */
static void put_listed(struct source_file *s, struct file_receipt *r)
{
    if (s->kept_at_ms == s->listed_at_ms || any_unsaved(s)) return;
    struct position *p = &r->positions[r->base.position_count++];
    p->key_len = sizeof LISTED_KEY - 1;
    memcpy(p->key, LISTED_KEY, sizeof LISTED_KEY - 1);
    p->value_len = sizeof s->listed_at_ms;
    memcpy(p->value, &s->listed_at_ms, sizeof s->listed_at_ms);
    s->kept_at_ms = s->listed_at_ms;
}

/* There is a spare one: a fill() needs one at most. `replaced`: another position that is to be forgotten with it; NULL or
 * inode 0: none. */
static struct receipt *make_receipt(struct source_file *s, const struct file_mark *mark, bool forget, struct file_id *replaced)
{
    struct file_receipt *r = s->spare;
    s->spare = NULL;
    CHECK(r != NULL);
    r->base.positions = r->positions;
    put_position(s, r, &mark->id, forget ? NULL : mark);
    put_listed(s, r);
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

/* --- Filling ---------------------------------------------------------------------------------------------------------- */

/* What follows the last record handed out is unfinished, and nothing came to it for long: a record of several lines ends
 * there. */
static bool has_waited(const struct source_file *s, const struct followed *f, uint64_t now)
{
    bool unfinished = !f->packed && f->size > f->mark.place.offset && f->ended_to != f->size;
    return s->multiline != MULTILINE_OFF && unfinished && now - f->grown_ms >= s->multiline_wait_ms;
}

/* A packed file is whole then, and what may be a copy of what another file has can be told from it. */
static bool has_rested(const struct followed *f, uint64_t now)
{
    return now - f->grown_ms >= REST_MS && (!f->suspect || now - f->checked_ms >= REST_MS);
}

static bool has_work(const struct source_file *s, struct followed *f, uint64_t now)
{
    if (f->ended) return !f->forgotten && f->gone && now - f->ended_ms >= FORGET_MS;
    if (f->unsaved) return true;
    if (files_must_wait(s, f)) return false;
    if (f->packed && f->gone && f->tried_size == f->size) return now - f->gone_ms >= s->rotate_wait_ms;
    if (f->packed)
        return f->framer != NULL || (f->tried_size != f->size && has_rested(f, now) && s->unpacking == NULL &&
                                      (f->placed || !files_may_be_another(s, f)));
    if (f->suspect && !has_rested(f, now)) return false;
    if (f->size != f->read_to && f->size != f->tried_size) return true;
    if (has_waited(s, f, now)) return true;
    return f->gone && now - f->gone_ms >= s->rotate_wait_ms;
}

static bool update_mark(struct source_file *s, struct followed *f)
{
    struct framer_place place = framer_place(f->framer);
    bool                moved = place.offset != f->mark.place.offset;
    if (moved && f->mark.tail.len > 0 && !f->packed)
        f->earlier[f->earlier_count++ % EARLIER] = (struct earlier){f->mark.place, f->mark.tail};
    f->mark.place = place;
    /* the content only passes by; a packed file does not change */
    if (moved && f->packed) f->mark.head = f->mark.tail = (struct sample){0};
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
    followed_drop_framer(s, f);
    f->tried_size = f->size;
    f->finishing = false;
    f->ended = f->gone;
    f->ended_ms = f->gone_ms = clock_monotonic_ms();
    if (f->packed || (f->gone && is_deleted(f))) followed_close(s, f);
}

/* It has another name by now, perhaps. */
static bool open_lost(struct source_file *s, struct followed *f)
{
    if (!f->gone) return false;
    f->lost = true;
    files_find_lost(s);
    return followed_open(s, f);
}

static bool give_up(struct source_file *s, struct followed *f, uint64_t now)
{
    f->tried_size = f->size;
    if (f->gone && now - f->gone_ms >= s->rotate_wait_ms) end_file(s, f);
    return false;
}

/* It ended with the file and not with its line, so the writer may still have the rest. */
static bool is_torn(const struct followed *f, const struct document *d)
{
    return f->finishing && d->offset + d->len == f->read_to;
}

/* The stream's name is made of the first document, too: an epoch's number alone may be given twice, to different contents, when
 * a file is cut and the run ends before that is settled. A first document that is torn names nothing but itself: when more comes,
 * its line gives the name, which is the first document of whoever reads all that again. */
static struct file_mark name_stream(struct source_file *s, struct followed *f, const struct cargo *c)
{
    const struct document *first = &c->batch.documents[0];
    char             line[SAMPLE_BYTES];
    size_t           len;
    struct file_mark named = f->mark;
    bool             late = f->mark.named >= STREAM_TORN && !f->packed;
    bool             torn = late ? !file_line(f->fd, f->mark.named - STREAM_TORN, line, &len) : is_torn(f, first);
    struct slice head = slice_of(c->batch.data + first->start, first->len < SAMPLE_BYTES ? first->len : SAMPLE_BYTES);
    file_name_stream(&s->base, late ? slice_of(line, len) : head, &named);
    if (!torn) f->mark = named;
    else if (!late) f->mark.named = STREAM_TORN + first->offset;
    return named;
}

static void add_origin(struct source_file *s, struct followed *f, struct cargo *c)
{
    if (c->batch.count == 0) return;
    const struct document *last = &c->batch.documents[c->batch.count - 1];
    const struct file_mark named = f->mark.named != STREAM_NAMED ? name_stream(s, f, c) : f->mark;
    f->handed_to = last->offset + last->len;
    struct origin origin = {.number = 0};
    memcpy(origin.stream, named.stream, sizeof origin.stream);
    cargo_add_origin(c, &origin);
}

static void count_held(struct source_file *s, struct followed *f)
{
    s->held += framer_held(f->framer) - f->held;
    f->held = framer_held(f->framer);
}

/* A packed file that is cut off may still be being written: its last document is handed out as it is, and read again when there
 * is more of the file. */
static void take_back_last(struct followed *f, const struct batch *b)
{
    const struct document *last = b->count > 0 ? &b->documents[b->count - 1] : NULL;
    if (last == NULL || last->form != DOCUMENT_REFUSED || last->refusal != REFUSAL_TRUNCATED) return;
    f->mark.place = (struct framer_place){last->offset, last->line};
}

/* It was cut, and written to, after it was looked at and before all of the batch was read: of that nothing is handed out. */
static bool was_cut_meanwhile(struct source_file *s, struct followed *f, const struct file_mark *before, struct cargo *c)
{
    if (f->packed || f->finishing || followed_has(s, f, before)) return false;
    batch_clear(&c->batch);
    f->mark = *before;
    followed_drop_framer(s, f);
    followed_verify(s, f);
    return true;
}

static void read_documents(struct source_file *s, struct followed *f, struct cargo *c, struct error *err)
{
    const struct file_mark before = f->mark;
    bool waited = has_waited(s, f, clock_monotonic_ms());
    framer_end_text(f->framer, waited);
    enum fill filled = framer_fill(f->framer, &c->batch, err);
    bool      moved = update_mark(s, f), named = f->mark.named == STREAM_NAMED;
    if (was_cut_meanwhile(s, f, &before, c)) {
        *err = (struct error){0};
        return;
    }
    if (filled == FILL_FAILED && f->packed) take_back_last(f, &c->batch);
    count_held(s, f);
    add_origin(s, f, c);
    if (filled == FILL_FAILED) {
        log_line(LOG_WARNING, s->base.name, "%s", err->text);
        *err = (struct error){0};
    }
    bool ended = filled == FILL_END || filled == FILL_FAILED;
    if (ended && f->packed) f->mark.packed_size = f->size;
    if (filled == FILL_LATER) f->tried_size = f->read_to;
    if (filled == FILL_LATER && waited) f->ended_to = f->size;
    bool idle = filled == FILL_LATER && f->read_to == f->mark.place.offset;
    /* so that no work is done twice */
    bool all_held = f->read_to - f->mark.place.offset == f->held && f->handed_to <= f->mark.place.offset;
    bool crowded = s->held > MOST_HELD && all_held;
    s->unpacking = f->packed && !ended ? f : NULL;
    if (moved || c->batch.count > 0 || (ended && f->packed)) c->receipt = make_receipt(s, &f->mark, false, &f->replaces);
    /* so that it has the same name after a kill, wherever it is then */
    if (c->receipt != NULL) c->receipt->soon = (f->mark.named == STREAM_NAMED) != named;
    if (ended) end_file(s, f);
    else if (idle || (crowded && !f->packed)) followed_drop_framer(s, f);
}

/* Whether it is one that is gone, or was read long ago. True: its mark has become another, which is to be kept
 * before the one that is gone is forgotten. */
static bool place_packed(struct source_file *s, struct followed *f)
{
    f->placed = true;
    bool adopted = f->mark.place.offset == 0 && files_adopt(s, f->path, f->fd, !f->kept, &f->mark, &f->replaces);
    bool old = !adopted && f->if_written_ms > 0 && !files_written_since(f->fd, f->if_written_ms);
    if (old) f->mark.packed_size = f->tried_size = f->size;
    f->unsaved = adopted || old || f->if_written_ms > 0;
    f->if_written_ms = 0;
    return f->unsaved;
}

/* A receipt alone, behind those of what was read of it. */
static bool keep_mark(struct source_file *s, struct followed *f, struct cargo *c)
{
    f->lost = f->ended;
    files_find_lost(s);
    f->forgotten = f->ended;
    f->unsaved = false;
    c->receipt = make_receipt(s, &f->mark, f->ended && !followed_bears_its_name(f), &f->replaces);
    c->receipt->soon = !f->ended;
    return true;
}

/* True: the cargo has something of this file. */
static bool fill_from(struct source_file *s, struct followed *f, struct cargo *c, struct error *err)
{
    uint64_t now = clock_monotonic_ms();
    if (f->ended || f->unsaved) return keep_mark(s, f, c);
    if (f->packed && f->gone && f->tried_size == f->size) return give_up(s, f, now);
    if (f->suspect && (f->suspect = files_is_copy(s, f))) return false;
    if (f->unsaved) return keep_mark(s, f, c);
    if (!followed_open(s, f) && !open_lost(s, f)) return give_up(s, f, now);
    if (f->packed && !f->placed && f->framer == NULL && place_packed(s, f)) return keep_mark(s, f, c);
    followed_verify(s, f);
    if (f->fd < 0 || files_must_wait(s, f)) return false;   /* others may have been met, and opened, meanwhile */
    f->finishing = f->gone && !f->packed && now - f->gone_ms >= s->rotate_wait_ms && f->size <= f->read_to;
    if (f->framer == NULL && f->finishing) {
        end_file(s, f);
        return false;
    }
    if (f->framer == NULL && !followed_start_framer(s, f)) return false;
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
        files_leave_table(s, s->files[i]);
        followed_free(s, s->files[i]);
        s->files[i] = s->files[--s->count];
    }
}

static enum source_fill fill(struct source *source, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_file *s = (struct source_file *)source;
    if (s->spare == NULL && (s->spare = receipt_new(sizeof *s->spare, err)) == NULL) return SOURCE_FAILED;
    files_sweep(s);
    forget_files(s);
    s->more = false;
    if (fill_any(s, c, err)) return SOURCE_FILLED;
    struct pollfd waits[2] = {{.fd = s->wakeup.fd, .events = POLLIN}, {.fd = s->notify, .events = POLLIN}};
    int           wait = s->more ? 0 : (uint64_t)wait_ms < s->poll_ms ? wait_ms : (int)s->poll_ms;
    poll(waits, 2, wait);
    wakeup_clear(&s->wakeup);
    return SOURCE_IDLE;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

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
    s->rotated_at_ms[0] = s->rotated_at_ms[1] = file_clock_ms();
    files_list(s);
    files_find_missing(s);
    s->first_list = false;
    return true;
}

static void wake(struct source *source) { wakeup_signal(&((struct source_file *)source)->wakeup); }

static void close_source(struct source *source)
{
    struct source_file *s = (struct source_file *)source;
    for (size_t i = 0; i < s->count; i++) followed_free(s, s->files[i]);
    free(s->files);
    free(s->saved);
    free(s->spare);
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
