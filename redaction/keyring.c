/* See keyring.h and redaction.h.
 *
 * The file: {"lethe_keys":1,"keys":[{"id":"K7QM","key":"<base64>","created":"2026-01-31T12:00:00Z","writes":true}]}.
 * Every member is required and no other is allowed; exactly one key writes, the others only let lethe know what was
 * written with them. An error names the file, the place and what is expected there, and never quotes what was found:
 * a slip in such a file can put a key anywhere. Whatever held key material is wiped.
 *
 * Sources: RFC 4648 sections 4 and 6, RFC 3339 (times, UTC only). Thread: any; nothing is shared. */
#include "redaction/keyring.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FORMAT_VERSION 1
#define KEY_CHARS      44   /* HMAC_KEY_SIZE bytes in base64 */
#define TIME_FORMAT    "%Y-%m-%dT%H:%M:%SZ"

static const char id_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* --- Memory ----------------------------------------------------------------------------------------------------------- */

static struct keyring *keyring_new(struct error *err)
{
    void *mapping = mmap(NULL, sizeof(struct keyring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        error_set_errno(err, ERROR_MEMORY, "cannot get memory for the pseudonym keys");
        return NULL;
    }
    /* Both only narrow where a key could turn up; RLIMIT_MEMLOCK or an old kernel may refuse them. */
    (void)mlock(mapping, sizeof(struct keyring));
    (void)madvise(mapping, sizeof(struct keyring), MADV_DONTDUMP);
    return mapping;
}

void keyring_free(struct keyring *keyring)
{
    if (keyring == NULL) return;
    OPENSSL_cleanse(keyring, sizeof *keyring);
    munmap(keyring, sizeof *keyring);
}

const char *keyring_id(const struct keyring *keyring) { return keyring->keys[keyring->writer].id; }

void keyring_tag(const struct keyring *keyring, const char *domain, struct slice value, uint8_t tag[KEYRING_TAG_BYTES])
{
    _Static_assert(KEYRING_TAG_BYTES == SHA256_DIGEST_LENGTH, "all of the hash");
    hmac_compute(&keyring->keys[0].hmac, domain, value, tag);
}

/* --- A fresh key ------------------------------------------------------------------------------------------------------ */

struct fresh_key {
    uint8_t bytes[HMAC_KEY_SIZE];
    char    id[KEY_ID_LENGTH + 1];
};

/* Waits, as getrandom() does, until the system's generator is seeded. */
static bool random_bytes(uint8_t *bytes, size_t count, struct error *err)
{
    for (size_t have = 0; have < count;) {
        ssize_t n = getrandom(bytes + have, count - have, 0);
        if (n > 0) have += (size_t)n;
        else if (errno != EINTR) return error_set_errno(err, ERROR_INPUT, "cannot get random bytes for a key");
    }
    return true;
}

static bool make_key(struct fresh_key *key, struct error *err)
{
    uint8_t dice[KEY_ID_LENGTH];
    if (!random_bytes(dice, sizeof dice, err) || !random_bytes(key->bytes, sizeof key->bytes, err)) return false;
    for (size_t i = 0; i < KEY_ID_LENGTH; i++) key->id[i] = id_alphabet[dice[i] % 32];
    key->id[KEY_ID_LENGTH] = '\0';
    return true;
}

struct keyring *keyring_ephemeral(struct error *err)
{
    struct fresh_key key;
    struct keyring *keyring = NULL;
    if (make_key(&key, err) && (keyring = keyring_new(err)) != NULL) {
        keyring->count = 1;
        memcpy(keyring->keys[0].id, key.id, sizeof key.id);
        hmac_key_init(&keyring->keys[0].hmac, key.bytes);
    }
    OPENSSL_cleanse(&key, sizeof key);
    return keyring;
}

/* --- Reading the JSON ------------------------------------------------------------------------------------------------- */

/* cJSON keeps copies of all strings; any of them may be a key. */
static void wipe(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL) OPENSSL_cleanse(item->valuestring, strlen(item->valuestring));
        if (item->string != NULL) OPENSSL_cleanse(item->string, strlen(item->string));
        wipe(item->child);
    }
}

