/* System calls: see sandbox.h. Sources: seccomp(2), seccomp_rule_add(3).
 *
 * Two filters, since one cannot say "these values, and an error for others" beside "and nothing else": the first ends the
 * process at a call that is not listed, the second refuses with EPERM what listed calls are not to be asked for. The kernel
 * takes the stricter answer.
 *
 * Calls younger than the lists answer ENOSYS, so that a newer C library falls back to what it had before; clone3() does, too,
 * since a filter cannot see its flags. */
#include "base/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEWEST_LISTED 450   /* set_mempolicy_home_node, Linux 5.17; numbers are the same on all machines since 424 */
#define NEWEST_FUTURE 600   /* up to here a number is taken for a call that is to come */
#define COUNT_OF(a)   (sizeof(a) / sizeof *(a))
#define THREAD        (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

void sandbox_protect_memory(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Memory, threads, time, signals, open files, files by name. */
static const int calls_of_files[] = {
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(mlock2),
    SCMP_SYS(munlock), SCMP_SYS(msync),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address), SCMP_SYS(membarrier), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler), SCMP_SYS(getcpu), SCMP_SYS(restart_syscall),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
    SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrusage), SCMP_SYS(times),
    SCMP_SYS(getrlimit), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigsuspend), SCMP_SYS(sigaltstack), SCMP_SYS(pause),
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv),
    SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
    SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate), SCMP_SYS(fadvise64), SCMP_SYS(readahead), SCMP_SYS(copy_file_range), SCMP_SYS(fchmod), SCMP_SYS(fchown),
    SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(signalfd4), SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getdents64),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link),
    SCMP_SYS(linkat), SCMP_SYS(chmod), SCMP_SYS(fchmodat), SCMP_SYS(truncate), SCMP_SYS(utimensat), SCMP_SYS(umask),
    SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch), SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(landlock_add_rule), SCMP_SYS(landlock_restrict_self),
};

static const int calls_of_network[] = {
    SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(sendto),
    SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendfile),
};

/* What a library may try and can do without. */
static const int calls_refused[] = {
    SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_setscheduler), SCMP_SYS(setpriority), SCMP_SYS(getxattr), SCMP_SYS(lgetxattr),
    SCMP_SYS(fgetxattr), SCMP_SYS(get_mempolicy), SCMP_SYS(mbind), SCMP_SYS(memfd_create), SCMP_SYS(seccomp),
};

/* For a build whose other calls are not known: those that lead out of the process. */
static const int calls_forbidden[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(bpf), SCMP_SYS(io_uring_setup), SCMP_SYS(mount), SCMP_SYS(umount2),
    SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open), SCMP_SYS(keyctl),
    SCMP_SYS(add_key), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(open_by_handle_at), SCMP_SYS(setuid),
    SCMP_SYS(setgid), SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(reboot),
};

/* A call that may be asked for some things only: an argument under a mask has this value. */
struct condition {
    int      call;
    unsigned argument;
    uint64_t mask, value;
    bool     network_too;   /* false: with SANDBOX_NETWORK the call is not bound by it */
};

#define ALL UINT32_MAX   /* these arguments are ints: what is above does not count */

static const struct condition conditions[] = {
    {SCMP_SYS(clone), 0, THREAD, THREAD, true},   /* threads, no processes */
    {SCMP_SYS(mmap), 2, PROT_EXEC, 0, false},     /* the resolver loads libraries */
    {SCMP_SYS(mprotect), 2, PROT_EXEC, 0, false},
    {SCMP_SYS(prlimit64), 2, UINT64_MAX, 0, true},   /* limits are read, not set */
    {SCMP_SYS(ioctl), 1, ALL, TCGETS, true},      {SCMP_SYS(ioctl), 1, ALL, TIOCGWINSZ, true},
    {SCMP_SYS(ioctl), 1, ALL, TIOCGPGRP, true},   {SCMP_SYS(ioctl), 1, ALL, FIONREAD, true},
    {SCMP_SYS(ioctl), 1, ALL, FIONBIO, true},
    {SCMP_SYS(ioctl), 1, ALL, TIOCOUTQ, true},    /* what the other end of a connection has acknowledged */
    {SCMP_SYS(prctl), 0, ALL, PR_SET_NAME, true}, {SCMP_SYS(prctl), 0, ALL, PR_GET_NAME, true},
    {SCMP_SYS(prctl), 0, ALL, PR_GET_DUMPABLE, true}, {SCMP_SYS(prctl), 0, ALL, PR_SET_NO_NEW_PRIVS, true},
};

static const struct condition socket_conditions[] = {
    {SCMP_SYS(socket), 0, ALL, AF_UNIX, true},    {SCMP_SYS(socket), 0, ALL, AF_INET, true},
    {SCMP_SYS(socket), 0, ALL, AF_INET6, true},
    {SCMP_SYS(socket), 0, ALL, AF_NETLINK, true}, /* the resolver asks for addresses of its own */
    {SCMP_SYS(socketpair), 0, ALL, AF_UNIX, true},
};

