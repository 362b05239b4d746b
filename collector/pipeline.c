/* N equal workers take batches from the inputs to the outputs.
 *
 *      input turn                                              output turn
 *      (one worker)         (all workers at once)              (one worker, in order)
 *      open, fill     -->   redact, encode                -->  open, write, complete, tell
 *
 * A worker runs one batch to its end while it is hot in the cache of its core. What comes out, a parcel, waits in a ring
 * for its turn while its worker goes on: whoever completes the oldest parcel writes it and all that are ready behind it.
 * So nobody sleeps for the sake of the order; with two workers that slept, waking them cost as much as their work.
 *
 * (1) Who holds the input turn owns the list position, the reader and the framer. Each batch filled there gets the next
 *     sequence number and belongs to one input.
 * (2) Parcels take the output turn in the order of their numbers; who holds it owns the output, the results and the
 *     console. So the output has the order of the input, whatever the number of workers.
 * (3) Every number given out becomes a parcel, also when the run is stopped. A worker waits only when the ring is full,
 *     and the worker of the oldest number never does; so none waits for ever.
 * (4) What happened while reading travels with the batch and is told in the output turn: messages come in input order.
 * (5) Memory: one batch and one redactor for each worker, PARCELS_PER_WORKER encoded texts.
 * Thread: the caller's is the first worker; jobs - 1 more are started. */
#include "pipeline.h"

#include "progress.h"
#include "redaction/gate.h"
#include "sealed_file.h"
#include "sinks/output.h"

#include <pthread.h>
#include <stdatomic.h>

#define BATCH_EXTRA (256 * 1024)   /* room beyond the longest record, so that short ones come in large batches */
#define MESSAGES_PER_INPUT 20      /* withheld records told one by one, unless verbose */
#define NO_INPUT SIZE_MAX
#define PARCELS_PER_WORKER 4

/* Where a batch came from and how reading it ended. */
struct portion {
    size_t       input;
    bool         first, last;   /* of its input */
    bool         failed;        /* the input cannot be read on: `error` */
    uint64_t     bytes;         /* of the input so far, unpacked */
    uint64_t     position;      /* of all inputs so far, as their sizes count */
    struct error error;
};

/* What became of a batch, on its way to the output. */
struct parcel {
    struct portion          portion;
    struct encoded          encoded;
    bool                    encoded_all;    /* false: no memory for it */
    size_t                  documents;      /* in the batch */
    struct input_result     counted;        /* what the redactor found in it */
    struct withheld_record *withheld;
    size_t                  withheld_count, withheld_capacity;
    struct sealed_lines     sealed;         /* the same, to be kept */
    bool                    sealed_all;     /* false: no memory for it */
    bool                    ready;
};

struct pipeline {
    const struct pipeline_options *options;
    const struct plan             *plan;
    const struct input_list       *inputs;
    const struct destination      *destination;

    /* Input turn */
    pthread_mutex_t input_turn;
    struct framer  *framer;
    struct reader  *reader;          /* of inputs[current]; NULL between inputs */
    size_t          current, next;
    uint64_t        next_sequence;
    uint64_t        passed_bytes;    /* sizes of the inputs that are behind us */

    /* Output turn */
    pthread_mutex_t output_lock;     /* guards turn, taken and parcels[].ready */
    pthread_cond_t  output_moves;
    struct parcel  *parcels;         /* a ring: number n is in parcels[n % parcel_count] */
    size_t          parcel_count;
    uint64_t        turn;            /* number of the oldest parcel that is not settled */
    bool            taken;           /* somebody is settling parcels */
    struct output  *output;
    struct sealed_file sealed;
    bool            container_filled;   /* the container being written has an element: the next needs a comma */
    uint64_t        input_messages;
    uint64_t        records;
    struct progress progress;
    struct console    *console;
    struct run_result *result;

    /* Set in the output turn, seen in the input turn */
    atomic_bool   stopped;
    atomic_size_t abandoned;         /* the input whose output failed: need not be read on */
};

struct worker {
    struct pipeline *p;
    pthread_t        thread;
    struct batch     batch;
    struct redactor *redactor;
    struct encoder  *encoder;
    void            *writer;         /* in place of the encoder, if the options have one */
    struct inventory *inventory;     /* NULL: not wanted */
    struct gate      *gate;          /* NULL: not wanted */
    struct sealer    *sealer;        /* NULL: not wanted */
    uint64_t          gated_clean, gated_redacted;   /* cut out behind the redactor's back */
    struct portion   portion;
};

