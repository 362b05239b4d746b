#include "sinks/kafka_client.h"

#include "base/clock.h"
#include "net/connection_string.h"
#include "net/entra.h"
#include "net/tls_files.h"
#include "net/tls_floor.h"

#include <openssl/x509_vfy.h>
#include <stdlib.h>

#define LOG_INTERVAL_MS 10000
#define SYSLOG_WARNING 4   /* librdkafka counts like syslog: less is more serious */
#define EVENT_HUBS_USER "$ConnectionString"   /* literally; the password is the connection string */

const char *const kafka_security_choices[] = {"tls", "plaintext", NULL};
const char *const kafka_mechanism_choices[] = {"plain", "scram-sha-256", "scram-sha-512", NULL};

static const char *const mechanisms[] = {
    [KAFKA_PLAIN] = "PLAIN", [KAFKA_SCRAM_256] = "SCRAM-SHA-256", [KAFKA_SCRAM_512] = "SCRAM-SHA-512"};

/* --- Settings --------------------------------------------------------------------------------------------------------- */

/* HOST:PORT, without a scheme, a path or a comma. */
static bool is_broker(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1)) return false;
    return strpbrk(text, "/,@ \t") == NULL && strlen(text) <= 300;
}

static bool check_brokers(const struct kafka_settings *s, const char *name, struct error *err)
{
    for (size_t i = 0; i < s->brokers.count; i++)
        if (!is_broker(s->brokers.items[i]))
            return error_set(err, ERROR_USAGE, "'%s': '%s' in brokers is not host:port", name, s->brokers.items[i]);
    return true;
}

static bool check_identity(const struct kafka_settings *s, const char *name, struct error *err)
{
    bool user = s->user != NULL, password = s->password != NULL, certificate = s->certificate != NULL;
    if (user != password) return error_set(err, ERROR_USAGE, "'%s': user and password go together", name);
    if (certificate != (s->key != NULL))
        return error_set(err, ERROR_USAGE, "'%s': certificate and certificate_key go together", name);
    if (user + s->entra + (s->connection_string != NULL) > 1)
        return error_set(err, ERROR_USAGE, "'%s': only one of user, entra and connection_string can say who signs in", name);
    if (s->security == KAFKA_PLAINTEXT && (user || s->entra || s->event_hubs || s->connection_string != NULL))
        return error_set(err, ERROR_USAGE, "'%s': credentials never travel unencrypted: take security: plaintext away", name);
    return true;
}

static bool check_event_hubs(const struct kafka_settings *s, const char *name, struct error *err)
{
    if (s->connection_string != NULL && !s->event_hubs)
        return error_set(err, ERROR_USAGE, "'%s': connection_string needs event_hubs: true", name);
    if (s->event_hubs && s->connection_string == NULL && !s->entra)
        return error_set(err, ERROR_USAGE, "'%s': event_hubs needs connection_string, or entra and brokers", name);
    bool somewhere = s->connection_string != NULL || s->brokers.count > 0;
    return somewhere || error_set(err, ERROR_USAGE, "'%s': brokers are missing", name);
}

static bool parse_connection_string(const struct kafka_settings *s, const char *name, struct event_hubs_string *out,
                                    struct error *err)
{
    struct error reason = {0};
    *out = (struct event_hubs_string){0};
    if (s->connection_string == NULL || event_hubs_string_parse(slice_from(s->connection_string), out, &reason)) return true;
    return error_set(err, reason.code, "'%s': %s", name, reason.text);
}

bool kafka_settings_check(const struct kafka_settings *s, const char *name, struct error *err)
{
    struct event_hubs_string parsed;
    if (!check_brokers(s, name, err) || !check_identity(s, name, err) || !check_event_hubs(s, name, err)) return false;
    if (!parse_connection_string(s, name, &parsed, err)) return false;
    event_hubs_string_release(&parsed);
    return tls_files_check(s->certificate, s->key, s->ca_file, err);
}

/* --- Texts ------------------------------------------------------------------------------------------------------------ */

