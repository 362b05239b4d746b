/* Fills the struct of a source or sink from its mapping in the configuration file, by its table of settings (base/setting.h).
 *
 * References in texts: `${NAME}` is an environment variable, `${file:PATH}` the content of a file without its last line
 * break, `$$` a dollar sign. What a reference stands for is never shown in an error.
 * Thread: the one that reads the configuration. */
#ifndef LETHE_COLLECTOR_SETTINGS_H
#define LETHE_COLLECTOR_SETTINGS_H

#include "base/setting.h"
#include "redaction/yaml.h"

#include <stdio.h>

/* Memory of texts and lists made while reading; wiped and freed together. */
struct text_pool {
    struct pooled {
        void  *memory;
        size_t bytes;
    } *items;
    size_t count, capacity;
};

void text_pool_release(struct text_pool *);

/* The mistakes of a file that do not depend on one another, in the order in which they were met. Begin with {0}. */
#define MISTAKES_MOST 20
struct mistakes {
    struct error each[MISTAKES_MOST + 1];   /* the last is for those that are only counted */
    size_t       count;                     /* of those before it that are set */
    uint64_t     left_out;
};

/* Where the next one is to be set, if there is one. It is only told apart from the next by the next call. */
struct error *mistake(struct mistakes *);

/* So many are in `each`, in order. */
size_t mistakes_count(struct mistakes *);

/* The settings of `table`, of a mapping that may also have the keys in `others` (ended by NULL; read elsewhere). A mapping
 * of NULL gives the defaults. False: there are mistakes; all that is without one is set. */
MUST_USE bool settings_read(const struct yaml_node *mapping, const struct setting *table, const char *const *others, void *into,
                            struct text_pool *, struct mistakes *);

/* The settings of two tables, of a mapping that may also have the key `other`. */
MUST_USE bool settings_read_two(const struct yaml_node *mapping, const struct setting *first, void *first_into,
                                const struct setting *second, void *second_into, const char *other, struct text_pool *,
                                struct mistakes *);

/* The text of a scalar with its references resolved. */
MUST_USE bool settings_text(const struct yaml_node *, const char **text, struct text_pool *, struct error *);

/* Whether two structs are set alike. */
bool settings_equal(const struct setting *table, const void *a, const void *b);

/* What is set, a line for each, for `lethe check`; secrets as "(given)". */
void settings_describe(const struct setting *table, const void *from, FILE *);

#endif
