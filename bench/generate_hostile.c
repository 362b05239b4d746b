/* Input that makes careless programs quadratic: one unit, repeated through the string of an otherwise ordinary record. */
#include "bench/generate_priv.h"

#include <stdio.h>

struct hostile {
    const char *name, *unit;   /* as JSON text: "\\\"" is one escaped quote */
};

static const struct hostile hostiles[] = {
    {"quotes", "\\\""},     {"backslashes", "\\\\"}, {"braces", "{"},          {"eyJ", "eyJ"},     {"equals", "="},
    {"percent", "%25"},     {"string", "lorem ipsum "}, {"ampersand", "&amp;"}, {"base64", "QUFB"}, {"nested", "{\\\"a\\\":"},
    {"pairs", "password="}, {"secrets", NULL},
};

static const struct hostile *find(const char *name)
{
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++)
        if (strcmp(hostiles[i].name, name) == 0) return &hostiles[i];
    return NULL;
}

/* Every password is another one, so that a search for each through the whole record is quadratic. */
static void write_secrets(uint64_t bytes, struct random *r)
{
    for (uint64_t written = 0; written < bytes;) {
        char room[64];
        struct text t = {room, 0, sizeof room};
        put_string(&t, "password=");
        put_alnum(&t, r, 14);
        put_string(&t, " ");
        written += fwrite(t.data, 1, t.len, stdout);
    }
}

static void write_units(const char *unit, uint64_t bytes)
{
    char block[16384];
    size_t unit_len = strlen(unit), filled = 0;
    while (filled + unit_len <= sizeof block) {
        memcpy(block + filled, unit, unit_len);
        filled += unit_len;
    }
    for (; bytes >= filled; bytes -= filled) fwrite(block, 1, filled, stdout);
    fwrite(block, 1, (size_t)bytes / unit_len * unit_len, stdout);
}

bool hostile_write(const char *name, uint64_t total, uint64_t line_bytes)
{
    static const char head[] = "{\"time\":\"2026-11-22T04:10:00.1230000Z\",\"category\":\"AmlOnlineEndpointConsoleLog\","
                               "\"properties\":{\"Message\":\"";
    static const char tail[] = "\"}}\n";
    const struct hostile *hostile = find(name);
    if (hostile == NULL) return false;
    struct random r;
    random_seed(&r, 1);
    uint64_t frame = sizeof head + sizeof tail - 2, body = line_bytes > frame ? line_bytes - frame : 1;
    for (uint64_t written = 0; written < total; written += line_bytes) {
        fputs(head, stdout);
        if (hostile->unit != NULL)
            write_units(hostile->unit, body);
        else
            write_secrets(body, &r);
        fputs(tail, stdout);
    }
    return true;
}

const char *hostile_names(void)
{
    static char names[256];
    size_t len = 0;
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? " " : "", hostiles[i].name);
    return names;
}
