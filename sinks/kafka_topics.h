/* Topics by template: "clean-{kind}", "logs.{category}". What a record has for {kind} and {category} is put into the name in
 * lower case, with "-" for what a topic's name cannot have and "none" for nothing.
 *
 * (1) The number of different topics is bounded, since categories come from the data: beyond it, {category} is "other".
 * (2) The table gives each a number that stays.
 * Thread: one owner. */
#ifndef LETHE_SINKS_KAFKA_TOPICS_H
#define LETHE_SINKS_KAFKA_TOPICS_H

#include "base/error.h"
#include "base/slice.h"
#include "parser/kinds.h"

#include <stdint.h>

#define KAFKA_TOPIC_ROOM 250      /* longest name, 249, and NUL */
#define KAFKA_LABEL_ROOM 101      /* of a category in a name, and NUL */
#define KAFKA_TOPICS_MOST 1000

struct kafka_topic {
    char      name[KAFKA_TOPIC_ROOM];
    enum kind kind;
    char      category[KAFKA_LABEL_ROOM];   /* as in the name */
};

struct kafka_topics {
    const char         *pattern;
    bool                by_kind, by_category;
    struct kafka_topic *items;
    size_t              count, most;
    size_t              near;               /* found last */
    uint64_t            refused;            /* records whose category became "other" since the table was full */
};

/* Whether every name that the template can give is one of a topic. ERROR_USAGE. */
MUST_USE bool kafka_topics_check(const char *pattern, const char *sink, struct error *);

/* The template is borrowed; `most` counts those for {category} "other", of which there is one for each kind. */
MUST_USE bool kafka_topics_init(struct kafka_topics *, const char *pattern, size_t most);
void kafka_topics_release(struct kafka_topics *);

/* The number of the topic, in items[]. */
size_t kafka_topics_find(struct kafka_topics *, enum kind, struct slice category);

#endif
