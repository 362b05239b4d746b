#include "sinks/block.h"

#include "sinks/facts.h"
#include "sinks/refit.h"
#include "sinks/sink.h"

#include <stdlib.h>

/* --- Life ------------------------------------------------------------------------------------------------------------- */

struct block *block_new(void) { return calloc(1, sizeof(struct block)); }

void block_free(struct block *b)
{
    if (b == NULL) return;
    for (size_t e = 0; e < BLOCK_ENCODINGS; e++) {
        encoded_release(&b->encodings[e].bytes);
        free(b->encodings[e].starts);
    }
    encoded_release(&b->labels);
    free(b->records);
    free(b);
}

void block_clear(struct block *b)
{
    b->seq = b->born_ms = 0;
    b->receipt = NULL;
    b->count = b->labels.len = 0;
    b->refitted = 0;
    for (size_t e = 0; e < BLOCK_ENCODINGS; e++) b->encodings[e].bytes.len = 0;
}

size_t block_size(const struct block *b)
{
    size_t bytes = b->labels.len + b->count * sizeof *b->records;
    for (size_t e = 0; e < BLOCK_ENCODINGS; e++) bytes += b->encodings[e].bytes.len;
    return bytes;
}

void event_id_text(const struct block_record *r, char out[EVENT_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < EVENT_ID_BYTES; i++) {
        out[2 * i] = digits[r->event_id[i] >> 4];
        out[2 * i + 1] = digits[r->event_id[i] & 15];
    }
    out[EVENT_ID_TEXT - 1] = '\0';
}

void block_scheme_init(struct block_scheme *scheme, struct sink *const *sinks, size_t count)
{
    *scheme = (struct block_scheme){.sinks = sinks, .sink_count = count};
    for (size_t i = 0; i < count; i++) {
        unsigned e = sinks[i]->encoding;
        CHECK(e < BLOCK_ENCODINGS);
        scheme->formats[e] = (enum format)sinks[i]->format;
        scheme->gated[e] = scheme->gated[e] || sinks[i]->type->network;
        if (scheme->format_count <= e) scheme->format_count = e + 1;
    }
}

/* Room for so many records. What was there may be lost. */
static bool reserve_records(struct block *b, const struct block_scheme *scheme, size_t count)
{
    if (count > b->capacity) {
        struct block_record *records = realloc(b->records, (count + count / 4) * sizeof *records);
        if (records == NULL) return false;
        b->records = records;
        b->capacity = count + count / 4;
    }
    for (size_t e = 0; e < scheme->format_count; e++) {
        struct block_encoding *encoding = &b->encodings[e];
        if (count + 1 <= encoding->capacity) continue;
        size_t    capacity = count + count / 4 + 1;
        uint32_t *starts = realloc(encoding->starts, capacity * sizeof *starts);
        if (starts == NULL) return false;
        encoding->starts = starts;
        encoding->capacity = capacity;
    }
    return true;
}

/* --- Filters ---------------------------------------------------------------------------------------------------------- */

/* An item that ends in `*` stands for any text that begins so. */
static bool item_fits(struct slice item, struct slice text)
{
    if (item.len == 0 || item.data[item.len - 1] != '*') return slice_equal_nocase(item, text);
    return text.len >= item.len - 1 && slice_equal_nocase(slice_sub(item, 0, item.len - 1), slice_sub(text, 0, item.len - 1));
}

static bool list_passes(const struct text_list *list, struct slice text)
{
    for (size_t i = 0; i < list->count; i++)
        if (item_fits(slice_from(list->items[i]), text)) return true;
    return list->count == 0;
}

static bool filter_passes(const struct sink_filter *f, const struct record_facts *facts)
{
    return list_passes(&f->kinds, slice_from(kind_text(facts->kind))) && list_passes(&f->categories, facts->category) &&
           list_passes(&f->levels, facts->level) && list_passes(&f->results, facts->result);
}

/* --- Filling ---------------------------------------------------------------------------------------------------------- */

