/* The program: finds the command, reads its options, runs it. */
#include "commands.h"

#include "base/sandbox.h"
#include "console.h"
#include "net/tls_floor.h"
#include "parser/parser.h"
#include "sinks/unfinished.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <hs.h>
#include <isa-l.h>
#include <libfyaml.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>

struct command {
    const char *name, *arguments, *summary;
    unsigned    takes;   /* options, by FOR_ */
    int       (*run)(const struct options *);
    const char *more;    /* printed after the options */
};

static const struct command commands[] = {
    {"redact", "[PATH... or -]", "read exported logs, write clean ones", FOR_REDACT, command_redact,
     "A PATH is a file, a folder (all files below it), a quoted pattern, - for standard input, or the address of a container\n"
     "of Azure blob storage and the beginning of names in it. Packed files (gzip) are recognised by content. JSON Lines,\n"
     "arrays, {\"records\":[...]} and plain text are recognised, too.\n"
     "\n"
     "Examples:\n"
     "  lethe redact export/ > clean.ndjson\n"
     "  lethe redact export/ -o clean/ --key-file lethe.key --report report.json\n"
     "  lethe redact 'logs/*.json.gz' -o clean.ndjson.gz --policy hbi\n"
     "  az monitor activity-log list | lethe redact -\n"
     "  lethe redact https://ACCOUNT.blob.core.windows.net/insights-logs-amlrunevent/ -o clean/ --sas-file sas.txt\n"
     "\n"
     "Exit codes:\n"
     "  0  done\n"
     "  1  some input could not be read or some output not written; the rest was done\n"
     "  2  wrong usage, policy or key file; nothing was done\n"
     "  3  done, but some records could not be examined and were withheld\n"},
    {"run", "", "the streaming collector: from sources to sinks, until told to stop", FOR_RUN, command_run,
     "Without a configuration it reads standard input and writes standard output. SIGTERM stops in order, SIGHUP reads\n"
     "configuration, policy and keys anew.\n"
     "\n"
     "Examples:\n"
     "  some-program | lethe run > clean.ndjson\n"
     "  lethe check -c lethe.yaml && lethe run -c lethe.yaml\n"
     "\n"
     "Exit codes:\n"
     "  0  stopped in order\n"
     "  1  something read could not be delivered, or a sink cannot go on\n"
     "  2  wrong usage, configuration, policy or key file; nothing was done\n"},
    {"scan", "[PATH... or -]", "say what leaks where, rewrite nothing", FOR_SCAN, command_scan,
     "Reads as redact does and writes a finding for everything that redact would remove: file, line, place in the record,\n"
     "rule, what it would become and a keyed fingerprint of the value, never the value. With the same key file a value has\n"
     "the same fingerprint in every run.\n"
     "\n"
     "Clean output has no findings: lethe knows its own marks, and with the key file its own pseudonyms. Without it, and for\n"
     "pseudonyms of another key, each is reported as the run name or person it stands for.\n"
     "\n"
     "Examples:\n"
     "  lethe scan export/\n"
     "  lethe scan clean/ --key-file lethe.key --policy hbi && echo clean\n"
     "  lethe scan export/ --format sarif --key-file lethe.key -o leaks.sarif\n"
     "  lethe scan 'logs/*.gz' --format json | jq -r 'select(.rule) | .rule' | sort | uniq -c\n"
     "\n"
     "Exit codes:\n"
     "  0  nothing found\n"
     "  1  some input could not be read, or the findings not be written\n"
     "  2  wrong usage, policy or key file; nothing was done\n"
     "  3  something was found, or some records could not be examined\n"},
    {"explain", "[PATH... or -]", "show record by record what goes, and why", FOR_EXPLAIN, command_explain,
     "For each record: where it stands, its kind, a line for each finding (place, encodings around it, rule, action, what it\n"
     "becomes), then the record as it would come out. Replacements are highlighted on a terminal (unless NO_COLOR is set).\n"
     "What is removed is never shown.\n"
     "\n"
     "Places: a.b[2] is a member of an array in a member, a!.b goes on in the JSON inside the string a, a~percent in what a\n"
     "decodes to; ? is a key that is itself removed.\n"
     "\n"
     "Examples:\n"
     "  lethe explain export/runs.jsonl | less -R\n"
     "  head -n 1 run.log | lethe explain - --policy our-policy.yaml\n"
     "  lethe explain export/ --only-changed\n"
     "\n"
     "Exit codes: as of lethe redact\n"},
    {"test", "FILE...", "run the unit tests of a policy", FOR_TEST, command_test,
     "A FILE is YAML:\n"
     "  policy: standard              # or hbi, or the path of a policy file, from where FILE is\n"
     "  tests:\n"
     "    - name: run names become pseudonyms\n"
     "      record: '{\"runId\":\"brave_lemon_r4tz9wq7kd\"}'\n"
     "      becomes: '{\"runId\":\"<run>\"}'\n"
     "    - name: users stay\n"
     "      record: '{\"user\":\"ada\"}'\n"
     "      unchanged: true\n"
     "    - name: what is cut off is not passed on\n"
     "      record: '{\"user\":'\n"
     "      withheld: truncated\n"
     "In `becomes`, <run>, <user>, <name> and <ikey> stand for a pseudonym of that kind and <ip> for another address than\n"
     "those in the record. With a label, as in <run:a>, equal ones stand for equal texts.\n"
     "\n"
     "Examples:\n"
     "  lethe test our-policy-tests.yaml\n"
     "  lethe test tests/policies/*.yaml\n"
     "\n"
     "Exit codes:\n"
     "  0  all passed\n"
     "  2  a test or its policy cannot be read\n"
     "  3  some failed\n"},
    {"rules", "[RULE...]", "list what is looked for, or show rules in detail", FOR_RULES, command_rules,
     "Examples:\n"
     "  lethe rules\n"
     "  lethe rules azure-storage-key\n"},
    {"check", "", "read policy and key file, say what would be done", FOR_CHECK, command_check,
     "Example:\n"
     "  lethe check --policy our-policy.yaml --key-file lethe.key\n"},
    {"keygen", "-o FILE", "make or rotate keys, of pseudonyms and for sealing", FOR_KEYGEN, command_keygen,
     "With the same key file equal names get equal pseudonyms in every run and on every machine. Keep it as secret as the\n"
     "logs themselves: who has it can test guesses. An existing file is never overwritten; --add replaces it in one step by\n"
     "one that has a key more.\n"
     "\n"
     "Examples:\n"
     "  lethe keygen -o lethe.key\n"
     "  lethe keygen --add -o lethe.key\n"
     "  lethe keygen --seal -o audit.key && lethe redact export/ -o clean/ --sealed withheld.jsonl --seal-key audit.key.pub\n"},
    {"unseal", "FILE...", "open sealed records, where the private key is", FOR_UNSEAL, command_unseal,
     "Opens what lethe redact --sealed kept of records that were withheld. What comes out is raw. Lines that cannot be opened\n"
     "are told with file and line; the rest goes on.\n"
     "\n"
     "Examples:\n"
     "  lethe unseal withheld.jsonl --key-file audit.key -o raw.jsonl\n"
     "  lethe unseal withheld.jsonl --key-file audit.key --format raw | lethe redact --max-depth 500 - > rest.ndjson\n"
     "\n"
     "Exit codes:\n"
     "  0  all opened; records that were too long to be kept count as opened\n"
     "  1  some line or file could not be opened, or the output not be written\n"
     "  2  wrong usage or key file; nothing was done\n"},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_overview(FILE *out)
{
    fputs("lethe redacts Azure ML logs: secrets, environment values and identities go, the rest stays as it is.\n\n"
          "Usage: lethe COMMAND [OPTION...] [PATH...]\n\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fputs("  help      show the help of a command\n\n"
          "Try:\n"
          "  lethe redact export/ > clean.ndjson\n"
          "  lethe help redact\n"
          "  lethe --version\n", out);
}

static void print_help(const struct command *c)
{
    printf("lethe %s: %s\n\nUsage: lethe %s [OPTION...]%s%s\n\nOptions:\n", c->name, c->summary, c->name, *c->arguments ? " " : "",
           c->arguments);
    options_print(stdout, c->takes);
    printf("\n%s", c->more);
}

static void print_version(void)
{
    printf("lethe %s (%s build)\n", LETHE_VERSION, LETHE_BUILD_TYPE);
    printf("  json kernel  %s\n", index_select()->name);
    printf("  vectorscan   %s\n", hs_version());
    printf("  openssl      %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    printf("  libcurl      %s\n", curl_version_info(CURLVERSION_NOW)->version);
    printf("  isa-l        %d.%d.%d\n", ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
    printf("  libfyaml     %s\n", fy_library_version());
    printf("  cjson        %s\n", cJSON_Version());
}

static int unknown_command(const char *name)
{
    struct error err = {0};
    const char  *names[COMMAND_COUNT + 2] = {"help"};
    for (size_t i = 0; i < COMMAND_COUNT; i++) names[i + 1] = commands[i].name;
    const char *nearest = nearest_name(name, names);
    if (nearest != NULL)
        error_set(&err, ERROR_USAGE, "unknown command '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(&err, ERROR_USAGE, "unknown command '%s'; try lethe --help", name);
    return command_failed(&err);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

/* Only what reads from another machine may open a socket. */
static enum sandbox_kind kind_of(const struct command *c, const struct options *options)
{
    if (c->run == command_run) return SANDBOX_NETWORK;
    for (size_t i = 0; i < options->path_count; i++)
        if (blob_is_address(options->paths[i])) return SANDBOX_NETWORK;
    return SANDBOX_FILES;
}

static int run_filtered(const struct command *c, const struct options *options)
{
    struct error   err = {0};
    struct console console;
    if (option_given(options, OPTION_USER) && !sandbox_become(option_text(options, OPTION_USER), &err)) return command_failed(&err);
    console_init(&console, false, false);
    if (!sandbox_filter_calls(kind_of(c, options), &err)) console_message(&console, "%s; going on without", err.text);
    return c->run(options);
}

static int run_command(const struct command *c, int argc, char **argv)
{
    struct options options;
    struct error   err = {0};
    int            code = EXIT_DONE;
    if (!options_parse(&options, c->takes, argc, argv, &err))
        code = command_failed(&err);
    else if (option_given(&options, OPTION_HELP))
        print_help(c);
    else
        code = run_filtered(c, &options);
    options_release(&options);
    return code;
}

static int help(const char *name)
{
    const struct command *c = name ? find_command(name) : NULL;
    if (name != NULL && c == NULL) return unknown_command(name);
    if (c != NULL)
        print_help(c);
    else
        print_overview(stdout);
    return EXIT_DONE;
}

/* Our large pieces of memory are few and are used again and again. Left to itself the C library would keep what was freed of
 * them, and in an arena for each thread: a third of a streaming run's memory. */
#define MOST_ARENAS 2
#define LARGE_PIECE (128 * 1024)

static void keep_memory_small(void)
{
    mallopt(M_ARENA_MAX, MOST_ARENAS);
    mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
}

static bool is_one_of(const char *text, const char *a, const char *b) { return strcmp(text, a) == 0 || strcmp(text, b) == 0; }

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (is_one_of(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0) return help(argc > 2 ? argv[2] : NULL);
    if (is_one_of(argv[1], "--version", "-V")) {
        print_version();
        return EXIT_DONE;
    }
    const struct command *c = find_command(argv[1]);
    return c ? run_command(c, argc - 2, argv + 2) : unknown_command(argv[1]);
}

#define SECRET_BYTES (64 * 1024)   /* of private keys that OpenSSL holds: locked, in no core file */
#define SECRET_LEAST 32

int main(int argc, char **argv)
{
    keep_memory_small();
    tls_floor_forget_environment();
    sandbox_protect_memory();
    CRYPTO_secure_malloc_init(SECRET_BYTES, SECRET_LEAST);
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);   /* may load code, which is not possible later on */
    signal(SIGPIPE, SIG_IGN);   /* a closed pipe, or a file at its limit, is an error of write() */
    signal(SIGXFSZ, SIG_IGN);
    unfinished_watch_signals();
    int code = run(argc, argv);
    return fflush(stdout) == 0 || code != EXIT_DONE ? code : EXIT_INCOMPLETE;
}