const char *kafka_error_text(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR__RESOLVE: return "the name of a broker cannot be resolved: check brokers and the name service";
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN: return "no broker can be reached: check brokers, security and the network";
    case RD_KAFKA_RESP_ERR__SSL: return "no trusted connection: check the broker's certificate, its name and ca_file";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return "the broker refuses the credentials: check who signs in";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: return "not allowed: the access rules of the brokers keep this user out";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED: return "the group is not allowed for this user";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "not allowed: this user lacks the right to write idempotently";
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return "not there: create it";
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__WAIT_COORD: return "the broker that coordinates this is not available yet";
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return "brokers ended its transaction, which was open for too long, or another process writes under the same name";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return "not allowed: this user lacks the right to transactional ids that begin with lethe-";
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT: return "brokers did not take it in time";
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED: return "left the group since it was not polled for too long; it joins again";
    default: return rd_kafka_err2str(error);
    }
}

/* Whether something that librdkafka says would tell a secret. It does not by itself; brokers may echo. */
static bool tells_secret(const struct kafka_client *c, const char *text)
{
    const char *secrets[] = {c->settings->password, c->settings->connection_string};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (secrets[i] != NULL && secrets[i][0] != '\0' && strstr(text, secrets[i]) != NULL) return true;
    return strstr(text, "SharedAccessKey") != NULL;
}

static void set_trouble(struct kafka_client *c, rd_kafka_resp_err_t error, const char *what, const char *reason)
{
    bool   reasoned = reason[0] != '\0' && !tells_secret(c, reason);
    size_t len = what != NULL ? (size_t)snprintf(c->trouble, sizeof c->trouble, "%.250s: ", what) : 0;
    snprintf(c->trouble + len, sizeof c->trouble - len, reasoned ? "%s (%s)" : "%s", kafka_error_text(error), reason);
}

void kafka_client_failed(struct kafka_client *c, rd_kafka_resp_err_t error, const char *what)
{
    pthread_mutex_lock(&c->lock);
    set_trouble(c, error, what, "");
    pthread_mutex_unlock(&c->lock);
}

bool kafka_client_trouble(struct kafka_client *c, char *text, size_t size)
{
    pthread_mutex_lock(&c->lock);
    bool there = c->trouble[0] != '\0';
    if (there) snprintf(text, size, "%s", c->trouble);
    c->trouble[0] = '\0';
    pthread_mutex_unlock(&c->lock);
    return there;
}

/* --- Whether any broker is there ----------------------------------------------------------------------------------------- */

#define DOUBT_MS       3000    /* from a lost connection until brokers are asked for */
#define PROBE_AGAIN_MS 60000   /* when it is known that there is none */
#define PROBE_WAIT_MS  1000

/* With the lock: trouble with connections was told, which need not be found out. */
static void note_told(struct kafka_client *c) { c->probe_ms = clock_monotonic_ms() + PROBE_AGAIN_MS; }

void kafka_client_probe(struct kafka_client *c, rd_kafka_t *rk)
{
    const struct rd_kafka_metadata *found = NULL;
    pthread_mutex_lock(&c->lock);
    bool due = c->probe_ms > 0 && clock_monotonic_ms() >= c->probe_ms;
    if (due) c->probe_ms = 0;
    pthread_mutex_unlock(&c->lock);
    if (!due) return;
    rd_kafka_resp_err_t error = rd_kafka_metadata(rk, 0, NULL, &found, PROBE_WAIT_MS);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(found);
        return;
    }
    pthread_mutex_lock(&c->lock);
    note_told(c);
    set_trouble(c, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL, c->reason);
    pthread_mutex_unlock(&c->lock);
}

/* --- Callbacks -------------------------------------------------------------------------------------------------------- */

/* Has librdkafka ask for another token in ten seconds; else it would take the refused one until that is old. It says so as one
 * more failed authentication, which must not lead here again. */
static void renew_refused_token(struct kafka_client *c, rd_kafka_t *rk)
{
    pthread_mutex_lock(&c->lock);
    bool known = c->token_refused;
    c->token_refused = true;
    pthread_mutex_unlock(&c->lock);
    if (!known) rd_kafka_oauthbearer_set_token_failure(rk, "refused");
}

