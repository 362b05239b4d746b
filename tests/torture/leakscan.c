/* leakscan CANARIES PATH...
 * Looks for any window of WINDOW bytes of any canary, in many forms, in files, in all files below folders, in what is packed
 * inside of them (gzip, zlib), and in the names of all these.
 *
 * CANARIES: one a line, at least WINDOW bytes of printable ASCII. Output, one line for each form of each canary in each file:
 *
 *     PATH <tab> offset <tab> form <tab> number of the canary, from 0
 *
 * and at the end "scanned FILES files, BYTES bytes: HITS hits". A name's hit has the offset "name". Nothing shows a byte of a
 * canary. A file that cannot be read to its end counts as a hit of the form "unreadable": what was not scanned is not clean.
 * Exit: 0 nothing, 1 found, 2 cannot scan.
 *
 * Every form of a window begins with at least PREFIX bytes of its own. These are looked up at every offset, first in a bitmap,
 * then in a table; what follows is compared. Forms in which case does not matter are kept folded, and looked up in folded text,
 * so the cost does not grow with the number of canaries. */
#include <ctype.h>
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define WINDOW       8
#define PREFIX       8
#define PATTERN_MAX  64   /* bytes of a form of a window, and what stpcpy() puts behind it */
#define BITMAP_BITS  24
#define UNPACKED_MAX (1024UL * 1024 * 1024)   /* of one packed stream */
#define NESTING_MAX  3                        /* packed inside packed */
#define FOLDERS_OPEN 32

enum form { RAW, FOLDED, UTF16LE, UTF16BE, HEX, BASE64_0, BASE64_1, BASE64_2, PERCENT, UNICODE_ESCAPE, HEX_ESCAPE, OCTAL_ESCAPE,
            ENTITY_DECIMAL, ENTITY_HEX, QUOTED_PRINTABLE, REVERSED, BASE32, FORMS };

static const char *const form_names[FORMS] = {
    "raw", "case-folded", "utf-16le", "utf-16be", "hex", "base64+0", "base64+1", "base64+2", "percent", "unicode-escape",
    "hex-escape", "octal-escape", "entity-decimal", "entity-hex", "quoted-printable", "reversed", "base32",
};

/* Of these, upper and lower case are the same. */
static const bool folds[FORMS] = {[FOLDED] = true, [HEX] = true, [PERCENT] = true, [UNICODE_ESCAPE] = true, [HEX_ESCAPE] = true,
                                  [ENTITY_HEX] = true, [QUOTED_PRINTABLE] = true, [BASE32] = true};

struct pattern {
    uint32_t  canary;
    uint8_t   form, len;
    char      text[PATTERN_MAX];
    uint32_t  next;   /* with the same prefix, as index + 1; 0: none */
};

struct set {
    struct pattern *patterns;
    uint32_t        count, capacity;
    uint32_t       *heads;       /* by hash: index + 1 */
    uint64_t       *bitmap;
    uint32_t        head_mask;
};

static struct set exact, folded;   /* folded: patterns in lower case */
static uint32_t   canaries;
static uint64_t   hits, files, bytes;
static uint8_t   *told;            /* by canary and form, of the present file */
static uint8_t    lower[256];

static void *must(void *memory)
{
    if (memory != NULL) return memory;
    fprintf(stderr, "leakscan: no memory\n");
    exit(2);
}

static uint64_t prefix_of(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return word * 0x9e3779b97f4a7c15u;
}

/* --- Forms ---------------------------------------------------------------------------------------------------------------- */

/* The digits of the window that do not depend on what stands before or after it: `skip` bytes stand before it in its group. */
static size_t radix_form(const char *window, unsigned skip, unsigned bits, const char *digits, char *out)
{
    size_t len = 0, total = (size_t)(WINDOW + skip) * 8;
    for (size_t at = 0; at + bits <= total; at += bits) {
        unsigned digit = 0;
        if (at < (size_t)skip * 8) continue;
        for (size_t b = at; b < at + bits; b++) digit = digit << 1 | (((unsigned char)window[b / 8 - skip] >> (7 - b % 8)) & 1u);
        out[len++] = digits[digit];
    }
    return len;
}

static size_t each_byte(const char *window, const char *before, unsigned base, unsigned digits, const char *after, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < WINDOW; i++) {
        unsigned value = (unsigned char)window[i], count = digits;
        for (unsigned v = value, needed = 1; digits == 0 && (v > 0 || needed == 1); v /= base, needed++) count = needed;
        len += (size_t)(stpcpy(out + len, before) - (out + len));
        for (unsigned d = count; d-- > 0; value /= base) out[len + d] = "0123456789abcdef"[value % base];
        len += count;
        len += (size_t)(stpcpy(out + len, after) - (out + len));
    }
    return len;
}

/* With a zero on every other place; the zero at an end that the neighbour may lack is left out. */
static size_t wide_form(const char *window, size_t first, char *out)
{
    memset(out, 0, PATTERN_MAX);
    for (size_t i = 0; i < WINDOW; i++) out[first + 2 * i] = window[i];
    return first + 2 * WINDOW - 1;
}

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define BASE32_DIGITS "abcdefghijklmnopqrstuvwxyz234567"

