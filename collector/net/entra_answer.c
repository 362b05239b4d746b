/* What identity services answer: {"access_token":...,"expires_in":...} or {"error":...,"error_codes":[...]}.
 * Of errors only the status and the number of the fault are told: descriptions repeat what was sent. */
#include "net/entra_priv.h"

#include <cjson/cJSON.h>
#include <openssl/crypto.h>

#define LEAST_LIFE_S 1
#define MOST_LIFE_S (7 * 24 * 3600)

static double number_of(const cJSON *item)
{
    if (cJSON_IsNumber(item)) return item->valuedouble;
    char       *end;
    const char *text = cJSON_GetStringValue(item);
    double      value = text ? strtod(text, &end) : 0;
    return text != NULL && *end == '\0' ? value : 0;
}

/* "expires_in" in seconds, or else "expires_on" in seconds since 1970; services write either, as numbers or strings. */
static double life_of(const cJSON *answer, uint64_t realtime_ms)
{
    double life = number_of(cJSON_GetObjectItemCaseSensitive(answer, "expires_in"));
    if (!(life > 0)) life = number_of(cJSON_GetObjectItemCaseSensitive(answer, "expires_on")) - (double)realtime_ms / 1000;
    return life < MOST_LIFE_S ? life : MOST_LIFE_S;
}

static bool is_token(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len > ENTRA_TOKEN_BYTES) return false;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~') return false;
    return true;
}

static void forget_json(cJSON *answer, cJSON *token)
{
    if (cJSON_IsString(token)) OPENSSL_cleanse(token->valuestring, strlen(token->valuestring));
    cJSON_Delete(answer);
}

bool entra_answer_read(const struct http_result *r, uint64_t realtime_ms, struct entra_answer *out)
{
    cJSON *answer = r->body ? cJSON_ParseWithLength(r->body, r->body_len) : NULL;
    cJSON *token = cJSON_GetObjectItemCaseSensitive(answer, "access_token");
    double life = life_of(answer, realtime_ms);
    *out = (struct entra_answer){0};
    if (is_token(cJSON_GetStringValue(token)) && life >= LEAST_LIFE_S) {
        out->token = strdup(token->valuestring);
        out->life_ms = (uint64_t)(life * 1000);
    }
    forget_json(answer, token);
    return out->token != NULL;
}

static const char *hint(unsigned long code)
{
    static const struct {
        unsigned long code;
        const char   *text;
    } hints[] = {
        {7000215, "the client secret is wrong"},
        {7000222, "the client secret has expired"},
        {700016, "the application is not in this tenant"},
        {90002, "there is no such tenant"},
        {900023, "the tenant id is wrong"},
        {500011, "the tenant does not know the service that the token is for"},
        {70021, "no federated credential of the application fits the token"},
        {700211, "no federated credential of the application fits the issuer of the token"},
        {700213, "no federated credential of the application fits the subject of the token"},
        {700024, "the federated token has expired, or a clock is wrong"},
        {53003, "a rule of conditional access forbids it"},
        {7000112, "the application is disabled"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (hints[i].code == code) return hints[i].text;
    return "look the number up in the documentation of Entra ID";
}

static unsigned long fault_number(const struct http_result *r)
{
    cJSON *answer = r->body ? cJSON_ParseWithLength(r->body, r->body_len) : NULL;
    cJSON *code = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(answer, "error_codes"), 0);
    bool   known = cJSON_IsNumber(code) && code->valuedouble >= 1 && code->valuedouble < 1e9;
    unsigned long number = known ? (unsigned long)code->valuedouble : 0;
    cJSON_Delete(answer);
    return number;
}

bool entra_explain(const struct http_result *r, struct error *err)
{
    unsigned long number = r->failure == HTTP_ANSWERED ? fault_number(r) : 0;
    if (number == 0) return error_set(err, ERROR_NETWORK, "no token: %s", r->text);
    return error_set(err, ERROR_NETWORK, "no token: status %d, AADSTS%lu: %s", r->status, number, hint(number));
}

void entra_forget_body(struct http_result *r) { OPENSSL_cleanse(r->body, r->body_len); }
