/* The file source against a model: writers that write, tear lines, rotate, pack, cut and remove logs at random, while the source
 * reads, stops, crashes and starts again.
 *
 * What must hold of each whole line that was written:
 *   - it is seen, unless its file was cut or removed before the source could know it
 *   - it is seen once, unless there was a crash, or its file was cut
 *   - seen twice, it is the same event, unless its file was cut
 *
 * LETHE_SEEDS: how many random stories; LETHE_SEED: one of them. A story that fails is shortened before it is told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "following.h"

#define LOGS      3
#define MOST_OLD  8       /* app.log.1 to app.log.8 */
#define MOST_OPS  120
#define ROTATE_WAIT_MS 2000
#define FILE_LINES 4000

enum op { WRITE, TEAR, ROTATE, ROTATE_SLOWLY, PACK, CUT, REMOVE, PASS, SETTLE, CRASH, RESTART, STOP, START, OPS };
static const char *const op_names[] = {"write", "tear", "rotate", "rotate slowly", "pack", "cut", "remove", "pass", "settle", "crash", "restart", "stop", "start"};
static const unsigned weights[OPS] = {30, 8, 8, 4, 5, 2, 1, 30, 12, 3, 3, 2, 4};

struct step {
    enum op  op;
    unsigned log, amount;
    bool     left_out;
};

/* A file, whatever its name: what is in it, and whether the source had a look while it was there. */
struct physical {
    unsigned lines[FILE_LINES];
    size_t   count;
    bool     met, packed, removed, was_cut;
};

struct writer {
    int              fd;
    struct physical *into;           /* where fd writes */
    bool             reopens;        /* after the next line: the file was renamed */
    uint64_t         renamed_ms, torn_ms;
    bool             unknown;        /* what is written into it before that is not seen either */
    unsigned         torn;           /* number of the line of which half is written; 0: none */
    struct physical *files[MOST_OLD + 1];   /* 0: app.log */
};

static struct writer  writers[LOGS];
static struct physical physicals[2048];
static size_t          physical_count;
static unsigned        next_line;
static struct { bool written, may_miss, may_repeat, may_move; } lines[MOST_LINES];
static bool            cuts_allowed, live_only, several_lines;

static const char *name_of(unsigned log, unsigned old, bool packed)
{
    static char names[4][64];
    static int  turn;
    char       *name = names[turn++ % 4];
    if (old == 0) snprintf(name, sizeof names[0], "app%u.log", log);
    else snprintf(name, sizeof names[0], "app%u.log.%u%s", log, old, packed ? ".gz" : "");
    return name;
}

