/* The Producers page: how far each producer has come hour by hour, who is silent, and what is expected of whom. An hour
 * without a word is shown as unknown, never as zero. */

import { get, getAll, post, request } from "./api.js";
import { groupDigits } from "./decimal.js";
import { LivePage } from "./live.js";
import { HOUR, floorTo, showMinute, toIso } from "./time.js";
import { Badge, Component, ErrorBox, Loading, html } from "./ui.js";

const HOURS = 48;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const STATES = {
  complete: "complete",
  open: "open, may still come",
  silent: "silent, usage unknown",
  none: "not expected",
};
const BADGES = { reporting: ["good", "Reporting"], silent: ["bad", "Silent"], retired: ["plain", "Retired"] };

const keyOf = ({ producer, source }) => `${producer}\n${source}`;
const pathOf = ({ producer, source }) => `/v1/watermarks/${encodeURIComponent(producer)}/${encodeURIComponent(source)}`;
const domId = (row) => `producer-${encodeURIComponent(keyOf(row))}`;

/** "PT1H" to "every hour". Cadences are whole hours; whole days are written as days. */
function showCadence(text) {
  if (!text) return "not known yet";
  const [, days, hours] = /^P(?:(\d+)D)?(?:T(\d+)H)?$/.exec(text) ?? [];
  const [count, unit] = days ? [Number(days), "day"] : [Number(hours), "hour"];
  return count === 1 ? `every ${unit}` : `every ${count} ${unit}s`;
}

const showTime = (text) => (text ? `${showMinute(Date.parse(text))}` : "never");

/** Hours of one producer as runs of the same state: [{state, from, to, records}]. */
function runsOf(cells) {
  const runs = [];
  for (const { at, state, records } of cells) {
    const last = runs.at(-1);
    if (last?.state === state) {
      last.to = at + HOUR;
      last.records += records;
    } else {
      runs.push({ state, from: at, to: at + HOUR, records });
    }
  }
  return runs.filter(({ state }) => state !== "none");
}

/* What the strip shows, for those who do not see it. */
function describe(cells) {
  const count = (state) => cells.filter((cell) => cell.state === state).length;
  const parts = ["complete", "open", "silent"].filter(count).map((state) => `${count(state)} ${state}`);
  const silent = runsOf(cells).filter(({ state }) => state === "silent");
  const where = silent.map(({ from, to }) => `${showMinute(from)} to ${showMinute(to)}`).join(", ");
  return `Of the last ${HOURS} hours ${parts.join(", ") || "none is known"}.${where && ` Silent: ${where} UTC.`}`;
}

const Strip = ({ cells }) => html`
  <div class="strip" role="img" aria-label=${describe(cells)}>
    ${cells.map(({ at, state, records }) => html`<span key=${at} class=${`hour ${state}${new Date(at).getUTCHours() === 0 ? " midnight" : ""}`}
      title=${`${showMinute(at)} UTC: ${STATES[state]}${records > 0n ? `, ${groupDigits(records.toString())} records` : ""}`}></span>`)}
  </div>
  <div class="strip-axis dim" aria-hidden="true">
    ${cells.map(({ at }, index) => {
      const date = new Date(at);
      const hour = date.getUTCHours();
      const room = index > 0 && index < HOURS - 2;
      const text = hour === 0 ? `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}` : hour === 12 ? "12:00" : "";
      return text && room && html`<span key=${at} style=${{ left: `${(index / HOURS) * 100}%` }}>${text}</span>`;
    })}
  </div>`;

const Legend = () => html`
  <ul class="legend" aria-label="Legend">
    ${["complete", "open", "silent"].map(
      (state) => html`<li key=${state}><span class=${`hour swatch-hour ${state}`} aria-hidden="true"></span>
        ${state === "complete" ? "Complete" : state === "open" ? "Open: may still come" : "Silent: unknown, not zero"}</li>`,
    )}
  </ul>`;

/** Lets an operator say what is to be expected of a producer. */
class Expectation extends Component {
  state = { busy: false, error: null, sure: false };

  async change(body) {
    this.setState({ busy: true, error: null });
    try {
      await request(pathOf(this.props.row), { method: "PUT", body });
      await this.props.onChanged();
    } catch (error) {
      this.setState({ error });
    }
    this.setState({ busy: false });
  }

  submit(event) {
    event.preventDefault();
    const text = event.target.elements.hours.value.trim();
    this.change({ cadence: text === "" ? null : `PT${Number(text)}H` });
  }

  /* What is declared complete stays complete, so it takes two steps. */
  ask() {
    this.setState({ sure: true }, () => this.yes?.focus());
  }

  async declare() {
    const { row, hour } = this.props;
    this.setState({ busy: true, error: null, sure: false });
    try {
      await post("/v1/watermarks", { producer: row.producer, source: row.source, complete: toIso(hour) });
      await this.props.onChanged();
    } catch (error) {
      this.setState({ error });
    }
    this.setState({ busy: false });
  }

