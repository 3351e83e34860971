/* A stand-in for the server, for work on the console: serves web/ and the vendored files with the real policy, and
 * imitates the endpoints that the console uses on 35 days of made-up usage. The real server is what counts.
 *
 *   node tests/browser/mock.mjs [PORT]
 *
 * The vendored files are those that the build has fetched (vendor/.src), or npm's packages preact, htm and uplot in
 * the folder STAMPMETER_NODE_MODULES. Operator: operator / operator; commerce: commerce / commerce; tenants: see TENANTS. */

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { COMMERCE, Commerce } from "./mock-commerce.mjs";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const WEB = path.join(ROOT, "web");
const DOCS = path.join(WEB, "docs"); // its pages are put together as the build does it
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SCALE = 30n;

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const VENDORED = {
  "/vendor/preact.module.js": "preact/dist/preact.module.js",
  "/vendor/htm.module.js": "htm/dist/htm.module.js",
  "/vendor/uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
  "/vendor/uPlot.min.css": "uplot/dist/uPlot.min.css",
};

/* id, name, category, unit, provider: a part of the real list. */
const METERS = [
  ["FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5", "Base VM Size Hours", "Compute", "Virtual core hours", "Microsoft.Compute"],
  ["9CD92D4C-BAFD-4492-B278-BEDC2DE8232A", "Windows VM Size Hours", "Compute", "Virtual core hours", "Microsoft.Compute"],
  ["6DAB500F-A4FD-49C4-956D-229BB9C8C793", "VM size hours", "Compute", "VM hours", "Microsoft.Compute"],
  ["d5f7731b-f639-404a-89d0-e46186e22c8d", "S10", "Managed Disks", "Count of Disks*month", "Microsoft.Compute"],
  ["06bde724-9f94-43c0-84c3-d0fc54538369", "P30", "Managed Disks", "Count of Disks*month", "Microsoft.Compute"],
  ["7ba084ec-ef9c-4d64-a179-7732c6cb5e28", "ActualStandardDiskSize", "Managed Disks", "GB*month", "Microsoft.Compute"],
  ["09F8879E-87E9-4305-A572-4B7BE209F857", "BlockBlobCapacity", "Storage", "GB*hours", "Microsoft.Storage"],
  ["B5C15376-6C94-4FDD-B655-1A69D138ACA3", "PageBlobCapacity", "Storage", "GB*hours", "Microsoft.Storage"],
  ["B4438D5D-453B-4EE1-B42A-DC72E377F1E4", "TableCapacity", "Storage", "GB*hours", "Microsoft.Storage"],
  ["B03C6AE7-B080-4BFA-84A3-22C800F315C6", "QueueCapacity", "Storage", "GB*hours", "Microsoft.Storage"],
  ["43DAF82B-4618-444A-B994-40C23F7CD438", "BlobTransactions", "Storage", "Request count in 10000s", "Microsoft.Storage"],
  ["9764F92C-E44A-498E-8DC1-AAD66587A810", "BlobDataTransIn", "Storage", "GB ingress", "Microsoft.Storage"],
  ["3023FEF4-ECA5-4D7B-87B3-CFBC061931E8", "BlobDataTransOut", "Storage", "GB egress", "Microsoft.Storage"],
  ["F271A8A388C44D93956A063E1D2FA80B", "Static IP Address Usage", "Network", "IP addresses", "Microsoft.Network"],
  ["EBF13B9F-B3EA-46FE-BF54-396E93D48AB4", "Key Vault transactions", "Key Vault", "Request count in 10000s", "Microsoft.KeyVault"],
  ["957E9F36-2C14-45A1-B6A1-1723EF71A01D", "Shared App Service Hours", "App Service (tenant)", "1 hour", "Microsoft.Web"],
].map(([meterId, name, category, unit, resourceProvider]) => ({ meterId, name, category, unit, resourceProvider }));

