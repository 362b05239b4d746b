/* lethe unseal: sealed records in, raw records out. The only command that writes raw bytes; it is for where the private key
 * is, which is not where logs are redacted. */
#include "commands.h"
#include "lines.h"
#include "parser/index.h"
#include "redaction/seal.h"
#include "sinks/output.h"
#include "text.h"

#include <openssl/evp.h>

#define MESSAGES_PER_INPUT 20

struct unsealing_run {
    struct unsealer *unsealer;
    struct output   *output;
    struct console   console;
    struct encoded   text;       /* what becomes of one line */
    struct lines     lines;
    bool             raw;        /* --format raw */
    uint64_t         opened, facts_only, refused;
    bool             incomplete; /* some input could not be read */
};

/* --- What comes out --------------------------------------------------------------------------------------------------- */

static void add_base64(struct text *t, struct slice bytes)
{
    size_t len = (bytes.len + 2) / 3 * 4;
    t->failed = t->failed || !encoded_reserve(t->out, len + 1);
    if (t->failed) return;
    t->out->len += (size_t)EVP_EncodeBlock((uint8_t *)t->out->data + t->out->len, (const uint8_t *)bytes.data, (int)bytes.len);
}

/* What is known of a record, and the record: as a string if it is text, else as base64. */
static void add_json(struct text *t, const struct unsealed *u, bool kept)
{
    bool is_text = utf8_fault(u->raw) == u->raw.len;
    text_add(t, SLICE("{"));
    text_add(t, u->facts);
    if (!kept) {
        text_add(t, SLICE(",\"raw\":null"));
    } else if (is_text) {
        text_add(t, SLICE(",\"raw\":"));
        text_add_json(t, u->raw);
    } else {
        text_add(t, SLICE(",\"raw_base64\":\""));
        add_base64(t, u->raw);
        text_add(t, SLICE("\""));
    }
    text_add(t, SLICE("}\n"));
}

static void add_raw(struct text *t, const struct unsealed *u)
{
    text_add(t, u->raw);
    if (u->raw.len > 0 && u->raw.data[u->raw.len - 1] != '\n') text_add(t, SLICE("\n"));
}

static bool write_record(struct unsealing_run *run, const struct unsealed *u, bool kept, struct error *err)
{
    struct text t = {.out = &run->text};
    run->text.len = 0;
    if (run->raw) add_raw(&t, u);
    else add_json(&t, u, kept);
    if (t.failed) return error_set(err, ERROR_OUTPUT, "cannot write the records: out of memory");
    return output_write(run->output, slice_of(run->text.data, run->text.len), err);
}

/* --- What goes in ----------------------------------------------------------------------------------------------------- */

static void tell_refused(struct unsealing_run *run, const struct input *input, enum unsealing why, const struct unsealed *u,
                         uint64_t told)
{
    unsigned long long line = run->lines.number;
    run->refused++;
    if (told > MESSAGES_PER_INPUT) return;
    if (why == UNSEAL_OTHER_KEY)
        console_message(&run->console, "%s:%llu: sealed to key %.*s, and this is key %s", input_name(input), line,
                        (int)(u->key.len < SEAL_ID_LENGTH ? u->key.len : SEAL_ID_LENGTH), u->key.data,
                        unsealer_id(run->unsealer));
    else
        console_message(&run->console, "%s:%llu: %s", input_name(input), line, unsealing_text(why));
}

/* False: the output failed. */
static bool unseal_lines(struct unsealing_run *run, const struct input *input, struct error *err)
{
    struct error failed = {0};
    struct slice line;
    uint64_t told = 0;
    enum line_status status;
    while ((status = lines_next(&run->lines, &line, &failed)) == LINE_READ) {
        struct unsealed u;
        if (line.len == 0) continue;
        enum unsealing what = unseal_line(run->unsealer, line, &u);
        bool kept = what == UNSEALED;
        run->opened += kept;
        run->facts_only += what == UNSEALED_FACTS;
        if (kept || what == UNSEALED_FACTS) {
            if (!write_record(run, &u, kept, err)) return false;
        } else {
            tell_refused(run, input, what, &u, ++told);
        }
    }
    if (told > MESSAGES_PER_INPUT)
        console_message(&run->console, "%s: ... and %llu more", input_name(input),
                        (unsigned long long)(told - MESSAGES_PER_INPUT));
    if (status == LINE_FAILED) {
        run->incomplete = true;
        console_message(&run->console, "%s: %s", input_name(input), failed.text);
    }
    return true;
}

static bool unseal_input(struct unsealing_run *run, const struct input *input, struct error *err)
{
    struct error failed = {0};
    struct reader *reader = reader_open(input, &failed);
    if (reader == NULL) {
        run->incomplete = true;
        console_message(&run->console, "%s", failed.text);
        return true;
    }
    lines_begin(&run->lines, reader_source(reader));
    bool written = unseal_lines(run, input, err);
    reader_close(reader);
    return written;
}

/* --- The run ---------------------------------------------------------------------------------------------------------- */

/* Returns the exit code, or -1 and an error. */
static int unseal(struct unsealing_run *run, const struct input_list *inputs, const struct destination *d, struct error *err)
{
    bool written = (run->output = output_open(d->path, destination_is_gzip(d->path), err)) != NULL;
    for (size_t i = 0; written && i < inputs->count; i++) written = unseal_input(run, &inputs->items[i], err);
    if (run->output != NULL && written) {
        written = output_finish(run->output, NULL, err);
    } else if (run->output != NULL) {
        bool unwanted = output_unwanted(run->output);
        output_abandon(run->output);
        if (unwanted) return EXIT_INCOMPLETE;   /* `| head` */
    }
    if (!written) return -1;
    if (!run->console.quiet)
        console_message(&run->console, "%llu records opened, %llu not kept, %llu lines refused", (unsigned long long)run->opened,
                        (unsigned long long)run->facts_only, (unsigned long long)run->refused);
    return run->refused > 0 || run->incomplete ? EXIT_INCOMPLETE : EXIT_DONE;
}

static bool read_options(const struct options *options, struct unsealing_run *run, const struct destination *d, struct error *err)
{
    const char *format = option_text(options, OPTION_UNSEAL_FORMAT);
    run->raw = strcmp(format, "raw") == 0;
    if (!run->raw && strcmp(format, "json") != 0)
        return error_set(err, ERROR_USAGE, "unknown format '%s'; there are json and raw", format);
    if (!option_given(options, OPTION_UNSEAL_KEY))
        return error_set(err, ERROR_USAGE, "unseal needs the private key: --key-file FILE");
    if (d->mirror) return error_set(err, ERROR_USAGE, "raw records go to one file, and '%s' is a folder", d->path);
    return true;
}

int command_unseal(const struct options *options)
{
    struct error         err = {0};
    struct unsealing_run run = {0};
    struct input_list    inputs = {0};
    struct destination   d;
    int                  code = -1;
    console_init(&run.console, option_given(options, OPTION_QUIET), false);
    destination_init(&d, option_text(options, OPTION_UNSEALED));
    if (read_options(options, &run, &d, &err) && inputs_read(options, NULL, &inputs, &err) &&
        destination_check(&d, &inputs, &err) &&
        (run.unsealer = unsealer_new(option_text(options, OPTION_UNSEAL_KEY), &err)) != NULL)
        code = unseal(&run, &inputs, &d, &err);
    unsealer_free(run.unsealer);
    lines_release(&run.lines);
    encoded_release(&run.text);
    inputs_release(&inputs);
    return code >= 0 ? code : command_failed(&err);
}
