#include "blob_input.h"

#include "net/connection_string.h"
#include "net/secret_file.h"

#define EXAMPLE "https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX"

struct blob_place {
    struct blob_place  *next;
    char               *endpoint, *container;
    struct blob_client *client;
};

struct blob_inputs {
    struct blob_access  access;
    struct http_client *http;     /* NULL: nothing was listed yet */
    struct entra       *entra;
    bool                managed;  /* nobody named an identity */
    struct blob_place  *places;
};

bool blob_is_address(const char *argument)
{
    return strncasecmp(argument, "https://", 8) == 0 || strncasecmp(argument, "http://", 7) == 0;
}

/* --- Addresses -------------------------------------------------------------------------------------------------------- */

/* The host without its port, from "HOST[:PORT]" and whatever follows. */
static struct slice host_name(struct slice s)
{
    size_t len = 0;
    if (s.len > 0 && s.data[0] == '[')
        while (len < s.len && s.data[len] != ']') len++;
    while (len < s.len && s.data[len] != ':' && s.data[len] != '/') len++;
    return slice_sub(s, 0, len);
}

/* Names such as "127.0.0.1", "localhost", "[::1]": there the account is in the path. */
static bool has_account_in_path(struct slice host)
{
    if (host.len == 0 || host.data[0] == '[' || slice_equal_nocase(host, SLICE("localhost"))) return true;
    for (size_t i = 0; i < host.len; i++)
        if (!ascii_is_digit(host.data[i]) && host.data[i] != '.') return false;
    return true;
}

static bool is_name(struct slice s, const char *also)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum(s.data[i]) && strchr(also, s.data[i]) == NULL) return false;
    return s.len >= 3 && s.len <= 63;
}

/* NULL: no memory, or a "%00". A '%' without two digits stands for itself. */
static char *percent_decoded(struct slice s)
{
    char  *out = malloc(s.len + 1);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < s.len; i++) {
        int high = s.data[i] == '%' && i + 2 < s.len ? ascii_hex_digit(s.data[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_digit(s.data[i + 2]) : -1;
        out[len++] = low >= 0 ? (char)(high << 4 | low) : s.data[i];
        if (low >= 0) i += 2;
    }
    if (out != NULL) out[len] = '\0';
    return out;
}

/* Takes the next part of the path, and the "/" behind it. */
static struct slice take_part(struct slice *path)
{
    const char  *slash = memchr(path->data, '/', path->len);
    size_t       len = slash ? (size_t)(slash - path->data) : path->len;
    struct slice part = slice_sub(*path, 0, len);
    *path = slice_sub(*path, slash ? len + 1 : len, path->len);
    return part;
}

static bool fill_address(struct blob_address *a, struct slice endpoint, struct slice account, struct slice container,
                         struct slice prefix, struct error *err)
{
    a->endpoint = strndup(endpoint.data, endpoint.len);
    a->account = strndup(account.data, account.len);
    a->container = strndup(container.data, container.len);
    a->prefix = percent_decoded(prefix);
    if (a->endpoint != NULL && a->account != NULL && a->container != NULL && a->prefix != NULL) return true;
    blob_address_release(a);
    return error_set(err, ERROR_MEMORY, "out of memory");
}

bool blob_address_parse(const char *text, struct blob_address *a, struct error *err)
{
    struct slice whole = slice_from(text);
    size_t       host_at = (size_t)(strstr(text, "://") + 3 - text);
    *a = (struct blob_address){0};
    if (strchr(text, '?') != NULL)
        return error_set(err, ERROR_USAGE,
                         "an address must not hold a signature, since others see arguments: leave out '?' and what follows, "
                                           "put the signature into a file, and give --sas-file FILE");
    if (strchr(text, '@') != NULL || strchr(text, '#') != NULL)
        return error_set(err, ERROR_USAGE, "an address has no '@' or '#' but as %%40 or %%23");
    struct slice path = slice_sub(whole, host_at, whole.len), host = take_part(&path), account = host;
    size_t       endpoint_len = host_at + host.len;
    if (has_account_in_path(host_name(host))) {
        account = take_part(&path);
        endpoint_len = (size_t)(account.data + account.len - text);
    } else
        while (account.len > 0 && memchr(account.data, '.', account.len) != NULL) account.len--;
    struct slice container = take_part(&path);
    if (!is_name(account, "-") || !is_name(container, "-$"))
        return error_set(err, ERROR_USAGE, "an address names an account and a container: " EXAMPLE);
    return fill_address(a, slice_sub(whole, 0, endpoint_len), account, container, path, err);
}

void blob_address_release(struct blob_address *a)
{
    free(a->endpoint);
    free(a->account);
    free(a->container);
    free(a->prefix);
    *a = (struct blob_address){0};
}

/* --- Credentials ------------------------------------------------------------------------------------------------------ */

/* Where a token for storage may go: to the clouds' storage, and to this machine. */
static bool is_storage_host(const char *endpoint)
{
    static const char *const suffixes[] = {".core.windows.net", ".core.usgovcloudapi.net", ".core.chinacloudapi.cn",
                                           ".storage.azure.net"};
    struct slice             host = host_name(slice_from(strstr(endpoint, "://") + 3));
    bool                     here = slice_equal_nocase(host, SLICE("localhost")) || slice_equal(host, SLICE("[::1]")) ||
                (has_account_in_path(host) && strncmp(host.data, "127.", 4) == 0);
    if (here) return true;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t len = strlen(suffixes[i]);
        if (host.len > len && slice_equal_nocase(slice_sub(host, host.len - len, host.len), slice_from(suffixes[i]))) return true;
    }
    return false;
}

