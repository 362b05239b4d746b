#include "config.h"

#include "base/nearest.h"
#include "http_listen.h"
#include "net/tls_files.h"

#include <stdlib.h>

#define MOST_SOURCES 64
#define NAME_MAX_BYTES 64
#define TOKEN_MIN_BYTES 16   /* of the admin listener */

/* --- The tables ------------------------------------------------------------------------------------------------------------- */

static const char *const log_formats[] = {"auto", "text", "json", NULL};
static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};

static const struct setting run_table[] = {
    {"policy", SETTING_TEXT, offsetof(struct run_settings, policy), "standard", .help = "standard, hbi or a policy file"},
    {"key_file", SETTING_TEXT, offsetof(struct run_settings, key_file), NULL,
     .help = "keys of the pseudonyms; without it a key is made in the store"},
    {"workers", SETTING_NUMBER, offsetof(struct run_settings, workers), "1", .least = 1, .most = 64, .help = "threads that redact"},
    {"max_record", SETTING_BYTES, offsetof(struct run_settings, max_record), "1M", .least = 1024, .most = 64 << 20,
     .help = "longest record; longer ones are withheld"},
    {"max_depth", SETTING_NUMBER, offsetof(struct run_settings, max_depth), "128", .least = 1, .most = 100000,
     .help = "deepest nesting; deeper records are withheld"},
    {"blocks", SETTING_NUMBER, offsetof(struct run_settings, blocks), "12", .least = 4, .most = 4096,
     .help = "clean blocks held in memory at most; each has some hundred KiB"},
    {"drain_timeout", SETTING_DURATION, offsetof(struct run_settings, drain_ms), "10s", .most = 3600000,
     .help = "how long a stop may wait for sinks"},
    {"log_format", SETTING_CHOICE, offsetof(struct run_settings, log_format), "auto", .choices = log_formats,
     .help = "auto: text on a terminal, JSON otherwise"},
    {"log_level", SETTING_CHOICE, offsetof(struct run_settings, log_level), "info", .choices = log_levels, .help = "least level of log lines"},
    {"second_gate", SETTING_BOOL, offsetof(struct run_settings, second_gate), "true",
     .help = "scan the final bytes once more before they go to a sink over the network"},
    {.name = NULL},
};

static const struct setting store_table[] = {
    {"path", SETTING_TEXT, offsetof(struct store_settings, path), NULL, .required = true, .help = "folder of positions and spool"},
    {"max_bytes", SETTING_BYTES, offsetof(struct store_settings, max_bytes), "1G", .least = 1 << 20, .help = "room of the spool on disk"},
    {"key_file", SETTING_TEXT, offsetof(struct store_settings, key_file), NULL, .help = "encrypts the spool: a file with 32 bytes, base64 or hex"},
    {.name = NULL},
};

static const struct setting sealed_table[] = {
    {"path", SETTING_TEXT, offsetof(struct sealed_settings, path), NULL, .required = true,
     .help = "file to which withheld records are appended, sealed"},
    {"key_file", SETTING_TEXT, offsetof(struct sealed_settings, key_file), NULL, .required = true, .help = "public key, of lethe keygen --seal"},
    {"max_bytes", SETTING_BYTES, offsetof(struct sealed_settings, max_bytes), "1G", .least = 1 << 20,
     .help = "when it is that long, no more is kept"},
    {.name = NULL},
};

static const struct setting admin_table[] = {
    {"listen", SETTING_TEXT, offsetof(struct admin_settings, listen), NULL, .required = true,
     .help = "address of /metrics, /healthz, /readyz and the status page"},
    {"certificate", SETTING_FILE, offsetof(struct admin_settings, certificate), NULL, .help = "PEM file; needed unless the address is loopback"},
    {"key", SETTING_FILE, offsetof(struct admin_settings, key), NULL, .help = "PEM file of the certificate's key"},
    {"token", SETTING_SECRET, offsetof(struct admin_settings, token), NULL, .help = "bearer token; needed unless the address is loopback"},
    {.name = NULL},
};

static const struct setting policy_rule_table[] = {
    {"source", SETTING_TEXT, offsetof(struct policy_rule, source), "*", .help = "name of a source, * for any text"},
    {"resource", SETTING_TEXT, offsetof(struct policy_rule, resource), "*", .help = "resource id, * for any text"},
    {"policy", SETTING_TEXT, offsetof(struct policy_rule, policy), NULL, .required = true, .help = "the policy for these"},
    {.name = NULL},
};

