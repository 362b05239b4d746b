"""What every sink must do, whatever is behind it. Each story is one run with all the sinks at once; each claim is then made of each
sink by itself. A new sink is a line in RECEIVERS, and its receiver a class in receivers.py.

`beside` is a file of its own that nothing happens to: what it has and when tells whether others held it up."""
import collections
import contextlib
import json
import subprocess

import pytest

import receivers
from conftest import LONG, wait_for
from recorder import Recorder
from streaming import Run

MANY = 100_000 if LONG else 400
PATIENCE = 900 if LONG else 180
BLOCKS = 20   # more than memory has in the story of receivers that are away
RECEIVERS = {
    "file": lambda get, folder: receivers.File(folder),
    "file, packed": lambda get, folder: receivers.PackedFile(folder),
    "stdout": lambda get, folder: receivers.Stdout(),
    "kafka": lambda get, folder: receivers.Kafka(get("kafka")),
    "syslog": lambda get, folder: receivers.Syslog(get("rsyslog"), f"lethe-{folder.name}"),
    "opensearch": lambda get, folder: receivers.OpenSearch(get("opensearch")),
    "elasticsearch": lambda get, folder: receivers.Elasticsearch(started(get, folder)),
    "splunk": lambda get, folder: receivers.Splunk(started(get, folder)),
    "splunk with acknowledgement": lambda get, folder: receivers.SplunkWithAck(started(get, folder), "faults" in folder.name),
    "webhook": lambda get, folder: receivers.Webhook(started(get, folder)),
    "logs ingestion": lambda get, folder: receivers.LogsIngestion(started(get, folder)),
    "appinsights": lambda get, folder: receivers.AppInsights(started(get, folder)),
}
OVER_HTTP = ["elasticsearch", "splunk", "splunk with acknowledgement", "webhook", "logs ingestion", "appinsights"]
recorders = []


def started(_, __):
    recorders.append(Recorder())
    recorders[-1].start()
    return recorders[-1]


class Story:
    """A run with a sink for each of the receivers, which are named by the keys of RECEIVERS."""

    def __init__(self, request, folder, names, sink_settings="", settings=""):
        self.beside = receivers.File(folder, "beside.jsonl")
        self.receivers, self.missing, self.sent = {}, {}, 0
        for name in names:
            try:
                self.receivers[name] = RECEIVERS[name](request.getfixturevalue, folder)
            except pytest.skip.Exception as missing:
                self.missing[name] = str(missing)
        sinks = [f"  - {{name: beside, {self.beside.settings}}}"]
        sinks += [f"  - {{name: sink-{n}, {r.settings}{sink_settings}}}" for n, r in enumerate(self.receivers.values())]
        self.run = Run(folder, "sources:\n  - {name: in, type: stdin}\nstore: state\ndrain_timeout: 150s\n" + settings + "sinks:\n" + "\n".join(sinks) + "\n")
        self.run.start(stdin=subprocess.PIPE)
        for receiver in self.receivers.values():
            receiver.attach(self.run)

    def send(self, count):
        lines = (json.dumps(receivers.planted(n), ensure_ascii=False) + "\n" for n in range(self.sent, self.sent + count))
        self.run.process.stdin.write("".join(lines).encode())
        self.run.process.stdin.flush()
        self.sent += count

    def everybody_has_it(self):
        for receiver in [self.beside, *self.receivers.values()]:
            wait_for(lambda receiver=receiver: receiver.has(self.sent), PATIENCE)

    def end(self):
        self.run.process.stdin.close()
        assert self.run.process.wait(timeout=180) == 0, self.run.log.read_text()

    def receiver(self, name):
        if name in self.missing:
            pytest.skip(self.missing[name])
        return self.receivers[name]

    def check(self, name):
        """Nothing is missing, nothing else is there, all of it is as it should be, with the event ids that all sinks give; nothing
        secret came. Returns how often each record came."""
        receiver, times = self.receiver(name), collections.Counter()
        ids = {json.dumps(record["properties"]["number"]): event_id for event_id, record in self.beside.records()}
        assert len(set(ids.values())) == self.sent
        for event_id, record in receiver.records():
            number = str(record["properties"]["number"])
            assert record == receiver.golden(int(number)) and event_id == ids[number]
            times[int(number)] += 1
        assert set(times) == set(range(self.sent))
        assert receivers.CANARY.encode() not in receiver.raw() and not self.run.logged(receivers.CANARY)
        assert not self.run.logged("for good")
        return times


@contextlib.contextmanager
def story(request, factory, name, names, sink_settings="", settings=""):
    told = Story(request, factory.mktemp(name), names, sink_settings, settings)
    try:
        yield told
    finally:
        told.run.__exit__()
        while recorders:
            recorders.pop().stop()


@pytest.fixture(scope="module")
def calm(request, tmp_path_factory):
    """All is well."""
    with story(request, tmp_path_factory, "calm", RECEIVERS) as told:
        told.send(MANY)
        told.everybody_has_it()   # the end of the run waits for the store only
        told.end()
        yield told


@pytest.fixture(scope="module")
def interrupted(request, tmp_path_factory):
    """Every receiver goes away in the middle, and comes back. None of them is required; memory is short, and there is a store."""
    with story(request, tmp_path_factory, "away", RECEIVERS, ", required: false, max_lag: 10G", "" if LONG else "blocks: 8\n") as told:
        told.send(MANY // 2)
        told.everybody_has_it()
        with contextlib.ExitStack() as away:
            for receiver in told.receivers.values():
                away.enter_context(receiver.away())
            for _ in range(BLOCKS):
                told.send(MANY // 2 // BLOCKS)
                wait_for(lambda: told.beside.has(told.sent), PATIENCE)
        told.everybody_has_it()
        told.end()
        yield told


@pytest.fixture(scope="module")
def troubled(request, tmp_path_factory):
    """Every receiver answers with one fault after the other, a new one whenever all have had the last."""
    with story(request, tmp_path_factory, "faults", OVER_HTTP) as told:
        told.send(MANY // 4)
        told.everybody_has_it()   # so that a refusal is seen to be none of the records' fault by its halves
        faults = {name: [*receivers.FAULTS, *told.receivers[name].own_faults] for name in OVER_HTTP}
        rounds = max(map(len, faults.values()))
        for n in range(rounds):
            for name, list_of in faults.items():
                told.receivers[name].script.extend(list_of[n:n + 1])
            told.send(MANY * 3 // 4 // rounds)
            wait_for(lambda: not any(receiver.script for receiver in told.receivers.values()), PATIENCE)
        told.everybody_has_it()
        told.end()
        yield told


@pytest.mark.parametrize("name", RECEIVERS)
def test_every_record_arrives_once_and_in_its_golden_form(calm, name):
    assert set(calm.check(name).values()) == {1}


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_receiver_that_goes_away_gets_the_rest_when_it_is_back_and_holds_up_nobody(interrupted, name):
    interrupted.check(name)


@pytest.mark.parametrize("name", OVER_HTTP)
def test_no_record_is_missing_whatever_a_receiver_answers(troubled, name):
    troubled.check(name)


@pytest.mark.parametrize("name", OVER_HTTP)
def test_a_receiver_that_asks_for_a_pause_gets_it(troubled, name):
    requests = troubled.receiver(name).recorder.requests
    asked = [r.paused_at for r in requests if r.paused_at]
    assert len(asked) == 2
    for begin in asked:
        meanwhile = [r for r in requests if begin < r.at < begin + 0.9 and not r.path.endswith("/ack")]
        assert len(meanwhile) <= 3   # those that were under way
