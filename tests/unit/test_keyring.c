/* The key file: what is accepted, what is refused and in which words, what a fresh one looks like. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/key_file.h"
#include "redaction/keyring.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes 0..31 and 32..63. */
#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="

#define ENTRY(id, key, writes) \
    "{\"id\":\"" id "\",\"key\":\"" key "\",\"created\":\"2026-01-31T12:00:00Z\",\"writes\":" writes "}"
#define RING(entries) "{\"lethe_keys\":1,\"keys\":[" entries "]}"

static char directory[64], path[96];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/lethe-keyring-XXXXXX");
    if (mkdtemp(directory) == NULL) return -1;
    snprintf(path, sizeof path, "%s/key", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);   /* not every test makes one */
    return rmdir(directory);
}

static void write_file(const char *text, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static struct keyring *load(const char *text, struct error *err)
{
    write_file(text, strlen(text), 0600);
    return keyring_load(path, err);
}

/* --- Accepted --------------------------------------------------------------------------------------------------------- */

static void a_file_with_one_key_is_read(void **state)
{
    (void)state;
    struct error err = {0};
    struct keyring *keyring = load(RING(ENTRY("K7QM", KEY_A, "true")), &err);
    assert_non_null(keyring);
    assert_string_equal(keyring_id(keyring), "K7QM");
    keyring_free(keyring);
}

static void of_several_keys_the_one_that_writes_gives_the_id(void **state)
{
    (void)state;
    struct error err = {0};
    struct keyring *keyring = load(RING(ENTRY("K7QM", KEY_A, "false") "," ENTRY("AB23", KEY_B, "true")), &err);
    assert_non_null(keyring);
    assert_string_equal(keyring_id(keyring), "AB23");
    keyring_free(keyring);
}

static void white_space_and_the_order_of_members_do_not_matter(void **state)
{
    (void)state;
    struct error err = {0};
    struct keyring *keyring = load("\n{ \"keys\" : [ {\"writes\": true, \"created\": \"2026-01-31T12:00:00Z\",\n\"key\": \"" KEY_A
                                   "\", \"id\": \"K7QM\"} ],\t\"lethe_keys\": 1 }\r\n", &err);
    assert_non_null(keyring);
    keyring_free(keyring);
}

static void a_file_of_mode_0400_is_read(void **state)
{
    (void)state;
    struct error err = {0};
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    write_file(text, strlen(text), 0400);
    struct keyring *keyring = keyring_load(path, &err);
    assert_non_null(keyring);
    keyring_free(keyring);
}

static void a_link_to_a_key_file_is_followed(void **state)
{
    (void)state;
    struct error err = {0};
    char link[128];
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    write_file(text, strlen(text), 0600);
    snprintf(link, sizeof link, "%s/link", directory);
    assert_int_equal(symlink(path, link), 0);
    struct keyring *keyring = keyring_load(link, &err);
    assert_int_equal(unlink(link), 0);
    assert_non_null(keyring);
    keyring_free(keyring);
}

/* --- Refused: what is in it ------------------------------------------------------------------------------------------- */

static void a_faulty_file_is_refused_and_the_error_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;   /* after "key file '<path>'" */
    } cases[] = {
        {"", ": not JSON: fault near byte 0"},
        {"{\"lethe_keys\":1,", ": not JSON: fault near byte 16"},
        {RING(ENTRY("K7QM", KEY_A, "true")) "x", ": not JSON: fault near byte 139"},
        {"[]", ": must be an object"},
        {"{\"lethe_keys\":1}", ": \"keys\" is missing"},
        {"{\"keys\":[]}", ": \"lethe_keys\" is missing"},
        {"{\"lethe_keys\":1,\"lethe_keys\":1,\"keys\":[]}", ": \"lethe_keys\" is there twice"},
        {"{\"lethe_keys\":1,\"keys\":[],\"" KEY_A "\":1}", ": there is an unknown member"},
        {"{\"Lethe_Keys\":1,\"keys\":[]}", ": there is an unknown member"},
        {"{\"lethe_keys\":2,\"keys\":[]}", ": \"lethe_keys\" must be 1, the format's version"},
        {"{\"lethe_keys\":\"1\",\"keys\":[]}", ": \"lethe_keys\" must be 1, the format's version"},
        {"{\"lethe_keys\":1,\"keys\":{}}", ": \"keys\" must be an array"},
        {RING(""), ": there are no keys"},
        {RING("7"), ": key 1: must be an object"},
        {RING(ENTRY("K7QM", KEY_A, "false")), ": exactly one key must have \"writes\": true, not 0"},
        {RING(ENTRY("K7QM", KEY_A, "true") "," ENTRY("AB23", KEY_B, "true")),
         ": exactly one key must have \"writes\": true, not 2"},
        {RING(ENTRY("K7QM", KEY_A, "true") "," ENTRY("K7QM", KEY_B, "false")), ": key 2: \"id\" is that of key 1, too"},
        {RING(ENTRY("K7Q", KEY_A, "true")), ": key 1: \"id\" must be a string of 4 characters A-Z and 2-7"},
        {RING(ENTRY("K7QMA", KEY_A, "true")), ": key 1: \"id\" must be a string of 4 characters A-Z and 2-7"},
        {RING(ENTRY("k7qm", KEY_A, "true")), ": key 1: \"id\" must be a string of 4 characters A-Z and 2-7"},
        {RING(ENTRY("K7Q1", KEY_A, "true")), ": key 1: \"id\" must be a string of 4 characters A-Z and 2-7"},
        {RING(ENTRY("K7QM", "AAECAw==", "true")), ": key 1: \"key\" holds 4 bytes; a key has 32"},
        {RING(ENTRY("K7QM", "", "true")), ": key 1: \"key\" holds 0 bytes; a key has 32"},
        {RING(ENTRY("K7QM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "true")),
         ": key 1: \"key\" holds 31 bytes; a key has 32"},
        {RING(ENTRY("K7QM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", "true")),
         ": key 1: \"key\" holds 33 bytes; a key has 32"},
        {RING(ENTRY("K7QM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "true")), ": key 1: \"key\" is not base64"},
        {RING(ENTRY("K7QM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd-h8=", "true")), ": key 1: \"key\" is not base64"},
        {RING(ENTRY("K7QM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh= ", "true")), ": key 1: \"key\" is not base64"},
        {RING(ENTRY("K7QM", "=AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "true")), ": key 1: \"key\" is not base64"},
        {RING(ENTRY("K7QM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "true")),
         ": key 1: \"key\" is not base64: its last digit has bits to spare"},
        {RING(ENTRY("K7QM", KEY_A, "\"true\"")), ": key 1: \"writes\" must be true or false"},
        {RING("{\"id\":\"K7QM\",\"key\":\"" KEY_A "\",\"created\":\"2026-01-31T12:00:00Z\"}"),
         ": key 1: \"writes\" is missing"},
        {RING("{\"id\":\"K7QM\",\"key\":17,\"created\":\"2026-01-31T12:00:00Z\",\"writes\":true}"),
         ": key 1: \"key\" must be a string of base64"},
        {RING("{\"id\":\"K7QM\",\"key\":\"" KEY_A "\",\"created\":\"yesterday\",\"writes\":true}"),
         ": key 1: \"created\" must be a time in UTC such as \"2026-01-31T12:00:00Z\""},
        {RING("{\"id\":\"K7QM\",\"key\":\"" KEY_A "\",\"created\":\"2026-13-31T12:00:00Z\",\"writes\":true}"),
         ": key 1: \"created\" must be a time in UTC such as \"2026-01-31T12:00:00Z\""},
        {RING("{\"id\":\"K7QM\",\"key\":\"" KEY_A "\",\"key\":\"" KEY_B
              "\",\"created\":\"2026-01-31T12:00:00Z\",\"writes\":true}"),
         ": key 1: \"key\" is there twice"},
        {RING("{\"id\":\"K7QM\",\"key\":\"" KEY_A "\",\"created\":\"2026-01-31T12:00:00Z\",\"writes\":true,\"note\":\"\"}"),
         ": key 1: there is an unknown member"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        char expected[512];
        snprintf(expected, sizeof expected, "key file '%s'%s", path, cases[i].error);
        assert_null(load(cases[i].text, &err));
        assert_string_equal(err.text, expected);
        assert_int_equal(err.code, ERROR_USAGE);
    }
}

static void more_than_sixteen_keys_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof text, "{\"lethe_keys\":1,\"keys\":[");
    for (char c = 'A'; c <= 'Q'; c++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s{\"id\":\"AAA%c\",\"key\":\"" KEY_A
                                "\",\"created\":\"2026-01-31T12:00:00Z\",\"writes\":%s}", c == 'A' ? "" : ",", c,
                                c == 'A' ? "true" : "false");
    snprintf(text + len, sizeof text - len, "]}");
    assert_null(load(text, &err));
    assert_non_null(strstr(err.text, "more than 16 keys"));
}

static void a_nul_does_not_hide_what_follows(void **state)
{
    (void)state;
    struct error err = {0};
    static const char text[] = RING(ENTRY("K7QM", KEY_A, "true")) "\0{}";
    write_file(text, sizeof text - 1, 0600);
    assert_null(keyring_load(path, &err));
    assert_non_null(strstr(err.text, "not JSON: NUL at byte 139"));
}

/* --- Refused: what it is ---------------------------------------------------------------------------------------------- */

static void a_file_that_others_could_read_or_that_can_be_executed_is_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0700, 0644, 04600};
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct error err = {0};
        char expected[256];
        write_file(text, strlen(text), modes[i]);
        snprintf(expected, sizeof expected, "key file '%s' has mode %04o; only its owner may read it: chmod 600", path,
                 (unsigned)modes[i]);
        assert_null(keyring_load(path, &err));
        assert_string_equal(err.text, expected);
    }
}

static void a_file_of_another_user_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    uid_t other = geteuid() + 1;
    char expected[256];
    write_file(text, strlen(text), 0600);
    if (chown(path, other, (gid_t)-1) != 0) skip();   /* only root can give a file away */
    snprintf(expected, sizeof expected, "key file '%s' belongs to user %u; it must be yours or root's", path,
             (unsigned)other);
    assert_null(keyring_load(path, &err));
    assert_string_equal(err.text, expected);
}

static void a_file_larger_than_64_kib_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    static char text[64 * 1024 + 2];
    memset(text, ' ', sizeof text - 1);
    memcpy(text, RING(ENTRY("K7QM", KEY_A, "true")), strlen(RING(ENTRY("K7QM", KEY_A, "true"))));
    assert_null(load(text, &err));
    assert_non_null(strstr(err.text, "is larger than 65536 bytes"));

    err = (struct error){0};
    text[64 * 1024] = '\0';
    struct keyring *keyring = load(text, &err);
    assert_non_null(keyring);
    keyring_free(keyring);
}

static void a_directory_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(keyring_load(directory, &err));
    assert_non_null(strstr(err.text, "is not a regular file"));
}

static void a_fifo_is_refused_without_waiting_for_a_writer(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(keyring_load(path, &err));
    assert_non_null(strstr(err.text, "is not a regular file"));
}

static void a_missing_file_is_an_error_with_its_name(void **state)
{
    (void)state;
    struct error err = {0};
    char expected[256];
    snprintf(expected, sizeof expected, "cannot open key file '%s': no such file or directory", path);
    assert_null(keyring_load(path, &err));
    assert_string_equal(err.text, expected);
}

/* --- Made ------------------------------------------------------------------------------------------------------------- */

static bool is_key_id(const char *id)
{
    return strlen(id) == 4 && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == 4;
}

static void a_generated_file_has_mode_0600_whatever_the_umask_and_can_be_read(void **state)
{
    (void)state;
    static const mode_t masks[] = {0, 022, 0277};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        struct error err = {0};
        struct stat status;
        mode_t before = umask(masks[i]);
        bool made = keyring_generate(path, &err);
        umask(before);
        assert_true(made);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        struct keyring *keyring = keyring_load(path, &err);
        assert_non_null(keyring);
        assert_true(is_key_id(keyring_id(keyring)));
        keyring_free(keyring);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_key_file_is_never_overwritten(void **state)
{
    (void)state;
    struct error err = {0};
    char expected[256], kept[8] = "";
    write_file("precious", 8, 0600);
    assert_false(keyring_generate(path, &err));
    snprintf(expected, sizeof expected, "'%s' already exists; key files are never overwritten", path);
    assert_string_equal(err.text, expected);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, kept, sizeof kept), 8);
    assert_memory_equal(kept, "precious", 8);
    close(fd);
}

