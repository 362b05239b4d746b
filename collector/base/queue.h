/* A ring of pointers: the one thing that two threads of a run share beside the ledger. It has room for everything that can
 * ever be in it, so a push never waits. Thread: any number on either side. */
#ifndef LETHE_BASE_QUEUE_H
#define LETHE_BASE_QUEUE_H

#include "base/check.h"

#include <pthread.h>
#include <stdbool.h>

struct queue {
    void          **items;
    size_t          capacity, first, count;
    bool            closed;
    pthread_mutex_t lock;
    pthread_cond_t  filled;
};

MUST_USE bool queue_init(struct queue *, size_t capacity);
void queue_release(struct queue *);

void queue_push(struct queue *, void *item);

/* The oldest item. NULL: none came within wait_ms (negative: for ever), or the queue is closed and empty. */
void *queue_take(struct queue *, int wait_ms);

/* Nothing will be pushed any more. */
void queue_close(struct queue *);

size_t queue_count(struct queue *);

#endif
