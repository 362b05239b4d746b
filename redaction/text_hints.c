/* Secrets in free text that no name and sign announce: arguments, values behind a type, beside a word or a service's name, in
 * prose. The less there is to go by, the more the value itself must look like a credential. */
#include "redaction/text_priv.h"

#include "redaction/values.h"
#include "redaction/verify.h"
#include "redaction/words.h"

#define MIN_UNMIXED 20   /* behind a service's name a word of so many letters is no word */
#define MIN_BESIDE 16   /* shorter words after `token` are taken for prose */

/* "the password is 'x'", "password was changed to x1y2", "identified by x1y2": in prose only what is quoted or holds a digit; as
 * an argument, `password('x1y2')`, only what is both. */
void text_read_statement(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t from, to;
    if (!text_find_value(t->text, end, EXTENT_TOKEN, &from, &to)) return;
    if (!is_quoted(t->text, from) && to > from && t->text.data[to - 1] == '.') to--;
    struct slice value = slice_sub(t->text, from, to);
    bool digit = false;
    for (size_t i = 0; i < value.len; i++) digit |= ascii_is_digit(value.data[i]);
    bool quoted = is_quoted(t->text, from), argument = t->text.data[end - 1] == '(';
    if (value.len < 6 || !(argument ? digit && quoted : digit || quoted) || is_ours(r, value)) return;
    if (text_is_secret(t->text, slice_sub(t->text, end, end), NAME_STRONG, from, to)) text_remove(r, t, from, to, engine_finding(r, ENGINE_NAME));
}

/* `var apiToken string = "..."`, `password: str = "..."`: the name stands before a type. */
void text_read_typed(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t at = end - 1;
    while (at > 0 && (is_blank(t->text.data[at - 1]) || t->text.data[at - 1] == '*' || t->text.data[at - 1] == ']')) at--;
    while (at > 0 && ascii_is_alpha(t->text.data[at - 1])) at--;
    while (at > 0 && memchr(" :&[*", t->text.data[at - 1], 5) != NULL) at--;
    struct slice name = text_name_before(t->text, at);
    if (name.len > 0) text_read_value(r, t, name, end);
}

/* `key="ApiPassword" value="..."`, `"name": "token", "value": "..."`, `variable "api_token" { default = "..."`. */
void text_read_pair(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t at = end - 1;
    while (at > 0 && memchr(" \t\"'\\", t->text.data[at - 1], 5) != NULL) at--;
    while (at > 0 && ascii_is_alpha(t->text.data[at - 1])) at--;
    while (at > 0 && memchr(" \t\n\r,{\"'\\", t->text.data[at - 1], 8) != NULL) at--;
    struct slice name = text_name_before(t->text, at);
    if (name.len > 0) text_read_value(r, t, name, end);
}

/* CURLOPT_PASSWORD: a name in capitals, of more than one word. */
static bool is_constant(struct slice name)
{
    bool words = false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] != '_' && (name.data[i] < 'A' || name.data[i] > 'Z')) return false;
        words |= name.data[i] == '_';
    }
    return words;
}

/* `setProperty("API_TOKEN", "...")`: name and value are arguments. A name without quotes is only a hint, unless a constant's. */
void text_read_argument(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t comma = end - 1;
    while (t->text.data[comma] != ',') comma--;
    struct slice name = text_name_before(t->text, comma);
    if (name.len == 0) return;
    enum sensitivity s = text_sensitivity(r, name);
    bool quoted = comma > 0 && ascii_is_quote(t->text.data[comma - 1]);
    text_read_value_as(r, t, name, quoted || s == NAME_PLAIN || is_constant(name) ? s : NAME_WEAK, comma + 1);
}

/* The next argument behind a quoted one that began at `from`, if it is quoted, too; else 0. */
static uint32_t next_argument(struct slice text, uint32_t from)
{
    uint32_t end = text_quoted_end(text, from, text.data[from - 1]), comma = end + 1;
    while (comma < text.len && text.data[comma] == ' ') comma++;
    if (end - from > MAX_VARIABLE_BYTES || comma >= text.len || text.data[comma] != ',') return 0;
    uint32_t value = text_value_start(text, comma + 1);
    return value < text.len && ascii_is_quote(text.data[value]) ? value : 0;
}

