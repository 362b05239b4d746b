/* For tests: a text parsed into a tape, with its keys resolved. */
#ifndef LETHE_TESTS_PARSED_H
#define LETHE_TESTS_PARSED_H

#include "parser/names.h"

struct parsed {
    char            *text;     /* with PARSER_PADDING after it */
    struct parser    parser;
    struct arena     arena;
    struct tape      tape;
};

/* Parses a text, which must be valid JSON. Released with parsed_release(). */
static inline void parsed_init(struct parsed *p, struct slice text)
{
    size_t at;
    p->text = calloc(1, text.len + PARSER_PADDING);
    assert_non_null(p->text);
    memcpy(p->text, text.data, text.len);
    assert_true(parser_init(&p->parser, text.len + 1, PARSER_DEFAULT_DEPTH));
    arena_init(&p->arena, 1 << 16, (size_t)1 << 28);
    assert_int_equal(parser_parse(&p->parser, slice_of(p->text, text.len), &p->arena, &p->tape, &at), PARSE_OK);
}

static inline void parsed_release(struct parsed *p)
{
    parser_release(&p->parser);
    arena_release(&p->arena);
    free(p->text);
}

#endif
