/* Tries what is forbidden, each thing in a process of its own that went into the sandbox before. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENDED (-SIGSYS)   /* what became of the process: the signal that ended it, negative; otherwise an errno, 0 if it worked */

static char folder[] = "/tmp/lethe-sandbox-XXXXXX";

static int outcome(int result) { return result < 0 ? errno : 0; }

/* The outcome of `attempt` in a process that was `prepared`. */
static int after(void (*prepare)(void), int (*attempt)(void))
{
    int   status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prepare();
        _exit(attempt());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void enter(enum sandbox_kind kind)
{
    struct error err = {0};
    sandbox_protect_memory();
    if (!sandbox_filter_calls(kind, &err)) _exit(200);
}

static void nothing(void) {}
static void files_only(void) { enter(SANDBOX_FILES); }
static void with_network(void) { enter(SANDBOX_NETWORK); }

/* --- Attempts --------------------------------------------------------------------------------------------------------- */

/* Some are made without the sandbox as well: they must do no harm where they work. */

static int open_socket(void) { return outcome(socket(AF_INET, SOCK_STREAM, 0)); }
static int open_packet_socket(void) { return outcome(socket(AF_PACKET, SOCK_RAW, 0)); }
static int trace_parent(void) { return outcome((int)ptrace(PTRACE_SEIZE, getppid(), NULL, NULL)); }
static int make_ring(void) { return outcome((int)syscall(SYS_io_uring_setup, 1, NULL)); }
static int ask_bpf(void) { return outcome((int)syscall(SYS_bpf, 0, NULL, 0)); }
static int mount_nothing(void) { return outcome((int)syscall(SYS_mount, "none", "/no such folder", "tmpfs", 0, NULL)); }
static int become_another(void) { return outcome((int)syscall(SYS_setuid, 12345)); }
static int leave_namespace(void) { return outcome((int)syscall(SYS_unshare, 0)); }
static int younger_call(void) { return outcome((int)syscall(590)); }
static int signal_parent(void) { return outcome(kill(getppid(), SIGCONT)); }
static int be_dumpable(void) { return outcome(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }

static int run_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}

static int read_other_memory(void)
{
    char         byte;
    struct iovec here = {&byte, 1}, there = {(void *)folder, 1};
    return outcome((int)process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int start_process(void)
{
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return outcome(child);
}

static int make_code(void)
{
    return outcome(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
}

static int want_core_files(void)
{
    struct rlimit limit = {0, 0};
    return outcome(setrlimit(RLIMIT_CORE, &limit));
}

static void *work(void *argument)
{
    *(int *)argument = outcome(open("/dev/null", O_RDONLY));
    return NULL;
}

static int start_thread(void)
{
    pthread_t thread;
    int       found = -1, fault = pthread_create(&thread, NULL, work, &found);
    if (fault == 0) pthread_join(thread, NULL);
    return fault != 0 ? fault : found;
}

/* A thread is bound as the one that started it. */
static void *try_socket(void *argument)
{
    *(int *)argument = open_socket();
    return NULL;
}

static int open_socket_in_thread(void)
{
    pthread_t thread;
    int       found = -1;
    if (pthread_create(&thread, NULL, try_socket, &found) == 0) pthread_join(thread, NULL);
    return found;
}

/* --- Calls ------------------------------------------------------------------------------------------------------------ */

static void what_leads_out_of_the_process_ends_it(void **state)
{
    (void)state;
    static int (*const attempts[])(void) = {run_program, make_ring, ask_bpf, mount_nothing, become_another, leave_namespace, read_other_memory};
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        assert_int_not_equal(after(nothing, attempts[i]), ENDED);   /* otherwise the attempt proves nothing */
        assert_int_equal(after(files_only, attempts[i]), ENDED);
        assert_int_equal(after(with_network, attempts[i]), ENDED);
    }
}

static void only_what_needs_a_network_may_open_a_socket(void **state)
{
    (void)state;
    assert_int_equal(after(nothing, open_socket), 0);
    assert_int_equal(after(files_only, open_socket), ENDED);
    assert_int_equal(after(files_only, open_socket_in_thread), ENDED);
    assert_int_equal(after(with_network, open_socket), 0);
}

static void threads_can_be_started(void **state)
{
    (void)state;
    assert_int_equal(after(files_only, start_thread), 0);
    assert_int_equal(after(with_network, start_thread), 0);
}

/* Builds with sanitizers trace, fork and map as their runtime wants. */
static void what_a_listed_call_is_not_to_be_asked_for_is_refused(void **state)
{
    (void)state;
    if (SANDBOX_RELAXED) skip();
    assert_int_equal(after(files_only, trace_parent), ENDED);
    assert_int_equal(after(files_only, start_process), EPERM);
    assert_int_equal(after(with_network, start_process), EPERM);
    assert_int_equal(after(nothing, make_code), 0);
    assert_int_equal(after(files_only, make_code), EPERM);
    assert_int_equal(after(files_only, signal_parent), EPERM);
    assert_int_equal(after(files_only, be_dumpable), EPERM);
    assert_int_equal(after(files_only, want_core_files), EPERM);
    assert_int_equal(after(with_network, open_packet_socket), EPERM);
}

static void a_call_younger_than_the_lists_is_answered_as_by_an_old_kernel(void **state)
{
    (void)state;
    if (SANDBOX_RELAXED) skip();
    assert_int_equal(after(files_only, younger_call), ENOSYS);
}

static void no_core_file_and_no_new_privileges(void **state)
{
    (void)state;
    pid_t child = fork();
    int   status;
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {1, 1};
        sandbox_protect_memory();
        bool sound = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                     getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0;
        _exit(sound ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* --- Files ------------------------------------------------------------------------------------------------------------ */

static char *in_folder(const char *name)
{
    static char path[8][256];
    static int  next;
    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static void confined(bool reads)
{
    struct error          err = {0};
    struct sandbox_files *f = sandbox_files_new(reads);
    sandbox_may_read(f, in_folder("in/a"));
    sandbox_may_write(f, in_folder("out/new"));
    sandbox_may_write(f, "/dev/null");
    sandbox_may_write_below(f, in_folder("below"));
    sandbox_may_read(f, in_folder("missing"));
    if (!sandbox_confine(f, &err) || sandbox_landlock() == 0) _exit(201);
}

static void reads_confined(void) { confined(true); }
static void writes_confined(void) { confined(false); }

static int opening(const char *path, int flags) { return outcome(open(path, flags, 0600)); }

static int read_input(void) { return opening(in_folder("in/a"), O_RDONLY); }
static int read_neighbour(void) { return opening(in_folder("in/b"), O_RDONLY); }
static int list_folder(void) { return opening(folder, O_RDONLY | O_DIRECTORY); }
static int write_input(void) { return opening(in_folder("in/a"), O_WRONLY); }
static int cut_input(void) { return outcome(truncate(in_folder("in/a"), 0)); }
static int remove_input(void) { return outcome(unlink(in_folder("in/a"))); }
static int write_output(void) { return opening(in_folder("out/new"), O_WRONLY | O_CREAT); }
static int write_device(void) { return opening("/dev/null", O_WRONLY); }
static int write_elsewhere(void) { return opening(in_folder("new"), O_WRONLY | O_CREAT); }
static int make_link(void) { return outcome(symlink("/etc", in_folder("below/link"))); }
static int leave_by_link(void) { return opening(in_folder("below/out-link/b"), O_WRONLY); }

static int rename_output(void)
{
    if (opening(in_folder("out/.new"), O_WRONLY | O_CREAT) != 0) return 202;
    return outcome(rename(in_folder("out/.new"), in_folder("out/new")));
}

static int work_below(void)
{
    if (mkdir(in_folder("below/x"), 0700) != 0 || opening(in_folder("below/x/file"), O_RDWR | O_CREAT) != 0) return 202;
    if (rename(in_folder("below/x/file"), in_folder("below/file")) != 0) return outcome(-1);
    return outcome(unlink(in_folder("below/file")) != 0 || rmdir(in_folder("below/x")) != 0 ? -1 : 0);
}

static void put(const char *name) { assert_return_code(close(open(in_folder(name), O_WRONLY | O_CREAT, 0600)), 0); }

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    for (size_t i = 0; i < 3; i++) mkdir(in_folder(((const char *[]){"in", "out", "below"})[i]), 0700);
    put("in/a");
    put("in/b");
    return symlink(in_folder("in"), in_folder("below/out-link"));
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const files[] = {"in/a", "in/b", "out/new", "out/.new", "below/out-link"}, *const folders[] = {"in", "out", "below"};
    for (size_t i = 0; i < 5; i++) unlink(in_folder(files[i]));
    for (size_t i = 0; i < 3; i++) rmdir(in_folder(folders[i]));
    return rmdir(folder);
}

static bool has_landlock(void) { return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* its version */) > 0; }

static void files_are_read_and_written_where_it_was_said(void **state)
{
    (void)state;
    if (!has_landlock()) skip();
    void (*const both[])(void) = {reads_confined, writes_confined};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(after(both[i], read_input), 0);
        assert_int_equal(after(both[i], write_output), 0);
        assert_int_equal(after(both[i], rename_output), 0);
        assert_int_equal(after(both[i], write_device), 0);
        assert_int_equal(after(both[i], work_below), 0);
    }
}

static void nothing_is_written_elsewhere(void **state)
{
    (void)state;
    if (!has_landlock()) skip();
    int (*const attempts[])(void) = {write_input, cut_input, remove_input, write_elsewhere, make_link, leave_by_link};
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        assert_int_equal(after(reads_confined, attempts[i]), EACCES);
        assert_int_equal(after(writes_confined, attempts[i]), EACCES);
    }
}

static void reading_is_confined_only_when_it_was_said(void **state)
{
    (void)state;
    if (!has_landlock()) skip();
    assert_int_equal(after(reads_confined, read_neighbour), EACCES);
    assert_int_equal(after(reads_confined, list_folder), EACCES);
    assert_int_equal(after(writes_confined, read_neighbour), 0);
    assert_int_equal(after(writes_confined, list_folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_leads_out_of_the_process_ends_it),
        cmocka_unit_test(only_what_needs_a_network_may_open_a_socket),
        cmocka_unit_test(threads_can_be_started),
        cmocka_unit_test(what_a_listed_call_is_not_to_be_asked_for_is_refused),
        cmocka_unit_test(a_call_younger_than_the_lists_is_answered_as_by_an_old_kernel),
        cmocka_unit_test(no_core_file_and_no_new_privileges),
        cmocka_unit_test(files_are_read_and_written_where_it_was_said),
        cmocka_unit_test(nothing_is_written_elsewhere),
        cmocka_unit_test(reading_is_confined_only_when_it_was_said),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
