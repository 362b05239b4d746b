#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_NAMES 64                       /* settings of one table, with those read elsewhere */
#define MOST_FILE  ((size_t)64 * 1024)      /* bytes of a referenced file */
#define FILE_HASH  32                       /* bytes of a SHA-256 */
#define MOST_TEXT  ((size_t)256 * 1024)     /* bytes of a text with its references resolved */

/* --- Mistakes ------------------------------------------------------------------------------------------------------------- */

struct error *mistake(struct mistakes *m)
{
    struct error *next = &m->each[m->count];
    if (next->code == ERROR_NONE) return next;
    if (m->count < MISTAKES_MOST) return &m->each[++m->count];
    m->left_out++;
    *next = (struct error){0};
    return next;
}

size_t mistakes_count(struct mistakes *m)
{
    (void)mistake(m);
    return m->count;
}

/* --- Texts ---------------------------------------------------------------------------------------------------------------- */

void text_pool_release(struct text_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        OPENSSL_cleanse(pool->items[i].memory, pool->items[i].bytes);
        free(pool->items[i].memory);
    }
    free(pool->items);
    *pool = (struct text_pool){0};
}

/* Takes malloc'ed memory over. */
static void *pool_keep(struct text_pool *pool, void *memory, size_t bytes)
{
    CHECK(memory != NULL);
    if (pool->count == pool->capacity) {
        pool->capacity = 2 * pool->capacity + 16;
        pool->items = reallocarray(pool->items, pool->capacity, sizeof *pool->items);
        CHECK(pool->items != NULL);
    }
    pool->items[pool->count++] = (struct pooled){memory, bytes};
    return memory;
}

static const char **pool_list(struct text_pool *pool, size_t count)
{
    return pool_keep(pool, calloc(count + 1, sizeof(char *)), (count + 1) * sizeof(char *));
}

/* A text that grows; what it leaves behind is wiped. */
struct growing {
    char  *data;
    size_t len, capacity;
};

static bool append(struct growing *g, struct slice bytes)
{
    if (g->len + bytes.len + 1 > MOST_TEXT) return false;
    if (g->len + bytes.len + 1 > g->capacity) {
        size_t capacity = 2 * (g->len + bytes.len) + 64;
        char  *moved = malloc(capacity);
        CHECK(moved != NULL);
        if (g->len > 0) memcpy(moved, g->data, g->len);
        if (g->data != NULL) OPENSSL_cleanse(g->data, g->len);
        free(g->data);
        g->data = moved;
        g->capacity = capacity;
    }
    memcpy(g->data + g->len, bytes.data, bytes.len);
    g->len += bytes.len;
    return true;
}

/* --- References ----------------------------------------------------------------------------------------------------------- */

static bool fail_errno(const struct yaml_node *node, const char *what, const char *path, struct error *err)
{
    struct error found = {0};
    error_set_errno(&found, ERROR_USAGE, "cannot %s '%s'", what, path);
    return yaml_fail(node, err, "%s", found.text);
}

static bool append_file(struct growing *g, const struct yaml_node *node, const char *path, struct error *err)
{
    char    content[MOST_FILE];
    size_t  len = 0;
    ssize_t got = 1;
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(node, "open", path, err);
    while (len < sizeof content && (got = read(fd, content + len, sizeof content - len)) > 0) len += (size_t)got;
    int number = errno;
    close(fd);
    bool read_all = got == 0;
    if (read_all) {
        if (len > 0 && content[len - 1] == '\n') len--;
        if (len > 0 && content[len - 1] == '\r') len--;
    }
    bool sound = read_all && len > 0 && memchr(content, '\0', len) == NULL && append(g, slice_of(content, len));
    OPENSSL_cleanse(content, sizeof content);
    if (sound) return true;
    errno = number;
    if (got < 0) return fail_errno(node, "read", path, err);
    return yaml_fail(node, err, "the file '%s' is %s", path, len == 0 ? "empty" : "too long or no text");
}

static bool append_reference(struct growing *g, const struct yaml_node *node, struct slice name, struct error *err)
{
    static const char file[] = "file:";
    char              text[512];
    if (name.len == 0 || name.len >= sizeof text) return yaml_fail(node, err, "a reference is written ${NAME} or ${file:PATH}");
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    if (strncmp(text, file, sizeof file - 1) == 0) return append_file(g, node, text + sizeof file - 1, err);
    const char *value = getenv(text);
    if (value == NULL || *value == '\0') return yaml_fail(node, err, "the environment variable '%s' is not set", text);
    return append(g, slice_from(value)) || yaml_fail(node, err, "the environment variable '%s' is too long", text);
}

