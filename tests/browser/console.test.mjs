/* The console and the documentation in a real browser. See browser.mjs for what it needs; on the mock:
 *
 *   STAMPMETER_NODE_MODULES=DIR node --test tests/browser/console.test.mjs */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  ROOT, checkAccessibility, checkWidth, readCsv, serverHour, settled, showAllRows, sum, summary, sumsByUnit, table,
} from "./browser.mjs";
import { DAY, HOUR, browser, explainFirst, findings, iso, operator, subject, usage, window } from "./stage.mjs";

const DOCS = readdirSync(path.join(ROOT, "web", "docs")).filter((name) => name.endsWith(".html"))
  .map((name) => (name === "index.html" ? "" : name));
const group = (row) => row.meterId ?? row.subscriptionId ?? row.resourceUri ?? row.location ?? row.source;

// ---- signing in and out ----

test("a wrong password is refused and the right one lets in", () =>
  browser.page(
    async (page) => {
      await page.goto(`${browser.base}/`);
      assert.equal(await page.evaluate(() => document.activeElement.id), "username");
      await page.keyboard.type(subject.operator.username);
      await page.keyboard.press("Tab");
      await page.keyboard.type("not the password");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#sign-in-error");
      assert.match(await page.textContent("#sign-in-error"), /do not go together/);
      assert.equal(await page.evaluate(() => document.activeElement.id), "password");
      await page.keyboard.type(subject.operator.password);
      await page.keyboard.press("Enter");
      await settled(page);
      assert.equal(await page.textContent("h1"), "Usage");
      assert.equal(await page.title(), "Usage - Stampmeter");
    },
    { expectErrors: true }, // the 401 of the wrong password
  ));

test("signing out ends the session", () =>
  operator(async (page) => {
    await settled(page);
    await page.click("text=Sign out");
    await page.waitForSelector("text=You are signed out.");
    await page.reload();
    await page.waitForSelector("#username");
    assert.equal((await page.request.get(`${browser.base}/v1/summary`)).status(), 401);
  }));

test("a session that has ended leads back to signing in and then to the same page", () =>
  operator(
    async (page) => {
      await browser.show(page, usage({ groupBy: "location" }));
      await page.context().clearCookies();
      await page.selectOption("#group-by", "source");
      await page.waitForSelector("text=The session has ended");
      await page.fill("#username", subject.operator.username);
      await page.fill("#password", subject.operator.password);
      await page.click("button.primary");
      await settled(page);
      assert.match(page.url(), /groupBy=source/);
    },
    { expectErrors: true },
  ));

// ---- the figures ----

/** Compares the table with the API's answer, row by row and unit by unit. */
const checkTotals = (groupBy) =>
  operator(async (page) => {
    const range = await window(page);
    await browser.show(page, usage({ range: "custom", ...range, groupBy }));
    await showAllRows(page);
    const expected = (await summary(browser, page, { ...range, axis: "usage", granularity: "total", groupBy })).filter((row) => row.unit);
    const shown = await table(page);
    const known = shown.rows.filter(({ unit }) => !unit.startsWith("unit not known"));
    assert.ok(known.length > 0);
    const key = ({ unit, quantity }, of) => `${unit} ${of} ${quantity}`;
    assert.deepEqual(known.map((row) => key(row, row.group)).sort(), expected.map((row) => key(row, group(row) ?? "")).sort());
    const sums = sumsByUnit(expected);
    for (const unit of Object.keys(sums)) assert.equal(shown.totals[unit], sums[unit], unit);
    // What is shown is what was read, with thousands set apart.
    const plain = (text) => text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
    for (const { shown: text, quantity } of shown.rows) assert.equal(text.replaceAll(",", ""), plain(quantity));
  });

test("totals by meter are those of /v1/summary, digit by digit", () => checkTotals("meter"));
test("totals by subscription are those of /v1/summary, digit by digit", () => checkTotals("subscription"));
test("totals by resource are those of /v1/summary, digit by digit", () => checkTotals("resource"));
test("totals by location are those of /v1/summary, digit by digit", () => checkTotals("location"));
test("totals by source are those of /v1/summary, digit by digit", () => checkTotals("source"));

test("hours and days are those of /v1/summary, on both time axes", () =>
  operator(async (page) => {
    const range = await window(page);
    for (const granularity of ["hourly", "daily"]) {
      for (const axis of ["usage", "reported"]) {
        await browser.show(page, usage({ range: "custom", ...range, granularity, axis, table: "periods", groupBy: "source" }));
        await showAllRows(page);
        const expected = (await summary(browser, page, { ...range, axis, granularity, groupBy: "source" })).filter((row) => row.unit);
        const shown = (await table(page)).rows.filter(({ unit }) => !unit.startsWith("unit not known"));
        const startOf = ({ start }) => start.slice(0, granularity === "hourly" ? 16 : 10).replace("T", " ");
        assert.ok(shown.length > 0);
        assert.deepEqual(
          shown.map((row) => [startOf(row), row.group, row.unit, row.quantity].join()).sort(),
          expected.map((row) => [startOf(row), row.source, row.unit, row.quantity].join()).sort(),
        );
      }
    }
  }));

