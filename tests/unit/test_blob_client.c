#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "loopback.h"
#include "net/blob_client.h"
#include "net/blob_sign.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ACCOUNT "devstoreaccount1"
/* The emulator's key, public. */
#define KEY "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

/* --- Signatures ------------------------------------------------------------------------------------------------------- */

static const struct http_header dated[] = {{"x-ms-version", "2021-12-02"}, {"X-MS-Date", " Sun, 22 Nov 2026 04:00:00 GMT "}, {"x-ms-range", "bytes=100-"},
                                           {"If-Match", "\"0x1F2E3D4C5B6A790\""}};

/* Requests signed so were accepted by the emulator. The signatures come from
 *   python3 -c 'import hmac,base64,sys; print(base64.b64encode(hmac.new(base64.b64decode(KEY), TEXT.encode(), "sha256").digest()))' */
static void a_request_is_signed_as_the_service_does_it(void **state)
{
    static const struct blob_parameter list[] = {
        {"comp", SLICE("list")}, {"maxresults", SLICE("1")}, {"prefix", SLICE("resourceId=/SUBSCRIPTIONS/")}, {"restype", SLICE("container")}};
    static const struct {
        struct blob_signed what;
        const char        *text, *signature;
    } cases[] = {
        {{"GET", ACCOUNT, "/devstoreaccount1/insights-activity-logs", list, 4, dated, 2, 0},
         "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Sun, 22 Nov 2026 04:00:00 GMT\nx-ms-version:2021-12-02\n/devstoreaccount1/devstoreaccount1/insights-activity-logs\n"
         "comp:list\nmaxresults:1\nprefix:resourceId=/SUBSCRIPTIONS/\nrestype:container",
         "nZggSCTrEUjP3Wg5lCNck3WSIZy8+Htc8Grdg1oH160="},
        {{"GET", ACCOUNT, "/devstoreaccount1/insights-activity-logs/resourceId=/SUBSCRIPTIONS/X/y=2026/m=11/d=22/h=04/m=00/PT1H.json", NULL, 0, dated, 4, 0},
         "GET\n\n\n\n\n\n\n\n\"0x1F2E3D4C5B6A790\"\n\n\n\nx-ms-date:Sun, 22 Nov 2026 04:00:00 GMT\nx-ms-range:bytes=100-\nx-ms-version:2021-12-02\n"
         "/devstoreaccount1/devstoreaccount1/insights-activity-logs/resourceId=/SUBSCRIPTIONS/X/y=2026/m=11/d=22/h=04/m=00/PT1H.json",
         "fxPG9rlKoJhnSm+jNIrGzNcYoO/abVNFMIoHcfhuSjk="},
    };
    unsigned char key[BLOB_KEY_BYTES];
    size_t        key_len;
    (void)state;
    assert_true(base64_read(SLICE(KEY), key, sizeof key, &key_len));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text_buffer text;
        char               signature[BLOB_SIGNATURE_BYTES];
        text_buffer_init(&text, 4096);
        blob_string_to_sign(&cases[i].what, &text);
        assert_string_equal(text.data, cases[i].text);
        blob_signature(key, key_len, slice_of(text.data, text.len), signature);
        assert_string_equal(signature, cases[i].signature);
        text_buffer_release(&text);
    }
}

/* --- Requests --------------------------------------------------------------------------------------------------------- */

struct scene {
    struct loopback    *server;
    struct http_client *http;
    struct blob_client *blobs;
};

static const struct retry_options at_once = {.base_ms = 1, .cap_ms = 1};

static void open_scene(struct scene *s, const struct slice *answers, size_t count, struct blob_client_options options)
{
    struct error err = {0};
    s->server = loopback_start(answers, count);
    s->http = http_client_new(&(struct http_client_options){0}, &err);
    options.endpoint = loopback_url(s->server, "/" ACCOUNT);
    options.pace = at_once;
    s->blobs = blob_client_new(&options, s->http, &err);
    if (s->blobs == NULL) fail_msg("%s", err.text);
}

static void close_scene(struct scene *s)
{
    blob_client_free(s->blobs);
    http_client_free(s->http);
    loopback_stop(s->server);
}

