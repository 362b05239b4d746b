"""The program under fire: its configuration, its life and death, the traffic, and a receiver that is not always there."""
import base64
import gzip
import http.client
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import judge
from journal import FILE_KINDS, HTTP_KINDS, Journal

BINARY = str(judge.BINARY)
PATIENCE = 90         # seconds without progress until a run counts as stuck
ROTATE_EACH = 4000    # lines of a log file
PORTS = 20000, 32000
ANEW = "policy and keys are taken anew"   # logged after a reload that changes nothing else
SLOW_SECONDS = 2      # until a slow receiver answers
WITHHELD_EACH = 50    # one record in so many must be withheld

given = set()         # ports

CONFIG = """sources:
  - {{name: logs, type: file, paths: ["{feed}/*.log*"], poll: 20ms}}
  - {{name: sdk, type: http, listen: "127.0.0.1:{port}"}}
{events}log_level: debug
log_format: json
store: {{path: {folder}/state, max_bytes: {spool}{store_key}}}
{sealed}sinks:
  - {{name: disk, type: file, path: "{folder}/out/disk.jsonl", metadata: true, format: original, rotate_size: {rotate}}}
  - {{name: web, type: http, kind: webhook, url: "http://127.0.0.1:{web}/in", metadata: true, format: original, timeout: 60s}}
admin: {{listen: "127.0.0.1:{admin}"}}
"""
EVENTS = """  - {{name: events, type: kafka, brokers: "{bootstrap}", security: plaintext, topics: [{topic}], session_timeout: 1s}}
"""
SEALED = 'sealed: {{path: "{folder}/kept/withheld.jsonl", key_file: "{keys}/audit.key.pub"}}\n'


def free_port():
    """Below those that the system gives to connections: none of these may take it before the program listens, or listens again."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given:
            given.add(port)
            return port


def make_keys(folder):
    """Of the spool, store.key, and for withheld records, audit.key and audit.key.pub."""
    (folder / "store.key").write_bytes(base64.b64encode(os.urandom(32)) + b"\n")
    (folder / "store.key").chmod(0o600)
    subprocess.run([BINARY, "keygen", "--seal", "-o", folder / "audit.key"], check=True, capture_output=True, timeout=60)


def wait_until(condition, patience=PATIENCE, pause=0.02):
    """Waits as long as the condition's value changes; True when it holds. It returns (holds, what progress is)."""
    deadline, last = time.monotonic() + patience, None
    while time.monotonic() < deadline:
        holds, progress = condition()
        if holds:
            return True
        if progress != last:
            deadline, last = time.monotonic() + patience, progress
        time.sleep(pause)
    return False


