/* The Audit log: who changed what, when, to what, newest first. The filter looks through what has been read. */

import { get } from "./api.js";
import { showSecond } from "./time.js";
import { Component, ErrorBox, Loading, html } from "./ui.js";

const LIMIT = 200;
const FIRST = `/v1/audit?before=&limit=${LIMIT}`;

/* Details are flat objects by rule; anything deeper is shown as JSON. */
const showDetail = (detail) =>
  Object.entries(detail ?? {}).map(([name, value]) => `${name}: ${value !== null && typeof value === "object" ? JSON.stringify(value) : value}`);

const textOf = ({ by, action, subject, detail, requestId, time }) =>
  [by, action, subject, ...showDetail(detail), requestId, showSecond(Date.parse(time))].join(" ").toLowerCase();

export class AuditPage extends Component {
  state = { rows: [], next: FIRST, begun: false, busy: true, error: null, filter: "" };

  componentDidMount() {
    this.more();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async more() {
    this.setState({ busy: true, error: null });
    try {
      const { value, nextLink } = await get(this.state.next);
      const link = nextLink && new URL(nextLink, location.href);
      const rows = [...this.state.rows, ...value];
      if (!this.gone) this.setState({ rows, next: link ? link.pathname + link.search : null, begun: true, busy: false });
    } catch (error) {
      if (!this.gone) this.setState({ error, busy: false });
    }
  }

  render(_, { rows, next, begun, busy, error, filter }) {
    const wanted = filter.trim().toLowerCase();
    const shown = wanted ? rows.filter((row) => textOf(row).includes(wanted)) : rows;
    return html`
      <div class="page-head"><h1 tabindex="-1">Audit log</h1></div>
      ${begun && html`<section class="panel" aria-label="Filter"><div class="row">
        <label for="audit-filter">Only entries with</label>
        <input id="audit-filter" type="search" value=${filter} placeholder="a name, an action, an id …"
          onInput=${(event) => this.setState({ filter: event.target.value })} />
        <span class="dim" role="status">${wanted ? `${shown.length} of ${rows.length}` : rows.length}${next ? " read so far" : ""} ${rows.length === 1 ? "entry" : "entries"}</span>
      </div></section>`}
      ${error && html`<${ErrorBox} error=${error} title="The audit log could not be read" onRetry=${() => this.more()} />`}
      ${!begun && busy && html`<${Loading} what="the audit log" />`}
      ${begun && (shown.length > 0 ? this.table(shown) : this.nothing(wanted))}
      ${begun && next && html`<p><button type="button" class="button" disabled=${busy} onClick=${() => this.more()}
        >${busy ? "Reading …" : "Load older entries"}</button></p>`}`;
  }

  nothing(wanted) {
    return html`<section class="panel empty"><h2>${wanted ? "No entry has this text" : "Nothing has been changed yet"}</h2>
      <p>Tokens, users, subscriptions, corrections and what was decided about refused records are noted here:
      ${" "}<a href="/docs/rejects.html#audit">audit log</a>.</p></section>`;
  }

  table(rows) {
    return html`
      <section class="panel" aria-label="Entries">
        <div class="table-scroll" role="region" aria-label="Audit log" tabindex="0"><table class="stack">
          <thead><tr><th scope="col">Time (UTC)</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">To what</th></tr></thead>
          <tbody>${rows.map((row) => html`<tr key=${row.sequence} title=${row.requestId && `request ${row.requestId}`}>
            <td class="time">${showSecond(Date.parse(row.time))}</td>
            <td>${row.by}</td>
            <td><code>${row.action}</code></td>
            <td class="name">${row.subject}${showDetail(row.detail).map((line) => html`<span key=${line} class="detail">${line}</span>`)}</td>
          </tr>`)}</tbody></table></div>
      </section>`;
  }
}