const PROVIDER_SUBSCRIPTION = "1f9c3b0e-6c0a-4c0e-9a52-0c1d4f3b7a10";
const TENANTS = [
  { subscriptionId: "6e0a2f3c-4a9d-4b62-8c35-2d0b6a1f9e01", displayName: "Contoso Retail", owner: "it@contoso.example",
    offerId: "standard", state: "Enabled", username: "contoso", password: "contoso" },
  { subscriptionId: "b1c7d8e9-02f4-4d3a-9e67-51a0c2d3e402", displayName: "Fabrikam Engineering", owner: "cloud@fabrikam.example",
    offerId: "standard", state: "Enabled", username: "fabrikam", password: "fabrikam" },
  { subscriptionId: "c3d4e5f6-7a8b-4c9d-8e0f-a1b2c3d4e503", displayName: "Woodgrove Bank, test", owner: "test@woodgrove.example",
    offerId: "developer", state: "Enabled" },
  { subscriptionId: "d9e8f7a6-b5c4-4d3e-8f2a-1b0c9d8e7f04", displayName: "Litware (left in October)", owner: "ops@litware.example",
    offerId: "standard", state: "Deleted" },
  { subscriptionId: "e0f1a2b3-c4d5-4e6f-8a7b-9c8d7e6f5a05", state: "Unknown" },
].map((each, index) => ({ tenantId: each.state === "Unknown" ? undefined : `7a1b2c3d-0000-4000-8000-00000000000${index}`,
  providerSubscriptionId: PROVIDER_SUBSCRIPTION, ...each }));

/* A small generator with a fixed seed: the same figures at every start. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/* "1.5" to units of 10^-30 */
function toUnits(text) {
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole) * 10n ** SCALE + BigInt(fraction.padEnd(Number(SCALE), "0"));
}

function toText(units) {
  if (units < 0n) return `-${toText(-units)}`;
  const digits = units.toString().padStart(Number(SCALE) + 1, "0");
  const fraction = digits.slice(-Number(SCALE)).replace(/0+$/, "");
  return digits.slice(0, -Number(SCALE)) + (fraction && `.${fraction}`);
}

/* ---- made-up usage ---- */

const meterOf = (name) => METERS.find((each) => each.name === name);

function makeResources() {
  const dice = random(7);
  const resources = [];
  const add = (tenant, group, type, name, tags, meters) =>
    resources.push({ subscriptionId: tenant.subscriptionId, location: dice() < 0.75 ? "east" : "west", tags, meters,
      resourceUri: `/subscriptions/${tenant.subscriptionId}/resourceGroups/${group}/providers/${type}/${name}` });
  TENANTS.forEach((tenant, index) => {
    const machines = [6, 9, 3, 2, 2][index];
    for (let number = 1; number <= machines; number++) {
      const web = number % 3 !== 0;
      const tags = tenant.state === "Unknown" ? {} : { cc: web ? "4711" : "0815", stage: number % 4 === 0 ? "test" : "production" };
      const cores = [2, 4, 8, 16][Math.floor(dice() * 4)];
      const name = `${web ? "web" : "sql"}${String(number).padStart(2, "0")}`;
      const group = web ? "shop" : "data";
      add(tenant, group, "Microsoft.Compute/virtualMachines", name, tags, [
        [meterOf(web ? "Base VM Size Hours" : "Windows VM Size Hours"), () => String(cores)],
        [meterOf("VM size hours"), () => "1"],
      ]);
      add(tenant, group, "Microsoft.Compute/disks", `${name}-os`, tags, [
        [meterOf(web ? "S10" : "P30"), () => (1 / 720).toString()],
        [meterOf("ActualStandardDiskSize"), (hour) => ((20 + number + (hour % 50) / 7) / 720).toString()],
      ]);
      if (web) add(tenant, group, "Microsoft.Network/publicIPAddresses", `${name}-ip`, tags, [[meterOf("Static IP Address Usage"), () => "1"]]);
    }
    for (const account of ["images", "backup"]) {
      const size = 200 + dice() * 4000;
      add(tenant, "data", "Microsoft.Storage/storageAccounts", `${account}${index}`, { cc: "0815" }, [
        [meterOf("BlockBlobCapacity"), (hour, roll) => (size * (1 + hour / 9000) + roll() * 3).toString()],
        [meterOf("PageBlobCapacity"), (hour, roll) => (size / 7 + roll()).toString()],
        [meterOf("BlobTransactions"), (hour, roll) => (roll() * 4).toFixed(4)],
        [meterOf("BlobDataTransIn"), (hour, roll) => (roll() * 2).toFixed(9)],
        [meterOf("BlobDataTransOut"), (hour, roll) => (roll() * (hour % 24 > 7 && hour % 24 < 20 ? 9 : 2)).toString()],
      ]);
    }
    if (index < 2) {
      add(tenant, "apps", "Microsoft.Web/sites", "orders", { cc: "4711" }, [[meterOf("Shared App Service Hours"), () => "1"]]);
      add(tenant, "apps", "Microsoft.KeyVault/vaults", "keys", {}, [[meterOf("Key Vault transactions"), (hour, roll) => (roll() / 5).toFixed(5)]]);
    }
  });
  // A meter that nobody has described.
  resources[0].meters.push([{ meterId: "3f0f9a3c-0000-4bd0-a6a5-2f6d1c2b7e11", resourceProvider: "Example.Backup" }, () => "0.125"]);
  return resources;
}

