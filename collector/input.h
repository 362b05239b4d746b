/* What is to be read: the PATH arguments as a list of files and blobs, and one of them as a source of bytes.
 *
 * An argument is a file, a folder, a pattern that no file is named after (for shells that do not expand patterns), or "-"
 * for standard input. A folder stands for the regular files below it, hidden ones and links to files included, sorted by
 * name; links to folders are not followed, nor is the folder that the output goes to. An address (blob_input.h) stands for
 * blobs, which are listed before anything is read; some 650 bytes are held for each.
 *
 * What cannot be listed or opened is an input too, one with a fault: it is reported in its turn and counted. */
#ifndef LETHE_COLLECTOR_INPUT_H
#define LETHE_COLLECTOR_INPUT_H

#include "blob_input.h"
#include "parser/framing.h"

#include <sys/stat.h>

#define INPUT_STDIN "-"

struct input {
    char       *path;       /* for opening and for messages */
    const char *relative;   /* inside path: name below the folder given, or the last part; its place in a mirrored tree */
    dev_t       device;     /* this and what follows is 0 where unknown, as for standard input */
    ino_t       inode;
    off_t       size;
    struct timespec modified;
    int         fault;      /* errno: it could not be looked at; 0: it could */
    struct blob_ref *blob;  /* NULL: a file */
};

struct input_list {
    struct input *items;
    size_t        count, room;
    struct blob_inputs *blobs;   /* NULL: there are none */
};

/* `avoid`: a folder that is not entered (where the output goes), or NULL. `access`: to blobs, NULL: by the
 * environment; its strings are borrowed as long as the list. False when memory is out or an address cannot be listed; the
 * list is to be released all the same. */
MUST_USE bool inputs_collect(struct input_list *, const char *const *arguments, size_t count, const struct stat *avoid,
                             const struct blob_access *access, struct error *);
void inputs_release(struct input_list *);

bool        input_is_stdin(const struct input *);
const char *input_name(const struct input *);   /* for people: "stdin" or the path */
bool        input_is_file(const struct input *, const struct stat *);   /* the same file, whatever its name */

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

struct reader;

/* Opens an input and looks whether it is gzip. NULL and an error otherwise. The input must outlive the reader. */
MUST_USE struct reader *reader_open(const struct input *, struct error *);
void reader_close(struct reader *);
struct byte_source reader_source(struct reader *);
uint64_t reader_offset(const struct reader *);   /* bytes taken from the file or blob, packed ones if it is gzip */

#endif
