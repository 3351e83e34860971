/* What the Usage page shows, read from /v1/summary and put in order. Rows of different units are never added:
 * everything is kept in one section per unit. */

import { getAll, serverHour, summaryPath } from "./api.js";
import { COLOURS, periodsOf } from "./chart.js";
import { addDecimals, compareDecimals } from "./decimal.js";
import { groupOf, unitOf } from "./names.js";
import { dimensionTitle, filterMember } from "./state.js";
import { toIso, windowOf } from "./time.js";

/* A chart or a table by period of more rows than this would be neither quick nor readable. */
const SERIES_ROWS = 20_000;
const FIRST_PAGES = 2; // read for the table when there are more

/* Shown first where it occurs: core hours are what most of a stamp's charges come from. */
const FIRST_UNIT = "Virtual core hours";

const byQuantity = (a, b) => compareDecimals(b.quantity, a.quantity) || (a.label < b.label ? -1 : 1);

/** The parameters of /v1/summary for a state of the page. */
export function summaryQuery(view, window, granularity = view.granularity) {
  return {
    from: toIso(window.from),
    to: toIso(window.to),
    axis: view.axis,
    granularity,
    groupBy: view.groupBy,
    filters: view.filters.map(({ dimension, value }) => ({ member: filterMember(dimension), value })),
  };
}

/** Reads all that the page needs for a state. The totals come first: how many groups there are tells whether the
 *  series can be had group by group (`series`) or only as their sum (`sums`). */
export async function readUsage(view, signal) {
  const window = windowOf(view, await serverHour());
  const read = (granularity, more) =>
    getAll(summaryPath({ ...summaryQuery(view, window, granularity), ...more }), { signal });
  const totals = await read("total");
  const data = {
    view,
    window,
    totals: totals.value,
    totalsCut: totals.more,
    complete: totals.complete === true,
    watermark: totals.watermark ? Date.parse(totals.watermark) : null,
    silent: (totals.silent ?? []).map(({ source, from, to }) => ({ source, from: Date.parse(from), to: Date.parse(to) })),
    series: [],
    seriesCut: false,
    sums: null,
  };
  if (view.granularity === "total" || totals.value.length === 0) return data;
  const periods = periodsOf(window.from, window.to, view.granularity).starts.length;
  if (!totals.more && totals.value.length * periods <= SERIES_ROWS) {
    const series = await read(view.granularity);
    return { ...data, series: series.value, seriesCut: series.more };
  }
  const path = summaryPath(summaryQuery(view, window));
  const [sums, first] = await Promise.all([
    read(view.granularity, { groupBy: undefined }),
    getAll(path, { signal, pages: FIRST_PAGES }),
  ]);
  return { ...data, sums: sums.value, series: first.value, seriesCut: first.more };
}

const byImportance = (a, b) =>
  (b.unit === FIRST_UNIT) - (a.unit === FIRST_UNIT) ||
  Number(BigInt(b.records) - BigInt(a.records)) ||
  (a.unit < b.unit ? -1 : 1);

/* Puts rows into sections by unit: [{unit, rows, quantity, records}], the busiest unit first. */
function sectionsOf(rows, names, make) {
  const sections = new Map();
  for (const row of rows) {
    const unit = unitOf(row, names);
    if (!sections.has(unit)) sections.set(unit, []);
    sections.get(unit).push(make(row));
  }
  return [...sections]
    .map(([unit, each]) => ({
      unit,
      rows: each,
      quantity: addDecimals(each.map(({ quantity }) => quantity)),
      records: each.reduce((sum, { records }) => sum + BigInt(records ?? 0), 0n).toString(),
    }))
    .sort(byImportance);
}

const makeRow = (dimension, names) => (row) => ({
  ...groupOf(row, dimension, names),
  start: Date.parse(row.start),
  end: Date.parse(row.end),
  quantity: row.quantity,
  records: row.records,
});

/** Sections of one row per group, biggest first. */
export const totalSections = (data, names) =>
  sectionsOf(data.totals, names, makeRow(data.view.groupBy, names)).map((section) => ({
    ...section,
    rows: section.rows.sort(byQuantity),
  }));

/** Sections of one row per period and group, in order of time. */
export const periodSections = (data, names) =>
  sectionsOf(data.series, names, makeRow(data.view.groupBy, names)).map((section) => ({
    ...section,
    rows: section.rows.sort((a, b) => a.start - b.start || byQuantity(a, b)),
  }));

const comparisons = {
  quantity: (a, b) => compareDecimals(a.quantity, b.quantity),
  records: (a, b) => Number(BigInt(a.records ?? 0) - BigInt(b.records ?? 0)),
  name: (a, b) => a.label.localeCompare(b.label, "en", { numeric: true }) || (a.key < b.key ? -1 : 1),
  start: (a, b) => a.start - b.start,
};

/** Rows in the order that a column's name asks for, "-" in front for falling. */
export function sortRows(rows, sort) {
  const falling = sort.startsWith("-");
  const compare = comparisons[sort.replace("-", "")];
  return [...rows].sort((a, b) => (falling ? compare(b, a) : compare(a, b)));
}

const plural = { meter: "meters", subscription: "subscriptions", resource: "resources", location: "locations",
  source: "sources" };
/** "meters", "values of tag cc" */
export const groupsTitle = (dimension) => plural[dimension] ?? `values of ${dimensionTitle(dimension).toLowerCase()}`;

/** Where groups share a name (a web01 in two subscriptions), the name gets what tells them apart. */
export function apart(rows) {
  const seen = new Map();
  for (const { label } of rows) seen.set(label, (seen.get(label) ?? 0) + 1);
  return rows.map((row) => (seen.get(row.label) > 1 && row.detail ? { ...row, label: `${row.label}, ${row.detail}` } : row));
}

/** The chart's series for one unit: the biggest groups each, all others as one; [] when there is nothing to draw.
 *  Values are exact texts, null where nothing was reported. */
export function chartSeries(data, section, names) {
  const { starts } = periodsOf(data.window.from, data.window.to, data.view.granularity);
  const at = new Map(starts.map((start, index) => [start, index]));
  const empty = () => starts.map(() => null);
  const put = (values, row) => {
    const index = at.get(Date.parse(row.start));
    if (index === undefined) return;
    values[index] = values[index] === null ? row.quantity : addDecimals([values[index], row.quantity]);
  };
  const rowsOfUnit = (rows) => rows.filter((row) => unitOf(row, names) === section.unit);
  if (data.sums) {
    const values = empty();
    for (const row of rowsOfUnit(data.sums)) put(values, row);
    return [{ key: "", label: `All ${groupsTitle(data.view.groupBy)}`, colour: 1, values, drill: null }];
  }
  const single = section.rows.length > COLOURS ? COLOURS - 1 : section.rows.length;
  const series = apart(section.rows.slice(0, single)).map(({ key, label, value }, index) => ({
    key, label, colour: index + 1, values: empty(), drill: value,
  }));
  const seriesOf = new Map(series.map((each) => [each.key, each]));
  const others = { key: null, label: `${section.rows.length - single} other ${groupsTitle(data.view.groupBy)}`,
    colour: COLOURS, values: empty(), drill: null };
  for (const row of rowsOfUnit(data.series)) {
    put((seriesOf.get(groupOf(row, data.view.groupBy, names).key) ?? others).values, row);
  }
  return section.rows.length > single ? [...series, others] : series;
}
