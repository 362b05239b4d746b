"""Records from and to Apache Kafka, and through a listener with the rules of Event Hubs."""
import collections
import json
import os
import random
import subprocess
import time
import uuid

import pytest

from conftest import LONG, PATIENCE, wait_for
from streaming import Run, messages, recount, records

SECRET = "password=Heron-Lake-4471"


def group():
    return f"lethe-{uuid.uuid4().hex[:8]}"


def plain(kafka):
    return f'brokers: "{kafka.bootstrap}", security: plaintext'


def hubs(kafka, password=None):
    """As Event Hubs is configured; only the address is that of the test."""
    return (f'event_hubs: true, connection_string: "{password or kafka.password}", brokers: "{kafka.sasl_bootstrap}", '
            f'ca_file: "{kafka.ca_file}"')


@pytest.fixture
def runs(tmp_path):
    """Streaming runs, each in a folder of its own."""
    started = []

    def make(config, name="one", **environment):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        run = Run(folder, config, **environment)
        started.append(run)
        return run

    yield make
    for run in started:
        run.__exit__()


class Output:
    """The messages in a growing file of records, each read once."""

    def __init__(self, run):
        self.path, self.at = run.folder / "out.jsonl", 0
        self.all, self.different = [], set()

    def look(self):
        if self.path.exists():
            with open(self.path, "rb") as file:
                file.seek(self.at)
                data = file.read()
            whole = data[:data.rfind(b"\n") + 1]
            self.at += len(whole)
            new = [json.loads(line)["message"] for line in whole.splitlines()]
            self.all += new
            self.different.update(new)
        return self


def to_file(kafka, topic, group_id, session="20s"):
    """Where a run is killed, the next one waits for the end of its session; where none is, a stall must not end one."""
    return f"""sources:
  - {{name: in, type: kafka, {plain(kafka)}, topics: [{topic.name}], group: {group_id}, session_timeout: {session}}}
store: state
sinks:
  - {{name: out, type: file, path: out.jsonl, metadata: true, sync: never}}
"""


def to_kafka(kafka, topic, settings="", connection=None):
    return f"""sources:
  - {{name: in, type: stdin}}
sinks:
  - {{name: out, type: kafka, {connection or plain(kafka)}, topic: "{topic.name}"{settings}}}
"""


def feed(run, lines):
    run.start(stdin=subprocess.PIPE)
    run.process.stdin.write("".join(line + "\n" for line in lines).encode())
    run.process.stdin.close()
    return run


def ended(run):
    assert run.ended() == 0


def texts(got):
    return [json.loads(m.value)["message"] for m in got]


# --- From Kafka ---------------------------------------------------------------------------------------------------------


def test_messages_of_every_shape_become_clean_records(kafka, runs):
    topic, name = kafka.topic(partitions=1), group()
    topic.write([b'{"records":[{"message":"one"},{"message":"two"}]}', SECRET.encode(), b"", b'{"message":"three"}\n{"message":"four"}\n',
                 b'{"cut":', b"five"])
    with runs(to_file(kafka, topic, name)) as run:
        wait_for(lambda: "five" in messages(run.folder / "out.jsonl"))
        assert run.stop() == 0
    assert messages(run.folder / "out.jsonl") == ["one", "two", "password=[redacted:sensitive-name]", "three", "four", "five"]
    assert kafka.committed(name, topic) == {0: 6}
    assert not run.logged("Heron")


def test_no_record_is_missing_whenever_a_run_is_killed(kafka, runs):
    topic, name = kafka.topic(partitions=4), group()
    expected = [f"record {n}" for n in range(60_000)]
    run, chance = runs(to_file(kafka, topic, name, session="2s")), random.Random(4471)
    output = Output(run)
    for start in range(0, len(expected), 10_000):
        run.start()
        goal = len(output.look().all) + chance.randrange(1, 9_000)
        topic.write(line.encode() for line in expected[start:start + 10_000])
        wait_for(lambda: len(output.look().all) >= goal)
        run.kill()
    with run:
        wait_for(lambda: sum(kafka.committed(name, topic).values()) == len(expected))
        assert run.stop() == 0
    missing, _, other_ids, unknown = recount(run.folder / "out.jsonl", expected)
    assert (missing, other_ids, unknown) == ([], [], [])


