"""The official telemetry clients, as they are, pointed at lethe by their connection string."""
import contextlib
import socket
import ssl
import time

import pytest

from appinsights import CLIENTS, PLANTED, connection_string, marker_of
from conftest import LONG, wait_for
from running import Missing, free_port
from streaming import Run, records

CONFIG = """sources:
  - {{name: sdk, type: http, listen: "127.0.0.1:{port}", max_body: 64K, held_bytes: 64K{tls}}}
sinks:
  - {{name: out, type: file, path: "{folder}/out.jsonl"}}
"""
OF_ITS_OWN = "Failed to derive Resource from Tracer Provider"   # said by the client for Python whatever it speaks with
ABSENCE_S = 30 if LONG else 0
ROUNDS = 4 + 2 * ABSENCE_S


class Lethe(Run):
    """A run that takes telemetry, over TLS where the clients want it."""

    def __init__(self, folder, certificates, tls):
        self.port = free_port()
        self.ca = certificates.ca
        certificate, key = certificates.localhost
        super().__init__(folder, CONFIG.format(port=self.port, folder=folder, tls=f', certificate: "{certificate}", key: "{key}"' if tls else ""))
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self.out = folder / "out.jsonl"

    def client(self, client, folder, prefix="p", **options):
        """The client at work."""
        try:
            return client.start(connection_string(self.url), folder, ca=self.ca, prefix=prefix, **options)
        except Missing as missing:
            pytest.skip(str(missing))

    @contextlib.contextmanager
    def waiting(self):
        """A request that takes all the room for bodies until it is answered."""
        trust = ssl.create_default_context(cafile=self.ca)
        with trust.wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname="localhost") as stream:
            stream.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536)
            yield

    def delivered(self):
        """Marker -> baseType of what arrived; what an SDK adds of its own accord has no marker."""
        return {marker_of(e): e["data"]["baseType"] for e in records(self.out) if "data" in e and marker_of(e)}


def kept(folder):
    """Files of telemetry that a client could not deliver."""
    return [path for path in folder.rglob("*") if path.is_file() and (path.name.endswith(".ai.json") or "kept" in path.parts)]


def said_in(folder):
    """All that is kept there, as text."""
    text = ""
    for path in kept(folder):
        try:
            text += path.read_text()
        except FileNotFoundError:   # it is being sent
            pass
    return text


def is_whole(lethe, run):
    assert (run.status, run.left) == (0, 0), (run.diagnostics, run.errors)
    assert lethe.delivered() == run.sent


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_type_arrives_redacted_and_the_client_has_nothing_to_complain_of(client, certificates, tmp_path):
    with Lethe(tmp_path, certificates, client.tls_only) as lethe:
        run = lethe.client(client, tmp_path / "client", count=2, live=True).wait()   # live metrics, which are refused, are as if switched off
        assert lethe.stop() == 0
    is_whole(lethe, run)
    assert set(run.sent.values()) == client.types and len(run.sent) == 2 * len(client.types)
    assert ([said for said in run.diagnostics if not said.startswith(OF_ITS_OWN)], run.errors) == ([], "")
    assert [name for name, secret in PLANTED.items() if secret.encode() in lethe.out.read_bytes()] == []
    assert b"[redacted:" in lethe.out.read_bytes()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_what_a_client_could_not_deliver_while_lethe_was_away_comes_later(client, certificates, tmp_path):
    with Lethe(tmp_path, certificates, client.tls_only) as lethe:
        run = lethe.client(client, tmp_path / "client", count=ROUNDS, every_ms=300, patience_s=600)
        run.says(f"p-0-{min(client.types)}")
        lethe.kill()
        gone = time.monotonic()
        wait_for(lambda: kept(tmp_path / "client") and time.monotonic() - gone >= ABSENCE_S)
        lethe.start()
        run.wait(120 + 20 * ABSENCE_S)
        assert lethe.stop() == 0
    is_whole(lethe, run)


def test_who_is_sent_away_keeps_everything_and_comes_again(certificates, tmp_path):
    """The sink cannot be written and there is no store: one request waits for it and takes all the room for bodies, so that
    every client is answered 503."""
    lethe = Lethe(tmp_path, certificates, tls=True)
    lethe.out.mkdir()
    with lethe, lethe.waiting():
        folders = [tmp_path / f"client{number}" for number in range(len(CLIENTS))]
        runs = [lethe.client(client, folder, count=1, patience_s=120, prefix=folder.name, until=str(tmp_path / "end")) for client, folder in zip(CLIENTS, folders)]
        expected = {f"{folder.name}-0-{type_}": type_ for client, folder in zip(CLIENTS, folders) for type_ in client.types}
        for folder, client in zip(folders, CLIENTS):
            wait_for(lambda: all(f'"{folder.name}-0-{type_}"' in said_in(folder) for type_ in client.types))
        lethe.out.rmdir()
        wait_for(lambda: expected.keys() <= lethe.delivered().keys())
        (tmp_path / "end").touch()
        for run in runs:
            run.wait()
        assert lethe.stop() == 0
    assert [(run.status, run.left) for run in runs] == [(0, 0)] * len(CLIENTS), [(run.diagnostics, run.errors) for run in runs]
    assert expected.items() <= lethe.delivered().items()
