/* What the files of the format appinsights share: the item being written, and writing into it within the limits. */
#ifndef LETHE_SINKS_APPINSIGHTS_PRIV_H
#define LETHE_SINKS_APPINSIGHTS_PRIV_H

#include "sinks/json_out.h"
#include "sinks/names_once.h"

#define ITEM_MAX ((size_t)64000)   /* of the 65536 that the service takes: a sink may still add properties */
#define ITEM_END ((size_t)600)     /* kept free for "_truncated" and the closing brackets */
#define KEY_MAX 150
#define KEY_CUT 132                /* leaves room for suffixes */
#define VALUE_MAX 8192
#define MESSAGE_MAX 32768
#define TEXT_MAX 1024
#define NUMBER_MAX 64              /* digits and all */
#define OWN_DEPTH 8                /* objects and arrays inside a field of an envelope */

enum item { ITEM_REQUEST, ITEM_MESSAGE, ITEM_EXCEPTION, ITEM_EVENT, ITEM_METRIC, ITEM_DEPENDENCY, ITEM_AVAILABILITY, ITEM_PAGE,
            ITEM_COUNT };

/* Scopes of names: each is written once. */
enum { SCOPE_TAGS, SCOPE_FIELDS, SCOPE_PROPERTIES, SCOPE_MEASUREMENTS, SCOPE_COUNT };

struct appinsights {
    const char        *ikey;
    struct mapping     lists[ITEM_COUNT];
    struct path_walk   walk;
    struct names_once *names;
    struct grown       text;        /* a value, decoded */
    struct grown       key;         /* a name, decoded */
    struct reading    *reading;
    struct encoded    *out;
    size_t             start;       /* of the item in out */
    enum item          item;
    uint32_t           base, properties, measurements, tags;   /* nodes of an envelope's, or 0 */
    uint32_t           scopes;
    size_t             lost_bytes, lost_values;
    bool               failed;
};

/* --- appinsights_item.c ---------------------------------------------------------------------------------------------------- */

void   item_put(struct appinsights *, struct slice bytes);
void   item_put_comma(struct appinsights *);              /* before a member or element, if it is not the first */
size_t item_room(const struct appinsights *);             /* bytes that the item may still grow by */
void   item_lose(struct appinsights *, size_t bytes);     /* a value did not fit */

/* A string with quotes, of at most `max` bytes of text. Returns how many of them there was place for. */
size_t item_put_limited(struct appinsights *, struct slice text, size_t max);

/* A node that is a number. False, and 0 is written, if it is none or longer than any that is meant as one. */
bool item_put_number(struct appinsights *, uint32_t node);

/* Begins a member unless there is one of that name. */
bool item_put_name(struct appinsights *, uint32_t scope, struct slice name);

/* A node as text, valid until `to` is used again. */
struct slice item_text(struct appinsights *, struct grown *to, uint32_t node);

/* The length that the protocol allows for a tag or field. */
size_t item_limit(struct slice name);
size_t item_field_limit(const struct appinsights *, struct slice name);

/* Everything that is not given yet. */
void item_put_properties(struct appinsights *);

/* --- appinsights_own.c: what came as an envelope ---------------------------------------------------------------------------- */

uint32_t item_member(const struct appinsights *, uint32_t object, const char *name);          /* node of its value, or 0 */
uint32_t item_object_member(const struct appinsights *, uint32_t object, const char *name);   /* only if it is an object */
void     item_put_own_fields(struct appinsights *);   /* those of its data that are not there yet */
void     item_put_own_tags(struct appinsights *);
void     item_put_measurements(struct appinsights *);

#endif