/* What every source and sink has, beside the settings of its type. */
struct source_common {
    const char *name, *policy;
};

static const struct setting source_table[] = {
    {"name", SETTING_TEXT, offsetof(struct source_common, name), NULL, .required = true, .help = "your name for it"},
    {"policy", SETTING_TEXT, offsetof(struct source_common, policy), NULL, .help = "another policy than the run's"},
    {.name = NULL},
};

struct sink_common {
    const char        *name, *format;
    bool               required, metadata;
    uint64_t           max_lag;
    struct sink_filter filter;
};

static const struct setting sink_table[] = {
    {"name", SETTING_TEXT, offsetof(struct sink_common, name), NULL, .required = true, .help = "your name for it"},
    {"format", SETTING_TEXT, offsetof(struct sink_common, format), NULL, .help = "format of the records"},
    {"required", SETTING_BOOL, offsetof(struct sink_common, required), "true", .help = "nothing counts as done before this sink has it"},
    {"max_lag", SETTING_BYTES, offsetof(struct sink_common, max_lag), "64M", .help = "how far a sink that is not required may fall behind"},
    {"metadata", SETTING_BOOL, offsetof(struct sink_common, metadata), "false", .help = "add event id and kind where the format has a place"},
    {"kinds", SETTING_TEXTS, offsetof(struct sink_common, filter.kinds), NULL, .help = "only these kinds of record"},
    {"categories", SETTING_TEXTS, offsetof(struct sink_common, filter.categories), NULL, .help = "only these categories"},
    {"levels", SETTING_TEXTS, offsetof(struct sink_common, filter.levels), NULL, .help = "only these levels"},
    {"results", SETTING_TEXTS, offsetof(struct sink_common, filter.results), NULL, .help = "only these results"},
    {.name = NULL},
};

/* --- Parts ------------------------------------------------------------------------------------------------------------------ */

#define NO_OTHERS ((const char *const[]){NULL})

static bool check_name(const struct yaml_node *mapping, const char *name, struct mistakes *m)
{
    const struct yaml_node *node = yaml_find(mapping, "name");
    bool                    sound = strlen(name) <= NAME_MAX_BYTES;
    for (const char *p = name; *p != '\0'; p++) sound = sound && (ascii_is_alnum(*p) || *p == '-' || *p == '_' || *p == '.');
    return sound || yaml_fail(node, mistake(m), "a name has letters, digits, '-', '_' and '.', at most %d", NAME_MAX_BYTES);
}

/* The error of a type's own check, at its place in the file. */
static bool place_error(const struct yaml_node *node, const struct error *found, struct mistakes *m)
{
    return node != NULL ? yaml_fail(node, mistake(m), "%s", found->text) : error_set(mistake(m), ERROR_USAGE, "%s", found->text);
}

static bool check_policy(const struct yaml_node *mapping, const char *name, struct mistakes *m)
{
    struct error found = {0};
    return name == NULL || policy_exists(name, &found) || place_error(yaml_find(mapping, "policy"), &found, m);
}

static const struct source_type *find_source_type(const char *name)
{
    for (const struct source_type *const *t = source_types; *t != NULL; t++)
        if (strcmp((*t)->name, name) == 0) return *t;
    return NULL;
}

static const struct sink_type *find_sink_type(const char *name)
{
    for (const struct sink_type *const *t = sink_types; *t != NULL; t++)
        if (strcmp((*t)->name, name) == 0) return *t;
    return NULL;
}

static const struct yaml_node *type_node(const struct yaml_node *mapping, struct mistakes *m)
{
    if (!yaml_expect(mapping, YAML_MAPPING, mistake(m))) return NULL;
    const struct yaml_node *node = yaml_find(mapping, "type");
    if (node == NULL) yaml_fail(mapping, mistake(m), "'type' is missing");
    return node;
}

static struct source *source_new(struct config *c, const struct source_type *type)
{
    struct source *s = calloc(1, type->bytes);
    CHECK(s != NULL);
    s->type = type;
    c->sources[c->source_count++] = s;
    return s;
}

