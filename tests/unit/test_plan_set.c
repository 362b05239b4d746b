#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redacting.h"
#include "redaction/plan_set.h"

#include <stdlib.h>
#include <unistd.h>

#define WORKSPACE "/subscriptions/1/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/"
#define RECORD(resource, n) "{\"time\":\"2026-01-31T12:00:00Z\",\"category\":\"AmlComputeJobEvent\",\"operationName\":\"x\",\"resourceId\":" resource \
                            ",\"n\":" n ",\"identity\":{\"claims\":{\"upn\":\"ada@example.org\"}}}"

/* --- Patterns --------------------------------------------------------------------------------------------------------- */

static void patterns_fit_the_whole_text_without_case(void **state)
{
    (void)state;
    static const struct { const char *pattern, *text; bool fits; } cases[] = {
        {"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"**", "abc", true}, {"?", "", false}, {"?", "a", true},
        {"?", "ab", false}, {"abc", "ABC", true}, {"ABC", "abc", true}, {"abc", "abcd", false}, {"abc", "ab", false},
        {"*/workspaces/ws-hbi*", "/x/WORKSPACES/ws-HBI-1", true}, {"*/workspaces/ws-hbi*", "/x/workspaces/ws-open", false},
        {"*/workspaces/ws", "/x/workspaces/ws-1", false}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyycz", false}, {"*ab", "aab", true},
        {"*aab", "aaab", true}, {"a?c*", "abcdef", true}, {"*?", "", false}, {"*?b", "ab", true}, {"a.c", "abc", false}, {"[a]", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (glob_fits(cases[i].pattern, slice_from(cases[i].text)) != cases[i].fits)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
}

/* --- Policies --------------------------------------------------------------------------------------------------------- */

static char path[64];
static struct keyring *keys;
static struct plan *standard, *hbi;   /* a plan takes a quarter of a second: made once */

/* Writes the text of a policy to a file; anything else is the name of one. */
static const char *policy_file(const char *policy)
{
    if (strchr(policy, ':') == NULL) return policy;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(policy, f);
    fclose(f);
    return path;
}

static struct plan *plan_of(const char *policy)
{
    struct error err = {0};
    struct plan *p = plan_new(policy_file(policy), keys, &err);
    if (p == NULL) print_message("%s\n", err.text);
    assert_non_null(p);
    return p;
}

static int setup(void **state)
{
    struct error err = {0};
    (void)state;
    strcpy(path, "/tmp/lethe-policy-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) return -1;
    close(fd);
    keys = keyring_ephemeral(&err);
    standard = plan_of("standard");
    hbi = plan_of("hbi");
    return keys != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    plan_free(standard);
    plan_free(hbi);
    keyring_free(keys);
    return unlink(path);
}

static struct policy load(const char *policy, struct name_set *names)
{
    struct error err = {0};
    struct policy p;
    bool loaded = policy_load(&p, names, policy_file(policy), &err);
    if (!loaded) print_message("%s\n", err.text);
    assert_true(loaded);
    return p;
}

static void a_policy_covers_another_if_it_removes_all_that_the_other_removes(void **state)
{
    (void)state;
    static const struct { const char *a, *b; bool covers, covered; } cases[] = {
        {"standard", "standard", true, true},
        {"hbi", "standard", true, false},   /* also where hbi has a pseudonym and standard a mask */
        {"extends: standard\nclasses: {email: pseudonym}\n", "extends: standard\nclasses: {email: drop}\n", true, true},
        {"extends: standard\nclasses: {email: mask}\n", "extends: standard\nclasses: {card: keep}\n", true, false},
        {"extends: standard\nclasses: {email: mask}\n", "extends: standard\nclasses: {query: mask}\n", false, false},
        {"extends: standard\nclasses: {ip-address: mask}\n", "extends: standard\nclasses: {ip-address: truncate}\n", true, false},
        {"extends: standard\nclasses: {environment: mask}\n", "standard", true, false},
        {"extends: standard\nclasses: {environment: keep}\n", "standard", false, true},
        {"extends: standard\nharmless-variables: [TERM]\n", "standard", false, true},
        {"extends: standard\nplain-names: [page_token]\n", "standard", false, true},
        {"extends: standard\nallow: [AKIAEXAMPLE]\n", "standard", false, true},
        {"extends: standard\nrules: {disable: [jwt]}\n", "standard", false, true},
        {"extends: standard\nsecret-names: [x-grant]\n", "standard", true, false},
        {"extends: standard\nplaces: [{action: mask, paths: [a.b]}]\n", "standard", true, false},
        {"extends: standard\nplaces: [{action: mask, paths: [a.b]}]\n", "extends: standard\nplaces: [{action: mask, paths: [a.c]}]\n", false, false},
        {"extends: standard\nplaces: [{action: pseudonym, paths: [a.b]}]\n", "extends: standard\nplaces: [{action: mask, paths: [a.b]}]\n", true, true},
        {"extends: standard\nplaces: [{action: keep, paths: [a.b]}]\n", "standard", true, true},
        {"extends: standard\nplaces: [{action: mask, paths: [a.b]}]\n", "extends: standard\nplaces: [{action: truncate, paths: [a.b]}]\n", true, false},
        {"extends: standard\nplaces: [{action: truncate, paths: [a.b]}]\n", "extends: standard\nplaces: [{action: truncate, paths: [a.b]}]\n", true, true},
        /* A place that only shortens, below one that takes all */
        {"extends: standard\nclasses: {identity: mask, ip-address: truncate}\n", "extends: standard\nclasses: {identity: mask}\n", false, false},
    };
    struct name_set *names = name_set_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct policy a = load(cases[i].a, names), b = load(cases[i].b, names);
        if (policy_covers(&a, &b) != cases[i].covers || policy_covers(&b, &a) != cases[i].covered) fail_msg("case %zu", i);
        policy_release(&a);
        policy_release(&b);
    }
    name_set_free(names);
}

static void a_united_policy_covers_all_that_it_was_made_of(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "standard", "hbi",
        "extends: standard\nclasses: {ip-address: truncate, identity: mask, environment: keep}\nharmless-variables: [TERM]\nallow: [AKIAEXAMPLE]\n",
        "extends: standard\nclasses: {card: keep, email: drop}\nsecret-names: [x-grant]\nplain-names: [page_token]\nrules: {disable: [jwt]}\n",
        "extends: standard\nplaces: [{action: mask, paths: [a.b]}, {class: query, paths: [a.c]}]\n",
        "extends: hbi\nplaces: [{action: pseudonym, paths: [a.b]}, {class: ip-address, paths: [a.d]}]\nplain-names: [page_token]\n",
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    struct error err = {0};
    struct name_set *names = name_set_new();
    struct policy policies[COUNT];
    const struct policy *all[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        policies[i] = load(texts[i], names);
        all[i] = &policies[i];
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            struct policy united;
            assert_true(policy_unite(&united, names, (const struct policy *const[]){all[i], all[j]}, 2, &err));
            if (!policy_covers(&united, all[i]) || !policy_covers(&united, all[j])) fail_msg("%zu %zu", i, j);
            policy_release(&united);
        }
    }
    struct policy united;
    assert_true(policy_unite(&united, names, all, COUNT, &err));
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(policy_covers(&united, all[i]));
        policy_release(&policies[i]);
    }
    policy_release(&united);
    name_set_free(names);
}

/* --- Choosing --------------------------------------------------------------------------------------------------------- */

struct choosing {
    struct plan_set  *set;
    struct redacting  t;
    const char       *policies[64];   /* of the records that came out */
    size_t            count, withheld;
    uint32_t          indices[64];    /* of what was withheld */
};

static void note(void *context, const struct clean_batch *batch)
{
    struct choosing *c = context;
    for (size_t i = 0; i < batch->count; i++) c->policies[c->count++] = batch->records[i].policy;
    for (size_t i = 0; i < batch->withheld_count; i++) c->indices[c->withheld++] = batch->withheld[i].index;
}

static const struct redactor_options options = {.max_record = REDACTION_MAX_RECORD, .max_depth = PARSER_DEFAULT_DEPTH};

/* As redacting_open() does it, with a redactor that is there. */
static void redacting_with(struct redacting *t, struct redactor *redactor, enum format format)
{
    assert_non_null(redactor);
    *t = (struct redacting){.redactor = redactor, .encoder = encoder_new(format, false),
                            .framer = framer_new(&(struct framer_options){.max_document = REDACTION_MAX_RECORD})};
    assert_true(t->encoder && t->framer && batch_init(&t->batch, REDACTION_MAX_RECORD + 512 * 1024));
}

static void use_set(struct choosing *c, enum format format)
{
    struct error err = {0};
    struct redactor_options detailed = options;
    detailed.details = true;
    assert_true(plan_set_close(c->set, &err));
    redacting_with(&c->t, redactor_new_for_set(c->set, &detailed, &err), format);
    c->t.see = note;
    c->t.see_context = c;
}

/* standard; hbi for workspaces whose name begins so. */
static void choosing_open(struct choosing *c)
{
    struct error err = {0};
    *c = (struct choosing){.set = plan_set_new(standard, &err)};
    assert_non_null(c->set);
    assert_true(plan_set_add(c->set, (struct plan_scope){.resource = "*/workspaces/hbi*"}, hbi, &err));
    use_set(c, FORMAT_ORIGINAL);
}

static void choosing_close(struct choosing *c)
{
    redacting_close(&c->t);
    plan_set_free(c->set);
}

static const char *redact(struct choosing *c, const char *text)
{
    c->count = c->withheld = 0;
    return redacting_text(&c->t, slice_from(text));
}

static void the_policy_of_a_record_is_that_of_its_resource(void **state)
{
    (void)state;
    static const struct { const char *resource, *policy; } cases[] = {
        {"\"" WORKSPACE "open\"", "standard"},
        {"\"" WORKSPACE "hbi-1\"", "hbi"},
        {"\"/SUBSCRIPTIONS/1/WORKSPACES/HBI\"", "hbi"},
        {"\"/x/workspaces/\\u0068bi\"", "hbi"},                                       /* an escape changes nothing */
        {"\"/x\\/workspaces\\/hbi\"", "hbi"},
        {"\"/x/workspaces/open\",\"_ResourceId\":\"/x/workspaces/hbi\"", "hbi"},       /* of several, any */
        {"\"/x/workspaces/open\",\"RESOURCEID\":\"/x/workspaces/hbi\"", "hbi"},
        {"\"/x/workspaces/hbi\",\"resourceId\":\"/x/workspaces/open\"", "hbi"},
        {"null", "standard"},                                                       /* as if it were not there */
        {"\"\"", "standard"},
        {"7", "hbi"},                                                               /* cannot be read: the strictest */
        {"[\"/x/workspaces/open\"]", "hbi"},
        {"{\"id\":\"/x/workspaces/open\"}", "hbi"},
        {"\"/x/workspaces/open\",\"properties\":{\"resourceId\":\"/x/workspaces/hbi\"}", "standard"},   /* speaks of it; is not of it */
    };
    struct choosing c;
    choosing_open(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, "{\"resourceId\":%s,\"identity\":{\"claims\":{\"upn\":\"ada@example.org\"}}}\n", cases[i].resource);
        const char *out = redact(&c, text);
        if (c.count != 1 || strcmp(c.policies[0], cases[i].policy) != 0) fail_msg("case %zu: %s", i, c.count == 1 ? c.policies[0] : "-");
        assert_true((strstr(out, "ada@example.org") == NULL) == (strcmp(cases[i].policy, "hbi") == 0));
    }
    choosing_close(&c);
}

