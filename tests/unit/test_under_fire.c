/* Every rule of the catalogue, by its own examples, in every carrier and at every place of it; and every secret cut at every byte
 * by the reading of the input. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "leaking.h"
#include "redacting.h"
#include "redaction/plan.h"
#include "redaction/rules_priv.h"

#include <stdlib.h>

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

/* --- Every rule in every coat ------------------------------------------------------------------------------------------------ */

/* Places of a record, for "@" in a coat. */
static const char *const places[] = {
    "{\"m\":\"@\"}\n", "{\"@\":1}\n", "{\"list\":[[\"first\",\"@\"],3]}\n", "{\"headers\":[{\"name\":\"x-note\",\"value\":\"@\"}]}\n",
    "{\"headers\":{\"Cookie\":\"a=b; note=@; c=d\"}}\n", "{\"uri\":\"wss://hafen.invalid/p?q=@&r=1\"}\n", "{\"d\":\"{\\\"e\\\":{\\\"f\\\":[\\\"@@\\\"]}}\"}\n", "@\n",
};

/* As a file holds it: "@" inside a JSON string, "@@" inside one that is inside another; in a line of text, as it is. */
static void place_at(const char *place, struct slice text)
{
    record.len = quoted.len = 0;
    put_string(&quoted, text);
    for (const char *p = place; *p != '\0'; p++) {
        if (*p != '@') put_slice(&record, slice_of(p, 1));
        else if (place[0] == '@') put_slice(&record, text);
        else if (p[1] != '@') put_slice(&record, invented_slice(&quoted));
        else {
            put_string(&record, invented_slice(&quoted));
            p++;
        }
    }
}

/* Without marks: they name rules, and some secrets begin alike. */
static const char *without_marks(const char *out)
{
    static struct invented rest;
    static const char      mark[] = "[redacted:";
    rest.len = 0;
    for (const char *next; (next = strstr(out, mark)) != NULL; out = strchr(next, ']')) put_slice(&rest, slice_of(out, (size_t)(next - out)));
    put(&rest, out);
    return rest.data;
}

/* The example with other characters of the same kinds in the second half of its secret, if that is still one of the rule: many have a
 * checksum or words in them. */
static bool freshen(struct slice example, struct slice secret, struct invented *out)
{
    size_t from = (size_t)(secret.data - example.data);
    out->len = 0;
    put_slice(out, example);
    for (size_t i = from + secret.len / 2; i < from + secret.len; i++) {
        char c = out->data[i];
        if (c >= '0' && c <= '9') out->data[i] = (char)('0' + pick(10));
        else if (c >= 'a' && c <= 'f') out->data[i] = (char)('a' + pick(6));   /* may be hexadecimal */
        else if (c >= 'g' && c <= 'z') out->data[i] = (char)('g' + pick(20));
        else if (c >= 'A' && c <= 'Z') out->data[i] = (char)('A' + pick(26));
    }
    dress(&carriers[0], &spots[0], invented_slice(out));
    return !is_left(slice_of(out->data + from, secret.len), redacting_text(&hbi, invented_slice(&record)));
}

static size_t fresh_count;

/* Each is tried in each coat at some of the places, in turn; LETHE_LONG=1: at all. */
static void try_in_every_coat(const struct rule *r, struct slice example, struct slice secret)
{
    static struct invented fresh;
    static size_t          turn;
    size_t                 from = (size_t)(secret.data - example.data);
    if (freshen(example, secret, &fresh)) {
        fresh_count++;
        example = invented_slice(&fresh);
        secret = slice_sub(example, from, from + secret.len);
    }
    for (size_t c = 0; c < coat_count; c++)
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            bool run_too_short = strncmp(coats[c].name, "base64", 6) == 0 && example.len < 15;   /* is not looked into */
            inside.len = 0;
            coats[c].put(&inside, example);
            if (run_too_short || (places[p][0] == '@' && memchr(inside.data, '\n', inside.len) != NULL)) continue;
            if (turn++ % 7 != 0 && getenv("LETHE_LONG") == NULL) continue;
            place_at(places[p], invented_slice(&inside));
            const char *out = redacting_text(&hbi, invented_slice(&record));
            if (leaks(without_marks(out), secret)) fail_msg("rule %s is left in the coat '%s':\n  %s  %s", r->view.id, coats[c].name, record.data, out);
        }
}

static void every_rule_with_fresh_values_goes_in_every_coat_at_every_place(void **state)
{
    (void)state;
    chance_seed(31);
    assert_true(each_example(try_in_every_coat) > 300);
    assert_true(fresh_count > 250);
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
        cmocka_unit_test(every_rule_with_fresh_values_goes_in_every_coat_at_every_place),
        cmocka_unit_test(a_secret_cut_at_any_byte_by_the_reading_comes_out_as_uncut),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