static bool resolve(struct growing *g, const struct yaml_node *node, struct error *err)
{
    const char *p = node->text.data, *end = p + node->text.len;
    while (p < end) {
        const char *dollar = memchr(p, '$', (size_t)(end - p));
        if (!append(g, slice_of(p, (size_t)((dollar != NULL ? dollar : end) - p))))
            return yaml_fail(node, err, "this text is too long");
        if (dollar == NULL) break;
        if (dollar + 1 < end && dollar[1] == '$') {
            if (!append(g, SLICE("$"))) return yaml_fail(node, err, "this text is too long");
            p = dollar + 2;
            continue;
        }
        const char *close = dollar + 1 < end && dollar[1] == '{' ? memchr(dollar, '}', (size_t)(end - dollar)) : NULL;
        if (close == NULL) return yaml_fail(node, err, "a reference is written ${NAME} or ${file:PATH}, a dollar sign $$");
        if (!append_reference(g, node, slice_of(dollar + 2, (size_t)(close - dollar - 2)), err)) return false;
        p = close + 1;
    }
    return append(g, SLICE("")) || yaml_fail(node, err, "this text is too long");
}

bool settings_text(const struct yaml_node *node, const char **text, struct text_pool *pool, struct error *err)
{
    struct slice   raw;
    struct growing g = {0};
    if (!yaml_text(node, &raw, err)) return false;
    bool sound = resolve(&g, node, err);
    if (sound) {
        g.data[g.len] = '\0';
        *text = pool_keep(pool, g.data, g.len);
        return true;
    }
    if (g.data != NULL) OPENSSL_cleanse(g.data, g.len);
    free(g.data);
    return false;
}

/* --- Files ---------------------------------------------------------------------------------------------------------------- */

/* Nothing of a file that cannot be read: who uses it tells that. */
static void hash_file(const char *path, unsigned char hash[FILE_HASH])
{
    char          piece[4096];
    EVP_MD_CTX   *context = EVP_MD_CTX_new();
    int           fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t       got = 0;
    struct stat   status;
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        fd = -1;
    }
    CHECK(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    while (fd >= 0 && (got = read(fd, piece, sizeof piece)) > 0) CHECK(EVP_DigestUpdate(context, piece, (size_t)got) == 1);
    CHECK(EVP_DigestFinal_ex(context, hash, NULL) == 1);
    OPENSSL_cleanse(piece, sizeof piece);
    EVP_MD_CTX_free(context);
    if (fd >= 0) close(fd);
}

/* The path, and behind its NUL the hash of what the file holds now. */
static bool read_file_setting(const struct yaml_node *node, const char **path, struct text_pool *pool, struct error *err)
{
    const char *text;
    if (!settings_text(node, &text, pool, err)) return false;
    size_t len = strlen(text) + 1;
    char  *both = pool_keep(pool, malloc(len + FILE_HASH), len + FILE_HASH);
    memcpy(both, text, len);
    hash_file(text, (unsigned char *)both + len);
    *path = both;
    return true;
}

static bool files_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL || strcmp(a, b) != 0) return a == b;
    return memcmp(a + strlen(a) + 1, b + strlen(b) + 1, FILE_HASH) == 0;
}

/* --- Values --------------------------------------------------------------------------------------------------------------- */

struct unit {
    const char *text;
    uint64_t    factor;
};

static const struct unit byte_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1ull << 40}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum setting_type type)
{
    return type == SETTING_BYTES ? byte_units : type == SETTING_DURATION ? duration_units : no_units;
}

static bool parse_quantity(const char *text, const struct unit *units, uint64_t *value)
{
    char *end;
    if (!ascii_is_digit(*text)) return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    for (const struct unit *u = units; errno == 0 && u->text != NULL; u++)
        if (strcmp(end, u->text) == 0 && number <= UINT64_MAX / u->factor) {
            *value = number * u->factor;
            return true;
        }
    return false;
}

static void print_quantity(char out[32], enum setting_type type, uint64_t value)
{
    const struct unit *best = units_of(type);
    for (const struct unit *u = best; u->text != NULL; u++)
        if (value > 0 && value % u->factor == 0) best = u;
    snprintf(out, 32, "%" PRIu64 "%s", value / best->factor, best->text);
}

