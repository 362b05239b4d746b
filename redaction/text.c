/* Names in free text: `password=...`, `"api_key": "..."`, `Authorization: Bearer ...`, `--token ...`, run names in paths, query
 * parameters. The automaton finds where something may begin; here it is read.
 *
 * Every byte of a text is read a bounded number of times, whatever the text: a weak name's value ends at the first byte
 * that no credential holds, and what has been removed is not read again (`done`). */
#include "redaction/text_priv.h"

#include "redaction/values.h"
#include "redaction/verify.h"
#include "redaction/words.h"

bool text_remove(struct redactor *r, struct reading *t, uint32_t from, uint32_t to, struct finding f)
{
    if (from >= to || !replace_text(r, t->view, t->from + from, t->from + to, f)) return false;
    if (to > t->done) t->done = to;
    return true;
}

/* --- Values ---------------------------------------------------------------------------------------------------------------- */

enum {
    CREDENTIAL_BYTE = 1, ENDS_TOKEN = 2, ENDS_CONNECTION = 4, NAME_BYTE = 8, ENDS_BOTH = ENDS_TOKEN | ENDS_CONNECTION, IN_BOTH = CREDENTIAL_BYTE | NAME_BYTE,
};

static const uint8_t byte_roles[256] = {
    ['\0'] = ENDS_BOTH, ['\t'] = ENDS_BOTH, ['\n'] = ENDS_BOTH, ['\r'] = ENDS_BOTH, [' '] = ENDS_BOTH, ['"'] = ENDS_BOTH, ['\''] = ENDS_BOTH,
    ['<'] = ENDS_BOTH, ['>'] = ENDS_BOTH, [','] = ENDS_TOKEN, [';'] = ENDS_TOKEN, ['&'] = ENDS_TOKEN, [')'] = ENDS_TOKEN, ['}'] = ENDS_TOKEN,
    ['|'] = ENDS_TOKEN, ['`'] = ENDS_TOKEN, ['+'] = CREDENTIAL_BYTE, ['/'] = CREDENTIAL_BYTE, ['_'] = IN_BOTH, ['-'] = IN_BOTH, ['.'] = IN_BOTH,
    ['$'] = IN_BOTH, ['~'] = CREDENTIAL_BYTE, ['%'] = CREDENTIAL_BYTE, ['!'] = CREDENTIAL_BYTE, ['*'] = CREDENTIAL_BYTE, ['@'] = CREDENTIAL_BYTE,
    ['0'] = IN_BOTH, ['1'] = IN_BOTH, ['2'] = IN_BOTH, ['3'] = IN_BOTH, ['4'] = IN_BOTH, ['5'] = IN_BOTH, ['6'] = IN_BOTH, ['7'] = IN_BOTH,
    ['8'] = IN_BOTH, ['9'] = IN_BOTH, ['A'] = IN_BOTH, ['B'] = IN_BOTH, ['C'] = IN_BOTH, ['D'] = IN_BOTH, ['E'] = IN_BOTH, ['F'] = IN_BOTH,
    ['G'] = IN_BOTH, ['H'] = IN_BOTH, ['I'] = IN_BOTH, ['J'] = IN_BOTH, ['K'] = IN_BOTH, ['L'] = IN_BOTH, ['M'] = IN_BOTH, ['N'] = IN_BOTH,
    ['O'] = IN_BOTH, ['P'] = IN_BOTH, ['Q'] = IN_BOTH, ['R'] = IN_BOTH, ['S'] = IN_BOTH, ['T'] = IN_BOTH, ['U'] = IN_BOTH, ['V'] = IN_BOTH,
    ['W'] = IN_BOTH, ['X'] = IN_BOTH, ['Y'] = IN_BOTH, ['Z'] = IN_BOTH, ['a'] = IN_BOTH, ['b'] = IN_BOTH, ['c'] = IN_BOTH, ['d'] = IN_BOTH,
    ['e'] = IN_BOTH, ['f'] = IN_BOTH, ['g'] = IN_BOTH, ['h'] = IN_BOTH, ['i'] = IN_BOTH, ['j'] = IN_BOTH, ['k'] = IN_BOTH, ['l'] = IN_BOTH,
    ['m'] = IN_BOTH, ['n'] = IN_BOTH, ['o'] = IN_BOTH, ['p'] = IN_BOTH, ['q'] = IN_BOTH, ['r'] = IN_BOTH, ['s'] = IN_BOTH, ['t'] = IN_BOTH,
    ['u'] = IN_BOTH, ['v'] = IN_BOTH, ['w'] = IN_BOTH, ['x'] = IN_BOTH, ['y'] = IN_BOTH, ['z'] = IN_BOTH,
};

