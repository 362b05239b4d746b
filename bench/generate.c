/* Generator of realistic telemetry, with secrets in it that are written down beside it.
 *
 *     generate BYTES SEED SIDECAR [--records] > out.jsonl
 *     generate --hostile NAME BYTES [LINE_BYTES] > out.jsonl
 *
 * 60 % scoring requests, 30 % activity log, 10 % run events; 3 % of the records carry one secret each, listed in SIDECAR
 * as "record<TAB>kind<TAB>place<TAB>secret", records counted from 1. Stops with the record that reaches BYTES. With
 * --records the same records are one single line, {"records":[...]}. Hostile input is one line unless LINE_BYTES says
 * otherwise. */
#include "bench/generate_priv.h"

#include <errno.h>
#include <stdio.h>

struct options {
    const char *hostile, *sidecar;
    uint64_t    bytes, seed, line_bytes;
    bool        records;
};

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    *o = (struct options){0};
    if (argc >= 4 && strcmp(argv[1], "--hostile") == 0) {
        o->hostile = argv[2];
        if (!parse_number(argv[3], &o->bytes)) return false;
        o->line_bytes = o->bytes;
        if (argc == 5 && !parse_number(argv[4], &o->line_bytes)) return false;
        return argc <= 5 && o->line_bytes > 0;
    }
    o->records = argc == 5 && strcmp(argv[4], "--records") == 0;
    if (argc != 4 + o->records) return false;
    o->sidecar = argv[3];
    return parse_number(argv[1], &o->bytes) && parse_number(argv[2], &o->seed);
}

static enum record_kind draw_kind(struct random *r)
{
    unsigned at = random_below(r, 10);
    return at < 6 ? RECORD_SCORING : at < 9 ? RECORD_ACTIVITY : RECORD_RUN;
}

static void write_record(const struct grammar *g, struct text *t, struct scene *s, uint64_t number, FILE *sidecar)
{
    static const char *const roots[RECORD_KINDS] = {"scoring", "activity", "run"};
    enum record_kind kind = draw_kind(s->random);
    scene_draw(s, kind, number);
    s->plant = NULL;
    t->len = 0;
    if (random_below(s->random, 100) >= 3) {
        grammar_write(g, roots[kind], t, s);
        return;
    }
    secret_draw(s, grammar_draw_plant(g, s, kind));
    for (t->len = 0; t->len == 0 || memmem(t->data, t->len, s->secret, s->secret_len) == NULL;) {
        t->len = 0;   /* not every record has room for every place */
        grammar_write(g, roots[kind], t, s);
    }
    fprintf(sidecar, "%llu\t%s\t%s\t%.*s\n", (unsigned long long)number, secret_names[s->plant->secret], s->plant->place,
            (int)s->secret_len, s->secret);
}

static void write_all(const struct options *o, FILE *sidecar)
{
    static struct world world;
    static char room[65536];
    struct random random;
    struct scene scene = {.random = &random, .world = &world};
    struct text t = {room, 0, sizeof room};
    struct grammar *grammar = grammar_new();
    random_seed(&random, o->seed);
    world_init(&world, &random);
    uint64_t written = o->records ? (uint64_t)printf("{\"records\":[") : 0;
    for (uint64_t number = 1; written < o->bytes; number++) {
        if (o->records && number > 1) written += fwrite(",", 1, 1, stdout);
        write_record(grammar, &t, &scene, number, sidecar);
        if (!o->records) put(&t, "\n", 1);
        fwrite(t.data, 1, t.len, stdout);
        written += t.len;
    }
    if (o->records) puts("]}");
    grammar_free(grammar);
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse_options(argc, argv, &options)) {
        fprintf(stderr, "usage: generate BYTES SEED SIDECAR [--records]\n"
                        "       generate --hostile NAME BYTES [LINE_BYTES]   (%s)\n", hostile_names());
        return 2;
    }
    static char buffer[1 << 18];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (options.hostile != NULL) {
        if (!hostile_write(options.hostile, options.bytes, options.line_bytes)) {
            fprintf(stderr, "generate: no hostile input of that name; there are: %s\n", hostile_names());
            return 2;
        }
    } else {
        FILE *sidecar = fopen(options.sidecar, "w");
        if (sidecar == NULL) {
            perror("generate: cannot open the sidecar");
            return 1;
        }
        write_all(&options, sidecar);
        if (fclose(sidecar) != 0) {
            perror("generate: cannot write the sidecar");
            return 1;
        }
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("generate: cannot write");
        return 1;
    }
    return 0;
}
