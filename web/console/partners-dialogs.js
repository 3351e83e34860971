/* Entering and changing a partner or a commercial subscription. What fits together is for the server to say. */

import { put } from "./api.js";
import { Component, Dialog, ErrorBox, html } from "./ui.js";

const KINDS = { direct: "Direct partner: sells and bills", indirectProvider: "Indirect provider: bills, resellers sell", indirectReseller: "Indirect reseller: sells for a provider" };
const OFFERS = {
  CSP: "CSP: a customer's subscription",
  APSS: "APSS: a partner's shared services (CSPSS)",
  EA: "EA: enterprise agreement",
  PayAsYouGo: "Pay as you go",
};
const BY_PARTNERS = ["CSP", "APSS"];

/* What both dialogs do: send the form's content, show the refusal at it, or be done. */
class Form extends Component {
  state = { busy: false, error: null, ...this.begin(this.props.known) };

  async submit(event) {
    event.preventDefault();
    const { path, body, done } = this.wanted(event.target.elements);
    this.setState({ busy: true, error: null });
    try {
      await put(path, body);
      this.props.onDone(done);
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  frame(title, fields) {
    const { busy, error } = this.state;
    return html`
      <${Dialog} title=${title} onClose=${this.props.onClose}>
        <form onSubmit=${(event) => this.submit(event)}>
          ${fields}
          ${error && html`<${ErrorBox} error=${error} title="Nothing was changed" />`}
          <div class="row"><button class="button primary" disabled=${busy}>${busy ? "Saving …" : "Save"}</button>
            <button type="button" class="button quiet" onClick=${this.props.onClose}>Cancel</button></div>
        </form>
      <//>`;
  }

  text(name, title, { value = "", fixed, required = true } = {}) {
    return html`<p class="field"><label class="field-label" for=${`form-${name}`}>${title}</label>
      <input id=${`form-${name}`} name=${name} class="wide" defaultValue=${value} readonly=${fixed} required=${required} autocomplete="off" spellcheck=${false} /></p>`;
  }

  select(name, title, options, value, onChange) {
    return html`<p class="field"><label class="field-label" for=${`form-${name}`}>${title}</label>
      <select id=${`form-${name}`} name=${name} onChange=${onChange && ((event) => onChange(event.target.value))}>
        ${options.map(([key, words]) => html`<option key=${key} value=${key} selected=${key === value}>${words}</option>`)}</select></p>`;
  }
}

const named = ({ partnerId, name }) => [partnerId, name && name !== partnerId ? `${name} (${partnerId})` : partnerId];

/** Props {partners, known?: the partner to change, onDone, onClose}. */
export class PartnerDialog extends Form {
  begin(known) {
    return { kind: known?.kind ?? "direct" };
  }

  wanted({ partner, name, provider }) {
    const body = { name: name.value.trim(), kind: this.state.kind };
    if (provider) body.providerId = provider.value;
    return { path: `/v1/commerce/partners/${encodeURIComponent(partner.value.trim())}`, body, done: `${body.name} is saved.` };
  }

  render({ partners, known }, { kind }) {
    const providers = partners.filter((each) => each.kind === "indirectProvider" && each.partnerId !== known?.partnerId);
    return this.frame(known ? `Edit ${known.name || known.partnerId}` : "Add a partner", html`
      ${this.text("partner", "Partner id", { value: known?.partnerId, fixed: known !== undefined })}
      ${this.text("name", "Name", { value: known?.name })}
      ${this.select("kind", "Kind", Object.entries(KINDS), kind, (chosen) => this.setState({ kind: chosen, error: null }))}
      ${kind === "indirectReseller" && (providers.length > 0
        ? this.select("provider", "Provider who bills for it", providers.map(named), known?.providerId)
        : html`<p class="notice">Enter its indirect provider first.</p>`)}`);
  }
}

/** Props {partners, known?: the subscription to change, onDone, onClose}. */
export class SubscriptionDialog extends Form {
  begin(known) {
    const first = this.props.partners.find(({ kind }) => kind !== "indirectReseller");
    return { offer: known?.offer ?? "CSP", partner: known?.partnerId ?? first?.partnerId ?? "" };
  }

  wanted({ subscription, tenant, reseller, state }) {
    const { offer, partner } = this.state;
    const body = { tenantId: tenant.value.trim(), offer, state: state.value };
    if (BY_PARTNERS.includes(offer)) {
      body.partnerId = partner;
      if (reseller?.value) body.resellerId = reseller.value;
    }
    const id = subscription.value.trim();
    return { path: `/v1/commerce/subscriptions/${encodeURIComponent(id)}`, body, done: `Subscription ${id} is saved.` };
  }

  render({ partners, known }, { offer, partner }) {
    const billing = partners.filter(({ kind }) => kind !== "indirectReseller");
    const resellers = partners.filter(({ providerId }) => providerId?.toLowerCase() === partner.toLowerCase());
    return this.frame(known ? "Edit a subscription" : "Add a subscription", html`
      ${this.text("subscription", "Subscription id", { value: known?.subscriptionId, fixed: known !== undefined })}
      ${this.text("tenant", "Tenant id", { value: known?.tenantId })}
      ${this.select("offer", "Offer", Object.entries(OFFERS), offer, (chosen) => this.setState({ offer: chosen, error: null }))}
      ${BY_PARTNERS.includes(offer) && (billing.length > 0
        ? this.select("partner", "Billed by", billing.map(named), partner, (chosen) => this.setState({ partner: chosen, error: null }))
        : html`<p class="notice">Enter the partner who bills first.</p>`)}
      ${BY_PARTNERS.includes(offer) && resellers.length > 0 &&
      this.select("reseller", "Sold by", [["", "the provider itself"], ...resellers.map(named)], known?.resellerId ?? "")}
      ${this.select("state", "State", [["Active", "Active"], ["Disabled", "Disabled: takes no new customers"]], known?.state ?? "Active")}`);
  }
}
