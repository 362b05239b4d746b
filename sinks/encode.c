/* The encoder: clean batches to bytes, in the original format or, with the other encode_*.c, in another.
 *
 * With keep_container the elements of a streamed array are joined by commas that are written here, since which of them
 * are withheld is known only now. The array may go on from batch to batch while several batches are encoded at once, so
 * that an encoder cannot know whether the first element it meets is the first of its array: it notes the place of the
 * comma as `joint`, and the writer, who goes in order, decides.
 *
 * (1) Space for a whole batch is reserved before it is written.
 * Thread: the encoder's owner. */
#include "sinks/encode_priv.h"
#include "sinks/formats.h"

#include <time.h>

#define FIRST_CAPACITY 65536

static const struct {
    const char                   *text;
    const struct receiver_format *receiver;   /* NULL: original and flat, which keep what the record has */
    bool                          json;
} formats[FORMAT_COUNT] = {
    [FORMAT_ORIGINAL] = {"original", NULL, true},
    [FORMAT_FLAT] = {"flat", NULL, true},
    [FORMAT_ECS] = {"ecs", &format_ecs, true},
    [FORMAT_OCSF] = {"ocsf", &format_ocsf, true},
    [FORMAT_CEF] = {"cef", &format_cef, false},
    [FORMAT_APPINSIGHTS] = {"appinsights", &format_appinsights, true},
};

bool format_find(const char *name, enum format *format)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(name, formats[i].text) != 0) continue;
        *format = (enum format)i;
        return true;
    }
    return false;
}

const char *format_text(enum format format) { return formats[format].text; }

bool format_is_json(enum format format) { return formats[format].json; }

struct encoder {
    enum format                   format;
    bool                          keep_container;
    int64_t                       now_ms;
    struct flattener             *flattener;   /* FORMAT_FLAT only */
    const struct receiver_format *receiver;    /* the formats of receivers only */
    void                         *state;       /* the receiver's */
    struct reading                reading;
};

struct encoder *encoder_open(const struct encoder_options *options)
{
    struct encoder *e = malloc(sizeof *e);
    CHECK(options->format == FORMAT_ORIGINAL || !options->keep_container);
    if (e == NULL) return NULL;
    *e = (struct encoder){.format = options->format, .keep_container = options->keep_container, .now_ms = options->now_ms,
                          .receiver = formats[options->format].receiver};
    reading_init(&e->reading);
    if (e->format == FORMAT_FLAT) e->flattener = flattener_new();
    if (e->receiver != NULL) e->state = e->receiver->open(options);
    if (e->format == FORMAT_ORIGINAL || e->flattener != NULL || e->state != NULL) return e;
    encoder_free(e);
    return NULL;
}

struct encoder *encoder_new(enum format format, bool keep_container)
{
    return encoder_open(&(struct encoder_options){format, keep_container, NULL, NOW_IS_THE_CLOCK});
}

void encoder_free(struct encoder *e)
{
    if (e == NULL) return;
    flattener_free(e->flattener);
    if (e->receiver != NULL) e->receiver->close(e->state);
    reading_release(&e->reading);
    free(e);
}

bool encoded_reserve(struct encoded *out, size_t bytes)
{
    if (out->data != NULL && bytes <= out->capacity - out->len) return true;
    size_t capacity = out->capacity == 0 ? FIRST_CAPACITY : out->capacity;
    while (capacity - out->len < bytes) {
        if (capacity > SIZE_MAX / 2) return false;
        capacity *= 2;
    }
    char *data = realloc(out->data, capacity);
    if (data == NULL) return false;
    out->data = data;
    out->capacity = capacity;
    return true;
}

bool encoded_append(struct encoded *out, struct slice bytes)
{
    if (!encoded_reserve(out, bytes.len)) return false;
    if (bytes.len > 0) memcpy(out->data + out->len, bytes.data, bytes.len);
    out->len += bytes.len;
    return true;
}

void encoded_release(struct encoded *out)
{
    free(out->data);
    *out = (struct encoded){.joint = SIZE_MAX};
}

/* --- Text with spans ----------------------------------------------------------------------------------------------------- */

/* The loop over a block has no exit, so that it becomes vector code. */
static bool may_have_line_breaks(struct slice text)
{
    enum { BLOCK = 256 };
    const unsigned char *p = (const unsigned char *)text.data, *end = p + text.len;
    while (p < end) {
        const unsigned char *stop = end - p > BLOCK ? p + BLOCK : end;
        unsigned char        least = 0xff;
        for (; p < stop; p++) least = *p < least ? *p : least;
        if (least < 0x20) return true;
    }
    return false;
}

static bool is_break(char c) { return c == '\n' || c == '\r'; }

static bool is_space(char c) { return c == ' ' || c == '\t' || is_break(c); }

static void copy_one_line(struct writer *w, struct slice text)
{
    const char *p = text.data, *end = p + text.len;
    while (p < end) {
        const char *start = p;
        while (p < end && !is_break(*p)) p++;
        writer_copy(w, slice_of(start, (size_t)(p - start)));
        while (p < end && is_space(*p)) p++;
    }
}

void writer_text(struct writer *w, const struct clean_record *r, size_t from, size_t to, bool one_line)
{
    for (size_t i = r->span_count == 0 ? 0 : span_after(r, from); from < to; i++) {
        const struct span *span = i < r->span_count && r->spans[i].start < to ? &r->spans[i] : NULL;
        CHECK(span == NULL || (span->start >= from && span->end <= to));
        struct slice piece = slice_sub(r->text, from, span == NULL ? to : span->start);
        if (one_line) copy_one_line(w, piece);
        else writer_copy(w, piece);
        if (span == NULL) return;
        writer_copy(w, span->replacement);
        from = span->end;
    }
}