static bool is_name_byte(char c) { return (byte_roles[(unsigned char)c] & NAME_BYTE) != 0; }

static bool is_credential_byte(char c) { return (byte_roles[(unsigned char)c] & CREDENTIAL_BYTE) != 0; }

static bool ends_token(char c, enum extent extent)
{
    return (byte_roles[(unsigned char)c] & (extent == EXTENT_CONNECTION ? ENDS_CONNECTION : ENDS_TOKEN)) != 0;
}

/* A bracket ends what stands between brackets, not what goes on behind it: "x7)Qe9" is one word. */
static bool closes(struct slice text, uint32_t at)
{
    char c = text.data[at];
    return (c != ')' && c != '}' && c != '>') || at + 1 >= text.len || !is_name_byte(text.data[at + 1]);
}

/* The end of a text that began with `quote`: the next such byte that no backslash escapes, or the end of the line. */
uint32_t text_quoted_end(struct slice text, uint32_t at, char quote)
{
    for (; at < text.len && !is_line_end(text.data[at]); at++) {
        if (text.data[at] == '\\') at++;
        else if (text.data[at] == quote) break;
    }
    return at < text.len ? at : (uint32_t)text.len;
}

/* Whether a sign, which may be an arrow, and blanks stand before text[end). */
static bool is_assigned(struct slice text, uint32_t at, uint32_t end)
{
    while (end > at && is_blank(text.data[end - 1])) end--;
    bool arrow = end > at + 1 && text.data[end - 1] == '>' && text.data[end - 2] == '=';
    return arrow || (end > at && (text.data[end - 1] == '=' || text.data[end - 1] == ':'));
}

static uint32_t unquoted_end(struct slice text, uint32_t at, enum extent extent)
{
    uint32_t end = at;
    if (extent == EXTENT_LINE) {
        while (end < text.len && !is_line_end(text.data[end])) {
            if (ascii_is_quote(text.data[end])) {   /* closes what stands around the header, unless it begins a value in it */
                uint32_t close = is_assigned(text, at, end) ? text_quoted_end(text, end + 1, text.data[end]) : (uint32_t)text.len;
                if (close >= text.len || text.data[close] != text.data[end]) break;
                end = close;
            }
            end++;
        }
        while (end > at && is_blank(text.data[end - 1])) end--;
        return end;
    }
    if (extent == EXTENT_CREDENTIAL) {
        while (end < text.len && is_credential_byte(text.data[end])) end++;
        for (int pad = 0; pad < 2 && end < text.len && text.data[end] == '='; pad++) end++;
        return end;
    }
    while (end < text.len && !(ends_token(text.data[end], extent) && closes(text, end))) end++;
    if (end > at && text.data[end - 1] == '\\') end--;   /* the escape of a quote that follows */
    return end;
}

/* The end of a credential that is removed: what looked like padding at `to` and goes on was none. */
uint32_t text_rest_of_credential(struct slice text, uint32_t to)
{
    while (to > 0 && to < text.len && text.data[to - 1] == '=' && is_credential_byte(text.data[to])) to = unquoted_end(text, to, EXTENT_CREDENTIAL);
    return to;
}

/* Many names in one long run would otherwise each be followed to its end. */
uint32_t text_credential_end(struct reading *t, uint32_t at)
{
    if (at < t->run_from || at >= t->run_end) {
        t->run_from = t->run_end = at;
        while (t->run_end < t->text.len && is_credential_byte(t->text.data[t->run_end])) t->run_end++;
    }
    return unquoted_end(t->text, t->run_end, EXTENT_CREDENTIAL);
}

#define MAX_QUOTES  8     /* that open one text, */
#define MAX_DOUBLED 512   /* and bytes of it in which as many are looked for */

#define MAX_BLANKS 64   /* between a sign and a value in its column, or on the next line */

#define LONGEST_OID 40

/* Over the rule by which a filter of LDAP compares, `:2.5.13.18:=` (RFC 4515); `at` is behind the first colon. */
static uint32_t over_matching_rule(struct slice text, uint32_t at)
{
    uint32_t end = at;
    while (end < text.len && end - at < LONGEST_OID && (ascii_is_digit(text.data[end]) || text.data[end] == '.')) end++;
    return end > at && text.len - end > 2 && memcmp(text.data + end, ":=", 2) == 0 ? end + 2 : at;
}

