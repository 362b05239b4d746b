"""A storage service of our own on loopback that does what it is told, faults included: blobs, pages of listings, ranges."""
import collections
import http.server
import re
import threading
import time
import urllib.parse
import xml.sax.saxutils

DATE = "Sun, 22 Nov 2026 04:00:00 GMT"

Request = collections.namedtuple("Request", "path headers received")


class Storage:
    """Blobs by name. `faults` are given first, one for each request: a function of the handler that answers in its own way,
    or None for the right answer. `page` is how many blobs a listing holds, `type` what they are, `changed` when they were last
    changed, where it is not DATE."""

    def __init__(self):
        self.blobs, self.etags, self.faults, self.requests, self.page = {}, {}, [], [], 5000
        self.type, self.changed, self.pages = "BlockBlob", {}, {}
        storage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                storage.requests.append(Request(self.path, self.headers, time.monotonic()))
                fault = storage.faults.pop(0) if storage.faults else None
                fault(self) if fault else storage.answer(self)

            do_HEAD = do_POST = do_GET

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def put(self, name, content):
        self.blobs[name] = content
        self.pages.clear()
        self.etags[name] = f'"0x{len(self.etags) + 1:X}{abs(hash(content)):X}"'

    def answer(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        account, container, *name = url.path.lstrip("/").split("/", 2)
        if query.get("comp") == "list":
            key = (query.get("prefix", ""), query.get("marker", ""))
            if key not in self.pages:
                self.pages[key] = self.listing(*key)
            return handler.reply(200, self.pages[key])
        name = urllib.parse.unquote(name[0])
        if name not in self.blobs:
            return handler.reply(404, x_ms_error_code="BlobNotFound")
        if handler.command == "HEAD":
            return handler.reply(200, self.blobs[name], ETag=self.etags[name], x_ms_blob_type=self.type, Last_Modified=DATE)
        if handler.headers.get("If-Match") != self.etags[name]:
            return handler.reply(412, x_ms_error_code="ConditionNotMet")
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers["x-ms-range"]).groups())
        return handler.reply(206, self.blobs[name][first:last + 1], ETag=self.etags[name])

    def listing(self, prefix, marker):
        names = sorted(name for name in self.blobs if name.startswith(prefix) and name > marker)
        shown, more = names[:self.page], len(names) > self.page
        blobs = "".join(
            f"<Blob><Name>{xml.sax.saxutils.escape(name)}</Name><Properties><Last-Modified>{self.changed.get(name, DATE)}</Last-Modified>"
            f"<Etag>{self.etags[name][1:-1]}</Etag><Content-Length>{len(self.blobs[name])}</Content-Length>"
            f"<BlobType>{self.type}</BlobType></Properties></Blob>" for name in shown)
        marker = xml.sax.saxutils.escape(shown[-1]) if more else ""
        return (f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>{blobs}</Blobs>'
                f"<NextMarker>{marker}</NextMarker></EnumerationResults>").encode()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


# --- Answers that break off -------------------------------------------------------------------------------------------------


def cut(handler):
    handler.send_response(206)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"message":"s3cret')
    handler.close_connection = True


def garbage(handler):
    handler.wfile.write(b"s3cret garbage\r\n\r\n")
    handler.close_connection = True


def silence(handler):
    handler.close_connection = True