test("numbers that no double holds are shown exactly", () =>
  operator(async (page) => {
    const row = (meterName, quantity) => `{"start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z","meterId":"${meterName}",` +
      `"meterName":"${meterName}","unit":"GB","quantity":${quantity},"records":9007199254740993}`;
    const body = `{"value":[${row("a \\\"quantity\\\":1.50", "123456789012345678901234567.000000000000000000000000000001")},` +
      `${row("b", "0.1")},${row("c", "2e-7")}],"complete":true,"watermark":"2026-01-02T00:00:00Z"}`;
    await page.route("**/v1/summary?**groupBy=meter**", (route) => route.fulfill({ body, contentType: "application/json" }));
    await browser.show(page, usage({ granularity: "total", groupBy: "meter", range: "last30" }));
    const { rows, sections } = await table(page);
    assert.deepEqual(rows.map(({ shown }) => shown), ["123,456,789,012,345,678,901,234,567.000000000000000000000000000001", "0.1", "0.0000002"]);
    assert.equal(sections[0].shown, "123,456,789,012,345,678,901,234,567.100000200000000000000000000001");
    assert.equal(rows[0].name, 'a "quantity":1.50');
    assert.equal(rows[0].records, "9,007,199,254,740,993");
  }));

test("the exact arithmetic holds at its edges", () =>
  browser.page(async (page) => {
    await page.goto(`${browser.base}/`);
    const got = await page.evaluate(async () => {
      const { addDecimals, compareDecimals, permille, showDecimal } = await import("/console/decimal.js");
      const refused = (text) => {
        try {
          showDecimal(text);
          return false;
        } catch {
          return true;
        }
      };
      return {
        sum: addDecimals(["0.1", "0.2", "1e3", "-0.3", "5E-1"]),
        carry: addDecimals(["0.999999999999999999999999999999", "0.000000000000000000000000000001"]),
        shown: ["0", "-0", "1000", "-1234567.50", "1e-30", "12e0"].map(showDecimal),
        refused: ["", "1.", ".5", "1e-31", "NaN", "0x10", "1,000"].map(refused),
        order: ["10", "9.99", "-3", "0.5"].sort(compareDecimals),
        shares: [permille("1", "3"), permille("2", "3"), permille("0", "0"), permille("5", "5")],
      };
    });
    assert.deepEqual(got, {
      sum: "1000.5",
      carry: "1",
      shown: ["0", "0", "1,000", "\u22121,234,567.5", "0.000000000000000000000000000001", "12"],
      refused: [true, true, true, true, true, true, true],
      order: ["-3", "0.5", "9.99", "10"],
      shares: [333, 667, null, 1000],
    });
  }));

// ---- finding one's way ----

test("from a meter to its resources to one resource's hours, and back", () =>
  operator(async (page) => {
    const range = await window(page);
    await browser.show(page, usage({ range: "custom", ...range }));
    const first = (await table(page)).rows[0];
    await page.click("#usage-table .name a >> nth=0");
    await page.waitForSelector(".chip");
    await settled(page);
    assert.equal(await page.inputValue("#group-by"), "resource");
    const resources = await table(page);
    assert.equal(sum(resources.rows.map(({ quantity }) => quantity)), sum([first.quantity]), "a meter is the sum of its resources");

    const resource = resources.rows[0];
    await page.click("#usage-table .name a >> nth=0");
    await page.waitForSelector(".chip >> nth=1");
    await settled(page);
    await showAllRows(page);
    const hours = await table(page);
    assert.match(hours.rows[0].start, /^\d{4}-\d\d-\d\d \d\d:00$/);
    assert.equal(sum(hours.rows.map(({ quantity }) => quantity)), sum([resource.quantity]), "a resource is the sum of its hours");

    await page.click('button[aria-label^="Remove the filter Meter"]');
    await page.waitForFunction(() => document.querySelectorAll(".chip").length === 1);
    await settled(page);
    await page.goBack();
    await page.goBack();
    await page.waitForFunction(() => document.querySelectorAll(".chip").length === 1);
    await settled(page);
    assert.equal(await page.inputValue("#group-by"), "resource");
  }));

