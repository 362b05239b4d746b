#include "commands.h"

const struct command commands[] = {
    {"redact", "[PATH... or -]", "read exported logs, write clean ones", FOR_REDACT, command_redact,
     "A PATH is a file, a folder (all files below it), a quoted pattern, - for standard input, or the address of a container\n"
     "of Azure blob storage and the beginning of names in it. Packed files (gzip) are recognised by content. JSON Lines,\n"
     "arrays, {\"records\":[...]} and plain text are recognised, too.\n"
     "\n"
     "Examples:\n"
     "  lethe redact export/ > clean.ndjson\n"
     "  lethe redact export/ -o clean/ --key-file lethe.key --report report.json\n"
     "  lethe redact 'logs/*.json.gz' -o clean.ndjson.gz --policy hbi\n"
     "  az monitor activity-log list | lethe redact -\n"
     "  lethe redact https://ACCOUNT.blob.core.windows.net/insights-logs-amlrunevent/ -o clean/ --sas-file sas.txt\n"
     "\n"
     "Exit codes:\n"
     "  0  done\n"
     "  1  some input could not be read or some output not written; the rest was done\n"
     "  2  wrong usage, policy or key file; nothing was done\n"
     "  3  done, but some records could not be examined and were withheld\n"},
    {"run", "", "the streaming collector: from sources to sinks, until told to stop", FOR_RUN, command_run,
     "Without a configuration it reads standard input and writes standard output. SIGTERM stops in order, SIGHUP reads\n"
     "configuration, policy and keys anew.\n"
     "\n"
     "Examples:\n"
     "  some-program | lethe run > clean.ndjson\n"
     "  lethe check -c lethe.yaml && lethe run -c lethe.yaml\n"
     "\n"
     "Exit codes:\n"
     "  0  stopped in order\n"
     "  1  something read could not be delivered, or a sink cannot go on\n"
     "  2  wrong usage, configuration, policy or key file; nothing was done\n"},
    {"scan", "[PATH... or -]", "say what leaks where, rewrite nothing", FOR_SCAN, command_scan,
     "Reads as redact does and writes a finding for everything that redact would remove: file, line, place in the record,\n"
     "rule, what it would become and a keyed fingerprint of the value, never the value. With the same key file a value has\n"
     "the same fingerprint in every run.\n"
     "\n"
     "Clean output has no findings: lethe knows its own marks, and with the key file its own pseudonyms. Without it, and for\n"
     "pseudonyms of another key, each is reported as the run name or person it stands for.\n"
     "\n"
     "Examples:\n"
     "  lethe scan export/\n"
     "  lethe scan clean/ --key-file lethe.key --policy hbi && echo clean\n"
     "  lethe scan export/ --format sarif --key-file lethe.key -o leaks.sarif\n"
     "  lethe scan 'logs/*.gz' --format json | jq -r 'select(.rule) | .rule' | sort | uniq -c\n"
     "\n"
     "Exit codes:\n"
     "  0  nothing found\n"
     "  1  some input could not be read, or the findings not be written\n"
     "  2  wrong usage, policy or key file; nothing was done\n"
     "  3  something was found, or some records could not be examined\n"},
    {"explain", "[PATH... or -]", "show record by record what goes, and why", FOR_EXPLAIN, command_explain,
     "For each record: where it stands, its kind, a line for each finding (place, encodings around it, rule, action, what it\n"
     "becomes), then the record as it would come out. Replacements are highlighted on a terminal (unless NO_COLOR is set).\n"
     "What is removed is never shown.\n"
     "\n"
     "Places: a.b[2] is a member of an array in a member, a!.b goes on in the JSON inside the string a, a~percent in what a\n"
     "decodes to; ? is a key that is itself removed.\n"
     "\n"
     "Examples:\n"
     "  lethe explain export/runs.jsonl | less -R\n"
     "  head -n 1 run.log | lethe explain - --policy our-policy.yaml\n"
     "  lethe explain export/ --only-changed\n"
     "\n"
     "Exit codes: as of lethe redact\n"},
    {"test", "FILE...", "run the unit tests of a policy", FOR_TEST, command_test,
     "A FILE is YAML:\n"
     "  policy: standard              # or hbi, or the path of a policy file, from where FILE is\n"
     "  tests:\n"
     "    - name: run names become pseudonyms\n"
     "      record: '{\"runId\":\"brave_lemon_r4tz9wq7kd\"}'\n"
     "      becomes: '{\"runId\":\"<run>\"}'\n"
     "    - name: users stay\n"
     "      record: '{\"user\":\"ada\"}'\n"
     "      unchanged: true\n"
     "    - name: what is cut off is not passed on\n"
     "      record: '{\"user\":'\n"
     "      withheld: truncated\n"
     "In `becomes`, <run>, <user>, <name> and <ikey> stand for a pseudonym of that kind and <ip> for another address than\n"
     "those in the record. With a label, as in <run:a>, equal ones stand for equal texts.\n"
     "\n"
     "Examples:\n"
     "  lethe test our-policy-tests.yaml\n"
     "  lethe test tests/policies/*.yaml\n"
     "\n"
     "Exit codes:\n"
     "  0  all passed\n"
     "  2  a test or its policy cannot be read\n"
     "  3  some failed\n"},
    {"rules", "[RULE...]", "list what is looked for, or show rules in detail", FOR_RULES, command_rules,
     "Examples:\n"
     "  lethe rules\n"
     "  lethe rules azure-storage-key\n"},
    {"check", "", "read policy and key file, say what would be done", FOR_CHECK, command_check,
     "Example:\n"
     "  lethe check --policy our-policy.yaml --key-file lethe.key\n"},
    {"keygen", "-o FILE", "make or rotate keys, of pseudonyms and for sealing", FOR_KEYGEN, command_keygen,
     "With the same key file equal names get equal pseudonyms in every run and on every machine. Keep it as secret as the\n"
     "logs themselves: who has it can test guesses. An existing file is never overwritten; --add replaces it in one step by\n"
     "one that has a key more.\n"
     "\n"
     "Examples:\n"
     "  lethe keygen -o lethe.key\n"
     "  lethe keygen --add -o lethe.key\n"
     "  lethe keygen --seal -o audit.key && lethe redact export/ -o clean/ --sealed withheld.jsonl --seal-key audit.key.pub\n"},
    {"unseal", "FILE...", "open sealed records, where the private key is", FOR_UNSEAL, command_unseal,
     "Opens what lethe redact --sealed kept of records that were withheld. What comes out is raw. Lines that cannot be opened\n"
     "are told with file and line; the rest goes on.\n"
     "\n"
     "Examples:\n"
     "  lethe unseal withheld.jsonl --key-file audit.key -o raw.jsonl\n"
     "  lethe unseal withheld.jsonl --key-file audit.key --format raw | lethe redact --max-depth 500 - > rest.ndjson\n"
     "\n"
     "Exit codes:\n"
     "  0  all opened; records that were too long to be kept count as opened\n"
     "  1  some line or file could not be opened, or the output not be written\n"
     "  2  wrong usage or key file; nothing was done\n"},
    {"completion", "", "print what completes lethe's words in a shell", FOR_MANUAL, command_completion,
     "For bash, and for zsh after `autoload -U bashcompinit && bashcompinit`.\n"
     "\n"
     "Example:\n"
     "  lethe completion > /usr/share/bash-completion/completions/lethe\n"},
    {"manual", "", "print all of this help as a manual page", FOR_MANUAL, command_manual,
     "Example:\n"
     "  lethe manual | man -l -\n"},
    {.name = NULL},
};
