"""From Kafka to Kafka, each event exactly once for whoever reads what is committed."""
import collections
import json
import random
import signal
import uuid

import pytest

from conftest import LONG, SANITIZER, wait_for
from streaming import Run

KILLS = 50 if LONG else 5
SMALL = ", transaction: 20ms, transaction_bytes: 64K"   # many transactions, so that a kill meets every part of one


@pytest.fixture
def runs(tmp_path):
    """Streaming runs, each in a folder of its own."""
    started = []

    def make(config, name="one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        started.append(Run(folder, config))
        return started[-1]

    yield make
    for run in started:
        if run.process is not None and run.process.poll() is None:
            run.process.send_signal(signal.SIGCONT)
        run.__exit__()


class Flow:
    """A topic, another, a group, and what was written to the first."""

    def __init__(self, kafka, partitions=4, **settings):
        self.kafka, self.group = kafka, f"lethe-{uuid.uuid4().hex[:8]}"
        self.source, self.target = kafka.topic(partitions=partitions), kafka.topic(partitions=partitions, **settings)
        self.written = []

    def config(self, settings=SMALL, source="", more=""):
        place = f'brokers: "{self.kafka.bootstrap}", security: plaintext'
        return f"""sources:
  - {{name: in, type: kafka, {place}, topics: [{self.source.name}], group: {self.group}, session_timeout: 1500ms{source}}}
store: state
sinks:
  - {{name: out, type: kafka, {place}, topic: {self.target.name}, exactly_once: true{settings}}}
{more}"""

    def write(self, count):
        lines = [f"record {len(self.written) + n}" for n in range(count)]
        self.written += lines
        self.source.write(line.encode() for line in lines)

    def committed(self):
        return sum(self.kafka.committed(self.group, self.source).values())

    def ends(self):
        """Messages and markers, also of transactions that are not committed."""
        return sum(self.target.end_offsets("read_uncommitted").values())

    def falls_asleep_in_a_transaction(self, process):
        """Stopped while a transaction is open; it goes on if there was none just then."""
        before = self.ends()
        self.write(500)
        wait_for(lambda: self.ends() > before)
        process.send_signal(signal.SIGSTOP)
        if self.ends() > sum(self.target.end_offsets("read_committed").values()):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    def all_is_read(self):
        return self.committed() == len(self.written)

    def assert_each_once(self, expected=None):
        got = collections.Counter(json.loads(m.value)["message"] for m in self.target.read_all())
        assert [line for line, times in got.items() if times > 1] == []
        assert sorted(got) == sorted(self.written if expected is None else expected)


def test_each_event_comes_once_whenever_a_run_is_killed(kafka, runs):
    flow, chance = Flow(kafka), random.Random(4471)
    run = runs(flow.config())
    for _ in range(KILLS):
        run.start()
        goal = flow.ends() + chance.randrange(1, 4_000)
        flow.write(4_000)
        wait_for(lambda: flow.ends() >= goal)
        run.kill()
    with run:
        wait_for(flow.all_is_read)
        assert run.stop() == 0
    flow.assert_each_once()


def test_members_come_and_go_and_each_event_comes_once(kafka, runs):
    flow = Flow(kafka, partitions=8)
    one, two = runs(flow.config(), "one"), runs(flow.config(), "two")
    one.start()
    flow.write(5_000)
    wait_for(lambda: one.logged("has 8 partitions"))
    two.start()
    flow.write(10_000)
    wait_for(lambda: two.logged("has 4 partitions"))
    flow.write(10_000)
    wait_for(lambda: flow.committed() > 20_000)
    two.kill()
    flow.write(5_000)
    wait_for(lambda: flow.committed() > 28_000)
    two.start()
    flow.write(5_000)
    wait_for(flow.all_is_read)
    assert (one.stop(), two.stop()) == (0, 0)
    flow.assert_each_once()


def test_a_member_that_slept_while_others_took_over_adds_nothing(kafka, runs):
    flow = Flow(kafka)
    sleeper, other = runs(flow.config(", transaction: 1s"), "sleeper"), runs(flow.config(), "other")
    sleeper.start()
    wait_for(lambda: flow.falls_asleep_in_a_transaction(sleeper.process))
    other.start()
    wait_for(flow.all_is_read)
    sleeper.process.send_signal(signal.SIGCONT)
    wait_for(lambda: sleeper.logged("since it was out of the group"))
    flow.write(2_000)
    wait_for(flow.all_is_read)
    assert (sleeper.stop(), other.stop()) == (0, 0)
    flow.assert_each_once()


def test_a_broker_that_dies_in_the_middle_doubles_nothing(kafka, runs):
    flow = Flow(kafka)
    with runs(flow.config()) as run:
        flow.write(20_000)
        wait_for(lambda: flow.ends() > 1_000)
        with kafka.stopped(kill=True):
            wait_for(lambda: run.logged("no broker can be reached"))
        wait_for(lambda: run.logged("works again"))
        wait_for(flow.all_is_read)
        assert SANITIZER or run.most_memory() < 128 << 20
        assert run.stop() == 0
    flow.assert_each_once()


def test_what_gives_no_record_is_passed_in_transactions_as_well(kafka, runs):
    flow = Flow(kafka, partitions=1)
    flow.source.write([b"", b'{"cut":', b""])
    with runs(flow.config()) as run:
        wait_for(lambda: flow.committed() == 3)
        assert run.stop() == 0
    assert flow.target.read_all() == []


def test_a_refused_record_costs_its_transaction_no_other(kafka, runs):
    flow = Flow(kafka, max_message_bytes=20_000)
    flow.write(500)
    large = "long " + "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=60_000))
    flow.source.write([large.encode()])
    expected = list(flow.written)
    flow.write(500)
    with runs(flow.config(", compression: none")) as run:
        wait_for(lambda: flow.committed() == 1_001)
        assert run.stop() == 0
        assert run.logged("too large") and not run.logged(large[:100])
    flow.assert_each_once([*expected, *flow.written[500:]])


def test_a_missing_topic_is_told_and_filled_when_it_is_made(kafka, runs):
    flow = Flow(kafka)
    there, flow.target.name = flow.target.name, f"later-{uuid.uuid4().hex[:8]}"
    flow.write(100)
    with runs(flow.config()) as run:
        wait_for(lambda: run.logged(f"topic '{flow.target.name}': not there: create it"))
        flow.target = kafka.topic(flow.target.name, partitions=4)
        wait_for(flow.all_is_read)
        assert run.stop() == 0
    assert there != flow.target.name
    flow.assert_each_once()


KAFKA_SOURCE = '{name: in, type: kafka, brokers: ["k1:9092", "k2:9092"], topics: [t]}'


@pytest.mark.parametrize("source, settings, others, complaint", [
    ("{name: in, type: stdin}", 'brokers: "k1:9092"', "", "one source, of type kafka"),
    (f"{KAFKA_SOURCE}\n  - {{name: more, type: stdin}}", 'brokers: "k1:9092"', "", "one source, of type kafka"),
    (KAFKA_SOURCE, 'brokers: "k3:9092"', "", "they share no broker"),
    (KAFKA_SOURCE, 'brokers: "k1:9092", required: false', "\n  - {name: two, type: stdout}", "the only one that is required"),
    (KAFKA_SOURCE, 'brokers: "k1:9092"', "\n  - {name: two, type: stdout}", "the only one that is required"),
    (KAFKA_SOURCE, 'brokers: "k1:9092", event_hubs: true, entra: true', "", "not event hubs"),
], ids=["no kafka source", "two sources", "two clusters", "not required", "another required", "event hubs"])
def test_what_cannot_be_exactly_once_is_refused_at_its_place(lethe, source, settings, others, complaint):
    (lethe.folder / "c.yaml").write_text(f"sources:\n  - {source}\nsinks:\n  - {{name: out, type: kafka, exactly_once: true, {settings}}}{others}\n")
    checked = lethe.run("check", "-c", "c.yaml")
    lines = checked.stderr.decode().splitlines()
    assert checked.returncode == 2 and complaint in lines[0]
    assert lines[1].strip() == "exactly_once: ..." and lines[2].strip() == "^"


def test_beside_exactly_once_others_may_follow(lethe):
    (lethe.folder / "c.yaml").write_text(f"""sources:
  - {KAFKA_SOURCE}
sinks:
  - {{name: out, type: kafka, brokers: "k2:9092", exactly_once: true}}
  - {{name: two, type: stdout, required: false}}
""")
    assert lethe.run("check", "-c", "c.yaml").returncode == 0