test("changing the grouping keeps the sums", () =>
  operator(async (page) => {
    const range = await window(page);
    await browser.show(page, usage({ range: "custom", ...range }));
    const byMeter = await table(page);
    await page.selectOption("#group-by", "subscription");
    await page.waitForFunction(() => document.querySelector("#usage-table thead").textContent.includes("Subscription"));
    await settled(page);
    assert.deepEqual((await table(page)).totals, byMeter.totals);
    await page.selectOption("#group-by", "tag");
    await page.fill('input[name="tag"]', "cc");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#usage-table thead").textContent.includes("Tag cc"));
    await settled(page);
    const byTag = await table(page);
    assert.deepEqual(byTag.totals, byMeter.totals);
    assert.ok(byTag.rows.some(({ group: value }) => value !== ""));
  }));

test("filters can be added by hand, and a range chosen", () =>
  operator(async (page) => {
    const range = await window(page);
    await browser.show(page, usage({ range: "custom", ...range, groupBy: "location" }));
    const place = (await table(page)).rows[0].group;
    await page.click("summary");
    await page.selectOption('select[aria-label="Filter by"]', "location");
    await page.fill('input[name="value"]', place);
    await page.click(".popover button");
    await page.waitForSelector(".chip");
    await settled(page);
    assert.deepEqual([...new Set((await table(page)).rows.map(({ group: value }) => value))], [place]);
    assert.ok(decodeURIComponent(page.url()).includes(`location=${place}`));

    // What is typed stays while an answer arrives and everything is drawn anew.
    const day = range.from.slice(0, 10);
    await page.check('input[name="granularity"][value="hourly"]');
    await page.fill('input[name="to-day"]', day);
    await page.selectOption('select[name="from-hour"]', "6");
    await page.selectOption('select[name="to-hour"]', "9");
    await page.waitForFunction(() => location.hash.includes("granularity=hourly"));
    await settled(page);
    await page.click(".custom-range button");
    await page.waitForFunction(() => location.hash.includes("T06"));
    await settled(page);
    assert.match(await page.textContent(".summary strong"), new RegExp(`^${day} 06:00 to ${day} 09:00 UTC$`));
  }));

test("a link shows another person the same", () =>
  operator(async (page) => {
    const range = await window(page);
    await browser.show(page, usage({ range: "custom", ...range, granularity: "hourly", groupBy: "source", axis: "reported" }));
    await page.check('input[name="table"][value="periods"]');
    await page.check('input[name="chart"][value="lines"]');
    await page.click('th button:has-text("Quantity")');
    await page.waitForFunction(() => location.hash.includes("sort=-quantity"));
    const [mine, link] = [await table(page), page.url()];
    await browser.page(async (other) => {
      await browser.signIn(other, subject.operator, new URL(link).hash);
      await settled(other);
      assert.deepEqual(await table(other), mine);
      assert.ok(await other.isChecked('input[name="chart"][value="lines"]'));
    });
  }));

test("presets mean days of the server's clock", () =>
  operator(async (page) => {
    const now = await serverHour(browser, page);
    const day = (offset) => new Date(now + offset * DAY).toISOString().slice(0, 10);
    const shown = async (range) => {
      await page.selectOption("#range", range);
      await page.waitForFunction((name) => location.hash.includes(`range=${name}`) || name === "last7", range);
      await settled(page);
      return page.textContent(".summary strong");
    };
    await settled(page);
    assert.equal(await shown("last30"), `${day(-29)} to ${day(0)} (UTC days)`);
    assert.equal(await shown("last7"), `${day(-6)} to ${day(0)} (UTC days)`);
    const hours = (from, to) => `${new Date(from).toISOString().slice(0, 16).replace("T", " ")} to ${new Date(to).toISOString().slice(0, 16).replace("T", " ")} UTC`;
    const today = Math.floor(now / DAY) * DAY;
    assert.equal(await shown("yesterday"), hours(today - DAY, today));
    assert.equal(await shown("today"), hours(today, now + HOUR));
  }));

test("the chart has its theme's colours, a legend and exact figures at the pointer", () =>
  operator(async (page) => {
    const range = await window(page);
    await browser.show(page, usage({ range: "custom", ...range, groupBy: "source", granularity: "daily" }));
    const box = await page.locator(".u-over").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.waitForSelector(".tip:not([hidden])");
    const middle = iso(Date.parse(range.from) + DAY);
    assert.ok((await page.textContent(".tip-head")).startsWith(middle.slice(0, 10)));
    const unit = (await page.locator("#unit").count()) ? await page.inputValue("#unit") : (await table(page)).sections[0].unit;
    const expected = (await summary(browser, page, { ...range, axis: "usage", granularity: "daily", groupBy: "source" }))
      .filter((row) => row.unit === unit && Date.parse(row.start) === Date.parse(middle));
    const figures = await page.locator(".tip p:not(.tip-head):not(.tip-sum) strong").allTextContents();
    assert.equal(sum(figures.map((text) => text.replaceAll(",", ""))), sum(expected.map(({ quantity }) => quantity)));
    const painted = () => page.evaluate(() => {
      const canvas = document.querySelector(".plot canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set();
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) colours.add(data.slice(at, at + 3).join());
      return [...colours];
    });
    assert.ok((await painted()).includes("31,111,194"), "the first series in light");
    await page.click("[data-theme-toggle]");
    await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
    assert.ok((await painted()).includes("77,155,230"), "the first series in dark");
  }));

