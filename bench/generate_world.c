/* The world of a generated file (its workspaces and users) and the scene of each record: who did what, where, when. */
#include "bench/generate_priv.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const regions[][2] = {
    {"westeurope", "West Europe"},   {"northeurope", "North Europe"}, {"swedencentral", "Sweden Central"},
    {"eastus2", "East US 2"},        {"uksouth", "UK South"},         {"australiaeast", "Australia East"},
};
static const char *const teams[] = {"fraud", "pricing", "claims", "vision", "speech", "search", "credit", "logistics",
                                    "routing", "retail", "health", "energy", "support", "ranking", "safety", "quality"};
static const char *const stages[] = {"prod", "stage", "dev", "test"};
static const char *const services[] = {"scorer", "ranker", "tagger", "reader", "parser", "matcher", "detector", "embedder"};
/* As written, and as in a user principal name. */
static const char *const given_names[][2] = {
    {"Maja", "maja"},     {"Oskar", "oskar"},   {"Priya", "priya"},     {"José", "jose"},      {"Chloé", "chloe"},
    {"Liam", "liam"},     {"Noor", "noor"},     {"Jürgen", "juergen"},  {"Aisha", "aisha"},    {"Tomasz", "tomasz"},
    {"Ingrid", "ingrid"}, {"Kenji", "kenji"},   {"Fatima", "fatima"},   {"Pavel", "pavel"},    {"Siobhan", "siobhan"},
    {"Mateo", "mateo"},   {"Zoe", "zoe"},       {"Søren", "soeren"},    {"Elif", "elif"},      {"Hana", "hana"},
    {"Viktor", "viktor"}, {"Amara", "amara"},   {"Giulia", "giulia"},   {"Ewa", "ewa"},        {"Dmitri", "dmitri"},
    {"Lucía", "lucia"},   {"Thabo", "thabo"},   {"Mei", "mei"},         {"Anders", "anders"},  {"Yusuf", "yusuf"},
    {"Clara", "clara"},   {"Ravi", "ravi"},
};
static const char *const surnames[][2] = {
    {"Lindqvist", "lindqvist"}, {"Novák", "novak"},       {"Okafor", "okafor"},   {"Tanaka", "tanaka"},
    {"García", "garcia"},       {"Müller", "mueller"},    {"Rossi", "rossi"},     {"Kowalski", "kowalski"},
    {"Sharma", "sharma"},       {"Dubois", "dubois"},     {"Petrov", "petrov"},   {"Jensen", "jensen"},
    {"Yılmaz", "yilmaz"},       {"Murphy", "murphy"},     {"Silva", "silva"},     {"Nguyen", "nguyen"},
    {"Haddad", "haddad"},       {"Bergström", "bergstrom"}, {"Mbeki", "mbeki"},   {"Virtanen", "virtanen"},
    {"Schmidt", "schmidt"},     {"Costa", "costa"},       {"Andersen", "andersen"}, {"Popescu", "popescu"},
    {"Fischer", "fischer"},     {"Kaya", "kaya"},         {"Larsen", "larsen"},   {"Moreau", "moreau"},
    {"Horvat", "horvat"},       {"Bianchi", "bianchi"},   {"Sato", "sato"},       {"Weber", "weber"},
};
static const char *const tenants[] = {"contoso.example", "fabrikam.example", "northwind.example", "tailspin.example"};
static const char *const networks[] = {"203.0.113", "198.51.100", "192.0.2"};   /* RFC 5737 */
static const char *const experiments[EXPERIMENTS] = {
    "churn-forecast", "demand-weekly",  "uplift-trees",    "cnn-baseline",   "bert-finetune",  "gbm-sweep",
    "anomaly-iforest", "lstm-hourly",   "tabnet-trial",    "ocr-distill",    "clip-probe",     "mixture-heads",
    "ablation-nolr",  "warmup-cosine",  "prophet-country", "hdbscan-topics", "lightfm-pairs",  "xgb-monotone",
    "quantile-nets",  "whisper-adapt",  "yolo-conveyor",   "dqn-dispatch",   "survival-curves", "siamese-dupes"};
static const char *const operations[OPERATIONS] = {
    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/write",
    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/write",
    "Microsoft.MachineLearningServices/workspaces/datastores/write",
    "Microsoft.MachineLearningServices/workspaces/environments/versions/write",
    "Microsoft.MachineLearningServices/workspaces/models/versions/write",
    "Microsoft.MachineLearningServices/workspaces/computes/write",
    "Microsoft.MachineLearningServices/workspaces/data/versions/delete",
    "Microsoft.Authorization/roleAssignments/write",
};
static const char *const adjectives[] = {"amiable", "brave", "calm", "dreamy", "eager", "frosty", "gentle", "heroic",
                                         "jovial", "keen", "loyal", "mango", "nifty", "olive", "plucky", "quiet"};
static const char *const nouns[] = {"angle", "basin", "camel", "drain", "engine", "feather", "grape", "hominy",
                                    "island", "jelly", "kettle", "lemon", "mango", "nerve", "oxygen", "wolf"};

static char upper_operations[OPERATIONS][128];

/* Two draws never stand in one call: the order of arguments is the compiler's, and the bytes must not be. */
#define PICK(random, array) ((array)[random_below(random, COUNT(array))])

static void make_upper(char *to, size_t capacity, const char *from)
{
    size_t i = 0;
    for (; from[i] != '\0' && i + 1 < capacity; i++) to[i] = ascii_is_alpha(from[i]) ? (char)(from[i] & ~0x20) : from[i];
    to[i] = '\0';
}

static void draw_guid(char out[40], struct random *r)
{
    struct text t = {out, 0, 39};
    put_guid(&t, r);
    out[t.len] = '\0';
}

