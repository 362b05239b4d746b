#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/hpke.h"

#include <stdlib.h>

/* The test vector that the authors of RFC 9180 published for mode 0, KEM 0x0020, KDF 0x0001, AEAD 0x0002 (test-vectors.json,
 * commit 5f503c5), its first message. */
#define INFO "Ode on a Grecian Urn"
#define PRIVATE "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d"
#define PUBLIC "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c"
#define ENC "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256"
#define CIPHERTEXT "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a"
#define ASSOCIATED "Count-0"
#define TEXT "Beauty is truth, truth beauty"

static size_t bytes_of(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return len;
}

static struct hpke *receiver(void)
{
    uint8_t raw[32];
    bytes_of(PRIVATE, raw);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, raw, sizeof raw);
    struct hpke *h = hpke_new(key, SLICE(INFO));
    EVP_PKEY_free(key);
    assert_non_null(h);
    return h;
}

static struct hpke *sender(const char *public)
{
    uint8_t raw[32];
    bytes_of(public, raw);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, raw, sizeof raw);
    struct hpke *h = hpke_new(key, SLICE(INFO));
    EVP_PKEY_free(key);
    assert_non_null(h);
    return h;
}

static void the_published_vector_is_opened(void **state)
{
    (void)state;
    uint8_t sealed[128], text[64];
    size_t len = bytes_of(ENC CIPHERTEXT, sealed);
    struct hpke *h = receiver();
    assert_true(hpke_open(h, SLICE(ASSOCIATED), slice_of((char *)sealed, len), text));
    assert_int_equal(len - HPKE_OVERHEAD, strlen(TEXT));
    assert_memory_equal(text, TEXT, strlen(TEXT));
    hpke_free(h);
}

static void a_vector_with_any_bit_changed_is_refused(void **state)
{
    (void)state;
    uint8_t sealed[128], text[64];
    char associated[] = ASSOCIATED;
    size_t len = bytes_of(ENC CIPHERTEXT, sealed);
    struct hpke *h = receiver();
    for (size_t bit = 0; bit < 8 * len; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(hpke_open(h, slice_from(associated), slice_of((char *)sealed, len), text));
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * strlen(associated); bit++) {
        associated[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(hpke_open(h, slice_of(associated, 7), slice_of((char *)sealed, len), text));
        associated[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t shorter = 0; shorter < len; shorter++)
        assert_false(hpke_open(h, slice_from(associated), slice_of((char *)sealed, shorter), text));
    hpke_free(h);
}

static void what_is_sealed_to_a_public_key_is_opened_by_its_private_key(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 1000, 100000};
    struct hpke *from = sender(PUBLIC), *to = receiver();
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i];
        char *text = malloc(len + 1);
        uint8_t *sealed = malloc(len + HPKE_OVERHEAD), *opened = malloc(len + 1);
        assert_true(text && sealed && opened);
        memset(text, 'a' + (int)i, len);
        assert_true(hpke_seal(from, SLICE("facts"), slice_of(text, len), sealed));
        assert_true(hpke_open(to, SLICE("facts"), slice_of((char *)sealed, len + HPKE_OVERHEAD), opened));
        assert_memory_equal(text, opened, len);
        assert_false(hpke_open(to, SLICE("other"), slice_of((char *)sealed, len + HPKE_OVERHEAD), opened));
        free(text);
        free(sealed);
        free(opened);
    }
    hpke_free(from);
    hpke_free(to);
}

static void equal_texts_are_sealed_differently(void **state)
{
    (void)state;
    uint8_t one[4 + HPKE_OVERHEAD], two[4 + HPKE_OVERHEAD];
    struct hpke *from = sender(PUBLIC);
    assert_true(hpke_seal(from, SLICE(""), SLICE("same"), one));
    assert_true(hpke_seal(from, SLICE(""), SLICE("same"), two));
    assert_memory_not_equal(one, two, HPKE_KEY_BYTES);
    assert_memory_not_equal(one + HPKE_KEY_BYTES, two + HPKE_KEY_BYTES, 4 + HPKE_TAG_BYTES);
    hpke_free(from);
}

static void a_public_key_of_small_order_seals_nothing(void **state)
{
    (void)state;
    static const char *const points[] = {   /* 0, 1 and p - 1: with them the secret would be known to all */
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    uint8_t sealed[4 + HPKE_OVERHEAD];
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct hpke *from = sender(points[i]);
        assert_false(hpke_seal(from, SLICE(""), SLICE("text"), sealed));
        hpke_free(from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vector_is_opened),
        cmocka_unit_test(a_vector_with_any_bit_changed_is_refused),
        cmocka_unit_test(what_is_sealed_to_a_public_key_is_opened_by_its_private_key),
        cmocka_unit_test(equal_texts_are_sealed_differently),
        cmocka_unit_test(a_public_key_of_small_order_seals_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
