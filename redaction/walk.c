/* Walks the tape of a record once: decides by place and by name, and gathers all other text for the scan. */
#include "redaction/engine.h"
#include "redaction/values.h"
#include "redaction/words.h"

const struct context root_context = {.state = PLACES_ROOT};

/* A value on its way to a decision. */
struct value {
    uint32_t view, node;
    uint32_t traits;          /* of its key; 0 for elements of arrays without one */
};

static const struct node *node_of(const struct redactor *r, uint32_t view, uint32_t node)
{
    return &r->views[view].tape->nodes[node];
}

static struct finding place_finding(const struct redactor *r, const struct place *p)
{
    static const enum engine_rule rules[RULE_CLASS_COUNT] = {
        [RULE_CLASS_SECRET] = ENGINE_NAME, [RULE_CLASS_ENVIRONMENT] = ENGINE_ENVIRONMENT, [RULE_CLASS_RUN_ID] = ENGINE_RUN,
        [RULE_CLASS_IDENTITY] = ENGINE_IDENTITY, [RULE_CLASS_EMAIL] = ENGINE_IDENTITY,
        [RULE_CLASS_NATIONAL_ID] = ENGINE_IDENTITY, [RULE_CLASS_CARD] = ENGINE_NAME,
        [RULE_CLASS_RESOURCE_NAME] = ENGINE_RESOURCE_NAME, [RULE_CLASS_IP_ADDRESS] = ENGINE_ADDRESS,
        [RULE_CLASS_MODEL_DATA] = ENGINE_MODEL_DATA, [RULE_CLASS_QUERY] = ENGINE_QUERY,
        [RULE_CLASS_INSTRUMENTATION_KEY] = ENGINE_IKEY, [RULE_CLASS_ENVELOPE_KEY] = ENGINE_ENVELOPE_KEY,
    };
    struct finding f = engine_finding(r, p->by_policy ? ENGINE_PATH : rules[p->class_]);
    f.action = p->action;
    return f;
}

/* --- Values by name ------------------------------------------------------------------------------------------------------- */

/* How a variable's value is treated. The stricter of environment and run id would be the mask, but a pseudonym of the run
 * joins this record with the others of the run and gives as little away. */
struct finding variable_finding(const struct redactor *r, uint32_t traits)
{
    return engine_finding(r, traits & TRAIT_RUN_VARIABLE ? ENGINE_RUN : traits & TRAIT_STRONG ? ENGINE_NAME : ENGINE_ENVIRONMENT);
}

/* Whether the name of the value decides, and what. */
static bool decide_by_name(const struct redactor *r, uint32_t traits, struct slice text, const struct context *c,
                           struct finding *f)
{
    bool listed = c->listing && (traits & (TRAIT_WEAK | TRAIT_PAIR_VALUE));
    bool weak = (traits & TRAIT_WEAK) || (c->listing && !(traits & TRAIT_PAIR_NAME));
    *f = engine_finding(r, ENGINE_NAME);
    /* The columns Authorization and authorization hold who was allowed what, as an object or as JSON text. */
    bool allowance = (traits & TRAIT_STRONG) && !(traits & TRAIT_LISTING) && text.len > 0 && text.data[0] == '{';
    if (((traits & TRAIT_STRONG) && !allowance) || listed) return !says_nothing(text);
    return weak && (looks_like_credential(text) || ((traits & TRAIT_TOKEN) && looks_mixed(text)));
}

/* --- Strings -------------------------------------------------------------------------------------------------------------- */

/* Length of NAME in a text "NAME=value" where NAME is spelt like an environment variable, or 0. */
static size_t variable_name(struct slice text)
{
    size_t i = 0;
    while (i < text.len && (text.data[i] == '_' || (text.data[i] >= 'A' && text.data[i] <= 'Z') ||
                            (i > 0 && ascii_is_digit(text.data[i]))))
        i++;
    return i >= 2 && i < text.len && text.data[i] == '=' ? i : 0;
}

