/* The redaction engine, private to redaction/: how one batch is worked through.
 *
 *   open      every document is parsed and split into records (parser/document.h)
 *   walk      every record's tape is walked once: places and names decide; every text that is left is gathered into one
 *             scan buffer, decoded where it is encoded, so that nothing is looked at twice      walk.c, views.c
 *   scan      the buffer is scanned once for all rules                                          rules.h
 *   read      each hit is verified and, in free text, read in C                                 text.c
 *   echo      what was removed is removed from the rest of its record                           echo.c
 *   finish    spans are sorted and merged; records without trouble become clean records         spans.c, redactor.c
 *
 * Where a text came from is a chain of views: the document, a JSON string in it, the percent-decoded text in that, ...
 * A finding is a range of the innermost view; it is mapped back through the chain to bytes of the document, and only
 * those bytes are replaced. Every replacement is plain ASCII that needs no encoding at any level; only the quotes around
 * one that stands for a number, an object or an array are encoded on the way out.
 *
 * With several plans there is a redactor for each, a lane. The first of them, the front, opens the documents, chooses a lane for
 * every record and takes what comes out of all lanes, in the order of the records. A lane does between what it would do alone.
 *
 * (1) A view's text lives in the batch or in the arena until the batch is done.
 * (2) Whatever cannot be gathered, decoded or remembered for lack of memory, depth or budget refuses the record.
 * Thread: the redactor's own. */
#ifndef LETHE_REDACTION_ENGINE_H
#define LETHE_REDACTION_ENGINE_H

#include "redaction/decode.h"
#include "redaction/memo.h"
#include "redaction/plan_set.h"
#include "redaction/pseudonym.h"

#define MAX_NESTING 8            /* encodings inside one another */
#define BUDGET_FACTOR 6          /* decoded bytes of a record: so many times its length, */
#define BUDGET_BASE 65536        /* and so many more */
#define MIN_TEXT 8               /* shorter texts hold neither a credential nor an assignment of one */
#define MIN_ECHO 8
#define MIN_MEMO 48              /* shorter texts are scanned faster than looked up */
#define FEW_NEEDLES 8            /* up to so many are searched for one after another, more with a table */

struct span_item {
    struct span_item *next;
    uint32_t          start, end;      /* in the text of the root view */
    uint32_t          rule;
    enum rule_action  action;
    bool              echo;
    bool              whole_node;      /* stands for a number, an object or an array, quotes included */
    struct slice      replacement;
    uint32_t          view, from, to;  /* what was found, where it was found */
};

/* A value that was removed, to be found again. */
struct needle {
    struct needle   *next;
    struct slice     text;
    struct slice     replacement;      /* without quotes */
    enum rule_action action;
    bool             whole_words;      /* only where no letter or digit touches it */
    bool             caseless;
};

/* The bytes of a record that was withheld. Private to redaction/, so that they leave it sealed or not at all. */
struct raw_piece {
    struct slice bytes;
};

/* One record, or in keep_container mode the rest of a container around its records. */
struct job {
    struct record     source;
    const struct document *framed;     /* the piece of the batch that it came in */
    const struct opened_document *document;
    struct slice      glue;            /* PIECE_GLUE: its bytes */
    uint32_t          view;            /* its root view */
    enum refusal      refusal;
    enum piece        piece;
    bool              element, opens;
    bool              wrapper;         /* the document begins with a brace */
    bool              redacted;        /* its spans went into those of its container */
    bool              around;          /* the nodes of a container that belong to no record */
    struct kind_facts kind;
    struct span_item *spans;
    struct needle    *needles;
    size_t            needle_count;
    size_t            budget;
    uint32_t          origin, index;
};

#define NO_VIEW UINT32_MAX
#define NO_RULE UINT32_MAX   /* of spans that no rule made */

struct view {
    struct slice       text;
    const struct tape *tape;        /* of `text`, if it is JSON; else NULL */
    uint32_t           parent;      /* NO_VIEW: the document */
    uint32_t           from, to;    /* the encoded piece in the parent's text */
    struct encoding_mark *marks;    /* for the way back; made when something is found in a long text */
    uint32_t           job;
    uint8_t            encoding;    /* enum encoding: how the piece encodes `text` */
    uint8_t            depth;       /* encodings passed */
};

static inline struct slice view_piece(const struct view *v, uint32_t from, uint32_t to)
{
    return slice_sub(v->text, from, to);
}

