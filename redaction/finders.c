#include "redaction/finders.h"

#include "redaction/verify.h"

static bool alnum_at(struct slice text, size_t at) { return at < text.len && ascii_is_alnum(text.data[at]); }

static bool alnum_before(struct slice text, size_t at) { return at > 0 && ascii_is_alnum(text.data[at - 1]); }

static bool digit_at(struct slice text, size_t at) { return at < text.len && ascii_is_digit(text.data[at]); }

/* Whether text[from..to) touches a decimal point as a number's fraction or whole part does: 0.4539 or 4539.0 */
static bool in_fraction(struct slice text, uint32_t from, uint32_t to)
{
    bool before = from > 1 && (text.data[from - 1] == '.' || text.data[from - 1] == ',') && digit_at(text, from - 2);
    bool after = to < text.len && text.data[to] == '.' && digit_at(text, to + 1);
    return before || after;
}

/* --- Runs of digits --------------------------------------------------------------------------------------------------- */

static unsigned number_of(const char *digits, int count)
{
    unsigned number = 0;
    for (int i = 0; i < count; i++) number = number * 10 + (unsigned)(digits[i] - '0');
    return number;
}

static bool between(unsigned x, unsigned low, unsigned high) { return x >= low && x <= high; }

/* Issuer prefix and length agree. Long Maestro numbers are left out: their range holds .NET ticks. */
static bool is_issued(const char *d, int len)
{
    unsigned two = number_of(d, 2), three = number_of(d, 3), four = number_of(d, 4);
    if (d[0] == '4') return len == 13 || len == 16 || len == 19;
    if (between(two, 51, 55) || between(four, 2221, 2720)) return len == 16;
    if (two == 34 || two == 37) return len == 15;
    if (between(three, 300, 305) || two == 36 || two == 38 || two == 39) return len == 14;
    if (four == 6011 || between(three, 644, 649) || two == 65 || two == 62) return len == 16;
    if (between(four, 3528, 3589)) return len == 16;
    return len == 16 && (four == 5018 || four == 5020 || four == 5038 || four == 6304 || four == 6759 ||
                         between(four, 6761, 6763));
}

/* Groups as printed on cards. */
static bool is_grouping(const int *sizes, int count)
{
    static const int known[][5] = {{4, 4, 4, 4, 0}, {4, 4, 4, 4, 3}, {4, 6, 5, 0, 0}, {4, 6, 4, 0, 0}};
    if (count == 1) return true;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        bool same = true;
        for (int i = 0; i < 5; i++) same = same && known[k][i] == (i < count ? sizes[i] : 0);
        if (same) return true;
    }
    return false;
}

static bool find_card(struct slice text, uint32_t start, uint32_t *from, uint32_t *to)
{
    char digits[20];
    int len = 0, sizes[5] = {0}, groups = 0;
    char separator = 0;
    uint32_t found = 0, at = start;
    if (alnum_before(text, start)) return false;
    for (;;) {
        while (digit_at(text, at) && len < 20) {
            digits[len++] = text.data[at++];
            sizes[groups]++;
        }
        if (len >= 20) break;
        groups++;
        if (len >= 13 && !alnum_at(text, at) && is_grouping(sizes, groups) && is_issued(digits, len) &&
            luhn_valid(slice_of(digits, (size_t)len)) && !in_fraction(text, start, at))
            found = at;
        if (groups == 5 || at >= text.len || (text.data[at] != ' ' && text.data[at] != '-')) break;
        if (separator && text.data[at] != separator) break;
        separator = text.data[at];
        if (!digit_at(text, at + 1)) break;
        at++;
    }
    *from = start;
    *to = found;
    bool before = start > 1 && text.data[start - 1] == '-' && alnum_before(text, start - 1);
    if (before && found < text.len && text.data[found] == '-') return false;   /* part of a longer id */
    return found > 0;
}

static bool find_personal_number(struct slice text, uint32_t start, uint32_t *from, uint32_t *to)
{
    static const unsigned days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char digits[12];
    uint32_t at = start;
    int len = 0;
    while (digit_at(text, at) && len < 9) {
        if (len < 8) digits[len] = text.data[at];
        len++;
        at++;
    }
    if ((len != 6 && len != 8) || at >= text.len || (text.data[at] != '-' && text.data[at] != '+')) return false;
    for (int i = 0; i < 4; i++)
        if (!digit_at(text, ++at)) return false;
        else digits[len + i] = text.data[at];
    at++;
    bool dash_after = at < text.len && text.data[at] == '-' && alnum_at(text, at + 1);
    if (alnum_at(text, at) || dash_after || in_fraction(text, start, at)) return false;
    if (start > 0 && memchr("-_.:", text.data[start - 1], 4) != NULL) return false;
    unsigned century = len == 8 ? number_of(digits, 2) : 19;
    const char *ten = digits + (len == 8 ? 2 : 0);
    unsigned month = number_of(ten + 2, 2), day = number_of(ten + 4, 2);
    if (day > 60) day -= 60;   /* a coordination number */
    if (century < 18 || century > 20 || month < 1 || month > 12 || day < 1 || day > days[month - 1]) return false;
    *from = start;
    *to = at;
    return luhn_valid(slice_of(ten, 10));
}

