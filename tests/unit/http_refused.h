/* Requests that must not be taken: what could be read in two ways, and so could hide another request. Used by the tests of the parser
 * and of the server. The body's limit is REFUSED_BODY_LIMIT. */
#ifndef LETHE_TESTS_HTTP_REFUSED_H
#define LETHE_TESTS_HTTP_REFUSED_H

#include <stddef.h>

#define REFUSED_BODY_LIMIT 1024

struct refused {
    int         status;
    const char *text;
    size_t      len;
};

#define R(status, text) {status, text, sizeof(text) - 1}
/* A request line, a field, a target, a length, a coding, a chunked body: the rest is as it should be. */
#define LINE(status, line) R(status, line "\r\nHost: a\r\n\r\n")
#define FIELD(status, field) R(status, "GET / HTTP/1.1\r\nHost: a\r\n" field "\r\n\r\n")
#define ONLY(status, field) R(status, "GET / HTTP/1.1\r\n" field "\r\n\r\n")
#define TARGET(status, target) LINE(status, "GET " target " HTTP/1.1")
#define LENGTH(status, value) R(status, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:" value "\r\n\r\nhello")
#define CODING(status, value) \
    R(status, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:" value "\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
#define CHUNKS(status, body) R(status, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" body)

/* Statuses by hand from RFC 9112 (sections in brackets) and RFC 9110. */
static const struct refused refused[] = {
    /* ends of lines [2.2] */
    R(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"), R(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    R(400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    R(400, "GET / HTTP/1.1\n\n"), R(400, "GET / HTTP/1.1\rHost: a\r\n\r\n"), R(400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    R(400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"), R(400, "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n"),
    R(400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"), R(400, "GET /\r / HTTP/1.1\r\nHost: a\r\n\r\n"),
    R(400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), R(400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    R(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), R(400, "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    /* request line [3] */
    R(400, "GET /\r\n"), R(400, "GET / \r\n\r\n"), R(400, "GET\r\n\r\n"), R(400, "GET \r\n\r\n"), R(400, "\0"),
    R(400, "{\"a\":1}\r\n"),
    R(400, "\x16\x03\x01\x02\x00\x01\x00\x01"), R(400, "\x80\x2e\x01\x03\x01"), LINE(400, "GET /  HTTP/1.1"),
    LINE(400, "GET  / HTTP/1.1"),
    LINE(400, " GET / HTTP/1.1"), LINE(400, "\tGET / HTTP/1.1"), LINE(400, "GET\t/ HTTP/1.1"), LINE(400, "GET /\tHTTP/1.1"),
    LINE(400, "GET / HTTP/1.1 "), LINE(400, "GET / HTTP/1.1\t"), LINE(400, "GET / HTTP/1.10"), LINE(400, "GET / HTTP/1.1x"),
    LINE(400, "GET / HTTP/01.1"), LINE(400, "GET / http/1.1"), LINE(400, "GET / HTTP/11"), LINE(400, "GET / HTTP/1,1"),
    LINE(400, "GET / HTTP/.1"), LINE(400, "GET / HTTP/1."), LINE(400, "GET / HTTP/1.a"), LINE(400, "GET / HTTP1.1"),
    LINE(400, "GET / XTTP/1.1"), LINE(400, "GET / HTTP"), LINE(400, "GET / HTTP/1.1 HTTP/1.1"), LINE(400, "GET / HTTP/1\0001"),
    LINE(505, "GET / HTTP/2.0"), LINE(505, "GET / HTTP/3.0"), LINE(505, "GET / HTTP/0.9"), LINE(505, "GET / HTTP/1.2"),
    LINE(505, "GET / HTTP/9.9"), R(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    LINE(400, "G(T / HTTP/1.1"), LINE(400, "G\0T / HTTP/1.1"), LINE(400, "GET\0/ HTTP/1.1"), LINE(400, "G\xc3\x89T / HTTP/1.1"),
    LINE(400, "GET:/ HTTP/1.1"), LINE(400, "\"GET\" / HTTP/1.1"), LINE(501, "ABCDEFGHIJKLMNOPQRSTUVWXY / HTTP/1.1"),
    /* forms of the target [3.2] */
    LINE(501, "CONNECT a:80 HTTP/1.1"), LINE(400, "GET a:80 HTTP/1.1"), LINE(501, "CONNECT / HTTP/1.1"), TARGET(400, "a"),
    TARGET(400, "*"), TARGET(400, "**"), TARGET(400, "?a"), TARGET(400, ".."), LINE(400, "POST * HTTP/1.1"),
    LINE(400, "OPTIONS ** HTTP/1.1"), LINE(400, "OPTIONS *a HTTP/1.1"), TARGET(400, "http://"), TARGET(400, "http:///x"),
    TARGET(400, "http://u@a/"), TARGET(400, "http://u:p@a/"), TARGET(400, "ftp://a/"), TARGET(400, "http:/a"),
    TARGET(400, "http:a"),
    TARGET(400, "http://b/"), TARGET(400, "http://a:80/"), TARGET(400, "http://a,b/"), TARGET(400, "http://a%2f/"),
    TARGET(400, "http://a:99999/"), TARGET(400, "http://[::1/"), TARGET(400, "//a@b@:x y"), TARGET(400, "/a#b"),
    TARGET(400, "/a b"),
    TARGET(400, "/%"), TARGET(400, "/%4"), TARGET(400, "/%zz"), TARGET(400, "/%4g"), TARGET(400, "/a?%"), TARGET(400, "/%00"),
    TARGET(400, "/?a=%00"), TARGET(400, "/a\0b"), TARGET(400, "/\x7f"), TARGET(400, "/\x01"), TARGET(400, "/\xc3\xa9"),
    TARGET(400, "/[a]"), TARGET(400, "/a\\b"), TARGET(400, "/<a>"), TARGET(400, "/a|b"), TARGET(400, "/{a}"), TARGET(400, "/\""),
    TARGET(400, "/^"), TARGET(400, "/`"), TARGET(400, "\\\\a"), TARGET(400, "http://a/[x]"), TARGET(400, "http://a\\b/"),
    /* Host [3.2] */
    R(400, "GET / HTTP/1.1\r\n\r\n"), ONLY(400, "Accept: */*"), ONLY(400, "Host: a\r\nHost: a"), ONLY(400, "Host: a\r\nHost: b"),
    ONLY(400, "Host: a\r\nHOST: a"), ONLY(400, "Host:"), ONLY(400, "Host: "), ONLY(400, "Host: a b"), ONLY(400, "Host: a,b"),
    ONLY(400, "Host: a, b"), ONLY(400, "Host: a/b"), ONLY(400, "Host: u@a"), ONLY(400, "Host: http://a"),
    ONLY(400, "Host: a:99999"),
    ONLY(400, "Host: a:65536"), ONLY(400, "Host: a:8x"), ONLY(400, "Host: a:-1"), ONLY(400, "Host: a:+80"),
    ONLY(400, "Host: a:80:80"),
    ONLY(400, "Host: :80"), ONLY(400, "Host: [::1"), ONLY(400, "Host: ::1"), ONLY(400, "Host: []"), ONLY(400, "Host: [::1]x"),
    ONLY(400, "Host: [a]b]"), ONLY(400, "Host: [v1.x]"), ONLY(400, "Host: a?b"), ONLY(400, "Host: a#b"), ONLY(400, "Host: a\0b"),
    ONLY(400, "Host: \xc3\xa9"), ONLY(400, "Host: a%20b"), ONLY(400, "Host : a"), ONLY(400, "H ost: a"), ONLY(400, "Hos: a"),
    R(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), R(400, "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    R(400, "GET / HTTP/1.0\r\nHost:\r\n\r\n"),
    /* fields [5] */
    FIELD(400, "X : b"), FIELD(400, "X\t: b"), FIELD(400, ": b"), FIELD(400, ":"), FIELD(400, " X: b"), FIELD(400, "\tX: b"),
    FIELD(400, "X: a\r\n b"), FIELD(400, "X: a\r\n\tb"), FIELD(400, "X: a\r\n "), FIELD(400, "X: a\r\n \r\nY: b"),
    FIELD(400, "X"),
    FIELD(400, "X Y: b"), FIELD(400, "X(: b"), FIELD(400, "X\0: b"), FIELD(400, "X: a\0b"), FIELD(400, "X: \x01"),
    FIELD(400, "X: \x7f"), FIELD(400, "X: a\vb"), FIELD(400, "X: a\fb"), FIELD(400, "X: \x1b[0m"), FIELD(400, "X: a\bb"),
    FIELD(400, "\xff: a"), FIELD(400, "X\xe9: a"), FIELD(400, "\"X\": a"), FIELD(400, "X,: a"), FIELD(400, "X/Y: a"),
    FIELD(400, "X@: a"), FIELD(400, "X\x7f: a"), FIELD(400, "{}: a"), FIELD(400, "\v: a"), FIELD(400, "\0"), FIELD(400, "X:a\n"),
    R(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"), R(400, "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n"),
    R(400, "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"),
    /* fields that come once [RFC 9110, 5.3] */
    FIELD(400, "Content-Type: a/b\r\nContent-Type: a/b"), FIELD(400, "Authorization: Bearer a\r\nauthorization: Bearer b"),
    FIELD(400, "Content-Encoding: gzip\r\nContent-Encoding: gzip"), FIELD(400, "Expect: 100-continue\r\nExpect: 100-continue"),
    FIELD(417, "Expect: 100-continued"), FIELD(417, "Expect: 202-accepted"), FIELD(417, "Expect:"),
    FIELD(417, "Expect: 100-continue, a"),
    /* Content-Length [6.2, 6.3] */
    LENGTH(400, " 5,5"), LENGTH(400, " 5, 5"), LENGTH(400, " 5,"), LENGTH(400, " +5"), LENGTH(400, " -5"), LENGTH(400, " -0"),
    LENGTH(400, " 0x5"), LENGTH(400, "0x5"), LENGTH(400, " 5 5"), LENGTH(400, " 5a"), LENGTH(400, " a5"), LENGTH(400, " 5.0"),
    LENGTH(400, " 5e0"), LENGTH(400, " 05h"), LENGTH(400, ""), LENGTH(400, " "), LENGTH(400, " five"), LENGTH(400, " \"5\""),
    LENGTH(400, " 5;a"), LENGTH(400, "\t5"), LENGTH(400, "  5"), LENGTH(400, " 5 "), LENGTH(400, " 5\t"), LENGTH(400, " \v5"),
    LENGTH(400, " 5\0"), LENGTH(400, " \xd9\xa5"), LENGTH(400, " 1_0"), LENGTH(400, " 5\r\nContent-Length: 5"),
    LENGTH(400, " 5\r\nContent-Length: 6"), LENGTH(400, " 5\r\ncontent-length: 5"), LENGTH(400, " 5\r\nContent-Length:"),
    LENGTH(400, "\r\n 5"), LENGTH(413, " 1025"), LENGTH(413, " 4294967301"), LENGTH(413, " 18446744073709551615"),
    LENGTH(413, " 18446744073709551616"), LENGTH(413, " 18446744073709551621"), LENGTH(413, " 99999999999999999999999999999999"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\nhello"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 5\r\n\r\nhello"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\0: 5\r\n\r\nhello"),
    R(400, "POST / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    R(413, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n"),
    /* Transfer-Encoding [6.1, 6.3] */
    CODING(400, " xchunked"), CODING(400, " chunked\t"), CODING(400, " chunked "), CODING(400, "  chunked"),
    CODING(400, "\tchunked"),
    CODING(400, " chunked, identity"), CODING(400, " identity"), CODING(400, " gzip"), CODING(400, " chunked, chunked"),
    CODING(400, " chunked, gzip"), CODING(400, " gzip, chunked, chunked"), CODING(400, ""), CODING(400, " "),
    CODING(400, " Chunked"),
    CODING(400, " CHUNKED"), CODING(400, " chunked;q=1"), CODING(400, " \"chunked\""), CODING(400, " 'chunked'"),
    CODING(400, " chunked,"),
    CODING(400, " ,chunked"), CODING(400, " ,"), CODING(400, " chunk"), CODING(400, " chunke d"), CODING(400, " chunkedd"),
    CODING(400, " \vchunked"), CODING(400, " chunked\0"), CODING(400, " cow"), CODING(400, " gzip chunked"),
    CODING(400, " chunked\x80"),
    CODING(400, " chunked\r\nTransfer-Encoding: identity"), CODING(400, " identity\r\nTransfer-Encoding: chunked"),
    CODING(400, " chunked\r\nTransfer-Encoding: chunked"), CODING(400, "\r\n chunked"), CODING(400, " chunked\r\n , identity"),
    CODING(501, " gzip, chunked"), CODING(501, " gzip,chunked"), CODING(501, " deflate, gzip, chunked"),
    CODING(501, " x, Chunked"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n"),
    R(501, "POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    /* both */
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R(400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"),
    /* chunks [7.1] */
    CHUNKS(400, "5 \r\nhello"), CHUNKS(400, " 5\r\nhello"), CHUNKS(400, "\t5\r\nhello"), CHUNKS(400, "5\t\r\nhello"),
    CHUNKS(400, "+5\r\nhello"), CHUNKS(400, "-5\r\nhello"), CHUNKS(400, "-1\r\n"), CHUNKS(400, "0x5\r\nhello"),
    CHUNKS(400, "x5\r\n"),
    CHUNKS(400, "5h\r\nhello"), CHUNKS(400, "5\nhello\r\n0\r\n\r\n"), CHUNKS(400, "5\rhello"), CHUNKS(400, "5\r\rhello"),
    CHUNKS(400, "g\r\n"), CHUNKS(400, "\r\n"), CHUNKS(400, "\n"), CHUNKS(400, ";a\r\n"), CHUNKS(400, "5\0\r\nhello"),
    CHUNKS(400, "5,5\r\nhello"), CHUNKS(400, "5.\r\nhello"), CHUNKS(400, "5_0\r\n"), CHUNKS(400, "\"5\"\r\nhello"),
    CHUNKS(400, "00000000000000005\r\nhello"), CHUNKS(400, "fffffffffffffffff\r\n"), CHUNKS(400, "10000000000000005\r\nhello"),
    CHUNKS(413, "ffffffffffffffff\r\n"), CHUNKS(413, "8000000000000000\r\n"), CHUNKS(413, "7fffffffffffffff\r\n"),
    CHUNKS(413, "100000005\r\nhello"), CHUNKS(413, "401\r\n"), CHUNKS(413, "5\r\nhello\r\n3fc\r\n"),
    CHUNKS(413, "5\r\nhello\r\nffffffffffffffff\r\n"),
    CHUNKS(413, "5\r\nhello\r\nfffffffffffffffb\r\n"),
    /* extensions [7.1.1] */
    CHUNKS(400, "5;\r\nhello"), CHUNKS(400, "5 ;a=b\r\nhello"), CHUNKS(400, "5; a\r\nhello"), CHUNKS(400, "5;a\nhello"),
    CHUNKS(400, "5;a=\"\n\"\r\nhello"),
    CHUNKS(400, "5;a\rb\r\nhello"), CHUNKS(400, "5;a=\x01\r\nhello"), CHUNKS(400, "5;a\0\r\nhello"), CHUNKS(400, "5;=b\r\nhello"),
    CHUNKS(400, "5;;\r\nhello"), CHUNKS(400, "0;\r\n\r\n"), CHUNKS(400, "0;a\n\r\n"),
    /* ends of chunks */
    CHUNKS(400, "5\r\nhelloX"), CHUNKS(400, "5\r\nhello\n"), CHUNKS(400, "5\r\nhello\rX"), CHUNKS(400, "5\r\nhello\r\r\n"),
    CHUNKS(400, "3\r\nhello\r\n"), CHUNKS(400, "6\r\nhello\r\n0\r\n\r\n"), CHUNKS(400, "7\r\nhello\r\n0\r\n\r\n"),
    CHUNKS(400, "5\r\nhello0\r\n\r\n"), CHUNKS(400, "5\r\nhello\r\n\r\n0\r\n\r\n"), CHUNKS(400, "0\r\n\n"),
    CHUNKS(400, "0\n\r\n"), CHUNKS(400, "0\n\n"),
    CHUNKS(400, "0\r\n\rX"), CHUNKS(400, "0\r\r\n"),
    /* trailers [7.1.2] */
    CHUNKS(400, "0\r\nX : a\r\n\r\n"), CHUNKS(400, "0\r\n X: a\r\n\r\n"), CHUNKS(400, "0\r\n: a\r\n\r\n"),
    CHUNKS(400, "0\r\nX: a\n\r\n"),
    CHUNKS(400, "0\r\nX: a\0\r\n\r\n"), CHUNKS(400, "0\r\nX: a\r\n b\r\n\r\n"), CHUNKS(400, "0\r\nX: a\r\n\n"),
    CHUNKS(400, "0\r\nX\r\n\r\n"),
    CHUNKS(400, "0\r\nGET / HTTP/1.1\r\n\r\n"), CHUNKS(400, "0\r\nX: a\rY: b\r\n\r\n"),
};

#endif
