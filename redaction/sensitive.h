/* Which names announce a secret: JSON keys, header names, query parameters, variables, names in `name=value` text.
 *
 * A name is compared by its words: `DB_PASSWORD`, `dbPassword`, `db-password` and `db password` are the same. A strong
 * name makes a secret of any value; a weak one (`key`, `token`, `code`) only of a value that looks like a credential,
 * since many harmless things are called so. Names about secrets, such as `passwordLastSet`, `token_type` or
 * `SharedAccessKeyName`, are neither. */
#ifndef LETHE_REDACTION_SENSITIVE_H
#define LETHE_REDACTION_SENSITIVE_H

#include "base/slice.h"

enum sensitivity { NAME_PLAIN, NAME_WEAK, NAME_STRONG };

/* `name` is decoded text of any length; names longer than 128 bytes are judged by their last 128. */
enum sensitivity name_sensitivity(struct slice name);

/* Whether a name announces a person or caller: `userName`, `suser`, `caller`, `objectId`. */
bool name_is_identity(struct slice name);

/* Whether a value under a strong name gives nothing away: empty, or a placeholder such as "<password>" or "********". What
 * merely looks like a marker of lethe's is no placeholder. */
bool says_nothing(struct slice value);

/* Whether a value under a weak name is taken for a credential: long and mixed enough, and not a GUID, a number, a date,
 * a path, a host name, a version or a word. */
bool looks_like_credential(struct slice value);

/* Whether a shorter value is no word either, since letters and digits take turns in it: "7U8C68I1L7". */
bool looks_mixed(struct slice value);

/* Whether a weak name is a token's, of which looks_mixed() is enough. */
bool name_is_token(struct slice name);

#endif