/* --- Run names -------------------------------------------------------------------------------------------------------- */

/* The alphabet of the generator's suffix: no vowels, so that it spells nothing. */
static bool is_suffix(char c)
{
    return ascii_is_digit(c) || (c >= 'a' && c <= 'z' && c != 'a' && c != 'e' && c != 'i' && c != 'o' && c != 'u');
}

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

static bool is_lower_hex(char c) { return ascii_is_digit(c) || (c >= 'a' && c <= 'f'); }

/* Children are numbered: <name>_17 */
static uint32_t with_child(struct slice text, uint32_t at)
{
    uint32_t end = at + 1;
    if (at >= text.len || text.data[at] != '_') return at;
    while (end < text.len && end - at <= 6 && digit_at(text, end)) end++;
    return end > at + 1 && !alnum_at(text, end) ? end : at;
}

static uint32_t word_before(struct slice text, uint32_t at)
{
    uint32_t start = at;
    while (start > 0 && at - start < 20 && is_lower(text.data[start - 1])) start--;
    return start;
}

/* <adjective>_<noun>_<10 of the suffix alphabet>, at the second underscore. */
static bool find_friendly(struct slice text, uint32_t at, uint32_t *from, uint32_t *to)
{
    uint32_t end = at + 1, letters = 0;
    while (end < text.len && end - at <= 10 && is_suffix(text.data[end])) letters += is_lower(text.data[end++]);
    if (end - at != 11 || letters == 0 || alnum_at(text, end)) return false;
    uint32_t noun = word_before(text, at);
    if (at - noun < 2 || noun == 0 || text.data[noun - 1] != '_') return false;
    uint32_t adjective = word_before(text, noun - 1);
    if (noun - 1 - adjective < 2 || alnum_before(text, adjective)) return false;
    *from = adjective;
    *to = with_child(text, end);
    return true;
}

/* <experiment>_<seconds since 1970>_<8 hex>, at the underscore before the time. */
static bool find_timed(struct slice text, uint32_t at, uint32_t *from, uint32_t *to)
{
    if (at + 20 > text.len || text.data[at + 1] != '1' || text.data[at + 11] != '_') return false;
    for (uint32_t i = 2; i <= 10; i++)
        if (!ascii_is_digit(text.data[at + i])) return false;
    for (uint32_t i = 12; i <= 19; i++)
        if (!is_lower_hex(text.data[at + i])) return false;
    if (alnum_at(text, at + 20)) return false;
    uint32_t start = at;
    while (start > 0 && at - start < 256 &&
           (ascii_is_alnum(text.data[start - 1]) || text.data[start - 1] == '_' || text.data[start - 1] == '-'))
        start--;
    if (start == at) return false;
    *from = start;
    *to = with_child(text, at + 20);
    return true;
}

/* --- Commercial at ---------------------------------------------------------------------------------------------------- */

static bool is_local(char c) { return ascii_is_alnum(c) || (c != '\0' && strchr("._+#-", c)); }

static bool find_email(struct slice text, uint32_t at, uint32_t *from, uint32_t *to)
{
    uint32_t start = at, end = at + 1, dot = 0;
    while (start > 0 && at - start < 128 && is_local(text.data[start - 1])) start--;
    while (start < at && !ascii_is_alnum(text.data[start])) start++;
    while (end < text.len && end - at < 254 &&
           (ascii_is_alnum(text.data[end]) || text.data[end] == '-' || text.data[end] == '.')) {
        if (text.data[end] == '.') {
            if (!alnum_at(text, end + 1)) break;
            dot = end;
        }
        end++;
    }
    while (end > at + 1 && text.data[end - 1] == '-') end--;
    if (start == at || dot <= at + 1 || end < dot + 3) return false;
    for (uint32_t i = dot + 1; i < end; i++)
        if (!ascii_is_alpha(text.data[i])) return false;
    *from = start;
    *to = end;
    return true;
}