static const struct blob_client_options with_key = {.account = ACCOUNT, .key = KEY}, with_signature = {.signature = "sv=2020-12-06&sig=s3cret%3D"};

#define LISTING(blobs, marker) "<EnumerationResults><Blobs>" blobs "</Blobs><NextMarker>" marker "</NextMarker></EnumerationResults>"
#define CLOSED(status, headers, body) SLICE("HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n" body)
#define ONE "<Blob><Name>a</Name></Blob>"

static void pages_are_listed_one_after_another(void **state)
{
    static const struct slice answers[] = {CLOSED("200 OK", "", LISTING(ONE, "m &amp; n")), CLOSED("200 OK", "", LISTING("<Blob><Name>b</Name></Blob>", ""))};
    struct blob_page          page;
    struct error              err = {0};
    struct scene              s;
    (void)state;
    open_scene(&s, answers, COUNT(answers), with_signature);
    blob_page_init(&page);
    assert_int_equal(blob_list(s.blobs, "logs", SLICE("x/y=1 "), &page, &err), BLOB_DONE);
    assert_string_equal(blob_page_name(&page, &page.items[0]).data, "a");
    assert_int_equal(blob_list(s.blobs, "logs", SLICE("x/y=1 "), &page, &err), BLOB_DONE);
    assert_int_equal(page.count, 1);
    assert_string_equal(blob_page_name(&page, &page.items[0]).data, "b");
    assert_int_equal(page.next_marker.len, 0);
    assert_non_null(strstr(loopback_request(s.server, 0),
                           "GET /devstoreaccount1/logs?comp=list&prefix=x%2Fy%3D1%20&restype=container&sv=2020-12-06&sig=s3cret%3D HTTP/1.1\r\n"));
    assert_non_null(strstr(loopback_request(s.server, 0), "\r\nx-ms-version: 2021-12-02\r\n"));
    assert_null(strstr(loopback_request(s.server, 0), "Authorization"));
    assert_non_null(strstr(loopback_request(s.server, 1), "?comp=list&marker=m%20%26%20n&prefix="));
    blob_page_release(&page);
    close_scene(&s);
}

static void a_listing_that_breaks_off_is_asked_for_again_and_no_blob_is_there_twice(void **state)
{
    static const struct slice answers[] = {SLICE("HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\n<EnumerationResults><Blobs>" ONE),
                                           CLOSED("503 Busy", "Retry-After: 0\r\n", ""), CLOSED("200 OK", "", LISTING(ONE, ""))};
    struct blob_page          page;
    struct error              err = {0};
    struct scene              s;
    (void)state;
    open_scene(&s, answers, COUNT(answers), with_key);
    blob_page_init(&page);
    assert_int_equal(blob_list(s.blobs, "logs", SLICE(""), &page, &err), BLOB_DONE);
    assert_int_equal(page.count, 1);
    assert_int_equal(loopback_requests(s.server), 3);
    assert_non_null(strstr(loopback_request(s.server, 2), "\r\nAuthorization: SharedKey devstoreaccount1:"));
    blob_page_release(&page);
    close_scene(&s);
}

static void the_containers_of_an_account_are_listed_and_the_answer_says_when(void **state)
{
    static const struct slice answers[] = {CLOSED("200 OK", "Date: Sun, 22 Nov 2026 04:00:00 GMT\r\n",
                                                  "<EnumerationResults><Containers><Container><Name>insights-logs-a</Name><Properties><Etag>\"0x1\"</Etag></Properties>"
                                                  "</Container><Container><Name>insights-logs-b</Name></Container></Containers><NextMarker/></EnumerationResults>"),
                                           CLOSED("503 Busy", "Retry-After: 7\r\n", "")};
    struct blob_client_options options = with_key;
    struct blob_page           page;
    struct error               err = {0};
    struct scene               s;
    (void)state;
    options.attempts = 1;
    open_scene(&s, answers, COUNT(answers), options);
    blob_page_init(&page);
    assert_int_equal(blob_list(s.blobs, "", SLICE("insights-"), &page, &err), BLOB_DONE);
    assert_int_equal(page.count, 2);
    assert_string_equal(blob_page_name(&page, &page.items[0]).data, "insights-logs-a");
    assert_string_equal(blob_page_name(&page, &page.items[1]).data, "insights-logs-b");
    assert_int_equal(page.date, 1795320000);   /* date -u -d 'Sun, 22 Nov 2026 04:00:00 GMT' +%s */
    assert_non_null(strstr(loopback_request(s.server, 0), "GET /devstoreaccount1/?comp=list&prefix=insights- HTTP/1.1\r\n"));
    assert_int_equal(blob_list(s.blobs, "", SLICE("insights-"), &page, &err), BLOB_LATER);
    assert_int_equal(blob_client_last(s.blobs)->status, 503);
    assert_string_equal(blob_client_last(s.blobs)->retry_after, "7");
    blob_page_release(&page);
    close_scene(&s);
}

