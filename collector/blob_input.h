/* Blobs of Azure Storage as inputs: an address such as https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX stands for all
 * blobs whose names begin with PREFIX, in the order of the service. The emulator has the account in the path:
 * http://127.0.0.1:10000/devstoreaccount1/CONTAINER/PREFIX.
 *
 * Credentials come from a file or the environment, never from an argument; an address with a query, where a signature would
 * be, is refused. A token of Entra ID goes to hosts of Azure Storage and to loopback only, and what a connection string holds
 * goes to the endpoint that it names.
 *
 * Nothing touches the network before the first address is listed. Thread: one at a time. */
#ifndef LETHE_COLLECTOR_BLOB_INPUT_H
#define LETHE_COLLECTOR_BLOB_INPUT_H

#include "net/blob_client.h"

/* At most one of the first three; none: Entra ID by the environment (net/entra.h). */
struct blob_access {
    const char *account_key_file, *signature_file, *connection_string_file;
    const char *ca_file;   /* NULL: what the system trusts */
    unsigned    attempts;  /* of one request; 0: BLOB_ATTEMPTS */
};

bool blob_is_address(const char *argument);

/* An address, taken apart. */
struct blob_address {
    char *endpoint;    /* scheme, host and, for the emulator, account */
    char *account;
    char *container;
    char *prefix;      /* percent-decoded; may be empty */
};

/* Errors never repeat an address that may hold a signature. */
MUST_USE bool blob_address_parse(const char *text, struct blob_address *, struct error *);
void blob_address_release(struct blob_address *);

struct blob_inputs;

/* The strings of the access are borrowed. NULL: no memory. */
MUST_USE struct blob_inputs *blob_inputs_new(const struct blob_access *);
void blob_inputs_free(struct blob_inputs *);   /* NULL is allowed; no stream may be open */

/* A container with the client that reads it; owned by the struct blob_inputs it came from. */
struct blob_place;

/* The place of an address, for who lists and reads by himself; credentials are read from their files. NULL: they cannot be. */
MUST_USE struct blob_place *blob_inputs_place(struct blob_inputs *, const struct blob_address *, struct error *);
struct blob_client *blob_place_client(const struct blob_place *);

/* Reads the credentials anew, as they may have been exchanged. False: they cannot be read, and the old ones stay. */
MUST_USE bool blob_place_renew(struct blob_inputs *, struct blob_place *, const struct blob_address *, struct error *);

/* Ends what is under way, and all that would be. Thread: any, once there is a place. */
void blob_inputs_stop(struct blob_inputs *);

/* A blob as it was listed. */
struct blob_ref {
    struct blob_place *place;
    struct blob_item   item;
    char               name[];   /* followed by a NUL */
};

/* Called for each blob. The ref is the callee's, to be freed. False ends the listing: no memory. */
typedef bool blob_listed(void *context, struct blob_ref *, const struct blob_address *);

/* False: it cannot be listed. */
MUST_USE bool blob_inputs_list(struct blob_inputs *, const char *address, blob_listed *, void *context, struct error *);

MUST_USE struct blob_stream *blob_ref_open(const struct blob_ref *, const char *shown, struct error *);

/* The time that an output of this version gets, so that it is known again: the second of its last change, and nanoseconds
 * made of its ETag. */
struct timespec blob_ref_stamp(const struct blob_ref *);

/* The place of a blob below an output folder, as it may be used: components that are empty, "." or ".." are written
 * percent-encoded, since they would lead elsewhere. To be freed; NULL: no memory. */
MUST_USE char *blob_safe_path(const char *name);

#endif
