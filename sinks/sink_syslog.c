/* The `syslog` sink: records as messages of RFC 5424, over TLS (RFC 5425), TCP (RFC 6587) or UDP (RFC 5426).
 *
 * Syslog acknowledges nothing. Over TLS and TCP the sink makes up for it: it writes blocks to a connection for a short while,
 * ends it, and takes the receiver's own end without a reset for the word that all was read (net/stream_client.h); meanwhile the
 * next connection is open already. What was on a connection that broke is sent again, with the same event ids. With
 * `confirm: tcp` a connection stays, and a block counts as delivered when the receiver's kernel has it, which its program may
 * never read. Over UDP it counts as delivered when it left.
 *
 * (1) A job is a block in hand: waiting (no channel), or on one channel until that confirms or breaks.
 * (2) At most one channel is being written to, `current`; the others are ending.
 * (3) A failure of a channel puts its jobs back to waiting, in their order; connecting again waits as net/retry.h says, and
 *     only a confirmed block counts as success, so that a receiver that takes and drops connections is not hurried.
 * Thread: the sink's, wake() excepted. */
#include "base/clock.h"
#include "base/wakeup.h"
#include "net/datagram_client.h"
#include "net/retry.h"
#include "net/stream_client.h"
#include "net/stream_tls.h"
#include "net/tls_files.h"
#include "sinks/syslog_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHANNELS       3            /* one being written to, two ending */
#define JOBS_MAX       16           /* blocks in hand */
#define GROUP_BYTES    (8u << 20)   /* after so much a connection is ended */
#define GROUP_MS       1000         /* or after so long */
#define QUIET_MS       50           /* or when nothing came for so long */
#define RETRY_BASE     200          /* ms: pauses between attempts to connect, from these */
#define RETRY_CAP      15000        /* to these */
#define DATAGRAM_PAUSE 10           /* when the kernel has no room for more */
#define TLS_PORT       6514
#define PLAIN_PORT     514

enum { TRANSPORT_TLS, TRANSPORT_TCP, TRANSPORT_UDP };
static const char *const transports[] = {"tls", "tcp", "udp", NULL};
enum { CONFIRM_READ, CONFIRM_TCP };
static const char *const confirmations[] = {"read", "tcp", NULL};
static const char *const framings[] = {"counted", "line", NULL};   /* as enum syslog_framing */
static const char *const facilities[] = {"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
                                         "authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2",
                                         "local3", "local4", "local5", "local6", "local7",
                                         NULL};   /* in the order of their numbers */

struct job {
    struct job      *next;
    struct block    *block;
    struct channel  *channel;          /* NULL: waiting */
    bool             written;
    uint64_t         end;              /* of what is written: position on the wire */
    bool             tried;
    struct rejected *rejected;         /* room for all records */
    size_t           rejected_count;
};

struct channel {
    struct stream_client *stream;      /* NULL: free */
    struct job           *writing;
    struct encoded        frames;      /* of that job */
    size_t                sent;        /* of them */
    uint64_t              begun_ms;    /* when the first job was put on it; 0: none was */
    uint64_t              bytes;
};

struct sink_syslog {
    struct sink             base;
    const char             *host, *ca_file, *server_name, *certificate, *key, *hostname, *app_name, *sd_id;
    uint64_t                port, max_message, timeout_ms;
    int                     transport, framing, facility, confirm;
    bool                    bom;

    struct syslog_shape     shape;
    char                    own_name[SYSLOG_HOST_MAX + 1];
    struct wakeup           wakeup;
    struct stream_options   target;
    struct retry            retry;
    struct job             *jobs;      /* in the order in which they were taken */
    size_t                  job_count;
    uint64_t                taken_ms;  /* when the last was */
    struct channel          channels[CHANNELS], *current;
    struct datagram_client *datagrams;
    size_t                  next_record;   /* UDP: of the first job */
    bool                    opened;
};

#define MEMBER(name) offsetof(struct sink_syslog, name)