/* Where the value after a sign begins: over the rest of the sign (`:=`, `==`, `=>`), blanks, a line end before a quote, and
 * what languages write before a quote (`u"`, `["`, `\"`). */
uint32_t text_value_start(struct slice text, uint32_t at)
{
    for (int rest = 0; rest < 3 && at < text.len && (text.data[at] == '=' || text.data[at] == '>' || text.data[at] == ':'); rest++) at++;
    at = over_matching_rule(text, at);
    const uint32_t limit = text.len - at < MAX_BLANKS ? (uint32_t)text.len : at + MAX_BLANKS;
    while (at < limit && is_blank(text.data[at])) at++;
    uint32_t next = at;
    while (next < limit && (is_blank(text.data[next]) || is_line_end(text.data[next]))) next++;
    if (next < text.len && ascii_is_quote(text.data[next])) at = next;
    while (at < text.len && text.data[at] == '\\') at++;   /* before an escaped quote */
    bool before_quote = at + 1 < text.len && ascii_is_quote(text.data[at + 1]);
    return before_quote && memchr("ubrfLN@[(", text.data[at], 9) != NULL ? at + 1 : at;
}

/* The end of a text whose first quote was escaped: the next such quote. */
static uint32_t escaped_end(struct slice text, uint32_t at, char quote)
{
    while (at < text.len && !is_line_end(text.data[at]) && text.data[at] != quote) at++;
    return at;
}

/* The end of what a shell joins to a quoted text that ends at `at`: 'a''b'. */
static uint32_t joined_end(struct slice text, uint32_t at)
{
    while (text.len > 2 && at < text.len - 2 && ascii_is_quote(text.data[at]) && ascii_is_quote(text.data[at + 1]) &&
           is_credential_byte(text.data[at + 2]))
        at = text_quoted_end(text, at + 2, text.data[at + 1]);
    return at;
}

/* How many quotes open the text at `at`: one, or several where it stands in a text of SQL or CSV, which double quotes (RFC 4180),
 * or in a long text of Python. Nothing but a value's byte behind them makes them more than an empty text. */
static uint32_t count_quotes(struct slice text, uint32_t at)
{
    uint32_t end = at + 1;
    while (end < text.len && end - at < MAX_QUOTES && text.data[end] == text.data[at]) end++;
    bool value = end < text.len && (ascii_is_alnum(text.data[end]) || memchr("!@#$%^*_~?/-", text.data[end], 12) != NULL);
    return value ? end - at : 1;
}

/* The end of a text that so many quotes opened: before as many, or before the first if there are none. */
static uint32_t doubled_end(struct slice text, uint32_t at, uint32_t quotes)
{
    const char quote = text.data[at - 1];
    const uint32_t limit = text.len - at > MAX_DOUBLED ? at + MAX_DOUBLED : (uint32_t)text.len;
    const uint32_t first = text_quoted_end(text, at, quote);
    for (uint32_t end = first, run; end < limit && text.data[end] == quote; end = text_quoted_end(text, end + run, quote)) {
        for (run = 1; run < quotes && end + run < text.len && text.data[end + run] == quote;) run++;
        if (run >= quotes) return end;
    }
    return first;
}

/* The value at text_value_start(). False: there is none. */
static bool find_value_at(struct slice text, uint32_t at, enum extent extent, uint32_t *from, uint32_t *to)
{
    if (at >= text.len || is_line_end(text.data[at])) return false;
    if (ascii_is_quote(text.data[at]) || text.data[at] == '`') {
        uint32_t quotes = count_quotes(text, at);
        *from = at + quotes;
        if (extent == EXTENT_CREDENTIAL && text.len - *from > MAX_CREDENTIAL_BYTES + 1) text.len = *from + MAX_CREDENTIAL_BYTES + 1;
        bool escaped = at > 0 && text.data[at - 1] == '\\';
        if (escaped) *to = escaped_end(text, *from, text.data[at]);
        else *to = quotes > 1 ? doubled_end(text, *from, quotes) : joined_end(text, text_quoted_end(text, *from, text.data[at]));
    } else {
        *from = at;
        *to = unquoted_end(text, at, extent);
    }
    while (*to > *from && text.data[*to - 1] == '\\') (*to)--;
    return *from < *to;
}

