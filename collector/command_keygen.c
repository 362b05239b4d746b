/* lethe keygen: a new key file for pseudonyms, a new key in one, or a pair of keys for sealing. */
#include "commands.h"
#include "redaction/seal.h"

int command_keygen(const struct options *options)
{
    struct error err = {0};
    const char  *path = option_text(options, OPTION_NEW_KEY);
    bool         made = path != NULL && options->path_count == 0;
    bool         add = option_given(options, OPTION_ADD_KEY), seal = option_given(options, OPTION_SEAL);
    if (made && add && seal)
        made = error_set(&err, ERROR_USAGE, "--add is for keys of pseudonyms; a pair for sealing is made anew");
    else if (!made) error_set(&err, ERROR_USAGE, "keygen needs -o FILE, where the key goes, and takes no paths");
    else if (seal) made = seal_key_generate(path, &err);
    else if (add) made = keyring_add(path, &err);
    else made = keyring_generate(path, &err);
    return made ? EXIT_DONE : command_failed(&err);
}
