/* lethe keygen: a new key file for pseudonyms, or a new key in one. */
#include "commands.h"

int command_keygen(const struct options *options)
{
    struct error err = {0};
    const char  *path = option_text(options, OPTION_NEW_KEY);
    bool         made = path != NULL && options->path_count == 0;
    if (!made) error_set(&err, ERROR_USAGE, "keygen takes -o FILE and no other file");
    else if (option_given(options, OPTION_ADD_KEY)) made = keyring_add(path, &err);
    else made = keyring_generate(path, &err);
    return made ? EXIT_DONE : command_failed(&err);
}
