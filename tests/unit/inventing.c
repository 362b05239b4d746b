#include "inventing.h"

#include "base/check.h"


static uint64_t state;

void chance_seed(uint64_t seed) { state = seed; }

/* SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014). */
uint64_t chance(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t pick(size_t count) { return chance() % count; }

void put_slice(struct invented *t, struct slice s)
{
    CHECK(t->len + s.len < sizeof t->data);
    memcpy(t->data + t->len, s.data, s.len);
    t->len += s.len;
    t->data[t->len] = '\0';
}

void put(struct invented *t, const char *text) { put_slice(t, slice_from(text)); }

struct slice invented_slice(const struct invented *t) { return slice_of(t->data, t->len); }

/* --- Secrets --------------------------------------------------------------------------------------------------------------- */

static const char *alphabet(char class_)
{
    switch (class_) {
    case 'b': return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    case 'w': return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    case 'a': return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    case 'u': return "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    case 'l': return "abcdefghijklmnopqrstuvwxyz0123456789";
    case 'h': return "0123456789abcdef";
    default: return "0123456789";
    }
}

static void put_random(struct invented *t, char class_, size_t count)
{
    const char *letters = alphabet(class_);
    while (count-- > 0) put_slice(t, slice_of(letters + pick(strlen(letters)), 1));
}

struct slice put_template(struct invented *t, const char *template)
{
    size_t from = t->len, to = 0;
    for (const char *p = template; *p != '\0'; p++) {
        if (*p == '[') {
            from = t->len;
        } else if (*p == ']') {
            to = t->len;
        } else if (*p == '%' && p[1] != '%') {
            char *end, class_ = p[1];
            size_t count = strtoul(p + 2, &end, 10);
            put_random(t, class_, count);
            p = end - 1;
        } else {
            put_slice(t, slice_of(p, 1));
            p += *p == '%';
        }
    }
    return slice_of(t->data + from, (to ? to : t->len) - from);
}

const struct secret_format secret_formats[] = {
    {"azure storage key", "%b76+ASt%b5A=="},
    {"azure cosmos key", "%b76ACDb%b5A=="},
    {"azure service bus key", "%b33+ASbA%b5="},
    {"azure openai key", "%w52JQQJ99BB%w4AC%w12AAAB%w4"},
    {"storage connection string", "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=[%b86==];EndpointSuffix=core.windows.net"},
    {"service bus connection string", "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=[%b43=]"},
    {"sql connection string", "Server=tcp:db.database.windows.net;Database=d;User ID=app;Password=[x7%w12];Encrypt=True"},
    {"sas", "https://acct.blob.core.windows.net/c/b?sv=2022-11-02&sp=rl&se=2026-11-03T00:00:00Z&sr=b&sig=[%w43]%%3D"},
    {"entra client secret", "%w3%d1Q~%w34"},
    {"jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0%w24.%w43"},
    {"bearer header", "Authorization: Bearer [%w48]"},
    {"basic header", "Authorization: Basic [YXBwOlg3%w16]"},
    {"github classic token", "ghp_%w36"},
    {"github fine-grained token", "github_pat_%w22_%w59"},
    {"gitlab token", "glpat-%w20"},
    {"aws access key id", "AKIA%u16"},
    {"aws secret key", "aws_secret_access_key=[%w40]"},
    {"slack token", "xoxb-%d12-%d12-%w24"},
    {"huggingface token", "hf_%a34"},
    {"google api key", "AIza%w35"},
    {"stripe key", "sk_live_%w24"},
    {"npm token", "npm_%w36"},
    {"sendgrid key", "SG.%w22.%w43"},
    {"databricks token", "dapi%h32"},
    {"password in text", "password=[x7%w12]"},
    {"password of an option", "--password [x7%w12] --verbose"},
    {"password in a url", "postgres://app:[x7%w12]@db.internal.example/main"},
    {"api key header", "x-api-key: [k1%w30]"},
    {NULL, NULL},
};
const size_t secret_format_count = sizeof secret_formats / sizeof *secret_formats - 1;

/* --- Coats ------------------------------------------------------------------------------------------------------------------ */

static void put_format(struct invented *t, const char *format, unsigned value)
{
    char out[16];
    snprintf(out, sizeof out, format[0] == '%' ? "%%%02X" : format[0] == 'p' ? "%%%02x" : format[0] == 'u' ? "\\u%04x" :
             format[0] == 'x' ? "\\x%02x" : "&#%u;", value);
    put(t, out);
}

static void put_percent(struct invented *t, struct slice s, const char *format, bool all)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!all && (ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')) put_slice(t, slice_of(&c, 1));
        else put_format(t, format, (unsigned char)c);
    }
}

