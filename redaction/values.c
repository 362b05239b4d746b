#include "redaction/values.h"

#include "base/check.h"
#include "redaction/sensitive.h"
#include "redaction/words.h"

#define MAX_REFERENCE 160   /* longer ones are taken for values */
#define MAX_WORDS 48        /* letters of an identifier that is looked at word by word */

static const char *const known_words[] = {
#define WORD(text) text,
#include "redaction/known_words.def"
    NULL};

static bool is_identifier_byte(char c) { return ascii_is_alnum(c) || c == '_'; }

/* The fewest known words that letters (lower case) can be cut into; 0: they cannot. */
static unsigned cut_into_words(const char *letters, size_t len)
{
    static struct word_index known = {.words = known_words, .order = WORDS_BY_START};
    uint8_t fewest[MAX_WORDS + 1] = {1};   /* and one more */
    for (size_t at = 0; at < len; at++) {
        if (fewest[at] == 0) continue;
        for (unsigned n = 0; (n = word_index_next(&known, letters + at, len - at, n)) != 0;) {
            size_t word = known.lengths[n - 1];
            if (fewest[at + word] == 0 || fewest[at] + 1 < fewest[at + word]) fewest[at + word] = (uint8_t)(fewest[at] + 1);
        }
    }
    return fewest[len] == 0 ? 0 : fewest[len] - 1u;
}

/* One word, or two of which one is a credential's: "token", "mypassword". What is glued together otherwise may be a password. */
static bool is_known_piece(const char *letters, size_t len)
{
    static const char *const kinds[] = {"password", "passwd", "secret", "token", "key", "pass", "pwd", "credential", "credentials", "creds", "auth", NULL};
    unsigned words = cut_into_words(letters, len);
    if (words == 1) return true;
    for (const char *const *k = kinds; words == 2 && *k != NULL; k++) {
        size_t kind = strlen(*k);
        if (len > kind && (memcmp(letters, *k, kind) == 0 || memcmp(letters + len - kind, *k, kind) == 0)) return true;
    }
    return false;
}

#define LONGEST_NUMBERED 10   /* "curve25519" */

/* Names of algorithms and encodings, as RFC 4253, RFC 7518 and the IANA registries behind them spell them. */
static bool is_numbered_word(struct slice text)
{
    static const char *const words[] = {
        "sha1", "sha2", "sha224", "sha256", "sha384", "sha512", "md5", "aes128", "aes192", "aes256", "3des", "ed25519",
        "ed448", "x25519", "curve25519", "nistp256", "nistp384", "nistp521", "secp256k1", "secp256r1", "hs256", "hs384",
        "hs512", "rs256", "rs384", "rs512", "es256", "es384", "es512", "ps256", "base32", "base64", "pbkdf2", "argon2",
        "argon2id", "x509", "pkcs8", "pkcs12", "oauth2", "utf8", "utf16", NULL};
    return word_is_listed(text, words);
}

static bool is_between_words(char c) { return c == ' ' || c == '_' || c == '-' || c == '.' || c == ':' || c == '/'; }

bool is_known_words(struct slice text)
{
    char letters[MAX_WORDS];
    size_t len = 0, pieces = 0, digits = 0;
    for (size_t i = 0; i <= text.len; i++) {
        char c = i < text.len ? text.data[i] : ' ';
        char before = i > 0 ? text.data[i - 1] : 'A';
        bool begins = i < text.len && c >= 'A' && c <= 'Z' && (ascii_is_digit(before) || (before >= 'a' && before <= 'z'));
        if (begins || is_between_words(c)) {
            if (len > 1 && !(digits > 0 ? is_numbered_word(slice_of(letters, len)) : is_known_piece(letters, len))) return false;
            if (len == 1 && (digits > 0 || c == ' ')) return false;
            pieces += len > 1;   /* a single letter says nothing: `a_token` */
            len = digits = 0;
        }
        if (is_between_words(c)) continue;
        if (!ascii_is_alnum(c) || len == sizeof letters) return false;
        digits += ascii_is_digit(c);
        letters[len++] = ascii_lower(c);
        if (digits > 0 && len > LONGEST_NUMBERED) return false;
    }
    return pieces > 0;
}

static bool is_identifier(struct slice v)
{
    if (v.len == 0 || ascii_is_digit(v.data[0])) return false;
    for (size_t i = 0; i < v.len; i++)
        if (!is_identifier_byte(v.data[i])) return false;
    return true;
}

