#include "redaction/yaml.h"

#include "base/arena.h"
#include "base/nearest.h"

#include <errno.h>
#include <libfyaml.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>

#define EXCERPT 160       /* bytes of a source line shown in an error */
#define NAMES_SHOWN 120   /* bytes of a list of known names in one */
#define READ_BYTES (64 * 1024)   /* of a file, at first */

struct yaml_document {
    struct arena      arena;
    const char       *name;
    struct slice      source;
    struct yaml_node *root;
    bool              discreet;   /* errors show no source line */
};

/* --- Complaining ---------------------------------------------------------------------------------------------------- */

static struct slice line_of(struct slice source, uint32_t line)
{
    const char *at = source.data, *end = source.data + source.len;
    for (uint32_t n = 1; n < line && at < end; n++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        at = feed ? feed + 1 : end;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return slice_of(at, (size_t)((stop ? stop : end) - at));
}

/* Bytes of the first `count` characters. */
static size_t bytes_of(struct slice text, size_t count)
{
    size_t at = 0;
    for (; at < text.len; at++)
        if (((unsigned char)text.data[at] & 0xc0) != 0x80 && count-- == 0) break;
    return at;
}

/* The source line and a caret line. A long line is cut on both sides of the place; control characters become spaces,
 * so that a file cannot steer the terminal. */
static void excerpt(char *out, size_t size, struct slice source, uint32_t line, uint32_t column)
{
    struct slice text = line_of(source, line);
    size_t caret = bytes_of(text, column > 0 ? column - 1 : 0);
    size_t from = caret > EXCERPT / 2 ? caret - EXCERPT / 2 : 0;
    size_t len = text.len - from < EXCERPT ? text.len - from : EXCERPT;
    if (size < len + (caret - from) + 16) {
        out[0] = '\0';
        return;
    }
    char shown[EXCERPT + 1];
    size_t width = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.data[from + i];
        shown[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        if (i < caret - from && (c & 0xc0) != 0x80) width++;
    }
    shown[len] = '\0';
    snprintf(out, size, "\n    %s\n    %*s^", shown, (int)width, "");
}

static bool fail_at(const struct yaml_document *document, uint32_t line, uint32_t column, struct error *err,
                    const char *what)
{
    char where[2 * EXCERPT + 32] = "";
    if (!document->discreet) excerpt(where, sizeof where, document->source, line, column);
    return error_set(err, ERROR_USAGE, "%s:%u:%u: %s%s", document->name, line, column, what, where);
}

/* What stands in for the source line where that may hold a secret: the key, with the caret under it or behind it. */
static void point_at_key(const struct yaml_node *node, char *out, size_t size)
{
    const struct yaml_node *key = node->is_key ? node : node->key;
    if (key == NULL || key->text.len > EXCERPT) return;
    snprintf(out, size, "\n    %s: ...\n    %*s^", key->text.data, node->is_key ? 0 : (int)key->text.len + 2, "");
}

bool yaml_fail(const struct yaml_node *node, struct error *err, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (node->document->discreet && len >= 0 && (size_t)len < sizeof what)
        point_at_key(node, what + len, sizeof what - (size_t)len);
    return fail_at(node->document, node->line, node->column, err, what);
}

/* --- Reading -------------------------------------------------------------------------------------------------------- */

struct reader {
    struct yaml_document *document;
    struct fy_parser     *parser;
    struct fy_diag       *diag;
    struct error         *err;
};

static bool out_of_memory(struct error *err) { return error_set(err, ERROR_MEMORY, "no memory to read a YAML file"); }

static char *copy_text(struct arena *arena, struct slice text)
{
    char *copy = arena_take(arena, text.len + 1);
    if (!copy) return NULL;
    if (text.len > 0) memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

static struct yaml_node *node_new(struct reader *r, struct fy_event *event, enum yaml_type type)
{
    struct yaml_node *node = arena_take(&r->document->arena, sizeof *node);
    if (!node) {
        out_of_memory(r->err);
        return NULL;
    }
    const struct fy_mark *mark = fy_event_start_mark(event);
    *node = (struct yaml_node){.type = type, .document = r->document,
                               .line = mark ? (uint32_t)mark->line + 1 : 1,
                               .column = mark ? (uint32_t)mark->column + 1 : 1};
    return node;
}

static struct fy_event *next_event(struct reader *r)
{
    struct fy_event *event = fy_parser_parse(r->parser);
    if (event || r->err->code != ERROR_NONE) return event;
    void *cursor = NULL;
    struct fy_diag_error *fault = fy_diag_errors_iterate(r->diag, &cursor);
    if (fault && fault->msg)
        fail_at(r->document, fault->line > 0 ? (uint32_t)fault->line : 1, fault->column > 0 ? (uint32_t)fault->column : 1,
                r->err, fault->msg);
    else
        fail_at(r->document, 1, 1, r->err, "not a YAML document");
    return NULL;
}

static struct yaml_node *read_value(struct reader *r, struct fy_event *event, unsigned depth);

static bool set_scalar(struct reader *r, struct yaml_node *node, struct fy_event *event)
{
    size_t len = 0;
    const char *text = event->scalar.value ? fy_token_get_text(event->scalar.value, &len) : "";
    if (!text) return out_of_memory(r->err);
    enum fy_scalar_style style = event->scalar.value ? fy_token_scalar_style(event->scalar.value) : FYSS_PLAIN;
    node->plain = style == FYSS_PLAIN;
    if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && node->column > 1) node->column--;   /* at the quote */
    if (memchr(text, '\0', len)) return yaml_fail(node, r->err, "a text must not hold a NUL");
    char *copy = copy_text(&r->document->arena, slice_of(text, len));
    if (!copy) return out_of_memory(r->err);
    node->text = slice_of(copy, len);
    return true;
}

static bool read_children(struct reader *r, struct yaml_node *parent, unsigned depth)
{
    const struct yaml_node **link = &parent->first;
    enum fy_event_type stop = parent->type == YAML_MAPPING ? FYET_MAPPING_END : FYET_SEQUENCE_END;
    for (;;) {
        struct fy_event *event = next_event(r);
        if (!event) return false;
        if (event->type == stop) {
            fy_parser_event_free(r->parser, event);
            return true;
        }
        struct yaml_node *key = NULL, *node = read_value(r, event, depth);
        if (!node) return false;
        if (parent->type == YAML_MAPPING) {
            key = node;
            node->is_key = true;
            if (key->type != YAML_SCALAR) return yaml_fail(key, r->err, "a key must be a plain text");
            const struct yaml_node *twin = yaml_find(parent, key->text.data);
            if (twin) return yaml_fail(key, r->err, "'%s' stands here twice: first in line %u", key->text.data, twin->key->line);
            event = next_event(r);
            node = event ? read_value(r, event, depth) : NULL;
            if (!node) return false;
        }
        node->key = key;
        *link = node;
        link = &node->next;
        parent->count++;
    }
}

/* Takes the event. */
static struct yaml_node *read_value(struct reader *r, struct fy_event *event, unsigned depth)
{
    enum fy_event_type kind = event->type;
    enum yaml_type type = kind == FYET_MAPPING_START ? YAML_MAPPING : kind == FYET_SEQUENCE_START ? YAML_SEQUENCE : YAML_SCALAR;
    struct yaml_node *node = node_new(r, event, type);
    bool ok = node != NULL;
    struct fy_token *anchor = kind == FYET_MAPPING_START ? event->mapping_start.anchor
                            : kind == FYET_SEQUENCE_START ? event->sequence_start.anchor
                            : kind == FYET_SCALAR ? event->scalar.anchor : NULL;
    if (ok && (kind == FYET_ALIAS || anchor)) ok = yaml_fail(node, r->err, "anchors and aliases are not allowed here");
    if (ok && fy_event_get_tag_token(event)) ok = yaml_fail(node, r->err, "tags are not allowed here");
    if (ok && depth >= YAML_MAX_DEPTH) ok = yaml_fail(node, r->err, "nested too deeply: at most %d levels", YAML_MAX_DEPTH);
    if (ok && type == YAML_SCALAR) ok = set_scalar(r, node, event);
    fy_parser_event_free(r->parser, event);
    if (ok && type != YAML_SCALAR) ok = read_children(r, node, depth + 1);
    return ok ? node : NULL;
}

static bool read_stream(struct reader *r)
{
    bool started = false;
    for (;;) {
        struct fy_event *event = next_event(r);
        if (!event) return false;
        enum fy_event_type type = event->type;
        if (type == FYET_STREAM_START || type == FYET_DOCUMENT_END || type == FYET_STREAM_END) {
            fy_parser_event_free(r->parser, event);
            if (type == FYET_STREAM_END) return true;
        } else if (type == FYET_DOCUMENT_START) {
            const struct fy_mark *mark = fy_event_start_mark(event);
            uint32_t line = mark ? (uint32_t)mark->line + 1 : 1;
            fy_parser_event_free(r->parser, event);
            if (started) return fail_at(r->document, line, 1, r->err, "a second document: only one is allowed");
            started = true;
        } else if (!(r->document->root = read_value(r, event, 0))) {
            return false;
        }
    }
}

static bool read_source(struct yaml_document *document, struct error *err)
{
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    struct reader r = {.document = document, .err = err};
    bool ok = false;
    r.diag = fy_diag_create(&diag_config);
    if (r.diag) {
        fy_diag_set_collect_errors(r.diag, true);
        struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE, .diag = r.diag};
        r.parser = fy_parser_create(&config);
    }
    if (!r.parser || fy_parser_set_string(r.parser, document->source.data, document->source.len) != 0)
        out_of_memory(err);
    else
        ok = read_stream(&r);
    if (r.parser) fy_parser_destroy(r.parser);
    if (r.diag) fy_diag_destroy(r.diag);
    return ok;
}

