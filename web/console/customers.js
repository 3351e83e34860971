/* The Customers page of the commercial side: which customer subscription pays for which tenant of a registration, at any time,
 * one by one or many from a CSV file. */

import { downloadCsv, getAll, remove } from "./api.js";
import { API_VERSION, customerPath, keyOf, named, registrationsOf, showPath, tenantNames } from "./customers-data.js";
import { AttributeDialog, HistoryDialog, HourField, hourOf } from "./customers-dialogs.js";
import { ImportDialog } from "./customers-import.js";
import { groupDigits } from "./decimal.js";
import { showMinute } from "./time.js";
import { Component, ErrorBox, Icon, Loading, html } from "./ui.js";

const PAGES = 10;
const showTime = (text) => showMinute(Date.parse(text));

export class CustomersPage extends Component {
  state = { registrations: null, chosen: "", at: undefined, names: new Map(), rows: null, more: false, error: null, dialog: null, done: "", ending: null };

  componentDidMount() {
    this.begin();
    tenantNames().then((names) => this.gone || this.setState({ names }), () => {}); // ids do without
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async begin() {
    this.setState({ error: null });
    try {
      const registrations = await registrationsOf();
      const wanted = new URLSearchParams(this.props.query).get("registration");
      const first = registrations.find((each) => keyOf(each) === wanted) ??
        registrations.find(({ approval }) => approval?.state === "Approved") ?? registrations[0];
      if (!this.gone) this.setState({ registrations, chosen: first ? keyOf(first) : "" }, () => first && this.load());
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  }

  registration() {
    return this.state.registrations.find((each) => keyOf(each) === this.state.chosen);
  }

  async load() {
    const number = (this.number = (this.number ?? 0) + 1);
    try {
      const { value, more } = await getAll(`/v1/commerce/customers${named(this.registration(), { at: this.state.at })}`, { pages: PAGES });
      if (!this.gone && number === this.number) this.setState({ rows: value, more, error: null });
    } catch (error) {
      if (!this.gone && number === this.number) this.setState({ rows: null, error });
    }
  }

  choose(change) {
    this.setState({ ...change, rows: null, done: "" }, () => this.load());
  }

  async changed(done) {
    this.setState({ dialog: null, ending: null, done });
    await this.load();
  }

  async end(row) {
    try {
      await remove(`${customerPath(this.registration(), row.customerSubscriptionId)}?${API_VERSION}`);
      await this.changed(`The default subscription pays for ${row.tenantId} from this hour on.`);
      this.heading?.focus();
    } catch (error) {
      this.setState({ error, ending: null });
    }
  }

  async export() {
    try {
      await downloadCsv(`/v1/commerce/customers${named(this.registration(), { at: this.state.at })}`, `customers-${this.registration().name}.csv`);
    } catch (error) {
      this.setState({ error });
    }
  }

  render(_, { registrations, rows, more, error, dialog, done }) {
    return html`
      <div class="page-head"><h1 tabindex="-1" ref=${(node) => (this.heading = node)}>Customers</h1></div>
      ${registrations?.length === 0 && html`<section class="panel empty"><h2>No stamp is registered yet</h2>
        <p>Customers belong to the registration of a stamp: <a href="/docs/registration.html">registration</a>.</p></section>`}
      ${registrations?.length > 0 && this.controls()}
      ${error && html`<${ErrorBox} error=${error} title="That did not work" onRetry=${() => (registrations ? this.load() : this.begin())} />`}
      ${!error && (!registrations || (registrations.length > 0 && !rows)) && html`<${Loading} what="customers" />`}
      <p class="summary" role="status">${done}</p>
      ${rows && this.table(rows, more)}
      ${dialog && this.dialog(dialog)}`;
  }

  dialog({ what, ...more }) {
    const View = { attribute: AttributeDialog, history: HistoryDialog, import: ImportDialog }[what];
    return html`<${View} registration=${this.registration()} ...${more} onClose=${() => this.setState({ dialog: null })}
      onChanged=${() => this.load()} onDone=${(words) => this.changed(words)} />`;
  }

  open(dialog) {
    this.setState({ dialog, done: "", error: null });
  }

  controls() {
    const { registrations, chosen, at } = this.state;
    return html`
      <section class="panel" aria-label="Registration and time">
        <div class="row spread">
          <div class="control"><label for="customers-registration">Registration</label>
            <select id="customers-registration" value=${chosen} onChange=${(event) => this.choose({ chosen: event.target.value })}>
              ${registrations.map((each) => html`<option key=${keyOf(each)} value=${keyOf(each)} selected=${keyOf(each) === chosen}>${showPath(each)}</option>`)}
            </select></div>
          <form class="row ask" onSubmit=${(event) => {
            event.preventDefault();
            this.choose({ at: hourOf(event.target, "at") });
          }}>
            <${HourField} name="at" title="As it was at" />
            <button class="button">Show</button>
            ${at && html`<button type="reset" class="button quiet" onClick=${() => this.choose({ at: undefined })}>Now</button>`}
          </form>
        </div>
        <div class="row">
          <button type="button" class="button primary" onClick=${() => this.open({ what: "attribute" })}><${Icon} name="plus" />Map a tenant</button>
          <button type="button" class="button" onClick=${() => this.open({ what: "import" })}>Import CSV …</button>
          <button type="button" class="button" onClick=${() => this.export()}><${Icon} name="download" />Export CSV</button>
        </div>
        ${this.registration().approval?.state !== "Approved" && html`<p class="notice warn">This registration is not approved for customers:
          who pays cannot be changed until it is. <a href="#/registrations">Registrations</a></p>`}
      </section>`;
  }

  table(rows, more) {
    const { at } = this.state;
    const when = at ? `in the hour from ${showTime(at)} UTC` : "now";
    if (rows.length === 0) {
      return html`<section class="panel empty"><h2>No tenant is mapped ${at ? when : ""}</h2>
        <p>The registration's own subscription, <code>${this.registration().subscriptionId}</code>, pays for everybody. Map a tenant, or
          see on <a href="#/tenants">Tenants</a> whose usage it pays for.</p></section>`;
    }
    return html`
      <p class="summary"><strong>${groupDigits(String(rows.length))}${more ? "+" : ""} ${rows.length === 1 ? "customer" : "customers"}</strong>
        <span class="dim"> · ${when}; the default subscription pays for all other tenants</span></p>
      <section class="panel" aria-label="Customers">
        <div class="table-scroll" role="region" aria-label="Customer subscriptions" tabindex="0"><table class="stack ids customers">
          <thead><tr><th scope="col">Tenant</th><th scope="col">Paid by customer subscription</th><th scope="col">Since</th>
            <th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
          <tbody>${rows.map((row) => this.row(row))}</tbody></table></div>
      </section>`;
  }

  row(row) {
    const { ending, at, names } = this.state;
    const { tenantId, customerSubscriptionId, effectiveFrom, recorded, by } = row;
    const name = names.get(tenantId);
    const called = name || tenantId;
    return html`<tr key=${customerSubscriptionId}>
      <th scope="row">${name && html`<strong>${name}</strong>`}<code class=${name ? "detail" : ""}>${tenantId}</code></th>
      <td data-label="Paid by"><code>${customerSubscriptionId}</code></td>
      <td data-label="Since">${showTime(effectiveFrom)}<span class="detail">entered ${showTime(recorded)} by ${by}</span></td>
      <td class="actions"><div class="row">
        ${ending === customerSubscriptionId
          ? html`<span>The default pays from this hour on.</span>
              <button type="button" class="button" ref=${(node) => node?.focus()} onClick=${() => this.end(row)}>End it</button>
              <button type="button" class="button quiet" onClick=${() => this.setState({ ending: null })}>Cancel</button>`
          : html`<button type="button" class="button quiet" aria-label=${`History of ${called}`}
                onClick=${() => this.open({ what: "history", tenantId, name: called })}>History</button>
              ${!at && html`<button type="button" class="button quiet" aria-label=${`Change who pays for ${called}`}
                onClick=${() => this.open({ what: "attribute", tenantId, name: called })}>Change …</button>
              <button type="button" class="button quiet" aria-label=${`End the mapping of ${called}`}
                onClick=${() => this.setState({ ending: customerSubscriptionId, done: "" })}>End …</button>`}`}
      </div></td></tr>`;
  }
}
