"""Receivers of every kind of sink, seen alike: what a sink is told to reach them, what they have, how they go away.

A receiver has `settings` (of its sink), `golden(n)` (what planted record n must look like there), `records()` (all that it
has, as pairs of event id and record), `raw()` (every byte that came), and `away()`, a block in which it takes nothing."""
import collections
import contextlib
import datetime
import json
import re
import threading
import zlib

from appinsights import answer_of, connection_string, envelopes
from conftest import LONG
from recorder import CUT, HANG_UP

CANARY = "canary-Heron-4471"
REMOVED = "[redacted:sensitive-name]"   # what docs/policies.md promises for the value of a name that announces a secret
NOW = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def planted(n, secret=CANARY):
    return {"time": f"{NOW}{n % 1000:03}Z", "category": "AmlRunEvent", "operationName": "Planted", "level": ("Warning", "Error")[n % 2],
            "resourceId": f"/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.MACHINELEARNINGSERVICES/WORKSPACES/W{n % 7}",
            "properties": {"number": n, "password": secret, "note": "ünïcode \"quoted\" \\ " + "x" * (n % 90)}}


class Receiver:
    def golden(self, n):
        return planted(n, REMOVED)

    def attach(self, run):
        """The run has begun."""

    def has(self, count):
        """Whether so many different records are there; what can be counted quickly is counted first."""
        return self.at_most() >= count and len({event_id for event_id, _ in self.records()}) >= count

    def at_most(self):
        return len(self.records())


def without_metadata(record):
    return record.pop("lethe_event_id"), {name: value for name, value in record.items() if name != "lethe_kind"}


# --- Files and pipes ------------------------------------------------------------------------------------------------------------


class File(Receiver):
    """Away: a file stands where its folder should be."""

    def __init__(self, folder, name="out.jsonl", more=""):
        self.path = folder / name.split(".")[0] / name
        self.settings = f'type: file, path: "{self.path}", metadata: true{more}'

    def raw(self):
        try:
            return self.path.read_bytes()
        except OSError:
            return b""

    def text(self):
        return self.raw()

    def at_most(self):
        return self.text().count(b"\n")

    def records(self):
        data = self.text()
        return [without_metadata(json.loads(line)) for line in data[:data.rfind(b"\n") + 1].splitlines()]

    @contextlib.contextmanager
    def away(self):
        aside = self.path.parent.with_suffix(".aside")
        self.path.parent.rename(aside)
        self.path.parent.write_text("in the way")
        try:
            yield
        finally:
            self.path.parent.unlink()
            aside.rename(self.path.parent)


class PackedFile(File):
    def __init__(self, folder):
        super().__init__(folder, "packed.jsonl.gz", ", gzip: true")

    def text(self):
        """Of whole members; one may be being written."""
        data, text = self.raw(), b""
        while data:
            member = zlib.decompressobj(31)
            try:
                piece = member.decompress(data)
            except zlib.error:
                break
            if not member.eof:
                break
            text, data = text + piece, member.unused_data
        return text


class Stdout(Receiver):
    """Away: nobody reads the pipe."""
    settings = "type: stdout, metadata: true"

    def __init__(self):
        self.data, self.reading = bytearray(), threading.Event()
        self.reading.set()

    def attach(self, run):
        threading.Thread(target=self.read, args=(run.process.stdout,), daemon=True).start()

    def read(self, pipe):
        while self.reading.wait() and (piece := pipe.read1(65536)):
            self.data += piece

    def raw(self):
        return bytes(self.data)

    def at_most(self):
        return self.data.count(b"\n")

    def records(self):
        data = self.raw()
        return [without_metadata(json.loads(line)) for line in data[:data.rfind(b"\n") + 1].splitlines()]

    @contextlib.contextmanager
    def away(self):
        self.reading.clear()
        try:
            yield
        finally:
            self.reading.set()


# --- Real servers ---------------------------------------------------------------------------------------------------------------


class Kafka(Receiver):
    def __init__(self, kafka):
        self.kafka, self.topic = kafka, kafka.topic(partitions=3)
        self.settings = f'type: kafka, brokers: "{kafka.bootstrap}", security: plaintext, topic: {self.topic.name}'

    def messages(self):
        return self.topic.read_all()

    def raw(self):
        return b"\n".join(m.value for m in self.messages())

    def records(self):
        return [(m.headers["lethe-event-id"].decode(), json.loads(m.value)) for m in self.messages()]

    def at_most(self):
        return sum(self.topic.end_offsets().values())

    def away(self):
        return self.kafka.stopped(kill=True)


