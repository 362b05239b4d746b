#include "redaction/seal_priv.h"

#include "parser/index.h"
#include "redaction/engine.h"

#include <openssl/err.h>
#include <stdlib.h>

#define MAX_FACTS 512       /* bytes of a line besides the name of its source and what is sealed */
#define ESCAPED_PIECE 64    /* bytes of a name encoded at a time */

struct sealer {
    struct seal_key key;
    struct hpke    *hpke;
    bool            sending;                /* there is a key: */
    uint8_t         enc[HPKE_KEY_BYTES];
    uint8_t        *scratch;                /* what becomes base64 */
    size_t          scratch_capacity;
};

/* --- Room ------------------------------------------------------------------------------------------------------------- */

void sealed_lines_release(struct sealed_lines *lines)
{
    free(lines->data);
    *lines = (struct sealed_lines){0};
}

static bool reserve(struct sealed_lines *lines, size_t bytes)
{
    if (bytes <= lines->capacity - lines->len) return true;
    size_t wanted = lines->len + bytes + lines->capacity / 2;
    char *grown = realloc(lines->data, wanted);
    if (grown == NULL) return false;
    lines->data = grown;
    lines->capacity = wanted;
    return true;
}

static bool reserve_scratch(struct sealer *s, size_t bytes)
{
    if (bytes <= s->scratch_capacity) return true;
    free(s->scratch);
    s->scratch = malloc(bytes);
    s->scratch_capacity = s->scratch != NULL ? bytes : 0;
    return s->scratch != NULL;
}

/* --- A line ----------------------------------------------------------------------------------------------------------- */

/* Facts of one record, with the bytes to be sealed; none: they are missing. */
struct facts {
    const struct seal_facts *given;
    enum refusal             refusal;
    uint64_t                 offset, line, fault_at;
    struct slice             raw;
};

static void put(struct sealed_lines *lines, struct slice text)
{
    CHECK(text.len <= lines->capacity - lines->len);
    if (text.len > 0) memcpy(lines->data + lines->len, text.data, text.len);
    lines->len += text.len;
}

/* As the inside of a JSON string; each byte that is no UTF-8 becomes U+FFFD. Takes up to 6 bytes for each of the text. */
static void put_escaped(struct sealed_lines *lines, struct slice text)
{
    for (size_t at = 0, fault; at < text.len; at = fault + 1) {
        fault = at + utf8_fault(slice_sub(text, at, text.len));
        for (size_t end; at < fault; at = end) {
            char escaped[6 * ESCAPED_PIECE];
            end = fault - at > ESCAPED_PIECE ? at + ESCAPED_PIECE : fault;
            put(lines, slice_of(escaped, string_encode(slice_sub(text, at, end), escaped)));
        }
        if (fault < text.len) put(lines, SLICE("\xef\xbf\xbd"));
    }
}

static void put_facts(struct sealed_lines *lines, const struct seal_key *key, const struct facts *f)
{
    char text[MAX_FACTS], time[32] = "1970-01-01T00:00:00";
    struct tm utc;
    if (gmtime_r(&f->given->time.tv_sec, &utc) != NULL) strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    int len = snprintf(text, sizeof text,
                       "{\"lethe_sealed\":" SEAL_VERSION ",\"key\":\"%s\",\"time\":\"%s.%03ldZ\",\"source\":\"", key->id,
                       time, f->given->time.tv_nsec / 1000000);
    put(lines, slice_of(text, (size_t)len));
    put_escaped(lines, f->given->source);
    len = snprintf(text, sizeof text, "\",\"line\":%llu,\"offset\":%llu,\"fault_at\":%llu,\"reason\":\"%s\"",
                   (unsigned long long)f->line, (unsigned long long)f->offset, (unsigned long long)f->fault_at,
                   refusal_text(f->refusal));
    put(lines, slice_of(text, (size_t)len));
}

static size_t base64_length(size_t bytes) { return (bytes + 2) / 3 * 4; }

