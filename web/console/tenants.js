/* The Tenants page: who used the stamp in a month and who pays for it, those whom nobody has mapped first, because their usage
 * goes to the default subscription. The commercial side can attribute a tenant here; operators of the stamp only look. */

import { getAll, queryOf } from "./api.js";
import { AttributeDialog, HistoryDialog } from "./customers-dialogs.js";
import { registrationsOf, showPath } from "./customers-data.js";
import { groupDigits } from "./decimal.js";
import { showMinute, toIso } from "./time.js";
import { Badge, Component, ErrorBox, Loading, Quantity, Segments, html } from "./ui.js";

const LIMIT = 1000;
const PAGES = 5;
const FIRST_METERS = 5;
const MONTHS = [
  { name: "this", title: "This month" },
  { name: "last", title: "Last month" },
];
const MONTH_NAMES = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

export const shortTime = (text) => showMinute(Date.parse(text));
const monthName = (text) => `${MONTH_NAMES[new Date(text).getUTCMonth()]} ${new Date(text).getUTCFullYear()}`;

/** [from, to) of the month that lies `back` months before the one of a time. */
function monthOf(now, back) {
  const date = new Date(now);
  const start = (offset) => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset, 1);
  return { from: toIso(start(-back)), to: toIso(start(1 - back)) };
}

/** Quantities by meter, the first of them until more are asked for. */
class Quantities extends Component {
  state = { all: false };

  render({ quantities, of }, { all }) {
    if (quantities.length === 0) return html`<p class="dim">No usage.</p>`;
    const shown = all ? quantities : quantities.slice(0, FIRST_METERS);
    const left = quantities.length - shown.length;
    return html`
      <table class="quantities"><caption class="visually-hidden">Usage of ${of}</caption>
        <thead class="visually-hidden"><tr><th scope="col">Meter</th><th scope="col">Quantity</th><th scope="col">Unit</th></tr></thead>
        <tbody>${shown.map(({ meterId, meterName, unit, quantity }) => html`<tr key=${meterId}>
          <th scope="row">${meterName || meterId}</th>
          <td class="number-column" data-quantity=${quantity}><${Quantity} value=${quantity} /></td>
          <td class="dim">${unit || "(unit not known)"}</td></tr>`)}</tbody></table>
      ${left > 0 && html`<button type="button" class="link-button" onClick=${() => this.setState({ all: true })}
        aria-label=${`Show ${left} more meters of ${of}`}>Show ${left} more ${left === 1 ? "meter" : "meters"}</button>`}`;
  }
}

/* Who pays, in words: {kind, title}. */
function payerWords({ kind, subscriptionId }) {
  if (kind === "customer") return { title: "Paid by the customer's subscription", subscriptionId };
  if (kind === "default") return { title: "Paid by the default subscription", subscriptionId };
  return { title: kind === "none" ? "Nobody pays: the stamp was not registered" : "Usage", subscriptionId: null };
}

/* The server's order is that of ids: pages of an order that changes would miss some. */
const byUsage = (a, b) => Number(b.records) - Number(a.records);

const tenantName = ({ displayName, tenantId }) => displayName || tenantId || "Tenant not known";

export class TenantsPage extends Component {
  state = { month: "this", answer: null, registrations: [], error: null, dialog: null, done: "" };

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async load() {
    const { session } = this.props;
    const number = (this.number = (this.number ?? 0) + 1);
    try {
      // Without a window the server takes its own month, which is the only clock that counts.
      const window = this.state.month === "this" ? {} : monthOf(Date.parse(this.state.answer.thisMonth), 1);
      const [answer, registrations] = await Promise.all([
        getAll(`/v1/tenants${queryOf({ ...window, limit: LIMIT })}`, { pages: PAGES }),
        session.role === "commerce" ? registrationsOf() : [],
      ]);
      const thisMonth = this.state.month === "this" ? answer.from : this.state.answer.thisMonth;
      if (!this.gone && number === this.number) this.setState({ answer: { ...answer, thisMonth }, registrations, error: null });
    } catch (error) {
      if (!this.gone && number === this.number) this.setState({ error });
    }
  }

  choose(month) {
    this.setState({ month, done: "" }, () => this.load());
  }

  async changed(done) {
    this.setState({ dialog: null, done });
    await this.load();
  }

  render({ session }, { month, answer, error, dialog, done }) {
    return html`
      <div class="page-head"><h1 tabindex="-1">Tenants</h1>
        <${Segments} name="tenants-month" legend="Month" hideLegend options=${MONTHS} value=${month} onChoose=${(name) => this.choose(name)} /></div>
      ${error && html`<${ErrorBox} error=${error} title="Tenants could not be read" onRetry=${() => this.load()} />`}
      ${!answer && !error && html`<${Loading} what="tenants" />`}
      <p class="summary" role="status">${done}</p>
      ${answer && this.list(answer)}
      ${dialog?.what === "attribute" && html`<${AttributeDialog} ...${dialog} onClose=${() => this.setState({ dialog: null })}
        onDone=${(words) => this.changed(words)} />`}
      ${dialog?.what === "history" && html`<${HistoryDialog} ...${dialog} onClose=${() => this.setState({ dialog: null })} />`}
      ${answer && session.role === "operator" && html`<p class="dim small">Which subscription pays for a tenant is set on the commercial
        side, by its Tenants and Customers pages or the API: <a href="/docs/customers.html">customers and who pays</a>.</p>`}`;
  }

