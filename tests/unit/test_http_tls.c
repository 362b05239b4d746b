#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_tls.h"
#include "serving.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>


/* --- Certificates, made here so that none ever expires ---------------------------------------------------------------- */

struct identity {
    X509     *certificate;
    EVP_PKEY *key;
    char      certificate_path[64], key_path[64];
};

struct identities {
    char            folder[32];
    struct identity server, client, stranger;
};

static void write_files(const struct identity *i)
{
    FILE *f = fopen(i->certificate_path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, i->certificate), 1);
    fclose(f);
    f = fopen(i->key_path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, i->key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
}

/* Signed by itself, so that it is its own CA. */
static void make_identity(struct identity *i, const char *folder, const char *name)
{
    i->key = EVP_EC_gen("P-256");
    i->certificate = X509_new();
    assert_true(i->key != NULL && i->certificate != NULL);
    X509_set_version(i->certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(i->certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(i->certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(i->certificate), 3600);
    X509_set_pubkey(i->certificate, i->key);
    X509_NAME *subject = X509_get_subject_name(i->certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(i->certificate, subject);
    assert_true(X509_sign(i->certificate, i->key, EVP_sha256()) > 0);
    snprintf(i->certificate_path, sizeof i->certificate_path, "%s/%s.pem", folder, name);
    snprintf(i->key_path, sizeof i->key_path, "%s/%s.key", folder, name);
    write_files(i);
}

static void release_identity(struct identity *i)
{
    X509_free(i->certificate);
    EVP_PKEY_free(i->key);
    unlink(i->certificate_path);
    unlink(i->key_path);
}

static int set_up(void **state)
{
    static struct identities all;
    strcpy(all.folder, "/tmp/lethe-tls-XXXXXX");
    if (mkdtemp(all.folder) == NULL) return -1;
    make_identity(&all.server, all.folder, "localhost");
    make_identity(&all.client, all.folder, "client");
    make_identity(&all.stranger, all.folder, "stranger");
    *state = &all;
    return 0;
}

static int tear_down(void **state)
{
    struct identities *all = *state;
    release_identity(&all->server);
    release_identity(&all->client);
    release_identity(&all->stranger);
    return rmdir(all->folder);
}

static void start_tls(struct serving *s, const struct identities *all, bool mutual, const struct http_limits *limits)
{
    static const char *const   listen[] = {"127.0.0.1:0"};
    struct http_server_options o = {.listen = listen, .listen_count = 1, .limits = *limits,
                                    .certificate = all->server.certificate_path, .key = all->server.key_path,
                                    .client_ca = mutual ? all->client.certificate_path : NULL};
    serving_start_with(s, &o);
}

/* --- Clients ---------------------------------------------------------------------------------------------------------- */

struct tls_client {
    int      fd;
    SSL_CTX *context;
    SSL     *ssl;
    bool     connected;
};

struct wish {
    int                    most_version;    /* 0: any */
    const struct identity *identity;        /* NULL: no certificate */
    const char            *protocols;       /* ALPN, as on the wire; NULL: none */
};

static struct tls_client connect_tls(const struct serving *s, const struct identities *all, struct wish wish)
{
    struct tls_client c = {.fd = connect_client(s), .context = SSL_CTX_new(TLS_client_method())};
    assert_non_null(c.context);
    SSL_CTX_set_verify(c.context, SSL_VERIFY_PEER, NULL);
    assert_int_equal(SSL_CTX_load_verify_file(c.context, all->server.certificate_path), 1);
    if (wish.most_version != 0) {
        SSL_CTX_set_security_level(c.context, 0);   /* else the client itself would not offer an old version */
        assert_int_equal(SSL_CTX_set_min_proto_version(c.context, TLS1_VERSION), 1);
        assert_int_equal(SSL_CTX_set_max_proto_version(c.context, wish.most_version), 1);
    }
    if (wish.identity != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(c.context, wish.identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(c.context, wish.identity->key), 1);
    }
    c.ssl = SSL_new(c.context);
    assert_true(c.ssl != NULL && SSL_set_fd(c.ssl, c.fd) == 1);
    if (wish.protocols != NULL)
        assert_int_equal(SSL_set_alpn_protos(c.ssl, (const unsigned char *)wish.protocols, (unsigned)strlen(wish.protocols)), 0);
    c.connected = SSL_connect(c.ssl) == 1;
    return c;
}

static void leave(struct tls_client *c)
{
    ERR_clear_error();
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
}

static void send_tls(struct tls_client *c, const char *text, size_t len)
{
    while (len > 0) {
        int n = SSL_write(c->ssl, text, (int)len);
        assert_true(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

/* All up to the end, which must be said and not just happen. */
static size_t receive_tls(struct tls_client *c, char *text, size_t capacity)
{
    size_t len = 0;
    int    n;
    while ((n = SSL_read(c->ssl, text + len, (int)(capacity - 1 - len))) > 0) len += (size_t)n;
    assert_int_equal(SSL_get_error(c->ssl, n), SSL_ERROR_ZERO_RETURN);
    text[len] = '\0';
    return len;
}

static bool is_served(struct tls_client *c)
{
    char text[1024] = {0};
    if (!c->connected || SSL_write(c->ssl, GET, sizeof GET - 1) <= 0) return false;
    if (SSL_read(c->ssl, text, sizeof text - 1) <= 0) return false;
    return strstr(text, "\r\n\r\nhello") != NULL;
}

/* --- Tests ------------------------------------------------------------------------------------------------------------ */

static void requests_are_served_inside_TLS(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    start_tls(&s, *state, false, &l);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_client c = connect_tls(&s, *state, (struct wish){.most_version = version});
        assert_true(is_served(&c) && is_served(&c));
        assert_int_equal(SSL_version(c.ssl), version);
        leave(&c);
    }
    assert_int_equal(COUNTER(&s, responses[2]), 4);
    serving_stop(&s);
}

static void a_long_body_goes_there_and_back_inside_TLS(void **state)
{
    enum { BYTES = 2000000 };
    struct http_limits l = http_limits_standard;
    struct serving     s;
    char              *text = malloc(BYTES), *back = malloc(BYTES + 1024);
    assert_true(text != NULL && back != NULL);
    for (size_t i = 0; i < BYTES; i++) text[i] = (char)('a' + i * i % 23);
    start_tls(&s, *state, false, &l);
    struct tls_client c = connect_tls(&s, *state, (struct wish){0});
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\nConnection: close\r\n\r\n";
    send_tls(&c, head, sizeof head - 1);
    send_tls(&c, text, BYTES);
    size_t len = receive_tls(&c, back, BYTES + 1024);
    assert_true(len > BYTES);
    assert_memory_equal(back + len - BYTES, text, BYTES);
    leave(&c);
    free(text);
    free(back);
    serving_stop(&s);
}

static void requests_in_one_record_are_all_answered(void **state)
{
    enum { REQUESTS = 300 };
    struct http_limits l = http_limits_standard;
    struct serving     s;
    char               sent[REQUESTS * (sizeof GET - 1)], text[65536];
    static const char  last[] = "GET /no HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    start_tls(&s, *state, false, &l);
    for (size_t i = 0; i < REQUESTS; i++) memcpy(sent + i * (sizeof GET - 1), GET, sizeof GET - 1);
    struct tls_client c = connect_tls(&s, *state, (struct wish){0});
    send_tls(&c, sent, sizeof sent);
    send_tls(&c, last, sizeof last - 1);
    (void)receive_tls(&c, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 404 "));
    assert_int_equal(COUNTER(&s, responses[2]), REQUESTS);
    leave(&c);
    serving_stop(&s);
}

static void old_versions_are_refused(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    start_tls(&s, *state, false, &l);
    struct tls_client c = connect_tls(&s, *state, (struct wish){.most_version = TLS1_1_VERSION});
    assert_false(c.connected);
    EVENTUALLY(COUNTER(&s, handshakes_failed) == 1);
    leave(&c);
    serving_stop(&s);
}

static void protocols_that_are_not_spoken_are_refused(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    start_tls(&s, *state, false, &l);
    struct tls_client both = connect_tls(&s, *state, (struct wish){.protocols = "\x02h2\x08http/1.1"});
    const unsigned char *chosen;
    unsigned             len;
    assert_true(is_served(&both));
    SSL_get0_alpn_selected(both.ssl, &chosen, &len);
    assert_true(slice_equal(slice_of((const char *)chosen, len), SLICE("http/1.1")));
    struct tls_client other = connect_tls(&s, *state, (struct wish){.protocols = "\x02h2"});
    assert_false(other.connected);
    leave(&both);
    leave(&other);
    serving_stop(&s);
}

static void what_is_not_TLS_is_closed(void **state)
{
    static const char *const texts[] = {GET, "\x16\x03\x01\xff\xff garbage that claims to be a handshake of some length",
                                              "\xff\xff\xff\xff\xff\xff"};
    struct http_limits       l = http_limits_standard;
    struct serving           s;
    start_tls(&s, *state, false, &l);
    for (size_t i = 0; i < 3; i++) {
        char    answer[256];
        int     fd = connect_client(&s);
        ssize_t n;
        send_text(fd, texts[i]);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        while ((n = recv(fd, answer, sizeof answer, 0)) > 0) assert_memory_not_equal(answer, "HTTP", 4);
        assert_int_equal(n, 0);
        close(fd);
    }
    EVENTUALLY(COUNTER(&s, handshakes_failed) == 3 && COUNTER(&s, connections_active) == 0);
    struct tls_client c = connect_tls(&s, *state, (struct wish){0});
    assert_true(is_served(&c));
    leave(&c);
    serving_stop(&s);
}

static void a_handshake_that_does_not_end_is_given_up(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    l.head_ms = 50;
    start_tls(&s, *state, false, &l);
    int fd = connect_client(&s);
    send_bytes(fd, "\x16\x03\x01", 3);
    EVENTUALLY(COUNTER(&s, timeouts) == 1 && COUNTER(&s, connections_active) == 0);
    close(fd);
    serving_stop(&s);
}

static void a_client_needs_a_certificate_where_one_is_asked_for(void **state)
{
    const struct identities *all = *state;
    struct http_limits       l = http_limits_standard;
    struct serving           s;
    start_tls(&s, all, true, &l);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_client none = connect_tls(&s, all, (struct wish){.most_version = version}),
                          wrong = connect_tls(&s, all, (struct wish){.most_version = version, .identity = &all->stranger}),
                          right = connect_tls(&s, all, (struct wish){.most_version = version, .identity = &all->client});
        assert_false(is_served(&none));
        assert_false(is_served(&wrong));
        assert_true(is_served(&right));
        leave(&none);
        leave(&wrong);
        leave(&right);
    }
    assert_int_equal(completed(&s), 2);
    assert_int_equal(COUNTER(&s, handshakes_failed), 4);
    serving_stop(&s);
}

static void a_connection_that_is_cut_is_no_end_of_a_request(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    start_tls(&s, *state, false, &l);
    struct tls_client c = connect_tls(&s, *state, (struct wish){0});
    static const char part[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    send_tls(&c, part, sizeof part - 1);
    assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
    EVENTUALLY(COUNTER(&s, connections_accepted) == 1 && COUNTER(&s, connections_active) == 0);
    assert_int_equal(completed(&s), 0);
    leave(&c);
    serving_stop(&s);
}

/* A write to a connection that is gone, which OpenSSL does without asking for no signal. */
static void a_client_that_has_gone_does_not_end_the_program(void **state)
{
    struct http_limits l = http_limits_standard;
    struct serving     s;
    start_tls(&s, *state, false, &l);
    for (int i = 0; i < 5; i++) {
        struct tls_client c = connect_tls(&s, *state, (struct wish){0});
        static const char text[] = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n";
        send_tls(&c, text, sizeof text - 1);
        char first[16];
        assert_true(SSL_read(c.ssl, first, sizeof first) > 0);
        leave(&c);
    }
    EVENTUALLY(COUNTER(&s, connections_active) == 0);
    serving_stop(&s);
}

static void files_that_do_not_fit_are_named(void **state)
{
    const struct identities *all = *state;
    struct error             err = {0};
    assert_null(http_tls_new(all->server.certificate_path, all->client.key_path, NULL, &err));
    assert_non_null(strstr(err.text, all->client.key_path));
    assert_non_null(strstr(err.text, "key values mismatch"));
    err = (struct error){0};
    assert_null(http_tls_new(all->server.key_path, all->server.key_path, NULL, &err));
    assert_non_null(strstr(err.text, "as a certificate: there is none in it, in PEM"));
    err = (struct error){0};
    assert_null(http_tls_new(all->server.certificate_path, all->server.key_path, all->server.key_path, &err));
    assert_non_null(strstr(err.text, "as the CA of clients"));
}

/* Nobody is asked at the terminal. */
static void a_key_with_a_password_is_an_error(void **state)
{
    const struct identities *all = *state;
    struct error             err = {0};
    char                     path[64];
    snprintf(path, sizeof path, "%s/locked.key", all->folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    const unsigned char *word = (const unsigned char *)"made up";
    assert_int_equal(PEM_write_PrivateKey(f, all->server.key, EVP_aes_256_cbc(), word, 7, NULL, NULL), 1);
    fclose(f);
    assert_null(http_tls_new(all->server.certificate_path, path, NULL, &err));
    assert_non_null(strstr(err.text, path));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_served_inside_TLS),
        cmocka_unit_test(a_long_body_goes_there_and_back_inside_TLS),
        cmocka_unit_test(requests_in_one_record_are_all_answered),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(protocols_that_are_not_spoken_are_refused),
        cmocka_unit_test(what_is_not_TLS_is_closed),
        cmocka_unit_test(a_handshake_that_does_not_end_is_given_up),
        cmocka_unit_test(a_client_needs_a_certificate_where_one_is_asked_for),
        cmocka_unit_test(a_connection_that_is_cut_is_no_end_of_a_request),
        cmocka_unit_test(a_client_that_has_gone_does_not_end_the_program),
        cmocka_unit_test(files_that_do_not_fit_are_named),
        cmocka_unit_test(a_key_with_a_password_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
