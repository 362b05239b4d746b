/* Where names and values in free text begin and end, at the edges of texts and of what is looked at. In expected texts `~` stands for
 * the marker of a sensitive name; unless something is said, a text stays as it is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policies_open.h"

#include <stdlib.h>
#include <unistd.h>

#define MARKER "[redacted:sensitive-name]"
#define TEN(x) x x x x x x x x x x
#define SEVENTY_BLANKS TEN("       ")

struct example {
    const char *in, *out;   /* the members of a JSON string; `out` NULL: as `in` */
};

/* {"m":"TEXT"} and a line end, with markers for each `~`. */
static char *record_of(const char *text)
{
    char *out = NULL;
    size_t len;
    FILE *f = open_memstream(&out, &len);
    assert_non_null(f);
    fputs("{\"m\":\"", f);
    for (; *text != '\0'; text++)
        if (*text == '~') fputs(MARKER, f);
        else fputc(*text, f);
    fputs("\"}\n", f);
    assert_int_equal(fclose(f), 0);
    return out;
}

static void check_all(struct redacting *t, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *e = &examples[i];
        char *in = record_of(e->in), *expected = record_of(e->out != NULL ? e->out : e->in);
        const char *out = redacting_text(t, slice_from(in));
        if (strcmp(out, expected) != 0) fail_msg("\n  in       %s  out      %s  expected %s", in, out, expected);
        free(in);
        free(expected);
    }
}

#define CHECK_ALL(profile, ...)                                                                                                \
    static const struct example examples[] = {__VA_ARGS__};                                                                    \
    (void)state;                                                                                                               \
    check_all(profile, examples, sizeof examples / sizeof *examples)

/* --- Names, signs and values ------------------------------------------------------------------------------------------------ */

static void a_value_may_stand_in_a_column_of_its_own(void **state)
{
    CHECK_ALL(&standard, {"password:          q8Zr2LmK0v", "password:          ~"}, {"password   =      q8Zr2LmK0v", "password   =      ~"},
              {"user:       ann\\ndb_password:    q8Zr2LmK0v\\nport:        5432", "user:       ann\\ndb_password:    ~\\nport:        5432"},
              {"password:" SEVENTY_BLANKS "q8Zr2LmK0v", NULL}, {"password:      \\nq8Zr2LmK0v", NULL});
}

static void a_name_may_be_long_and_follow_any_mark(void **state)
{
    CHECK_ALL(&standard,
        {"$password = 'q8Zr2L'", "$password = '~'"},
        {TEN("harbour_x") "_password=q8Zr2L", TEN("harbour_x") "_password=~"},   /* longer than what is looked at */
        {"password ::= 'q8Zr2L'", "password ::= '~'"},
        {"<ns:password>q8Zr2L</ns:password>", "<ns:password>~</ns:password>"},
        {"<password>-q8Zr2L</password>", "<password>~</password>"},
        {"<password> --next</password>", NULL},
        {"password>q8Zr2L", NULL},
        {"a password>q8Zr2L", NULL});
}

static void a_value_stands_near_its_sign(void **state)
{
    CHECK_ALL(&standard,
        {"password:\\r\\n  'q8Zr2L'", "password:\\r\\n  '~'"},
        {"password:\\nnext line", NULL},
        {"password: ======== ", NULL},
        {"password:        ", NULL},
        {"session_cookie =        ", NULL},
        {"password:" SEVENTY_BLANKS "'harbour'", NULL},
        {"session_cookie =" SEVENTY_BLANKS "'harbour'", NULL},
        {"<password>" SEVENTY_BLANKS "harbour</password>", "<password>" SEVENTY_BLANKS "~</password>"},
        {"az login --password ", NULL},
        {"password = ", NULL});
}

static void a_value_ends_where_the_text_does(void **state)
{
    CHECK_ALL(&standard,
        {"password: 'q8Zr2L", "password: '~"},
        {"password: \\\\\\\"q8Zr2L", "password: \\\\\\\"~"},
        {"password: \\\\\\\"q8Zr2L\\nnext", "password: \\\\\\\"~\\nnext"},
        {"token: 'q8Zr2LmK0vXwPb7N\\n   ", "token: '~\\n   "},
        {"password=x7>Qe9rTz next", "password=~ next"},
        {"Secret: []byte{33, 9, 100, 0x64, 245, 164, 134, 217", "Secret: []byte{~"},
        {"Secret: []byte{33, 9, 100, 0x64, 245, 164, 134, 217, ", "Secret: []byte{~, "},
        {"Secret: []byte{33, 9, 100,\\n0x64, 245, 164, 134,\\n217,\\n}", "Secret: []byte{~,\\n}"});
}

