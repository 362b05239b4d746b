/* Memory for SQLite that costs next to nothing: a fuzzer opens thousands of databases, each of which asks for memory thousands of times, and
 * AddressSanitizer, which sees nothing inside of SQLite anyway, made up most of the time. Pieces of a power of two are used again; what an
 * input leaves behind is a leak, and found. One includes this per program; quick_sqlite_start() before SQLite is first used. Thread: one. */
#ifndef TESTS_FUZZ_QUICK_SQLITE_H
#define TESTS_FUZZ_QUICK_SQLITE_H

#include "base/check.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/mman.h>

#define QUICK_CLASSES 26               /* 1 << 25 bytes are the largest piece */
#define QUICK_BYTES   ((size_t)1 << 28)
#define QUICK_HEADER  16

static char  *quick_memory, *quick_free[QUICK_CLASSES];
static size_t quick_used, quick_live;   /* bytes ever taken; pieces in use */

static void *quick_malloc(int bytes)
{
    unsigned class = 4;
    while (((size_t)1 << class) < (size_t)bytes + QUICK_HEADER) class++;
    if (class >= QUICK_CLASSES) return NULL;
    char *piece = quick_free[class];
    if (piece != NULL) {
        memcpy(&quick_free[class], piece + QUICK_HEADER, sizeof(char *));
    } else {
        CHECK(QUICK_BYTES - quick_used >= (size_t)1 << class);
        piece = quick_memory + quick_used;
        quick_used += (size_t)1 << class;
    }
    memcpy(piece, &class, sizeof class);
    quick_live++;
    return piece + QUICK_HEADER;
}

static unsigned quick_class(const void *at)
{
    unsigned class;
    memcpy(&class, (const char *)at - QUICK_HEADER, sizeof class);
    return class;
}

static void quick_release(void *at)
{
    unsigned class = quick_class(at);
    memcpy(at, &quick_free[class], sizeof(char *));
    quick_free[class] = (char *)at - QUICK_HEADER;
    quick_live--;
}

static int quick_size(void *at) { return at != NULL ? (int)(((size_t)1 << quick_class(at)) - QUICK_HEADER) : 0; }

static void *quick_realloc(void *at, int bytes)
{
    if (bytes <= quick_size(at)) return at;
    void *larger = quick_malloc(bytes);
    if (larger == NULL) return NULL;
    memcpy(larger, at, (size_t)quick_size(at));
    quick_release(at);
    return larger;
}

static int quick_round(int bytes) { return (bytes + 15) & ~15; }

static int quick_begin(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void quick_end(void *context) { (void)context; }

static void quick_sqlite_start(void)
{
    static const sqlite3_mem_methods methods = {quick_malloc, quick_release, quick_realloc, quick_size, quick_round, quick_begin, quick_end, NULL};
    quick_memory = mmap(NULL, QUICK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(quick_memory != MAP_FAILED);
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK && sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    CHECK(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
}

#endif
