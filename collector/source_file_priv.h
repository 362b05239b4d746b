/* What the parts of the file source share.
 *
 *      source_file.c         what is read goes into cargoes, with a receipt that keeps the mark
 *      source_file_list.c    which files there are: patterns, inotify, looking
 *      source_file_known.c   files that are known under another name: renamed, packed, in this run or before it; and files that
 *                            bear the name of a rotated one and were never met
 *      source_file_copies.c  logs that are copied and cut
 *      source_file_names.c   the names that rotation makes
 *      source_file_one.c     one file: opened, read, cut, changed
 *
 * Thread: the source's own. */
#ifndef LETHE_COLLECTOR_SOURCE_FILE_PRIV_H
#define LETHE_COLLECTOR_SOURCE_FILE_PRIV_H

#include "file_identity.h"
#include "gunzip.h"
#include "store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"

#define MOST_FILES      10000
#define BUCKETS         16384       /* of the table of files by inode */
#define EARLIER         4           /* places before the last one that are remembered of a file */
#define TOUCHED_BITS    4096        /* of the names that inotify told */

enum { START_BEGINNING, START_END };

struct followed {
    char            *path;
    struct followed *next;           /* in the table by inode */
    int              fd;             /* -1: closed */
    struct file_mark mark;           /* of what was handed out */
    struct framer   *framer;         /* NULL: nothing is unfinished */
    struct gunzip   *gunzip;
    struct file_id   replaces;       /* its position is to be forgotten with the next one of this; inode 0: none */
    uint64_t         size;           /* as last seen, packed or not */
    uint64_t         most_size;      /* of this content, as far as it was seen: more than `size` when it was cut */
    /* of contents that are read one after another: the log that had them all; inode 0: no such */
    struct file_id   log;
    uint64_t         lined_up_ms;    /* when it was seen that others come before it */
    /* a packed one that is new only if it was written to since, see files_meet_rotated(); 0: it is */
    uint64_t         if_written_ms;
    uint64_t         read_to;        /* bytes of the content that the framer has */
    uint64_t         packed_to;      /* bytes of the file that gunzip has */
    uint64_t         tried_size;     /* no more came of it than was known */
    uint64_t         grown_ms, looked_ms, used_ms, gone_ms, ended_ms;
    uint64_t         ended_to;       /* its size when a record of several lines was ended for want of more */
    struct earlier {                 /* the newest is earlier[earlier_count - 1 modulo EARLIER] */
        struct framer_place place;
        struct sample       tail;
    } earlier[EARLIER];
    size_t           earlier_count;
    uint64_t         checked_ms;     /* when a suspect was compared last */
    size_t           held;           /* bytes of an unfinished document, counted in the source's */
    uint64_t         handed_to;      /* end of the last document handed out */
    uint32_t         touch;          /* bit of its name in `touched` */
    bool             packed, gone, listed, finishing, ended, forgotten, told;
    bool             unsaved;        /* the mark is to be kept, though nothing was read */
    bool             formed;         /* it is known whether it is packed */
    bool             lost;           /* gone, not open, and not looked for yet */
    bool             fresh;          /* met in this looking, nothing read: whether it is suspect is not known yet */
    bool             suspect;        /* its name is that of another with an ending: perhaps a copy, and nothing new */
    bool             waits;          /* perhaps, for others with that `log` and an earlier epoch */
    bool             kept;           /* an earlier run kept its mark */
    bool             placed;         /* a packed one: it is known whether it is one that is gone */
};

struct source_file {
    struct source    base;
    struct text_list paths, exclude;
    int              start, multiline;
    uint64_t         poll_ms, rotate_wait_ms, multiline_wait_ms;

    struct followed **files;
    struct followed  *buckets[BUCKETS];
    size_t            count, capacity, turn, open_count;
    uint64_t          touched[TOUCHED_BITS / 64];
    struct file_mark *saved;         /* of earlier runs, of files not met yet; and of files that ended and may be met packed */
    size_t            saved_count;
    size_t            most_open;
    bool              first_list, too_many_told, more;
    uint64_t          listed_at_ms;  /* when the patterns were looked up last, since 1970 */
    uint64_t          kept_at_ms;    /* ... and what of that was put into a receipt last */
    uint64_t          earlier_at_ms; /* ... and when the runs before this one did it last; 0: never */
    /* when folders were looked through for rotated names, since 1970: the last time and the one before */
    uint64_t          rotated_at_ms[2];
    uint64_t          opened_ms, listed_ms, swept_ms, held;
    struct file_receipt *spare;      /* for what is filled next */
    struct followed  *unpacking;     /* packed files are read one after another: unpacking takes room */
    int               notify;
    struct folder {
        int  watch;
        char path[SAVED_PATH];
    } *folders;
    size_t            folder_count;
    uint32_t          moved;         /* cookie of a rename away from a name that fits; 0: none */
    struct wakeup     wakeup;
};

/* --- source_file_one.c ------------------------------------------------------------------------------------------------------ */

bool followed_is_gzip(const char *path);
bool followed_bears_its_name(const struct followed *);
void followed_rename(struct followed *, const char *path);

/* Opens it, if it still bears its name, and closes another if too many are open. False: it cannot be. */
bool followed_open(struct source_file *, struct followed *);
void followed_close(struct source_file *, struct followed *);
void followed_free(struct source_file *, struct followed *);

