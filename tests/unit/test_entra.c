#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "loopback.h"
#include "net/entra.h"
#include "set_clock.h"

#include <fcntl.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SCOPE "https://storage.azure.com/.default"
#define JSON "Content-Type: application/json\r\nConnection: close\r\n\r\n"
#define TOKEN(token, life) SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"token_type\":\"Bearer\",\"expires_in\":" life ",\"access_token\":\"" token "\"}")
#define REFUSAL_OF(code) SLICE("HTTP/1.1 401 No\r\n" JSON "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS" code ": 's3cret' is wrong\",\"error_codes\":[" code "]}")

static char secret_path[] = "/tmp/lethe-test-entra-XXXXXX";

static void write_secret(const char *text)
{
    int fd = open(secret_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int make_secret(void **state)
{
    int fd = mkstemp(secret_path);
    (void)state;
    close(fd);
    return fd < 0;
}

static int remove_secret(void **state)
{
    (void)state;
    return unlink(secret_path);
}

/* An identity, the server that it asks. */
struct scene {
    struct loopback    *server;
    struct http_client *client;
    struct entra       *entra;
    char                base[64];
};

static void open_scene(struct scene *s, const struct slice *answers, size_t count, struct entra_options options)
{
    struct error err = {0};
    set_clock_start();
    s->server = loopback_start(answers, count);
    snprintf(s->base, sizeof s->base, "%s", loopback_url(s->server, "/"));
    s->client = http_client_new(&(struct http_client_options){0}, &err);
    options.authority = options.imds = s->base;
    s->entra = entra_new(&options, s->client, &err);
    assert_non_null(s->entra);
}

static void close_scene(struct scene *s)
{
    entra_free(s->entra);
    http_client_free(s->client);
    loopback_stop(s->server);
}

static const struct entra_options with_secret = {.kind = ENTRA_CLIENT_SECRET, .tenant_id = "contoso.example", .client_id = "00000000-1111", .client_secret = "s3cret&+"};

static const char *token(struct scene *s)
{
    struct error err = {0};
    const char  *text = entra_token(s->entra, SCOPE, NULL, &err);
    if (text == NULL) fail_msg("%s", err.text);
    return text;
}

/* --- Ways to ask ------------------------------------------------------------------------------------------------------ */

static void a_client_secret_is_sent_to_the_authority(void **state)
{
    static const struct slice answers[] = {TOKEN("t1", "3599")};
    struct scene              s;
    (void)state;
    open_scene(&s, answers, 1, with_secret);
    assert_string_equal(token(&s), "t1");
    const char *request = loopback_request(s.server, 0);
    assert_non_null(strstr(request, "POST /contoso.example/oauth2/v2.0/token HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    assert_non_null(strstr(request, "\r\n\r\ngrant_type=client_credentials&client_id=00000000-1111&"
                                    "scope=https%3A%2F%2Fstorage.azure.com%2F.default&client_secret=s3cret%26%2B"));
    close_scene(&s);
}

static void a_secret_in_a_file_is_read_at_each_renewal(void **state)
{
    static const struct slice answers[] = {TOKEN("t1", "3600"), TOKEN("t2", "3600")};
    struct entra_options      options = with_secret;
    struct scene              s;
    (void)state;
    options.client_secret = NULL;
    options.client_secret_file = secret_path;
    open_scene(&s, answers, 2, options);
    write_secret(" first\n");
    assert_string_equal(token(&s), "t1");
    write_secret("second\n");
    set_clock_pass(3600 * 1000);
    assert_string_equal(token(&s), "t2");
    assert_non_null(strstr(loopback_request(s.server, 0), "&client_secret=first"));
    assert_non_null(strstr(loopback_request(s.server, 1), "&client_secret=second"));
    close_scene(&s);
}

static void a_federated_token_is_sent_as_assertion(void **state)
{
    static const struct slice answers[] = {TOKEN("t1", "3600")};
    struct entra_options      options = {.kind = ENTRA_WORKLOAD_IDENTITY, .tenant_id = "t", .client_id = "c", .federated_token_file = secret_path};
    struct scene              s;
    (void)state;
    write_secret("ey.jwt\n");
    open_scene(&s, answers, 1, options);
    assert_string_equal(token(&s), "t1");
    assert_non_null(strstr(loopback_request(s.server, 0),
                           "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=ey.jwt"));
    close_scene(&s);
}

static void a_managed_identity_is_asked_for_where_the_platform_has_it(void **state)
{
    /* `expires_on` in strings, as these services write it: an hour after the clock's start. */
    static const struct slice answers[] = {SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"access_token\":\"m1\",\"expires_in\":\"86399\",\"expires_on\":\"0\"}"),
                                           SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"access_token\":\"m1\",\"expires_on\":\"1795323600\"}"),
                                           SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"access_token\":\"m1\",\"expires_on\":\"1795323600\"}")};
    static const struct {
        bool        endpoint, legacy;
        const char *client_id, *line, *header;
    } cases[] = {
        {false, false, NULL, "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com HTTP/1.1\r\n", "\r\nMetadata: true\r\n"},
        {true, false, "c1", "GET /?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com&client_id=c1 HTTP/1.1\r\n", "\r\nX-IDENTITY-HEADER: h\r\n"},
        {true, true, "c1", "GET /?api-version=2017-09-01&resource=https%3A%2F%2Fstorage.azure.com&clientid=c1 HTTP/1.1\r\n", "\r\nSecret: h\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene         s;
        struct error         err = {0};
        struct entra_options options = {.kind = ENTRA_MANAGED_IDENTITY, .client_id = cases[i].client_id};
        open_scene(&s, answers + i, 1, options);
        entra_free(s.entra);
        options.imds = s.base;
        options.identity_endpoint = cases[i].endpoint ? s.base : NULL;
        options.identity_header = "h";
        options.identity_legacy = cases[i].legacy;
        s.entra = entra_new(&options, s.client, &err);
        assert_string_equal(token(&s), "m1");
        set_clock_pass(3599 * 1000);
        assert_non_null(strstr(loopback_request(s.server, 0), cases[i].line));
        assert_non_null(strstr(loopback_request(s.server, 0), cases[i].header));
        close_scene(&s);
    }
}

