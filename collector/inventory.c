#include "inventory.h"

#include "base/timestamp.h"

#include <stdlib.h>

#define MAX_FIELD 256   /* bytes of a path as it is counted; what is longer is cut */

/* --- Entries ---------------------------------------------------------------------------------------------------------- */

static struct leak *leak_of(struct shortlisted *item) { return (struct leak *)item; }

static struct field_count *field_of(struct shortlisted *item) { return (struct field_count *)item; }

static void leak_drop(void *inventory, struct shortlisted *item)
{
    struct inventory *inv = inventory;
    struct leak      *l = leak_of(item);
    inv->further_leaks += l->found;
    for (size_t i = 0; i < l->path_count; i++) free(l->paths[i].text);
    free(l->first_path);
    free(l);
}

static void field_drop(void *inventory, struct shortlisted *item)
{
    struct inventory *inv = inventory;
    inv->further_fields += field_of(item)->count;
    free(item);
}

/* What was in a log and must be replaced by its owner; run names, environment values and identities need not. */
static bool class_leaks(const char *class_)
{
    return strcmp(class_, "secret") == 0 || strcmp(class_, "instrumentation-key") == 0 || strcmp(class_, "card") == 0;
}

static size_t class_number(const struct plan *plan, const char *class_)
{
    size_t i = 0;
    while (strcmp(plan_class(plan, i).name, class_) != 0) i++;
    return i;
}

static void rules_learn(struct inventory *inv, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rule_info rule = plan_rule(inv->plan, i);
        bool             echo = strcmp(rule.id, "echo") == 0;
        inv->rules[i] = (struct rule_use){echo ? plan_class_count() : class_number(inv->plan, rule.class_),
                                          class_leaks(rule.class_) && !echo, echo};
    }
}

const char *inventory_class(const struct inventory *inv, size_t class_)
{
    return class_ < plan_class_count() ? plan_class(inv->plan, class_).name : "echo";
}

struct inventory *inventory_new(const struct plan *plan)
{
    size_t            rules = plan_rule_count(plan);
    struct inventory *inv = calloc(1, sizeof *inv);
    if (inv == NULL) return NULL;
    inv->plan = plan;
    inv->by_kind = calloc(KIND_COUNT * rules, sizeof *inv->by_kind);
    inv->rules = calloc(rules, sizeof *inv->rules);
    bool made = shortlist_init(&inv->leaks, INVENTORY_LEAKS, leak_drop, inv);
    made = shortlist_init(&inv->fields, INVENTORY_FIELDS, field_drop, inv) && made;
    made = timeline_init(&inv->timeline, plan_class_count() + 1) && made;
    if (!made || inv->by_kind == NULL || inv->rules == NULL) {
        inventory_free(inv);
        return NULL;
    }
    rules_learn(inv, rules);
    return inv;
}

void inventory_free(struct inventory *inv)
{
    if (inv == NULL) return;
    shortlist_release(&inv->leaks);
    shortlist_release(&inv->fields);
    timeline_release(&inv->timeline);
    free(inv->by_kind);
    free(inv->rules);
    free(inv);
}

/* --- Fields ----------------------------------------------------------------------------------------------------------- */

/* The path without the numbers of array elements, so that one field is one line however long its arrays are. */
static struct slice field_path(struct slice path, char out[MAX_FIELD])
{
    size_t len = 0;
    for (size_t i = 0; i < path.len && len < MAX_FIELD; i++) {
        out[len++] = path.data[i];
        if (path.data[i] != '[') continue;
        size_t end = i + 1;
        while (end < path.len && ascii_is_digit(path.data[end])) end++;
        if (end < path.len && path.data[end] == ']') i = end - 1;
    }
    return slice_of(out, len);
}

