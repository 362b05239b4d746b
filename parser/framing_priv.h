/* What the parts of the framer share: a state machine over a window of the input, which lies in the batch being filled.
 *
 *      framing.c             the window: filled, carried over, resumed
 *      framing_documents.c   what lies between documents, and the states of JSON and containers
 *      framing_text.c        the states of lines of text
 *
 * Each state is a step function that either gets on or asks for more bytes. A step decides only on bytes that it would
 * also wait for, so the size of reads cannot matter. What is held (the bytes of an unfinished document) is copied to the
 * beginning of the next batch; nothing else is copied, and nothing is scanned again except once when a document turns
 * out to be longer than max_document.
 *
 * (1) hold() <= extent.at: bytes from hold() on are carried over, those before are done with.
 * (2) hold() + max_document + PARSER_PADDING reaches past every byte that a step can ask for; a window of an empty batch
 *     is therefore always large enough.
 * (3) Lines are counted once, in order: framing_line_of() is asked for growing offsets only.
 * Thread: as in the header. */
#ifndef LETHE_PARSER_FRAMING_PRIV_H
#define LETHE_PARSER_FRAMING_PRIV_H

#include "parser/container.h"
#include "parser/framing.h"

#define CLOSER_ROOM (CONTAINER_LEVELS + 1)   /* kept free in a batch for what closes a broken container */
#define TRAIL_BYTES 16                       /* white space after the longest document in which the end of line is awaited */

_Static_assert(TRAIL_BYTES + JSON_BEGIN_BYTES + CLOSER_ROOM < PARSER_PADDING, "law (2)");

enum step { STEP_ON, STEP_MORE, STEP_CLOSE, STEP_END };

struct framer {
    struct framer_options options;
    struct byte_source    source;
    struct batch         *batch;
    struct view           view;
    char                 *carry;
    size_t                carry_len, carry_capacity;

    enum step (*step)(struct framer *);
    struct extent    extent;       /* extent.at is the position of all states but in_container() */
    struct container container;
    uint64_t         start;        /* of the document, or of the line while no document is open */
    uint64_t         start_line;
    uint64_t         end;          /* of the document, once known */
    uint64_t         skipped, skipped_line;   /* start of the element that is passed over */
    struct framer_place   rest;    /* within a line that something was handed out of: where that began */
    struct framer_place   key;     /* where the private key began whose lines are awaited */
    size_t                base;    /* bytes of the batch that were there before this call */
    bool             line_begun;   /* no document has begun on this line */
    bool             blank_cut;    /* the line began with more white space than is held */
    bool             first_line;   /* the document is still on the line on which it began */
    uint64_t         counted, line;
    uint32_t         key_lines;    /* documents among which lines of the private key begun before may still be */
    struct continuation text;      /* of the record of several lines that is open */
    uint32_t         text_lines;
    bool             end_text;
    bool                  ended, failed, later;
    struct error     error;
    struct document  lost;         /* stands for one that the batch has no memory for; the input then fails */
};

/* --- The states ------------------------------------------------------------------------------------------------------- */

enum step framing_between(struct framer *);
enum step framing_in_document(struct framer *);
enum step framing_after_document(struct framer *);
enum step framing_garbage(struct framer *);          /* the document is spoilt by what else is on its last line */
enum step framing_in_long_document(struct framer *);
enum step framing_in_container(struct framer *);
enum step framing_after_container(struct framer *);
enum step framing_text_line(struct framer *);
enum step framing_more_lines(struct framer *);       /* [start, end) is text, extent.at the line after it */
enum step framing_rest_of_line(struct framer *);     /* passed over, to its end */

static inline enum step framing_enter(struct framer *f, enum step (*step)(struct framer *))
{
    f->step = step;
    return STEP_ON;
}

/* The next line begins at `at`. */
enum step framing_enter_line(struct framer *, uint64_t at);

/* What began at `start` is handed out; its line is not at its end. */
enum step framing_enter_rest_of_line(struct framer *, uint64_t start, uint64_t line);

/* --- Documents -------------------------------------------------------------------------------------------------------- */

struct document *framing_add(struct framer *, enum document_form, uint64_t start, uint64_t end, uint64_t line);
void framing_refuse(struct framer *, enum refusal, uint64_t start, uint64_t end);

/* Of what is not in the window any more, only the place is known. */
void framing_refuse_unseen(struct framer *, enum refusal, uint64_t offset, uint64_t line);

uint64_t framing_line_of(struct framer *, uint64_t at);   /* number of the line that `at` is on */

bool framing_holds_nul(const struct framer *, uint64_t start, uint64_t end);

#endif