/* Sees what OpenSSL decided, and leaves it at that. */
static int see_verdict(rd_kafka_t *rk, const char *broker, int32_t id, int *error, int depth, const char *certificate, size_t len,
                       char *text, size_t size, void *opaque)
{
    struct kafka_client *c = opaque;
    (void)rk, (void)broker, (void)id, (void)depth, (void)certificate, (void)len;
    if (*error == X509_V_OK) return 1;
    pthread_mutex_lock(&c->lock);
    c->distrust = X509_verify_cert_error_string(*error);
    pthread_mutex_unlock(&c->lock);
    snprintf(text, size, "not trusted");
    return 0;
}

/* Why a connection ended. What a certificate was refused for says more than what became of TLS, and librdkafka tells of it
 * twice. */
static void note_end(struct kafka_client *c, rd_kafka_resp_err_t error, const char *reason)
{
    const char *trust = kafka_error_text(RD_KAFKA_RESP_ERR__SSL);
    bool        refused = c->distrust != NULL && strstr(reason, "certificate verify failed") != NULL;
    if (refused) snprintf(c->reason, sizeof c->reason, "%s: %s", trust, c->distrust);
    else snprintf(c->reason, sizeof c->reason, "%s", error == RD_KAFKA_RESP_ERR__SSL ? trust : reason);
    if (error == RD_KAFKA_RESP_ERR__SSL) set_trouble(c, error, NULL, refused ? c->distrust : reason);
}

/* A connection that ends is no trouble as long as others stand; why it did is told when none does. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_client *c = opaque;
    rd_kafka_resp_err_t  error = (rd_kafka_resp_err_t)code;
    if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION && c->settings->entra) renew_refused_token(c, rk);
    pthread_mutex_lock(&c->lock);
    if (error != RD_KAFKA_RESP_ERR__TRANSPORT) note_told(c);
    else if (c->probe_ms == 0) c->probe_ms = clock_monotonic_ms() + DOUBT_MS;
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__SSL) note_end(c, error, reason);
    else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) set_trouble(c, error, NULL, c->reason);
    else if (error == RD_KAFKA_RESP_ERR__RESOLVE) set_trouble(c, error, NULL, reason);
    else if (error != RD_KAFKA_RESP_ERR__FATAL) set_trouble(c, error, NULL, "");
    /* All brokers are down is said behind it, and is no better explanation. */
    if (error == RD_KAFKA_RESP_ERR__RESOLVE || error == RD_KAFKA_RESP_ERR__AUTHENTICATION)
        snprintf(c->reason, sizeof c->reason, "%s", kafka_error_text(error));
    pthread_mutex_unlock(&c->lock);
}

/* What is told otherwise as well is left to that: through on_error() (FAIL, ERROR, SSLCERTVRFY with the peer's words), and by
 * the calls for transactions (GETPID, ADD..., FATAL). What it thinks of our choice of properties (CONFWARN) is for us to know. */
static bool is_told(const char *facility)
{
    static const char *const told[] = {"FAIL", "ERROR", "CONFWARN", "GETPID", "ADDPARTS", "ADDOFFSETS", "TXNERR", "FATAL",
                                       "SSLCERTVRFY"};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (strcmp(facility, told[i]) == 0) return true;
    return false;
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct kafka_client *c = rd_kafka_opaque(rk);
    uint64_t             left_out = 0;
    if (is_told(facility) || level > SYSLOG_WARNING || tells_secret(c, text)) return;
    pthread_mutex_lock(&c->lock);
    bool passes = log_passes(&c->log_limit, LOG_INTERVAL_MS, &left_out);
    pthread_mutex_unlock(&c->lock);
    if (passes) log_line(LOG_WARNING, c->name, "librdkafka: %.400s (%llu more like it)", text, (unsigned long long)left_out);
}

static void tell_token_failure(struct kafka_client *c, const char *text)
{
    uint64_t left_out = 0;
    pthread_mutex_lock(&c->lock);
    snprintf(c->trouble, sizeof c->trouble, "%.500s", text);
    bool passes = log_passes(&c->token_limit, LOG_INTERVAL_MS, &left_out);
    pthread_mutex_unlock(&c->lock);
    if (passes) log_line(LOG_WARNING, c->name, "%s", text);
}

static const char *entra_get(void *context, const char *scope, struct error *err)
{
    return entra_token(context, scope, NULL, err);
}

static void entra_drop(void *context, const char *scope) { entra_forget(context, scope); }

