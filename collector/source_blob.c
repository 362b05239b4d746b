/* The `blob` source: blobs of Azure storage, as diagnostic settings export them, listed again and again and read as they grow.
 *
 * (1) A pass lists every address page by page. What a page shows to be new is read before the next page is asked for: so a page
 *     is all that is held of a listing, and each blob is read as far as the page said.
 * (2) A blob is known again by a keyed hash of its name; the mark says to which version and place it was read. It is read on
 *     from there if it was created at the same second, is not shorter, and still has the end of the last document; else from the
 *     beginning, as a new epoch. Doubt means reading again, never skipping.
 * (3) An unfinished document at the end waits for the rest, until the blob has not changed for `rest`; only an append blob
 *     has to wait, since others come to be as a whole.
 * (4) The receipt of a batch has the marks behind it, so they are kept when it is settled.
 * (5) Marks do not pile up. A blob that three whole passes did not meet is forgotten. So is one that was read and not changed for
 *     `remember`: then the horizon of its address, a second before which all was read, moves first. Old blobs that are too many
 *     to be kept until the horizon moves are read without a mark.
 * (6) A blob that the service refuses is left for a while and holds nobody up. Anything else is tried again with growing
 *     pauses, as long as it takes; a blob or address for which that did not help some times waits for the next pass.
 * Thread: the source's own; wake() any. */
#include "source_blob_priv.h"

#include "base/clock.h"
#include "net/tls_files.h"
#include "store.h"

#include <stdlib.h>

#define MOST_OLD         200000
#define MOST_TRIES       4         /* of one page or blob, in one pass */
#define REFUSED_AGAIN_S  600
#define PACE_MS          50        /* after BLOB_POSITIONS positions without documents: the ledger holds them until committed */
#define GATHER_MS        100       /* a batch with something in it waits no longer for more */

enum { START_BEGINNING, START_END };
static const char *const start_choices[] = {"beginning", "end", NULL};

static struct source_blob *of(struct source *s) { return (struct source_blob *)s; }

static const struct setting settings[] = {
    {"addresses", SETTING_TEXTS, offsetof(struct source_blob, addresses), NULL, .required = true,
     .help = "https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX: all blobs whose names begin so; CONTAINER may end in *"},
    {"names", SETTING_TEXTS, offsetof(struct source_blob, names), NULL, .help = "patterns of names; * stands for / as well; all if absent"},
    {"exclude", SETTING_TEXTS, offsetof(struct source_blob, exclude), NULL, .help = "patterns of names that are left out"},
    {"account_key_file", SETTING_TEXT, offsetof(struct source_blob, account_key_file), NULL, .help = "the account's key, in a file"},
    {"sas_file", SETTING_TEXT, offsetof(struct source_blob, sas_file), NULL,
     .help = "a shared access signature with the rights r and l, in a file; read again when it is refused"},
    {"connection_string_file", SETTING_TEXT, offsetof(struct source_blob, connection_string_file), NULL,
     .help = "a connection string with one of them, in a file; without any of the three: microsoft entra id, by the environment"},
    {"ca_file", SETTING_FILE, offsetof(struct source_blob, ca_file), NULL, .help = "certificates (pem) of the authorities to trust; the system's if absent"},
    {"start", SETTING_CHOICE, offsetof(struct source_blob, start), "beginning", .choices = start_choices,
     .help = "where to begin with what is there at the first start"},
    {"poll", SETTING_DURATION, offsetof(struct source_blob, poll_ms), "30s", .least = 100, .most = 3600000, .help = "how often blobs are listed"},
    {"rest", SETTING_DURATION, offsetof(struct source_blob, rest_ms), "1h", .least = 1000, .most = 604800000,
     .help = "an unfinished last record counts as whole when its blob has not changed for so long"},
    {"remember", SETTING_DURATION, offsetof(struct source_blob, remember_ms), "2d", .least = 3600000, .most = 31536000000,
     .help = "how long after its last change the place in a blob is kept; one that grows still later is read anew"},
    {.name = NULL},
};

/* --- Receipts --------------------------------------------------------------------------------------------------------- */

