// screenshot.js URL PICTURE WIDTH HEIGHT SCHEME: opens the page in Chromium, waits until it is quiet, takes a picture of all of it.
// Says as one JSON object what a person would see or a careful operator would mind: the title, the text, errors of scripts and
// of the console, requests that failed, requests to other hosts.
"use strict";
const { chromium } = require("playwright-core");

const [url, picture, width, height, scheme] = process.argv.slice(2);
const own = new URL(url).origin;

// Chromium's own services are out of reach of a test and none of its business.
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

async function main() {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: flags });
    const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, colorScheme: scheme,
        ignoreHTTPSErrors: true });
    const seen = { errors: [], failed: [], foreign: [] };
    page.on("pageerror", (error) => seen.errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
    page.on("requestfailed", (request) => seen.failed.push(request.url()));
    page.on("response", (response) => response.status() >= 400 && seen.failed.push(`${response.status()} ${response.url()}`));
    page.on("request", (request) => {
        const target = new URL(request.url());
        if (target.protocol !== "data:" && target.origin !== own) {
            seen.foreign.push(request.url());
        }
    });
    await page.goto(url, { waitUntil: "load", timeout: 30000 });
    await page.waitForLoadState("networkidle", { timeout: 5000 }).catch(() => {});   // a page that polls is never quiet
    await page.screenshot({ path: picture, fullPage: true });
    const contentWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    process.stdout.write(JSON.stringify({ ...seen, title: await page.title(), text: await page.innerText("body"),
        html: await page.content(), overflows: contentWidth > Number(width) }));
    await browser.close();
}

main().catch((error) => {
    process.stderr.write(`${error}\n`);
    process.exit(1);
});
