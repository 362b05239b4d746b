"""An HTTP server that writes down what it is sent and answers as it is told: the stand-in for any service that takes
telemetry over HTTP (Application Insights, Splunk, Elasticsearch, webhooks).

    recorder.answers.append((503, {"Retry-After": "1"}, b""))   # for the next request; then the usual answer again
    recorder.answers.append(HANG_UP)                            # closes the connection without an answer
    recorder.answers.append(CUT(200, {}, b"{}"))                # closes it in the middle of this answer
    recorder.answers.append(lambda request: (200, {}, b"{}"))   # computed; may block, each request has a thread of its own
    recorder.answer = lambda request: ...                       # the usual answer from now on

Scripted answers are used up only by requests that match `recorder.scripted_for`, a path's beginning; "" means all."""
import collections
import contextlib
import gzip
import http.server
import json
import socket
import ssl
import threading
import time
import zlib

from running import PATIENCE, free_port

HANG_UP = None


class CUT(tuple):
    """An answer that ends too early."""

    def __new__(cls, status, headers, body):
        return super().__new__(cls, (status, headers, body))


class Request:
    """`raw` is the body as it came over the wire, `body` without Content-Encoding; `headers[name]` ignores case."""

    def __init__(self, method, target, headers, raw):
        self.at = time.monotonic()
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.raw = raw
        self.body = unpacked(raw, headers.get("Content-Encoding", ""))
        self.status = None   # of the answer; None for none
        self.paused_at = None  # when it was answered with a pause asked for

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.method} {self.path} {len(self.body)} bytes -> {self.status}>"


def unpacked(raw, encoding):
    if encoding == "gzip":
        return gzip.decompress(raw)
    if encoding == "deflate":
        return zlib.decompress(raw)
    return raw


def ok(_):
    return 200, {"Content-Type": "application/json"}, b"{}"


class Recorder:
    """certificate: the pair (certificate, key) makes it a TLS server. client_ca: clients need a certificate of this authority."""

    def __init__(self, answer=ok, certificate=None, client_ca=None):
        self.answer = answer
        self.answers = collections.deque()
        self.scripted_for = ""
        self.requests = []
        self.port = free_port()
        self.scheme = "https" if certificate else "http"
        self._tls = _tls_context(certificate, client_ca) if certificate else None
        self._lock = threading.Lock()
        self._server = None
        self._thread = None

    @property
    def url(self):
        return f"{self.scheme}://{'localhost' if self._tls else '127.0.0.1'}:{self.port}"

    def start(self):
        self._server = _Server(("127.0.0.1", self.port), _handler_of(self), self._tls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self):
        """Nobody listens any more, and open connections are cut. The requests are kept; start() comes back to the port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._thread.join()
            self._server = None

    @contextlib.contextmanager
    def stopped(self):
        self.stop()
        try:
            yield
        finally:
            self.start()

    def to(self, path):
        """The requests so far whose path begins so."""
        with self._lock:
            return [request for request in self.requests if request.path.startswith(path)]

    def wait(self, condition, what="requests", patience=PATIENCE):
        """Until condition(recorder) holds; a number waits for so many requests."""
        wanted = condition if callable(condition) else lambda recorder: len(recorder.requests) >= condition
        deadline = time.monotonic() + patience
        while not wanted(self):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"waited {patience} s in vain for {what}; seen: {self.requests[-20:]}")
            time.sleep(0.02)

    def _take(self, request):
        """Notes the request and says how to answer it."""
        with self._lock:
            self.requests.append(request)
            scripted = self.answers and request.path.startswith(self.scripted_for)
            answer = self.answers.popleft() if scripted else self.answer
        return answer(request) if callable(answer) else answer


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, handler, tls):
        self.tls = tls
        self.connections = set()
        super().__init__(address, handler)

    def finish_request(self, request, client_address):
        """In the connection's own thread, so that a slow handshake holds up nobody else."""
        self.connections.add(request)
        try:
            if self.tls:
                with self.tls.wrap_socket(request, server_side=True) as wrapped:
                    self.connections.add(wrapped)
                    super().finish_request(wrapped, client_address)
                    self.connections.discard(wrapped)
            else:
                super().finish_request(request, client_address)
        finally:
            self.connections.discard(request)

    def cut(self):
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Clients that go away or refuse the certificate are what tests are about."""


def _tls_context(certificate, client_ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(client_ca))
    return context


def _handler_of(recorder):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self):
            request = Request(self.command, self.path, self.headers, self._read_body())
            answer = recorder._take(request)
            if answer is HANG_UP:
                self.close_connection = True
                return
            request.status, headers, body = answer
            request.paused_at = time.monotonic() if "Retry-After" in headers else None
            self.send_response(request.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + isinstance(answer, CUT)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = self.close_connection or isinstance(answer, CUT)

        def _read_body(self):
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                return b"".join(iter(self._read_chunk, b""))
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _read_chunk(self):
            chunk = self.rfile.read(int(self.rfile.readline().split(b";")[0], 16))
            self.rfile.readline()
            return chunk

        def log_message(self, *_):
            pass

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _serve

    return Handler
