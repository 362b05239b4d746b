/* Lists of words that texts are held against again and again: parts of names, words of examples. Arranged by two of their bytes, so
 * that whatever a text says, it is compared with one or two words at each of its bytes and not with the whole list.
 *
 * Words are ASCII, in lower case, of WORD_SHORTEST bytes or more. An index is made once and const from then on; it borrows the list.
 * Thread: any, once it is made. */
#ifndef LETHE_REDACTION_WORDS_H
#define LETHE_REDACTION_WORDS_H

#include "base/slice.h"

#define WORD_SHORTEST 2
#define WORDS_MOST    768
#define WORD_BUCKETS  1024

enum word_order {
    WORDS_BY_START,
    WORDS_BY_END,   /* for word_index_ends() */
};

struct word_index {
    const char *const *words;
    uint16_t           first[WORD_BUCKETS], next[WORDS_MOST];   /* numbers of words from 1 on; 0 ends a chain */
    uint8_t            lengths[WORDS_MOST];
    enum word_order    order;
};

/* `words` ends in NULL. */
void word_index_make(struct word_index *, const char *const *words, enum word_order);

/* The word after number `last` (0: the first) that the text begins with: its number, or 0. Its length is lengths[number - 1]. */
unsigned word_index_next(const struct word_index *, const char *text, size_t len, unsigned last);

/* Whether a word stands anywhere in the text. */
bool word_index_inside(const struct word_index *, const char *text, size_t len);

/* Whether the text ends with a word. */
bool word_index_ends(const struct word_index *, const char *text, size_t len);

#endif
