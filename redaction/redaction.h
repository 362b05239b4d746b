/* Records to clean records: the only door between raw bytes and anything that leaves.
 *
 * A policy (what is sensitive and what becomes of it), the rule catalogue and the pseudonym keys are compiled once into
 * a `struct plan`, const from then on and shared by all threads. Each worker thread has a `struct redactor` of its own
 * and turns batches into clean batches with it.
 *
 * (1) A clean batch can only be made by redact_batch(). Encoders and sinks take nothing else.
 * (2) Every record of a batch ends once: as a clean record or as a withheld one.
 * (3) What cannot be examined in full is withheld.
 * (4) A clean record is its original text plus spans; bytes outside spans are untouched. */
#ifndef LETHE_REDACTION_REDACTION_H
#define LETHE_REDACTION_REDACTION_H

#include "base/batch.h"
#include "base/error.h"
#include "parser/document.h"
#include "parser/kinds.h"

#define REDACTION_MAX_RECORD (1024 * 1024)   /* default of --max-record: bytes */

/* --- Pseudonym keys --------------------------------------------------------------------------------------------------- */

struct keyring;

/* Reads a key file: JSON as lethe keygen writes it, mode 0600 or stricter (else refused). */
MUST_USE struct keyring *keyring_load(const char *path, struct error *);
/* A fresh random key that lives as long as the process. */
MUST_USE struct keyring *keyring_ephemeral(struct error *);
void keyring_free(struct keyring *);
/* Writes a new key file, mode 0600; refuses to overwrite one. */
MUST_USE bool keyring_generate(const char *path, struct error *);
/* Adds a new key to a key file and makes it the one that writes; the others stay, so that what they wrote is known again.
 * The file is replaced in one step, under its own mode, and left as it is if another process changes it meanwhile. */
MUST_USE bool keyring_add(const char *path, struct error *);
const char *keyring_id(const struct keyring *);   /* of the key that writes: "K7QM", part of each pseudonym */

/* A keyed hash of anything, equal wherever the oldest key of the ring is the same, so that adding keys changes nothing: for
 * recognising again what must not be told. `domain` sets different uses apart. Thread: any. */
#define KEYRING_TAG_BYTES 32
void keyring_tag(const struct keyring *, const char *domain, struct slice, uint8_t tag[KEYRING_TAG_BYTES]);

/* --- Plan ------------------------------------------------------------------------------------------------------------- */

struct plan;

/* False and an error: it is neither a built-in policy nor the name of a file. Whether the file is a policy is seen by
 * plan_new(). */
MUST_USE bool policy_exists(const char *name_or_path, struct error *);

/* `policy`: "standard", "hbi" or the path of a policy file. The keyring is borrowed and must outlive the plan. */
MUST_USE struct plan *plan_new(const char *policy, const struct keyring *, struct error *);
void plan_free(struct plan *);

/* Whether every rule that takes part finds its own examples and nothing else; for `lethe check`. */
MUST_USE bool plan_check_examples(const struct plan *, struct error *);

/* What the plan would do, as text for `lethe check`. */
void plan_describe(const struct plan *, FILE *);

/* Rules in the order of the catalogue, for listings and for naming counters. Besides the catalogue there are rules of
 * the engine itself, such as `name` (a sensitive field name), `environment`, `run-id` and `echo`. */
struct rule_info {
    const char *id, *title, *action;     /* "azure-storage-key", "Azure Storage account key", "mask" */
    bool        enabled;
    struct slice example;                /* one that matches; empty for engine rules. Invented, safe to print */
    const char  *class_;                 /* "secret" */
    bool         high_confidence;        /* the shape alone proves it */
    const char  *reference;              /* public description of the format, or NULL */
};
size_t           plan_rule_count(const struct plan *);
struct rule_info plan_rule(const struct plan *, size_t number);

/* What becomes of each class of data under the policy. */
struct class_info {
    const char *name, *action;           /* "environment", "mask-values" */
};
size_t            plan_class_count(void);
struct class_info plan_class(const struct plan *, size_t number);

/* --- Several plans --------------------------------------------------------------------------------------------------------
 *
 * A set of plans, of which each record gets one: by the source that it comes from and by the resource that it speaks of.
 *
 * A record is of a scope if the name of its source fits `source` and one of its resources fits `resource`. Of the plans of all
 * scopes that it is of, the strictest counts: the one that removes all that the others remove (how, by mask or pseudonym, does
 * not matter). Where there is none, or where a resource cannot be read, it is the strictest of the whole set: one of its plans
 * if one covers all others, else a plan made for it, of every class the strictest action. A record of no scope gets the plan
 * that the set was made with.
 *
 * Resources are the members of the record itself that name one (resourceId, _ResourceId, resourceUri, registryResourceId; each of
 * them where there are several) and the resource of its kind. */
struct plan_set;

#define PLAN_SET_MAX_PLANS 16
#define PLAN_SET_MAX_SCOPES 64

/* Patterns without case: `*` is anything, `?` one byte. NULL and "*" fit all, also records without a resource; any other pattern
 * of a resource wants one. */
struct plan_scope {
    const char *source, *resource;
};

