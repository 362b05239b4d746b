#include "redaction/databases.h"

#include <openssl/evp.h>

#include <string.h>

bool pattern_set_digest(const struct pattern_set *set, uint8_t digest[PATTERN_SET_DIGEST])
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    bool        ok = sha != NULL && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1;
    for (unsigned i = 0; ok && i < set->count; i++) {
        const unsigned about[] = {set->flags[i], set->numbers[i]};
        ok = EVP_DigestUpdate(sha, about, sizeof about) == 1 &&
             EVP_DigestUpdate(sha, set->patterns[i], strlen(set->patterns[i]) + 1) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(sha, digest, NULL) == 1;
    EVP_MD_CTX_free(sha);
    return ok;
}

/* NULL as well if what the build made is not for this version of Vectorscan or this CPU. */
static hs_database_t *find_built(const struct pattern_set *set)
{
    uint8_t               digest[PATTERN_SET_DIGEST];
    struct built_database built;
    hs_database_t        *database = NULL;
    if (!pattern_set_digest(set, digest)) return NULL;
    for (const uint8_t *at = built_databases; memcpy(&built, at, sizeof built), built.len > 0;
         at = built_database_behind(at, &built))
        if (memcmp(built.digest, digest, sizeof digest) == 0 &&
            hs_deserialize_database((const char *)at + sizeof built, built.len, &database) == HS_SUCCESS)
            return database;
    return NULL;
}

hs_database_t *database_of(const struct pattern_set *set, hs_compile_error_t **fault)
{
    hs_database_t *database = find_built(set);
    *fault = NULL;
    if (database == NULL &&
        hs_compile_multi(set->patterns, set->flags, set->numbers, set->count, HS_MODE_BLOCK, NULL, &database,
                         fault) != HS_SUCCESS)
        return NULL;
    return database;
}
