/* From YAML to compiled rules: reading, checking, compiling. Runs once, at start. */
#include "redaction/rules_priv.h"

#include "base/nearest.h"
#include "redaction/yaml.h"

#define UNTIL_MAX 1024

static const char *const class_names[] = {
#define RULE_CLASS(id, text) text,
#include "redaction/rule_classes.def"
    NULL};

static const char *const action_names[] = {"keep", "truncate", "pseudonym", "mask", "drop", NULL};

/* --- Classes of characters ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *set;
} charsets[] = {
    {"alnum", "[A-Za-z0-9]"},         {"base64", "[A-Za-z0-9+/]"},     {"base64url", "[A-Za-z0-9_-]"},
    {"hex", "[0-9A-Fa-f]"},           {"digit", "[0-9]"},              {"lower", "[a-z0-9]"},
    {"upper", "[A-Z0-9]"},            {"base32", "[a-z2-7]"},          {"secret", "[A-Za-z0-9_.~-]"},
    {"token", "[A-Za-z0-9._~+/=-]"},  {"base64-encoded", "[A-Za-z0-9+/=%_-]"},
    {"value", "[^\\s\"'`;,&<>()[\\]{}|\\\\]"},
    {NULL, NULL},
};

static unsigned char escaped(char c) { return (unsigned char)(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c); }

/* `text` is a bracket expression. False: it is none, or a range runs backwards. */
static bool parse_brackets(struct slice text, struct charset *set)
{
    size_t at = 1, end = text.len - 1;
    if (text.len < 3 || text.data[0] != '[' || text.data[end] != ']') return false;
    bool negated = text.data[1] == '^';
    for (at += negated; at < end; at++) {
        unsigned char low = (unsigned char)text.data[at];
        if (low == '\\' && at + 1 < end) {
            if (text.data[++at] == 's') {
                for (const char *space = " \t\r\n\v\f"; *space; space++) charset_add(set, (unsigned char)*space);
                continue;
            }
            low = escaped(text.data[at]);
        }
        unsigned char high = low;
        if (at + 2 < end && text.data[at + 1] == '-') high = (unsigned char)text.data[at += 2];
        if (high < low) return false;
        for (unsigned c = low; c <= high; c++) charset_add(set, (unsigned char)c);
    }
    for (size_t i = 0; negated && i < sizeof set->bits; i++) set->bits[i] = (uint8_t)~set->bits[i];
    return true;
}

static bool read_charset(const struct yaml_node *node, struct charset *set, struct error *err)
{
    struct slice text;
    if (!yaml_text(node, &text, err)) return false;
    for (size_t i = 0; charsets[i].name; i++)
        if (slice_equal(text, slice_from(charsets[i].name))) text = slice_from(charsets[i].set);
    return parse_brackets(text, set) || yaml_fail(node, err, "neither the name of a class of characters nor [...]");
}

/* {class: ..., <size_key>: ...}, for a gap with min, too */
static bool read_reach(const struct yaml_node *node, const char *size_key, struct charset *set, uint32_t *size,
                       uint32_t *least, struct error *err)
{
    const char *const keys[] = {"class", size_key, least ? "min" : NULL, NULL};
    if (!yaml_keys(node, keys, err)) return false;
    const struct yaml_node *class = yaml_find(node, "class"), *count = yaml_find(node, size_key);
    if (!class || !count) return yaml_fail(node, err, "wants class and %s", size_key);
    long number = 0;
    if (!read_charset(class, set, err) || !yaml_integer(count, 1, 1000000, &number, err)) return false;
    *size = (uint32_t)number;
    const struct yaml_node *min = least ? yaml_find(node, "min") : NULL;
    if (min && !yaml_integer(min, 0, number, &number, err)) return false;
    if (min) *least = (uint32_t)number;
    return true;
}

/* --- Patterns ----------------------------------------------------------------------------------------------------------- */

static size_t alternatives_literal(const char **at);

static void skip_class(const char **at)
{
    const char *p = *at + 1;
    if (*p == '^') p++;
    if (*p == ']') p++;
    while (*p && *p != ']') p += *p == '\\' && p[1] ? 2 : 1;
    *at = *p ? p + 1 : p;
}