/* Of a registry it stands in the properties. */
static void the_resource_of_a_kind_counts_wherever_it_stands(void **state)
{
    (void)state;
    static const struct { const char *resource, *policy; } cases[] = {
        {"\"/x/workspaces/hbi\"", "hbi"}, {"\"/x/workspaces/open\"", "standard"}, {"7", "hbi"},
    };
    struct choosing c;
    choosing_open(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"time\":\"2026-01-31T12:00:00Z\",\"category\":\"AmlRegistryReadEventsLog\",\"properties\":{\"registryResourceId\":%s}}\n",
                 cases[i].resource);
        redact(&c, text);
        if (strcmp(c.policies[0], cases[i].policy) != 0) fail_msg("case %zu: %s", i, c.policies[0]);
    }
    choosing_close(&c);
}

/* One rule for the source, one for the resource: the record is of both, and of the first alone where its resource fits no rule. */
static void rules_by_source_and_by_resource_count_side_by_side(void **state)
{
    (void)state;
    struct error err = {0};
    struct choosing c = {.set = plan_set_new(standard, &err)};
    assert_true(c.set != NULL && plan_set_add(c.set, (struct plan_scope){.source = "con*"}, standard, &err) &&
                plan_set_add(c.set, (struct plan_scope){.resource = "*/workspaces/hbi*"}, hbi, &err));
    use_set(&c, FORMAT_ORIGINAL);
    redactor_set_source(c.t.redactor, SLICE("console"));
    redact(&c, "{\"resourceId\":\"/x/workspaces/hbi\"}\n{\"resourceId\":\"/x/workspaces/open\"}\n{\"a\":1}\n");
    assert_int_equal(c.count, 3);
    assert_string_equal(c.policies[0], "hbi");
    assert_string_equal(c.policies[1], "standard");
    assert_string_equal(c.policies[2], "standard");
    choosing_close(&c);
}

