#include "redaction/sensitive.h"

#include "redaction/verify.h"
#include "redaction/words.h"

#define MAX_NAME 128

/* A name as words: lower case, with a space before, between and after them (" db password "), and joined
 * ("dbpassword"). */
struct words {
    char   spaced[2 * MAX_NAME + 2], joined[MAX_NAME];
    size_t spaced_len, joined_len;
};

enum byte_kind { BYTE_BETWEEN, BYTE_LOWER, BYTE_UPPER, BYTE_DIGIT };

static enum byte_kind kind_of(char c)
{
    if (c >= 'a' && c <= 'z') return BYTE_LOWER;
    if (c >= 'A' && c <= 'Z') return BYTE_UPPER;
    return ascii_is_digit(c) ? BYTE_DIGIT : BYTE_BETWEEN;
}

static void split(struct slice name, struct words *w)
{
    if (name.len > MAX_NAME) name = slice_sub(name, name.len - MAX_NAME, name.len);
    enum byte_kind before = BYTE_BETWEEN;
    w->spaced_len = w->joined_len = 0;
    w->spaced[w->spaced_len++] = ' ';
    for (size_t i = 0; i < name.len; i++) {
        enum byte_kind kind = kind_of(name.data[i]);
        bool hump = kind == BYTE_UPPER && (before != BYTE_UPPER || (i + 1 < name.len && kind_of(name.data[i + 1]) == BYTE_LOWER));   /* dbPassword, APIKey */
        bool begins = before == BYTE_BETWEEN || hump;
        before = kind;
        if (kind == BYTE_BETWEEN) continue;
        if (begins && w->spaced[w->spaced_len - 1] != ' ') w->spaced[w->spaced_len++] = ' ';
        w->spaced[w->spaced_len++] = w->joined[w->joined_len++] = ascii_lower(name.data[i]);
    }
    if (w->spaced[w->spaced_len - 1] != ' ') w->spaced[w->spaced_len++] = ' ';
}

static bool ends_with_any(const char *text, size_t len, const char *const *tails)
{
    for (; *tails != NULL; tails++) {
        size_t tail_len = strlen(*tails);
        if (len >= tail_len && memcmp(text + len - tail_len, *tails, tail_len) == 0) return true;
    }
    return false;
}

/* In the joined form; what they stand in does not matter (`MyPasswordHere`). */
static const char *const listed_strong_parts[] = {
    "password", "passwd", "passphrase", "passwort", "kennwort", "secret", "apikey", "accesskey", "accountkey", "sharedkey",
    "privatekey", "subscriptionkey", "signingkey", "encryptionkey", "decryptionkey", "storagekey", "functionskey",
    "functionkey", "masterkey", "hostkey", "sshkey", "licensekey", "licencekey", "connectionstring", "connstr",
    "authorization", "authtoken", "accesstoken", "refreshtoken", "idtoken", "bearertoken", "sastoken", "sessiontoken",
    "runtoken", "securitytoken", "xsrftoken", "csrftoken", "apitoken", "identityheader", "userpwd", "credential",
    "clientassertion", "azurewebjobsstorage", "clientcertificate", "privatepem", "accesspat", "trackingtoken",
    "xmstokenaad", "oauthverifier", "codeverifier", "authcode", "authorizationcode", "oauthkey", "xmsclientprincipal", "saskey", "zumoauth", NULL,
};

/* Last words, with the space before. */
static const char *const listed_strong_tails[] = {
    " pwd", " pass", " cookie", " cookies", " token", " bearer", " jwt", " sas", " pat", " otp", " pin code",
    " security key", " auth key", " webhook url", " pw", " creds", " cred", " passcode", " pswd", " nkey", " psk", NULL,
};

static const char *const listed_weak_tails[] = {
    " key", " key 1", " key 2", " key primary", " key secondary", " key1", " key2", " keys", " tokens", " sig", " signature", " code", " auth", " cert",
    " certificate", " pfx", " pem", " nonce", " salt", " session", " session id", " ticket", " assertion",
    " hmac", " value", " sid", " seed", " mnemonic", " xkey", " crumb", " api", NULL,
};