class Usage {
  constructor(now) {
    this.resources = makeResources();
    this.rows = [];
    for (let hour = Math.floor(now / DAY) * DAY - 35 * DAY; hour + HOUR <= now; hour += HOUR) this.pass(hour);
  }

  /* The usage of one hour, reported in the next; some late, some producers silent for a while. */
  pass(hour) {
    const roll = random(hour / HOUR);
    for (const resource of this.resources) {
      const deleted = TENANTS.find((each) => each.subscriptionId === resource.subscriptionId).state === "Deleted";
      const age = (hour / HOUR) % 840;
      if (deleted && age > 400) continue;
      for (const [meter, quantity] of resource.meters) {
        const text = quantity(hour / HOUR, roll);
        const asleep = meter.category === "Compute" && resource.resourceUri.includes("sql") && new Date(hour).getUTCDay() % 6 === 0;
        if (asleep) continue;
        const late = roll() < 0.03 ? Math.floor(roll() * 5) : 0;
        this.rows.push({ hour, reported: hour + HOUR * (1 + late), meter, resource, units: toUnits(text) });
      }
    }
  }
}

const DIMENSIONS = {
  subscription: ["subscriptionId", ({ resource }) => resource.subscriptionId],
  meter: ["meterId", ({ meter }) => meter.meterId],
  resource: ["resourceUri", ({ resource }) => resource.resourceUri],
  location: ["location", ({ resource }) => resource.location],
  source: ["source", ({ meter }) => meter.resourceProvider],
};
const dimensionReader = (name) =>
  name.startsWith("tag:") ? ({ resource }) => resource.tags[name.slice(4)] : DIMENSIONS[name]?.[1];

/* ---- producers: one per provider, the last of them silent for some hours ---- */

const SILENT = { source: "Microsoft.KeyVault", hours: 9 };
const isoTime = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");

class Producers {
  constructor(now) {
    this.silentFrom = Math.floor(now / HOUR) * HOUR - SILENT.hours * HOUR;
    this.settings = new Map();
    this.alert = { id: "1", kind: "ProducerSilent", subject: `${SILENT.source}/${SILENT.source}`, state: "open",
      text: `no usage since ${isoTime(this.silentFrom)}; expected every hour. Its usage from then on is unknown, not zero`,
      since: isoTime(now), lastSeen: isoTime(now) };
  }

  setting(source) {
    if (!this.settings.has(source)) this.settings.set(source, { cadence: null, retired: false });
    return this.settings.get(source);
  }

  row(source, now) {
    const { cadence, retired } = this.setting(source);
    const silent = source === SILENT.source && !retired;
    const last = silent || retired ? this.silentFrom - HOUR : Math.floor(now / HOUR) * HOUR - HOUR;
    return { producer: source, source, state: retired ? "retired" : silent ? "silent" : "reporting",
      silentSince: silent ? isoTime(this.silentFrom) : null, due: isoTime(last + 2.6 * HOUR), firstUsageHour: isoTime(now - 35 * DAY),
      lastUsageHour: isoTime(last), lastReportedTime: isoTime(last + 1.1 * HOUR), completeBefore: null, records: 4711,
      cadence: cadence ?? "PT1H", cadenceIsSet: cadence !== null, learntCadence: "PT1H", retired };
  }

  rows(now) {
    return [...new Set(METERS.map(({ resourceProvider }) => resourceProvider))].map((source) => this.row(source, now));
  }

  hours(from, to, now) {
    return this.rows(now).flatMap((row) => {
      const last = Date.parse(row.lastUsageHour);
      const hours = [];
      for (let hour = from; hour < to && (!row.retired || hour <= last); hour += HOUR) {
        const state = hour < last ? "complete" : hour > last && row.state === "silent" && hour < now - 1.6 * HOUR ? "silent" : "open";
        hours.push({ ...row, hour: isoTime(hour), state, records: hour <= last ? 84 : 0 });
      }
      return hours;
    });
  }

  silences(from, to, now) {
    const hours = this.hours(from, to, now).filter(({ state }) => state === "silent").map(({ hour }) => Date.parse(hour));
    if (hours.length === 0) return [];
    return [{ producer: SILENT.source, source: SILENT.source, from: isoTime(hours[0]), to: isoTime(hours.at(-1) + HOUR) }];
  }
}

