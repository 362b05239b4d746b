/* The format ocsf: Open Cybersecurity Schema Framework 1.8.0.
 *
 *   API Activity 6003           the activity log; operations on models, data, environments, registries, and those of other
 *                               services' resource logs
 *   HTTP Activity 4002          scoring requests, requests and page views of applications
 *   Application Lifecycle 6002  runs, jobs, clusters, compute instances, deployments and containers of Azure ML
 *   Application Error 6008      exceptions
 *   Base Event 0                console lines, traces, metrics, and all else
 *
 * What the class has no attribute for goes, with its structure, to `unmapped`. Classes that ask for an actor, a source or an
 * operation which a record does not have are given "unknown".
 *
 * Source: the published schema, ocsf-schema 1.8.0.
 * Thread: the encoder's owner. */
#include "sinks/formats.h"
#include "sinks/nested.h"

enum class { CLASS_API, CLASS_HTTP, CLASS_LIFE, CLASS_ERROR, CLASS_BASE, CLASS_COUNT };

static const struct {
    int         uid, category;
    const char *name, *category_name;
} classes[CLASS_COUNT] = {
    [CLASS_API] = {6003, 6, "\"API Activity\"", "\"Application Activity\""},
    [CLASS_HTTP] = {4002, 4, "\"HTTP Activity\"", "\"Network Activity\""},
    [CLASS_LIFE] = {6002, 6, "\"Application Lifecycle\"", "\"Application Activity\""},
    [CLASS_ERROR] = {6008, 6, "\"Application Error\"", "\"Application Activity\""},
    [CLASS_BASE] = {0, 0, "\"Base Event\"", "\"Uncategorized\""},
};

struct ocsf {
    struct nested  nested;
    struct mapping trees[CLASS_COUNT];
};

static void ocsf_free(void *format)
{
    struct ocsf *o = format;
    if (o == NULL) return;
    nested_release(&o->nested);
    free(o);
}

/* --- Classes ---------------------------------------------------------------------------------------------------------- */

/* Categories of Azure ML whose records tell what became of something that runs. */
static bool is_about_life(struct reading *r)
{
    static const char *const categories[] = {"AmlRunStatusChangedEvent", "AmlComputeJobEvent", "AmlComputeClusterEvent",
                                             "AmlComputeClusterNodeEvent", "AmlComputeInstanceEvent", "AmlDeploymentEvent",
                                             "AmlOnlineEndpointEventLog"};
    for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
        if (reading_category_is(r, categories[i])) return true;
    return false;
}

static bool has_request(const struct reading *r)
{
    return reading_has(r, DERIVED_OCSF_METHOD) || reading_has(r, FIELD_REQUEST_URL) || reading_has(r, DERIVED_STATUS) ||
           reading_has(r, FIELD_USER_AGENT);
}

static enum class class_of(struct reading *r)
{
    switch (r->kind) {
    case KIND_ACTIVITY_LOG:
    case KIND_ACTIVITY_LOG_REST:
    case KIND_ACTIVITY_LOG_ROW:
    case KIND_RESOURCE_LOG: return CLASS_API;
    case KIND_AML_RESOURCE_LOG:
        if (reading_category_is(r, "AmlComputeCpuGpuUtilization")) return CLASS_BASE;
        return is_about_life(r) ? CLASS_LIFE : CLASS_API;
    case KIND_SCORING_TRAFFIC:
    case KIND_SCORING_REQUEST:
    case KIND_APP_REQUEST:
    case KIND_APP_PAGE_VIEW: return has_request(r) ? CLASS_HTTP : CLASS_BASE;
    case KIND_APP_EXCEPTION: return CLASS_ERROR;
    default: return CLASS_BASE;
    }
}

/* --- Activities ------------------------------------------------------------------------------------------------------- */

struct activity {
    int         id;
    const char *name;
};

static struct activity api_activity(const struct reading *r)
{
    switch (r->verb) {
    case VERB_READ: return (struct activity){2, "\"Read\""};
    case VERB_WRITE: return (struct activity){3, "\"Update\""};
    case VERB_DELETE: return (struct activity){4, "\"Delete\""};
    case VERB_ACTION: return (struct activity){99, "\"Action\""};
    case VERB_NONE: break;
    }
    return (struct activity){0, "\"Unknown\""};
}