static struct blob_client *client_of_identity(struct blob_inputs *b, struct blob_client_options *o, struct error *err)
{
    struct entra_options who;
    if (!is_storage_host(o->endpoint)) {
        error_set(err, ERROR_USAGE,
                  "a token of Entra ID is not sent to a host that is not of Azure Storage; give a key or signature by its file");
        return NULL;
    }
    if (b->entra == NULL) {
        entra_options_from_environment(&who);
        b->managed = who.kind == ENTRA_MANAGED_IDENTITY;
        b->entra = entra_new(&who, b->http, err);
    }
    if (b->entra == NULL) return NULL;
    o->entra = b->entra;
    return blob_client_new(o, b->http, err);
}

static struct blob_client *client_of_key(struct blob_inputs *b, struct blob_client_options *o, const struct blob_address *a,
                                         struct error *err)
{
    char *key = secret_file_read(b->access.account_key_file, "the account key", err);
    if (key == NULL) return NULL;
    o->key = key;
    o->account = a->account;
    struct blob_client *client = blob_client_new(o, b->http, err);
    secret_free(key);
    return client;
}

/* The file may hold a whole address: its signature is what follows the "?". */
static struct blob_client *client_of_signature(struct blob_inputs *b, struct blob_client_options *o, struct error *err)
{
    char *text = secret_file_read(b->access.signature_file, "the signature", err);
    if (text == NULL) return NULL;
    const char *question = strchr(text, '?');
    o->signature = question ? question + 1 : text;
    struct blob_client *client = NULL;
    if (strstr(o->signature, "sig=") == NULL)
        error_set(err, ERROR_USAGE, "'%s' holds no shared access signature: sv=...&sig=... is needed", b->access.signature_file);
    else
        client = blob_client_new(o, b->http, err);
    secret_free(text);
    return client;
}

static struct blob_client *client_of_string(struct blob_inputs *b, struct blob_client_options *o, struct error *err)
{
    struct storage_string s = {0};
    struct blob_client   *client = NULL;
    char                 *text = secret_file_read(b->access.connection_string_file, "the connection string", err);
    if (text == NULL) return NULL;
    if (storage_string_parse(slice_from(text), &s, err)) {
        if (!slice_equal_nocase(slice_from(s.blob_endpoint), slice_from(o->endpoint))) {
            error_set(err, ERROR_USAGE, "the connection string is for '%s', and the address is not below it", s.blob_endpoint);
        } else {
            o->account = s.account;
            o->key = s.key;
            o->signature = s.key ? NULL : s.signature;
            client = blob_client_new(o, b->http, err);
        }
    }
    storage_string_release(&s);
    secret_free(text);
    return client;
}

static struct blob_client *new_client(struct blob_inputs *b, const struct blob_address *a, struct error *err)
{
    struct blob_client_options o = {.endpoint = a->endpoint, .attempts = b->access.attempts};
    if (b->access.account_key_file != NULL) return client_of_key(b, &o, a, err);
    if (b->access.signature_file != NULL) return client_of_signature(b, &o, err);
    if (b->access.connection_string_file != NULL) return client_of_string(b, &o, err);
    return client_of_identity(b, &o, err);
}

/* --- Places ----------------------------------------------------------------------------------------------------------- */

struct blob_inputs *blob_inputs_new(const struct blob_access *access)
{
    struct blob_inputs *b = calloc(1, sizeof *b);
    if (b != NULL) b->access = *access;
    return b;
}

static void place_free(struct blob_place *p)
{
    blob_client_free(p->client);
    free(p->endpoint);
    free(p->container);
    free(p);
}

void blob_inputs_free(struct blob_inputs *b)
{
    if (b == NULL) return;
    while (b->places != NULL) {
        struct blob_place *p = b->places;
        b->places = p->next;
        place_free(p);
    }
    entra_free(b->entra);
    http_client_free(b->http);
    free(b);
}

