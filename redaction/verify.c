/* Entropy is Shannon's, over the bytes of the span. Luhn: ISO/IEC 7812-1. JWT and JWE: RFC 7519, RFC 7516. PEM: RFC 7468.
 * Basic credentials: RFC 7617. */
#include "redaction/verify.h"

#include "redaction/checksum.h"
#include "redaction/sensitive.h"
#include "redaction/values.h"
#include "redaction/words.h"

#include <math.h>

double entropy(struct slice text)
{
    uint32_t counts[256] = {0};
    double bits = 0;
    for (size_t i = 0; i < text.len; i++) counts[(unsigned char)text.data[i]]++;
    for (int c = 0; c < 256; c++)
        if (counts[c] > 0) bits -= counts[c] * log2((double)counts[c] / (double)text.len);
    return text.len > 0 ? bits / (double)text.len : 0;
}

#define SHORT_TEXT 255    /* of so many bytes each is counted in one */
#define ROUNDING   1e-9   /* what is so near to the limit is worked out */

/* Nearly all that is asked about is well above. Shannon's entropy is no less than Renyi's of order 2, which takes no logarithm: the
 * binary logarithm of the square of the length over the sum of the squares of the counts. */
static bool is_well_above(struct slice text, double bits)
{
    if (text.len == 0 || text.len > SHORT_TEXT) return false;
    uint8_t counts[256] = {0};
    uint32_t squares = 0;   /* one more of a byte adds twice their number before, and one */
    for (size_t i = 0; i < text.len; i++) squares += 2u * counts[(unsigned char)text.data[i]]++ + 1;
    return (double)(text.len * text.len) > squares * exp2(bits) * (1 + ROUNDING);
}

bool entropy_reaches(struct slice text, double bits) { return is_well_above(text, bits) || entropy(text) >= bits; }

bool entropy_exceeds(struct slice text, double bits) { return is_well_above(text, bits) || entropy(text) > bits; }

static bool is_hex(char c) { return ascii_hex_digit(c) >= 0; }

static bool is_base64url(char c) { return ascii_is_alnum(c) || c == '-' || c == '_'; }

bool looks_like_guid(struct slice text)
{
    if (text.len != 36) return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.data[i] != '-' : !is_hex(text.data[i])) return false;
    }
    return true;
}

/* --- Placeholders ------------------------------------------------------------------------------------------------------ */

#define LONGEST_PLACEHOLDER 14   /* of those that are listed */
#define PLACEHOLDER_MAX 128   /* a longer text is none, unless it repeats one character */

static bool is_enclosed(struct slice text)
{
    static const char *const pairs[][2] = {
        {"<", ">"}, {"${", "}"}, {"$(", ")"}, {"{{", "}}"}, {"{", "}"}, {"%", "%"}, {"[", "]"}, {"@@", "@@"}, {"#{", "}"}, {"__", "__"}};
    if (text.len == 0 || memchr("<${%[@#_", text.data[0], 8) == NULL) return false;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t open = strlen(pairs[i][0]), close = strlen(pairs[i][1]);
        if (text.len > open + close && memcmp(text.data, pairs[i][0], open) == 0 &&
            memcmp(text.data + text.len - close, pairs[i][1], close) == 0)
            return true;
    }
    return false;
}

static bool is_one_character(struct slice text)
{
    for (size_t i = 1; i < text.len; i++)
        if ((text.data[i] | 0x20) != (text.data[0] | 0x20)) return false;
    return strchr("*x.-_#?0", text.data[0] | (ascii_is_alpha(text.data[0]) ? 0x20 : 0)) != NULL;
}

/* $NAME, $env:NAME, process.env.NAME and the like: a variable's name where its value would stand. */
static bool is_variable(struct slice text)
{
    if (text.len < 2 || text.data[0] != '$') return false;
    for (size_t i = 1; i < text.len; i++)
        if (!(text.data[i] >= 'A' && text.data[i] <= 'Z') && !ascii_is_digit(text.data[i]) && text.data[i] != '_') return false;
    return !ascii_is_digit(text.data[1]);
}

bool looks_like_placeholder(struct slice text)
{
    static const char *const words[] = {"null", "none", "nil", "undefined", "true", "false", "empty", "changeme", "change-me",
                                        "change_me", "redacted", "masked", "hidden", "removed", "omitted", "example",
                                        "placeholder", "(null)", "n/a", "***redacted***", "todo", NULL};
    static const char *const starts[] = {"your-", "your_", "<your", "[redacted", "insert-", "replace-", NULL};
    if (text.len > PLACEHOLDER_MAX) return is_one_character(text);
    if (text.len == 0 || is_enclosed(text) || is_one_character(text) || is_variable(text)) return true;
    return (text.len <= LONGEST_PLACEHOLDER && word_is_listed(text, words)) || word_at_start(text, starts) > 0;
}