/* Masks the value in an element "NAME=value" of an array. Whatever stands before the sign is still to be examined. */
static void walk_assignment(struct redactor *r, uint32_t view, uint32_t from, uint32_t to, const struct context *c)
{
    struct slice text = view_piece(&r->views[view], from, to);
    size_t len = variable_name(text);
    if (len == 0 && c->environment && text.data[0] != '{' && text.data[0] != '[') {
        const char *equals = memchr(text.data, '=', text.len);
        len = equals == NULL ? 0 : (size_t)(equals - text.data);
    }
    if (len == 0) return;
    uint32_t traits = plan_traits(r->plan, slice_sub(text, 0, len));
    if (traits & TRAIT_HARMLESS) return;
    replace_text(r, view, from + (uint32_t)len + 1, to, variable_finding(r, traits));
}

static void walk_string(struct redactor *r, struct value v, const struct place *place, const struct context *c, bool element)
{
    const struct node n = *node_of(r, v.view, v.node);
    uint32_t from, to, view;
    bool by_name = (v.traits & (TRAIT_STRONG | TRAIT_WEAK | TRAIT_ENVIRONMENT | TRAIT_IDENTITY)) || c->listing;
    bool variable = c->environment && !element;
    if (!place && !by_name && !variable && !element && !(n.facts & FACT_ESCAPE)) {
        struct context inside = {.state = c->state, .inherited = c->inherited, .traits = v.traits};
        examine(r, v.view, n.start, n.end, n.facts, &inside);
        return;
    }
    view = string_view(r, v.view, &n, &from, &to);
    if (view == NO_VIEW) return;
    struct slice text = view_piece(&r->views[view], from, to);
    struct finding f;
    bool done = false;
    bool harmless = variable && (v.traits & TRAIT_HARMLESS);
    if (variable && !harmless) done = replace_text(r, view, from, to, variable_finding(r, v.traits));
    if (!done && !harmless && decide_by_name(r, v.traits, text, c, &f)) done = replace_text(r, view, from, to, f);
    if (!done && place != NULL) done = replace_text(r, view, from, to, place_finding(r, place));
    if (!done && (v.traits & TRAIT_IDENTITY)) done = replace_text(r, view, from, to, engine_finding(r, ENGINE_IDENTITY));
    if (done || is_ours(r, text)) return;
    if (element) walk_assignment(r, view, from, to, c);
    if (v.traits & TRAIT_ENVIRONMENT) text_read_variables(r, &(struct reading){.text = text, .view = view, .from = from}, 0);
    struct context inside = {.state = c->state, .inherited = c->inherited, .listing = c->listing, .traits = v.traits};
    examine(r, view, from, to, view == v.view ? n.facts : ALL_FACTS, &inside);
}

/* --- Other scalars --------------------------------------------------------------------------------------------------------- */

#define MIN_NUMBER_DIGITS 11   /* shorter ones are neither cards nor personal numbers */

/* "4111111111111111.0", as tables of floating point numbers are written: without the zeros. */
static struct slice without_zeros(struct slice number)
{
    size_t len = number.len;
    while (number.data[len - 1] == '0') len--;   /* no number of JSON is nothing but zeros, if it is long */
    return number.data[len - 1] == '.' ? slice_sub(number, 0, len - 1) : number;
}

static void walk_number(struct redactor *r, struct value v, const struct place *place, const struct context *c)
{
    const struct node n = *node_of(r, v.view, v.node);
    struct slice text = view_piece(&r->views[v.view], n.start, n.end);
    if ((v.traits & TRAIT_STRONG) || (c->environment && !(v.traits & TRAIT_HARMLESS))) {
        replace_node(r, v.view, v.node, variable_finding(r, v.traits));
    } else if (place != NULL) {
        replace_node(r, v.view, v.node, place_finding(r, place));
    } else if (text.len >= MIN_NUMBER_DIGITS) {
        uint32_t rule, from, to;
        if (!rules_digits(r->plan->rules, without_zeros(text), 0, &rule, &from, &to)) return;
        struct rule_view info = rules_get(r->plan->rules, rule);
        replace_node(r, v.view, v.node,
                     (struct finding){.rule = rule, .class_ = info.class_, .action = r->plan->policy.actions[info.class_]});
    }
}

/* --- Objects and arrays ------------------------------------------------------------------------------------------------- */