/* --- Input turn ------------------------------------------------------------------------------------------------------- */

static void close_input(struct pipeline *p)
{
    off_t size = p->inputs->items[p->current].size;
    p->passed_bytes += size > 0 ? (uint64_t)size : 0;
    reader_close(p->reader);
    p->reader = NULL;
}

/* Goes to the next input that is to be read. False: there is none. */
static bool next_input(struct pipeline *p)
{
    for (; p->next < p->inputs->count; p->next++) {
        const struct input *input = &p->inputs->items[p->next];
        if (!(p->options->resume && p->destination->mirror && destination_is_done(p->destination, input, 1))) break;
        p->result->inputs[p->next].state = INPUT_SKIPPED;
        p->passed_bytes += (uint64_t)input->size;
    }
    if (p->next == p->inputs->count) return false;
    p->current = p->next++;
    return true;
}

static void fill(struct pipeline *p, struct worker *w)
{
    struct portion *portion = &w->portion;
    enum fill       filled = framer_fill(p->framer, &w->batch, &portion->error);
    portion->failed = filled == FILL_FAILED;
    portion->last = filled != FILL_SOME;
    portion->bytes = framer_offset(p->framer);
    portion->position = p->passed_bytes + reader_offset(p->reader);
    if (portion->last) close_input(p);
}

/* Fills the worker's batch and gives it its number. False: all is read, or the run is stopped. */
static bool take_portion(struct pipeline *p, struct worker *w)
{
    batch_clear(&w->batch);
    w->portion = (struct portion){0};
    if (atomic_load(&p->stopped)) return false;
    if (p->reader != NULL && atomic_load(&p->abandoned) == p->current) close_input(p);
    if (p->reader == NULL) {
        if (!next_input(p)) return false;
        w->portion.first = true;
        p->reader = reader_open(&p->inputs->items[p->current], &w->portion.error);
        if (p->reader != NULL) framer_reset(p->framer, reader_source(p->reader));
    }
    w->portion.input = p->current;
    if (p->reader != NULL)
        fill(p, w);
    else
        w->portion.failed = w->portion.last = true;
    w->batch.sequence = p->next_sequence++;
    return true;
}

static bool take_input(struct pipeline *p, struct worker *w)
{
    pthread_mutex_lock(&p->input_turn);
    bool taken = take_portion(p, w);
    pthread_mutex_unlock(&p->input_turn);
    return taken;
}

/* --- At once ---------------------------------------------------------------------------------------------------------- */

/* Remembers what was withheld, since the redactor's next batch takes the place of its list. */
static void keep_withheld(struct parcel *parcel, const struct clean_batch *clean)
{
    parcel->withheld_count = clean->withheld_count;
    if (clean->withheld_count > parcel->withheld_capacity) {
        free(parcel->withheld);
        parcel->withheld = calloc(clean->withheld_count, sizeof *parcel->withheld);
        CHECK(parcel->withheld != NULL);   /* what is not told is lost without a word */
        parcel->withheld_capacity = clean->withheld_count;
    }
    for (size_t i = 0; i < clean->withheld_count; i++) {
        parcel->withheld[i] = clean->withheld[i];
        parcel->withheld[i].raw = NULL;   /* does not live as long */
    }
}

static struct seal_facts facts_of(const struct worker *w)
{
    struct seal_facts facts = {.source = slice_from(input_name(&w->p->inputs->items[w->portion.input]))};
    clock_gettime(CLOCK_REALTIME, &facts.time);
    return facts;
}

/* While the bytes of what was withheld are there. */
static void seal_withheld(struct worker *w, struct parcel *parcel, const struct clean_batch *clean)
{
    parcel->sealed.len = 0;
    parcel->sealed_all = true;
    if (w->sealer == NULL || clean->withheld_count == 0) return;
    const struct seal_facts facts = facts_of(w);
    parcel->sealed_all = withheld_seal(w->sealer, clean, &facts, &parcel->sealed);
}

static bool encode(struct worker *w, const struct clean_batch *batch, struct encoded *out)
{
    const struct batch_writer *writer = w->p->options->writer;
    if (writer == NULL) return encode_batch(w->encoder, batch, out);
    out->len = 0;
    out->joint = SIZE_MAX;
    out->after = CONTAINER_SAME;
    return writer->write(w->writer, &w->p->inputs->items[w->portion.input], batch, out);
}

/* What the second gate cuts out, while it does. */
struct cutting {
    struct worker            *w;
    struct parcel            *parcel;
    const struct clean_batch *clean;
};

