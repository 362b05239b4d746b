/* The write-ahead log, seen as a file while no connection is open.
 *
 * SQLite reads a log after a crash up to the first frame whose checksum is wrong: one flipped bit in the middle loses all
 * commits behind it, silently. Here each block and row has a check of its own, so it is better to go on: the checksums are
 * made right again, what the damaged page held is found out when it is read, and the commits behind it are saved.
 *
 * Damage is told from a torn end by what follows: every commit is synced before the next one begins, so what is behind the
 * commit that holds the bad frame proves that it was whole. A bad frame in the last commit looks like one that was never
 * finished, and is left out with all of that commit.
 *
 * Format: https://www.sqlite.org/fileformat2.html, section 4. Numbers are big endian. */
#include "store_priv.h"

#include "base/log.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_MAGIC      0x377f0682u   /* checksums over little endian words, as on every machine we build for */
#define LOG_VERSION    3007000u
#define LOG_HEADER     32
#define FRAME_HEADER   24
#define FRAME_BYTES    (FRAME_HEADER + STORE_PAGE_BYTES)

struct checksum {
    uint32_t a, b;
};

struct frame {
    uint8_t bytes[FRAME_BYTES];
};

struct wal {
    int      fd;
    uint64_t frames;      /* whole ones in the file */
    uint8_t  salts[8];
    uint64_t bad;         /* frames that were damaged */
};

static uint32_t number_at(const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return be32toh(number);
}

static void put_number(uint8_t *at, uint32_t number)
{
    number = htobe32(number);
    memcpy(at, &number, sizeof number);
}

static struct checksum add_words(struct checksum sum, const uint8_t *at, size_t bytes)
{
    for (; bytes >= 8; at += 8, bytes -= 8) {
        uint32_t first, second;
        memcpy(&first, at, 4);
        memcpy(&second, at + 4, 4);
        sum.a += le32toh(first) + sum.b;
        sum.b += le32toh(second) + sum.a;
    }
    return sum;
}

/* What the sum was before these bytes, if it is this behind them. */
static struct checksum take_words(struct checksum sum, const uint8_t *at, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8) {
        uint32_t first, second;
        memcpy(&first, at + bytes - 8, 4);
        memcpy(&second, at + bytes - 4, 4);
        sum.b -= le32toh(second) + sum.a;
        sum.a -= le32toh(first) + sum.b;
    }
    return sum;
}

static bool equal(struct checksum x, struct checksum y) { return x.a == y.a && x.b == y.b; }

/* --- Frames --------------------------------------------------------------------------------------------------------------- */

static uint32_t page_of(const struct frame *f) { return number_at(f->bytes); }

static bool ends_commit(const struct frame *f) { return number_at(f->bytes + 4) != 0; }

static struct checksum stored_sum(const struct frame *f)
{
    return (struct checksum){number_at(f->bytes + 16), number_at(f->bytes + 20)};
}

static struct checksum frame_sum(struct checksum before, const struct frame *f)
{
    return add_words(add_words(before, f->bytes, 8), f->bytes + FRAME_HEADER, STORE_PAGE_BYTES);
}

static off_t place_of(uint64_t frame) { return (off_t)(LOG_HEADER + frame * FRAME_BYTES); }

static bool read_frame(const struct wal *w, uint64_t number, struct frame *f)
{
    return number < w->frames && pread(w->fd, f, sizeof *f, place_of(number)) == (ssize_t)sizeof *f;
}

static bool write_frame(const struct wal *w, uint64_t number, const struct frame *f)
{
    return pwrite(w->fd, f, sizeof *f, place_of(number)) == (ssize_t)sizeof *f;
}

static bool is_ours(const struct wal *w, const struct frame *f) { return memcmp(f->bytes + 8, w->salts, sizeof w->salts) == 0; }

/* --- The header ----------------------------------------------------------------------------------------------------------- */

