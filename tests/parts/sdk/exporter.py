"""PyPI azure-monitor-opentelemetry-exporter: the OpenTelemetry SDK for Python with Azure's exporters. Options and output as in
common.js.

Posts to {IngestionEndpoint}/v2.1/track, application/json, one array, not packed; plain http is honoured (not together with
Entra tokens). Refused connections and 5xx are tried again within the request (retry_total and so on, azure-core's defaults:
up to 10 times, 0.8 s doubled), then kept on disk below {tmp}/Microsoft-AzureMonitor-{hash}/opentelemetry-python-{iKey}/
(storage_directory) as {time}.blob, leased for 60 s (storage_min_retry_interval) or Retry-After. Kept: all of 401, 403, 408, 429,
500, 502, 503, 504; of a 206 what `errors` names with such a status. 402 and 439 are dropped. After each 200 up to 10 files whose
lease is over are sent. 307 and 308 are followed only within Microsoft's domains. Switches: APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL,
APPLICATIONINSIGHTS_SDKSTATS_DISABLED, APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED (settings fetched from Microsoft)."""
import json
import logging
import pathlib
import sys
import tempfile
import time

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter, AzureMonitorMetricExporter, AzureMonitorTraceExporter

OPTIONS = {"count": 1, "prefix": "item", "every_ms": 0, "patience_s": 30, "live": False, "until": "", **json.loads(sys.argv[1])}
PLANTED = json.loads((pathlib.Path(__file__).parent / "planted.json").read_text())
STORAGE = pathlib.Path(tempfile.gettempdir()) / "kept"


def say(**what):
    print(json.dumps(what), flush=True)


class Diagnostics(logging.Handler):
    def emit(self, record):
        say(diagnostic=record.getMessage())


class Texts:
    def __init__(self, marker):
        self.marker = marker
        self.url = (f"https://scorer.example/score?code={PLANTED['function_key']}&sv=2024-11-04&sr=b"
                    f"&sig={PLANTED['sas_signature']}")
        self.message = f"{marker}: called with Authorization: Bearer {PLANTED['token']}"
        self.failure = f"{marker}: login failed, password={PLANTED['password']}"
        self.statement = f"postgresql://scorer:{PLANTED['password']}@db.example:5432/scores"
        self.properties = {"marker": marker, "storage": "DefaultEndpointsProtocol=https;AccountName=modeldata;"
                           f"AccountKey={PLANTED['account_key']};EndpointSuffix=core.windows.net"}


def exporter(kind):
    return kind(storage_directory=str(STORAGE / kind.__name__), storage_min_retry_interval=1, retry_total=1,
                retry_backoff_factor=0.05)


class Client:
    def __init__(self):
        self.spans, self.records = TracerProvider(), LoggerProvider()
        self.spans.add_span_processor(BatchSpanProcessor(exporter(AzureMonitorTraceExporter)))
        self.records.add_log_record_processor(BatchLogRecordProcessor(exporter(AzureMonitorLogExporter)))
        self.metrics = MeterProvider([PeriodicExportingMetricReader(exporter(AzureMonitorMetricExporter))])
        self.tracer = self.spans.get_tracer("scenario")
        self.logger = self.records.get_logger("scenario")
        self.meter = self.metrics.get_meter("scenario")

    def request(self, texts):
        self.tracer.start_span(f"POST /score {texts.marker}", kind=SpanKind.SERVER, attributes={
            **texts.properties, "http.method": "POST", "http.url": texts.url, "http.status_code": 200}).end()

    def dependency(self, texts):
        self.tracer.start_span(texts.marker, kind=SpanKind.CLIENT, attributes={
            **texts.properties, "db.system": "postgresql", "db.statement": texts.statement, "peer.service": "db.example"}).end()

    def exception(self, texts):
        self._log(SeverityNumber.ERROR, texts.failure, {**texts.properties, "exception.type": "ValueError",
                  "exception.message": texts.failure, "exception.stacktrace": f"ValueError: {texts.failure}\n  at score"})

    def message(self, texts):
        self._log(SeverityNumber.INFO, texts.message, texts.properties)

    def event(self, texts):
        self._log(SeverityNumber.INFO, texts.marker, {**texts.properties, "microsoft.custom_event.name": texts.marker})

    def availability(self, texts):
        self._log(SeverityNumber.INFO, texts.marker, {
            **texts.properties, "microsoft.availability.id": texts.marker, "microsoft.availability.name": texts.marker,
            "microsoft.availability.duration": "00:00:00.012", "microsoft.availability.success": True,
            "microsoft.availability.runLocation": "here", "microsoft.availability.message": texts.message})

    def metric(self, texts):
        self.meter.create_histogram(texts.marker).record(1.5, texts.properties)

    def _log(self, severity, body, attributes):
        self.logger.emit(timestamp=time.time_ns(), severity_number=severity, body=body, attributes=attributes)

    def flush(self):
        for provider in (self.spans, self.records, self.metrics):
            provider.force_flush()


def left():
    return sum(1 for path in STORAGE.rglob("*") if path.is_file())


def keeps():
    return left() > 0 or (OPTIONS["until"] and not pathlib.Path(OPTIONS["until"]).exists())


def main():
    logging.getLogger().addHandler(Diagnostics(logging.WARNING))
    client = Client()
    kinds = {"RequestData": client.request, "RemoteDependencyData": client.dependency, "ExceptionData": client.exception,
             "MessageData": client.message, "EventData": client.event, "AvailabilityData": client.availability,
             "MetricData": client.metric}

    def send(kind, marker):
        kinds[kind](Texts(marker))
        say(sent=marker, type=kind)

    for number in range(OPTIONS["count"]):
        for kind in kinds:
            send(kind, f"{OPTIONS['prefix']}-{number}-{kind}")
        client.flush()
        time.sleep(OPTIONS["every_ms"] / 1000)
    deadline, more = time.monotonic() + OPTIONS["patience_s"], 0
    while keeps() and time.monotonic() < deadline:
        time.sleep(0.5)
        for kind in ("RequestData", "MessageData", "MetricData"):   # each exporter has a folder of its own
            send(kind, f"{OPTIONS['prefix']}-more{more}-{kind}")
        client.flush()
        more += 1
    say(left=left())
    return 1 if left() else 0


sys.exit(main())