static void field_add(struct inventory *inv, struct slice path, uint64_t count)
{
    uint64_t            rank = shortlist_rank(path);
    struct field_count *field = field_of(shortlist_find(&inv->fields, rank, path));
    if (field == NULL && shortlist_welcomes(&inv->fields, rank) && (field = calloc(1, sizeof *field + path.len + 1)) != NULL) {
        if (path.len > 0) memcpy(field->path, path.data, path.len);
        field->item = (struct shortlisted){rank, slice_of(field->path, path.len)};
        if (!shortlist_add(&inv->fields, &field->item)) {
            free(field);
            field = NULL;
        }
    }
    if (field != NULL)
        field->count += count;
    else
        inv->further_fields += count;
}

/* --- Leaks ------------------------------------------------------------------------------------------------------------ */

static bool before(const struct sighting *a, const struct sighting *b)
{
    if (a->sequence != b->sequence) return a->sequence < b->sequence;
    if (a->record != b->record) return a->record < b->record;
    return a->place < b->place;
}

/* Whether a was seen earlier. What has a time comes before all that has none, so that the first one has a time if any has. */
static bool earlier(const struct sighting *a, const struct sighting *b)
{
    if (a->ms == b->ms) return before(a, b);
    return b->ms == NO_TIME || (a->ms != NO_TIME && a->ms < b->ms);
}

/* Likewise for the last one. NO_TIME is less than all times. */
static bool later(const struct sighting *a, const struct sighting *b) { return a->ms == b->ms ? before(b, a) : a->ms > b->ms; }

static uint64_t leak_rank(const char *fingerprint) { return shortlist_rank(slice_of(fingerprint, LEAK_FINGERPRINT)); }

/* The entry of that key, made if need be. NULL: it finds no room. */
static struct leak *leak_get(struct inventory *inv, const char *fingerprint, uint32_t rule)
{
    char key[LEAK_FINGERPRINT + sizeof rule];
    memcpy(key, fingerprint, LEAK_FINGERPRINT);
    memcpy(key + LEAK_FINGERPRINT, &rule, sizeof rule);
    uint64_t     rank = leak_rank(fingerprint);
    struct leak *l = leak_of(shortlist_find(&inv->leaks, rank, slice_of(key, sizeof key)));
    if (l != NULL || !shortlist_welcomes(&inv->leaks, rank)) return l;
    l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    memcpy(l->key, key, sizeof key);
    l->item = (struct shortlisted){rank, slice_of(l->key, sizeof l->key)};
    l->rule = rule;
    l->last_record = UINT64_MAX;
    if (shortlist_add(&inv->leaks, &l->item)) return l;
    free(l);
    return NULL;
}

static void note_path_rank(struct leak *l, uint64_t rank)
{
    for (size_t i = 0; i < l->paths_counted; i++)
        if (l->path_ranks[i] == rank) return;
    if (l->paths_counted < LEAK_PATHS_COUNTED) l->path_ranks[l->paths_counted++] = rank;
}

/* Keeps the list in the order of the first sightings; the last one falls off its end. A path that belongs to the first
 * ones of a whole belongs to them in each part, so none is lost that should have stayed. */
static void note_path(struct leak *l, struct slice path, const struct sighting *seen)
{
    size_t at = 0;
    while (at < l->path_count && !slice_equal(slice_from(l->paths[at].text), path)) at++;
    if (at < l->path_count) {
        if (!before(seen, &l->paths[at].first)) return;
        l->paths[at].first = *seen;
    } else {
        if (at == LEAK_PATHS && !before(seen, &l->paths[at - 1].first)) return;
        char *text = strndup(path.data, path.len);
        if (text == NULL) return;
        if (at == LEAK_PATHS) free(l->paths[--at].text);
        l->paths[at] = (struct leak_path){text, *seen};
        l->path_count = at + 1;
    }
    for (; at > 0 && before(&l->paths[at].first, &l->paths[at - 1].first); at--) {
        struct leak_path other = l->paths[at];
        l->paths[at] = l->paths[at - 1];
        l->paths[at - 1] = other;
    }
}

/* `path` in full. */
static void note_sighting(struct leak *l, struct slice path, const struct sighting *seen)
{
    bool fresh = l->found + l->echoes == 0;
    if (fresh || earlier(seen, &l->first)) {
        l->first = *seen;
        free(l->first_path);
        l->first_path = strndup(path.len > 0 ? path.data : "", path.len);
    }
    if (fresh || later(seen, &l->last)) l->last = *seen;
}