bool text_find_value(struct slice text, uint32_t at, enum extent extent, uint32_t *from, uint32_t *to)
{
    return find_value_at(text, text_value_start(text, at), extent, from, to);
}

#define LONGEST_COMMON 14   /* "authentication" */

/* Words that follow `password:` in prose. */
static bool is_common_word(struct slice value)
{
    static const char *const words[] = {
        "required", "invalid", "expired", "incorrect", "missing", "not", "is", "was", "must", "the", "failed", "changed",
        "reset", "empty", "wrong", "ok", "set", "unset", "redacted", "hidden", "masked", "none", "null", "true", "false", "nil",
        "undefined", "yes", "no", "for", "and", "or", "a", "an", "to", "of", "in", "on", "bearer", "basic", "string", "str",
        "authentication", "protected", "unknown", "error", "ok.", "expired.", "invalid.", "required.", "None", "optional", NULL,
    };
    return value.len <= LONGEST_COMMON && word_is_listed(value, words);
}

/* --- Assignments ----------------------------------------------------------------------------------------------------------- */

/* The name whose last byte is at or before `at` (exclusive), over closing quotes and blanks. */
struct slice text_name_before(struct slice text, uint32_t at)
{
    while (at > 0 && memchr(" \t\"'\\]", text.data[at - 1], 6) != NULL) at--;
    uint32_t from = at;
    while (from > 0 && at - from < MAX_NAME_BYTES && is_name_byte(text.data[from - 1])) from--;
    while (from < at && (text.data[from] == '-' || text.data[from] == '.' || text.data[from] == '$')) from++;
    return slice_sub(text, from, at);
}

static enum extent judge_extent(struct slice name)
{
    static const struct {
        struct slice part;
        enum extent  extent;
    } parts[] = {{{"authorization", 13}, EXTENT_LINE}, {{"cookie", 6}, EXTENT_LINE}, {{"connectionstring", 16}, EXTENT_CONNECTION},
                 {{"connection_string", 17}, EXTENT_CONNECTION}, {{"connstr", 7}, EXTENT_CONNECTION}, {{"webjobsstorage", 14}, EXTENT_CONNECTION}};
    enum extent extent = EXTENT_TOKEN;
    for (size_t at = 0; at + 1 < name.len; at++) {
        char next = name.data[at + 1] | 0x20;
        if (next != 'u' && next != 'o' && next != 'e') continue;   /* au, co, we */
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            if (!slice_begins_nocase(slice_sub(name, at, name.len), parts[i].part)) continue;
            if (parts[i].extent == EXTENT_LINE) return EXTENT_LINE;
            extent = parts[i].extent;
        }
    }
    return extent;
}

static enum sensitivity judge_name(const struct redactor *r, struct slice name)
{
    /* A variable only as it is spelt: PWD is a directory, pwd a password. */
    if (name_list_has(&r->plan->policy.plain_names, name) || name_list_holds(&r->plan->policy.harmless, name)) return NAME_PLAIN;
    if (name_list_has(&r->plan->policy.secret_names, name)) return NAME_STRONG;
    return name_sensitivity(name);
}

/* Of no name that is longer than there is room for, and of none at all. */
static const struct judged_name *judged(struct redactor *r, struct slice name)
{
    unsigned slot = (unsigned)name.len * 31 + (unsigned char)name.data[0] * 7u + (unsigned char)name.data[name.len - 1];
    struct judged_name *j = &r->judged[slot % JUDGED_NAMES];
    if (j->len != name.len || memcmp(j->text, name.data, name.len) != 0) {
        j->len = (uint8_t)name.len;
        memcpy(j->text, name.data, name.len);
        j->sensitivity = (uint8_t)judge_name(r, name);
        j->extent = (uint8_t)judge_extent(name);
    }
    return j;
}

enum sensitivity text_sensitivity(struct redactor *r, struct slice name)
{
    return name.len > sizeof r->judged->text ? judge_name(r, name) : (enum sensitivity)judged(r, name)->sensitivity;
}

enum extent text_extent(struct redactor *r, struct slice name)
{
    return name.len == 0 || name.len > sizeof r->judged->text ? judge_extent(name) : (enum extent)judged(r, name)->extent;
}

/* The rule in a marker is no name, even if it is called after a token: "[redacted:github-token]: bad credentials". */
static bool is_marker_id(const struct redactor *r, struct slice text, struct slice name)
{
    size_t start = (size_t)(name.data - text.data), before = strlen("[redacted:");
    return start >= before && plan_marker_at_start(r->plan, slice_sub(text, start - before, text.len)) > 0;
}

