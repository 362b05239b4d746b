#include "base/batch.h"

#include <stdlib.h>

#define PADDING 64   /* PARSER_PADDING, which base may not include; framing checks that they agree */

static const char *const texts[] = {
    [REFUSAL_NONE] = "none",
#define REFUSAL(id, text, explanation) [REFUSAL_##id] = text,
#include "base/refusals.def"
};

static const char *const explanations[] = {
    [REFUSAL_NONE] = "",
#define REFUSAL(id, text, explanation) [REFUSAL_##id] = explanation,
#include "base/refusals.def"
};

const char *refusal_text(enum refusal refusal) { return texts[refusal]; }

const char *refusal_explanation(enum refusal refusal) { return explanations[refusal]; }

bool batch_init(struct batch *b, size_t capacity)
{
    *b = (struct batch){.data = calloc(1, capacity + PADDING), .capacity = capacity};
    return b->data != NULL;
}

void batch_release(struct batch *b)
{
    free(b->data);
    free(b->documents);
    *b = (struct batch){0};
}

void batch_clear(struct batch *b) { b->used = b->count = 0; }

struct document *batch_add(struct batch *b)
{
    if (b->count == b->max_count) {
        size_t max_count = b->max_count ? 2 * b->max_count : 256;
        struct document *grown = realloc(b->documents, max_count * sizeof *grown);
        if (grown == NULL) return NULL;
        b->documents = grown;
        b->max_count = max_count;
    }
    b->documents[b->count] = (struct document){0};
    return &b->documents[b->count++];
}
