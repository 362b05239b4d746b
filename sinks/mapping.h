/* The table of receivers, mapping.def, made ready: for each schema and each sort of record the places of values, as a tree of
 * objects or as a list.
 *
 * Thread: built at start, const from then on. */
#ifndef LETHE_SINKS_MAPPING_H
#define LETHE_SINKS_MAPPING_H

#include "parser/kinds.h"

/* What a record can have for a receiver: its fields, and what is made from them. */
enum value {
    VALUE_BEFORE_DERIVED = FIELD_ALL - 1,
#define DERIVED(id, field) DERIVED_##id,
#include "sinks/mapping.def"
    VALUE_COUNT
};

/* The field that a value comes from, or FIELD_ALL. */
enum field value_field(int value);

enum schema { SCHEMA_ECS, SCHEMA_OCSF, SCHEMA_CEF, SCHEMA_APPINSIGHTS, SCHEMA_COUNT };

/* Sorts of record, by schema: bits of `when` in mapping.def. */
enum {
    ECS_ACTIVITY = 1 << 0,
    ECS_PLATFORM = 1 << 1,
    ECS_APP = 1 << 2,
    ECS_OTHER = 1 << 3,
    ECS_ALL = (1 << 4) - 1,

    OCSF_API = 1 << 0,
    OCSF_HTTP = 1 << 1,
    OCSF_LIFE = 1 << 2,
    OCSF_ERROR = 1 << 3,
    OCSF_BASE = 1 << 4,
    OCSF_ALL = (1 << 5) - 1,

    CEF_ALL = 1,

    APP_REQUEST = 1 << 0,
    APP_MESSAGE = 1 << 1,
    APP_EXCEPTION = 1 << 2,
    APP_EVENT = 1 << 3,
    APP_METRIC = 1 << 4,
    APP_DEPENDENCY = 1 << 5,
    APP_AVAILABILITY = 1 << 6,
    APP_PAGE = 1 << 7,
    APP_ALL = (1 << 8) - 1,
};

#define NO_BRANCH 0   /* number 0 is the root, which is nobody's child */

/* A value of its own, or an object with members; an array of one such where `array` is set. */
struct branch {
    struct slice name;
    int          value;      /* VALUE_COUNT: an object */
    bool         array;
    bool         copy;       /* the value stays in the rest as well */
    bool         rest;       /* of an object: the rest of the record goes here */
    uint16_t     child;      /* first member */
    uint16_t     next;       /* next member of the same object */
    uint16_t     otherwise;  /* a value to take when this one is not there */
};

#define BRANCHES_MAX 160

struct mapping {
    struct branch branches[BRANCHES_MAX];
    uint16_t      count;
};

/* The tree of a schema of objects for the records whose bit is `when`. */
void mapping_tree(struct mapping *, enum schema, unsigned when);

/* The same as a list: every row is a child of the root, its name is the place as written, without `+`. */
void mapping_list(struct mapping *, enum schema, unsigned when);

#endif
