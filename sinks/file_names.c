#include "sinks/file_names.h"

#include "base/clock.h"

#include <glob.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define PART_BYTES  100   /* of a name, from one field */
#define NAME_BYTES  215   /* of what stands between two slashes: file systems take 255, and 40 are for what is put behind it */
#define TIME_SHAPE  "\\.[0-9]{8}T[0-9]{6}\\.[0-9]{3}Z"
#define GZ          ".gz"
#define PATTERN_BYTES (8 * FILE_NAME_BYTES)

/* The fields, and what they can become. */
static const struct name_field {
    const char *name, *shape;
} fields[] = {
    {"kind", "[a-z0-9_]+"}, {"category", "[A-Za-z0-9_.-]+"}, {"level", "[A-Za-z0-9_.-]+"}, {"result", "[A-Za-z0-9_.-]+"},
    {"date", "[0-9]{4}-[0-9]{2}-[0-9]{2}"}, {"hour", "[0-9]{2}"},
};
enum { PART_KIND, PART_CATEGORY, PART_LEVEL, PART_RESULT, PART_DATE, PART_HOUR, PARTS };

/* --- Templates -------------------------------------------------------------------------------------------------------- */

/* The next piece of a template: plain text, or a field (its number, or PARTS). */
struct name_piece {
    struct slice plain;
    int          field;
};

/* False: the template is over, or wrong at *at, which then is not its end. */
static bool next_piece(const char **at, struct name_piece *piece)
{
    *piece = (struct name_piece){slice_of(*at, strcspn(*at, "{}")), PARTS};
    if (piece->plain.len > 0) {
        *at += piece->plain.len;
        return true;
    }
    const char *close = **at == '{' ? strchr(*at, '}') : NULL;
    for (int i = 0; close != NULL && i < PARTS; i++)
        if (slice_equal(slice_of(*at + 1, (size_t)(close - *at - 1)), slice_from(fields[i].name))) piece->field = i;
    if (piece->field == PARTS) return false;
    *at = close + 1;
    return true;
}

bool file_name_is_dated(const char *template) { return strstr(template, "{date}") != NULL; }

/* --- Names ------------------------------------------------------------------------------------------------------------ */

static void put(struct file_name *n, const char *text, size_t len)
{
    n->whole = n->whole && n->len + len < sizeof n->text;
    if (!n->whole) return;
    memcpy(n->text + n->len, text, len);
    n->len += len;
}

static void put_part(struct file_name *n, struct slice text)
{
    char   part[PART_BYTES];
    size_t len = text.len < PART_BYTES ? text.len : PART_BYTES;
    for (size_t i = 0; i < len; i++) {
        char c = text.data[i];
        part[i] = ascii_is_alnum(c) || c == '-' || c == '_' || (c == '.' && i > 0) ? c : '_';
    }
    if (len == 0) put(n, "none", 4);
    else put(n, part, len);
}

static void put_time(struct file_name *n, int64_t ms, bool hour)
{
    time_t    seconds = (time_t)((ms != INT64_MIN ? ms : (int64_t)clock_realtime_ms()) / 1000);
    struct tm utc;
    char      text[32];
    gmtime_r(&seconds, &utc);
    put(n, text, hour ? strftime(text, sizeof text, "%H", &utc) : strftime(text, sizeof text, "%Y-%m-%d", &utc));
}

/* `r` NULL: of no record. */
static void put_field(struct file_name *n, int field, const struct block *b, const struct block_record *r)
{
    if (field == PART_DATE || field == PART_HOUR) put_time(n, r != NULL ? r->time_ms : INT64_MIN, field == PART_HOUR);
    else if (r == NULL) put(n, "other", 5);
    else if (field == PART_KIND) put_part(n, slice_from(kind_text((enum kind)r->kind)));
    else put_part(n, block_label(b, field == PART_CATEGORY ? r->category : field == PART_LEVEL ? r->level : r->result));
}

static bool fits_everywhere(const struct file_name *n)
{
    for (const char *at = n->text; *at != '\0'; at += *at == '/') {
        size_t len = strcspn(at, "/");
        if (len > NAME_BYTES) return false;
        at += len;
    }
    return n->whole;
}

bool file_name_make(const char *template, const struct block *b, const struct block_record *r, struct file_name *n)
{
    struct name_piece piece;
    n->len = 0;
    n->whole = true;
    while (next_piece(&template, &piece)) {
        if (piece.plain.len > 0) put(n, piece.plain.data, piece.plain.len);
        else put_field(n, piece.field, b, r);
    }
    n->text[n->len] = '\0';
    return *template == '\0' && fits_everywhere(n);
}

bool file_name_make_other(const char *template, struct file_name *n) { return file_name_make(template, NULL, NULL, n); }

static bool is_packed(const char *path)
{
    size_t len = strlen(path);
    return len > sizeof GZ - 1 && strcmp(path + len - (sizeof GZ - 1), GZ) == 0;
}

