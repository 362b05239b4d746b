"""Exported blobs as a streaming source, from Azurite, the emulator of Azure storage: through a whole run, with kills."""
import gzip
import http.server
import json
import random
import threading
import time
import uuid

import pytest

from conftest import LONG, wait_for
from streaming import Run, arrived, messages, positions, recount, records

HOUR = "resourceId=/SUBSCRIPTIONS/X/RESOURCEGROUPS/R/y=2026/m=11/d=26/h={:02}/m=00/PT1H.json"
CONFIG = """sources:
  - {{name: blobs, type: blob, addresses: ["{address}"], {credentials}, poll: 100ms{more}}}
store: {folder}/state
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""


def line(text):
    return f'{{"message":"{text}"}}\n'.encode()


@pytest.fixture
def container(azurite, tmp_path):
    container = azurite.container()
    (tmp_path / "key").write_text(azurite.key)
    return container


def runner(folder, container, more="", credentials="account_key_file: key"):
    return Run(folder, CONFIG.format(folder=folder, address=container.url, credentials=credentials, more=more))


@pytest.fixture
def run(tmp_path, container):
    run = runner(tmp_path, container)
    yield run
    run.__exit__()


def test_what_is_appended_arrives_once_and_clean(run, container, tmp_path):
    container.append(HOUR.format(4), line("one"), line("two password=Heron-Lake-4471"))
    with run:
        arrived(tmp_path, "one")
        container.append(HOUR.format(4), line("three"))
        container.append(HOUR.format(5), line("four"))
        arrived(tmp_path, "three", "four")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["four", "one", "three", "two password=[redacted:sensitive-name]"]
    assert b"Heron" not in run.log.read_bytes()


def test_half_a_record_waits_for_its_rest(run, container, tmp_path):
    name = HOUR.format(4)
    with run:
        container.append(name, line("whole"))
        for piece in (b'{"message":', b'"toge', b"ther"):
            container.append(name, piece)
        container.append(HOUR.format(5), line("other"))
        arrived(tmp_path, "whole", "other")
        assert "together" not in messages(tmp_path / "out.jsonl")
        container.append(name, b'"}\n')
        arrived(tmp_path, "together")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["other", "together", "whole"]


def test_a_last_record_without_a_line_break_is_taken_when_its_blob_rests(container, tmp_path):
    with runner(tmp_path, container, more=", rest: 1s") as run:
        container.append("a.log", b"plain, and no end of line")
        container.append("b.json", line("one"), b'{"message":"two"}')
        arrived(tmp_path, "plain, and no end of line", "one", "two")
        container.append("b.json", b"\n" + line("three"))
        container.append("a.log", b" yet\n")
        arrived(tmp_path, "three", "plain, and no end of line yet")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["one", "plain, and no end of line", "plain, and no end of line yet", "three", "two"]
    ids = {record["message"]: record["lethe_event_id"] for record in records(tmp_path / "out.jsonl")}
    assert len(set(ids.values())) == 5


def test_a_record_that_was_taken_without_its_line_break_is_not_there_twice_when_the_next_one_comes(container, tmp_path):
    run = runner(tmp_path, container, more=", rest: 1s")
    with run:
        for n in range(2):
            container.append("a", b'{"message":"%d"}' % n)
            arrived(tmp_path, str(n))
        assert run.stop() == 0
    with run:
        container.append("a", b"\n" + line("last"))
        arrived(tmp_path, "last")
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["0", "1", "last"]


def test_packed_blobs_and_those_of_blocks_are_read(run, container, tmp_path):
    container.upload("packed.json.gz", gzip.compress(line("packed") + line("too")))
    container.upload_blocks("blocks.json", [line("first"), b'{"message":"sec', b'ond"}'])
    container.append("growing.gz", gzip.compress(line("member")))
    container.upload("empty", b"")
    with run:
        arrived(tmp_path, "packed", "too", "first", "second", "member")
        whole = gzip.compress(line("another"))
        container.append("growing.gz", whole[:9])
        container.append("growing.gz", whole[9:])
        arrived(tmp_path, "another")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["another", "first", "member", "packed", "second", "too"]
    assert not run.logged("cannot unpack")


def test_a_container_of_records_over_many_lines_is_unwrapped(run, container, tmp_path):
    container.upload("old.json", b'{"records":[\n' + b",\n".join(line(str(n)).strip() for n in range(100)) + b"\n]}")
    with run:
        arrived(tmp_path, *map(str, range(100)))
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == [str(n) for n in range(100)]


@pytest.mark.parametrize("later", [b"", line("x" * 500)], ids=["shorter", "longer"])
def test_a_blob_that_is_overwritten_is_read_anew(run, container, tmp_path, later):
    container.append("append", line("old append"), line("old end"))
    container.upload("block", line("old block") + line("old end too"))
    with run:
        arrived(tmp_path, "old end", "old end too")
        container.delete("append")
        container.append("append", line("new append") + later)
        container.upload("block", line("new block") + later)
        arrived(tmp_path, "new append", "new block")
        assert run.stop() == 0
    got = messages(tmp_path / "out.jsonl")
    assert sorted(m for m in got if m[0] != "x") == ["new append", "new block", "old append", "old block", "old end", "old end too"]
    assert run.logged("was replaced")


def test_a_block_blob_that_is_written_again_with_more_is_read_on_if_it_is_known_to_be_the_same(run, container, tmp_path):
    with run:
        text = b""
        for n in range(3):
            text += line(str(n))
            container.upload("a", text)
            arrived(tmp_path, str(n))
        assert run.stop() == 0
    assert set(messages(tmp_path / "out.jsonl")) == {"0", "1", "2"}


def test_a_stop_forgets_nothing_and_repeats_nothing(run, container, tmp_path):
    expected = []
    for turn in range(4):
        with run:
            for blob in range(5):
                expected.append(f"{turn}.{blob}")
                container.append(HOUR.format(blob), line(expected[-1]))
            arrived(tmp_path, *expected)
            assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == sorted(expected)


def test_names_and_prefixes_choose(container, azurite, tmp_path):
    other = azurite.container()
    for name in ("y=2026/a.json", "y=2026/b.txt", "y=2026/old/c.json", "z/d.json"):
        container.append(name, line(name))
    other.append("e.json", line("other container"))
    addresses = f'{container.url}/y=", "{other.url}'
    config = CONFIG.format(folder=tmp_path, address=addresses, credentials="account_key_file: key",
                           more=', names: ["*.json"], exclude: ["*/old/*"]')
    with Run(tmp_path, config) as run:
        arrived(tmp_path, "y=2026/a.json", "other container")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["other container", "y=2026/a.json"]


def test_containers_are_found_by_the_beginning_of_their_names(azurite, tmp_path):
    (tmp_path / "key").write_text(azurite.key)
    prefix = f"insights-logs-{uuid.uuid4().hex[:8]}"
    azurite.container(f"{prefix}-one").append("y=2026/a.json", line("one"))
    azurite.container(f"{prefix}-two").append("y=2026/a.json", line("two"))
    azurite.container(f"other-{prefix}").append("y=2026/a.json", line("other"))
    config = CONFIG.format(folder=tmp_path, address=f"{azurite.url}/{prefix}-*/y=", credentials="account_key_file: key", more="")
    run = Run(tmp_path, config)
    with run:
        arrived(tmp_path, "one", "two")
        later = azurite.container(f"{prefix}-three")
        later.append("y=2026/a.json", line("three"))
        later.append("z", line("not below the prefix"))
        arrived(tmp_path, "three")
        assert run.stop() == 0
    with run:
        later.append("y=2026/a.json", line("four"))
        arrived(tmp_path, "four")
        assert run.stop() == 0
    assert sorted(messages(tmp_path / "out.jsonl")) == ["four", "one", "three", "two"]


def test_start_end_passes_over_what_is_there(container, tmp_path):
    container.append("a", line("old"))
    container.append("untouched", line("old, too"))
    made = int(time.time())
    wait_for(lambda: int(time.time()) > made)   # what is made in the second in which listing begins is read
    run = runner(tmp_path, container, more=", start: end")
    with run:
        wait_for(lambda: positions(tmp_path) == 3)   # both blobs and the horizon
        container.append("a", line("new"))
        container.append("b", line("all of it"))
        arrived(tmp_path, "new", "all of it")
        run.kill()
    with run:
        container.append("a", line("newer"))
        arrived(tmp_path, "newer")
        assert run.stop() == 0
    assert {"old", "old, too"}.isdisjoint(messages(tmp_path / "out.jsonl"))


def test_deleted_blobs_are_forgotten(run, container, tmp_path):
    names = [HOUR.format(hour) for hour in range(24)]
    for name in names:
        container.append(name, line(name))
    with run:
        arrived(tmp_path, *names)
        wait_for(lambda: positions(tmp_path) == 24)
        for name in names[1:]:
            container.delete(name)
        wait_for(lambda: positions(tmp_path) <= 2)   # the horizon is one
        container.append(names[0], line("more"))
        arrived(tmp_path, "more")
        assert run.stop() == 0
    assert len(messages(tmp_path / "out.jsonl")) == 25


# --- Away, refused, killed ------------------------------------------------------------------------------------------------

def test_a_service_that_is_away_is_waited_for(run, container, azurite, tmp_path):
    container.append("a", line("before"))
    with run:
        arrived(tmp_path, "before")
        with azurite.stopped():
            wait_for(lambda: run.logged("cannot list"))
        container.append("a", line("after"))
        arrived(tmp_path, "after")
        assert run.stop() == 0
    assert messages(tmp_path / "out.jsonl") == ["before", "after"]


def test_a_run_stops_while_the_service_does_not_answer(run, container, azurite, tmp_path):
    container.append("a", line("one"))
    with run:
        arrived(tmp_path, "one")
        with azurite.paused():
            assert run.stop() == 0   # a request takes up to a minute
    assert not run.logged("cannot list")


def test_a_managed_identity_reads_over_tls_with_an_authority_of_our_own(tls_azurite, tmp_path):
    container, token = tls_azurite.container(), tls_azurite.token()

    class Identity(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": token, "expires_on": "4102444800"}).encode())

        def log_message(self, *_):
            pass

    container.append("a", line("one"))
    config = CONFIG.format(folder=tmp_path, address=container.url, credentials=f"ca_file: {tls_azurite.ca_file}", more="")
    with http.server.HTTPServer(("127.0.0.1", 0), Identity) as server:
        threading.Thread(target=server.handle_request).start()
        with Run(tmp_path, config, IDENTITY_ENDPOINT=f"http://127.0.0.1:{server.server_port}/token", IDENTITY_HEADER="h", AZURE_CLIENT_ID="") as run:
            arrived(tmp_path, "one")
            assert run.stop() == 0
    assert token not in run.log.read_text()


def test_a_signature_that_expired_is_told_and_exchanged_while_it_runs(container, tmp_path):
    container.append("a", line("one"))
    (tmp_path / "sas").write_text(container.sas(lifetime=-60))
    with runner(tmp_path, container, credentials="sas_file: sas") as run:
        wait_for(lambda: run.logged("cannot list"))
        assert not messages(tmp_path / "out.jsonl")
        (tmp_path / "sas").write_text(container.sas())
        arrived(tmp_path, "one")
        assert run.stop() == 0
    told = [text for text in run.log.read_text().splitlines() if "cannot list" in text]
    assert "403" in told[0] and container.name in told[0]
    for signature in (container.sas(lifetime=-60), container.sas()):
        assert signature.split("sig=")[1][:10] not in run.log.read_text()
    assert "sig=" not in run.log.read_text()


class Lines:
    """Counts the lines of a file that grows, and may lose a torn last one."""

    def __init__(self, path):
        self.path, self.offset, self.count = path, 0, 0

    def now(self):
        if self.path.exists():
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
            whole = data[:data.rfind(b"\n") + 1]
            self.offset += len(whole)
            self.count += whole.count(b"\n")
        return self.count


def test_killed_at_random_while_blobs_grow_nothing_is_missing(run, container, tmp_path):
    count, per_block, kills = (1000000, 2500, 40) if LONG else (6000, 50, 5)
    expected = [f"record {n}" for n in range(count)]
    lines, done, chooser = Lines(tmp_path / "out.jsonl"), threading.Event(), random.Random(2)

    def write():
        chooser = random.Random(1)
        for begin in range(0, count, per_block):
            block = b"".join(line(text) for text in expected[begin:begin + per_block])
            cut = chooser.randrange(len(block))   # most blocks end within a record
            container.append(HOUR.format(chooser.randrange(24)), block[:cut], block[cut:])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    killed = 0
    while not done.is_set() or killed < kills:
        run.start()
        goal = min(lines.now() + chooser.randrange(1, count // kills), count)
        wait_for(lambda: lines.now() >= goal or done.wait(0.05))   # noqa: B023
        done.wait(chooser.random() / 5)
        run.kill()
        killed += 1
    writer.join()
    with run:
        read = -1
        while read < count or not set(expected) <= set(messages(tmp_path / "out.jsonl")):
            before = read
            wait_for(lambda: lines.now() > before)   # noqa: B023
            read = lines.now()
        assert run.stop() == 0
    missing, twice, other_ids, unknown = recount(tmp_path / "out.jsonl", expected)
    print(f"{killed} kills, {len(twice)} of {count} more than once")
    assert (missing, other_ids, unknown) == ([], [], [])
