/* The search for runs, for a kernel that has defined class_mask(): bit i of its result says whether byte i of the 64 at
 * `at` is a member. */
#include "parser/runs.h"

/* Bit i is set where a run of `min` members begins at i, within the 64. */
static inline uint64_t starts_of_runs(uint64_t mask, size_t min)
{
    size_t have = 1;
    for (; 2 * have <= min; have *= 2) mask &= mask >> have;
    return have < min ? mask & mask >> (min - have) : mask;
}

static inline uint64_t tail_mask(const struct byte_class *c, struct slice text, size_t at)
{
    char block[64] = {0};
    memcpy(block, text.data + at, text.len - at);
    return class_mask(c, block) & (((uint64_t)1 << (text.len - at)) - 1);
}

static inline bool runs_loop(const struct byte_class *c, struct slice text, size_t min, size_t *from, size_t *to)
{
    size_t carried = 0, at = *from;   /* members directly before `at` */
    bool found = false;
    for (; at < text.len; at += 64) {
        uint64_t mask = text.len - at >= 64 ? class_mask(c, text.data + at) : tail_mask(c, text, at);
        size_t leading = ~mask == 0 ? 64 : (size_t)__builtin_ctzll(~mask);
        if (found || carried + leading >= min) {
            if (!found) *from = at - carried;
            *to = at + leading;
            if (leading < 64) return true;
            found = true;
            continue;
        }
        uint64_t starts = starts_of_runs(mask, min);
        if (starts != 0) {
            size_t first = (size_t)__builtin_ctzll(starts);
            uint64_t rest = ~(mask >> first);   /* not 0: first > 0, or `leading` would have been enough */
            size_t len = (size_t)__builtin_ctzll(rest);
            *from = at + first;
            *to = at + first + len;
            if (first + len < 64) return true;
            found = true;
            continue;
        }
        carried = (size_t)__builtin_clzll(~mask);   /* ~mask is not 0, since leading < min */
    }
    return found;
}