static void a_link_that_leads_nowhere_is_not_followed_when_a_file_is_made(void **state)
{
    (void)state;
    struct error err = {0};
    char target[128];
    snprintf(target, sizeof target, "%s/target", directory);
    assert_int_equal(symlink(target, path), 0);
    assert_false(keyring_generate(path, &err));
    assert_int_equal(access(target, F_OK), -1);
}

static void a_file_cannot_be_made_in_a_directory_that_is_not_there(void **state)
{
    (void)state;
    struct error err = {0};
    char inside[128], expected[256];
    snprintf(inside, sizeof inside, "%s/none/key", directory);
    snprintf(expected, sizeof expected, "cannot create key file '%s': no such file or directory", inside);
    assert_false(keyring_generate(inside, &err));
    assert_string_equal(err.text, expected);
    assert_int_equal(err.code, ERROR_OUTPUT);
}

static void two_fresh_keys_differ(void **state)
{
    (void)state;
    struct error err = {0};
    struct keyring *one = keyring_ephemeral(&err), *two = keyring_ephemeral(&err);
    assert_non_null(one);
    assert_non_null(two);
    assert_true(is_key_id(keyring_id(one)));
    assert_memory_not_equal(&one->keys[0].hmac, &two->keys[0].hmac, sizeof one->keys[0].hmac);
    keyring_free(one);
    keyring_free(two);
}

