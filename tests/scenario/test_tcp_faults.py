"""Connections that break, stall or drip at every byte, on the way in and on the way out: what was acknowledged is there, what was not
is sent again, and nobody else is kept waiting. Where pauses between attempts take their time, LETHE_LONG=1 takes every byte, and otherwise
a sample is taken."""
import collections
import contextlib
import os
import random
import resource
import socket
import subprocess

import pytest

from conftest import LONG, SANITIZER, wait_for
from fault_proxy import Fault, FaultProxy
from plain_receivers import SyslogPeer, Webhook
from running import free_port
from streaming import Run, records

MEMORY_FOR_ONE = 20_000   # bytes, of a connection that is waited for
ACTIONS = ["reset", "close", "half", "stall"]
HEAD = b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
SOURCE = """sources:
  - {{name: in, type: http, listen: "127.0.0.1:{port}", connections: {connections}}}
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl", metadata: true, sync: never}}
"""


class Receiver(Run):
    def __init__(self, folder, connections=1500):
        self.port = free_port()
        super().__init__(folder, SOURCE.format(port=self.port, folder=folder, connections=connections))

    def ids(self):
        return [r["n"] for r in records(self.folder / "out.jsonl")]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    """One for all of it: whatever was done to it, it goes on."""
    with Receiver(tmp_path_factory.mktemp("receiver")) as run:
        assert is_good(send(run.port, request_of(0)))
        run.files = figures(run)[0]
        yield run


def request_of(n):
    body = b'{"n":%d}' % n + b" " * 20   # so that a part of it is a good record, too
    return HEAD % len(body) + body


def send(port, data, wait=True):
    """What is answered before the connection ends or breaks; without `wait` the open connection."""
    connection = socket.socket()
    connection.settimeout(180)
    with contextlib.suppress(OSError):
        connection.connect(("127.0.0.1", port))
        connection.sendall(data)
    if not wait:
        return connection
    answer = b""
    with contextlib.suppress(OSError), connection:
        while not answer.endswith(b"}") and (piece := connection.recv(65536)):
            answer += piece
    return answer


def is_good(answer):
    return answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b'{"itemsReceived":1,"itemsAccepted":1,"errors":[]}')


def every_fault(direction, length):
    return [Fault(direction, at, action) for action in ACTIONS for at in range(length)]


# --- The source -----------------------------------------------------------------------------------------------------------------

def test_requests_and_answers_cut_at_every_byte_lose_nothing_and_nobody_waits(receiver):
    """A client that has no answer sends again: so each comes once, or twice where the answer was lost."""
    whole = send(receiver.port, request_of(0))
    assert is_good(whole)
    plan = every_fault("c2s", len(request_of(1000))) + every_fault("s2c", len(whole))
    answered_early, broken = [], []
    with FaultProxy(receiver.port, plan) as proxy, contextlib.ExitStack() as stack:
        for n, fault in enumerate(plan, 1000):
            if fault.action == "stall":
                stack.enter_context(send(proxy.port, request_of(n), wait=False))   # it waits for ever
            elif is_good(send(proxy.port, request_of(n))):
                answered_early.append(n)
            broken.append(n)
            assert is_good(send(receiver.port, request_of(n)))   # the same again, and at once
        wait_for(lambda: sum(proxy.happened.values()) == len(plan))
        assert set(proxy.happened) == set(ACTIONS)
    times = collections.Counter(receiver.ids())
    assert set(times) == {0, *broken} and max(times.values()) <= 2 and not answered_early
    requests_cut = [n for n, fault in enumerate(plan, 1000) if fault.direction == "c2s"]
    assert all(times[n] == 1 for n in requests_cut)   # half a request is none


def test_a_request_and_its_answer_may_come_byte_by_byte(receiver):
    with FaultProxy(receiver.port, step=1) as proxy:
        assert is_good(send(proxy.port, request_of(1))) and is_good(send(receiver.port, request_of(2)))
        assert proxy.bytes["c2s"] == len(request_of(1))
    assert receiver.ids()[-2:] == [1, 2]


