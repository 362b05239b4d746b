/* Fuzzes framing, redaction and encoding together. The first byte of the input chooses the profile and what is done with the
 * rest: it is read as it is, or it becomes a text, a key or a document next to a planted value.
 *
 * A fault is: a crash, an output line that is not JSON, a planted value that is left, counts that do not add up. */
#include "redacting.h"

#include <stdlib.h>

#define CANARY "Tr0ub4dorZq9xK"

static struct redacting targets[3];   /* standard, hbi, standard with containers kept */
static struct parser    parser;
static struct arena     arena;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    redacting_open(&targets[0], "standard", false);
    redacting_open(&targets[1], "hbi", false);
    redacting_open(&targets[2], "standard", true);
    CHECK(parser_init(&parser, 4 << 20, 2 * PARSER_DEFAULT_DEPTH));
    arena_init(&arena, 1 << 16, (size_t)1 << 28);
    return 0;
}

static bool is_json(struct slice text)
{
    struct tape tape;
    size_t at;
    char *padded = calloc(1, text.len + PARSER_PADDING);
    CHECK(padded != NULL);
    memcpy(padded, text.data, text.len);
    arena_clear(&arena);
    bool valid = parser_parse(&parser, slice_of(padded, text.len), &arena, &tape, &at) == PARSE_OK;
    free(padded);
    return valid;
}

static void check_lines(struct slice out)
{
    while (out.len > 0) {
        const char *end = memchr(out.data, '\n', out.len);
        CHECK(end != NULL);
        size_t len = (size_t)(end - out.data);
        CHECK(is_json(slice_of(out.data, len)));
        out = slice_sub(out, len + 1, out.len);
    }
}

/* The input as the program would be given it; the caller frees it. */
static struct slice dress(unsigned way, struct slice raw)
{
    char *inside = malloc(6 * raw.len + 1), *text = NULL;
    CHECK(inside != NULL);
    size_t len = string_encode(raw, inside);
    inside[len] = '\0';
    int written = -1;
    switch (way) {
    case 1: written = asprintf(&text, "{\"m\":\"%s\",\"password\":\"" CANARY "\",\"n\":[\"" CANARY "\"]}\n", inside); break;
    case 2: written = asprintf(&text, "{\"%s\":1,\"a\":{\"password\":\"" CANARY "\"},\"x " CANARY "\":0}\n", inside); break;
    case 3: written = asprintf(&text, "{\"password\":\"" CANARY "\",\"m\":%.*s}\n{\"m\":\"password=" CANARY "\"}\n", (int)raw.len, raw.data); break;
    default: text = malloc(raw.len + 1); CHECK(text != NULL); memcpy(text, raw.data, raw.len); written = (int)raw.len; break;
    }
    CHECK(written >= 0);
    free(inside);
    return slice_of(text, (size_t)written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2) return 0;
    struct redacting *t = &targets[data[0] % 3];
    unsigned way = data[0] / 3 % 4;
    t->read_bytes = data[0] >= 128 ? 1 + data[1] : 0;
    struct slice raw = slice_of((const char *)data + 1, len - 1);
    if (way == 3 && memmem(raw.data, raw.len, "\n", 1) != NULL) return 0;   /* would end the record before the value is seen */
    struct slice input = dress(way, raw);
    const char *out = redacting_text(t, input);
    if (!t->keep_container) check_lines(slice_of(out, t->out.len));
    if (way == 1 || way == 2) CHECK(memmem(out, t->out.len, CANARY, strlen(CANARY)) == NULL);
    const struct tally *tally = redactor_tally(t->redactor);
    CHECK(tally->records == tally->clean + tally->redacted + tally_withheld(tally));
    free((char *)input.data);
    return 0;
}
