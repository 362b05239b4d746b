"""Telemetry sent over HTTP, through a whole streaming run."""
import concurrent.futures
import gzip
import http.client
import json
import random
import signal
import socket

import pytest

from conftest import wait_for
from running import free_port
from streaming import Run, records

CONFIG = """sources:
  - {{name: sdk, type: http, listen: "127.0.0.1:{port}"{more}}}
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""
JSON = {"Content-Type": "application/json"}


class Receiver(Run):
    def __init__(self, folder, more="", store=False, settings=""):
        self.port = free_port()
        config = CONFIG.format(port=self.port, folder=folder, more=more) + (f"store: {folder}/state\n" if store else "") + settings
        super().__init__(folder, config)

    def post(self, path, body, headers=None):
        """(status, answer as JSON or text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
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


@pytest.fixture(scope="module")
def veteran(tmp_path_factory):
    """One for all that is refused: whatever it was sent, it goes on. Its list `after` is what was not."""
    with Receiver(tmp_path_factory.mktemp("veteran")) as run:
        run.after = []
        yield run


def goes_on(veteran):
    """Still takes what is right, and took nothing but that."""
    veteran.after.append({"after": len(veteran.after)})
    assert veteran.post("/ingest", json.dumps(veteran.after[-1]))[0] == 200
    return veteran.bodies() == veteran.after


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


DEEP = b'{"d":' * 200 + b"1" + b"}" * 200
POISON = {"cut": b'{"a":tru}', "utf-8": b'{"a":"\xc3"}', "control": b'{"a":"\x01"}', "deep": DEEP,
          "long": b'{"a":"' + b"x" * 1_100_000 + b'"}', "unquoted": b"{a:1}", "bare": b"nonsense"}


@pytest.mark.parametrize("form", ["lines", "array"])
def test_each_poisonous_item_is_named_and_those_between_them_arrive(receiver, form):
    items = [item for number, poison in enumerate(POISON.values()) for item in (b'{"n":%d}' % number, poison)]
    body = b"\n".join(items) if form == "lines" else b"[" + b",".join(items) + b"]"
    status, answer = receiver.post("/v2.1/track", body)
    assert (status, answer["itemsReceived"], answer["itemsAccepted"]) == (206, len(items), len(POISON))
    assert [(e["index"], e["statusCode"]) for e in answer["errors"]] == [(n, 400) for n in range(1, len(items), 2)]
    assert receiver.bodies() == [{"n": number} for number in range(len(POISON))]


def test_an_item_is_named_by_its_place_in_the_request_however_large_that_is(receiver):
    items = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * 1000) for n in range(5000)]
    items[0] = items[3217] = items[4999] = b'{"broken":nope}'
    status, answer = receiver.post("/v2.1/track", b"\n".join(items))
    assert (status, answer["itemsReceived"], answer["itemsAccepted"]) == (206, 5000, 4997)
    assert [e["index"] for e in answer["errors"]] == [0, 3217, 4999]


def test_requests_that_share_a_batch_do_not_harm_each_other(receiver):
    def send(n):
        if n % 3 == 0:
            return receiver.post("/v2.1/track", b'{"n":')[0]
        if n % 3 == 1:
            return receiver.post("/v2.1/track", gzip.compress(b'{"a":1}')[:-4], {**JSON, "Content-Encoding": "gzip"})[0]
        return receiver.post("/v2.1/track", b'{"n":%d}' % n)[0]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(send, range(90))) == [400, 400, 200] * 30
    assert sorted(r["n"] for r in receiver.bodies()) == list(range(2, 90, 3))


SOME_TEXT = random.Random(7).randbytes(100_000).hex().encode()   # packs to half


@pytest.mark.parametrize("body, status", [
    (gzip.compress(b'{"a":1}' + b" " * 80_000_000), 413),
    (gzip.compress(b'{"a":1}' + b" " * 20_000_000), 413),
    (gzip.compress(b'{"a":"' + SOME_TEXT * 400 + b'"}', 1), 413),
    (gzip.compress(b'{"a":1}\n')[:-3], 400),
    (gzip.compress(b'{"a":1}\n') + b"more", 400),
    (b"\x1f\x8b no gzip", 400),
    (b'[{"a":1}]', 400),
    (b"", 400),
], ids=["a bomb", "a small bomb", "too much, though no bomb", "cut off", "followed by other bytes", "no gzip", "not packed", "empty"])
def test_a_packed_body_that_is_not_sound_is_refused_as_a_whole(veteran, body, status):
    assert veteran.post("/v2.1/track", body, {**JSON, "Content-Encoding": "gzip"})[0] == status
    assert goes_on(veteran)