def test_after_an_orderly_stop_nothing_comes_twice(kafka, runs):
    topic, name = kafka.topic(partitions=2), group()
    expected = [f"record {n}" for n in range(5_000)]
    run = runs(to_file(kafka, topic, name))
    output = Output(run)
    for start in range(0, len(expected), 1_000):
        topic.write(line.encode() for line in expected[start:start + 1_000])
        with run:
            wait_for(lambda: len(output.look().all) >= start + 500)
            assert run.stop() == 0
    with run:
        wait_for(lambda: len(output.look().different) == len(expected))
        assert run.stop() == 0
    assert len(output.look().all) == len(expected)


def test_of_two_that_share_partitions_one_is_killed(kafka, runs):
    topic, name = kafka.topic(partitions=8), group()
    expected = [f"record {n}" for n in range(40_000)]
    one, two = (runs(to_file(kafka, topic, name, session="2s"), run) for run in ("one", "two"))
    outputs = [Output(one), Output(two)]

    def different():
        return outputs[0].look().different | outputs[1].look().different
    one.start()
    topic.write(line.encode() for line in expected[:10_000])
    wait_for(lambda: one.logged("has 8 partitions"))
    two.start()
    wait_for(lambda: two.logged("has 4 partitions"))
    topic.write(line.encode() for line in expected[10_000:30_000])
    wait_for(lambda: len(outputs[1].look().all) > 1_000)
    two.kill()
    topic.write(line.encode() for line in expected[30_000:])
    wait_for(lambda: len(different()) == len(expected))
    assert one.stop() == 0
    assert different() == set(expected)


def test_a_broker_that_is_away_is_told_and_waited_for(kafka, runs):
    topic, name = kafka.topic(), group()
    topic.write([b"one"])
    with runs(to_file(kafka, topic, name)) as run:
        wait_for(lambda: messages(run.folder / "out.jsonl") == ["one"])
        wait_for(lambda: kafka.committed(name, topic) == {0: 1})   # every connection that it will have stands
        with kafka.stopped(kill=True):
            wait_for(lambda: run.logged("no broker can be reached"))
        topic.write([b"two"])
        wait_for(lambda: set(messages(run.folder / "out.jsonl")) == {"one", "two"})
        assert run.stop() == 0


def test_what_retention_took_is_told_and_counted(kafka, runs):
    topic, name = kafka.topic(), group()
    topic.write(f"record {n}".encode() for n in range(10))
    with runs(to_file(kafka, topic, name)) as run:
        wait_for(lambda: len(records(run.folder / "out.jsonl")) == 10)
        assert run.stop() == 0
    topic.write(f"record {n}".encode() for n in range(10, 30))
    kafka.admin.delete_records([place(topic, 0, 25)])[place(topic, 0, 25)].result(PATIENCE)
    with run:
        wait_for(lambda: "record 29" in messages(run.folder / "out.jsonl"))
        assert run.stop() == 0
    assert messages(run.folder / "out.jsonl") == [f"record {n}" for n in [*range(10), *range(25, 30)]]
    assert run.logged("offsets 10 to 24 are gone")


def test_a_topic_that_is_made_again_repeats_no_event_id(kafka, runs):
    topic, name = kafka.topic(), group()
    run = runs(to_file(kafka, topic, name))

    def pass_on(total):
        topic.write([b"one", b"two"])
        with run:
            wait_for(lambda: len(records(run.folder / "out.jsonl")) == total)
            assert run.stop() == 0
    pass_on(2)
    kafka.delete(topic)
    kafka.topic(topic.name)
    pass_on(4)
    assert messages(run.folder / "out.jsonl") == ["one", "two", "one", "two"]
    assert len({r["lethe_event_id"] for r in records(run.folder / "out.jsonl")}) == 4


def place(topic, partition, offset):
    import confluent_kafka
    return confluent_kafka.TopicPartition(topic.name, partition, offset)


# --- To Kafka -----------------------------------------------------------------------------------------------------------