static void init_endpoint(struct endpoint *e, const struct workspace *w, const char *team, struct random *r)
{
    const char *service = PICK(r, services);
    snprintf(e->name, sizeof e->name, "%s-%s-%02u", team, service, random_below(r, 100));
    snprintf(e->scope, sizeof e->scope,
             "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.MachineLearningServices/workspaces/%s/onlineEndpoints/%s",
             w->subscription, w->group, w->name, e->name);
}

static void init_workspace(struct workspace *w, struct random *r, char (*subscriptions)[40], char (*tenant_ids)[40])
{
    unsigned home = random_below(r, 12), region = random_below(r, COUNT(regions));
    const char *team = PICK(r, teams), *stage = PICK(r, stages);
    snprintf(w->subscription, sizeof w->subscription, "%s", subscriptions[home]);
    snprintf(w->tenant, sizeof w->tenant, "%s", tenant_ids[home % 4]);
    draw_guid(w->id, r);
    draw_guid(w->ikey, r);
    w->region = regions[region][0];
    w->region_name = regions[region][1];
    snprintf(w->name, sizeof w->name, "ws-%s-%s-%02u", team, stage, random_below(r, 100));
    snprintf(w->group, sizeof w->group, "rg-%s-%s", team, stage);
    for (int i = 0; i < ENDPOINTS; i++) init_endpoint(&w->endpoints[i], w, team, r);
    char scope[256];
    snprintf(scope, sizeof scope, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.MachineLearningServices/workspaces/%s",
             w->subscription, w->group, w->name);
    make_upper(w->upper, sizeof w->upper, scope);
}

static void init_user(struct user *u, struct random *r)
{
    const char *const *given = PICK(r, given_names), *const *surname = PICK(r, surnames);
    u->given = given[0];
    u->surname = surname[0];
    const char *tenant = PICK(r, tenants);
    snprintf(u->upn, sizeof u->upn, "%s.%s%u@%s", given[1], surname[1], random_below(r, 90), tenant);
    draw_guid(u->oid, r);
    size_t n = 0;
    for (const char *c = u->oid; *c != '\0'; c++)
        if (*c != '-') u->plain_oid[n++] = *c;
    u->plain_oid[n] = '\0';
    snprintf(u->puid, sizeof u->puid, "1003200%09X", random_below(r, UINT32_MAX));
    struct text nameid = {u->nameid, 0, sizeof u->nameid - 1};
    put_base64url(&nameid, r, 43);
    u->nameid[nameid.len] = '\0';
    const char *network = PICK(r, networks);
    snprintf(u->ip, sizeof u->ip, "%s.%u", network, random_below(r, 254) + 1);
}

void world_init(struct world *w, struct random *r)
{
    char subscriptions[12][40], tenant_ids[4][40];
    for (size_t i = 0; i < COUNT(subscriptions); i++) draw_guid(subscriptions[i], r);
    for (size_t i = 0; i < COUNT(tenant_ids); i++) draw_guid(tenant_ids[i], r);
    for (int i = 0; i < WORKSPACES; i++) init_workspace(&w->workspaces[i], r, subscriptions, tenant_ids);
    for (int i = 0; i < USERS; i++) init_user(&w->users[i], r);
    for (int i = 0; i < OPERATIONS; i++) make_upper(upper_operations[i], sizeof upper_operations[i], operations[i]);
}

static void end(struct text *t) { t->data[t->len] = '\0'; }

/* Default names of jobs (two words and ten characters without vowels), script runs, HyperDrive and AutoML children,
 * and the bare GUIDs of pipelines. */
static void draw_run_ids(struct scene *s)
{
    struct random *r = s->random;
    struct text run = {s->run, 0, sizeof s->run - 1}, root = {s->root, 0, sizeof s->root - 1};
    unsigned form = random_below(r, 10);
    s->parent[0] = '\0';
    if (form < 4) {
        put_string(&root, PICK(r, adjectives));
        put_string(&root, "_");
        put_string(&root, PICK(r, nouns));
        put_string(&root, "_");
        for (int i = 0; i < 10; i++) put(&root, &"bcdfghjklmnpqrstvwxyz0123456789"[random_below(r, 31)], 1);
    } else if (form < 6) {
        put_string(&root, s->experiment);
        put_string(&root, "_");
        put_number(&root, 1795000000 + random_below(r, 999999), 10);
        put_string(&root, "_");
        put_hex(&root, r, 8);
    } else {
        put_string(&root, form == 6 ? "HD_" : form == 7 ? "AutoML_" : "");
        put_guid(&root, r);
    }
    end(&root);
    put_slice(&run, slice_of(root.data, root.len));
    if (form == 6 || form == 7) {
        put_string(&run, "_");
        put_number(&run, random_below(r, 200), 1);
    }
    if (form >= 8) {
        run.len = 0;
        put_guid(&run, r);
    }
    end(&run);
    if (form >= 6) memcpy(s->parent, s->root, sizeof s->parent);
}

void scene_draw(struct scene *s, enum record_kind kind, uint64_t number)
{
    struct random *r = s->random;
    s->number = number;
    s->epoch = 1793491200 + number / 500;   /* 1 November 2026 */
    s->workspace = &PICK(r, s->world->workspaces);
    s->endpoint = &PICK(r, s->workspace->endpoints);
    s->user = &PICK(r, s->world->users);
    draw_guid(s->request, r);
    if (kind == RECORD_ACTIVITY) {
        unsigned operation = random_below(r, OPERATIONS);
        s->operation = operations[operation];
        s->upper_operation = upper_operations[operation];
    } else if (kind == RECORD_RUN) {
        s->experiment = PICK(r, experiments);
        draw_guid(s->experiment_id, r);
        draw_run_ids(s);
    }
}