static void what_stands_in_for_a_value_stays(void **state)
{
    CHECK_ALL(&standard,
        {"password=********", NULL},
        {"password: ${DB_PASSWORD_1}", NULL},
        {"key = getQ8Zr2LmK0vXwPb7N(1)", NULL},
        {"Server=db;Password=$pw;", NULL},
        {"Server=db;Password=horses(pass);", NULL},
        {"Server=db;Password =config.database;", NULL},
        {"Server=db;Password=config.database;", "Server=db;Password=~;"});
}

/* --- Less than a name and a sign ------------------------------------------------------------------------------------------- */

static void prose_tells_a_password_that_is_quoted_or_has_a_digit(void **state)
{
    CHECK_ALL(&standard,
        {"set the password to x1y2z3.", "set the password to ~."},
        {"the password is x1y2", NULL},
        {"the password is 'required'", NULL},
        {"the password is '~'", NULL},
        {"values (password('q8Zr2L'))", "values (password('~'))"},
        {"values (password('harbour'))", NULL},
        {"values (password(q8Zr2L))", NULL});
}

static void a_type_may_stand_between_name_and_sign(void **state)
{
    CHECK_ALL(&standard,
        {"apiToken: &str = 'q8Zr2LmK0vXw'", "apiToken: &str = '~'"},
        {"apiToken: [str] = 'q8Zr2LmK0vXw'", "apiToken: [str] = '~'"},
        {"apiToken char* = 'q8Zr2LmK0vXw'", "apiToken char* = '~'"},
        {"var apiToken string", NULL});
}

static void a_pair_may_be_written_with_blanks_and_escapes(void **state)
{
    CHECK_ALL(&standard,
        {"{'name': 'apiToken', 'value' : 'q8Zr2LmK0vXw'", "{'name': 'apiToken', 'value' : '~'"},
        {"'apiToken\\\\', \\\\'value\\\\': 'q8Zr2LmK0vXw'", "'apiToken\\\\', \\\\'value\\\\': '~'"});
}

/* Without quotes around the name only a constant's name is one, else the value must look like a credential. */
static void the_next_argument_is_the_value(void **state)
{
    CHECK_ALL(&standard,
        {"setopt(c, db_password, 'horsebattery')", NULL},
        {"setopt(c, db_password, 'q8Zr2LmK0vXwPb7N')", "setopt(c, db_password, '~')"},
        {"setopt(c, maxtoken, 'q8Zr2LmK0vXwPb7N')", NULL},
        {"new PSCredential('maja' , 'q8Zr2L')", "new PSCredential('maja' , '~')"},
        {"new PSCredential('maja')", NULL},
        {"new PSCredential('maja'", NULL},
        {"new PSCredential('maja', ", NULL},
        {"new PSCredential('maja', pw)", NULL});
}

static void a_random_word_behind_a_word_for_it_is_a_secret(void **state)
{
    CHECK_ALL(&standard,
        {"harbourkey-q8Zr2LmK0vXwPb7N", "harbourkey-~"},
        {"key-q8Zr2LmK0vXwPb7N", NULL},                 /* an id */
        {"acmeKEY q8Zr2LmK0vXwPb7N", "acmeKEY ~"},
        {"jqKEY q8Zr2LmK0vXwPb7N", NULL},               /* a piece of something random */
        {"qTzKEY q8Zr2LmK0vXwPb7N", NULL},
        {"deepgram api key token harbour", NULL});
}

