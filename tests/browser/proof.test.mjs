/* From a figure of the console to its records, their corrections, and the log of who did what. As console.test.mjs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { serverHour, settled, sum, summary, table } from "./browser.mjs";
import { DAY, HOUR, browser, explainFirst, findings, iso, operator, subject, usage, window } from "./stage.mjs";

// ---- behind a figure, records, corrections ----

const plainText = async (locator) => (await locator.textContent()).replaceAll(",", "").replace("\u2212", "-");

test("a row of usage leads to its records, which add up to it, and to one record", () =>
  operator(async (page) => {
    const row = await explainFirst(page);
    const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
    assert.equal(await plainText(page.locator(".figure .quantity")), trimmed(row.quantity));
    const rows = page.locator("main tbody tr");
    assert.equal(String(await rows.count()), row.records);
    const shares = await rows.evaluateAll((each) => each.map((one) => one.dataset.share));
    assert.equal(sum(shares), sum([row.quantity]));
    assert.equal(await page.locator('nav a[aria-current="true"]').textContent(), "Usage");

    await page.click("main tbody a >> nth=0");
    await page.waitForSelector("#record-posted");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Record");
    const query = new URLSearchParams((await page.evaluate(() => location.hash)).split("?")[1]);
    const path = ["source", "id"].map((name) => encodeURIComponent(query.get(name))).join("/");
    const answer = await (await page.request.get(`${browser.base}/v1/records/${path}`)).json();
    const text = await page.textContent("main");
    for (const part of [answer.record.id, answer.record.source, `sequence ${answer.record.sequence}`, "It has never been corrected."]) assert.ok(text.includes(part), part);
    // And back, to the row of exactly that reported hour.
    await page.click("#record-counted ~ .table-scroll a >> nth=0");
    await page.waitForSelector('.badge:text-is("Adds up")');
    assert.match(page.url(), /reportedHour=/);
    await page.click(".crumbs a");
    await settled(page);
    assert.equal((await table(page)).rows.find(({ start }) => start === row.start).quantity, row.quantity);
  }));

test("figures of many pages of records add up; those that name no single meter lead nowhere", () =>
  operator(async (page) => {
    const range = await window(page);
    const { subscriptionId } = (await summary(browser, page, { ...range, granularity: "total", groupBy: "subscription" }))[0];
    const of = { range: "custom", ...range, table: "periods", subscription: subscriptionId };
    await browser.show(page, usage({ ...of, groupBy: "meter" }));
    const row = (await table(page)).rows.toSorted((a, b) => Number(b.records) - Number(a.records))[0];
    assert.ok(Number(row.records) > 20);
    await page.click(`#usage-table tr[data-group="${row.group}"][data-quantity="${row.quantity}"] .number-column a >> nth=0`);
    // The longest are read in parts.
    for (const badge = page.locator('.badge:text-is("Adds up")'); !(await badge.count()); ) {
      await page.waitForSelector('.badge:text-is("Adds up"), button:text-is("Read on")');
      const more = page.locator('button:text-is("Read on")');
      if (await more.count()) await more.click();
    }
    assert.equal(await page.locator('main tbody tr:not(:has(.badge))').count(), Number(row.records.replaceAll(",", "")));
    for (const without of [{ ...of, groupBy: "source" }, { ...of, groupBy: "meter", axis: "reported" }, { ...of, groupBy: "meter", location: "east" }]) {
      await browser.show(page, usage(without));
      assert.equal(await page.locator("#usage-table .number-column a").count(), 0);
    }
  }));

test("an operator amends and voids a record with a reason, and the figure follows exactly", () =>
  operator(async (page) => {
    const row = await explainFirst(page);
    const address = await page.evaluate(() => location.hash);
    const figure = async () => {
      await page.goto(`${browser.base}/${address}`);
      await page.waitForSelector('.badge:text-is("Adds up")');
      return plainText(page.locator(".figure .quantity"));
    };
    await page.click("main tbody a >> nth=0");
    await page.waitForSelector("#record-correct");
    const record = await page.evaluate(() => location.hash);
    const button = page.locator(".correct button.primary");
    assert.ok(await button.isDisabled());
    await page.fill("#correct-quantity", "many");
    assert.match(await page.textContent("#record-correct ~ [role=status]"), /decimal number/);
    await page.fill("#correct-quantity", "0.100000000000000005551115123126");
    assert.ok(await button.isDisabled(), "a reason is asked for");
    await page.fill("#correct-reason", "the host failed <b>& more</b>");
    const sent = page.waitForRequest((request) => request.url().endsWith("/v1/corrections"));
    await page.keyboard.press("Enter");
    assert.equal(JSON.parse((await sent).postData()).quantity, "0.100000000000000005551115123126");
    await page.waitForSelector('[role="status"] .notice:has-text("Corrected:")');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Record");
    assert.equal(await plainText(page.locator(".figure .quantity")), "0.100000000000000005551115123126");
    assert.match(await page.textContent(".corrections"), /Amended to 0\.1.*“the host failed <b>& more<\/b>”/s);
    if (row.records === "1") assert.equal(await figure(), "0.100000000000000005551115123126");
    await figure();
    assert.equal(await page.locator('main tbody .badge:text-is("Correction")').count(), 1);

    await page.goto(`${browser.base}/${record}`);
    await page.waitForSelector("#record-correct");
    await page.click('.correct label:has-text("Void")');
    await page.fill("#correct-reason", "it never ran");
    await page.click('button:has-text("Void the record")');
    await page.waitForSelector('.badge:text-is("Voided")');
    assert.equal(await plainText(page.locator(".figure .quantity")), "0");
    assert.match(await page.textContent("#record-counted ~ .table-scroll tfoot"), /nothing in the end/);
    if (row.records === "1") assert.equal(await figure(), "0");

    // The audit log knows it, newest first.
    await page.goto(`${browser.base}/#/audit`);
    await page.waitForSelector("main table");
    assert.match(await page.textContent("main tbody tr >> nth=0"), new RegExp(`${subject.operator.username}.*usage\\.correct`, "s"));
  }));

test("a tenant sees what is behind its own figures, and corrects nothing", () =>
  browser.page(async (page) => {
    await browser.signIn(page, subject.tenants[0]);
    await explainFirst(page);
    await page.click("main tbody a >> nth=0");
    await page.waitForSelector("#record-posted");
    assert.equal(await page.locator("#record-correct").count(), 0);
    assert.equal(await page.locator('nav a:has-text("Audit log")').count(), 0);
    await page.goto(`${browser.base}/#/audit`);
    await page.waitForSelector('h1:has-text("No such page")');
  }));

test("a record that does not exist is told with its code", () =>
  operator(
    async (page) => {
      await page.goto(`${browser.base}/#/record?source=Microsoft.Compute&id=a%2Fb%20no`);
      await page.waitForSelector('[role="alert"] code:text-is("RecordNotFound")');
    },
    { expectErrors: true },
  ));

// ---- findings and the audit log ----

test("findings lead to the record, where it can be corrected", () =>
  operator(async (page) => {
    await findings(page);
    const to = iso((await serverHour(browser, page)) + HOUR);
    const list = async (query) => (await (await page.request.get(`${browser.base}/v1/findings?${new URLSearchParams({ to, limit: 200, ...query })}`)).json()).value;
    const rows = await list({ from: iso(Date.parse(to) - 7 * DAY) });
    assert.equal(await page.locator(".findings li").count(), rows.length);
    if (rows.length > 0) {
      await page.click(".findings button >> nth=0");
      await page.waitForSelector("#record-correct");
      assert.match(await page.textContent("#record-posted ~ dl"), new RegExp(`sequence ${rows[0].recordSequence}Meter`));
    } else {
      assert.match(await page.textContent(".empty"), /Nothing strange in 7 days/);
    }
    await findings(page, "Sums of hours");
    if (await page.locator(".findings a").count()) {
      await page.click(".findings a >> nth=0");
      await page.waitForSelector('.badge:text-is("Adds up")');
    }
  }));

test("the audit log is filtered by text and goes back page by page", () =>
  operator(async (page) => {
    await page.goto(`${browser.base}/#/audit`);
    await page.waitForSelector("main tbody tr");
    const { value } = await (await page.request.get(`${browser.base}/v1/audit?before=&limit=200`)).json();
    const rows = page.locator("main tbody tr");
    assert.equal(await rows.count(), value.length);
    const first = value[0];
    for (const part of [first.by, first.action, first.subject]) assert.ok((await rows.first().textContent()).includes(part), part);
    await page.fill("#audit-filter", "no such text");
    await page.waitForSelector(".empty");
    await page.fill("#audit-filter", first.action.toUpperCase());
    await page.waitForFunction((action) => [...document.querySelectorAll("main tbody code")].every((each) => each.textContent === action), first.action);
    assert.equal(await rows.count(), value.filter((each) => JSON.stringify(each).includes(first.action)).length);
    await page.fill("#audit-filter", "");
    const older = page.locator('button:has-text("Load older entries")');
    if (await older.count()) {
      await older.click();
      await page.waitForFunction((count) => document.querySelectorAll("main tbody tr").length > count, value.length);
      const numbers = await page.textContent("main");
      assert.ok(numbers.includes("entries"));
    }
  }));
