#include "loopback.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#define MOST_REQUESTS 64
#define MOST_CONNECTIONS 64
#define REQUEST_BYTES (256 * 1024)

struct loopback {
    const struct slice *answers;
    size_t              count;
    struct slice      (*compute)(void *context, const char *request);
    void               *context;
    int                 listener, stop[2];   /* stop[0] becomes readable at the end */
    unsigned            port;
    pthread_t           acceptor, threads[MOST_CONNECTIONS];
    pthread_mutex_t     lock;
    size_t              connections;
    char               *requests[MOST_REQUESTS];
    size_t              request_count;
};

struct connection {
    struct loopback *l;
    int              fd;
};

/* False: the server is to stop. */
static bool wait_for(struct loopback *l, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = l->stop[0], .events = POLLIN}};
    CHECK(poll(fds, 2, -1) > 0);
    return fds[1].revents == 0;
}

static size_t body_length(const char *head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

/* Reads one request. NULL: the other side went away, or the server stops. */
static char *read_request(struct connection *c)
{
    char  *text = calloc(1, REQUEST_BYTES);
    size_t len = 0;
    CHECK(text != NULL);
    for (;;) {
        const char *end = strstr(text, "\r\n\r\n");
        if (end != NULL && len >= (size_t)(end + 4 - text) + body_length(text)) return text;
        ssize_t got = wait_for(c->l, c->fd) ? read(c->fd, text + len, REQUEST_BYTES - 1 - len) : 0;
        if (got <= 0) break;
        len += (size_t)got;
    }
    free(text);
    return NULL;
}

static struct slice next_answer(struct loopback *l, char *request)
{
    pthread_mutex_lock(&l->lock);
    size_t number = l->request_count++;
    if (l->compute != NULL) {
        struct slice answer = l->compute(l->context, request);
        pthread_mutex_unlock(&l->lock);
        free(request);
        return answer;
    }
    CHECK(number < MOST_REQUESTS);
    l->requests[number] = request;
    pthread_mutex_unlock(&l->lock);
    return number < l->count ? l->answers[number] : LOOPBACK_SILENCE;
}

static bool send_all(int fd, struct slice s)
{
    while (s.len > 0) {
        ssize_t sent = send(fd, s.data, s.len, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        s = slice_sub(s, (size_t)sent, s.len);
    }
    return true;
}

static void *serve(void *connection)
{
    struct connection *c = connection;
    char              *request;
    while ((request = read_request(c)) != NULL) {
        struct slice answer = next_answer(c->l, request);
        if (answer.data == NULL) {
            while (wait_for(c->l, c->fd) && recv(c->fd, &(char){0}, 1, 0) > 0) continue;
            break;
        }
        bool closes = answer.len == 0 || memmem(answer.data, answer.len, "Connection: close", 17) != NULL;
        if (!send_all(c->fd, answer) || closes) break;
    }
    close(c->fd);
    free(c);
    return NULL;
}

static void *accept_all(void *loopback)
{
    struct loopback *l = loopback;
    while (wait_for(l, l->listener)) {
        struct connection *c = malloc(sizeof *c);
        CHECK(c != NULL && l->connections < MOST_CONNECTIONS);
        *c = (struct connection){l, accept(l->listener, NULL, NULL)};
        pthread_mutex_lock(&l->lock);
        CHECK(pthread_create(&l->threads[l->connections++], NULL, serve, c) == 0);
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

static struct loopback *start(const struct loopback *how)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof address;
    struct loopback   *l = calloc(1, sizeof *l);
    CHECK(l != NULL);
    *l = *how;
    pthread_mutex_init(&l->lock, NULL);
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(l->listener, (struct sockaddr *)&address, len) == 0 && listen(l->listener, 64) == 0 && pipe(l->stop) == 0);
    CHECK(getsockname(l->listener, (struct sockaddr *)&address, &len) == 0);
    l->port = ntohs(address.sin_port);
    CHECK(pthread_create(&l->acceptor, NULL, accept_all, l) == 0);
    return l;
}

struct loopback *loopback_start(const struct slice *answers, size_t count)
{
    return start(&(struct loopback){.answers = answers, .count = count});
}

struct loopback *loopback_compute(struct slice (*answer)(void *context, const char *request), void *context)
{
    return start(&(struct loopback){.compute = answer, .context = context});
}

void loopback_stop(struct loopback *l)
{
    close(l->stop[1]);
    pthread_join(l->acceptor, NULL);
    for (size_t i = 0; i < l->connections; i++) pthread_join(l->threads[i], NULL);
    for (size_t i = 0; l->compute == NULL && i < l->request_count; i++) free(l->requests[i]);
    close(l->stop[0]);
    close(l->listener);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

unsigned loopback_port(const struct loopback *l) { return l->port; }

size_t loopback_requests(struct loopback *l)
{
    pthread_mutex_lock(&l->lock);
    size_t count = l->request_count;
    pthread_mutex_unlock(&l->lock);
    return count;
}

const char *loopback_request(struct loopback *l, size_t number)
{
    CHECK(number < loopback_requests(l));
    return l->requests[number];
}

size_t loopback_connections(struct loopback *l)
{
    pthread_mutex_lock(&l->lock);
    size_t count = l->connections;
    pthread_mutex_unlock(&l->lock);
    return count;
}

const char *loopback_url(const struct loopback *l, const char *path)
{
    static char url[512];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", l->port, path);
    return url;
}
