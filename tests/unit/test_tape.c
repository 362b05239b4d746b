/* The whole parser: which texts are accepted, what the tape says, where faults are, and that all kernels agree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "json_texts.h"
#include "parser/parser.h"

#include <dirent.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MAX_BYTES ((size_t)1 << 20)
#define RANDOM_TEXTS 24000

struct fixture {
    struct parser parser;
    struct arena  arena;
};

static int set_up(void **state)
{
    static struct fixture f;
    arena_init(&f.arena, (size_t)1 << 16, (size_t)64 << 20);
    *state = &f;
    return parser_init(&f.parser, MAX_BYTES, PARSER_DEFAULT_DEPTH) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    parser_release(&f->parser);
    arena_release(&f->arena);
    return 0;
}

/* What came of one text; nodes live until the next arena_clear(). */
struct outcome {
    enum parse_status status;
    size_t            at;
    struct tape       tape;
};

static struct outcome parse(struct fixture *f, struct slice text)
{
    struct outcome o = {.at = 0};
    o.status = parser_parse(&f->parser, text, &f->arena, &o.tape, &o.at);
    return o;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->status, b->status);
    if (a->status != PARSE_OK) {
        assert_int_equal(a->at, b->at);
        return;
    }
    assert_int_equal(a->tape.count, b->tape.count);
    assert_memory_equal(a->tape.nodes, b->tape.nodes, a->tape.count * sizeof *a->tape.nodes);
}

/* Parses the text with every kernel, at several alignments, with several kinds of garbage behind it; they must agree.
 * The nodes stay where they are until the next call. */
static struct outcome parse_everywhere(struct fixture *f, struct slice text)
{
    static const size_t shifts[] = {0, 1, 31, 62};
    static const char garbage[] = {']', '"', '\xC3', '7', ' ', '\\'};
    struct outcome first = {.at = 0};
    bool is_first = true;
    arena_clear(&f->arena);
    for (const struct index_kernel *const *k = index_kernels; *k != NULL; k++) {
        if (!(*k)->supported()) continue;
        f->parser.kernel = *k;
        for (size_t i = 0; i < COUNT(shifts) * COUNT(garbage); i++) {
            struct text_copy copy = text_copy(text, shifts[i % COUNT(shifts)], garbage[i / COUNT(shifts)]);
            struct outcome o = parse(f, copy.text);
            if (is_first) first = o;
            is_first = false;
            assert_same(&first, &o);
            free(copy.block);
        }
    }
    return first;
}

/* --- Case files --------------------------------------------------------------------------------------------------- */

static struct slice read_case(const char *folder, const char *name)
{
    static char data[MAX_BYTES], path[512];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_in_range(n, 1, (int)sizeof path - 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct slice text = slice_of(data, fread(data, 1, sizeof data, file));
    fclose(file);
    return text;
}

/* Returns how many case files there were. */
static unsigned run_cases(struct fixture *f, const char *folder, bool accepted)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        enum parse_status status = parse_everywhere(f, read_case(folder, e->d_name)).status;
        if ((status == PARSE_OK) != accepted) fail_msg("%s: status %d", e->d_name, (int)status);
        count++;
    }
    closedir(dir);
    return count;
}

static void every_case_that_the_rfc_allows_is_accepted(void **state)
{
    assert_in_range(run_cases(*state, LETHE_SOURCE_DIR "/tests/golden/json/accept", true), 95, 1000);
}

static void every_case_that_the_rfc_forbids_is_refused(void **state)
{
    assert_in_range(run_cases(*state, LETHE_SOURCE_DIR "/tests/golden/json/refuse", false), 185, 1000);
}

/* --- Faults ------------------------------------------------------------------------------------------------------- */

