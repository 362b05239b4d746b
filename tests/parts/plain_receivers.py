"""Receivers that take whatever comes and tell what it was: got() gives pairs of message and event id."""
import contextlib
import json
import socket
import threading

from appinsights import Ingestion
from recorder import HANG_UP, Recorder


class SyslogPeer:
    """Takes connections of a syslog sink and reads them to their end."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                data = bytearray()
                self.connections.append(data)
                threading.Thread(target=self._read, args=(self.listener.accept()[0], data), daemon=True).start()

    def _read(self, connection, data):
        with contextlib.suppress(OSError), connection:
            while piece := connection.recv(65536):
                data += piece

    def got(self):
        """Pairs of message and event id, of whole messages."""
        found = []
        for data in self.connections:
            at = 0
            while (space := data.find(b" ", at)) > 0 and len(data) >= space + 1 + int(data[at:space]):
                text = bytes(data[space + 1:space + 1 + int(data[at:space])]).decode()
                at = space + 1 + int(data[at:space])
                found.append((json.loads(text[text.index('"] ') + 3:])["message"], text.split('event_id="')[1][:32]))
        return found

    def start(self):
        """It listens already."""

    def stop(self):
        self.listener.close()


def is_whole(request):
    return len(request.raw) == int(request.headers.get("Content-Length", -1))


class Webhook(Recorder):
    """JSON objects, one a line."""

    def __init__(self):
        super().__init__(lambda request: (200, {}, b"") if is_whole(request) else HANG_UP)

    def got(self):
        documents = [json.loads(line) for r in self.requests if is_whole(r) for line in r.body.splitlines()]
        return [(d["message"], d["lethe_event_id"]) for d in documents]


class Items(Ingestion):
    """Application Insights."""

    def got(self):
        data = [envelope["data"]["baseData"] for envelope in self.received]
        return [(item["message"], item["properties"]["lethe_event_id"]) for item in data]