static size_t make_form(enum form form, const char *window, char *out)
{
    switch (form) {
    case UTF16LE:          return wide_form(window, 0, out);
    case UTF16BE:          return wide_form(window, 1, out);
    case HEX:              return each_byte(window, "", 16, 2, "", out);
    case BASE64_0:         return radix_form(window, 0, 6, BASE64, out);
    case BASE64_1:         return radix_form(window, 1, 6, BASE64, out);
    case BASE64_2:         return radix_form(window, 2, 6, BASE64, out);
    case PERCENT:          return each_byte(window, "%", 16, 2, "", out);
    case UNICODE_ESCAPE:   return each_byte(window, "\\u", 16, 4, "", out);
    case HEX_ESCAPE:       return each_byte(window, "\\x", 16, 2, "", out);
    case OCTAL_ESCAPE:     return each_byte(window, "\\", 8, 3, "", out);
    case ENTITY_DECIMAL:   return each_byte(window, "&#", 10, 0, ";", out);
    case ENTITY_HEX:       return each_byte(window, "&#x", 16, 0, ";", out);
    case QUOTED_PRINTABLE: return each_byte(window, "=", 16, 2, "", out);
    case BASE32:           return radix_form(window, 0, 5, BASE32_DIGITS, out);
    case REVERSED:
        for (size_t i = 0; i < WINDOW; i++) out[i] = window[WINDOW - 1 - i];
        return WINDOW;
    default:
        memcpy(out, window, WINDOW);
        return WINDOW;
    }
}

static void add(struct set *set, const struct pattern *p)
{
    if (set->count == set->capacity) {
        set->capacity = set->capacity > 0 ? 2 * set->capacity : 1024;
        set->patterns = must(realloc(set->patterns, set->capacity * sizeof *set->patterns));
    }
    set->patterns[set->count++] = *p;
}

static void add_window(uint32_t canary, const char *window)
{
    for (int form = 0; form < FORMS; form++) {
        struct pattern p = {.canary = canary, .form = (uint8_t)form};
        p.len = (uint8_t)make_form((enum form)form, window, p.text);
        for (size_t i = 0; folds[form] && i < p.len; i++) p.text[i] = (char)lower[(unsigned char)p.text[i]];
        add(folds[form] ? &folded : &exact, &p);
        for (size_t i = 0; i < p.len; i++) p.text[i] = p.text[i] == '+' ? '-' : p.text[i] == '/' ? '_' : p.text[i];
        if (form >= BASE64_0 && form <= BASE64_2 && memcmp(p.text, exact.patterns[exact.count - 1].text, p.len) != 0) add(&exact, &p);
    }
}

static void index_set(struct set *set)
{
    uint32_t size = 1024;
    while (size < 2 * set->count) size *= 2;
    set->head_mask = size - 1;
    set->heads = must(calloc(size, sizeof *set->heads));
    set->bitmap = must(calloc((1u << BITMAP_BITS) / 64, 8));
    for (uint32_t i = 0; i < set->count; i++) {
        uint64_t hash = prefix_of(set->patterns[i].text), bit = hash >> (64 - BITMAP_BITS);
        uint32_t *head = &set->heads[(uint32_t)(hash >> 24) & set->head_mask];
        set->bitmap[bit / 64] |= 1ull << (bit % 64);
        set->patterns[i].next = *head;
        *head = i + 1;
    }
}

static void read_canaries(const char *path)
{
    char  line[1024];
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        size_t len = strcspn(line, "\r\n");
        if (len < WINDOW) continue;
        for (size_t at = 0; at + WINDOW <= len; at++) add_window(canaries, line + at);
        canaries++;
    }
    if (f == NULL || ferror(f) || canaries == 0) {
        fprintf(stderr, "leakscan: no canaries in '%s'\n", path);
        exit(2);
    }
    fclose(f);
    index_set(&exact);
    index_set(&folded);
    told = must(calloc(canaries, FORMS));
}

/* --- Looking -------------------------------------------------------------------------------------------------------------- */

static void tell(const char *path, const char *part, long long offset, const struct pattern *p)
{
    uint8_t *once = &told[(size_t)p->canary * FORMS + p->form];
    if (*once != 0) return;
    *once = 1;
    hits++;
    if (offset < 0) printf("%s\tname\t%s\t%u\n", path, form_names[p->form], p->canary);
    else printf("%s\t%lld\t%s%s\t%u\n", path, offset, form_names[p->form], part, p->canary);
}

static const struct pattern *match(const struct set *set, uint64_t hash, const char *text, size_t room)
{
    for (uint32_t i = set->heads[(uint32_t)(hash >> 24) & set->head_mask]; i != 0; i = set->patterns[i - 1].next) {
        const struct pattern *p = &set->patterns[i - 1];
        if (p->len <= room && memcmp(p->text, text, p->len) == 0) return p;
    }
    return NULL;
}

