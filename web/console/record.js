/* One record: as it was posted, what it counts for now, in which rows, and for operators the way to correct it. */

import { get, post } from "./api.js";
import { addDecimals, compareDecimals, parseDecimal, printDecimal, showDecimal } from "./decimal.js";
import { Figure, showAction, showSpan } from "./explain.js";
import { describeValue, unitShown } from "./names.js";
import { HOUR, showMinute, showSecond } from "./time.js";
import { Badge, Component, ErrorBox, Loading, Quantity, Segments, html } from "./ui.js";
import { longestFraction } from "./usage-table.js";

const ROWS = 48; // of the rows it is counted in; a record may last 31 days
const REASON_SIZE = 1024;
const ACTIONS = [
  { name: "amend", title: "Amend", help: "it counts for another quantity" },
  { name: "void", title: "Void", help: "it counts for nothing" },
];

const showTime = (text) => showSecond(Date.parse(text));

/* What it counts for after its corrections. */
const inForce = ({ record, corrections }) => corrections.at(-1)?.quantity ?? record.quantity;

/** The difference that a correction would make, or null when its quantity is no number. */
function differenceOf(action, quantity, force) {
  try {
    return printDecimal((action === "void" ? 0n : parseDecimal(quantity.trim())) - parseDecimal(force));
  } catch {
    return null;
  }
}

class Correct extends Component {
  state = { action: "amend", quantity: "", reason: "", busy: false, error: null };

  async submit(event) {
    event.preventDefault();
    const { source, id } = this.props.record;
    const { action, quantity, reason } = this.state;
    this.setState({ busy: true, error: null });
    try {
      // The quantity goes as text: a number would be rounded on its way.
      const amount = action === "amend" ? { quantity: quantity.trim() } : {};
      const answer = await post("/v1/corrections", { source, id, action, ...amount, reason: reason.trim() });
      this.setState({ quantity: "", reason: "", busy: false });
      await this.props.onDone(answer);
    } catch (error) {
      this.setState({ error, busy: false });
    }
  }

  render({ force, unit }, { action, quantity, reason, busy, error }) {
    const difference = differenceOf(action, quantity, force);
    const changes = difference !== null && difference !== "0";
    return html`
      <section class="panel" aria-labelledby="record-correct">
        <h2 id="record-correct">Correct it</h2>
        <p class="dim">The record stays as it was posted. A correction says what it counts for from now on; the difference goes
          into the reported hour that runs now, and what was reported before stays as it was read.</p>
        <form class="correct" onSubmit=${(event) => this.submit(event)}>
          <${Segments} name="correct-action" legend="Correction" options=${ACTIONS} value=${action}
            onChoose=${(name) => this.setState({ action: name })} />
          ${action === "amend" && html`<div class="control">
            <label for="correct-quantity">Counts for, in ${unit}</label>
            <input id="correct-quantity" inputmode="decimal" autocomplete="off" required value=${quantity}
              onInput=${(event) => this.setState({ quantity: event.target.value })} /></div>`}
          <div class="control wide">
            <label for="correct-reason">Reason, for whoever asks later</label>
            <input id="correct-reason" autocomplete="off" required maxlength=${REASON_SIZE} value=${reason}
              onInput=${(event) => this.setState({ reason: event.target.value })} /></div>
          <button class="button primary" disabled=${busy || !changes || !reason.trim()}>${action === "void" ? "Void the record" : "Amend the record"}</button>
        </form>
        <p class="dim" role="status">${difference === null
          ? quantity && "Write the quantity as a decimal number such as 4.25."
          : changes
            ? html`Adds <${Quantity} value=${difference} /> ${unit}.`
            : "It counts for that already."}</p>
        ${error && html`<${ErrorBox} error=${error} title="It was not corrected" />`}
      </section>`;
  }
}

export class RecordPage extends Component {
  state = { data: null, error: null, done: null, all: false };

  componentDidMount() {
    this.load();
  }

  componentDidUpdate(before) {
    if (before.query === this.props.query) return;
    this.setState({ data: null, done: null, all: false });
    this.load();
  }

  componentWillUnmount() {
    this.abort.abort();
  }

  async load() {
    const query = new URLSearchParams(this.props.query);
    const [source, id] = ["source", "id"].map((name) => encodeURIComponent(query.get(name) ?? ""));
    this.abort?.abort();
    this.abort = new AbortController();
    try {
      const data = await get(`/v1/records/${source}/${id}`, { signal: this.abort.signal });
      this.setState({ data, error: null });
    } catch (error) {
      if (error.name !== "AbortError") this.setState({ data: null, error });
    }
  }

  async corrected(done) {
    await this.load();
    this.setState({ done });
    this.heading?.focus();
  }

  render({ session, names }, { data, error, done }) {
    const unit = data && unitShown(data.record.meterId, names);
    return html`
      <p class="crumbs"><a href="#/usage">Usage</a></p>
      <div class="page-head"><h1 tabindex="-1" ref=${(node) => (this.heading = node)}>Record</h1></div>
      ${error && html`<${ErrorBox} error=${error} title="The record could not be read" onRetry=${() => this.load()} />`}
      ${!data && !error && html`<${Loading} what="the record" />`}
      <div role="status">${done && html`<p class="notice">${done.changed
        ? `Corrected: ${showDecimal(done.difference)} ${unit}, reported ${showTime(done.reportedTime)} UTC, sequence ${done.sequence}.`
        : "It counted for that already; nothing was changed."}</p>`}</div>
      ${data && html`
        <div class="cards two">${this.posted(data.record, unit)}${this.counts(data, unit)}</div>
        ${session.role === "operator" &&
        html`<${Correct} record=${data.record} force=${inForce(data)} unit=${unit} onDone=${(answer) => this.corrected(answer)} />`}
        ${this.counted(data, unit)}`}`;
  }

