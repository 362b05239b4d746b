/* Azure Blob Storage over REST: lists and reads, with the account's key, a shared access signature (SAS) or a token of Entra
 * ID. Every call tries again by itself what may pass, and waits meanwhile; http_client_stop() ends it.
 *
 * Thread: one owner at a time, that of the HTTP client. */
#ifndef LETHE_NET_BLOB_CLIENT_H
#define LETHE_NET_BLOB_CLIENT_H

#include "net/blob_list.h"
#include "net/entra.h"
#include "net/retry.h"

#define BLOB_SCOPE "https://storage.azure.com/.default"   /* the same in all clouds */
#define BLOB_VERSION "2021-12-02"                         /* x-ms-version */
#define BLOB_ATTEMPTS 6                                   /* of one request */
#define BLOB_PATIENCE_MS (5 * 60 * 1000)                  /* a service that asks for longer is given up */
#define BLOB_RANGE_BYTES (4u << 20)                       /* of one request of a stream */
#define BLOB_PAGE_BYTES (64u << 20)                       /* longest listing taken, of BLOB_PAGE_ITEMS */

struct blob_client_options {
    /* "https://ACCOUNT.blob.core.windows.net", or with a path that names the account; no "/" at the end */
    const char   *endpoint;
    const char   *account;    /* with a key */
    const char   *key;        /* base64 */
    const char   *signature;  /* a SAS: the query, without "?" */
    struct entra *entra;      /* borrowed */
    unsigned      attempts;   /* 0: BLOB_ATTEMPTS */
    struct retry_options pace;
};

struct blob_client;

/* One of key, signature and entra. Strings are copied, the HTTP client is borrowed. */
MUST_USE struct blob_client *blob_client_new(const struct blob_client_options *, struct http_client *, struct error *);
void blob_client_free(struct blob_client *);   /* NULL is allowed */

enum blob_outcome {
    BLOB_DONE,
    BLOB_NOTHING_NEW,   /* the blob ends where reading was to begin */
    BLOB_CHANGED,       /* it is not the version that was asked for: written to or replaced */
    BLOB_MISSING,       /* no such blob or container; the error says so */
    BLOB_LATER,         /* may pass; all attempts are used; the error says why */
    BLOB_FAILED,        /* will not pass by itself; the error says why */
};

/* What came last: the status (0: no answer) and its Retry-After, cut to the room; for who paces the attempts himself. */
struct blob_answer {
    int  status;
    char retry_after[64];
};
const struct blob_answer *blob_client_last(const struct blob_client *);

/* One page of the blobs of a container whose names begin with `prefix`, in the order of the service. The page's next_marker
 * says where to go on: it is used and, when the page is there, replaced; blob_page_init() begins at the first. An empty container
 * stands for the account: the items are the names of its containers. */
MUST_USE enum blob_outcome blob_list(struct blob_client *, const char *container, struct slice prefix, struct blob_page *,
                                     struct error *);

/* Size, version and times of one blob; the name is not filled in. */
MUST_USE enum blob_outcome blob_properties(struct blob_client *, const char *container, struct slice name, struct blob_item *,
                                           struct error *);

/* Up to `capacity` bytes from `offset`. `etag`: the version wanted, or NULL for any. *got is 0 unless BLOB_DONE. */
MUST_USE enum blob_outcome blob_read(struct blob_client *, const char *container, struct slice name, const char *etag,
                                     uint64_t offset, char *buffer, size_t capacity, size_t *got, struct error *);

/* --- A blob as a stream ----------------------------------------------------------------------------------------------- */

/* A blob as it was when it was listed, read by ranges. What is appended meanwhile is not read; a blob that is replaced
 * meanwhile is an error, unless nothing has been read yet: then the new one is read. */
struct blob_stream;

/* `item` says version, size and type; container, name and item are copied. `shown` is for messages and is borrowed. */
MUST_USE struct blob_stream *blob_stream_open(struct blob_client *, const char *container, struct slice name,
                                              const struct blob_item *item, const char *shown, struct error *);
void blob_stream_close(struct blob_stream *);

/* Puts up to `capacity` bytes into buffer; 0 at the end, -1 and an error (ERROR_INPUT) otherwise. */
ptrdiff_t blob_stream_read(void *stream, char *buffer, size_t capacity, struct error *);

#endif