static bool add_source(struct config *c, const struct yaml_node *node, struct mistakes *m)
{
    const char             *names[64] = {NULL};
    struct source_common    common = {0};
    struct error            found = {0};
    size_t                  index;
    const struct yaml_node *type = type_node(node, m);
    for (size_t i = 0; source_types[i] != NULL; i++) names[i] = source_types[i]->name;
    if (type == NULL || !yaml_choice(type, "type of source", names, &index, mistake(m))) return false;
    if (c->source_count == MOST_SOURCES) return yaml_fail(node, mistake(m), "there are at most %d sources", MOST_SOURCES);
    struct source *s = source_new(c, source_types[index]);
    bool sound = settings_read_two(node, source_table, &common, s->type->settings, s, "type", &c->pool, m);
    s->name = common.name != NULL ? common.name : "";
    s->policy = common.policy;
    sound = check_name(node, s->name, m) && sound;
    sound = check_policy(node, s->policy, m) && sound;
    for (size_t i = 0; i + 1 < c->source_count; i++)
        if (*s->name != '\0' && strcmp(c->sources[i]->name, s->name) == 0)
            sound = yaml_fail(yaml_find(node, "name"), mistake(m), "there are two sources '%s'", s->name);
    if (!sound) return false;
    return s->type->check == NULL || s->type->check(s, &found) || place_error(node, &found, m);
}

static struct sink *sink_new(struct config *c, const struct sink_type *type)
{
    struct sink *s = calloc(1, type->bytes);
    CHECK(s != NULL);
    s->type = type;
    s->number = (unsigned)c->sink_count;
    c->sinks[c->sink_count++] = s;
    return s;
}

static void set_common(struct sink *s, const struct sink_common *common)
{
    s->name = common->name != NULL ? common->name : "";
    s->required = common->required;
    s->metadata = common->metadata;
    s->max_lag = common->max_lag;
    s->filter = common->filter;
}

/* Whether `name` is one of the words of `formats`; NULL takes the first. */
static bool choose_format(const char *formats, const char *name, int *format)
{
    char        word[32];
    enum format found;
    for (const char *p = formats; *p != '\0'; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        CHECK(len < sizeof word);
        memcpy(word, p, len);
        word[len] = '\0';
        p += len;
        if (name != NULL && strcmp(word, name) != 0) continue;
        CHECK(format_find(word, &found));
        *format = (int)found;
        return true;
    }
    return false;
}

static bool check_kinds(const struct yaml_node *node, const struct sink_filter *filter, struct mistakes *m)
{
    const char *names[KIND_COUNT + 1] = {NULL};
    bool        sound = true;
    for (size_t k = 0; k < KIND_COUNT; k++) names[k] = kind_text((enum kind)k);
    for (size_t i = 0; i < filter->kinds.count; i++) {
        size_t k = 0;
        while (k < KIND_COUNT && strcmp(names[k], filter->kinds.items[i]) != 0) k++;
        const char *nearest = k == KIND_COUNT ? nearest_name(slice_from(filter->kinds.items[i]), names) : NULL;
        if (nearest != NULL)
            sound = yaml_fail(node, mistake(m), "unknown kind '%s': did you mean '%s'?", filter->kinds.items[i], nearest);
        else if (k == KIND_COUNT)
            sound = yaml_fail(node, mistake(m), "unknown kind '%s'", filter->kinds.items[i]);
    }
    return sound;
}

static bool add_sink(struct config *c, const struct yaml_node *node, struct mistakes *m)
{
    const char             *names[64] = {NULL};
    struct sink_common      common = {0};
    struct error            found = {0};
    size_t                  index;
    const struct yaml_node *type = type_node(node, m);
    for (size_t i = 0; sink_types[i] != NULL; i++) names[i] = sink_types[i]->name;
    if (type == NULL || !yaml_choice(type, "type of sink", names, &index, mistake(m))) return false;
    if (c->sink_count == BLOCK_SINKS) return yaml_fail(node, mistake(m), "there are at most %d sinks", BLOCK_SINKS);
    struct sink *s = sink_new(c, sink_types[index]);
    bool sound = settings_read_two(node, sink_table, &common, s->type->settings, s, "type", &c->pool, m);
    set_common(s, &common);
    sound = check_name(node, s->name, m) && sound;
    for (size_t i = 0; i + 1 < c->sink_count; i++)
        if (*s->name != '\0' && strcmp(c->sinks[i]->name, s->name) == 0)
            sound = yaml_fail(yaml_find(node, "name"), mistake(m), "there are two sinks '%s'", s->name);
    if (!choose_format(s->type->formats, common.format, &s->format))
        sound = yaml_fail(yaml_find(node, "format"), mistake(m), "a sink of type %s has the formats %s", s->type->name,
                          s->type->formats);
    sound = check_kinds(yaml_find(node, "kinds"), &s->filter, m) && sound;
    if (!sound) return false;
    return s->type->check == NULL || s->type->check(s, &found) || place_error(node, &found, m);
}