static struct activity http_activity(const struct reading *r)
{
    static const struct {
        const char     *method;
        struct activity activity;
    } activities[] = {{"CONNECT", {1, "\"Connect\""}}, {"DELETE", {2, "\"Delete\""}}, {"GET", {3, "\"Get\""}},
                      {"HEAD", {4, "\"Head\""}},       {"OPTIONS", {5, "\"Options\""}}, {"POST", {6, "\"Post\""}},
                      {"PUT", {7, "\"Put\""}},         {"TRACE", {8, "\"Trace\""}},   {"PATCH", {9, "\"Patch\""}}};
    struct slice method = r->cells[DERIVED_OCSF_METHOD].text;
    for (size_t i = 0; i < sizeof activities / sizeof activities[0]; i++)
        if (slice_equal(method, slice_from(activities[i].method))) return activities[i].activity;
    return (struct activity){0, "\"Unknown\""};
}

static bool contains_nocase(struct slice text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (slice_equal_nocase(slice_of(text.data + i, len), slice_from(word))) return true;
    return false;
}

/* By the words in state, operation and name: "Running", "JobSubmitted", "computes/start/action", "Killing". */
static struct activity life_activity(struct reading *r)
{
    static const struct {
        const char     *word;
        struct activity activity;
    } words[] = {{"restart", {5, "\"Restart\""}},  {"running", {3, "\"Start\""}},   {"start", {3, "\"Start\""}},
                 {"complete", {4, "\"Stop\""}},    {"finished", {4, "\"Stop\""}},   {"succeeded", {4, "\"Stop\""}},
                 {"failed", {4, "\"Stop\""}},      {"cancel", {4, "\"Stop\""}},     {"stop", {4, "\"Stop\""}},
                 {"kill", {4, "\"Stop\""}},        {"delete", {2, "\"Remove\""}},   {"create", {1, "\"Install\""}},
                 {"resize", {8, "\"Update\""}},    {"write", {8, "\"Update\""}}};
    bool         by_state = r->is_run || reading_category_is(r, "AmlOnlineEndpointEventLog");
    struct slice told = reading_text(r, by_state ? FIELD_STATE : FIELD_OPERATION);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (contains_nocase(told, words[i].word)) return words[i].activity;
    return told.len > 0 ? (struct activity){99, "\"Other\""} : (struct activity){0, "\"Unknown\""};
}

static struct activity activity_of(struct reading *r, enum class class)
{
    switch (class) {
    case CLASS_API: return api_activity(r);
    case CLASS_HTTP: return http_activity(r);
    case CLASS_LIFE: return life_activity(r);
    case CLASS_ERROR: return (struct activity){1, "\"General Error\""};
    case CLASS_BASE:
    case CLASS_COUNT: break;
    }
    return (struct activity){99, "\"Log\""};
}

/* --- What all classes have -------------------------------------------------------------------------------------------- */

static void set_class(struct reading *r, enum class class)
{
    struct activity activity = activity_of(r, class);
    reading_set_number(r, DERIVED_CLASS_UID, classes[class].uid, false);
    reading_set_json(r, DERIVED_CLASS_NAME, classes[class].name);
    reading_set_number(r, DERIVED_CATEGORY_UID, classes[class].category, false);
    reading_set_json(r, DERIVED_CATEGORY_NAME, classes[class].category_name);
    reading_set_number(r, DERIVED_ACTIVITY_UID, activity.id, false);
    reading_set_json(r, DERIVED_ACTIVITY_NAME, activity.name);
    reading_set_number(r, DERIVED_TYPE_UID, classes[class].uid * 100 + activity.id, false);
}

static void set_severity_and_status(struct reading *r)
{
    static const struct activity severities[] = {{0, "\"Unknown\""}, {1, "\"Informational\""}, {1, "\"Informational\""},
                                                 {2, "\"Low\""},     {4, "\"High\""},          {5, "\"Critical\""}};
    static const struct activity statuses[] = {{0, "\"Unknown\""}, {1, "\"Success\""}, {2, "\"Failure\""}};
    reading_set_number(r, DERIVED_OCSF_SEVERITY_ID, severities[r->severity].id, false);
    reading_set_json(r, DERIVED_OCSF_SEVERITY, severities[r->severity].name);
    reading_set_number(r, DERIVED_OCSF_STATUS_ID, statuses[r->outcome].id, false);
    reading_set_json(r, DERIVED_OCSF_STATUS, statuses[r->outcome].name);
}

