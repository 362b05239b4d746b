/* What the source `blob` knows of each blob: how far it was read, of which version. In memory a table by a keyed hash of the
 * name, some 130 bytes for each blob whatever the length of its name; in the store a position for each.
 * Thread: the source's own. */
#ifndef LETHE_COLLECTOR_BLOB_MARKS_H
#define LETHE_COLLECTOR_BLOB_MARKS_H

#include "source.h"

#define BLOB_HASH_BYTES 16
#define BLOB_SAMPLE_BYTES 256   /* at most, of the last document read */

/* The value of a blob's position. Written as it is in memory; the store does not move between machines. */
struct blob_mark {
    uint32_t            version;        /* BLOB_MARK_VERSION */
    uint32_t            epoch;          /* grows when the content begins anew without another time of creation */
    struct framer_place place;          /* of the content, unpacked if it is packed: where framing goes on */
    uint64_t            handed_to;      /* end of the last document handed out, in the content */
    uint64_t            size;           /* bytes of the blob that were read, packed if it is packed */
    uint64_t            etag;           /* blob_etag_hash() of the version that was read last; 0: none */
    uint64_t            sample_from;    /* of the content: end of the last document, by which it is known again */
    uint32_t            sample_len;
    uint32_t            created, modified;   /* seconds since 1970, by the service; 0: not told */
    uint8_t             sample[8];
    uint8_t             stream[16];     /* for event ids; set with `named`, when the first document was handed out */
    uint8_t             named, packed;
    uint8_t             unfinished;     /* the version read ends in a document that may be going on */
    uint8_t             whole;          /* that version was read to its end */
};

#define BLOB_MARK_VERSION 1

struct blob_entry {
    uint8_t          key[BLOB_HASH_BYTES];
    struct blob_mark mark;
    uint32_t         seen;       /* number of the pass that met it last */
    uint32_t         again_s;    /* refused by the service: not before this second, monotonic */
    uint16_t         place;      /* which address it is below; BLOB_PLACE_UNKNOWN: not met in this run */
};

#define BLOB_PLACE_UNKNOWN UINT16_MAX

struct blob_marks {
    struct blob_entry *items;     /* in no order; moved by blob_marks_add() and _sweep() */
    size_t             count, capacity;
    uint32_t          *slots;     /* by key: index + 1; 0: free */
    size_t             slot_count;
};

#define BLOB_UNKNOWN SIZE_MAX

void blob_marks_release(struct blob_marks *);

/* An index, or BLOB_UNKNOWN. */
size_t blob_marks_find(const struct blob_marks *, const uint8_t key[BLOB_HASH_BYTES]);

/* Of a key that is not there; the index. CHECKs that memory can be had. */
size_t blob_marks_add(struct blob_marks *, const uint8_t key[BLOB_HASH_BYTES]);

/* Takes the entry out that was added last. */
void blob_marks_drop_last(struct blob_marks *);

/* Takes out those for which forget() is true; it is asked once for each. */
void blob_marks_sweep(struct blob_marks *, bool (*forget)(void *context, const struct blob_entry *), void *context);

/* Never 0. Not keyed: an ETag tells nothing of the content. */
uint64_t blob_etag_hash(const char *etag);

/* --- Positions ---------------------------------------------------------------------------------------------------------- */

/* `forget`: of a blob that need not be known any more. */
void blob_mark_write(const struct blob_entry *, bool forget, struct position *);

/* False: it is none. */
MUST_USE bool blob_mark_read(const struct position *, uint8_t key[BLOB_HASH_BYTES], struct blob_mark *);

/* Blobs below an address that were changed before this second and are not in the table were read long ago. */
void blob_horizon_write(const uint8_t key[BLOB_HASH_BYTES], uint32_t second, struct position *);
MUST_USE bool blob_horizon_read(const struct position *, uint8_t key[BLOB_HASH_BYTES], uint32_t *second);

#endif
