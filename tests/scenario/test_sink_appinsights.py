"""Records on their way to the ingestion service of Application Insights."""
import collections
import json
import subprocess

import pytest

from appinsights import KEY, accept, answer_of, connection_string, envelopes
from conftest import wait_for
from recorder import CUT, HANG_UP
from streaming import Run

CONFIG = """sources:
  - {{name: in, type: stdin}}
sinks:
  - {{name: ai, type: appinsights, connection_string: "{connection}", metadata: true, timeout: 5s{more}}}
"""
CANARY = "canary-Heron-4471"


@pytest.fixture
def deliver(tmp_path):
    """Sends lines through a run and waits for its end."""
    runs = []

    def start(connection, lines, more=""):
        run = Run(tmp_path, CONFIG.format(connection=connection, more=more))
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


def message(envelope):
    return envelope["data"]["baseData"]["message"]


def event_id(envelope):
    return envelope["data"]["baseData"]["properties"]["lethe_event_id"]


LINES = [f"line {n}" for n in range(200)]


class Service:
    """Takes items as the protocol says, but for those in `faults`: {message: [status, ...]}, used up in turn."""

    def __init__(self, faults):
        self.faults = collections.defaultdict(list, faults)
        self.taken = []

    def __call__(self, request):
        items = envelopes(request.body)
        errors = []
        for index, item in enumerate(items):
            if self.faults[message(item)]:
                errors.append((index, self.faults[message(item)].pop(0), f"refused {CANARY}"))
            else:
                self.taken.append(item)
        return answer_of(206 if errors else 200, len(items), errors)


def test_every_record_arrives_once_with_the_key_of_the_connection_string(deliver, ingestion):
    ended(deliver(ingestion.connection_string, LINES))
    assert sorted(map(message, ingestion.received)) == sorted(LINES)
    assert len({event_id(e) for e in ingestion.received}) == len(LINES)
    assert {e["iKey"] for e in ingestion.received} == {KEY}
    assert {r.path for r in ingestion.requests} == {"/v2.1/track"}
    assert {r.headers["Content-Encoding"] for r in ingestion.requests} == {"gzip"}


def test_of_a_partly_taken_request_only_the_rest_is_sent_again(deliver, ingestion):
    service = ingestion.answer = Service({"line 3": [429], "line 7": [500, 503], "line 9": [400], "line 11": [206]})
    run = deliver(ingestion.connection_string, LINES)
    ended(run)
    assert sorted(map(message, service.taken)) == sorted(set(LINES) - {"line 9", "line 11"})
    sent = collections.Counter(message(e) for r in ingestion.requests for e in envelopes(r.body))
    assert sent == collections.Counter(LINES) + collections.Counter(["line 3", "line 7", "line 7"])
    assert run.logged("refused by the receiver") and not run.logged(CANARY)


def out_of_range(request):
    return answer_of(206, len(envelopes(request.body)), [(-1, 500, "x"), (10 ** 9, 500, "x"), (1e300, 400, "x")])


def test_an_answer_about_items_that_were_not_sent_is_tried_again_and_then_divided(deliver, ingestion):
    """It names nobody: everything is sent again, a few times, then in halves, until the service speaks sense."""
    sizes = []

    def answer(request):
        sizes.append(len(envelopes(request.body)))
        return out_of_range(request) if sizes[-1] > 50 else answer_of(200, sizes[-1], [])
    ingestion.answer = answer
    run = deliver(ingestion.connection_string, LINES)
    ended(run)
    assert sorted(map(message, ingestion.received)) == sorted(LINES)
    assert sizes[:4] == [200] * 4 and sorted(sizes[4:]) == [50, 50, 50, 50, 100, 100]


def test_answers_without_sense_to_every_item_reject_nothing(deliver, ingestion):
    ingestion.answer = out_of_range
    run = deliver(ingestion.connection_string, LINES[:2])
    wait_for(lambda: len(ingestion.requests) >= 8)   # both of them alone, and again
    ingestion.answer = accept
    ended(run)
    assert sorted(map(message, ingestion.received)) == sorted(LINES[:2]) and not run.logged("for good")


def test_a_service_that_refuses_everything_gets_it_when_it_does_no_more(deliver, ingestion):
    ingestion.answer = lambda r: (400, {}, b"<html>" + CANARY.encode())
    run = deliver(ingestion.connection_string, LINES)
    wait_for(lambda: run.logged("look at connection_string and entra"))
    ingestion.answer = accept
    ended(run)
    assert sorted(map(message, ingestion.received)) == sorted(LINES)
    assert not run.logged("for good") and not run.logged(CANARY)


