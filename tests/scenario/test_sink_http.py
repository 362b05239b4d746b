"""Records on their way to receivers over HTTP."""
import base64
import json
import re
import subprocess
import urllib.request

import pytest

from conftest import ROOT, wait_for
from recorder import HANG_UP, Recorder
from running import free_port
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
    assert run.process.wait(timeout=180) == 0, run.log.read_text()


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


@pytest.fixture
def slowly(tmp_path):
    """A run whose input stays open: send(line, ...)."""
    runs = []

    def start(settings):
        run = Run(tmp_path, CONFIG.format(settings=settings))
        runs.append(run)
        run.start(stdin=subprocess.PIPE)

        def send(*lines):
            run.process.stdin.write("".join(line + "\n" for line in lines).encode())
            run.process.stdin.flush()
        return run, send

    yield start
    for run in runs:
        run.__exit__()


def rejected(run):
    return run.log.read_text().count("refused a record for good")


@pytest.mark.parametrize("settings, refusal, everything", [
    ("", (400, {}, CANARY.encode()), (200, {}, b"")), ("", (422, {}, b""), (200, {}, b"")), ("", (413, {}, b""), (200, {}, b"")),
    (", kind: logs_ingestion, rule: dcr-1, stream: Custom-Wrong_CL, token: abc", (400, {}, CANARY.encode()), (204, {}, b"")),
    (", kind: splunk_hec, token: abc", (400, {}, b'{"text":"Invalid data format","code":6}'), (200, {}, b'{"text":"Success","code":0}')),
], ids=["400", "422", "413", "stream", "splunk"])
def test_where_everything_is_refused_nothing_is_rejected(deliver, recorder, settings, refusal, everything):
    recorder.answer = lambda r: refusal
    run = deliver(f'url: "{recorder.url}"{settings}')
    wait_for(lambda: run.logged("the receiver refuses everything"))
    assert len(recorder.requests) < 100
    recorder.answer = lambda r: everything
    ended(run)
    assert {m for r in taken(recorder) for m in re.findall(r'"message":"(line \d+)"', r.body.decode())} == set(LINES)
    assert rejected(run) == 0 and not run.logged(CANARY)