/* ---- the records behind the rows ---- */

const idOf = (index) => `mock-${index}`;
const EXPLAIN_PAGE = 10;

const recordOf = ({ hour, reported, meter, resource, units }, index) => ({
  sequence: String(index + 1), reportedTime: isoTime(reported + 6 * 60_000), producer: meter.resourceProvider, id: idOf(index),
  source: meter.resourceProvider, subscriptionId: resource.subscriptionId, meterId: meter.meterId, resourceUri: resource.resourceUri,
  location: resource.location, usageStartTime: isoTime(hour), usageEndTime: isoTime(hour + HOUR), quantity: toText(units), tags: resource.tags,
});
const correctionOf = ({ correction }, index) => ({ sequence: String(index + 1), ...correction });

function explain(usage, query, session) {
  const [from, length] = query.has("usageDay") ? [Date.parse(query.get("usageDay")), DAY] : [Date.parse(query.get("usageHour")), HOUR];
  const reported = Date.parse(query.get("reportedHour") ?? "");
  const uri = query.get("resourceUri");
  if (session.subscriptionId && session.subscriptionId !== query.get("subscriptionId")) {
    throw new Refusal(404, "SubscriptionNotFound", "the subscription could not be found");
  }
  return usage.rows.map((row, index) => [row, index]).filter(([row]) => row.hour >= from && row.hour < from + length &&
    (Number.isNaN(reported) || row.reported === reported) && row.meter.meterId === query.get("meterId") &&
    row.resource.subscriptionId === query.get("subscriptionId") && (!uri || row.resource.resourceUri === uri));
}

function findRecord(usage, source, id, session) {
  const index = Number(/^mock-(\d+)$/.exec(id)?.[1] ?? NaN);
  const row = usage.rows[index];
  const seen = row && !row.correction && row.meter.resourceProvider === source &&
    (!session.subscriptionId || session.subscriptionId === row.resource.subscriptionId);
  if (!seen) throw new Refusal(404, "RecordNotFound", "there is no record with this source and id here; check both, and whose they are");
  const all = usage.rows.map((each, at) => [each, at]).filter(([each, at]) => at === index || each.corrects === index);
  return { index, row, all };
}

function correct(usage, { source, id, action, quantity = "0", reason }, session, now) {
  const { index, row, all } = findRecord(usage, source, id, session);
  const units = toUnits(quantity) - all.reduce((sum, [each]) => sum + each.units, 0n);
  if (units === 0n) return { source, id, action, quantity, difference: "0", changed: false };
  const correction = { reportedTime: isoTime(now), original: String(index + 1), source, id, action, quantity,
    difference: toText(units), reason, by: session.username };
  usage.rows.push({ ...row, reported: Math.floor(now / HOUR) * HOUR, units, corrects: index, correction });
  return { ...correctionOf(usage.rows.at(-1), usage.rows.length - 1), changed: true };
}

/* What operators look into; little of it, and always the same. */
const FINDING = { kind: "over-window", count: 2, subscriptionId: TENANTS[0].subscriptionId, source: "Microsoft.Compute",
  producer: "Microsoft.Compute", message: "16 of VM hours, where the window can hold 1.000001" };

class Refusal extends Error {
  constructor(status, code, message, target) {
    super(message);
    Object.assign(this, { status, code, target });
  }
}

function readFilter(text) {
  if (!text) return [];
  return text.split(/ and (?=[\w:.-]+ eq ')/).map((part) => {
    const match = /^([\w:. -]+) eq '(.*)'$/.exec(part);
    const member = match?.[1];
    const name = Object.keys(DIMENSIONS).find((each) => DIMENSIONS[each][0] === member) ?? member ?? "";
    const read = dimensionReader(name);
    if (!match || !read) throw new Refusal(400, "InvalidProperty", `the filter is not understood: ${part}`, "filter");
    return [read, match[2].replaceAll("''", "'")];
  });
}

