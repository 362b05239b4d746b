#include "redaction/places.h"

#include <stdlib.h>

#define MAX_ITEMS 4096            /* segments of all paths */
#define MAX_STATES 4096
#define WORDS (MAX_ITEMS / 64)
#define ANY ((name_id)0)          /* the name of a `*` segment */

/* One segment of one path. An item is active in a state when all segments before it have been matched. */
struct item {
    name_id name;
    bool    first, anchored;
    bool    last;
    struct place place;    /* last only */
};

struct set {
    uint64_t words[WORDS];
};

struct places {
    struct item   items[MAX_ITEMS];
    size_t        item_count, name_count, column_count, state_count;
    uint16_t     *columns;              /* by name_id */
    name_id      *column_names;         /* by column */
    place_state  *next;                 /* [state * column_count + column] */
    struct set   *sets;                 /* by state; while compiling */
    struct place *found;                /* by state */
    bool         *accepts;
    place_state   elsewhere;            /* where a name of no path leads from every state, if that is one state */
    bool          one_elsewhere;
};

struct places *places_new(void) { return calloc(1, sizeof(struct places)); }

void places_free(struct places *p)
{
    if (p == NULL) return;
    free(p->columns);
    free(p->column_names);
    free(p->next);
    free(p->sets);
    free(p->found);
    free(p->accepts);
    free(p);
}

/* --- Reading a path ---------------------------------------------------------------------------------------------------- */

/* Takes the next segment off *rest. False: syntax error. */
static bool take_segment(struct slice *rest, struct slice *segment)
{
    if (rest->len > 0 && rest->data[0] == '\'') {
        const char *close = memchr(rest->data + 1, '\'', rest->len - 1);
        if (close == NULL) return false;
        *segment = slice_of(rest->data + 1, (size_t)(close - rest->data) - 1);
        *rest = slice_sub(*rest, segment->len + 2, rest->len);
    } else {
        const char *dot = memchr(rest->data, '.', rest->len);
        size_t len = dot == NULL ? rest->len : (size_t)(dot - rest->data);
        *segment = slice_sub(*rest, 0, len);
        *rest = slice_sub(*rest, len, rest->len);
    }
    if (segment->len == 0) return false;
    if (rest->len == 0) return true;
    if (rest->data[0] != '.' || rest->len == 1) return false;
    *rest = slice_sub(*rest, 1, rest->len);
    return true;
}

bool places_add(struct places *p, struct name_set *names, struct slice path, struct place place, struct error *err)
{
    struct slice rest = path;
    bool anchored = rest.len > 2 && rest.data[0] == '$' && rest.data[1] == '.';
    if (anchored) rest = slice_sub(rest, 2, rest.len);
    if (rest.len == 0) return error_set(err, ERROR_USAGE, "a path may not be empty");
    bool deep = false;
    for (bool first = true; rest.len > 0; first = false) {
        struct slice segment;
        if (!take_segment(&rest, &segment))
            return error_set(err, ERROR_USAGE, "a path is names joined by dots, names with dots in single quotes");
        deep = !first && rest.len == 0 && slice_equal(segment, SLICE("**"));
        if (deep) break;
        if (p->item_count == MAX_ITEMS) return error_set(err, ERROR_USAGE, "more than %d path segments", MAX_ITEMS);
        bool any = slice_equal(segment, SLICE("*"));
        name_id name = any ? ANY : name_set_add(names, segment);
        if (!any && name == 0) return error_set(err, ERROR_MEMORY, "too many field names");
        p->items[p->item_count++] = (struct item){.name = name, .first = first, .anchored = anchored};
    }
    struct item *last = &p->items[p->item_count - 1];
    place.deep = deep;
    last->last = true;
    last->place = place;
    return true;
}

/* --- Subset construction ----------------------------------------------------------------------------------------------- */

static bool set_has(const struct set *s, size_t i) { return s->words[i / 64] >> i % 64 & 1; }

static void set_put(struct set *s, size_t i) { s->words[i / 64] |= (uint64_t)1 << i % 64; }

/* The items that are active everywhere: first segments of paths that may begin anywhere. */
static struct set floating(const struct places *p)
{
    struct set s = {0};
    for (size_t i = 0; i < p->item_count; i++)
        if (p->items[i].first && !p->items[i].anchored) set_put(&s, i);
    return s;
}

