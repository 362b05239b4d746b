/* lethe redact: exported logs in, clean logs out. Options to settings, then the pipeline, then the summary. */
#include "commands.h"
#include "confine.h"
#include "sinks/output.h"

/* Sealed records of an earlier run would be lost with --resume: the inputs that it skips are not read again. */
static bool check_sealed(const struct options *options, const struct pipeline_options *p, struct error *err)
{
    const char *report = option_text(options, OPTION_REPORT);
    if (option_given(options, OPTION_SEALED) != option_given(options, OPTION_SEAL_KEY))
        return error_set(err, ERROR_USAGE, "--sealed FILE and --seal-key PUBLIC-KEY go together");
    if (p->sealed == NULL) return true;
    if (p->resume) return error_set(err, ERROR_USAGE, "--sealed does not go with --resume");
    if (strcmp(p->sealed, OUTPUT_STDOUT) == 0) return error_set(err, ERROR_USAGE, "--sealed needs a file");
    if (report != NULL && strcmp(report, p->sealed) == 0)
        return error_set(err, ERROR_USAGE, "the sealed file '%s' is also the report", report);
    return true;
}

static bool read_options(const struct options *options, struct pipeline_options *p, struct error *err)
{
    const char *format = option_text(options, OPTION_FORMAT), *report = option_text(options, OPTION_REPORT);
    const char *output = option_text(options, OPTION_OUTPUT);
    *p = (struct pipeline_options){
        .keep_container = option_given(options, OPTION_KEEP_CONTAINER),
        .strict = option_given(options, OPTION_STRICT),
        .resume = option_given(options, OPTION_RESUME),
        .second_gate = option_given(options, OPTION_SECOND_GATE),
        .sealed = option_text(options, OPTION_SEALED),
    };
    if (!format_find(format, &p->format))
        return error_set(err, ERROR_USAGE, "unknown format '%s'; there are original, flat, ecs, ocsf, cef and appinsights",
                         format);
    if (p->format != FORMAT_ORIGINAL && p->keep_container)
        return error_set(err, ERROR_USAGE, "--keep-container goes with --format original only");
    if (p->second_gate && p->keep_container)
        return error_set(err, ERROR_USAGE, "--second-gate does not go with --keep-container");
    if (report != NULL && !report_knows(report))
        return error_set(err, ERROR_USAGE, "the report '%s' should end in .html or .json", report);
    if (p->resume && (output == NULL || strcmp(output, OUTPUT_STDOUT) == 0))
        return error_set(err, ERROR_USAGE, "--resume needs a file or folder given with -o");
    return check_sealed(options, p, err) && limits_read(options, p, err);
}

/* A file that is written beside the output must be none of the others. */
static bool check_apart(const char *what, const char *path, const struct destination *d, const struct input_list *inputs,
                        struct error *err)
{
    struct stat status;
    if (path != NULL && strcmp(path, d->path) == 0)
        return error_set(err, ERROR_USAGE, "the %s '%s' is also the output", what, path);
    if (path == NULL || stat(path, &status) != 0) return true;
    for (size_t i = 0; i < inputs->count; i++)
        if (input_is_file(&inputs->items[i], &status))
            return error_set(err, ERROR_USAGE, "the %s '%s' is also an input", what, path);
    return true;
}

/* The run, and what is told of it. Returns the exit code, or -1 and an error if it could not begin. */
static int redact(const struct options *options, const struct pipeline_options *p, const struct setup *setup,
                  const struct input_list *inputs, const struct destination *d, struct console *console, struct error *err)
{
    const char            *report = option_text(options, OPTION_REPORT);
    const char            *others[] = {report, p->sealed};
    const struct run_facts facts = {setup->plan, option_text(options, OPTION_POLICY), keyring_id(setup->keys), inputs,
                                    option_given(options, OPTION_KEY_FILE)};
    struct run_result      result;
    int                    code = -1;
    if (!option_given(options, OPTION_KEY_FILE) && !console->quiet)
        console_message(console, "no --key-file: pseudonyms hold for this run only");
    if (run_result_init(&result, inputs->count, setup->plan, err) && confine_to(inputs, d, others, 2, err) &&
        (report == NULL || run_result_want_inventory(&result, setup->plan, err)) &&
        pipeline_run(p, setup->plan, inputs, d, console, &result, err)) {
        struct error report_error = {0};
        code = run_result_exit_code(&result);
        if (report != NULL && !report_write(report, &result, &facts, &report_error)) {
            console_message(console, "%s", report_error.text);
            code = EXIT_INCOMPLETE;
        }
        if (!console->quiet && !result.unwanted) report_print(stderr, &result, &facts, console->colour);
        if (!console->quiet && p->sealed != NULL && tally_withheld(&result.tally) > 0)
            console_message(console, "withheld records are in '%s', sealed to key %s", p->sealed, p->seal_key->id);
    }
    run_result_release(&result);
    return code;
}

int command_redact(const struct options *options)
{
    struct error            err = {0};
    struct pipeline_options p;
    struct setup            setup = {0};
    struct destination      d;
    struct input_list       inputs = {0};
    struct console          console;
    struct seal_key         seal_key;
    int                     code = -1;
    console_init(&console, option_given(options, OPTION_QUIET), option_given(options, OPTION_VERBOSE));
    destination_init(&d, option_text(options, OPTION_OUTPUT));
    if (read_options(options, &p, &err) && inputs_read(options, d.has_folder ? &d.folder : NULL, &inputs, &err) &&
        destination_check(&d, &inputs, &err) && check_apart("report", option_text(options, OPTION_REPORT), &d, &inputs, &err) &&
        check_apart("sealed file", p.sealed, &d, &inputs, &err) &&
        (p.sealed == NULL || seal_key_load(option_text(options, OPTION_SEAL_KEY), &seal_key, &err)) &&
        setup_load(&setup, options, &err)) {
        p.seal_key = &seal_key;
        code = redact(options, &p, &setup, &inputs, &d, &console, &err);
    }
    setup_release(&setup);
    inputs_release(&inputs);
    return code >= 0 ? code : command_failed(&err);
}
