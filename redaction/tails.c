#include "redaction/tails.h"

#define QUOTES "\"'\\"

/* Goes over bytes of the set. False: there are fewer than `least` or more than `most`. */
static bool over(struct slice text, uint32_t *at, const char *set, uint32_t least, uint32_t most)
{
    uint32_t from = *at;
    while (*at < text.len && *at - from <= most && text.data[*at] != '\0' && strchr(set, text.data[*at]) != NULL) ++*at;
    return *at - from >= least && *at - from <= most;
}

static bool over_word(struct slice text, uint32_t *at, const char *const *words)
{
    for (; *words != NULL; words++) {
        uint32_t len = (uint32_t)strlen(*words);
        if (len > text.len - *at || !slice_equal_nocase(slice_sub(text, *at, *at + len), slice_of(*words, len))) continue;
        *at += len;
        return true;
    }
    return false;
}

static bool over_name(struct slice text, uint32_t *at)
{
    uint32_t from = *at;
    while (*at < text.len && *at - from <= 24 && (ascii_is_alnum(text.data[*at]) || memchr("_.-", text.data[*at], 3) != NULL)) ++*at;
    return *at > from && *at - from <= 24;
}

/* One byte of the set, the last. */
static bool last(struct slice text, uint32_t at, const char *set, uint32_t *end)
{
    if (at == text.len || text.data[at] == '\0' || strchr(set, text.data[at]) == NULL) return false;
    *end = at + 1;
    return true;
}

bool tail_assignment(struct slice text, uint32_t *end)
{
    uint32_t at = *end - 1;
    return over(text, &at, QUOTES "]", 0, 3) && over(text, &at, " \t", 0, 12) && over(text, &at, "?.+|", 0, 2) && last(text, at, "=:>", end);
}

bool tail_numbered(struct slice text, uint32_t *end)
{
    uint32_t at = *end - 1;
    return over_name(text, &at) && over(text, &at, QUOTES "]", 0, 3) && over(text, &at, " \t", 0, 2) && last(text, at, "=:>", end);
}

bool tail_typed(struct slice text, uint32_t *end)
{
    static const char *const types[] = {"string", "str", "any", "char", NULL};
    uint32_t at = *end - 1;
    return over(text, &at, " :", 1, 2) && over(text, &at, "&[", 0, 2) && over_word(text, &at, types) && over(text, &at, "*]", 0, 3) &&
           over(text, &at, " ", 0, 2) && last(text, at, "=", end);
}

bool tail_pair(struct slice text, uint32_t *end)
{
    static const char *const names[] = {"value", "default", "content", NULL};
    uint32_t at = *end - 1;
    return over(text, &at, QUOTES, 1, 4) && over(text, &at, " ,{\t\r\n", 1, 8) && over(text, &at, QUOTES, 0, 3) && over_word(text, &at, names) &&
           over(text, &at, QUOTES, 0, 3) && over(text, &at, " ", 0, 2) && last(text, at, "=:", end);
}

bool tail_argument(struct slice text, uint32_t *end)
{
    uint32_t at = *end - 1;
    return over(text, &at, QUOTES "]", 0, 3) && over(text, &at, " ", 0, 1) && over(text, &at, ",", 1, 1) && over(text, &at, " ", 0, 2) &&
           last(text, at, "\"'", end);
}
