/* <EnumerationResults><Blobs><Blob><Name/><Properties><Etag/>...</Properties></Blob>...</Blobs><NextMarker/></EnumerationResults>
 * Of an account: <Containers><Container>... in their places.
 *
 * (1) Bytes are taken one by one: text between marks, marks between '<' and '>'. How they are cut into pieces changes nothing.
 * (2) An element counts by its name, its depth and what it is in, so that metadata of any name is passed over.
 * (3) Only text of an element that counts is kept, within its limit; longer is an error. */
#include "net/blob_list.h"

#include "net/http_date.h"

#define MARK_BYTES 256    /* of a mark kept: name and attributes; what is longer is passed over */
#define MOST_DEPTH 16
#define ENTITY_BYTES 12

enum { DEPTH_ROOT = 1, DEPTH_PART = 2, DEPTH_BLOB = 3, DEPTH_MEMBER = 4, DEPTH_PROPERTY = 5 };

enum element {
    ELEMENT_OTHER, ELEMENT_BLOB, ELEMENT_NAME, ELEMENT_PROPERTIES, ELEMENT_MODIFIED, ELEMENT_CREATED, ELEMENT_ETAG,
    ELEMENT_LENGTH, ELEMENT_TYPE, ELEMENT_RESOURCE, ELEMENT_MARKER,
};

struct blob_list_reader {
    struct blob_page  *page;
    unsigned           position;      /* in the byte order mark */
    bool               in_mark, begun;
    char               mark[MARK_BYTES];
    size_t             mark_len, mark_whole;   /* kept, and really */
    char               last[2];       /* of the mark: ends of comments and CDATA */
    char               quote;         /* inside an attribute's value: which one */
    unsigned           depth;
    bool               in_blob, in_properties;
    enum element       element;       /* whose text is being kept */
    bool               encoded;       /* its text is percent-encoded */
    struct text_buffer text;
    char               entity[ENTITY_BYTES];
    size_t             entity_len;
    bool               in_entity;
    struct blob_item   item;
};

/* --- The page --------------------------------------------------------------------------------------------------------- */

enum blob_type blob_type_of(struct slice text)
{
    if (slice_equal(text, SLICE("AppendBlob"))) return BLOB_APPEND;
    return slice_equal(text, SLICE("PageBlob")) ? BLOB_PAGED : BLOB_BLOCK;
}

void blob_page_init(struct blob_page *p)
{
    *p = (struct blob_page){0};
    text_buffer_init(&p->names, (size_t)BLOB_PAGE_ITEMS * (BLOB_NAME_BYTES + 1));
    text_buffer_init(&p->next_marker, BLOB_MARKER_BYTES);
}

void blob_page_release(struct blob_page *p)
{
    free(p->items);
    text_buffer_release(&p->names);
    text_buffer_release(&p->next_marker);
    *p = (struct blob_page){0};
}

void blob_page_clear(struct blob_page *p)
{
    p->count = 0;
    p->date = 0;
    text_buffer_clear(&p->names);
    text_buffer_clear(&p->next_marker);
}

void blob_etag_take(char to[BLOB_ETAG_BYTES], struct slice s)
{
    bool quoted = s.len >= 2 && s.data[0] == '"' && s.data[s.len - 1] == '"';
    if (quoted) s = slice_sub(s, 1, s.len - 1);
    *to = '\0';
    if (s.len == 0 || s.len > BLOB_ETAG_BYTES - 3) return;
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] > '~' || s.data[i] == '"') return;
    snprintf(to, BLOB_ETAG_BYTES, "\"%.*s\"", (int)s.len, s.data);
}

static bool add_item(struct blob_list_reader *r)
{
    struct blob_page *p = r->page;
    if (r->item.name_len == 0 || p->count == BLOB_PAGE_ITEMS) return false;
    if (p->count == p->room) {
        size_t            room = p->room ? 2 * p->room : 64;
        struct blob_item *grown = realloc(p->items, room * sizeof *grown);
        if (grown == NULL) return false;
        p->items = grown;
        p->room = room;
    }
    p->items[p->count++] = r->item;
    return true;
}

