/* The grammar as it runs: every phrase is cut once, at start, into literals, values and sets, for each depth of JSON
 * inside JSON, so that writing a record is copying. */
#include "bench/generate_priv.h"

enum { DEPTHS = 3, MAX_SETS = 64, MAX_PHRASES = 256, MAX_PLANTS = 64, MAX_PIECES = 16384, POOL = 512 * 1024 };

struct piece {
    struct slice literal;
    void       (*write)(struct text *, struct scene *);   /* a value */
    int          set;                                     /* or a set, if not negative */
    int          depth;                                   /* at which that set is written */
};

struct cut_phrase {
    unsigned first, count;   /* pieces */
    unsigned weight;         /* of this and all before it in its set */
};

struct set {
    const char *name;
    unsigned    first, count;   /* phrases */
};

struct grammar {
    struct set        sets[MAX_SETS];
    struct cut_phrase cut[DEPTHS][MAX_PHRASES], cut_plants[DEPTHS][MAX_PLANTS];
    int               plant_sets[MAX_PLANTS];
    struct piece      pieces[MAX_PIECES];
    unsigned          set_count, piece_count, plant_count;
    char              pool[POOL];
    struct text       literals;
};

static int find_set(const struct grammar *g, struct slice name)
{
    for (unsigned i = 0; i < g->set_count; i++)
        if (slice_equal(slice_from(g->sets[i].name), name)) return (int)i;
    return -1;
}

static const struct value *find_value(struct slice name)
{
    for (const struct value *v = values; v->name != NULL; v++)
        if (slice_equal(slice_from(v->name), name)) return v;
    return NULL;
}

static struct piece *add_piece(struct grammar *g)
{
    CHECK(g->piece_count < MAX_PIECES);
    struct piece *piece = &g->pieces[g->piece_count++];
    *piece = (struct piece){.set = -1};
    return piece;
}

/* Literals that follow one another in the pool become one piece. */
static void add_literal(struct grammar *g, unsigned first, const char *data, size_t len)
{
    char *at = g->literals.data + g->literals.len;
    struct piece *last = g->piece_count > first ? &g->pieces[g->piece_count - 1] : NULL;
    put(&g->literals, data, len);
    if (last != NULL && last->literal.len > 0 && last->literal.data + last->literal.len == at)
        last->literal.len += len;
    else
        add_piece(g)->literal = slice_of(at, len);
}

/* Depth 0: backslashes as given. Each depth of JSON text doubles them; a quote has one less than that. */
static void add_escaped(struct grammar *g, unsigned first, int depth, const char *tail, int less)
{
    for (int i = less; i < 1 << depth; i++) add_literal(g, first, "\\", 1);
    add_literal(g, first, tail, strlen(tail));
}

static void add_name(struct grammar *g, unsigned first, int depth, struct slice name)
{
    if (slice_equal(name, SLICE("nl"))) {
        add_escaped(g, first, depth, "r", 0);
        add_escaped(g, first, depth, "n", 0);
        return;
    }
    if (slice_equal(name, SLICE("eacute"))) {
        add_escaped(g, first, depth, "u00e9", 0);
        return;
    }
    struct piece *piece = add_piece(g);
    piece->depth = depth + (name.len > 0 && name.data[name.len - 1] == '!');
    name.len -= (size_t)(piece->depth - depth);
    const struct value *value = find_value(name);
    if (value != NULL)
        piece->write = value->write;
    else
        piece->set = find_set(g, name);
    CHECK(piece->write != NULL || piece->set >= 0);
}

static struct cut_phrase cut(struct grammar *g, const char *text, int depth)
{
    struct cut_phrase phrase = {.first = g->piece_count};
    for (const char *at = text; *at != '\0';) {
        if (*at == '\'') {
            add_escaped(g, phrase.first, depth, "\"", 1);
            at++;
        } else if (*at == '<') {
            const char *end = strchr(at, '>');
            CHECK(end != NULL);
            add_name(g, phrase.first, depth, slice_of(at + 1, (size_t)(end - at) - 1));
            at = end + 1;
        } else {
            size_t len = strcspn(at, "'<");
            add_literal(g, phrase.first, at, len);
            at += len;
        }
    }
    phrase.count = g->piece_count - phrase.first;
    return phrase;
}

