"""Exported blobs as a streaming source, from a storage service of our own that does what it is told; and very many blobs."""
import email.utils
import re
import socket
import time
import urllib.request

import pytest

from blob_storage import Storage, cut, garbage, silence
from conftest import LONG, SANITIZER, wait_for
from streaming import Run, arrived, messages, positions

KEY = "bm90IGEga2V5LCBidXQgaW52ZW50ZWQgZm9yIHRlc3Rz"
CONFIG = """sources:
  - {{name: blobs, type: blob, addresses: ["{url}/acc/logs"], account_key_file: key, poll: 100ms{more}}}
store: {folder}/state
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""


def line(text):
    return f'{{"message":"{text}"}}\n'.encode()


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "key").write_text(KEY)
    storage = Storage()
    yield storage
    storage.stop()


def runner(folder, storage, more=""):
    return Run(folder, CONFIG.format(folder=folder, url=storage.url, more=more))


@pytest.fixture
def run(tmp_path, storage):
    run = runner(tmp_path, storage)
    yield run
    run.__exit__()


def listings(storage):
    return sum("comp=list" in request.path for request in storage.requests)


def reads(storage):
    return [request.path.rsplit("/", 1)[1] for request in storage.requests if "x-ms-range" in request.headers]


def test_a_busy_service_gets_the_time_that_it_asks_for(run, storage, tmp_path):
    storage.put("a", line("one"))
    busy = lambda h: h.reply(503, Retry_After="1", x_ms_error_code="ServerBusy")   # noqa: E731
    storage.faults = [busy, None, busy]
    with run:
        arrived(tmp_path, "one")
        assert run.stop() == 0
    received = [request.received for request in storage.requests[:4]]
    assert received[1] - received[0] >= 1 and received[3] - received[2] >= 1
    assert run.logged("answered 503 ServerBusy")
    assert messages(tmp_path / "out.jsonl") == ["one"]


@pytest.mark.parametrize("fault", [cut, garbage, silence])
def test_what_breaks_off_is_read_on_and_nothing_is_there_twice(run, storage, tmp_path, fault):
    texts = [f"{n} " + "x" * 1000 for n in range(2500)]   # several ranges
    storage.put("a", b"".join(map(line, texts)))
    storage.faults = [None, fault, None, fault, fault]
    with run:
        arrived(tmp_path, texts[-1])
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == texts
    assert b"s3cret" not in run.log.read_bytes()


def test_a_blob_that_grows_while_it_is_read_is_followed(run, storage, tmp_path):
    storage.type = "AppendBlob"
    storage.put("a", line("one"))

    def grow(handler):
        storage.put("a", storage.blobs["a"] + line("two"))
        storage.answer(handler)

    storage.faults = [None, grow]
    with run:
        arrived(tmp_path, "one", "two")
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["one", "two"]
    assert not run.logged("was replaced")


def test_a_blob_that_is_refused_holds_nobody_up(run, storage, tmp_path):
    for name in ["a", "cold", "z"]:
        storage.put(name, line(name))
    answer = storage.answer
    storage.answer = lambda h: h.reply(409, b"s3cret", x_ms_error_code="BlobArchived") if "/cold" in h.path else answer(h)
    with run:
        arrived(tmp_path, "a", "z")
        before = listings(storage)
        wait_for(lambda: listings(storage) >= before + 5)
        assert run.stop() == 0
    assert reads(storage).count("cold") == 1
    assert len([told for told in run.log.read_text().splitlines() if "409 BlobArchived" in told and "logs/cold" in told]) == 1
    storage.answer = answer
    with run:
        arrived(tmp_path, "cold")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["a", "cold", "z"]


def test_a_blob_that_is_deleted_before_it_was_read_is_told(run, storage, tmp_path):
    storage.put("a", line("a"))
    storage.put("b", line("b"))
    storage.faults = [None, lambda h: h.reply(404, x_ms_error_code="BlobNotFound")]
    with run:
        arrived(tmp_path, "b")
        assert run.stop() == 0
    assert run.logged("'logs/a' was deleted before it was read to its end")


def test_a_container_that_is_not_there_yet_is_waited_for_and_holds_nobody_up(storage, tmp_path):
    storage.put("a", line("a"))
    answer, there = storage.answer, []
    storage.answer = lambda h: h.reply(404, x_ms_error_code="ContainerNotFound") if "/later?" in h.path and not there else answer(h)
    config = CONFIG.format(folder=tmp_path, url=storage.url, more="").replace('/acc/logs"', f'/acc/later", "{storage.url}/acc/logs"')
    with Run(tmp_path, config) as run:
        arrived(tmp_path, "a")
        there.append(True)
        wait_for(lambda: messages(tmp_path / "out.jsonl").count("a") == 2)   # of either container
        assert run.stop() == 0
    assert run.logged("404 ContainerNotFound")


def test_a_damaged_packed_blob_is_told_and_holds_nobody_up(run, storage, tmp_path):
    storage.put("a.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 50)
    storage.put("b", line("b"))
    with run:
        arrived(tmp_path, "b")
        before = listings(storage)
        wait_for(lambda: listings(storage) >= before + 3)
        assert run.stop() == 0
    assert run.logged("cannot unpack 'a.gz'")
    assert reads(storage).count("a.gz") == 1


def test_of_old_blobs_that_were_read_no_position_stays_and_they_are_not_read_again(run, storage, tmp_path):
    names = [f"old{n}" for n in range(30)]
    for name in names:
        storage.put(name, line(name))
    storage.put("young", line("young"))
    storage.changed["young"] = email.utils.formatdate(time.time() - 3600, usegmt=True)
    with run:
        arrived(tmp_path, "young", *names)
        wait_for(lambda: positions(tmp_path) == 2)   # of the young one, and the horizon
        assert run.stop() == 0
    before = len(reads(storage))
    with run:
        storage.put("new", line("new"))
        storage.changed["new"] = email.utils.formatdate(time.time(), usegmt=True)
        storage.put("old3", line("old3") + line("more"))
        storage.changed["old3"] = email.utils.formatdate(time.time(), usegmt=True)
        arrived(tmp_path, "new", "more")
        assert run.stop() == 0
    assert set(reads(storage)[before:]) == {"new", "old3"}


def metrics(port):
    """Of the source; those that are not there yet are left out."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        found = re.findall(r'^lethe_source_(\w+){source="blobs"} (\S+)$', answer.read().decode(), re.M)
    wanted = ["records_received_total", "streams", "lag_bytes", "errors_total", "lost_bytes_total"]
    return {name: float(value) for name, value in found if name in wanted}


