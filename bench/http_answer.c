/* The collector's HTTP server with nothing behind it: every request is read to its end and answered at once. What it costs is
 * what ingestion over HTTP cannot cost less than.
 *
 *     bench_http_answer 127.0.0.1:PORT
 *
 * Writes a line when it listens, and runs until it is killed. */
#include "http_server.h"

#include <stdio.h>

static void answer(void *context, struct http_request *request)
{
    (void)context;
    http_respond(request, &(struct http_answer){.status = 200, .content_type = "application/json",
                                                .body = SLICE("{\"itemsReceived\":1,\"itemsAccepted\":1,\"errors\":[]}")});
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (argc != 2) return 2;
    const char *const listen[] = {argv[1]};
    struct http_server *server = http_server_open(
        &(struct http_server_options){.listen = listen, .listen_count = 1, .limits = http_limits_standard, .handler = {.complete = answer}}, &err);
    if (server == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    puts("listening");
    fflush(stdout);
    http_server_run(server);
    http_server_close(server);
    return 0;
}
