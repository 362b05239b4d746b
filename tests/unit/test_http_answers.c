/* What the sinks over HTTP make of answers: every status, every form of Retry-After, redirects to wherever, every mixture of items.
 * The clock is the test's own, so that no wait takes time; the receiver is a server on loopback that gives one bad answer to each
 * block and good ones from then on. Expected values are those of docs/sinks.md. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "kafka_cluster.h"
#include "loopback.h"
#include "set_clock.h"
#include "sinks/encode.h"
#include "sinks/http_delivery_priv.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ITEMS    4
#define CANARY   "canary-Heron-4471"
#define STEP_MS  250
#define PATIENCE 20000   /* polls */

extern const struct sink_type sink_http, sink_appinsights;

/* --- Receivers and sinks --------------------------------------------------------------------------------------------------- */

enum receiver { WEBHOOK, SPLUNK, ELASTIC, INGESTION, INSIGHTS, KINDS };
static const char *const kind_names[] = {"webhook", "splunk_hec", "elasticsearch", "logs_ingestion", "appinsights"};

struct receiving {
    enum receiver    kind;
    struct loopback *server;
    struct sink     *sink;
    char             bad[4096];        /* the answer to the next request; "": a good one */
    char             given[4096];
    struct slice     long_bad;         /* the same, for one that has no room there */
    char             good[1024];       /* room for the good one */
    uint64_t         sent_ms[16];      /* when the requests of this block came, by the test's clock */
    size_t           requests;         /* of this block */
    unsigned         items_of_last;    /* bit n: item n was in the last request */
    size_t           done, rejected_count;
    unsigned         rejected;         /* bit n: item n */
    struct error     error;
};

void sink_done(struct sink *s, struct block *b, const struct rejected *rejected, size_t count)
{
    struct receiving *r = s->owner;
    (void)b;
    r->done++;
    r->rejected_count += count;
    for (size_t i = 0; i < count; i++) r->rejected |= 1u << rejected[i].record;
}

void sink_withdraw(struct sink *s, struct block *b) { fail_msg("%s withdraws %p", s->name, (void *)b); }

/* The body as text: packed ones are unpacked. */
static const char *body_text(const char *request)
{
    static char text[16384];
    const char *body = strstr(request, "\r\n\r\n") + 4, *length = strcasestr(request, "\r\ncontent-length:");
    uLongf      len = sizeof text - 1;
    if (strcasestr(request, "\r\ncontent-encoding: gzip") == NULL) return body;
    z_stream z = {.next_in = (Bytef *)body, .avail_in = (uInt)strtoul(length + 17, NULL, 10), .next_out = (Bytef *)text, .avail_out = (uInt)len};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    text[z.total_out] = '\0';
    inflateEnd(&z);
    return text;
}

static unsigned items_in(const char *body)
{
    unsigned items = 0;
    for (unsigned n = 0; n < ITEMS; n++) {
        char mark[16];
        snprintf(mark, sizeof mark, "\"item %u\"", n);
        if (strstr(body, mark) != NULL) items |= 1u << n;
    }
    return items;
}

