#include "parser/document.h"

#include "parser/container.h"
#include "parser/repair.h"

#define FIRST_RECORDS 4
#define SPLIT_LEVELS 2           /* a broken container, and a broken page among its elements */
#define TEXT_PIECE 256           /* bytes of a line encoded at a time */
#define TEXT_BEFORE "{\"message\":\""
#define TEXT_AFTER "\"}"

static const char *const repair_texts[] = {
    [REPAIR_NONE] = "none", [REPAIR_LINE_FEED] = "raw-line-feed", [REPAIR_QUOTES] = "single-quotes"};

const char *repair_text(enum repair repair) { return repair_texts[repair]; }

/* One document being opened. */
struct opening {
    struct parser          *parser;
    struct arena           *arena;
    const struct document  *document;
    struct slice            source;       /* the document's bytes in the batch */
    struct opened_document *out;
    size_t                  capacity;     /* of out->records */
    size_t                  counted;      /* bytes of `source` whose line feeds are in `line` */
    uint64_t                line;
    size_t                  refused;
    bool                    no_memory;
};

/* --- Records ---------------------------------------------------------------------------------------------------------- */

static void push(struct opening *o, struct record record)
{
    struct opened_document *out = o->out;
    if (out->count == o->capacity) {
        size_t capacity = 2 * o->capacity;
        struct record *grown = arena_take(o->arena, capacity * sizeof *grown);
        if (grown == NULL) {
            o->no_memory = true;
            return;
        }
        memcpy(grown, out->records, out->count * sizeof *grown);
        out->records = grown;
        o->capacity = capacity;
    }
    out->records[out->count++] = record;
}

/* The line of a byte of the source. Bytes asked for one after another lie further and further behind. */
static uint64_t line_at(struct opening *o, size_t at)
{
    const char *data = o->source.data;
    for (const char *lf; o->counted < at && (lf = memchr(data + o->counted, '\n', at - o->counted)) != NULL; o->line++)
        o->counted = (size_t)(lf - data) + 1;
    if (o->counted < at) o->counted = at;
    return o->line;
}

/* Refuses source[at, end). */
static void push_refused_at_line(struct opening *o, enum refusal refusal, size_t at, size_t end, uint64_t line, size_t fault_at)
{
    const struct document *d = o->document;
    CHECK(at <= end && end <= o->source.len);
    o->refused++;
    push(o, (struct record){.refusal = refusal, .offset = d->offset + at, .line = line, .fault_at = d->offset + fault_at,
                            .len = (uint32_t)(end - at)});
}

static void push_refused(struct opening *o, enum refusal refusal, size_t at, size_t end, size_t fault_at)
{
    push_refused_at_line(o, refusal, at, end, line_at(o, at), fault_at);
}

static enum refusal refusal_of(enum parse_status status)
{
    switch (status) {
    case PARSE_UNCLOSED: return REFUSAL_TRUNCATED;
    case PARSE_CONTROL: return REFUSAL_CONTROL;
    case PARSE_UTF8: return REFUSAL_UTF8;
    case PARSE_DEPTH: return REFUSAL_DEPTH;
    case PARSE_TOO_LONG: return REFUSAL_LENGTH;
    case PARSE_MEMORY: return REFUSAL_MEMORY;
    case PARSE_OK:
    case PARSE_EMPTY:
    case PARSE_GRAMMAR: break;
    }
    return REFUSAL_SYNTAX;
}

/* --- Unwrapping ------------------------------------------------------------------------------------------------------- */

/* A tape and where its text stands in the source: at `at`, byte for byte if `exact`. */
struct reading {
    const struct tape *tape;
    size_t             at;
    bool               exact;
};

static struct slice node_text(const struct tape *tape, uint32_t node)
{
    return slice_sub(tape->text, tape->nodes[node].start, tape->nodes[node].end);
}

static bool holds_only_objects(const struct tape *tape, uint32_t array)
{
    const struct node *nodes = tape->nodes;
    for (uint32_t n = array + 1; n < nodes[array].next; n = nodes[n].next)
        if (nodes[n].type != NODE_OBJECT) return false;
    return true;
}

