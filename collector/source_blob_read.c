/* Reading one blob of the source `blob`; the laws are in source_blob.c.
 *
 * Documents that were handed out and stand behind the place at which framing can go on (elements of a container that is not at
 * its end, a last line without a line break) are found again when the blob has grown, and not handed out twice. */
#include "source_blob_priv.h"

#include <stdlib.h>

#define MOST_CHANGES 20   /* versions followed in one session: a writer that is quicker than reading */

static struct blob_mark *mark_of(struct source_blob *s) { return &s->marks.items[s->session.entry].mark; }

/* --- Ranges ----------------------------------------------------------------------------------------------------------- */

static bool fail(struct blob_session *b, enum blob_outcome outcome, const struct error *why)
{
    b->failed = outcome;
    b->failure = *why;
    return false;
}

/* The version that was listed is gone. An append blob that only grew holds the same bytes up to where it was read. */
static bool follow(struct source_blob *s, struct blob_client *client)
{
    struct blob_session *b = &s->session;
    struct blob_item     now;
    struct error         why = {0};
    enum blob_outcome    outcome = blob_properties(client, b->root->address.container, b->name, &now, &why);
    if (outcome != BLOB_DONE) return fail(b, outcome, &why);
    bool grew = now.type == BLOB_APPEND && b->item.type == BLOB_APPEND && now.created == b->item.created &&
                now.size >= b->item.size;
    if (!grew || ++b->changes > MOST_CHANGES) return fail(b, BLOB_CHANGED, &why);
    now.name_at = b->item.name_at;
    now.name_len = b->item.name_len;
    b->item = now;
    b->ends = false;
    return true;
}

/* A range of the version into the buffer. False: session.failed says why. */
static bool load(struct source_blob *s, uint64_t from)
{
    struct blob_session *b = &s->session;
    struct blob_client  *client = blob_place_client(b->root->place);
    for (;;) {
        uint64_t          left = b->item.size - from;
        const char       *etag = b->item.etag[0] != '\0' ? b->item.etag : NULL;
        struct error      why = {0};
        b->buffer_from = from;
        enum blob_outcome outcome = blob_read(client, b->root->address.container, b->name, etag, from, s->buffer,
                                              left < BLOB_RANGE ? (size_t)left : BLOB_RANGE, &b->buffer_len, &why);
        if (outcome == BLOB_DONE) return true;
        if (outcome != BLOB_CHANGED) return fail(b, outcome == BLOB_NOTHING_NEW ? BLOB_CHANGED : outcome, &why);
        if (!follow(s, client)) return false;
    }
}

static bool holds(const struct blob_session *b, uint64_t from, uint64_t to)
{
    return from >= b->buffer_from && to <= b->buffer_from + b->buffer_len;
}

/* Bytes of the blob as it is stored. 0: its end; BYTES_LATER: reading failed. */
static ptrdiff_t read_stored(struct source_blob *s, uint64_t from, char *buffer, size_t capacity)
{
    struct blob_session *b = &s->session;
    if (b->failed != BLOB_DONE) return BYTES_LATER;
    if (from >= b->item.size) return 0;
    if (!holds(b, from, from + 1) && !load(s, from)) return BYTES_LATER;
    size_t at = (size_t)(from - b->buffer_from), len = b->buffer_len - at < capacity ? b->buffer_len - at : capacity;
    memcpy(buffer, s->buffer + at, len);
    return (ptrdiff_t)len;
}

/* --- The content, as the framer reads it ------------------------------------------------------------------------------ */

static ptrdiff_t read_plain(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct source_blob *s = context;
    (void)err;
    ptrdiff_t got = read_stored(s, s->session.read_to, buffer, capacity);
    if (got > 0) s->session.read_to += (uint64_t)got;
    return got == 0 && !s->session.finishing ? BYTES_LATER : got;
}