bool luhn_valid(struct slice digits)
{
    unsigned sum = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (!ascii_is_digit(digits.data[digits.len - 1 - i])) return false;
        unsigned digit = (unsigned)(digits.data[digits.len - 1 - i] - '0');
        sum += i % 2 == 0 ? digit : digit < 5 ? 2 * digit : 2 * digit - 9;
    }
    return digits.len > 0 && sum % 10 == 0;
}

/* --- Verifiers ---------------------------------------------------------------------------------------------------------- */

struct letters {
    size_t upper, lower, digit, hex;
};

static struct letters count_letters(struct slice s)
{
    struct letters n = {0};
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        n.upper += c >= 'A' && c <= 'Z';
        n.lower += c >= 'a' && c <= 'z';
        n.digit += ascii_is_digit(c);
        n.hex += is_hex(c);
    }
    return n;
}

static bool check_entropy(struct slice text, uint32_t *from, uint32_t *to, double least)
{
    return entropy_reaches(slice_sub(text, *from, *to), least);
}

static bool check_min_length(struct slice text, uint32_t *from, uint32_t *to, double least)
{
    (void)text;
    return *to - *from >= least;
}

static bool check_not_placeholder(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    return !looks_like_placeholder(slice_sub(text, *from, *to));
}

static bool check_not_guid(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    return !looks_like_guid(slice_sub(text, *from, *to));
}

static bool check_not_hash(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    size_t len = *to - *from;
    if (len != 32 && len != 40 && len != 56 && len != 64 && len != 96 && len != 128) return true;
    return count_letters(slice_sub(text, *from, *to)).hex != len;
}

static bool check_not_words(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    return !is_known_words(slice_sub(text, *from, *to));
}

static bool check_has_digit(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    return count_letters(slice_sub(text, *from, *to)).digit > 0;
}

static bool check_has_letter(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    struct letters n = count_letters(slice_sub(text, *from, *to));
    return n.upper + n.lower > 0;
}

static bool check_mixed(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    struct letters n = count_letters(slice_sub(text, *from, *to));
    return n.upper > 0 && n.lower > 0 && n.digit > 0;
}

/* What random keys look like: mixed, or hexadecimal with digits and letters. */
static bool check_mixed_or_hex(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    struct slice s = slice_sub(text, *from, *to);
    struct letters n = count_letters(s), tail = count_letters(s.len > 32 ? slice_sub(s, s.len - 32, s.len) : s);
    return n.digit > 0 && ((n.upper > 0 && n.lower > 0) || (tail.hex == 32 && n.lower > 0));
}

static bool check_one_case(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    struct letters n = count_letters(slice_sub(text, *from, *to));
    return n.upper == 0 || n.lower == 0;
}

/* Letters with digits, or both cases other than a capital first letter: what a word of a sentence is not. */
static bool check_credential(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    struct slice s = slice_sub(text, *from, *to);
    if (looks_like_placeholder(s)) return false;
    const struct letters n = count_letters(s);
    const bool           capital = s.len > 0 && s.data[0] >= 'A' && s.data[0] <= 'Z';
    return (n.digit > 0 && n.upper + n.lower > 0) || n.digit >= 12 || (n.upper > capital && n.lower > 0);
}

static bool check_base64(struct slice text, uint32_t *from, uint32_t *to, double least)
{
    unsigned char bytes[4096];
    return (double)base64_decode(slice_sub(text, *from, *to), bytes, sizeof bytes) >= (least > 1 ? least : 1);
}

static bool check_basic(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    unsigned char bytes[1024];
    size_t len = base64_decode(slice_sub(text, *from, *to), bytes, sizeof bytes);
    return len >= 2 && memchr(bytes, ':', len) != NULL;
}

static bool check_after_colon(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    const char *colon = memchr(text.data + *from, ':', *to - *from);
    if (!colon) return false;
    *from = (uint32_t)(colon + 1 - text.data);
    return *from < *to;
}

#define LONGEST_CREDENTIALS 16384   /* of an authorization header */

static bool is_credentials_byte(char c)
{
    return ascii_is_alnum(c) || (c > ' ' && c < 0x7f && strchr("\"'(),;<>?[\\]`{|}", c) == NULL);
}

