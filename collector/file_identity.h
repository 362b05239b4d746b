/* How a followed file is known again: after a restart, after it was renamed, packed, truncated or replaced.
 *
 * A name tells nothing, and an inode is used again at once. So a file is its device, inode and time of birth; and what was
 * read of it is proved by keyed hashes of its first bytes and of those just before the place reached. Nothing of the content
 * is kept in readable form. Thread: the source's own. */
#ifndef LETHE_COLLECTOR_FILE_IDENTITY_H
#define LETHE_COLLECTOR_FILE_IDENTITY_H

#include "source.h"

#include <sys/stat.h>

#define SAMPLE_BYTES 1024   /* hashed at the beginning and before the place */
#define SAVED_PATH   320

struct file_id {
    uint64_t device, inode, born_ns;   /* born_ns 0: the file system does not say */
};

/* A hash of bytes [from, from + len) of a content. */
struct sample {
    uint64_t from;
    uint32_t len;
    uint8_t  hash[16];
    uint8_t  key[4];   /* of which key the hash is; marks of programs that did not say so have zeros here */
};

/* What is kept of a file: the value of its position. Written as it is in memory; the store does not move between machines. */
struct file_mark {
    uint32_t            version;       /* MARK_VERSION */
    uint32_t            epoch;         /* grows when the content begins anew */
    struct file_id      id;
    struct framer_place place;
    struct sample       head, tail;    /* of the content: unpacked, if it is packed. Nothing was read yet: there may be a head */
    uint64_t            packed_size;   /* of a packed file that was read to its end, as it was then; 0: it was not */
    uint64_t            named;         /* STREAM_NAMED: the first document was handed out, which is part of the stream's name.
                                          From STREAM_TORN on: it was, but torn, and began at byte `named` - STREAM_TORN of the
                                          content */
    uint8_t             stream[16];    /* for event ids; before it is named: of the file in which the content was met first */
    char                path[SAVED_PATH];
};

#define MARK_VERSION 2
#define STREAM_NAMED 1
#define STREAM_TORN  2

/* Since 1970, by the clock that gives files their times: it may be some milliseconds behind clock_realtime_ms(). */
uint64_t file_clock_ms(void);

bool file_id_of(int fd, struct file_id *);                    /* false: errno */
bool file_id_at(const char *path, struct file_id *, struct stat *);
bool file_id_equal(const struct file_id *, const struct file_id *);

/* The position's key: made of the identity. */
void file_key(const struct source *, const struct file_id *, char key[POSITION_KEY_MAX], uint16_t *len);

/* Of a file that is met for the first time. */
struct file_mark file_mark_new(const struct source *, const struct file_id *);

/* Names what begins with an epoch of a file. The mark keeps that wherever the content goes: renamed, copied, packed. */
void file_begin_stream(const struct source *, const struct file_id *, uint32_t epoch, struct file_mark *);

/* With the first document of the content the name is whole. */
void file_name_stream(const struct source *, struct slice first, struct file_mark *);

/* The line that begins at `from` of a file that is not packed, as far as it can be part of a name, without what framing leaves
 * out at its end. False: it has no end yet, or cannot be read. */
bool file_line(int fd, uint64_t from, char line[SAMPLE_BYTES], size_t *len);

struct sample sample_of(const struct source *, uint64_t from, struct slice bytes);

/* The first bytes of a file that is not packed, `size` at most. False: it cannot be read. */
bool file_head(const struct source *, int fd, uint64_t size, struct sample *head);

/* The samples of a file that is not packed, as far as it was read up to `place`. False: it cannot be read. */
bool file_samples(const struct source *, int fd, uint64_t place, struct sample *head, struct sample *tail);

/* Whether it was made with another key: whatever the file has, it cannot fit. */
bool sample_is_foreign(const struct source *, const struct sample *);

/* Whether the file still has what the sample was made of. */
bool sample_fits(const struct source *, int fd, const struct sample *);

#endif
