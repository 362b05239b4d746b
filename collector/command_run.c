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
#include "open_files.h"
#include "stream.h"
#include "supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define TRIM_MS 2000   /* memory that was freed in small pieces goes back to the system so often */

struct run {
    const char     *path;      /* of the configuration, or NULL */
    struct config  *config;
    struct stream  *stream;
    struct admin   *admin;     /* NULL: no listener */
    struct confinement *confinement;
    const sigset_t *signals;
    bool            replacing; /* what stops makes room for what starts */
    unsigned        asked;     /* so often to stop */
    int             code;      /* of the exit, as far as it is known */
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
    open_files_check(r->config);
    if ((r->stream = stream_open(r->config, err)) == NULL) return false;
    if (r->asked > 0) stream_tell_to_stop(r->stream, r->config->run.drain_ms, true);
    if (listens && (r->admin = admin_open(&r->config->admin, err)) == NULL) return false;   /* before anything is read */
    return stream_start(r->stream, err) && (!listens || admin_start(r->admin, r->stream, err));
}

static void release(struct run *r, uint64_t lost)
{
    admin_close(r->admin);   /* only now: what a stop waits for can be seen */
    stream_free(r->stream);
    r->admin = NULL;
    r->stream = NULL;
    if (lost == 0) return;
    log_line(LOG_ERROR, "run", "%" PRIu64 " records could not be delivered and their source cannot send them again", lost);
    r->code = EXIT_INCOMPLETE;
}

static void finish(struct run *r, uint64_t drain_ms) { release(r, stream_stop(r->stream, drain_ms, !r->replacing)); }

/* Stopping waits in a thread of its own, so that this one can hear signals and tell the watchdog that all is well. */
struct stopping {
    struct run     *run;
    pthread_mutex_t lock;
    bool            stopped;   /* guarded by the lock: the stream must not be touched any more */
    atomic_bool     done;
};

static void *stop(void *argument)
{
    struct stopping *s = argument;
    uint64_t         lost = stream_stop(s->run->stream, s->run->config->run.drain_ms, !s->run->replacing);
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_mutex_unlock(&s->lock);
    release(s->run, lost);
    atomic_store(&s->done, true);
    return NULL;
}

/* Counted over the whole run: the first signal asks for a stop, the second for a quick one, the third for none at all. */
static void hear(struct stopping *s, int signal)
{
    if (signal != SIGTERM && signal != SIGINT) return;
    s->run->asked++;
    if (s->run->asked == 1) supervisor_tell("STOPPING=1");   /* during a reload */
    if (s->run->asked > 2) _exit(128 + signal);
    pthread_mutex_lock(&s->lock);
    if (s->run->asked == 2 && !s->stopped) stream_hurry(s->run->stream);
    pthread_mutex_unlock(&s->lock);
}