struct blob_place *blob_inputs_place(struct blob_inputs *b, const struct blob_address *a, struct error *err)
{
    const struct http_client_options http = {.ca_file = b->access.ca_file, .user_agent = "lethe/" LETHE_VERSION};
    for (struct blob_place *p = b->places; p != NULL; p = p->next)
        if (strcmp(p->endpoint, a->endpoint) == 0 && strcmp(p->container, a->container) == 0) return p;
    if (b->http == NULL && (b->http = http_client_new(&http, err)) == NULL) return NULL;
    struct blob_client *client = new_client(b, a, err);
    if (client == NULL) return NULL;
    struct blob_place *p = calloc(1, sizeof *p);
    if (p != NULL) *p = (struct blob_place){b->places, strdup(a->endpoint), strdup(a->container), client};
    if (p == NULL || p->endpoint == NULL || p->container == NULL) {
        if (p != NULL) place_free(p);
        else blob_client_free(client);
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return b->places = p;
}

struct blob_client *blob_place_client(const struct blob_place *p) { return p->client; }

bool blob_place_renew(struct blob_inputs *b, struct blob_place *p, const struct blob_address *a, struct error *err)
{
    struct blob_client *fresh = new_client(b, a, err);
    if (fresh == NULL) return false;
    blob_client_free(p->client);
    p->client = fresh;
    return true;
}

void blob_inputs_stop(struct blob_inputs *b) { http_client_stop(b->http); }

/* --- Listing ---------------------------------------------------------------------------------------------------------- */

static bool hand_out(struct blob_place *place, const struct blob_page *page, const struct blob_address *a, blob_listed *listed,
                     void *context)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct blob_item *item = &page->items[i];
        struct slice            name = blob_page_name(page, item);
        if (item->directory) continue;
        struct blob_ref *ref = malloc(sizeof *ref + name.len + 1);
        if (ref == NULL) return false;
        ref->place = place;
        ref->item = *item;
        memcpy(ref->name, name.data, name.len + 1);
        if (!listed(context, ref, a)) return false;
    }
    return true;
}

static bool list(struct blob_inputs *b, const struct blob_address *a, blob_listed *listed, void *context, struct error *err)
{
    struct blob_page   page;
    struct error       why = {0};
    struct blob_place *place = blob_inputs_place(b, a, err);
    if (place == NULL) return false;
    blob_page_init(&page);
    bool sound;
    do {
        sound = blob_list(place->client, a->container, slice_from(a->prefix), &page, &why) == BLOB_DONE;
        if (!sound)
            error_set(err, ERROR_NETWORK, "cannot list '%s/%s': %s%s", a->endpoint, a->container,
                      why.code != ERROR_NONE ? why.text : "not understood",
                      b->managed ? " (no credentials were given, so the managed identity of this machine was asked for)" : "");
        else if (!hand_out(place, &page, a, listed, context))
            sound = error_set(err, ERROR_MEMORY, "out of memory");
    } while (sound && page.next_marker.len > 0);
    blob_page_release(&page);
    return sound;
}

bool blob_inputs_list(struct blob_inputs *b, const char *address, blob_listed *listed, void *context, struct error *err)
{
    struct blob_address a;
    if (!blob_address_parse(address, &a, err)) return false;
    bool sound = list(b, &a, listed, context, err);
    blob_address_release(&a);
    return sound;
}

struct blob_stream *blob_ref_open(const struct blob_ref *ref, const char *shown, struct error *err)
{
    return blob_stream_open(ref->place->client, ref->place->container, slice_from(ref->name), &ref->item, shown, err);
}

/* FNV-1a (Fowler, Noll, Vo): spreads well enough for telling two versions of one blob apart. */
struct timespec blob_ref_stamp(const struct blob_ref *ref)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = ref->item.etag; *c != '\0'; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return (struct timespec){.tv_sec = ref->item.modified, .tv_nsec = (long)(hash % 1000000000)};
}

/* --- Names ------------------------------------------------------------------------------------------------------------ */

char *blob_safe_path(const char *name)
{
    struct text_buffer t;
    text_buffer_init(&t, 3 * BLOB_NAME_BYTES + 4);
    for (;;) {
        size_t len = strcspn(name, "/");
        if (len == 0)
            text_buffer_add_text(&t, "%2F");
        else if (len == 1 && name[0] == '.')
            text_buffer_add_text(&t, "%2E");
        else if (len == 2 && name[0] == '.' && name[1] == '.')
            text_buffer_add_text(&t, "%2E%2E");
        else
            text_buffer_add(&t, slice_of(name, len));
        if (name[len] == '\0') break;
        text_buffer_add_char(&t, '/');
        name += len + 1;
    }
    if (text_buffer_ok(&t)) return t.data;   /* malloc()ed */
    text_buffer_release(&t);
    return NULL;
}
