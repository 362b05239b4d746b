"""lethe test: verdicts, differences and errors; and the tests that ship pass."""
import re
import textwrap

import pytest

from conftest import ROOT

RUN = '{"runId":"brave_lemon_r4tz9wq7kd"}'


@pytest.fixture
def verdict(lethe, tmp_path):
    """Runs one test, given as the lines of its mapping."""
    def run(*lines, policy="standard"):
        text = f"policy: {policy}\ntests:\n  - name: the claim\n" + "".join(f"    {line}\n" for line in lines)
        (tmp_path / "t.yaml").write_text(text)
        return lethe.run("test", "t.yaml")
    return run


def passes(run):
    return (run.returncode, run.stdout) == (0, b"pass  t.yaml:3: the claim\n1 passed, 0 failed\n")


def fails(run):
    return run.returncode == 3 and run.stdout.startswith(b"FAIL  t.yaml:3: the claim\n") and run.stdout.endswith(b"0 passed, 1 failed\n")


# --- The tests that ship -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("profile", ["standard", "hbi"])
def test_the_profiles_keep_their_promises(lethe, profile):
    run = lethe.run("test", ROOT / f"tests/policies/{profile}.yaml")
    assert run.returncode == 0, run.stdout.decode()
    assert run.stdout.count(b"\npass ") >= 15


def test_the_promises_of_one_profile_are_not_those_of_the_other(lethe, tmp_path):
    text = (ROOT / "tests/policies/hbi.yaml").read_text()
    (tmp_path / "t.yaml").write_text(text.replace("policy: hbi", "policy: standard"))
    run = lethe.run("test", "t.yaml")
    assert run.returncode == 3
    assert run.stdout.count(b"FAIL ") >= 10