function summarize(usage, query, session, now) {
  const from = Date.parse(query.get("from"));
  const to = Date.parse(query.get("to"));
  const granularity = query.get("granularity") ?? "daily";
  const step = { hourly: HOUR, daily: DAY, total: Infinity }[granularity];
  const edge = granularity === "daily" ? DAY : HOUR;
  if (!(from < to)) throw new Refusal(400, "InvalidProperty", "to must lie after from", "to");
  if (from % edge || to % edge) throw new Refusal(400, "InvalidProperty", "from and to must be on the granularity's boundary", "from");
  const axis = query.get("axis") === "reported" ? "reported" : "hour";
  const groupBy = (query.get("groupBy") ?? "").split(",").filter(Boolean);
  const readers = groupBy.map((name) => {
    const read = dimensionReader(name);
    if (!read) throw new Refusal(400, "InvalidProperty", `cannot group by ${name}`, "groupBy");
    return read;
  });
  const filter = readFilter(query.get("filter"));
  if (session.subscriptionId) filter.push([DIMENSIONS.subscription[1], session.subscriptionId]);
  const groups = new Map();
  for (const row of usage.rows) {
    if (row[axis] < from || row[axis] >= to || row.reported > now) continue;
    if (filter.some(([read, value]) => read(row) !== value)) continue;
    const start = step === Infinity ? from : Math.floor(row[axis] / step) * step;
    const values = readers.map((read) => read(row));
    const key = JSON.stringify([start, values, row.meter.unit, row.meter.unit ? "" : row.meter.meterId]);
    const group = groups.get(key);
    if (group) {
      group.units += row.units;
      group.records += row.corrects === undefined ? 1 : 0;
    } else {
      groups.set(key, { key, start, values, meter: row.meter, units: row.units, records: 1 });
    }
  }
  const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
  return [...groups.values()]
    .sort((a, b) => a.start - b.start || (a.key < b.key ? -1 : 1))
    .map(({ start, values, meter, units, records }) => {
      const row = { start: iso(start), end: iso(step === Infinity ? to : start + step) };
      groupBy.forEach((name, index) => {
        if (name.startsWith("tag:")) row.tags = { ...row.tags, [name.slice(4)]: values[index] ?? null };
        else row[DIMENSIONS[name][0]] = values[index];
        if (name === "meter" && meter.name) row.meterName = meter.name;
      });
      if (meter.unit) row.unit = meter.unit;
      else row.meterId = meter.meterId;
      return { row, quantity: toText(units), records };
    });
}

function toCsv(rows, query) {
  const groupBy = (query.get("groupBy") ?? "").split(",").filter(Boolean);
  const always = ["meterId", "meterName", "unit"];
  const columns = ["start", "end", ...(groupBy.includes("subscription") ? ["subscriptionId"] : []), ...always,
    ...["resource", "location", "source"].filter((each) => groupBy.includes(each)).map((each) => DIMENSIONS[each][0]),
    ...groupBy.filter((each) => each.startsWith("tag:"))];
  const field = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = rows.map(({ row, quantity, records }) => {
    const value = (name) => (name.startsWith("tag:") ? row.tags[name.slice(4)] : row[name]) ?? "";
    return [...columns.map((name) => field(value(name))), quantity, records].join(",");
  });
  return [[...columns, "quantity", "records"].join(","), ...lines, ""].join("\r\n");
}

/* ---- the server ---- */

class Mock {
  constructor({ vendored, now }) {
    this.vendored = vendored;
    this.now = now;
    this.startedAt = now;
    this.usage = new Usage(now);
    this.producers = new Producers(now);
    this.commerce = new Commerce({ now, Refusal, provider: PROVIDER_SUBSCRIPTION, tenants: TENANTS.map(({ username, password, ...each }) => each) });
    this.sessions = new Map();
    this.requests = 0;
    this.audit = Array.from({ length: 230 }, (_, index) => ({ sequence: String(index + 1), time: isoTime(now - (230 - index) * HOUR),
      by: index % 7 ? "Microsoft.Compute" : "operator", action: index % 7 ? "usage.correct" : "token.create", subject: index % 7 ? "records" : `tokens/${index}`,
      detail: index % 7 ? { corrections: 4, firstSequence: String(index * 90) } : undefined }));
  }

  session(request) {
    const id = /(?:^|; )session=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
    return this.sessions.get(id) && { id, ...this.sessions.get(id) };
  }

  file(urlPath) {
    const name = VENDORED[urlPath]
      ? path.join(this.vendored, VENDORED[urlPath])
      : path.join(WEB, urlPath.endsWith("/") ? `${urlPath}index.html` : urlPath);
    const inside = VENDORED[urlPath] || name.startsWith(WEB);
    const type = TYPES[path.extname(name)];
    if (!inside || !type || !existsSync(name) || !statSync(name).isFile()) return null;
    if (path.dirname(name) !== DOCS || path.extname(name) !== ".html") return [readFileSync(name), type];
    return [execFileSync("python3", [path.join(WEB, "embed.py"), "--page", path.basename(name)]), type];
  }