def test_a_hundred_thousand_records_arrive_with_their_headers(kafka, runs):
    topic = kafka.topic(partitions=4)
    lines = [f"line {n}" for n in range(100_000)]
    ended(feed(runs(to_kafka(kafka, topic)), [*lines, SECRET]))
    got = topic.read_all()
    assert sorted(texts(got)) == sorted([*lines, "password=[redacted:sensitive-name]"])
    assert len({m.headers["lethe-event-id"] for m in got}) == len(got)
    assert {(m.headers["lethe-kind"], m.headers["lethe-policy"]) for m in got} == {(b"unknown", b"standard")}
    assert collections.Counter(m.headers["lethe-redactions"] for m in got) == {b"0": len(lines), b"1": 1}


def test_a_broker_that_dies_in_the_middle_costs_nothing(kafka, runs):
    topic = kafka.topic(partitions=4)
    lines = [f"line {n}" for n in range(100_000)]
    run = runs(to_kafka(kafka, topic))
    run.start(stdin=subprocess.PIPE)
    run.process.stdin.write("".join(line + "\n" for line in lines[:50_000]).encode())
    run.process.stdin.flush()
    wait_for(lambda: sum(topic.end_offsets().values()) > 1_000)
    with kafka.stopped(kill=True):
        wait_for(lambda: run.logged("no broker can be reached"))
    run.process.stdin.write("".join(line + "\n" for line in lines[50_000:]).encode())
    run.process.stdin.close()
    ended(run)
    ids = collections.defaultdict(set)
    for message in topic.read_all():
        ids[json.loads(message.value)["message"]].add(message.headers["lethe-event-id"])
    assert sorted(ids) == sorted(lines)
    assert {len(i) for i in ids.values()} == {1}


def test_a_record_that_a_topic_does_not_take_harms_no_other(kafka, runs):
    topic = kafka.topic(max_message_bytes=20_000)
    lines = [f"line {n}" for n in range(1_000)]
    large = "long " + "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=60_000))
    run = feed(runs(to_kafka(kafka, topic, ", compression: none")), [*lines[:500], large, *lines[500:]])
    ended(run)
    assert sorted(texts(topic.read_all())) == sorted(lines)
    assert run.logged("too large") and not run.logged(large[:100])


def test_a_topic_that_wants_keys_rejects_what_has_none(kafka, runs):
    topic = kafka.topic(cleanup_policy="compact")
    run = feed(runs(to_kafka(kafka, topic)), ["one", "two"])
    ended(run)
    assert topic.read_all() == []
    assert run.logged("invalid")


def test_topics_are_named_by_kind_and_category(kafka, runs):
    known = kafka.topic("by-activity_log-administrative")
    other = kafka.topic("by-unknown-none")
    record = {"time": "2026-03-14T09:40:00Z", "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/X/Y/Z", "category": "Administrative",
              "operationName": "X/WRITE", "resultType": "Success", "correlationId": "c-1"}
    config = to_kafka(kafka, known, ", key: resource").replace(known.name, "by-{kind}-{category}")
    ended(feed(runs(config), [json.dumps(record), "text"]))
    got, = known.read_all()
    assert json.loads(got.value) == record
    assert got.key and got.key.decode().lower() == record["resourceId"].lower()
    assert texts(other.read_all()) == ["text"]


def test_a_missing_topic_is_told_and_filled_when_it_is_made(kafka, runs):
    name = f"later-{uuid.uuid4().hex[:8]}"
    run = feed(runs(to_kafka(kafka, collections.namedtuple("Named", "name")(name))), ["one"])
    wait_for(lambda: run.logged(f"topic '{name}': not there: create it"))
    topic = kafka.topic(name)
    ended(run)
    assert texts(topic.read_all()) == ["one"]


# --- Event Hubs' rules --------------------------------------------------------------------------------------------------