/* Its keys are not known, so it is of no policy; its neighbour is. */
static void a_record_with_too_many_keys_is_withheld_under_several_policies_too(void **state)
{
    (void)state;
    struct choosing c;
    char  *text = malloc(1 << 20);
    size_t len = (size_t)sprintf(text, "{\"a\":1");
    for (int i = 0; i < 66000; i++) len += (size_t)sprintf(text + len, ",\"k%x\":1", i);
    sprintf(text + len, "}\n");
    choosing_open(&c);
    redact(&c, text);
    assert_int_equal(c.count, 0);
    assert_int_equal(c.withheld, 1);
    choosing_close(&c);
    free(text);
}

static void a_resource_that_is_too_long_cannot_be_read(void **state)
{
    (void)state;
    struct choosing c;
    choosing_open(&c);
    for (int longer = 0; longer < 2; longer++) {
        static char text[RESOURCE_MAX + 64];
        int len = snprintf(text, sizeof text, "{\"resourceId\":\"");
        memset(text + len, 'x', (size_t)(RESOURCE_MAX + longer));
        strcpy(text + len + RESOURCE_MAX + longer, "\"}\n");
        redact(&c, text);
        assert_string_equal(c.policies[0], longer ? "hbi" : "standard");
    }
    choosing_close(&c);
}