static void a_second_slash_belongs_to_the_resource(void **state)
{
    static const struct slice answers[] = {TOKEN("t1", "3600")};
    struct error              err = {0};
    struct scene              s;
    (void)state;
    open_scene(&s, answers, 1, (struct entra_options){.kind = ENTRA_MANAGED_IDENTITY});
    assert_non_null(entra_token(s.entra, "https://monitor.azure.com//.default", NULL, &err));
    assert_non_null(strstr(loopback_request(s.server, 0), "&resource=https%3A%2F%2Fmonitor.azure.com%2F HTTP/1.1\r\n"));
    close_scene(&s);
}

static void the_environment_says_which_way(void **state)
{
    static const char *const names[] = {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET"};
    struct entra_options o;
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) unsetenv(names[i]);
    entra_options_from_environment(&o);
    assert_int_equal(o.kind, ENTRA_MANAGED_IDENTITY);
    assert_null(o.identity_endpoint);
    setenv("MSI_ENDPOINT", "http://127.0.0.1:2/msi", 1);
    setenv("MSI_SECRET", "h2", 1);
    entra_options_from_environment(&o);
    assert_true(o.identity_legacy);
    assert_string_equal(o.identity_endpoint, "http://127.0.0.1:2/msi");
    setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/id", 1);
    setenv("IDENTITY_HEADER", "h1", 1);
    entra_options_from_environment(&o);
    assert_false(o.identity_legacy);
    assert_string_equal(o.identity_header, "h1");
    setenv("AZURE_FEDERATED_TOKEN_FILE", "/f", 1);
    entra_options_from_environment(&o);
    assert_int_equal(o.kind, ENTRA_WORKLOAD_IDENTITY);
    setenv("AZURE_CLIENT_SECRET", "s", 1);
    entra_options_from_environment(&o);
    assert_int_equal(o.kind, ENTRA_CLIENT_SECRET);
    for (size_t i = 0; i < COUNT(names); i++) unsetenv(names[i]);
}