def test_from_event_hubs_to_event_hubs(kafka, runs):
    source, target, name = kafka.topic(partitions=2), kafka.topic(partitions=2), group()
    source.write(f"record {n}".encode() for n in range(1_000))
    config = f"""sources:
  - {{name: in, type: kafka, {hubs(kafka)}, topics: [{source.name}], group: {name}}}
sinks:
  - {{name: out, type: kafka, {hubs(kafka)}, topic: {target.name}}}
"""
    with runs(config) as run:
        wait_for(lambda: sum(target.end_offsets().values()) == 1_000)
        assert run.stop() == 0
    assert sorted(texts(target.read_all())) == sorted(f"record {n}" for n in range(1_000))
    assert sum(kafka.committed(name, source).values()) == 1_000
    assert not run.logged("SharedAccessKey=")


def test_wrong_credentials_are_told_without_them(kafka, runs):
    topic = kafka.topic()
    wrong = "Endpoint=sb://localhost/;SharedAccessKeyName=reader;SharedAccessKey=d3Jvbmctd3Jvbmctd3Jvbmc="
    run = feed(runs(to_kafka(kafka, topic, connection=hubs(kafka, wrong))), ["one"])
    wait_for(lambda: run.logged("the broker refuses the credentials"))
    run.kill()
    assert not run.logged("d3Jvbmc") and topic.read_all() == []


def test_a_certificate_of_an_unknown_authority_is_refused(kafka, runs, tmp_path):
    topic, other = kafka.topic(), tmp_path / "other"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "2", "-keyout", f"{other}.key",
                    "-out", f"{other}.pem"], check=True, capture_output=True)
    run = feed(runs(to_kafka(kafka, topic, connection=hubs(kafka).replace(str(kafka.ca_file), f"{other}.pem"))), ["one"])
    wait_for(lambda: run.logged("no trusted connection"))
    run.kill()
    assert topic.read_all() == []


def with_tokens(kafka, topic, runs, recorder, tokens):
    """A run that signs in with these, one after another; the last one stays."""
    def answer(_):
        token = tokens.pop(0) if len(tokens) > 1 else tokens[0]
        return 200, {}, json.dumps({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).encode()
    recorder.answer = answer
    connection = f'event_hubs: true, entra: true, brokers: "{kafka.sasl_bootstrap}", ca_file: "{kafka.ca_file}"'
    environment = {name: "" for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))}
    return runs(to_kafka(kafka, topic, connection=connection), AZURE_AUTHORITY_HOST=recorder.url, AZURE_TENANT_ID="t", AZURE_CLIENT_ID="c",
                AZURE_CLIENT_SECRET="s3cret-of-nobody", **environment)


def test_an_expired_token_is_told_and_another_one_is_fetched(kafka, runs, recorder):
    topic, expired = kafka.topic(), kafka.token(lifetime=-600)
    run = feed(with_tokens(kafka, topic, runs, recorder, [expired, kafka.token()]), ["one"])
    wait_for(lambda: run.logged("the broker refuses the credentials"))
    ended(run)
    assert texts(topic.read_all()) == ["one"]
    assert not run.logged(expired[:20])


def test_tokens_of_entra_id_are_fetched_and_used(kafka, runs, recorder):
    topic = kafka.topic()
    run = with_tokens(kafka, topic, runs, recorder, [kafka.token()])
    ended(feed(run, ["one"]))
    assert texts(topic.read_all()) == ["one"]
    assert b"localhost" in recorder.requests[0].body   # the scope names the host
    assert not run.logged("s3cret") and not run.logged(kafka.token()[:20])


@pytest.mark.skipif(not LONG, reason="waits for the end of a token's life: LETHE_LONG=1")
def test_a_connection_that_is_cut_with_its_token_is_made_anew_with_another(kafka, runs, recorder):
    topic, over = kafka.topic(), time.monotonic() + 20
    run = with_tokens(kafka, topic, runs, recorder, [kafka.token(lifetime=20), kafka.token()])
    run.start(stdin=subprocess.PIPE)
    run.process.stdin.write(b"one\n")
    run.process.stdin.flush()
    wait_for(lambda: texts(topic.read_all()) == ["one"])
    assert len(recorder.requests) == 1
    wait_for(lambda: time.monotonic() > over)
    run.process.stdin.write(b"two\n")
    run.process.stdin.close()
    ended(run)
    assert texts(topic.read_all()) == ["one", "two"]
    assert len(recorder.requests) > 1   # the first one was refused
