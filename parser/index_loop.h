/* The two passes of a vector kernel over a text, for one that has defined
 *   index_word()     indexes the word at `base` and writes its tokens; returns how many they are
 *   find_brackets()  the masks of the word at `base`
 *   is_utf8()        a pass of its own, only for texts that have bytes above 0x7F
 * Included after them, since all is inlined and compiled for the kernel's own CPU. */
#include "parser/index_word.h"

static void index_words(struct index *ix, struct slice text)
{
    struct word_state s = WORD_STATE_INIT;
    uint32_t *offsets = ix->offsets;
    unsigned char *kinds = ix->kinds;
    size_t count = 0;
    for (size_t base = 0; base < text.len; base += WORD) count += index_word(&s, text, base, offsets + count, kinds + count);
    if (!is_sound(&s) || (s.high != 0 && !is_utf8(text))) {
        index_scalar(ix, text);
        return;
    }
    ix->fault = PARSE_OK;
    index_finish(ix, count, text.len);
}

static size_t balance_words(struct balance *b, struct slice text, uint32_t floor)
{
    struct balance state = *b;
    size_t base = 0, passed = 0;
    for (bool stopped = false; !stopped && base < text.len; base += passed)
        stopped = balance_word(&state, find_brackets(text, base), text, base, floor, &passed);
    *b = state;
    return base;
}
