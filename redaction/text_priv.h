/* What the readers of free text share: text.c reads what a name and a sign announce, text_hints.c what less than
 * that does, text_variables.c lists of environment variables. */
#ifndef LETHE_REDACTION_TEXT_PRIV_H
#define LETHE_REDACTION_TEXT_PRIV_H

#include "redaction/engine.h"

#define MAX_NAME_BYTES 80
#define MAX_VARIABLE_BYTES 256
#define MAX_CREDENTIAL_BYTES 8192   /* what looks_like_credential() takes */

/* How far a value reaches. */
enum extent {
    EXTENT_TOKEN,         /* to white space, a comma, a bracket, a quote, & or ; */
    EXTENT_CONNECTION,    /* as a token, but over ; and , */
    EXTENT_LINE,          /* to the end of the line, as headers do */
    EXTENT_CREDENTIAL,    /* as long as credentials are made of such bytes */
};

static inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

static inline bool is_line_end(char c) { return c == '\n' || c == '\r' || c == '\0'; }

/* Whether a quote stands before the value at `from`. */
static inline bool is_quoted(struct slice text, uint32_t from)
{
    return from > 0 && (ascii_is_quote(text.data[from - 1]) || text.data[from - 1] == '`');
}

/* Replaces text[from, to) of the reading. Returns whether it was replaced. */
bool text_remove(struct redactor *r, struct reading *t, uint32_t from, uint32_t to, struct finding f);

/* The end of a text that began with `quote`: the next such byte that no backslash escapes, or the end of the line. */
uint32_t text_quoted_end(struct slice text, uint32_t at, char quote);

/* The end of a credential that is removed: what looked like padding at `to` and goes on was none. */
uint32_t text_rest_of_credential(struct slice text, uint32_t to);

/* The end of a value without quotes, as far as EXTENT_CREDENTIAL. */
uint32_t text_credential_end(struct reading *t, uint32_t at);

/* Where the value after a sign begins: over the rest of the sign (`:=`, `==`, `=>`), blanks, a line end before a quote, and
 * what languages write before a quote (`u"`, `["`, `\"`). */
uint32_t text_value_start(struct slice text, uint32_t at);

/* The value that begins at or shortly after `at`. False: there is none. */
bool text_find_value(struct slice text, uint32_t at, enum extent extent, uint32_t *from, uint32_t *to);

/* The name whose last byte is at or before `at` (exclusive), over closing quotes and blanks. */
struct slice text_name_before(struct slice text, uint32_t at);

/* Whether text[from, to) is a secret if it stands under this name. */
bool text_is_secret(struct slice text, struct slice name, enum sensitivity s, uint32_t from, uint32_t to);

/* Removes the value that begins at or shortly after `at`, if it is a secret under this name. */
void text_read_value_as(struct redactor *r, struct reading *t, struct slice name, enum sensitivity s, uint32_t at);

void text_read_value(struct redactor *r, struct reading *t, struct slice name, uint32_t at);

/* As name_sensitivity(), under the policy, remembered. */
enum sensitivity text_sensitivity(struct redactor *r, struct slice name);

/* Whether the word before the name (`cache key`, `lock-token`) says that it is no credential's. */
bool text_is_plain_key(struct slice text, uint32_t name);

/* How far the value under this name reaches. */
enum extent text_extent(struct redactor *r, struct slice name);

/* --- text_variables.c; text_read_variables() is in engine.h ------------------------------------------------------------- */

void text_read_export(struct redactor *r, struct reading *t, uint32_t end);

/* Whether `end` lies in a variable's value that stays. */
bool text_lies_in_kept(const struct reading *t, uint32_t end);

/* --- text_hints.c: each reads one match that ends at `end` --------------------------------------------------------------- */

void text_read_statement(struct redactor *r, struct reading *t, uint32_t end);
void text_read_typed(struct redactor *r, struct reading *t, uint32_t end);
void text_read_pair(struct redactor *r, struct reading *t, uint32_t end);
void text_read_argument(struct redactor *r, struct reading *t, uint32_t end);
void text_read_constructor(struct redactor *r, struct reading *t, uint32_t end);
void text_read_basic(struct redactor *r, struct reading *t, uint32_t end);
void text_read_beside(struct redactor *r, struct reading *t, uint32_t end);
void text_read_service(struct redactor *r, struct reading *t, uint32_t end);
void text_read_person(struct redactor *r, struct reading *t, uint32_t end);

#endif