static void a_fault_is_named_and_is_where_the_first_wrong_byte_is(void **state)
{
    static const struct {
        struct slice      text;
        enum parse_status status;
        size_t            at;
    } cases[] = {
        {SLICE(""), PARSE_EMPTY, 0},
        {SLICE(" \n\t"), PARSE_EMPTY, 3},
        {SLICE("[1,]"), PARSE_GRAMMAR, 3},
        {SLICE("{\"a\":1,}"), PARSE_GRAMMAR, 7},
        {SLICE("{\"a\" \"b\"}"), PARSE_GRAMMAR, 5},
        {SLICE("{\"a\":\"b\",\"c\":\"d\" x"), PARSE_GRAMMAR, 17},
        {SLICE("{1:2}"), PARSE_GRAMMAR, 1},
        {SLICE("[1}"), PARSE_GRAMMAR, 2},
        {SLICE("\"a\"x"), PARSE_GRAMMAR, 3},
        {SLICE("1\"a\""), PARSE_GRAMMAR, 1},
        {SLICE("truefalse"), PARSE_GRAMMAR, 4},
        {SLICE("[trxe]"), PARSE_GRAMMAR, 3},
        {SLICE("tru"), PARSE_GRAMMAR, 3},
        {SLICE("-"), PARSE_GRAMMAR, 1},
        {SLICE("[-x]"), PARSE_GRAMMAR, 2},
        {SLICE("[012]"), PARSE_GRAMMAR, 2},
        {SLICE("[1.]"), PARSE_GRAMMAR, 3},
        {SLICE("[1e+]"), PARSE_GRAMMAR, 4},
        {SLICE("[1.5x]"), PARSE_GRAMMAR, 4},
        {SLICE("[12345678901234567890x]"), PARSE_GRAMMAR, 21},
        {SLICE("{} {}"), PARSE_GRAMMAR, 3},
        {SLICE("\xEF\xBB\xBF{}"), PARSE_GRAMMAR, 0},
        {SLICE("[\"\\x\"]"), PARSE_GRAMMAR, 3},
        {SLICE("[\"\\u12\"]"), PARSE_GRAMMAR, 6},
        {SLICE("[\\\"a\"]"), PARSE_GRAMMAR, 1},
        {SLICE("[\0]"), PARSE_GRAMMAR, 1},
        {SLICE("[\x1A]"), PARSE_GRAMMAR, 1},
        {SLICE("1\x0C"), PARSE_GRAMMAR, 1},
        {SLICE("["), PARSE_UNCLOSED, 1},
        {SLICE("[1, "), PARSE_UNCLOSED, 4},
        {SLICE("{\"a\":"), PARSE_UNCLOSED, 5},
        {SLICE("{\"a\":\"b\","), PARSE_UNCLOSED, 9},
        {SLICE("[tru"), PARSE_UNCLOSED, 4},
        {SLICE("[1."), PARSE_UNCLOSED, 3},
        {SLICE("\"abc"), PARSE_UNCLOSED, 4},
        {SLICE("\"abc\\"), PARSE_UNCLOSED, 5},
        {SLICE("\"abc\\\""), PARSE_UNCLOSED, 6},
        {SLICE("\"\\u12"), PARSE_UNCLOSED, 5},
        {SLICE("{\"a\":\"b\nc\"}"), PARSE_CONTROL, 7},
        {SLICE("[\"\\\n\"]"), PARSE_CONTROL, 3},
        {SLICE("[\"\xE2\x82\"]"), PARSE_UTF8, 2},
        {SLICE("[\xFF]"), PARSE_UTF8, 1},
        {SLICE("1\xFF"), PARSE_UTF8, 1},
        {SLICE("\"ab\xF0\x9D\x84"), PARSE_UTF8, 3},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome o = parse_everywhere(*state, cases[i].text);
        if (o.status != cases[i].status || o.at != cases[i].at)
            fail_msg("case %zu: status %d at %zu", i, (int)o.status, o.at);
    }
}

