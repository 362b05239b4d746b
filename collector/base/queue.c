#include "base/queue.h"

#include <errno.h>
#include <time.h>

bool queue_init(struct queue *q, size_t capacity)
{
    pthread_condattr_t monotonic;
    *q = (struct queue){.items = calloc(capacity, sizeof *q->items), .capacity = capacity};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
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

static struct timespec after(int wait_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait_ms / 1000;
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

void *queue_take(struct queue *q, int wait_ms)
{
    struct timespec until = after(wait_ms > 0 ? wait_ms : 0);
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
