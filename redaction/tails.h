/* The second half of some patterns of the text scanner, read in C.
 *
 * "key", then up to three quotes, up to twelve blanks and a sign: an automaton that goes on behind each of fifty words costs many
 * times what finding the words does, and text can be made of nothing else. So the automaton finds the word and the first byte
 * behind it, and the rest is read here. Every tail is made of classes of bytes that follow one another and have none in common,
 * so that there is one way to read it. Thread: any. */
#ifndef LETHE_REDACTION_TAILS_H
#define LETHE_REDACTION_TAILS_H

#include "base/slice.h"

/* Moves *end from behind the first byte of the tail to behind its last. False: it is none. At most some thirty bytes are
 * looked at. */
typedef bool pattern_tail(struct slice text, uint32_t *end);

pattern_tail tail_assignment;   /* ["'\]]{0,3}[ \t]{0,12}[?.+|]{0,2}[=:>] */
pattern_tail tail_numbered;     /* [a-z0-9_.-]{1,24}["'\]]{0,3}[ \t]{0,2}[=:>] */
pattern_tail tail_typed;        /* [ :]{1,2}[&[]{0,2}(string|str|any|char)[*\]]{0,3} {0,2}= */
pattern_tail tail_pair;         /* ["'\]{1,4}[ ,{\t\r\n]{1,8}["'\]{0,3}(value|default|content)["'\]{0,3} {0,2}[=:] */
pattern_tail tail_argument;     /* ["'\]]{0,3} ?, {0,2}["'] */

#endif
