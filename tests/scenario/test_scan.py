"""lethe scan: what is found, how it is told, and that the value itself is never told."""
import gzip
import json
import os
import re
import urllib.parse

import pytest

from conftest import ROOT

CANARY = "Canary7xQz"   # part of every secret here: must be in no output
LEAK = b'{"user":"ada","password":"%s-plum"}\n' % CANARY.encode()
CLEAN = b'{"user":"ada","n":1}\n'
STORAGE_KEY = "FmhAhk/SeO3DHmtdMzxnKZ/BlUnyy1sEvzxiglr1PQWTrEzHzJiJQPol2Y60VW6lRCopwECevleS+AStUlZlgg=="


@pytest.fixture
def scan(lethe):
    """Runs lethe scan and sees to it that no byte of a secret comes out."""
    def run(*arguments, **more):
        result = lethe.run("scan", *arguments, **more)
        assert CANARY.encode() not in result.stdout + result.stderr
        return result
    return run


@pytest.fixture
def key_file(lethe):
    assert lethe.run("keygen", "-o", "lethe.key").returncode == 0
    return "lethe.key"


def entries(run):
    return [json.loads(line) for line in run.stdout.splitlines()]


def findings(scan, text, *arguments):
    """The findings in a text, as (rule, path)."""
    return [(e["rule"], e["path"]) for e in entries(scan("--format", "json", *arguments, stdin=text)) if "rule" in e]


# --- Exit codes --------------------------------------------------------------------------------------------------------

def test_clean_input_gives_nothing_and_0(scan):
    run = scan("-", stdin=CLEAN)
    assert (run.returncode, run.stdout) == (0, b"")


def test_a_finding_gives_3(scan):
    assert scan("-", stdin=LEAK).returncode == 3


def test_a_record_that_cannot_be_examined_gives_3(scan):
    run = scan("-", stdin=b'{"password":"%s' % CANARY.encode())
    assert run.returncode == 3
    assert run.stdout == b"stdin:1: record not examined: ends inside a string, an object or an array (byte 23)\n"


def test_an_unreadable_input_gives_1_and_the_others_are_read(scan, tmp_path):
    (tmp_path / "b.jsonl").write_bytes(LEAK)
    run = scan("a.jsonl", "b.jsonl")
    assert run.returncode == 1
    assert run.stdout.startswith(b"b.jsonl:1: password: sensitive-name ")


def test_wrong_usage_gives_2(scan):
    for arguments in (["--format", "xml"], ["--jobs", "0"], ["-o", "."], ["--resume"], ["--policy", "none.yaml"], ["--key-file", "none.key"]):
        assert scan("-", *arguments, stdin=LEAK).returncode == 2