static bool is_spelt_as_variable(struct slice key)
{
    if (key.len < 2 || !ascii_is_alpha(key.data[0])) return false;
    for (size_t i = 0; i < key.len; i++)
        if (key.data[i] >= 'a' && key.data[i] <= 'z') return false;
    return true;
}

/* `env` and `environment` are also the names of other things, such as an environment that has a name and a version. An
 * object is a set of variables if one of its names is spelt like a variable, or if it holds nothing but texts and numbers and
 * none of the names that such things have; an array, if it holds {name, value} pairs or NAME=value texts. */
static bool holds_variables(const struct redactor *r, uint32_t view, uint32_t node)
{
    static const char *const other[] = {"name", "version", "id", "type", "kind", "image", "label", "docker", "conda", "stage",
                                        NULL};
    const struct tape *t = r->views[view].tape;
    const struct node *n = &t->nodes[node];
    bool flat = n->type == NODE_OBJECT && n->next > node + 1;
    for (uint32_t k = node + 1; k < n->next; k = t->nodes[k].next) {
        const struct node *m = &t->nodes[k];
        struct slice text = slice_of(t->text.data + m->start, m->end - m->start);
        if (n->type == NODE_OBJECT) {
            if (is_spelt_as_variable(text)) return true;
            flat = flat && t->nodes[k + 1].type != NODE_OBJECT && t->nodes[k + 1].type != NODE_ARRAY &&
                   !word_is_listed(text, other);
        } else if (m->type == NODE_OBJECT || (m->type == NODE_STRING && memchr(text.data, '=', text.len) != NULL)) {
            return true;
        }
    }
    return flat;
}

static bool is_environment(const struct redactor *r, struct value v)
{
    return (v.traits & TRAIT_ENVIRONMENT) && r->plan->policy.actions[RULE_CLASS_ENVIRONMENT] != ACTION_KEEP &&
           ((v.traits & TRAIT_VARIABLES) || holds_variables(r, v.view, v.node));
}

/* Whether a place takes a container as a whole. */
static bool takes_whole(const struct place *p)
{
    return p->action >= ACTION_MASK && (p->by_policy || (p->deep && p->class_ == RULE_CLASS_MODEL_DATA));
}

static void walk_value(struct redactor *r, struct value v, const struct context *c, bool element);

#define SHORT_NAME 256

/* What the name in a {name, value} pair says of the value. */
static uint32_t pair_name_traits(struct redactor *r, uint32_t job, const struct tape *t, const struct node *n)
{
    char decoded[SHORT_NAME + PARSER_PADDING], *room = decoded;
    struct slice name = slice_of(t->text.data + n->start, n->end - n->start);
    if (n->facts & FACT_ESCAPE) {
        if (name.len > SHORT_NAME) room = arena_take(&r->arena, name.len + PARSER_PADDING);
        if (room == NULL) {
            job_refuse(r, job, REFUSAL_MEMORY);
            return 0;
        }
        name = slice_of(room, string_decode(name, room));
    }
    uint32_t traits = plan_traits(r->plan, name) & (TRAIT_STRONG | TRAIT_WEAK | TRAIT_HARMLESS | TRAIT_RUN_VARIABLE);
    bool variable = name.len >= 2;
    for (size_t i = 0; i < name.len && variable; i++)
        variable = name.data[i] == '_' || (name.data[i] >= 'A' && name.data[i] <= 'Z') || ascii_is_digit(name.data[i]);
    return traits | (variable && !ascii_is_digit(name.data[0]) ? TRAIT_ENVIRONMENT : 0);
}

/* What the names of an object say of its `value`. Where there are several, each counts. */
static uint32_t pair_traits(struct redactor *r, uint32_t view, uint32_t object)
{
    uint32_t traits = 0, harmless = TRAIT_HARMLESS;
    bool found = false;
    const struct tape *t = r->views[view].tape;
    for (uint32_t k = object + 1; k < t->nodes[object].next; k = t->nodes[k].next) {
        const struct key_entry *e = key_cache_get(r->keys, t->nodes[k].name);
        const struct node *n = &t->nodes[k + 1];
        if (!(e->traits & TRAIT_PAIR_NAME) || n->type != NODE_STRING) continue;
        uint32_t said = pair_name_traits(r, r->views[view].job, t, n);
        traits |= said & ~(uint32_t)TRAIT_HARMLESS;
        harmless &= said;
        found = true;
    }
    return found ? traits | harmless : 0;
}

