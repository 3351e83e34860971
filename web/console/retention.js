/* What the store keeps how long, what that takes now, and what it comes to: a part of the Status page. */

import { showMinute } from "./time.js";
import { html, showBytes } from "./ui.js";

const FULL_SOON_DAYS = 30;
const FULL_LATER_DAYS = 180;

/* In the order in which they are shown. What is never dropped by age has no setting. */
const CLASSES = {
  journal: "Records, as they were posted",
  hourly: "Usage by the hour",
  daily: "Usage by the day",
  dedupe: "Index against duplicates",
  dictionary: "Names of resources and meters",
  rejects: "Refused records",
  audit: "Audit log",
};

const showDays = (days) => (days === "1" ? "1 day" : `${days} days`);

/* What it comes to, and by when. */
function outlook({ keepDays, daysUntilSteady, steadyBytes, bytesInAYear }) {
  if (!keepDays) return `${showBytes(bytesInAYear)} in a year`;
  return daysUntilSteady === "0" ? `stays about ${showBytes(steadyBytes)}` : `${showBytes(steadyBytes)} in ${showDays(daysUntilSteady)}, then no more`;
}

/* When there is no room left, and how much that matters: [kind of notice, words]. */
function room({ daysUntilFull, diskFreeBytes }) {
  const free = `${showBytes(diskFreeBytes)} of the disk are free`;
  if (daysUntilFull === null) return ["", `${free}: room for longer than can be foreseen.`];
  const days = Number(daysUntilFull);
  const kind = days < FULL_SOON_DAYS ? "bad" : days < FULL_LATER_DAYS ? "warn" : "";
  return [kind, `${free}: at this rate it is full in ${showDays(daysUntilFull)}.${kind ? " Make room on the disk, or keep less." : ""}`];
}

const Gauge = ({ title, part, whole }) => html`
  <div class="gauge">
    <label>${title}<progress max=${Number(whole) || 1} value=${Number(part)}></progress></label>
    <span class="dim">${showBytes(part)} of ${showBytes(whole)}</span>
  </div>`;

export function Retention({ retention, store }) {
  const { sizes, waitsForTrust, hourlySince, dailySince } = retention;
  const { total } = sizes;
  const [kind, words] = room(total);
  const since = (text) => `${showMinute(Date.parse(text))} UTC`;
  return html`
    <section class="panel" aria-labelledby="status-retention">
      <h2 id="status-retention">Store</h2>
      <${Gauge} title="File, of the size it may reach" part=${store.fileSizeBytes} whole=${store.mapSizeBytes} />
      <p>What is kept takes <strong>${showBytes(total.bytes)}</strong> and grows by about <strong>${showBytes(total.bytesPerDay)}</strong> a day.
        If the next days are like the last ones, it comes to about <strong>${showBytes(total.forecastBytes)}</strong> within a year.
        ${!kind && ` ${words}`}</p>
      ${kind && html`<p class=${`notice ${kind}`}>${words}</p>`}
      ${waitsForTrust && html`<p class="notice warn">Nothing is dropped for the time being, because the store is new or time made a leap: the
        clock may be wrong. It goes on by itself after 72 ordinary hours, or when you say that the clock is right:
        ${" "}<a href="/docs/retention.html#clock">wrong clocks</a>.</p>`}
      ${(hourlySince || dailySince) && html`<p class="dim">Older usage has been dropped:${hourlySince && ` by the hour there is usage since ${since(hourlySince)}`}${
        hourlySince && dailySince && ","}${dailySince && ` by the day since ${since(dailySince)}`}.</p>`}
      <div class="table-scroll" role="region" aria-label="What is kept" tabindex="0"><table class="stack">
        <thead><tr><th scope="col">What</th><th scope="col">Kept for</th><th scope="col" class="number-column">Takes now</th>
          <th scope="col" class="number-column">Grows a day</th><th scope="col">Comes to</th></tr></thead>
        <tbody>${Object.entries(CLASSES).filter(([name]) => sizes[name]).map(([name, title]) => html`<tr key=${name}>
          <th scope="row">${title}</th>
          <td data-label="Kept for">${sizes[name].keepDays ? showDays(sizes[name].keepDays) : "ever"}</td>
          <td class="number-column" data-label="Takes now">${showBytes(sizes[name].bytes)}</td>
          <td class="number-column" data-label="Grows a day">${showBytes(sizes[name].bytesPerDay)}</td>
          <td data-label="Comes to">${outlook(sizes[name])}</td></tr>`)}</tbody></table></div>
      <p class="dim small">How long is set by retention in the configuration: <a href="/docs/retention.html">retention and size</a>.</p>
    </section>`;
}
