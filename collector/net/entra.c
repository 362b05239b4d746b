#include "net/entra.h"

#include "base/clock.h"
#include "net/entra_priv.h"
#include "net/retry.h"
#include "net/secret_file.h"
#include "net/text_buffer.h"


#define CLIENT_ASSERTION "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define FORM_BYTES (SECRET_FILE_BYTES * 3 + 4096)   /* a token file, every byte encoded */
#define URL_BYTES 2048
#define SCOPE_BYTES 256
#define RENEW_BEFORE_MS (5 * 60 * 1000)
#define ANSWER_BYTES (64 * 1024)
#define MACHINE_CONNECT_MS 2000   /* to the machine itself: where it has no such service, nobody says no */

struct cached_token {
    char        *scope;          /* NULL: free */
    char        *token;          /* NULL: none */
    uint64_t     renew_ms;       /* monotonic */
    uint64_t     expires_ms;
    struct retry retry;          /* of attempts to renew it */
    bool         transient;      /* the last failure */
    bool         renewing;       /* a callback may ask again meanwhile */
    struct error failure;        /* told again while the next attempt is not due */
};

struct entra {
    enum entra_kind      kind;
    char                *authority, *tenant_id, *client_id, *client_secret_file, *client_secret, *federated_token_file;
    char                *identity_endpoint, *identity_header, *imds;
    bool                 identity_legacy;
    struct http_client  *client;
    struct cached_token  tokens[ENTRA_SCOPES];
};

/* --- Options ---------------------------------------------------------------------------------------------------------- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

void entra_options_from_environment(struct entra_options *o)
{
    *o = (struct entra_options){.authority = variable("AZURE_AUTHORITY_HOST"), .tenant_id = variable("AZURE_TENANT_ID"),
                                .client_id = variable("AZURE_CLIENT_ID"), .client_secret = variable("AZURE_CLIENT_SECRET"),
                                .federated_token_file = variable("AZURE_FEDERATED_TOKEN_FILE")};
    if (o->client_secret != NULL) {
        o->kind = ENTRA_CLIENT_SECRET;
    } else if (o->federated_token_file != NULL) {
        o->kind = ENTRA_WORKLOAD_IDENTITY;
    } else {
        o->kind = ENTRA_MANAGED_IDENTITY;
        o->identity_endpoint = variable("IDENTITY_ENDPOINT");
        o->identity_header = variable("IDENTITY_HEADER");
        if (o->identity_endpoint == NULL && variable("MSI_ENDPOINT") != NULL) {
            o->identity_endpoint = variable("MSI_ENDPOINT");
            o->identity_header = variable("MSI_SECRET");
            o->identity_legacy = true;
        }
    }
}

/* GUIDs, or names of domains for tenants: nothing that would change the URL they are put into. */
static bool is_id(const char *text)
{
    if (text == NULL || *text == '\0' || strlen(text) > 253) return false;
    for (; *text != '\0'; text++)
        if (!ascii_is_alnum(*text) && *text != '-' && *text != '.') return false;
    return true;
}

static bool check(const struct entra_options *o, struct error *err)
{
    bool application = o->kind != ENTRA_MANAGED_IDENTITY;
    if (application && !is_id(o->tenant_id))
        return error_set(err, ERROR_USAGE, "an identity of Entra ID needs a tenant id (AZURE_TENANT_ID)");
    if (application && !is_id(o->client_id))
        return error_set(err, ERROR_USAGE, "an identity of Entra ID needs a client id (AZURE_CLIENT_ID)");
    if (o->client_id != NULL && !is_id(o->client_id)) return error_set(err, ERROR_USAGE, "a client id of Entra ID is a GUID");
    if (o->kind == ENTRA_CLIENT_SECRET && o->client_secret == NULL && o->client_secret_file == NULL)
        return error_set(err, ERROR_USAGE, "an identity of Entra ID needs a client secret or its file");
    if (o->kind == ENTRA_WORKLOAD_IDENTITY && o->federated_token_file == NULL)
        return error_set(err, ERROR_USAGE, "a workload identity needs the file of its token (AZURE_FEDERATED_TOKEN_FILE)");
    if (o->identity_endpoint != NULL && o->identity_header == NULL)
        return error_set(err, ERROR_USAGE, "the endpoint of the managed identity needs its header (IDENTITY_HEADER)");
    return true;
}

static bool copy(char **to, const char *from, const char *otherwise)
{
    const char *text = from ? from : otherwise;
    *to = text ? strdup(text) : NULL;
    return text == NULL || *to != NULL;
}

static bool copy_all(struct entra *e, const struct entra_options *o)
{
    return copy(&e->authority, o->authority, ENTRA_AUTHORITY) && copy(&e->tenant_id, o->tenant_id, NULL) &&
           copy(&e->client_id, o->client_id, NULL) && copy(&e->client_secret_file, o->client_secret_file, NULL) &&
           copy(&e->client_secret, o->client_secret, NULL) && copy(&e->federated_token_file, o->federated_token_file, NULL) &&
           copy(&e->identity_endpoint, o->identity_endpoint, NULL) && copy(&e->identity_header, o->identity_header, NULL) &&
           copy(&e->imds, o->imds, ENTRA_IMDS);
}

