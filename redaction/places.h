/* Field paths of a policy as one automaton over key names.
 *
 * A path is a list of names joined by dots: `identity.claims`, `properties.requestbody`. Names compare without case; a
 * name with a dot stands in single quotes; `*` is any one name, `**` at the end everything below;
 * array indices and the border of JSON inside a string do
 * not count. A path may begin at any object of the record; with a leading `$.` only at the record itself.
 *
 * (1) Built once, then const and shared.
 * (2) One table look-up per key, whatever the number of paths: all paths are followed at once (subset construction). */
#ifndef LETHE_REDACTION_PLACES_H
#define LETHE_REDACTION_PLACES_H

#include "base/error.h"
#include "parser/names.h"
#include "redaction/rules.h"

/* What a policy says of a place. */
struct place {
    enum rule_class  class_;
    enum rule_action action;
    bool             by_policy;   /* a policy gave the action itself, not a class */
    bool             deep;        /* the path ended in `**`: applies to everything below as well */
};

struct places;

MUST_USE struct places *places_new(void);
void places_free(struct places *);

/* Adds a path before places_compile(). On failure err says what is wrong with the path (no file, no line). */
MUST_USE bool places_add(struct places *, struct name_set *, struct slice path, struct place, struct error *);
MUST_USE bool places_compile(struct places *, struct error *);

typedef uint16_t place_state;

#define PLACES_ROOT ((place_state)0)

/* The column of a name in the table; 0 for names of no path. Look it up once per key spelling. */
uint16_t places_column(const struct places *, name_id);

/* The state after a key, from the state of its object. */
place_state places_step(const struct places *, place_state, uint16_t column);

/* What the policy says of the value reached, or NULL. Where several paths meet, the strictest action. */
const struct place *places_find(const struct places *, place_state);

#endif
