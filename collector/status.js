// Asks for status.json every two seconds and shows it. All text from outside is set as text, never as markup.
"use strict";

const EVERY_MS = 2000, SAMPLES = 60, SHOWN_RULES = 25;
const KINDS_OF_BAR = ["redactions", "withheld", "kinds"];
const SVG = "http://www.w3.org/2000/svg";

const $ = (id) => document.getElementById(id);
const cards = new Map();      // by section and name
let before = null;            // the last status, for rates
let heardAt = 0;              // performance.now() of the last answer

// --- Texts ---------------------------------------------------------------------------------------------------------------

const count = (n) => n.toLocaleString("en");

function short(n) {
    const units = ["", "k", "M", "G", "T"];
    let unit = 0;
    while (n >= 999.5 && unit < units.length - 1) { n /= 1000; unit++; }
    return (n >= 100 || (unit === 0 && Number.isInteger(n)) ? n.toFixed(0) : n.toFixed(1)) + (units[unit] ? " " + units[unit] : "");
}

function bytes(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (n >= 1023.5 && unit < units.length - 1) { n /= 1024; unit++; }
    return `${unit === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[unit]}`;
}

function time(ms) {
    const s = ms / 1000;
    if (s < 1) return `${Math.round(ms)} ms`;
    if (s < 100) return `${s < 10 ? s.toFixed(1) : s.toFixed(0)} s`;
    if (s < 6000) return `${Math.floor(s / 60)} min`;
    if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

// "100 %" is all of it, "0 %" nothing.
function share(part, whole) {
    if (whole === 0) return "–";
    if (part === 0 || part === whole) return part === 0 ? "0 %" : "100 %";
    return `${Math.min(99.9, Math.max(.1, 100 * part / whole)).toFixed(1)} %`;
}

// --- Elements ------------------------------------------------------------------------------------------------------------

function make(tag, classes, text) {
    const element = document.createElement(tag);
    if (classes) element.className = classes;
    if (text !== undefined) element.textContent = text;
    return element;
}

// Writes only what has changed, so that a selection stays.
function say(element, text, classes) {
    if (element.textContent !== text) element.textContent = text;
    if (classes !== undefined && element.className !== classes) element.className = classes;
}

// The pairs of a <dl>, made once and then kept. A row is [name, text, class].
function facts(list, rows) {
    rows.forEach(([name, text, classes], i) => {
        let row = list.children[i];
        if (!row) {
            row = make("div");
            row.append(make("dt"), make("dd"));
            list.append(row);
        }
        say(row.firstChild, name);
        say(row.lastChild, text, classes || "");
    });
    while (list.children.length > rows.length) list.lastChild.remove();
}

// Bars of a list, made once and then kept. A row is {name, text, part of 1, help, hot}.
function bars(list, rows) {
    rows.forEach((row, i) => {
        let item = list.children[i];
        if (!item) {
            item = make("li");
            const track = make("div", "track");
            track.append(make("div", "fill"));
            item.append(make("span"), make("span", "count"), track, make("small"));
            list.append(item);
        }
        const [name, number, track, help] = item.children;
        say(name, row.name);
        say(number, row.text);
        say(help, row.help || "");
        help.hidden = !row.help;
        track.firstChild.className = row.hot ? "fill hot" : "fill";
        track.firstChild.style.width = `${Math.min(100, 100 * row.part)}%`;
        track.firstChild.style.visibility = row.part > 0 ? "visible" : "hidden";
    });
    while (list.children.length > rows.length) list.lastChild.remove();
}

function spark() {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "spark");
    svg.setAttribute("viewBox", "0 0 100 30");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const [name, tag] of [["base", "line"], ["area", "path"], ["line", "path"]]) {
        const part = document.createElementNS(SVG, tag);
        part.setAttribute("class", name);
        svg.append(part);
    }
    const base = svg.firstChild;
    for (const [name, value] of [["x1", 0], ["x2", 100], ["y1", 30], ["y2", 30]]) base.setAttribute(name, value);
    return svg;
}