def test_the_example_of_the_documentation_passes(lethe, tmp_path):
    for name, page in [("our-policy.yaml", "docs/policies.md"), ("tests.yaml", "docs/scan.md")]:
        (tmp_path / name).write_text(re.search(r"^```yaml\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)[1])
    assert lethe.run("test", "tests.yaml").stdout.endswith(b"\n4 passed, 0 failed\n")


def test_the_example_of_the_help_passes(lethe, tmp_path):
    text = lethe.run("help", "test").stdout.decode().split("A FILE is YAML:\n")[1].split("In `becomes`")[0]
    (tmp_path / "t.yaml").write_text(textwrap.dedent(text))
    assert lethe.run("test", "t.yaml").stdout.endswith(b"\n3 passed, 0 failed\n")


# --- Expectations ------------------------------------------------------------------------------------------------------

AS_EXPECTED = [
    ["record: '{\"user\":\"ada\"}'", "unchanged: true"],
    ["record: '{\"password\":\"plum-Stone\"}'", "becomes: '{\"password\":\"[redacted:sensitive-name]\"}'"],
    ["record: {password: plum-Stone, n: 3, list: [a, '1', true, null]}",
     "becomes: {password: '[redacted:sensitive-name]', n: 3, list: [a, '1', true, null]}"],
    ["record: |", "  {\"a\":1}", "  {\"a\":2}", "becomes: |", "  {\"a\":1}", "  {\"a\":2}"],
    ["record: plain words", "becomes: '{\"message\":\"plain words\"}'"],
    ["record: plain words", "unchanged: true"],
    ["record: '{\"a\":'", "withheld: truncated"],
    [f"record: '{RUN}'", "becomes: '{\"runId\":\"<run>\"}'"],
    ["record: '{\"runId\":\"a-1-b\",\"parentRunId\":\"a-1-b\"}'", "becomes: '{\"runId\":\"<run:x>\",\"parentRunId\":\"<run:x>\"}'"],
]


NOT_AS_EXPECTED = [
    ["record: '{\"password\":\"plum-Stone\"}'", "unchanged: true"],
    ["record: '{\"user\":\"ada\"}'", "withheld: truncated"],
    ["record: '{\"a\":'", "withheld: depth"],
    ["record: '{\"a\":'", "unchanged: true"],
    ["record: '{\"a\":'", "becomes: '{\"a\":1}'"],
    ["record: '{\"user\":\"ada\"}'", "becomes: '{\"user\":\"bo\"}'"],
    ["record: '{\"user\":\"ada\"}'", "becomes: '{\"user\":\"ada\"}x'"],
    ["record: '{\"user\":\"ada\"}'", "becomes: '{\"user\":\"ada\"'"],
    ["record: '{\"user\":\"<run>\"}'", "becomes: '{\"user\":\"<run>\"}'"],
    ["record: |", "  {\"a\":1}", "  {\"a\":2}", "becomes: '{\"a\":1}'"],
    ["record: '{\"a\":1}'", "becomes: |", "  {\"a\":1}", "  {\"a\":2}"],
    [f"record: '{RUN}'", "becomes: '{\"runId\":\"<user>\"}'"],
    [f"record: '{RUN}'", "becomes: '{\"runId\":\"<ip>\"}'"],
    ["record: '{\"runId\":\"a-1-b\",\"parentRunId\":\"a-1-c\"}'", "becomes: '{\"runId\":\"<run:x>\",\"parentRunId\":\"<run:x>\"}'"],
    ["record: '{\"runId\":\"run-ABCD-abcdefghijklmnopqrstuvwxyz\"}'", "unchanged: true"],
]


def test_what_is_as_expected_passes_and_nothing_else(lethe, tmp_path):
    tests = [("good", lines) for lines in AS_EXPECTED] + [("bad", lines) for lines in NOT_AS_EXPECTED]
    (tmp_path / "t.yaml").write_text("policy: standard\ntests:\n" + "".join(
        f"  - name: {name} {n}\n" + "".join(f"    {line}\n" for line in lines) for n, (name, lines) in enumerate(tests)))
    verdicts = re.findall(r"^(pass|FAIL)  t.yaml:\d+: (\w+) (\d+)$", lethe.run("test", "t.yaml").stdout.decode(), re.MULTILINE)
    assert verdicts == [("pass" if name == "good" else "FAIL", name, str(n)) for n, (name, _) in enumerate(tests)]


def test_an_address_that_stays_is_no_pseudonym_of_itself(verdict):
    lines = ["record: '{\"callerIpAddress\":\"198.51.100.23\"}'", "becomes: '{\"callerIpAddress\":\"<ip>\"}'"]
    assert fails(verdict(*lines))
    assert passes(verdict(*lines, policy="hbi"))


def test_the_difference_is_shown_with_its_place(verdict):
    run = verdict("record: '{\"å\":1,\"password\":\"Canary7xQz\"}'", "becomes: '{\"å\":1,\"password\":\"***\"}'")
    assert run.stdout.decode().splitlines()[1:4] == [
        '      - {"å":1,"password":"***"}',
        '      + {"å":1,"password":"[redacted:sensitive-name]"}',
        '                           ^',
    ]
    assert b"Canary7xQz" not in run.stdout + run.stderr


def test_only_lines_that_differ_are_shown(verdict):
    run = verdict("record: |", "  {\"a\":1}", "  {\"a\":2}", "becomes: |", "  {\"a\":1}", "  {\"a\":3}")
    assert b'- {"a":3}' in run.stdout
    assert b'{"a":1}' not in run.stdout


# --- Policies ----------------------------------------------------------------------------------------------------------

def test_a_policy_is_found_from_where_the_test_is(lethe, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/policy.yaml").write_text("extends: standard\nsecret-names: [badge]\n")
    (tmp_path / "ours/tests.yaml").write_text(
        "policy: policy.yaml\ntests:\n"
        "  - {name: badges go, record: {badge: B-77}, becomes: {badge: '[redacted:sensitive-name]'}}\n")
    run = lethe.run("test", "ours/tests.yaml")
    assert (run.returncode, run.stdout) == (0, b"pass  ours/tests.yaml:3: badges go\n1 passed, 0 failed\n")


def test_files_are_counted_together(lethe, tmp_path):
    for name, record in (("a.yaml", "{user: ada}"), ("b.yaml", "{password: plum}")):
        (tmp_path / name).write_text(f"policy: standard\ntests:\n  - {{name: x, record: {record}, unchanged: true}}\n")
    run = lethe.run("test", "a.yaml", "b.yaml")
    assert run.returncode == 3
    assert run.stdout.endswith(b"\n1 passed, 1 failed\n")


# --- Errors ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, message", [
    ("policy: standard\ntests:\n  - {name: x, recrod: y, unchanged: true}\n", b"t.yaml:3:15: unknown key 'recrod': did you mean 'record'?"),
    ("policy: standard\ntests:\n  - {name: x, record: y}\n", b"t.yaml:3:5: a test wants one of becomes, unchanged and withheld"),
    ("policy: standard\ntests:\n  - {name: x, record: y, unchanged: true, withheld: depth}\n", b"t.yaml:3:5: a test wants one of"),
    ("policy: standard\ntests:\n  - {name: x, record: y, unchanged: false}\n", b"t.yaml:3:37: only 'unchanged: true' makes sense"),
    ("policy: standard\ntests:\n  - {name: x, record: y, withheld: deph}\n", b"t.yaml:3:36: unknown reason 'deph'"),
    ("policy: standard\ntests:\n  - {name: x, record: '', unchanged: true}\n", b"t.yaml:3:23: an empty record"),
    ("policy: standard\ntests:\n  - {record: y, unchanged: true}\n", b"t.yaml:3:5: a test wants a name and a record"),
    ("policy: standard\n", b"t.yaml:1:1: wants policy and tests"),
    ("policy: standard\ntests: 3\n", b"t.yaml:2:8: "),
    ("policy: none.yaml\ntests: []\n", b"none.yaml"),
    ("", b"t.yaml: there is no test in it"),
    ("policy: [\n", b"t.yaml:"),
])
def test_a_file_with_a_mistake_gives_2_and_its_place(lethe, tmp_path, text, message):
    (tmp_path / "t.yaml").write_text(text)
    run = lethe.run("test", "t.yaml")
    assert run.returncode == 2
    assert message in run.stderr


def test_the_line_is_shown_with_a_caret(lethe, tmp_path):
    (tmp_path / "t.yaml").write_text("policy: standard\ntest: []\n")
    assert lethe.run("test", "t.yaml").stderr.decode().splitlines()[1:] == ["    test: []", "    ^"]


def test_wrong_usage_gives_2(lethe):
    for arguments in ([], ["none.yaml"], ["--policy", "hbi", "t.yaml"]):
        assert lethe.run("test", *arguments).returncode == 2
