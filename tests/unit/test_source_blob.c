/* The blob source against a model: a storage service in memory whose blobs grow, are torn, overwritten and deleted at random, which
 * fails and refuses, while the source reads, stops, crashes and starts again.
 *
 * What must hold of each whole line that was written:
 *   - it is seen, unless its blob was overwritten or deleted before
 *   - it is seen once, unless a crash took the news that it was, or its blob was given up for the horizon
 *   - seen twice, it is the same event
 * And whatever is handed out as one event is the same bytes every time.
 *
 * LETHE_SEEDS: how many random stories; LETHE_SEED: one of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "redaction/redaction.h"
#include "settings.h"
#include "source_blob_priv.h"
#include "store.h"

#include <stdlib.h>
#include <zlib.h>

#define BLOBS          7
#define CONTENT        (512 * 1024)
#define MOST_LINES     60000
#define BURST          6000      /* lines that fill several batches */
#define MOST_POSITIONS 4096
#define MOST_WAITING   64
#define MAX_RECORD     4096
#define STEPS          150
#define DAY_MS         (24 * 3600 * 1000ull)
#define ADDRESS        "http://127.0.0.1:1/account/logs"

extern const struct source_type source_blob;

static uint64_t now_ms, random_state, story;

static uint64_t test_clock(void) { return now_ms; }

/* xorshift64 (Marsaglia) */
static unsigned draw(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % below);
}

/* --- The storage --------------------------------------------------------------------------------------------------------- */

struct line {
    bool     written, may_miss, may_repeat, may_move, moved;
    unsigned blob, times;
    uint64_t batch;          /* in which it was seen last */
    uint8_t  stream[16];
    uint64_t number, offset;
};

static struct stored {
    bool           there, packed;
    enum blob_type type;
    char           content[CONTENT];
    size_t         len;
    unsigned       version;
    time_t         created, modified;
    unsigned       torn;     /* the line of which half is written; 0: none */
    char           rest[4096];
    size_t         rest_len;
} stored[BLOBS];

static struct line lines[MOST_LINES];
static unsigned    next_line, faults, page_size;
static bool        grows_while_read;

static int         refused = -1;   /* a blob that cannot be read */

static struct blob_answer last_answer;

static void name_of(unsigned blob, char name[32]) { snprintf(name, 32, "y=2026/h=%02u/PT1H.json", blob); }

static struct blob_item item_of(unsigned blob)
{
    const struct stored *b = &stored[blob];
    struct blob_item     item = {.size = b->len, .modified = b->modified, .created = b->created, .type = b->type};
    snprintf(item.etag, sizeof item.etag, "\"0x%X\"", b->version);
    return item;
}

static void touch(struct stored *b)
{
    static unsigned version;
    b->version = ++version;
    b->modified = (time_t)(now_ms / 1000);
}

static void add_bytes(struct stored *b, const char *bytes, size_t len)
{
    if (b->len + len > sizeof b->content) return;
    memcpy(b->content + b->len, bytes, len);
    b->len += len;
}

