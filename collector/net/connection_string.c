#include "net/connection_string.h"

#include "net/base64.h"
#include "net/secret_file.h"

#define INGESTION_ENDPOINT "https://dc.services.visualstudio.com"
#define STORAGE_SUFFIX "core.windows.net"
/* Account, key and address of the storage emulator, the same everywhere and documented: no secret. */
#define EMULATOR_ACCOUNT "devstoreaccount1"
#define EMULATOR_KEY "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
#define EMULATOR_ENDPOINT "http://127.0.0.1:10000/" EMULATOR_ACCOUNT

/* --- Parts ------------------------------------------------------------------------------------------------------------ */

struct known_key {
    const char   *name;
    struct slice *value;   /* data NULL: not given */
};

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.data[0]) != NULL) s = slice_sub(s, 1, s.len);
    while (s.len > 0 && strchr(" \t\r\n", s.data[s.len - 1]) != NULL) s.len--;
    return s;
}

static bool take_part(struct slice part, size_t number, const char *what, const struct known_key *keys, size_t count,
                      struct error *err)
{
    const char *equals = memchr(part.data, '=', part.len);
    if (equals == NULL)
        return error_set(err, ERROR_USAGE, "the connection string of %s is wrong: part %zu is not KEY=VALUE", what, number);
    size_t       at = (size_t)(equals - part.data);
    struct slice name = trimmed(slice_sub(part, 0, at)), value = trimmed(slice_sub(part, at + 1, part.len));
    for (size_t i = 0; i < count; i++) {
        if (!slice_equal_nocase(name, slice_from(keys[i].name))) continue;
        if (keys[i].value->data != NULL)
            return error_set(err, ERROR_USAGE, "the connection string of %s has %s twice", what, keys[i].name);
        if (value.len == 0)
            return error_set(err, ERROR_USAGE, "the connection string of %s has no value for %s", what, keys[i].name);
        *keys[i].value = value;
    }
    return true;
}

/* Printable ASCII: none of the values has anything else, and nothing else can get into a header or URL then. */
static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] < 0x20 || (unsigned char)s.data[i] > 0x7e) return false;
    return true;
}

static bool take_parts(struct slice text, const char *what, const struct known_key *keys, size_t count, struct error *err)
{
    text = trimmed(text);
    if (text.len == 0) return error_set(err, ERROR_USAGE, "the connection string of %s is empty", what);
    if (text.len > CONNECTION_STRING_MAX)
        return error_set(err, ERROR_USAGE, "the connection string of %s is longer than %d bytes", what, CONNECTION_STRING_MAX);
    if (!is_text(text))
        return error_set(err, ERROR_USAGE, "the connection string of %s has bytes that are not printable ASCII", what);
    for (size_t number = 1, at = 0; at <= text.len; number++) {
        const char  *end = memchr(text.data + at, ';', text.len - at);
        size_t       to = end ? (size_t)(end - text.data) : text.len;
        struct slice part = trimmed(slice_sub(text, at, to));
        if (part.len > 0 && !take_part(part, number, what, keys, count, err)) return false;
        at = to + 1;
    }
    return true;
}

static bool missing(const char *what, const char *key, struct error *err)
{
    return error_set(err, ERROR_USAGE, "the connection string of %s has no %s", what, key);
}

static bool wrong(const char *what, const char *key, const char *needed, struct error *err)
{
    return error_set(err, ERROR_USAGE, "the connection string of %s has a wrong %s: %s is needed", what, key, needed);
}

/* --- Values ----------------------------------------------------------------------------------------------------------- */

static bool starts_with(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.len >= len && slice_equal_nocase(slice_sub(s, 0, len), slice_from(prefix));
}

static struct slice without_slash(struct slice s)
{
    while (s.len > 0 && s.data[s.len - 1] == '/') s.len--;
    return s;
}

static bool is_host(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum(s.data[i]) && s.data[i] != '-' && s.data[i] != '.') return false;
    return s.len > 0 && s.len <= 253;
}

/* "https://HOST..." without a query, in which a signature might hide; "http://" as well, which the client then lets pass to
 * loopback only. */
static bool is_endpoint(struct slice s)
{
    bool web = starts_with(s, "https://") || starts_with(s, "http://");
    return web && !memchr(s.data, '?', s.len) && !memchr(s.data, '@', s.len) && !memchr(s.data, '#', s.len) &&
           !memchr(s.data, ' ', s.len);
}

static bool is_guid(struct slice s)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (s.len != sizeof shape - 1) return false;
    for (size_t i = 0; i < s.len; i++) {
        bool hex = ascii_is_digit(s.data[i]) || ((s.data[i] | 0x20) >= 'a' && (s.data[i] | 0x20) <= 'f');
        if (shape[i] == '-' ? s.data[i] != '-' : !hex) return false;
    }
    return true;
}

