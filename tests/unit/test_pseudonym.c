/* Pseudonyms: their exact form under fixed keys, what is known again, and that addresses keep their prefixes.
 *
 * The fixed pseudonyms were computed with Python's hmac, hashlib and base64. The IPv4 vectors are the sample trace of the
 * Crypto-PAn distribution; the IPv6 ones are those of a public Go implementation (Y. Angel's cryptopan). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/cryptopan.h"
#include "redaction/keyring.h"
#include "redaction/pseudonym.h"

#include <arpa/inet.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Key K7QM is the bytes 0..31, key AB23 the bytes 32..63. */
#define RING(k7qm_writes, ab23_writes)                                                                                   \
    "{\"lethe_keys\":1,\"keys\":["                                                                                       \
    "{\"id\":\"K7QM\",\"key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\",\"created\":\"2026-01-31T12:00:00Z\","    \
    "\"writes\":" k7qm_writes "},"                                                                                       \
    "{\"id\":\"AB23\",\"key\":\"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\",\"created\":\"2026-02-28T12:00:00Z\","    \
    "\"writes\":" ab23_writes "}]}"

struct fixture {
    struct keyring       *keyring, *rotated;
    struct pseudonymiser *k7qm, *ab23;   /* both rings hold both keys; each writes with the key it is named after */
};

static struct keyring *ring(const char *text)
{
    char path[] = "/tmp/lethe-pseudonym-XXXXXX";
    struct error err = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    struct keyring *keyring = keyring_load(path, &err);
    assert_int_equal(unlink(path), 0);
    assert_non_null(keyring);
    return keyring;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->keyring = ring(RING("true", "false"));
    f->rotated = ring(RING("false", "true"));
    f->k7qm = pseudonymiser_new(f->keyring);
    f->ab23 = pseudonymiser_new(f->rotated);
    *state = f;
    return f->k7qm == NULL || f->ab23 == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    pseudonymiser_free(f->k7qm);
    pseudonymiser_free(f->ab23);
    keyring_free(f->keyring);
    keyring_free(f->rotated);
    free(f);
    return 0;
}

static void assert_slice(const char *bytes, size_t len, const char *expected)
{
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(bytes, expected, len);
}

/* --- Form ------------------------------------------------------------------------------------------------------------- */

#define TWENTY_X "xxxxxxxxxxxxxxxxxxxx"
#define LONG_VALUE /* 300 bytes */                                                                        \
    TWENTY_X TWENTY_X TWENTY_X TWENTY_X TWENTY_X TWENTY_X TWENTY_X TWENTY_X TWENTY_X TWENTY_X TWENTY_X \
    TWENTY_X TWENTY_X TWENTY_X TWENTY_X

static const struct {
    enum pseudonym_kind kind;
    struct slice        value;
    const char         *k7qm, *ab23;
} vectors[] = {
    {PSEUDONYM_RUN, {"heroic_wolf_k3v9x2mzq1", 22}, "run-K7QM-avhnbpqdohqerzclx644t6xjy6",
     "run-AB23-oavm2vt2svj7lxxjwfe4ehmcb2"},
    {PSEUDONYM_USER, {"heroic_wolf_k3v9x2mzq1", 22}, "user-K7QM-ex4nd3zgn4teyivvpv2d4b7xr6",
     "user-AB23-mwml336au2ilu6kixyexklyq4h"},
    {PSEUDONYM_NAME, {"churn\0model", 11}, "name-K7QM-55loef2o4gezbnfla6kerkv5la",
     "name-AB23-mzaahm7tfhg3hky6vrn2mafi2l"},
    {PSEUDONYM_IKEY, {"00000000-0000-0000-0000-000000000001", 36}, "ikey-K7QM-ym36eczbt2x76oamvb357i6sa6",
     "ikey-AB23-z6cgx7z6xnjhxe5jwsuliatljz"},
    {PSEUDONYM_RUN, {"", 0}, "run-K7QM-sdu566fo5sko3sdzqotvzdbz5c", "run-AB23-petu3fsfbantdqdt3eyf5sc5pq"},
    {PSEUDONYM_RUN, {LONG_VALUE, 300}, "run-K7QM-tsml2wjgiwhjxmny7ekyhl457e", "run-AB23-n6hfv6dxsozqnput56fdbtxrtz"},
};
#define VECTORS (sizeof vectors / sizeof *vectors)