void file_name_add_time(const char *path, uint64_t realtime_ms, char out[FILE_NAME_BYTES + 40])
{
    char      when[24];
    time_t    seconds = (time_t)(realtime_ms / 1000);
    size_t    stem = strlen(path) - (is_packed(path) ? sizeof GZ - 1 : 0);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", &utc);
    snprintf(out, FILE_NAME_BYTES + 40, "%.*s.%s.%03uZ%s", (int)stem, path, when, (unsigned)(realtime_ms % 1000), path + stem);
}

/* --- Finding them again ----------------------------------------------------------------------------------------------- */

struct pattern {
    char   text[PATTERN_BYTES];
    size_t len;
};

static void add(struct pattern *p, const char *text, size_t len)
{
    CHECK(p->len + len < sizeof p->text);   /* a template is shorter than FILE_NAME_BYTES */
    memcpy(p->text + p->len, text, len);
    p->len += len;
    p->text[p->len] = '\0';
}

static void add_plain(struct pattern *p, struct slice plain, const char *special)
{
    for (size_t i = 0; i < plain.len; i++) {
        if (strchr(special, plain.data[i]) != NULL) add(p, "\\", 1);
        add(p, plain.data + i, 1);
    }
}

/* `shell`: for glob(), with all that may stand behind the name; or for regcomp(), exactly. */
static void make_pattern(const char *template, bool shell, struct pattern *p)
{
    char         stem[FILE_NAME_BYTES];
    size_t       len = strlen(template) - (is_packed(template) ? sizeof GZ - 1 : 0);
    const char  *at = stem;
    struct name_piece piece;
    CHECK(len < sizeof stem);
    memcpy(stem, template, len);
    stem[len] = '\0';
    p->len = 0;
    if (!shell) add(p, "^", 1);
    while (next_piece(&at, &piece)) {
        if (piece.plain.len > 0) add_plain(p, piece.plain, shell ? "*?[]\\" : ".[]()*+?{}|^$\\");
        else if (shell) add(p, "*", 1);
        else add(p, fields[piece.field].shape, strlen(fields[piece.field].shape));
    }
    if (shell) add(p, "*", 1);
    else add(p, "(" TIME_SHAPE ")?", sizeof "(" TIME_SHAPE ")?" - 1);
    if (!shell && is_packed(template)) add(p, "\\.gz", 4);
    if (!shell) add(p, "(\\.partial)?$", 13);
}

static int by_age(const void *a, const void *b)
{
    const struct found_file *x = a, *y = b;
    return x->modified_ms > y->modified_ms ? -1 : x->modified_ms < y->modified_ms;
}

static bool ends_so(struct slice text, const char *end)
{
    size_t len = strlen(end);
    return text.len > len && memcmp(text.data + text.len - len, end, len) == 0;
}

/* As in ".20260314T093000.500Z". */
static bool ends_in_time(struct slice text)
{
    static const char shape[] = ".00000000T000000.000Z";
    const char       *at = text.data + text.len - (sizeof shape - 1);
    bool              fits = text.len > sizeof shape - 1;
    for (size_t i = 0; fits && i < sizeof shape - 1; i++) fits = shape[i] == '0' ? ascii_is_digit(at[i]) : at[i] == shape[i];
    return fits;
}

static enum file_state state_of(struct slice path)
{
    if (ends_so(path, FILE_NAME_PARTIAL)) return FILE_PARTIAL;
    if (ends_so(path, GZ)) path.len -= sizeof GZ - 1;
    return ends_in_time(path) ? FILE_TIMED : FILE_OWN_NAME;
}

/* Keeps the name if it is one of the template's. False: no memory. */
static bool keep(struct found_files *found, const regex_t *exact, const char *path)
{
    struct stat status;
    if (regexec(exact, path, 0, NULL, 0) != 0 || lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) return true;
    struct found_file *file = &found->files[found->count];
    file->state = state_of(slice_from(path));
    file->modified_ms = (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
    if ((file->path = strdup(path)) == NULL) return false;
    found->count++;
    return true;
}

static bool keep_all(struct found_files *found, const regex_t *exact, const glob_t *paths)
{
    found->files = calloc(paths->gl_pathc + 1, sizeof *found->files);
    bool kept = found->files != NULL;
    for (size_t i = 0; kept && i < paths->gl_pathc; i++) kept = keep(found, exact, paths->gl_pathv[i]);
    if (kept) qsort(found->files, found->count, sizeof *found->files, by_age);
    return kept;
}

bool file_names_find(const char *template, struct found_files *found)
{
    struct pattern p;
    regex_t        exact;
    glob_t         paths = {0};
    *found = (struct found_files){0};
    make_pattern(template, false, &p);
    if (regcomp(&exact, p.text, REG_EXTENDED | REG_NOSUB) != 0) return false;
    make_pattern(template, true, &p);
    int  result = glob(p.text, GLOB_NOSORT, NULL, &paths);
    bool kept = result == GLOB_NOSPACE ? false : keep_all(found, &exact, &paths);
    globfree(&paths);
    regfree(&exact);
    if (!kept) file_names_release(found);
    return kept;
}

void file_names_release(struct found_files *found)
{
    for (size_t i = 0; i < found->count; i++) free(found->files[i].path);
    free(found->files);
    *found = (struct found_files){0};
}