static const struct setting settings[] = {
    {"host", SETTING_TEXT, MEMBER(host), NULL, .required = true, .help = "name or address of the receiver"},
    {"port", SETTING_NUMBER, MEMBER(port), "0", .most = 65535, .help = "0: 6514 for tls, 514 for tcp and udp"},
    {"transport", SETTING_CHOICE, MEMBER(transport), "tls", .choices = transports, .help = "certificates are always verified"},
    {"framing", SETTING_CHOICE, MEMBER(framing), "counted", .choices = framings, .help = "tls and tcp: a length before, or a line feed behind each message"},
    {"confirm", SETTING_CHOICE, MEMBER(confirm), "read", .choices = confirmations,
     .help = "tls and tcp: delivered when the receiver read it, or when its machine acknowledged it"},
    {"ca_file", SETTING_FILE, MEMBER(ca_file), NULL, .help = "PEM file of the authorities to trust instead of the system's"},
    {"server_name", SETTING_TEXT, MEMBER(server_name), NULL, .help = "that the receiver's certificate must be for, if not the host"},
    {"certificate", SETTING_FILE, MEMBER(certificate), NULL, .help = "PEM file of our certificate, with its chain"},
    {"key", SETTING_FILE, MEMBER(key), NULL, .help = "PEM file of its key"},
    {"facility", SETTING_CHOICE, MEMBER(facility), "local0", .choices = facilities, .help = "of all messages"},
    {"hostname", SETTING_TEXT, MEMBER(hostname), NULL, .help = "HOSTNAME of all messages; by default this machine's"},
    {"app_name", SETTING_TEXT, MEMBER(app_name), "lethe", .help = "APP-NAME of all messages"},
    {"sd_id", SETTING_TEXT, MEMBER(sd_id), "lethe@32473", .help = "name of the structured data, with your enterprise number"},
    {"bom", SETTING_BOOL, MEMBER(bom), "false", .help = "the text begins with the byte order mark of UTF-8"},
    {"max_message", SETTING_BYTES, MEMBER(max_message), "0", .help = "a longer message is rejected; 0: as long as the transport allows"},
    {"timeout", SETTING_DURATION, MEMBER(timeout_ms), "30s", .least = 100, .most = 600000, .help = "without any progress, for a connection"},
    {.name = NULL},
};

/* --- Jobs ------------------------------------------------------------------------------------------------------------- */

static void free_job(struct job *job)
{
    free(job->rejected);
    free(job);
}

static void job_done(struct sink_syslog *s, struct job *job)
{
    struct job **at = &s->jobs;
    while (*at != job) at = &(*at)->next;
    *at = job->next;
    s->job_count--;
    sink_done(&s->base, job->block, job->rejected, job->rejected_count);
    free_job(job);
}

static void reject(struct job *job, size_t record)
{
    job->rejected[job->rejected_count++] = (struct rejected){(uint32_t)record, "too large"};
}

static struct job *first_waiting(const struct sink_syslog *s)
{
    struct job *job = s->jobs;
    while (job != NULL && job->channel != NULL) job = job->next;
    return job;
}

static enum sink_take take(struct sink *sink, struct block *b)
{
    struct sink_syslog *s = (struct sink_syslog *)sink;
    struct job        **end = &s->jobs;
    if (s->job_count == JOBS_MAX) return SINK_FULL;
    while (*end != NULL) end = &(*end)->next;
    *end = calloc(1, sizeof **end);
    CHECK(*end != NULL);
    **end = (struct job){.block = b, .rejected = calloc(b->count + 1, sizeof *(*end)->rejected)};
    CHECK((*end)->rejected != NULL);
    s->job_count++;
    s->taken_ms = clock_monotonic_ms();
    return SINK_TOOK;
}

/* --- Channels --------------------------------------------------------------------------------------------------------- */

static void close_channel(struct sink_syslog *s, struct channel *c)
{
    stream_client_free(c->stream);
    encoded_release(&c->frames);
    *c = (struct channel){0};
    if (s->current == c) s->current = NULL;
}

static void succeeded(struct sink_syslog *s)
{
    retry_succeeded(&s->retry);
    sink_well(&s->base);
}

/* What is confirmed is done: all of a channel that has ended, or what the other machine has acknowledged. */
static void settle(struct sink_syslog *s, struct channel *c, bool all)
{
    uint64_t confirmed = all ? UINT64_MAX : stream_client_acknowledged(c->stream);
    bool     any = false;
    for (struct job *job = s->jobs, *next; job != NULL; job = next) {
        next = job->next;
        if (job->channel != c || !job->written || job->end > confirmed) continue;
        job_done(s, job);
        any = true;
    }
    if (any) succeeded(s);
}

/* Puts the jobs of a broken channel back to waiting. Returns how many there were. */
static size_t take_back(struct sink_syslog *s, const struct channel *c)
{
    size_t count = 0;
    for (struct job *job = s->jobs; job != NULL; job = job->next) {
        if (job->channel != c) continue;
        job->channel = NULL;
        job->written = false;
        count++;
    }
    return count;
}