static void a_random_value_behind_a_services_name_is_its_key(void **state)
{
    CHECK_ALL(&standard,
        {"deepgram id 5f3a9cb2e1d04786af355f3a9cb2e1d04786af35", "deepgram id ~"},
        {"deepgram id 448325ee-0763-4067-aecd-ee4149f3cddc", NULL},
        {"deepgram key 448325ee-0763-4067-aecd-ee4149f3cddc", "deepgram key ~"},
        {"deepgram key 1234567890123456", "deepgram key ~"},
        {"deepgram key abababababababababababab", NULL},
        {"deepgram key harboursandlakesx", NULL},
        {"deepgram = 0101010101010101010101010101010101", NULL},
        {"deepgram = 5f3a9cb2e1d04786af35", "deepgram = ~"},
        {"deepgram -------- q8Zr2LmK0vXwPb7N", NULL},
        {"telegram = 123456789:q8Zr2LmK0vXwPb7NcYtD", "telegram = ~"},
        {"facebook = 123456789|q8Zr2LmK0vXwPb7NcYtD", "facebook = ~"},
        {"deepgram = 'q8Zr2LmK0vXw:Pb7NcYtD4fGh'", "deepgram = '~'"},
        {"deepgram = 'q8Zr2LmK0vXwPb7N is it'", "deepgram = '~ is it'"});
}

/* A colour of a terminal is no part of a word; a bracket and digits alone are. */
static void a_key_may_stand_behind_a_colour(void **state)
{
    CHECK_ALL(&standard,
        {"\\u001b[1;93msk-5f3a9cb2e1d04786af355f3a9cb2e1d0\\u001b[0m", "\\u001b[1;93m[redacted:deepseek-key]\\u001b[0m"},
        {"see [1;93msk-5f3a9cb2e1d04786af355f3a9cb2e1d0", NULL},
        {"93msk-5f3a9cb2e1d04786af355f3a9cb2e1d0", NULL});
}

static void a_word_in_disguise_goes_whole(void **state)
{
    CHECK_ALL(&standard,
        {"p@ssw0rd!9", "~"},
        {"set x=p@ssw0rd!9, next", "set x=~, next"},
        {"set p@ssw0rd!9, next", "set ~, next"});
}

/* --- Run names, addresses, people, variables -------------------------------------------------------------------------------- */

static void what_is_no_run_name_stays(void **state)
{
    CHECK_ALL(&standard,
        {"see /workspaces/x/runs/ here", NULL},
        {"see /workspaces/x/runs/", NULL});
}

/* What goes, between what stays. */
struct passage {
    const char *before, *gone, *after;
};

static void check_pieces(struct redacting *t, const struct passage *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct passage *p = &pieces[i];
        char *text = NULL;
        assert_true(asprintf(&text, "{\"m\":\"%s%s%s\"}\n", p->before, p->gone, p->after) > 0);
        const char *out = redacting_text(t, slice_from(text));
        size_t len = strlen(out), before = strlen("{\"m\":\"") + strlen(p->before), after = strlen(p->after) + strlen("\"}\n");
        bool kept = len > before + after && memcmp(out, text, before) == 0 &&
                    memcmp(out + len - after, text + strlen(text) - after, after) == 0;
        if (!kept || memmem(out + before, len - before - after, p->gone, strlen(p->gone)) != NULL)
            fail_msg("\n  in   %s  out  %s", text, out);
        free(text);
    }
}

#define CHECK_PIECES(profile, ...)                                                                                             \
    static const struct passage pieces[] = {__VA_ARGS__};                                                                        \
    (void)state;                                                                                                               \
    check_pieces(profile, pieces, sizeof pieces / sizeof *pieces)

static void an_address_goes_without_what_stands_around_it(void **state)
{
    CHECK_PIECES(&hbi,
        {"", "10.1.2.3", ""},
        {"from ", "10.1.2.3", ". Next"},
        {"from ", "10.1.2.3", "."});
}

static void what_is_no_address_stays(void **state)
{
    CHECK_ALL(&hbi,
        {"built v10.1.2.3 today", NULL},
        {"from 10.1.2.345 on", NULL},
        {"of 999.300.1.2 parts", NULL},
        {"1234567890123456.1.2.3", NULL});
}

static void the_values_of_a_query_go_whatever_their_names(void **state)
{
    CHECK_PIECES(&hbi,
        {"GET /x?harbour%20a=", "north", "#top"},
        {"GET /x?harbour=", "north", ""},
        {"GET /x?harbour=", "north", "&"},
        {"GET /x?harbour=", "north", "&lake"});
}

static void people_are_told_by_their_capitals(void **state)
{
    CHECK_PIECES(&hbi,
        {"signed by ", "Maja Lindqvist", ""},
        {"signed by ", "\xc3\x96sten Berg", " and others"},
        {"signed by:", "Maja O'Neill-Berg", " and others"},
        {"user=", "maja-berg", ", next"});
}