struct block_filler {
    const struct block_scheme *scheme;
    const struct keyring      *keys;
    struct gate               *gate;
    struct encoder            *encoders[BLOCK_ENCODINGS];
    uint32_t                   all_sinks;
    bool                       filtered;   /* some sink has a filter */
};

struct block_filler *block_filler_new(const struct block_scheme *scheme, const struct keyring *keys, struct gate *gate)
{
    struct block_filler *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    *f = (struct block_filler){.scheme = scheme, .keys = keys, .gate = gate};
    for (size_t i = 0; i < scheme->sink_count; i++) {
        const struct sink_filter *filter = &scheme->sinks[i]->filter;
        f->all_sinks |= (uint32_t)1 << i;
        f->filtered = f->filtered ||
                      filter->kinds.count + filter->categories.count + filter->levels.count + filter->results.count > 0;
    }
    for (size_t e = 0; e < scheme->format_count; e++) {
        if ((f->encoders[e] = encoder_new(scheme->formats[e], false)) != NULL) continue;
        block_filler_free(f);
        return NULL;
    }
    return f;
}

void block_filler_free(struct block_filler *f)
{
    if (f == NULL) return;
    for (size_t e = 0; e < BLOCK_ENCODINGS; e++) encoder_free(f->encoders[e]);
    free(f);
}

/* One way in and out of the id, whatever the byte order of the machine. */
static void put_number(uint8_t *out, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}

/* `ordinal` tells apart the records of a repaired document, which all have its offset. */
static void make_event_id(const struct block_filler *f, const struct origin *origin, uint64_t offset, uint32_t ordinal,
                          uint8_t id[EVENT_ID_BYTES])
{
    uint8_t message[36], tag[KEYRING_TAG_BYTES];
    memcpy(message, origin->stream, 16);
    put_number(message + 16, origin->number, 8);
    put_number(message + 24, offset, 8);
    put_number(message + 32, ordinal, 4);
    keyring_tag(f->keys, "event", slice_of((char *)message, sizeof message), tag);
    memcpy(id, tag, EVENT_ID_BYTES);
}

static bool put_label(struct block *b, struct slice text, struct label *label)
{
    *label = (struct label){(uint32_t)b->labels.len, (uint32_t)text.len};
    return encoded_append(&b->labels, text);
}

/* Records that follow one another mostly share theirs. */
static bool put_policy(struct block *b, const struct clean_record *r, struct block_record *to)
{
    bool same = to > b->records && r[-1].policy == r->policy;
    if (same) to->policy = to[-1].policy;
    return same || put_label(b, slice_from(r->policy), &to->policy);
}

static uint32_t wanted_by(const struct block_filler *f, const struct record_facts *facts)
{
    uint32_t sinks = 0;
    if (!f->filtered) return f->all_sinks;
    for (size_t i = 0; i < f->scheme->sink_count; i++) sinks |= (uint32_t)filter_passes(&f->scheme->sinks[i]->filter, facts) << i;
    return sinks;
}

static bool put_facts(const struct block_filler *f, struct block *b, const struct clean_record *r, struct key_cache *keys,
                      struct block_record *to)
{
    char                buffer[FACTS_ROOM];
    struct record_facts facts;
    record_facts(r, keys, buffer, &facts);
    *to = (struct block_record){.kind = (uint8_t)facts.kind, .time_ms = facts.time_ms,
                                .redactions = (uint32_t)r->span_count, .sinks = wanted_by(f, &facts)};
    return put_policy(b, r, to) && put_label(b, facts.category, &to->category) && put_label(b, facts.level, &to->level) &&
           put_label(b, facts.result, &to->result) && put_label(b, facts.resource, &to->resource) &&
           put_label(b, facts.correlation, &to->correlation);
}

static bool put_bytes(const struct block_filler *f, struct block *b, const struct clean_record *r, struct key_cache *keys,
                      size_t number)
{
    for (size_t e = 0; e < f->scheme->format_count; e++) {
        struct block_encoding *encoding = &b->encodings[e];
        encoding->starts[number] = (uint32_t)encoding->bytes.len;
        if (!encode_record(f->encoders[e], r, keys, &encoding->bytes) || !encoded_append(&encoding->bytes, SLICE("\n")))
            return false;
        if (encoding->bytes.len > UINT32_MAX) return false;
        encoding->starts[number + 1] = (uint32_t)encoding->bytes.len;
    }
    return true;
}

