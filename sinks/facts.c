#include "sinks/facts.h"

#include "base/timestamp.h"
#include "sinks/clean_node.h"

#define TIME_MAX 40

/* The texts of one record, one after another. */
struct room {
    char  *at, *end;
};

static struct slice field_take(const struct clean_record *r, struct key_cache *keys, enum field field, size_t max,
                               struct room *room)
{
    uint32_t node = kind_field(r->kind.kind, r->tape, r->node, keys, field);
    if (node == 0 && field == FIELD_CATEGORY) node = r->kind.category;
    if (node == 0) return slice_of(room->at, 0);
    CHECK((size_t)(room->end - room->at) >= max + DECODE_PADDING);
    struct slice text = slice_of(room->at, node_text(r, node, room->at, max));
    room->at += text.len;
    return text;
}

const char *severity_text(enum severity severity)
{
    static const char *const texts[] = {"", "Verbose", "Information", "Warning", "Error", "Critical"};
    return texts[severity];
}

/* Azure Monitor counts from 1, critical, to 5, verbose; Application Insights from 0, verbose, to 4, critical. */
static enum severity severity_of_digit(enum kind kind, int digit)
{
    if (kind_shape(kind) == SHAPE_APP) return digit <= 4 ? (enum severity)(SEVERITY_VERBOSE + digit) : SEVERITY_UNKNOWN;
    return digit >= 1 && digit <= 5 ? (enum severity)(SEVERITY_CRITICAL + 1 - digit) : SEVERITY_UNKNOWN;
}

enum severity severity_of(enum kind kind, struct slice level)
{
    static const struct {
        const char   *text;
        enum severity severity;
    } words[] = {
        {"Critical", SEVERITY_CRITICAL}, {"Fatal", SEVERITY_CRITICAL}, {"Error", SEVERITY_ERROR}, {"Warning", SEVERITY_WARNING},
        {"Warn", SEVERITY_WARNING}, {"Informational", SEVERITY_INFORMATION}, {"Information", SEVERITY_INFORMATION},
        {"Info", SEVERITY_INFORMATION}, {"Verbose", SEVERITY_VERBOSE}, {"Debug", SEVERITY_VERBOSE}, {"Trace", SEVERITY_VERBOSE},
    };
    if (level.len == 1 && ascii_is_digit(level.data[0])) return severity_of_digit(kind, level.data[0] - '0');
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_equal_nocase(level, slice_from(words[i].text))) return words[i].severity;
    return SEVERITY_UNKNOWN;
}

void record_facts(const struct clean_record *r, struct key_cache *keys, char buffer[FACTS_ROOM], struct record_facts *facts)
{
    struct room room = {buffer, buffer + FACTS_ROOM};
    *facts = (struct record_facts){.kind = r->kind.kind, .time_ms = NO_TIME};
    if (r->piece != PIECE_RECORD || r->tape == NULL) return;
    struct slice time = field_take(r, keys, FIELD_TIME, TIME_MAX, &room);
    if (!timestamp_parse(time, &facts->time_ms)) facts->time_ms = NO_TIME;
    facts->category = field_take(r, keys, FIELD_CATEGORY, FACT_MAX, &room);
    facts->level = field_take(r, keys, FIELD_LEVEL, FACT_MAX, &room);
    facts->result = field_take(r, keys, FIELD_RESULT, FACT_MAX, &room);
    facts->resource = field_take(r, keys, FIELD_RESOURCE, FACT_MAX, &room);
    facts->correlation = field_take(r, keys, FIELD_CORRELATION, FACT_MAX, &room);
    facts->severity = severity_of(r->kind.kind, facts->level);
    if (facts->level.len == 1 && facts->severity != SEVERITY_UNKNOWN) facts->level = slice_from(severity_text(facts->severity));
}