/* --- The file --------------------------------------------------------------------------------------------------------- */

static bool read_list(struct config *c, const struct yaml_node *root, const char *key,
                      bool (*add)(struct config *, const struct yaml_node *, struct mistakes *), struct mistakes *m)
{
    const struct yaml_node *list = yaml_find(root, key);
    if (list == NULL) return yaml_fail(root, mistake(m), "'%s' is missing", key);
    if (!yaml_expect(list, YAML_SEQUENCE, mistake(m))) return false;
    if (list->count == 0) return yaml_fail(list, mistake(m), "at least one of the %s is wanted here", key);
    bool sound = true;
    for (const struct yaml_node *node = list->first; node != NULL; node = node->next) sound = add(c, node, m) && sound;
    return sound;
}

static bool read_policy_rules(struct config *c, const struct yaml_node *list, struct mistakes *m)
{
    if (list == NULL) return true;
    if (!yaml_expect(list, YAML_SEQUENCE, mistake(m))) return false;
    c->policy_rules = calloc(list->count + 1, sizeof *c->policy_rules);
    CHECK(c->policy_rules != NULL);
    bool sound = true;
    for (const struct yaml_node *node = list->first; node != NULL; node = node->next) {
        struct policy_rule *rule = &c->policy_rules[c->policy_rule_count++];
        sound = settings_read(node, policy_rule_table, NO_OTHERS, rule, &c->pool, m) && sound;
        sound = check_policy(node, rule->policy, m) && sound;
    }
    return sound;
}

/* `store` is a mapping, or the path alone. */
static bool read_store(struct config *c, const struct yaml_node *node, struct mistakes *m)
{
    if (node == NULL) return true;
    if (node->type != YAML_SCALAR) return settings_read(node, store_table, NO_OTHERS, &c->store, &c->pool, m);
    c->store.max_bytes = 1 << 30;
    return settings_text(node, &c->store.path, &c->pool, mistake(m));
}

static bool read_part(struct config *c, const struct yaml_node *node, const struct setting *table, void *into, struct mistakes *m)
{
    return node == NULL || settings_read(node, table, NO_OTHERS, into, &c->pool, m);
}

static bool read_admin(struct config *c, const struct yaml_node *node, struct mistakes *m)
{
    const struct admin_settings *a = &c->admin;
    struct http_address          address;
    struct error                 found = {0};
    if (node == NULL) return true;
    if (!read_part(c, node, admin_table, &c->admin, m)) return false;
    const struct yaml_node *listen = yaml_find(node, "listen");
    bool sound = a->token == NULL || strlen(a->token) >= TOKEN_MIN_BYTES ||
                 yaml_fail(yaml_find(node, "token"), mistake(m), "a token has at least %d characters", TOKEN_MIN_BYTES);
    if (!http_address_parse(&address, a->listen, &found)) return place_error(listen, &found, m);
    if ((a->certificate == NULL) != (a->key == NULL)) return yaml_fail(node, mistake(m), "certificate and key go together");
    if (!http_listen_is_local(a->listen) && (a->certificate == NULL || a->token == NULL))
        return yaml_fail(listen, mistake(m), "'%s' can be reached from elsewhere: it needs a certificate, its key and a token",
                         a->listen);
    return (tls_files_check(a->certificate, a->key, NULL, &found) || place_error(node, &found, m)) && sound;
}