/* In the server's thread, while the test waits for the answer. */
static struct slice answer(void *context, const char *request)
{
    struct receiving *r = context;
    char              body[512] = "{\"code\":0}";
    unsigned          items = r->items_of_last = items_in(body_text(request));
    if (r->long_bad.len > 0) {
        struct slice whole = r->long_bad;
        r->long_bad.len = 0;
        return whole;
    }
    if (r->bad[0] != '\0') {   /* once */
        memcpy(r->given, r->bad, sizeof r->bad);
        r->bad[0] = '\0';
        return slice_from(r->given);
    }
    if (r->kind == ELASTIC) {
        int len = snprintf(body, sizeof body, "{\"items\":[");
        for (int n = __builtin_popcount(items); n > 0; n--) len += snprintf(body + len, sizeof body - (size_t)len, "{\"create\":{\"status\":201}}%s", n > 1 ? "," : "]}");
    }
    snprintf(r->good, sizeof r->good, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    return slice_from(r->good);
}

static void set(struct receiving *r, const char *name, const char *value) { setting_put(r->sink, r->sink->type->settings, name, value); }

static void open_receiving(struct receiving *r, enum receiver kind)
{
    static char             where[256];
    const struct sink_type *type = kind == INSIGHTS ? &sink_appinsights : &sink_http;
    set_clock_start();
    log_setup(false, LOG_ERROR);
    *r = (struct receiving){.kind = kind, .sink = calloc(1, type->bytes)};
    assert_non_null(r->sink);
    r->server = loopback_compute(answer, r);
    r->sink->type = type;
    r->sink->name = kind_names[kind];
    r->sink->owner = r;
    setting_defaults(r->sink, type->settings);
    if (kind == INSIGHTS) {
        snprintf(where, sizeof where, "InstrumentationKey=00000000-1e7e-4a57-8a5e-feedfacecafe;IngestionEndpoint=%s", loopback_url(r->server, "/"));
        set(r, "connection_string", where);
    } else {
        snprintf(where, sizeof where, "%s", loopback_url(r->server, ""));
        set(r, "url", where);
        set(r, "kind", kind_names[kind]);
        set(r, "token", "t");
        set(r, "gzip", "false");
        set(r, "index", kind == ELASTIC ? "i" : NULL);
        set(r, "rule", kind == INGESTION ? "r" : NULL);
        set(r, "stream", kind == INGESTION ? "s" : NULL);
    }
    if (!type->open(r->sink, &r->error)) fail_msg("%s", r->error.text);
}

static void close_receiving(struct receiving *r)
{
    r->sink->type->close(r->sink);
    free(r->sink);
    loopback_stop(r->server);
}

/* --- Blocks ---------------------------------------------------------------------------------------------------------------- */

static struct block_record records[ITEMS];
static char                texts[ITEMS * 256];
static uint32_t            starts[ITEMS + 1];
static struct block        block;

/* Four records, "item 0" to "item 3", in the sink's format. */
static struct block *block_for(enum receiver kind)
{
    size_t len = 0;
    for (unsigned n = 0; n < ITEMS; n++) {
        records[n] = (struct block_record){.sinks = 1, .kind = KIND_UNKNOWN, .time_ms = -1};
        const char *before = "{\"ver\":1,\"iKey\":\"00000000-0000-0000-0000-000000000000\",\"time\":\"2026-11-22T04:00:00.000Z\",\"name\":\"x\","
                             "\"data\":{\"baseData\":{\"properties\":";
        bool        wrapped = kind == INSIGHTS;
        len += (size_t)snprintf(texts + len, sizeof texts - len, "%s{\"message\":\"item %u\"}%s\n", wrapped ? before : "", n, wrapped ? "}}}" : "");
        starts[n + 1] = (uint32_t)len;
    }
    block = (struct block){.records = records, .count = ITEMS};
    block.encodings[0].starts = starts;
    block.encodings[0].bytes = (struct encoded){.data = texts, .len = len};
    return &block;
}

/* Sends a block, of which the first request gets the bad answer, until it has ended. Waits pass by the test's clock, `step_ms` at once. */
static void send_block(struct receiving *r, uint32_t step_ms)
{
    const struct delivery *d = ((struct delivery_sink *)r->sink)->delivery;
    size_t                 before = loopback_requests(r->server), polls = 0;
    r->requests = r->done = r->rejected_count = 0;
    r->rejected = 0;
    assert_int_equal(r->sink->type->take(r->sink, block_for(r->kind)), SINK_TOOK);
    while (r->done == 0) {
        if (++polls > PATIENCE) fail_msg("%s: not done after %zu requests: %s", r->sink->name, r->requests, r->sink->trouble);
        assert_true(r->sink->type->poll(r->sink, d->under_way > 0 ? 5 : 0, &r->error));
        assert_null(strstr(r->sink->trouble, CANARY));
        for (size_t came = loopback_requests(r->server) - before; r->requests < came; r->requests++)
            if (r->requests < COUNT(r->sent_ms)) r->sent_ms[r->requests] = set_clock_passed_ms;
        if (d->under_way > 0) continue;
        set_clock_pass(step_ms);
    }
}

static void answer_badly(struct receiving *r, int status, const char *headers, const char *body)
{
    int len = snprintf(r->bad, sizeof r->bad, "HTTP/1.1 %d " CANARY "\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
    assert_true(len > 0 && (size_t)len < sizeof r->bad);
}

/* --- Every status ---------------------------------------------------------------------------------------------------------- */

/* How many requests it takes when the first is answered so, with a body that is none of the protocol: 1, all was taken; 2, the same
 * again; 3, in halves. */
static size_t requests_by(enum receiver kind, int status)
{
    bool spoken = kind == ELASTIC || kind == SPLUNK;   /* its answers say more than the status */
    if (status == 400 || status == 413 || status == 422) return 3;
    if (status == 206 && kind == INSIGHTS) return 2;
    return status / 100 == 2 && !spoken ? 1 : 2;
}

static void no_status_loses_or_rejects_a_record(void **state)
{
    (void)state;
    for (enum receiver kind = 0; kind < KINDS; kind++) {
        struct receiving r;
        open_receiving(&r, kind);
        for (int status = 200; status < 600; status++) {
            bool empty = status == 204 || status == 304;   /* have no body in HTTP */
            answer_badly(&r, status, "", empty ? "" : "<html>" CANARY);
            send_block(&r, STEP_MS);
            bool quota = kind == INSIGHTS && (status == 402 || status == 439);
            if (r.requests != requests_by(kind, status) || r.rejected_count != 0) fail_msg("%s, %d: %zu requests, %zu rejected", kind_names[kind], status, r.requests, r.rejected_count);
            if (r.requests > 1 && (r.sent_ms[1] - r.sent_ms[0] >= 300000) != quota) fail_msg("%s, %d: %d ms", kind_names[kind], status, (int)(r.sent_ms[1] - r.sent_ms[0]));
        }
        close_receiving(&r);
    }
}

/* Answers that are only on the way to one: nothing is delivered by them, and what they ask for does not count. */
static void an_interim_answer_is_none(void **state)
{
    static const char *const behind[] = {"", "HTTP/1.1 503 " CANARY "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"};
    (void)state;
    for (enum receiver kind = 0; kind < KINDS; kind++) {
        struct receiving r;
        for (int n = 0; n < 200; n++) {
            int status = 100 + n % 100;
            if (n % 50 == 0) open_receiving(&r, kind);   /* each answer costs a connection */
            snprintf(r.bad, sizeof r.bad, "HTTP/1.1 %d " CANARY "\r\nRetry-After: 3600\r\nConnection: close\r\n\r\n%s", status, behind[n / 100]);
            send_block(&r, STEP_MS);
            if (r.requests != 2 || r.rejected_count != 0) fail_msg("%s, %d: %zu requests, %zu rejected", kind_names[kind], status, r.requests, r.rejected_count);
            bool final = status == 101;   /* nobody asked for another protocol, so nothing else follows */
            if (!final && r.sent_ms[1] - r.sent_ms[0] > 60000) fail_msg("%s, %d: waits as an interim answer asks", kind_names[kind], status);
            if (n % 50 == 49) close_receiving(&r);
        }
    }
}

/* --- Retry-After ----------------------------------------------------------------------------------------------------------- */

/* The clock starts on Sunday, 22 November 2026, at 04:00:00. Between `least` and `most` the next request comes. */
static void a_pause_that_is_asked_for_is_kept_in_every_form(void **state)
{
    static const struct {
        const char *value;
        uint32_t    least_ms, most_ms;
    } forms[] = {
        {"7", 7000, 7000}, {"0", 0, 0}, {"Sun, 22 Nov 2026 04:02:00 GMT", 120000, 120000}, {"Sunday, 22-Nov-26 04:02:00 GMT", 120000, 120000},
        {"Sun Nov 22 04:02:00 2026", 120000, 120000}, {"Friday, 31-Dec-99 23:59:59 GMT", 0, 0}, {"Sun, 22 Nov 2020 04:02:00 GMT", 0, 0}, {"00:01:30", 90000, 90000}, {"1.00:00:00", 3600000, 3600000},
        {"1000000000", 3600000, 3600000}, {"99999999999999999999999999", 3600000, 3600000}, {"Sun, 22 Nov 2099 04:00:00 GMT", 3600000, 3600000},
        {"", 0, 0}, {"-5", 0, 0}, {"+5", 0, 0}, {"7 seconds", 0, 0}, {"0x10", 0, 0}, {"soon " CANARY, 0, 0}, {"1e3", 0, 0}, {"7, 9", 0, 0},
        {"Sun, 32 Nov 2026 04:02:00 GMT", 0, 0}, {"00:99:00", 0, 0}};
    static const int statuses[] = {429, 503, 402, 301, 404};
    struct receiving r;
    (void)state;
    for (enum receiver kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < COUNT(forms) * COUNT(statuses); i++) {
            const char *value = forms[i / COUNT(statuses)].value;
            int         status = statuses[i % COUNT(statuses)];
            uint32_t    least = forms[i / COUNT(statuses)].least_ms, most = forms[i / COUNT(statuses)].most_ms;
            char        header[128];
            open_receiving(&r, kind);   /* a new one: pauses go on */
            snprintf(header, sizeof header, "Retry-After: %s\r\n", value);
            answer_badly(&r, status, header, CANARY);
            send_block(&r, STEP_MS);
            if (status == 402 && kind == INSIGHTS && most == 0) least = most = 300000;   /* a quota */
            uint64_t wait = r.requests == 2 ? r.sent_ms[1] - r.sent_ms[0] : UINT64_MAX;
            /* the pause, what is added so that not all come back at once, and the steps of the clock */
            if (wait < least || wait > most + 2 * RETRY_BASE_MS + 2 * STEP_MS) fail_msg("%s, %d, '%s': %d ms", kind_names[kind], status, value, (int)wait);
            close_receiving(&r);
        }
    }
}

/* --- Redirects ------------------------------------------------------------------------------------------------------------- */

/* What is one host for some readers and another for others, all of it at a server that must not be asked. */
static void no_redirect_leads_elsewhere(void **state)
{
    static const char *const places[] = {
        "http://127.0.0.1:%u/v2.1/track", "https://127.0.0.1:%u/v2.1/track", "//127.0.0.1:%u/v2.1/track", "https://dc.monitor.azure.com@127.0.0.1:%u/v2.1/track",
        "https://dc.monitor.azure.com:x@127.0.0.1:%u/", "https://127.0.0.1:%u#.monitor.azure.com/", "https://127.0.0.1:%u?.monitor.azure.com/",
        "https://127.0.0.1:%u\\.monitor.azure.com/", "https://127.0.0.1:%u%%2f.monitor.azure.com/", "https://127.0.0.1:%u/.monitor.azure.com",
        "https:/127.0.0.1:%u/", "https:127.0.0.1:%u/", "HTTPS://127.0.0.1:%u/", "https://[::ffff:127.0.0.1]:%u/", "https://localhost:%u/",
        "https://127.0.0.1:%u", " https://127.0.0.1:%u/", "file:///etc/hostname#%u", "ftp://127.0.0.1:%u/", "gopher://127.0.0.1:%u/", "javascript:%u", "/%u", "%u", ""};
    static const int statuses[] = {301, 302, 303, 307, 308};
    struct loopback *elsewhere = loopback_start(NULL, 0);
    (void)state;
    for (enum receiver kind = 0; kind < KINDS; kind++) {
        struct receiving r;
        open_receiving(&r, kind);
        for (size_t i = 0; i < COUNT(places) * COUNT(statuses); i++) {
            char where[256] = "", header[300];
            const char *place = places[i / COUNT(statuses)], *number = strstr(place, "%u");
            snprintf(where, sizeof where, "%.*s", number != NULL ? (int)(number - place) : 0, place);
            if (number != NULL) snprintf(where + strlen(where), sizeof where - strlen(where), "%u%s", loopback_port(elsewhere), number + 2);
            snprintf(header, sizeof header, "Location: %s\r\n", where);
            answer_badly(&r, statuses[i % COUNT(statuses)], header, "");
            send_block(&r, STEP_MS);
            if (r.requests != 2 || r.rejected_count != 0 || loopback_connections(elsewhere) > 0) fail_msg("%s, %d to %s", kind_names[kind], statuses[i % COUNT(statuses)], where);
        }
        close_receiving(&r);
    }
    loopback_stop(elsewhere);
}

/* --- Items of Application Insights ----------------------------------------------------------------------------------------- */

static int add_error(char *text, size_t room, const char *index, int status)
{
    return snprintf(text, room, "%s{\"index\":%s,\"statusCode\":%d,\"message\":\"item 0 item 1 " CANARY "\"}", text[-1] == '[' ? "" : ",", index, status);
}

/* What is left over when the items of one request met these; 200: no error names it. */
static void try_mixture(struct receiving *r, const int statuses[ITEMS])
{
    char     body[2048] = "";
    int      len = snprintf(body, sizeof body, "{\"itemsReceived\":4,\"errors\":[");
    unsigned taken = 0, refused = 0, later = 0, quota = 0;
    for (unsigned n = 0; n < ITEMS; n++) {
        char index[4];
        snprintf(index, sizeof index, "%u", n);
        if (statuses[n] != 200) len += add_error(body + len, sizeof body - (size_t)len, index, statuses[n]);
        if (statuses[n] == 200) taken |= 1u << n;
        else if (statuses[n] == 400) refused |= 1u << n;
        else later |= 1u << n;
        quota |= statuses[n] == 439;
    }
    snprintf(body + len, sizeof body - (size_t)len, "],\"itemsAccepted\":%d}", __builtin_popcount(taken));
    answer_badly(r, 206, "", body);
    send_block(r, STEP_MS);
    /* Refused for good is only what was refused beside something that was taken: else it may be the service's fault. */
    unsigned rejected = taken != 0 ? refused : 0, again = taken != 0 ? later : later | refused;
    bool     right = r->rejected == rejected && r->rejected_count == (size_t)__builtin_popcount(rejected) && r->requests == (again != 0 ? 2 : 1) &&
                 (again == 0 || (r->items_of_last == again && (r->sent_ms[1] - r->sent_ms[0] >= 300000) == (quota != 0)));
    if (!right)
        fail_msg("%d %d %d %d: rejected %x, not %x; %zu requests; again %x, not %x", statuses[0], statuses[1], statuses[2], statuses[3], r->rejected, rejected,
                 r->requests, r->items_of_last, again);
}

static void of_a_206_each_item_is_resolved_once_in_every_mixture(void **state)
{
    static const int every[] = {200, 400, 429, 500, 439};
    (void)state;
    for (unsigned n = 0; n < 5 * 5 * 5 * 5; n++) {
        struct receiving r;
        open_receiving(&r, INSIGHTS);   /* a new one: what it accepted before counts */
        try_mixture(&r, (const int[ITEMS]){every[n % 5], every[n / 5 % 5], every[n / 25 % 5], every[n / 125]});
        close_receiving(&r);
    }
}

/* --- One item of a request ----------------------------------------------------------------------------------------------- */

enum fate { TAKEN, AGAIN, REFUSED };

/* What becomes of an item that met this while three others were taken. */
static enum fate fate_of(enum receiver kind, int status)
{
    static const int later[] = {401, 403, 408, 429}, insights_later[] = {402, 439}, elastic_later[] = {404};
    bool             again = status >= 500 || (kind == ELASTIC && status < 400);   /* no receiver says 3xx of an item */
    for (size_t i = 0; i < COUNT(later); i++) again = again || status == later[i];
    for (size_t i = 0; i < COUNT(insights_later) && kind == INSIGHTS; i++) again = again || status == insights_later[i];
    for (size_t i = 0; i < COUNT(elastic_later) && kind == ELASTIC; i++) again = again || status == elastic_later[i];
    if (status == 206 && kind == INSIGHTS) return REFUSED;   /* sampled out: counted, and nothing to be done */
    if (status / 100 == 2 || (status == 409 && kind == ELASTIC)) return TAKEN;
    return again ? AGAIN : REFUSED;
}

static void bulk_answer(char *body, size_t room, unsigned item, int status)
{
    int len = snprintf(body, room, "{\"errors\":true,\"items\":[");
    for (unsigned n = 0; n < ITEMS; n++)
        len += snprintf(body + len, room - (size_t)len, "%s{\"create\":{\"status\":%d,\"error\":{\"reason\":\"" CANARY "\"}}}", n > 0 ? "," : "", n == item ? status : 201);
    snprintf(body + len, room - (size_t)len, "]}");
}

static void an_item_is_rejected_or_sent_again_by_its_own_status(void **state)
{
    static const enum receiver kinds[] = {ELASTIC, INSIGHTS};
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct receiving r;
        open_receiving(&r, kinds[k]);
        for (int status = 200; status < 600; status++) {
            char        body[1024];
            unsigned    item = (unsigned)status % ITEMS;
            enum fate   fate = fate_of(kinds[k], status);
            if (kinds[k] == ELASTIC) bulk_answer(body, sizeof body, item, status);
            else snprintf(body, sizeof body, "{\"itemsReceived\":4,\"itemsAccepted\":%d,\"errors\":[{\"index\":%u,\"statusCode\":%d,\"message\":\"" CANARY "\"}]}", fate == TAKEN ? 4 : 3, item, status);
            answer_badly(&r, kinds[k] == ELASTIC ? 200 : 206, "", body);
            send_block(&r, STEP_MS);
            bool right = r.rejected == (fate == REFUSED ? 1u << item : 0) && r.requests == (fate == AGAIN ? 2 : 1) && (fate != AGAIN || r.items_of_last == 1u << item);
            if (!right) fail_msg("%s, item %u, %d: rejected %x, %zu requests, last %x", kind_names[kinds[k]], item, status, r.rejected, r.requests, r.items_of_last);
        }
        close_receiving(&r);
    }
}