static void percent_upper(struct invented *t, struct slice s) { put_percent(t, s, "%", false); }
static void percent_lower(struct invented *t, struct slice s) { put_percent(t, s, "p", false); }
static void percent_all(struct invented *t, struct slice s) { put_percent(t, s, "%", true); }

static void percent_twice(struct invented *t, struct slice s)
{
    static struct invented once;
    once.len = 0;
    put_percent(&once, s, "%", false);
    put_percent(t, invented_slice(&once), "%", false);
}

static void html(struct invented *t, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        const char *name = c == '"' ? "&quot;" : c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
        if (name != NULL) put(t, name);
        else if (c == '\'' || c == '=') put_format(t, "&", (unsigned char)c);
        else put_slice(t, slice_of(&c, 1));
    }
}

static void escape_all(struct invented *t, struct slice s, const char *format)
{
    for (size_t i = 0; i < s.len; i++) put_format(t, format, (unsigned char)s.data[i]);
}

static void unicode_escapes(struct invented *t, struct slice s) { escape_all(t, s, "u"); }
static void hex_escapes(struct invented *t, struct slice s) { escape_all(t, s, "x"); }

static void put_base64(struct invented *t, struct slice s, const char *letters, bool pad)
{
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t n = 0, have = s.len - i < 3 ? (uint32_t)(s.len - i) : 3;
        for (uint32_t k = 0; k < 3; k++) n = n << 8 | (k < have ? (unsigned char)s.data[i + k] : 0);
        for (uint32_t k = 0; k < 4; k++) {
            if (k <= have) put_slice(t, slice_of(letters + (n >> (18 - 6 * k) & 63), 1));
            else if (pad) put(t, "=");
        }
    }
}

