/* source_blob.c fills cargoes, source_blob_list.c lists, source_blob_read.c reads one blob after another; this is what they
 * share. The laws are at the head of source_blob.c. */
#ifndef LETHE_COLLECTOR_SOURCE_BLOB_PRIV_H
#define LETHE_COLLECTOR_SOURCE_BLOB_PRIV_H

#include "base/log.h"
#include "base/wakeup.h"
#include "blob_input.h"
#include "blob_marks.h"
#include "gunzip.h"

#define BLOB_RANGE (1u << 20)      /* bytes of one request */
#define BLOB_TELL_MS 60000         /* between two lines of one kind */
#define BLOB_POSITIONS 256         /* in one batch */
#define BLOB_ROOTS 512             /* addresses and containers found by them, of one source */

/* A container, or what is below a prefix in one. For a family, `container` is what the names of its containers begin with. */
struct blob_root {
    struct blob_address address;
    struct blob_place  *place;
    uint8_t             key[BLOB_HASH_BYTES];   /* of its horizon */
    uint32_t            horizon;                /* see blob_horizon_write(); 0: none */
    bool                found;                  /* by a family */
    bool                skipping;               /* `start: end`, and it was not listed yet */
    bool                whole;                  /* all of it was listed in this pass */
    bool                overfull;               /* blobs were read that have no mark: the horizon must move */
    bool                crowded;                /* it could not: all get a mark */
    uint32_t            begun;                  /* second in which the pass began here, by the service; 0: not told */
};

/* The blob that is being read. */
struct blob_session {
    bool             open, verified;
    size_t           entry;         /* in the marks */
    struct slice     name;          /* in the page */
    struct blob_root *root;
    struct blob_item item;          /* the version that is read, and to which size */
    bool             ends;          /* it will not grow: an unfinished document at its end is handed out */
    bool             finishing;     /* that is being done */
    bool             unmarked;      /* its mark goes with the session */
    bool             cut;           /* it ends within a packed member */
    struct gunzip   *gunzip;        /* NULL: not packed */
    uint64_t         read_to;       /* bytes of the content that the framer has */
    uint64_t         packed_to;     /* bytes of the blob that gunzip has */
    uint64_t         buffer_from;
    size_t           buffer_len;
    unsigned         changes;       /* versions followed */
    enum blob_outcome failed;       /* why there are no more bytes; BLOB_DONE: not so */
    struct error     failure;
};

struct source_blob {
    struct source     base;
    struct text_list  addresses, names, exclude;
    const char       *account_key_file, *sas_file, *connection_string_file, *ca_file;
    int               start;
    uint64_t          poll_ms, rest_ms, remember_ms;

    struct blob_inputs *inputs;
    struct wakeup       wakeup;
    struct blob_root   *roots, *families;   /* room for BLOB_ROOTS each; families: the addresses with a '*' */
    size_t              root_count, family_count;
    struct blob_horizon {
        uint8_t  key[BLOB_HASH_BYTES];
        uint32_t second;
    }                   horizons[BLOB_ROOTS];   /* of earlier runs */
    size_t              horizon_count;
    struct blob_marks   marks;
    struct framer      *framer;
    char               *buffer;          /* BLOB_RANGE */
    struct blob_session session;

    struct blob_page page;
    struct wanted {
        uint32_t item;
        uint64_t bytes;                  /* that are waiting */
    }               *wanted;             /* of the page, what is to be read: BLOB_PAGE_ITEMS */
    size_t           wanted_count, wanted_at;
    size_t           family, root;       /* being listed; both at their end: the pass is over */
    bool             listing;            /* its first page has come and its last has not */
    bool             whole;              /* everything could be listed in this pass */
    bool             first;              /* start: nothing is known of earlier ones */
    size_t           most_old;           /* marks, beyond which old blobs get none */
    uint32_t         pass;
    uint64_t         next_pass_ms, met;
    uint64_t         paced_until_ms;  /* no more positions without documents before */
    bool             forgetting;         /* after a pass */

    struct retry     retry;
    unsigned         tries;              /* of one thing, that failed */
    bool             failed;             /* to be told */
    struct error     failure;
    struct log_limit crowded_limit, refused_limit, unpack_limit, gone_limit, replaced_limit;
    bool             opened;
};

struct blob_receipt {
    struct receipt  base;
    size_t          capacity;
    struct position list[];
};

enum blob_work {
    BLOB_WORK_DONE,   /* something was done */
    BLOB_WORK_SEND,   /* what there is goes on its way */
    BLOB_WORK_WAIT,   /* there is nothing to do just now */
};

/* The receipt gets one more position. */
struct position *blob_add_position(struct cargo *);
size_t           blob_positions_in(const struct cargo *);

/* "container/name", shortened at its beginning. */
void blob_show(const struct blob_root *, struct slice name, char *text, size_t room);

/* What is said of lines that were left out. */
#define BLOB_MORE_BYTES 80
const char *blob_more(uint64_t left_out, char text[BLOB_MORE_BYTES]);

/* One thing was not to be had: pauses. True: it was tried often enough for now. */
bool blob_pause_after(struct source_blob *, struct blob_root *, const char *verb, const char *what, const struct error *why);
void blob_succeeded(struct source_blob *);

/* One more root: a container of a family. */
MUST_USE bool blob_open_found(struct source_blob *, const struct blob_root *family, const char *container, struct error *);

/* --- Listing: source_blob_list.c ------------------------------------------------------------------------------------------ */

void           blob_begin_pass(struct source_blob *);
enum blob_work blob_meet_containers(struct source_blob *, struct cargo *);   /* of a family, before blobs are listed */
enum blob_work blob_list_on(struct source_blob *, struct cargo *);       /* the next page, or what comes behind the last */
enum blob_work blob_forget_some(struct source_blob *, struct cargo *);   /* after a pass, while `forgetting` */
enum blob_work blob_skip_next(struct source_blob *, struct cargo *);     /* of what is wanted of the page, while `skipping` */

/* The key of a blob's mark. */
void blob_key(const struct source_blob *, const struct blob_root *, struct slice name, uint8_t key[BLOB_HASH_BYTES]);

/* Whether nothing will be appended any more. */
bool blob_has_rested(const struct source_blob *, const struct blob_root *, const struct blob_item *);

/* Whether it was changed so long ago that the horizon will be behind it after this pass. */
bool blob_is_old(const struct source_blob *, const struct blob_root *, time_t modified);

/* --- Reading: source_blob_read.c ------------------------------------------------------------------------------------------ */

enum blob_step {
    BLOB_STEP_ON,       /* something was done, perhaps there is more */
    BLOB_STEP_OVER,     /* the session is over: the blob was read as far as it goes, or given up */
    BLOB_STEP_FAILED,   /* session.failed and .failure say why; it can be called again */
};

/* Begins to read what is new in a version of a blob. Asks for nothing yet. */
void blob_session_open(struct source_blob *, struct blob_root *, const struct blob_item *, struct slice name, size_t entry,
                       bool ends);
void blob_session_close(struct source_blob *);

/* Adds documents to the cargo, which has room for one of the longest, and keeps the mark up to date. */
enum blob_step blob_session_fill(struct source_blob *, struct cargo *);

#endif