static void pseudonyms_are_those_of_an_independent_computation(void **state)
{
    struct fixture *f = *state;
    char out[PSEUDONYM_MAX];
    for (size_t i = 0; i < VECTORS; i++) {
        size_t len = pseudonym_write(f->k7qm, vectors[i].kind, vectors[i].value, out);
        assert_slice(out, len, vectors[i].k7qm);
        len = pseudonym_write(f->ab23, vectors[i].kind, vectors[i].value, out);
        assert_slice(out, len, vectors[i].ab23);
    }
}

static void a_pseudonym_is_the_same_the_second_time(void **state)
{
    struct fixture *f = *state;
    char out[PSEUDONYM_MAX];
    for (size_t i = 0; i < 2 * VECTORS; i++) {
        size_t len = pseudonym_write(f->k7qm, vectors[i % VECTORS].kind, vectors[i % VECTORS].value, out);
        assert_slice(out, len, vectors[i % VECTORS].k7qm);
    }
}

/* The bytes that base 32 text stands for; `chars` is a multiple of eight. */
static void decode(const char *text, size_t chars, uint8_t *bytes)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    for (size_t i = 0; i < chars; i += 8) {
        uint64_t bits = 0;
        for (size_t j = 0; j < 8; j++) {
            assert_non_null(strchr(alphabet, text[i + j]));
            bits = bits << 5 | (uint64_t)(strchr(alphabet, text[i + j]) - alphabet);
        }
        for (size_t j = 0; j < 5; j++) *bytes++ = (uint8_t)(bits >> (32 - 8 * j));
    }
}

/* 4,000 values of 1 to 110 bytes, each under every kind and twice in a row, and all of them twice over, pass through
 * fewer slots than that. OpenSSL's one-shot HMAC says what is right. */
static void remembered_pseudonyms_are_never_those_of_another_value_or_kind(void **state)
{
    struct fixture *f = *state;
    static const char *const kinds[] = {"run", "user", "name", "ikey"};
    uint8_t key[32], digest[32], bytes[10];
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)i;
    for (size_t i = 0; i < 64000; i++) {
        size_t number = i / 8 % 4000, kind = i / 2 % 4, head = strlen(kinds[kind]) + 1;
        char message[128], out[PSEUDONYM_MAX];
        memcpy(message, kinds[kind], head);
        size_t len = (size_t)snprintf(message + head, sizeof message - head, "%0*zu", (int)(1 + number % 110), number);
        assert_non_null(HMAC(EVP_sha256(), key, sizeof key, (uint8_t *)message, head + len, digest, NULL));
        size_t out_len = pseudonym_write(f->k7qm, (enum pseudonym_kind)kind, slice_of(message + head, len), out);
        assert_int_equal(out_len, head + strlen("K7QM-") + 26);
        decode(out + out_len - 26, 16, bytes);
        assert_memory_equal(bytes, digest, sizeof bytes);
    }
}

static void one_value_has_different_pseudonyms_by_kind(void **state)
{
    struct fixture *f = *state;
    char run[PSEUDONYM_MAX], name[PSEUDONYM_MAX];
    size_t run_len = pseudonym_write(f->k7qm, PSEUDONYM_RUN, SLICE("same"), run);
    size_t name_len = pseudonym_write(f->k7qm, PSEUDONYM_NAME, SLICE("same"), name);
    assert_memory_not_equal(run + run_len - 26, name + name_len - 26, 16);
}