class Syslog(Receiver):
    """Over TLS, with records as the text of messages."""

    def __init__(self, rsyslog, name="compliance"):
        self.server, self.name = rsyslog, name
        self.settings = f'type: syslog, host: localhost, port: {rsyslog.tls}, ca_file: "{rsyslog.ca_file}", app_name: {name}, format: original'

    def at_most(self):
        return self.server.received.read_bytes().count(self.name.encode()) if self.server.received.exists() else 0

    def messages(self):
        return [m for m in self.server.messages(self.name) if m["app"] == self.name]

    def raw(self):
        return json.dumps(self.messages()).encode()

    def records(self):
        return [(re.search(r'event_id="([0-9a-f]{32})"', m["data"]).group(1), json.loads(m["text"])) for m in self.messages()]

    def away(self):
        return self.server.stopped(kill=True)


class OpenSearch(Receiver):
    """Away: it keeps its connections and answers nothing."""

    def __init__(self, opensearch):
        self.server, self.index = opensearch, opensearch.index()
        self.settings = f'type: http, kind: elasticsearch, url: "{opensearch.url}", index: {self.index}, format: original, timeout: 2s'

    def hits(self):
        self.server.call("POST", f"{self.index}/_refresh")
        query, hits = {"size": 10_000, "sort": ["properties.number"]}, []
        while True:
            status, answer = self.server.call("POST", f"{self.index}/_search", query)
            new = answer["hits"]["hits"] if status == 200 else []   # 400: there is no document yet to sort by
            hits += new
            if len(new) < query["size"]:
                return hits
            query["search_after"] = new[-1]["sort"]

    def at_most(self):
        self.server.call("POST", f"{self.index}/_refresh")
        return self.server.call("GET", f"{self.index}/_count")[1].get("count", 0)

    def raw(self):
        return json.dumps(self.hits()).encode()

    def records(self):
        return [(hit["_id"], hit["_source"]) for hit in self.hits()]

    def away(self):
        return self.server.paused()


# --- Over HTTP ------------------------------------------------------------------------------------------------------------------


class OverHttp(Receiver):
    """A recorder that speaks a protocol. `script` holds what goes wrong: each is called once, instead of an answer."""
    own_faults = ()

    def __init__(self, recorder):
        self.recorder, self.script, self.lock = recorder, collections.deque(), threading.Lock()
        self.taken, self.settings = [], self.settings.format(url=recorder.url, connection=connection_string(recorder.url))
        recorder.answer = self.answer

    def answer(self, request):
        with self.lock:
            items = self.items(request)
            if self.script:
                return self.script.popleft()(self, items)
            return self.take(items)

    def take(self, items):
        self.taken += items
        return self.all_is_well(len(items))

    def raw(self):
        return b"\n".join(request.body for request in self.recorder.requests)

    def at_most(self):
        return len(self.taken)

    def records(self):
        with self.lock:
            return list(self.taken)

    def away(self):
        return self.recorder.stopped()


def says(status, body=b"", **headers):
    return lambda receiver, items: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def takes_and(answer):
    """What came was taken, yet the sender cannot know."""
    def fault(receiver, items):
        status, headers, body = receiver.take(items)
        return answer if answer is HANG_UP else CUT(status, headers, body)
    return fault


FAULTS = [says(503, CANARY.encode(), Retry_After="1"), takes_and(HANG_UP), says(413), says(429, Retry_After="1"), takes_and(CUT),
          says(400, b"<html>" + CANARY.encode()), says(500, CANARY.encode()), says(401, CANARY.encode())]


class Webhook(OverHttp):
    settings = 'type: http, url: "{url}/hook", format: original, metadata: true'

    def items(self, request):
        return [without_metadata(json.loads(line)) for line in request.body.splitlines()]

    def all_is_well(self, _):
        return 200, {}, CANARY.encode()


class LogsIngestion(OverHttp):
    settings = 'type: http, kind: logs_ingestion, rule: dcr-1, stream: Custom-A_CL, url: "{url}", token: t, format: original, metadata: true'

    def items(self, request):
        return [without_metadata(record) for record in request.json()]

    def all_is_well(self, _):
        return 204, {}, b""