static void what_is_nobody_stays(void **state)
{
    CHECK_ALL(&hbi,
        {"signed by ", NULL},
        {"signed by \xc3\xb6sten berg", NULL},
        {"signed by Maja", NULL},
        {"signed by A B", NULL},
        {"user=unknown, next", NULL},
        {"user= ", NULL},
        {"user: maja", NULL});
}

static void variables_are_read_as_shells_and_containers_write_them(void **state)
{
    CHECK_PIECES(&standard,
        {"docker run -e DB_HOST=", "harbour1", ""},
        {"x\\nHARBOUR_A=", "north", "\\nPATH=/bin\\n"},
        {"x\\nAZUREML_HARBOUR=", "north", "\\nnext"});
    check_all(&standard, (const struct example[]){
        {"docker run -e DB_HOST=north -e DB_USER=maja",
         "docker run -e DB_HOST=[redacted:environment] -e DB_USER=[redacted:environment]"},
        {"env: A_A=north\\r\\nB_B=south", "env: A_A=[redacted:environment]\\r\\nB_B=[redacted:environment]"},
        {"env: HARBOUR: north", "env: HARBOUR: [redacted:environment]"},
        {"env: " TEN("HARBOUR_A") "=north", "env: " TEN("HARBOUR_A") "=[redacted:environment]"},
        {"env: HARBOUR:north", NULL},
        {"env: HARBOUR:", NULL},
        {"x\\nHARBOUR_A=north", NULL}}, 7);   /* the last line alone */
}

/* --- What a policy says ----------------------------------------------------------------------------------------------------- */

static void a_policy_says_of_names_and_values_what_they_are(void **state)
{
    static const char policy[] = "extends: standard\nsecret-names: [harbour_key]\nplain-names: [lake_token]\n"
                                 "allow: [q8Zr2LmK0vXw, x1y2z3]\n";
    static const struct example examples[] = {
        {"harbour_key=blue", "harbour_key=~"},
        {"lake_token=Pb7NcYtD4fGhq8Zr", NULL},
        {"password = hash('q8Zr2LmK0vXw')", NULL},
        {"password=x1y2z3", NULL},
        {"secrets = ['Pb7NcY', 'x1y2z3', 'tD4fGh']", "secrets = ['~', 'x1y2z3', 'tD4fGh']"},
    };
    struct redacting own;
    char path[] = "/tmp/lethe-free-text-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0 && write(fd, policy, sizeof policy - 1) == sizeof policy - 1 && close(fd) == 0);
    redacting_open(&own, path, false);
    unlink(path);
    check_all(&own, examples, sizeof examples / sizeof *examples);
    redacting_close(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_may_stand_in_a_column_of_its_own),
        cmocka_unit_test(a_name_may_be_long_and_follow_any_mark),
        cmocka_unit_test(a_value_stands_near_its_sign),
        cmocka_unit_test(a_value_ends_where_the_text_does),
        cmocka_unit_test(what_stands_in_for_a_value_stays),
        cmocka_unit_test(prose_tells_a_password_that_is_quoted_or_has_a_digit),
        cmocka_unit_test(a_type_may_stand_between_name_and_sign),
        cmocka_unit_test(a_pair_may_be_written_with_blanks_and_escapes),
        cmocka_unit_test(the_next_argument_is_the_value),
        cmocka_unit_test(a_random_word_behind_a_word_for_it_is_a_secret),
        cmocka_unit_test(a_random_value_behind_a_services_name_is_its_key),
        cmocka_unit_test(a_key_may_stand_behind_a_colour),
        cmocka_unit_test(a_word_in_disguise_goes_whole),
        cmocka_unit_test(what_is_no_run_name_stays),
        cmocka_unit_test(an_address_goes_without_what_stands_around_it),
        cmocka_unit_test(what_is_no_address_stays),
        cmocka_unit_test(the_values_of_a_query_go_whatever_their_names),
        cmocka_unit_test(people_are_told_by_their_capitals),
        cmocka_unit_test(what_is_nobody_stays),
        cmocka_unit_test(variables_are_read_as_shells_and_containers_write_them),
        cmocka_unit_test(a_policy_says_of_names_and_values_what_they_are),
    };
    return cmocka_run_group_tests(tests, open_policies, close_policies);
}
