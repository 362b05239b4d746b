/* Fuzzes the parser against an independent one: what ours takes, cJSON takes, too, and finds the same values in. It takes more, such as
 * bytes that are not UTF-8. It ends a string at \u0000: texts with one are left out. It refuses halves of surrogate pairs, which RFC
 * 8259 allows (section 8.2), and numbers of LONG_NUMBER digits. */
#include "parser/parser.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define DEPTH       64
#define LONG_NUMBER 63

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const struct tape *t, uint32_t n, const char *theirs)
{
    const struct node *node = &t->nodes[n];
    struct slice       raw = slice_sub(t->text, node->start, node->end);
    char              *ours = malloc(raw.len + 32);
    CHECK(ours != NULL && theirs != NULL);
    CHECK(slice_equal(slice_of(ours, string_decode(raw, ours)), slice_from(theirs)));
    free(ours);
}

static void check_number(const struct tape *t, uint32_t n, const cJSON *theirs)
{
    char         text[64];
    struct slice raw = slice_sub(t->text, t->nodes[n].start, t->nodes[n].end);
    CHECK(cJSON_IsNumber(theirs));
    if (raw.len >= LONG_NUMBER) return;
    memcpy(text, raw.data, raw.len);
    text[raw.len] = '\0';
    double value = strtod(text, NULL);
    CHECK(value == theirs->valuedouble);
}

/* Returns the node behind the value. */
static uint32_t check_value(const struct tape *t, uint32_t n, const cJSON *theirs)
{
    const struct node *node = &t->nodes[n];
    const cJSON       *child = theirs->child;
    uint32_t           at = n + 1;
    switch ((enum node_type)node->type) {
    case NODE_OBJECT:
    case NODE_ARRAY:
        CHECK(node->type == NODE_OBJECT ? cJSON_IsObject(theirs) : cJSON_IsArray(theirs));
        for (; at < node->next; child = child->next) {
            CHECK(child != NULL);
            if (node->type == NODE_OBJECT) check_text(t, at++, child->string);
            at = check_value(t, at, child);
        }
        CHECK(child == NULL);
        break;
    case NODE_STRING:
        CHECK(cJSON_IsString(theirs));
        check_text(t, n, theirs->valuestring);
        break;
    case NODE_NUMBER: check_number(t, n, theirs); break;
    case NODE_TRUE: CHECK(cJSON_IsTrue(theirs)); break;
    case NODE_FALSE: CHECK(cJSON_IsFalse(theirs)); break;
    case NODE_NULL: CHECK(cJSON_IsNull(theirs)); break;
    case NODE_KEY: CHECK(false); break;
    }
    return node->next;
}

static bool may_be_refused(const struct tape *t)
{
    if (memmem(t->text.data, t->text.len, "\\ud", 3) != NULL || memmem(t->text.data, t->text.len, "\\uD", 3) != NULL) return true;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->nodes[i].type == NODE_NUMBER && t->nodes[i].end - t->nodes[i].start >= LONG_NUMBER) return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct parser parser;
    struct arena  arena;
    struct tape   tape;
    size_t        at;
    if (len == 0 || memmem(data, len, "u0000", 5) != NULL || memchr(data, 0, len) != NULL) return 0;
    char *text = calloc(1, len + PARSER_PADDING);
    CHECK(text != NULL && parser_init(&parser, len + 1, DEPTH));
    memcpy(text, data, len);
    arena_init(&arena, 1 << 16, 1 << 26);
    if (parser_parse(&parser, slice_of(text, len), &arena, &tape, &at) == PARSE_OK) {
        cJSON *theirs = cJSON_ParseWithOpts(text, NULL, true);
        CHECK(theirs != NULL || may_be_refused(&tape));
        CHECK(theirs == NULL || check_value(&tape, 0, theirs) == tape.count);
        cJSON_Delete(theirs);
    }
    arena_release(&arena);
    parser_release(&parser);
    free(text);
    return 0;
}
