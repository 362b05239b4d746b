/* The sink that takes everything and does nothing with it: for trying out and measuring. */
#include "sinks/sink.h"

static const struct setting settings[] = {{.name = NULL}};

static bool open_null(struct sink *s, struct error *err)
{
    (void)s;
    (void)err;
    return true;
}

static enum sink_take take(struct sink *s, struct block *b)
{
    sink_done(s, b, NULL, 0);
    return SINK_TOOK;
}

static void close_null(struct sink *s) { (void)s; }

const struct sink_type sink_null = {
    .name = "null",
    .summary = "takes everything and does nothing with it",
    .bytes = sizeof(struct sink),
    .settings = settings,
    .formats = "original flat ecs ocsf cef appinsights",
    .open = open_null,
    .take = take,
    .close = close_null,
};