test("too many groups for a chart are drawn as their sum, and the totals stay exact", () =>
  operator(async (page) => {
    const today = Math.floor((await serverHour(browser, page)) / DAY) * DAY;
    const range = { from: iso(today - 30 * DAY), to: iso(today) };
    await browser.show(page, usage({ range: "custom", ...range, granularity: "hourly", groupBy: "resource" }));
    assert.deepEqual(await page.locator(".legend li").allTextContents(), ["All resources"]);
    assert.match(await page.textContent(".notice"), /too many resources to draw/);
    const all = await summary(browser, page, { ...range, axis: "usage", granularity: "total" });
    const sums = sumsByUnit(all.filter((row) => row.unit));
    const { totals } = await table(page);
    for (const unit of Object.keys(sums)) assert.equal(totals[unit], sums[unit], unit);
    await page.check('input[name="table"][value="periods"]');
    await page.waitForSelector("text=These are the first rows only");
  }));

test("dragging over the chart narrows the range", () =>
  operator(async (page) => {
    const range = await window(page);
    await browser.show(page, usage({ range: "custom", ...range, groupBy: "source", granularity: "hourly" }));
    const box = await page.locator(".u-over").boundingBox();
    await page.mouse.move(box.x + box.width * 0.4, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 50, { steps: 5 });
    await page.mouse.up();
    await page.waitForFunction((before) => !location.hash.includes(before), encodeURIComponent(range.from));
    await settled(page);
    const [from, to] = (await page.textContent(".summary strong")).replace(" UTC", "").split(" to ").map((text) => Date.parse(`${text.replace(" ", "T")}Z`));
    assert.ok(from > Date.parse(range.from) && to < Date.parse(range.to) && to - from >= 14 * HOUR && to - from <= 17 * HOUR, `${from} ${to}`);
  }));

test("the CSV file holds what the table shows", () =>
  operator(async (page) => {
    const range = await window(page);
    for (const rows of ["totals", "periods"]) {
      await browser.show(page, usage({ range: "custom", ...range, groupBy: "source", table: rows }));
      await showAllRows(page);
      const [download] = await Promise.all([page.waitForEvent("download"), page.click("text=Download CSV")]);
      assert.match(download.suggestedFilename(), /^usage-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d-by-source\.csv$/);
      const records = readCsv(readFileSync(await download.path(), "utf8"));
      const shown = await table(page);
      assert.ok(records.length > 0);
      assert.deepEqual(records.map(({ quantity }) => quantity).sort(), shown.rows.map(({ quantity }) => quantity).sort());
      assert.deepEqual([...new Set(records.map(({ start }) => start.slice(0, 10)))].length, rows === "totals" ? 1 : 3);
    }
  }));

// ---- when there is nothing, or nothing to be had ----

test("an empty range says what to do", () =>
  operator(async (page) => {
    await browser.show(page, usage({ location: "no such place" }));
    assert.match(await page.textContent(".empty"), /No usage in this range/);
    assert.ok(await page.isDisabled("text=Download CSV"));
    await page.click("text=remove all filters");
    await page.waitForSelector("#usage-table");
  }));

test("errors are told with their code, and can be tried again", () =>
  operator(
    async (page) => {
      await settled(page);
      const refuse = (route) => route.fulfill({ status: 503, contentType: "application/json",
        headers: { "Retry-After": "2", "x-ms-request-id": "request-4711" },
        body: '{"error":{"code":"ServiceUnavailable","message":"busy; send it again after Retry-After"}}' });
      await page.route("**/v1/summary**", refuse);
      await page.selectOption("#range", "last30");
      await page.waitForSelector(".notice.bad");
      const text = await page.textContent(".notice.bad");
      for (const part of ["ServiceUnavailable", "busy", "Try again in 2 s", "request-4711"]) assert.ok(text.includes(part), part);
      await page.unroute("**/v1/summary**", refuse);
      await page.click("text=Try again >> nth=-1");
      await page.waitForSelector("#usage-table");

      await page.route("**/v1/summary**", (route) => route.abort());
      await page.selectOption("#range", "last7");
      await page.waitForSelector("text=The server does not answer");
    },
    { expectErrors: true },
  ));