class Web:
    """A receiver over HTTP that writes what it took to a file. `mode`: up, busy (503), mute (takes all, answers nothing), slow."""

    def __init__(self, path):
        self.mode, self.path, self.port = "up", path, free_port()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):   # noqa: N802 -- the name is http.server's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mode = web.mode
                if mode == "slow":
                    with web.turn:
                        time.sleep(SLOW_SECONDS if web.mode == "slow" else 0)
                if mode != "busy":
                    web.keep(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                if mode == "mute":
                    self.close_connection = True
                    return
                self.send_response(503 if mode == "busy" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:   # a killed client
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass   # a client that was killed

        self.lock, self.turn = threading.Lock(), threading.Lock()
        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keep(self, body):
        with self.lock, open(self.path, "ab") as file:
            file.write(body if body.endswith(b"\n") or not body else body + b"\n")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Subject:
    """`lethe run` with a file source, an HTTP source, a file sink and an HTTP sink, all of them in `folder`; with `kafka`, a running
    broker, a Kafka source too. `sealed`: the spool has a key, and withheld records are kept.

    The source's files, the journal, the log, keys and what the HTTP sink got stand `beside` the folder: the first two are not to be
    scanned, and all survive when the folder's file system is taken away. `environment` is added to the process's."""

    def __init__(self, folder, seed=1, spool="1G", beside=None, environment=None, kafka=None, sealed=False,
                 rotate="1M"):
        beside = beside or folder.parent
        self.folder, self.feed, self.outside = folder, beside / "feed", beside / "outside"
        self.feed.mkdir(parents=True)
        self.outside.mkdir()
        self.make_folders()
        self.random = random.Random(seed)
        self.journal_path = beside / "journal"
        self.journal = Journal(self.journal_path, seed)
        self.web = Web(self.outside / "web.jsonl")
        self.port, self.admin = free_port(), free_port()
        self.topic = Events(kafka) if kafka else None
        self.keys = self.outside / "keys" if sealed else None
        self.config = beside / "lethe.yaml"
        self.config.write_text(self.configuration(spool, rotate))
        self.environment, self.peak_mb, self.is_cut_off = environment or {}, 0, False
        self.process, self.starts, self.traffic, self.generation, self.readings = None, 0, None, 0, None
        self.writing = threading.Lock()
        self.prefix = []   # of the command: a program that becomes the subject
        self.working = self.folder / "core"
        self.log = self.outside / "run.log"

    def configuration(self, spool, rotate):
        events = sealed = store_key = ""
        if self.topic:
            events = EVENTS.format(bootstrap=self.topic.bootstrap, topic=self.topic.name)
        if self.keys:
            self.keys.mkdir()
            make_keys(self.keys)
            sealed = SEALED.format(folder=self.folder, keys=self.keys)
            store_key = f", key_file: {self.keys}/store.key"
        return CONFIG.format(folder=self.folder, feed=self.feed, port=self.port, admin=self.admin, web=self.web.port, spool=spool,
                             rotate=rotate, events=events, sealed=sealed, store_key=store_key)

    def make_folders(self):
        for place in judge.PLACES:
            (self.folder / place).mkdir(parents=True, exist_ok=True)

    # --- Life and death

    def spawn(self):
        """Starts the process and returns at once."""
        self.starts += 1
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        environment = {**os.environ, "TMPDIR": str(self.folder / "temp"), **self.environment}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.prefix, BINARY, "run", "-c", str(self.config)], cwd=self.working,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        return self

    def said(self, text, whole=False):
        """Whether the process, or one before it, has logged that."""
        with open(self.log, "rb") as file:
            file.seek(0 if whole else self.log_start)
            return text.encode() in file.read()

    def is_running(self):
        return self.said('"message":"running"')

    def start(self):
        self.spawn()
        assert wait_until(lambda: (self.is_running() or self.process.poll() is not None, None)), "does not start"
        assert self.process.poll() is None, self.last_words()
        return self

    def flow(self):
        """Bytes in the present files of both sinks: another value when something is delivered."""
        paths = [self.folder / "out/disk.jsonl", self.web.path]
        return [path.stat().st_size if path.exists() else 0 for path in paths]

    def start_and_flow(self, patience=10):
        """Starts, and returns when the first record of this life has arrived, or nothing comes."""
        before = self.flow()
        self.start()
        wait_until(lambda: (self.flow() != before or self.process.poll() is not None, None), patience)
        return self

    def wait_for_events(self, patience=PATIENCE):
        """Until the first record of this life has come from Kafka: the group must first notice that its last member is dead."""
        return wait_until(lambda: (self.metric("lethe_source_records_received_total", 'source="events"') > 0, None), patience, 0.05)

    def last_words(self):
        with open(self.log, "rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")[-2000:]

    def note_memory(self):
        """Keeps the highest peak of any life, in MB."""
        try:
            text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return
        if "VmHWM" in text:
            self.peak_mb = max(self.peak_mb, int(text.split("VmHWM:")[1].split()[0]) / 1024)

    def kill(self):
        self.note_memory()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def stop(self):
        self.note_memory()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)

    def reload(self):
        """Asks for it, and waits until it is done."""
        before = self.count_said(ANEW)
        self.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: (self.count_said(ANEW) > before, None)), self.last_words()

    def count_said(self, text):
        return self.log.read_bytes().count(text.encode())

    def get(self, path, timeout=5):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=timeout) as answer:
            return answer.read().decode()

    def scrape(self):
        for path, name in (("/metrics", "metrics.txt"), ("/", "page.html"), ("/status.json", "status.json")):
            (self.folder / "scrape" / name).write_text(self.get(path))

    def metric(self, name, label=""):
        """The sum over all labels, or over those lines that have this one."""
        lines = [line.rsplit(" ", 1) for line in self.get("/metrics").splitlines()
                 if line.split("{")[0].split(" ")[0] == name and label in line]
        return sum(float(value) for _, value in lines)

    # --- Traffic

    def write_lines(self, count, path=None):
        """Lines into the log file, obligations once they are there."""
        path = path or self.feed / "app.log"
        with self.writing:
            made = self.journal.issue(f"file{self.generation}", count, FILE_KINDS, WITHHELD_EACH)   # order is kept in each file
            with open(path, "ab") as file:
                file.write("".join(r.line + "\n" for r in made).encode())
        self.journal.oblige(made)
        return made

    def rotate(self):
        with self.writing:
            self.generation += 1
            log = self.feed / "app.log"
            log.rename(f"{log}.{self.generation}")

    def post(self, count, timeout=10):
        """Items in one request; obligations are those that the answer accepted. The number of these."""
        made = self.journal.issue("http", count, HTTP_KINDS, WITHHELD_EACH)
        return self.post_these(made, timeout)

    def post_these(self, made, timeout=10):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", "/v2.1/track", "[" + ",".join(r.line for r in made) + "]", {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        if answer.status not in (200, 206):
            return 0
        refused = {e["index"] for e in json.loads(text)["errors"]}
        accepted = [r for n, r in enumerate(made) if n not in refused]
        if self.is_cut_off:
            self.journal.doubt(accepted)
            return 0
        self.journal.oblige(accepted)
        self.journal.refuse([r for n, r in enumerate(made) if n in refused])
        return len(accepted)

    def produce(self, count, withheld_each=WITHHELD_EACH, timeout=10):
        """Messages of a record each; obligations are those that the broker acknowledged."""
        partition = self.random.randrange(self.topic.partitions)
        made = self.journal.issue(f"kafka{partition}", count, FILE_KINDS, withheld_each)
        self.journal.oblige(self.topic.produce(made, partition, timeout))

    def begin_traffic(self, **more):
        self.traffic = Traffic(self, **more)
        return self.traffic

    def live(self):
        """A life with all that comes by in one: traffic, a receiver that is away, a reload, what is asked of it, an orderly end."""
        self.begin_traffic()
        self.start_and_flow()
        if self.topic:
            assert self.wait_for_events(), "nothing comes from Kafka"
        for mode in ("busy", "mute", "up"):
            self.web.mode = mode
            self.post(5)
            self.scrape()
            self.reload()
        return self.settle()

    # --- The end

    def delivered(self):
        """Whether every sink has what it is owed, and how much each lacks."""
        if self.readings is None:
            self.readings = [judge.Reading(self.journal, path) for path in (self.folder / "out/disk.jsonl", self.web.path)]
        missing = [len(r.missing()) for r in self.readings]
        return not any(missing), missing

    def forget_readings(self):
        """An output may have become shorter."""
        self.readings = None

    def settle(self):
        """After the last fault: everything owed must come, a fresh record too, and the process must stop in order. Returns
        what went wrong, or ''."""
        self.web.mode = "up"
        if self.traffic is not None:
            self.traffic.end()
        if self.process is None or self.process.poll() is not None:
            self.start()
        self.write_lines(1)
        if self.topic:
            self.produce(1, withheld_each=0)
        if not wait_until(self.delivered, pause=0.2):
            return f"stuck: missing {self.delivered()[1]} in disk, web"
        self.scrape()
        code = self.stop()
        return "" if code == 0 else f"stopping ended with {code}: {self.last_words()[-300:]}"

    def verdict(self, **more):
        """The judgement over this run; closes it."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.web.close()
        if self.keys:
            more["audit_key"] = self.keys / "audit.key"
        (self.folder / "out/web.jsonl").write_bytes(self.web.path.read_bytes() if self.web.path.exists() else b"")
        (self.folder / "log/run.log").write_bytes(self.log.read_bytes())
        return judge.judge(self.folder, self.journal, self.journal_path, **more)


class Events:
    """A topic of a broker, and who writes to it. Thread: one at a time."""
    partitions = 2

    def __init__(self, kafka):
        import confluent_kafka   # where there is a broker, there it is
        self.name, self.bootstrap = kafka.topic(partitions=self.partitions).name, kafka.bootstrap
        self.producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 2, "enable.idempotence": True,
                                                  "log_level": 0})

    def produce(self, records, partition, timeout):
        """Those that the broker has acknowledged."""
        accepted = []

        def settled(record):
            return lambda error, _: accepted.append(record) if error is None else None
        for record in records:
            self.producer.produce(self.name, record.line.encode(), partition=partition, on_delivery=settled(record))
        self.producer.flush(timeout)
        return accepted


class Traffic:
    """Lines, requests and messages for as long as it is wanted; the log file is rotated by renaming."""

    def __init__(self, subject, lines_each=8, pause=0.02, clients=2):
        self.subject, self.lines_each, self.pause = subject, lines_each, pause
        self.ended, self.written = threading.Event(), 0
        self.threads = [threading.Thread(target=self.write, daemon=True)]
        self.threads += [threading.Thread(target=self.send, daemon=True) for _ in range(clients)]
        if subject.topic:
            self.threads.append(threading.Thread(target=self.produce, daemon=True))
        for thread in self.threads:
            thread.start()

    def write(self):
        while not self.ended.wait(self.pause):
            self.subject.write_lines(self.lines_each)
            self.written += self.lines_each
            if self.written >= ROTATE_EACH:
                self.written = 0
                self.subject.rotate()

    def send(self):
        while not self.ended.wait(self.pause):
            if self.subject.post(5) == 0:
                self.ended.wait(0.05)

    def produce(self):
        while not self.ended.wait(self.pause):
            self.subject.produce(5)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=60)


def new_folder(base, name):
    folder = pathlib.Path(base) / name
    folder.mkdir(parents=True)
    return folder
