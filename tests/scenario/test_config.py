"""The configuration of a streaming run: what is accepted, and what is said about mistakes."""
import os

import pytest

GOOD = """sources:
  - {name: in, type: stdin}
sinks:
  - {name: out, type: stdout}
"""


def check(lethe, text, **environment):
    (lethe.folder / "lethe.yaml").write_text(text)
    return lethe.run("check", "-c", "lethe.yaml", env={**os.environ, **environment})


def test_a_good_configuration_is_explained(lethe):
    done = check(lethe, GOOD + "store: {path: state, max_bytes: 2G}\nworkers: 2\n")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "source in: stdin" in text and "sink out: stdout" in text
    assert "max_bytes              2G" in text and "workers                2" in text
    assert "drain_timeout          10s" in text
    assert not (lethe.folder / "state").exists()   # checking makes nothing


@pytest.mark.parametrize("text, place, message", [
    ("sources: []\nsinks: []\n", "1:10", "at least one of the sources"),
    ("sinks:\n  - {name: out, type: stdout}\n", "1:1", "'sources' is missing"),
    (GOOD.replace("type: stdin", "type: stdinn"), "2:22", "unknown type of source 'stdinn': did you mean 'stdin'?"),
    (GOOD.replace("type: stdout", "type: 'null', fromat: flat"), "4:31", "unknown key 'fromat': did you mean 'format'?"),
    (GOOD.replace("type: stdout", "type: stdout, format: flut"), "4:39", "has the formats original flat"),
    (GOOD.replace("type: stdout", "type: stdout, required: perhaps"), "4:41", "true or false"),
    (GOOD.replace("type: stdout", "type: stdout, required: false"), "", "no sink is required"),
    (GOOD.replace("type: stdout", "type: stdout, kinds: [activity_lgo]"), "4:38", "did you mean 'activity_log'?"),
    (GOOD + "  - {name: out, type: stdout}\n", "5:12", "there are two sinks 'out'"),
    (GOOD.replace("name: in", "name: i n"), "2:12", "a name has letters, digits"),
    (GOOD + "max_record: 1X\n", "5:13", "a size such as 64M"),
    (GOOD + "max_record: 10\n", "5:13", "must lie between 1K and 64M"),
    (GOOD + "drain_timeout: 10\n", "5:16", "a time such as 250ms, 30s or 5m"),
    (GOOD + "store: {max_bytes: 1G}\n", "5:8", "'path' is missing"),
    (GOOD + "key_file: ${LETHE_NO_SUCH}\n", "5:11", "the environment variable 'LETHE_NO_SUCH' is not set"),
    (GOOD + "key_file: ${file:nowhere}\n", "5:11", "cannot open 'nowhere'"),
    (GOOD + "key_file: a$b\n", "5:11", "a dollar sign $$"),
    (GOOD + "key_file: ${file:nowhere}\n", "5:11", "no such file or directory"),
    (GOOD + "policies: [{source: x}]\n", "5:12", "'policy' is missing"),
    (GOOD + "policy: hbj\n", "5:9", "there is no policy 'hbj'; did you mean 'hbi'?"),
    (GOOD + "policy: nowhere.yaml\n", "5:9", "cannot open policy file 'nowhere.yaml': no such file or directory"),
    (GOOD + "policies: [{source: x, policy: strict}]\n", "5:32", "there is no policy 'strict': it is 'standard', 'hbi' or a file"),
    (GOOD.replace("type: stdin", "type: stdin, policy: hbl"), "2:37", "did you mean 'hbi'?"),
])
def test_a_mistake_is_shown_where_it_is(lethe, text, place, message):
    done = check(lethe, text)
    assert done.returncode == 2
    stderr = done.stderr.decode()
    assert message in stderr
    assert f"lethe.yaml:{place}" in stderr if place else "lethe.yaml" in stderr
    assert done.stdout == b""


SYSLOG = GOOD.replace("type: stdout", "type: syslog, host: h, %s")


@pytest.mark.parametrize("text, place, message", [
    (SYSLOG % "ca_file: nowhere.pem", "4:5", "cannot use 'nowhere.pem' as the authority's certificate: no such file or directory"),
    (SYSLOG % "ca_file: junk.pem", "4:5", "cannot use 'junk.pem' as the authority's certificate: "),
    (SYSLOG % "certificate: junk.pem, key: junk.pem", "4:5", "cannot use 'junk.pem' as a certificate: there is none in it, in PEM"),
    (GOOD.replace("type: stdout", "type: http, url: 'https://h/', ca_file: nowhere.pem"), "4:5", "cannot use 'nowhere.pem'"),
    (GOOD.replace("type: stdout", "type: kafka, brokers: 'h:9093', topic: t, ca_file: nowhere.pem"), "4:5", "cannot use 'nowhere.pem'"),
    (GOOD.replace("type: stdin", "type: http, listen: '127.0.0.1:0', certificate: junk.pem, key: junk.pem"), "2:5", "as a certificate: there is none in it"),
    (GOOD + "admin: {listen: '127.0.0.1:0', certificate: nowhere.pem, key: junk.pem}\n", "5:8", "cannot use 'nowhere.pem' as a certificate"),
    (GOOD.replace("type: stdout", "type: http, url: 'http://logs.example/'"), "4:5", "'logs.example' would be spoken to without TLS; use https"),
    (GOOD.replace("type: stdout", "type: http, url: logs"), "4:5", "an address that is none: https://host/path is needed"),
])
def test_what_a_connection_needs_is_looked_at_before_there_is_one(lethe, text, place, message):
    (lethe.folder / "junk.pem").write_text("junk\n")
    done = check(lethe, text)
    assert done.returncode == 2 and f"lethe.yaml:{place}: " in done.stderr.decode() and message in done.stderr.decode(), done.stderr