test("an address that leads nowhere says so", () =>
  operator(async (page) => {
    await page.goto(`${browser.base}/#/nowhere`);
    await page.waitForSelector("text=No such page");
    await page.goto(`${browser.base}/#/usage?range=never&granularity=weekly&groupBy=&from=x`);
    await settled(page);
    assert.equal(await page.inputValue("#range"), "last7");
  }));

// ---- tenants ----

test("a tenant sees the own subscription only", async () => {
  const tenant = subject.tenants[0];
  await browser.page(async (page) => {
    await browser.signIn(page, tenant, usage({ groupBy: "resource", range: "last30" }));
    await settled(page);
    assert.deepEqual(await page.locator("nav li a").allTextContents(), ["Usage", "Documentation"]);
    assert.ok((await page.textContent(".of-subscription")).includes(tenant.subscriptionId));
    assert.ok(!(await page.locator("#group-by option").allTextContents()).includes("Subscription"));
    await showAllRows(page);
    const { rows } = await table(page);
    assert.ok(rows.length > 0);
    for (const { group: uri } of rows) assert.equal(uri.split("/")[2].toLowerCase(), tenant.subscriptionId.toLowerCase());

    await page.goto(`${browser.base}/#/status`);
    await page.waitForSelector("text=No such page");
    await page.goto(`${browser.base}/${usage({ groupBy: "subscription", subscription: subject.tenants[1].subscriptionId })}`);
    await page.waitForSelector(".empty");
  });
});

// ---- rejects ----

/** Opens the page; false on the mock, which refuses nothing. */
const rejects = async (page) => {
  if ((await page.request.get(`${browser.base}/v1/rejects?limit=1`)).status() === 404) return false;
  await page.goto(`${browser.base}/#/rejects`);
  await page.waitForSelector(".rejects");
  return true;
};

test("a refused record is mended, replayed and leaves the list", (t) =>
  operator(async (page) => {
    if (!(await rejects(page))) return t.skip("the mock refuses nothing");
    await page.selectOption("#reject-code", "InvalidProperty");
    await page.waitForSelector('.reject-head:has-text("meterId is missing")');
    const open = async () => (await (await page.request.get(`${browser.base}/v1/status`)).json()).rejects.open;
    const before = await open();
    await page.click('.reject-head:has-text("meterId is missing") >> nth=0');
    const text = await page.inputValue("textarea");
    const kept = JSON.parse(text);
    assert.ok(kept.id && !kept.meterId);
    // Posted again as it is, it is refused again and says why.
    await page.click('button:has-text("Replay as it is")');
    await page.waitForSelector('.notice.warn:has-text("meterId is missing")');
    // No number goes through JavaScript: what is not touched stays as the producer wrote it.
    const mended = text.replace("{", '{\n  "meterId": "FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5",').replace(
      /"quantity": [^,}\n]+/, '"quantity": 0.100000000000000005551115123126');
    await page.fill("textarea", mended);
    const sent = page.waitForRequest((request) => request.url().includes("/replay"));
    await page.click('button:has-text("Replay as changed")');
    assert.match((await sent).postData(), /"quantity": ?0\.100000000000000005551115123126[,}\s]/);
    await page.waitForSelector('[role="status"]:has-text("was replayed: accepted")');
    assert.equal(await open(), before - 1);
    await page.click('label:has-text("Replayed")');
    await page.waitForSelector(`.reject-head:has-text("${kept.id}")`);
  }));

test("a refused record is dismissed", (t) =>
  operator(async (page) => {
    if (!(await rejects(page))) return t.skip("the mock refuses nothing");
    await page.focus(".reject-head >> nth=0");
    await page.keyboard.press("Enter");
    await page.waitForSelector("textarea");
    await page.click('button:has-text("Dismiss")');
    await page.waitForSelector('[role="status"]:has-text("was dismissed")');
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
  }));

// ---- producers ----

const producers = async (page) => {
  await page.goto(`${browser.base}/#/producers`);
  await page.waitForSelector(".producer .strip");
};
const silentOne = (page) => page.locator(".producer", { has: page.locator('.badge:text-is("Silent")') });

