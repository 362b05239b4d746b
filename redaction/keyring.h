/* What a keyring holds, for the files of this folder that use the keys. See redaction.h for how one is made.
 *
 * A keyring lives in a mapping of its own: locked in memory where the process may, left out of core dumps, wiped before
 * it is given back. Of each key only the HMAC states are kept.
 *
 * (1) 1 <= count <= KEYRING_MAX_KEYS, writer < count, ids differ.
 * Thread: const after it is made, and shared. */
#ifndef LETHE_REDACTION_KEYRING_H
#define LETHE_REDACTION_KEYRING_H

#include "redaction/hmac.h"
#include "redaction/redaction.h"

#define KEY_ID_LENGTH        4
#define KEYRING_MAX_KEYS     16

struct keyring_key {
    char            id[KEY_ID_LENGTH + 1];
    struct hmac_key hmac;
};

struct keyring {
    size_t             count, writer;
    struct keyring_key keys[KEYRING_MAX_KEYS];
};

#endif
