/* The Registrations page of the commercial side: every stamp that is registered, how, until when, and whether its partner may
 * add customers, which is approved here. */

import { get, post, put, queryOf } from "./api.js";
import { keyOf, registrationsOf } from "./customers-data.js";
import { showKnownModel } from "./registration-models.js";
import { showMinute } from "./time.js";
import { Badge, Component, ErrorBox, Loading, html } from "./ui.js";

const APPROVALS = {
  Approved: ["good", "Approved for customers"],
  Requested: ["warn", "Approval requested"],
  Revoked: ["bad", "Approval taken back"],
  NotRequested: ["plain", "Approval not requested"],
};
const WITH_CUSTOMERS = "PayAsYouUse"; // the only model that has any
const showTime = (text) => (text ? `${showMinute(Date.parse(text))} UTC` : "never");

/** One registration, and what can be decided about it. */
class Registration extends Component {
  state = { busy: false, error: null };

  async act(run, done) {
    this.setState({ busy: true, error: null });
    try {
      await run();
      await this.props.onChanged(done);
      this.setState({ busy: false });
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  path(suffix = "") {
    const { name, subscriptionId, resourceGroup } = this.props.row;
    return `/v1/commerce/approvals/${encodeURIComponent(name)}${suffix}${queryOf({ subscriptionId, resourceGroup })}`;
  }

  approve(multitenant) {
    const { name } = this.props.row;
    this.act(() => put(this.path(), { multitenant }), multitenant ? `${name} may add customers.` : `${name} may add no more customers.`);
  }

  request() {
    this.act(() => post(this.path("/request")), `Approval of ${this.props.row.name} is requested.`);
  }

  render({ row }, { busy, error }) {
    const { approval, name, subscriptionId, resourceGroup, cloudId, billingModel, usageReporting, cores, registered, changed, changedBy, expires, state } = row;
    const fact = (title, children) => html`<dt>${title}</dt><dd>${children}</dd>`;
    const base = approval?.baseSubscription;
    const sold = base ? ` · ${base.offer}${base.partnerId ? ` of partner ${base.partnerId}` : ""}` : " · not in the catalogue";
    return html`
      <section class="panel" aria-label=${`Registration ${name}`}>
        <div class="panel-head"><h2>${name} <${Badge} kind=${state === "Active" ? "good" : "bad"}>${state}<//></h2>
          <a href=${`#/customers?registration=${encodeURIComponent(keyOf(row))}`}>Its customers</a></div>
        <dl class="facts">
          ${fact("Default subscription", html`<code>${subscriptionId}</code>${approval && sold}`)}
          ${fact("Resource group", resourceGroup)}
          ${fact("Cloud id of the stamp", html`<code>${cloudId}</code>`)}
          ${fact("Billing model", `${showKnownModel(billingModel)}, usage reporting ${usageReporting ? "on" : "off"}`)}
          ${fact("Physical cores", cores)}
          ${fact("Registered", html`${showTime(registered)}${changed !== registered ? `, changed ${showTime(changed)}` : ""} by ${changedBy}`)}
          ${fact("Expires", showTime(expires))}
        </dl>
        ${approval?.baseSubscriptionError && html`<p class="notice warn">What is known of its subscription could not be read: ${approval.baseSubscriptionError}</p>`}
        ${billingModel === WITH_CUSTOMERS ? this.approval(approval, name, busy)
          : html`<p class="dim">${showKnownModel(billingModel)} has no customers, so there is nothing to approve.</p>`}
        ${error && html`<${ErrorBox} error=${error} title="Nothing was changed" />`}
      </section>`;
  }

  approval(approval, name, busy) {
    const state = approval?.state ?? "NotRequested";
    const [kind, title] = APPROVALS[state] ?? ["plain", state];
    const button = (words, act, primary) => html`<button type="button" class=${primary ? "button primary" : "button"} disabled=${busy}
      aria-label=${`${words} ${name}`} onClick=${act}>${words}</button>`;
    return html`
      <div class="row decision"><${Badge} kind=${kind}>${title}<//>
        ${approval?.changedTime && html`<span class="dim small">${showTime(approval.changedTime)} by ${approval.by}</span>`}
        ${state !== "Approved" && button("Approve", () => this.approve(true), state === "Requested")}
        ${["NotRequested", "Revoked"].includes(state) && button("Request", () => this.request())}
        ${state === "Approved" && button("Take back", () => this.approve(false))}</div>`;
  }
}

export class RegistrationsPage extends Component {
  state = { rows: null, key: null, error: null, done: "" };

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async load() {
    try {
      const [rows, key] = await Promise.all([registrationsOf(), get("/v1/commerce/key")]);
      if (!this.gone) this.setState({ rows, key, error: null });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  }

  async changed(done) {
    await this.load();
    this.setState({ done });
  }

  render(_, { rows, error, done, key }) {
    return html`
      <div class="page-head"><h1 tabindex="-1">Registrations</h1></div>
      ${error && html`<${ErrorBox} error=${error} title="Registrations could not be read" onRetry=${() => this.load()} />`}
      ${!rows && !error && html`<${Loading} what="registrations" />`}
      <p class="summary" role="status">${done}</p>
      ${rows && this.list(rows)}
      ${key && html`<p class="dim small">Activation keys are signed here with the key <code>${key.kid}</code>. A stamp shows on its Registration
        page who signed: it must be this one.</p>`}`;
  }

  list(rows) {
    if (rows.length === 0) {
      return html`<section class="panel empty"><h2>No stamp is registered yet</h2>
        <p>A stamp's operator makes a registration token on the stamp; with it the stamp is registered here and gets its activation key:
          ${" "}<a href="/docs/registration.html">registration</a>.</p></section>`;
    }
    // What waits for a decision comes first.
    const rank = (row) => (row.approval?.state === "Requested" ? 0 : 1);
    const waiting = rows.filter((row) => rank(row) === 0).length;
    return html`
      <p class="summary"><strong>${rows.length} ${rows.length === 1 ? "registration" : "registrations"}</strong>
        ${waiting > 0 && html`<span class="dim"> · ${waiting} ${waiting === 1 ? "waits" : "wait"} for approval</span>`}</p>
      ${[...rows].sort((a, b) => rank(a) - rank(b)).map((row) => html`<${Registration} key=${keyOf(row)} row=${row} onChanged=${(words) => this.changed(words)} />`)}`;
  }
}
