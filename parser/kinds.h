/* The kinds of record and what their fields mean.
 *
 * One table, kinds.def, says for every kind how it is recognised and which member holds the time, the operation, the
 * caller and so on. Redaction and all encoders read that table.
 *
 * Recognition looks at the members of the root object, without case, and at a few of their values (category, Type,
 * data.baseType). A record that fits no kind is KIND_UNKNOWN: still a valid record, still redacted.
 *
 * Nodes are named by their number in the tape; 0 is none. Thread: that of the key cache.
 *
 * Sources: Azure Monitor's activity log and resource log schemas, the table reference of Log Analytics, the Application
 * Insights data model and ingestion protocol. */
#ifndef LETHE_PARSER_KINDS_H
#define LETHE_PARSER_KINDS_H

#include "parser/names.h"

/* What a field means, across kinds. The enumerators and their printed names ("time", "operation", ...) come from
 * kinds.def. */
enum field {
#define FIELD(id, text) FIELD_##id,
#include "parser/kinds.def"
    FIELD_COUNT,   /* of those that have a printed name */
    FIELD_BEFORE_EXTRA = FIELD_COUNT - 1,
#define EXTRA(id) FIELD_##id,
#include "parser/kinds.def"
    FIELD_ALL
};

enum kind {
#define KIND(id, text, ...) KIND_##id,
#include "parser/kinds.def"
    KIND_COUNT
};

/* Where a kind has its fields. */
enum shape {
    SHAPE_NOTHING,
    SHAPE_ACTIVITY_LOG,
    SHAPE_ACTIVITY_LOG_REST,
    SHAPE_ACTIVITY_LOG_ROW,
    SHAPE_RESOURCE_LOG,
    SHAPE_APP,   /* Application Insights: envelope, row, or continuous export */
    SHAPE_COUNT
};

enum shape kind_shape(enum kind);

const char *field_text(enum field);   /* "status_code"; below FIELD_COUNT only */
const char *kind_text(enum kind);     /* "activity_log" */

/* What was recognised in one record. */
struct kind_facts {
    enum kind kind;
    uint32_t  category;   /* node of the category / Type / baseType string, or 0 */
};

/* `record` is the number of the node that holds the record (an object; anything else is KIND_UNKNOWN). The keys of the
 * tape must have been resolved. */
struct kind_facts kind_recognise(const struct tape *, uint32_t record, struct key_cache *);

/* The node of the value of `field` in a record of that kind, or 0. Alternatives are tried in the order of the table.
 * Values inside JSON text (a `properties` that is a string) are not reached; null, "", objects and arrays are passed over,
 * but FIELD_ENVIRONMENT may be an object or array. */
uint32_t kind_field(enum kind, const struct tape *, uint32_t record, struct key_cache *, enum field);

/* Whether a member of this name at the root of a record, of whatever kind, holds the id of a resource. */
bool name_is_resource(name_id);

/* The member of an object by known name: node of its value, or 0. The first of duplicates. */
uint32_t tape_member(const struct tape *, uint32_t object, struct key_cache *, name_id);

#endif
