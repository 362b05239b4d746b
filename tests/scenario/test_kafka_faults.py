"""Between lethe and a real broker: answers that are lost after the broker did what it was asked, and the rules of Event Hubs."""
import collections
import json
import random
import time
import uuid

import pytest

from conftest import LONG, PATIENCE, wait_for
from kafka_proxy import (ADD_OFFSETS_TO_TXN, ADD_PARTITIONS_TO_TXN, END_TXN, FETCH, FIND_COORDINATOR, HEARTBEAT, JOIN_GROUP,
                         LARGEST_OF_EVENT_HUBS, METADATA, OFFSET_COMMIT, PRODUCE, TXN_OFFSET_COMMIT, KafkaProxy)
from streaming import Run, recount

LINES = 200_000 if LONG else 2_000
LOST = 100 if LONG else 1      # answers of each kind
KILLS = 20
only_long = pytest.mark.skipif(not LONG, reason="a sample of it is in another test: LETHE_LONG=1")
LONGEST = 300   # seconds, after which a producer of librdkafka gives a message up, unless it is told otherwise


@pytest.fixture
def start(tmp_path):
    """Starts runs, each in a folder of its own."""
    runs = []

    def make(config):
        folder = tmp_path / f"run-{len(runs)}"
        folder.mkdir()
        runs.append(Run(folder, config.format(folder=folder)))
        return runs[-1]

    yield make
    for run in runs:
        run.__exit__()


def from_file(proxy, topic, settings=""):
    return f"""sources:
  - {{{{name: in, type: file, paths: ["{{folder}}/in.log"]}}}}
store: state
sinks:
  - {{{{name: out, type: kafka, brokers: "{proxy.bootstrap}", security: plaintext, topic: {topic.name}{settings}}}}}
drain_timeout: 60s
"""


def from_kafka(proxy, source, target):
    place = f'brokers: "{proxy.bootstrap}", security: plaintext'
    return f"""sources:
  - {{{{name: in, type: kafka, {place}, topics: [{source.name}], group: lethe-{uuid.uuid4().hex[:8]}, session_timeout: 2s}}}}
store: state
sinks:
  - {{{{name: out, type: kafka, {place}, topic: {target.name}, exactly_once: true, transaction: 20ms, transaction_bytes: 64K}}}}
"""


class Input:
    """The file that a run reads, and the lines in it."""

    def __init__(self, run):
        self.path, self.lines = run.folder / "in.log", []

    def add(self, count, width=0):
        new = [f"line {len(self.lines) + n} " + "x" * width for n in range(count)]
        self.lines += new
        with open(self.path, "a", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in new))


def copies(topic):
    """Line -> the event ids that came with it, one for each copy."""
    ids = collections.defaultdict(list)
    for m in topic.read_all():
        ids[json.loads(m.value)["message"]].append(m.headers["lethe-event-id"])
    return ids


def assert_once(topic, lines):
    got = copies(topic)
    assert sorted(got) == sorted(lines)
    assert {len(ids) for ids in got.values()} == {1}


def has(topic, count):
    return sum(topic.end_offsets("read_uncommitted").values()) >= count


# --- Lost acknowledgements ------------------------------------------------------------------------------------------------------


