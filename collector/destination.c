#include "destination.h"

#include "sinks/output.h"

#include <unistd.h>

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

void destination_init(struct destination *d, const char *output)
{
    *d = (struct destination){.path = output ? output : OUTPUT_STDOUT};
    if (strcmp(d->path, OUTPUT_STDOUT) == 0) return;
    d->has_folder = stat(d->path, &d->folder) == 0 && S_ISDIR(d->folder.st_mode);
    d->mirror = d->has_folder || ends_with(d->path, "/");
}

char *destination_path(const struct destination *d, const struct input *input)
{
    char *path;
    if (!d->mirror) return strdup(d->path);
    const char *name = input_is_stdin(input) ? "stdin" : input->relative;
    return asprintf(&path, "%s%s%s", d->path, ends_with(d->path, "/") ? "" : "/", name) < 0 ? NULL : path;
}

bool destination_is_gzip(const char *path) { return ends_with(path, ".gz"); }

/* --- Checks before the run -------------------------------------------------------------------------------------------- */

static int by_relative_name(const void *a, const void *b)
{
    const struct input *const *left = a, *const *right = b;
    return strcmp((*left)->relative, (*right)->relative);
}

static int by_file(const void *a, const void *b)
{
    const struct input *const *left = a, *const *right = b;
    if ((*left)->device != (*right)->device) return (*left)->device < (*right)->device ? -1 : 1;
    return ((*left)->inode > (*right)->inode) - ((*left)->inode < (*right)->inode);
}

static bool check_names(const struct input **sorted, size_t count, struct error *err)
{
    qsort(sorted, count, sizeof *sorted, by_relative_name);
    for (size_t i = 1; i < count; i++)
        if (by_relative_name(&sorted[i - 1], &sorted[i]) == 0)
            return error_set(err, ERROR_USAGE,
                             "'%s' and '%s' would be written to the same file; give the folder above them as input",
                             input_name(sorted[i - 1]), input_name(sorted[i]));
    return true;
}

/* `sorted` is in the order of by_file(). */
static bool is_an_input(const struct input **sorted, size_t count, const struct stat *status)
{
    const struct input  wanted = {.device = status->st_dev, .inode = status->st_ino};
    const struct input *key = &wanted;
    return S_ISREG(status->st_mode) && bsearch(&key, sorted, count, sizeof *sorted, by_file) != NULL;
}

static bool check_files(const struct destination *d, const struct input_list *inputs, const struct input **sorted,
                        struct error *err)
{
    struct stat status;
    bool        to_stdout = strcmp(d->path, OUTPUT_STDOUT) == 0, apart = true;
    qsort(sorted, inputs->count, sizeof *sorted, by_file);
    if (!d->mirror) {
        bool exists = to_stdout ? fstat(STDOUT_FILENO, &status) == 0 : stat(d->path, &status) == 0;
        apart = !exists || !is_an_input(sorted, inputs->count, &status);
        return apart || error_set(err, ERROR_USAGE, "the output '%s' is also an input", to_stdout ? "stdout" : d->path);
    }
    for (size_t i = 0; i < inputs->count && apart; i++) {
        char *path = destination_path(d, &inputs->items[i]);
        if (path == NULL) return error_set(err, ERROR_MEMORY, "out of memory");
        apart = stat(path, &status) != 0 || !is_an_input(sorted, inputs->count, &status) ||
                error_set(err, ERROR_USAGE, "the output '%s' is also an input", path);
        free(path);
    }
    return apart;
}

bool destination_check(const struct destination *d, const struct input_list *inputs, struct error *err)
{
    const struct input **sorted = calloc(inputs->count + 1, sizeof *sorted);
    if (sorted == NULL) return error_set(err, ERROR_MEMORY, "out of memory");
    for (size_t i = 0; i < inputs->count; i++) sorted[i] = &inputs->items[i];
    bool sound = (!d->mirror || check_names(sorted, inputs->count, err)) && check_files(d, inputs, sorted, err);
    free(sorted);
    return sound;
}

/* --- Resuming --------------------------------------------------------------------------------------------------------- */

static bool earlier(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static bool same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/* Output of a file is not older than the file. That of a blob has the stamp of its version, whatever the clocks of the two
 * machines say; one that several inputs share has a time of this machine, and the service tells whole seconds. */
static bool is_current(const struct destination *d, const struct input *input, struct timespec written)
{
    if (input->blob == NULL) return !earlier(written, input->modified);
    if (input->modified.tv_sec == 0) return false;
    return d->mirror ? same_time(written, input->modified) : written.tv_sec > input->modified.tv_sec;
}

bool destination_is_done(const struct destination *d, const struct input *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct stat status;
        if (inputs[i].fault != 0 || input_is_stdin(&inputs[i])) return false;
        char *path = destination_path(d, &inputs[i]);
        bool  done = path != NULL && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
                     is_current(d, &inputs[i], status.st_mtim);
        free(path);
        if (!done) return false;
    }
    return count > 0;
}

const struct timespec *destination_done_time(const struct destination *d, const struct input *input)
{
    return d->mirror && input->blob != NULL && input->modified.tv_sec != 0 ? &input->modified : NULL;
}

struct timespec destination_undone_time(const struct input *inputs, size_t count)
{
    struct timespec oldest = {0};
    for (size_t i = 0; i < count; i++) {
        struct timespec modified = inputs[i].modified;
        if (modified.tv_sec != 0 && (oldest.tv_sec == 0 || earlier(modified, oldest))) oldest = modified;
    }
    if (oldest.tv_sec == 0) clock_gettime(CLOCK_REALTIME, &oldest);
    oldest.tv_sec--;
    return oldest;
}
