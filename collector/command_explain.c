/* lethe explain: exported logs in; record by record, what would be redacted and why. */
#include "commands.h"
#include "confine.h"
#include "explanation.h"
#include "sinks/output.h"

#include <unistd.h>

/* Returns the exit code, or -1 and an error if the run could not begin. */
static int explain(struct pipeline_options *p, const struct setup *setup, const struct input_list *inputs, bool only_changed,
                   struct error *err)
{
    struct explanation        explanation = {setup->plan, colour_wanted(STDOUT_FILENO), only_changed};
    const struct batch_writer writer = explanation_writer(&explanation);
    const struct destination  stdout_only = {.path = OUTPUT_STDOUT};
    struct console            console;
    struct run_result         result;
    int                       code = -1;
    p->jobs = 1;
    p->writer = &writer;
    console_init(&console, true, false);   /* a progress bar would stand in the explanation */
    if (destination_check(&stdout_only, inputs, err) && run_result_init(&result, inputs->count, setup->plan, err)) {
        if (confine_to(inputs, &stdout_only, NULL, 0, err) &&
            pipeline_run(p, setup->plan, inputs, &stdout_only, &console, &result, err)) code = run_result_exit_code(&result);
        run_result_release(&result);
    }
    return code;
}

int command_explain(const struct options *options)
{
    struct error            err = {0};
    struct pipeline_options p = {0};
    struct setup            setup = {0};
    struct input_list       inputs = {0};
    int                     code = -1;
    if (limits_read(options, &p, &err) && inputs_read(options, NULL, &inputs, &err) && setup_load(&setup, options, &err))
        code = explain(&p, &setup, &inputs, option_given(options, OPTION_ONLY_CHANGED), &err);
    setup_release(&setup);
    inputs_release(&inputs);
    return code >= 0 ? code : command_failed(&err);
}