def test_what_a_run_knows_of_blobs_is_in_its_metrics(storage, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = runner(tmp_path, storage)
    run.config.write_text(run.config.read_text() + f'admin: {{listen: "127.0.0.1:{port}"}}\n')
    storage.type = "AppendBlob"
    storage.changed = dict.fromkeys("ab", email.utils.formatdate(time.time(), usegmt=True))
    storage.put("a", line("one") + b'{"half')
    storage.put("b", line("two"))
    with run:
        wait_for(lambda: metrics(port) == {
            "records_received_total": 2, "streams": 2, "lag_bytes": 0, "errors_total": 0, "lost_bytes_total": 0})
        storage.put("a", line("new"))
        wait_for(lambda: metrics(port) == {   # half a record was lost
            "records_received_total": 3, "streams": 2, "lag_bytes": 0, "errors_total": 1, "lost_bytes_total": 6})
        assert run.stop() == 0


def memory(run, what):
    text = open(f"/proc/{run.process.pid}/status", encoding="ascii").read()
    return int(re.search(rf"{what}:\s+(\d+) kB", text).group(1)) / 1024


@pytest.mark.skipif(SANITIZER != "", reason="memory is measured without a sanitizer")
def test_very_many_blobs_are_known_in_bounded_memory(storage, tmp_path):
    count, most = (100000, 72) if LONG else (15000, 48)   # MiB, of which some 32 are the program without blobs
    for n in range(count):
        storage.put(f"resourceId=/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/GROUP-{n % 50}/y=2026/m=11/d=22/h={n // 5000:02}/m=00/"
                    f"PT1H-{n:06}.json", line(f"old {n}"))
    storage.changed = dict.fromkeys(storage.blobs, email.utils.formatdate(time.time() - 3600, usegmt=True))
    with runner(tmp_path, storage, more="" if LONG else ", start: end") as run:
        if LONG:
            wait_for_long(lambda: (tmp_path / "out.jsonl").exists() and (tmp_path / "out.jsonl").read_bytes().count(b"\n") >= count)
        wait_for(lambda: positions(tmp_path) >= count)
        began, before = time.monotonic(), listings(storage)
        wait_for(lambda: listings(storage) >= before + 3 * count / 5000)   # three passes
        a_pass = (time.monotonic() - began) / 3
        name = sorted(storage.blobs)[count * 3 // 4]
        storage.put(name, storage.blobs[name] + line("grown"))
        arrived(tmp_path, "grown")
        print(f"{count} blobs: a pass takes {a_pass:.2f} s, {memory(run, 'VmHWM'):.1f} MiB at most")
        assert memory(run, "VmHWM") < most
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == sorted([f"old {n}" for n in range(count if LONG else 0)] + ["grown"])


def wait_for_long(condition):
    deadline = time.monotonic() + 1800
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(1)


# --- The configuration ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("more, said", [
    ('addresses: ["https://acc.blob.core.windows.net/logs?sv=1&sig=s3cret"]', "must not hold a signature"),
    ('addresses: ["https://acc.blob.core.windows.net"]', "names an account and a container"),
    ('addresses: ["/var/log"]', "an address begins with https://"),
    ('addresses: ["https://acc.blob.core.windows.net/logs"], sas_file: a, account_key_file: b', "one of account_key_file, sas_file and connection_string_file"),
    ('addresses: ["https://acc.blob.core.windows.net/logs"], prefix: x', "unknown key 'prefix'"),
    ("sas_file: a", "addresses"),
])
def test_what_cannot_be_is_told_with_its_place(lethe, more, said):
    (lethe.folder / "lethe.yaml").write_text(f"sources:\n  - {{name: blobs, type: blob, {more}}}\nsinks:\n  - {{name: out, type: stdout}}\n")
    run = lethe.run("check", "-c", "lethe.yaml")
    assert run.returncode == 2
    assert said in run.stderr.decode() and b"lethe.yaml:2:" in run.stderr, run.stderr
    assert b"s3cret" not in run.stderr


def test_check_tells_what_would_be_read(lethe):
    (lethe.folder / "lethe.yaml").write_text(
        "sources:\n  - {name: blobs, type: blob, sas_file: sas, addresses: https://acc.blob.core.windows.net/insights-logs-x}\n"
        "sinks:\n  - {name: out, type: stdout}\n")
    run = lethe.run("check", "-c", "lethe.yaml")
    assert run.returncode == 0, run.stderr
    told = run.stdout.decode()
    assert "source blobs: blob, blobs of azure storage" in told
    for setting in ["addresses +.*insights-logs-x", "sas_file +sas", "poll +30s", "rest +1h", "remember +2d", "start +beginning"]:
        assert re.search(setting, told), (setting, told)
