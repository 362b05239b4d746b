"""Records of several lines of text: stack traces and wrapped output, in files that grow, on standard input and in batches."""
import json
import pathlib
import random
import re
import subprocess

import pytest

from conftest import BINARY, ROOT, wait_for
from streaming import Run, messages, recount

CONFIG = """sources:
  - {{name: logs, type: file, paths: ["{folder}/logs/*.log"], poll: 20ms, rotate_wait: 300ms, multiline: {kind}, multiline_wait: {wait}}}
store: {folder}/state
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""

TRACE = """2026-11-26 09:31:33,123 ERROR job failed
Traceback (most recent call last):
  File "train.py", line 12, in main
    step(batch)
torch.cuda.OutOfMemoryError: out of memory

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "train.py", line 14, in main
    raise Odd("gave up")
Odd: gave up"""

JAVA = """java.lang.IllegalStateException: boom
\tat com.contoso.Job.run(Job.java:12)
\t... 7 more
Caused by: java.io.IOException: disk
\tat com.contoso.Disk.write(Disk.java:3)"""


def running(tmp_path, kind, wait="300ms"):
    (tmp_path / "logs").mkdir()
    return Run(tmp_path, CONFIG.format(folder=tmp_path, kind=kind, wait=wait))


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def test_a_stack_trace_is_one_record(tmp_path):
    log = tmp_path / "logs/a.log"
    with running(tmp_path, "traces") as run:
        append(log, f"starting\n{TRACE}\nnext\n{JAVA}\n" + '{"message": "json"}\n' + JAVA + "\n")
        wait_for(lambda: len(messages(tmp_path / "out.jsonl")) == 5)   # the last has nothing after it: its time runs out
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["starting", TRACE, f"next\n{JAVA}", "json", JAVA]


def test_a_trace_that_is_written_in_pieces_is_one_record(tmp_path):
    log = tmp_path / "logs/a.log"
    with running(tmp_path, "traces", wait="60s") as run:
        for n, line in enumerate(TRACE.splitlines(keepends=True)):
            append(log, line[:3])
            append(tmp_path / "logs/b.log", f"other {n}\n")
            wait_for(lambda: n == 0 or f"other {n - 1}" in messages(tmp_path / "out.jsonl"))   # noqa: B023
            append(log, line[3:])
        append(log, "\nnext\n")
        wait_for(lambda: TRACE in messages(tmp_path / "out.jsonl"))
        run.stop()
    assert [m for m in messages(tmp_path / "out.jsonl") if not m.startswith("other")] == [TRACE]


def test_everything_up_to_the_next_time_is_one_record(tmp_path):
    log = tmp_path / "logs/a.log"
    records = ["[2026-11-26 09:31:33] epoch 1\nloss 0.5\n| step | loss |\n\nsaved", "[2026-11-26 09:31:34] epoch 2", "WARN last\nof all"]
    with running(tmp_path, "stamped") as run:
        append(log, "\n".join(records) + "\n")
        wait_for(lambda: len(messages(tmp_path / "out.jsonl")) == 3)
        run.stop()
    assert messages(tmp_path / "out.jsonl") == records


def test_a_record_stays_whole_over_rotation_and_kill(tmp_path):
    """No time runs out, so every record is whole, whenever its lines were written and the process was killed."""
    choose, log, expected, pending = random.Random(3), tmp_path / "logs/a.log", [], ""
    run = running(tmp_path, "stamped", wait="1h").start()
    for n in range(300):
        lines = [f"2026-11-26 09:31:33 record {n}"] + [f"line {i} of {n}" for i in range(choose.randrange(5))]
        expected.append("\n".join(lines))
        pending += expected[-1] + "\n"
        cut = choose.randrange(len(pending))
        append(log, pending[:cut])
        pending = pending[cut:]
        action = choose.randrange(60)
        if action == 0:
            run.kill()
            run.start()
        elif action == 1:
            assert run.stop() == 0
            run.start()
        elif action == 2:
            append(log, pending)
            pending = ""
            log.rename(tmp_path / f"logs/a.log.{n}")
    append(log, pending + "INFO the end\n")
    wait_for(lambda: not recount(tmp_path / "out.jsonl", expected)[0])
    assert run.stop() == 0
    assert recount(tmp_path / "out.jsonl", expected)[2:] == ([], [])


def test_standard_input_has_records_of_several_lines(tmp_path):
    config = tmp_path / "lethe.yaml"
    config.write_text(f"sources:\n  - {{name: in, type: stdin, multiline: traces, multiline_wait: 200ms}}\n"
                      f"sinks:\n  - {{name: out, type: file, path: {tmp_path}/out.jsonl}}\n")
    with subprocess.Popen([BINARY, "run", "-c", config], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdin.write(f"one\n{JAVA}\n".encode())
        process.stdin.flush()
        wait_for(lambda: (tmp_path / "out.jsonl").exists() and messages(tmp_path / "out.jsonl") == [f"one\n{JAVA}"])
        process.stdin.write(b"two\n  torn")
        process.stdin.close()
        assert process.wait(timeout=180) == 0
    assert messages(tmp_path / "out.jsonl") == [f"one\n{JAVA}", "two\n  torn"]


def test_a_batch_has_records_of_several_lines(lethe):
    text = f"one\n{TRACE}\ntwo\n".encode()
    got = lethe.redact("--multiline", "traces", "--quiet", stdin=text)
    assert [json.loads(line)["message"] for line in got.stdout.splitlines()] == ["one", TRACE, "two"]
    wrong = lethe.redact("--multiline", "always", stdin=text)
    assert wrong.returncode == 2 and b"--multiline takes off, traces or stamped, not 'always'" in wrong.stderr


KEY = "\n".join(["-----BEGIN RSA PRIVATE KEY-----"] + ["QWxwaGFCZXRhR2FtbWFEZWx0YUVwc2lsb25aZXRhRXRhVGhldGFJb3Rh" + str(n) * 8 for n in range(9)]
                + ["-----END RSA PRIVATE KEY-----"])


@pytest.mark.parametrize("kind", ["off", "traces", "stamped"])
@pytest.mark.parametrize("before", ["", "    ", "\t"])
def test_a_private_key_over_lines_is_gone_in_every_kind(lethe, kind, before):
    text = "INFO key\n" + "".join(before + line + "\n" for line in KEY.splitlines()) + "  after it\nINFO next\n"
    got = lethe.redact("--multiline", kind, "--quiet", stdin=text.encode()).stdout
    assert b"QWxw" not in got and b"44444444" not in got
    assert b"after it" in got and b"next" in got


def examples():
    """Secrets in a line, from the examples of the rules: (line, secret)."""
    found = []
    for path in sorted(pathlib.Path(ROOT / "redaction/rules").glob("*.yaml")):
        for match in re.findall(r"^    - '(.*)'$", path.read_text(), re.MULTILINE):
            line = match.replace("''", "'")
            if line.count("⟦") == 1 and not line.startswith(("{", "[")):
                found.append((line.replace("⟦", "").replace("⟧", ""), re.search("⟦(.*)⟧", line).group(1)))
    return found


def test_what_is_found_in_a_line_is_found_in_a_record_of_several(lethe):
    lines = examples()
    alone = lethe.redact("--quiet", stdin="".join(f"{line}\n" for line, _ in lines).encode()).stdout.decode()
    stacked = "".join(f"INFO before\n  first\n  {line}\nand more of it\n" for line, _ in lines)
    joined = lethe.redact("--quiet", "--multiline", "stamped", stdin=stacked.encode()).stdout.decode()
    assert len(lines) > 300
    gone = [(line, secret) for line, secret in lines if len(secret) >= 8 and secret not in alone]
    assert len(gone) > 300
    assert [line for line, secret in gone if secret in joined] == []
