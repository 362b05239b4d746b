#include "input.h"

#include "gunzip.h"
#include "sinks/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

/* --- The list --------------------------------------------------------------------------------------------------------- */

/* Takes `path`. `relative_at` is where in it the relative name begins. */
static bool add(struct input_list *list, char *path, size_t relative_at, const struct stat *status, int fault)
{
    if (path == NULL) return false;
    if (list->count == list->room) {
        size_t        room = list->room ? 2 * list->room : 64;
        struct input *grown = realloc(list->items, room * sizeof *grown);
        if (grown == NULL) {
            free(path);
            return false;
        }
        list->items = grown;
        list->room = room;
    }
    struct input *input = &list->items[list->count++];
    *input = (struct input){.path = path, .relative = path + relative_at, .fault = fault};
    if (status == NULL) return true;
    input->device = status->st_dev;
    input->inode = status->st_ino;
    input->size = S_ISREG(status->st_mode) ? status->st_size : 0;
    input->modified = status->st_mtim;
    return true;
}

static bool same_file(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

static size_t last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] != '\0' ? (size_t)(slash + 1 - path) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* Neither "." and ".." nor the temporary files of an output. */
static int wanted(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name), suffix = strlen(OUTPUT_TEMPORARY_SUFFIX);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) return 0;
    return entry->d_name[0] != '.' || len <= suffix || strcmp(entry->d_name + len - suffix, OUTPUT_TEMPORARY_SUFFIX) != 0;
}

static bool add_folder(struct input_list *, const char *folder, size_t relative_at, const struct stat *avoid);

/* Something in a folder: a folder is entered, a link is followed to a file only. */
static bool add_entry(struct input_list *list, char *path, size_t relative_at, const struct stat *avoid)
{
    struct stat status = {0};
    if (path == NULL) return false;
    if (lstat(path, &status) != 0) return add(list, path, relative_at, NULL, errno);
    bool is_link = S_ISLNK(status.st_mode);
    if (is_link && stat(path, &status) != 0) return add(list, path, relative_at, NULL, errno);
    if (S_ISREG(status.st_mode)) return add(list, path, relative_at, &status, 0);
    bool added = true;
    if (S_ISDIR(status.st_mode) && !is_link && !(avoid != NULL && same_file(&status, avoid)))
        added = add_folder(list, path, relative_at, avoid);
    free(path);
    return added;
}

static char *joined(const char *folder, const char *name)
{
    char *path;
    size_t len = strlen(folder);
    return asprintf(&path, "%s%s%s", folder, len > 0 && folder[len - 1] == '/' ? "" : "/", name) < 0 ? NULL : path;
}

static bool add_folder(struct input_list *list, const char *folder, size_t relative_at, const struct stat *avoid)
{
    struct dirent **entries;
    int             count = scandir(folder, &entries, wanted, by_name);
    if (count < 0) return errno != ENOMEM && add(list, strdup(folder), last_part(folder), NULL, errno);
    bool added = true;
    for (int i = 0; i < count; i++) {
        added = added && add_entry(list, joined(folder, entries[i]->d_name), relative_at, avoid);
        free(entries[i]);
    }
    free(entries);
    return added;
}

/* A file or folder that was named itself: links are followed, and what is no regular file is read as well. */
static bool add_named(struct input_list *list, const char *path, const struct stat *avoid)
{
    struct stat status;
    if (stat(path, &status) != 0) return add(list, strdup(path), last_part(path), NULL, errno);
    if (!S_ISDIR(status.st_mode)) return add(list, strdup(path), last_part(path), &status, 0);
    size_t len = strlen(path);
    return add_folder(list, path, path[len - 1] == '/' ? len : len + 1, avoid);
}

static bool add_pattern(struct input_list *list, const char *pattern, const struct stat *avoid)
{
    glob_t found;
    int    result = glob(pattern, GLOB_ERR, NULL, &found);
    if (result == GLOB_NOSPACE) return false;
    bool added = true;
    if (result != 0)
        added = add(list, strdup(pattern), last_part(pattern), NULL, result == GLOB_ABORTED && errno != 0 ? errno : ENOENT);
    for (size_t i = 0; result == 0 && added && i < found.gl_pathc; i++) added = add_named(list, found.gl_pathv[i], avoid);
    globfree(&found);
    return added;
}

static bool add_argument(struct input_list *list, const char *argument, const struct stat *avoid)
{
    struct stat status;
    if (strcmp(argument, INPUT_STDIN) == 0) return add(list, strdup(INPUT_STDIN), 0, NULL, 0);
    if (strpbrk(argument, "*?[") != NULL && lstat(argument, &status) != 0) return add_pattern(list, argument, avoid);
    return add_named(list, argument, avoid);
}

/* --- Blobs ------------------------------------------------------------------------------------------------------------ */

/* The path that people see, with the name as it is, and behind its NUL the place in a mirrored tree: what stands behind the
 * last "/" of the prefix, made safe. */
static char *blob_path(const char *name, const struct blob_address *a, size_t *relative_at)
{
    const char *slash = strrchr(a->prefix, '/');
    char       *safe = blob_safe_path(name + (slash ? slash + 1 - a->prefix : 0)), *path = NULL;
    int         len = safe ? asprintf(&path, "%s/%s/%s%c%s", a->endpoint, a->container, name, '\0', safe) : -1;
    if (len >= 0) *relative_at = (size_t)len - strlen(safe);
    free(safe);
    return len >= 0 ? path : NULL;
}

