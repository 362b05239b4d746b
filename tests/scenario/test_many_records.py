"""A great many records through sources that cannot be read again, while the run is killed, stopped and reloaded at random moments.
LETHE_LONG=1: a million through each."""
import bisect
import contextlib
import http.client
import json
import os
import random
import select
import signal
import subprocess
import threading
import time

from conftest import LONG, wait_for
from running import free_port
from streaming import Run, in_pipe, metric

RECORDS = 1_000_000 if LONG else 4000
MORE_ENDS = 56 if LONG else 0   # of lives of the run, beside those that are always there

CONFIG = """sources:
  - {source}
store: {folder}/state
drain_timeout: {drain}s
admin: {{listen: "127.0.0.1:{admin}"}}
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true}}
"""


def text_of(number):
    return f"record {number} {'x' * (number * 7919 % 400)}"


class Pace:
    """How far the traffic may go, as a share of all: it is not over before the last end of a life."""

    def __init__(self):
        self.changed, self.share = threading.Condition(), 0

    def allow(self, share):
        with self.changed:
            self.share = share
            self.changed.notify_all()

    def wait_for(self, share):
        with self.changed:
            self.changed.wait_for(lambda: share <= self.share)


class Lives(Run):
    """A run and how each of its lives ended: kill, stop or reload, which starts the flow again within the process."""

    def __init__(self, folder, source):
        self.source, self.admin, self.ends, self.ended_at, self.reloads = source, free_port(), [], [], 0
        super().__init__(folder, "")
        self.write_config()

    def write_config(self):
        self.config.write_text(CONFIG.format(source=self.source, folder=self.folder, admin=self.admin, drain=600 + self.reloads))

    def reload(self):
        self.reloads += 1
        before = self.log.read_text().count("running with the new configuration")
        self.write_config()
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log.read_text().count("running with the new configuration") > before)

    def end(self, how, stdin=subprocess.DEVNULL):
        """Ends a life in this way and begins the next."""
        self.ended_at.append(time.monotonic())
        if how == "reload":
            self.ends.append(how)   # what is answered from here on may be of the next life already
            self.reload()
            return
        if how == "kill":
            if self.process.poll() is None:
                self.kill()
        else:
            assert self.stop() == 0
        self.ends.append(how)
        self.start(stdin)

    def arrived(self):
        """Number of each record -> its event ids; and what was never sent."""
        ids, unknown = {}, []
        with open(self.folder / "out.jsonl", "rb") as lines:
            for line in lines:
                record = json.loads(line)
                word, _, rest = record["message"].partition(" ")
                number = int(rest.split()[0]) if word == "record" else -1
                if number < 0 or record["message"] != text_of(number):
                    unknown.append(record["message"])
                else:
                    ids.setdefault(number, []).append(record["lethe_event_id"])
        return ids, unknown


# --- http ------------------------------------------------------------------------------------------------------------------

class Batch:
    def __init__(self, numbers):
        self.numbers, self.sent, self.first_life, self.answered_at = numbers, 0, None, None

    def body(self, track):
        items = [json.dumps({"message": text_of(n)}) for n in self.numbers]
        return "[" + ",".join(items) + "]" if track else "\n".join(items)