/* Reading goes on at the mark with a new framer. */
bool followed_start_framer(struct source_file *, struct followed *);
void followed_drop_framer(struct source_file *, struct followed *);   /* what is unfinished will be read again */

/* A reader of the packed content from its beginning. */
bool followed_start_gunzip(struct followed *);

/* Unpacks up to the place of a mark and compares on the way. False: it is another content, or damaged. */
bool followed_unpack_to(struct source_file *, struct followed *, const struct file_mark *);

/* Whether a plain file has what the samples of the mark were made of. */
bool followed_has(struct source_file *, const struct followed *, const struct file_mark *);

/* Nothing is known of its content any more. */
void followed_next_epoch(struct source_file *, struct followed *);

/* Before more is read: whether it is still the content that was read before. If not, its epoch ends and the next begins. */
void followed_verify(struct source_file *, struct followed *);

/* Of a content of which nothing was read yet, so that it is known again when it was copied, packed or cut. */
void followed_sample_head(struct source_file *, struct followed *);

/* --- source_file_list.c ----------------------------------------------------------------------------------------------------- */

/* Looks for new files and at known ones, when it is time. */
void files_sweep(struct source_file *);
void files_list(struct source_file *);   /* at once, all patterns */

/* After looking, in whatever order names were found: which of the new ones bear the name of another that is followed. */
void files_suspect_fresh(struct source_file *);

bool             files_fit(const struct source_file *, const char *path);   /* a pattern has it and none excludes it */
struct followed *files_find(const struct source_file *, const struct file_id *);
struct followed *files_follow(struct source_file *, const char *path, const struct file_mark *, uint64_t size);

/* A file that bears a name by now that does not fit. */
struct followed *files_follow_renamed(struct source_file *, const char *path, const struct file_mark *, uint64_t size);

/* The same, and it was not met before: from its beginning. */
void files_meet_renamed(struct source_file *, const char *path);

size_t files_folder_len(const char *path);   /* of a path, to the last slash and with it */
bool   files_same_folder(const char *a, const char *b);

/* Takes it out of the table by inode, not out of the list. */
void files_leave_table(struct source_file *, struct followed *);

/* Calls `each` with every name in a folder, which ends in a slash or is empty. */
void files_in_folder(struct source_file *, const char *folder,
                     void (*each)(struct source_file *, void *context, const char *path, ino_t inode), void *context);

/* --- source_file_names.c ---------------------------------------------------------------------------------------------------- */

bool name_is_packed(const char *path);

/* The names that a log may have had of which `path` is a rotated name, one at each call, *step 0 before the first: app.log.1 and
 * app.log of app.log.1.gz. False: there are no more. */
bool name_before_rotation(const char *path, size_t *step, char live[SAVED_PATH]);

/* Whether rotation makes such a name of `live`. */
bool name_is_rotated(const char *live, const char *name);

/* Whether a file of this name may be the one that was met as `met`, under a live or a rotated name. */
bool name_same_family(const char *name, const char *met);

/* --- source_file_known.c ---------------------------------------------------------------------------------------------------- */

/* Whether a packed file is one that is gone. If so, its mark is that one's from now on, and the position of `replaces` is not
 * needed any more. `by_time`: it may also be one of which nothing was seen, if the times allow it. */
bool files_adopt(struct source_file *, const char *path, int fd, bool by_time, struct file_mark *, struct file_id *replaces);

/* Whether a packed file has what was read by that mark, or begins with what was seen; it bears a name of the same family. */
bool files_packed_fits(struct source_file *, const char *path, int fd, const struct file_mark *);

/* A packed file waits until no plain one can be it that is still read. */
bool files_may_be_another(const struct source_file *, const struct followed *packed);

/* Of a packed file that nothing is known of: whether it was written to since. */
bool files_written_since(int fd, uint64_t ms);

/* Looks for the `lost` ones under other names, in one reading of each folder. */
void files_find_lost(struct source_file *);

/* Files with a name that rotation makes of one that fits, made since the folders were looked through for them before. */
void files_meet_rotated(struct source_file *);

/* At the start: files of earlier runs that no pattern shows any more. */
void files_find_missing(struct source_file *);

/* --- source_file_copies.c ----------------------------------------------------------------------------------------------------
 *
 * A log that is copied and cut (copytruncate) had one content after another, and the copies of the earlier ones lie beside it.
 * When it is seen to be cut, whether once or many times since anybody looked, the unread files with rotated names of it are
 * taken in the order in which they were written. The first that has the samples of the mark is the copy of what was being read:
 * it is read on from there, as the same stream. Those after it are copies of contents that nobody saw: each is the next epoch
 * of the log, and what the log has now is the one after them. Each is read when those before it are. */

/* Its content was cut: its next epoch begins, after those of its copies. */
void files_cut(struct source_file *, struct followed *, bool foreign);

/* Whether contents of the same log that come before it are not read to their end yet. */
bool files_must_wait(const struct source_file *, struct followed *);

/* Another file that is followed, of whose name this is one that rotation makes; NULL: there is none. */
struct followed *files_original(const struct source_file *, const char *path);

/* Whether a suspect is a copy of what another file still has: what it holds is read there. If it is one of what a renamed file
 * had, its mark says that it is read. */
bool files_is_copy(struct source_file *, struct followed *);

#endif