static bool ends_url(char c)
{
    return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`';
}

static bool ends_host(char c) { return ends_url(c) || c == '/' || c == '?' || c == '#'; }

/* Whether text[from..to) begins like a port and a path: then what looks like user:password@ is host:port/path@... */
static bool is_port(struct slice text, uint32_t from, uint32_t to)
{
    uint32_t at = from;
    while (at < to && ascii_is_digit(text.data[at])) at++;
    return at > from && at < to && strchr("/?#", text.data[at]);
}

/* ://user:password@ : the password, at the last at before the host. Passwords written into URLs by hand often hold
 * characters that should have been encoded; only the user name must be free of them. */
static bool find_url_password(struct slice text, uint32_t at, uint32_t *from, uint32_t *to)
{
    uint32_t start = at, colon = 0;
    while (start > 2 && at - start < 320) {
        if (text.data[start - 1] == '/' && text.data[start - 2] == '/' && text.data[start - 3] == ':') break;
        if (ends_url(text.data[start - 1])) return false;
        if (text.data[start - 1] == ':') colon = start;
        start--;
    }
    if (start <= 2 || at - start >= 320 || colon == 0 || colon >= at || is_port(text, colon, at)) return false;
    for (uint32_t i = start; i < colon; i++)
        if (ends_host(text.data[i])) return false;
    for (uint32_t i = at + 1; i < text.len && i - at < 256 && !ends_host(text.data[i]); i++)
        if (text.data[i] == '@') return false;
    *from = colon;
    *to = at;
    return true;
}

/* --- Runs of an alphabet ---------------------------------------------------------------------------------------------- */

static bool is_base32(char c) { return is_lower(c) || (c >= '2' && c <= '7'); }

typedef unsigned char block16 __attribute__((vector_size(16)));

static block16 load_block(const char *at)
{
    block16 block;
    memcpy(&block, at, sizeof block);
    return block;
}

static bool all_set(block16 in)
{
    uint64_t halves[2];
    memcpy(halves, &in, sizeof halves);
    return (halves[0] & halves[1]) == UINT64_MAX;
}

static bool all_base32(const char *at)
{
    block16 block = load_block(at);
    return all_set((block16)(block - 'a' < 26) | (block16)(block - '2' < 6));
}

/* Upper case and digits, all of them: examples of keys in base32 are often blurred with digits that base32 lacks. */
static bool is_upper_run(char c) { return (c >= 'A' && c <= 'Z') || ascii_is_digit(c); }

static bool all_upper_run(const char *at)
{
    block16 block = load_block(at);
    return all_set((block16)(block - 'A' < 26) | (block16)(block - '0' < 10));
}

/* A run of 52 holds one whole block of 16 at every step of 32, so that looking at these blocks is enough. */
bool find_base32_run(struct slice text, uint32_t at, uint32_t *from, uint32_t *to)
{
    for (size_t block = at; block + 16 <= text.len; block += 32) {
        bool lower = all_base32(text.data + block);
        if (!lower && !all_upper_run(text.data + block)) continue;
        bool (*belongs)(char) = lower ? is_base32 : is_upper_run;
        size_t start = block, end = block + 16;
        while (start > at && belongs(text.data[start - 1])) start--;
        while (end < text.len && belongs(text.data[end])) end++;
        if (end - start >= 52) {
            *from = (uint32_t)start;
            *to = (uint32_t)end;
            return true;
        }
    }
    return false;
}

static bool find_devops_token(struct slice text, uint32_t at, uint32_t *from, uint32_t *to)
{
    (void)from;
    return *to - at == 52 && !alnum_before(text, at) && !alnum_at(text, *to);
}

/* S, the kind of the key, and 56 more: an NKEY seed. */
static bool find_nkey_seed(struct slice text, uint32_t at, uint32_t *from, uint32_t *to)
{
    (void)from;
    return *to - at == 58 && text.data[at] == 'S' && memchr("ACNOUX", text.data[at + 1], 6) != NULL && !alnum_before(text, at) &&
           !alnum_at(text, *to);
}

const struct finder finders[] = {
    {"card-number", TRIGGER_DIGITS, find_card},
    {"personal-number", TRIGGER_DIGITS, find_personal_number},
    {"friendly-run-name", TRIGGER_UNDERSCORE, find_friendly},
    {"timed-run-name", TRIGGER_UNDERSCORE, find_timed},
    {"url-password", TRIGGER_SIGN, find_url_password},
    {"email", TRIGGER_SIGN, find_email},
    {"devops-token", TRIGGER_RUN, find_devops_token},
    {"nkey-seed", TRIGGER_RUN, find_nkey_seed},
    {NULL, TRIGGER_RUN, NULL},
};
