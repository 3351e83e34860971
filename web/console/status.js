/* The Status page: is the stamp well, what wants a look, how much has come in, what is sealed, how big the store is and
 * will be; in the demo, its clock. */

import { advanceClock, getAll, readStatus } from "./api.js";
import { groupDigits } from "./decimal.js";
import { LivePage } from "./live.js";
import { Alert } from "./producers.js";
import { Retention } from "./retention.js";
import { stateHref, readState, withFilter } from "./state.js";
import { showDuration, showMinute, showSecond } from "./time.js";
import { Badge, Count, ErrorBox, Loading, html, showBytes } from "./ui.js";

const Fact = ({ title, children }) => html`<div class="fact"><dt>${title}</dt><dd>${children}</dd></div>`;

const STATES = { Enabled: "good", Deleted: "plain", Unknown: "warn" };
const ORDER = { Unknown: 0, Enabled: 1, Deleted: 2 };

export class StatusPage extends LivePage {
  state = { ...this.state, status: null, previous: null, subscriptions: null, alerts: [], clock: null };
  refreshMs = 5_000;

  async read() {
    const [status, subscriptions, alerts] = await Promise.all([readStatus(), getAll("/v1/subscriptions"), getAll("/v1/alerts")]);
    return { status, previous: this.state.status, subscriptions, alerts: alerts.value };
  }

  async advance(duration, words) {
    if (this.state.clock?.busy) return;
    this.setState({ clock: { busy: words } });
    try {
      const now = await advanceClock(duration);
      this.setState({ clock: { done: `It is ${showMinute(now)} UTC now.` } });
      await this.load();
    } catch (error) {
      this.setState({ clock: { error } });
    }
  }

  render({ query }, { status, subscriptions, alerts, error }) {
    return html`
      ${this.head("Status")}
      ${error && html`<${ErrorBox} error=${error} title=${status ? "The figures are not fresh" : "The status could not be read"}
        onRetry=${() => this.load()} />`}
      ${!status && !error && html`<${Loading} what="the status" />`}
      ${status && this.alerts(alerts)}
      ${status && this.facts(status)}
      ${status?.retention && html`<${Retention} retention=${status.retention} store=${status.store} />`}
      ${subscriptions && this.subscriptions(subscriptions, readState(query))}`;
  }

  /* Those that nobody looks after yet come first. */
  alerts(alerts) {
    const rank = ({ state }) => (state === "open" ? 0 : 1);
    return alerts.length > 0 && html`
      <section class="alerts" aria-label="Alerts">
        ${[...alerts].sort((a, b) => rank(a) - rank(b)).map((alert) => html`<${Alert} key=${alert.id} alert=${alert} named
          onChanged=${() => this.load()} />`)}
      </section>`;
  }

  /* How many more than when the page asked last. */
  since(read) {
    const { status, previous } = this.state;
    if (!previous || previous.startedAt !== status.startedAt) return "";
    const more = BigInt(read(status)) - BigInt(read(previous));
    return more > 0n ? html`<span class="dim"> +${groupDigits(more.toString())}</span>` : "";
  }