/* --- Rotated ---------------------------------------------------------------------------------------------------------- */

static size_t read_file(char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t len = read(fd, text, size - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    close(fd);
    return (size_t)len;
}

/* The file is as it was, and nothing lies beside it. */
static void assert_untouched(const char *text)
{
    char now[8192], beside[160];
    read_file(now, sizeof now);
    assert_string_equal(now, text);
    snprintf(beside, sizeof beside, "%s/.key.lethe-tmp", directory);
    assert_int_equal(access(beside, F_OK), -1);
}

static void an_added_key_writes_and_the_others_are_still_known(void **state)
{
    (void)state;
    struct error err = {0};
    struct keyring *before = load(RING(ENTRY("K7QM", KEY_A, "false") "," ENTRY("AB23", KEY_B, "true")), &err);
    assert_non_null(before);
    assert_true(keyring_add(path, &err));
    struct keyring *after = keyring_load(path, &err);
    assert_non_null(after);
    assert_int_equal(after->count, 3);
    assert_int_equal(after->writer, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(after->keys[i].id, before->keys[i].id);
        assert_memory_equal(&after->keys[i].hmac, &before->keys[i].hmac, sizeof before->keys[i].hmac);
    }
    assert_true(is_key_id(keyring_id(after)));
    assert_string_not_equal(keyring_id(after), "K7QM");
    assert_string_not_equal(keyring_id(after), "AB23");
    keyring_free(before);
    keyring_free(after);
}

static void keys_can_be_added_up_to_sixteen_and_then_none(void **state)
{
    (void)state;
    struct error err = {0};
    char text[8192], expected[256];
    assert_true(keyring_generate(path, &err));
    for (int i = 0; i < 15; i++) assert_true(keyring_add(path, &err));
    struct keyring *keyring = keyring_load(path, &err);
    assert_non_null(keyring);
    assert_int_equal(keyring->count, 16);
    keyring_free(keyring);
    read_file(text, sizeof text);
    assert_false(keyring_add(path, &err));
    snprintf(expected, sizeof expected, "key file '%s' has 16 keys, which is the most; remove one whose output is not read any more", path);
    assert_string_equal(err.text, expected);
    assert_untouched(text);
}

static void a_file_keeps_its_mode_when_a_key_is_added(void **state)
{
    (void)state;
    static const mode_t modes[] = {0600, 0400};
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct error err = {0};
        struct stat status;
        write_file(text, strlen(text), modes[i]);
        mode_t before = umask(0277);
        bool added = keyring_add(path, &err);
        umask(before);
        assert_true(added);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, modes[i]);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_link_stays_one_when_a_key_is_added_to_its_file(void **state)
{
    (void)state;
    struct error err = {0};
    char link[128];
    struct stat status;
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    write_file(text, strlen(text), 0600);
    snprintf(link, sizeof link, "%s/link", directory);
    assert_int_equal(symlink(path, link), 0);
    bool added = keyring_add(link, &err);
    assert_int_equal(lstat(link, &status), 0);
    assert_int_equal(unlink(link), 0);
    assert_true(added);
    assert_true(S_ISLNK(status.st_mode));
    struct keyring *keyring = keyring_load(path, &err);
    assert_non_null(keyring);
    assert_int_equal(keyring->count, 2);
    keyring_free(keyring);
}

static void a_faulty_file_gets_no_key(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "[]", RING(""), RING(ENTRY("K7QM", KEY_A, "false"))};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err = {0};
        write_file(texts[i], strlen(texts[i]), 0600);
        assert_false(keyring_add(path, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_untouched(texts[i]);
    }
}

static void a_file_that_another_process_is_changing_gets_no_key(void **state)
{
    (void)state;
    struct error err = {0};
    char expected[256];
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    write_file(text, strlen(text), 0600);
    int other = open(path, O_RDONLY);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
    assert_false(keyring_add(path, &err));
    close(other);
    snprintf(expected, sizeof expected, "key file '%s' is being changed by another process; try again", path);
    assert_string_equal(err.text, expected);
    assert_untouched(text);
}

static void a_file_that_was_changed_since_it_was_read_is_not_replaced(void **state)
{
    (void)state;
    const char *text = RING(ENTRY("K7QM", KEY_A, "true")), *other = RING(ENTRY("AB23", KEY_B, "true"));
    for (int replaced = 0; replaced < 2; replaced++) {   /* written to, or another file under its name */
        struct error err = {0};
        struct key_file held;
        char read[KEY_FILE_MAX + 1], expected[256];
        size_t len;
        write_file(text, strlen(text), 0600);
        assert_true(key_file_hold(&held, path, read, &len, &err));
        if (replaced) assert_int_equal(unlink(path), 0);
        write_file(other, strlen(other), 0600);
        assert_false(key_file_replace(&held, "{}", &err));
        key_file_release(&held);
        snprintf(expected, sizeof expected, "key file '%s' was changed by another process meanwhile; it was left as it is", path);
        assert_string_equal(err.text, expected);
        assert_untouched(other);
    }
}

static void what_a_killed_process_left_beside_the_file_is_no_hindrance(void **state)
{
    (void)state;
    struct error err = {0};
    char beside[160];
    const char *text = RING(ENTRY("K7QM", KEY_A, "true"));
    write_file(text, strlen(text), 0600);
    snprintf(beside, sizeof beside, "%s/.key.lethe-tmp", directory);
    int fd = open(beside, O_WRONLY | O_CREAT, 0400);
    assert_true(fd >= 0);
    close(fd);
    assert_true(keyring_add(path, &err));
    assert_int_equal(access(beside, F_OK), -1);
}

/* --- Kept ------------------------------------------------------------------------------------------------------------- */

/* Whether the mapping that holds `address` has the two-letter flag in /proc/self/smaps. */
static bool mapping_has_flag(const void *address, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[1024];
    bool here = false, has = false;
    assert_non_null(smaps);
    while (fgets(line, sizeof line, smaps) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) here = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0) has = strstr(line, flag) != NULL;
    }
    fclose(smaps);
    return has;
}