/* Skips a quantifier; returns the least number of repetitions. */
static int skip_quantifier(const char **at, bool *present)
{
    *present = strchr("?*+{", **at) && **at;
    if (!*present) return 1;
    int least = **at == '?' || **at == '*' ? 0 : **at == '{' ? (int)strtol(*at + 1, NULL, 10) : 1;
    if (**at == '{')
        while (**at && **at != '}') ++*at;
    if (**at) ++*at;
    return least;
}

/* The longest run of literal characters that every match of this sequence holds. */
static size_t sequence_literal(const char **at)
{
    size_t best = 0, run = 0;
    while (**at && **at != '|' && **at != ')') {
        bool literal = false, quantified;
        size_t inner = 0;
        if (**at == '(') {
            *at += (*at)[1] == '?' && (*at)[2] == ':' ? 3 : 1;
            inner = alternatives_literal(at);
            if (**at == ')') ++*at;
        } else if (**at == '[') {
            skip_class(at);
        } else {
            bool escape = **at == '\\' && (*at)[1];
            literal = escape ? !strchr("dDwWsSbBAzZ", (*at)[1]) : **at != '.';
            *at += escape ? 2 : 1;
        }
        int least = skip_quantifier(at, &quantified);
        run = literal && least > 0 ? run + 1 : 0;
        if (least > 0 && inner > best) best = inner;
        if (run > best) best = run;
        if (quantified) run = 0;
    }
    return best;
}

static size_t alternatives_literal(const char **at)
{
    size_t least = sequence_literal(at);
    while (**at == '|') {
        ++*at;
        size_t next = sequence_literal(at);
        if (next < least) least = next;
    }
    return least;
}

bool pattern_has_literal(const char *pattern) { return alternatives_literal(&pattern) >= 3; }

static unsigned flags_of(bool caseless) { return caseless ? HS_FLAG_CASELESS : 0; }

static bool check_pattern(struct rule *rule, const struct yaml_node *node, struct error *err)
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *fault = NULL;
    bool ok = true;
    if (hs_expression_info(rule->pattern, flags_of(rule->caseless), &info, &fault) != HS_SUCCESS)
        ok = yaml_fail(node, err, "the pattern does not compile: %s", fault ? fault->message : "no memory");
    else if (info->min_width == 0)
        ok = yaml_fail(node, err, "the pattern matches the empty text");
    else if (info->max_width == UINT32_MAX)
        ok = yaml_fail(node, err, "the pattern has no greatest width: end it in a fixed tail and use extend");
    else if (info->min_width != info->max_width && rule->keep != RULE_KEEP_ALL)
        ok = yaml_fail(node, err, "the pattern matches texts of %u to %u bytes: one width is needed, or keep: all",
                       info->min_width, info->max_width);
    else if (!pattern_has_literal(rule->pattern))
        ok = yaml_fail(node, err, "no usable literal: three characters in a row that stand in every match are needed");
    else if (info->min_width != info->max_width && rule->boundary_left)
        ok = yaml_fail(node, err, "a boundary on the left needs a pattern of one width");
    if (ok) rule->width = info->min_width == info->max_width ? info->min_width : 0;
    free(info);
    hs_free_compile_error(fault);
    return ok;
}

/* --- One rule ------------------------------------------------------------------------------------------------------------- */

struct loader {
    struct rules *set;
    struct error *err;
};

static const char *const rule_keys[] = {
    "id", "title", "class", "pattern", "find", "caseless", "keep", "gap", "before", "extend", "until", "length", "boundary",
    "verify", "action", "confidence", "references", "match", "nomatch", NULL};

