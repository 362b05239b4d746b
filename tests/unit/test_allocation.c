/* Every request for memory is refused once: for each i, only the i-th, and the i-th and all later. Nothing may crash, and what is
 * not examined for lack of memory is withheld, never passed; what a store holds is there afterwards.
 *
 * Each refusal is tried in a process of its own. What may come of it: all as without it; less, and told; or a stop by a CHECK.
 * Redaction does not stop: it withholds, and does all again as before once memory is back. Nor does a worker, which waits for memory. Tried are one request of each way on which the program asks, and SAMPLE of all; with
 * LETHE_LONG=1 all, but of the many equal ones that a worker makes when it begins LONG_SAMPLE. LETHE_SCENE: only scenes whose names
 * hold that. */
#include "working.h"

#include "failing_memory.h"
#include "redacting.h"
#include "serving.h"
#include "config.h"
#include "redaction/plan_set.h"
#include "sinks/sink.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SAMPLE   3
#define LONG_SAMPLE 4000
#define PATIENCE 240  /* seconds for one attempt */
#define CANARY   "Tr0ub4dorZq9xK"

enum ending { WHOLE = 10, TOLD = 11, PASSED = 12, LOST = 13 };   /* exit codes of an attempt; the last two are faults */

void __gcov_dump(void) __attribute__((weak));    /* there when coverage is counted */
void __gcov_reset(void) __attribute__((weak));

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "exitcode=99:allocator_may_return_null=1"; }

struct scene {
    const char *name;
    void      (*prepare)(void);        /* before every attempt, in the parent; may be NULL */
    enum ending (*attempt)(void);      /* in the child, between arm and disarm */
    bool      (*survived)(void);       /* afterwards, in the parent; may be NULL */
    size_t      stride;                /* so many-th of its ways only, unless LETHE_LONG=1; 0: all */
    bool        returns;               /* only one request is refused: memory is back when it is asked for again */
};

struct counts {
    uint64_t requests, tried, whole, told, stopped;
};

/* --- Attempts ------------------------------------------------------------------------------------------------------------ */

static uint64_t *requests_seen;   /* shared with the child */

static bool stopped_by_check(int log_fd)
{
    char    text[4096];
    ssize_t len = pread(log_fd, text, sizeof text - 1, 0);
    if (len <= 0) return false;
    text[len] = '\0';
    return strstr(text, "lethe: bug: '") != NULL;
}

/* What became of the attempt; ends the test if it is a fault. */
static void try(const struct scene *s, uint64_t number, bool all_later, struct counts *c)
{
    char  name[] = "/tmp/lethe-allocation-XXXXXX";
    int   log_fd = mkstemp(name), status;
    assert_true(log_fd >= 0 && unlink(name) == 0);
    if (s->prepare != NULL) s->prepare();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);   /* the test library would end the process in its own way */
        signal(SIGBUS, SIG_DFL);
        alarm(PATIENCE);
        dup2(log_fd, STDERR_FILENO);
        if (__gcov_reset != NULL) __gcov_reset();
        failing_memory_arm(number, all_later);
        enum ending ending = s->attempt();
        *requests_seen = failing_memory_disarm();
        if (__gcov_dump != NULL) __gcov_dump();
        _exit(ending);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    c->tried++;
    if (code == WHOLE) c->whole++;
    else if (code == TOLD) c->told++;
    else if (code == -SIGABRT && stopped_by_check(log_fd)) c->stopped++;
    else {
        char    text[8192] = "";
        ssize_t len = pread(log_fd, text, sizeof text - 1, 0);
        if (len < 0) len = 0;
        fail_msg("%s: request %" PRIu64 "%s refused: ended by %d\n%.*s", s->name, number, all_later ? " and all later" : "", code, (int)len, text);
    }
    close(log_fd);
    if (s->survived != NULL && !s->survived())
        fail_msg("%s: request %" PRIu64 "%s refused: something is lost", s->name, number, all_later ? " and all later" : "");
}