def test_an_input_is_not_overwritten_with_findings(scan, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(LEAK)
    assert scan("in.jsonl", "-o", "in.jsonl").returncode == 2
    assert (tmp_path / "in.jsonl").read_bytes() == LEAK


def test_nothing_is_rewritten(scan, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(LEAK)
    scan("in")
    assert os.listdir(tmp_path) == ["in"]
    assert (tmp_path / "in/a.jsonl").read_bytes() == LEAK


# --- What is told of a finding -----------------------------------------------------------------------------------------

def test_a_line_names_place_rule_and_replacement(scan):
    run = scan("-", "--quiet", stdin=CLEAN + LEAK)
    assert re.fullmatch(rb"stdin:2: password: sensitive-name \(secret, medium confidence\), becomes \[redacted:sensitive-name\], "
                        rb"fingerprint [a-z2-7]{16}\n", run.stdout)
    assert run.stderr == b""


def test_the_summary_counts_rules_and_different_values(scan):
    run = scan("-", stdin=LEAK + LEAK + b'{"token":"%s-fig","key":"%s"}\n' % (CANARY.encode(), STORAGE_KEY.encode()))
    rows = dict(line.rsplit(None, 1) for line in run.stderr.decode().splitlines() if line[-1].isdigit())
    rows = {name.strip(): int(count) for name, count in rows.items()}
    assert rows["records"] == 3
    assert rows["findings"] == 4
    assert rows["sensitive-name"] + rows.get("azure-storage-key", 0) == 4
    assert rows["different values"] == 3


def test_json_lines_hold_a_finding_each_and_end_in_a_summary(scan):
    text = b'{"time":"2026-03-14T09:40:00Z","a":[{"b":"{\\"password\\":\\"%s-plum\\"}"}]}\n{"bad\n' % CANARY.encode()
    found, withheld, last = entries(scan("--format", "json", stdin=text))
    assert re.fullmatch("[a-z2-7]{16}", found.pop("fingerprint"))
    assert found == {"file": "stdin", "line": 1, "kind": "unknown", "path": "a[0].b!.password", "rule": "sensitive-name",
                     "class": "secret", "confidence": "medium", "action": "mask", "becomes": "[redacted:sensitive-name]"}
    assert withheld == {"file": "stdin", "line": 2, "withheld": "truncated", "byte": text.index(b"{\"bad") + 5}
    assert last["summary"]["findings"] == last["summary"]["different_values"] == last["summary"]["withheld"] == 1
    assert last["summary"]["records"] == 2
    assert last["summary"]["findings_by_rule"] == {"sensitive-name": 1}
    assert last["summary"]["exit_code"] == 3


def test_the_line_is_that_of_the_finding_in_a_record_over_many_lines(scan):
    text = b'{\n "a": 1,\n "password": "%s-plum",\n "b": {\n  "token": "%s-fig"\n }\n}\n{"token":"%s-fig"}\n' % ((CANARY.encode(),) * 3)
    assert [e["line"] for e in entries(scan("--format", "json", stdin=text))[:-1]] == [3, 5, 8]


SECRET_KEYS = [
    b'{"m":{"amqp://a:%s@x.example/":{"password":"plum"}}}',
    b'{"password":"%s","m":{"about %s":{"password":"plum"}}}',
    b'{"password":"%s","m":{"about%%20%s":{"password":"plum"}}}',
    b'{"password":"%s","m":{"x":"{\\"about %s\\":{\\"password\\":\\"plum\\"}}"}}',
    b'{"m":{"%s":{"password":"plum"}},"password":"%s"}',
]


def test_a_key_that_holds_a_secret_is_not_told(scan):
    text = b"\n".join(SECRET_KEYS).replace(b"%s", CANARY.encode()).replace(b"%%", b"%")
    found = entries(scan("--format", "json", stdin=text))[:-1]
    assert {e["line"] for e in found} == set(range(1, len(SECRET_KEYS) + 1))


def test_a_key_that_holds_a_secret_is_a_question_mark(scan):
    text = (b'{"password":"%s","m":{"about %s":{"token":"plum-77-stone"},"open":{"token":"plum-78-stone"}}}'
            % (CANARY.encode(), CANARY.encode()))
    assert findings(scan, text) == [("sensitive-name", "password"), ("echo", "m.? (key)"), ("sensitive-name", "m.?.token"),
                                    ("sensitive-name", "m.open.token")]


def test_paths_count_elements_and_know_the_way_back(scan):
    text = b'{"a":[[{"password":"a1"},3,{"x":{"token":"plum-77-stone"},"password":"a2"}],{"password":"a3"}],"b":[{"password":"a4"}]}'
    assert [path for _, path in findings(scan, text)] == [
        "a[0][0].password", "a[0][2].x.token", "a[0][2].password", "a[1].password", "b[0].password"]


def test_an_empty_key_has_its_place_in_a_path(scan):
    assert findings(scan, b'{"":"{\\"\\":{\\"password\\":\\"plum\\"}}"}') == [("sensitive-name", "''!.''.password")]


def test_a_path_may_be_longer_than_anybody_wants_to_read(scan):
    text = b'{"k":' * 100 + b'{"' + b"n" * 2000 + b'":{"password":"%s"}}' % CANARY.encode() + b"}" * 100
    ((rule, path),) = findings(scan, text)
    assert rule == "sensitive-name"
    assert path.startswith("k.k.k.")


def test_a_name_that_would_steer_a_terminal_is_shown(scan, tmp_path):
    (tmp_path / "a\x1b[2J.jsonl").write_bytes(b'{"x\xc2\x9b2J":{"password":"%s"}}\n' % CANARY.encode())
    run = scan("a\x1b[2J.jsonl")
    assert run.stdout.startswith(rb"a\x1b[2J.jsonl:1: 'x\xc2\x9b2J'.password: ")


@pytest.mark.parametrize("form", ["text", "sarif"])
def test_the_number_of_jobs_changes_nothing(scan, tmp_path, key_file, form):
    (tmp_path / "in").mkdir()
    for n in range(20):
        records = b"".join(b'{"n":%d,"password":"%s-%d"}\n' % (i, CANARY.encode(), i % 97) for i in range(400))
        (tmp_path / f"in/{n:02}.jsonl").write_bytes(records + b'{"bad\n')
    one, four = (scan("in", "--format", form, "--key-file", key_file, "--jobs", jobs) for jobs in (1, 4))
    assert one.stdout == four.stdout
    assert one.stdout.count(b"sensitive-name") >= 8000
    assert one.stderr == four.stderr


def test_findings_go_to_a_file_of_its_owner(scan, tmp_path):
    assert scan("-", "-o", "findings.json.gz", "--format", "json", stdin=LEAK).stdout == b""
    lines = gzip.decompress((tmp_path / "findings.json.gz").read_bytes()).splitlines()
    assert json.loads(lines[0])["rule"] == "sensitive-name"
    assert (tmp_path / "findings.json.gz").stat().st_mode & 0o777 == 0o600


# --- Fingerprints ------------------------------------------------------------------------------------------------------

def fingerprints(run):
    return [e["fingerprint"] for e in entries(run) if "fingerprint" in e]


def test_a_value_has_one_fingerprint_with_one_key_file(scan, key_file):
    text = LEAK + b'{"m":"password=%s-plum"}\n{"password":"%s-fig"}\n' % ((CANARY.encode(),) * 2)
    first, second = (fingerprints(scan("--format", "json", "--key-file", key_file, stdin=text)) for _ in range(2))
    assert first == second
    assert first[0] == first[1] != first[2]


def test_without_a_key_file_fingerprints_hold_for_one_run(scan):
    first, second = (scan("--format", "json", stdin=LEAK) for _ in range(2))
    assert fingerprints(first) != fingerprints(second)
    assert entries(first)[-1]["summary"]["lasting_fingerprints"] is False
    assert b"no --key-file" in first.stderr


# --- lethe's own output ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("policy", ["standard", "hbi"])
def test_lethes_own_output_has_no_findings(lethe, scan, key_file, policy):
    options = ["--policy", policy, "--key-file", key_file]
    samples = ROOT / "samples/export"
    assert scan(samples, *options).returncode == 3
    assert lethe.redact(samples, "-o", "clean/", *options).returncode == 0
    run = scan("clean", *options)
    assert (run.returncode, run.stdout) == (0, b"")


def test_pseudonyms_of_another_key_are_run_names(lethe, scan, key_file):
    lethe.run("keygen", "-o", "other.key")
    clean = lethe.redact("-", "--key-file", "other.key", stdin=b'{"runId":"brave_lemon_r4tz9wq7kd"}\n').stdout
    assert findings(scan, clean, "--key-file", "other.key") == []
    assert findings(scan, clean, "--key-file", key_file) == [("run-name", "runId")]
    assert findings(scan, clean) == [("run-name", "runId")]


def test_an_address_cannot_be_told_from_its_pseudonym(scan):
    run = scan("-", "--policy", "hbi", "--format", "json", stdin=b'{"callerIpAddress":"198.51.100.23"}\n')
    assert run.returncode == 0
    assert entries(run)[-1]["summary"]["addresses"] == 1


@pytest.mark.parametrize("action", ["mask", "truncate"])
def test_an_address_that_does_not_become_another_is_found(scan, tmp_path, action):
    (tmp_path / "p.yaml").write_text(f"extends: hbi\nclasses: {{ip-address: {action}}}\n")
    assert findings(scan, b'{"callerIpAddress":"198.51.100.23"}\n', "--policy", "p.yaml") == [("ip-address", "callerIpAddress")]


# --- Forgeries ---------------------------------------------------------------------------------------------------------

FORGED_MARKS = [
    f"[redacted:{CANARY}-plum]",
    f"[redacted:sensitive-name]{CANARY}-plum",
    f"{CANARY}-plum[redacted:sensitive-name]",
    f"[redacted:sensitive-name] {CANARY}-plum [redacted:sensitive-name]",
    f"[redacted:sensitive-name{CANARY}]",
    f"[REDACTED:{CANARY}]",
    f"[redacted:jwt.{CANARY}]",
]


def found_lines(run):
    """Which rules found something on which line."""
    found = {}
    for e in entries(run)[:-1]:
        found.setdefault(e["line"], []).append((e["rule"], e["path"]))
    return found


def lines(records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_a_forged_mark_that_carries_a_secret_is_found(scan):
    run = scan("--format", "json", stdin=lines({"password": mark} for mark in FORGED_MARKS))
    assert found_lines(run) == {n + 1: [("sensitive-name", "password")] for n in range(len(FORGED_MARKS))}


def test_a_key_in_a_forged_mark_in_a_text_is_found(scan):
    carriers = ["[redacted:%s]", "[redacted:jwt]%s", "[redacted:jwt] %s", "run-ABCD-%s", "[redacted:jwt][redacted:%s"]
    run = scan("--format", "json", stdin=lines({"note": "see " + carrier % STORAGE_KEY} for carrier in carriers))
    assert found_lines(run) == {n + 1: [("azure-storage-key", "note")] for n in range(len(carriers))}
    assert STORAGE_KEY[:12].encode() not in run.stdout


def test_a_forged_pseudonym_is_found(scan, key_file):
    key_id = entries(scan("--format", "json", "--key-file", key_file, stdin=CLEAN))[-1]["summary"]["key_id"]
    tails = ["canarycanarycanarycanaryca", "abcdefghijklmnopqrstuvwxyz", "22222222222222222222222222"]
    forged = [f"{kind}-{key_id}-{tail}" for kind in ("run", "user", "name", "ikey") for tail in tails]
    run = scan("--format", "json", "--key-file", key_file, stdin=lines({"runId": name, "password": name} for name in forged))
    assert {line: sorted(path for _, path in found) for line, found in found_lines(run).items()} == {
        n + 1: ["password", "runId"] for n in range(len(forged))}


def test_a_pseudonym_with_a_tail_is_found(lethe, scan, key_file):
    clean = lethe.redact("-", "--key-file", key_file, stdin=b'{"runId":"brave_lemon_r4tz9wq7kd"}\n').stdout
    pseudonym = json.loads(clean)["runId"]
    names = [pseudonym, pseudonym + CANARY, pseudonym + "-" + CANARY, CANARY + pseudonym, pseudonym[:-1] + "a2"]
    run = scan("--format", "json", "--key-file", key_file, stdin=lines({"password": name} for name in names))
    assert found_lines(run) == {n: [("sensitive-name", "password")] for n in (2, 3, 4, 5)}


# --- SARIF -------------------------------------------------------------------------------------------------------------
# The rules of the SARIF 2.1.0 schema for the objects that occur: which properties there may be and which there must be.
# The schema allows no others but in property bags.

OBJECTS = {
    "log": ({"$schema", "version", "runs", "inlineExternalProperties", "properties"}, {"version", "runs"}),
    "run": ({"tool", "invocations", "results", "artifacts", "automationDetails", "columnKind", "originalUriBaseIds", "properties"}, {"tool"}),
    "tool": ({"driver", "extensions", "properties"}, {"driver"}),
    "driver": ({"name", "version", "semanticVersion", "informationUri", "rules", "organization", "properties"}, {"name"}),
    "rule": ({"id", "name", "shortDescription", "fullDescription", "helpUri", "help", "defaultConfiguration", "properties"}, {"id"}),
    "configuration": ({"enabled", "level", "rank", "parameters", "properties"}, set()),
    "result": ({"ruleId", "ruleIndex", "level", "kind", "message", "locations", "partialFingerprints", "fingerprints", "properties"},
               {"message"}),
    "message": ({"text", "markdown", "id", "arguments", "properties"}, {"text"}),
    "location": ({"id", "physicalLocation", "logicalLocations", "message", "properties"}, set()),
    "physicalLocation": ({"artifactLocation", "region", "contextRegion", "properties"}, {"artifactLocation"}),
    "artifactLocation": ({"uri", "uriBaseId", "index", "description", "properties"}, {"uri"}),
    "region": ({"startLine", "startColumn", "endLine", "endColumn", "charOffset", "byteOffset", "properties"}, {"startLine"}),
    "logicalLocation": ({"name", "index", "fullyQualifiedName", "decoratedName", "kind", "properties"}, set()),
    "invocation": ({"executionSuccessful", "exitCode", "commandLine", "toolExecutionNotifications", "properties"}, {"executionSuccessful"}),
    "notification": ({"level", "message", "locations", "descriptor", "properties"}, {"message"}),
}
LEVELS = {"none", "note", "warning", "error"}
URI_REFERENCE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://[A-Za-z0-9.:-]*)?(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*(?:\?[^ #]*)?(?:#[^ ]*)?")


def check(kind, value):
    allowed, required = OBJECTS[kind]
    assert isinstance(value, dict), kind
    assert required <= set(value) <= allowed, (kind, set(value))
    return value


def check_uri(uri):
    assert URI_REFERENCE.fullmatch(uri), uri


def check_message(message):
    text = check("message", message)["text"]
    assert text
    assert not re.search(r"(?<!\{)\{(\{\{)*(?!\{)", text), "a single brace begins an argument"
    assert not re.search(r"\]\(", text), "an embedded link"


def check_locations(locations):
    for location in locations:
        physical = check("physicalLocation", check("location", location)["physicalLocation"])
        check_uri(check("artifactLocation", physical["artifactLocation"])["uri"])
        if "region" in physical:
            line = check("region", physical["region"])["startLine"]
            assert isinstance(line, int) and line >= 1
        for logical in location.get("logicalLocations", []):
            assert check("logicalLocation", logical)["fullyQualifiedName"]


def check_rules(rules):
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        check("rule", rule)
        check_message(rule["shortDescription"])
        if "helpUri" in rule:
            assert rule["helpUri"].startswith("https://")
            check_uri(rule["helpUri"])
        assert check("configuration", rule["defaultConfiguration"])["level"] in LEVELS


def check_results(results, rules):
    for result in results:
        check("result", result)
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS
        check_message(result["message"])
        check_locations(result["locations"])
        assert len(result["locations"]) == 1
        assert all(isinstance(value, str) and value for value in result.get("partialFingerprints", {}).values())


def check_log(run):
    """The only run of a log that keeps the rules."""
    log = check("log", json.loads(run.stdout))
    assert log["version"] == "2.1.0"
    check_uri(log["$schema"])
    (only,) = log["runs"]
    driver = check("driver", check("tool", check("run", only)["tool"])["driver"])
    assert driver["name"] == "lethe"
    check_rules(driver["rules"])
    check_results(only["results"], driver["rules"])
    for invocation in only["invocations"]:
        assert isinstance(check("invocation", invocation)["executionSuccessful"], bool)
        for notification in invocation["toolExecutionNotifications"]:
            check_message(check("notification", notification)["message"])
            check_locations(notification["locations"])
    return only


def test_sarif_of_the_samples_keeps_the_rules_of_the_schema(scan, key_file):
    log = check_log(scan(ROOT / "samples/export", "--format", "sarif", "--key-file", key_file))
    assert len(log["results"]) > 50
    assert all(list(result["partialFingerprints"]) == ["valueFingerprint/v1"] for result in log["results"])


def test_sarif_of_nothing_has_no_results(scan):
    log = check_log(scan("-", "--format", "sarif", stdin=b""))
    assert log["results"] == []
    assert log["invocations"] == [{"executionSuccessful": True, "exitCode": 0, "toolExecutionNotifications": []}]


def test_sarif_names_rule_line_and_place(scan, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(CLEAN + json.dumps({"a": {"b{c}": "key " + STORAGE_KEY}}).encode() + b"\n")
    (result,) = check_log(scan("in", "--format", "sarif"))["results"]
    assert (result["ruleId"], result["level"]) == ("azure-storage-key", "error")
    assert result["message"]["text"] == ("Azure Storage account key at a.'b{{c}}'; lethe redact would write [redacted:azure-storage-key]")
    assert result["locations"] == [{
        "physicalLocation": {"artifactLocation": {"uri": "in/a.jsonl"}, "region": {"startLine": 2}},
        "logicalLocations": [{"fullyQualifiedName": "a.'b{c}'"}]}]
    assert "partialFingerprints" not in result


def test_sarif_gives_files_below_the_folder_by_their_path_from_it(scan, tmp_path):
    (tmp_path / "in").mkdir()
    names = ["a b%ä.jsonl", "b:c.jsonl", "c?#.jsonl"]
    for name in names:
        (tmp_path / "in" / name).write_bytes(LEAK)
    results = check_log(scan(f"in/{names[0]}", f"./in/{names[1]}", tmp_path / "in" / names[2], "--format", "sarif"))["results"]
    assert [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results] == [
        "in/a%20b%25%C3%A4.jsonl", "in/b%3Ac.jsonl", "in/c%3F%23.jsonl"]


def test_sarif_gives_other_files_by_their_whole_path(scan, tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "a.jsonl"
    other.write_bytes(LEAK)
    (result,) = check_log(scan(other, "--format", "sarif"))["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "file://" + urllib.parse.quote(str(other))


def test_sarif_tells_of_withheld_records_and_unread_inputs(scan, tmp_path):
    (tmp_path / "b.jsonl").write_bytes(CLEAN + b'{"a":%s}\n' % CANARY.encode())
    log = check_log(scan("a.jsonl", "b.jsonl", "--format", "sarif"))
    (result,) = log["results"]
    assert (result["ruleId"], result["properties"]["withheld"]) == ("record-not-examined", "syntax")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2
    (invocation,) = log["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 1)
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a.jsonl"


def test_sarif_findings_of_many_files_are_one_list(scan, tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(9):
        (tmp_path / f"in/{n}.jsonl").write_bytes(LEAK if n % 2 else CLEAN)
    assert len(check_log(scan("in", "--format", "sarif", "--jobs", "3"))["results"]) == 4
