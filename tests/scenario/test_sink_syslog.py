"""Records on their way to receivers of syslog: real ones, and some that must not get a byte."""
import contextlib
import json
import socket
import ssl
import struct
import subprocess
import threading
import uuid

import pytest

from conftest import LONG, ROOT, wait_for
from running import free_port
from streaming import Run

MANY = 100_000 if LONG else 3_000
CONFIG = """sources:
  - {{name: in, type: stdin}}
key_file: {key}
sinks:
  - {{name: siem, type: syslog, app_name: {app}, {settings}}}
drain_timeout: 150s
"""
CANARY = "canary-Heron-4471"
TCP_CLOSE_WAIT = 8


class Deliveries:
    """Starts runs that send lines to a receiver, under names of their own."""

    def __init__(self, lethe, folder):
        self.lethe, self.folder, self.runs = lethe, folder, []
        lethe.run("keygen", "-o", "lethe.key")

    def __call__(self, settings, lines=(), end=True, **environment):
        folder = self.folder / f"run-{len(self.runs)}"
        folder.mkdir()
        app = f"lethe-{uuid.uuid4().hex[:12]}"
        run = Run(folder, CONFIG.format(settings=settings, app=app, key=self.folder / "lethe.key"), **environment)
        self.runs.append(run)
        run.app = app
        run.start(stdin=subprocess.PIPE)
        feed(run, lines)
        if end:
            run.process.stdin.close()
        return run


def feed(run, lines):
    run.process.stdin.write(b"".join(line if isinstance(line, bytes) else line.encode() + b"\n" for line in lines))
    run.process.stdin.flush()


@pytest.fixture
def deliver(lethe, tmp_path):
    deliveries = Deliveries(lethe, tmp_path)
    yield deliveries
    for run in deliveries.runs:
        run.__exit__()


def ended(run):
    assert run.process.wait(timeout=180) == 0, run.log.read_text()


@pytest.fixture(params=["rsyslog", "syslog_ng"])
def server(request):
    return request.getfixturevalue(request.param)


def tls(server, port="tls", host="localhost"):
    return f'host: {host}, port: {getattr(server, port)}, ca_file: "{server.ca_file}"'


def plain(server, port="tcp", transport="tcp"):
    return f"host: 127.0.0.1, port: {getattr(server, port)}, transport: {transport}"


def texts(messages):
    return [m["text"].lstrip("\ufeff") for m in messages]


def golden(lines):
    return [json.dumps({"message": line}, separators=(",", ":"), ensure_ascii=False) for line in lines]


def event_ids(messages):
    """Text -> the event ids that came with it."""
    ids = {}
    for m in messages:
        ids.setdefault(m["text"], set()).add(m["data"].split('event_id="')[1].split('"')[0])
    return ids


# --- Arriving -------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_every_record_arrives_once_as_it_is(deliver, server, transport):
    lines = [f"line {n} möre \"quoted\" {'x' * (n % 700)}" for n in range(MANY)]
    run = deliver((tls if transport == "tls" else plain)(server) + ", format: original", lines)
    ended(run)
    got = server.wait(run.app, len(lines))
    assert sorted(texts(got)) == sorted(golden(lines))
    assert len(event_ids(got)) == len(lines) and {len(ids) for ids in event_ids(got).values()} == {1}
    assert {m["input"] for m in got} <= {transport, "tls" if transport == "tls" else "tcp"}


def test_every_format_arrives_as_redact_writes_it(deliver, lethe, rsyslog):
    forms = ["original", "flat", "ecs", "ocsf", "cef"]
    clean = lethe.redact(ROOT / "samples/export", "--key-file", "lethe.key").stdout.split(b"\n")[:-1]
    clean = b"".join(line + b"\n" for line in clean if not line.startswith(b'{"message":'))   # those have no time of their own
    mark = uuid.uuid4().hex[:12]
    sinks = "".join(f"}}\n  - {{name: {form}, type: syslog, app_name: {form}-{mark}, {tls(rsyslog)}, format: {form}" for form in forms)
    ended(deliver(tls(rsyslog) + ", kinds: [app_metric]" + sinks, [clean]))
    for form in forms:
        expected = lethe.redact("-", "--format", form, "--key-file", "lethe.key", stdin=clean).stdout.decode().split("\n")[:-1]
        assert len(expected) > 20 and sorted(texts(rsyslog.wait(f"{form}-{mark}", len(expected)))) == sorted(expected)


