"""lethe explain: what is shown of each record, and that the secret is not."""
import os
import pty
import re
import subprocess

import pytest

from conftest import BINARY

CANARY = b"Canary7xQz"
LEAK = b'{"user":"ada","password":"%s-plum"}\n' % CANARY
CLEAN = b'{"user":"ada","n":1}\n'
NAME_RULE = b"sensitive-name, value under a name that announces a secret; mask -> [redacted:sensitive-name]"


@pytest.fixture
def explain(lethe):
    """Runs lethe explain and sees to it that no byte of a secret comes out."""
    def run(*arguments, **more):
        result = lethe.run("explain", *arguments, **more)
        assert CANARY not in result.stdout + result.stderr
        return result
    return run


def test_a_record_is_shown_with_its_findings_and_as_it_would_come_out(explain):
    run = explain("-", stdin=LEAK)
    assert run.returncode == 0
    assert run.stderr == b""
    assert run.stdout == (b'stdin:1  unknown, 1 finding\n  password: ' + NAME_RULE +
                          b'\n  {"user":"ada","password":"[redacted:sensitive-name]"}\n\n')


def test_a_clean_record_is_shown_as_such(explain):
    assert explain("-", stdin=CLEAN).stdout == b'stdin:1  unknown, nothing found\n  {"user":"ada","n":1}\n\n'


def test_standard_input_is_read_when_no_path_is_given(explain):
    assert explain(stdin=CLEAN).stdout.startswith(b"stdin:1")


def test_only_changed_leaves_clean_records_out(explain):
    run = explain("-", "--only-changed", stdin=CLEAN + LEAK + CLEAN)
    assert re.findall(rb"^stdin:\d+", run.stdout, re.M) == [b"stdin:2"]


def test_the_kind_of_a_record_is_named(explain):
    record = (b'{"time":"2026-03-14T09:40:00Z","resourceId":"/x","operationName":"MICROSOFT.X/WRITE","category":"Administrative",'
              b'"resultType":"Success","correlationId":"1","level":"Information","identity":{},"properties":{}}')
    assert explain("-", stdin=record).stdout.startswith(b"stdin:1  activity_log, nothing found\n")


def test_the_encodings_around_a_finding_are_named(explain):
    run = explain("-", stdin=b'{"a":"{\\"b\\":[0,\\"{\\\\\\"password\\\\\\":\\\\\\"%s\\\\\\"}\\"]}"}' % CANARY)
    assert b"\n  a!.b[1]!.password (inside json, json): " + NAME_RULE in run.stdout


def test_a_key_in_percent_encoding_is_named_so(explain):
    run = explain("-", stdin=b'{"u":"q=password%%3D%s-plum-77"}' % CANARY)
    assert b"\n  u~percent (inside percent): " in run.stdout


def test_a_key_that_is_removed_is_not_shown(explain):
    run = explain("-", stdin=b'{"amqp://app:%s@mq.example":{"password":"%s"}}\n' % (CANARY, CANARY))
    assert b"?.password: " in run.stdout


def test_withheld_records_are_shown_with_the_reason_in_their_place(explain):
    run = explain("-", "--only-changed", stdin=LEAK + b'{"password":%s}\n' % CANARY + LEAK)
    assert run.returncode == 3
    places = re.findall(rb"^stdin:\d+  \w+", run.stdout, re.M)
    assert places == [b"stdin:1  unknown", b"stdin:2  withheld", b"stdin:3  unknown"]
    assert b"stdin:2  withheld: syntax: the record begins as json but is not valid json (byte " in run.stdout


def test_a_record_over_many_lines_comes_out_on_one(explain):
    run = explain("-", stdin=b'{\n  "a": 1,\n  "password": "%s"\n}\n' % CANARY)
    assert run.stdout.splitlines()[2] == b'  {"a": 1,"password": "[redacted:sensitive-name]"}'


def test_a_file_that_is_not_there_gives_1(explain, tmp_path):
    (tmp_path / "b.jsonl").write_bytes(LEAK)
    run = explain("a.jsonl", "b.jsonl")
    assert run.returncode == 1
    assert run.stderr == b"lethe: cannot open 'a.jsonl': no such file or directory\n"
    assert run.stdout.startswith(b"b.jsonl:1")


def test_a_policy_decides(explain, tmp_path):
    (tmp_path / "p.yaml").write_text("extends: standard\nallow: [open-plum]\n")
    assert b"nothing found" in explain("-", "--policy", "p.yaml", stdin=b'{"password":"open-plum"}').stdout


def test_wrong_usage_gives_2(explain):
    for arguments in (["--colour"], ["--policy", "none.yaml"], ["--max-depth", "x"], ["-o", "x"]):
        assert explain("-", *arguments, stdin=LEAK).returncode == 2


def test_text_that_would_steer_a_terminal_is_shown(explain):
    run = explain("-", stdin="{\"a\":\"\u009b2J\",\"password\":\"".encode() + CANARY + b"\"}")
    assert b"\xc2\x9b" not in run.stdout
    assert rb'{"a":"\xc2\x9b2J"' in run.stdout


# --- Colours -----------------------------------------------------------------------------------------------------------

def on_a_terminal(folder, **environment):
    """What lethe explain writes when its standard output is a terminal."""
    (folder / "in.jsonl").write_bytes(LEAK)
    own, other = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    program = subprocess.Popen([BINARY, "explain", "in.jsonl"], cwd=folder, stdin=subprocess.DEVNULL, stdout=other,
                               stderr=subprocess.PIPE, env={**plain, "TERM": "xterm", **environment})
    os.close(other)
    shown = b""
    while True:
        try:
            piece = os.read(own, 4096)
        except OSError:   # the other side is closed
            break
        if not piece:
            break
        shown += piece
    program.communicate()
    os.close(own)
    assert CANARY not in shown
    return shown


def test_replacements_are_highlighted_on_a_terminal(tmp_path):
    assert re.search(rb'"password":"\x1b\[[0-9;]+m\[redacted:sensitive-name\]\x1b\[0m"', on_a_terminal(tmp_path))


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_when_they_are_not_wanted(tmp_path, environment):
    assert b"\x1b" not in on_a_terminal(tmp_path, **environment)


def test_no_colours_in_a_file(explain):
    assert b"\x1b" not in explain("-", stdin=LEAK).stdout
