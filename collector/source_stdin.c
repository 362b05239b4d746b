/* Standard input. It cannot be read again: what was read and is not settled is lost with the process.
 *
 * A pipe may outlive the flow that reads it, so what is half read must not end with that flow.
 * (1) A reload starts the flow again in the same process: the framer outlives the source, with all that it holds. Settings that
 *     were changed meanwhile hold as soon as nothing is half read.
 * (2) When the process is told to stop, also during a reload, a record that is half read is read to the end of its line and not a
 *     byte further, so that the next process begins with a line. What does not end within REST_MS is a record as it is, as at the
 *     end of input. */
#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"
#include "source.h"

#include <errno.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REST_MS 2000   /* so long the rest of a line is waited for when the process stops */

struct source_stdin {
    struct source  base;
    struct wakeup  wakeup;
    size_t         longest;  /* record, as configured: base.max_record may be raised */
    struct receipt *spare;   /* for what is filled next */
    struct error   failure;  /* told when the records before it are on their way */
    int            multiline;
    uint64_t       multiline_wait_ms;
    uint64_t       read_ms;     /* when something came last */
    uint64_t       ended_to;    /* offset up to which a record of several lines was ended for want of more */
    uint64_t       rest_until_ms;   /* of a run that ends; 0: a fill() is under way that began before that was said */
    bool           line_read;   /* of such a run: no more now */
    bool           opened;
};

/* What outlives a source: the process has one standard input, and one flow at a time reads it. */
static struct {
    struct framer        *framer;    /* NULL: it was not read yet */
    struct framer_options options;   /* of the framer */
    struct origin         origin;    /* of this process: the bytes of the next one are others */
    bool                  ended;
} kept;

static const struct setting settings[] = {
    {"multiline", SETTING_CHOICE, offsetof(struct source_stdin, multiline), "off", .choices = multiline_names,
     .help = "which lines of text are one record: those of a stack trace, or all up to the next time or level"},
    {"multiline_wait", SETTING_DURATION, offsetof(struct source_stdin, multiline_wait_ms), "1s", .least = 10, .most = 3600000,
     .help = "how long a record of several lines is held for more"},
    {.name = NULL},
};

static struct source_stdin *self(struct source *s) { return (struct source_stdin *)s; }

static bool is_readable(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

/* Whether something is held that the rest of a record may belong to. */
static bool is_half_read(void) { return framer_place(kept.framer).offset < framer_offset(kept.framer); }

static bool is_ending(const struct source_stdin *s) { return atomic_load(&s->base.stopping) && atomic_load(&s->base.ending); }

static bool rest_is_late(const struct source_stdin *s)
{
    return s->rest_until_ms != 0 && clock_monotonic_ms() >= s->rest_until_ms;
}

static ptrdiff_t result_of(ssize_t got, struct error *err)
{
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return BYTES_LATER;
    if (got < 0) error_set_errno(err, ERROR_INPUT, "cannot read standard input");
    return got;
}

/* Up to the end of the line, byte by byte: what comes behind it is the next process's. */
static ptrdiff_t read_rest(struct source_stdin *s, char *into, size_t room, struct error *err)
{
    size_t  len = 0;
    ssize_t got = 1;
    if (s->line_read) return BYTES_LATER;
    while (len < room && !s->line_read && is_readable() && (got = read(STDIN_FILENO, into + len, 1)) == 1)
        s->line_read = into[len++] == '\n';
    if (len > 0) return (ptrdiff_t)len;
    if (got != 1) return result_of(got, err);
    return rest_is_late(s) ? 0 : BYTES_LATER;   /* only then: it may be there while batches were waited for */
}

static ptrdiff_t read_input(void *context, char *into, size_t room, struct error *err)
{
    struct source_stdin *s = context;
    if (is_ending(s)) return read_rest(s, into, room, err);
    if (!is_readable()) return BYTES_LATER;
    ptrdiff_t got = result_of(read(STDIN_FILENO, into, room), err);
    if (got == BYTES_LATER) return got;
    s->read_ms = clock_monotonic_ms();
    framer_end_text(kept.framer, false);
    return got;
}

/* With the settings of this source, if nothing is held that was begun with others. */
static bool renew_framer(struct source_stdin *s)
{
    const struct framer_options options = {.max_document = s->longest, .multiline = (enum multiline)s->multiline};
    const struct byte_source    bytes = {read_input, s};
    bool same = kept.framer != NULL && kept.options.max_document == options.max_document &&
                kept.options.multiline == options.multiline;
    if (same || (kept.framer != NULL && is_half_read())) return true;
    struct framer *fresh = framer_new(&options);
    if (fresh == NULL) return false;
    if (kept.framer != NULL) framer_resume(fresh, bytes, framer_place(kept.framer));
    else framer_reset(fresh, bytes);
    framer_free(kept.framer);
    kept.framer = fresh;
    kept.options = options;
    return true;
}

static bool stdin_open(struct source *source, struct error *err)
{
    struct source_stdin *s = self(source);
    bool                 first = kept.framer == NULL;
    s->longest = source->max_record;
    if (first && RAND_bytes(kept.origin.stream, sizeof kept.origin.stream) != 1)
        return error_set(err, ERROR_MEMORY, "no random bytes can be had");
    if (!renew_framer(s)) return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name);
    framer_read_from(kept.framer, (struct byte_source){read_input, s});
    /* what is half read may be so long */
    if (kept.options.max_document > source->max_record) source->max_record = kept.options.max_document;
    return s->opened = wakeup_init(&s->wakeup, err);
}

