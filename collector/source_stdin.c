#include "source.h"
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
struct source_stdin { struct source base; struct framer *framer; uint8_t id[16]; bool ended; };
static const struct setting settings[] = {{.name = NULL}};
static ptrdiff_t read_fd(void *c, char *b, size_t n, struct error *e)
{
    (void)c;
    struct pollfd p = {.fd = 0, .events = POLLIN};
    if (poll(&p, 1, 0) == 0) return BYTES_LATER;
    ssize_t got = read(0, b, n);
    if (got < 0) error_set_errno(e, ERROR_INPUT, "cannot read standard input");
    return got;
}
static bool open_it(struct source *s, struct error *e)
{
    struct source_stdin *i = (struct source_stdin *)s;
    const struct framer_options o = {s->max_record, false};
    (void)e;
    i->framer = framer_new(&o);
    framer_reset(i->framer, (struct byte_source){read_fd, i});
    source_stream_id(s, SLICE("stdin"), i->id);
    return true;
}
static enum source_fill fill(struct source *s, struct cargo *c, int wait_ms, struct error *e)
{
    struct source_stdin *i = (struct source_stdin *)s;
    if (i->ended) return SOURCE_END;
    struct pollfd p = {.fd = 0, .events = POLLIN};
    if (poll(&p, 1, wait_ms) <= 0) return SOURCE_IDLE;
    enum fill f = framer_fill(i->framer, &c->batch, e);
    struct origin o = {.number = 0};
    memcpy(o.stream, i->id, 16);
    cargo_add_origin(c, &o);
    strcpy(c->place, "stdin");
    c->receipt = calloc(1, sizeof *c->receipt);
    if (f == FILL_END || f == FILL_FAILED) i->ended = true;
    return SOURCE_FILLED;
}
static void settled(struct source *s, struct receipt *r) { (void)s; free(r); }
static void close_it(struct source *s) { framer_free(((struct source_stdin *)s)->framer); }
const struct source_type source_stdin = {.name = "stdin", .summary = "standard input", .bytes = sizeof(struct source_stdin), .settings = settings,
    .cargoes = 2, .open = open_it, .fill = fill, .settled = settled, .abandoned = settled, .close = close_it};