/* --- Knowing again ---------------------------------------------------------------------------------------------------- */

static void a_pseudonym_of_any_key_of_the_ring_is_ours(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < VECTORS; i++) {
        assert_true(pseudonym_is_ours(f->k7qm, slice_from(vectors[i].k7qm)));
        assert_true(pseudonym_is_ours(f->k7qm, slice_from(vectors[i].ab23)));
    }
}

static void a_pseudonym_with_any_one_character_changed_is_not_ours(void **state)
{
    struct fixture *f = *state;
    char text[] = "run-K7QM-avhnbpqdohqerzclx644t6xjy6";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        char was = text[i];
        text[i] = was == 'a' ? 'b' : 'a';
        assert_false(pseudonym_is_ours(f->k7qm, slice_from(text)));
        text[i] = was;
    }
    assert_true(pseudonym_is_ours(f->k7qm, slice_from(text)));
}

static void what_only_looks_like_a_pseudonym_is_not_ours(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "",
        "run",
        "run-",
        "run-K7QM",
        "run-K7QM-",
        "run-K7QM-avhnbpqdohqerzclx644t6xjy",      /* one short */
        "run-K7QM-avhnbpqdohqerzclx644t6xjy6a",    /* one long */
        "run-K7QM-avhnbpqdohqerzclx644t6xjy6 ",
        " run-K7QM-avhnbpqdohqerzclx644t6xjy6",
        "RUN-K7QM-avhnbpqdohqerzclx644t6xjy6",
        "run-K7QM-AVHNBPQDOHQERZCLX644T6XJY6",
        "run-ZZZZ-avhnbpqdohqerzclx644t6xjy6",     /* a key we do not have */
        "run-AB23-avhnbpqdohqerzclx644t6xjy6",     /* another key's */
        "user-K7QM-avhnbpqdohqerzclx644t6xjy6",    /* another kind's */
        "job-K7QM-avhnbpqdohqerzclx644t6xjy6",
        "run-K7QM-aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "run_K7QM_avhnbpqdohqerzclx644t6xjy6",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(pseudonym_is_ours(f->k7qm, slice_from(texts[i])));
}

static void a_pseudonym_at_the_start_ends_where_no_word_goes_on(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        size_t      len;
    } cases[] = {
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6", 35},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6/outputs", 35},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6.", 35},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6\"", 35},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6\xc3\xa9", 35},
        {"user-AB23-mwml336au2ilu6kixyexklyq4h ran", 36},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6x", 0},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6Z", 0},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy67", 0},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6-1", 0},
        {"run-K7QM-avhnbpqdohqerzclx644t6xjy6_1", 0},
        {" run-K7QM-avhnbpqdohqerzclx644t6xjy6", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(pseudonym_at_start(f->k7qm, slice_from(cases[i].text)), cases[i].len);
}

static void nothing_is_read_past_the_end_of_the_text(void **state)
{
    struct fixture *f = *state;
    static const char whole[] = "run-K7QM-avhnbpqdohqerzclx644t6xjy6";
    for (size_t len = 0; len < sizeof whole; len++) {
        char *text = malloc(len > 0 ? len : 1);   /* a piece of its own, so that ASan sees a byte too many */
        memcpy(text, whole, len);
        assert_int_equal(pseudonym_at_start(f->k7qm, slice_of(text, len)), len == sizeof whole - 1 ? len : 0);
        free(text);
    }
}

/* --- Addresses -------------------------------------------------------------------------------------------------------- */

