#include "redacting.h"

#include <stdlib.h>

struct memory {
    struct slice text;
    size_t       at, read_bytes;
};

static ptrdiff_t read_memory(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct memory *m = context;
    (void)err;
    if (m->read_bytes > 0 && capacity > m->read_bytes) capacity = m->read_bytes;
    size_t len = m->text.len - m->at < capacity ? m->text.len - m->at : capacity;
    memcpy(buffer, m->text.data + m->at, len);
    m->at += len;
    return (ptrdiff_t)len;
}

void redacting_open(struct redacting *t, const char *policy, bool keep_container)
{
    struct error err = {0};
    *t = (struct redacting){.keep_container = keep_container};
    t->keyring = keyring_ephemeral(&err);
    t->plan = plan_new(policy, t->keyring, &err);
    if (t->plan == NULL) fprintf(stderr, "%s\n", err.text);
    CHECK(t->plan != NULL);
    redacting_renew(t);
    t->encoder = encoder_new(FORMAT_ORIGINAL, keep_container);
    t->framer = framer_new(&(struct framer_options){.max_document = REDACTION_MAX_RECORD, .keep_container = keep_container});
    CHECK(t->redactor && t->encoder && t->framer && batch_init(&t->batch, REDACTION_MAX_RECORD + 512 * 1024));
}

void redacting_renew(struct redacting *t)
{
    struct error err = {0};
    redactor_free(t->redactor);
    t->redactor = redactor_new(t->plan, &(struct redactor_options){.keep_container = t->keep_container, .max_record = REDACTION_MAX_RECORD,
                                                                   .max_depth = PARSER_DEFAULT_DEPTH}, &err);
    CHECK(t->redactor != NULL);
}

void redacting_close(struct redacting *t)
{
    framer_free(t->framer);
    encoder_free(t->encoder);
    redactor_free(t->redactor);
    plan_free(t->plan);
    keyring_free(t->keyring);
    batch_release(&t->batch);
    encoded_release(&t->out);
}

static void append(struct encoded *to, const char *data, size_t len)
{
    to->data = realloc(to->data, to->len + len + 1);
    CHECK(to->data != NULL);
    if (len > 0) memcpy(to->data + to->len, data, len);
    to->len += len;
    to->data[to->len] = '\0';
}

const char *redacting_text(struct redacting *t, struct slice text)
{
    struct error err = {0};
    struct memory memory = {text, 0, t->read_bytes};
    struct encoded part = {0};
    bool filled = false;
    t->out.len = 0;
    framer_reset(t->framer, (struct byte_source){read_memory, &memory});
    append(&t->out, NULL, 0);
    for (enum fill fill = FILL_SOME; fill == FILL_SOME;) {
        batch_clear(&t->batch);
        fill = framer_fill(t->framer, &t->batch, &err);
        const struct clean_batch *clean = redact_batch(t->redactor, &t->batch);
        if (t->see != NULL) t->see(t->see_context, clean);
        CHECK(fill != FILL_FAILED && encode_batch(t->encoder, clean, &part));
        size_t joint = part.joint < part.len ? part.joint : part.len;
        append(&t->out, part.data, joint);
        if (part.joint != SIZE_MAX && filled) append(&t->out, ",", 1);
        append(&t->out, part.data + joint, part.len - joint);
        if (part.after != CONTAINER_SAME) filled = part.after == CONTAINER_FILLED;
    }
    encoded_release(&part);
    return t->out.data;
}