/* In a pair the name says what the value is, whatever stands around it. */
static void walk_pair_value(struct redactor *r, struct value v, uint32_t traits, const struct context *c)
{
    struct context pair = *c;
    pair.environment = c->environment || (traits & TRAIT_ENVIRONMENT);
    v.traits |= traits & ~(uint32_t)TRAIT_ENVIRONMENT;
    walk_value(r, v, &pair, false);
}

/* Gathers the text of a key that has not been examined before; returns what is known of it. */
static const struct key_entry *examine_key(struct redactor *r, uint32_t view, const struct node *key)
{
    const struct key_entry *e = key_cache_get(r->keys, key->name);
    if (e->examined) return e;
    uint32_t from, to, key_view = string_view(r, view, key, &from, &to);
    if (key_view == NO_VIEW) return e;
    size_t leaf = r->leaf_count, views = r->view_count;
    gather(r, key_view, from, to, key->name);
    if (key->facts != 0) examine_encoded(r, key_view, from, to, key_view == view ? key->facts : ALL_FACTS, &root_context);
    bool whole = r->view_count == views && r->jobs[r->views[view].job].refusal == REFUSAL_NONE;
    if (!whole && leaf < r->leaf_count) r->leaves[leaf].key_slot = 0;
    return e;
}

/* Traits of a key that decide something about its value. */
#define DECIDING (TRAIT_STRONG | TRAIT_WEAK | TRAIT_ENVIRONMENT | TRAIT_PAIR_VALUE | TRAIT_IDENTITY)

static void walk_object(struct redactor *r, uint32_t view, uint32_t object, const struct context *c, bool pairs_only)
{
    const struct tape *t = r->views[view].tape;
    uint32_t job = r->views[view].job, end = t->nodes[object].next;
    struct context inner = *c;
    bool plain = !c->environment && !c->listing && c->inherited == NULL;
    bool pair_known = false;
    uint32_t pair = 0;
    for (uint32_t k = object + 1; k < end && r->jobs[job].refusal == REFUSAL_NONE; k = t->nodes[k].next) {
        const struct key_entry *e = examine_key(r, view, &t->nodes[k]);
        const struct node *n = &t->nodes[k + 1];
        inner.state = places_step(r->plan->policy.places, c->state, (uint16_t)(e->traits & TRAIT_COLUMN));
        inner.environment = c->environment && !pairs_only;
        if (n->type == NODE_STRING && n->facts == 0 && plain && !(e->traits & DECIDING) &&
            places_find(r->plan->policy.places, inner.state) == NULL) {
            examine_plain(r, view, n->start, n->end, t->nodes[k].name, &inner);
            continue;
        }
        struct value v = {view, k + 1, e->traits};
        if (e->traits & TRAIT_PAIR_VALUE) {
            inner.environment = c->environment;
            if (!pair_known) pair = pair_traits(r, view, object);
            pair_known = true;
            walk_pair_value(r, v, pair, &inner);
        } else {
            walk_value(r, v, &inner, false);
        }
    }
}

#define MAX_HEADER 64   /* bytes of a header's name */

/* ["Authorization", "Bearer x"], ["Host", "x", "Cookie", "y"]: in an array of texts, what the element before says of this one if
 * it is spelt as a header's name. A list of such names is no list of headers. */