def figures(run):
    """(descriptors, bytes in memory)"""
    with open(f"/proc/{run.process.pid}/status", encoding="ascii") as status:
        resident = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return len(os.listdir(f"/proc/{run.process.pid}/fd")), resident


def test_a_thousand_clients_that_dawdle_cost_little_and_hold_nobody_up(receiver):
    """Idle, in the head, in the body, and such as never read their answers; good clients in between have theirs."""
    wait_for(lambda: figures(receiver)[0] <= receiver.files + 2)   # what the tests before it left is gone
    before = figures(receiver)
    dawdling = [b"", b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\nX-Slow: ", (HEAD % 500) + b'{"n":', request_of(2001) * 3]
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(send(receiver.port, dawdling[n % 4], wait=False)) for n in range(1000)]
        for n in range(2002, 2032):
            with contextlib.suppress(OSError):
                slow[n % 1000].sendall(b"x")   # and some drip
            assert is_good(send(receiver.port, request_of(n)))
        wait_for(lambda: figures(receiver)[0] >= before[0] + 1000)
        files, memory = (after - was for after, was in zip(figures(receiver), before))
    assert set(range(2002, 2032)) <= set(receiver.ids())
    assert files in range(1000, 1010)
    assert SANITIZER or memory <= 1000 * MEMORY_FOR_ONE
    wait_for(lambda: figures(receiver)[0] <= before[0] + 2)


only_long = pytest.mark.skipif(not LONG, reason="a thousand are in the sample: LETHE_LONG=1")
MANY = 10_000   # connections


@pytest.fixture
def many_files():
    """Room for the connections at both ends; the program gets as much."""
    before, wanted = resource.getrlimit(resource.RLIMIT_NOFILE), MANY + 2_000
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, before[0]), max(wanted, before[1])))
    except (ValueError, OSError):
        pytest.skip(f"not permitted to have {wanted} files open")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect(port, number):
    """From many addresses, as many ports as these take."""
    return socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(f"127.0.1.{1 + number % 200}", 0))


