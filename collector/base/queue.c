#include "base/queue.h"

#include "base/cond.h"

#include <errno.h>

bool queue_init(struct queue *q, size_t capacity)
{
    *q = (struct queue){.items = calloc(capacity, sizeof *q->items), .capacity = capacity};
    pthread_mutex_init(&q->lock, NULL);
    cond_init(&q->filled);
    return q->items != NULL;
}

void queue_release(struct queue *q)
{
    if (q->capacity == 0) return;
    pthread_cond_destroy(&q->filled);
    pthread_mutex_destroy(&q->lock);
    free(q->items);
    *q = (struct queue){0};
}

void queue_push(struct queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    CHECK(q->count < q->capacity);
    q->items[(q->first + q->count++) % q->capacity] = item;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

void *queue_take(struct queue *q, int wait_ms)
{
    struct timespec until = cond_deadline(wait_ms > 0 ? (uint64_t)wait_ms : 0);
    void           *item = NULL;
    int             waited = 0;
    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed && wait_ms != 0 && waited != ETIMEDOUT)
        waited = wait_ms < 0 ? pthread_cond_wait(&q->filled, &q->lock) : pthread_cond_timedwait(&q->filled, &q->lock, &until);
    if (q->count > 0) {
        item = q->items[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t count = q->count;
    pthread_mutex_unlock(&q->lock);
    return count;
}