  async answer(request, response) {
    const url = new URL(request.url, "http://mock");
    const headers = { "x-ms-request-id": randomBytes(8).toString("hex"), "Cache-Control": "no-cache", "Content-Security-Policy": POLICY,
      "X-Content-Type-Options": "nosniff" };
    this.requests++;
    const send = (status, body, more = {}) => {
      response.writeHead(status, { ...headers, ...more });
      response.end(body);
    };
    const json = (status, value, more) => send(status, JSON.stringify(value), { "Content-Type": "application/json", ...more });
    try {
      const file = request.method === "GET" && this.file(url.pathname);
      if (file) return send(200, file[0], { "Content-Type": file[1] });
      if (request.method !== "GET" && request.headers["x-stampmeter-console"] !== "1") {
        throw new Refusal(403, "AuthorizationFailed", "the header X-Stampmeter-Console is missing");
      }
      let body = "";
      for await (const part of request) body += part;
      await this.route(`${request.method} ${url.pathname}`, { url, request, text: body, json, send,
        body: body && request.headers["content-type"] !== "text/csv" && JSON.parse(body) });
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      const { status = 500, code = "InternalServerError", message, target } = error;
      json(status, { error: { code, message, target } });
    }
  }

  async route(name, { url, request, body, text, json, send }) {
    if (name === "POST /v1/session") return this.signIn(body, json);
    const session = this.session(request);
    if (!session) throw new Refusal(401, "AuthenticationFailed", "the request carries no valid credentials");
    const commercial = this.commerce.answer({ method: request.method, path: url.pathname, query: url.searchParams, body, text, session, now: this.now,
      csv: request.headers.accept?.includes("text/csv"), usageOf: (...which) => this.usageOf(...which) });
    if (commercial?.text) return send(200, commercial.text, { "Content-Type": "text/csv" });
    if (commercial) return json(commercial.status, commercial.body ?? {});
    const needsOperator = () => {
      if (session.role !== "operator") throw new Refusal(403, "AuthorizationFailed", "this identity may not perform the action");
    };
    switch (name) {
      case "GET /v1/session":
        return json(200, { ...session, id: undefined });
      case "DELETE /v1/session":
        this.sessions.delete(session.id);
        return send(204);
      case "GET /v1/meters":
        return json(200, { value: METERS });
      case "GET /v1/subscriptions":
        return json(200, { value: TENANTS.map(({ username, password, ...each }) => each)
          .filter((each) => session.role === "operator" || each.subscriptionId === session.subscriptionId) });
      case "GET /v1/status":
        needsOperator();
        return json(200, this.status());
      case "POST /v1/clock": {
        needsOperator();
        const before = this.now;
        this.now += { PT1H: HOUR, P1D: DAY }[body.advance];
        for (let hour = Math.floor(before / HOUR) * HOUR; hour + HOUR <= this.now; hour += HOUR) this.usage.pass(hour);
        return json(200, { now: new Date(this.now).toISOString() });
      }
      case "GET /v1/producers":
        needsOperator();
        return json(200, { value: this.producers.rows(this.now) });
      case "GET /v1/watermarks": {
        needsOperator();
        const [from, to] = ["from", "to"].map((each) => Date.parse(url.searchParams.get(each)));
        return json(200, { value: this.producers.hours(from, to, this.now) });
      }
      case "GET /v1/alerts":
        needsOperator();
        return json(200, { value: this.producers.row(SILENT.source, this.now).retired ? [] : [this.producers.alert] });
      case "POST /v1/alerts/1/acknowledge":
        needsOperator();
        return json(200, Object.assign(this.producers.alert, { state: "acknowledged", acknowledgedBy: "operator" }));
      case "GET /v1/explain":
        return json(200, this.explain(url, request, session));
      case "POST /v1/corrections":
        needsOperator();
        return json(200, this.correct(body, session));
      case "GET /v1/changes": {
        needsOperator();
        const index = Number(url.searchParams.get("after"));
        return json(200, { value: [{ kind: "record", ...recordOf(this.usage.rows[index], index) }], last: String(index + 1) });
      }
      case "GET /v1/findings":
        needsOperator();
        return json(200, { value: this.findings(url.searchParams.get("check") === "sums") });
      case "GET /v1/audit": {
        if (session.role !== "commerce") needsOperator();
        const before = Number(url.searchParams.get("before") || Infinity);
        const rows = this.audit.filter(({ sequence }) => Number(sequence) < before).reverse();
        const value = rows.slice(0, Number(url.searchParams.get("limit")));
        return json(200, { value, nextLink: value.length < rows.length
          ? `http://${request.headers.host}/v1/audit?limit=${value.length}&before=${value.at(-1).sequence}` : undefined });
      }
      case "GET /v1/summary":
        return this.summary(url, request, session, json, send);
      default: {
        const [, ...record] = /^GET \/v1\/records\/([^/]+)\/([^/]+)$/.exec(name) ?? [];
        if (record.length > 0) return json(200, this.record(...record.map(decodeURIComponent), session));
        const [, source] = /^PUT \/v1\/watermarks\/[^/]+\/([^/]+)$/.exec(name) ?? [];
        if (!source) throw new Refusal(404, "ResourceNotFound", "there is nothing at this address");
        needsOperator();
        Object.assign(this.producers.setting(decodeURIComponent(source)), body);
        return json(200, this.producers.row(decodeURIComponent(source), this.now));
      }
    }
  }