/* --- Values ----------------------------------------------------------------------------------------------------------- */

/* Percent-decodes in place. False: a '%' without two digits, or a NUL. */
static bool decode_percent(struct text_buffer *t)
{
    size_t to = 0;
    for (size_t i = 0; i < t->len; i++) {
        char c = t->data[i];
        if (c == '%') {
            int high = i + 2 < t->len ? ascii_hex_digit(t->data[i + 1]) : -1;
            int low = high >= 0 ? ascii_hex_digit(t->data[i + 2]) : -1;
            if (low < 0) return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0') return false;
        t->data[to++] = c;
    }
    t->len = to;
    return true;
}

static bool take_name(struct blob_list_reader *r)
{
    struct text_buffer *names = &r->page->names;
    if (r->encoded && !decode_percent(&r->text)) return false;
    if (r->item.name_len > 0 || r->text.len == 0 || r->text.len > BLOB_NAME_BYTES) return false;
    r->item.name_at = names->len;
    r->item.name_len = r->text.len;
    text_buffer_add(names, slice_of(r->text.data, r->text.len));
    text_buffer_add_char(names, '\0');
    return text_buffer_ok(names);
}

static bool take_size(struct slice s, uint64_t *size)
{
    *size = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.data[i]) || *size > (INT64_MAX - 9) / 10) return false;
        *size = 10 * *size + (uint64_t)(s.data[i] - '0');
    }
    return s.len > 0;
}

/* Dates that cannot be read are not told; a size that cannot be read is no listing. */
static bool take_value(struct blob_list_reader *r, enum element element)
{
    struct slice s = slice_of(r->text.len > 0 ? r->text.data : "", r->text.len);
    switch (element) {
    case ELEMENT_NAME: return take_name(r);
    case ELEMENT_MODIFIED: (void)http_date_read(s, &r->item.modified); return true;
    case ELEMENT_CREATED: (void)http_date_read(s, &r->item.created); return true;
    case ELEMENT_ETAG: blob_etag_take(r->item.etag, s); return true;
    case ELEMENT_LENGTH: return take_size(s, &r->item.size);
    case ELEMENT_TYPE:
        r->item.type = blob_type_of(s);
        return true;
    case ELEMENT_RESOURCE: r->item.directory = slice_equal(s, SLICE("directory")); return true;
    case ELEMENT_MARKER: text_buffer_add(&r->page->next_marker, s); return !r->page->next_marker.failed;
    default: return true;
    }
}

/* --- Elements --------------------------------------------------------------------------------------------------------- */

static enum element element_of(const struct blob_list_reader *r, struct slice name)
{
    static const struct {
        struct slice name;
        enum element element;
        unsigned     depth;
    } known[] = {
        {SLICE("NextMarker"), ELEMENT_MARKER, DEPTH_PART},
        {SLICE("Blob"), ELEMENT_BLOB, DEPTH_BLOB},
        {SLICE("Container"), ELEMENT_BLOB, DEPTH_BLOB},
        {SLICE("Name"), ELEMENT_NAME, DEPTH_MEMBER},
        {SLICE("Properties"), ELEMENT_PROPERTIES, DEPTH_MEMBER},
        {SLICE("Last-Modified"), ELEMENT_MODIFIED, DEPTH_PROPERTY},
        {SLICE("Creation-Time"), ELEMENT_CREATED, DEPTH_PROPERTY},
        {SLICE("Etag"), ELEMENT_ETAG, DEPTH_PROPERTY},
        {SLICE("Content-Length"), ELEMENT_LENGTH, DEPTH_PROPERTY},
        {SLICE("BlobType"), ELEMENT_TYPE, DEPTH_PROPERTY},
        {SLICE("ResourceType"), ELEMENT_RESOURCE, DEPTH_PROPERTY},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].depth != r->depth || !slice_equal(known[i].name, name)) continue;
        if (known[i].depth == DEPTH_MEMBER && !r->in_blob) return ELEMENT_OTHER;
        if (known[i].depth == DEPTH_PROPERTY && !r->in_properties) return ELEMENT_OTHER;
        return known[i].element;
    }
    return ELEMENT_OTHER;
}

