/* What the parts of the generator share.
 *
 * A record is written from a grammar: phrases of text with `<names>` in them. A name is either a set of phrases, of
 * which one is drawn, or a value, which is written by a function. Phrases write JSON with ' for ", and `<set!>` stands
 * for JSON text inside a JSON string: what it draws is escaped once more. `<nl>` is a line end as JSON text escapes it.
 *
 * (1) Everything follows from the seed: same arguments, same bytes.
 * (2) Values hold neither quotes nor backslashes, so that only phrases need escaping.
 * (3) A record has at most one plant: the phrase of one set is replaced by one that holds a secret.
 * (4) In a clean record nothing is sensitive but its environment values and run ids. A value that must go stands in no
 *     field that must stay, run ids and the fields that name them aside.
 * Thread: one. */
#ifndef LETHE_BENCH_GENERATE_PRIV_H
#define LETHE_BENCH_GENERATE_PRIV_H

#include "base/check.h"
#include "base/slice.h"
#include "bench/random.h"

/* --- Text ------------------------------------------------------------------------------------------------------------- */

struct text {
    char  *data;
    size_t len, capacity;
};

static inline void put(struct text *t, const char *data, size_t len)
{
    CHECK(len <= t->capacity - t->len);
    memcpy(t->data + t->len, data, len);
    t->len += len;
}

static inline void put_slice(struct text *t, struct slice s) { put(t, s.data, s.len); }

static inline void put_string(struct text *t, const char *s) { put(t, s, strlen(s)); }

void put_number(struct text *, uint64_t, unsigned min_digits);
void put_hex(struct text *, struct random *, unsigned digits);
void put_guid(struct text *, struct random *);
void put_base64(struct text *, struct random *, unsigned characters);
void put_base64url(struct text *, struct random *, unsigned characters);
void put_alnum(struct text *, struct random *, unsigned characters);
/* Base64url without padding. */
void put_encoded(struct text *, struct slice);
/* As in a URL: %2B, %2F, %3D, %25 for + / = %. */
void put_percent(struct text *, struct slice);

/* --- World: what stays the same through a whole file ------------------------------------------------------------------ */

enum { WORKSPACES = 250, ENDPOINTS = 3, USERS = 4000, EXPERIMENTS = 24, OPERATIONS = 8 };

struct endpoint {
    char name[40], scope[320];
};

struct workspace {
    char            subscription[40], tenant[40], id[40], ikey[40], name[40], group[40], upper[256];
    const char     *region, *region_name;
    struct endpoint endpoints[ENDPOINTS];
};

struct user {
    const char *given, *surname;
    char        upn[80], oid[40], plain_oid[40], puid[20], nameid[48], ip[20];
};

struct world {
    struct workspace workspaces[WORKSPACES];
    struct user      users[USERS];
};

void world_init(struct world *, struct random *);

/* --- Scene: what one record is about ---------------------------------------------------------------------------------- */

enum record_kind { RECORD_SCORING, RECORD_ACTIVITY, RECORD_RUN, RECORD_KINDS };

enum secret_kind { SECRET_ACCOUNT_KEY, SECRET_JWT, SECRET_SAS, SECRET_CLIENT_SECRET, SECRET_PASSWORD, SECRET_KINDS };

extern const char *const secret_names[SECRET_KINDS];   /* as written in the sidecar */

struct scene {
    struct random           *random;
    const struct world      *world;
    const struct workspace  *workspace;
    const struct endpoint   *endpoint;
    const struct user       *user;
    const char              *experiment, *operation, *upper_operation;
    uint64_t                 number, epoch;
    char                     request[40], experiment_id[40], run[96], root[96], parent[96];
    const struct plant      *plant;
    char                     secret[2048];
    size_t                   secret_len;
};

void scene_draw(struct scene *, enum record_kind, uint64_t number);
void secret_draw(struct scene *, const struct plant *);

/* --- Grammar ---------------------------------------------------------------------------------------------------------- */

struct phrase {
    const char *set;
    unsigned    weight;
    const char *text;
};

/* A secret of this kind may stand in records of this kind in place of a phrase of this set. */
struct plant {
    enum secret_kind secret;
    enum record_kind record;
    const char      *set, *place;
    const char      *text;
    bool             escaped;   /* the secret is percent-encoded once more than usual */
};

struct value {
    const char *name;
    void      (*write)(struct text *, struct scene *);
};

extern const struct phrase phrases[];   /* rows of one set stand together; ended by a NULL set */
extern const struct plant  plants[];    /* ended by a NULL set */
extern const struct value  values[];    /* ended by a NULL name */

struct grammar;

struct grammar     *grammar_new(void);
void                grammar_free(struct grammar *);
void                grammar_write(const struct grammar *, const char *set, struct text *, struct scene *);
const struct plant *grammar_draw_plant(const struct grammar *, struct scene *, enum record_kind);

/* --- Hostile input ---------------------------------------------------------------------------------------------------- */

/* Writes lines of about line_bytes, each a valid record with one hostile string, about total bytes in all. False if
 * there is no such name. */
bool        hostile_write(const char *name, uint64_t total, uint64_t line_bytes);
const char *hostile_names(void);

#endif
