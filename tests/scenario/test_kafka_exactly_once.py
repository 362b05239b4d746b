"""From Kafka to Kafka, each event exactly once for whoever reads what is committed."""
import collections
import json
import random
import signal
import time
import uuid

import pytest

from conftest import LONG, wait_for
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
  - {{name: in, type: kafka, {place}, topics: [{self.source.name}], group: {self.group}, session_timeout: 2s{source}}}
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
