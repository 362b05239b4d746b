/* Connection strings of Azure: "Key=Value;Key=Value". Names of keys in any case and order, white space around names and
 * values and empty parts are passed over, values may hold "=". Keys that are not known are tolerated; one that is known and
 * given twice, or has a value that cannot be, is an error. Errors name keys, never values.
 *
 * The parsed structs own their strings; release overwrites them. Members that were not given are NULL. False and an error:
 * nothing is owned. Thread: any. */
#ifndef LETHE_NET_CONNECTION_STRING_H
#define LETHE_NET_CONNECTION_STRING_H

#include "base/error.h"
#include "base/slice.h"

#define CONNECTION_STRING_MAX 4096   /* bytes; the limit of Application Insights, and none of the others comes near */

/* Event Hubs, Service Bus:
 * Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=...;SharedAccessKey=...;EntityPath=... */
struct event_hubs_string {
    char *host;          /* without scheme, port and "/" */
    char *key_name, *key;
    char *entity_path;   /* the event hub, which is the topic; may be NULL */
};

MUST_USE bool event_hubs_string_parse(struct slice, struct event_hubs_string *, struct error *);
void event_hubs_string_release(struct event_hubs_string *);

/* Storage: DefaultEndpointsProtocol, AccountName, AccountKey, BlobEndpoint, SharedAccessSignature, EndpointSuffix,
 * UseDevelopmentStorage. */
struct storage_string {
    char *account;         /* NULL: only a BlobEndpoint and a signature were given */
    char *key;             /* base64, checked */
    char *signature;       /* a SAS without its "?" */
    char *blob_endpoint;   /* always there: a URL without "/" at its end */
};

MUST_USE bool storage_string_parse(struct slice, struct storage_string *, struct error *);
void storage_string_release(struct storage_string *);

/* Application Insights: InstrumentationKey, IngestionEndpoint, EndpointSuffix, Location, AADAudience, Authorization. */
struct app_insights_string {
    char *instrumentation_key;   /* a GUID */
    char *ingestion_endpoint;    /* always there: a URL without "/" at its end */
    char *audience;              /* for a token; may be NULL */
};

MUST_USE bool app_insights_string_parse(struct slice, struct app_insights_string *, struct error *);
void app_insights_string_release(struct app_insights_string *);

#endif
