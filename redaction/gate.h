/* The second gate: final bytes, as they are about to leave, are scanned once more with the rules whose shape alone proves
 * a secret. Nothing should ever be found. If something is, redaction missed it (or an encoder made it), the line is cut out
 * and the operator is alarmed.
 *
 * It knows nothing of JSON, views or places: what it has in common with redaction is the catalogue only.
 * Thread: a gate belongs to one thread. */
#ifndef LETHE_REDACTION_GATE_H
#define LETHE_REDACTION_GATE_H

#include "redaction/redaction.h"

struct gate;
struct rules;

/* The rules that take part under the policy of the plan, to be freed with rules_free(). */
MUST_USE struct rules *gate_rules(const struct plan *, struct error *);

MUST_USE struct gate *gate_new(const struct plan *, struct error *);

/* For the lines of several policies: what one of them lets pass is looked for where another does not. The set is closed, and
 * borrowed. */
MUST_USE struct gate *gate_new_for_set(const struct plan_set *, struct error *);
void gate_free(struct gate *);

/* Called with the number of each line that holds a finding, counted from 0, and the number of the rule in the plan. */
typedef void gate_found(void *context, size_t line, uint32_t rule);

/* The name of the policy by which a line was made. One that the set does not have, or has twice, counts as its strictest. */
typedef struct slice gate_policy_of(void *context, size_t line);

/* Looks at each line by its own policy: what that one allows is no secret, and the rules that it leaves out are not asked.
 * False of both: memory ran out; nothing may leave then. */
MUST_USE bool gate_find(struct gate *, struct slice lines, gate_policy_of *, gate_found *, void *context);

/* Looks at all lines by the policy of the plan, and cuts those with a finding out of data[0..*len). */
MUST_USE bool gate_filter(struct gate *, char *data, size_t *len, gate_found *cut, void *context);

#endif
