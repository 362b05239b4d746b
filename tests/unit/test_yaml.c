#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/yaml.h"

#include <unistd.h>

static struct yaml_document *read_text(const char *text, struct error *err)
{
    return yaml_read("t.yaml", slice_from(text), err);
}

static const char sample[] = "id: a-rule            # a comment\n"
                             "enabled: true\n"
                             "quoted: 'true'\n"
                             "length: [88, 90]\n"
                             "least: 2.5\n"
                             "reach: {class: base64, max: 12}\n"
                             "text: |\n"
                             "  two\n"
                             "  lines\n";

static void a_mapping_gives_its_values_by_key(void **state)
{
    (void)state;
    struct error err = {0};
    struct yaml_document *document = read_text(sample, &err);
    assert_non_null(document);
    const struct yaml_node *root = yaml_root(document), *reach = yaml_find(root, "reach");
    struct slice text;
    assert_true(yaml_text(yaml_find(root, "id"), &text, &err));
    assert_string_equal(text.data, "a-rule");
    assert_true(yaml_text(yaml_find(reach, "class"), &text, &err));
    assert_string_equal(text.data, "base64");
    assert_true(yaml_text(yaml_find(root, "text"), &text, &err));
    assert_string_equal(text.data, "two\nlines\n");
    assert_null(yaml_find(root, "Id"));
    assert_int_equal(root->count, 7);
    yaml_free(document);
}

static void nodes_know_where_they_stand(void **state)
{
    (void)state;
    struct error err = {0};
    struct yaml_document *document = read_text(sample, &err);
    assert_non_null(document);
    const struct yaml_node *length = yaml_find(yaml_root(document), "length");
    assert_int_equal(length->line, 4);
    assert_int_equal(length->column, 9);
    assert_int_equal(length->key->column, 1);
    assert_int_equal(length->first->next->line, 4);
    assert_int_equal(length->first->next->column, 14);
    yaml_free(document);
}

static void numbers_and_truth_values_are_plain_scalars(void **state)
{
    (void)state;
    struct error err = {0};
    struct yaml_document *document = read_text(sample, &err);
    assert_non_null(document);
    const struct yaml_node *root = yaml_root(document);
    bool flag = false;
    double number = 0;
    long integer = 0;
    assert_true(yaml_bool(yaml_find(root, "enabled"), &flag, &err));
    assert_true(flag);
    assert_true(yaml_number(yaml_find(root, "least"), 0, 8, &number, &err));
    assert_true(number > 2.49 && number < 2.51);
    assert_true(yaml_integer(yaml_find(root, "length")->first, 1, 100, &integer, &err));
    assert_int_equal(integer, 88);
    assert_false(yaml_bool(yaml_find(root, "quoted"), &flag, &err));
    assert_string_equal(err.text, "t.yaml:3:9: true or false is wanted here\n    quoted: 'true'\n            ^");
    yaml_free(document);
}

static void a_number_out_of_range_or_with_a_tail_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"n: 12x\n", "t.yaml:1:4: a whole number is wanted here\n    n: 12x\n       ^"},
        {"n: 1.5\n", "t.yaml:1:4: a whole number is wanted here\n    n: 1.5\n       ^"},
        {"n:\n", "t.yaml:1:1: a whole number is wanted here\n    n:\n    ^"},
        {"n: 101\n", "t.yaml:1:4: must lie between 1 and 100\n    n: 101\n       ^"},
        {"n: 99999999999999999999\n", "t.yaml:1:4: a whole number is wanted here\n    n: 99999999999999999999\n       ^"},
        {"n: [1]\n", "t.yaml:1:4: a whole number is wanted here\n    n: [1]\n       ^"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        long value = -7;
        struct yaml_document *document = read_text(cases[i].text, &err);
        assert_non_null(document);
        assert_false(yaml_integer(yaml_find(yaml_root(document), "n"), 1, 100, &value, &err));
        assert_string_equal(err.text, cases[i].error);
        assert_int_equal(value, -7);
        yaml_free(document);
    }
}