/* Seals the bytes with the line so far. */
static bool put_sealed(struct sealer *s, struct sealed_lines *lines, size_t start, struct slice raw)
{
    char sequence[32];
    size_t len = raw.len + SEAL_OVERHEAD;
    if (!reserve_scratch(s, len)) return false;
    s->sending = s->sending || hpke_send(s->hpke, s->enc);
    if (!s->sending) return false;
    put(lines, slice_of(sequence, (size_t)snprintf(sequence, sizeof sequence, ",\"sequence\":%llu",
                                                   (unsigned long long)hpke_sequence(s->hpke))));
    memcpy(s->scratch, s->enc, HPKE_KEY_BYTES);
    if (!hpke_seal(s->hpke, slice_of(lines->data + start, lines->len - start), raw, s->scratch + HPKE_KEY_BYTES)) return false;
    put(lines, SLICE(",\"sealed\":\""));
    lines->len += (size_t)EVP_EncodeBlock((uint8_t *)lines->data + lines->len, s->scratch, (int)len);
    put(lines, SLICE("\""));
    return true;
}

static bool put_line(struct sealer *s, const struct facts *f, struct sealed_lines *lines)
{
    size_t start = lines->len;
    if (!reserve(lines, 2 * MAX_FACTS + 6 * f->given->source.len + base64_length(f->raw.len + SEAL_OVERHEAD))) return false;
    put_facts(lines, &s->key, f);
    if (f->raw.len > 0 && !put_sealed(s, lines, start, f->raw)) return false;
    put(lines, SLICE("}\n"));
    return true;
}

/* Forgets the key; when not all was sealed, takes back what was added behind `start`. */
static bool finish(struct sealer *s, bool done, struct sealed_lines *lines, size_t start)
{
    hpke_forget(s->hpke);
    s->sending = false;
    if (!done) lines->len = start;
    return done;
}

bool withheld_seal(struct sealer *s, const struct clean_batch *batch, const struct seal_facts *given, struct sealed_lines *lines)
{
    size_t start = lines->len;
    bool done = true;
    for (size_t i = 0; i < batch->withheld_count && done; i++) {
        const struct withheld_record *w = &batch->withheld[i];
        struct facts f = {given, w->refusal, w->offset, w->line, w->fault_at > w->offset ? w->fault_at : w->offset,
                          w->raw != NULL ? w->raw->bytes : (struct slice){0}};
        done = put_line(s, &f, lines);
    }
    return finish(s, done, lines, start);
}

bool clean_record_seal(struct sealer *s, const struct clean_record *r, enum refusal refusal, const struct seal_facts *given,
                       struct sealed_lines *lines)
{
    struct facts f = {given, refusal, r->offset, r->line, r->offset, r->text};
    size_t start = lines->len;
    return finish(s, put_line(s, &f, lines), lines, start);
}

bool clean_text_seal(struct sealer *s, struct slice text, uint64_t number, enum refusal refusal, const struct seal_facts *given,
                     struct sealed_lines *lines)
{
    struct facts f = {.given = given, .refusal = refusal, .line = number, .raw = text};
    size_t start = lines->len;
    return finish(s, put_line(s, &f, lines), lines, start);
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

/* Whether anything can be sealed to the key: better known before there is something to seal. */
static bool works(struct sealer *s)
{
    bool sent = hpke_send(s->hpke, s->enc);
    hpke_forget(s->hpke);
    return sent;
}

struct sealer *sealer_new(const struct seal_key *key, struct error *err)
{
    struct sealer *s = calloc(1, sizeof *s);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, key->bytes, sizeof key->bytes);
    if (s != NULL && pkey != NULL) {
        s->key = *key;
        s->hpke = hpke_new(pkey, SEAL_INFO);
    }
    EVP_PKEY_free(pkey);
    if (s != NULL && s->hpke != NULL && works(s)) return s;
    if (s != NULL && s->hpke != NULL) error_set(err, ERROR_USAGE, "nothing can be sealed to key %s; make another", key->id);
    else error_set(err, ERROR_MEMORY, "no memory for sealing");
    ERR_clear_error();
    sealer_free(s);
    return NULL;
}

void sealer_free(struct sealer *s)
{
    if (s == NULL) return;
    hpke_free(s->hpke);
    free(s->scratch);
    free(s);
}