/* Names that only speak about a secret. Last words, or parts in the joined form. */
static const char *const listed_plain_tails[] = {
    " name", " names", " id", " ids", " version", " versions", " type", " types", " kind", " uri", " endpoint",
    " url", " count", " counts", " length", " size", " expiry", " expires", " expires in", " expires on", " expired",
    " expiration", " path", " format", " algorithm", " policy", " policies", " enabled", " disabled", " required", " age",
    " issuer", " scope", " scopes", " date", " time", " set", " changed", " usage", " limit", " provider", " source",
    " status", " state", " hint", " mode", " field", " index", " prefix", " store", " vault", " rotation", " audience",
    " exists", " valid", " reference", " ref", " permissions", " expire", " ms", " lifetime", " expires at", " within", " options", " option",
    " subject", " email", " message", " label", " title", " description", " notice",
    " seconds", " minutes", " hours", " days", " weeks", " months", " years", " ttl", " timeout", " interval", " duration", " period",
    " attempts", " retries", " complexity", " bits", " extension", " credential manager", " credentials manager", " credential helper",
    " credential service", " credential handler", " secret manager", " secrets manager", " token service", " token manager",
    " token handler", " token factory",
    NULL,
};
static const char *const listed_plain_parts[] = {
    "publickey", "keyvault", "foreignkey", "sortkey", "partitionkey", "rowkey", "keyword", "maxtoken", "mintoken",
    "tokentype", "tokencount", "tokenusage", "prompttoken", "completiontoken", "totaltoken", "monkey", "routingkey",
    "primarykeycolumn", "hotkey", "keyboard", "statuscode", "responsecode", "resultcode", "errorcode", "exitcode",
    "countrycode", "languagecode", "zipcode", "postcode", "postalcode", "bypass", "compass", "tokenize", "secretary", "resultsignature",
    "encryptedkey", "nopasswd", "credentialtype", "locktoken", "cancellationtoken", "correlationtoken", NULL,
};

static const char *const listed_identity_parts[] = {
    " user name ", " username ", " user id ", " userid ", " user oid ", " user object id ", " user principal name ", " upn ",
    " principal id ", " principal name ", " object id ", " suser ", " duser ", " suid ", " duid ", " usr name ", " caller ",
    " login ", " full name ", " display name user ", " email ", " e mail ", " mail ", " enduser id ", " end user id ", NULL,
};

/* The same lists, to be asked. */
static struct word_index strong_parts = {.words = listed_strong_parts, .order = WORDS_BY_START},
                         strong_tails = {.words = listed_strong_tails, .order = WORDS_BY_END},
                         weak_tails = {.words = listed_weak_tails, .order = WORDS_BY_END},
                         plain_parts = {.words = listed_plain_parts, .order = WORDS_BY_START},
                         plain_tails = {.words = listed_plain_tails, .order = WORDS_BY_END},
                         identity_parts = {.words = listed_identity_parts, .order = WORDS_BY_START};

/* Writes the name with full-width letters (U+FF01 to U+FF5E) and percent escapes as ASCII, as far as there is room. */
static struct slice folded(struct slice name, char out[MAX_NAME])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len && len < MAX_NAME; i++) {
        const unsigned char *c = (const unsigned char *)name.data + i;
        size_t left = name.len - i;
        int high = left > 2 && c[0] == '%' ? ascii_hex_digit((char)c[1]) : -1, low = high >= 0 ? ascii_hex_digit((char)c[2]) : -1;
        bool wide = left > 2 && c[0] == 0xef && ((c[1] == 0xbc && c[2] > 0x80) || (c[1] == 0xbd && c[2] < 0x9f));
        out[len++] = wide ? (char)(c[2] - 0x60 + (c[1] == 0xbd ? 0x40 : 0)) : low >= 0 ? (char)(high << 4 | low) : (char)c[0];
        if (wide || low >= 0) i += 2;
    }
    return slice_of(out, len);
}

enum sensitivity name_sensitivity(struct slice name)
{
    struct words w;
    char plain[MAX_NAME];
    if (memchr(name.data, '%', name.len) != NULL || memchr(name.data, 0xef, name.len) != NULL) name = folded(name, plain);
    split(name, &w);
    if (w.joined_len < 2 || slice_equal(slice_of(w.joined, w.joined_len), SLICE("ikey"))) return NAME_PLAIN;
    if (word_index_inside(&plain_parts, w.joined, w.joined_len)) return NAME_PLAIN;
    if (slice_equal(slice_of(w.joined, w.joined_len), SLICE("webhookurl"))) return NAME_STRONG;
    if (word_index_ends(&plain_tails, w.spaced, w.spaced_len - 1) &&
        !ends_with_any(w.spaced, w.spaced_len, (const char *const[]){" session id ", " webhook url ", NULL}))
        return NAME_PLAIN;
    if (word_index_inside(&strong_parts, w.joined, w.joined_len)) return NAME_STRONG;
    bool alone = memchr(w.spaced + 1, ' ', w.spaced_len - 2) == NULL;   /* one word: `token` alone is weak */
    if (word_index_ends(&strong_tails, w.spaced, w.spaced_len - 1))
        return alone && ends_with_any(w.spaced, w.spaced_len, (const char *const[]){" token ", " pat ", " sas ", NULL})
                   ? NAME_WEAK : NAME_STRONG;
    return word_index_ends(&weak_tails, w.spaced, w.spaced_len - 1) && !(alone && slice_equal(slice_of(w.spaced, w.spaced_len), SLICE(" value ")))
               ? NAME_WEAK : NAME_PLAIN;
}

