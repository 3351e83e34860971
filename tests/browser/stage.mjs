/* The stage of a file of browser tests: its server and browser, begun before the first test and ended after the last, and
 * the ways to what several files look at. */

import { after, before } from "node:test";
import { Browser, serverHour, settled, startSubject, table } from "./browser.mjs";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export let subject;
export let browser;

before(async () => {
  subject = await startSubject();
  browser = await Browser.start(subject.url);
});

after(async () => {
  await browser?.close();
  await subject?.close();
});

export const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
export const usage = (parameters) => `#/usage?${new URLSearchParams(parameters)}`;

/** Three whole days before today, as both the console and the API take them. */
export async function window(page) {
  const today = Math.floor((await serverHour(browser, page)) / DAY) * DAY;
  return { from: iso(today - 3 * DAY), to: iso(today) };
}

export const operator = (run, options) =>
  browser.page(async (page) => {
    await browser.signIn(page, subject.operator);
    await run(page);
  }, options);

/** Opens the hours of one resource's meter of three days ago, and from the first of them what is behind it. */
export const explainFirst = async (page, session = {}) => {
  const range = await window(page);
  await browser.show(page, usage({ range: "custom", ...range, groupBy: "resource", meter: "FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5", ...session }));
  await page.click("#usage-table .name a >> nth=0");
  await page.waitForSelector(".by-period");
  await settled(page);
  const row = (await table(page)).rows[0];
  await page.click("#usage-table tbody tr:not(.section) .number-column a >> nth=0");
  await page.waitForSelector("#explain-figure");
  await page.waitForSelector('.badge:text-is("Adds up")');
  return row;
};

/** Opens the page of findings, on another check than the first where one is named. */
export const findings = async (page, check) => {
  await page.goto(`${browser.base}/#/findings`);
  if (check) await page.click(`label:has-text("${check}")`);
  await page.waitForSelector('main .findings, main .empty');
};
