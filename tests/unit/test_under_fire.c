/* Every rule of the catalogue, by its own examples, in every carrier and at every place of it; and every secret cut at every byte
 * by the reading of the input. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "inventing.h"
#include "redacting.h"
#include "redaction/plan.h"
#include "redaction/rules_priv.h"

#include <stdlib.h>

#define WINDOW 8   /* bytes of a secret that are too many to be left */

static struct redacting hbi;
static struct invented  inside, quoted, record, whole;

/* --- Carriers ------------------------------------------------------------------------------------------------------------- */

struct carrier {
    const char *name, *before, *after;
    int         strings;   /* how often it is the inside of a JSON string */
};

static const struct carrier carriers[] = {
    {"line of text", "", "", 0},
    {"value", "{\"m\":\"", "\"}", 1},
    {"element", "{\"a\":{\"b\":[1,\"", "\",null]}}", 1},
    {"document", "{\"a\":1,\"m\":\"{\\\"x\\\":\\\"", "\\\",\\\"y\\\":[]}\"}", 2},
};

static const struct spot {
    const char *name, *before, *after;
} spots[] = {{"alone", "", ""}, {"at the beginning", "", " and more"}, {"at the end", "before it ", ""}, {"inside", "before it ", " and more"}};

/* The example at its place in its carrier, as a line of input. */
static void dress(const struct carrier *c, const struct spot *p, struct slice example)
{
    inside.len = record.len = 0;
    put(&inside, p->before);
    put_slice(&inside, example);
    put(&inside, p->after);
    for (int i = 0; i < c->strings; i++) {
        quoted.len = 0;
        put_string(&quoted, invented_slice(&inside));
        inside.len = 0;
        put_slice(&inside, invented_slice(&quoted));
    }
    put(&record, c->before);
    put_slice(&record, invented_slice(&inside));
    put(&record, c->after);
    put(&record, "\n");
}

/* Whether eight bytes of the secret one after another are in the text, marks aside: they name rules, and some secrets begin alike. */
static bool is_left(struct slice secret, const char *out)
{
    static const char mark[] = "[redacted:";
    quoted.len = 0;
    for (const char *next; (next = strstr(out, mark)) != NULL; out = strchr(next, ']')) put_slice(&quoted, slice_of(out, (size_t)(next - out)));
    put(&quoted, out);
    for (size_t i = 0; i + WINDOW <= secret.len; i++)
        if (memmem(quoted.data, quoted.len, secret.data + i, WINDOW) != NULL) return true;
    return false;
}

static bool is_plain(struct slice example)
{
    for (size_t i = 0; i < example.len; i++)
        if ((unsigned char)example.data[i] < ' ' || example.data[i] == '"' || example.data[i] == '\\') return false;
    return true;
}

/* Calls with each example of each rule whose findings go. */
static size_t each_example(void (*each)(const struct rule *, struct slice example, struct slice secret))
{
    static char       plain[1 << 14];
    const struct plan *plan = hbi.plan;
    size_t             count = 0;
    for (size_t n = 0; n < plan->rules->count; n++) {
        const struct rule *r = &plan->rules->all[n];
        if (!r->enabled || plan->policy.actions[r->view.class_] == ACTION_KEEP) continue;
        for (size_t i = 0; i < r->match_count; i++) {
            size_t   len;
            uint32_t from, to;
            if (r->match[i].len > sizeof plain || !example_parse(r->match[i], plain, &len, &from, &to)) continue;
            struct slice example = slice_of(plain, len), secret = slice_sub(example, from, to);
            if (!is_plain(example) || secret.len < WINDOW) continue;   /* others are what carriers are made of */
            each(r, example, secret);
            count++;
        }
    }
    return count;
}

/* --- Every rule ------------------------------------------------------------------------------------------------------------ */

static void try_everywhere(const struct rule *r, struct slice example, struct slice secret)
{
    for (size_t c = 0; c < sizeof carriers / sizeof *carriers; c++)
        for (size_t p = 0; p < sizeof spots / sizeof *spots; p++) {
            dress(&carriers[c], &spots[p], example);
            const char *out = redacting_text(&hbi, invented_slice(&record));
            if (is_left(secret, out))
                fail_msg("rule %s is left in a %s, %s:\n  %s  %s", r->view.id, carriers[c].name, spots[p].name, record.data, out);
        }
}

static void the_examples_of_every_rule_go_in_every_carrier_at_every_place(void **state)
{
    (void)state;
    assert_true(each_example(try_everywhere) > 300);
}

/* --- Every cut --------------------------------------------------------------------------------------------------------------- */

struct cut_source {
    struct slice text;
    size_t       at, cut;
};

static ptrdiff_t read_up_to_cut(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct cut_source *s = context;
    size_t             end = s->at < s->cut ? s->cut : s->text.len, len = end - s->at < capacity ? end - s->at : capacity;
    (void)err;
    memcpy(buffer, s->text.data + s->at, len);
    s->at += len;
    return (ptrdiff_t)len;
}

/* Compares with `whole`. */
static bool same_when_cut(size_t cut)
{
    struct error      err = {0};
    struct cut_source source = {invented_slice(&record), 0, cut};
    struct encoded    part = {0};
    size_t            at = 0;
    bool              same = true;
    framer_reset(hbi.framer, (struct byte_source){read_up_to_cut, &source});
    for (enum fill fill = FILL_SOME; fill == FILL_SOME;) {
        batch_clear(&hbi.batch);
        fill = framer_fill(hbi.framer, &hbi.batch, &err);
        assert_true(fill != FILL_FAILED && encode_batch(hbi.encoder, redact_batch(hbi.redactor, &hbi.batch), &part));
        same = same && at + part.len <= whole.len && (part.len == 0 || memcmp(whole.data + at, part.data, part.len) == 0);
        at += part.len;
    }
    encoded_release(&part);
    return same && at == whole.len;
}

static void cut_everywhere(const struct rule *r, struct slice example, struct slice secret)
{
    static size_t turn;
    const struct carrier *c = &carriers[turn++ % (sizeof carriers / sizeof *carriers)];
    (void)secret;
    if (example.len > 400) return;
    dress(c, &spots[3], example);
    whole.len = 0;
    put(&whole, redacting_text(&hbi, invented_slice(&record)));
    for (size_t cut = 1; cut < record.len; cut++)
        if (!same_when_cut(cut)) fail_msg("rule %s in a %s: cut at byte %zu it comes out another way:\n  %s", r->view.id, c->name, cut, record.data);
}

static void a_secret_cut_at_any_byte_by_the_reading_comes_out_as_uncut(void **state)
{
    (void)state;
    assert_true(each_example(cut_everywhere) > 300);
}

static int open_all(void **state)
{
    (void)state;
    redacting_open(&hbi, "hbi", false);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    redacting_close(&hbi);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_every_rule_go_in_every_carrier_at_every_place),
        cmocka_unit_test(a_secret_cut_at_any_byte_by_the_reading_comes_out_as_uncut),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
