"""Receivers of the OpenTelemetry Collector, syslog and kafka: readers of another make of what the sinks send."""
import contextlib
import json
import pathlib

from running import INSTALLED, Server, is_listening, needed, wait_until


class Otelcol:
    """`receivers`: their settings by name, as their documentation has them. `ports`: those that must be listened to before it
    counts as started."""

    def __init__(self, folder, receivers, ports=()):
        program = needed(INSTALLED / "otelcol/otelcol", "otelcol")
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.received = folder / "received.jsonl"
        settings = folder / "otelcol.yaml"
        settings.write_text(json.dumps({"receivers": receivers, "file": str(self.received)}, default=str))
        self.server = Server([program, settings], folder / "otelcol.log", lambda: all(map(is_listening, ports)))

    @contextlib.contextmanager
    def running(self):
        self.server.start()
        try:
            yield self
        finally:
            self.server.stop()

    def records(self):
        """What was understood so far, in the order of writing: dicts of body, severity (a number of OpenTelemetry), time (ns),
        attributes."""
        if not self.received.exists():
            return []
        return [_record(r) for line in self.received.read_bytes().split(b"\n")[:-1] for resource in json.loads(line)["resourceLogs"]
                for scope in resource["scopeLogs"] for r in scope["logRecords"]]

    def wait(self, count):
        """Returns the records as soon as there are so many."""
        wait_until(lambda: len(self.records()) >= count, f"{count} records")
        return self.records()


def _value(value):
    """An OTLP AnyValue without its type."""
    kind, inner = next(iter(value.items()), (None, None))
    if kind == "kvlistValue":
        return {pair["key"]: _value(pair["value"]) for pair in inner.get("values", [])}
    if kind == "arrayValue":
        return [_value(v) for v in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


def _record(r):
    return {"body": _value(r.get("body", {})), "severity": r.get("severityNumber", 0), "time": int(r.get("timeUnixNano", 0)),
            "attributes": {pair["key"]: _value(pair["value"]) for pair in r.get("attributes", [])}}