/* --- Records ---------------------------------------------------------------------------------------------------------- */

struct record_facts {
    uint64_t  number;
    enum kind kind;
    int64_t   ms;
};

static int64_t record_time(const struct clean_batch *batch, const struct clean_record *r)
{
    int64_t  ms;
    uint32_t node = r->piece == PIECE_RECORD ? kind_field(r->kind.kind, r->tape, r->node, batch->keys, FIELD_TIME) : 0;
    if (node == 0) return NO_TIME;
    const struct node *n = &r->tape->nodes[node];
    return timestamp_parse(slice_sub(r->tape->text, n->start, n->end), &ms) ? ms : NO_TIME;
}

static void note_finding(struct leak *l, const struct record_facts *record, struct slice path, struct slice field,
                         const struct sighting *seen)
{
    note_sighting(l, path, seen);
    note_path(l, field, seen);
    note_path_rank(l, shortlist_rank(field));
    l->kinds |= 1u << record->kind;
    l->records += l->last_record != record->number;
    l->last_record = record->number;
}

/* The entry of what was found in this record and has that fingerprint; of several the one whose rule comes first. */
static struct leak *echoed(const struct inventory *inv, const char *fingerprint, uint64_t record)
{
    const struct shortlist *s = &inv->leaks;
    struct leak            *best = NULL;
    uint64_t                rank = leak_rank(fingerprint);
    for (size_t slot = rank & (s->slot_count - 1); s->slots[slot] != 0; slot = (slot + 1) & (s->slot_count - 1)) {
        struct leak *l = leak_of(s->items[s->slots[slot] - 1]);
        if (l->item.rank != rank || l->last_record != record || memcmp(l->key, fingerprint, LEAK_FINGERPRINT) != 0) continue;
        if (best == NULL || l->rule < best->rule) best = l;
    }
    return best;
}

static void add_finding(struct inventory *inv, const struct record_facts *record, const struct detail *d,
                        const struct sighting *seen)
{
    char         text[MAX_FIELD];
    struct slice field = field_path(d->path, text);
    struct leak *l = leak_get(inv, d->fingerprint, d->rule);
    if (l == NULL) {
        inv->further_leaks++;
        return;
    }
    note_finding(l, record, d->path, field, seen);
    l->found++;
}

static void add_echo(struct inventory *inv, const struct record_facts *record, const struct detail *d,
                     const struct sighting *seen)
{
    char         text[MAX_FIELD];
    struct leak *l = echoed(inv, d->fingerprint, record->number);
    if (l == NULL) return;
    note_finding(l, record, d->path, field_path(d->path, text), seen);
    l->echoes++;
}

static void count(struct inventory *inv, const struct record_facts *record, const struct detail *d)
{
    char   text[MAX_FIELD];
    size_t class_ = inv->rules[d->rule].class_;
    inv->by_kind[record->kind * plan_rule_count(inv->plan) + d->rule]++;
    field_add(inv, field_path(d->path, text), 1);
    if (record->ms == NO_TIME)
        timeline_add_undated(&inv->timeline, class_, 1);
    else
        timeline_add(&inv->timeline, record->ms, class_, 1);
}

static void add_record(struct inventory *inv, const struct clean_batch *batch, size_t number, size_t input)
{
    const struct clean_record *r = &batch->records[number];
    const struct record_facts  record = {inv->records++, r->kind.kind, record_time(batch, r)};
    const size_t               rules = plan_rule_count(inv->plan);
    struct sighting            seen = {batch->sequence, number, 0, input, r->line, record.ms};
    for (; seen.place < r->span_count; seen.place++) {
        const struct detail *d = &r->details[seen.place];
        if (d->rule >= rules) continue;   /* no rule stands behind it: punctuation that goes with a value */
        count(inv, &record, d);
        if (inv->rules[d->rule].leak) add_finding(inv, &record, d, &seen);
    }
    for (seen.place = 0; seen.place < r->span_count; seen.place++) {
        const struct detail *d = &r->details[seen.place];
        if (d->rule < rules && inv->rules[d->rule].echo) add_echo(inv, &record, d, &seen);
    }
}