/* --- One record ---------------------------------------------------------------------------------------------------------- */

static bool copy_record(const struct clean_record *r, struct encoded *out)
{
    if (!encoded_reserve(out, clean_bytes(r, 0, r->text.len))) return false;
    struct writer w = {.at = out->data + out->len};
    writer_text(&w, r, 0, r->text.len, may_have_line_breaks(r->text));
    writer_flush(&w);
    out->len = (size_t)(w.at - out->data);
    return true;
}

static int64_t now(const struct encoder *e)
{
    struct timespec t;
    if (e->now_ms != NOW_IS_THE_CLOCK) return e->now_ms;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool encode_record(struct encoder *e, const struct clean_record *r, struct key_cache *keys, struct encoded *out)
{
    CHECK(r->piece == PIECE_RECORD);
    if (e->format == FORMAT_ORIGINAL) return copy_record(r, out);
    if (e->format == FORMAT_FLAT) return flatten(e->flattener, r, keys, out);
    reading_take(&e->reading, r, keys, now(e));
    return e->receiver->write(e->state, &e->reading, out) && !e->reading.failed;
}

/* --- Batches ------------------------------------------------------------------------------------------------------------- */

/* One batch on its way into `out`. */
struct pass {
    struct encoder           *encoder;
    const struct clean_batch *batch;
    struct encoded           *out;
    struct writer             writer;
};

/* What a piece takes in the original format: its text and a separator. */
static size_t piece_bytes(const struct clean_record *r) { return clean_bytes(r, 0, r->text.len) + 1; }

static size_t written(const struct pass *p)
{
    return (size_t)(p->writer.at - p->out->data) + (size_t)(p->writer.to - p->writer.from);
}

static bool reserve(struct pass *p, size_t bytes)
{
    writer_flush(&p->writer);
    p->out->len = written(p);
    if (!encoded_reserve(p->out, bytes)) return false;
    p->writer = (struct writer){.at = p->out->data + p->out->len};
    return true;
}

/* Writes a separator, as part of the run where the input has it too, just between these two. */
static void put_separator(struct pass *p, const struct clean_record *before, const struct clean_record *after, char separator)
{
    const char *end = before == NULL ? NULL : before->text.data + before->text.len;
    bool        between = end != NULL && after != NULL && after->text.data == end + 1 && *end == separator;
    writer_copy(&p->writer, between ? slice_of(end, 1) : separator == ',' ? SLICE(",") : SLICE("\n"));
}

static bool put_body(struct pass *p, const struct clean_record *r)
{
    if (p->encoder->format != FORMAT_ORIGINAL) {
        if (!reserve(p, 0)) return false;
        if (!encode_record(p->encoder, r, p->batch->keys, p->out)) return false;
        p->writer = (struct writer){.at = p->out->data + p->out->len};
        return reserve(p, 1);
    }
    writer_text(&p->writer, r, 0, r->text.len, !p->encoder->keep_container && may_have_line_breaks(r->text));
    return true;
}

/* Separates an element from the one before it in its array. */
static void join_element(struct pass *p, const struct clean_record *r, const struct clean_record *before)
{
    if (p->out->after == CONTAINER_FILLED) put_separator(p, before, r, ',');
    if (p->out->after == CONTAINER_SAME) p->out->joint = written(p);
    p->out->after = CONTAINER_FILLED;
}

/* Glue and members. What a closing bracket ends was itself an element, if it stood in an array. */
static void put_around(struct pass *p, const struct clean_record *r)
{
    writer_text(&p->writer, r, 0, r->text.len, false);
    if (r->opens) p->out->after = CONTAINER_EMPTY;
    else if (r->piece == PIECE_GLUE && r->text.len > 0 && (r->text.data[0] == ']' || r->text.data[0] == '}'))
        p->out->after = CONTAINER_FILLED;
}

static bool put_piece(struct pass *p, size_t number)
{
    const struct clean_record *r = &p->batch->records[number];
    const struct clean_record *before = number > 0 ? r - 1 : NULL, *after = number + 1 < p->batch->count ? r + 1 : NULL;
    bool                       joined = p->encoder->keep_container && r->element;
    if (p->encoder->format != FORMAT_ORIGINAL && !reserve(p, piece_bytes(r))) return false;
    if (joined) join_element(p, r, before);
    if (r->piece != PIECE_RECORD) {
        put_around(p, r);
        return true;
    }
    if (!put_body(p, r)) return false;
    if (!joined) put_separator(p, r, after, '\n');
    return true;
}

bool encode_batch(struct encoder *e, const struct clean_batch *batch, struct encoded *out)
{
    size_t bytes = 0;
    CHECK(e->format == FORMAT_ORIGINAL || batch->keys != NULL);
    out->len = 0;
    out->joint = SIZE_MAX;
    out->after = CONTAINER_SAME;
    for (size_t i = 0; e->format == FORMAT_ORIGINAL && i < batch->count; i++) bytes += piece_bytes(&batch->records[i]);
    struct pass pass = {e, batch, out, {.at = out->data}};
    if (!reserve(&pass, bytes)) return false;
    for (size_t i = 0; i < batch->count; i++)
        if (!put_piece(&pass, i)) return false;
    return reserve(&pass, 0);
}