static size_t pack(const char *text, size_t len, char *packed, size_t room)
{
    z_stream z = {.next_in = (unsigned char *)text, .avail_in = (unsigned)len, .next_out = (unsigned char *)packed, .avail_out = (unsigned)room};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

/* Adds whole lines, and with `tear` keeps the last part of the bytes for later. */
static void write_lines(unsigned blob, unsigned count, bool tear)
{
    struct stored *b = &stored[blob];
    static char    text[BURST * 50], packed[BURST * 50];
    size_t         len = 0;
    unsigned       first = next_line;
    if (b->torn != 0 || b->len > CONTENT / 2 || next_line + count >= MOST_LINES) return;
    for (unsigned i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%u%*s.\n", next_line, (int)draw(40), "");
        lines[next_line] = (struct line){.written = true, .blob = blob};
        next_line++;
    }
    const char *bytes = text;
    if (b->packed) {
        len = pack(text, len, packed, sizeof packed);
        bytes = packed;
    }
    size_t now = tear ? 1 + draw((unsigned)len - 1) : len;
    add_bytes(b, bytes, now);
    b->rest_len = len - now;
    memcpy(b->rest, bytes + now, b->rest_len);
    b->torn = tear ? first : 0;
    for (unsigned i = first; tear && i < next_line; i++) lines[i].may_move = true;   /* without its line break, and with it */
    touch(b);
}

static void mend(unsigned blob)
{
    struct stored *b = &stored[blob];
    if (b->torn == 0) return;
    add_bytes(b, b->rest, b->rest_len);
    b->torn = 0;
    touch(b);
}

/* What was not seen of it may never be. */
static void lose(unsigned blob)
{
    for (unsigned i = 1; i < next_line; i++)
        if (lines[i].blob == blob) lines[i].may_miss = lines[i].may_repeat = true;
}

static void remake(unsigned blob, enum blob_type type, bool packed, bool same_second)
{
    struct stored *b = &stored[blob];
    time_t         created = (time_t)(now_ms / 1000);
    lose(blob);
    if (same_second && b->there) created = b->created;
    if (type == BLOB_APPEND && created <= b->created) created = b->created + 1;
    *b = (struct stored){.there = true, .type = type, .packed = packed, .created = created};
    touch(b);
}

/* --- The client, in place of the true one ----------------------------------------------------------------------------------- */

struct blob_client *blob_client_new(const struct blob_client_options *o, struct http_client *http, struct error *err)
{
    (void)o, (void)http, (void)err;
    return (struct blob_client *)&last_answer;
}

void blob_client_free(struct blob_client *b) { (void)b; }

const struct blob_answer *blob_client_last(const struct blob_client *b)
{
    (void)b;
    return &last_answer;
}

/* BLOB_DONE: no fault. */
static enum blob_outcome fault(struct error *err)
{
    static const int statuses[] = {503, 0, 500, 409, 403};
    last_answer = (struct blob_answer){.status = 200};
    if (faults == 0) return BLOB_DONE;
    faults--;
    last_answer.status = statuses[draw(5)];
    error_set(err, ERROR_NETWORK, "fault");
    return last_answer.status / 100 == 4 ? BLOB_FAILED : BLOB_LATER;
}

enum blob_outcome blob_list(struct blob_client *client, const char *container, struct slice prefix, struct blob_page *page, struct error *err)
{
    static struct blob_item items[BLOBS];
    (void)client;
    assert_string_equal(container, "logs");
    assert_int_equal(prefix.len, 0);
    enum blob_outcome outcome = fault(err);
    unsigned          from = page->next_marker.len > 0 ? (unsigned)atoi(page->next_marker.data) : 0;
    if (outcome != BLOB_DONE) {
        page->count = 0;
        return outcome;
    }
    blob_page_clear(page);
    for (; from < BLOBS && page->count < page_size; from++) {
        char name[32];
        if (!stored[from].there) continue;
        name_of(from, name);
        items[page->count] = item_of(from);
        items[page->count].name_at = page->names.len;
        items[page->count++].name_len = strlen(name);
        text_buffer_add(&page->names, slice_of(name, strlen(name) + 1));
    }
    if (page->items == NULL) page->items = malloc(sizeof items);   /* page_release() frees them */
    assert_non_null(page->items);
    memcpy(page->items, items, sizeof items);
    page->room = BLOBS;
    page->date = (time_t)(now_ms / 1000);
    char marker[16];
    snprintf(marker, sizeof marker, "%u", from);
    if (from < BLOBS) text_buffer_add_text(&page->next_marker, marker);
    return BLOB_DONE;
}

static unsigned blob_of(struct slice name)
{
    char text[32];
    for (unsigned i = 0; i < BLOBS; i++) {
        name_of(i, text);
        if (slice_equal(slice_from(text), name)) return i;
    }
    fail_msg("no such name");
    return 0;
}

enum blob_outcome blob_properties(struct blob_client *client, const char *container, struct slice name, struct blob_item *item, struct error *err)
{
    (void)client, (void)container;
    unsigned          blob = blob_of(name);
    enum blob_outcome outcome = fault(err);
    if (outcome != BLOB_DONE) return outcome;
    if (!stored[blob].there) return BLOB_MISSING;
    *item = item_of(blob);
    return BLOB_DONE;
}

enum blob_outcome blob_read(struct blob_client *client, const char *container, struct slice name, const char *etag, uint64_t offset, char *buffer,
                            size_t capacity, size_t *got, struct error *err)
{
    (void)client, (void)container;
    unsigned       blob = blob_of(name);
    struct stored *b = &stored[blob];
    *got = 0;
    if (grows_while_read && b->there && b->type == BLOB_APPEND && draw(4) == 0) write_lines(blob, 1 + draw(3), false);
    enum blob_outcome outcome = fault(err);
    if (outcome == BLOB_DONE && (int)blob == refused) {
        last_answer.status = 409;
        error_set(err, ERROR_NETWORK, "archived");
        outcome = BLOB_FAILED;
    }
    if (outcome != BLOB_DONE) return outcome;
    if (!b->there) return BLOB_MISSING;
    if (etag != NULL && strcmp(etag, item_of(blob).etag) != 0) return BLOB_CHANGED;
    if (offset >= b->len) return BLOB_NOTHING_NEW;
    *got = b->len - offset < capacity ? b->len - (size_t)offset : capacity;
    memcpy(buffer, b->content + offset, *got);
    return BLOB_DONE;
}

/* --- The store, the source and what it hands out ------------------------------------------------------------------------------ */

static struct store {
    struct position positions[MOST_POSITIONS];
    size_t          count;
} store;

static struct keyring       *keys;
static struct source        *source;
static struct cargo          cargo;
static struct receipt       *waiting[MOST_WAITING];
static size_t                waiting_count;
static uint64_t              batch, settled_to;
static struct text_pool      pool;
static struct yaml_document *document;
static size_t                most_old;

void store_each_position(struct store *s, const char *name, void (*each)(void *context, const struct position *), void *context)
{
    assert_string_equal(name, "blobs");
    for (size_t i = 0; i < s->count; i++) each(context, &s->positions[i]);
}

static void keep_position(const struct position *p)
{
    size_t i = 0;
    while (i < store.count && !(store.positions[i].key_len == p->key_len && memcmp(store.positions[i].key, p->key, p->key_len) == 0)) i++;
    if (i == store.count && p->value_len == 0) return;
    if (i == store.count) assert_true(store.count++ < MOST_POSITIONS);
    store.positions[i] = *p;
    if (p->value_len == 0) store.positions[i] = store.positions[--store.count];
}

static void settle(size_t count)
{
    if (count > waiting_count) count = waiting_count;
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < waiting[i]->position_count; n++) keep_position(&waiting[i]->positions[n]);
        source->type->settled(source, waiting[i]);
    }
    waiting_count -= count;
    settled_to += count;
    memmove(waiting, waiting + count, waiting_count * sizeof waiting[0]);
}

