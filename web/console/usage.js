/* The Usage page: how much of what was used when, by whom. The address holds the page's state (state.js). */

import { downloadCsv, summaryPath } from "./api.js";
import { Chart, periodsOf } from "./chart.js";
import { describeValue } from "./names.js";
import { dataKey, dimensionTitle, drillInto, explainHref, readState, stateHref } from "./state.js";
import { showDay, showMinute, windowOf } from "./time.js";
import { Component, ErrorBox, Icon, Loading, Quantity, Segments, html } from "./ui.js";
import { UsageControls } from "./usage-controls.js";
import { apart, chartSeries, groupsTitle, periodSections, readUsage, summaryQuery, totalSections } from "./usage-data.js";
import { UsageTable, longestFraction } from "./usage-table.js";

const RANKED = 12; // bars shown when there is no time axis
const SILENT_SHOWN = 3; // producers and stretches of time that the note names

const CHARTS = [
  { name: "stacked", title: "Stacked" },
  { name: "lines", title: "Lines" },
];

const EACH = { hourly: "per hour", daily: "per day", total: "in the whole range" };

const showWindow = ({ from, to }, view) =>
  view.granularity === "hourly" || view.range === "custom"
    ? `${showMinute(from)} to ${showMinute(to)} UTC`
    : to - from === 86_400_000
      ? `${showDay(from)} (UTC)`
      : `${showDay(from)} to ${showDay(to - 1)} (UTC days)`;

export class UsagePage extends Component {
  constructor() {
    super();
    this.state = { data: null, error: null, loading: true, csv: null };
    this.memory = { parts: [], value: null };
  }

  componentDidMount() {
    this.load();
  }

  componentDidUpdate() {
    this.load();
  }

  componentWillUnmount() {
    this.abort?.abort();
    this.key = null;
  }

  view() {
    const view = readState(this.props.query);
    // A link from an operator may name what a tenant cannot choose.
    return this.props.session.role === "tenant" && view.groupBy === "subscription" ? { ...view, groupBy: "meter" } : view;
  }

  async load({ again = false } = {}) {
    const view = this.view();
    const key = dataKey(view);
    if (key === this.key && !again) return;
    this.key = key;
    this.abort?.abort();
    this.abort = new AbortController();
    this.setState({ loading: true, error: null, csv: null });
    try {
      const data = await readUsage(view, this.abort.signal);
      if (this.key === key) this.setState({ data, loading: false });
    } catch (error) {
      if (error.name !== "AbortError" && this.key === key) this.setState({ error, data: null, loading: false });
    }
  }

  /* Choices about what is read are steps that the Back button undoes; how it is drawn is not. */
  change(view) {
    const before = this.view();
    this.props.go(stateHref(view), { replace: dataKey(view) === dataKey(before) });
  }

  /* Sections and series, computed anew only when the data, the names or the unit changed. */
  prepared(data, names, unit) {
    const parts = [data, names, unit];
    if (this.memory.parts.some((part, index) => part !== parts[index]) || !this.memory.value) {
      const totals = totalSections(data, names);
      const section = totals.find((each) => each.unit === unit) ?? totals[0];
      const drawn = section && data.view.granularity !== "total";
      this.memory = {
        parts,
        value: { totals, periods: periodSections(data, names), section, series: drawn ? chartSeries(data, section, names) : [] },
      };
    }
    return this.memory.value;
  }

  async csv(byPeriod) {
    const { data } = this.state;
    const query = summaryQuery(data.view, data.window, byPeriod ? data.view.granularity : "total");
    const day = (ms) => showMinute(ms).replace(" 00:00", "").replace(/[ :]/g, "");
    const group = data.view.groupBy.replace(/[^a-z0-9]+/gi, "-");
    this.setState({ csv: "busy" });
    try {
      await downloadCsv(summaryPath(query), `usage-${day(data.window.from)}-${day(data.window.to)}-by-${group}.csv`);
      this.setState({ csv: null });
    } catch (error) {
      this.setState({ csv: error });
    }
  }

