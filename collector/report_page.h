/* Writing the report's page. Markup is written by put() and put_format(), whose arguments are literals of ours and
 * numbers; all that comes from outside (names of files, fields, rules, policies) goes through put_text(), which escapes it.
 * After the first failed write the rest is passed over. */
#ifndef LETHE_COLLECTOR_REPORT_PAGE_H
#define LETHE_COLLECTOR_REPORT_PAGE_H

#include "sinks/output.h"
#include "timeline.h"

struct page {
    struct output *output;
    struct error  *err;
    bool           failed;
};

extern const char report_css[];   /* report.css */

void put(struct page *, const char *markup);
void put_format(struct page *, const char *format, ...) __attribute__((format(printf, 2, 3)));   /* as text_format() */
void put_text(struct page *, struct slice text);
void put_path(struct page *, struct slice path);   /* text whose lines may break at its separators */
void put_number(struct page *, uint64_t);   /* 1,234,567 */

/* <time>: to the second, or as far as there are no zeros. */
void put_time(struct page *, int64_t ms);

/* --- Charts (report_chart.c) ------------------------------------------------------------------------------------------ */

/* Classes are drawn in five groups, each with a colour and a name of its own. */
enum series { SERIES_SECRETS, SERIES_ENVIRONMENT, SERIES_RUNS, SERIES_OTHERS, SERIES_ECHOES, SERIES_COUNT };

enum series series_of(const char *class_);
void        put_legend(struct page *);

/* A bar as long as its count is of `most`, divided by series. */
void put_bar(struct page *, const uint64_t counts[SERIES_COUNT], uint64_t most);

/* The same in one colour that stands for no series. */
void put_plain_bar(struct page *, uint64_t count, uint64_t most);

/* Columns over time, and the same as a table. `series`: of each class. */
void put_columns(struct page *, const struct timeline *, const enum series *series);

#endif
