/* The Findings page: usage that was accepted and counted, but cannot be right. Nothing here changes a figure; a record
 * that is wrong is corrected on its own page. */

import { get, getAll, readStatus } from "./api.js";
import { groupDigits } from "./decimal.js";
import { describeValue } from "./names.js";
import { recordHref } from "./state.js";
import { DAY, HOUR, floorTo, showMinute, toIso } from "./time.js";
import { Badge, Component, ErrorBox, Loading, Quantity, Segments, html } from "./ui.js";

const PAGES = 5;
const LIMIT = 200;
const CHECKS = [
  { name: "arrival", title: "Single records", help: "noticed when they arrived" },
  { name: "sums", title: "Sums of hours", help: "hours that hold more than an hour can" },
];
const DAYS = [
  { name: "7", title: "7 days" },
  { name: "30", title: "30 days" },
];
const KINDS = {
  "over-window": "More than its time can hold",
  "after-deletion": "After its subscription was deleted",
  "unknown-meter": "Unknown meter",
};

const showTime = (text) => showMinute(Date.parse(text));

export class FindingsPage extends Component {
  state = { rows: null, more: false, error: null, check: "arrival", days: "7", opening: null };

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async load() {
    const { check, days } = this.state;
    const number = (this.number = (this.number ?? 0) + 1);
    const current = () => !this.gone && number === this.number;
    try {
      const now = Date.parse((await readStatus()).now);
      const to = floorTo(now, HOUR) + HOUR;
      const query = new URLSearchParams({ check, from: toIso(to - Number(days) * DAY), to: toIso(to), limit: LIMIT });
      const { value, more } = await getAll(`/v1/findings?${query}`, { pages: PAGES });
      if (current()) this.setState({ rows: value, shown: check, more, error: null });
    } catch (error) {
      if (current()) this.setState({ rows: null, error });
    }
  }

  choose(change) {
    this.setState({ ...change, rows: null, error: null }, () => this.load());
  }

  /* A finding knows its first record by its number; the feed of changes knows the rest. */
  async open(sequence) {
    this.setState({ opening: sequence, error: null });
    try {
      const { value } = await get(`/v1/changes?after=${BigInt(sequence) - 1n}&limit=1`);
      if (value[0]?.sequence === sequence) return this.props.go(recordHref(value[0]));
      this.setState({ error: new Error(`Record ${sequence} is not kept any more.`) });
    } catch (error) {
      this.setState({ error });
    }
    this.setState({ opening: null });
  }

  render(_, { rows, shown, more, error, check, days }) {
    return html`
      <div class="page-head"><h1 tabindex="-1">Findings</h1></div>
      <section class="panel" aria-label="Filter"><div class="row">
        <${Segments} name="finding-check" legend="What is looked at" hideLegend options=${CHECKS} value=${check}
          onChoose=${(name) => this.choose({ check: name })} />
        <${Segments} name="finding-days" legend="How far back" hideLegend options=${DAYS} value=${days}
          onChoose=${(name) => this.choose({ days: name })} />
      </div></section>
      ${error && html`<${ErrorBox} error=${error} title="That could not be read" onRetry=${() => this.load()} />`}
      ${!rows && !error && html`<${Loading} what="findings" />`}
      <p class="visually-hidden" role="status">${rows ? `${rows.length} findings` : ""}</p>
      ${rows && (rows.length === 0 ? this.nothing() : this.list(rows, shown === "sums", more))}`;
  }

  nothing() {
    const { check, days } = this.state;
    return html`<section class="panel empty"><h2>Nothing strange in ${days} days</h2>
      <p>${check === "sums"
        ? "No resource has more in an hour than an hour can hold."
        : "No record that was accepted looks wrong: none has more than its time can hold, comes after its subscription was deleted, or names an unknown meter."}
      ${" "}What is looked for: <a href="/docs/rejects.html#findings">accepted, but strange</a>.</p></section>`;
  }

  list(rows, sums, more) {
    return html`
      <p class="summary"><strong>${rows.length}${more ? "+" : ""} ${rows.length === 1 ? "finding" : "findings"}</strong>
        <span class="dim"> · all of it was accepted and is counted: correct what is wrong</span></p>
      <section class="panel" aria-label="Findings">
        <ul class="findings">${rows.map((row, index) => html`<li key=${index}>${sums ? this.sum(row) : this.finding(row)}</li>`)}</ul>
      </section>`;
  }

  subject({ meterId, resourceUri, subscriptionId }) {
    const { names } = this.props;
    const resource = describeValue("resource", resourceUri, names);
    return html`<span>${describeValue("meter", meterId, names).label} of <strong title=${resourceUri}>${resource.label}</strong>
      <span class="dim"> in ${describeValue("subscription", subscriptionId, names).label}</span></span>`;
  }

  finding(row) {
    const { opening } = this.state;
    const show = `Show ${row.count === "1" ? "the" : "first"} record`;
    return html`
      <div>
        <span class="row"><${Badge} kind="warn">${KINDS[row.kind] ?? row.kind}<//> ${this.subject(row)}</span>
        <p>${row.message[0].toUpperCase()}${row.message.slice(1)}</p>
        <p class="dim small">${showTime(row.firstTime)}${row.count !== "1" ? `, ${groupDigits(row.count)} records until ${showTime(row.lastTime)}` : ""} UTC
          ${" "}· ${row.source}${row.producer !== row.source ? ` by ${row.producer}` : ""}</p>
      </div>
      <button type="button" class="button" disabled=${opening === row.recordSequence} onClick=${() => this.open(row.recordSequence)}
        aria-label=${`${show} ${row.recordSequence}`}>${show}</button>`;
  }

  sum(row) {
    const query = new URLSearchParams({ subscriptionId: row.subscriptionId, meterId: row.meterId, resourceUri: row.resourceUri,
      usageHour: row.usageHour, reportedHour: row.reportedHour });
    return html`
      <div>
        <span class="row"><${Badge} kind="warn">${KINDS[row.kind] ?? row.kind}<//> ${this.subject(row)}</span>
        <p><strong><${Quantity} value=${row.quantity} /></strong> ${row.unit} in one hour; at most <${Quantity} value=${row.limit} /> fit.</p>
        <p class="dim small">Usage hour ${showTime(row.usageHour)}, reported ${showTime(row.reportedHour)} UTC</p>
      </div>
      <a class="button" href=${`#/explain?${query}`}>Show its records</a>`;
  }
}
