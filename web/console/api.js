/* All talk with the server. JSON is read exactly: every number arrives as its own text, because JSON.parse would
 * round quantities to a double. The session is a cookie that scripts cannot see; every request that changes
 * something carries a header of its own, which other sites cannot send. */

const PAGE_LIMIT = 20; // nextLinks followed for one answer: 20,000 rows

/** What went wrong, in words a person can act on. */
export class ApiError extends Error {
  constructor({ status = 0, code, message, target, requestId }) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.target = target;
    this.requestId = requestId;
  }
}

const TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON.parse in which numbers become texts: {"quantity":0.10} gives {quantity: "0.10"}. Strings are stepped over
 *  as whole tokens, so that digits inside them are left alone. */
export function readExact(text) {
  return JSON.parse(text.replace(TOKEN, (token) => (token[0] === '"' ? token : `"${token}"`)));
}

/** Called when the server no longer knows the session; app.js shows the sign-in page. */
let signedOut = () => {};
export const onSignedOut = (callback) => (signedOut = callback);

async function failure(response) {
  let error = {};
  try {
    error = JSON.parse(await response.text()).error ?? {};
  } catch {
    // Not one of ours, perhaps a proxy's page: the status must do.
  }
  const wait = response.headers.get("Retry-After");
  const message = error.message ?? `The server answered with status ${response.status}.`;
  return new ApiError({
    status: response.status,
    code: error.code ?? `HTTP ${response.status}`,
    message: wait ? `${message} Try again in ${wait} s.` : message,
    target: error.target,
    requestId: response.headers.get("x-ms-request-id") ?? undefined,
  });
}

/** One request (a body that is a text goes as it is, of the type given); resolves to the Response when it succeeded, else throws
 *  an ApiError (or an AbortError). */
export async function request(path, { method = "GET", body, type = "application/json", accept = "application/json", signal } = {}) {
  const headers = { Accept: accept };
  if (method !== "GET") headers["X-Stampmeter-Console"] = "1";
  if (body !== undefined) headers["Content-Type"] = type;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
      signal,
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({
      code: "ServerUnreachable",
      message: "The server does not answer. Check that it runs and that the network reaches it, then try again.",
    });
  }
  if (response.ok) return response;
  if (response.status === 401 && path !== "/v1/session") signedOut();
  throw await failure(response);
}

/** The JSON of an answer, numbers as texts. */
export const get = async (path, options) => readExact(await (await request(path, options)).text());

const send = (method) => async (path, body, options) => {
  const text = await (await request(path, { method, body, ...options })).text();
  return text ? readExact(text) : null;
};
export const post = send("POST");
export const put = send("PUT");
export const remove = send("DELETE");

/** All rows of a list, following nextLink up to PAGE_LIMIT pages (or `pages`). `more` tells that rows are left. */
export async function getAll(path, { signal, pages = PAGE_LIMIT } = {}) {
  const rows = [];
  let next = path;
  let last = {};
  for (let page = 0; next && page < pages; page++) {
    last = await get(next, { signal });
    for (const row of last.value) rows.push(row);
    if (!last.nextLink) return { ...last, value: rows, more: false };
    // Links are absolute; the console only ever asks the server it came from.
    const link = new URL(last.nextLink, location.href);
    next = link.pathname + link.search;
  }
  return { ...last, value: rows, more: true };
}

/* ---- the session and the server's clock ---- */

export const signIn = (username, password) => post("/v1/session", { username, password });
export const signOut = () => request("/v1/session", { method: "DELETE" });

/** The session, or null when nobody is signed in. */
export async function readSession() {
  try {
    return await get("/v1/session");
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

export const readStatus = (signal) => get("/v1/status", { signal });

let clock = null; // { hour, at }: the hour that runs on the server, and when that was learnt
const CLOCK_KEEPS = 20_000;

/** The start of the server's current hour, ms: what "today" means. The machine's own clock does not count, a demo's
 *  time is simulated. A summary's watermark tells it to everybody who may read usage, so a small one is asked for. */
export async function serverHour() {
  if (!clock || performance.now() - clock.at > CLOCK_KEEPS) {
    const nothing = { from: "1970-01-01T00:00:00Z", to: "1970-01-01T01:00:00Z", axis: "reported", granularity: "total" };
    clock = { hour: Date.parse((await get(summaryPath(nothing))).watermark), at: performance.now() };
  }
  return clock.hour;
}

/** The demo's clock: moves on, and answers when all that falls due until then has been done. */
export async function advanceClock(duration) {
  clock = null;
  return Date.parse((await post("/v1/clock", { advance: duration })).now);
}

/* ---- usage ---- */

const quote = (text) => `'${text.replaceAll("'", "''")}'`;

/** "?a=1&b=2" of what is given; members that are undefined, null or "" are left out. */
export function queryOf(members) {
  const given = Object.entries(members).filter(([, value]) => value !== undefined && value !== null && value !== "");
  // URLSearchParams writes blanks as '+', which an API that follows RFC 3986 reads as a plus sign.
  return given.length > 0 ? `?${new URLSearchParams(given).toString().replaceAll("+", "%20")}` : "";
}

/** The path of GET /v1/summary for a query {from, to, axis, granularity, groupBy, filters}; times as RFC 3339. */
export function summaryPath({ from, to, axis, granularity, groupBy, filters = [] }) {
  const query = new URLSearchParams({ from, to, axis, granularity });
  if (groupBy) query.set("groupBy", groupBy);
  if (filters.length > 0) {
    query.set("filter", filters.map(({ member, value }) => `${member} eq ${quote(value)}`).join(" and "));
  }
  // URLSearchParams writes blanks as '+', which an API that follows RFC 3986 reads as a plus sign.
  return `/v1/summary?${query.toString().replaceAll("+", "%20")}`;
}

export const downloadCsv = async (path, fileName) =>
  saveFile(await (await request(path, { accept: "text/csv" })).blob(), fileName);

export function saveFile(blob, fileName) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName;
  link.click();
  // The download has its own hold on the data once it has begun.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