static void of_several_faults_the_first_one_is_reported(void **state)
{
    static const struct {
        struct slice      text;
        enum parse_status status;
        size_t            at;
    } cases[] = {
        {SLICE("[x, \"\n\", \"\xFF\""), PARSE_GRAMMAR, 1},
        {SLICE("[\"\n\", x, \"\xFF\""), PARSE_CONTROL, 2},
        {SLICE("[\"\xFF\", x, \"\n\""), PARSE_UTF8, 2},
        {SLICE("[\"\\q\", \"\xFF\"]"), PARSE_GRAMMAR, 3},
        {SLICE("[\"\\\xFF\"]"), PARSE_UTF8, 3},
        {SLICE("[1 2, \"abc"), PARSE_GRAMMAR, 3},
        {SLICE("1 2 \xFF"), PARSE_GRAMMAR, 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome o = parse_everywhere(*state, cases[i].text);
        if (o.status != cases[i].status || o.at != cases[i].at)
            fail_msg("case %zu: status %d at %zu", i, (int)o.status, o.at);
    }
}

/* --- The tape ----------------------------------------------------------------------------------------------------- */

static void assert_nodes(struct fixture *f, struct slice text, const struct node *expected, size_t count)
{
    struct outcome o = parse_everywhere(f, text);
    assert_int_equal(o.status, PARSE_OK);
    assert_int_equal(o.tape.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(o.tape.nodes[i].start, expected[i].start);
        assert_int_equal(o.tape.nodes[i].end, expected[i].end);
        assert_int_equal(o.tape.nodes[i].next, expected[i].next);
        assert_int_equal(o.tape.nodes[i].type, expected[i].type);
        assert_int_equal(o.tape.nodes[i].facts, expected[i].facts);
        assert_int_equal(o.tape.nodes[i].name, 0);
    }
}

static void nodes_stand_in_document_order_with_offsets_into_the_text(void **state)
{
    static const struct node nodes[] = {
        {0, 34, 10, NODE_OBJECT, 0, 0}, {2, 3, 3, NODE_KEY, 0, 0},       {6, 7, 3, NODE_STRING, 0, 0},
        {10, 11, 10, NODE_KEY, 0, 0},   {13, 33, 10, NODE_ARRAY, 0, 0},  {14, 16, 6, NODE_NUMBER, 0, 0},
        {18, 18, 7, NODE_STRING, 0, 0}, {20, 24, 8, NODE_TRUE, 0, 0},    {25, 29, 9, NODE_NULL, 0, 0},
        {30, 32, 10, NODE_OBJECT, 0, 0},
    };
    assert_nodes(*state, SLICE("{\"a\":\"b\",\"c\":[-1,\"\",true,null,{}]}"), nodes, COUNT(nodes));
}

static void white_space_belongs_to_no_node(void **state)
{
    static const struct node nodes[] = {
        {1, 26, 5, NODE_OBJECT, 0, 0}, {4, 5, 5, NODE_KEY, 0, 0},    {9, 24, 5, NODE_ARRAY, 0, 0},
        {11, 14, 4, NODE_ARRAY, 0, 0}, {17, 22, 5, NODE_FALSE, 0, 0},
    };
    assert_nodes(*state, SLICE(" { \"k\" : [ [ ] , false ] } "), nodes, COUNT(nodes));
    assert_nodes(*state, SLICE("\n12\n"), &(struct node){1, 3, 1, NODE_NUMBER, 0, 0}, 1);
    assert_nodes(*state, SLICE("\t\"x\"\r"), &(struct node){2, 3, 1, NODE_STRING, 0, 0}, 1);
}

static void duplicate_keys_are_kept_in_order(void **state)
{
    static const struct node nodes[] = {
        {0, 13, 5, NODE_OBJECT, 0, 0}, {2, 3, 3, NODE_KEY, 0, 0},      {5, 6, 3, NODE_NUMBER, 0, 0},
        {8, 9, 5, NODE_KEY, 0, 0},     {11, 12, 5, NODE_NUMBER, 0, 0},
    };
    assert_nodes(*state, SLICE("{\"k\":1,\"k\":2}"), nodes, COUNT(nodes));
}

static void facts_are_those_of_the_node_and_not_of_its_neighbours(void **state)
{
    static const struct node nodes[] = {
        {0, 45, 7, NODE_OBJECT, 0, 0},
        {2, 3, 3, NODE_KEY, FACT_ENCODED, 0},  {6, 26, 3, NODE_STRING, FACT_LONG_RUN, 0},
        {29, 30, 5, NODE_KEY, 0, 0},           {33, 35, 5, NODE_STRING, FACT_ESCAPE, 0},
        {38, 40, 7, NODE_KEY, FACT_ESCAPE, 0}, {43, 43, 7, NODE_STRING, 0, 0},
    };
    assert_nodes(*state, SLICE("{\"%\":\"ABCDEFGHIJKLMNOPQRST\",\"b\":\"\\n\",\"\\t\":\"\"}"), nodes, COUNT(nodes));
}

/* --- Limits ------------------------------------------------------------------------------------------------------- */

static void more_containers_than_max_depth_inside_one_another_are_refused(void **state)
{
    struct fixture *f = *state;
    char text[2 * PARSER_DEFAULT_DEPTH + 2];
    memset(text, '[', sizeof text / 2);
    memset(text + sizeof text / 2, ']', sizeof text / 2);
    struct outcome o = parse_everywhere(f, slice_of(text, sizeof text));
    assert_int_equal(o.status, PARSE_DEPTH);
    assert_int_equal(o.at, PARSER_DEFAULT_DEPTH);
    assert_int_equal(parse_everywhere(f, slice_of(text + 1, sizeof text - 2)).status, PARSE_OK);
    f->parser.max_depth = 0;
    assert_int_equal(parse_everywhere(f, SLICE("1")).status, PARSE_OK);
    assert_int_equal(parse_everywhere(f, SLICE("[]")).status, PARSE_DEPTH);
    f->parser.max_depth = PARSER_DEFAULT_DEPTH;
}

static void a_text_longer_than_max_bytes_is_refused_unread(void **state)
{
    struct parser p;
    struct tape tape;
    size_t at = 0;
    char text[5 + PARSER_PADDING] = "[   ]";
    assert_true(parser_init(&p, 4, 1));
    struct fixture *f = *state;
    assert_int_equal(parser_parse(&p, slice_of(text, 5), &f->arena, &tape, &at), PARSE_TOO_LONG);
    assert_int_equal(at, 4);
    text[3] = ']';
    assert_int_equal(parser_parse(&p, slice_of(text, 4), &f->arena, &tape, &at), PARSE_OK);
    parser_release(&p);
}

/* The densest texts there are: the nodes that were set aside must suffice; a sanitizer would see one too many. */
static void nodes_suffice_for_the_densest_texts(void **state)
{
    static const char *const pieces[][2] = {
        {"[1", ",1"}, {"[", "["}, {"[[]", ",[]"}, {"{\"\":1", ",\"\":1"}, {"[\"\"", ",\"\""},
        {"{\"\":", "{\"\":"}, {"[[1]", ",[1]"}, {"[{\"\":[]}", ",{\"\":[]}"},
    };
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct random_text t = {.len = 0};
        random_put(&t, pieces[i][0]);
        for (int n = 0; n < 100; n++) random_put(&t, pieces[i][1]);
        parse_everywhere(*state, slice_of(t.data, t.len));
        random_put(&t, pieces[i][0][0] == '[' ? "]" : "}");
        parse_everywhere(*state, slice_of(t.data, t.len));
    }
}