static void keys_are_left_out_of_core_dumps(void **state)
{
    (void)state;
    struct error err = {0};
    struct keyring *keyring = keyring_ephemeral(&err);
    assert_non_null(keyring);
    assert_true(mapping_has_flag(keyring, " dd"));
    keyring_free(keyring);
}

static void freeing_no_keyring_does_nothing(void **state)
{
    (void)state;
    keyring_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_with_one_key_is_read),
        TEST(of_several_keys_the_one_that_writes_gives_the_id),
        TEST(white_space_and_the_order_of_members_do_not_matter),
        TEST(a_file_of_mode_0400_is_read),
        TEST(a_link_to_a_key_file_is_followed),
        TEST(a_faulty_file_is_refused_and_the_error_says_why),
        TEST(more_than_sixteen_keys_are_refused),
        TEST(a_nul_does_not_hide_what_follows),
        TEST(a_file_that_others_could_read_or_that_can_be_executed_is_refused),
        TEST(a_file_of_another_user_is_refused),
        TEST(a_file_larger_than_64_kib_is_refused),
        TEST(a_directory_is_refused),
        TEST(a_fifo_is_refused_without_waiting_for_a_writer),
        TEST(a_missing_file_is_an_error_with_its_name),
        TEST(a_generated_file_has_mode_0600_whatever_the_umask_and_can_be_read),
        TEST(a_key_file_is_never_overwritten),
        TEST(a_link_that_leads_nowhere_is_not_followed_when_a_file_is_made),
        TEST(a_file_cannot_be_made_in_a_directory_that_is_not_there),
        TEST(two_fresh_keys_differ),
        TEST(an_added_key_writes_and_the_others_are_still_known),
        TEST(keys_can_be_added_up_to_sixteen_and_then_none),
        TEST(a_file_keeps_its_mode_when_a_key_is_added),
        TEST(a_link_stays_one_when_a_key_is_added_to_its_file),
        TEST(a_faulty_file_gets_no_key),
        TEST(a_file_that_another_process_is_changing_gets_no_key),
        TEST(a_file_that_was_changed_since_it_was_read_is_not_replaced),
        TEST(what_a_killed_process_left_beside_the_file_is_no_hindrance),
        TEST(keys_are_left_out_of_core_dumps),
        TEST(freeing_no_keyring_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
