"""Networks that lose packets, are narrow, or swallow everything: nothing is missing on the way in or out, and what comes twice has one
event id. Each test has a network of its own (bad_network.py)."""
import collections
import contextlib
import json
import subprocess
import threading
import urllib.request

import pytest

from bad_network import BadNetwork, NotPermitted
from conftest import LONG, wait_for
from fault_proxy import FaultProxy
from plain_receivers import Items, SyslogPeer, Webhook
from running import Missing, free_port
from streaming import Run, records

LOSS = 30 if LONG else 20      # percent of the packets
RATE = "256kbit" if LONG else "1mbit"
LINES = 3_000 if LONG else 80
PADDING = "x" * 300


@pytest.fixture
def network():
    with contextlib.ExitStack() as stack:
        try:
            entered = stack.enter_context(BadNetwork())
        except (Missing, NotPermitted) as reason:
            pytest.skip(str(reason))
        yield entered


# --- Out ------------------------------------------------------------------------------------------------------------------------


URL = "http://127.0.0.1:{port}/"
KINDS = {
    "webhook": (Webhook, f'type: http, metadata: true, timeout: 2s, url: "{URL}"'),
    "appinsights": (Items, 'type: appinsights, metadata: true, timeout: 2s, connection_string: '
                           f'"InstrumentationKey=00000000-1e7e-4a57-8a5e-feedfacecafe;IngestionEndpoint={URL}"'),
    "syslog": (SyslogPeer, "type: syslog, format: original, transport: tcp, timeout: 2s, host: 127.0.0.1, port: {port}"),
    "one-connection": (SyslogPeer, "type: syslog, format: original, transport: tcp, confirm: tcp, timeout: 2s, host: 127.0.0.1, port: {port}"),
}


class Sending:
    """A run that sends lines to receivers of every kind."""

    def __init__(self, folder, step=0):
        self.stack, self.lines = contextlib.ExitStack(), []
        self.receivers, sinks = {}, ""
        for name, (kind, form) in KINDS.items():
            receiver = self.receivers[name] = kind()
            receiver.start()
            self.stack.callback(receiver.stop)
            port = self.stack.enter_context(FaultProxy(receiver.port, step=step)).port if step else receiver.port
            sinks += f"  - {{name: {name}, {form.format(port=port)}}}\n"
        self.run = Run(folder, f"sources:\n  - {{name: in, type: stdin}}\nsinks:\n{sinks}drain_timeout: 60s\n")

    def add(self, count, padding=""):
        new = [f"line {len(self.lines) + n} {padding}" for n in range(count)]
        self.lines += new
        self.run.process.stdin.write("".join(line + "\n" for line in new).encode())
        self.run.process.stdin.flush()

    def missing(self):
        return {name: set(self.lines) - {message for message, _ in receiver.got()} for name, receiver in self.receivers.items()}

    def all_came(self):
        return not any(self.missing().values())

    def __enter__(self):
        self.stack.push(self.run)
        self.run.start(stdin=subprocess.PIPE)
        return self

    def __exit__(self, *problem):
        return self.stack.__exit__(*problem)

    def end(self):
        """Everything came, and what came twice has one event id."""
        self.run.process.stdin.close()
        assert self.run.process.wait(timeout=120) == 0
        for name, receiver in self.receivers.items():
            ids = collections.defaultdict(set)
            for message, event_id in receiver.got():
                ids[message].add(event_id)
            assert (name, sorted(ids)) == (name, sorted(self.lines))
            assert {len(i) for i in ids.values()} == {1}


def test_what_is_sent_over_a_bad_network_arrives(network, tmp_path):
    with Sending(tmp_path) as sending:
        network.lose(LOSS)
        sending.add(LINES, PADDING)
        wait_for(lambda: network.dropped() > 0 and sending.all_came(), patience=600)
        network.heal()
        network.narrow(RATE)
        sending.add(LINES, PADDING)
        wait_for(sending.all_came, patience=600)
        assert network.held_back() > 0
        network.heal()
        network.swallow()
        sending.add(20)
        wait_for(lambda: network.dropped() > 20)
        assert all(sending.missing().values())
        network.heal()
        wait_for(sending.all_came)
        sending.end()


def test_what_is_sent_in_single_bytes_arrives(tmp_path):
    with Sending(tmp_path, step=1) as sending:
        sending.add(20)
        wait_for(sending.all_came)
        sending.end()


# --- In -------------------------------------------------------------------------------------------------------------------------


def deliver(port, body):
    """As the clients of telemetry do it: the same again until it is accepted. Returns how many times."""
    for attempt in range(1, 200):
        with contextlib.suppress(OSError, ValueError):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v2.1/track", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=2) as answer:
                if json.load(answer)["itemsAccepted"] == 2:
                    return attempt
    raise AssertionError("never accepted")


def test_what_clients_send_over_a_bad_network_arrives(network, tmp_path):
    port, clients, swallowed = free_port(), 8, threading.Event()
    count = 40 if LONG else 3   # requests of each

    def send(client, attempts):
        for n in range(count):
            if n == 1:
                swallowed.wait()
            items = [{"n": f"{client}-{n}-{half}", "padding": PADDING} for half in "ab"]
            attempts.append(deliver(port, json.dumps(items).encode()))
    config = f"""sources:
  - {{name: in, type: http, listen: "127.0.0.1:{port}"}}
sinks:
  - {{name: out, type: file, path: "{tmp_path}/out.jsonl", metadata: true, sync: never}}
"""
    with Run(tmp_path, config) as run:
        attempts = []
        network.lose(LOSS)
        threads = [threading.Thread(target=send, args=(client, attempts)) for client in range(clients)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(attempts) == clients, patience=300)
        assert network.dropped() > 0
        network.swallow()
        swallowed.set()
        wait_for(lambda: network.dropped() > 2 * clients)
        network.heal()
        network.narrow(RATE)
        for thread in threads:
            thread.join()
        assert run.stop() == 0
    ids = collections.defaultdict(set)
    for r in records(tmp_path / "out.jsonl"):
        ids[r["n"]].add(r["lethe_event_id"])
    assert set(ids) == {f"{client}-{n}-{half}" for client in range(clients) for n in range(count) for half in "ab"}
    assert {len(i) for i in ids.values()} == {1}
