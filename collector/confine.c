#include "confine.h"

#include "base/sandbox.h"
#include "sinks/output.h"

#include <errno.h>
#include <limits.h>

/* --- Batch commands --------------------------------------------------------------------------------------------------- */

/* A folder that cannot be made is told by who writes there. */
static bool make_folder(const char *path)
{
    struct error err = {0};
    char        *below;
    if (asprintf(&below, "%s/", path) < 0) return false;
    bool made = output_make_folders(below, &err);
    free(below);
    return made;
}

static void may_write_output(struct sandbox_files *f, const struct destination *d)
{
    if (strcmp(d->path, OUTPUT_STDOUT) == 0) return;
    if (!d->mirror) sandbox_may_write(f, d->path);
    else if (d->has_folder || make_folder(d->path)) sandbox_may_write_below(f, d->path);
}

bool confine_to(const struct input_list *inputs, const struct destination *d, const char *const *others, size_t count,
                struct error *err)
{
    struct sandbox_files *f = sandbox_files_new(inputs->blobs == NULL);
    if (f == NULL) return true;
    for (size_t i = 0; inputs->blobs == NULL && i < inputs->count; i++)
        if (!input_is_stdin(&inputs->items[i])) sandbox_may_read(f, inputs->items[i].path);
    may_write_output(f, d);
    for (size_t i = 0; i < count; i++)
        if (others[i] != NULL) sandbox_may_write(f, others[i]);
    return sandbox_confine(f, err);
}

/* --- The streaming run ------------------------------------------------------------------------------------------------ */

#define UNIX_PREFIX "unix:"

struct confinement {
    char **folders;   /* without links; ended by NULL */
    size_t count;
};

/* Is told of each folder below which something is written, and who writes. False ends it. */
typedef bool visit_folder(void *context, const char *folder, const char *who, struct error *err);

/* "/a/{kind}/b.jsonl" is written below "/a", "b.jsonl" in ".". */
static bool visit_file(const char *file, const char *who, visit_folder *visit, void *context, struct error *err)
{
    size_t fixed = strcspn(file, "{"), len = fixed;
    while (len > 0 && file[len - 1] != '/') len--;
    char *folder = len == 0 ? strdup(".") : strndup(file, len);
    CHECK(folder != NULL);
    bool go_on = visit(context, folder, who, err);
    free(folder);
    return go_on;
}

static bool visit_text(const struct setting *s, const char *text, const char *who, visit_folder *visit, void *context,
                       struct error *err)
{
    if (text == NULL) return true;
    if (s->written) return visit_file(text, who, visit, context, err);
    bool socket = s->type != SETTING_SECRET && strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
    return !socket || visit_file(text + strlen(UNIX_PREFIX), who, visit, context, err);
}

static bool visit_settings(const struct setting *table, const void *values, const char *who, visit_folder *visit, void *context,
                           struct error *err)
{
    bool go_on = true;
    for (const struct setting *s = table; go_on && s->name != NULL; s++) {
        const void             *member = (const char *)values + s->offset;
        const struct text_list *list = member;
        if (s->type == SETTING_TEXT) go_on = visit_text(s, *(const char *const *)member, who, visit, context, err);
        for (size_t i = 0; s->type == SETTING_TEXTS && go_on && i < list->count; i++)
            go_on = visit_text(s, list->items[i], who, visit, context, err);
    }
    return go_on;
}

static bool visit_all(const struct config *c, visit_folder *visit, void *context, struct error *err)
{
    static const struct setting socket = {.type = SETTING_TEXT};
    bool                        go_on = c->store.path == NULL || visit(context, c->store.path, "the store", err);
    go_on = go_on && (c->sealed.path == NULL || visit_file(c->sealed.path, "sealed", visit, context, err));
    go_on = go_on && visit_text(&socket, c->admin.listen, "admin", visit, context, err);
    for (size_t i = 0; go_on && i < c->source_count; i++)
        go_on = visit_settings(c->sources[i]->type->settings, c->sources[i], c->sources[i]->name, visit, context, err);
    for (size_t i = 0; go_on && i < c->sink_count; i++)
        go_on = visit_settings(c->sinks[i]->type->settings, c->sinks[i], c->sinks[i]->name, visit, context, err);
    return go_on;
}

/* A folder that cannot be made, or found, is told by who uses it. */
static bool add_folder(void *context, const char *folder, const char *who, struct error *err)
{
    struct confinement *c = context;
    char                resolved[PATH_MAX];
    (void)who;
    (void)err;
    if (!make_folder(folder) || realpath(folder, resolved) == NULL) return true;
    c->folders = reallocarray(c->folders, c->count + 1, sizeof *c->folders);
    CHECK(c->folders != NULL);
    c->folders[c->count] = strdup(resolved);
    CHECK(c->folders[c->count] != NULL);
    c->count++;
    return true;
}

struct confinement *confine_run(const struct config *config, struct error *err)
{
    struct confinement   *c = calloc(1, sizeof *c);
    struct sandbox_files *f = sandbox_files_new(false);
    CHECK(c != NULL);
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i]->type->make_folders != NULL) config->sinks[i]->type->make_folders(config->sinks[i]);
    CHECK(f == NULL || visit_all(config, add_folder, c, err));
    for (size_t i = 0; i < c->count; i++) sandbox_may_write_below(f, c->folders[i]);
    if (sandbox_confine(f, err)) return c;
    confinement_free(c);
    return NULL;
}

void confinement_free(struct confinement *c)
{
    if (c == NULL) return;
    for (size_t i = 0; i < c->count; i++) free(c->folders[i]);
    free(c->folders);
    free(c);
}

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/' || folder[len - 1] == '/');
}

/* Of a folder that is not there yet, the part that is. */
static bool check_folder(void *context, const char *folder, const char *who, struct error *err)
{
    const struct confinement *c = context;
    char                      path[PATH_MAX], resolved[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s", folder) >= sizeof path) return true;   /* too long to be opened */
    while (realpath(path, resolved) == NULL && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (slash == path) return true;
        if (slash == NULL) strcpy(path, ".");
        else *slash = '\0';
    }
    for (size_t i = 0; i < c->count; i++)
        if (is_below(resolved, c->folders[i])) return true;
    return error_set(err, ERROR_USAGE,
                     "%s would write below '%s', where this run may not: its sandbox was made at start; restart it to take "
                     "this configuration",
                     who, folder);
}

bool confinement_covers(const struct confinement *c, const struct config *config, struct error *err)
{
    return sandbox_landlock() == 0 || visit_all(config, check_folder, (void *)(uintptr_t)c, err);
}