static void base64(struct invented *t, struct slice s)
{
    put_base64(t, s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

static void base64url(struct invented *t, struct slice s)
{
    put_base64(t, s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}

void put_string(struct invented *t, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '"' || c == '\\') put(t, "\\");
        if (c == '\n') put(t, "\\n");
        else if ((unsigned char)c < 0x20) put_format(t, "u", (unsigned char)c);
        else put_slice(t, slice_of(&c, 1));
    }
}

static void json_object(struct invented *t, struct slice s)
{
    put(t, "{\"detail\": \"");
    put_string(t, s);
    put(t, "\", \"n\": 1}");
}

static void json_array(struct invented *t, struct slice s)
{
    put(t, "[1,\"");
    put_string(t, s);
    put(t, "\"]");
}

static void json_four_times(struct invented *t, struct slice s)
{
    static struct invented levels[2];
    levels[0].len = 0;
    put_slice(&levels[0], s);
    for (int i = 0; i < 3; i++) {
        levels[(i + 1) % 2].len = 0;
        json_object(&levels[(i + 1) % 2], invented_slice(&levels[i % 2]));
    }
    json_object(t, invented_slice(&levels[1]));
}

#define SENTENCE(function, before, after)                      \
    static void function(struct invented *t, struct slice s) \
    {                                                        \
        put(t, before);                                      \
        put_slice(t, s);                                     \
        put(t, after);                                       \
    }
SENTENCE(plain, "", "")
SENTENCE(prose, "request failed with ", " while calling the scorer")
SENTENCE(log_line, "2026-11-03 10:00:00,123 ERROR worker-3 - ", " (attempt 2)")
SENTENCE(traceback, "Traceback (most recent call last):\n  File \"/app/score.py\", line 3, in run\n    raise ValueError(\"", "\")\nValueError: bad")
SENTENCE(dotenv, "LOG_LEVEL=info\nTHE_VALUE=", "\nLAST_ONE=1\n")
SENTENCE(yaml_text, "settings:\n  api_key: \"", "\"\n  retries: 3\n")
SENTENCE(python_repr, "got {'token': '", "', 'n': 1}")
SENTENCE(command_line, "az ml run --token ", " --output table")
SENTENCE(cookie, "Cookie: theme=dark; session=", "; path=/")
SENTENCE(query, "GET /score?api-version=1&access_token=", "&x=2 HTTP/1.1")
SENTENCE(xml, "<add key=\"secret\" value=\"", "\" />")

const struct coat coats[] = {
    {"plain", plain}, {"prose", prose}, {"log line", log_line}, {"traceback", traceback}, {".env", dotenv}, {"yaml", yaml_text},
    {"python repr", python_repr}, {"command line", command_line}, {"cookie", cookie}, {"query", query}, {"xml", xml},
    {"json object", json_object}, {"json array", json_array}, {"json four times", json_four_times},
    {"percent", percent_upper}, {"percent lower", percent_lower}, {"percent all", percent_all}, {"percent twice", percent_twice},
    {"html", html}, {"unicode escapes", unicode_escapes}, {"hex escapes", hex_escapes}, {"base64", base64},
    {"base64url", base64url}, {NULL, NULL},
};
const size_t coat_count = sizeof coats / sizeof *coats - 1;

/* --- Records ------------------------------------------------------------------------------------------------------------------ */

static const char *const keys[] = {
    "time", "message", "properties", "token", "password", "runId", "env", "environmentVariables", "name", "value", "Input",
    "identity", "claims", "caller", "callerIpAddress", "headers", "operationName", "resultType", "a b", "\\u0070assword", "x%20y",
    "secrets", "iKey", "url", "AZUREML_RUN_ID", "PATH", "DB_URL", "durationMs", "k\\\"q", "\xc3\xa5\xc3\xa4", "requestUri", "",
};

static const char *const values[] = {
    "true", "false", "null", "0", "-1.5e3", "17", "4111111111111111", "\"\"", "\"Succeeded\"", "\"2026-11-03T10:00:00.1234567Z\"",
    "\"448325ee-0763-4067-aecd-ee4149f3cddc\"", "\"198.51.100.7\"", "\"ada@contoso.example\"", "\"exp_1795319000_9f3c21ab\"",
    "\"/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w/jobs/fancy_rain_7x\"",
    "\"100% sure &amp; so on\"", "\"\\ud83d\\ude00 \\\\ \\/ caf\\u00e9 \xe2\x82\xac\"", "\"A_B=v1\"", "\"PATH=/bin:/usr/bin\"",
    "\"export A_B=v1\\nexport C_D=v2\\n\"", "\"env PATH=/x?password=hunter2 B_C=1\"", "\"{\\\"password\\\":12345,\\\"n\\\":[1,{}]}\"",
    "\"{\\\"password\\\":\\\"hunt\"", "\"[redacted:environment]\"", "\"run-AAAA-abcdefghijklmnopqrstuvwxyz\"", "\"by Maja Lindqvist\"",
    "\"%7B%22password%22%3A12345%7D\"", "\"cfg cGFzc3dvcmQ9aHVudGVyMjIyMg== end\"", "{}", "[]",
};

static void put_value(struct invented *t, unsigned depth);

static void put_secret_value(struct invented *t)
{
    static struct invented text, coated;
    text.len = coated.len = 0;
    put_template(&text, secret_formats[pick(secret_format_count)].template);
    coats[pick(coat_count)].put(&coated, invented_slice(&text));
    put(t, "\"");
    put_string(t, invented_slice(&coated));
    put(t, "\"");
}

static void put_members(struct invented *t, unsigned depth, bool object)
{
    static const char *const gaps[] = {"", "", " ", "  "};
    put(t, object ? "{" : "[");
    for (size_t i = 0, count = pick(5); i < count; i++) {
        put(t, i > 0 ? "," : "");
        put(t, gaps[pick(4)]);
        if (object) {
            put(t, "\"");
            put(t, keys[pick(sizeof keys / sizeof *keys)]);
            put(t, "\":");
        }
        put_value(t, depth + 1);
        put(t, gaps[pick(4)]);
    }
    put(t, object ? "}" : "]");
}

static void put_value(struct invented *t, unsigned depth)
{
    size_t way = pick(8);
    if (way < 3 && depth < 5) put_members(t, depth, way < 2);
    else if (way == 3) put_secret_value(t);
    else put(t, values[pick(sizeof values / sizeof *values)]);
}

void put_record(struct invented *t)
{
    put(t, "{\"level\":\"Informational\",\"r\":");
    put_members(t, 0, true);
    put(t, ",\"s\":");
    put_value(t, 0);
    put(t, "}");
}