/* Each event, by its id, and its bytes. */
static struct event {
    uint64_t id, bytes;
} events[1 << 18];

static uint64_t hash_of(const void *data, size_t len, uint64_t hash)
{
    for (size_t i = 0; i < len; i++) hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(1099511628211);
    return hash | 1;
}

static void see_event(const struct origin *o, const struct document *d, const char *text)
{
    uint64_t id = hash_of(&d->offset, sizeof d->offset, hash_of(&o->number, sizeof o->number, hash_of(o->stream, sizeof o->stream, 14695981039346656037u)));
    uint64_t bytes = hash_of(text, d->len, 14695981039346656037u);
    size_t   at = (id >> 20) % (1 << 18);
    while (events[at].id != 0 && events[at].id != id) at = (at + 1) % (1 << 18);
    if (events[at].id == id && events[at].bytes != bytes) fail_msg("seed %llu: one event, two texts: '%s'", (unsigned long long)story, text);
    events[at] = (struct event){id, bytes};
}

static void see(const struct document *d)
{
    char *end, text[MAX_RECORD + 1];
    assert_true(d->len <= MAX_RECORD && (d->form == DOCUMENT_REFUSED || d->origin < cargo.origin_count));
    memcpy(text, cargo.batch.data + d->start, d->len);
    text[d->len] = '\0';
    if (d->form != DOCUMENT_REFUSED) see_event(&cargo.origins[d->origin], d, text);
    unsigned long number = strtoul(text, &end, 10);
    if (d->form == DOCUMENT_REFUSED || end == text || number >= next_line || d->len < 2 || text[d->len - 1] != '.') return;   /* half a line */
    const struct origin *o = &cargo.origins[d->origin];
    struct line         *l = &lines[number];
    if (l->times > 0 && (l->offset != d->offset || l->number != o->number || memcmp(l->stream, o->stream, 16) != 0)) l->moved = true;
    l->times++;
    l->batch = batch;
    l->offset = d->offset;
    l->number = o->number;
    memcpy(l->stream, o->stream, 16);
}

static enum source_fill fill_once(void)
{
    struct error err = {0};
    batch_clear(&cargo.batch);
    cargo.origin_count = 0;
    cargo.receipt = NULL;
    if (waiting_count == MOST_WAITING) settle(MOST_WAITING / 2);
    enum source_fill filled = source->type->fill(source, &cargo, 0, &err);
    if (filled != SOURCE_FILLED) {
        assert_int_equal(cargo.batch.count, 0);
        return filled;
    }
    assert_non_null(cargo.receipt);
    for (size_t i = 0; i < cargo.batch.count; i++) see(&cargo.batch.documents[i]);
    batch++;
    waiting[waiting_count++] = cargo.receipt;
    return filled;
}