/* A piece of the scan buffer: [at, at of the next one - 1), the bytes of a view's text from `from` on. */
struct leaf {
    uint32_t at;
    uint32_t view;
    uint32_t from;
    uint16_t key_slot;      /* the text of a key not examined before: its slot; else 0 */
    uint16_t recent_slot;   /* a value to be remembered with its key when nothing is found in it: the key's slot; else 0 */
    bool     remember;      /* goes into the memo when nothing is found in it */
    bool     dirty;         /* something was found */
};

/* The value that a key had last, if it was clean: many keys have few values. */
struct recent_value {
    uint8_t len;
    char    text[63];
};

/* What was found of a name in free text: judging one costs a microsecond, and few names make up most of them. */
struct judged_name {
    uint8_t len, sensitivity, extent;
    char    text[80];
};

#define JUDGED_NAMES 256

/* The job of a record. */
struct place_in_lane {
    uint32_t lane, job;
};

struct redactor {
    struct redactor        *front;     /* itself, where there is one plan */
    /* of the front: one for each plan of the set, itself first. NULL where there is one plan */
    struct redactor       **lanes;
    size_t                  lane_count;
    uint32_t                lane;      /* its number among them */
    const struct plan_set  *set;       /* NULL where there is one plan */
    struct plan_choice     *choice;
    struct place_in_lane   *order;     /* of the front: all jobs of all lanes */
    size_t                  order_count, order_capacity;
    bool                    starved;   /* the system had no memory for a list or a text of this batch */
    bool                    unlisted;  /* of the front: there was no memory to list a record of this batch */
    uint32_t                origin, next_index;   /* of the front: what the next record of the same origin is numbered */

    const struct plan      *plan;
    struct redactor_options options;
    const struct batch     *batch;     /* the one being worked on */
    struct parser           parser;
    struct key_cache       *keys;
    struct rules_scratch   *scratch;
    struct pseudonymiser   *pseudonymiser;
    struct memo            *memo;
    struct judged_name      judged[JUDGED_NAMES];
    struct recent_value    *recent;    /* by key slot */
    struct arena            arena;

    struct job  *jobs;
    size_t       job_count, job_capacity;
    struct view *views;
    size_t       view_count, view_capacity;
    struct leaf *leaves;
    size_t       leaf_count, leaf_capacity;
    char        *scan;
    size_t       scan_len, scan_capacity;
    struct {
        uint32_t leaf, to;
    } *rule_done;                      /* by rule: how far its last finding reached, and in which leaf */

    struct clean_record    *records;
    size_t                  record_capacity;
    struct withheld_record *withheld;
    struct raw_piece       *raw;       /* of withheld records, by their numbers */
    size_t                  withheld_capacity, raw_capacity;

    struct tally       tally;
    struct clean_batch out;
};

/* --- views.c: texts and where they came from ------------------------------------------------------------------------------- */

/* Adds a view; its number, or NO_VIEW after refusing the job. */
uint32_t view_add(struct redactor *, struct view);

/* Puts text[from, to) of a view into the scan buffer. */
void gather(struct redactor *, uint32_t view, uint32_t from, uint32_t to, uint16_t key_slot);

/* A string node of a view's tape as decoded text: the view that has it, and where in it. NO_VIEW: the job was refused. */
uint32_t string_view(struct redactor *, uint32_t view, const struct node *, uint32_t *from, uint32_t *to);

/* Examines a piece of a view: gathers it as it is and as whatever it encodes. `facts` are bits of enum node_fact, ALL_FACTS
 * where no index has looked. JSON inside is walked in the given context. */
struct context;
#define ALL_FACTS 0xff
void examine(struct redactor *, uint32_t view, uint32_t from, uint32_t to, uint8_t facts, const struct context *);

/* Examines what a piece encodes, but not the piece itself. */
void examine_encoded(struct redactor *, uint32_t view, uint32_t from, uint32_t to, uint8_t facts, const struct context *);

/* As examine(), for an unescaped value without facts that nothing is known of but its key. */
void examine_plain(struct redactor *, uint32_t view, uint32_t from, uint32_t to, uint16_t key_slot, const struct context *);

void job_refuse(struct redactor *, uint32_t job, enum refusal);

/* --- walk.c: places and names ----------------------------------------------------------------------------------------------- */

/* What the surroundings of a value say about it. */
struct context {
    place_state         state;
    const struct place *inherited;      /* of a `**` path */
    bool                environment;    /* inside a set of environment variables */
    bool                listing;        /* inside `secrets`, `passwords`, ... */
    uint32_t            traits;         /* of the key of a text, for the JSON inside it */
};