static void records_without_a_resource_get_the_plan_of_the_set(void **state)
{
    (void)state;
    struct choosing c;
    choosing_open(&c);
    redact(&c, "a line of text\n{\"message\":\"ada@example.org\"}\n7\n\"ada@example.org\"\n[1,2]\n");
    assert_int_equal(c.count, 5);
    for (size_t i = 0; i < c.count; i++) assert_string_equal(c.policies[i], "standard");
    choosing_close(&c);
}

static void records_of_one_document_have_each_its_own_and_keep_their_order(void **state)
{
    (void)state;
    struct choosing c;
    choosing_open(&c);
    const char *out = redact(&c, "{\"records\":[" RECORD("\"/workspaces/hbi\"", "0") "," RECORD("\"/workspaces/open\"", "1") ","
                             RECORD("\"/workspaces/hbi\"", "2") "," RECORD("null", "3") "]}\n"
                             RECORD("\"/workspaces/open\"", "4") "\n" RECORD("\"/workspaces/hbi\"", "5") "\n");
    static const char *const expected[] = {"hbi", "standard", "hbi", "standard", "standard", "hbi"};
    assert_int_equal(c.count, 6);
    for (size_t i = 0; i < 6; i++) {
        char number[16];
        assert_string_equal(c.policies[i], expected[i]);
        const char *end = strchr(out, '\n');
        assert_non_null(end);
        snprintf(number, sizeof number, "\"n\":%zu", i);
        assert_non_null(memmem(out, (size_t)(end - out), number, strlen(number)));
        assert_true((memmem(out, (size_t)(end - out), "ada@example.org", 15) == NULL) == (strcmp(expected[i], "hbi") == 0));
        out = end + 1;
    }
    choosing_close(&c);
}