def test_lost_acknowledgements_cost_no_record_and_double_none(kafka, start):
    topic = kafka.topic(partitions=3)
    with KafkaProxy(kafka) as proxy:
        run = start(from_file(proxy, topic, ", key: none, linger: 1ms"))
        source = Input(run)
        run.start()
        for n in range(1, LOST + 1):
            proxy.lose(PRODUCE, 1)
            source.add(LINES // LOST)
            wait_for(lambda: proxy.lost[PRODUCE] == n)
        wait_for(lambda: has(topic, len(source.lines)))
        assert run.stop() == 0
    assert_once(topic, source.lines)


@only_long
def test_killed_before_an_acknowledgement_came_a_run_repeats_records_with_the_same_event_ids(kafka, start):
    topic = kafka.topic(partitions=3)
    with KafkaProxy(kafka) as proxy:
        run = start(from_file(proxy, topic, ", key: none, linger: 1ms"))
        source = Input(run)
        for n in range(1, KILLS + 1):
            run.start()
            proxy.lose(PRODUCE, 1_000_000)   # nothing is acknowledged until the run is killed
            before = sum(topic.end_offsets().values())
            source.add(LINES // KILLS)
            wait_for(lambda: proxy.lost[PRODUCE] >= n and has(topic, before + 1))
            run.kill()
            with proxy.lock:
                proxy.to_lose.clear()
        with run:
            wait_for(lambda: len(copies(topic)) == len(source.lines))
            assert run.stop() == 0
    got = copies(topic)
    assert sorted(got) == sorted(source.lines)
    assert {len(set(ids)) for ids in got.values()} == {1}
    assert max(len(ids) for ids in got.values()) > 1   # else no acknowledgement was lost


OF_A_TRANSACTION = [ADD_PARTITIONS_TO_TXN, PRODUCE, ADD_OFFSETS_TO_TXN, TXN_OFFSET_COMMIT, END_TXN]
TURNS = [[kind] for kind in OF_A_TRANSACTION] * LOST if LONG else [OF_A_TRANSACTION]   # answers that are lost at a time


def test_lost_answers_of_transactions_double_nothing_and_cost_nothing(kafka, start):
    source, target = kafka.topic(partitions=4), kafka.topic(partitions=4)
    chance, written = random.Random(4471), []

    def write(count):
        lines = [f"record {len(written) + n}" for n in range(count)]
        written.extend(lines)
        source.write(line.encode() for line in lines)
    with KafkaProxy(kafka) as proxy:
        run = start(from_kafka(proxy, source, target))
        run.start()
        for turn, kinds in enumerate(TURNS):
            before = proxy.lost.copy()
            for kind in kinds:
                proxy.lose(kind, 1)
            write(chance.randrange(50, 400))
            wait_for(lambda: all(proxy.lost[kind] > before[kind] for kind in kinds))
            if turn % 7 == 0:   # in whatever state that left it
                run.kill()
                run.start()
        wait_for(lambda: len(target.read_all()) >= len(written))
        assert run.stop() == 0
    got = collections.Counter(json.loads(m.value)["message"] for m in target.read_all())
    assert [line for line, times in got.items() if times > 1] == []
    assert sorted(got) == sorted(written)


EACH = 3   # answers: some are asked for when a connection is new, and no more
OF_A_CONSUMER = [METADATA, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, FETCH, OFFSET_COMMIT]


@only_long
def test_lost_answers_to_a_consumer_cost_no_record(kafka, start):
    topic, group = kafka.topic(partitions=2), f"lethe-{uuid.uuid4().hex[:8]}"
    written = [f"record {n}" for n in range(LINES)]
    with KafkaProxy(kafka) as proxy:
        for kind in OF_A_CONSUMER:
            proxy.lose(kind, EACH)
        run = start(to_file(proxy.bootstrap, topic, group))
        with run:
            topic.write(line.encode() for line in written)
            wait_for(lambda: all(proxy.lost[kind] == EACH for kind in OF_A_CONSUMER))
            wait_for(lambda: sum(kafka.committed(group, topic).values()) == len(written))
            assert run.stop() == 0
    missing, _, other_ids, unknown = recount(run.folder / "out.jsonl", written)
    assert (missing, other_ids, unknown) == ([], [], [])


def to_file(bootstrap, topic, group):
    return f"""sources:
  - {{{{name: in, type: kafka, brokers: "{bootstrap}", security: plaintext, topics: [{topic.name}], group: {group}, session_timeout: 2s}}}}
store: state
sinks:
  - {{{{name: out, type: file, path: out.jsonl, metadata: true, sync: never}}}}
"""


# --- Groups ---------------------------------------------------------------------------------------------------------------------


def join_and_leave(kafka, topic, group):
    """A member that takes partitions away for a moment and commits nothing."""
    import confluent_kafka
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0,
                                         "session.timeout.ms": 2000, "heartbeat.interval.ms": 200, "partition.assignment.strategy": "cooperative-sticky"})
    taken = []
    consumer.subscribe([topic.name], on_assign=lambda _, partitions: taken.append(len(partitions)))
    wait_for(lambda: consumer.poll(0.1) or taken)
    consumer.close()


