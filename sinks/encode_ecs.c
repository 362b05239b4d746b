/* The format ecs: Elastic Common Schema, as Elastic's integration for Azure's activity log writes it.
 *
 * What ECS has a field for is there (mapping.def); the record's own structure goes to azure.<data set>: azure.activitylogs,
 * azure.platformlogs for resource logs, azure.app_insights for telemetry, azure.eventhub for everything else. There, as in
 * that integration, names of Azure's are written_like_this, and dots in names become underscores, since a dot means an object
 * to Elasticsearch; names below `properties`, claims and the like, and in records of no known kind, are people's own and keep
 * their letters.
 *
 * What is an object in some records and a text in others, such as `identity` or `properties`, would clash in an index: the
 * text is called identity_name, properties_text and so on; of a category or operation that is an object, what is left is
 * category_details and operation_name_details.
 *
 * Sources: elastic/integrations, packages/azure; ECS 8.11.
 * Thread: the encoder's owner. */
#include "sinks/formats.h"
#include "sinks/nested.h"

struct ecs {
    struct nested  nested;
    struct mapping trees[4];
};

static void ecs_free(void *format)
{
    struct ecs *e = format;
    if (e == NULL) return;
    nested_release(&e->nested);
    free(e);
}

/* --- Names of the rest ------------------------------------------------------------------------------------------------ */

static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

/* A name in letters, digits, dots and underscores, as identifiers are. */
static bool is_identifier(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum(name.data[i]) && name.data[i] != '_' && name.data[i] != '.') return false;
    return name.len > 0;
}

/* roleAssignmentId, HTTPRequest: an underscore goes before a capital that follows a small letter or precedes one. */
static bool begins_word(struct slice name, size_t i)
{
    if (i == 0 || !is_upper(name.data[i]) || !ascii_is_alnum(name.data[i - 1])) return false;
    return !is_upper(name.data[i - 1]) || (i + 1 < name.len && ascii_is_alpha(name.data[i + 1]) && !is_upper(name.data[i + 1]));
}

static bool snake_case(struct nested *n)
{
    struct slice name = slice_of(n->key.data, n->key.len);
    n->scratch.len = 0;
    if (!grown_reserve(&n->scratch, 2 * name.len)) return false;
    for (size_t i = 0; i < name.len; i++) {
        if (begins_word(name, i)) n->scratch.data[n->scratch.len++] = '_';
        n->scratch.data[n->scratch.len++] = ascii_lower(name.data[i]);
    }
    n->key.len = 0;
    return grown_add(&n->key, slice_of(n->scratch.data, n->scratch.len));
}

/* Objects whose names are not Azure's. */
static bool holds_names_of_others(struct slice name)
{
    static const char *const names[] = {"properties", "properties_d", "claims", "claims_d", "tags", "measurements", "dimensions",
                                        "environment_variables", "requestbody", "eventproperties"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal_nocase(name, slice_from(names[i]))) return true;
    return false;
}

/* What makes the name of a member of the record itself differ from that of an object, or of a text, of the same name. */
static struct slice distinction(struct slice name, bool is_object)
{
    static const char *const objects[] = {"properties", "authorization", "claims", "http_request"};
    static const char *const texts[] = {"category", "operation_name"};
    if (!is_object && slice_equal(name, SLICE("identity"))) return SLICE("_name");
    for (size_t i = 0; !is_object && i < sizeof objects / sizeof objects[0]; i++)
        if (slice_equal(name, slice_from(objects[i]))) return SLICE("_text");
    for (size_t i = 0; is_object && i < sizeof texts / sizeof texts[0]; i++)
        if (slice_equal(name, slice_from(texts[i]))) return SLICE("_details");
    return SLICE("");
}

static bool rename_member(struct nested *n, uint16_t parent, bool is_object, bool inside)
{
    struct slice name = slice_of(n->key.data, n->key.len);
    bool         ours = inside && n->reading->kind != KIND_UNKNOWN && is_identifier(name);
    if (ours) n->failed |= !snake_case(n);
    for (size_t i = 0; i < n->key.len; i++)
        if (n->key.data[i] == '.') n->key.data[i] = '_';
    name = slice_of(n->key.data, n->key.len);
    ours = ours && !holds_names_of_others(name);
    if (name.len == 0) n->failed |= !grown_add(&n->key, SLICE("_"));
    else if (parent != NO_BRANCH) n->failed |= !grown_add(&n->key, distinction(name, is_object));
    return ours;
}