test("the producers page shows which hours are unknown, in colour, form and words", () =>
  operator(async (page) => {
    await producers(page);
    const { value: rows } = await (await page.request.get(`${browser.base}/v1/producers`)).json();
    assert.equal(await page.locator(".producer").count(), rows.length);
    const silent = rows.filter(({ state }) => state === "silent");
    assert.equal(silent.length, 1);
    const row = silentOne(page);
    assert.equal(await row.locator("h3").textContent(), silent[0].source);
    assert.equal(await page.locator(".producer >> nth=0").locator("h3").textContent(), silent[0].source, "first what needs a look");

    // Each strip is what the API says of the last 48 hours.
    const hour = await serverHour(browser, page);
    const query = new URLSearchParams({ from: iso(hour - 47 * HOUR), to: iso(hour + HOUR), source: silent[0].source });
    const { value: hours } = await (await page.request.get(`${browser.base}/v1/watermarks?${query}`)).json();
    const expected = hours.filter(({ source }) => source === silent[0].source).map(({ state }) => state);
    const shown = await row.locator(".hour").evaluateAll((cells) => cells.map((cell) => [cell.className, cell.title]));
    assert.equal(shown.length, 48);
    assert.deepEqual(shown.map(([name]) => name.split(" ")[1]), expected);
    const unknown = shown.filter(([name]) => name.includes("silent"));
    assert.ok(unknown.length >= 7 && unknown.every(([, title]) => /silent, usage unknown/.test(title)));
    assert.match(await row.locator(".strip").getAttribute("aria-label"), new RegExp(`${unknown.length} silent\\. Silent: .* UTC\\.`));
    // Not by colour alone.
    const looks = (state) => row.locator(`.hour.${state} >> nth=0`).evaluate((cell) => {
      const { backgroundImage, height } = getComputedStyle(cell);
      return [backgroundImage.startsWith("repeating-linear-gradient"), parseFloat(height)];
    });
    const [[hatched], [plain, full], [, low]] = [await looks("silent"), await looks("complete"), await looks("open")];
    assert.ok(hatched && !plain && low < full);

    await row.locator("summary").focus();
    await page.keyboard.press("Enter");
    const table = await row.locator(".runs tbody").textContent();
    assert.match(table, /silent, usage unknown\s*unknown/);
  }));

test("silence can be acknowledged, and what is expected of a producer changed", () =>
  operator(async (page) => {
    await producers(page);
    const name = await silentOne(page).locator("h3").textContent();
    const row = page.locator(".producer", { has: page.locator(`h3:text-is("${name}")`) });
    const acknowledge = row.locator(".alert button");
    if (await acknowledge.count()) await acknowledge.click();
    await page.waitForSelector(".alert:has-text('acknowledged by')");
    await row.locator("summary").click();
    await row.locator('input[name="hours"]').fill("6");
    await page.keyboard.press("Enter");
    await row.locator("text=Set to report every 6 hours").waitFor();
    await row.locator('input[name="hours"]').fill("");
    await row.locator('button:text-is("Save")').click();
    await row.locator('.detail:text-is("Reports every hour")').waitFor();
    await row.locator("text=It has left for good").click();
    await row.locator('.badge:text-is("Retired")').waitFor();
    assert.equal(await row.locator(".alert").count(), 0);
    await row.locator("text=Expect it again").click();
    await row.locator('.badge:text-is("Silent")').waitFor();
    await row.locator("text=Nothing is missing").click();
    await row.locator("text=This cannot be taken back").waitFor();
    await row.locator("text=Cancel").click();
  }));

test("charts hatch silent hours instead of showing zero", () =>
  operator(async (page) => {
    const { value: rows } = await (await page.request.get(`${browser.base}/v1/producers`)).json();
    const { source, silentSince } = rows.find(({ state }) => state === "silent");
    const since = Date.parse(silentSince);
    const address = usage({ range: "custom", from: iso(since - 6 * HOUR), to: iso(since + 6 * HOUR), granularity: "hourly", groupBy: "meter" });
    // Pixels at the top of the chart, above all bars: what is painted there is the ground.
    const painted = (...shares) => page.evaluate((at) => {
      const canvas = document.querySelector(".plot canvas");
      const over = document.querySelector(".u-over");
      const ratio = canvas.width / canvas.clientWidth;
      const { data } = canvas.getContext("2d").getImageData(0, over.offsetTop * ratio + 1, canvas.width, 1);
      return at.map((share) => data[Math.round((over.offsetLeft + over.clientWidth * share) * ratio) * 4 + 3] > 0);
    }, shares);
    await browser.show(page, address);
    const note = await page.textContent(".unknown-note");
    assert.ok(note.includes(source) && note.includes("unknown, not zero"), note);
    assert.deepEqual(await painted(0.1, 0.6), [false, true]);
    await page.hover(".u-over", { position: { x: (await page.locator(".u-over").boundingBox()).width * 0.6, y: 100 } });
    await page.waitForSelector(".tip:not([hidden]) .tip-unknown");
    assert.match(await page.textContent(".tip-unknown"), /silent, usage unknown/);
    assert.match(await page.textContent(".summary"), /not complete yet/);
    // By reported time nothing is missing: what was not reported was not reported.
    await page.check('input[name="axis"][value="reported"]');
    await page.waitForFunction(() => location.hash.includes("axis=reported"));
    await settled(page);
    assert.equal(await page.locator(".unknown-note").count(), 0);
    assert.deepEqual(await painted(0.1, 0.6), [false, false]);
  }));

