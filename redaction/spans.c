#include "redaction/engine.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* --- What stands in place of a value --------------------------------------------------------------------------------------- */

bool is_ours(struct redactor *r, struct slice text)
{
    return plan_marker_at_start(r->plan, text) == text.len || pseudonym_is_ours(r->pseudonymiser, text);
}

static struct slice keep_copy(struct redactor *r, const char *data, size_t len)
{
    char *copy = arena_take(&r->arena, len);
    if (copy == NULL) return (struct slice){0};
    memcpy(copy, data, len);
    return slice_of(copy, len);
}

/* A value as it is pseudonymised: spellings that mean the same get one pseudonym. Case does not matter in any of the kinds
 * (resource ids repeat run names in upper case), nor do the dashes of a GUID. */
static struct slice canonical(struct slice value, char *out, size_t capacity)
{
    while (value.len > 0 && value.data[0] == ' ') value = slice_sub(value, 1, value.len);
    while (value.len > 0 && value.data[value.len - 1] == ' ') value.len--;
    if (value.len > capacity) return value;
    bool guid = value.len == 36 && value.data[8] == '-' && value.data[13] == '-' && value.data[18] == '-' &&
                value.data[23] == '-';
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++)
        if (!guid || value.data[i] != '-') out[len++] = ascii_lower(value.data[i]);
    return slice_of(out, len);
}

/* The address in `value`, which may have a port ("1.2.3.4:80", "[::1]:80"). */
static struct slice address_part(struct slice value)
{
    if (value.data[0] == '[') {
        const char *close = memchr(value.data, ']', value.len);
        if (close != NULL) return slice_of(value.data + 1, (size_t)(close - value.data) - 1);
    }
    const char *colon = memchr(value.data, ':', value.len);
    bool one_colon = colon != NULL && memchr(colon + 1, ':', value.len - (size_t)(colon - value.data) - 1) == NULL;
    return one_colon ? slice_of(value.data, (size_t)(colon - value.data)) : value;
}

static enum pseudonym_kind pseudonym_kind(enum rule_class class_)
{
    switch (class_) {
    case RULE_CLASS_RUN_ID: return PSEUDONYM_RUN;
    case RULE_CLASS_RESOURCE_NAME: return PSEUDONYM_NAME;
    case RULE_CLASS_INSTRUMENTATION_KEY: case RULE_CLASS_ENVELOPE_KEY: return PSEUDONYM_IKEY;
    default: return PSEUDONYM_USER;
    }
}

/* Keeps the network part of an address: 24 bits of IPv4, 48 of IPv6. Of what is no address nothing. */
static struct slice truncated_address(struct redactor *r, struct slice value)
{
    char text[INET6_ADDRSTRLEN] = "";
    uint8_t address[sizeof(struct in6_addr)];
    if (value.len < sizeof text) memcpy(text, value.data, value.len);
    bool v4 = inet_pton(AF_INET, text, address) == 1;
    if (!v4 && inet_pton(AF_INET6, text, address) != 1) return SLICE("0.0.0.0");
    size_t kept = v4 ? 3 : 6;
    memset(address + kept, 0, sizeof address - kept);
    CHECK(inet_ntop(v4 ? AF_INET : AF_INET6, address, text, sizeof text) != NULL);
    return keep_copy(r, text, strlen(text));
}

static struct slice replacement_for(struct redactor *r, struct slice value, struct finding f)
{
    char out[PSEUDONYM_MAX], folded[512];
    size_t len = 0;
    if (f.action == ACTION_DROP) return SLICE("");
    if (f.action == ACTION_MASK) return plan_mask(r->plan, f.rule);
    if (f.class_ == RULE_CLASS_IP_ADDRESS) {
        struct slice address = address_part(value);
        if (f.action == ACTION_TRUNCATE) return truncated_address(r, address);
        len = pseudonym_write_ip(r->pseudonymiser, address, out);
    }
    if (len == 0)
        len = pseudonym_write(r->pseudonymiser, pseudonym_kind(f.class_), canonical(value, folded, sizeof folded), out);
    return keep_copy(r, out, len);
}

/* --- Quotes around a whole node --------------------------------------------------------------------------------------- */

