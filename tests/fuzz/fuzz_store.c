/* Fuzzes the recovery of a store: its files as a killed process left them, then changed (store_image.h). A fault is a crash, a start that
 * is refused, a block that is not one of those that were written, or a store that is not as it was found when it is opened again. */
#include "store_image.h"

#define ALL            (((1u << BLOCKS) - 1) << 1)
#define UNDAMAGED_EACH 4   /* one of so many stores from which nothing is missing is opened again, too */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    make_image();
    return 0;
}

static void lay_out(const uint8_t *data, size_t len)
{
    size_t lens[2];
    change_all(data, len, lens);
    empty_folder(store_path);
    for (int i = 0; i < 2; i++) put(i, lens[i]);
}

/* Which blocks are there, as bits; each is right. */
static unsigned blocks_in(struct store *s)
{
    unsigned found = 0;
    for (uint64_t seq = 1; seq <= BLOCKS; seq++) {
        char         expected[4096], *data = NULL;
        size_t       len = 0;
        struct error err = {0};
        if (store_load(s, seq, &data, &len, &err) != STORE_FOUND) continue;
        CHECK(slice_equal(slice_of(data, len), slice_of(expected, content(seq, expected))));
        found |= 1u << seq;
        free(data);
    }
    return found;
}

static unsigned found_when_opened(void)
{
    size_t              before = quick_live;
    struct store_report report = {0};
    struct error        err = {0};
    struct store       *s = open_store(&report, &err);
    if (s == NULL) fprintf(stderr, "%s\n", err.text);
    CHECK(s != NULL);
    unsigned found = blocks_in(s);
    store_close(s);
    CHECK(quick_live == before);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lay_out(data, len);
    unsigned found = found_when_opened();
    if (found != ALL || len % UNDAMAGED_EACH == 0) CHECK(found_when_opened() == found);
    return 0;
}
