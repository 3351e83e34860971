/* Behind a figure: the records and corrections that a row of usage is made of, with what each adds to it. Their shares
 * are added here once more, exactly, and have to come to the figure as it is stored. */

import { get } from "./api.js";
import { addDecimals, compareDecimals, groupDigits } from "./decimal.js";
import { describeResource, describeValue, unitShown } from "./names.js";
import { recordHref, stateHref, readState } from "./state.js";
import { DAY, HOUR, showDay, showMinute } from "./time.js";
import { Badge, Component, ErrorBox, Loading, Quantity, html } from "./ui.js";
import { longestFraction } from "./usage-table.js";

const PAGES = 10; // read before the reader is asked whether to go on
const PARAMETERS = ["subscriptionId", "meterId", "resourceUri", "usageHour", "usageDay", "reportedHour", "reportedDay"];

/** "2026-01-31 13:00 to 14:00", with the day once where it is the same. */
export function showSpan(from, to) {
  const [start, end] = [showMinute(from), showMinute(to)];
  return `${start} to ${start.slice(0, 10) === end.slice(0, 10) ? end.slice(11) : end}`;
}

/** The one figure that a page is about, large. */
export const Figure = ({ value, unit }) => html`
  <p class="figure"><${Quantity} value=${value} /> <span class="figure-unit">${unit}</span></p>`;

/** "amended to 4", "voided" */
export const showAction = ({ action, quantity }) =>
  action === "void" ? "Voided" : html`Amended to <${Quantity} value=${quantity} />`;

export class ExplainPage extends Component {
  state = { items: [], answer: null, next: null, busy: true, error: null };

  componentDidMount() {
    this.begin();
  }

  componentDidUpdate(before) {
    if (before.query !== this.props.query) this.begin();
  }

  componentWillUnmount() {
    this.abort.abort();
  }

  begin() {
    const given = new URLSearchParams(this.props.query);
    const query = new URLSearchParams(PARAMETERS.filter((name) => given.get(name)).map((name) => [name, given.get(name)]));
    this.abort?.abort();
    this.abort = new AbortController();
    this.setState({ items: [], answer: null, error: null });
    this.read(`/v1/explain?${query.toString().replaceAll("+", "%20")}`, []);
  }

  async read(path, items) {
    const { signal } = this.abort;
    this.setState({ busy: true, error: null });
    let [next, all, answer] = [path, items, this.state.answer];
    try {
      for (let page = 0; next && page < PAGES; page++) {
        const { nextLink, ...read } = await get(next, { signal });
        answer = { ...read, incomplete: read.incomplete || (all.length > 0 && answer?.incomplete) };
        all = [...all, ...read.value];
        const link = nextLink && new URL(nextLink, location.href);
        next = link ? link.pathname + link.search : null;
      }
      this.setState({ items: all, answer, next, busy: false });
    } catch (error) {
      if (error.name !== "AbortError") this.setState({ items: all, answer, next, error, busy: false });
    }
  }

  /* What the address asks for: names, and the times as [from, to). */
  figure() {
    const query = new URLSearchParams(this.props.query);
    const daily = query.has("usageDay");
    const [usage, reported] = ["usage", "reported"].map((axis) => Date.parse(query.get(axis + (daily ? "Day" : "Hour")) ?? ""));
    const show = (at) => (daily ? `${showDay(at)} (UTC day)` : `${showSpan(at, at + HOUR)} UTC`);
    return { meterId: query.get("meterId") ?? "", subscriptionId: query.get("subscriptionId") ?? "", resourceUri: query.get("resourceUri"),
      usage, reported, daily, show };
  }

  render({ names }, { items, answer, next, busy, error }) {
    const figure = this.figure();
    const meter = describeValue("meter", figure.meterId, names);
    return html`
      <p class="crumbs"><a href=${this.usageHref(figure)}>Usage</a></p>
      <div class="page-head"><h1 tabindex="-1">Behind a figure</h1></div>
      ${error && html`<${ErrorBox} error=${error} title="The records could not be read"
        onRetry=${() => (answer ? this.read(next, items) : this.begin())} />`}
      ${!answer && busy && html`<${Loading} what="the records" />`}
      ${answer && html`
        <section class="panel" aria-labelledby="explain-figure">
          <h2 id="explain-figure">${meter.label}</h2>
          ${answer.quantity === null
            ? html`<p class="empty-line">Nothing was reported for it in this ${figure.daily ? "day" : "hour"}. That is not the
                same as a quantity of zero.</p>`
            : html`<${Figure} value=${answer.quantity} unit=${unitShown(figure.meterId, names)} />`}
          ${this.about(figure)}
          ${answer.quantity !== null && !busy && !error && this.verdict(items, answer, next)}
        </section>
        ${items.length > 0 && this.table(items, figure, next)}
        ${next && !error && html`<p><button type="button" class="button" disabled=${busy}
          onClick=${() => this.read(next, items)}>${busy ? "Reading …" : "Read on"}</button></p>`}`}`;
  }