/* Answers that cannot be about these four items: all are sent again, none is rejected. */
static void an_answer_about_other_items_resolves_none(void **state)
{
    static const char *const errors[] = {
        "{\"index\":-1,\"statusCode\":400}", "{\"index\":4,\"statusCode\":400}", "{\"index\":1000000000,\"statusCode\":400}", "{\"index\":1e300,\"statusCode\":400}",
        "{\"index\":-1e300,\"statusCode\":400}", "{\"index\":18446744073709551616,\"statusCode\":400}", "{\"statusCode\":400}", "{\"index\":\"0\",\"statusCode\":400}",
        "{\"index\":null,\"statusCode\":400}", "{\"index\":0}", "{\"index\":0,\"statusCode\":\"400\"}", "{\"index\":[0],\"statusCode\":400}", "{}", "null", "0", "[]",
        "\"" CANARY "\"", "{\"index\":0,\"statusCode\":400},{\"index\":9,\"statusCode\":400}", "{\"index\":0.5,\"statusCode\":400}"};
    static const char *const whole[] = {"", "{", "[]", "null", "{\"errors\":{}}", "{\"errors\":[]}", "{\"errors\":\"" CANARY "\"}", "<html>" CANARY,
                                        "{\"itemsReceived\":4,\"itemsAccepted\":3,\"errors\":[]}", "{\"itemsAccepted\":\"4\"}", "{\"itemsAccepted\":5}"};
    (void)state;
    for (size_t i = 0; i < COUNT(errors) + COUNT(whole); i++) {
        struct receiving r;
        char             body[1024];
        open_receiving(&r, INSIGHTS);
        if (i < COUNT(errors)) snprintf(body, sizeof body, "{\"itemsReceived\":4,\"itemsAccepted\":3,\"errors\":[%s]}", errors[i]);
        else snprintf(body, sizeof body, "%s", whole[i - COUNT(errors)]);
        answer_badly(&r, 206, "", body);
        send_block(&r, STEP_MS);
        if (r.requests != 2 || r.items_of_last != 15 || r.rejected_count != 0) fail_msg("%s: %zu requests, last %x, %zu rejected", body, r.requests, r.items_of_last, r.rejected_count);
        close_receiving(&r);
    }
}

