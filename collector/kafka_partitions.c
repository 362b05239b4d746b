#include "kafka_partitions.h"

#include "base/cond.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void partitions_init(struct kafka_partitions *p)
{
    *p = (struct kafka_partitions){0};
    pthread_mutex_init(&p->lock, NULL);
    cond_init(&p->progress);
}

void partitions_release(struct kafka_partitions *p)
{
    for (size_t i = 0; i < p->count; i++) {
        CHECK(p->items[i].queue == NULL);
        free(p->items[i].topic);
    }
    free(p->items);
    pthread_cond_destroy(&p->progress);
    pthread_mutex_destroy(&p->lock);
    *p = (struct kafka_partitions){0};
}

static bool is(const struct kafka_partition *item, const char *topic, int32_t number)
{
    return item->number == number && strcmp(item->topic, topic) == 0;
}

size_t partitions_find(const struct kafka_partitions *p, const char *topic, int32_t number, size_t near)
{
    if (near < p->count && is(&p->items[near], topic, number)) return near;
    for (size_t i = 0; i < p->count; i++)
        if (is(&p->items[i], topic, number)) return i;
    return SIZE_MAX;
}

/* With the lock, since partitions_settle() looks at the items. */
static size_t add(struct kafka_partitions *p, const char *topic, int32_t number)
{
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 16;
        p->items = realloc(p->items, p->capacity * sizeof *p->items);
        CHECK(p->items != NULL);
    }
    p->items[p->count] = (struct kafka_partition){.topic = strdup(topic), .number = number};
    CHECK(p->items[p->count].topic != NULL);
    return p->count++;
}

size_t partitions_own(struct kafka_partitions *p, const char *topic, int32_t number, int64_t committed)
{
    pthread_mutex_lock(&p->lock);
    size_t index = partitions_find(p, topic, number, SIZE_MAX);
    if (index == SIZE_MAX) index = add(p, topic, number);
    struct kafka_partition *item = &p->items[index];
    CHECK(!item->owned);
    item->owned = true;
    item->touched = item->stopped = false;
    item->generation++;
    item->next = item->committed = committed;
    item->filled = item->settled = OFFSET_UNKNOWN;
    p->owned++;
    pthread_mutex_unlock(&p->lock);
    return index;
}

void partitions_disown(struct kafka_partitions *p, size_t index)
{
    struct kafka_partition *item = &p->items[index];
    pthread_mutex_lock(&p->lock);
    CHECK(item->owned);
    item->owned = false;
    item->generation++;
    p->owned--;
    pthread_mutex_unlock(&p->lock);
    if (item->queue != NULL) rd_kafka_queue_destroy(item->queue);
    item->queue = NULL;
}

void partitions_begin_anew(struct kafka_partitions *p, size_t index)
{
    struct kafka_partition *item = &p->items[index];
    pthread_mutex_lock(&p->lock);
    CHECK(item->owned);
    item->generation++;
    item->next = item->committed = item->filled = item->settled = OFFSET_UNKNOWN;
    pthread_mutex_unlock(&p->lock);
}

bool partitions_current(const struct kafka_partitions *p, size_t index, uint64_t generation)
{
    const struct kafka_partition *item = &p->items[index];
    return item->owned && item->generation == generation && !item->stopped;
}

void partitions_settle(struct kafka_partitions *p, size_t index, uint64_t generation, int64_t next)
{
    pthread_mutex_lock(&p->lock);
    struct kafka_partition *item = &p->items[index];
    if (item->generation == generation && !item->stopped) item->settled = next;
    pthread_cond_signal(&p->progress);
    pthread_mutex_unlock(&p->lock);
}

void partitions_stop(struct kafka_partitions *p, size_t index, uint64_t generation)
{
    pthread_mutex_lock(&p->lock);
    if (p->items[index].generation == generation) p->items[index].stopped = true;
    pthread_cond_signal(&p->progress);
    pthread_mutex_unlock(&p->lock);
}

bool partitions_listed(const rd_kafka_topic_partition_list_t *list, const char *topic, int32_t number)
{
    for (int i = 0; list != NULL && i < list->cnt; i++)
        if (list->elems[i].partition == number && strcmp(list->elems[i].topic, topic) == 0) return true;
    return list == NULL;
}

rd_kafka_topic_partition_list_t *partitions_to_commit(struct kafka_partitions *p, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *found = rd_kafka_topic_partition_list_new(1);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->count; i++) {
        const struct kafka_partition *item = &p->items[i];
        if (!item->owned || item->settled == OFFSET_UNKNOWN || item->settled == item->committed) continue;
        if (!partitions_listed(list, item->topic, item->number)) continue;
        CHECK(item->settled <= item->filled);
        rd_kafka_topic_partition_list_add(found, item->topic, item->number)->offset = item->settled;
    }
    pthread_mutex_unlock(&p->lock);
    if (found->cnt > 0) return found;
    rd_kafka_topic_partition_list_destroy(found);
    return NULL;
}

static bool under_way(const struct kafka_partitions *p, const rd_kafka_topic_partition_list_t *list)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct kafka_partition *item = &p->items[i];
        bool waits = item->owned && !item->stopped && item->settled != item->filled;
        if (waits && partitions_listed(list, item->topic, item->number)) return true;
    }
    return false;
}

void partitions_wait(struct kafka_partitions *p, const rd_kafka_topic_partition_list_t *list, int wait_ms)
{
    const struct timespec until = cond_deadline(wait_ms > 0 ? (uint64_t)wait_ms : 0);
    pthread_mutex_lock(&p->lock);
    while (under_way(p, list) && pthread_cond_timedwait(&p->progress, &p->lock, &until) != ETIMEDOUT) {}
    pthread_mutex_unlock(&p->lock);
}