static char *keep_text(struct loader *l, struct slice text)
{
    char *copy = arena_take(&l->set->arena, text.len + 1);
    if (!copy) {
        error_set(l->err, ERROR_MEMORY, "no memory for the rule catalogue");
        return NULL;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

static bool read_id(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    struct slice text;
    if (!yaml_text(node, &text, l->err)) return false;
    for (size_t i = 0; i < text.len; i++)
        if (!(text.data[i] >= 'a' && text.data[i] <= 'z') && !ascii_is_digit(text.data[i]) && text.data[i] != '-')
            return yaml_fail(node, l->err, "an id is made of a-z, 0-9 and dashes");
    if (text.len > 48) return yaml_fail(node, l->err, "an id has at most 48 characters");
    for (size_t i = 0; i < l->set->count; i++)
        if (slice_equal(text, slice_from(l->set->all[i].view.id)))
            return yaml_fail(node, l->err, "the id '%s' is taken: %s:%d", text.data, l->set->all[i].view.file,
                             l->set->all[i].view.line);
    return (rule->view.id = keep_text(l, text)) != NULL;
}

static bool read_finder(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    const char *names[FINDER_MAX + 1] = {NULL};
    size_t index = 0;
    for (size_t i = 0; finders[i].name; i++) names[i] = finders[i].name;
    if (!yaml_choice(node, "finder", names, &index, l->err)) return false;
    rule->finder = &finders[index];
    for (size_t i = 0; i < l->set->count; i++)
        if (l->set->all[i].finder == rule->finder) return yaml_fail(node, l->err, "this finder has a rule already");
    return true;
}

static bool read_keep(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    long number = 0;
    if (node->type == YAML_SCALAR && slice_equal(node->text, SLICE("all"))) {
        rule->keep = RULE_KEEP_ALL;
        return true;
    }
    if (!yaml_integer(node, 0, 1000, &number, l->err)) return false;
    rule->keep = (uint32_t)number;
    return true;
}

static bool read_length(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    long low = 0, high = 0;
    if (!yaml_expect(node, YAML_SEQUENCE, l->err)) return false;
    if (node->count != 2) return yaml_fail(node, l->err, "length wants the least and the greatest");
    if (!yaml_integer(node->first, 1, 10000000, &low, l->err)) return false;
    if (!yaml_integer(node->first->next, low, 10000000, &high, l->err)) return false;
    rule->length_min = (uint32_t)low;
    rule->length_max = (uint32_t)high;
    return true;
}

static bool read_until(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    struct slice text;
    if (!yaml_text(node, &text, l->err)) return false;
    for (size_t i = 0; i < text.len; i++) charset_add(&rule->until, (unsigned char)text.data[i]);
    return rule->has_until = true;
}

static bool read_boundary(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    static const char *const names[] = {"none", "left", "right", "both", NULL};
    size_t index = 0;
    if (!yaml_choice(node, "boundary", names, &index, l->err)) return false;
    rule->boundary_left = index & 1;
    rule->boundary_right = index & 2;
    return true;
}

static bool read_check(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    struct slice text;
    if (!yaml_text(node, &text, l->err)) return false;
    const char *blank = memchr(text.data, ' ', text.len);
    struct slice name = slice_of(text.data, blank ? (size_t)(blank - text.data) : text.len);
    struct check check = {.verifier = verifier_find(name)};
    if (!check.verifier) {
        const char *names[64] = {NULL};
        for (size_t i = 0; verifiers[i].name && i < 63; i++) names[i] = verifiers[i].name;
        const char *nearest = nearest_name(name, names);
        return yaml_fail(node, l->err, "unknown verifier '%.*s'%s%s%s", (int)name.len, name.data,
                         nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    char *end = NULL;
    if (blank) check.argument = strtod(blank, &end);
    if (blank ? *check.verifier->argument == '\0' : *check.verifier->argument != '\0')
        return yaml_fail(node, l->err, "'%s' wants %s", check.verifier->name,
                         *check.verifier->argument ? check.verifier->argument : "no argument");
    if (blank && end != text.data + text.len) return yaml_fail(node, l->err, "the argument must be a number");
    if (rule->check_count == RULE_MAX_VERIFIERS)
        return yaml_fail(node, l->err, "at most %d verifiers", RULE_MAX_VERIFIERS);
    rule->checks[rule->check_count++] = check;
    return true;
}

static bool read_checks(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    if (!yaml_expect(node, YAML_SEQUENCE, l->err)) return false;
    for (const struct yaml_node *child = node->first; child; child = child->next)
        if (!read_check(l, rule, child)) return false;
    return true;
}

static bool read_examples(struct loader *l, const struct yaml_node *node, struct slice *out, size_t *count, bool matching)
{
    if (!yaml_expect(node, YAML_SEQUENCE, l->err)) return false;
    if (node->count == 0 || node->count > RULE_MAX_EXAMPLES)
        return yaml_fail(node, l->err, "from 1 to %d examples are wanted", RULE_MAX_EXAMPLES);
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        struct slice text;
        size_t len;
        uint32_t from, to;
        if (!yaml_text(child, &text, l->err)) return false;
        char *copy = keep_text(l, text), *plain = copy ? keep_text(l, text) : NULL;
        if (!plain) return false;
        if (matching && !example_parse(text, plain, &len, &from, &to))
            return yaml_fail(child, l->err, "the secret must stand between one \xe2\x9f\xa6 and one \xe2\x9f\xa7");
        out[(*count)++] = slice_of(copy, text.len);
    }
    return true;
}

static bool read_references(struct loader *l, struct rule *rule, const struct yaml_node *node)
{
    if (!yaml_expect(node, YAML_SEQUENCE, l->err)) return false;
    if (node->count == 0) return yaml_fail(node, l->err, "at least one reference is wanted");
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        struct slice text;
        if (!yaml_text(child, &text, l->err)) return false;
        if (text.len < 9 || memcmp(text.data, "https://", 8) != 0)
            return yaml_fail(child, l->err, "a reference begins with https://");
        if (rule->view.reference == NULL && (rule->view.reference = keep_text(l, text)) == NULL) return false;
    }
    return true;
}

static bool read_view(struct loader *l, struct rule *rule, const struct yaml_node *map)
{
    static const char *const confidences[] = {"medium", "high", NULL};
    struct slice title;
    size_t class = 0, action, confidence = 1;
    if (!read_id(l, rule, yaml_find(map, "id")) || !yaml_text(yaml_find(map, "title"), &title, l->err)) return false;
    if (!(rule->view.title = keep_text(l, title))) return false;
    if (!yaml_choice(yaml_find(map, "class"), "class", class_names, &class, l->err)) return false;
    rule->view.class_ = (enum rule_class)class;
    action = class == RULE_CLASS_RUN_ID || class == RULE_CLASS_INSTRUMENTATION_KEY ? ACTION_PSEUDONYM : ACTION_MASK;
    const struct yaml_node *node = yaml_find(map, "action");
    if (node && !yaml_choice(node, "action", action_names, &action, l->err)) return false;
    rule->view.action = (enum rule_action)action;
    node = yaml_find(map, "confidence");
    if (node && !yaml_choice(node, "confidence", confidences, &confidence, l->err)) return false;
    rule->view.high_confidence = confidence == 1;
    return true;
}

static bool read_reaches(struct loader *l, struct rule *rule, const struct yaml_node *map)
{
    const struct yaml_node *node;
    if ((node = yaml_find(map, "keep")) && !read_keep(l, rule, node)) return false;
    if ((node = yaml_find(map, "gap"))) {
        if (rule->keep != RULE_KEEP_ALL) return yaml_fail(node->key, l->err, "a gap needs keep: all");
        if (!read_reach(node, "max", &rule->gap, &rule->gap_max, &rule->gap_min, l->err)) return false;
    }
    if ((node = yaml_find(map, "before"))) {
        if (rule->keep != 0) return yaml_fail(node->key, l->err, "before and keep exclude one another");
        if (!read_reach(node, "count", &rule->before, &rule->before_count, NULL, l->err)) return false;
    }
    if ((node = yaml_find(map, "extend"))) {
        if (!read_reach(node, "max", &rule->extend, &rule->extend_max, NULL, l->err)) return false;
        rule->extends = true;
    }
    if ((node = yaml_find(map, "until"))) {
        if (rule->extends) return yaml_fail(node->key, l->err, "extend and until exclude one another");
        if (!read_until(l, rule, node)) return false;
    }
    if (rule->keep == RULE_KEEP_ALL && !rule->extends && !rule->has_until)
        return yaml_fail(map, l->err, "with keep: all, extend or until must say what the secret is");
    return true;
}

static bool read_matching(struct loader *l, struct rule *rule, const struct yaml_node *map)
{
    const struct yaml_node *pattern = yaml_find(map, "pattern"), *find = yaml_find(map, "find"), *node;
    struct slice text;
    if (!pattern == !find) return yaml_fail(map, l->err, "one of pattern and find is wanted");
    if (find) return read_finder(l, rule, find);
    if (!yaml_text(pattern, &text, l->err) || !(rule->pattern = keep_text(l, text))) return false;
    if ((node = yaml_find(map, "caseless")) && !yaml_bool(node, &rule->caseless, l->err)) return false;
    if ((node = yaml_find(map, "boundary")) && !read_boundary(l, rule, node)) return false;
    if (!read_reaches(l, rule, map) || !check_pattern(rule, pattern, l->err)) return false;
    if (rule->keep != RULE_KEEP_ALL && rule->keep >= rule->width)
        return yaml_fail(yaml_find(map, "keep"), l->err, "keep leaves nothing of the match: write keep: all");
    return true;
}

static bool read_rule(struct loader *l, struct rule *rule, const struct yaml_node *map, const char *file)
{
    static const char *const required[] = {"id", "title", "class", "references", "match", "nomatch"};
    const struct yaml_node *node;
    if (!yaml_keys(map, rule_keys, l->err)) return false;
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!yaml_find(map, required[i])) return yaml_fail(map, l->err, "the rule lacks '%s'", required[i]);
    *rule = (struct rule){.length_min = 1, .length_max = UINT32_MAX, .view = {.file = file, .line = (int)map->line}};
    if (!read_view(l, rule, map) || !read_matching(l, rule, map)) return false;
    if ((node = yaml_find(map, "length")) && !read_length(l, rule, node)) return false;
    if (node && rule->has_until && rule->length_max > UNTIL_MAX)
        return yaml_fail(node, l->err, "with until, the greatest length is at most %d", UNTIL_MAX);
    if ((node = yaml_find(map, "verify")) && !read_checks(l, rule, node)) return false;
    if (!read_references(l, rule, yaml_find(map, "references"))) return false;
    if (!read_examples(l, yaml_find(map, "match"), rule->match, &rule->match_count, true)) return false;
    if (!read_examples(l, yaml_find(map, "nomatch"), rule->nomatch, &rule->nomatch_count, false)) return false;
    char *plain = keep_text(l, rule->match[0]);
    uint32_t from, to;
    if (!plain) return false;
    CHECK(example_parse(rule->match[0], plain, &rule->view.example.len, &from, &to));
    rule->view.example.data = plain;
    return true;
}

bool example_parse(struct slice example, char *text, size_t *len, uint32_t *from, uint32_t *to)
{
    static const char open[] = "\xe2\x9f\xa6", close[] = "\xe2\x9f\xa7";
    const char *left = memmem(example.data, example.len, open, 3);
    const char *right = left ? memmem(left + 3, example.len - (size_t)(left + 3 - example.data), close, 3) : NULL;
    if (!right || right == left + 3) return false;
    size_t head = (size_t)(left - example.data), secret = (size_t)(right - left - 3);
    size_t tail = example.len - head - secret - 6;
    if (memmem(right + 3, tail, open, 3) || memmem(right + 3, tail, close, 3)) return false;
    memcpy(text, example.data, head);
    memcpy(text + head, left + 3, secret);
    memcpy(text + head + secret, right + 3, tail);
    *len = head + secret + tail;
    *from = (uint32_t)head;
    *to = (uint32_t)(head + secret);
    return true;
}

/* --- The set -------------------------------------------------------------------------------------------------------------- */

static bool read_source(struct rules *set, const struct rule_source *source, struct error *err)
{
    struct loader l = {set, err};
    struct yaml_document *document = yaml_read(source->name, slice_of((const char *)source->data, source->len), err);
    if (!document) return false;
    const struct yaml_node *root = yaml_root(document);
    char *file = keep_text(&l, slice_from(source->name));
    bool ok = file && (!root || yaml_expect(root, YAML_SEQUENCE, err));
    for (const struct yaml_node *node = ok && root ? root->first : NULL; ok && node; node = node->next) {
        if (set->count == RULES_MAX) ok = yaml_fail(node, err, "at most %d rules", RULES_MAX);
        else if ((ok = read_rule(&l, &set->all[set->count], node, file))) set->count++;
    }
    yaml_free(document);
    return ok;
}

#define ALTERNATIVES_MAX 64   /* of an extra pattern */

static void add_pattern(struct pattern_set *to, const char *pattern, bool caseless, size_t number)
{
    to->patterns[to->count] = pattern;
    to->flags[to->count] = flags_of(caseless);
    to->numbers[to->count++] = (unsigned)number;
}

/* Where the alternative of a group that begins at `at` ends: at a '|' or at the ')' of the group. */
static const char *alternative_end(const char *at)
{
    for (int depth = 0; depth > 0 || (*at != '|' && *at != ')');) {
        CHECK(*at != '\0');
        if (*at == '[') {
            skip_class(&at);
            continue;
        }
        depth += (*at == '(') - (*at == ')');
        at += *at == '\\' ? 2 : 1;
    }
    return at;
}

/* "(a|b)rest" as the patterns "arest" and "brest" of one number. As one pattern Vectorscan makes an automaton of it that every
 * word starts, which takes twice as long; a mere list of words it knows to take apart. */
static bool add_alternatives(struct rules *set, const struct extra_pattern *extra, size_t number)
{
    const char *close = extra->pattern + 1, *end;
    while (*extra->pattern == '(' && *(close = alternative_end(close)) == '|') close++;
    if (*extra->pattern != '(' || close[1] == '\0') {
        add_pattern(&set->compiled, extra->pattern, extra->caseless, number);
        return true;
    }
    for (const char *at = extra->pattern + 1; at <= close; at = end + 1) {
        end = alternative_end(at);
        size_t len = (size_t)(end - at), rest = strlen(close + 1) + 1;
        char *pattern = arena_take(&set->arena, len + rest);
        if (pattern == NULL) return false;
        memcpy(pattern, at, len);
        memcpy(pattern + len, close + 1, rest);
        add_pattern(&set->compiled, pattern, extra->caseless, number);
    }
    return true;
}

static bool gather_patterns(struct rules *set, const struct extra_pattern *extra, size_t extra_count)
{
    struct pattern_set *to = &set->compiled;
    size_t room = set->count + extra_count * ALTERNATIVES_MAX + 1;
    to->patterns = arena_take(&set->arena, room * sizeof *to->patterns);
    to->flags = arena_take(&set->arena, room * sizeof *to->flags);
    to->numbers = arena_take(&set->arena, room * sizeof *to->numbers);
    if (to->patterns == NULL || to->flags == NULL || to->numbers == NULL) return false;
    for (size_t i = 0; i < set->count; i++)
        if (set->all[i].enabled && set->all[i].pattern) add_pattern(to, set->all[i].pattern, set->all[i].caseless, i);
    for (size_t i = 0; i < extra_count; i++)
        if (!add_alternatives(set, &extra[i], set->count + i)) return false;
    CHECK(to->count < room);
    return true;
}

static bool compile(struct rules *set, const struct extra_pattern *extra, size_t extra_count, struct error *err)
{
    hs_compile_error_t *fault;
    if (!gather_patterns(set, extra, extra_count)) return error_set(err, ERROR_MEMORY, "no memory for the rule catalogue");
    if (set->compiled.count == 0 || (set->database = database_of(&set->compiled, &fault)) != NULL) return true;
    int at = fault ? fault->expression : -1;
    const struct rule *rule = at >= 0 && set->compiled.numbers[at] < set->count ? &set->all[set->compiled.numbers[at]] : NULL;
    error_set(err, ERROR_USAGE, "%s:%d: the rules do not compile: %s", rule ? rule->view.file : "rules",
              rule ? rule->view.line : 0, fault ? fault->message : "no memory");
    hs_free_compile_error(fault);
    return false;
}

struct rules *rules_load_sources(const struct rule_source *sources, rule_enabled_function *enabled, const void *context,
                                 const struct extra_pattern *extra, size_t extra_count, struct error *err)
{
    struct rules *set = calloc(1, sizeof *set);
    if (!set) {
        error_set(err, ERROR_MEMORY, "no memory for the rule catalogue");
        return NULL;
    }
    arena_init(&set->arena, 256 * 1024, 64 * 1024 * 1024);
    CHECK(extra_count <= EXTRA_PATTERNS_MAX);
    for (size_t i = 0; i < extra_count; i++) set->tails[i] = extra[i].tail;
    bool ok = (set->all = arena_take(&set->arena, RULES_MAX * sizeof *set->all)) != NULL;
    if (!ok) error_set(err, ERROR_MEMORY, "no memory for the rule catalogue");
    for (size_t i = 0; ok && sources[i].name; i++) ok = read_source(set, &sources[i], err);
    for (size_t i = 0; ok && i < set->count; i++) {
        struct rule *rule = &set->all[i];
        rule->enabled = !enabled || enabled(context, rule->view.id, rule->view.class_);
        if (rule->enabled && rule->finder) set->by_finder[rule->finder - finders] = (uint32_t)i + 1;
    }
    if (ok && compile(set, extra, extra_count, err) && rules_check_matcher(set, extra, extra_count, err)) return set;
    rules_free(set);
    return NULL;
}

struct rules *rules_load(rule_enabled_function *enabled, const void *context,
                         const struct extra_pattern *extra, size_t extra_count, struct error *err)
{
    return rules_load_sources(rule_sources, enabled, context, extra, extra_count, err);
}