/* The numbers of an answer say that more is missing than its errors name: all of it may be. */
static void what_an_answer_does_not_account_for_is_sent_again(void **state)
{
    struct receiving r;
    (void)state;
    open_receiving(&r, INSIGHTS);
    answer_badly(&r, 206, "", "{\"itemsReceived\":4,\"itemsAccepted\":1,\"errors\":[{\"index\":2,\"statusCode\":500,\"message\":\"" CANARY "\"}]}");
    send_block(&r, STEP_MS);
    assert_int_equal(r.requests, 2);
    assert_int_equal(r.items_of_last, 15);
    close_receiving(&r);
}

/* --- Large answers ---------------------------------------------------------------------------------------------------------- */

static char *long_answer;

/* "[0,0,0,..." of so many bytes, as the body of this status. */
static void answer_long(struct receiving *r, int status, size_t bytes)
{
    free(long_answer);
    long_answer = malloc(bytes + 128);
    assert_non_null(long_answer);
    int head = sprintf(long_answer, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n\r\n", status, bytes);
    for (size_t i = 0; i < bytes; i++) long_answer[(size_t)head + i] = i == 0 ? '[' : i + 1 == bytes ? ']' : i % 2 == 1 ? '0' : ',';
    r->long_bad = slice_of(long_answer, (size_t)head + bytes);
}

/* It is not read to its end; where the status says it all, all was taken. */
static void an_answer_beyond_every_limit_is_taken_by_its_status(void **state)
{
    static const struct {
        int    status;
        size_t requests[KINDS];
    } cases[] = {{200, {1, 2, 2, 1, 1}}, {206, {1, 2, 2, 1, 2}}, {503, {2, 2, 2, 2, 2}}};
    (void)state;
    for (enum receiver kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct receiving r;
            open_receiving(&r, kind);
            answer_long(&r, cases[i].status, DELIVERY_ANSWER + 2);
            send_block(&r, STEP_MS);
            if (r.requests != cases[i].requests[kind] || r.rejected_count != 0)
                fail_msg("%s, %d: %zu requests, %zu rejected", kind_names[kind], cases[i].status, r.requests, r.rejected_count);
            close_receiving(&r);
        }
    }
}

