#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "parser/runs_priv.h"

#include <stdlib.h>

static void add(struct byte_class *c, unsigned char byte)
{
    c->low[byte & 15] |= (uint8_t)(1 << (byte >> 4));
}

/* A class from its members; a dash between two of them, not first or last, makes a range: "A-Za-z0-9+/". */
static struct byte_class byte_class_of(const char *members)
{
    struct byte_class c = {0};
    for (size_t i = 0; i < 8; i++) c.high[i] = (uint8_t)(1 << i);
    for (size_t i = 0; members[i] != '\0'; i++) {
        unsigned char first = (unsigned char)members[i], last = first;
        if (members[i + 1] == '-' && members[i + 2] != '\0') {
            last = (unsigned char)members[i + 2];
            i += 2;
        }
        for (unsigned byte = first; byte <= last; byte++) add(&c, (unsigned char)byte);
    }
    return c;
}

static void a_class_has_its_members_and_ranges(void **state)
{
    (void)state;
    struct byte_class c = byte_class_of("A-C+9-");
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(byte_class_has(&c, (char)byte), byte && strchr("ABC+9-", byte) != NULL);
}

static void the_classes_worked_out_are_right(void **state)
{
    (void)state;
    static const struct byte_class base64 = BYTE_CLASS_BASE64, digits = BYTE_CLASS_DIGITS;
    struct byte_class expected = byte_class_of("A-Za-z0-9+/_-");
    assert_memory_equal(&base64, &expected, sizeof expected);
    expected = byte_class_of("0-9 +-");
    assert_memory_equal(&digits, &expected, sizeof expected);
}

/* The definition: byte by byte. */
static bool runs_naive(const struct byte_class *c, struct slice text, size_t min, size_t *from, size_t *to)
{
    for (size_t i = *from; i < text.len; i++) {
        size_t end = i;
        while (end < text.len && byte_class_has(c, text.data[end])) end++;
        if (end - i >= min) {
            *from = i;
            *to = end;
            return true;
        }
        i = end;
    }
    return false;
}

static void every_kernel_finds_the_runs_that_a_loop_finds(void **state)
{
    (void)state;
    runs_function *kernels[3] = {runs_scalar};
    size_t kernel_count = 1;
#if defined(__x86_64__)
    if (index_kernel_avx2.supported()) kernels[kernel_count++] = runs_avx2;
    if (index_kernel_avx512.supported()) kernels[kernel_count++] = runs_avx512;
#endif
    struct byte_class c = byte_class_of("0-9");
    srand(7);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand() % 400, min = 1 + (size_t)rand() % RUN_MAX_MIN;
        int density = 1 + rand() % 60;
        char *text = malloc(len + 1);
        for (size_t i = 0; i < len; i++) text[i] = rand() % density ? '7' : "x\0\xff"[rand() % 3];
        size_t start = len ? (size_t)rand() % len : 0, from = start, to = 0;
        bool expected = runs_naive(&c, slice_of(text, len), min, &from, &to);
        for (size_t k = 0; k < kernel_count; k++) {
            size_t got_from = start, got_to = 0;
            assert_int_equal(kernels[k](&c, slice_of(text, len), min, &got_from, &got_to), expected);
            if (!expected) continue;
            assert_int_equal(got_from, from);
            assert_int_equal(got_to, to);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_has_its_members_and_ranges),
        cmocka_unit_test(the_classes_worked_out_are_right),
        cmocka_unit_test(every_kernel_finds_the_runs_that_a_loop_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