/* The state that has this set and this place; made if it is new. */
static bool intern(struct places *p, const struct set *set, bool accepts, struct place place, place_state *state)
{
    for (size_t i = 0; i < p->state_count; i++) {
        if (p->accepts[i] != accepts || memcmp(&p->sets[i], set, sizeof *set) != 0) continue;
        if (accepts && (p->found[i].action != place.action || p->found[i].class_ != place.class_ ||
                        p->found[i].deep != place.deep || p->found[i].by_policy != place.by_policy)) continue;
        *state = (place_state)i;
        return true;
    }
    if (p->state_count == MAX_STATES) return false;
    *state = (place_state)p->state_count++;
    p->sets[*state] = *set;
    p->accepts[*state] = accepts;
    p->found[*state] = place;
    return true;
}

static bool follow(struct places *p, const struct set *from, name_id name, place_state *to)
{
    struct set set = floating(p);
    bool accepts = false;
    struct place place = {0};
    for (size_t i = 0; i < p->item_count; i++) {
        if (!set_has(from, i) || (p->items[i].name != ANY && p->items[i].name != name)) continue;
        if (!p->items[i].last) {
            set_put(&set, i + 1);
        } else if (!accepts || p->items[i].place.action > place.action) {
            accepts = true;
            place = p->items[i].place;
        }
    }
    return intern(p, &set, accepts, place, to);
}

static bool allocate(struct places *p)
{
    p->name_count = 1;
    for (size_t i = 0; i < p->item_count; i++)
        if (p->items[i].name >= p->name_count) p->name_count = (size_t)p->items[i].name + 1;
    p->columns = calloc(p->name_count, sizeof *p->columns);
    p->column_names = calloc(p->item_count + 1, sizeof *p->column_names);
    p->sets = calloc(MAX_STATES, sizeof *p->sets);
    p->found = calloc(MAX_STATES, sizeof *p->found);
    p->accepts = calloc(MAX_STATES, sizeof *p->accepts);
    return p->columns && p->column_names && p->sets && p->found && p->accepts;
}

static void number_columns(struct places *p)
{
    p->column_count = 1;
    for (size_t i = 0; i < p->item_count; i++) {
        name_id name = p->items[i].name;
        if (name == ANY || p->columns[name] != 0) continue;
        p->column_names[p->column_count] = name;
        p->columns[name] = (uint16_t)p->column_count++;
    }
}

bool places_compile(struct places *p, struct error *err)
{
    if (!allocate(p)) return error_set(err, ERROR_MEMORY, "no memory for the paths of the policy");
    number_columns(p);
    struct set root = floating(p);
    for (size_t i = 0; i < p->item_count; i++)
        if (p->items[i].first) set_put(&root, i);
    place_state state;
    if (!intern(p, &root, false, (struct place){0}, &state)) return false;
    for (size_t done = 0; done < p->state_count; done++) {
        place_state *grown = reallocarray(p->next, (done + 1) * p->column_count, sizeof *grown);
        if (grown == NULL) return error_set(err, ERROR_MEMORY, "no memory for the paths of the policy");
        p->next = grown;
        struct set from = p->sets[done];
        for (size_t c = 0; c < p->column_count; c++)
            if (!follow(p, &from, c == 0 ? (name_id)UINT16_MAX : p->column_names[c], &p->next[done * p->column_count + c]))
                return error_set(err, ERROR_USAGE, "the paths of the policy combine into more than %d states", MAX_STATES);
    }
    free(p->sets);
    p->sets = NULL;
    p->elsewhere = p->next[0];
    p->one_elsewhere = true;
    for (size_t s = 0; s < p->state_count; s++) p->one_elsewhere &= p->next[s * p->column_count] == p->elsewhere;
    return true;
}

uint16_t places_column(const struct places *p, name_id name) { return name < p->name_count ? p->columns[name] : 0; }

place_state places_step(const struct places *p, place_state state, uint16_t column)
{
    if (column == 0 && p->one_elsewhere) return p->elsewhere;   /* most keys; spares a look at the table */
    return p->next[state * p->column_count + column];
}

const struct place *places_find(const struct places *p, place_state state)
{
    return p->accepts[state] ? &p->found[state] : NULL;
}