static bool begin_element(struct blob_list_reader *r, struct slice name)
{
    if (r->depth == 0 && (r->begun || !slice_equal(name, SLICE("EnumerationResults")))) return false;
    if (++r->depth > MOST_DEPTH) return false;
    r->begun = true;
    r->element = element_of(r, name);
    r->encoded = r->element == ELEMENT_NAME && memmem(r->mark, r->mark_len, "Encoded=\"true\"", 14) != NULL;
    text_buffer_clear(&r->text);
    if (r->element == ELEMENT_PROPERTIES) r->in_properties = true;
    if (r->element == ELEMENT_BLOB) {
        r->in_blob = true;
        r->item = (struct blob_item){0};
    }
    return true;
}

static bool end_element(struct blob_list_reader *r, struct slice name)
{
    if (r->depth == 0) return false;
    enum element element = element_of(r, name);
    bool         taken = element != r->element || take_value(r, element);
    if (element == ELEMENT_PROPERTIES) r->in_properties = false;
    if (element == ELEMENT_BLOB) {
        taken = taken && add_item(r);
        r->in_blob = false;
    }
    r->element = ELEMENT_OTHER;
    r->depth--;
    return taken;
}

static struct slice name_of(struct slice mark)
{
    size_t len = 0;
    while (len < mark.len && strchr(" \t\r\n/", mark.data[len]) == NULL) len++;
    return slice_sub(mark, 0, len);
}

/* --- Marks ------------------------------------------------------------------------------------------------------------ */

static bool mark_begins(const struct blob_list_reader *r, struct slice text)
{
    return r->mark_len >= text.len && memcmp(r->mark, text.data, text.len) == 0;
}

/* Whether the '>' that has come ends the mark. */
static bool mark_ends(const struct blob_list_reader *r)
{
    if (mark_begins(r, SLICE("!--"))) return r->mark_whole >= 5 && memcmp(r->last, "--", 2) == 0;
    if (mark_begins(r, SLICE("![CDATA["))) return memcmp(r->last, "]]", 2) == 0;
    if (mark_begins(r, SLICE("?"))) return r->last[1] == '?';
    return r->quote == '\0';
}

static bool take_mark(struct blob_list_reader *r)
{
    struct slice mark = slice_of(r->mark, r->mark_len);
    bool         closes_itself = r->mark_whole > 0 && r->last[1] == '/';
    r->in_mark = false;
    if (mark_begins(r, SLICE("?")) || mark_begins(r, SLICE("!--")) || mark_begins(r, SLICE("![CDATA["))) return true;
    if (mark.len == 0 || mark.data[0] == '!') return false;
    if (mark.data[0] == '/') return end_element(r, name_of(slice_sub(mark, 1, mark.len)));
    return begin_element(r, name_of(mark)) && (!closes_itself || end_element(r, name_of(mark)));
}

static void add_text(struct blob_list_reader *r, char c)
{
    if (r->element != ELEMENT_OTHER) text_buffer_add_char(&r->text, c);
}

/* CDATA is text: all but the two brackets that end it, which are known as such two bytes later. */
static void note_mark(struct blob_list_reader *r, char c)
{
    static const struct slice cdata = SLICE("![CDATA[");
    bool                      is_cdata = mark_begins(r, cdata);
    if (is_cdata && r->mark_whole >= cdata.len + 2) add_text(r, r->last[0]);
    if (r->mark_len < MARK_BYTES && !(is_cdata && r->mark_len >= cdata.len)) r->mark[r->mark_len++] = c;
    r->mark_whole++;
    r->last[0] = r->last[1];
    r->last[1] = c;
    bool plain = !mark_begins(r, SLICE("!")) && !mark_begins(r, SLICE("?"));
    if (plain && (c == '"' || c == '\'') && (r->quote == '\0' || r->quote == c)) r->quote = r->quote ? '\0' : c;
}