/* Until there is something to read, or the run is to stop. */
static bool wait_for_input(struct source_stdin *s, int wait_ms)
{
    struct pollfd events[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = s->wakeup.fd, .events = POLLIN}};
    return poll(events, 2, wait_ms) > 0 && events[0].revents != 0;
}

/* Whether something is held, and nothing came to it for long. */
static bool has_waited(const struct source_stdin *s)
{
    bool held = kept.options.multiline != MULTILINE_OFF && is_half_read() && s->ended_to != framer_offset(kept.framer);
    return held && clock_monotonic_ms() - s->read_ms >= s->multiline_wait_ms;
}

static enum source_fill fill(struct source_stdin *s, struct cargo *c)
{
    if (s->spare == NULL && (s->spare = receipt_new(sizeof *s->spare, &s->failure)) == NULL)
        return SOURCE_IDLE;   /* the next call tells */
    enum fill result = framer_fill(kept.framer, &c->batch, &s->failure);
    kept.ended = result == FILL_END || result == FILL_FAILED;
    if (c->batch.count == 0) return SOURCE_IDLE;
    c->receipt = s->spare;
    s->spare = NULL;
    cargo_add_origin(c, &kept.origin);
    snprintf(c->place, sizeof c->place, "standard input");
    return SOURCE_FILLED;
}

/* The process ends: first what is whole, then the rest of what is half read. */
static enum source_fill fill_last(struct source_stdin *s, struct cargo *c, int wait_ms)
{
    struct pollfd readable = {.fd = STDIN_FILENO, .events = POLLIN};
    bool          first = s->rest_until_ms == 0;
    if (first) s->rest_until_ms = clock_monotonic_ms() + REST_MS;
    if (!is_half_read()) return SOURCE_END;
    if (!first && !rest_is_late(s)) (void)poll(&readable, 1, wait_ms);
    framer_end_text(kept.framer, true);
    s->line_read = first;
    return fill(s, c);
}

static enum source_fill stdin_fill(struct source *source, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_stdin *s = self(source);
    if (s->failure.code != ERROR_NONE) {
        *err = s->failure;
        s->failure.code = ERROR_NONE;
        return SOURCE_FAILED;
    }
    if (kept.ended) return SOURCE_END;
    if (is_ending(s)) return fill_last(s, c, wait_ms);
    if (!renew_framer(s)) return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name), SOURCE_FAILED;
    if (!wait_for_input(s, wait_ms)) {
        if (!has_waited(s)) return SOURCE_IDLE;
        framer_end_text(kept.framer, true);
        s->ended_to = framer_offset(kept.framer);
    }
    return fill(s, c);
}

static void stdin_settled(struct source *source, struct receipt *receipt)
{
    (void)source;
    free(receipt);
}

static void stdin_wake(struct source *source) { wakeup_signal(&self(source)->wakeup); }

static void stdin_close(struct source *source)
{
    struct source_stdin *s = self(source);
    if (!s->opened) return;
    if (is_ending(s) && is_half_read() && !kept.ended) {   /* no batch came home for it */
        atomic_fetch_add(&source->counters.lost_bytes, framer_offset(kept.framer) - framer_place(kept.framer).offset);
        log_line(LOG_ERROR, source->name, "standard input: a record that was half read is lost");
    }
    wakeup_release(&s->wakeup);
    free(s->spare);
}

static bool stdin_holds(void) { return kept.framer != NULL && !kept.ended && is_half_read(); }

const struct source_type source_stdin = {
    .name = "stdin",
    .summary = "standard input",
    .bytes = sizeof(struct source_stdin),
    .settings = settings,
    .finishes = true,
    .cargoes = 2,
    .open = stdin_open,
    .fill = stdin_fill,
    .settled = stdin_settled,
    .abandoned = stdin_settled,
    .wake = stdin_wake,
    .close = stdin_close,
    .holds = stdin_holds,
};