RECORD = ('{"time":"2026-11-22T04:20:00.1234567Z","resourceId":"/SUBSCRIPTIONS/1/X","operationName":"MICROSOFT.X/WRITE","category":"Admin]istrative",'
          '"level":"%s","resultType":"Success","identity":{"claims":{}}}')


def test_header_fields_say_what_the_record_is(deliver, server):
    levels = {"Critical": "2", "Error": "3", "Warning": "4", "Informational": "6", "Verbose": "7"}
    run = deliver(tls(server) + ', format: original, facility: audit, hostname: collector-1, sd_id: "aml@12345"', [RECORD % level for level in levels])
    ended(run)
    got = server.wait(run.app, 5)
    assert {json.loads(m["text"])["level"]: m["pri"] for m in got} == {level: str(13 * 8 + int(number)) for level, number in levels.items()}
    assert {m["time"].replace("+00:00", "Z").replace("123000Z", "123Z") for m in got} == {"2026-11-22T04:20:00.123Z"}
    assert {(m["host"], m["app"], m["process"], m["id"]) for m in got} == {("collector-1", run.app, str(run.process.pid), "resource_log")}
    for m in got:
        assert m["data"].startswith("[aml@12345 ") and 'category="Admin\\]istrative"' in m["data"] and 'policy="standard"' in m["data"]


def test_messages_may_end_with_line_feeds(deliver, server):
    port = "tcp" if server.lines is None or "rsyslog" in str(server.folder) else "lines"
    lines = [f"line {n} a\tb" for n in range(500)]
    run = deliver(plain(server, port) + ", framing: line, format: original", lines)
    ended(run)
    assert sorted(json.loads(t)["message"] for t in texts(server.wait(run.app, len(lines)))) == sorted(lines)


def test_datagrams_hold_a_message_each_and_what_is_too_large_is_rejected_alone(deliver, server):
    lines = [f"line {n}" for n in range(40)]
    run = deliver(plain(server, "udp", "udp") + ", format: original", [*lines[:20], CANARY + "x" * 70_000, *lines[20:]])
    ended(run)
    assert sorted(texts(server.wait(run.app, len(lines)))) == sorted(golden(lines))
    assert run.logged("too large") and not run.logged(CANARY)


def test_a_message_longer_than_the_receiver_takes_is_rejected_alone(deliver, server):
    lines = [f"line {n}" for n in range(20)]
    run = deliver(tls(server) + ", format: original, max_message: 2K", [*lines, CANARY + "x" * 3000])
    ended(run)
    assert sorted(texts(server.wait(run.app, len(lines)))) == sorted(golden(lines))
    assert run.logged("too large") and not run.logged(CANARY)


def test_a_receiver_may_ask_for_a_certificate(deliver, server, certificates):
    certificate, key = certificates.client
    run = deliver(tls(server, "mutual") + f', certificate: "{certificate}", key: "{key}", format: original', ["known"])
    ended(run)
    assert texts(server.wait(run.app)) == golden(["known"])


def test_without_the_certificate_that_is_asked_for_nothing_arrives_and_it_is_told(deliver, server):
    run = deliver(tls(server, "mutual") + ", format: original", [CANARY])
    wait_for(lambda: run.logged('"part":"siem"'))
    run.kill()
    assert not server.messages(run.app) and run.logged("localhost:") and not run.logged(CANARY)