static bool fill(struct block_filler *f, struct block *b, const struct clean_batch *clean, const struct origin *origins)
{
    uint32_t ordinal = 0;
    if (!reserve_records(b, f->scheme, clean->count)) return false;
    for (size_t i = 0; i < clean->count; i++) {
        const struct clean_record *r = &clean->records[i];
        bool                       same = i > 0 && r[-1].origin == r->origin && r[-1].offset == r->offset;
        ordinal = same ? ordinal + 1 : 0;
        if (!put_bytes(f, b, r, clean->keys, i) || !put_facts(f, b, r, clean->keys, &b->records[i])) return false;
        make_event_id(f, &origins[r->origin], r->offset, ordinal, b->records[i].event_id);
    }
    b->count = clean->count;
    return true;
}

struct gating {
    struct block *block;
    void        (*gated)(void *context, size_t record);
    void         *context;
};

static void hold_back(void *context, size_t line, uint32_t rule)
{
    struct gating *g = context;
    (void)rule;
    if (g->block->records[line].sinks == 0) return;
    g->block->records[line].sinks = 0;
    g->gated(g->context, line);
}

static struct slice policy_of(void *context, size_t line)
{
    const struct block *b = ((const struct gating *)context)->block;
    return block_label(b, b->records[line].policy);
}

bool block_fill(struct block_filler *f, struct block *b, const struct clean_batch *clean, const struct origin *origins,
                void (*gated)(void *context, size_t record), void *context)
{
    struct gating gating = {b, gated, context};
    bool          filled = fill(f, b, clean, origins);
    for (size_t e = 0; filled && f->gate != NULL && e < f->scheme->format_count; e++)
        if (f->scheme->gated[e])
            filled = gate_find(f->gate, slice_of(b->encodings[e].bytes.data, b->encodings[e].bytes.len), policy_of, hold_back,
                               &gating);
    if (!filled) block_clear(b);
    return filled;
}

/* --- As bytes --------------------------------------------------------------------------------------------------------- *
 *
 *   header   magic, counts
 *   names    of the formats, then of the sinks, each one byte of length and the name
 *   records  as in memory
 *   labels   length in the header
 *   for each format: starts, then bytes
 *
 * Numbers are in the machine's own order: the store does not move between machines. What the bytes say is checked before
 * it is used; that they are the ones that were written is the store's business. */

#define MAGIC 0x4b4c4232u   /* "2BLK" */

struct header {
    uint32_t magic, formats, sinks, record_bytes;
    uint64_t count, labels;
};

static bool put_name(struct encoded *out, const char *name)
{
    uint8_t len = (uint8_t)strlen(name);
    return encoded_append(out, slice_of((char *)&len, 1)) && encoded_append(out, slice_of(name, len));
}

/* Those that these sinks want, bit by bit. */
static uint32_t encodings_of(const struct block_scheme *scheme, uint32_t sinks)
{
    uint32_t encodings = 0;
    for (size_t i = 0; i < scheme->sink_count; i++)
        if ((sinks >> i & 1) != 0) encodings |= (uint32_t)1 << scheme->sinks[i]->encoding;
    return encodings;
}