void inventory_add(struct inventory *inv, const struct clean_batch *batch, size_t input)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->records[i].span_count > 0 && batch->records[i].details != NULL) add_record(inv, batch, i, input);
}

/* --- All together ----------------------------------------------------------------------------------------------------- */

static void merge_leak(struct inventory *inv, const struct leak *part)
{
    struct leak *l = leak_get(inv, part->key, part->rule);
    if (l == NULL) {
        inv->further_leaks += part->found;
        return;
    }
    note_sighting(l, slice_from(part->first_path != NULL ? part->first_path : ""), &part->first);
    if (later(&part->last, &l->last)) l->last = part->last;
    for (size_t i = 0; i < part->path_count; i++) note_path(l, slice_from(part->paths[i].text), &part->paths[i].first);
    for (size_t i = 0; i < part->paths_counted; i++) note_path_rank(l, part->path_ranks[i]);
    l->kinds |= part->kinds;
    l->records += part->records;
    l->found += part->found;
    l->echoes += part->echoes;
}

void inventory_merge(struct inventory *total, const struct inventory *part)
{
    const size_t cells = KIND_COUNT * plan_rule_count(total->plan);
    for (size_t i = 0; i < cells; i++) total->by_kind[i] += part->by_kind[i];
    for (size_t i = 0; i < part->leaks.count; i++) merge_leak(total, leak_of(part->leaks.items[i]));
    for (size_t i = 0; i < part->fields.count; i++)
        field_add(total, part->fields.items[i]->key, field_of(part->fields.items[i])->count);
    timeline_merge(&total->timeline, &part->timeline);
    total->further_leaks += part->further_leaks;
    total->further_fields += part->further_fields;
}

/* Most first; then by key, which no two have in common. */
static int by_findings(const void *a, const void *b)
{
    const struct leak *left = leak_of(*(struct shortlisted *const *)a), *right = leak_of(*(struct shortlisted *const *)b);
    uint64_t           x = left->found + left->echoes, y = right->found + right->echoes;
    if (x != y) return x < y ? 1 : -1;
    return memcmp(left->key, right->key, sizeof left->key);
}

static int by_count(const void *a, const void *b)
{
    const struct field_count *left = field_of(*(struct shortlisted *const *)a),
                              *right = field_of(*(struct shortlisted *const *)b);
    if (left->count != right->count) return left->count < right->count ? 1 : -1;
    return strcmp(left->path, right->path);
}

static int by_key(const void *a, const void *b)
{
    return memcmp(leak_of(*(struct shortlisted *const *)a)->key, leak_of(*(struct shortlisted *const *)b)->key,
                  sizeof((struct leak *)0)->key);
}

static size_t count_secrets(const struct shortlist *leaks)
{
    size_t count = 0;
    qsort(leaks->items, leaks->count, sizeof *leaks->items, by_key);
    for (size_t i = 0; i < leaks->count; i++)
        count += i == 0 || memcmp(leak_of(leaks->items[i - 1])->key, leak_of(leaks->items[i])->key, LEAK_FINGERPRINT) != 0;
    return count;
}

void inventory_finish(struct inventory *inv)
{
    shortlist_prune(&inv->leaks);
    inv->secrets = count_secrets(&inv->leaks);
    shortlist_prune(&inv->fields);
    qsort(inv->leaks.items, inv->leaks.count, sizeof *inv->leaks.items, by_findings);
    qsort(inv->fields.items, inv->fields.count, sizeof *inv->fields.items, by_count);
}

const struct leak *inventory_leak(const struct inventory *inv, size_t number) { return leak_of(inv->leaks.items[number]); }

const struct field_count *inventory_field(const struct inventory *inv, size_t number)
{
    return field_of(inv->fields.items[number]);
}