class Splunk(OverHttp):
    settings = 'type: http, kind: splunk_hec, url: "{url}", token: t, format: original'
    own_faults = [says(200, b"<html>" + CANARY.encode()), says(503, b'{"text":"Server is busy","code":9}'), says(400, b'{"text":"Incorrect index","code":7}')]

    def items(self, request):
        events = [json.loads(line) for line in request.body.splitlines()]
        return [(event["fields"]["lethe_event_id"], event["event"]) for event in events]

    def all_is_well(self, _):
        return 200, {}, b'{"text":"Success","code":0}'


class SplunkWithAck(Splunk):
    """Has what it has acknowledged."""
    def __init__(self, recorder, forgetful):
        """`forgetful`: what it does not acknowledge is soon sent again. Otherwise nothing is to come twice, however busy the machine is."""
        self.settings = Splunk.settings + f", ack: true, ack_interval: 100ms, ack_timeout: {5 if forgetful and not LONG else 30}s"
        super().__init__(recorder)
        self.tickets, self.given = {}, 0

    def answer(self, request):
        if not request.path.endswith("/ack"):
            return super().answer(request)
        with self.lock:
            asked = request.json()["acks"]
            done = {ticket: self.tickets.pop(ticket, None) for ticket in asked}
            self.taken += [item for items in done.values() for item in items or ()]
            return 200, {}, json.dumps({"acks": {str(ticket): items is not None for ticket, items in done.items()}}).encode()

    def take(self, items):
        self.tickets[self.given] = items
        self.given += 1
        return 200, {}, json.dumps({"text": "Success", "code": 0, "ackId": self.given - 1}).encode()

    def forgets(self, items):
        answer = self.take(items)
        del self.tickets[self.given - 1]
        return answer

    def starts_again(self, items):
        """Its tickets begin with 0 again, and those that it gave are nobody's."""
        self.tickets, self.given = {}, 0
        return self.take(items)

    own_faults = [*Splunk.own_faults, forgets, starts_again]


class Elasticsearch(OverHttp):
    """As the real one: a document that is there already is not written again, and answered with 409."""
    settings = 'type: http, kind: elasticsearch, url: "{url}", index: ml, username: amy, password: b, format: original'

    def partly(self, items):
        known = {event_id for event_id, _ in self.taken}
        self.taken += [item for item in items[::2] if item[0] not in known]
        states = [{"create": {"status": 429 if n % 2 else 201, "error": {"reason": CANARY}}} for n in range(len(items))]
        return 200, {}, json.dumps({"errors": True, "items": states}).encode()

    own_faults = [partly, says(200, b"<html>" + CANARY.encode())]

    def items(self, request):
        lines = [json.loads(line) for line in request.body.splitlines()]
        return [(action["create"]["_id"], record) for action, record in zip(lines[::2], lines[1::2], strict=True)]

    def take(self, items):
        known = {event_id for event_id, _ in self.taken}
        self.taken += [item for item in items if item[0] not in known]
        states = [{"create": {"status": 409 if item[0] in known else 201}} for item in items]
        return 200, {}, json.dumps({"errors": bool(known), "items": states}).encode()


class AppInsights(OverHttp):
    settings = 'type: appinsights, connection_string: "{connection}", metadata: true'

    def partly(self, items):
        self.taken += items[::2]
        return answer_of(206, len(items), [(n, (429, 500, 503)[n % 3], CANARY) for n in range(1, len(items), 2)])

    own_faults = [partly, says(206, b"<html>" + CANARY.encode()), lambda receiver, items: answer_of(206, len(items), [(len(items), 400, CANARY)])]

    def golden(self, n):
        record = planted(n, REMOVED)
        properties = {name: str(value) for name, value in record["properties"].items()}
        return {"time": record["time"], "name": "Planted",
                "properties": {**properties, "resourceId": record["resourceId"], "category": "AmlRunEvent", "level": record["level"]}}

    def items(self, request):
        items = []
        for envelope in envelopes(request.body):
            data = envelope["data"]["baseData"]
            properties = {name: value for name, value in data["properties"].items() if name != "lethe_kind"}
            items.append((properties.pop("lethe_event_id"), {"time": envelope["time"], "name": data["name"], "properties": properties}))
        return items

    def all_is_well(self, count):
        return answer_of(200, count, [])
