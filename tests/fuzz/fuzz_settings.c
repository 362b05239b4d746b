/* Fuzzes what operators write: policies and configurations of `lethe run`. The first byte chooses which. A fault is a crash, or an
 * error without a text or of more than one line more than it shows: a mistake is to be told, never guessed at. */
#include "config.h"
#include "redaction/plan.h"

#include <sys/mman.h>
#include <unistd.h>

#define USES_OF_NAMES 1000

static int  fd = -1;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses a kilobyte at a quoted text without an end: a mistake that ends the program, or is refused at a reload. */
const char *__lsan_default_suppressions(void) { return "leak:libfyaml"; }

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fd = memfd_create("settings", MFD_CLOEXEC);
    CHECK(fd >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return 0;
}

static void check_told(bool sound, const struct error *err)
{
    CHECK(sound == (err->code == ERROR_NONE));
    CHECK(sound || (err->text[0] != '\0' && memchr(err->text, '\0', sizeof err->text) != NULL));
}

/* Names serve many inputs: to make a set of them takes longer than to read a policy, which only adds to them. */
static struct name_set *names_for_input(void)
{
    static struct name_set *names;
    static unsigned         uses;
    if (uses++ % USES_OF_NAMES == 0) {
        name_set_free(names);
        names = name_set_new();
        CHECK(names != NULL);
    }
    return names;
}

static void read_policy(void)
{
    struct error  err = {0};
    struct policy policy = {0};
    check_told(policy_load(&policy, names_for_input(), path, &err), &err);
    policy_release(&policy);
}

static void read_config(void)
{
    struct error   err = {0};
    struct config *config = config_load(path, &err);
    check_told(config != NULL, &err);
    if (config == NULL) return;
    CHECK(config->source_count > 0 && config->sink_count > 0 && config_same_flow(config, config));
    config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1 || memmem(data, len, "${file:", 7) != NULL) return 0;   /* the file system is not part of the input */
    CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data + 1, len - 1, 0) == (ssize_t)len - 1);
    if (data[0] % 2 == 0) read_policy();
    else read_config();
    return 0;
}
