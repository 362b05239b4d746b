/* What the files of the store share; nobody else includes it.
 *
 *   store.c         folder, lock, opening, closing, opening anew after a failure
 *   store_commit.c  writing
 *   store_read.c    reading
 *   store_index.c   sums over the spool in memory; which damage was told
 *   store_db.c      connections, schema, statements, what SQLite's results mean
 *   store_block.c   packing, sealing and checking of blocks; sums of the other rows
 *   store_key.c     the key
 *   store_wal.c     the write-ahead log seen as a file: cutting it, mending it
 *   store_rescue.c  a new database from a damaged one
 *
 * (1) `reading` guards the reader; it is taken before `lock`, which guards the index and the figures. The writer and all
 *     else belong to the committing thread.
 * (2) Who changes or removes files of the database has closed all connections before. */
#ifndef LETHE_COLLECTOR_STORE_PRIV_H
#define LETHE_COLLECTOR_STORE_PRIV_H

#include "store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define STORE_PAGE_BYTES   4096
#define STORE_FORMAT       1
#define STORE_CACHE_KIB    512   /* of each connection */
#define STORE_WAL_PAGES    1000   /* from here on a commit moves the write-ahead log into the database */
#define STORE_WAL_BYTES    (8 * 1024 * 1024)   /* a longer log is cut when it has been moved */
#define STORE_DELETE_BATCH 4096   /* blocks deleted in one transaction */

/* --- Blocks: store_block.c, store_key.c --------------------------------------------------------------------------------- */

#define SUM_BYTES   16
#define KEY_BYTES   32
#define EPOCH_BYTES 16

/* In memory that is neither swapped nor dumped, where the system allows that. */
struct store_keys {
    uint64_t id;                      /* tells keys apart; 0: there is none */
    uint8_t  master[KEY_BYTES];
    uint8_t  epoch[EPOCH_BYTES];      /* random, new at every start: no nonce is ever used twice */
    uint8_t  epoch_key[KEY_BYTES];    /* of this epoch: what is written now */
    uint64_t counter;                 /* the last nonce used in this epoch */
};

/* Without a file: keys that seal nothing. NULL with an error. */
MUST_USE struct store_keys *store_keys_new(const char *key_file, struct error *);
void store_keys_free(struct store_keys *);
bool store_epoch_key(const struct store_keys *, const uint8_t epoch[EPOCH_BYTES], uint8_t key[KEY_BYTES]);

struct packer;

MUST_USE struct packer *packer_new(void);
void packer_free(struct packer *);
void packer_shrink(struct packer *);   /* gives back what an uncommonly large block needed */

/* The block as it is kept; valid until the next call. False: no memory. */
MUST_USE bool block_pack(struct packer *, struct store_keys *, const struct store_block *, struct slice *packed);

enum block_state {
    BLOCK_GOOD,
    BLOCK_BAD,       /* not what was written under that number */
    BLOCK_LOCKED,    /* sealed with another key */
    BLOCK_NO_MEMORY,
};

/* Checks and unpacks into malloc'ed memory. Thread: any. */
enum block_state block_unpack(const struct store_keys *, uint64_t seq, struct slice packed, char **data, size_t *len);

uint64_t block_key_id(struct slice packed);    /* of the key that it says it is sealed with; 0: none, or not a block */

/* A sum over the parts of a row and where each begins; `kind` tells tables apart. */
void row_sum(char kind, const struct slice *parts, size_t count, uint8_t sum[SUM_BYTES]);

/* --- Connections: store_db.c -------------------------------------------------------------------------------------------- */

