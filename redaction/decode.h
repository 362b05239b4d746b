/* Encodings in which a secret may hide inside a text, and the way back from decoded to encoded bytes.
 *
 * Each encoding is one step function that reads one unit (`%2B`, `&quot;`, `\u0041`, or a plain byte) and gives the
 * bytes it stands for. Decoding and mapping offsets back are both loops over that step, so they cannot disagree. What
 * is no valid unit is a plain byte: decoding never fails.
 *
 * Sources: RFC 3986 section 2.1 (percent), HTML Living Standard 13.2.5.72 (character references; the five of XML, nbsp and
 * numeric ones), ECMA-262 and C string escapes, RFC 4648 sections 4 and 5 (base64, base64url). */
#ifndef LETHE_REDACTION_DECODE_H
#define LETHE_REDACTION_DECODE_H

#include "base/slice.h"

enum encoding {
    ENCODING_NONE,        /* the text itself */
    ENCODING_STRING,      /* inside of a JSON string; valid, known to the parser */
    ENCODING_PERCENT,
    ENCODING_HTML,
    ENCODING_BACKSLASH,   /* escapes in a text that is not a valid JSON string any more */
    ENCODING_BASE64,      /* removed as a whole */
    ENCODING_UTF16,       /* of ASCII: every other byte is a NUL */
    ENCODING_COUNT
};

const char *encoding_text(enum encoding);   /* "json-string", "percent", ... */

/* True if text holds at least one unit that decodes to something else. All but STRING and BASE64. */
bool encoding_occurs(enum encoding, struct slice text);

/* Decodes into out, which needs room for text.len bytes and 32 more. Returns the decoded length. Of BASE64 that
 * is as much as is readable text, or 0 if that is too little to hold anything. */
size_t encoding_decode(enum encoding, struct slice text, char *out);

/* Marks on the way through an encoded text, one for every so many decoded bytes: a unit begins at encoded byte `at`, and
 * `given` decoded bytes come before it. With them finding the way back takes the same time anywhere in the text. */
struct encoding_mark {
    uint32_t at, given;
};

#define ENCODING_MARK_BYTES 128

/* How many marks a text has that decodes to `decoded_len` bytes. */
static inline size_t encoding_mark_count(size_t decoded_len) { return decoded_len / ENCODING_MARK_BYTES + 1; }

/* Fills marks[0..encoding_mark_count(decoded_len)). All encodings but NONE and BASE64. */
void encoding_mark(enum encoding, struct slice text, struct encoding_mark *marks, size_t count);

/* The bytes [*from, *to) of the decoded text as offsets into the encoded `text`. marks may be NULL. */
void encoding_map_back(enum encoding, struct slice text, const struct encoding_mark *marks, size_t *from, size_t *to);

/* Finds the next base64 or base64url from *at on whose beginning decodes to readable text: at the start of a run of its letters,
 * up to three letters behind it (its beginning may be cut off), or after a '/', '-' or '_' in it (a path may stand before).
 * Returns false if there is none; else it is text[*at, *end), padding included. */
bool base64_next(struct slice text, size_t *at, size_t *end);

#endif