static void a_full_arena_is_an_ordinary_outcome(void **state)
{
    struct fixture *f = *state;
    struct arena small;
    struct tape tape;
    size_t at;
    char text[400 + PARSER_PADDING] = {0};
    memset(text, '[', 400);
    arena_init(&small, 256, 256);
    assert_int_equal(parser_parse(&f->parser, slice_of(text, 400), &small, &tape, &at), PARSE_MEMORY);
    arena_release(&small);
}

static void of_a_refused_text_nothing_is_kept_in_the_arena(void **state)
{
    struct fixture *f = *state;
    struct arena small;
    struct tape tape;
    size_t at;
    char text[200 + PARSER_PADDING] = {0};
    memset(text, '[', 200);
    arena_init(&small, 65536, 65536);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(parser_parse(&f->parser, slice_of(text, 100), &small, &tape, &at), PARSE_UNCLOSED);
        assert_int_equal(parser_parse(&f->parser, slice_of(text, 200), &small, &tape, &at), PARSE_DEPTH);
    }
    arena_release(&small);
}

/* --- Kernels ------------------------------------------------------------------------------------------------------ */

static struct outcome parse_with_all_kernels(struct fixture *f, const struct random_text *t)
{
    struct outcome first = {.at = 0};
    bool is_first = true;
    uint64_t seed = t->seed;
    arena_clear(&f->arena);
    for (const struct index_kernel *const *k = index_kernels; *k != NULL; k++) {
        if (!(*k)->supported()) continue;
        f->parser.kernel = *k;
        size_t shift = random_below(&seed, 64);
        struct text_copy copy = text_copy(slice_of(t->data, t->len), shift, (char)random_next(&seed));
        struct outcome o = parse(f, copy.text);
        if (is_first) first = o;
        is_first = false;
        assert_same(&first, &o);
        free(copy.block);
    }
    return first;
}

static void all_kernels_make_the_same_of_random_texts(void **state)
{
    unsigned accepted = 0;
    for (uint64_t seed = 1; seed <= RANDOM_TEXTS; seed++) {
        static struct random_text t;
        random_document(&t, seed);
        accepted += parse_with_all_kernels(*state, &t).status == PARSE_OK;
    }
    assert_in_range(accepted, RANDOM_TEXTS / 3, RANDOM_TEXTS * 2 / 3);
}

static void an_undamaged_random_document_is_accepted(void **state)
{
    for (uint64_t seed = 0; seed < RANDOM_TEXTS; seed += 2) {
        static struct random_text t;
        random_document(&t, seed);
        if (t.len > sizeof t.data - 64) continue;
        struct outcome o = parse_with_all_kernels(*state, &t);
        if (o.status != PARSE_OK) fail_msg("seed %d: status %d at %zu", (int)seed, (int)o.status, o.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_that_the_rfc_allows_is_accepted),
        cmocka_unit_test(every_case_that_the_rfc_forbids_is_refused),
        cmocka_unit_test(a_fault_is_named_and_is_where_the_first_wrong_byte_is),
        cmocka_unit_test(of_several_faults_the_first_one_is_reported),
        cmocka_unit_test(nodes_stand_in_document_order_with_offsets_into_the_text),
        cmocka_unit_test(white_space_belongs_to_no_node),
        cmocka_unit_test(duplicate_keys_are_kept_in_order),
        cmocka_unit_test(facts_are_those_of_the_node_and_not_of_its_neighbours),
        cmocka_unit_test(more_containers_than_max_depth_inside_one_another_are_refused),
        cmocka_unit_test(a_text_longer_than_max_bytes_is_refused_unread),
        cmocka_unit_test(nodes_suffice_for_the_densest_texts),
        cmocka_unit_test(a_full_arena_is_an_ordinary_outcome),
        cmocka_unit_test(of_a_refused_text_nothing_is_kept_in_the_arena),
        cmocka_unit_test(all_kernels_make_the_same_of_random_texts),
        cmocka_unit_test(an_undamaged_random_document_is_accepted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