static void open_log(unsigned log)
{
    struct writer *w = &writers[log];
    if (w->fd >= 0) close(w->fd);
    w->fd = open(path_of(&world, name_of(log, 0, false)), O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(w->fd >= 0);
    if (w->files[0] == NULL) {
        assert_true(physical_count < sizeof physicals / sizeof physicals[0]);
        w->files[0] = &physicals[physical_count++];
    }
    w->into = w->files[0];
    w->reopens = w->unknown = false;
}

static void write_text(const struct writer *w, const char *text) { assert_int_equal(write(w->fd, text, strlen(text)), (ssize_t)strlen(text)); }

static const char *padding(unsigned number) { return number % 97 == 0 ? "a longer line, of the kind that a traceback or a query has ..........." : "line"; }

static void end_torn(struct writer *w)
{
    char rest[256];
    if (w->torn == 0) return;
    snprintf(rest, sizeof rest, "%s of test.\n", padding(w->torn));
    write_text(w, rest);
    assert_true(w->into->count < FILE_LINES);
    w->into->lines[w->into->count++] = w->torn;
    lines[w->torn].written = true;
    lines[w->torn].may_move = w->into->was_cut;   /* the epochs of a file are counted anew after a crash */
    /* The source waits for what is torn, or written into a renamed file, but not for ever. */
    if (w->reopens && (w->unknown || now_ms - w->renamed_ms > 50000 || now_ms - w->torn_ms > ROTATE_WAIT_MS - 250)) lines[w->torn].may_miss = true;
    w->torn = 0;
}

static void tear(struct writer *w)
{
    char half[32];
    end_torn(w);
    w->torn = next_line++;
    w->torn_ms = now_ms;
    snprintf(half, sizeof half, "%u ", w->torn);
    write_text(w, half);
}

static void write_lines(unsigned log, unsigned count)
{
    struct writer *w = &writers[log];
    if (w->fd < 0) open_log(log);
    end_torn(w);
    for (unsigned i = 0; i < count && next_line < MOST_LINES - 2; i++) {
        tear(w);
        end_torn(w);
    }
    if (w->reopens) open_log(log);
}

/* All: also what a crash may want again. */
static void forget_unseen(const struct physical *p, bool all)
{
    for (size_t i = 0; i < p->count; i++)
        if (all || world.seen[p->lines[i]].times == 0) lines[p->lines[i]].may_miss = true;
}

static void shift(unsigned log)
{
    struct writer *w = &writers[log];
    if (w->files[MOST_OLD] != NULL) {
        forget_unseen(w->files[MOST_OLD], true);
        unlink(path_of(&world, name_of(log, MOST_OLD, w->files[MOST_OLD]->packed)));
    }
    for (unsigned old = MOST_OLD; old > 1; old--) {
        w->files[old] = w->files[old - 1];
        if (w->files[old] != NULL) move(&world, name_of(log, old - 1, w->files[old]->packed), name_of(log, old, w->files[old]->packed));
    }
    w->files[1] = NULL;
}

static void rotate(unsigned log, bool slowly)
{
    struct writer *w = &writers[log];
    if (w->fd < 0 || w->reopens) return;
    shift(log);
    move(&world, name_of(log, 0, false), name_of(log, 1, false));
    w->files[1] = w->files[0];
    w->files[0] = NULL;
    w->unknown = live_only && !w->files[1]->met;   /* was never under a name that the pattern has, when the source looked */
    if (w->unknown) forget_unseen(w->files[1], true);
    w->reopens = true;
    w->renamed_ms = now_ms;
    if (slowly) return;
    end_torn(w);
    open_log(log);
}

static void pack_old(unsigned log)
{
    struct writer *w = &writers[log];
    struct physical *p = w->files[1];
    if (p == NULL || p->packed || w->into == p) return;
    pack(&world, name_of(log, 1, false));
    p->packed = true;
    if (!p->was_cut) return;
    for (size_t i = 0; i < p->count; i++)   /* if what is known of it is older than the cut, nothing tells what it was */
        lines[p->lines[i]].may_miss = lines[p->lines[i]].may_repeat = lines[p->lines[i]].may_move = true;
}

/* copytruncate: what was read of it may be met again under another name. */
static void cut(unsigned log)
{
    struct writer *w = &writers[log];
    if (!cuts_allowed || w->fd < 0 || w->reopens) return;
    end_torn(w);
    shift(log);
    copy(&world, name_of(log, 0, false), name_of(log, 1, false));
    struct physical *copied = &physicals[physical_count++];
    *copied = *w->files[0];
    copied->met = copied->was_cut = false;
    bool known = false;
    for (size_t i = 0; i < copied->count; i++) known = known || world.seen[copied->lines[i]].times > 0;
    for (size_t i = 0; i < copied->count; i++) {
        lines[copied->lines[i]].may_repeat = lines[copied->lines[i]].may_move = true;
        if (!known) lines[copied->lines[i]].may_miss = true;   /* nothing tells whose copy it is */
    }
    w->files[1] = copied;
    assert_int_equal(ftruncate(w->fd, 0), 0);
    w->files[0]->count = 0;
    w->files[0]->was_cut = true;
}

/* It is read to its end through its handle, if the source has one. */
static void remove_log(unsigned log)
{
    struct writer *w = &writers[log];
    if (w->fd < 0 || w->reopens) return;
    end_torn(w);
    if (world.source == NULL || !w->files[0]->met) forget_unseen(w->files[0], false);
    unlink(path_of(&world, name_of(log, 0, false)));
    w->files[0]->removed = true;
    w->files[0] = NULL;
    open_log(log);
}

static void note_met(void)
{
    for (unsigned log = 0; log < LOGS; log++)
        for (unsigned old = 0; old <= MOST_OLD; old++)
            if (writers[log].files[old] != NULL) writers[log].files[old]->met = true;
}

/* Whether something of a file was settled: inode and time of birth are part of the position's key. */
static bool is_kept(const char *name)
{
    struct statx status;
    char         identity[64];
    if (statx(AT_FDCWD, path_of(&world, name), 0, STATX_INO | STATX_BTIME, &status) != 0) return false;
    snprintf(identity, sizeof identity, " %llx %llx", (unsigned long long)status.stx_ino,
             (unsigned long long)status.stx_btime.tv_sec * 1000000000u + status.stx_btime.tv_nsec);
    for (size_t i = 0; i < world.store.count; i++)
        if (memmem(world.store.positions[i].key, world.store.positions[i].key_len, identity, strlen(identity)) != NULL) return true;
    return false;
}

/* The source ends. Of a file of which nothing was settled the next run knows nothing: it is a new one under whatever name it
 * has then. Of what was removed the handles go. */
static void lose_source(void)
{
    for (unsigned log = 0; log < LOGS; log++) {
        for (unsigned old = 0; old <= MOST_OLD; old++) {
            struct physical *p = writers[log].files[old];
            if (p == NULL || is_kept(name_of(log, old, p->packed))) continue;
            p->met = false;
            for (size_t i = 0; i < p->count; i++) lines[p->lines[i]].may_move = true;
            if (live_only && old > 0) forget_unseen(p, false);
        }
        if (writers[log].reopens && live_only && !writers[log].into->met) writers[log].unknown = true;
    }
    for (size_t i = 0; i < physical_count; i++)
        if (physicals[i].removed) forget_unseen(&physicals[i], false);
}

static void crash_source(void)
{
    for (unsigned i = 1; i < next_line; i++) lines[i].may_repeat = true;   /* what was not settled may come again */
    lose_source();
    crash(&world);
}

static void stop_source(void)
{
    settle(&world, world.waiting_count);
    lose_source();
    stop(&world);
}

static void start_source(void)
{
    start(&world);
    note_met();
}

static void do_step(const struct step *s)
{
    bool runs = world.source != NULL;
    switch (s->op) {
    case WRITE: write_lines(s->log, s->amount); break;
    case TEAR:
        if (writers[s->log].fd >= 0 && next_line < MOST_LINES - 2) tear(&writers[s->log]);
        break;
    case ROTATE:
    case ROTATE_SLOWLY: rotate(s->log, s->op == ROTATE_SLOWLY); break;
    case PACK: pack_old(s->log); break;
    case CUT: cut(s->log); break;
    case REMOVE: remove_log(s->log); break;
    case PASS:
        if (!runs) break;
        pass(&world, s->amount * (s->amount % 5 == 0 ? 300 : 20));
        note_met();
        break;
    case SETTLE: if (runs) settle(&world, s->amount / 4); break;
    case CRASH:
        if (!runs) break;
        crash_source();
        start_source();
        break;
    case RESTART:
        if (!runs) break;
        stop_source();
        start_source();
        break;
    case STOP:
        if (!runs) break;
        stop_source();
        break;
    case START:
        if (!runs) start_source();
        break;
    case OPS: break;
    }
}

/* --- A story ------------------------------------------------------------------------------------------------------------------ */

static uint64_t dice;

static unsigned roll(unsigned sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)(dice >> 20) % sides;
}