class Client(threading.Thread):
    """Posts its batches, one after another, each again and again until it is answered with success: byte by byte the same."""

    def __init__(self, run, port, batches, path, pace):
        super().__init__(daemon=True)
        self.run_, self.port, self.batches, self.path, self.pace, self.done, self.wrong = run, port, batches, path, pace, 0, []
        self.connection = None

    def post(self, body):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
            self.connection.request("POST", self.path, body, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return 0, b""

    def deliver(self, batch):
        body = batch.body(self.path != "/ingest")
        while True:
            life = len(self.run_.ends)
            batch.first_life = life if batch.first_life is None else batch.first_life
            batch.sent += 1
            status, answer = self.post(body)
            if status == 200:
                break
            if status not in (0, 503):
                self.wrong.append((status, answer))
                return
            time.sleep(0.01)   # as a client does before it comes again
        batch.answered_at = time.monotonic()
        if json.loads(answer) != {"itemsReceived": len(batch.numbers), "itemsAccepted": len(batch.numbers), "errors": []}:
            self.wrong.append((status, answer))

    def run(self):
        for batch in self.batches:
            self.pace.wait_for(self.done / len(self.batches))
            self.deliver(batch)
            self.done += 1


def copies_allowed(batch, ends):
    """Sent again by the client, or at a kill delivered out of the spool and not noted yet."""
    return batch.sent - 1 + ends[batch.first_life:].count("kill")


def kill_age(batch, run):
    """Seconds from the answer to the first kill after it."""
    return min((at - batch.answered_at for at, how in zip(run.ended_at, run.ends) if how == "kill" and at >= batch.answered_at), default=0)


def test_no_record_that_was_answered_over_http_is_missing_whatever_happens_to_the_run(tmp_path):
    choose, port, pace, numbers = random.Random(4), free_port(), Pace(), range(RECORDS)
    batches, at = [], 0
    while at < RECORDS:
        count = choose.choice((1, 20, 100, 250)) if LONG else choose.choice((1, 5, 20, 40))
        batches.append(Batch(numbers[at:at + count]))
        at += count
    with Lives(tmp_path, f'{{name: sdk, type: http, listen: "127.0.0.1:{port}"}}') as run:
        clients = [Client(run, port, batches[n::4], "/v2.1/track" if n % 2 == 0 else "/ingest", pace) for n in range(4)]
        for client in clients:
            client.start()
        hows = ["kill", "reload", "kill"] + choose.choices(["kill", "stop", "reload"], [4, 1, 1], k=MORE_ENDS)
        for number, how in enumerate(hows):
            pace.allow((number + 1) / len(hows))
            answered = choose.uniform(number, number + 0.9) / len(hows) * len(batches)
            wait_for(lambda: sum(c.done for c in clients) >= answered or any(c.wrong for c in clients), patience=600)
            run.end(how)
        for client in clients:
            client.join(600)
        assert not any(client.is_alive() for client in clients)
        wait_for(lambda: metric(run.admin, 'lethe_sink_lag_bytes{sink="out"}') == 0, patience=600)
        assert run.stop() == 0
    assert [client.wrong for client in clients] == [[]] * 4
    ids, unknown = run.arrived()
    missing = [n for n in numbers if n not in ids]
    once = [(b, max(len(ids.get(n, ())) for n in b.numbers) - 1) for b in batches if b.sent == 1]
    ages = [kill_age(b, run) for b, copies in once if copies > 0]
    print(f"http: {RECORDS} records in {len(batches)} requests, {dict((how, hows.count(how)) for how in set(hows))}; sent again {sum(b.sent > 1 for b in batches)}; "
          f"missing {len(missing)}, unknown {len(unknown)}, copies {sum(map(len, ids.values())) - len(ids)}, of these of requests sent once "
          f"{sum(copies * len(b.numbers) for b, copies in once)}, answered at most {max(ages, default=0):.2f} s before a kill")
    assert (missing, unknown) == ([], [])
    assert [b.numbers for b in batches if max(len(ids[n]) for n in b.numbers) - 1 > copies_allowed(b, run.ends)] == []
    assert [n for n, given in ids.items() if len(set(given)) > 1] == []


# --- stdin -----------------------------------------------------------------------------------------------------------------

BATCH_BYTES = 256 * 1024
KILL_WINDOW = (12 + 4) * BATCH_BYTES   # `blocks` and four more batches, as docs/run.md says


class Pipe(threading.Thread):
    """A writer whose pipe outlives the run. What was read from it is known at any time."""

    def __init__(self, count):
        super().__init__(daemon=True)
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.write_end, False)
        self.lines = [text_of(n).encode() + b"\n" for n in range(count)]
        self.starts, at = [], 0
        for line in self.lines:
            self.starts.append(at)
            at += len(line)
        self.size, self.written, self.lock, self.pace = at, 0, threading.Lock(), Pace()

    def run(self):
        for first in range(0, len(self.lines), 100):
            self.pace.wait_for(self.written / self.size)   # between lines: a writer does not rest within one
            self.write(b"".join(self.lines[first:first + 100]))
        os.close(self.write_end)

    def write(self, data):
        while data:
            select.select([], [self.write_end], [])
            with self.lock, contextlib.suppress(BlockingIOError):
                count = os.write(self.write_end, data)
                self.written += count
                data = data[count:]

    def consumed(self):
        """Bytes that were read from it."""
        with self.lock:
            return self.written - in_pipe(self.read_end)

    def rest_of_line(self, at):
        """What is left of the line that is cut there; '' at the beginning of one."""
        n = bisect.bisect_right(self.starts, at) - 1
        return "" if self.starts[n] == at else self.lines[n][at - self.starts[n]:-1].decode()


