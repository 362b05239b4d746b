/* Names of the files of the `file` sink, made from a template and found again by it.
 *
 *   /var/log/lethe/{kind}-{date}.jsonl     {kind} {category} {level} {result} {date} {hour}
 *
 * {date} and {hour} are those of the record, in UTC, or of now where it has no time. What a record says becomes part of a name
 * only as letters, digits, '-', '_' and '.', so it cannot lead out of the folder.
 *
 * What a file is called in its life, for the template's name `a.jsonl` or `a.jsonl.gz`:
 *   a.jsonl                            as it is written, or finished
 *   a.jsonl.partial                    as it is written, where the own name is kept for the finished one
 *   a.jsonl.20260314T093000.500Z[.gz]  finished, with the time of that; before the .gz of a packed one
 * Thread: any. */
#ifndef LETHE_SINKS_FILE_NAMES_H
#define LETHE_SINKS_FILE_NAMES_H

#include "base/error.h"
#include "sinks/block.h"

#define FILE_NAME_BYTES   1024
#define FILE_NAME_PARTIAL ".partial"

struct file_name {
    char   text[FILE_NAME_BYTES];
    size_t len;
    bool   whole;   /* it fits */
};

/* False: the template is none, or the name is too long for a file system. */
MUST_USE bool file_name_make(const char *template, const struct block *, const struct block_record *, struct file_name *);

/* Of the file for what can have none of its own: with "other" for what a record says, and the time of now. False as above. */
MUST_USE bool file_name_make_other(const char *template, struct file_name *);

/* Whether the template has one name at most for each day: {date} stands in it. */
bool file_name_is_dated(const char *template);

/* Adds the time, so that the name is free. `path` is of the template. */
void file_name_add_time(const char *path, uint64_t realtime_ms, char out[FILE_NAME_BYTES + 40]);

enum file_state { FILE_OWN_NAME, FILE_PARTIAL, FILE_TIMED };

struct found_file {
    char           *path;
    enum file_state state;
    int64_t         modified_ms;
};

struct found_files {
    struct found_file *files;   /* the youngest first */
    size_t             count;
};

/* All files on disk whose names the template can have made. False: no memory. */
MUST_USE bool file_names_find(const char *template, struct found_files *);
void file_names_release(struct found_files *);

#endif
