#include "redaction/words.h"

#include "base/check.h"

#include <pthread.h>

bool word_is_listed(struct slice text, const char *const *words)
{
    char first = text.len > 0 ? ascii_lower(text.data[0]) : '\0';
    for (; *words != NULL; words++)
        if (ascii_lower(**words) == first && slice_equal_nocase(text, slice_from(*words))) return true;
    return false;
}

size_t word_at_start(struct slice text, const char *const *words)
{
    char first = text.len > 0 ? ascii_lower(text.data[0]) : '\0';
    for (; *words != NULL; words++)
        if (ascii_lower(**words) == first && slice_begins_nocase(text, slice_from(*words))) return strlen(*words);
    return 0;
}

/* --- Indexed ------------------------------------------------------------------------------------------------------------- */

static unsigned bucket_of(const char *two) { return ((unsigned)two[0] & 31) << 5 | ((unsigned)two[1] & 31); }

static void fill(struct word_index *w)
{
    for (unsigned n = 0; w->words[n] != NULL; n++) {
        size_t len = strlen(w->words[n]);
        CHECK(n < WORDS_MOST && len <= UINT8_MAX && len >= WORD_SHORTEST);
        uint16_t *first = &w->first[bucket_of(w->order == WORDS_BY_START ? w->words[n] : w->words[n] + len - 2)];
        w->lengths[n] = (uint8_t)len;
        w->next[n] = *first;
        *first = (uint16_t)(n + 1);
    }
}

/* Who sees it made sees all of it. */
static void make(struct word_index *w)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (__atomic_load_n(&w->made, __ATOMIC_ACQUIRE)) return;
    pthread_mutex_lock(&lock);
    if (!w->made) fill(w);
    __atomic_store_n(&w->made, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
}

static unsigned next_word(const struct word_index *w, const char *text, size_t len, unsigned last)
{
    if (len < WORD_SHORTEST) return 0;
    for (unsigned n = last == 0 ? w->first[bucket_of(text)] : w->next[last - 1]; n != 0; n = w->next[n - 1])
        if (w->lengths[n - 1] <= len && memcmp(text, w->words[n - 1], w->lengths[n - 1]) == 0) return n;
    return 0;
}

unsigned word_index_next(struct word_index *w, const char *text, size_t len, unsigned last)
{
    make(w);
    return next_word(w, text, len, last);
}

bool word_index_inside(struct word_index *w, const char *text, size_t len)
{
    make(w);
    for (size_t at = 0; at + WORD_SHORTEST <= len; at++)
        if (next_word(w, text + at, len - at, 0) != 0) return true;
    return false;
}

bool word_index_ends(struct word_index *w, const char *text, size_t len)
{
    CHECK(w->order == WORDS_BY_END);
    make(w);
    if (len < WORD_SHORTEST) return false;
    for (unsigned n = w->first[bucket_of(text + len - 2)]; n != 0; n = w->next[n - 1])
        if (w->lengths[n - 1] <= len && memcmp(text + len - w->lengths[n - 1], w->words[n - 1], w->lengths[n - 1]) == 0)
            return true;
    return false;
}