  signIn({ username, password }, json) {
    const tenant = [...TENANTS, COMMERCE].find((each) => each.username && each.username === username && each.password === password);
    if (!tenant && !(username === "operator" && password === "operator")) {
      throw new Refusal(401, "AuthenticationFailed", "the user name or the password is wrong");
    }
    const session = { username, role: tenant ? (tenant.role ?? "tenant") : "operator", subscriptionId: tenant?.role ? undefined : tenant?.subscriptionId,
      expires: new Date(this.now + 12 * HOUR).toISOString() };
    const id = randomBytes(16).toString("hex");
    this.sessions.set(id, session);
    json(200, session, { "Set-Cookie": `session=${id}; HttpOnly; SameSite=Strict; Path=/` });
  }

  explain(url, request, session) {
    const found = explain(this.usage, url.searchParams, session);
    const skip = Number(url.searchParams.get("continuationToken") ?? 0);
    const next = new URL(url.pathname + url.search, `http://${request.headers.host}`);
    next.searchParams.set("continuationToken", skip + EXPLAIN_PAGE);
    const page = found.slice(skip, skip + EXPLAIN_PAGE);
    const sum = (rows) => toText(rows.reduce((total, [{ units }]) => total + units, 0n));
    const value = page.map(([row, index]) => ({ ...(row.correction ? { kind: "correction", ...correctionOf(row, index) }
      : { kind: "record", ...recordOf(row, index) }), share: toText(row.units) }));
    return { value, quantity: found.length > 0 ? sum(found) : null, records: found.filter(([{ correction }]) => !correction).length,
      explained: sum(page), nextLink: skip + EXPLAIN_PAGE < found.length ? next.href : undefined };
  }

  record(source, id, session) {
    const { index, row, all } = findRecord(this.usage, source, id, session);
    return { record: recordOf(row, index), corrections: all.slice(1).map(([each, at]) => correctionOf(each, at)),
      counted: all.map(([{ hour, reported, units }]) => ({ reportedHour: isoTime(reported), usageHour: isoTime(hour), quantity: toText(units) })) };
  }

  correct(body, session) {
    const answer = correct(this.usage, body, session, this.now);
    if (answer.changed) {
      this.audit.push({ sequence: String(this.audit.length + 1), time: isoTime(this.now), by: session.username, action: "usage.correct",
        subject: "records", detail: { corrections: 1, firstSequence: answer.sequence } });
    }
    return answer;
  }

  findings(sums) {
    const index = this.usage.rows.findIndex(({ meter }) => meter.name === "VM size hours");
    const { meter, resource, hour, reported } = this.usage.rows[index];
    const of = { kind: FINDING.kind, subscriptionId: resource.subscriptionId, meterId: meter.meterId, resourceUri: resource.resourceUri };
    return sums
      ? [{ ...of, usageHour: isoTime(hour), reportedHour: isoTime(reported), unit: meter.unit, quantity: 16, limit: 1.000001 }]
      : [{ ...FINDING, ...of, firstTime: isoTime(reported), lastTime: isoTime(reported + HOUR), recordSequence: String(index + 1) }];
  }

  /* One subscription's usage by meter, as the report of tenants has it. */
  usageOf(subscriptionId, from, to) {
    const query = new URLSearchParams({ from: isoTime(from), to: isoTime(to), granularity: "total", groupBy: "meter" });
    return summarize(this.usage, query, { subscriptionId }, this.now)
      .map(({ row: { meterId, meterName, unit }, quantity, records }) => ({ meterId, meterName, unit, quantity, records }));
  }