// The newest sample is at the right edge.
function draw(svg, samples) {
    const [, area, line] = svg.children, most = Math.max(...samples, 1), step = 100 / (SAMPLES - 1);
    const points = samples.map((value, i) => `${(100 - (samples.length - 1 - i) * step).toFixed(2)},${(29 - 27 * value / most).toFixed(2)}`);
    line.setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "");
    area.setAttribute("d", points.length > 1 ? `M${points.join("L")}L100,30L${points[0].split(",")[0]},30Z` : "");
}

function card(section, name) {
    const key = `${section} ${name}`;
    if (!cards.has(key)) {
        const c = { box: make("article", "card"), title: make("h3", "", name), kind: make("p", "quiet"), state: make("span", "state"),
            rate: make("span"), said: make("p", "said"), facts: make("dl", "facts"), spark: spark(), samples: [] };
        const top = make("div", "top"), naming = make("div"), flow = make("div", "flow"), rate = make("div", "rate");
        naming.append(c.title, c.kind);
        top.append(naming, c.state);
        rate.append(c.rate, make("small", "", " records/s"));
        flow.append(rate, c.spark);
        c.box.append(top, flow, c.said, c.facts);
        $(section).append(c.box);
        cards.set(key, c);
    }
    return cards.get(key);
}

// --- What is shown -------------------------------------------------------------------------------------------------------

function named(list, name) { return list.find((item) => item.name === name); }

// Per second since the last status; null when there is none.
function rate(now, section, name, field) {
    const seconds = before ? (now.now_ms - before.now_ms) / 1000 : 0, old = before && named(before[section], name);
    return old && seconds > 0 ? Math.max(0, (named(now[section], name)[field] - old[field]) / seconds) : null;
}

function flow(c, perSecond) {
    say(c.rate, perSecond === null ? "–" : short(perSecond));
    if (perSecond !== null) c.samples.push(perSecond);
    if (c.samples.length > SAMPLES) c.samples.shift();
    draw(c.spark, c.samples);
}

function showSource(now, s) {
    const c = card("sources", s.name), perSecond = rate(now, "sources", s.name, "bytes");
    flow(c, rate(now, "sources", s.name, "received"));
    say(c.kind, s.type);
    say(c.state, s.lost_bytes > 0 ? "lost data" : s.errors > 0 ? "had errors" : "well",
        `state ${s.lost_bytes > 0 ? "bad" : s.errors > 0 ? "warn" : "good"}`);
    c.said.hidden = true;
    facts(c.facts, [["received", count(s.received)], ["clean", count(s.clean)], ["redacted", count(s.redacted)],
        ["withheld", count(s.withheld), s.withheld > 0 ? "warn" : ""], ["throughput", perSecond === null ? "–" : `${bytes(perSecond)}/s`],
        ["read", bytes(s.bytes)], ["waiting", s.lag_bytes === null ? "unknown" : bytes(s.lag_bytes)], ["streams", count(s.streams)],
        ["errors", count(s.errors), s.errors > 0 ? "warn" : ""], ["lost", bytes(s.lost_bytes), s.lost_bytes > 0 ? "bad" : ""]]);
}

function sinkState(s) {
    if (s.failing_ms > 0 || s.trouble) return [`failing ${s.failing_ms > 0 ? time(s.failing_ms) : ""}`.trim(), "bad"];
    if (s.missed > 0 || s.rejected > 0) return [s.missed > 0 ? "missed records" : "rejected records", "warn"];
    return ["well", "good"];
}

function showSink(now, s) {
    const c = card("sinks", s.name), [text, class_] = sinkState(s), perSecond = rate(now, "sinks", s.name, "bytes");
    flow(c, rate(now, "sinks", s.name, "delivered"));
    say(c.kind, `${s.type}, ${s.format}, ${s.required ? "required" : "not required"}`);
    say(c.state, text, `state ${class_}`);
    c.box.className = class_ === "bad" ? "card trouble" : "card";
    say(c.said, s.trouble, "said bad");
    c.said.hidden = !s.trouble;
    facts(c.facts, [["delivered", count(s.delivered)], ["rejected", count(s.rejected), s.rejected > 0 ? "warn" : ""],
        ["missed", count(s.missed), s.missed > 0 ? "warn" : ""], ["retries", count(s.retried)],
        ["throughput", perSecond === null ? "–" : `${bytes(perSecond)}/s`], ["sent", bytes(s.bytes)],
        ["behind", bytes(s.lag_bytes)], ["oldest", s.lag_blocks > 0 ? time(s.oldest_ms) : "–"],
        ["mean latency", s.latency_count > 0 ? time(s.latency_sum_ms / s.latency_count) : "–"]]);
}

