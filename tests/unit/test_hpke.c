#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/hpke.h"

#include <stdlib.h>

/* The test vector that the authors of RFC 9180 published for mode 0, KEM 0x0020, KDF 0x0001, AEAD 0x0002 (test-vectors.json,
 * commit 5f503c5), its first two messages. */
#define INFO "Ode on a Grecian Urn"
#define PRIVATE "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d"
#define PUBLIC "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c"
#define ENC "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256"
#define TEXT "Beauty is truth, truth beauty"

static const struct {
    const char *associated, *ciphertext;
} messages[] = {
    {"Count-0", "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a"},
    {"Count-1", "2c43aff25343fdbff864506f0818b9d87df84ea01b1a2144d23b4d40c26bf655fdf197fe40297a8aebeed5cc2d"},
};

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

/* Opens with the key of the vector. */
static bool opens(struct hpke *h, const uint8_t enc[32], uint64_t sequence, const char *associated, struct slice sealed, uint8_t *text)
{
    return hpke_receive(h, enc) && hpke_open(h, sequence, slice_from(associated), sealed, text);
}

static void the_published_messages_are_opened_in_any_order(void **state)
{
    (void)state;
    uint8_t enc[32], sealed[128], text[64];
    struct hpke *h = receiver();
    bytes_of(ENC, enc);
    for (int i = 3; i >= 0; i--) {
        size_t len = bytes_of(messages[i % 2].ciphertext, sealed);
        assert_true(opens(h, enc, (uint64_t)i % 2, messages[i % 2].associated, slice_of((char *)sealed, len), text));
        assert_int_equal(len - HPKE_TAG_BYTES, strlen(TEXT));
        assert_memory_equal(text, TEXT, strlen(TEXT));
    }
    hpke_free(h);
}

static void a_message_with_any_bit_changed_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[128], text[64];   /* enc, ciphertext, tag */
    char associated[] = "Count-0";
    struct hpke *h = receiver();
    size_t enc_len = bytes_of(ENC, bytes), len = bytes_of(messages[0].ciphertext, bytes + enc_len);
    struct slice sealed = slice_of((char *)bytes + enc_len, len);
    for (size_t bit = 0; bit < 8 * (enc_len + len); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(opens(h, bytes, 0, associated, sealed, text));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * strlen("Count-0"); bit++) {
        associated[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(opens(h, bytes, 0, associated, sealed, text));
        associated[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (int bit = 0; bit < 64; bit++) assert_false(opens(h, bytes, UINT64_C(1) << bit, associated, sealed, text));
    for (size_t shorter = 0; shorter < len; shorter++) assert_false(opens(h, bytes, 0, associated, slice_of(sealed.data, shorter), text));
    assert_true(opens(h, bytes, 0, associated, sealed, text));
    hpke_free(h);
}

static void what_is_sealed_to_a_public_key_is_opened_by_its_private_key(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 1000, 100000};
    struct hpke *from = sender(PUBLIC), *to = receiver();
    uint8_t enc[32];
    assert_true(hpke_send(from, enc));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i];
        char *text = malloc(len + 1);
        uint8_t *sealed = malloc(len + HPKE_TAG_BYTES), *opened = malloc(len + 1);
        assert_true(text && sealed && opened);
        memset(text, 'a' + (int)i, len);
        assert_int_equal(hpke_sequence(from), i);
        assert_true(hpke_seal(from, SLICE("facts"), slice_of(text, len), sealed));
        assert_true(opens(to, enc, i, "facts", slice_of((char *)sealed, len + HPKE_TAG_BYTES), opened));
        assert_memory_equal(text, opened, len);
        assert_false(opens(to, enc, i, "other", slice_of((char *)sealed, len + HPKE_TAG_BYTES), opened));
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
    uint8_t enc[2][32], sealed[3][4 + HPKE_TAG_BYTES];
    struct hpke *from = sender(PUBLIC);
    assert_true(hpke_send(from, enc[0]));
    assert_true(hpke_seal(from, SLICE(""), SLICE("same"), sealed[0]));
    assert_true(hpke_seal(from, SLICE(""), SLICE("same"), sealed[1]));
    assert_true(hpke_send(from, enc[1]));
    assert_int_equal(hpke_sequence(from), 0);
    assert_true(hpke_seal(from, SLICE(""), SLICE("same"), sealed[2]));
    assert_memory_not_equal(enc[0], enc[1], 32);
    for (int i = 0; i < 3; i++) assert_memory_not_equal(sealed[i], sealed[(i + 1) % 3], sizeof *sealed);
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
    uint8_t enc[32];
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct hpke *from = sender(points[i]);
        assert_false(hpke_send(from, enc));
        hpke_free(from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_messages_are_opened_in_any_order),
        cmocka_unit_test(a_message_with_any_bit_changed_is_refused),
        cmocka_unit_test(what_is_sealed_to_a_public_key_is_opened_by_its_private_key),
        cmocka_unit_test(equal_texts_are_sealed_differently),
        cmocka_unit_test(a_public_key_of_small_order_seals_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
