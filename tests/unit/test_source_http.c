/* What the source `http` answers when its batches come back: examined, or put off for want of memory. */
#include "config.h"
#include "storing.h"

#include <sys/socket.h>
#include <sys/un.h>

#define FILL_MS 1000

#define YAML "sources:\n  - {name: sdk, type: http, listen: \"unix:%s/in.sock\"}\nsinks:\n  - {name: out, type: stdout}\n"

struct run {
    struct config *config;
    struct source *source;
    struct cargo   cargo;
};

static void run_open(struct run *r)
{
    struct error err = {0};
    char         yaml[256], folder[128];
    assert_non_null(getcwd(folder, sizeof folder));
    int          len = snprintf(yaml, sizeof yaml, YAML, folder);
    write_file("lethe.yaml", yaml, (size_t)len, 0600);
    *r = (struct run){.config = config_load("lethe.yaml", &err)};
    if (r->config == NULL) fail_msg("%s", err.text);
    r->source = r->config->sources[0];
    r->source->keys = keyring_ephemeral(&err);
    assert_non_null(r->source->keys);
    if (!r->source->type->open(r->source, &err)) fail_msg("%s", err.text);
    r->cargo.source = r->source;
    assert_true(batch_init(&r->cargo.batch, FRAMER_ROOM(r->source->max_record) + 64 * 1024));
}

static void run_close(struct run *r)
{
    atomic_store(&r->source->stopping, true);
    r->source->type->wake(r->source);
    r->source->type->close(r->source);
    keyring_free((struct keyring *)r->source->keys);
    batch_release(&r->cargo.batch);
    free(r->cargo.origins);
    config_free(r->config);
}

/* The next batch, with its receipt. */
static struct receipt *next_batch(struct run *r)
{
    struct error     err = {0};
    enum source_fill filled = SOURCE_IDLE;
    batch_clear(&r->cargo.batch);
    r->cargo.origin_count = 0;
    while (filled == SOURCE_IDLE) filled = r->source->type->fill(r->source, &r->cargo, FILL_MS, &err);
    assert_int_equal(filled, SOURCE_FILLED);
    return r->cargo.receipt;
}

static int ask(const char *request)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "in.sock"};
    int                fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return fd;
}

/* All of the answer; the other side closes behind it. */
static const char *answer(int fd)
{
    static char text[4096];
    size_t      len = 0;
    for (ssize_t n = 1; n > 0; len += n > 0 ? (size_t)n : 0) {
        assert_true(len + 1 < sizeof text);
        n = recv(fd, text + len, sizeof text - 1 - len, 0);
    }
    text[len] = '\0';
    close(fd);
    return text;
}

static const char request[] = "POST /v2.1/track HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                              "Content-Length: 17\r\n\r\n[{\"a\":1},{\"b\":2}]";

static void assert_put_off(const char *text)
{
    assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
    assert_non_null(strstr(text, "\r\nRetry-After: 5\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain\r\n"));
    assert_null(strstr(text, "itemsReceived"));
}

/* The worker has counted so many records of the batch's only origin, and withheld the last of them for a limit. */
static void settle_withheld(struct run *r, struct receipt *receipt, uint32_t records)
{
    struct verdict verdict = {.origin = 0, .index = records - 1, .refusal = REFUSAL_MEMORY};
    receipt->record_counts = &records;
    receipt->origin_count = 1;
    receipt->verdicts = &verdict;
    receipt->verdict_count = 1;
    r->source->type->settled(r->source, receipt);
}

static void a_batch_that_is_put_off_sends_its_senders_away_to_come_again(void **state)
{
    struct run r;
    (void)state;
    run_open(&r);
    int             fd = ask(request);
    struct receipt *receipt = next_batch(&r);
    receipt->put_off = true;
    r.source->type->settled(r.source, receipt);
    assert_put_off(answer(fd));
    run_close(&r);
}

static void an_item_beyond_the_limit_for_memory_is_withheld_for_good(void **state)
{
    struct run r;
    (void)state;
    run_open(&r);
    int fd = ask(request);
    settle_withheld(&r, next_batch(&r), 2);
    const char *text = answer(fd);
    assert_int_equal(strncmp(text, "HTTP/1.1 206 ", 13), 0);
    assert_non_null(strstr(text, "{\"itemsReceived\":2,\"itemsAccepted\":1,\"errors\":[{\"index\":1,\"statusCode\":400,"));
    run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_is_put_off_sends_its_senders_away_to_come_again),
        cmocka_unit_test(an_item_beyond_the_limit_for_memory_is_withheld_for_good),
    };
    return cmocka_run_group_tests(tests, in_new_folder, leave_folder);
}
