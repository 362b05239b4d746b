#include "file_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool identify(int folder, const char *path, int flags, struct file_id *id, mode_t *mode, uint64_t *size)
{
    struct statx status;
    if (statx(folder, path, flags, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) return false;
    *id = (struct file_id){(uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor, status.stx_ino, 0};
    if ((status.stx_mask & STATX_BTIME) != 0)
        id->born_ns = (uint64_t)status.stx_btime.tv_sec * 1000000000u + status.stx_btime.tv_nsec;
    *mode = status.stx_mode;
    *size = status.stx_size;
    return true;
}

uint64_t file_clock_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool file_id_of(int fd, struct file_id *id)
{
    mode_t   mode;
    uint64_t size;
    return identify(fd, "", AT_EMPTY_PATH, id, &mode, &size);
}

bool file_id_at(const char *path, struct file_id *id, struct stat *status)
{
    mode_t   mode;
    uint64_t size;
    if (!identify(AT_FDCWD, path, 0, id, &mode, &size)) return false;
    status->st_mode = mode;
    status->st_size = (off_t)size;
    return true;
}

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns;
}

void file_key(const struct source *s, const struct file_id *id, char key[POSITION_KEY_MAX], uint16_t *len)
{
    (void)s;
    *len = (uint16_t)snprintf(key, POSITION_KEY_MAX, "file %llx %llx %llx", (unsigned long long)id->device,
                              (unsigned long long)id->inode, (unsigned long long)id->born_ns);
}

struct file_mark file_mark_new(const struct source *s, const struct file_id *id)
{
    struct file_mark mark = {.version = MARK_VERSION, .id = *id, .place = {.line = 1}};
    file_begin_stream(s, id, 0, &mark);
    return mark;
}

void file_begin_stream(const struct source *s, const struct file_id *id, uint32_t epoch, struct file_mark *mark)
{
    char   text[POSITION_KEY_MAX];
    size_t len = (size_t)snprintf(text, sizeof text, "%llx %llx %llx %u ", (unsigned long long)id->device,
                                  (unsigned long long)id->inode, (unsigned long long)id->born_ns, epoch);
    mark->epoch = epoch;
    mark->named = 0;
    source_stream_id(s, slice_of(text, len), mark->stream);
}

void file_name_stream(const struct source *s, struct slice first, struct file_mark *mark)
{
    char text[sizeof mark->stream + SAMPLE_BYTES];
    CHECK(first.len <= SAMPLE_BYTES);
    memcpy(text, mark->stream, sizeof mark->stream);
    memcpy(text + sizeof mark->stream, first.data, first.len);
    source_stream_id(s, slice_of(text, sizeof mark->stream + first.len), mark->stream);
    mark->named = STREAM_NAMED;
}

bool file_line(int fd, uint64_t from, char line[SAMPLE_BYTES], size_t *len)
{
    ssize_t got;
    do got = pread(fd, line, SAMPLE_BYTES, (off_t)from);
    while (got < 0 && errno == EINTR);
    const char *end = got > 0 ? memchr(line, '\n', (size_t)got) : NULL;
    *len = end != NULL ? (size_t)(end - line) : got > 0 ? (size_t)got : 0;
    if (end == NULL) return got == SAMPLE_BYTES;
    bool text = *len > 0 && line[0] != '{' && line[0] != '[';
    while (*len > 0 && (line[*len - 1] == '\r' || (!text && (line[*len - 1] == ' ' || line[*len - 1] == '\t')))) --*len;
    return true;
}

/* Few bytes of a keyed hash of nothing: enough to tell keys apart, and telling nothing of them. */
static void name_key(const struct source *s, uint8_t key[4])
{
    uint8_t hash[16];
    source_fingerprint(s, "file-key", SLICE(""), hash);
    memcpy(key, hash, 4);
}

_Static_assert(sizeof(struct sample) == 32, "stores hold samples as they are in memory");

struct sample sample_of(const struct source *s, uint64_t from, struct slice bytes)
{
    struct sample sample = {.from = from, .len = (uint32_t)bytes.len};
    source_fingerprint(s, "file-sample", bytes, sample.hash);
    name_key(s, sample.key);
    return sample;
}

bool sample_is_foreign(const struct source *s, const struct sample *sample)
{
    static const uint8_t unknown[sizeof sample->key];
    uint8_t              key[sizeof sample->key];
    name_key(s, key);
    return sample->len > 0 && memcmp(sample->key, unknown, sizeof key) != 0 && memcmp(sample->key, key, sizeof key) != 0;
}

static bool read_at(int fd, char *buffer, size_t len, uint64_t from)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(fd, buffer + done, len - done, (off_t)(from + done));
        if (got > 0) done += (size_t)got;
        else if (got == 0 || errno != EINTR) return false;
    }
    return true;
}

static bool sample_at(const struct source *s, int fd, uint64_t from, size_t len, struct sample *sample)
{
    char bytes[SAMPLE_BYTES];
    if (!read_at(fd, bytes, len, from)) return false;
    *sample = sample_of(s, from, slice_of(bytes, len));
    return true;
}

static size_t sample_len(uint64_t bytes) { return bytes < SAMPLE_BYTES ? (size_t)bytes : SAMPLE_BYTES; }

bool file_head(const struct source *s, int fd, uint64_t size, struct sample *head)
{
    return sample_at(s, fd, 0, sample_len(size), head);
}

bool file_samples(const struct source *s, int fd, uint64_t place, struct sample *head, struct sample *tail)
{
    size_t len = sample_len(place);
    if (head->len != len && !sample_at(s, fd, 0, len, head)) return false;   /* else it cannot change any more */
    return sample_at(s, fd, place - len, len, tail);
}

bool sample_fits(const struct source *s, int fd, const struct sample *sample)
{
    struct sample now;
    return sample->len <= SAMPLE_BYTES && sample_at(s, fd, sample->from, sample->len, &now) &&
           memcmp(now.hash, sample->hash, sizeof now.hash) == 0;
}
