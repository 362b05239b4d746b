#include "http_priv.h"

#include <unistd.h>

#define BODY_FIRST (16 * 1024)   /* memory that a body begins with; doubled as it comes, so that a claim costs nothing */

struct http_request *http_request_new(struct http_connection *c, const char *text)
{
    struct http_request *r = malloc(sizeof *r + c->head.bytes);
    if (r == NULL) return NULL;
    *r = (struct http_request){.server = c->server, .connection = c, .head = c->head};
    memcpy(r->text, text, c->head.bytes);
    return r;
}

void http_request_free(struct http_request *r)
{
    struct http_server *s = r->server;
    s->held_bytes -= r->held_bytes;
    http_set(&s->counters.held_bytes, s->held_bytes);
    free(r->body);
    free(r->message.data);
    free(r);
}

bool http_request_may_have(const struct http_request *r, uint64_t bytes)
{
    const struct http_server *s = r->server;
    return bytes <= s->limits.held_bytes && s->held_bytes <= s->limits.held_bytes - bytes;
}

size_t http_request_room(struct http_request *r)
{
    struct http_server *s = r->server;
    uint64_t            most = r->head.chunked ? s->limits.body_bytes : r->head.content_length;
    CHECK(r->body_len < most);
    if (r->body_len < r->held_bytes) return r->held_bytes - r->body_len;
    uint64_t bytes = r->held_bytes == 0 ? BODY_FIRST : 2 * (uint64_t)r->held_bytes;
    if (bytes > most) bytes = most;
    if (!http_request_may_have(r, bytes - r->held_bytes)) return 0;
    char *grown = realloc(r->body, bytes);
    if (grown == NULL) return 0;
    r->body = grown;
    s->held_bytes += bytes - r->held_bytes;
    http_set(&s->counters.held_bytes, s->held_bytes);
    r->held_bytes = bytes;
    return r->held_bytes - r->body_len;
}

/* --- For handlers ----------------------------------------------------------------------------------------------------- */

enum http_method http_request_method(const struct http_request *r) { return r->head.method; }

struct slice http_request_path(const struct http_request *r)
{
    return r->head.path.len > 0 ? http_head_slice(r->text, r->head.path) : SLICE("/");
}

struct slice http_request_host(const struct http_request *r) { return http_head_slice(r->text, r->head.host); }

bool http_request_field(const struct http_request *r, struct slice name, struct slice *value)
{
    return http_head_find(&r->head, r->text, name, value);
}

char *http_request_take_body(struct http_request *r, size_t *len)
{
    char *body = r->body;
    *len = body != NULL ? r->body_len : 0;
    r->body = NULL;
    return body;
}

/* Only the first of a row of answers wakes the server, and none of those given inside `complete`: it looks at all answers
 * before it sleeps. */
void http_respond(struct http_request *r, const struct http_answer *answer)
{
    struct http_server *s = r->server;
    bool                own_thread = pthread_equal(s->thread, pthread_self());
    uint64_t            one = 1;
    r->message = http_message_make(answer);
    r->next = NULL;
    pthread_mutex_lock(&s->answered_lock);
    bool first = s->answered == NULL;
    *s->answered_end = r;
    s->answered_end = &r->next;
    /* Inside the lock: once it is open the server may take this answer, end and be closed. */
    if (first && !own_thread) CHECK(write(s->wake, &one, sizeof one) == sizeof one);
    pthread_mutex_unlock(&s->answered_lock);
}
