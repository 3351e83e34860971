/* The Status page: is the stamp well, how much has come in, how big is the store; in the demo, its clock. */

import { advanceClock, getAll, readStatus } from "./api.js";
import { groupDigits } from "./decimal.js";
import { stateHref, readState, withFilter } from "./state.js";
import { DAY, showDuration, showMinute, showSecond } from "./time.js";
import { Badge, Component, Count, ErrorBox, Loading, html } from "./ui.js";

const REFRESH = 5_000;

/* 1536 to "1.5 KiB" */
function showBytes(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/* Bytes a day since the first record, or null while less than an hour is known. */
function growth({ usedSizeBytes, firstReportedTime, lastReportedTime }) {
  const days = (Date.parse(lastReportedTime ?? "") - Date.parse(firstReportedTime ?? "")) / DAY;
  return days > 1 / 24 ? Number(usedSizeBytes) / days : null;
}

const Fact = ({ title, children }) => html`<div class="fact"><dt>${title}</dt><dd>${children}</dd></div>`;

const Gauge = ({ title, part, whole }) => html`
  <div class="gauge">
    <label>${title}<progress max=${Number(whole) || 1} value=${Number(part)}></progress></label>
    <span class="dim">${showBytes(part)} of ${showBytes(whole)}</span>
  </div>`;

const STATES = { Enabled: "good", Deleted: "plain", Unknown: "warn" };
const ORDER = { Unknown: 0, Enabled: 1, Deleted: 2 };

export class StatusPage extends Component {
  state = { status: null, previous: null, subscriptions: null, error: null, live: true, clock: null };

  componentDidMount() {
    this.load();
    this.timer = setInterval(() => {
      if (this.state.live && !document.hidden && !this.loading) this.load();
    }, REFRESH);
  }

  componentWillUnmount() {
    clearInterval(this.timer);
    this.gone = true;
  }

  async load() {
    this.loading = true;
    try {
      const [status, subscriptions] = await Promise.all([readStatus(), getAll("/v1/subscriptions")]);
      if (!this.gone) {
        this.setState({ status, previous: this.state.status, subscriptions, error: null });
      }
    } catch (error) {
      if (!this.gone) this.setState({ error });
    } finally {
      this.loading = false;
    }
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

  render({ query }, { status, subscriptions, error, live }) {
    return html`
      <div class="page-head">
        <h1 tabindex="-1">Status</h1>
        <label class="check"><input type="checkbox" checked=${live}
          onChange=${(event) => this.setState({ live: event.target.checked })} /> Refresh every 5 s</label>
      </div>
      ${error && html`<${ErrorBox} error=${error} title=${status ? "The figures are not fresh" : "The status could not be read"}
        onRetry=${() => this.load()} />`}
      ${!status && !error && html`<${Loading} what="the status" />`}
      ${status && this.facts(status)}
      ${subscriptions && this.subscriptions(subscriptions, readState(query))}`;
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
    const daily = growth(store);
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
        <section class="panel" aria-labelledby="status-store">
          <h2 id="status-store">Store</h2>
          <${Gauge} title="File, of the size it may reach" part=${store.fileSizeBytes} whole=${store.mapSizeBytes} />
          <dl>
            <${Fact} title="In use within the file">${showBytes(store.usedSizeBytes)}<//>
            <${Fact} title="First record">${time(store.firstReportedTime)}<//>
            <${Fact} title="Last record">${time(store.lastReportedTime)}<//>
            <${Fact} title="Growth on average">${daily === null ? "not known yet" : `${showBytes(daily)} a day`}<//>
            <${Fact} title="Sequence"><${Count} value=${store.sequence} /><//>
          </dl>
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
