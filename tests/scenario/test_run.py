"""A streaming run as a whole: pipes, policies, reload, stopping."""
import contextlib
import json
import shutil
import signal
import ssl
import subprocess
import urllib.request

import pytest

from conftest import wait_for
from running import free_port
from streaming import Run, messages, metric, records

EMAIL = '{"resourceId":"/subscriptions/s/providers/Microsoft.MachineLearningServices/workspaces/%s","identity":{"claims":{"upn":"ines@fabrikam.example"}}}'


def test_without_a_configuration_a_pipe_is_redacted(lethe):
    done = lethe.run("run", stdin=b"password=Heron-Lake-4471\nplain\n")
    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"message": "password=[redacted:sensitive-name]"}, {"message": "plain"}]
    assert b"Heron" not in done.stderr


def test_a_reader_that_goes_away_ends_the_run(lethe):
    process = lethe.start("run")
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):   # it may be gone before it has taken all
        process.stdin.write(b"line\n" * 100000)
        process.stdin.close()
    assert process.wait(timeout=180) == 1
    assert b"cannot write to standard output" in process.stderr.read()


CONFIG = """sources:
  - {{name: logs, type: file, paths: ["{folder}/in/*.log"], poll: 20ms}}
store: {folder}/state
policy: {policy}
{rules}
sinks:
  - {{name: all, type: file, path: "{folder}/out.jsonl", sync: never}}
  - {{name: other, type: file, path: "{folder}/other.jsonl", sync: never, kinds: [activity_log], required: false}}
"""


def config(folder, policy="standard", rules=""):
    (folder / "in").mkdir(exist_ok=True)
    return CONFIG.format(folder=folder, policy=policy, rules=rules)


def test_policies_apply_by_resource(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.log").write_text(EMAIL % "ws-hbi-1" + "\n" + EMAIL % "ws-open" + "\n")
    rules = 'policies: [{resource: "*/workspaces/ws-hbi*", policy: hbi}]'
    with Run(tmp_path, config(tmp_path, rules=rules)) as run:
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) == 2)
        assert run.stop() == 0
    hidden, shown = [json.dumps(r) for r in records(tmp_path / "out.jsonl")]
    assert "ines@fabrikam.example" not in hidden and "ines@fabrikam.example" in shown


def test_no_rule_relaxes_what_a_source_asks_for_itself(tmp_path):
    """Of a source's own policy and a rule that fits as well, the strictest counts, whichever it is."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.log").write_text(EMAIL % "ws-open" + "\n" + EMAIL % "ws-other" + "\n")
    text = config(tmp_path, rules='policies: [{resource: "*/workspaces/ws-open", policy: standard}]')
    with Run(tmp_path, text.replace("type: file, paths", "type: file, policy: hbi, paths")) as run:
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) == 2)
        assert run.stop() == 0
    assert "ines@" not in (tmp_path / "out.jsonl").read_text()


def test_a_reload_takes_another_policy_and_loses_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    log = tmp_path / "in/a.log"
    log.write_text(EMAIL % "one" + "\n")
    with Run(tmp_path, config(tmp_path)) as run:
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) == 1)
        run.config.write_text(config(tmp_path, policy="hbi"))
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("policy and keys are taken anew"))
        with open(log, "a", encoding="utf-8") as file:
            file.write(EMAIL % "two" + "\n")
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) == 2)
        assert run.stop() == 0
    first, second = [json.dumps(r) for r in records(tmp_path / "out.jsonl")]
    assert "ines@" in first and "ines@" not in second


def test_why_a_run_could_not_begin_is_a_line_of_its_log(lethe):
    (lethe.folder / "policy.yaml").write_text("extends: standard\nclasses: {identity: remove}\n")
    (lethe.folder / "lethe.yaml").write_text("policy: policy.yaml\nsources: [{name: in, type: stdin}]\nsinks: [{name: out, type: stdout}]\n")
    done = lethe.run("run", "-c", "lethe.yaml")
    last = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, last["level"], last["part"]) == (2, "error", "run")
    assert last["message"] == "policy.yaml:2:21: unknown action 'remove': there are keep, truncate, pseudonym, mask and drop"


def served_certificate(port):
    """Between two configurations nobody listens."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=60).strip()
    except OSError:
        return "nobody"


def test_a_certificate_that_was_renewed_is_taken_by_a_reload(tmp_path, certificates):
    port, (old, key), (new, new_key) = free_port(), certificates.localhost, certificates.self_signed
    ours, our_key = tmp_path / "our.pem", tmp_path / "our.key"
    shutil.copy(old, ours)
    shutil.copy(key, our_key)
    more = f"admin: {{listen: '127.0.0.1:{port}', certificate: '{ours}', key: '{our_key}'}}\n"
    with Run(tmp_path, config(tmp_path) + more) as run:
        wait_for(lambda: served_certificate(port) in old.read_text())
        shutil.copy(new, ours)
        shutil.copy(new_key, our_key)
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("running with the new configuration"))
        assert served_certificate(port) in new.read_text()
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("policy and keys are taken anew"))   # nothing else has changed since
        assert run.stop() == 0


