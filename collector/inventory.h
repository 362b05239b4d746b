/* The leak inventory: which secrets were in the logs, without the secrets. A secret is known by its keyed fingerprint, so
 * that who owns it learns which one to replace, where it came from, and how often it was met. Beside it counts of all
 * redactions by kind of record, by field and over time.
 *
 * (1) Nothing of a value is kept. Paths hold only names that redaction found clean; times are kept as numbers.
 * (2) Every worker fills one of its own; merged they are the same for any number of workers and any division of the
 *     input into batches.
 * (3) Memory is bounded: INVENTORY_LEAKS entries and as many fields, beyond which findings are only counted.
 * (4) An echo, a secret's value met again in the same record, counts for the entry of that secret and makes none itself:
 *     echoes of run names are no leaks. */
#ifndef LETHE_COLLECTOR_INVENTORY_H
#define LETHE_COLLECTOR_INVENTORY_H

#include "redaction/redaction.h"
#include "shortlist.h"
#include "timeline.h"

#define INVENTORY_LEAKS 10000
#define INVENTORY_FIELDS 10000
#define LEAK_PATHS 5            /* told by name */
#define LEAK_PATHS_COUNTED 32   /* more are "more than" */
#define LEAK_FINGERPRINT 16
#define NO_TIME INT64_MIN

/* Where and when something was met. The first three members are the order of the input. */
struct sighting {
    uint64_t sequence;        /* of the batch */
    size_t   record, place;   /* in the batch, in the record */
    size_t   input;
    uint64_t line;
    int64_t  ms;              /* the record's own time, or NO_TIME */
};

struct leak_path {
    char           *text;    /* array indices left out: "records[].properties.key" */
    struct sighting first;
};

struct leak {
    struct shortlisted item;
    char               key[LEAK_FINGERPRINT + sizeof(uint32_t)];   /* fingerprint and rule */
    uint32_t           rule;
    uint32_t           kinds;                /* of record: bits by enum kind */
    uint64_t           found, echoes;
    uint64_t           records;
    uint64_t           last_record;          /* private: number of the record that counted last */
    struct sighting    first, last;          /* by time; by the order of the input as far as records have none */
    char              *first_path;           /* with array indices */
    struct leak_path   paths[LEAK_PATHS];    /* those met first, in that order */
    size_t             path_count;
    uint64_t           path_ranks[LEAK_PATHS_COUNTED];
    size_t             paths_counted;        /* distinct; LEAK_PATHS_COUNTED: that many or more */
};

struct field_count {
    struct shortlisted item;
    uint64_t           count;
    char               path[];   /* as in struct leak_path */
};

struct inventory {
    const struct plan *plan;
    struct shortlist   leaks;          /* of struct leak */
    struct shortlist   fields;         /* of struct field_count */
    size_t             secrets;        /* distinct fingerprints among leaks; known when finished */
    uint64_t           further_leaks;  /* findings whose entry found no room */
    uint64_t           further_fields; /* redactions whose field found no room */
    uint64_t          *by_kind;        /* [kind * plan_rule_count() + rule] */
    struct timeline    timeline;       /* by plan_class(), and behind them echoes, whose class is that of what they echo */
    uint64_t           records;        /* private: numbers them */
    struct rule_use { size_t class_; bool leak, echo; } *rules;   /* of plan_rule(); class_ as in the timeline */
};

/* Of a column of the timeline: "secret", "echo". */
const char *inventory_class(const struct inventory *, size_t class_);

/* NULL: memory is out. */
MUST_USE struct inventory *inventory_new(const struct plan *);
void inventory_free(struct inventory *);

/* Needs clean_record.details. `input`: number of the input the batch came from. */
void inventory_add(struct inventory *, const struct clean_batch *, size_t input);

void inventory_merge(struct inventory *total, const struct inventory *part);

/* Drops what is too much and puts the most frequent first. Nothing can be added or merged into it from then on. */
void inventory_finish(struct inventory *);

const struct leak        *inventory_leak(const struct inventory *, size_t number);
const struct field_count *inventory_field(const struct inventory *, size_t number);

#endif