  facts(status) {
    const { store, ingest, net } = status;
    const time = (text) => (text ? `${showMinute(Date.parse(text))} UTC` : "none yet");
    const count = (title, read) => html`<${Fact} title=${title}><${Count} value=${read(status)} />${this.since(read)}<//>`;
    return html`
      <div class="cards">
        <section class="panel" aria-labelledby="status-server">
          <h2 id="status-server">Server
            ${status.ready ? html`<${Badge} kind="good">Ready<//>` : html`<${Badge} kind="bad">Not ready<//>`}
            ${status.demo && html`<${Badge}>Demo<//>`}</h2>
          ${!status.ready && html`<p class="notice bad">Usage cannot be accepted now: the server is stopping or its store cannot
            commit. The log names the cause.</p>`}
          <dl>
            <${Fact} title="Version">${status.version}<//>
            <${Fact} title="Time">${showSecond(Date.parse(status.now))} UTC<//>
            <${Fact} title="Up for">${showDuration(Number(status.uptimeSeconds))}<//>
            <${Fact} title="Started">${showMinute(Date.parse(status.startedAt))} UTC<//>
          </dl>
          ${status.demo && this.clock()}
        </section>
        <section class="panel" aria-labelledby="status-records">
          <h2 id="status-records">Records since the server started</h2>
          <dl>
            ${count("Accepted", ({ ingest: each }) => each.accepted)}
            ${count("Duplicate", ({ ingest: each }) => each.duplicate)}
            ${count("Conflict", ({ ingest: each }) => each.conflict)}
            ${count("Rejected", ({ ingest: each }) => each.rejected)}
            ${count("Commits", ({ ingest: each }) => each.commits)}
            ${status.producers &&
            html`<${Fact} title="Silent producers"><a href="#/producers"><${Count} value=${status.producers.silent} /> of${" "}
              <${Count} value=${status.producers.total} /></a><//>`}
            <${Fact} title="Waiting in the queue"><${Count} value=${ingest.queuedRecords} /><//>
            <${Fact} title="Last commit took">${ingest.lastCommitMs} ms<//>
          </dl>
        </section>
        <section class="panel" aria-labelledby="status-seal">
          <h2 id="status-seal">Journal and seal</h2>
          <dl>
            <${Fact} title="First record">${time(store.firstReportedTime)}<//>
            <${Fact} title="Last record">${time(store.lastReportedTime)}<//>
            <${Fact} title="Reported hours are closed until">${time(store.sealedUntil)}<//>
            <${Fact} title="Journal reaches to sequence"><${Count} value=${store.sequence} /><//>
            <${Fact} title="Signed head covers sequence">${store.headSequence === "0" ? "none yet" : html`<${Count} value=${store.headSequence} />`}<//>
            ${store.clockWentBack !== "0" && html`<${Fact} title="Clock went back"><${Count} value=${store.clockWentBack} /> times<//>`}
          </dl>
          <p class="dim small">Nothing is added to a closed hour, so what was read of it stays true. A signed head is made with every
            seal; keep copies elsewhere to prove that the journal is the same: <a href="/docs/running.html#heads">signed heads</a>.</p>
        </section>
        <section class="panel" aria-labelledby="status-net">
          <h2 id="status-net">Network</h2>
          <dl>
            <${Fact} title="Open connections"><${Count} value=${net.connections} /><//>
            ${count("Requests", ({ net: each }) => each.requests)}
            <${Fact} title="Received">${showBytes(net.bytesIn)}<//>
            <${Fact} title="Sent">${showBytes(net.bytesOut)}<//>
          </dl>
        </section>
      </div>`;
  }

  clock() {
    const { clock } = this.state;
    const button = (duration, words) => html`<button type="button" class="button" aria-disabled=${clock?.busy ? "true" : undefined}
      onClick=${() => this.advance(duration, words)}>Advance ${words}</button>`;
    return html`
      <div class="clock">
        <h3>The demo's clock</h3>
        <p class="dim small">Lets simulated time pass at once: producers post their usage, days end.</p>
        <div class="row">${button("PT1H", "1 hour")}${button("P1D", "1 day")}</div>
        <p role="status">${clock?.busy ? `${clock.busy} is passing …` : (clock?.done ?? "")}</p>
        ${clock?.error && html`<${ErrorBox} error=${clock.error} title="The clock did not move" />`}
      </div>`;
  }

  subscriptions({ value, more }, view) {
    const rows = [...value].sort(
      (a, b) => ORDER[a.state] - ORDER[b.state] || (a.displayName ?? "").localeCompare(b.displayName ?? "", "en"),
    );
    const unknown = rows.filter(({ state }) => state === "Unknown").length;
    return html`
      <section class="panel" aria-labelledby="status-subscriptions">
        <div class="panel-head"><h2 id="status-subscriptions">Subscriptions <span class="dim">${rows.length}${more ? "+" : ""}</span></h2></div>
        ${unknown > 0 &&
        html`<p class="notice warn">${unknown === 1
          ? "One subscription sends usage but is not known here."
          : `${unknown} subscriptions send usage but are not known here.`}${" "}The usage is kept and counted; until a
          subscription is described, its usage belongs to the operator.</p>`}
        ${rows.length === 0
          ? html`<p class="empty-line">None yet. A subscription is listed once it is described or its first usage arrives.</p>`
          : html`<div class="table-scroll" role="region" aria-label="Subscriptions" tabindex="0"><table class="subscriptions">
              <thead><tr><th scope="col">Subscription</th><th scope="col">State</th><th scope="col">Owner, offer</th>
                <th scope="col">Tenant</th></tr></thead>
              <tbody>${rows.map(
                (row) => html`<tr key=${row.subscriptionId}>
                  <th scope="row" class="name">
                    <a href=${stateHref(withFilter(view, "subscription", row.subscriptionId))}>${row.displayName || row.subscriptionId}</a>
                    ${row.displayName && html`<span class="detail">${row.subscriptionId}</span>`}</th>
                  <td><${Badge} kind=${STATES[row.state] ?? "plain"}>${row.state}<//></td>
                  <td>${row.owner || html`<span class="dim">-</span>`}${row.offerId && html`<span class="detail">${row.offerId}</span>`}</td>
                  <td>${row.tenantId ? html`<code class="id">${row.tenantId}</code>` : html`<span class="dim">-</span>`}</td>
                </tr>`,
              )}</tbody></table></div>`}
      </section>`;
  }
}
