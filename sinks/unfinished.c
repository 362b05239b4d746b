#include "sinks/unfinished.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static _Atomic(char *) listed[UNFINISHED_MAX];
static atomic_int      making;   /* threads between listing a name and the return of open() */
static atomic_bool     ending;

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNAL_COUNT (sizeof ending_signals / sizeof *ending_signals)

static void remove_and_end(int signal_number)
{
    atomic_store(&ending, true);
    while (atomic_load(&making) > 0) continue;
    for (size_t i = 0; i < UNFINISHED_MAX; i++) {
        const char *path = atomic_load(&listed[i]);
        if (path != NULL) unlink(path);
    }
    /* SA_RESETHAND has put the default back; the signal is held off while its handler runs and ends us on return. */
    raise(signal_number);
}

void unfinished_watch_signals(void)
{
    struct sigaction action = {.sa_handler = remove_and_end, .sa_flags = (int)SA_RESETHAND}, before;
    for (size_t i = 0; i < SIGNAL_COUNT; i++) sigaddset(&action.sa_mask, ending_signals[i]);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        if (sigaction(ending_signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ending_signals[i], &action, NULL);
}

static bool list(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL) return false;
    for (size_t i = 0; i < UNFINISHED_MAX; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&listed[i], &none, copy)) return true;
    }
    check_failed("at most UNFINISHED_MAX files are unfinished", __FILE__, __LINE__);
}

int unfinished_create(const char *path)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&making, 1);
    int fd = -1;
    if (atomic_load(&ending))
        errno = EINTR;
    else if (!list(path))
        errno = ENOMEM;
    else if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0)
        unfinished_forget(path);
    int number = errno;
    atomic_fetch_sub(&making, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return fd;
}

void unfinished_forget(const char *path)
{
    int number = errno;
    for (size_t i = 0; i < UNFINISHED_MAX; i++) {
        char *name = atomic_load(&listed[i]);
        if (name == NULL || strcmp(name, path) != 0) continue;
        /* Not freed once the handler has begun: it may be reading the name. */
        atomic_store(&listed[i], NULL);
        if (!atomic_load(&ending)) free(name);
    }
    errno = number;
}
