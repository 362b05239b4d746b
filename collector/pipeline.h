/* The batch pipeline: inputs through redaction to outputs. See pipeline.c for how. */
#ifndef LETHE_COLLECTOR_PIPELINE_H
#define LETHE_COLLECTOR_PIPELINE_H

#include "destination.h"
#include "redaction/seal.h"
#include "report.h"
#include "sinks/encode.h"

/* What makes bytes of clean batches in place of the encoder: lethe scan and lethe explain write down what was found. Every
 * worker has a writer of its own; what they write goes to one output, in the order of the input. Withheld records are
 * theirs to tell. */
struct batch_writer {
    void        *context;
    struct slice heading;                    /* what the output begins with */
    void      *(*open)(void *context);       /* NULL: no memory */
    /* as encode_batch() */
    bool       (*write)(void *writer, const struct input *, const struct clean_batch *, struct encoded *);
    void       (*close)(void *writer);       /* in the caller's thread, after the work */
    bool       (*finish)(void *context, const struct run_result *, struct encoded *);   /* the end of the output; may be NULL */
};

struct pipeline_options {
    unsigned    jobs;
    enum format format;
    bool        keep_container, strict, resume;
    bool        second_gate;             /* not with keep_container or a writer */
    size_t      max_record;
    unsigned    max_depth;
    enum multiline multiline;
    const char            *sealed;       /* file for withheld records, sealed to `seal_key`; NULL: they are not kept. Not with
                                            a writer, nor with --resume */
    const struct seal_key *seal_key;
    const struct batch_writer *writer;   /* NULL: the encoder, with `format`. It gets details; --resume, mirrors and
                                            keep_container do not go with one */
};

/* Reads all inputs and writes their outputs; what goes wrong with one of them is told on the console and counted in the
 * result. False: it could not begin, and the error says why. */
MUST_USE bool pipeline_run(const struct pipeline_options *, const struct plan *, const struct input_list *,
                           const struct destination *, struct console *, struct run_result *, struct error *);

#endif