struct position *blob_add_position(struct cargo *c)
{
    struct blob_receipt *r = (struct blob_receipt *)c->receipt;
    size_t               count = r != NULL ? r->base.position_count : 0;
    if (r == NULL || count == r->capacity) {
        size_t capacity = r != NULL ? 2 * r->capacity : 4;
        r = realloc(r, sizeof *r + capacity * sizeof r->list[0]);
        CHECK(r != NULL);
        if (count == 0) r->base = (struct receipt){0};
        r->capacity = capacity;
        r->base.positions = r->list;
        c->receipt = &r->base;
    }
    r->base.position_count = count + 1;
    return &r->list[count];
}

size_t blob_positions_in(const struct cargo *c) { return c->receipt != NULL ? c->receipt->position_count : 0; }

static void settled(struct source *s, struct receipt *r)
{
    (void)s;
    free(r);
}

void blob_show(const struct blob_root *root, struct slice name, char *text, size_t room)
{
    char   whole[BLOB_NAME_BYTES + 128];
    size_t len = (size_t)snprintf(whole, sizeof whole, "%s/%.*s", root->address.container, (int)name.len, name.data);
    if (len < room) memcpy(text, whole, len + 1);
    else snprintf(text, room, "...%s", whole + len - (room - 4));
}

const char *blob_more(uint64_t left_out, char text[BLOB_MORE_BYTES])
{
    text[0] = '\0';
    if (left_out > 0)
        snprintf(text, BLOB_MORE_BYTES, " (and %llu more since the last line like this)", (unsigned long long)left_out);
    return text;
}

/* --- Failures --------------------------------------------------------------------------------------------------------- */

static enum source_fill tell(struct source_blob *s, struct error *err)
{
    s->failed = false;
    *err = s->failure;
    return SOURCE_FAILED;
}

void blob_succeeded(struct source_blob *s)
{
    retry_succeeded(&s->retry);
    s->tries = 0;
}

