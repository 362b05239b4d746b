"""--second-gate: final bytes are scanned once more. A policy that keeps secrets stands in for a redaction that misses them."""
import json
import subprocess

from conftest import BINARY, wait_for
from running import free_port
from streaming import Run, metric

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
LINES = [{"n": 1}, {"n": 2, "note": f"x {TOKEN} y"}, {"n": 3}]


def run(lethe, tmp_path, *options):
    (tmp_path / "blind.yaml").write_text("extends: standard\nclasses: {secret: keep}\n")
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return lethe.run("redact", tmp_path / "in.jsonl", "--policy", tmp_path / "blind.yaml", "--report", tmp_path / "r.json", *options)


def test_what_redaction_missed_is_withheld_and_told(lethe, tmp_path):
    done = run(lethe, tmp_path, "--second-gate")
    report = json.loads((tmp_path / "r.json").read_text())
    assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == [1, 3]
    assert done.returncode == 3
    assert b"in.jsonl:2: record withheld: still holds what is a secret by its shape (second gate)" in done.stderr
    assert TOKEN.encode() not in done.stdout + done.stderr
    assert report["withheld_by_reason"]["gate"] == 1
    assert report["totals"]["records"] == 3 and report["totals"]["clean"] == 2


def test_without_the_option_the_policy_is_obeyed(lethe, tmp_path):
    assert TOKEN.encode() in run(lethe, tmp_path).stdout


def test_it_does_not_go_with_containers(lethe, tmp_path):
    assert run(lethe, tmp_path, "--second-gate", "--keep-container").returncode == 2


def test_what_was_kept_for_a_file_passes_the_gate_when_its_sink_has_become_one_of_the_network(tmp_path, recorder):
    """The spool has it from a time when nothing was to leave the machine, so nobody has looked at it yet. It is kept sealed then."""
    subprocess.run([BINARY, "keygen", "--seal", "-o", tmp_path / "audit.key"], check=True, capture_output=True, timeout=60)
    (tmp_path / "blind.yaml").write_text("extends: standard\nclasses: {secret: keep}\n")
    text = f"""sources: [{{name: in, type: stdin}}]
policy: {tmp_path}/blind.yaml
store: {tmp_path}/state
sealed: {{path: {tmp_path}/withheld.jsonl, key_file: {tmp_path}/audit.key.pub}}
admin: {{listen: "127.0.0.1:{(port := free_port())}"}}
sinks: [{{name: out, """
    (tmp_path / "out.jsonl").mkdir()   # so that all of it stays in the spool
    run = Run(tmp_path, text + f'type: file, path: "{tmp_path}/out.jsonl"}}]\n')
    run.start(stdin=subprocess.PIPE)
    try:
        run.process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in LINES[:2]))
        run.process.stdin.flush()
        wait_for(lambda: metric(port, "lethe_spool_blocks") == 1 and metric(port, 'lethe_source_records_received_total{source="in"}') == 2)
    finally:
        run.kill()
    run.config.write_text(text + f'type: http, url: "{recorder.url}"}}]\n')
    run.start(stdin=subprocess.PIPE)
    try:
        run.process.stdin.write(b'{"n":4}\n')
        run.process.stdin.flush()
        wait_for(lambda: any(b'"n":4' in r.body for r in recorder.requests))
        assert metric(port, 'lethe_withheld_total{reason="gate"}') == 1
        assert metric(port, "lethe_sealed_records_total") == 1
    finally:
        run.kill()
    got = [json.loads(line) for r in recorder.requests for line in r.body.splitlines()]
    assert [record["n"] for record in got] == [1, 4]
    assert TOKEN.encode() not in b"".join(r.body for r in recorder.requests)
    assert run.logged("1 record of the spool withheld: still holds what is a secret by its shape (second gate)")
    opened = subprocess.run([BINARY, "unseal", tmp_path / "withheld.jsonl", "--key-file", tmp_path / "audit.key"], capture_output=True, timeout=60, check=True)
    [kept] = [json.loads(line) for line in opened.stdout.splitlines()]
    assert json.loads(kept["raw"]) == LINES[1]
    assert (kept["source"], kept["line"], kept["reason"]) == ("spool", 2, "gate")
