/* A CSV file of who pays for whom: first what it would do, line by line, then doing it. */

import { post } from "./api.js";
import { named } from "./customers-data.js";
import { Component, Dialog, ErrorBox, html } from "./ui.js";

const SHOWN = 200;
const VERDICTS = { Changed: "changed", Unchanged: "as it is", Rejected: "refused" };

export class ImportDialog extends Component {
  state = { text: "", name: "", answer: null, busy: false, error: null, applied: false };

  async load(event) {
    const [file] = event.target.files;
    if (!file) return;
    this.setState({ text: await file.text(), name: file.name, answer: null, applied: false }, () => this.run(true));
    event.target.value = ""; // the same file can be chosen again, once mended
  }

  async run(dryRun) {
    this.setState({ busy: true, error: null });
    try {
      const path = `/v1/commerce/customers/import${named(this.props.registration, dryRun ? { dryRun } : {})}`;
      const answer = await post(path, this.state.text, { type: "text/csv" });
      this.setState({ busy: false, answer, applied: !dryRun });
      if (!dryRun) await this.props.onChanged();
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  render({ registration, onClose }, { text, name, answer, busy, error, applied }) {
    return html`
      <${Dialog} title="Import customers" wide onClose=${onClose}>
        <p>A CSV file with the columns <code>tenantId</code>, <code>customerSubscriptionId</code> and, if wanted, ${" "}<code>effectiveFrom</code>,
          for registration ${registration.name}. An empty subscription means that the default pays. An export is such a file.</p>
        <p><label class="file-label">File <input type="file" accept=".csv,text/csv" onChange=${(event) => this.load(event)} /></label></p>
        ${error && html`<${ErrorBox} error=${error} title=${`${name || "The file"} was not taken`} />`}
        <div role="status">${busy && "Reading …"}${answer && this.words(answer, applied)}</div>
        ${answer && this.table(answer)}
        <div class="row">
          ${text && !applied && html`<button type="button" class="button primary" disabled=${busy || !answer || answer.changed === "0"}
            onClick=${() => this.run(false)}>Apply ${answer?.changed ?? ""} ${answer?.changed === "1" ? "change" : "changes"}</button>`}
          <button type="button" class="button" onClick=${onClose}>${applied ? "Done" : "Cancel"}</button></div>
      <//>`;
  }

  words({ lines, changed, unchanged, rejected }, applied) {
    return html`<p><strong>${applied ? "Done." : "Nothing is changed yet."}</strong> ${lines} ${lines === "1" ? "line" : "lines"}: ${changed} ${
      applied ? "changed" : "would change"} who pays, ${unchanged} as it is already, ${rejected} refused.</p>`;
  }

  table({ results }) {
    const order = { Rejected: 0, Changed: 1, Unchanged: 2 };
    const rows = [...results].sort((a, b) => order[a.verdict] - order[b.verdict]).slice(0, SHOWN);
    return rows.length > 0 && html`
      <div class="table-scroll" role="region" aria-label="Lines of the file" tabindex="0"><table class="stack">
        <thead><tr><th scope="col">Line</th><th scope="col">Tenant and who pays</th><th scope="col">What</th></tr></thead>
        <tbody>${rows.map(({ line, tenantId, customerSubscriptionId, verdict, code, message }) => html`<tr key=${line} class=${`verdict-${verdict}`}>
          <td data-label="Line">${line}</td>
          <td><code>${tenantId || "-"}</code><span class="detail">${customerSubscriptionId ? html`<code>${customerSubscriptionId}</code>` : "the default subscription"}</span></td>
          <td class="name"><strong>${VERDICTS[verdict] ?? verdict}</strong>${message && html`<span class="detail">${code && html`<code>${code}</code> `}${message}</span>`}</td></tr>`)}</tbody></table></div>
      ${results.length > SHOWN && html`<p class="dim">The first ${SHOWN} of ${results.length}, refused ones first.</p>`}`;
  }
}