static void invent(struct step *steps, uint64_t seed)
{
    unsigned sum = 0;
    for (int i = 0; i < OPS; i++) sum += weights[i];
    dice = seed * 0x9E3779B97F4A7C15u + 1;
    for (int i = 0; i < 8; i++) roll(2);
    for (int i = 0; i < MOST_OPS; i++) {
        unsigned at = roll(sum), op = 0;
        while (at >= weights[op]) at -= weights[op++];
        steps[i] = (struct step){.op = op, .log = roll(LOGS), .amount = 1 + roll(op == WRITE && roll(10) == 0 ? 900 : 60)};
    }
}

static bool judge(char *why, size_t room)
{
    for (unsigned i = 1; i < next_line; i++) {
        const struct seen *seen = &world.seen[i];
        const char        *fault = NULL;
        if (!lines[i].written) continue;
        if (seen->times == 0 && !lines[i].may_miss) fault = "was not seen";
        if (seen->times > 1 && !lines[i].may_repeat) fault = "was seen twice";
        if (seen->moved && !lines[i].may_move) fault = "was seen as two different events";
        if (fault == NULL) continue;
        snprintf(why, room, "line %u %s", i, fault);
        return false;
    }
    return true;
}

static bool tell_story(const struct step *steps, const char *pattern, char *why, size_t room)
{
    begin(&world, pattern, several_lines ? ", rotate_wait: 2s, multiline: traces, multiline_wait: 300ms" : ", rotate_wait: 2s");
    memset(lines, 0, sizeof lines);
    memset(physicals, 0, sizeof physicals);
    memset(writers, 0, sizeof writers);
    for (unsigned i = 0; i < LOGS; i++) writers[i].fd = -1;
    physical_count = 0;
    next_line = 1;
    start(&world);
    for (int i = 0; i < MOST_OPS; i++)
        if (!steps[i].left_out) do_step(&steps[i]);
    if (world.source == NULL) start(&world);
    for (unsigned i = 0; i < LOGS; i++) {
        if (writers[i].fd < 0) continue;
        end_torn(&writers[i]);
        close(writers[i].fd);
    }
    pass(&world, 20000);
    bool right = judge(why, room);
    finish(&world);
    return right;
}

