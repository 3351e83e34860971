/* The Usage page's table: one section per unit, each with its own exact total, because units are never added.
 * The figures are the answer of /v1/summary digit by digit. */

import { permille } from "./decimal.js";
import { dimensionTitle, drillInto, explainHref, stateHref } from "./state.js";
import { showMinute, showPeriod } from "./time.js";
import { Component, Count, Quantity, html } from "./ui.js";
import { sortRows } from "./usage-data.js";

const FIRST_ROWS = 250; // of a section; the rest comes when asked for

/** How many decimals the longest of the rows' quantities has; numbers are lined up by it. */
export const longestFraction = (rows) =>
  rows.reduce((longest, { quantity }) => Math.max(longest, (quantity.split(".")[1] ?? "").length), 0);

const Share = ({ part, whole }) => {
  const share = permille(part, whole);
  if (share === null) return html`<span class="dim">-</span>`;
  return html`<span class="share"><span class="share-bar" aria-hidden="true"
    ><span style=${{ width: `${share / 10}%` }}></span></span>${(share / 10).toFixed(1)} %</span>`;
};

export class UsageTable extends Component {
  state = { all: false };

  /* Sorting is a column's button: the first click sorts as is usual for the column, the next turns it round. */
  header(column, title, { number = false } = {}) {
    const { sort, onSort } = this.props;
    const active = sort.replace("-", "") === column;
    const falling = sort.startsWith("-");
    const next = active ? (falling ? column : `-${column}`) : number ? `-${column}` : column;
    return html`<th scope="col" class=${number ? "number-column" : ""}
      aria-sort=${active ? (falling ? "descending" : "ascending") : undefined}>
      <button type="button" class="sort" onClick=${() => onSort(next)}>${title}<span class="arrow" aria-hidden="true"
        >${active ? (falling ? "▾" : "▴") : ""}</span></button></th>`;
  }

  name(row) {
    const { view } = this.props;
    const label =
      row.value === null
        ? html`<span class="dim">${row.label}</span>`
        : html`<a href=${stateHref(drillInto(view, view.groupBy, row.value))} title=${row.value}>${row.label}</a>`;
    return html`${label}${row.detail && html`<span class="detail">${row.detail}</span>`}`;
  }

  /* How many records; where the row can be explained, the way to them. */
  records(row) {
    const { view, own } = this.props;
    const href = explainHref(view, row, own);
    const count = html`<${Count} value=${row.records ?? "0"} />`;
    return href ? html`<a href=${href} title="What is behind this figure">${count}<span class="visually-hidden"> behind
      ${" "}${row.label}, ${showMinute(row.start)}</span></a>` : count;
  }

  render({ sections, view, byPeriod, sort, chartUnit, onChartUnit }) {
    const hidden = this.state.all ? 0 : sections.reduce((sum, { rows }) => sum + Math.max(0, rows.length - FIRST_ROWS), 0);
    return html`
      <div class="table-scroll" role="region" aria-label="Usage table" tabindex="0">
        <table id="usage-table" class=${byPeriod ? "usage-table by-period" : "usage-table"}>
          <thead>
            <tr>
              ${byPeriod && this.header("start", view.granularity === "hourly" ? "Hour from (UTC)" : "Day (UTC)")}
              ${this.header("name", dimensionTitle(view.groupBy))}
              ${this.header("quantity", "Quantity", { number: true })}
              ${!byPeriod && html`<th scope="col" class="share-column">Share</th>`}
              ${this.header("records", "Records", { number: true })}
            </tr>
          </thead>
          ${sections.map((section) => {
            const rows = sortRows(section.rows, sort);
            const decimals = longestFraction(rows);
            const shown = this.state.all ? rows : rows.slice(0, FIRST_ROWS);
            return html`
              <tbody key=${section.unit}>
                <tr class="section" data-unit=${section.unit} data-total=${section.quantity}>
                  <th scope="rowgroup" colspan=${byPeriod ? 2 : 1}>
                    ${section.unit}
                    ${section.unit !== chartUnit &&
                    html` <button type="button" class="link-button" onClick=${() => onChartUnit(section.unit)}
                      >show in chart</button>`}
                  </th>
                  <td class="number-column"><${Quantity} value=${section.quantity} decimals=${decimals} /></td>
                  ${!byPeriod && html`<td class="share-column dim">total</td>`}
                  <td class="number-column"><${Count} value=${section.records} /></td>
                </tr>
                ${shown.map(
                  (row) => html`
                    <tr key=${`${row.start} ${row.key}`} data-unit=${section.unit} data-quantity=${row.quantity}
                      data-group=${row.value ?? ""}>
                      ${byPeriod && html`<td class="time">${showPeriod(row.start, view.granularity)}</td>`}
                      <th scope="row" class="name">${this.name(row)}</th>
                      <td class="number-column"><${Quantity} value=${row.quantity} decimals=${decimals} /></td>
                      ${!byPeriod &&
                      html`<td class="share-column"><${Share} part=${row.quantity} whole=${section.quantity} /></td>`}
                      <td class="number-column">${this.records(row)}</td>
                    </tr>`,
                )}
              </tbody>`;
          })}
          ${hidden > 0 &&
          html`<tfoot><tr><td colspan="4"><button type="button" class="button"
            onClick=${() => this.setState({ all: true })}>Show ${hidden} more rows</button></td></tr></tfoot>`}
        </table>
      </div>`;
  }
}