/* Writes `text` as it must stand in the text around an encoding. Returns the new length. */
static size_t encode_quotes(enum encoding e, const char *text, size_t len, char *out, size_t capacity)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const char *as = NULL;
        if (e == ENCODING_UTF16) as = NULL;
        else if (text[i] == '"') as = e == ENCODING_PERCENT ? "%22" : e == ENCODING_HTML ? "&quot;" : "\\\"";
        else if (text[i] == '\\') as = e == ENCODING_PERCENT ? "%5C" : e == ENCODING_HTML ? "\\" : "\\\\";
        size_t as_len = as != NULL ? strlen(as) : 1;
        CHECK(n + as_len <= capacity);
        memcpy(out + n, as != NULL ? as : text + i, as_len);
        n += as_len;
    }
    return n;
}

#define MAX_QUOTED 2048   /* two quotes behind eight levels of backslashes, and the replacement */

/* The replacement in quotes, encoded for every level between the view and the document. */
static struct slice quoted_for(struct redactor *r, uint32_t view, struct slice replacement)
{
    char one[MAX_QUOTED], two[MAX_QUOTED];
    if (replacement.data == NULL) return replacement;   /* no memory */
    size_t len = (size_t)snprintf(one, sizeof one, "\"%.*s\"", (int)replacement.len, replacement.data);
    for (const struct view *v = &r->views[view]; v->parent != NO_VIEW; v = &r->views[v->parent]) {
        if (v->encoding == ENCODING_BASE64) return replacement;
        len = encode_quotes((enum encoding)v->encoding, one, len, two, sizeof two);
        memcpy(one, two, len);
    }
    return keep_copy(r, one, len);
}

/* --- Adding ----------------------------------------------------------------------------------------------------------- */

static bool inside_character(struct slice text, size_t at)
{
    return at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80;
}

/* Gives a long view the marks by which offsets in it are mapped back. */
static bool mark_view(struct redactor *r, struct view *v)
{
    if (v->text.len < 4 * ENCODING_MARK_BYTES || v->encoding == ENCODING_BASE64) return true;
    size_t count = encoding_mark_count(v->text.len);
    v->marks = arena_take(&r->arena, count * sizeof *v->marks);
    if (v->marks != NULL)
        encoding_mark((enum encoding)v->encoding, view_piece(&r->views[v->parent], v->from, v->to), v->marks, count);
    else job_refuse(r, v->job, REFUSAL_MEMORY);
    return v->marks != NULL;
}

/* Maps the range back through the views and remembers it with the record. */
static void add_span(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, struct finding f, struct slice replacement,
                     bool whole_node)
{
    size_t first = from, end = to;
    uint32_t job = r->views[view].job;
    for (struct view *v = &r->views[view]; v->parent != NO_VIEW; v = &r->views[v->parent]) {
        if (v->encoding == ENCODING_BASE64) whole_node = false;
        if (v->marks == NULL && !mark_view(r, v)) return;
        encoding_map_back((enum encoding)v->encoding, view_piece(&r->views[v->parent], v->from, v->to), v->marks, &first, &end);
        first += v->from;
        end += v->from;
    }
    struct slice document = r->views[r->jobs[job].view].text;
    while (first > 0 && inside_character(document, first)) first--;
    while (inside_character(document, end)) end++;
    struct span_item *item = arena_take(&r->arena, sizeof *item);
    if (item == NULL || replacement.data == NULL) {
        job_refuse(r, job, REFUSAL_MEMORY);
        return;
    }
    *item = (struct span_item){.next = r->jobs[job].spans, .start = (uint32_t)first, .end = (uint32_t)end, .rule = f.rule,
                               .action = f.action, .echo = f.rule == plan_engine_rule(r->plan, ENGINE_ECHO),
                               .whole_node = whole_node, .replacement = replacement, .view = view, .from = from, .to = to};
    r->jobs[job].spans = item;
}

struct finding engine_finding(const struct redactor *r, enum engine_rule rule)
{
    static const enum rule_class classes[] = {
#define ENGINE_RULE(id, name, title, class_) RULE_CLASS_##class_,
#include "redaction/engine_rules.def"
    };
    return (struct finding){.rule = plan_engine_rule(r->plan, rule), .class_ = classes[rule],
                            .action = r->plan->policy.actions[classes[rule]]};
}

/* Words and numbers are too common to be looked for elsewhere. */
static bool worth_an_echo(struct slice text, enum rule_class class_)
{
    if (text.len < MIN_ECHO || text.len > 4096) return false;
    bool digit = false, letter = false;
    for (size_t i = 0; i < text.len && !(digit && letter); i++) {
        digit |= ascii_is_digit(text.data[i]);
        letter |= ascii_is_alpha(text.data[i]) || (unsigned char)text.data[i] >= 0x80;
    }
    if (class_ == RULE_CLASS_ENVIRONMENT) return looks_like_credential(text);
    return letter && (digit || class_ != RULE_CLASS_RUN_ID || memchr(text.data, '_', text.len) ||
                      memchr(text.data, '-', text.len));
}