/* Finds the members of an object by their names (NULL-terminated): all must be there, once, and no others. */
static bool find_members(const cJSON *object, const char *const *names, const cJSON **found, const char *where,
                         struct error *err)
{
    for (size_t i = 0; names[i] != NULL; i++) found[i] = NULL;
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], member->string) != 0) i++;
        if (names[i] == NULL) return error_set(err, ERROR_USAGE, "%s: there is an unknown member", where);
        if (found[i] != NULL) return error_set(err, ERROR_USAGE, "%s: \"%s\" is there twice", where, names[i]);
        found[i] = member;
    }
    for (size_t i = 0; names[i] != NULL; i++)
        if (found[i] == NULL) return error_set(err, ERROR_USAGE, "%s: \"%s\" is missing", where, names[i]);
    return true;
}

static bool read_id(const cJSON *item, char id[KEY_ID_LENGTH + 1], const char *where, struct error *err)
{
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    if (strlen(text) != KEY_ID_LENGTH || strspn(text, id_alphabet) != KEY_ID_LENGTH)
        return error_set(err, ERROR_USAGE, "%s: \"id\" must be a string of %d characters A-Z and 2-7", where,
                         KEY_ID_LENGTH);
    memcpy(id, text, KEY_ID_LENGTH + 1);
    return true;
}

static bool read_key(const cJSON *item, uint8_t key[HMAC_KEY_SIZE], const char *where, struct error *err)
{
    if (!cJSON_IsString(item)) return error_set(err, ERROR_USAGE, "%s: \"key\" must be a string of base64", where);
    const char *text = item->valuestring;
    size_t len = strlen(text), digits = strspn(text, base64_alphabet), padding = strspn(text + digits, "=");
    if (digits + padding != len || padding > 2 || len % 4 != 0)
        return error_set(err, ERROR_USAGE, "%s: \"key\" is not base64", where);
    if (len != KEY_CHARS || padding != 1)
        return error_set(err, ERROR_USAGE, "%s: \"key\" holds %zu bytes; a key has %d", where, len / 4 * 3 - padding,
                         HMAC_KEY_SIZE);

    uint8_t decoded[KEY_CHARS / 4 * 3];   /* EVP_DecodeBlock() counts padding as a zero byte */
    bool canonical = EVP_DecodeBlock(decoded, (const uint8_t *)text, KEY_CHARS) == (int)sizeof decoded &&
                     decoded[HMAC_KEY_SIZE] == 0;
    memcpy(key, decoded, HMAC_KEY_SIZE);
    OPENSSL_cleanse(decoded, sizeof decoded);
    return canonical || error_set(err, ERROR_USAGE, "%s: \"key\" is not base64: its last digit has bits to spare", where);
}

static bool check_created(const cJSON *item, const char *where, struct error *err)
{
    struct tm when = {0};
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    const char *end = strlen(text) == strlen("2026-01-31T12:00:00Z") ? strptime(text, TIME_FORMAT, &when) : NULL;
    return (end != NULL && *end == '\0') ||
           error_set(err, ERROR_USAGE, "%s: \"created\" must be a time in UTC such as \"2026-01-31T12:00:00Z\"", where);
}

