/* lethe test: runs the unit tests of policies. */
#include "commands.h"
#include "policy_tests.h"

#include <unistd.h>

int command_test(const struct options *options)
{
    struct error              err = {0};
    struct policy_test_counts counts = {0};
    bool                      colour = colour_wanted(STDOUT_FILENO);
    bool                      ran = options->path_count > 0 ||
                                    error_set(&err, ERROR_USAGE, "nothing to test: give the file of a test");
    for (size_t i = 0; ran && i < options->path_count; i++)
        ran = policy_tests_run(options->paths[i], stdout, colour, &counts, &err);
    if (!ran) return command_failed(&err);
    printf("%zu passed, %zu failed\n", counts.passed, counts.failed);
    return counts.failed > 0 ? EXIT_LOOK : EXIT_DONE;
}
