#include "sinks/kafka_topics.h"

#include <stdio.h>
#include <stdlib.h>

#define OTHER "other"
#define NONE "none"

static bool legal(char c) { return ascii_is_alnum(c) || c == '.' || c == '_' || c == '-'; }

/* The next piece of the template: a placeholder with its braces, or one character. */
static struct slice piece(const char *at)
{
    static const char *const placeholders[] = {"{kind}", "{category}"};
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (strncmp(at, placeholders[i], strlen(placeholders[i])) == 0) return slice_from(placeholders[i]);
    return slice_of(at, 1);
}

bool kafka_topics_check(const char *pattern, const char *sink, struct error *err)
{
    size_t longest = 0;
    for (const char *at = pattern; *at != '\0';) {
        struct slice p = piece(at);
        if (p.len == 1 && !legal(*at))
            return error_set(err, ERROR_USAGE, "'%s': topic has letters, digits, '.', '_', '-', {kind} and {category}", sink);
        longest += p.len == 1 ? 1 : KAFKA_LABEL_ROOM - 1;
        at += p.len;
    }
    if (longest == 0 || longest >= KAFKA_TOPIC_ROOM) return error_set(err, ERROR_USAGE, "'%s': topic is empty or too long", sink);
    bool dots = strcmp(pattern, ".") == 0 || strcmp(pattern, "..") == 0;
    return !dots || error_set(err, ERROR_USAGE, "'%s': topic cannot be a dot", sink);
}

bool kafka_topics_init(struct kafka_topics *t, const char *pattern, size_t most)
{
    *t = (struct kafka_topics){.pattern = pattern, .by_kind = strstr(pattern, "{kind}") != NULL,
                               .by_category = strstr(pattern, "{category}") != NULL};
    t->most = most + KIND_COUNT;   /* there is always room for "other" */
    t->items = calloc(t->most, sizeof *t->items);
    return t->items != NULL;
}

void kafka_topics_release(struct kafka_topics *t)
{
    free(t->items);
    *t = (struct kafka_topics){0};
}

static void name_topic(struct kafka_topics *t, struct kafka_topic *topic)
{
    size_t len = 0;
    for (const char *at = t->pattern; *at != '\0';) {
        struct slice p = piece(at);
        struct slice put = p.len == 1 ? p : slice_from(p.data[1] == 'k' ? kind_text(topic->kind) : topic->category);
        CHECK(len + put.len < sizeof topic->name);
        memcpy(topic->name + len, put.data, put.len);
        len += put.len;
        at += p.len;
    }
}

static size_t look_up(const struct kafka_topics *t, enum kind kind, const char *category)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i].kind == kind && strcmp(t->items[i].category, category) == 0) return i;
    return SIZE_MAX;
}

static size_t add(struct kafka_topics *t, enum kind kind, const char *category)
{
    CHECK(t->count < t->most);
    struct kafka_topic *topic = &t->items[t->count];
    topic->kind = kind;
    snprintf(topic->category, sizeof topic->category, "%s", category);
    name_topic(t, topic);
    return t->count++;
}

static void normalise(struct slice category, char out[KAFKA_LABEL_ROOM])
{
    size_t len = category.len < KAFKA_LABEL_ROOM - 1 ? category.len : KAFKA_LABEL_ROOM - 1;
    for (size_t i = 0; i < len; i++) out[i] = legal(category.data[i]) ? ascii_lower(category.data[i]) : '-';
    out[len] = '\0';
    if (len == 0) strcpy(out, NONE);
}

/* Most records have the topic of the one before; comparing is cheaper than normalising. */
static bool is_near(const struct kafka_topics *t, enum kind kind, struct slice category)
{
    if (t->count == 0 || (t->by_kind && t->items[t->near].kind != kind)) return false;
    const char *name = t->items[t->near].category;
    if (!t->by_category) return true;
    if (category.len == 0 || category.len >= KAFKA_LABEL_ROOM - 1 || strlen(name) != category.len) return false;
    for (size_t i = 0; i < category.len; i++)
        if (ascii_lower(category.data[i]) != name[i]) return false;
    return true;
}

size_t kafka_topics_find(struct kafka_topics *t, enum kind kind, struct slice category)
{
    char text[KAFKA_LABEL_ROOM] = "";
    if (is_near(t, kind, category)) return t->near;
    if (t->by_category) normalise(category, text);
    if (!t->by_kind) kind = 0;
    size_t index = look_up(t, kind, text);
    if (index == SIZE_MAX && t->by_category && t->count >= t->most - KIND_COUNT) {
        t->refused++;
        strcpy(text, OTHER);
        index = look_up(t, kind, text);
    }
    if (index == SIZE_MAX) index = add(t, kind, text);
    t->near = index;
    return index;
}
