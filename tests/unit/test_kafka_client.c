/* What a Kafka client is made of: where it connects to, as whom, and what it tells. */
#include "kafka_cluster.h"
#include "sinks/kafka_client.h"
#include "sinks/sink.h"
#include "source.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

extern const struct sink_type sink_kafka;
extern const struct source_type source_kafka;

#define HUB "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=reader;SharedAccessKey=bm90IGEga2V5;EntityPath=activity"

/* No block is sent here. */
void sink_done(struct sink *s, struct block *b, const struct rejected *rejected, size_t count)
{
    (void)s, (void)b, (void)rejected, (void)count;
    fail();
}

void sink_withdraw(struct sink *s, struct block *b)
{
    (void)s, (void)b;
    fail();
}

static const char *property(const rd_kafka_conf_t *conf, const char *name)
{
    static char value[1024];
    size_t      size = sizeof value;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    return value;
}

static void no_table_has_a_name_twice(void **state)
{
    (void)state;
    const struct setting *tables[] = {sink_kafka.settings, source_kafka.settings};
    for (size_t t = 0; t < 2; t++)
        for (const struct setting *a = tables[t]; a->name != NULL; a++)
            for (const struct setting *b = a + 1; b->name != NULL; b++) assert_string_not_equal(a->name, b->name);
}

static void event_hubs_is_one_word_and_a_connection_string(void **state)
{
    (void)state;
    struct kafka_client         c;
    struct error                err = {0};
    const struct kafka_settings s = {.event_hubs = true, .connection_string = HUB};
    assert_true(kafka_settings_check(&s, "x", &err));
    assert_true(kafka_client_init(&c, &s, "x", NULL, &err));
    assert_string_equal(c.topic, "activity");
    rd_kafka_conf_t *conf = kafka_client_conf(&c, &err);
    assert_non_null(conf);
    assert_string_equal(property(conf, "bootstrap.servers"), "ns.servicebus.windows.net:9093");
    assert_string_equal(property(conf, "security.protocol"), "sasl_ssl");
    assert_string_equal(property(conf, "sasl.mechanism"), "PLAIN");
    assert_string_equal(property(conf, "sasl.username"), "$ConnectionString");
    assert_string_equal(property(conf, "sasl.password"), HUB);
    assert_string_equal(property(conf, "enable.ssl.certificate.verification"), "true");
    assert_string_equal(property(conf, "ssl.endpoint.identification.algorithm"), "https");
    assert_string_equal(property(conf, "socket.keepalive.enable"), "true");
    assert_string_equal(property(conf, "metadata.max.age.ms"), "180000");
    assert_string_equal(property(conf, "message.max.bytes"), "1000000");
    rd_kafka_conf_destroy(conf);
    kafka_client_release(&c);
}

static void tls_is_what_nobody_has_to_ask_for(void **state)
{
    (void)state;
    static const char *const    list[] = {"k1:9093", "k2:9093"};
    struct kafka_client         c;
    struct error                err = {0};
    const struct kafka_settings s = {.brokers = {list, 2}, .user = "u", .password = "p", .mechanism = KAFKA_SCRAM_512};
    assert_true(kafka_settings_check(&s, "x", &err));
    assert_true(kafka_client_init(&c, &s, "x", NULL, &err));
    rd_kafka_conf_t *conf = kafka_client_conf(&c, &err);
    assert_non_null(conf);
    assert_string_equal(property(conf, "bootstrap.servers"), "k1:9093,k2:9093");
    assert_string_equal(property(conf, "security.protocol"), "sasl_ssl");
    assert_string_equal(property(conf, "sasl.mechanism"), "SCRAM-SHA-512");
    rd_kafka_conf_destroy(conf);
    kafka_client_release(&c);
}

static const char *no_token(void *context, const char *scope, struct error *err)
{
    snprintf(context, 300, "%s", scope);
    error_set(err, ERROR_INPUT, "no token today");
    return NULL;
}

static void tokens_are_asked_for_the_namespace_and_failures_are_told(void **state)
{
    (void)state;
    static const char *const    list[] = {"127.0.0.1:1"};
    struct kafka_client         c;
    struct error                err = {0};
    char                        text[512] = "", scope[300] = "";
    const struct kafka_settings s = {.brokers = {list, 1}, .event_hubs = true, .entra = true};
    assert_true(kafka_settings_check(&s, "x", &err));
    assert_true(kafka_client_init(&c, &s, "x", NULL, &err));
    c.tokens = (struct kafka_tokens){.get = no_token, .context = scope};
    log_setup(false, LOG_ERROR);
    rd_kafka_conf_t *conf = kafka_client_conf(&c, &err);
    assert_non_null(conf);
    assert_string_equal(property(conf, "sasl.mechanism"), "OAUTHBEARER");
    rd_kafka_t *rk = kafka_client_start(&c, RD_KAFKA_PRODUCER, conf, &err);
    assert_non_null(rk);
    uint64_t deadline = clock_monotonic_ms() + 120000;
    while (strstr(text, "no token today") == NULL && clock_monotonic_ms() < deadline) kafka_client_trouble(&c, text, sizeof text);
    assert_string_equal(text, "no token today");
    assert_string_equal(scope, "https://127.0.0.1/.default");
    rd_kafka_destroy(rk);
    kafka_client_release(&c);
}

static void trouble_is_told_once_and_by_its_latest(void **state)
{
    (void)state;
    static const char *const    list[] = {"k:1"};
    struct kafka_client         c;
    struct error                err = {0};
    char                        text[512];
    const struct kafka_settings s = {.brokers = {list, 1}};
    assert_true(kafka_client_init(&c, &s, "x", NULL, &err));
    assert_false(kafka_client_trouble(&c, text, sizeof text));
    kafka_client_failed(&c, RD_KAFKA_RESP_ERR__RESOLVE, NULL);
    kafka_client_failed(&c, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic 't'");
    assert_true(kafka_client_trouble(&c, text, sizeof text));
    assert_string_equal(text, "topic 't': not there: create it");
    assert_false(kafka_client_trouble(&c, text, sizeof text));
    kafka_client_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_table_has_a_name_twice),
        cmocka_unit_test(event_hubs_is_one_word_and_a_connection_string),
        cmocka_unit_test(tls_is_what_nobody_has_to_ask_for),
        cmocka_unit_test(tokens_are_asked_for_the_namespace_and_failures_are_told),
        cmocka_unit_test(trouble_is_told_once_and_by_its_latest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