static void stop_in_order(struct run *r)
{
    struct stopping stopping = {.run = r, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t       thread;
    if (pthread_create(&thread, NULL, stop, &stopping) != 0) {
        finish(r, 0);
        return;
    }
    while (!atomic_load(&stopping.done)) {
        const struct timespec wait = {0, 50000000};
        hear(&stopping, sigtimedwait(r->signals, NULL, &wait));
        supervisor_alive();
    }
    pthread_join(thread, NULL);
}

static bool anything_is_held(const struct config *c)
{
    bool any = false;
    for (size_t i = 0; i < c->source_count; i++)
        any = any || (c->sources[i]->type->holds != NULL && c->sources[i]->type->holds());
    return any;
}

/* The new configuration takes the place of the old one, whose sources and sinks stop and start again. False: the run is over. */
static bool replace(struct run *r, struct config *fresh)
{
    struct error err = {0};
    r->replacing = true;
    stop_in_order(r);
    r->replacing = false;
    config_free(r->config);
    r->config = fresh;
    setup_log(fresh);
    if (r->asked > 0 && !anything_is_held(fresh)) return false;
    if (start(r, &err)) {
        if (r->asked > 0) {   /* what is half read outlives a flow, not the process: this one reads it to its end */
            if (r->asked > 1) stream_hurry(r->stream);
            stop_in_order(r);
            return false;
        }
        log_line(LOG_INFO, "run", "running with the new configuration");
        return true;
    }
    log_line(LOG_ERROR, "run", "%s", err.text);
    if (r->stream != NULL) finish(r, 0);
    r->code = EXIT_USAGE;
    return false;
}

/* False: the run is over. */
static bool reload(struct run *r)
{
    struct error   err = {0};
    struct config *fresh = config_load(r->path, &err);
    bool           same = fresh != NULL && config_same_flow(r->config, fresh);
    if (fresh != NULL && !same && confinement_covers(r->confinement, fresh, &err) && stream_check(fresh, &err)) {
        stream_tell_to_stop(r->stream, r->config->run.drain_ms, false);
        log_line(LOG_INFO, "run", "the configuration has changed: starting again with the new one");
        return replace(r, fresh);
    }
    if (same && stream_renew_policy(r->stream, fresh, &err)) log_line(LOG_INFO, "run", "policy and keys are taken anew");
    else log_line(LOG_ERROR, "run", "%s; going on as before", err.text);
    config_free(fresh);
    return true;
}

static void stop_as_told(struct run *r)
{
    r->asked = 1;
    supervisor_tell("STOPPING=1");
    stream_tell_to_stop(r->stream, r->config->run.drain_ms, true);   /* so that it is true when it is told */
    log_line(LOG_INFO, "run", "stopping");
    stop_in_order(r);
}

static void trim_memory(uint64_t *trimmed_ms)
{
    uint64_t now = clock_monotonic_ms();
    if (now - *trimmed_ms < TRIM_MS) return;
    malloc_trim(0);
    *trimmed_ms = now;
}

/* The sources have ended and all is settled. What the store has still to deliver is waited for as long as for a stop: nobody may
 * come to start another run. */
static bool is_over(struct run *r, uint64_t *since_ms)
{
    uint64_t now = clock_monotonic_ms();
    if (!stream_is_over(r->stream)) return false;
    if (*since_ms == 0) *since_ms = now;
    return stream_is_delivered(r->stream) || now - *since_ms >= r->config->run.drain_ms;
}

static void serve(struct run *r)
{
    struct error err = {0};
    uint64_t     over_ms = 0;
    uint64_t     trimmed_ms = 0;   /* at once: compiling the policies takes and frees much */
    supervisor_tell("READY=1");
    if (sandbox_landlock() == 0) log_line(LOG_WARNING, "run", "this kernel has no Landlock: files are not confined");
    log_line(LOG_INFO, "run", "running");
    while (!stream_has_failed(r->stream, &err)) {
        const struct timespec wait = {0, 200000000};
        int                   signal = sigtimedwait(r->signals, NULL, &wait);
        supervisor_alive();
        trim_memory(&trimmed_ms);
        if (signal == SIGTERM || signal == SIGINT) {
            stop_as_told(r);
            return;
        }
        if (signal == SIGHUP && !reload(r)) return;
        if (signal < 0 && is_over(r, &over_ms)) {
            finish(r, 0);
            return;
        }
    }
    log_line(LOG_ERROR, "run", "%s", err.text);
    finish(r, 0);
    r->code = EXIT_INCOMPLETE;
}

/* Whoever collects the log finds in it why there is no more of it. An excerpt of a policy, on lines of its own, is left out. */
static int failed(const struct error *err)
{
    log_line(LOG_ERROR, "run", "%.*s", (int)strcspn(err->text, "\n"), err->text);
    return exit_code_of(err);
}

int command_run(const struct options *options)
{
    struct error err = {0};
    sigset_t     signals;
    struct run   r = {.path = option_text(options, OPTION_CONFIG), .signals = &signals, .code = EXIT_DONE};
    if (options->path_count > 0) {
        error_set(&err, ERROR_USAGE, "run takes no paths: sources are in the configuration (-c FILE)");
        return command_failed(&err);
    }
    struct mistakes mistakes = {0};
    if ((r.config = config_read(r.path, &mistakes)) == NULL) return command_refused(&mistakes);
    setup_log(r.config);
    block_signals(&signals);
    if ((r.confinement = confine_run(r.config, &err)) == NULL) {
        r.code = failed(&err);
    } else if (start(&r, &err)) {
        serve(&r);
    } else {
        if (r.stream != NULL) finish(&r, 0);
        r.code = failed(&err);
    }
    confinement_free(r.confinement);
    config_free(r.config);
    return r.code;
}