static void pass(uint64_t ms, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        now_ms += ms / steps;
        for (int n = 0; n < 200 && fill_once() != SOURCE_IDLE; n++) continue;
    }
}

static void start(void)
{
    static const char yaml[] = "{addresses: \"" ADDRESS "\", account_key_file: \"" LETHE_SOURCE_DIR "/tests/unit/loopback.h\", poll: 10s, rest: 1h, remember: 2d}";
    static const char *const none[] = {NULL};
    struct error err = {0};
    document = yaml_read("test", slice_from(yaml), &err);
    assert_non_null(document);
    source = calloc(1, source_blob.bytes);
    assert_non_null(source);
    *source = (struct source){.type = &source_blob, .name = "blobs", .max_record = MAX_RECORD, .keys = keys, .store = &store};
    struct mistakes mistakes = {0};
    if (!settings_read(yaml_root(document), source_blob.settings, none, source, &pool, &mistakes))
        fail_msg("%s", mistakes.each[0].text);
    if (!source_blob.open(source, &err)) fail_msg("%s", err.text);
    ((struct source_blob *)source)->most_old = most_old;
}

/* As kill -9: what is not settled is forgotten, and the lines in it may come again. */
static void crash(void)
{
    for (unsigned i = 1; i < next_line; i++)
        if (lines[i].times > 0 && lines[i].batch >= settled_to) lines[i].may_repeat = true;
    for (size_t i = 0; i < waiting_count; i++) source->type->abandoned(source, waiting[i]);
    settled_to = batch;
    waiting_count = 0;
    source->type->close(source);
    free(source);
    text_pool_release(&pool);
    pool = (struct text_pool){0};
    yaml_free(document);
}

static void stop(void)
{
    settle(waiting_count);
    crash();
}

/* --- A story -------------------------------------------------------------------------------------------------------------------- */

/* Longer than `remember`: of blobs that rest so long nothing is known afterwards. */
static void pass_days(void)
{
    pass(5 * DAY_MS, 50);
    for (unsigned i = 1; i < next_line; i++) lines[i].may_repeat = true;
}

/* A block blob, written again: with more behind the same bytes, or with others. */
static void write_again(unsigned blob)
{
    struct stored *b = &stored[blob];
    if (draw(2) == 0) remake(blob, BLOB_BLOCK, false, draw(2) == 0);
    write_lines(blob, 1 + draw(5), false);
    touch(b);
    for (unsigned i = 1; i < next_line; i++)
        if (lines[i].blob == blob) lines[i].may_move = true;   /* of another version, if the first was not settled */
}

static void act(unsigned blob)
{
    struct stored *b = &stored[blob];
    if (!b->there) {
        remake(blob, draw(3) == 0 ? BLOB_BLOCK : BLOB_APPEND, false, false);
        b->packed = b->type == BLOB_APPEND && draw(3) == 0;
        write_lines(blob, 1 + draw(5), false);
        return;
    }
    if (b->type == BLOB_BLOCK) {
        write_again(blob);
        return;
    }
    switch (draw(12)) {
    case 0: remake(blob, BLOB_APPEND, draw(3) == 0, false); break;   /* the next write fills it */
    case 1:
        lose(blob);
        b->there = false;
        break;
    case 2: case 3: case 4: write_lines(blob, 1, true); break;
    case 5: case 6: case 7: mend(blob); break;
    default: write_lines(blob, draw(12) == 0 ? BURST : 1 + draw(20), false); break;
    }
}

static void step(void)
{
    switch (draw(16)) {
    case 0: crash(); start(); break;
    case 1: stop(); start(); break;
    case 2: settle(draw(20)); break;
    case 3: faults = draw(6); break;
    case 4: pass(2 * 3600 * 1000, 4); break;   /* longer than `rest` */
    case 5:
        if (draw(8) == 0) pass_days();
        break;
    case 6: case 7: case 8: pass(10000, 1 + draw(3)); break;
    default: act(draw(BLOBS)); break;
    }
}

static void judge(uint64_t seed)
{
    for (unsigned i = 1; i < next_line; i++) {
        const struct line *l = &lines[i];
        if (l->times == 0 && !l->may_miss) fail_msg("seed %llu: line %u of blob %u is missing", (unsigned long long)seed, i, l->blob);
        if (l->times > 1 && !l->may_repeat) fail_msg("seed %llu: line %u of blob %u is there %u times", (unsigned long long)seed, i, l->blob, l->times);
        if (l->moved && !l->may_move && !l->may_miss) fail_msg("seed %llu: line %u of blob %u is there as different events", (unsigned long long)seed, i, l->blob);
    }
}