/* `new PSCredential("user", "x")`: the second argument; `new PDO("sqlsrv:...", "user", "x")`: the third, behind an address. */
void text_read_constructor(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t value = next_argument(t->text, end);
    bool address = value != 0 && memchr(t->text.data + end, ':', value - end) != NULL;
    if (address) value = next_argument(t->text, value + 1);
    if (value != 0) text_read_value_as(r, t, slice_sub(t->text, end, end), NAME_STRONG, value);
}

/* `b64encode(b"maja:x")`: the credentials of a Basic header as a program writes them, a name without a colon and a password
 * (RFC 7617). */
void text_read_basic(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t to = text_quoted_end(t->text, end, t->text.data[end - 1]);
    struct slice pair = slice_sub(t->text, end, to);
    const char *colon = pair.len > MAX_VARIABLE_BYTES ? NULL : memchr(pair.data, ':', pair.len);
    if (colon == NULL || colon == pair.data || memchr(pair.data, ' ', pair.len) != NULL) return;
    uint32_t password = end + (uint32_t)(colon + 1 - pair.data);
    if (to - password < 4 || t->text.data[password] == '/') return;   /* https://... */
    if (!text_is_secret(t->text, slice_sub(t->text, end, end), NAME_STRONG, password, to)) return;
    text_remove(r, t, end, to, engine_finding(r, ENGINE_NAME));
}

/* Capitals behind one or two small letters or a mixture at the end of a word, as in "jqKEY": nobody writes so, except behind a
 * name ("acmeKEY"); it is a piece of something random. */
static bool ends_by_chance(struct slice word)
{
    size_t capitals = 0;
    while (capitals < word.len && word.data[word.len - 1 - capitals] <= 'Z') capitals++;
    size_t small = 0;
    while (small < word.len && word.data[small] > 'Z') small++;
    return capitals > 1 && capitals < word.len && (small + capitals != word.len || small < 3);
}

/* `acme TOKEN 5f3a...`, `acme-secret-5f3a...`: nothing but a blank or a dash stands between; the value must be plain enough. */
void text_read_beside(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t from = end - 1, to, at = from;
    while (at > 0 && memchr(" \t\n\r.-", t->text.data[at - 1], 6) != NULL) at--;
    uint32_t name = at;
    while (name > 0 && at - name < MAX_NAME_BYTES && ascii_is_alpha(t->text.data[name - 1])) name--;
    bool bare = name == 0 || memchr("-_./:", t->text.data[name - 1], 5) == NULL;
    if (t->text.data[end - 2] == '-' && bare && at - name < 8) return;   /* key-0ff1a4: an id */
    if (ends_by_chance(slice_sub(t->text, name, at))) return;
    if (text_is_plain_key(t->text, name) || pseudonym_at_start(r->pseudonymiser, slice_sub(t->text, name, t->text.len)) > 0) return;
    to = text_credential_end(t, from);
    struct slice value = slice_sub(t->text, from, to);
    if (value.len >= MIN_BESIDE && looks_like_credential(value)) text_remove(r, t, from, text_rest_of_credential(t->text, to), engine_finding(r, ENGINE_NAME));
}

/* What may stand between a service's name and its key. */
static uint32_t skip_key_words(struct slice text, uint32_t at, bool *said)
{
    static const char *const words[] = {"apikey", "api", "keys", "key", "tokens", "token", "secret", "private", "access", "auth", "app", "client",
                                        "login", "password", "pass", "account", "test", "live", "prod", "dev", "string", "const", "io", "id", "com", "record",
                                        "license", "sample", "admin", "rest", "service", "1 ", "2 ", NULL};
    uint32_t limit = at + 48 < text.len ? at + 48 : (uint32_t)text.len;
    *said = false;
    for (;;) {
        while (at < limit && memchr(" \t\r\n_.-=:\"'`>,([{\\?|+", text.data[at], 20) != NULL) at++;
        size_t len = at < limit ? word_at_start(slice_sub(text, at, limit - 1), words) : 0;
        if (len == 0) return at;
        if (len == 2 && ascii_lower(text.data[at + 1]) == 'd') *said = false;   /* id */
        else *said = true;
        at += (uint32_t)len;
    }
}

