/* lethe check: reads policy and key as a run would, tries every rule on its own examples, and says what the run would do. */
#include "commands.h"

int command_check(const struct options *options)
{
    struct error err = {0};
    struct setup setup = {0};
    bool         sound = options->path_count == 0 || error_set(&err, ERROR_USAGE, "check takes no paths");
    if (sound) sound = setup_load(&setup, options, &err) && plan_check_examples(setup.plan, &err);
    if (sound) plan_describe(setup.plan, stdout);
    setup_release(&setup);
    return sound ? EXIT_DONE : command_failed(&err);
}
