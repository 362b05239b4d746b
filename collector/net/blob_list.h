/* A page of a listing of blobs, or of containers: the XML of "List Blobs" and "List Containers", read while it arrives.
 *
 * The reader knows the elements it needs and passes over all others; it holds the page's names and properties, never the XML.
 * Accepted: a byte order mark, entities, character references, CDATA, comments, names marked Encoded="true". Refused: a
 * DOCTYPE, another root, an end that does not come, names longer than the service allows.
 * Source of the format: learn.microsoft.com, "List Blobs", "List Containers" (REST). Thread: one owner. */
#ifndef LETHE_NET_BLOB_LIST_H
#define LETHE_NET_BLOB_LIST_H

#include "net/text_buffer.h"

#include <time.h>

#define BLOB_PAGE_ITEMS 5000         /* most in one page, of the service */
#define BLOB_NAME_BYTES (1024 * 4)   /* 1024 characters */
#define BLOB_MARKER_BYTES 8192
#define BLOB_ETAG_BYTES 64

enum blob_type { BLOB_BLOCK, BLOB_APPEND, BLOB_PAGED };

/* Of "AppendBlob" and the like, in a listing and in a header. */
enum blob_type blob_type_of(struct slice);

struct blob_item {
    size_t         name_at, name_len;        /* in the page; see blob_page_name() */
    uint64_t       size;
    time_t         modified, created;        /* 0: not told */
    char           etag[BLOB_ETAG_BYTES];    /* with quotes, as If-Match wants it; empty: not told */
    enum blob_type type;
    bool           directory;                /* of an account with folders: holds nothing */
};

struct blob_page {
    struct blob_item  *items;
    size_t             count, room;
    struct text_buffer names;
    struct text_buffer next_marker;   /* empty: this was the last page */
    time_t             date;          /* when the service answered, by its clock; 0: not told */
};

void blob_page_init(struct blob_page *);
void blob_page_release(struct blob_page *);
void blob_page_clear(struct blob_page *);

/* The name of an item, followed by a NUL. */
static inline struct slice blob_page_name(const struct blob_page *p, const struct blob_item *item)
{
    return slice_of(p->names.data + item->name_at, item->name_len);
}

/* Copies an ETag into `to`, in quotes whether it has them or not. Anything that is none becomes an empty text. */
void blob_etag_take(char to[BLOB_ETAG_BYTES], struct slice);

/* --- The reader ------------------------------------------------------------------------------------------------------- */

struct blob_list_reader;

/* Fills the page, which must be clear. NULL: no memory. */
MUST_USE struct blob_list_reader *blob_list_reader_new(struct blob_page *);
void blob_list_reader_free(struct blob_list_reader *);   /* NULL is allowed */

/* The next bytes. False: not such a listing, or no memory. */
MUST_USE bool blob_list_reader_add(struct blob_list_reader *, struct slice);

/* After the last bytes: whether the listing was whole. */
MUST_USE bool blob_list_reader_finish(struct blob_list_reader *);

#endif