static void add_needle(struct redactor *r, struct job *j, struct slice text, struct slice replacement, struct finding f)
{
    if (j->needle_count < FEW_NEEDLES)
        for (const struct needle *n = j->needles; n != NULL; n = n->next)
            if (slice_equal(n->text, text)) return;
    struct needle *n = arena_take(&r->arena, sizeof *n);
    if (n == NULL) {
        job_refuse(r, (uint32_t)(j - r->jobs), REFUSAL_MEMORY);
        return;
    }
    bool secret = f.class_ == RULE_CLASS_SECRET || f.class_ == RULE_CLASS_ENVIRONMENT;
    *n = (struct needle){.next = j->needles, .text = text, .replacement = replacement, .action = f.action,
                         .whole_words = !secret, .caseless = !secret};
    j->needles = n;
    j->needle_count++;
}

/* A GUID also occurs without its dashes, and the other way round. */
static void add_needles(struct redactor *r, struct job *j, struct slice text, struct slice replacement, struct finding f)
{
    char other[36];
    char folded[36];
    add_needle(r, j, text, replacement, f);
    if (f.class_ == RULE_CLASS_SECRET || (text.len != 36 && text.len != 32)) return;
    struct slice bare = canonical(text, folded, sizeof folded);
    if (bare.len != 32) return;
    for (size_t i = 0; i < 32; i++)
        if (!ascii_is_digit(bare.data[i]) && (bare.data[i] < 'a' || bare.data[i] > 'f')) return;
    if (text.len == 36) {
        add_needle(r, j, keep_copy(r, bare.data, 32), replacement, f);
    } else {
        snprintf(other, sizeof other, "%.8s-%.4s-%.4s-%.4s", bare.data, bare.data + 8, bare.data + 12, bare.data + 16);
        memcpy(other + 23, "-", 1);
        memcpy(other + 24, bare.data + 20, 12);
        add_needle(r, j, keep_copy(r, other, 36), replacement, f);
    }
}

#define SHORTEST_TWIN 4

/* A word that is a secret, and too short to be looked for everywhere. */
static bool may_have_twin(struct slice text, enum rule_class class_)
{
    if (class_ != RULE_CLASS_SECRET || text.len < SHORTEST_TWIN || text.len >= MIN_ECHO) return false;
    bool letter = false;
    for (size_t i = 0; i < text.len; i++) letter |= ascii_is_alpha(text.data[i]);
    return letter;
}

bool replace_text(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, struct finding f)
{
    struct slice text = view_piece(&r->views[view], from, to);
    if (f.action == ACTION_KEEP || text.len == 0 || is_ours(r, text) || name_list_holds(&r->plan->policy.allowed, text))
        return false;
    struct slice replacement = replacement_for(r, text, f);
    if (slice_equal(replacement, text)) return false;
    add_span(r, view, from, to, f, replacement, false);
    if (worth_an_echo(text, f.class_)) add_needles(r, &r->jobs[r->views[view].job], text, replacement, f);
    struct needle twin = {.text = text, .replacement = replacement, .action = f.action};
    if (may_have_twin(text, f.class_)) echo_twin(r, view, from, &twin);
    return true;
}

void replace_with(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, struct finding f, struct slice replacement)
{
    add_span(r, view, from, to, f, replacement, false);
}

void replace_node(struct redactor *r, uint32_t view, uint32_t node, struct finding f)
{
    if (f.action == ACTION_KEEP) return;
    const struct node n = r->views[view].tape->nodes[node];
    struct slice replacement = f.action == ACTION_DROP
                                   ? SLICE("null")
                                   : quoted_for(r, view, replacement_for(r, view_piece(&r->views[view], n.start, n.end), f));
    add_span(r, view, n.start, n.end, f, replacement, true);
}

/* --- Finishing -------------------------------------------------------------------------------------------------------- */

/* An item and what it is sorted by: items lie apart, these side by side. */
struct placed {
    uint32_t          start, end;
    struct span_item *item;
};

static int by_start(const struct placed *a, const struct placed *b)
{
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    return a->end > b->end ? -1 : a->end < b->end;
}

/* Whether the replacement of b rather than that of a stands for both. A whole node's must, since its quotes were
 * replaced as well; else the stricter one; a mask may hide more than asked, never less. */