/* "Bearer x" and the like without the scheme. */
static struct slice without_scheme(struct slice value)
{
    static const char *const schemes[] = {"bearer ", "basic ", "token ", "digest ", NULL};
    size_t scheme = word_at_start(value, schemes);
    return scheme < value.len ? slice_sub(value, scheme, value.len) : value;
}

/* `...;Password=x;...`: in a connection string every value is one. */
static bool in_connection_string(struct slice text, struct slice name, uint32_t from, uint32_t to)
{
    size_t start = (size_t)(name.data - text.data);
    return text.data[from - 1] == '=' && ((start > 0 && text.data[start - 1] == ';') || (to < text.len && text.data[to] == ';')) &&
           memchr(text.data + start, ' ', from - start) == NULL;
}

#define LONGEST_PLAIN 16   /* bytes before a name that are looked at */

bool text_is_plain_key(struct slice text, uint32_t name)
{
    static const char *const words[] = {
        "cache", "partition", "row", "foreign", "sort", "hash", "routing", "idempotency", "blob", "object", "public", "cancellation",
        "continuation", "page", "next", "dedup", "lookup", "correlation", "map", "index", "group", "sharding", "shard", "session",
        "lock", "instrumentation", "operation", "activity", "request", "trace", "item", "message", "tenant", "resource",
        "subscription", "sync", "skip", "event", "primary", "user", "entity", "delta", "paging", "resume", "change", NULL};
    static struct word_index plain = {.words = words, .order = WORDS_BY_END};
    char before[LONGEST_PLAIN];
    uint32_t to = name, len = 0;
    while (to > 0 && (is_blank(text.data[to - 1]) || text.data[to - 1] == '-' || text.data[to - 1] == '_' || text.data[to - 1] == '.')) to--;
    for (uint32_t at = to > LONGEST_PLAIN ? to - LONGEST_PLAIN : 0; at < to; at++) before[len++] = ascii_lower(text.data[at]);
    bool i = len > 0 && before[len - 1] == 'i' && (len == 1 || !ascii_is_alnum(before[len - 2]));   /* iKey */
    return i || word_index_ends(&plain, before, len);
}

/* `acme_key`, `acmeToken`: a key of something in particular may be a GUID; one of a table, a cache or a request is an id. */
static bool is_particular_key(struct slice text, struct slice name)
{
    static const char *const kinds[] = {"key", "token", NULL};
    for (const char *const *k = kinds; *k != NULL; k++) {
        size_t len = strlen(*k);
        if (name.len < len + 3 || !slice_ends_nocase(name, slice_from(*k))) continue;
        return !text_is_plain_key(text, (uint32_t)(name.data - text.data + name.len - len));
    }
    return false;
}

bool text_is_secret(struct slice text, struct slice name, enum sensitivity s, uint32_t from, uint32_t to)
{
    struct slice value = slice_sub(text, from, to);
    if (s == NAME_WEAK && looks_like_guid(value)) return is_particular_key(text, name);
    bool query = name.len > 0 && name.data > text.data && (name.data[-1] == '?' || name.data[-1] == '&');
    if (s == NAME_WEAK && (query || name_is_token(name)) && looks_mixed(value)) return true;
    if (s == NAME_WEAK) return looks_like_credential(value) && (to == text.len || text.data[to] != '(') && !is_known_words(value);
    if (is_common_word(value) || says_nothing(value)) return false;
    bool stands_in = memchr(value.data, '{', value.len) != NULL || is_known_words(value) || names_credential(value);
    if (query && !stands_in) return true;   /* what stands in a URL is a value, not code */
    if (in_connection_string(text, name, from, to) && memchr(value.data, '$', value.len) == NULL && memchr(value.data, '(', value.len) == NULL) return true;
    return !refers_to_value(name, without_scheme(value), is_quoted(text, from), to < text.len ? text.data[to] : '\0');
}

/* The quoted argument of an expression: `key = hash("...")`. Returns whether it is replaced. */
static bool read_argument(struct redactor *r, struct reading *t, uint32_t at)
{
    uint32_t limit = at + MAX_VARIABLE_BYTES < t->text.len ? at + MAX_VARIABLE_BYTES : (uint32_t)t->text.len;
    while (at < limit && !is_line_end(t->text.data[at]) && !ascii_is_quote(t->text.data[at])) at++;
    if (at >= limit || !ascii_is_quote(t->text.data[at])) return false;
    uint32_t to = text_quoted_end(t->text, at + 1, t->text.data[at]);
    struct slice argument = slice_sub(t->text, at + 1, to);
    return is_ours(r, argument) || (looks_like_credential(argument) && text_remove(r, t, at + 1, to, engine_finding(r, ENGINE_NAME)));
}