static void set_metadata(struct reading *r)
{
    enum shape shape = kind_shape(r->kind);
    bool       activity = shape == SHAPE_ACTIVITY_LOG || shape == SHAPE_ACTIVITY_LOG_REST || shape == SHAPE_ACTIVITY_LOG_ROW;
    bool       learning = r->kind == KIND_SCORING_TRAFFIC || r->kind == KIND_SCORING_REQUEST || r->kind == KIND_AML_CONSOLE_LOG ||
                    r->kind == KIND_AML_RESOURCE_LOG;
    reading_set_json(r, DERIVED_OCSF_VERSION, "\"1.8.0\"");
    reading_set_json(r, DERIVED_PRODUCT, activity ? "\"Azure Activity Log\"" : learning ? "\"Azure Machine Learning\""
                                       : shape == SHAPE_APP ? "\"Application Insights\"" : "\"Azure Monitor\"");
    reading_set_json(r, DERIVED_VENDOR, "\"Microsoft\"");
    reading_set_json(r, DERIVED_OCSF_PROFILES, "[\"cloud\"]");
    reading_set_json(r, DERIVED_OCSF_PROVIDER, "\"Azure\"");
    if (!reading_has(r, DERIVED_SUBSCRIPTION)) return;
    reading_set_json(r, DERIVED_OCSF_ACCOUNT_TYPE, "\"Azure Subscription\"");
    reading_set_number(r, DERIVED_OCSF_ACCOUNT_TYPE_ID, 13, false);
}

static void set_stand_ins(struct reading *r)
{
    bool source = reading_has(r, DERIVED_IP) || reading_has(r, DERIVED_IP_OTHER);
    bool actor = reading_has(r, DERIVED_USER_NAME) || reading_has(r, FIELD_CALLER_ID) || reading_has(r, FIELD_APP_ID);
    reading_set_json(r, DERIVED_OCSF_OPERATION, "\"unknown\"");
    if (!source) reading_set_json(r, DERIVED_OCSF_SOURCE, "\"unknown\"");
    if (!actor) reading_set_json(r, DERIVED_OCSF_ACTOR, "\"unknown\"");
}

/* Letters, digits, hyphens and dots, as the schema has it. */
static void set_host(struct reading *r)
{
    struct slice host = r->cells[DERIVED_URL_DOMAIN].text;
    for (size_t i = 0; i < host.len; i++)
        if (!ascii_is_alnum(host.data[i]) && host.data[i] != '-' && host.data[i] != '.') return;
    reading_set_text(r, DERIVED_OCSF_HOST, host, false);
}

static void set_app(struct reading *r)
{
    if (reading_has(r, FIELD_EXPERIMENT)) r->cells[DERIVED_OCSF_APP] = r->cells[FIELD_EXPERIMENT];
    else if (reading_has(r, FIELD_SERVICE)) r->cells[DERIVED_OCSF_APP] = r->cells[FIELD_SERVICE];
    else reading_set_json(r, DERIVED_OCSF_APP, "\"Azure Machine Learning\"");
}

static bool ocsf_write(void *format, struct reading *r, struct encoded *out)
{
    struct ocsf *o = format;
    enum class   class = class_of(r);
    set_class(r, class);
    set_severity_and_status(r);
    set_metadata(r);
    set_stand_ins(r);
    set_host(r);
    set_app(r);
    if (!reading_has(r, DERIVED_STATUS)) r->cells[DERIVED_RESPONSE_SIZE].type = CELL_NONE;   /* a response must have a code */
    return nested_write(&o->nested, r, &o->trees[class], out);
}

static void *ocsf_new(const struct encoder_options *options)
{
    struct ocsf *o = calloc(1, sizeof *o);
    (void)options;
    if (o == NULL || !nested_init(&o->nested)) {
        ocsf_free(o);
        return NULL;
    }
    for (unsigned i = 0; i < CLASS_COUNT; i++) mapping_tree(&o->trees[i], SCHEMA_OCSF, 1u << i);
    return o;
}

const struct receiver_format format_ocsf = {ocsf_new, ocsf_free, ocsf_write};