/* --- Records ---------------------------------------------------------------------------------------------------------- */

static unsigned data_set_of(struct reading *r)
{
    switch (kind_shape(r->kind)) {
    case SHAPE_ACTIVITY_LOG:
    case SHAPE_ACTIVITY_LOG_REST:
    case SHAPE_ACTIVITY_LOG_ROW: reading_set_json(r, DERIVED_DATA_SET, "\"azure.activitylogs\""); return 0;
    case SHAPE_RESOURCE_LOG: reading_set_json(r, DERIVED_DATA_SET, "\"azure.platformlogs\""); return 1;
    case SHAPE_APP: reading_set_json(r, DERIVED_DATA_SET, "\"azure.app_insights\""); return 2;
    case SHAPE_NOTHING:
    case SHAPE_COUNT: break;
    }
    reading_set_json(r, DERIVED_DATA_SET, "\"azure.eventhub\"");
    return 3;
}

/* Status changes of runs and jobs. */
static const char *types_of_run(struct reading *r)
{
    static const char *const starts[] = {"Running", "Started", "Starting"};
    static const char *const ends[] = {"Completed", "Finished", "Succeeded", "Failed", "Canceled", "Cancelled"};
    struct slice             state = reading_text(r, FIELD_STATE);
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (slice_equal_nocase(state, slice_from(starts[i]))) return "[\"start\"]";
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (slice_equal_nocase(state, slice_from(ends[i]))) return "[\"end\"]";
    return "[\"change\"]";
}

static void set_event(struct reading *r, const char *categories, const char *types)
{
    if (categories != NULL) reading_set_json(r, DERIVED_EVENT_CATEGORIES, categories);
    if (types != NULL) reading_set_json(r, DERIVED_EVENT_TYPES, types);
}

static void classify(struct reading *r)
{
    static const char *const types[] = {NULL, "[\"access\"]", "[\"change\"]", "[\"deletion\"]", "[\"change\"]"};
    reading_set_json(r, DERIVED_EVENT_KIND,
                     r->kind == KIND_APP_METRIC || r->kind == KIND_APP_PERFORMANCE_COUNTER ? "\"metric\"" : "\"event\"");
    switch (r->kind) {
    case KIND_SCORING_TRAFFIC:
    case KIND_SCORING_REQUEST:
    case KIND_APP_REQUEST:
    case KIND_APP_PAGE_VIEW: set_event(r, "[\"web\"]", "[\"access\"]"); return;
    case KIND_APP_EXCEPTION: set_event(r, NULL, "[\"error\"]"); return;
    case KIND_AML_RESOURCE_LOG:
        if (!r->is_run) break;
        set_event(r, "[\"process\"]", types_of_run(r));
        return;
    default: break;
    }
    set_event(r, NULL, types[r->verb]);
}

static bool ecs_write(void *format, struct reading *r, struct encoded *out)
{
    struct ecs *e = format;
    unsigned    data_set = data_set_of(r);
    reading_set_json(r, DERIVED_ECS_VERSION, "\"8.11.0\"");
    reading_set_json(r, DERIVED_CLOUD_NAME, "\"azure\"");
    if (reading_has(r, FIELD_CLAIM_NAME))
        reading_set_json(r, DERIVED_CLAIMS_SCHEMA, "\"http://schemas.xmlsoap.org/ws/2005/05/identity/claims\"");
    classify(r);
    return nested_write(&e->nested, r, &e->trees[data_set], out);
}

static void *ecs_new(const struct encoder_options *options)
{
    struct ecs *e = calloc(1, sizeof *e);
    (void)options;
    if (e == NULL || !nested_init(&e->nested)) {
        ecs_free(e);
        return NULL;
    }
    e->nested.rename = rename_member;
    for (unsigned i = 0; i < 4; i++) mapping_tree(&e->trees[i], SCHEMA_ECS, 1u << i);
    return e;
}

const struct receiver_format format_ecs = {ecs_new, ecs_free, ecs_write};
