/* See keyring.h and redaction.h.
 *
 * The file: {"lethe_keys":1,"keys":[{"id":"K7QM","key":"<base64>","created":"2026-01-31T12:00:00Z","writes":true}]}.
 * Every member is required and no other is allowed; exactly one key writes, the others only let lethe know what was
 * written with them. An error names the file, the place and what is expected there, and never quotes what was found:
 * a slip in such a file can put a key anywhere. Whatever held key material is wiped.
 *
 * Sources: RFC 4648 sections 4 and 6, RFC 3339 (times, UTC only). Thread: any; nothing is shared. */
#include "redaction/keyring.h"

#include "redaction/key_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

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

static void discard(cJSON *item)
{
    wipe(item);
    cJSON_Delete(item);
}

/* Text of a key file, of KEY_FILE_MAX + 1 bytes, or NULL. */
static void wipe_text(char *text)
{
    if (text != NULL) OPENSSL_cleanse(text, KEY_FILE_MAX + 1);
    free(text);
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

/* The file as JSON, read into the keyring; the caller wipes it. NULL: it is at fault. text[len] is NUL. cJSON takes the first
 * NUL for the end, so one inside would hide what follows. */
static cJSON *parse(struct keyring *keyring, const char *text, size_t len, const char *path, struct error *err)
{
    const char *end = text;
    size_t nul = strlen(text);
    if (nul != len) {
        error_set(err, ERROR_USAGE, "key file '%s': not JSON: NUL at byte %zu", path, nul);
        return NULL;
    }
    cJSON *root = cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
    if (root == NULL) error_set(err, ERROR_USAGE, "key file '%s': not JSON: fault near byte %zu", path, (size_t)(end - text));
    if (root == NULL || read_document(keyring, root, path, err)) return root;
    discard(root);
    return NULL;
}

struct keyring *keyring_load(const char *path, struct error *err)
{
    struct keyring *keyring = NULL;
    cJSON *root = NULL;
    size_t len;
    char *text = malloc(KEY_FILE_MAX + 1);
    if (text == NULL) error_set(err, ERROR_MEMORY, "no memory to read key file '%s'", path);
    else if (key_file_read(path, text, &len, err) && (keyring = keyring_new(err)) != NULL)
        root = parse(keyring, text, len, path, err);
    wipe_text(text);
    if (root != NULL) {
        discard(root);
        return keyring;
    }
    keyring_free(keyring);
    return NULL;
}

/* --- Writing ---------------------------------------------------------------------------------------------------------- */

/* A key that writes, as an entry of the list. NULL: no memory. */
static cJSON *entry_of(const struct fresh_key *key)
{
    char encoded[KEY_CHARS + 1], created[sizeof "2026-01-31T12:00:00Z"] = "";
    time_t now = time(NULL);
    struct tm utc;
    EVP_EncodeBlock((uint8_t *)encoded, key->bytes, HMAC_KEY_SIZE);
    bool dated = gmtime_r(&now, &utc) != NULL && strftime(created, sizeof created, TIME_FORMAT, &utc) > 0;

    cJSON *entry = cJSON_CreateObject();
    bool built = dated && cJSON_AddStringToObject(entry, "id", key->id) != NULL &&
                 cJSON_AddStringToObject(entry, "key", encoded) != NULL &&
                 cJSON_AddStringToObject(entry, "created", created) != NULL && cJSON_AddTrueToObject(entry, "writes") != NULL;
    OPENSSL_cleanse(encoded, sizeof encoded);
    if (built) return entry;
    discard(entry);
    return NULL;
}

/* `text` has room for KEY_FILE_MAX + 1 bytes. */
static bool print(cJSON *root, char *text)
{
    if (!cJSON_PrintPreallocated(root, text, KEY_FILE_MAX - 1, true)) return false;
    memcpy(text + strlen(text), "\n", 2);
    return true;
}

static bool print_new(const struct fresh_key *key, char *text)
{
    cJSON *root = cJSON_CreateObject(), *entry = entry_of(key);
    cJSON_AddNumberToObject(root, "lethe_keys", FORMAT_VERSION);
    cJSON *list = cJSON_AddArrayToObject(root, "keys");
    bool listed = list != NULL && entry != NULL && cJSON_AddItemToArray(list, entry);
    if (!listed) discard(entry);
    bool printed = listed && print(root, text);
    discard(root);
    return printed;
}

bool keyring_generate(const char *path, struct error *err)
{
    struct fresh_key key;
    char *text = malloc(KEY_FILE_MAX + 1);
    bool done = make_key(&key, err);
    if (done && (text == NULL || !print_new(&key, text)))
        done = error_set(err, ERROR_MEMORY, "no memory for key file '%s'", path);
    done = done && key_file_create(path, text, 0600, err);
    OPENSSL_cleanse(&key, sizeof key);
    wipe_text(text);
    return done;
}

/* --- Rotation --------------------------------------------------------------------------------------------------------- */

static bool id_is_taken(const struct keyring *keyring, const char *id)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (strcmp(keyring->keys[i].id, id) == 0) return true;
    return false;
}

/* Puts the key at the end of the list and takes the right to write from the others. */
static bool add_entry(cJSON *root, const struct fresh_key *key)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "keys"), *entry, *added = entry_of(key);
    bool good = added != NULL;
    cJSON_ArrayForEach(entry, list) good = good && cJSON_ReplaceItemInObjectCaseSensitive(entry, "writes", cJSON_CreateFalse());
    if (good && cJSON_AddItemToArray(list, added)) return true;
    discard(added);
    return false;
}

/* What the file holds, in `text`, becomes what it shall hold. */
static bool add_key(struct keyring *keyring, char *text, size_t len, const char *path, struct error *err)
{
    struct fresh_key key;
    cJSON *root = parse(keyring, text, len, path, err);
    bool good = root != NULL;
    if (good && keyring->count == KEYRING_MAX_KEYS)
        good = error_set(err, ERROR_USAGE,
                         "key file '%s' has %d keys, which is the most; remove one whose output is not read any more",
                         path, KEYRING_MAX_KEYS);
    do good = good && make_key(&key, err);
    while (good && id_is_taken(keyring, key.id));
    if (good && !(add_entry(root, &key) && print(root, text)))
        good = error_set(err, ERROR_MEMORY, "no memory for key file '%s'", path);
    OPENSSL_cleanse(&key, sizeof key);
    discard(root);
    return good;
}

bool keyring_add(const char *path, struct error *err)
{
    struct key_file file = {.fd = -1};
    struct keyring *keyring = keyring_new(err);
    char *text = malloc(KEY_FILE_MAX + 1);
    size_t len;
    bool done = keyring != NULL && (text != NULL || error_set(err, ERROR_MEMORY, "no memory to read key file '%s'", path)) &&
                key_file_hold(&file, path, text, &len, err) && add_key(keyring, text, len, path, err) &&
                key_file_replace(&file, text, err);
    key_file_release(&file);
    wipe_text(text);
    keyring_free(keyring);
    return done;
}
