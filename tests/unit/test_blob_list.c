#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/blob_list.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://st.blob.core.windows.net/?a>b\" ContainerName='c'>"
#define PAGE(blobs) HEAD "<Blobs>" blobs "</Blobs><NextMarker /></EnumerationResults>"
#define NAMED(name) PAGE("<Blob><Name>" name "</Name></Blob>")

/* Reads a listing in pieces of a size. */
static bool read_in_pieces(struct slice xml, size_t piece, struct blob_page *page)
{
    struct blob_list_reader *r = blob_list_reader_new(page);
    bool                     sound = true;
    blob_page_clear(page);
    for (size_t at = 0; at < xml.len && sound; at += piece)
        sound = blob_list_reader_add(r, slice_sub(xml, at, at + piece < xml.len ? at + piece : xml.len));
    sound = sound && blob_list_reader_finish(r);
    blob_list_reader_free(r);
    return sound;
}

static void assert_name(const struct blob_page *p, size_t i, const char *expected)
{
    assert_string_equal(blob_page_name(p, &p->items[i]).data, expected);
    assert_int_equal(p->items[i].name_len, strlen(expected));
}

/* As the service writes it: properties in its order, empty ones, a marker to go on with. */
#define REAL_PAGE \
    "\xef\xbb\xbf" HEAD "<Prefix>resourceId=/SUBSCRIPTIONS/</Prefix><MaxResults>2</MaxResults><Blobs>" \
    "<Blob><Name>resourceId=/SUBSCRIPTIONS/DDC6/y=2026/m=11/d=22/h=04/m=00/PT1H.json</Name><Properties>" \
    "<Creation-Time>Sun, 22 Nov 2026 04:04:12 GMT</Creation-Time><Last-Modified>Sun, 22 Nov 2026 04:41:03 GMT</Last-Modified>" \
    "<Etag>0x8DF2A1B2C3D4E5F</Etag><Content-Length>48213</Content-Length><Content-Type>application/json</Content-Type>" \
    "<Content-Encoding /><Content-MD5 /><BlobType>AppendBlob</BlobType><LeaseStatus>unlocked</LeaseStatus></Properties></Blob>\n" \
    "<BlobPrefix><Name>resourceId=/</Name></BlobPrefix>" \
    "<Blob><Name>b</Name><Snapshot>x</Snapshot><Metadata><Name>not this</Name><Etag>nor this</Etag></Metadata><Properties>" \
    "<ResourceType>directory</ResourceType><Etag>\"0x1\"</Etag><Content-Length>0</Content-Length></Properties></Blob>" \
    "</Blobs><NextMarker>2!140!MDAwMDkyIXJlc291cmNl-</NextMarker></EnumerationResults>\r\n"

static void a_page_is_read_however_it_is_cut(void **state)
{
    static const struct slice xml = SLICE(REAL_PAGE);
    struct blob_page          p;
    (void)state;
    blob_page_init(&p);
    for (size_t piece = 1; piece <= xml.len; piece += piece < 40 ? 1 : 97) {
        assert_true(read_in_pieces(xml, piece, &p));
        assert_int_equal(p.count, 2);
        assert_name(&p, 0, "resourceId=/SUBSCRIPTIONS/DDC6/y=2026/m=11/d=22/h=04/m=00/PT1H.json");
        assert_int_equal(p.items[0].size, 48213);
        assert_int_equal(p.items[0].created, 1795320252);    /* date -u -d 'Sun, 22 Nov 2026 04:04:12 GMT' +%s */
        assert_int_equal(p.items[0].modified, 1795322463);   /* 04:41:03 */
        assert_string_equal(p.items[0].etag, "\"0x8DF2A1B2C3D4E5F\"");
        assert_int_equal(p.items[0].type, BLOB_APPEND);
        assert_false(p.items[0].directory);
        assert_name(&p, 1, "b");
        assert_string_equal(p.items[1].etag, "\"0x1\"");
        assert_int_equal(p.items[1].type, BLOB_BLOCK);
        assert_true(p.items[1].directory);
        assert_string_equal(p.next_marker.data, "2!140!MDAwMDkyIXJlc291cmNl-");
    }
    blob_page_release(&p);
}

