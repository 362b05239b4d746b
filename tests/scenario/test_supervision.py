"""What supervises a run: systemd's notifications and watchdog, readiness, and signals while a reload waits."""
import concurrent.futures
import contextlib
import http.client
import json
import random
import signal
import socket
import sqlite3
import tempfile
import threading

import pytest

from conftest import wait_for
from running import free_port
from streaming import Run, metric, records

CONFIG = """sources: [{{name: in, type: http, listen: "127.0.0.1:{port}"}}]
sinks: [{{name: {sink}, type: file, path: "{folder}/out.jsonl", sync: never}}]
admin: {{listen: "127.0.0.1:{admin}"}}
drain_timeout: {drain}
{more}
"""


class Supervised(Run):
    """`told` is what the socket heard. The sink can be stopped up by a folder in place of its file."""

    def __init__(self, folder, drain="60s", more="", abstract=False, **environment):
        self.settings = {"port": free_port(), "admin": free_port(), "folder": folder, "drain": drain, "more": more}
        self.told = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        short = tempfile.mkdtemp(prefix="lethe-")   # the path of a socket has 107 bytes
        self.socket.bind(f"\0{short}" if abstract else f"{short}/notify")
        threading.Thread(target=self.listen, daemon=True).start()
        super().__init__(folder, CONFIG.format(sink="out", **self.settings), NOTIFY_SOCKET=f"@{short}" if abstract else f"{short}/notify", **environment)

    def listen(self):
        while True:
            self.told.append(self.socket.recv(100).decode())

    def post(self, body, answers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.settings["port"], timeout=180)
        connection.request("POST", "/ingest", body, {"Content-Type": "application/json"})
        if answers is not None:
            return connection
        return connection.getresponse().status

    def stop_up(self):
        """A request that waits for a sink that cannot be written."""
        (self.folder / "out.jsonl").mkdir()
        waiting = self.post('{"n":1}', answers="later")
        wait_for(lambda: self.logged("cannot"))
        return waiting

    def ready(self):
        """(status, reasons); (0, "") while nobody listens, between two configurations."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings["admin"], timeout=180)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionError:
            return 0, ""

    def reload_another_sink(self):
        self.config.write_text(CONFIG.format(sink="other", **self.settings))
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.logged("starting again"))


@pytest.mark.parametrize("abstract", [False, True])
def test_the_supervisor_hears_of_start_and_stop(tmp_path, abstract):
    with Supervised(tmp_path, abstract=abstract) as run:
        wait_for(lambda: run.told == ["READY=1"])
        assert run.post('{"n":1}') == 200
        assert run.stop() == 0
        wait_for(lambda: len(run.told) > 1)
    assert run.told == ["READY=1", "STOPPING=1"]   # nobody asked for a watchdog


def test_the_watchdog_hears_from_a_run_also_while_a_reload_waits_and_signals_are_heard_then(tmp_path):
    with Supervised(tmp_path, drain="900s", WATCHDOG_USEC="600000") as run:
        run.stop_up()
        run.reload_another_sink()
        before = run.told.count("WATCHDOG=1")
        wait_for(lambda: run.told.count("WATCHDOG=1") >= before + 3)
        assert run.ready() == (503, "not ready: stopping\n")
        run.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "STOPPING=1" in run.told)
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(timeout=180) == 1   # long before its time to drain is up
        assert run.logged("1 records could not be delivered")


def test_a_reload_that_had_to_give_up_records_goes_on_with_the_new_sinks(tmp_path):
    with Supervised(tmp_path, drain="100ms") as run:
        waiting = run.stop_up()
        run.reload_another_sink()
        assert waiting.getresponse().status == 503
        (tmp_path / "out.jsonl").rmdir()
        wait_for(lambda: run.ready()[0] == 200)
        assert run.post('{"n":2}') == 200
        assert run.stop() == 1   # something was lost, though its sender knows
    assert records(tmp_path / "out.jsonl") == [{"n": 2}]


def test_a_run_whose_spool_is_full_is_not_ready(tmp_path):
    with Supervised(tmp_path, more=f'store: {{path: "{tmp_path}/state", max_bytes: 1M}}') as run:
        assert run.ready() == (200, "ready\n")
        (tmp_path / "out.jsonl").mkdir()
        full = threading.Event()

        def fill():
            """Each is answered when the spool has it, the last one when there is room again."""
            answers = []
            while not full.is_set():
                answers.append(run.post(json.dumps({"pad": random.randbytes(50_000).hex(), "n": len(answers)})))
            return answers
        with concurrent.futures.ThreadPoolExecutor() as pool:
            filling = pool.submit(fill)
            wait_for(lambda: run.ready() == (503, "not ready: the spool is full\n"))
            wait_for(lambda: metric(run.settings["admin"], "lethe_spool_full") == 1)
            full.set()
            (tmp_path / "out.jsonl").rmdir()
            answers = filling.result(timeout=180)
        wait_for(lambda: run.ready()[0] == 200)
        assert set(answers) == {200}
        assert metric(run.settings["admin"], "lethe_spool_full_commits_total") > 0
        assert metric(run.settings["admin"], "lethe_spool_failed_commits_total") == 0
        assert run.stop() == 0
    assert '"warning","part":"store","message":"the spool' in run.log.read_text() and run.logged("there is room again")
    assert [r["n"] for r in records(tmp_path / "out.jsonl")] == list(range(len(answers)))


def test_a_store_that_cannot_be_written_is_told_apart_from_a_full_one(tmp_path):
    with Supervised(tmp_path, more=f"store: {tmp_path}/state") as run:
        (tmp_path / "out.jsonl").mkdir()   # so that blocks must go to the store
        with contextlib.closing(sqlite3.connect(tmp_path / "state" / "store.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = run.post('{"n":1}', answers="later")
            wait_for(lambda: "not ready: the store cannot be written\n" in run.ready()[1])
            wait_for(lambda: metric(run.settings["admin"], "lethe_spool_failing") == 1)
            assert metric(run.settings["admin"], "lethe_spool_failed_commits_total") > 0
            other.execute("ROLLBACK")
        assert waiting.getresponse().status == 200
        wait_for(lambda: run.logged("it can be written again"))
        wait_for(lambda: metric(run.settings["admin"], "lethe_spool_failing") == 0)
        assert metric(run.settings["admin"], "lethe_spool_full_commits_total") == 0
        (tmp_path / "out.jsonl").rmdir()
        wait_for(lambda: records(tmp_path / "out.jsonl") == [{"n": 1}])
        assert run.stop() == 0
    assert '"error","part":"store","message":"cannot write store' in run.log.read_text()
