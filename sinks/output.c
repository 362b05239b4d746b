#include "sinks/output.h"

#include "base/folder.h"
#include "sinks/unfinished.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)   /* pieces smaller than this are collected */
#define NAME_KEPT 200               /* bytes of the final name in the temporary one: NAME_MAX less what is added */

struct compressor {
    struct isal_zstream stream;
    uint8_t             level_buffer[ISAL_DEF_LVL1_DEFAULT];
};

struct output {
    char              *path;        /* as given: for messages */
    char              *final, *temporary;   /* NULL when written directly */
    int                fd;
    bool               unwanted, failed;
    uint64_t           bytes;
    struct compressor *compressor;  /* NULL: plain */
    size_t             buffered;
    uint8_t            buffer[BUFFER_BYTES];   /* what goes to the file next */
};

static bool cannot_write(const struct output *o, struct error *err)
{
    return error_set_errno(err, ERROR_OUTPUT, "cannot write '%s'", o->path);
}

/* --- Open ------------------------------------------------------------------------------------------------------------- */

/* "a/b.gz" -> "a/.b.gz.lethe-tmp" */
static char *temporary_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    int         folder = slash ? (int)(slash + 1 - path) : 0;
    char       *name;
    if (asprintf(&name, "%.*s.%.*s" OUTPUT_TEMPORARY_SUFFIX, folder, path, NAME_KEPT, path + folder) < 0) return NULL;
    return name;
}

/* Removes a temporary file that a killed run left behind. False: somebody is writing it, or it cannot be opened. */
static bool remove_leftover(const char *path)
{
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    bool removed = flock(fd, LOCK_EX | LOCK_NB) == 0 && unlink(path) == 0;
    int  number = errno;
    close(fd);
    errno = number;
    return removed;
}

static bool open_temporary(struct output *o, struct error *err)
{
    o->fd = unfinished_create(o->temporary);
    if (o->fd < 0 && errno == EEXIST && remove_leftover(o->temporary)) o->fd = unfinished_create(o->temporary);
    if (o->fd < 0) {
        int number = errno;
        free(o->temporary);   /* not ours to remove */
        o->temporary = NULL;
        errno = number;
        if (number != EWOULDBLOCK) return cannot_write(o, err);
        return error_set(err, ERROR_OUTPUT, "cannot write '%s': another run is writing it", o->path);
    }
    flock(o->fd, LOCK_EX | LOCK_NB);   /* only a sign for others; where locks are missing, files are written all the same */
    struct stat replaced;
    if (stat(o->final, &replaced) == 0 && fchmod(o->fd, replaced.st_mode & 0777) != 0) return cannot_write(o, err);
    return true;
}

static bool open_direct(struct output *o, struct error *err)
{
    o->fd = strcmp(o->path, OUTPUT_STDOUT) == 0 ? dup(STDOUT_FILENO) : open(o->path, O_WRONLY | O_CLOEXEC);
    return o->fd >= 0 || cannot_write(o, err);
}

static bool written_directly(const char *path)
{
    struct stat existing;
    return strcmp(path, OUTPUT_STDOUT) == 0 || (stat(path, &existing) == 0 && !S_ISREG(existing.st_mode));
}

/* A symbolic link is kept and the file it leads to replaced; one that leads nowhere is replaced itself. */
static bool choose_names(struct output *o)
{
    char resolved[PATH_MAX];
    o->final = strdup(realpath(o->path, resolved) ? resolved : o->path);
    o->temporary = o->final ? temporary_name(o->final) : NULL;
    return o->temporary != NULL;
}

static bool compressor_start(struct output *o)
{
    o->compressor = malloc(sizeof *o->compressor);
    if (o->compressor == NULL) return false;
    struct isal_zstream *stream = &o->compressor->stream;
    isal_deflate_init(stream);
    stream->level = 1;
    stream->level_buf = o->compressor->level_buffer;
    stream->level_buf_size = sizeof o->compressor->level_buffer;
    stream->gzip_flag = IGZIP_GZIP;
    return true;
}

struct output *output_open(const char *path, bool gzip, struct error *err)
{
    struct output *o = malloc(sizeof *o);
    if (o == NULL) goto no_memory;
    o->path = strdup(path);
    o->final = o->temporary = NULL;
    o->fd = -1;
    o->unwanted = o->failed = false;
    o->bytes = 0;
    o->compressor = NULL;
    o->buffered = 0;

    bool direct = written_directly(path);
    if (o->path == NULL || (gzip && !compressor_start(o)) || (!direct && !choose_names(o))) goto no_memory;
    if (direct ? open_direct(o, err) : open_temporary(o, err)) return o;
    output_abandon(o);
    return NULL;

no_memory:
    error_set(err, ERROR_OUTPUT, "cannot write '%s': out of memory", path);
    if (o != NULL) output_abandon(o);
    return NULL;
}

bool output_make_folders(const char *path, struct error *err) { return output_make_folders_as(path, 0700, err); }