static void the_crypto_pan_sample_trace_comes_out_as_published(void **state)
{
    (void)state;
    static const uint8_t key[CRYPTOPAN_KEY_SIZE] = {21,  34,  23,  141, 51,  164, 207, 128, 19, 10, 91,
                                                    22,  73,  144, 125, 16,  216, 152, 143, 131, 121, 121,
                                                    101, 39,  98,  87,  76,  45,  42,  132, 34,  2};
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"128.11.68.132", "135.242.180.132"},
        {"129.118.74.4", "134.136.186.123"},
        {"130.132.252.244", "133.68.164.234"},
        {"141.223.7.43", "141.167.8.160"},
        {"24.0.250.221", "100.15.198.226"},
        {"4.3.88.225", "124.60.155.63"},
        {"63.14.55.111", "95.9.215.7"},
        {"64.14.118.196", "0.255.183.58"},
        {"10.185.25.118", "117.161.29.118"},
        {"216.254.18.172", "235.7.16.162"},
        {"::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"},
        {"::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef"},
        {"::ffff", "78ff:f001:9fc0:20df:8380:b1f1:704:f838"},
        {"2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"},
        {"2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"},
    };
    struct cryptopan pan;
    assert_true(cryptopan_init(&pan, key));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int family = strchr(cases[i].from, ':') != NULL ? AF_INET6 : AF_INET;
        uint8_t address[16];
        char text[INET6_ADDRSTRLEN];
        assert_int_equal(inet_pton(family, cases[i].from, address), 1);
        cryptopan_map(&pan, address, family == AF_INET6 ? 16 : 4);
        assert_string_equal(inet_ntop(family, address, text, sizeof text), cases[i].to);
    }
    cryptopan_release(&pan);
}

static size_t common_bits(const uint8_t *a, const uint8_t *b, size_t size)
{
    for (size_t bit = 0; bit < 8 * size; bit++)
        if (((a[bit / 8] ^ b[bit / 8]) & (0x80 >> (bit % 8))) != 0) return bit;
    return 8 * size;
}

static uint64_t next_random(uint64_t *seed)   /* splitmix64 */
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void map_text(struct pseudonymiser *p, int family, const uint8_t *address, uint8_t *mapped)
{
    char text[INET6_ADDRSTRLEN], out[PSEUDONYM_MAX + 1];
    assert_non_null(inet_ntop(family, address, text, sizeof text));
    size_t len = pseudonym_write_ip(p, slice_from(text), out);
    assert_true(len > 0 && len < PSEUDONYM_MAX);
    out[len] = '\0';
    assert_int_equal(inet_pton(family, out, mapped), 1);
}

static void check_prefixes(struct pseudonymiser *p, int family, size_t size)
{
    uint64_t seed = 1;
    for (size_t round = 0; round < 4000; round++) {
        uint8_t a[16], b[16], mapped_a[16], mapped_b[16];
        for (size_t i = 0; i < size; i++) a[i] = (uint8_t)next_random(&seed);
        memcpy(b, a, size);
        size_t shared = next_random(&seed) % (8 * size);
        b[shared / 8] ^= (uint8_t)(0x80 >> (shared % 8));
        for (size_t i = shared / 8 + 1; i < size; i++) b[i] = (uint8_t)next_random(&seed);
        map_text(p, family, a, mapped_a);
        map_text(p, family, b, mapped_b);
        assert_int_equal(common_bits(mapped_a, mapped_b, size), shared);
    }
}

static void addresses_share_exactly_as_many_leading_bits_as_before(void **state)
{
    struct fixture *f = *state;
    check_prefixes(f->k7qm, AF_INET, 4);
    check_prefixes(f->k7qm, AF_INET6, 16);
}

static void no_two_addresses_of_a_subnet_get_one_pseudonym(void **state)
{
    struct fixture *f = *state;
    static bool taken[65536];
    uint8_t subnet[2] = {0};
    memset(taken, 0, sizeof taken);
    for (unsigned i = 0; i < 65536; i++) {
        uint8_t address[4] = {10, 7, (uint8_t)(i >> 8), (uint8_t)i}, mapped[4];
        map_text(f->k7qm, AF_INET, address, mapped);
        if (i == 0) memcpy(subnet, mapped, 2);
        assert_memory_equal(mapped, subnet, 2);
        assert_false(taken[mapped[2] << 8 | mapped[3]]);
        taken[mapped[2] << 8 | mapped[3]] = true;
    }
}

