/* lethe keygen: a new key file for pseudonyms. */
#include "commands.h"

int command_keygen(const struct options *options)
{
    struct error err = {0};
    const char  *path = option_text(options, OPTION_NEW_KEY);
    if (path == NULL || options->path_count > 0)
        error_set(&err, ERROR_USAGE, "keygen takes -o FILE and nothing else");
    else if (keyring_generate(path, &err))
        return EXIT_DONE;
    return command_failed(&err);
}
