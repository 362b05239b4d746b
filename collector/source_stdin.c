/* Standard input. It cannot be read again: what was read and is not settled is lost with the process. */
#include "base/clock.h"
#include "base/wakeup.h"
#include "source.h"

#include <errno.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct source_stdin {
    struct source  base;
    struct framer *framer;
    struct wakeup  wakeup;
    struct origin  origin;   /* of this process: the bytes of the next one are others */
    struct error   failure;  /* told when the records before it are on their way */
    int            multiline;
    uint64_t       multiline_wait_ms;
    uint64_t       read_ms;     /* when something came last */
    uint64_t       ended_to;    /* offset up to which a record of several lines was ended for want of more */
    bool           ended;
};

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

static ptrdiff_t read_input(void *context, char *into, size_t room, struct error *err)
{
    struct source_stdin *s = context;
    if (!is_readable()) return BYTES_LATER;
    ssize_t got = read(STDIN_FILENO, into, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return BYTES_LATER;
    if (got < 0) error_set_errno(err, ERROR_INPUT, "cannot read standard input");
    s->read_ms = clock_monotonic_ms();
    framer_end_text(s->framer, false);
    return got;
}

static bool stdin_open(struct source *source, struct error *err)
{
    struct source_stdin        *s = self(source);
    const struct framer_options options = {.max_document = source->max_record, .multiline = (enum multiline)s->multiline};
    if ((s->framer = framer_new(&options)) == NULL) return error_set(err, ERROR_MEMORY, "no memory for source '%s'", source->name);
    if (RAND_bytes(s->origin.stream, sizeof s->origin.stream) != 1) return error_set(err, ERROR_MEMORY, "no random bytes can be had");
    framer_reset(s->framer, (struct byte_source){read_input, s});
    return wakeup_init(&s->wakeup, err);
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
    uint64_t read_to = framer_offset(s->framer);
    bool     held = s->multiline != MULTILINE_OFF && read_to > framer_place(s->framer).offset && s->ended_to != read_to;
    return held && clock_monotonic_ms() - s->read_ms >= s->multiline_wait_ms;
}

static enum source_fill stdin_fill(struct source *source, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_stdin *s = self(source);
    if (s->failure.code != ERROR_NONE) {
        *err = s->failure;
        s->failure.code = ERROR_NONE;
        return SOURCE_FAILED;
    }
    if (s->ended) return SOURCE_END;
    if (!wait_for_input(s, wait_ms)) {
        if (!has_waited(s)) return SOURCE_IDLE;
        framer_end_text(s->framer, true);
        s->ended_to = framer_offset(s->framer);
    }
    enum fill result = framer_fill(s->framer, &c->batch, &s->failure);
    s->ended = result == FILL_END || result == FILL_FAILED;
    if (c->batch.count == 0) return SOURCE_IDLE;
    c->receipt = calloc(1, sizeof *c->receipt);
    CHECK(c->receipt != NULL);
    cargo_add_origin(c, &s->origin);
    snprintf(c->place, sizeof c->place, "standard input");
    return SOURCE_FILLED;
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
    if (s->framer == NULL) return;
    framer_free(s->framer);
    wakeup_release(&s->wakeup);
}

const struct source_type source_stdin = {
    .name = "stdin",
    .summary = "standard input",
    .bytes = sizeof(struct source_stdin),
    .settings = settings,
    .cargoes = 2,
    .open = stdin_open,
    .fill = stdin_fill,
    .settled = stdin_settled,
    .abandoned = stdin_settled,
    .wake = stdin_wake,
    .close = stdin_close,
};
