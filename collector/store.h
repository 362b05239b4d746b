/* The store: what must outlive the process. A folder with one SQLite database (WAL, synchronous=FULL) that holds
 *   - the spool: clean blocks that some sink still needs, by number
 *   - the position of every stream of every source
 *   - for each sink, the number from which on it still needs blocks
 * One transaction writes all three, so that a position is never ahead of its blocks.
 *
 * Blocks are opaque here: packed (deflate), sealed with AES-256-GCM when there is a key, and checked when read, since
 * SQLite does not notice every flipped bit. Raw bytes never come here.
 *
 * (1) What store_commit() has returned true for survives kill -9 and loss of power.
 * (2) One process at a time: a lock on the folder is taken by store_open() and refused to others.
 * (3) Damage is found, told, counted and stepped over: one bad block is one lost block, never a refused start. A database
 *     that cannot be opened at all is set aside under another name, what can be saved from it is saved, and a new one begun.
 * (4) After a failed commit nothing of it is there. A failed sync is not tried again on the same handles: they are closed and
 *     opened anew.
 * (5) The size of the spool is bounded by max_bytes: store_commit() refuses a block beyond that (STORE_FULL).
 * (6) What is not known any more leads to duplicates, never to loss: a stream without its position is read from its beginning,
 *     a sink whose cursor was damaged gets the whole spool.
 * Thread: store_commit() and store_maintain() from one thread; store_load() and the rest from any, at the same time.
 * Functions that are called back must not call the store. */
#ifndef LETHE_COLLECTOR_STORE_H
#define LETHE_COLLECTOR_STORE_H

#include "base/error.h"
#include "base/slice.h"
#include "cargo.h"

struct store;

struct store_options {
    const char *path;        /* of the folder; made with mode 0700 if it is not there */
    uint64_t    max_bytes;   /* of the spool, as packed; positions are not counted */
    const char *key_file;    /* 32 bytes in base64, hex or raw, mode 0600 or stricter; NULL: not encrypted */
};

/* What store_open() found. */
struct store_report {
    uint64_t blocks, bytes;          /* in the spool, packed */
    uint64_t damaged_blocks;         /* stepped over */
    bool     set_aside;              /* the database was unreadable: see the log */
    char     aside[256];             /* its new name */
};

MUST_USE struct store *store_open(const struct store_options *, struct store_report *, struct error *);
void store_close(struct store *);

/* --- Writing ---------------------------------------------------------------------------------------------------------- */

struct store_block {
    uint64_t     seq;         /* from 1 on, each once; in any order, but quicker in rising order */
    uint64_t     records;
    struct slice pieces[4];   /* the block is these, one after another */
};

struct store_position {
    const char            *source;
    const struct position *position;
};

struct store_cursor {
    const char *sink;
    uint64_t    next;         /* blocks before this number are not needed by that sink any more */
};

struct store_change {
    const struct store_block    *blocks;
    size_t                       block_count;
    const struct store_position *positions;   /* of several for one key, the last one holds */
    size_t                       position_count;
    const struct store_cursor   *cursors;
    size_t                       cursor_count;
    const char *const           *dropped_sinks;   /* sinks that are not configured any more: their cursors go */
    size_t                       dropped_count;
    uint64_t                     keep_from;       /* blocks before this number are deleted: for readers at once, on disk over
                                                     the next commits if they are many */
    uint64_t                     next_seq;        /* lowest number never given to a block: kept */
};

enum store_result { STORE_OK, STORE_FULL, STORE_FAILED };

/* All or nothing. STORE_FULL: the quota or the disk; the error says which. STORE_FAILED: the error says why. */
enum store_result store_commit(struct store *, const struct store_change *, struct error *);

/* Gives pages back to the file system when the spool has shrunk; called now and then when there is nothing else to do. */
void store_maintain(struct store *);

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

enum store_load { STORE_FOUND, STORE_GONE, STORE_DAMAGED, STORE_UNREADABLE };

/* The block with that number, unpacked into malloc'ed memory that the caller frees. DAMAGED is told once for each block. */
enum store_load store_load(struct store *, uint64_t seq, char **data, size_t *len, struct error *);

/* The lowest number of a block in the spool that is >= seq; UINT64_MAX: none. */
uint64_t store_next(struct store *, uint64_t seq);

/* Packed bytes of the blocks >= seq: how far a sink is behind. */
uint64_t store_bytes_from(struct store *, uint64_t seq);

uint64_t store_next_seq(struct store *);                  /* as committed; 1 in a new store */
bool     store_cursor(struct store *, const char *sink, uint64_t *next);
void     store_each_cursor(struct store *, void (*each)(void *context, const char *sink, uint64_t next), void *context);

/* All positions of a source, in the order of their keys. */
void store_each_position(struct store *, const char *source, void (*each)(void *context, const struct position *), void *context);

/* Figures for metrics; any thread. A commit that finds no room waits for what is delivered, and one that fails for somebody who
 * mends the disk: they are told apart. */
struct store_figures {
    uint64_t blocks, bytes, max_bytes, commits, full_commits, failed_commits, damaged_blocks;
    uint64_t commit_us_last, commit_us_max;
    bool     full;        /* the last commit found no room */
    bool     disk_full;   /* the last one that found none found it on the disk, and not below max_bytes */
    bool     failing;     /* the last commit failed */
};
struct store_figures store_figures(struct store *);

#endif
