/* Listing of the source `blob`: passes, pages, what is to be read of them, and what need not be known any more. The laws are in
 * source_blob.c. */
#include "source_blob_priv.h"

#include "base/clock.h"

#include <fnmatch.h>

#define FORGET_PASSES 3

/* --- What is wanted of a page ----------------------------------------------------------------------------------------- */

static bool matches(const struct text_list *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (fnmatch(patterns->items[i], name, 0) == 0) return true;
    return false;
}

static bool is_ours(const struct source_blob *s, const struct blob_item *item, struct slice name)
{
    if (item->directory || item->type == BLOB_PAGED || item->size == 0) return false;
    return (s->names.count == 0 || matches(&s->names, name.data)) && !matches(&s->exclude, name.data);
}

void blob_key(const struct source_blob *s, const struct blob_root *root, struct slice name, uint8_t key[BLOB_HASH_BYTES])
{
    char   text[BLOB_NAME_BYTES + 512];
    size_t len = (size_t)snprintf(text, sizeof text, "%.255s\n%.127s\n%.*s", root->address.endpoint, root->address.container,
                                  (int)name.len, name.data);
    source_fingerprint(&s->base, "blob", slice_of(text, len < sizeof text ? len : sizeof text - 1), key);
}

bool blob_has_rested(const struct source_blob *s, const struct blob_root *root, const struct blob_item *item)
{
    return item->type != BLOB_APPEND || (item->modified > 0 && (uint64_t)item->modified + s->rest_ms / 1000 <= root->begun);
}

bool blob_is_old(const struct source_blob *s, const struct blob_root *root, time_t modified)
{
    return modified > 0 && (uint64_t)modified + s->remember_ms / 1000 < root->begun;
}

/* Where a packed one ends in its content is not known. */
enum blob_work blob_skip_next(struct source_blob *s, struct cargo *c)
{
    const struct blob_root *root = &s->roots[s->root];
    const struct blob_item *item = &s->page.items[s->wanted[s->wanted_at++].item];
    struct slice            name = blob_page_name(&s->page, item);
    uint8_t                 key[BLOB_HASH_BYTES];
    bool                    packed = name.len > 3 && strcmp(name.data + name.len - 3, ".gz") == 0;
    blob_key(s, root, name, key);
    if (packed || blob_is_old(s, root, item->modified) || blob_marks_find(&s->marks, key) != BLOB_UNKNOWN) return BLOB_WORK_DONE;
    size_t             at = blob_marks_add(&s->marks, key);
    struct blob_entry *e = &s->marks.items[at];
    e->mark.place.offset = e->mark.size = item->size;
    e->mark.etag = blob_etag_hash(item->etag);
    e->mark.whole = 1;
    e->mark.created = (uint32_t)item->created;
    e->mark.modified = (uint32_t)item->modified;
    e->seen = s->pass;
    e->place = (uint16_t)s->root;
    blob_mark_write(e, false, blob_add_position(c));
    return BLOB_WORK_DONE;
}

/* How many bytes of it are to be read, as far as that is known; 0: it is not to be looked at. */
static uint64_t wants(struct source_blob *s, const struct blob_item *item, struct slice name)
{
    const struct blob_root *root = &s->roots[s->root];
    uint8_t                 key[BLOB_HASH_BYTES];
    blob_key(s, root, name, key);
    size_t at = blob_marks_find(&s->marks, key);
    if (at == BLOB_UNKNOWN) {
        bool read_long_ago = item->modified > 0 && item->modified < root->horizon;
        return read_long_ago && !root->skipping ? 0 : item->size;
    }
    struct blob_entry *e = &s->marks.items[at];
    const struct blob_mark *m = &e->mark;
    e->seen = s->pass;
    e->place = (uint16_t)s->root;
    if (m->whole && m->etag == blob_etag_hash(item->etag)) return m->unfinished && blob_has_rested(s, root, item) ? 1 : 0;
    if (e->again_s > clock_monotonic_ms() / 1000) return 0;
    return item->size > m->size ? item->size - m->size : item->size;
}

