/* Preloaded into the program under fire: makes chosen calls fail, or kills the process at a chosen call.
 *
 *   FAULTY_CONTROL=FILE    of one struct control, shared with the test: which calls fail, with which error, how often
 *   FAULTY_POINT=NAME:HIT  SIGKILL at the HITth time that NAME comes by
 *   FAULTY_NAMES=FILE      every name that came by is written there, once
 *
 * A name is WHAT-CALL-before or WHAT-CALL-after, such as wal-sync-after: between any two of these, what a killed process leaves
 * behind does not change, so they are all the places where a kill can make a difference. WHAT is told by the path:
 *
 *     wal        the store's write-ahead log      database   the store's database       store   other files of the store
 *     output     files below out/                 socket     TCP                        sealed  below kept/: withheld records
 *     other      anything else: never touched
 *
 * Threads: any. What a descriptor is, is remembered when it is opened, since a sandbox may forbid to ask later. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS 4096
#define NAMES       128

enum what { OTHER, WAL, DATABASE, STORE, OUTPUT, SOCKET, SEALED, WHATS };
enum call { CALL_OPEN, CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_UNLINK, CALL_TRUNCATE, CALL_SEND, CALLS };

static const char *const what_names[WHATS] = {"other", "wal", "database", "store", "output", "socket", "sealed"};
static const char *const call_names[CALLS] = {"open", "write", "sync", "rename", "unlink", "truncate", "send"};

/* As the test writes it: little-endian, no padding. */
struct control {
    uint32_t         whats, calls;   /* bits: which are to fail */
    uint32_t         number;         /* errno */
    _Atomic int32_t  skip;           /* so many pass before the first failure */
    _Atomic int32_t  times;          /* so many fail; -1: all, until this is changed */
    _Atomic uint32_t injected;       /* have failed */
};

static struct control  none;
static struct control *control = &none;
static _Atomic uint8_t descriptors[DESCRIPTORS];
static const char     *point;
static atomic_int      hits_left;
static int             names_fd = -1;
static atomic_bool     seen[NAMES];

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("FAULTY_CONTROL"), *at = getenv("FAULTY_POINT"), *names = getenv("FAULTY_NAMES");
    if (file != NULL) {
        int   fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
        void *map = fd >= 0 ? mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
        if (map == MAP_FAILED) abort();
        control = map;
        syscall(SYS_close, fd);
    }
    if (at != NULL) {
        char *colon = strrchr(at, ':');
        if (colon == NULL) abort();
        hits_left = atoi(colon + 1);
        point = strndup(at, (size_t)(colon - at));
    }
    if (names != NULL) names_fd = (int)syscall(SYS_openat, AT_FDCWD, names, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* --- What it is ----------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len >= n && strcmp(text + len - n, end) == 0;
}

static enum what what_of_path(const char *path)
{
    if (ends_with(path, "-shm")) return OTHER;   /* is made anew */
    if (strstr(path, "/state/") != NULL) return ends_with(path, "-wal") ? WAL : ends_with(path, "/store.db") ? DATABASE : STORE;
    if (strstr(path, "/kept/") != NULL) return SEALED;
    return strstr(path, "/out/") != NULL ? OUTPUT : OTHER;
}

static enum what what_of(int fd) { return fd >= 0 && fd < DESCRIPTORS ? (enum what)descriptors[fd] : OTHER; }

static void remember(int fd, enum what what)
{
    if (fd >= 0 && fd < DESCRIPTORS) descriptors[fd] = (uint8_t)what;
}

/* --- Points and failures -------------------------------------------------------------------------------------------------- */

static void pass(enum what what, enum call call, bool after)
{
    char name[64];
    if (what == OTHER || (point == NULL && names_fd < 0)) return;
    int len = snprintf(name, sizeof name, "%s-%s-%s", what_names[what], call_names[call], after ? "after" : "before");
    if (point != NULL && strcmp(name, point) == 0 && atomic_fetch_sub(&hits_left, 1) == 1) syscall(SYS_kill, getpid(), SIGKILL);
    size_t number = ((size_t)what * CALLS + call) * 2 + after;
    name[len] = '\n';
    if (names_fd >= 0 && !atomic_exchange(&seen[number], true)) syscall(SYS_write, names_fd, name, (size_t)len + 1);
}

/* True: this call is to fail, errno is set. */
static bool fails(enum what what, enum call call)
{
    if ((control->whats >> what & 1) == 0 || (control->calls >> call & 1) == 0 || what == OTHER || control->times == 0) return false;
    if (atomic_load(&control->skip) > 0 && atomic_fetch_sub(&control->skip, 1) > 0) return false;
    if (control->times > 0 && atomic_fetch_sub(&control->times, 1) <= 0) {
        control->times = 0;
        return false;
    }
    atomic_fetch_add(&control->injected, 1);
    errno = (int)control->number;
    return true;
}

