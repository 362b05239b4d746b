#include "policy_tests.h"

#include "console.h"
#include "parser/framing.h"
#include "redaction/yaml.h"
#include "text.h"

#include <arpa/inet.h>

#define BATCH_EXTRA (256 * 1024)
#define MAX_LABELS 16   /* in one test */

static const char *const file_keys[] = {"policy", "tests", NULL};
static const char *const test_keys[] = {"name", "record", "becomes", "unchanged", "withheld", NULL};

static const char *const refusal_names[] = {
#define REFUSAL(id, text, explanation) text,
#include "base/refusals.def"
    NULL,
};

/* --- Redacting a text --------------------------------------------------------------------------------------------------- */

/* What redacts the records of one file's tests. */
struct bench {
    struct keyring  *keyring;
    struct plan     *plan;
    struct redactor *redactor;
    struct encoder  *encoder;
    struct framer   *framer;
    struct batch     batch;
    struct encoded   part;
};

struct outcome {
    struct encoded text;
    size_t         records, spans, withheld;
    enum refusal   refusal;   /* of the last one withheld */
};

static bool bench_open(struct bench *b, const char *policy, struct error *err)
{
    const struct redactor_options redaction = {.max_record = REDACTION_MAX_RECORD, .max_depth = PARSER_DEFAULT_DEPTH};
    *b = (struct bench){.keyring = keyring_ephemeral(err)};
    if (b->keyring != NULL) b->plan = plan_new(policy, b->keyring, err);
    if (b->plan != NULL) b->redactor = redactor_new(b->plan, &redaction, err);
    if (b->redactor == NULL) return false;
    b->encoder = encoder_new(FORMAT_ORIGINAL, false);
    b->framer = framer_new(&(struct framer_options){.max_document = REDACTION_MAX_RECORD});
    return (b->encoder != NULL && b->framer != NULL && batch_init(&b->batch, REDACTION_MAX_RECORD + BATCH_EXTRA)) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static void bench_close(struct bench *b)
{
    if (b->framer != NULL) framer_free(b->framer);
    encoder_free(b->encoder);
    redactor_free(b->redactor);
    if (b->plan != NULL) plan_free(b->plan);
    if (b->keyring != NULL) keyring_free(b->keyring);
    batch_release(&b->batch);
    encoded_release(&b->part);
}

static ptrdiff_t read_slice(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct slice *left = context;
    size_t        len = left->len < capacity ? left->len : capacity;
    (void)err;
    if (len > 0) memcpy(buffer, left->data, len);
    *left = slice_sub(*left, len, left->len);
    return (ptrdiff_t)len;
}

static void count_batch(struct outcome *o, const struct clean_batch *clean)
{
    o->records += clean->count;
    for (size_t i = 0; i < clean->count; i++) o->spans += clean->records[i].span_count;
    o->withheld += clean->withheld_count;
    if (clean->withheld_count > 0) o->refusal = clean->withheld[clean->withheld_count - 1].refusal;
}

static bool redact(struct bench *b, struct slice record, struct outcome *o, struct error *err)
{
    struct text t = {.out = &o->text};
    enum fill   filled;
    framer_reset(b->framer, (struct byte_source){read_slice, &record});
    do {
        batch_clear(&b->batch);
        filled = framer_fill(b->framer, &b->batch, err);
        const struct clean_batch *clean = redact_batch(b->redactor, &b->batch);
        CHECK(clean != NULL);   /* no memory */
        count_batch(o, clean);
        t.failed = t.failed || !encode_batch(b->encoder, clean, &b->part);
        text_add(&t, slice_of(b->part.data, b->part.len));
    } while (filled == FILL_SOME);
    return !t.failed || error_set(err, ERROR_MEMORY, "out of memory");
}

/* --- Comparing -------------------------------------------------------------------------------------------------------------- */

struct label {
    struct slice placeholder, text;
};

struct comparison {
    struct slice record;        /* as it came */
    const char  *key_id;
    struct label labels[MAX_LABELS];
    size_t       label_count;
};

/* The length of the pseudonym that the text begins with, or 0. */
static size_t pseudonym_length(const struct comparison *c, struct slice kind, struct slice text)
{
    char head[64];
    int  len = snprintf(head, sizeof head, "%.*s-%s-", (int)kind.len, kind.data, c->key_id);
    enum { RANDOM = 26 };
    if (text.len < (size_t)len + RANDOM || memcmp(text.data, head, (size_t)len) != 0) return 0;
    for (size_t i = (size_t)len; i < (size_t)len + RANDOM; i++) {
        bool base32 = (text.data[i] >= 'a' && text.data[i] <= 'z') || (text.data[i] >= '2' && text.data[i] <= '7');
        if (!base32) return 0;
    }
    return (size_t)len + RANDOM;
}

/* The length of the longest address that the text begins with and the record does not hold, or 0. */
static size_t address_length(const struct comparison *c, struct slice text)
{
    char          name[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    size_t        len = 0;
    while (len < text.len && len < sizeof name - 1 && memchr("0123456789abcdefABCDEF.:", text.data[len], 24) != NULL) len++;
    for (; len > 0; len--) {
        memcpy(name, text.data, len);
        name[len] = '\0';
        if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) break;
    }
    return len > 0 && memmem(c->record.data, c->record.len, text.data, len) == NULL ? len : 0;
}

/* The placeholder that the expected text begins with, brackets included, or an empty slice. */
static struct slice placeholder_at(struct slice expected)
{
    static const char *const kinds[] = {"run", "user", "name", "ikey", "ip"};
    const char *end = expected.len > 0 && *expected.data == '<' ? memchr(expected.data, '>', expected.len) : NULL;
    if (end == NULL) return (struct slice){0};
    struct slice placeholder = slice_of(expected.data, (size_t)(end - expected.data) + 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len = strlen(kinds[i]);
        bool   named = placeholder.len > len + 1 && memcmp(placeholder.data + 1, kinds[i], len) == 0;
        if (named && (placeholder.data[len + 1] == '>' || placeholder.data[len + 1] == ':')) return placeholder;
    }
    return (struct slice){0};
}

/* Equal labels, equal texts. A placeholder without a label stands for anything of its kind. */
static bool agrees(struct comparison *c, struct slice placeholder, struct slice text)
{
    if (memchr(placeholder.data, ':', placeholder.len) == NULL) return true;
    for (size_t i = 0; i < c->label_count; i++)
        if (slice_equal(c->labels[i].placeholder, placeholder)) return slice_equal(c->labels[i].text, text);
    if (c->label_count < MAX_LABELS) c->labels[c->label_count++] = (struct label){placeholder, text};
    return true;
}

/* Whether a line is what it should be. If not, *at is where in it that shows. */
static bool line_matches(struct comparison *c, struct slice expected, struct slice got, size_t *at)
{
    *at = 0;
    while (expected.len > 0) {
        struct slice rest = slice_sub(got, *at, got.len), placeholder = placeholder_at(expected);
        size_t       wanted = 1, met;
        if (placeholder.len > 0) {
            size_t kind_len = strcspn(placeholder.data + 1, ":>");
            struct slice kind = slice_of(placeholder.data + 1, kind_len);
            wanted = placeholder.len;
            met = slice_equal(kind, SLICE("ip")) ? address_length(c, rest) : pseudonym_length(c, kind, rest);
            if (met > 0 && !agrees(c, placeholder, slice_of(rest.data, met))) met = 0;
        } else
            met = rest.len > 0 && *rest.data == *expected.data;
        if (met == 0) return false;
        *at += met;
        expected = slice_sub(expected, wanted, expected.len);
    }
    return *at == got.len;
}

/* --- Showing ---------------------------------------------------------------------------------------------------------- */

struct printer {
    FILE *out;
    bool  colour;
};

static void print_line(const struct printer *p, const char *sign, const char *code, struct slice line)
{
    struct encoded shown = {0};
    struct text    t = {.out = &shown};
    text_add_shown(&t, line);
    fprintf(p->out, "      %s%s %.*s%s\n", p->colour ? code : "", sign, (int)shown.len, shown.len > 0 ? shown.data : "",
            p->colour ? "\033[0m" : "");
    encoded_release(&shown);
}

static void print_caret(const struct printer *p, struct slice line, size_t at)
{
    int column = 0;
    for (size_t i = 0; i < at; i++) column += ((unsigned char)line.data[i] & 0xc0) != 0x80;
    fprintf(p->out, "        %*s^\n", column, "");
}

static bool take_line(struct slice *text, struct slice *line)
{
    *line = (struct slice){0};
    if (text->len == 0) return false;
    const char *end = memchr(text->data, '\n', text->len);
    size_t      len = end ? (size_t)(end - text->data) : text->len;
    *line = slice_of(text->data, len);
    *text = slice_sub(*text, end ? len + 1 : len, text->len);
    return true;
}

/* Compares line by line; with a printer, shows the lines that differ. */
static bool compare(struct comparison *c, struct slice expected, struct slice got, const struct printer *p)
{
    struct slice wanted, met;
    bool         same = true;
    c->label_count = 0;
    for (;;) {
        bool   more_wanted = take_line(&expected, &wanted), more_met = take_line(&got, &met);
        size_t at = 0;
        if (!more_wanted && !more_met) return same;
        if (more_wanted && more_met && line_matches(c, wanted, met, &at)) continue;
        same = false;
        if (p == NULL) continue;
        if (more_wanted) print_line(p, "-", "\033[31m", wanted);
        if (more_met) print_line(p, "+", "\033[32m", met);
        if (more_wanted && more_met) print_caret(p, met, at);
    }
}

static void print_verdict(const struct printer *p, bool passed, const struct yaml_node *test, struct slice name)
{
    struct encoded shown = {0};
    struct text    t = {.out = &shown};
    const char    *code = passed ? "\033[32m" : "\033[1;31m";
    text_add_shown(&t, slice_from(yaml_name(test->document)));
    text_format(&t, ":%u: ", test->line);
    text_add_shown(&t, name);
    fprintf(p->out, "%s%s%s  %.*s\n", p->colour ? code : "", passed ? "pass" : "FAIL", p->colour ? "\033[0m" : "", (int)shown.len,
            shown.len > 0 ? shown.data : "");
    encoded_release(&shown);
}

static void print_outcome(const struct printer *p, const char *expected, const struct outcome *o)
{
    struct slice got = slice_of(o->text.data, o->text.len), line;
    print_line(p, "-", "\033[31m", slice_from(expected));
    if (o->withheld > 0) fprintf(p->out, "      + (%zu withheld: %s)\n", o->withheld, refusal_text(o->refusal));
    while (take_line(&got, &line)) print_line(p, "+", "\033[32m", line);
    if (o->withheld == 0 && o->text.len == 0) fputs("      + (no record)\n", p->out);
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

static bool is_json_literal(const struct yaml_node *n)
{
    double ignored;
    struct error none = {0};
    if (!n->plain) return false;
    return slice_equal(n->text, SLICE("true")) || slice_equal(n->text, SLICE("false")) || slice_equal(n->text, SLICE("null")) ||
           yaml_number(n, -1e300, 1e300, &ignored, &none);
}

static void add_json(struct text *t, const struct yaml_node *n)
{
    if (n->type == YAML_SCALAR) {
        if (is_json_literal(n)) text_add(t, n->text);
        else text_add_json(t, n->text);
        return;
    }
    bool object = n->type == YAML_MAPPING;
    text_add(t, object ? SLICE("{") : SLICE("["));
    for (const struct yaml_node *child = n->first; child != NULL; child = child->next) {
        if (child != n->first) text_add(t, SLICE(","));
        if (object) {
            text_add_json(t, child->key->text);
            text_add(t, SLICE(":"));
        }
        add_json(t, child);
    }
    text_add(t, object ? SLICE("}") : SLICE("]"));
}

/* A record or a result: a text as it is, without line breaks at its end; a mapping as JSON. */
static bool read_text(const struct yaml_node *n, struct encoded *out, struct error *err)
{
    struct text t = {.out = out};
    if (n->type == YAML_SCALAR) text_add(&t, n->text);
    else add_json(&t, n);
    while (out->len > 0 && out->data[out->len - 1] == '\n') out->len--;
    if (t.failed) return error_set(err, ERROR_MEMORY, "out of memory");
    return out->len > 0 || yaml_fail(n, err, "an empty record");
}

struct policy_test {
    const struct yaml_node *node;
    struct slice            name;
    struct encoded          record, becomes;
    bool                    unchanged, withheld;
    enum refusal            refusal;
};

static bool read_expectation(struct policy_test *t, struct error *err)
{
    const struct yaml_node *becomes = yaml_find(t->node, "becomes"), *unchanged = yaml_find(t->node, "unchanged"),
                           *withheld = yaml_find(t->node, "withheld");
    size_t                  refusal;
    if ((becomes != NULL) + (unchanged != NULL) + (withheld != NULL) != 1)
        return yaml_fail(t->node, err, "a test wants one of becomes, unchanged and withheld");
    if (becomes != NULL) return read_text(becomes, &t->becomes, err);
    if (unchanged != NULL) {
        if (!yaml_bool(unchanged, &t->unchanged, err)) return false;
        return t->unchanged || yaml_fail(unchanged, err, "only 'unchanged: true' makes sense; else say what the record becomes");
    }
    if (!yaml_choice(withheld, "reason", refusal_names, &refusal, err)) return false;
    t->withheld = true;
    t->refusal = (enum refusal)(refusal + REFUSAL_NONE + 1);
    return true;
}

static bool read_test(struct policy_test *t, struct error *err)
{
    if (!yaml_expect(t->node, YAML_MAPPING, err) || !yaml_keys(t->node, test_keys, err)) return false;
    const struct yaml_node *name = yaml_find(t->node, "name"), *record = yaml_find(t->node, "record");
    if (name == NULL || record == NULL) return yaml_fail(t->node, err, "a test wants a name and a record");
    return yaml_text(name, &t->name, err) && read_text(record, &t->record, err) && read_expectation(t, err);
}

static void policy_test_release(struct policy_test *t)
{
    encoded_release(&t->record);
    encoded_release(&t->becomes);
}

/* Reads all tests before the first one runs: a mistake shows at once. */
static bool check_tests(const struct yaml_node *tests, struct error *err)
{
    bool sound = yaml_expect(tests, YAML_SEQUENCE, err);
    for (const struct yaml_node *n = sound ? tests->first : NULL; sound && n != NULL; n = n->next) {
        struct policy_test t = {.node = n};
        sound = read_test(&t, err);
        policy_test_release(&t);
    }
    return sound;
}

/* --- Running ---------------------------------------------------------------------------------------------------------- */

/* Judges what came out and prints the verdict. */
static bool judge(const struct policy_test *t, const struct outcome *o, const char *key_id, const struct printer *p)
{
    struct comparison c = {.record = slice_of(t->record.data, t->record.len), .key_id = key_id};
    struct slice      expected = slice_of(t->becomes.data, t->becomes.len), got = slice_of(o->text.data, o->text.len);
    bool              passed;
    if (t->withheld) passed = o->withheld > 0 && o->records == 0 && o->refusal == t->refusal;
    else if (t->unchanged) passed = o->records > 0 && o->spans == 0 && o->withheld == 0;
    else passed = o->withheld == 0 && compare(&c, expected, got, NULL);
    print_verdict(p, passed, t->node, t->name);
    if (passed) return true;
    if (t->withheld || t->unchanged || o->withheld > 0)
        print_outcome(p, t->withheld ? refusal_text(t->refusal) : t->unchanged ? "(unchanged)" : "(not withheld)", o);
    else
        compare(&c, expected, got, p);
    return false;
}

static bool run_test(struct bench *b, const struct yaml_node *node, const struct printer *p, struct policy_test_counts *counts,
                     struct error *err)
{
    struct policy_test t = {.node = node};
    struct outcome     o = {0};
    bool               ran = read_test(&t, err) && redact(b, slice_of(t.record.data, t.record.len), &o, err);
    if (ran && judge(&t, &o, keyring_id(b->keyring), p)) counts->passed++;
    else if (ran) counts->failed++;
    policy_test_release(&t);
    encoded_release(&o.text);
    return ran;
}

/* The policy's name, or its path from the current folder: to be freed. NULL: no memory. */
static char *policy_path(const char *test_file, struct slice policy)
{
    const char *slash = strrchr(test_file, '/');
    char       *path;
    bool        builtin = slice_equal(policy, SLICE("standard")) || slice_equal(policy, SLICE("hbi"));
    size_t      folder = builtin || policy.data[0] == '/' || slash == NULL ? 0 : (size_t)(slash - test_file) + 1;
    return asprintf(&path, "%.*s%.*s", (int)folder, test_file, (int)policy.len, policy.data) < 0 ? NULL : path;
}

static bool run_file(const struct yaml_document *d, const char *path, const struct printer *p, struct policy_test_counts *counts,
                     struct error *err)
{
    const struct yaml_node *root = yaml_root(d);
    struct slice            name;
    struct bench            b = {0};
    if (root == NULL) return error_set(err, ERROR_USAGE, "%s: there is no test in it", path);
    if (!yaml_expect(root, YAML_MAPPING, err) || !yaml_keys(root, file_keys, err)) return false;
    const struct yaml_node *policy = yaml_find(root, "policy"), *tests = yaml_find(root, "tests");
    if (policy == NULL || tests == NULL) return yaml_fail(root, err, "wants policy and tests");
    if (!yaml_text(policy, &name, err) || !check_tests(tests, err)) return false;
    char *file = policy_path(path, name);
    bool  ran = file != NULL ? bench_open(&b, file, err) : error_set(err, ERROR_MEMORY, "out of memory");
    for (const struct yaml_node *n = tests->first; ran && n != NULL; n = n->next) ran = run_test(&b, n, p, counts, err);
    bench_close(&b);
    free(file);
    return ran;
}

bool policy_tests_run(const char *path, FILE *out, bool colour, struct policy_test_counts *counts, struct error *err)
{
    const struct printer  p = {out, colour};
    struct yaml_document *d = yaml_open(path, err);
    bool                  ran = d != NULL && run_file(d, path, &p, counts, err);
    if (d != NULL) yaml_free(d);
    return ran;
}
