/* Standard output: for pipes, and for trying out. Written in order and at once; when nobody reads any more, the run ends. */
#include "base/wakeup.h"
#include "base/write.h"
#include "sinks/metadata.h"
#include "sinks/sink.h"

#include <unistd.h>

struct sink_stdout {
    struct sink    base;
    struct wakeup  wakeup;
    struct error   failure;
    struct encoded bytes;
};

static const struct setting settings[] = {{.name = NULL}};

static bool open_stdout(struct sink *sink, struct error *err) { return wakeup_init(&((struct sink_stdout *)sink)->wakeup, err); }

static enum sink_take take(struct sink *sink, struct block *b)
{
    struct sink_stdout *s = (struct sink_stdout *)sink;
    bool                gathered = true;
    if (s->failure.code != ERROR_NONE) return SINK_FULL;
    s->bytes.len = 0;
    for (size_t i = 0; gathered && i < b->count; i++)
        if (sink_wants(sink, b, i)) gathered = metadata_append(sink, b, i, &s->bytes);
    if (!gathered) error_set(&s->failure, ERROR_MEMORY, "no memory to write to standard output");
    else if (!write_all(STDOUT_FILENO, slice_of(s->bytes.data, s->bytes.len)))
        error_set_errno(&s->failure, ERROR_OUTPUT, "cannot write to standard output");
    if (s->failure.code != ERROR_NONE) return SINK_FULL;
    sink_done(sink, b, NULL, 0);
    return SINK_TOOK;
}

static bool poll_stdout(struct sink *sink, int wait_ms, struct error *err)
{
    struct sink_stdout *s = (struct sink_stdout *)sink;
    if (s->failure.code != ERROR_NONE) return error_set(err, s->failure.code, "%s", s->failure.text);
    wakeup_wait(&s->wakeup, wait_ms);
    return true;
}

static void wake(struct sink *sink) { wakeup_signal(&((struct sink_stdout *)sink)->wakeup); }

static void close_stdout(struct sink *sink)
{
    encoded_release(&((struct sink_stdout *)sink)->bytes);
    wakeup_release(&((struct sink_stdout *)sink)->wakeup);
}

const struct sink_type sink_stdout = {
    .name = "stdout",
    .summary = "standard output",
    .bytes = sizeof(struct sink_stdout),
    .settings = settings,
    .formats = "original flat ecs ocsf cef appinsights",
    .open = open_stdout,
    .take = take,
    .poll = poll_stdout,
    .wake = wake,
    .close = close_stdout,
};
