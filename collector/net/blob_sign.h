/* The signature of a request to Azure Storage by the account's key ("Shared Key").
 *
 * Source: learn.microsoft.com, "Authorize with Shared Key", for blobs and version 2015-02-21 or later. Thread: any. */
#ifndef LETHE_NET_BLOB_SIGN_H
#define LETHE_NET_BLOB_SIGN_H

#include "net/base64.h"
#include "net/http_client.h"
#include "net/text_buffer.h"

#define BLOB_KEY_BYTES 128         /* keys of accounts have 64 */
#define BLOB_SIGNATURE_BYTES BASE64_ROOM(32)
#define BLOB_SIGNED_HEADERS 16

struct blob_parameter {
    const char  *name;    /* lower case */
    struct slice value;   /* as it is, not encoded */
};

struct blob_signed {
    const char                  *verb;
    const char                  *account;
    const char                  *path;             /* as sent, percent-encoded, with its first "/" */
    const struct blob_parameter *parameters;       /* sorted by name, each name once */
    size_t                       parameter_count;
    const struct http_header    *headers;          /* as sent, in any order; at most BLOB_SIGNED_HEADERS of x-ms-* */
    size_t                       header_count;
    size_t                       content_length;
};

/* The text that is signed. */
void blob_string_to_sign(const struct blob_signed *, struct text_buffer *);

/* Base64 of HMAC-SHA-256. */
void blob_signature(const unsigned char *key, size_t key_len, struct slice text, char signature[BLOB_SIGNATURE_BYTES]);

#endif