static bool set_token(rd_kafka_t *rk, const char *token, struct error *err)
{
    char    reason[256];
    int64_t expires_ms = (int64_t)clock_realtime_ms() + KAFKA_TOKEN_LIFE_MS;
    if (rd_kafka_oauthbearer_set_token(rk, token, expires_ms, "lethe", NULL, 0, reason, sizeof reason) == 0) return true;
    return error_set(err, ERROR_INPUT, "the access token cannot be used: it is malformed");
}

static bool takes_refusal(struct kafka_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool refused = c->token_refused;
    c->token_refused = false;
    pthread_mutex_unlock(&c->lock);
    return refused;
}

/* In librdkafka's background thread, so that waiting for a token holds nothing else up. A failure is asked again by it
 * after some seconds. */
static void on_token_wanted(rd_kafka_t *rk, const char *config, void *opaque)
{
    struct kafka_client *c = opaque;
    struct error         err = {0};
    (void)config;
    pthread_mutex_lock(&c->token_lock);
    if (takes_refusal(c) && c->tokens.forget != NULL) c->tokens.forget(c->tokens.context, c->scope);
    const char *token = c->tokens.get(c->tokens.context, c->scope, &err);
    if (token == NULL || !set_token(rk, token, &err)) {
        tell_token_failure(c, err.text);
        rd_kafka_oauthbearer_set_token_failure(rk, "no token");
    }
    pthread_mutex_unlock(&c->token_lock);
}

/* --- Setting up ------------------------------------------------------------------------------------------------------- */

static char *joined_brokers(const struct text_list *list)
{
    size_t len = 1;
    for (size_t i = 0; i < list->count; i++) len += strlen(list->items[i]) + 1;
    char *text = calloc(1, len);
    for (size_t i = 0; text != NULL && i < list->count; i++) {
        if (i > 0) strcat(text, ",");
        strcat(text, list->items[i]);
    }
    return text;
}

/* Given brokers win over the name in the connection string: a private address of the same namespace. */
static bool find_brokers(struct kafka_client *c, const struct event_hubs_string *hubs)
{
    if (c->settings->brokers.count > 0) c->brokers = joined_brokers(&c->settings->brokers);
    else if (asprintf(&c->brokers, "%s:%d", hubs->host, KAFKA_PORT) < 0) c->brokers = NULL;
    if (hubs->entity_path != NULL) c->topic = strdup(hubs->entity_path);
    return c->brokers != NULL && (hubs->entity_path == NULL || c->topic != NULL);
}

static bool open_tokens(struct kafka_client *c, struct error *err)
{
    struct entra_options who;
    if (!c->settings->entra) return true;
    entra_options_from_environment(&who);
    c->http = http_client_new(&(struct http_client_options){0}, err);
    c->entra = c->http != NULL ? entra_new(&who, c->http, err) : NULL;
    c->tokens = (struct kafka_tokens){entra_get, c->entra, entra_drop};
    return c->entra != NULL;
}

bool kafka_client_init(struct kafka_client *c, const struct kafka_settings *settings, const char *name, void *owner,
                       struct error *err)
{
    struct event_hubs_string hubs;
    *c = (struct kafka_client){.settings = settings, .name = name, .owner = owner};
    if (!parse_connection_string(settings, name, &hubs, err)) return false;
    bool found = find_brokers(c, &hubs);
    event_hubs_string_release(&hubs);
    CHECK(found);
    snprintf(c->scope, sizeof c->scope, "https://%.*s/.default", (int)strcspn(c->brokers, ":"), c->brokers);
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->token_lock, NULL);
    if (open_tokens(c, err)) return true;
    kafka_client_release(c);
    return false;
}

void kafka_client_hurry(struct kafka_client *c)
{
    if (c->http != NULL) http_client_stop(c->http);
}

void kafka_client_release(struct kafka_client *c)
{
    if (c->brokers == NULL) return;
    entra_free(c->entra);
    if (c->http != NULL) http_client_free(c->http);
    pthread_mutex_destroy(&c->token_lock);
    pthread_mutex_destroy(&c->lock);
    free(c->brokers);
    free(c->topic);
    *c = (struct kafka_client){0};
}

