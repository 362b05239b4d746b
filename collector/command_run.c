/* lethe run: the streaming collector. Configuration to stream, then signals until it is over.
 *
 * SIGTERM, SIGINT: stop in order, waiting for sinks up to drain_timeout; a second one stops at once. SIGHUP: configuration,
 * policy and keys anew; a mistake in them is told and changes nothing. */
#include "admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "commands.h"
#include "confine.h"
#include "stream.h"
#include "supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct run {
    const char    *path;      /* of the configuration, or NULL */
    struct config *config;
    struct stream *stream;
    struct admin  *admin;      /* NULL: no listener */
    struct confinement *confinement;
    bool           stopping;
};

static void setup_log(const struct config *c)
{
    bool json = c->run.log_format == LOG_FORMAT_JSON || (c->run.log_format == LOG_FORMAT_AUTO && !isatty(STDERR_FILENO));
    log_setup(json, (enum log_level)c->run.log_level);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);   /* threads that are started later inherit it */
}

static bool start(struct run *r, struct error *err)
{
    bool listens = r->config->admin.listen != NULL;
    if ((r->stream = stream_open(r->config, err)) == NULL) return false;
    if (listens && (r->admin = admin_open(&r->config->admin, err)) == NULL) return false;   /* before anything is read */
    return stream_start(r->stream, err) && (!listens || admin_start(r->admin, r->stream, err));
}

/* Ends the stream; the exit code says whether something was lost that nobody can read again. */
static int finish(struct run *r, uint64_t drain_ms)
{
    uint64_t lost = stream_stop(r->stream, drain_ms);
    admin_close(r->admin);   /* only now: what a stop waits for can be seen */
    stream_free(r->stream);
    r->admin = NULL;
    r->stream = NULL;
    if (lost > 0) log_line(LOG_ERROR, "run", "%" PRIu64 " records could not be delivered and their source cannot send them again", lost);
    return lost > 0 ? EXIT_INCOMPLETE : EXIT_DONE;
}

/* Stopping waits in a thread of its own, so that this one can hear the second signal. */
struct stopping {
    struct run *run;
    uint64_t    drain_ms;
    int         code;
    atomic_bool done;
};

static void *stop(void *argument)
{
    struct stopping *s = argument;
    s->code = finish(s->run, s->drain_ms);
    atomic_store(&s->done, true);
    return NULL;
}

static int stop_in_order(struct run *r, const sigset_t *signals)
{
    struct stopping stopping = {.run = r, .drain_ms = r->config->run.drain_ms};
    struct stream  *stream = r->stream;
    pthread_t       thread;
    supervisor_tell("STOPPING=1");
    log_line(LOG_INFO, "run", "stopping");
    if (pthread_create(&thread, NULL, stop, &stopping) != 0) return finish(r, 0);
    while (!atomic_load(&stopping.done)) {
        const struct timespec wait = {0, 50000000};
        int                   signal = sigtimedwait(signals, NULL, &wait);
        if (signal == SIGTERM || signal == SIGINT) {
            if (r->stopping) _exit(128 + signal);   /* the third: not even that */
            r->stopping = true;
            stream_hurry(stream);
        }
    }
    pthread_join(thread, NULL);
    return stopping.code;
}

/* The new configuration takes the place of the old one, whose sources and sinks stop and start again. */
static int replace(struct run *r, struct config *fresh)
{
    struct error err = {0};
    int          code = finish(r, r->config->run.drain_ms);
    config_free(r->config);
    r->config = fresh;
    setup_log(fresh);
    if (start(r, &err)) return code;
    log_line(LOG_ERROR, "run", "%s", err.text);
    return EXIT_USAGE;
}

/* Returns EXIT_DONE when the run goes on. */
static int reload(struct run *r)
{
    struct error   err = {0};
    struct config *fresh = config_load(r->path, &err);
    bool           same = fresh != NULL && config_same_flow(r->config, fresh);
    if (fresh != NULL && !same && confinement_covers(r->confinement, fresh, &err) && stream_check(fresh, &err)) {
        log_line(LOG_INFO, "run", "the configuration has changed: starting again with the new one");
        return replace(r, fresh);
    }
    if (same && stream_renew_policy(r->stream, fresh, &err)) log_line(LOG_INFO, "run", "policy and keys are taken anew");
    else log_line(LOG_ERROR, "run", "%s; going on as before", err.text);
    config_free(fresh);
    return EXIT_DONE;
}

static int serve(struct run *r, const sigset_t *signals)
{
    struct error err = {0};
    malloc_trim(0);   /* compiling the policies takes and frees much */
    supervisor_tell("READY=1");
    if (sandbox_landlock() == 0) log_line(LOG_WARNING, "run", "this kernel has no Landlock: files are not confined");
    log_line(LOG_INFO, "run", "running");
    while (!stream_has_failed(r->stream, &err)) {
        const struct timespec wait = {0, 200000000};
        int                   signal = sigtimedwait(signals, NULL, &wait), code = EXIT_DONE;
        supervisor_alive();
        if (signal == SIGTERM || signal == SIGINT) return stop_in_order(r, signals);
        if (signal == SIGHUP && (code = reload(r)) != EXIT_DONE) return code;
        if (signal < 0 && stream_is_over(r->stream)) return finish(r, 0);
    }
    log_line(LOG_ERROR, "run", "%s", err.text);
    finish(r, 0);
    return EXIT_INCOMPLETE;
}

int command_run(const struct options *options)
{
    struct error err = {0};
    struct run   r = {.path = option_text(options, OPTION_CONFIG)};
    sigset_t     signals;
    int          code = EXIT_USAGE;
    if (options->path_count > 0) {
        error_set(&err, ERROR_USAGE, "run takes no paths: sources are in the configuration (-c FILE)");
        return command_failed(&err);
    }
    if ((r.config = config_load(r.path, &err)) == NULL) return command_failed(&err);
    setup_log(r.config);
    block_signals(&signals);
    if ((r.confinement = confine_run(r.config, &err)) == NULL) {
        code = command_failed(&err);
    } else if (start(&r, &err)) {
        code = serve(&r, &signals);
    } else {
        code = command_failed(&err);
        if (r.stream != NULL) finish(&r, 0);
    }
    confinement_free(r.confinement);
    config_free(r.config);
    return code;
}
