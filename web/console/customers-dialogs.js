/* The questions about one tenant of a registration: which subscription is to pay for it from when on, and who paid when. */

import { ApiError, get, getAll, post, put, queryOf } from "./api.js";
import { API_VERSION, customerPath, named } from "./customers-data.js";
import { showMinute } from "./time.js";
import { Component, Dialog, ErrorBox, Loading, html } from "./ui.js";

const HOURS = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));

/** A day and an hour in UTC; both fields of a form, read with hourOf. */
export const HourField = ({ name, title, required, help }) => html`
  <fieldset class="field hour-field"><legend class="field-label">${title}</legend>
    <div class="row">
      <input type="date" name=${`${name}-day`} aria-label=${`${title}: day`} required=${required} />
      <select name=${`${name}-hour`} aria-label=${`${title}: hour`}>${HOURS.map((hour) => html`<option key=${hour} value=${hour}>${hour}:00</option>`)}</select>
      <span class="dim">UTC</span>
    </div>
    ${help && html`<span class="dim small">${help}</span>`}
  </fieldset>`;

/** The time of an HourField as the API takes it, or undefined where no day is given. */
export function hourOf(form, name) {
  const day = form.elements[`${name}-day`].value;
  return day ? `${day}T${form.elements[`${name}-hour`].value}:00:00Z` : undefined;
}

const showTime = (text) => `${showMinute(Date.parse(text))} UTC`;

/* The default pays for a tenant from an hour on, whatever was said about later hours: a line of an import without a subscription
 * says that, where DELETE speaks of one subscription only. */
async function giveToDefault(registration, tenantId, effectiveFrom) {
  const line = `tenantId,customerSubscriptionId,effectiveFrom\r\n${tenantId.replace(/[^\w-]/g, "")},,${effectiveFrom ?? ""}\r\n`;
  const { results } = await post(`/v1/commerce/customers/import${named(registration)}`, line, { type: "text/csv" });
  const { verdict, code, message } = results[0];
  if (verdict === "Rejected") throw new ApiError({ code, message });
}

/** Who pays for a tenant from some hour on; props {registration, tenantId?, name?, onDone, onClose}. */
export class AttributeDialog extends Component {
  state = { busy: false, error: null, whom: "customer" };

