/* The values of the grammar and the five kinds of secrets. */
#include "bench/generate_priv.h"

#define VALUE(name, code) \
    static void write_##name(struct text *t, struct scene *s) { code; }
#define RANDOM_VALUE(name, writer, n) VALUE(name, writer(t, s->random, n))
#define NUMBER_VALUE(name, n) VALUE(name, put_number(t, random_below(s->random, n), 1))

RANDOM_VALUE(hex8, put_hex, 8)
RANDOM_VALUE(hex12, put_hex, 12)
RANDOM_VALUE(hex16, put_hex, 16)
RANDOM_VALUE(hex32, put_hex, 32)
RANDOM_VALUE(sha1, put_hex, 40)
RANDOM_VALUE(sha256, put_hex, 64)
RANDOM_VALUE(aio, put_base64, 60 + random_below(s->random, 12))
RANDOM_VALUE(uti, put_base64url, 22)
RANDOM_VALUE(rh, put_base64url, 36)
NUMBER_VALUE(n10, 10)
NUMBER_VALUE(n100, 100)
NUMBER_VALUE(n1000, 1000)
NUMBER_VALUE(n10000, 10000)
VALUE(guid, put_guid(t, s->random))
VALUE(digits16, put_number(t, random_next(s->random) % 10000000000000000, 16))
VALUE(epoch, put_number(t, s->epoch, 10))
VALUE(epoch_end, put_number(t, s->epoch + 3900, 10))
VALUE(request, put_string(t, s->request))
VALUE(subscription, put_string(t, s->workspace->subscription))
VALUE(tenant, put_string(t, s->workspace->tenant))
VALUE(workspace, put_string(t, s->workspace->name))
VALUE(workspace_id, put_string(t, s->workspace->id))
VALUE(upper_workspace, put_string(t, s->workspace->upper))
VALUE(ikey, put_string(t, s->workspace->ikey))
VALUE(region, put_string(t, s->workspace->region))
VALUE(region_name, put_string(t, s->workspace->region_name))
VALUE(endpoint, put_string(t, s->endpoint->name))
VALUE(scope, put_string(t, s->endpoint->scope))
VALUE(operation, put_string(t, s->operation))
VALUE(upper_operation, put_string(t, s->upper_operation))
VALUE(given, put_string(t, s->user->given))
VALUE(surname, put_string(t, s->user->surname))
VALUE(upn, put_string(t, s->user->upn))
VALUE(oid, put_string(t, s->user->oid))
VALUE(oid32, put_string(t, s->user->plain_oid))
VALUE(puid, put_string(t, s->user->puid))
VALUE(nameid, put_string(t, s->user->nameid))
VALUE(ip, put_string(t, s->user->ip))
VALUE(experiment, put_string(t, s->experiment))
VALUE(experiment_id, put_string(t, s->experiment_id))
VALUE(run, put_string(t, s->run))
VALUE(root, put_string(t, s->root))
VALUE(secret, put(t, s->secret, s->secret_len))

static void write_etag(struct text *t, struct scene *s)
{
    put_string(t, "0x8DD");
    for (int i = 0; i < 12; i++) put(t, &"0123456789ABCDEF"[random_below(s->random, 16)], 1);
}

static void write_parent(struct text *t, struct scene *s)
{
    if (s->parent[0] == '\0') return;
    put_string(t, ",\"ParentRunId\":\"");
    put_string(t, s->parent);
    put_string(t, "\"");
}

/* A file covers one month from the first of November 2026 on, whatever its size; 500 records a second. */
static void write_date(struct text *t, struct scene *s)
{
    put_string(t, "2026-11-");
    put_number(t, 1 + s->number / 500 / 86400 % 30, 2);
}

static void write_time(struct text *t, struct scene *s)
{
    uint64_t second = s->number / 500 % 86400;
    write_date(t, s);
    put_string(t, "T");
    put_number(t, second / 3600, 2);
    put_string(t, ":");
    put_number(t, second / 60 % 60, 2);
    put_string(t, ":");
    put_number(t, second % 60, 2);
    put_string(t, ".");
    put_number(t, s->number % 500 * 20000 + random_below(s->random, 20000), 7);
    put_string(t, "Z");
}

#define ROW(name) {#name, write_##name}