static void trouble(struct sink_syslog *s, const struct error *err)
{
    retry_failed(&s->retry, (struct slice){0});
    sink_trouble(&s->base, "%s", err->text);
}

/* A connection that served, and ends while nothing is on it, is nobody's trouble. */
static void channel_left(struct sink_syslog *s, struct channel *c)
{
    struct error err = {0};
    bool         idle = take_back(s, c) == 0 && c->begun_ms > 0;
    close_channel(s, c);
    if (idle) return;
    error_set(&err, ERROR_NETWORK, "'%s:%u' ended the connection; what it may not have read is sent again", s->host,
              s->target.port);
    trouble(s, &err);
}

static void step_channel(struct sink_syslog *s, struct channel *c)
{
    struct error      err = {0};
    enum stream_state state = stream_client_step(c->stream, &err);
    if (s->confirm == CONFIRM_TCP && (state == STREAM_OPEN || state == STREAM_LEFT)) settle(s, c, false);
    switch (state) {
    case STREAM_OPENING:
    case STREAM_OPEN:
    case STREAM_ENDING: break;
    case STREAM_ENDED:
        settle(s, c, true);
        close_channel(s, c);
        break;
    case STREAM_LEFT: channel_left(s, c); break;
    case STREAM_FAILED:
        take_back(s, c);
        close_channel(s, c);
        trouble(s, &err);
        break;
    }
}

static void open_channel(struct sink_syslog *s)
{
    struct channel *c = s->channels;
    if (s->current != NULL || first_waiting(s) == NULL || retry_wait_ms(&s->retry) > 0) return;
    while (c < s->channels + CHANNELS && c->stream != NULL) c++;
    if (c == s->channels + CHANNELS) return;
    c->stream = stream_client_new(&s->target);
    CHECK(c->stream != NULL);
    s->current = c;
}

/* --- Writing ---------------------------------------------------------------------------------------------------------- */

static void make_frames(struct sink_syslog *s, struct channel *c, struct job *job)
{
    c->frames.len = c->sent = 0;
    job->rejected_count = 0;
    for (size_t i = 0; i < job->block->count; i++) {
        enum syslog_made made = SYSLOG_MADE;
        if (sink_wants(&s->base, job->block, i)) made = syslog_append(&s->shape, &s->base, job->block, i, &c->frames);
        CHECK(made != SYSLOG_NO_MEMORY);
        if (made == SYSLOG_TOO_LARGE) reject(job, i);
    }
    if (job->tried) atomic_fetch_add(&s->base.counters.retried, 1);
    job->tried = true;
}

/* Puts the next job on the channel. False: there is none. */
static bool next_job(struct sink_syslog *s, struct channel *c)
{
    struct job *job;
    while ((job = first_waiting(s)) != NULL) {
        make_frames(s, c, job);
        if (c->frames.len > 0) break;
        job_done(s, job);   /* nothing of it is for this sink, or can be */
    }
    if (job == NULL) return false;
    job->channel = c;
    c->writing = job;
    if (c->begun_ms == 0) c->begun_ms = clock_monotonic_ms();
    return true;
}

/* A connection has had its share; how long until then. */
static int ends_in_ms(const struct sink_syslog *s, const struct channel *c)
{
    uint64_t now = clock_monotonic_ms(), at = c->begun_ms + GROUP_MS;
    if (s->confirm == CONFIRM_TCP || c->begun_ms == 0 || c->writing != NULL) return -1;
    if (first_waiting(s) == NULL && s->taken_ms + QUIET_MS < at) at = s->job_count < JOBS_MAX ? s->taken_ms + QUIET_MS : now;
    return c->bytes >= GROUP_BYTES || at <= now ? 0 : (int)(at - now);
}

static void write_current(struct sink_syslog *s)
{
    struct channel *c = s->current;
    struct error    err = {0};
    if (c == NULL || stream_client_step(c->stream, &err) != STREAM_OPEN) return;
    while (ends_in_ms(s, c) != 0 && (c->writing != NULL || next_job(s, c))) {
        size_t n = stream_client_write(c->stream, c->frames.data + c->sent, c->frames.len - c->sent);
        if (n == 0) return;
        c->sent += n;
        c->bytes += n;
        if (c->sent < c->frames.len) continue;
        c->writing->written = true;
        c->writing->end = stream_client_written(c->stream);
        c->writing = NULL;
    }
    if (ends_in_ms(s, c) != 0) return;
    stream_client_end(c->stream);
    s->current = NULL;
}