  render({ session, names }) {
    const view = this.view();
    const { data, error, loading, csv } = this.state;
    const byPeriod = view.table === "periods" && data !== null && data.view.granularity !== "total";
    const known = (dimension) =>
      data && data.view.groupBy === dimension
        ? this.prepared(data, names, view.unit).totals.flatMap(({ rows }) => rows.map(({ value }) => value)).filter(Boolean)
        : [];
    return html`
      <div class="page-head">
        <h1 tabindex="-1">Usage</h1>
        <button type="button" class="button" disabled=${!data || data.totals.length === 0 || csv === "busy"}
          onClick=${() => this.csv(byPeriod)}><${Icon} name="download" />${csv === "busy" ? "Preparing …" : "Download CSV"}</button>
      </div>
      ${session.role === "tenant" && this.subscription(session, names)}
      <${UsageControls} view=${view} window=${data?.window ?? windowOf(view, Date.now())} names=${names} session=${session}
        known=${known} change=${(next) => this.change(next)} />
      ${csv && csv !== "busy" && html`<${ErrorBox} error=${csv} title="The download failed" />`}
      ${error && html`<${ErrorBox} error=${error} title="Usage could not be read" onRetry=${() => this.load({ again: true })} />`}
      ${!data && loading && html`<${Loading} what="usage" />`}
      ${data && html`<div class=${loading ? "results stale" : "results"} aria-busy=${loading ? "true" : "false"}>
        ${this.results(view, data, names, byPeriod)}</div>`}
      <p class="visually-hidden" role="status">${!loading && data ? this.announcement(data) : ""}</p>`;
  }

  subscription({ subscriptionId }, names) {
    const { label } = describeValue("subscription", subscriptionId, names);
    return html`<p class="of-subscription">Subscription <strong>${label}</strong>
      ${label !== subscriptionId && html` <code class="dim">${subscriptionId}</code>`}</p>`;
  }

  sortOf({ sort }, byPeriod) {
    if (byPeriod) return sort ?? "start";
    return sort && !sort.endsWith("start") ? sort : "-quantity";
  }

  announcement({ totals, view }) {
    return totals.length === 0 ? "No usage in this range" : `${totals.length} rows by ${dimensionTitle(view.groupBy).toLowerCase()}`;
  }

  results(view, data, names, byPeriod) {
    const summary = html`<p class="summary">
      <strong>${showWindow(data.window, data.view)}</strong>
      <span class="dim"> by ${data.view.axis === "usage" ? "usage time" : "reported time"} · ${this.freshness(data)}</span></p>`;
    const unknown = data.silent.length > 0 && this.unknown(data);
    if (data.totals.length === 0) return html`${summary}${unknown}${this.empty(view, data)}`;
    const { totals, periods, section, series } = this.prepared(data, names, view.unit);
    const sort = this.sortOf(view, byPeriod);
    return html`
      ${summary}
      ${unknown}
      <section class="panel" aria-label="Chart">
        <div class="panel-head">
          ${this.units(totals, section, view, EACH[data.view.granularity])}
          ${data.view.granularity !== "total" &&
          html`<${Segments} name="chart" legend="Form of the chart" hideLegend options=${CHARTS} value=${view.chart}
            onChoose=${(chart) => this.change({ ...view, chart })} />`}
        </div>
        ${data.view.granularity === "total" ? this.ranking(section, view) : this.chart(data, section, series, view)}
      </section>
      <section class="panel" aria-label="Table">
        <div class="panel-head">
          <h2>${byPeriod ? `Each ${data.view.granularity === "hourly" ? "hour" : "day"}` : `Totals by ${dimensionTitle(data.view.groupBy).toLowerCase()}`}</h2>
          ${data.view.granularity !== "total" &&
          html`<${Segments} name="table" legend="Rows of the table" hideLegend value=${byPeriod ? "periods" : "totals"}
            options=${[
              { name: "totals", title: "Totals" },
              { name: "periods", title: data.view.granularity === "hourly" ? "Each hour" : "Each day" },
            ]}
            onChoose=${(table) => this.change({ ...view, table, sort: null })} />`}
        </div>
        ${(byPeriod ? data.seriesCut : data.totalsCut) &&
        html`<p class="notice">These are the first rows only, and the totals are theirs: there are too many to show.
          Narrow the range, add a filter or group more coarsely. The CSV file has them all.</p>`}
        <${UsageTable} key=${`${this.key} ${byPeriod}`} sections=${byPeriod ? periods : totals} byPeriod=${byPeriod}
          view=${data.view} sort=${sort} chartUnit=${section.unit} own=${this.props.session.subscriptionId}
          onSort=${(next) => this.change({ ...view, sort: next })}
          onChartUnit=${(unit) => this.change({ ...view, unit })} />
        <p class="dim small">${this.explainable(byPeriod ? periods : totals, data.view)
          ? "The number of records leads to the records themselves."
          : "One meter's usage in one hour or day, of a resource or a subscription, leads to its records: follow the names."}</p>
      </section>`;
  }

