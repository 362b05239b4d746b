/* databases_build FILE: run by the build, compiles the sets of patterns that the built-in policies and their second gates ask
 * for, and writes them as databases.h says, those for the better CPU first. */
#include "redaction/databases.h"
#include "redaction/gate.h"
#include "redaction/plan.h"
#include "redaction/policies_builtin.h"
#include "redaction/rules_priv.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef __x86_64__
static const unsigned long long cpus[] = {HS_CPU_FEATURES_AVX2, 0};   /* with AVX-512 the former are good as well */
#else
static const unsigned long long cpus[] = {0};
#endif

static bool write_database(FILE *out, const struct pattern_set *set, unsigned long long cpu)
{
    static const char     zeros[8];
    hs_platform_info_t    platform = {.cpu_features = cpu};
    hs_compile_error_t   *fault = NULL;
    hs_database_t        *database = NULL;
    char                 *bytes = NULL;
    size_t                len = 0;
    struct built_database header = {0};
    bool ok = hs_compile_multi(set->patterns, set->flags, set->numbers, set->count, HS_MODE_BLOCK, &platform, &database,
                               &fault) == HS_SUCCESS &&
              hs_serialize_database(database, &bytes, &len) == HS_SUCCESS && pattern_set_digest(set, header.digest);
    header.len = len;
    ok = ok && fwrite(&header, sizeof header, 1, out) == 1 && fwrite(bytes, len, 1, out) == 1 &&
         fwrite(zeros, 1, -len % 8, out) == -len % 8;
    if (fault != NULL) fprintf(stderr, "databases_build: %s\n", fault->message);
    hs_free_compile_error(fault);
    hs_free_database(database);
    free(bytes);
    return ok;
}

static bool write_rules(FILE *out, const struct rules *rules)
{
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof cpus / sizeof *cpus; i++) ok = write_database(out, &rules->compiled, cpus[i]);
    return ok;
}

static bool write_policy(FILE *out, const char *name, struct error *err)
{
    struct plan  *plan = plan_new(name, NULL, err);
    struct rules *gate = plan != NULL ? gate_rules(plan, err) : NULL;
    bool          ok = gate != NULL && write_rules(out, plan->rules) && write_rules(out, gate);
    rules_free(gate);
    plan_free(plan);
    return ok;
}

int main(int argc, char **argv)
{
    const struct built_database end = {0};
    struct error                err = {0};
    FILE                       *out = argc == 2 ? fopen(argv[1], "wb") : NULL;
    bool                        ok = out != NULL;
    for (const struct builtin_policy *p = builtin_policies; ok && p->name != NULL; p++) ok = write_policy(out, p->name, &err);
    ok = ok && fwrite(&end, sizeof end, 1, out) == 1;
    if (out != NULL && fclose(out) != 0) ok = false;
    if (!ok) fprintf(stderr, "databases_build: cannot make %s: %s\n", argc == 2 ? argv[1] : "the file", err.text);
    return ok ? 0 : 1;
}