static void what_is_withheld_is_counted_once_and_numbered_among_all(void **state)
{
    (void)state;
    struct choosing c;
    choosing_open(&c);
    redact(&c, RECORD("\"/workspaces/hbi\"", "0") "\n{\"broken\":tru}\n" RECORD("\"/workspaces/open\"", "2") "\n{\"broken\":\n");
    const struct tally *t = redactor_tally(c.t.redactor);
    assert_int_equal(c.withheld, 2);
    assert_int_equal(c.indices[0], 1);
    assert_int_equal(c.indices[1], 3);
    assert_int_equal(t->records, 4);
    assert_int_equal(t->clean + t->redacted + tally_withheld(t), 4);
    assert_int_equal(t->clean, 1);
    assert_int_equal(t->redacted, 1);
    assert_int_equal(tally_redactions(t), 1);
    choosing_close(&c);
}

/* --- As alone --------------------------------------------------------------------------------------------------------- */

/* Redacts with one plan; a copy of what comes out. */
static char *alone(const struct plan *plan, enum format format, struct slice text)
{
    struct redacting t;
    struct error err = {0};
    redacting_with(&t, redactor_new(plan, &options, &err), format);
    char *out = strdup(redacting_text(&t, text));
    redacting_close(&t);
    return out;
}

static char *read_sample(const char *name)
{
    char full[512];
    snprintf(full, sizeof full, LETHE_SOURCE_DIR "/samples/export/%s", name);
    FILE *f = fopen(full, "r");
    assert_non_null(f);
    char *text = calloc(1, 256 * 1024);
    assert_non_null(text);
    assert_true(fread(text, 1, 256 * 1024 - 1, f) > 0);
    fclose(f);
    return text;
}

/* Every record comes out as its policy alone would have it, whatever its neighbours are. The samples twice over, so that what
 * a lane remembers is used. */
static void a_record_comes_out_as_under_its_policy_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"azureml-resource-logs.jsonl", "activity-log-page.json", "azure-activity-rows.jsonl", "event-hub-message.json",
                                        "appinsights-stream.jsonl", "azureml-resource-logs.jsonl", "activity-log-page.json"};
    static char text[1024 * 1024];
    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *sample = read_sample(names[i]);
        strcat(text, sample);
        free(sample);
    }
    for (int format = 0; format < 2; format++) {
        struct error err = {0};
        struct choosing c = {.set = plan_set_new(standard, &err)};
        size_t by_policy[2] = {0};
        char *clean[2] = {alone(standard, (enum format)format, slice_from(text)), alone(hbi, (enum format)format, slice_from(text))};
        assert_true(plan_set_add(c.set, (struct plan_scope){.resource = "*/workspaces/ws-demand"}, hbi, &err));
        use_set(&c, (enum format)format);
        const char *out = redact(&c, text), *lines[2] = {clean[0], clean[1]};
        for (size_t i = 0; i < c.count; i++) {
            int policy = strcmp(c.policies[i], "hbi") == 0;
            size_t len[2] = {strcspn(lines[0], "\n"), strcspn(lines[1], "\n")};
            assert_int_equal(strcspn(out, "\n"), len[policy]);
            assert_memory_equal(out, lines[policy], len[policy]);
            out += len[policy] + 1;
            lines[0] += len[0] + 1;
            lines[1] += len[1] + 1;
            by_policy[policy]++;
        }
        assert_true(by_policy[0] > 5 && by_policy[1] > 5);
        free(clean[0]);
        free(clean[1]);
        choosing_close(&c);
    }
}