function showTiles(now) {
    const sum = (field) => now.sources.reduce((total, s) => total + s[field], 0), received = sum("received");
    const rates = now.sources.map((s) => rate(now, "sources", s.name, "received"));
    const perSecond = rates.includes(null) ? "–" : short(rates.reduce((a, b) => a + b, 0));
    facts($("tiles"), [["records/s", perSecond], ["records", count(received)], ["redacted", share(sum("redacted"), received)],
        ["withheld", count(sum("withheld")), sum("withheld") > 0 ? "warn" : ""],
        ["oldest unsettled", now.memory.unsettled > 0 ? time(now.memory.oldest_ms) : "–"], ["up", time(now.now_ms - now.started_ms)]]);
}

function showCounts(now) {
    for (const id of KINDS_OF_BAR) {
        const list = [...now[id]].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)), most = list.length > 0 ? list[0].count : 1;
        const rows = list.slice(0, SHOWN_RULES).map((item) => ({ name: item.name, text: count(item.count), part: item.count / most,
            help: item.help && `the record ${item.help}` }));
        const rest = list.slice(SHOWN_RULES).reduce((total, item) => total + item.count, 0);
        if (rest > 0) rows.push({ name: `${list.length - SHOWN_RULES} others`, text: count(rest), part: rest / most });
        bars($(id), rows);
        $(`${id}-none`).hidden = list.length > 0;
    }
}

function showRoom(now) {
    const m = now.memory, s = now.spool;
    const rows = [{ name: "Blocks in memory", text: `${count(m.blocks)} of ${count(m.limit)}`, part: m.blocks / m.limit, hot: m.blocks === m.limit,
        help: `${count(m.unsettled)} not settled, ${count(m.work_queue)} batches wait for a worker` }];
    if (s) {
        rows.push({ name: "Spool", text: `${bytes(s.bytes)} of ${bytes(s.max_bytes)}`, part: s.max_bytes > 0 ? s.bytes / s.max_bytes : 0, hot: s.full || s.failing,
            help: `${s.failing ? "cannot be written; " : ""}${s.disk_full ? "its disk is full; " : s.full ? "full; " : ""}${count(s.blocks)} blocks, `
                + `${count(s.commits)} commits, ${count(s.full_commits)} without room, ${count(s.failed_commits)} failed, `
                + `${count(s.damaged_blocks)} damaged blocks` });
    }
    bars($("room"), rows);
    say($("spool-note"), s ? "" : "There is no store: what waits for a sink waits in memory.");
    $("spool-note").hidden = Boolean(s);
}

function showState(now) {
    say($("state"), now.ready ? "ready" : "not ready", `state ${now.ready ? "good" : "bad"}`);
    say($("run"), `version ${now.version}, started ${new Date(now.started_ms).toISOString().slice(0, 19).replace("T", " ")} UTC` +
        (now.reloads > 0 ? `, policy taken anew ${now.reloads}×` : ""));
    const list = $("reasons");
    if (list.textContent !== now.reasons.join("")) list.replaceChildren(...now.reasons.map((text) => make("li", "", text)));
    list.hidden = now.reasons.length === 0;
}

// Another run began: nothing of the old one is comparable.
function forget() {
    before = null;
    cards.clear();
    $("sources").replaceChildren();
    $("sinks").replaceChildren();
}

function show(now) {
    if (before && before.started_ms !== now.started_ms) forget();
    showState(now);
    showTiles(now);
    now.sources.forEach((s) => showSource(now, s));
    now.sinks.forEach((s) => showSink(now, s));
    showCounts(now);
    showRoom(now);
    $("main").hidden = false;
    before = now;
}

function showSilence() {
    say($("state"), heardAt > 0 ? `no answer for ${time(performance.now() - heardAt)}` : "no answer", "state bad");
}

async function poll() {
    try {
        const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(5000) });
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        show(await answer.json());
        heardAt = performance.now();
    } catch (error) {
        showSilence();
    }
    setTimeout(poll, EVERY_MS);
}

poll();
