/* What stands in free text where a secret would stand, and is none.
 *
 * `password = getpass()`, `token: access_token`, `secret=${VAULT}`, `pwd: string` and `password="password"` name a value
 * without giving it. In the keys of JSON such a value is a value like any other and goes; in text, where code, configuration
 * and prose are logged, it stays. Only what is made of known words, of the name of another credential or of the marks of an
 * expression counts; any other word may be a password. */
#ifndef LETHE_REDACTION_VALUES_H
#define LETHE_REDACTION_VALUES_H

#include "base/slice.h"

/* `value` as it was read after `name`; `after`: the byte behind it, 0 at the end of the text. */
bool refers_to_value(struct slice name, struct slice value, bool quoted, char after);

/* Whether a text is made of nothing but words that stand in for secrets in examples: "my_secret", "testPassword". */
bool is_known_words(struct slice text);

/* Whether a text is the name of a credential, spelt as constants are: "ACME_REPO_TOKEN". */
bool names_credential(struct slice text);

#endif