/* Line n of the encoded bytes is record n of the clean batch. */
static void withhold_line(void *context, size_t line, uint32_t rule)
{
    struct cutting            *c = context;
    const struct clean_record *r = &c->clean->records[line];
    struct parcel             *parcel = c->parcel;
    (void)rule;
    if (parcel->withheld_count == parcel->withheld_capacity) {
        size_t capacity = 2 * parcel->withheld_capacity + 16;
        parcel->withheld = reallocarray(parcel->withheld, capacity, sizeof *parcel->withheld);
        CHECK(parcel->withheld != NULL);
        parcel->withheld_capacity = capacity;
    }
    parcel->withheld[parcel->withheld_count++] = (struct withheld_record){
        .refusal = REFUSAL_GATE, .offset = r->offset, .line = r->line, .fault_at = r->offset, .origin = r->origin,
        .index = r->index};
    if (c->w->sealer != NULL) {
        const struct seal_facts facts = facts_of(c->w);
        parcel->sealed_all = parcel->sealed_all && clean_record_seal(c->w->sealer, r, REFUSAL_GATE, &facts, &parcel->sealed);
    }
    parcel->counted.withheld++;
    if (r->span_count > 0) {
        parcel->counted.redacted--;
        c->w->gated_redacted++;
    } else {
        parcel->counted.clean--;
        c->w->gated_clean++;
    }
}

static bool pass_second_gate(struct worker *w, struct parcel *parcel, const struct clean_batch *clean)
{
    struct cutting cutting = {w, parcel, clean};
    return w->gate == NULL || gate_filter(w->gate, parcel->encoded.data, &parcel->encoded.len, withhold_line, &cutting);
}

static void redact_and_encode(struct worker *w, struct parcel *parcel)
{
    const struct tally *tally = redactor_tally(w->redactor);
    const uint64_t      records = tally->records, clean = tally->clean, redacted = tally->redacted;
    const struct clean_batch *batch = redact_batch(w->redactor, &w->batch);
    CHECK(batch != NULL);   /* no memory: what is written is complete or does not appear, and what was read is still there */
    if (w->inventory != NULL) inventory_add(w->inventory, batch, w->portion.input);
    parcel->portion = w->portion;
    parcel->documents = w->batch.count;
    parcel->counted = (struct input_result){.records = tally->records - records, .clean = tally->clean - clean,
                                            .redacted = tally->redacted - redacted, .withheld = batch->withheld_count};
    keep_withheld(parcel, batch);
    seal_withheld(w, parcel, batch);
    parcel->encoded_all = encode(w, batch, &parcel->encoded) && pass_second_gate(w, parcel, batch);
}

/* --- Output turn ------------------------------------------------------------------------------------------------------ */

static void stop(struct pipeline *p) { atomic_store(&p->stopped, true); }

/* The output is lost. Nothing is said when its reader went away: whoever wrote `| head` wanted that. */
static void output_failed(struct pipeline *p, const struct error *err)
{
    bool unwanted = p->output != NULL && output_unwanted(p->output);
    if (p->output != NULL) output_abandon(p->output);
    p->output = NULL;
    p->result->outputs_failed = true;
    p->result->unwanted = p->result->unwanted || unwanted;
    if (!unwanted) console_message(p->console, "%s", err->text);
    if (!p->destination->mirror) stop(p);
}

static bool open_output(struct pipeline *p, const struct input *input, struct error *err)
{
    char *path = destination_path(p->destination, input);
    if (path == NULL) return error_set(err, ERROR_OUTPUT, "cannot write the output of '%s': out of memory", input_name(input));
    if (!p->destination->mirror || output_make_folders(path, err)) p->output = output_open(path, destination_is_gzip(path), err);
    free(path);
    return p->output != NULL;
}

/* Completes the output of these inputs. One that lacks what could not be read gets a time by which --resume knows it. */
static bool close_output(struct pipeline *p, const struct input *inputs, size_t count, bool complete, struct error *err)
{
    const struct timespec undone = destination_undone_time(inputs, count);
    struct output        *output = p->output;
    if (!output_flush(output, err)) return false;
    p->output = NULL;
    p->result->bytes_out += output_bytes(output);
    return output_finish(output, complete ? destination_done_time(p->destination, inputs) : &undone, err);
}