def through_stdin(folder, hows, choose):
    """(run, pipe, what had been read from the pipe at each kill)"""
    pipe, killed_at = Pipe(RECORDS), []
    run = Lives(folder, "{name: console, type: stdin}")
    try:
        pipe.start()
        run.start(pipe.read_end)
        for number, how in enumerate(hows):
            pipe.pace.allow((number + 1) / (len(hows) + 1))
            read = choose.uniform(number, number + 0.9) / (len(hows) + 1) * pipe.size
            wait_for(lambda: pipe.consumed() >= read, patience=600)
            if how == "kill":
                run.kill()
                killed_at.append(pipe.consumed())
            run.end(how, pipe.read_end)
        pipe.pace.allow(1)
        assert run.process.wait(600) == 0   # the pipe has ended
    finally:
        run.__exit__()
    os.close(pipe.read_end)
    return run, pipe, killed_at


def test_stops_and_reloads_cost_no_record_of_a_pipe_that_goes_on(tmp_path):
    choose = random.Random(5)
    hows = ["reload", "stop"] + choose.choices(["stop", "reload"], k=MORE_ENDS)
    run, pipe, _ = through_stdin(tmp_path, hows, choose)
    ids, unknown = run.arrived()
    print(f"stdin: {RECORDS} records, {dict((how, hows.count(how)) for how in set(hows))}; missing {RECORDS - len(ids)}, unknown {len(unknown)}, "
          f"copies {sum(map(len, ids.values())) - len(ids)}")
    assert [n for n in range(RECORDS) if n not in ids] == []
    assert unknown == []
    assert [n for n, given in ids.items() if len(given) > 1] == []


def test_a_kill_costs_of_a_pipe_what_was_read_last_and_nothing_else(tmp_path):
    choose = random.Random(6)
    hows = ["kill", "kill"] + choose.choices(["kill", "stop", "reload"], [4, 1, 1], k=MORE_ENDS)
    run, pipe, killed_at = through_stdin(tmp_path, hows, choose)
    ids, unknown = run.arrived()
    missing = [n for n in range(RECORDS) if n not in ids]
    back = [min(at - pipe.starts[n] for at in killed_at if at > pipe.starts[n]) for n in missing if pipe.starts[n] < killed_at[-1]]
    lost = sum(len(pipe.lines[n]) for n in missing)
    print(f"stdin: {RECORDS} records, {len(killed_at)} kills; missing {len(missing)}, {lost / len(killed_at):.0f} bytes a kill, the first of them "
          f"{max(back, default=0)} bytes before what was read last; of cut lines {len(unknown)}, copies {sum(map(len, ids.values())) - len(ids)}")
    assert len(back) == len(missing)   # none of them came after the last kill
    assert max(back, default=0) <= KILL_WINDOW
    assert set(unknown) <= {pipe.rest_of_line(at) for at in killed_at}
    assert [n for n, given in ids.items() if len(set(given)) > 1] == []