static ptrdiff_t read_packed(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct source_blob *s = context;
    (void)err;
    ptrdiff_t got = read_stored(s, s->session.packed_to, buffer, capacity);
    if (got > 0) s->session.packed_to += (uint64_t)got;
    return got == BYTES_LATER ? 0 : got;
}

/* What is wrong at the end of the blob may be that more is to come, or that reading failed: first all before it is handed out. */
static ptrdiff_t read_unpacked(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct source_blob  *s = context;
    struct blob_session *b = &s->session;
    ptrdiff_t            got = gunzip_read(b->gunzip, buffer, capacity, err);
    if (got > 0) b->read_to += (uint64_t)got;
    if (got > 0 || b->finishing) return got;
    bool early = got == 0 || b->failed != BLOB_DONE || b->packed_to >= b->item.size;
    if (!early) return got;
    if (got < 0) b->cut = true;
    *err = (struct error){0};
    return BYTES_LATER;
}

/* Unpacks up to the place. False: reading or unpacking failed. */
static bool unpack_to_place(struct source_blob *s, struct error *err)
{
    struct blob_session *b = &s->session;
    uint64_t             place = mark_of(s)->place.offset;
    char                 bytes[4096];
    gunzip_free(b->gunzip);
    b->packed_to = b->read_to = 0;
    b->cut = false;
    b->gunzip = gunzip_new((struct byte_source){read_packed, s}, b->name.data);
    CHECK(b->gunzip != NULL);
    while (b->read_to < place) {
        uint64_t  left = place - b->read_to;
        ptrdiff_t got = gunzip_read(b->gunzip, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes, err);
        if (got <= 0) return false;
        b->read_to += (uint64_t)got;
    }
    return true;
}

/* --- Whether it is the blob that was read before ---------------------------------------------------------------------- */

/* Events of contents that were created at different times have different ids anyhow: counting begins anew. */
static void begin_epoch(struct source_blob *s, bool reborn)
{
    struct blob_session *b = &s->session;
    struct blob_mark    *m = mark_of(s);
    char                 shown[200], more[BLOB_MORE_BYTES];
    uint64_t             left_out;
    blob_show(b->root, b->name, shown, sizeof shown);
    if (log_passes(&s->replaced_limit, BLOB_TELL_MS, &left_out))
        log_line(LOG_WARNING, s->base.name, "'%s' was replaced; reading it from its beginning%s", shown,
                 blob_more(left_out, more));
    atomic_fetch_add(&s->base.counters.errors, 1);
    if (!m->packed && m->size > m->place.offset && m->unfinished)
        atomic_fetch_add(&s->base.counters.lost_bytes, m->size - m->place.offset);
    *m = (struct blob_mark){.version = BLOB_MARK_VERSION, .epoch = reborn ? 0 : m->epoch + 1, .place = {.line = 1}};
}

static void fingerprint(const struct source_blob *s, struct slice bytes, uint8_t out[8])
{
    uint8_t whole[16];
    source_fingerprint(&s->base, "blob-sample", bytes, whole);
    memcpy(out, whole, 8);
}

/* Whether the content still has the end of the last document that was read; *differs is then false. False: reading failed. */
static bool compare_sample(struct source_blob *s, bool *differs)
{
    struct blob_session *b = &s->session;
    struct blob_mark    *m = mark_of(s);
    uint64_t             from = m->sample_from, to = from + m->sample_len,
                         begin = from < m->place.offset ? from : m->place.offset;
    uint8_t              now[8];
    *differs = to > b->item.size;
    if (*differs) return true;
    if (!holds(b, from, to) && !load(s, to - begin <= BLOB_RANGE ? begin : from)) return false;
    *differs = !holds(b, from, to);
    if (*differs) return true;
    fingerprint(s, slice_of(s->buffer + (from - b->buffer_from), m->sample_len), now);
    *differs = memcmp(now, m->sample, sizeof now) != 0;
    return true;
}

