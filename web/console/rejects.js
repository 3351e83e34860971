/* The Rejects page: what was refused, as it was posted; mending it, posting it again, or putting it aside. Records are
 * shown and sent as text: a number that went through JavaScript would not be the producer's any more. */

import { get, getAll, request } from "./api.js";
import { groupDigits } from "./decimal.js";
import { recordHref } from "./state.js";
import { showMinute } from "./time.js";
import { Badge, Component, ErrorBox, Loading, Segments, html } from "./ui.js";

const PAGES = 2;
const LIMIT = 250;
const STATES = [
  { name: "open", title: "Open" },
  { name: "replayed", title: "Replayed" },
  { name: "dismissed", title: "Dismissed" },
];
const CODES = ["UsageRecordConflict", "InvalidProperty", "UsageInFuture", "UsageTooOld", "SourceNotAllowed",
  "QuantityOutOfRange", "RecordTooLarge"];

const showTime = (text) => showMinute(Date.parse(text));

/** The record's own text in the answer for one reject. Members before it hold no objects, and a quote inside a text is
 *  escaped, so the first mention is the member itself. */
export function recordText(answer) {
  const mark = ',"record":';
  const from = answer.indexOf(mark) + mark.length;
  const tail = /(?:,"truncated":true,"postedBytes":\d+)?(?:,"event":true)?\}\s*$/.exec(answer);
  return answer.slice(from, tail.index);
}