  posted(record, unit) {
    const { names } = this.props;
    const named = (dimension, value) => {
      const { label, detail } = describeValue(dimension, value, names);
      return html`<span title=${value}>${label}</span>${detail && html`<span class="detail">${detail}</span>`}`;
    };
    const attributes = (value) => (typeof value === "string" ? value : Object.entries(value).map(([name, each]) => `${name} = ${each}`).join(", "));
    return html`
      <section class="panel" aria-labelledby="record-posted">
        <h2 id="record-posted">As it was posted</h2>
        <dl class="facts">
          <dt>Source</dt><dd>${record.source}${record.producer && record.producer !== record.source && ` by ${record.producer}`}</dd>
          <dt>Id</dt><dd><code>${record.id}</code></dd>
          <dt>Quantity</dt><dd><${Quantity} value=${record.quantity} /> ${unit}</dd>
          <dt>Used</dt><dd>${showSpan(Date.parse(record.usageStartTime), Date.parse(record.usageEndTime))} UTC</dd>
          <dt>Reported</dt><dd>${showTime(record.reportedTime)} UTC, sequence ${record.sequence}</dd>
          <dt>Meter</dt><dd>${named("meter", record.meterId)}</dd>
          <dt>Resource</dt><dd>${named("resource", record.resourceUri)}</dd>
          <dt>Subscription</dt><dd>${named("subscription", record.subscriptionId)}</dd>
          ${record.location && html`<dt>Location</dt><dd>${record.location}</dd>`}
          ${record.tags && html`<dt>Tags</dt><dd>${attributes(record.tags)}</dd>`}
          ${record.additionalInfo && html`<dt>Additional</dt><dd>${attributes(record.additionalInfo)}</dd>`}
        </dl>
      </section>`;
  }

  counts(data, unit) {
    const { corrections } = data;
    const last = corrections.at(-1);
    return html`
      <section class="panel" aria-labelledby="record-counts">
        <h2 id="record-counts">What it counts for
          <${Badge} kind=${last ? "warn" : "good"}>${!last ? "As posted" : last.action === "void" ? "Voided" : "Amended"}<//></h2>
        <${Figure} value=${inForce(data)} unit=${unit} />
        ${corrections.length === 0
          ? html`<p class="dim">It has never been corrected.</p>`
          : html`<ol class="corrections">${[...corrections].reverse().map((each) => html`<li key=${each.sequence}>
              <span><strong>${showAction(each)}</strong> <span class="dim">(${each.difference.startsWith("-") ? "" : "+"}${showDecimal(each.difference)})</span></span>
              ${each.reason && html`<span>“${each.reason}”</span>`}
              <span class="dim small">${showTime(each.reportedTime)} UTC, by ${each.by}, sequence ${each.sequence}</span></li>`)}</ol>`}
      </section>`;
  }

  counted({ record, counted }, unit) {
    const { all } = this.state;
    const rows = all ? counted : counted.slice(0, ROWS);
    const decimals = longestFraction(counted);
    const sum = addDecimals(counted.map(({ quantity }) => quantity));
    const href = ({ usageHour, reportedHour }) => `#/explain?${new URLSearchParams({ subscriptionId: record.subscriptionId,
      meterId: record.meterId, resourceUri: record.resourceUri, usageHour, reportedHour })}`;
    return html`
      <section class="panel" aria-labelledby="record-counted">
        <h2 id="record-counted">Where it is counted</h2>
        <div class="table-scroll" role="region" aria-label="Counted rows" tabindex="0"><table class="stack">
          <thead><tr><th scope="col">Usage hour (UTC)</th><th scope="col">Reported hour (UTC)</th>
            <th scope="col" class="number-column">Quantity, ${unit}</th></tr></thead>
          <tbody>${rows.map((row) => html`<tr key=${`${row.usageHour} ${row.reportedHour}`}>
            <th scope="row" class="time"><a href=${href(row)} title="What is behind that row">${showSpan(Date.parse(row.usageHour), Date.parse(row.usageHour) + HOUR)}</a></th>
            <td class="time" data-label="Reported hour">${showMinute(Date.parse(row.reportedHour))}</td>
            <td class="number-column" data-label="Quantity"><${Quantity} value=${row.quantity} decimals=${decimals} /></td></tr>`)}</tbody>
          <tfoot><tr><th scope="row" colspan="2">Sum${compareDecimals(sum, "0") === 0 ? ", nothing in the end" : ""}</th>
            <td class="number-column"><${Quantity} value=${sum} decimals=${decimals} /></td></tr></tfoot>
        </table></div>
        ${counted.length > rows.length && html`<p><button type="button" class="button"
          onClick=${() => this.setState({ all: true })}>Show ${counted.length - rows.length} more hours</button></p>`}
      </section>`;
  }
}