/* --- UDP -------------------------------------------------------------------------------------------------------------- */

/* Sends the record that stands at next_record. False: not now. */
static bool send_record(struct sink_syslog *s, struct job *job)
{
    struct channel     *c = &s->channels[0];   /* its buffer */
    struct error        err = {0};
    enum datagram_sent  sent = DATAGRAM_TOO_LARGE;
    c->frames.len = 0;
    enum syslog_made made = syslog_append(&s->shape, &s->base, job->block, s->next_record, &c->frames);
    CHECK(made != SYSLOG_NO_MEMORY);
    if (made == SYSLOG_MADE) sent = datagram_client_send(s->datagrams, slice_of(c->frames.data, c->frames.len), &err);
    if (sent == DATAGRAM_TOO_LARGE) reject(job, s->next_record);
    if (sent == DATAGRAM_SENT || sent == DATAGRAM_TOO_LARGE) return true;
    if (sent == DATAGRAM_LATER) return false;
    datagram_client_free(s->datagrams);
    s->datagrams = NULL;
    s->next_record = job->rejected_count = 0;   /* who knows what of the block was lost */
    atomic_fetch_add(&s->base.counters.retried, 1);
    trouble(s, &err);
    return false;
}

static void send_datagrams(struct sink_syslog *s)
{
    struct job *job;
    while ((job = s->jobs) != NULL) {
        if (retry_wait_ms(&s->retry) > 0) return;
        if (s->datagrams == NULL) s->datagrams = datagram_client_new(s->host, s->target.port);
        CHECK(s->datagrams != NULL);
        for (; s->next_record < job->block->count; s->next_record++)
            if (sink_wants(&s->base, job->block, s->next_record) && !send_record(s, job)) return;
        s->next_record = 0;
        job_done(s, job);
        succeeded(s);
    }
}

/* --- Waiting ---------------------------------------------------------------------------------------------------------- */

static int sooner(int a, int b)
{
    if (a < 0 || b < 0) return a < 0 ? b : a;
    return a < b ? a : b;
}

static bool has_to_write(const struct sink_syslog *s, const struct channel *c)
{
    return c == s->current && (c->writing != NULL || first_waiting(s) != NULL);
}

static void wait_for_something(struct sink_syslog *s, int wait_ms)
{
    struct pollfd fds[CHANNELS + 2] = {{.fd = s->wakeup.fd, .events = POLLIN}};
    nfds_t        count = 1;
    bool          sending = s->transport == TRANSPORT_UDP && s->jobs != NULL && s->datagrams != NULL;
    if (s->transport == TRANSPORT_UDP ? s->jobs != NULL && !sending : s->current == NULL && first_waiting(s) != NULL)
        if (retry_wait_ms(&s->retry) > 0) wait_ms = sooner(wait_ms, (int)retry_wait_ms(&s->retry));
    if (sending) {
        fds[count++] = datagram_client_poll(s->datagrams);
        wait_ms = sooner(wait_ms, DATAGRAM_PAUSE);
    }
    for (struct channel *c = s->channels; c < s->channels + CHANNELS; c++) {
        if (c->stream == NULL) continue;
        fds[count++] = stream_client_poll(c->stream, has_to_write(s, c));
        wait_ms = sooner(wait_ms, stream_client_wait_ms(c->stream));
        if (c == s->current) wait_ms = sooner(wait_ms, ends_in_ms(s, c));
    }
    if (poll(fds, count, wait_ms) > 0 && fds[0].revents != 0) wakeup_clear(&s->wakeup);
}