@only_long
def test_members_that_come_and_go_all_the_time_cost_no_record(kafka, start):
    topic, group = kafka.topic(partitions=8), f"lethe-{uuid.uuid4().hex[:8]}"
    written, run = [], start(to_file(kafka.bootstrap, topic, group))
    run.start()
    for n in range(60):
        new = [f"record {len(written) + i}" for i in range(2_000)]
        written += new
        topic.write(line.encode() for line in new)
        join_and_leave(kafka, topic, group)   # what is under way then is no longer ours to commit
        if n % 6 == 1:
            run.kill()
            run.start()
    wait_for(lambda: sum(kafka.committed(group, topic).values()) == len(written))
    assert run.stop() == 0
    missing, _, other_ids, unknown = recount(run.folder / "out.jsonl", written)
    assert (missing, other_ids, unknown) == ([], [], [])


# --- Brokers and topics that are away -------------------------------------------------------------------------------------------


@only_long
def test_brokers_may_be_away_for_longer_than_messages_live(kafka, start):
    topic = kafka.topic(partitions=2)
    with KafkaProxy(kafka) as proxy:
        run = start(from_file(proxy, topic))
        source = Input(run)
        run.start()
        source.add(1_000)
        wait_for(lambda: has(topic, 1_000))
    source.add(1_000)
    back = time.monotonic() + LONGEST + 20
    wait_for(lambda: time.monotonic() > back, patience=2 * LONGEST)
    with KafkaProxy(kafka):
        wait_for(lambda: has(topic, 2_000), patience=2 * PATIENCE)
        assert run.stop() == 0
    assert_once(topic, source.lines)


def test_a_topic_that_is_made_again_gets_all_that_comes_then(kafka, start):
    topic = kafka.topic(partitions=2)
    with KafkaProxy(kafka) as proxy:
        run = start(from_file(proxy, topic, ", key: none"))
        source = Input(run)
        run.start()
        source.add(500)
        wait_for(lambda: has(topic, 500))
        kafka.delete(topic)
        source.add(500)
        wait_for(lambda: run.logged("not there: create it"))
        kafka.topic(topic.name, partitions=2)
        wait_for(lambda: has(topic, 500))
        assert run.stop() == 0
    got = copies(topic)
    assert set(source.lines[500:]) <= set(got)
    assert {len(set(ids)) for ids in got.values()} == {1}


# --- The rules of Event Hubs ----------------------------------------------------------------------------------------------------


def test_large_requests_idle_connections_and_throttling_hold_nothing_up(kafka, start):
    """A batch is never so large that the service hangs up; what it cuts or holds back comes all the same."""
    topic = kafka.topic(partitions=1)
    with KafkaProxy(kafka, largest=LARGEST_OF_EVENT_HUBS, idle=1, delay=0.05) as proxy:
        run = start(from_file(proxy, topic, ", compression: none, linger: 200ms"))
        source = Input(run)
        run.start()
        n = 0
        while n < (20 if LONG else 1) or proxy.largest_seen <= 900_000:   # a slow machine fills none at first
            before = proxy.happened["idle"]
            source.add(3_000, width=random.Random(n).randrange(400, 900))
            wait_for(lambda: has(topic, len(source.lines)))
            wait_for(lambda: proxy.happened["idle"] > before)
            n += 1
        source.add(10)
        wait_for(lambda: has(topic, len(source.lines)))
        assert run.stop() == 0
        assert proxy.happened["too large"] == 0
    assert_once(topic, source.lines)
