"""--second-gate: final bytes are scanned once more. A policy that keeps secrets stands in for a redaction that misses them."""
import json

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
