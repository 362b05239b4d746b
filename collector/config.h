/* The configuration of `lethe run`: one YAML file, and sane without it (standard input to standard output).
 *
 *   sources: [{name: console, type: file, paths: [...]}, ...]     sinks: [{name: siem, type: kafka, ...}, ...]
 *   policy: standard                                              key_file, store, admin, ...: see config.c
 *
 * A mistake is an error with file, line, column, the key and a caret; whoever wrote it can mend it at once. Those that do not
 * depend on one another are all told: what is wrong within a setting, a key that is unknown, a part that is missing. Texts may
 * refer to environment variables and files (settings.h). Reading touches no network and changes nothing.
 * Thread: the main thread; const while the run lasts. */
#ifndef LETHE_COLLECTOR_CONFIG_H
#define LETHE_COLLECTOR_CONFIG_H

#include "settings.h"
#include "sinks/sink.h"
#include "source.h"

/* Where another policy than the run's applies. Empty globs match everything. */
struct policy_rule {
    const char *source, *resource, *policy;
};

struct run_settings {
    const char *policy;             /* name or file; the policy where no rule says otherwise */
    const char *key_file;           /* of the pseudonyms; NULL: in the store, or for this run only */
    uint64_t    workers;
    uint64_t    max_record, max_depth;
    uint64_t    blocks;             /* clean blocks in memory at most */
    uint64_t    drain_ms;
    int         log_format, log_level;
    bool        second_gate;
};

struct store_settings {
    const char *path;               /* NULL: no store */
    uint64_t    max_bytes;
    const char *key_file;
};

struct sealed_settings {
    const char *path;               /* NULL: withheld records are not kept */
    const char *key_file;           /* the public key */
    uint64_t    max_bytes;
};

struct admin_settings {
    const char *listen;             /* NULL: no listener */
    const char *certificate, *key, *token;
};

enum { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct config {
    const char            *name;    /* of the file; NULL: none */
    struct run_settings    run;
    struct store_settings  store;
    struct sealed_settings sealed;
    struct admin_settings  admin;
    struct policy_rule    *policy_rules;
    size_t                 policy_rule_count;
    struct source        **sources;
    size_t                 source_count;
    struct sink          **sinks;
    size_t                 sink_count;
    struct text_pool       pool;
    struct yaml_document  *document;
};

/* `path` NULL: the configuration without a file. Sources and sinks are made and checked, not opened. NULL: there are mistakes. */
MUST_USE struct config *config_read(const char *path, struct mistakes *);
MUST_USE struct config *config_load(const char *path, struct error *);   /* the first of them */
void config_free(struct config *);

/* Whether a run with `b` differs from one with `a` in nothing but policy and keys. */
bool config_same_flow(const struct config *a, const struct config *b);

/* What a run would do, as text for `lethe check`. */
void config_describe(const struct config *, FILE *);

#endif
