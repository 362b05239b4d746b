/* Access tokens of Microsoft Entra ID, for services that take "Authorization: Bearer".
 *
 * Ways to be somebody:
 *   client secret       an application and its secret, from a file (read at each renewal, so that it may be exchanged)
 *   workload identity   an application and a token that the platform keeps in a file (Kubernetes, federated credentials)
 *   managed identity    of the machine: the metadata service (IMDS) of virtual machines, or the endpoint that App Service,
 *                       Container Apps and Azure ML compute name in the environment
 *
 * A token is kept for each scope and renewed before it expires: after 80 % of its life or five minutes before its end,
 * whichever comes first, but not in the first half. When renewal fails the old token serves until it expires, and attempts
 * are paced as in retry.h. Errors tell the host, the status and the number of the fault (AADSTS...), nothing else.
 *
 * Thread: the owner's, which is that of the HTTP client. entra_token() may wait for an answer; requests of the client
 * progress meanwhile, so callbacks of http_client.h may be called from inside. */
#ifndef LETHE_NET_ENTRA_H
#define LETHE_NET_ENTRA_H

#include "net/http_client.h"

#define ENTRA_AUTHORITY "https://login.microsoftonline.com"
#define ENTRA_IMDS "http://169.254.169.254"
#define ENTRA_SCOPES 4              /* different ones of one identity */
#define ENTRA_TOKEN_BYTES 16384     /* longest token taken */

enum entra_kind { ENTRA_CLIENT_SECRET, ENTRA_WORKLOAD_IDENTITY, ENTRA_MANAGED_IDENTITY };

struct entra_options {
    enum entra_kind kind;
    const char *authority;              /* NULL: ENTRA_AUTHORITY */
    const char *tenant_id;              /* not for a managed identity */
    const char *client_id;              /* for a managed identity: which of several; may be NULL then */
    const char *client_secret_file;     /* one of these two for ENTRA_CLIENT_SECRET */
    const char *client_secret;
    const char *federated_token_file;
    const char *identity_endpoint;      /* IDENTITY_ENDPOINT; NULL: the metadata service */
    const char *identity_header;        /* IDENTITY_HEADER, with it */
    bool        identity_legacy;        /* the endpoint is MSI_ENDPOINT with MSI_SECRET, of Azure ML compute */
    const char *imds;                   /* NULL: ENTRA_IMDS */
};

struct entra;

/* Checks the options; asks for nothing yet. Strings are copied, the client is borrowed. NULL and an error otherwise. */
MUST_USE struct entra *entra_new(const struct entra_options *, struct http_client *, struct error *);
void entra_free(struct entra *);   /* NULL is allowed */

/* By the usual variables: AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE,
 * AZURE_AUTHORITY_HOST; otherwise a managed identity: IDENTITY_ENDPOINT with IDENTITY_HEADER, MSI_ENDPOINT with MSI_SECRET,
 * or the metadata service. The strings are those of the environment. */
void entra_options_from_environment(struct entra_options *);

/* A token for a scope such as "https://storage.azure.com/.default", valid until the next call for it. NULL and an error:
 * there is none now. `transient`, if not NULL, says whether trying again may help. */
MUST_USE const char *entra_token(struct entra *, const char *scope, bool *transient, struct error *);

/* The service refused the token (401): the next call asks for another. */
void entra_forget(struct entra *, const char *scope);

#endif