static void look_through(struct source_blob *s)
{
    uint64_t lag = 0;
    s->wanted_count = s->wanted_at = 0;
    for (size_t i = 0; i < s->page.count; i++) {
        struct slice name = blob_page_name(&s->page, &s->page.items[i]);
        if (!is_ours(s, &s->page.items[i], name)) continue;
        s->met++;
        uint64_t bytes = wants(s, &s->page.items[i], name);
        if (bytes == 0) continue;
        s->wanted[s->wanted_count++] = (struct wanted){(uint32_t)i, bytes};
        lag += bytes;
    }
    atomic_store(&s->base.counters.lag_bytes, s->roots[s->root].skipping ? 0 : lag);
}

/* --- Listing ---------------------------------------------------------------------------------------------------------- */

void blob_begin_pass(struct source_blob *s)
{
    s->family = s->root = 0;
    s->listing = false;
    s->whole = true;
    s->met = 0;
    s->next_pass_ms = clock_monotonic_ms() + s->poll_ms;
    for (size_t i = 0; i < s->root_count; i++) s->roots[i].whole = false;
}

static bool is_forgettable(const struct source_blob *s, const struct blob_entry *e)
{
    const struct blob_mark *m = &e->mark;
    if (s->pass - e->seen >= FORGET_PASSES) return true;
    if (e->place == BLOB_PLACE_UNKNOWN || !m->whole || m->unfinished) return false;
    const struct blob_root *root = &s->roots[e->place];
    return blob_is_old(s, root, m->modified) && m->modified < root->horizon;
}

/* After a pass in which all of it was listed, and so read or marked, the horizon moves to where it can be. True: it must be
 * kept, since blobs were read that have no mark. */
static bool close_root(const struct source_blob *s, struct blob_root *root)
{
    uint64_t remember = s->remember_ms / 1000;
    bool     overfull = root->overfull;
    root->crowded = overfull && !root->whole;
    if (!root->whole) return false;
    if (root->begun > remember && root->begun - remember > root->horizon) root->horizon = root->begun - (uint32_t)remember;
    root->overfull = root->skipping = false;
    return overfull;
}

static void end_pass(struct source_blob *s, struct cargo *c)
{
    bool any = false;
    atomic_store(&s->base.counters.streams, s->met);
    if (s->whole) s->pass++;
    for (size_t i = 0; i < s->root_count; i++) any = close_root(s, &s->roots[i]) || any;
    for (size_t i = 0; !any && i < s->marks.count; i++) any = is_forgettable(s, &s->marks.items[i]);
    s->forgetting = any;
    for (size_t i = 0; any && i < s->root_count; i++)
        blob_horizon_write(s->roots[i].key, s->roots[i].horizon, blob_add_position(c));
}

struct sweep {
    struct source_blob *source;
    struct cargo       *cargo;
};

static bool forget_one(void *context, const struct blob_entry *e)
{
    struct sweep *w = context;
    if (blob_positions_in(w->cargo) >= BLOB_POSITIONS || !is_forgettable(w->source, e)) return false;
    blob_mark_write(e, true, blob_add_position(w->cargo));
    return true;
}

enum blob_work blob_forget_some(struct source_blob *s, struct cargo *c)
{
    struct sweep w = {s, c};
    blob_marks_sweep(&s->marks, forget_one, &w);
    s->forgetting = blob_positions_in(c) >= BLOB_POSITIONS;
    return BLOB_WORK_SEND;
}

/* --- Containers ------------------------------------------------------------------------------------------------------- */

static bool is_met(const struct source_blob *s, const struct blob_root *family, const char *container)
{
    for (size_t i = 0; i < s->root_count; i++) {
        const struct blob_address *a = &s->roots[i].address;
        if (strcmp(a->container, container) == 0 && strcmp(a->endpoint, family->address.endpoint) == 0 &&
            strcmp(a->prefix, family->address.prefix) == 0)
            return true;
    }
    return false;
}

/* What a service calls a container becomes a part of addresses. */
static bool is_container(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-$");
    return name[len] == '\0' && len >= 3 && len <= 63;
}