static bool is_number(struct slice v)
{
    size_t at = 0;
    while (at < v.len && ascii_is_digit(v.data[at])) at++;
    return at == v.len && v.len >= 8;
}

/* One word of letters and digits that is not made of known words. */
static bool is_plain_token(struct slice v)
{
    for (size_t i = 0; i < v.len; i++)
        if (!ascii_is_alnum(v.data[i])) return false;
    return !is_known_words(v);
}

static bool is_random_value(struct slice v, bool announced)
{
    if (v.len < MIN_BESIDE) return false;
    if (announced && (is_number(v) || (v.len >= MIN_UNMIXED && is_plain_token(v) && entropy_exceeds(v, 2)))) return true;
    if (announced && looks_like_guid(v)) return true;
    size_t hex = 0;
    while (hex < v.len && (ascii_is_digit(v.data[hex]) || (ascii_lower(v.data[hex]) >= 'a' && ascii_lower(v.data[hex]) <= 'f'))) hex++;
    if (hex == v.len && v.len >= 32) return entropy_exceeds(v, 2);
    return looks_like_credential(v);
}

/* `acme = 5f3a...`, `ACME_API_KEY: ...`, `"acme", "..."`: a service whose keys look like nothing in particular. */
void text_read_service(struct redactor *r, struct reading *t, uint32_t end)
{
    bool announced;
    uint32_t from = skip_key_words(t->text, end, &announced);
    struct slice between = slice_sub(t->text, end, from);
    bool apart = announced || (between.len > 0 && memchr("=: \"'", between.data[between.len - 1], 5) != NULL && between.len < 8);
    if (!apart) return;
    uint32_t to = text_credential_end(t, from), judged = from;
    if (to < t->text.len && (t->text.data[to] == ':' || t->text.data[to] == '|') && is_number(slice_sub(t->text, from, to))) {
        judged = to + 1;   /* behind the number of a bot or application */
        to = text_credential_end(t, judged);
    }
    if (is_quoted(t->text, from)) {
        uint32_t close = text_quoted_end(t->text, to, t->text.data[from - 1]);
        if (close - to < MAX_VARIABLE_BYTES && memchr(t->text.data + to, ' ', close - to) == NULL) to = close;
    }
    if (to > from + MAX_CREDENTIAL_BYTES || !is_random_value(slice_sub(t->text, judged, to), announced)) return;
    text_remove(r, t, from, text_rest_of_credential(t->text, to), engine_finding(r, ENGINE_NAME));
}

static bool is_upper_letter(struct slice text, uint32_t at)
{
    unsigned char c = at < text.len ? (unsigned char)text.data[at] : 0;
    bool latin = c == 0xc3 && at + 1 < text.len && (unsigned char)text.data[at + 1] >= 0x80 && (unsigned char)text.data[at + 1] <= 0x9e;
    return (c >= 'A' && c <= 'Z') || latin;
}

static uint32_t word_end(struct slice text, uint32_t at)
{
    while (at < text.len && (ascii_is_alpha(text.data[at]) || (unsigned char)text.data[at] >= 0x80 || text.data[at] == '\'')) at++;
    return at;
}

/* "by Maja Lindqvist": two or three words in capitals after a word that announces somebody. */
void text_read_person(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t at = end, to = end, words = 0;
    if (at < t->text.len && t->text.data[at] == ' ') at++;
    uint32_t from = at;
    while (words < 3 && is_upper_letter(t->text, at)) {
        uint32_t stop = word_end(t->text, at);
        if (stop - at < 2) break;
        words++;
        to = stop;
        at = stop < t->text.len && (t->text.data[stop] == ' ' || t->text.data[stop] == '-') ? stop + 1 : stop;
        if (at == stop) break;
    }
    if (words >= 2) text_remove(r, t, from, to, engine_finding(r, ENGINE_IDENTITY));
}
