// The classic SDK, npm applicationinsights 2.x.
//
// Posts to {IngestionEndpoint}/v2.1/track, application/x-json-stream, always gzip; plain http is honoured. Any answer's body is
// ignored but for 206, 401, 403, 408, 429, 500, 502, 503, 504: there the envelopes that `errors` names with 429, 500 or 503 are
// kept, or all when the body is not the service's JSON. Kept on disk ({tmp}/appInsights-node{iKey}/{ms}.ai.json, two batches of
// one millisecond overwrite each other) only after setUseDiskRetryCaching(true, ms between resends; else 60000). One file is
// resent so long after each 200; Retry-After is not looked at. Time-out of a request: 20 s. Live metrics, off unless asked for,
// go to https://{LiveEndpoint's host}/QuickPulseService.svc/ping and post. Statsbeat posts to Microsoft's own endpoint unless
// APPLICATION_INSIGHTS_NO_STATSBEAT is set.
"use strict";
const insights = require("applicationinsights-2");
const { options, run } = require("./common.js");

insights.setup()
    .setAutoCollectRequests(false).setAutoCollectDependencies(false).setAutoCollectExceptions(false)
    .setAutoCollectPerformance(false, false).setAutoCollectConsole(false).setAutoCollectPreAggregatedMetrics(false)
    .setInternalLogging(false, true).setUseDiskRetryCaching(true, 200).setSendLiveMetrics(options.live)
    .start();
const client = insights.defaultClient;

run({
    RequestData: (t) => client.trackRequest({ name: `POST /score ${t.marker}`, url: t.url, duration: 37, resultCode: "200",
        success: true, properties: t.properties }),
    RemoteDependencyData: (t) => client.trackDependency({ name: t.marker, data: t.statement, target: "db.example", duration: 5,
        resultCode: "0", success: true, dependencyTypeName: "postgresql", properties: t.properties }),
    ExceptionData: (t) => client.trackException({ exception: new Error(t.failure), properties: t.properties }),
    MessageData: (t) => client.trackTrace({ message: t.message, properties: t.properties }),
    EventData: (t) => client.trackEvent({ name: t.marker, properties: t.properties, measurements: { rows: 3 } }),
    MetricData: (t) => client.trackMetric({ name: t.marker, value: 1.5, properties: t.properties }),
    PageViewData: (t) => client.trackPageView({ id: t.marker, name: t.marker, url: t.url, properties: t.properties }),
    AvailabilityData: (t) => client.trackAvailability({ id: t.marker, name: t.marker, duration: 12, success: true,
        runLocation: "here", message: t.message, properties: t.properties }),
}, () => new Promise((resolve) => client.flush({ callback: resolve })));