/* Plans are borrowed and must outlive the set; all have the same keyring. Build it, close it, then it is const and shared. */
MUST_USE struct plan_set *plan_set_new(const struct plan *otherwise, struct error *);
MUST_USE bool plan_set_add(struct plan_set *, struct plan_scope, const struct plan *, struct error *);
MUST_USE bool plan_set_close(struct plan_set *, struct error *);
void plan_set_free(struct plan_set *);
const struct plan *plan_set_strictest(const struct plan_set *);

/* --- Clean batches ---------------------------------------------------------------------------------------------------- */

/* text[start..end) is to be written as `replacement`. Sorted, apart from one another. */
struct span {
    uint32_t     start, end;
    struct slice replacement;
};

enum piece {
    PIECE_RECORD,     /* one record */
    PIECE_MEMBER,     /* keep_container: a member beside the records of a streamed container */
    PIECE_GLUE,       /* keep_container: what stands around them */
};

/* What stands behind a span, for reports: only with redactor_options.details. */
struct detail {
    uint32_t     rule;               /* plan_rule() number */
    struct slice path;               /* "properties.requestbody!.env.DB_PASSWORD": `!` enters JSON inside a string, `~` names an
                                        encoding; a key that is itself redacted or not known to be clean is "?" */
    struct slice becomes;            /* the replacement as it is written */
    char         fingerprint[16];    /* keyed; of the value removed */
};

/* One piece of output. With keep_container a document that was not streamed is one PIECE_RECORD, container and all. */
struct clean_record {
    enum piece          piece;
    const struct tape  *tape;          /* NULL for glue */
    uint32_t            node;          /* of the record in the tape */
    struct slice        text;          /* raw bytes of that node (or document, or glue) */
    const struct span  *spans;         /* offsets count from text.data */
    size_t              span_count;
    const struct detail *details;      /* span_count of them, or NULL */
    struct kind_facts   kind;
    bool                element;       /* as in struct document */
    bool                opens;
    uint64_t            offset, line;  /* in the input */
    uint32_t            origin;        /* as in struct document */
    uint32_t            index;         /* among the records of its origin in this batch, withheld ones too, from 0 */
    const char         *policy;        /* name of the one it was redacted by */
};

struct raw_piece;

struct withheld_record {
    enum refusal refusal;
    uint64_t     offset, line;     /* of the record's first byte in the input */
    uint64_t     fault_at;         /* of the fault, as near as is known */
    uint32_t     origin, index;    /* as in struct clean_record */
    const struct raw_piece *raw;   /* its bytes, readable by redaction/ only: see seal.h. NULL: they are missing. Valid as long as
                                      the clean batch: whoever keeps the rest longer sets it to NULL */
};

struct clean_batch {
    const struct clean_record    *records;
    size_t                        count;
    const struct withheld_record *withheld;
    size_t                        withheld_count;
    uint64_t                      sequence;
    bool                          starved;    /* some are withheld that might not be if the system had had memory: see below */
    struct key_cache             *keys;       /* that resolved the keys of all tapes, for kind_field() */
};

/* --- Work ------------------------------------------------------------------------------------------------------------- */

struct redactor_options {
    bool     keep_container;
    size_t   max_record;    /* bytes */
    unsigned max_depth;     /* default PARSER_DEFAULT_DEPTH */
    bool     details;       /* fill clean_record.details: slower */
};

struct redactor;

MUST_USE struct redactor *redactor_new(const struct plan *, const struct redactor_options *, struct error *);

/* For a set of plans that is closed. Not with keep_container, unless there is one plan only. Costs the memory of a redactor for
 * each plan, less the parser. */
MUST_USE struct redactor *redactor_new_for_set(const struct plan_set *, const struct redactor_options *, struct error *);

/* Names the source of the batches that follow; until then it is "". Matters for sets with scopes by source. */
void redactor_set_source(struct redactor *, struct slice name);
void redactor_free(struct redactor *);

/* The clean batch and all it points to belong to the redactor and to the batch: valid until the next call with this
 * redactor, and as long as the batch is not cleared. NULL: there was no memory even to list its records, of which there are more
 * than a thousand then; nothing is done and nothing counted, and the same batch may be given again. So may a batch that starved,
 * by whoever can wait for memory: what it withheld, it withheld for a limit or for what the system could not give. */
MUST_USE const struct clean_batch *redact_batch(struct redactor *, const struct batch *);

/* --- Counting --------------------------------------------------------------------------------------------------------- */

/* What a redactor has done so far. Add up those of all threads with tally_add(). */
struct tally {
    uint64_t  records;                    /* read: clean + redacted + withheld */
    uint64_t  clean, redacted;
    uint64_t  withheld[REFUSAL_COUNT];
    uint64_t  kinds[KIND_COUNT];
    uint64_t  repaired[REPAIR_COUNT];
    uint64_t *redactions;                 /* by rule number; plan_rule_count() of them */
    size_t    rule_count;
};

const struct tally *redactor_tally(const struct redactor *);
MUST_USE bool tally_init(struct tally *, const struct plan *);
void tally_release(struct tally *);
void tally_add(struct tally *total, const struct tally *part);
uint64_t tally_withheld(const struct tally *);     /* all reasons */
uint64_t tally_redactions(const struct tally *);   /* all rules */

#endif