/* Settings need none, and libfyaml 0.7.12 never comes back from one it does not know before bytes that are not UTF-8. */
static bool has_directive(struct slice text)
{
    return (text.len > 0 && text.data[0] == '%') || memmem(text.data, text.len, "\n%", 2) != NULL ||
           memmem(text.data, text.len, "\r%", 2) != NULL;
}

static struct yaml_document *read_text(const char *name, struct slice text, bool discreet, struct error *err)
{
    struct error local = {0};
    struct yaml_document *document = calloc(1, sizeof *document);
    bool ok = document != NULL;
    if (ok) {
        arena_init(&document->arena, 16 * 1024, 64 * 1024 * 1024);
        document->discreet = discreet;
        document->name = copy_text(&document->arena, slice_from(name));
        document->source = slice_of(copy_text(&document->arena, text), text.len);
        ok = document->name && document->source.data;
    }
    if (!ok)
        out_of_memory(&local);
    else if (has_directive(text))
        ok = error_set(&local, ERROR_USAGE, "%s: a line begins with '%%': directives are not allowed", name);
    else
        ok = text.len <= YAML_MAX_BYTES ? read_source(document, &local)
                                        : error_set(&local, ERROR_USAGE, "%s: larger than %u bytes", name, YAML_MAX_BYTES);
    if (ok) return document;
    error_set(err, local.code, "%s", local.text);
    yaml_free(document);
    return NULL;
}