static struct checksum header_sum(const uint8_t header[LOG_HEADER]) { return add_words((struct checksum){0, 0}, header, 24); }

static bool header_is_good(const uint8_t header[LOG_HEADER])
{
    struct checksum stored = {number_at(header + 24), number_at(header + 28)};
    return number_at(header) == LOG_MAGIC && number_at(header + 4) == LOG_VERSION && number_at(header + 8) == STORE_PAGE_BYTES &&
           equal(stored, header_sum(header));
}

static void make_header(const struct wal *w, uint8_t header[LOG_HEADER])
{
    put_number(header, LOG_MAGIC);
    put_number(header + 4, LOG_VERSION);
    put_number(header + 8, STORE_PAGE_BYTES);
    memcpy(header + 16, w->salts, sizeof w->salts);   /* at 12 a counter that may be anything */
    struct checksum sum = header_sum(header);
    put_number(header + 24, sum.a);
    put_number(header + 28, sum.b);
}

/* --- Mending -------------------------------------------------------------------------------------------------------------- */

/* One past the last commit that counts, from the bad frame `from` on; 0: nothing proves that this is not just a torn end.
 * `was`: the checksum up to there, as written. A commit with a bad frame counts if anything was written behind it. */
static uint64_t proven_end(const struct wal *w, uint64_t from, struct checksum was, uint32_t *pages)
{
    struct frame f;
    uint64_t     end = 0, doubtful = 0;
    bool         proven = false, clean = true;
    for (uint64_t i = from; read_frame(w, i, &f); i++) {
        bool ours = is_ours(w, &f);   /* otherwise damaged, or left of an earlier log: then nothing of ours follows */
        if (ours && doubtful > 0) end = doubtful;
        proven = proven || (ours && doubtful > 0);
        clean = clean && ours && equal(frame_sum(was, &f), stored_sum(&f));
        was = stored_sum(&f);
        if (!ends_commit(&f) || !ours) continue;
        *pages = number_at(f.bytes + 4);
        if (clean) end = i + 1;
        doubtful = clean ? 0 : i + 1;
        clean = true;
    }
    return proven ? end : 0;
}

/* Sets one wrong byte of the first eight right, if that is all that is wrong. */
static bool correct_byte(struct frame *f, struct checksum before)
{
    struct checksum wanted = take_words(stored_sum(f), f->bytes + FRAME_HEADER, STORE_PAGE_BYTES);
    for (size_t at = 0; at < 8; at++) {
        uint8_t found = f->bytes[at];
        for (unsigned change = 1; change < 256; change++) {
            f->bytes[at] = (uint8_t)(found ^ change);
            if (equal(add_words(before, f->bytes, 8), wanted)) return true;
        }
        f->bytes[at] = found;
    }
    return false;
}

/* A frame whose place is lost becomes a copy of the next good one, which changes nothing. */
static bool replace(const struct wal *w, uint64_t number, uint64_t end, uint32_t pages, struct frame *f)
{
    for (uint64_t i = number + 1; i < end && read_frame(w, i, f); i++) {
        if (!is_ours(w, f) || page_of(f) == 0 || page_of(f) > pages) continue;
        put_number(f->bytes + 4, 0);
        return true;
    }
    return false;
}

static bool mend_frames(struct wal *w, uint64_t from, uint64_t end, uint32_t pages, struct checksum sum, struct checksum was)
{
    for (uint64_t i = from; i < end; i++) {
        struct frame f;
        if (!read_frame(w, i, &f)) return false;
        struct checksum stored = stored_sum(&f);
        if (!equal(frame_sum(was, &f), stored)) {
            w->bad++;
            bool placed = is_ours(w, &f) && (correct_byte(&f, was) || (page_of(&f) != 0 && page_of(&f) <= pages));
            if (!placed && !replace(w, i, end, pages, &f)) return false;
        }
        was = stored;
        memcpy(f.bytes + 8, w->salts, sizeof w->salts);
        sum = frame_sum(sum, &f);
        put_number(f.bytes + 16, sum.a);
        put_number(f.bytes + 20, sum.b);
        if (!write_frame(w, i, &f)) return false;
    }
    return fsync(w->fd) == 0;
}