/* --- Entities --------------------------------------------------------------------------------------------------------- */

static bool add_code_point(struct blob_list_reader *r, unsigned long c)
{
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return false;
    if (c >= 0x10000) add_text(r, (char)(0xf0 | c >> 18));
    if (c >= 0x10000) add_text(r, (char)(0x80 | (c >> 12 & 0x3f)));
    else if (c >= 0x800) add_text(r, (char)(0xe0 | c >> 12));
    if (c >= 0x800) add_text(r, (char)(0x80 | (c >> 6 & 0x3f)));
    else if (c >= 0x80) add_text(r, (char)(0xc0 | c >> 6));
    add_text(r, (char)(c < 0x80 ? c : 0x80 | (c & 0x3f)));
    return true;
}

/* "#38" or "#x26" */
static bool add_reference(struct blob_list_reader *r)
{
    bool          hex = r->entity_len > 1 && r->entity[1] == 'x';
    unsigned long value = 0;
    size_t        at = hex ? 2 : 1;
    if (at == r->entity_len) return false;
    for (; at < r->entity_len; at++) {
        int digit = ascii_hex_digit(r->entity[at]);
        if (digit < 0 || (!hex && digit > 9)) return false;
        value = value * (hex ? 16 : 10) + (unsigned long)digit;
    }
    return add_code_point(r, value);
}

static bool take_entity(struct blob_list_reader *r)
{
    static const struct {
        struct slice name;
        char         c;
    } known[] = {{SLICE("amp"), '&'}, {SLICE("lt"), '<'}, {SLICE("gt"), '>'}, {SLICE("quot"), '"'}, {SLICE("apos"), '\''}};
    struct slice name = slice_of(r->entity, r->entity_len);
    r->in_entity = false;
    if (name.len > 0 && name.data[0] == '#') return add_reference(r);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!slice_equal(name, known[i].name)) continue;
        add_text(r, known[i].c);
        return true;
    }
    return false;
}

/* --- Bytes ------------------------------------------------------------------------------------------------------------ */

static bool take_text_byte(struct blob_list_reader *r, char c)
{
    if (r->in_entity && c == ';') return take_entity(r);
    if (r->in_entity) {
        if (r->entity_len == ENTITY_BYTES) return false;
        r->entity[r->entity_len++] = c;
        return true;
    }
    if (c == '&') {
        r->in_entity = true;
        r->entity_len = 0;
    } else if (c == '<') {
        r->in_mark = true;
        r->mark_len = r->mark_whole = 0;
        r->quote = '\0';
        memset(r->last, 0, sizeof r->last);
    } else
        add_text(r, c);
    return c != '\0' && (r->depth > 0 || strchr("<\r\n\t ", c) != NULL);
}

static bool take_byte(struct blob_list_reader *r, char c)
{
    static const char order_mark[] = "\xef\xbb\xbf";
    if (r->position < 3 && c == order_mark[r->position]) return ++r->position > 0;
    bool cut_mark = r->position == 1 || r->position == 2;
    r->position = 3;
    if (cut_mark) return false;
    if (!r->in_mark) return take_text_byte(r, c);
    if (c == '>' && mark_ends(r)) return take_mark(r);
    note_mark(r, c);
    return true;
}

bool blob_list_reader_add(struct blob_list_reader *r, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (!take_byte(r, bytes.data[i]) || r->text.failed) return false;
    return true;
}

bool blob_list_reader_finish(struct blob_list_reader *r) { return r->begun && r->depth == 0 && !r->in_mark; }

struct blob_list_reader *blob_list_reader_new(struct blob_page *page)
{
    struct blob_list_reader *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->page = page;
    text_buffer_init(&r->text, BLOB_MARKER_BYTES);
    return r;
}

void blob_list_reader_free(struct blob_list_reader *r)
{
    if (r == NULL) return;
    text_buffer_release(&r->text);
    free(r);
}