static void meet(struct source_blob *s, const struct blob_root *family, const char *container)
{
    struct error why = {0};
    uint64_t     left_out;
    if (!is_container(container) || is_met(s, family, container) || blob_open_found(s, family, container, &why)) return;
    s->whole = false;
    atomic_fetch_add(&s->base.counters.errors, 1);
    if (log_passes(&s->crowded_limit, BLOB_TELL_MS, &left_out))
        log_line(LOG_WARNING, s->base.name, "'%.64s' cannot be read: %s", container, why.text);
}

enum blob_work blob_meet_containers(struct source_blob *s, struct cargo *c)
{
    struct blob_root *family = &s->families[s->family];
    struct error      why = {0};
    char              shown[300];
    enum blob_outcome outcome = blob_list(blob_place_client(family->place), "", slice_from(family->address.container), &s->page,
                                          &why);
    if (atomic_load(&s->base.stopping)) return BLOB_WORK_SEND;
    if (outcome != BLOB_DONE) {
        snprintf(shown, sizeof shown, "%.200s/%.64s*", family->address.endpoint, family->address.container);
        if (!blob_pause_after(s, family, "list", shown, &why)) return BLOB_WORK_SEND;
        s->whole = false;
    } else {
        blob_succeeded(s);
        for (size_t i = 0; i < s->page.count; i++) meet(s, family, blob_page_name(&s->page, &s->page.items[i]).data);
    }
    if (outcome == BLOB_DONE && s->page.next_marker.len > 0) return BLOB_WORK_DONE;
    s->page.count = 0;
    text_buffer_clear(&s->page.next_marker);
    if (outcome == BLOB_DONE) family->skipping = false;   /* containers that come later are new */
    if (++s->family == s->family_count && s->root_count == 0) end_pass(s, c);
    return outcome == BLOB_DONE ? BLOB_WORK_DONE : BLOB_WORK_SEND;
}

/* --- Blobs ------------------------------------------------------------------------------------------------------------ */

/* `whole`: everything of this one was listed. */
static void next_root(struct source_blob *s, struct cargo *c, bool whole)
{
    s->roots[s->root].whole = whole;
    s->whole = s->whole && whole;
    blob_page_clear(&s->page);
    s->wanted_count = s->wanted_at = 0;
    s->listing = false;
    if (++s->root == s->root_count) end_pass(s, c);
}

/* The first page says when it is, by the service's clock. */
static void begin_root(struct source_blob *s, struct cargo *c, struct blob_root *root)
{
    s->listing = true;
    root->begun = (uint32_t)s->page.date;
    if (!root->skipping || root->horizon != 0) return;
    root->horizon = root->begun;
    blob_horizon_write(root->key, root->horizon, blob_add_position(c));
}

/* A container that is not there yet, or not any more, holds nobody up; of one that was found by its name it is no news. */
static enum blob_work cannot_list(struct source_blob *s, struct cargo *c, struct blob_root *root, enum blob_outcome outcome,
                                  const struct error *why)
{
    char shown[300];
    bool missing = outcome == BLOB_MISSING;
    snprintf(shown, sizeof shown, "%.200s/%.64s", root->address.endpoint, root->address.container);
    bool enough = missing && root->found ? true : blob_pause_after(s, root, "list", shown, why);
    if (missing) blob_succeeded(s);
    if (missing || enough) next_root(s, c, missing);
    return BLOB_WORK_SEND;
}

enum blob_work blob_list_on(struct source_blob *s, struct cargo *c)
{
    struct blob_root *root = &s->roots[s->root];
    struct error      why = {0};
    if (s->listing && s->page.next_marker.len == 0) {
        next_root(s, c, true);
        return BLOB_WORK_DONE;
    }
    enum blob_outcome outcome = blob_list(blob_place_client(root->place), root->address.container,
                                          slice_from(root->address.prefix), &s->page, &why);
    if (atomic_load(&s->base.stopping)) return BLOB_WORK_SEND;
    if (outcome != BLOB_DONE) return cannot_list(s, c, root, outcome, &why);
    blob_succeeded(s);
    if (!s->listing) begin_root(s, c, root);
    look_through(s);
    return BLOB_WORK_DONE;
}