static void collect_sets(struct grammar *g)
{
    for (unsigned i = 0; phrases[i].set != NULL; i++) {
        struct set *last = g->set_count > 0 ? &g->sets[g->set_count - 1] : NULL;
        CHECK(i < MAX_PHRASES);
        if (last != NULL && strcmp(last->name, phrases[i].set) == 0) {
            last->count++;
            continue;
        }
        CHECK(g->set_count < MAX_SETS && find_set(g, slice_from(phrases[i].set)) < 0);
        g->sets[g->set_count++] = (struct set){phrases[i].set, i, 1};
    }
}

struct grammar *grammar_new(void)
{
    struct grammar *g = calloc(1, sizeof *g);
    CHECK(g != NULL);
    g->literals = (struct text){g->pool, 0, POOL};
    collect_sets(g);
    while (plants[g->plant_count].set != NULL) g->plant_count++;
    CHECK(g->plant_count <= MAX_PLANTS);
    for (int depth = 0; depth < DEPTHS; depth++) {
        for (unsigned s = 0; s < g->set_count; s++) {
            unsigned weight = 0;
            for (unsigned i = g->sets[s].first; i < g->sets[s].first + g->sets[s].count; i++) {
                g->cut[depth][i] = cut(g, phrases[i].text, depth);
                g->cut[depth][i].weight = weight += phrases[i].weight;
            }
        }
        for (unsigned i = 0; i < g->plant_count; i++) {
            g->cut_plants[depth][i] = cut(g, plants[i].text, depth);
            g->plant_sets[i] = find_set(g, slice_from(plants[i].set));
            CHECK(g->plant_sets[i] >= 0);
        }
    }
    return g;
}

void grammar_free(struct grammar *g) { free(g); }

static const struct cut_phrase *draw_phrase(const struct grammar *g, int set, int depth, struct scene *scene)
{
    if (scene->plant != NULL && g->plant_sets[scene->plant - plants] == set)
        return &g->cut_plants[depth][scene->plant - plants];
    const struct cut_phrase *phrase = &g->cut[depth][g->sets[set].first];
    unsigned count = g->sets[set].count;
    if (count == 1) return phrase;
    unsigned at = random_below(scene->random, phrase[count - 1].weight);
    while (at >= phrase->weight) phrase++;
    return phrase;
}

static void write_set(const struct grammar *g, int set, int depth, struct text *t, struct scene *scene)
{
    CHECK(depth < DEPTHS);
    const struct cut_phrase *phrase = draw_phrase(g, set, depth, scene);
    for (const struct piece *p = g->pieces + phrase->first, *end = p + phrase->count; p < end; p++) {
        if (p->write != NULL)
            p->write(t, scene);
        else if (p->set >= 0)
            write_set(g, p->set, p->depth, t, scene);
        else
            put_slice(t, p->literal);
    }
}

void grammar_write(const struct grammar *g, const char *set, struct text *t, struct scene *scene)
{
    int number = find_set(g, slice_from(set));
    CHECK(number >= 0);
    write_set(g, number, 0, t, scene);
}

/* The kind of secret first, so that each kind is equally frequent, then one of its places. */
const struct plant *grammar_draw_plant(const struct grammar *g, struct scene *scene, enum record_kind record)
{
    enum secret_kind secret = random_below(scene->random, SECRET_KINDS);
    unsigned found = 0, fitting[MAX_PLANTS];
    for (unsigned i = 0; i < g->plant_count; i++)
        if (plants[i].secret == secret && plants[i].record == record) fitting[found++] = i;
    CHECK(found > 0);
    return &plants[fitting[random_below(scene->random, found)]];
}
