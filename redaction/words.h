/* Lists of words that texts are held against: parts of names, words of examples. All lists end in NULL and are of ASCII.
 *
 * A short list is gone through, in any case of letters. One that is asked again and again is indexed: arranged by two bytes of
 * its words, so that whatever a text says, it is compared with one or two words at each of its bytes and not with the whole
 * list. Thread: any. */
#ifndef LETHE_REDACTION_WORDS_H
#define LETHE_REDACTION_WORDS_H

#include "base/slice.h"

/* --- In any case of letters ---------------------------------------------------------------------------------------------- */

/* Whether the text is a word of the list. */
bool word_is_listed(struct slice text, const char *const *words);

/* The length of the first word of the list that the text begins with; 0: with none. */
size_t word_at_start(struct slice text, const char *const *words);

/* --- Indexed ------------------------------------------------------------------------------------------------------------- */

#define WORD_SHORTEST 2
#define WORDS_MOST    768
#define WORD_BUCKETS  1024

enum word_order {
    WORDS_BY_START,
    WORDS_BY_END,   /* for word_index_ends() */
};

/* Defined with its list and order, and made by the first who asks. The words are in lower case, of WORD_SHORTEST bytes or more,
 * and so must the text be in lower case. */
struct word_index {
    const char *const *words;
    enum word_order    order;
    bool               made;
    uint16_t           first[WORD_BUCKETS], next[WORDS_MOST];   /* numbers of words from 1 on; 0 ends a chain */
    uint8_t            lengths[WORDS_MOST];
};

/* The word after number `last` (0: the first) that the text begins with: its number, or 0. Its length is lengths[number - 1]. */
unsigned word_index_next(struct word_index *, const char *text, size_t len, unsigned last);

/* Whether a word stands anywhere in the text. */
bool word_index_inside(struct word_index *, const char *text, size_t len);

/* Whether the text ends with a word. */
bool word_index_ends(struct word_index *, const char *text, size_t len);

#endif
