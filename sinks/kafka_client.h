/* What the Kafka source and the Kafka sink share: how to reach a cluster, and how to tell what is wrong with it.
 *
 * Security is fixed here: certificates and host names are always verified, a password never travels without TLS.
 * Event Hubs is one word, `event_hubs: true`, and stands for its endpoint's rules (SASL_SSL, PLAIN, no compression, messages
 * of 1,000,000 bytes, connections kept alive and refreshed before the service cuts them).
 *
 * What librdkafka says in its log and of its connections is told in our words, rate limited, and never with a byte of a
 * message or a secret; what a broker says when it refuses credentials is left out altogether.
 * Thread: kafka_client_trouble(), kafka_client_probe() and the functions for setting up: the owner's. librdkafka's threads call
 * back into here. */
#ifndef LETHE_SINKS_KAFKA_CLIENT_H
#define LETHE_SINKS_KAFKA_CLIENT_H

#include "base/error.h"
#include "base/log.h"
#include "base/setting.h"
#include "base/slice.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#define KAFKA_PORT 9093                 /* of Event Hubs */
#define KAFKA_MAX_MESSAGE 1000000       /* bytes, of a message and of a batch: Event Hubs closes the connection above 1,046,528 */
#define KAFKA_TOPIC_LEN 249             /* longest name of a topic */
#define KAFKA_TOKEN_LIFE_MS 240000      /* asked for again before: tokens of Entra ID are renewed five minutes before their end */

enum kafka_security { KAFKA_TLS, KAFKA_PLAINTEXT };
enum kafka_mechanism { KAFKA_PLAIN, KAFKA_SCRAM_256, KAFKA_SCRAM_512 };

/* First member or not, of the struct that has KAFKA_SETTINGS() in its table. */
struct kafka_settings {
    struct text_list brokers;
    bool             event_hubs, entra;
    const char      *connection_string;
    int              security, mechanism;
    const char      *user, *password;
    const char      *ca_file, *certificate, *key;
};

extern const char *const kafka_security_choices[], *const kafka_mechanism_choices[];

#define KAFKA_SETTING(owner_type, member, field) offsetof(owner_type, member) + offsetof(struct kafka_settings, field)

/* Rows of a table of settings, for a struct `owner_type` with a `struct kafka_settings member`. */
#define KAFKA_SETTINGS(owner_type, member) \
    {.name = "brokers", .type = SETTING_TEXTS, .offset = KAFKA_SETTING(owner_type, member, brokers), \
     .help = "host:port of one broker or several"}, \
    {.name = "event_hubs", .type = SETTING_BOOL, .offset = KAFKA_SETTING(owner_type, member, event_hubs), .standard = "false", \
     .help = "azure event hubs: needs connection_string, or entra and brokers"}, \
    {.name = "connection_string", .type = SETTING_SECRET, .offset = KAFKA_SETTING(owner_type, member, connection_string), \
     .help = "of the event hubs namespace or of one event hub"}, \
    {.name = "entra", .type = SETTING_BOOL, .offset = KAFKA_SETTING(owner_type, member, entra), .standard = "false", \
     .help = "sign in with tokens of microsoft entra id: who, the environment says (AZURE_..., managed identity)"}, \
    {.name = "security", .type = SETTING_CHOICE, .offset = KAFKA_SETTING(owner_type, member, security), .standard = "tls", \
     .choices = kafka_security_choices, .help = "how connections are made; certificates are always verified"}, \
    {.name = "user", .type = SETTING_TEXT, .offset = KAFKA_SETTING(owner_type, member, user), \
     .help = "for sasl; with password"}, \
    {.name = "password", .type = SETTING_SECRET, .offset = KAFKA_SETTING(owner_type, member, password), \
     .help = "for sasl; with user"}, \
    {.name = "mechanism", .type = SETTING_CHOICE, .offset = KAFKA_SETTING(owner_type, member, mechanism), .standard = "plain", \
     .choices = kafka_mechanism_choices, .help = "of sasl, when there is a user"}, \
    {.name = "ca_file", .type = SETTING_FILE, .offset = KAFKA_SETTING(owner_type, member, ca_file), \
     .help = "certificates (pem) of the authorities to trust; the system's if absent"}, \
    {.name = "certificate", .type = SETTING_FILE, .offset = KAFKA_SETTING(owner_type, member, certificate), \
     .help = "our own certificate (pem), if brokers ask for one"}, \
    {.name = "certificate_key", .type = SETTING_FILE, .offset = KAFKA_SETTING(owner_type, member, key), \
     .help = "file with the private key (pem) of that certificate"}