/* The last quote that closes the quoted text that ends at `to`: an escaped one stands behind its backslashes. */
static uint32_t closing_quote(struct slice text, uint32_t to)
{
    while (to < text.len && text.data[to] == '\\') to++;
    while (to + 1 < text.len && ascii_is_quote(text.data[to]) && text.data[to + 1] == text.data[to]) to++;
    return to;
}

/* The quoted texts that belong to one that was closed at `at`: the further elements of a list, or what a program joins to it
 * (`"a" + "b"`). */
static void read_further(struct redactor *r, struct reading *t, struct slice name, enum sensitivity s, uint32_t at, const char *between)
{
    for (;;) {
        uint32_t from = at + 1, to;
        while (from < t->text.len && strchr(between, t->text.data[from]) != NULL && t->text.data[from] != '\0') from++;
        if (from >= t->text.len || !ascii_is_quote(t->text.data[from]) || !find_value_at(t->text, from, EXTENT_TOKEN, &from, &to)) return;
        if (!text_is_secret(t->text, name, s, from, to) || !text_remove(r, t, from, to, engine_finding(r, ENGINE_NAME))) return;
        at = closing_quote(t->text, to);
    }
}

#define MAX_BEFORE_NUMBERS 24

/* `[]byte{33, 9, 0x64, ...}`, `bytes([33, ...])` at `at`: removes the bytes of a key that are written as numbers. False: something
 * else stands there. */
static bool read_numbers(struct redactor *r, struct reading *t, enum sensitivity s, uint32_t at)
{
    const struct slice text = t->text;
    const uint32_t fewest = s == NAME_STRONG ? 8 : 16, limit = text.len - at < MAX_BEFORE_NUMBERS ? (uint32_t)text.len : at + MAX_BEFORE_NUMBERS;
    uint32_t count = 0, to = 0;
    char before = '\0';
    for (; at < limit && !(before != '\0' && ascii_is_digit(text.data[at])); at++) {
        char c = text.data[at];
        bool bracket = c == '[' || c == '{' || c == '(';
        if (bracket && before != '\0' && plan_marker_at_start(r->plan, slice_sub(text, at, text.len)) > 0) return true;
        if (!bracket && !ascii_is_alpha(c) && c != '8' && c != '.' && c != ' ' && c != ']') return false;   /* Uint8Array, Buffer.from */
        if (c != ' ') before = bracket ? c : '\0';
    }
    if (at >= limit) return false;
    const uint32_t from = at;
    for (; at < text.len && ascii_is_digit(text.data[at]); count++) {
        while (at < text.len && ascii_is_alnum(text.data[at])) at++;   /* 0x64 */
        to = at;
        while (at < text.len && (text.data[at] == ',' || is_blank(text.data[at]) || is_line_end(text.data[at]))) at++;
    }
    return count >= fewest && text_remove(r, t, from, to, engine_finding(r, ENGINE_NAME));
}

#define MAX_LINES 64   /* of one quoted credential */

/* The end of a quoted credential that goes on over lines of which it alone stands on each; else `to`. */
static uint32_t end_over_lines(struct slice text, uint32_t from, uint32_t to)
{
    char quote = text.data[from - 1];
    uint32_t at = to;
    for (int line = 0; line < MAX_LINES && at < text.len && is_line_end(text.data[at]); line++) {
        while (at < text.len && (is_line_end(text.data[at]) || is_blank(text.data[at]))) at++;
        uint32_t begin = at;
        at = unquoted_end(text, at, EXTENT_CREDENTIAL);
        if (at == begin) return to;
    }
    return at < text.len && text.data[at] == quote ? at : to;
}

