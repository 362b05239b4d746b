// What both OpenTelemetry clients in JavaScript do. They post to {IngestionEndpoint}/v2.1/track, application/json, one array,
// not packed; http:// in a connection string is made https://, so that the receiver must speak TLS (NODE_EXTRA_CA_CERTS names
// an authority of one's own), and a connection string with a trailing semicolon is thrown away. The HTTP pipeline tries a
// refused connection or a 5xx again by itself (retryOptions). Then telemetry is kept on disk, below
// {tmp}/Microsoft-AzureMonitor-{hash}/opentelemetry-nodejs-{iKey}/: all of it after a connection that failed; after 206, 401,
// 403, 408, 429, 439, 500, 502, 503, 504 what the answer's `errors` names with such a status. An answer to these that is not
// the service's JSON, or names nothing, loses it. One file is resent Retry-After or 60 s after each 200 or retriable answer, all
// of them when the program starts. 307 and 308 are followed, to https. Exporters of one program share the files without a
// lock: the same telemetry may come twice. Statsbeat and statistics for the customer are switched off by
// APPLICATION_INSIGHTS_NO_STATSBEAT and APPLICATIONINSIGHTS_SDKSTATS_DISABLED.
"use strict";
const path = require("path");

// Resends after so many milliseconds. No option says this, so it is set where the SDK decides it.
function hurry(ms) {
    const entry = require.resolve("@azure/monitor-opentelemetry-exporter");
    require(entry);   // first: its modules need one another in a circle
    const { BaseSender } = require(path.join(path.dirname(entry), "platform/nodejs/baseSender.js"));
    const original = BaseSender.prototype.scheduleRetryTimer;
    BaseSender.prototype.scheduleRetryTimer = function (retryAfterMs) {
        return original.call(this, retryAfterMs ?? ms);
    };
}

// Of the HTTP pipeline's own three attempts: one second is long.
const attempts = { retryOptions: { maxRetries: 1, retryDelayInMs: 50, maxRetryDelayInMs: 100 } };

module.exports = { attempts, hurry };