static size_t count_digits(struct slice v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.len; i++) n += ascii_is_digit(v.data[i]);
    return n;
}

/* `twitter_consumer_secret`, `proxyPass`, `GCM_SP_SECRET`: the name of another credential, in more than one word. */
static bool is_credential_name(struct slice v)
{
    if (!is_identifier(v) || count_digits(v) > 0) return false;
    bool words = false;
    for (size_t i = 1; i < v.len; i++)
        words |= v.data[i] == '_' || (v.data[i] >= 'A' && v.data[i] <= 'Z' && v.data[i - 1] >= 'a' && v.data[i - 1] <= 'z');
    return words && name_sensitivity(v) == NAME_STRONG;
}

bool names_credential(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 'a' && text.data[i] <= 'z') return false;
    return text.len <= MAX_WORDS && is_credential_name(text);
}

/* The length of a dotted path at the start of v: `self.conf`, `a->b`, `Foo::bar`, `@pass`; how many steps it has, and whether one
 * at its end is known. */
static size_t path_length(struct slice v, size_t *steps, bool *known)
{
    size_t at = 0;
    static const char *const roots[] = {"self", "this", "config", "cfg", "conf", "settings", "options", "opts", "env", "environment", "process", "os",
                                        "args", "params", "request", "req", "res", "response", "ctx", "context", "app", "client", "data", NULL};
    *steps = 0;
    *known = false;
    while (at < v.len) {
        size_t from = at;
        while (at < v.len && is_identifier_byte(v.data[at])) at++;
        struct slice step = slice_sub(v, from, at);
        if (!is_identifier(step) || count_digits(step) > (at < v.len && v.data[at] == '.' ? 5 : 2)) return from;
        ++*steps;
        bool last = at == v.len || memchr(".-:?", v.data[at], 4) == NULL;
        if (last ? is_known_words(step) || is_credential_name(step) : *steps == 1 && word_is_listed(step, roots)) *known = true;
        if (at < v.len && (v.data[at] == '.' || (v.data[at] == '?' && at + 1 < v.len && v.data[at + 1] == '.'))) at += v.data[at] == '.' ? 1 : 2;
        else if (at + 1 < v.len && ((v.data[at] == '-' && v.data[at + 1] == '>') || (v.data[at] == ':' && v.data[at + 1] == ':'))) at += 2;
        else break;
    }
    return at;
}

/* An expression of a program: a call, an index, a member, a variable with its sign. */
static bool is_expression(struct slice v, char after)
{
    bool known;
    size_t steps, sign = v.len > 1 && memchr("$@&*:%!", v.data[0], 7) != NULL;
    if (after == '}' && (v.data[0] == '{' || (v.len > 1 && v.data[1] == '{'))) return true;
    if (v.len > 1 && memchr("([{", v.data[v.len - 1], 3) != NULL && memchr("\"'`)]", after, 5) != NULL) return true;
    struct slice rest = slice_sub(v, sign, v.len);
    size_t len = path_length(rest, &steps, &known);
    if (v.len > 2 && v.data[0] == '-' && v.data[1] == '$') return true;   /* ${X:-$Y} */
    if (len == 0) return false;
    if (len == rest.len) return (sign && count_digits(rest) == 0) || (steps > 1 && known) || after == '(' || after == '[';
    char c = rest.data[len];
    bool opens = c == '(' || c == '[' || (c == '{' && len + 1 == rest.len);
    bool closes = after == ')' || after == ']' || after == '"' || after == '\'' || after == ',' || after == ';' || len + 1 == rest.len ||
                  memchr(rest.data + len, ')', rest.len - len) != NULL || memchr(rest.data + len, ']', rest.len - len) != NULL;
    return opens && closes;
}

/* `u("`, `line.split(b'`: a call, of which the value ends where its first argument begins, a text. */
static bool is_call_with_text(struct slice v, char after)
{
    bool known;
    size_t steps;
    if (after != '"' && after != '\'') return false;
    if (v.len > 1 && memchr("bru", v.data[v.len - 1], 3) != NULL && v.data[v.len - 2] == '(') v.len--;
    return v.len > 1 && v.data[v.len - 1] == '(' && path_length(slice_sub(v, 0, v.len - 1), &steps, &known) == v.len - 1;
}