/* --- Scopes ----------------------------------------------------------------------------------------------------------- */

static void scopes_by_source_count_for_their_source(void **state)
{
    (void)state;
    struct error err = {0};
    struct choosing c = {.set = plan_set_new(standard, &err)};
    static const struct { const char *source, *resource, *policy; } cases[] = {
        {"", "/workspaces/a", "standard"}, {"web", "/workspaces/a", "hbi"}, {"WEB-2", "/x", "hbi"}, {"files", "/workspaces/a", "standard"},
        {"files", "/workspaces/b", "hbi"}, {"other", "/workspaces/b", "standard"},
    };
    assert_true(plan_set_add(c.set, (struct plan_scope){.source = "web*"}, hbi, &err));
    assert_true(plan_set_add(c.set, (struct plan_scope){.source = "files", .resource = "*/b"}, hbi, &err));
    use_set(&c, FORMAT_ORIGINAL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"resourceId\":\"%s\"}\n", cases[i].resource);
        if (*cases[i].source != '\0' || i == 0) redactor_set_source(c.t.redactor, slice_from(cases[i].source));
        redact(&c, text);
        if (strcmp(c.policies[0], cases[i].policy) != 0) fail_msg("case %zu: %s", i, c.policies[0]);
    }
    choosing_close(&c);
}