static size_t held, most_held;

static void *counted_malloc(size_t size)
{
    void *memory = malloc(size);
    held += malloc_usable_size(memory);
    most_held = held > most_held ? held : most_held;
    return memory;
}

static void counted_free(void *memory)
{
    held -= malloc_usable_size(memory);
    free(memory);
}

/* Two bytes of JSON become a value of 64: as a whole, the largest answer that is read would cost 128 MB. */
static void an_answer_of_millions_of_values_costs_no_memory_for_them(void **state)
{
    static const enum receiver kinds[] = {SPLUNK, ELASTIC, INSIGHTS};
    (void)state;
    cJSON_InitHooks(&(cJSON_Hooks){counted_malloc, counted_free});
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct receiving r;
        open_receiving(&r, kinds[i]);
        answer_long(&r, kinds[i] == INSIGHTS ? 206 : 200, DELIVERY_ANSWER - 1);
        send_block(&r, STEP_MS);
        assert_int_equal(r.requests, 2);
        assert_int_equal(r.rejected_count, 0);
        close_receiving(&r);
    }
    cJSON_InitHooks(NULL);
    assert_in_range(most_held, 1, 16 << 20);
    assert_int_equal(held, 0);
    free(long_answer);
    long_answer = NULL;
}

/* --- What the service repeats of an item ------------------------------------------------------------------------------------ */