def limited(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_files(run):
    """The limits of the process: soft, hard."""
    with open(f"/proc/{run.process.pid}/limits", encoding="ascii") as limits:
        return next(line.split()[3:5] for line in limits if line.startswith("Max open files"))


def test_a_run_may_open_as_many_files_as_its_connections_need(tmp_path):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < MANY + 1000:
        pytest.skip(f"not permitted to have {MANY + 1000} files open")
    run = Receiver(tmp_path, connections=MANY)
    run.prepare = limited(256, MANY + 1000)
    with run:
        assert open_files(run) == [str(MANY + 1000)] * 2
        assert not run.logged("open files")
        assert run.stop() == 0


def test_a_limit_below_what_the_connections_need_is_told_with_what_to_do(tmp_path):
    run = Receiver(tmp_path, connections=MANY)
    run.prepare = limited(256, 512)
    with run:
        assert open_files(run) == ["512", "512"]
        assert run.logged("may need 10257 open files at a time and the system allows 512") and run.logged("LimitNOFILE=10257")
        assert is_good(send(run.port, request_of(0)))
        assert run.stop() == 0


@only_long
def test_ten_thousand_idle_connections_cost_little_and_hold_nobody_up(many_files, tmp_path):
    with Receiver(tmp_path, connections=MANY + 100) as run, contextlib.ExitStack() as stack:
        assert is_good(send(run.port, request_of(0)))
        before = figures(run)
        for n in range(1, MANY + 1):
            idle = stack.enter_context(connect(run.port, n))
            idle.sendall(request_of(n))   # it has served, and may stay
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            if n % 500 == 0:
                assert is_good(send(run.port, request_of(MANY + n)))
        files, memory = (after - was for after, was in zip(figures(run), before))
        assert is_good(send(run.port, request_of(3 * MANY)))
    print(f"{MANY} idle connections: {files} descriptors, {memory // MANY} bytes of memory each")
    assert files in range(MANY - 5, MANY + 20)   # of those before it, some end meanwhile
    assert SANITIZER or memory <= MANY * MEMORY_FOR_ONE
    assert set(range(MANY + 1)) <= set(run.ids())


@only_long
def test_more_connections_than_there_may_be_are_sent_away_and_good_clients_come_through(many_files, tmp_path):
    with Receiver(tmp_path, connections=256) as run, contextlib.ExitStack() as stack:
        assert is_good(send(run.port, request_of(0)))
        before = figures(run)
        for n in range(1, MANY + 1):
            slow = stack.enter_context(connect(run.port, n))
            with contextlib.suppress(OSError):   # sent away already
                slow.sendall(b"POST /v2.1/track HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            assert figures(run)[0] <= before[0] + 256 + 20
            if n % 2_000 == 0:   # those that were there first have had their time for a head
                wait_for(lambda: is_good(send(run.port, request_of(n))))
        memory = figures(run)[1] - before[1]
    assert SANITIZER or memory <= 256 * MEMORY_FOR_ONE + (4 << 20)
    assert {0, *range(2_000, MANY + 1, 2_000)} <= set(run.ids())


# --- Sinks ----------------------------------------------------------------------------------------------------------------------

SINKS = 12     # of each kind
IN_A_ROW = 3   # faults before a sink is left alone: pauses between attempts double


FORMS = {
    "http": 'type: http, gzip: false, metadata: true, timeout: 700ms, url: "http://127.0.0.1:{port}/"',
    "syslog": "type: syslog, host: 127.0.0.1, port: {port}, transport: tcp, timeout: 700ms",
}


def plans(kind, turn):
    """Faults for each sink; those of all turns together go over all bytes that a request, or a message, and an answer have."""
    request, answer = (400, 100) if kind == "http" else (200, 1)
    every = every_fault("c2s", request) + every_fault("s2c", answer)
    random.Random(7).shuffle(every)
    chosen = [every[n % len(every)] for n in range(turn * SINKS * IN_A_ROW, (turn + 1) * SINKS * IN_A_ROW)]
    return [chosen[n::SINKS] for n in range(SINKS)]


@pytest.mark.parametrize("turn", range(56 if LONG else 1))
def test_deliveries_that_are_cut_arrive(tmp_path, turn):
    with contextlib.ExitStack() as stack:
        receivers, proxies, sinks = [], [], []
        for kind, form in FORMS.items():
            for n, plan in enumerate(plans(kind, turn)):
                receivers.append(Webhook() if kind == "http" else SyslogPeer())
                receivers[-1].start()
                stack.callback(receivers[-1].stop)
                proxies.append(stack.enter_context(FaultProxy(receivers[-1].port, plan)))
                sinks.append(f"  - {{name: {kind}-{n}, {form.format(port=proxies[-1].port)}}}")
        run = Run(tmp_path, "sources:\n  - {name: in, type: stdin}\ndrain_timeout: 150s\nsinks:\n" + "\n".join(sinks) + "\n")
        stack.push(run)
        run.start(stdin=subprocess.PIPE)
        lines = [f"line {n}" for n in range(20)]
        run.process.stdin.write("".join(line + "\n" for line in lines).encode())
        run.process.stdin.close()
        assert run.process.wait(timeout=180) == 0
        for n, receiver in enumerate(receivers):
            ids = collections.defaultdict(set)
            for message, event_id in receiver.got():
                ids[message].add(event_id)
            assert (n, set(ids)) == (n, set(lines)) and {len(i) for i in ids.values()} == {1}   # the same event if it came twice
        happened = sum((proxy.happened for proxy in proxies), collections.Counter())
        assert set(happened) == set(ACTIONS) and sum(happened.values()) > SINKS * IN_A_ROW