void kafka_conf_apply(rd_kafka_conf_t *conf, const struct kafka_property *p)
{
    for (; p->name != NULL; p++) CHECK(rd_kafka_conf_set(conf, p->name, p->value, NULL, 0) == RD_KAFKA_CONF_OK);
}

void kafka_conf_number(rd_kafka_conf_t *conf, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    CHECK(rd_kafka_conf_set(conf, name, text, NULL, 0) == RD_KAFKA_CONF_OK);
}

/* A value from the configuration file. */
static bool set_given(const struct kafka_client *c, rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    if (value == NULL || rd_kafka_conf_set(conf, name, value, NULL, 0) == RD_KAFKA_CONF_OK) return true;
    return error_set(err, ERROR_USAGE, "'%s': kafka does not take the value for %s", c->name, name);
}

static bool set_identity(struct kafka_client *c, rd_kafka_conf_t *conf, struct error *err)
{
    const struct kafka_settings *s = c->settings;
    bool                         sasl = s->user != NULL || s->connection_string != NULL;
    const char *protocol = s->security == KAFKA_PLAINTEXT ? "plaintext" : sasl || s->entra ? "sasl_ssl" : "ssl";
    const char *mechanism = s->entra ? "OAUTHBEARER" : mechanisms[s->user != NULL ? s->mechanism : KAFKA_PLAIN];
    if (!set_given(c, conf, "security.protocol", protocol, err)) return false;
    if (s->entra) rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, on_token_wanted);
    if ((sasl || s->entra) && !set_given(c, conf, "sasl.mechanism", mechanism, err)) return false;
    if (s->entra) rd_kafka_conf_enable_sasl_queue(conf, 1);
    if (!sasl) return true;
    return set_given(c, conf, "sasl.username", s->user != NULL ? s->user : EVENT_HUBS_USER, err)
        && set_given(c, conf, "sasl.password", s->user != NULL ? s->password : s->connection_string, err);
}

static bool set_all(struct kafka_client *c, rd_kafka_conf_t *conf, struct error *err)
{
    static const struct kafka_property fixed[] = {
        {"ssl.cipher.suites", TLS_FLOOR_TEXT}, {"enable.ssl.certificate.verification", "true"},
        {"ssl.endpoint.identification.algorithm", "https"},
        {"socket.keepalive.enable", "true"}, {"topic.metadata.refresh.interval.ms", "180000"}, {"metadata.max.age.ms", "180000"},
        {"connections.max.idle.ms", "180000"},   /* the service of Azure cuts idle connections after 240 s */
        {"reconnect.backoff.max.ms", "5000"}, {"log_level", "4"}, {"log.connection.close", "false"}, {0}};
    char client_id[80];
    snprintf(client_id, sizeof client_id, "lethe-%s", c->name);
    kafka_conf_apply(conf, fixed);
    kafka_conf_number(conf, "message.max.bytes", KAFKA_MAX_MESSAGE);
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_ssl_cert_verify_cb(conf, see_verdict);
    return set_given(c, conf, "client.id", client_id, err) && set_given(c, conf, "bootstrap.servers", c->brokers, err)
        && set_given(c, conf, "ssl.ca.location", c->settings->ca_file, err)
        && set_given(c, conf, "ssl.certificate.location", c->settings->certificate, err)
        && set_given(c, conf, "ssl.key.location", c->settings->key, err) && set_identity(c, conf, err);
}

rd_kafka_conf_t *kafka_client_conf(struct kafka_client *c, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (set_all(c, conf, err)) return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_t *kafka_client_start(struct kafka_client *c, rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *err)
{
    char reason[512];
    CHECK(!c->settings->entra || c->tokens.get != NULL);
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        if (tells_secret(c, reason)) snprintf(reason, sizeof reason, "its settings do not fit");
        error_set(err, ERROR_USAGE, "'%s': kafka cannot be set up: %s", c->name, reason);
        return NULL;
    }
    if (!c->settings->entra) return rk;
    rd_kafka_error_t *error = rd_kafka_sasl_background_callbacks_enable(rk);
    if (error == NULL) return rk;
    rd_kafka_error_destroy(error);
    rd_kafka_destroy(rk);
    error_set(err, ERROR_MEMORY, "'%s': kafka's background thread cannot be started", c->name);
    return NULL;
}