// ---- status ----

test("the status page tells how the server is and moves the demo's clock", () =>
  operator(async (page) => {
    await settled(page);
    await page.click('nav a:has-text("Status")');
    await page.waitForSelector("#status-subscriptions");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Status");
    const { version, store } = await (await page.request.get(`${browser.base}/v1/status`)).json();
    const text = await page.textContent("main");
    for (const part of ["Ready", version, "UTC", "Accepted", "Reported hours are closed until", "Signed head covers", "grows by about", "Usage by the hour", "Waiting in the queue"]) assert.ok(text.includes(part), part);
    assert.ok(Number(store.sequence) > 0);
    assert.match(text, /sends? usage but (is|are) not known here/);

    // What an operator should look at is told first.
    const alerts = (await (await page.request.get(`${browser.base}/v1/alerts`)).json()).value;
    assert.equal(await page.locator(".alerts .alert").count(), alerts.length);

    const time = () => page.locator(".fact:has(dt:text-is('Time')) dd").textContent();
    const before = await serverHour(browser, page);
    await page.click("text=Advance 1 hour");
    await page.waitForSelector("text=/It is .* UTC now/");
    assert.equal(await serverHour(browser, page), before + HOUR);
    assert.equal(Date.parse(`${(await time()).slice(0, 13).replace(" ", "T")}:00:00Z`), before + HOUR);

    await page.click(".subscriptions .name a >> nth=1");
    await page.waitForSelector(".chip");
    await settled(page);
    assert.equal(await page.textContent("h1"), "Usage");
  }));

// ---- for everybody, everywhere ----

test("pages pass axe in both themes", async () => {
  for (const dark of [false, true]) {
    await browser.page(async (page) => {
      const theme = dark ? "dark" : "light";
      await page.goto(`${browser.base}/`);
      await page.waitForSelector("#username");
      await checkAccessibility(page, `sign in, ${theme}`);
      await browser.signIn(page, subject.operator);
      await settled(page);
      await checkAccessibility(page, `usage, ${theme}`);
      const addresses = [
        usage({ range: "yesterday", granularity: "hourly", table: "periods", chart: "lines", groupBy: "source", axis: "reported" }),
        usage({ granularity: "total", groupBy: "subscription" }),
        usage({ location: "no such place", "tag:cc": "none" }),
        usage({ range: "custom", ...(await window(page)), groupBy: "tag:cc" }),
      ];
      for (const address of addresses) {
        await browser.show(page, address);
        await page.click("summary");
        await checkAccessibility(page, `${address}, ${theme}`);
      }
      await page.goto(`${browser.base}/#/status`);
      await page.waitForSelector("#status-subscriptions");
      await checkAccessibility(page, `status, ${theme}`);
      await producers(page);
      await page.click(".producer summary >> nth=0");
      await checkAccessibility(page, `producers, ${theme}`);
      if (await rejects(page)) {
        await page.click(".reject-head >> nth=0");
        await page.waitForSelector("textarea");
        await checkAccessibility(page, `rejects, ${theme}`);
      }
      await explainFirst(page);
      await checkAccessibility(page, `explain, ${theme}`);
      await page.click("main tbody a >> nth=0");
      await page.waitForSelector("#record-correct");
      await checkAccessibility(page, `record, ${theme}`);
      await findings(page);
      await checkAccessibility(page, `findings, ${theme}`);
      await page.goto(`${browser.base}/#/audit`);
      await page.waitForSelector("main tbody tr");
      await checkAccessibility(page, `audit, ${theme}`);
      for (const name of DOCS) {
        await page.goto(`${browser.base}/docs/${name}`);
        await checkAccessibility(page, `docs/${name}, ${theme}`);
      }
    }, { dark });
  }
});