/* Doubt means reading again. A packed blob is known by growing only. False: reading failed. */
static bool verify(struct source_blob *s)
{
    struct blob_session *b = &s->session;
    struct blob_mark    *m = mark_of(s);
    bool                 same_version = m->etag == blob_etag_hash(b->item.etag), differs = false;
    bool                 reborn = m->created != 0 && b->item.created != 0 && m->created != (uint32_t)b->item.created;
    if (m->size == 0) return true;
    bool replaced = reborn || b->item.size < m->size || (m->packed && !same_version && b->item.type != BLOB_APPEND);
    if (!replaced && !m->packed && m->sample_len > 0 && !compare_sample(s, &differs)) return false;
    if (replaced || differs) begin_epoch(s, reborn);
    return true;
}

static bool is_gzip(const struct source_blob *s)
{
    return s->session.buffer_len >= 2 && (uint8_t)s->buffer[0] == 0x1f && (uint8_t)s->buffer[1] == 0x8b;
}

/* The first request of a session. */
static bool begin_reading(struct source_blob *s, struct error *err)
{
    struct blob_session *b = &s->session;
    if (!verify(s)) return false;
    struct blob_mark *m = mark_of(s);
    m->created = (uint32_t)b->item.created;
    if (m->place.offset == 0 && !m->packed) {
        if (!holds(b, 0, 1) && !load(s, 0)) return false;
        m->packed = is_gzip(s);
    }
    b->read_to = m->place.offset;
    if (m->packed && !unpack_to_place(s, err)) return false;
    framer_resume(s->framer, (struct byte_source){m->packed ? read_unpacked : read_plain, s}, m->place);
    b->verified = true;
    return true;
}

/* --- Documents -------------------------------------------------------------------------------------------------------- */

/* The stream's name. What an append blob holds at a place is settled by its time of creation; only where that is not told its
 * first document stands for it. Of other blobs the version is part of the name: one event must never be two texts. */
static void name_stream(struct source_blob *s, struct slice first)
{
    const struct blob_session *b = &s->session;
    struct blob_mark          *m = mark_of(s);
    struct {
        uint8_t  key[BLOB_HASH_BYTES];
        uint64_t version;
        uint32_t epoch, created;
        char     first[BLOB_SAMPLE_BYTES];
    } name = {.version = b->item.type != BLOB_APPEND ? blob_etag_hash(b->item.etag) : 0, .epoch = m->epoch,
              .created = m->created};
    if (m->named) return;
    memcpy(name.key, s->marks.items[b->entry].key, sizeof name.key);
    if (m->created == 0 && first.len > 0)
        memcpy(name.first, first.data, first.len < sizeof name.first ? first.len : sizeof name.first);
    source_stream_id(&s->base, slice_of((const char *)&name, sizeof name), m->stream);
    m->named = 1;
}

static uint32_t add_origin(struct source_blob *s, struct cargo *c, uint64_t number)
{
    struct origin origin = {.number = number};
    memcpy(origin.stream, mark_of(s)->stream, sizeof origin.stream);
    return cargo_add_origin(c, &origin);
}

/* The end of a document by which it will be known as handed out: a part does not stand for the whole. */
static uint64_t end_of(const struct document *d) { return d->offset + (d->refusal == REFUSAL_TRUNCATED ? 0 : d->len); }

/* What is cut by the end of the blob may turn out to be a part of a longer document: so it gets a number of its own, and names no
 * stream, and both are different events whatever of it is read again. */
static uint32_t origin_of_part(struct source_blob *s, struct cargo *c, struct slice bytes)
{
    struct blob_mark *m = mark_of(s);
    uint8_t           named = m->named;
    name_stream(s, bytes);
    m->named = named;
    return add_origin(s, c, s->session.read_to);
}

static void note_document(struct source_blob *s, const struct document *d, struct slice bytes)
{
    struct blob_mark *m = mark_of(s);
    uint64_t          end = end_of(d);
    if (end > m->handed_to) m->handed_to = end;
    if (end == d->offset) return;
    m->sample_len = d->len < BLOB_SAMPLE_BYTES ? d->len : BLOB_SAMPLE_BYTES;
    m->sample_from = end - m->sample_len;
    fingerprint(s, slice_of(bytes.data + bytes.len - m->sample_len, m->sample_len), m->sample);
}

