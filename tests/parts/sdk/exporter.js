// npm @azure/monitor-opentelemetry-exporter: the OpenTelemetry SDK as it is, with Azure's exporters. See opentelemetry.js.
"use strict";
const { attempts, hurry } = require("./opentelemetry.js");
hurry(200);
const { SpanKind, SpanStatusCode, diag, DiagLogLevel } = require("@opentelemetry/api");
const { SeverityNumber } = require("@opentelemetry/api-logs");
const { AzureMonitorLogExporter, AzureMonitorMetricExporter, AzureMonitorTraceExporter } =
    require("@azure/monitor-opentelemetry-exporter");
const { BatchLogRecordProcessor, LoggerProvider } = require("@opentelemetry/sdk-logs");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { run, say } = require("./common.js");

const tell = (...words) => say({ diagnostic: words.map(String).join(" ") });
diag.setLogger({ error: tell, warn: tell, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);

const spans = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(new AzureMonitorTraceExporter({ ...attempts }))] });
const records = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter: new AzureMonitorLogExporter({ ...attempts }) })] });
const metrics = new MeterProvider({ readers: [new PeriodicExportingMetricReader({
    exporter: new AzureMonitorMetricExporter({ ...attempts }) })] });
const tracer = spans.getTracer("scenario");
const logger = records.getLogger("scenario");
const meter = metrics.getMeter("scenario");

const span = (name, kind, attributes) => {
    const one = tracer.startSpan(name, { kind, attributes });
    one.setStatus({ code: SpanStatusCode.OK });
    one.end();
};

run({
    RequestData: (t) => span(`POST /score ${t.marker}`, SpanKind.SERVER,
        { ...t.properties, "http.method": "POST", "http.url": t.url, "http.status_code": 200 }),
    RemoteDependencyData: (t) => span(t.marker, SpanKind.CLIENT,
        { ...t.properties, "db.system": "postgresql", "db.statement": t.statement, "peer.service": "db.example" }),
    ExceptionData: (t) => logger.emit({ severityNumber: SeverityNumber.ERROR, body: t.failure, attributes: { ...t.properties,
        "exception.type": "Error", "exception.message": t.failure, "exception.stacktrace": `Error: ${t.failure}\n    at score` } }),
    MessageData: (t) => logger.emit({ severityNumber: SeverityNumber.INFO, body: t.message, attributes: t.properties }),
    EventData: (t) => logger.emit({ body: t.marker, attributes: { ...t.properties, "microsoft.custom_event.name": t.marker } }),
    MetricData: (t) => meter.createHistogram(t.marker).record(1.5, t.properties),
}, () => Promise.all([spans.forceFlush(), records.forceFlush(), metrics.forceFlush()]));
