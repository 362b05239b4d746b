/* Opens sealed lines. A line is read by the strict parser, and everything in it is where seal.c writes it: what was written
 * by others is refused rather than guessed at. */
#include "redaction/seal_priv.h"

#include "parser/parser.h"
#include "redaction/key_file.h"

#include <stdlib.h>

#define MAX_LINE ((size_t)1 << 30)   /* bytes: the most that a parser takes */
#define LEAST_LINE 4096
#define DEPTH 2
#define NODES_BLOCK 4096

struct unsealer {
    struct seal_key key;
    struct hpke    *hpke;
    struct arena    arena;
    struct parser   parser;
    size_t          parsed_bytes;   /* longest line that the parser has room for */
    uint8_t        *packed, *raw;   /* what the base64 was, and what it becomes */
    size_t          capacity;       /* of each */
};

const char *unsealing_text(enum unsealing u)
{
    static const char *const texts[] = {
        [UNSEALED] = "opened", [UNSEALED_FACTS] = "the record was not kept", [UNSEAL_NOT_SEALED] = "not a sealed record",
        [UNSEAL_VERSION] = "sealed by another version of lethe", [UNSEAL_OTHER_KEY] = "sealed to another key",
        [UNSEAL_DAMAGED] = "damaged: the record cannot be opened", [UNSEAL_MEMORY] = "no memory for it",
    };
    return texts[u];
}

/* --- Reading a line --------------------------------------------------------------------------------------------------- */

enum member { MEMBER_VERSION, MEMBER_KEY, MEMBER_TIME, MEMBER_SOURCE, MEMBER_LINE, MEMBER_OFFSET, MEMBER_FAULT_AT, MEMBER_REASON,
              MEMBER_SEQUENCE, MEMBER_SEALED, MEMBER_COUNT };

static const struct {
    const char    *name;
    enum node_type type;
} members[MEMBER_COUNT] = {
    [MEMBER_VERSION] = {"lethe_sealed", NODE_NUMBER}, [MEMBER_KEY] = {"key", NODE_STRING}, [MEMBER_TIME] = {"time", NODE_STRING},
    [MEMBER_SOURCE] = {"source", NODE_STRING}, [MEMBER_LINE] = {"line", NODE_NUMBER}, [MEMBER_OFFSET] = {"offset", NODE_NUMBER},
    [MEMBER_FAULT_AT] = {"fault_at", NODE_NUMBER}, [MEMBER_REASON] = {"reason", NODE_STRING},
    [MEMBER_SEQUENCE] = {"sequence", NODE_NUMBER}, [MEMBER_SEALED] = {"sealed", NODE_STRING},
};

static struct slice text_of(const struct tape *t, uint32_t node)
{
    return slice_sub(t->text, t->nodes[node].start, t->nodes[node].end);
}

/* Makes the parser large enough for a line. */
static bool prepare(struct unsealer *u, size_t bytes)
{
    arena_clear(&u->arena);
    if (bytes < LEAST_LINE) bytes = LEAST_LINE;
    if (bytes <= u->parsed_bytes) return true;
    if (u->parsed_bytes > 0) parser_release(&u->parser);
    u->parsed_bytes = 0;
    size_t room = bytes + bytes / 2 < MAX_LINE ? bytes + bytes / 2 : MAX_LINE;
    if (!parser_init(&u->parser, room, DEPTH)) return false;
    u->parsed_bytes = room;
    return true;
}

/* The members of the line, as nodes of their values; their number in *count. False: it is no object of ours. */
static bool read_members(const struct tape *t, uint32_t values[MEMBER_COUNT], size_t *count)
{
    if (t->nodes[0].type != NODE_OBJECT) return false;
    *count = 0;
    for (uint32_t key = 1; key < t->count; key = t->nodes[key].next, ++*count) {
        if (*count == MEMBER_COUNT || !slice_equal(text_of(t, key), slice_from(members[*count].name))) return false;
        if (t->nodes[key + 1].type != members[*count].type) return false;
        values[*count] = key + 1;
    }
    return *count == MEMBER_COUNT || *count == MEMBER_SEQUENCE;
}

/* --- Opening it ------------------------------------------------------------------------------------------------------- */

static bool reserve(struct unsealer *u, size_t bytes)
{
    if (bytes <= u->capacity) return true;
    free(u->packed);
    free(u->raw);
    u->packed = malloc(bytes);
    u->raw = malloc(bytes);
    u->capacity = u->packed != NULL && u->raw != NULL ? bytes : 0;
    return u->capacity > 0;
}