extern const struct context root_context;

void walk(struct redactor *, uint32_t view, uint32_t node, const struct context *);

/* Walks all of a container but its records, which are in document order. */
void walk_between(struct redactor *, uint32_t view, const struct record *records, size_t count);

/* --- text.c: names in free text --------------------------------------------------------------------------------------- */

#define MAX_KEPT 16   /* values in lists of variables that stay; more are masked */

/* A text being read: one leaf of the scan buffer. */
struct reading {
    struct slice text;
    uint32_t     view, from;          /* offset of text in the view's text */
    uint32_t     done;                /* hits that end before this offset lie in something already removed, */
    struct {
        uint32_t from, to;
    } kept[MAX_KEPT];                 /* except for these: variables that keep their values */
    uint32_t     kept_count;
    uint32_t     variables_done;      /* as far as lists of variables were read */
    uint32_t     assigned;            /* behind the sign of the assignment that was read last */
    uint32_t     run_from, run_end;   /* the run of a credential's bytes that was met last: it is followed once */
    uint32_t     marks_done;          /* as far as something of a workspace was looked for, */
    uint32_t     mark_end;            /* and behind which byte it was found last; 0: it was not */
};

/* A match of a text pattern that ends at `end` of the text. */
void text_read_hit(struct redactor *, struct reading *, enum text_pattern, uint32_t end);

/* Variables listed from `at` on ("A=1 B=2", "{'A': '1', ...}", lines of a .env file): masks their values. */
void text_read_variables(struct redactor *, struct reading *, uint32_t at);

/* --- spans.c: replacements -------------------------------------------------------------------------------------------- */

struct finding {
    uint32_t         rule;            /* plan_rule() number */
    enum rule_class  class_;
    enum rule_action action;
};

/* The finding of an engine rule under the policy. */
struct finding engine_finding(const struct redactor *, enum engine_rule);

/* How the value of an environment variable with these traits of its name is treated. walk.c */
struct finding variable_finding(const struct redactor *, uint32_t traits);

/* Replaces view.text[from, to) inside a string, and has the value looked for in the rest of the record. Nothing happens when
 * the policy keeps the class, when the value is allowed, or when it is a marker or a pseudonym of ours already. Returns whether
 * it was replaced. */
bool replace_text(struct redactor *, uint32_t view, uint32_t from, uint32_t to, struct finding);

/* As replace_text() without asking: with this replacement. */
void replace_with(struct redactor *, uint32_t view, uint32_t from, uint32_t to, struct finding, struct slice replacement);

/* Replaces a whole node (number, literal, object, array) of the view's tape by a string. */
void replace_node(struct redactor *, uint32_t view, uint32_t node, struct finding);

/* True if text is exactly one marker or pseudonym that lethe writes. */
bool is_ours(struct redactor *, struct slice text);

/* What stands behind the spans of a job, for reports: items[i] is the one that spans[i] comes from. Memory may run out:
 * then the job is refused. */
void details_fill(struct redactor *, uint32_t job, struct span_item *const *items, const struct span *spans, size_t count,
                  struct detail *);   /* details.c */

/* Sorted and merged; returns how many. NULL in *spans with a count of 0 or after refusing the job. With the option for it,
 * *details are what stands behind them. */
size_t spans_finish(struct redactor *, uint32_t job, const struct span **spans, const struct detail **details);

/* --- containers.c: documents that keep their container --------------------------------------------------------------------- */

/* The records of one document, from `job` on, as one clean record, container and all; without those that were refused.
 * Returns the first job after it. */
uint32_t finish_container(struct redactor *, uint32_t job);

/* redactor.c. Of all lanes the front has the results. */
struct clean_record *add_record(struct redactor *);
void count_record(struct redactor *, const struct job *, size_t span_count);
void withhold(struct redactor *, const struct job *);
void finish_record(struct redactor *, uint32_t job);

/* --- echo.c: values removed, found again ----------------------------------------------------------------------------------- */

/* Removes the needles of a job from the rest of its record. Its views are views[first..end). */
void echo(struct redactor *, uint32_t job, uint32_t first, uint32_t end);

/* Removes what is the same as a secret that begins at `secret` of the view, and stands closely before it on its line: the name of
 * a user who took it for a password, too. For secrets that are too short to be looked for in the whole record. */
void echo_twin(struct redactor *, uint32_t view, uint32_t secret, const struct needle *);

#endif
