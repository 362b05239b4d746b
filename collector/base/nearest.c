#include "base/nearest.h"

#include <limits.h>

#define LONGEST_NAME 31

/* Levenshtein's distance with neighbours swapped counting once (optimal string alignment), for texts of at most LONGEST_NAME. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned rows[3][LONGEST_NAME + 1] = {{0}};
    for (unsigned j = 0; j <= b.len; j++) rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            bool same = ascii_lower(a.data[i - 1]) == ascii_lower(b.data[j - 1]);
            unsigned best = before[j - 1] + (same ? 0 : 1);
            if (before[j] + 1 < best) best = before[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1] && older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

const char *nearest_name(struct slice given, const char *const names[])
{
    const char *nearest = NULL;
    unsigned    least = UINT_MAX;
    for (size_t i = 0; given.len <= LONGEST_NAME && names[i] != NULL; i++) {
        struct slice name = slice_from(names[i]);
        if (name.len > LONGEST_NAME) continue;
        unsigned far = distance(given, name);
        if (far < least && far <= 1 + name.len / 4) {
            least = far;
            nearest = names[i];
        }
    }
    return nearest;
}