enum statement {
    SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK,
    SQL_PUT_BODY, SQL_PUT_HEAD, SQL_DROP_BODIES, SQL_DROP_HEADS,
    SQL_PUT_POSITION, SQL_DROP_POSITION, SQL_PUT_CURSOR, SQL_DROP_CURSOR, SQL_PUT_META,
    SQL_GET_META, SQL_GET_BODY, SQL_HAS_HEAD, SQL_NEXT_BODY, SQL_NEXT_HEAD, SQL_LAST_BODY, SQL_LAST_HEAD, SQL_SUM_HEADS,
    SQL_EACH_HEAD,
    SQL_POSITIONS_OF, SQL_EACH_POSITION, SQL_EACH_POSITION_BACK, SQL_GET_CURSOR, SQL_EACH_CURSOR, SQL_EACH_CURSOR_BACK,
    SQL_COUNT
};

struct connection {
    sqlite3      *db;                      /* NULL: closed */
    sqlite3_stmt *statements[SQL_COUNT];
};

enum trouble {
    TROUBLE_NONE,
    TROUBLE_FULL,      /* no space: the same again later */
    TROUBLE_FAILED,    /* not now */
    TROUBLE_DAMAGED,   /* the database is not what was written */
};
enum trouble trouble_of(const struct connection *, int result);

/* Whether the handles must not be used again after that result. */
bool is_fatal(int result);

/* "cannot WHAT store 'PATH': reason". Returns false. */
bool set_trouble(struct error *, const char *what, const char *path, const struct connection *, int result);

enum opening { OPEN_OWNED, OPEN_DAMAGED_FILE };

/* Opens a database file that is there, makes the schema in an empty one, prepares all statements. On a result other than
 * SQLITE_OK the connection is open or not, and is to be closed. OPEN_DAMAGED_FILE makes nothing and is lenient. */
int connection_open(struct connection *, const char *file, enum opening);

/* `tidy`: the last one to go moves the log into the database and removes it. */
void connection_close(struct connection *, bool tidy);

/* A statement, ready for its parameters. */
sqlite3_stmt *statement(const struct connection *, enum statement);

/* Runs a statement that gives no rows to its end, and resets it. */
int run(sqlite3_stmt *);

void bind_number(sqlite3_stmt *, int index, uint64_t);
void bind_text(sqlite3_stmt *, int index, struct slice);    /* borrowed until the statement is reset */
void bind_bytes(sqlite3_stmt *, int index, struct slice);
struct slice column_bytes(sqlite3_stmt *, int column);       /* borrowed until the next step */

/* The lowest number >= seq that has a block or the head of one; UINT64_MAX: none. A table that cannot be read is passed
 * over; *result says whether one could not. */
uint64_t next_block(const struct connection *, uint64_t seq, int *result);

/* Over the blocks in [from, to). */
int sum_heads(const struct connection *, uint64_t from, uint64_t to, uint64_t *blocks, uint64_t *bytes);

uint64_t free_page_count(const struct connection *);
int release_pages(const struct connection *, uint64_t pages);

struct row_position { struct slice source, key, value; };
struct row_cursor { struct slice sink; uint64_t next; };
int put_position(const struct connection *, const struct row_position *);
int put_cursor(const struct connection *, const struct row_cursor *);
int put_meta(const struct connection *, uint64_t next_seq);
int put_packed(const struct connection *, uint64_t seq, struct slice packed);

/* False: the row is damaged. Columns: source, key, value, sum; sink, next, sum. */
bool get_position(sqlite3_stmt *, struct row_position *);
bool get_cursor(sqlite3_stmt *, struct row_cursor *);
/* SQLITE_OK; SQLITE_NOTFOUND: not there or damaged. */
int get_meta(const struct connection *, uint64_t *next_seq);

/* --- The index: store_index.c ------------------------------------------------------------------------------------------- */

/* Up to STRETCH_BLOCKS neighbouring blocks, so that sums over the spool need no look at each block. */
struct stretch {
    uint64_t first, blocks, bytes;
};

struct spool_index {
    struct stretch *stretches;    /* by first */
    size_t          count, capacity;
    uint64_t        blocks, bytes;
    uint64_t       *told;         /* numbers of blocks whose damage was told, rising */
    size_t          told_count, told_capacity;
};