  async submit(event) {
    event.preventDefault();
    const { registration, name, onDone } = this.props;
    const form = event.target;
    const effectiveFrom = hourOf(form, "from");
    const tenantId = this.props.tenantId ?? form.elements.tenant.value.trim();
    this.setState({ busy: true, error: null });
    try {
      if (this.state.whom === "customer") {
        const customer = form.elements.customer.value.trim();
        await put(`${customerPath(registration, customer)}?${API_VERSION}`, { properties: { tenantId, effectiveFrom } });
        onDone(`${name ?? tenantId} is paid by ${customer} ${effectiveFrom ? `from ${showTime(effectiveFrom)} on` : "from this hour on"}.`);
      } else {
        await giveToDefault(registration, tenantId, effectiveFrom);
        onDone(`${name ?? tenantId} is paid by the default subscription ${effectiveFrom ? `from ${showTime(effectiveFrom)} on` : "from this hour on"}.`);
      }
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  render({ registration, tenantId, name, onClose }, { busy, error, whom }) {
    const choice = (value, title) => html`<label class="check"><input type="radio" name="whom" value=${value} checked=${whom === value}
      onChange=${() => this.setState({ whom: value, error: null })} /> ${title}</label>`;
    return html`
      <${Dialog} title=${name ? `Who pays for ${name}` : "Map a tenant"} onClose=${onClose}>
        <form onSubmit=${(event) => this.submit(event)}>
          <p class="dim small">Registration ${registration.name}${tenantId && html`, tenant <code>${tenantId}</code>`}</p>
          ${!tenantId && html`<p class="field"><label class="field-label" for="attribute-tenant">Tenant id</label>
            <input id="attribute-tenant" name="tenant" required autocomplete="off" spellcheck=${false} class="wide" /></p>`}
          <fieldset class="choices"><legend class="visually-hidden">Who pays</legend>
            ${choice("customer", "A subscription of the customer")}${choice("default", "The default subscription")}</fieldset>
          ${whom === "customer" && html`<p class="field"><label class="field-label" for="attribute-customer">Customer subscription</label>
            <input id="attribute-customer" name="customer" required autocomplete="off" spellcheck=${false} class="wide" aria-describedby="attribute-help" />
            <span class="dim small" id="attribute-help">The id of a CSP subscription of the same partner, in lower case.</span></p>`}
          <${HourField} name="from" title="From when on" help="Empty: from this hour on. A past hour moves what was used since then." />
          ${error && html`<${ErrorBox} error=${error} title="Nothing was changed" />`}
          <div class="row"><button class="button primary" disabled=${busy}>${busy ? "Saving …" : "Save"}</button>
            <button type="button" class="button quiet" onClick=${onClose}>Cancel</button></div>
        </form>
      <//>`;
  }
}

/* "by whom" of an answer of GET /v1/commerce/payer. */
function payerWords({ kind, subscriptionId, since, charged, billingModel }) {
  if (kind === "none") return "Nobody: the stamp was not registered then.";
  const who = kind === "customer" ? "The customer's subscription" : "The default subscription";
  return html`${who} <code>${subscriptionId}</code>, since ${showTime(since)}.
    ${charged === false && ` Under ${billingModel} its usage is not charged.`}`;
}

/** Every change of who pays for a tenant, and the question "who paid when"; props {registration, tenantId, name, onClose}. */
export class HistoryDialog extends Component {
  state = { rows: null, error: null, answer: null, asked: null };

  async componentDidMount() {
    const { registration, tenantId } = this.props;
    try {
      const { value } = await getAll(`/v1/commerce/customers/history${named(registration, { tenantId })}`);
      if (!this.gone) this.setState({ rows: value });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async ask(event) {
    event.preventDefault();
    const { registration, tenantId } = this.props;
    const time = hourOf(event.target, "asked");
    this.setState({ error: null, answer: null });
    try {
      const answer = await get(`/v1/commerce/payer${queryOf({ cloudId: registration.cloudId, tenantId, time })}`);
      if (!this.gone) this.setState({ answer, asked: time });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  }

  render({ name, tenantId, onClose }, { rows, error, answer, asked }) {
    return html`
      <${Dialog} title=${`Who paid for ${name ?? tenantId}`} onClose=${onClose}>
        <form class="row ask" onSubmit=${(event) => this.ask(event)}>
          <${HourField} name="asked" title="In the hour" required />
          <button class="button">Tell</button></form>
        <p role="status" class="asked">${answer && html`<strong>${showTime(asked)}:</strong> ${payerWords(answer)}`}</p>
        ${error && html`<${ErrorBox} error=${error} title="This could not be read" />`}
        ${!rows && !error && html`<${Loading} what="the history" />`}
        ${rows && this.table(rows)}
      <//>`;
  }

  table(rows) {
    if (rows.length === 0) return html`<p class="empty-line">The tenant was never mapped: the default subscription has always paid.</p>`;
    return html`
      <h3>Changes, newest first</h3>
      <table class="stack"><thead><tr><th scope="col">Holds from</th><th scope="col">Who pays</th><th scope="col">Entered</th></tr></thead>
        <tbody>${[...rows].reverse().map(({ number, effectiveFrom, customerSubscriptionId, recorded, by }) => html`<tr key=${number}>
          <td class="time" data-label="Holds from">${showMinute(Date.parse(effectiveFrom))}</td>
          <td data-label="Who pays">${customerSubscriptionId ? html`<code>${customerSubscriptionId}</code>` : "the default subscription"}</td>
          <td class="time" data-label="Entered">${showMinute(Date.parse(recorded))}<span class="detail">by ${by}</span></td></tr>`)}</tbody></table>
      <p class="dim small">A change holds from its hour on and overrides whatever was said before about that hour and later ones.</p>`;
  }
}