void text_read_value_as(struct redactor *r, struct reading *t, struct slice name, enum sensitivity s, uint32_t at)
{
    uint32_t from, to;
    if (s == NAME_PLAIN || is_marker_id(r, t->text, name)) return;
    at = text_value_start(t->text, at);
    if (read_numbers(r, t, s, at)) return;
    if (!find_value_at(t->text, at, s == NAME_WEAK ? EXTENT_CREDENTIAL : text_extent(r, name), &from, &to)) return;
    if (is_ours(r, slice_sub(t->text, from, to))) return;
    bool secret = text_is_secret(t->text, name, s, from, to), call = t->text.data[to - 1] == '(';   /* sha256("...") has no name's form */
    if (s == NAME_STRONG && !is_quoted(t->text, from) && (call || !secret) && read_argument(r, t, from)) return;
    if (!secret) return;
    uint32_t opened = from;
    while (opened > 0 && from - opened < MAX_QUOTES && memchr("\"'\\", t->text.data[opened - 1], 3) != NULL) opened--;
    bool quoted = is_quoted(t->text, from), listed = quoted && opened > 0 && t->text.data[opened - 1] == '[';
    to = quoted ? end_over_lines(t->text, from, to) : text_rest_of_credential(t->text, to);
    if (text_remove(r, t, from, to, engine_finding(r, ENGINE_NAME)) && quoted)
        read_further(r, t, name, s, closing_quote(t->text, to), listed ? ", \\" : " +.\\");
}

void text_read_value(struct redactor *r, struct reading *t, struct slice name, uint32_t at)
{
    enum sensitivity s = text_sensitivity(r, name);
    bool connection = name.data > t->text.data && name.data[-1] == ';' && slice_equal_nocase(name, SLICE("pwd"));   /* no directory */
    text_read_value_as(r, t, name, connection ? NAME_STRONG : s, at);
}

static void read_assignment(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t sign = end - 1, value = end;
    while (sign > 0 && memchr("?.+|!", t->text.data[sign - 1], 5) != NULL) sign--;
    struct slice name = text_name_before(t->text, sign);
    if (name.len == 0) return;
    if (t->text.data[end - 1] == '>') {   /* <password>...</password> */
        size_t start = (size_t)(name.data - t->text.data);
        if (start == 0 || (t->text.data[start - 1] != '<' && t->text.data[start - 1] != ':')) return;
        char closed = end < t->text.len ? t->text.data[end] : '\0';
        if (start > 1 && ascii_is_quote(closed) && t->text.data[start - 2] == closed) return;   /* "<password>" */
        while (value < t->text.len && value - end < MAX_BLANKS && (is_blank(t->text.data[value]) || is_line_end(t->text.data[value]))) value++;
        if (value + 1 < t->text.len && t->text.data[value] == '-' && t->text.data[value + 1] == '-') return;   /* <password> --next */
    }
    text_read_value(r, t, name, value);
}

static void read_option(struct redactor *r, struct reading *t, uint32_t end)
{
    struct slice name = text_name_before(t->text, end - 1);
    size_t start = (size_t)(name.data - t->text.data);
    if (start < 1 || t->text.data[start - 1] != '-' || (start >= 2 && ascii_is_alnum(t->text.data[start - 2]))) return;
    if (end < t->text.len && t->text.data[end] == '-') return;   /* the next option */
    text_read_value(r, t, name, end);
}

/* --- Run names, addresses, query parameters --------------------------------------------------------------------------------- */

/* What follows in the names of operations, where a resource id has a name. */
static bool is_operation(struct slice word)
{
    static const char *const words[] = {"read", "write", "delete", "action", "cancel", "submit", "runs", "jobs", "experiments",
                                        "versions", "schedules", "operations", "metrics", "artifacts", "logs", NULL};
    return word_is_listed(word, words);
}

#define RUN_CONTEXT 300   /* bytes before a path in which something of a workspace must stand */

/* Whether something of a workspace begins and ends in the bytes before text[end). Many paths in one text would each be searched
 * backwards; so what was searched once is remembered. */
static bool follows_workspace(struct reading *t, uint32_t end)
{
    static const struct slice marks[] = {{"/workspaces/", 12}, {"/experiments/", 13}, {"ml.azure.com", 12}, {"azureml", 7}};
    const uint32_t lowest = end > RUN_CONTEXT ? end - RUN_CONTEXT : 0, longest = 13;
    struct slice before = slice_sub(t->text, 0, end);
    for (uint32_t at = t->marks_done > lowest ? t->marks_done : lowest; at < end; at++) {
        char c = ascii_lower(before.data[at]);
        if (c != '/' && c != 'm' && c != 'a') continue;
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            if (slice_begins_nocase(slice_sub(before, at, end), marks[i])) t->mark_end = at + 1;
    }
    t->marks_done = end > longest ? end - longest : 0;   /* one may have begun that is not whole yet */
    return t->mark_end > lowest;
}

