"""Application Insights from both sides: the ingestion service, played by a Recorder, and the official clients."""
import json
import os
import pathlib
import subprocess
import threading

from recorder import Recorder
from running import INSTALLED, PATIENCE, needed, wait_until

SDK = pathlib.Path(__file__).resolve().parent / "sdk"
QUIET = {"APPLICATION_INSIGHTS_NO_STATSBEAT": "1", "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
         "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true", "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true"}   # no calls home
KEY = "00000000-1e7e-4a57-8a5e-feedfacecafe"   # invented


def envelopes(body):
    """One array, or objects one a line, or a single object."""
    text = body.decode("utf-8").strip()
    if text.startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def accept(request):
    """What the service says when it takes everything."""
    if not request.path.rstrip("/").endswith("/track"):
        return 200, {"Content-Type": "application/json"}, b"{}"
    count = len(envelopes(request.body))
    return answer_of(200, count, [])


def answer_of(status, received, errors, **headers):
    """errors: (index, status, message) of each envelope that was not taken."""
    body = {"itemsReceived": received, "itemsAccepted": received - len(errors),
            "errors": [{"index": index, "statusCode": code, "message": message} for index, code, message in errors]}
    return status, {"Content-Type": "application/json; charset=utf-8", **headers}, json.dumps(body).encode()


def try_later(status=503, **headers):
    """An answer for the recorder: nothing was taken. Every client keeps all items only if each one is named: the classic one and
    those for JavaScript keep what `errors` names, that for Python keeps all of a 429, 500 or 503 whatever the body says."""
    def answer(request):
        count = len(envelopes(request.body))
        return answer_of(status, count, [(index, status, "later") for index in range(count)], **headers)
    return answer


class Ingestion(Recorder):
    """`received` are the envelopes of all requests that were answered with 200."""

    def __init__(self, certificate=None):
        super().__init__(accept, certificate)
        self.scripted_for = "/v2"

    @property
    def connection_string(self):
        return connection_string(self.url)

    @property
    def received(self):
        return [envelope for request in self.to("/v2") if request.status == 200 for envelope in envelopes(request.body)]


def connection_string(url, key=KEY):
    """No trailing semicolon, which one of the clients takes for a broken string. Live metrics go to the same address."""
    return f"InstrumentationKey={key};IngestionEndpoint={url}/;LiveEndpoint={url}/"


# --- The official clients ----------------------------------------------------------------------------------------------

PLANTED = json.loads((SDK / "planted.json").read_text())   # the invented secrets that every client puts into every item
EVERYWHERE = {"RequestData", "RemoteDependencyData", "ExceptionData", "MessageData", "EventData", "MetricData"}
ALL = EVERYWHERE | {"PageViewData", "AvailabilityData"}


class Client:
    """One SDK as a program. `types` are the kinds of telemetry it sends in each round."""

    def __init__(self, name, script, types, tls_only=False):
        self.name = name
        self.script = SDK / script
        self.types = types
        self.tls_only = tls_only   # it makes every endpoint https

    def start(self, connection_string, folder, ca=None, **options):
        """options as in sdk/common.js. `folder` holds what it could not deliver; a later start with it delivers that."""
        if self.script.suffix == ".py":
            needed(INSTALLED / "venv", "Python telemetry client")
            command = [INSTALLED / "venv/bin/python", self.script]
        else:
            needed(INSTALLED / "node/node_modules", "telemetry clients from npm")
            command = ["node", self.script]
        kept = pathlib.Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **QUIET, "APPLICATIONINSIGHTS_CONNECTION_STRING": connection_string, "TMPDIR": str(kept),
                       "NODE_PATH": str(INSTALLED / "node/node_modules")}
        if ca:
            environment |= {"NODE_EXTRA_CA_CERTS": str(ca), "REQUESTS_CA_BUNDLE": str(ca)}
        log = kept / "stderr.log"
        with open(log, "wb") as errors:
            return Run(subprocess.Popen([*map(str, command), json.dumps(options)], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=errors, cwd=kept), log)

    def run(self, connection_string, folder, **options):
        return self.start(connection_string, folder, **options).wait()


class Run:
    """A client at work. After wait(): `sent` maps each item's marker to its baseType, `left` counts files not delivered."""

    def __init__(self, process, log):
        self.process = process
        self.log = log   # what it wrote to standard error; `errors` after wait()
        self.sent, self.diagnostics = {}, []
        self.left = self.status = None
        self.errors = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "sent" in said:
                self.sent[said["sent"]] = said["type"]
            self.diagnostics += [said["diagnostic"]] if "diagnostic" in said else []
            self.left = said.get("left", self.left)

    def says(self, marker):
        """Waits until the item was given to the SDK."""
        wait_until(lambda: marker in self.sent or self.process.poll() is not None, marker)

    def wait(self, patience=2 * PATIENCE):
        try:
            self.status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise TimeoutError(f"the client did not end; it complained of {self.diagnostics[-5:]}") from None
        finally:
            self._reader.join()
            self.errors = self.log.read_text(errors="replace")
        return self


CLIENTS = [
    Client("applicationinsights 2", "applicationinsights2.js", ALL),
    Client("applicationinsights 3", "applicationinsights3.js", ALL, tls_only=True),
    Client("opentelemetry exporter, JavaScript", "exporter.js", EVERYWHERE, tls_only=True),
    Client("opentelemetry exporter, Python", "exporter.py", EVERYWHERE | {"AvailabilityData"}),
]


def marker_of(envelope):
    """The item that the envelope carries; None for what an SDK sends of its own accord."""
    return envelope["data"]["baseData"].get("properties", {}).get("marker")
