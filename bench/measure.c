/* Runs a command and says what it cost: the launcher of bench/run.
 *
 *     measure STATS COMMAND [ARGUMENT...]
 *
 * STATS gets one line of JSON. The kernel counts the launcher's own few pages into the peak of its child, since the
 * child is a copy of it until exec; that is why the launcher is as small as this. SIGTERM and SIGINT go on to the child,
 * so that a daemon can be stopped. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child;

static void forward(int number)
{
    if (child > 0) kill((pid_t)child, number);
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int report(const char *path, double wall, int status, const struct rusage *usage)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) return -1;
    fprintf(file, "{\"wall\": %.6f, \"user\": %.6f, \"system\": %.6f, \"peak_kib\": %ld, \"exit\": %d}\n", wall,
            seconds(usage->ru_utime), seconds(usage->ru_stime), usage->ru_maxrss,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(file);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: measure STATS COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    struct sigaction action = {.sa_handler = forward};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    double start = now();
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[2], argv + 2);
        fprintf(stderr, "measure: cannot run '%s': %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    int status;
    struct rusage usage;
    child = pid;
    if (pid < 0) return 1;
    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR) return 1;
    if (report(argv[1], now() - start, status, &usage) != 0) {
        fprintf(stderr, "measure: cannot write '%s': %s\n", argv[1], strerror(errno));
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