static bool prevails(const struct span_item *b, const struct span_item *a)
{
    if (a->whole_node || b->whole_node) return !a->whole_node;
    if (b->action != a->action) return b->action > a->action;
    return a->echo && !b->echo;   /* name the rule that found it */
}

/* Whether b, which comes behind a, stands for both: of equals at the same place the one that was found last. */
static bool replaces(const struct span_item *b, const struct span_item *a)
{
    return prevails(b, a) || (a->start == b->start && a->end == b->end && !prevails(a, b));
}

/* Where the ascending run that begins at items[at] ends. */
static size_t run_end(const struct placed *items, size_t at, size_t count)
{
    if (at < count) at++;
    while (at < count && by_start(&items[at - 1], &items[at]) <= 0) at++;
    return at;
}

static void merge(const struct placed *a, size_t a_count, const struct placed *b, size_t b_count, struct placed *out)
{
    while (a_count > 0 && b_count > 0) {
        if (by_start(b, a) < 0) *out++ = *b++, b_count--;
        else *out++ = *a++, a_count--;
    }
    memcpy(out, a_count > 0 ? a : b, (a_count + b_count) * sizeof *out);
}

/* Sorts by merging the runs that are there: a text is read from its beginning to its end a few times, so they are few. What is in
 * order is in items or in spare; returned is in which. */
static struct placed *sort(struct placed *items, struct placed *spare, size_t count)
{
    while (run_end(items, 0, count) < count) {
        for (size_t at = 0, end; at < count; at = end) {
            size_t middle = run_end(items, at, count);
            end = run_end(items, middle, count);
            merge(items + at, middle - at, items + middle, end - middle, spare + at);
        }
        struct placed *swap = items;
        items = spare;
        spare = swap;
    }
    return items;
}

#define NEAR 8   /* items before which one is put at once */

/* Puts an item before items[at + 1, count), over the few that belong before it: what is found in one walk over a text is nearly
 * in order. Where many belong before it, it begins a run of its own. */
static void put_before(struct placed *items, size_t at, size_t count, struct placed item)
{
    size_t place = at;
    while (place + 1 < count && place - at < NEAR && by_start(&items[place + 1], &item) < 0) place++;
    if (place - at == NEAR) place = at;
    memmove(items + at, items + at + 1, (place - at) * sizeof item);
    items[place] = item;
}

/* The items of a job in an array, in order. They were added at the head of their list. */
static struct placed *sorted_items(struct redactor *r, const struct job *j, size_t *count)
{
    *count = 0;
    for (const struct span_item *i = j->spans; i != NULL; i = i->next) ++*count;
    struct placed *items = arena_take(&r->arena, 2 * *count * sizeof *items);
    if (items == NULL) return NULL;
    size_t at = *count;
    for (struct span_item *i = j->spans; i != NULL; i = i->next)
        put_before(items, --at, *count, (struct placed){i->start, i->end, i});
    return sort(items, items + *count, *count);
}

size_t spans_finish(struct redactor *r, uint32_t job, const struct span **spans, const struct detail **details)
{
    struct job *j = &r->jobs[job];
    size_t count, kept = 0;
    *spans = NULL;
    *details = NULL;
    if (j->spans == NULL) return 0;
    struct placed *items = sorted_items(r, j, &count);
    struct span *out = arena_take(&r->arena, count * sizeof *out);
    struct detail *told = r->options.details ? arena_take(&r->arena, count * sizeof *told) : NULL;
    struct span_item **winners = r->options.details ? arena_take(&r->arena, count * sizeof *winners) : NULL;
    if (items == NULL || out == NULL || (r->options.details && (told == NULL || winners == NULL))) {
        job_refuse(r, job, REFUSAL_MEMORY);
        return 0;
    }
    for (size_t i = 0; i < count;) {
        struct span_item *winner = items[i].item;
        uint32_t start = items[i].start, end = items[i].end;
        for (i++; i < count && items[i].start < end; i++) {
            if (items[i].end > end) end = items[i].end;
            if (replaces(items[i].item, winner)) winner = items[i].item;
        }
        if (winner->rule != NO_RULE) r->front->tally.redactions[winner->rule]++;
        if (winners != NULL) winners[kept] = winner;
        out[kept++] = (struct span){start, end, winner->replacement};
    }
    if (told != NULL) details_fill(r, job, winners, out, kept, told);
    *spans = out;
    *details = told;
    return kept;
}