static bool write_encoded(struct pipeline *p, const struct encoded *e, struct error *err)
{
    size_t joint = e->joint != SIZE_MAX && p->container_filled ? e->joint : 0;
    if (joint > 0 && !output_write(p->output, slice_of(e->data, joint), err)) return false;
    if (e->joint != SIZE_MAX && p->container_filled && !output_write(p->output, SLICE(","), err)) return false;
    if (e->len > joint && !output_write(p->output, slice_of(e->data + joint, e->len - joint), err)) return false;
    if (e->after != CONTAINER_SAME) p->container_filled = e->after == CONTAINER_FILLED;
    return true;
}

static void tell_withheld(struct pipeline *p, const struct parcel *parcel)
{
    const struct input *input = &p->inputs->items[parcel->portion.input];
    size_t              most = p->options->strict ? 1 : MESSAGES_PER_INPUT;
    if (p->options->writer != NULL) return;
    if (parcel->portion.first) p->input_messages = 0;
    for (size_t i = 0; i < parcel->withheld_count; i++) {
        const struct withheld_record *r = &parcel->withheld[i];
        if (p->input_messages++ >= most && !(p->console->verbose && !p->options->strict)) continue;
        console_message(p->console, "%s:%llu: record withheld: %s (byte %llu)", input_name(input), (unsigned long long)r->line,
                        refusal_explanation(r->refusal), (unsigned long long)(r->fault_at > r->offset ? r->fault_at : r->offset));
    }
    if (parcel->portion.last && p->input_messages > most && !p->console->verbose && !p->options->strict)
        console_message(p->console, "%s: ... and %llu more withheld", input_name(input),
                        (unsigned long long)(p->input_messages - most));
}

static void count(struct pipeline *p, const struct parcel *parcel)
{
    struct input_result *total = &p->result->inputs[parcel->portion.input];
    p->result->bytes_in += parcel->portion.bytes - total->bytes;
    total->bytes = parcel->portion.bytes;
    total->records += parcel->counted.records;
    total->clean += parcel->counted.clean;
    total->redacted += parcel->counted.redacted;
    total->withheld += parcel->counted.withheld;
    if (parcel->portion.failed) total->state = INPUT_FAILED;
    p->records += parcel->counted.records;
}

/* Writes a portion to the output of its input; opens it before the first and completes it after the last. */
static void write_portion(struct pipeline *p, const struct parcel *parcel)
{
    const struct portion *portion = &parcel->portion;
    const struct input   *input = &p->inputs->items[portion->input];
    struct input_result  *result = &p->result->inputs[portion->input];
    struct error          err = {0};
    bool                  written = true,
                          nothing = portion->first && portion->failed && parcel->documents == 0 && portion->bytes == 0;
    if (nothing) return;   /* could not be opened: it has no output */
    if (!parcel->encoded_all)
        written = error_set(&err, ERROR_OUTPUT, "cannot write the output of '%s': out of memory", input_name(input));
    if (portion->first && p->options->writer == NULL) p->container_filled = false;
    if (written && p->destination->mirror && portion->first) written = open_output(p, input, &err);
    if (written) written = write_encoded(p, &parcel->encoded, &err);
    if (written && p->destination->mirror && portion->last) written = close_output(p, input, 1, !portion->failed, &err);
    if (!written) {
        output_failed(p, &err);
        result->state = INPUT_UNWRITTEN;
        atomic_store(&p->abandoned, portion->input);
    } else if (portion->last && !portion->failed)
        result->state = INPUT_DONE;
}

/* The run goes on without: what leaves is as clean as before. */
static void tell_not_kept(struct pipeline *p, const struct error *err)
{
    p->result->outputs_failed = true;
    console_message(p->console, "%s; withheld records are not kept", err->text);
}

static void keep_sealed(struct pipeline *p, const struct parcel *parcel)
{
    struct error err = {0};
    if (!sealed_file_write(&p->sealed, &parcel->sealed, parcel->sealed_all, &err)) tell_not_kept(p, &err);
}

/* What --strict stops at; nothing of the portion is written then. */
static bool refused_by_strict(struct pipeline *p, const struct parcel *parcel)
{
    if (!p->options->strict || (!parcel->portion.failed && parcel->withheld_count == 0)) return false;
    console_message(p->console, "stopped (--strict)");
    if (p->output != NULL && strcmp(p->destination->path, OUTPUT_STDOUT) != 0) {
        output_abandon(p->output);
        p->output = NULL;
    }
    stop(p);
    return true;
}