static bool read_file(struct config *c, struct mistakes *m)
{
    static const char *const others[] = {"sources", "sinks", "policies", "store", "sealed", "admin", NULL};
    const struct yaml_node  *root = yaml_root(c->document);
    if (root == NULL) return error_set(mistake(m), ERROR_USAGE, "'%s' is empty", c->name);
    bool sound = settings_read(root, run_table, others, &c->run, &c->pool, m);
    sound = check_policy(root, c->run.policy, m) && sound;
    sound = read_policy_rules(c, yaml_find(root, "policies"), m) && sound;
    sound = read_store(c, yaml_find(root, "store"), m) && sound;
    sound = read_part(c, yaml_find(root, "sealed"), sealed_table, &c->sealed, m) && sound;
    sound = read_admin(c, yaml_find(root, "admin"), m) && sound;
    sound = read_list(c, root, "sources", add_source, m) && sound;
    return read_list(c, root, "sinks", add_sink, m) && sound;
}

/* Standard input to standard output. */
static bool without_file(struct config *c, struct mistakes *m)
{
    const struct sink_common common = {.name = "stdout", .required = true};
    if (!settings_read(NULL, run_table, NO_OTHERS, &c->run, &c->pool, m)) return false;
    struct source *source = source_new(c, find_source_type("stdin"));
    source->name = "stdin";
    struct sink *sink = sink_new(c, find_sink_type("stdout"));
    set_common(sink, &common);
    return settings_read(NULL, source->type->settings, NO_OTHERS, source, &c->pool, m) &&
           settings_read(NULL, sink->type->settings, NO_OTHERS, sink, &c->pool, m);
}

/* The formats of the sinks, each once. */
static bool number_encodings(struct config *c, struct mistakes *m)
{
    int      formats[BLOCK_ENCODINGS];
    unsigned count = 0;
    for (size_t i = 0; i < c->sink_count; i++) {
        unsigned n = 0;
        while (n < count && formats[n] != c->sinks[i]->format) n++;
        if (n == BLOCK_ENCODINGS)
            return error_set(mistake(m), ERROR_USAGE, "'%s': the sinks have more than %d formats", c->name, BLOCK_ENCODINGS);
        formats[n] = c->sinks[i]->format;
        if (n == count) count++;
        c->sinks[i]->encoding = n;
    }
    return true;
}

static bool any_required(const struct config *c, struct mistakes *m)
{
    for (size_t i = 0; i < c->sink_count; i++)
        if (c->sinks[i]->required) return true;
    return error_set(mistake(m), ERROR_USAGE, "'%s': no sink is required, so nothing would ever have to arrive", c->name);
}

static bool other_required(const struct config *c, size_t than)
{
    for (size_t i = 0; i < c->sink_count; i++)
        if (i != than && c->sinks[i]->required) return true;
    return false;
}

static const struct yaml_node *sink_node(const struct config *c, size_t n)
{
    const struct yaml_node *list = c->document != NULL ? yaml_find(yaml_root(c->document), "sinks") : NULL,
                            *node = list != NULL ? list->first : NULL;
    while (n-- > 0) node = node->next;
    return node;
}

/* What sinks can only be together with the rest. */
static bool pair_sinks(struct config *c, struct mistakes *m)
{
    bool sound = true;
    for (size_t i = 0; i < c->sink_count; i++) {
        const struct sink_company company = {c->source_count == 1 ? c->sources[0]->feed : NULL, other_required(c, i)};
        struct error              found = {0};
        if (c->sinks[i]->type->pair == NULL || c->sinks[i]->type->pair(c->sinks[i], &company, &found)) continue;
        sound = place_error(yaml_find(sink_node(c, i), c->sinks[i]->type->paired_by), &found, m);
    }
    return sound;
}

static void lend_limits(struct config *c)
{
    for (size_t i = 0; i < c->source_count; i++) c->sources[i]->max_record = c->run.max_record;
}

struct config *config_read(const char *path, struct mistakes *m)
{
    struct config *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->name = path;
    c->sources = calloc(MOST_SOURCES, sizeof(struct source *));
    c->sinks = calloc(BLOCK_SINKS, sizeof(struct sink *));
    CHECK(c->sources != NULL && c->sinks != NULL);
    if (path != NULL) c->document = yaml_open_discreet(path, mistake(m));
    bool sound = path == NULL ? without_file(c, m) : c->document != NULL && read_file(c, m);
    if (sound && number_encodings(c, m) && any_required(c, m) && pair_sinks(c, m)) {
        lend_limits(c);
        return c;
    }
    config_free(c);
    return NULL;
}

