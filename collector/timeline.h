/* How many redactions fell into which stretch of time, by class: the columns of a chart.
 *
 * (1) There are at most TIMELINE_BUCKETS buckets, all of one width, beginning at multiples of it.
 * (2) The width is the least of a ladder, from a minute on, with which all times seen so far find room. Each step is a
 *     multiple of the one before, so that old buckets flow into new ones whole.
 * (3) Hence two timelines that saw the same redactions are equal, in whatever order and parts they saw them. */
#ifndef LETHE_COLLECTOR_TIMELINE_H
#define LETHE_COLLECTOR_TIMELINE_H

#include "base/error.h"

#include <stdint.h>

#define TIMELINE_BUCKETS 200

struct timeline {
    size_t    classes;
    int64_t   width_s;
    int64_t   first;      /* time of the first bucket's begin, divided by width_s */
    size_t    count;      /* buckets from the first to the last that is not empty; 0: nothing was added */
    uint64_t *counts;     /* [bucket * classes + class] */
    uint64_t *undated;    /* by class: of records without a usable time */
};

MUST_USE bool timeline_init(struct timeline *, size_t classes);
void timeline_release(struct timeline *);

void timeline_add(struct timeline *, int64_t ms, size_t class_, uint64_t count);
void timeline_add_undated(struct timeline *, size_t class_, uint64_t count);
void timeline_merge(struct timeline *total, const struct timeline *part);

int64_t  timeline_begin_ms(const struct timeline *, size_t bucket);
uint64_t timeline_count(const struct timeline *, size_t bucket, size_t class_);

#endif