static void settle(struct pipeline *p, const struct parcel *parcel)
{
    bool lost = atomic_load(&p->abandoned) == parcel->portion.input;
    if (atomic_load(&p->stopped) || lost) return;
    count(p, parcel);
    tell_withheld(p, parcel);
    keep_sealed(p, parcel);
    if (parcel->portion.failed) console_message(p->console, "%s", parcel->portion.error.text);
    if (!refused_by_strict(p, parcel)) write_portion(p, parcel);
    progress_update(&p->progress, parcel->portion.position, p->records);
}

/* The place of a number in the ring, when it is free. */
static struct parcel *await_parcel(struct pipeline *p, uint64_t number)
{
    pthread_mutex_lock(&p->output_lock);
    while (number - p->turn >= p->parcel_count) pthread_cond_wait(&p->output_moves, &p->output_lock);
    pthread_mutex_unlock(&p->output_lock);
    return &p->parcels[number % p->parcel_count];
}

/* Hands a parcel over. If nobody has the output turn, takes it for all parcels that are ready, oldest first. */
static void hand_over(struct pipeline *p, struct parcel *parcel)
{
    pthread_mutex_lock(&p->output_lock);
    parcel->ready = true;
    while (!p->taken && p->parcels[p->turn % p->parcel_count].ready) {
        struct parcel *oldest = &p->parcels[p->turn % p->parcel_count];
        p->taken = true;
        pthread_mutex_unlock(&p->output_lock);
        settle(p, oldest);
        pthread_mutex_lock(&p->output_lock);
        p->taken = oldest->ready = false;
        p->turn++;
        pthread_cond_broadcast(&p->output_moves);
    }
    pthread_mutex_unlock(&p->output_lock);
}

/* --- Workers ---------------------------------------------------------------------------------------------------------- */

static void *work(void *worker)
{
    struct worker *w = worker;
    while (take_input(w->p, w)) {
        struct parcel *parcel = await_parcel(w->p, w->batch.sequence);
        redact_and_encode(w, parcel);
        hand_over(w->p, parcel);
    }
    return NULL;
}

static bool worker_init(struct worker *w, struct pipeline *p, struct error *err)
{
    const struct pipeline_options *o = p->options;
    const struct redactor_options  redaction = {.keep_container = o->keep_container, .max_record = o->max_record,
                                                .max_depth = o->max_depth,
                                                .details = o->writer != NULL || p->result->inventory != NULL};
    *w = (struct worker){.p = p};
    w->redactor = redactor_new(p->plan, &redaction, err);
    if (w->redactor == NULL) return false;
    if (p->result->inventory != NULL && (w->inventory = inventory_new(p->plan)) == NULL)
        return error_set(err, ERROR_MEMORY, "out of memory");
    if (o->second_gate && (w->gate = gate_new(p->plan, err)) == NULL) return false;
    if (o->sealed != NULL && (w->sealer = sealer_new(o->seal_key, err)) == NULL) return false;
    if (o->writer != NULL) w->writer = o->writer->open(o->writer->context);
    else w->encoder = encoder_new(o->format, o->keep_container);
    return ((w->encoder != NULL || w->writer != NULL) && batch_init(&w->batch, o->max_record + BATCH_EXTRA)) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static void worker_release(struct worker *w)
{
    if (w->redactor != NULL) {
        struct tally *total = &w->p->result->tally;
        tally_add(total, redactor_tally(w->redactor));
        total->clean -= w->gated_clean;
        total->redacted -= w->gated_redacted;
        total->withheld[REFUSAL_GATE] += w->gated_clean + w->gated_redacted;
        redactor_free(w->redactor);
    }
    if (w->inventory != NULL) inventory_merge(w->p->result->inventory, w->inventory);
    inventory_free(w->inventory);
    gate_free(w->gate);
    sealer_free(w->sealer);
    if (w->encoder != NULL) encoder_free(w->encoder);
    if (w->writer != NULL) w->p->options->writer->close(w->writer);
    batch_release(&w->batch);
}

static void parcels_release(struct pipeline *p)
{
    for (size_t i = 0; p->parcels != NULL && i < p->parcel_count; i++) {
        encoded_release(&p->parcels[i].encoded);
        free(p->parcels[i].withheld);
        sealed_lines_release(&p->parcels[i].sealed);
    }
    free(p->parcels);
}

/* Fewer threads than wished for, if the system has no more, is no error: the caller's thread is a worker, too. */
static void run_workers(struct worker *workers, unsigned count)
{
    unsigned started = 1;
    for (; started < count; started++) {
        char name[16];
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0) break;
        snprintf(name, sizeof name, "work:%u", started % 1000);
        pthread_setname_np(workers[started].thread, name);
    }
    work(&workers[0]);
    while (--started > 0) pthread_join(workers[started].thread, NULL);
}