@pytest.mark.parametrize("path, headers, status", [
    ("/v2/trak", JSON, 404),
    ("/ingest", {"Content-Type": "text/html"}, 415),
    ("/ingest", {**JSON, "Content-Encoding": "br"}, 415),
    ("/ingest", {**JSON, "Content-Encoding": "gzip, gzip"}, 415),
    ("/ingest", {}, 415),
    ("/v2.1/track", {"Content-Type": "application/jsonx"}, 415),
    ("/v2.1/track", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ("/v2.1/track/", JSON, 404),
    ("/v2.1/../v2.1/track", JSON, 404),
    ("/v2.1/track", {**JSON, "Transfer-Encoding": "gzip"}, 400),
    ("/ingest", {**JSON, "Content-Length": "99999999999"}, 413),
])
def test_what_cannot_be_taken_is_refused_before_it_is_read(veteran, path, headers, status):
    connection = http.client.HTTPConnection("127.0.0.1", veteran.port, timeout=180)
    connection.putrequest("POST", path)
    for name, value in {"Content-Length": "2", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_other_methods_are_refused(veteran):
    connection = http.client.HTTPConnection("127.0.0.1", veteran.port, timeout=180)
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


POST = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("said", [b"POST /ingest HT", POST, POST + b'Content-Length: 7\r\n\r\n{"a":', POST + b'Transfer-Encoding: chunked\r\n\r\n7\r\n{"a"'],
                         ids=["in the first line", "in the head", "in the body", "in a chunk"])
def test_a_client_that_closes_its_side_too_early_is_told_so(veteran, said):
    with socket.create_connection(("127.0.0.1", veteran.port)) as client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert goes_on(veteran)


def test_clients_that_dawdle_or_vanish_keep_nobody_waiting(veteran):
    slow = [socket.create_connection(("127.0.0.1", veteran.port)) for _ in range(30)]
    for number, client in enumerate(slow):
        client.sendall([b"P", POST, POST + b'Content-Length: 7\r\n\r\n{"a":'][number % 3])
    assert goes_on(veteran)
    for client in slow:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")   # closed with a reset
        client.close()
    assert goes_on(veteran)


def test_a_body_in_chunks_ends_where_the_limit_is(tmp_path):
    with Receiver(tmp_path, ", max_body: 64K") as run:
        fits = b'{"a":"' + b"x" * (65536 - 8) + b'"}'
        assert run.post("/ingest", iter([fits]))[0] == 200
        assert run.post("/ingest", iter([fits, b" "]))[0] == 413
        assert len(run.bodies()) == 1


def test_a_run_that_stops_sends_clients_away_in_a_way_they_understand(tmp_path):
    """The sink cannot be written: what came before the stop waits for it until that is cut short, what comes later does not wait."""
    (tmp_path / "out.jsonl").mkdir()
    with Receiver(tmp_path, settings="drain_timeout: 900s\n") as run, concurrent.futures.ThreadPoolExecutor() as pool:
        first = http.client.HTTPConnection("127.0.0.1", run.port, timeout=180)
        first.request("GET", "/")
        first.getresponse().read()   # known to the server before it stops listening
        waiting = pool.submit(run.post, "/v2.1/track", b"[{}]")
        wait_for(lambda: run.logged("cannot"))
        run.process.send_signal(signal.SIGTERM)
        wait_for(lambda: run.logged('"stopping"'))
        first.request("POST", "/v2.1/track", b"[{}]", JSON)
        answer = first.getresponse()
        text = answer.read()
        assert not waiting.done()
        assert (answer.status, answer.getheader("Retry-After"), answer.getheader("Content-Type")) == (503, "5", "text/plain")
        run.process.send_signal(signal.SIGTERM)
        assert waiting.result() == (503, text.decode()) and text
        assert run.process.wait(timeout=180) == 1


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
        assert run.post("/heron-lake-sandpiper//v2.1/track", b'[{"c":1}]')[0] == 200   # where an endpoint ends in a slash
        for path in ("/heron-lake-sandpipes/v2.1/track", "/heron-lake-sandpiper", "/heron-lake-sandpiperv2.1/track", "/Heron-lake-sandpiper/v2.1/track",
                     "/heron-lake-sandpipe/v2.1/track", "/v2.1/track?token=heron-lake-sandpiper"):
            assert run.post(path, b"[{}]")[0] == 401, path
        for given in ("Bearer", "Bearer ", "Bearer heron-lake-sandpipe", "Bearer heron-lake-sandpiperr", "Bearer  heron-lake-sandpiper",
                      "Basic heron-lake-sandpiper", "heron-lake-sandpiper"):
            assert run.post("/ingest", b"{}", {**JSON, "Authorization": given})[0] == 401, given
        assert run.bodies() == [{"a": 1}, {"b": 1}, {"c": 1}]
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
