#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/base64.h"
#include "net/connection_string.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define GUID "00000000-1111-2222-3333-444444444444"
#define EMPTY_KEY "c2VjcmV0"   /* base64 */

static void assert_text(const char *is, const char *expected)
{
    if (expected == NULL)
        assert_null(is);
    else
        assert_string_equal(is, expected);
}

/* --- Event Hubs ------------------------------------------------------------------------------------------------------- */

static void strings_of_event_hubs_are_read(void **state)
{
    static const struct {
        const char *text, *host, *name, *key, *entity;
    } cases[] = {
        {"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=abc=;EntityPath=hub", "ns.servicebus.windows.net", "Root", "abc=", "hub"},
        {"Endpoint=sb://ns.servicebus.windows.net;SharedAccessKeyName=Root;SharedAccessKey=a=b==", "ns.servicebus.windows.net", "Root", "a=b==", NULL},
        {" ; sharedaccesskey = k ;ENDPOINT= SB://h:5671/ ; SharedAccessKeyName=n;;\n", "h", "n", "k", NULL},
        {"Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;", "localhost", "n", "k", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct event_hubs_string s;
        struct error             err = {0};
        if (!event_hubs_string_parse(slice_from(cases[i].text), &s, &err)) fail_msg("%s", err.text);
        assert_text(s.host, cases[i].host);
        assert_text(s.key_name, cases[i].name);
        assert_text(s.key, cases[i].key);
        assert_text(s.entity_path, cases[i].entity);
        event_hubs_string_release(&s);
    }
}

static void what_is_wrong_with_a_string_of_event_hubs_is_told_without_its_values(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "the connection string of Event Hubs is empty"},
        {" \n", "the connection string of Event Hubs is empty"},
        {"s3cret", "the connection string of Event Hubs is wrong: part 1 is not KEY=VALUE"},
        {"Endpoint=sb://h;s3cret", "the connection string of Event Hubs is wrong: part 2 is not KEY=VALUE"},
        {"SharedAccessKeyName=s3cret;SharedAccessKey=s3cret", "the connection string of Event Hubs has no Endpoint"},
        {"Endpoint=sb://h;SharedAccessKey=s3cret", "the connection string of Event Hubs has no SharedAccessKeyName"},
        {"Endpoint=sb://h;SharedAccessKeyName=s3cret", "the connection string of Event Hubs has no SharedAccessKey"},
        {"Endpoint=sb://h;SharedAccessKeyName=s3cret;SharedAccessKey=", "the connection string of Event Hubs has no value for SharedAccessKey"},
        {"Endpoint=sb://h;SharedAccessKeyName=n;SharedAccessKey=s3cret;sharedaccesskey=s3cret", "the connection string of Event Hubs has SharedAccessKey twice"},
        {"Endpoint=https://s3cret;SharedAccessKeyName=n;SharedAccessKey=k", "the connection string of Event Hubs has a wrong Endpoint: sb://NAME.servicebus.windows.net/ is needed"},
        {"Endpoint=sb://s3cret/path;SharedAccessKeyName=n;SharedAccessKey=k", "the connection string of Event Hubs has a wrong Endpoint: sb://NAME.servicebus.windows.net/ is needed"},
        {"Endpoint=sb://;SharedAccessKeyName=n;SharedAccessKey=k", "the connection string of Event Hubs has a wrong Endpoint: sb://NAME.servicebus.windows.net/ is needed"},
        {"Endpoint=sb://h;SharedAccessKeyName=n;SharedAccessKey=s3\ncret", "the connection string of Event Hubs has bytes that are not printable ASCII"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct event_hubs_string s;
        struct error             err = {0};
        assert_false(event_hubs_string_parse(slice_from(cases[i].text), &s, &err));
        assert_string_equal(err.text, cases[i].error);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_null(s.key);
    }
}

static void a_string_longer_than_the_limit_is_refused(void **state)
{
    static char              text[CONNECTION_STRING_MAX + 2];
    struct event_hubs_string s;
    struct error             err = {0};
    (void)state;
    memset(text, 'x', CONNECTION_STRING_MAX + 1);
    assert_false(event_hubs_string_parse(slice_from(text), &s, &err));
    assert_string_equal(err.text, "the connection string of Event Hubs is longer than 4096 bytes");
}