static void a_document_that_cannot_be_used_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: 'a' stands here twice: first in line 1\n    a: 3\n    ^"},
        {"a: &x 1\nb: *x\n", "t.yaml:1:7: anchors and aliases are not allowed here\n    a: &x 1\n          ^"},
        {"b: *x\n", "t.yaml:1:"},
        {"a: !!str 1\n", "t.yaml:1:10: tags are not allowed here\n    a: !!str 1\n             ^"},
        {"a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document: only one is allowed\n    ---\n    ^"},
        {"{[1]: 2}\n", "t.yaml:1:2: a key must be a plain text\n    {[1]: 2}\n     ^"},
        {"a: [1, 2\nb: 3\n", "t.yaml:"},
        {"a: 'open\n", "t.yaml:"},
        {"a: \"\\0\"\n", "t.yaml:1:4: a text must not hold a NUL\n    a: \"\\0\"\n       ^"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "t.yaml:1:17: nested too deeply"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        assert_null(read_text(cases[i].text, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        if (strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0) assert_string_equal(err.text, cases[i].error);
    }
}

static void an_unknown_key_is_answered_with_the_nearest_one(void **state)
{
    (void)state;
    static const char *const names[] = {"id", "title", "pattern", "boundary", NULL};
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"id: 1\npatern: x\n", "t.yaml:2:1: unknown key 'patern': did you mean 'pattern'?\n    patern: x\n    ^"},
        {"boundray: x\n", "t.yaml:1:1: unknown key 'boundray': did you mean 'boundary'?\n    boundray: x\n    ^"},
        {"colour: x\n", "t.yaml:1:1: unknown key 'colour': there are id, title, pattern and boundary\n    colour: x\n    ^"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct yaml_document *document = read_text(cases[i].text, &err);
        assert_non_null(document);
        assert_false(yaml_keys(yaml_root(document), names, &err));
        assert_string_equal(err.text, cases[i].error);
        yaml_free(document);
    }
}

static void the_caret_stands_under_the_place_also_after_wide_characters_and_in_long_lines(void **state)
{
    (void)state;
    struct error err = {0};
    struct yaml_document *document = read_text("\"\xc3\xa5\xc3\xa4\": x\n", &err);
    assert_non_null(document);
    assert_false(yaml_fail(yaml_root(document)->first, &err, "no"));
    assert_non_null(strstr(err.text, "\n    \"\xc3\xa5\xc3\xa4\": x\n          ^"));
    yaml_free(document);

    char text[700] = "key: ";
    memset(text + 5, 'y', 600);
    struct error longer = {0};
    document = read_text(text, &longer);
    assert_non_null(document);
    assert_false(yaml_fail(yaml_root(document)->first, &longer, "too long"));
    assert_true(strlen(longer.text) < 260);
    yaml_free(document);
}

static void an_error_shows_no_control_characters_of_the_file(void **state)
{
    (void)state;
    struct error err = {0};
    struct yaml_document *document = read_text("a: \x1b[31m\n", &err);
    if (document) assert_false(yaml_fail(yaml_root(document)->first, &err, "no"));
    yaml_free(document);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_null(strchr(err.text, '\x1b'));
}

static void an_empty_document_has_no_root(void **state)
{
    (void)state;
    struct error err = {0};
    struct yaml_document *document = read_text("# nothing\n", &err);
    assert_non_null(document);
    assert_null(yaml_root(document));
    yaml_free(document);
}

static void a_file_that_is_missing_is_named(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(yaml_open("/nonexistent/policy.yaml", &err));
    assert_string_equal(err.text, "cannot open '/nonexistent/policy.yaml': no such file or directory");
}

static void a_file_is_read_from_disk(void **state)
{
    (void)state;
    char path[] = "/tmp/test_yaml_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: b\n", 5), 5);
    close(fd);
    struct error err = {0};
    struct yaml_document *document = yaml_open(path, &err);
    unlink(path);
    assert_non_null(document);
    assert_string_equal(yaml_name(document), path);
    assert_string_equal(yaml_root(document)->first->text.data, "b");
    yaml_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_gives_its_values_by_key),
        cmocka_unit_test(nodes_know_where_they_stand),
        cmocka_unit_test(numbers_and_truth_values_are_plain_scalars),
        cmocka_unit_test(a_number_out_of_range_or_with_a_tail_is_refused),
        cmocka_unit_test(a_document_that_cannot_be_used_is_refused_with_its_place),
        cmocka_unit_test(an_unknown_key_is_answered_with_the_nearest_one),
        cmocka_unit_test(the_caret_stands_under_the_place_also_after_wide_characters_and_in_long_lines),
        cmocka_unit_test(an_error_shows_no_control_characters_of_the_file),
        cmocka_unit_test(an_empty_document_has_no_root),
        cmocka_unit_test(a_file_that_is_missing_is_named),
        cmocka_unit_test(a_file_is_read_from_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
