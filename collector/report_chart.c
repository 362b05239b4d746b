/* Charts of the report's page: SVG that scales with the page, its text beside it as HTML so that it never shrinks. */
#include "report_page.h"

#include "base/timestamp.h"

#define WIDEST_COLUMN 0.06   /* of the chart, so that a single column does not fill it */
#define FULLEST_COLUMN 0.86  /* of its place: the rest is a gap */

static const char *const series_names[SERIES_COUNT] = {
    [SERIES_SECRETS] = "secrets",
    [SERIES_ENVIRONMENT] = "environment values",
    [SERIES_RUNS] = "run names",
    [SERIES_OTHERS] = "identities and others",
    [SERIES_ECHOES] = "echoes",
};

enum series series_of(const char *class_)
{
    static const struct {
        const char *class_;
        enum series series;
    } places[] = {{"secret", SERIES_SECRETS}, {"instrumentation-key", SERIES_SECRETS}, {"card", SERIES_SECRETS},
                  {"environment", SERIES_ENVIRONMENT}, {"run-id", SERIES_RUNS}, {"echo", SERIES_ECHOES}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(places[i].class_, class_) == 0) return places[i].series;
    return SERIES_OTHERS;
}

void put_legend(struct page *p)
{
    put(p, "<ul class=\"legend\" aria-label=\"Colours\">");
    for (int i = 0; i < SERIES_COUNT; i++)
        put_format(p, "<li><svg class=\"swatch\" aria-hidden=\"true\"><rect width=\"100%%\" height=\"100%%\" class=\"s%d\"/></svg>%s</li>", i,
                   series_names[i]);
    put(p, "</ul>");
}

#define BAR "<svg class=\"bar\" aria-hidden=\"true\"><rect width=\"100%%\" height=\"100%%\" class=\"track\"/>"
#define LEAST_BAR 0.4   /* percent: what is there is seen */

void put_plain_bar(struct page *p, uint64_t count, uint64_t most)
{
    double width = most > 0 ? 100.0 * (double)count / (double)most : 0;
    put_format(p, BAR "<rect width=\"%.3f%%\" height=\"100%%\" class=\"any\"/></svg>", width < LEAST_BAR ? LEAST_BAR : width);
}

void put_bar(struct page *p, const uint64_t counts[SERIES_COUNT], uint64_t most)
{
    double x = 0;
    put_format(p, BAR);
    for (int i = 0; i < SERIES_COUNT; i++) {
        double width = most > 0 ? 100.0 * (double)counts[i] / (double)most : 0;
        if (counts[i] == 0) continue;
        put_format(p, "<rect x=\"%.3f%%\" width=\"%.3f%%\" height=\"100%%\" class=\"s%d\"/>", x,
                   width < LEAST_BAR ? LEAST_BAR : width, i);
        x += width;
    }
    put(p, "</svg>");
}

/* --- Columns ---------------------------------------------------------------------------------------------------------- */

struct columns {
    const struct timeline *timeline;
    const enum series     *series;
    uint64_t               top;     /* of the scale */
};

static uint64_t bucket_counts(const struct columns *c, size_t bucket, uint64_t counts[SERIES_COUNT])
{
    uint64_t sum = 0;
    memset(counts, 0, SERIES_COUNT * sizeof *counts);
    for (size_t i = 0; i < c->timeline->classes; i++) {
        uint64_t count = timeline_count(c->timeline, bucket, i);
        counts[c->series[i]] += count;
        sum += count;
    }
    return sum;
}

/* The least even number of one digit and zeros that is not below: its half can be written, too. */
static uint64_t scale_for(uint64_t most)
{
    uint64_t step = 1;
    while (most > 10 * step && step < UINT64_MAX / 100) step *= 10;
    uint64_t steps = (most + step - 1) / step;
    return (steps * step) % 2 == 0 && steps > 0 ? steps * step : (steps + 1) * step;
}

static const char *width_text(int64_t seconds, char out[32])
{
    static const struct {
        int64_t     seconds;
        const char *name;
    } units[] = {{7 * 86400, "week"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}};
    size_t u = 0;
    while (seconds % units[u].seconds != 0) u++;
    long long number = seconds / units[u].seconds;
    if (number == 1)
        snprintf(out, 32, "%s", units[u].name);
    else
        snprintf(out, 32, "%lld %ss", number, units[u].name);
    return out;
}