static bool add_blob(void *context, struct blob_ref *ref, const struct blob_address *a)
{
    struct input_list *list = context;
    size_t             relative_at = 0;
    char              *path = blob_path(ref->name, a, &relative_at);
    if (path == NULL || !add(list, path, relative_at, NULL, 0)) {
        free(ref);
        return false;
    }
    struct input *input = &list->items[list->count - 1];
    input->blob = ref;
    input->size = (off_t)ref->item.size;
    input->modified = blob_ref_stamp(ref);
    return true;
}

/* Blobs that are not there are told as files are. */
static bool add_address(struct input_list *list, const char *address, const struct blob_access *access, struct error *err)
{
    static const struct blob_access none = {0};
    size_t                          before = list->count;
    if (list->blobs == NULL) list->blobs = blob_inputs_new(access ? access : &none);
    if (list->blobs == NULL) return false;
    if (!blob_inputs_list(list->blobs, address, add_blob, list, err)) return false;
    return list->count > before || add(list, strdup(address), last_part(address), NULL, ENOENT);
}

bool inputs_collect(struct input_list *list, const char *const *arguments, size_t count, const struct stat *avoid,
                    const struct blob_access *access, struct error *err)
{
    *list = (struct input_list){0};
    for (size_t i = 0; i < count; i++) {
        bool added = blob_is_address(arguments[i]) ? add_address(list, arguments[i], access, err)
                                                   : add_argument(list, arguments[i], avoid);
        if (!added) return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return true;
}

void inputs_release(struct input_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].path);
        free(list->items[i].blob);
    }
    free(list->items);
    blob_inputs_free(list->blobs);
    *list = (struct input_list){0};
}

bool input_is_stdin(const struct input *input) { return strcmp(input->path, INPUT_STDIN) == 0; }

const char *input_name(const struct input *input) { return input_is_stdin(input) ? "stdin" : input->path; }

bool input_is_file(const struct input *input, const struct stat *status)
{
    return input->inode != 0 && input->device == status->st_dev && input->inode == status->st_ino;
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

#define MAGIC_BYTES 2   /* 1f 8b */

struct reader {
    const char    *name;
    int            fd;
    struct blob_stream *blob;            /* in place of fd */
    uint64_t       offset;
    char           begin[MAGIC_BYTES];   /* read to see what the file is, handed out first */
    size_t         begin_len, begin_used;
    struct gunzip *gunzip;               /* NULL: not gzip */
};

static ptrdiff_t read_file(struct reader *r, char *buffer, size_t capacity, struct error *err)
{
    ssize_t got;
    do got = r->blob != NULL ? blob_stream_read(r->blob, buffer, capacity, err) : read(r->fd, buffer, capacity);
    while (got < 0 && r->blob == NULL && errno == EINTR);
    if (got < 0) error_set_errno(err, ERROR_INPUT, "cannot read '%s'", r->name);
    if (got > 0) r->offset += (uint64_t)got;
    return got;
}

static ptrdiff_t read_plain(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct reader *r = context;
    size_t         left = r->begin_len - r->begin_used;
    if (left == 0 || capacity == 0) return read_file(r, buffer, capacity, err);
    if (left > capacity) left = capacity;
    memcpy(buffer, r->begin + r->begin_used, left);
    r->begin_used += left;
    return (ptrdiff_t)left;
}

static bool read_begin(struct reader *r, struct error *err)
{
    while (r->begin_len < MAGIC_BYTES) {
        ptrdiff_t got = read_file(r, r->begin + r->begin_len, MAGIC_BYTES - r->begin_len, err);
        if (got < 0) return false;
        if (got == 0) return true;
        r->begin_len += (size_t)got;
    }
    if (memcmp(r->begin, "\x1f\x8b", MAGIC_BYTES) != 0) return true;
    r->gunzip = gunzip_new((struct byte_source){read_plain, r}, r->name);
    return r->gunzip != NULL || error_set(err, ERROR_INPUT, "cannot read '%s': out of memory", r->name);
}

static bool open_file(struct reader *r, const struct input *input, struct error *err)
{
    if (input->blob != NULL) return (r->blob = blob_ref_open(input->blob, r->name, err)) != NULL;
    errno = input->fault;
    if (input->fault == 0) r->fd = input_is_stdin(input) ? dup(STDIN_FILENO) : open(input->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) return error_set_errno(err, ERROR_INPUT, "cannot open '%s'", r->name);
    posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

struct reader *reader_open(const struct input *input, struct error *err)
{
    struct reader *r = malloc(sizeof *r);
    if (r == NULL) {
        error_set(err, ERROR_INPUT, "cannot read '%s': out of memory", input_name(input));
        return NULL;
    }
    *r = (struct reader){.name = input_name(input), .fd = -1};
    if (open_file(r, input, err) && read_begin(r, err)) return r;
    reader_close(r);
    return NULL;
}

void reader_close(struct reader *r)
{
    if (r == NULL) return;
    if (r->fd >= 0) close(r->fd);
    blob_stream_close(r->blob);
    if (r->gunzip != NULL) gunzip_free(r->gunzip);
    free(r);
}

struct byte_source reader_source(struct reader *r)
{
    return r->gunzip ? (struct byte_source){gunzip_read, r->gunzip} : (struct byte_source){read_plain, r};
}

uint64_t reader_offset(const struct reader *r) { return r->offset; }
