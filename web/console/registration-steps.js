/* Steps 1 and 2 of registering a stamp: the token, and what to do with it on the commercial side. */

import { post, saveFile } from "./api.js";
import { MODELS, NEEDS, modelOf, showKnownModel } from "./registration-models.js";
import { Commands, Component, CopyButton, ErrorBox, Icon, Segments, html } from "./ui.js";

export const TOKEN_FILE = "registration-token.txt";
const KEY_FILE = "activation-key.txt";
const API_VERSION = "2017-06-01";

/** Step 1: choose a model, get a token that tells the commercial side what this stamp is. */
export class TokenStep extends Component {
  state = { model: this.props.registration.activation?.billingModel ?? "PayAsYouUse", reporting: true, busy: false, error: null };

  async submit(event) {
    event.preventDefault();
    if (this.state.busy) return;
    const { mayReport, needs, name } = modelOf(this.state.model);
    const body = { billingModel: name };
    if (mayReport) body.usageReporting = this.state.reporting;
    if (needs) body[needs] = event.target.elements[needs].value.trim();
    this.setState({ busy: true, error: null });
    try {
      this.props.onToken({ ...(await post("/v1/registration/token", body)), billingModel: name });
      this.setState({ busy: false }, () => this.made?.focus());
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  choose(model) {
    this.setState({ model, reporting: modelOf(model).reports ?? false, error: null });
    this.props.onToken(null);
  }

  render({ token }, { model, reporting, busy, error }) {
    const chosen = modelOf(model) ?? MODELS[0];
    return html`
      <form onSubmit=${(event) => this.submit(event)}>
        <fieldset class="models"><legend class="field-label">Billing model</legend>
          ${MODELS.map((each) => html`<label key=${each.name} class="model">
            <input type="radio" name="model" value=${each.name} checked=${each.name === chosen.name}
              onChange=${() => this.choose(each.name)} />
            <span><strong>${each.title}</strong><span class="detail">${each.means}</span></span></label>`)}
        </fieldset>
        ${chosen.needs && html`<p class="field">
          <label class="field-label" for="token-needs">${NEEDS[chosen.needs].title}</label>
          <input id="token-needs" name=${chosen.needs} key=${chosen.needs} required autocomplete="off" aria-describedby="token-needs-help" />
          <span class="dim small" id="token-needs-help">${NEEDS[chosen.needs].help}</span></p>`}
        ${chosen.mayReport && html`<p><label class="check"><input type="checkbox" checked=${reporting}
          onChange=${(event) => this.setState({ reporting: event.target.checked })} /> Report usage</label></p>`}
        ${error && html`<${ErrorBox} error=${error} title="No token was made" />`}
        <button class="button primary" disabled=${busy}>${busy ? "Reading the hardware …" : "Make the token"}</button>
      </form>
      ${token && html`<div class="made">
        <label class="field-label" for="registration-token">Registration token, ${showKnownModel(token.billingModel)}</label>
        <textarea id="registration-token" class="record-text" rows="5" readonly value=${token.registrationToken}
          ref=${(node) => (this.made = node)}></textarea>
        <div class="row">
          <${CopyButton} text=${token.registrationToken} what="the registration token" />
          <button type="button" class="button" onClick=${() => saveFile(new Blob([`${token.registrationToken}\n`], { type: "text/plain" }), TOKEN_FILE)}
            ><${Icon} name="download" />Download ${TOKEN_FILE}</button>
        </div>
        <p class="dim small">It holds the cloud id, hashes of the hardware, the number of cores and the model. It is no secret; take it to
          the commercial side by any way.</p>
      </div>`}`;
  }
}

const TOOLS = [
  { name: "curl", title: "curl" },
  { name: "az", title: "Azure CLI" },
  { name: "powershell", title: "PowerShell" },
];

/* What is typed goes between quotes of a shell, so only what cannot end them may come in. */
const plain = (text) => text.replace(/[^\w.:/()-]/g, "");

/** The commands of step 2 for a place {url, subscription, group, name}. */
export function registerCommands(tool, { url, subscription, group, name }) {
  const resource = `/subscriptions/${plain(subscription) || "SUBSCRIPTION_ID"}/resourceGroups/${plain(group)}/providers/Microsoft.AzureStack/registrations/${plain(name)}`;
  const version = `api-version=${API_VERSION}`;
  const server = plain(url).replace(/\/+$/, "");
  switch (tool) {
    case "az":
      return `export REQUESTS_CA_BUNDLE=ca.pem
URL='${server}${resource}'
az rest --method put --url "$URL?${version}" --skip-authorization-header \\
  --headers "Authorization=Bearer $(cat commerce.token)" "Content-Type=application/json" \\
  --body "{\\"location\\":\\"global\\",\\"properties\\":{\\"registrationToken\\":\\"$(cat ${TOKEN_FILE})\\"}}"
az rest --method post --url "$URL/getactivationkey?${version}" --skip-authorization-header \\
  --headers "Authorization=Bearer $(cat commerce.token)" --query activationKey --output tsv > ${KEY_FILE}`;
    case "powershell":
      return `$url = '${server}${resource}'
$headers = @{ Authorization = "Bearer $((Get-Content -Raw commerce.token).Trim())" }
$token = (Get-Content -Raw ${TOKEN_FILE}).Trim()
$body = @{ location = 'global'; properties = @{ registrationToken = $token } } | ConvertTo-Json
Invoke-RestMethod -Method Put -Uri "\${url}?${version}" -Headers $headers -ContentType application/json -Body $body
$answer = Invoke-RestMethod -Method Post -Uri "$url/getactivationkey?${version}" -Headers $headers
Set-Content -NoNewline -Path ${KEY_FILE} -Value $answer.activationKey`;
    default:
      return `URL='${server}${resource}'
curl -sS --fail-with-body --cacert ca.pem -X PUT "$URL?${version}" \\
  -H "Authorization: Bearer $(cat commerce.token)" -H 'Content-Type: application/json' \\
  -d "{\\"location\\":\\"global\\",\\"properties\\":{\\"registrationToken\\":\\"$(cat ${TOKEN_FILE})\\"}}"
curl -sS --fail-with-body --cacert ca.pem -X POST "$URL/getactivationkey?${version}" -d '' \\
  -H "Authorization: Bearer $(cat commerce.token)" -o ${KEY_FILE}`;
  }
}

/** Step 2: the lines for the other side, which this page cannot reach. */
export class RegisterStep extends Component {
  state = { tool: "curl", ...this.place() };

  place() {
    const { cloudId, activation } = this.props.registration;
    return { url: activation?.usageEndpoint ?? "https://commerce.example", subscription: activation?.subscriptionId ?? "",
      group: activation?.resourceGroup ?? "azurestack", name: activation?.registrationName ?? `azurestack-${cloudId}` };
  }

  field(name, title, help) {
    return html`<p class="field"><label class="field-label" for=${`place-${name}`}>${title}</label>
      <input id=${`place-${name}`} value=${this.state[name]} spellcheck=${false} autocomplete="off"
        aria-describedby=${help && `place-${name}-help`} onInput=${(event) => this.setState({ [name]: event.target.value })} />
      ${help && html`<span class="dim small" id=${`place-${name}-help`}>${help}</span>`}</p>`;
  }

  render({ token }, { tool, ...place }) {
    return html`
      <p>On the machine that reaches the commercial side, in a folder with <code>${TOKEN_FILE}</code>, that server's <code>ca.pem</code> and
        a token of the role commerce in <code>commerce.token</code>. The first command registers the stamp or renews its
        registration, the second fetches the activation key into <code>${KEY_FILE}</code>.</p>
      ${!token && html`<p class="dim">Step 1 comes first: there is no token yet.</p>`}
      <div class="fields">
        ${this.field("url", "Address of the commercial side")}
        ${this.field("subscription", "Subscription", "Pays for everything that is not a customer's.")}
        ${this.field("group", "Resource group")}
        ${this.field("name", "Registration name", "Keep it for renewals.")}
      </div>
      <${Segments} name="tool" legend="Tool" hideLegend options=${TOOLS} value=${tool} onChoose=${(chosen) => this.setState({ tool: chosen })} />
      <${Commands} text=${registerCommands(tool, place)} what="the commands" />`;
  }
}