/* --- Storage ---------------------------------------------------------------------------------------------------------- */

static void strings_of_storage_are_read(void **state)
{
    static const struct {
        const char *text, *account, *key, *signature, *endpoint;
    } cases[] = {
        {"DefaultEndpointsProtocol=https;AccountName=stlogs;AccountKey=" EMPTY_KEY ";EndpointSuffix=core.windows.net", "stlogs", EMPTY_KEY, NULL,
         "https://stlogs.blob.core.windows.net"},
        {"AccountName=stlogs;AccountKey=" EMPTY_KEY, "stlogs", EMPTY_KEY, NULL, "https://stlogs.blob.core.windows.net"},
        {"accountname=st1;accountkey=" EMPTY_KEY ";endpointsuffix=core.chinacloudapi.cn;", "st1", EMPTY_KEY, NULL, "https://st1.blob.core.chinacloudapi.cn"},
        {"BlobEndpoint=https://stlogs.blob.core.windows.net/;QueueEndpoint=https://q/;SharedAccessSignature=sv=2020&sig=a%3D", NULL, NULL, "sv=2020&sig=a%3D",
         "https://stlogs.blob.core.windows.net"},
        {"AccountName=stlogs;SharedAccessSignature=?sv=2020&sig=a%3D", "stlogs", NULL, "sv=2020&sig=a%3D", "https://stlogs.blob.core.windows.net"},
        {"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=" EMPTY_KEY ";BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;",
         "devstoreaccount1", EMPTY_KEY, NULL, "http://127.0.0.1:10000/devstoreaccount1"},
        {"UseDevelopmentStorage=true", "devstoreaccount1",
         "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==", NULL, "http://127.0.0.1:10000/devstoreaccount1"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct storage_string s;
        struct error          err = {0};
        if (!storage_string_parse(slice_from(cases[i].text), &s, &err)) fail_msg("%s", err.text);
        assert_text(s.account, cases[i].account);
        assert_text(s.key, cases[i].key);
        assert_text(s.signature, cases[i].signature);
        assert_text(s.blob_endpoint, cases[i].endpoint);
        storage_string_release(&s);
    }
}

static void what_is_wrong_with_a_string_of_storage_is_told_without_its_values(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"AccountKey=" EMPTY_KEY, "has no AccountName"},
        {"AccountName=stlogs", "has no AccountKey and no SharedAccessSignature"},
        {"UseDevelopmentStorage=false", "has no AccountName"},
        {"AccountName=s3cret/../x;AccountKey=" EMPTY_KEY, "has a wrong AccountName"},
        {"AccountName=st;AccountKey=" EMPTY_KEY, "has a wrong AccountName"},
        {"AccountName=stlogs;AccountKey=s3cret", "has a wrong AccountKey: base64 is needed"},
        {"AccountName=stlogs;AccountKey=s3c=cret", "has a wrong AccountKey: base64 is needed"},
        {"AccountName=stlogs;AccountKey=" EMPTY_KEY ";DefaultEndpointsProtocol=http", "has a wrong DefaultEndpointsProtocol: https is needed"},
        {"AccountName=stlogs;AccountKey=" EMPTY_KEY ";EndpointSuffix=s3cret/x", "has a wrong EndpointSuffix"},
        {"AccountName=stlogs;AccountKey=" EMPTY_KEY ";BlobEndpoint=https://h/?sig=s3cret", "has a wrong BlobEndpoint"},
        {"AccountName=stlogs;AccountKey=" EMPTY_KEY ";BlobEndpoint=ftp://s3cret", "has a wrong BlobEndpoint"},
        {"AccountName=stlogs;AccountKey=" EMPTY_KEY ";AccountName=s3cret", "has AccountName twice"},
        {"BlobEndpoint=https://h;AccountKey=" EMPTY_KEY, "has no AccountName"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct storage_string s;
        struct error          err = {0};
        assert_false(storage_string_parse(slice_from(cases[i].text), &s, &err));
        if (strstr(err.text, cases[i].error) == NULL) fail_msg("%s", err.text);
        assert_null(strstr(err.text, "s3c"));
    }
}

/* --- Application Insights --------------------------------------------------------------------------------------------- */