#define REAL(name)                                                                                                                \
    static __typeof__(&name) real;                                                                                                \
    if (real == NULL) real = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name)

#define AROUND(what, call, type, expression)                                                                                      \
    do {                                                                                                                          \
        pass(what, call, false);                                                                                                  \
        if (fails(what, call)) return -1;                                                                                         \
        type result_ = (expression);                                                                                              \
        int  number_ = errno;                                                                                                     \
        pass(what, call, true);                                                                                                   \
        errno = number_;                                                                                                          \
        return result_;                                                                                                           \
    } while (0)

/* --- The calls ------------------------------------------------------------------------------------------------------------ */

static int open_any(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    enum what what = what_of_path(path);
    bool      writes = (flags & (O_ACCMODE | O_CREAT)) != O_RDONLY;
    if (writes) pass(what, CALL_OPEN, false);
    if (writes && fails(what, CALL_OPEN)) return -1;
    int fd = real(path, flags, mode);
    if (fd >= 0) remember(fd, what);
    int number = errno;
    if (writes) pass(what, CALL_OPEN, true);
    errno = number;
    return fd;
}

static mode_t mode_of(int flags, va_list more) { return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0; }

#define OPEN(name)                                                                                                                \
    int name(const char *path, int flags, ...)                                                                                    \
    {                                                                                                                             \
        va_list more;                                                                                                             \
        REAL(name);                                                                                                               \
        va_start(more, flags);                                                                                                    \
        mode_t mode = mode_of(flags, more);                                                                                       \
        va_end(more);                                                                                                             \
        return open_any(real, path, flags, mode);                                                                                 \
    }

OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                              \
    int name(int folder, const char *path, int flags, ...)                                                                        \
    {                                                                                                                             \
        va_list more;                                                                                                             \
        REAL(name);                                                                                                               \
        va_start(more, flags);                                                                                                    \
        mode_t mode = mode_of(flags, more);                                                                                       \
        va_end(more);                                                                                                             \
        int fd = real(folder, path, flags, mode);                                                                                 \
        remember(fd, what_of_path(path));                                                                                         \
        return fd;                                                                                                                \
    }

OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
    REAL(close);
    remember(fd, OTHER);
    return real(fd);
}

int socket(int family, int type, int protocol)
{
    REAL(socket);
    int fd = real(family, type, protocol);
    remember(fd, family == AF_INET || family == AF_INET6 ? SOCKET : OTHER);
    return fd;
}

int accept4(int listener, struct sockaddr *address, socklen_t *len, int flags)
{
    REAL(accept4);
    int fd = real(listener, address, len, flags);
    remember(fd, SOCKET);
    return fd;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    REAL(write);
    enum what what = what_of(fd);
    AROUND(what, what == SOCKET ? CALL_SEND : CALL_WRITE, ssize_t, real(fd, bytes, len));
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    REAL(writev);
    enum what what = what_of(fd);
    AROUND(what, what == SOCKET ? CALL_SEND : CALL_WRITE, ssize_t, real(fd, pieces, count));
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    REAL(pwrite);
    AROUND(what_of(fd), CALL_WRITE, ssize_t, real(fd, bytes, len, at));
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    REAL(pwrite64);
    AROUND(what_of(fd), CALL_WRITE, ssize_t, real(fd, bytes, len, at));
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    REAL(send);
    AROUND(what_of(fd), CALL_SEND, ssize_t, real(fd, bytes, len, flags));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    REAL(sendmsg);
    AROUND(what_of(fd), CALL_SEND, ssize_t, real(fd, message, flags));
}

int fsync(int fd)
{
    REAL(fsync);
    AROUND(what_of(fd), CALL_SYNC, int, real(fd));
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    AROUND(what_of(fd), CALL_SYNC, int, real(fd));
}

int ftruncate(int fd, off_t len)
{
    REAL(ftruncate);
    AROUND(what_of(fd), CALL_TRUNCATE, int, real(fd, len));
}

int ftruncate64(int fd, off64_t len)
{
    REAL(ftruncate64);
    AROUND(what_of(fd), CALL_TRUNCATE, int, real(fd, len));
}

int unlink(const char *path)
{
    REAL(unlink);
    AROUND(what_of_path(path), CALL_UNLINK, int, real(path));
}

int rename(const char *old, const char *new)
{
    REAL(rename);
    AROUND(what_of_path(new), CALL_RENAME, int, real(old, new));
}

int renameat2(int old_folder, const char *old, int new_folder, const char *new, unsigned flags)
{
    REAL(renameat2);
    AROUND(what_of_path(new), CALL_RENAME, int, real(old_folder, old, new_folder, new, flags));
}
