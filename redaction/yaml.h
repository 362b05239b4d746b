/* YAML documents as trees whose nodes know where they were written, for rules, policies and configuration.
 *
 * libfyaml reads; this layer keeps what a reader of settings needs: nodes in order, typed getters, and one way to
 * complain. An error names `file:line:column`, says what is wrong and shows the source line with a caret under the
 * place, so that whoever wrote the file can mend it at once.
 *
 * (1) One document per file. Anchors, aliases and tags are refused: settings need none, and a dozen nested aliases can
 *     stand for gigabytes. Keys are scalars; a key that stands twice in a mapping is refused. Depth is capped.
 * (2) Nodes and texts live as long as the document. Texts of scalars end in NUL and hold no other NUL.
 * (3) Only true and false are truth values, and only plain (unquoted) scalars are numbers or truth values.
 * Thread: a document is const after it is read. */
#ifndef LETHE_REDACTION_YAML_H
#define LETHE_REDACTION_YAML_H

#include "base/error.h"
#include "base/slice.h"

#define YAML_MAX_BYTES (4u * 1024 * 1024)   /* of one file */
#define YAML_MAX_DEPTH 16

enum yaml_type { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_document;

struct yaml_node {
    enum yaml_type              type;
    bool                        plain;          /* a scalar without quotes and not a block */
    bool                        is_key;
    uint32_t                    line, column;   /* from 1; columns count characters */
    struct slice                text;           /* of a scalar */
    const struct yaml_node     *key;            /* of a value in a mapping; else NULL */
    const struct yaml_node     *first, *next;   /* children; siblings */
    size_t                      count;          /* children */
    const struct yaml_document *document;
};

/* `name` is what errors call the file. Reads a copy of text. */
MUST_USE struct yaml_document *yaml_read(const char *name, struct slice text, struct error *);
MUST_USE struct yaml_document *yaml_open(const char *path, struct error *);
/* As yaml_open(), for a file that may hold secrets: errors show keys and places, never a line or a value. */
MUST_USE struct yaml_document *yaml_open_discreet(const char *path, struct error *);
void yaml_free(struct yaml_document *);

const struct yaml_node *yaml_root(const struct yaml_document *);   /* NULL: the document is empty */
const char *yaml_name(const struct yaml_document *);

/* The value of a key, or NULL. Exact, with case. */
const struct yaml_node *yaml_find(const struct yaml_node *mapping, const char *key);

/* Sets an error at this node. Always returns false. */
bool yaml_fail(const struct yaml_node *, struct error *, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* --- Checked reading: false has set an error at the node ----------------------------------------------------------- */

MUST_USE bool yaml_expect(const struct yaml_node *, enum yaml_type, struct error *);
MUST_USE bool yaml_text(const struct yaml_node *, struct slice *text, struct error *);   /* refuses the empty text */
MUST_USE bool yaml_bool(const struct yaml_node *, bool *value, struct error *);
MUST_USE bool yaml_number(const struct yaml_node *, double min, double max, double *value, struct error *);
MUST_USE bool yaml_integer(const struct yaml_node *, long min, long max, long *value, struct error *);

/* Which of names[] (ended by NULL) the scalar is; an unknown one is answered with the nearest, or with all if they are few.
 * `what`: "class". */
MUST_USE bool yaml_choice(const struct yaml_node *, const char *what, const char *const names[], size_t *index,
                          struct error *);

/* Every key of the mapping is one of names[]. */
MUST_USE bool yaml_keys(const struct yaml_node *mapping, const char *const names[], struct error *);

#endif
