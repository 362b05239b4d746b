/* The program: finds the command, reads its options, runs it. */
#include "commands.h"

#include "base/nearest.h"
#include "base/sandbox.h"
#include "console.h"
#include "net/tls_floor.h"
#include "open_files.h"
#include "parser/parser.h"
#include "sinks/unfinished.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <hs.h>
#include <isa-l.h>
#include <libfyaml.h>
#include <librdkafka/rdkafka.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>

static void print_overview(FILE *out)
{
    fputs("lethe redacts Azure ML logs: secrets, environment values and identities go, the rest stays as it is.\n\n"
          "Usage: lethe COMMAND [OPTION...] [PATH...]\n\n", out);
    for (const struct command *c = commands; c->name != NULL; c++) fprintf(out, "  %-10s  %s\n", c->name, c->summary);
    fputs("  help        show the help of a command\n\n"
          "Try:\n"
          "  lethe redact export/ > clean.ndjson\n"
          "  lethe help redact\n"
          "  lethe --version\n", out);
}

static void print_help(const struct command *c)
{
    printf("lethe %s: %s\n\nUsage: lethe %s [OPTION...]%s%s\n\nOptions:\n", c->name, c->summary, c->name,
           *c->arguments ? " " : "", c->arguments);
    options_print(stdout, c->takes);
    printf("\n%s", c->more);
}

static void print_version(void)
{
    printf("lethe %s (%s build)\n", LETHE_VERSION, LETHE_BUILD_TYPE);
    printf("  json kernel  %s\n", index_select()->name);
    printf("  vectorscan   %.*s\n", (int)strcspn(hs_version(), " "), hs_version());
    printf("  openssl      %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    printf("  libcurl      %s\n", curl_version_info(CURLVERSION_NOW)->version);
    printf("  librdkafka   %s\n", rd_kafka_version_str());
    printf("  sqlite       %s\n", sqlite3_libversion());
    printf("  isa-l        %d.%d.%d\n", ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
    printf("  libfyaml     %s\n", fy_library_version());
    printf("  cjson        %s\n", cJSON_Version());
}

static int unknown_command(const char *name)
{
    struct error err = {0};
    const char  *names[COMMANDS_MAX + 2] = {"help"};
    for (size_t i = 0; commands[i].name != NULL; i++) names[i + 1] = commands[i].name;
    const char *nearest = nearest_name(slice_from(name), names);
    if (nearest != NULL)
        error_set(&err, ERROR_USAGE, "unknown command '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(&err, ERROR_USAGE, "unknown command '%s'; try lethe --help", name);
    return command_failed(&err);
}

static const struct command *find_command(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0) return c;
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
    if (option_given(options, OPTION_USER) && !sandbox_become(option_text(options, OPTION_USER), &err))
        return command_failed(&err);
    console_init(&console, false, false);
    if (c->run == command_run) open_files_raise();
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
    if (is_one_of(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0)
        return help(argc > 2 && argv[2][0] != '-' ? argv[2] : NULL);
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
