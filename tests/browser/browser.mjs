/* What the browser suite stands on: the server under test (the real one, or the mock), a browser, pages that notice
 * whatever should not happen, and small readers of what a page shows.
 *
 *   STAMPMETER_READY_FILE   the ready file of a demo; without it the mock is started
 *   STAMPMETER_NODE_MODULES where playwright-core and axe-core are (or NODE_PATH; default tests/node_modules)
 *   CHROMIUM                the browser (or STAMPMETER_CHROMIUM; default /usr/bin/chromium) */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const MODULES = process.env.STAMPMETER_NODE_MODULES || process.env.NODE_PATH || path.join(ROOT, "tests", "node_modules");
const require = createRequire(path.join(MODULES, "any.js"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const HOUR = 3_600_000;
const WAIT = 20_000;

export async function startSubject() {
  const ready = process.env.STAMPMETER_READY_FILE;
  if (ready) return { ...JSON.parse(readFileSync(ready, "utf8")), close: async () => {} };
  const { startMock } = await import("./mock.mjs");
  return startMock();
}

/** A browser whose pages collect what must not happen: errors on the console, requests to other servers. */
export class Browser {
  static async start(base) {
    const self = new Browser();
    self.base = base;
    self.profile = mkdtempSync(path.join(tmpdir(), "console-"));
    self.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || process.env.STAMPMETER_CHROMIUM || "/usr/bin/chromium",
      args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync"],
      env: { ...process.env, HOME: self.profile },
    });
    return self;
  }

  async close() {
    await this.browser.close();
    rmSync(this.profile, { recursive: true, force: true });
  }

  /** Runs a test on a page in a fresh context, then checks that nothing went wrong behind its back. */
  async page(run, { phone = false, dark = false, expectErrors = false } = {}) {
    const context = await this.browser.newContext({
      viewport: phone ? { width: 375, height: 740 } : { width: 1280, height: 900 },
      colorScheme: dark ? "dark" : "light",
      ignoreHTTPSErrors: true,
      acceptDownloads: true,
      // The console must not care where its reader sits.
      timezoneId: "America/Los_Angeles",
    });
    context.setDefaultTimeout(WAIT);
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack}`));
    page.on("console", (message) => {
      // That nobody is signed in yet is told by a 401, which Chromium writes down as an error.
      const unsigned = message.location().url.endsWith("/v1/session") && message.text().includes("401");
      if (["error", "warning"].includes(message.type()) && !unsigned && !expectErrors) complaints.push(message.text());
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(this.base) && !/^(data|blob):/.test(url)) complaints.push(`request to ${url}`);
    });
    try {
      await run(page);
      assert.deepEqual(complaints, []);
    } catch (error) {
      if (complaints.length > 0) error.message += `\ncomplaints: ${complaints.join("\n")}`;
      throw error;
    } finally {
      await context.close();
    }
  }

  async signIn(page, { username, password }, address = "") {
    await page.goto(`${this.base}/${address}`);
    await page.fill("#username", username);
    await page.fill("#password", password);
    await page.click("button.primary");
    await page.waitForSelector(".sidebar");
  }

  /** Shows an address of the console and waits for what it shows. */
  async show(page, address) {
    await page.goto(`${this.base}/${address}`);
    await settled(page);
  }
}

/** Waits until the Usage page has data (or tells that there is none) and nothing is under way. */
export async function settled(page) {
  await page.waitForSelector('.results[aria-busy="false"]');
  await page.waitForFunction(() => !document.querySelector(".loading"));
}

/** JSON with every number as its text, in the way of web/console/api.js but written apart. */
export function readExact(text) {
  let out = "";
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at, at + 400);
    const string = text[at] === '"' ? /^"(?:[^"\\]|\\[^])*"/.exec(text.slice(at, at + 70_000))[0] : null;
    const number = string ? null : /^-?\d[\d.eE+-]*/.exec(rest)?.[0];
    out += string ?? (number ? `"${number}"` : text[at]);
    at += (string ?? number ?? "x").length;
  }
  return JSON.parse(out);
}

/** All rows of /v1/summary with the page's session. */
export async function summary(browser, page, query) {
  const rows = [];
  let url = `${browser.base}/v1/summary?${new URLSearchParams(query).toString().replaceAll("+", "%20")}`;
  while (url) {
    const response = await page.request.get(url, { headers: { Accept: "application/json" } });
    assert.equal(response.status(), 200, await response.text());
    const answer = readExact(await response.text());
    rows.push(...answer.value);
    url = answer.nextLink && browser.base + answer.nextLink.replace(/^https?:\/\/[^/]+/, "");
    rows.watermark = answer.watermark;
  }
  return rows;
}

/** The start of the server's current hour. */
export async function serverHour(browser, page) {
  const nothing = { from: "1970-01-01T00:00:00Z", to: "1970-01-01T01:00:00Z", granularity: "total", axis: "reported" };
  const { watermark } = await summary(browser, page, nothing);
  return Math.floor(Date.parse(watermark) / HOUR) * HOUR;
}

/* Sums with BigInt at 30 decimals. */
const units = (text) => {
  assert.match(text, /^-?\d+(\.\d{1,30})?$/);
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(30, "0"));
};
export const sum = (texts) => texts.reduce((total, text) => total + units(text), 0n);

/** {unit: sum} of rows with unit and quantity. */
export function sumsByUnit(rows) {
  const sums = {};
  for (const { unit, quantity } of rows) sums[unit] = (sums[unit] ?? 0n) + units(quantity);
  return sums;
}

/** What the table shows: {rows: [{unit, quantity, shown, group, records}], totals: {unit: sum}}. */
export async function table(page) {
  const read = await page.evaluate(() => {
    const of = (row) => ({
      unit: row.dataset.unit,
      quantity: row.dataset.quantity,
      group: row.dataset.group,
      start: row.querySelector(".time")?.textContent ?? null,
      name: row.querySelector(".name a")?.textContent ?? null,
      shown: row.querySelector(".quantity").textContent,
      records: row.querySelector(".number").textContent,
    });
    return {
      rows: [...document.querySelectorAll("#usage-table tr[data-quantity]")].map(of),
      sections: [...document.querySelectorAll("#usage-table tr.section")].map((row) => ({
        unit: row.dataset.unit, quantity: row.dataset.total, shown: row.querySelector(".quantity").textContent,
      })),
    };
  });
  return { ...read, totals: Object.fromEntries(read.sections.map(({ unit, quantity }) => [unit, units(quantity)])) };
}

export async function showAllRows(page) {
  const more = page.locator("tfoot button");
  if (await more.count()) await more.click();
}

/** Fails with what axe finds wrong. */
export async function checkAccessibility(page, what) {
  // By the debugger, which the page's policy does not bind.
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document));
  assert.ok(passes.length > 10, `${what}: axe looked at nothing`);
  const found = violations.map(
    ({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.slice(0, 3).map((node) => `${node.html} (${node.failureSummary})`).join("\n    ")}`,
  );
  assert.deepEqual(found, [], `${what}: ${found.join("\n")}`);
}

/** Fails when the page is wider than the window. */
export async function checkWidth(page, what) {
  const { content, window: width } = await page.evaluate(() => ({
    content: document.documentElement.scrollWidth, window: document.documentElement.clientWidth,
  }));
  assert.ok(content <= width, `${what}: ${content} px wide in a window of ${width} px`);
}

/** Records of a CSV text as objects. */
export function readCsv(text) {
  const records = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    records.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ",") records.push([]);
    if (end === "") break;
  }
  const [header, ...rows] = records.filter((record) => record.length > 1);
  return rows.map((row) => Object.fromEntries(row.map((value, index) => [header[index], value])));
}
