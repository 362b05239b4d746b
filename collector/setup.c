#include "commands.h"
#include "settings.h"

#include <inttypes.h>
#include <sched.h>
#include <unistd.h>

#define MAX_JOBS 1024
#define LEAST_RECORD 1024
#define MOST_RECORD (512u << 20)
#define MOST_DEPTH 100000

static unsigned cores(void)
{
    cpu_set_t ours;
    int       count = sched_getaffinity(0, sizeof ours, &ours) == 0 ? CPU_COUNT(&ours) : 1;
    return count < 1 ? 1 : (unsigned)count;
}

bool limits_read(const struct options *options, struct pipeline_options *p, struct error *err)
{
    size_t      jobs = cores(), depth = 0;
    const char *kind = option_text(options, OPTION_MULTILINE);
    while (multiline_names[p->multiline] != NULL && strcmp(multiline_names[p->multiline], kind) != 0) p->multiline++;
    if (multiline_names[p->multiline] == NULL)
        return error_set(err, ERROR_USAGE, "--multiline takes off, traces or stamped, not '%s'", kind);
    bool sound = (!option_given(options, OPTION_JOBS) || option_number(options, OPTION_JOBS, 1, MAX_JOBS, &jobs, err)) &&
                 option_bytes(options, OPTION_MAX_RECORD, LEAST_RECORD, MOST_RECORD, &p->max_record, err) &&
                 option_number(options, OPTION_MAX_DEPTH, 1, MOST_DEPTH, &depth, err);
    p->jobs = (unsigned)jobs;
    p->max_depth = (unsigned)depth;
    return sound;
}

static bool access_read(const struct options *options, struct blob_access *access, struct error *err)
{
    *access = (struct blob_access){.account_key_file = option_text(options, OPTION_ACCOUNT_KEY_FILE),
                                   .signature_file = option_text(options, OPTION_SAS_FILE),
                                   .connection_string_file = option_text(options, OPTION_CONNECTION_STRING_FILE),
                                   .ca_file = option_text(options, OPTION_CA_FILE)};
    if ((access->account_key_file != NULL) + (access->signature_file != NULL) + (access->connection_string_file != NULL) <= 1)
        return true;
    return error_set(err, ERROR_USAGE, "give one of --account-key-file, --sas-file and --connection-string-file");
}

static void tell(const char *text)
{
    struct console console;
    console_init(&console, false, false);
    console_message(&console, "%s", text);
}

bool inputs_read(const struct options *options, const struct stat *avoid, struct input_list *inputs, struct error *err)
{
    struct blob_access       access;
    static const char *const standard_input[] = {INPUT_STDIN};
    const char *const       *paths = (const char *const *)options->paths;
    size_t                   count = options->path_count;
    if (count == 0 && isatty(STDIN_FILENO)) return error_set(err, ERROR_USAGE, "nothing to read: give a file, a folder or -");
    if (count == 0) {
        paths = standard_input;
        count = 1;
    }
    if (!access_read(options, &access, err) || !inputs_collect(inputs, paths, count, avoid, &access, err)) return false;
    if (inputs->count == 0) tell("no files are there: nothing is read");
    return true;
}

bool setup_load(struct setup *s, const struct options *options, struct error *err)
{
    const char *key_file = option_text(options, OPTION_KEY_FILE);
    *s = (struct setup){.keys = key_file ? keyring_load(key_file, err) : keyring_ephemeral(err)};
    if (s->keys != NULL) s->plan = plan_new(option_text(options, OPTION_POLICY), s->keys, err);
    if (s->plan == NULL) setup_release(s);
    return s->plan != NULL;
}

void setup_release(struct setup *s)
{
    if (s->plan != NULL) plan_free(s->plan);
    if (s->keys != NULL) keyring_free(s->keys);
    *s = (struct setup){0};
}

int exit_code_of(const struct error *err) { return err->code == ERROR_USAGE ? EXIT_USAGE : EXIT_INCOMPLETE; }

int command_failed(const struct error *err)
{
    tell(err->text);
    return exit_code_of(err);
}

int command_refused(struct mistakes *m)
{
    size_t count = mistakes_count(m);
    char   more[64];
    for (size_t i = 0; i < count; i++) tell(m->each[i].text);
    snprintf(more, sizeof more, "%" PRIu64 " more mistakes are not shown", m->left_out);
    if (m->left_out > 0) tell(more);
    return exit_code_of(&m->each[0]);
}
