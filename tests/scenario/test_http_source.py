"""Telemetry sent over HTTP, through a whole streaming run."""
import gzip
import http.client
import json
import socket

import pytest

from conftest import wait_for
from streaming import Run, records

CONFIG = """sources:
  - {{name: sdk, type: http, listen: "127.0.0.1:{port}"{more}}}
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""
JSON = {"Content-Type": "application/json"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Receiver(Run):
    def __init__(self, folder, more="", store=False):
        self.port = free_port()
        config = CONFIG.format(port=self.port, folder=folder, more=more) + (f"store: {folder}/state\n" if store else "")
        super().__init__(folder, config)

    def post(self, path, body, headers=None):
        """(status, answer as JSON or text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", path, body, headers or JSON)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else text.decode()

    def bodies(self):
        return [{k: v for k, v in r.items() if not k.startswith("lethe_")} for r in records(self.folder / "out.jsonl")]


@pytest.fixture
def receiver(tmp_path):
    with Receiver(tmp_path) as run:
        yield run


def test_an_array_is_answered_when_all_of_it_is_delivered(receiver):
    status, answer = receiver.post("/v2.1/track", json.dumps([{"a": 1, "password": "Heron-Lake-4471"}, {"b": 2}]))
    assert (status, answer) == (200, {"itemsReceived": 2, "itemsAccepted": 2, "errors": []})
    assert receiver.bodies() == [{"a": 1, "password": "[redacted:sensitive-name]"}, {"b": 2}]


def test_broken_items_are_named_and_their_neighbours_are_not_harmed(receiver):
    body = b'{"a":1}\nno json\n{"b":"\xff"}\n{"c":3}\n{"d":\n'
    status, answer = receiver.post("/v2/track", gzip.compress(body), {"Content-Encoding": "gzip", "Content-Type": "application/x-json-stream"})
    assert status == 206 and answer["itemsReceived"] == 5 and answer["itemsAccepted"] == 2
    assert [(e["index"], e["statusCode"]) for e in answer["errors"]] == [(1, 400), (2, 400), (4, 400)]
    assert receiver.bodies() == [{"a": 1}, {"c": 3}]


def test_nothing_but_broken_items_is_a_bad_request(receiver):
    assert receiver.post("/v2.1/track", b"{]")[0] == 400
    assert receiver.post("/v2.1/track", b"")[0] == 400


@pytest.mark.parametrize("body, status", [
    (gzip.compress(b'{"a":1}' + b" " * 80_000_000), 413),
    (gzip.compress(b'{"a":1}\n')[:-3], 400),
    (b"\x1f\x8b no gzip", 400),
], ids=["a bomb", "cut off", "no gzip"])
def test_a_packed_body_that_is_not_sound_is_refused_as_a_whole(receiver, body, status):
    assert receiver.post("/v2.1/track", body, {**JSON, "Content-Encoding": "gzip"})[0] == status
    assert receiver.post("/ingest", b'{"after":1}')[0] == 200
    assert receiver.bodies() == [{"after": 1}]


@pytest.mark.parametrize("path, headers, status", [
    ("/v2/trak", JSON, 404),
    ("/ingest", {"Content-Type": "text/html"}, 415),
    ("/ingest", {**JSON, "Content-Encoding": "br"}, 415),
    ("/ingest", {**JSON, "Content-Length": "99999999999"}, 413),
])
def test_what_cannot_be_taken_is_refused_before_it_is_read(receiver, path, headers, status):
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
    connection.putrequest("POST", path)
    for name, value in {"Content-Length": "2", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_other_methods_are_refused(receiver):
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
    connection.request("GET", "/ingest")
    answer = connection.getresponse()
    assert answer.status == 405 and answer.getheader("Allow") == "POST"
    connection.close()


def test_documents_lines_and_text_are_taken(receiver):
    assert receiver.post("/ingest", b'{"records":[{"a":1},{"a":2}]}')[1]["itemsAccepted"] == 2
    assert receiver.post("/ingest", b"one line\nanother\n", {"Content-Type": "text/plain; charset=utf-8"})[1]["itemsAccepted"] == 2
    assert receiver.bodies() == [{"a": 1}, {"a": 2}, {"message": "one line"}, {"message": "another"}]


def test_the_same_body_again_has_the_same_event_ids(receiver):
    for _ in range(2):
        assert receiver.post("/ingest", b'{"a":1}\n{"a":1}\n')[0] == 200
    ids = [r["lethe_event_id"] for r in records(receiver.folder / "out.jsonl")]
    assert ids[:2] == ids[2:] and ids[0] != ids[1]


def test_a_large_body_goes_over_several_batches(receiver):
    items = [{"n": n, "pad": "x" * 1000} for n in range(5000)]
    status, answer = receiver.post("/v2.1/track", json.dumps(items))
    assert (status, answer["itemsReceived"], answer["itemsAccepted"]) == (200, 5000, 5000)
    assert receiver.bodies() == items


def test_a_client_that_closes_its_side_gets_its_answer(receiver):
    with socket.create_connection(("127.0.0.1", receiver.port)) as client:
        client.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert receiver.bodies() == [{"a": 1}]


def test_a_token_is_needed_where_there_is_one(tmp_path):
    with Receiver(tmp_path, ", token: heron-lake-sandpiper") as run:
        assert run.post("/ingest", b"{}")[0] == 401
        assert run.post("/ingest", b'{"a":1}', {**JSON, "Authorization": "Bearer heron-lake-sandpiper"})[0] == 200
        assert run.post("/heron-lake-sandpiper/v2.1/track", b'[{"b":1}]')[0] == 200
        assert run.post("/heron-lake-sandpipes/v2.1/track", b'[{"b":1}]')[0] == 401
        assert b"heron" not in run.log.read_bytes()


def test_what_was_answered_survives_a_kill(tmp_path):
    """The sink cannot be written, so the store has it; the next run delivers it."""
    run = Receiver(tmp_path, store=True)
    (tmp_path / "out.jsonl").mkdir()
    with run:
        for n in range(20):
            assert run.post("/ingest", json.dumps({"n": n}))[0] == 200
        run.kill()
    (tmp_path / "out.jsonl").rmdir()
    with run:
        wait_for(lambda: len(records(tmp_path / "out.jsonl")) == 20)
        assert run.stop() == 0
    assert run.bodies() == [{"n": n} for n in range(20)]


@pytest.mark.parametrize("listen, message", [("0.0.0.0:8088", "it needs a certificate and key"), ("localhost:8088", "localhost")])
def test_an_address_that_others_reach_needs_tls(lethe, listen, message):
    (lethe.folder / "lethe.yaml").write_text(f'sources: [{{name: a, type: http, listen: "{listen}"}}]\nsinks: [{{name: b, type: stdout}}]\n')
    done = lethe.run("check", "-c", "lethe.yaml")
    assert done.returncode == 2 and message in done.stderr.decode()
