#include "net/lookup.h"

#include "base/wakeup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
    atomic_int       holders;      /* the owner and the thread: whoever is last frees it */
    atomic_bool      done;
    struct wakeup    wakeup;
    char            *host;
    char             port[8];
    int              type, fault;  /* fault: what getaddrinfo() said */
    struct addrinfo *addresses;
};

static void let_go(struct lookup *l)
{
    if (atomic_fetch_sub(&l->holders, 1) > 1) return;
    if (l->addresses != NULL) freeaddrinfo(l->addresses);
    wakeup_release(&l->wakeup);
    free(l->host);
    free(l);
}

static int resolve(struct lookup *l, int flags)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = l->type, .ai_flags = flags | AI_NUMERICSERV};
    return getaddrinfo(l->host, l->port, &hints, &l->addresses);
}

static void finish(struct lookup *l, int fault)
{
    l->fault = fault;
    atomic_store(&l->done, true);
    wakeup_signal(&l->wakeup);
}

static void *run(void *lookup)
{
    finish(lookup, resolve(lookup, AI_ADDRCONFIG));
    let_go(lookup);
    return NULL;
}

static bool start_thread(struct lookup *l)
{
    pthread_attr_t detached;
    pthread_t      thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &detached, run, l) == 0;
    pthread_attr_destroy(&detached);
    return started;
}

struct lookup *lookup_start(const char *host, unsigned port, int type)
{
    struct error   err = {0};
    struct lookup *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    *l = (struct lookup){.holders = 1, .host = strdup(host), .type = type, .wakeup.fd = -1};
    snprintf(l->port, sizeof l->port, "%u", port);
    if (l->host == NULL || !wakeup_init(&l->wakeup, &err)) {
        let_go(l);
        return NULL;
    }
    if (resolve(l, AI_NUMERICHOST) == 0) {
        finish(l, 0);
        return l;
    }
    atomic_fetch_add(&l->holders, 1);
    if (start_thread(l)) return l;
    atomic_fetch_sub(&l->holders, 1);
    finish(l, EAI_MEMORY);
    return l;
}

void lookup_free(struct lookup *l)
{
    if (l != NULL) let_go(l);
}

int lookup_fd(const struct lookup *l) { return l->wakeup.fd; }

bool lookup_is_done(const struct lookup *l) { return atomic_load(&l->done); }

const struct addrinfo *lookup_addresses(const struct lookup *l, struct error *err)
{
    if (l->fault == 0) return l->addresses;
    error_set(err, ERROR_NETWORK, "cannot find the address of '%s': %s", l->host, gai_strerror(l->fault));
    return NULL;
}