bool block_serialize(const struct block *b, const struct block_scheme *scheme, uint32_t sinks, struct encoded *out)
{
    const uint32_t      used = encodings_of(scheme, sinks);
    const struct header h = {MAGIC, (uint32_t)__builtin_popcount(used), (uint32_t)scheme->sink_count, sizeof *b->records,
                             b->count, b->labels.len};
    bool                written = encoded_append(out, slice_of((const char *)&h, sizeof h));
    for (size_t e = 0; written && e < scheme->format_count; e++)
        if ((used >> e & 1) != 0) written = put_name(out, format_text(scheme->formats[e]));
    for (size_t i = 0; written && i < scheme->sink_count; i++) written = put_name(out, scheme->sinks[i]->name);
    for (size_t i = 0; written && i < b->count; i++) {
        struct block_record r = b->records[i];
        r.sinks &= sinks;
        written = encoded_append(out, slice_of((const char *)&r, sizeof r));
    }
    written = written && encoded_append(out, slice_of(b->labels.data, b->labels.len));
    for (size_t e = 0; written && e < scheme->format_count; e++) {
        if ((used >> e & 1) == 0) continue;
        uint32_t none = 0;
        written = encoded_append(out, slice_of((const char *)(b->count > 0 ? b->encodings[e].starts : &none),
                                               (b->count + 1) * sizeof none)) &&
                  encoded_append(out, slice_of(b->encodings[e].bytes.data, b->encodings[e].bytes.len));
    }
    return written;
}

/* Bytes being read: what has been taken is behind `at`. */
struct reading {
    const char *at, *end;
    bool        no_memory;   /* it was given up for want of memory: the bytes may be sound */
};

static const void *take(struct reading *r, uint64_t bytes)
{
    const char *from = r->at;
    if (bytes > (uint64_t)(r->end - r->at)) return NULL;
    r->at += bytes;
    return from;
}

static bool take_name(struct reading *r, struct slice *name)
{
    const uint8_t *len = take(r, 1);
    const char    *text = len != NULL ? take(r, *len) : NULL;
    if (text == NULL) return false;
    *name = slice_of(text, *len);
    return true;
}

/* What the sinks of the run that wrote it are called now: bit by bit. */
struct names {
    struct slice formats[BLOCK_ENCODINGS], sinks[BLOCK_SINKS];
    size_t       format_count, sink_count;
};

static uint32_t translate(const struct names *names, const struct block_scheme *scheme, uint32_t sinks)
{
    uint32_t now = 0;
    for (size_t old = 0; old < names->sink_count; old++)
        for (size_t i = 0; (sinks >> old & 1) != 0 && i < scheme->sink_count; i++)
            if (slice_equal(names->sinks[old], slice_from(scheme->sinks[i]->name))) now |= (uint32_t)1 << i;
    return now;
}

static bool label_fits(const struct block *b, struct label label)
{
    return label.start <= b->labels.len && label.len <= b->labels.len - label.start;
}

static bool restore_records(struct block *b, const struct block_scheme *scheme, uint32_t sinks, const struct names *names,
                            const struct header *h, struct reading *r)
{
    const char *records = take(r, h->count * sizeof *b->records), *labels = take(r, h->labels);
    if (records == NULL || labels == NULL) return false;
    r->no_memory = !reserve_records(b, scheme, h->count) || !encoded_append(&b->labels, slice_of(labels, h->labels));
    if (r->no_memory) return false;
    for (size_t i = 0; i < h->count; i++) {
        struct block_record *to = &b->records[i];
        memcpy(to, records + i * sizeof *to, sizeof *to);
        to->sinks = translate(names, scheme, to->sinks) & sinks;
        bool fits = label_fits(b, to->category) && label_fits(b, to->level) && label_fits(b, to->result) &&
                    label_fits(b, to->resource) && label_fits(b, to->correlation) && label_fits(b, to->policy) &&
                    to->kind < KIND_COUNT;
        if (!fits) return false;
    }
    b->count = h->count;
    return true;
}

/* One of the stored encodings, checked. */
struct kept {
    struct slice format;
    const char  *starts, *bytes;
    uint32_t     len;
};

static uint32_t start_of(const struct kept *k, size_t record)
{
    uint32_t start;
    memcpy(&start, k->starts + record * sizeof start, sizeof start);
    return start;
}

static bool take_kept(const struct block *b, struct slice format, struct reading *r, struct kept *k)
{
    *k = (struct kept){.format = format, .starts = take(r, (b->count + 1) * sizeof(uint32_t))};
    if (k->starts == NULL || start_of(k, 0) != 0) return false;
    for (size_t i = 0; i < b->count; i++)
        if (start_of(k, i + 1) <= start_of(k, i)) return false;
    k->len = start_of(k, b->count);
    return (k->bytes = take(r, k->len)) != NULL;
}

