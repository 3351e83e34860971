/* The Registration page of the stamp's operator: what this stamp is registered as, and the way there in three steps, since
 * the commercial side is somewhere else: a token is made here, goes there, and comes back as an activation key. */

import { get, put, remove } from "./api.js";
import { showKnownModel } from "./registration-models.js";
import { RegisterStep, TokenStep } from "./registration-steps.js";
import { showMinute } from "./time.js";
import { Badge, Component, ErrorBox, Loading, html } from "./ui.js";

const STATES = { Registered: "good", Expired: "bad", "Untrusted signer": "bad", "Not registered": "warn" };
const NEVER = 9999; // the year in which activation keys expire that do not

const showTime = (text) => `${showMinute(Date.parse(text))} UTC`;
const showExpiry = (text) => (!text || Number(text.slice(0, 4)) >= NEVER ? "never" : showTime(text));
const onOff = (flag) => (flag ? "on" : "off");

const Fact = ({ title, children }) => html`<dt>${title}</dt><dd>${children}</dd>`;

/** The stamp's own resource: where an activation key is put, and taken away again. */
async function activationPath() {
  const { value } = await get("/subscriptions?api-version=2016-06-01");
  return `/subscriptions/${value[0].subscriptionId}/resourceGroups/azurestack-activation` +
    "/providers/Microsoft.AzureBridge.Admin/activations/default?api-version=2016-01-01";
}

/* The key itself, also of somebody who has the whole answer of getactivationkey. */
function keyOf(text) {
  try {
    return JSON.parse(text).activationKey ?? text.trim();
  } catch {
    return text.trim();
  }
}

/** Step 3: the key that the commercial side answered with. */
class ActivateStep extends Component {
  state = { key: "", busy: false, error: null };

  async load(event) {
    const [file] = event.target.files;
    if (file) this.setState({ key: keyOf(await file.text()), error: null });
    event.target.value = "";
  }

