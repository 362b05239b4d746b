/* The nodes of a clean record as they are to leave: what has become of them, and their text with the spans applied.
 *
 * Encoders and facts read values through these functions only, so that none of them sees the bytes under a span.
 * Thread: any; all state is the caller's. */
#ifndef LETHE_SINKS_CLEAN_NODE_H
#define LETHE_SINKS_CLEAN_NODE_H

#include "redaction/redaction.h"

/* Where a node stands in the record's text, quotes included. */
struct extent {
    size_t from, to;
};

struct extent node_extent(const struct clean_record *, uint32_t node);

enum fate {
    FATE_KEPT,       /* spans may be inside */
    FATE_REPLACED,   /* all of it */
    FATE_GONE,       /* deleted, or inside something larger that was */
};

enum fate node_fate(const struct clean_record *, uint32_t node);

/* The JSON that stands for a node whose fate is FATE_REPLACED. */
struct slice node_replacement(const struct clean_record *, uint32_t node);

/* The number of the first span that ends after `offset`. */
size_t span_after(const struct clean_record *, size_t offset);

/* At most how many bytes text[from, to) takes with its spans applied. No span may go over its ends. */
size_t clean_bytes(const struct clean_record *, size_t from, size_t to);

/* string_decode() and string_encode() may write so many bytes beyond. */
#define DECODE_PADDING 32

/* Writes what a string means, or the text of any other node, with spans applied and escapes decoded: UTF-8, where a lone
 * surrogate has become U+FFFD. At most `room` bytes, cut between characters; `out` needs DECODE_PADDING more. Returns the
 * length; 0 as well for what is gone. */
size_t node_text(const struct clean_record *, uint32_t node, char *out, size_t room);

/* As node_text(), for the inside of a JSON string. */
size_t clean_decode(struct slice raw, char *out, size_t room);

/* The length of the longest beginning of text that has at most `room` bytes and ends between characters. */
size_t utf8_cut(struct slice text, size_t room);

#endif
