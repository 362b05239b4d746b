/* Fuzzes the parser: every kernel of this CPU must accept the same texts and give the same tape, and decoding a string and
 * finding the way back must agree. The text is laid at the end of its buffer, so that reads past the padding are seen. */
#include "parser/index.h"
#include "parser/parser.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_strings(const struct tape *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct node *n = &t->nodes[i];
        if (n->type != NODE_STRING && n->type != NODE_KEY) continue;
        struct slice raw = slice_sub(t->text, n->start, n->end);
        char *out = malloc(raw.len + 32);
        CHECK(out != NULL);
        size_t len = string_decode(raw, out);
        CHECK(len <= raw.len && string_raw_offset(raw, len) == raw.len);
        CHECK((n->facts & FACT_ESCAPE) || slice_equal(raw, slice_of(out, len)));
        free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct parser parser;
    struct arena arenas[2];
    struct tape first = {0}, tape;
    enum parse_status expected = PARSE_OK;
    size_t expected_at = 0;
    char *text = malloc(len + PARSER_PADDING);
    CHECK(text != NULL && parser_init(&parser, len + 1, 16));
    memcpy(text, data, len);
    memset(text + len, data != NULL && len > 0 ? data[0] : 0, PARSER_PADDING);
    arena_init(&arenas[0], 1 << 16, 1 << 26);
    arena_init(&arenas[1], 1 << 16, 1 << 26);
    for (size_t k = 0; index_kernels[k] != NULL; k++) {
        if (!index_kernels[k]->supported()) continue;
        parser.kernel = index_kernels[k];
        bool begins = first.nodes == NULL && expected == PARSE_OK;
        size_t at = 0;
        arena_clear(&arenas[1]);
        enum parse_status status = parser_parse(&parser, slice_of(text, len), &arenas[begins ? 0 : 1], &tape, &at);
        if (begins) {
            first = tape;
            expected = status;
            expected_at = at;
            if (status == PARSE_OK) check_strings(&first);
            continue;
        }
        CHECK(status == expected);
        if (status != PARSE_OK) CHECK(at == expected_at);
        else CHECK(tape.count == first.count && memcmp(tape.nodes, first.nodes, tape.count * sizeof *tape.nodes) == 0);
    }
    arena_release(&arenas[0]);
    arena_release(&arenas[1]);
    parser_release(&parser);
    free(text);
    return 0;
}