/* The secret is what follows the scheme of an authorization header, which is the span. */
static bool check_after_scheme(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    static const char *const schemes[] = {"bearer", "basic", "token", "apikey", "sharedkey", "splunk", "aad-sas", "key", "bot", NULL};
    (void)unused;
    if (*to == text.len || text.data[*to] != ' ' || !word_is_listed(slice_sub(text, *from, *to), schemes)) return false;
    *from = ++*to;
    while (*to < text.len && *to - *from < LONGEST_CREDENTIALS && is_credentials_byte(text.data[*to])) ++*to;
    return *to - *from >= 4;
}

/* One dot-separated part of a compact token; returns where it ends. */
static uint32_t part_end(struct slice text, uint32_t at)
{
    while (at < text.len && is_base64url(text.data[at])) at++;
    return at;
}

/* The first part decodes to a JSON object: `{`, white space, a quote, ..., and `}` at the end. Of a long one, as with certificates
 * in it, the beginning must do. */
static bool is_jwt_header(struct slice part)
{
    unsigned char bytes[3072];
    size_t len = base64_decode(part, bytes, sizeof bytes);
    bool cut = part.len > 4096;
    size_t at = 1;
    if (len < 7 || bytes[0] != '{') return false;
    while (at < len && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t')) at++;
    while (len > at && (bytes[len - 1] == '\n' || bytes[len - 1] == ' ')) len--;
    return at < len && bytes[at] == '"' && (cut || bytes[len - 1] == '}');
}

/* Takes the whole token whatever span was proposed: header.payload, header.payload.signature, or the five parts of an
 * encrypted one. A token cut off by whoever wrote the log counts from ten characters of payload on. */
static bool check_jwt(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    if (*from > 0 && is_base64url(text.data[*from - 1])) return false;
    uint32_t at = part_end(text, *from);
    if (at - *from < 10 || at >= text.len || text.data[at] != '.') return false;
    if (!is_jwt_header(slice_sub(text, *from, at))) return false;
    uint32_t payload = part_end(text, at + 1);
    uint32_t end = payload;
    for (int parts = 2; parts < 5 && end < text.len && text.data[end] == '.'; parts++) end = part_end(text, end + 1);
    if (payload - at - 1 < 10 && end == payload) return false;
    bool in_path = *from > 0 && text.data[*from - 1] == '/';
    while (end < text.len && (is_base64url(text.data[end]) || text.data[end] == '+' || (text.data[end] == '/' && !in_path))) end++;   /* not as it should be */
    *to = end;
    return true;
}

static bool starts_at(struct slice text, size_t at, struct slice what)
{
    return at + what.len <= text.len && memcmp(text.data + at, what.data, what.len) == 0;
}

#define FEWEST_LETTERS 24   /* of a key; even half of the shortest, that of Ed25519, has more */

/* Whether dots stand in place of a key, between its lines. */
static bool is_left_out(struct slice body)
{
    size_t letters = 0;
    for (size_t i = 0; i < body.len && letters < FEWEST_LETTERS; i++) letters += ascii_is_alnum(body.data[i]);
    bool dots = memmem(body.data, body.len, "...", 3) != NULL || memmem(body.data, body.len, "\xe2\x80\xa6", 3) != NULL;
    return letters < FEWEST_LETTERS && dots;
}

/* From -----BEGIN, which stands at most 64 bytes before the hit, to the end of the -----END line; where that is missing,
 * to the next -----BEGIN or the end of the text. */
static bool check_pem(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    static const struct slice begin = {"-----BEGIN ", 11}, dashes = {"-----", 5}, end = {"-----END ", 9}, block = {" BLOCK", 6};
    uint32_t start = *from, lowest = *from > 64 ? *from - 64 : 0;
    while (start > lowest && text.data[start] != '\n' && !starts_at(text, start, begin) && !starts_at(text, start, end)) start--;
    if (!starts_at(text, start, begin)) return false;
    uint32_t at = *to;
    if (starts_at(text, at, block)) at += (uint32_t)block.len;
    if (starts_at(text, at, dashes)) at += 5;
    const char *next = memmem(text.data + at, text.len - at, dashes.data, dashes.len);
    uint32_t stop = next ? (uint32_t)(next - text.data) : (uint32_t)text.len;
    if (next && starts_at(text, stop, end)) {
        if (is_left_out(slice_sub(text, at, stop))) return false;
        const char *last = memmem(next + end.len, text.len - stop - end.len, dashes.data, dashes.len);
        stop = last ? (uint32_t)(last + dashes.len - text.data) : (uint32_t)text.len;
    } else if (next && !starts_at(text, stop, begin)) {
        stop += 5;
    }
    *from = start;
    *to = stop;
    return true;
}

/* The first half of an Entra refresh token or code stands before the hit: 0.A... or 1.A..., perhaps with a digit of its
 * own between dots. */
static bool check_entra_token(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)to;
    (void)unused;
    uint32_t at = *from, lowest = *from > 1500 ? *from - 1500 : 0;
    if (at >= 2 && ascii_is_digit(text.data[at - 1]) && text.data[at - 2] == '.') at -= 2;
    uint32_t end = at;
    while (at > lowest && is_base64url(text.data[at - 1])) at--;
    if (end - at < 20 || at < 2 || text.data[at] != 'A' || text.data[at - 1] != '.') return false;
    at -= 2;
    if ((text.data[at] != '0' && text.data[at] != '1') || (at > 0 && ascii_is_alnum(text.data[at - 1]))) return false;
    *from = at;
    return true;
}