struct yaml_document *yaml_read(const char *name, struct slice text, struct error *err)
{
    return read_text(name, text, false, err);
}

/* To its end, or a byte more than may be read; malloc'ed. NULL: no memory. */
static char *read_all(FILE *file, size_t *len)
{
    char  *text = NULL;
    size_t room = 0;
    *len = 0;
    do {
        room = room == 0 ? READ_BYTES : 4 * room > YAML_MAX_BYTES ? YAML_MAX_BYTES + 1 : 4 * room;
        char *larger = realloc(text, room);
        if (larger == NULL) {
            free(text);
            return NULL;
        }
        text = larger;
        *len += fread(text + *len, 1, room - *len, file);
    } while (*len == room && room <= YAML_MAX_BYTES);
    return text;
}

static struct yaml_document *open_file(const char *path, bool discreet, struct error *err)
{
    struct yaml_document *document = NULL;
    char *buffer = NULL;
    size_t len;
    FILE *file = fopen(path, "rbe");
    if (!file)
        error_set_errno(err, ERROR_USAGE, "cannot open '%s'", path);
    else if (!(buffer = read_all(file, &len)))
        out_of_memory(err);
    else if (ferror(file))
        error_set_errno(err, ERROR_USAGE, "cannot read '%s'", path);
    else
        document = read_text(path, slice_of(buffer, len), discreet, err);
    free(buffer);
    if (file) fclose(file);
    return document;
}

struct yaml_document *yaml_open(const char *path, struct error *err) { return open_file(path, false, err); }

struct yaml_document *yaml_open_discreet(const char *path, struct error *err) { return open_file(path, true, err); }

void yaml_free(struct yaml_document *document)
{
    if (!document) return;
    arena_release(&document->arena);
    free(document);
}

const struct yaml_node *yaml_root(const struct yaml_document *document) { return document->root; }

const char *yaml_name(const struct yaml_document *document) { return document->name; }