  summary(url, request, session, json, send) {
    const rows = summarize(this.usage, url.searchParams, session, this.now);
    if (request.headers.accept?.includes("text/csv")) return send(200, toCsv(rows, url.searchParams), { "Content-Type": "text/csv; charset=utf-8" });
    const skip = Number(url.searchParams.get("continuationToken") ?? 0);
    const page = rows.slice(skip, skip + 1000).map(
      // By hand, because JSON.stringify has no exact numbers.
      ({ row, quantity, records }) => `${JSON.stringify(row).slice(0, -1)},"quantity":${quantity},"records":${records}}`,
    );
    const [from, to] = ["from", "to"].map((each) => Date.parse(url.searchParams.get(each)));
    const hour = Math.floor(this.now / HOUR) * HOUR;
    const byUsage = url.searchParams.get("axis") !== "reported";
    const silent = byUsage ? this.producers.silences(from, to, this.now) : undefined;
    const watermark = byUsage ? Math.min(to, silent.length > 0 ? Date.parse(silent[0].from) - HOUR : hour - HOUR) : hour;
    const tail = { silent, complete: to <= watermark, watermark: new Date(watermark).toISOString() };
    if (skip + 1000 < rows.length) {
      const next = new URL(url.pathname + url.search, `http://${request.headers.host}`);
      next.searchParams.set("continuationToken", skip + 1000);
      tail.nextLink = next.href;
    }
    return send(200, `{"value":[${page.join(",")}],${JSON.stringify(tail).slice(1)}`, { "Content-Type": "application/json" });
  }

  /* A disk that is nearly full, and a clock that is not trusted. */
  retention(accepted) {
    const part = (bytes, keepDays) => ({ bytes: accepted * bytes, bytesPerDay: accepted * bytes / 35 | 0,
      ...(keepDays ? { keepDays, daysUntilSteady: keepDays - 35, steadyBytes: accepted * bytes * keepDays / 35 | 0 }
        : { bytesInAYear: accepted * bytes * 365 / 35 | 0 }) });
    return { waitsForTrust: true, hourlySince: null, dailySince: null,
      sizes: { journal: part(70), hourly: part(52, 400), daily: part(9), rejects: part(2, 90), audit: part(1, 400), dedupe: part(34),
        dictionary: part(1), total: { ...part(169), forecastBytes: accepted * 1690, diskFreeBytes: 2_000_000_000, daysUntilFull: 21 } } };
  }

  status() {
    const accepted = this.usage.rows.length;
    return {
      version: "0.1.0", now: new Date(this.now).toISOString(), startedAt: new Date(this.startedAt).toISOString(),
      uptimeSeconds: Math.floor((this.now - this.startedAt) / 1000) + 4711, demo: true, ready: true,
      store: { fileSizeBytes: 48_234_496, usedSizeBytes: accepted * 350, mapSizeBytes: 1_073_741_824, sequence: String(accepted),
        firstReportedTime: new Date(this.startedAt - 35 * DAY).toISOString(), lastReportedTime: new Date(this.now - 61_000).toISOString(),
        sealedUntil: isoTime(Math.floor(this.now / HOUR) * HOUR), headSequence: accepted - 40, seals: 3, clockWentBack: 0 },
      retention: this.retention(accepted),
      ingest: { accepted, duplicate: 214, conflict: 3, rejected: 17, commits: 8123, queuedRecords: 0, lastCommitMs: 1.72 },
      net: { connections: 4, requests: this.requests, bytesIn: accepted * 410, bytesOut: this.requests * 5123 },
    };
  }
}

/** Starts it; resolves to what a ready file holds, and close(). */
export async function startMock({ now = Date.parse("2026-11-21T10:20:00Z"), port = 0 } = {}) {
  const vendored = [path.join(ROOT, "vendor", ".src"), process.env.STAMPMETER_NODE_MODULES].find(
    (folder) => folder && existsSync(path.join(folder, "preact")),
  );
  if (!vendored) throw new Error("build once (./vendor/zig build), or set STAMPMETER_NODE_MODULES to a folder with preact, htm and uplot");
  const mock = new Mock({ vendored, now });
  const server = createServer((request, response) => mock.answer(request, response));
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    operator: { username: "operator", password: "operator" },
    tenants: TENANTS.filter(({ username }) => username),
    commerce: COMMERCE,
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMock({ port: Number(process.argv[2] ?? 0) });
  console.log(`console against made-up usage: ${url}`);
}