/* Where access tokens come from: Entra ID by the environment (net/entra.h), unless a test has another idea. get() is called
 * from librdkafka's threads, one call at a time, and may wait; the token is good for KAFKA_TOKEN_LIFE_MS at least and stays
 * until the next call. NULL and an error: there is none now; it will be asked again. forget(): brokers refused the last one;
 * may be NULL. */
struct kafka_tokens {
    const char *(*get)(void *context, const char *scope, struct error *);
    void         *context;
    void        (*forget)(void *context, const char *scope);
};

struct kafka_client {
    const struct kafka_settings *settings;
    const char                  *name;      /* of the source or sink: client.id, part of log lines */
    void                        *owner;     /* for callbacks: kafka_owner() */
    struct kafka_tokens          tokens;    /* with `entra`, as the next three */
    struct http_client          *http;
    struct entra                *entra;
    pthread_mutex_t              token_lock;   /* held while tokens.get() works */
    char                        *brokers;   /* "k1:9092,k2:9092" */
    char                        *topic;     /* that the connection string names; may be NULL */
    char                         scope[300];

    pthread_mutex_t  lock;                  /* of what follows */
    char             reason[256];           /* why the last connection failed */
    const char      *distrust;              /* why a certificate was refused last; static */
    char             trouble[512];          /* not yet fetched by kafka_client_trouble() */
    bool             token_refused;         /* since the last one was given */
    uint64_t         probe_ms;              /* when kafka_client_probe() is to ask; 0: nothing gives reason to */
    struct log_limit log_limit, token_limit;
};

/* Whether the settings go together; touches nothing outside. ERROR_USAGE. */
MUST_USE bool kafka_settings_check(const struct kafka_settings *, const char *name, struct error *);

/* Settings, name and owner are borrowed. */
MUST_USE bool kafka_client_init(struct kafka_client *, const struct kafka_settings *, const char *name, void *owner,
                                struct error *);
void kafka_client_hurry(struct kafka_client *);     /* nobody waits for a token any more: before the last rd_kafka_t goes */
void kafka_client_release(struct kafka_client *);   /* after every rd_kafka_t of it is gone */

/* A configuration with all that is not particular to consumers or producers. NULL and an error. */
MUST_USE rd_kafka_conf_t *kafka_client_conf(struct kafka_client *, struct error *);

struct kafka_property {
    const char *name, *value;
};

/* Properties that have to be right, since they are ours: CHECKs. The list ends with a name of NULL. */
void kafka_conf_apply(rd_kafka_conf_t *, const struct kafka_property *);
void kafka_conf_number(rd_kafka_conf_t *, const char *name, uint64_t value);

/* Takes the configuration over, whatever happens. NULL and an error: a file cannot be read, or no memory. */
MUST_USE rd_kafka_t *kafka_client_start(struct kafka_client *, rd_kafka_type_t, rd_kafka_conf_t *, struct error *);

/* The owner of the client that the handle was made with. */
static inline void *kafka_owner(rd_kafka_t *rk) { return ((struct kafka_client *)rd_kafka_opaque(rk))->owner; }

/* Remembers a failure, for kafka_client_trouble(), as "topic 'x': not there". `what` may be NULL. */
void kafka_client_failed(struct kafka_client *, rd_kafka_resp_err_t, const char *what);

/* librdkafka says it once when all brokers are down, and finds that out by counting: when the coordinator of a group was not
 * known as the last connections broke, it counts wrong (2.0.2) and says nothing. So whoever lost a connection and heard no more
 * asks after a while whether there is any broker. To be called about every second; waits up to a second when there is none. */
void kafka_client_probe(struct kafka_client *, rd_kafka_t *);

/* The latest failure since the last call, as one line. False: none. */
bool kafka_client_trouble(struct kafka_client *, char *text, size_t size);

/* What an error means and where to look, in lower case. */
const char *kafka_error_text(rd_kafka_resp_err_t);

#endif
