/* For tests: clean records made by hand. Where a text has «a|b», the record has a and a span that replaces it by b. */
#ifndef LETHE_TESTS_CLEAN_H
#define LETHE_TESTS_CLEAN_H

#include "parsed.h"
#include "redaction/redaction.h"

#define CLEAN_SPANS 8

/* Writes the text without its marks to `plain` and the spans to `spans`; returns the length. The replacements stay in `text`. */
static inline size_t clean_unmark(const char *text, char *plain, struct span *spans, size_t *span_count)
{
    static const char open[] = "\xc2\xab", close[] = "\xc2\xbb";
    size_t            len = 0, span_at = 0;
    bool              marked = false;
    *span_count = 0;
    for (const char *p = text; *p != '\0';) {
        if (strncmp(p, open, 2) == 0) {
            span_at = len;
            marked = true;
            p += 2;
        } else if (marked && *p == '|') {
            const char *end = strstr(p, close);
            marked = false;
            assert_true(end != NULL && *span_count < CLEAN_SPANS);
            spans[(*span_count)++] = (struct span){(uint32_t)span_at, (uint32_t)len, slice_of(p + 1, (size_t)(end - p - 1))};
            p = end + 2;
        } else {
            plain[len++] = *p++;
        }
    }
    return len;
}

struct clean {
    struct name_set    *names;
    struct key_cache   *keys;
    struct parsed       parsed;
    struct span         spans[CLEAN_SPANS];
    struct clean_record record;
};

/* The marked text must live as long as the record. */
static inline void clean_init(struct clean *c, const char *text)
{
    char  *plain = malloc(strlen(text) + 1);
    size_t count, len = clean_unmark(text, plain, c->spans, &count);
    c->names = name_set_new();
    c->keys = key_cache_new(c->names, NULL, NULL);
    parsed_init(&c->parsed, slice_of(plain, len));
    free(plain);
    assert_true(names_resolve(c->keys, &c->parsed.tape));
    c->record = (struct clean_record){.piece = PIECE_RECORD, .tape = &c->parsed.tape, .text = slice_of(c->parsed.text, len),
                                      .spans = c->spans, .span_count = count};
    c->record.kind = kind_recognise(&c->parsed.tape, 0, c->keys);
}

static inline void clean_release(struct clean *c)
{
    parsed_release(&c->parsed);
    key_cache_free(c->keys);
    name_set_free(c->names);
}

#endif
