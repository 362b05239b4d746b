#include "timeline.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE INT64_C(60)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Law (2): each divides the next. The last gives a century room. */
static const int64_t widths[] = {MINUTE,   5 * MINUTE, 15 * MINUTE, HOUR,     2 * HOUR,  4 * HOUR,
                                 12 * HOUR, DAY,        7 * DAY,     28 * DAY, 56 * DAY, 112 * DAY, 224 * DAY};

bool timeline_init(struct timeline *t, size_t classes)
{
    *t = (struct timeline){.classes = classes, .width_s = widths[0],
                           .counts = calloc(TIMELINE_BUCKETS * classes, sizeof *t->counts),
                           .undated = calloc(classes, sizeof *t->undated)};
    return t->counts != NULL && t->undated != NULL;
}

void timeline_release(struct timeline *t)
{
    free(t->counts);
    free(t->undated);
    *t = (struct timeline){0};
}

static int64_t divide_down(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t least_width(int64_t least, int64_t from_s, int64_t to_s)
{
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (widths[i] >= least && divide_down(to_s, widths[i]) - divide_down(from_s, widths[i]) < TIMELINE_BUCKETS)
            return widths[i];
    CHECK(!"times lie within a century");
    return 0;
}

/* Moves every bucket to where it belongs when the first one is number `first` of that width. */
static void rearrange(struct timeline *t, int64_t width_s, int64_t first)
{
    uint64_t *old = t->counts, *counts = calloc(TIMELINE_BUCKETS * t->classes, sizeof *counts);
    CHECK(counts != NULL);
    for (size_t bucket = 0; bucket < t->count; bucket++) {
        size_t to = (size_t)(divide_down((t->first + (int64_t)bucket) * t->width_s, width_s) - first);
        for (size_t i = 0; i < t->classes; i++) counts[to * t->classes + i] += old[bucket * t->classes + i];
    }
    if (t->count > 0) t->count = (size_t)(divide_down((t->first + (int64_t)t->count - 1) * t->width_s, width_s) - first) + 1;
    t->width_s = width_s;
    t->first = first;
    t->counts = counts;
    free(old);
}

/* Makes a stretch from one second to another, both included, part of the timeline. */
static void include(struct timeline *t, int64_t least, int64_t from_s, int64_t to_s)
{
    if (t->count > 0) {
        int64_t begin_s = t->first * t->width_s, last_s = (t->first + (int64_t)t->count - 1) * t->width_s;
        if (begin_s < from_s) from_s = begin_s;
        if (last_s > to_s) to_s = last_s;
    }
    int64_t width_s = least_width(least > t->width_s ? least : t->width_s, from_s, to_s), first = divide_down(from_s, width_s);
    if (width_s != t->width_s || first != t->first) rearrange(t, width_s, first);
    t->count = (size_t)(divide_down(to_s, t->width_s) - t->first) + 1;
}

static bool includes(const struct timeline *t, int64_t second)
{
    int64_t bucket = divide_down(second, t->width_s) - t->first;
    return bucket >= 0 && bucket < (int64_t)t->count;
}

static void add(struct timeline *t, int64_t second, size_t class_, uint64_t count)
{
    t->counts[(size_t)(divide_down(second, t->width_s) - t->first) * t->classes + class_] += count;
}

void timeline_add(struct timeline *t, int64_t ms, size_t class_, uint64_t count)
{
    int64_t second = divide_down(ms, 1000);
    if (!includes(t, second)) include(t, t->width_s, second, second);
    add(t, second, class_, count);
}

void timeline_add_undated(struct timeline *t, size_t class_, uint64_t count) { t->undated[class_] += count; }

void timeline_merge(struct timeline *total, const struct timeline *part)
{
    for (size_t i = 0; i < part->classes; i++) total->undated[i] += part->undated[i];
    if (part->count == 0) return;
    include(total, part->width_s, part->first * part->width_s, (part->first + (int64_t)part->count - 1) * part->width_s);
    for (size_t bucket = 0; bucket < part->count; bucket++)
        for (size_t i = 0; i < part->classes; i++)
            add(total, (part->first + (int64_t)bucket) * part->width_s, i, timeline_count(part, bucket, i));
}

int64_t timeline_begin_ms(const struct timeline *t, size_t bucket) { return (t->first + (int64_t)bucket) * t->width_s * 1000; }

uint64_t timeline_count(const struct timeline *t, size_t bucket, size_t class_)
{
    return t->counts[bucket * t->classes + class_];
}
