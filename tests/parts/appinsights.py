"""The ingestion side of Application Insights, played by a Recorder, and envelopes out of what it was sent."""
import json

from recorder import Recorder

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
