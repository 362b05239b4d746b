#include "redaction/words.h"

#include "base/check.h"

static unsigned bucket_of(const char *two) { return ((unsigned)two[0] & 31) << 5 | ((unsigned)two[1] & 31); }

void word_index_make(struct word_index *w, const char *const *words, enum word_order order)
{
    *w = (struct word_index){.words = words, .order = order};
    for (unsigned n = 0; words[n] != NULL; n++) {
        size_t len = strlen(words[n]);
        CHECK(n < WORDS_MOST && len <= UINT8_MAX && len >= WORD_SHORTEST);
        uint16_t *first = &w->first[bucket_of(order == WORDS_BY_START ? words[n] : words[n] + len - 2)];
        w->lengths[n] = (uint8_t)len;
        w->next[n] = *first;
        *first = (uint16_t)(n + 1);
    }
}

unsigned word_index_next(const struct word_index *w, const char *text, size_t len, unsigned last)
{
    if (len < WORD_SHORTEST) return 0;
    for (unsigned n = last == 0 ? w->first[bucket_of(text)] : w->next[last - 1]; n != 0; n = w->next[n - 1])
        if (w->lengths[n - 1] <= len && memcmp(text, w->words[n - 1], w->lengths[n - 1]) == 0) return n;
    return 0;
}

bool word_index_inside(const struct word_index *w, const char *text, size_t len)
{
    for (size_t at = 0; at + WORD_SHORTEST <= len; at++)
        if (w->first[bucket_of(text + at)] != 0 && word_index_next(w, text + at, len - at, 0) != 0) return true;
    return false;
}

bool word_index_ends(const struct word_index *w, const char *text, size_t len)
{
    CHECK(w->order == WORDS_BY_END);
    if (len < WORD_SHORTEST) return false;
    for (unsigned n = w->first[bucket_of(text + len - 2)]; n != 0; n = w->next[n - 1])
        if (w->lengths[n - 1] <= len && memcmp(text + len - w->lengths[n - 1], w->words[n - 1], w->lengths[n - 1]) == 0) return true;
    return false;
}
