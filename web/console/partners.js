/* The Partners page of the commercial side: who sells and bills, with resellers under their providers, and the commercial
 * subscriptions that customers and registrations name. */

import { getAll, remove } from "./api.js";
import { PartnerDialog, SubscriptionDialog } from "./partners-dialogs.js";
import { Badge, Component, ErrorBox, Icon, Loading, html } from "./ui.js";

const PAGES = 10;
const KINDS = { direct: "Direct partner", indirectProvider: "Indirect provider", indirectReseller: "Indirect reseller" };
const subscriptionPath = (id) => `/v1/commerce/subscriptions/${encodeURIComponent(id)}`;
const partnerPath = (id) => `/v1/commerce/partners/${encodeURIComponent(id)}`;

export class PartnersPage extends Component {
  state = { partners: null, subscriptions: null, more: false, error: null, refused: null, dialog: null, asked: null, filter: "", done: "" };

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async load() {
    try {
      const [partners, subscriptions] = await Promise.all([
        getAll("/v1/commerce/partners?limit=1000", { pages: PAGES }), getAll("/v1/commerce/subscriptions?limit=1000", { pages: PAGES }),
      ]);
      if (!this.gone) this.setState({ partners: partners.value, subscriptions: subscriptions.value, more: subscriptions.more, error: null });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  }

  async changed(done) {
    this.setState({ dialog: null, asked: null, refused: null, done });
    await this.load();
  }

  async delete(path, done) {
    this.setState({ refused: null });
    try {
      await remove(path);
      await this.changed(done);
      this.heading?.focus();
    } catch (refused) {
      this.setState({ refused, asked: null });
    }
  }

  render(_, { partners, subscriptions, error, refused, dialog, done }) {
    const View = dialog && { partner: PartnerDialog, subscription: SubscriptionDialog }[dialog.what];
    return html`
      <div class="page-head"><h1 tabindex="-1" ref=${(node) => (this.heading = node)}>Partners</h1></div>
      ${error && html`<${ErrorBox} error=${error} title="Partners could not be read" onRetry=${() => this.load()} />`}
      ${!partners && !error && html`<${Loading} what="partners" />`}
      ${refused && html`<${ErrorBox} error=${refused} title="Nothing was removed" />`}
      <p class="summary" role="status">${done}</p>
      ${partners && this.partners(partners)}
      ${partners && this.subscriptions(subscriptions)}
      ${dialog && html`<${View} partners=${partners} known=${dialog.known} onClose=${() => this.setState({ dialog: null })}
        onDone=${(words) => this.changed(words)} />`}`;
  }

  open(what, known) {
    this.setState({ dialog: { what, known }, done: "", refused: null });
  }

  partners(partners) {
    const resellersOf = (id) => partners.filter(({ providerId }) => providerId?.toLowerCase() === id.toLowerCase());
    return html`
      <section class="panel" aria-labelledby="partners-tree">
        <div class="panel-head"><h2 id="partners-tree">Partners <span class="dim">${partners.length}</span></h2>
          <button type="button" class="button" onClick=${() => this.open("partner")}><${Icon} name="plus" />Add a partner</button></div>
        ${partners.length === 0 && html`<p class="empty-line">None yet. Enter who bills first: a direct partner or an indirect provider.</p>`}
        <ul class="tree">${partners.filter(({ providerId }) => !providerId).map((each) => html`<li key=${each.partnerId}>${this.partner(each)}
          ${resellersOf(each.partnerId).length > 0 && html`<ul>${resellersOf(each.partnerId).map((reseller) => html`<li key=${reseller.partnerId}>${this.partner(reseller)}</li>`)}</ul>`}</li>`)}</ul>
      </section>`;
  }

  partner(partner) {
    const { partnerId, name, kind } = partner;
    const id = partnerId.toLowerCase();
    const sells = this.state.subscriptions.filter((each) => [each.partnerId, each.resellerId].some((other) => other?.toLowerCase() === id)).length;
    return html`
      <div class="tree-row">
        <div><strong>${name || partnerId}</strong> <${Badge}>${KINDS[kind] ?? kind}<//>
          <span class="detail">${partnerId} · ${sells} ${sells === 1 ? "subscription" : "subscriptions"}</span></div>
        ${this.actions(partnerId, name || partnerId, () => this.open("partner", partner),
          () => this.delete(partnerPath(partnerId), `${name || partnerId} is removed.`))}
      </div>`;
  }

  /* Edit and remove; removing takes two steps. */
  actions(key, name, edit, act) {
    const { asked } = this.state;
    return html`<div class="row">${asked === key
      ? html`<span>Remove ${name}?</span>
          <button type="button" class="button" ref=${(node) => node?.focus()} onClick=${act}>Remove</button>
          <button type="button" class="button quiet" onClick=${() => this.setState({ asked: null })}>Cancel</button>`
      : html`<button type="button" class="button quiet" aria-label=${`Edit ${name}`} onClick=${edit}>Edit …</button>
          <button type="button" class="button quiet" aria-label=${`Remove ${name}`}
            onClick=${() => this.setState({ asked: key, done: "", refused: null })}>Remove …</button>`}</div>`;
  }

  subscriptions(all) {
    const { filter, more, partners } = this.state;
    const wanted = filter.trim().toLowerCase();
    const shown = all.filter((row) => Object.values(row).some((value) => String(value ?? "").toLowerCase().includes(wanted)));
    const nameOf = (id) => partners.find(({ partnerId }) => partnerId.toLowerCase() === id.toLowerCase())?.name || id;
    return html`
      <section class="panel" aria-labelledby="partners-subscriptions">
        <div class="panel-head"><h2 id="partners-subscriptions">Commercial subscriptions <span class="dim">${all.length}${more ? "+" : ""}</span></h2>
          <div class="row wrap"><label for="subscription-filter">Only with</label>
            <input id="subscription-filter" type="search" value=${filter} placeholder="an id, a partner, an offer …"
              onInput=${(event) => this.setState({ filter: event.target.value })} />
            <button type="button" class="button" onClick=${() => this.open("subscription")}><${Icon} name="plus" />Add a subscription</button></div></div>
        ${all.length === 0 && html`<p class="empty-line">None yet. Only a subscription that is entered here (or that an external resolver knows) can pay for
          a tenant.</p>`}
        ${all.length > 0 && shown.length === 0 && html`<p class="empty-line" role="status">No subscription has this text.</p>`}
        ${shown.length > 0 && html`
        <div class="table-scroll" role="region" aria-label="Commercial subscriptions" tabindex="0"><table class="stack ids">
          <thead><tr><th scope="col">Subscription and tenant</th><th scope="col">Offer</th><th scope="col">Billed by</th>
            <th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
          <tbody>${shown.map((row) => html`<tr key=${row.subscriptionId}>
            <th scope="row"><code>${row.subscriptionId}</code><span class="detail">of tenant <code>${row.tenantId}</code></span></th>
            <td data-label="Offer">${row.offer}${row.state === "Disabled" && html` <${Badge} kind="warn">Disabled<//>`}</td>
            <td data-label="Billed by">${row.partnerId ? nameOf(row.partnerId) : html`<span class="dim">nobody</span>`}
              ${row.resellerId && html`<span class="detail">sold by ${nameOf(row.resellerId)}</span>`}</td>
            <td class="actions">${this.actions(row.subscriptionId, row.subscriptionId, () => this.open("subscription", row),
              () => this.delete(subscriptionPath(row.subscriptionId), `Subscription ${row.subscriptionId} is removed.`))}</td></tr>`)}</tbody></table></div>`}
        <p class="dim small">Disabled subscriptions take no new customers; what is mapped stays mapped. What is checked against this list:
          ${" "}<a href="/docs/partners.html">partners and approvals</a>.</p>
      </section>`;
  }
}