def test_references_are_resolved(lethe):
    (lethe.folder / "secret.txt").write_text("hbi\r\n")
    done = check(lethe, GOOD + "policy: ${file:secret.txt}\nlog_level: ${LETHE_LEVEL}\n", LETHE_LEVEL="error")
    assert done.returncode == 2 and b"log_level" in done.stderr   # choices and numbers are written as they are
    done = check(lethe, GOOD + "policy: ${file:secret.txt}\nkey_file: ${LETHE_KEYS}/key\n", LETHE_KEYS="/nowhere")
    assert b"'/nowhere/key': no such file" in done.stderr
    done = check(lethe, GOOD + "policy: ${file:secret.txt}\n")
    assert done.returncode == 0 and "policy                 hbi" in done.stdout.decode()


def test_a_configuration_that_is_not_there_is_told(lethe):
    done = lethe.run("run", "-c", "nowhere.yaml")
    assert done.returncode == 2 and b"nowhere.yaml" in done.stderr


def test_a_secret_is_never_shown(lethe):
    admin = "admin: {listen: '127.0.0.1:0', token: Heron-Lake-4471-Sandpiper}\n"
    done = check(lethe, GOOD + admin)
    assert done.returncode == 0 and b"Heron" not in done.stdout + done.stderr and b"(given)" in done.stdout
    done = check(lethe, GOOD + admin.replace("token", "tokken"))
    assert done.returncode == 2 and b"did you mean 'token'?" in done.stderr and b"Heron" not in done.stderr
    done = check(lethe, GOOD + "admin:\n  listen: '127.0.0.1:0'\n  tokken: Heron-Lake-4471-Sandpiper\n")
    assert done.returncode == 2 and b"did you mean 'token'?" in done.stderr and b"Heron" not in done.stderr


MANY = """sources:
  - {name: i n, type: stdin, policy: hbl}
  - {name: logs, type: file, pathes: [a.log]}
  - {name: web, type: htpp}
  - {name: logs, type: file}
sinks:
  - {name: out, type: stdout, format: flut, kinds: [activity_lgo, rubbish], required: perhaps}
  - {type: null}
max_record: 1X
drain_timeout: 10
store: {max_bytes: 1}
"""


def places(stderr):
    """Of all that was told: line, column, and the beginning of what is wrong."""
    lines = [line.removeprefix("lethe: lethe.yaml:") for line in stderr.decode().splitlines() if line.startswith("lethe: ")]
    return [(line.split(": ")[0], line.split(": ", 1)[1]) for line in lines]


@pytest.mark.parametrize("command", ["check", "run"])
def test_every_mistake_that_stands_alone_is_told_with_its_place(lethe, command):
    (lethe.folder / "lethe.yaml").write_text(MANY)
    done = lethe.run(command, "-c", "lethe.yaml")
    told = places(done.stderr)
    assert done.returncode == 2 and done.stdout == b""
    expected = [("9:13", "a size such as 64M"), ("10:16", "a time such as"), ("11:8", "'path' is missing"), ("11:20", "at least 1M"),
                ("2:12", "a name has"), ("2:38", "there is no policy 'hbl'"), ("3:30", "unknown key 'pathes': did you mean 'paths'?"),
                ("4:23", "unknown type of source 'htpp'"), ("5:5", "'paths' is missing"), ("5:12", "there are two sources 'logs'"),
                ("7:87", "true or false"), ("7:39", "has the formats"), ("7:52", "'activity_log'"), ("7:52", "unknown kind 'rubbish'"),
                ("8:5", "'name' is missing")]
    assert [place for place, _ in told] == [place for place, _ in expected]
    for (_, text), (_, said) in zip(told, expected):
        assert said in text


def test_of_very_many_mistakes_twenty_are_told_and_the_rest_counted(lethe):
    done = check(lethe, GOOD + "".join(f"unknown_{n}: 1\n" for n in range(23)))
    told = places(done.stderr)
    assert [place for place, _ in told[:20]] == [f"{5 + n}:1" for n in range(20)]
    assert done.returncode == 2 and len(told) == 21 and "lethe: 3 more mistakes are not shown" in done.stderr.decode()
    done = check(lethe, GOOD + "".join(f"unknown_{n}: 1\n" for n in range(20)))
    assert len(places(done.stderr)) == 20 and "more mistakes" not in done.stderr.decode()


def test_mistakes_of_keys_and_of_every_policy_are_all_told(lethe):
    (lethe.folder / "one.yaml").write_text("extends: standard\nclases: {}\n")
    (lethe.folder / "two.yaml").write_text("extends: standard\nclasses: {secret: kep}\n")
    done = check(lethe, GOOD.replace("type: stdin", "type: stdin, policy: two.yaml") +
                 "policy: one.yaml\nkey_file: nowhere.key\npolicies: [{source: x, policy: one.yaml}]\n")
    told = [line for line in done.stderr.decode().splitlines() if line.startswith("lethe: ")]
    assert done.returncode == 2 and len(told) == 3, told
    assert "'nowhere.key': no such file" in told[0]
    assert "one.yaml:2:1: " in told[1] and "did you mean 'classes'?" in told[1]
    assert "two.yaml:2:19: " in told[2] and "did you mean 'keep'?" in told[2]