static void what_is_missing_is_told_before_anything_is_asked(void **state)
{
    static const struct {
        struct entra_options options;
        const char          *text;
    } cases[] = {
        {{.kind = ENTRA_CLIENT_SECRET, .client_id = "c", .client_secret = "s"}, "needs a tenant id"},
        {{.kind = ENTRA_CLIENT_SECRET, .tenant_id = "t/../x", .client_id = "c", .client_secret = "s"}, "needs a tenant id"},
        {{.kind = ENTRA_CLIENT_SECRET, .tenant_id = "t", .client_secret = "s"}, "needs a client id"},
        {{.kind = ENTRA_CLIENT_SECRET, .tenant_id = "t", .client_id = "c"}, "needs a client secret"},
        {{.kind = ENTRA_WORKLOAD_IDENTITY, .tenant_id = "t", .client_id = "c"}, "needs the file of its token"},
        {{.kind = ENTRA_MANAGED_IDENTITY, .client_id = "c&d"}, "a client id of Entra ID is a GUID"},
        {{.kind = ENTRA_MANAGED_IDENTITY, .identity_endpoint = "http://127.0.0.1"}, "needs its header"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        assert_null(entra_new(&cases[i].options, NULL, &err));
        assert_non_null(strstr(err.text, cases[i].text));
    }
}

/* --- Keeping and renewing --------------------------------------------------------------------------------------------- */

/* Renewal after 80 % of the life or five minutes before its end, whichever is first, never in the first half. */
static void a_token_is_kept_until_it_is_time_to_renew_it(void **state)
{
    static const struct {
        struct slice answer;
        uint64_t     renew_s;
    } cases[] = {
        {TOKEN("t1", "86400"), 69120}, {TOKEN("t1", "3600"), 2880}, {TOKEN("t1", "1000"), 700}, {TOKEN("t1", "400"), 200}, {TOKEN("t1", "60"), 48},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct slice answers[] = {cases[i].answer, TOKEN("t2", "3600")};
        struct scene       s;
        open_scene(&s, answers, 2, with_secret);
        assert_string_equal(token(&s), "t1");
        set_clock_pass(cases[i].renew_s * 1000 - 1);
        assert_string_equal(token(&s), "t1");
        set_clock_pass(1);
        assert_string_equal(token(&s), "t2");
        assert_string_equal(token(&s), "t2");
        assert_int_equal(loopback_requests(s.server), 2);
        close_scene(&s);
    }
}

static void each_scope_has_a_token_of_its_own(void **state)
{
    static const struct slice answers[] = {TOKEN("t1", "3600"), TOKEN("t2", "3600")};
    struct error              err = {0};
    struct scene              s;
    (void)state;
    open_scene(&s, answers, 2, with_secret);
    assert_string_equal(token(&s), "t1");
    assert_string_equal(entra_token(s.entra, "https://monitor.azure.com/.default", NULL, &err), "t2");
    assert_string_equal(token(&s), "t1");
    close_scene(&s);
}

static void when_renewal_fails_the_old_token_serves_until_it_expires(void **state)
{
    static const struct slice answers[] = {TOKEN("t1", "3600"), SLICE("HTTP/1.1 503 Busy\r\nRetry-After: 30\r\n" JSON), SLICE("HTTP/1.1 503 Busy\r\n" JSON), TOKEN("t2", "3600")};
    struct error              err = {0};
    struct scene              s;
    bool                      transient = false;
    (void)state;
    open_scene(&s, answers, COUNT(answers), with_secret);
    assert_string_equal(token(&s), "t1");
    set_clock_pass(3000 * 1000);
    assert_string_equal(token(&s), "t1");
    set_clock_pass(29 * 1000);   /* the answer asked for 30 */
    assert_string_equal(token(&s), "t1");
    assert_int_equal(loopback_requests(s.server), 2);
    set_clock_pass(600 * 1000);
    assert_null(entra_token(s.entra, SCOPE, &transient, &err));
    assert_true(transient);
    assert_non_null(strstr(err.text, "no token: '127.0.0.1:"));
    set_clock_pass(30 * 1000);
    assert_string_equal(token(&s), "t2");
    close_scene(&s);
}

static void a_token_that_was_refused_is_asked_for_again(void **state)
{
    static const struct slice answers[] = {TOKEN("t1", "3600"), TOKEN("t2", "3600")};
    struct scene              s;
    (void)state;
    open_scene(&s, answers, 2, with_secret);
    assert_string_equal(token(&s), "t1");
    entra_forget(s.entra, SCOPE);
    assert_string_equal(token(&s), "t2");
    close_scene(&s);
}

/* --- Refusals --------------------------------------------------------------------------------------------------------- */

static void refusals_are_told_by_their_number_only(void **state)
{
    static const struct {
        struct slice answer;
        const char  *text;
    } cases[] = {
        {REFUSAL_OF("7000215"), "no token: status 401, AADSTS7000215: the client secret is wrong"},
        {REFUSAL_OF("123456"), "no token: status 401, AADSTS123456: look the number up in the documentation of Entra ID"},
        {REFUSAL_OF("\"s3cret\""), "answered 401: the credentials are not accepted"},
        {SLICE("HTTP/1.1 400 No\r\n" JSON "{\"error\":\"s3cret\"}"), "answered 400: "},
        {SLICE("HTTP/1.1 400 s3cret\r\n" JSON "<html>s3cret"), "answered 400: "},
        {SLICE("HTTP/1.1 302 No\r\nLocation: http://127.0.0.1/s3cret\r\n" JSON), "answered 302: redirects are not followed"},
        {SLICE("HTTP/1.1 200 OK\r\n" JSON "s3cret"), "the answer of the identity service holds no token"},
        {SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"access_token\":\"s3cret\"}"), "the answer of the identity service holds no token"},
        {SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"access_token\":\"s3cret\\r\\nX: y\",\"expires_in\":3600}"), "the answer of the identity service holds no token"},
        {SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"access_token\":\"\",\"expires_in\":3600}"), "the answer of the identity service holds no token"},
        {SLICE("HTTP/1.1 200 OK\r\n" JSON "{\"access_token\":\"s3cret\",\"expires_in\":-5}"), "the answer of the identity service holds no token"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct scene s;
        open_scene(&s, &cases[i].answer, 1, with_secret);
        assert_null(entra_token(s.entra, SCOPE, NULL, &err));
        if (strstr(err.text, cases[i].text) == NULL) fail_msg("%s", err.text);
        assert_null(strstr(err.text, "s3cret"));
        assert_int_equal(err.code, ERROR_NETWORK);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_secret_is_sent_to_the_authority),
        cmocka_unit_test(a_secret_in_a_file_is_read_at_each_renewal),
        cmocka_unit_test(a_federated_token_is_sent_as_assertion),
        cmocka_unit_test(a_managed_identity_is_asked_for_where_the_platform_has_it),
        cmocka_unit_test(a_second_slash_belongs_to_the_resource),
        cmocka_unit_test(the_environment_says_which_way),
        cmocka_unit_test(what_is_missing_is_told_before_anything_is_asked),
        cmocka_unit_test(a_token_is_kept_until_it_is_time_to_renew_it),
        cmocka_unit_test(each_scope_has_a_token_of_its_own),
        cmocka_unit_test(when_renewal_fails_the_old_token_serves_until_it_expires),
        cmocka_unit_test(a_token_that_was_refused_is_asked_for_again),
        cmocka_unit_test(refusals_are_told_by_their_number_only),
    };
    return cmocka_run_group_tests(tests, make_secret, remove_secret);
}
