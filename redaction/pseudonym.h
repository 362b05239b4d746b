/* Pseudonyms: equal inputs give equal outputs, across records, sinks and machines that share a key, and nobody without
 * the key can go back or forge one.
 *
 * A pseudonym is `<kind>-<key id>-<26 characters>`, as in "run-K7QM-3vq8...": 16 characters (80 bits) of
 * HMAC-SHA-256(key, kind NUL value), then 10 (50 bits) of HMAC-SHA-256(key, "check" NUL everything before), in the
 * alphabet a-z2-7. The check lets lethe know its own pseudonyms when it meets them again and leave them alone, while a
 * forged one is treated like any value.
 *
 * Addresses keep their prefixes: two addresses that share n leading bits get pseudonyms that share exactly n leading
 * bits (Crypto-PAn: Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", 2002), so subnets still
 * correlate. Such a pseudonym looks like any address and cannot be known again.
 *
 * Sources: RFC 2104 (HMAC), RFC 4648 section 6 (alphabet), the Crypto-PAn paper.
 * Thread: the keyring is const and shared; a struct pseudonymiser belongs to one thread. */
#ifndef LETHE_REDACTION_PSEUDONYM_H
#define LETHE_REDACTION_PSEUDONYM_H

#include "redaction/redaction.h"

enum pseudonym_kind {
#define PSEUDONYM(id, text) PSEUDONYM_##id,
#include "redaction/pseudonym_kinds.def"
    PSEUDONYM_COUNT
};

#define PSEUDONYM_MAX 64   /* bytes; longest possible pseudonym of either sort */

struct pseudonymiser;

MUST_USE struct pseudonymiser *pseudonymiser_new(const struct keyring *);
void pseudonymiser_free(struct pseudonymiser *);

/* Writes the pseudonym of `value` under the key that writes; returns its length. Not NUL-terminated. */
size_t pseudonym_write(struct pseudonymiser *, enum pseudonym_kind, struct slice value, char out[PSEUDONYM_MAX]);

/* True if text is exactly one pseudonym made with any key of the ring. */
bool pseudonym_is_ours(struct pseudonymiser *, struct slice text);

/* If text begins with a pseudonym of ours that no letter, digit, '-' or '_' follows directly, its length; else 0. */
size_t pseudonym_at_start(struct pseudonymiser *, struct slice text);

#define FINGERPRINT_CHARS 16

/* Writes a keyed fingerprint of a secret, [a-z2-7]: it tells the owner which of his secrets was met, and how often, and
 * nobody else anything. Not NUL-terminated. */
void pseudonym_fingerprint(struct pseudonymiser *, struct slice secret, char out[FINGERPRINT_CHARS]);

/* Writes the prefix-preserving pseudonym of an IPv4 or IPv6 address (text form; nothing around it). Returns its length,
 * or 0 if value is not an address. Unspecified addresses (0.0.0.0, ::) stay themselves. */
size_t pseudonym_write_ip(struct pseudonymiser *, struct slice value, char out[PSEUDONYM_MAX]);

#endif