static void an_address_has_one_pseudonym_however_it_is_written(void **state)
{
    struct fixture *f = *state;
    static const char *const same[] = {"2001:db8::1", "2001:DB8::1", "2001:0db8:0000:0000:0000:0000:0000:0001",
                                       "2001:db8:0:0::0.0.0.1"};
    char first[PSEUDONYM_MAX], out[PSEUDONYM_MAX];
    size_t len = pseudonym_write_ip(f->k7qm, slice_from(same[0]), first);
    assert_true(len > 0);
    for (size_t i = 1; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(pseudonym_write_ip(f->k7qm, slice_from(same[i]), out), len);
        assert_memory_equal(out, first, len);
    }
}

static void the_key_and_the_family_decide_how_addresses_are_mapped(void **state)
{
    struct fixture *f = *state;
    uint8_t v4[4] = {32, 1, 13, 184}, v6[16] = {32, 1, 13, 184}, by_k7qm[4], by_ab23[4], as_v6[16];
    map_text(f->k7qm, AF_INET, v4, by_k7qm);
    map_text(f->ab23, AF_INET, v4, by_ab23);
    map_text(f->k7qm, AF_INET6, v6, as_v6);
    assert_memory_not_equal(by_k7qm, by_ab23, 4);
    assert_memory_not_equal(by_k7qm, as_v6, 4);
}

static void unspecified_addresses_stay_themselves(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"0.0.0.0", "::", "0:0:0:0:0:0:0:0"};
    char out[PSEUDONYM_MAX];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t len = pseudonym_write_ip(f->k7qm, slice_from(texts[i]), out);
        assert_slice(out, len, texts[i]);
    }
}

static void what_is_not_exactly_an_address_has_no_address_pseudonym(void **state)
{
    struct fixture *f = *state;
    static const struct slice texts[] = {
        {"", 0}, {"1.2.3", 5}, {"1.2.3.4.5", 9}, {"1.2.3.256", 9}, {"1.2.3.04", 8}, {" 1.2.3.4", 8}, {"1.2.3.4 ", 8},
        {"1.2.3.4:80", 10}, {"[::1]", 5}, {"[::1]:80", 8}, {"::1%eth0", 8}, {"1.2.3.4/24", 10}, {":", 1}, {":::", 3},
        {"12345::", 7}, {"1:2:3:4:5:6:7:8:9", 17}, {"0x7f.1", 6}, {"1.2.3.4\0", 8}, {"1.2.3.4\0x", 9},
        {"localhost", 9}, {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", 49},
    };
    char out[PSEUDONYM_MAX];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(pseudonym_write_ip(f->k7qm, texts[i], out), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pseudonyms_are_those_of_an_independent_computation),
        TEST(a_pseudonym_is_the_same_the_second_time),
        TEST(remembered_pseudonyms_are_never_those_of_another_value_or_kind),
        TEST(one_value_has_different_pseudonyms_by_kind),
        TEST(a_pseudonym_of_any_key_of_the_ring_is_ours),
        TEST(a_pseudonym_with_any_one_character_changed_is_not_ours),
        TEST(what_only_looks_like_a_pseudonym_is_not_ours),
        TEST(a_pseudonym_at_the_start_ends_where_no_word_goes_on),
        TEST(nothing_is_read_past_the_end_of_the_text),
        TEST(the_crypto_pan_sample_trace_comes_out_as_published),
        TEST(addresses_share_exactly_as_many_leading_bits_as_before),
        TEST(no_two_addresses_of_a_subnet_get_one_pseudonym),
        TEST(an_address_has_one_pseudonym_however_it_is_written),
        TEST(the_key_and_the_family_decide_how_addresses_are_mapped),
        TEST(unspecified_addresses_stay_themselves),
        TEST(what_is_not_exactly_an_address_has_no_address_pseudonym),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