static bool poll_sink(struct sink *sink, int wait_ms, struct error *err)
{
    struct sink_syslog *s = (struct sink_syslog *)sink;
    (void)err;
    if (s->transport == TRANSPORT_UDP) send_datagrams(s);
    for (struct channel *c = s->channels; c < s->channels + CHANNELS; c++)
        if (c->stream != NULL) step_channel(s, c);
    open_channel(s);
    write_current(s);
    wait_for_something(s, wait_ms);
    return true;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

static bool check_tls(const struct sink_syslog *s, struct error *err)
{
    if (s->transport != TRANSPORT_TLS &&
        (s->ca_file != NULL || s->server_name != NULL || s->certificate != NULL || s->key != NULL))
        return error_set(err, ERROR_USAGE, "ca_file, server_name, certificate and key are for the transport tls");
    if ((s->certificate == NULL) != (s->key == NULL)) return error_set(err, ERROR_USAGE, "certificate and key belong together");
    if (s->server_name != NULL && !syslog_is_field(s->server_name, SYSLOG_HOST_MAX))
        return error_set(err, ERROR_USAGE, "server_name: a name or an address");
    return tls_files_check(s->certificate, s->key, s->ca_file, err);
}

static bool check(struct sink *sink, struct error *err)
{
    const struct sink_syslog *s = (const struct sink_syslog *)sink;
    if (!syslog_is_field(s->host, SYSLOG_HOST_MAX)) return error_set(err, ERROR_USAGE, "host: a name or an address");
    if (s->hostname != NULL && !syslog_is_field(s->hostname, SYSLOG_HOST_MAX))
        return error_set(err, ERROR_USAGE, "hostname: at most %d printable ASCII characters without spaces", SYSLOG_HOST_MAX);
    if (!syslog_is_field(s->app_name, SYSLOG_APP_MAX))
        return error_set(err, ERROR_USAGE, "app_name: at most %d printable ASCII characters without spaces", SYSLOG_APP_MAX);
    if (!syslog_is_sd_id(s->sd_id))
        return error_set(err, ERROR_USAGE, "sd_id: NAME@NUMBER of at most %d characters, such as lethe@32473", SYSLOG_SD_ID_MAX);
    if (s->transport == TRANSPORT_UDP && s->max_message > DATAGRAM_MAX)
        return error_set(err, ERROR_USAGE, "max_message: a datagram has room for %d bytes", DATAGRAM_MAX);
    return check_tls(s, err);
}

static void make_shape(struct sink_syslog *s)
{
    size_t most = s->transport == TRANSPORT_UDP ? DATAGRAM_MAX : SIZE_MAX;
    char   name[SYSLOG_HOST_MAX + 1] = "";
    if (gethostname(name, sizeof name - 1) != 0) name[0] = '\0';
    syslog_make_field(name, SYSLOG_HOST_MAX, s->own_name);
    s->shape = (struct syslog_shape){.facility = (unsigned)s->facility, .host = s->hostname != NULL ? s->hostname : s->own_name,
                                     .app = s->app_name, .process = (unsigned)getpid(), .sd_id = s->sd_id, .bom = s->bom,
                                     .framing = s->transport == TRANSPORT_UDP ? FRAME_NONE : (enum syslog_framing)s->framing,
                                     .max_message = s->max_message > 0 ? (size_t)s->max_message : most};
}

static bool open_sink(struct sink *sink, struct error *err)
{
    struct sink_syslog *s = (struct sink_syslog *)sink;
    unsigned            port = s->transport == TRANSPORT_TLS ? TLS_PORT : PLAIN_PORT;
    make_shape(s);
    retry_init(&s->retry, &(struct retry_options){.base_ms = RETRY_BASE, .cap_ms = RETRY_CAP}, retry_seed());
    s->target = (struct stream_options){.host = s->host, .port = s->port > 0 ? (unsigned)s->port : port,
                                        .server_name = s->server_name, .timeout_ms = (unsigned)s->timeout_ms};
    if (s->transport == TRANSPORT_TLS) {
        s->target.tls = stream_tls_new(&(struct stream_tls_options){s->ca_file, s->certificate, s->key}, err);
        if (s->target.tls == NULL) return false;
    }
    s->opened = wakeup_init(&s->wakeup, err);
    if (!s->opened) SSL_CTX_free(s->target.tls);
    return s->opened;
}

static void wake(struct sink *sink)
{
    struct sink_syslog *s = (struct sink_syslog *)sink;
    if (s->opened) wakeup_signal(&s->wakeup);
}

static void close_sink(struct sink *sink)
{
    struct sink_syslog *s = (struct sink_syslog *)sink;
    if (!s->opened) return;
    s->opened = false;
    for (size_t i = 0; i < CHANNELS; i++) close_channel(s, &s->channels[i]);
    datagram_client_free(s->datagrams);
    for (struct job *job = s->jobs, *next; job != NULL; job = next) {
        next = job->next;
        free_job(job);
    }
    SSL_CTX_free(s->target.tls);
    wakeup_release(&s->wakeup);
}

const struct sink_type sink_syslog = {
    .name = "syslog",
    .summary = "a receiver of syslog, over TLS, TCP or UDP",
    .bytes = sizeof(struct sink_syslog),
    .settings = settings,
    .formats = "flat original ecs ocsf cef",
    .network = true,
    .check = check,
    .open = open_sink,
    .take = take,
    .poll = poll_sink,
    .wake = wake,
    .close = close_sink,
};