def test_where_every_document_is_refused_nothing_is_rejected(deliver, recorder):
    def answer(status):
        return lambda r: (200, {}, json.dumps({"errors": True, "items": [{"create": {"status": status}}] * (len(r.body.splitlines()) // 2)}).encode())
    recorder.answer = answer(400)
    run = deliver(f'url: "{recorder.url}", kind: elasticsearch, index: ml')
    wait_for(lambda: run.logged("look at url, index and its mapping"))
    first = len(recorder.requests)
    recorder.answer = answer(201)
    ended(run)
    assert {json.loads(line)["message"] for r in recorder.requests[first:] for line in r.body.splitlines()[1::2]} == set(LINES)
    assert rejected(run) == 0


def test_a_refused_record_waits_until_another_is_taken(slowly, recorder):
    recorder.answer = lambda r: (400, {}, b"") if b"bad" in r.body else (200, {}, b"")
    run, send = slowly(f'url: "{recorder.url}/hook"')
    send("bad 1")
    wait_for(lambda: run.logged("the receiver refuses everything") and len(recorder.requests) >= 2)
    assert rejected(run) == 0
    send("good 1")
    wait_for(lambda: rejected(run) == 1)
    run.process.stdin.close()
    ended(run)
    assert [d["message"] for d in documents(taken(recorder))] == ["good 1"]


def test_a_receiver_that_begins_to_refuse_everything_costs_sixteen_records_at_most(slowly, recorder):
    run, send = slowly(f'url: "{recorder.url}/hook"')
    send("good")
    wait_for(lambda: len(taken(recorder)) == 1)
    recorder.answer = lambda r: (400, {}, b"")
    send(*LINES)
    run.process.stdin.close()
    wait_for(lambda: run.logged("the receiver refuses everything"))
    recorder.answer = lambda r: (200, {}, b"")
    ended(run)
    got = {d["message"] for d in documents(taken(recorder))}
    under_way = 3   # beside the first that is taken when the receiver is put right: their refusals count for themselves
    assert rejected(run) == len(set(LINES) - got) <= 16 + under_way


class Indexers:
    """Splunk with acknowledgement: takes events, and says later which it has. `deaf` tickets are never acknowledged."""

    def __init__(self, recorder, deaf=()):
        self.tickets, self.deaf, self.channels, self.acknowledged = 0, set(deaf), set(), {}
        recorder.answer = self

    def __call__(self, request):
        self.channels.add(request.headers["X-Splunk-Request-Channel"])
        if request.path.endswith("/ack"):
            asked = json.loads(request.body)["acks"]
            return 200, {}, json.dumps({"acks": {str(t): t not in self.deaf and bool(self.acknowledged.setdefault(t, True)) for t in asked}}).encode()
        self.tickets += 1
        return 200, {}, json.dumps({"text": "Success", "code": 0, "ackId": self.tickets - 1}).encode()


def test_splunk_has_what_its_indexers_have_acknowledged(deliver, recorder):
    indexers = Indexers(recorder, deaf={0})
    run = deliver(f'url: "{recorder.url}", kind: splunk_hec, token: abc, ack: true, ack_interval: 100ms, ack_timeout: 1s')
    ended(run)
    events = recorder.to("/services/collector/event")
    assert len(events) == 2 and sorted(d["event"]["message"] for d in documents(events[1:])) == sorted(LINES)
    assert events[0].body == events[1].body   # the same event ids
    assert set(indexers.acknowledged) == {1} and len(indexers.channels) == 1
    assert run.logged("did not acknowledge")


def test_a_ticket_that_is_given_twice_is_that_of_the_later_request(slowly, recorder):
    asked = []

    def answer(request):
        if request.path.endswith("/ack"):
            asked.append(json.loads(request.body)["acks"])
            return 200, {}, json.dumps({"acks": {"7": len(recorder.to("/services/collector/event")) >= 3}}).encode()
        return 200, {}, b'{"text":"Success","code":0,"ackId":7}'
    recorder.answer = answer
    run, send = slowly(f'url: "{recorder.url}", kind: splunk_hec, token: abc, ack: true, ack_interval: 100ms')
    send("one")
    wait_for(lambda: asked)
    send("two")
    run.process.stdin.close()
    ended(run)
    sent = [d["event"]["message"] for d in documents(recorder.to("/services/collector/event"))]
    assert sorted(set(sent)) == ["one", "two"] and sent.count("one") >= 2


def test_an_answer_without_a_ticket_is_told(deliver, recorder):
    recorder.answer = lambda r: (200, {}, b'{"text":"Success","code":0}')
    run = deliver(f'url: "{recorder.url}", kind: splunk_hec, token: abc, ack: true')
    wait_for(lambda: run.logged("switch indexer acknowledgement on for the token"))


def test_headers_and_a_user_of_ones_own_are_sent_and_never_shown(deliver, recorder, lethe, tmp_path):
    (tmp_path / "key").write_text("s3cret-Key-8812\n")
    settings = (f'url: "{recorder.url}/hook", username: amy, password: "${{HOOK_PASSWORD}}", '
                f'headers: ["X-Api-Key: ${{file:{tmp_path}/key}}", "X-Team: ml"]')
    run = deliver(settings, HOOK_PASSWORD="s3cret-Word-3141")
    ended(run)
    heads = {(r.headers["X-Api-Key"], r.headers["X-Team"], r.headers["Authorization"]) for r in recorder.requests}
    assert heads == {("s3cret-Key-8812", "ml", "Basic " + base64.b64encode(b"amy:s3cret-Word-3141").decode())}
    shown = lethe.run("check", "-c", run.config, env={**run.environment})
    assert shown.returncode == 0 and b"s3cret" not in shown.stdout + shown.stderr and not run.logged("s3cret")


@pytest.mark.parametrize("settings, text", [
    ('headers: ["no colon"]', "number 1 is not of the form"), ('headers: ["Host: x"]', "'Host' is set by the sink itself"),
    ('token: a, headers: ["authorization: x"]', "'authorization' is set by the sink itself"), ("username: a", "go together"),
    ("token: a, username: a, password: b", "not both"), ("ack: true", "for splunk_hec"),
    ("kind: splunk_hec, token: a, channel: me", "not a GUID"),
])
def test_settings_that_contradict_each_other_are_told(lethe, tmp_path, settings, text):
    (tmp_path / "lethe.yaml").write_text(CONFIG.format(settings=f'url: "https://a.example", {settings}'))
    refused = lethe.run("check", "-c", "lethe.yaml")
    assert refused.returncode != 0 and text in refused.stderr.decode()


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


@pytest.fixture
def data_stream(opensearch):
    """The template that is shipped, as docs/sinks.md says for OpenSearch."""
    template = (ROOT / "share/elasticsearch/logs-azure.aml.json").read_text().replace('"flattened"', '"flat_object"')
    status, answer = opensearch.call("PUT", "_index_template/lethe", json.loads(template))
    assert status == 200, answer
    yield "logs-azure.aml-default"
    opensearch.call("DELETE", "_data_stream/logs-azure.aml-default")


def test_a_data_stream_takes_every_sort_of_record_once(lethe, opensearch, data_stream, tmp_path):
    """Delivered twice, with people, addresses and names removed where the mapping has numbers and addresses."""
    lethe.run("keygen", "-o", "lethe.key")
    lines = [line for path in sorted((ROOT / "samples/export").glob("*.jsonl")) for line in path.read_text().splitlines()]
    for path in sorted((ROOT / "tests/golden/encode").glob("*.in")):   # their marks say what is replaced: «raw|replacement»
        lines.append(re.sub(r"«([^|»]*)\|[^»]*»", r"\1", path.read_text()).replace("\n", " "))
    (tmp_path / "in.jsonl").write_text("".join(line + "\n" for line in lines))
    status_page = f"127.0.0.1:{free_port()}"
    config = f"""sources:
  - {{name: in, type: file, paths: ["in.jsonl"], poll: 20ms}}
key_file: lethe.key
policy: hbi
sinks:
  - {{name: search, type: http, kind: elasticsearch, url: "{opensearch.url}", index: {data_stream}, format: ecs}}
admin: {{listen: "{status_page}"}}
"""

    def settled():
        with urllib.request.urlopen(f"http://{status_page}/status.json") as answer:
            sink = json.load(answer)["sinks"][0]
        return sink["delivered"] + sink["rejected"]
    for _ in range(2):
        with Run(tmp_path, config) as run:
            wait_for(lambda: settled() >= len(lines))
            assert run.stop() == 0
            assert rejected(run) == 0
    assert len(opensearch.documents(data_stream)) == len(lines) > 25
    _, indexes = opensearch.call("GET", f"{data_stream}/_mapping")
    (fields,) = [index["mappings"]["properties"] for index in indexes.values()]
    assert fields["http"]["properties"]["response"]["properties"]["status_code"]["type"] == "long"
    assert fields["source"]["properties"]["ip"]["type"] == "ip"