test("nothing is wider than a phone", () =>
  operator(
    async (page) => {
      await settled(page);
      await checkWidth(page, "usage");
      for (const address of [
        usage({ range: "yesterday", granularity: "hourly", table: "periods" }),
        usage({ granularity: "total", groupBy: "resource" }),
        usage({ range: "custom", ...(await window(page)), groupBy: "tag:cc" }),
      ]) {
        await browser.show(page, address);
        await checkWidth(page, address);
        await page.click("summary");
        await checkWidth(page, `${address}, adding a filter`);
      }
      const drill = (await table(page)).rows[0];
      assert.ok(drill);
      assert.ok(!(await page.isVisible("nav")));
      await page.click('button[aria-label="Menu"]');
      await checkWidth(page, "menu");
      await page.click('nav a:has-text("Status")');
      await page.waitForSelector("#status-subscriptions");
      assert.ok(!(await page.isVisible("nav")), "the menu closes behind a choice");
      await checkWidth(page, "status");
      await producers(page);
      await page.click(".producer summary >> nth=0");
      await checkWidth(page, "producers");
      if (await rejects(page)) {
        await page.click(".reject-head >> nth=0");
        await page.waitForSelector("textarea");
        await checkWidth(page, "rejects");
      }
      await explainFirst(page);
      await checkWidth(page, "explain");
      await page.click("main tbody a >> nth=0");
      await page.waitForSelector("#record-correct");
      await checkWidth(page, "record");
      await findings(page);
      await checkWidth(page, "findings");
      await page.goto(`${browser.base}/#/audit`);
      await page.waitForSelector("main tbody tr");
      await checkWidth(page, "audit");
      for (const name of DOCS) {
        await page.goto(`${browser.base}/docs/${name}`);
        await checkWidth(page, `docs/${name}`);
      }
      await page.context().clearCookies();
      await page.goto(`${browser.base}/`);
      await page.waitForSelector("#username");
      await checkWidth(page, "sign in");
    },
    { phone: true },
  ));

test("the keyboard reaches everything", () =>
  operator(async (page) => {
    await settled(page);
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await page.focus('input[name="granularity"]:checked');
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => location.hash.includes("granularity=total"));
    await settled(page);
    await page.focus("summary");
    await page.keyboard.press("Enter");
    assert.ok(await page.isVisible(".popover"));
    await page.keyboard.press("Escape");
    assert.ok(!(await page.isVisible(".popover")));
    await page.focus('th button:has-text("Records")');
    await page.keyboard.press("Enter");
    await page.waitForSelector('th[aria-sort="descending"]:has-text("Records")');
    await page.keyboard.press("Enter");
    await page.waitForSelector('th[aria-sort="ascending"]:has-text("Records")');
  }));

test("the theme follows the system until one is chosen, and the choice is kept", () =>
  browser.page(async (page) => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.goto(`${browser.base}/docs/`);
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await background();
    assert.notEqual(light, dark);
    await page.click("[data-theme-toggle]");
    assert.equal(await background(), light);
    await page.goto(`${browser.base}/`);
    await page.waitForSelector("#username");
    assert.equal(await background(), light);
    await page.goto(`${browser.base}/docs/`);
    await page.click("[data-theme-toggle]");
    assert.equal(await background(), dark);
    await page.emulateMedia({ colorScheme: "light" });
    assert.equal(await background(), light, "a choice that equals the system's follows the system again");
  }));

test("the policy allows this server's files only", () =>
  browser.page(async (page) => {
    for (const address of ["/", "/docs/"]) {
      const response = await page.goto(browser.base + address);
      const policy = response.headers()["content-security-policy"];
      for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]) assert.ok(policy.includes(part), policy);
      assert.ok(!/unsafe|https?:|\*/.test(policy), policy);
      assert.equal(response.headers()["x-content-type-options"], "nosniff");
    }
  }));

// ---- documentation ----

test("every link of the documentation leads somewhere", () =>
  browser.page(async (page) => {
    const ids = new Map();
    const links = [];
    for (const name of DOCS) {
      await page.goto(`${browser.base}/docs/${name}`);
      ids.set(`/docs/${name}`, await page.evaluate(() => [...document.querySelectorAll("[id]")].map(({ id }) => id)));
      links.push(...(await page.evaluate(() => [...document.querySelectorAll("a")].map(({ href }) => href))));
      assert.equal(await page.locator("nav a[aria-current]").count(), 1);
    }
    for (const link of new Set(links)) {
      const url = new URL(link);
      assert.equal(url.origin, new URL(browser.base).origin, link);
      const known = ids.get(url.pathname);
      if (known && url.hash) assert.ok(known.includes(url.hash.slice(1)), link);
      if (!known) assert.equal((await page.request.get(link)).status(), 200, link);
    }
  }));

test("the errors page names every code that can reach a client", () => {
  const table = readFileSync(path.join(ROOT, "src", "base", "error.h"), "utf8");
  const documented = readFileSync(path.join(ROOT, "web", "docs", "errors.html"), "utf8");
  const reachable = table.slice(table.indexOf("verdicts of single records"), table.indexOf("causes that end a command"));
  const codes = [...reachable.matchAll(/X\(\w+, "(\w+)", (\d+)/g)];
  assert.ok(codes.length > 30);
  const records = documented.slice(0, documented.indexOf('id="requests"'));
  for (const [, code, status] of codes) {
    const row = documented.match(new RegExp(`<code>${code}</code></th><td>${status}</td>`));
    assert.ok(row || records.includes(`<code>${code}</code>`), `${code} with status ${status} is missing in errors.html`);
  }
});