static bool restore_same(const struct block *b, struct block_encoding *encoding, const struct kept *k)
{
    memcpy(encoding->starts, k->starts, (b->count + 1) * sizeof *encoding->starts);
    return encoded_append(&encoding->bytes, slice_of(k->bytes, k->len));
}

static bool is_json(struct slice name)
{
    for (int f = 0; f < FORMAT_COUNT; f++)
        if (slice_equal(name, slice_from(format_text((enum format)f)))) return format_is_json((enum format)f);
    return false;
}

static bool restore_refitted(const struct block *b, struct block_encoding *encoding, const struct kept *k, enum format to)
{
    struct refit refit = {.to = to, .json = is_json(k->format)};
    for (size_t i = 0; i < b->count; i++) {
        refit.time_ms = b->records[i].time_ms;
        encoding->starts[i] = (uint32_t)encoding->bytes.len;
        struct slice kept = slice_of(k->bytes + start_of(k, i), start_of(k, i + 1) - start_of(k, i) - 1);
        if (!refit_append(&refit, kept, &encoding->bytes) || !encoded_append(&encoding->bytes, SLICE("\n"))) return false;
        if (encoding->bytes.len > UINT32_MAX) return false;
    }
    encoding->starts[b->count] = (uint32_t)encoding->bytes.len;
    return true;
}

static bool restore_encodings(struct block *b, const struct block_scheme *scheme, uint32_t sinks, const struct names *names,
                              struct reading *r)
{
    const uint32_t wanted = encodings_of(scheme, sinks);
    struct kept    kept[BLOCK_ENCODINGS];
    for (size_t n = 0; n < names->format_count; n++)
        if (!take_kept(b, names->formats[n], r, &kept[n])) return false;
    for (size_t e = 0; e < scheme->format_count; e++) {
        size_t n = 0;
        if ((wanted >> e & 1) == 0) continue;
        while (n < names->format_count && !slice_equal(kept[n].format, slice_from(format_text(scheme->formats[e])))) n++;
        if (n == names->format_count) b->refitted |= 1u << e;
        bool restored = n < names->format_count ? restore_same(b, &b->encodings[e], &kept[n])
                                                : restore_refitted(b, &b->encodings[e], &kept[0], scheme->formats[e]);
        if (!restored) {
            r->no_memory = true;
            return false;
        }
    }
    return true;
}

enum block_restored block_restore(struct block *b, const struct block_scheme *scheme, uint32_t sinks, struct slice bytes)
{
    struct reading r = {.at = bytes.data, .end = bytes.data + bytes.len};
    struct header  h;
    struct names   names = {.format_count = 0};
    const void    *head = take(&r, sizeof h);
    if (head == NULL) return RESTORE_DAMAGED;
    memcpy(&h, head, sizeof h);
    if (h.magic != MAGIC || h.formats == 0 || h.formats > BLOCK_ENCODINGS || h.sinks > BLOCK_SINKS ||
        h.record_bytes != sizeof *b->records)
        return RESTORE_DAMAGED;
    if (h.count > bytes.len || h.labels > bytes.len) return RESTORE_DAMAGED;
    for (; names.format_count < h.formats; names.format_count++)
        if (!take_name(&r, &names.formats[names.format_count])) return RESTORE_DAMAGED;
    for (; names.sink_count < h.sinks; names.sink_count++)
        if (!take_name(&r, &names.sinks[names.sink_count])) return RESTORE_DAMAGED;
    bool restored = restore_records(b, scheme, sinks, &names, &h, &r) && restore_encodings(b, scheme, sinks, &names, &r);
    if (!restored || r.at != r.end) {
        block_clear(b);
        return r.no_memory ? RESTORE_NO_MEMORY : RESTORE_DAMAGED;
    }
    return RESTORE_DONE;
}