/* Pauses. True: it was tried often enough for now. */
bool blob_pause_after(struct source_blob *s, struct blob_root *root, const char *verb, const char *what, const struct error *why)
{
    const struct blob_answer *last = blob_client_last(blob_place_client(root->place));
    struct error              renewing = {0};
    bool                      refused = last->status == 401 || last->status == 403;
    retry_failed(&s->retry, slice_from(last->retry_after));
    s->failed = true;
    s->failure = (struct error){0};
    error_set(&s->failure, ERROR_INPUT, "cannot %s '%s': %s", verb, what, why->text);
    if (refused && !blob_place_renew(s->inputs, root->place, &root->address, &renewing))
        log_line(LOG_WARNING, s->base.name, "the credentials were refused and cannot be read anew: %s", renewing.text);
    if (++s->tries < MOST_TRIES) return false;
    s->tries = 0;
    return true;
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

static void open_next(struct source_blob *s)
{
    struct blob_root       *root = &s->roots[s->root];
    const struct blob_item *item = &s->page.items[s->wanted[s->wanted_at].item];
    struct slice            name = blob_page_name(&s->page, item);
    uint8_t                 key[BLOB_HASH_BYTES];
    blob_key(s, root, name, key);
    size_t at = blob_marks_find(&s->marks, key);
    bool   unmarked = at == BLOB_UNKNOWN && s->marks.count >= s->most_old && !root->crowded &&
                      blob_is_old(s, root, item->modified);
    if (at == BLOB_UNKNOWN) at = blob_marks_add(&s->marks, key);
    s->marks.items[at].seen = s->pass;
    s->marks.items[at].place = (uint16_t)s->root;
    blob_session_open(s, root, item, name, at, blob_has_rested(s, root, item));
    s->session.unmarked = unmarked;
}

static void put_mark(struct source_blob *s, struct cargo *c)
{
    const struct blob_entry *e = &s->marks.items[s->session.entry];
    if (!s->session.unmarked) blob_mark_write(e, false, blob_add_position(c));
}

static void close_session(struct source_blob *s)
{
    const struct wanted *w = &s->wanted[s->wanted_at++];
    uint64_t             lag = atomic_load(&s->base.counters.lag_bytes);
    atomic_store(&s->base.counters.lag_bytes, lag > w->bytes ? lag - w->bytes : 0);
    if (s->session.unmarked) {
        blob_marks_drop_last(&s->marks);
        s->session.root->overfull = true;
    }
    blob_session_close(s);
    s->tries = 0;
}

/* It is in no horizon: its mark says that it was not read. */
static void give_up(struct source_blob *s, struct cargo *c)
{
    s->session.unmarked = false;
    put_mark(s, c);
    close_session(s);
}

static bool is_refused(const struct blob_answer *a)
{
    return a->status / 100 == 4 && a->status != 401 && a->status != 403 && a->status != 408 && a->status != 429;
}

static void note_gone(struct source_blob *s, const char *shown)
{
    const struct blob_mark *m = &s->marks.items[s->session.entry].mark;
    char                    more[BLOB_MORE_BYTES];
    uint64_t                left_out, lost = s->session.item.size > m->size ? s->session.item.size - m->size : 0;
    atomic_fetch_add(&s->base.counters.errors, 1);
    atomic_fetch_add(&s->base.counters.lost_bytes, lost);
    if (log_passes(&s->gone_limit, BLOB_TELL_MS, &left_out))
        log_line(LOG_WARNING, s->base.name, "'%s' was deleted before it was read to its end%s", shown, blob_more(left_out, more));
}

static void note_refused(struct source_blob *s, const char *shown)
{
    uint64_t left_out;
    char     more[BLOB_MORE_BYTES];
    s->marks.items[s->session.entry].again_s = (uint32_t)(clock_monotonic_ms() / 1000 + REFUSED_AGAIN_S);
    atomic_fetch_add(&s->base.counters.errors, 1);
    if (log_passes(&s->refused_limit, BLOB_TELL_MS, &left_out))
        log_line(LOG_WARNING, s->base.name, "cannot read '%s': %s; it will be tried again later%s", shown,
                 s->session.failure.text, blob_more(left_out, more));
}

static void cannot_read(struct source_blob *s, struct cargo *c)
{
    struct blob_session *b = &s->session;
    char                 shown[200];
    blob_show(b->root, b->name, shown, sizeof shown);
    if (b->failed == BLOB_MISSING) note_gone(s, shown);
    if (b->failed == BLOB_MISSING || b->failed == BLOB_CHANGED) {   /* what became of it the next pass shows */
        give_up(s, c);
    } else if (b->failed == BLOB_FAILED && is_refused(blob_client_last(blob_place_client(b->root->place)))) {
        note_refused(s, shown);
        give_up(s, c);
    } else if (blob_pause_after(s, b->root, "read", shown, &b->failure)) {
        give_up(s, c);
    }
}

static enum blob_work read_on(struct source_blob *s, struct cargo *c)
{
    size_t         count = c->batch.count;
    enum blob_step step = blob_session_fill(s, c);
    if (c->batch.count > count && c->place[0] == '\0') blob_show(s->session.root, s->session.name, c->place, sizeof c->place);
    if (step == BLOB_STEP_FAILED) {
        if (atomic_load(&s->base.stopping)) return BLOB_WORK_SEND;
        cannot_read(s, c);
        return BLOB_WORK_SEND;
    }
    blob_succeeded(s);
    if (step == BLOB_STEP_OVER) {
        /* it may have grown */
        s->session.unmarked = s->session.unmarked && blob_is_old(s, s->session.root, s->session.item.modified);
        put_mark(s, c);
        close_session(s);
    }
    return BLOB_WORK_DONE;
}

/* --- Filling ---------------------------------------------------------------------------------------------------------- */

static bool is_skipping(const struct source_blob *s) { return s->root < s->root_count && s->roots[s->root].skipping; }

/* What was created since the first attempt to list is not passed over, however long listing takes to succeed. */
static bool skips_next(const struct source_blob *s)
{
    return is_skipping(s) && s->page.items[s->wanted[s->wanted_at].item].created < s->roots[s->root].horizon;
}

static enum blob_work advance(struct source_blob *s, struct cargo *c)
{
    if (retry_wait_ms(&s->retry) > 0) return BLOB_WORK_WAIT;
    if (s->session.open) return read_on(s, c);
    if ((is_skipping(s) || s->forgetting) && clock_monotonic_ms() < s->paced_until_ms) return BLOB_WORK_WAIT;
    if (s->wanted_at < s->wanted_count && skips_next(s)) return blob_skip_next(s, c);
    if (s->wanted_at < s->wanted_count) {
        open_next(s);
        return BLOB_WORK_DONE;
    }
    if (blob_positions_in(c) > 0 || c->batch.count > 0) return BLOB_WORK_SEND;   /* listing takes its time */
    if (s->forgetting) return blob_forget_some(s, c);
    if (s->family < s->family_count) return blob_meet_containers(s, c);
    if (s->root < s->root_count) return blob_list_on(s, c);
    if (clock_monotonic_ms() < s->next_pass_ms) return BLOB_WORK_WAIT;
    blob_begin_pass(s);
    return BLOB_WORK_DONE;
}

static bool has_room(const struct source_blob *s, const struct cargo *c)
{
    return c->batch.capacity - c->batch.used >= FRAMER_ROOM(s->base.max_record) && blob_positions_in(c) < BLOB_POSITIONS;
}

static bool is_empty(const struct cargo *c) { return c->batch.count == 0 && blob_positions_in(c) == 0; }

static uint64_t until(uint64_t then_ms)
{
    uint64_t now = clock_monotonic_ms();
    return then_ms > now ? then_ms - now : 0;
}

static void wait_for_work(struct source_blob *s, int wait_ms)
{
    uint64_t pause = retry_wait_ms(&s->retry), paced = is_skipping(s) || s->forgetting ? until(s->paced_until_ms) : 0;
    bool     idle = !s->session.open && !s->forgetting && s->wanted_at == s->wanted_count && s->family == s->family_count &&
                    s->root == s->root_count;
    uint64_t wait = idle ? until(s->next_pass_ms) : 0;
    if (paced > wait) wait = paced;
    if (pause > wait) wait = pause;
    wakeup_wait(&s->wakeup, wait < (uint64_t)wait_ms ? (int)wait : wait_ms);
}

static enum source_fill fill(struct source *source, struct cargo *c, int wait_ms, struct error *err)
{
    struct source_blob *s = of(source);
    uint64_t            begun = clock_monotonic_ms();
    enum blob_work      work = BLOB_WORK_DONE;
    if (s->failed) return tell(s, err);
    batch_clear(&c->batch);
    c->origin_count = 0;
    c->receipt = NULL;
    c->place[0] = '\0';
    while (work == BLOB_WORK_DONE && !atomic_load(&source->stopping) && has_room(s, c) &&
           (is_empty(c) || clock_monotonic_ms() - begun < GATHER_MS))
        work = advance(s, c);
    if (c->batch.count > 0 && s->session.open) put_mark(s, c);
    if (c->batch.count > 0 && c->receipt == NULL) CHECK((c->receipt = calloc(1, sizeof(struct blob_receipt))) != NULL);
    if (c->batch.count == 0 && blob_positions_in(c) >= BLOB_POSITIONS) s->paced_until_ms = clock_monotonic_ms() + PACE_MS;
    if (c->receipt != NULL) return SOURCE_FILLED;
    batch_clear(&c->batch);
    if (s->failed) return tell(s, err);
    if (work == BLOB_WORK_WAIT) wait_for_work(s, wait_ms);
    return SOURCE_IDLE;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

/* Of an address such as https://.../insights-logs-*, without the '*'. NULL: it has none, behind the container's name. */
static char *family_of(const char *address)
{
    const char *star = strchr(address, '*');
    if (star == NULL || (star[1] != '\0' && star[1] != '/')) return NULL;
    char *text = strdup(address);
    CHECK(text != NULL);
    memmove(text + (star - address), star + 1, strlen(star));
    return text;
}

/* `family`: it stands for all containers whose names begin with that of the address. */
static bool parse_address(const char *text, struct blob_address *a, bool *family, struct error *err)
{
    struct blob_address plain;
    struct error        why = {0};
    char               *without = family_of(text);
    *family = without != NULL && !blob_address_parse(text, &plain, &why);   /* in a prefix it stands for itself */
    if (without != NULL && !*family) blob_address_release(&plain);
    bool parsed = blob_address_parse(*family ? without : text, a, err);
    free(without);
    return parsed;
}

static bool check_address(const struct source_blob *s, const char *text, struct error *err)
{
    struct blob_address a;
    struct error        why = {0};
    bool                family;
    if (!blob_is_address(text)) return error_set(err, ERROR_USAGE, "'%s': an address begins with https://", s->base.name);
    if (strchr(text, '?') != NULL)
        return error_set(err, ERROR_USAGE,
                         "'%s': an address must not hold a signature: put what follows the '?' into a file and name it as "
                         "sas_file", s->base.name);
    if (!parse_address(text, &a, &family, &why)) return error_set(err, ERROR_USAGE, "'%s': %s", s->base.name, why.text);
    blob_address_release(&a);
    return true;
}

static bool check_addresses(const struct source_blob *s, struct error *err)
{
    if (s->addresses.count == 0 || s->addresses.count > BLOB_ROOTS)
        return error_set(err, ERROR_USAGE, "'%s': there are 1 to %d addresses", s->base.name, BLOB_ROOTS);
    for (size_t i = 0; i < s->addresses.count; i++) {
        if (!check_address(s, s->addresses.items[i], err)) return false;
        for (size_t n = 0; n < i; n++)
            if (strcmp(s->addresses.items[n], s->addresses.items[i]) == 0)
                return error_set(err, ERROR_USAGE, "'%s': an address is there twice", s->base.name);
    }
    return true;
}

static bool check(struct source *source, struct error *err)
{
    const struct source_blob *s = of(source);
    unsigned credentials = (s->account_key_file != NULL) + (s->sas_file != NULL) + (s->connection_string_file != NULL);
    if (credentials > 1)
        return error_set(err, ERROR_USAGE, "'%s': one of account_key_file, sas_file and connection_string_file is enough",
                         source->name);
    return check_addresses(s, err) && tls_files_check(NULL, NULL, s->ca_file, err);
}

/* The horizon holds for what is listed there, and so for the patterns, too. */
static void horizon_key(const struct source_blob *s, const struct blob_address *a, uint8_t key[BLOB_HASH_BYTES])
{
    const struct text_list *lists[] = {&s->names, &s->exclude};
    const char             *parts[] = {a->endpoint, a->container, a->prefix};
    uint8_t                 both[2 * BLOB_HASH_BYTES] = {0};
    for (size_t i = 0; i < 3; i++) {
        source_fingerprint(&s->base, "blob-address", slice_from(parts[i]), both + BLOB_HASH_BYTES);
        source_fingerprint(&s->base, "blob-horizon", slice_of((const char *)both, sizeof both), both);
    }
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            source_fingerprint(&s->base, l == 0 ? "blob-names" : "blob-exclude", slice_from(lists[l]->items[i]),
                               both + BLOB_HASH_BYTES);
            source_fingerprint(&s->base, "blob-horizon", slice_of((const char *)both, sizeof both), both);
        }
    memcpy(key, both, BLOB_HASH_BYTES);
}

/* The address is the root's then. */
static bool add_root(struct source_blob *s, struct blob_root *roots, size_t *count, struct blob_address *address,
                     struct error *err)
{
    struct blob_root *root = &roots[*count];
    struct error      why = {0};
    *root = (struct blob_root){.address = *address, .skipping = s->first && s->start == START_END};
    ++*count;
    horizon_key(s, &root->address, root->key);
    for (size_t i = 0; i < s->horizon_count; i++)
        if (memcmp(s->horizons[i].key, root->key, sizeof root->key) == 0) root->horizon = s->horizons[i].second;
    root->place = blob_inputs_place(s->inputs, &root->address, &why);
    return root->place != NULL || error_set(err, why.code, "'%s': %s", s->base.name, why.text);
}

bool blob_open_found(struct source_blob *s, const struct blob_root *family, const char *container, struct error *err)
{
    const struct blob_address *from = &family->address;
    if (s->root_count == BLOB_ROOTS) return error_set(err, ERROR_INPUT, "a source has at most %d containers", BLOB_ROOTS);
    struct blob_address a = {strdup(from->endpoint), strdup(from->account), strdup(container), strdup(from->prefix)};
    CHECK(a.endpoint != NULL && a.account != NULL && a.container != NULL && a.prefix != NULL);
    bool opened = add_root(s, s->roots, &s->root_count, &a, err);
    s->roots[s->root_count - 1].found = true;
    s->roots[s->root_count - 1].skipping = family->skipping;
    if (!opened) blob_address_release(&s->roots[--s->root_count].address);
    return opened;
}

static bool open_address(struct source_blob *s, const char *text, struct error *err)
{
    struct blob_address a;
    bool                family;
    if (!parse_address(text, &a, &family, err)) return false;
    return add_root(s, family ? s->families : s->roots, family ? &s->family_count : &s->root_count, &a, err);
}

static void load_position(void *context, const struct position *p)
{
    struct source_blob *s = context;
    struct blob_mark    mark;
    struct blob_horizon h;
    uint8_t             key[BLOB_HASH_BYTES];
    if (blob_horizon_read(p, h.key, &h.second)) {
        s->first = false;
        if (s->horizon_count < BLOB_ROOTS) s->horizons[s->horizon_count++] = h;
    } else if (blob_mark_read(p, key, &mark)) {
        s->first = false;
        size_t at = blob_marks_add(&s->marks, key);
        s->marks.items[at].mark = mark;
    }
}

static bool open_parts(struct source_blob *s, struct error *err)
{
    const struct blob_access access = {s->account_key_file, s->sas_file, s->connection_string_file, s->ca_file, .attempts = 1};
    if (!wakeup_init(&s->wakeup, err)) return false;
    s->inputs = blob_inputs_new(&access);
    s->framer = framer_new(&(struct framer_options){.max_document = s->base.max_record});
    s->buffer = malloc(BLOB_RANGE);
    s->wanted = calloc(BLOB_PAGE_ITEMS, sizeof *s->wanted);
    s->roots = calloc(BLOB_ROOTS, sizeof *s->roots);
    s->families = calloc(BLOB_ROOTS, sizeof *s->families);
    if (s->inputs == NULL || s->framer == NULL || s->buffer == NULL || s->wanted == NULL || s->roots == NULL ||
        s->families == NULL)
        return error_set(err, ERROR_MEMORY, "'%s': out of memory", s->base.name);
    for (size_t i = 0; i < s->addresses.count; i++)
        if (!open_address(s, s->addresses.items[i], err)) return false;
    s->family = s->family_count;   /* no pass is under way */
    s->root = s->root_count;
    return true;
}

static void close_source(struct source *source)
{
    struct source_blob *s = of(source);
    if (!s->opened) return;
    s->opened = false;
    blob_session_close(s);
    for (size_t i = 0; i < s->root_count; i++) blob_address_release(&s->roots[i].address);
    for (size_t i = 0; i < s->family_count; i++) blob_address_release(&s->families[i].address);
    blob_inputs_free(s->inputs);
    blob_page_release(&s->page);
    blob_marks_release(&s->marks);
    framer_free(s->framer);
    free(s->buffer);
    free(s->wanted);
    free(s->roots);
    free(s->families);
    wakeup_release(&s->wakeup);
}

static bool open_source(struct source *source, struct error *err)
{
    struct source_blob *s = of(source);
    s->opened = true;
    s->wakeup.fd = -1;
    s->first = true;
    s->most_old = MOST_OLD;
    blob_page_init(&s->page);
    retry_init(&s->retry, &(struct retry_options){0}, retry_seed());
    atomic_store(&source->counters.lag_bytes, UINT_FAST64_MAX);
    if (source->store != NULL) store_each_position(source->store, source->name, load_position, s);
    bool sound = open_parts(s, err);
    if (!sound) close_source(source);
    return sound;
}

static void wake(struct source *source)
{
    blob_inputs_stop(of(source)->inputs);
    wakeup_signal(&of(source)->wakeup);
}

const struct source_type source_blob = {
    .name = "blob",
    .summary = "blobs of azure storage, as diagnostic settings export them, as they grow",
    .bytes = sizeof(struct source_blob),
    .settings = settings,
    .replayable = true,
    .cargoes = 4,
    .check = check,
    .open = open_source,
    .fill = fill,
    .settled = settled,
    .abandoned = settled,
    .wake = wake,
    .close = close_source,
};