/* An item is refused, and the reason quotes it: it is this item's fault, whatever stands in it. The key is wrong only when the service
 * says so itself. */
static void an_item_that_speaks_of_the_key_is_refused_like_any_other(void **state)
{
    static const struct {
        const char *message;
        unsigned    rejected;
    } cases[] = {{"109: Field 'message' is too long: invalid instrumentation key " CANARY, 2}, {"Invalid instrumentation key", 0},
                 {"invalid instrumentation key " CANARY, 0}, {"", 2}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct receiving r;
        char             body[512];
        open_receiving(&r, INSIGHTS);
        snprintf(body, sizeof body, "{\"itemsReceived\":4,\"itemsAccepted\":3,\"errors\":[{\"index\":1,\"statusCode\":400,\"message\":\"%s\"}]}", cases[i].message);
        answer_badly(&r, 206, "", body);
        send_block(&r, STEP_MS);
        if (r.rejected != cases[i].rejected || r.requests != (cases[i].rejected != 0 ? 1 : 2)) fail_msg("%s: rejected %x, %zu requests", cases[i].message, r.rejected, r.requests);
        close_receiving(&r);
    }
}

/* The last word counts, and no item ends twice. */
static void an_item_that_is_named_twice_ends_once(void **state)
{
    struct receiving r;
    (void)state;
    open_receiving(&r, INSIGHTS);
    answer_badly(&r, 206, "", "{\"itemsReceived\":4,\"itemsAccepted\":3,\"errors\":[{\"index\":1,\"statusCode\":500},{\"index\":1,\"statusCode\":400}]}");
    send_block(&r, STEP_MS);
    assert_int_equal(r.requests, 1);
    assert_int_equal(r.rejected, 2);
    assert_int_equal(r.rejected_count, 1);
    close_receiving(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_status_loses_or_rejects_a_record),
        cmocka_unit_test(an_interim_answer_is_none),
        cmocka_unit_test(a_pause_that_is_asked_for_is_kept_in_every_form),
        cmocka_unit_test(no_redirect_leads_elsewhere),
        cmocka_unit_test(of_a_206_each_item_is_resolved_once_in_every_mixture),
        cmocka_unit_test(an_item_is_rejected_or_sent_again_by_its_own_status),
        cmocka_unit_test(an_answer_about_other_items_resolves_none),
        cmocka_unit_test(what_an_answer_does_not_account_for_is_sent_again),
        cmocka_unit_test(an_item_that_is_named_twice_ends_once),
        cmocka_unit_test(an_answer_beyond_every_limit_is_taken_by_its_status),
        cmocka_unit_test(an_answer_of_millions_of_values_costs_no_memory_for_them),
        cmocka_unit_test(an_item_that_speaks_of_the_key_is_refused_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