static void strip_slashes(char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/') url[--len] = '\0';
}

struct entra *entra_new(const struct entra_options *options, struct http_client *client, struct error *err)
{
    if (!check(options, err)) return NULL;
    struct entra *e = calloc(1, sizeof *e);
    if (e == NULL || !copy_all(e, options)) {
        entra_free(e);
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    e->kind = options->kind;
    e->identity_legacy = options->identity_legacy;
    e->client = client;
    strip_slashes(e->authority);
    strip_slashes(e->imds);
    return e;
}

void entra_free(struct entra *e)
{
    if (e == NULL) return;
    for (size_t i = 0; i < ENTRA_SCOPES; i++) {
        free(e->tokens[i].scope);
        secret_free(e->tokens[i].token);
    }
    char *texts[] = {e->authority, e->tenant_id, e->client_id, e->client_secret_file, e->federated_token_file,
                     e->identity_endpoint, e->imds};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(texts[i]);
    secret_free(e->client_secret);
    secret_free(e->identity_header);
    free(e);
}

/* --- Asking ----------------------------------------------------------------------------------------------------------- */

static void add_parameter(struct text_buffer *t, const char *name, const char *value)
{
    if (t->len > 0) text_buffer_add_char(t, '&');
    text_buffer_add_text(t, name);
    text_buffer_add_char(t, '=');
    text_buffer_add_encoded(t, slice_from(value), "");
}

/* The secret or the assertion. */
static bool add_proof(const struct entra *e, struct text_buffer *form, struct error *err)
{
    bool        workload = e->kind == ENTRA_WORKLOAD_IDENTITY;
    const char *path = workload ? e->federated_token_file : e->client_secret_file;
    char       *read = path != NULL ? secret_file_read(path, workload ? "the federated token" : "the client secret", err) : NULL;
    if (path != NULL && read == NULL) return false;
    if (workload) add_parameter(form, "client_assertion_type", CLIENT_ASSERTION);
    add_parameter(form, workload ? "client_assertion" : "client_secret", read ? read : e->client_secret);
    secret_free(read);
    return true;
}

static bool ask_authority(struct entra *e, const char *scope, struct http_result *result, struct error *err)
{
    static const struct http_header header = {"Content-Type", "application/x-www-form-urlencoded"};
    struct text_buffer url, form;
    text_buffer_init(&url, URL_BYTES);
    text_buffer_init(&form, FORM_BYTES);
    text_buffer_add_text(&url, e->authority);
    text_buffer_add_char(&url, '/');
    text_buffer_add_text(&url, e->tenant_id);
    text_buffer_add_text(&url, "/oauth2/v2.0/token");
    add_parameter(&form, "grant_type", "client_credentials");
    add_parameter(&form, "client_id", e->client_id);
    add_parameter(&form, "scope", scope);
    bool asked = add_proof(e, &form, err);
    if (asked && !(text_buffer_ok(&url) && text_buffer_ok(&form)))
        asked = error_set(err, ERROR_USAGE, "the address of the authority or the secret is too long");
    if (asked) {
        const struct http_request request = {.method = HTTP_POST, .url = url.data, .headers = &header, .header_count = 1,
                                             .body = slice_of(form.data, form.len), .max_body = ANSWER_BYTES};
        http_client_perform(e->client, &request, result);
    }
    text_buffer_release(&form);
    text_buffer_release(&url);
    return asked;
}

/* The resource is the scope without "/.default"; a second slash before it belongs to the resource. */
static struct slice resource_of(const char *scope)
{
    static const struct slice end = SLICE("/.default");
    struct slice              s = slice_from(scope);
    if (s.len > end.len && slice_equal(slice_sub(s, s.len - end.len, s.len), end)) s.len -= end.len;
    return s;
}

/* Of the three forms: path, api-version, header and the name for the client id.
 * learn.microsoft.com: "How managed identities for Azure resources work with Azure virtual machines"; "Use managed identities
 * for App Service", REST endpoint reference, 2019-08-01 and 2017-09-01. */
static bool ask_machine(struct entra *e, const char *scope, struct http_result *result, struct error *err)
{
    bool               imds = e->identity_endpoint == NULL, legacy = !imds && e->identity_legacy;
    struct slice       resource = resource_of(scope);
    struct http_header header = {imds ? "Metadata" : legacy ? "Secret" : "X-IDENTITY-HEADER", imds ? "true" : e->identity_header};
    struct text_buffer url;
    text_buffer_init(&url, URL_BYTES);
    text_buffer_add_text(&url, imds ? e->imds : e->identity_endpoint);
    text_buffer_add_text(&url, imds ? "/metadata/identity/oauth2/token" : "");
    text_buffer_add_text(&url, imds ? "?api-version=2018-02-01" : legacy ? "?api-version=2017-09-01" : "?api-version=2019-08-01");
    text_buffer_add_text(&url, "&resource=");
    text_buffer_add_encoded(&url, resource, "");
    if (e->client_id != NULL) add_parameter(&url, legacy ? "clientid" : "client_id", e->client_id);
    bool asked = text_buffer_ok(&url) || error_set(err, ERROR_USAGE, "the address of the managed identity is too long");
    if (asked) {
        const struct http_request request = {.url = url.data, .headers = &header, .header_count = 1, .max_body = ANSWER_BYTES,
                                             .connect_ms = MACHINE_CONNECT_MS, .link_local = true};
        http_client_perform(e->client, &request, result);
    }
    text_buffer_release(&url);
    return asked;
}

/* --- Renewing --------------------------------------------------------------------------------------------------------- */

/* After 80 % of its life or five minutes before its end, whichever is first, but not in the first half. */
static uint64_t renew_after_ms(uint64_t life_ms)
{
    uint64_t after = life_ms / 5 * 4, least = life_ms / 2;
    if (life_ms > RENEW_BEFORE_MS && life_ms - RENEW_BEFORE_MS < after) after = life_ms - RENEW_BEFORE_MS;
    return after > least ? after : least;
}

/* A machine without metadata service has no route to it; one with it answers 404 and 410 for a while after its start. */
static bool is_transient(const struct entra *e, const struct http_result *r)
{
    if (e->kind == ENTRA_MANAGED_IDENTITY && (r->status == 404 || r->status == 410)) return true;
    return http_result_verdict(r) == HTTP_TRANSIENT;
}

static bool take_answer(struct entra *e, struct cached_token *t, struct http_result *r, struct error *err)
{
    struct entra_answer answer;
    t->transient = is_transient(e, r);
    if (!http_result_ok(r)) return entra_explain(r, err);
    if (!entra_answer_read(r, clock_realtime_ms(), &answer)) {
        t->transient = true;
        return error_set(err, ERROR_NETWORK, "the answer of the identity service holds no token");
    }
    uint64_t now = clock_monotonic_ms();
    secret_free(t->token);
    t->token = answer.token;
    t->renew_ms = now + renew_after_ms(answer.life_ms);
    t->expires_ms = now + answer.life_ms;
    return true;
}

static void renew(struct entra *e, struct cached_token *t)
{
    struct http_result result = {0};
    struct error       err = {0};
    t->transient = false;
    t->renewing = true;
    bool asked = e->kind == ENTRA_MANAGED_IDENTITY ? ask_machine(e, t->scope, &result, &err)
                                                   : ask_authority(e, t->scope, &result, &err);
    bool renewed = asked && take_answer(e, t, &result, &err);
    if (renewed)
        retry_succeeded(&t->retry);
    else
        retry_failed(&t->retry, http_result_header_slice(&result, "retry-after"));
    t->failure = err;
    t->renewing = false;
    if (result.body != NULL) entra_forget_body(&result);
    http_result_release(&result);
}

/* The place of this scope, made if need be. NULL: no memory. */
static struct cached_token *find(struct entra *e, const char *scope)
{
    static const struct retry_options pace = {0};
    CHECK(strlen(scope) < SCOPE_BYTES);
    for (size_t i = 0; i < ENTRA_SCOPES; i++) {
        struct cached_token *t = &e->tokens[i];
        if (t->scope != NULL && strcmp(t->scope, scope) == 0) return t;
        if (t->scope != NULL) continue;
        t->scope = strdup(scope);
        retry_init(&t->retry, &pace, retry_seed());
        return t->scope != NULL ? t : NULL;
    }
    CHECK(!"one identity has more scopes than ENTRA_SCOPES");
    return NULL;
}

const char *entra_token(struct entra *e, const char *scope, bool *transient, struct error *err)
{
    struct cached_token *t = find(e, scope);
    if (t == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    bool due = !t->renewing && (t->token == NULL || clock_monotonic_ms() >= t->renew_ms);
    if (due && retry_wait_ms(&t->retry) == 0) renew(e, t);
    if (transient != NULL) *transient = t->transient || t->renewing;
    if (t->token != NULL && clock_monotonic_ms() < t->expires_ms) return t->token;
    if (t->renewing) error_set(err, ERROR_NETWORK, "the token is being renewed");
    error_set(err, t->failure.code, "%s", t->failure.text);
    return NULL;
}

void entra_forget(struct entra *e, const char *scope)
{
    struct cached_token *t = find(e, scope);
    if (t == NULL) return;
    secret_free(t->token);
    t->token = NULL;
    if (t->failure.code == ERROR_NONE) error_set(&t->failure, ERROR_NETWORK, "the token was refused by the service");
}