static bool copy(char **to, struct slice from, struct error *err)
{
    if (from.data == NULL) return true;
    *to = strndup(from.data, from.len);
    return *to != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

/* --- Event Hubs ------------------------------------------------------------------------------------------------------- */

/* sb://HOST[:PORT][/] */
static bool take_host(struct slice endpoint, struct slice *host)
{
    if (!starts_with(endpoint, "sb://")) return false;
    *host = without_slash(slice_sub(endpoint, 5, endpoint.len));
    const char *colon = memchr(host->data, ':', host->len);
    if (colon != NULL) host->len = (size_t)(colon - host->data);
    return is_host(*host);
}

bool event_hubs_string_parse(struct slice text, struct event_hubs_string *out, struct error *err)
{
    static const char what[] = "Event Hubs";
    struct slice      endpoint = {0}, key_name = {0}, key = {0}, entity = {0}, host = {0};
    const struct known_key keys[] = {
        {"Endpoint", &endpoint}, {"SharedAccessKeyName", &key_name}, {"SharedAccessKey", &key}, {"EntityPath", &entity}};
    *out = (struct event_hubs_string){0};
    if (!take_parts(text, what, keys, sizeof keys / sizeof *keys, err)) return false;
    if (endpoint.data == NULL) return missing(what, "Endpoint", err);
    if (key_name.data == NULL) return missing(what, "SharedAccessKeyName", err);
    if (key.data == NULL) return missing(what, "SharedAccessKey", err);
    if (!take_host(endpoint, &host)) return wrong(what, "Endpoint", "sb://NAME.servicebus.windows.net/", err);
    if (copy(&out->host, host, err) && copy(&out->key_name, key_name, err) && copy(&out->key, key, err) &&
        copy(&out->entity_path, entity, err))
        return true;
    event_hubs_string_release(out);
    return false;
}

void event_hubs_string_release(struct event_hubs_string *s)
{
    free(s->host);
    secret_free(s->key_name);
    secret_free(s->key);
    free(s->entity_path);
    *s = (struct event_hubs_string){0};
}

/* --- Storage ---------------------------------------------------------------------------------------------------------- */

struct storage_parts {
    struct slice protocol, account, key, blob_endpoint, signature, suffix, development;
};

/* Letters and digits, lower case: so it says in URLs. The secondary of a geo-redundant account ends in "-secondary". */
static bool is_account(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit(s.data[i]) && !(s.data[i] >= 'a' && s.data[i] <= 'z') && s.data[i] != '-') return false;
    return s.len >= 3 && s.len <= 34;
}

static bool check_storage(const struct storage_parts *p, struct error *err)
{
    static const char what[] = "storage";
    if (p->account.data == NULL && p->blob_endpoint.data == NULL) return missing(what, "AccountName", err);
    if (p->account.data != NULL && !is_account(p->account))
        return wrong(what, "AccountName", "3 to 24 lower case letters and digits", err);
    if (p->key.data == NULL && p->signature.data == NULL) return missing(what, "AccountKey and no SharedAccessSignature", err);
    if (p->key.data != NULL && p->account.data == NULL) return missing(what, "AccountName", err);
    if (p->key.data != NULL && !base64_is(p->key)) return wrong(what, "AccountKey", "base64", err);
    if (p->blob_endpoint.data != NULL && !is_endpoint(p->blob_endpoint)) return wrong(what, "BlobEndpoint", "https://HOST", err);
    if (p->protocol.data != NULL && !slice_equal_nocase(p->protocol, SLICE("https")) && p->blob_endpoint.data == NULL)
        return wrong(what, "DefaultEndpointsProtocol", "https", err);
    if (p->suffix.data != NULL && !is_host(p->suffix))
        return wrong(what, "EndpointSuffix", "a name such as " STORAGE_SUFFIX, err);
    return true;
}

static bool blob_endpoint(const struct storage_parts *p, char **endpoint, struct error *err)
{
    struct slice suffix = p->suffix.data ? p->suffix : SLICE(STORAGE_SUFFIX);
    if (p->blob_endpoint.data != NULL) return copy(endpoint, without_slash(p->blob_endpoint), err);
    int len = asprintf(endpoint, "https://%.*s.blob.%.*s", (int)p->account.len, p->account.data, (int)suffix.len, suffix.data);
    if (len < 0) *endpoint = NULL;
    return len >= 0 || error_set(err, ERROR_MEMORY, "out of memory");
}