/* Base64 as RFC 4648 writes it, and in no second way: it is decoded and encoded again. *len is the number of bytes. */
static bool decode(struct unsealer *u, struct slice text, size_t *len)
{
    size_t padding = 0;
    if (text.len == 0 || text.len % 4 != 0) return false;
    while (padding < 2 && text.data[text.len - 1 - padding] == '=') padding++;
    *len = text.len / 4 * 3 - padding;
    if (EVP_DecodeBlock(u->packed, (const uint8_t *)text.data, (int)text.len) != (int)(text.len / 4 * 3)) return false;
    uint8_t piece[65];
    for (size_t at = 0; at < *len; at += 48) {
        size_t some = *len - at < 48 ? *len - at : 48;
        int written = EVP_EncodeBlock(piece, u->packed + at, (int)some);
        if (memcmp(piece, text.data + at / 3 * 4, (size_t)written) != 0) return false;
    }
    return true;
}

/* A whole number as it is written here: no sign, no exponent. */
static bool number_of(struct slice text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.data[i]) || *number > (UINT64_MAX - 9) / 10) return false;
        *number = 10 * *number + (uint64_t)(text.data[i] - '0');
    }
    return true;
}

static enum unsealing open_sealed(struct unsealer *u, const struct tape *t, const uint32_t values[MEMBER_COUNT],
                                  struct unsealed *out)
{
    struct slice sealed = text_of(t, values[MEMBER_SEALED]);
    uint64_t sequence;
    size_t len, before = t->nodes[values[MEMBER_SEALED] - 1].start - SLICE(",\"").len;
    if (!reserve(u, sealed.len + 4)) return UNSEAL_MEMORY;
    if (!decode(u, sealed, &len) || len < SEAL_OVERHEAD || !number_of(text_of(t, values[MEMBER_SEQUENCE]), &sequence))
        return UNSEAL_DAMAGED;
    struct slice message = slice_of((char *)u->packed + HPKE_KEY_BYTES, len - HPKE_KEY_BYTES);
    if (!hpke_receive(u->hpke, u->packed) || !hpke_open(u->hpke, sequence, slice_sub(t->text, 0, before), message, u->raw))
        return UNSEAL_DAMAGED;
    out->raw = slice_of((char *)u->raw, len - SEAL_OVERHEAD);
    return UNSEALED;
}

static bool begins_as_ours(struct slice line)
{
    const struct slice beginning = SLICE("{\"lethe_sealed\":");
    return line.len >= beginning.len && memcmp(line.data, beginning.data, beginning.len) == 0;
}

enum unsealing unseal_line(struct unsealer *u, struct slice line, struct unsealed *out)
{
    struct tape t;
    uint32_t values[MEMBER_COUNT];
    size_t count, at;
    *out = (struct unsealed){0};
    if (line.len > MAX_LINE || !prepare(u, line.len)) return UNSEAL_MEMORY;
    enum parse_status status = parser_parse(&u->parser, line, &u->arena, &t, &at);
    if (status == PARSE_MEMORY) return UNSEAL_MEMORY;
    if (status != PARSE_OK || !read_members(&t, values, &count)) return begins_as_ours(line) ? UNSEAL_DAMAGED : UNSEAL_NOT_SEALED;
    if (!slice_equal(text_of(&t, values[MEMBER_VERSION]), SLICE(SEAL_VERSION))) return UNSEAL_VERSION;
    out->key = text_of(&t, values[MEMBER_KEY]);
    uint32_t reason = values[MEMBER_REASON];
    out->facts = slice_sub(line, t.nodes[values[MEMBER_TIME] - 1].start - 1, t.nodes[reason].end + 1);
    if (count == MEMBER_SEQUENCE) return UNSEALED_FACTS;
    if (!slice_equal(out->key, slice_from(u->key.id))) return UNSEAL_OTHER_KEY;
    return open_sealed(u, &t, values, out);
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

struct unsealer *unsealer_new(const char *path, struct error *err)
{
    size_t len;
    struct unsealer *u = calloc(1, sizeof *u);
    char *text = malloc(KEY_FILE_MAX + 1);
    EVP_PKEY *pkey = NULL;
    if (u != NULL) arena_init(&u->arena, NODES_BLOCK, MAX_LINE);
    if (u == NULL || text == NULL) error_set(err, ERROR_MEMORY, "no memory to read key file '%s'", path);
    else if (key_file_read(path, text, &len, err)) pkey = seal_key_parse(path, text, len, true, err);
    if (pkey != NULL && seal_key_of(pkey, &u->key)) u->hpke = hpke_new(pkey, SEAL_INFO);
    if (pkey != NULL && u->hpke == NULL) error_set(err, ERROR_MEMORY, "no memory for key file '%s'", path);
    EVP_PKEY_free(pkey);
    if (text != NULL) OPENSSL_cleanse(text, KEY_FILE_MAX + 1);
    free(text);
    if (u != NULL && u->hpke != NULL) return u;
    unsealer_free(u);
    return NULL;
}

void unsealer_free(struct unsealer *u)
{
    if (u == NULL) return;
    if (u->parsed_bytes > 0) parser_release(&u->parser);
    arena_release(&u->arena);
    hpke_free(u->hpke);
    free(u->packed);
    free(u->raw);
    free(u);
}

const char *unsealer_id(const struct unsealer *u) { return u->key.id; }