struct config *config_load(const char *path, struct error *err)
{
    struct mistakes m = {0};
    struct config  *c = config_read(path, &m);
    if (c == NULL) *err = m.each[0];
    return c;
}

void config_free(struct config *c)
{
    if (c == NULL) return;
    for (size_t i = 0; i < c->source_count; i++) free(c->sources[i]);
    for (size_t i = 0; i < c->sink_count; i++) free(c->sinks[i]);
    free(c->sources);
    free(c->sinks);
    free(c->policy_rules);
    text_pool_release(&c->pool);
    yaml_free(c->document);
    free(c);
}

/* --- Comparing -------------------------------------------------------------------------------------------------------- */

static bool same_source(const struct source *a, const struct source *b)
{
    const struct source_common of_a = {a->name, a->policy}, of_b = {b->name, b->policy};
    return a->type == b->type && settings_equal(source_table, &of_a, &of_b) && settings_equal(a->type->settings, a, b);
}

static struct sink_common common_of(const struct sink *s)
{
    return (struct sink_common){s->name, format_text((enum format)s->format), s->required, s->metadata, s->max_lag, s->filter};
}

static bool same_sink(const struct sink *a, const struct sink *b)
{
    const struct sink_common of_a = common_of(a), of_b = common_of(b);
    return a->type == b->type && settings_equal(sink_table, &of_a, &of_b) && settings_equal(a->type->settings, a, b);
}

bool config_same_flow(const struct config *a, const struct config *b)
{
    struct run_settings run = b->run;
    run.policy = a->run.policy;
    run.key_file = a->run.key_file;
    bool same = settings_equal(run_table, &a->run, &run) && settings_equal(store_table, &a->store, &b->store) &&
                settings_equal(sealed_table, &a->sealed, &b->sealed) && settings_equal(admin_table, &a->admin, &b->admin) &&
                a->policy_rule_count == b->policy_rule_count && a->source_count == b->source_count &&
                a->sink_count == b->sink_count;
    for (size_t i = 0; same && i < a->policy_rule_count; i++)
        same = settings_equal(policy_rule_table, &a->policy_rules[i], &b->policy_rules[i]);
    for (size_t i = 0; same && i < a->source_count; i++) same = same_source(a->sources[i], b->sources[i]);
    for (size_t i = 0; same && i < a->sink_count; i++) same = same_sink(a->sinks[i], b->sinks[i]);
    return same;
}

/* --- Showing ---------------------------------------------------------------------------------------------------------- */

void config_describe(const struct config *c, FILE *out)
{
    fputs("run\n", out);
    settings_describe(run_table, &c->run, out);
    for (size_t i = 0; i < c->policy_rule_count; i++)
        fprintf(out, "policy %s for source %s, resource %s\n", c->policy_rules[i].policy, c->policy_rules[i].source,
                c->policy_rules[i].resource);
    if (c->store.path != NULL) {
        fputs("store\n", out);
        settings_describe(store_table, &c->store, out);
    } else {
        fputs("store: none; positions of files are not kept, and what waits for a sink waits in memory\n", out);
    }
    if (c->sealed.path != NULL) {
        fputs("sealed\n", out);
        settings_describe(sealed_table, &c->sealed, out);
    }
    if (c->admin.listen != NULL) {
        fputs("admin\n", out);
        settings_describe(admin_table, &c->admin, out);
    }
    for (size_t i = 0; i < c->source_count; i++) {
        const struct source *s = c->sources[i];
        fprintf(out, "source %s: %s, %s\n", s->name, s->type->name, s->type->summary);
        if (s->policy != NULL) fprintf(out, "    %-22s %s\n", "policy", s->policy);
        settings_describe(s->type->settings, s, out);
    }
    for (size_t i = 0; i < c->sink_count; i++) {
        const struct sink *s = c->sinks[i];
        fprintf(out, "sink %s: %s, %s; format %s, %s\n", s->name, s->type->name, s->type->summary,
                format_text((enum format)s->format), s->required ? "required" : "not required");
        settings_describe(s->type->settings, s, out);
    }
}
