/* Framing of inputs that are long on purpose. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "framed.h"

/* Endless repetitions of one unit between a beginning and an end. */
struct repetition {
    struct slice before, unit, after;
    uint64_t     count, at;
};

static ptrdiff_t repetition_read(void *context, char *buffer, size_t capacity, struct error *error)
{
    struct repetition *r = context;
    uint64_t middle = r->count * r->unit.len, total = r->before.len + middle + r->after.len;
    size_t n = 0;
    (void)error;
    for (; n < capacity && r->at < total; n++, r->at++) {
        uint64_t at = r->at;
        if (at < r->before.len) buffer[n] = r->before.data[at];
        else if (at - r->before.len < middle) buffer[n] = r->unit.data[(at - r->before.len) % r->unit.len];
        else buffer[n] = r->after.data[at - r->before.len - middle];
    }
    return (ptrdiff_t)n;
}

struct totals {
    uint64_t documents, refused, bytes;
};

static struct totals frame_repetition(struct repetition r, size_t max_document)
{
    struct totals totals = {0};
    struct framer *f = framer_new(&(struct framer_options){.max_document = max_document});
    struct batch b;
    struct error error = {0};
    assert_true(batch_init(&b, max_document + 300000));
    framer_reset(f, (struct byte_source){repetition_read, &r});
    enum fill fill;
    do {
        batch_clear(&b);
        fill = framer_fill(f, &b, &error);
        for (size_t i = 0; i < b.count; i++) totals.refused += b.documents[i].form == DOCUMENT_REFUSED;
        totals.documents += b.count;
    } while (fill == FILL_SOME);
    totals.bytes = framer_offset(f);
    batch_release(&b);
    framer_free(f);
    return totals;
}

/* Each of these would take minutes if anything were scanned again and again. */
static void hostile_input_is_linear(void **state)
{
    (void)state;
    static const struct {
        struct repetition r;
        uint64_t          documents, refused;
    } cases[] = {
        {{SLICE("{\"a\":\""), SLICE("x"), SLICE("\"}\n{\"b\":2}\n"), 20000000, 0}, 2, 1},
        {{SLICE("{\"a\":\""), SLICE("\\\""), SLICE("\"}\n{\"b\":2}\n"), 10000000, 0}, 2, 1},
        {{SLICE(""), SLICE("["), SLICE(""), 5000000, 0}, 1, 1},
        {{SLICE(""), SLICE("{"), SLICE(""), 5000000, 0}, 1, 1},
        {{SLICE(""), SLICE("{}"), SLICE("\n"), 2000000, 0}, 2000000, 0},
        {{SLICE("{\"a\":\""), SLICE("\n{\"b\":\"\\"), SLICE(""), 1000000, 0}, 1, 1},
        {{SLICE("{"), SLICE("\n{\"b\":2},"), SLICE(""), 1000000, 0}, 1, 1},
        {{SLICE("[1,"), SLICE("\n{\"b\":2},"), SLICE("3]"), 1000000, 0}, 1000002, 0},
        {{SLICE("{\"records\":["), SLICE("{\"b\":2},"), SLICE("{\"c\":3}]}\n"), 2000000, 0}, 2000001, 0},
        {{SLICE("{\"records\":[\""), SLICE("{\"b\":\"2},"), SLICE("\n"), 2000000, 0}, 1, 1},
        {{SLICE(""), SLICE(" "), SLICE("x"), 20000000, 0}, 1, 1},
        {{SLICE(""), SLICE("x"), SLICE(""), 20000000, 0}, 1, 1},
        {{SLICE(""), SLICE("x\n"), SLICE(""), 2000000, 0}, 2000000, 0},
        {{SLICE("{\"a\":1}"), SLICE(" "), SLICE("x"), 20000000, 0}, 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct totals totals = frame_repetition(cases[i].r, 1 << 20);
        struct repetition r = cases[i].r;
        assert_int_equal(totals.documents, cases[i].documents);
        assert_int_equal(totals.refused, cases[i].refused);
        assert_int_equal(totals.bytes, r.before.len + r.count * r.unit.len + r.after.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_input_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