static bool make_folder(const char *folder, mode_t mode)
{
    if (mkdir(folder, mode) != 0) return errno == EEXIST;
    (void)!folder_sync_above(folder);   /* one that may be entered and not read cannot be */
    return chmod(folder, mode) == 0;
}

bool output_make_folders_as(const char *path, mode_t mode, struct error *err)
{
    char *folder = strdup(path);
    if (folder == NULL) return error_set(err, ERROR_OUTPUT, "cannot create folders of '%s': out of memory", path);
    bool made = true;
    for (char *slash = folder; made && (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        if (!make_folder(folder, mode)) made = error_set_errno(err, ERROR_OUTPUT, "cannot create '%s'", folder);
        *slash = '/';
    }
    free(folder);
    return made;
}

/* --- Write ------------------------------------------------------------------------------------------------------------ */

static bool write_through(struct output *o, const void *data, size_t len, struct error *err)
{
    for (const char *at = data; len > 0;) {
        ssize_t written = write(o->fd, at, len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            o->failed = true;
            o->unwanted = errno == EPIPE;
            return cannot_write(o, err);
        }
        at += written;
        len -= (size_t)written;
    }
    return true;
}

bool output_flush(struct output *o, struct error *err)
{
    size_t len = o->buffered;
    o->buffered = 0;
    return write_through(o, o->buffer, len, err);
}

static bool write_plain(struct output *o, struct slice data, struct error *err)
{
    if (o->buffered + data.len > BUFFER_BYTES && !output_flush(o, err)) return false;
    if (data.len >= BUFFER_BYTES) return write_through(o, data.data, data.len, err);
    if (data.len > 0) memcpy(o->buffer + o->buffered, data.data, data.len);
    o->buffered += data.len;
    return true;
}

/* One round of the compressor: from its input to the buffer, which is written when full. */
static bool compress_some(struct output *o, struct error *err)
{
    struct isal_zstream *stream = &o->compressor->stream;
    stream->next_out = o->buffer + o->buffered;
    stream->avail_out = (uint32_t)(BUFFER_BYTES - o->buffered);
    CHECK(isal_deflate(stream) == COMP_OK);
    o->buffered = BUFFER_BYTES - stream->avail_out;
    return o->buffered < BUFFER_BYTES || output_flush(o, err);
}

static bool write_compressed(struct output *o, struct slice data, struct error *err)
{
    struct isal_zstream *stream = &o->compressor->stream;
    CHECK(data.len <= UINT32_MAX);
    stream->next_in = (uint8_t *)(uintptr_t)data.data;   /* the library does not write to it */
    stream->avail_in = (uint32_t)data.len;
    while (stream->avail_in > 0)
        if (!compress_some(o, err)) return false;
    return true;
}

bool output_write(struct output *o, struct slice data, struct error *err)
{
    CHECK(!o->failed);
    o->bytes += data.len;
    return o->compressor ? write_compressed(o, data, err) : write_plain(o, data, err);
}

static bool finish_compressed(struct output *o, struct error *err)
{
    struct isal_zstream *stream = &o->compressor->stream;
    stream->end_of_stream = 1;
    stream->avail_in = 0;
    while (stream->internal_state.state != ZSTATE_END)
        if (!compress_some(o, err)) return false;
    return true;
}

/* --- Close ------------------------------------------------------------------------------------------------------------ */

static void release(struct output *o)
{
    if (o->fd >= 0) close(o->fd);
    free(o->compressor);
    free(o->path);
    free(o->final);
    free(o->temporary);
    free(o);
}

/* Closing may bring the first news of a write that failed, on NFS for one. */
static bool close_file(struct output *o)
{
    int fd = o->fd;
    o->fd = -1;
    return close(fd) == 0;
}

static bool appear(struct output *o, const struct timespec *modified)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, modified ? *modified : (struct timespec){.tv_nsec = UTIME_OMIT}};
    if (modified != NULL && futimens(o->fd, times) != 0) return false;
    if (fsync(o->fd) != 0 || !close_file(o) || rename(o->temporary, o->final) != 0) return false;
    unfinished_forget(o->temporary);
    free(o->temporary);
    o->temporary = NULL;
    return folder_sync_above(o->final);
}

bool output_finish(struct output *o, const struct timespec *modified, struct error *err)
{
    bool finished = (!o->compressor || finish_compressed(o, err)) && output_flush(o, err);
    if (finished && o->temporary != NULL && !appear(o, modified)) finished = cannot_write(o, err);
    if (finished && o->fd >= 0 && !close_file(o)) finished = cannot_write(o, err);
    output_abandon(o);
    return finished;
}

void output_abandon(struct output *o)
{
    if (o->temporary != NULL) {
        unlink(o->temporary);
        unfinished_forget(o->temporary);
    }
    release(o);
}

uint64_t output_bytes(const struct output *o) { return o->bytes; }

bool output_unwanted(const struct output *o) { return o->unwanted; }