const struct yaml_node *yaml_find(const struct yaml_node *mapping, const char *key)
{
    struct slice wanted = slice_from(key);
    for (const struct yaml_node *node = mapping->first; node; node = node->next)
        if (node->key && slice_equal(node->key->text, wanted)) return node;
    return NULL;
}

/* --- Checked reading -------------------------------------------------------------------------------------------------- */

bool yaml_expect(const struct yaml_node *node, enum yaml_type type, struct error *err)
{
    static const char *const names[] = {"a text", "a list", "a mapping"};
    if (node->type == type) return true;
    return yaml_fail(node, err, "%s is wanted here, not %s", names[type], names[node->type]);
}

bool yaml_text(const struct yaml_node *node, struct slice *text, struct error *err)
{
    if (!yaml_expect(node, YAML_SCALAR, err)) return false;
    if (node->text.len == 0) return yaml_fail(node, err, "a text is wanted here, not nothing");
    *text = node->text;
    return true;
}

bool yaml_bool(const struct yaml_node *node, bool *value, struct error *err)
{
    bool yes = node->type == YAML_SCALAR && node->plain && slice_equal(node->text, SLICE("true"));
    bool no = node->type == YAML_SCALAR && node->plain && slice_equal(node->text, SLICE("false"));
    if (!yes && !no) return yaml_fail(node, err, "true or false is wanted here");
    *value = yes;
    return true;
}

bool yaml_number(const struct yaml_node *node, double min, double max, double *value, struct error *err)
{
    char *end = NULL;
    bool ok = node->type == YAML_SCALAR && node->plain && node->text.len > 0;
    double number = ok ? strtod(node->text.data, &end) : 0;
    if (!ok || end != node->text.data + node->text.len || !isfinite(number))
        return yaml_fail(node, err, "a number is wanted here");
    if (number < min || number > max) return yaml_fail(node, err, "must lie between %g and %g", min, max);
    *value = number;
    return true;
}

bool yaml_integer(const struct yaml_node *node, long min, long max, long *value, struct error *err)
{
    char *end = NULL;
    bool ok = node->type == YAML_SCALAR && node->plain && node->text.len > 0;
    errno = 0;
    long number = ok ? strtol(node->text.data, &end, 10) : 0;
    if (!ok || end != node->text.data + node->text.len || errno != 0)
        return yaml_fail(node, err, "a whole number is wanted here");
    if (number < min || number > max) return yaml_fail(node, err, "must lie between %ld and %ld", min, max);
    *value = number;
    return true;
}

/* False: they are too many to be told in a message. */
static bool list_names(char out[NAMES_SHOWN], const char *const names[])
{
    size_t len = 0;
    for (size_t i = 0; names[i] != NULL && len < NAMES_SHOWN; i++)
        len += (size_t)snprintf(out + len, NAMES_SHOWN - len, "%s%s", i == 0 ? "" : names[i + 1] != NULL ? ", " : " and ",
                                names[i]);
    return len < NAMES_SHOWN;
}

static bool unknown(const struct yaml_node *node, const char *what, const char *const names[], struct error *err)
{
    const char *nearest = nearest_name(node->text, names);
    char        all[NAMES_SHOWN];
    if (nearest) return yaml_fail(node, err, "unknown %s '%s': did you mean '%s'?", what, node->text.data, nearest);
    if (list_names(all, names)) return yaml_fail(node, err, "unknown %s '%s': there are %s", what, node->text.data, all);
    return yaml_fail(node, err, "unknown %s '%s'", what, node->text.data);
}

bool yaml_choice(const struct yaml_node *node, const char *what, const char *const names[], size_t *index,
                 struct error *err)
{
    if (!yaml_expect(node, YAML_SCALAR, err)) return false;
    for (size_t i = 0; names[i]; i++)
        if (slice_equal(node->text, slice_from(names[i]))) {
            *index = i;
            return true;
        }
    return unknown(node, what, names, err);
}

bool yaml_keys(const struct yaml_node *mapping, const char *const names[], struct error *err)
{
    if (!yaml_expect(mapping, YAML_MAPPING, err)) return false;
    for (const struct yaml_node *node = mapping->first; node; node = node->next) {
        bool known = false;
        for (size_t i = 0; names[i] && !known; i++) known = slice_equal(node->key->text, slice_from(names[i]));
        if (!known) return unknown(node->key, "key", names, err);
    }
    return true;
}