/* .../runs/<name>; jobs and experiments only within a workspace, since other things have jobs too. */
static void read_run_path(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t to = end;
    while (to < t->text.len && is_name_byte(t->text.data[to])) to++;
    if (to == end || to - end > 256 || is_operation(slice_sub(t->text, end, to)) || !follows_workspace(t, end)) return;
    text_remove(r, t, end, to, engine_finding(r, ENGINE_RUN));
}

static void read_address(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t from = end, to = end;
    while (from > 0 && (ascii_is_digit(t->text.data[from - 1]) || t->text.data[from - 1] == '.') && end - from < 16) from--;
    while (to < t->text.len && (ascii_is_digit(t->text.data[to]) || t->text.data[to] == '.') && to - end < 4) to++;
    while (to > from && t->text.data[to - 1] == '.') to--;
    if (to <= t->done || (from > 0 && ascii_is_alnum(t->text.data[from - 1]))) return;
    char out[PSEUDONYM_MAX];
    if (pseudonym_write_ip(r->pseudonymiser, slice_sub(t->text, from, to), out) == 0) return;
    text_remove(r, t, from, to, engine_finding(r, ENGINE_ADDRESS));
}

/* ?a=1&b=2: every value. */
static void read_query(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t at = end;
    while (at < t->text.len) {
        uint32_t name = at;
        while (at < t->text.len && (is_name_byte(t->text.data[at]) || t->text.data[at] == '%')) at++;
        if (at == name || at >= t->text.len || t->text.data[at] != '=') return;
        uint32_t from = ++at;
        while (at < t->text.len && !ends_token(t->text.data[at], EXTENT_TOKEN) && t->text.data[at] != '#') at++;
        text_remove(r, t, from, at, engine_finding(r, ENGINE_QUERY));
        if (at >= t->text.len || t->text.data[at] != '&') return;
        at++;
    }
}

/* A password that spells the word in disguise: the whole word around it. */
static void read_disguised(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t from = end, to = end;
    while (from > 0 && end - from < 64 && !ends_token(t->text.data[from - 1], EXTENT_TOKEN) && t->text.data[from - 1] != '=') from--;
    while (to < t->text.len && to - end < 64 && !ends_token(t->text.data[to], EXTENT_TOKEN)) to++;
    text_remove(r, t, from, to, engine_finding(r, ENGINE_NAME));
}

static void read_caller(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t from, to;
    if (!name_is_identity(text_name_before(t->text, end - 1)) && t->text.data[end - 1] == ':') return;
    if (text_find_value(t->text, end, EXTENT_TOKEN, &from, &to) && !is_common_word(slice_sub(t->text, from, to)))
        text_remove(r, t, from, to, engine_finding(r, ENGINE_IDENTITY));
}

void text_read_hit(struct redactor *r, struct reading *t, enum text_pattern pattern, uint32_t end)
{
    if (end < t->done && !text_lies_in_kept(t, end)) return;
    switch (pattern) {
    case TEXT_ASSIGNMENT:
    case TEXT_NUMBERED:
        if (end != t->assigned) read_assignment(r, t, end);   /* by both patterns at one sign */
        t->assigned = end;
        break;
    case TEXT_TYPED: text_read_typed(r, t, end); break;
    case TEXT_PAIR: text_read_pair(r, t, end); break;
    case TEXT_ARGUMENT: text_read_argument(r, t, end); break;
    case TEXT_BESIDE: text_read_beside(r, t, end); break;
    case TEXT_STATEMENT: text_read_statement(r, t, end); break;
    case TEXT_CONSTRUCTOR: text_read_constructor(r, t, end); break;
    case TEXT_BASIC: text_read_basic(r, t, end); break;
    case TEXT_SERVICE: text_read_service(r, t, end); break;
    case TEXT_OPTION: read_option(r, t, end); break;
    case TEXT_VARIABLES: text_read_variables(r, t, end - 1); break;
    case TEXT_EXPORT: text_read_export(r, t, end); break;
    case TEXT_RUN_PATH: read_run_path(r, t, end); break;
    case TEXT_ADDRESS: read_address(r, t, end); break;
    case TEXT_QUERY: read_query(r, t, end); break;
    case TEXT_DISGUISED: read_disguised(r, t, end); break;
    case TEXT_PERSON: text_read_person(r, t, end); break;
    case TEXT_CALLER: read_caller(r, t, end); break;
    case TEXT_PATTERN_COUNT: break;
    }
}
