/* The index: what the first pass over a text leaves for the tape pass. Private to parser/.
 *
 * Every *token* has one entry, in order: a bracket, colon or comma outside strings; the opening and the closing quote
 * of a string; the first byte of any other run of bytes outside strings that are neither white space nor one of these.
 *
 * (1) The entry after an opening quote is its closing quote, or entry number `count`.
 * (2) kinds[i] is the token's byte; in a closing quote the facts of its string are or-ed in, see KIND_FACTS.
 * (3) Entries count .. count + INDEX_AHEAD - 1 exist, too: their offset is the end of the text (of its sound part when
 *     there is a fault), their kind is 0. So the tape pass may look ahead without asking.
 * (4) All that concerns single strings is checked here: UTF-8, control bytes, escapes. Where `fault` is PARSE_OK, any
 *     string in the text is sound.
 * (5) All kernels leave the same entries and the same fault: the earliest one, as index_scalar.c finds it. The others
 *     only notice that something is wrong somewhere, and then let the scalar kernel do the text again. */
#ifndef LETHE_PARSER_INDEX_H
#define LETHE_PARSER_INDEX_H

#include "parser/parser.h"

#define INDEX_AHEAD 8

/* Kernels write whole vectors: so many entries beyond those that count must exist. */
#define INDEX_SLACK 128

/* Bits of enum node_fact, shifted to places where the code of the quote, 0x22, has zeros. */
#define KIND_FACT_SHIFT 2
#define KIND_FACTS (7 << KIND_FACT_SHIFT)

struct index {
    uint32_t         *offsets;
    unsigned char    *kinds;
    uint32_t         *open;       /* scratch of the tape pass: the nodes of the open objects and arrays */
    uint32_t          count;
    enum parse_status fault;      /* PARSE_OK, PARSE_CONTROL, PARSE_UTF8, PARSE_UNCLOSED (in a string) or
                                     PARSE_GRAMMAR (in an escape, or a backslash outside strings) */
    uint32_t          fault_at;
};

extern const struct index_kernel index_kernel_scalar;
extern const struct index_kernel index_kernel_avx2;
extern const struct index_kernel index_kernel_avx512;
extern const struct index_kernel index_kernel_neon;

void index_scalar(struct index *, struct slice text);
size_t balance_scalar(struct balance *, struct slice text, uint32_t floor);

/* Writes the entries of law (3) after `count` entries; `end` is where the sound part of the text ends. */
static inline void index_finish(struct index *ix, size_t count, size_t end)
{
    ix->count = (uint32_t)count;
    memset(ix->kinds + count, 0, INDEX_AHEAD);
    for (size_t i = count; i < count + INDEX_AHEAD; i++) ix->offsets[i] = (uint32_t)end;
}

/* The offset of the first byte of the first ill-formed sequence, or text.len. */
size_t utf8_fault(struct slice text);

#endif