static const char *find_close(struct slice v, const char *from, const char *close)
{
    return memmem(from, (size_t)(v.data + v.len - from), close, strlen(close));
}

/* Whether what stands in a place of a template names something. */
static bool is_place(struct slice inside)
{
    for (size_t k = 0; k < inside.len; k++)
        if (!is_identifier_byte(inside.data[k]) && strchr(" .-:/$()[]'|?=@", inside.data[k]) == NULL) return false;
    return true;
}

/* "%s:%d": nothing else but where text is put in. */
static bool is_verbs(struct slice v)
{
    size_t verbs = 0;
    for (size_t at = 0; at < v.len; at++) {
        if (ascii_is_alnum(v.data[at])) return false;
        if (v.data[at] != '%') continue;
        if (at + 1 < v.len && ascii_is_digit(v.data[at + 1])) at++;   /* %2d */
        if (++at == v.len || !ascii_is_alpha(v.data[at])) return false;
        verbs++;
    }
    return verbs > 0;
}

/* "${X}", "{{ x }}", "#{x}", "%(x)s", "<%= x %>", one or more of a kind, with little around them that could be a secret. */
static bool is_template(struct slice v)
{
    static const char *const marks[][2] = {{"${", "}"}, {"{{", "}}"}, {"#{", "}"}, {"%(", ")"}, {"<%", "%>"}, {"$(", ")"}, {"$[", "]"}, {"{", "}"}};
    bool opens = memchr(v.data, '{', v.len) != NULL || memchr(v.data, '(', v.len) != NULL || memchr(v.data, '%', v.len) != NULL ||
                 memchr(v.data, '[', v.len) != NULL;
    for (size_t i = 0; opens && i < sizeof marks / sizeof *marks; i++) {
        size_t open_len = strlen(marks[i][0]), close_len = strlen(marks[i][1]), named = 0, places = 0;
        struct slice rest = v;
        for (const char *open; (open = memmem(rest.data, rest.len, marks[i][0], open_len)) != NULL;) {
            const char *close = find_close(v, open, marks[i][1]);
            if (close == NULL) break;
            struct slice inside = slice_of(open + open_len, (size_t)(close - open) - open_len);
            if (!is_place(inside)) return false;
            named += inside.len > 0;
            places += open_len + inside.len + close_len;
            rest = slice_sub(v, (size_t)(close + close_len - v.data), v.len);
        }
        size_t outside = v.len - places;
        if (places > 0) return outside < 6 || (named > 0 && outside < 12 && i != 7);
    }
    return is_verbs(v);
}

static bool is_file_path(struct slice v)
{
    size_t slashes = 0;
    for (size_t i = 0; i < v.len; i++) {
        slashes += v.data[i] == '/' || v.data[i] == '\\';
        if (!ascii_is_alpha(v.data[i]) && strchr("/\\._-~:", v.data[i]) == NULL) return false;
    }
    return slashes >= 1 && strchr("/.~\\", v.data[0]) != NULL;
}

/* `my.creds`, `users-and-tokens.md` */
static bool is_file_name(struct slice v)
{
    static const char *const endings[] = {"md", "txt", "yml", "yaml", "json", "xml", "pem", "key", "crt", "cer", "pfx", "p12", "jks", "nk",
                                          "creds", "cfg", "conf", "ini", "env", "html", "js", "py", "rb", "go", "cs", "java", "log", "sh", NULL};
    const char *dot = memrchr(v.data, '.', v.len);
    if (dot == NULL || dot == v.data || count_digits(v) > 2) return false;
    for (const char *c = v.data; c < dot; c++)
        if (!is_identifier_byte(*c) && *c != '-') return false;
    return word_is_listed(slice_of(dot + 1, (size_t)(v.data + v.len - dot - 1)), endings);
}

/* `BCRYPT_AUTH_HASH`, `ConvertTo-SecureString`, `#see_below`: names of constants, of commands, of places in a page. */
static bool is_named_thing(struct slice v)
{
    size_t upper = 0, lower = 0, dashes = 0, underscores = 0;
    for (size_t i = v.data[0] == '#'; i < v.len; i++) {
        char c = v.data[i];
        if (!ascii_is_alpha(c) && c != '_' && c != '-') return false;
        upper += c >= 'A' && c <= 'Z';
        lower += c >= 'a' && c <= 'z';
        underscores += c == '_';
        dashes += c == '-';
    }
    bool constant = lower == 0 && upper > 3 && underscores > 0 && dashes == 0;
    bool command = dashes == 1 && lower > upper && upper > 1 && v.data[0] >= 'A' && v.data[0] <= 'Z';
    return constant || command || (v.data[0] == '#' && v.len > 3);
}

