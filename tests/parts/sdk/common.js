// What the JavaScript clients share: their options, what they say on standard output (JSON lines), and the texts they send.
//
// Started with one argument, a JSON object: {"count": rounds, "prefix": text, "every_ms": pause after each round,
// "patience_s": how long to go on until nothing is left on disk, "until": a file that has to be there before the end, since what is
// being sent is on no disk, "live": live metrics, too}. The connection string comes from
// the environment, as for any program. Says {"sent": marker, "type": baseType} for each item, {"diagnostic": text} for what the
// SDK complains of, and at the end {"left": files not delivered}; exit status 1 when something was left.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const util = require("util");

const options = { count: 1, prefix: "item", every_ms: 0, patience_s: 30, live: false, until: "", ...JSON.parse(process.argv[2] || "{}") };
const planted = JSON.parse(fs.readFileSync(path.join(__dirname, "planted.json"), "utf8"));

const say = (object) => fs.writeSync(1, JSON.stringify(object) + "\n");
for (const level of ["log", "info", "warn", "error", "debug"]) {
    console[level] = (...words) => say({ diagnostic: util.format(...words) });
}

process.on("unhandledRejection", (reason) => say({ diagnostic: util.format(reason) }));   // of failed exports

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Every kind of text that people put secrets into; `marker` says which item it is.
const texts = (marker) => ({
    marker,
    url: `https://scorer.example/score?code=${planted.function_key}&sv=2024-11-04&sr=b&sig=${planted.sas_signature}`,
    message: `${marker}: called with Authorization: Bearer ${planted.token}`,
    failure: `${marker}: login failed, password=${planted.password}`,
    statement: `postgresql://scorer:${planted.password}@db.example:5432/scores`,
    properties: {
        marker,
        storage: `DefaultEndpointsProtocol=https;AccountName=modeldata;AccountKey=${planted.account_key};EndpointSuffix=core.windows.net`,
    },
});

// The files of telemetry that could not be delivered yet. The SDKs keep them below the folder for temporary files.
const left = () => fs.readdirSync(os.tmpdir(), { recursive: true }).filter((name) => String(name).endsWith(".ai.json")).length;

// Whether there are any, also after a while: one that is being sent is on no disk.
async function keeps() {
    const before = left();
    await pause(500);
    return before + left() > 0 || (options.until !== "" && !fs.existsSync(options.until));
}

async function flushed(flush) {
    try {
        await flush();
    } catch (error) {
        say({ diagnostic: util.format(error) });
    }
}

// send: an object of baseType -> function(texts); flush: async. Goes on with single traces until all is delivered, since
// each SDK looks at its files only after a success.
async function run(send, flush) {
    const one = (type, marker) => {
        send[type](texts(marker));
        say({ sent: marker, type });
    };
    for (let round = 0; round < options.count; round++) {
        for (const type of Object.keys(send)) {
            one(type, `${options.prefix}-${round}-${type}`);
        }
        await flushed(flush);
        await pause(options.every_ms);
    }
    const deadline = Date.now() + options.patience_s * 1000;
    for (let more = 0; await keeps() && Date.now() < deadline; more++) {
        one("MessageData", `${options.prefix}-more${more}-MessageData`);
        await flushed(flush);
    }
    say({ left: left() });
    process.exit(left() > 0 ? 1 : 0);
}

module.exports = { options, run, say };
