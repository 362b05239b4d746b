/* Fuzzes framing: however the input is cut into reads, the same documents are found, and none lies outside of its batch or
 * overlaps another. The first byte of the input is the length of a read. */
#include "parser/framing.h"

#include <stdlib.h>

#define MAX_DOCUMENT 512   /* small, so that streaming and skipping happen */

struct memory {
    struct slice text;
    size_t       at, read_bytes;
};

/* What was found, as text to be compared. */
struct found {
    char  *data;
    size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static ptrdiff_t read_memory(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct memory *m = context;
    (void)err;
    size_t len = m->text.len - m->at;
    if (len > capacity) len = capacity;
    if (m->read_bytes > 0 && len > m->read_bytes) len = m->read_bytes;
    memcpy(buffer, m->text.data + m->at, len);
    m->at += len;
    return (ptrdiff_t)len;
}

static void add(struct found *f, const struct batch *b)
{
    uint32_t at = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct document *d = &b->documents[i];
        CHECK(d->len == 0 || (d->start >= at && d->start + d->len <= b->used));
        if (d->len > 0) at = d->start + d->len;
        f->data = realloc(f->data, f->len + d->len + 128);
        CHECK(f->data != NULL);
        f->len += (size_t)snprintf(f->data + f->len, 128, "\n%d %d %d %d %llu %llu ", (int)d->form, (int)d->refusal, d->element,
                                   d->opens, (unsigned long long)d->offset, (unsigned long long)d->line);
        memcpy(f->data + f->len, b->data + d->start, d->len);
        f->len += d->len;
    }
}

static struct found frame(struct slice text, size_t read_bytes, bool keep_container)
{
    struct memory memory = {text, 0, read_bytes};
    struct found f = {0};
    struct error err = {0};
    struct batch batch;
    struct framer *framer = framer_new(&(struct framer_options){.max_document = MAX_DOCUMENT, .keep_container = keep_container});
    CHECK(framer != NULL && batch_init(&batch, 4 * MAX_DOCUMENT + PARSER_PADDING));
    framer_reset(framer, (struct byte_source){read_memory, &memory});
    for (enum fill fill = FILL_SOME; fill == FILL_SOME;) {
        batch_clear(&batch);
        fill = framer_fill(framer, &batch, &err);
        CHECK(fill != FILL_FAILED);
        add(&f, &batch);
    }
    CHECK(framer_offset(framer) == text.len);
    framer_free(framer);
    batch_release(&batch);
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1) return 0;
    struct slice text = slice_of((const char *)data + 1, len - 1);
    bool keep = data[0] & 1;
    struct found whole = frame(text, 0, keep), cut = frame(text, 1 + data[0] / 2, keep);
    CHECK(slice_equal(slice_of(whole.data, whole.len), slice_of(cut.data, cut.len)));
    free(whole.data);
    free(cut.data);
    return 0;
}