  /* Rows are alike in what makes them so: the first one tells. */
  explainable([{ rows }], view) {
    return rows.length > 0 && explainHref(view, rows[0], this.props.session.subscriptionId) !== null;
  }

  /* Reported time never goes back, so a window of it that has ended is final. Usage may always come in late, but where
   * every producer has gone on it is not expected any more. */
  freshness({ complete, watermark, view, window }) {
    if (complete) return view.axis === "reported" ? "complete" : "complete: every producer has reported it";
    if (watermark === null || watermark <= window.from) return "not complete yet";
    return view.axis === "reported"
      ? `not complete yet: final up to ${showMinute(watermark)} UTC`
      : `not complete yet: every producer has reported up to ${showMinute(watermark)} UTC`;
  }

  /* Of the silent ones, those that matter to a section: grouped by source it is known who has nothing of this unit. */
  silentIn(data, section) {
    if (data.view.groupBy !== "source") return data.silent;
    const { totals } = this.memory.value;
    const elsewhere = new Set(totals.filter((each) => each !== section).flatMap(({ rows }) => rows.map(({ value }) => value)));
    for (const { value } of section.rows) elsewhere.delete(value);
    if (this.silent?.of !== section) {
      this.silent = { of: section, runs: data.silent.filter(({ source }) => !elsewhere.has(source)) };
    }
    return this.silent.runs;
  }

  /* Hours in which somebody said nothing: what is missing there is unknown, not zero. */
  unknown({ silent, view }) {
    const bySource = new Map();
    for (const { source, from, to } of silent) {
      if (!bySource.has(source)) bySource.set(source, []);
      bySource.get(source).push(`${showMinute(from)} to ${showMinute(to)}`);
    }
    const drawn = view.granularity !== "total";
    return html`
      <div class="notice warn unknown-note">
        <p>${drawn && html`<span class="hour silent swatch-hour" aria-hidden="true"></span>`}
          <strong>Usage of some hours is unknown, not zero.</strong> ${drawn && "They are hatched in the chart. "}Nothing has been
          reported by${" "}
          ${[...bySource].slice(0, SILENT_SHOWN).map(([source, runs], index) => html`${index > 0 && "; "}<strong>${source}</strong> for
            ${" "}${runs.slice(0, SILENT_SHOWN).join(", ")}${runs.length > SILENT_SHOWN && ` and ${runs.length - SILENT_SHOWN} times more`}`)}
          ${bySource.size > SILENT_SHOWN && ` and ${bySource.size - SILENT_SHOWN} more`} UTC.
          ${this.props.session.role === "operator" && html` <a href="#/producers">Producers</a>`}</p>
      </div>`;
  }

  /* What the chart counts, and the choice of it where there is one. */
  units(totals, section, view, each) {
    if (totals.length === 1) return html`<h2>${section.unit} ${each}</h2>`;
    return html`
      <div class="row">
        <label for="unit" class="field-label">Unit</label>
        <select id="unit" value=${section.unit} onChange=${(event) => this.change({ ...view, unit: event.target.value })}>
          ${totals.map(({ unit }) => html`<option key=${unit} value=${unit} selected=${unit === section.unit}
            >${unit}</option>`)}
        </select>
        <span>${each}</span>
      </div>`;
  }