/* --- The run ---------------------------------------------------------------------------------------------------------- */

static uint64_t total_bytes(const struct input_list *inputs)
{
    uint64_t total = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        if (input_is_stdin(&inputs->items[i])) return 0;
        total += (uint64_t)inputs->items[i].size;
    }
    return total;
}

/* One output for all inputs is opened before the first is read. False: the run is over. */
static bool begin_common_output(struct pipeline *p)
{
    struct error err = {0};
    if (p->destination->mirror) return true;
    if (p->options->resume && destination_is_done(p->destination, p->inputs->items, p->inputs->count)) {
        for (size_t i = 0; i < p->inputs->count; i++) p->result->inputs[i].state = INPUT_SKIPPED;
        return false;
    }
    p->output = output_open(p->destination->path, destination_is_gzip(p->destination->path), &err);
    if (p->output != NULL && (p->options->writer == NULL || output_write(p->output, p->options->writer->heading, &err)))
        return true;
    output_failed(p, &err);
    return false;
}

/* What a writer has to say when all is read. */
static bool write_ending(struct pipeline *p, struct error *err)
{
    const struct batch_writer *writer = p->options->writer;
    struct encoded             ending = {.joint = SIZE_MAX};
    if (writer == NULL || writer->finish == NULL) return true;
    bool written = writer->finish(writer->context, p->result, &ending)
                       ? output_write(p->output, slice_of(ending.data, ending.len), err)
                       : error_set(err, ERROR_OUTPUT, "cannot write '%s': out of memory", p->destination->path);
    encoded_release(&ending);
    return written;
}

/* After the last worker: completes the common output. A run that --strict stopped leaves only standard output open. */
static void end_common_output(struct pipeline *p)
{
    struct error err = {0};
    bool         complete = p->options->writer != NULL || run_result_inputs(p->result, INPUT_FAILED) == 0;
    if (p->output != NULL && !(write_ending(p, &err) && close_output(p, p->inputs->items, p->inputs->count, complete, &err)))
        output_failed(p, &err);
}

static bool run(struct pipeline *p, struct error *err)
{
    unsigned       jobs = p->options->jobs, ready = 0;
    struct worker *workers = calloc(jobs, sizeof *workers);
    struct error   sealed_err = {0};
    p->parcel_count = jobs == 1 ? 1 : jobs * PARCELS_PER_WORKER;
    p->parcels = calloc(p->parcel_count, sizeof *p->parcels);
    bool begun = (workers != NULL && p->parcels != NULL) || error_set(err, ERROR_MEMORY, "out of memory");
    while (begun && ready < jobs) begun = worker_init(&workers[ready++], p, err);
    begun = begun && sealed_file_open(&p->sealed, p->options->sealed, err);
    bool under_way = begun && begin_common_output(p);
    if (under_way) run_workers(workers, jobs);
    while (ready > 0) worker_release(&workers[--ready]);
    if (under_way) end_common_output(p);
    if (begun && !sealed_file_close(&p->sealed, &sealed_err)) tell_not_kept(p, &sealed_err);
    console_clear(p->console);
    free(workers);
    parcels_release(p);
    return begun;
}

bool pipeline_run(const struct pipeline_options *options, const struct plan *plan, const struct input_list *inputs,
                  const struct destination *destination, struct console *console, struct run_result *result, struct error *err)
{
    const struct framer_options framing = {options->max_record, options->keep_container, options->multiline};
    struct pipeline p = {
        .options = options, .plan = plan, .inputs = inputs, .destination = destination, .console = console, .result = result,
        .input_turn = PTHREAD_MUTEX_INITIALIZER, .output_lock = PTHREAD_MUTEX_INITIALIZER,
        .output_moves = PTHREAD_COND_INITIALIZER, .abandoned = NO_INPUT, .framer = framer_new(&framing),
    };
    if (p.framer == NULL) return error_set(err, ERROR_MEMORY, "out of memory");
    double started = monotonic_seconds();
    clock_gettime(CLOCK_REALTIME, &result->started);
    progress_start(&p.progress, console, total_bytes(inputs));
    bool begun = run(&p, err);
    clock_gettime(CLOCK_REALTIME, &result->finished);
    result->seconds = monotonic_seconds() - started;
    if (p.reader != NULL) reader_close(p.reader);
    framer_free(p.framer);
    return begun;
}
