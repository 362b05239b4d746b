/* lethe scan: exported logs in, findings out. Rewrites nothing. */
#include "commands.h"
#include "confine.h"
#include "findings.h"

static bool read_options(const struct options *options, struct pipeline_options *p, const struct findings_format **format,
                         const struct destination *d, struct error *err)
{
    const char *name = option_text(options, OPTION_FINDINGS_FORMAT);
    *p = (struct pipeline_options){0};
    *format = findings_format_find(name);
    if (*format == NULL) return error_set(err, ERROR_USAGE, "unknown format '%s'; there are text, json and sarif", name);
    if (d->mirror) return error_set(err, ERROR_USAGE, "findings go to one file, and '%s' is a folder", d->path);
    return limits_read(options, p, err);
}

/* Returns the exit code, or -1 and an error if the run could not begin. */
static int scan(struct pipeline_options *p, struct findings *f, const struct destination *d, struct console *console,
                struct error *err)
{
    const struct batch_writer writer = findings_writer(f);
    struct run_result         result;
    int                       code = -1;
    p->writer = &writer;
    if (!f->lasting && !console->quiet)
        console_message(console,
                        "no --key-file: fingerprints hold for this run only, and pseudonyms of other runs count as findings");
    if (run_result_init(&result, f->inputs->count, f->plan, err) && confine_to(f->inputs, d, NULL, 0, err) &&
        pipeline_run(p, f->plan, f->inputs, d, console, &result, err)) {
        code = findings_exit_code(f, &result);
        if (!console->quiet && !result.unwanted) findings_print(stderr, f, &result, console->colour);
    }
    run_result_release(&result);
    return code;
}

int command_scan(const struct options *options)
{
    struct error                  err = {0};
    struct pipeline_options       p;
    const struct findings_format *format;
    struct setup                  setup = {0};
    struct destination            d;
    struct input_list             inputs = {0};
    struct console                console;
    struct findings               findings = {0};
    int                           code = -1;
    console_init(&console, option_given(options, OPTION_QUIET), false);
    destination_init(&d, option_text(options, OPTION_FINDINGS));
    if (read_options(options, &p, &format, &d, &err) && inputs_read(options, NULL, &inputs, &err) &&
        destination_check(&d, &inputs, &err) && setup_load(&setup, options, &err) &&
        findings_init(&findings, format, setup.plan, &inputs, &err)) {
        findings.policy = option_text(options, OPTION_POLICY);
        findings.key_id = keyring_id(setup.keys);
        findings.lasting = option_given(options, OPTION_KEY_FILE);
        code = scan(&p, &findings, &d, &console, &err);
    }
    findings_release(&findings);
    setup_release(&setup);
    inputs_release(&inputs);
    return code >= 0 ? code : command_failed(&err);
}