static void the_last_page_has_no_marker(void **state)
{
    static const struct slice ends[] = {SLICE(HEAD "<Blobs /><NextMarker /></EnumerationResults>"), SLICE(HEAD "<Blobs></Blobs><NextMarker></NextMarker></EnumerationResults>"),
                                        SLICE(HEAD "</EnumerationResults>")};
    struct blob_page p;
    (void)state;
    blob_page_init(&p);
    for (size_t i = 0; i < COUNT(ends); i++) {
        assert_true(read_in_pieces(ends[i], 7, &p));
        assert_int_equal(p.count, 0);
        assert_int_equal(p.next_marker.len, 0);
    }
    blob_page_release(&p);
}

static void names_are_those_that_were_given_to_the_blobs(void **state)
{
    static const struct {
        struct slice xml;
        const char  *name;
    } cases[] = {
        {SLICE(NAMED("a&amp;b&lt;c&gt;d&quot;e&apos;f")), "a&b<c>d\"e'f"},
        {SLICE(NAMED("&#65;&#x42;&#xe9;&#x20AC;&#128512;&#x10FFFF;")), "AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"},
        {SLICE(NAMED("&#x7f;&#x80;&#x7ff;&#x800;&#xffff;&#x10000;")), "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80"},
        {SLICE(NAMED("\xe6\x97\xa5\xe8\xaa\x8c \xf0\x9f\x93\x84.json")), "\xe6\x97\xa5\xe8\xaa\x8c \xf0\x9f\x93\x84.json"},
        {SLICE(NAMED("  a b  ")), "  a b  "},
        {SLICE(NAMED("&amp;amp;")), "&amp;"},
        {SLICE(NAMED("100%25")), "100%25"},
        {SLICE(NAMED("<![CDATA[a<b>&amp;]]]>c<!-- no --><![CDATA[]]>d")), "a<b>&amp;]cd"},
        {SLICE(PAGE("<Blob><Name Encoded=\"true\">a%EF%BF%BEb%25c</Name></Blob>")), "a\xef\xbf\xbe" "b%c"},
        {SLICE(PAGE("<Blob ><Name  \n>x</Name ></Blob>")), "x"},
        {SLICE(PAGE("<!-- <Blob> --><?x <Blob> ?><Blob><Name a='>' b=\"'>\">x</Name></Blob>")), "x"},
    };
    struct blob_page p;
    (void)state;
    blob_page_init(&p);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece < 20; piece++) {
            assert_true(read_in_pieces(cases[i].xml, piece, &p));
            assert_int_equal(p.count, 1);
            assert_name(&p, 0, cases[i].name);
        }
    blob_page_release(&p);
}

