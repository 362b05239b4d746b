/* One clean record as the formats of receivers see it: its fields, decoded, and what follows from them.
 *
 * (1) Everything comes from the clean text: a value that was replaced is its replacement, one that is gone is not there.
 * (2) A value is `whole` if it says all that its field says; otherwise the field belongs into the rest, too.
 * (3) Texts are UTF-8 and live until the next record; a warm reading takes no memory.
 * Thread: one owner. */
#ifndef LETHE_SINKS_READING_H
#define LETHE_SINKS_READING_H

#include "base/arena.h"
#include "sinks/clean_node.h"
#include "sinks/facts.h"
#include "sinks/mapping.h"
#include "sinks/path_walk.h"

enum cell_type {
    CELL_NONE,
    CELL_NODE,     /* a node of the record */
    CELL_TEXT,
    CELL_NUMBER,
    CELL_JSON,     /* a literal of ours */
};

struct cell {
    enum cell_type type;
    bool           whole;
    uint32_t       node;
    int64_t        number;
    struct slice   text;
};

enum outcome { OUTCOME_UNKNOWN, OUTCOME_SUCCESS, OUTCOME_FAILURE };
enum verb { VERB_NONE, VERB_READ, VERB_WRITE, VERB_DELETE, VERB_ACTION };   /* of operations of Azure's resource manager */

struct reading {
    const struct clean_record *record;
    struct key_cache          *keys;
    enum kind                  kind;
    bool                       is_object;              /* else the record is one value: if it is a string, it is the message */
    bool                       lone_given;             /* that value has found its place */
    bool                       is_run;                 /* tells the state of a run or job */
    bool                       is_envelope;            /* of Application Insights, as it is sent */
    uint32_t                   nodes[FIELD_ALL];       /* 0: the record has no such field */
    struct slice               texts[FIELD_ALL];       /* of those that were asked for; data NULL: not yet */
    struct cell                cells[VALUE_COUNT];
    int64_t                    time_ms;
    enum severity              severity;
    enum outcome               outcome;
    enum verb                  verb;
    struct given               given;                  /* what has found its place */
    struct arena               arena;
    bool                       failed;                 /* no memory */
};

void reading_init(struct reading *);
void reading_release(struct reading *);

/* Reads a record. `now_ms` is the time of records that have none. Check `failed` when the record is done. */
void reading_take(struct reading *, const struct clean_record *, struct key_cache *, int64_t now_ms);

/* A field as text; empty where there is none. */
struct slice reading_text(struct reading *, enum field);

/* Memory until the next record. NULL and `failed`: none. */
char *reading_room(struct reading *, size_t bytes);

void reading_set_text(struct reading *, int value, struct slice, bool whole);   /* empty text: nothing is set */
void reading_set_number(struct reading *, int value, int64_t number, bool whole);
void reading_set_json(struct reading *, int value, const char *literal);

static inline bool reading_has(const struct reading *r, int value) { return r->cells[value].type != CELL_NONE; }

/* The value has its place: its field does not belong into the rest any more, if it is whole. */
void reading_give(struct reading *, int value);

/* The category, or what stands for it; the words of Azure ML resource logs. */
bool reading_category_is(struct reading *, const char *name);

#endif