/* `" + x + "`, `".hash($x)."` between quotes of the other kind: a program joins a text to others. */
static bool is_joined(struct slice v)
{
    size_t at = 1;
    while (at < v.len && v.data[at] == ' ') at++;
    return v.len > 2 && ascii_is_quote(v.data[0]) && at < v.len && memchr(".+,)&", v.data[at], 5) != NULL;
}

/* A quote that closes what began before the name: what follows is no value but the rest of a program. */
static bool is_rest_of_program(struct slice v)
{
    if (is_joined(v)) return true;
    static const char *const starts[] = {", ", " + ", "+ ", ")", ".md5(", "+", NULL};
    for (const char *const *s = starts; *s != NULL; s++)
        if (v.len > 0 && v.data[0] == **s && v.len >= strlen(*s) && memcmp(v.data, *s, strlen(*s)) == 0 && (strlen(*s) > 1 || v.len < 3 || !ascii_is_alnum(v.data[1]))) return true;
    return false;
}

/* "xxxx-xxxx", "\\xx\\xx", "XX:XX": crossed out. */
static bool is_crossed_out(struct slice v)
{
    size_t crosses = 0;
    for (size_t i = 0; i < v.len; i++) {
        if ((v.data[i] | 0x20) == 'x') crosses++;
        else if (strchr("-_.:\\/* ", v.data[i]) == NULL) return false;
    }
    return crosses > 1;
}

/* `#{Name.of`, `${x`: a template that a blank cut off. */
static bool is_opened_template(struct slice v, char after)
{
    if (after != ' ' || v.len < 4 || v.data[1] != '{' || (v.data[0] != '#' && v.data[0] != '$' && v.data[0] != '{')) return false;
    for (size_t i = 2; i < v.len; i++)
        if (!is_identifier_byte(v.data[i]) && v.data[i] != '.' && v.data[i] != ':') return false;
    return true;
}

/* "AKIA...", "MYA*", "<enter", "[your", "BBBBBB": something left out. */
static bool is_abridged(struct slice v)
{
    size_t same = 1, upper = 0;
    while (same < v.len && v.data[same] == v.data[0]) same++;
    if (same == v.len && same < 32) return true;
    if (v.len < 16 && v.len > 3 && memcmp(v.data + v.len - 3, "...", 3) == 0) return true;
    struct slice number = slice_sub(v, v.len > 0 && v.data[0] == '-', v.len);   /* a small one */
    if (number.len > 2 && number.len <= 10 && number.data[0] == '0' && (number.data[1] | 0x20) == 'x') return true;
    bool dots = memchr(v.data, '.', v.len) != NULL && memmem(v.data, v.len, "...", 3) != NULL;
    if (dots && memmem(v.data, v.len, "n...", 4) != NULL && memmem(v.data, v.len, "-----", 5) != NULL) return true;
    if (dots && memmem(v.data, v.len, "[...]", 5) != NULL) return true;
    if (memchr(v.data, '\xe2', v.len) != NULL && memmem(v.data, v.len, "\xe2\x80\xa6", 3) != NULL) return true;
    for (size_t k = 1; k + 1 < v.len; k++) {
        if (!ascii_is_alpha(v.data[k])) return false;
        upper += v.data[k] <= 'Z';
    }
    if (v.data[v.len - 1] == '*') return v.len < 8 && (upper + 2 == v.len || upper == 0);
    return memchr("<[{(", v.data[0], 4) != NULL && ascii_is_alpha(v.data[v.len - 1]);
}

/* The first line of a key alone: what follows it is found by what it is. */
static bool is_pem_line(struct slice v)
{
    static const struct slice begin = {"-----BEGIN ", 11}, dashes = {"-----", 5};
    return v.len > begin.len + dashes.len && memcmp(v.data, begin.data, begin.len) == 0 &&
           memmem(v.data + begin.len, v.len - begin.len, dashes.data, dashes.len) == v.data + v.len - dashes.len;
}

