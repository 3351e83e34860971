/* The Providers page of the stamp's operator: whose tenant each subscription is, the operator's own ones first, then those of
 * delegated providers, at any hour. */

import { get, queryOf } from "./api.js";
import { HourField, hourOf } from "./customers-dialogs.js";
import { stateHref, readState, withFilter } from "./state.js";
import { showMinute } from "./time.js";
import { Badge, Component, ErrorBox, Loading, html } from "./ui.js";

const STATES = { Enabled: "good", Deleted: "plain", Unknown: "warn" };
const showTime = (text) => `${showMinute(Date.parse(text))} UTC`;

export class ProvidersPage extends Component {
  state = { providers: null, at: undefined, error: null };

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async load() {
    const number = (this.number = (this.number ?? 0) + 1);
    try {
      const { value } = await get(`/v1/providers${queryOf({ at: this.state.at })}`);
      if (!this.gone && number === this.number) this.setState({ providers: value, error: null });
    } catch (error) {
      if (!this.gone && number === this.number) this.setState({ error });
    }
  }

  render(_, { providers, at, error }) {
    const count = providers?.reduce((sum, { tenants }) => sum + tenants.length, 0);
    return html`
      <div class="page-head"><h1 tabindex="-1">Providers</h1>
        <form class="row ask" onSubmit=${(event) => {
          event.preventDefault();
          this.setState({ at: hourOf(event.target, "at") }, () => this.load());
        }}>
          <${HourField} name="at" title="As it was at" /><button class="button">Show</button>
          ${at && html`<button type="reset" class="button quiet" onClick=${() => this.setState({ at: undefined }, () => this.load())}>Now</button>`}
        </form></div>
      ${error && html`<${ErrorBox} error=${error} title="Providers could not be read" onRetry=${() => this.load()} />`}
      ${!providers && !error && html`<${Loading} what="providers" />`}
      <p class="summary" role="status">${providers && html`<strong>${count} ${count === 1 ? "tenant" : "tenants"}</strong>
        <span class="dim"> of ${providers.length} ${providers.length === 1 ? "provider" : "providers"}, ${at ? `in the hour from ${showTime(at)}` : "now"}</span>`}</p>
      ${providers && html`<section class="panel" aria-label="Providers and their tenants">
        ${this.level(providers, (each) => !each.parentSubscriptionId)}
        <p class="dim small">Each provider reads the usage of its direct tenants only; usage of a subscription that moved belongs to whoever was
          its provider in that hour: <a href="/docs/reading-usage.html#providers">reading usage</a>.</p></section>`}`;
  }

  /* Those providers that are wanted, each with its tenants and the providers below it; a delegated provider is itself a
   * subscription of its parent. */
  level(providers, wanted) {
    return html`<ul class="tree">${providers.filter(wanted).map(({ providerSubscriptionId, displayName, state, level, tenants }) => html`
      <li key=${providerSubscriptionId}>
        <div class="tree-row"><div><h2>${level === "0" ? "This stamp's operator" : displayName || providerSubscriptionId}
          ${level !== "0" && html` <${Badge}>Delegated provider<//>`}${state && state !== "Enabled" && html` <${Badge} kind="warn">${state}<//>`}</h2>
          <span class="detail"><code>${providerSubscriptionId}</code> · ${tenants.length} direct ${tenants.length === 1 ? "tenant" : "tenants"}</span></div></div>
        ${this.tenants(tenants, displayName || providerSubscriptionId)}
        ${providers.some((each) => each.parentSubscriptionId === providerSubscriptionId) &&
        this.level(providers, (each) => each.parentSubscriptionId === providerSubscriptionId)}
      </li>`)}</ul>`;
  }

  tenants(tenants, of) {
    if (tenants.length === 0) return html`<p class="empty-line">No direct tenants at that time.</p>`;
    return html`
      <div class="table-scroll" role="region" aria-label=${`Tenants of ${of}`} tabindex="0"><table class="stack">
        <thead><tr><th scope="col">Subscription</th><th scope="col">State</th><th scope="col">Tenant</th><th scope="col">Since</th></tr></thead>
        <tbody>${tenants.map(({ subscriptionId, displayName, state, tenantId, since }) => html`<tr key=${subscriptionId}>
          <th scope="row" class="name"><a href=${stateHref(withFilter(readState(""), "subscription", subscriptionId))}>${displayName || subscriptionId}</a>
            ${displayName && html`<span class="detail">${subscriptionId}</span>`}</th>
          <td><${Badge} kind=${STATES[state] ?? "plain"}>${state}<//></td>
          <td data-label="Tenant">${tenantId ? html`<code>${tenantId}</code>` : html`<span class="dim">not known</span>`}</td>
          <td class="time" data-label="Since">${since ? showMinute(Date.parse(since)) : "the beginning"}</td></tr>`)}</tbody></table></div>`;
  }
}