static enum page_key key_at(const struct tape *tape, uint32_t key)
{
    uint32_t len = tape->nodes[key].end - tape->nodes[key].start;
    if (len != SLICE("records").len && len != SLICE("value").len) return PAGE_FOREIGN;
    return page_key(node_text(tape, key));
}

static bool is_results_page(const struct tape *tape, uint32_t object)
{
    const struct node *nodes = tape->nodes;
    for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key].next)
        if (page_key(node_text(tape, key)) == PAGE_FOREIGN) return false;
    return true;
}

/* Which key of a page holds its records: PAGE_RECORDS or PAGE_VALUE; PAGE_FOREIGN when the node is no page. */
static enum page_key page_of(const struct tape *tape, uint32_t object)
{
    const struct node *nodes = tape->nodes;
    bool records = false, value = false, other_value = false;
    if (nodes[object].type != NODE_OBJECT) return PAGE_FOREIGN;
    for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key].next) {
        enum page_key page = key_at(tape, key);
        if (page != PAGE_RECORDS && page != PAGE_VALUE) continue;
        bool objects = nodes[key + 1].type == NODE_ARRAY && holds_only_objects(tape, key + 1);
        if (page == PAGE_RECORDS && !objects) return PAGE_FOREIGN;
        records = records || page == PAGE_RECORDS;
        value = value || (page == PAGE_VALUE && objects);
        other_value = other_value || (page == PAGE_VALUE && !objects);
    }
    if (records) return PAGE_RECORDS;
    return value && !other_value && is_results_page(tape, object) ? PAGE_VALUE : PAGE_FOREIGN;
}

static void push_node(struct opening *o, const struct reading *r, uint32_t node)
{
    size_t at = r->at + (r->exact && node > 0 ? r->tape->nodes[node].start : 0);
    push(o, (struct record){.tape = r->tape, .node = node, .offset = o->document->offset + at, .line = line_at(o, at)});
}

static void push_elements(struct opening *o, const struct reading *r, uint32_t array);

/* The records of a page, or the node itself. Pages in pages go no deeper than the parser does. */
static void push_unwrapped(struct opening *o, const struct reading *r, uint32_t node)
{
    const struct node *nodes = r->tape->nodes;
    enum page_key page = page_of(r->tape, node);
    if (page == PAGE_FOREIGN) {
        push_node(o, r, node);
        return;
    }
    o->out->container = true;
    for (uint32_t key = node + 1; key < nodes[node].next; key = nodes[key].next)
        if (key_at(r->tape, key) == page) push_elements(o, r, key + 1);
}

static void push_elements(struct opening *o, const struct reading *r, uint32_t array)
{
    const struct node *nodes = r->tape->nodes;
    for (uint32_t n = array + 1; n < nodes[array].next; n = nodes[n].next) push_unwrapped(o, r, n);
}