# --- Receivers that go away -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_nothing_is_missing_when_the_receiver_is_stopped_and_started_again(deliver, server, transport):
    lines = [f"line {n} {'y' * 300}" for n in range(MANY)]
    run = deliver((tls if transport == "tls" else plain)(server) + ", format: original", lines[:MANY // 2], end=False)
    server.wait(run.app, 10)
    with server.stopped():
        feed(run, lines[MANY // 2:MANY // 2 + 100])
        wait_for(lambda: run.logged('"part":"siem"'))
    feed(run, lines[MANY // 2 + 100:])
    run.process.stdin.close()
    ended(run)
    wait_for(lambda: len(set(texts(server.messages(run.app)))) >= len(lines))
    got = server.messages(run.app)
    assert sorted(set(texts(got))) == sorted(golden(lines))
    assert {len(ids) for ids in event_ids(got).values()} == {1}


def test_a_receiver_that_stands_still_for_a_while_loses_nothing(deliver, server):
    lines = [f"line {n} {'y' * 300}" for n in range(MANY)]
    run = deliver(tls(server) + ", format: original, timeout: 60s", lines[:100], end=False)
    server.wait(run.app, 100)
    with server.paused():
        feed(run, lines[100:2000])   # as much as the run has room for
    feed(run, lines[2000:])
    run.process.stdin.close()
    ended(run)
    assert sorted(set(texts(server.wait(run.app, len(lines))))) == sorted(golden(lines))


class Peer:
    """A receiver of our own. `serve(connection, number)` gets each connection, TLS if there is a certificate; it ends with it.
    `payload`: what each of them sent. The first `mute` connections end without a word of TLS."""

    def __init__(self, serve=None, certificate=None, port=0):
        self.serve = serve or (lambda connection, number: self.read(connection, number))
        self.context, self.mute = None, 0
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.payload = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.payload.append(b"")
                threading.Thread(target=self._serve, args=(connection, len(self.payload) - 1), daemon=True).start()

    def _serve(self, connection, number):
        with contextlib.suppress(OSError), connection:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                self.serve(connection, number)

    def read(self, connection, number, most=1 << 60):
        while len(self.payload[number]) < most:
            data = connection.recv(min(65536, most - len(self.payload[number])))
            if not data:
                if self.context and number >= self.mute:
                    connection.unwrap()
                return
            self.payload[number] += data

    def messages(self):
        """The whole messages of all connections."""
        return [message for payload in self.payload for message in frames(payload)]

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)   # ends accept()
        self.listener.close()


def frames(data):
    """Of counted messages those that are whole."""
    found, at = [], 0
    while (space := data.find(b" ", at)) > 0 and len(data) >= space + 1 + int(data[at:space]):
        at = space + 1 + int(data[at:space])
        found.append(data[space + 1:at].decode())
    return found


@pytest.fixture
def peer():
    peers = []

    def make(*arguments, **more):
        peers.append(Peer(*arguments, **more))
        return peers[-1]

    yield make
    for p in peers:
        p.close()


def to(peer, transport="tcp", more=""):
    return f"host: localhost, port: {peer.port}, transport: {transport}, format: original{more}"


def told(messages):
    return {json.loads(m[m.index('"] ') + 3:])["message"] for m in messages}


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "tcp"])
def test_what_a_receivers_machine_took_and_its_program_never_read_is_sent_again(deliver, peer, certificates, secure):
    def serve(connection, number):
        receiver.read(connection, number, 20_000 if number < 3 else 1 << 60)
        if number < 3:   # all is there, the sender's end included; then it ends with the rest unread
            wait_for(lambda: connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE_WAIT)
    receiver = peer(serve, certificates.localhost if secure else None)
    lines = [f"line {n} {'z' * 200}" for n in range(120)]
    run = deliver(to(receiver, "tls", f', ca_file: "{certificates.ca}"') if secure else to(receiver), lines)
    ended(run)
    assert told(receiver.messages()) == set(lines) and len(receiver.payload) > 3
    ids = {}
    for m in receiver.messages():
        ids.setdefault(told([m]).pop(), set()).add(m.split('event_id="')[1][:32])
    assert {len(i) for i in ids.values()} == {1}


def test_an_end_that_is_not_said_in_tls_proves_nothing(deliver, peer, certificates):
    """Whoever is on the way can acknowledge what he does not pass on, and end the connection."""
    receiver = peer(certificate=certificates.localhost)
    receiver.mute = 2
    run = deliver(to(receiver, "tls", f', ca_file: "{certificates.ca}"'), ["one"])
    ended(run)
    assert [told(frames(payload)) for payload in receiver.payload] == [{"one"}] * 3
    assert run.logged("without a word of TLS")


def test_a_reset_in_the_middle_loses_nothing(deliver, peer):
    def serve(connection, number):
        receiver.read(connection, number, 30_000 if number < 2 else 1 << 60)
        if number < 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    receiver = peer(serve)
    lines = [f"line {n} {'z' * 200}" for n in range(2000)]
    run = deliver(to(receiver), lines)
    ended(run)
    assert told(receiver.messages()) == set(lines)


def test_a_connection_may_stay_when_the_acknowledgement_of_tcp_is_enough(deliver, peer):
    receiver = peer()
    run = deliver(to(receiver, more=", confirm: tcp"), ["one"], end=False)
    wait_for(lambda: told(receiver.messages()) == {"one"})
    feed(run, ["two"])
    wait_for(lambda: told(receiver.messages()) == {"one", "two"})
    feed(run, ["three"])
    run.process.stdin.close()
    ended(run)
    assert told(receiver.messages()) == {"one", "two", "three"} and len(receiver.payload) == 1


def test_an_end_of_the_connection_is_noticed_before_the_next_record_is_written(deliver, peer):
    def serve(connection, number):
        receiver.read(connection, number, 1)
        connection.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            receiver.read(connection, number)   # and ends the connection when nothing comes
        connection.close()
        gone.append(number)
    gone = []
    receiver = peer(serve)
    run = deliver(to(receiver, more=", confirm: tcp"), ["one"], end=False)
    wait_for(lambda: gone == [0])
    feed(run, ["two"])
    run.process.stdin.close()
    ended(run)
    assert told(frames(receiver.payload[0])) == {"one"} and told(frames(receiver.payload[1])) == {"two"}
    assert not run.logged('"part":"siem"')


def test_a_receiver_that_never_ends_a_connection_is_told_of(deliver, peer):
    def serve(connection, number):
        receiver.read(connection, number)
        over.wait(180)
    over = threading.Event()
    receiver = peer(serve)
    run = deliver(to(receiver, more=", timeout: 300ms"), ["one"])
    wait_for(lambda: run.logged("did not end the connection"))
    over.set()
    ended(run)


def test_what_waits_for_a_receiver_that_is_not_there_survives_a_stop(deliver, peer):
    receiver, nobody = peer(), free_port()
    run = deliver(to(receiver).replace(str(receiver.port), str(nobody)) + "}\nstore: state\n#", ["one", "two"], end=False)
    wait_for(lambda: run.logged("cannot connect to"))
    run.config.write_text(run.config.read_text().replace(f"port: {nobody}", f"port: {receiver.port}"))
    assert run.stop() == 0
    run.start(stdin=subprocess.PIPE)
    wait_for(lambda: told(receiver.messages()) == {"one", "two"})
    assert run.stop() == 0


# --- Receivers that must not get a byte -----------------------------------------------------------------------------------------

def warnings(run):
    return [line["message"] for line in map(json.loads, run.log.read_text().splitlines()) if line["part"] == "siem"]


@pytest.mark.parametrize("name, why", [("self_signed", "self-signed"), ("expired", "expired"), ("wrong_host", "hostname mismatch")])
def test_a_receiver_with_a_bad_certificate_gets_no_byte(deliver, peer, certificates, name, why):
    receiver = peer(certificate=getattr(certificates, name))
    run = deliver(to(receiver, "tls", f', ca_file: "{certificates.ca}"'), [CANARY])
    wait_for(lambda: len(receiver.payload) >= 3)
    run.kill()
    assert set(receiver.payload) == {b""}
    assert len(warnings(run)) == 1 and why in warnings(run)[0] and f"'localhost:{receiver.port}'" in warnings(run)[0]
    assert not run.logged(CANARY)


def test_an_authority_that_is_not_named_is_not_trusted(deliver, peer, certificates):
    receiver = peer(certificate=certificates.localhost)
    run = deliver(to(receiver, "tls"), [CANARY])
    wait_for(lambda: len(receiver.payload) >= 3)
    run.kill()
    assert set(receiver.payload) == {b""} and "unable to get local issuer certificate" in warnings(run)[0]


def test_the_name_in_the_certificate_may_be_another_than_the_hosts(deliver, peer, certificates):
    receiver = peer(certificate=certificates.wrong_host)
    ended(deliver(to(receiver, "tls", f', ca_file: "{certificates.ca}", server_name: elsewhere.example'), ["one"]))
    assert told(receiver.messages()) == {"one"}


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n" + CANARY.encode(), b"", None], ids=["plain text", "hangs up", "silence"])
def test_what_speaks_no_tls_gets_no_byte(deliver, peer, certificates, answer):
    def serve(connection, number):
        receiver.payload[number] += connection.recv(65536)
        if answer is None:
            receiver.read(connection, number)
        else:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            receiver.read(connection, number)
    receiver = peer(serve)
    run = deliver(to(receiver, "tls", f', ca_file: "{certificates.ca}", timeout: 300ms'), [CANARY])
    wait_for(lambda: warnings(run))
    run.kill()
    assert not any(CANARY.encode() in data for data in receiver.payload) and not run.logged(CANARY)
    assert {data[:1] for data in receiver.payload} <= {b"\x16", b""}   # handshakes


def test_a_receiver_that_is_not_there_is_told_of_once_and_waited_for(deliver, peer):
    port = free_port()
    run = deliver(f"host: localhost, port: {port}, transport: tcp, format: original", ["one"])
    wait_for(lambda: warnings(run))
    receiver = peer(port=port)
    ended(run)
    assert told(receiver.messages()) == {"one"}
    assert warnings(run)[0] == f"cannot connect to 'localhost:{port}': Connection refused"
    assert [w.split(" after")[0] for w in warnings(run)[1:]] == ["works again"]


@pytest.mark.parametrize("settings, message", [
    ("host: h, transport: tcp, ca_file: x", "for the transport tls"),
    ("host: h, certificate: x", "belong together"),
    ('host: "a b"', "host: a name or an address"),
    ("host: h, app_name: '%s'" % ("x" * 49), "app_name: at most 48"),
    ("host: h, hostname: 'ä'", "hostname: at most 255"),
    ("host: h, sd_id: lethe", "NAME@NUMBER"),
    ("host: h, transport: udp, max_message: 64K", "a datagram has room for 65507 bytes"),
    ("host: h, format: appinsights", "has the formats flat original ecs ocsf cef"),
])
def test_a_mistake_in_the_settings_is_told(lethe, settings, message):
    (lethe.folder / "lethe.yaml").write_text(f"sources: [{{name: in, type: stdin}}]\nsinks: [{{name: siem, type: syslog, {settings}}}]\n")
    done = lethe.run("check", "-c", "lethe.yaml")
    assert done.returncode == 2 and message in done.stderr.decode()


def test_files_of_tls_that_cannot_be_used_are_named_at_the_start(lethe):
    (lethe.folder / "lethe.yaml").write_text("sources: [{name: in, type: stdin}]\nsinks: [{name: siem, type: syslog, host: h, ca_file: nowhere.pem}]\n")
    done = lethe.run("run", "-c", "lethe.yaml")
    assert done.returncode == 2 and "cannot use 'nowhere.pem' as the authority's certificate" in done.stderr.decode()