/** JSON laid out for reading; every token stays as it is. */
export function layOut(text) {
  let depth = 0;
  let out = "";
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\[^][^"\\]*)*"|[[\]{},:]|[^\s[\]{},:"]+/g)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    const line = `\n${"  ".repeat(Math.max(depth, 0))}`;
    if (token === "{" || token === "[" || token === ",") out += token + line;
    else if (token === "}" || token === "]") out = `${out.trimEnd()}${/[[{]$/.test(out.trimEnd()) ? "" : line}${token}`;
    else out += token === ":" ? ": " : token;
  }
  return out;
}

/** One entry: the record to mend, and what can be done with it. */
class Entry extends Component {
  state = { text: null, asKept: null, busy: false, error: null, answer: null, allowOld: false };

  async componentDidMount() {
    try {
      const answer = await (await request(`/v1/rejects/${this.props.row.sequence}`)).text();
      const raw = recordText(answer);
      // What was no JSON comes as a text: its content is what was posted.
      const asKept = raw.startsWith('"') ? JSON.parse(raw) : layOut(raw);
      this.setState({ text: asKept, asKept });
    } catch (error) {
      this.setState({ error });
    }
  }

  async act(path, options, done) {
    this.setState({ busy: true, error: null, answer: null });
    try {
      const text = await (await request(path, options)).text();
      const result = text ? JSON.parse(text).results[0] : null;
      if (result === null || result.verdict === "accepted" || result.verdict === "duplicate") {
        await this.props.onDone(done(result));
        return;
      }
      this.setState({ answer: result });
    } catch (error) {
      this.setState({ error });
    }
    this.setState({ busy: false });
  }

  replay(event) {
    event.preventDefault();
    const { text, asKept, allowOld } = this.state;
    const body = text === asKept ? undefined : `{"record":${text}}`;
    const query = allowOld ? "?allowOld=true" : "";
    this.act(`/v1/rejects/${this.props.row.sequence}/replay${query}`, { method: "POST", body },
      ({ verdict }) => `Reject ${this.props.row.sequence} was replayed: ${verdict}.`);
  }

  dismiss() {
    this.act(`/v1/rejects/${this.props.row.sequence}`, { method: "DELETE" },
      () => `Reject ${this.props.row.sequence} was dismissed.`);
  }

  render({ row }, { text, asKept, busy, error, answer, allowOld }) {
    const id = `reject-${row.sequence}`;
    return html`
      <form class="reject-entry" onSubmit=${(event) => this.replay(event)}>
        ${error && html`<${ErrorBox} error=${error} title="That did not work" />`}
        ${answer && html`<div class="notice warn" role="alert"><p>It is ${answer.verdict} again: ${answer.message}
          ${answer.target && html` (<code>${answer.target}</code>)`}</p></div>`}
        ${row.verdict === "conflict" && row.id && html`<p>What counts is the record that came first:
          ${" "}<a href=${recordHref(row)}>show it</a>. Correct that one if this one is right.</p>`}
        ${text === null && !error && html`<${Loading} what="the record" />`}
        ${text !== null && html`
          <label for=${id}>${row.event ? "The event" : "The record"}, as it was posted${row.truncated ? " (only the first part was kept)" : ""}</label>
          <textarea id=${id} class="record-text" rows=${Math.min(24, text.split("\n").length + 1)} spellcheck=${false}
            readonly=${row.state !== "open"} value=${text} onInput=${(event) => this.setState({ text: event.target.value })}></textarea>
          ${row.state === "open"
            ? html`<div class="row">
                <button class="button primary" disabled=${busy}>${text === asKept ? "Replay as it is" : "Replay as changed"}</button>
                ${text !== asKept && html`<button type="button" class="button" disabled=${busy}
                  onClick=${() => this.setState({ text: asKept })}>Undo changes</button>`}
                <button type="button" class="button" disabled=${busy} onClick=${() => this.dismiss()}>Dismiss</button>
                ${row.code === "UsageTooOld" && html`<label class="check"><input type="checkbox" checked=${allowOld}
                  onChange=${(event) => this.setState({ allowOld: event.target.checked })} /> Let it in although it is too old</label>`}
              </div>
              <p class="dim small">A replay counts as posted by ${row.producer}, in the current reported hour.</p>`
            : html`<p class="dim small">${row.state === "replayed" ? `Replayed as record ${row.replayedSequence}` : "Dismissed"}
                ${" "}by ${row.closedBy}, ${showTime(row.closedTime)}.</p>`}`}
      </form>`;
  }
}

export class RejectsPage extends Component {
  state = { rows: null, more: false, error: null, filter: { state: "open", code: "", source: "" }, opened: null, done: "" };

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.gone = true;
  }

  async load() {
    const { state, code, source } = this.state.filter;
    const query = new URLSearchParams({ state, limit: LIMIT });
    if (code) query.set("code", code);
    if (source) query.set("source", source);
    const number = (this.number = (this.number ?? 0) + 1);
    try {
      const [{ value, more }, status] = await Promise.all([
        getAll(`/v1/rejects?${query.toString().replaceAll("+", "%20")}`, { pages: PAGES }), get("/v1/status"),
      ]);
      if (!this.gone && number === this.number) this.setState({ rows: value, more, totals: status.rejects, error: null });
    } catch (error) {
      if (!this.gone && number === this.number) this.setState({ error });
    }
  }

  filter(change) {
    this.setState({ filter: { ...this.state.filter, ...change }, opened: null, done: "" }, () => this.load());
  }

  async finish(what) {
    // At once: what had the focus has gone.
    this.setState({ opened: null, done: what }, () => this.heading?.focus());
    await this.load();
  }

  render(_, { rows, more, totals, error, filter, done }) {
    return html`
      <div class="page-head"><h1 tabindex="-1" ref=${(node) => (this.heading = node)}>Rejects</h1></div>
      <section class="panel" aria-label="Filter">
        <div class="row">
          <${Segments} name="reject-state" legend="State" hideLegend options=${STATES} value=${filter.state}
            onChoose=${(state) => this.filter({ state })} />
          <label for="reject-code">Reason</label>
          <select id="reject-code" value=${filter.code} onChange=${(event) => this.filter({ code: event.target.value })}>
            <option value="">Any</option>
            ${CODES.map((code) => html`<option key=${code} value=${code}>${code}</option>`)}
          </select>
          <label for="reject-source">Source</label>
          <input id="reject-source" value=${filter.source} placeholder="Any" onChange=${(event) => this.filter({ source: event.target.value.trim() })} />
        </div>
      </section>
      ${error && html`<${ErrorBox} error=${error} title="Rejects could not be read" onRetry=${() => this.load()} />`}
      ${!rows && !error && html`<${Loading} what="rejects" />`}
      <p class="summary" role="status">${done}</p>
      ${rows && this.list(rows, more, totals)}`;
  }

  list(rows, more, totals) {
    if (rows.length === 0) {
      return html`<section class="panel empty"><h2>Nothing here</h2>
        <p>Records that are refused are kept and listed here: <a href="/docs/rejects.html">refused records</a>.</p></section>`;
    }
    return html`
      <p class="summary"><strong>${rows.length}${more ? "+" : ""} shown</strong>
        <span class="dim"> · ${groupDigits(totals.open)} open in all, oldest first</span></p>
      <section class="panel" aria-label="Refused records">
        <ul class="rejects">${rows.map((row) => this.row(row))}</ul>
      </section>`;
  }

  row(row) {
    const opened = this.state.opened === row.sequence;
    return html`
      <li key=${row.sequence}>
        <button type="button" class="reject-head" aria-expanded=${opened}
          onClick=${() => this.setState({ opened: opened ? null : row.sequence })}>
          <span class="row"><strong>${row.source ?? row.producer}</strong>
            <${Badge} kind=${row.verdict === "conflict" ? "warn" : "bad"}>${row.code}<//>
            ${row.target && html`<code>${row.target}</code>`}</span>
          <span>${row.message}</span>
          <span class="dim small">${showTime(row.receivedTime)}${row.count !== "1" ? `, ${groupDigits(row.count)} times, last ${showTime(row.lastReceivedTime)}` : ""}
            ${" "}· by ${row.producer}${row.id ? ` · ${row.id}` : ""}</span>
        </button>
        ${opened && html`<${Entry} row=${row} onDone=${(what) => this.finish(what)} />`}
      </li>`;
  }
}