  render({ row, hour }, { busy, error, sure }) {
    const id = domId(row);
    const set = row.cadenceIsSet ? /(\d+)([DH])/.exec(row.cadence) : null;
    const hours = set ? Number(set[1]) * (set[2] === "D" ? 24 : 1) : "";
    return html`
      <div class="expectation">
        <form class="row" onSubmit=${(event) => this.submit(event)}>
          <label for=${`${id}-cadence`}>Reports every</label>
          <input id=${`${id}-cadence`} name="hours" type="number" min="1" max="744" step="1" class="hours-input" defaultValue=${hours}
            key=${hours} aria-describedby=${`${id}-hint`} />
          <span>hours</span>
          <button class="button" disabled=${busy}>Save</button>
        </form>
        <p class="dim small" id=${`${id}-hint`}>Leave it empty to let it be learnt: ${showCadence(row.learntCadence)}.</p>
        <div class="row">
          ${row.state === "silent" && !sure &&
          html`<button type="button" class="button" disabled=${busy} onClick=${() => this.ask()}>Nothing is missing …</button>`}
          ${row.retired
            ? html`<button type="button" class="button" disabled=${busy} onClick=${() => this.change({ retired: false })}>Expect it again</button>`
            : html`<button type="button" class="button" disabled=${busy} onClick=${() => this.change({ retired: true })}>It has left for good</button>`}
        </div>
        ${row.state === "silent" && sure &&
        html`<div class="notice warn">
          <p>Every hour before ${showMinute(hour)} then counts as complete: what was not reported is zero. This cannot be taken
            back; usage that comes late is still added.</p>
          <div class="row">
            <button type="button" class="button" ref=${(node) => (this.yes = node)} onClick=${() => this.declare()}>Declare complete</button>
            <button type="button" class="button quiet" onClick=${() => this.setState({ sure: false })}>Cancel</button>
          </div>
        </div>`}
        ${error && html`<${ErrorBox} error=${error} title="That was not saved" />`}
      </div>`;
  }
}

/* Of a producer that posts under its own name, the name once. */
const nameOf = (subject) => {
  const [producer, source] = subject.split("/");
  return producer === source ? producer : subject;
};

/** One alert with the button that says that somebody looks after it; `named` where its subject is not at hand. */
export class Alert extends Component {
  state = { busy: false, error: null };

  async acknowledge() {
    this.setState({ busy: true, error: null });
    try {
      await post(`/v1/alerts/${this.props.alert.id}/acknowledge`);
      await this.props.onChanged();
    } catch (error) {
      this.setState({ error });
    }
    this.setState({ busy: false });
  }

  render({ alert, named }, { busy, error }) {
    const acknowledged = alert.state === "acknowledged";
    return html`
      <div class=${`notice alert ${acknowledged ? "warn" : "bad"}`}>
        <p>${named && html`<strong>${nameOf(alert.subject)}</strong>: `}${alert.text[0].toUpperCase() + alert.text.slice(1).replace(/(\d{4}-\d\d-\d\d)T(\d\d:\d\d):00Z/g, "$1 $2")}.
          <span class="dim"> Alert since ${showTime(alert.since)}${acknowledged ? `, acknowledged by ${alert.acknowledgedBy}` : ""}</span></p>
        ${!acknowledged &&
        html`<button type="button" class="button" disabled=${busy} onClick=${() => this.acknowledge()}
          aria-label=${`Acknowledge: ${alert.subject}`}>Acknowledge</button>`}
        ${error && html`<${ErrorBox} error=${error} title="That was not saved" />`}
      </div>`;
  }
}

export class ProducersPage extends LivePage {
  state = { ...this.state, data: null, done: "" };
  refreshMs = 15_000;

  async read() {
    const status = await get("/v1/status");
    const hour = floorTo(Date.parse(status.now), HOUR);
    const window = new URLSearchParams({ from: toIso(hour - (HOURS - 1) * HOUR), to: toIso(hour + HOUR) });
    const [producers, hours, alerts] = await Promise.all([
      getAll("/v1/producers"), getAll(`/v1/watermarks?${window}`), getAll("/v1/alerts"),
    ]);
    return { data: { hour, producers, hours: hours.value, alerts: alerts.value } };
  }

  async changed(what) {
    await this.load();
    this.setState({ done: what });
  }

  /* The strip's cells of each producer, oldest first. */
  cells() {
    const { hour, hours } = this.state.data;
    const known = new Map();
    for (const row of hours) {
      const key = keyOf(row);
      if (!known.has(key)) known.set(key, new Map());
      known.get(key).set(Date.parse(row.hour), row);
    }
    const first = hour - (HOURS - 1) * HOUR;
    return (row) =>
      Array.from({ length: HOURS }, (_, index) => {
        const at = first + index * HOUR;
        const cell = known.get(keyOf(row))?.get(at);
        return { at, state: cell?.state ?? "none", records: BigInt(cell?.records ?? 0) };
      });
  }

