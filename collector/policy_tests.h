/* Unit tests of a policy, as lethe test runs them. A file, in YAML:
 *
 *   policy: standard              # or hbi, or the path of a policy file, from where this file is
 *   tests:
 *     - name: a password in a URL goes
 *       record: '{"url":"amqp://app:s3cret-Pw@mq.example"}'
 *       becomes: '{"url":"amqp://app:[redacted:url-password]@mq.example"}'
 *     - name: ...
 *       record: ...
 *       unchanged: true           # or
 *       withheld: truncated       # the label of a reason
 *
 * A record is a text: one line of JSON or of anything else, or several records in a block (|). Record and result are
 * compared byte for byte, save for line breaks at their end. A record written as a mapping stands for the JSON object.
 *
 * In `becomes`, <run>, <user>, <name> and <ikey> stand for any pseudonym of that kind and <ip> for any address that is not in
 * the record. With a label, <run:a>, equal ones stand for equal texts.
 *
 * Keys of pseudonyms are made for the run. Thread: one. */
#ifndef LETHE_COLLECTOR_POLICY_TESTS_H
#define LETHE_COLLECTOR_POLICY_TESTS_H

#include "base/error.h"

#include <stddef.h>

struct policy_test_counts {
    size_t passed, failed;
};

/* Runs the tests of a file and prints a line for each, and for one that fails the difference. False: the file or its policy
 * cannot be read. */
MUST_USE bool policy_tests_run(const char *path, FILE *out, bool colour, struct policy_test_counts *, struct error *);

#endif