  chart(data, section, series, view) {
    const { starts, step } = periodsOf(data.window.from, data.window.to, data.view.granularity);
    const lines = view.chart === "lines";
    // "All others" is a sum: on top of a stack it belongs, among lines it would dwarf what can be compared.
    const drawn = lines ? series.filter(({ key }) => key !== null) : series;
    const left = series.length - drawn.length > 0 ? series.at(-1).label : "";
    const label = `${lines ? "Line" : "Stacked bar"} chart: ${section.unit} ${EACH[data.view.granularity]} by ` +
      `${dimensionTitle(data.view.groupBy).toLowerCase()}, ${starts.length} periods. The table has the same figures.`;
    return html`
      <${Chart} periods=${starts} step=${step} from=${data.window.from} to=${data.window.to} series=${drawn} silent=${this.silentIn(data, section)}
        granularity=${data.view.granularity} mode=${lines ? "lines" : "stacked"} label=${label}
        onZoom=${(from, to) => this.change({ ...view, range: "custom", from, to })} />
      <div class="under-chart">
        <ul class="legend" aria-label="Legend">
          ${drawn.map(
            (each) => html`<li key=${each.colour}><span class=${`swatch series-${each.colour}`} aria-hidden="true"></span>
              ${each.drill === null || each.drill === undefined
                ? each.label
                : html`<a href=${stateHref(drillInto(view, data.view.groupBy, each.drill))}>${each.label}</a>`}</li>`,
          )}
          ${left && html`<li class="dim">${left} not drawn</li>`}
        </ul>
        <p class="dim small hint">Drag over the chart to narrow the range.</p>
      </div>
      ${data.sums && html`<p class="notice">There are too many ${groupsTitle(data.view.groupBy)} to draw them one by one over this
        range: the chart shows their sum. Narrow the range or add a filter to see them apart.</p>`}`;
  }

  /* Without a time axis: the biggest groups as bars. */
  ranking(section, view) {
    const top = apart(section.rows.slice(0, RANKED));
    const biggest = Number(top[0].quantity) || 1;
    const decimals = longestFraction(top);
    return html`
      <ol class="ranking">
        ${top.map(
          (row) => html`<li key=${row.key}>
            <span class="ranking-name">${row.value === null
              ? row.label
              : html`<a href=${stateHref(drillInto(view, view.groupBy, row.value))} title=${row.value}>${row.label}</a>`}</span>
            <span class="ranking-bar" aria-hidden="true"><span style=${{ width: `${Math.max(0, (Number(row.quantity) / biggest) * 100)}%` }}></span></span>
            <${Quantity} value=${row.quantity} decimals=${decimals} />
          </li>`,
        )}
      </ol>
      ${section.rows.length > RANKED && html`<p class="dim small">and ${section.rows.length - RANKED} more in the table</p>`}`;
  }

  empty(view, { silent }) {
    const link = (state, text) => html`<li><a href=${stateHref(state)}>${text}</a></li>`;
    const reported = view.axis === "reported";
    return html`
      <section class="panel empty">
        <h2>No usage in this range</h2>
        <p>Nothing ${reported ? "was reported" : silent.length > 0 ? "is known to have been used" : "was used"} in this time${view.filters.length > 0 ? " that passes the filters" : ""}.
        You can:</p>
        <ul>
          ${view.filters.length > 0 && link({ ...view, filters: [] }, "remove all filters")}
          ${view.range !== "last30" && link({ ...view, range: "last30", granularity: "daily", from: null, to: null }, "look at the last 30 days")}
          ${link({ ...view, axis: reported ? "usage" : "reported" },
            reported ? "select by usage time instead" : "select by reported time instead: late usage is reported after its time")}
          <li>check that usage is posted: <a href="/docs/posting-usage.html">posting usage</a></li>
        </ul>
      </section>`;
  }
}