  render(_, { data, error, done }) {
    return html`
      ${this.head("Producers")}
      ${error && html`<${ErrorBox} error=${error} title=${data ? "What is shown is not fresh" : "Producers could not be read"}
        onRetry=${() => this.load()} />`}
      ${!data && !error && html`<${Loading} what="producers" />`}
      ${data && this.list(data)}
      <p class="visually-hidden" role="status">${done}</p>`;
  }

  list({ producers, alerts, hour }) {
    const rows = producers.value;
    const order = { silent: 0, reporting: 1, retired: 2 };
    const sorted = [...rows].sort((a, b) => order[a.state] - order[b.state] || a.producer.localeCompare(b.producer, "en") ||
      a.source.localeCompare(b.source, "en"));
    const count = (state) => rows.filter((row) => row.state === state).length;
    const cells = this.cells();
    const of = new Map(alerts.filter(({ kind }) => kind === "ProducerSilent").map((alert) => [alert.subject, alert]));
    const others = alerts.filter(({ kind, subject }) => kind !== "ProducerSilent" ||
      !rows.some((row) => subject === `${row.producer}/${row.source}`));
    if (rows.length === 0) {
      return html`<section class="panel empty"><h2>Nobody has reported yet</h2>
        <p>A producer is listed with its first usage: <a href="/docs/posting-usage.html">posting usage</a>.</p></section>`;
    }
    return html`
      <p class="summary"><strong>${rows.length}${producers.more ? "+" : ""} ${rows.length === 1 ? "producer" : "producers"}</strong>
        <span class="dim"> · ${["silent", "reporting", "retired"].filter(count).map((state) => `${count(state)} ${state}`).join(", ")}
        ${" "}· the last ${HOURS} usage hours, UTC</span></p>
      ${others.map((alert) => html`<${Alert} key=${alert.id} alert=${alert} onChanged=${() => this.changed("Acknowledged")} />`)}
      <section class="panel" aria-labelledby="producers-hours">
        <div class="panel-head"><h2 id="producers-hours">Usage hours</h2><${Legend} /></div>
        <ul class="producers">
          ${sorted.map((row) => this.producer(row, cells(row), of.get(`${row.producer}/${row.source}`), hour))}
        </ul>
        <p class="dim small">An hour is complete when its producer says so or reports a later one, open while usage may still
          come, and silent when usage is overdue. What is behind this: <a href="/docs/producers.html">Producers and watermarks</a>.</p>
      </section>`;
  }

  producer(row, cells, alert, hour) {
    const [kind, title] = BADGES[row.state];
    return html`
      <li key=${keyOf(row)} class="producer">
        <div class="producer-name">
          <h3 id=${domId(row)}>${row.source}</h3>
          <${Badge} kind=${kind}>${title}<//>
          ${row.producer !== row.source && html`<span class="detail">by ${row.producer}</span>`}
          <span class="detail">${row.cadenceIsSet ? "Set to report " : row.cadence ? "Reports " : "Rhythm "}${showCadence(row.cadence)}</span>
        </div>
        <div class="producer-hours">
          <${Strip} cells=${cells} />
          ${alert && html`<${Alert} alert=${alert} onChanged=${() => this.changed("Acknowledged")} />`}
          <div class="producer-foot">
            <p class="dim small">Last usage hour ${showTime(row.lastUsageHour)}, last report ${showTime(row.lastReportedTime)}</p>
            <details>
              <summary><span>Details and settings</span><span class="visually-hidden"> of ${row.source}${row.producer === row.source ? "" : ` by ${row.producer}`}</span></summary>
              <div class="producer-details">
                ${this.runs(runsOf(cells), row)}
                <${Expectation} row=${row} hour=${hour} onChanged=${() => this.changed("Saved")} />
              </div>
            </details>
          </div>
        </div>
      </li>`;
  }

  runs(runs, row) {
    if (runs.length === 0) return html`<p class="dim">None of these hours is expected.</p>`;
    return html`
      <table class="runs"><caption class="visually-hidden">Hours of ${row.source}</caption>
        <thead><tr><th scope="col">Usage hours</th><th scope="col">State</th><th scope="col" class="number-column">Records</th></tr></thead>
        <tbody>${[...runs].reverse().map(({ state, from, to, records }) => html`<tr key=${from}>
          <td class="time">${showMinute(from)} to ${showMinute(to)}</td>
          <td>${STATES[state]}</td>
          <td class="number-column">${state === "silent" ? "unknown" : groupDigits(records.toString())}</td>
        </tr>`)}</tbody></table>`;
  }
}