static void push_root(struct opening *o, const struct reading *r, bool element)
{
    const struct node *root = &r->tape->nodes[0];
    bool list = root->type == NODE_ARRAY && !element && r->tape->count > 1 && holds_only_objects(r->tape, 0);
    if (!list) {
        push_unwrapped(o, r, 0);
        return;
    }
    o->out->container = true;
    push_elements(o, r, 0);
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

static enum parse_status parse(struct opening *o, struct slice text, struct tape **tape, size_t *at)
{
    *tape = arena_take(o->arena, sizeof **tape);
    return *tape == NULL ? PARSE_MEMORY : parser_parse(o->parser, text, o->arena, *tape, at);
}

typedef enum repair_status repair_function(struct slice, struct arena *, struct slice *);

static enum parse_status parse_repaired(struct opening *o, repair_function *repair, struct slice text, struct tape **tape)
{
    struct slice repaired;
    size_t at;
    switch (repair(text, o->arena, &repaired)) {
    case REPAIR_NOTHING: return PARSE_GRAMMAR;
    case REPAIR_NO_MEMORY: return PARSE_MEMORY;
    case REPAIR_DONE: break;
    }
    return parse(o, repaired, tape, &at);
}

/* Strictly, then repaired. When neither works, the status and *at are those of the strict reading. */
static enum parse_status read_value(struct opening *o, struct slice text, struct tape **tape, enum repair *repair, size_t *at)
{
    static const struct { enum repair repair; repair_function *function; } repairs[] = {
        {REPAIR_LINE_FEED, repair_line_feeds}, {REPAIR_QUOTES, repair_quotes}};
    *repair = REPAIR_NONE;
    enum parse_status strict = parse(o, text, tape, at);
    if (strict != PARSE_GRAMMAR && strict != PARSE_CONTROL && strict != PARSE_UNCLOSED) return strict;
    for (size_t i = 0; i < sizeof repairs / sizeof repairs[0]; i++) {
        enum parse_status status = parse_repaired(o, repairs[i].function, text, tape);
        if (status == PARSE_MEMORY) return status;
        if (status != PARSE_OK) continue;
        *repair = repairs[i].repair;
        return PARSE_OK;
    }
    return strict;
}

/* --- Broken containers ------------------------------------------------------------------------------------------------ */

static void open_value(struct opening *o, struct slice text, bool element, unsigned level);

static bool holds_records(struct slice text)
{
    size_t i = 1;
    while (i < text.len && json_space(text.data[i])) i++;
    return text.data[0] == '{' || (i < text.len && text.data[i] == '{');
}

static void open_piece(struct opening *o, const struct container *c, enum container_event event, unsigned level)
{
    struct slice piece = slice_sub(o->source, c->start, c->end);
    if (event == CONTAINER_ELEMENT) open_value(o, piece, true, level + 1);
    else if (event == CONTAINER_STRAY) push_refused(o, REFUSAL_SYNTAX, c->start, c->end, c->start);
    else if (event == CONTAINER_CUT) push_refused(o, REFUSAL_TRUNCATED, c->start, c->end, c->end);
}

/* Opens the elements of a container each on its own. False when it is none. */
static bool split(struct opening *o, struct slice text, unsigned level)
{
    size_t start = (size_t)(text.data - o->source.data);
    struct view v = {o->source.data, 0, start + text.len, true};
    if (text.len == 0 || (text.data[0] != '{' && text.data[0] != '[')) return false;
    if (!holds_records(text) || !container_detect(&v, start, NO_LIMIT)) return false;
    struct container c;
    container_init(&c, start, NO_LIMIT, false);
    enum container_event event;
    do {
        event = container_next(&c, &v);
        open_piece(o, &c, event, level);
    } while (event != CONTAINER_END && event != CONTAINER_CUT && !o->no_memory);
    uint64_t at = container_at(&c);
    while (at < v.to && json_space(*view_at(&v, at))) at++;
    if (at < v.to && event == CONTAINER_END) push_refused(o, REFUSAL_SYNTAX, at, v.to, at);
    return true;
}

/* A fault outside of the elements is counted as well: as one more refused record. */
static void open_split(struct opening *o, struct slice text, enum parse_status status, size_t fault, unsigned level)
{
    size_t start = (size_t)(text.data - o->source.data), end = start + text.len, refused_before = o->refused;
    uint64_t line = line_at(o, start);
    if (level >= SPLIT_LEVELS || !split(o, text, level)) {
        push_refused(o, refusal_of(status), start, end, start + fault);
        return;
    }
    o->out->container = true;
    if (o->refused == refused_before) push_refused_at_line(o, refusal_of(status), start, end, line, start + fault);
}

/* `text` lies in the source. */
static void open_value(struct opening *o, struct slice text, bool element, unsigned level)
{
    struct reading r = {.at = (size_t)(text.data - o->source.data)};
    struct tape *tape;
    enum repair repair;
    size_t fault = 0;
    enum parse_status status = read_value(o, text, &tape, &repair, &fault);
    if (status == PARSE_MEMORY) {
        o->no_memory = true;
    } else if (status != PARSE_OK) {
        open_split(o, text, status, fault, level);
    } else {
        if (repair != REPAIR_NONE) o->out->repair = repair;
        if (level == 0) o->out->tape = tape;
        r.tape = tape;
        r.exact = repair == REPAIR_NONE;
        push_root(o, &r, element);
    }
}

/* --- Lines and members ------------------------------------------------------------------------------------------------ */

static size_t encoded_length(struct slice text)
{
    size_t len = text.len;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == '"' || c == '\\') len += 5;
    }
    return len;
}

