/* lethe check: reads configuration, policy and key as a run would, tries every rule on its own examples, and says what the
 * run would do. Touches no network and starts nothing. */
#include "commands.h"
#include "policies.h"
#include "stream.h"

#include <string.h>

static bool check_policy(const struct options *options, struct error *err)
{
    struct setup setup = {0};
    bool         sound = setup_load(&setup, options, err) && plan_check_examples(setup.plan, err);
    if (sound) plan_describe(setup.plan, stdout);
    setup_release(&setup);
    return sound;
}

/* The policies of a run, each on its own: names of policies are explained by `lethe check --policy NAME`. */
static int check_config(const char *path)
{
    struct mistakes mistakes = {0};
    struct config  *config = config_read(path, &mistakes);
    struct error    found = {0};
    bool            sound = config != NULL && stream_check(config, &found);
    if (sound) config_describe(config, stdout);
    else if (config != NULL) policies_find_mistakes(config, &found, &mistakes);
    config_free(config);
    return sound ? EXIT_DONE : command_refused(&mistakes);
}

int command_check(const struct options *options)
{
    struct error err = {0};
    const char  *config = option_text(options, OPTION_CONFIG);
    bool         sound = options->path_count == 0;
    if (!sound)
        error_set(&err, ERROR_USAGE, "check takes no paths; a configuration is given with -c FILE, a policy with --policy FILE");
    if (sound && config != NULL && option_given(options, OPTION_POLICY))
        sound = error_set(&err, ERROR_USAGE, "-c and --policy do not go together: the configuration names its policies");
    if (sound && config != NULL) return check_config(config);
    if (sound) sound = check_policy(options, &err);
    return sound ? EXIT_DONE : command_failed(&err);
}
