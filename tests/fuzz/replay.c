/* Gives a fuzzer's target every file of a folder, without libFuzzer: so that what was once found stays mended, whatever compiler
 * the tests are built with. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static size_t replay(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", CORPUS, name);
    FILE    *file = fopen(path, "rb");
    uint8_t *data = malloc(MOST_BYTES);
    assert_true(file != NULL && data != NULL);
    size_t len = fread(data, 1, MOST_BYTES, file);
    fclose(file);
    uint8_t *exact = malloc(len > 0 ? len : 1);   /* so that a look beyond the end is seen */
    assert_non_null(exact);
    for (size_t i = 0; i < len; i++) exact[i] = data[i];
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

static void every_input_of_the_corpus_is_dealt_with(void **state)
{
    (void)state;
    DIR   *folder = opendir(CORPUS);
    size_t count = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') count += replay(entry->d_name);
    closedir(folder);
    assert_true(count > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_input_of_the_corpus_is_dealt_with)};
    if (LLVMFuzzerInitialize != NULL) LLVMFuzzerInitialize(&argc, &argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