static void strings_of_application_insights_are_read(void **state)
{
    static const struct {
        const char *text, *endpoint, *audience;
    } cases[] = {
        {"InstrumentationKey=" GUID, "https://dc.services.visualstudio.com", NULL},
        {"InstrumentationKey=" GUID ";IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;LiveEndpoint=https://x/;ApplicationId=" GUID,
         "https://westeurope-5.in.applicationinsights.azure.com", NULL},
        {"instrumentationkey=" GUID ";EndpointSuffix=ai.contoso.com", "https://dc.ai.contoso.com", NULL},
        {"InstrumentationKey=" GUID ";EndpointSuffix=ai.contoso.com;Location=westus2", "https://westus2.dc.ai.contoso.com", NULL},
        {"InstrumentationKey=" GUID ";EndpointSuffix=ignored.com;IngestionEndpoint=https://a.b//", "https://a.b", NULL},
        {"InstrumentationKey=" GUID ";AADAudience=https://monitor.azure.us/;Authorization=ikey;", "https://dc.services.visualstudio.com", "https://monitor.azure.us/"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct app_insights_string s;
        struct error               err = {0};
        if (!app_insights_string_parse(slice_from(cases[i].text), &s, &err)) fail_msg("%s", err.text);
        assert_text(s.instrumentation_key, GUID);
        assert_text(s.ingestion_endpoint, cases[i].endpoint);
        assert_text(s.audience, cases[i].audience);
        app_insights_string_release(&s);
    }
}

static void what_is_wrong_with_a_string_of_application_insights_is_told_without_its_values(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"IngestionEndpoint=https://s3cret", "has no InstrumentationKey"},
        {"InstrumentationKey=s3cret", "has a wrong InstrumentationKey: a GUID is needed"},
        {"InstrumentationKey=00000000-1111-2222-3333-44444444444g", "has a wrong InstrumentationKey: a GUID is needed"},
        {"InstrumentationKey=" GUID ";IngestionEndpoint=s3cret", "has a wrong IngestionEndpoint"},
        {"InstrumentationKey=" GUID ";IngestionEndpoint=https://u:s3cret@h", "has a wrong IngestionEndpoint"},
        {"InstrumentationKey=" GUID ";Authorization=s3cret", "has a wrong Authorization: ikey is needed"},
        {"InstrumentationKey=" GUID ";EndpointSuffix=x;Location=s3cret.evil", "has a wrong Location"},
        {"InstrumentationKey=" GUID ";AADAudience=s3cret", "has a wrong AADAudience"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct app_insights_string s;
        struct error               err = {0};
        assert_false(app_insights_string_parse(slice_from(cases[i].text), &s, &err));
        if (strstr(err.text, cases[i].error) == NULL) fail_msg("%s", err.text);
        assert_null(strstr(err.text, "s3cret"));
    }
}

/* --- Base64 ----------------------------------------------------------------------------------------------------------- */

static void base64_is_that_of_the_rfc(void **state)
{
    /* RFC 4648 section 10 */
    static const struct {
        const char *plain, *encoded;
    } cases[] = {{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"", "Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9-", "Zm 9v", "Zm9v\n"};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char          text[BASE64_ROOM(6)];
        unsigned char plain[6];
        size_t        len;
        base64_write((const unsigned char *)cases[i].plain, strlen(cases[i].plain), text);
        assert_string_equal(text, cases[i].encoded);
        assert_true(base64_read(slice_from(text), plain, sizeof plain, &len));
        assert_true(slice_equal(slice_of((char *)plain, len), slice_from(cases[i].plain)));
        assert_false(base64_read(slice_from(text), plain, strlen(text) / 4 * 3 - 1, &len));
    }
    for (size_t i = 0; i < COUNT(bad); i++) assert_false(base64_is(slice_from(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_of_event_hubs_are_read),
        cmocka_unit_test(what_is_wrong_with_a_string_of_event_hubs_is_told_without_its_values),
        cmocka_unit_test(a_string_longer_than_the_limit_is_refused),
        cmocka_unit_test(strings_of_storage_are_read),
        cmocka_unit_test(what_is_wrong_with_a_string_of_storage_is_told_without_its_values),
        cmocka_unit_test(strings_of_application_insights_are_read),
        cmocka_unit_test(what_is_wrong_with_a_string_of_application_insights_is_told_without_its_values),
        cmocka_unit_test(base64_is_that_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