void index_clear(struct spool_index *);   /* told damage stays */
void index_release(struct spool_index *);
void index_add(struct spool_index *, uint64_t seq, uint64_t bytes);   /* in any order; quick in rising order */

/* Blocks before `keep_from` are left out. The stretch that holds it is recounted: the blocks in [from, to) are asked for,
 * and told by index_recounted(). False: nothing to be recounted. */
bool index_drop(struct spool_index *, uint64_t keep_from, uint64_t *to);
void index_recounted(struct spool_index *, uint64_t keep_from, uint64_t blocks, uint64_t bytes);

/* Bytes of the stretches that begin at or after `seq`; *to: where they begin, those of [seq, *to) are to be added. */
uint64_t index_bytes_from(const struct spool_index *, uint64_t seq, uint64_t *to);

bool index_tell(struct spool_index *, uint64_t seq);   /* true: the damage of this block was not told before */

/* --- The store ---------------------------------------------------------------------------------------------------------- */

struct store {
    char              *path;             /* as configured: for messages */
    char              *folder, *file;    /* without links */
    int                lock_fd;
    uint64_t           max_bytes;
    struct store_keys *keys;
    struct packer     *packer;

    struct connection  writer;
    bool               broken;           /* both connections must be opened anew before anything is written */
    uint64_t           wal_frames;       /* in the log, committed; 0 also when all of them are in the database */
    uint64_t           keep_from;        /* blocks before it are as good as deleted */
    bool               has_reserve;
    atomic_bool        cursors_lost;     /* a sink without a cursor may be one whose cursor was damaged */

    pthread_mutex_t    reading;
    struct connection  reader;           /* closed: opened at the next read, unless reader_barred */
    bool               reader_barred;    /* the writer is not there */
    uint64_t           unreadable_seq, unreadable_times, unreadable_since_ms;   /* the block that the disk refused last */

    pthread_mutex_t    lock;
    struct spool_index index;
    uint64_t           lowest, next_seq; /* lowest: as keep_from, for readers */
    struct store_figures figures;
};

/* Closes both connections and opens them again, without what a failed commit may have left in the log. */
MUST_USE bool store_reopen(struct store *, struct error *);

/* Opens the writer and reads what is kept in memory; ends `broken`, but on a full disk that may last. */
enum trouble store_attach(struct store *, struct error *);
void store_detach_reader(struct store *);   /* and bars it */
void store_admit_reader(struct store *);

/* Moves the log into the database; mode and result as of sqlite3_wal_checkpoint_v2(). What fails is tried again later. */
int store_checkpoint(struct store *, int mode);

/* Makes the reserve if it is not there: space that is given up when a full disk keeps even deletions from being written. */
void store_keep_reserve(struct store *);

/* Names in the folder; malloc'ed, CHECKs that memory can be had. */
char *store_name(const struct store *, const char *suffix);
MUST_USE bool store_make_file(const char *name);   /* an empty one, 0600, if there is none; errno */
MUST_USE bool store_sync_folder(const struct store *);

/* --- Damage: store_wal.c, store_rescue.c -------------------------------------------------------------------------------- */

/* Leaves the first `frames` frames of the log. */
MUST_USE bool wal_cut(const struct store *, uint64_t frames);

/* Makes a log in whose middle bytes are damaged readable to its end again; see there. The number of committed frames.
 * *damaged: pages may have gone back to what they were before. */
uint64_t wal_mend(const struct store *, bool *damaged);

struct rescued {
    uint64_t blocks, lost_blocks, positions, cursors;
    char     aside[256];
};

/* Makes a new database of what can be read in the damaged one, and sets that aside. The writer must be closed. */
enum trouble store_rescue(struct store *, uint64_t keep_from, struct rescued *, struct error *);

/* Ends what store_rescue() began before the process was killed. */
MUST_USE bool store_finish_rescue(struct store *, struct error *);

#endif
