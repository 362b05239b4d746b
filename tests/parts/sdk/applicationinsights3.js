// npm applicationinsights 3.x: the classic interface over OpenTelemetry. See opentelemetry.js for what goes over the wire.
// Live metrics are on unless switched off; they go to {LiveEndpoint}/QuickPulseService.svc/ping and post.
"use strict";
const { attempts, hurry } = require("./opentelemetry.js");
hurry(200);
const insights = require("applicationinsights-3");
const { options, run } = require("./common.js");

insights.setup()
    .setAutoCollectRequests(false).setAutoCollectDependencies(false).setAutoCollectExceptions(false)
    .setAutoCollectPerformance(false, false).setAutoCollectConsole(false).setAutoCollectPreAggregatedMetrics(false)
    .setInternalLogging(false, true).setSendLiveMetrics(options.live);
insights.defaultClient.config.azureMonitorOpenTelemetryOptions = {
    tracesPerSecond: 0,   // the default takes five a second and drops the rest
    azureMonitorExporterOptions: { connectionString: process.env.APPLICATIONINSIGHTS_CONNECTION_STRING, ...attempts },
};
insights.start();
const client = insights.defaultClient;

run({
    RequestData: (t) => client.trackRequest({ name: `POST /score ${t.marker}`, url: t.url, duration: 37, resultCode: "200",
        success: true, properties: t.properties }),
    RemoteDependencyData: (t) => client.trackDependency({ name: t.marker, data: t.statement, target: "db.example", duration: 5,
        resultCode: "0", success: true, dependencyTypeName: "postgresql", properties: t.properties }),
    ExceptionData: (t) => client.trackException({ exception: new Error(t.failure), properties: t.properties }),
    MessageData: (t) => client.trackTrace({ message: t.message, properties: t.properties }),
    EventData: (t) => client.trackEvent({ name: t.marker, properties: t.properties }),
    MetricData: (t) => client.trackMetric({ name: t.marker, value: 1.5, properties: t.properties }),
    PageViewData: (t) => client.trackPageView({ id: t.marker, name: t.marker, url: t.url, properties: t.properties }),
    AvailabilityData: (t) => client.trackAvailability({ id: t.marker, name: t.marker, duration: 12, success: true,
        runLocation: "here", message: t.message, properties: t.properties }),
}, () => client.flush());
