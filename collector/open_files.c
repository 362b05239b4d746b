#include "open_files.h"

#include "base/log.h"

#include <inttypes.h>
#include <sys/resource.h>

#define MOST_FILES  ((rlim_t)1 << 20)   /* what Linux gives a process at most, unless told otherwise (fs.nr_open) */
#define OWN_FILES   128                 /* of the program: log, store, the administrator's connections */
#define FILES_OF_ONE 64                 /* of a source or a sink: files, connections to brokers */

void open_files_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    rlim_t wanted = limit.rlim_max < MOST_FILES ? limit.rlim_max : MOST_FILES;
    if (wanted <= limit.rlim_cur) return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);   /* open_files_check() sees what came of it */
}

uint64_t open_files_needed(const struct config *c)
{
    uint64_t files = OWN_FILES + FILES_OF_ONE * (c->source_count + c->sink_count);
    for (size_t i = 0; i < c->source_count; i++)
        if (c->sources[i]->type->files != NULL) files += c->sources[i]->type->files(c->sources[i]);
    return files;
}

void open_files_check(const struct config *c)
{
    struct rlimit limit;
    uint64_t      needed = open_files_needed(c);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
    log_line(LOG_WARNING, "run", "the configuration may need %" PRIu64 " open files at a time and the system allows %" PRIu64
             ": connections beyond that wait, and files may fail to open; allow more (LimitNOFILE=%" PRIu64
             " in the service's unit, or ulimit -n), or fewer 'connections'", needed, (uint64_t)limit.rlim_cur, needed);
}