static void what_is_no_listing_is_refused(void **state)
{
    static const struct slice bad[] = {
        SLICE(""),
        SLICE("\xef\xbb"),
        SLICE("\xef\xbb<EnumerationResults/>"),
        SLICE("{\"value\":[]}"),
        SLICE("<html><body>Sign in</body></html>"),
        SLICE("<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>"),
        SLICE(HEAD),
        SLICE(HEAD "<Blobs>"),
        SLICE("<EnumerationResults></EnumerationResults><EnumerationResults></EnumerationResults>"),
        SLICE("<EnumerationResults></EnumerationResults></x>"),
        SLICE("<EnumerationResults></EnumerationResults>text"),
        SLICE("<EnumerationResults></EnumerationResults"),
        SLICE("<!DOCTYPE x [<!ENTITY a \"b\">]><EnumerationResults></EnumerationResults>"),
        SLICE(PAGE("<Blob></Blob>")),
        SLICE(PAGE("<Blob><Name></Name></Blob>")),
        SLICE(PAGE("<Blob><Name>a</Name><Name>b</Name></Blob>")),
        SLICE(NAMED("&nbsp;")),
        SLICE(NAMED("&#0;")),
        SLICE(NAMED("&#;")),
        SLICE(NAMED("&#x;")),
        SLICE(NAMED("&#1a;")),
        SLICE(NAMED("&#xd800;")),
        SLICE(NAMED("&#x110000;")),
        SLICE(NAMED("&;")),
        SLICE(NAMED("&amp")),
        SLICE(NAMED("a & b")),
        SLICE(NAMED("a\0b")),
        SLICE(PAGE("<Blob><Name Encoded=\"true\">a%2</Name></Blob>")),
        SLICE(PAGE("<Blob><Name Encoded=\"true\">a%00</Name></Blob>")),
        SLICE(PAGE("<Blob><Name>a</Name><Properties><Content-Length>-1</Content-Length></Properties></Blob>")),
        SLICE(PAGE("<Blob><Name>a</Name><Properties><Content-Length>99999999999999999999</Content-Length></Properties></Blob>")),
        SLICE(PAGE("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a>")),
    };
    struct blob_page p;
    (void)state;
    blob_page_init(&p);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (read_in_pieces(bad[i], 3, &p)) fail_msg("case %zu was taken", i);
    blob_page_release(&p);
}

static void limits_are_those_of_the_service(void **state)
{
    static char      xml[BLOB_PAGE_ITEMS * 64];
    struct blob_page p;
    (void)state;
    blob_page_init(&p);
    for (size_t len = BLOB_NAME_BYTES; len <= BLOB_NAME_BYTES + 1; len++) {
        snprintf(xml, sizeof xml, PAGE("<Blob><Name>%0*d</Name></Blob>"), (int)len, 1);
        assert_int_equal(read_in_pieces(slice_from(xml), 1000, &p), len == BLOB_NAME_BYTES);
    }
    for (size_t items = BLOB_PAGE_ITEMS; items <= BLOB_PAGE_ITEMS + 1; items++) {
        size_t at = (size_t)snprintf(xml, sizeof xml, HEAD "<Blobs>");
        for (size_t i = 0; i < items; i++) at += (size_t)snprintf(xml + at, sizeof xml - at, "<Blob><Name>%zu</Name></Blob>", i);
        snprintf(xml + at, sizeof xml - at, "</Blobs></EnumerationResults>");
        assert_int_equal(read_in_pieces(slice_from(xml), 1000, &p), items == BLOB_PAGE_ITEMS);
        if (items == BLOB_PAGE_ITEMS) assert_name(&p, 4999, "4999");
    }
    blob_page_release(&p);
}

static void etags_have_quotes_or_are_none(void **state)
{
    static const struct {
        const char *text, *etag;
    } cases[] = {{"0x8D", "\"0x8D\""}, {"\"0x8D\"", "\"0x8D\""}, {"", ""}, {"\"\"", ""}, {"a b", ""}, {"a\r\nX: y", ""}, {"a\"b", ""},
                 {"0123456789012345678901234567890123456789012345678901234567890", "\"0123456789012345678901234567890123456789012345678901234567890\""},
                 {"01234567890123456789012345678901234567890123456789012345678901", ""}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char etag[BLOB_ETAG_BYTES];
        blob_etag_take(etag, slice_from(cases[i].text));
        assert_string_equal(etag, cases[i].etag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_read_however_it_is_cut),
        cmocka_unit_test(the_last_page_has_no_marker),
        cmocka_unit_test(names_are_those_that_were_given_to_the_blobs),
        cmocka_unit_test(what_is_no_listing_is_refused),
        cmocka_unit_test(limits_are_those_of_the_service),
        cmocka_unit_test(etags_have_quotes_or_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
