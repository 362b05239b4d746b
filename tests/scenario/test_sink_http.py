"""Records on their way to receivers over HTTP."""
import json
import subprocess

import pytest

from conftest import wait_for
from recorder import HANG_UP, Recorder
from streaming import Run

CONFIG = """sources:
  - {{name: in, type: stdin}}
sinks:
  - {{name: web, type: http, metadata: true, timeout: 5s, {settings}}}
"""
CANARY = "canary-Heron-4471"
LINES = [f"line {n}" for n in range(100)]


@pytest.fixture
def deliver(tmp_path):
    runs = []

    def start(settings, lines=LINES, **environment):
        run = Run(tmp_path, CONFIG.format(settings=settings), **environment)
        runs.append(run)
        run.start(stdin=subprocess.PIPE)
        run.process.stdin.write("".join(line + "\n" for line in lines).encode())
        run.process.stdin.close()
        return run

    yield start
    for run in runs:
        run.__exit__()


def ended(run):
    assert run.process.wait(timeout=60) == 0, run.log.read_text()


def documents(requests):
    return [json.loads(line) for r in requests for line in r.body.splitlines()]


def taken(recorder):
    return [r for r in recorder.requests if r.status and r.status // 100 == 2]


def test_a_webhook_gets_every_record_once(deliver, recorder):
    ended(deliver(f'url: "{recorder.url}/hook", token: opensesame'))
    got = documents(recorder.requests)
    assert sorted(d["message"] for d in got) == sorted(LINES)
    assert len({d["lethe_event_id"] for d in got}) == len(LINES)
    assert {r.headers["Authorization"] for r in recorder.requests} == {"Bearer opensesame"}


def test_a_webhook_may_get_an_array(deliver, recorder):
    ended(deliver(f'url: "{recorder.url}/hook", body: array, gzip: false'))
    assert sorted(d["message"] for r in recorder.requests for d in json.loads(r.raw)) == sorted(LINES)


@pytest.mark.parametrize("answer", [(503, {"Retry-After": "1"}, CANARY.encode()), (401, {}, CANARY.encode()), (404, {}, b""), HANG_UP],
                         ids=["503", "401", "404", "hang up"])
def test_what_may_pass_is_tried_again(deliver, recorder, answer):
    recorder.answers.append(answer)
    run = deliver(f'url: "{recorder.url}/hook"')
    ended(run)
    assert sorted(d["message"] for d in documents(taken(recorder))) == sorted(LINES)
    assert not run.logged(CANARY)


def test_a_refused_record_alone_is_withheld(deliver, recorder):
    recorder.answer = lambda r: (400, {}, CANARY.encode()) if b'"line 5"' in r.body else (200, {}, b"")
    run = deliver(f'url: "{recorder.url}/hook"')
    ended(run)
    assert sorted(d["message"] for d in documents(taken(recorder))) == sorted(set(LINES) - {"line 5"})
    assert run.logged("refused by the receiver") and not run.logged(CANARY)


def test_a_certificate_of_another_host_gets_no_byte(deliver, certificates):
    server = Recorder(certificate=certificates.wrong_host)
    server.start()
    try:
        run = deliver(f'url: "{server.url}/hook", ca_file: "{certificates.ca}"')
        wait_for(lambda: run.logged('"part":"web"'))
        run.kill()
        assert server.requests == []
    finally:
        server.stop()


def test_splunk_gets_events(deliver, recorder):
    recorder.answers.append((200, {}, b"<html>a proxy's page</html>"))
    recorder.answers.append((503, {}, b'{"text":"Server is busy","code":9}'))
    recorder.answer = lambda r: (200, {}, b'{"text":"Success","code":0}')
    ended(deliver(f'url: "{recorder.url}/", kind: splunk_hec, token: abc, index: ml, source_type: "azure:aml"'))
    got = documents(recorder.requests[2:])
    assert sorted(d["event"]["message"] for d in got) == sorted(LINES)
    assert {(d["index"], d["sourcetype"]) for d in got} == {("ml", "azure:aml")}
    assert len({d["fields"]["lethe_event_id"] for d in got}) == len(LINES)
    assert {(r.path, r.headers["Authorization"]) for r in recorder.requests} == {("/services/collector/event", "Splunk abc")}


def test_logs_ingestion_keeps_its_limit(deliver, recorder):
    recorder.answer = lambda r: (204, {}, b"")
    lines = [f"{n} " + "word " * 2000 for n in range(300)]   # 3 MB
    ended(deliver(f'url: "{recorder.url}", kind: logs_ingestion, rule: dcr-1, stream: Custom-A_CL, token: abc', lines))
    assert max(len(r.body) for r in recorder.requests) <= 1_000_000
    assert sorted(d["message"].split()[0] for r in recorder.requests for d in r.json()) == sorted(str(n) for n in range(300))
    assert {r.path for r in recorder.requests} == {"/dataCollectionRules/dcr-1/streams/Custom-A_CL"}


def test_elasticsearch_answers_each_record(deliver, recorder):
    seen = []

    def answer(request):
        lines = request.body.splitlines()
        ids = [json.loads(line)["create"]["_id"] for line in lines[::2]]
        first = not seen
        seen.append(ids)
        states = [{"create": {"status": (429, 409, 400)[n] if first and n < 3 else 201, "error": {"reason": CANARY}}} for n in range(len(ids))]
        return 200, {}, json.dumps({"errors": first, "items": states}).encode()
    recorder.answer = answer
    run = deliver(f'url: "{recorder.url}", kind: elasticsearch, index: ml')
    ended(run)
    assert seen[0][0] in [i for ids in seen[1:] for i in ids]
    assert not {seen[0][1], seen[0][2]} & {i for ids in seen[1:] for i in ids}
    assert run.logged("refused by the receiver") and not run.logged(CANARY)


def test_opensearch_has_every_record(deliver, opensearch):
    ended(deliver(f'url: "{opensearch.url}", kind: elasticsearch, index: lethe-test, format: flat'))
    opensearch.call("POST", "lethe-test/_refresh")
    _, answer = opensearch.call("GET", "lethe-test/_search?size=1000")
    assert sorted(h["_source"]["message"] for h in answer["hits"]["hits"]) == sorted(LINES)