@pytest.mark.parametrize("status", [402, 439])
def test_a_quota_that_one_item_met_holds_everything(deliver, ingestion, status):
    def answer(request):
        count = len(envelopes(request.body))
        first = len(ingestion.to("/v2.1")) == 1
        return answer_of(206, count, [(0, status, "quota")] if first else [], **({"Retry-After": "1"} if first else {}))
    ingestion.answer = answer
    ended(deliver(ingestion.connection_string, LINES))
    assert ingestion.requests[1].at - ingestion.requests[0].at >= 0.9
    assert [message(e) for e in envelopes(ingestion.requests[1].body)] == ["line 0"]


def test_an_item_that_the_service_samples_out_shows_that_it_is_well(deliver, ingestion):
    ingestion.answers.append(lambda r: answer_of(206, 1, [(0, 206, "Telemetry sampled out.")]))
    run = deliver(ingestion.connection_string, ["one"])
    ended(run)
    assert len(ingestion.requests) == 1 and run.logged("sampled out by the service")


@pytest.mark.parametrize("answer", [
    (429, {"Retry-After": "1"}, CANARY.encode()), (503, {"Retry-After": "1"}, b""), (402, {"Retry-After": "1"}, b""),
    (439, {"Retry-After": "1"}, b""), (408, {}, b""), (500, {}, CANARY.encode()), HANG_UP, (206, {}, b"<html>" + CANARY.encode()),
    (400, {}, json.dumps({"errors": [{"index": 0, "statusCode": 400, "message": "Invalid instrumentation key"}]}).encode()),
], ids=lambda a: "hang up" if a is HANG_UP else str(a[0]))
def test_what_may_pass_is_tried_again(deliver, ingestion, answer):
    ingestion.answers.append(answer)
    run = deliver(ingestion.connection_string, ["one"])
    ended(run)
    assert [message(e) for e in ingestion.received] == ["one"] and len(ingestion.requests) == 2
    if answer is not HANG_UP and "Retry-After" in answer[1]:
        assert ingestion.requests[1].at - ingestion.requests[0].at >= 0.9
    assert not run.logged(CANARY)


def test_a_request_that_is_too_large_is_halved_down_to_the_one_record(deliver, ingestion):
    def answer(request):
        items = envelopes(request.body)
        return (413, {}, b"") if "line 5" in map(message, items) else answer_of(200, len(items), [])
    ingestion.answer = answer
    run = deliver(ingestion.connection_string, LINES)
    ended(run)
    assert sorted(map(message, ingestion.received)) == sorted(set(LINES) - {"line 5"})
    assert run.logged("too large")


def test_a_receiver_that_is_away_gets_everything_when_it_is_back(deliver, ingestion):
    ingestion.stop()
    run = deliver(ingestion.connection_string, LINES)
    wait_for(lambda: run.logged('"ai"'))
    ingestion.start()
    ended(run)
    assert sorted(map(message, ingestion.received)) == sorted(LINES)


def test_redirects_lead_to_the_same_host_only(deliver, tls_ingestion, recorder, certificates):
    tls_ingestion.answers.append((308, {"Location": recorder.url + "/v2.1/track"}, b""))
    tls_ingestion.answers.append((307, {"Location": tls_ingestion.url + "@evil.example/v2.1/track"}, b""))
    tls_ingestion.answers.append((307, {"Location": tls_ingestion.url + "/v2.1/moved/track"}, b""))
    ended(deliver(connection_string(tls_ingestion.url), ["one"], f', ca_file: "{certificates.ca}"'))
    assert recorder.requests == []
    assert [r.path for r in tls_ingestion.requests] == ["/v2.1/track"] * 3 + ["/v2.1/moved/track"]


HOME, MOVED = "/v2.1/track", "/v2.1/moved/track"


@pytest.mark.parametrize("answers, paths", [
    ([CUT(503, {}, b"cut")], [HOME, MOVED, HOME]),
    ([(404, {}, b"")], [HOME, MOVED, HOME]),
    (["again"] * 10, [HOME, *[MOVED] * 10, HOME]),
], ids=["no whole answer", "nothing there", "without end"])
def test_a_redirect_that_leads_nowhere_is_forgotten(deliver, tls_ingestion, certificates, answers, paths):
    moved = (307, {"Location": tls_ingestion.url + MOVED}, b"")
    tls_ingestion.answers += [moved, *(moved if answer == "again" else answer for answer in answers)]
    ended(deliver(connection_string(tls_ingestion.url), ["one"], f', ca_file: "{certificates.ca}"'))
    assert [r.path for r in tls_ingestion.requests] == paths
    assert list(map(message, tls_ingestion.received)) == ["one"]


def test_an_old_item_is_sent_as_of_now_and_keeps_its_time(deliver, ingestion):
    ended(deliver(ingestion.connection_string, ['{"time":"2024-05-01T10:11:12.345Z","category":"AmlRunEvent","level":"Warning","message":"old"}']))
    (item,) = ingestion.received
    assert item["time"] > "2024-05-04"
    assert item["data"]["baseData"]["properties"]["lethe_original_time"] == "2024-05-01T10:11:12.345Z"