static void use_emulator(struct storage_parts *p)
{
    p->account = SLICE(EMULATOR_ACCOUNT);
    p->key = SLICE(EMULATOR_KEY);
    p->blob_endpoint = SLICE(EMULATOR_ENDPOINT);
}

bool storage_string_parse(struct slice text, struct storage_string *out, struct error *err)
{
    struct storage_parts   p = {0};
    const struct known_key keys[] = {{"DefaultEndpointsProtocol", &p.protocol}, {"AccountName", &p.account},
                                     {"AccountKey", &p.key}, {"BlobEndpoint", &p.blob_endpoint},
                                     {"SharedAccessSignature", &p.signature},
                                     {"EndpointSuffix", &p.suffix}, {"UseDevelopmentStorage", &p.development}};
    *out = (struct storage_string){0};
    if (!take_parts(text, "storage", keys, sizeof keys / sizeof *keys, err)) return false;
    if (p.development.data != NULL && slice_equal_nocase(p.development, SLICE("true"))) use_emulator(&p);
    if (!check_storage(&p, err)) return false;
    if (p.signature.data != NULL && p.signature.len > 1 && p.signature.data[0] == '?')
        p.signature = slice_sub(p.signature, 1, p.signature.len);
    if (copy(&out->account, p.account, err) && copy(&out->key, p.key, err) && copy(&out->signature, p.signature, err) &&
        blob_endpoint(&p, &out->blob_endpoint, err))
        return true;
    storage_string_release(out);
    return false;
}

void storage_string_release(struct storage_string *s)
{
    free(s->account);
    secret_free(s->key);
    secret_free(s->signature);
    free(s->blob_endpoint);
    *s = (struct storage_string){0};
}

/* --- Application Insights --------------------------------------------------------------------------------------------- */

struct app_insights_parts {
    struct slice key, endpoint, suffix, location, audience, authorization;
};

static bool is_location(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum(s.data[i])) return false;
    return s.len > 0 && s.len <= 63;
}

static bool check_app_insights(const struct app_insights_parts *p, struct error *err)
{
    static const char what[] = "Application Insights";
    if (p->key.data == NULL) return missing(what, "InstrumentationKey", err);
    if (!is_guid(p->key)) return wrong(what, "InstrumentationKey", "a GUID", err);
    if (p->authorization.data != NULL && !slice_equal_nocase(p->authorization, SLICE("ikey")))
        return wrong(what, "Authorization", "ikey", err);
    if (p->endpoint.data != NULL && !is_endpoint(p->endpoint)) return wrong(what, "IngestionEndpoint", "https://HOST", err);
    if (p->suffix.data != NULL && !is_host(p->suffix)) return wrong(what, "EndpointSuffix", "the name of a host", err);
    if (p->location.data != NULL && !is_location(p->location)) return wrong(what, "Location", "letters and digits", err);
    if (p->audience.data != NULL && !is_endpoint(p->audience)) return wrong(what, "AADAudience", "https://HOST", err);
    return true;
}

static bool ingestion_endpoint(const struct app_insights_parts *p, char **endpoint, struct error *err)
{
    if (p->endpoint.data != NULL) return copy(endpoint, without_slash(p->endpoint), err);
    if (p->suffix.data == NULL) return copy(endpoint, SLICE(INGESTION_ENDPOINT), err);
    int len = asprintf(endpoint, "https://%.*s%sdc.%.*s", (int)p->location.len, p->location.data ? p->location.data : "",
                       p->location.data ? "." : "", (int)p->suffix.len, p->suffix.data);
    if (len < 0) *endpoint = NULL;
    return len >= 0 || error_set(err, ERROR_MEMORY, "out of memory");
}

bool app_insights_string_parse(struct slice text, struct app_insights_string *out, struct error *err)
{
    struct app_insights_parts p = {0};
    const struct known_key    keys[] = {{"InstrumentationKey", &p.key}, {"IngestionEndpoint", &p.endpoint},
                                        {"EndpointSuffix", &p.suffix}, {"Location", &p.location},
                                        {"AADAudience", &p.audience}, {"Authorization", &p.authorization}};
    *out = (struct app_insights_string){0};
    if (!take_parts(text, "Application Insights", keys, sizeof keys / sizeof *keys, err) || !check_app_insights(&p, err))
        return false;
    if (copy(&out->instrumentation_key, p.key, err) && copy(&out->audience, p.audience, err) &&
        ingestion_endpoint(&p, &out->ingestion_endpoint, err))
        return true;
    app_insights_string_release(out);
    return false;
}

void app_insights_string_release(struct app_insights_string *s)
{
    secret_free(s->instrumentation_key);
    free(s->ingestion_endpoint);
    free(s->audience);
    *s = (struct app_insights_string){0};
}