static void what_does_not_pass_is_told_with_host_and_code(void **state)
{
    static const struct {
        struct slice      answer;
        enum blob_outcome outcome;
        const char       *text;
    } cases[] = {
        {CLOSED("403 s3cret", "x-ms-error-code: AuthorizationFailure\r\n", "s3cret"), BLOB_FAILED, "answered 403 AuthorizationFailure: the credentials lack the right"},
        {CLOSED("404 s3cret", "x-ms-error-code: ContainerNotFound\r\n", "s3cret"), BLOB_MISSING, "answered 404 ContainerNotFound"},
        {CLOSED("302 Found", "Location: http://127.0.0.1/s3cret\r\n", ""), BLOB_FAILED, "redirects are not followed"},
        {CLOSED("200 OK", "", "<html>s3cret</html>"), BLOB_FAILED, "what was answered is no listing of blobs"},
        {CLOSED("200 OK", "", "<EnumerationResults><Blobs>" ONE), BLOB_FAILED, "what was answered is no listing of blobs"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct blob_page page;
        struct error     err = {0};
        struct scene     s;
        open_scene(&s, &cases[i].answer, 1, with_signature);
        blob_page_init(&page);
        assert_int_equal(blob_list(s.blobs, "logs", SLICE(""), &page, &err), cases[i].outcome);
        if (strstr(err.text, cases[i].text) == NULL) fail_msg("%s", err.text);
        assert_null(strstr(err.text, "s3cret"));
        assert_int_equal(page.count, 0);
        assert_int_equal(loopback_requests(s.server), 1);
        blob_page_release(&page);
        close_scene(&s);
    }
}

static void attempts_end_and_the_last_fault_is_told(void **state)
{
    static const struct slice  answers[] = {CLOSED("503 Busy", "", ""), LOOPBACK_END, CLOSED("500 Fault", "", "")};
    struct blob_client_options options = with_signature;
    struct blob_item           item;
    struct error               err = {0};
    struct scene               s;
    (void)state;
    options.attempts = 3;
    open_scene(&s, answers, COUNT(answers), options);
    assert_int_equal(blob_properties(s.blobs, "logs", SLICE("a"), &item, &err), BLOB_LATER);
    assert_non_null(strstr(err.text, "answered 500: the service has a fault"));
    assert_int_equal(loopback_requests(s.server), 3);
    close_scene(&s);
}

static void a_token_that_is_refused_is_renewed_once(void **state)
{
    static const struct slice tokens[] = {CLOSED("200 OK", "", "{\"access_token\":\"t1\",\"expires_in\":3600}"), CLOSED("200 OK", "", "{\"access_token\":\"t2\",\"expires_in\":3600}")};
    static const struct slice answers[] = {CLOSED("401 No", "", ""), CLOSED("200 OK", "Content-Length: 7\r\n", ""), CLOSED("401 No", "", "")};
    struct loopback     *identity = loopback_start(tokens, COUNT(tokens));
    struct entra_options who = {.kind = ENTRA_MANAGED_IDENTITY, .imds = loopback_url(identity, "")};
    struct blob_item     item;
    struct error         err = {0};
    struct http_client  *http = http_client_new(&(struct http_client_options){0}, &err);
    struct entra        *entra = entra_new(&who, http, &err);
    struct scene         s;
    (void)state;
    open_scene(&s, answers, COUNT(answers), (struct blob_client_options){.entra = entra});
    assert_int_equal(blob_properties(s.blobs, "logs", SLICE("a"), &item, &err), BLOB_DONE);
    assert_int_equal(item.size, 7);
    assert_non_null(strstr(loopback_request(s.server, 0), "\r\nAuthorization: Bearer t1\r\n"));
    assert_non_null(strstr(loopback_request(s.server, 1), "\r\nAuthorization: Bearer t2\r\n"));
    close_scene(&s);
    entra_free(entra);
    http_client_free(http);
    loopback_stop(identity);
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

static void names_are_encoded_in_addresses(void **state)
{
    static const struct {
        const char *name, *path;
    } cases[] = {
        {"resourceId=/X/m=00/PT1H.json", "resourceId=/X/m=00/PT1H.json"},
        {"a b?c#d%e+f&g", "a%20b%3Fc%23d%25e%2Bf%26g"},
        {"\xc3\xa9/\xf0\x9f\x93\x84", "%C3%A9/%F0%9F%93%84"},
        {"a/../b/./c//d", "a/../b/./c//d"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        static const struct slice answer[] = {CLOSED("200 OK", "Content-Length: 0\r\n", "")};
        char                      line[256];
        struct blob_item          item;
        struct error              err = {0};
        struct scene              s;
        open_scene(&s, answer, 1, with_key);
        assert_int_equal(blob_properties(s.blobs, "logs", slice_from(cases[i].name), &item, &err), BLOB_DONE);
        snprintf(line, sizeof line, "HEAD /devstoreaccount1/logs/%s HTTP/1.1\r\n", cases[i].path);
        assert_non_null(strstr(loopback_request(s.server, 0), line));
        close_scene(&s);
    }
}

static void a_part_of_a_version_is_read(void **state)
{
    static const struct {
        struct slice      answer;
        uint64_t          offset;
        enum blob_outcome outcome;
        const char       *bytes;
    } cases[] = {
        {ANSWER("206 Part", "", "3", "abc"), 100, BLOB_DONE, "abc"},
        {ANSWER("206 Part", "", "8", "abcdefgh"), 100, BLOB_DONE, "abcdefgh"},
        {ANSWER("206 Part", "", "9", "abcdefghi"), 100, BLOB_FAILED, ""},
        {ANSWER("200 OK", "", "3", "abc"), 0, BLOB_DONE, "abc"},
        {ANSWER("200 OK", "", "3", "abc"), 100, BLOB_FAILED, ""},
        {ANSWER("206 Part", "", "0", ""), 100, BLOB_NOTHING_NEW, ""},
        {ANSWER("416 No", "", "2", "xx"), 100, BLOB_NOTHING_NEW, ""},
        {ANSWER("412 No", "", "2", "xx"), 100, BLOB_CHANGED, ""},
        {ANSWER("404 No", "", "2", "xx"), 100, BLOB_MISSING, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char         buffer[8];
        size_t       got;
        struct error err = {0};
        struct scene s;
        open_scene(&s, &cases[i].answer, 1, with_signature);
        assert_int_equal(blob_read(s.blobs, "logs", SLICE("a"), "\"0x1\"", cases[i].offset, buffer, sizeof buffer, &got, &err), cases[i].outcome);
        assert_true(slice_equal(slice_of(buffer, got), slice_from(cases[i].bytes)));
        assert_non_null(strstr(loopback_request(s.server, 0), cases[i].offset ? "\r\nx-ms-range: bytes=100-107\r\n" : "\r\nx-ms-range: bytes=0-7\r\n"));
        assert_non_null(strstr(loopback_request(s.server, 0), "\r\nIf-Match: \"0x1\"\r\n"));
        close_scene(&s);
    }
}

/* --- Streams ---------------------------------------------------------------------------------------------------------- */

#define PROPERTIES(etag, size, created, type) \
    CLOSED("200 OK", "ETag: " etag "\r\nContent-Length: " size "\r\nx-ms-creation-time: Sun, 22 Nov 2026 0" created ":00:00 GMT\r\nx-ms-blob-type: " type "\r\n", "")
#define CREATED 1795320000   /* Sun, 22 Nov 2026 04:00:00 GMT */

static void a_stream_reads_the_version_that_was_listed(void **state)
{
    static const struct {
        struct slice     answers[4];
        struct blob_item item;
        const char      *bytes, *error;
    } cases[] = {
        /* in two pieces, since the first answer was short */
        {{ANSWER("206 Part", "", "3", "abc"), ANSWER("206 Part", "", "2", "de")}, {.size = 5, .etag = "\"1\""}, "abcde", NULL},
        {{ANSWER("503 Busy", "", "0", ""), ANSWER("206 Part", "", "1", "a")}, {.size = 1, .etag = "\"1\""}, "a", NULL},
        {{SLICE("")}, {.size = 0}, "", NULL},
        /* an append blob that has grown, before and while it is read: not a byte of what is new */
        {{ANSWER("412 No", "", "0", ""), PROPERTIES("\"2\"", "9", "4", "AppendBlob"), ANSWER("206 Part", "", "5", "abcde")},
         {.size = 5, .etag = "\"1\"", .type = BLOB_APPEND, .created = CREATED}, "abcde", NULL},
        {{ANSWER("206 Part", "", "3", "abc"), ANSWER("412 No", "", "0", ""), PROPERTIES("\"2\"", "9", "4", "AppendBlob"), ANSWER("206 Part", "", "2", "de")},
         {.size = 5, .etag = "\"1\"", .type = BLOB_APPEND, .created = CREATED}, "abcde", NULL},
        /* made anew meanwhile */
        {{ANSWER("206 Part", "", "3", "abc"), ANSWER("412 No", "", "0", ""), PROPERTIES("\"2\"", "9", "5", "AppendBlob"), ANSWER("206 Part", "", "2", "de")},
         {.size = 5, .etag = "\"1\"", .type = BLOB_APPEND, .created = CREATED}, "abc", "cannot read 'shown': it was replaced while it was read"},
        {{ANSWER("206 Part", "", "3", "abc"), ANSWER("412 No", "", "0", ""), PROPERTIES("\"2\"", "9", "4", "BlockBlob")},
         {.size = 5, .etag = "\"1\"", .created = CREATED}, "abc", "cannot read 'shown': it was replaced while it was read"},
        /* replaced before the first byte: the new one is read */
        {{ANSWER("412 No", "", "0", ""), PROPERTIES("\"2\"", "2", "5", "BlockBlob"), ANSWER("206 Part", "", "2", "xy")},
         {.size = 5, .etag = "\"1\"", .created = CREATED}, "xy", NULL},
        {{ANSWER("416 No", "", "0", "")}, {.size = 5, .etag = "\"1\""}, "", "cannot read 'shown': it is shorter than it was"},
        {{CLOSED("404 No", "", "")}, {.size = 5, .etag = "\"1\""}, "", "answered 404: there is no such thing at that address"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char         text[64] = "";
        size_t       len = 0;
        ptrdiff_t    got;
        struct error err = {0};
        struct scene s;
        open_scene(&s, cases[i].answers, 4, with_signature);
        struct blob_stream *stream = blob_stream_open(s.blobs, "logs", SLICE("a"), &cases[i].item, "shown", &err);
        while ((got = blob_stream_read(stream, text + len, 2, &err)) > 0) len += (size_t)got;
        assert_string_equal(text, cases[i].bytes);
        assert_int_equal(got, cases[i].error ? -1 : 0);
        if (cases[i].error != NULL && strstr(err.text, cases[i].error) == NULL) fail_msg("%s", err.text);
        blob_stream_close(stream);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed_as_the_service_does_it),
        cmocka_unit_test(pages_are_listed_one_after_another),
        cmocka_unit_test(a_listing_that_breaks_off_is_asked_for_again_and_no_blob_is_there_twice),
        cmocka_unit_test(the_containers_of_an_account_are_listed_and_the_answer_says_when),
        cmocka_unit_test(what_does_not_pass_is_told_with_host_and_code),
        cmocka_unit_test(attempts_end_and_the_last_fault_is_told),
        cmocka_unit_test(a_token_that_is_refused_is_renewed_once),
        cmocka_unit_test(names_are_encoded_in_addresses),
        cmocka_unit_test(a_part_of_a_version_is_read),
        cmocka_unit_test(a_stream_reads_the_version_that_was_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