static bool has_alnum(struct slice v)
{
    for (size_t i = 0; i < v.len; i++)
        if (ascii_is_alnum(v.data[i]) || (unsigned char)v.data[i] >= 0x80) return true;
    return false;
}

static bool repeats_name(struct slice name, struct slice v)
{
    return v.len >= 2 && slice_ends_nocase(name, v);
}

/* Without blanks around it and line ends, as such or escaped, behind it. */
static struct slice trimmed(struct slice v)
{
    while (v.len > 0 && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\\')) v.len--;
    while (v.len > 2 && v.data[v.len - 2] == '\\' && memchr("nrt", v.data[v.len - 1], 3) != NULL) v.len -= 2;
    while (v.len > 0 && v.data[0] == ' ') v = slice_sub(v, 1, v.len);
    return v;
}

/* How many letters the words of a text have on average, as people write them: `userName` has two words of four. What changes case
 * or class at every other byte was drawn by lot, whatever else it looks like. 0: it has more digits than text has. Without a branch,
 * in bytes, for vectors. */
static size_t letters_a_word(struct slice v)
{
    uint8_t small[MAX_REFERENCE + 2] = {0}, capital[MAX_REFERENCE + 2] = {0}, words = 0, letters = 0;   /* one before, one behind */
    size_t digits = count_digits(v);
    CHECK(v.len <= MAX_REFERENCE && MAX_REFERENCE <= UINT8_MAX);
    if (digits > (v.len - digits) / 3) return 0;   /* even if all the rest are letters */
    for (size_t i = 0; i < v.len; i++) {
        small[i + 1] = (uint8_t)(v.data[i] - 'a') < 26;
        capital[i + 1] = (uint8_t)(v.data[i] - 'A') < 26;
    }
    for (size_t i = 1; i <= v.len; i++) {
        uint8_t inside = small[i - 1] | capital[i - 1], hump = capital[i] & ((capital[i - 1] ^ 1) | small[i + 1]);   /* userName, HTTPServer */
        letters += small[i] | capital[i];
        words += ((small[i] | capital[i]) & (inside ^ 1)) | hump;
    }
    if (digits > letters / 3u) return 0;
    return words > 0 ? letters / words : SIZE_MAX;   /* letters of another alphabet: no word is too short */
}

/* Whether one of the words of a text has less than three letters; one begins with a capital behind a small letter. */
static bool has_short_word(struct slice v)
{
    size_t len = 0;
    for (size_t i = 0; i <= v.len; i++) {
        bool letter = i < v.len && ascii_is_alpha(v.data[i]), small = letter && v.data[i] >= 'a';
        bool after_small = len > 0 && v.data[i - 1] >= 'a';
        if (letter && (small || !after_small)) {
            len++;
            continue;
        }
        if (len > 0 && len < 3) return true;
        len = letter;
    }
    return false;
}

/* Neither a capital nor a digit. */
static bool is_small(struct slice v)
{
    for (size_t i = 0; i < v.len; i++)
        if (ascii_is_digit(v.data[i]) || (v.data[i] >= 'A' && v.data[i] <= 'Z')) return false;
    return true;
}

bool refers_to_value(struct slice name, struct slice value, bool quoted, char after)
{
    size_t len = value.len;
    value = trimmed(value);
    if (value.len > MAX_REFERENCE) return false;
    if (value.len < len && says_nothing(value)) return true;
    if (quoted ? is_rest_of_program(value) : is_call_with_text(value, after)) return true;
    if (value.len > 1 && value.data[0] == '$' && is_identifier(slice_sub(value, 1, value.len)) && count_digits(value) == 0) return true;
    if (!has_alnum(value) || repeats_name(name, value) || is_template(value) || is_known_words(value)) return true;
    if (is_abridged(value) || is_pem_line(value) || is_crossed_out(value)) return true;
    if ((is_small(value) && is_file_name(value)) || (!quoted && is_opened_template(value, after))) return true;
    size_t letters = letters_a_word(value);
    if (letters < 3) return false;
    bool by_chance = letters < 4 && memchr(value.data, '_', value.len) == NULL && has_short_word(value);   /* `xKqTnJmPW` */
    if (!by_chance && is_credential_name(value)) return true;
    if (is_file_path(value) || is_file_name(value)) return true;
    return !quoted && (is_named_thing(value) || is_expression(value, after));
}