static void shorten(struct step *steps, const char *pattern)
{
    char why[128];
    for (int size = MOST_OPS / 2; size >= 1; size /= 2)
        for (int from = 0; from < MOST_OPS; from += size) {
            bool before[MOST_OPS];
            for (int i = from; i < from + size && i < MOST_OPS; i++) {
                before[i] = steps[i].left_out;
                steps[i].left_out = true;
            }
            if (!tell_story(steps, pattern, why, sizeof why)) continue;
            for (int i = from; i < from + size && i < MOST_OPS; i++) steps[i].left_out = before[i];
        }
}

static void check_stories(const char *pattern)
{
    static struct step steps[MOST_OPS];
    uint64_t first = getenv("LETHE_SEED") != NULL ? strtoull(getenv("LETHE_SEED"), NULL, 10) : 1;
    uint64_t count = getenv("LETHE_SEED") != NULL ? 1 : getenv("LETHE_SEEDS") != NULL ? strtoull(getenv("LETHE_SEEDS"), NULL, 10) : 60;
    for (uint64_t seed = first; seed < first + count; seed++) {
        char why[128];
        invent(steps, seed);
        if (tell_story(steps, pattern, why, sizeof why)) continue;
        shorten(steps, pattern);
        tell_story(steps, pattern, why, sizeof why);
        print_error("seed %llu, pattern %s: %s after\n", (unsigned long long)seed, pattern, why);
        for (int i = 0; i < MOST_OPS; i++)
            if (!steps[i].left_out) print_error("  %s log %u, %u\n", op_names[steps[i].op], steps[i].log, steps[i].amount);
        fail();
    }
}

static void every_line_is_seen_when_the_pattern_has_the_live_name_only(void **state)
{
    (void)state;
    cuts_allowed = false;
    live_only = true;
    check_stories("*.log");
}

static void every_line_is_seen_when_the_pattern_has_rotated_and_packed_names_too(void **state)
{
    (void)state;
    cuts_allowed = live_only = false;
    check_stories("app*");
}

static void files_that_are_cut_change_nothing_for_others(void **state)
{
    (void)state;
    cuts_allowed = live_only = true;
    check_stories("*.log");
}

/* Each line is one still, but it is held until the next is there or nothing came for long. */
static void every_line_is_seen_when_it_is_held_for_more(void **state)
{
    (void)state;
    cuts_allowed = false;
    live_only = several_lines = true;
    check_stories("*.log");
    several_lines = false;
}

static int drop_keys(void **state)
{
    (void)state;
    clock_set(NULL, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_seen_when_the_pattern_has_the_live_name_only),
        cmocka_unit_test(every_line_is_seen_when_the_pattern_has_rotated_and_packed_names_too),
        cmocka_unit_test(every_line_is_seen_when_it_is_held_for_more),
        cmocka_unit_test(files_that_are_cut_change_nothing_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, drop_keys);
}