static struct counts play(const struct scene *s)
{
    struct counts c = {0};
    const char   *wish = getenv("LETHE_LONG"), *only = getenv("LETHE_SCENE");
    if (only != NULL && strstr(s->name, only) == NULL) return c;
    requests_seen = mmap(NULL, sizeof *requests_seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(requests_seen != MAP_FAILED);
    static uint64_t ways[FAILING_MEMORY_WAYS];
    try(s, 0, false, &c);
    assert_int_equal(c.whole, 1);
    c = (struct counts){.requests = *requests_seen};
    assert_true(c.requests > 0);
    size_t way_count = failing_memory_new_ways(ways);
    bool   all = wish != NULL && *wish == '1';
    for (size_t i = 0; i < way_count; i += all || s->stride == 0 ? 1 : s->stride) try(s, ways[i], false, &c);
    uint64_t step = c.requests / (all ? LONG_SAMPLE : SAMPLE) + 1;
    for (uint64_t i = 1; i <= c.requests; i += step) {
        try(s, i, false, &c);
        if (!s->returns) try(s, i, true, &c);
    }
    assert_true(s->returns || c.told + c.stopped > 0);
    print_message("           %s: %" PRIu64 " requests on %zu new ways, %" PRIu64 " refusals: %" PRIu64 " made no difference, %" PRIu64 " told, %" PRIu64 " stopped, 0 passed on\n",
                  s->name, c.requests, way_count, c.tried, c.whole, c.told, c.stopped);
    munmap(requests_seen, sizeof *requests_seen);
    return c;
}

/* --- Redaction ----------------------------------------------------------------------------------------------------------- */

#define RECORDS  27   /* three of them in one line */
#define WITHHELD 1    /* whatever memory there is */
#define PAIRS   "pwd=pwd=pwd=pwd=pwd=pwd=pwd=pwd=pwd=pwd="
#define NO_JWTS "eyJaeyJaeyJaeyJaeyJaeyJaeyJaeyJaeyJaeyJa"
#define BLANKS  "harbours%20harbours%20harbours%20harbours%20harbours%20"
#define TEXTS   "\"b\":\"plain text\",\"c\":\"plain text\",\"d\":\"plain text\",\"e\":\"plain text\",\"f\":\"plain text\",\"g\":\"plain text\",\"h\":\"plain text\","
#define INNER   "\"[1,2,3,4]\",\"[1,2,3,4]\",\"[1,2,3,4]\",\"[1,2,3,4]\",\"[1,2,3,4]\",\"[1,2,3,4]\",\"[1,2,3,4]\","
#define RUN     "\"aGFyYm91cnMgaGFyYm91cnMg\","
#define RUNS    RUN RUN RUN RUN RUN RUN RUN RUN RUN RUN RUN RUN RUN
#define TEN(x)  x x x x x x x x x x

static struct redacting standard;
static struct plan     *stern;      /* for the scene with two policies */
static struct plan_set *policies;
static const char *const input[] = {
    "{\"records\":[],\"x\":1}",
    "{\"a\":[\"one plain text\",\"one more of them\"]," TEN(TEXTS) "\"z\":1}",   /* so that the last list to grow grows for a plain text */
    "[" TEN(INNER) "1]",
    "[" TEN(RUNS) "1]",
    "{\"password\":\"" CANARY "\",\"n\":1}",
    "{\"a\":{\"b\":[{\"message\":\"login with password=" CANARY " failed\"}]}}",
    "{\"body\":\"{\\\"inner\\\":{\\\"api_key\\\":\\\"" CANARY "\\\",\\\"other\\\":\\\"x " CANARY " y\\\"}}\"}",
    "{\"env\":{\"DB_PASSWORD\":\"" CANARY "\",\"PATH\":\"/bin\"},\"again\":\"" CANARY "\"}",
    "{\"url\":\"https://host/x?sig=" CANARY "abcdef%2Bghijklmnopqrstuvwxyz0123456789%3D&sv=2021\"}",
    "{\"data\":\"cGFzc3dvcmQ9VHIwdWI0ZG9yWnE5eEs=\"}",
    "{\"runId\":\"icarvalho_tide-tables_1773480000_5be8a0c4\",\"time\":\"2026-03-14T09:40:00Z\",\"category\":\"AmlRunEvent\"}",
    "2026-03-14 09:40:00,160 I - env {'DB_PASSWORD': '" CANARY "', 'HARBOUR': 'north'}",
    "{\"a\":1,\"b\":[true,null,1.5e3],\"c\":\"plain\",\"resourceId\":\"/x/ws\",\"caller\":\"maja@contoso.example\"}",
    "{\"password\":5559871234,\"runId\":77,\"env\":[\"DB_KEY=" CANARY "\",7]}",
    "{\"m\":\"" TEN(PAIRS PAIRS PAIRS PAIRS PAIRS PAIRS) "\",\"password\":\"" CANARY "\"}",      /* more hits than there is room for at first */
    "{\"m\":\"" TEN(PAIRS PAIRS PAIRS PAIRS PAIRS PAIRS) "\",\"password\":\"" CANARY "\"}",
    "{\"m\":\"" TEN(PAIRS PAIRS PAIRS PAIRS PAIRS PAIRS) "\",\"password\":\"" CANARY "\"}",
    "{\"m\":\"" TEN(BLANKS BLANKS BLANKS BLANKS BLANKS) "password%3D" CANARY "%20x\",\"n\":\"[1,4111111111111111]\"}",
    "{\"env\":{\"A_A\":\"" CANARY "1\",\"A_B\":\"" CANARY "2\",\"A_C\":\"" CANARY "3\",\"A_D\":\"" CANARY "4\",\"A_E\":\"" CANARY "5\",\"A_F\":\"" CANARY
    "6\",\"A_G\":\"" CANARY "7\",\"A_H\":\"" CANARY "8\",\"A_I\":\"" CANARY "9\"},\"runId\":\"exp_1795319000_9f3c21ab\",\"m\":\"x " CANARY "7 y\"}",
    "[{\"a\":1},{\"k%20y\":\"" CANARY "\",\"password\":\"" CANARY "\"},{\"d\":\"%252525252525252525252541 and more\"}]",
    "{\"m\":\"" TEN(NO_JWTS NO_JWTS NO_JWTS NO_JWTS NO_JWTS NO_JWTS) "\"}",   /* the gate's hits */
    "{\"m\":\"" TEN(NO_JWTS NO_JWTS NO_JWTS NO_JWTS NO_JWTS NO_JWTS) "\"}",
    "{\"m\":\"" TEN(NO_JWTS NO_JWTS NO_JWTS NO_JWTS NO_JWTS NO_JWTS) "\"}",
    "{\"name\":\"" TEN("\\u0041BCDEFGHIJKLMNOPQRSTUVWXYZ_") "\",\"value\":\"" CANARY "\"}",   /* a name longer than there is room for at hand */
    "-----BEGIN PRIVATE KEY-----",
    "\t" CANARY "AA==",
};
static char        text[1 << 15];
static size_t      text_len;
static char       *undisturbed[FORMAT_COUNT];   /* output of each format when nothing is refused */
static enum format format;

struct memory {
    size_t at;
};

static ptrdiff_t read_text(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct memory *m = context;
    (void)err;
    size_t len = text_len - m->at < capacity ? text_len - m->at : capacity;
    if (len > 700) len = 700;   /* so that framing carries unfinished lines over */
    memcpy(buffer, text + m->at, len);
    m->at += len;
    return (ptrdiff_t)len;
}

static char   collected[1 << 18];
static size_t collected_len;

static void collect(const struct encoded *part)
{
    CHECK(collected_len + part->len <= sizeof collected);
    if (part->len > 0) memcpy(collected + collected_len, part->data, part->len);
    collected_len += part->len;
}

static void note_cut(void *context, size_t line, uint32_t rule)
{
    (void)line;
    (void)rule;
    (*(uint64_t *)context)++;
}

/* How a worker is made. */
enum setup { ONE_POLICY, TWO_POLICIES, KEPT_CONTAINERS };

/* All that a worker has. */
struct clean_worker {
    struct redactor *redactor;
    struct framer   *framer;
    struct encoder  *encoder;
    struct gate     *gate;
    struct batch     batch;
};

static enum setup setup;

static bool worker_open(struct clean_worker *w)
{
    struct error            err = {0};
    bool                    keep = setup == KEPT_CONTAINERS;
    struct redactor_options options = {.max_record = 1 << 16, .max_depth = 32, .details = true, .keep_container = keep};
    *w = (struct clean_worker){
        .redactor = setup == TWO_POLICIES ? redactor_new_for_set(policies, &options, &err) : redactor_new(standard.plan, &options, &err)};
    return w->redactor != NULL && (w->framer = framer_new(&(struct framer_options){.max_document = 4096, .keep_container = keep})) != NULL &&
           (w->encoder = encoder_open(&(struct encoder_options){.format = format, .now_ms = 0, .keep_container = keep})) != NULL &&
           batch_init(&w->batch, 2 * FRAMER_ROOM(4096)) && (w->gate = gate_new(standard.plan, &err)) != NULL;   /* the gate takes long */
}

static void worker_close(struct clean_worker *w)
{
    batch_release(&w->batch);
    gate_free(w->gate);
    encoder_free(w->encoder);
    framer_free(w->framer);
    redactor_free(w->redactor);
}

/* As the program does it. False: it was told that something is missing. */
static bool redact_all(struct clean_worker *w)
{
    struct error   err = {0};
    struct memory  memory = {0};
    struct encoded part = {0};
    uint64_t       cut = 0, withheld = 0;
    bool           whole = true;
    enum fill      filled = FILL_SOME;
    framer_reset(w->framer, (struct byte_source){read_text, &memory});
    collected_len = 0;
    while (filled == FILL_SOME) {
        batch_clear(&w->batch);
        filled = framer_fill(w->framer, &w->batch, &err);
        const struct clean_batch *clean = redact_batch(w->redactor, &w->batch);
        bool encoded = encode_batch(w->encoder, clean, &part) && gate_filter(w->gate, part.data, &part.len, note_cut, &cut);
        if (encoded) collect(&part);
        withheld += clean->withheld_count;
        whole = whole && encoded && filled != FILL_FAILED;
    }
    const struct tally *tally = redactor_tally(w->redactor);
    CHECK(tally->records == tally->clean + tally->redacted + tally_withheld(tally));
    encoded_release(&part);
    return whole && cut == 0 && withheld == WITHHELD && tally->records == RECORDS;
}

/* Every line that came out stands in the output without refusals, in the same order. */
static bool only_right_lines(void)
{
    const char *expected = undisturbed[format];
    for (size_t at = 0; at < collected_len;) {
        const char *end = memchr(collected + at, '\n', collected_len - at);
        if (end == NULL) return false;
        size_t len = (size_t)(end + 1 - (collected + at));
        while (*expected != '\0' && strncmp(expected, collected + at, len) != 0) expected = strchr(expected, '\n') + 1;
        if (*expected == '\0') return false;
        expected += len;
        at += len;
    }
    return true;
}

static struct clean_worker fresh;   /* has done nothing yet; each attempt has its own copy, being a process of its own */

static enum ending redact_text(void)
{
    bool whole = redact_all(&fresh);
    if (memmem(collected, collected_len, CANARY, strlen(CANARY)) != NULL) return PASSED;
    if (setup != KEPT_CONTAINERS && !only_right_lines()) return PASSED;   /* a container may lose some of its records */
    if (whole && collected_len != strlen(undisturbed[format])) return LOST;
    failing_memory_hold();   /* memory is back */
    redact_all(&fresh);
    if (collected_len != strlen(undisturbed[format]) || memcmp(collected, undisturbed[format], collected_len) != 0) return LOST;
    failing_memory_go_on();
    worker_close(&fresh);
    return whole ? WHOLE : TOLD;
}

static enum ending open_worker(void)
{
    struct clean_worker w;
    bool                whole = worker_open(&w);
    worker_close(&w);
    return whole ? WHOLE : TOLD;
}

/* In every way that a worker is made and in every format that it writes. */
static void play_redaction(enum setup how, const char *name)
{
    struct clean_worker w;
    struct scene        scene = {name, NULL, redact_text, NULL, 0, false};
    setup = how;
    if (how == KEPT_CONTAINERS) failing_memory_forget_ways();   /* the same ways lead elsewhere */
    assert_true(worker_open(&w) && redact_all(&w) && worker_open(&fresh));
    worker_close(&w);
    undisturbed[format] = strndup(collected, collected_len);
    assert_non_null(strstr(undisturbed[format], "[redacted:"));
    assert_null(strstr(undisturbed[format], CANARY));
    assert_int_equal(play(&scene).stopped, 0);   /* it goes on, and withholds */
    worker_close(&fresh);
    free(undisturbed[format]);
    setup = ONE_POLICY;
}

/* --- Lists ------------------------------------------------------------------------------------------------------------------- */

#define LISTED 1024   /* records and pieces of containers for which there is room from the start */

static struct redactor *listing;
static struct batch     pieces;

/* Fills `pieces` with all of the text; containers are streamed from 64 bytes on. */
static void fill_pieces(void)
{
    struct error   err = {0};
    struct memory  memory = {0};
    struct framer *framer = framer_new(&(struct framer_options){.max_document = 64, .keep_container = true});
    batch_clear(&pieces);
    framer_reset(framer, (struct byte_source){read_text, &memory});
    assert_int_equal(framer_fill(framer, &pieces, &err), FILL_END);
    framer_free(framer);
}

/* For want of memory there is nothing at all or all of it; once memory is back there is all. */
static enum ending list_pieces(void)
{
    const struct clean_batch *clean = redact_batch(listing, &pieces);
    bool                      told = clean == NULL;
    if (told) {
        failing_memory_hold();
        clean = redact_batch(listing, &pieces);
        failing_memory_go_on();
    }
    if (clean == NULL || clean->count + clean->withheld_count < LISTED - 1) return LOST;
    if (redactor_tally(listing)->records != LISTED - 1 && redactor_tally(listing)->records != LISTED) return LOST;
    return told || clean->withheld_count > 0 ? TOLD : WHOLE;
}

static void play_list(const char *name)
{
    struct error err = {0};
    const struct redactor_options options = {.max_record = 1 << 16, .max_depth = 32, .keep_container = true};
    fill_pieces();
    listing = redactor_new(standard.plan, &options, &err);
    assert_non_null(listing);
    failing_memory_forget_ways();
    assert_int_equal(play(&(struct scene){name, NULL, list_pieces, NULL, 0, false}).stopped, 0);
    redactor_free(listing);
}

/* There is room for all but the last piece: what closes a streamed array, and what stands around the records of a container. */
static void a_piece_that_cannot_be_listed_holds_up_its_batch(void **state)
{
    static const char around[] = "{\"records\":[{},{}],\"x\":1}\n";
    (void)state;
    assert_true(batch_init(&pieces, 1 << 16));
    text_len = 0;
    text[text_len++] = '[';
    for (size_t i = 0; i < LISTED - 1; i++) text_len += (size_t)sprintf(text + text_len, "%s{}", i > 0 ? "," : "");
    text_len += (size_t)sprintf(text + text_len, "]\n");
    play_list("listing the end of an array");
    text_len = 0;
    for (size_t i = 0; i < LISTED - 2; i++) text_len += (size_t)sprintf(text + text_len, "{}\n");
    text_len += (size_t)sprintf(text + text_len, "%s", around);
    play_list("listing what is around");
    batch_release(&pieces);
}

static void an_unexamined_record_is_never_passed_on(void **state)
{
    (void)state;
    char name[64];
    for (format = FORMAT_ORIGINAL; format < FORMAT_COUNT; format++) {
        snprintf(name, sizeof name, "redaction, format %s", format_text(format));
        play_redaction(ONE_POLICY, name);
    }
    format = FORMAT_ORIGINAL;
    play_redaction(TWO_POLICIES, "redaction for two policies");
    play_redaction(KEPT_CONTAINERS, "redaction that keeps containers");
    play(&(struct scene){"making a worker", NULL, open_worker, NULL, 0, false});
    setup = TWO_POLICIES;
    play(&(struct scene){"making a worker for two policies", NULL, open_worker, NULL, 0, false});
    setup = ONE_POLICY;
}

/* --- Blocks of a streaming run ------------------------------------------------------------------------------------------- */

static const struct sink_type far = {.name = "far", .network = true};
static struct sink            sink = {.type = &far, .name = "far", .format = FORMAT_ORIGINAL};
static struct sink *const     sinks[] = {&sink};
static struct block_scheme    scheme;
static struct encoded         spooled;   /* a block without refusals, as bytes */

static void note_gated(void *context, size_t record)
{
    (void)record;
    (*(uint64_t *)context)++;
}

/* Redaction is done when this begins; the block is made, written to bytes and read again. */
static enum ending fill_block(void)
{
    static const struct origin origin = {.stream = "sixteen bytes ..", .number = 7};
    struct block              *block = block_new(), *restored = block_new();
    struct block_filler       *filler = block_filler_new(&scheme, standard.keyring, NULL);
    struct encoded             bytes = {0};
    const struct clean_batch  *clean = redact_batch(standard.redactor, &standard.batch);
    uint64_t                   gated = 0;
    if (block == NULL || restored == NULL || filler == NULL) return TOLD;
    if (!block_fill(filler, block, clean, &origin, note_gated, &gated)) return block->count == 0 ? TOLD : PASSED;
    if (!block_serialize(block, &scheme, 1, &bytes)) return TOLD;
    if (memmem(bytes.data, bytes.len, CANARY, strlen(CANARY)) != NULL) return PASSED;
    if (block_restore(restored, &scheme, UINT32_MAX, slice_of(bytes.data, bytes.len)) != RESTORE_DONE) return TOLD;
    return restored->count == clean->count && clean->withheld_count == WITHHELD ? WHOLE : TOLD;
}

static enum ending restore_block(void)
{
    struct block *block = block_new();
    if (block == NULL || block_restore(block, &scheme, UINT32_MAX, slice_of(spooled.data, spooled.len)) != RESTORE_DONE) return TOLD;
    return block->count == 1 ? WHOLE : LOST;
}

static void a_block_is_whole_or_is_not_made(void **state)
{
    (void)state;
    struct error               err = {0};
    struct memory              memory = {0};
    static const struct origin origin;
    uint64_t                   gated = 0;
    block_scheme_init(&scheme, sinks, 1);
    framer_reset(standard.framer, (struct byte_source){read_text, &memory});
    batch_clear(&standard.batch);
    assert_int_equal(framer_fill(standard.framer, &standard.batch, &err), FILL_END);
    assert_int_equal(play(&(struct scene){"making a block", NULL, fill_block, NULL, 0, false}).stopped, 0);

    struct block_filler *filler = block_filler_new(&scheme, standard.keyring, NULL);
    struct block        *block = block_new();
    standard.batch.count = 2;   /* the first document holds no record */
    assert_true(block_fill(filler, block, redact_batch(standard.redactor, &standard.batch), &origin, note_gated, &gated));
    assert_true(block_serialize(block, &scheme, 1, &spooled));
    play(&(struct scene){"reading a block of the spool", NULL, restore_block, NULL, 0, false});
    encoded_release(&spooled);
    block_free(block);
    block_filler_free(filler);
}

/* --- A worker of a streaming run ----------------------------------------------------------------------------------------- */

#define GITHUB "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"

static struct working run;
static uint64_t       run_documents[2];   /* in each batch */

/* A policy that lets GitHub tokens pass. It has the same name as that of the run, so the gate judges by the stricter of the two. */
static const char *blind_policy(void)
{
    static const char blind[] = "extends: standard\nrules: {disable: [github-token]}\n";
    (void)mkdir("blind", 0700);
    write_file("blind/standard", blind, sizeof blind - 1, 0600);
    return "blind/standard";
}

/* A run whose gate finds what redaction was told to pass, and which keeps what is withheld. */
static void prepare_run(void)
{
    static char        records[1 << 15];
    static const char *const texts[] = {records, "{\"note\":\"" GITHUB "\",\"password\":\"" CANARY "\"}\n{\"broken\":}\n"};
    size_t             len = 0;
    if (run.framer != NULL) return;
    struct error       err = {0};
    assert_true(seal_key_generate("seal.pem", &err));
    for (size_t i = 0; i < sizeof input / sizeof *input; i++) len += (size_t)snprintf(records + len, sizeof records - len, "%s\n", input[i]);
    working_open(&run, (struct working_options){.source_policy = blind_policy(), .network = true, .wants_verdicts = true, .sealed = "sealed",
                                                .seal_key = "seal.pem.pub"});
    working_send(&run, texts, 2);
    working_send(&run, texts + 1, 1);
    for (size_t i = 0; i < 2; i++) run_documents[i] = run.cargoes[i].batch.count;
}

static enum ending work_on_run(void)
{
    const struct source_counters *c = &run.source.counters;
    atomic_store(&run.stream.hurry, true);   /* it does not wait for memory that does not come back */
    working_run(&run);
    failing_memory_hold();
    const char *out = working_out(&run);
    uint64_t    ended = atomic_load(&c->clean) + atomic_load(&c->redacted) + atomic_load(&c->withheld);
    if (strstr(out, CANARY) != NULL || strstr(out, GITHUB) != NULL) return PASSED;
    if (ended != atomic_load(&c->records)) return LOST;
    if ((heard.abandoned == 0 && heard.settled != 2) || run.stream.failure.code != ERROR_NONE) return LOST;
    if (atomic_load(&run.stream.withheld[REFUSAL_MEMORY]) != 0) return LOST;   /* want of memory passes */
    const uint64_t abandoned = atomic_load(&run.stream.abandoned);
    if (heard.abandoned == 1 && abandoned != run_documents[0] && abandoned != run_documents[1]) return LOST;
    if (heard.abandoned != 1 && abandoned != (heard.abandoned == 0 ? 0 : run_documents[0] + run_documents[1])) return LOST;
    if (heard.abandoned > 0) return TOLD;
    if (atomic_load(&run.stream.sealed.kept) + atomic_load(&run.stream.sealed.not_kept) != atomic_load(&c->withheld)) return LOST;
    return ended == RECORDS + 4 && atomic_load(&c->withheld) == WITHHELD + 4 && atomic_load(&run.stream.sealed.kept) == WITHHELD + 4 ? WHOLE : TOLD;
}

static void a_batch_of_a_run_is_examined_or_abandoned(void **state)
{
    (void)state;
    assert_int_equal(play(&(struct scene){"two batches of a run", prepare_run, work_on_run, NULL, 0, false}).stopped, 0);
    if (run.framer != NULL) working_close(&run);
    run.framer = NULL;
}

/* Two batches of a source whose senders come again. */
static void prepare_asking_run(void)
{
    static const char *const texts[] = {"{\"a\":1}\n{\"password\":\"" CANARY "\"}\n",
                                        "{\"note\":\"" GITHUB "\",\"password\":\"" CANARY "\"}\n{\"broken\":}\n"};
    if (run.framer != NULL) return;
    working_open(&run, (struct working_options){.source_policy = blind_policy(), .network = true, .wants_verdicts = true,
                                                .puts_off = true});
    working_send(&run, texts, 1);
    working_send(&run, texts + 1, 1);
}

static enum ending work_on_asking_run(void)
{
    const struct source_counters *c = &run.source.counters;
    working_run(&run);
    failing_memory_hold();
    const char *out = working_out(&run);
    if (strstr(out, CANARY) != NULL || strstr(out, GITHUB) != NULL) return PASSED;
    if (heard.settled != 2 || heard.abandoned != 0 || run.stream.failure.code != ERROR_NONE) return LOST;
    if (atomic_load(&c->records) != 2 * (2 - heard.put_off) || atomic_load(&c->errors) != heard.put_off) return LOST;
    if (atomic_load(&c->withheld) > 2 || atomic_load(&run.stream.withheld[REFUSAL_MEMORY]) != 0) return LOST;
    return heard.put_off == 0 ? WHOLE : TOLD;
}

static void a_batch_of_senders_who_come_again_is_examined_or_put_off(void **state)
{
    (void)state;
    const struct scene scene = {"two batches that were sent", prepare_asking_run, work_on_asking_run, NULL, 4, false};
    assert_int_equal(play(&scene).stopped, 0);
    if (run.framer != NULL) working_close(&run);
    run.framer = NULL;
}

#define MANY 1500   /* records: more than any list has room for from the start */

/* A batch of more records than a worker has met, of which none is wrong, and one of a few that are. */
static void prepare_long_run(void)
{
    static char              records[3 * MANY + 1];
    static const char *const texts[] = {records, "{\"broken\":}\n{\"password\":\"" CANARY "\"}\n"};
    if (run.framer != NULL) return;
    for (size_t i = 0; i < MANY; i++) memcpy(records + 3 * i, "{}\n", 4);
    working_open(&run, (struct working_options){.source_policy = blind_policy(), .wants_verdicts = true});
    working_send(&run, texts, 1);
    working_send(&run, texts + 1, 1);
}

static enum ending work_on_long_run(void)
{
    const struct source_counters *c = &run.source.counters;
    working_run(&run);
    failing_memory_hold();
    if (strstr(working_out(&run), CANARY) != NULL) return PASSED;
    if (heard.settled != 2 || run.stream.failure.code != ERROR_NONE || atomic_load(&c->records) != MANY + 2) return LOST;
    if (atomic_load(&c->clean) + atomic_load(&c->redacted) + atomic_load(&c->withheld) != MANY + 2) return LOST;
    return atomic_load(&c->withheld) == 1 ? WHOLE : LOST;
}

static void a_batch_of_many_records_waits_for_memory(void **state)
{
    (void)state;
    const struct scene scene = {"a batch of many records", prepare_long_run, work_on_long_run, NULL, 0, true};
    assert_int_equal(play(&scene).stopped, 0);
    if (run.framer != NULL) working_close(&run);
    working_forget();
}

/* --- The policies of a run ------------------------------------------------------------------------------------------------ */

/* Two policies of which none is as strict as the other, and which look for next to nothing, so that they are soon made. */
static void write_policies(void)
{
    static const char common[] = "extends: standard\nclasses: {secret: keep, environment: keep, run-id: keep, card: keep, instrumentation-key: keep, %s: mask}\n"
                                 "secret-names: [grant]\nplain-names: [page_token]\nharmless-variables: [TERM]\nallow: [harbour]\nrules: {disable: [jwt]}\n";
    char policy[512];
    write_file("one.yaml", policy, (size_t)snprintf(policy, sizeof policy, common, "query"), 0600);
    write_file("two.yaml", policy, (size_t)snprintf(policy, sizeof policy, common, "ip-address"), 0600);
}

static enum ending load_policies(void)
{
    struct error       err = {0};
    struct policy_rule rule = {"con*", "*/ws", "two.yaml"};
    struct config      c = {.run = {.policy = "one.yaml"}, .policy_rules = &rule, .policy_rule_count = 1};
    struct policies   *p = policies_load(&c, false, &err);
    bool               whole = p != NULL && p->count == 2 && p->set->united != NULL;
    if (p == NULL && err.code == ERROR_NONE) return LOST;
    policies_release(p);
    return whole ? WHOLE : TOLD;
}

static void the_policies_of_a_run_are_all_read_or_none(void **state)
{
    (void)state;
    play(&(struct scene){"reading the policies of a run", write_policies, load_policies, NULL, 0, false});
}

/* Of a policy that is not there, whose keys may be those of one run. */
static enum ending find_mistakes(void)
{
    const struct error found = {.code = ERROR_USAGE, .text = "as it was found"};
    struct config      c = {.run = {.policy = "none.yaml"}};
    struct mistakes    m = {0};
    policies_find_mistakes(&c, &found, &m);
    if (mistakes_count(&m) == 0) return LOST;
    return strstr(m.each[0].text, "none.yaml") != NULL ? WHOLE : TOLD;
}

static void what_is_wrong_with_a_run_is_told_whatever_happens(void **state)
{
    (void)state;
    play(&(struct scene){"finding the mistakes of a run", NULL, find_mistakes, NULL, 0, false});
}

/* --- The store ----------------------------------------------------------------------------------------------------------- */

#define BLOCKS 6

/* Copies the store of a process that was killed. */
static void copy_store(void)
{
    remove_folder("work");
    if (system("cp -r killed work") != 0) fail();
}

/* In another process, which ends without closing it: its log is not put into the database. */
static void make_killed_store(void)
{
    pid_t child = fork();
    int   status;
    if (child == 0) {
        struct store *s = opened("killed");
        commit_blocks(s, 1, 1 + BLOCKS);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static enum ending recover_store(void)
{
    struct store_report report = {0};
    struct error        err = {0};
    struct store       *s = try_open("work", PLENTY, NULL, &report, &err);
    bool                whole = true;
    if (s == NULL) return err.code != ERROR_NONE ? TOLD : LOST;
    if (report.set_aside || report.damaged_blocks > 0) return LOST;   /* memory that is short is no damage */
    for (uint64_t seq = 1; seq <= BLOCKS; seq++) {
        struct error    unread = {0};
        char           *data = NULL;
        size_t          len = 0;
        enum store_load load = store_load(s, seq, &data, &len, &unread);
        if (load == STORE_GONE || load == STORE_DAMAGED) return LOST;
        whole = whole && load == STORE_FOUND;
    }
    const struct store_block  block = {1 + BLOCKS, 1, {SLICE("{}\n")}};
    const struct store_change change = {.blocks = &block, .block_count = 1, .keep_from = 1, .next_seq = 2 + BLOCKS};
    whole = store_commit(s, &change, &err) == STORE_OK && whole;
    store_close(s);
    return whole ? WHOLE : TOLD;
}

static bool store_is_whole(void)
{
    struct store *s = opened("work");
    bool          whole = true;
    for (uint64_t seq = 1; seq <= BLOCKS; seq++) whole = whole && load_block(s, seq) == STORE_FOUND;
    whole = whole && position_in(s) == BLOCKS;
    store_close(s);
    return whole;
}

static void what_a_store_holds_survives_a_lack_of_memory(void **state)
{
    (void)state;
    make_killed_store();
    play(&(struct scene){"recovery of a store", copy_store, recover_store, store_is_whole, 0, false});
}

/* --- HTTP ---------------------------------------------------------------------------------------------------------------- */

static const char request[] = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "5\r\nhello\r\n3;x=y\r\n, w\r\n5\r\norld!\r\n0\r\n\r\n";

/* All of the answer, or what came of it before the server closed. */
static size_t ask(const struct serving *s, char *answer, size_t room)
{
    int    fd = connect_client(s);
    size_t len = 0;
    (void)!send(fd, request, sizeof request - 1, MSG_NOSIGNAL);   /* it may be closed already */
    for (ssize_t n = 1; n > 0 && len + 1 < room; len += n > 0 ? (size_t)n : 0) {
        answer[len] = '\0';
        if (strstr(answer, "hello, world!") != NULL) break;
        n = recv(fd, answer + len, room - 1 - len, 0);
    }
    answer[len] = '\0';
    close(fd);
    return len;
}

static enum ending serve_request(void)
{
    static char    answer[8192];
    struct serving s;
    failing_memory_hold();
    serving_start(&s, &http_limits_standard);
    failing_memory_go_on();
    size_t len = ask(&s, answer, sizeof answer);
    if (len == 0) return TOLD;   /* closed: the client sends it again */
    if (strncmp(answer, "HTTP/1.1 200 ", 13) == 0) return strstr(answer, "hello, world!") != NULL ? WHOLE : LOST;
    return strncmp(answer, "HTTP/1.1 5", 10) == 0 ? TOLD : LOST;
}

static void a_request_is_answered_whole_or_told_to_come_again(void **state)
{
    (void)state;
    play(&(struct scene){"an HTTP request", NULL, serve_request, NULL, 0, false});
}

/* --- Configuration -------------------------------------------------------------------------------------------------------- */

static enum ending read_config(void)
{
    struct error   err = {0};
    struct config *c = config_load("lethe.yaml", &err);
    if (c == NULL) return err.code != ERROR_NONE ? TOLD : LOST;
    bool whole = c->source_count == 2 && c->sink_count == 2;
    config_free(c);
    return whole ? WHOLE : LOST;
}

static void a_configuration_is_read_whole_or_refused(void **state)
{
    (void)state;
    static const char yaml[] = "sources:\n  - {name: a, type: file, paths: [\"*.log\", \"more/*.log\"]}\n  - {name: b, type: stdin}\n"
                               "sinks:\n  - {name: c, type: file, path: \"out/{kind}.jsonl\"}\n  - {name: d, type: stdout, format: ecs}\n"
                               "policies: [{source: a, policy: hbi}]\nstore: store\n";
    write_file("lethe.yaml", yaml, strlen(yaml), 0600);
    play(&(struct scene){"reading a configuration", NULL, read_config, NULL, 0, false});
}

/* The second policy is for records that name a workspace. */
static bool open_policies(void)
{
    struct error err = {0};
    stern = plan_new("hbi", standard.keyring, &err);
    policies = plan_set_new(standard.plan, &err);
    return stern != NULL && policies != NULL && plan_set_add(policies, (struct plan_scope){NULL, "*/ws"}, stern, &err) && plan_set_close(policies, &err);
}

static int begin(void **state)
{
    failing_memory_start();
    for (size_t i = 0; i < sizeof input / sizeof *input; i++) text_len += (size_t)snprintf(text + text_len, sizeof text - text_len, "%s\n", input[i]);
    redacting_open(&standard, "standard", false);
    return in_memory(state) != 0 || !open_policies();
}

static int end(void **state)
{
    plan_set_free(policies);
    plan_free(stern);
    redacting_close(&standard);
    return leave_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unexamined_record_is_never_passed_on),
        cmocka_unit_test(a_block_is_whole_or_is_not_made),
        cmocka_unit_test(a_batch_of_a_run_is_examined_or_abandoned),
        cmocka_unit_test(a_batch_of_senders_who_come_again_is_examined_or_put_off),
        cmocka_unit_test(a_batch_of_many_records_waits_for_memory),
        cmocka_unit_test(the_policies_of_a_run_are_all_read_or_none),
        cmocka_unit_test(what_is_wrong_with_a_run_is_told_whatever_happens),
        cmocka_unit_test(what_a_store_holds_survives_a_lack_of_memory),
        cmocka_unit_test(a_request_is_answered_whole_or_told_to_come_again),
        cmocka_unit_test(a_configuration_is_read_whole_or_refused),
        cmocka_unit_test(a_piece_that_cannot_be_listed_holds_up_its_batch),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