/* Gives the documents from `count` on their origin, and takes out those that were handed out before. */
static void take_documents(struct source_blob *s, struct cargo *c, size_t count)
{
    size_t   kept = count;
    uint64_t before = mark_of(s)->handed_to;
    uint32_t origin = UINT32_MAX;
    for (size_t i = count; i < c->batch.count; i++) {
        struct document *d = &c->batch.documents[i];
        struct slice     bytes = slice_of(c->batch.data + d->start, d->len);
        if (end_of(d) > d->offset ? end_of(d) <= before : d->offset < before) continue;
        bool part = s->session.finishing && d->offset + d->len == s->session.read_to;
        if (!part) name_stream(s, bytes);
        if (!part && origin == UINT32_MAX) origin = add_origin(s, c, 0);
        d->origin = part ? origin_of_part(s, c, bytes) : origin;
        note_document(s, d, bytes);
        c->batch.documents[kept++] = *d;
    }
    c->batch.count = kept;
}

/* All of the version was read. */
static enum blob_step end_blob(struct source_blob *s, bool unfinished)
{
    struct blob_session *b = &s->session;
    struct blob_mark    *m = mark_of(s);
    m->size = b->item.size;
    m->etag = blob_etag_hash(b->item.etag);
    m->modified = (uint32_t)b->item.modified;
    m->unfinished = unfinished;
    m->whole = 1;
    return BLOB_STEP_OVER;
}

static enum blob_step cannot_unpack(struct source_blob *s, const struct error *err)
{
    uint64_t left_out;
    atomic_fetch_add(&s->base.counters.errors, 1);
    if (log_passes(&s->unpack_limit, BLOB_TELL_MS, &left_out)) log_line(LOG_WARNING, s->base.name, "%s", err->text);
    return end_blob(s, false);
}

/* Where framing can go on, unless what follows was handed out already as unfinished as it is. */
static void note_progress(struct source_blob *s)
{
    struct blob_session *b = &s->session;
    struct blob_mark    *m = mark_of(s);
    if (!b->finishing) m->place = framer_place(s->framer);
    m->etag = blob_etag_hash(b->item.etag);
    m->whole = 0;
    m->size = m->packed ? b->packed_to : b->read_to;
}

enum blob_step blob_session_fill(struct source_blob *s, struct cargo *c)
{
    struct blob_session *b = &s->session;
    struct error         err = {0};
    size_t               count = c->batch.count;
    b->failed = BLOB_DONE;
    if (!b->verified && !begin_reading(s, &err)) return b->failed != BLOB_DONE ? BLOB_STEP_FAILED : cannot_unpack(s, &err);
    enum fill filled = framer_fill(s->framer, &c->batch, &err);
    take_documents(s, c, count);
    note_progress(s);
    if (b->failed != BLOB_DONE) {
        b->verified = b->verified && b->gunzip == NULL;   /* unpacking cannot go on: it begins anew */
        return BLOB_STEP_FAILED;
    }
    if (filled == FILL_FAILED) return cannot_unpack(s, &err);
    if (filled == FILL_END) return end_blob(s, false);
    if (filled == FILL_SOME) return BLOB_STEP_ON;
    bool unfinished = b->cut || mark_of(s)->place.offset < b->read_to;
    if (!unfinished || !b->ends) return end_blob(s, unfinished);
    b->finishing = true;
    return BLOB_STEP_ON;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

void blob_session_open(struct source_blob *s, struct blob_root *root, const struct blob_item *item, struct slice name,
                       size_t entry, bool ends)
{
    CHECK(!s->session.open);
    s->session = (struct blob_session){.open = true, .entry = entry, .name = name, .root = root, .item = *item, .ends = ends};
}

void blob_session_close(struct source_blob *s)
{
    gunzip_free(s->session.gunzip);
    s->session = (struct blob_session){0};
}