/* The part of an OpenAI key before its mark, which begins sk- */
static bool check_sk_before(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)to;
    (void)unused;
    uint32_t at = *from, lowest = *from > 200 ? *from - 200 : 0;
    while (at > lowest && is_base64url(text.data[at - 1])) at--;
    if (*from - at < 18 || memcmp(text.data + at, "sk-", 3) != 0) return false;
    *from = at;
    return true;
}

static bool check_user_password(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    struct slice s = slice_sub(text, *from, *to);
    const char *colon = memchr(s.data, ':', s.len);
    if (!colon) return false;
    if (colon + 1 == s.data + s.len) return looks_like_credential(slice_sub(s, 0, s.len - 1));   /* a key as name */
    return !looks_like_placeholder(slice_of(colon + 1, (size_t)(s.data + s.len - colon - 1))) && s.data[0] != '$';
}

/* The hit follows /workspaces/<name>/jobs/ */
static bool check_workspace_job(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)to;
    (void)unused;
    static const struct slice jobs = {"/jobs/", 6}, workspaces = {"/workspaces", 11};
    if (*from < jobs.len) return false;
    uint32_t at = *from - (uint32_t)jobs.len, end = at;
    while (at > 0 && end - at < 64 && text.data[at - 1] != '/') at--;
    return at < end && at > 0 && text.data[at - 1] == '/' && slice_ends_nocase(slice_sub(text, 0, at - 1), workspaces);
}

/* What stands after /runs/ or /jobs/: an id, not one of the verbs and collections of the run APIs. */
static bool check_run_id(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    static const char *const words[] = {"create", "update", "delete", "search", "query", "batch", "metrics", "events", "get",
                                        "list", "restore", "cancel", "children", "artifacts", "tags", "counts", "runs", "log-metric",
                                        "log-parameter", "log-batch", "log-model", "log-inputs", "set-tag", "delete-tag", "details",
                                        "get-metric-history", "batchdata", "batchsync", "overview", "status", "outputs", "logs", "token", NULL};
    struct slice s = slice_sub(text, *from, *to);
    if (word_is_listed(s, words)) return false;
    struct letters n = count_letters(s);
    return s.len >= 3 && n.upper + n.lower > 0 && !looks_like_placeholder(s);
}

static bool check_devops(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    return devops_checksum_valid(slice_sub(text, *from, *to));
}

/* Takes the URL from its scheme on: where it leads is all that it keeps secret. */
static bool check_whole_url(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    (void)to;
    uint32_t at = *from, lowest = *from > 300 ? *from - 300 : 0;
    while (at > lowest && (ascii_is_alnum(text.data[at - 1]) || strchr("-._/:?=&", text.data[at - 1]) != NULL)) at--;
    const char *scheme = memmem(text.data + at, *from - at, "http", 4);
    if (scheme != NULL) *from = (uint32_t)(scheme - text.data);
    return true;
}

#define COMMAND_LINE 512   /* bytes that are looked at on either side of an option */

/* A command line of curl stands before. */
static bool check_after_curl(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    (void)to;
    uint32_t reach = *from < COMMAND_LINE ? *from : COMMAND_LINE;
    return memmem(text.data + *from - reach, reach, "curl", 4) != NULL;
}

/* The word of a shell that begins at `from` or one quote before: to the first blank outside of quotes. */
static bool check_shell_word(struct slice text, uint32_t *from, uint32_t *to, double unused)
{
    (void)unused;
    char quote = *from > 0 && ascii_is_quote(text.data[*from - 1]) ? text.data[*from - 1] : '\0';
    const bool opened = quote != '\0';
    uint32_t at = *from, limit = text.len - at < COMMAND_LINE ? (uint32_t)text.len : at + COMMAND_LINE;
    for (; at < limit && text.data[at] != '\n' && (quote != '\0' || text.data[at] != ' '); at++) {
        char c = text.data[at];
        if (quote == '\0' && ascii_is_quote(c)) quote = c;
        else if (c == quote) quote = '\0';
    }
    bool closes = opened && at > *from && ascii_is_quote(text.data[at - 1]);
    if (quote == '\0') *to = closes ? at - 1 : at;   /* else never closed: as proposed */
    return *to > *from;
}

