/* The store with a key: what is sealed, which keys are taken, and what is found out when it is opened. */
#include "storing.h"

#include <sqlite3.h>

static const char hex_key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
static const char same_key_base64[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

static bool file_holds(const char *path, const char *text)
{
    FILE  *f = fopen(path, "rb");
    char  *data = malloc(1 << 22);
    size_t len = f != NULL && data != NULL ? fread(data, 1, 1 << 22, f) : 0;
    bool   holds = memmem(data, len, text, strlen(text)) != NULL;
    if (f != NULL) fclose(f);
    free(data);
    return holds;
}

static void commit_text(struct store *s, uint64_t seq, const char *text)
{
    struct error       err = {0};
    struct store_block block = {seq, 1, {slice_from(text)}};
    assert_int_equal(store_commit(s, &(struct store_change){.blocks = &block, .block_count = 1}, &err), STORE_OK);
}

static void sealed_blocks_need_their_key(void **state)
{
    struct store_report report;
    struct error        err = {0};
    uint8_t             raw[32];
    (void)state;
    for (size_t i = 0; i < sizeof raw; i++) raw[i] = (uint8_t)i;
    write_file("hex", hex_key, strlen(hex_key), 0600);
    write_file("base64", same_key_base64, strlen(same_key_base64), 0400);
    write_file("raw", raw, sizeof raw, 0600);
    raw[31] ^= 1;
    write_file("other", raw, sizeof raw, 0600);

    struct store *s = opened("store");
    commit_blocks(s, 1, 3);
    commit_text(s, 3, "plain-text-marker");
    store_close(s);
    s = try_open("store", PLENTY, "hex", &report, &err);   /* blocks from before are still read */
    assert_non_null(s);
    assert_int_equal(load_block(s, 2), STORE_FOUND);
    commit_blocks(s, 4, 6);
    commit_text(s, 6, "sealed-text-marker");
    store_close(s);
    assert_true(file_holds("store/store.db", "plain-text-marker"));
    assert_false(file_holds("store/store.db", "sealed-text-marker"));
    assert_false(file_holds("store/store.db", "\"block\":5"));

    assert_null(try_open("store", PLENTY, NULL, &report, &err));
    assert_string_equal(err.text,
                        "store 'store' holds encrypted blocks, such as 4; give the key file that they were written with");
    err = (struct error){0};
    assert_null(try_open("store", PLENTY, "other", &report, &err));
    assert_string_equal(err.text,
                        "store 'store' holds blocks, such as 4, that were encrypted with another key than that in 'other'; "
                                  "give the old one until the spool is empty");
    static const char *const same[] = {"base64", "raw"};
    for (size_t i = 0; i < 2; i++) {
        err = (struct error){0};
        s = try_open("store", PLENTY, same[i], &report, &err);
        assert_non_null(s);
        for (uint64_t seq = 1; seq < 6; seq++)
            if (seq != 3) assert_int_equal(load_block(s, seq), STORE_FOUND);
        if (i == 1) assert_int_equal(store_commit(s, &(struct store_change){.keep_from = 7}, &err), STORE_OK);
        store_close(s);
    }
    s = try_open("store", PLENTY, "other", &report, &err);   /* empty: any key will do */
    assert_non_null(s);
    store_close(s);
}

static void a_key_file_must_be_secret_and_hold_a_key(void **state)
{
    static const struct { const char *text; mode_t mode; const char *error; } cases[] = {
        {hex_key, 0640, "key file 'key' has mode 0640; only its owner may read it: chmod 600"},
        {"too short", 0600,
         "key file 'key' does not hold 32 bytes, as they are, in hex or in base64: make one with 'openssl rand -base64 32'"},
        {"", 0600,
         "key file 'key' does not hold 32 bytes, as they are, in hex or in base64: make one with 'openssl rand -base64 32'"},
        {"00g102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 0600,
         "key file 'key' does not hold 32 bytes, as they are, in hex or in base64: make one with 'openssl rand -base64 32'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_report report;
        struct error        err = {0};
        write_file("key", cases[i].text, strlen(cases[i].text), cases[i].mode);
        assert_null(try_open("store", PLENTY, "key", &report, &err));
        assert_string_equal(err.text, cases[i].error);
    }
}

static void a_block_under_another_number_is_found_out(void **state)
{
    static const char *const keys[] = {NULL, "key"};
    (void)state;
    write_file("key", hex_key, strlen(hex_key), 0600);
    for (size_t i = 0; i < 2; i++) {
        struct store_report report;
        struct error        err = {0};
        struct store       *s = try_open("store", PLENTY, keys[i], &report, &err);
        commit_blocks(s, 1, 6);
        store_close(s);
        sqlite3 *db;
        assert_int_equal(sqlite3_open("store/store.db", &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "UPDATE body SET data = (SELECT data FROM body WHERE seq = 2) WHERE seq = 4", NULL,
                                      NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        s = try_open("store", PLENTY, keys[i], &report, &err);
        assert_int_equal(load_block(s, 2), STORE_FOUND);
        assert_int_equal(load_block(s, 4), STORE_DAMAGED);
        assert_int_equal(load_block(s, 4), STORE_DAMAGED);
        assert_int_equal(store_figures(s).damaged_blocks, 1);
        assert_int_equal(store_next(s, 4), 4);
        assert_int_equal(store_next(s, 5), 5);
        assert_int_equal(store_commit(s, &(struct store_change){.keep_from = 6}, &err), STORE_OK);
        store_close(s);
        remove_folder("store");
    }
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, in_new_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(sealed_blocks_need_their_key),
        IN_FOLDER(a_key_file_must_be_secret_and_hold_a_key),
        IN_FOLDER(a_block_under_another_number_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