static uint32_t named_before(const struct redactor *r, const struct tape *t, uint32_t array, uint32_t element)
{
    uint32_t count = element - array - 1;   /* texts take one node each */
    const struct node *name = &t->nodes[element - 1], *value = &t->nodes[element];
    if (count % 2 == 0 || name->type != NODE_STRING || value->type != NODE_STRING || name->end - name->start > 6 * MAX_HEADER)
        return 0;
    char decoded[6 * MAX_HEADER + PARSER_PADDING];
    struct slice spelt = slice_of(t->text.data + name->start, name->end - name->start);
    if (name->facts & FACT_ESCAPE) spelt = slice_of(decoded, string_decode(spelt, decoded));
    if (spelt.len < 3 || spelt.len > MAX_HEADER ||
        is_known_words(slice_of(t->text.data + value->start, value->end - value->start)))
        return 0;
    for (size_t i = 0; i < spelt.len; i++)
        if (!ascii_is_alnum(spelt.data[i]) && spelt.data[i] != '-' && spelt.data[i] != '_') return 0;
    return plan_traits(r->plan, spelt) & TRAIT_STRONG;
}

static void walk_container(struct redactor *r, struct value v, const struct place *place, const struct context *c)
{
    struct context inner = *c;
    if (place != NULL && takes_whole(place)) {
        replace_node(r, v.view, v.node, place_finding(r, place));
        return;
    }
    if (is_environment(r, v)) {
        if (r->plan->policy.whole_environment) {
            replace_node(r, v.view, v.node, engine_finding(r, ENGINE_ENVIRONMENT));
            return;
        }
        inner.environment = true;
    }
    inner.inherited = place != NULL && place->deep ? place : c->inherited;
    inner.listing = c->listing || (v.traits & TRAIT_LISTING);
    const struct tape *t = r->views[v.view].tape;
    const struct node n = t->nodes[v.node];
    if (n.type == NODE_OBJECT) {
        walk_object(r, v.view, v.node, &inner, false);
        return;
    }
    uint32_t job = r->views[v.view].job;
    for (uint32_t e = v.node + 1; e < n.next && r->jobs[job].refusal == REFUSAL_NONE; e = t->nodes[e].next) {
        if (t->nodes[e].type == NODE_OBJECT && inner.environment) walk_object(r, v.view, e, &inner, true);
        else
            walk_value(r, (struct value){v.view, e, (v.traits & (TRAIT_STRONG | TRAIT_WEAK)) | named_before(r, t, v.node, e)},
                       &inner, true);
    }
}

static void walk_value(struct redactor *r, struct value v, const struct context *c, bool element)
{
    const struct place *place = places_find(r->plan->policy.places, c->state);
    if (place == NULL) place = c->inherited;   /* what is kept has no place */
    switch (node_of(r, v.view, v.node)->type) {
    case NODE_STRING: walk_string(r, v, place, c, element); break;
    case NODE_NUMBER: walk_number(r, v, place, c); break;
    case NODE_OBJECT:
    case NODE_ARRAY: walk_container(r, v, place, c); break;
    default: break;   /* true, false and null say nothing */
    }
}

void walk(struct redactor *r, uint32_t view, uint32_t node, const struct context *context)
{
    walk_value(r, (struct value){view, node, context->traits}, context, false);
}

/* --- Containers --------------------------------------------------------------------------------------------------------- */

/* The records of a container that lie ahead. */
struct ahead {
    const struct record *records;
    size_t               count;
};

static void walk_skeleton(struct redactor *r, struct value v, const struct context *c, struct ahead *ahead)
{
    const struct tape *t = r->views[v.view].tape;
    uint32_t end = t->nodes[v.node].next;
    if (ahead->count > 0 && ahead->records->node == v.node) {
        ahead->records++;
        ahead->count--;
        return;
    }
    if (ahead->count == 0 || ahead->records->node >= end) {
        walk_value(r, v, c, false);
        return;
    }
    for (uint32_t n = v.node + 1; n < end; n = t->nodes[n].next) {
        struct context inner = *c;
        struct value child = {v.view, n, 0};
        if (t->nodes[n].type == NODE_KEY) {
            child = (struct value){v.view, n + 1, examine_key(r, v.view, &t->nodes[n])->traits};
            inner.state = places_step(r->plan->policy.places, c->state, (uint16_t)(child.traits & TRAIT_COLUMN));
        }
        walk_skeleton(r, child, &inner, ahead);
    }
}

void walk_between(struct redactor *r, uint32_t view, const struct record *records, size_t count)
{
    walk_skeleton(r, (struct value){view, 0, 0}, &root_context, &(struct ahead){records, count});
}