/* The libc of some machines uses other calls than that of others: what one does not have is nothing to allow. */
static bool add_rule(scmp_filter_ctx filter, uint32_t action, int call, const struct scmp_arg_cmp *argument)
{
    return call < 0 || seccomp_rule_add_array(filter, action, call, argument != NULL, argument) == 0;
}

static bool add_list(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    bool added = true;
    for (size_t i = 0; i < count; i++) added = added && add_rule(filter, action, calls[i], NULL);
    return added;
}

/* Signals go to this process alone; what conditions allow is allowed on those. */
static bool add_conditional(scmp_filter_ctx filter, const struct condition *list, size_t count, enum sandbox_kind kind)
{
    bool added = true;
    for (size_t i = 0; i < count; i++) {
        const struct condition    *c = &list[i];
        const struct scmp_arg_cmp argument = {c->argument, SCMP_CMP_MASKED_EQ, c->mask, c->value};
        added = added && add_rule(filter, SCMP_ACT_ALLOW, c->call, c->network_too || kind == SANDBOX_FILES ? &argument : NULL);
    }
    return added;
}

static bool add_signals(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp own = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
    return add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), &own) && add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), &own);
}

/* What both filters let pass. */
static bool add_allowed(scmp_filter_ctx filter, enum sandbox_kind kind)
{
    return add_list(filter, SCMP_ACT_ALLOW, calls_of_files, COUNT_OF(calls_of_files)) &&
           (kind != SANDBOX_NETWORK || add_list(filter, SCMP_ACT_ALLOW, calls_of_network, COUNT_OF(calls_of_network)));
}

static bool add_unknown(scmp_filter_ctx filter)
{
    bool added = add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), NULL);
    for (int call = NEWEST_LISTED + 1; call <= NEWEST_FUTURE; call++)
        added = added && add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), call, NULL);
    return added;
}

/* Everything that is not listed ends the process. */
static bool fill_ending(scmp_filter_ctx filter, enum sandbox_kind kind)
{
    bool filled = add_allowed(filter, kind) && add_unknown(filter) && add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), NULL) &&
                  add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), NULL) &&
                  add_list(filter, SCMP_ACT_ERRNO(EPERM), calls_refused, COUNT_OF(calls_refused));
    for (size_t i = 0; i < COUNT_OF(conditions); i++)
        filled = filled && add_rule(filter, SCMP_ACT_ALLOW, conditions[i].call, NULL);
    for (size_t i = 0; kind == SANDBOX_NETWORK && i < COUNT_OF(socket_conditions); i++)
        filled = filled && add_rule(filter, SCMP_ACT_ALLOW, socket_conditions[i].call, NULL);
    return filled;
}

/* What a listed call is not to be asked for is refused. */
static bool fill_refusing(scmp_filter_ctx filter, enum sandbox_kind kind)
{
    return add_allowed(filter, kind) &&
           add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), NULL) /* the other filter follows */ &&
           add_unknown(filter) && add_signals(filter) && add_conditional(filter, conditions, COUNT_OF(conditions), kind) &&
           (kind != SANDBOX_NETWORK || add_conditional(filter, socket_conditions, COUNT_OF(socket_conditions), kind));
}

static bool fill_relaxed(scmp_filter_ctx filter, enum sandbox_kind kind)
{
    return add_list(filter, SCMP_ACT_KILL_PROCESS, calls_forbidden, COUNT_OF(calls_forbidden)) &&
           (kind == SANDBOX_NETWORK || add_rule(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), NULL));
}

/* Optimised, so that a call costs a look-up and not a walk along the list. No code of others runs in here that could guess at
 * memory by speculation, so the stores need not be slowed down as old kernels do for filtered processes. */
static bool load(uint32_t otherwise, bool (*fill)(scmp_filter_ctx, enum sandbox_kind), enum sandbox_kind kind, struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);
    if (filter == NULL) return error_set(err, ERROR_MEMORY, "no memory for the filter of system calls");
    (void)seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    CHECK(fill(filter, kind));
    errno = -seccomp_load(filter);
    bool loaded = errno == 0 || error_set_errno(err, ERROR_USAGE, "system calls cannot be filtered here");
    seccomp_release(filter);
    return loaded;
}

bool sandbox_filter_calls(enum sandbox_kind kind, struct error *err)
{
    if (SANDBOX_RELAXED) return load(SCMP_ACT_ALLOW, fill_relaxed, kind, err);
    return load(SCMP_ACT_ERRNO(EPERM), fill_refusing, kind, err) && load(SCMP_ACT_KILL_PROCESS, fill_ending, kind, err);
}