static void put_column(struct page *p, const struct columns *c, size_t bucket)
{
    uint64_t counts[SERIES_COUNT], sum = bucket_counts(c, bucket, counts);
    double   width = WIDEST_COLUMN * (double)c->timeline->count, y = 100;
    char     begin[TIMESTAMP_TEXT];
    if (sum == 0) return;
    if (width > FULLEST_COLUMN) width = FULLEST_COLUMN;
    put_format(p, "<g><title>%.16s: %llu</title>", timestamp_text(timeline_begin_ms(c->timeline, bucket), begin),
               (unsigned long long)sum);
    for (int i = 0; i < SERIES_COUNT; i++) {
        double height = 100.0 * (double)counts[i] / (double)c->top;
        if (counts[i] == 0) continue;
        y -= height;
        put_format(p, "<rect x=\"%.3f\" y=\"%.3f\" width=\"%.3f\" height=\"%.3f\" class=\"s%d\"/>",
                   (double)bucket + (1 - width) / 2, y, width, height, i);
    }
    put(p, "</g>");
}

static void put_axes(struct page *p, const struct columns *c)
{
    const struct timeline *t = c->timeline;
    put(p, "<div class=\"y\" aria-hidden=\"true\"><span>");
    put_number(p, c->top);
    put(p, "</span><span>");
    put_number(p, c->top / 2);
    put(p, "</span><span>0</span></div><div class=\"x\" aria-hidden=\"true\">");
    put_time(p, timeline_begin_ms(t, 0));
    put(p, "<span class=\"middle\">");
    if (t->count >= 4 && t->count % 2 == 0) put_time(p, timeline_begin_ms(t, t->count / 2));
    put(p, "</span>");
    put_time(p, timeline_begin_ms(t, t->count));
    put(p, "</div>");
}

static void put_table(struct page *p, const struct columns *c)
{
    put(p, "<details><summary>The same as a table</summary><div class=\"scroll\" role=\"region\" tabindex=\"0\" "
           "aria-label=\"Redactions over time\"><table class=\"plain\"><thead><tr><th scope=\"col\">From (UTC)</th>");
    for (int i = 0; i < SERIES_COUNT; i++) put_format(p, "<th scope=\"col\" class=\"n\">%s</th>", series_names[i]);
    put(p, "<th scope=\"col\" class=\"n\">all</th></tr></thead><tbody>");
    for (size_t bucket = 0; bucket < c->timeline->count; bucket++) {
        uint64_t counts[SERIES_COUNT], sum = bucket_counts(c, bucket, counts);
        if (sum == 0) continue;
        put(p, "<tr><th scope=\"row\">");
        put_time(p, timeline_begin_ms(c->timeline, bucket));
        put(p, "</th>");
        for (int i = 0; i <= SERIES_COUNT; i++) {
            put(p, "<td class=\"n\">");
            put_number(p, i < SERIES_COUNT ? counts[i] : sum);
            put(p, "</td>");
        }
        put(p, "</tr>");
    }
    put(p, "</tbody></table></div></details>");
}

void put_columns(struct page *p, const struct timeline *t, const enum series *series)
{
    struct columns c = {t, series, 0};
    uint64_t       most = 0, counts[SERIES_COUNT];
    char           width[32];
    for (size_t bucket = 0; bucket < t->count; bucket++) {
        uint64_t sum = bucket_counts(&c, bucket, counts);
        if (sum > most) most = sum;
    }
    c.top = scale_for(most);
    put_format(p, "<p>Redactions for each %s, by the records&rsquo; own times (UTC).</p>", width_text(t->width_s, width));
    put_legend(p);
    put_format(p, "<div class=\"chart\"><svg role=\"img\" viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\" aria-label=\"Stacked columns: "
                  "redactions for each %s; the highest stands for %llu. A table with the same numbers follows.\">",
               t->count, width, (unsigned long long)most);
    for (int y = 0; y <= 100; y += 50)
        put_format(p, "<line x1=\"0\" x2=\"%zu\" y1=\"%d\" y2=\"%d\" class=\"grid\"/>", t->count, y, y);
    for (size_t bucket = 0; bucket < t->count; bucket++) put_column(p, &c, bucket);
    put(p, "</svg>");
    put_axes(p, &c);
    put(p, "</div>");
    put_table(p, &c);
}