static void a_star_takes_in_records_without_a_resource_and_other_patterns_do_not(void **state)
{
    (void)state;
    static const struct { const char *pattern, *policy; } cases[] = {{"*", "hbi"}, {NULL, "hbi"}, {"**", "hbi"}, {"*?", "standard"}, {"", "standard"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct choosing c = {.set = plan_set_new(standard, &err)};
        assert_true(plan_set_add(c.set, (struct plan_scope){.source = cases[i].pattern != NULL ? "*" : NULL, .resource = cases[i].pattern}, hbi, &err));
        use_set(&c, FORMAT_ORIGINAL);
        redact(&c, "a line of text\n");
        if (strcmp(c.policies[0], cases[i].policy) != 0) fail_msg("case %zu: %s", i, c.policies[0]);
        choosing_close(&c);
    }
}

static void of_several_scopes_the_strictest_counts_whatever_their_order(void **state)
{
    (void)state;
    for (int order = 0; order < 4; order++) {
        struct error err = {0};
        const char *unknown = order < 2 ? "hbi" : "standard";
        struct choosing c = {.set = plan_set_new(order < 2 ? hbi : standard, &err)};
        for (int i = 0; i < 2; i++) {
            bool strict = i == order % 2;
            struct plan_scope scope = {.resource = strict ? "*hbi*" : "*/workspaces/*"};
            assert_true(plan_set_add(c.set, scope, strict ? hbi : standard, &err));
        }
        use_set(&c, FORMAT_ORIGINAL);
        redact(&c, "{\"resourceId\":\"/workspaces/hbi\"}\n{\"resourceId\":\"/workspaces/open\"}\n{\"resourceId\":\"/x\"}\n{\"a\":1}\n");
        const char *const expected[] = {"hbi", "standard", unknown, unknown};
        for (size_t i = 0; i < 4; i++) assert_string_equal(c.policies[i], expected[i]);
        choosing_close(&c);
    }
}

static void where_no_policy_is_the_strictest_both_are_applied(void **state)
{
    (void)state;
    struct error err = {0};
    struct plan *mails = plan_of("extends: standard\nclasses: {email: mask}\n");
    struct plan *queries = plan_of("extends: standard\nclasses: {card: drop, query: mask}\n");
    strcpy(mails->policy.name, "mails");
    strcpy(queries->policy.name, "queries");
    struct choosing c = {.set = plan_set_new(mails, &err)};
    assert_true(plan_set_add(c.set, (struct plan_scope){.resource = "*mails*"}, mails, &err));
    assert_true(plan_set_add(c.set, (struct plan_scope){.resource = "*queries*"}, queries, &err));
    use_set(&c, FORMAT_ORIGINAL);
    assert_string_equal(plan_set_strictest(c.set)->policy.name, "mails+queries");
    const char *out = redact(&c, "{\"resourceId\":\"/mails\",\"m\":\"ada@example.org\"}\n{\"resourceId\":\"/queries\",\"m\":\"ada@example.org\"}\n"
                             "{\"resourceId\":\"/mails/queries\",\"m\":\"ada@example.org\"}\n{\"resourceId\":7}\n");
    assert_string_equal(out, "{\"resourceId\":\"/mails\",\"m\":\"[redacted:email-address]\"}\n{\"resourceId\":\"/queries\",\"m\":\"ada@example.org\"}\n"
                        "{\"resourceId\":\"/mails/queries\",\"m\":\"[redacted:email-address]\"}\n{\"resourceId\":7}\n");
    static const char *const expected[] = {"mails", "queries", "mails+queries", "mails+queries"};
    for (size_t i = 0; i < 4; i++) assert_string_equal(c.policies[i], expected[i]);
    choosing_close(&c);
    plan_free(mails);
    plan_free(queries);
}

static void a_set_has_limits(void **state)
{
    (void)state;
    struct error err = {0};
    struct plan copies[PLAN_SET_MAX_PLANS + 1], *plans[PLAN_SET_MAX_PLANS + 1];
    for (size_t i = 0; i <= PLAN_SET_MAX_PLANS; i++) {
        copies[i] = *standard;
        plans[i] = &copies[i];
    }
    struct plan_set *set = plan_set_new(plans[0], &err);
    for (size_t i = 1; i < PLAN_SET_MAX_PLANS; i++) assert_true(plan_set_add(set, (struct plan_scope){.source = "x"}, plans[i], &err));
    assert_false(plan_set_add(set, (struct plan_scope){.source = "x"}, plans[PLAN_SET_MAX_PLANS], &err));
    assert_string_equal(err.text, "more than 16 different policies");
    err = (struct error){0};
    for (size_t i = PLAN_SET_MAX_PLANS; i <= PLAN_SET_MAX_SCOPES; i++) assert_true(plan_set_add(set, (struct plan_scope){.source = "x"}, plans[1], &err));
    assert_false(plan_set_add(set, (struct plan_scope){.source = "x"}, plans[1], &err));
    assert_string_equal(err.text, "more than 64 policies by source or resource");
    err = (struct error){0};
    assert_true(plan_set_close(set, &err));
    assert_ptr_equal(plan_set_strictest(set), plans[0]);
    plan_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_fit_the_whole_text_without_case),
        cmocka_unit_test(a_policy_covers_another_if_it_removes_all_that_the_other_removes),
        cmocka_unit_test(a_united_policy_covers_all_that_it_was_made_of),
        cmocka_unit_test(the_policy_of_a_record_is_that_of_its_resource),
        cmocka_unit_test(the_resource_of_a_kind_counts_wherever_it_stands),
        cmocka_unit_test(rules_by_source_and_by_resource_count_side_by_side),
        cmocka_unit_test(a_record_with_too_many_keys_is_withheld_under_several_policies_too),
        cmocka_unit_test(a_resource_that_is_too_long_cannot_be_read),
        cmocka_unit_test(records_without_a_resource_get_the_plan_of_the_set),
        cmocka_unit_test(records_of_one_document_have_each_its_own_and_keep_their_order),
        cmocka_unit_test(what_is_withheld_is_counted_once_and_numbered_among_all),
        cmocka_unit_test(a_record_comes_out_as_under_its_policy_alone),
        cmocka_unit_test(scopes_by_source_count_for_their_source),
        cmocka_unit_test(a_star_takes_in_records_without_a_resource_and_other_patterns_do_not),
        cmocka_unit_test(of_several_scopes_the_strictest_counts_whatever_their_order),
        cmocka_unit_test(where_no_policy_is_the_strictest_both_are_applied),
        cmocka_unit_test(a_set_has_limits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