static size_t put(char *out, size_t n, struct slice bytes)
{
    memcpy(out + n, bytes.data, bytes.len);
    return n + bytes.len;
}

static bool message_of(struct opening *o, struct slice *message)
{
    char piece[6 * TEXT_PIECE];
    struct slice text = o->source, before = SLICE(TEXT_BEFORE), after = SLICE(TEXT_AFTER);
    char *out = arena_take(o->arena, before.len + encoded_length(text) + after.len + PARSER_PADDING);
    if (out == NULL) return false;
    size_t n = put(out, 0, before);
    for (size_t i = 0, end; i < text.len; i = end) {
        end = text.len - i > TEXT_PIECE ? i + TEXT_PIECE : text.len;
        n = put(out, n, slice_of(piece, string_encode(slice_sub(text, i, end), piece)));
    }
    n = put(out, n, after);
    memset(out + n, 0, PARSER_PADDING);
    arena_trim(o->arena, out, n + PARSER_PADDING);
    *message = slice_of(out, n);
    return true;
}

static bool object_of(struct opening *o, struct slice *object)
{
    char *out = arena_take(o->arena, o->source.len + 2 + PARSER_PADDING);
    if (out == NULL) return false;
    size_t n = put(out, 0, SLICE("{"));
    n = put(out, n, o->source);
    n = put(out, n, SLICE("}"));
    memset(out + n, 0, PARSER_PADDING);
    *object = slice_of(out, n);
    return true;
}

/* Opens what was made of the document: `added` bytes stand before its own, which are one record. */
static void open_made(struct opening *o, struct slice text, size_t added)
{
    struct tape *tape;
    enum repair repair;
    size_t fault = 0;
    enum parse_status status = read_value(o, text, &tape, &repair, &fault);
    if (status == PARSE_OK) {
        o->out->tape = tape;
        o->out->repair = repair;
        push_node(o, &(struct reading){.tape = tape}, 0);
        return;
    }
    fault = fault > added ? fault - added : 0;
    push_refused(o, refusal_of(status), 0, o->source.len, fault < o->source.len ? fault : o->source.len);
}

/* --- Opening ---------------------------------------------------------------------------------------------------------- */

static void open_form(struct opening *o)
{
    const struct document *d = o->document;
    struct slice made;
    switch (d->form) {
    case DOCUMENT_JSON: open_value(o, o->source, d->element, 0); break;
    case DOCUMENT_REFUSED: push_refused(o, d->refusal, 0, d->len, d->len); break;
    case DOCUMENT_TEXT:
        if (message_of(o, &made)) open_made(o, made, SLICE(TEXT_BEFORE).len);
        else o->no_memory = true;
        break;
    case DOCUMENT_MEMBER:
        if (object_of(o, &made)) open_made(o, made, 1);
        else o->no_memory = true;
        break;
    case DOCUMENT_GLUE: CHECK(d->form != DOCUMENT_GLUE);
    }
}

static void refuse_for_memory(const struct document *d, struct record *only, struct opened_document *out)
{
    *out = (struct opened_document){.records = only, .count = 1};
    *only = (struct record){.refusal = REFUSAL_MEMORY, .offset = d->offset, .line = d->line, .fault_at = d->offset,
                            .len = d->len};
}

void document_open(struct parser *p, const struct batch *b, const struct document *d, struct arena *a,
                   struct opened_document *out)
{
    *out = (struct opened_document){0};
    struct record *first = arena_take(a, FIRST_RECORDS * sizeof *first);
    if (first == NULL) {
        refuse_for_memory(d, &out->spare, out);
        return;
    }
    out->records = first;
    struct opening o = {.parser = p, .arena = a, .document = d, .out = out, .capacity = FIRST_RECORDS,
                        .source = slice_of(b->data + d->start, d->len), .line = d->line};
    open_form(&o);
    if (o.no_memory) refuse_for_memory(d, first, out);
}