bool name_is_identity(struct slice name)
{
    struct words w;
    split(name, &w);
    return word_index_inside(&identity_parts, w.spaced, w.spaced_len);
}

/* --- Values -------------------------------------------------------------------------------------------------------------- */

struct counts {
    size_t upper, lower, digit, hex, dot, dash, slash, other;
};

static struct counts count(struct slice v)
{
    struct counts n = {0};
    for (size_t i = 0; i < v.len; i++) {
        char c = v.data[i];
        if (c >= 'A' && c <= 'Z') n.upper++;
        else if (c >= 'a' && c <= 'z') n.lower++;
        else if (ascii_is_digit(c)) n.digit++;
        else if (c == '.') n.dot++;
        else if (c == '-' || c == '_') n.dash++;
        else if (c == '/') n.slash++;
        else if (c == '+' || c == '=' || c == '~' || c == '%' || c == ':' || c == '!' || c == '*' || c == '$' || c == '@') n.other++;
        else n.other += v.len;   /* white space, brackets, quotes: not a credential */
    }
    return n;
}

/* Whether something stands between brackets that is no name: `<password>` and `${DB_PASSWORD_1}` are placeholders, `<x7$Qe9>`
 * may be a password. */
static bool is_odd_bracket(struct slice v)
{
    if (v.len < 3 || memchr("<{[(%@#$_", v.data[0], 9) == NULL || (v.data[0] == '$' && v.data[1] != '{' && v.data[1] != '(')) return false;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.data[i], before = i > 0 ? v.data[i - 1] : '_';
        bool counted = ascii_is_digit(c) && (before == '_' || before == '-' || before == ' ' || before == v.data[0]);
        if (!ascii_is_alpha(c) && !counted && memchr("_-. <>{}[]()%@#$*?", c, 18) == NULL) return true;
    }
    return false;
}

bool says_nothing(struct slice v)
{
    if (v.len > 10 && memcmp(v.data, "[redacted:", 10) == 0) return false;
    if (is_odd_bracket(v)) return false;
    return v.len == 0 || (v.len <= 64 && looks_like_placeholder(v));
}

bool looks_like_credential(struct slice v)
{
    if (v.len < 12 || v.len > 8192) return false;
    struct counts n = count(v);
    if (n.other >= v.len) return false;
    if (looks_like_guid(v) || looks_like_placeholder(v)) return false;
    if (n.digit == 0 || n.upper + n.lower == 0) return v.len >= 40 && n.upper > 4 && n.lower > 4 && n.slash < 2 && n.dot == 0;
    if (n.digit + n.dot + n.dash >= v.len - 2) return false;               /* dates, versions, numbers */
    if (v.data[0] == '/' && n.slash >= 2) return false;                    /* paths */
    if (n.slash >= 2 && memmem(v.data, v.len, "://", 3) != NULL) return false;
    if (n.slash > v.len / 8 && n.upper == 0) return false;
    if (n.dash + n.dot > v.len / 5 && (n.upper == 0 || n.lower == 0)) return false;   /* words-with-dashes-01 */
    if (n.dash + n.dot > 0 && n.digit < v.len / 5 && (n.upper == 0 || n.lower == 0)) return false;
    if (v.len >= 19 && v.data[4] == '-' && v.data[7] == '-' && v.data[10] == 'T') return false;   /* ISO time */
    return entropy_reaches(v, v.len < 20 ? 3.0 : 3.2);
}

#define SHORTEST_MIXED 8

bool looks_mixed(struct slice v)
{
    size_t turns = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (!ascii_is_alnum(v.data[i])) return false;
        turns += i > 0 && ascii_is_digit(v.data[i]) != ascii_is_digit(v.data[i - 1]);
    }
    return v.len >= SHORTEST_MIXED && turns > 1 && !looks_like_placeholder(v);
}

bool name_is_token(struct slice name)
{
    if (name.len > 0 && ascii_lower(name.data[name.len - 1]) == 's') name.len--;
    return slice_ends_nocase(name, SLICE("token"));
}