/* Walks the frames that are good; *sum: up to there. */
static uint64_t good_frames(const struct wal *w, uint64_t *committed, struct checksum *sum)
{
    struct frame f;
    uint64_t     i = 0;
    for (*committed = 0; read_frame(w, i, &f) && is_ours(w, &f); i++) {
        struct checksum next = frame_sum(*sum, &f);
        if (!equal(next, stored_sum(&f)) || page_of(&f) == 0) break;
        *sum = next;
        if (ends_commit(&f)) *committed = i + 1;
    }
    return i;
}

/* Without a header: those of the first frame that has any. */
static void find_salts(struct wal *w)
{
    static const uint8_t none[sizeof w->salts];
    struct frame         f;
    for (uint64_t i = 0; memcmp(w->salts, none, sizeof none) == 0 && read_frame(w, i, &f); i++)
        memcpy(w->salts, f.bytes + 8, sizeof w->salts);
}

static uint64_t mend(struct wal *w, const char *path)
{
    uint8_t header[LOG_HEADER];
    if (w->frames == 0 || pread(w->fd, header, sizeof header, 0) != (ssize_t)sizeof header) return 0;
    bool            whole = header_is_good(header);
    struct checksum was = {number_at(header + 24), number_at(header + 28)}, sum = was;
    if (whole) memcpy(w->salts, header + 16, sizeof w->salts);
    else find_salts(w);
    uint64_t committed = 0, good = whole ? good_frames(w, &committed, &sum) : 0;
    if (whole) was = sum;
    uint32_t pages = 0;
    uint64_t end = proven_end(w, good, was, &pages);
    if (end == 0) return committed;
    if (!whole) {
        make_header(w, header);
        sum = header_sum(header);
        if (pwrite(w->fd, header, sizeof header, 0) != (ssize_t)sizeof header) return committed;
    }
    bool mended = mend_frames(w, good, end, pages, sum, was);
    log_line(LOG_ERROR, "store", "the write-ahead log of '%s' is damaged in %llu places behind frame %llu; %s", path,
             (unsigned long long)(w->bad + !whole), (unsigned long long)good,
             mended ? "what was committed after them is kept" : "what was committed after them is lost");
    if (!mended) return committed;
    sum = (struct checksum){number_at(header + 24), number_at(header + 28)};
    good_frames(w, &committed, &sum);   /* what looked like the end of a commit may have been the damage */
    return committed;
}

uint64_t wal_mend(const struct store *s, bool *damaged)
{
    char       *name = store_name(s, "-wal");
    struct wal  w = {.fd = open(name, O_RDWR | O_NOFOLLOW | O_CLOEXEC)};
    struct stat status;
    uint64_t    committed = 0;
    free(name);
    *damaged = false;
    if (w.fd < 0) return 0;
    if (fstat(w.fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > LOG_HEADER) {
        w.frames = ((uint64_t)status.st_size - LOG_HEADER) / FRAME_BYTES;
        committed = mend(&w, s->path);
        *damaged = w.bad > 0;
    }
    close(w.fd);
    return committed;
}

bool wal_cut(const struct store *s, uint64_t frames)
{
    char       *name = store_name(s, "-wal");
    struct stat status;
    int         fd = open(name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool        good = fd >= 0 || errno == ENOENT;
    free(name);
    if (fd < 0) return good;
    off_t end = frames == 0 ? 0 : place_of(frames);
    good = fstat(fd, &status) == 0 && (status.st_size <= end || (ftruncate(fd, end) == 0 && fsync(fd) == 0));
    int number = errno;
    close(fd);
    errno = number;
    return good;
}