static void look(const struct set *set, const char *text, size_t len, const char *path, const char *part, bool name)
{
    for (size_t at = 0; at + PREFIX <= len; at++) {
        uint64_t hash = prefix_of(text + at), bit = hash >> (64 - BITMAP_BITS);
        if ((set->bitmap[bit / 64] >> (bit % 64) & 1) == 0) continue;
        const struct pattern *p = match(set, hash, text + at, len - at);
        if (p != NULL) tell(path, part, name ? -1 : (long long)at, p);
    }
}

static void scan_packed(const char *text, size_t len, const char *path, int depth);

static void scan_text(const char *text, size_t len, const char *path, const char *part, int depth, bool name)
{
    char *fold = must(calloc(len + 1, 1));
    for (size_t i = 0; i < len; i++) fold[i] = (char)lower[(unsigned char)text[i]];
    look(&exact, text, len, path, part, name);
    look(&folded, fold, len, path, part, name);
    free(fold);
    bytes += len;
    if (depth < NESTING_MAX) scan_packed(text, len, path, depth + 1);
}

/* What can be unpacked from here on, also when the stream is cut off or damaged later. Returns how many packed bytes that was. */
static size_t scan_stream(const char *text, size_t len, const char *path, int depth)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)text, .avail_in = (unsigned)(len < UINT32_MAX ? len : UINT32_MAX)};
    size_t   capacity = 64 * 1024, got = 0;
    char    *out = must(malloc(capacity));
    int      result = inflateInit2(&z, 15 + 32);   /* gzip or zlib */
    while (result == Z_OK && got < UNPACKED_MAX) {
        if (got == capacity) out = must(realloc(out, capacity *= 2));
        z.next_out = (unsigned char *)out + got;
        z.avail_out = (unsigned)(capacity - got < UINT32_MAX ? capacity - got : UINT32_MAX);
        result = inflate(&z, Z_NO_FLUSH);
        got = (size_t)((char *)z.next_out - out);
    }
    size_t used = result == Z_STREAM_END ? z.total_in : 0;
    inflateEnd(&z);
    if (got >= WINDOW) scan_text(out, got, path, " in packed bytes", depth, false);
    free(out);
    return used;
}

static bool begins_packed(const unsigned char *at)
{
    bool gzip = at[0] == 0x1f && at[1] == 0x8b && at[2] == 8;
    bool zlib = at[0] == 0x78 && (at[0] * 256u + at[1]) % 31 == 0 && (at[1] & 0x20) == 0 && (at[2] & 6) != 6;
    return gzip || zlib;
}

static void scan_packed(const char *text, size_t len, const char *path, int depth)
{
    for (size_t at = 0; at + 16 <= len; at++) {
        if (!begins_packed((const unsigned char *)text + at)) continue;
        size_t used = scan_stream(text + at, len - at, path, depth);
        if (used > 0) at += used - 1;
    }
}

/* --- Files ---------------------------------------------------------------------------------------------------------------- */

static bool read_whole(const char *path, char **text, size_t *len)
{
    size_t capacity = 1 << 20;
    FILE  *f = fopen(path, "rb");
    *text = must(malloc(capacity));
    *len = 0;
    while (f != NULL && !feof(f) && !ferror(f)) {
        if (*len == capacity) *text = must(realloc(*text, capacity *= 2));
        *len += fread(*text + *len, 1, capacity - *len, f);
    }
    bool good = f != NULL && !ferror(f);
    if (f != NULL) fclose(f);
    return good;
}

static int scan_file(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)place;
    memset(told, 0, (size_t)canaries * FORMS);
    scan_text(path, strlen(path), path, "", NESTING_MAX, true);
    if (kind == FTW_D || kind == FTW_SL || (kind == FTW_F && !S_ISREG(st->st_mode))) return 0;
    char  *text;
    size_t len;
    memset(told, 0, (size_t)canaries * FORMS);
    if (kind == FTW_F && read_whole(path, &text, &len)) {
        files++;
        scan_text(text, len, path, "", 0, false);
        free(text);
        return 0;
    }
    if (kind == FTW_F && errno == ENOENT) return 0;   /* gone since it was listed */
    printf("%s\t0\tunreadable\t0\n", path);
    hits++;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: leakscan CANARIES PATH...\n");
        return 2;
    }
    for (int i = 0; i < 256; i++) lower[i] = (uint8_t)tolower(i);
    read_canaries(argv[1]);
    for (int i = 2; i < argc; i++) {
        if (nftw(argv[i], scan_file, FOLDERS_OPEN, FTW_PHYS) != 0) {
            fprintf(stderr, "leakscan: cannot scan '%s': %s\n", argv[i], strerror(errno));
            return 2;
        }
    }
    printf("scanned %llu files, %llu bytes: %llu hits\n", (unsigned long long)files, (unsigned long long)bytes,
           (unsigned long long)hits);
    return hits > 0 ? 1 : 0;
}
