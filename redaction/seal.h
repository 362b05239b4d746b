/* Withheld records, sealed: what could not be examined is kept for whoever has the private key, and for nobody on this host.
 *
 * One line for each record, JSON, its members in this order:
 *
 *   {"lethe_sealed":1,"key":"5f0c62b1a9d3e874","time":"2026-01-31T12:00:00.000Z","source":"a.jsonl","line":2,"offset":14,
 *    "fault_at":27,"reason":"truncated","sequence":0,"sealed":"<base64>"}
 *
 *   key       id of the public key: the first 16 hexadecimal digits of SHA-256 over its 32 bytes
 *   offset, fault_at   bytes of the (unpacked) source before the record, and before its fault
 *   sequence, sealed   the number of the message, and base64 of enc, ciphertext and tag as in hpke.h, with info "lethe sealed
 *             record 1". Missing when the bytes of the record are: too long ones are not kept
 *
 * (1) Raw bytes come in through the opaque `raw` of a withheld record or with a clean record, and go out sealed. So does text
 *     that was thought to be clean.
 * (2) What stands before ,"sealed" is authenticated: it is the associated data, byte by byte. So a line is opened as it was
 *     written or not at all.
 * (3) Everybody can seal, who has the public key: a line that opens is not thereby one of lethe's.
 *
 * Thread: a sealer has one owner. */
#ifndef LETHE_REDACTION_SEAL_H
#define LETHE_REDACTION_SEAL_H

#include "redaction/redaction.h"

#include <time.h>

#define SEAL_ID_LENGTH 16

/* --- Keys: PEM files, as openssl(1) reads and writes them --------------------------------------------------------------- */

struct seal_key {
    char    id[SEAL_ID_LENGTH + 1];
    uint8_t bytes[32];
};

/* Makes two files that must not be there yet: `path` with the private key, mode 0600, and `path`.pub with the public one. */
MUST_USE bool seal_key_generate(const char *path, struct error *);

/* Reads a public key. Others must not be able to change the file: who does reads what is sealed from then on. */
MUST_USE bool seal_key_load(const char *path, struct seal_key *, struct error *);

/* --- Sealing ------------------------------------------------------------------------------------------------------------- */

struct sealer;

/* NULL: no memory, or nothing can be sealed to this key. */
MUST_USE struct sealer *sealer_new(const struct seal_key *, struct error *);
void sealer_free(struct sealer *);

struct seal_facts {
    struct slice    source;   /* name of the input, any bytes */
    struct timespec time;     /* when it was withheld */
};

/* Lines, one after another. Begin with {0}. */
struct sealed_lines {
    char  *data;
    size_t len, capacity;
};

void sealed_lines_release(struct sealed_lines *);

/* Adds a line for each withheld record of the batch. They share a key, which is forgotten before this returns. False: no memory;
 * nothing was added. */
MUST_USE bool withheld_seal(struct sealer *, const struct clean_batch *, const struct seal_facts *, struct sealed_lines *);

/* The same for one record that was clean at first and is withheld after all. */
MUST_USE bool clean_record_seal(struct sealer *, const struct clean_record *, enum refusal, const struct seal_facts *,
                                struct sealed_lines *);

/* The same for the text of one that is clean and of which nothing else is left. It has no place in an input but a number, from
 * 1. */
MUST_USE bool clean_text_seal(struct sealer *, struct slice text, uint64_t number, enum refusal, const struct seal_facts *,
                              struct sealed_lines *);

/* --- Opening ------------------------------------------------------------------------------------------------------------- */

struct unsealer;

/* Reads a private key: a file as closed as a key file of pseudonyms. */
MUST_USE struct unsealer *unsealer_new(const char *path, struct error *);
void unsealer_free(struct unsealer *);
const char *unsealer_id(const struct unsealer *);

enum unsealing {
    UNSEALED,
    UNSEALED_FACTS,       /* a record whose bytes are missing: there are only facts. They are not authenticated */
    UNSEAL_NOT_SEALED,    /* no sealed line */
    UNSEAL_VERSION,       /* of another version */
    UNSEAL_OTHER_KEY,     /* sealed to another key: `key` says which */
    UNSEAL_DAMAGED,       /* cannot be opened */
    UNSEAL_MEMORY,
};

struct unsealed {
    struct slice key;     /* where the result says so */
    struct slice facts;   /* members of an object, in the line: "time":...,"reason":"..." */
    struct slice raw;     /* valid until the next call */
};

const char *unsealing_text(enum unsealing);   /* why a line was not opened */

/* `line` without its line feed; PARSER_PADDING readable bytes follow. */
enum unsealing unseal_line(struct unsealer *, struct slice line, struct unsealed *);

#endif
