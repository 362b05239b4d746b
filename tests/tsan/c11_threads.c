/* Threads, locks and conditions of C11 by those of POSIX, for builds with ThreadSanitizer.
 *
 * It follows what goes through pthread_create() and the like, and nothing else: a thread that thrd_create() of the C library made has
 * no state of its own in it and crashes at its first allocation. librdkafka makes all of its threads so. The program's own
 * definitions come before those of the library. glibc's types of both kinds are the same in size and meaning (its mtx_t is a
 * pthread_mutex_t, thrd_t a pthread_t), which is asserted below. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc's types");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t) && sizeof(once_flag) == sizeof(pthread_once_t), "glibc's types");

static int outcome(int error)
{
    switch (error) {
    case 0: return thrd_success;
    case ENOMEM: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    case EBUSY: return thrd_busy;
    default: return thrd_error;
    }
}

struct beginning {
    thrd_start_t function;
    void        *argument;
};

static void *begin(void *beginning)
{
    struct beginning b = *(struct beginning *)beginning;
    free(beginning);
    return (void *)(intptr_t)b.function(b.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
    struct beginning *b = malloc(sizeof *b);
    if (b == NULL) return thrd_nomem;
    *b = (struct beginning){function, argument};
    int error = pthread_create(thread, NULL, begin, b);
    if (error != 0) free(b);
    return outcome(error);
}

int thrd_join(thrd_t thread, int *result)
{
    void *returned;
    int   error = pthread_join(thread, &returned);
    if (error == 0 && result != NULL) *result = (int)(intptr_t)returned;
    return outcome(error);
}

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    int error = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return outcome(error);
}

void mtx_destroy(mtx_t *mutex) { pthread_mutex_destroy((pthread_mutex_t *)mutex); }

int mtx_lock(mtx_t *mutex) { return outcome(pthread_mutex_lock((pthread_mutex_t *)mutex)); }

int mtx_trylock(mtx_t *mutex) { return outcome(pthread_mutex_trylock((pthread_mutex_t *)mutex)); }

int mtx_unlock(mtx_t *mutex) { return outcome(pthread_mutex_unlock((pthread_mutex_t *)mutex)); }

int cnd_init(cnd_t *condition) { return outcome(pthread_cond_init((pthread_cond_t *)condition, NULL)); }

void cnd_destroy(cnd_t *condition) { pthread_cond_destroy((pthread_cond_t *)condition); }

int cnd_signal(cnd_t *condition) { return outcome(pthread_cond_signal((pthread_cond_t *)condition)); }

int cnd_broadcast(cnd_t *condition) { return outcome(pthread_cond_broadcast((pthread_cond_t *)condition)); }

int cnd_wait(cnd_t *condition, mtx_t *mutex) { return outcome(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex)); }

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
    return outcome(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

void call_once(once_flag *flag, void (*function)(void)) { pthread_once((pthread_once_t *)flag, function); }