static bool read_quantity(const struct yaml_node *node, const struct setting *s, uint64_t *value, struct error *err)
{
    static const char *const wanted[] = {[SETTING_NUMBER] = "a whole number", [SETTING_BYTES] = "a size such as 64M or 10G",
                                         [SETTING_DURATION] = "a time such as 250ms, 30s or 5m"};
    char                     least[32], most[32];
    if (!yaml_expect(node, YAML_SCALAR, err)) return false;
    if (!parse_quantity(node->text.data, units_of(s->type), value))
        return yaml_fail(node, err, "%s is wanted here", wanted[s->type]);
    if (*value >= s->least && (s->most == 0 || *value <= s->most)) return true;
    print_quantity(least, s->type, s->least);
    print_quantity(most, s->type, s->most);
    if (s->most == 0) return yaml_fail(node, err, "must be at least %s", least);
    return yaml_fail(node, err, "must lie between %s and %s", least, most);
}

static bool read_texts(const struct yaml_node *node, struct text_list *list, struct text_pool *pool, struct error *err)
{
    size_t count = node->type == YAML_SEQUENCE ? node->count : 1;
    const char **items = pool_list(pool, count);
    const struct yaml_node *item = node->type == YAML_SEQUENCE ? node->first : node;
    for (size_t i = 0; i < count; i++, item = item->next)
        if (!settings_text(item, &items[i], pool, err)) return false;
    *list = (struct text_list){items, count};
    return true;
}

static bool read_one(const struct yaml_node *node, const struct setting *s, void *into, struct text_pool *pool, struct error *err)
{
    void  *member = (char *)into + s->offset;
    size_t choice = 0;
    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_SECRET: return settings_text(node, member, pool, err);
    case SETTING_FILE: return read_file_setting(node, member, pool, err);
    case SETTING_TEXTS:
    case SETTING_SECRETS: return read_texts(node, member, pool, err);
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_DURATION: return read_quantity(node, s, member, err);
    case SETTING_BOOL: return yaml_bool(node, member, err);
    case SETTING_CHOICE:
        if (!yaml_choice(node, s->name, s->choices, &choice, err)) return false;
        *(int *)member = (int)choice;
        return true;
    }
    return false;
}

/* Defaults are written by us: one that cannot be read is our bug. */
static void set_default(const struct setting *s, void *into, struct text_pool *pool)
{
    void *member = (char *)into + s->offset;
    if (s->standard == NULL) return;
    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_SECRET: *(const char **)member = s->standard; break;
    case SETTING_FILE: CHECK(false && "a file has no default"); break;
    case SETTING_TEXTS:
    case SETTING_SECRETS: {
        const char **items = pool_list(pool, 1);
        items[0] = s->standard;
        *(struct text_list *)member = (struct text_list){items, 1};
        break;
    }
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_DURATION: CHECK(parse_quantity(s->standard, units_of(s->type), member)); break;
    case SETTING_BOOL: *(bool *)member = strcmp(s->standard, "true") == 0; break;
    case SETTING_CHOICE: {
        int i = 0;
        while (s->choices[i] != NULL && strcmp(s->choices[i], s->standard) != 0) i++;
        CHECK(s->choices[i] != NULL);
        *(int *)member = i;
        break;
    }
    }
}

static size_t add_names(const char **names, size_t count, const struct setting *table)
{
    for (const struct setting *s = table; s->name != NULL; s++) {
        CHECK(count < MOST_NAMES);
        names[count++] = s->name;
    }
    return count;
}

/* Every key of the mapping is one of the names. */
static bool read_keys(const struct yaml_node *mapping, const char *const *names, struct mistakes *m)
{
    bool   known = true;
    size_t index;
    for (const struct yaml_node *node = mapping->first; node != NULL; node = node->next)
        known = yaml_choice(node->key, "key", names, &index, mistake(m)) && known;
    return known;
}

/* A setting that is missing is no mistake of its own where a key is unknown: that may be it, misspelt. */
static bool read_values(const struct yaml_node *mapping, const struct setting *table, void *into, bool known,
                        struct text_pool *pool, struct mistakes *m)
{
    bool sound = true;
    for (const struct setting *s = table; s->name != NULL; s++) {
        const struct yaml_node *node = mapping != NULL ? yaml_find(mapping, s->name) : NULL;
        if (node != NULL) {
            sound = read_one(node, s, into, pool, mistake(m)) && sound;
        } else if (!s->required) {
            set_default(s, into, pool);
        } else {
            sound = false;
            if (mapping == NULL) error_set(mistake(m), ERROR_USAGE, "'%s' is missing", s->name);
            else if (known) yaml_fail(mapping, mistake(m), "'%s' is missing: %s", s->name, s->help);
        }
    }
    return sound && known;
}