/* Adds a key at the end. */
static bool read_entry(struct keyring *keyring, const cJSON *entry, const char *where, bool *writes, struct error *err)
{
    static const char *const names[] = {"id", "key", "created", "writes", NULL};
    const cJSON *found[4];
    struct keyring_key *key = &keyring->keys[keyring->count];
    uint8_t bytes[HMAC_KEY_SIZE];

    if (!cJSON_IsObject(entry)) return error_set(err, ERROR_USAGE, "%s: must be an object", where);
    if (!find_members(entry, names, found, where, err) || !read_id(found[0], key->id, where, err) ||
        !check_created(found[2], where, err))
        return false;
    if (!cJSON_IsBool(found[3])) return error_set(err, ERROR_USAGE, "%s: \"writes\" must be true or false", where);
    for (size_t i = 0; i < keyring->count; i++)
        if (strcmp(keyring->keys[i].id, key->id) == 0)
            return error_set(err, ERROR_USAGE, "%s: \"id\" is that of key %zu, too", where, i + 1);

    bool good = read_key(found[1], bytes, where, err);
    if (good) hmac_key_init(&key->hmac, bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    *writes = cJSON_IsTrue(found[3]);
    keyring->count += good;
    return good;
}

static bool read_keys(struct keyring *keyring, const cJSON *list, const char *path, struct error *err)
{
    const cJSON *entry;
    size_t writers = 0;
    cJSON_ArrayForEach(entry, list)
    {
        char where[512];
        bool writes = false;
        if (keyring->count == KEYRING_MAX_KEYS)
            return error_set(err, ERROR_USAGE, "key file '%s': more than %d keys", path, KEYRING_MAX_KEYS);
        snprintf(where, sizeof where, "key file '%.400s': key %zu", path, keyring->count + 1);
        if (!read_entry(keyring, entry, where, &writes, err)) return false;
        if (!writes) continue;
        keyring->writer = keyring->count - 1;
        writers++;
    }
    if (keyring->count == 0) return error_set(err, ERROR_USAGE, "key file '%s': there are no keys", path);
    if (writers == 1) return true;
    return error_set(err, ERROR_USAGE, "key file '%s': exactly one key must have \"writes\": true, not %zu", path, writers);
}

static bool read_document(struct keyring *keyring, const cJSON *root, const char *path, struct error *err)
{
    static const char *const names[] = {"lethe_keys", "keys", NULL};
    const cJSON *found[2];
    char where[512];
    snprintf(where, sizeof where, "key file '%.400s'", path);
    if (!cJSON_IsObject(root)) return error_set(err, ERROR_USAGE, "%s: must be an object", where);
    if (!find_members(root, names, found, where, err)) return false;
    if (!cJSON_IsNumber(found[0]) || found[0]->valuedouble != FORMAT_VERSION)
        return error_set(err, ERROR_USAGE, "%s: \"lethe_keys\" must be %d, the format's version", where, FORMAT_VERSION);
    if (!cJSON_IsArray(found[1])) return error_set(err, ERROR_USAGE, "%s: \"keys\" must be an array", where);
    return read_keys(keyring, found[1], path, err);
}

/* text[len] is NUL. cJSON takes the first NUL for the end, so one inside would hide what follows. */
static bool parse(struct keyring *keyring, const char *text, size_t len, const char *path, struct error *err)
{
    const char *end = text;
    size_t nul = strlen(text);
    if (nul != len) return error_set(err, ERROR_USAGE, "key file '%s': not JSON: NUL at byte %zu", path, nul);
    cJSON *root = cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
    if (root == NULL)
        return error_set(err, ERROR_USAGE, "key file '%s': not JSON: fault near byte %zu", path, (size_t)(end - text));
    bool good = read_document(keyring, root, path, err);
    wipe(root);
    cJSON_Delete(root);
    return good;
}

/* --- Reading the file ------------------------------------------------------------------------------------------------- */

static bool check_file(int fd, const char *path, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0) return error_set_errno(err, ERROR_USAGE, "cannot examine key file '%s'", path);
    if (!S_ISREG(status.st_mode)) return error_set(err, ERROR_USAGE, "key file '%s' is not a regular file", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return error_set(err, ERROR_USAGE, "key file '%s' belongs to user %u; it must be yours or root's", path,
                         (unsigned)status.st_uid);
    if ((status.st_mode & 07777 & ~0600u) != 0)
        return error_set(err, ERROR_USAGE, "key file '%s' has mode %04o; only its owner may read it: chmod 600", path,
                         (unsigned)(status.st_mode & 07777));
    return true;
}

/* Reads up to `size` bytes; returns how many, or -1 with errno. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, buffer + have, size - have);
        if (n == 0) break;
        if (n > 0) have += (size_t)n;
        else if (errno != EINTR) return -1;
    }
    return (ssize_t)have;
}

static bool load(struct keyring *keyring, int fd, const char *path, char *buffer, struct error *err)
{
    if (!check_file(fd, path, err)) return false;
    ssize_t len = read_all(fd, buffer, KEYRING_MAX_FILE + 1);
    if (len < 0) return error_set_errno(err, ERROR_USAGE, "cannot read key file '%s'", path);
    if (len > KEYRING_MAX_FILE)
        return error_set(err, ERROR_USAGE, "key file '%s' is larger than %d bytes", path, KEYRING_MAX_FILE);
    buffer[len] = '\0';
    return parse(keyring, buffer, (size_t)len, path, err);
}

/* Symbolic links are followed: mounted secrets are links. What counts is the file at the end. */
struct keyring *keyring_load(const char *path, struct error *err)
{
    struct keyring *keyring = NULL;
    bool good = false;
    char *buffer = malloc(KEYRING_MAX_FILE + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);   /* a FIFO must not hang us */

    if (fd < 0) error_set_errno(err, ERROR_USAGE, "cannot open key file '%s'", path);
    else if (buffer == NULL) error_set(err, ERROR_MEMORY, "no memory to read key file '%s'", path);
    else if ((keyring = keyring_new(err)) != NULL) good = load(keyring, fd, path, buffer, err);

    if (fd >= 0) close(fd);
    if (buffer != NULL) OPENSSL_cleanse(buffer, KEYRING_MAX_FILE + 1);
    free(buffer);
    if (good) return keyring;
    keyring_free(keyring);
    return NULL;
}

/* --- Writing a file --------------------------------------------------------------------------------------------------- */

static bool print_key(const struct fresh_key *key, char *text, size_t size)
{
    char encoded[KEY_CHARS + 1], created[sizeof "2026-01-31T12:00:00Z"] = "";
    time_t now = time(NULL);
    struct tm utc;
    EVP_EncodeBlock((uint8_t *)encoded, key->bytes, HMAC_KEY_SIZE);
    bool dated = gmtime_r(&now, &utc) != NULL && strftime(created, sizeof created, TIME_FORMAT, &utc) > 0;

    cJSON *root = cJSON_CreateObject(), *entry = NULL;
    cJSON_AddNumberToObject(root, "lethe_keys", FORMAT_VERSION);
    cJSON *list = cJSON_AddArrayToObject(root, "keys");
    if (list != NULL && (entry = cJSON_CreateObject()) != NULL) cJSON_AddItemToArray(list, entry);
    bool built = dated && cJSON_AddStringToObject(entry, "id", key->id) != NULL &&
                 cJSON_AddStringToObject(entry, "key", encoded) != NULL &&
                 cJSON_AddStringToObject(entry, "created", created) != NULL &&
                 cJSON_AddTrueToObject(entry, "writes") != NULL &&
                 cJSON_PrintPreallocated(root, text, (int)size - 1, true);
    if (built) memcpy(text + strlen(text), "\n", 2);
    OPENSSL_cleanse(encoded, sizeof encoded);
    wipe(root);
    cJSON_Delete(root);
    return built;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* Makes the file's name durable. Some file systems cannot sync a directory and say EINVAL; there is no more to do. */
static bool sync_directory(const char *path)
{
    char *copy = strdup(path);
    int fd = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0) return false;
    bool synced = fsync(fd) == 0 || errno == EINVAL;
    int reason = errno;
    close(fd);
    errno = reason;
    return synced;
}

static bool store(const char *path, const char *text, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_USAGE, "'%s' already exists; key files are never overwritten", path);
    if (fd < 0) return error_set_errno(err, ERROR_OUTPUT, "cannot create key file '%s'", path);

    bool stored = fchmod(fd, 0600) == 0 && write_all(fd, text, strlen(text)) && fsync(fd) == 0;
    int reason = errno;
    bool closed = close(fd) == 0;
    if (!stored) errno = reason;
    if (stored && closed && sync_directory(path)) return true;
    error_set_errno(err, ERROR_OUTPUT, "cannot write key file '%s'", path);
    unlink(path);
    return false;
}

bool keyring_generate(const char *path, struct error *err)
{
    struct fresh_key key;
    char text[512];
    bool done = make_key(&key, err);
    if (done && !print_key(&key, text, sizeof text))
        done = error_set(err, ERROR_MEMORY, "no memory for key file '%s'", path);
    done = done && store(path, text, err);
    OPENSSL_cleanse(&key, sizeof key);
    OPENSSL_cleanse(text, sizeof text);
    return done;
}