  /* The rows around it, hour by hour. */
  usageHref({ meterId, subscriptionId, resourceUri, usage }) {
    if (Number.isNaN(usage)) return "#/usage";
    const from = Math.floor(usage / DAY) * DAY;
    const filters = [{ dimension: "meter", value: meterId }];
    if (this.props.session.role === "operator") filters.push({ dimension: "subscription", value: subscriptionId });
    if (resourceUri) filters.push({ dimension: "resource", value: resourceUri });
    return stateHref({ ...readState(""), range: "custom", from, to: from + DAY, granularity: "hourly", table: "periods",
      groupBy: resourceUri ? "meter" : "resource", filters });
  }

  about({ subscriptionId, resourceUri, usage, reported, show }) {
    const resource = resourceUri && describeValue("resource", resourceUri, this.props.names);
    return html`
      <dl class="facts">
        <dt>Used</dt><dd>${show(usage)}</dd>
        <dt>Reported</dt><dd>${Number.isNaN(reported) ? "at any time, late records and corrections included" : show(reported)}</dd>
        <dt>Resource</dt><dd>${resource
          ? html`<span title=${resourceUri}>${resource.label}</span> <span class="dim">${resource.detail}</span>`
          : "all of the subscription's"}</dd>
        <dt>Subscription</dt><dd>${describeValue("subscription", subscriptionId, this.props.names).label}</dd>
      </dl>`;
  }

  verdict(items, { quantity, incomplete }, next) {
    const sum = addDecimals(items.map(({ share }) => share));
    const count = (kind) => items.filter((item) => item.kind === kind).length;
    const [records, corrections] = [count("record"), count("correction")];
    const words = `${groupDigits(String(records))} ${records === 1 ? "record" : "records"}` +
      (corrections > 0 ? ` and ${groupDigits(String(corrections))} ${corrections === 1 ? "correction" : "corrections"}` : "");
    if (next) return html`<p role="status">${words} so far: <${Quantity} value=${sum} /> of it. There are more to read.</p>`;
    if (compareDecimals(sum, quantity) === 0) {
      return html`<p role="status"><${Badge} kind="good">Adds up<//> The ${items.length === 1 ? `${items[0].kind} below comes` : `${words} below come`}
        ${" "}to exactly this figure, to the last decimal.</p>`;
    }
    return incomplete
      ? html`<p class="notice warn" role="status">The ${words} below come to <${Quantity} value=${sum} />. The rest is older than the
          journal is kept: the figure stands, but those records can no longer be shown.</p>`
      : html`<p class="notice bad" role="status">The ${words} below come to <${Quantity} value=${sum} />, which is not the figure. If it
          stays so when the page is read again, run <code>stampmeter verify</code>.</p>`;
  }

  table(items, figure, next) {
    const decimals = longestFraction(items.map(({ share }) => ({ quantity: share })));
    return html`
      <section class="panel" aria-label="Records">
        <div class="table-scroll" role="region" aria-label="Records and corrections" tabindex="0">
          <table class="stack">
            <thead><tr><th scope="col">Record or correction</th><th scope="col">Used (UTC)</th><th scope="col">Reported (UTC)</th>
              <th scope="col" class="number-column">Posted</th><th scope="col" class="number-column">Adds here</th></tr></thead>
            <tbody>${items.map((item) => this.row(item, figure, decimals))}</tbody>
            <tfoot><tr><th scope="row" colspan="4">${next ? "Sum so far" : "Sum"}</th>
              <td class="number-column"><${Quantity} value=${addDecimals(items.map(({ share }) => share))} decimals=${decimals} /></td></tr></tfoot>
          </table>
        </div>
      </section>`;
  }

  row(item, { resourceUri }, decimals) {
    const correction = item.kind === "correction";
    return html`
      <tr key=${item.sequence} data-share=${item.share}>
        <th scope="row" class="name">
          ${correction && html`<${Badge} kind="warn">Correction<//> ${showAction(item)}, `}
          <a href=${recordHref(item)}><code>${item.id}</code></a>
          <span class="detail">${correction
            ? `${item.reason ? `“${item.reason}” ` : ""}by ${item.by}`
            : `${resourceUri ? "" : `${describeResource(item.resourceUri).name}, `}${item.source}`}</span></th>
        <td class="time" data-label="Used">${correction ? html`<span class="dim">as the record</span>`
          : showSpan(Date.parse(item.usageStartTime), Date.parse(item.usageEndTime))}</td>
        <td class="time" data-label="Reported">${showMinute(Date.parse(item.reportedTime))}</td>
        <td class="number-column" data-label="Posted"><${Quantity} value=${correction ? item.difference : item.quantity} /></td>
        <td class="number-column" data-label="Adds here"><${Quantity} value=${item.share} decimals=${decimals} /></td>
      </tr>`;
  }
}