  async submit(event) {
    event.preventDefault();
    if (this.state.busy) return;
    this.setState({ busy: true, error: null });
    try {
      await put(await activationPath(), { properties: { activationKey: keyOf(this.state.key) } });
      this.setState({ busy: false, key: "" });
      await this.props.onDone("The stamp is activated.");
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  render(_, { key, busy, error }) {
    return html`
      <p>The commercial side answers with an activation key: a long text of three parts with dots between them. It is signed; this
        stamp checks that it is whole, that it is for this stamp, and who signed it.</p>
      <form onSubmit=${(event) => this.submit(event)}>
        <label class="field-label" for="activation-key">Activation key</label>
        <textarea id="activation-key" class="record-text" rows="5" spellcheck=${false} autocomplete="off" required value=${key}
          onInput=${(event) => this.setState({ key: event.target.value })}></textarea>
        ${error && html`<${ErrorBox} error=${error} title="The stamp was not activated" />`}
        <div class="row">
          <button class="button primary" disabled=${busy}>${busy ? "Checking …" : "Activate"}</button>
          <span class="dim">or</span>
          <label class="file-label">read it from a file
            <input type="file" accept=".txt,.jws,.jwt,.key,text/plain" onChange=${(event) => this.load(event)} /></label>
        </div>
      </form>`;
  }
}

/** Taking the activation away; it takes two steps, because forwarding ends with it. */
class Deactivate extends Component {
  state = { sure: false, forget: false, busy: false, error: null };

  ask() {
    this.setState({ sure: true }, () => this.yes?.focus());
  }

  async act() {
    this.setState({ busy: true, error: null });
    try {
      await remove(`${await activationPath()}&forgetSigner=${this.state.forget}`);
      await this.props.onDone("The activation has been removed.");
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  render(_, { sure, forget, busy, error }) {
    return html`
      ${error && html`<${ErrorBox} error=${error} title="The activation is still there" />`}
      ${!sure && html`<div class="row"><button type="button" class="button" onClick=${() => this.ask()}>Deactivate …</button></div>`}
      ${sure && html`<div class="notice warn">
        <p>Without an activation this stamp reports its usage to nobody. Nothing is lost: usage is still accepted and kept. The
          registration itself stays on the commercial side until it is deleted there, which comes second.</p>
        <p><label class="check"><input type="checkbox" checked=${forget} onChange=${(event) => this.setState({ forget: event.target.checked })} />
          Forget who signed, too: the next activation may come from another commercial side.</label></p>
        <div class="row">
          <button type="button" class="button" disabled=${busy} ref=${(node) => (this.yes = node)} onClick=${() => this.act()}>Remove the activation</button>
          <button type="button" class="button quiet" onClick=${() => this.setState({ sure: false })}>Cancel</button>
        </div></div>`}`;
  }
}

export class RegistrationPage extends Component {
  state = { data: null, error: null, done: "", token: null };

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async load() {
    try {
      const data = await get("/v1/registration");
      if (!this.gone) this.setState({ data, error: null });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  }

  async finish(done) {
    await this.load();
    this.setState({ done, token: null }, () => this.heading?.focus());
  }

  render(_, { data, error, done }) {
    return html`
      <div class="page-head"><h1 tabindex="-1" ref=${(node) => (this.heading = node)}>Registration</h1></div>
      ${error && html`<${ErrorBox} error=${error} title="The registration could not be read" onRetry=${() => this.load()} />`}
      ${!data && !error && html`<${Loading} what="the registration" />`}
      <p class="summary" role="status">${done}</p>
      ${data && this.facts(data)}
      ${data && this.way(data)}`;
  }

  facts({ state, cloudId, stampVersion, publicKeyId, trustedSigner, activation }) {
    return html`
      <section class="panel" aria-labelledby="registration-state">
        <div class="panel-head"><h2 id="registration-state">This stamp <${Badge} kind=${STATES[state] ?? "plain"}>${state}<//></h2></div>
        ${state === "Not registered" && html`<p>It meters and keeps its usage all the same; registered, it can report it for billing.
          Begin with step 1: make a token.</p>`}
        ${state === "Expired" && html`<p class="notice bad">The activation ended on ${showExpiry(activation.expires)}. Renew it: make a token,
          register again under the same name, and activate with the new key.</p>`}
        ${state === "Untrusted signer" && html`<p class="notice bad">This stamp trusts the key <code>${trustedSigner}</code> alone, and another
          one signed the activation. Activate with a key from there, or correct <code>registration.trusted_key_id</code>.</p>`}
        <dl class="facts">
          <${Fact} title="Cloud id"><code>${cloudId}</code><//>
          ${activation && html`
            <${Fact} title="Registered as"><strong>${activation.registrationName}</strong> in resource group ${activation.resourceGroup}<//>
            <${Fact} title="Pays by default">subscription <code>${activation.subscriptionId}</code><//>
            <${Fact} title="Billing model">${showKnownModel(activation.billingModel)}<//>
            <${Fact} title="Usage reporting">${onOff(activation.usageReporting)}<//>
            <${Fact} title="Usage goes to"><code>${activation.usageEndpoint}</code><//>
            <${Fact} title="Activated">${showTime(activation.activatedTime)} by ${activation.by}<//>
            <${Fact} title="Expires">${showExpiry(activation.expires)}<//>
            <${Fact} title="Signed by key"><code>${activation.signerKeyId}</code>
              <span class="detail">The commercial side shows the same one at <code>GET /v1/commerce/key</code> and on its Registrations
                page. If they differ, somebody else made this activation.</span><//>`}
          ${!activation && trustedSigner && html`<${Fact} title="Trusted signer"><code>${trustedSigner}</code>
            <span class="detail">Only activation keys that this key signed are taken.</span><//>`}
          <${Fact} title="Stamp version">${stampVersion}<//>
          <${Fact} title="Key of this stamp"><code>${publicKeyId}</code><//>
        </dl>
        ${activation && html`<${Deactivate} key=${activation.activatedTime} onDone=${(done) => this.finish(done)} />`}
      </section>`;
  }

  /* The three steps; of a stamp that is registered they are for renewal, so they wait behind a heading. */
  way(data) {
    const { token } = this.state;
    const steps = html`
      <ol class="steps">
        <li class="panel"><h2 id="step-token">Make a registration token</h2>
          <${TokenStep} registration=${data} token=${token} onToken=${(made) => this.setState({ token: made, done: "" })} /></li>
        <li class="panel"><h2 id="step-register">Register on the commercial side</h2>
          <${RegisterStep} registration=${data} token=${token} /></li>
        <li class="panel"><h2 id="step-activate">Activate with the key</h2>
          <${ActivateStep} onDone=${(done) => this.finish(done)} /></li>
      </ol>
      <p class="dim small">All of it, also without a network between both sides: <a href="/docs/registration.html">registration</a>.</p>`;
    if (data.state === "Not registered") return steps;
    return html`<details class="again" open=${data.state !== "Registered" || undefined}>
      <summary>Renew the registration or change its billing model</summary>
      <p>The same three steps. Register under the same name, then nothing has to be removed before; add and remove nodes of a
        capacity registration in this way too.</p>
      ${steps}</details>`;
  }
}
