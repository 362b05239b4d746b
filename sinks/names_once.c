#include "sinks/names_once.h"

#include "parser/hash.h"

#include <stdio.h>

#define FIRST_CELLS 256
#define SCOPE_BYTES sizeof(uint32_t)
#define SUFFIX_BYTES 16

/* A name that was noted. */
struct noted {
    uint32_t round;     /* of the record it was noted for; older ones are empty cells */
    uint32_t hash;
    size_t   at, len;   /* scope and decoded name, in `texts` */
    uint32_t next;      /* the suffix to try next */
};

struct names_once {
    struct noted    *cells;   /* hash table, at most half full */
    uint32_t         mask, count, round;
    char            *texts;
    size_t           len, capacity;
    struct hash_seed seed;
};

struct names_once *names_once_new(void)
{
    struct names_once *n = calloc(1, sizeof *n);
    if (n == NULL) return NULL;
    n->cells = calloc(FIRST_CELLS, sizeof *n->cells);
    n->mask = FIRST_CELLS - 1;
    n->round = 1;
    if (n->cells != NULL && hash_seed_draw(&n->seed)) return n;
    names_once_free(n);
    return NULL;
}

void names_once_free(struct names_once *n)
{
    if (n == NULL) return;
    free(n->cells);
    free(n->texts);
    free(n);
}

void names_once_clear(struct names_once *n)
{
    n->count = 0;
    n->len = 0;
    if (++n->round != 0) return;
    memset(n->cells, 0, ((size_t)n->mask + 1) * sizeof *n->cells);
    n->round = 1;
}

static struct noted *cell_of(const struct names_once *n, uint32_t hash, struct slice text)
{
    for (uint32_t i = hash & n->mask;; i = (i + 1) & n->mask) {
        struct noted *cell = &n->cells[i];
        if (cell->round != n->round) return cell;
        if (cell->hash == hash && slice_equal(slice_of(n->texts + cell->at, cell->len), text)) return cell;
    }
}

static bool cells_grow(struct names_once *n)
{
    struct noted *old = n->cells, *grown = calloc(2 * ((size_t)n->mask + 1), sizeof *grown);
    uint32_t      old_cells = n->mask + 1;
    if (grown == NULL) return false;
    n->cells = grown;
    n->mask = 2 * old_cells - 1;
    for (uint32_t i = 0; i < old_cells; i++)
        if (old[i].round == n->round) *cell_of(n, old[i].hash, slice_of(n->texts + old[i].at, old[i].len)) = old[i];
    free(old);
    return true;
}

static bool reserve(struct names_once *n, size_t bytes)
{
    size_t need = n->len + bytes + HASH_PADDING;
    if (2 * n->count > n->mask && !cells_grow(n)) return false;
    if (need <= n->capacity) return true;
    char *texts = realloc(n->texts, 2 * need);
    if (texts == NULL) return false;
    n->texts = texts;
    n->capacity = 2 * need;
    return true;
}

/* Notes the text of `len` bytes that stands behind the noted ones. NULL: it is new; else the earlier one. */
static struct noted *note(struct names_once *n, size_t len)
{
    struct slice  text = slice_of(n->texts + n->len, len);
    uint32_t      hash = hash_bytes(n->seed, text);
    struct noted *cell = cell_of(n, hash, text);
    if (cell->round == n->round) return cell;
    *cell = (struct noted){n->round, hash, n->len, len, 2};
    n->len += len;
    n->count++;
    return NULL;
}

uint32_t names_once_take(struct names_once *n, uint32_t scope, struct slice name, char mark)
{
    size_t len = SCOPE_BYTES + name.len;
    if (!reserve(n, len + SUFFIX_BYTES)) return 0;
    memcpy(n->texts + n->len, &scope, SCOPE_BYTES);
    if (name.len > 0) memcpy(n->texts + n->len + SCOPE_BYTES, name.data, name.len);
    const struct noted *found = note(n, len);
    if (found == NULL) return 1;
    struct noted taken = *found;
    uint32_t     number = taken.next;
    for (;; number++) {
        if (!reserve(n, len + SUFFIX_BYTES)) return 0;
        char *to = n->texts + n->len;
        memcpy(to, n->texts + taken.at, len);
        int suffix = mark == 0 ? snprintf(to + len, SUFFIX_BYTES, "%u", number)
                               : snprintf(to + len, SUFFIX_BYTES, "%c%u", mark, number);
        if (note(n, len + (size_t)suffix) == NULL) break;
    }
    cell_of(n, taken.hash, slice_of(n->texts + taken.at, taken.len))->next = number + 1;
    return number;
}