@pytest.mark.parametrize("mistake", ["sources: nonsense\n", "admin: {listen: '127.0.0.1:0', certificate: nowhere.pem, key: nowhere.key}\n"])
def test_a_mistake_in_a_reload_changes_nothing(tmp_path, mistake):
    with Run(tmp_path, config(tmp_path)) as run:
        run.config.write_text(mistake if mistake.startswith("sources") else config(tmp_path) + mistake)
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("going on as before"))
        (tmp_path / "in/a.log").write_text("still here\n")
        wait_for(lambda: messages(tmp_path / "out.jsonl") == ["still here"])
        assert run.stop() == 0


def test_a_reload_may_change_sources_and_sinks(tmp_path):
    with Run(tmp_path, config(tmp_path)) as run:
        (tmp_path / "in/a.log").write_text("one\n")
        wait_for(lambda: messages(tmp_path / "out.jsonl") == ["one"])
        run.config.write_text(config(tmp_path).replace("out.jsonl", "new.jsonl"))
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("running with the new configuration"))
        (tmp_path / "in/b.log").write_text("two\n")
        wait_for(lambda: messages(tmp_path / "new.jsonl") == ["two"])
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["one"]


def test_a_second_run_on_one_store_is_refused(tmp_path):
    with Run(tmp_path, config(tmp_path)) as run:
        other = subprocess.run([run.process.args[0], "run", "-c", str(run.config)], capture_output=True, timeout=180, check=False)
        assert other.returncode in (1, 2) and b"state" in other.stderr
        assert run.stop() == 0


def test_sinks_that_stand_still_hold_up_no_other_however_small_the_blocks(tmp_path):
    """Each of them takes what it is offered; what they have in hand together is not all that there is."""
    away = """  - {name: away1, type: http, url: "http://127.0.0.1:1/", required: false}
  - {name: away2, type: syslog, host: 127.0.0.1, port: 1, transport: tcp, required: false}
  - {name: away3, type: syslog, host: 127.0.0.1, port: 1, transport: tcp}
"""
    with Run(tmp_path, config(tmp_path) + away) as run:
        for number in range(50):
            with open(tmp_path / "in/a.log", "a", encoding="utf-8") as file:
                file.write(f"line {number}\n")
            wait_for(lambda: len(records(tmp_path / "out.jsonl")) == number + 1)
        run.kill()


def test_what_cannot_be_read_again_goes_to_the_spool_while_the_only_sink_stands_still(tmp_path):
    text = f"""sources: [{{name: in, type: stdin}}]
store: {tmp_path}/state
sinks: [{{name: away, type: syslog, host: 127.0.0.1, port: 1, transport: tcp}}]
admin: {{listen: "127.0.0.1:{(port := free_port())}"}}
"""
    run = Run(tmp_path, text)
    run.start(stdin=subprocess.PIPE)
    try:
        for number in range(50):
            run.process.stdin.write(b"line %d\n" % number)
            run.process.stdin.flush()
            wait_for(lambda: metric(port, 'lethe_source_records_received_total{source="in"}') == number + 1)
    finally:
        run.kill()


def test_a_sink_that_cannot_be_written_holds_up_no_other(tmp_path):
    """The required one stands still; the store has what it will get."""
    text = config(tmp_path).replace("required: false", "required: true").replace("kinds: [activity_log], ", "")
    (tmp_path / "other.jsonl").mkdir()
    with Run(tmp_path, text) as run:
        lines = [f"line {n} " + "x" * 2000 for n in range(20000)]
        (tmp_path / "in/a.log").write_text("".join(line + "\n" for line in lines))
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) == len(lines))
        run.kill()
    (tmp_path / "other.jsonl").rmdir()
    with run:
        wait_for(lambda: set(messages(tmp_path / "other.jsonl")) >= set(lines))
        assert run.stop() == 0


def test_nothing_of_the_environment_and_the_place_of_a_run_leaves_it(tmp_path):
    """Two hundred variables and a folder with invented secrets, a sink that fails and a reload: none is in outputs, log or figures."""
    port, nobody = free_port(), free_port()
    folder = tmp_path / "canary-Plover-2200"
    folder.mkdir()
    text = f"""sources:
  - {{name: in, type: stdin}}
admin: {{listen: "127.0.0.1:{port}"}}
drain_timeout: 100ms
sinks:
  - {{name: all, type: file, path: "out/{{kind}}.jsonl", metadata: true, sync: never}}
  - {{name: away, type: http, url: "http://127.0.0.1:{nobody}/", required: false}}
"""
    run = Run(folder, text, **{f"SECRET_{n}": f"canary-Heron-{n:04}" for n in range(200)})
    try:
        run.start(stdin=subprocess.PIPE)
        run.process.stdin.write(b"plain\n")
        run.process.stdin.flush()
        wait_for(lambda: run.logged("away") and messages(folder / "out/unknown.jsonl") == ["plain"])
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: run.logged("taken anew"))
        told = b"".join(urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=180).read() for page in ("metrics", "status.json", ""))
        run.stop()
    finally:
        run.__exit__()
    told += run.log.read_bytes() + (folder / "out/unknown.jsonl").read_bytes()
    assert b"lethe_" in told and b"canary-" not in told