bool settings_read(const struct yaml_node *mapping, const struct setting *table, const char *const *others, void *into,
                   struct text_pool *pool, struct mistakes *m)
{
    const char *names[MOST_NAMES + 1];
    size_t      count = add_names(names, 0, table);
    for (; *others != NULL; others++) {
        CHECK(count < MOST_NAMES);
        names[count++] = *others;
    }
    names[count] = NULL;
    if (mapping != NULL && !yaml_expect(mapping, YAML_MAPPING, mistake(m))) return false;
    return read_values(mapping, table, into, mapping == NULL || read_keys(mapping, names, m), pool, m);
}

bool settings_read_two(const struct yaml_node *mapping, const struct setting *first, void *first_into,
                       const struct setting *second, void *second_into, const char *other, struct text_pool *pool,
                       struct mistakes *m)
{
    const char *names[MOST_NAMES + 1] = {other};
    size_t      count = add_names(names, add_names(names, 1, first), second);
    names[count] = NULL;
    if (!yaml_expect(mapping, YAML_MAPPING, mistake(m))) return false;
    bool known = read_keys(mapping, names, m), sound = read_values(mapping, first, first_into, known, pool, m);
    return read_values(mapping, second, second_into, known, pool, m) && sound;
}

/* --- Comparing ------------------------------------------------------------------------------------------------------------ */

static bool texts_equal(const char *a, const char *b) { return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0); }

static bool lists_equal(const struct text_list *a, const struct text_list *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!texts_equal(a->items[i], b->items[i])) return false;
    return true;
}

static bool one_equal(const struct setting *s, const void *a, const void *b)
{
    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_SECRET: return texts_equal(*(const char *const *)a, *(const char *const *)b);
    case SETTING_FILE: return files_equal(*(const char *const *)a, *(const char *const *)b);
    case SETTING_TEXTS:
    case SETTING_SECRETS: return lists_equal(a, b);
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_DURATION: return *(const uint64_t *)a == *(const uint64_t *)b;
    case SETTING_BOOL: return *(const bool *)a == *(const bool *)b;
    case SETTING_CHOICE: return *(const int *)a == *(const int *)b;
    }
    return false;
}

bool settings_equal(const struct setting *table, const void *a, const void *b)
{
    for (const struct setting *s = table; s->name != NULL; s++)
        if (!one_equal(s, (const char *)a + s->offset, (const char *)b + s->offset)) return false;
    return true;
}

/* --- Showing -------------------------------------------------------------------------------------------------------------- */

static void describe_texts(const struct text_list *list, FILE *out)
{
    for (size_t i = 0; i < list->count; i++) fprintf(out, "%s%s", i > 0 ? ", " : "", list->items[i]);
    fputc('\n', out);
}

void settings_describe(const struct setting *table, const void *from, FILE *out)
{
    for (const struct setting *s = table; s->name != NULL; s++) {
        const void *member = (const char *)from + s->offset;
        const char *text = s->type <= SETTING_SECRET ? *(const char *const *)member : "";
        char        quantity[32];
        bool        list = s->type == SETTING_TEXTS || s->type == SETTING_SECRETS;
        if (text == NULL || (list && ((const struct text_list *)member)->count == 0)) continue;
        fprintf(out, "    %-22s ", s->name);
        switch (s->type) {
        case SETTING_TEXT:
        case SETTING_FILE: fprintf(out, "%s\n", text); break;
        case SETTING_SECRET:
        case SETTING_SECRETS: fputs("(given)\n", out); break;
        case SETTING_TEXTS: describe_texts(member, out); break;
        case SETTING_NUMBER:
        case SETTING_BYTES:
        case SETTING_DURATION:
            print_quantity(quantity, s->type, *(const uint64_t *)member);
            fprintf(out, "%s\n", quantity);
            break;
        case SETTING_BOOL: fprintf(out, "%s\n", *(const bool *)member ? "true" : "false"); break;
        case SETTING_CHOICE: fprintf(out, "%s\n", s->choices[*(const int *)member]); break;
        }
    }
}
