/* The framer: its window, and its life. The states are in framing_documents.c and framing_text.c. */
#include "parser/framing_priv.h"

#define FILL_BYTES ((size_t)256 * 1024)   /* new bytes per call, so that a batch stays in the cache */
#define MAX_DOCUMENT ((size_t)1 << 30)    /* greatest max_document: offsets in a batch have 32 bits */

/* --- Filling ---------------------------------------------------------------------------------------------------------- */

static uint64_t hold(const struct framer *f)
{
    if (f->step == framing_in_container) return container_hold(&f->container);
    bool holds = f->step == framing_in_document || f->step == framing_after_document || f->step == framing_garbage ||
                 f->step == framing_text_line || f->step == framing_more_lines || f->step == framing_after_container ||
                 (f->step == framing_between && f->line_begun);
    return holds ? f->start : f->extent.at;
}

static enum step run(struct framer *f)
{
    enum step step;
    do step = f->step(f);
    while (step == STEP_ON);
    return step;
}

static bool wants_more(const struct framer *f, uint64_t taken, size_t room)
{
    if (f->ended || f->later || room == 0) return false;
    return taken < FILL_BYTES || (f->batch->count == 0 && hold(f) < f->view.to);
}

static void read_more(struct framer *f, uint64_t taken, size_t room)
{
    char *to = f->batch->data + f->base + (f->view.to - f->view.from);
    size_t wanted = taken < FILL_BYTES ? FILL_BYTES - (size_t)taken : FILL_BYTES;
    ptrdiff_t n = f->source.read(f->source.context, to, wanted < room ? wanted : room, &f->error);
    CHECK(n <= (ptrdiff_t)room);
    f->later = n == BYTES_LATER;
    f->failed = f->failed || n == BYTES_FAILED;
    f->view.final = f->ended = n <= 0 && !f->later;
    if (n > 0) f->view.to += (uint64_t)n;
}

#define CARRY_STEP ((size_t)4096)
#define CARRY_IDLE ((size_t)65536)   /* room beyond need that is not worth giving back */

/* Room for so many bytes and little more, since one framer may stand for each of thousands of files. */
static bool carry_reserve(struct framer *f, size_t len)
{
    if (len <= f->carry_capacity && f->carry_capacity <= 4 * len + CARRY_IDLE) return true;
    size_t capacity = (len / CARRY_STEP + 1) * CARRY_STEP;
    char *moved = realloc(f->carry, capacity);
    if (moved == NULL) return len <= f->carry_capacity;
    f->carry = moved;
    f->carry_capacity = capacity;
    return true;
}

/* Copies what is held to the carry and leaves the rest to the batch. */
static bool carry_over(struct framer *f, uint64_t from)
{
    framing_line_of(f, from);
    f->batch->used = f->base + (size_t)(from - f->view.from);
    f->carry_len = (size_t)(f->view.to - from);
    if (f->carry_len == 0) return true;
    if (carry_reserve(f, f->carry_len)) {
        memcpy(f->carry, view_at(&f->view, from), f->carry_len);
        return true;
    }
    f->carry_len = 0;
    framing_refuse_unseen(f, REFUSAL_MEMORY, from, f->line);
    f->failed = f->ended = true;
    return error_set(&f->error, ERROR_MEMORY, "no memory to carry documents over");
}

/* Closes a container that was cut off, so that what is written stays JSON. The brackets are not in the input. */
static void add_closers(struct framer *f)
{
    struct container *c = &f->container;
    size_t start = f->batch->used;
    for (unsigned level = c->levels; level-- > 0;)
        f->batch->data[f->batch->used++] = c->open[level] == '[' ? ']' : '}';
    f->batch->data[f->batch->used++] = '\n';
    uint64_t at = f->view.from + (start - f->base);
    framing_add(f, DOCUMENT_GLUE, at, f->view.from + (f->batch->used - f->base), f->line);
}

enum fill framer_fill(struct framer *f, struct batch *b, struct error *error)
{
    CHECK(b->capacity - b->used >= FRAMER_ROOM(f->options.max_document));
    size_t capacity = b->capacity - b->used - CLOSER_ROOM;
    CHECK(f->carry_len <= capacity);
    f->batch = b;
    f->base = b->used;
    f->later = false;
    char *data = b->data + f->base;
    if (f->carry_len > 0) memcpy(data, f->carry, f->carry_len);
    f->view = (struct view){data, f->view.to - f->carry_len, f->view.to, f->ended};

    uint64_t taken = f->view.to;
    size_t   count = b->count;
    enum step step;
    while ((step = run(f)) == STEP_MORE) {
        size_t room = capacity - (size_t)(f->view.to - f->view.from);
        if (!wants_more(f, f->view.to - taken, room)) break;
        read_more(f, f->view.to - taken, room);
    }
    uint64_t held = step == STEP_CLOSE ? f->extent.at : hold(f);
    CHECK(step != STEP_MORE || b->count > count || held > f->view.from || f->view.to - held < capacity);
    if (!carry_over(f, held)) step = STEP_END;
    if (step == STEP_CLOSE) add_closers(f);
    if (step != STEP_END) return f->later ? FILL_LATER : FILL_SOME;
    if (!f->failed) return FILL_END;
    *error = f->error;
    return FILL_FAILED;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

struct framer *framer_new(const struct framer_options *options)
{
    CHECK(options->max_document > 0 && options->max_document <= MAX_DOCUMENT);
    struct framer *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    f->options = *options;
    framer_reset(f, (struct byte_source){0});
    return f;
}

void framer_free(struct framer *f)
{
    if (f == NULL) return;
    free(f->carry);
    free(f);
}

void framer_reset(struct framer *f, struct byte_source source)
{
    framer_resume(f, source, (struct framer_place){.line = 1});
}

void framer_resume(struct framer *f, struct byte_source source, struct framer_place place)
{
    *f = (struct framer){.options = f->options, .source = source, .carry = f->carry, .carry_capacity = f->carry_capacity,
                         .view = {.from = place.offset, .to = place.offset}, .counted = place.offset, .line = place.line};
    extent_init(&f->extent, place.offset, f->options.max_document, true);
    framing_enter_line(f, place.offset);
}

void framer_read_from(struct framer *f, struct byte_source source) { f->source = source; }

struct framer_place framer_place(const struct framer *f)
{
    if (f->key_lines > 0) return f->key;
    if (f->step == framing_rest_of_line || (f->step == framing_between && (f->blank_cut || !f->line_begun))) return f->rest;
    if (f->step == framing_in_container || f->step == framing_in_long_document)
        return (struct framer_place){f->start, f->start_line};
    return (struct framer_place){hold(f), f->line};
}

void framer_end_text(struct framer *f, bool end) { f->end_text = end; }

size_t framer_held(const struct framer *f) { return f->carry_len; }

uint64_t framer_offset(const struct framer *f) { return f->view.to; }