const struct value values[] = {
    ROW(hex8), ROW(hex12), ROW(hex16), ROW(hex32), ROW(sha1), ROW(sha256), ROW(aio), ROW(uti), ROW(rh), ROW(n10), ROW(n100),
    ROW(n1000), ROW(n10000), ROW(guid), ROW(digits16), ROW(epoch), ROW(epoch_end), ROW(request), ROW(subscription), ROW(tenant),
    ROW(workspace), ROW(workspace_id), ROW(ikey), ROW(region), ROW(region_name), ROW(endpoint), ROW(scope), ROW(operation),
    ROW(given), ROW(surname), ROW(upn), ROW(oid), ROW(oid32), ROW(puid), ROW(nameid), ROW(ip), ROW(experiment),
    ROW(experiment_id), ROW(run), ROW(root), ROW(secret), ROW(etag), ROW(parent), ROW(date), ROW(time),
    {"WORKSPACE", write_upper_workspace}, {"OPERATION", write_upper_operation},
    {NULL, NULL},
};

/* --- Secrets ---------------------------------------------------------------------------------------------------------- */

const char *const secret_names[SECRET_KINDS] = {"accountkey", "jwt", "sas", "aad", "password"};

/* 64 bytes in base64: older keys are all random, newer ones carry a signature. */
static void put_account_key(struct text *t, struct random *r)
{
    if (random_below(r, 2) == 0) {
        put_base64(t, r, 85);
    } else {
        put_base64(t, r, 76);
        put_string(t, "+ASt");
        put_base64(t, r, 5);
    }
    put(t, &"AQgw"[random_below(r, 4)], 1);
    put_string(t, "==");
}

/* RFC 7519; the members are those of an access token of Entra ID. */
static void put_jwt(struct text *t, struct random *r)
{
    char room[1024];
    struct text part = {room, 0, sizeof room};
    put_string(&part, "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"");
    put_base64url(&part, r, 27);
    put_string(&part, "\"}");
    put_encoded(t, slice_of(part.data, part.len));
    put_string(t, ".");
    part.len = 0;
    put_string(&part, "{\"aud\":\"https://ml.azure.com\",\"oid\":\"");
    put_guid(&part, r);
    put_string(&part, "\",\"tid\":\"");
    put_guid(&part, r);
    put_string(&part, "\",\"exp\":");
    put_number(&part, 1795320000 + random_below(r, 1000000), 10);
    put_string(&part, ",\"uti\":\"");
    put_base64url(&part, r, 22);
    put_string(&part, "\"}");
    put_encoded(t, slice_of(part.data, part.len));
    put_string(t, ".");
    put_base64url(t, r, 342);
}

/* An HMAC of 32 bytes in base64, percent-encoded as in a URL. */
static void put_signature(struct text *t, struct random *r)
{
    char room[64];
    struct text raw = {room, 0, sizeof room};
    put_base64(&raw, r, 42);
    put(&raw, &"AEIMQUYcgkosw048"[random_below(r, 16)], 1);
    put_string(&raw, "=");
    put_percent(t, slice_of(raw.data, raw.len));
}

static void put_client_secret(struct text *t, struct random *r)
{
    put_alnum(t, r, 3);
    put_string(t, "8Q~");
    for (int i = 0; i < 33; i++) put(t, &"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~"[random_below(r, 66)], 1);
    put_alnum(t, r, 1);
}

static void put_password(struct text *t, struct random *r)
{
    put_alnum(t, r, 5);
    put(t, &"!.-_*"[random_below(r, 5)], 1);
    put_alnum(t, r, 4 + random_below(r, 10));
    put(t, &"!.-_*"[random_below(r, 5)], 1);
    put_alnum(t, r, 3);
}

void secret_draw(struct scene *s, const struct plant *plant)
{
    static void (*const writers[SECRET_KINDS])(struct text *, struct random *) = {
        put_account_key, put_jwt, put_signature, put_client_secret, put_password};
    char room[sizeof s->secret];
    struct text plain = {room, 0, sizeof room}, out = {s->secret, 0, sizeof s->secret};
    writers[plant->secret](&plain, s->random);
    if (plant->escaped)
        put_percent(&out, slice_of(plain.data, plain.len));
    else
        put_slice(&out, slice_of(plain.data, plain.len));
    s->plant = plant;
    s->secret_len = out.len;
}
