#include "failing_memory.h"

#include "base/arena.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <execinfo.h>
#include <hs.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_bool          armed, every_later;
static atomic_uint_fast64_t requests, first_refused;

void failing_memory_arm(uint64_t first, bool all_later)
{
    atomic_store(&requests, 0);
    atomic_store(&first_refused, first);
    atomic_store(&every_later, all_later);
    atomic_store(&armed, true);
}

uint64_t failing_memory_disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&requests);
}

void failing_memory_hold(void) { atomic_store(&armed, false); }
void failing_memory_go_on(void) { atomic_store(&armed, true); }

/* --- Who asks --------------------------------------------------------------------------------------------------------------- */

#define CALLERS 4   /* functions above the one that asks that make a way to ask */
#define IGNORED 3   /* note_way(), refuses() and the function that stands for malloc */

struct ways {
    uint64_t hashes[FAILING_MEMORY_WAYS], numbers[FAILING_MEMORY_WAYS];
    size_t   count, told;
};

static struct ways *ways;   /* shared with the children of the test */

/* Notes a request that is asked for on a way that was not met before. */
static __attribute__((noinline)) void note_way(uint64_t number)
{
    void    *callers[IGNORED + CALLERS];
    int      count = backtrace(callers, IGNORED + CALLERS);
    uint64_t hash = 1;
    size_t   i = 0;
    for (int c = IGNORED; c < count; c++) hash = (hash ^ (uint64_t)(uintptr_t)callers[c]) * UINT64_C(0x9e3779b97f4a7c15);
    while (i < ways->count && ways->hashes[i] != hash) i++;
    if (i < ways->count || i == FAILING_MEMORY_WAYS) return;
    ways->hashes[i] = hash;
    ways->numbers[i] = number;
    ways->count++;
}

size_t failing_memory_new_ways(uint64_t numbers[FAILING_MEMORY_WAYS])
{
    size_t count = ways->count - ways->told;
    memcpy(numbers, ways->numbers + ways->told, count * sizeof *numbers);
    ways->told = ways->count;
    return count;
}

void failing_memory_forget_ways(void) { ways->count = ways->told = 0; }

static pthread_mutex_t ways_lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) bool refuses(void)
{
    if (!atomic_load(&armed)) return false;
    if (atomic_load(&first_refused) == 0) {
        pthread_mutex_lock(&ways_lock);
        note_way(atomic_load(&requests) + 1);
        pthread_mutex_unlock(&ways_lock);
    }
    uint64_t number = atomic_fetch_add(&requests, 1) + 1, first = atomic_load(&first_refused);
    bool     refuse = first > 0 && (number == first || (number > first && atomic_load(&every_later)));
    if (refuse) errno = ENOMEM;
    return refuse;
}

/* --- The program's own requests ------------------------------------------------------------------------------------------ */

void *__real_malloc(size_t), *__real_calloc(size_t, size_t), *__real_realloc(void *, size_t), *__real_reallocarray(void *, size_t, size_t);
void *__real_arena_take(struct arena *, size_t);
char *__real_strdup(const char *), *__real_strndup(const char *, size_t);
void *__wrap_malloc(size_t), *__wrap_calloc(size_t, size_t), *__wrap_realloc(void *, size_t), *__wrap_reallocarray(void *, size_t, size_t);
void *__wrap_arena_take(struct arena *, size_t);
char *__wrap_strdup(const char *), *__wrap_strndup(const char *, size_t);
int   __wrap_asprintf(char **, const char *, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t bytes) { return refuses() ? NULL : __real_malloc(bytes); }
void *__wrap_calloc(size_t count, size_t bytes) { return refuses() ? NULL : __real_calloc(count, bytes); }
void *__wrap_realloc(void *old, size_t bytes) { return refuses() ? NULL : __real_realloc(old, bytes); }
void *__wrap_reallocarray(void *old, size_t count, size_t bytes) { return refuses() ? NULL : __real_reallocarray(old, count, bytes); }
char *__wrap_strdup(const char *text) { return refuses() ? NULL : __real_strdup(text); }
char *__wrap_strndup(const char *text, size_t len) { return refuses() ? NULL : __real_strndup(text, len); }

void *__wrap_arena_take(struct arena *a, size_t bytes)
{
    if (!refuses()) return __real_arena_take(a, bytes);
    a->starved = true;
    return NULL;
}

int __wrap_asprintf(char **out, const char *format, ...)
{
    va_list arguments;
    if (refuses()) {
        *out = NULL;   /* as glibc leaves it since 2.40; before that it was undefined */
        return -1;
    }
    va_start(arguments, format);
    int len = vasprintf(out, format, arguments);
    va_end(arguments);
    return len;
}

/* --- Those of libraries -------------------------------------------------------------------------------------------------- */

/* SQLite asks how large a piece is: the size stands before it. */
#define SIZE_BYTES 16

static void *sized_malloc(int bytes)
{
    char *piece = refuses() ? NULL : __real_malloc(SIZE_BYTES + (size_t)bytes);
    if (piece == NULL) return NULL;
    *(int *)(void *)piece = bytes;
    return piece + SIZE_BYTES;
}

static void sized_free(void *piece) { free(piece != NULL ? (char *)piece - SIZE_BYTES : NULL); }
static int  sized_bytes(void *piece) { return piece != NULL ? *(int *)(void *)((char *)piece - SIZE_BYTES) : 0; }
static int  sized_round_up(int bytes) { return (bytes + 7) & ~7; }

static void *sized_realloc(void *old, int bytes)
{
    char *piece = refuses() ? NULL : __real_realloc((char *)old - SIZE_BYTES, SIZE_BYTES + (size_t)bytes);
    if (piece == NULL) return NULL;
    *(int *)(void *)piece = bytes;
    return piece + SIZE_BYTES;
}

static int  sized_start(void *unused) { return (void)unused, SQLITE_OK; }
static void sized_end(void *unused) { (void)unused; }

void failing_memory_start(void)
{
    sqlite3_mem_methods sized = {sized_malloc, sized_free, sized_realloc, sized_bytes, sized_round_up, sized_start, sized_end, NULL};
    cJSON_Hooks         hooks = {__wrap_malloc, free};
    cJSON_InitHooks(&hooks);
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &sized) == SQLITE_OK);
    ways = mmap(NULL, sizeof *ways, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ways != MAP_FAILED && backtrace((void *[1]){NULL}, 1) >= 0);   /* its first call asks for memory itself */
    CHECK(hs_set_scratch_allocator(__wrap_malloc, free) == HS_SUCCESS);
}