/* Where `-p` stands behind a blank. Two bytes are looked for: for three memmem() makes a table each time. */
static const char *find_option_p(struct slice line)
{
    for (size_t at = 1; at < line.len; at++) {
        const char *found = memmem(line.data + at, line.len - at, "-p", 2);
        if (found == NULL || found[-1] == ' ') return found;
        at = (size_t)(found - line.data);
    }
    return NULL;
}

/* Behind the name of a command, the value of its option -p: attached (`-pX`), or behind a blank. */
static bool check_password_option(struct slice text, uint32_t *from, uint32_t *to, double apart)
{
    const uint32_t least = 4, most = 100;
    struct slice line = slice_sub(text, *to, text.len - *to < COMMAND_LINE ? text.len : *to + COMMAND_LINE);
    const char *end = memchr(line.data, '\n', line.len);
    const char *option = find_option_p(slice_of(line.data, end == NULL ? line.len : (size_t)(end - line.data)));
    if (option == NULL) return false;
    uint32_t at = (uint32_t)(option - text.data) + 2;
    if (apart > 0 && (at >= text.len || text.data[at++] != ' ')) return false;
    if (at < text.len && ascii_is_quote(text.data[at])) at++;
    if (at >= text.len || memchr(" /-$=", text.data[at], 5) != NULL) return false;
    *from = *to = at;
    if (!check_shell_word(text, from, to, 0) || *to - *from < least || *to - *from > most) return false;
    return check_has_letter(text, from, to, 0) && check_not_placeholder(text, from, to, 0);
}

const struct verifier verifiers[] = {
    {"entropy", "bits per character", check_entropy, "random enough"},
    {"min-length", "bytes", check_min_length, "long enough"},
    {"not-placeholder", "", check_not_placeholder, "no stand-in such as <key>, ${KEY} or ****"},
    {"not-words", "", check_not_words, "more than words of examples such as my_secret"},
    {"not-guid", "", check_not_guid, "no identifier of the form 8-4-4-4-12"},
    {"not-hash", "", check_not_hash, "no hexadecimal digest of a usual length"},
    {"has-digit", "", check_has_digit, "holds a digit"},
    {"has-letter", "", check_has_letter, "holds a letter"},
    {"mixed", "", check_mixed, "holds upper case, lower case and a digit"},
    {"mixed-or-hex", "", check_mixed_or_hex, "looks random: mixed, or hexadecimal"},
    {"one-case", "", check_one_case, "does not mix upper and lower case"},
    {"credential", "", check_credential, "is no word of a sentence"},
    {"base64", "bytes", check_base64, "decodes as base64 to so many bytes"},
    {"basic-credentials", "", check_basic, "decodes as base64 to something with a colon"},
    {"after-colon", "", check_after_colon, "the secret is what follows the colon"},
    {"after-scheme", "", check_after_scheme, "the secret is what follows a scheme such as Bearer"},
    {"jwt", "", check_jwt, "a JSON web token: its header decodes; takes all its parts"},
    {"pem", "", check_pem, "a PEM block: takes it from BEGIN to END"},
    {"sk-before", "", check_sk_before, "begins with sk- before the hit"},
    {"user-password", "", check_user_password, "a name, a colon and a password"},
    {"whole-url", "", check_whole_url, "takes the whole URL"},
    {"after-curl", "", check_after_curl, "stands behind curl"},
    {"password-option", "1: behind a blank", check_password_option, "the value of the option -p of this command"},
    {"shell-word", "", check_shell_word, "takes the whole word of a command line, with its quotes"},
    {"entra-token", "", check_entra_token, "the first half of an Entra token stands before"},
    {"workspace-job", "", check_workspace_job, "stands in the path of a workspace"},
    {"run-id", "", check_run_id, "no verb or collection of the run APIs"},
    {"devops-checksum", "", check_devops, "the checksum of an Azure DevOps token is right"},
    {NULL, NULL, NULL, NULL},
};

const struct verifier *verifier_find(struct slice name)
{
    for (const struct verifier *verifier = verifiers; verifier->name; verifier++)
        if (slice_equal(name, slice_from(verifier->name))) return verifier;
    return NULL;
}
