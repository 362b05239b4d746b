/* From bytes to tape: the strict JSON parser.
 *
 * Parsing a document has two steps. The *index* pass looks at 64 bytes at a time with the widest vectors of the CPU and
 * notes the offset of every structural byte; it also checks UTF-8 and control characters. The *tape* pass walks those
 * offsets, checks the grammar of RFC 8259 and writes one node for every key and value. Neither copies a byte: nodes
 * are offsets into the text, which stays where it is.
 *
 * What is accepted is RFC 8259 exactly: one value, any type, white space around it; no byte order mark, no trailing
 * comma, no single quotes. Duplicate keys are kept, in order. Lone surrogate escapes are accepted (the grammar allows
 * them). The repairs of Azure's known faults are made before, in framing, and are counted there.
 *
 * Sources: RFC 8259; the two-step scheme and the UTF-8 check follow the published papers "Parsing Gigabytes of JSON per
 * Second" (Langdale, Lemire, 2019) and "Validating UTF-8 In Less Than One Instruction Per Byte" (Keiser, Lemire, 2021).
 *
 * Thread: a struct parser belongs to one thread. */
#ifndef LETHE_PARSER_PARSER_H
#define LETHE_PARSER_PARSER_H

#include "base/arena.h"
#include "base/slice.h"

/* So many bytes after the end of a text given to the parser must be readable; what they hold does not matter. */
#define PARSER_PADDING 64

#define PARSER_DEFAULT_DEPTH 128

enum node_type {
    NODE_OBJECT,
    NODE_ARRAY,
    NODE_KEY,      /* followed by the node of its value */
    NODE_STRING,
    NODE_NUMBER,
    NODE_TRUE,
    NODE_FALSE,
    NODE_NULL,
};

/* Facts about the raw bytes of a key or string, seen while indexing. They only say where a closer look is needed. */
enum node_fact {
    FACT_ESCAPE = 1 << 0,    /* has a backslash: the decoded text differs from the raw bytes */
    FACT_ENCODED = 1 << 1,   /* has a '%' or '&': percent or HTML encoding is possible */
    FACT_LONG_RUN = 1 << 2,  /* has INDEX_RUN or more bytes of [A-Za-z0-9+/] in a row: base64 is possible */
};

#define INDEX_RUN 20

/* One key or value. `start` and `end` are offsets into the text: of a key or string, the bytes between the quotes; of a
 * number or literal, its bytes; of an object or array, from its bracket to one past the closing one.
 * `next` is the number of the node that follows this one and everything inside it; for a key, that follows its value. */
struct node {
    uint32_t start, end;
    uint32_t next;
    uint8_t  type;    /* enum node_type */
    uint8_t  facts;   /* bits of enum node_fact; keys and strings only */
    uint16_t name;    /* 0 here; names_resolve() writes it for keys, see names.h */
};

struct tape {
    struct slice text;    /* what was parsed; node offsets count from its first byte */
    struct node *nodes;   /* nodes[0] is the root value; in document order */
    uint32_t     count;
};

enum parse_status {
    PARSE_OK,
    PARSE_EMPTY,      /* nothing but white space */
    PARSE_GRAMMAR,    /* not JSON; `at` is the offset of the first byte that cannot stand there */
    PARSE_UNCLOSED,   /* ends inside a string, an object or an array */
    PARSE_CONTROL,    /* a byte below 0x20 inside a string */
    PARSE_UTF8,       /* not UTF-8 */
    PARSE_DEPTH,      /* more than max_depth objects and arrays inside one another */
    PARSE_TOO_LONG,   /* text longer than max_bytes of the parser */
    PARSE_MEMORY,     /* the arena is full */
};

struct parser {
    const struct index_kernel *kernel;
    struct index              *index;   /* scratch, sized for max_bytes */
    size_t                     max_bytes;
    unsigned                   max_depth;
};

/* False if memory cannot be had. max_bytes at most 1 GiB. */
MUST_USE bool parser_init(struct parser *, size_t max_bytes, unsigned max_depth);
void parser_release(struct parser *);

/* Parses all of `text`. On PARSE_OK fills *tape, whose nodes are taken from the arena; otherwise nothing is kept and
 * *at is the offset of the fault. */
enum parse_status parser_parse(struct parser *, struct slice text, struct arena *, struct tape *, size_t *at);

/* The raw bytes of a valid JSON string decoded: `out` needs room for raw.len bytes and 32 more, since whole vectors are
 * written. Returns the decoded length. A lone surrogate becomes its three-byte generalised UTF-8 form. */
size_t string_decode(struct slice raw, char *out);

/* The offset in `raw` of the byte or escape that produces the decoded byte number `decoded`; raw.len for the end. A
 * decoded byte in the middle of a character belongs to the escape that made the character. */
size_t string_raw_offset(struct slice raw, size_t decoded);

/* Writes `text` as the inside of a JSON string: escapes quotes, backslashes and bytes below 0x20, nothing else.
 * `out` needs room for 6 * text.len bytes. Returns the length. */
size_t string_encode(struct slice text, char *out);

/* --- Running balance of brackets, for framing ------------------------------------------------------------------------
 *
 * Follows strings and brackets through a stream of bytes without parsing it, at close to memory speed. State is carried
 * from call to call, so that the stream may be cut anywhere. */
struct balance {
    uint32_t depth;       /* objects and arrays open */
    bool     in_string;
    bool     escaped;     /* the last byte was a backslash that escapes the next one */
};

/* Goes through text[0..len) and stops after the first closing bracket that brings depth down to `floor` or lower, or
 * at the end. Returns the number of bytes passed. PARSER_PADDING applies. */
size_t balance_scan(struct balance *, struct slice text, uint32_t floor);

/* --- Kernels (tests and benchmarks; the program lets parser_init() choose) -------------------------------------------- */

struct index_kernel {
    const char *name;                        /* "avx512", "avx2", "neon", "scalar" */
    bool      (*supported)(void);
    void      (*index)(struct index *, struct slice text);
    size_t    (*balance)(struct balance *, struct slice text, uint32_t floor);
};

/* All kernels compiled in, fastest first, ended by NULL. The last one, scalar, is always supported. */
extern const struct index_kernel *const index_kernels[];

/* The fastest one that this CPU supports. */
const struct index_kernel *index_select(void);

#endif