static void forget_all(uint64_t seed)
{
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    story = seed;
    memset(lines, 0, sizeof lines);
    memset(events, 0, sizeof events);
    memset(stored, 0, sizeof stored);
    now_ms = UINT64_C(1795320000000);
    next_line = 1;
    store.count = waiting_count = 0;
    faults = 0;
    grows_while_read = false;
    batch = settled_to = 0;
}

static void tell_story(uint64_t seed)
{
    forget_all(seed);
    page_size = 1 + draw(BLOBS);
    most_old = draw(2) == 0 ? 200000 : draw(4);
    start();
    grows_while_read = true;
    for (int i = 0; i < STEPS; i++) step();
    grows_while_read = false;
    faults = 0;
    for (unsigned i = 0; i < BLOBS; i++) mend(i);
    pass(4 * 3600 * 1000, 60);
    judge(seed);
    stop();
}

static void stories_of_growing_overwritten_and_deleted_blobs_end_well(void **state)
{
    const char *one = getenv("LETHE_SEED"), *many = getenv("LETHE_SEEDS");
    uint64_t    count = many != NULL ? strtoull(many, NULL, 10) : 150;
    (void)state;
    for (uint64_t seed = 1; one == NULL && seed <= count; seed++) tell_story(seed);
    if (one != NULL) tell_story(strtoull(one, NULL, 10));
}

/* --- Bounds ---------------------------------------------------------------------------------------------------------------------- */

static void begin_with_blobs_at_rest(void)
{
    forget_all(1);
    page_size = 2;
    for (unsigned i = 0; i < BLOBS; i++) {
        remake(i, BLOB_APPEND, i % 2 == 1, false);
        write_lines(i, 10, false);
    }
    now_ms += 3 * DAY_MS;
    start();
    pass(60000, 6);
    settle(waiting_count);
}

static void of_blobs_that_rest_nothing_is_kept_and_none_is_read_again(void **state)
{
    (void)state;
    for (most_old = 0; most_old <= 200000; most_old += 200000) {
        begin_with_blobs_at_rest();
        assert_int_equal(store.count, 1);   /* the horizon */
        assert_int_equal(((struct source_blob *)source)->marks.count, 0);
        stop();
        start();
        pass(60000, 6);
        stop();
        for (unsigned i = 1; i < next_line; i++) assert_int_equal(lines[i].times, 1);
    }
}

static void one_that_could_not_be_read_is_not_behind_the_horizon(void **state)
{
    (void)state;
    for (most_old = 0; most_old <= 200000; most_old += 200000) {
        refused = 3;
        begin_with_blobs_at_rest();
        assert_int_equal(store.count, 2);
        stop();
        refused = -1;
        start();
        pass(60000, 6);
        stop();
        for (unsigned i = 1; i < next_line; i++) assert_int_equal(lines[i].times, 1);
    }
}

static void after_a_kill_in_the_midst_of_a_blob_only_what_was_not_settled_comes_again(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        forget_all(1);
        most_old = 200000;
        page_size = 2;
        remake(0, variant / 2 == 0 ? BLOB_APPEND : BLOB_BLOCK, variant % 2 == 1, false);
        write_lines(0, BURST, false);
        start();
        for (int i = 0; i < 10 && waiting_count < 2; i++) fill_once();
        assert_int_equal(waiting_count, 2);
        settle(1);
        crash();
        start();
        pass(60000, 6);
        stop();
        for (unsigned i = 1; i < next_line; i++) assert_int_equal(lines[i].times, lines[i].may_repeat ? 2 : 1);
        for (unsigned i = 1; i < next_line; i++) assert_false(lines[i].moved);
        assert_true(!lines[1].may_repeat && !lines[next_line - 1].may_repeat);
    }
}

static int set_up(void **state)
{
    struct error err = {0};
    (void)state;
    clock_set(test_clock, test_clock);
    log_setup(false, getenv("LETHE_TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR);
    keys = keyring_ephemeral(&err);
    return keys != NULL && batch_init(&cargo.batch, FRAMER_ROOM(MAX_RECORD) + 65536) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    batch_release(&cargo.batch);
    free(cargo.origins);
    keyring_free(keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_of_growing_overwritten_and_deleted_blobs_end_well),
        cmocka_unit_test(of_blobs_that_rest_nothing_is_kept_and_none_is_read_again),
        cmocka_unit_test(one_that_could_not_be_read_is_not_behind_the_horizon),
        cmocka_unit_test(after_a_kill_in_the_midst_of_a_blob_only_what_was_not_settled_comes_again),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