  list(answer) {
    const { value, more, from, to, usage } = answer;
    const unmapped = value.filter(({ mapped }) => mapped === false).sort(byUsage);
    const others = value.filter(({ mapped }) => mapped !== false).sort(byUsage);
    if (value.length === 0) {
      return html`<section class="panel empty"><h2>No tenants in ${monthName(from)}</h2>
        <p>A tenant is listed when one of its subscriptions has usage, or when it is mapped to a subscription that pays:
          ${" "}<a href="/docs/customers.html">customers and who pays</a>.</p></section>`;
    }
    const section = (id, title, rows, words) => rows.length > 0 && html`
      <section class="panel" aria-labelledby=${id}>
        <div class="panel-head"><h2 id=${id}>${title} <span class="dim">${groupDigits(String(rows.length))}</span></h2></div>
        ${words && html`<p>${words}</p>`}
        <ul class="tenants">${rows.map((row) => this.tenant(row))}</ul>
      </section>`;
    return html`
      <p class="summary"><strong>${value.length}${more ? "+" : ""} ${value.length === 1 ? "tenant" : "tenants"}</strong>
        <span class="dim"> · ${monthName(from)}, usage from ${shortTime(from)} to ${shortTime(to)} UTC${answer.complete === false ? ", which may still grow" : ""}</span></p>
      ${usage && html`<p class="notice">Quantities: ${usage}. Who pays is shown all the same.</p>`}
      ${this.total(answer)}
      ${section("tenants-unmapped", "Not mapped", unmapped, "Nobody has said which subscription pays for these, so the default subscription does.")}
      ${section("tenants-mapped", unmapped.length > 0 || others.some(({ mapped }) => mapped) ? "Mapped" : "All", others,
        others.some(({ mapped }) => mapped === null) && "This server does not know who pays: the mapping is kept on the commercial side.")}`;
  }

  /* What the default subscription pays in all, which is what mapping is about. */
  total({ totals }) {
    const { quantities, tenants } = totals?.default ?? {};
    return quantities?.length > 0 && html`
      <section class="panel" aria-labelledby="tenants-default">
        <h2 id="tenants-default">What the default subscription pays</h2>
        <p>All that has no customer who pays: ${tenants} ${tenants === "1" ? "tenant" : "tenants"} in this month.</p>
        <${Quantities} quantities=${quantities} of="the default subscription" />
      </section>`;
  }

  tenant(row) {
    const { registrations, answer } = this.state;
    const severalStamps = answer.value.some(({ cloudId }) => cloudId !== row.cloudId);
    const registration = registrations.find(({ cloudId }) => cloudId === row.cloudId) ?? (registrations.length === 1 ? registrations[0] : null);
    const name = tenantName(row);
    return html`
      <li key=${`${row.tenantId} ${row.cloudId}`} class="tenant" data-tenant=${row.tenantId ?? ""}>
        <div class="tenant-name">
          <h3>${name}</h3>
          ${row.mapped === false && html`<${Badge} kind="warn">Not mapped<//>`}
          ${row.mapped === true && html`<${Badge} kind="good">Mapped<//>`}
          ${row.tenantId && row.displayName && html`<span class="detail">Tenant <code>${row.tenantId}</code></span>`}
          ${(row.subscriptions ?? []).map(({ subscriptionId, displayName, state }) => html`<span key=${subscriptionId} class="detail">
            ${displayName && displayName !== name ? displayName : "Subscription"} <code>${subscriptionId}</code>${state && state !== "Enabled" ? ` (${state.toLowerCase()})` : ""}</span>`)}
          ${severalStamps && registration && html`<span class="detail">on ${showPath(registration)}</span>`}
          ${!row.tenantId && html`<span class="detail">Say on the stamp whose these subscriptions are; until then the default pays.</span>`}
          ${row.tenantId && registration && html`<div class="row">
            <button type="button" class="button" aria-label=${`Attribute ${name}`}
              onClick=${() => this.setState({ done: "", dialog: { what: "attribute", registration, tenantId: row.tenantId, name } })}>Attribute …</button>
            <button type="button" class="button quiet" aria-label=${`History of ${name}`}
              onClick=${() => this.setState({ done: "", dialog: { what: "history", registration, tenantId: row.tenantId, name } })}>History</button>
          </div>`}
        </div>
        <div class="tenant-usage">${this.payers(row, name)}</div>
      </li>`;
  }

  payers({ payers = [] }, name) {
    if (payers.length === 0) return html`<p class="dim">No usage is known here.</p>`;
    return payers.map((payer) => {
      const { title, subscriptionId } = payerWords(payer);
      return html`<div key=${`${payer.from} ${payer.subscriptionId}`} class="payer">
        <p><strong>${title}</strong>${subscriptionId && html` <code>${subscriptionId}</code>`}
          <span class="detail">${shortTime(payer.from)} to ${shortTime(payer.to)}${payer.since ? ` · pays since ${shortTime(payer.since)}` : ""}</span></p>
        ${!this.state.answer.usage && html`<${Quantities} quantities=${payer.quantities} of=${name} />`}
      </div>`;
    });
  }
}
